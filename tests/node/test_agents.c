// SPDX-License-Identifier: Apache-2.0
// The node's table of agents: who joins, comes again, is silent, is revoked, is replaced, is cloned.
#include "tests/node/agents_rig.h"

static struct wf_cert web, again; // again: a new machine under the same name

static void setup(void)
{
    struct wf_secret key;

    rig_open();
    web = wf_test_cert("servers", WF_ID_AGENT, "web-1");
    again = web;
    key = wf_test_sign_key("servers/web-1 replaced", &again.sign_key);
    wf_secret_fini(&key);
}

// Either may be NULL; without both: all of it.
static struct rig_call *ask_table(const char *show, const char *revoke)
{
    struct rig_call *c = rig_call(NULL, 0);

    c->request.kind_case = WEFT__V1__REQUEST__KIND_AGENTS;
    c->agents.show = wf_pb_str(show);
    c->agents.revoke = wf_pb_str(revoke);
    c->request.agents = &c->agents;
    wf_agents_handle(&node, &c->pub);
    ck_assert(c->answered);
    return c;
}

static const Weft__V1__AgentInfo *info(void)
{
    struct rig_call *c = ask_table("web-1", NULL);

    ck_assert_int_eq(c->err, WEFT_OK);
    ck_assert_uint_eq(c->reply->agents->n_agents, 1);
    return c->reply->agents->agents[0];
}

// ---- who is here -----------------------------------------------------------------------------------------------------

START_TEST(an_agent_is_in_the_table_from_its_first_poll_on)
{
    ck_assert_int_eq(ask_table("web-1", NULL)->err, WEFT_E_NOT_FOUND);
    pass(0); // the inventory is made
    row_count = 0;
    first_poll(&web, 7);
    ck_assert_str_eq(info()->state, "up");
    ck_assert_int_eq(info()->heard_ms, 0);
    ck_assert_str_eq(info()->address, "192.0.2.7:7");
    ck_assert_int_eq(info()->certificate_expires_ms, web.not_after_ms);
    ck_assert_uint_eq(row_count, 1);
    ck_assert_str_eq(rows[0], "web-1 up");
}
END_TEST

START_TEST(one_that_comes_again_is_the_same_row)
{
    met = 0;
    pass(0);
    first_poll(&web, 7);
    row_count = 0;
    web.not_after_ms += WF_TEST_DAY; // renewed meanwhile
    pass(10000);
    first_poll(&web, 8);
    struct rig_call *c = ask_table(NULL, NULL);
    ck_assert_uint_eq(c->reply->agents->n_agents, 1);
    ck_assert_int_eq(c->reply->agents->agents[0]->certificate_expires_ms, web.not_after_ms);
    ck_assert_str_eq(c->reply->agents->agents[0]->state, "up");
    ck_assert_msg(row_count == 0, "nothing new is told");
    ck_assert_uint_eq(met, 1); // the issuer's names are asked once
}
END_TEST

START_TEST(the_table_is_sorted_and_of_all)
{
    static const char *names[] = { "c", "a", "b" };

    for (size_t i = 0; i < 3; i++) {
        struct wf_cert cert = wf_test_cert("servers", WF_ID_AGENT, names[i]);
        first_poll(&cert, 10 + i);
    }
    struct rig_call *c = ask_table(NULL, NULL);
    ck_assert_uint_eq(c->reply->agents->n_agents, 3);
    ck_assert_str_eq(c->reply->agents->agents[0]->subject, "a");
    ck_assert_str_eq(c->reply->agents->agents[2]->subject, "c");
}
END_TEST

static const enum wf_identity_kind others[] = { WF_ID_NODE, WF_ID_SERVICE, WF_ID_USER };

START_TEST(only_agents_poll)
{
    struct wf_cert cert = wf_test_cert("servers", others[_i], "x");

    ck_assert_int_eq(poll_as(&cert, 7, 0)->err, WEFT_E_KIND);
    ck_assert_uint_eq(node.agents->count, 0);
}
END_TEST

START_TEST(a_state_beyond_its_bounds_is_refused)
{
    struct rig_call *c = rig_call(&web, 7);
    Weft__V1__SourceState one = WEFT__V1__SOURCE_STATE__INIT;
    Weft__V1__SourceState *many[WF_AGENT_SOURCES_SHOWN + 1];

    for (size_t i = 0; i < WF_COUNT(many); i++)
        many[i] = &one;
    c->state.sources = many;
    c->state.n_sources = WF_COUNT(many);
    wf_poll_handle(&node, &c->pub);
    ck_assert_int_eq(c->err, WEFT_E_TOO_BIG);
}
END_TEST

START_TEST(a_state_of_few_sources_with_long_words_is_refused_and_the_last_one_stays)
{
    static char words[WF_AGENT_STATE_MAX + 1];

    first_poll(&web, 7);
    memset(words, 'w', sizeof words - 1);
    for (int i = 0; i < 2; i++) {
        struct rig_call *c = rig_call(&web, 7);
        words[i ? WF_AGENT_STATE_MAX : WF_AGENT_STATE_MAX / 2] = '\0';
        c->state.version = words;
        wf_poll_handle(&node, &c->pub);
        ck_assert_int_eq(c->err, i ? WEFT_E_TOO_BIG : WEFT_OK);
        words[WF_AGENT_STATE_MAX / 2] = 'w';
    }
    ck_assert_uint_eq(strlen(info()->last->version), WF_AGENT_STATE_MAX / 2);
}
END_TEST

// As many rows as there may be lie in the file; one more host is refused, those that are known go on.
START_TEST(a_full_table_refuses_new_hosts_and_keeps_the_others)
{
    struct wf_agents_db *db = NULL;
    struct wf_agent_row row = { .subject = web.subject, .key = web.sign_key };
    struct wf_cert another = wf_test_cert("servers", WF_ID_AGENT, "x-one-more");
    struct wf_diag diag = { 0 };
    char *path = NULL;

    wf_agents_room.close(&node);
    ck_assert_int_eq(wf_disk_join(conf.data, "agents.db", &path), WEFT_OK);
    ck_assert(!wf_agents_db_open(path, &db, &diag) && !wf_agents_db_begin(db));
    for (unsigned i = 0; i < WF_AGENTS_MAX; i++) {
        if (i)
            snprintf(row.subject.s, sizeof row.subject.s, "h-%05u", i);
        ck_assert_int_eq(wf_agents_db_put(db, &row), WEFT_OK);
    }
    ck_assert_int_eq(wf_agents_db_commit(db), WEFT_OK);
    wf_agents_db_close(db);
    free(path);
    room_open();
    ck_assert_uint_eq(node.agents->count, WF_AGENTS_MAX);
    ck_assert_int_eq(poll_as(&another, 7, 0)->err, WEFT_E_FULL);
    first_poll(&web, 8);
}
END_TEST

// ---- silence ---------------------------------------------------------------------------------------------------------

static const struct {
    int64_t silent_ms;
    const char *state;
} silences[] = {
    { 0, "up" },
    { WF_AGENT_UP_MS, "up" },
    { WF_AGENT_UP_MS + 1, "late" },
    { WF_AGENT_LATE_MS, "late" },
    { WF_AGENT_LATE_MS + 1, "gone" },
};

START_TEST(silence_makes_an_agent_late_then_gone)
{
    first_poll(&web, 7);
    now_ms += silences[_i].silent_ms;
    unix_ms += silences[_i].silent_ms;
    ck_assert_str_eq(info()->state, silences[_i].state);
    ck_assert_int_eq(info()->heard_ms, silences[_i].silent_ms);
    int64_t heard = 0;
    const char *name = wf_agent_state_name(wf_agents_state(&node, "web-1", &heard));
    ck_assert_str_eq(name, silences[_i].state);
    ck_assert_int_eq(heard, unix_ms - silences[_i].silent_ms);
}
END_TEST

START_TEST(each_change_is_told_once_and_a_return_too)
{
    pass(0);
    first_poll(&web, 7);
    row_count = 0;
    for (int i = 0; i < 40; i++)
        pass(10000);
    ck_assert_uint_eq(row_count, 2);
    ck_assert_str_eq(rows[0], "web-1 late");
    ck_assert_str_eq(rows[1], "web-1 gone");
    first_poll(&web, 9);
    ck_assert_uint_eq(row_count, 3);
    ck_assert_str_eq(rows[2], "web-1 up");
}
END_TEST

START_TEST(a_parked_poll_is_no_silence)
{
    first_poll(&web, 7);
    struct rig_call *c = poll_as(&web, 7, WF_LONG_POLL_MS);
    ck_assert(c->parked && !c->answered);
    pass(WF_LONG_POLL_MS - 1);
    ck_assert(!c->answered);
    now_ms += WF_AGENT_UP_MS; // the tick is late; the line still stands
    ck_assert_str_eq(info()->state, "up");
    pass(1);
    ck_assert(c->answered);
    ck_assert_int_eq(c->err, WEFT_OK);
}
END_TEST

START_TEST(after_a_restart_of_the_node_silence_counts_on)
{
    first_poll(&web, 7);
    unix_ms += 10000;
    now_ms = 5; // another boot
    restart();
    ck_assert_str_eq(info()->state, "late");
    unix_ms += WF_AGENT_LATE_MS;
    ck_assert_str_eq(info()->state, "gone");
    first_poll(&web, 1);
    ck_assert_str_eq(info()->state, "up");
}
END_TEST

// An agent answers no HTTP: what waits there is on its node's /metrics, also while it is silent and over restarts.
START_TEST(what_waits_in_spools_is_on_metrics)
{
    first_poll(&web, 7);
    struct rig_call *c = rig_call(&web, 7);
    c->state.spool_bytes = 4300;
    c->state.spool_records = 43;
    c->state.lost_records = 5;
    wf_poll_handle(&node, &c->pub);
    expect_metric("weft_agents_spool_bytes 4300\n");
    expect_metric("weft_agents_spool_records 43\n");
    expect_metric("weft_agents_lost_records 5\n");
    restart();
    expect_metric("weft_agents_spool_records 43\n");
}
END_TEST

START_TEST(all_rows_are_told_as_a_snapshot_once_an_hour)
{
    struct wf_cert db = wf_test_cert("servers", WF_ID_AGENT, "db-1");

    first_poll(&web, 7);
    first_poll(&db, 8);
    row_count = 0;
    pass(1);
    size_t at = row_count;
    ck_assert_uint_ge(at, 4);
    ck_assert_str_eq(rows[at - 4], "begin");
    ck_assert_str_eq(rows[at - 3], "db-1 up");
    ck_assert_str_eq(rows[at - 2], "web-1 up");
    ck_assert_str_eq(rows[at - 1], "end");
    row_count = 0;
    pass(WF_AGENT_SNAPSHOT_MS - 1);
    for (size_t i = 0; i < row_count; i++)
        ck_assert_str_ne(rows[i], "begin");
    pass(1);
    ck_assert_str_eq(rows[row_count - 1], "end");
    is_issuer = false; // one product, one home
    row_count = 0;
    pass(2 * WF_AGENT_SNAPSHOT_MS);
    ck_assert_uint_eq(row_count, 0);
}
END_TEST

// ---- revoked, replaced, cloned ---------------------------------------------------------------------------------------

START_TEST(a_revoked_agent_is_shut_out_at_once)
{
    pass(0);
    first_poll(&web, 7);
    ended = 0;
    ck_assert_int_eq(give_task(60000), WEFT_OK);
    struct rig_call *c = poll_as(&web, 7, WF_LONG_POLL_MS); // takes the task
    ck_assert_uint_eq(c->reply->poll->n_tasks, 1);
    struct rig_call *parked = poll_as(&web, 7, WF_LONG_POLL_MS);
    ck_assert(parked->parked);
    row_count = 0;
    struct rig_call *r = ask_table(NULL, "web-1");
    ck_assert_int_eq(r->err, WEFT_OK);
    ck_assert_str_eq(r->reply->agents->agents[0]->state, "revoked");
    ck_assert_int_eq(r->reply->agents->agents[0]->revoked_ms, unix_ms);
    ck_assert_uint_eq(audited, 1);
    ck_assert_msg(parked->answered, "its poll ends");
    ck_assert_uint_eq(dropped, 1);
    ck_assert_int_eq(memcmp(last_dropped.b, web.sign_key.b, WF_KEY_LEN), 0);
    ck_assert_uint_eq(ended, 1);
    ck_assert_msg(ended_with == WEFT_E_TIMEOUT, "the host took the task: nobody knows");
    ck_assert_uint_eq(row_count, 1);
    ck_assert_str_eq(rows[0], "web-1 revoked");
    ck_assert_int_eq(poll_as(&web, 8, 0)->err, WEFT_E_REVOKED);
    restart();
    ck_assert_str_eq(info()->state, "revoked");
    ck_assert_int_eq(poll_as(&web, 9, 0)->err, WEFT_E_REVOKED);
    revoked_count = 0; // the list is not at hand: the row remembers
    ck_assert_int_eq(poll_as(&web, 9, 0)->err, WEFT_E_REVOKED);
}
END_TEST

START_TEST(who_is_not_the_issuer_revokes_nothing)
{
    first_poll(&web, 7);
    is_issuer = false;
    ck_assert_int_eq(ask_table(NULL, "web-1")->err, WEFT_E_NOT_OWNER);
    ck_assert_str_eq(info()->state, "up");
    ck_assert_uint_eq(dropped, 0);
    ck_assert_int_eq(ask_table(NULL, "nobody")->err, WEFT_E_NOT_FOUND);
}
END_TEST

START_TEST(what_another_node_of_the_domain_revoked_counts_here)
{
    first_poll(&web, 7);
    ck_assert_int_eq(wf_access_revoke_origin(&node, &web.sign_key, unix_ms + 1000), WEFT_OK);
    ck_assert_str_eq(info()->state, "up"); // its time lies ahead
    unix_ms += 1000;
    ck_assert_str_eq(info()->state, "revoked");
    ck_assert_int_eq(poll_as(&web, 7, 0)->err, WEFT_E_REVOKED);
}
END_TEST

START_TEST(the_name_of_a_revoked_key_is_free_for_a_new_one)
{
    pass(0);
    first_poll(&web, 7);
    ck_assert_int_eq(ask_table(NULL, "web-1")->err, WEFT_OK);
    row_count = 0;
    first_poll(&again, 20);
    ck_assert_str_eq(info()->state, "up");
    ck_assert_int_eq(
        memcmp(wf_agents_find(&node, "web-1")->row.key.b, again.sign_key.b, WF_KEY_LEN), 0);
    ck_assert_str_eq(rows[row_count - 1], "web-1 up");
    ck_assert_msg(poll_as(&web, 21, 0)->err == WEFT_E_REVOKED, "the old key does not take it back");
    ck_assert_str_eq(info()->state, "up");
    first_poll(&again, 7); // what was known of the old key's sessions is forgotten
    restart();
    ck_assert_int_eq(
        memcmp(wf_agents_find(&node, "web-1")->row.key.b, again.sign_key.b, WF_KEY_LEN), 0);
    ck_assert_uint_eq(node.agents->count, 1);
}
END_TEST

START_TEST(what_waited_on_a_machine_that_was_replaced_is_told_under_its_name)
{
    pass(0);
    first_poll(&web, 7);
    ck_assert_int_eq(info()->replaced_ms, 0);
    wf_agents_shut_out(&node, "web-1", &again.sign_key);
    ck_assert_str_eq(info()->state, "up"); // it is not that key's
    struct rig_call *c = rig_call(&web, 7);
    c->state.spool_records = 43;
    wf_poll_handle(&node, &c->pub);
    ck_assert_int_eq(wf_access_revoke_origin(&node, &web.sign_key, unix_ms), WEFT_OK);
    wf_agents_shut_out(&node, "web-1", &web.sign_key);
    ck_assert_uint_eq(dropped, 1);
    ck_assert_uint_eq(info()->left_records, 43);
    ck_assert_int_eq(info()->replaced_ms, unix_ms);
    int64_t when = unix_ms;
    pass(60000);
    first_poll(&again, 20);
    ck_assert_str_eq(info()->state, "up");
    ck_assert_uint_eq(info()->left_records, 43);
    ck_assert_int_eq(info()->replaced_ms, when);
    restart();
    ck_assert_uint_eq(info()->left_records, 43);
    ck_assert_int_eq(info()->replaced_ms, when);
}
END_TEST

START_TEST(two_machines_with_one_key_are_both_shut_out)
{
    pass(0);
    first_poll(&web, 1);
    struct rig_call *parked = poll_as(&web, 1, WF_LONG_POLL_MS);
    ended = row_count = 0;
    ck_assert_int_eq(poll_as(&web, 2, WF_LONG_POLL_MS)->err, WEFT_OK); // ends the other's
    ck_assert(parked->answered);
    ck_assert_int_eq(give_task(60000), WEFT_OK); // the second takes it
    struct rig_call *back = poll_as(&web, 1, WF_LONG_POLL_MS);
    ck_assert_int_eq(back->err, WEFT_E_CLONED);
    ck_assert_str_eq(alarm_name, "cloned-web-1");
    ck_assert_ptr_nonnull(strstr(alarm_text, "weft agent replace web-1"));
    ck_assert_str_eq(info()->state, "cloned");
    ck_assert_str_eq(
        info()->why, "two machines use the key of web-1, at 192.0.2.7:2 and at 192.0.2.7:1");
    ck_assert_uint_eq(ended, 1);
    ck_assert_str_eq(rows[row_count - 1], "web-1 cloned");
    ck_assert_int_eq(poll_as(&web, 2, 0)->err, WEFT_E_CLONED);
    ck_assert_int_eq(poll_as(&web, 3, 0)->err, WEFT_E_CLONED);
    restart();
    ck_assert_msg(poll_as(&web, 4, 0)->err == WEFT_E_CLONED, "also after a restart");
    ck_assert_ptr_nonnull(strstr(info()->why, "at 192.0.2.7:2 and at 192.0.2.7:1"));
    // The way out: revoke, and a new ticket.
    ck_assert_int_eq(ask_table(NULL, "web-1")->err, WEFT_OK);
    first_poll(&again, 20);
    ck_assert_str_eq(info()->state, "up");
    ck_assert_str_eq(alarm_name, "");
    first_poll(&again, 21); // what is known of the old key's sessions is forgotten
    ck_assert_str_eq(info()->state, "up");
}
END_TEST

START_TEST(one_machine_that_goes_from_session_to_session_is_no_clone)
{
    for (uint64_t session = 1; session < 20; session++) {
        first_poll(&web, session);
        ck_assert_int_eq(poll_as(&web, session, 0)->err, WEFT_OK);
    }
    ck_assert_str_eq(info()->state, "up");
    ck_assert_str_eq(alarm_name, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.agents");
    TCase *t = tcase_create("agents");

    tcase_add_checked_fixture(t, setup, rig_close);
    tcase_add_test(t, an_agent_is_in_the_table_from_its_first_poll_on);
    tcase_add_test(t, one_that_comes_again_is_the_same_row);
    tcase_add_test(t, the_table_is_sorted_and_of_all);
    tcase_add_loop_test(t, only_agents_poll, 0, (int)WF_COUNT(others));
    tcase_add_test(t, a_state_beyond_its_bounds_is_refused);
    tcase_add_test(t, a_state_of_few_sources_with_long_words_is_refused_and_the_last_one_stays);
    tcase_add_test(t, a_full_table_refuses_new_hosts_and_keeps_the_others);
    tcase_add_loop_test(t, silence_makes_an_agent_late_then_gone, 0, (int)WF_COUNT(silences));
    tcase_add_test(t, each_change_is_told_once_and_a_return_too);
    tcase_add_test(t, a_parked_poll_is_no_silence);
    tcase_add_test(t, after_a_restart_of_the_node_silence_counts_on);
    tcase_add_test(t, what_waits_in_spools_is_on_metrics);
    tcase_add_test(t, all_rows_are_told_as_a_snapshot_once_an_hour);
    tcase_add_test(t, a_revoked_agent_is_shut_out_at_once);
    tcase_add_test(t, who_is_not_the_issuer_revokes_nothing);
    tcase_add_test(t, what_another_node_of_the_domain_revoked_counts_here);
    tcase_add_test(t, the_name_of_a_revoked_key_is_free_for_a_new_one);
    tcase_add_test(t, what_waited_on_a_machine_that_was_replaced_is_told_under_its_name);
    tcase_add_test(t, two_machines_with_one_key_are_both_shut_out);
    tcase_add_test(t, one_machine_that_goes_from_session_to_session_is_no_clone);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

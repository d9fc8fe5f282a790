// SPDX-License-Identifier: Apache-2.0
// What the polls of agents bring and take: manifests, where the domain's nodes are, tasks and their answers.
#include "tests/node/agents_rig.h"

static struct wf_cert web;

static void setup(void)
{
    rig_open();
    web = wf_test_cert("servers", WF_ID_AGENT, "web-1");
}

static void add_manifest(uint8_t id, const char **hosts)
{
    struct wf_collect *c = &manifests[manifest_count++];

    *c = (struct wf_collect){ .hosts = hosts, .host_count = hosts ? 1 : 0 };
    memset(c->id.b, id, sizeof c->id.b);
}

START_TEST(a_poll_brings_the_manifests_that_select_the_host_and_waits_when_they_are_known)
{
    static const char *mine[] = { "web-*" }, *others_only[] = { "db-*" }, *own[] = { "node" };

    add_manifest(5, others_only);
    add_manifest(9, NULL);
    add_manifest(3, mine);
    add_manifest(7, own);
    known = wf_bytes(NULL, 0);
    struct rig_call *c = poll_as(&web, 7, WF_LONG_POLL_MS);
    ck_assert_msg(c->answered, "an agent without manifests is answered at once");
    ck_assert_uint_eq(c->reply->poll->n_manifest_ids, 2);
    ck_assert_uint_eq(c->reply->poll->manifest_ids[0].data[0], 3);
    ck_assert_uint_eq(c->reply->poll->manifest_ids[1].data[0], 9);
    c = poll_as(&web, 7, WF_LONG_POLL_MS);
    ck_assert_msg(c->parked, "it has them");
    manifest_count--; // not this host's: it is not disturbed
    wf_agents_manifests_changed(&node);
    ck_assert(c->parked);
    manifests[1].id.b[0]++;
    wf_agents_manifests_changed(&node);
    ck_assert(c->answered);
    ck_assert_uint_eq(c->reply->poll->n_manifest_ids, 2);
    ck_assert_msg(poll_as(&web, 7, WF_LONG_POLL_MS)->answered, "until it says that it has the new");
}
END_TEST

START_TEST(who_does_not_take_what_it_is_told_of_the_domain_is_told_once_and_waits)
{
    node.agents->places = wf_test_hash("where its nodes are");
    node.agents->places_ms = now_ms + WF_TEST_DAY; // as gathered
    ck_assert(poll_as(&web, 7, WF_LONG_POLL_MS)->answered);
    struct rig_call *c = poll_as(&web, 7, WF_LONG_POLL_MS);
    ck_assert_msg(c->parked, "in this session it was told");
    node.agents->places = wf_test_hash("where they are now");
    ck_assert(poll_as(&web, 7, WF_LONG_POLL_MS)->parked);
    ck_assert_msg(c->answered, "the poll before brought the news");
    node.agents->places = wf_test_hash("where they are in the end");
    wf_agent_poll_end(&node, wf_agents_find(&node, "web-1"));
    ck_assert(poll_as(&web, 7, WF_LONG_POLL_MS)->parked);
    ck_assert_msg(
        poll_as(&web, 8, WF_LONG_POLL_MS)->answered, "who has begun anew may have lost it");
    ck_assert(poll_as(&web, 8, WF_LONG_POLL_MS)->parked);
}
END_TEST

START_TEST(a_task_ends_a_parked_poll_and_its_answer_ends_the_task)
{
    first_poll(&web, 7);
    ended = 0;
    struct rig_call *c = poll_as(&web, 7, WF_LONG_POLL_MS);
    ck_assert(c->parked);
    ck_assert_int_eq(give_task(60000), WEFT_OK);
    ck_assert(c->answered);
    ck_assert_uint_eq(c->reply->poll->n_tasks, 1);
    ck_assert_str_eq(c->reply->poll->tasks[0]->method, "List");
    for (int i = 0; i < 2; i++) {
        struct rig_call *a = rig_call(&web, 7);
        a->request.kind_case = WEFT__V1__REQUEST__KIND_ANSWER;
        a->answer.task_id = c->reply->poll->tasks[0]->id;
        a->request.answer = &a->answer;
        wf_answer_handle(&node, &a->pub);
        ck_assert_msg(a->err == (i ? WEFT_E_UNKNOWN_CALL : WEFT_OK), "answer %d", i);
    }
    ck_assert_uint_eq(ended, 1);
    ck_assert_int_eq(ended_with, WEFT_OK);
}
END_TEST

static const struct {
    const char *why;
    bool taken;
    enum weft_err want;
} deadlines[] = {
    { "nobody came for it", false, WEFT_E_NOT_DELIVERED },
    { "the host took it and is silent", true, WEFT_E_TIMEOUT },
};

START_TEST(a_task_ends_at_its_deadline_with_what_is_known_of_it)
{
    first_poll(&web, 7);
    ended = 0;
    ck_assert_int_eq(give_task(5000), WEFT_OK);
    if (deadlines[_i].taken)
        ck_assert_uint_eq(poll_as(&web, 7, 0)->reply->poll->n_tasks, 1);
    pass(4999);
    ck_assert_uint_eq(ended, 0);
    pass(1);
    ck_assert_uint_eq(ended, 1);
    ck_assert_msg(
        ended_with == deadlines[_i].want, "%s: %s", deadlines[_i].why, weft_err_name(ended_with));
}
END_TEST

START_TEST(a_host_that_is_not_up_gets_no_task)
{
    ck_assert_int_eq(give_task(5000), WEFT_E_NO_HOST);
    first_poll(&web, 7);
    ck_assert_int_eq(give_task(5000), WEFT_OK);
    pass(WF_AGENT_UP_MS + 1);
    ck_assert_int_eq(give_task(5000), WEFT_E_NO_HOST);
    first_poll(&web, 7);
    for (unsigned i = 0; i < WF_AGENT_TASKS; i++)
        ck_assert_int_eq(give_task(5000), WEFT_OK);
    ck_assert_int_eq(give_task(5000), WEFT_E_BUSY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.agents_polls");
    TCase *t = tcase_create("polls");

    tcase_add_checked_fixture(t, setup, rig_close);
    tcase_add_test(
        t, a_poll_brings_the_manifests_that_select_the_host_and_waits_when_they_are_known);
    tcase_add_test(t, who_does_not_take_what_it_is_told_of_the_domain_is_told_once_and_waits);
    tcase_add_test(t, a_task_ends_a_parked_poll_and_its_answer_ends_the_task);
    tcase_add_loop_test(
        t, a_task_ends_at_its_deadline_with_what_is_known_of_it, 0, (int)WF_COUNT(deadlines));
    tcase_add_test(t, a_host_that_is_not_up_gets_no_task);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

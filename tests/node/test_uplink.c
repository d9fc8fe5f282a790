// SPDX-License-Identifier: Apache-2.0
// An agent and its nodes: how a backlog is shared among products, hours without any node, replies that were lost, which uplink is used.
#include "tests/node/uplink_rig.h"

#define HOUR WF_TEST_HOUR

static void joined(size_t products)
{
    rig_open();
    rig_products(products);
    rig_run();
    char last[16];
    snprintf(last, sizeof last, "p%zu", products - 1);
    ck_assert_ptr_nonnull(wf_uplink_find(&node, last));
}

static void all_down(bool down)
{
    for (size_t i = 0; i < RIG_NODES; i++)
        at[i].down = down;
}

// Until the line has found out; then nothing is served.
static void lose_the_node(void)
{
    all_down(true);
    rig_pass(30000);
    rig_pass(30000);
    ck_assert_ptr_nonnull(rig_alarm("uplink"));
}

static uint64_t waiting(void)
{
    uint64_t bytes = 0, records = 0;

    wf_spool_sizes(&node, &bytes, &records);
    return records;
}

// ---- turns -----------------------------------------------------------------------------------------------------------

// A request carries 256 batches of 400 bytes, or a dozen of 60,000.
START_TEST(a_backlog_is_pushed_in_equal_bytes_whatever_the_length_of_batches)
{
    enum { PRODUCTS = 8, FAT = 80, THIN = 700 };

    joined(PRODUCTS);
    lose_the_node();
    for (int k = 0; k < THIN; k++) {
        for (size_t p = 0; p < PRODUCTS; p++)
            if (p || k < FAT)
                ck_assert_int_eq(rig_say(p, p ? 400 : 60000), WEFT_OK);
        rig_settle();
    }
    ck_assert_uint_eq(waiting(), FAT + (PRODUCTS - 1) * THIN);
    all_down(false);
    wf_test_clock_skip(30000);
    wf_loop_turn(node.loop, 0);
    wf_uplink_room.tick(&node);
    // Served one by one, as by a node that is slower than its agent, until the first has had its megabytes or a product has nothing left.
    bool some_left = true;
    uint64_t most = 0, least = 0;
    while (some_left && rig_serve()) {
        rig_settle();
        most = 0;
        least = UINT64_MAX;
        for (size_t p = 0; p < PRODUCTS; p++) {
            some_left = some_left && home.records[p] < (p ? THIN : FAT);
            most = home.bytes[p] > most ? home.bytes[p] : most;
            least = home.bytes[p] < least ? home.bytes[p] : least;
        }
    }
    ck_assert_msg(home.records[0] < FAT, "the long batches came first");
    // Two requests of grace: one in flight, and one with which a part is exceeded.
    ck_assert_msg(most - least <= 2 * (uint64_t)WF_UPLINK_PUSH_BYTES, "%llu and %llu bytes",
        (unsigned long long)least, (unsigned long long)most);
    while (rig_serve())
        rig_settle();
    for (size_t p = 0; p < PRODUCTS; p++)
        ck_assert_uint_eq(home.records[p], p ? THIN : FAT);
    ck_assert_uint_eq(home.repeated, 0);
    ck_assert_uint_eq(waiting(), 0);
    rig_close();
}
END_TEST

START_TEST(one_record_of_a_small_product_does_not_wait_for_a_backlog)
{
    joined(3);
    lose_the_node();
    for (int k = 0; k < 150; k++) {
        ck_assert_int_eq(rig_say(0, 60000), WEFT_OK);
        ck_assert_int_eq(rig_say(1, 60000), WEFT_OK);
        rig_settle();
    }
    all_down(false);
    wf_test_clock_skip(30000);
    wf_loop_turn(node.loop, 0);
    wf_uplink_room.tick(&node);
    while (home.pushes < 10 && rig_serve())
        rig_settle();
    ck_assert_int_eq(rig_say(2, 100), WEFT_OK); // now, in the middle
    rig_settle();
    unsigned from = home.pushes;
    while (home.records[2] == 0 && rig_serve())
        rig_settle();
    ck_assert_msg(home.pushes - from <= 4, "after %u pushes", home.pushes - from);
    while (rig_serve())
        rig_settle();
    rig_close();
}
END_TEST

// What its sources say gathers until then, or until the linger is over.
START_TEST(a_batch_leaves_at_the_size_that_the_product_says)
{
    joined(1);
    struct wf_agent_product *p = wf_uplink_find(&node, "p0");
    node.conf->linger_ms = 60000;
    ck_assert_int_eq(rig_say(0, 6000), WEFT_OK);
    ck_assert_uint_eq(p->open.count, 1);
    ck_assert_uint_eq(p->pending, 0);
    p->collect->product.batch_bytes = 4096;
    ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
    ck_assert_uint_eq(p->pending, 1); // the one that was too large for it
    ck_assert_uint_eq(p->open.count, 1);
    ck_assert_int_eq(rig_say(0, 4096), WEFT_OK);
    ck_assert_uint_eq(p->open.count, 0);
    rig_settle();
    rig_close();
}
END_TEST

// ---- hours without a node --------------------------------------------------------------------------------------------

static const struct {
    const char *why;
    int64_t away_ms, age_ms;
    bool loses;
} outages[] = {
    { "a night, and the age of the defaults", 9 * HOUR, 72 * HOUR, false },
    { "three days but an hour", 71 * HOUR, 72 * HOUR, false },
    { "longer than what waits may be old", 20 * HOUR, 8 * HOUR, true },
};

START_TEST(hours_without_a_node_are_delivered_or_named)
{
    uint64_t said = 0;

    joined(2);
    node.conf->spool.age_ms = (uint64_t)outages[_i].age_ms;
    ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
    said++;
    rig_run();
    ck_assert_uint_eq(home.records[0], 1);
    lose_the_node();
    for (int64_t t = 0; t < outages[_i].away_ms; t += 10 * 60000) {
        ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
        said++;
        rig_pass(10 * 60000);
        if (t == 3 * HOUR) { // also through an end and a start
            rig_stop_room();
            rig_start_room();
        }
    }
    uint64_t kept = waiting();
    ck_assert_msg(outages[_i].loses || kept == said - 1, "%s", outages[_i].why);
    all_down(false);
    for (int i = 0; i < 4; i++)
        rig_pass(30000);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_msg(home.records[0] + home.lost[0] == said, "%s: %llu and %llu of %llu",
        outages[_i].why, (unsigned long long)home.records[0], (unsigned long long)home.lost[0],
        (unsigned long long)said);
    ck_assert_msg((home.lost[0] > 0) == outages[_i].loses, "%s", outages[_i].why);
    // What is given up is at most an eighth of the age more than what is too old.
    uint64_t young = (uint64_t)(outages[_i].age_ms - outages[_i].age_ms / 4) / (10 * 60000);
    ck_assert_msg(!outages[_i].loses || home.records[0] >= young, "%s: %llu of %llu at least",
        outages[_i].why, (unsigned long long)home.records[0], (unsigned long long)young);
    ck_assert_uint_eq(home.repeated, 0);
    rig_close();
}
END_TEST

START_TEST(a_product_that_fills_the_spool_leaves_room_for_the_others)
{
    enum { SMALL = 40 };
    uint64_t fat = 0;

    joined(3);
    node.conf->spool.bytes = 2u << 20;
    rig_stop_room(); // the log has its limit from the start
    rig_start_room();
    rig_run();
    lose_the_node();
    for (; fat < 200; fat++) { // 12 MB
        ck_assert_int_eq(rig_say(0, 60000), WEFT_OK);
        rig_settle();
    }
    ck_assert_ptr_nonnull(strstr(rig_alarm("spool-share"), "p0 has its share"));
    ck_assert_msg(!rig_alarm("spool"), "the spool as a whole is not full");
    ck_assert_msg(rig_publish(0, 100, 1) == WEFT_E_FULL, "a publisher of it keeps its records");
    ck_assert_msg(rig_publish(1, 100, 1) == WEFT_OK, "one of another product is heard");
    for (int k = 0; k < SMALL; k++) {
        ck_assert_int_eq(rig_say(1 + k % 2, 1000), WEFT_OK);
        rig_settle();
    }
    all_down(false);
    for (int i = 0; i < 4; i++)
        rig_pass(30000);
    ck_assert_uint_eq(home.records[1] + home.records[2], SMALL + 1);
    ck_assert_uint_eq(home.lost[1] + home.lost[2], 0);
    ck_assert_uint_eq(home.records[0] + home.lost[0], fat);
    ck_assert_uint_gt(home.records[0], 20); // three quarters of it were its own
    ck_assert_uint_gt(home.lost[0], 100);
    ck_assert_ptr_null(rig_alarm("spool-share"));
    rig_close();
}
END_TEST

START_TEST(a_product_alone_may_fill_the_whole_spool)
{
    joined(1);
    node.conf->spool.bytes = 2u << 20;
    rig_stop_room();
    rig_start_room();
    rig_run();
    lose_the_node();
    for (int k = 0; k < 100; k++) {
        ck_assert_int_eq(rig_say(0, 60000), WEFT_OK);
        rig_settle();
    }
    ck_assert_ptr_nonnull(rig_alarm("spool"));
    ck_assert_ptr_null(rig_alarm("spool-share"));
    rig_close();
}
END_TEST

// ---- which uplink ----------------------------------------------------------------------------------------------------

START_TEST(uplinks_are_tried_in_their_order_and_each_twice)
{
    static const unsigned want[RIG_NODES] = { 2, 2, 1 };

    rig_open();
    rig_products(1);
    at[0].down = at[1].down = true;
    rig_run();
    for (int i = 0; i < 8; i++)
        rig_pass(2000 << (i / 2));
    ck_assert_str_eq(node.uplink->address, "127.0.0.1:3");
    for (size_t i = 0; i < RIG_NODES; i++) {
        ck_assert_uint_eq(at[i].dialled, 1);
        ck_assert_msg(i == 2 || at[i].asked == want[i], "%zu: %u times", i, at[i].asked);
    }
    rig_close();
}
END_TEST

// A thousand of them that dialled anew would keep it busy with handshakes.
START_TEST(a_busy_node_is_asked_again_in_the_same_session_when_there_is_no_other)
{
    joined(1);
    core.dir->seed_count = 1;
    const struct wf_link *line = node.uplink->link;
    unsigned dials = at[0].dialled;
    at[0].busy = true;
    for (int i = 0; i < 8; i++)
        rig_pass(30000);
    ck_assert(at[0].dialled == dials && node.uplink->link == line);
    ck_assert_ptr_nonnull(rig_alarm("uplink"));
    at[0].busy = false;
    rig_pass(30000);
    ck_assert_ptr_null(rig_alarm("uplink"));
    ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
    rig_run();
    ck_assert_uint_eq(home.records[0], 1);
    rig_close();
}
END_TEST

// A thousand agents that ask each second again would take what is left of a node that has no room.
START_TEST(a_node_without_room_is_asked_less_and_less)
{
    joined(1);
    no_room = true;
    put_off = 0;
    ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
    for (int i = 0; i < 60; i++)
        rig_pass(1000);
    ck_assert_msg(put_off >= 12 && put_off <= 32, "%u times in a minute", put_off);
    no_room = false;
    rig_pass(5000);
    ck_assert_uint_eq(home.records[0], 1);
    no_room = true;
    put_off = 0;
    ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
    rig_pass(1000);
    rig_pass(1000);
    ck_assert_msg(put_off >= 2, "it begins anew with a second: %u", put_off);
    no_room = false;
    rig_close();
}
END_TEST

START_TEST(who_failed_over_goes_back_when_the_first_answers_and_keeps_the_line_until_then)
{
    joined(1);
    at[0].down = true;
    rig_pass(30000);
    rig_pass(30000);
    rig_pass(30000);
    ck_assert_str_eq(node.uplink->address, "127.0.0.1:2");
    const struct wf_link *line = node.uplink->link;
    rig_pass(WF_UPLINK_BACK_MS);
    ck_assert_msg(at[0].dialled == 2, "it was looked for: %u", at[0].dialled);
    ck_assert_msg(node.uplink->link == line, "and the line stayed");
    ck_assert_ptr_null(rig_alarm("uplink"));
    ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
    rig_settle();
    wf_uplink_room.tick(&node); // a push is on its way over the second
    at[0].down = false;
    rig_pass(WF_UPLINK_BACK_MS);
    ck_assert_str_eq(node.uplink->address, "127.0.0.1:1");
    ck_assert_msg(!rig_alarm("uplink"), "leaving a line is no failure");
    rig_pass(1000);
    ck_assert_uint_eq(home.records[0], 1);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
    rig_run();
    ck_assert_uint_eq(home.records[0], 2);
    unsigned dials = at[0].dialled;
    rig_pass(3 * (int64_t)WF_UPLINK_BACK_MS);
    ck_assert_msg(at[0].dialled == dials, "the first has nothing before it");
    rig_close();
}
END_TEST

// What waits for the node that signed its product, while the agent's line stands to another one of the domain.
START_TEST(what_another_node_shall_have_gives_it_its_turn)
{
    two_signers = second_is_no_home = true;
    joined(1);
    at[0].down = at[2].down = true; // they are one, the home of p0
    for (int i = 0; i < 3; i++)
        rig_pass(30000);
    ck_assert_str_eq(node.uplink->address, "127.0.0.1:2");
    const struct wf_link *line = node.uplink->link;
    rig_pass(WF_UPLINK_TURN_MS);
    ck_assert_msg(node.uplink->link == line, "nothing waits, so nobody has a turn");
    ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
    rig_settle();
    at[2].down = false;
    for (int i = 0; i < 3; i++)
        rig_pass(WF_UPLINK_TURN_MS / 3);
    ck_assert_uint_eq(home.records[0], 1);
    ck_assert_uint_eq(waiting(), 0);
    wf_buf_fini(&second_chain);
    rig_close();
}
END_TEST

// The home has the batch, its answer is lost with the line: the marks are asked first over the next one, and nothing is pushed twice.
START_TEST(a_batch_whose_answer_was_lost_is_not_pushed_again)
{
    joined(1);
    for (int k = 0; k < 5; k++)
        ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
    rig_settle();
    wf_uplink_room.tick(&node);
    lost_answers = true; // the home takes what comes, the line breaks
    rig_run();
    ck_assert_uint_eq(home.records[0], 5);
    ck_assert_uint_eq(waiting(), 5);
    lost_answers = false;
    all_down(true);
    rig_pass(30000);
    rig_pass(30000);
    all_down(false);
    unsigned pushes = home.pushes;
    for (int i = 0; i < 4; i++)
        rig_pass(30000);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_uint_eq(home.pushes, pushes);
    ck_assert_uint_eq(home.repeated, 0);
    ck_assert_uint_eq(home.records[0], 5);
    rig_close();
}
END_TEST

// ---- the clock -------------------------------------------------------------------------------------------------------

static void step_clock(int64_t ms)
{
    wf_test_clock_step(ms);
    wf_loop_turn(node.loop, 0);
    wf_uplink_room.tick(&node);
}

START_TEST(a_clock_that_is_set_back_where_it_was_gives_the_certificate_back)
{
    joined(1);
    ck_assert(node.has_certificate);
    step_clock(3650 * WF_TEST_DAY);
    ck_assert(!node.has_certificate); // it signs nothing more
    step_clock(-3650 * WF_TEST_DAY);
    ck_assert(node.has_certificate); // without waiting for a renewal
    ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
    rig_settle();
    rig_close();
}
END_TEST

// ---- nodes that are elsewhere -----------------------------------------------------------------------------------------

START_TEST(an_agent_whose_only_nodes_are_silent_says_what_it_needs)
{
    joined(1);
    all_down(true);
    rig_pass(10000);
    ck_assert_ptr_null(rig_alarm("no-node")); // a restart is no news
    rig_pass(30000);
    const char *text = rig_alarm("no-node");
    ck_assert_ptr_nonnull(text);
    ck_assert_msg(strstr(text, "no node of servers answers, and no other one is known") &&
                      strstr(text, "weft key show") && strstr(text, "uplinks: of weftd.yaml"),
        "%s", text);
    all_down(false);
    rig_pass(30000);
    ck_assert_ptr_null(rig_alarm("no-node"));
    rig_close();
}
END_TEST

// ---- nodes that are no more -----------------------------------------------------------------------------------------

// As if the node had been silent for so long already.
static void age_first_node(int64_t ms)
{
    const struct wf_sign_pub *key = &mesh.d[WF_TEST_SERVERS].node_pub;

    for (size_t i = 0; i < node.uplink->signer_count; i++)
        if (memcmp(node.uplink->signers[i].key.b, key->b, WF_KEY_LEN) == 0) {
            node.uplink->signers[i].seen_unix_ms -= ms;
            node.uplink->signers[i].kept_unix_ms = 0;
            return;
        }
    ck_abort_msg("no such signer");
}

START_TEST(what_a_node_signed_that_left_goes_out_of_force_once_another_one_is_heard)
{
    two_signers = true;
    joined(1);
    at[0].down = at[2].down = true; // they are one
    rig_pass(30000);
    rig_pass(30000);
    rig_pass(30000);
    ck_assert_str_eq(node.uplink->address, "127.0.0.1:2");
    ck_assert_msg(wf_uplink_find(&node, "p0") != NULL, "it is away, perhaps for a while");
    ck_assert_int_eq(rig_say(0, 100), WEFT_OK);
    age_first_node(WF_MANIFEST_LIFE_MS - 86400000);
    rig_pass(WF_LONG_POLL_MS);
    rig_stop_room(); // what is known of it outlives a restart
    rig_start_room();
    ck_assert_ptr_nonnull(wf_uplink_find(&node, "p0"));
    at[1].down = true;
    age_first_node(86400000);
    for (int i = 0; i < 3; i++)
        rig_pass(30000);
    ck_assert_msg(wf_uplink_find(&node, "p0") != NULL, "nobody is heard: the host goes on");
    at[1].down = false;
    for (int i = 0; i < 6; i++)
        rig_pass(30000);
    ck_assert_str_eq(node.uplink->address, "127.0.0.1:2");
    ck_assert_ptr_null(wf_uplink_find(&node, "p0"));
    ck_assert_msg(rig_say(0, 100) == WEFT_E_NOT_FOUND, "nothing more of it is taken");
    ck_assert_msg(home.records[0] == 1, "what had been said was delivered");
    rig_stop_room();
    rig_start_room();
    ck_assert_msg(!wf_uplink_find(&node, "p0"), "nor does it come back from the disk");
    at[0].down = false; // it was no end
    for (int i = 0; i < 6; i++)
        rig_pass(30000);
    ck_assert_str_eq(node.uplink->address, "127.0.0.1:1");
    ck_assert_ptr_nonnull(wf_uplink_find(&node, "p0"));
    wf_buf_fini(&second_chain);
    rig_close();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.uplink");
    TCase *c = tcase_create("uplink");

    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_backlog_is_pushed_in_equal_bytes_whatever_the_length_of_batches);
    tcase_add_test(c, one_record_of_a_small_product_does_not_wait_for_a_backlog);
    tcase_add_test(c, a_batch_leaves_at_the_size_that_the_product_says);
    tcase_add_test(c, a_clock_that_is_set_back_where_it_was_gives_the_certificate_back);
    tcase_add_loop_test(c, hours_without_a_node_are_delivered_or_named, 0, (int)WF_COUNT(outages));
    tcase_add_test(c, a_product_that_fills_the_spool_leaves_room_for_the_others);
    tcase_add_test(c, a_product_alone_may_fill_the_whole_spool);
    tcase_add_test(c, uplinks_are_tried_in_their_order_and_each_twice);
    tcase_add_test(c, a_busy_node_is_asked_again_in_the_same_session_when_there_is_no_other);
    tcase_add_test(c, a_node_without_room_is_asked_less_and_less);
    tcase_add_test(
        c, who_failed_over_goes_back_when_the_first_answers_and_keeps_the_line_until_then);
    tcase_add_test(c, what_another_node_shall_have_gives_it_its_turn);
    tcase_add_test(c, a_batch_whose_answer_was_lost_is_not_pushed_again);
    tcase_add_test(c, an_agent_whose_only_nodes_are_silent_says_what_it_needs);
    tcase_add_test(c, what_a_node_signed_that_left_goes_out_of_force_once_another_one_is_heard);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

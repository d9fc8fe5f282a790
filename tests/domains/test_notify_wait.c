// SPDX-License-Identifier: Apache-2.0
// When groups are told, and what waits for a target that refuses: for how long, in which order, and what takes the place of what.
#include <stdio.h>
#include <string.h>

#include "tests/domains/notify_rig.h"
#include "tests/support/support.h"

#define MINUTE 60000

START_TEST(an_alert_that_ends_and_begins_again_within_the_interval_is_told_once_more)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 10s, repeat: 0, to: [stdout]}\n");
    take(&g);
    struct wf_alert *a = fire(&g, 1, "full");
    turn(&g, 0);
    turn(&g, 1000);
    become(&g, a, WF_ALERT_FIRING); // its end found nobody who looked
    turn(&g, 1000);
    has_heard(&g, 1, "f");
    turn(&g, 10000);
    has_heard(&g, 1, "ff");
    turn(&g, 10000);
    has_heard(&g, 1, "ff");
    rig_fini(&g);
}
END_TEST

START_TEST(what_waited_too_long_takes_nothing_else_with_it)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    refuse_all();
    struct wf_alert *first = fire(&g, 1, "a");
    turn(&g, 0);
    fire(&g, 3, "b");
    turn(&g, 2000);
    turn(&g, MINUTE);
    fire(&g, 9, "c");
    turn(&g, 2000);
    first->acked_ms = g.now_ms; // nobody tells of it again
    first->ack_until_ms = INT64_MAX;
    fire(&g, 2, "a");
    fire(&g, 4, "b");
    ck_assert_uint_eq(turn(&g, 58LL * MINUTE).queues.given_up, 0);
    ck_assert_int_eq(first->kept_told, WF_ALERT_PENDING);
    struct wf_notify_stats stats = turn(&g, MINUTE);
    ck_assert_uint_eq(stats.queues.given_up, 1);
    ck_assert_str_eq(stats.queues.lost,
        "standard output was not told of alert 00000001 of rule=a: it took nothing for an hour");
    ck_assert_int_eq(first->kept_told, WF_ALERT_FIRING); // a restart does not make it news
    ck_assert_uint_eq(turn(&g, 2LL * MINUTE).queues.given_up, 2);
    fire(&g, 5, "d");
    take(&g);
    settle(&g, MINUTE);
    for (unsigned id = 2; id <= 5; id++)
        has_heard(&g, id, "f");
    has_heard(&g, 1, "");
    has_heard(&g, 9, "");
    rig_fini(&g);
}
END_TEST

START_TEST(a_group_keeps_its_interval_after_nothing_of_it_fires_and_its_wait_after_the_interval)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 5s, interval: 20s, repeat: 0, to: [stdout]}\n");
    take(&g);
    struct wf_alert *a = fire(&g, 1, "full");
    turn(&g, 0);
    turn(&g, 5000);
    has_heard(&g, 1, "f");
    become(&g, a, WF_ALERT_RESOLVED);
    turn(&g, 1000);
    turn(&g, 19000);
    has_heard(&g, 1, "fr");
    turn(&g, 1000); // nothing of it fires
    become(&g, a, WF_ALERT_FIRING);
    turn(&g, 1000);
    turn(&g, 17000);
    has_heard(&g, 1, "fr");
    turn(&g, 1000);
    has_heard(&g, 1, "frf");
    fire(&g, 2, "full");
    turn(&g, 60000);
    turn(&g, 4000);
    has_heard(&g, 2, "");
    turn(&g, 1000);
    has_heard(&g, 2, "f");
    rig_fini(&g);
}
END_TEST

START_TEST(what_an_earlier_run_told_is_told_again_when_it_is_due_and_not_at_once)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 1h, to: [stdout]}\n");
    take(&g);
    struct wf_alert *a = fire(&g, 1, "full");
    a->fired_ms = g.now_ms - 20LL * MINUTE;
    a->told = a->kept_told = WF_ALERT_FIRING;
    a->told_ms = a->kept_told_ms = g.now_ms - 10LL * MINUTE;
    turn(&g, 0);
    turn(&g, 49LL * MINUTE);
    has_heard(&g, 1, "");
    turn(&g, MINUTE);
    has_heard(&g, 1, "f");
    turn(&g, 59LL * MINUTE);
    has_heard(&g, 1, "f");
    rig_fini(&g);
}
END_TEST

START_TEST(a_text_is_tried_for_an_hour_and_its_loss_is_named_once)
{
    struct wf_notify_stats stats;
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    refuse_all();
    ck_assert(wf_notify_test(g.n, g.now_ms));
    turn(&g, 0);
    stats = turn(&g, 59LL * MINUTE);
    ck_assert_uint_eq(stats.queues.given_up, 0);
    ck_assert_uint_eq(stats.waiting, 1);
    for (unsigned i = 0; i < 3; i++)
        stats = turn(&g, 2LL * MINUTE);
    ck_assert_uint_eq(stats.queues.given_up, 1);
    ck_assert_str_eq(
        stats.queues.lost, "standard output was not told test: it took nothing for an hour");
    ck_assert_uint_eq(stats.waiting, 0);
    rig_fini(&g);
}
END_TEST

START_TEST(a_text_takes_the_place_of_its_own_kind_alone)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, alive: 1m, to: [stdout]}\n");
    refuse_all();
    ck_assert(wf_notify_test(g.n, g.now_ms));
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_le(turn(&g, MINUTE).waiting, 2);
    ck_assert_uint_eq(turn(&g, 0).waiting, 2); // a test, and the newest sign of life
    take(&g);
    settle(&g, MINUTE / 2);
    struct wf_buf text = wf_test_file(g.out);
    ck_assert_ptr_nonnull(memmem(text.ptr, text.len, "\"status\":\"test\"", 15));
    ck_assert_ptr_nonnull(memmem(text.ptr, text.len, "\"status\":\"alive\"", 16));
    wf_buf_fini(&text);
    rig_fini(&g);
}
END_TEST

START_TEST(an_alert_that_is_no_more_when_its_message_is_made_says_nothing)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    refuse_all();
    struct wf_alert *a = fire(&g, 1, "full");
    fire(&g, 2, "full");
    turn(&g, 0);
    become(&g, a, WF_ALERT_RESOLVED);
    wf_alerts_expire(g.alerts, g.now_ms + WF_ALERT_KEPT_MS + 1, NULL, NULL);
    take(&g);
    settle(&g, MINUTE);
    has_heard(&g, 1, "");
    has_heard(&g, 2, "f");
    rig_fini(&g);
}
END_TEST

// A message holds a hundred. What failed with it is told with the next one, whatever comes between.
START_TEST(what_was_in_a_message_that_failed_is_told_though_others_come_before_it)
{
    static struct wf_alert *alerts[150];
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    refuse_all();
    for (unsigned i = 0; i < 100; i++)
        alerts[i] = fire(&g, i, "full");
    turn(&g, 0);
    for (unsigned i = 100; i < 150; i++)
        alerts[i] = fire(&g, i, "full");
    turn(&g, MINUTE);
    for (unsigned i = 100; i < 150; i++)
        become(&g, alerts[i], WF_ALERT_RESOLVED);
    take(&g);
    turn(&g, MINUTE);
    settle(&g, MINUTE);
    for (unsigned i = 0; i < 150; i++)
        has_heard(&g, i, i < 100 ? "f" : "r");
    rig_fini(&g);
}
END_TEST

// What waits for its group's time comes to it then, as to all others; what is over it never heard of.
START_TEST(who_comes_later_hears_at_once_of_what_fires_and_was_told)
{
    struct weft_conf *conf = NULL;
    unsigned count = 0;
    struct rig g;
    char got[32];

    rig_init(&g, "notify: {wait: 5s, interval: 5s, repeat: 0}\n");
    for (unsigned i = 0; i < 150; i++)
        fire(&g, i, "full");
    struct wf_alert *over = fire(&g, 300, "third");
    turn(&g, 0);
    turn(&g, 5000);
    fire(&g, 150, "full"); // with it those are named for whom there was no place
    turn(&g, 0);
    turn(&g, 5000);
    fire(&g, 200, "other");
    become(&g, over, WF_ALERT_RESOLVED);
    turn(&g, 0);
    struct wf_notify_conf *other =
        rig_conf("notify: {wait: 5s, interval: 5s, repeat: 0, to: [stdout]}\n", &conf);
    wf_notify_use(g.n, other);
    take(&g);
    turn(&g, 0);
    for (unsigned i = 0; i <= 150; i++) {
        heard(&g, i, got, sizeof got);
        ck_assert_str_eq(got, got[0] ? "f" : "");
        count += got[0] != '\0';
    }
    ck_assert_uint_eq(count, 100); // in one message
    struct wf_buf text = wf_test_file(g.out);
    ck_assert_ptr_nonnull(memmem(text.ptr, text.len, "\"more\":51,", 10));
    wf_buf_fini(&text);
    has_heard(&g, 200, "");
    has_heard(&g, 300, "");
    turn(&g, 5000);
    has_heard(&g, 200, "f");
    has_heard(&g, 300, "r");
    rig_fini(&g);
    wf_notify_conf_free(other);
    weft_conf_free(conf);
}
END_TEST

// One target has the first and waits for the second, the other has none of them: after a restart both are told.
START_TEST(what_one_target_still_waits_for_is_not_kept_as_told)
{
    struct rig g;

    rig_init(
        &g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [{command: ['false', a]}, stdout]}\n");
    take(&g);
    struct wf_alert *first = fire(&g, 1, "a");
    turn(&g, 0);
    has_heard(&g, 1, "f");
    refuse_all();
    struct wf_alert *second = fire(&g, 2, "b");
    ck_assert_uint_eq(turn(&g, 2000).waiting, 3);
    ck_assert_int_eq(first->kept_told, WF_ALERT_PENDING);
    ck_assert_int_eq(second->kept_told, WF_ALERT_PENDING);
    rig_fini(&g);
}
END_TEST

// Else a restart would tell it again.
START_TEST(what_arrived_is_to_be_written_once)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    refuse_all();
    struct wf_alert *a = fire(&g, 1, "full");
    a->changed = false;
    turn(&g, 0);
    ck_assert(!wf_notify_has_kept(g.n) && !a->changed);
    take(&g);
    turn(&g, MINUTE);
    ck_assert(wf_notify_has_kept(g.n) && a->changed);
    ck_assert_int_eq(a->kept_told, WF_ALERT_FIRING);
    ck_assert_int_eq(a->kept_told_ms, a->told_ms);
    a->changed = false;
    turn(&g, MINUTE);
    ck_assert(!wf_notify_has_kept(g.n) && !a->changed);
    rig_fini(&g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify_wait");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_alert_that_ends_and_begins_again_within_the_interval_is_told_once_more);
    tcase_add_test(t, what_waited_too_long_takes_nothing_else_with_it);
    tcase_add_test(
        t, a_group_keeps_its_interval_after_nothing_of_it_fires_and_its_wait_after_the_interval);
    tcase_add_test(t, what_an_earlier_run_told_is_told_again_when_it_is_due_and_not_at_once);
    tcase_add_test(t, a_text_is_tried_for_an_hour_and_its_loss_is_named_once);
    tcase_add_test(t, a_text_takes_the_place_of_its_own_kind_alone);
    tcase_add_test(t, an_alert_that_is_no_more_when_its_message_is_made_says_nothing);
    tcase_add_test(t, what_was_in_a_message_that_failed_is_told_though_others_come_before_it);
    tcase_add_test(t, who_comes_later_hears_at_once_of_what_fires_and_was_told);
    tcase_add_test(t, what_one_target_still_waits_for_is_not_kept_as_told);
    tcase_add_test(t, what_arrived_is_to_be_written_once);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

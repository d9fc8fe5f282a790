// SPDX-License-Identifier: Apache-2.0
// A target that takes nothing for a while, or ever: what it has to hear waits, each alert once, and is how things are when it takes it.
#include <stdio.h>
#include <string.h>

#include "tests/domains/notify_rig.h"
#include "tests/support/support.h"

#define GROUPS 1250u // more than messages ever waited for one target

START_TEST(a_target_that_hangs_hears_of_each_alert_once_and_how_it_is_now)
{
    static struct wf_alert *alerts[2 * GROUPS];
    struct wf_notify_stats stats = { .waiting = 0 };
    char rule[16];
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, alive: 1s, to: [stdout]}\n");
    hang();
    for (unsigned i = 0; i < 2 * GROUPS; i++) {
        snprintf(rule, sizeof rule, "rule-%u", i / 2);
        alerts[i] = fire(&g, i, rule);
    }
    turn(&g, 0);
    for (unsigned i = 0; i < 2 * GROUPS; i++)
        become(&g, alerts[i], WF_ALERT_RESOLVED);
    turn(&g, 2000);
    for (unsigned i = 1; i < 2 * GROUPS; i += 2)
        become(&g, alerts[i], WF_ALERT_FIRING);
    for (unsigned i = 0; i < 30; i++)
        stats = turn(&g, 2000);
    ck_assert_uint_eq(stats.queues.given_up, 0);
    ck_assert_uint_eq(stats.queues.failed, 0); // nobody knows yet
    // Two signs of life at most: one that is under way, and one that waits.
    ck_assert_uint_ge(stats.most_waiting, 2 * GROUPS + 1);
    ck_assert_uint_le(stats.most_waiting, 2 * GROUPS + 2);
    take(&g);
    for (unsigned i = 0; i < 10 && !wf_notify_is_idle(g.n); i++)
        turn(&g, 100);
    ck_assert(wf_notify_is_idle(g.n));
    unsigned once = 0;
    for (unsigned i = 0; i < 2 * GROUPS; i += 97) { // both of a group, and all over
        char got[32];
        heard(&g, i, got, sizeof got);
        ck_assert_msg(strlen(got) >= 1 && got[strlen(got) - 1] == (i % 2 ? 'f' : 'r'), "%s", got);
        once += strlen(got) == 1;
    }
    ck_assert_uint_ge(once, 24); // of 26; what was under way was told as it was
    for (unsigned i = 0; i < 2 * GROUPS; i++)
        ck_assert_int_eq(alerts[i]->kept_told, (int)alerts[i]->state);
    rig_fini(&g);
}
END_TEST

START_TEST(what_is_under_way_is_followed_by_how_it_ended)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    hang();
    struct wf_alert *a = fire(&g, 1, "full");
    turn(&g, 0);
    become(&g, a, WF_ALERT_RESOLVED);
    turn(&g, 2000);
    ck_assert_int_eq(a->kept_told, WF_ALERT_PENDING); // after a restart all of it is told
    take(&g);
    turn(&g, 100);
    has_heard(&g, 1, "fr");
    ck_assert_int_eq(a->kept_told, WF_ALERT_RESOLVED);
    rig_fini(&g);
}
END_TEST

// A message has place for a hundred names: who was not named is not told to be over, and who was, is.
START_TEST(of_a_group_without_end_everybody_who_was_named_is_told_to_be_over)
{
    static struct wf_alert *alerts[250];
    struct rig g;
    char got[32];

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    take(&g);
    for (unsigned i = 0; i < 250; i++)
        alerts[i] = fire(&g, i, "full");
    turn(&g, 0);
    turn(&g, 2000); // nothing is new: those without a name were counted
    struct wf_buf text = wf_test_file(g.out);
    ck_assert_ptr_nonnull(memmem(text.ptr, text.len, "\"more\":150,", 11));
    ck_assert_ptr_eq(memchr(text.ptr, '\n', text.len), text.ptr + text.len - 1); // one message
    wf_buf_fini(&text);
    for (unsigned i = 0; i < 250; i += 2)
        become(&g, alerts[i], WF_ALERT_RESOLVED);
    turn(&g, 2000); // half of those are over, and others take their place
    for (unsigned i = 1; i < 250; i += 2)
        become(&g, alerts[i], WF_ALERT_RESOLVED);
    for (unsigned i = 0; i < 5; i++)
        turn(&g, 2000);
    unsigned named = 0, unnamed = 0;
    for (unsigned i = 0; i < 250; i++) {
        heard(&g, i, got, sizeof got);
        size_t len = strlen(got);
        ck_assert_msg(len == 0 || (len >= 2 && got[0] == 'f' && got[len - 1] == 'r'), "%s", got);
        named += len > 0;
        unnamed += len == 0;
    }
    ck_assert_uint_ge(named, 100);
    ck_assert_uint_ge(unnamed, 1);
    rig_fini(&g);
}
END_TEST

// While a group waits for its interval its alert ended and may begin again: that it ended is told all the same.
START_TEST(the_end_of_an_alert_that_begins_again_is_told)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 10s, repeat: 0, to: [stdout]}\n");
    take(&g);
    struct wf_alert *a = fire(&g, 1, "full");
    turn(&g, 0);
    become(&g, a, WF_ALERT_RESOLVED);
    turn(&g, 1000);
    a->state = WF_ALERT_PENDING;
    turn(&g, 1000);
    has_heard(&g, 1, "f"); // the interval
    turn(&g, 10000);
    has_heard(&g, 1, "fr");
    turn(&g, 10000);
    has_heard(&g, 1, "fr");
    become(&g, a, WF_ALERT_FIRING);
    turn(&g, 10000);
    has_heard(&g, 1, "frf");
    rig_fini(&g);
}
END_TEST

// The rules file is read anew while alerts fire: a target that comes hears of them, and what waits goes to whom it was for.
START_TEST(targets_that_change_hear_what_is_theirs)
{
    struct weft_conf *conf = NULL;
    struct wf_notify_stats stats;
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [{command: ['false', a]}]}\n");
    fire(&g, 1, "full");
    take(&g);
    stats = turn(&g, 0);
    ck_assert_uint_eq(stats.waiting, 1);
    struct wf_notify_conf *other = rig_conf("notify: {wait: 0, interval: 1s, repeat: 0, to: "
                                            "[{command: ['false', b]}, stdout, {command: "
                                            "['false', a]}]}\n",
        &conf);
    wf_notify_use(g.n, other);
    stats = turn(&g, 2000);
    ck_assert_uint_eq(stats.queues.given_up, 0);
    ck_assert_uint_eq(stats.waiting, 2); // of a what waited, of b what fires
    has_heard(&g, 1, "f");
    turn(&g, 2000);
    has_heard(&g, 1, "f");
    wf_notify_use(g.n, g.notify);
    wf_notify_stats(g.n, &stats);
    ck_assert_uint_eq(stats.queues.given_up, 1); // b is told no more
    ck_assert_uint_eq(stats.waiting, 1);
    rig_fini(&g);
    wf_notify_conf_free(other);
    weft_conf_free(conf);
}
END_TEST

START_TEST(a_group_of_which_nothing_fires_is_forgotten_after_its_interval)
{
    const struct wf_group_conf conf = {
        .interval_ms = 1000, .labels = { "rule" }, .label_count = 1
    };
    struct wf_group_view v = { .now_ms = NOON_MS };
    struct wf_groups groups = { NULL };
    struct rig g;
    bool news;

    rig_init(&g, "notify: {to: [stdout]}\n");
    g.now_ms = NOON_MS;
    struct wf_alert *a = fire(&g, 1, "full");
    ck_assert(wf_groups_look(&groups, &conf, g.alerts, &v, &news));
    ck_assert(news && groups.count == 1);
    groups.all->changed_ms = 0; // told
    groups.all->sent_ms = NOON_MS;
    a->told = WF_ALERT_FIRING;
    a->told_ms = NOON_MS;
    v.now_ms += 5000;
    ck_assert(wf_groups_look(&groups, &conf, g.alerts, &v, &news));
    ck_assert(!news && groups.count == 1 && groups.all->firing);
    become(&g, a, WF_ALERT_RESOLVED);
    a->told = WF_ALERT_RESOLVED;
    ck_assert(wf_groups_look(&groups, &conf, g.alerts, &v, &news));
    ck_assert_uint_eq(groups.count, 0);
    wf_groups_fini(&groups);
    rig_fini(&g);
}
END_TEST

// ---- the queue's own bound -----------------------------------------------------------------------------------------------------

// Where all that waits is the end of something the oldest goes.
START_TEST(what_finds_no_room_is_named_and_is_not_the_end_of_anything)
{
    const bool all_end = _i;
    static const struct wf_target_conf nobody = { .kind = WF_TARGET_COMMAND, .words = { "page" } };
    static struct wf_alert a = { .state = WF_ALERT_RESOLVED };
    struct wf_alert *const one[] = { &a };
    struct wf_queue q = { .target = { .conf = &nobody } };
    struct wf_queue_stats stats = { .given_up = 0 };
    char group[32];

    for (unsigned i = 0; i <= WF_QUEUE_ALERTS; i++) {
        const struct wf_queue_news news = {
            .group = group, .alerts = one, .count = 1, .telling = i + 1, .now_ms = NOON_MS
        };
        snprintf(group, sizeof group, "rule=%u", i / 50);
        snprintf(a.id, sizeof a.id, "%08x", i);
        a.state = i == 0 || all_end ? WF_ALERT_RESOLVED : WF_ALERT_FIRING;
        ck_assert(wf_queue_add(&q, &news, &stats));
        ck_assert(wf_queue_add(&q, &news, &stats)); // twice is once
        ck_assert_uint_eq(stats.given_up, i == WF_QUEUE_ALERTS);
    }
    ck_assert_uint_eq(q.count, WF_QUEUE_ALERTS);
    ck_assert_str_eq(stats.lost,
        all_end ? "page was not told of the end of alert 00000000 of rule=0: too many wait"
                : "page was not told of alert 00000001 of rule=0: too many wait");
    // The end of the first is still to be told.
    ck_assert_uint_eq(wf_queue_oldest(&q), all_end ? 2 : 1);
    wf_queue_empty(&q);
    ck_assert_uint_eq(wf_queue_oldest(&q), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify_queue");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_target_that_hangs_hears_of_each_alert_once_and_how_it_is_now);
    tcase_add_test(t, what_is_under_way_is_followed_by_how_it_ended);
    tcase_add_test(t, of_a_group_without_end_everybody_who_was_named_is_told_to_be_over);
    tcase_add_test(t, the_end_of_an_alert_that_begins_again_is_told);
    tcase_add_test(t, targets_that_change_hear_what_is_theirs);
    tcase_add_test(t, a_group_of_which_nothing_fires_is_forgotten_after_its_interval);
    tcase_add_loop_test(t, what_finds_no_room_is_named_and_is_not_the_end_of_anything, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

// SPDX-License-Identifier: Apache-2.0
// Alerts as a product: what is worth a record, and that each change is published once and in order, whatever dies or is away.
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/spread.h"
#include "tests/domains/fake_publish.h"
#include "tests/support/support.h"

#define NOW 1767571200000

static char path[512];
static struct wf_book *book;
static struct wf_alerts *alerts;
static struct wf_spread *spread;
static struct wf_silence silence;
static size_t silences;
static int64_t now;

static void on_alert(void *arg, struct wf_alert *a, enum wf_alert_step step)
{
    (void)arg, (void)a, (void)step;
}

static enum weft_err restore(void *arg, const struct wf_alert *a)
{
    (void)arg;
    return wf_alerts_put(alerts, a);
}

static void must(enum weft_err err)
{
    ck_assert_msg(err == WEFT_OK, "%s: %s", weft_err_text(err), wf_book_problem(book));
}

static void open_all(const char *product)
{
    struct weft_problem problem = { 0 };

    ck_assert_msg(!wf_book_open(path, WF_BOOK_KEEP, &book, &problem), "%s", problem.text);
    alerts = wf_alerts_new(on_alert, NULL);
    must(wf_book_alerts(book, restore, NULL));
    spread = wf_spread_new("monitoring/watch");
    must(wf_spread_use(spread, book, NULL, product));
}

static void close_all(void)
{
    wf_spread_free(spread);
    wf_alerts_free(alerts);
    wf_book_close(book);
    spread = NULL;
}

static void setup(void)
{
    static unsigned n;

    snprintf(path, sizeof path, "%s/%u-alerts.db", wf_test_tmpdir(), n++);
    fake_node_reset();
    silences = 0;
    now = NOW;
    open_all("alerts");
}

static void teardown(void)
{
    if (spread)
        close_all();
    fake_node_reset();
}

static void look(void)
{
    const struct wf_spread_view v = {
        .alerts = alerts, .silences = &silence, .silence_count = silences, .now_ms = now
    };

    (void)wf_spread_look(spread, &v);
}

static void put_alerts(void)
{
    for (struct wf_alert *a = wf_alerts_first(alerts); a; a = a->next)
        if (a->changed)
            must(wf_book_put(book, a));
}

static void commit(void)
{
    must(wf_book_begin(book));
    must(wf_spread_write(spread, book));
    put_alerts();
    must(wf_book_commit(book));
    wf_spread_written(spread);
}

// As the process does it, until all has arrived.
static void settle(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        look();
        commit();
        (void)wf_spread_turn(spread, book);
        if (wf_spread_is_idle(spread))
            return;
        poll(NULL, 0, 10);
    }
    ck_abort_msg("not settled: %s", wf_spread_problem(spread));
}

static void observe(const char *id, bool is_true)
{
    const struct wf_rule rule = { .name = "full",
        .summary = "it's \"full\"",
        .description = "",
        .runbook = "",
        .by = "",
        .severity = WF_CRITICAL };
    struct wf_labels labels;
    const struct wf_observed o = { .rule = &rule,
        .labels = &labels,
        .truth = is_true ? WF_TRUE : WF_FALSE,
        .record = true,
        .has_value = true,
        .value = 0.5,
        .time_ms = now,
        .product = "servers/disks",
        .origin = "web-1",
        .offset = 7,
        .detail = "" };

    wf_labels_init(&labels);
    ck_assert(wf_labels_set(&labels, "disk", id, strlen(id)));
    must(wf_alerts_observe(alerts, &o));
    for (struct wf_alert *a = wf_alerts_first(alerts); a; a = a->next)
        (void)wf_spread_note(spread, a, NULL, now);
}

// Record i of the node: what it does, and words that it has.
static void expect(size_t i, const char *op, const char *a, const char *b)
{
    const char *got = fake_node_at(i);

    ck_assert_msg(strncmp(got, op, strlen(op)) == 0 && strstr(got, a) && strstr(got, b),
        "%zu: want %s %s %s, have %s", i, op, a, b, got);
}

START_TEST(a_record_says_all_of_an_alert)
{
    observe("sda", true);
    struct wf_alert *a = wf_alerts_first(alerts);
    silence = (struct wf_silence){ .id = 1, .ends_ms = now + 1000 };
    snprintf(silence.by, sizeof silence.by, "ann");
    snprintf(a->acked_by, sizeof a->acked_by, "bob");
    a->acked_ms = now;
    a->ack_until_ms = now + 2000;
    char *json = wf_alert_record("monitoring/watch", a, &silence, now);
    const char *const parts[] = { "{\"monitor\":\"monitoring/watch\",\"id\":\"",
        "\"rule\":\"full\"", "\"severity\":\"critical\"", "\"state\":\"firing\"",
        "\"labels\":{\"disk\":\"sda\"}", "\"value\":0.5", "\"summary\":\"it's \\\"full\\\"\"",
        "\"since\":\"2026-01-05T00:00:00.000Z\"",
        "{\"role\":\"fired\",\"product\":\"servers/disks\",\"origin\":\"web-1\"",
        "\"time\":\"2026-01-05T00:00:00.000Z\",\"offset\":\"7\"}", "\"acknowledgedBy\":\"bob\"",
        "\"silencedBy\":\"ann\"", "\"silencedUntil\":\"2026-01-05T00:00:01.000Z\"",
        "\"episode\":\"1\"}" };

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ck_assert_msg(strstr(json, parts[i]) != NULL, "no %s in %s", parts[i], json);
    ck_assert_ptr_null(strstr(json, "resolved\":\"2"));
    free(json);
}
END_TEST

START_TEST(each_change_is_published_once_and_in_order)
{
    settle();
    expect(0, "begin", "", "");
    expect(1, "end", "", "");
    observe("sda", true);
    observe("sda", true); // the same state again
    observe("sda", false);
    observe("sda", true); // between two writes of the book
    settle();
    expect(2, "put", "firing", "\"episode\":\"1\"");
    expect(3, "put", "resolved", "\"episode\":\"1\"");
    expect(4, "put", "firing", "\"episode\":\"2\"");
    settle();
    ck_assert_uint_eq(fake_node_count(), 5);
}
END_TEST

START_TEST(a_change_before_the_first_snapshot_is_history_too)
{
    observe("sda", true);
    settle();
    expect(0, "put", "firing", "");
    expect(1, "begin", "", "");
    expect(2, "put", "firing", "");
    expect(3, "end", "", "");
    ck_assert_uint_eq(fake_node_count(), 4);
}
END_TEST

START_TEST(silences_and_acknowledgements_are_changes)
{
    settle();
    observe("sda", true);
    silence = (struct wf_silence){ .id = 1, .begins_ms = now, .ends_ms = now + 1000 };
    snprintf(silence.match.text, sizeof silence.match.text, "rule=full");
    snprintf(silence.by, sizeof silence.by, "ann");
    silences = 1;
    settle();
    struct wf_alert *a = wf_alerts_first(alerts);
    snprintf(a->acked_by, sizeof a->acked_by, "bob");
    a->acked_ms = now;
    a->ack_until_ms = now + 5000;
    settle();
    now += 2000; // the silence is over
    settle();
    expect(2, "put", "firing", "\"episode\"");
    ck_assert_ptr_null(strstr(fake_node_at(2), "silencedBy"));
    expect(3, "put", "silencedBy\":\"ann", "firing");
    expect(4, "put", "acknowledgedBy\":\"bob", "silencedBy");
    expect(5, "put", "acknowledgedBy\":\"bob", "firing");
    ck_assert_ptr_null(strstr(fake_node_at(5), "silencedBy"));
    ck_assert_uint_eq(fake_node_count(), 6);
}
END_TEST

START_TEST(a_restart_publishes_nothing_twice)
{
    settle();
    observe("sda", true);
    look();
    commit();
    (void)wf_spread_turn(spread, book);
    while (!wf_spread_is_idle(spread))
        poll(NULL, 0, 5);
    close_all(); // the book still has what the node has
    open_all("alerts");
    settle();
    ck_assert_uint_eq(fake_node_count(), 3);
    observe("sda", false);
    settle();
    expect(3, "put", "resolved", "");
    ck_assert_uint_eq(fake_node_count(), 4);
    ck_assert_uint_eq(fake_node_publishers(), 1);
}
END_TEST

START_TEST(an_answer_that_is_lost_doubles_nothing)
{
    settle();
    fake_node_deaf(true);
    observe("sda", true);
    look();
    commit();
    (void)wf_spread_turn(spread, book);
    while (fake_node_count() < 3)
        poll(NULL, 0, 5);
    fake_node_deaf(false);
    observe("sda", false);
    settle();
    expect(2, "put", "firing", "");
    expect(3, "put", "resolved", "");
    ck_assert_uint_eq(fake_node_count(), 4);
}
END_TEST

START_TEST(what_a_node_misses_it_hears_when_it_is_back)
{
    settle();
    fake_node_away(true);
    for (unsigned i = 0; i < 300; i++) { // more than the sender holds
        now += 1000;
        observe("sda", i % 2 == 0);
        commit();
        (void)wf_spread_turn(spread, book);
    }
    while (!strstr(wf_spread_problem(spread), "300 changes of alerts wait")) {
        poll(NULL, 0, 5);
        (void)wf_spread_turn(spread, book);
    }
    close_all();
    open_all("alerts"); // and the monitor was restarted, too
    fake_node_away(false);
    settle();
    ck_assert_uint_eq(fake_node_count(), 302);
    for (unsigned i = 0; i < 300; i++)
        expect(i + 2, "put", i % 2 ? "resolved\",\"product" : "firing\",\"product", "");
    ck_assert_str_eq(wf_spread_problem(spread), "");
}
END_TEST

START_TEST(a_node_that_lost_its_log_gets_a_snapshot)
{
    settle();
    observe("sda", true);
    settle();
    fake_node_forgets();
    observe("sdb", true);
    settle();
    size_t count = fake_node_count();
    expect(count - 1, "end", "", "");
    expect(count - 2, "put", "firing", "");
    expect(count - 3, "put", "firing", "");
    expect(count - 4, "begin", "", "");
}
END_TEST

START_TEST(another_product_begins_with_all_that_fires)
{
    settle();
    observe("sda", true);
    settle();
    must(wf_spread_use(spread, book, NULL, "others"));
    settle();
    expect(3, "begin", "", "");
    expect(4, "put", "firing", "");
    expect(5, "end", "", "");
    must(wf_spread_use(spread, book, NULL, ""));
    observe("sda", false);
    look();
    commit();
    ck_assert_uint_eq(fake_node_count(), 6);
    ck_assert_uint_eq(fake_node_publishers(), 2);
}
END_TEST

START_TEST(who_is_forgotten_goes)
{
    settle();
    observe("sda", true);
    observe("sda", false);
    settle();
    ck_assert(wf_spread_forget(spread, wf_alerts_first(alerts), now));
    commit();
    (void)wf_spread_turn(spread, book);
    while (!wf_spread_is_idle(spread))
        poll(NULL, 0, 5);
    expect(4, "delete {\"monitor\":\"monitoring/watch\",\"id\":\"", "", "");
    ck_assert_uint_eq(fake_node_count(), 5);
}
END_TEST

START_TEST(a_day_later_all_is_told_again_as_a_snapshot)
{
    settle();
    observe("sda", true);
    settle();
    now += 86400001;
    settle();
    expect(3, "begin", "", "");
    expect(4, "put", "firing", "");
    expect(5, "end", "", "");
    settle();
    ck_assert_uint_eq(fake_node_count(), 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spread");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_record_says_all_of_an_alert);
    tcase_add_test(t, each_change_is_published_once_and_in_order);
    tcase_add_test(t, a_change_before_the_first_snapshot_is_history_too);
    tcase_add_test(t, silences_and_acknowledgements_are_changes);
    tcase_add_test(t, a_restart_publishes_nothing_twice);
    tcase_add_test(t, an_answer_that_is_lost_doubles_nothing);
    tcase_add_test(t, what_a_node_misses_it_hears_when_it_is_back);
    tcase_add_test(t, a_node_that_lost_its_log_gets_a_snapshot);
    tcase_add_test(t, another_product_begins_with_all_that_fires);
    tcase_add_test(t, who_is_forgotten_goes);
    tcase_add_test(t, a_day_later_all_is_told_again_as_a_snapshot);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

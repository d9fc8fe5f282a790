// SPDX-License-Identifier: Apache-2.0
// What is read to judge what the monitor sees: the database, and what processes tell beside it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/alert/book.h"
#include "domains/monitoring/batch/status.h"
#include "domains/monitoring/remote/ledger.h"
#include "tests/domains/monitor_rig.h"

#define NOW 1700000000000

static const struct wf_mon_finding *found(
    const struct wf_mon_sight *s, enum wf_mon_why why, const char *what)
{
    for (size_t i = 0; i < s->finding_count; i++)
        if (s->findings[i].why == why && strcmp(s->findings[i].what, what) == 0)
            return &s->findings[i];
    return NULL;
}

START_TEST(what_a_process_tells_is_read_and_its_death_is_seen)
{
    const char *db = rig_path();
    struct wf_mon_pulse told = { .pid = 12, .started_ms = 3, .updated_ms = 4, .state = "running" };
    struct wf_mon_pulse read[WF_MON_PULSES];
    int fds[3] = { -1, -1, -1 };

    ck_assert_uint_eq(wf_mon_pulses_read(db, read), 0);
    ck_assert_int_eq(wf_mon_pulse_create(db, "store", &fds[0]), WEFT_OK);
    ck_assert_uint_eq(wf_mon_pulses_read(db, read), 0); // it says nothing yet
    wf_mon_pulse_wrong(&told, "database: locked\nby somebody", 77);
    wf_mon_pulse_wrong(&told, "database: locked\nstill", 99);
    wf_mon_pulse_count(&told, "records_total", 1);
    wf_mon_pulse_count(&told, "records_total", 18446744073709551615u);
    wf_mon_pulse_count(&told, "waiting", 6);
    ck_assert_int_eq(wf_mon_pulse_write(fds[0], &told), WEFT_OK);
    ck_assert_int_eq(wf_mon_pulse_create(db, "store", &fds[1]), WEFT_OK); // a second one
    told.pid = 13;
    wf_mon_pulse_wrong(&told, "", 100);
    ck_assert_int_eq(wf_mon_pulse_write(fds[1], &told), WEFT_OK);
    ck_assert_int_eq(wf_mon_pulse_create(db, "remote", &fds[2]), WEFT_OK);
    ck_assert_int_eq(wf_mon_pulse_write(fds[2], &told), WEFT_OK);
    close(fds[2]);

    ck_assert_uint_eq(wf_mon_pulses_read(db, read), 3);
    ck_assert_str_eq(read[0].name, "remote");
    ck_assert(!read[0].alive);
    ck_assert_str_eq(read[1].name, "store");
    ck_assert(read[1].alive);
    ck_assert_int_eq(read[1].pid, 12);
    ck_assert_int_eq(read[1].started_ms, 3);
    ck_assert_int_eq(read[1].updated_ms, 4);
    ck_assert_int_eq(read[1].wrong_ms, 77);
    ck_assert_str_eq(read[1].wrong, "database: locked still");
    ck_assert_uint_eq(wf_mon_pulse_get(&read[1], "records_total"), 18446744073709551615u);
    ck_assert_uint_eq(wf_mon_pulse_get(&read[1], "waiting"), 6);
    ck_assert_uint_eq(wf_mon_pulse_get(&read[1], "nothing"), 0);
    ck_assert_str_eq(read[2].name, "store-2");
    ck_assert_int_eq(read[2].wrong_ms, 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(losses_are_read_newest_first_without_those_that_were_counted_before)
{
    const char *path = rig_path();
    struct wf_mon_options o = rig_options(path);
    struct wf_mon_sight *s = calloc(1, sizeof *s);
    struct fake_product *p = rig_load();

    fake_fill(p, 2, 2);
    fake_loss(p, 4, 9);
    rig_run(path);
    rig_change(path, "INSERT INTO _loss(product, \"from\", \"to\", code, at_ms, by_origin, told) "
                     "VALUES('servers/load', 1, 2, 'OLD', 5, '', 0), ('servers/load', 1, 2, "
                     "'TOLD', 9e15, 'web-1', 1)");
    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(wf_mon_sight_look(&o, NOW, s), WEFT_OK);
    ck_assert_int_eq(s->err, WEFT_OK);
    ck_assert_uint_eq(s->loss_count, 1);
    ck_assert_uint_eq(s->losses[0].from, 4);
    ck_assert_uint_eq(s->losses[0].to, 9);
    wf_mon_sight_fini(s);
    free(s);
}
END_TEST

// What no database has is told beside it, and a database that cannot be read hides nothing of that.
START_TEST(all_that_tells_is_looked_at)
{
    const struct wf_mon_part part = { .name = "alert", .state = WF_MON_PART_FAILED };
    struct wf_mon_options o = rig_options(rig_path());
    struct wf_mon_pulse told = { .pid = 12, .updated_ms = NOW, .state = "running" };
    struct wf_mon_sight *s = calloc(1, sizeof *s);
    struct weft_problem problem = { 0 };
    struct wf_book *book = NULL;
    struct wf_ledger *ledger = NULL;
    int run = -1, pulse = -1;

    ck_assert_ptr_nonnull(s);
    snprintf(o.alerts, sizeof o.alerts, "%s-alerts", o.db);
    snprintf(o.remote_state, sizeof o.remote_state, "%s-remote", o.db);
    fake_fill(rig_load(), 2, 2);
    rig_run(o.db);
    ck_assert_int_eq(wf_mon_parts_create(o.db, &run), WEFT_OK);
    ck_assert_int_eq(wf_mon_parts_write(run, &part, 1), WEFT_OK);
    ck_assert_int_eq(wf_mon_pulse_create(o.db, "remote", &pulse), WEFT_OK);
    ck_assert_int_eq(wf_mon_pulse_write(pulse, &told), WEFT_OK);
    ck_assert_int_eq(wf_book_open(o.alerts, WF_BOOK_KEEP, &book, &problem), WEFT_OK);
    ck_assert_int_eq(wf_ledger_open(o.remote_state, &ledger, &problem), WEFT_OK);
    for (int damaged = 0; damaged < 2; damaged++) {
        if (damaged) {
            FILE *f = fopen(o.db, "r+");
            ck_assert(f && fputs("no database", f) >= 0 && fclose(f) == 0);
        }
        ck_assert_int_eq(wf_mon_sight_look(&o, NOW, s), WEFT_OK);
        ck_assert_int_eq(s->now_ms, NOW);
        ck_assert_int_eq(s->err != WEFT_OK, damaged);
        ck_assert_int_eq(s->err_text[0] != '\0', damaged);
        ck_assert_int_eq(found(s, WF_MON_DATABASE, "database") != NULL, damaged);
        ck_assert_ptr_null(found(s, WF_MON_NEVER_RAN, "monitor")); // who knows?
        if (damaged)
            ck_assert_str_eq(s->silence, "nothing is known: the database cannot be read");
        ck_assert_int_eq(s->count, !damaged);
        ck_assert_ptr_nonnull(found(s, WF_MON_FAILED, "process alert"));
        bool there = false;
        for (size_t i = 0; i < s->pulse_count; i++)
            there = there || (s->pulses[i].pid == 12 && s->pulses[i].alive);
        ck_assert(there);
        ck_assert(s->alerts.there && s->remote.there);
        wf_mon_sight_fini(s);
    }
    wf_book_close(book);
    wf_ledger_close(ledger);
    close(run);
    close(pulse);
    free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_look");
    TCase *c = tcase_create("look");

    tcase_add_checked_fixture(c, fake_reset, fake_reset);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, what_a_process_tells_is_read_and_its_death_is_seen);
    tcase_add_test(c, losses_are_read_newest_first_without_those_that_were_counted_before);
    tcase_add_test(c, all_that_tells_is_looked_at);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int bad = srunner_ntests_failed(runner);
    srunner_free(runner);
    return bad != 0;
}

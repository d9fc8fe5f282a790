// SPDX-License-Identifier: Apache-2.0
// weft-monitor top between two looks: rates, delays, order; the picture keeps to its screen, the JSON to JSON.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "domains/monitoring/batch/top.h"
#include "tests/domains/monitor_rig.h"

#define NOW 1700000000000

static struct wf_mon_look was, now;
static struct wf_mon_line lines[2][40];

static void fill(unsigned count)
{
    was = (struct wf_mon_look){ .at_ms = 1000 };
    now = (struct wf_mon_look){ .at_ms = 3000 };
    was.sight.now_ms = NOW - 2000;
    now.sight.now_ms = NOW;
    for (int i = 0; i < 2; i++) {
        struct wf_mon_sight *s = i ? &now.sight : &was.sight;
        s->beat = (struct wf_mon_beat){ .updated_ms = s->now_ms, .state = "running" };
        s->lines = lines[i];
        s->count = count;
        s->pulses[0] = (struct wf_mon_pulse){ .name = "store",
            .alive = true,
            .pid = 5,
            .started_ms = 7,
            .updated_ms = s->now_ms,
            .state = "running" };
        wf_mon_pulse_count(&s->pulses[0], "records_total", i ? 500 : 100);
        wf_mon_pulse_count(&s->pulses[0], "commits_total", i ? 20 : 10);
        wf_mon_pulse_count(&s->pulses[0], "commit_us_total", i ? 60000 : 40000);
        wf_mon_pulse_count(&s->pulses[0], "waiting", 12);
        s->pulse_count = 1;
        memset(lines[i], 0, sizeof lines[i]);
        for (unsigned n = 0; n < count; n++) {
            struct wf_mon_line *l = &lines[i][n];
            snprintf(l->product, sizeof l->product, "d%u/p%02u\033", n % 2, n);
            snprintf(l->state, sizeof l->state, "live");
            l->records = 10 + (i ? 4ull * n : 0);
            l->batches = i;
            l->lag = n == 3;
            l->last_time_us = (NOW - 1000 * (int64_t)n) * 1000;
            l->last_append_ms = NOW - 100;
            l->last_received_ms = NOW - 100 + 10 * (int64_t)n;
        }
        ck_assert_int_eq(wf_mon_sight_judge(s), WEFT_OK);
    }
}

static void release(void)
{
    was.sight.lines = now.sight.lines = NULL;
    wf_mon_sight_fini(&was.sight);
    wf_mon_sight_fini(&now.sight);
}

START_TEST(a_rate_is_what_rose_between_two_looks_that_both_saw_it)
{
    struct wf_mon_row rows[40];

    fill(4);
    lines[0][1].records = 99;                                      // another database: it fell
    lines[0][2].product[0] = 'x';                                  // it was not there
    lines[1][3].last_received_ms = lines[1][3].last_append_ms - 5; // clocks that differ
    lines[1][0].last_time_us = 0;
    wf_mon_top_rows(&was, &now, WF_MON_BY_NAME, rows);
    ck_assert_double_eq_tol(rows[0].records_s, 0, 1e-9);
    ck_assert_double_eq_tol(rows[0].batches_s, 0.5, 1e-9);
    ck_assert_int_eq(rows[0].age_ms, -1);
    ck_assert_double_lt(rows[2].records_s, 0); // d1/p01
    ck_assert_double_lt(rows[1].records_s, 0); // d0/p02
    ck_assert_double_eq_tol(rows[3].records_s, 6, 1e-9);
    ck_assert_int_eq(rows[3].delay_ms, -1);
    ck_assert_int_eq(rows[2].delay_ms, 10);
    ck_assert_int_eq(rows[2].age_ms, 1000);
    wf_mon_top_rows(NULL, &now, WF_MON_BY_NAME, rows);
    ck_assert_double_lt(rows[0].records_s, 0);

    const struct wf_mon_pulse *p = &now.sight.pulses[0];
    ck_assert_double_eq_tol(wf_mon_top_rate(&was, &now, p, "records_total"), 200, 1e-9);
    was.sight.pulses[0].started_ms = 6; // another process
    ck_assert_double_lt(wf_mon_top_rate(&was, &now, p, "records_total"), 0);
    release();
}
END_TEST

START_TEST(products_come_in_the_order_asked_for)
{
    static const char *const first[WF_MON_SORTS] = { "d0/p00", "d0/p04", "d1/p03", "d0/p04",
        "d0/p04" };
    struct wf_mon_row rows[40];

    fill(5);
    for (int sort = 0; sort < WF_MON_SORTS; sort++) {
        wf_mon_top_rows(&was, &now, (enum wf_mon_sort)sort, rows);
        ck_assert_msg(strncmp(rows[0].line->product, first[sort], 6) == 0, "%s: %s",
            wf_mon_sort_names[sort], rows[0].line->product);
    }
    release();
}
END_TEST

START_TEST(the_picture_has_every_section_keeps_to_its_screen_and_steers_nothing)
{
    static const char *const want[] = { "40 products, 1 blind", "FINDING", "node unreachable",
        "DOMAIN", "d1 ", "PROCESS", "store", "200", "2.0", "PRODUCT", "… and" };
    struct wf_picture p = { .rows = 40, .columns = 90 };
    unsigned count = 0;

    fill(40);
    snprintf(lines[1][7].why, sizeof lines[1][7].why, "node-unreachable");
    snprintf(lines[1][7].cause, sizeof lines[1][7].cause, "node unreachable");
    free(now.sight.domains);
    now.sight.domain_count = now.sight.finding_count = now.sight.blind = 0;
    ck_assert_int_eq(wf_mon_sight_judge(&now.sight), WEFT_OK);
    ck_assert_int_eq(wf_mon_top_text(&was, &now, WF_MON_BY_NAME, &p), WEFT_OK);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        ck_assert_msg(strstr(p.text, want[i]) != NULL, "no %s in\n%s", want[i], p.text);
    for (const char *c = p.text, *end; *c; c = end + 1, count++) {
        unsigned wide = 0;
        end = strchr(c, '\n');
        ck_assert_ptr_nonnull(end);
        for (const char *b = c; b < end; b++) {
            wide += ((unsigned char)*b & 0xc0) != 0x80;
            ck_assert((unsigned char)*b >= 0x20 && *b != 0x7f);
        }
        ck_assert_uint_le(wide, 90);
    }
    ck_assert_uint_le(count, 40);
    wf_picture_fini(&p);
    release();
}
END_TEST

START_TEST(a_database_without_an_answer_is_told_above_the_rest)
{
    struct wf_picture p = { 0 };

    fill(1);
    now.sight.err = WEFT_E_UNREACHABLE;
    snprintf(now.sight.err_text, sizeof now.sight.err_text, "connection refused");
    ck_assert_int_eq(wf_mon_top_text(NULL, &now, WF_MON_BY_NAME, &p), WEFT_OK);
    ck_assert_ptr_nonnull(strstr(p.text, "NO ANSWER of the database: connection refused"));
    wf_picture_fini(&p);
    release();
}
END_TEST

START_TEST(a_sample_is_one_line_of_json)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    fill(4);
    ck_assert_int_eq(wf_mon_top_json(&was, &now, WF_MON_BY_RECORDS, f), WEFT_OK);
    fclose(f);
    ck_assert(memchr(text, '\n', size) == text + size - 1);
    json_t *j = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(j != NULL, "%s", text);
    ck_assert_str_eq(json_string_value(json_object_get(j, "schema")), "weft.monitor-top/v1");
    ck_assert_int_eq(json_integer_value(json_object_get(j, "interval_ms")), 2000);
    ck_assert(json_is_true(json_object_get(j, "whole")));
    json_t *top = json_array_get(json_object_get(j, "products"), 0);
    ck_assert_double_eq_tol(json_number_value(json_object_get(top, "records_per_s")), 6, 1e-3);
    json_t *db = json_object_get(j, "database");
    ck_assert_double_eq_tol(json_number_value(json_object_get(db, "records_per_s")), 200, 1e-3);
    ck_assert_int_eq(json_integer_value(json_object_get(db, "waiting")), 12);
    ck_assert_uint_eq(json_array_size(json_object_get(j, "domains")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(j, "processes")), 1);
    json_decref(j);
    free(text);
    release();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_top");
    TCase *c = tcase_create("top");

    tcase_add_test(c, a_rate_is_what_rose_between_two_looks_that_both_saw_it);
    tcase_add_test(c, products_come_in_the_order_asked_for);
    tcase_add_test(c, the_picture_has_every_section_keeps_to_its_screen_and_steers_nothing);
    tcase_add_test(c, a_database_without_an_answer_is_told_above_the_rest);
    tcase_add_test(c, a_sample_is_one_line_of_json);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int bad = srunner_ntests_failed(runner);
    srunner_free(runner);
    return bad != 0;
}

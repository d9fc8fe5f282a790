// SPDX-License-Identifier: Apache-2.0
// A node's signals: times in classes, rows as records of the schema that readers get, what is left out and what a telling empties.
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/signals/rows.h"
#include "proto/schema/record_json.h"
#include "tests/support/support.h"

extern const unsigned char wf_signal_schema[];
extern const unsigned long wf_signal_schema_len;

// ---- times -----------------------------------------------------------------------------------------------------------

START_TEST(a_quantile_is_never_too_low_and_at_most_a_quarter_too_high)
{
    for (uint64_t us = 0; us <= UINT32_MAX; us += 1 + us / 37) {
        struct wf_latency l = { 0 };
        wf_latency_add(&l, (int64_t)us);
        uint64_t found = wf_latency_quantile(&l, 0.5);
        ck_assert_msg(found >= us, "%llu: %llu", (unsigned long long)us, (unsigned long long)found);
        ck_assert_msg(
            found - us <= us / 4, "%llu: %llu", (unsigned long long)us, (unsigned long long)found);
    }
}
END_TEST

START_TEST(quantiles_of_a_known_set_are_those_of_the_sorted_set)
{
    struct wf_latency l = { 0 };

    for (int us = 1; us <= 1000; us++)
        wf_latency_add(&l, us);
    ck_assert_uint_ge(wf_latency_quantile(&l, 0.5), 500);
    ck_assert_uint_le(wf_latency_quantile(&l, 0.5), 625);
    ck_assert_uint_ge(wf_latency_quantile(&l, 0.99), 990);
    ck_assert_uint_le(wf_latency_quantile(&l, 0.99), 1237);
    ck_assert_uint_eq(wf_latency_quantile(&l, 0), 1);
    ck_assert_uint_ge(wf_latency_quantile(&l, 1), 1000);
}
END_TEST

START_TEST(times_out_of_range_count_at_the_ends)
{
    struct wf_latency l = { 0 }, none = { 0 };

    ck_assert_uint_eq(wf_latency_quantile(&none, 0.5), 0);
    wf_latency_add(&l, -5); // a clock that stepped back
    ck_assert_uint_eq(wf_latency_quantile(&l, 1), 0);
    wf_latency_add(&l, INT64_MAX);
    ck_assert_uint_eq(wf_latency_quantile(&l, 1), UINT32_MAX);
    l.count = UINT32_MAX; // full: what it says stays true
    wf_latency_add(&l, 7);
    ck_assert_uint_eq(l.of[7], 0);
    ck_assert_uint_eq(l.count, UINT32_MAX);
}
END_TEST

// ---- rows ------------------------------------------------------------------------------------------------------------

static struct wf_node n;
static struct wf_schema *schema;
static struct wf_signals s;
static struct wf_buf text;
static unsigned full_calls;

static enum weft_err take_all(struct wf_signals *all)
{
    full_calls++;
    wf_records_reset(&all->rows);
    return WEFT_OK;
}

static void setup(void)
{
    struct wf_diag diag = { 0 };

    n = (struct wf_node){ 0 };
    ck_assert_int_eq(wf_name_from(WF_STR("hub"), &n.identity.cert.subject), WEFT_OK);
    ck_assert_msg(wf_schema_compile(
                      wf_bytes(wf_signal_schema, wf_signal_schema_len), &schema, &diag) == WEFT_OK,
        "%s", diag.text);
    full_calls = 0;
    s = (struct wf_signals){ .node = &n,
        .message = wf_schema_find_message(schema, WF_STR("weft.v1.SignalRecord")),
        .full = take_all,
        .now_us = 1700000000000000 };
    ck_assert_ptr_nonnull(s.message);
}

static void teardown(void)
{
    wf_records_fini(&s.rows);
    wf_buf_fini(&s.json);
    wf_buf_fini(&s.record);
    wf_buf_fini(&text);
    wf_schema_free(schema);
}

// The newest row as readers see it.
static const char *row(void)
{
    struct wf_bytes in = wf_buf_view(&s.rows.raw);
    struct wf_record_view v = { 0 };

    ck_assert_int_eq(s.err, WEFT_OK);
    ck_assert_uint_gt(in.len, 0);
    while (in.len)
        ck_assert_int_eq(wf_records_next(&in, s.rows.base_us, &v), WEFT_OK);
    text.len = 0;
    ck_assert_int_eq(wf_record_json(s.message, v.data, NULL, &text, NULL), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_byte(&text, 0), WEFT_OK);
    return (const char *)text.ptr;
}

START_TEST(a_stream_says_its_four_signals_and_who_reads_it)
{
    struct wf_latency took = { 0 }, age = { 0 };

    wf_latency_add(&took, 3000);
    wf_latency_add(&age, 1000000);
    wf_signals_add(&s, &(struct wf_signal){ .kind = "stream",
                           .name = "cpu",
                           .traffic = 12,
                           .errors = 1,
                           .bytes = 900,
                           .took = &took,
                           .age = &age,
                           .saturation = -1,
                           .is_stream = true,
                           .readers = 2,
                           .lag_records = 40,
                           .silent_ms = 0,
                           .freshness_ms = 10000 });
    ck_assert_str_eq(row(),
        "{\"node\":\"hub\",\"kind\":\"stream\",\"name\":\"cpu\",\"traffic\":\"12\",\"errors\":"
        "\"1\",\"bytes\":\"900\",\"latencyP50Ms\":3.071,\"latencyP99Ms\":3.071,\"ageP99Ms\":"
        "1048.575,\"readers\":\"2\",\"lagRecords\":\"40\",\"silentMs\":\"0\",\"freshnessMs\":"
        "\"10000\"}");
    ck_assert_uint_eq(took.count + age.count, 0); // the next telling is of its own ten seconds
}
END_TEST

START_TEST(what_was_not_measured_is_absent_and_no_zero)
{
    struct wf_latency took = { 0 };

    wf_signals_add(&s, &(struct wf_signal){ .kind = "request",
                           .name = "lease",
                           .traffic = 3,
                           .took = &took,
                           .silent_ms = -1,
                           .saturation = -1 });
    ck_assert_str_eq(
        row(), "{\"node\":\"hub\",\"kind\":\"request\",\"name\":\"lease\",\"traffic\":\"3\"}");
    wf_signals_add(&s, &(struct wf_signal){ .kind = "queue", .name = "log", .silent_ms = -1 });
    ck_assert_str_eq(
        row(), "{\"node\":\"hub\",\"kind\":\"queue\",\"name\":\"log\",\"saturation\":0.0}");
}
END_TEST

START_TEST(what_nobody_ever_asked_for_is_left_out_and_a_stream_never)
{
    wf_signals_add(&s, &(struct wf_signal){
                           .kind = "request", .name = "join", .silent_ms = -1, .saturation = -1 });
    ck_assert_uint_eq(s.rows.count, 0);
    wf_signals_add(&s, &(struct wf_signal){ .kind = "stream",
                           .name = "cpu",
                           .silent_ms = -1,
                           .saturation = -1,
                           .is_stream = true });
    ck_assert_uint_eq(s.rows.count, 1); // silence is a finding
}
END_TEST

START_TEST(many_rows_go_in_several_batches_and_the_first_error_ends_all)
{
    struct wf_signal one = {
        .kind = "api", .name = "ports/Open", .traffic = 1, .silent_ms = -1, .saturation = -1
    };

    for (int i = 0; i < 4096; i++)
        wf_signals_add(&s, &one);
    ck_assert_int_eq(s.err, WEFT_OK);
    ck_assert_uint_ge(full_calls, 1);
    s.err = WEFT_E_FULL;
    uint32_t before = s.rows.count;
    wf_signals_add(&s, &one);
    ck_assert_uint_eq(s.rows.count, before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.signals");
    TCase *times = tcase_create("times"), *rows = tcase_create("rows");

    tcase_add_test(times, a_quantile_is_never_too_low_and_at_most_a_quarter_too_high);
    tcase_add_test(times, quantiles_of_a_known_set_are_those_of_the_sorted_set);
    tcase_add_test(times, times_out_of_range_count_at_the_ends);
    suite_add_tcase(suite, times);
    tcase_add_checked_fixture(rows, setup, teardown);
    tcase_add_test(rows, a_stream_says_its_four_signals_and_who_reads_it);
    tcase_add_test(rows, what_was_not_measured_is_absent_and_no_zero);
    tcase_add_test(rows, what_nobody_ever_asked_for_is_left_out_and_a_stream_never);
    tcase_add_test(rows, many_rows_go_in_several_batches_and_the_first_error_ends_all);
    suite_add_tcase(suite, rows);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

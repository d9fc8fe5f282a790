// SPDX-License-Identifier: Apache-2.0
// Remote write: names, samples and bytes that come of records; the end of a series; credentials.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "domains/monitoring/common/hush.h"
#include "domains/monitoring/remote/creds.h"
#include "domains/monitoring/remote/squeeze.h"
#include "tests/domains/remote_rig.h"
#include "tests/support/support.h"

static double value_of(const struct wf_remote_sample *s)
{
    double v;

    memcpy(&v, &s->bits, sizeof v);
    return v;
}

START_TEST(names_are_what_prometheus_expects)
{
    static const struct {
        const char *product, *field, *unit, *want, *why;
        enum weft_role role;
    } rows[] = {
        { "filesystems", "used_ratio", "1", "filesystems_used_ratio", "a ratio has no unit",
            WEFT_ROLE_GAUGE },
        { "memory", "total", "By", "memory_total_bytes", "the unit in words", WEFT_ROLE_GAUGE },
        { "cpu", "user", "s", "cpu_user_seconds_total", "a counter", WEFT_ROLE_COUNTER },
        { "interfaces", "rx_bytes", "By", "interfaces_rx_bytes_total", "the unit is not said twice",
            WEFT_ROLE_COUNTER },
        { "x", "busy_total", "s", "x_busy_seconds_total", "total stands behind the unit",
            WEFT_ROLE_COUNTER },
        { "x", "reads", "{read}", "x_reads_total", "what is counted is no unit",
            WEFT_ROLE_COUNTER },
        { "queue-depth", "max", "parsec", "queue_depth_max", "dashes; a unit that is not known",
            WEFT_ROLE_GAUGE },
        { "9p", "load", NULL, "p9p_load", "no digit first", WEFT_ROLE_GAUGE },
    };
    static const struct {
        const char *field, *want, *why;
    } labels[] = { { "mountpoint", "mountpoint", "as it is" },
        { "origin", "exported_origin", "every series has that one" },
        { "instance", "exported_instance", "scrapers set it" },
        { "__name__", "exported___name__", "a receiver's own" },
        { "9a", "exported_9a", "no digit first" } };
    char name[WF_REMOTE_NAME];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct weft_field f = {
            .name = rows[i].field, .unit = rows[i].unit, .role = rows[i].role
        };
        wf_remote_metric(rows[i].product, &f, name);
        ck_assert_msg(strcmp(name, rows[i].want) == 0, "%s: %s", rows[i].why, name);
    }
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        wf_remote_label(labels[i].field, name);
        ck_assert_msg(strcmp(name, labels[i].want) == 0, "%s: %s", labels[i].why, name);
    }
}
END_TEST

static void put_labels(struct wf_buf *m)
{
    fake_text(m, 1, "web-0");
    fake_text(m, 2, "o");
    fake_varint(m, 3, 1);
    fake_varint(m, 4, 1);
    fake_varint(m, 5, 7);
    fake_text(m, 13, "b");
}

START_TEST(a_request_is_byte_for_byte_what_protoc_writes)
{
    struct wf_buf m = { 0 }, want = wf_test_vector("remote_write.hex");
    struct wf_remote_bytes raw = { 0 }, packed = { 0 };

    remote_begin();
    put_labels(&m);
    fake_double(&m, 6, 0.5);
    fake_varint(&m, 7, 10000000000000000000u);
    fake_varint(&m, 10, T0 + 1); // the timestamp's field, not the record's time
    fake_record(meter, WEFT_PUT, &m, 5);
    put_labels(&m);
    fake_double(&m, 6, -2);
    fake_varint(&m, 10, T0 + 2);
    fake_record(meter, WEFT_PUT, &m, 5);
    fake_record(meter, WEFT_DELETE, &m, 6);
    take(T0, 1);
    ck_assert(wf_remote_batch_order(&batch));
    ck_assert_uint_eq(batch.count, 3);
    ck_assert(wf_remote_encode(&raw, batch.samples, batch.count));
    ck_assert_uint_eq(raw.len, want.len);
    ck_assert_mem_eq(raw.ptr, want.ptr, want.len);
    ck_assert_uint_le(raw.len, batch.bytes);
    ck_assert_str_eq(wf_remote_left_out(own), "buckets");
    ck_assert(wf_remote_squeeze(&raw, &packed));
    ck_assert_uint_lt(packed.len, raw.len);
    wf_remote_bytes_fini(&raw);
    wf_remote_bytes_fini(&packed);
    wf_buf_fini(&m);
    wf_buf_fini(&want);
    remote_end();
}
END_TEST

START_TEST(fields_with_one_name_get_two)
{
    struct wf_buf m = { 0 };
    struct wf_remote_bytes raw = { 0 };

    remote_begin();
    fake_varint(&m, 7, 3);
    fake_double(&m, 8, 4);
    fake_varint(&m, 9, 1);
    fake_varint(&m, 12, 9); // has no role
    fake_record(meter, WEFT_PUT, &m, T0 * 1000);
    take(T0, 1);
    ck_assert_uint_eq(batch.count, 3);
    ck_assert(wf_remote_encode(&raw, batch.samples, batch.count));
    ck_assert_ptr_nonnull(memmem(raw.ptr, raw.len, "\x12\x11meter_reads_total", 19));
    ck_assert_ptr_nonnull(memmem(raw.ptr, raw.len, "meter_reads_total_2", 19));
    ck_assert_ptr_nonnull(memmem(raw.ptr, raw.len, "meter_busy", 10));
    ck_assert_ptr_null(memmem(raw.ptr, raw.len, "exported_origin", 15)); // which is empty
    ck_assert_double_eq(value_of(&batch.samples[0]), 3);
    ck_assert_double_eq(value_of(&batch.samples[1]), 4);
    ck_assert_double_eq(value_of(&batch.samples[2]), 1);
    wf_remote_bytes_fini(&raw);
    wf_buf_fini(&m);
    remote_end();
}
END_TEST

START_TEST(times_of_a_series_rise_and_what_cannot_be_sent_is_named)
{
    remote_begin();
    size_at("a", 1, 10);
    size_at("a", 1, 10); // the same again: there already
    size_at("a", 2, 10); // another value for one time
    size_at("b", 3, 5);  // another series
    size_at("a", 4, 9);  // older
    size_at("a", 5, 11);
    size_at("a", 6,
        900000); // a clock that is ahead would make a receiver refuse what comes from others
    take(T0, 1);
    ck_assert_uint_eq(batch.count, 3);
    ck_assert_uint_eq(batch.drop_count, 2);
    ck_assert_str_eq(batch.drops[0].reason, "out of order");
    ck_assert_str_eq(batch.drops[0].product, "servers/meter");
    ck_assert_uint_eq(batch.drops[0].samples, 2);
    ck_assert_uint_eq(batch.drops[0].from, 2);
    ck_assert_uint_eq(batch.drops[0].to, 5);
    ck_assert_str_eq(batch.drops[1].reason, "ahead of its time");
    ck_assert(wf_remote_batch_order(&batch));
    ck_assert_int_eq(batch.samples[0].time_ms, T0 + 10);
    ck_assert_int_eq(batch.samples[1].time_ms, T0 + 11);
    ck_assert_double_eq(value_of(&batch.samples[2]), 3);
    ck_assert_ptr_eq(batch.samples[0].series, batch.samples[1].series);
    remote_end();
}
END_TEST

// 128 MiB of labels are all that is remembered of series.
START_TEST(a_series_beyond_the_bound_is_named_and_those_within_go_on)
{
    static char labels[WF_REMOTE_LABELS];
    int64_t id = 0;

    remote_begin();
    size_at("a", 1, 10);
    take(T0, 1);
    ck_assert_uint_eq(batch.count, 1);
    for (size_t len = sizeof labels; len >= 32; len = len > 32 ? 32 : 0) // until nothing fits
        do
            id++;
        while (memcpy(labels, &id, sizeof id) && wf_remote_restore(table, own, id, labels, len));
    size_at("b", 2, 11);
    size_at("a", 3, 12);
    take(T0, 1);
    ck_assert_uint_eq(batch.count, 2);
    ck_assert_uint_eq(batch.drop_count, 1);
    ck_assert_str_eq(batch.drops[0].reason, "too many series");
    ck_assert_uint_eq(batch.drops[0].from, 1);
    remote_end();
}
END_TEST

START_TEST(no_host_can_end_a_series_by_a_number)
{
    double stale;
    uint64_t bits = WF_REMOTE_STALE;

    remote_begin();
    memcpy(&stale, &bits, sizeof stale);
    size_at("a", stale, 1);
    size_at("a", (double)INFINITY, 2);
    take(T0, 1);
    ck_assert_uint_eq(batch.samples[0].bits, WF_REMOTE_NAN);
    ck_assert_uint_eq(batch.samples[1].bits, 0x7ff0000000000000u);
    remote_end();
}
END_TEST

static size_t forgotten;

static void forget(void *arg, const struct wf_remote_series *s)
{
    (void)arg;
    (void)s;
    forgotten++;
}

START_TEST(a_silent_series_ends_once_right_behind_its_last_sample)
{
    remote_begin();
    size_at("a", 1, 10);
    take(T0, 5000);
    wf_remote_batch_order(&batch);
    wf_remote_batch_clear(&batch);
    ck_assert_int_eq(wf_remote_sweep(table, 8000, &batch, forget, NULL), WEFT_OK);
    ck_assert_uint_eq(batch.count, 0); // three times what was promised, and not before
    own->busy_ms = 6000;
    ck_assert_int_eq(wf_remote_sweep(table, 8500, &batch, forget, NULL), WEFT_OK);
    ck_assert_uint_eq(batch.count, 0); // nobody listened until 6000
    ck_assert_int_eq(wf_remote_sweep(table, 9001, &batch, forget, NULL), WEFT_OK);
    ck_assert_uint_eq(batch.count, 1);
    ck_assert_uint_eq(batch.samples[0].bits, 0x7ff0000000000002u);
    ck_assert_int_eq(batch.samples[0].time_ms, T0 + 11);
    ck_assert_int_eq(wf_remote_sweep(table, 99000, &batch, forget, NULL), WEFT_OK);
    ck_assert_uint_eq(batch.count, 1);
    size_at("a", 2, 500); // what comes late comes behind the marker, and another end follows
    take(T0 + 99000, 99500);
    ck_assert_uint_eq(batch.count, 2);
    ck_assert_int_eq(wf_remote_sweep(table, 200000, &batch, forget, NULL), WEFT_OK);
    ck_assert_uint_eq(batch.count, 3);
    ck_assert_int_eq(batch.samples[2].time_ms, T0 + 501);
    remote_end();
}
END_TEST

START_TEST(what_was_promised_nothing_never_ends_and_the_long_ended_is_forgotten)
{
    remote_begin();
    own->freshness_ms = 0;
    size_at("a", 1, 10);
    take(T0, 5000);
    wf_remote_batch_order(&batch);
    wf_remote_batch_clear(&batch);
    ck_assert_int_eq(wf_remote_sweep(table, 1000000000, &batch, forget, NULL), WEFT_OK);
    ck_assert_uint_eq(batch.count, 0);
    own->freshness_ms = 1000;
    ck_assert_int_eq(wf_remote_sweep(table, 10000, &batch, forget, NULL), WEFT_OK);
    ck_assert_uint_eq(batch.count, 1);
    forgotten = 0;
    ck_assert_int_eq(
        wf_remote_sweep(table, 5000 + WF_REMOTE_FORGET_MS + 1, &batch, forget, NULL), WEFT_OK);
    ck_assert_uint_eq(forgotten, 0); // its end is still to be sent
    wf_remote_batch_order(&batch);
    wf_remote_batch_clear(&batch);
    ck_assert_int_eq(
        wf_remote_sweep(table, 5000 + WF_REMOTE_FORGET_MS + 1, &batch, NULL, NULL), WEFT_OK);
    ck_assert_uint_eq(wf_remote_table_count(table), 1); // a flight may hold it
    ck_assert_int_eq(
        wf_remote_sweep(table, 5000 + WF_REMOTE_FORGET_MS + 1, &batch, forget, NULL), WEFT_OK);
    ck_assert_uint_eq(forgotten, 1);
    ck_assert_uint_eq(wf_remote_table_count(table), 0);
    remote_end();
}
END_TEST

// ---- credentials -----------------------------------------------------------------------------------------------------------

START_TEST(credentials_are_one_clean_line)
{
    static const struct {
        const char *text, *user, *password, *bearer, *why;
    } rows[] = {
        { "basic weft:a:b\n", "weft", "a:b", NULL, "a password may have colons" },
        { "bearer abc\n", NULL, NULL, "abc", "a token" },
        { "basic weft:", "weft", "", NULL, "no password" },
        { "basic weft\n", NULL, NULL, NULL, "no colon" },
        { "basic :x\n", NULL, NULL, NULL, "no name" },
        { "bearer \n", NULL, NULL, NULL, "no token" },
        { "weft:secret\n", NULL, NULL, NULL, "what it is must be said" },
        { "bearer a\tb\n", NULL, NULL, NULL, "nothing that ends a header" },
        { "", NULL, NULL, NULL, "empty" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wf_remote_creds c = { 0 };
        snprintf(c.text, sizeof c.text, "%s", rows[i].text);
        bool want = rows[i].user || rows[i].bearer;
        ck_assert_msg(wf_remote_creds_parse(&c) == want, "%s", rows[i].why);
        if (rows[i].user) {
            ck_assert_str_eq(c.user, rows[i].user);
            ck_assert_str_eq(c.password, rows[i].password);
        }
        if (rows[i].bearer)
            ck_assert_str_eq(c.bearer, rows[i].bearer);
    }
}
END_TEST

START_TEST(what_a_receiver_repeats_of_our_credentials_is_not_told)
{
    static const char *const secrets[] = { NULL, "s3cret-token", "ab" };
    static const struct {
        const char *text, *want, *why;
        bool cut, any;
    } rows[] = {
        { "no token \"s3cret-token\" here", "no token \"************\" here", "repeated", false,
            true },
        { "s3cret-tokens3cret-token", "************************", "twice", false, true },
        { "unknown: Basic d2VmdDp4eHg= sorry", "unknown: Basic ************ sorry",
            "as the header has it", false, true },
        { "Bearer other,\r\nno", "Bearer *****,\r\nno", "another's", false, true },
        { "the bearer ", "the bearer ", "nothing behind it", false, false },
        { "was s3cret", "was s3cret", "a word like it", false, false },
        { "was s3cret", "was ******", "its beginning, where the answer was cut", true, true },
        { "grab it", "grab it", "two letters are no secret", false, false },
        { "", "", "nothing", true, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[80];
        snprintf(text, sizeof text, "%s", rows[i].text);
        bool any = wf_hush(text, strlen(text), secrets, 3, rows[i].cut);
        ck_assert_msg(any == rows[i].any, "%s", rows[i].why);
        ck_assert_msg(strcmp(text, rows[i].want) == 0, "%s: %s", rows[i].why, text);
    }
}
END_TEST

START_TEST(credentials_that_others_may_read_are_refused)
{
    struct wf_remote_creds c;
    struct weft_problem problem;
    char path[512];

    snprintf(path, sizeof path, "%s/auth", wf_test_tmpdir());
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("bearer x\n", f);
    fclose(f);
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(wf_remote_creds_read(path, &c, &problem), WEFT_E_FILE_MODE);
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(wf_remote_creds_read(path, &c, &problem), WEFT_OK);
    ck_assert_str_eq(c.bearer, "x");
    ck_assert_ptr_eq(c.bearer, c.text + 7);
    ck_assert_int_eq(wf_remote_creds_read("/nonexistent/auth", &c, &problem), WEFT_E_NOT_FOUND);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("remote");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, names_are_what_prometheus_expects);
    tcase_add_test(t, a_request_is_byte_for_byte_what_protoc_writes);
    tcase_add_test(t, fields_with_one_name_get_two);
    tcase_add_test(t, times_of_a_series_rise_and_what_cannot_be_sent_is_named);
    tcase_add_test(t, a_series_beyond_the_bound_is_named_and_those_within_go_on);
    tcase_add_test(t, no_host_can_end_a_series_by_a_number);
    tcase_add_test(t, a_silent_series_ends_once_right_behind_its_last_sample);
    tcase_add_test(t, what_was_promised_nothing_never_ends_and_the_long_ended_is_forgotten);
    tcase_add_test(t, credentials_are_one_clean_line);
    tcase_add_test(t, what_a_receiver_repeats_of_our_credentials_is_not_told);
    tcase_add_test(t, credentials_that_others_may_read_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

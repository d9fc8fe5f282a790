// SPDX-License-Identifier: Apache-2.0
// Records payloads: the hand-written form is protobuf-c's, there is no second form of it, and every limit holds.
#include <check.h>

#include "proto/base/pb_v1.h"
#include "tests/support/stream.h"

#define BASE WF_TEST_BASE_US

static enum weft_err walk(struct wf_bytes in, void *context)
{
    uint32_t count = 0;
    int64_t min_us = 0, max_us = 0;

    (void)context;
    return wf_records_check(in, BASE, &count, &min_us, &max_us);
}

START_TEST(what_was_put_comes_back)
{
    struct wf_records r;
    struct wf_record_view v;

    wf_test_three_records(&r);
    ck_assert_uint_eq(r.count, 3);
    ck_assert_int_eq(r.base_us, BASE);
    ck_assert_int_eq(r.min_us, BASE - 500000);
    ck_assert_int_eq(r.max_us, BASE + 1500000);
    wf_test_same_vector(
        "stream/101-records", "accepted: put, delete, put without data", wf_buf_view(&r.raw));
    struct wf_bytes in = wf_buf_view(&r.raw);
    ck_assert_int_eq(wf_records_next(&in, BASE, &v), WEFT_OK);
    ck_assert(v.op == WF_OP_PUT && v.time_us == BASE && wf_bytes_is(v.data, "\x0a\x03one"));
    ck_assert(v.data.ptr > r.raw.ptr && v.data.ptr < r.raw.ptr + r.raw.len);
    ck_assert_int_eq(wf_records_next(&in, BASE, &v), WEFT_OK);
    ck_assert(v.op == WF_OP_DELETE && v.time_us == BASE + 1500000);
    ck_assert_int_eq(wf_records_next(&in, BASE, &v), WEFT_OK);
    ck_assert(v.op == WF_OP_PUT && v.time_us == BASE - 500000 && v.data.len == 0);
    ck_assert_uint_eq(in.len, 0);
    wf_records_fini(&r);
}
END_TEST

// Random records of all ops, lengths around the varints' steps, times on both sides of the base.
static void put_random(struct wf_records *r, uint64_t *state, int64_t base_us)
{
    static const size_t lens[] = { 0, 1, 100, 127, 128, 300, 16383, 16384, 20000 };
    static uint8_t data[20000];
    enum wf_record_op op = (enum wf_record_op)(wf_test_rand(state) % 4);
    size_t len = op >= WF_OP_SNAPSHOT_BEGIN ? 0 : lens[wf_test_rand(state) % WF_COUNT(lens)];
    int64_t delta = (int64_t)(wf_test_rand(state) >> (wf_test_rand(state) % 52 + 12));

    wf_test_rand_bytes(state, data, len);
    delta = wf_test_rand(state) % 2 ? delta : -delta;
    if (base_us + delta > WF_MAX_TIME_US || base_us + delta < WF_MIN_TIME_US)
        delta = 0;
    ck_assert_int_eq(wf_records_put(r, op, base_us + delta, wf_bytes(data, len)), WEFT_OK);
}

static void compare_with_protobuf(const struct wf_records *r)
{
    Weft__V1__Records *m = weft__v1__records__unpack(NULL, r->raw.len, r->raw.ptr);
    struct wf_bytes in = wf_buf_view(&r->raw);
    struct wf_buf again = { 0 };

    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->n_records, r->count);
    for (size_t i = 0; i < m->n_records; i++) {
        struct wf_record_view v;
        ck_assert_int_eq(wf_records_next(&in, r->base_us, &v), WEFT_OK);
        ck_assert_int_eq((int)v.op, (int)m->records[i]->op);
        ck_assert_int_eq(v.time_us, r->base_us + m->records[i]->time_us);
        ck_assert(wf_bytes_eq(v.data, wf_pb_view(m->records[i]->data)));
    }
    ck_assert_uint_eq(in.len, 0);
    ck_assert_int_eq(wf_pb_pack(m, &again), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&again), wf_buf_view(&r->raw)));
    wf_buf_fini(&again);
    weft__v1__records__free_unpacked(m, NULL);
}

START_TEST(protobuf_c_reads_and_writes_the_same_bytes)
{
    uint64_t state = 0x5eed0000u + (uint64_t)_i;
    struct wf_records r = { 0 };
    uint32_t count = 0;
    int64_t min_us = 0, max_us = 0;

    for (unsigned n = (unsigned)(wf_test_rand(&state) % 40); n > 0; n--)
        put_random(&r, &state, BASE);
    if (r.count) {
        compare_with_protobuf(&r);
        ck_assert_int_eq(
            wf_records_check(wf_buf_view(&r.raw), r.base_us, &count, &min_us, &max_us), WEFT_OK);
        ck_assert(count == r.count && min_us == r.min_us && max_us == r.max_us);
    }
    wf_records_fini(&r);
}
END_TEST

// Base is 2026-01-01; numbers are hex of the wire.
static const struct refusal {
    const char *stem, *why, *hex;
    enum weft_err want;
} refusals[] = {
    { "stream/102-records", "a second field beside records", "0a00 1200", WEFT_E_UNKNOWN_FIELD },
    { "stream/103-records", "records as a number", "0801", WEFT_E_NOT_CANONICAL },
    { "stream/104-records", "a field number of 0", "0200", WEFT_E_SYNTAX },
    { "stream/105-records", "a group", "0b0c", WEFT_E_SYNTAX },
    { "stream/106-records", "a wire type that is none", "0f", WEFT_E_SYNTAX },
    { "stream/107-records", "a tag in two bytes", "8a0000", WEFT_E_NOT_CANONICAL },
    { "stream/108-records", "a length in two bytes", "0a820008 01", WEFT_E_NOT_CANONICAL },
    { "stream/109-records", "a length beyond the end", "0a05080110", WEFT_E_TRUNCATED },
    { "stream/110-records", "a length of 2^63", "0a80808080808080808001", WEFT_E_TOO_BIG },
    { "stream/111-records", "a length of eleven bytes", "0affffffffffffffffffff01", WEFT_E_SYNTAX },
    { "stream/112-records", "an unknown op", "0a020804", WEFT_E_RANGE },
    { "stream/113-records", "op put written out", "0a020800", WEFT_E_NOT_CANONICAL },
    { "stream/114-records", "a time of 0 written out", "0a021000", WEFT_E_NOT_CANONICAL },
    { "stream/115-records", "empty data written out", "0a021a00", WEFT_E_NOT_CANONICAL },
    { "stream/116-records", "the op twice", "0a0408010801", WEFT_E_NOT_CANONICAL },
    { "stream/117-records", "data before time", "0a051a01611002", WEFT_E_NOT_CANONICAL },
    { "stream/118-records", "a field 4 inside a record", "0a022001", WEFT_E_UNKNOWN_FIELD },
    { "stream/119-records", "data longer than its record", "0a031a0561 626364", WEFT_E_TRUNCATED },
    { "stream/120-records", "time in 11 bytes", "0a0c10ffffffffffffffffffff01", WEFT_E_SYNTAX },
    { "stream/121-records", "a time before year 1", "0a0b10ffffffffffffffffff01", WEFT_E_RANGE },
    { "stream/122-records", "a time after year 9999", "0a0b10feffffffffffffffff01", WEFT_E_RANGE },
    { "stream/123-records", "a snapshot's begin with data", "0a0508021a0161", WEFT_E_RECORD },
    { "stream/124-records", "a snapshot's end with data", "0a0508031a0161", WEFT_E_RECORD },
    { "stream/125-records", "data over its limit, not there", "0a0a 1a8180 10 61616161616161",
        WEFT_E_TOO_BIG },
    { "stream/126-records", "a record over its limit, not there", "0aa1801061", WEFT_E_TOO_BIG },
    { "stream/127-records", "an op in two bytes", "0a03088100", WEFT_E_NOT_CANONICAL },
    { "stream/128-records", "time as fixed64", "0a09110100000000000000", WEFT_E_NOT_CANONICAL },
};

START_TEST(each_malformed_payload_has_its_code)
{
    const struct refusal *r = &refusals[_i];
    struct wf_buf in = wf_test_hex(r->hex);
    struct wf_bytes rest = wf_buf_view(&in);
    struct wf_record_view v = { .time_us = 42 };
    enum weft_err err = WEFT_OK;

    wf_test_refused_vector(r->stem, r->want, r->why, wf_buf_view(&in));
    err = walk(wf_buf_view(&in), NULL);
    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    while (wf_records_next(&rest, BASE, &v) == WEFT_OK)
        v.time_us = 42;
    ck_assert_msg(v.time_us == 42, "%s: the result was written", r->why);
    ck_assert_msg(rest.len > 0, "%s: the view moved past what was refused", r->why);
    wf_buf_fini(&in);
}
END_TEST

START_TEST(a_cut_payload_ends_at_a_record_or_is_refused)
{
    struct wf_records r;

    wf_test_three_records(&r);
    for (size_t len = 0; len < r.raw.len; len++) {
        uint32_t count = 0;
        int64_t min_us = 0, max_us = 0;
        enum weft_err err =
            wf_records_check(wf_bytes(r.raw.ptr, len), BASE, &count, &min_us, &max_us);
        ck_assert_msg(err == WEFT_OK ? count < 3 : err == WEFT_E_TRUNCATED, "cut to %zu: %s", len,
            weft_err_name(err));
    }
    wf_records_fini(&r);
}
END_TEST

// Every payload that is accepted is the only encoding of what it says.
START_TEST(a_flipped_bit_is_refused_or_says_something_else)
{
    struct wf_records r, again = { 0 };

    wf_test_three_records(&r);
    for (size_t bit = 0; bit < r.raw.len * 8; bit++) {
        struct wf_bytes in = wf_buf_view(&r.raw);
        struct wf_record_view v;
        again.raw.len = 0;
        r.raw.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        while (in.len && wf_records_next(&in, BASE, &v) == WEFT_OK)
            ck_assert_int_eq(wf_records_add(&again.raw, v.op, v.time_us, BASE, v.data), WEFT_OK);
        if (!in.len)
            ck_assert_msg(
                wf_bytes_eq(wf_buf_view(&again.raw), wf_buf_view(&r.raw)), "bit %zu", bit);
        r.raw.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    wf_records_fini(&r);
    wf_records_fini(&again);
}
END_TEST

START_TEST(data_up_to_the_limit_is_a_record_and_one_byte_more_is_not)
{
    static uint8_t data[WF_MAX_RECORD + 1];
    struct wf_records r = { 0 };
    struct wf_record_view v;

    ck_assert_int_eq(
        wf_records_put(&r, WF_OP_PUT, BASE, wf_bytes(data, WF_MAX_RECORD + 1)), WEFT_E_TOO_BIG);
    ck_assert(r.count == 0 && r.raw.len == 0);
    ck_assert_int_eq(wf_records_put(&r, WF_OP_PUT, BASE, wf_bytes(data, WF_MAX_RECORD)), WEFT_OK);
    struct wf_bytes in = wf_buf_view(&r.raw);
    ck_assert_int_eq(wf_records_next(&in, BASE, &v), WEFT_OK);
    ck_assert_uint_eq(v.data.len, WF_MAX_RECORD);
    wf_records_fini(&r);
}
END_TEST

START_TEST(a_payload_stops_at_its_limit_unchanged)
{
    static uint8_t data[WF_MAX_RECORD];
    struct wf_records r = { 0 };
    enum weft_err err = WEFT_OK;

    while (!err)
        err = wf_records_put(&r, WF_OP_PUT, BASE, WF_BYTES(data));
    ck_assert_int_eq(err, WEFT_E_TOO_BIG);
    ck_assert_uint_eq(r.count, 15);
    size_t room = WF_MAX_BATCH_RAW - r.raw.len - 8; // two heads of four bytes
    ck_assert_int_eq(wf_records_put(&r, WF_OP_PUT, BASE, wf_bytes(data, room + 1)), WEFT_E_TOO_BIG);
    ck_assert_int_eq(wf_records_put(&r, WF_OP_PUT, BASE, wf_bytes(data, room)), WEFT_OK);
    ck_assert_uint_eq(r.raw.len, WF_MAX_BATCH_RAW);
    ck_assert_int_eq(walk(wf_buf_view(&r.raw), NULL), WEFT_OK);
    ck_assert_int_eq(walk(wf_bytes(r.raw.ptr, WF_MAX_BATCH_RAW + 1), NULL), WEFT_E_TOO_BIG);
    wf_records_fini(&r);
}
END_TEST

START_TEST(more_records_than_the_limit_are_refused)
{
    struct wf_records r = { 0 };

    for (uint32_t i = 0; i < WF_MAX_BATCH_RECORDS; i++)
        ck_assert_int_eq(wf_records_put(&r, WF_OP_PUT, BASE, wf_bytes(NULL, 0)), WEFT_OK);
    ck_assert_uint_eq(r.raw.len, 2 * WF_MAX_BATCH_RECORDS);
    ck_assert_int_eq(walk(wf_buf_view(&r.raw), NULL), WEFT_OK);
    ck_assert_int_eq(wf_records_put(&r, WF_OP_PUT, BASE, wf_bytes(NULL, 0)), WEFT_E_TOO_BIG);
    ck_assert_int_eq(wf_records_add(&r.raw, WF_OP_PUT, BASE, BASE, wf_bytes(NULL, 0)), WEFT_OK);
    ck_assert_int_eq(walk(wf_buf_view(&r.raw), NULL), WEFT_E_TOO_BIG);
    wf_records_fini(&r);
}
END_TEST

static const struct rejected {
    const char *why;
    enum wf_record_op op;
    int64_t time_us, base_us;
    const char *data;
    enum weft_err want;
} rejected[] = {
    { "the first instant of year 1", WF_OP_PUT, WF_MIN_TIME_US, BASE, "", WEFT_OK },
    { "the last of year 9999", WF_OP_PUT, WF_MAX_TIME_US, WF_MIN_TIME_US, "", WEFT_OK },
    { "before year 1", WF_OP_PUT, WF_MIN_TIME_US - 1, BASE, "", WEFT_E_RANGE },
    { "after year 9999", WF_OP_PUT, WF_MAX_TIME_US + 1, BASE, "", WEFT_E_RANGE },
    { "a time whose difference overflows", WF_OP_PUT, INT64_MIN, INT64_MAX, "", WEFT_E_RANGE },
    { "a base after year 9999", WF_OP_PUT, BASE, WF_MAX_TIME_US + 1, "", WEFT_E_RANGE },
    { "an op that is none", (enum wf_record_op)4, BASE, BASE, "", WEFT_E_RANGE },
    { "a negative op", (enum wf_record_op) - 1, BASE, BASE, "", WEFT_E_RANGE },
    { "a snapshot's begin", WF_OP_SNAPSHOT_BEGIN, BASE, BASE, "", WEFT_OK },
    { "a snapshot's begin with data", WF_OP_SNAPSHOT_BEGIN, BASE, BASE, "x", WEFT_E_RECORD },
    { "a snapshot's end with data", WF_OP_SNAPSHOT_END, BASE, BASE, "x", WEFT_E_RECORD },
};

START_TEST(what_would_be_refused_is_not_written)
{
    const struct rejected *r = &rejected[_i];
    struct wf_buf raw = { 0 };
    struct wf_record_view v;
    enum weft_err err = wf_records_add(&raw, r->op, r->time_us, r->base_us, wf_bytes_str(r->data));

    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    ck_assert((err == WEFT_OK) == (raw.len > 0));
    struct wf_bytes in = wf_buf_view(&raw);
    if (!err)
        ck_assert_msg(wf_records_next(&in, r->base_us, &v) == WEFT_OK && v.time_us == r->time_us,
            "%s: does not come back", r->why);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(an_empty_payload_has_no_record)
{
    uint32_t count = 7;
    int64_t min_us = 0, max_us = 0;
    struct wf_bytes none = { 0 };
    struct wf_record_view v;

    ck_assert_int_eq(wf_records_check(none, BASE, &count, &min_us, &max_us), WEFT_OK);
    ck_assert(count == 0 && min_us == BASE && max_us == BASE);
    ck_assert_int_eq(wf_records_next(&none, BASE, &v), WEFT_E_TRUNCATED);
}
END_TEST

START_TEST(a_warm_builder_allocates_nothing)
{
    struct wf_records r = { 0 };
    uint8_t data[100] = { 1 };

    for (int round = 0; round < 2; round++) {
        enum weft_err err = WEFT_OK;
        wf_test_fail_alloc(-1);
        for (int i = 0; !err && i < 640; i++)
            err = wf_records_put(&r, WF_OP_PUT, BASE + i, WF_BYTES(data));
        if (!err)
            err = walk(wf_buf_view(&r.raw), NULL);
        long seen = wf_test_alloc_count(); // before an assertion allocates
        ck_assert_int_eq(err, WEFT_OK);
        ck_assert_msg(round == 0 || seen == 0, "%ld allocations", seen);
        wf_records_reset(&r);
        ck_assert(r.count == 0 && r.raw.len == 0 && r.base_us == 0);
    }
    wf_records_fini(&r);
}
END_TEST

static enum weft_err put_all(struct wf_bytes data, void *context)
{
    struct wf_records r = { 0 };
    enum weft_err err = WEFT_OK;

    (void)context;
    for (uint32_t i = 0; !err && i < 200; i++) {
        uint32_t before = r.count;
        size_t len = r.raw.len;
        err = wf_records_put(&r, WF_OP_PUT, BASE + i, data);
        if (err && (r.count != before || r.raw.len != len))
            err = WEFT_E_INTERNAL;
    }
    wf_records_fini(&r);
    return err;
}

START_TEST(a_failing_allocation_leaves_the_builder_as_it_was)
{
    wf_test_allocations(WF_STR("twenty bytes of data"), put_all, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("records");
    TCase *t = tcase_create("records");

    tcase_add_test(t, what_was_put_comes_back);
    tcase_add_loop_test(t, protobuf_c_reads_and_writes_the_same_bytes, 0, 200);
    tcase_add_loop_test(t, each_malformed_payload_has_its_code, 0, WF_COUNT(refusals));
    tcase_add_test(t, a_cut_payload_ends_at_a_record_or_is_refused);
    tcase_add_test(t, a_flipped_bit_is_refused_or_says_something_else);
    tcase_add_test(t, data_up_to_the_limit_is_a_record_and_one_byte_more_is_not);
    tcase_add_test(t, a_payload_stops_at_its_limit_unchanged);
    tcase_add_test(t, more_records_than_the_limit_are_refused);
    tcase_add_loop_test(t, what_would_be_refused_is_not_written, 0, WF_COUNT(rejected));
    tcase_add_test(t, an_empty_payload_has_no_record);
    tcase_add_test(t, a_warm_builder_allocates_nothing);
    tcase_add_test(t, a_failing_allocation_leaves_the_builder_as_it_was);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

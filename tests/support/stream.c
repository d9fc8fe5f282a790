// SPDX-License-Identifier: Apache-2.0
#include "tests/support/stream.h"

#include <check.h>

struct wf_incarnation wf_test_incarnation(uint64_t counter)
{
    return (struct wf_incarnation){ .counter = counter, .random = counter * 0x0101010101010101u };
}

void wf_test_three_records(struct wf_records *r)
{
    *r = (struct wf_records){ 0 };
    ck_assert_int_eq(wf_records_put(r, WF_OP_PUT, WF_TEST_BASE_US, WF_STR("\x0a\x03one")), WEFT_OK);
    ck_assert_int_eq(
        wf_records_put(r, WF_OP_DELETE, WF_TEST_BASE_US + 1500000, WF_STR("\x0a\x03two")), WEFT_OK);
    ck_assert_int_eq(
        wf_records_put(r, WF_OP_PUT, WF_TEST_BASE_US - 500000, wf_bytes(NULL, 0)), WEFT_OK);
}

struct wf_batch_header wf_test_header(const struct wf_records *r)
{
    return (struct wf_batch_header){
        .product_id = wf_test_hash("product"),
        .schema_hash = wf_test_hash("schema"),
        .certificate = wf_test_hash("certificate"),
        .incarnation = wf_test_incarnation(7),
        .count = r->count,
        .raw_len = (uint32_t)r->raw.len,
        .base_us = r->base_us,
        .min_us = r->min_us,
        .max_us = r->max_us,
    };
}

struct wf_batch_header wf_test_loss(const struct wf_hash *previous)
{
    return (struct wf_batch_header){
        .product_id = wf_test_hash("product"),
        .schema_hash = wf_test_hash("schema"),
        .certificate = wf_test_hash("certificate"),
        .previous = *previous,
        .incarnation = wf_test_incarnation(7),
        .first_seq = 3,
        .count = 10,
        .base_us = WF_TEST_BASE_US,
        .min_us = WF_TEST_BASE_US,
        .max_us = WF_TEST_BASE_US + 9000000,
        .kind = WF_BATCH_LOSS,
        .loss_reason = "spool full",
    };
}

struct wf_heartbeat wf_test_heartbeat(void)
{
    return (struct wf_heartbeat){
        .product_id = wf_test_hash("product"),
        .head_hash = wf_test_hash("head"),
        .commitment = wf_test_hash("commitment"),
        .term = 1,
        .head_offset = 13,
        .floor_offset = 3,
        .epoch = 5,
        .log_id = wf_test_incarnation(9),
        .time_ms = WF_TEST_BASE_MS,
        .next_by_ms = WF_TEST_BASE_MS + 1000,
    };
}

struct wf_batch_header wf_test_signed(const struct wf_batch_header *fields, struct wf_bytes stored,
    const struct wf_secret *key, struct wf_buf *ret_envelope)
{
    struct wf_batch_header h;
    struct wf_hash id;

    ck_assert_int_eq(wf_batch_sign(fields, stored, key, ret_envelope, &id), WEFT_OK);
    ck_assert_int_eq(wf_batch_open_header(wf_buf_view(ret_envelope), &h), WEFT_OK);
    ck_assert(wf_hash_eq(&id, &h.id));
    return h;
}

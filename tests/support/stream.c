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
    wf_test_must(wf_records_put(r, WF_OP_PUT, WF_TEST_BASE_US, WF_STR("\x0a\x03one")));
    wf_test_must(wf_records_put(r, WF_OP_DELETE, WF_TEST_BASE_US + 1500000, WF_STR("\x0a\x03two")));
    wf_test_must(wf_records_put(r, WF_OP_PUT, WF_TEST_BASE_US - 500000, wf_bytes(NULL, 0)));
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

static struct wf_batch_header data_batch(enum wf_test_batch which, const struct wf_records *three)
{
    struct wf_batch_header h = wf_test_header(three);

    if (which == WF_TEST_LATER) {
        h.first_seq = UINT64_MAX - 3;
        h.previous = wf_test_hash("previous");
    }
    if (which == WF_TEST_DERIVED) {
        h.recipe = wf_test_hash("recipe");
        h.input_count = WF_MAX_INPUTS;
        for (size_t i = 0; i < WF_MAX_INPUTS; i++)
            h.inputs[i] = (struct wf_input){
                .product_id = wf_test_hash("input"),
                .entry_hash = wf_test_hash("entry"),
                .log_id = wf_test_incarnation(3 + i),
                .from = 10 * i,
                .to = i == 0 ? 0 : UINT64_MAX - i,
            };
    }
    if (which == WF_TEST_PUBLISHED) {
        memcpy(h.publisher, "a publisher's id", WF_PUBLISHER_LEN);
        h.publisher_seq = 41;
    }
    return h;
}

static bool has_payload(enum wf_test_batch which)
{
    return which != WF_TEST_LOSS && which != WF_TEST_RESET && which != WF_TEST_RESET_NAMED;
}

struct wf_batch_header wf_test_batch(enum wf_test_batch which, const struct wf_records *three)
{
    struct wf_hash before = wf_test_hash("previous"), none = { { 0 } };

    if (has_payload(which))
        return data_batch(which, three);
    struct wf_batch_header h = wf_test_loss(&before);
    if (which == WF_TEST_LOSS)
        return h;
    h.kind = WF_BATCH_RESET;
    h.first_seq = 0;
    h.count = 1;
    h.loss_reason[0] = '\0';
    h.previous = which == WF_TEST_RESET ? none : before;
    return h;
}

struct wf_bytes wf_test_stored(enum wf_test_batch which, const struct wf_records *three)
{
    return has_payload(which) ? wf_buf_view(&three->raw) : wf_bytes(NULL, 0);
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

    wf_test_must(wf_batch_sign(fields, stored, key, ret_envelope, &id));
    wf_test_must(wf_batch_open_header(wf_buf_view(ret_envelope), &h));
    ck_assert(wf_hash_eq(&id, &h.id));
    return h;
}

// SPDX-License-Identifier: Apache-2.0
// Rows of tests/node/schema/sample.proto that are numbered from 1, for ledgers of who was told of how many: host "h", `used` is the number. And a
// home's log walked from its beginning. Static, for one binary. Test code.
#ifndef WF_TESTS_NUMBERED_H
#define WF_TESTS_NUMBERED_H

#include <check.h>

#include "node/log/log.h"
#include "proto/stream/chain.h"
#include "proto/stream/entry.h"
#include "proto/stream/stream.h"

#define ROW_HEAD 4u // field 1: "h", and the tag of field 2

static inline void put_numbered(struct wf_records *r, int64_t us, uint64_t number)
{
    uint8_t row[ROW_HEAD + WF_VARINT_MAX] = { 1 << 3 | 2, 1, 'h', 2 << 3 };
    size_t len = ROW_HEAD + wf_varint_put(row + ROW_HEAD, number);

    ck_assert_int_eq(wf_records_put(r, WF_OP_PUT, us, wf_bytes(row, len)), WEFT_OK);
}

typedef void (*number_fn)(void *arg, uint64_t number);

// Each number of a batch's payload, in order.
static inline void each_number(
    const struct wf_batch_header *h, struct wf_bytes payload, number_fn fn, void *arg)
{
    struct wf_buf raw = { 0 };
    struct wf_record_view r;

    ck_assert_int_eq(wf_batch_open_payload(h, payload, &raw), WEFT_OK);
    for (struct wf_bytes rest = wf_buf_view(&raw); rest.len;) {
        uint64_t number = 0;
        ck_assert_int_eq(wf_records_next(&rest, h->base_us, &r), WEFT_OK);
        ck_assert_uint_gt(r.data.len, ROW_HEAD);
        struct wf_bytes used = wf_bytes(r.data.ptr + ROW_HEAD, r.data.len - ROW_HEAD);
        ck_assert_int_eq(wf_varint_take(&used, &number), WEFT_OK);
        fn(arg, number);
    }
    wf_buf_fini(&raw);
}

// The same of a batch as it is pushed.
static inline void each_number_of(
    const struct wf_batch_header *h, struct wf_bytes batch, number_fn fn, void *arg)
{
    struct wf_bytes envelope, payload;

    ck_assert_int_eq(wf_batch_split(batch, &envelope, &payload), WEFT_OK);
    each_number(h, payload, fn, arg);
}

// ---- a log -------------------------------------------------------------------------------------------------------------

struct walk {
    const char *what; // for what fails
    const struct wf_hash *product;
    number_fn fn;
    void *arg;
    size_t entries;
    struct wf_log_head head;
};

static inline bool walk_entry(void *arg, const struct wf_log_view *v)
{
    struct walk *w = arg;
    struct wf_entry e;
    struct wf_batch_header h;

    ck_assert_msg(!v->status, "%s: %llu to %llu: %s", w->what, (unsigned long long)v->first,
        (unsigned long long)v->end, weft_err_name(v->status));
    ck_assert_int_eq(wf_entry_parse(v->body, &e), WEFT_OK);
    if (w->entries++)
        ck_assert_int_eq(wf_entry_follows(&w->head, &e), WEFT_OK);
    w->head.log_id = e.log_id;
    w->head.next_offset = e.offset;
    if (!e.is_reset) {
        ck_assert_int_eq(wf_batch_open_header(e.header, &h), WEFT_OK);
        w->head.next_offset += h.count;
        each_number(&h, e.payload, w->fn, w->arg);
    }
    wf_entry_hash(&e, w->product, e.is_reset ? NULL : &h.id, &w->head.hash);
    return true;
}

// All of the product's log, whole and linked; each number to w->fn. Returns where it ends.
static inline uint64_t walk_log(struct wf_log *log, struct walk *w)
{
    struct wf_buf scratch = { 0 };
    uint64_t next = 0;
    struct wf_log_reader reader = { .product = *w->product,
        .max_bytes = 64u * WF_MIB,
        .visit = walk_entry,
        .arg = w,
        .scratch = &scratch };

    ck_assert_int_eq(wf_log_read(log, &reader, &next), WEFT_OK);
    wf_buf_fini(&scratch);
    return next;
}

#endif

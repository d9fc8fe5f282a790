// SPDX-License-Identifier: Apache-2.0
// One pass in each direction: a record's length follows from its fields, so it is written where it will stay.
#include "proto/stream/records.h"

#include "proto/stream/wire.h"

enum { F_RECORD = 1 };                     // Records
enum { F_OP = 1, F_TIME = 2, F_DATA = 3 }; // Record

// Tags, op, time and length in front of the data of one record.
#define RECORD_HEAD_MAX (2u + WF_WIRE_VARINT + WF_WIRE_HEAD)

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v < 0 ? -1 : 0);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static bool time_is_sane(int64_t us)
{
    return us >= WF_MIN_TIME_US && us <= WF_MAX_TIME_US;
}

static bool is_marker(enum wf_record_op op)
{
    return op == WF_OP_SNAPSHOT_BEGIN || op == WF_OP_SNAPSHOT_END;
}

enum weft_err wf_records_add(struct wf_buf *raw, enum wf_record_op op, int64_t time_us,
    int64_t base_us, struct wf_bytes data)
{
    if ((unsigned)op > WF_OP_SNAPSHOT_END || !time_is_sane(time_us) || !time_is_sane(base_us))
        return WEFT_E_RANGE;
    if (is_marker(op) && data.len)
        return WEFT_E_RECORD;
    if (data.len > WF_MAX_RECORD)
        return WEFT_E_TOO_BIG;
    uint64_t delta = zigzag(time_us - base_us);
    size_t len = (op ? 2u : 0u) + (delta ? 1 + wf_varint_len(delta) : 0u) +
                 (data.len ? 1 + wf_varint_len(data.len) + data.len : 0u);
    if (raw->len + 1 + wf_varint_len(len) + len > WF_MAX_BATCH_RAW)
        return WEFT_E_TOO_BIG;
    enum weft_err err = wf_buf_reserve(raw, WF_WIRE_HEAD + len);
    if (err)
        return err;
    uint8_t *p = wf_wire_put_head(raw->ptr + raw->len, WF_TAG_BYTES(F_RECORD), len);
    p = wf_wire_put_varint(p, WF_TAG_VARINT(F_OP), op);
    p = wf_wire_put_varint(p, WF_TAG_VARINT(F_TIME), delta);
    p = wf_wire_put_bytes(p, WF_TAG_BYTES(F_DATA), data);
    raw->len = (size_t)(p - raw->ptr);
    return WEFT_OK;
}

static enum weft_err read_record(struct wf_bytes in, int64_t base_us, struct wf_record_view *ret)
{
    uint64_t op = 0, delta = 0;
    int64_t time_us = 0;
    struct wf_bytes data = { 0 };
    enum weft_err err = wf_wire_varint(&in, WF_TAG_VARINT(F_OP), &op);

    if (!err)
        err = wf_wire_varint(&in, WF_TAG_VARINT(F_TIME), &delta);
    if (!err)
        err = wf_wire_bytes(&in, WF_TAG_BYTES(F_DATA), WF_MAX_RECORD, &data);
    if (!err)
        err = wf_wire_end(in, F_DATA);
    if (err)
        return err;
    if (op > WF_OP_SNAPSHOT_END || __builtin_add_overflow(base_us, unzigzag(delta), &time_us) ||
        !time_is_sane(time_us))
        return WEFT_E_RANGE;
    if (is_marker((enum wf_record_op)op) && data.len)
        return WEFT_E_RECORD;
    *ret = (struct wf_record_view){ .op = (enum wf_record_op)op, .time_us = time_us, .data = data };
    return WEFT_OK;
}

// A number of one to four bytes in its shortest form; NULL: another one, or none.
static inline const uint8_t *take_short(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 4 && p < end; i++) {
        uint8_t byte = *p++;
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *ret = v;
            return i && !byte ? NULL : p;
        }
    }
    return NULL;
}

// A record as nearly all are: put, near the base in time, with data. False: not one, or not a right one; *in is as it was.
static inline bool next_is_usual(struct wf_bytes *in, int64_t base_us, struct wf_record_view *ret)
{
    const uint8_t *p = in->ptr, *end = NULL;
    uint64_t len = 0, delta = 0;

    if (!in->len || *p != WF_TAG_BYTES(F_RECORD)) // an empty payload has no address to add to
        return false;
    end = p + in->len;
    p = take_short(p + 1, end, &len);
    if (!p || len > (uint64_t)(end - p) || len < 2)
        return false;
    end = p + len;
    if (*p == WF_TAG_VARINT(F_TIME)) {
        p = take_short(p + 1, end, &delta);
        if (!p || !delta)
            return false;
    }
    if (p == end || *p != WF_TAG_BYTES(F_DATA))
        return false;
    p = take_short(p + 1, end, &len);
    if (!p || !len || len != (uint64_t)(end - p) || len > WF_MAX_RECORD)
        return false;
    // The base is sane where it was checked, or this one is left to the other reader: no sum of these overflows.
    if (!time_is_sane(base_us) || !time_is_sane(base_us + unzigzag(delta)))
        return false;
    *ret = (struct wf_record_view){
        .op = WF_OP_PUT, .time_us = base_us + unzigzag(delta), .data = wf_bytes(p, (size_t)len)
    };
    *in = wf_bytes(end, (size_t)(in->ptr + in->len - end));
    return true;
}

enum weft_err wf_records_next(struct wf_bytes *in, int64_t base_us, struct wf_record_view *ret)
{
    if (next_is_usual(in, base_us, ret))
        return WEFT_OK;
    struct wf_bytes rest = *in, body = { 0 };
    bool present = false;
    enum weft_err err = wf_wire_message(
        &rest, WF_TAG_BYTES(F_RECORD), WF_MAX_RECORD + RECORD_HEAD_MAX, &present, &body);

    if (err)
        return err;
    if (!present)
        return rest.len ? wf_wire_end(rest, F_RECORD) : WEFT_E_TRUNCATED;
    err = read_record(body, base_us, ret);
    if (err)
        return err;
    *in = rest;
    return WEFT_OK;
}

enum weft_err wf_records_check(struct wf_bytes raw, int64_t base_us, uint32_t *ret_count,
    int64_t *ret_min_us, int64_t *ret_max_us)
{
    uint32_t count = 0;
    int64_t min_us = INT64_MAX, max_us = INT64_MIN;
    struct wf_record_view r = { 0 };

    if (raw.len > WF_MAX_BATCH_RAW)
        return WEFT_E_TOO_BIG;
    while (raw.len) {
        enum weft_err err = wf_records_next(&raw, base_us, &r);
        if (err)
            return err;
        if (count == WF_MAX_BATCH_RECORDS)
            return WEFT_E_TOO_BIG;
        count++;
        min_us = r.time_us < min_us ? r.time_us : min_us;
        max_us = r.time_us > max_us ? r.time_us : max_us;
    }
    *ret_count = count;
    *ret_min_us = count ? min_us : base_us;
    *ret_max_us = count ? max_us : base_us;
    return WEFT_OK;
}

enum weft_err wf_records_put(
    struct wf_records *r, enum wf_record_op op, int64_t time_us, struct wf_bytes data)
{
    int64_t base_us = r->count ? r->base_us : time_us;

    if (r->count == WF_MAX_BATCH_RECORDS)
        return WEFT_E_TOO_BIG;
    enum weft_err err = wf_records_add(&r->raw, op, time_us, base_us, data);
    if (err)
        return err;
    r->base_us = base_us;
    r->min_us = r->count && r->min_us < time_us ? r->min_us : time_us;
    r->max_us = r->count && r->max_us > time_us ? r->max_us : time_us;
    r->count++;
    return WEFT_OK;
}

void wf_records_reset(struct wf_records *r)
{
    r->raw.len = 0;
    *r = (struct wf_records){ .raw = r->raw };
}

void wf_records_fini(struct wf_records *r)
{
    wf_buf_fini(&r->raw);
    *r = (struct wf_records){ 0 };
}

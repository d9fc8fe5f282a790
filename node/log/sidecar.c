// SPDX-License-Identifier: Apache-2.0
// The index of one closed segment as a file: what a scan of the segment would find. Read only when its hash is right, its
// salt is the segment's and its end is where the segment ends (docs/protocol/log.md).
#include "node/log/index.h"
#include "node/log/log.h"

#define MAGIC    "WEFTIDX1"
#define VERSION  1u
#define HEAD_LEN 72u
#define PART_LEN 64u
#define RUN_LEN  40u

static void put_part(const struct wf_part *part, uint8_t *p)
{
    memcpy(p, part->product->id.b, WF_HASH_LEN);
    wf_store_be64(p + 32, part->first);
    wf_store_be64(p + 40, part->end);
    wf_store_be64(p + 48, (uint64_t)part->time_ms);
    wf_store_be32(p + 56, part->items);
    wf_store_be32(p + 60, part->run_count);
}

static void put_run(const struct wf_run *r, uint8_t *p)
{
    wf_store_be64(p, r->first);
    wf_store_be64(p + 8, r->end);
    wf_store_be64(p + 16, (uint64_t)r->time_ms);
    wf_store_be32(p + 24, r->at);
    wf_store_be32(p + 28, r->at_end);
    wf_store_be32(p + 32, r->items);
    wf_store_be32(p + 36, r->empty_tail);
}

static void take_run(const uint8_t *p, struct wf_run *ret)
{
    *ret = (struct wf_run){
        .first = wf_load_be64(p),
        .end = wf_load_be64(p + 8),
        .time_ms = (int64_t)wf_load_be64(p + 16),
        .at = wf_load_be32(p + 24),
        .at_end = wf_load_be32(p + 28),
        .items = wf_load_be32(p + 32),
        .empty_tail = wf_load_be32(p + 36) != 0,
    };
}

enum weft_err wf_index_save(const struct wf_segment *s, struct wf_buf *out)
{
    size_t len = HEAD_LEN + WF_HASH_LEN, start = out->len;
    uint32_t parts = 0;
    struct wf_hash hash;

    for (const struct wf_part *part = s->parts; part; part = part->next) {
        if (part->items == 0)
            continue;
        len += PART_LEN + (size_t)part->run_count * RUN_LEN;
        parts++;
    }
    enum weft_err err = wf_buf_reserve(out, len);
    if (err)
        return err;
    uint8_t *p = out->ptr + start;
    memset(p, 0, HEAD_LEN);
    memcpy(p, MAGIC, 8);
    wf_store_be32(p + 8, VERSION);
    wf_store_be32(p + 12, parts);
    wf_store_be64(p + 16, s->head.number);
    memcpy(p + 24, s->head.salt, WF_SEG_SALT_LEN);
    wf_store_be64(p + 40, s->end);
    wf_store_be64(p + 48, s->items);
    wf_store_be64(p + 56, (uint64_t)s->time_ms);
    p += HEAD_LEN;
    for (const struct wf_part *part = s->parts; part; part = part->next) {
        if (part->items == 0)
            continue;
        put_part(part, p);
        p += PART_LEN;
        for (uint32_t i = 0; i < part->run_count; i++, p += RUN_LEN)
            put_run(&part->runs[i], p);
    }
    wf_blake2b(wf_bytes(out->ptr + start, len - WF_HASH_LEN), &hash);
    memcpy(p, hash.b, WF_HASH_LEN);
    out->len += len;
    return WEFT_OK;
}

// A run lies within the segment and its part, after the run before.
static bool run_is_sane(const struct wf_run *r, const struct wf_run *before, uint64_t end)
{
    return r->at >= WF_SEG_DATA && r->at < r->at_end && r->at_end <= end && r->items > 0 &&
           r->first <= r->end && (!before || (before->end <= r->first && before->at_end <= r->at));
}

// Checks one part at the front of *in and takes it off.
static bool part_is_sane(struct wf_bytes *in, uint64_t end)
{
    struct wf_run run, before = { 0 };

    if (in->len < PART_LEN)
        return false;
    uint32_t runs = wf_load_be32(in->ptr + 60);
    uint64_t first = wf_load_be64(in->ptr + 32), last = wf_load_be64(in->ptr + 40);
    if (runs == 0 || runs > (in->len - PART_LEN) / RUN_LEN)
        return false;
    for (uint32_t i = 0; i < runs; i++, before = run) {
        take_run(in->ptr + PART_LEN + (size_t)i * RUN_LEN, &run);
        if (!run_is_sane(&run, i ? &before : NULL, end) || (i == 0 && run.first != first))
            return false;
    }
    if (before.end != last)
        return false;
    size_t len = PART_LEN + (size_t)runs * RUN_LEN;
    *in = wf_bytes(in->ptr + len, in->len - len);
    return true;
}

enum weft_err wf_sidecar_take(
    struct wf_bytes in, const struct wf_segment *s, struct wf_sidecar *ret)
{
    struct wf_hash hash;

    if (in.len < HEAD_LEN + WF_HASH_LEN || memcmp(in.ptr, MAGIC, 8) != 0 ||
        wf_load_be32(in.ptr + 8) != VERSION)
        return WEFT_E_DAMAGED;
    wf_blake2b(wf_bytes(in.ptr, in.len - WF_HASH_LEN), &hash);
    if (memcmp(hash.b, in.ptr + in.len - WF_HASH_LEN, WF_HASH_LEN) != 0)
        return WEFT_E_DAMAGED;
    if (wf_load_be64(in.ptr + 16) != s->head.number ||
        (s->readable && memcmp(in.ptr + 24, s->head.salt, WF_SEG_SALT_LEN) != 0))
        return WEFT_E_ORDER;
    struct wf_sidecar side = {
        .end = wf_load_be64(in.ptr + 40),
        .items = wf_load_be64(in.ptr + 48),
        .time_ms = (int64_t)wf_load_be64(in.ptr + 56),
        .parts = wf_bytes(in.ptr + HEAD_LEN, in.len - HEAD_LEN - WF_HASH_LEN),
    };
    struct wf_bytes left = side.parts;
    for (uint32_t n = wf_load_be32(in.ptr + 12); n > 0; n--)
        if (!part_is_sane(&left, side.end))
            return WEFT_E_DAMAGED;
    if (left.len != 0)
        return WEFT_E_DAMAGED;
    *ret = side;
    return WEFT_OK;
}

static enum weft_err load_part(const uint8_t *p, struct wf_index *x, struct wf_segment *s)
{
    struct wf_hash id;
    struct wf_product *product = NULL;
    struct wf_part *part = NULL;
    uint32_t runs = wf_load_be32(p + 60);
    enum weft_err err;

    memcpy(id.b, p, WF_HASH_LEN);
    err = wf_index_add(x, &id, &product);
    if (err)
        return err;
    struct wf_run run;
    err = wf_part_reserve(product, s, runs, &part);
    if (err)
        return err;
    uint64_t first = wf_load_be64(p + 32), end = wf_load_be64(p + 40);
    if (product->fresh)
        product->floor = first;
    else
        wf_product_rewind(product, first);
    for (uint32_t i = 0; i < runs; i++) {
        take_run(p + PART_LEN + (size_t)i * RUN_LEN, &run);
        part->runs[i] = run;
    }
    part->run_count = runs;
    part->reserved = 0;
    part->first = first;
    part->end = end;
    part->time_ms = (int64_t)wf_load_be64(p + 48);
    part->items = wf_load_be32(p + 56);
    product->fresh = false;
    product->head = end > product->head ? end : product->head;
    return WEFT_OK;
}

enum weft_err wf_sidecar_load(
    const struct wf_sidecar *side, struct wf_index *x, struct wf_segment *s)
{
    for (struct wf_bytes in = side->parts; in.len;) {
        enum weft_err err = load_part(in.ptr, x, s);
        if (err)
            return err;
        size_t len = PART_LEN + (size_t)wf_load_be32(in.ptr + 60) * RUN_LEN;
        in = wf_bytes(in.ptr + len, in.len - len);
    }
    s->end = side->end;
    s->items = side->items;
    s->time_ms = side->time_ms;
    return WEFT_OK;
}

enum weft_err wf_sidecar_heads(const struct wf_sidecar *side, struct wf_index *x)
{
    for (struct wf_bytes in = side->parts; in.len;) {
        struct wf_hash id;
        struct wf_product *p = NULL;
        memcpy(id.b, in.ptr, WF_HASH_LEN);
        enum weft_err err = wf_index_add(x, &id, &p);
        if (err)
            return err;
        uint64_t first = wf_load_be64(in.ptr + 32), end = wf_load_be64(in.ptr + 40);
        if (p->fresh)
            p->floor = first;
        p->fresh = false;
        if (p->head < end)
            p->head = end;
        size_t len = PART_LEN + (size_t)wf_load_be32(in.ptr + 60) * RUN_LEN;
        in = wf_bytes(in.ptr + len, in.len - len);
    }
    return WEFT_OK;
}

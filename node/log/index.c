// SPDX-License-Identifier: Apache-2.0
#include "node/log/index.h"

#include <assert.h>
#include <stdlib.h>

#include "node/log/log.h"

#define SLOTS_MIN 64u

static size_t slot_of(const struct wf_index *x, const struct wf_hash *id)
{
    return (size_t)wf_load_le64(id->b) & (x->slot_count - 1); // ids are hashes already
}

struct wf_product *wf_index_find(const struct wf_index *x, const struct wf_hash *id)
{
    if (x->slot_count == 0)
        return NULL;
    for (size_t i = slot_of(x, id);; i = (i + 1) & (x->slot_count - 1)) {
        if (!x->slots[i] || wf_hash_eq(&x->slots[i]->id, id))
            return x->slots[i];
    }
}

static void insert(struct wf_index *x, struct wf_product *p)
{
    size_t i = slot_of(x, &p->id);

    while (x->slots[i])
        i = (i + 1) & (x->slot_count - 1);
    x->slots[i] = p;
}

static enum weft_err grow(struct wf_index *x)
{
    struct wf_index bigger = { .slot_count = x->slot_count ? 2 * x->slot_count : SLOTS_MIN };

    if (x->product_count * 4 < x->slot_count * 3)
        return WEFT_OK;
    bigger.slots = calloc(bigger.slot_count, sizeof(struct wf_product *));
    if (!bigger.slots)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < x->slot_count; i++)
        if (x->slots[i])
            insert(&bigger, x->slots[i]);
    free(x->slots);
    x->slots = bigger.slots;
    x->slot_count = bigger.slot_count;
    return WEFT_OK;
}

enum weft_err wf_index_add(struct wf_index *x, const struct wf_hash *id, struct wf_product **ret)
{
    struct wf_product *p = wf_index_find(x, id);

    if (!p) {
        if (x->product_count >= WF_LOG_PRODUCTS)
            return WEFT_E_TOO_BIG;
        enum weft_err err = grow(x);
        if (err)
            return err;
        p = calloc(1, sizeof *p);
        if (!p)
            return WEFT_E_NOMEM;
        p->id = *id;
        p->fresh = true;
        p->pin = WF_LOG_NO_PIN;
        insert(x, p);
        x->product_count++;
    }
    *ret = p;
    return WEFT_OK;
}

struct wf_product *wf_index_next(const struct wf_index *x, size_t *slot)
{
    while (*slot < x->slot_count) {
        struct wf_product *p = x->slots[(*slot)++];
        if (p)
            return p;
    }
    return NULL;
}

void wf_index_fini(struct wf_index *x)
{
    struct wf_product *p;
    size_t slot = 0;

    for (p = wf_index_next(x, &slot); p; p = wf_index_next(x, &slot)) {
        for (uint32_t i = 0; i < p->part_count; i++) {
            free(p->parts[i]->runs);
            free(p->parts[i]);
        }
        free(p->parts);
        free(p);
    }
    free(x->slots);
    *x = (struct wf_index){ 0 };
}

static enum weft_err add_part(struct wf_product *p, struct wf_segment *s, struct wf_part **ret)
{
    if (p->part_count == p->part_cap) {
        uint32_t cap = p->part_cap ? 2 * p->part_cap : 4;
        struct wf_part **parts = realloc(p->parts, cap * sizeof *parts);
        if (!parts)
            return WEFT_E_NOMEM;
        p->parts = parts;
        p->part_cap = cap;
    }
    struct wf_part *part = calloc(1, sizeof *part);
    if (!part)
        return WEFT_E_NOMEM;
    part->segment = s;
    part->product = p;
    part->first = part->end = p->head;
    part->next = s->parts;
    s->parts = part;
    p->parts[p->part_count++] = part;
    *ret = part;
    return WEFT_OK;
}

static enum weft_err reserve_runs(struct wf_part *part, uint32_t more)
{
    if (part->run_cap - part->run_count >= more)
        return WEFT_OK;
    size_t cap = part->run_cap ? 2 * (size_t)part->run_cap : 4;
    while (cap - part->run_count < more)
        cap *= 2;
    struct wf_run *runs = realloc(part->runs, cap * sizeof *runs);
    if (!runs)
        return WEFT_E_NOMEM;
    part->runs = runs;
    part->run_cap = (uint32_t)cap;
    return WEFT_OK;
}

enum weft_err wf_part_reserve(
    struct wf_product *p, struct wf_segment *s, uint32_t runs, struct wf_part **ret)
{
    struct wf_part *part = p->part_count ? p->parts[p->part_count - 1] : NULL;
    enum weft_err err = WEFT_OK;

    if (!part || part->segment != s)
        err = add_part(p, s, &part);
    if (!err)
        err = reserve_runs(part, part->reserved + runs);
    if (err)
        return err;
    part->reserved += runs;
    *ret = part;
    return WEFT_OK;
}

// Does the item extend the last run? Only while its neighbours are near and no offset is missing between.
static bool extends(const struct wf_part *part, const struct wf_seg_item *item, uint64_t at)
{
    const struct wf_run *r = part->run_count ? &part->runs[part->run_count - 1] : NULL;

    return r && at - r->at < WF_RUN_SPAN && r->end == item->first;
}

void wf_part_add(struct wf_part *part, const struct wf_seg_item *item, uint64_t at)
{
    struct wf_product *p = part->product;
    uint64_t end = item->first + item->count;

    assert(part->reserved > 0);
    part->reserved--;
    if (part->items == 0) {
        part->first = item->first;
        part->time_ms = item->time_ms;
    }
    if (item->time_ms > part->time_ms)
        part->time_ms = item->time_ms;
    if (!extends(part, item, at)) {
        assert(part->run_count < part->run_cap);
        part->runs[part->run_count++] = (struct wf_run){ .first = item->first, .at = (uint32_t)at };
    }
    struct wf_run *r = &part->runs[part->run_count - 1];
    r->end = end;
    r->time_ms = part->time_ms;
    r->at_end = (uint32_t)(at + WF_ITEM_HEAD_LEN + item->body_len);
    r->items++;
    r->empty_tail = item->count == 0;
    part->end = end;
    part->items++;
    if (p->fresh)
        p->floor = item->first;
    p->fresh = false;
    p->head = end;
}

void wf_part_free(struct wf_part *part)
{
    struct wf_product *p = part->product;
    uint32_t i = 0;

    while (i < p->part_count && p->parts[i] != part)
        i++;
    assert(i < p->part_count);
    memmove(p->parts + i, p->parts + i + 1, (p->part_count - i - 1) * sizeof(struct wf_part *));
    p->part_count--;
    free(part->runs);
    free(part);
}

void wf_product_rewind(struct wf_product *p, uint64_t to)
{
    for (uint32_t i = p->part_count; i > 0 && p->parts[i - 1]->end > to; i--) {
        struct wf_part *part = p->parts[i - 1];
        part->end = to;
        if (part->first > to)
            part->first = to;
    }
    if (p->head > to)
        p->head = to;
    if (p->floor > to)
        p->floor = to;
}

// Can a reader that wants `from` next find something in what ends at `end`?
static bool holds(uint64_t end, bool empty_tail, uint64_t from)
{
    return end > from || (empty_tail && end == from);
}

static uint32_t first_part(const struct wf_product *p, uint64_t from, uint32_t lo)
{
    uint32_t hi = p->part_count;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (p->parts[mid]->end < from)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static uint32_t first_run(const struct wf_part *part, uint64_t from, uint32_t lo)
{
    uint32_t hi = part->run_count;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (part->runs[mid].end < from)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool wf_product_seek(const struct wf_product *p, uint64_t from, uint32_t *part, uint32_t *run)
{
    uint32_t lo = *run;

    for (uint32_t i = first_part(p, from, *part); i < p->part_count; i++) {
        const struct wf_part *q = p->parts[i];
        uint32_t r = first_run(q, from, i == *part ? lo : 0);
        for (; r < q->run_count; r++) {
            uint64_t end = q->runs[r].end < q->end ? q->runs[r].end : q->end;
            if (q->runs[r].first > end)
                break; // the rest of the part was written anew elsewhere
            if (holds(end, q->runs[r].empty_tail && q->runs[r].end == end, from)) {
                *part = i;
                *run = r;
                return true;
            }
        }
    }
    return false;
}

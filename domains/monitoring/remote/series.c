// SPDX-License-Identifier: Apache-2.0
// See series.h.
#include "domains/monitoring/remote/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/remote/plan.h"
#include "domains/monitoring/speed/labels.h"

struct wf_remote_table {
    struct wf_remote_series **buckets;
    size_t bucket_count, count, bytes;
    uint64_t seed;
    int64_t next_id;
    struct wf_remote_product *products;
    size_t swept; // buckets of the round that is going on
};

// ---- the table -----------------------------------------------------------------------------------------------------------

struct wf_remote_table *wf_remote_table_new(uint64_t seed)
{
    struct wf_remote_table *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->bucket_count = 1024;
    t->buckets = calloc(t->bucket_count, sizeof(struct wf_remote_series *));
    t->seed = seed;
    t->next_id = 1;
    if (t->buckets)
        return t;
    free(t);
    return NULL;
}

void wf_remote_table_free(struct wf_remote_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->bucket_count; i++)
        while (t->buckets[i]) {
            struct wf_remote_series *s = t->buckets[i];
            t->buckets[i] = s->next;
            free(s);
        }
    while (t->products) {
        struct wf_remote_product *p = t->products;
        t->products = p->next;
        wf_remote_plan_free(p->plan);
        free(p);
    }
    free(t->buckets);
    free(t);
}

size_t wf_remote_table_count(const struct wf_remote_table *t)
{
    return t->count;
}

static void grow(struct wf_remote_table *t)
{
    size_t count = t->bucket_count * 2;

    if (t->count < t->bucket_count)
        return;
    struct wf_remote_series **buckets = calloc(count, sizeof(struct wf_remote_series *));
    if (!buckets)
        return; // slower, and right
    for (size_t i = 0; i < t->bucket_count; i++) {
        for (struct wf_remote_series *s = t->buckets[i], *next; s; s = next) {
            next = s->next;
            s->next = buckets[s->hash % count];
            buckets[s->hash % count] = s;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->bucket_count = count;
    t->swept = 0;
}

static struct wf_remote_series *find(
    const struct wf_remote_table *t, uint64_t hash, const void *labels, size_t len)
{
    struct wf_remote_series *s = t->buckets[hash % t->bucket_count];

    while (s && (s->hash != hash || s->len != len || memcmp(s->labels, labels, len) != 0))
        s = s->next;
    return s;
}

static bool has_room(const struct wf_remote_table *t, size_t len)
{
    return t->count < WF_REMOTE_MOST_SERIES && t->bytes + len <= WF_REMOTE_MOST_BYTES;
}

static struct wf_remote_series *add(struct wf_remote_table *t, struct wf_remote_product *own,
    uint64_t hash, const void *labels, size_t len)
{
    struct wf_remote_series *s = calloc(1, sizeof *s + len);

    if (!s)
        return NULL;
    grow(t);
    s->product = own;
    s->hash = hash;
    s->id = t->next_id++;
    s->last_ms = WF_REMOTE_NEVER;
    s->len = (uint32_t)len;
    memcpy(s->labels, labels, len);
    s->next = t->buckets[hash % t->bucket_count];
    t->buckets[hash % t->bucket_count] = s;
    t->count++;
    t->bytes += len;
    return s;
}

struct wf_remote_series *wf_remote_restore(struct wf_remote_table *t, struct wf_remote_product *own,
    int64_t id, const void *labels, size_t len)
{
    // Without a label it is no series, and behind that id there is no other.
    if (len == 0 || len > WF_REMOTE_LABELS || id < 0 || id == INT64_MAX || !has_room(t, len))
        return NULL;
    uint64_t hash = wf_sum(t->seed, labels, len);
    if (find(t, hash, labels, len))
        return NULL;
    struct wf_remote_series *s = add(t, own, hash, labels, len);
    if (!s)
        return NULL;
    s->id = id;
    s->kept = true;
    if (id >= t->next_id)
        t->next_id = id + 1;
    return s;
}

struct wf_remote_product *wf_remote_product(struct wf_remote_table *t, const char *name)
{
    struct wf_remote_product *p = t->products;

    while (p && strcmp(p->name, name) != 0)
        p = p->next;
    if (p)
        return p;
    p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    snprintf(p->name, sizeof p->name, "%s", name);
    p->next = t->products;
    t->products = p;
    return p;
}

enum weft_err wf_remote_use(struct wf_remote_product *own, const struct weft_product *p)
{
    if (wf_remote_plan_is(own->plan, p))
        return WEFT_OK;
    struct wf_remote_plan *plan = wf_remote_plan_new(own->name, p);
    if (!plan)
        return WEFT_E_NOMEM;
    wf_remote_plan_free(own->plan);
    own->plan = plan;
    return WEFT_OK;
}

size_t wf_remote_values(const struct wf_remote_product *own)
{
    return own->plan ? own->plan->value_count : 0;
}

const char *wf_remote_left_out(const struct wf_remote_product *own)
{
    return own->plan ? own->plan->left_out : "";
}

// ---- a batch -------------------------------------------------------------------------------------------------------------

bool wf_remote_batch_full(const struct wf_remote_batch *b)
{
    return b->count >= WF_REMOTE_FULL || b->bytes >= WF_REMOTE_FULL_BYTES;
}

static bool make_room(void **ptr, size_t size, size_t count, size_t *room)
{
    if (count < *room)
        return true;
    size_t more = *room ? *room * 2 : 1024;
    void *out = realloc(*ptr, more * size);
    if (!out)
        return false;
    *ptr = out;
    *room = more;
    return true;
}

bool wf_remote_batch_drop(
    struct wf_remote_batch *b, const char *product, uint64_t offset, const char *reason)
{
    for (size_t i = 0; i < b->drop_count; i++) {
        struct wf_remote_drop *d = &b->drops[i];
        if (strcmp(d->product, product) != 0 || strcmp(d->reason, reason) != 0)
            continue;
        d->from = offset < d->from ? offset : d->from;
        d->to = offset + 1 > d->to ? offset + 1 : d->to;
        d->samples++;
        return true;
    }
    struct wf_remote_drop *drops = realloc(b->drops, (b->drop_count + 1) * sizeof *drops);
    if (!drops)
        return false;
    b->drops = drops;
    struct wf_remote_drop *d = &drops[b->drop_count++];
    *d = (struct wf_remote_drop){ .from = offset, .to = offset + 1, .samples = 1 };
    snprintf(d->product, sizeof d->product, "%s", product);
    snprintf(d->reason, sizeof d->reason, "%s", reason);
    return true;
}

bool wf_remote_batch_add(struct wf_remote_batch *b, struct wf_remote_series *s, int64_t time_ms,
    uint64_t bits, uint64_t offset)
{
    if (!make_room((void **)&b->samples, sizeof *b->samples, b->count, &b->room) ||
        !make_room((void **)&b->heads, sizeof *b->heads, b->head_count, &b->head_room))
        return false;
    b->samples[b->count++] = (struct wf_remote_sample){
        .series = s, .time_ms = time_ms, .bits = bits, .offset = offset
    };
    b->bytes += WF_REMOTE_SAMPLE_BYTES;
    if (s->place) {
        struct wf_remote_head *h = &b->heads[s->place - 1];
        b->samples[h->last - 1].next = (uint32_t)b->count;
        h->last = (uint32_t)b->count;
    } else {
        b->heads[b->head_count++] =
            (struct wf_remote_head){ s, (uint32_t)b->count, (uint32_t)b->count };
        s->place = (uint32_t)b->head_count;
        b->bytes += s->len + WF_REMOTE_SERIES_BYTES;
    }
    s->last_ms = time_ms;
    s->last_bits = bits;
    return true;
}

bool wf_remote_batch_order(struct wf_remote_batch *b)
{
    struct wf_remote_sample *out = calloc(b->count + 1, sizeof *out);
    size_t at = 0;

    if (!out)
        return false;
    for (size_t i = 0; i < b->head_count; i++) {
        for (uint32_t n = b->heads[i].first; n; n = b->samples[n - 1].next)
            out[at++] = b->samples[n - 1];
        b->heads[i].series->place = 0;
    }
    free(b->samples);
    b->samples = out;
    b->room = b->count + 1;
    return true;
}

void wf_remote_batch_clear(struct wf_remote_batch *b)
{
    b->count = b->head_count = b->bytes = b->drop_count = 0;
}

void wf_remote_batch_fini(struct wf_remote_batch *b)
{
    free(b->samples);
    free(b->heads);
    free(b->drops);
    *b = (struct wf_remote_batch){ 0 };
}

// ---- records -------------------------------------------------------------------------------------------------------------

struct taking {
    struct wf_remote_table *t;
    struct wf_remote_product *own;
    const struct weft_product *p;
    const struct weft_record *r;
    struct wf_remote_batch *batch;
    int64_t time_ms, append_ms, now_ms;
};

static enum weft_err name_drop(const struct taking *k, const char *reason)
{
    return wf_remote_batch_drop(k->batch, k->own->name, k->r->offset, reason) ? WEFT_OK
                                                                              : WEFT_E_NOMEM;
}

// *ret: NULL when it was named why not.
static enum weft_err series_of(
    const struct taking *k, const struct wf_remote_bytes *labels, struct wf_remote_series **ret)
{
    uint64_t hash = wf_sum(k->t->seed, labels->ptr, labels->len);

    *ret = find(k->t, hash, labels->ptr, labels->len);
    if (*ret)
        return WEFT_OK;
    if (labels->len > WF_REMOTE_LABELS)
        return name_drop(k, "labels of more than 8 KiB");
    if (!has_room(k->t, labels->len))
        return name_drop(k, "too many series");
    *ret = add(k->t, k->own, hash, labels->ptr, labels->len);
    return *ret ? WEFT_OK : WEFT_E_NOMEM;
}

static enum weft_err take_value(const struct taking *k, size_t value)
{
    struct wf_remote_plan *plan = k->own->plan;
    struct wf_remote_series *s = NULL;
    uint64_t bits = 0;
    bool there = false;
    enum weft_err err = wf_remote_plan_bits(plan, value, k->p, k->r, &there, &bits);

    if (err || !there)
        return err;
    err = wf_remote_plan_labels(plan, value);
    if (!err)
        err = series_of(k, &plan->encoded, &s);
    if (err || !s)
        return err;
    s->heard_ms = k->now_ms;
    if (s->last_ms != WF_REMOTE_NEVER && k->time_ms <= s->last_ms)
        return k->time_ms == s->last_ms && bits == s->last_bits ? WEFT_OK
                                                                : name_drop(k, "out of order");
    s->stale = false;
    return wf_remote_batch_add(k->batch, s, k->time_ms, bits, k->r->offset) ? WEFT_OK
                                                                            : WEFT_E_NOMEM;
}

static enum weft_err take_record(struct taking *k, const char *origin)
{
    struct wf_remote_plan *plan = k->own->plan;
    enum weft_err err = wf_remote_plan_time(plan, k->p, k->r, &k->time_ms);

    if (!err && k->time_ms > k->append_ms + WF_REMOTE_AHEAD_MS)
        return name_drop(k, "ahead of its time");
    if (!err)
        err = wf_remote_plan_read(plan, k->own->name, origin, k->p, k->r);
    for (size_t i = 0; i < plan->value_count && !err; i++)
        err = take_value(k, i);
    return err;
}

enum weft_err wf_remote_take(struct wf_remote_table *t, struct wf_remote_product *own,
    const struct weft_product *p, const struct weft_event *e, int64_t now_ms,
    struct wf_remote_batch *batch)
{
    struct taking k = {
        .t = t, .own = own, .p = p, .batch = batch, .append_ms = e->append_ms, .now_ms = now_ms
    };
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < e->record_count && !err; i++) {
        k.r = &e->records[i];
        if (k.r->op == WEFT_PUT && own->plan->value_count)
            err = take_record(&k, e->origin ? e->origin : "");
        if (k.r->time_us > own->last_time_us)
            own->last_time_us = k.r->time_us;
    }
    own->records += e->record_count;
    own->batches++;
    if ((size_t)e->way < sizeof own->ways / sizeof *own->ways)
        own->ways[e->way] += e->record_count;
    if (e->append_ms > own->last_append_ms)
        own->last_append_ms = e->append_ms;
    return err;
}

// ---- the end of a series ---------------------------------------------------------------------------------------------------

// A point behind the last sample: whatever comes later of it, late or repaired, comes behind that.
static bool end_series(struct wf_remote_series *s, int64_t now_ms, struct wf_remote_batch *batch)
{
    const struct wf_remote_product *own = s->product;
    int64_t heard_ms = s->heard_ms > own->busy_ms ? s->heard_ms : own->busy_ms;

    if (s->stale || s->last_ms == WF_REMOTE_NEVER || s->last_ms == INT64_MAX ||
        own->freshness_ms <= 0 || own->freshness_ms > INT64_MAX / 8 ||
        now_ms - heard_ms <= 3 * own->freshness_ms)
        return true;
    s->stale = true;
    return wf_remote_batch_add(batch, s, s->last_ms + 1, WF_REMOTE_STALE, UINT64_MAX);
}

enum weft_err wf_remote_sweep(struct wf_remote_table *t, int64_t now_ms,
    struct wf_remote_batch *batch, void (*done)(void *arg, const struct wf_remote_series *s),
    void *arg)
{
    for (; t->swept < t->bucket_count; t->swept++) {
        struct wf_remote_series **at = &t->buckets[t->swept];
        if (wf_remote_batch_full(batch))
            return WEFT_OK;
        while (*at) {
            struct wf_remote_series *s = *at;
            if (!end_series(s, now_ms, batch))
                return WEFT_E_NOMEM;
            if (!done || !s->stale || s->place || now_ms - s->heard_ms <= WF_REMOTE_FORGET_MS) {
                at = &s->next;
                continue;
            }
            done(arg, s);
            *at = s->next;
            t->count--;
            t->bytes -= s->len;
            free(s);
        }
    }
    t->swept = 0;
    return WEFT_OK;
}

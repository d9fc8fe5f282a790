// SPDX-License-Identifier: Apache-2.0
#include "node/stream/ends.h"

#include <stdlib.h>

#include "node/stream/priv.h"

struct wf_ends {
    struct wf_home_product p; // of which the marks alone are used
};

enum weft_err wf_ends_new(struct wf_ends **ret)
{
    struct wf_ends *e = calloc(1, sizeof *e);

    if (!e)
        return WEFT_E_NOMEM;
    *ret = e;
    return WEFT_OK;
}

static void marks_free(struct wf_home_product *p)
{
    free(p->origins);
    free(p->publishers);
    free(p->ended);
    free(p->logs);
}

void wf_ends_free(struct wf_ends *e)
{
    if (!e)
        return;
    marks_free(&e->p);
    free(e);
}

enum weft_err wf_ends_pack(const struct wf_ends *e, struct wf_buf *out)
{
    return wf_checkpoint_pack(&e->p, out);
}

// An incarnation that is not the newest of its origin. Once, with the highest number that anybody knows of it.
static enum weft_err merge_ended(struct wf_home_product *p, const struct wf_ended *c)
{
    for (size_t i = 0; i < p->ended_count; i++) {
        struct wf_ended *at = &p->ended[i];
        if (memcmp(at->key.b, c->key.b, WF_KEY_LEN) != 0 ||
            !wf_incarnation_eq(&at->incarnation, &c->incarnation))
            continue;
        if (at->next_seq < c->next_seq)
            *at = *c;
        return WEFT_OK;
    }
    return wf_ended_add(p, c);
}

static enum weft_err merge(struct wf_home_product *p, const struct wf_ended *c)
{
    struct wf_origin *at = NULL;
    enum weft_err err = wf_origin_need(p, &c->key, &at);

    if (err)
        return err;
    int age = wf_incarnation_cmp(&c->incarnation, &at->durable.incarnation);
    if (age < 0)
        return merge_ended(p, c);
    if (age == 0 && c->next_seq <= at->durable.next_seq)
        return WEFT_OK;
    if (age > 0 && !wf_incarnation_is_none(&at->durable.incarnation)) {
        struct wf_ended before = { at->key, at->durable.incarnation, at->durable.next_seq,
            at->last_ms, at->cert };
        err = merge_ended(p, &before);
    }
    at->durable.incarnation = c->incarnation;
    at->durable.next_seq = c->next_seq;
    at->last_ms = c->last_ms;
    at->cert = c->cert;
    return err;
}

enum weft_err wf_ends_add(
    struct wf_ends *e, const struct wf_entry *entry, const struct wf_batch_header *h)
{
    const struct wf_ended chain = { h->signer, h->incarnation, h->first_seq + h->count,
        entry->append_ms, h->certificate };

    return merge(&e->p, &chain);
}

enum weft_err wf_ends_merge(struct wf_ends *e, struct wf_bytes packed)
{
    struct wf_home_product part = { 0 };
    uint64_t head = 0;
    enum weft_err err = wf_checkpoint_take(&part, packed, &head);

    for (size_t i = 0; i < part.ended_count && !err; i++)
        err = merge(&e->p, &part.ended[i]);
    for (size_t i = 0; i < part.origin_count && !err; i++) {
        const struct wf_origin *o = &part.origins[i];
        struct wf_ended last = { o->key, o->durable.incarnation, o->durable.next_seq, o->last_ms,
            o->cert };
        err = merge(&e->p, &last);
    }
    marks_free(&part);
    return err;
}

bool wf_ends_certificate(const struct wf_ends *e, size_t i, struct wf_hash *ret)
{
    const struct wf_home_product *p = &e->p;

    if (i >= p->origin_count + p->ended_count)
        return false;
    *ret = i < p->origin_count ? p->origins[i].cert : p->ended[i - p->origin_count].cert;
    return true;
}

static int by_age(const void *a, const void *b)
{
    const struct wf_ended *x = a, *y = b;

    return wf_incarnation_cmp(&x->incarnation, &y->incarnation);
}

// What was missing before is measured again with the rest, so that no chain is named twice.
static enum weft_err merge_missing(struct wf_ends *e, const struct wf_home_product *p)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < p->missing_count && !err; i++)
        err = merge(&e->p, &p->missing[i].chain);
    return err;
}

static void forget_missing(struct wf_home_product *p)
{
    free(p->missing);
    p->missing = NULL;
    p->missing_count = 0;
}

enum weft_err wf_ends_compare(struct wf_ends *e, struct wf_home_product *p)
{
    struct wf_past past = { 0 };
    enum weft_err err = merge_missing(e, p);

    if (err)
        return err;
    forget_missing(p);
    if (e->p.ended_count)
        qsort(e->p.ended, e->p.ended_count, sizeof *e->p.ended, by_age);
    wf_past_take(&e->p, &past);
    err = wf_past_compare(p, &past);
    wf_past_fini(&past);
    return err;
}

// ---- kept until it is said -------------------------------------------------------------------------------------------

static void meta_name(const struct wf_home_product *p, char out[40])
{
    out[0] = 'l';
    out[1] = '-';
    wf_hex_put(wf_bytes(p->collect->product.id.b, 16), out + 2);
}

enum weft_err wf_ends_keep(struct wf_home_product *p)
{
    struct wf_stream_room *r = p->room;
    struct wf_ends *e = NULL;
    struct wf_buf packed = { 0 };
    char name[40];
    enum weft_err err = wf_ends_new(&e);

    if (err)
        return err;
    meta_name(p, name);
    err = merge_missing(e, p);
    e->p.head = p->head;
    e->p.last_log = p->last_log;
    if (!err)
        err = wf_ends_pack(e, &packed);
    if (!err)
        err = wf_meta_put(&r->vfs, r->meta_dir, name, wf_buf_view(&packed));
    wf_buf_fini(&packed);
    wf_ends_free(e);
    return err;
}

static enum weft_err recall(struct wf_ends *e, struct wf_home_product *p, struct wf_bytes packed)
{
    struct wf_home_product kept = { 0 };
    uint64_t head = 0;
    enum weft_err err = wf_checkpoint_take(&kept, packed, &head);
    bool said = head != p->head || !wf_incarnation_eq(&kept.last_log, &p->last_log);

    marks_free(&kept);
    if (!err && said) {
        wf_ends_forget(p);
        return WEFT_OK;
    }
    if (!err)
        err = wf_ends_merge(e, packed);
    return err ? err : wf_ends_compare(e, p);
}

enum weft_err wf_ends_recall(struct wf_home_product *p)
{
    struct wf_stream_room *r = p->room;
    struct wf_ends *e = NULL;
    struct wf_buf packed = { 0 };
    char name[40];

    meta_name(p, name);
    enum weft_err err = wf_meta_get(&r->vfs, r->meta_dir, name, &packed);
    if (err == WEFT_E_NOT_FOUND)
        return WEFT_OK;
    if (!err)
        err = wf_ends_new(&e);
    if (!err)
        err = recall(e, p, wf_buf_view(&packed));
    wf_ends_free(e);
    wf_buf_fini(&packed);
    return err;
}

void wf_ends_forget(struct wf_home_product *p)
{
    struct wf_stream_room *r = p->room;
    char name[40];

    forget_missing(p);
    meta_name(p, name);
    // What stays there after a failure, or a power loss, is passed over at the next start: the log went on.
    (void)!wf_meta_remove(&r->vfs, r->meta_dir, name);
}

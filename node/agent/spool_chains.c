// SPDX-License-Identifier: Apache-2.0
// Chains in the spool, in the order in which they must be pushed, and marks of local publishers. After a restart both are read back from
// what the spool holds.
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/uplink.h"
#include "node/publish.h"
#include "proto/stream/batch.h"

// ---- chains ----------------------------------------------------------------------------------------------------------

void wf_spool_key(
    const struct wf_hash *product_id, const struct wf_incarnation *inc, struct wf_hash *ret)
{
    struct wf_hasher h;
    uint8_t be[16];

    wf_store_be64(be, inc->counter);
    wf_store_be64(be + 8, inc->random);
    wf_hasher_init(&h, WF_STR("weft/spool-key/v1"), WF_HASH_LEN);
    wf_hasher_add(&h, wf_hash_view(product_id));
    wf_hasher_add(&h, WF_BYTES(be));
    wf_hasher_done(&h, ret->b, WF_HASH_LEN);
}

static int chain_cmp(
    const struct wf_spool_chain *c, const struct wf_hash *id, const struct wf_incarnation *inc)
{
    int cmp = wf_hash_cmp(&c->product_id, id);

    return cmp ? cmp : wf_incarnation_cmp(&c->incarnation, inc);
}

enum weft_err wf_spool_chain_need(struct wf_node *n, const struct wf_hash *product_id,
    const struct wf_incarnation *inc, struct wf_spool_chain **ret)
{
    struct wf_spool_chain **at = &n->uplink->chains;

    while (*at && chain_cmp(*at, product_id, inc) < 0)
        at = &(*at)->next;
    if (!*at || chain_cmp(*at, product_id, inc) != 0) {
        struct wf_spool_chain *c = calloc(1, sizeof *c);
        if (!c)
            return WEFT_E_NOMEM;
        c->product_id = *product_id;
        c->incarnation = *inc;
        wf_spool_key(product_id, inc, &c->key);
        c->next = *at;
        *at = c;
    }
    *ret = *at;
    return WEFT_OK;
}

void wf_spool_chain_drop(struct wf_node *n, struct wf_spool_chain *c)
{
    struct wf_spool_chain **at = &n->uplink->chains;

    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    if (c->next && wf_hash_eq(&c->next->product_id, &c->product_id))
        c->next->spent += c->spent; // turns are a product's
    free(c);
}

// ---- recovery --------------------------------------------------------------------------------------------------------

struct found {
    struct wf_hash key;
    uint64_t floor, head;
};
struct scan {
    struct found *all;
    size_t count, cap;
    bool nomem;
    // of one key
    struct wf_node *node;
    struct wf_spool_chain *chain;
    const struct found *at;
    uint64_t lost;
    enum weft_err err;
};

static void on_product(void *arg, const struct wf_hash *key, const struct wf_log_range *range)
{
    struct scan *s = arg;

    if (range->head <= range->floor)
        return;
    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 32;
        struct found *more = realloc(s->all, cap * sizeof *more);
        s->nomem = s->nomem || !more;
        if (!more)
            return;
        s->all = more;
        s->cap = cap;
    }
    s->all[s->count++] = (struct found){ *key, range->floor, range->head };
}

static enum weft_err take_header(struct scan *s, const struct wf_batch_header *h)
{
    static const uint8_t none[WF_PUBLISHER_LEN];
    struct wf_spool_publisher *u = NULL;
    struct wf_hash key;
    enum weft_err err = WEFT_OK;

    wf_spool_key(&h->product_id, &h->incarnation, &key);
    if (!wf_hash_eq(&key, &s->at->key) ||
        memcmp(h->signer.b, s->node->keys.sign_pub.b, WF_KEY_LEN) != 0)
        return WEFT_E_DAMAGED;
    if (!s->chain) {
        err = wf_spool_chain_need(s->node, &h->product_id, &h->incarnation, &s->chain);
        if (err)
            return err;
        s->chain->head = s->at->head;
        s->chain->released = s->at->floor;
    }
    if (memcmp(h->publisher, none, WF_PUBLISHER_LEN) == 0)
        return WEFT_OK;
    err = wf_spool_publisher_need(s->node, &h->product_id, h->publisher, h->base_us / 1000, &u);
    if (!err && h->publisher_seq >= u->durable) {
        u->durable = u->ahead = h->publisher_seq + 1;
        // Its batch alone tells of it so far: released as it is, the mark would go with it.
        s->node->uplink->publishers_dirty = true;
    }
    return err;
}

static bool on_item(void *arg, const struct wf_log_view *v)
{
    struct scan *s = arg;
    struct wf_bytes header, payload;
    struct wf_batch_header h;

    if (v->status) {
        s->lost += v->end - v->first;
        return true;
    }
    enum weft_err err = wf_batch_split(v->body, &header, &payload);
    if (!err)
        err = wf_batch_open_header(header, &h);
    if (!err)
        err = take_header(s, &h);
    if (!err)
        s->chain->bytes += v->body.len;
    s->err = err == WEFT_E_NOMEM ? err : WEFT_OK;
    return s->err == WEFT_OK;
}

static enum weft_err scan_key(struct scan *s, const struct found *f)
{
    struct wf_buf scratch = { 0 };
    struct wf_log_reader reader = { .product = f->key,
        .from = f->floor,
        .max_bytes = WF_MIB,
        .visit = on_item,
        .arg = s,
        .scratch = &scratch,
        .pass_unread = true };
    enum weft_err err = WEFT_OK;

    s->chain = NULL;
    s->at = f;
    while (reader.from < f->head && !err && !s->err) {
        uint64_t next = reader.from;
        err = wf_log_read(s->node->log, &reader, &next);
        if (!err && next <= reader.from)
            break;
        reader.from = next;
    }
    wf_buf_fini(&scratch);
    if (!err && !s->err && !s->chain) // nothing of it can be read: nobody could verify it
        err = wf_log_release(s->node->log, &f->key, f->head);
    return err ? err : s->err;
}

enum weft_err wf_spool_load_publishers(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_buf kept = { 0 };
    const size_t row = WF_PUBLISHER_LEN + WF_HASH_LEN + 8 + 8;
    enum weft_err err = wf_meta_get(&u->vfs, u->meta_dir, "publisher-marks", &kept);

    for (size_t at = 0; !err && at + row <= kept.len; at += row) {
        struct wf_spool_publisher *p = NULL;
        struct wf_hash product;
        const uint8_t *mark = kept.ptr + at + WF_PUBLISHER_LEN + WF_HASH_LEN;
        memcpy(product.b, kept.ptr + at + WF_PUBLISHER_LEN, WF_HASH_LEN);
        err = wf_spool_publisher_need(
            n, &product, kept.ptr + at, (int64_t)wf_load_be64(mark + 8), &p);
        if (!err)
            p->durable = p->ahead = wf_load_be64(mark);
    }
    wf_buf_fini(&kept);
    return err == WEFT_E_NOMEM ? err : WEFT_OK;
}

enum weft_err wf_spool_recover(struct wf_node *n, struct wf_diag *diag)
{
    struct scan s = { .node = n };
    enum weft_err err = wf_spool_load_publishers(n);

    wf_log_products(n->log, on_product, &s);
    if (s.nomem)
        err = WEFT_E_NOMEM;
    for (size_t i = 0; i < s.count && !err; i++)
        err = scan_key(&s, &s.all[i]);
    free(s.all);
    if (s.lost) {
        char text[96];
        snprintf(
            text, sizeof text, "%llu records in the spool are damaged", (unsigned long long)s.lost);
        wf_alarm(n, "spool-damage", text);
    }
    for (struct wf_agent_product *p = n->uplink->products; p && !err; p = p->next)
        err = wf_spool_begin_chain(p);
    if (err)
        wf_diag_set(diag, 0, 0, "the spool: %s", weft_err_text(err));
    return err;
}

// ---- publishers ------------------------------------------------------------------------------------------------------

struct wf_spool_publisher *wf_spool_publisher(
    struct wf_node *n, const struct wf_hash *product_id, const uint8_t id[WF_PUBLISHER_LEN])
{
    struct wf_uplink_room *u = n->uplink;

    for (size_t i = 0; i < u->publisher_count; i++)
        if (memcmp(u->publishers[i].id, id, WF_PUBLISHER_LEN) == 0 &&
            wf_hash_eq(&u->publishers[i].product_id, product_id))
            return &u->publishers[i];
    return NULL;
}

enum weft_err wf_spool_publisher_need(struct wf_node *n, const struct wf_hash *product_id,
    const uint8_t id[WF_PUBLISHER_LEN], int64_t now_unix_ms, struct wf_spool_publisher **ret)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_spool_publisher *p = wf_spool_publisher(n, product_id, id);

    if (!p && !u->publishers) {
        u->publishers = calloc(WF_UPLINK_PUBLISHERS, sizeof *u->publishers);
        if (!u->publishers)
            return WEFT_E_NOMEM;
    }
    if (!p) {
        p = &u->publishers[0];
        if (u->publisher_count < WF_UPLINK_PUBLISHERS)
            p = &u->publishers[u->publisher_count++];
        else
            for (size_t i = 1; i < u->publisher_count; i++)
                if (wf_publish_goes_first(
                        u->publishers[i].id, u->publishers[i].used_ms, p->id, p->used_ms))
                    p = &u->publishers[i];
        *p = (struct wf_spool_publisher){ .product_id = *product_id };
        memcpy(p->id, id, WF_PUBLISHER_LEN);
    }
    if (now_unix_ms > p->used_ms)
        p->used_ms = now_unix_ms;
    *ret = p;
    return WEFT_OK;
}

enum weft_err wf_spool_save_publishers(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_buf out = { 0 };
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < u->publisher_count && !err; i++) {
        const struct wf_spool_publisher *p = &u->publishers[i];
        uint8_t be[16];
        wf_store_be64(be, p->durable);
        wf_store_be64(be + 8, (uint64_t)p->used_ms);
        err = wf_buf_append(&out, wf_bytes(p->id, WF_PUBLISHER_LEN));
        if (!err)
            err = wf_buf_append(&out, wf_hash_view(&p->product_id));
        if (!err)
            err = wf_buf_append(&out, WF_BYTES(be));
    }
    if (!err)
        err = wf_meta_put(&u->vfs, u->meta_dir, "publisher-marks", wf_buf_view(&out));
    if (!err)
        u->publishers_dirty = false;
    wf_buf_fini(&out);
    return err;
}

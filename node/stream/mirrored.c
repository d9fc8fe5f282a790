// SPDX-License-Identifier: Apache-2.0
// What a home does for mirrors, which hold its entries and can't read them, and for readers, who then read from a mirror: sealed
// entries, and the keys of what is kept. Loop thread only.
#include <stdlib.h>

#include "node/stream/priv.h"
#include "proto/stream/sealed.h"

// The last key that was looked up: entries of one epoch stand together.
struct sealing {
    struct wf_home_product *p;
    struct wf_arena *arena;
    struct wf_buf packed;
    uint64_t number; // of `key`
    struct wf_secret key;
};

// Under the entry's own epoch. One that has none, or whose key is gone, is sealed under the epoch in force.
static const struct wf_secret *key_for(
    struct sealing *s, const struct wf_entry *e, uint64_t *ret_number)
{
    struct wf_home_product *p = s->p;

    if (e->epoch && e->epoch != p->epoch.number && e->epoch != s->number) {
        wf_secret_fini(&s->key);
        s->number = wf_epochs_open(p, e->epoch, &s->key) ? 0 : e->epoch;
    }
    if (e->epoch && e->epoch == s->number) {
        *ret_number = s->number;
        return &s->key;
    }
    if (e->epoch != p->epoch.number)
        wf_epochs_cover(p, e->offset);
    *ret_number = p->epoch.number;
    return &p->epoch.key;
}

static enum weft_err seal_one(struct sealing *s, ProtobufCBinaryData *entry)
{
    struct wf_entry e;
    struct wf_bytes kept;
    uint8_t nonce[WF_XNONCE_LEN];
    uint64_t number = 0;
    enum weft_err err = wf_entry_parse(wf_pb_view(*entry), &e);

    if (err)
        return err;
    const struct wf_secret *key = key_for(s, &e, &number);
    wf_random(nonce, sizeof nonce);
    s->packed.len = 0;
    err = wf_sealed_entry_pack(
        wf_pb_view(*entry), &s->p->collect->product.id, number, key, nonce, &s->packed);
    if (!err)
        err = wf_arena_dup(s->arena, wf_buf_view(&s->packed), &kept);
    if (!err)
        *entry = wf_pb_bin(kept);
    return err;
}

enum weft_err wf_mirrored_seal(
    struct wf_home_product *p, struct wf_arena *arena, ProtobufCBinaryData *entries, size_t count)
{
    struct sealing s = { .p = p, .arena = arena };
    enum weft_err err = wf_epoch_need(p);

    for (size_t i = 0; i < count && !err; i++)
        err = seal_one(&s, &entries[i]);
    wf_secret_fini(&s.key);
    wf_buf_fini(&s.packed);
    return err;
}

// ---- keys of what is kept --------------------------------------------------------------------------------------------

// Those of entries from `from` on, the oldest first: a reader reads forward, and asks again when it renews.
static size_t first_of(const struct wf_home_product *p, uint64_t from, size_t *ret_count)
{
    size_t i = 0;

    while (i < p->kept_count && p->kept[i].end <= from)
        i++;
    *ret_count = p->kept_count - i < WF_LEASE_KEYS ? p->kept_count - i : WF_LEASE_KEYS;
    return i;
}

void wf_mirrored_keys(struct wf_home_product *p, const struct wf_call *c, Weft__V1__LeaseReply *r,
    struct wf_secret *ret_keys)
{
    const Weft__V1__LeaseRequest *q = c->request->lease;
    size_t count = 0, first = first_of(p, q->keys_from, &count);
    struct wf_secret keys = { 0 };

    if (!q->with_kept_keys || !count)
        return;
    Weft__V1__EpochKey **list = wf_arena_calloc(c->arena, count, sizeof *list);
    Weft__V1__EpochKey *rows = wf_arena_calloc(c->arena, count, sizeof *rows);
    if (!list || !rows || wf_secret_new(count * WF_KEY_LEN, &keys))
        return;
    for (size_t i = 0; i < count; i++) {
        uint8_t *key = keys.ptr + i * WF_KEY_LEN;
        if (wf_epochs_open_at(p, first + i, key))
            continue; // its entries are lost to who reads them from a mirror
        weft__v1__epoch_key__init(&rows[i]);
        rows[i].epoch = p->kept[first + i].number;
        rows[i].key = wf_pb_bin(wf_bytes(key, WF_KEY_LEN));
        list[r->n_kept_keys++] = &rows[i];
    }
    r->kept_keys = list;
    *ret_keys = keys;
}

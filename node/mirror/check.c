// SPDX-License-Identifier: Apache-2.0
// What a home sent, judged without a key: form, header signature, product, the box's length, and that each entry continues the one
// before. Whose certificates the signatures are is asked afterwards (origins.c). Runs on a worker: touches only the check.
#include <stdlib.h>

#include "node/mirror/priv.h"

enum weft_err wf_mirror_check_new(
    const struct wf_mirror *m, const Weft__V1__RangeReply *r, struct wf_mirror_check **ret)
{
    struct wf_mirror_check *k = calloc(1, sizeof *k);
    size_t bytes = 0, at = 0;

    if (!k)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < r->n_entries; i++)
        bytes += r->entries[i].len; // within one message
    k->bytes = malloc(bytes + 1);
    k->entries = calloc(r->n_entries + 1, sizeof *k->entries);
    k->losses = calloc(r->n_losses + 1, sizeof *k->losses);
    if (!k->bytes || !k->entries || !k->losses) {
        wf_mirror_check_free(k);
        return WEFT_E_NOMEM;
    }
    for (size_t i = 0; i < r->n_entries; i++) {
        memcpy(k->bytes + at, r->entries[i].data, r->entries[i].len);
        k->entries[k->count++].sealed = wf_bytes(k->bytes + at, r->entries[i].len);
        at += r->entries[i].len;
    }
    for (size_t i = 0; i < r->n_losses; i++) {
        weft__v1__loss__init(&k->losses[i]);
        k->losses[i].from = r->losses[i]->from;
        k->losses[i].to = r->losses[i]->to;
        k->loss_count++;
    }
    k->product_id = m->product_id;
    k->head = m->head;
    k->linked = m->linked;
    *ret = k;
    return WEFT_OK;
}

void wf_mirror_check_free(struct wf_mirror_check *k)
{
    if (!k)
        return;
    free(k->bytes);
    free(k->entries);
    free(k->losses);
    free(k);
}

// What the home lost before this offset is passed over; the entry after it continues a hash that nobody has.
static void skip_losses(struct wf_mirror_check *k, size_t *next_loss, uint64_t before)
{
    while (*next_loss < k->loss_count && k->losses[*next_loss].from < before) {
        const Weft__V1__Loss *l = &k->losses[(*next_loss)++];
        if (l->to <= k->head.next_offset || l->to > before)
            continue;
        k->head.next_offset = l->to;
        k->linked = false;
    }
}

static enum weft_err follows(const struct wf_mirror_check *k, const struct wf_entry *e)
{
    if (k->linked)
        return wf_entry_follows(&k->head, e);
    if (wf_incarnation_is_none(&k->head.log_id)) // the first that there is
        return WEFT_OK;
    return e->offset >= k->head.next_offset ? WEFT_OK : WEFT_E_ORDER;
}

static enum weft_err check_one(struct wf_mirror_check *k, struct wf_mirror_entry *to)
{
    struct wf_sealed_entry s;
    struct wf_batch_header h = { 0 };
    enum weft_err err = wf_sealed_entry_parse(to->sealed, &s);

    if (!err && !s.entry.is_reset)
        err = wf_batch_open_header(s.entry.header, &h);
    if (!err && !s.entry.is_reset && !wf_hash_eq(&h.product_id, &k->product_id))
        err = WEFT_E_PRODUCT;
    if (!err && !s.entry.is_reset)
        err = wf_sealed_entry_fits(&s, &h);
    if (!err && s.entry.offset > UINT64_MAX - h.count)
        err = WEFT_E_RANGE;
    if (!err)
        err = follows(k, &s.entry);
    if (err)
        return err;
    to->is_reset = s.entry.is_reset;
    to->offset = s.entry.offset;
    to->end = s.entry.offset + h.count;
    to->append_ms = s.entry.append_ms;
    to->certificate = h.certificate;
    to->schema = h.schema_hash;
    to->signer = h.signer;
    k->head.log_id = s.entry.log_id;
    k->head.next_offset = to->end;
    wf_entry_hash(&s.entry, &k->product_id, to->is_reset ? NULL : &h.id, &k->head.hash);
    k->linked = true;
    to->after = k->head;
    return WEFT_OK;
}

void wf_mirror_check_run(struct wf_mirror_check *k)
{
    size_t next_loss = 0;

    for (size_t i = 0; i < k->count && !k->err; i++) {
        struct wf_sealed_entry s;
        if (wf_sealed_entry_parse(k->entries[i].sealed, &s) == WEFT_OK)
            skip_losses(k, &next_loss, s.entry.offset);
        k->err = check_one(k, &k->entries[i]);
    }
    if (!k->err)
        skip_losses(k, &next_loss, UINT64_MAX);
}

// SPDX-License-Identifier: Apache-2.0
#include "node/stream/given.h"

#include <stdlib.h>

enum weft_err wf_given_take(const Weft__V1__RangeReply *r, const struct wf_log_head *head,
    bool linked, struct wf_given *ret)
{
    struct wf_given g = { .head = *head, .linked = linked };
    size_t bytes = 0, at = 0;

    for (size_t i = 0; i < r->n_entries; i++)
        bytes += r->entries[i].len; // within one message
    g.bytes = malloc(bytes + 1);
    g.entries = calloc(r->n_entries + 1, sizeof *g.entries);
    g.losses = calloc(r->n_losses + 1, sizeof *g.losses);
    if (!g.bytes || !g.entries || !g.losses) {
        wf_given_fini(&g);
        return WEFT_E_NOMEM;
    }
    for (size_t i = 0; i < r->n_entries; i++) {
        size_t len = r->entries[i].len;
        if (len)
            memcpy(g.bytes + at, r->entries[i].data, len);
        g.entries[g.count++] = wf_bytes(g.bytes + at, len);
        at += len;
    }
    for (size_t i = 0; i < r->n_losses; i++)
        g.losses[g.loss_count++] = (struct wf_given_loss){ r->losses[i]->from, r->losses[i]->to };
    *ret = g;
    return WEFT_OK;
}

void wf_given_fini(struct wf_given *g)
{
    free(g->bytes);
    free(g->entries);
    free(g->losses);
    *g = (struct wf_given){ 0 };
}

// What the home lost before this offset is passed over; the entry after it continues a hash that nobody has.
static void skip_losses(struct wf_given *g, uint64_t before)
{
    while (g->loss_at < g->loss_count && g->losses[g->loss_at].from < before) {
        const struct wf_given_loss *l = &g->losses[g->loss_at++];
        if (l->to <= g->head.next_offset || l->to > before)
            continue;
        g->head.next_offset = l->to;
        g->linked = false;
    }
}

static enum weft_err follows(const struct wf_given *g, const struct wf_entry *e)
{
    if (g->linked)
        return wf_entry_follows(&g->head, e);
    if (wf_incarnation_is_none(&g->head.log_id)) // the first that there is
        return WEFT_OK;
    return e->offset >= g->head.next_offset ? WEFT_OK : WEFT_E_ORDER;
}

enum weft_err wf_given_next(struct wf_given *g, const struct wf_hash *product_id,
    const struct wf_entry *e, const struct wf_batch_header *h)
{
    uint32_t count = h ? h->count : 0;

    if (e->offset > UINT64_MAX - count)
        return WEFT_E_RANGE;
    skip_losses(g, e->offset);
    enum weft_err err = follows(g, e);
    if (err)
        return err;
    g->head.log_id = e->log_id;
    g->head.next_offset = e->offset + count;
    wf_entry_hash(e, product_id, h ? &h->id : NULL, &g->head.hash);
    g->linked = true;
    return WEFT_OK;
}

void wf_given_end(struct wf_given *g)
{
    skip_losses(g, UINT64_MAX);
}

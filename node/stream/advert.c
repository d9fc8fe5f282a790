// SPDX-License-Identifier: Apache-2.0
// A product's documents in the registry: the home (the issuer says that this node owns it; home.c) and the advert (this node says what it
// is). Both are signed again well before they expire; a removed product's tombstone likewise, for as long as its manifest is kept.
#include <stdio.h>

#include "node/gossip/room.h"
#include "node/restored.h"
#include "node/stream/priv.h"

#define RETRY_MS 5000

// Sequences rise, also after the clock stepped back.
static uint64_t next_sequence(struct wf_node *n, const struct wf_known *known)
{
    uint64_t now = (uint64_t)wf_node_now_unix_ms(n);

    return known && known->sequence >= now ? known->sequence + 1 : now;
}

static enum weft_err advertise_product(struct wf_home_product *p, struct wf_catalog *catalog)
{
    struct wf_node *n = p->room->node;
    const struct wf_product *d = &p->collect->product;
    struct wf_buf raw = { 0 };
    struct wf_product_fields f = { .mesh_id = n->mesh_id,
        .product = d,
        .term = p->term,
        .sequence =
            next_sequence(n, wf_catalog_find(catalog, WF_ENTRY_PRODUCT, d->domain, d->name)),
        .expires_ms = wf_node_now_unix_ms(n) + WF_ADVERT_LIFE_MS,
        .node = n->identity.cert.subject.s,
        .removed = p->removed,
        .chain = wf_buf_view(&n->chain) };
    enum weft_err err = wf_product_advert_sign(&f, &n->keys.sign, &raw);

    if (!err)
        err = wf_gossip_advertise(n, WF_ENTRY_PRODUCT, wf_buf_view(&raw));
    wf_buf_fini(&raw);
    return err;
}

// The registry knows one advert a name: that of the newest major that is not removed, else the newest.
static bool speaks_for_its_name(const struct wf_home_product *p)
{
    const struct wf_product *d = &p->collect->product;

    for (const struct wf_home_product *q = p->room->products; q; q = q->next) {
        const struct wf_product *o = &q->collect->product;
        if (q == p || strcmp(o->name, d->name) != 0)
            continue;
        if (p->removed != q->removed ? p->removed : o->major > d->major)
            return false;
    }
    return true;
}

void wf_advert_tick(struct wf_home_product *p, int64_t now_ms)
{
    struct wf_node *n = p->room->node;
    struct wf_catalog *catalog = n->gossip ? wf_gossip_catalog(n) : NULL;
    char alarm[16 + WF_MAX_NAME], text[256];

    if (now_ms < p->advert_due_ms || p->incoming || p->away || !catalog || !n->has_certificate ||
        wf_restored_waits(n) || !speaks_for_its_name(p))
        return;
    if (p->removed && wf_node_now_unix_ms(n) - p->removed_ms > WF_TOMBSTONE_MS)
        return;
    enum weft_err err = wf_home_claim(p);
    if (!err)
        err = advertise_product(p, catalog);
    snprintf(alarm, sizeof alarm, "advert-%s", p->collect->product.name);
    snprintf(text, sizeof text, "%s is not in the registry: %s%s", p->collect->product.name,
        weft_err_text(err),
        err == WEFT_E_UNREACHABLE ? " (the node with the domain's issuer)"
        : err == WEFT_E_NOT_HOME  ? " (another node of the domain is)"
                                  : "");
    if (err != WEFT_E_NO_HOME) // else the issuer was asked just now
        wf_alarm(n, alarm, err ? text : NULL);
    p->advert_due_ms = now_ms + (err ? RETRY_MS : WF_ADVERT_EVERY_MS);
}

static struct wf_catalog *catalog_of(struct wf_node *n)
{
    return n->gossip ? wf_gossip_catalog(n) : NULL;
}

void wf_adverts_hold(struct wf_stream_room *r)
{
    struct wf_catalog *c = catalog_of(r->node);

    if (c)
        wf_catalog_hold(c);
}

void wf_adverts_release(struct wf_stream_room *r)
{
    struct wf_node *n = r->node;
    char text[160];
    struct wf_catalog *c = catalog_of(n);
    enum weft_err err = c ? wf_catalog_release(c) : WEFT_OK;

    snprintf(text, sizeof text,
        "adverts of this node's products could not be kept: %s; others learn them all the same",
        weft_err_text(err));
    wf_alarm(n, "adverts", err ? text : NULL);
    for (struct wf_home_product *p = err ? r->products : NULL; p; p = p->next)
        if (p->advert_due_ms > wf_node_now_ms(n) + RETRY_MS)
            p->advert_due_ms = wf_node_now_ms(n) + RETRY_MS;
}

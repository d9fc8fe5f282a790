// SPDX-License-Identifier: Apache-2.0
// The claim of this node to be a product's home: said by its own issuer, or asked of the domain's node that has it. Invariant: a product is
// advertised only while a home document in the registry names this node.
#include <stdio.h>
#include <stdlib.h>

#include "node/gossip/room.h"
#include "node/join/room.h"
#include "node/signer/signer.h"
#include "node/stream/priv.h"

#define FRESH_MS (WF_HOME_LIFE_MS - WF_ADVERT_EVERY_MS / 2) // of life left: not asked for again

struct ask {
    struct wf_node *node;
    struct wf_name product;
    Weft__V1__Request request;
    Weft__V1__HomeRequest home;
    struct wf_buf manifest, schema; // copies: a change meanwhile replaces what they are of
    struct wf_buf came;             // the home document
    enum weft_err err;
    struct ask *next;
};

struct wf_homes {
    struct wf_stream_room *room;
    struct wf_timer turn_ends;
    struct ask *came; // answered in this turn
};

static void ask_free(struct ask *a)
{
    wf_buf_fini(&a->manifest);
    wf_buf_fini(&a->schema);
    wf_buf_fini(&a->came);
    free(a);
}

// ---- answers ---------------------------------------------------------------------------------------------------------
// The registry waits for the disk: what came in one turn is kept in one commit.

static void settle(struct wf_stream_room *r, struct ask *a)
{
    for (struct wf_home_product *p = r->products; p; p = p->next) {
        if (strcmp(p->collect->product.name, a->product.s) != 0)
            continue;
        p->home_asked = false;
        p->home_err = a->err;
        if (!a->err && p->term == 0)
            p->advert_due_ms = 0;
    }
    ask_free(a);
}

static void take_all(struct wf_homes *h)
{
    struct wf_node *n = h->room->node;
    struct ask *first = h->came, *next = NULL;

    h->came = NULL;
    wf_gossip_hold(n);
    for (struct ask *a = first; a; a = a->next) {
        a->err = wf_gossip_advertise(n, WF_ENTRY_HOME, wf_buf_view(&a->came));
        if (a->err == WEFT_E_STALE)
            a->err = WEFT_OK; // gossip brought a newer one
    }
    enum weft_err err = wf_gossip_release(n);
    for (struct ask *a = first; a; a = next) {
        next = a->next;
        if (!a->err)
            a->err = err;
        settle(h->room, a);
    }
}

static void turn_ends(struct wf_timer *t)
{
    take_all((struct wf_homes *)(void *)((char *)t - offsetof(struct wf_homes, turn_ends)));
}

static enum weft_err keep(struct ask *a, const Weft__V1__Reply *reply)
{
    return reply->kind_case == WEFT__V1__REPLY__KIND_HOME
               ? wf_bytes_dup(wf_pb_view(reply->home->home), &a->came)
               : WEFT_E_PROTOCOL;
}

static void on_home(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct ask *a = arg;
    struct wf_stream_room *r = a->node->stream;

    if (!r || r->closed || !a->node->gossip) {
        ask_free(a);
        return;
    }
    a->err = err ? err : keep(a, reply);
    if (a->err) {
        settle(r, a);
        return;
    }
    a->next = r->homes->came;
    r->homes->came = a;
    if (wf_timer_set(a->node->loop, &r->homes->turn_ends, 0))
        take_all(r->homes);
}

enum weft_err wf_homes_new(struct wf_stream_room *r, struct wf_homes **ret)
{
    struct wf_homes *h = calloc(1, sizeof *h);

    if (!h)
        return WEFT_E_NOMEM;
    h->room = r;
    h->turn_ends.fire = turn_ends;
    *ret = h;
    return WEFT_OK;
}

void wf_homes_free(struct wf_homes *h)
{
    struct ask *next = NULL;

    if (!h)
        return;
    wf_timer_cancel(h->room->node->loop, &h->turn_ends);
    for (struct ask *a = h->came; a; a = next) {
        next = a->next;
        ask_free(a);
    }
    free(h);
}

// ---- questions -------------------------------------------------------------------------------------------------------

static void ask(struct wf_home_product *p)
{
    struct wf_node *n = p->room->node;
    struct ask *a = calloc(1, sizeof *a);

    if (!a)
        return; // the next tick asks
    a->node = n;
    snprintf(a->product.s, sizeof a->product.s, "%s", p->collect->product.name);
    weft__v1__home_request__init(&a->home);
    a->home.product = a->product.s;
    weft__v1__request__init(&a->request);
    a->request.kind_case = WEFT__V1__REQUEST__KIND_HOME;
    a->request.home = &a->home;
    // With it the issuer's node can hand it to the machine that takes our place. Without memory for it the next time says it.
    if (!p->removed && !wf_bytes_dup(wf_buf_view(&p->collect->raw), &a->manifest) &&
        !wf_bytes_dup(wf_buf_view(&p->schema_set), &a->schema)) {
        a->home.manifest = wf_pb_bin(wf_buf_view(&a->manifest));
        a->home.schema = wf_pb_bin(wf_buf_view(&a->schema));
        p->told = p->collect->id;
    }
    p->home_asked = true;
    if (wf_gossip_ask_issuer(n, &a->request, on_home, a)) {
        p->home_asked = false;
        ask_free(a);
    }
}

enum weft_err wf_home_claim(struct wf_home_product *p)
{
    struct wf_node *n = p->room->node;
    const struct wf_product *d = &p->collect->product;
    const struct wf_known *known =
        wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_HOME, d->domain, d->name);

    if (wf_signer_here(n)) {
        enum weft_err err = wf_join_sign_home(n, d->name, n->identity.cert.subject.s, &p->term);
        // While the signer starts again, the home that it signed before holds as long as it says.
        if (err == WEFT_E_UNREACHABLE && known && known->doc &&
            known->expires_ms > wf_node_now_unix_ms(n)) {
            p->term = known->term;
            err = WEFT_OK;
        }
        return err;
    }
    if (known && (!known->doc || strcmp(known->doc->home.node.s, n->identity.cert.subject.s) != 0))
        return WEFT_E_NOT_HOME;
    bool told = p->removed || wf_hash_eq(&p->told, &p->collect->id);
    if (!p->home_asked &&
        (!known || !told || known->expires_ms - wf_node_now_unix_ms(n) < FRESH_MS))
        ask(p);
    if (!known)
        return p->home_err ? p->home_err : WEFT_E_NO_HOME;
    p->term = known->term;
    return WEFT_OK;
}

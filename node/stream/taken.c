// SPDX-License-Identifier: Apache-2.0
// The two ends of a take-over: the issuer's order comes in, and the home document that it leads to puts the product in force here.
#include <stdio.h>

#include "node/agent/room.h"
#include "node/gossip/room.h"
#include "node/stream/priv.h"

// ---- the order -------------------------------------------------------------------------------------------------------

static enum weft_err refuse(struct wf_diag *diag, enum weft_err err, const char *text)
{
    wf_diag_set(diag, 0, 0, "%s", text);
    return err;
}

static bool is_named(struct wf_node *n, const struct wf_move *order)
{
    const struct wf_known *home =
        wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_HOME, order->domain.s, order->product.s);

    return home && home->doc && home->term >= order->term &&
           strcmp(home->doc->home.node.s, n->identity.cert.subject.s) == 0;
}

static enum weft_err check_order(
    struct wf_node *n, const struct wf_move *order, struct wf_diag *diag)
{
    const struct wf_cert *own = &n->identity.cert;
    const struct wf_moving *at_hand = wf_moving_find(n->stream, order->product.s);
    enum weft_err err = wf_move_verify(order, n->charter, wf_node_now_unix_ms(n));

    if (err)
        return err;
    if (!wf_name_eq(&order->domain, &own->domain) || !wf_name_eq(&order->to, &own->subject))
        return refuse(diag, WEFT_E_NOT_OWNER, "the order is for another node");
    if (wf_stream_is_built_in(order->product.s))
        return refuse(diag, WEFT_E_POLICY, "built in: every node has its own");
    if (!wf_cert_may_publish(own, order->product.s))
        return refuse(diag, WEFT_E_PRODUCT, "the new home's certificate does not cover it");
    return at_hand && at_hand->order.sequence > order->sequence
               ? refuse(diag, WEFT_E_STALE, "a later order is being carried out")
               : WEFT_OK;
}

static struct wf_home_product *any_of(struct wf_stream_room *r, const char *name)
{
    struct wf_home_product *p = r->products;

    while (p && strcmp(p->collect->product.name, name) != 0)
        p = p->next;
    return p;
}

// What the issuer's node kept of a home that is lost. Where the product was here before, its own manifest is as good.
static enum weft_err take_kept(struct wf_node *n, const struct wf_move *order,
    struct wf_bytes manifest, struct wf_bytes schema, struct wf_diag *diag)
{
    struct wf_home_product *p = any_of(n->stream, order->product.s);
    struct wf_collect *c = NULL;

    if (!order->lost || !manifest.len || (p && !p->removed))
        return WEFT_OK;
    enum weft_err err = wf_collect_open(manifest, &c);
    if (!err && (c->removed || strcmp(c->product.name, order->product.s) != 0))
        err = WEFT_E_MANIFEST;
    if (!err)
        err = wf_apply_incoming(n, c, schema, diag, &p);
    wf_collect_free(c);
    return err;
}

enum weft_err wf_stream_take_over(struct wf_node *n, struct wf_bytes raw, struct wf_bytes manifest,
    struct wf_bytes schema, struct wf_diag *diag)
{
    struct wf_moving *m = NULL;
    struct wf_move order;
    enum weft_err err = wf_move_open(raw, &order);

    if (!err)
        err = check_order(n, &order, diag);
    if (err || is_named(n, &order))
        return err;
    err = wf_moving_keep(n->stream, &order, raw, &m);
    if (!err)
        err = take_kept(n, &order, manifest, schema, diag);
    if (!err)
        wf_moves_soon(n->stream, 0);
    return err;
}

void wf_stream_takeover_state(struct wf_node *n, const struct wf_move *order,
    struct wf_arena *arena, Weft__V1__MoveReply *ret)
{
    const struct wf_moving *m = wf_moving_find(n->stream, order->product.s);

    ret->from = wf_pb_str(order->from.s);
    ret->node = wf_pb_str(order->to.s);
    ret->term = order->term;
    if (is_named(n, order))
        ret->state = WEFT__V1__MOVE_REPLY__STATE__STATE_DONE;
    else if (!m || !m->taking || wf_takeover_state(m->taking, arena, ret))
        ret->state = WEFT__V1__MOVE_REPLY__STATE__STATE_WAITING;
}

// ---- in force --------------------------------------------------------------------------------------------------------

static void say_taken(struct wf_node *n, const struct wf_home_product *p, const struct wf_move *o)
{
    char head[32];

    snprintf(head, sizeof head, "%llu", (unsigned long long)p->head);
    wf_say(n, o->lost ? WF_LOG_WARN : WF_LOG_INFO, "stream",
        o->lost ? "this node is home of a product whose home was lost; what it did not have is "
                  "gone but for what agents still have"
                : "this node is home of the product now",
        "product", p->collect->product.name, "from", o->from.s, "offset", head, NULL);
}

void wf_takeover_named(struct wf_moving *m)
{
    struct wf_stream_room *r = m->room;
    struct wf_node *n = r->node;
    const struct wf_move order = m->order;

    for (struct wf_home_product *p = r->products; p; p = p->next) {
        if (strcmp(p->collect->product.name, order.product.s) != 0 || !p->incoming)
            continue;
        // What origins say next may leave a hole: who acknowledged what is missing can't be asked.
        if (order.lost && wf_moved_set_lost(p, wf_node_now_unix_ms(n)))
            return; // the next tick
    }
    wf_moving_end(m);
    if (wf_moving_find(r, order.product.s))
        return; // its file could not be removed: the next tick
    for (struct wf_home_product *p = r->products; p; p = p->next) {
        if (strcmp(p->collect->product.name, order.product.s) != 0 || p->removed)
            continue;
        wf_home_judge(p);
        for (size_t i = 0; i < p->origin_count; i++)
            p->origins[i].seen = p->origins[i].seen && !order.lost;
        for (size_t i = 0; i < p->publisher_count; i++)
            p->publishers[i].unsure = p->publishers[i].unsure || order.lost;
        p->advert_due_ms = 0;
        wf_home_started(p);
        say_taken(n, p, &order);
    }
    if (n->agents)
        wf_agents_manifests_changed(n);
}

// SPDX-License-Identifier: Apache-2.0
// Leases: who may read which product until when. A token with `subscribe` opens the stream (epoch keys, endpoint, a place at the gate) and
// range and pull; one with `replay` alone opens range and pull. A lease dies with its time, its token or its product.
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/gossip/room.h"
#include "node/stream/priv.h"

// ---- table -----------------------------------------------------------------------------------------------------------

static struct wf_lease **bucket(struct wf_stream_room *r, const uint8_t id[WF_LEASE_ID_LEN])
{
    return &r->lease_buckets[wf_load_be32(id) % WF_LEASE_BUCKETS];
}

struct wf_lease *wf_lease_find(struct wf_stream_room *r, struct wf_bytes id)
{
    if (id.len != WF_LEASE_ID_LEN)
        return NULL;
    for (struct wf_lease *l = *bucket(r, id.ptr); l; l = l->next_in_bucket)
        if (wf_equal_ct(wf_bytes(l->id, WF_LEASE_ID_LEN), id))
            return l->expires_unix_ms > wf_node_now_unix_ms(r->node) ? l : NULL;
    return NULL;
}

static bool is_holder(const struct wf_lease *l, const struct wf_caller *who)
{
    if (l->local || who->local)
        return l->local && who->local && l->uid == who->uid;
    return memcmp(l->holder.b, who->identity.cert.sign_key.b, WF_KEY_LEN) == 0;
}

struct wf_lease *wf_lease_of_call(
    struct wf_stream_room *r, struct wf_call *c, ProtobufCBinaryData id)
{
    struct wf_lease *l = wf_lease_find(r, wf_pb_view(id));

    if (l && is_holder(l, c->caller)) {
        l->pipe = wf_call_pipe(c);
        l->orphaned_ms = 0;
        return l;
    }
    wf_call_refuse(c, WEFT_E_LEASE, "the lease is unknown here or has ended; ask for a new one");
    return NULL;
}

static void ungate(struct wf_stream_room *r, struct wf_lease *l)
{
    if (l->gated)
        wf_net_gate_withdraw(r->gate, &l->addr);
    l->gated = false;
}

void wf_lease_end(struct wf_stream_room *r, struct wf_lease *l)
{
    struct wf_home_product *p = l->product;
    struct wf_lease **at = bucket(r, l->id);

    while (*at != l)
        at = &(*at)->next_in_bucket;
    *at = l->next_in_bucket;
    for (at = &r->leases; *at != l;)
        at = &(*at)->next;
    *at = l->next;
    ungate(r, l);
    r->lease_count--;
    p->lease_count--;
    if (l->verb == WF_VERB_SUBSCRIBE && --p->live_count == 0)
        p->sent_count = p->sent_bytes = 0;
    if (l->verb == WF_VERB_MIRROR)
        p->mirror_count--;
    if (!p->live_count && !p->mirror_count)
        wf_epoch_end(p); // nobody is left to seal for
    wf_buf_fini(&l->token);
    free(l);
}

void wf_leases_tick(struct wf_stream_room *r)
{
    int64_t now = wf_node_now_unix_ms(r->node);

    for (struct wf_lease *l = r->leases, *next; l; l = next) {
        next = l->next;
        if (l->expires_unix_ms <= now)
            wf_lease_end(r, l);
    }
}

// Its readers may come back by another connection: until then their leases only make room for others.
void wf_stream_pipe_gone(struct wf_node *n, uint32_t pipe)
{
    struct wf_stream_room *r = n->stream;

    for (struct wf_lease *l = r ? r->leases : NULL; l; l = l->next)
        if (l->pipe == pipe && !l->orphaned_ms)
            l->orphaned_ms = wf_node_now_ms(n);
}

void wf_leases_end_of(struct wf_stream_room *r, struct wf_home_product *p)
{
    for (struct wf_lease *l = r->leases, *next; l; l = next) {
        next = l->next;
        if (!p || l->product == p)
            wf_lease_end(r, l);
    }
}

// ---- is it still granted? --------------------------------------------------------------------------------------------

static enum weft_err judge(struct wf_stream_room *r, const struct wf_lease *l)
{
    struct wf_node *n = r->node;
    const struct wf_product *d = &l->product->collect->product;
    struct wf_access asked = { .mesh_id = &n->mesh_id,
        .domain = d->domain,
        .product = d->name,
        .verb = l->verb,
        .who = l->holder };
    struct wf_token *t = NULL;
    struct wf_decision decision;

    if (l->local)
        return WEFT_OK;
    enum weft_err err = wf_token_open(wf_buf_view(&l->token), &t, NULL);
    if (!err)
        err = wf_token_verify(t, n->charter, wf_node_now_unix_ms(n));
    if (!err)
        err =
            wf_token_decide(t, &asked, wf_access_revocations(n), wf_node_now_unix_ms(n), &decision);
    wf_token_free(t);
    return err;
}

void wf_leases_recheck(struct wf_stream_room *r, struct wf_home_product *p)
{
    for (struct wf_lease *l = r->leases, *next; l; l = next) {
        next = l->next;
        if ((!p || l->product == p) && judge(r, l))
            wf_lease_end(r, l);
    }
}

// ---- asking for one --------------------------------------------------------------------------------------------------

// The product asked for, or the call is answered.
static struct wf_home_product *wanted_product(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__LeaseRequest *q = c->request->lease;
    struct wf_home_product *p = NULL;

    if (wf_gossip_not_home(n, c, q->domain, q->product))
        return NULL;
    if (strcmp(q->domain, n->identity.cert.domain.s) == 0)
        p = wf_stream_find(n, q->product, q->major);
    if (!p) {
        wf_call_refuse(c, WEFT_E_NOT_FOUND, "%s/%s is no product of this node; see: weft products",
            q->domain, q->product);
        return NULL;
    }
    if (!wf_home_has_stream(p)) {
        wf_call_refuse(c, WEFT_E_UNSUPPORTED, "%s/%s is an api: call it with weft call", q->domain,
            q->product);
        return NULL;
    }
    if (wf_incarnation_is_none(&p->log_id)) {
        wf_call_refuse(c, WEFT_E_BUSY, "%s/%s is starting; ask again", q->domain, q->product);
        return NULL;
    }
    return p;
}

static enum wf_verb verb_of(struct wf_call *c)
{
    const struct wf_token *t = NULL;
    uint32_t verbs = UINT32_MAX;

    if (c->request->lease->purpose == WEFT__V1__LEASE_REQUEST__PURPOSE__PURPOSE_MIRROR)
        return WF_VERB_MIRROR;
    if (c->caller->local ||
        wf_call_token(c, c->request->lease->token, c->request->lease->token_id, &t, NULL))
        return WF_VERB_SUBSCRIBE; // what is wrong is said by the decision
    for (size_t i = 0; i < t->block_count; i++)
        verbs &= t->blocks[i].verbs;
    return (verbs & WF_VERB_SUBSCRIBE) || !(verbs & WF_VERB_REPLAY) ? WF_VERB_SUBSCRIBE
                                                                    : WF_VERB_REPLAY;
}

static enum weft_err gate_for(struct wf_stream_room *r, struct wf_lease *l, struct wf_call *c)
{
    struct wf_net_addr addr = *wf_call_addr(c);

    if (l->verb != WF_VERB_SUBSCRIBE)
        return WEFT_OK;
    if (addr.family == WF_NET_LOCAL)
        addr = (struct wf_net_addr){ .family = WF_NET_IP4, .ip = { 127, 0, 0, 1 } };
    if (!r->gate) {
        l->addr = addr;
        return WEFT_OK;
    }
    if (l->gated && wf_net_addr_same_host(&l->addr, &addr))
        return WEFT_OK;
    enum weft_err err = wf_net_gate_admit(r->gate, &addr);
    if (err)
        return err;
    ungate(r, l);
    l->addr = addr;
    l->gated = true;
    return WEFT_OK;
}

// The lease that a fresh one of `who` is to replace.
static struct wf_lease *replaced_by(struct wf_stream_room *r, const struct wf_call *c)
{
    struct wf_lease *l = wf_lease_find(r, wf_pb_view(c->request->lease->replaces));

    return l && is_holder(l, c->caller) ? l : NULL;
}

// Room for one more of `who`. A reader that died gave nothing back: of those whose connection ended the longest gone makes room.
static enum weft_err make_room(
    struct wf_stream_room *r, const struct wf_caller *who, const struct wf_lease *replaced)
{
    struct wf_lease *gone = NULL, *own_gone = NULL;
    size_t of_key = 0, all = r->lease_count - (replaced != NULL);

    for (struct wf_lease *l = r->leases; l; l = l->next) {
        bool is_own = is_holder(l, who);
        of_key += is_own && l != replaced;
        if (!l->orphaned_ms || l == replaced)
            continue;
        if (!gone || l->orphaned_ms < gone->orphaned_ms)
            gone = l;
        if (is_own && (!own_gone || l->orphaned_ms < own_gone->orphaned_ms))
            own_gone = l;
    }
    if (of_key >= WF_LEASES_PER_KEY)
        gone = own_gone;
    else if (all < WF_LEASES_MAX)
        return WEFT_OK;
    if (!gone)
        return WEFT_E_BUSY;
    wf_lease_end(r, gone);
    return WEFT_OK;
}

static enum weft_err lease_new(struct wf_stream_room *r, struct wf_home_product *p,
    struct wf_call *c, enum wf_verb verb, struct wf_lease **ret)
{
    const struct wf_caller *who = c->caller;
    enum weft_err err = make_room(r, who, replaced_by(r, c));

    if (err)
        return err;
    struct wf_lease *l = calloc(1, sizeof *l);
    if (!l)
        return WEFT_E_NOMEM;
    wf_random(l->id, sizeof l->id);
    l->product = p;
    l->local = who->local;
    l->uid = who->uid;
    l->holder = who->identity.cert.sign_key;
    l->verb = verb;
    snprintf(l->label, sizeof l->label, "%s", who->label);
    l->pipe = wf_call_pipe(c);
    struct wf_lease **at = bucket(r, l->id);
    l->next_in_bucket = *at;
    *at = l;
    l->next = r->leases;
    r->leases = l;
    r->lease_count++;
    p->lease_count++;
    if (verb == WF_VERB_SUBSCRIBE)
        p->live_count++;
    if (verb == WF_VERB_MIRROR)
        p->mirror_count++;
    *ret = l;
    return WEFT_OK;
}

static enum weft_err grant_until(
    struct wf_stream_room *r, struct wf_lease *l, const struct wf_granted *g)
{
    struct wf_buf token = { 0 };

    l->expires_unix_ms = wf_node_now_unix_ms(r->node) + (int64_t)r->node->conf->lease_ms;
    if (!g->token)
        return WEFT_OK;
    enum weft_err err = wf_bytes_dup(wf_buf_view(&g->token->raw), &token);
    if (err)
        return err;
    wf_buf_fini(&l->token);
    l->token = token;
    l->token_id = g->token_id;
    if (g->expires_ms < l->expires_unix_ms)
        l->expires_unix_ms = g->expires_ms;
    return WEFT_OK;
}

// ---- the answer ------------------------------------------------------------------------------------------------------

static void put_key(const struct wf_epoch *e, Weft__V1__EpochKey *to)
{
    weft__v1__epoch_key__init(to);
    to->epoch = e->number;
    to->key = wf_pb_bin(wf_secret_view(&e->key));
    to->commitment = wf_pb_bin(wf_hash_view(&e->commitment));
    to->not_before_ms = e->from_unix_ms;
}

// A reader on the local socket dialled no address of ours that it could use again.
static void local_endpoint(const struct wf_node *n, uint16_t port, char out[WF_ADDRESS_TEXT])
{
    struct wf_address at = n->conf->listen;

    if (wf_address_is_wildcard(&at))
        snprintf(at.host, sizeof at.host, "%s", at.is_ipv6 ? "::1" : "127.0.0.1");
    at.port = port;
    wf_address_text(&at, out);
}

// What of the answer may fail, before anything is granted; both lie in the call's arena.
struct offer {
    ProtobufCBinaryData *schemas;
    struct wf_bytes beat;
};

static enum weft_err prepare(struct wf_home_product *p, struct wf_call *c, struct offer *ret)
{
    struct offer o = { .schemas = wf_arena_calloc(
                           c->arena, 1 + p->collect->product.earlier_count, sizeof *o.schemas) };
    struct wf_bytes beat;
    enum weft_err err = o.schemas ? wf_beat_signed(p, &beat) : WEFT_E_NOMEM;

    if (!err)
        err = wf_arena_dup(c->arena, beat, &o.beat);
    if (!err)
        *ret = o;
    return err;
}

static void answer(
    struct wf_call *c, struct wf_lease *l, const struct wf_granted *g, const struct offer *o)
{
    struct wf_node *n = c->node;
    struct wf_home_product *p = l->product;
    const struct wf_product *d = &p->collect->product;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__LeaseReply r = WEFT__V1__LEASE_REPLY__INIT;
    Weft__V1__EpochKey keys[2], *key_list[2] = { &keys[0], &keys[1] };
    char endpoint[WF_ADDRESS_TEXT];
    struct wf_secret kept = { 0 };
    ProtobufCBinaryData *schemas = o->schemas;

    schemas[r.n_schemas++] = wf_pb_bin(wf_hash_view(&d->schema_hash));
    for (size_t i = 0; i < d->earlier_count; i++)
        schemas[r.n_schemas++] = wf_pb_bin(wf_hash_view(&d->earlier[i]));
    if (l->verb == WF_VERB_SUBSCRIBE) {
        if (l->local)
            local_endpoint(n, p->port, endpoint);
        else // the host is the one that the reader dialled
            snprintf(endpoint, sizeof endpoint, ":%u", p->port);
        r.endpoint = endpoint;
        put_key(&p->epoch, &keys[r.n_keys++]);
        if (p->next_epoch.number)
            put_key(&p->next_epoch, &keys[r.n_keys++]);
        r.keys = key_list;
        wf_mirrored_keys(p, c, &r, &kept);
    }
    r.lease_id = wf_pb_bin(WF_BYTES(l->id));
    r.heartbeat = wf_pb_bin(o->beat);
    r.expires_ms = l->expires_unix_ms;
    r.product_id = wf_pb_bin(wf_hash_view(&d->id));
    r.schemas = schemas;
    r.term = p->term ? p->term : 1;
    if (g->token) {
        r.token_id = wf_pb_bin(wf_hash_view(&g->token_id));
        r.token_expires_ms = g->expires_ms;
    }
    r.home_key = wf_pb_bin(WF_BYTES(n->keys.sign_pub.b));
    reply.kind_case = WEFT__V1__REPLY__KIND_LEASE;
    reply.lease = &r;
    wf_call_reply(c, &reply);
    wf_secret_fini(&kept);
}

// What the verb reads from: a mirror's entries are sealed under the epoch's key, too.
static enum weft_err open_for(struct wf_home_product *p, enum wf_verb verb, struct wf_diag *diag)
{
    enum weft_err err = verb == WF_VERB_SUBSCRIBE ? wf_publish_open(p, diag) : WEFT_OK;

    if (!err && (verb == WF_VERB_SUBSCRIBE || verb == WF_VERB_MIRROR))
        err = wf_epoch_need(p);
    return err;
}

// The lease that is to be renewed, NULL for a new one. False: refused.
static bool named_lease(struct wf_stream_room *r, struct wf_call *c,
    const struct wf_home_product *p, struct wf_lease **ret)
{
    const Weft__V1__LeaseRequest *q = c->request->lease;

    if (!q->lease_id.len)
        return true;
    struct wf_lease *l = wf_lease_of_call(r, c, q->lease_id);
    if (!l)
        return false;
    if (l->product != p || l->verb != verb_of(c)) {
        wf_call_refuse(c, WEFT_E_LEASE, "the lease is for another product or verb");
        return false;
    }
    *ret = l;
    return true;
}

static void grant(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__LeaseRequest *q = c->request->lease;
    struct wf_stream_room *r = n->stream;
    struct wf_home_product *p = wanted_product(n, c);
    struct wf_lease *l = NULL;
    struct wf_granted granted = { 0 };
    struct offer offer = { 0 };
    struct wf_diag diag = { 0 };

    if (!p)
        return;
    if (n->draining) {
        wf_call_refuse(c, WEFT_E_CLOSED, "the node is stopping");
        return;
    }
    enum wf_verb verb = verb_of(c);
    struct wf_access asked = { .mesh_id = &n->mesh_id,
        .domain = q->domain,
        .product = q->product,
        .verb = verb,
        .who = c->caller->identity.cert.sign_key };
    if (!named_lease(r, c, p, &l))
        return;
    if (!wf_access_check(n, c, &asked, q->token, q->token_id, &granted)) {
        if (l)
            wf_lease_end(r, l); // what opened it is refused now
        return;
    }
    bool fresh = !l;
    struct wf_lease *replaced = fresh ? replaced_by(r, c) : NULL;
    enum weft_err err = fresh ? lease_new(r, p, c, verb, &l) : WEFT_OK;
    if (!err)
        err = grant_until(r, l, &granted);
    if (!err)
        err = open_for(p, verb, &diag);
    if (!err)
        err = gate_for(r, l, c);
    if (!err)
        err = prepare(p, c, &offer);
    if (err) {
        if (fresh && l)
            wf_lease_end(r, l);
        wf_call_refuse(c, err, "no lease: %s", diag.text[0] ? diag.text : weft_err_text(err));
        return;
    }
    if (replaced)
        wf_lease_end(r, replaced); // after the new one stands: the epoch goes on
    wf_beat_soon(p);
    if (fresh) {
        char on[2 * WF_MAX_NAME + 2];
        snprintf(on, sizeof on, "%s/%s", q->domain, q->product);
        wf_access_audit(
            n, c->caller, "lease", on, WEFT_OK, granted.token ? &granted.token_id : NULL);
    }
    answer(c, l, &granted, &offer);
}

static void give_back(struct wf_node *n, struct wf_call *c)
{
    struct wf_lease *l = wf_lease_of_call(n->stream, c, c->request->lease->lease_id);
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__LeaseReply r = WEFT__V1__LEASE_REPLY__INIT;

    if (!l)
        return;
    wf_lease_end(n->stream, l);
    r.lease_id = c->request->lease->lease_id;
    reply.kind_case = WEFT__V1__REPLY__KIND_LEASE;
    reply.lease = &r;
    wf_call_reply(c, &reply);
}

void wf_lease_handle(struct wf_node *n, struct wf_call *c)
{
    if (c->request->lease->end)
        give_back(n, c);
    else
        grant(n, c);
}

// ---- position --------------------------------------------------------------------------------------------------------

static struct wf_incarnation incarnation_of(const Weft__V1__Incarnation *i)
{
    return i ? (struct wf_incarnation){ i->counter, i->random } : (struct wf_incarnation){ 0 };
}

void wf_lease_position(struct wf_lease *l, uint64_t offset)
{
    l->position = offset;
    l->positioned = true;
    l->heard_ms = wf_node_now_ms(l->product->room->node);
    wf_publish_position(l->product, offset);
}

static void take_position(struct wf_lease *l, const Weft__V1__Position *at)
{
    struct wf_home_product *p = l->product;
    struct wf_incarnation log_id = incarnation_of(at->log_id);

    // A reader that claims to be beyond the head only opens the window for itself; one in an older log says nothing of this one.
    if (!wf_incarnation_eq(&log_id, &p->log_id) || at->offset > p->head)
        return;
    wf_lease_position(l, at->offset);
}

void wf_position_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__PositionRequest *q = c->request->position;
    struct wf_stream_room *r = n->stream;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__PositionReply out = WEFT__V1__POSITION_REPLY__INIT;

    if (q->n_positions > WF_LEASES_PER_KEY) {
        wf_call_refuse(c, WEFT_E_TOO_BIG, "at most %u positions at once", WF_LEASES_PER_KEY);
        return;
    }
    out.heartbeats = wf_arena_calloc(c->arena, q->n_positions + 1, sizeof *out.heartbeats);
    if (!out.heartbeats) {
        wf_call_refuse(c, WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
        return;
    }
    for (size_t i = 0; i < q->n_positions; i++) {
        struct wf_lease *l = wf_lease_of_call(r, c, q->positions[i]->lease_id);
        struct wf_bytes beat = { 0 }, copy = { 0 };
        if (!l)
            return;
        take_position(l, q->positions[i]);
        if (!wf_beat_signed(l->product, &beat) && !wf_arena_dup(c->arena, beat, &copy))
            out.heartbeats[out.n_heartbeats++] = wf_pb_bin(copy);
    }
    reply.kind_case = WEFT__V1__REPLY__KIND_POSITION;
    reply.position = &out;
    wf_call_reply(c, &reply);
}

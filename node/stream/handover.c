// SPDX-License-Identifier: Apache-2.0
// The old home's side of a move: shows what is moved, gives its entries as they lie in the log, and at the end takes nothing more and says the
// marks. Every request carries the issuer's order, so nothing but the product's fate is remembered here. Loop thread only.
// Invariant: once the marks were given, the product's log ends there: the order is on the disk before.
#include "node/access/room.h"
#include "node/gossip/room.h"
#include "node/stream/priv.h"
#include "node/stream/slice.h"

#define REPLY_BYTES (512u * WF_KIB) // of entries: read on the loop's thread
#define MAJORS_MAX  16u
#define SETTLE_MS   20u

// ---- may it? ---------------------------------------------------------------------------------------------------------

static enum weft_err check_order(
    struct wf_node *n, const struct wf_cert *caller, const struct wf_move *order)
{
    const struct wf_cert *own = &n->identity.cert;
    const struct wf_known *home =
        wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_HOME, order->domain.s, order->product.s);
    const struct wf_moving *at_hand = wf_moving_find(n->stream, order->product.s);
    enum weft_err err = wf_move_verify(order, n->charter, wf_node_now_unix_ms(n));

    if (err)
        return err;
    if (!wf_name_eq(&order->domain, &own->domain))
        return WEFT_E_WRONG_DOMAIN;
    if (!wf_name_eq(&caller->domain, &own->domain))
        return WEFT_E_WRONG_DOMAIN;
    if (caller->kind != WF_ID_NODE)
        return WEFT_E_KIND;
    if (!wf_name_eq(&order->to, &caller->subject))
        return WEFT_E_NOT_OWNER;
    if (!wf_name_eq(&order->from, &own->subject))
        return WEFT_E_NOT_HOME;
    if (wf_access_origin_revoked(n, &caller->sign_key, wf_node_now_unix_ms(n)))
        return WEFT_E_REVOKED;
    if (home && order->term <= home->term)
        return WEFT_E_STALE; // the issuer has said another home since
    return at_hand && at_hand->order.sequence > order->sequence ? WEFT_E_STALE : WEFT_OK;
}

static bool is_meant(const struct wf_home_product *p, const struct wf_move *order)
{
    return !p->removed && !p->incoming && !p->away &&
           strcmp(p->collect->product.name, order->product.s) == 0;
}

// ---- what there is ---------------------------------------------------------------------------------------------------

static enum weft_err put_incarnation(
    struct wf_arena *arena, const struct wf_incarnation *from, Weft__V1__Incarnation **ret)
{
    Weft__V1__Incarnation *i = wf_arena_alloc(arena, sizeof *i);

    if (!i)
        return wf_arena_err(arena);
    weft__v1__incarnation__init(i);
    i->counter = from->counter;
    i->random = from->random;
    *ret = i;
    return WEFT_OK;
}

static enum weft_err put_marks(
    struct wf_arena *arena, const struct wf_home_product *p, Weft__V1__HandoverProduct *m)
{
    struct wf_buf packed = { 0 };
    struct wf_bytes copy = { 0 };
    enum weft_err err = wf_checkpoint_pack(p, &packed);

    if (!err)
        err = wf_arena_dup(arena, wf_buf_view(&packed), &copy);
    m->marks = wf_pb_bin(copy);
    wf_buf_fini(&packed);
    return err;
}

static enum weft_err put_product(
    struct wf_call *c, const struct wf_home_product *p, bool marks, Weft__V1__HandoverProduct **ret)
{
    bool whole = c->request->handover->product_id.len > 0;
    Weft__V1__HandoverProduct *m = wf_arena_alloc(c->arena, sizeof *m);

    if (!m)
        return wf_arena_err(c->arena);
    weft__v1__handover_product__init(m);
    m->product_id = wf_pb_bin(wf_hash_view(&p->collect->product.id));
    if (whole && !marks) {
        m->manifest = wf_pb_bin(wf_buf_view(&p->collect->raw));
        m->schema = wf_pb_bin(wf_buf_view(&p->schema_set));
    }
    m->floor = wf_home_floor(p);
    m->head = p->head;
    m->head_hash = wf_pb_bin(wf_hash_view(&p->head_hash));
    enum weft_err err = put_incarnation(c->arena, &p->last_log, &m->log_id);
    if (!err && whole && marks)
        err = put_marks(c->arena, p, m);
    *ret = m;
    return err;
}

static void answer_products(
    struct wf_node *n, struct wf_call *c, const struct wf_move *order, bool marks)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__HandoverReply r = WEFT__V1__HANDOVER_REPLY__INIT;
    struct wf_bytes one = wf_pb_view(c->request->handover->product_id);
    enum weft_err err = WEFT_OK;

    r.products = wf_arena_calloc(c->arena, MAJORS_MAX, sizeof *r.products);
    if (!r.products)
        err = wf_arena_err(c->arena);
    for (struct wf_home_product *p = n->stream->products; p && !err; p = p->next) {
        if (!is_meant(p, order) ||
            (one.len && !wf_bytes_eq(one, wf_hash_view(&p->collect->product.id))))
            continue;
        err = r.n_products == MAJORS_MAX ? WEFT_E_TOO_BIG
                                         : put_product(c, p, marks, &r.products[r.n_products]);
        r.n_products += !err;
    }
    if (!err && r.n_products == 0)
        err = WEFT_E_NOT_FOUND;
    if (err) {
        wf_call_refuse(c, err, "%s: %s", order->product.s,
            err == WEFT_E_NOT_FOUND ? "this node has no such product" : weft_err_text(err));
        return;
    }
    reply.kind_case = WEFT__V1__REPLY__KIND_HANDOVER;
    reply.handover = &r;
    wf_call_reply(c, &reply);
}

// ---- entries ---------------------------------------------------------------------------------------------------------

static enum weft_err log_of_reset(struct wf_bytes body, struct wf_incarnation *ret)
{
    struct wf_entry e;
    enum weft_err err = wf_entry_parse(body, &e);

    if (!err)
        *ret = e.log_id;
    return err;
}

static struct wf_home_product *product_of(
    struct wf_node *n, const struct wf_move *order, ProtobufCBinaryData id)
{
    for (struct wf_home_product *p = n->stream->products; p; p = p->next)
        if (is_meant(p, order) &&
            wf_bytes_eq(wf_pb_view(id), wf_hash_view(&p->collect->product.id)))
            return p;
    return NULL;
}

static enum weft_err read_part(const Weft__V1__RangeRequest *q, struct wf_slice *s, uint64_t floor)
{
    if (q->start == WEFT__V1__RANGE_REQUEST__START__START_EARLIEST)
        s->from = floor;
    else if (q->from > s->head)
        return WEFT_E_RANGE;
    else
        s->from = q->from;
    if (q->log_id)
        s->after = (struct wf_incarnation){ q->log_id->counter, q->log_id->random };
    return wf_slice_read(s);
}

static void answer_entries(struct wf_node *n, struct wf_call *c, const struct wf_move *order)
{
    const Weft__V1__HandoverRequest *q = c->request->handover;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__HandoverReply r = WEFT__V1__HANDOVER_REPLY__INIT;
    Weft__V1__RangeReply range = WEFT__V1__RANGE_REPLY__INIT;
    struct wf_home_product *p = product_of(n, order, q->product_id);
    enum weft_err err = p && q->range ? WEFT_OK : WEFT_E_NOT_FOUND;
    struct wf_slice s = { .log = n->log,
        .max_bytes = REPLY_BYTES,
        .log_of_reset = log_of_reset,
        .scratch = &n->stream->scratch,
        .arena = c->arena };

    if (!err) {
        s.product = p->log_key;
        s.head = p->head;
        err = read_part(q->range, &s, wf_home_floor(p));
    }
    if (err) {
        wf_call_refuse(c, err, "%s: %s", order->product.s, weft_err_text(err));
        return;
    }
    wf_slice_reply(&s, &range);
    p->count.served += s.entry_count;
    r.range = &range;
    reply.kind_case = WEFT__V1__REPLY__KIND_HANDOVER;
    reply.handover = &r;
    wf_call_reply(c, &reply);
}

// ---- the end ---------------------------------------------------------------------------------------------------------

static bool is_settled(const struct wf_stream_room *r, const struct wf_move *order)
{
    for (const struct wf_home_product *p = r->products; p; p = p->next)
        if (is_meant(p, order) && (p->pending || p->open.count || p->beginning))
            return false;
    return true;
}

static void freeze(struct wf_node *n, struct wf_call *c, const struct wf_move *order)
{
    struct wf_stream_room *r = n->stream;
    struct wf_moving *m = wf_moving_find(r, order->product.s);
    enum weft_err err = WEFT_OK;

    for (struct wf_home_product *p = r->products; p; p = p->next)
        if (is_meant(p, order) && !p->frozen)
            wf_intake_flush(p); // what was gathered is given along
    if (!m || !wf_hash_eq(&m->order.id, &order->id))
        err = wf_moving_keep(r, order, wf_pb_view(c->request->handover->order), &m);
    if (err) {
        wf_call_refuse(
            c, err, "%s: the order could not be kept: %s", order->product.s, weft_err_text(err));
    } else if (!is_settled(r, order)) {
        Weft__V1__Refusal busy = WEFT__V1__REFUSAL__INIT;
        busy.code = WEFT_E_BUSY;
        busy.text = (char *)(uintptr_t) "what was taken before is being written";
        busy.retry_ms = SETTLE_MS;
        wf_call_refuse_with(c, &busy);
    } else {
        answer_products(n, c, order, true);
    }
}

void wf_handover_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__HandoverRequest *q = c->request->handover;
    struct wf_move order;
    enum weft_err err = wf_move_open(wf_pb_view(q->order), &order);

    if (!err)
        err = check_order(n, &c->caller->identity.cert, &order);
    if (err) {
        wf_call_refuse(c, err, "handover: %s", weft_err_text(err));
        return;
    }
    switch (q->step) {
    case WEFT__V1__HANDOVER_REQUEST__STEP__STEP_BEGIN:
        answer_products(n, c, &order, false);
        break;
    case WEFT__V1__HANDOVER_REQUEST__STEP__STEP_ENTRIES:
        answer_entries(n, c, &order);
        break;
    case WEFT__V1__HANDOVER_REQUEST__STEP__STEP_FREEZE:
        freeze(n, c, &order);
        break;
    default:
        wf_call_refuse(c, WEFT_E_RANGE, "handover: an unknown step");
        break;
    }
}

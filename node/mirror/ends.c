// SPDX-License-Identifier: Apache-2.0
// A mirror of a product whose home is lost tells the new home where the chains end that it holds, a part of its log at a time: the records are sealed
// for readers, their heads are not. Asked with the issuer's order; read on the loop thread, at most 1 MiB a request.
#include "node/stream/ends.h"
#include "node/access/room.h"
#include "node/gossip/room.h"
#include "node/mirror/priv.h"
#include "node/stream/room.h"
#include "proto/trust/move.h"

struct look {
    struct wf_ends *ends;
    enum weft_err err;
};

static bool on_view(void *arg, const struct wf_log_view *v)
{
    struct look *l = arg;
    struct wf_sealed_entry s;
    struct wf_batch_header h;

    // What can't be read names nobody.
    if (v->status || wf_sealed_entry_parse(v->body, &s) || s.entry.is_reset ||
        wf_batch_open_header(s.entry.header, &h))
        return true;
    l->err = wf_ends_add(l->ends, &s.entry, &h);
    return !l->err;
}

static enum weft_err check_order(
    struct wf_node *n, const struct wf_cert *caller, const struct wf_move *order)
{
    const struct wf_revocations *list = wf_gossip_revocations(n, order->domain.s);
    int64_t now = wf_node_now_unix_ms(n);
    enum weft_err err = wf_move_verify(order, n->charter, now);

    if (err)
        return err;
    if (!order->lost || caller->kind != WF_ID_NODE ||
        !wf_name_eq(&order->domain, &caller->domain) || !wf_name_eq(&order->to, &caller->subject))
        return WEFT_E_NOT_OWNER;
    return list && wf_revocations_has_origin(list, &caller->sign_key, now) ? WEFT_E_REVOKED
                                                                           : WEFT_OK;
}

static enum weft_err read_part(
    struct wf_mirror *m, uint64_t from, struct wf_arena *arena, Weft__V1__HandoverProduct *ret)
{
    struct look l = { 0 };
    struct wf_buf packed = { 0 };
    struct wf_bytes copy = { 0 };
    struct wf_log_reader reader = { .product = m->log_key,
        .from = from,
        .max_bytes = WF_MIB,
        .visit = on_view,
        .arg = &l,
        .scratch = &m->room->scratch,
        .pass_unread = true };
    uint64_t next = from, floor = wf_mirror_floor(m);

    if (reader.from < floor)
        reader.from = floor;
    enum weft_err err = wf_ends_new(&l.ends);
    if (!err)
        err = wf_log_read(m->log, &reader, &next);
    if (!err)
        err = l.err;
    if (!err)
        err = wf_ends_pack(l.ends, &packed);
    if (!err)
        err = wf_arena_dup(arena, wf_buf_view(&packed), &copy);
    ret->product_id = wf_pb_bin(wf_hash_view(&m->stored_id));
    ret->head = m->head.next_offset;
    ret->floor = next > from ? next : ret->head; // nothing more can be read
    ret->marks = wf_pb_bin(copy);
    wf_buf_fini(&packed);
    wf_ends_free(l.ends);
    return err;
}

static void answer(struct wf_call *c, struct wf_mirror *m)
{
    const Weft__V1__HandoverRequest *q = c->request->handover;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__HandoverReply r = WEFT__V1__HANDOVER_REPLY__INIT;
    Weft__V1__HandoverProduct p = WEFT__V1__HANDOVER_PRODUCT__INIT, *list[] = { &p };
    enum weft_err err = read_part(m, q->range ? q->range->from : 0, c->arena, &p);

    if (err) {
        wf_call_refuse(c, err, "%s, at its mirror: %s", m->name, weft_err_text(err));
        return;
    }
    r.products = list;
    r.n_products = 1;
    reply.kind_case = WEFT__V1__REPLY__KIND_HANDOVER;
    reply.handover = &r;
    wf_call_reply(c, &reply);
}

void wf_mirror_handover_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__HandoverRequest *q = c->request->handover;
    struct wf_mirror *m = n->mirror ? n->mirror->mirrors : NULL;
    struct wf_move order;

    if (q->step != WEFT__V1__HANDOVER_REQUEST__STEP__STEP_ENDS) {
        wf_handover_handle(n, c);
        return;
    }
    enum weft_err err = wf_move_open(wf_pb_view(q->order), &order);
    if (!err)
        err = check_order(n, &c->caller->identity.cert, &order);
    while (!err && m &&
           (!wf_name_eq(&m->domain, &order.domain) || !wf_name_eq(&m->product, &order.product)))
        m = m->next;
    if (!err && (!m || wf_hash_is_zero(&m->stored_id)))
        err = WEFT_E_NOT_FOUND;
    if (err)
        wf_call_refuse(c, err, "handover, at a mirror: %s", weft_err_text(err));
    else
        answer(c, m);
}

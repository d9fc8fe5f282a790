// SPDX-License-Identifier: Apache-2.0
// MOVE: a product to another node of the domain. Only here, on the local socket of the node with the issuer, is it ordered: DATA/orders/PRODUCT is the
// signed order, at most one a product, and the home document of its term is signed for nobody but whom it names. The new home does the work and
// asks for that document at the end, so an order that was replaced or called off before then never comes into force.
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/conf.h"
#include "node/gossip/room.h"
#include "node/join/priv.h"
#include "node/restored.h"
#include "node/signer/signer.h"
#include "node/stream/room.h"
#include "proto/trust/move.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"
#include "sdk/link.h"

#define LIFE_MS (7 * INT64_C(86400000)) // of an order: a long copy, a node that is away for days
#define ASK_MS  5000
#define LOOK_MS 2000 // for a home that is said to be lost

// ---- the order on the disk -------------------------------------------------------------------------------------------

static enum weft_err path_of(const struct wf_node *n, const char *product, char **ret)
{
    char name[WF_MAX_NAME + 16];

    snprintf(name, sizeof name, "orders/%s", product);
    return wf_disk_join(n->conf->data, name, ret);
}

static enum weft_err load(
    const struct wf_node *n, const char *product, struct wf_buf *ret_raw, struct wf_move *ret)
{
    struct wf_buf raw = { 0 };
    char *path = NULL;
    enum weft_err err = path_of(n, product, &path);

    if (!err)
        err = wf_file_read(path, WF_MAX_ENVELOPE, WF_FILE_OWNED, &raw, NULL);
    if (!err)
        err = wf_move_open(wf_buf_view(&raw), ret);
    if (!err && strcmp(ret->product.s, product) != 0)
        err = WEFT_E_DAMAGED;
    free(path);
    if (err || !ret_raw)
        wf_buf_fini(&raw);
    else
        *ret_raw = raw;
    return err;
}

static enum weft_err keep(struct wf_node *n, const char *product, struct wf_bytes raw)
{
    struct wf_diag diag = { 0 };
    char *path = NULL, *dir = NULL;
    enum weft_err err = wf_disk_join(n->conf->data, "orders", &dir);

    if (!err)
        err = wf_disk_mkdir(dir, &diag);
    if (!err)
        err = path_of(n, product, &path);
    if (!err)
        err = raw.len ? wf_disk_replace(path, raw, &diag) : wf_disk_remove(path, &diag);
    free(dir);
    free(path);
    return err;
}

// ---- the home document -----------------------------------------------------------------------------------------------

enum weft_err wf_join_sign_moved(
    struct wf_node *n, const char *product, const char *node, uint64_t *ret_term)
{
    const struct wf_known *known =
        wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_HOME, n->identity.cert.domain.s, product);
    struct wf_move order;

    if (known && known->doc && strcmp(known->doc->home.node.s, node) == 0)
        return wf_join_sign_home(n, product, node, ret_term); // asked once more
    enum weft_err err = load(n, product, NULL, &order);
    if (err || strcmp(order.to.s, node) != 0 || (known && known->term >= order.term))
        return WEFT_E_NOT_HOME;
    err = wf_join_sign_at(n, product, node, order.term, known ? known->sequence : 0);
    if (err)
        return err;
    wf_join_forget(n, order.from.s, product);
    if (keep(n, product, wf_bytes(NULL, 0)))
        wf_say(n, WF_LOG_WARN, "join", "a move's order could not be removed", "product", product,
            NULL); // its term is over
    *ret_term = order.term;
    return WEFT_OK;
}

// ---- an order --------------------------------------------------------------------------------------------------------

struct ordering { // while the new home is asked
    struct wf_node *node;
    struct wf_call *call; // NULL: its caller went away
    struct wf_move order;
};

static enum weft_err refuse(struct wf_call *c, enum weft_err err, const char *text)
{
    wf_call_refuse(c, err, "move: %s", text);
    return err;
}

static enum weft_err check_target(
    struct wf_node *n, struct wf_call *c, const char *product, const char *node)
{
    const struct wf_cert *own = &n->identity.cert, *cert = own;

    if (strcmp(node, own->subject.s) != 0) {
        const struct wf_known *k =
            wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_NODE, own->domain.s, node);
        if (!k || k->removed || !k->doc)
            return refuse(c, WEFT_E_NOT_FOUND,
                "no such node of this domain is known; see: weft peers, weft ticket create --kind "
                "node");
        cert = &k->doc->node.identity.cert;
    }
    if (!wf_cert_may_publish(cert, product))
        return refuse(c, WEFT_E_PRODUCT, "that node's certificate does not cover the product");
    return wf_access_origin_revoked(n, &cert->sign_key, wf_node_now_unix_ms(n))
               ? refuse(c, WEFT_E_REVOKED, "that node's key is revoked")
               : WEFT_OK;
}

static enum weft_err check_order(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__MoveRequest *q = c->request->move;

    if (!wf_signer_here(n))
        return refuse(c, WEFT_E_NOT_OWNER,
            "only the domain's issuer can say it: run it on the node with issuer: true");
    if (wf_restored_waits(n))
        return refuse(c, WEFT_E_BUSY,
            "this node asks the others first what was revoked; see: weft node status");
    if (!wf_name_is_valid(wf_bytes_str(q->product)) || !wf_name_is_valid(wf_bytes_str(q->node)))
        return refuse(c, WEFT_E_NAME, "a product and a node of this domain, by their names");
    return wf_stream_is_built_in(q->product)
               ? refuse(c, WEFT_E_POLICY, "built in: every node has its own")
               : WEFT_OK;
}

static enum weft_err sign_order(struct wf_node *n, const Weft__V1__MoveRequest *q,
    const struct wf_known *home, uint64_t after, struct wf_buf *out)
{
    uint64_t now = (uint64_t)wf_node_now_unix_ms(n);
    struct wf_move m = { .mesh_id = n->mesh_id,
        .domain = n->identity.cert.domain,
        .product = home->name,
        .from = home->doc->home.node,
        .term = home->term + 1,
        .sequence = after >= now ? after + 1 : now,
        .lost = q->lost };
    enum weft_err err = wf_name_from(wf_bytes_str(q->node), &m.to);

    m.expires_ms = (int64_t)m.sequence + LIFE_MS;
    if (!err)
        err = wf_signer_move(n, &m, out);
    return err;
}

// The one at hand where it says the same, else a new one in its place.
static enum weft_err settle_order(struct wf_node *n, const struct wf_call *c,
    const struct wf_known *home, struct wf_buf *ret_raw, struct wf_move *ret)
{
    const Weft__V1__MoveRequest *q = c->request->move;
    struct wf_buf raw = { 0 };
    enum weft_err err = load(n, q->product, &raw, ret);
    uint64_t after = err ? 0 : ret->sequence;

    if (!err && strcmp(ret->to.s, q->node) == 0 && wf_name_eq(&ret->from, &home->doc->home.node) &&
        ret->lost == q->lost && ret->term > home->term &&
        ret->expires_ms - wf_node_now_unix_ms(n) > LIFE_MS / 2) {
        *ret_raw = raw;
        return WEFT_OK;
    }
    wf_buf_fini(&raw);
    err = sign_order(n, q, home, after, &raw);
    if (!err)
        err = wf_move_open(wf_buf_view(&raw), ret);
    if (!err)
        err = keep(n, q->product, wf_buf_view(&raw));
    (void)wf_access_audit(n, c->caller, q->lost ? "move-lost" : "move", q->product, err, NULL);
    if (err)
        wf_buf_fini(&raw);
    else
        *ret_raw = raw;
    return err;
}

static void answer(struct wf_call *c, Weft__V1__MoveReply *r)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;

    reply.kind_case = WEFT__V1__REPLY__KIND_MOVE;
    reply.move = r;
    wf_call_reply(c, &reply);
}

static void on_gone(struct wf_call *c, void *arg)
{
    struct ordering *o = arg;

    (void)c;
    o->call = NULL;
}

static void on_state(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct ordering *o = arg;
    struct wf_call *c = o->call;

    if (c) {
        c->on_gone = NULL;
        if (!err)
            answer(c, reply->move);
        else if (reply && reply->refusal)
            wf_call_refuse(c, err, "node %s: %s", o->order.to.s, reply->refusal->text);
        else
            wf_call_refuse(c, WEFT_E_UNREACHABLE,
                "node %s does not answer (%s); it goes on when it does, and this command may be "
                "repeated",
                o->order.to.s, weft_err_text(err));
    }
    free(o);
}

static void send_order(
    struct wf_node *n, struct wf_call *c, const struct wf_move *order, Weft__V1__MoveRequest *m)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    struct wf_link *link = NULL;
    struct ordering *o = calloc(1, sizeof *o);
    enum weft_err err = o ? wf_gossip_link(n, order->domain.s, order->to.s, &link) : WEFT_E_NOMEM;

    if (!err) {
        *o = (struct ordering){ n, c, *order };
        c->on_gone = on_gone;
        c->gone_arg = o;
        q.kind_case = WEFT__V1__REQUEST__KIND_MOVE;
        q.move = m;
        err = wf_link_request(link, &q, ASK_MS, on_state, o);
    }
    if (!err)
        return;
    c->on_gone = NULL;
    free(o);
    (void)refuse(c, err, weft_err_text(err));
}

static void carry_out(
    struct wf_node *n, struct wf_call *c, const struct wf_move *order, struct wf_bytes raw)
{
    Weft__V1__MoveRequest m = WEFT__V1__MOVE_REQUEST__INIT;
    Weft__V1__MoveReply r = WEFT__V1__MOVE_REPLY__INIT;
    struct wf_bytes manifest = { 0 }, schema = { 0 };
    struct wf_diag diag = { 0 };

    // Without one it is home all the same, and its manifest is applied there by hand.
    if (order->lost &&
        wf_join_kept_of(n, order->from.s, order->product.s, c->arena, &manifest, &schema))
        manifest = schema = wf_bytes(NULL, 0);
    if (strcmp(order->to.s, n->identity.cert.subject.s) != 0) {
        m.order = wf_pb_bin(raw);
        m.manifest = wf_pb_bin(manifest);
        m.schema = wf_pb_bin(schema);
        send_order(n, c, order, &m);
        return;
    }
    enum weft_err err = wf_stream_take_over(n, raw, manifest, schema, &diag);
    if (err) {
        (void)refuse(c, err, diag.text[0] ? diag.text : weft_err_text(err));
        return;
    }
    wf_stream_takeover_state(n, order, c->arena, &r);
    answer(c, &r);
}

// It lives there. An order to take it elsewhere that has not come into force is called off: under a new term its home takes records again.
static void stay(struct wf_node *n, struct wf_call *c, const struct wf_known *home)
{
    Weft__V1__MoveReply r = WEFT__V1__MOVE_REPLY__INIT;
    const struct wf_name product = home->name, node = home->doc->home.node;
    struct wf_move order;
    enum weft_err err = load(n, product.s, NULL, &order);
    bool pending = !err && order.term > home->term;

    r.term = home->term;
    err = err == WEFT_E_NOT_FOUND ? WEFT_OK : keep(n, product.s, wf_bytes(NULL, 0));
    if (!err && pending) {
        r.term = order.term + 1;
        err = wf_join_sign_at(n, product.s, node.s, r.term, home->sequence);
    }
    if (err) {
        (void)refuse(c, err, weft_err_text(err));
        return;
    }
    r.state = WEFT__V1__MOVE_REPLY__STATE__STATE_DONE;
    r.from = wf_pb_str(pending ? order.to.s : node.s);
    r.node = wf_pb_str(node.s);
    r.why = wf_pb_str(pending ? "the move was called off" : "");
    answer(c, &r);
}

static const struct wf_known *home_of(struct wf_node *n, const struct wf_call *c)
{
    return wf_catalog_find(
        wf_gossip_catalog(n), WF_ENTRY_HOME, n->identity.cert.domain.s, c->request->move->product);
}

static void give_order(struct wf_node *n, struct wf_call *c)
{
    const struct wf_known *home = home_of(n, c);
    struct wf_buf raw = { 0 };
    struct wf_move order;

    if (!home || !home->doc) {
        (void)refuse(c, WEFT_E_NOT_FOUND, "no node of this domain is its home; see: weft products");
        return;
    }
    enum weft_err err = settle_order(n, c, home, &raw, &order);
    if (err)
        (void)refuse(c, err, weft_err_text(err));
    else
        carry_out(n, c, &order, wf_buf_view(&raw));
    wf_buf_fini(&raw);
}

// ---- is it lost? -----------------------------------------------------------------------------------------------------

struct look { // while the home that is said to be lost is asked for a sign of life
    struct wf_node *node;
    struct wf_call *call; // NULL: its caller went away
};

static void on_look_gone(struct wf_call *c, void *arg)
{
    struct look *k = arg;

    (void)c;
    k->call = NULL;
}

static void refuse_living(struct wf_call *c, const char *home)
{
    wf_call_refuse(c, WEFT_E_STATE,
        "move: node %s lives, it answers. Leave --lost out, and %s moves with all its records; "
        "with it, what node %s does not have is given "
        "up. To give it up all the same: --although-alive",
        home, c->request->move->product, c->request->move->node);
}

// Whatever it answers, it answers.
static void on_sign(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct look *k = arg;
    struct wf_call *c = k->call;
    const struct wf_known *home = c ? home_of(k->node, c) : NULL;

    if (c) {
        c->on_gone = NULL;
        if (k->node->draining)
            (void)refuse(c, WEFT_E_CLOSED, weft_err_text(WEFT_E_CLOSED));
        else if ((!err || reply) && home && home->doc)
            refuse_living(c, home->doc->home.node.s);
        else
            give_order(k->node, c);
    }
    free(k);
}

// An order for the same that is being carried out already was looked into when it was given.
static bool is_ordered(struct wf_node *n, const struct wf_call *c, const struct wf_known *home)
{
    struct wf_move order;
    enum weft_err err = load(n, c->request->move->product, NULL, &order);

    return !err && order.lost && order.term > home->term;
}

static void look_for_life(struct wf_node *n, struct wf_call *c, const struct wf_known *home)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__StatusRequest status = WEFT__V1__STATUS_REQUEST__INIT;
    const char *node = home->doc->home.node.s;
    struct wf_link *link = NULL;

    if (strcmp(node, n->identity.cert.subject.s) == 0) {
        refuse_living(c, node);
        return;
    }
    struct look *k = calloc(1, sizeof *k);
    if (!k) {
        (void)refuse(c, WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM));
        return;
    }
    *k = (struct look){ n, c };
    c->on_gone = on_look_gone;
    c->gone_arg = k;
    q.kind_case = WEFT__V1__REQUEST__KIND_STATUS;
    q.status = &status;
    enum weft_err err = wf_gossip_link(n, n->identity.cert.domain.s, node, &link);
    if (!err)
        err = wf_link_request(link, &q, LOOK_MS, on_sign, k);
    if (err) // no advert of it, no link to it
        on_sign(k, err, NULL);
}

static void take_order(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__MoveRequest *q = c->request->move;

    if (check_order(n, c))
        return; // answered
    const struct wf_known *home = home_of(n, c);
    if (!home || !home->doc)
        (void)refuse(c, WEFT_E_NOT_FOUND, "no node of this domain is its home; see: weft products");
    else if (strcmp(home->doc->home.node.s, q->node) == 0)
        stay(n, c, home);
    else if (check_target(n, c, q->product, q->node))
        return; // answered
    else if (q->lost && !q->although_alive && !is_ordered(n, c, home))
        look_for_life(n, c, home);
    else
        give_order(n, c);
}

// From the issuer's node, or by way of any other: the signature is what counts.
static void take_over(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__MoveRequest *q = c->request->move;
    Weft__V1__MoveReply r = WEFT__V1__MOVE_REPLY__INIT;
    struct wf_diag diag = { 0 };
    struct wf_move order;
    enum weft_err err = wf_move_open(wf_pb_view(q->order), &order);

    if (!err && c->caller->identity.cert.kind != WF_ID_NODE)
        err = WEFT_E_KIND;
    if (!err)
        err = wf_stream_take_over(
            n, wf_pb_view(q->order), wf_pb_view(q->manifest), wf_pb_view(q->schema), &diag);
    if (err) {
        (void)refuse(c, err, diag.text[0] ? diag.text : weft_err_text(err));
        return;
    }
    wf_stream_takeover_state(n, &order, c->arena, &r);
    answer(c, &r);
}

void wf_move_handle(struct wf_node *n, struct wf_call *c)
{
    if (c->caller->local)
        take_order(n, c);
    else
        take_over(n, c);
}

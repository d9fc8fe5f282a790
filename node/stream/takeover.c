// SPDX-License-Identifier: Apache-2.0
// The new home's side of a move, a step at a time: which majors there are, manifest and schema of each, entries until little is left, then the old
// home takes nothing more, the rest, the marks, and the issuer is asked for the home document. Every step may be repeated, every failure is
// tried again for ever; a start goes on with what the log has. Loop thread only, but for the check of what came.
#include <stdio.h>
#include <stdlib.h>

#include "node/gossip/room.h"
#include "node/join/room.h"
#include "node/signer/signer.h"
#include "node/stream/ends.h"
#include "node/stream/takeover.h"

#define RETRY_MS     100 // doubling to:
#define RETRY_MAX_MS 3000
#define EPOCHS_APART 1024u // the old home may begin epochs for its readers until it hears of this

static void step(struct wf_takeover *t);

// ---- life ------------------------------------------------------------------------------------------------------------

struct wf_takeover *wf_takeover_new(struct wf_moving *m)
{
    struct wf_takeover *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->m = m;
    t->names_left = SIZE_MAX;
    t->step = m->order.lost ? WF_TAKE_MIRRORS : WF_TAKE_LIST;
    return t;
}

void wf_takeover_free(struct wf_takeover *t)
{
    if (!t)
        return;
    if (t->asking)
        t->asking->t = NULL;
    if (t->working)
        t->check->t = NULL; // its job frees it
    else
        wf_copy_check_free(t->check);
    wf_ends_free(t->ends);
    free(t);
}

static struct wf_node *node_of(const struct wf_takeover *t)
{
    return t->m->room->node;
}

void wf_takeover_go_on(struct wf_takeover *t)
{
    t->retry_ms = t->due_ms = 0;
    t->err = WEFT_OK;
    t->why[0] = '\0';
    wf_moves_soon(t->m->room, 0);
}

void wf_takeover_fail(struct wf_takeover *t, enum weft_err err, const char *what, const char *text)
{
    bool news = t->err != err;

    t->err = err;
    snprintf(t->why, sizeof t->why, "%s: %s", what, text && text[0] ? text : weft_err_text(err));
    t->retry_ms = t->retry_ms ? 2 * t->retry_ms : RETRY_MS;
    if (t->retry_ms > RETRY_MAX_MS)
        t->retry_ms = RETRY_MAX_MS;
    t->due_ms = wf_node_now_ms(node_of(t)) + t->retry_ms;
    wf_moves_soon(t->m->room, t->retry_ms);
    if (news && err != WEFT_E_BUSY)
        wf_say(node_of(t), WF_LOG_WARN, "stream", "a move waits", "product", t->m->order.product.s,
            "why", t->why, NULL);
}

const char *wf_takeover_text(const Weft__V1__Reply *reply)
{
    return reply && reply->refusal ? reply->refusal->text : NULL;
}

void wf_takeover_next(struct wf_takeover *t, enum wf_takeover_step then)
{
    if (++t->at >= t->count) {
        t->at = 0;
        t->step = then;
    }
    wf_takeover_go_on(t);
}

// ---- asking ----------------------------------------------------------------------------------------------------------

struct wf_takeover *wf_takeover_answered(void *arg)
{
    struct wf_takeover_asking *a = arg;
    struct wf_takeover *t = a->t;

    free(a);
    if (t)
        t->asking = NULL;
    return t;
}

enum weft_err wf_takeover_ask_at(struct wf_takeover *t, const char *domain, const char *node,
    const Weft__V1__Request *q, wf_link_fn done)
{
    struct wf_takeover_asking *a = calloc(1, sizeof *a);
    struct wf_link *link = NULL;
    enum weft_err err = a ? wf_gossip_link(node_of(t), domain, node, &link) : WEFT_E_NOMEM;

    if (a)
        a->t = t;
    t->asking = a;
    if (!err)
        err = wf_link_request(link, q, 0, done, a);
    if (err) {
        free(a);
        t->asking = NULL;
    }
    return err;
}

void wf_takeover_ask(struct wf_takeover *t, const Weft__V1__Request *q, wf_link_fn done)
{
    enum weft_err err = wf_takeover_ask_at(t, t->m->order.domain.s, t->m->order.from.s, q, done);

    if (err)
        wf_takeover_fail(t, err, "the old home can't be asked", NULL);
}

void wf_takeover_ask_home(struct wf_takeover *t, Weft__V1__HandoverRequest__Step what,
    const struct wf_hash *product, Weft__V1__RangeRequest *range, wf_link_fn done)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__HandoverRequest h = WEFT__V1__HANDOVER_REQUEST__INIT;

    h.order = wf_pb_bin(wf_buf_view(&t->m->raw));
    h.step = what;
    if (product)
        h.product_id = wf_pb_bin(wf_hash_view(product));
    h.range = range;
    q.kind_case = WEFT__V1__REQUEST__KIND_HANDOVER;
    q.handover = &h;
    wf_takeover_ask(t, &q, done);
}

// ---- which majors ----------------------------------------------------------------------------------------------------

static struct wf_takeover_part *part_of(struct wf_takeover *t, const struct wf_hash *id)
{
    for (size_t i = 0; i < t->count; i++)
        if (wf_hash_eq(&t->parts[i].id, id))
            return &t->parts[i];
    if (t->count == WF_TAKEOVER_MAJORS)
        return NULL;
    t->parts[t->count] = (struct wf_takeover_part){ .id = *id };
    return &t->parts[t->count++];
}

static enum weft_err take_places(struct wf_takeover *t, const Weft__V1__HandoverReply *r)
{
    int64_t now = wf_node_now_unix_ms(node_of(t));

    if (r->n_products == 0)
        return WEFT_E_NOT_FOUND;
    for (size_t i = 0; i < r->n_products; i++) {
        const Weft__V1__HandoverProduct *m = r->products[i];
        struct wf_hash id;
        struct wf_takeover_part *to =
            wf_hash_from(wf_pb_view(m->product_id), &id) ? NULL : part_of(t, &id);
        if (!to || !m->log_id || wf_hash_from(wf_pb_view(m->head_hash), &to->head_hash))
            return WEFT_E_PROTOCOL;
        to->head = m->head;
        to->log_id = (struct wf_incarnation){ m->log_id->counter, m->log_id->random };
        if (!wf_incarnation_is_none(&to->log_id) && !wf_incarnation_is_plausible(&to->log_id, now))
            return WEFT_E_FUTURE; // this node's next logs would be as far ahead
    }
    return WEFT_OK;
}

static void on_places(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = wf_takeover_answered(arg);

    if (!t)
        return;
    if (!err)
        err = take_places(t, reply->handover);
    if (err) {
        wf_takeover_fail(t, err,
            t->step == WF_TAKE_FREEZE ? "the old home does not hand over" : "the old home",
            wf_takeover_text(reply));
        return;
    }
    t->frozen = t->step == WF_TAKE_FREEZE;
    t->step = WF_TAKE_DETAIL; // again when frozen: the manifest may have changed meanwhile
    t->at = 0;
    wf_takeover_go_on(t);
}

// ---- manifest and schema ---------------------------------------------------------------------------------------------

// A log of its own for each order: what an earlier one left here, or what this node had when it was home once, is never mixed with it.
static enum weft_err name_log(struct wf_takeover *t, struct wf_home_product *p)
{
    uint8_t in[2 * WF_HASH_LEN];
    struct wf_hash key;

    memcpy(in, p->collect->product.id.b, WF_HASH_LEN);
    memcpy(in + WF_HASH_LEN, t->m->order.id.b, WF_HASH_LEN);
    wf_blake2b(WF_BYTES(in), &key);
    if (wf_hash_eq(&p->log_key, &key))
        return WEFT_OK;
    wf_marks_forget(p);
    wf_ends_forget(p); // of another log
    p->head = p->tail = 0;
    p->tail_hash = (struct wf_hash){ 0 };
    p->log_id = p->begins = (struct wf_incarnation){ 0 };
    p->damaged = false;
    enum weft_err err = wf_home_checkpoint(p);
    return err ? err : wf_moved_set_log(p, &key);
}

static enum weft_err take_detail(
    struct wf_takeover *t, const Weft__V1__HandoverProduct *m, struct wf_diag *diag)
{
    struct wf_takeover_part *at = &t->parts[t->at];
    struct wf_node *n = node_of(t);
    struct wf_collect *c = NULL;
    struct wf_hash manifest;
    enum weft_err err = wf_collect_open(wf_pb_view(m->manifest), &c);

    wf_blake2b(wf_pb_view(m->manifest), &manifest);
    if (!err && (!wf_hash_eq(&c->product.id, &at->id) || c->removed ||
                    strcmp(c->product.name, t->m->order.product.s) != 0))
        err = WEFT_E_MANIFEST;
    if (!err && (!at->p || !wf_hash_eq(&at->manifest, &manifest)))
        err = wf_apply_incoming(n, c, wf_pb_view(m->schema), diag, &at->p);
    if (!err)
        err = name_log(t, at->p);
    if (!err)
        wf_takeover_earlier(t, c);
    at->manifest = manifest;
    wf_collect_free(c);
    return err;
}

static void on_detail(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = wf_takeover_answered(arg);
    struct wf_diag diag = { 0 };

    if (!t)
        return;
    if (!err && reply->handover->n_products != 1)
        err = WEFT_E_PROTOCOL;
    if (!err)
        err = take_detail(t, reply->handover->products[0], &diag);
    if (err)
        wf_takeover_fail(
            t, err, "its manifest", diag.text[0] ? diag.text : wf_takeover_text(reply));
    else
        wf_takeover_next(t, WF_TAKE_COPY);
}

// ---- marks and claim -------------------------------------------------------------------------------------------------

static enum weft_err take_marks(struct wf_takeover *t, struct wf_bytes marks)
{
    struct wf_takeover_part *at = &t->parts[t->at];
    struct wf_home_product *p = at->p;
    struct wf_diag diag = { 0 };
    uint64_t head = 0;

    if (!wf_home_has_stream(p))
        return WEFT_OK;
    enum weft_err err = wf_checkpoint_take(p, marks, &head);
    if (!err &&
        (head != at->head || !wf_takeover_has_all(at) || p->last_epoch > UINT64_MAX - EPOCHS_APART))
        err = WEFT_E_PROTOCOL;
    if (err) { // back to what the log here says
        enum weft_err again = wf_home_recover(p, &diag);
        return again ? again : err;
    }
    wf_marks_roll_back(p);
    p->last_epoch += EPOCHS_APART;
    return wf_home_checkpoint(p);
}

static void on_marks(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = wf_takeover_answered(arg);

    if (!t)
        return;
    if (!err && reply->handover->n_products != 1)
        err = WEFT_E_PROTOCOL;
    if (!err)
        err = take_marks(t, wf_pb_view(reply->handover->products[0]->marks));
    if (err)
        wf_takeover_fail(t, err, "the old home's marks", wf_takeover_text(reply));
    else
        wf_takeover_next(t, WF_TAKE_CLAIM);
}

static void on_claim(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = wf_takeover_answered(arg);

    if (!t)
        return;
    if (!err)
        err = wf_gossip_advertise(node_of(t), WF_ENTRY_HOME, wf_pb_view(reply->home->home));
    if (err && err != WEFT_E_STALE)
        wf_takeover_fail(t, err, "the issuer's node", wf_takeover_text(reply));
    else
        wf_takeover_go_on(t); // the registry has it, and names us
}

struct claim {                        // lives until it is answered
    struct wf_takeover_asking asking; // first
    Weft__V1__Request request;
    Weft__V1__HomeRequest home;
    struct wf_name product;
};

static void claim(struct wf_takeover *t)
{
    struct wf_node *n = node_of(t);
    struct claim *c = NULL;
    uint64_t term = 0;

    if (wf_signer_here(n)) {
        enum weft_err err =
            wf_join_sign_moved(n, t->m->order.product.s, n->identity.cert.subject.s, &term);
        if (err)
            wf_takeover_fail(t, err, "the home document", NULL);
        else
            wf_takeover_go_on(t);
        return;
    }
    c = calloc(1, sizeof *c);
    if (!c) {
        wf_takeover_fail(t, WEFT_E_NOMEM, "the issuer's node", NULL);
        return;
    }
    c->asking.t = t;
    c->product = t->m->order.product;
    weft__v1__home_request__init(&c->home);
    c->home.product = c->product.s;
    c->home.moved = true;
    weft__v1__request__init(&c->request);
    c->request.kind_case = WEFT__V1__REQUEST__KIND_HOME;
    c->request.home = &c->home;
    t->asking = &c->asking;
    if (wf_gossip_ask_issuer(n, &c->request, on_claim, c)) {
        free(c);
        t->asking = NULL;
        wf_takeover_fail(t, WEFT_E_NOMEM, "the issuer's node", NULL);
    }
}

// ---- from step to step -----------------------------------------------------------------------------------------------

static void step(struct wf_takeover *t)
{
    const struct wf_hash *one = t->count ? &t->parts[t->at].id : NULL;

    switch (t->step) {
    case WF_TAKE_LIST:
        wf_takeover_ask_home(
            t, WEFT__V1__HANDOVER_REQUEST__STEP__STEP_BEGIN, NULL, NULL, on_places);
        break;
    case WF_TAKE_DETAIL:
        wf_takeover_ask_home(t, WEFT__V1__HANDOVER_REQUEST__STEP__STEP_BEGIN, one, NULL, on_detail);
        break;
    case WF_TAKE_COPY:
        wf_takeover_copy(t);
        break;
    case WF_TAKE_FREEZE:
        wf_takeover_ask_home(
            t, WEFT__V1__HANDOVER_REQUEST__STEP__STEP_FREEZE, NULL, NULL, on_places);
        break;
    case WF_TAKE_MARKS:
        wf_takeover_ask_home(t, WEFT__V1__HANDOVER_REQUEST__STEP__STEP_FREEZE, one, NULL, on_marks);
        break;
    case WF_TAKE_MIRRORS:
        wf_takeover_mirrors(t);
        break;
    case WF_TAKE_CLAIM:
        claim(t);
        break;
    }
}

void wf_takeover_tick(struct wf_moving *m)
{
    struct wf_takeover *t = m->taking;
    struct wf_node *n = node_of(t);

    if (t->asking || t->check || !n->gossip || !n->has_certificate)
        return;
    if (wf_node_now_ms(n) >= t->due_ms)
        step(t);
    else
        wf_moves_soon(m->room, t->due_ms - wf_node_now_ms(n));
}

enum weft_err wf_takeover_state(
    const struct wf_takeover *t, struct wf_arena *arena, Weft__V1__MoveReply *ret)
{
    static const Weft__V1__MoveReply__State states[] = { WEFT__V1__MOVE_REPLY__STATE__STATE_WAITING,
        WEFT__V1__MOVE_REPLY__STATE__STATE_COPYING, WEFT__V1__MOVE_REPLY__STATE__STATE_COPYING,
        WEFT__V1__MOVE_REPLY__STATE__STATE_HANDING_OVER,
        WEFT__V1__MOVE_REPLY__STATE__STATE_HANDING_OVER,
        WEFT__V1__MOVE_REPLY__STATE__STATE_CLAIMING, WEFT__V1__MOVE_REPLY__STATE__STATE_CLAIMING };
    const char *why = NULL;

    ret->state = t->frozen && t->step < WF_TAKE_MARKS
                     ? WEFT__V1__MOVE_REPLY__STATE__STATE_HANDING_OVER
                     : states[t->step];
    for (size_t i = 0; i < t->count; i++) {
        const struct wf_takeover_part *at = &t->parts[i];
        ret->total += at->head;
        ret->copied += at->p ? at->p->head : 0;
    }
    ret->code = (uint32_t)t->err;
    enum weft_err err = wf_arena_str(arena, wf_bytes_str(t->why), &why);
    ret->why = wf_pb_str(err ? "" : why);
    return err;
}

// SPDX-License-Identifier: Apache-2.0
// From the spool to the node: one request in flight a chain, a few in all, products in turn and by equal bytes; the chains of one product in the order of their
// incarnations, since the node takes nothing of an older one once it knows a newer. What the node keeps is released here. Batches are sent
// as they lie in the spool, bit for bit.
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/uplink.h"

#define RETRY_MS        1000
#define PUT_OFF_MAX     2u // times that the pause doubles while a node has no room
#define RETRY_LATER_MS  30000
#define MARKS_AT_ONCE   256u
#define BATCHES_AT_ONCE 256u

struct push_out {
    struct wf_node *node;
    struct wf_hash product_id;
    struct wf_incarnation incarnation;
};

static struct wf_spool_chain *find_chain(
    struct wf_node *n, const struct wf_hash *id, const struct wf_incarnation *inc)
{
    struct wf_spool_chain *c = n->uplink->chains;

    while (c && !(wf_hash_eq(&c->product_id, id) && wf_incarnation_eq(&c->incarnation, inc)))
        c = c->next;
    return c;
}

static struct wf_agent_product *product_of(struct wf_node *n, const struct wf_hash *id)
{
    struct wf_agent_product *p = n->uplink->products;

    while (p && !wf_hash_eq(&p->collect->product.id, id))
        p = p->next;
    return p;
}

static bool is_current(const struct wf_agent_product *p, const struct wf_spool_chain *c)
{
    return p && wf_incarnation_eq(&p->incarnation, &c->incarnation);
}

// ---- what the node says ----------------------------------------------------------------------------------------------

static void release(struct wf_node *n, struct wf_spool_chain *c, uint64_t up_to)
{
    struct wf_uplink_room *u = n->uplink;

    if (up_to > c->head)
        up_to = c->head;
    if (up_to <= c->released)
        return;
    // A publisher's mark outlives its batch.
    if (u->publishers_dirty && wf_spool_save_publishers(n))
        return;
    enum weft_err err = wf_log_release(n->log, &c->key, up_to);
    if (err)
        wf_say(n, WF_LOG_WARN, "spool", "what was delivered could not be released", "why",
            weft_err_text(err), NULL);
    c->bytes -= (uint64_t)((double)c->bytes * (double)(up_to - c->released) /
                           (double)(c->head - c->released));
    c->released = up_to;
    c->waits_since_ms = c->released < c->head ? wf_node_now_unix_ms(n) : 0;
    c->not_before_ms = 0;
    c->put_off = 0;
    u->full = WEFT_OK; // the next append tells
    if (c->released == c->head && !is_current(product_of(n, &c->product_id), c) && !c->in_flight)
        wf_spool_chain_drop(n, c);
}

// The node will never take this chain's next batch. What is left of it is lost, and said so in a new chain.
static void give_up(struct wf_node *n, struct wf_spool_chain *c, enum weft_err err)
{
    struct wf_agent_product *p = product_of(n, &c->product_id);
    uint64_t left = c->head - c->released;
    char why[WF_MAX_LOSS_REASON + 1], text[200];

    snprintf(why, sizeof why, "chain refused: %s", weft_err_name(err));
    snprintf(text, sizeof text, "%llu records of %s were refused by the node for good: %s",
        (unsigned long long)left, p ? p->collect->product.name : "a removed product",
        weft_err_text(err));
    wf_say(n, WF_LOG_ERROR, "uplink", text, NULL);
    wf_alarm(n, "refused", text);
    // An old chain that was superseded may have been delivered before a crash: then nothing is lost.
    if (p && err != WEFT_E_STALE)
        wf_spool_lose(p, left, why);
    if (is_current(p, c)) {
        if (wf_spool_begin_chain(p)) {
            c->not_before_ms = wf_node_now_ms(n) + RETRY_LATER_MS;
            return;
        }
    }
    release(n, c, c->head);
}

// ---- age -------------------------------------------------------------------------------------------------------------

// What waits is in chains of at most an eighth of spool.age, because a chain can only be given up from its end: what follows a hole
// would be refused.
static void split_chain(struct wf_node *n, struct wf_agent_product *p)
{
    const struct wf_spool_chain *c = find_chain(n, &p->collect->product.id, &p->incarnation);
    int64_t since = c ? c->waits_since_ms : 0;

    if (!since || p->pending || p->failing ||
        wf_node_now_unix_ms(n) - since < (int64_t)n->conf->spool.age_ms / 8)
        return;
    if (wf_spool_begin_chain(p))
        wf_say(n, WF_LOG_WARN, "spool", "a new chain could not be begun", NULL);
}

static void expire_chain(struct wf_node *n, struct wf_spool_chain *c)
{
    struct wf_agent_product *p = product_of(n, &c->product_id);
    struct wf_log_range range = { 0 };
    uint64_t left = c->head - c->released;
    char text[200];

    if (left == 0 || c->in_flight || is_current(p, c) ||
        wf_log_range(n->log, &c->key, &range) != WEFT_OK ||
        range.last_ms > wf_node_now_unix_ms(n) - (int64_t)n->conf->spool.age_ms)
        return;
    snprintf(text, sizeof text, "%llu records of %s waited longer than spool.age and are lost",
        (unsigned long long)left, p ? p->collect->product.name : "a removed product");
    wf_say(n, WF_LOG_ERROR, "spool", text, NULL);
    if (p)
        wf_spool_lose(p, left, "older than spool.age");
    else
        n->uplink->lost_records += left;
    release(n, c, c->head);
}

void wf_pushing_age(struct wf_node *n)
{
    struct wf_spool_chain *c = n->uplink->chains;

    for (struct wf_agent_product *p = n->uplink->products; p; p = p->next)
        split_chain(n, p);
    while (c) {
        struct wf_spool_chain *next = c->next; // release may free this one, and no other
        expire_chain(n, c);
        c = next;
    }
}

// ---- refusals --------------------------------------------------------------------------------------------------------

static bool is_final(enum weft_err err)
{
    switch (err) {
    case WEFT_E_ORDER:
    case WEFT_E_STALE:
    case WEFT_E_EQUIVOCATION:
    case WEFT_E_RECORD:
    case WEFT_E_TYPE:
    case WEFT_E_SYNTAX:
    case WEFT_E_TRUNCATED:
    case WEFT_E_SIGNATURE:
    case WEFT_E_HASH:
    case WEFT_E_TOO_BIG:
    case WEFT_E_RANGE:
    case WEFT_E_CHAIN:
    case WEFT_E_UNKNOWN_KEY:
    case WEFT_E_NOT_CANONICAL:
        return true;
    default:
        return false;
    }
}

static bool passes_soon(enum weft_err err)
{
    return err == WEFT_E_BUSY || err == WEFT_E_FULL || err == WEFT_E_NOMEM ||
           err == WEFT_E_TIMEOUT || err == WEFT_E_CLOSED || err == WEFT_E_UNREACHABLE;
}

// A node that has no room is asked less and less, by each agent at another moment: a thousand of them must not take with their asking what is
// left of it.
static void put_off(struct wf_node *n, struct wf_spool_chain *c, enum weft_err err)
{
    int64_t pause = RETRY_LATER_MS;
    uint16_t spread = 0;

    if (passes_soon(err)) {
        wf_random(&spread, sizeof spread);
        pause = (int64_t)RETRY_MS << c->put_off;
        pause -= pause * spread / (2 * UINT16_MAX);
        c->put_off += c->put_off < PUT_OFF_MAX;
    }
    c->not_before_ms = wf_node_now_ms(n) + pause;
}

static void refused(
    struct wf_node *n, struct wf_spool_chain *c, enum weft_err err, const char *text)
{
    if (is_final(err)) {
        give_up(n, c, err);
        return;
    }
    put_off(n, c, err);
    if (err == WEFT_E_NOT_FOUND || err == WEFT_E_NOT_HOME)
        n->uplink->stranded = true;
    if (!passes_soon(err))
        wf_say(n, WF_LOG_WARN, "uplink", "the node does not take a product's batches now", "why",
            text, NULL);
}

static void take_mark(struct wf_node *n, const Weft__V1__PushMark *m)
{
    struct wf_hash id;
    struct wf_incarnation inc = { 0 };
    struct wf_spool_chain *c = NULL;

    if (wf_hash_from(wf_pb_view(m->product_id), &id) || !m->incarnation)
        return;
    inc.counter = m->incarnation->counter;
    inc.random = m->incarnation->random;
    c = find_chain(n, &id, &inc);
    if (!c)
        return;
    release(n, c, m->release);
    c = find_chain(n, &id, &inc); // it may be gone
    if (c && m->refusal)
        refused(n, c, (enum weft_err)m->refusal->code, m->refusal->text);
}

// ---- pushes ----------------------------------------------------------------------------------------------------------

static void on_pushed(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct push_out *o = arg;
    struct wf_node *n = o->node;
    struct wf_uplink_room *u = n->uplink;
    struct wf_spool_chain *c =
        u && !u->closed ? find_chain(n, &o->product_id, &o->incarnation) : NULL;

    free(o);
    if (!u || u->closed)
        return;
    u->pushes--;
    if (c)
        c->in_flight = false;
    if (!err && reply->kind_case != WEFT__V1__REPLY__KIND_PUSH)
        err = WEFT_E_PROTOCOL;
    if (err) {
        if (c)
            put_off(n, c, err);
        return; // the poll finds out whether the node is there at all
    }
    for (size_t i = 0; i < reply->push->n_marks; i++)
        take_mark(n, reply->push->marks[i]);
    wf_pushing(n);
}

struct reading {
    struct wf_buf bytes;
    size_t lens[BATCHES_AT_ONCE];
    size_t count;
    enum weft_err err;
    bool gap;
};

static bool read_one(void *arg, const struct wf_log_view *v)
{
    struct reading *r = arg;

    if (v->status) {
        r->gap = r->count == 0;
        return false;
    }
    if (r->count == BATCHES_AT_ONCE)
        return false;
    r->err = wf_buf_append(&r->bytes, v->body);
    if (!r->err)
        r->lens[r->count++] = v->body.len;
    return !r->err;
}

static enum weft_err send_batches(
    struct wf_node *n, struct wf_spool_chain *c, const struct reading *r)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PushRequest p = WEFT__V1__PUSH_REQUEST__INIT;
    Weft__V1__PushItem item = WEFT__V1__PUSH_ITEM__INIT, *items = &item;
    Weft__V1__Incarnation inc = WEFT__V1__INCARNATION__INIT;
    ProtobufCBinaryData batches[BATCHES_AT_ONCE];
    struct push_out *o = malloc(sizeof *o);
    size_t at = 0;

    if (!o)
        return WEFT_E_NOMEM;
    *o = (struct push_out){ n, c->product_id, c->incarnation };
    for (size_t i = 0; i < r->count; at += r->lens[i], i++)
        batches[i] = wf_pb_bin(wf_bytes(r->bytes.ptr + at, r->lens[i]));
    inc.counter = c->incarnation.counter;
    inc.random = c->incarnation.random;
    item.product_id = wf_pb_bin(wf_hash_view(&c->product_id));
    item.incarnation = &inc;
    item.batches = batches;
    item.n_batches = r->count;
    p.items = &items;
    p.n_items = 1;
    q.kind_case = WEFT__V1__REQUEST__KIND_PUSH;
    q.push = &p;
    c->in_flight = true;
    n->uplink->pushes++;
    enum weft_err err = wf_link_request(n->uplink->link, &q, 0, on_pushed, o);
    if (err) {
        c->in_flight = false;
        n->uplink->pushes--;
        free(o);
    }
    return err;
}

static void push_chain(struct wf_node *n, struct wf_spool_chain *c)
{
    struct wf_buf scratch = { 0 };
    struct reading r = { 0 };
    struct wf_log_reader reader = { .product = c->key,
        .from = c->released,
        .max_bytes = WF_UPLINK_PUSH_BYTES,
        .visit = read_one,
        .arg = &r,
        .scratch = &scratch };
    uint64_t next = 0;
    enum weft_err err = wf_log_read(n->log, &reader, &next);

    if (!err)
        err = r.err;
    wf_buf_fini(&scratch);
    n->uplink->pushed_last = c->product_id;
    if (r.gap || err == WEFT_E_NOT_FOUND || err == WEFT_E_RANGE)
        give_up(n, c, WEFT_E_DAMAGED);
    else if (err || r.count == 0)
        c->not_before_ms = wf_node_now_ms(n) + RETRY_MS;
    else if (send_batches(n, c, &r))
        c->not_before_ms = wf_node_now_ms(n) + RETRY_MS;
    else
        c->spent += r.bytes.len;
    wf_buf_fini(&r.bytes);
}

// Of the products that have something to give, the next in turn that has not had its part of this round yet. What goes is the oldest chain.
static struct wf_spool_chain *next_in_turn(struct wf_node *n, bool *ret_any)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_spool_chain *first = NULL, *after = NULL;
    const struct wf_hash *seen = NULL;
    int64_t now = wf_node_now_ms(n);

    *ret_any = false;
    for (struct wf_spool_chain *c = u->chains; c; c = c->next) {
        if (c->head <= c->released)
            continue;
        if (seen && wf_hash_eq(seen, &c->product_id))
            continue; // an older chain of the product comes first, even if it must wait
        seen = &c->product_id;
        if (c->in_flight || now < c->not_before_ms)
            continue;
        *ret_any = true;
        if (c->spent >= WF_UPLINK_PUSH_BYTES)
            continue;
        if (!first)
            first = c;
        if (!after && wf_hash_cmp(&c->product_id, &u->pushed_last) > 0)
            after = c;
    }
    return after ? after : first;
}

// Deficit round robin (Shreedhar, Varghese 1995), by bytes: requests differ in length by a hundred times, so taking turns alone would give
// the line to the products with the longest batches. Nobody who is ready waits for a part that another one does not take.
static struct wf_spool_chain *choose(struct wf_node *n)
{
    bool any = false;
    struct wf_spool_chain *c = next_in_turn(n, &any);

    while (!c && any) {
        for (struct wf_spool_chain *each = n->uplink->chains; each; each = each->next)
            each->spent -= each->spent < WF_UPLINK_PUSH_BYTES ? each->spent : WF_UPLINK_PUSH_BYTES;
        c = next_in_turn(n, &any);
    }
    return c;
}

// ---- marks -----------------------------------------------------------------------------------------------------------

static void on_marks(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_node *n = arg;
    struct wf_uplink_room *u = n->uplink;

    if (u->closed)
        return;
    u->marks_asked = false;
    if (err || reply->kind_case != WEFT__V1__REPLY__KIND_PUSH)
        return; // asked again at the next wake
    u->marks_known = true;
    for (size_t i = 0; i < reply->push->n_marks; i++) {
        reply->push->marks[i]->refusal = NULL; // nothing was pushed: not the time to judge
        take_mark(n, reply->push->marks[i]);
    }
    wf_pushing(n);
}

static void ask_marks(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PushRequest p = WEFT__V1__PUSH_REQUEST__INIT;
    Weft__V1__PushItem items[MARKS_AT_ONCE], *all[MARKS_AT_ONCE];
    Weft__V1__Incarnation incs[MARKS_AT_ONCE];

    for (struct wf_spool_chain *c = u->chains; c && p.n_items < MARKS_AT_ONCE; c = c->next) {
        size_t i = p.n_items++;
        weft__v1__push_item__init(&items[i]);
        weft__v1__incarnation__init(&incs[i]);
        incs[i].counter = c->incarnation.counter;
        incs[i].random = c->incarnation.random;
        items[i].product_id = wf_pb_bin(wf_hash_view(&c->product_id));
        items[i].incarnation = &incs[i];
        all[i] = &items[i];
    }
    p.items = all;
    q.kind_case = WEFT__V1__REQUEST__KIND_PUSH;
    q.push = &p;
    u->marks_asked = true;
    if (wf_link_request(u->link, &q, 0, on_marks, n))
        u->marks_asked = false;
}

void wf_pushing(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    if (!u->link || u->closed || u->marks_asked || !n->has_certificate)
        return;
    if (!u->marks_known) {
        if (u->chains)
            ask_marks(n);
        return;
    }
    while (u->link && u->pushes < WF_UPLINK_PUSHES) {
        struct wf_spool_chain *c = choose(n);
        if (!c)
            return;
        push_chain(n, c);
    }
}

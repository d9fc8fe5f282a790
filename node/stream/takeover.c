// SPDX-License-Identifier: Apache-2.0
// The new home's side of a move, a step at a time: which majors there are, manifest and schema of each, entries until little is left, then the old
// home takes nothing more, the rest, the marks, and the issuer is asked for the home document. Every step may be repeated, every failure is
// tried again for ever; a start goes on with what the log has. Loop thread only, but for the check of what came.
#include <stdio.h>
#include <stdlib.h>

#include "node/gossip/room.h"
#include "node/join/room.h"
#include "node/signer/signer.h"
#include "node/stream/priv.h"
#include "sdk/link.h"

#define MAJORS_MAX   16u
#define SEEN         1024u
#define RETRY_MS     100 // doubling to:
#define RETRY_MAX_MS 3000
#define LITTLE       (64u * WF_KIB) // what comes while the old home is asked to stop
#define EPOCHS_APART 1024u // the old home may begin epochs for its readers until it hears of this

enum step { LIST, DETAIL, COPY, FREEZE, MARKS, CLAIM };

struct part { // a major
    struct wf_hash id;
    struct wf_home_product *p; // once its manifest is here
    struct wf_hash manifest;   // that p has, as the old home signed it
    uint64_t head;             // at the old home
    struct wf_hash head_hash;
    struct wf_incarnation log_id;
};

struct asking { // outlives what asked
    struct wf_takeover *t;
};

struct wf_takeover {
    struct wf_moving *m;
    enum step step;
    bool frozen; // the old home is
    struct part parts[MAJORS_MAX];
    size_t count, at;
    struct asking *asking;
    struct wf_copy_check *check; // at work, or waiting for its documents
    bool working;                // a worker has the check
    bool little;                 // of the last reply
    int64_t due_ms, retry_ms;
    enum weft_err err;
    char why[200];
    struct wf_hash seen[SEEN]; // documents that are here, or nowhere
};

static void step(struct wf_takeover *t);

// ---- life ------------------------------------------------------------------------------------------------------------

struct wf_takeover *wf_takeover_new(struct wf_moving *m)
{
    struct wf_takeover *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->m = m;
    t->step = m->order.lost ? CLAIM : LIST;
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
    free(t);
}

static struct wf_node *node_of(const struct wf_takeover *t)
{
    return t->m->room->node;
}

static void go_on(struct wf_takeover *t)
{
    t->retry_ms = t->due_ms = 0;
    t->err = WEFT_OK;
    t->why[0] = '\0';
    wf_moves_soon(t->m->room, 0);
}

static void fail(struct wf_takeover *t, enum weft_err err, const char *what, const char *text)
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
        wf_say(node_of(t), WF_LOG_WARN, "stream", "a move waits", "product",
            t->m->order.product.s, "why", t->why, NULL);
}

static const char *text_of(const Weft__V1__Reply *reply)
{
    return reply && reply->refusal ? reply->refusal->text : NULL;
}

static void next_part(struct wf_takeover *t, enum step then)
{
    if (++t->at >= t->count) {
        t->at = 0;
        t->step = then;
    }
    go_on(t);
}

// ---- asking ----------------------------------------------------------------------------------------------------------

static struct wf_takeover *answered(void *arg)
{
    struct asking *a = arg;
    struct wf_takeover *t = a->t;

    free(a);
    if (t)
        t->asking = NULL;
    return t;
}

static void ask(struct wf_takeover *t, const Weft__V1__Request *q, wf_link_fn done)
{
    struct asking *a = calloc(1, sizeof *a);
    struct wf_link *link = NULL;
    enum weft_err err = a ? wf_gossip_link(node_of(t), t->m->order.domain.s, t->m->order.from.s,
                                &link)
                          : WEFT_E_NOMEM;

    if (a)
        a->t = t;
    t->asking = a;
    if (!err)
        err = wf_link_request(link, q, 0, done, a);
    if (!err)
        return;
    free(a);
    t->asking = NULL;
    fail(t, err, "the old home can't be asked", NULL);
}

static void ask_home(struct wf_takeover *t, Weft__V1__HandoverRequest__Step what,
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
    ask(t, &q, done);
}

// ---- which majors ----------------------------------------------------------------------------------------------------

static struct part *part_of(struct wf_takeover *t, const struct wf_hash *id)
{
    for (size_t i = 0; i < t->count; i++)
        if (wf_hash_eq(&t->parts[i].id, id))
            return &t->parts[i];
    if (t->count == MAJORS_MAX)
        return NULL;
    t->parts[t->count] = (struct part){ .id = *id };
    return &t->parts[t->count++];
}

static enum weft_err take_places(struct wf_takeover *t, const Weft__V1__HandoverReply *r)
{
    if (r->n_products == 0)
        return WEFT_E_NOT_FOUND;
    for (size_t i = 0; i < r->n_products; i++) {
        const Weft__V1__HandoverProduct *m = r->products[i];
        struct wf_hash id;
        struct part *to =
            wf_hash_from(wf_pb_view(m->product_id), &id) ? NULL : part_of(t, &id);
        if (!to || !m->log_id || wf_hash_from(wf_pb_view(m->head_hash), &to->head_hash))
            return WEFT_E_PROTOCOL;
        to->head = m->head;
        to->log_id = (struct wf_incarnation){ m->log_id->counter, m->log_id->random };
    }
    return WEFT_OK;
}

static void on_places(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = answered(arg);

    if (!t)
        return;
    if (!err)
        err = take_places(t, reply->handover);
    if (err) {
        fail(t, err, t->step == FREEZE ? "the old home does not hand over" : "the old home",
            text_of(reply));
        return;
    }
    t->frozen = t->step == FREEZE;
    t->step = DETAIL; // again when frozen: the manifest may have changed meanwhile
    t->at = 0;
    go_on(t);
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
    p->head = p->tail = 0;
    p->tail_hash = (struct wf_hash){ 0 };
    p->log_id = p->begins = (struct wf_incarnation){ 0 };
    p->damaged = false;
    enum weft_err err = wf_home_checkpoint(p);
    return err ? err : wf_moved_set_log(p, &key);
}

static enum weft_err take_earlier(struct wf_takeover *t, const struct wf_collect *c);

static enum weft_err take_detail(
    struct wf_takeover *t, const Weft__V1__HandoverProduct *m, struct wf_diag *diag)
{
    struct part *at = &t->parts[t->at];
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
        err = take_earlier(t, c);
    at->manifest = manifest;
    wf_collect_free(c);
    return err;
}

static void on_detail(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = answered(arg);
    struct wf_diag diag = { 0 };

    if (!t)
        return;
    if (!err && reply->handover->n_products != 1)
        err = WEFT_E_PROTOCOL;
    if (!err)
        err = take_detail(t, reply->handover->products[0], &diag);
    if (err)
        fail(t, err, "its manifest", diag.text[0] ? diag.text : text_of(reply));
    else
        next_part(t, COPY);
}

// ---- documents that entries cite -------------------------------------------------------------------------------------

static bool is_seen(struct wf_takeover *t, const struct wf_hash *hash)
{
    struct wf_arena arena;
    struct wf_bytes content;
    struct wf_hash *slot = &t->seen[wf_load_be32(hash->b) % SEEN];

    if (wf_hash_eq(slot, hash))
        return true;
    wf_arena_init(&arena, 2 * WF_MAX_ENVELOPE);
    bool here = wf_documents_get(node_of(t), hash, &arena, &content) == WEFT_OK;
    wf_arena_fini(&arena);
    if (here)
        *slot = *hash;
    return here;
}

static size_t add_missing(
    struct wf_takeover *t, struct wf_hash *out, size_t count, const struct wf_hash *hash)
{
    for (size_t i = 0; i < count; i++)
        if (wf_hash_eq(&out[i], hash))
            return count;
    if (count < WF_MAX_GET && !is_seen(t, hash))
        out[count++] = *hash;
    return count;
}

static void take_document(struct wf_takeover *t, struct wf_bytes content)
{
    struct wf_bytes certs[WF_MAX_CHAIN];
    struct wf_hash plain;
    struct wf_cert cert;
    size_t count = 0;
    bool is_chain = wf_chain_split(content, certs, &count) == WEFT_OK &&
                    wf_cert_open(certs[0], &cert) == WEFT_OK;

    wf_blake2b(content, &plain);
    if (wf_documents_put(node_of(t), content, is_chain ? &cert.id : &plain))
        return; // said there; readers who need it are told
}

static void get(struct wf_takeover *t, const struct wf_hash *hashes, size_t count, wf_link_fn done)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__GetRequest g = WEFT__V1__GET_REQUEST__INIT;
    ProtobufCBinaryData list[WF_MAX_GET];

    for (size_t i = 0; i < count; i++)
        list[i] = wf_pb_bin(wf_hash_view(&hashes[i]));
    g.hashes = list;
    g.n_hashes = count;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &g;
    ask(t, &q, done);
}

// ---- entries ---------------------------------------------------------------------------------------------------------

static void end_check(struct wf_takeover *t)
{
    wf_copy_check_free(t->check);
    t->check = NULL;
}

static void store(struct wf_takeover *t)
{
    struct wf_copy_check *k = t->check;
    struct wf_home_product *p = t->parts[t->at].p;
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < k->count && !err; i++) {
        struct wf_copied *c = &k->entries[i];
        err = wf_append_copied(
            p, &c->entry, c->entry.is_reset ? NULL : &c->header, k->inventory ? &c->raw : NULL);
    }
    end_check(t);
    if (err && !p->pending)
        fail(t, err, "entries can't be written here", NULL);
    else
        go_on(t); // once the log has them; what was not appended is asked for again
}

static size_t missing_of(struct wf_takeover *t, struct wf_hash *out)
{
    size_t count = 0;

    for (size_t i = 0; i < t->check->count; i++) {
        const struct wf_copied *c = &t->check->entries[i];
        if (c->entry.is_reset)
            continue;
        count = add_missing(t, out, count, &c->header.certificate);
        count = add_missing(t, out, count, &c->header.schema_hash);
    }
    return count;
}

static void fetch_or_store(struct wf_takeover *t);

static void on_documents(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = answered(arg);
    struct wf_hash missing[WF_MAX_GET];

    if (!t)
        return;
    if (err) {
        end_check(t);
        fail(t, err, "certificates and schemas", text_of(reply));
        return;
    }
    for (size_t i = 0; i < reply->get->n_documents; i++)
        take_document(t, wf_pb_view(reply->get->documents[i]->content));
    // What the old home does not have nobody could get from it either: not asked for again.
    size_t left = reply->get->n_documents ? 0 : missing_of(t, missing);
    for (size_t i = 0; i < left; i++)
        t->seen[wf_load_be32(missing[i].b) % SEEN] = missing[i];
    fetch_or_store(t);
}

static void fetch_or_store(struct wf_takeover *t)
{
    struct wf_hash missing[WF_MAX_GET];
    size_t count = missing_of(t, missing);

    if (count)
        get(t, missing, count, on_documents);
    else
        store(t);
}

static void check_work(struct wf_job *job)
{
    wf_copy_check_run((struct wf_copy_check *)(void *)job);
}

static void check_done(struct wf_job *job, enum weft_err cancelled)
{
    struct wf_copy_check *k = (struct wf_copy_check *)(void *)job;
    struct wf_takeover *t = k->t;

    if (t)
        t->working = false;
    if (!t || cancelled) {
        if (t)
            t->check = NULL;
        wf_copy_check_free(k);
        return;
    }
    enum weft_err err = k->err;
    if (!err) {
        fetch_or_store(t);
        return;
    }
    end_check(t);
    fail(t, err, "the old home gave what can't be believed", NULL);
}

static enum weft_err check(struct wf_takeover *t, const Weft__V1__RangeReply *r)
{
    struct wf_copy_check *k = NULL;
    size_t bytes = 0;
    enum weft_err err = wf_copy_check_new(t->parts[t->at].p, r, &k);

    if (err)
        return err;
    for (size_t i = 0; i < r->n_entries; i++)
        bytes += r->entries[i].len;
    t->little = bytes < LITTLE;
    k->t = t;
    k->job = (struct wf_job){
        .work = check_work, .done = check_done, .class = WF_MAIL_CONTROL, .bytes = bytes
    };
    err = wf_pool_submit(node_of(t)->pool, &k->job);
    if (err)
        wf_copy_check_free(k);
    else
        t->check = k;
    t->working = !err;
    return err;
}

static bool has_all(const struct part *at)
{
    const struct wf_home_product *p = at->p;

    return p->head == at->head && wf_incarnation_eq(&p->last_log, &at->log_id) &&
           wf_hash_eq(&p->head_hash, &at->head_hash);
}

static void on_entries(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = answered(arg);

    if (!t)
        return;
    if (!err && !reply->handover->range)
        err = WEFT_E_PROTOCOL;
    if (!err && reply->handover->range->n_entries) {
        err = check(t, reply->handover->range);
        if (!err)
            return;
    }
    if (err)
        fail(t, err, "the old home's entries", text_of(reply));
    else if (t->frozen && !has_all(&t->parts[t->at]))
        fail(t, WEFT_E_DAMAGED, "its log ends in damage; go on without it with --lost", NULL);
    else
        next_part(t, t->frozen ? MARKS : FREEZE);
}

static void copy(struct wf_takeover *t)
{
    struct part *at = &t->parts[t->at];
    Weft__V1__RangeRequest range = WEFT__V1__RANGE_REQUEST__INIT;
    Weft__V1__Incarnation log_id = WEFT__V1__INCARNATION__INIT;
    bool nothing = wf_incarnation_is_none(&at->p->last_log);

    if (at->p->pending || at->p->failing)
        return; // the log's acknowledgement goes on
    if (!wf_home_has_stream(at->p) || (t->frozen ? has_all(at) : t->little)) {
        t->little = false;
        next_part(t, t->frozen ? MARKS : FREEZE);
        return;
    }
    range.start = nothing ? WEFT__V1__RANGE_REQUEST__START__START_EARLIEST
                          : WEFT__V1__RANGE_REQUEST__START__START_OFFSET;
    range.from = at->p->head;
    log_id.counter = at->p->last_log.counter;
    log_id.random = at->p->last_log.random;
    range.log_id = nothing ? NULL : &log_id;
    ask_home(
        t, WEFT__V1__HANDOVER_REQUEST__STEP__STEP_ENTRIES, &at->id, &range, on_entries);
}

// ---- schemas of before -----------------------------------------------------------------------------------------------

static void on_earlier(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = answered(arg);

    if (!t)
        return;
    for (size_t i = 0; !err && i < reply->get->n_documents; i++)
        take_document(t, wf_pb_view(reply->get->documents[i]->content));
    go_on(t); // who needs one that did not come asks for it by its hash
}

static enum weft_err take_earlier(struct wf_takeover *t, const struct wf_collect *c)
{
    struct wf_hash missing[WF_MAX_GET];
    size_t count = 0;

    for (size_t i = 0; i < c->product.earlier_count; i++)
        count = add_missing(t, missing, count, &c->product.earlier[i]);
    if (count)
        get(t, missing, count, on_earlier);
    return WEFT_OK;
}

// ---- marks and claim -------------------------------------------------------------------------------------------------

static enum weft_err take_marks(struct wf_takeover *t, struct wf_bytes marks)
{
    struct part *at = &t->parts[t->at];
    struct wf_home_product *p = at->p;
    struct wf_diag diag = { 0 };
    uint64_t head = 0;

    if (!wf_home_has_stream(p))
        return WEFT_OK;
    enum weft_err err = wf_checkpoint_take(p, marks, &head);
    if (!err && (head != at->head || !has_all(at)))
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
    struct wf_takeover *t = answered(arg);

    if (!t)
        return;
    if (!err && reply->handover->n_products != 1)
        err = WEFT_E_PROTOCOL;
    if (!err)
        err = take_marks(t, wf_pb_view(reply->handover->products[0]->marks));
    if (err)
        fail(t, err, "the old home's marks", text_of(reply));
    else
        next_part(t, CLAIM);
}

static void on_claim(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = answered(arg);

    if (!t)
        return;
    if (!err)
        err = wf_gossip_advertise(node_of(t), WF_ENTRY_HOME, wf_pb_view(reply->home->home));
    if (err && err != WEFT_E_STALE)
        fail(t, err, "the issuer's node", text_of(reply));
    else
        go_on(t); // the registry has it, and names us
}

struct claim { // lives until it is answered
    struct asking asking; // first
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
        enum weft_err err = wf_join_sign_moved(
            n, t->m->order.product.s, n->identity.cert.subject.s, &term);
        if (err)
            fail(t, err, "the home document", NULL);
        else
            go_on(t);
        return;
    }
    c = calloc(1, sizeof *c);
    if (!c) {
        fail(t, WEFT_E_NOMEM, "the issuer's node", NULL);
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
        fail(t, WEFT_E_NOMEM, "the issuer's node", NULL);
    }
}

// ---- from step to step -----------------------------------------------------------------------------------------------

static void step(struct wf_takeover *t)
{
    const struct wf_hash *one = t->count ? &t->parts[t->at].id : NULL;

    switch (t->step) {
    case LIST:
        ask_home(t, WEFT__V1__HANDOVER_REQUEST__STEP__STEP_BEGIN, NULL, NULL, on_places);
        break;
    case DETAIL:
        ask_home(t, WEFT__V1__HANDOVER_REQUEST__STEP__STEP_BEGIN, one, NULL, on_detail);
        break;
    case COPY:
        copy(t);
        break;
    case FREEZE:
        ask_home(t, WEFT__V1__HANDOVER_REQUEST__STEP__STEP_FREEZE, NULL, NULL, on_places);
        break;
    case MARKS:
        ask_home(t, WEFT__V1__HANDOVER_REQUEST__STEP__STEP_FREEZE, one, NULL, on_marks);
        break;
    case CLAIM:
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
        WEFT__V1__MOVE_REPLY__STATE__STATE_CLAIMING };
    const char *why = NULL;

    ret->state = t->frozen && t->step < MARKS ? WEFT__V1__MOVE_REPLY__STATE__STATE_HANDING_OVER
                                              : states[t->step];
    for (size_t i = 0; i < t->count; i++) {
        const struct part *at = &t->parts[i];
        ret->total += at->head;
        ret->copied += at->p ? at->p->head : 0;
    }
    ret->code = (uint32_t)t->err;
    enum weft_err err = wf_arena_str(arena, wf_bytes_str(t->why), &why);
    ret->why = wf_pb_str(err ? "" : why);
    return err;
}

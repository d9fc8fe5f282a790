// SPDX-License-Identifier: Apache-2.0
// Entries of a product's old home: asked for from where the log here ends, checked on a worker, with the certificates and schemas that they cite,
// and appended before the next are asked for.
#include "node/documents.h"
#include "node/gossip/room.h"
#include "node/stream/takeover.h"

#define LITTLE (64u * WF_KIB) // what comes while the old home is asked to stop

// ---- documents that entries cite -------------------------------------------------------------------------------------

static bool is_seen(struct wf_takeover *t, const struct wf_hash *hash)
{
    struct wf_arena arena;
    struct wf_bytes content;
    struct wf_hash *slot = &t->seen[wf_load_be32(hash->b) % WF_TAKEOVER_SEEN];

    if (wf_hash_eq(slot, hash))
        return true;
    wf_arena_init(&arena, 2 * WF_MAX_ENVELOPE);
    bool here = wf_documents_get(t->m->room->node, hash, &arena, &content) == WEFT_OK;
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

void wf_takeover_take_document(struct wf_takeover *t, struct wf_bytes content)
{
    struct wf_document d;

    if (wf_documents_take(t->m->room->node, content, &d))
        return; // said there; readers who need it are told
}

struct get {
    Weft__V1__Request request;
    Weft__V1__GetRequest get;
    ProtobufCBinaryData list[WF_MAX_GET];
};

static void fill(struct get *g, const struct wf_hash *hashes, size_t count)
{
    weft__v1__request__init(&g->request);
    weft__v1__get_request__init(&g->get);
    for (size_t i = 0; i < count; i++)
        g->list[i] = wf_pb_bin(wf_hash_view(&hashes[i]));
    g->get.hashes = g->list;
    g->get.n_hashes = count;
    g->request.kind_case = WEFT__V1__REQUEST__KIND_GET;
    g->request.get = &g->get;
}

static void get(struct wf_takeover *t, const struct wf_hash *hashes, size_t count, wf_link_fn done)
{
    struct get g;

    fill(&g, hashes, count);
    wf_takeover_ask(t, &g.request, done);
}

enum weft_err wf_takeover_get_at(struct wf_takeover *t, const struct wf_known *node,
    const struct wf_hash *hashes, size_t count, wf_link_fn done)
{
    struct get g;

    fill(&g, hashes, count);
    return wf_takeover_ask_at(t, node->domain.s, node->name.s, &g.request, done);
}

// ---- entries ---------------------------------------------------------------------------------------------------------

static void end_check(struct wf_takeover *t)
{
    wf_copy_check_free(t->check);
    t->check = NULL;
}

// The log refuses what does not continue in numbers, and so all that is behind an entry that it could not write. A reset has no numbers, and
// what the old home lost leaves a gap: what is behind those is asked for again, once all before it is on the disk.
static bool must_wait(const struct wf_copy_check *k, const struct wf_home_product *p, size_t i)
{
    return i > 0 && (k->entries[i - 1].entry.is_reset || k->entries[i].entry.offset > p->tail);
}

static void store(struct wf_takeover *t)
{
    struct wf_copy_check *k = t->check;
    struct wf_home_product *p = t->parts[t->at].p;
    enum weft_err err = WEFT_OK;
    size_t i = 0;

    for (; i < k->count && !err && !must_wait(k, p, i); i++) {
        struct wf_copied *c = &k->entries[i];
        err = wf_append_copied(
            p, &c->entry, c->entry.is_reset ? NULL : &c->header, k->inventory ? &c->raw : NULL);
    }
    t->little = t->little && i == k->count;
    end_check(t);
    if (err && !p->pending)
        wf_takeover_fail(t, err, "entries can't be written here", NULL);
    else
        wf_takeover_go_on(t); // once the log has them; what was not appended is asked for again
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
    struct wf_takeover *t = wf_takeover_answered(arg);
    struct wf_hash missing[WF_MAX_GET];

    if (!t)
        return;
    if (err) {
        end_check(t);
        wf_takeover_fail(t, err, "certificates and schemas", wf_takeover_text(reply));
        return;
    }
    for (size_t i = 0; i < reply->get->n_documents; i++)
        wf_takeover_take_document(t, wf_pb_view(reply->get->documents[i]->content));
    // What the old home does not have nobody could get from it either: not asked for again.
    size_t left = reply->get->n_documents ? 0 : missing_of(t, missing);
    for (size_t i = 0; i < left; i++)
        t->seen[wf_load_be32(missing[i].b) % WF_TAKEOVER_SEEN] = missing[i];
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
    wf_takeover_fail(t, err, "the old home gave what can't be believed", NULL);
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
    err = wf_pool_submit(t->m->room->node->pool, &k->job);
    if (err)
        wf_copy_check_free(k);
    else
        t->check = k;
    t->working = !err;
    return err;
}

bool wf_takeover_has_all(const struct wf_takeover_part *at)
{
    const struct wf_home_product *p = at->p;

    return p->head == at->head && wf_incarnation_eq(&p->last_log, &at->log_id) &&
           wf_hash_eq(&p->head_hash, &at->head_hash);
}

static void on_entries(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = wf_takeover_answered(arg);

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
        wf_takeover_fail(t, err, "the old home's entries", wf_takeover_text(reply));
    else if (t->frozen && !wf_takeover_has_all(&t->parts[t->at]))
        wf_takeover_fail(
            t, WEFT_E_DAMAGED, "its log ends in damage; go on without it with --lost", NULL);
    else
        wf_takeover_next(t, t->frozen ? WF_TAKE_MARKS : WF_TAKE_FREEZE);
}

void wf_takeover_copy(struct wf_takeover *t)
{
    struct wf_takeover_part *at = &t->parts[t->at];
    Weft__V1__RangeRequest range = WEFT__V1__RANGE_REQUEST__INIT;
    Weft__V1__Incarnation log_id = WEFT__V1__INCARNATION__INIT;
    bool nothing = wf_incarnation_is_none(&at->p->last_log);

    if (at->p->pending || at->p->failing)
        return; // the log's acknowledgement goes on
    if (!wf_home_has_stream(at->p) || (t->frozen ? wf_takeover_has_all(at) : t->little)) {
        t->little = false;
        wf_takeover_next(t, t->frozen ? WF_TAKE_MARKS : WF_TAKE_FREEZE);
        return;
    }
    range.start = nothing ? WEFT__V1__RANGE_REQUEST__START__START_EARLIEST
                          : WEFT__V1__RANGE_REQUEST__START__START_OFFSET;
    range.from = at->p->head;
    log_id.counter = at->p->last_log.counter;
    log_id.random = at->p->last_log.random;
    range.log_id = nothing ? NULL : &log_id;
    wf_takeover_ask_home(
        t, WEFT__V1__HANDOVER_REQUEST__STEP__STEP_ENTRIES, &at->id, &range, on_entries);
}

// ---- schemas of before -----------------------------------------------------------------------------------------------

static void on_earlier(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = wf_takeover_answered(arg);

    if (!t)
        return;
    for (size_t i = 0; !err && i < reply->get->n_documents; i++)
        wf_takeover_take_document(t, wf_pb_view(reply->get->documents[i]->content));
    wf_takeover_go_on(t); // who needs one that did not come asks for it by its hash
}

void wf_takeover_earlier(struct wf_takeover *t, const struct wf_collect *c)
{
    struct wf_hash missing[WF_MAX_GET];
    size_t count = 0;

    for (size_t i = 0; i < c->product.earlier_count; i++)
        count = add_missing(t, missing, count, &c->product.earlier[i]);
    if (count)
        get(t, missing, count, on_earlier);
}

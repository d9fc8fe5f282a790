// SPDX-License-Identifier: Apache-2.0
// Folds follow the log through the stream room's tap and catch up by replay after a start. Queries run on one thread of their own, so that a
// stranger's SELECT never holds up the loop; the call is parked meanwhile.
#include "node/inventory/room.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/agent/room.h"
#include "node/conf.h"
#include "node/inventory/fold.h"
#include "node/stream/room.h"
#include "sdk/disk.h"
#include "sdk/loop/loop.h"

#define QUEUE_MAX   64u
#define COMMIT_MS   200
#define REPLY_BYTES (768u * 1024u)
#define ORIGINS     64u // certificates whose subject is remembered

struct inventory {
    struct wf_hash product_id;
    struct wf_fold *fold;
    char *path;
    bool replaying, failed, dirty;
    struct inventory *next;
};

struct job {
    struct wf_mail mail; // back to the loop
    struct wf_node *node;
    struct wf_call *call; // NULL once the caller is gone
    struct wf_fold_query q;
    struct wf_fold_result result;
    struct wf_diag diag;
    enum weft_err err;
    struct wf_arena arena; // of the query's copies
    struct wf_hash product_id;
    struct job *next;
};

struct origin_name {
    struct wf_hash certificate;
    struct wf_name subject;
};

struct wf_inventory_room {
    struct wf_node *node;
    struct inventory *first;
    struct wf_timer commit;
    struct origin_name origins[ORIGINS];
    size_t origin_next;
    // The query thread.
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stop;
    struct job *queue, **queue_end;
    size_t queued;
    uint64_t queries, refused;
};

// ---- folding ---------------------------------------------------------------------------------------------------------

// The subject of the certificate that a header cites: its chain is kept as a document.
static bool origin_of(struct wf_node *n, const struct wf_hash *certificate, struct wf_name *ret)
{
    struct wf_inventory_room *r = n->inventory;
    struct wf_bytes chain, certs[WF_MAX_CHAIN];
    struct wf_cert c;
    struct wf_arena arena;
    size_t count = 0;

    for (size_t i = 0; i < ORIGINS; i++)
        if (r->origins[i].subject.s[0] && wf_hash_eq(&r->origins[i].certificate, certificate)) {
            *ret = r->origins[i].subject;
            return true;
        }
    wf_arena_init(&arena, 64u * 1024u);
    enum weft_err err = wf_documents_get(n, certificate, &arena, &chain);
    if (!err)
        err = wf_chain_split(chain, certs, &count);
    if (!err)
        err = wf_cert_open(certs[0], &c);
    if (!err && !wf_hash_eq(&c.id, certificate))
        err = WEFT_E_HASH;
    wf_arena_fini(&arena);
    if (err)
        return false;
    r->origins[r->origin_next++ % ORIGINS] = (struct origin_name){ *certificate, c.subject };
    *ret = c.subject;
    return true;
}

static void fail_fold(struct wf_node *n, struct inventory *i, enum weft_err err)
{
    char name[96];

    i->failed = true;
    snprintf(name, sizeof name, "inventory-%.80s", i->path);
    wf_alarm(n, name, weft_err_text(err));
}

static void apply(struct wf_node *n, struct inventory *i, const struct wf_entry *e,
    const struct wf_batch_header *h, struct wf_bytes raw)
{
    struct wf_name origin;

    if (e->is_reset || h->kind != WF_BATCH_DATA || i->failed ||
        !origin_of(n, &h->certificate, &origin))
        return;
    struct wf_fold_entry f = { e->log_id, e->offset, e->append_ms, origin.s, raw, h->base_us };
    enum weft_err err = wf_fold_apply(i->fold, &f);
    if (err) {
        fail_fold(n, i, err);
        return;
    }
    i->dirty = true;
    // Without memory for the timer the next tick commits.
    if (n->inventory->commit.index == 0 &&
        wf_timer_set(n->loop, &n->inventory->commit, wf_node_now_ms(n) + COMMIT_MS))
        return;
}

static struct inventory *find(struct wf_node *n, const struct wf_hash *product_id)
{
    struct inventory *i = n->inventory->first;

    while (i && !wf_hash_eq(&i->product_id, product_id))
        i = i->next;
    return i;
}

static void commit_all(struct wf_node *n)
{
    for (struct inventory *i = n->inventory->first; i; i = i->next) {
        enum weft_err err = i->dirty && !i->failed ? wf_fold_commit(i->fold) : WEFT_OK;
        i->dirty = false;
        if (err)
            fail_fold(n, i, err);
    }
}

static void on_commit(struct wf_timer *t)
{
    struct wf_inventory_room *r =
        (struct wf_inventory_room *)(void *)((char *)t -
                                             offsetof(struct wf_inventory_room, commit));

    commit_all(r->node);
}

static void on_entry(struct wf_node *n, void *arg, struct wf_home_product *p,
    const struct wf_entry *e, const struct wf_batch_header *h, struct wf_bytes raw)
{
    struct inventory *i = find(n, &wf_home_descriptor(p)->id);

    (void)arg;
    if (i && !i->replaying)
        apply(n, i, e, h, raw);
}

static void on_replayed_entry(struct wf_node *n, void *arg, struct wf_home_product *p,
    const struct wf_entry *e, const struct wf_batch_header *h, struct wf_bytes raw)
{
    (void)p;
    apply(n, arg, e, h, raw);
}

static void on_replayed(struct wf_node *n, void *arg, enum weft_err err)
{
    struct inventory *i = arg;
    struct wf_home_product *p = wf_stream_find_id(n, &i->product_id);
    struct wf_incarnation log;
    uint64_t at = 0;

    wf_fold_position(i->fold, &log, &at);
    i->replaying = false;
    // What was appended while the last slice was read came by before the tap was open for it: once more, from there.
    if (!err && p && at < wf_home_head(p) && !i->failed) {
        i->replaying = true;
        err = wf_stream_replay(n, p, at, on_replayed_entry, i, on_replayed);
    }
    if (err && err != WEFT_E_CLOSED)
        fail_fold(n, i, err);
}

static enum weft_err open_inventory(struct wf_node *n, struct wf_home_product *p)
{
    const struct wf_product *d = wf_home_descriptor(p);
    struct inventory *i = calloc(1, sizeof *i);
    struct wf_buf name = { 0 };
    struct wf_diag diag = { 0 };
    struct wf_incarnation log;
    uint64_t at = 0;
    enum weft_err err =
        i ? wf_buf_printf(&name, "inventory/%s.%u.db", d->name, d->major) : WEFT_E_NOMEM;

    if (!err)
        err = wf_disk_join(n->conf->data, (const char *)name.ptr, &i->path);
    wf_buf_fini(&name);
    struct wf_fold_conf conf = { i ? i->path : NULL, d, wf_home_message(p) };
    if (!err)
        err = wf_fold_open(&conf, &i->fold, &diag);
    if (err) {
        wf_say(n, WF_LOG_ERROR, "inventory", "an inventory could not be opened", "product", d->name,
            "why", diag.text[0] ? diag.text : weft_err_text(err), NULL);
        free(i ? i->path : NULL);
        free(i);
        return err;
    }
    i->product_id = d->id;
    i->next = n->inventory->first;
    n->inventory->first = i;
    wf_fold_position(i->fold, &log, &at);
    if (at < wf_home_floor(p))
        at = wf_home_floor(p);
    if (at >= wf_home_head(p))
        return WEFT_OK;
    i->replaying = true;
    return wf_stream_replay(n, p, at, on_replayed_entry, i, on_replayed);
}

static void close_inventory(struct inventory *i)
{
    wf_fold_close(i->fold);
    free(i->path);
    free(i);
}

// Products come and go by `weft product apply`; a changed schema makes the fold anew.
static void inventory_tick(struct wf_node *n)
{
    for (struct wf_home_product *p = wf_stream_next(n, NULL); p; p = wf_stream_next(n, p)) {
        const struct wf_product *d = wf_home_descriptor(p);
        if (d->kind != WF_PRODUCT_INVENTORY || !wf_home_message(p) || find(n, &d->id))
            continue;
        if (open_inventory(n, p))
            return; // said; tried again at the next tick
    }
    commit_all(n);
}

// ---- queries, on the query thread --------------------------------------------------------------------------------------

static void open_answer(struct wf_mail *m);

static void job_free(struct job *j)
{
    if (!j->err)
        wf_fold_result_fini(&j->result);
    wf_arena_fini(&j->arena);
    free(j);
}

static void drop_answer(struct wf_mail *m)
{
    job_free((struct job *)(void *)m);
}

static void *query_thread(void *arg)
{
    struct wf_inventory_room *r = arg;

    pthread_mutex_lock(&r->mutex);
    while (!r->stop) {
        struct job *j = r->queue;
        if (!j) {
            pthread_cond_wait(&r->wake, &r->mutex);
            continue;
        }
        r->queue = j->next;
        if (!j->next)
            r->queue_end = &r->queue;
        r->queued--;
        pthread_mutex_unlock(&r->mutex);
        j->err = wf_fold_run(&j->q, &j->result, &j->diag);
        j->mail = (struct wf_mail){
            .open = open_answer, .drop = drop_answer, .class = WF_MAIL_CONTROL, .must = true
        };
        if (wf_loop_post(j->node->loop, &j->mail))
            job_free(j);
        pthread_mutex_lock(&r->mutex);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

// ---- answering, on the loop thread -------------------------------------------------------------------------------------

static Weft__V1__Value *value_message(const struct wf_fold_value *v, struct wf_arena *a)
{
    Weft__V1__Value *m = wf_arena_alloc(a, sizeof *m);
    const char *text = NULL;

    if (!m)
        return NULL;
    weft__v1__value__init(m);
    switch (v->type) {
    case WF_CELL_NULL:
        m->kind_case = WEFT__V1__VALUE__KIND_NULL;
        m->null = true;
        break;
    case WF_CELL_INT:
        m->kind_case = WEFT__V1__VALUE__KIND_INTEGER;
        m->integer = v->integer;
        break;
    case WF_CELL_REAL:
        m->kind_case = WEFT__V1__VALUE__KIND_REAL;
        m->real = v->real;
        break;
    case WF_CELL_TEXT:
        // A text with a NUL inside travels as bytes: protobuf's strings here end at it.
        if (wf_arena_str(a, v->bytes, &text) == WEFT_OK) {
            m->kind_case = WEFT__V1__VALUE__KIND_TEXT;
            m->text = wf_pb_str(text);
            break;
        }
        // fall through
    case WF_CELL_BLOB:
        m->kind_case = WEFT__V1__VALUE__KIND_BLOB;
        m->blob = wf_pb_bin(v->bytes);
        break;
    }
    return m;
}

static enum weft_err row_messages(
    const struct wf_fold_result *r, struct wf_arena *a, Weft__V1__QueryReply *q)
{
    q->rows = wf_arena_calloc(a, r->row_count, sizeof *q->rows);
    if (!q->rows)
        return wf_arena_err(a);
    for (size_t i = 0; i < r->row_count; i++) {
        Weft__V1__Row *row = wf_arena_alloc(a, sizeof *row);
        if (!row)
            return wf_arena_err(a);
        weft__v1__row__init(row);
        row->values = wf_arena_calloc(a, r->column_count, sizeof *row->values);
        if (!row->values)
            return wf_arena_err(a);
        for (; row->n_values < r->column_count; row->n_values++) {
            row->values[row->n_values] =
                value_message(&r->cells[i * r->column_count + row->n_values], a);
            if (!row->values[row->n_values])
                return wf_arena_err(a);
        }
        q->rows[q->n_rows++] = row;
    }
    return WEFT_OK;
}

// Who contributed, and whether that is all: an origin that is late or gone, or never took a whole snapshot, makes the answer partial.
static enum weft_err coverage(
    struct wf_node *n, const struct wf_fold_result *r, struct wf_arena *a, Weft__V1__QueryReply *q)
{
    q->coverage = wf_arena_calloc(a, r->origin_count, sizeof *q->coverage);
    if (!q->coverage)
        return wf_arena_err(a);
    for (size_t i = 0; i < r->origin_count; i++) {
        Weft__V1__OriginCoverage *c = wf_arena_alloc(a, sizeof *c);
        const struct wf_fold_origin *o = &r->origins[i];
        int64_t heard = 0;
        if (!c)
            return wf_arena_err(a);
        bool own = strcmp(o->origin, n->identity.cert.subject.s) == 0;
        enum wf_agent_state state = own ? WF_AGENT_UP : wf_agents_state(n, o->origin, &heard);
        weft__v1__origin_coverage__init(c);
        c->origin = wf_pb_str(o->origin);
        c->last_ms = o->last_ms;
        c->snapshot_ms = o->snapshot_ms;
        c->rows = o->rows;
        c->state = wf_pb_str(wf_agent_state_name(state));
        q->coverage[q->n_coverage++] = c;
        if (state != WF_AGENT_UP) {
            q->partial = true;
            q->partial_reason = wf_pb_str("an origin is late or gone; its rows may be old");
        } else if (o->snapshot_ms == 0 && !q->partial) {
            q->partial = true;
            q->partial_reason = wf_pb_str("an origin has not yet sent a whole snapshot");
        }
    }
    return WEFT_OK;
}

static enum weft_err build(struct wf_node *n, const struct job *j, struct wf_arena *a,
    Weft__V1__Reply *reply, Weft__V1__QueryReply *q, Weft__V1__Incarnation *log)
{
    const struct wf_fold_result *r = &j->result;
    struct wf_home_product *p = wf_stream_find_id(n, &j->product_id);
    enum weft_err err = row_messages(r, a, q);

    if (!err)
        err = coverage(n, r, a, q);
    q->columns = (char **)(uintptr_t)r->columns;
    q->n_columns = r->column_count;
    log->counter = r->log_id.counter;
    log->random = r->log_id.random;
    q->log_id = log;
    q->offset = r->offset;
    q->as_of_ms = wf_node_now_unix_ms(n);
    if (p && r->offset < wf_home_head(p) && !q->partial) {
        q->partial = true;
        q->partial_reason = wf_pb_str("the newest records are not folded in yet");
    }
    if (r->more && !err) {
        uint8_t *next = wf_arena_alloc(a, 8);
        err = next ? WEFT_OK : wf_arena_err(a);
        if (next) {
            wf_store_be64(next, j->q.skip + r->row_count);
            reply->continuation = wf_pb_bin(wf_bytes(next, 8));
        }
    }
    return err;
}

static void open_answer(struct wf_mail *m)
{
    struct job *j = (struct job *)(void *)m;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__QueryReply q = WEFT__V1__QUERY_REPLY__INIT;
    Weft__V1__Incarnation log = WEFT__V1__INCARNATION__INIT;
    struct wf_call *c = j->call;

    if (!c) {
        job_free(j);
        return;
    }
    c->on_gone = NULL;
    enum weft_err err = j->err ? j->err : build(j->node, j, c->arena, &reply, &q, &log);
    if (err) {
        wf_call_refuse(c, err, "query: %s", j->diag.text[0] ? j->diag.text : weft_err_text(err));
    } else {
        reply.kind_case = WEFT__V1__REPLY__KIND_QUERY;
        reply.query = &q;
        wf_call_reply(c, &reply);
    }
    job_free(j);
}

static void caller_gone(struct wf_call *c, void *arg)
{
    struct job *j = arg;

    (void)c;
    j->call = NULL;
}

// What the token lets through, copied: the token may go while the query waits.
static enum weft_err copy_rights(struct job *j, const struct wf_token *t)
{
    const char **columns = NULL;
    enum weft_err err = WEFT_OK;
    size_t count = 0;

    if (!t)
        return WEFT_OK; // a local user with the right to query
    err = wf_token_columns(t, &j->arena, &j->q.limited, &columns, &j->q.column_count);
    j->q.columns = columns;
    for (size_t b = 0; b < t->block_count; b++)
        count += t->blocks[b].row_count;
    struct wf_row_term *rows = err ? NULL : wf_arena_calloc(&j->arena, count, sizeof *rows);
    if (!err && !rows)
        err = wf_arena_err(&j->arena);
    for (size_t b = 0; b < t->block_count && !err; b++)
        for (size_t i = 0; i < t->blocks[b].row_count && !err; i++) {
            struct wf_row_term *r = &rows[j->q.row_count++];
            *r = t->blocks[b].rows[i];
            err = wf_arena_str(&j->arena, wf_bytes_str(r->column), &r->column);
            if (!err && r->text)
                err = wf_arena_str(&j->arena, wf_bytes_str(r->text), &r->text);
        }
    for (size_t i = 0; i < j->q.column_count && !err; i++)
        err = wf_arena_str(&j->arena, wf_bytes_str(columns[i]), &columns[i]);
    j->q.rows = rows;
    return err;
}

static enum weft_err make_job(struct wf_node *n, struct wf_call *c, const struct inventory *i,
    const struct wf_token *t, struct job **ret)
{
    const Weft__V1__QueryRequest *q = c->request->query;
    struct job *j = calloc(1, sizeof *j);

    if (!j)
        return WEFT_E_NOMEM;
    wf_arena_init(&j->arena, 512u * 1024u);
    j->node = n;
    j->product_id = i->product_id;
    j->err = WEFT_E_CANCELLED; // no result to release until it ran
    j->q.max_rows =
        q->max_rows && q->max_rows < WF_MAX_QUERY_ROWS ? q->max_rows : WF_MAX_QUERY_ROWS;
    j->q.max_bytes = REPLY_BYTES;
    j->q.budget_ms = WF_QUERY_BUDGET_MS;
    j->q.now_unix_ms = wf_node_now_unix_ms(n);
    j->q.skip = q->continuation.len == 8 ? (size_t)wf_load_be64(q->continuation.data) : 0;
    enum weft_err err = wf_arena_str(&j->arena, wf_bytes_str(q->sql), &j->q.sql);
    if (!err)
        err = wf_arena_str(&j->arena, wf_bytes_str(i->path), &j->q.path);
    if (!err)
        err = wf_arena_str(&j->arena, wf_bytes_str(q->product), &j->q.product);
    if (!err)
        err = wf_arena_str(&j->arena, wf_bytes_str(n->identity.cert.domain.s), &j->q.domain);
    if (!err)
        err = copy_rights(j, t);
    if (err) {
        job_free(j);
        return err;
    }
    *ret = j;
    return WEFT_OK;
}

static enum weft_err enqueue(struct wf_inventory_room *r, struct job *j)
{
    enum weft_err err = WEFT_OK;

    pthread_mutex_lock(&r->mutex);
    if (r->queued >= QUEUE_MAX) {
        err = WEFT_E_BUSY;
    } else {
        j->next = NULL;
        *r->queue_end = j;
        r->queue_end = &j->next;
        r->queued++;
        pthread_cond_signal(&r->wake);
    }
    pthread_mutex_unlock(&r->mutex);
    return err;
}

void wf_query_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__QueryRequest *q = c->request->query;
    struct wf_home_product *p =
        strcmp(q->domain, n->identity.cert.domain.s) == 0 ? wf_stream_find(n, q->product, 0) : NULL;
    struct inventory *i = p ? find(n, &wf_home_descriptor(p)->id) : NULL;
    struct wf_access asked = { .domain = n->identity.cert.domain.s,
        .product = q->product,
        .verb = WF_VERB_QUERY,
        .purpose = q->purpose[0] ? q->purpose : NULL };
    struct wf_granted granted = { 0 };
    struct job *j = NULL;

    n->inventory->queries++;
    if (!wf_access_check(n, c, &asked, q->token, q->token_id, &granted))
        return; // answered
    if (!i || i->failed) {
        wf_call_refuse(c,
            p && wf_home_descriptor(p)->kind != WF_PRODUCT_INVENTORY ? WEFT_E_TYPE
                                                                     : WEFT_E_NOT_FOUND,
            "%s/%s is not an inventory of this node", q->domain, q->product);
        return;
    }
    // What a reader just saw appended is what a query should see.
    if (i->dirty && !wf_fold_commit(i->fold))
        i->dirty = false;
    enum weft_err err = make_job(n, c, i, granted.token, &j);
    if (!err) {
        j->call = c;
        c->on_gone = caller_gone;
        c->gone_arg = j;
        err = enqueue(n->inventory, j);
        if (err) {
            c->on_gone = NULL;
            job_free(j);
        }
    }
    if (err)
        wf_call_refuse(c, err, "query: %s", weft_err_text(err));
}

// ---- life ------------------------------------------------------------------------------------------------------------

static enum weft_err inventory_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_inventory_room *r = calloc(1, sizeof *r);
    char *dir = NULL;

    if (!r)
        return WEFT_E_NOMEM;
    n->inventory = r;
    r->node = n;
    r->commit.fire = on_commit;
    r->queue_end = &r->queue;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->wake, NULL);
    enum weft_err err = wf_disk_join(n->conf->data, "inventory", &dir);
    if (!err)
        err = wf_disk_mkdir(dir, diag);
    free(dir);
    return err;
}

static enum weft_err inventory_start(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_inventory_room *r = n->inventory;

    (void)diag;
    r->has_thread = pthread_create(&r->thread, NULL, query_thread, r) == 0;
    if (!r->has_thread)
        return WEFT_E_NOMEM;
    return wf_stream_tap(n, on_entry, NULL);
}

static void inventory_close(struct wf_node *n)
{
    struct wf_inventory_room *r = n->inventory;

    if (!r)
        return;
    pthread_mutex_lock(&r->mutex);
    r->stop = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->mutex);
    if (r->has_thread)
        pthread_join(r->thread, NULL);
    while (r->queue) {
        struct job *j = r->queue;
        r->queue = j->next;
        if (j->call) {
            j->call->on_gone = NULL;
            wf_call_refuse(j->call, WEFT_E_CLOSED, "the node is stopping");
        }
        job_free(j);
    }
    wf_timer_cancel(n->loop, &r->commit);
    commit_all(n);
    while (r->first) {
        struct inventory *i = r->first;
        r->first = i->next;
        close_inventory(i);
    }
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->mutex);
    free(r);
    n->inventory = NULL;
}

static enum weft_err inventory_metrics(const struct wf_node *n, struct wf_buf *out)
{
    return wf_buf_printf(out, "# TYPE weft_queries_total counter\nweft_queries_total %llu\n",
        (unsigned long long)n->inventory->queries);
}

const struct wf_room wf_inventory_room = { .name = "inventory",
    .open = inventory_open,
    .start = inventory_start,
    .tick = inventory_tick,
    .close = inventory_close,
    .metrics = inventory_metrics };

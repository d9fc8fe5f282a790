// SPDX-License-Identifier: Apache-2.0
// A query's way: capability, rights copied, a worker, and the answer with its coverage. The call is parked meanwhile; when its caller
// goes away the query is told to end.
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/agent/room.h"
#include "node/gossip/room.h"
#include "node/inventory/priv.h"
#include "node/stream/room.h"

#define QUERIES_MAX 64u // running and waiting
#define REPLY_BYTES (768u * 1024u)

static struct query *query_of(struct wf_job *j)
{
    return (struct query *)(void *)j;
}

static void query_free(struct query *j)
{
    if (!j->err)
        wf_fold_result_fini(&j->result);
    wf_arena_fini(&j->arena);
    free(j);
}

// On a worker.
static void work(struct wf_job *job)
{
    struct query *j = query_of(job);

    j->err = wf_fold_run(&j->q, &j->result, &j->diag);
}

static void leave(struct query *j)
{
    struct wf_inventory_room *r = j->node->inventory;

    if (j->prev)
        j->prev->next = j->next;
    else
        r->running = j->next;
    if (j->next)
        j->next->prev = j->prev;
    r->running_count--;
}

// ---- answering -------------------------------------------------------------------------------------------------------

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

// Why the answer is partial, by name. What a revoked origin said stays for good, so it is told last, and with the two ways on.
static void say_absent(Weft__V1__QueryReply *q, struct wf_arena *a)
{
    const Weft__V1__OriginCoverage *named = NULL;
    const char *revoked = wf_agent_state_name(WF_AGENT_REVOKED);
    char text[2 * WF_MAX_NAME + 256], more[48] = "";
    size_t count = 0;

    for (size_t i = 0; i < q->n_coverage; i++) {
        const Weft__V1__OriginCoverage *c = q->coverage[i];
        if (strcmp(c->state, wf_agent_state_name(WF_AGENT_UP)) == 0)
            continue;
        count++;
        if (!named || (strcmp(named->state, revoked) == 0 && strcmp(c->state, revoked) != 0))
            named = c;
    }
    if (!named)
        return;
    if (count > 1)
        snprintf(more, sizeof more, ", and %zu more of %zu origins are not up", count - 1,
            q->n_coverage);
    if (strcmp(named->state, revoked) == 0)
        snprintf(text, sizeof text,
            "%s is revoked: its rows stay as they were%s; weft agent replace brings another "
            "machine of its name, WHERE _origin <> '%s' leaves it out",
            named->origin, more, named->origin);
    else
        snprintf(text, sizeof text, "%s is %s: its rows may be old%s", named->origin, named->state,
            more);
    const char *copy = NULL;
    q->partial = true;
    q->partial_reason = wf_pb_str(wf_arena_str(a, wf_bytes_str(text), &copy)
                                      ? "an origin is not up; its rows may be old"
                                      : copy);
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
        if (state == WF_AGENT_UP && o->snapshot_ms == 0) {
            q->partial = true;
            q->partial_reason = wf_pb_str("an origin has not yet sent a whole snapshot");
        }
    }
    say_absent(q, a);
    return WEFT_OK;
}

static enum weft_err build(struct wf_node *n, const struct query *j, struct wf_arena *a,
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
    const struct inventory *i = wf_inventory_find(n, &j->product_id);
    if (i && i->nameless && !q->partial) {
        q->partial = true;
        q->partial_reason =
            wf_pb_str("the certificate of an origin is missing, and so are its rows");
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

static void answer(struct query *j)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__QueryReply q = WEFT__V1__QUERY_REPLY__INIT;
    Weft__V1__Incarnation log = WEFT__V1__INCARNATION__INIT;
    struct wf_call *c = j->call;

    c->on_gone = NULL;
    if (j->err == WEFT_E_CANCELLED) {
        wf_call_refuse(c, WEFT_E_CLOSED, "the node is stopping");
        return;
    }
    enum weft_err err = j->err ? j->err : build(j->node, j, c->arena, &reply, &q, &log);
    if (err) {
        wf_call_refuse(c, err, "query: %s", j->diag.text[0] ? j->diag.text : weft_err_text(err));
    } else {
        reply.kind_case = WEFT__V1__REPLY__KIND_QUERY;
        reply.query = &q;
        wf_call_reply(c, &reply);
    }
}

// CANCELLED by the pool: it never ran, and its err says so since it was made.
static void done(struct wf_job *job, enum weft_err err)
{
    struct query *j = query_of(job);

    (void)err;
    leave(j);
    if (j->call)
        answer(j);
    query_free(j);
}

static void caller_gone(struct wf_call *c, void *arg)
{
    struct query *j = arg;

    (void)c;
    j->call = NULL;
    atomic_store(&j->cancelled, true);
}

// ---- asking ----------------------------------------------------------------------------------------------------------

// What the token lets through, copied: the token may go while the query waits.
static enum weft_err copy_rights(struct query *j, const struct wf_token *t)
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
    const struct wf_token *t, struct query **ret)
{
    const Weft__V1__QueryRequest *q = c->request->query;
    struct query *j = calloc(1, sizeof *j);

    if (!j)
        return WEFT_E_NOMEM;
    wf_arena_init(&j->arena, 512u * 1024u);
    j->node = n;
    j->product_id = i->product_id;
    j->err = WEFT_E_CANCELLED; // no result to release until it ran
    j->job = (struct wf_job){ .work = work, .done = done, .class = WF_MAIL_REPAIR };
    j->q.cancelled = &j->cancelled;
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
        query_free(j);
        return err;
    }
    *ret = j;
    return WEFT_OK;
}

static enum weft_err submit(struct wf_inventory_room *r, struct query *j)
{
    if (r->running_count >= QUERIES_MAX)
        return WEFT_E_BUSY;
    j->job.bytes = REPLY_BYTES;
    enum weft_err err = wf_pool_submit(r->node->pool, &j->job);
    if (err)
        return err == WEFT_E_FULL ? WEFT_E_BUSY : err;
    j->next = r->running;
    if (r->running)
        r->running->prev = j;
    r->running = j;
    r->running_count++;
    return WEFT_OK;
}

// A call that can't be parked keeps its place among those at work.
static void wait_for(struct query *j, struct wf_call *c)
{
    j->call = c;
    if (wf_call_park(c, caller_gone, j)) {
        c->on_gone = caller_gone;
        c->gone_arg = j;
    }
}

void wf_query_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__QueryRequest *q = c->request->query;
    struct wf_home_product *p =
        strcmp(q->domain, n->identity.cert.domain.s) == 0 ? wf_stream_find(n, q->product, 0) : NULL;
    struct wf_access asked = { .domain = n->identity.cert.domain.s,
        .product = q->product,
        .verb = WF_VERB_QUERY,
        .purpose = q->purpose[0] ? q->purpose : NULL };
    struct wf_granted granted = { 0 };
    struct query *j = NULL;

    n->inventory->queries++;
    if (wf_gossip_not_home(n, c, q->domain, q->product))
        return; // answered
    if (!wf_access_check(n, c, &asked, q->token, q->token_id, &granted))
        return; // answered
    struct inventory *i = p ? wf_inventory_of(n, p) : NULL;
    if (i && i->failed) {
        wf_call_refuse(c, WEFT_E_BUSY,
            "the rows of %s/%s could not be brought up to date; tried again soon, see: weft node "
            "status",
            q->domain, q->product);
        return;
    }
    if (!i) {
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
        err = submit(n->inventory, j);
        if (err)
            query_free(j);
        else
            wait_for(j, c);
    }
    if (err) {
        n->inventory->refused++;
        wf_call_refuse(c, err, "query: %s", weft_err_text(err));
    }
}

void wf_queries_cancel(struct wf_inventory_room *r)
{
    for (struct query *j = r->running; j; j = j->next)
        atomic_store(&j->cancelled, true);
}

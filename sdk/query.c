// SPDX-License-Identifier: Apache-2.0
// weft_query: owner, capability, pages of rows until the owner has no more.
#include <stdio.h>
#include <stdlib.h>

#include "sdk/client_int.h"

struct weft_rows {
    struct wf_arena arena;
    const char **names;
    size_t columns;
    struct weft_value *cells; // rows * columns
    size_t count, cap;        // rows
    struct weft_coverage *coverage;
    size_t coverage_count;
    bool partial;
    const char *reason;
    uint64_t offset;
    int64_t as_of_ms;
};

struct query_op {
    struct weft_client *c;
    struct wf_client_wait *wait;
    struct wf_target target;
    const char *sql;
    struct weft_query_options options;
    struct wf_link *link;
    struct wf_buf token, continuation;
    bool moved; // NOT_HOME was followed once
    struct weft_rows *rows;
};

// ---- rows --------------------------------------------------------------------------------------------------------------

void weft_rows_free(struct weft_rows *r)
{
    if (!r)
        return;
    wf_arena_fini(&r->arena);
    free(r->cells);
    free(r);
}

static enum weft_err rows_new(struct weft_rows **ret)
{
    struct weft_rows *r = calloc(1, sizeof *r);

    if (!r)
        return WEFT_E_NOMEM;
    wf_arena_init(&r->arena, WF_MAX_QUERY_BYTES);
    r->reason = "";
    *ret = r;
    return WEFT_OK;
}

static enum weft_err take_names(struct weft_rows *r, const Weft__V1__QueryReply *q)
{
    enum weft_err err = WEFT_OK;

    if (r->names) // further pages repeat them or leave them out
        return q->n_columns == 0 || q->n_columns == r->columns ? WEFT_OK : WEFT_E_PROTOCOL;
    r->names = wf_arena_calloc(&r->arena, q->n_columns ? q->n_columns : 1, sizeof *r->names);
    if (!r->names)
        return wf_arena_err(&r->arena);
    for (size_t i = 0; i < q->n_columns && !err; i++)
        err = wf_arena_str(&r->arena, wf_bytes_str(q->columns[i]), &r->names[i]);
    r->columns = q->n_columns;
    return err;
}

static enum weft_err take_bytes(
    struct weft_rows *r, enum weft_type type, struct wf_bytes from, struct weft_value *ret)
{
    const char *kept = NULL;
    struct wf_bytes copy = { 0 };
    enum weft_err err = type == WEFT_T_TEXT ? wf_arena_str(&r->arena, from, &kept)
                                            : wf_arena_dup(&r->arena, from, &copy);

    if (err)
        return err;
    ret->type = type;
    ret->bytes.ptr = kept ? kept : (const char *)copy.ptr;
    ret->bytes.len = from.len;
    return WEFT_OK;
}

static enum weft_err take_value(
    struct weft_rows *r, const Weft__V1__Value *v, struct weft_value *ret)
{
    switch (v->kind_case) {
    case WEFT__V1__VALUE__KIND_INTEGER:
        ret->type = WEFT_T_INT;
        ret->integer = v->integer;
        return WEFT_OK;
    case WEFT__V1__VALUE__KIND_REAL:
        ret->type = WEFT_T_DOUBLE;
        ret->real = v->real;
        return WEFT_OK;
    case WEFT__V1__VALUE__KIND_TEXT:
        return take_bytes(r, WEFT_T_TEXT, wf_bytes_str(v->text), ret);
    case WEFT__V1__VALUE__KIND_BLOB:
        return take_bytes(r, WEFT_T_BYTES, wf_pb_view(v->blob), ret);
    default: // null, or nothing
        return WEFT_OK;
    }
}

static enum weft_err take_row(struct weft_rows *r, const Weft__V1__Row *row)
{
    enum weft_err err = WEFT_OK;

    if (row->n_values != r->columns || r->columns == 0)
        return WEFT_E_PROTOCOL;
    if (r->count >= WF_MAX_QUERY_ROWS)
        return WEFT_E_TOO_BIG;
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 64;
        struct weft_value *v = realloc(r->cells, cap * r->columns * sizeof *v);
        if (!v)
            return WEFT_E_NOMEM;
        r->cells = v;
        r->cap = cap;
    }
    struct weft_value *at = r->cells + r->count * r->columns;
    memset(at, 0, r->columns * sizeof *at);
    for (size_t i = 0; i < r->columns && !err; i++)
        err = take_value(r, row->values[i], &at[i]);
    r->count += !err;
    return err;
}

static enum weft_err take_coverage(struct weft_rows *r, const Weft__V1__QueryReply *q)
{
    enum weft_err err = WEFT_OK;

    if (q->n_coverage == 0 || r->coverage) // the first page that has it
        return WEFT_OK;
    r->coverage = wf_arena_calloc(&r->arena, q->n_coverage, sizeof *r->coverage);
    if (!r->coverage)
        return wf_arena_err(&r->arena);
    for (size_t i = 0; i < q->n_coverage && !err; i++) {
        const Weft__V1__OriginCoverage *from = q->coverage[i];
        struct weft_coverage *to = &r->coverage[i];
        *to = (struct weft_coverage){
            .last_ms = from->last_ms, .snapshot_ms = from->snapshot_ms, .rows = from->rows
        };
        err = wf_arena_str(&r->arena, wf_bytes_str(from->origin), &to->origin);
        if (!err)
            err = wf_arena_str(&r->arena, wf_bytes_str(from->state), &to->state);
    }
    r->coverage_count = err ? 0 : q->n_coverage;
    return err;
}

static enum weft_err take_page(struct weft_rows *r, const Weft__V1__QueryReply *q)
{
    enum weft_err err = take_names(r, q);

    for (size_t i = 0; i < q->n_rows && !err; i++)
        err = take_row(r, q->rows[i]);
    if (!err)
        err = take_coverage(r, q);
    if (err)
        return err;
    r->offset = q->offset;
    r->as_of_ms = q->as_of_ms;
    if (q->partial && !r->partial) {
        r->partial = true;
        err = wf_arena_str(&r->arena, wf_bytes_str(q->partial_reason), &r->reason);
    }
    return err;
}

// ---- asking ------------------------------------------------------------------------------------------------------------

static void on_owner(void *arg, enum weft_err err, const struct weft_problem *problem,
    struct wf_link *link, const struct wf_entry_doc *product);

static void end_query(struct query_op *o, enum weft_err err, const struct weft_problem *problem)
{
    wf_client_done(o->wait, err, problem);
}

static void fail_query(struct query_op *o, enum weft_err err, const Weft__V1__Reply *reply)
{
    const struct wf_link_state *s = wf_link_state(o->link);
    struct weft_problem p;
    char what[160];

    snprintf(what, sizeof what, "%s/%s query", o->target.domain.s, o->target.product.s);
    if (!reply && s->last_text[0])
        wf_problem_set(&p, err, "%s: %s", what, s->last_text);
    else
        wf_problem_from_reply(&p, err, reply, what);
    end_query(o, err, &p);
}

static void ask_page(struct query_op *o);

// The owner gives so many rows a page; the answer ends there, too, and says when more are left.
static enum weft_err cut(struct query_op *o, bool more)
{
    struct weft_rows *r = o->rows;
    char reason[512];

    if (!o->options.max_rows || r->count < o->options.max_rows)
        return WEFT_OK;
    more = more || r->count > o->options.max_rows;
    r->count = o->options.max_rows;
    o->continuation.len = 0;
    if (!more)
        return WEFT_OK;
    snprintf(reason, sizeof reason, "%.400s%scut at %u rows as it was asked, more are there",
        r->reason, r->partial ? "; " : "", o->options.max_rows);
    r->partial = true;
    return wf_arena_str(&r->arena, wf_bytes_str(reason), &r->reason);
}

static void on_page(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct query_op *o = arg;
    size_t before = o->rows->count;

    if (err == WEFT_E_NOT_HOME && !o->moved && o->rows->count == 0) {
        o->moved = true;
        wf_client_owner_again(o->c, &o->target, on_owner, o);
        return;
    }
    if (!err)
        err = reply->query ? take_page(o->rows, reply->query) : WEFT_E_PROTOCOL;
    if (!err && reply->continuation.len && o->rows->count == before)
        err = WEFT_E_PROTOCOL; // a page without rows and another behind it would never end
    o->continuation.len = 0;
    if (!err)
        err = wf_buf_append(&o->continuation, wf_pb_view(reply->continuation));
    if (!err)
        err = cut(o, o->continuation.len != 0);
    if (err)
        fail_query(o, err, reply);
    else if (o->continuation.len)
        ask_page(o);
    else if (o->rows->partial)
        end_query(o, WEFT_E_PARTIAL, NULL);
    else
        end_query(o, WEFT_OK, NULL);
}

static void ask_page(struct query_op *o)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__QueryRequest query = WEFT__V1__QUERY_REQUEST__INIT;

    query.domain = o->target.domain.s;
    query.product = o->target.product.s;
    query.sql = wf_pb_str(o->sql);
    query.token = wf_pb_bin(wf_buf_view(&o->token));
    query.max_rows = o->options.max_rows ? o->options.max_rows - (unsigned)o->rows->count : 0;
    query.purpose = wf_pb_str(o->options.purpose);
    query.continuation = wf_pb_bin(wf_buf_view(&o->continuation));
    q.kind_case = WEFT__V1__REQUEST__KIND_QUERY;
    q.query = &query;
    wf_client_send(o->c, o->link, &q, 0, on_page, o);
}

static void on_token(
    void *arg, enum weft_err err, const struct weft_problem *problem, const struct wf_token *token)
{
    struct query_op *o = arg;

    o->token.len = 0;
    if (!err && token)
        err = wf_buf_append(&o->token, wf_buf_view(&token->raw));
    if (err)
        end_query(o, err, problem);
    else
        ask_page(o);
}

static void on_owner(void *arg, enum weft_err err, const struct weft_problem *problem,
    struct wf_link *link, const struct wf_entry_doc *product)
{
    struct query_op *o = arg;

    if (!err && product->product.product.kind != WF_PRODUCT_INVENTORY) {
        struct weft_problem p;
        wf_problem_set(&p, WEFT_E_TYPE, "%s/%s is of kind %s; only an inventory answers queries",
            o->target.domain.s, o->target.product.s,
            wf_product_kind_name(product->product.product.kind));
        end_query(o, WEFT_E_TYPE, &p);
        return;
    }
    if (err) {
        end_query(o, err, problem);
        return;
    }
    o->link = link;
    wf_client_token(o->c, link, &o->target, WF_VERB_QUERY, false, on_token, o);
}

static void query(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct query_op *o = arg;

    o->c = c;
    o->wait = w;
    wf_client_owner(c, &o->target, on_owner, o);
}

enum weft_err weft_query(struct weft_client *c, const char *product, const char *sql,
    const struct weft_query_options *options, struct weft_rows **ret, struct weft_problem *problem)
{
    struct query_op o = { .sql = sql };
    enum weft_err err = wf_target_parse(product, false, &o.target, problem);

    if (err)
        return err;
    if (!sql || strlen(sql) > WF_MAX_SQL) {
        err = sql ? WEFT_E_TOO_BIG : WEFT_E_USAGE;
        wf_problem_set(problem, err, "the statement has 1 to %u bytes", WF_MAX_SQL);
        return err;
    }
    if (options)
        o.options = *options;
    err = rows_new(&o.rows);
    if (err)
        wf_problem_set(problem, err, "%s", weft_err_text(err));
    else
        err = wf_client_run(c, query, &o, problem);
    wf_buf_fini(&o.token);
    wf_buf_fini(&o.continuation);
    if (err == WEFT_E_PARTIAL && !o.rows->partial) { // a refusal that calls itself an answer
        err = WEFT_E_PROTOCOL;
        wf_problem_set(problem, err, "%s refused with the code of a partial answer", product);
    }
    if (err && err != WEFT_E_PARTIAL) {
        weft_rows_free(o.rows);
        return err;
    }
    if (err)
        wf_problem_set(problem, err, "%s: %s", weft_err_text(err), o.rows->reason);
    *ret = o.rows;
    return err;
}

// ---- what applications see -----------------------------------------------------------------------------------------------

size_t weft_rows_count(const struct weft_rows *r)
{
    return r->count;
}

size_t weft_rows_columns(const struct weft_rows *r)
{
    return r->columns;
}

const char *weft_rows_name(const struct weft_rows *r, size_t column)
{
    return column < r->columns ? r->names[column] : NULL;
}

void weft_rows_value(const struct weft_rows *r, size_t row, size_t column, struct weft_value *ret)
{
    *ret = row < r->count && column < r->columns ? r->cells[row * r->columns + column]
                                                 : (struct weft_value){ 0 };
}

size_t weft_rows_coverage(const struct weft_rows *r, const struct weft_coverage **ret)
{
    *ret = r->coverage;
    return r->coverage_count;
}

bool weft_rows_partial(const struct weft_rows *r, const char **ret_reason)
{
    if (ret_reason)
        *ret_reason = r->reason;
    return r->partial;
}

uint64_t weft_rows_offset(const struct weft_rows *r)
{
    return r->offset;
}

int64_t weft_rows_as_of_ms(const struct weft_rows *r)
{
    return r->as_of_ms;
}

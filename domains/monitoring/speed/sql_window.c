// SPDX-License-Identifier: Apache-2.0
// What rules that are SQL keep of each product: its table, and when each origin was heard. See sql_int.h.
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/sql_int.h"

struct wf_sql_window *wf_sql_window_of(struct wf_sql *s, const char *product, bool current)
{
    struct wf_sql_window *w = s->windows;

    while (w && (w->current != current || strcmp(w->product, product) != 0))
        w = w->next;
    if (w)
        return w;
    w = calloc(1, sizeof *w);
    if (!w || wf_query_table_new(s->query, product, current, &w->table)) {
        free(w);
        return NULL;
    }
    w->current = current;
    snprintf(w->product, sizeof w->product, "%s", product);
    w->next = s->windows;
    s->windows = w;
    return w;
}

// ---- origins ------------------------------------------------------------------------------------------------------------------

// Names are what others write: a tree, as of series.
static int by_name(const void *left, const void *right)
{
    const struct wf_sql_origin *a = left, *b = right;

    return strcmp(a->name, b->name);
}

const struct wf_sql_origin *wf_sql_origin_find(const struct wf_sql_window *w, const char *name)
{
    struct wf_sql_origin key;

    snprintf(key.name, sizeof key.name, "%s", name);
    const struct wf_sql_origin *const *at = tfind(&key, &w->tree, by_name);
    return at ? *at : NULL;
}

// NULL: without memory, or there are too many; then it is not missed when it falls silent.
static struct wf_sql_origin *origin_of(struct wf_sql_window *w, const char *name)
{
    const struct wf_sql_origin *found = wf_sql_origin_find(w, name);

    if (found || w->origin_count == WF_SQL_ORIGINS)
        return (struct wf_sql_origin *)(uintptr_t)found;
    struct wf_sql_origin *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    snprintf(o->name, sizeof o->name, "%s", name);
    o->newest_ms = INT64_MIN;
    if (!tsearch(o, &w->tree, by_name)) {
        free(o);
        return NULL;
    }
    o->next = w->origins;
    w->origins = o;
    w->origin_count++;
    return o;
}

static bool is_missing(const struct wf_sql_origin *o, const struct wf_sql_silence *s)
{
    return o && o->newest_ms <= s->after_ms && o->newest_ms > s->there_ms;
}

const struct wf_sql_origin *wf_sql_missing(
    const struct wf_sql_window *w, const char *origin, const struct wf_sql_silence *s)
{
    const struct wf_sql_origin *o = NULL;

    if (w->current || !w->shape || w->shape->events)
        return NULL;
    if (origin) {
        o = wf_sql_origin_find(w, origin);
        return is_missing(o, s) ? o : NULL;
    }
    for (o = w->origins; o && !is_missing(o, s);)
        o = o->next;
    return o;
}

static bool is_within(const struct wf_sql_window *w, const struct wf_hole *h, int64_t from_ms)
{
    // Of rows of now a whole snapshot says what was in it.
    return w->current ? h->open : wf_hole_is_within(h, from_ms);
}

const struct wf_hole *wf_sql_hole_of(
    const struct wf_sql_window *w, const char *origin, int64_t from_ms, const char **ret_origin)
{
    const struct wf_sql_origin *o = w->origins;

    *ret_origin = NULL;
    if (!w->any_hole)
        return NULL;
    if (is_within(w, &w->hole, from_ms))
        return &w->hole;
    if (origin)
        o = wf_sql_origin_find(w, origin);
    for (; o; o = origin ? NULL : o->next) {
        if (!is_within(w, &o->hole, from_ms))
            continue;
        *ret_origin = o->name;
        return &o->hole;
    }
    return NULL;
}

static void drop_origins(struct wf_sql_window *w, int64_t before_ms)
{
    for (struct wf_sql_origin **at = &w->origins; *at;) {
        struct wf_sql_origin *o = *at;
        if (o->newest_ms >= before_ms) {
            at = &o->next;
            continue;
        }
        if (w->newest == o)
            w->newest = NULL;
        *at = o->next;
        tdelete(o, &w->tree, by_name);
        free(o);
        w->origin_count--;
    }
}

void wf_sql_give_up(struct wf_sql_window *w, int64_t before_ms)
{
    if (!w->current)
        drop_origins(w, before_ms);
}

void wf_sql_window_free(struct wf_sql *s, struct wf_sql_window *w)
{
    drop_origins(w, INT64_MAX);
    wf_query_table_free(s->query, w->table);
    free(w);
}

// ---- shapes -------------------------------------------------------------------------------------------------------------------

enum weft_err wf_sql_window_tie(struct wf_sql *s, struct wf_sql_window *w, struct wf_shape *shape)
{
    struct wf_query_field *fields;

    w->shape = shape;
    w->why[0] = '\0';
    if (!shape->field_count)
        return WEFT_OK;
    fields = calloc(shape->field_count, sizeof *fields);
    if (!fields)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < shape->field_count; i++)
        fields[i] = (struct wf_query_field){ .name = shape->fields[i].name,
            .type = shape->fields[i].type,
            .key = shape->fields[i].key };
    enum weft_err err = wf_query_table_fields(s->query, w->table, fields, shape->field_count);
    free(fields);
    if (err)
        snprintf(w->why, sizeof w->why, "%.60s: %s", w->product,
            err == WEFT_E_TOO_BIG ? "it has more than 512 columns" : wf_query_problem(s->query));
    return err == WEFT_E_NOMEM ? err : WEFT_OK;
}

enum weft_err wf_sql_reshape(struct wf_sql *s, struct wf_shape *shape)
{
    enum weft_err err = WEFT_OK;

    for (struct wf_sql_window *w = s->windows; w && !err; w = w->next)
        if (strcmp(w->product, shape->product) == 0)
            err = wf_sql_window_tie(s, w, shape);
    return err;
}

void wf_sql_forget(struct wf_sql *s, const struct wf_shape *shape)
{
    for (struct wf_sql_window *w = s->windows; w; w = w->next)
        if (w->shape == shape)
            w->shape = NULL;
}

bool wf_sql_lacks(const struct wf_sql *s, const char *product)
{
    bool lacks = false;

    for (struct wf_sql_window *w = s->windows; w; w = w->next) {
        if (strcmp(w->product, product) != 0)
            continue;
        lacks = lacks || !w->read;
        w->read = true;
    }
    return lacks;
}

// ---- records ------------------------------------------------------------------------------------------------------------------

// Of who has no cells: what its values are.
static enum weft_err cell_of_value(const void *arg, size_t field, struct wf_mon_cell *ret)
{
    const struct wf_row *row = arg;
    struct wf_expr_value v = { .kind = WF_KIND_NONE };

    row->get(row->arg, field, &v);
    *ret = (struct wf_mon_cell){ .class = WF_MON_NULL };
    if (v.kind == WF_KIND_TEXT) {
        ret->class = WF_MON_TEXT;
        ret->ptr = v.len ? v.ptr : "";
        ret->len = v.len;
    } else if (v.kind == WF_KIND_TRUTH ||
               (v.kind == WF_KIND_NUMBER && v.number > -9e15 && v.number < 9e15 &&
                   v.number == (double)(int64_t)v.number)) {
        *ret = wf_mon_integer((int64_t)v.number);
    } else if (v.kind == WF_KIND_NUMBER) {
        ret->class = WF_MON_REAL;
        ret->real = v.number;
    }
    return WEFT_OK;
}

static void note_origin(struct wf_sql_window *w, const struct wf_row *row)
{
    struct wf_sql_origin *o = origin_of(w, row->origin);

    if (w->any_hole && !w->current) {
        wf_hole_close(&w->hole, row->append_ms);
        if (o)
            wf_hole_close(&o->hole, row->append_ms);
    }
    if (!o || row->time_ms < o->newest_ms)
        return;
    o->newest_ms = row->time_ms;
    o->offset = row->offset;
    if (!w->newest || w->newest->newest_ms <= o->newest_ms)
        w->newest = o;
}

static enum weft_err put(struct wf_sql *s, struct wf_sql_window *w, const struct wf_row *row)
{
    bool as_written = row->time_us / 1000 == row->time_ms;
    const struct wf_query_row to = { .time_us = as_written ? row->time_us : row->time_ms * 1000,
        .received_us = row->append_ms * 1000,
        .domain = row->shape->domain,
        .origin = row->origin,
        .offset = row->offset,
        .deleted = row->deleted,
        .arg = row->cell ? row->arg : row,
        .cell = row->cell ? row->cell : cell_of_value };
    enum weft_err err = wf_query_put(s->query, w->table, &to);

    note_origin(w, row);
    if (!err || err == WEFT_E_NOMEM)
        return err;
    w->refused++;
    return WEFT_OK;
}

enum weft_err wf_sql_row(struct wf_sql *s, const struct wf_row *row)
{
    enum weft_err err = WEFT_OK;

    for (struct wf_sql_window *w = s->windows; w && !err; w = w->next)
        if (w->shape == row->shape && row->shape->field_count && !w->why[0])
            err = put(s, w, row);
    return err;
}

static enum weft_err mark(
    struct wf_sql *s, struct wf_sql_window *w, const char *origin, uint64_t offset, bool end)
{
    struct wf_sql_origin *o = origin_of(w, origin);

    if (!o || (end && !o->in_snapshot))
        return WEFT_OK; // one that was cut off at its beginning takes nothing away
    o->in_snapshot = !end;
    if (end) {
        o->hole = w->hole = (struct wf_hole){ .open = false };
        return wf_query_sweep(s->query, w->table, origin, o->snapshot);
    }
    o->snapshot = offset;
    return WEFT_OK;
}

// A snapshot with a hole in it is none. Of rows that nobody knows whose they were each origin has to say its own again; where none is
// known, the first that does.
static void lose(struct wf_sql_window *w, const struct wf_loss *loss)
{
    struct wf_sql_origin *one = loss->origin ? origin_of(w, loss->origin) : NULL;

    w->any_hole = true;
    for (struct wf_sql_origin *o = w->origins; o; o = o->next) {
        if (one && o != one)
            continue;
        o->in_snapshot = false;
        if (one || w->current)
            wf_hole_open(&o->hole, loss, w->span_ms);
    }
    if (!one && (!w->current || !w->origins))
        wf_hole_open(&w->hole, loss, w->span_ms);
}

void wf_sql_lose(struct wf_sql *s, const struct wf_shape *shape, const struct wf_loss *loss)
{
    for (struct wf_sql_window *w = s->windows; w; w = w->next)
        if (w->shape == shape)
            lose(w, loss);
}

enum weft_err wf_sql_mark(
    struct wf_sql *s, struct wf_shape *shape, const char *origin, uint64_t offset, bool end)
{
    enum weft_err err = WEFT_OK;

    for (struct wf_sql_window *w = s->windows; w && !err; w = w->next)
        if (w->shape == shape && w->current)
            err = mark(s, w, origin, offset, end);
    return err;
}

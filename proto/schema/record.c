// SPDX-License-Identifier: Apache-2.0
// One message at a time: gather its fields (views only), settle what protobuf means by them, then visit. Gathered fields
// of the messages being visited lie on one stack, so live memory is the sum along a path, not over the tree.
#include "proto/schema/record.h"

#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/schema/record_reader.h"

const struct wf_record_budget wf_record_default_budget = {
    .max_len = WF_MAX_RECORD,
    .max_elements = WF_MAX_RECORD_ELEMENTS,
    .max_string = WF_MAX_RECORD,
    .max_depth = WF_MAX_RECORD_DEPTH,
};

enum weft_err wf_record_refuse(
    const struct wf_record_event *e, enum weft_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    // The reader is ours; visitors only see it const.
    wf_reader_explain((struct wf_record_reader *)(uintptr_t)e->reader, format, args);
    va_end(args);
    return err;
}

static enum weft_err check_text(struct wf_record_reader *r, const struct wf_value *v)
{
    if (v->kind != WF_VALUE_STRING && v->kind != WF_VALUE_BYTES)
        return WEFT_OK;
    if (v->bytes.len > r->left.max_string)
        return wf_reader_fail(
            r, WEFT_E_TOO_BIG, "%zu bytes, at most %zu", v->bytes.len, r->left.max_string);
    if (v->kind == WF_VALUE_STRING && !wf_utf8_is_valid(v->bytes))
        return wf_reader_fail(r, WEFT_E_BAD_UTF8, "not valid UTF-8");
    return WEFT_OK;
}

static struct wf_value found_value(const struct wf_schema_field *f, const struct wf_found *got)
{
    if (got->wire != WF_WIRE_DELIMITED)
        return wf_wire_scalar(f->type, got->raw);
    return (struct wf_value){ .kind = wf_schema_value_kind(f->type), .bytes = wf_found_bytes(got) };
}

static enum weft_err emit(struct wf_record_reader *r, struct wf_record_event *e, bool *skip)
{
    bool ignored = false;

    if (r->muted)
        return WEFT_OK;
    e->reader = r;
    e->depth = r->depth;
    return r->visitor(r->ctx, e, skip ? skip : &ignored);
}

static enum weft_err read_message(
    struct wf_record_reader *r, const struct wf_schema_message *m, struct wf_record_event *e);

// Emits a value of any type at the reader's place. The step of this level must be set.
static enum weft_err visit(
    struct wf_record_reader *r, const struct wf_schema_field *type, const struct wf_value *v)
{
    const struct wf_step *s = &r->steps[r->depth - 1];
    struct wf_record_event e = {
        .what = v->kind == WF_VALUE_MESSAGE ? WF_RECORD_MESSAGE : WF_RECORD_VALUE,
        .field = s->field,
        .type = type,
        .value = *v,
        .key = s->key,
        .index = s->index,
    };

    if (v->kind == WF_VALUE_MESSAGE)
        return read_message(r, type->message, &e);
    enum weft_err err = check_text(r, v);
    return err ? err : emit(r, &e, NULL);
}

// Of several singular values all must be valid, though the last alone is seen.
static enum weft_err check_texts(
    struct wf_record_reader *r, const struct wf_schema_field *f, struct wf_run run)
{
    for (size_t i = run.from; i < run.to; i++) {
        struct wf_value v = found_value(f, &r->found[i]);
        enum weft_err err = check_text(r, &v);
        if (err)
            return err;
    }
    return WEFT_OK;
}

static enum weft_err visit_singular(
    struct wf_record_reader *r, const struct wf_schema_field *f, struct wf_run run)
{
    struct wf_value v = found_value(f, &r->found[run.to - 1]);
    enum weft_err err = WEFT_OK;

    if (v.kind == WF_VALUE_MESSAGE)
        err = wf_reader_merge(r, run, &v.bytes);
    else
        err = check_texts(r, f, run);
    if (err)
        return err;
    if (!f->presence && wf_value_is_zero(&v))
        return WEFT_OK;
    return visit(r, f, &v);
}

static enum weft_err emit_bound(
    struct wf_record_reader *r, enum wf_record_what what, const struct wf_schema_field *f)
{
    struct wf_record_event e = { .what = what, .field = f, .type = f };

    return emit(r, &e, NULL);
}

// The list begins with its first element: one of empty packed runs alone is no list.
static enum weft_err visit_element(
    struct wf_record_reader *r, const struct wf_schema_field *f, const struct wf_value *v)
{
    struct wf_step *s = &r->steps[r->depth - 1];
    enum weft_err err = WEFT_OK;

    if (!s->indexed)
        err = emit_bound(r, WF_RECORD_LIST, f);
    else
        s->index++;
    s->indexed = true;
    return err ? err : visit(r, f, v);
}

static enum weft_err visit_packed(
    struct wf_record_reader *r, const struct wf_schema_field *f, struct wf_bytes in)
{
    enum wf_wire_type wire = wf_wire_type_of(f->type);

    while (in.len) {
        uint64_t raw = 0;
        enum weft_err err = wf_reader_spend(r);
        if (!err)
            err = wf_wire_take_raw(&in, wire, &raw);
        if (err)
            return err;
        if (wf_reader_is_unknown_enum(f, raw)) {
            r->unknown++;
            continue;
        }
        struct wf_value v = wf_wire_scalar(f->type, raw);
        err = visit_element(r, f, &v);
        if (err)
            return err;
    }
    return WEFT_OK;
}

static enum weft_err visit_list(
    struct wf_record_reader *r, const struct wf_schema_field *f, struct wf_run run)
{
    bool packable = wf_wire_type_of(f->type) != WF_WIRE_DELIMITED;

    for (size_t i = run.from; i < run.to; i++) {
        struct wf_found got = r->found[i];
        struct wf_value v = found_value(f, &got);
        enum weft_err err = packable && got.wire == WF_WIRE_DELIMITED
                                ? visit_packed(r, f, wf_found_bytes(&got))
                                : visit_element(r, f, &v);
        if (err)
            return err;
    }
    return r->steps[r->depth - 1].indexed ? emit_bound(r, WF_RECORD_LIST_END, f) : WEFT_OK;
}

struct entry {
    struct wf_value key, value;
    size_t order;
};

static int cmp_key(const struct wf_value *a, const struct wf_value *b)
{
    switch (a->kind) {
    case WF_VALUE_STRING:
        return wf_bytes_cmp(a->bytes, b->bytes);
    case WF_VALUE_INT:
        return a->i < b->i ? -1 : a->i > b->i;
    case WF_VALUE_UINT:
        return a->u < b->u ? -1 : a->u > b->u;
    default:
        return (int)a->b - (int)b->b;
    }
}

static int cmp_entry(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int c = cmp_key(&x->key, &y->key);

    if (c != 0)
        return c;
    return x->order < y->order ? -1 : x->order > y->order;
}

// One side of a map entry: the last occurrence, pieces of a message merged, the default where there is none.
static enum weft_err entry_side(struct wf_record_reader *r, const struct wf_schema_message *type,
    uint32_t side, struct wf_run all, struct wf_value *ret)
{
    const struct wf_schema_field *f = &type->fields[side];
    struct wf_run run = all;

    while (run.from < run.to && r->found[run.from].index != side)
        run.from++;
    while (run.to > run.from && r->found[run.to - 1].index != side)
        run.to--;
    if (run.from == run.to) {
        *ret = f->default_value;
        if (f->type == WF_TYPE_MESSAGE)
            *ret = (struct wf_value){ .kind = WF_VALUE_MESSAGE };
        return WEFT_OK;
    }
    *ret = found_value(f, &r->found[run.to - 1]);
    if (ret->kind == WF_VALUE_MESSAGE)
        return wf_reader_merge(r, run, &ret->bytes);
    return check_texts(r, f, run);
}

// An entry whose value is a closed enum's unknown number is unknown as a whole: *ret_known is false.
static enum weft_err read_entry(struct wf_record_reader *r, const struct wf_schema_field *f,
    const struct wf_found *got, struct entry *ret, bool *ret_known)
{
    struct wf_run run = { 0 };

    r->dropped_enum = false;
    enum weft_err err = wf_reader_settle(r, f->message, wf_found_bytes(got), &run);
    if (!err)
        err = entry_side(r, f->message, 0, run, &ret->key);
    if (!err)
        err = entry_side(r, f->message, 1, run, &ret->value);
    if (err)
        return err;
    r->found_count = run.from;
    *ret_known = !r->dropped_enum;
    return WEFT_OK;
}

static enum weft_err visit_entries(struct wf_record_reader *r, const struct wf_schema_field *f,
    const struct entry *entries, size_t count)
{
    struct wf_step *s = &r->steps[r->depth - 1];
    enum weft_err err = count ? emit_bound(r, WF_RECORD_MAP, f) : WEFT_OK;
    size_t index = 0;

    for (size_t i = 0; i < count && !err; i++) {
        // A later entry of the same key replaces it.
        bool replaced = i + 1 < count && cmp_key(&entries[i].key, &entries[i + 1].key) == 0;
        s->key = &entries[i].key;
        s->index = index;
        r->muted += replaced;
        err = visit(r, &f->message->fields[1], &entries[i].value);
        r->muted -= replaced;
        index += !replaced;
    }
    if (err || count == 0)
        return err;
    s->key = NULL;
    return emit_bound(r, WF_RECORD_MAP_END, f);
}

static enum weft_err visit_map(
    struct wf_record_reader *r, const struct wf_schema_field *f, struct wf_run run)
{
    size_t count = 0;
    struct entry *entries = wf_arena_alloc(&r->scratch, (run.to - run.from) * sizeof *entries);

    if (!entries)
        return wf_arena_err(&r->scratch);
    for (size_t i = run.from; i < run.to; i++) {
        struct wf_found got = r->found[i];
        bool known = false;
        enum weft_err err = read_entry(r, f, &got, &entries[count], &known);
        if (err)
            return err;
        entries[count].order = count;
        count += known;
    }
    if (count)
        qsort(entries, count, sizeof *entries, cmp_entry);
    return visit_entries(r, f, entries, count);
}

static enum weft_err check_required(
    struct wf_record_reader *r, const struct wf_schema_message *m, struct wf_run run)
{
    size_t at = run.from;

    for (uint32_t i = 0; i < m->field_count; i++) {
        while (at < run.to && r->found[at].index < i)
            at++;
        if (!m->fields[i].required || (at < run.to && r->found[at].index == i))
            continue;
        r->steps[r->depth - 1] = (struct wf_step){ .field = &m->fields[i] };
        return wf_reader_fail(r, WEFT_E_MISSING_FIELD, "required field is absent");
    }
    return WEFT_OK;
}

// Oneof members that another replaced, left on the stack by wf_reader_settle.
static enum weft_err check_losers(
    struct wf_record_reader *r, const struct wf_schema_message *m, struct wf_run run)
{
    size_t end = r->found_count;
    enum weft_err err = WEFT_OK;

    r->muted++;
    for (size_t i = run.to; i < end && !err; i++) {
        struct wf_found got = r->found[i];
        const struct wf_schema_field *f = &m->fields[got.index];
        struct wf_value v = found_value(f, &got);
        r->steps[r->depth - 1] = (struct wf_step){ .field = f };
        err = visit(r, f, &v);
    }
    r->muted--;
    r->found_count = run.to;
    return err;
}

static enum weft_err visit_fields(
    struct wf_record_reader *r, const struct wf_schema_message *m, struct wf_run run)
{
    for (size_t i = run.from, end = 0; i < run.to; i = end) {
        uint32_t index = r->found[i].index;
        const struct wf_schema_field *f = &m->fields[index];
        enum weft_err err = WEFT_OK;
        for (end = i + 1; end < run.to && r->found[end].index == index;)
            end++;
        struct wf_run same = { i, end };
        r->steps[r->depth - 1] = (struct wf_step){ .field = f };
        if (f->map)
            err = visit_map(r, f, same);
        else
            err = f->repeated ? visit_list(r, f, same) : visit_singular(r, f, same);
        if (err)
            return err;
    }
    return WEFT_OK;
}

// Recursion ends at the depth budget, which is never above WF_MAX_RECORD_DEPTH.
static enum weft_err read_message(
    struct wf_record_reader *r, const struct wf_schema_message *m, struct wf_record_event *e)
{
    struct wf_run run = { 0 };
    bool skip = false;

    if (r->depth == r->left.max_depth)
        return wf_reader_fail(
            r, WEFT_E_TOO_DEEP, "messages nested deeper than %u", r->left.max_depth);
    e->message = m;
    enum weft_err err = emit(r, e, &skip);
    if (err || skip)
        return err;
    r->steps[r->depth++] = (struct wf_step){ 0 };
    err = wf_reader_settle(r, m, e->value.bytes, &run);
    if (!err && r->found_count > run.to)
        err = check_losers(r, m, run);
    if (!err && m->required_count && !r->muted)
        err = check_required(r, m, run);
    if (!err)
        err = visit_fields(r, m, run);
    if (err)
        return err;
    r->found_count = run.from;
    r->depth--;
    e->what = WF_RECORD_MESSAGE_END;
    return emit(r, e, NULL);
}

static void init(struct wf_record_reader *r, const struct wf_record_budget *budget)
{
    r->left = budget ? *budget : wf_record_default_budget;
    if (r->left.max_depth > WF_MAX_RECORD_DEPTH)
        r->left.max_depth = WF_MAX_RECORD_DEPTH;
    wf_arena_init(&r->scratch, WF_MAX_RECORD_SCRATCH);
    r->found = r->first;
    r->found_count = 0;
    r->found_cap = FOUND_FIRST;
    r->unknown = 0;
    r->muted = 0;
    r->explained = r->dropped_enum = false;
    r->depth = 0;
}

enum weft_err wf_record_read(const struct wf_schema_message *m, struct wf_bytes record,
    const struct wf_record_budget *budget, wf_record_fn visitor, void *ctx, size_t *ret_unknown,
    struct wf_diag *diag)
{
    struct wf_record_reader r; // not zeroed: most of it is room
    struct wf_record_event root = {
        .what = WF_RECORD_MESSAGE,
        .value = { .kind = WF_VALUE_MESSAGE, .bytes = record },
    };
    enum weft_err err = WEFT_OK;

    init(&r, budget);
    r.visitor = visitor;
    r.ctx = ctx;
    r.diag = diag;
    if (record.len > r.left.max_len)
        err = wf_reader_fail(
            &r, WEFT_E_TOO_BIG, "%zu bytes, at most %zu", record.len, r.left.max_len);
    else
        err = read_message(&r, m, &root);
    if (err && !r.explained)
        wf_reader_fail(&r, err, "%s", weft_err_text(err));
    wf_arena_fini(&r.scratch);
    if (!err && ret_unknown)
        *ret_unknown = r.unknown;
    return err;
}

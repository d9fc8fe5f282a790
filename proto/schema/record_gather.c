// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/schema/record_reader.h"

static void print_key(char *out, size_t cap, const struct wf_value *key)
{
    switch (key->kind) {
    case WF_VALUE_STRING:
        snprintf(out, cap, "[\"%.*s\"]", (int)(key->bytes.len < 40 ? key->bytes.len : 40),
            (const char *)key->bytes.ptr);
        break;
    case WF_VALUE_INT:
        snprintf(out, cap, "[%lld]", (long long)key->i);
        break;
    case WF_VALUE_UINT:
        snprintf(out, cap, "[%llu]", (unsigned long long)key->u);
        break;
    default:
        snprintf(out, cap, "[%s]", key->b ? "true" : "false");
        break;
    }
}

static void print_path(const struct wf_record_reader *r, char *out, size_t cap)
{
    size_t n = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < r->depth && n + 1 < cap; i++) {
        const struct wf_step *s = &r->steps[i];
        if (!s->field)
            break;
        n += (size_t)snprintf(out + n, cap - n, "%s%s", i ? "." : "", s->field->name);
        if (n + 1 < cap && s->key)
            print_key(out + n, cap - n, s->key);
        else if (n + 1 < cap && s->indexed)
            snprintf(out + n, cap - n, "[%zu]", s->index);
        n += n < cap ? strlen(out + n) : 0;
    }
}

void wf_reader_explain(struct wf_record_reader *r, const char *format, va_list args)
{
    char path[WF_DIAG_TEXT / 2], reason[WF_DIAG_TEXT];

    print_path(r, path, sizeof path);
    vsnprintf(reason, sizeof reason, format, args);
    wf_diag_set(r->diag, 0, 0, "%s%s%s", path, path[0] ? ": " : "", reason);
    r->explained = true;
}

enum weft_err wf_reader_fail(struct wf_record_reader *r, enum weft_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    wf_reader_explain(r, format, args);
    va_end(args);
    return err;
}

enum weft_err wf_reader_spend(struct wf_record_reader *r)
{
    if (r->left.max_elements == 0)
        return wf_reader_fail(r, WEFT_E_BUDGET, "more elements than a record may have");
    r->left.max_elements--;
    return WEFT_OK;
}

static enum weft_err push(struct wf_record_reader *r, const struct wf_found *f)
{
    if (r->found_count == r->found_cap) {
        struct wf_found *grown = wf_arena_alloc(&r->scratch, 2 * r->found_cap * sizeof *grown);
        if (!grown)
            return wf_arena_err(&r->scratch);
        memcpy(grown, r->found, r->found_count * sizeof *grown);
        r->found = grown;
        r->found_cap *= 2;
    }
    r->found[r->found_count++] = *f;
    return WEFT_OK;
}

bool wf_reader_is_unknown_enum(const struct wf_schema_field *f, uint64_t raw)
{
    return f->closed && !wf_schema_enum_by_number(f->enumeration, (int32_t)(uint32_t)raw);
}

static enum weft_err take_found(struct wf_record_reader *r, const struct wf_schema_message *m,
    const struct wf_schema_field *f, const struct wf_wire_field *w, const uint8_t *end)
{
    struct wf_found got = {
        .at = end,
        .raw = w->raw,
        .index = (uint32_t)(f - m->fields),
        .group = f->group,
        .wire = w->wire,
    };

    if (!wf_wire_fits(f, w->wire)) {
        r->steps[r->depth - 1] = (struct wf_step){ .field = f };
        return wf_reader_fail(r, WEFT_E_TYPE, "wire type %d does not encode %s", (int)w->wire,
            wf_schema_type_name(f));
    }
    if (w->wire == WF_WIRE_VARINT && wf_reader_is_unknown_enum(f, w->raw)) {
        r->dropped_enum = true;
        r->unknown++;
        return WEFT_OK;
    }
    return push(r, &got);
}

// Most writers number fields in order: the field after the last one is tried first.
static enum weft_err gather(struct wf_record_reader *r, const struct wf_schema_message *m,
    struct wf_bytes in, struct wf_run *ret, bool *ret_ordered)
{
    const struct wf_schema_field *f = NULL;
    struct wf_run run = { .from = r->found_count };
    uint32_t last = 0;
    bool ordered = true;

    while (in.len) {
        struct wf_wire_field w;
        enum weft_err err = wf_reader_spend(r);
        if (!err)
            err = wf_wire_take(&in, &w);
        if (err)
            return err;
        if (!f || f->number != w.number)
            f = wf_schema_field_by_number(m, w.number);
        if (!f) {
            r->unknown++;
            continue;
        }
        err = take_found(r, m, f, &w, in.ptr);
        if (err)
            return err;
        ordered = ordered && f->number >= last;
        last = f->number;
    }
    run.to = r->found_count;
    *ret = run;
    *ret_ordered = ordered;
    return WEFT_OK;
}

static int cmp_group(const void *a, const void *b)
{
    const struct wf_found *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int cmp_index(const void *a, const void *b)
{
    const struct wf_found *x = a, *y = b;

    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

// Of a oneof's members only the last one met counts, with those of its own kind directly before it: setting another
// member clears what was there. The others go to the end.
static enum weft_err drop_losers(
    struct wf_record_reader *r, const struct wf_schema_message *m, struct wf_run *run)
{
    struct wf_found *f = r->found, *losers = NULL;
    size_t kept = run->from, lost = 0, room = (run->to - run->from) * sizeof *f;

    qsort(f + run->from, run->to - run->from, sizeof *f, cmp_group);
    for (size_t i = run->from, end = 0; i < run->to; i = end) {
        for (end = i + 1; end < run->to && f[end].group == f[i].group;)
            end++;
        size_t keep = m->fields[f[i].index].oneof ? end - 1 : i;
        while (keep > i && f[keep - 1].index == f[end - 1].index)
            keep--;
        if (keep > i && !losers)
            losers = wf_arena_alloc(&r->scratch, room);
        if (keep > i && !losers)
            return wf_arena_err(&r->scratch);
        for (; i < keep; i++)
            losers[lost++] = f[i];
        memmove(f + kept, f + keep, (end - keep) * sizeof *f);
        kept += end - keep;
    }
    for (size_t i = 0; i < lost; i++)
        f[kept + i] = losers[i];
    run->to = kept;
    return WEFT_OK;
}

// Whether two of the fields may be members of one oneof: records seldom hold such, and then nothing needs sorting.
static bool has_rivals(
    const struct wf_record_reader *r, const struct wf_schema_message *m, struct wf_run run)
{
    const struct wf_schema_oneof *seen = NULL;

    for (size_t i = run.from; i < run.to; i++) {
        const struct wf_schema_field *f = &m->fields[r->found[i].index];
        if (f->oneof && seen && (f->oneof != seen || r->found[i].index != r->found[i - 1].index))
            return true;
        if (f->oneof)
            seen = f->oneof;
    }
    return false;
}

enum weft_err wf_reader_settle(struct wf_record_reader *r, const struct wf_schema_message *m,
    struct wf_bytes in, struct wf_run *ret)
{
    struct wf_run run = { 0 };
    bool ordered = false;
    enum weft_err err = gather(r, m, in, &run, &ordered);

    if (err)
        return err;
    if (m->oneof_count && has_rivals(r, m, run)) {
        err = drop_losers(r, m, &run);
        if (err)
            return err;
        ordered = false;
    }
    if (run.to - run.from > 1 && !ordered)
        qsort(r->found + run.from, run.to - run.from, sizeof *r->found, cmp_index);
    *ret = run;
    return WEFT_OK;
}

// A piece must end where one of its fields ends: joined with the next it might read as something else.
static enum weft_err check_piece(struct wf_bytes piece)
{
    while (piece.len) {
        struct wf_wire_field ignored;
        enum weft_err err = wf_wire_take(&piece, &ignored);
        if (err)
            return err;
    }
    return WEFT_OK;
}

enum weft_err wf_reader_merge(struct wf_record_reader *r, struct wf_run run, struct wf_bytes *ret)
{
    size_t len = 0;

    if (run.to - run.from == 1) {
        *ret = wf_found_bytes(&r->found[run.from]);
        return WEFT_OK;
    }
    for (size_t i = run.from; i < run.to; i++) {
        enum weft_err err = check_piece(wf_found_bytes(&r->found[i]));
        if (err)
            return err;
        len += (size_t)r->found[i].raw;
    }
    uint8_t *all = wf_arena_alloc(&r->scratch, len);
    if (!all)
        return wf_arena_err(&r->scratch);
    *ret = wf_bytes(all, len);
    for (size_t i = run.from; i < run.to; i++) {
        struct wf_bytes piece = wf_found_bytes(&r->found[i]);
        if (piece.len)
            memcpy(all, piece.ptr, piece.len);
        all += piece.len;
    }
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
// JSON into a record: members of an object are matched to fields and written in the order of numbers. Recursion is bounded by
// WF_MAX_JSON_DEPTH, and the writer's depth before that.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/arena.h"
#include "proto/schema/known.h"
#include "proto/schema/record_write.h"
#include "sdk/conf/values.h"
#include "sdk/json.h"
#include "sdk/json_scalar.h"

// Where the encoder is, for diagnostics: a member's key or an element's index a step.
struct step {
    struct wf_bytes key;
    size_t index;
};

#define MAX_STEPS (2 * WF_MAX_JSON_DEPTH)

struct encoder {
    struct wf_record_writer w;
    struct wf_arena arena; // members, by object
    struct wf_buf scratch; // one decoded value
    struct wf_diag *diag;
    bool explained;
    unsigned depth;
    struct step steps[MAX_STEPS];
};

struct member {
    const struct wf_schema_field *field;
    struct wf_bytes key;
    const struct wf_json *value;
};

static enum weft_err encode(
    struct encoder *e, const struct wf_schema_message *m, const struct wf_json *j);

// A key as part of a path: plain names as they are, others quoted; control characters are left out.
static size_t print_step(const struct step *s, bool first, char *out, size_t cap)
{
    char name[48];
    size_t n = 0;
    bool plain = s->key.len > 0;

    if (!s->key.ptr)
        return (size_t)snprintf(out, cap, "[%zu]", s->index);
    for (size_t i = 0; i < s->key.len && n + 1 < sizeof name; i++) {
        uint8_t c = s->key.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-';
        plain = plain && word;
        if (c >= ' ' && c != 0x7f)
            name[n++] = (char)c;
    }
    name[n] = '\0';
    if (plain)
        return (size_t)snprintf(out, cap, "%s%s", first ? "" : ".", name);
    return (size_t)snprintf(out, cap, "[\"%s\"]", name);
}

__attribute__((format(printf, 3, 4))) static enum weft_err fail(
    struct encoder *e, enum weft_err err, const char *format, ...)
{
    char path[WF_DIAG_TEXT / 2] = "", reason[WF_DIAG_TEXT];
    size_t n = 0;
    va_list args;

    for (unsigned i = 0; i < e->depth && n + 1 < sizeof path; i++)
        n += print_step(&e->steps[i], i == 0, path + n, sizeof path - n);
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    wf_diag_set(e->diag, 0, 0, "%s%s%s", path, path[0] ? ": " : "", reason);
    e->explained = true;
    return err;
}

static enum weft_err expected(struct encoder *e, const char *what, const struct wf_json *got)
{
    char brief[WF_JSON_BRIEF];

    return fail(e, WEFT_E_TYPE, "expected %s, got %s", what, wf_json_brief(got, brief));
}

static enum weft_err enter(struct encoder *e, struct step s)
{
    if (e->depth == MAX_STEPS)
        return fail(e, WEFT_E_TOO_DEEP, "nested too deeply");
    e->steps[e->depth++] = s;
    return WEFT_OK;
}

static enum weft_err write_scalar(
    struct encoder *e, const struct wf_schema_field *f, const struct wf_json *j)
{
    char reason[WF_DIAG_TEXT] = "";
    struct wf_value v;
    enum weft_err err = wf_json_scalar(f, j, &e->scratch, &v, reason);

    if (err)
        return reason[0] ? fail(e, err, "%s", reason) : err;
    return wf_record_write_value(&e->w, f, &v);
}

static enum weft_err write_int(struct encoder *e, const struct wf_schema_field *f, int64_t i)
{
    struct wf_value v = { .kind = WF_VALUE_INT, .i = i };

    return wf_record_write_value(&e->w, f, &v);
}

// ---- well-known types

static enum weft_err encode_moment(
    struct encoder *e, const struct wf_schema_message *m, const struct wf_json *j)
{
    bool stamp = m->known == WF_KNOWN_TIMESTAMP;
    const char *what = stamp ? "an RFC 3339 time such as \"2026-01-02T03:04:05.678Z\""
                             : "a duration such as \"1.500s\"";
    struct wf_moment t = { 0 };

    if (wf_json_type(j) != WF_JSON_STRING)
        return expected(e, what, j);
    enum weft_err err = stamp ? wf_timestamp_parse(wf_json_string(j), &t)
                              : wf_known_duration_parse(wf_json_string(j), &t);
    if (err) {
        expected(e, what, j);
        return err;
    }
    err = write_int(e, &m->fields[0], t.seconds);
    return err ? err : write_int(e, &m->fields[1], t.nanos);
}

static enum weft_err encode_mask(
    struct encoder *e, const struct wf_schema_message *m, const struct wf_json *j)
{
    struct wf_bytes rest = wf_json_string(j);

    if (wf_json_type(j) != WF_JSON_STRING)
        return expected(e, "field paths such as \"name,disks.usedBytes\"", j);
    while (rest.len) {
        const uint8_t *comma = memchr(rest.ptr, ',', rest.len);
        struct wf_bytes path = wf_bytes(rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.len);
        e->scratch.len = 0;
        enum weft_err err = wf_mask_path_from_json(path, &e->scratch);
        if (err == WEFT_E_RANGE)
            return fail(e, WEFT_E_SYNTAX, "a path of a FieldMask is lowerCamelCase");
        struct wf_value v = { .kind = WF_VALUE_STRING, .bytes = wf_buf_view(&e->scratch) };
        if (!err)
            err = wf_record_write_value(&e->w, &m->fields[0], &v);
        if (err)
            return err;
        rest = comma ? wf_bytes(comma + 1, rest.len - path.len - 1) : wf_bytes(NULL, 0);
    }
    return WEFT_OK;
}

static enum weft_err encode_nested(
    struct encoder *e, const struct wf_schema_field *f, const struct wf_json *j)
{
    enum weft_err err = wf_record_write_begin(&e->w, f);

    if (!err)
        err = encode(e, f->message, j);
    return err ? err : wf_record_write_end(&e->w);
}

static enum weft_err encode_value(
    struct encoder *e, const struct wf_schema_message *m, const struct wf_json *j)
{
    const struct wf_schema_field *f = m->fields; // null, number, string, bool, struct, list
    struct wf_value null = { .kind = WF_VALUE_ENUM };

    switch (wf_json_type(j)) {
    case WF_JSON_NULL:
        return wf_record_write_value(&e->w, &f[0], &null);
    case WF_JSON_INT:
    case WF_JSON_REAL:
        return write_scalar(e, &f[1], j);
    case WF_JSON_STRING:
        return write_scalar(e, &f[2], j);
    case WF_JSON_BOOL:
        return write_scalar(e, &f[3], j);
    case WF_JSON_OBJECT:
        return encode_nested(e, &f[4], j);
    default:
        return encode_nested(e, &f[5], j);
    }
}

// ---- lists and maps

// null stands for a value in these types only.
static bool takes_null(const struct wf_schema_field *f)
{
    return f->type == WF_TYPE_MESSAGE ? f->message->known == WF_KNOWN_VALUE
                                      : f->type == WF_TYPE_ENUM && f->enumeration->null_value;
}

static enum weft_err write_field(
    struct encoder *e, const struct wf_schema_field *f, const struct wf_json *j)
{
    if (f->type == WF_TYPE_MESSAGE)
        return encode_nested(e, f, j);
    return write_scalar(e, f, j);
}

static enum weft_err encode_list(
    struct encoder *e, const struct wf_schema_field *f, const struct wf_json *j)
{
    size_t count = wf_json_count(j);

    if (wf_json_type(j) != WF_JSON_ARRAY)
        return expected(e, "a list", j);
    for (size_t i = 0; i < count; i++) {
        const struct wf_json *item = wf_json_at(j, i);
        enum weft_err err = enter(e, (struct step){ .index = i });
        if (err)
            return err;
        if (wf_json_type(item) == WF_JSON_NULL && !takes_null(f))
            return fail(e, WEFT_E_TYPE, "null can't stand in a list");
        err = write_field(e, f, item);
        if (err)
            return err;
        e->depth--;
    }
    return WEFT_OK;
}

struct entry {
    struct wf_value key;
    struct wf_bytes text;
    const struct wf_json *value;
};

static int cmp_entry(const void *a, const void *b)
{
    const struct wf_value *x = &((const struct entry *)a)->key,
                          *y = &((const struct entry *)b)->key;

    switch (x->kind) {
    case WF_VALUE_STRING:
        return wf_bytes_cmp(x->bytes, y->bytes);
    case WF_VALUE_INT:
        return x->i < y->i ? -1 : x->i > y->i;
    case WF_VALUE_UINT:
        return x->u < y->u ? -1 : x->u > y->u;
    default:
        return (int)x->b - (int)y->b;
    }
}

static enum weft_err encode_entry(
    struct encoder *e, const struct wf_schema_field *f, const struct entry *entry)
{
    const struct wf_schema_field *value = &f->message->fields[1];
    enum weft_err err = wf_record_write_begin(&e->w, f);

    if (!err)
        err = wf_record_write_value(&e->w, &f->message->fields[0], &entry->key);
    if (!err && wf_json_type(entry->value) == WF_JSON_NULL && !takes_null(value))
        err = fail(e, WEFT_E_TYPE, "null can't stand in a map");
    if (!err)
        err = write_field(e, value, entry->value);
    return err ? err : wf_record_write_end(&e->w);
}

static enum weft_err gather_entries(struct encoder *e, const struct wf_schema_field *f,
    const struct wf_json *j, struct entry *entries)
{
    struct wf_json_iter it = { 0 };
    struct entry *at = entries;

    while (wf_json_next(j, &it, &at->text, &at->value)) {
        char reason[WF_DIAG_TEXT] = "";
        enum weft_err err = enter(e, (struct step){ .key = at->text });
        if (!err)
            err = wf_json_map_key(&f->message->fields[0], at->text, &at->key, reason);
        if (err)
            return e->explained ? err : fail(e, err, "%s", reason);
        e->depth--;
        at++;
    }
    return WEFT_OK;
}

// In ascending order of keys, as readers and python3-protobuf give them.
static enum weft_err encode_map(
    struct encoder *e, const struct wf_schema_field *f, const struct wf_json *j)
{
    if (wf_json_type(j) != WF_JSON_OBJECT)
        return expected(e, "an object", j);
    size_t count = wf_json_count(j);
    struct entry *entries = wf_arena_alloc(&e->arena, count * sizeof *entries);
    if (!entries)
        return wf_arena_err(&e->arena);
    enum weft_err err = gather_entries(e, f, j, entries);
    if (err)
        return err;
    if (count)
        qsort(entries, count, sizeof *entries, cmp_entry);
    for (size_t i = 0; i < count; i++) {
        err = enter(e, (struct step){ .key = entries[i].text });
        if (!err && i && cmp_entry(&entries[i - 1], &entries[i]) == 0)
            err = fail(e, WEFT_E_EXISTS, "the key stands twice, written differently");
        if (!err)
            err = encode_entry(e, f, &entries[i]);
        if (err)
            return err;
        e->depth--;
    }
    return WEFT_OK;
}

// ---- messages

// JSON names first, then the original ones.
static const char *next_name(const void *context, size_t i)
{
    const struct wf_schema_message *m = context;

    if (i < m->field_count)
        return m->fields[i].json_name;
    i -= m->field_count;
    return i < m->field_count ? m->fields[i].name : NULL;
}

static enum weft_err unknown_key(
    struct encoder *e, const struct wf_schema_message *m, struct wf_bytes key)
{
    const char *near = wf_suggest(key, next_name, m);
    enum weft_err err = enter(e, (struct step){ .key = key });

    if (err)
        return err;
    if (near)
        return fail(e, WEFT_E_UNKNOWN_FIELD, "%s has no such field (did you mean \"%s\"?)",
            m->full_name, near);
    return fail(e, WEFT_E_UNKNOWN_FIELD, "%s has no such field", m->full_name);
}

static int cmp_member(const void *a, const void *b)
{
    uint32_t x = ((const struct member *)a)->field->number;
    uint32_t y = ((const struct member *)b)->field->number;

    return x < y ? -1 : x > y;
}

// Members that say something. null says nothing, except where it is a value.
static enum weft_err gather_members(struct encoder *e, const struct wf_schema_message *m,
    const struct wf_json *j, struct member *members, size_t *ret_count)
{
    struct wf_json_iter it = { 0 };
    struct wf_bytes key;
    const struct wf_json *value;
    size_t count = 0;

    while (wf_json_next(j, &it, &key, &value)) {
        const struct wf_schema_field *f = wf_schema_field_by_json(m, key);
        if (!f)
            return unknown_key(e, m, key);
        if (wf_json_type(value) == WF_JSON_NULL && (f->repeated || !takes_null(f)))
            continue;
        members[count++] = (struct member){ f, key, value };
    }
    *ret_count = count;
    return WEFT_OK;
}

static int cmp_group(const void *a, const void *b)
{
    const struct wf_schema_field *x = ((const struct member *)a)->field;
    const struct wf_schema_field *y = ((const struct member *)b)->field;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

// A field under both of its names, or two members of a oneof: both stand side by side when sorted by group.
static enum weft_err check_twice(struct encoder *e, struct member *members, size_t count)
{
    if (count)
        qsort(members, count, sizeof *members, cmp_group);
    for (size_t i = 1; i < count; i++) {
        const struct wf_schema_field *f = members[i - 1].field;
        if (f->group != members[i].field->group)
            continue;
        enum weft_err err = enter(e, (struct step){ .key = members[i].key });
        if (err)
            return err;
        if (f == members[i].field)
            return fail(e, WEFT_E_EXISTS, "the field is given twice");
        return fail(e, WEFT_E_EXISTS, "oneof %s already has \"%s\"", f->oneof->name, f->json_name);
    }
    if (count)
        qsort(members, count, sizeof *members, cmp_member);
    return WEFT_OK;
}

static enum weft_err check_required(struct encoder *e, const struct wf_schema_message *m,
    const struct member *members, size_t count)
{
    size_t at = 0;

    for (uint32_t i = 0; m->required_count && i < m->field_count; i++) {
        const struct wf_schema_field *f = &m->fields[i];
        while (at < count && members[at].field->number < f->number)
            at++;
        if (f->required && (at == count || members[at].field != f))
            return fail(e, WEFT_E_MISSING_FIELD, "required field \"%s\" is absent", f->json_name);
    }
    return WEFT_OK;
}

static enum weft_err encode_member(struct encoder *e, const struct member *m)
{
    enum weft_err err = enter(e, (struct step){ .key = m->key });

    if (err)
        return err;
    if (m->field->map)
        err = encode_map(e, m->field, m->value);
    else if (m->field->repeated)
        err = encode_list(e, m->field, m->value);
    else
        err = write_field(e, m->field, m->value);
    if (!err)
        e->depth--;
    return err;
}

static enum weft_err encode_members(
    struct encoder *e, const struct wf_schema_message *m, const struct wf_json *j)
{
    size_t count = 0;

    if (wf_json_type(j) != WF_JSON_OBJECT)
        return expected(e, "an object", j);
    struct member *members = wf_arena_alloc(&e->arena, wf_json_count(j) * sizeof *members);
    if (!members)
        return wf_arena_err(&e->arena);
    enum weft_err err = gather_members(e, m, j, members, &count);
    if (!err)
        err = check_twice(e, members, count);
    if (!err)
        err = check_required(e, m, members, count);
    for (size_t i = 0; i < count && !err; i++)
        err = encode_member(e, &members[i]);
    return err;
}

static enum weft_err encode(
    struct encoder *e, const struct wf_schema_message *m, const struct wf_json *j)
{
    switch (m->known) {
    case WF_KNOWN_TIMESTAMP:
    case WF_KNOWN_DURATION:
        return encode_moment(e, m, j);
    case WF_KNOWN_FIELD_MASK:
        return encode_mask(e, m, j);
    case WF_KNOWN_VALUE:
        return encode_value(e, m, j);
    case WF_KNOWN_STRUCT:
        return encode_map(e, &m->fields[0], j);
    case WF_KNOWN_LIST_VALUE:
        return encode_list(e, &m->fields[0], j);
    case WF_KNOWN_WRAPPER:
        return write_scalar(e, &m->fields[0], j);
    default:
        return encode_members(e, m, j);
    }
}

enum weft_err wf_json_encode(const struct wf_schema_message *m, const struct wf_json *json,
    size_t max, struct wf_buf *out, struct wf_diag *diag)
{
    struct encoder e; // not zeroed: most of it is room

    e.scratch = (struct wf_buf){ 0 };
    e.diag = diag;
    e.explained = false;
    e.depth = 0;
    wf_arena_init(&e.arena, WF_MAX_JSON_NODES * sizeof(struct entry));
    wf_record_write_init(&e.w, m, max, out);
    enum weft_err err = encode(&e, m, json);
    if (!err)
        err = wf_record_write_finish(&e.w);
    if (err && !e.explained)
        fail(&e, err, "%s", weft_err_text(err));
    if (err)
        wf_record_write_cancel(&e.w);
    wf_buf_fini(&e.scratch);
    wf_arena_fini(&e.arena);
    return err;
}

enum weft_err wf_json_to_record(const struct wf_schema_message *m, struct wf_bytes json,
    struct wf_buf *out, struct wf_diag *diag)
{
    struct wf_json *j = NULL;
    enum weft_err err = wf_json_parse(json, &j, diag);

    if (err)
        return err;
    err = wf_json_encode(m, j, WF_MAX_RECORD, out, diag);
    wf_json_free(j);
    return err;
}

// SPDX-License-Identifier: Apache-2.0
#include "node/source/lines.h"

#include <stdio.h>
#include <time.h>

#include "proto/schema/record.h"
#include "sdk/json.h"

void wf_lines_fini(struct wf_lines *l)
{
    wf_buf_fini(&l->partial);
    wf_buf_fini(&l->raw);
    wf_buf_fini(&l->scratch);
}

void wf_lines_clear(struct wf_lines *l)
{
    l->raw.len = 0;
    l->count = 0;
}

void wf_lines_trim(struct wf_lines *l)
{
    if (!l->raw.len)
        wf_buf_fini(&l->raw);
    if (!l->partial.len)
        wf_buf_fini(&l->partial);
    wf_buf_fini(&l->scratch);
}

static void refuse(struct wf_lines *l, const char *why)
{
    l->refused++;
    snprintf(l->last_error, sizeof l->last_error, "line %llu: %.220s", (unsigned long long)l->lines,
        why);
}

// "2026-11-21T10:00:00[.ffffff]Z", UTC only: sources are programs.
static bool parse_time(struct wf_bytes text, int64_t *ret_us)
{
    char copy[40];
    struct tm tm = { 0 };

    if (text.len < 20 || text.len >= sizeof copy || text.ptr[text.len - 1] != 'Z')
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len - 1] = '\0';
    const char *rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return false;
    int64_t us = (int64_t)timegm(&tm) * 1000000, scale = 100000;
    if (*rest == '.')
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
            us += (*rest - '0') * scale;
    *ret_us = us;
    return *rest == '\0';
}

static bool parse_op(const struct wf_json *j, enum wf_record_op *ret)
{
    static const char *const names[] = { "put", "delete", "snapshot-begin", "snapshot-end" };
    struct wf_bytes op = wf_json_string(j);

    for (size_t i = 0; i < WF_COUNT(names); i++)
        if (wf_bytes_is(op, names[i])) {
            *ret = (enum wf_record_op)i;
            return true;
        }
    return false;
}

// The protocol's own members: what they say, and nothing unknown among them.
static const char *take_controls(const struct wf_json *j, enum wf_record_op *op, int64_t *time_us)
{
    struct wf_json_iter it = { 0 };
    struct wf_bytes key;
    const struct wf_json *v = NULL;

    while (wf_json_next(j, &it, &key, &v)) {
        if (key.len == 0 || key.ptr[0] != '@')
            continue;
        if (wf_bytes_is(key, "@op")) {
            if (!parse_op(v, op))
                return "@op is put, delete, snapshot-begin or snapshot-end";
        } else if (wf_bytes_is(key, "@time")) {
            if (!parse_time(wf_json_string(v), time_us))
                return "@time is not RFC 3339 in UTC (2026-01-31T12:00:00Z)";
        } else {
            return "an unknown member beginning with '@'";
        }
    }
    return NULL;
}

static bool is_key(const struct wf_lines *l, const char *field)
{
    size_t len = strlen(field);

    for (size_t i = 0; i < l->key_count; i++)
        if (strncmp(l->keys[i], field, len) == 0 &&
            (l->keys[i][len] == '\0' || l->keys[i][len] == '.'))
            return true;
    return false;
}

// A delete names the row and nothing else.
static const char *check_delete(
    const struct wf_lines *l, const struct wf_schema_message *m, const struct wf_json *j)
{
    struct wf_json_iter it = { 0 };
    struct wf_bytes name;
    const struct wf_json *v = NULL;

    while (wf_json_next(j, &it, &name, &v)) {
        const struct wf_schema_field *f = wf_schema_field_by_json(m, name);
        if (f && !is_key(l, f->name))
            return "a delete carries the key fields and no other";
    }
    for (size_t i = 0; i < l->key_count; i++) {
        char first[WF_MAX_SCHEMA_NAME + 1];
        size_t len = strcspn(l->keys[i], ".");
        if (len >= sizeof first)
            return "a delete carries every key field";
        memcpy(first, l->keys[i], len);
        first[len] = '\0';
        const struct wf_schema_field *f = wf_schema_field_by_name(m, wf_bytes_str(first));
        if (!f || (!wf_json_get(j, first) && !wf_json_get(j, f->json_name)))
            return "a delete carries every key field";
    }
    return NULL;
}

// What the mark asks of the rest of the line.
static const char *check_op(const struct wf_lines *l, const struct wf_schema_message *m,
    const struct wf_json *j, enum wf_record_op op)
{
    if (op != WF_OP_PUT && l->key_count == 0)
        return "only an inventory has deletes and snapshots";
    if (op == WF_OP_DELETE)
        return check_delete(l, m, j);
    if (op != WF_OP_PUT && wf_json_count(j) > 0)
        return "a snapshot mark has no fields";
    return NULL;
}

static enum weft_err add_record(
    struct wf_lines *l, const struct wf_schema_message *m, enum wf_record_op op, int64_t time_us)
{
    int64_t own_ms = 0;

    if (op == WF_OP_PUT && wf_record_time(m, wf_buf_view(&l->scratch), &own_ms) == WEFT_OK)
        time_us = own_ms * 1000;
    if (l->count == 0)
        l->base_us = time_us;
    enum weft_err err = wf_records_add(&l->raw, op, time_us, l->base_us, wf_buf_view(&l->scratch));
    if (!err)
        l->count++;
    return err;
}

static enum weft_err take_line(
    struct wf_lines *l, const struct wf_schema_message *m, struct wf_bytes line, int64_t now_us)
{
    struct wf_json *j = NULL;
    struct wf_diag diag = { 0 };
    enum wf_record_op op = WF_OP_PUT;
    int64_t time_us = now_us;

    l->lines++;
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0)
        return WEFT_OK;
    enum weft_err err = wf_json_parse(line, &j, &diag);
    const char *why = err                                 ? diag.text
                      : wf_json_type(j) != WF_JSON_OBJECT ? "not a JSON object"
                                                          : take_controls(j, &op, &time_us);
    l->scratch.len = 0;
    if (!why) {
        wf_json_strip_at(j);
        why = check_op(l, m, j, op);
    }
    if (!why && (op == WF_OP_PUT || op == WF_OP_DELETE)) {
        err = wf_json_encode(m, j, WF_MAX_RECORD, &l->scratch, &diag);
        why = err ? diag.text : NULL;
    }
    wf_json_free(j);
    if (err == WEFT_E_NOMEM)
        return err;
    if (why) {
        refuse(l, why);
        return WEFT_OK;
    }
    return add_record(l, m, op, time_us);
}

static enum weft_err keep_partial(struct wf_lines *l, struct wf_bytes part)
{
    if (l->skipping)
        return WEFT_OK;
    if (l->partial.len + part.len > WF_SOURCE_LINE_MAX) {
        l->skipping = true;
        l->partial.len = 0;
        l->lines++;
        refuse(l, "longer than 256 KiB");
        l->lines--;
        return WEFT_OK;
    }
    return wf_buf_append(&l->partial, part);
}

static enum weft_err end_line(
    struct wf_lines *l, const struct wf_schema_message *m, struct wf_bytes part, int64_t now_us)
{
    enum weft_err err = WEFT_OK;

    if (l->skipping) {
        l->skipping = false;
        l->lines++;
        return WEFT_OK;
    }
    if (l->partial.len == 0 && part.len <= WF_SOURCE_LINE_MAX)
        return take_line(l, m, part, now_us);
    err = keep_partial(l, part);
    if (!err && !l->skipping)
        err = take_line(l, m, wf_buf_view(&l->partial), now_us);
    else if (l->skipping)
        l->lines++;
    l->skipping = false;
    l->partial.len = 0;
    return err;
}

enum weft_err wf_lines_feed(struct wf_lines *l, const struct wf_schema_message *m,
    struct wf_bytes in, int64_t now_us, size_t enough, size_t *ret_taken)
{
    size_t at = 0;
    enum weft_err err = WEFT_OK;

    while (at < in.len && l->raw.len < enough && !err) {
        const uint8_t *nl = memchr(in.ptr + at, '\n', in.len - at);
        size_t len = nl ? (size_t)(nl - in.ptr) - at : in.len - at;
        struct wf_bytes part = wf_bytes(in.ptr + at, len);
        err = nl ? end_line(l, m, part, now_us) : keep_partial(l, part);
        at += len + (nl != NULL);
    }
    *ret_taken = at;
    return err;
}

// SPDX-License-Identifier: Apache-2.0
// The door to jansson. struct wf_json is its json_t under another name; nothing outside of this file sees which.
#include "sdk/json.h"

#include <jansson.h>
#include <stdio.h>

#include "proto/schema/number.h"

static const json_t *in(const struct wf_json *j)
{
    return (const json_t *)j;
}

static const struct wf_json *out(const json_t *j)
{
    return (const struct wf_json *)j;
}

// jansson's iterators take a mutable object, and do not change it.
static json_t *unconst(const struct wf_json *j)
{
    return (json_t *)(uintptr_t)j;
}

// Depth and values are counted before the parser runs: it recurses up to 2,048 levels and takes about 130 bytes for each "[]".
static enum weft_err scan(struct wf_bytes text, struct wf_diag *diag)
{
    size_t depth = 0, values = 1;
    bool quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        if (quoted)
            continue;
        values += c == ',' || c == '[' || c == '{';
        depth += c == '[' || c == '{';
        if (depth > WF_MAX_JSON_DEPTH) {
            wf_diag_set(diag, 0, 0, "JSON nested deeper than %u", WF_MAX_JSON_DEPTH);
            return WEFT_E_TOO_DEEP;
        }
        depth -= depth && (c == ']' || c == '}');
    }
    if (values <= WF_MAX_JSON_NODES)
        return WEFT_OK;
    wf_diag_set(diag, 0, 0, "JSON of more than %u values", WF_MAX_JSON_NODES);
    return WEFT_E_BUDGET;
}

// jansson repeats a bit of the text in its messages; what a terminal would act on does not belong there.
static void explain(const json_error_t *e, struct wf_diag *diag)
{
    char clean[JSON_ERROR_TEXT_LENGTH];
    size_t n = 0;

    for (; e->text[n] && n + 1 < sizeof clean; n++)
        clean[n] = e->text[n] >= ' ' && e->text[n] < 0x7f ? e->text[n] : '?';
    clean[n] = '\0';
    wf_diag_set(diag, e->line > 0 ? (unsigned)e->line : 0, e->column > 0 ? (unsigned)e->column : 0,
        "%s", clean);
}

// An integer beyond int64 fails jansson's parse. Then every number is read as double: such an integer is a REAL, and so are
// the others, which integer fields accept up to 2^53 and refuse above rather than round.
enum weft_err wf_json_parse(struct wf_bytes text, struct wf_json **ret_json, struct wf_diag *diag)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_error_t e = { 0 };

    if (text.len > WF_MAX_JSON) {
        wf_diag_set(diag, 0, 0, "%zu bytes of JSON, at most %u", text.len, WF_MAX_JSON);
        return WEFT_E_TOO_BIG;
    }
    enum weft_err err = scan(text, diag);
    if (err)
        return err;
    const char *p = text.len ? (const char *)text.ptr : "";
    json_t *j = json_loadb(p, text.len, flags, &e);
    if (!j && json_error_code(&e) == json_error_numeric_overflow)
        j = json_loadb(p, text.len, flags | JSON_DECODE_INT_AS_REAL, &e);
    if (!j) {
        explain(&e, diag);
        return json_error_code(&e) == json_error_out_of_memory ? WEFT_E_NOMEM : WEFT_E_SYNTAX;
    }
    *ret_json = (struct wf_json *)j;
    return WEFT_OK;
}

void wf_json_free(struct wf_json *json)
{
    json_decref((json_t *)json);
}

void wf_json_strip_at(struct wf_json *object)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe((json_t *)object, next, key, value) if (key[0] == '@')
        json_object_del((json_t *)object, key);
}

enum wf_json_type wf_json_type(const struct wf_json *j)
{
    if (!j)
        return WF_JSON_NULL;
    switch (json_typeof(in(j))) {
    case JSON_OBJECT:
        return WF_JSON_OBJECT;
    case JSON_ARRAY:
        return WF_JSON_ARRAY;
    case JSON_STRING:
        return WF_JSON_STRING;
    case JSON_INTEGER:
        return WF_JSON_INT;
    case JSON_REAL:
        return WF_JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return WF_JSON_BOOL;
    default:
        return WF_JSON_NULL;
    }
}

bool wf_json_bool(const struct wf_json *j)
{
    return json_is_true(in(j));
}

int64_t wf_json_int(const struct wf_json *j)
{
    return json_integer_value(in(j));
}

double wf_json_real(const struct wf_json *j)
{
    return json_number_value(in(j));
}

struct wf_bytes wf_json_string(const struct wf_json *j)
{
    return wf_bytes(json_string_value(in(j)), json_string_length(in(j)));
}

size_t wf_json_count(const struct wf_json *j)
{
    return json_is_array(in(j)) ? json_array_size(in(j)) : json_object_size(in(j));
}

const struct wf_json *wf_json_at(const struct wf_json *array, size_t i)
{
    return out(json_array_get(in(array), i));
}

const struct wf_json *wf_json_get(const struct wf_json *object, const char *key)
{
    return out(json_object_get(in(object), key));
}

bool wf_json_next(const struct wf_json *object, struct wf_json_iter *it, struct wf_bytes *ret_key,
    const struct wf_json **ret_value)
{
    if (!json_is_object(in(object)))
        return false;
    it->at = it->started ? json_object_iter_next(unconst(object), it->at)
                         : json_object_iter(unconst(object));
    it->started = true;
    if (!it->at)
        return false;
    *ret_key = wf_bytes_str(json_object_iter_key(it->at));
    *ret_value = out(json_object_iter_value(it->at));
    return true;
}

// Up to forty bytes between quotes, control characters and what is not ASCII left out.
static void brief_string(struct wf_bytes text, char brief[WF_JSON_BRIEF])
{
    size_t n = 0;

    brief[n++] = '"';
    for (size_t i = 0; i < text.len && n < 40; i++)
        if (text.ptr[i] >= ' ' && text.ptr[i] < 0x7f)
            brief[n++] = (char)text.ptr[i];
    snprintf(brief + n, WF_JSON_BRIEF - n, text.len > 40 ? "…\"" : "\"");
}

const char *wf_json_brief(const struct wf_json *j, char brief[WF_JSON_BRIEF])
{
    switch (wf_json_type(j)) {
    case WF_JSON_NULL:
        return "null";
    case WF_JSON_BOOL:
        return wf_json_bool(j) ? "true" : "false";
    case WF_JSON_INT:
        snprintf(brief, WF_JSON_BRIEF, "%lld", (long long)wf_json_int(j));
        return brief;
    case WF_JSON_REAL:
        wf_number_double(wf_json_real(j), brief);
        return brief;
    case WF_JSON_STRING:
        brief_string(wf_json_string(j), brief);
        return brief;
    case WF_JSON_ARRAY:
        return "a list";
    default:
        return "an object";
    }
}

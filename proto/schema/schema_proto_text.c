// SPDX-License-Identifier: Apache-2.0
// Words of .proto text: quoting, indentation, comments, and names as short as protoc's scope rules permit.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/schema/schema_proto_print.h"

void wf_print_fail(struct wf_proto_printer *p, enum weft_err err)
{
    if (!p->err)
        p->err = err;
}

void wf_print_bytes(struct wf_proto_printer *p, struct wf_bytes text)
{
    if (p->err)
        return;
    if (text.len > WF_MAX_SCHEMA_TEXT - (p->out->len - p->start))
        wf_print_fail(p, WEFT_E_TOO_BIG);
    else
        wf_print_fail(p, wf_buf_append(p->out, text));
}

// Names are at most WF_MAX_SCHEMA_PATH long; longer text goes through wf_print_bytes.
void wf_print_text(struct wf_proto_printer *p, const char *format, ...)
{
    char text[2 * WF_MAX_SCHEMA_PATH + 64];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        wf_print_fail(p, WEFT_E_INTERNAL);
    else
        wf_print_bytes(p, wf_bytes(text, (size_t)n));
}

void wf_print_indent(struct wf_proto_printer *p)
{
    for (unsigned i = 0; i < p->indent; i++)
        wf_print_bytes(p, WF_STR("  "));
}

void wf_print_quoted(struct wf_proto_printer *p, struct wf_bytes text)
{
    wf_print_bytes(p, WF_STR("\""));
    for (size_t i = 0, len; i < text.len; i += len) {
        uint8_t c = text.ptr[i];
        uint32_t code = 0;
        len = wf_text_next(wf_bytes(text.ptr + i, text.len - i), &code);
        if (c == '"' || c == '\\')
            wf_print_text(p, "\\%c", c);
        else if (c == '\n')
            wf_print_text(p, "\\n");
        else if (code == WF_TEXT_SHOWN)
            wf_print_bytes(p, wf_bytes(text.ptr + i, len));
        else
            for (size_t k = 0; k < len; k++)
                wf_print_text(p, "\\%03o", text.ptr[i + k]);
    }
    wf_print_bytes(p, WF_STR("\""));
}

// ---- names

static bool is_in_scope(struct wf_bytes name, const char *scope, size_t scope_len)
{
    return name.len > scope_len && memcmp(name.ptr, scope, scope_len) == 0 &&
           (scope_len == 0 || name.ptr[scope_len] == '.');
}

// Whether protoc's search for the first part of a name would stop here: at a type or a package.
static bool stops_at(const struct wf_proto_printer *p, struct wf_bytes full)
{
    if (wf_schema_find_message(p->proto->schema, full) ||
        wf_schema_find_enum(p->proto->schema, full))
        return true;
    for (size_t i = 0; i < p->proto->set->n_file; i++) {
        struct wf_bytes package = wf_bytes_str(p->proto->set->file[i]->package);
        if (wf_bytes_eq(package, full) || (package.len > full.len && package.ptr[full.len] == '.' &&
                                              wf_bytes_has_prefix(package, full)))
            return true;
    }
    return false;
}

// protoc looks for the first part of a relative name in each scope from the innermost out, and takes the first that has it.
static bool resolves(
    const struct wf_proto_printer *p, struct wf_bytes relative, struct wf_bytes want)
{
    char first[2 * WF_MAX_SCHEMA_PATH + 2];
    const uint8_t *dot = memchr(relative.ptr, '.', relative.len);
    size_t part = dot ? (size_t)(dot - relative.ptr) : relative.len;
    size_t scope = strlen(p->scope);

    for (;;) {
        int n = snprintf(first, sizeof first, "%.*s%s%.*s", (int)scope, p->scope, scope ? "." : "",
            (int)part, (const char *)relative.ptr);
        if (n < 0 || (size_t)n >= sizeof first)
            return false;
        if (stops_at(p, wf_bytes(first, (size_t)n))) {
            size_t prefix = scope ? scope + 1 : 0;
            return want.len == prefix + relative.len && memcmp(want.ptr, p->scope, scope) == 0 &&
                   memcmp(want.ptr + prefix, relative.ptr, relative.len) == 0;
        }
        if (scope == 0)
            return false;
        while (scope && p->scope[scope - 1] != '.')
            scope--;
        scope -= scope > 0; // the dot
    }
}

void wf_print_type_name(struct wf_proto_printer *p, const char *full)
{
    struct wf_bytes want = wf_bytes_str(full + 1);
    size_t scope = strlen(p->scope);

    for (;;) {
        if (is_in_scope(want, p->scope, scope)) {
            size_t skip = scope ? scope + 1 : 0;
            struct wf_bytes relative = wf_bytes(want.ptr + skip, want.len - skip);
            if (resolves(p, relative, want)) {
                wf_print_bytes(p, relative);
                return;
            }
        }
        if (scope == 0)
            break;
        while (scope && p->scope[scope - 1] != '.')
            scope--;
        scope -= scope > 0;
    }
    wf_print_bytes(p, wf_bytes_str(full));
}

// ---- comments

static int cmp_path(const int32_t *a, size_t a_len, const int32_t *b, size_t b_len)
{
    for (size_t i = 0; i < a_len && i < b_len; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return a_len < b_len ? -1 : a_len > b_len;
}

static int cmp_location(const void *a, const void *b)
{
    const wf_pb_location *x = *(const wf_pb_location *const *)a,
                         *y = *(const wf_pb_location *const *)b;

    return cmp_path(x->path, x->n_path, y->path, y->n_path);
}

enum weft_err wf_print_sort_locations(struct wf_proto_printer *p, struct wf_arena *arena)
{
    const Google__Protobuf__SourceCodeInfo *info = p->file->source_code_info;

    p->location_count = info ? info->n_location : 0;
    p->locations = wf_arena_alloc(arena, p->location_count * sizeof(*p->locations));
    if (!p->locations)
        return wf_arena_err(arena);
    for (size_t i = 0; i < p->location_count; i++)
        p->locations[i] = info->location[i];
    if (p->location_count)
        qsort(p->locations, p->location_count, sizeof(*p->locations), cmp_location);
    return WEFT_OK;
}

void wf_print_path_push(struct wf_proto_printer *p, int32_t kind, size_t index)
{
    if (p->path_len + 2 > WF_PRINT_PATH) {
        wf_print_fail(p, WEFT_E_TOO_DEEP);
        return;
    }
    p->path[p->path_len++] = kind;
    p->path[p->path_len++] = (int32_t)index;
}

void wf_print_path_pop(struct wf_proto_printer *p)
{
    p->path_len -= p->path_len < 2 ? p->path_len : 2;
}

static void print_comment_line(struct wf_proto_printer *p, struct wf_bytes line)
{
    while (line.len && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    wf_print_indent(p);
    wf_print_bytes(p, WF_STR("//"));
    for (size_t i = 0, len; i < line.len; i += len) {
        uint32_t code = 0;
        len = wf_text_next(wf_bytes(line.ptr + i, line.len - i), &code);
        struct wf_bytes c = code == WF_TEXT_SHOWN ? wf_bytes(line.ptr + i, len) : WF_STR(" ");
        if (i == 0 && *c.ptr != ' ')
            wf_print_bytes(p, WF_STR(" "));
        wf_print_bytes(p, c);
    }
    wf_print_bytes(p, WF_STR("\n"));
}

static const char *find_comment(const struct wf_proto_printer *p)
{
    size_t lo = 0, hi = p->location_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const wf_pb_location *l = p->locations[mid];
        int c = cmp_path(p->path, p->path_len, l->path, l->n_path);
        if (c == 0)
            return l->leading_comments ? l->leading_comments : l->trailing_comments;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

void wf_print_comment(struct wf_proto_printer *p)
{
    struct wf_bytes rest = wf_bytes_str(find_comment(p));

    while (rest.len) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        print_comment_line(p, wf_bytes(rest.ptr, len));
        rest = wf_bytes(rest.ptr + len + (end != NULL), rest.len - len - (end != NULL));
    }
}

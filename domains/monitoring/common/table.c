// SPDX-License-Identifier: Apache-2.0
// Names, types and values of stored products. See table.h.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/screen.h>

#include "domains/monitoring/common/table.h"

// ---- names -------------------------------------------------------------------------------------------------------------

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static void plain(const char *prefix, const char *from, char ret[WF_MON_NAME])
{
    // Room for "_4294967295" of wf_mon_numbered is left.
    size_t len = (size_t)snprintf(ret, WF_MON_NAME, "%s", prefix);

    for (; *from && len < WF_MON_NAME - 16; from++)
        ret[len++] = *from;
    ret[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (!is_plain(ret[i]))
            ret[i] = '_';
}

void wf_mon_table_name(const char *product, char ret[WF_MON_NAME])
{
    // SQLite keeps names that begin with sqlite_ for itself, the monitor those that begin with '_'.
    bool reserved = strncmp(product, "sqlite/", 7) == 0 || strncmp(product, "sqlite-", 7) == 0;

    plain(reserved || !is_plain(product[0]) ? "p_" : "", product, ret);
}

void wf_mon_column_name(const char *field, char ret[WF_MON_NAME])
{
    plain(is_plain(field[0]) ? "" : "f", field, ret);
}

void wf_mon_numbered(const char *name, unsigned nth, char ret[WF_MON_NAME])
{
    if (nth <= 1)
        snprintf(ret, WF_MON_NAME, "%s", name);
    else
        snprintf(ret, WF_MON_NAME, "%.170s_%u", name, nth);
}

// ---- words -------------------------------------------------------------------------------------------------------------

const char *wf_mon_sql_type(enum weft_type type)
{
    switch (type) {
    case WEFT_T_BOOL:
    case WEFT_T_INT:
    case WEFT_T_UINT:
    case WEFT_T_TIME:
        return "INTEGER";
    case WEFT_T_DOUBLE:
        return "REAL";
    case WEFT_T_BYTES:
        return "BLOB";
    case WEFT_T_TEXT:
    case WEFT_T_ENUM:
    case WEFT_T_JSON:
        break;
    }
    return "TEXT";
}

const char *wf_mon_type_name(enum weft_type type)
{
    static const char *const names[] = { "", "bool", "int", "uint", "double", "text", "bytes",
        "enum", "time", "json" };

    return (size_t)type < sizeof names / sizeof *names ? names[type] : "";
}

const char *wf_mon_role_name(enum weft_role role)
{
    static const char *const names[] = { "", "label", "gauge", "counter", "histogram", "timestamp",
        "text" };

    return (size_t)role < sizeof names / sizeof *names ? names[role] : "";
}

const char *wf_mon_kind_name(enum weft_product_kind kind)
{
    static const char *const names[] = { "", "metric", "event", "inventory", "api" };

    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "";
}

const char *wf_mon_op_name(enum weft_op op)
{
    static const char *const names[] = { "put", "delete", "snapshot-begin", "snapshot-end" };

    return (size_t)op < sizeof names / sizeof *names ? names[op] : "unknown";
}

const char *wf_mon_way_name(enum weft_way way)
{
    static const char *const names[] = { "live", "range", "pull", "history" };

    return (size_t)way < sizeof names / sizeof *names ? names[way] : "unknown";
}

// ---- cells -------------------------------------------------------------------------------------------------------------

struct wf_mon_cell wf_mon_integer(int64_t v)
{
    return (struct wf_mon_cell){ .class = WF_MON_INTEGER, .integer = v };
}

struct wf_mon_cell wf_mon_text(const char *s)
{
    return (struct wf_mon_cell){ .class = WF_MON_TEXT, .ptr = s, .len = strlen(s) };
}

static void set_bytes(struct wf_mon_cell *c, enum wf_mon_class class, const char *ptr, size_t len)
{
    c->class = class;
    c->ptr = len ? ptr : "";
    c->len = len;
}

static void set_digits(struct wf_mon_cell *c, enum wf_mon_class class, int len)
{
    set_bytes(c, class, c->digits, (size_t)len);
}

static void set_natural(struct wf_mon_cell *c, uint64_t v)
{
    if (v <= INT64_MAX) {
        c->class = WF_MON_INTEGER;
        c->integer = (int64_t)v;
    } else {
        set_digits(c, WF_MON_BLOB,
            snprintf(c->digits, sizeof c->digits, "%020llu", (unsigned long long)v));
    }
}

static void set_real(struct wf_mon_cell *c, double v)
{
    if (isnan(v)) {
        set_bytes(c, WF_MON_TEXT, "NaN", 3);
    } else {
        c->class = WF_MON_REAL;
        c->real = v;
    }
}

static void set_enum(struct wf_mon_cell *c, const struct weft_value *v)
{
    if (v->name)
        set_bytes(c, WF_MON_TEXT, v->name, strlen(v->name));
    else
        set_digits(
            c, WF_MON_TEXT, snprintf(c->digits, sizeof c->digits, "%lld", (long long)v->integer));
}

// All but the digits, which count only where ptr says so: whoever compares cells looks at each member.
static void clear(struct wf_mon_cell *c)
{
    c->class = WF_MON_NULL;
    c->integer = 0;
    c->real = 0;
    c->ptr = NULL;
    c->len = 0;
}

void wf_mon_value_cell(const struct weft_value *v, struct wf_mon_cell *c)
{
    clear(c);
    switch (v->type) {
    case WEFT_T_BOOL:
        c->class = WF_MON_INTEGER;
        c->integer = v->flag;
        break;
    case WEFT_T_INT:
    case WEFT_T_TIME:
        c->class = WF_MON_INTEGER;
        c->integer = v->integer;
        break;
    case WEFT_T_UINT:
        set_natural(c, v->natural);
        break;
    case WEFT_T_DOUBLE:
        set_real(c, v->real);
        break;
    case WEFT_T_ENUM:
        set_enum(c, v);
        break;
    case WEFT_T_TEXT:
    case WEFT_T_JSON:
        set_bytes(c, WF_MON_TEXT, v->bytes.ptr, v->bytes.len);
        break;
    case WEFT_T_BYTES:
        set_bytes(c, WF_MON_BLOB, v->bytes.ptr, v->bytes.len);
        break;
    }
}

enum weft_err wf_mon_record_cell(const struct weft_product *p, const struct weft_record *r,
    size_t field, bool key, struct wf_mon_cell *ret)
{
    struct weft_value v = { 0 };

    if (r->op == WEFT_PUT || (r->op == WEFT_DELETE && key)) {
        enum weft_err err = weft_record_value(p, r, field, &v);
        if (err == WEFT_E_NOMEM)
            return err;
    }
    wf_mon_value_cell(&v, ret); // of what cannot be read none
    return WEFT_OK;
}

enum weft_err wf_mon_record_values(const struct weft_product *p, const struct weft_record *r,
    const bool *is_key, struct weft_value *ret, size_t count)
{
    bool any = r->op == WEFT_PUT || r->op == WEFT_DELETE;
    enum weft_err err = any ? weft_record_values(p, r, ret, count) : WEFT_E_RECORD;

    if (err == WEFT_E_NOMEM)
        return err;
    for (size_t i = 0; i < count; i++)
        if (err || (r->op == WEFT_DELETE && !is_key[i]))
            ret[i] = (struct weft_value){ 0 };
    return WEFT_OK;
}

bool wf_mon_cell_eq(const struct wf_mon_cell *a, const struct wf_mon_cell *b)
{
    if (a->class != b->class)
        return false;
    switch (a->class) {
    case WF_MON_NULL:
        return true;
    case WF_MON_INTEGER:
        return a->integer == b->integer;
    case WF_MON_REAL:
        return a->real == b->real;
    case WF_MON_TEXT:
    case WF_MON_BLOB:
        break;
    }
    return a->len == b->len && (a->len == 0 || memcmp(a->ptr, b->ptr, a->len) == 0);
}

#define SHOWN 60u // bytes of a text or blob that people see

static void print_text(const struct wf_mon_cell *c, char *out, size_t size)
{
    size_t n = c->len < SHOWN ? c->len : SHOWN;
    char clean[SHOWN + 1];

    snprintf(out, size, "'%s%s'", wf_screen_clean(c->ptr, n, clean), n < c->len ? "..." : "");
}

static void print_blob(const struct wf_mon_cell *c, char *out, size_t size)
{
    size_t n = c->len < SHOWN / 2 ? c->len : SHOWN / 2;
    char hex[SHOWN + 1] = "";

    for (size_t i = 0; i < n; i++)
        snprintf(&hex[2 * i], 3, "%02x", (unsigned)(unsigned char)c->ptr[i]);
    snprintf(out, size, "x'%s%s'", hex, n < c->len ? "..." : "");
}

void wf_mon_cell_print(const struct wf_mon_cell *c, char *out, size_t size)
{
    switch (c->class) {
    case WF_MON_NULL:
        snprintf(out, size, "NULL");
        break;
    case WF_MON_INTEGER:
        snprintf(out, size, "%lld", (long long)c->integer);
        break;
    case WF_MON_REAL:
        snprintf(out, size, "%.17g", c->real);
        break;
    case WF_MON_TEXT:
        print_text(c, out, size);
        break;
    case WF_MON_BLOB:
        print_blob(c, out, size);
        break;
    }
}

// ---- key fields --------------------------------------------------------------------------------------------------------

char *wf_mon_keys(const struct weft_product *p)
{
    size_t room = 1, at = 0;

    for (size_t i = 0; i < weft_product_field_count(p); i++)
        room += strlen(weft_product_field(p, i)->name) + 1;
    char *out = malloc(room);
    if (!out)
        return NULL;
    out[0] = '\0';
    for (size_t i = 0; i < weft_product_field_count(p); i++) {
        const struct weft_field *f = weft_product_field(p, i);
        if (f->key)
            at += (size_t)snprintf(out + at, room - at, "%s%s", at ? "," : "", f->name);
    }
    return out;
}

bool wf_mon_keys_have(const char *keys, const char *field)
{
    size_t len = strlen(field);

    for (const char *at = keys; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, field, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    }
    return false;
}

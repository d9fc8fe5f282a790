// SPDX-License-Identifier: Apache-2.0
#include "sdk/conf/keys.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/base/limits.h"
#include "proto/trust/ident.h"

static void add(struct wf_reader *r, enum weft_err err, unsigned line, unsigned column,
    const char *format, va_list args)
{
    char text[WF_DIAG_TEXT];

    vsnprintf(text, sizeof text, format, args);
    wf_diags_add(r->diags, err, line, column, "%s", text);
}

void wf_reader_error(struct wf_reader *r, enum weft_err err, const struct wf_yaml_node *node,
    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(r, err, node->line, node->column, format, args);
    va_end(args);
}

void wf_reader_error_key(struct wf_reader *r, enum weft_err err, const struct wf_yaml_node *node,
    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(r, err, node->key_line ? node->key_line : node->line,
        node->key_line ? node->key_column : node->column, format, args);
    va_end(args);
}

// "want WHAT, not VALUE": the usual complaint.
static void want(
    struct wf_reader *r, enum weft_err err, const struct wf_yaml_node *node, const char *what)
{
    struct wf_quoted q;

    if (node->kind != WF_YAML_SCALAR)
        wf_reader_error(r, err, node, "want %s, not %s", what, wf_yaml_kind_name(node->kind));
    else if (node->text.len == 0)
        wf_reader_error(r, err, node, "want %s, not nothing", what);
    else
        wf_reader_error(r, err, node, "want %s, not %s", what, wf_quote(node->text, &q));
}

static enum weft_err read_bool(const struct wf_yaml_node *node, bool *ret)
{
    if (wf_bytes_is(node->text, "true") || wf_bytes_is(node->text, "on"))
        *ret = true;
    else if (wf_bytes_is(node->text, "false") || wf_bytes_is(node->text, "off"))
        *ret = false;
    else
        return WEFT_E_SYNTAX;
    return WEFT_OK;
}

// The bounds of a number, in the form that its type is written in.
static const char *number_text(enum wf_key_type type, uint64_t v, struct wf_value_text *t)
{
    if (type == WF_KEY_DURATION)
        return wf_duration_text(v, t);
    if (type == WF_KEY_SIZE)
        return wf_size_text(v, t);
    snprintf(t->s, sizeof t->s, "%" PRIu64, v);
    return t->s;
}

static bool in_bounds(
    struct wf_reader *r, const struct wf_key *key, const struct wf_yaml_node *node, uint64_t v)
{
    uint64_t max = key->max ? key->max : key->type == WF_KEY_U32 ? UINT32_MAX : UINT64_MAX;
    struct wf_value_text bound;
    struct wf_quoted q;

    if (v < key->min)
        wf_reader_error(r, WEFT_E_RANGE, node, "%s is below the least permitted, %s",
            wf_quote(node->text, &q), number_text(key->type, key->min, &bound));
    else if (v > max)
        wf_reader_error(r, WEFT_E_RANGE, node, "%s is above the most permitted, %s",
            wf_quote(node->text, &q), number_text(key->type, max, &bound));
    return v >= key->min && v <= max;
}

static void read_number(
    struct wf_reader *r, const struct wf_key *key, const struct wf_yaml_node *node, void *member)
{
    static const char *const forms[] = {
        [WF_KEY_U32] = "a number",
        [WF_KEY_DURATION] = "a duration such as 30s, 1h30m or 7d",
        [WF_KEY_SIZE] = "a size such as 64KiB or 1GiB",
    };
    uint64_t v = 0;
    enum weft_err err;

    if (key->type == WF_KEY_DURATION)
        err = wf_duration_parse(node->text, &v);
    else if (key->type == WF_KEY_SIZE)
        err = wf_size_parse(node->text, &v);
    else
        err = wf_u64_parse(node->text, &v);
    if (err == WEFT_E_RANGE)
        v = UINT64_MAX;
    else if (err) {
        want(r, err, node, forms[key->type]);
        return;
    }
    if (err == WEFT_E_RANGE && !key->max && key->type != WF_KEY_U32) {
        wf_reader_error(r, err, node, "too large");
        return;
    }
    if (!in_bounds(r, key, node, v))
        return;
    if (key->type == WF_KEY_U32)
        *(uint32_t *)member = (uint32_t)v;
    else
        *(uint64_t *)member = v;
}

static bool is_clean_text(struct wf_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.ptr[i] < 0x20 && text.ptr[i] != '\n' && text.ptr[i] != '\t') ||
            text.ptr[i] == 0x7f)
            return false;
    return true;
}

static void read_string(struct wf_reader *r, const struct wf_key *key,
    const struct wf_yaml_node *node, const char **member)
{
    uint64_t max = key->max ? key->max : WF_MAX_TEXT;

    if (node->text.len < key->min || (node->text.len == 0 && node->plain))
        want(r, WEFT_E_SYNTAX, node, "a text");
    else if (node->text.len > max)
        wf_reader_error(
            r, WEFT_E_TOO_BIG, node, "a text of at most %" PRIu64 " bytes is permitted", max);
    else if (!is_clean_text(node->text))
        wf_reader_error(r, WEFT_E_SYNTAX, node, "control characters are not permitted");
    else
        *member = (const char *)node->text.ptr;
}

static void read_name(struct wf_reader *r, const struct wf_key *key,
    const struct wf_yaml_node *node, const char **member)
{
    struct wf_bytes t = node->text;
    struct wf_pattern pattern;
    bool good = key->type == WF_KEY_PATTERN ? !wf_pattern_from(t, &pattern) : wf_name_is_valid(t);

    if (good)
        *member = (const char *)t.ptr;
    else
        want(r, WEFT_E_NAME, node,
            key->type == WF_KEY_PATTERN ? "a name, a prefix such as web-* or *"
                                        : "a name (a-z, 0-9 and -, at most 63, a letter first)");
}

static enum weft_err read_path(
    struct wf_reader *r, const struct wf_yaml_node *node, const char **member)
{
    bool relative = node->text.len > 0 && node->text.ptr[0] != '/' && r->dir && r->dir[0];
    size_t dir_len = relative ? strlen(r->dir) + 1 : 0;

    if (node->text.len == 0 || node->text.len + dir_len >= WF_MAX_PATH ||
        !is_clean_text(node->text)) {
        want(r, WEFT_E_SYNTAX, node, "a path");
        return WEFT_OK;
    }
    if (!relative) {
        *member = (const char *)node->text.ptr;
        return WEFT_OK;
    }
    char *path = wf_arena_alloc(r->arena, dir_len + node->text.len + 1);
    if (!path)
        return wf_arena_err(r->arena);
    snprintf(path, dir_len + node->text.len + 1, "%s/%s", r->dir, (const char *)node->text.ptr);
    *member = path;
    return WEFT_OK;
}

static void read_address(struct wf_reader *r, const struct wf_key *key,
    const struct wf_yaml_node *node, struct wf_address *member)
{
    struct wf_address a = { 0 };
    enum weft_err err = wf_address_parse(node->text, &a);

    if (err)
        want(
            r, err, node, err == WEFT_E_RANGE ? "a port of at most 65535" : "an address HOST:PORT");
    else if (a.port < key->min)
        wf_reader_error(r, WEFT_E_RANGE, node, "the port must be at least %" PRIu64, key->min);
    else
        *member = a;
}

static const char *next_word(const void *context, size_t i)
{
    return ((const struct wf_key_word *)context)[i].word;
}

static void read_enum(
    struct wf_reader *r, const struct wf_key *key, const struct wf_yaml_node *node, int *member)
{
    char all[160] = "";
    size_t at = 0;
    struct wf_quoted q;

    for (const struct wf_key_word *w = key->words; w->word; w++) {
        if (wf_bytes_is(node->text, w->word)) {
            *member = w->value;
            return;
        }
        if (at < sizeof all)
            at += (size_t)snprintf(all + at, sizeof all - at, "%s%s",
                w == key->words ? ""
                : w[1].word     ? ", "
                                : " or ",
                w->word);
    }
    const char *near = wf_suggest(node->text, next_word, key->words);
    if (near)
        wf_reader_error(r, WEFT_E_SYNTAX, node, "want %s, not %s (did you mean \"%s\"?)", all,
            wf_quote(node->text, &q), near);
    else
        want(r, WEFT_E_SYNTAX, node, all);
}

static enum weft_err read_scalar(
    struct wf_reader *r, const struct wf_key *key, const struct wf_yaml_node *node, void *member)
{
    switch (key->type) {
    case WF_KEY_BOOL:
        if (read_bool(node, member))
            want(r, WEFT_E_SYNTAX, node, "on or off");
        return WEFT_OK;
    case WF_KEY_U32:
    case WF_KEY_DURATION:
    case WF_KEY_SIZE:
        read_number(r, key, node, member);
        return WEFT_OK;
    case WF_KEY_STRING:
        read_string(r, key, node, member);
        return WEFT_OK;
    case WF_KEY_NAME:
    case WF_KEY_PATTERN:
        read_name(r, key, node, member);
        return WEFT_OK;
    case WF_KEY_PATH:
        return read_path(r, node, member);
    case WF_KEY_ADDRESS:
        read_address(r, key, node, member);
        return WEFT_OK;
    case WF_KEY_ENUM:
        read_enum(r, key, node, member);
        return WEFT_OK;
    default:
        return WEFT_E_INTERNAL;
    }
}

static enum weft_err read_table(struct wf_reader *r, const struct wf_yaml_node *map,
    const struct wf_key_table *table, void *out);

enum weft_err wf_key_value(
    struct wf_reader *r, const struct wf_key *key, const struct wf_yaml_node *node, void *member)
{
    if (key->type == WF_KEY_CUSTOM)
        return key->read(r, node, member);
    if (key->type == WF_KEY_TABLE)
        return read_table(r, node, key->table, member);
    if (node->kind != WF_YAML_SCALAR) {
        want(r, WEFT_E_TYPE, node, "a single value");
        return WEFT_OK;
    }
    size_t before = r->diags->count + r->diags->dropped;
    enum weft_err err = read_scalar(r, key, node, member);
    if (err || !key->read || r->diags->count + r->diags->dropped != before)
        return err;
    return key->read(r, node, member);
}

static size_t item_size(const struct wf_key *key)
{
    switch (key->type) {
    case WF_KEY_BOOL:
        return sizeof(bool);
    case WF_KEY_U32:
        return sizeof(uint32_t);
    case WF_KEY_DURATION:
    case WF_KEY_SIZE:
        return sizeof(uint64_t);
    case WF_KEY_ADDRESS:
        return sizeof(struct wf_address);
    case WF_KEY_ENUM:
        return sizeof(int);
    case WF_KEY_TABLE:
    case WF_KEY_CUSTOM:
        return key->table->size;
    default:
        return sizeof(const char *);
    }
}

static void refuse_twins(struct wf_reader *r, const struct wf_yaml_node *list)
{
    struct wf_quoted q;

    for (const struct wf_yaml_node *n = list->child; n; n = n->next)
        for (const struct wf_yaml_node *m = list->child; m != n; m = m->next)
            if (n->kind == WF_YAML_SCALAR && m->kind == WF_YAML_SCALAR &&
                wf_bytes_eq(n->text, m->text)) {
                wf_reader_error(r, WEFT_E_DUPLICATE, n, "%s again (first in line %u)",
                    wf_quote(n->text, &q), m->line);
                break;
            }
}

// The name of an entry of a mapping becomes the first member of its struct.
static void name_entry(struct wf_reader *r, const struct wf_yaml_node *entry, void *item)
{
    const char *name = (const char *)entry->key.ptr;

    if (entry->key.len == 0 || entry->key.len > WF_MAX_NAME || !is_clean_text(entry->key))
        wf_reader_error_key(
            r, WEFT_E_NAME, entry, "want a name of 1 to %u characters", WF_MAX_NAME);
    memcpy(item, &name, sizeof name);
}

// Reads count nodes from first on (their siblings) into a new array at member, a WF_LIST.
static enum weft_err read_items(struct wf_reader *r, const struct wf_key *key,
    const struct wf_yaml_node *first, size_t count, void *member)
{
    size_t size = item_size(key);
    uint8_t *items = wf_arena_calloc(r->arena, count, size);

    if (!items)
        return wf_arena_err(r->arena);
    for (size_t i = 0; i < count; i++, first = first->next) {
        if (key->flags & WF_KEY_MAP)
            name_entry(r, first, items + i * size);
        enum weft_err err = wf_key_value(r, key, first, items + i * size);
        if (err)
            return err;
    }
    memcpy(member, &items, sizeof items);
    memcpy((uint8_t *)member + sizeof items, &count, sizeof count);
    return WEFT_OK;
}

static enum weft_err read_list(
    struct wf_reader *r, const struct wf_key *key, const struct wf_yaml_node *node, void *member)
{
    bool map = key->flags & WF_KEY_MAP;

    if (key->flags & WF_KEY_SINGLE && node->kind == WF_YAML_SCALAR)
        return read_items(r, key, node, 1, member);
    if (node->kind != (map ? WF_YAML_MAP : WF_YAML_SEQ)) {
        want(r, WEFT_E_TYPE, node, map ? "a mapping" : "a list");
        return WEFT_OK;
    }
    size_t most = key->items ? key->items : WF_MAX_LIST;
    if (node->count > most) {
        wf_reader_error(r, WEFT_E_TOO_BIG, node, "more than %zu items", most);
        return WEFT_OK;
    }
    if (!map && key->type != WF_KEY_TABLE && !(key->flags & WF_KEY_REPEAT))
        refuse_twins(r, node);
    return read_items(r, key, node->child, node->count, member);
}

static const char *next_key(const void *context, size_t i)
{
    const struct wf_key_table *table = context;

    return i < table->key_count ? table->keys[i].name : NULL;
}

static const struct wf_key *find_key(const struct wf_key_table *table, struct wf_bytes name)
{
    for (size_t i = 0; i < table->key_count; i++)
        if (wf_bytes_is(name, table->keys[i].name))
            return &table->keys[i];
    return NULL;
}

static void refuse_unknown(
    struct wf_reader *r, const struct wf_key_table *table, const struct wf_yaml_node *n)
{
    struct wf_quoted q;
    const char *near = wf_suggest(n->key, next_key, table);

    if (near)
        wf_reader_error_key(r, WEFT_E_SYNTAX, n, "unknown key %s (did you mean \"%s\"?)",
            wf_quote(n->key, &q), near);
    else
        wf_reader_error_key(r, WEFT_E_SYNTAX, n, "unknown key %s", wf_quote(n->key, &q));
}

static enum weft_err read_keys(struct wf_reader *r, const struct wf_yaml_node *map,
    const struct wf_key_table *table, void *out)
{
    for (const struct wf_yaml_node *n = map->child; n; n = n->next) {
        const struct wf_key *key = find_key(table, n->key);
        if (!key) {
            refuse_unknown(r, table, n);
            continue;
        }
        void *member = (uint8_t *)out + key->offset;
        enum weft_err err = key->flags & (WF_KEY_LIST | WF_KEY_MAP)
                                ? read_list(r, key, n, member)
                                : wf_key_value(r, key, n, member);
        if (err)
            return err;
    }
    return WEFT_OK;
}

// Was the key meant by one that nobody knows? Then that has been said already.
static bool is_mistyped(
    const struct wf_yaml_node *map, const struct wf_key_table *table, const struct wf_key *key)
{
    for (const struct wf_yaml_node *n = map->child; n; n = n->next)
        if (!find_key(table, n->key) && wf_suggest(n->key, next_key, table) == key->name)
            return true;
    return false;
}

static void refuse_missing(
    struct wf_reader *r, const struct wf_yaml_node *map, const struct wf_key_table *table)
{
    for (size_t i = 0; i < table->key_count; i++) {
        const struct wf_key *key = &table->keys[i];
        if (!(key->flags & WF_KEY_REQUIRED) || wf_yaml_get(map, key->name) ||
            is_mistyped(map, table, key))
            continue;
        if (key->hint)
            wf_reader_error(
                r, WEFT_E_MISSING_FIELD, map, "missing key \"%s\" (%s)", key->name, key->hint);
        else
            wf_reader_error(r, WEFT_E_MISSING_FIELD, map, "missing key \"%s\"", key->name);
    }
}

static enum weft_err read_table(struct wf_reader *r, const struct wf_yaml_node *map,
    const struct wf_key_table *table, void *out)
{
    if (map->kind != WF_YAML_MAP) {
        want(r, WEFT_E_TYPE, map, "a mapping");
        return WEFT_OK;
    }
    enum weft_err err = read_keys(r, map, table, out);
    if (err || r->partial)
        return err;
    refuse_missing(r, map, table);
    return table->check ? table->check(r, map, out) : WEFT_OK;
}

enum weft_err wf_keys_read(struct wf_reader *r, const struct wf_yaml_node *map,
    const struct wf_key_table *table, void *out)
{
    enum weft_err err = read_table(r, map, table, out);

    if (err)
        wf_diags_add(r->diags, err, 0, 0, "%s", weft_err_text(err));
    return err;
}

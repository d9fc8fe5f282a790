// SPDX-License-Identifier: Apache-2.0
// <weft/conf.h>: sdk/conf's reader for applications. Owns the arena in which the public tree stands; the reader's own is gone after the
// copy. Thread rule: one thread at a time.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/conf.h>

#include "sdk/conf/file.h"
#include "sdk/conf/values.h"
#include "sdk/conf/yaml.h"

struct weft_conf {
    struct wf_arena arena;
    struct wf_diags diags;
    struct wf_buf errors;
    const struct weft_conf_node *root;
    char *name;
};

static enum weft_err fail(
    struct weft_problem *p, enum weft_err err, const char *name, const char *text)
{
    if (p) {
        *p = (struct weft_problem){ .err = err };
        snprintf(
            p->text, sizeof p->text, "%s: %s", name, text && text[0] ? text : weft_err_text(err));
    }
    return err;
}

// The tree once more, in the public shape. Its depth is the reader's limit.
static enum weft_err copy(struct wf_arena *a,
    const struct wf_yaml_node *from, // NOLINT(misc-no-recursion)
    const struct weft_conf_node **ret)
{
    static const enum weft_conf_kind kinds[] = { [WF_YAML_SCALAR] = WEFT_CONF_VALUE,
        [WF_YAML_SEQ] = WEFT_CONF_LIST,
        [WF_YAML_MAP] = WEFT_CONF_MAP };
    struct weft_conf_node *to = wf_arena_calloc(a, 1, sizeof *to);

    if (!to)
        return wf_arena_err(a);
    *to = (struct weft_conf_node){ .kind = kinds[from->kind],
        .plain = from->plain,
        .line = from->line,
        .column = from->column,
        .text = from->text.ptr ? (const char *)from->text.ptr : "",
        .key = (const char *)from->key.ptr,
        .key_line = from->key_line,
        .key_column = from->key_column,
        .count = from->count };
    const struct weft_conf_node **tail = &to->child;
    for (const struct wf_yaml_node *n = from->child; n; n = n->next) {
        const struct weft_conf_node *child = NULL;
        enum weft_err err = copy(a, n, &child);
        if (err)
            return err;
        *tail = child;
        tail = (const struct weft_conf_node **)(uintptr_t)&child->next;
    }
    *ret = to;
    return WEFT_OK;
}

static enum weft_err read_text(
    struct wf_bytes text, const char *name, struct weft_conf **ret, struct weft_problem *problem)
{
    struct wf_yaml_doc doc;
    struct weft_conf *c = calloc(1, sizeof *c);
    enum weft_err err = WEFT_E_NOMEM;

    if (!c)
        return fail(problem, err, name, NULL);
    wf_arena_init(&c->arena, 2 * (size_t)WF_YAML_ARENA);
    c->name = strdup(name);
    wf_diags_init(&c->diags, c->name);
    if (c->name)
        err = wf_yaml_parse(text, &c->arena, &c->diags, &doc);
    if (!err)
        err = copy(&c->arena, doc.root, &c->root);
    if (err) {
        fail(problem, err, name, c->diags.count ? c->diags.items[0].text : NULL);
        weft_conf_free(c);
        return err;
    }
    *ret = c;
    return WEFT_OK;
}

enum weft_err weft_conf_open(
    const char *path, unsigned flags, struct weft_conf **ret, struct weft_problem *problem)
{
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_file_read_unnamed(
        path, WF_MAX_YAML, flags & WEFT_CONF_OWNED ? WF_FILE_OWNED : WF_FILE_ANY, &text, &diag);

    if (err)
        return fail(problem, err, path, diag.text);
    err = read_text(wf_buf_view(&text), path, ret, problem);
    wf_buf_fini(&text);
    return err;
}

enum weft_err weft_conf_parse(const char *text, size_t len, const char *name,
    struct weft_conf **ret, struct weft_problem *problem)
{
    return read_text(wf_bytes(text, len), name, ret, problem);
}

const struct weft_conf_node *weft_conf_root(const struct weft_conf *c)
{
    return c->root;
}

const struct weft_conf_node *weft_conf_get(const struct weft_conf_node *map, const char *key)
{
    if (map->kind != WEFT_CONF_MAP)
        return NULL;
    for (const struct weft_conf_node *n = map->child; n; n = n->next)
        if (strcmp(n->key, key) == 0)
            return n;
    return NULL;
}

static const char *next_word(const void *context, size_t i)
{
    return ((const char *const *)context)[i];
}

static bool is_known(const char *const *known, const char *key)
{
    for (; *known; known++)
        if (strcmp(*known, key) == 0)
            return true;
    return false;
}

void weft_conf_known(
    struct weft_conf *c, const struct weft_conf_node *map, const char *const *known)
{
    for (const struct weft_conf_node *n = map->kind == WEFT_CONF_MAP ? map->child : NULL; n;
         n = n->next) {
        struct wf_quoted q;
        if (is_known(known, n->key))
            continue;
        const char *near = wf_suggest(wf_bytes_str(n->key), next_word, known);
        wf_diags_add(&c->diags, WEFT_E_CONFIG, n->key_line, n->key_column, "unknown key %s%s%s%s",
            wf_quote(wf_bytes_str(n->key), &q), near ? " (did you mean \"" : "", near ? near : "",
            near ? "\"?)" : "");
    }
}

void weft_conf_error(struct weft_conf *c, unsigned line, unsigned column, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    wf_diags_add(&c->diags, WEFT_E_CONFIG, line, column, "%s", text);
}

const char *weft_conf_errors(struct weft_conf *c)
{
    wf_buf_fini(&c->errors);
    c->errors = (struct wf_buf){ 0 };
    if (!wf_diags_err(&c->diags))
        return "";
    // What cannot be told must not pass as nothing.
    if (wf_diags_print(&c->diags, &c->errors) || wf_buf_append_byte(&c->errors, 0))
        return "out of memory\n";
    return c->errors.len > 1 ? (const char *)c->errors.ptr : "out of memory\n";
}

enum weft_err weft_conf_duration(const char *text, int64_t *ret_ms)
{
    uint64_t ms = 0;
    enum weft_err err = wf_duration_parse(wf_bytes_str(text), &ms);

    if (!err)
        *ret_ms = (int64_t)ms;
    return err;
}

void weft_conf_free(struct weft_conf *c)
{
    if (!c)
        return;
    wf_buf_fini(&c->errors);
    wf_diags_fini(&c->diags);
    wf_arena_fini(&c->arena);
    free(c->name);
    free(c);
}

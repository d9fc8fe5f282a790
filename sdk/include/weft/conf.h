// SPDX-License-Identifier: Apache-2.0
// Reading a file that people write, as weftd reads its own: bounded YAML, every value with its place, all mistakes of a file at once.
//
// The dialect: one document of mappings, lists and values; UTF-8; no anchors, aliases or tags; at most 1 MiB, 32 levels, 65,536 values.
// Values stay text: no type is guessed. Nothing here needs a client. Objects belong to one thread at a time; nodes and texts live as
// long as their file.
//
// Examples take `file`, a struct weft_conf *, and `map`, a mapping of it.
#ifndef WEFT_CONF_H
#define WEFT_CONF_H

#include <weft/weft.h>

#ifdef __cplusplus
extern "C" {
#endif

enum weft_conf_kind { WEFT_CONF_VALUE = 0, WEFT_CONF_LIST, WEFT_CONF_MAP };

struct weft_conf_node {
    enum weft_conf_kind kind;
    bool plain;            // a value without quotes
    unsigned line, column; // where it begins, from 1; columns count characters
    const char *text;      // of a VALUE; "" else
    const char *key;       // in a mapping: the key of this value; NULL else
    unsigned key_line, key_column;
    size_t count; // children
    const struct weft_conf_node *child, *next;
};

struct weft_conf;

#define WEFT_CONF_OWNED                                                                            \
    1u // owned by us or root, writable by nobody else: the file decides what is run

// Reads a file; `name` is what error lines begin with (NULL: the path). *ret is also given of a text with mistakes, so that the caller can
// add what else is wrong with it: weft_conf_errors is the verdict. Fails when there is nothing to look at: NOT_FOUND, PERMISSION (the
// system's, or owner and mode), TYPE, TOO_BIG, IO, NOMEM.
//     struct weft_conf *read;
//     if (weft_conf_open("rules.yaml", WEFT_CONF_OWNED, &read, &problem) != WEFT_OK)
//         errx(weft_err_exit(problem.err), "%s", problem.text);
//     weft_conf_free(read);
WEFT_API WEFT_MUST_USE enum weft_err weft_conf_open(
    const char *path, unsigned flags, struct weft_conf **ret, struct weft_problem *problem);
// The same of a text in memory. TOO_BIG, NOMEM.
//     struct weft_conf *read;
//     if (weft_conf_parse("a: [1, 2]", 9, "a.yaml", &read, &problem) == WEFT_OK)
//         weft_conf_free(read);
WEFT_API WEFT_MUST_USE enum weft_err weft_conf_parse(const char *text, size_t len, const char *name,
    struct weft_conf **ret, struct weft_problem *problem);
// What the document is: a mapping or a list; an empty file is an empty mapping.
//     for (const struct weft_conf_node *n = weft_conf_root(file)->child; n; n = n->next)
//         printf("%u:%u: %s\n", n->line, n->column, n->key);
WEFT_API const struct weft_conf_node *weft_conf_root(const struct weft_conf *c);
// The value of a key of a mapping, or NULL.
//     const struct weft_conf_node *name = weft_conf_get(map, "name");
//     if (name && name->kind == WEFT_CONF_VALUE)
//         puts(name->text);
WEFT_API const struct weft_conf_node *weft_conf_get(
    const struct weft_conf_node *map, const char *key);
// Adds an error for each key of a mapping that is none of `known` (ended by NULL), with the nearest one that is.
//     static const char *const known[] = { "name", "labels", NULL };
//     weft_conf_known(file, map, known);
WEFT_API void weft_conf_known(
    struct weft_conf *c, const struct weft_conf_node *map, const char *const *known);
// Adds an error: a line and column of the file (line 0: the whole file) and a text, as of printf, without full stop and newline.
//     weft_conf_error(file, map->line, map->column, "%s is missing", "name");
__attribute__((format(printf, 4, 5))) WEFT_API void weft_conf_error(
    struct weft_conf *c, unsigned line, unsigned column, const char *format, ...);
// Every error so far in the file's order, a line "NAME:LINE:COLUMN: TEXT" each; "" when there is none. Valid until the next call on the file.
//     if (weft_conf_errors(file)[0])
//         fputs(weft_conf_errors(file), stderr);
WEFT_API const char *weft_conf_errors(struct weft_conf *c);
// "30s", "7d", "1h30m", "250ms": numbers with units w d h m s ms, each once and in this order. SYNTAX; RANGE beyond 2^53 ms.
//     int64_t ms;
//     if (weft_conf_duration("1h30m", &ms) == WEFT_OK)
//         printf("%lld ms\n", (long long)ms);
WEFT_API WEFT_MUST_USE enum weft_err weft_conf_duration(const char *text, int64_t *ret_ms);
// NULL is permitted.
//     weft_conf_free(file);
WEFT_API void weft_conf_free(struct weft_conf *c);

#ifdef __cplusplus
}
#endif
#endif

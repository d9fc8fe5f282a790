// SPDX-License-Identifier: Apache-2.0
// Reads a YAML tree into a struct by a table: one row says a key's name, type, place, bounds and whether it must be there.
// Everything wrong is added to diags and reading goes on, so a file's errors come all at once; unknown keys are errors and
// name the nearest known one. Texts and lists live in the reader's arena; the struct is filled with defaults beforehand.
#ifndef WF_CONF_KEYS_H
#define WF_CONF_KEYS_H

#include "sdk/conf/values.h"
#include "sdk/conf/yaml.h"

enum wf_key_type {
    // The member's C type follows. A list of it (WF_KEY_LIST) is WF_LIST(that type).
    WF_KEY_BOOL, // bool: true false on off
    WF_KEY_U32,  // uint32_t in min..max
    WF_KEY_STRING, // const char *, UTF-8 without control characters; min..max bytes (max 0: WF_MAX_TEXT)
    WF_KEY_NAME,     // const char *, a name of the mesh (wf_name_is_valid)
    WF_KEY_PATTERN,  // const char *, a name, a prefix followed by '*', or '*'
    WF_KEY_PATH,     // const char *, made absolute or relative to where the reader's dir is
    WF_KEY_DURATION, // uint64_t ms in min..max
    WF_KEY_SIZE,     // uint64_t bytes in min..max
    WF_KEY_ADDRESS,  // struct wf_address, port >= min
    WF_KEY_ENUM,     // int, one of words
    WF_KEY_TABLE,    // the struct of table
    WF_KEY_CUSTOM,   // what read makes of the node
};

enum wf_key_flag {
    WF_KEY_REQUIRED = 1,
    WF_KEY_LIST = 2,    // a list; the member is a WF_LIST. No item twice (scalars).
    WF_KEY_SINGLE = 4,  // with LIST: a single value counts as a list of one
    WF_KEY_REPEAT = 16, // with LIST: items may be equal (arguments of a command)
    WF_KEY_MAP =
        8, // with TABLE: a mapping of names to tables, kept as a WF_LIST; the name goes to the const char *
    // that the table's struct begins with
};

// The layout of a list member; a list has as many items as its node, bad ones zeroed, so items and nodes go in step.
#define WF_LIST(type)                                                                              \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t count;                                                                              \
    }

struct wf_key_word {
    const char *word; // NULL ends the list
    int value;
};

struct wf_reader {
    struct wf_arena *arena;
    struct wf_diags *diags;
    const char *dir; // where relative paths begin, NULL or "" = as written
    bool partial;    // the document broke off: missing keys are not errors
};

// Reads one value or one item, reporting what is wrong. Fails only without memory (NOMEM, BUDGET).
typedef enum weft_err (*wf_key_read_fn)(
    struct wf_reader *r, const struct wf_yaml_node *node, void *member);

struct wf_key_table;
struct wf_key {
    const char *name;
    enum wf_key_type type;
    unsigned flags;
    size_t offset;
    uint64_t min, max; // as the type says; max 0 = no upper bound. For a list, of each item.
    const struct wf_key_word *words;
    const struct wf_key_table *table;
    wf_key_read_fn
        read;     // CUSTOM: reads; other single values: looks once more at one that is good so far
    size_t items; // of a list: the most permitted, 0 = WF_MAX_LIST
    const char *hint; // what to write there, for the error text of a missing key
};

struct wf_key_table {
    size_t size; // of the struct
    const struct wf_key *keys;
    size_t key_count;
    wf_key_read_fn
        check; // after reading without an error of its own: what keys mean together; may be NULL
};

#define WF_MAX_LIST 1024u // items of one list of a file

// Fails only without memory (NOMEM, BUDGET; also in diags). Otherwise the verdict is wf_diags_err(r->diags).
WF_MUST_USE enum weft_err wf_keys_read(struct wf_reader *r, const struct wf_yaml_node *map,
    const struct wf_key_table *table, void *out);

// Adds an error at the value of a node, or at its key.
__attribute__((format(printf, 4, 5))) void wf_reader_error(struct wf_reader *r, enum weft_err err,
    const struct wf_yaml_node *node, const char *format, ...);
__attribute__((format(printf, 4, 5))) void wf_reader_error_key(struct wf_reader *r,
    enum weft_err err, const struct wf_yaml_node *node, const char *format, ...);
// The row of one value, for readers of their own: as if the node stood under a key with this row.
WF_MUST_USE enum weft_err wf_key_value(
    struct wf_reader *r, const struct wf_key *key, const struct wf_yaml_node *node, void *member);

#endif

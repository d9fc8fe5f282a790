// SPDX-License-Identifier: Apache-2.0
// The only door to libyaml: text to a small read-only tree, or a list of what is wrong with it. Owns nothing; nodes and texts
// live in the caller's arena. Scalars stay text: no type is guessed (`on`, `1.10` and `null` are what was written).
//
// The dialect: one document of mappings, sequences and scalars; UTF-8; no anchors, aliases, tags or directives; keys are
// scalars, each once. Depth, nodes and size are limited before libyaml sees more (its work grows with the square of depth).
#ifndef WF_CONF_YAML_H
#define WF_CONF_YAML_H

#include "proto/base/arena.h"
#include "sdk/conf/diags.h"

// Enough for WF_MAX_YAML_NODES nodes and the text of a WF_MAX_YAML file.
#define WF_YAML_ARENA (16u * 1024u * 1024u)

enum wf_yaml_kind { WF_YAML_SCALAR, WF_YAML_SEQ, WF_YAML_MAP };

struct wf_yaml_node {
    enum wf_yaml_kind kind;
    bool plain;                       // a scalar without quotes
    unsigned line, column;            // where it begins, from 1; columns count characters
    struct wf_bytes text;             // of a scalar; a NUL follows it and none is inside
    size_t count;                     // children
    const struct wf_yaml_node *child; // the first item or value
    const struct wf_yaml_node *next;  // the next one of the same parent
    struct wf_bytes key;              // in a mapping: the key of this value; a NUL follows
    unsigned key_line, key_column;
};

struct wf_yaml_doc {
    const struct wf_yaml_node *root; // never NULL; an empty file is an empty mapping
    bool partial; // the text broke off at a syntax error; the tree is what came before
};

// Gives the tree also of a text with errors, so that a reader can add what else is wrong with it: the errors are in diags,
// and wf_diags_err(diags) after reading is the verdict. Fails (and then says so in diags) when there is no tree: TOO_BIG,
// NOMEM, BUDGET.
WF_MUST_USE enum weft_err wf_yaml_parse(
    struct wf_bytes text, struct wf_arena *arena, struct wf_diags *diags, struct wf_yaml_doc *ret);

// The value of a key of a mapping, or NULL.
const struct wf_yaml_node *wf_yaml_get(const struct wf_yaml_node *map, const char *key);
// "a mapping", "a list" or "a value", for error texts.
const char *wf_yaml_kind_name(enum wf_yaml_kind kind);

#endif

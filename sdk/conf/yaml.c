// SPDX-License-Identifier: Apache-2.0
#include "sdk/conf/yaml.h"

#include <assert.h>
#include <stdio.h>
#include <yaml.h>

#include "proto/base/limits.h"

// A container that is being read.
struct frame {
    struct wf_yaml_node *node;
    const struct wf_yaml_node **tail; // where the next child is linked
    bool have_key;                    // mapping: the next node is a value
    bool drop;                        // mapping: that value has a refused key
    struct wf_bytes key;
    unsigned key_line, key_column;
};

struct builder {
    struct wf_arena *arena;
    struct wf_diags *diags;
    struct wf_yaml_node *root;
    size_t nodes;
    unsigned depth;
    struct frame frames[WF_MAX_YAML_DEPTH];
    bool stop; // a limit ended the reading
};

static unsigned line_of(const yaml_mark_t *mark)
{
    return (unsigned)mark->line + 1;
}

static unsigned column_of(const yaml_mark_t *mark)
{
    return (unsigned)mark->column + 1;
}

static void refuse(struct builder *b, enum weft_err err, const yaml_mark_t *mark, const char *text)
{
    wf_diags_add(b->diags, err, line_of(mark), column_of(mark), "%s", text);
}

static const struct wf_yaml_node *find(const struct wf_yaml_node *map, struct wf_bytes key)
{
    for (const struct wf_yaml_node *n = map->child; n; n = n->next)
        if (wf_bytes_eq(n->key, key))
            return n;
    return NULL;
}

// A scalar in the place of a key.
static void take_key(struct builder *b, struct frame *f, const struct wf_yaml_node *scalar)
{
    const struct wf_yaml_node *twin = find(f->node, scalar->text);

    f->have_key = true;
    f->key = scalar->text;
    f->key_line = scalar->line;
    f->key_column = scalar->column;
    f->drop = twin != NULL;
    if (twin) {
        struct wf_quoted q;
        wf_diags_add(b->diags, WEFT_E_DUPLICATE, scalar->line, scalar->column,
            "key %s again (first in line %u)", wf_quote(scalar->text, &q), twin->key_line);
    }
}

static void link_child(struct frame *f, struct wf_yaml_node *node)
{
    *f->tail = node;
    f->tail = &node->next;
    f->node->count++;
}

// Puts a node where the text has it: the root, an item, a key or a value.
static void place(struct builder *b, struct wf_yaml_node *node)
{
    struct frame *f = b->depth ? &b->frames[b->depth - 1] : NULL;

    if (!f) {
        b->root = node;
        return;
    }
    assert(f->node);
    if (f->node->kind == WF_YAML_SEQ) {
        link_child(f, node);
        return;
    }
    if (f->have_key) {
        f->have_key = false;
        node->key = f->key;
        node->key_line = f->key_line;
        node->key_column = f->key_column;
        if (!f->drop)
            link_child(f, node);
        return;
    }
    if (node->kind == WF_YAML_SCALAR) {
        take_key(b, f, node);
    } else {
        wf_diags_add(b->diags, WEFT_E_TYPE, node->line, node->column, "a key must be a word");
        f->have_key = true;
        f->drop = true;
    }
    if (f->node->count >= WF_MAX_YAML_KEYS) {
        wf_diags_add(b->diags, WEFT_E_BUDGET, node->line, node->column,
            "more than %u keys in one mapping", WF_MAX_YAML_KEYS);
        b->stop = true;
    }
}

// NULL without memory.
static struct wf_yaml_node *new_node(
    struct builder *b, enum wf_yaml_kind kind, const yaml_mark_t *mark)
{
    if (b->nodes++ == WF_MAX_YAML_NODES) {
        refuse(b, WEFT_E_BUDGET, mark, "more values than a file may have");
        b->stop = true;
    }
    struct wf_yaml_node *n = wf_arena_calloc(b->arena, 1, sizeof *n);
    if (!n)
        return NULL;
    n->kind = kind;
    n->line = line_of(mark);
    n->column = column_of(mark);
    return n;
}

static void check_properties(
    struct builder *b, const yaml_event_t *e, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        refuse(b, WEFT_E_SYNTAX, &e->start_mark, "anchors are not supported; write the value out");
    if (tag)
        refuse(b, WEFT_E_SYNTAX, &e->start_mark, "tags are not supported");
}

static enum weft_err on_scalar(struct builder *b, const yaml_event_t *e)
{
    const char *text = "";
    struct wf_bytes value = wf_bytes(e->data.scalar.value, e->data.scalar.length);
    struct wf_yaml_node *n = new_node(b, WF_YAML_SCALAR, &e->start_mark);

    if (!n)
        return wf_arena_err(b->arena);
    check_properties(b, e, e->data.scalar.anchor, e->data.scalar.tag);
    if (memchr(value.ptr, 0, value.len)) {
        refuse(b, WEFT_E_SYNTAX, &e->start_mark, "NUL in a text");
        value.len = 0;
    }
    enum weft_err err = wf_arena_str(b->arena, value, &text);
    if (err)
        return err;
    n->text = wf_bytes(text, value.len);
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    place(b, n);
    return WEFT_OK;
}

static enum weft_err on_alias(struct builder *b, const yaml_event_t *e)
{
    struct wf_yaml_node *n = new_node(b, WF_YAML_SCALAR, &e->start_mark);

    if (!n)
        return wf_arena_err(b->arena);
    refuse(b, WEFT_E_SYNTAX, &e->start_mark, "aliases are not supported; write the value out");
    n->text = WF_STR("");
    n->plain = true;
    place(b, n);
    return WEFT_OK;
}

static enum weft_err on_start(struct builder *b, const yaml_event_t *e, enum wf_yaml_kind kind)
{
    if (b->depth == WF_MAX_YAML_DEPTH) {
        refuse(b, WEFT_E_TOO_DEEP, &e->start_mark, "nested too deeply");
        b->stop = true;
        return WEFT_OK;
    }
    struct wf_yaml_node *n = new_node(b, kind, &e->start_mark);
    if (!n)
        return wf_arena_err(b->arena);
    if (kind == WF_YAML_SEQ)
        check_properties(b, e, e->data.sequence_start.anchor, e->data.sequence_start.tag);
    else
        check_properties(b, e, e->data.mapping_start.anchor, e->data.mapping_start.tag);
    place(b, n);
    b->frames[b->depth++] = (struct frame){ .node = n, .tail = &n->child };
    return WEFT_OK;
}

static void on_document(struct builder *b, const yaml_event_t *e)
{
    if (b->root) {
        refuse(b, WEFT_E_TRAILING, &e->start_mark, "a second document; one file has one");
        b->stop = true;
        return;
    }
    if (e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
        refuse(b, WEFT_E_SYNTAX, &e->start_mark, "tags are not supported");
}

static enum weft_err on_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        on_document(b, e);
        return WEFT_OK;
    case YAML_SCALAR_EVENT:
        return on_scalar(b, e);
    case YAML_ALIAS_EVENT:
        return on_alias(b, e);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(b, e, WF_YAML_SEQ);
    case YAML_MAPPING_START_EVENT:
        return on_start(b, e, WF_YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return WEFT_OK;
    default:
        return WEFT_OK;
    }
}

// libyaml gives no line for bytes that it could not even decode.
static void mark_of_offset(struct wf_bytes text, size_t offset, yaml_mark_t *mark)
{
    *mark = (yaml_mark_t){ 0 };
    for (size_t i = 0; i < offset && i < text.len; i++) {
        bool new_line = text.ptr[i] == '\n';
        mark->line += new_line;
        mark->column = new_line ? 0 : mark->column + ((text.ptr[i] & 0xc0) != 0x80);
    }
}

static enum weft_err on_broken(const yaml_parser_t *p, struct wf_bytes text, struct wf_diags *diags)
{
    const char *problem = p->problem ? p->problem : "not YAML";
    yaml_mark_t mark = p->problem_mark;

    if (p->error == YAML_MEMORY_ERROR)
        return WEFT_E_NOMEM;
    if (p->error == YAML_READER_ERROR) {
        mark_of_offset(text, p->problem_offset, &mark);
        wf_diags_add(diags, WEFT_E_BAD_UTF8, line_of(&mark), column_of(&mark), "%s", problem);
    } else if (p->context) {
        wf_diags_add(diags, WEFT_E_SYNTAX, line_of(&mark), column_of(&mark), "%s %s (line %u)",
            problem, p->context, line_of(&p->context_mark));
    } else {
        wf_diags_add(diags, WEFT_E_SYNTAX, line_of(&mark), column_of(&mark), "%s", problem);
    }
    return WEFT_OK;
}

// Feeds events to the builder until the end, an error (*ret_partial) or a limit (*ret_partial).
static enum weft_err run(
    yaml_parser_t *p, struct builder *b, struct wf_bytes text, bool *ret_partial)
{
    bool more = true;

    while (more) {
        yaml_event_t e;
        if (!yaml_parser_parse(p, &e)) {
            *ret_partial = true;
            return on_broken(p, text, b->diags);
        }
        more = e.type != YAML_STREAM_END_EVENT;
        enum weft_err err = on_event(b, &e);
        yaml_event_delete(&e);
        if (err)
            return err;
        if (b->stop) {
            *ret_partial = true;
            return WEFT_OK;
        }
    }
    return WEFT_OK;
}

enum weft_err wf_yaml_parse(
    struct wf_bytes text, struct wf_arena *arena, struct wf_diags *diags, struct wf_yaml_doc *ret)
{
    static const struct wf_yaml_node empty = { .kind = WF_YAML_MAP, .line = 1, .column = 1 };
    struct builder b = { .arena = arena, .diags = diags };
    struct wf_yaml_doc doc = { 0 };
    yaml_parser_t parser;
    enum weft_err err = WEFT_E_NOMEM;

    if (text.len > WF_MAX_YAML) {
        wf_diags_add(diags, WEFT_E_TOO_BIG, 0, 0, "larger than %u KiB", WF_MAX_YAML / WF_KIB);
        return WEFT_E_TOO_BIG;
    }
    if (yaml_parser_initialize(&parser)) {
        // Stated, or a byte-order mark would choose UTF-16.
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser, text.len ? text.ptr : (const uint8_t *)"", text.len);
        err = run(&parser, &b, text, &doc.partial);
        yaml_parser_delete(&parser);
    }
    if (err) {
        wf_diags_add(diags, err, 0, 0, "%s", weft_err_text(err));
        return err;
    }
    doc.root = b.root && b.root->kind != WF_YAML_SCALAR ? b.root : &empty;
    if (b.root && b.root->kind == WF_YAML_SCALAR && !(b.root->plain && b.root->text.len == 0))
        wf_diags_add(diags, WEFT_E_TYPE, b.root->line, b.root->column, "want keys and values");
    *ret = doc;
    return WEFT_OK;
}

const struct wf_yaml_node *wf_yaml_get(const struct wf_yaml_node *map, const char *key)
{
    return map->kind == WF_YAML_MAP ? find(map, wf_bytes_str(key)) : NULL;
}

const char *wf_yaml_kind_name(enum wf_yaml_kind kind)
{
    switch (kind) {
    case WF_YAML_SEQ:
        return "a list";
    case WF_YAML_MAP:
        return "a mapping";
    default:
        return "a value";
    }
}

// SPDX-License-Identifier: Apache-2.0
// Any bytes as a YAML file: never a crash, never an error that is not said, and a tree that keeps its promises.
#include <stdlib.h>

#include "sdk/conf/yaml.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_node(const struct wf_yaml_node *n)
{
    size_t count = 0;

    if (n->kind == WF_YAML_SCALAR && (n->text.ptr[n->text.len] != '\0' || n->child))
        abort();
    for (const struct wf_yaml_node *c = n->child; c; c = c->next, count++) {
        if (n->kind == WF_YAML_MAP && wf_yaml_get(n, (const char *)c->key.ptr) != c)
            abort();
        check_node(c);
    }
    if (count != n->count)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_arena arena;
    struct wf_diags diags;
    struct wf_buf said = { 0 };
    struct wf_yaml_doc doc = { 0 };

    wf_arena_init(&arena, WF_YAML_ARENA);
    wf_diags_init(&diags, "f");
    enum weft_err err = wf_yaml_parse(wf_bytes(data, size), &arena, &diags, &doc);
    if (err && !wf_diags_err(&diags))
        abort();
    if (!err)
        check_node(doc.root);
    if (doc.partial && !wf_diags_err(&diags))
        abort();
    if (wf_diags_print(&diags, &said))
        abort();
    wf_buf_fini(&said);
    wf_diags_fini(&diags);
    wf_arena_fini(&arena);
    return 0;
}

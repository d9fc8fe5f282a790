// SPDX-License-Identifier: Apache-2.0
#include "proto/trust/product_doc.h"

static enum weft_err take_lists(const Weft__V1__Manifest *m, struct wf_collect *c)
{
    struct wf_pattern pattern;
    enum weft_err err = wf_take_strings(m->run, m->n_run, WF_MAX_TEXT, &c->run, &c->run_count);

    if (!err)
        err = wf_take_strings(m->serve, m->n_serve, WF_MAX_TEXT, &c->serve, &c->serve_count);
    if (!err)
        err = wf_take_strings(m->hosts, m->n_hosts, WF_MAX_NAME + 1, &c->hosts, &c->host_count);
    for (size_t i = 0; !err && i < m->n_hosts; i++)
        err = wf_pattern_from(wf_bytes_str(m->hosts[i]), &pattern);
    return err;
}

// Rules are checked here for what they are in any mesh, a text; what it says is for who takes them.
static enum weft_err take_rules(const Weft__V1__Manifest *m, struct wf_collect *c)
{
    struct wf_hash hash;

    c->rules = wf_pb_view(m->rules);
    if (c->rules.len > WF_MAX_RULES)
        return WEFT_E_TOO_BIG;
    if ((c->rules.len == 0) != wf_hash_is_zero(&c->product.rules_hash))
        return WEFT_E_MISSING_FIELD;
    if (c->rules.len == 0)
        return WEFT_OK;
    wf_blake2b(c->rules, &hash);
    if (!wf_hash_eq(&hash, &c->product.rules_hash))
        return WEFT_E_HASH;
    return wf_utf8_is_valid(c->rules) ? WEFT_OK : WEFT_E_SYNTAX;
}

static enum weft_err take_collect(const Weft__V1__Manifest *m, const struct wf_opened *opened,
    struct wf_arena *arena, struct wf_collect *c)
{
    enum weft_err err = wf_doc_signer(m->signer, opened);

    c->id = opened->id;
    c->signer = opened->signer;
    c->sequence = m->sequence;
    c->removed = m->removed;
    if (!err)
        err = wf_take_hash(m->mesh_id, &c->mesh_id);
    if (!err && (c->sequence == 0 || c->sequence > WF_MAX_TIME_MS))
        err = WEFT_E_RANGE;
    if (!err)
        err = wf_product_take(m->product, &c->mesh_id, c->removed, arena, &c->product);
    if (!err)
        err = take_lists(m, c);
    if (!err)
        err = take_rules(m, c);
    if (!err)
        err = wf_take_time(m->every_ms, &c->every_ms);
    return err;
}

enum weft_err wf_collect_open(struct wf_bytes raw, struct wf_collect **ret)
{
    struct wf_collect *c = NULL;
    Weft__V1__Manifest *m = NULL;
    struct wf_opened opened;
    struct wf_arena arena;

    if (raw.len > WF_MAX_ENVELOPE)
        return WEFT_E_TOO_BIG;
    wf_arena_init(&arena, wf_doc_budget(raw.len));
    enum weft_err err =
        wf_doc_open(raw, WF_DOC_MANIFEST, &weft__v1__manifest__descriptor, &arena, &opened, &m);
    if (err)
        goto out;
    c = wf_arena_calloc(&arena, 1, sizeof *c);
    err = c ? take_collect(m, &opened, &arena, c) : wf_arena_err(&arena);
    if (err)
        goto out;
    err = wf_bytes_dup(raw, &c->raw);
    if (err)
        goto out;
    c->arena = arena; // from here on the manifest owns itself
    *ret = c;
    return WEFT_OK;
out:
    wf_arena_fini(&arena);
    return err;
}

void wf_collect_free(struct wf_collect *c)
{
    if (!c)
        return;
    struct wf_arena arena = c->arena; // c lies in it
    wf_buf_fini(&c->raw);
    wf_arena_fini(&arena);
}

static enum weft_err seal_collect(const struct wf_collect *fields, const struct wf_secret *key,
    struct wf_arena *arena, struct wf_buf *ret_envelope)
{
    Weft__V1__Manifest m = WEFT__V1__MANIFEST__INIT;
    Weft__V1__ProductDescriptor product;
    struct wf_sign_pub signer;

    wf_sign_public(key, &signer);
    enum weft_err err =
        wf_product_put(&fields->product, &fields->mesh_id, fields->removed, arena, &product);
    if (err)
        return err;
    m.product = &product;
    m.mesh_id = wf_pb_bin(wf_hash_view(&fields->mesh_id));
    m.sequence = fields->sequence;
    m.n_run = fields->run_count;
    m.run = (char **)(uintptr_t)fields->run;
    m.every_ms = fields->every_ms;
    m.n_hosts = fields->host_count;
    m.hosts = (char **)(uintptr_t)fields->hosts;
    m.n_serve = fields->serve_count;
    m.serve = (char **)(uintptr_t)fields->serve;
    m.removed = fields->removed;
    if (!fields->removed)
        m.rules = wf_pb_bin(fields->rules);
    m.signer = wf_pb_bin(WF_BYTES(signer.b));
    return wf_doc_seal(WF_DOC_MANIFEST, &m, key, ret_envelope);
}

enum weft_err wf_collect_sign(
    const struct wf_collect *fields, const struct wf_secret *key, struct wf_buf *out)
{
    struct wf_buf envelope = { 0 };
    struct wf_collect *check = NULL;
    struct wf_arena arena;

    wf_arena_init(&arena, WF_MAX_UNPACK);
    enum weft_err err = seal_collect(fields, key, &arena, &envelope);
    if (!err)
        err = wf_collect_open(wf_buf_view(&envelope), &check);
    if (!err)
        err = wf_buf_append(out, wf_buf_view(&envelope));
    wf_collect_free(check);
    wf_arena_fini(&arena);
    wf_buf_fini(&envelope);
    return err;
}

static bool selects(const char *host, const char *subject, bool is_node)
{
    struct wf_pattern pattern;

    if (strcmp(host, "node") == 0)
        return is_node;
    if (strcmp(host, "all") == 0)
        return true;
    return wf_pattern_from(wf_bytes_str(host), &pattern) == WEFT_OK &&
           wf_pattern_match(&pattern, subject);
}

bool wf_collect_selects(const struct wf_collect *c, const char *subject, bool is_node)
{
    for (size_t i = 0; i < c->host_count; i++)
        if (selects(c->hosts[i], subject, is_node))
            return true;
    return c->host_count == 0;
}

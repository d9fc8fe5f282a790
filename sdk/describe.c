// SPDX-License-Identifier: Apache-2.0
// weft_discover, weft_describe and weft_whoami: what an application learns before it reads anything.
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "proto/base/print.h"
#include "sdk/client_int.h"
#include "sdk/product_int.h"

// ---- discover ----------------------------------------------------------------------------------------------------------

struct weft_catalog {
    struct wf_arena arena;
    struct weft_product_info *v;
    size_t count;
    int64_t as_of_ms;
};

struct discover_op {
    struct weft_client *c;
    struct wf_client_wait *wait;
    const char *domain, *text;
    struct weft_catalog *ret;
};

static bool has_text(const struct wf_product *p, const char *text)
{
    const char *in[] = { p->name, p->title, p->description, p->owner_name };

    if (!text || !text[0])
        return true;
    for (size_t i = 0; i < WF_COUNT(in); i++)
        if (in[i] && strcasestr(in[i], text))
            return true;
    for (size_t i = 0; i < p->tag_count; i++)
        if (strcasestr(p->tags[i], text))
            return true;
    return false;
}

static bool is_wanted(const struct discover_op *o, const struct wf_seen *s)
{
    return s->kind == WF_ENTRY_PRODUCT &&
           (!o->domain || !o->domain[0] || strcmp(s->doc->domain.s, o->domain) == 0) &&
           has_text(&s->doc->product.product, o->text);
}

// Ages are as the answering node told them, plus the time since.
static void set_ages(
    const struct weft_client *c, const struct wf_seen *s, struct weft_product_info *info)
{
    int64_t since = wf_loop_now_ms(c->loop) - c->catalog.fetched_ms;

    info->age_ms = s->age_ms + since;
    info->heard_ms = s->heard_ms < 0 ? -1 : s->heard_ms + since;
    info->gone = s->gone;
}

bool wf_node_doc_mirrors(const struct wf_entry_doc *node, const char *product)
{
    for (size_t i = 0; node->kind == WF_ENTRY_NODE && i < node->node.mirror_count; i++)
        if (strcmp(node->node.mirrors[i], product) == 0)
            return true;
    return false;
}

static size_t count_mirrors(const struct wf_seen_list *list, const struct wf_seen *product)
{
    char name[2 * WF_MAX_NAME + 2];
    size_t count = 0;

    snprintf(name, sizeof name, "%s/%s", product->doc->domain.s, product->doc->name.s);
    for (size_t i = 0; i < list->count; i++)
        count += wf_node_doc_mirrors(list->v[i].doc, name);
    return count;
}

static enum weft_err collect(struct discover_op *o, struct weft_catalog *cat)
{
    const struct wf_seen_list *list = &o->c->catalog;
    enum weft_err err = WEFT_OK;

    wf_arena_init(&cat->arena, (size_t)WF_MAX_QUERY_BYTES);
    cat->v = calloc(list->count ? list->count : 1, sizeof *cat->v);
    if (!cat->v)
        return WEFT_E_NOMEM;
    cat->as_of_ms = list->as_of_ms;
    for (size_t i = 0; i < list->count && !err; i++) {
        const struct wf_seen *s = &list->v[i];
        struct weft_product_info *info = &cat->v[cat->count];
        if (!is_wanted(o, s))
            continue;
        err = wf_product_info_fill(&s->doc->product.product, s->doc, &cat->arena, info);
        if (!err) {
            set_ages(o->c, s, info);
            info->mirrors = count_mirrors(list, s);
            cat->count++;
        }
    }
    return err;
}

static void on_discovered(void *arg, enum weft_err err, const struct weft_problem *problem)
{
    struct discover_op *o = arg;
    struct weft_catalog *cat = err ? NULL : calloc(1, sizeof *cat);

    if (!err)
        err = cat ? collect(o, cat) : WEFT_E_NOMEM;
    if (err)
        weft_catalog_free(cat);
    else
        o->ret = cat;
    wf_client_done(o->wait, err, problem);
}

static void discover(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct discover_op *o = arg;

    o->c = c;
    o->wait = w;
    wf_client_refresh(c, true, on_discovered, o);
}

enum weft_err weft_discover(struct weft_client *c, const char *domain, const char *text,
    struct weft_catalog **ret, struct weft_problem *problem)
{
    struct discover_op o = { .domain = domain, .text = text };
    enum weft_err err = wf_client_run(c, discover, &o, problem);

    if (!err)
        *ret = o.ret;
    return err;
}

size_t weft_catalog_count(const struct weft_catalog *cat)
{
    return cat->count;
}

const struct weft_product_info *weft_catalog_at(const struct weft_catalog *cat, size_t index)
{
    return index < cat->count ? &cat->v[index] : NULL;
}

int64_t weft_catalog_as_of_ms(const struct weft_catalog *cat)
{
    return cat->as_of_ms;
}

void weft_catalog_free(struct weft_catalog *cat)
{
    if (!cat)
        return;
    wf_arena_fini(&cat->arena);
    free(cat->v);
    free(cat);
}

// ---- describe ----------------------------------------------------------------------------------------------------------

struct describe_op {
    struct weft_client *c;
    struct wf_target target;
    wf_client_product_fn done;
    void *arg;
};

static const struct wf_seen *seen_product(const struct weft_client *c, const struct wf_target *t)
{
    for (size_t i = 0; i < c->catalog.count; i++) {
        const struct wf_seen *s = &c->catalog.v[i];
        if (s->kind == WF_ENTRY_PRODUCT && wf_name_eq(&s->doc->domain, &t->domain) &&
            wf_name_eq(&s->doc->name, &t->product))
            return s;
    }
    return NULL;
}

static void end_describe(struct describe_op *o, enum weft_err err,
    const struct weft_problem *problem, struct weft_product *product)
{
    wf_client_product_fn done = o->done;
    void *arg = o->arg;

    free(o);
    done(arg, err, problem, product);
}

static void on_schema(void *arg, enum weft_err err, struct wf_bytes content)
{
    struct describe_op *o = arg;
    const struct wf_seen *s = seen_product(o->c, &o->target);
    struct weft_product *product = NULL;
    struct weft_problem problem;

    if (!err && !s)
        err = WEFT_E_NOT_FOUND;
    // Its owner has it: that it is nowhere means that the owner could not be asked.
    bool silent = err == WEFT_E_NOT_FOUND && s && s->gone;
    if (silent)
        err = WEFT_E_UNREACHABLE;
    if (silent)
        wf_problem_set(&problem, err,
            "%s/%s: unreachable: its owner's node %s does not answer, and no other node has its "
            "schema",
            o->target.domain.s, o->target.product.s, s->doc->product.node.s);
    else if (err)
        wf_problem_set(&problem, err, "schema of %s/%s: %s", o->target.domain.s,
            o->target.product.s, weft_err_text(err));
    else
        err = wf_product_object(&s->doc->product.product, s->doc, content, &product, &problem);
    if (!err)
        set_ages(o->c, s, &product->info);
    end_describe(o, err, err ? &problem : NULL, product);
}

static void on_owner(void *arg, enum weft_err err, const struct weft_problem *problem,
    struct wf_link *link, const struct wf_entry_doc *product)
{
    struct describe_op *o = arg;

    if (err) {
        end_describe(o, err, problem, NULL);
        return;
    }
    // The owner has it for sure; when it is silent, another node may.
    const struct wf_seen *s = seen_product(o->c, &o->target);
    wf_client_document(
        o->c, s && s->gone ? NULL : link, &product->product.product.schema_hash, on_schema, o);
}

void wf_client_describe(
    struct weft_client *c, const struct wf_target *t, wf_client_product_fn done, void *arg)
{
    struct describe_op *o = calloc(1, sizeof *o);

    if (!o) {
        struct weft_problem p;
        wf_problem_set(&p, WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
        done(arg, WEFT_E_NOMEM, &p, NULL);
        return;
    }
    *o = (struct describe_op){ c, *t, done, arg };
    wf_client_owner(c, t, on_owner, o);
}

struct describe_call {
    struct wf_client_wait *wait;
    struct wf_target target;
    struct weft_product *ret;
};

static void on_described(
    void *arg, enum weft_err err, const struct weft_problem *problem, struct weft_product *product)
{
    struct describe_call *d = arg;

    d->ret = product;
    wf_client_done(d->wait, err, problem);
}

static void describe(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct describe_call *d = arg;

    d->wait = w;
    wf_client_describe(c, &d->target, on_described, d);
}

enum weft_err weft_describe(struct weft_client *c, const char *product, struct weft_product **ret,
    struct weft_problem *problem)
{
    struct describe_call d = { 0 };
    enum weft_err err = wf_target_parse(product, false, &d.target, problem);

    if (!err)
        err = wf_client_run(c, describe, &d, problem);
    if (!err)
        *ret = d.ret;
    return err;
}

// ---- rules that come with a product --------------------------------------------------------------------------------------

struct rules_op {
    struct weft_client *c;
    struct wf_client_wait *wait;
    struct wf_target target;
    char *ret;
};

static void end_rules(struct rules_op *o, enum weft_err err)
{
    struct weft_problem problem;

    if (err)
        wf_problem_set(&problem, err, "rules of %s/%s: %s", o->target.domain.s, o->target.product.s,
            weft_err_text(err));
    wf_client_done(o->wait, err, err ? &problem : NULL);
}

static void on_rules(void *arg, enum weft_err err, struct wf_bytes content)
{
    struct rules_op *o = arg;

    if (!err && content.len > WF_MAX_RULES)
        err = WEFT_E_TOO_BIG;
    if (!err && (!wf_utf8_is_valid(content) || memchr(content.ptr, '\0', content.len)))
        err = WEFT_E_SYNTAX;
    if (!err)
        err = wf_bytes_strdup(content, &o->ret);
    end_rules(o, err);
}

static void on_rules_owner(void *arg, enum weft_err err, const struct weft_problem *problem,
    struct wf_link *link, const struct wf_entry_doc *product)
{
    struct rules_op *o = arg;

    if (err) {
        wf_client_done(o->wait, err, problem);
        return;
    }
    const struct wf_hash *hash = &product->product.product.rules_hash;
    const struct wf_seen *s = seen_product(o->c, &o->target);
    if (wf_hash_is_zero(hash))
        end_rules(o, WEFT_E_NOT_FOUND);
    else
        wf_client_document(o->c, s && s->gone ? NULL : link, hash, on_rules, o);
}

static void ask_rules(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct rules_op *o = arg;

    o->c = c;
    o->wait = w;
    wf_client_owner(c, &o->target, on_rules_owner, o);
}

enum weft_err weft_product_rules(
    struct weft_client *c, const char *product, char **ret_text, struct weft_problem *problem)
{
    struct rules_op o = { 0 };
    enum weft_err err = wf_target_parse(product, false, &o.target, problem);

    if (!err)
        err = wf_client_run(c, ask_rules, &o, problem);
    if (!err)
        *ret_text = o.ret;
    return err;
}

// ---- who am I ------------------------------------------------------------------------------------------------------------

struct whoami_op {
    struct wf_client_wait *wait;
    struct weft_whoami who;
};

static enum weft_err put_printed(const char *prefix, struct wf_bytes data, char *out, size_t room)
{
    struct wf_buf text = { 0 };
    enum weft_err err = wf_print(prefix, data, &text);

    if (!err)
        snprintf(out, room, "%.*s", (int)text.len, (const char *)text.ptr);
    wf_buf_fini(&text);
    return err;
}

static enum weft_err own_identity(const struct wf_identity_dir *d, struct weft_whoami *w)
{
    const struct wf_cert *cert = &d->identity.cert;
    uint8_t both[2 * WF_KEY_LEN];

    snprintf(w->domain, sizeof w->domain, "%s", cert->domain.s);
    snprintf(w->subject, sizeof w->subject, "%s", cert->subject.s);
    snprintf(w->kind, sizeof w->kind, "%s", cert->kind ? wf_identity_kind_name(cert->kind) : "");
    snprintf(w->mesh, sizeof w->mesh, "%s", d->charter->mesh);
    w->certificate_expires_ms = cert->not_after_ms;
    w->charter_version = d->charter->version;
    memcpy(both, d->keys.sign_pub.b, WF_KEY_LEN);
    memcpy(both + WF_KEY_LEN, d->keys.dh_pub.b, WF_KEY_LEN);
    wf_fingerprint(WF_BYTES(both), w->fingerprint);
    enum weft_err err = put_printed(WF_PREFIX_ID, WF_BYTES(both), w->key, sizeof w->key);
    return err ? err
               : put_printed(
                     WF_PREFIX_MESH, wf_hash_view(&d->mesh_id), w->mesh_id, sizeof w->mesh_id);
}

static void on_status(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct whoami_op *o = arg;
    const Weft__V1__StatusReply *s = err ? NULL : reply->status;
    struct weft_problem p;

    if (!err && !s)
        err = WEFT_E_PROTOCOL;
    wf_problem_from_reply(&p, err, reply, "the local node");
    if (!err) {
        snprintf(o->who.domain, sizeof o->who.domain, "%s", s->domain);
        snprintf(o->who.subject, sizeof o->who.subject, "%s", s->subject);
        snprintf(o->who.kind, sizeof o->who.kind, "%s", s->kind);
        snprintf(o->who.mesh, sizeof o->who.mesh, "%s", s->mesh);
        snprintf(o->who.fingerprint, sizeof o->who.fingerprint, "%s", s->fingerprint);
        o->who.certificate_expires_ms = s->certificate_expires_ms;
        o->who.charter_version = s->charter_version;
        err = put_printed(
            WF_PREFIX_MESH, wf_pb_view(s->mesh_id), o->who.mesh_id, sizeof o->who.mesh_id);
    }
    wf_client_done(o->wait, err, err ? &p : NULL);
}

static void whoami(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct whoami_op *o = arg;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__StatusRequest status = WEFT__V1__STATUS_REQUEST__INIT;

    o->wait = w;
    if (c->identity) {
        wf_client_done(w, own_identity(c->identity, &o->who), NULL);
        return;
    }
    q.kind_case = WEFT__V1__REQUEST__KIND_STATUS;
    q.status = &status;
    wf_client_send(c, c->local, &q, 0, on_status, o);
}

enum weft_err weft_whoami(
    struct weft_client *c, struct weft_whoami *ret, struct weft_problem *problem)
{
    struct whoami_op o = { 0 };
    enum weft_err err = wf_client_run(c, whoami, &o, problem);

    if (!err)
        *ret = o.who;
    return err;
}

// SPDX-License-Identifier: Apache-2.0
// A manifest becomes a product of this home: checked against its schema and against what the product was, signed, kept, then in force and
// advertised. Nothing changes unless everything holds; a dry run stops right before that.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/room.h"
#include "node/gossip/room.h"
#include "node/stream/priv.h"
#include "proto/schema/compat.h"
#include "proto/schema/record.h"
#include "proto/trust/product_doc.h"

struct plan {
    struct wf_node *n;
    struct wf_stream_room *r;
    struct wf_home_product *old; // NULL: a new one
    struct wf_collect fields;    // what will be signed
    struct wf_hash *earlier;     // heap, of fields
    struct wf_schema *schema;
    const struct wf_schema_message *message;
    struct wf_bytes set;
    struct wf_buf *changes;
    struct wf_diag *diag;
};

__attribute__((format(printf, 3, 4))) static enum weft_err refuse(
    struct plan *w, enum weft_err err, const char *format, ...)
{
    char text[WF_DIAG_TEXT];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    wf_diag_set(w->diag, 0, 0, "%s", text);
    return err;
}

// ---- who and what ----------------------------------------------------------------------------------------------------

static enum weft_err check_place(struct plan *w)
{
    struct wf_product *d = &w->fields.product;
    const struct wf_cert *cert = &w->n->identity.cert;

    if (!w->n->has_certificate)
        return refuse(w, WEFT_E_NEED_JOIN, "this node has no valid certificate");
    if (d->domain && d->domain[0] && strcmp(d->domain, cert->domain.s) != 0)
        return refuse(w, WEFT_E_WRONG_DOMAIN, "the manifest is of domain %s, this node of %s",
            d->domain, cert->domain.s);
    d->domain = cert->domain.s;
    if (!d->name || !wf_name_is_valid(wf_bytes_str(d->name)))
        return refuse(w, WEFT_E_NAME, "name: %s", weft_err_doc(WEFT_E_NAME));
    if (!wf_cert_may_publish(cert, d->name))
        return refuse(
            w, WEFT_E_PRODUCT, "this node's certificate does not cover the product %s", d->name);
    return WEFT_OK;
}

bool wf_stream_is_built_in(const char *name)
{
    return strcmp(name, "access") == 0 || strcmp(name, "agents") == 0 ||
           strncmp(name, WF_SIGNALS_PREFIX, strlen(WF_SIGNALS_PREFIX)) == 0;
}

// A product lives on one node: the other ones of the domain say where.
static enum weft_err check_home(struct plan *w)
{
    const struct wf_product *d = &w->fields.product;
    const struct wf_known *home =
        w->n->gossip ? wf_catalog_find(wf_gossip_catalog(w->n), WF_ENTRY_HOME, d->domain, d->name)
                     : NULL;

    if (w->old && (w->old->frozen || w->old->incoming))
        return refuse(w, WEFT_E_BUSY, "%s/%s is on its way to another node; apply it there",
            d->domain, d->name);
    if (!home || !home->doc || strcmp(home->doc->home.node.s, w->n->identity.cert.subject.s) == 0)
        return WEFT_OK;
    return refuse(w, WEFT_E_NOT_HOME, "%s/%s lives on node %s; apply it there", d->domain, d->name,
        home->doc->home.node.s);
}

// The product of this name and major, removed or not.
static struct wf_home_product *find_any(struct wf_stream_room *r, const struct wf_product *d)
{
    for (struct wf_home_product *p = r->products; p; p = p->next)
        if (p->collect->product.major == d->major && strcmp(p->collect->product.name, d->name) == 0)
            return p;
    return NULL;
}

static enum weft_err check_keys(
    struct plan *w, const char *const *paths, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        struct wf_record_path path;
        struct wf_diag why = { 0 };
        enum weft_err err = wf_record_path_compile(w->message, wf_bytes_str(paths[i]), &path, &why);
        if (err)
            return refuse(
                w, err, "%s: %s: %s", what, paths[i], why.text[0] ? why.text : weft_err_text(err));
    }
    return WEFT_OK;
}

static enum weft_err check_columns(struct plan *w)
{
    const struct wf_product *d = &w->fields.product;

    for (size_t i = 0; i < d->rule_count; i++)
        for (size_t k = 0; k < d->rules[i].column_count; k++) {
            const char *column = d->rules[i].columns[k];
            struct wf_record_path path;
            // A column may be a list; a dotted one leads through messages to a value.
            if (!wf_schema_field_by_name(w->message, wf_bytes_str(column)) &&
                wf_record_path_compile(w->message, wf_bytes_str(column), &path, NULL))
                return refuse(
                    w, WEFT_E_NOT_FOUND, "access: %s has no field %s", d->message, column);
        }
    return WEFT_OK;
}

static enum weft_err check_stream(struct plan *w)
{
    const struct wf_product *d = &w->fields.product;

    if (!d->message || !d->message[0])
        return refuse(w, WEFT_E_MISSING_FIELD, "message: which message of the schema is a record?");
    if (d->service && d->service[0])
        return refuse(w, WEFT_E_MANIFEST, "service: only an api has one");
    w->message = wf_schema_find_message(w->schema, wf_bytes_str(d->message));
    if (!w->message)
        return refuse(w, WEFT_E_NOT_FOUND, "message: the schema has no message %s", d->message);
    if (d->kind == WF_PRODUCT_INVENTORY && d->key_count == 0)
        return refuse(w, WEFT_E_MISSING_FIELD, "key: an inventory's rows need key fields");
    enum weft_err err = check_keys(w, d->keys, d->key_count, "key");
    return err ? err : check_columns(w);
}

static enum weft_err check_api(struct plan *w)
{
    const struct wf_product *d = &w->fields.product;

    if ((d->message && d->message[0]) || d->key_count)
        return refuse(w, WEFT_E_MANIFEST, "message, key: an api has a service instead");
    if (!d->service || !d->service[0])
        return refuse(w, WEFT_E_MISSING_FIELD, "service: which service of the schema is served?");
    const struct wf_schema_service *s = wf_schema_find_service(w->schema, wf_bytes_str(d->service));
    if (!s)
        return refuse(w, WEFT_E_NOT_FOUND, "service: the schema has no service %s", d->service);
    for (size_t i = 0; i < s->method_count; i++)
        if (s->methods[i].client_streaming || s->methods[i].server_streaming)
            return refuse(w, WEFT_E_UNSUPPORTED,
                "service: %s streams; only single calls are served", s->methods[i].name);
    return WEFT_OK;
}

static enum weft_err check_schema(struct plan *w)
{
    struct wf_diag why = { 0 };

    if (w->set.len == 0)
        return refuse(w, WEFT_E_MISSING_FIELD, "schema: no descriptor set came with the manifest");
    if (w->set.len > WF_MAX_DOCUMENT)
        return refuse(
            w, WEFT_E_TOO_BIG, "schema: the descriptor set is over %u bytes", WF_MAX_DOCUMENT);
    enum weft_err err = wf_schema_compile(w->set, &w->schema, &why);
    if (err)
        return refuse(w, err, "schema: %s", why.text[0] ? why.text : weft_err_text(err));
    wf_blake2b(w->set, &w->fields.product.schema_hash);
    return w->fields.product.kind == WF_PRODUCT_API ? check_api(w) : check_stream(w);
}

// ---- against what it was ---------------------------------------------------------------------------------------------

static int version_cmp(const char *a, const char *b)
{
    for (int part = 0; part < 3; part++) {
        char *end_a, *end_b;
        unsigned long x = strtoul(a, &end_a, 10), y = strtoul(b, &end_b, 10);
        if (x != y)
            return x < y ? -1 : 1;
        a = *end_a ? end_a + 1 : end_a;
        b = *end_b ? end_b + 1 : end_b;
    }
    return 0;
}

// Hashes of all earlier schemas of this major, the newest last; going back to an earlier one takes it out of the list.
static enum weft_err gather_earlier(struct plan *w)
{
    const struct wf_product *was = &w->old->collect->product;
    struct wf_product *d = &w->fields.product;
    size_t count = 0;

    w->earlier = calloc(was->earlier_count + 1, sizeof *w->earlier);
    if (!w->earlier)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < was->earlier_count; i++)
        if (!wf_hash_eq(&was->earlier[i], &d->schema_hash))
            w->earlier[count++] = was->earlier[i];
    if (!wf_hash_eq(&was->schema_hash, &d->schema_hash))
        w->earlier[count++] = was->schema_hash;
    if (count > WF_MAX_EARLIER)
        return refuse(
            w, WEFT_E_TOO_BIG, "%u schemas of one major version; raise it", WF_MAX_EARLIER);
    d->earlier = w->earlier;
    d->earlier_count = count;
    return WEFT_OK;
}

static enum weft_err check_change(struct plan *w)
{
    const struct wf_product *was = w->old ? &w->old->collect->product : NULL;
    const struct wf_product *d = &w->fields.product;
    struct wf_diag why = { 0 };

    if (!was)
        return WEFT_OK;
    if (was->kind != d->kind)
        return refuse(w, WEFT_E_INCOMPATIBLE, "kind: %s stays %s within a major version", d->name,
            wf_product_kind_name(was->kind));
    if (version_cmp(d->version, was->version) < 0)
        return refuse(w, WEFT_E_MANIFEST, "version: %s is lower than %s, which is in force",
            d->version, was->version);
    if (d->message && strcmp(d->message, was->message) != 0)
        return refuse(
            w, WEFT_E_INCOMPATIBLE, "message: stays %s within a major version", was->message);
    if (!w->old->schema)
        return gather_earlier(w);
    enum weft_err err = wf_schema_compatible(w->old->schema, w->schema, &why);
    if (err)
        return refuse(w, err, "schema: %s; raise the major version", why.text);
    return gather_earlier(w);
}

// ---- for people ------------------------------------------------------------------------------------------------------

static enum weft_err sign(struct plan *w, uint64_t sequence, struct wf_buf *ret)
{
    w->fields.mesh_id = w->n->mesh_id;
    w->fields.sequence = sequence;
    return wf_collect_sign(&w->fields, &w->n->keys.sign, ret);
}

// Signed under the number of what is in force it is the same document, byte by byte.
static bool is_in_force(struct plan *w)
{
    const struct wf_collect *old = w->old->collect;
    struct wf_buf raw = { 0 };
    bool same =
        !sign(w, old->sequence, &raw) && wf_bytes_eq(wf_buf_view(&raw), wf_buf_view(&old->raw));

    wf_buf_fini(&raw);
    return same;
}

static enum weft_err tell_changes(struct plan *w)
{
    const struct wf_product *d = &w->fields.product;
    const struct wf_product *was = w->old ? &w->old->collect->product : NULL;
    size_t before = w->changes->len;
    enum weft_err err = WEFT_OK;

    if (!was || w->old->removed)
        return wf_buf_printf(w->changes, "%s/%s %s %s (%s)\n", d->domain, d->name, d->version,
            was ? "is back" : "is new", wf_product_kind_name(d->kind));
    if (strcmp(was->version, d->version) != 0)
        err = wf_buf_printf(
            w->changes, "%s/%s version %s -> %s\n", d->domain, d->name, was->version, d->version);
    if (!err && !wf_hash_eq(&was->schema_hash, &d->schema_hash))
        err = wf_buf_printf(w->changes, "%s/%s schema changed, compatible\n", d->domain, d->name);
    if (!err && !wf_hash_eq(&was->rules_hash, &d->rules_hash))
        err = wf_buf_printf(w->changes, "%s/%s rules %s\n", d->domain, d->name,
            wf_hash_is_zero(&d->rules_hash) ? "removed" : "changed");
    if (!err && w->changes->len == before)
        err = wf_buf_printf(
            w->changes, "%s/%s %s\n", d->domain, d->name, is_in_force(w) ? "unchanged" : "updated");
    return err;
}

// ---- doing it --------------------------------------------------------------------------------------------------------

static enum weft_err sign_next(struct plan *w, struct wf_collect **ret)
{
    struct wf_buf raw = { 0 };
    uint64_t now = (uint64_t)wf_node_now_unix_ms(w->n);
    uint64_t last = w->old ? w->old->collect->sequence : 0;

    enum weft_err err = sign(w, last >= now ? last + 1 : now, &raw);
    if (err)
        (void)refuse(w, err, "the manifest: %s", weft_err_doc(err));
    else
        err = wf_collect_open(wf_buf_view(&raw), ret);
    wf_buf_fini(&raw);
    return err;
}

// The new object, recovered from the log when it was here before, with its log begun.
static enum weft_err make(struct plan *w, struct wf_collect *c)
{
    struct wf_home_product *p = NULL;
    struct wf_buf set = { 0 };
    enum weft_err err = wf_bytes_dup(w->set, &set);

    if (!err)
        err = wf_home_new(w->r, &c->product.id, &p);
    if (err) {
        wf_buf_fini(&set);
        wf_collect_free(c);
        return err;
    }
    p->schema_set = set;
    wf_home_take(p, c, w->schema);
    w->schema = NULL;
    err = wf_home_recover(p, w->diag);
    if (!err)
        err = wf_home_save(p, c, w->diag);
    if (err) {
        wf_home_free(p);
        return err;
    }
    p->next = w->r->products;
    w->r->products = p;
    w->old = p;
    return WEFT_OK;
}

static enum weft_err change(struct plan *w, struct wf_collect *c)
{
    struct wf_home_product *p = w->old;
    struct wf_buf set = { 0 };
    enum weft_err err = wf_bytes_dup(w->set, &set);

    if (!err)
        err = wf_home_make_room(p);
    if (!err) {
        wf_intake_flush(p); // under the schema it was checked with
        err = wf_home_save(p, c, w->diag);
    }
    if (err) {
        wf_buf_fini(&set);
        wf_collect_free(c);
        return err;
    }
    wf_home_take(p, c, w->schema);
    wf_buf_fini(&p->schema_set);
    p->schema_set = set;
    w->schema = NULL;
    return WEFT_OK;
}

static enum weft_err put(struct plan *w)
{
    struct wf_collect *c = NULL;
    enum weft_err err = sign_next(w, &c);

    // Documents first: whatever is in force can be fetched.
    if (!err)
        err = wf_documents_put(w->n, w->set, &w->fields.product.schema_hash);
    if (!err && c->rules.len)
        err = wf_documents_put(w->n, c->rules, &c->product.rules_hash);
    if (!err)
        err = wf_documents_put(w->n, wf_buf_view(&c->raw), &c->id);
    if (err) {
        wf_collect_free(c);
        return w->diag && w->diag->text[0]
                   ? err
                   : refuse(w, err, "it could not be kept: %s", weft_err_text(err));
    }
    return w->old ? change(w, c) : make(w, c);
}

static enum weft_err put_in_force(struct plan *w)
{
    enum weft_err err = put(w);

    if (!err)
        wf_home_started(w->old);
    return err;
}

// ---- removal ---------------------------------------------------------------------------------------------------------

static enum weft_err remove_product(struct plan *w, bool dry_run)
{
    const struct wf_product *d = &w->fields.product;
    size_t count = 0;
    enum weft_err err = WEFT_OK;

    for (struct wf_home_product *p = w->r->products; p && !err; p = p->next) {
        if (!wf_home_is_here(p) || strcmp(p->collect->product.name, d->name) != 0)
            continue;
        if (p->frozen)
            return refuse(
                w, WEFT_E_BUSY, "%s is on its way to another node; remove it there", d->name);
        count++;
        err = wf_buf_printf(w->changes,
            "%s/%s %s removed; what is in the log stays until retention\n", d->domain, d->name,
            p->collect->product.version);
        if (!err && !dry_run)
            err = wf_home_remove(p, w->diag);
    }
    if (!err && count == 0)
        return refuse(w, WEFT_E_NOT_FOUND, "this node has no product %s", d->name);
    if (!err && !dry_run && w->n->agents)
        wf_agents_manifests_changed(w->n);
    return err;
}

enum weft_err wf_apply_incoming(struct wf_node *n, const struct wf_collect *wanted,
    struct wf_bytes schema, struct wf_diag *diag, struct wf_home_product **ret)
{
    struct plan w = { .n = n, .r = n->stream, .fields = *wanted, .set = schema, .diag = diag };
    enum weft_err err = check_place(&w);

    if (!err) {
        w.old = find_any(w.r, &w.fields.product);
        err = check_schema(&w);
    }
    if (!err && w.old && !w.old->removed &&
        wf_hash_eq(&w.old->collect->product.schema_hash, &w.fields.product.schema_hash))
        err = gather_earlier(&w); // of both
    if (!err)
        err = put(&w);
    if (!err) {
        w.old->incoming = true;
        *ret = w.old;
    }
    wf_schema_free(w.schema);
    free(w.earlier);
    return err;
}

enum weft_err wf_stream_apply(struct wf_node *n, const struct wf_collect *wanted,
    struct wf_bytes schema, bool dry_run, struct wf_buf *ret_changes, struct wf_diag *diag)
{
    struct wf_buf changes = { 0 };
    struct plan w = {
        .n = n, .r = n->stream, .fields = *wanted, .set = schema, .changes = &changes, .diag = diag
    };
    enum weft_err err = check_place(&w);

    if (err || wanted->removed) {
        err = err ? err : remove_product(&w, dry_run);
        goto out;
    }
    err = wf_version_major(wf_bytes_str(w.fields.product.version ? w.fields.product.version : ""),
        &w.fields.product.major);
    if (err) {
        (void)refuse(&w, err, "version: three numbers with dots, such as 1.0.0");
        goto out;
    }
    w.old = find_any(w.r, &w.fields.product);
    err = check_home(&w);
    if (!err)
        err = check_schema(&w);
    if (!err)
        err = check_change(&w);
    if (!err)
        err = tell_changes(&w);
    if (!err) // what is in force is not refused for want of memory to say so
        err = wf_buf_reserve(ret_changes, changes.len);
    if (!err && !dry_run) {
        err = put_in_force(&w);
        if (!err && n->agents)
            wf_agents_manifests_changed(n);
    }
out:
    if (!err)
        err = wf_buf_append(ret_changes, wf_buf_view(&changes));
    wf_buf_fini(&changes);
    wf_schema_free(w.schema);
    free(w.earlier);
    return err;
}

enum weft_err wf_stream_apply_built_in(struct wf_node *n, const struct wf_product *wanted,
    struct wf_bytes schema, struct wf_diag *diag)
{
    static const char *hosts[] = { "node" }, *tags[] = { "built-in" };
    struct wf_collect c = { .product = *wanted, .hosts = hosts, .host_count = 1 };
    struct wf_buf changes = { 0 };

    c.product.version = "1.0.0";
    c.product.owner_name = n->identity.cert.domain.s;
    c.product.tags = tags;
    c.product.tag_count = 1;
    c.product.durability = WF_DURABILITY_DISK;
    enum weft_err err = wf_stream_apply(n, &c, schema, false, &changes, diag);
    wf_buf_fini(&changes);
    return err;
}

// ---- the request -----------------------------------------------------------------------------------------------------

// The asker leaves out what only the node knows; with that filled in, the manifest is packed, signed and opened like any other, so its
// fields are judged by the one decoder that exists.
static enum weft_err open_wanted(struct wf_node *n, struct wf_call *c, struct wf_collect **ret)
{
    const Weft__V1__ApplyRequest *q = c->request->apply;
    Weft__V1__Manifest m = *q->manifest;
    Weft__V1__ProductDescriptor d = *q->manifest->product;
    struct wf_hash hash, id, rules;
    struct wf_buf body = { 0 }, raw = { 0 };
    uint32_t major = 0;
    enum weft_err err = wf_version_major(wf_bytes_str(d.version), &major);

    if (d.domain[0] == '\0')
        d.domain = wf_pb_str(n->identity.cert.domain.s);
    wf_blake2b(wf_pb_view(q->schema), &hash);
    wf_product_id(&n->mesh_id, d.domain, d.name, major, &id);
    d.schema_hash = wf_pb_bin(wf_hash_view(&hash));
    wf_blake2b(wf_pb_view(m.rules), &rules);
    d.rules_hash = m.rules.len ? wf_pb_bin(wf_hash_view(&rules)) : wf_pb_bin(wf_bytes(NULL, 0));
    d.product_id = wf_pb_bin(wf_hash_view(&id));
    d.n_earlier_schemas = 0;
    m.product = &d;
    m.mesh_id = wf_pb_bin(wf_hash_view(&n->mesh_id));
    m.sequence = (uint64_t)wf_node_now_unix_ms(n);
    m.signer = wf_pb_bin(WF_BYTES(n->keys.sign_pub.b));
    if (!err)
        err = wf_pb_pack(&m, &body);
    if (!err)
        err = wf_envelope_seal(WF_DOC_MANIFEST, wf_buf_view(&body), &n->keys.sign, &raw);
    if (!err)
        err = wf_collect_open(wf_buf_view(&raw), ret);
    wf_buf_fini(&body);
    wf_buf_fini(&raw);
    return err;
}

static void answer(struct wf_call *c, struct wf_bytes changes, const struct wf_hash *id)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__ApplyReply r = WEFT__V1__APPLY_REPLY__INIT;
    size_t lines = 0;

    for (size_t i = 0; i < changes.len; i++)
        lines += changes.ptr[i] == '\n';
    r.changes = wf_arena_calloc(c->arena, lines + 1, sizeof *r.changes);
    while (r.changes && changes.len && r.n_changes < lines) {
        const char *line = NULL;
        const uint8_t *end = memchr(changes.ptr, '\n', changes.len);
        size_t len = (size_t)(end - changes.ptr);
        if (wf_arena_str(c->arena, wf_bytes(changes.ptr, len), &line))
            break;
        r.changes[r.n_changes++] = wf_pb_str(line);
        changes = wf_bytes(end + 1, changes.len - len - 1);
    }
    r.product_id = wf_pb_bin(wf_hash_view(id));
    reply.kind_case = WEFT__V1__REPLY__KIND_APPLY;
    reply.apply = &r;
    wf_call_reply(c, &reply);
}

void wf_apply_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__ApplyRequest *q = c->request->apply;
    struct wf_collect *manifest = NULL, removal = { .removed = true };
    struct wf_buf changes = { 0 };
    struct wf_diag diag = { 0 };
    struct wf_hash id = { 0 };
    enum weft_err err = WEFT_OK;

    if (!q->manifest || !q->manifest->product) {
        wf_call_refuse(c, WEFT_E_MISSING_FIELD, "no manifest");
        return;
    }
    if (wf_stream_is_built_in(q->manifest->product->name)) {
        wf_call_refuse(c, WEFT_E_POLICY,
            "%s is built in: weftd makes and keeps it by itself; nobody applies or removes it",
            q->manifest->product->name);
        return;
    }
    // A removal names a product and says nothing else of it: there is no manifest to be judged.
    removal.product.domain = q->manifest->product->domain;
    removal.product.name = q->manifest->product->name;
    if (!q->manifest->removed)
        err = open_wanted(n, c, &manifest);
    if (!err)
        err = wf_stream_apply(
            n, manifest ? manifest : &removal, wf_pb_view(q->schema), q->dry_run, &changes, &diag);
    if (err) {
        wf_call_refuse(c, err, "manifest of %s: %s", q->manifest->product->name,
            diag.text[0] ? diag.text : weft_err_doc(err));
    } else {
        if (manifest)
            id = manifest->product.id;
        answer(c, wf_buf_view(&changes), &id);
    }
    wf_collect_free(manifest);
    wf_buf_fini(&changes);
}

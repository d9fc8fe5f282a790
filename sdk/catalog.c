// SPDX-License-Identifier: Apache-2.0
// One round of discovery: digests of everything from one node, its newer charters, then the documents we lack by hash, each verified
// against the charter. One round at a time; who asks meanwhile shares its answer. Documents already verified are kept by id.
#include <stdlib.h>

#include "sdk/client_int.h"
#include "sdk/conf/values.h"

struct asker {
    struct asker *next;
    wf_client_catalog_fn done;
    void *arg;
};

struct wf_client_refresh {
    struct weft_client *c;
    struct wf_link *link; // who is asked now
    size_t source;        // index of the next one
    struct wf_seen_list list;
    size_t told; // digests of this source, of whatever kind
    struct wf_buf continuation;
    uint64_t charter_version;
    size_t missing; // when documents were asked for last
    struct asker *askers;
    struct weft_problem problem; // of the last one asked
};

void wf_seen_list_fini(struct wf_seen_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        wf_entry_doc_free(list->v[i].doc);
    free(list->v);
    *list = (struct wf_seen_list){ .fetched_ms = -1 };
}

// ---- the end of a round ----------------------------------------------------------------------------------------------

static void end_round(struct wf_client_refresh *r, enum weft_err err)
{
    struct asker *askers = r->askers;
    struct weft_problem problem = r->problem;

    r->c->refresh = NULL;
    wf_seen_list_fini(&r->list);
    wf_buf_fini(&r->continuation);
    free(r);
    while (askers) {
        struct asker *a = askers;
        askers = a->next;
        a->done(a->arg, err, err ? &problem : NULL);
        free(a);
    }
}

static int by_key(const void *a, const void *b)
{
    const struct wf_entry_doc *x = ((const struct wf_seen *)a)->doc;
    const struct wf_entry_doc *y = ((const struct wf_seen *)b)->doc;
    int order = (int)x->kind - (int)y->kind;

    if (!order)
        order = strcmp(x->domain.s, y->domain.s);
    if (!order)
        order = strcmp(x->name.s, y->name.s);
    if (!order && x->term != y->term) // the newest first
        order = x->term > y->term ? -1 : 1;
    if (!order && x->sequence != y->sequence)
        order = x->sequence > y->sequence ? -1 : 1;
    return order;
}

static bool same_key(const struct wf_entry_doc *x, const struct wf_entry_doc *y)
{
    return x->kind == y->kind && wf_name_eq(&x->domain, &y->domain) &&
           wf_name_eq(&x->name, &y->name);
}

// Drops what did not arrive or is over, sorts, and keeps the newest of a key.
static void tidy(struct wf_seen_list *list, int64_t now_unix_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        struct wf_entry_doc *d = list->v[i].doc;
        if (d && !d->removed && d->expires_ms > now_unix_ms)
            list->v[kept++] = list->v[i];
        else
            wf_entry_doc_free(d);
    }
    list->count = kept;
    if (kept)
        qsort(list->v, kept, sizeof *list->v, by_key);
    kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (kept && same_key(list->v[kept - 1].doc, list->v[i].doc))
            wf_entry_doc_free(list->v[i].doc);
        else
            list->v[kept++] = list->v[i];
    }
    list->count = kept;
}

static struct wf_entry_doc *take_known(struct weft_client *c, const struct wf_hash *id)
{
    for (size_t i = 0; i < c->catalog.count; i++) {
        struct wf_seen *s = &c->catalog.v[i];
        if (s->doc && wf_hash_eq(&s->id, id)) {
            struct wf_entry_doc *d = s->doc;
            s->doc = NULL;
            return d;
        }
    }
    return NULL;
}

// Only now: until the round has succeeded, the catalog in use keeps its documents.
static void complete(void *arg)
{
    struct wf_client_refresh *r = arg;
    struct weft_client *c = r->c;

    for (size_t i = 0; i < r->list.count; i++)
        if (!r->list.v[i].doc)
            r->list.v[i].doc = take_known(c, &r->list.v[i].id);
    tidy(&r->list, wf_loop_now_unix_ms(c->loop));
    r->list.fetched_ms = wf_loop_now_ms(c->loop);
    wf_seen_list_fini(&c->catalog);
    c->catalog = r->list;
    r->list = (struct wf_seen_list){ 0 };
    end_round(r, WEFT_OK);
}

// ---- asking ------------------------------------------------------------------------------------------------------------

static void ask_next_source(struct wf_client_refresh *r);

// This source did not answer as it should: the next one may.
static void source_failed(
    struct wf_client_refresh *r, enum weft_err err, const Weft__V1__Reply *reply)
{
    const struct wf_link_state *s = wf_link_state(r->link);

    if (reply)
        wf_problem_from_reply(&r->problem, err, reply, "discovery");
    else
        wf_problem_set(
            &r->problem, err, "discovery: %s", s->last_text[0] ? s->last_text : weft_err_text(err));
    ask_next_source(r);
}

static bool is_known(const struct weft_client *c, const struct wf_hash *id)
{
    for (size_t i = 0; i < c->catalog.count; i++)
        if (wf_hash_eq(&c->catalog.v[i].id, id))
            return true;
    return false;
}

static bool is_missing(const struct wf_seen *s)
{
    return !s->doc && !s->known;
}

static size_t count_missing(const struct wf_seen_list *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->count; i++)
        n += is_missing(&list->v[i]);
    return n;
}

static void on_documents(void *arg, enum weft_err err, const Weft__V1__Reply *reply);

static void ask_documents(struct wf_client_refresh *r)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__GetRequest get = WEFT__V1__GET_REQUEST__INIT;
    ProtobufCBinaryData hashes[WF_MAX_GET];

    r->missing = count_missing(&r->list);
    if (r->missing == 0) {
        wf_client_lists_fetch(r->c, r->link, complete, r);
        return;
    }
    for (size_t i = 0; i < r->list.count && get.n_hashes < WF_MAX_GET; i++)
        if (is_missing(&r->list.v[i]))
            hashes[get.n_hashes++] = wf_pb_bin(wf_hash_view(&r->list.v[i].id));
    get.hashes = hashes;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &get;
    wf_client_send(r->c, r->link, &q, 0, on_documents, r);
}

static void forget_seen(struct wf_seen_list *list, size_t i)
{
    list->v[i] = list->v[--list->count];
}

// One document of an answer. What does not verify is left out and counted: one bad author does not hide the others.
static void take_document(struct wf_client_refresh *r, const Weft__V1__Document *d)
{
    const struct wf_charter *charter = wf_client_charter(r->c);
    struct wf_entry_doc *doc = NULL;

    for (size_t i = 0; i < r->list.count; i++) {
        struct wf_seen *s = &r->list.v[i];
        if (!is_missing(s) || !wf_bytes_eq(wf_hash_view(&s->id), wf_pb_view(d->hash)))
            continue;
        enum weft_err err = wf_entry_doc_open(
            wf_pb_view(d->content), s->kind, charter, wf_loop_now_unix_ms(r->c->loop), &doc);
        if (!err && wf_hash_eq(&doc->id, &s->id)) {
            s->doc = doc;
            return;
        }
        wf_entry_doc_free(err ? NULL : doc);
        r->list.refused++;
        forget_seen(&r->list, i);
        return;
    }
}

static void on_documents(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_client_refresh *r = arg;

    if (!err && !reply->get)
        err = WEFT_E_PROTOCOL;
    if (err) {
        source_failed(r, err, reply);
        return;
    }
    for (size_t i = 0; i < reply->get->n_documents; i++)
        take_document(r, reply->get->documents[i]);
    // A node may have lost what it just told of; what is left then is not there.
    if (count_missing(&r->list) < r->missing)
        ask_documents(r);
    else
        wf_client_lists_fetch(r->c, r->link, complete, r);
}

static void on_walked(void *arg, enum weft_err err)
{
    struct wf_client_refresh *r = arg;

    // A charter that does not follow ours (a fork, a lie) changes nothing: documents are judged by the one we hold.
    if (!wf_client_charter(r->c)) {
        source_failed(r, err ? err : WEFT_E_CHAIN, NULL);
        return;
    }
    for (size_t i = 0; i < r->list.count; i++)
        r->list.v[i].known = is_known(r->c, &r->list.v[i].id);
    ask_documents(r);
}

static void add_list(struct weft_client *c, const Weft__V1__Digest *d)
{
    struct wf_name domain;
    struct wf_hash id;

    if (!wf_name_from(wf_bytes_str(d->domain), &domain) && !wf_hash_from(wf_pb_view(d->hash), &id))
        wf_client_list_seen(c, &domain, &id);
}

static enum weft_err add_digest(
    struct weft_client *c, struct wf_seen_list *list, const Weft__V1__SeenDigest *d)
{
    struct wf_hash id;

    if (d->digest && d->digest->kind == WEFT__V1__ENTRY_KIND__ENTRY_KIND_REVOCATIONS)
        add_list(c, d->digest);
    if (!d->digest || (d->digest->kind != WEFT__V1__ENTRY_KIND__ENTRY_KIND_NODE &&
                          d->digest->kind != WEFT__V1__ENTRY_KIND__ENTRY_KIND_PRODUCT))
        return WEFT_OK;
    enum weft_err err = wf_hash_from(wf_pb_view(d->digest->hash), &id);
    if (err)
        return WEFT_E_PROTOCOL;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        if (list->count >= WF_CATALOG_ENTRIES)
            return WEFT_E_TOO_BIG;
        struct wf_seen *v = realloc(list->v, cap * sizeof *v);
        if (!v)
            return WEFT_E_NOMEM;
        list->v = v;
        list->cap = cap;
    }
    list->v[list->count++] = (struct wf_seen){ .kind = (enum wf_entry_kind)d->digest->kind,
        .id = id,
        .age_ms = d->age_ms,
        .heard_ms = d->heard_ms,
        .gone = d->gone };
    return WEFT_OK;
}

static void ask_digests(struct wf_client_refresh *r);

static void on_digests(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_client_refresh *r = arg;
    const Weft__V1__DigestReply *d = err ? NULL : reply->digest;
    size_t before = r->list.count;

    if (!err && (!d || d->n_digests > WF_MAX_DIGESTS))
        err = WEFT_E_PROTOCOL;
    r->told += err ? 0 : d->n_digests;
    if (!err && r->told > WF_CATALOG_TOLD) // pages of what is of no interest would never end
        err = WEFT_E_TOO_BIG;
    for (size_t i = 0; !err && i < d->n_digests; i++)
        err = add_digest(r->c, &r->list, d->digests[i]);
    // A page may hold nothing of interest, but one with nothing at all and another behind it never ends.
    if (!err && reply->continuation.len && d->n_digests == 0 && before == r->list.count)
        err = WEFT_E_PROTOCOL;
    r->continuation.len = 0;
    if (!err)
        err = wf_buf_append(&r->continuation, wf_pb_view(reply->continuation));
    if (err) {
        source_failed(r, err, reply);
        return;
    }
    r->list.as_of_ms = d->as_of_ms;
    r->charter_version = d->charter_version;
    if (r->continuation.len)
        ask_digests(r);
    else
        wf_client_walk(r->c, r->link, r->charter_version, on_walked, r);
}

static void ask_digests(struct wf_client_refresh *r)
{
    const struct wf_charter *charter = wf_client_charter(r->c);
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__DigestRequest digest = WEFT__V1__DIGEST_REQUEST__INIT;

    digest.all = true;
    digest.charter_version = charter ? charter->version : 0;
    digest.continuation = wf_pb_bin(wf_buf_view(&r->continuation));
    q.kind_case = WEFT__V1__REQUEST__KIND_DIGEST;
    q.digest = &digest;
    wf_client_send(r->c, r->link, &q, 0, on_digests, r);
}

static void ask_next_source(struct wf_client_refresh *r)
{
    wf_seen_list_fini(&r->list);
    r->told = 0;
    r->continuation.len = 0;
    r->link = wf_client_source(r->c, r->source++);
    if (r->link)
        ask_digests(r);
    else
        end_round(r, r->problem.err);
}

static void on_ready(void *arg, enum weft_err err)
{
    struct wf_client_refresh *r = arg;

    (void)err; // an expired certificate is refused with a better text by whoever we ask
    ask_next_source(r);
}

// ---- for the rest of the client --------------------------------------------------------------------------------------

static enum weft_err add_asker(struct wf_client_refresh *r, wf_client_catalog_fn done, void *arg)
{
    struct asker *a = calloc(1, sizeof *a);

    if (!a)
        return WEFT_E_NOMEM;
    *a = (struct asker){ r->askers, done, arg };
    r->askers = a;
    return WEFT_OK;
}

static enum weft_err begin_round(struct weft_client *c)
{
    struct wf_client_refresh *r = calloc(1, sizeof *r);

    if (!r)
        return WEFT_E_NOMEM;
    r->c = c;
    r->list.fetched_ms = -1;
    wf_problem_set(&r->problem, WEFT_E_UNREACHABLE,
        "no node to ask: %s has no seeds and no weftd runs here",
        c->identity ? c->identity->dir : "this client");
    c->refresh = r;
    return WEFT_OK;
}

void wf_client_refresh(struct weft_client *c, bool fresh, wf_client_catalog_fn done, void *arg)
{
    int64_t age = wf_loop_now_ms(c->loop) - c->catalog.fetched_ms;
    enum weft_err err = WEFT_OK;
    bool begun = false;

    if (!fresh && c->catalog.fetched_ms >= 0 && age < WF_CATALOG_FRESH_MS) {
        done(arg, WEFT_OK, NULL);
        return;
    }
    if (!c->refresh) {
        err = c->closing ? WEFT_E_CLOSED : begin_round(c);
        begun = !err;
    }
    if (!err)
        err = add_asker(c->refresh, done, arg);
    if (err) {
        struct weft_problem problem;
        if (begun)
            end_round(c->refresh, err);
        wf_problem_set(&problem, err, "%s", weft_err_text(err));
        done(arg, err, &problem);
        return;
    }
    if (begun)
        wf_client_renew_if_due(c, on_ready, c->refresh);
}

static const struct wf_entry_doc *find(
    const struct weft_client *c, enum wf_entry_kind kind, const char *domain, const char *name)
{
    for (size_t i = 0; i < c->catalog.count; i++) {
        const struct wf_entry_doc *d = c->catalog.v[i].doc;
        if (d && d->kind == kind && strcmp(d->domain.s, domain) == 0 &&
            strcmp(d->name.s, name) == 0)
            return d;
    }
    return NULL;
}

const struct wf_entry_doc *wf_client_product_doc(
    struct weft_client *c, const char *domain, const char *product)
{
    return find(c, WF_ENTRY_PRODUCT, domain, product);
}

struct names {
    const struct weft_client *c;
    const char *domain; // names of its products; NULL: names of domains
};

static const char *next_name(const void *context, size_t i)
{
    const struct names *n = context;

    if (i >= n->c->catalog.count)
        return NULL;
    const struct wf_entry_doc *d = n->c->catalog.v[i].doc;
    if (!d || d->kind != WF_ENTRY_PRODUCT)
        return ""; // near to nothing
    return !n->domain ? d->domain.s : strcmp(d->domain.s, n->domain) == 0 ? d->name.s : "";
}

const struct wf_entry_doc *wf_client_product_like(
    const struct weft_client *c, const char *domain, const char *product, bool *ret_domain)
{
    const struct names in_domain = { c, domain }, domains = { c, NULL };
    const char *near = wf_suggest(wf_bytes_str(product), next_name, &in_domain);
    const struct wf_entry_doc *like = near ? find(c, WF_ENTRY_PRODUCT, domain, near) : NULL;

    *ret_domain = false;
    for (size_t i = 0; !*ret_domain && next_name(&domains, i); i++)
        *ret_domain = strcmp(next_name(&domains, i), domain) == 0;
    if (like)
        return like;
    near = wf_suggest(wf_bytes_str(domain), next_name, &domains);
    like = near ? find(c, WF_ENTRY_PRODUCT, near, product) : NULL;
    for (size_t i = 0; !like && i < c->catalog.count; i++) {
        const struct wf_entry_doc *d = c->catalog.v[i].doc;
        if (d && d->kind == WF_ENTRY_PRODUCT && strcmp(d->name.s, product) == 0)
            like = d;
    }
    return like;
}

const struct wf_entry_doc *wf_client_node_doc(
    struct weft_client *c, const char *domain, const char *subject)
{
    return find(c, WF_ENTRY_NODE, domain, subject);
}

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakemesh.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/trust/product.h"
#include "sdk/net/net.h"
#include "tests/support/trust_token.h"

#define ADVERT_LIFE_MS (3 * WF_TEST_DAY)

static struct wf_test_domain *servers(struct wf_fakemesh *m)
{
    return &m->mesh.d[WF_TEST_SERVERS];
}

static void add_document(
    struct wf_fakemesh *m, int kind, const struct wf_hash *hash, struct wf_bytes content)
{
    size_t i = m->document_count++;

    ck_assert_uint_lt(i, WF_FAKE_DOCUMENTS);
    m->documents[i].kind = kind;
    m->documents[i].hash = *hash;
    ck_assert_int_eq(wf_bytes_dup(content, &m->documents[i].content), WEFT_OK);
}

void wf_fakemesh_add(struct wf_fakemesh *m, const struct wf_hash *hash, struct wf_bytes content)
{
    add_document(m, 0, hash, content);
}

static void add_entry(struct wf_fakemesh *m, enum wf_entry_kind kind, struct wf_bytes raw)
{
    struct wf_entry_doc *d = NULL;
    enum weft_err err = wf_entry_doc_open(raw, kind, m->mesh.charter, wf_test_clock_unix_ms(), &d);

    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    add_document(m, (int)kind, &d->id, raw);
    wf_entry_doc_free(d);
}

static void add_product(
    struct wf_fakemesh *m, const char *name, enum wf_product_kind kind, uint64_t sequence)
{
    static const char *tags[] = { "weather" };
    struct wf_product p = { .domain = "servers",
        .name = name,
        .version = "1.2.0",
        .title = "Readings of stations",
        .description = "what sensors saw",
        .owner_name = "Server team",
        .owner_contact = "servers@example.org",
        .kind = kind,
        .major = 1,
        .message = kind == WF_PRODUCT_API ? "" : "test.station.v1.Reading",
        .service = kind == WF_PRODUCT_API ? "test.station.v1.Stations" : "",
        .tags = tags,
        .tag_count = 1,
        .classification = WF_CLASS_INTERNAL,
        .durability = WF_DURABILITY_DISK,
        .freshness_ms = 60000,
        .retention_ms = WF_TEST_DAY };
    struct wf_product_fields f = { .mesh_id = m->mesh.charter->mesh_id,
        .product = &p,
        .term = 1,
        .sequence = sequence,
        .expires_ms = WF_TEST_NOW + ADVERT_LIFE_MS,
        .node = "node-1",
        .chain = wf_buf_view(&servers(m)->node_chain) };
    struct wf_buf raw = { 0 };

    static const char *keys[] = { "station" };
    if (kind == WF_PRODUCT_INVENTORY) {
        p.keys = keys;
        p.key_count = 1;
    }
    wf_blake2b(wf_buf_view(&m->schema), &p.schema_hash);
    if (kind == WF_PRODUCT_METRIC)
        wf_blake2b(WF_STR(WF_FAKE_RULES), &p.rules_hash);
    enum weft_err err = wf_product_advert_sign(&f, &servers(m)->node, &raw);
    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    add_entry(m, WF_ENTRY_PRODUCT, wf_buf_view(&raw));
    wf_buf_fini(&raw);
}

void wf_fakemesh_add_newer(struct wf_fakemesh *m)
{
    m->newer = m->document_count;
    add_product(m, "readings", WF_PRODUCT_METRIC, WF_TEST_NOW);
}

static void add_node(struct wf_fakemesh *m, const char *address)
{
    struct wf_node_fields f = { .mesh_id = m->mesh.charter->mesh_id,
        .domain = "servers",
        .subject = "node-1",
        .sequence = WF_TEST_NOW - 1000,
        .expires_ms = WF_TEST_NOW + ADVERT_LIFE_MS,
        .addresses = &address,
        .address_count = 1,
        .dh_key = servers(m)->node_dh_pub,
        .chain = wf_buf_view(&servers(m)->node_chain),
        .charter_version = 1 };
    struct wf_buf raw = { 0 };
    enum weft_err err = wf_node_advert_sign(&f, &servers(m)->node, &raw);

    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    add_entry(m, WF_ENTRY_NODE, wf_buf_view(&raw));
    wf_buf_fini(&raw);
}

void wf_fakemesh_revoke(struct wf_fakemesh *m, const struct wf_sign_pub *key, int64_t from_ms)
{
    struct wf_test_domain *d = &m->mesh.d[WF_TEST_SERVERS];
    struct wf_revoked_key origin = { *key, from_ms };
    struct wf_revocations f = { .mesh_id = m->mesh.charter->mesh_id,
        .version = WF_TEST_NOW,
        .issued_ms = WF_TEST_NOW,
        .issuer_raw = wf_buf_view(&d->issuer_cert),
        .origin_count = 1,
        .origins = &origin };
    struct wf_buf raw = { 0 };
    struct wf_hash id;

    ck_assert_int_eq(wf_name_from(WF_STR("servers"), &f.domain), WEFT_OK);
    ck_assert_int_eq(wf_revocations_sign(&f, &d->issuer, &raw), WEFT_OK);
    wf_blake2b(wf_buf_view(&raw), &id);
    add_document(m, WF_ENTRY_REVOCATIONS, &id, wf_buf_view(&raw));
    wf_buf_fini(&raw);
}

// ---- answers -------------------------------------------------------------------------------------------------------------

static void set_bin(const struct wf_fake_call *c, ProtobufCBinaryData *to, struct wf_bytes from)
{
    struct wf_bytes copy = { 0 };

    ck_assert_int_eq(wf_arena_dup(c->arena, from, &copy), WEFT_OK);
    *to = wf_pb_bin(copy);
}

static uint64_t charter_version(struct wf_fakemesh *m)
{
    return atomic_load(&m->tell_second) ? 2 : 1;
}

static void put_digest(
    const struct wf_fake_call *c, const struct wf_fakemesh *m, size_t at, Weft__V1__DigestReply *r)
{
    Weft__V1__SeenDigest *s = wf_fake_new(c, &weft__v1__seen_digest__descriptor);
    Weft__V1__Digest *d = wf_fake_new(c, &weft__v1__digest__descriptor);

    d->kind = (Weft__V1__EntryKind)m->documents[at].kind;
    d->domain = wf_fake_str(c, "servers");
    set_bin(c, &d->hash, wf_hash_view(&m->documents[at].hash));
    s->digest = d;
    s->age_ms = 1000;
    s->heard_ms = 500;
    r->digests[r->n_digests++] = s;
}

// A page of homes, which are of no interest to who looks for products, and another one behind it, for ever.
static void put_endless(const struct wf_fake_call *c, size_t page, Weft__V1__Reply *reply)
{
    Weft__V1__DigestReply *r = wf_fake_new(c, &weft__v1__digest_reply__descriptor);
    Weft__V1__SeenDigest *s = wf_fake_new(c, &weft__v1__seen_digest__descriptor);

    s->digest = wf_fake_new(c, &weft__v1__digest__descriptor);
    s->digest->kind = WEFT__V1__ENTRY_KIND__ENTRY_KIND_HOME;
    s->digest->domain = wf_fake_str(c, "servers");
    r->digests = wf_arena_calloc(c->arena, page, sizeof(void *));
    while (r->n_digests < page)
        r->digests[r->n_digests++] = s;
    r->as_of_ms = WF_TEST_NOW;
    r->charter_version = 1;
    set_bin(c, &reply->continuation, WF_STR("more"));
    reply->kind_case = WEFT__V1__REPLY__KIND_DIGEST;
    reply->digest = r;
}

static void on_digest(struct wf_fakemesh *m, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    Weft__V1__DigestReply *r = wf_fake_new(c, &weft__v1__digest_reply__descriptor);
    ProtobufCBinaryData from = c->request->digest->continuation;
    size_t at = from.len ? from.data[0] : 0, page = (size_t)atomic_load(&m->digests_a_page);
    size_t refused = (size_t)atomic_load(&m->digests_refused);

    if (atomic_load(&m->digests_endless)) {
        put_endless(c, (size_t)atomic_load(&m->digests_endless), reply);
        return;
    }
    if (refused && at >= refused) {
        wf_fake_refuse(c, reply, WEFT_E_BUSY, "no more of it");
        return;
    }
    r->digests = wf_arena_calloc(c->arena, WF_FAKE_DOCUMENTS, sizeof(void *));
    bool empty = atomic_load(&m->digests_empty) > 0 && atomic_fetch_sub(&m->digests_empty, 1) > 0;
    for (; !empty && at < m->document_count && (!page || r->n_digests < page); at++)
        if (m->documents[at].kind && (!m->newer || at != m->newer || atomic_load(&m->tell_newer)))
            put_digest(c, m, at, r);
    if (at < m->document_count) {
        uint8_t next = (uint8_t)at;
        set_bin(c, &reply->continuation, wf_bytes(&next, 1));
    }
    r->as_of_ms = WF_TEST_NOW;
    r->charter_version = charter_version(m);
    reply->kind_case = WEFT__V1__REPLY__KIND_DIGEST;
    reply->digest = r;
}

static void put_document(
    struct wf_fakemesh *m, const struct wf_fake_call *c, size_t at, Weft__V1__GetReply *r)
{
    Weft__V1__Document *d = wf_fake_new(c, &weft__v1__document__descriptor);
    struct wf_bytes content = wf_buf_view(&m->documents[at].content);
    bool is_schema = m->documents[at].kind == 0;

    if (is_schema && atomic_load(&m->lose_schema))
        return;
    set_bin(c, &d->hash, wf_hash_view(&m->documents[at].hash));
    set_bin(c, &d->content, is_schema && atomic_load(&m->corrupt_schema) ? WF_STR("no") : content);
    r->documents[r->n_documents++] = d;
}

static void on_get(struct wf_fakemesh *m, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    Weft__V1__GetReply *r = wf_fake_new(c, &weft__v1__get_reply__descriptor);
    const Weft__V1__GetRequest *q = c->request->get;

    r->documents = wf_arena_calloc(c->arena, WF_FAKE_DOCUMENTS, sizeof(void *));
    r->charters = wf_arena_calloc(c->arena, 2, sizeof *r->charters);
    for (size_t i = 0; i < q->n_hashes; i++)
        for (size_t at = 0; at < m->document_count; at++)
            if (wf_bytes_eq(wf_pb_view(q->hashes[i]), wf_hash_view(&m->documents[at].hash)))
                put_document(m, c, at, r);
    if (q->charters_from == 1)
        set_bin(c, &r->charters[r->n_charters++], wf_buf_view(&m->mesh.charter->raw));
    if (q->charters_from && q->charters_from <= 2 && atomic_load(&m->tell_second))
        set_bin(c, &r->charters[r->n_charters++], wf_buf_view(&m->second->raw));
    reply->kind_case = WEFT__V1__REPLY__KIND_GET;
    reply->get = r;
}

static void grant(struct wf_fakemesh *m, const struct wf_fake_call *c, ProtobufCBinaryData *to)
{
    struct wf_test_block b;
    struct wf_buf raw = { 0 };

    wf_test_block_init(&b, &m->mesh.charter->mesh_id, "servers", &m->keys.sign_pub);
    b.fields.product_count = wf_test_patterns("*", b.products);
    b.fields.method_count = wf_test_patterns("*", b.methods);
    wf_random(b.fields.nonce, sizeof b.fields.nonce);
    b.fields.issued_ms = b.fields.not_before_ms = wf_test_clock_unix_ms();
    b.fields.expires_ms = b.fields.issued_ms + WF_TEST_DAY;
    enum weft_err err =
        wf_token_grant(&b.fields, wf_buf_view(&servers(m)->issuer_cert), &servers(m)->issuer, &raw);
    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    set_bin(c, to, wf_buf_view(&raw));
    wf_buf_fini(&raw);
}

static void on_access(struct wf_fakemesh *m, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    Weft__V1__AccessReply *r = wf_fake_new(c, &weft__v1__access_reply__descriptor);

    atomic_fetch_add(&m->access_asked, 1);
    atomic_store(&m->policy_only, c->request->access->policy_only);
    r->state = wf_fake_str(c, m->access_state);
    r->reason = wf_fake_str(c, m->access_reason);
    if (strcmp(m->access_state, "granted") == 0)
        grant(m, c, &r->token);
    reply->kind_case = WEFT__V1__REPLY__KIND_ACCESS;
    reply->access = r;
}

static bool moved(struct wf_fakemesh *m, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    if (atomic_load(&m->not_home) <= 0)
        return false;
    atomic_fetch_sub(&m->not_home, 1);
    wf_fake_refuse(c, reply, WEFT_E_NOT_HOME, "moved");
    return true;
}

static Weft__V1__Value *cell(const struct wf_fake_call *c, Weft__V1__Value__KindCase kind)
{
    Weft__V1__Value *v = wf_fake_new(c, &weft__v1__value__descriptor);

    v->kind_case = kind;
    return v;
}

// Columns station, warmth, drops, raw, wind; the rows of page p are (2p, 2p + 1).
static void put_row(const struct wf_fake_call *c, Weft__V1__QueryReply *r, int64_t number)
{
    Weft__V1__Row *row = wf_fake_new(c, &weft__v1__row__descriptor);
    char name[32];

    snprintf(name, sizeof name, "s%lld", (long long)number);
    row->n_values = 5;
    row->values = wf_arena_calloc(c->arena, 5, sizeof(void *));
    row->values[0] = cell(c, WEFT__V1__VALUE__KIND_TEXT);
    row->values[0]->text = wf_fake_str(c, name);
    row->values[1] = cell(c, WEFT__V1__VALUE__KIND_REAL);
    row->values[1]->real = 0.5;
    row->values[2] = cell(c, WEFT__V1__VALUE__KIND_INTEGER);
    row->values[2]->integer = -number;
    row->values[3] = cell(c, WEFT__V1__VALUE__KIND_BLOB);
    set_bin(c, &row->values[3]->blob, WF_STR("\x00\x01"));
    row->values[4] = cell(c, WEFT__V1__VALUE__KIND_NULL);
    row->values[4]->null = true;
    r->rows[r->n_rows++] = row;
}

static void put_coverage(const struct wf_fake_call *c, Weft__V1__QueryReply *r)
{
    Weft__V1__OriginCoverage *o = wf_fake_new(c, &weft__v1__origin_coverage__descriptor);

    o->origin = wf_fake_str(c, "web-1");
    o->state = wf_fake_str(c, "up");
    o->rows = 2;
    r->coverage = wf_arena_calloc(c->arena, 1, sizeof(void *));
    r->coverage[r->n_coverage++] = o;
}

static void on_query(struct wf_fakemesh *m, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    static const char *const names[] = { "station", "warmth", "drops", "raw", "wind" };
    Weft__V1__QueryReply *r = wf_fake_new(c, &weft__v1__query_reply__descriptor);
    ProtobufCBinaryData from = c->request->query->continuation;
    uint8_t page = from.len ? from.data[0] : 0;

    atomic_fetch_add(&m->query_asked, 1);
    if (moved(m, c, reply))
        return;
    if (m->query_refusal && page >= m->query_refused_from) {
        wf_fake_refuse(c, reply, WEFT_E_COLUMN, m->query_refusal);
        reply->refusal->caveat = wf_fake_str(c, "columns");
        reply->refusal->audit_id = wf_fake_str(c, "a-17");
        reply->refusal->hint = wf_fake_str(c, "weft access request servers/hosts");
        return;
    }
    r->columns = wf_arena_calloc(c->arena, WF_COUNT(names), sizeof(char *));
    for (size_t i = 0; i < WF_COUNT(names); i++)
        r->columns[r->n_columns++] = wf_fake_str(c, names[i]);
    r->rows = wf_arena_calloc(c->arena, 2, sizeof(void *));
    bool empty = !m->query_pages || (m->query_empty_from && page >= m->query_empty_from);
    for (int i = 0; i < 2 && !empty; i++)
        put_row(c, r, 2 * page + i);
    put_coverage(c, r);
    r->offset = 99;
    r->as_of_ms = WF_TEST_NOW;
    r->partial = m->partial != NULL;
    r->partial_reason = wf_fake_str(c, m->partial ? m->partial : "");
    page++;
    if (page < m->query_pages)
        set_bin(c, &reply->continuation, wf_bytes(&page, 1));
    reply->kind_case = WEFT__V1__REPLY__KIND_QUERY;
    reply->query = r;
}

// Last answers with {"station": what was asked}: the input's encoding is a Reading's, too.
static void on_call(struct wf_fakemesh *m, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    Weft__V1__CallReply *r = wf_fake_new(c, &weft__v1__call_reply__descriptor);
    bool is_call = c->request->kind_case == WEFT__V1__REQUEST__KIND_CALL;

    atomic_fetch_add(&m->call_asked, 1);
    if (moved(m, c, reply))
        return;
    r->state = wf_fake_str(c, m->call_state);
    r->error = wf_fake_str(c, m->call_error);
    r->code = (uint32_t)m->call_code;
    r->provider = wf_fake_str(c, "servers/node-1");
    r->started_ms = WF_TEST_NOW;
    if (is_call) {
        memcpy(m->call_key, c->request->idempotency.data, sizeof m->call_key);
        snprintf(m->call_method, sizeof m->call_method, "%s", c->request->call->method);
        set_bin(c, &r->result, wf_pb_view(c->request->call->request));
    }
    reply->kind_case = WEFT__V1__REPLY__KIND_CALL;
    reply->call = r;
}

static void on_renew(struct wf_fakemesh *m, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    Weft__V1__RenewReply *r = wf_fake_new(c, &weft__v1__renew_reply__descriptor);
    struct wf_buf chain = wf_fakemesh_chain(m, 0, 12 * WF_TEST_HOUR);

    atomic_fetch_add(&m->renew_asked, 1);
    set_bin(c, &r->chain, wf_buf_view(&chain));
    wf_buf_fini(&chain);
    reply->kind_case = WEFT__V1__REPLY__KIND_RENEW;
    reply->renew = r;
}

static void on_status(const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    Weft__V1__StatusReply *s = wf_fake_new(c, &weft__v1__status_reply__descriptor);
    struct wf_hash id = wf_test_hash("mesh");

    s->domain = wf_fake_str(c, "servers");
    s->subject = wf_fake_str(c, "node-1");
    s->kind = wf_fake_str(c, "node");
    set_bin(c, &s->mesh_id, wf_hash_view(&id));
    reply->kind_case = WEFT__V1__REPLY__KIND_STATUS;
    reply->status = s;
}

static void serve(void *arg, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    struct wf_fakemesh *m = arg;

    switch (c->request->kind_case) {
    case WEFT__V1__REQUEST__KIND_DIGEST:
        on_digest(m, c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_GET:
        on_get(m, c, reply);
        if (atomic_load(&m->wrong_kind) > 0 && atomic_fetch_sub(&m->wrong_kind, 1) > 0) {
            reply->kind_case = WEFT__V1__REPLY__KIND_DIGEST;
            reply->digest = wf_fake_new(c, &weft__v1__digest_reply__descriptor);
        }
        break;
    case WEFT__V1__REQUEST__KIND_ACCESS:
        on_access(m, c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_QUERY:
        on_query(m, c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_CALL:
    case WEFT__V1__REQUEST__KIND_CALL_STATUS:
        on_call(m, c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_RENEW:
        on_renew(m, c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_STATUS:
        on_status(c, reply);
        break;
    default:
        if (m->other)
            m->other(m->other_arg, c, reply);
        else
            wf_fake_refuse(c, reply, WEFT_E_REQUEST, "unknown request");
    }
}

// ---- life ----------------------------------------------------------------------------------------------------------------

static struct wf_charter *second_charter(struct wf_fakemesh *m)
{
    struct wf_charter f = *m->mesh.charter, *next = NULL;
    struct wf_buf body = { 0 }, one = { 0 }, two = { 0 };

    f.version = 2;
    f.previous = m->mesh.charter->id;
    f.created_ms += 1;
    ck_assert_int_eq(wf_charter_body(&f, &body), WEFT_OK);
    ck_assert_int_eq(wf_charter_sign(wf_buf_view(&body), false, &m->mesh.d[0].root, &one), WEFT_OK);
    ck_assert_int_eq(wf_charter_sign(wf_buf_view(&one), true, &m->mesh.d[1].root, &two), WEFT_OK);
    enum weft_err err = wf_charter_open_next(wf_buf_view(&two), m->mesh.charter, &next);
    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    wf_buf_fini(&body);
    wf_buf_fini(&one);
    wf_buf_fini(&two);
    return next;
}

struct wf_buf wf_fakemesh_chain(struct wf_fakemesh *m, int64_t began_ms, int64_t life_ms)
{
    struct wf_test_domain *d = &m->mesh.d[WF_TEST_NETWORK];
    struct wf_cert cert = wf_test_cert("network", WF_ID_USER, "alice");

    cert.not_before_ms = wf_test_clock_unix_ms() - began_ms;
    cert.not_after_ms = cert.not_before_ms + life_ms;
    struct wf_buf raw = wf_test_cert_issue(&cert, &d->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&raw), wf_buf_view(&d->issuer_cert));
    wf_buf_fini(&raw);
    return chain;
}

void wf_fakemesh_init(struct wf_fakemesh *m, bool local)
{
    struct wf_net_conf net_conf = { .watch_ms = -1 };
    const char *tmp = wf_test_tmpdir();
    char path[512];
    struct wf_hash hash;

    memset(m, 0, sizeof *m);
    wf_test_mesh_init(&m->mesh);
    m->keys.sign = wf_test_sign_key("network/alice", &m->keys.sign_pub);
    m->keys.dh = wf_test_dh_key("network/alice", &m->keys.dh_pub);
    snprintf(m->dir, sizeof m->dir, "%s/id", tmp);
    snprintf(m->socket, sizeof m->socket, "%s/s", tmp);
    snprintf(path, sizeof path, "%s/tests/product/station.set", getenv("WEFT_BUILD_DIR"));
    m->schema = wf_test_file(path);
    m->second = second_charter(m);
    m->access_state = "granted";
    m->access_reason = "";
    m->query_pages = 1;
    m->call_state = "done";
    m->call_error = "";
    ck_assert_int_eq(wf_net_new(&net_conf, &m->net), WEFT_OK);
    struct wf_fakenode_conf conf = { .net = m->net,
        .dh = &servers(m)->node_dh,
        .dh_pub = servers(m)->node_dh_pub,
        .mesh_id = m->mesh.charter->mesh_id,
        .chain = wf_buf_view(&servers(m)->node_chain),
        .charter_version = 1,
        .socket = local ? m->socket : NULL,
        .answer = serve,
        .arg = m };
    m->node = wf_fakenode_start(&conf);
    m->knobs = wf_fakenode_knobs(m->node);
    add_node(m, local ? "127.0.0.1:1" : wf_fakenode_address(m->node));
    add_product(m, "readings", WF_PRODUCT_METRIC, WF_TEST_NOW - 1000);
    add_product(m, "stations", WF_PRODUCT_API, WF_TEST_NOW - 1000);
    add_product(m, "hosts", WF_PRODUCT_INVENTORY, WF_TEST_NOW - 1000);
    wf_blake2b(wf_buf_view(&m->schema), &hash);
    add_document(m, 0, &hash, wf_buf_view(&m->schema));
    wf_blake2b(WF_STR(WF_FAKE_RULES), &hash);
    add_document(m, 0, &hash, WF_STR(WF_FAKE_RULES));
}

void wf_fakemesh_join(struct wf_fakemesh *m, int64_t began_ms, int64_t life_ms, size_t seeds)
{
    struct wf_identity_dir *d = NULL;
    struct wf_seed seed = { .dh_key = servers(m)->node_dh_pub };
    struct wf_diag diag = { 0 };
    int64_t now = wf_test_clock_unix_ms();

    snprintf(seed.address, sizeof seed.address, "%s", wf_fakenode_address(m->node));
    m->chain = wf_fakemesh_chain(m, began_ms, life_ms);
    ck_assert_int_eq(wf_identity_create(m->dir, &m->keys, &diag), WEFT_OK);
    ck_assert_int_eq(wf_identity_load(m->dir, now, &d, &diag), WEFT_OK);
    ck_assert_int_eq(wf_identity_set_mesh(d, &m->mesh.charter->mesh_id, &diag), WEFT_OK);
    ck_assert_int_eq(
        wf_identity_add_charter(d, wf_buf_view(&m->mesh.charter->raw), &diag), WEFT_OK);
    ck_assert_int_eq(
        wf_identity_set_chain(d, wf_buf_view(&m->chain), now - began_ms, &diag), WEFT_OK);
    ck_assert_int_eq(wf_identity_set_seeds(d, &seed, seeds, &diag), WEFT_OK);
    wf_identity_free(d);
}

void wf_fakemesh_fini(struct wf_fakemesh *m)
{
    if (m->node)
        wf_fakenode_stop(m->node);
    wf_net_free(m->net);
    for (size_t i = 0; i < m->document_count; i++)
        wf_buf_fini(&m->documents[i].content);
    wf_buf_fini(&m->schema);
    wf_buf_fini(&m->chain);
    wf_keys_fini(&m->keys);
    wf_charter_free(m->second);
    wf_test_mesh_fini(&m->mesh);
}

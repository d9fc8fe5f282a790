// SPDX-License-Identifier: Apache-2.0
// Registry documents under a charter: node adverts, product adverts, homes. Who may say what, and when it was said.
#include <check.h>

#include "proto/trust/product_doc.h"
#include "tests/support/trust_product.h"

#define NOW  WF_TEST_NOW
#define LIFE WF_TEST_HOUR

static struct wf_test_mesh mesh;
static struct wf_test_domain *servers, *network;
static const char *const addresses[] = { "10.0.0.1:7400", "[2001:db8::1]:7400" };

static void setup(void)
{
    wf_test_mesh_init(&mesh);
    servers = &mesh.d[WF_TEST_SERVERS];
    network = &mesh.d[WF_TEST_NETWORK];
}

static void teardown(void)
{
    wf_test_mesh_fini(&mesh);
}

static struct wf_node_fields node_fields(void)
{
    return (struct wf_node_fields){ .mesh_id = mesh.charter->mesh_id,
        .domain = "servers",
        .subject = "node-1",
        .sequence = NOW,
        .expires_ms = NOW + LIFE,
        .addresses = addresses,
        .address_count = WF_COUNT(addresses),
        .dh_key = servers->node_dh_pub,
        .chain = wf_buf_view(&servers->node_chain),
        .charter_version = 1 };
}

static struct wf_product_fields product_fields(const struct wf_product *p)
{
    return (struct wf_product_fields){ .mesh_id = mesh.charter->mesh_id,
        .product = p,
        .term = 3,
        .sequence = NOW,
        .expires_ms = NOW + LIFE,
        .node = "node-1",
        .chain = wf_buf_view(&servers->node_chain) };
}

static struct wf_home_fields home_fields(void)
{
    return (struct wf_home_fields){ .mesh_id = mesh.charter->mesh_id,
        .domain = "servers",
        .product = "hosts",
        .node = "node-1",
        .term = 3,
        .sequence = NOW,
        .expires_ms = NOW + LIFE,
        .issuer_cert = wf_buf_view(&servers->issuer_cert) };
}

static struct wf_buf sealed(enum wf_entry_kind kind)
{
    struct wf_node_fields n = node_fields();
    struct wf_product product = wf_test_product();
    struct wf_product_fields p = product_fields(&product);
    struct wf_home_fields h = home_fields();
    struct wf_buf out = { 0 };
    enum weft_err err = kind == WF_ENTRY_NODE ? wf_node_advert_sign(&n, &servers->node, &out)
                        : kind == WF_ENTRY_PRODUCT
                            ? wf_product_advert_sign(&p, &servers->node, &out)
                            : wf_home_sign(&h, &servers->issuer, &out);

    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    return out;
}

static enum weft_err open_at(struct wf_bytes raw, enum wf_entry_kind kind, int64_t now)
{
    struct wf_entry_doc *d = NULL;
    enum weft_err err = wf_entry_doc_open(raw, kind, mesh.charter, now, &d);

    wf_entry_doc_free(d);
    return err;
}

static enum weft_err open_kind(struct wf_bytes raw, void *context)
{
    return open_at(raw, *(enum wf_entry_kind *)context, NOW);
}

// ---- what is said

START_TEST(node_advert_opens_with_every_field)
{
    struct wf_buf raw = sealed(WF_ENTRY_NODE);
    struct wf_entry_doc *d = NULL;

    ck_assert_int_eq(
        wf_entry_doc_open(wf_buf_view(&raw), WF_ENTRY_NODE, mesh.charter, NOW, &d), WEFT_OK);
    ck_assert_int_eq((int)d->kind, WF_ENTRY_NODE);
    ck_assert_str_eq(d->domain.s, "servers");
    ck_assert_str_eq(d->name.s, "node-1");
    ck_assert_uint_eq(d->sequence, NOW);
    ck_assert_uint_eq(d->term, 0);
    ck_assert_int_eq(d->expires_ms, NOW + LIFE);
    ck_assert(!d->removed);
    ck_assert_mem_eq(d->signer.b, servers->node_pub.b, WF_KEY_LEN);
    ck_assert_uint_eq(d->node.address_count, 2);
    ck_assert_str_eq(d->node.addresses[1], addresses[1]);
    ck_assert_mem_eq(d->node.dh_key.b, servers->node_dh_pub.b, WF_KEY_LEN);
    ck_assert_str_eq(d->node.identity.cert.subject.s, "node-1");
    ck_assert_str_eq(d->node.version, WEFT_VERSION);
    ck_assert_uint_eq(d->node.protocol, WF_PROTOCOL_VERSION);
    ck_assert_uint_eq(d->node.charter_version, 1);
    ck_assert(wf_bytes_eq(wf_buf_view(&d->raw), wf_buf_view(&raw)));
    wf_entry_doc_free(d);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(product_advert_opens_with_every_field)
{
    struct wf_buf raw = sealed(WF_ENTRY_PRODUCT);
    struct wf_entry_doc *d = NULL;
    struct wf_hash id;

    ck_assert_int_eq(
        wf_entry_doc_open(wf_buf_view(&raw), WF_ENTRY_PRODUCT, mesh.charter, NOW, &d), WEFT_OK);
    ck_assert_str_eq(d->domain.s, "servers");
    ck_assert_str_eq(d->name.s, "hosts");
    ck_assert_uint_eq(d->term, 3);
    ck_assert_str_eq(d->product.node.s, "node-1");
    ck_assert_str_eq(d->product.product.owner_name, "Server team");
    wf_product_id(&mesh.charter->mesh_id, "servers", "hosts", 1, &id);
    ck_assert(wf_hash_eq(&d->product.product.id, &id));
    ck_assert_str_eq(d->product.identity.issuer.subject.s, "issuer");
    wf_entry_doc_free(d);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(home_opens_with_every_field)
{
    struct wf_buf raw = sealed(WF_ENTRY_HOME);
    struct wf_entry_doc *d = NULL;

    ck_assert_int_eq(
        wf_entry_doc_open(wf_buf_view(&raw), WF_ENTRY_HOME, mesh.charter, NOW, &d), WEFT_OK);
    ck_assert_str_eq(d->name.s, "hosts");
    ck_assert_str_eq(d->home.node.s, "node-1");
    ck_assert_uint_eq(d->term, 3);
    ck_assert_mem_eq(d->signer.b, servers->issuer_pub.b, WF_KEY_LEN);
    ck_assert_mem_eq(d->home.issuer.sign_key.b, servers->issuer_pub.b, WF_KEY_LEN);
    wf_entry_doc_free(d);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(tombstones_open_as_removed)
{
    struct wf_node_fields n = node_fields();
    struct wf_product product = {
        .domain = "servers", .name = "hosts", .kind = WF_PRODUCT_INVENTORY
    };
    struct wf_product_fields p = product_fields(&product);
    struct wf_buf raw = { 0 };
    struct wf_entry_doc *d = NULL;

    n.leaving = true;
    n.address_count = 0;
    ck_assert_int_eq(wf_node_advert_sign(&n, &servers->node, &raw), WEFT_OK);
    ck_assert_int_eq(
        wf_entry_doc_open(wf_buf_view(&raw), WF_ENTRY_NODE, mesh.charter, NOW, &d), WEFT_OK);
    ck_assert(d->removed);
    wf_entry_doc_free(d);
    raw.len = 0;
    p.removed = true;
    ck_assert_int_eq(wf_product_advert_sign(&p, &servers->node, &raw), WEFT_OK);
    ck_assert_int_eq(
        wf_entry_doc_open(wf_buf_view(&raw), WF_ENTRY_PRODUCT, mesh.charter, NOW, &d), WEFT_OK);
    ck_assert(d->removed);
    ck_assert_str_eq(d->product.product.title, "");
    wf_entry_doc_free(d);
    wf_buf_fini(&raw);
}
END_TEST

// ---- who may say it: one field or key changed at a time

struct change {
    struct wf_node_fields n;
    struct wf_product product;
    struct wf_product_fields p;
    struct wf_home_fields h;
    const struct wf_secret *key;
    struct wf_buf chain; // a chain of the case's own
};

#define CHANGE(name, code)                                                                         \
    static void name(struct change *c)                                                             \
    {                                                                                              \
        code;                                                                                      \
    }
static const char *const no_port[] = { "10.0.0.1" };
static const char *many_addresses[WF_MAX_ADDRESSES + 1];

static void own_chain(struct change *c, enum wf_identity_kind kind, const char *subject,
    uint32_t usages, const char *pattern)
{
    struct wf_cert cert = wf_test_cert("servers", kind, subject);

    cert.sign_key = servers->node_pub;
    cert.dh_key = servers->node_dh_pub;
    cert.usages = usages;
    cert.pattern_count = usages & WF_USE_BATCH ? 1 : 0;
    ck_assert_int_eq(wf_pattern_from(wf_bytes_str(pattern), &cert.patterns[0]), WEFT_OK);
    struct wf_buf raw = wf_test_cert_issue(&cert, &servers->issuer);
    c->chain = wf_test_chain(wf_buf_view(&raw), wf_buf_view(&servers->issuer_cert));
    wf_buf_fini(&raw);
    c->n.chain = c->p.chain = wf_buf_view(&c->chain);
}

CHANGE(nothing, (void)c)
CHANGE(other_mesh, c->n.mesh_id = c->p.mesh_id = c->h.mesh_id = wf_test_hash("another mesh"))
CHANGE(no_sequence, c->n.sequence = c->p.sequence = c->h.sequence = 0)
CHANGE(huge_sequence, c->n.sequence = c->p.sequence = c->h.sequence = UINT64_MAX)
CHANGE(ahead, c->n.sequence = c->p.sequence = c->h.sequence = NOW + 60001)
CHANGE(just_ahead, c->n.sequence = c->p.sequence = c->h.sequence = NOW + 60000)
CHANGE(dead, c->n.expires_ms = c->p.expires_ms = c->h.expires_ms = NOW)
CHANGE(negative, c->n.expires_ms = c->p.expires_ms = c->h.expires_ms = -1)
CHANGE(
    long_life, c->n.expires_ms = c->p.expires_ms = c->h.expires_ms = NOW + WF_MAX_ENTRY_LIFE_MS + 1)
CHANGE(
    longest_life, c->n.expires_ms = c->p.expires_ms = c->h.expires_ms = NOW + WF_MAX_ENTRY_LIFE_MS)
CHANGE(no_term, c->p.term = c->h.term = 0)
CHANGE(huge_term, c->p.term = c->h.term = UINT64_MAX)
CHANGE(term_ahead, c->p.term = c->h.term = (uint64_t)NOW + 1)
CHANGE(highest_term, c->p.term = c->h.term = NOW)
CHANGE(no_chain, c->n.chain.len = c->p.chain.len = c->h.issuer_cert.len = 0)
CHANGE(bad_name, c->n.subject = c->p.node = c->h.node = "Node")
CHANGE(no_name, c->n.subject = c->p.node = c->h.node = "")
CHANGE(other_key, c->key = &network->node)
CHANGE(other_node, c->n.subject = c->p.node = "node-2")
CHANGE(other_domain, c->n.domain = c->product.domain = c->h.domain = "network")
CHANGE(other_issuer, c->h.issuer_cert = wf_buf_view(&network->issuer_cert))
CHANGE(
    node_as_issuer, (c->h.issuer_cert = wf_buf_view(&servers->node_cert), c->key = &servers->node))
CHANGE(old, c->n.sequence = c->p.sequence = c->h.sequence = (uint64_t)(NOW - 2 * WF_TEST_HOUR))
CHANGE(other_dh, c->n.dh_key = network->node_dh_pub)
CHANGE(zero_dh, c->n.dh_key = (struct wf_dh_pub){ { 0 } })
CHANGE(bad_address, (c->n.addresses = no_port, c->n.address_count = 1))
CHANGE(no_address, c->n.address_count = 0)
CHANGE(many, (c->n.addresses = many_addresses, c->n.address_count = WF_COUNT(many_addresses)))
CHANGE(agent, own_chain(c, WF_ID_AGENT, "node-1", WF_USE_BATCH, "*"))
CHANGE(no_usage, own_chain(c, WF_ID_NODE, "node-1", WF_USE_BATCH, "*"))
CHANGE(other_products, own_chain(c, WF_ID_NODE, "node-1", wf_usages_of(WF_ID_NODE), "disk-*"))
static const char *const two_mirrors[] = { "network/flows", "servers/hosts" };
static const char *const same_mirrors[] = { "network/flows", "network/flows" };
static const char *const unordered_mirrors[] = { "servers/hosts", "network/flows" };
static const char *const no_slash[] = { "flows" }, *const no_product[] = { "network/" };
static const char *const two_slashes[] = { "network/flows/1" };
static const char *many_mirrors[WF_MAX_MIRRORS + 1];
#define MIRRORS(name, list)                                                                        \
    CHANGE(name, (c->n.mirrors = (list), c->n.mirror_count = WF_COUNT(list)))
MIRRORS(mirrors_two, two_mirrors)
MIRRORS(mirrors_same, same_mirrors)
MIRRORS(mirrors_unordered, unordered_mirrors)
MIRRORS(mirrors_no_slash, no_slash)
MIRRORS(mirrors_no_product, no_product)
MIRRORS(mirrors_two_slashes, two_slashes)
MIRRORS(mirrors_many, many_mirrors)
CHANGE(own_products, own_chain(c, WF_ID_NODE, "node-1", wf_usages_of(WF_ID_NODE), "ho*"))

#define N 1u
#define P 2u
#define H 4u
static const struct {
    const char *why;
    void (*change)(struct change *);
    unsigned kinds; // which of the three it is tried with
    enum weft_err want;
} rows[] = {
    { "unchanged", nothing, N | P | H, WEFT_OK },
    { "another mesh", other_mesh, N | P | H, WEFT_E_WRONG_MESH },
    { "sequence 0", no_sequence, N | P | H, WEFT_E_RANGE },
    { "a sequence that leaves no successor", huge_sequence, N | P | H, WEFT_E_RANGE },
    { "signed 60.001 s ahead", ahead, N | P | H, WEFT_E_FUTURE },
    { "signed 60 s ahead", just_ahead, N | P | H, WEFT_OK },
    { "expires when it is signed", dead, N | P | H, WEFT_E_RANGE },
    { "expires before 1970", negative, N | P | H, WEFT_E_RANGE },
    { "lives over 90 days", long_life, N | P | H, WEFT_E_RANGE },
    { "lives 90 days", longest_life, N | P | H, WEFT_OK },
    { "term 0", no_term, P | H, WEFT_E_MISSING_FIELD },
    { "the last term there is", huge_term, P | H, WEFT_E_RANGE },
    { "a term ahead of its time", term_ahead, P | H, WEFT_E_RANGE },
    { "the highest term of its time", highest_term, P | H, WEFT_OK },
    { "no chain", no_chain, N | P | H, WEFT_E_MISSING_FIELD },
    { "a bad node name", bad_name, N | P | H, WEFT_E_NAME },
    { "no node name", no_name, N | P | H, WEFT_E_MISSING_FIELD },
    { "signed by another domain's node, with this chain", other_key, N | P | H, WEFT_E_CHAIN },
    { "a node speaks for another", other_node, N | P, WEFT_E_NOT_OWNER },
    { "speaks for another domain", other_domain, N | P | H, WEFT_E_WRONG_DOMAIN },
    { "another domain's issuer", other_issuer, H, WEFT_E_CHAIN },
    { "a node plays issuer", node_as_issuer, H, WEFT_E_CHAIN },
    { "signed before its certificate began", old, N | P | H, WEFT_E_NOT_YET },
    { "another Noise key than certified", other_dh, N, WEFT_E_KEY },
    { "a Noise key of zeros", zero_dh, N, WEFT_E_KEY },
    { "an address without a port", bad_address, N, WEFT_E_SYNTAX },
    { "no address", no_address, N, WEFT_E_MISSING_FIELD },
    { "17 addresses", many, N, WEFT_E_TOO_BIG },
    { "an agent speaks as a node", agent, N | P, WEFT_E_KIND },
    { "a node that may not", no_usage, N | P, WEFT_E_PURPOSE },
    { "a node certified for other products", other_products, P, WEFT_E_PRODUCT },
    { "a node certified for this one", own_products, P, WEFT_OK },
    { "mirrors two products", mirrors_two, N, WEFT_OK },
    { "mirrors one product twice", mirrors_same, N, WEFT_E_ORDER },
    { "mirrors out of order", mirrors_unordered, N, WEFT_E_ORDER },
    { "a mirrored product without a domain", mirrors_no_slash, N, WEFT_E_SYNTAX },
    { "a mirrored domain without a product", mirrors_no_product, N, WEFT_E_NAME },
    { "a mirrored product of three parts", mirrors_two_slashes, N, WEFT_E_NAME },
    { "65 mirrors", mirrors_many, N, WEFT_E_TOO_BIG },
};

// Who signed is part of what was signed: else one body has one id whoever put his name below it.
START_TEST(a_body_that_names_another_signer_is_refused)
{
    struct wf_buf raw = sealed(WF_ENTRY_NODE), again = { 0 };
    Weft__V1__NodeAdvert *m = NULL;
    struct wf_opened opened;
    struct wf_arena arena;

    wf_arena_init(&arena, wf_doc_budget(raw.len));
    ck_assert_int_eq(wf_doc_open(wf_buf_view(&raw), WF_DOC_NODE, &weft__v1__node_advert__descriptor,
                         &arena, &opened, &m),
        WEFT_OK);
    m->signer = wf_pb_bin(WF_BYTES(network->node_pub.b));
    ck_assert_int_eq(wf_doc_seal(WF_DOC_NODE, m, &servers->node, &again), WEFT_OK);
    ck_assert_int_eq(open_at(wf_buf_view(&again), WF_ENTRY_NODE, NOW), WEFT_E_SIGNATURE);
    m->signer.len = 0;
    wf_buf_fini(&again);
    ck_assert_int_eq(wf_doc_seal(WF_DOC_NODE, m, &servers->node, &again), WEFT_OK);
    ck_assert_int_eq(open_at(wf_buf_view(&again), WF_ENTRY_NODE, NOW), WEFT_E_MISSING_FIELD);
    wf_arena_fini(&arena);
    wf_buf_fini(&again);
    wf_buf_fini(&raw);
}
END_TEST

static struct wf_buf seal_change(struct change *c, enum wf_entry_kind kind, enum weft_err *ret)
{
    struct wf_buf raw = { 0 };

    if (kind == WF_ENTRY_NODE)
        *ret = wf_node_advert_sign(&c->n, c->key, &raw);
    else if (kind == WF_ENTRY_PRODUCT)
        *ret = wf_product_advert_sign(&c->p, c->key, &raw);
    else
        *ret = wf_home_sign(&c->h, c->key, &raw);
    return raw;
}

START_TEST(each_document_is_judged_by_who_signed_it_and_when)
{
    for (size_t i = 0; i < WF_COUNT(many_addresses); i++)
        many_addresses[i] = "10.0.0.1:7400";
    for (size_t i = 0; i < WF_COUNT(many_mirrors); i++)
        many_mirrors[i] = "network/flows";
    for (unsigned k = WF_ENTRY_NODE; k <= WF_ENTRY_HOME; k++) {
        struct change c = { .n = node_fields(), .product = wf_test_product(), .h = home_fields() };
        enum weft_err err;
        if (!(rows[_i].kinds & 1u << (k - 1)))
            continue;
        c.p = product_fields(&c.product);
        c.key = k == WF_ENTRY_HOME ? &servers->issuer : &servers->node;
        rows[_i].change(&c);
        struct wf_buf raw = seal_change(&c, (enum wf_entry_kind)k, &err);
        if (!err)
            err = open_at(wf_buf_view(&raw), (enum wf_entry_kind)k, NOW);
        ck_assert_msg(err == rows[_i].want, "%s, kind %u: %s", rows[_i].why, k, weft_err_name(err));
        static const char *const names[] = { "", "node", "product", "home" };
        char name[64];
        snprintf(name, sizeof name, "%u-%s-accepted", 600 + 100 * (k - 1) + (unsigned)_i, names[k]);
        if (rows[_i].want)
            wf_test_trust_refused(600 + 100 * (k - 1) + (unsigned)_i, names[k], rows[_i].want,
                rows[_i].why, wf_buf_view(&raw));
        else
            wf_test_trust_vector(name, rows[_i].why, wf_buf_view(&raw));
        wf_buf_fini(&raw);
        wf_buf_fini(&c.chain);
    }
}
END_TEST

// ---- when

START_TEST(verdict_does_not_change_with_the_readers_clock)
{
    enum wf_entry_kind kinds[] = { WF_ENTRY_NODE, WF_ENTRY_PRODUCT, WF_ENTRY_HOME };

    for (size_t i = 0; i < WF_COUNT(kinds); i++) {
        struct wf_buf raw = sealed(kinds[i]);
        ck_assert_int_eq(open_at(wf_buf_view(&raw), kinds[i], NOW - 60000), WEFT_OK);
        ck_assert_int_eq(open_at(wf_buf_view(&raw), kinds[i], NOW - 60001), WEFT_E_FUTURE);
        // Long after the certificates ended: the document was rightly signed, its expiry is the catalog's question.
        ck_assert_int_eq(open_at(wf_buf_view(&raw), kinds[i], NOW + 1000 * WF_TEST_DAY), WEFT_OK);
        wf_buf_fini(&raw);
    }
}
END_TEST

START_TEST(charter_policy_binds_products_and_nodes)
{
    struct wf_buf product = sealed(WF_ENTRY_PRODUCT), node = sealed(WF_ENTRY_NODE);
    char *regions[] = { wf_pb_str("us-east"), wf_pb_str("eu-west") };
    char *classes[] = { wf_pb_str("public"), wf_pb_str("internal") };
    struct wf_charter *c = mesh.charter;
    struct wf_charter saved = *c;

    c->regions = regions;
    c->region_count = 2;
    c->classifications = classes;
    c->classification_count = 2;
    ck_assert_int_eq(open_at(wf_buf_view(&product), WF_ENTRY_PRODUCT, NOW), WEFT_OK);
    c->region_count = 1;
    ck_assert_int_eq(open_at(wf_buf_view(&product), WF_ENTRY_PRODUCT, NOW), WEFT_E_POLICY);
    c->region_count = 2;
    c->classification_count = 1;
    ck_assert_int_eq(open_at(wf_buf_view(&product), WF_ENTRY_PRODUCT, NOW), WEFT_E_POLICY);
    c->min_protocol = WF_PROTOCOL_VERSION + 1;
    ck_assert_int_eq(open_at(wf_buf_view(&node), WF_ENTRY_NODE, NOW), WEFT_E_VERSION);
    *c = saved;
    wf_buf_fini(&product);
    wf_buf_fini(&node);
}
END_TEST

// ---- damage

START_TEST(damaged_document_is_refused)
{
    enum wf_entry_kind kind = (enum wf_entry_kind)_i;
    struct wf_buf raw = sealed(kind);

    wf_test_truncations(wf_buf_view(&raw), open_kind, &kind);
    wf_test_bit_flips(wf_buf_view(&raw), 5, open_kind, &kind);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(document_opens_as_its_own_kind_only)
{
    static const enum wf_doc docs[] = { WF_DOC_NODE, WF_DOC_PRODUCT, WF_DOC_HOME };
    enum wf_entry_kind kind = (enum wf_entry_kind)_i;
    struct wf_buf raw = sealed(kind);
    struct wf_arena arena;
    struct wf_sealed s;
    const struct wf_secret *key = kind == WF_ENTRY_HOME ? &servers->issuer : &servers->node;

    wf_arena_init(&arena, 1u << 20);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&raw), docs[kind - 1], &arena, &s), WEFT_OK);
    wf_test_purposes(s.body, docs[kind - 1], key, open_kind, &kind);
    for (int k = WF_ENTRY_NODE; k <= WF_ENTRY_HOME; k++)
        ck_assert_int_eq(open_at(wf_buf_view(&raw), (enum wf_entry_kind)k, NOW),
            k == (int)kind ? WEFT_OK : WEFT_E_PURPOSE);
    ck_assert_int_eq(open_at(wf_buf_view(&raw), WF_ENTRY_CHARTER, NOW), WEFT_E_TYPE);
    ck_assert_int_eq(open_at(wf_buf_view(&raw), 0, NOW), WEFT_E_TYPE);
    wf_arena_fini(&arena);
    wf_buf_fini(&raw);
}
END_TEST

static enum weft_err build_and_open(struct wf_bytes in, void *context)
{
    enum wf_entry_kind kind = *(enum wf_entry_kind *)context;
    struct change c = { .n = node_fields(), .product = wf_test_product(), .h = home_fields() };
    enum weft_err err;

    (void)in;
    c.p = product_fields(&c.product);
    c.key = kind == WF_ENTRY_HOME ? &servers->issuer : &servers->node;
    struct wf_buf raw = seal_change(&c, kind, &err);
    if (!err)
        err = open_at(wf_buf_view(&raw), kind, NOW);
    wf_buf_fini(&raw);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    enum wf_entry_kind kind = (enum wf_entry_kind)_i;

    wf_test_allocations(WF_STR(""), build_and_open, &kind);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("entry_doc");
    TCase *t = tcase_create("entry_doc");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, node_advert_opens_with_every_field);
    tcase_add_test(t, a_body_that_names_another_signer_is_refused);
    tcase_add_test(t, product_advert_opens_with_every_field);
    tcase_add_test(t, home_opens_with_every_field);
    tcase_add_test(t, tombstones_open_as_removed);
    tcase_add_loop_test(
        t, each_document_is_judged_by_who_signed_it_and_when, 0, (int)WF_COUNT(rows));
    tcase_add_test(t, verdict_does_not_change_with_the_readers_clock);
    tcase_add_test(t, charter_policy_binds_products_and_nodes);
    tcase_add_loop_test(t, damaged_document_is_refused, WF_ENTRY_NODE, WF_ENTRY_HOME + 1);
    tcase_add_loop_test(t, document_opens_as_its_own_kind_only, WF_ENTRY_NODE, WF_ENTRY_HOME + 1);
    tcase_add_loop_test(
        t, failing_allocations_leave_nothing_behind, WF_ENTRY_NODE, WF_ENTRY_HOME + 1);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

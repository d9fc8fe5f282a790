// SPDX-License-Identifier: Apache-2.0
// Product descriptors, adverts, homes, node adverts, manifests: typed forms of the registry's signed documents. A decoded
// document owns one arena; views and strings inside live as long as it. Immutable after opening.
#ifndef WF_TRUST_PRODUCT_H
#define WF_TRUST_PRODUCT_H

#include "proto/trust/charter.h"

enum wf_product_kind {
    WF_PRODUCT_METRIC = 1,
    WF_PRODUCT_EVENT,
    WF_PRODUCT_INVENTORY,
    WF_PRODUCT_API
};
enum wf_classification {
    WF_CLASS_PUBLIC = 1,
    WF_CLASS_INTERNAL,
    WF_CLASS_CONFIDENTIAL,
    WF_CLASS_PERSONAL
};
enum wf_durability { WF_DURABILITY_DISK = 1, WF_DURABILITY_PROCESS };
// How origins store batches: their choice (a node lz4 below 32 KiB, else zstd; an agent zstd), or one of three.
enum wf_packing { WF_PACKING_ANY = 0, WF_PACKING_NONE, WF_PACKING_LZ4, WF_PACKING_ZSTD };
const char *wf_product_kind_name(enum wf_product_kind k);
const char *wf_classification_name(enum wf_classification c);
WF_MUST_USE enum weft_err wf_product_kind_parse(struct wf_bytes text, enum wf_product_kind *ret);
WF_MUST_USE enum weft_err wf_classification_parse(
    struct wf_bytes text, enum wf_classification *ret);

struct wf_access_rule {
    const char *domain, *subject; // subject: pattern, "" = anyone
    size_t verb_count, column_count;
    const char **verbs, **columns;
    int64_t duration_ms;
};

struct wf_product {
    // strings are "" when absent after opening, and may be NULL when building
    const char *domain, *name, *version, *title, *description, *owner_name, *owner_contact;
    enum wf_product_kind kind;
    uint32_t major; // from version
    struct wf_hash id, schema_hash;
    struct wf_hash rules_hash; // of the alert rules that come with it; zero: none
    const char *message, *service;
    size_t key_count, region_count, tag_count, rule_count, earlier_count;
    const char **keys, **regions, **tags;
    struct wf_access_rule *rules;
    const struct wf_hash *earlier; // earlier schemas of this major
    enum wf_classification classification;
    int64_t freshness_ms, retention_ms;
    uint64_t retention_bytes;
    enum wf_durability durability;
    enum wf_packing packing;
    uint32_t linger_us;
    uint32_t batch_bytes;    // as its owner says; see wf_product_batch
    bool rows_shared, drops; // drops: publishers do, when their queue is full
};

// BLAKE2b-256(PAE("weft/product-id/v1", be32 length-prefixed mesh id, domain, name, be32 major)).
void wf_product_id(const struct wf_hash *mesh_id, const char *domain, const char *name,
    uint32_t major, struct wf_hash *ret);
#define WF_PRODUCT_BATCH (64u * WF_KIB)
// Raw bytes at which a batch leaves though its linger is not over: what the owner says (0 = nothing), else WF_PRODUCT_BATCH. Of a burst, whose batches wait for each
// other anyway, they may grow to `times` of it, at most WF_MAX_BATCH_BYTES.
size_t wf_product_batch(uint32_t batch_bytes, unsigned times);
// "1.4.2" -> major; SYNTAX unless MAJOR.MINOR.PATCH in decimal, at most nine digits each, without leading zeros.
WF_MUST_USE enum weft_err wf_version_major(struct wf_bytes version, uint32_t *ret_major);
// Names of fields, messages and services: [A-Za-z_][A-Za-z0-9_]*, with dots between such parts where dotted.
bool wf_identifier_is_valid(const char *s, bool dotted);

enum wf_entry_kind {
    WF_ENTRY_NODE = 1,
    WF_ENTRY_PRODUCT,
    WF_ENTRY_HOME,
    WF_ENTRY_CHARTER,
    WF_ENTRY_REVOCATIONS,
    WF_ENTRY_PROOF,
};

// A registry document after verification. `kind` says which member holds.
struct wf_entry_doc {
    enum wf_entry_kind kind;
    struct wf_hash id, mesh_id;
    struct wf_name domain,
        name; // key = (kind, domain, name); node: subject; product, home: product
    uint64_t term, sequence;
    int64_t expires_ms;
    bool removed;
    struct wf_sign_pub signer;
    struct wf_buf raw;
    struct wf_arena arena;
    union {
        struct {
            size_t address_count;
            const char **addresses;
            size_t mirror_count;
            const char **mirrors; // "domain/product", ascending
            struct wf_dh_pub dh_key;
            struct wf_identity identity; // verified
            const char *version;
            uint32_t protocol;
            uint64_t charter_version;
        } node;
        struct {
            struct wf_product product;
            struct wf_name node;
            struct wf_identity identity;
        } product;
        struct {
            struct wf_name node;
            struct wf_cert issuer;
        } home;
    };
};

// Opens and verifies a NODE, PRODUCT or HOME document against the charter (TYPE for other kinds): signature, canonical form, limits,
// mesh id (WRONG_MESH), names, 0 < term <= sequence and a life of at most WF_MAX_ENTRY_LIFE_MS (RANGE), sequence <= now + 60 s (FUTURE),
// the signer's chain valid when it signed (CHAIN, EXPIRED, ..., KIND, PURPOSE, WRONG_DOMAIN), a node speaks for itself and a product's
// signer is the node it names (NOT_OWNER), whose certificate covers the product (PRODUCT), and the charter's policy (POLICY, VERSION).
// Expiry is not judged here, and nothing else depends on `now`: all nodes decide alike.
WF_MUST_USE enum weft_err wf_entry_doc_open(struct wf_bytes raw, enum wf_entry_kind kind,
    const struct wf_charter *charter, int64_t now_unix_ms, struct wf_entry_doc **ret);
void wf_entry_doc_free(struct wf_entry_doc *d);

// Building; each appends an envelope to out. Signer fields are filled from the key, a product's id from the mesh id. A tombstone
// (removed) carries only the product's domain, name and kind. Only the product's fields are checked; wf_entry_doc_open tells the rest.
#define WF_PROTOCOL_VERSION 1u
struct wf_node_fields {
    struct wf_hash mesh_id;
    const char *domain, *subject;
    uint64_t sequence;
    int64_t expires_ms;
    const char *const *addresses;
    size_t address_count;
    const char *const *mirrors;
    size_t mirror_count;
    struct wf_dh_pub dh_key;
    struct wf_bytes chain;
    uint64_t charter_version;
    bool leaving;
};
WF_MUST_USE enum weft_err wf_node_advert_sign(
    const struct wf_node_fields *f, const struct wf_secret *key, struct wf_buf *out);
struct wf_product_fields {
    struct wf_hash mesh_id;
    const struct wf_product *product;
    uint64_t term, sequence;
    int64_t expires_ms;
    const char *node;
    bool removed;
    struct wf_bytes chain;
};
WF_MUST_USE enum weft_err wf_product_advert_sign(
    const struct wf_product_fields *f, const struct wf_secret *key, struct wf_buf *out);
struct wf_home_fields {
    struct wf_hash mesh_id;
    const char *domain, *product, *node;
    uint64_t term, sequence;
    int64_t expires_ms;
    struct wf_bytes issuer_cert;
};
WF_MUST_USE enum weft_err wf_home_sign(
    const struct wf_home_fields *f, const struct wf_secret *issuer, struct wf_buf *out);

// The agents' side: what to run. Signed by the domain's node, obeyed by agents of the same domain only: who signed is compared by
// the agent with the node it is in session with.
struct wf_collect {
    struct wf_product product;
    struct wf_hash id, mesh_id;
    uint64_t sequence;
    size_t run_count, host_count, serve_count;
    const char **run, **hosts, **serve;
    int64_t every_ms;
    bool removed;
    struct wf_bytes rules; // the document of product.rules_hash; none: empty
    struct wf_sign_pub signer;
    struct wf_buf raw;
    struct wf_arena arena;
};
WF_MUST_USE enum weft_err wf_collect_sign(
    const struct wf_collect *fields, const struct wf_secret *key, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_collect_open(struct wf_bytes raw, struct wf_collect **ret);
void wf_collect_free(struct wf_collect *c);
// Does the manifest select this host? hosts: "all" (agents and the node), "node" (the node itself, never a host of that name), a subject
// or a pattern over subjects; none at all means "all".
bool wf_collect_selects(const struct wf_collect *c, const char *subject, bool is_node);

#endif

// SPDX-License-Identifier: Apache-2.0
// The catalog: what this node knows of the mesh. Signed documents by key (kind, domain, name), newest order (term, sequence) wins.
// Admission is a function of documents, charter and time alone, so every node decides alike. Owns its entries; not thread-safe.
// Invariant: what is served verified under the charter, is not expired, and is nobody's equivocation.
#ifndef WF_REGISTRY_CATALOG_H
#define WF_REGISTRY_CATALOG_H

#include "registry/store.h"

struct wf_catalog;

struct wf_quota { // of one domain; 0 = the limit of limits.h
    size_t entries, bytes;
};

struct wf_known { // one entry, as others may see it
    enum wf_entry_kind kind;
    struct wf_name domain, name;
    uint64_t term, sequence;
    int64_t expires_ms;
    struct wf_hash id;
    struct wf_sign_pub author; // of a node's or product's advert; zeros where the domain speaks
    bool removed;              // a tombstone
    bool poisoned;             // two documents of one order: kept, never served
    struct wf_bytes raw;
    const struct wf_entry_doc *doc; // of node, product, home
    const struct wf_revocations *revocations;
};

// Loads the store's rows; rows that no longer verify are dropped and counted in *ret_dropped (may be NULL). The store is borrowed.
WF_MUST_USE enum weft_err wf_catalog_new(struct wf_store *store, struct wf_quota quota,
    const struct wf_charter *charter, int64_t now_unix_ms, size_t *ret_dropped,
    struct wf_catalog **ret);
void wf_catalog_free(struct wf_catalog *c);
// What is learned and dropped until the release counts at once, and is written in one piece (one sync) at the release. They may lie in one another:
// the last one writes. IO, NOSPACE, ...: of all that nothing is on the disk, so a start does not know it; here it counts on.
void wf_catalog_hold(struct wf_catalog *c);
WF_MUST_USE enum weft_err wf_catalog_release(struct wf_catalog *c);

enum wf_learned {
    WF_LEARNED_NEW,   // added or replaced an older one
    WF_LEARNED_SAME,  // known already
    WF_LEARNED_PROOF, // it proves an equivocation: the proof is now an entry of its own
};
// Takes one document. Refuses: what wf_entry_doc_open refuses; STALE (older order), EXPIRED, NO_HOME (a product whose home is not
// known yet: learn homes first), NOT_OWNER (not the home of the highest term), QUOTA.
WF_MUST_USE enum weft_err wf_catalog_learn(struct wf_catalog *c, enum wf_entry_kind kind,
    struct wf_bytes raw, const struct wf_charter *charter, int64_t now_unix_ms,
    enum wf_learned *ret);

// NULL when unknown, expired or poisoned. Tombstones are found (removed is set): "deleted" is an answer.
const struct wf_known *wf_catalog_find(
    const struct wf_catalog *c, enum wf_entry_kind kind, const char *domain, const char *name);
const struct wf_known *wf_catalog_by_id(const struct wf_catalog *c, const struct wf_hash *id);
// All entries in key order (domain, kind with homes before products, name), starting after `after` (NULL = first). Poisoned ones are left out.
const struct wf_known *wf_catalog_next(struct wf_catalog *c, const struct wf_known *after);
size_t wf_catalog_count(const struct wf_catalog *c);
// The node that owns a product now: its node advert; NO_HOME, NOT_FOUND.
WF_MUST_USE enum weft_err wf_catalog_home_node(const struct wf_catalog *c, const char *domain,
    const char *product, const struct wf_known **ret);

// Drops what expired, evaluated at whole 10 s so that nodes agree, and documents that would be refused as from the future: they came while our clock
// was ahead. Returns how many.
size_t wf_catalog_expire(struct wf_catalog *c, int64_t now_unix_ms);
// A new charter: entries of domains that left, or whose chains no longer verify, go. Returns how many.
size_t wf_catalog_recheck(
    struct wf_catalog *c, const struct wf_charter *charter, int64_t now_unix_ms);

// Convergence: a hash over (key, order, id) of all entries, by domain and in all. Equal roots = equal registries.
struct wf_domain_root {
    struct wf_name domain;
    struct wf_hash root;
    size_t count;
};
void wf_catalog_root(struct wf_catalog *c, struct wf_hash *ret);
// Fills up to cap, sorted by domain; returns the number of domains.
size_t wf_catalog_domain_roots(struct wf_catalog *c, struct wf_domain_root *out, size_t cap);

#endif

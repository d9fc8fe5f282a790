// SPDX-License-Identifier: Apache-2.0
// The inside of a catalog, shared by its files: two sorted sets of entries and the roots over them. Inside registry/ only.
#ifndef WF_REGISTRY_CATALOG_PRIV_H
#define WF_REGISTRY_CATALOG_PRIV_H

#include "registry/catalog.h"

struct wf_entry {
    struct wf_known known;
    struct wf_hash place;  // over its key: the lowest stay when the domain's room is full
    struct wf_known about; // of a proof: what it is about
    struct wf_name at;     // of a proof about a product: the node that its author says is the home
    struct wf_entry_doc *doc;
    struct wf_revocations *revocations;
    struct wf_buf raw; // of revocations and proofs; a doc has its own
};

typedef int (*wf_entry_order_fn)(const struct wf_entry *a, const struct wf_entry *b);
// Pointers in order; insertion moves them, which for the registry's sizes costs less than hashing does in code.
struct wf_entry_set {
    struct wf_entry **v;
    size_t count, cap;
    wf_entry_order_fn order;
};

struct wf_catalog {
    struct wf_store *store;
    struct wf_quota quota;
    struct wf_entry_set by_key, by_id;
    bool dirty;   // roots below are stale
    bool loading; // from the store: nothing is put there
    unsigned held;
    bool begun; // held, and something was written
    struct wf_domain_root *roots;
    size_t root_count, root_cap;
    struct wf_hash root;
};

// quota.c. Sets e->place, once: a full domain compares it with each newcomer's.
void wf_catalog_place(struct wf_entry *e);
// Among the entries of the newcomer's domain, with the newcomer and without what it replaces: is the domain over its share, and whose key hash is
// highest? NULL: the newcomer goes, as it does not fit with those of lower ones.
bool wf_catalog_over_quota(const struct wf_catalog *c, const struct wf_entry *newcomer,
    const struct wf_entry *replaces, struct wf_entry **ret_victim);

int wf_entry_key_order(const struct wf_entry *a, const struct wf_entry *b);
int wf_entry_id_order(const struct wf_entry *a, const struct wf_entry *b);
// The first position whose entry is not below `like`.
size_t wf_entry_set_lower(const struct wf_entry_set *s, const struct wf_entry *like);
struct wf_entry *wf_entry_set_find(const struct wf_entry_set *s, const struct wf_entry *like);
// Room for one more; wf_entry_set_add then can't fail.
WF_MUST_USE enum weft_err wf_entry_set_reserve(struct wf_entry_set *s);
void wf_entry_set_add(struct wf_entry_set *s, struct wf_entry *e);
void wf_entry_set_remove(struct wf_entry_set *s, const struct wf_entry *e);

#endif

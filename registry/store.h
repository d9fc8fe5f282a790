// SPDX-License-Identifier: Apache-2.0
// Where a catalog keeps its documents over a restart. The catalog holds everything in memory; a store only loads, puts and
// removes exact bytes. Single writer; called on the catalog's thread.
#ifndef WF_REGISTRY_STORE_H
#define WF_REGISTRY_STORE_H

#include "proto/trust/product.h"

struct wf_store_row {
    enum wf_entry_kind kind;
    struct wf_name domain, name;
    struct wf_hash id;
    int64_t expires_ms;
    struct wf_bytes raw; // of a visited row: valid during the visit
};
typedef enum weft_err (*wf_store_visit_fn)(void *arg, const struct wf_store_row *row);

struct wf_store;
struct wf_store_ops {
    enum weft_err (*load)(
        struct wf_store *s, wf_store_visit_fn visit, void *arg); // stops at the first error
    enum weft_err (*put)(
        struct wf_store *s, const struct wf_store_row *row); // replaces by (kind, domain, name)
    enum weft_err (*remove)(
        struct wf_store *s, enum wf_entry_kind kind, const char *domain, const char *name);
    // What is put and removed between the two is kept together, at the second: all of it or, on its error, nothing.
    enum weft_err (*begin)(struct wf_store *s);
    enum weft_err (*commit)(struct wf_store *s);
    void (*free)(struct wf_store *s);
};
struct wf_store {
    const struct wf_store_ops *ops;
};

WF_MUST_USE enum weft_err wf_store_mem_new(struct wf_store **ret);
// Opens or makes the file (mode 0600), WAL, synchronous FULL, quick_check first: DAMAGED when it fails.
WF_MUST_USE enum weft_err wf_store_sqlite_open(
    const char *path, struct wf_store **ret, struct wf_diag *diag);
static inline void wf_store_free(struct wf_store *s)
{
    if (s)
        s->ops->free(s);
}

#endif

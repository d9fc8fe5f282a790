// SPDX-License-Identifier: Apache-2.0
// What an agent knows of its domain's nodes, beside its configuration: where each answers and by which key, and which product lives where. Told by any
// node of the domain in the answers to polls, believed for what is signed: an advert for the certificate in it, a home for the domain's issuer. Owns
// nothing but the documents; no I/O, no clock. Loop thread only.
// Invariant: of a name the certificate with the highest serial counts, so a node that was replaced can't come back; of a product the highest term.
#ifndef WF_NODE_AGENT_PLACES_H
#define WF_NODE_AGENT_PLACES_H

#include "proto/trust/product.h"

#define WF_PLACES_NODES  16u
#define WF_PLACES_HOMES  256u
#define WF_PLACES_BEFORE 4u // machines that had a name

struct wf_place_node {
    struct wf_entry_doc *doc;
    struct wf_dh_pub before
        [WF_PLACES_BEFORE]; // keys of machines that had the name, the newest first; zero: none
};

struct wf_places {
    struct wf_place_node nodes[WF_PLACES_NODES]; // by name
    size_t node_count;
    struct wf_entry_doc *homes[WF_PLACES_HOMES]; // by product
    size_t home_count;
    struct wf_hash root; // as the node gave it with them
};

void wf_places_fini(struct wf_places *p);
// Takes one document. WRONG_DOMAIN; STALE: nothing new, or of a machine that was replaced; FULL; what wf_entry_doc_open refuses.
WF_MUST_USE enum weft_err wf_places_take(struct wf_places *p, enum wf_entry_kind kind,
    struct wf_bytes raw, const char *domain, const struct wf_charter *charter, int64_t now_unix_ms);
// The node that answers by this key now, or whose machine before did; NULL.
const struct wf_place_node *wf_places_by_key(
    const struct wf_places *p, const struct wf_dh_pub *key);
const struct wf_place_node *wf_places_by_name(const struct wf_places *p, const char *name);
// The home of a product; NULL: not told.
const struct wf_entry_doc *wf_places_home(const struct wf_places *p, const char *product);

// As kept over restarts: rows of {kind (1), keys of before (4 x 32), be32 length, document}, and the root first.
WF_MUST_USE enum weft_err wf_places_pack(const struct wf_places *p, struct wf_buf *out);
// Verifies each anew; what does not stand is left out. DAMAGED: the rows are not rows; NOMEM.
WF_MUST_USE enum weft_err wf_places_unpack(struct wf_places *p, struct wf_bytes in,
    const char *domain, const struct wf_charter *charter, int64_t now_unix_ms);

#endif

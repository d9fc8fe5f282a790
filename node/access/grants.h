// SPDX-License-Identifier: Apache-2.0
// Grants and requests on disk (data/access.db), and the last revocation list that was signed here. A row is a request that waits, was
// denied, or was granted; a grant by hand or policy has no request. Owns its file: one connection. Loop thread only.
#ifndef WF_NODE_ACCESS_GRANTS_H
#define WF_NODE_ACCESS_GRANTS_H

#include "proto/trust/capability.h"

#define WF_REQUEST_ID_LEN 16u

enum wf_grant_state {
    WF_GRANT_PENDING = 1,
    WF_GRANT_GRANTED,
    WF_GRANT_DENIED,
    WF_GRANT_REVOKED,
};
const char *wf_grant_state_name(enum wf_grant_state s);

// Texts are lists with a blank between items; never NULL after reading, NULL counts as "" when writing.
struct wf_grant {
    int64_t id; // of the row; 0 = not kept yet
    bool has_request, has_token;
    uint8_t request_id[WF_REQUEST_ID_LEN];
    struct wf_hash token_id; // of block 0
    struct wf_sign_pub holder;
    const char *label; // domain/subject where known
    const char *products, *verbs, *columns;
    const char *rows;    // filter text
    const char *regions; // for the minting alone; what was granted is in the token
    const char *purpose, *how, *reason;
    uint32_t rate_per_minute;
    int64_t duration_ms, made_ms, issued_ms, expires_ms;
    enum wf_grant_state state;
    struct wf_bytes token;
};

struct wf_grants;
// Opens or makes the file (mode 0600), WAL, synchronous FULL. DAMAGED, VERSION, IO with a diagnostic.
WF_MUST_USE enum weft_err wf_grants_open(
    const char *path, struct wf_grants **ret, struct wf_diag *diag);
void wf_grants_close(struct wf_grants *g); // NULL is permitted

// Inserts (id 0, which is filled) or replaces. EXISTS when another row has the request id.
WF_MUST_USE enum weft_err wf_grants_put(struct wf_grants *g, struct wf_grant *row);

// Rows are copied into the arena. NOT_FOUND.
WF_MUST_USE enum weft_err wf_grants_by_request(
    struct wf_grants *g, struct wf_bytes request_id, struct wf_arena *arena, struct wf_grant *ret);
WF_MUST_USE enum weft_err wf_grants_by_token(struct wf_grants *g, const struct wf_hash *token_id,
    struct wf_arena *arena, struct wf_grant *ret);
// The newest row in this state with the same holder, products, verbs, columns and purpose (NULL: any).
WF_MUST_USE enum weft_err wf_grants_like(struct wf_grants *g, const struct wf_grant *like,
    enum wf_grant_state state, struct wf_arena *arena, struct wf_grant *ret);

// Newest first. fn returns an error to stop. state 0 = all.
typedef enum weft_err (*wf_grants_fn)(void *arg, const struct wf_grant *row);
WF_MUST_USE enum weft_err wf_grants_each(
    struct wf_grants *g, enum wf_grant_state state, wf_grants_fn fn, void *arg);
// How many wait; holder NULL = of all.
WF_MUST_USE enum weft_err wf_grants_pending(
    struct wf_grants *g, const struct wf_sign_pub *holder, size_t *ret);
// Was a grant of this product to this holder revoked?
WF_MUST_USE enum weft_err wf_grants_was_revoked(
    struct wf_grants *g, const struct wf_sign_pub *holder, const char *product, bool *ret);
// Every grant of this holder is marked revoked.
WF_MUST_USE enum weft_err wf_grants_revoke_holder(
    struct wf_grants *g, const struct wf_sign_pub *holder);
// Grants that a person made and that live at now, newest first.
WF_MUST_USE enum weft_err wf_grants_by_hand(
    struct wf_grants *g, int64_t now_ms, wf_grants_fn fn, void *arg);
// At how many percent of this row's life was warned before; 0 = never.
WF_MUST_USE enum weft_err wf_grants_warned(struct wf_grants *g, int64_t id, unsigned *ret);
WF_MUST_USE enum weft_err wf_grants_set_warned(struct wf_grants *g, int64_t id, unsigned percent);
// Forgets grants that expired before, and requests that were made before.
void wf_grants_prune(struct wf_grants *g, int64_t expired_before_ms, int64_t made_before_ms);

// The last list signed here; survives the loss of the registry. NOT_FOUND.
WF_MUST_USE enum weft_err wf_grants_put_list(struct wf_grants *g, struct wf_bytes raw);
WF_MUST_USE enum weft_err wf_grants_get_list(struct wf_grants *g, struct wf_buf *ret);

#endif

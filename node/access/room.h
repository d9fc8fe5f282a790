// SPDX-License-Identifier: Apache-2.0
// Who may do what with this domain's products: grants, requests, revocations, decisions, and their trail in DOMAIN/access.
// Owns the grants store and the domain's revocation list; loop thread only.
#ifndef WF_NODE_ACCESS_ROOM_H
#define WF_NODE_ACCESS_ROOM_H

#include "node/control.h"

extern const struct wf_room wf_access_room;

// Decides on a call's capability: the session's identity is the holder, or a local uid with the right verb in `local:`. On refusal the call
// is answered (with code, caveat, asked, granted, hint, audit id) and false returned. On success token may be NULL (local caller).
struct wf_granted {
    const struct wf_token *token;
    struct wf_hash token_id;
    int64_t expires_ms;
};
// Where this node stands, for the caveat `regions`: weftd.yaml's region, when the charter lists it or lists none. NULL: unknown, in no region.
const char *wf_access_region(const struct wf_node *n);
bool wf_access_check(struct wf_node *n, struct wf_call *c, struct wf_access *asked,
    ProtobufCBinaryData token, ProtobufCBinaryData token_id, struct wf_granted *ret);

// The trail: {who, when, what, on what, from where, by which chain, result}. Refusals are recorded singly to 10 per (source, code) a minute,
// then counted. Returns the audit id (static until the next call).
const char *wf_access_audit(struct wf_node *n, const struct wf_caller *who, const char *what,
    const char *on, enum weft_err result, const struct wf_hash *token_id);

// The domain's own list in force, NULL before the first.
const struct wf_revocations *wf_access_revocations(const struct wf_node *n);
// Is this certificate key of our domain revoked as of that time?
bool wf_access_origin_revoked(
    const struct wf_node *n, const struct wf_sign_pub *key, int64_t at_ms);
// Since when is this certificate key of our domain revoked? False: it is not. The time may lie ahead.
bool wf_access_origin_revoked_from(
    const struct wf_node *n, const struct wf_sign_pub *key, int64_t *ret_from_ms);
// Is this certificate key of that domain revoked as of that time, by the domain's own list?
bool wf_access_key_revoked(
    const struct wf_node *n, const char *domain, const struct wf_sign_pub *key, int64_t at_ms);
// The registry has a newer list of that domain: sessions of what it revokes end; leases too when it is ours.
void wf_access_list_changed(struct wf_node *n, const char *domain);
// NOT_OWNER when this node is not the domain's issuer.
WF_MUST_USE enum weft_err wf_access_revoke_origin(
    struct wf_node *n, const struct wf_sign_pub *key, int64_t from_ms);

void wf_access_status(struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply);
void wf_access_handle(struct wf_node *n, struct wf_call *c);
void wf_access_grant_handle(struct wf_node *n, struct wf_call *c);
void wf_access_explain_handle(struct wf_node *n, struct wf_call *c);

#endif

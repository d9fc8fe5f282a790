// SPDX-License-Identifier: Apache-2.0
// Tickets on disk and who used them. A use binds to the first key that redeems it; the same key may repeat. Loop thread only.
#ifndef WF_NODE_JOIN_TICKETS_H
#define WF_NODE_JOIN_TICKETS_H

#include "proto/trust/ident.h"

struct wf_tickets;

struct wf_ticket_row {
    uint8_t id[WF_TICKET_ID_LEN];
    uint8_t secret[WF_TICKET_SECRET_LEN]; // wipe the row after use
    enum wf_identity_kind kind;
    struct wf_name name, prefix; // empty: open
    char from[64];               // CIDR, empty: anywhere
    uint32_t uses, used;
    int64_t expires_ms;
    bool replaces;          // the name is old's until this ticket is redeemed
    struct wf_sign_pub old; // zeros: nobody knew whose
    size_t pattern_count;
    struct wf_pattern patterns[WF_MAX_CERT_PATTERNS];
};

WF_MUST_USE enum weft_err wf_tickets_open(
    const char *path, struct wf_tickets **ret, struct wf_diag *diag);
void wf_tickets_close(struct wf_tickets *t);
WF_MUST_USE enum weft_err wf_tickets_add(struct wf_tickets *t, const struct wf_ticket_row *row);
// TICKET when unknown.
WF_MUST_USE enum weft_err wf_tickets_get(
    struct wf_tickets *t, const uint8_t id[WF_TICKET_ID_LEN], struct wf_ticket_row *ret);
// One use by this key for this subject, in one transaction: OK also when this key used it before under the same subject (repeat). TICKET_USED when
// spent, EXISTS when the subject belongs to another key.
WF_MUST_USE enum weft_err wf_tickets_use(struct wf_tickets *t, const uint8_t id[WF_TICKET_ID_LEN],
    const struct wf_sign_pub *key, const struct wf_name *subject, int64_t now_unix_ms);
// The subject a key joined as: NOT_FOUND.
WF_MUST_USE enum weft_err wf_tickets_subject(
    struct wf_tickets *t, const struct wf_sign_pub *key, struct wf_name *ret);
// Whose a subject is: NOT_FOUND when nobody joined under it, or it was released.
struct wf_named {
    struct wf_sign_pub key;
    enum wf_identity_kind kind;
    int64_t since_ms; // unix
    bool heard;       // it joined before this issuer was there
    bool ousts;       // it took the place of a machine whose key nobody knew
};
WF_MUST_USE enum weft_err wf_tickets_named(
    struct wf_tickets *t, const struct wf_name *subject, struct wf_named *ret);
// A member that was heard, and joined without a ticket of this issuer. EXISTS when the subject or the key is known.
WF_MUST_USE enum weft_err wf_tickets_adopt(struct wf_tickets *t, const struct wf_named *m,
    const struct wf_name *subject, int64_t now_unix_ms);
// The key's subject is free for another one (the key was revoked). The use stays spent, and the key stays known.
WF_MUST_USE enum weft_err wf_tickets_release(
    struct wf_tickets *t, const struct wf_sign_pub *key, int64_t now_unix_ms);
void wf_tickets_prune(struct wf_tickets *t, int64_t now_unix_ms);

// "192.0.2.0/24", "2001:db8::/32".
bool wf_cidr_is_valid(const char *cidr);
// Is the address ("192.0.2.7", "2001:db8::1", with or without port) inside the CIDR? False for what does not parse.
bool wf_cidr_contains(const char *cidr, const char *address);

#endif

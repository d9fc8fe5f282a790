// SPDX-License-Identifier: Apache-2.0
// Capability tokens: a chain of signed blocks; the intersection of all blocks holds. Decisions are pure functions of token,
// request, charter, revocations and time; the clock is handed in. A token owns its memory and is immutable after opening.
#ifndef WF_TRUST_CAPABILITY_H
#define WF_TRUST_CAPABILITY_H

#include "proto/trust/charter.h"

// Verbs as bits; `call` carries method names beside them.
enum wf_verb {
    WF_VERB_SUBSCRIBE = 1 << 0,
    WF_VERB_REPLAY = 1 << 1,
    WF_VERB_QUERY = 1 << 2,
    WF_VERB_CALL = 1 << 3,
    WF_VERB_MIRROR = 1 << 4,
    WF_VERB_DELEGATE = 1 << 5,
};
// "subscribe", "call:SetNote", "call:*", ... ; VERB for anything else. ret_method is empty unless call.
WF_MUST_USE enum weft_err wf_verb_parse(
    struct wf_bytes text, enum wf_verb *ret, struct wf_pattern *ret_method);
const char *wf_verb_name(enum wf_verb v);

enum wf_comparison { WF_CMP_EQ = 1, WF_CMP_NE, WF_CMP_LT, WF_CMP_LE, WF_CMP_GT, WF_CMP_GE };
struct wf_row_term {
    const char *column;
    enum wf_comparison comparison;
    enum { WF_LIT_TEXT, WF_LIT_NUMBER, WF_LIT_FLAG } literal;
    const char *text; // TEXT, and NUMBER in decimal; "" for FLAG
    bool flag;
};
// "host == 'web-1' and used > 0.9" -> terms in the arena, at least one, at most WF_MAX_CAVEAT_ITEMS (TOO_BIG). SYNTAX with a diag
// that counts the column. wf_row_filter_print is the reverse.
WF_MUST_USE enum weft_err wf_row_filter_parse(struct wf_bytes text, struct wf_arena *arena,
    struct wf_row_term **ret, size_t *ret_count, struct wf_diag *diag);
WF_MUST_USE enum weft_err wf_row_filter_print(
    const struct wf_row_term *rows, size_t count, struct wf_buf *out);

struct wf_block {
    struct wf_hash id, previous; // previous: zero in block 0
    struct wf_hash mesh_id;
    struct wf_name domain;
    struct wf_sign_pub signer, holder;
    size_t product_count, method_count, column_count, row_count, region_count;
    struct wf_pattern *products;
    uint32_t verbs;             // enum wf_verb bits
    struct wf_pattern *methods; // of call:
    int64_t issued_ms, not_before_ms, expires_ms;
    bool limits_columns;
    const char **columns;
    struct wf_row_term *rows;
    const char **regions;
    const char *purpose; // "" = any
    uint32_t rate_per_minute;
    uint8_t nonce[16];
};

struct wf_token {
    struct wf_buf raw; // the exact Token bytes
    size_t block_count;
    struct wf_block *blocks;
    struct wf_cert issuer; // from the token itself; verified against the charter by wf_token_verify
    struct wf_arena arena;
};

// Signatures, links, canonical form, limits, and that each block lies within the one before. Refuses: TOO_BIG, MISSING_FIELD, ORDER (a
// block does not follow the one before), HOLDER (not signed by the holder before), VERB (the block before does not grant `delegate`),
// SCOPE (wider than the block before), UNKNOWN_CAVEAT, CHAIN (block 0 is not by the enclosed issuer), WRONG_MESH, WRONG_DOMAIN, and what
// envelopes and fields refuse. diag (may be NULL) names block and caveat. Not yet whether the issuer belongs to the owner:
// wf_token_verify.
WF_MUST_USE enum weft_err wf_token_open(
    struct wf_bytes raw, struct wf_token **ret, struct wf_diag *diag);
void wf_token_free(struct wf_token *t);
static inline const struct wf_hash *wf_token_id(const struct wf_token *t)
{
    return &t->blocks[0].id;
}
static inline const struct wf_block *wf_token_last(const struct wf_token *t)
{
    return &t->blocks[t->block_count - 1];
}
// Earliest expiry of all blocks.
int64_t wf_token_expires_ms(const struct wf_token *t);

// How much of a life is over that a person gave and nothing renews: 75 or 90 (percent, reached), 0 before and once it has ended. Both
// sides are warned at these.
unsigned wf_life_warning(int64_t from_ms, int64_t until_ms, int64_t now_ms);

// The issuer's certificate leads to the owner's root in the charter and may sign tokens.
WF_MUST_USE enum weft_err wf_token_verify(
    const struct wf_token *t, const struct wf_charter *charter, int64_t now_unix_ms);

struct wf_access { // what is asked
    const struct wf_hash *mesh_id;
    const char *domain, *product;
    enum wf_verb verb;
    const char *method;         // of call
    struct wf_sign_pub who;     // the session's certificate key
    const char *region;         // of the deciding node; NULL = unknown
    const char *purpose;        // NULL = not stated
    const char *const *columns; // query: asked columns; NULL = none asked
    size_t column_count;
};
struct wf_decision {   // why, for the person who was refused and for the audit
    enum weft_err err; // WEFT_OK = granted
    size_t block;      // the block that decided
    char caveat[32];   // "columns", "verbs", "expires", ...
    char asked[160], granted[160];
};
// Everything but rate: mesh, domain, holder, revocations (NULL, of another domain, or older than 24 h at now: STALE_LIST), then for
// every block times (with tolerance), product, verb, method, columns, regions, purpose. A chain that limits columns or rows
// refuses subscribe, replay and mirror (CAVEAT). The list has been verified (wf_revocations_verify). ret is always filled, the result
// is ret->err; when granted, block is the last.
enum weft_err wf_token_decide(const struct wf_token *t, const struct wf_access *asked,
    const struct wf_revocations *revocations, int64_t now_unix_ms, struct wf_decision *ret);
// The columns a query may see under all blocks: true when limited; the names are in ret (arena).
WF_MUST_USE enum weft_err wf_token_columns(const struct wf_token *t, struct wf_arena *arena,
    bool *ret_limited, const char ***ret, size_t *ret_count);
// The lowest rate of all blocks; 0 = unlimited.
uint32_t wf_token_rate(const struct wf_token *t);

// Block 0 under the issuer's key, or one more block under the current holder's key: a new buffer. fields.id, signer, previous (and when
// delegating mesh and domain) are filled here; nonce is the caller's. Both refuse what wf_token_open refuses.
WF_MUST_USE enum weft_err wf_token_grant(const struct wf_block *fields, struct wf_bytes issuer_cert,
    const struct wf_secret *issuer, struct wf_buf *ret_raw);
WF_MUST_USE enum weft_err wf_token_delegate(const struct wf_token *t, const struct wf_block *fields,
    const struct wf_secret *holder, struct wf_buf *ret_raw);
// weftcap1...
WF_MUST_USE enum weft_err wf_token_print(struct wf_bytes raw, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_token_parse(
    struct wf_bytes text, struct wf_token **ret, struct wf_diag *diag);

#endif

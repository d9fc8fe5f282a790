// SPDX-License-Identifier: Apache-2.0
// Identities: certificates, chains, tickets, printed keys. Pure functions of bytes, charter and time; values only, no
// hidden memory. Names are NUL-ended and valid (wf_name_is_valid) wherever a wf_name holds one.
#ifndef WF_TRUST_IDENT_H
#define WF_TRUST_IDENT_H

#include "proto/base/limits.h"
#include "proto/trust/envelope.h"

struct wf_name {
    char s[WF_MAX_NAME + 1];
};
WF_MUST_USE enum weft_err wf_name_from(struct wf_bytes text, struct wf_name *ret);
static inline bool wf_name_eq(const struct wf_name *a, const struct wf_name *b)
{
    return strcmp(a->s, b->s) == 0;
}

// A pattern over names: a name, a prefix followed by '*', or '*' alone. No other form.
struct wf_pattern {
    char s[WF_MAX_NAME + 2];
};
WF_MUST_USE enum weft_err wf_pattern_from(struct wf_bytes text, struct wf_pattern *ret);
bool wf_pattern_match(const struct wf_pattern *p, const char *name);
// Is everything that `narrow` matches also matched by `wide`?
bool wf_pattern_covers(const struct wf_pattern *wide, const struct wf_pattern *narrow);

enum wf_identity_kind { WF_ID_ISSUER = 1, WF_ID_NODE, WF_ID_AGENT, WF_ID_SERVICE, WF_ID_USER };
const char *wf_identity_kind_name(enum wf_identity_kind kind);
WF_MUST_USE enum weft_err wf_identity_kind_parse(struct wf_bytes text, enum wf_identity_kind *ret);

// What a key may sign; a kind's usual set is wf_usages_of.
enum wf_usage {
    WF_USE_CERTIFICATE = 1 << 0,
    WF_USE_TOKEN = 1 << 1, // block 0
    WF_USE_HOME = 1 << 2,
    WF_USE_REVOCATIONS = 1 << 3,
    WF_USE_NODE = 1 << 4,
    WF_USE_PRODUCT = 1 << 5,
    WF_USE_MANIFEST = 1 << 6,
    WF_USE_HEARTBEAT = 1 << 7,
    WF_USE_BATCH = 1 << 8,
    WF_USE_DELEGATE = 1 << 9, // token blocks after the first
};
uint32_t wf_usages_of(enum wf_identity_kind kind);

#define WF_MAX_CERT_PATTERNS 16u
struct wf_cert { // as opened; plain values
    struct wf_hash id;
    struct wf_name domain, subject;
    enum wf_identity_kind kind;
    struct wf_sign_pub sign_key, signer;
    struct wf_dh_pub dh_key; // zero for an issuer
    uint64_t serial;
    uint32_t usages;
    int64_t not_before_ms, not_after_ms; // [not before, not after)
    size_t pattern_count;
    struct wf_pattern patterns[WF_MAX_CERT_PATTERNS];
};

// Verifies the signature, decodes and checks every field: usages within the kind (PURPOSE), patterns only with the batch usage,
// an issuer has no Noise key and everybody else has one, not before < not after (RANGE). Says nothing of who the signer is.
WF_MUST_USE enum weft_err wf_cert_open(struct wf_bytes raw, struct wf_cert *ret);
// Signs a certificate; id and signer are filled from the key, an issuer's dh_key is ignored. Envelope appended to out; the
// refusals of wf_cert_open.
WF_MUST_USE enum weft_err wf_cert_issue(
    const struct wf_cert *fields, const struct wf_secret *signer, struct wf_buf *out);

// A chain: subject first, then issuer (one certificate for an issuer itself).
WF_MUST_USE enum weft_err wf_chain_pack(
    const struct wf_bytes *certs, size_t count, struct wf_buf *out);
// Splits a packed chain into views of its certificates; 1..WF_MAX_CHAIN.
WF_MUST_USE enum weft_err wf_chain_split(
    struct wf_bytes chain, struct wf_bytes certs[WF_MAX_CHAIN], size_t *ret_count);

struct wf_identity { // a verified chain
    struct wf_cert cert;
    struct wf_cert issuer; // equal to cert for an issuer
    struct wf_hash root;   // the member's root key that it leads to (as bytes)
    bool expired;          // only with WF_CHAIN_ALLOW_EXPIRED
};
struct wf_charter;
enum wf_chain_flags { WF_CHAIN_STRICT = 0, WF_CHAIN_ALLOW_EXPIRED = 1 };
// Leads to the root key of a member of the charter: domain equal on both, issuer kind and usage right, both valid at now with
// the clock tolerance; with ALLOW_EXPIRED (for `renew` alone) up to WF_RENEW_GRACE_MS later. Refuses CHAIN, EXPIRED, NOT_YET,
// WRONG_DOMAIN, PURPOSE, and what wf_cert_open refuses. To judge an old document, pass the time it was signed.
WF_MUST_USE enum weft_err wf_chain_verify(struct wf_bytes chain, const struct wf_charter *charter,
    int64_t now_unix_ms, unsigned flags, struct wf_identity *ret);
// Does this issuer's certificate lead to its domain's root in the charter, may it sign documents of this usage, and was it
// valid at that time? (tokens, homes, revocation lists carry their issuer's certificate) CHAIN, PURPOSE, NOT_YET, EXPIRED.
WF_MUST_USE enum weft_err wf_issuer_verify(const struct wf_cert *issuer,
    const struct wf_charter *charter, enum wf_usage usage, int64_t at_unix_ms);
// May this certificate publish the product?
bool wf_cert_may_publish(const struct wf_cert *c, const char *product);

// Tickets.
#define WF_TICKET_ID_LEN     16u
#define WF_TICKET_SECRET_LEN 32u
struct wf_seed {
    char address[WF_MAX_ADDR];
    struct wf_dh_pub dh_key;
};
// host:port with a numeric port; IPv6 in brackets. SYNTAX otherwise.
WF_MUST_USE enum weft_err wf_address_check(struct wf_bytes address);
struct wf_ticket {
    struct wf_hash mesh_id;
    struct wf_name domain, name; // name.s[0] == 0: the newcomer chooses
    struct wf_name name_prefix;  // empty: any
    enum wf_identity_kind kind;
    size_t seed_count;
    struct wf_seed seeds[WF_MAX_SEEDS];
    int64_t expires_ms;
    uint8_t id[WF_TICKET_ID_LEN];
    struct wf_secret secret; // owned
};
// wf_ticket_fini wipes the secret. Printed form wefttkt1... appended to out.
void wf_ticket_fini(struct wf_ticket *t);
WF_MUST_USE enum weft_err wf_ticket_print(const struct wf_ticket *t, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_ticket_parse(struct wf_bytes text, struct wf_ticket *ret);
// keyed hash(secret, "weft/join/v1" || handshake hash || ticket id || sign key || dh key): proves the secret without sending it.
void wf_ticket_proof(struct wf_bytes secret, const uint8_t id[WF_TICKET_ID_LEN],
    struct wf_bytes handshake_hash, const struct wf_sign_pub *sign_key,
    const struct wf_dh_pub *dh_key, uint8_t out[WF_HASH_LEN]);

// What a domain exports of itself (file "NAME.weftdomain": printed with prefix weftdom1...).
#define WF_PREFIX_DOMAIN "weftdom"
struct wf_domain_public {
    struct wf_name name;
    struct wf_sign_pub root_key;
    size_t seed_count;
    struct wf_seed seeds[WF_MAX_SEEDS];
};
WF_MUST_USE enum weft_err wf_domain_public_print(
    const struct wf_domain_public *d, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_domain_public_parse(
    struct wf_bytes text, struct wf_domain_public *ret);

// Printed identity "weftid1...": both public keys.
WF_MUST_USE enum weft_err wf_id_print(
    const struct wf_sign_pub *sign, const struct wf_dh_pub *dh, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_id_parse(
    struct wf_bytes text, struct wf_sign_pub *ret_sign, struct wf_dh_pub *ret_dh);

// Key files: content only, no I/O (layout: docs/protocol/identity.md); the file is written by the caller with mode 0600 and never
// overwritten. Kinds: 'S' signing, 'D' Noise, 'N' both (an identity).
struct wf_keys {
    struct wf_secret sign, dh; // either may be absent (ptr NULL)
    struct wf_sign_pub sign_pub;
    struct wf_dh_pub dh_pub;
};
void wf_keys_fini(struct wf_keys *k);
// Fresh keys; what: 'S', 'D' or 'N' (TYPE otherwise).
WF_MUST_USE enum weft_err wf_keys_new(char what, struct wf_keys *ret);
// Appends a key file to out, which then holds secrets unless sealed: wipe it. passphrase.len == 0: not sealed. TYPE without any key.
WF_MUST_USE enum weft_err wf_keys_pack(
    const struct wf_keys *k, struct wf_bytes passphrase, struct wf_buf *out);
// The same with salt and nonce handed in (never use a pair twice).
#define WF_KEYS_ENTROPY 40u
WF_MUST_USE enum weft_err wf_keys_pack_with(const struct wf_keys *k, struct wf_bytes passphrase,
    const uint8_t entropy[WF_KEYS_ENTROPY], struct wf_buf *out);
// PASSPHRASE when it does not open (or one is needed and none was given); SYNTAX (no key file), VERSION, TYPE, TRUNCATED, TRAILING,
// KEY (the public keys are not those of the secrets). A passphrase for a file that is not sealed is ignored.
WF_MUST_USE enum weft_err wf_keys_unpack(
    struct wf_bytes file, struct wf_bytes passphrase, struct wf_keys *ret);
bool wf_keys_need_passphrase(struct wf_bytes file);

// Revocation lists. A list is one heap object; ids and keys are strictly ascending, so that looking one up is a binary search.
struct wf_revocations {
    struct wf_hash id, mesh_id;
    struct wf_name domain;
    uint64_t version; // strictly increasing, at most issued_ms: a stolen key can't use them up
    int64_t issued_ms;
    struct wf_sign_pub signer;
    struct wf_bytes
        issuer_raw;        // the issuer's certificate envelope; after opening a view into the list
    struct wf_cert issuer; // opened from it; not read when signing
    size_t token_count, holder_count, origin_count;
    struct wf_revoked_token {
        struct wf_hash id;
        int64_t expires_ms;
    } * tokens;
    struct wf_revoked_key {
        struct wf_sign_pub key;
        int64_t at_ms; // holders: before; origins: from
    } * holders, *origins;
    struct wf_arena arena;
};
// Signature, canonical form, limits (TOO_BIG over WF_MAX_REVOCATIONS), order (ORDER), the issuer's certificate inside is the signer's
// (CHAIN) and of the same domain (WRONG_DOMAIN). Whether that issuer belongs to a member: wf_revocations_verify.
WF_MUST_USE enum weft_err wf_revocations_open(struct wf_bytes raw, struct wf_revocations **ret);
// The list's mesh is the charter's (WRONG_MESH), it is not from the future (FUTURE), and its issuer led to the domain's root when it was
// issued (wf_issuer_verify). Its age is the decider's question: wf_token_decide.
WF_MUST_USE enum weft_err wf_revocations_verify(
    const struct wf_revocations *r, const struct wf_charter *charter, int64_t now_unix_ms);
// Signs fields (id, signer, issuer and arena are not read); arrays must be sorted. Envelope appended to out.
WF_MUST_USE enum weft_err wf_revocations_sign(
    const struct wf_revocations *fields, const struct wf_secret *issuer, struct wf_buf *out);
void wf_revocations_free(struct wf_revocations *r);
bool wf_revocations_has_token(const struct wf_revocations *r, const struct wf_hash *id);
// Is a token issued then to this holder void?
bool wf_revocations_has_holder(
    const struct wf_revocations *r, const struct wf_sign_pub *key, int64_t issued_ms);
// Is what this key did at that time refused?
bool wf_revocations_has_origin(
    const struct wf_revocations *r, const struct wf_sign_pub *key, int64_t at_ms);

#endif

// SPDX-License-Identifier: Apache-2.0
// Signed documents. One function signs, one verifies. Bytes off the wire are a wf_sealed; only wf_envelope_open makes a
// wf_opened, and only a wf_opened's body is ever decoded. Views point into the caller's bytes, which must outlive them.
// Source: DSSE v1 protocol.md (pre-authentication encoding); ids are BLAKE2b-256 of it.
#ifndef WF_TRUST_ENVELOPE_H
#define WF_TRUST_ENVELOPE_H

#include "proto/base/arena.h"
#include "proto/base/crypto.h"

// X(name, type string)
#define WF_DOC_TABLE(X)                                                                            \
    X(CERTIFICATE, "weft/certificate/v1")                                                          \
    X(CHARTER, "weft/charter/v1")                                                                  \
    X(TOKEN_BLOCK, "weft/token-block/v1")                                                          \
    X(REVOCATIONS, "weft/revocations/v1")                                                          \
    X(MANIFEST, "weft/manifest/v1")                                                                \
    X(NODE, "weft/node/v1")                                                                        \
    X(PRODUCT, "weft/product/v1")                                                                  \
    X(HOME, "weft/home/v1")                                                                        \
    X(MOVE, "weft/move/v1")                                                                        \
    X(BATCH, "weft/batch/v1")                                                                      \
    X(HEARTBEAT, "weft/heartbeat/v1")

enum wf_doc {
#define WF_DOC_ENUM(name, type) WF_DOC_##name,
    WF_DOC_TABLE(WF_DOC_ENUM)
#undef WF_DOC_ENUM
        WF_DOC_COUNT
};

const char *wf_doc_type(enum wf_doc doc);

// An envelope whose structure was read and nothing more: not one byte of it is trusted.
struct wf_sealed {
    enum wf_doc doc;
    struct wf_bytes raw, body;
    struct wf_bytes pae;    // what each signature covers; in the arena
    struct wf_hash id;      // BLAKE2b-256 of pae
    size_t signature_count; // sorted by key, each key once
    const struct wf_sealed_signature {
        struct wf_sign_pub key;
        struct wf_sig sig;
    } * signatures; // in the arena given to wf_envelope_read
};

// A single-signer document whose signature verified under the key it names. Whether that key may sign it is the
// caller's next question (chain, charter).
struct wf_opened {
    enum wf_doc doc;
    struct wf_bytes raw, body;
    struct wf_hash id;
    struct wf_sign_pub signer;
};

// The pre-authentication encoding "DSSEv1 SP len SP type SP len SP body", appended to out.
WF_MUST_USE enum weft_err wf_pae(const char *type, struct wf_bytes body, struct wf_buf *out);
// BLAKE2b-256 of the encoding, without building it.
void wf_pae_hash(const char *type, struct wf_bytes body, struct wf_hash *ret);

// Structure only. Refuses: TOO_BIG (over WF_MAX_ENVELOPE, WF_MAX_DOCUMENT, WF_MAX_SIGNATURES), PURPOSE (another type),
// SYNTAX, TRUNCATED, UNKNOWN_FIELD, NOT_CANONICAL, ORDER (signatures not sorted or repeated), KEY and SIGNATURE (absent
// or of another length), MISSING_FIELD (no type, body or signature). The arena needs about raw.len and 1 KiB.
WF_MUST_USE enum weft_err wf_envelope_read(
    struct wf_bytes raw, enum wf_doc doc, struct wf_arena *arena, struct wf_sealed *ret);
// Exactly one signature, and it verifies. SIGNATURE otherwise.
WF_MUST_USE enum weft_err wf_envelope_open(const struct wf_sealed *in, struct wf_opened *ret);
// Does this key's signature stand on it and verify? (documents with many signers: charters)
bool wf_envelope_signed_by(const struct wf_sealed *in, const struct wf_sign_pub *key);

// Signs body as a document of this type: a whole envelope appended to out.
WF_MUST_USE enum weft_err wf_envelope_seal(
    enum wf_doc doc, struct wf_bytes body, const struct wf_secret *key, struct wf_buf *out);
// A copy with one more signature, in order. A key that already stands on it: unchanged copy (its signature may be wrong:
// wf_envelope_signed_by tells).
WF_MUST_USE enum weft_err wf_envelope_cosign(
    const struct wf_sealed *in, const struct wf_secret *key, struct wf_buf *out);
// Unsigned envelope for a signer elsewhere (the signer process): the bytes to sign are PAE(type, body).
WF_MUST_USE enum weft_err wf_envelope_assemble(enum wf_doc doc, struct wf_bytes body,
    const struct wf_sign_pub *key, const struct wf_sig *sig, struct wf_buf *out);

#endif

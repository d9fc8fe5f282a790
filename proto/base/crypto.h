// SPDX-License-Identifier: Apache-2.0
// The only door to libsodium: hashes, signatures, key agreement, sealing, random bytes, locked memory. Thin on purpose:
// what may be signed and how is decided in proto/trust/envelope, the one caller of wf_crypto_sign (lint.layers checks).
// Thread rule: wf_crypto_init once before any thread; everything else is reentrant.
#ifndef WF_BASE_CRYPTO_H
#define WF_BASE_CRYPTO_H

#include "proto/base/bytes.h"

#define WF_KEY_LEN    32u
#define WF_SIG_LEN    64u
#define WF_TAG_LEN    16u // Poly1305
#define WF_XNONCE_LEN 24u
#define WF_NONCE_LEN  12u

struct wf_sign_pub {
    uint8_t b[WF_KEY_LEN];
};
struct wf_dh_pub {
    uint8_t b[WF_KEY_LEN];
};
struct wf_sig {
    uint8_t b[WF_SIG_LEN];
};

// A secret in locked, guarded memory. No printing or comparing function exists for it on purpose.
struct wf_secret {
    uint8_t *ptr;
    size_t len;
};

WF_MUST_USE enum weft_err wf_crypto_init(void);

// Zeroed locked memory; len <= 64 KiB. NOMEM when it can't be had.
WF_MUST_USE enum weft_err wf_secret_new(size_t len, struct wf_secret *ret);
WF_MUST_USE enum weft_err wf_secret_random(size_t len, struct wf_secret *ret);
WF_MUST_USE enum weft_err wf_secret_copy(struct wf_bytes from, struct wf_secret *ret);
// Whether the secret's memory is locked, tried again now: a child of fork has none of its parent's locks, and a secret beyond
// RLIMIT_MEMLOCK was left unlocked. False: it may be swapped.
bool wf_secret_lock(const struct wf_secret *s);
// Wipes and releases; a zeroed secret is permitted. The argument is zeroed.
void wf_secret_fini(struct wf_secret *s);
static inline struct wf_bytes wf_secret_view(const struct wf_secret *s)
{
    return (struct wf_bytes){ s->ptr, s->len };
}

void wf_random(void *out, size_t len);
void wf_wipe(void *p, size_t len);
// Constant-time equality of equal lengths (false for different lengths).
bool wf_equal_ct(struct wf_bytes a, struct wf_bytes b);

// BLAKE2b (RFC 7693). out_len 1..64; key 0..64 bytes.
void wf_blake2b(struct wf_bytes in, struct wf_hash *ret);
void wf_blake2b_keyed(struct wf_bytes key, struct wf_bytes in, uint8_t *out, size_t out_len);
struct wf_hasher {
    _Alignas(64) uint8_t state[384];
};
void wf_hasher_init(struct wf_hasher *h, struct wf_bytes key, size_t out_len);
void wf_hasher_add(struct wf_hasher *h, struct wf_bytes in);
void wf_hasher_done(struct wf_hasher *h, uint8_t *out, size_t out_len);
void wf_sha256(struct wf_bytes in, struct wf_hash *ret);
// Poly1305 (RFC 8439), four times as fast as BLAKE2b. For checks against chance; a key is for one text.
void wf_poly1305(const uint8_t key[WF_KEY_LEN], struct wf_bytes in, uint8_t ret[WF_TAG_LEN]);

// Ed25519 (RFC 8032), libsodium's strict single verify. A signing secret is the 32-byte seed and public key (64 bytes).
WF_MUST_USE enum weft_err wf_sign_keygen(struct wf_secret *ret_secret, struct wf_sign_pub *ret_pub);
WF_MUST_USE enum weft_err wf_sign_from_seed(
    struct wf_bytes seed32, struct wf_secret *ret_secret, struct wf_sign_pub *ret_pub);
void wf_sign_public(const struct wf_secret *secret, struct wf_sign_pub *ret_pub);
void wf_crypto_sign(const struct wf_secret *secret, struct wf_bytes message, struct wf_sig *ret);
// SIGNATURE unless it verifies.
WF_MUST_USE enum weft_err wf_crypto_verify(
    const struct wf_sign_pub *pub, struct wf_bytes message, const struct wf_sig *sig);

// X25519 (RFC 7748). KEY when the shared value is all zero.
WF_MUST_USE enum weft_err wf_dh_keygen(struct wf_secret *ret_secret, struct wf_dh_pub *ret_pub);
void wf_dh_public(const struct wf_secret *secret, struct wf_dh_pub *ret_pub);
WF_MUST_USE enum weft_err wf_dh(
    const struct wf_secret *secret, const struct wf_dh_pub *pub, uint8_t out[WF_KEY_LEN]);

// AEADs. out of seal holds in.len + WF_TAG_LEN; out of open holds in.len - WF_TAG_LEN. Open: AEAD on any mismatch or a
// short input, and out is not touched with plaintext. In place (out == in.ptr) is permitted.
void wf_chacha_seal(const uint8_t key[WF_KEY_LEN], const uint8_t nonce[WF_NONCE_LEN],
    struct wf_bytes ad, struct wf_bytes in, uint8_t *out);
WF_MUST_USE enum weft_err wf_chacha_open(const uint8_t key[WF_KEY_LEN],
    const uint8_t nonce[WF_NONCE_LEN], struct wf_bytes ad, struct wf_bytes in, uint8_t *out);
void wf_xchacha_seal(const uint8_t key[WF_KEY_LEN], const uint8_t nonce[WF_XNONCE_LEN],
    struct wf_bytes ad, struct wf_bytes in, uint8_t *out);
WF_MUST_USE enum weft_err wf_xchacha_open(const uint8_t key[WF_KEY_LEN],
    const uint8_t nonce[WF_XNONCE_LEN], struct wf_bytes ad, struct wf_bytes in, uint8_t *out);

// argon2id with libsodium's MODERATE limits (256 MiB, 3 passes): a 32-byte key from a passphrase and a 16-byte salt.
#define WF_SALT_LEN 16u
WF_MUST_USE enum weft_err wf_argon2id(
    struct wf_bytes passphrase, const uint8_t salt[WF_SALT_LEN], struct wf_secret *ret_key);

#endif

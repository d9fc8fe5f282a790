// SPDX-License-Identifier: Apache-2.0
// Noise_IK_25519_ChaChaPoly_BLAKE2b (Noise revision 34): the symmetric state and the two messages of IK, in both roles.
// No allocation, no clock, no randomness: ephemeral secrets come in. A state lives in the caller's memory, holds key
// material and is wiped with wf_wipe; after any error it is spoiled and may only be wiped. Thread rule: plain values.
#ifndef WF_SESSION_NOISE_H
#define WF_SESSION_NOISE_H

#include "proto/base/crypto.h"

#define WF_NOISE_HASH_LEN 64u // HASHLEN of BLAKE2b
#define WF_NOISE_NAME     "Noise_IK_25519_ChaChaPoly_BLAKE2b"

// SymmetricState (section 5.2) with the CipherState's key and counter inside.
struct wf_noise {
    uint8_t ck[WF_NOISE_HASH_LEN], h[WF_NOISE_HASH_LEN];
    uint8_t k[WF_KEY_LEN];
    uint64_t n;
};

// HKDF (section 4.3) with HMAC over BLAKE2b (128-byte block, 64-byte output): count <= 3 outputs.
void wf_noise_hkdf(const uint8_t ck[WF_NOISE_HASH_LEN], struct wf_bytes ikm, unsigned count,
    uint8_t out[][WF_NOISE_HASH_LEN]);
// The 96-bit nonce of a counter: 32 zero bits and the counter, little-endian (section 12.3).
void wf_noise_nonce(uint64_t counter, uint8_t out[WF_NONCE_LEN]);

// name: at most 64 bytes.
void wf_noise_init(struct wf_noise *s, struct wf_bytes name, struct wf_bytes prologue);
void wf_noise_mix_hash(struct wf_noise *s, struct wf_bytes data);
void wf_noise_mix_key(struct wf_noise *s, struct wf_bytes ikm);
// EncryptAndHash and DecryptAndHash, once a key was mixed in. out of seal holds in.len + WF_TAG_LEN, out of open
// in.len - WF_TAG_LEN. AEAD when it does not decrypt.
void wf_noise_seal(struct wf_noise *s, struct wf_bytes in, uint8_t *out);
WF_MUST_USE enum weft_err wf_noise_open(struct wf_noise *s, struct wf_bytes in, uint8_t *out);
// The keys of the initiator's messages (first) and of the responder's (second).
void wf_noise_split(
    const struct wf_noise *s, uint8_t first[WF_KEY_LEN], uint8_t second[WF_KEY_LEN]);

// IK:  <- s   ...   -> e, es, s, ss   <- e, ee, se
#define WF_NOISE_FIRST_LEN  (WF_KEY_LEN + WF_KEY_LEN + WF_TAG_LEN + WF_TAG_LEN) // and the payload
#define WF_NOISE_SECOND_LEN (WF_KEY_LEN + WF_TAG_LEN)                           // and the payload

struct wf_noise_ik {
    struct wf_noise state;
    struct wf_dh_pub rs,
        re; // the peer's static key (known to the responder after the first message) and ephemeral key
};

// The initiator's own keys; borrowed during the call.
struct wf_noise_keys {
    const struct wf_secret *s, *e; // static and ephemeral secret, 32 bytes each
    const struct wf_dh_pub *s_pub;
};

// Either role: responder is the responder's static public key.
void wf_noise_ik_init(
    struct wf_noise_ik *ik, struct wf_bytes prologue, const struct wf_dh_pub *responder);
// out holds WF_NOISE_FIRST_LEN + payload.len. KEY when an agreement is all zero (a bad peer key).
WF_MUST_USE enum weft_err wf_noise_ik_write_first(
    struct wf_noise_ik *ik, const struct wf_noise_keys *own, struct wf_bytes payload, uint8_t *out);
// payload holds in.len - WF_NOISE_FIRST_LEN. TRUNCATED, KEY, AEAD.
WF_MUST_USE enum weft_err wf_noise_ik_read_first(
    struct wf_noise_ik *ik, const struct wf_secret *s, struct wf_bytes in, uint8_t *payload);
// out holds WF_NOISE_SECOND_LEN + payload.len. KEY as above.
WF_MUST_USE enum weft_err wf_noise_ik_write_second(
    struct wf_noise_ik *ik, const struct wf_secret *e, struct wf_bytes payload, uint8_t *out);
// payload holds in.len - WF_NOISE_SECOND_LEN. TRUNCATED, KEY, AEAD.
WF_MUST_USE enum weft_err wf_noise_ik_read_second(
    struct wf_noise_ik *ik, const struct wf_noise_keys *own, struct wf_bytes in, uint8_t *payload);

#endif

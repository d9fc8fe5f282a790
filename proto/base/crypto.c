// SPDX-License-Identifier: Apache-2.0
#include "proto/base/crypto.h"

#include <assert.h>
#include <sodium.h>

_Static_assert(sizeof(crypto_generichash_state) <= sizeof(((struct wf_hasher *)0)->state),
    "wf_hasher holds libsodium's state");
_Static_assert(crypto_sign_SECRETKEYBYTES == 64, "a signing secret is seed and public key");
_Static_assert(crypto_onetimeauth_poly1305_BYTES == WF_TAG_LEN, "poly1305");
_Static_assert(crypto_pwhash_SALTBYTES == WF_SALT_LEN, "argon2id salt");

#define SECRET_MAX 65536u

enum weft_err wf_crypto_init(void)
{
    return sodium_init() < 0 ? WEFT_E_INTERNAL : WEFT_OK;
}

enum weft_err wf_secret_new(size_t len, struct wf_secret *ret)
{
    if (len == 0 || len > SECRET_MAX)
        return WEFT_E_RANGE;
    uint8_t *p = sodium_malloc(len);
    if (!p)
        return WEFT_E_NOMEM;
    sodium_memzero(p, len);
    *ret = (struct wf_secret){ p, len };
    return WEFT_OK;
}

enum weft_err wf_secret_random(size_t len, struct wf_secret *ret)
{
    struct wf_secret s = { 0 };
    enum weft_err err = wf_secret_new(len, &s);

    if (err)
        return err;
    randombytes_buf(s.ptr, s.len);
    *ret = s;
    return WEFT_OK;
}

enum weft_err wf_secret_copy(struct wf_bytes from, struct wf_secret *ret)
{
    struct wf_secret s = { 0 };
    enum weft_err err = wf_secret_new(from.len, &s);

    if (err)
        return err;
    memcpy(s.ptr, from.ptr, from.len);
    *ret = s;
    return WEFT_OK;
}

bool wf_secret_lock(const struct wf_secret *s)
{
    return s->ptr && sodium_mlock(s->ptr, s->len) == 0;
}

void wf_secret_fini(struct wf_secret *s)
{
    sodium_free(s->ptr); // wipes; NULL is permitted
    *s = (struct wf_secret){ 0 };
}

void wf_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}

void wf_wipe(void *p, size_t len)
{
    sodium_memzero(p, len);
}

bool wf_equal_ct(struct wf_bytes a, struct wf_bytes b)
{
    return a.len == b.len && (a.len == 0 || sodium_memcmp(a.ptr, b.ptr, a.len) == 0);
}

void wf_blake2b(struct wf_bytes in, struct wf_hash *ret)
{
    wf_blake2b_keyed(wf_bytes(NULL, 0), in, ret->b, WF_HASH_LEN);
}

void wf_blake2b_keyed(struct wf_bytes key, struct wf_bytes in, uint8_t *out, size_t out_len)
{
    struct wf_hasher h;

    wf_hasher_init(&h, key, out_len);
    wf_hasher_add(&h, in);
    wf_hasher_done(&h, out, out_len);
}

// libsodium's generichash refuses outputs and keys below 16 bytes only in its *_MIN checks of the keyed wrapper, and takes
// 1..64 in the streaming form used here.
void wf_hasher_init(struct wf_hasher *h, struct wf_bytes key, size_t out_len)
{
    assert(out_len >= 1 && out_len <= crypto_generichash_BYTES_MAX);
    assert(key.len <= crypto_generichash_KEYBYTES_MAX);
    int rc = crypto_generichash_init(
        (crypto_generichash_state *)(void *)h->state, key.ptr, key.len, out_len);
    assert(rc == 0);
    (void)rc;
}

void wf_hasher_add(struct wf_hasher *h, struct wf_bytes in)
{
    crypto_generichash_update((crypto_generichash_state *)(void *)h->state, in.ptr, in.len);
}

void wf_hasher_done(struct wf_hasher *h, uint8_t *out, size_t out_len)
{
    crypto_generichash_final((crypto_generichash_state *)(void *)h->state, out, out_len);
    sodium_memzero(h->state, sizeof h->state);
}

void wf_sha256(struct wf_bytes in, struct wf_hash *ret)
{
    crypto_hash_sha256(ret->b, in.ptr, in.len);
}

void wf_poly1305(const uint8_t key[WF_KEY_LEN], struct wf_bytes in, uint8_t ret[WF_TAG_LEN])
{
    crypto_onetimeauth_poly1305(ret, in.ptr, in.len, key);
}

enum weft_err wf_sign_keygen(struct wf_secret *ret_secret, struct wf_sign_pub *ret_pub)
{
    struct wf_secret s = { 0 };
    enum weft_err err = wf_secret_new(crypto_sign_SECRETKEYBYTES, &s);

    if (err)
        return err;
    crypto_sign_keypair(ret_pub->b, s.ptr);
    *ret_secret = s;
    return WEFT_OK;
}

enum weft_err wf_sign_from_seed(
    struct wf_bytes seed32, struct wf_secret *ret_secret, struct wf_sign_pub *ret_pub)
{
    struct wf_secret s = { 0 };

    if (seed32.len != crypto_sign_SEEDBYTES)
        return WEFT_E_KEY;
    enum weft_err err = wf_secret_new(crypto_sign_SECRETKEYBYTES, &s);
    if (err)
        return err;
    crypto_sign_seed_keypair(ret_pub->b, s.ptr, seed32.ptr);
    *ret_secret = s;
    return WEFT_OK;
}

void wf_sign_public(const struct wf_secret *secret, struct wf_sign_pub *ret_pub)
{
    assert(secret->len == crypto_sign_SECRETKEYBYTES);
    memcpy(ret_pub->b, secret->ptr + crypto_sign_SEEDBYTES, WF_KEY_LEN);
}

void wf_crypto_sign(const struct wf_secret *secret, struct wf_bytes message, struct wf_sig *ret)
{
    assert(secret->len == crypto_sign_SECRETKEYBYTES);
    crypto_sign_detached(ret->b, NULL, message.ptr, message.len, secret->ptr);
}

enum weft_err wf_crypto_verify(
    const struct wf_sign_pub *pub, struct wf_bytes message, const struct wf_sig *sig)
{
    return crypto_sign_verify_detached(sig->b, message.ptr, message.len, pub->b) == 0
               ? WEFT_OK
               : WEFT_E_SIGNATURE;
}

enum weft_err wf_dh_keygen(struct wf_secret *ret_secret, struct wf_dh_pub *ret_pub)
{
    struct wf_secret s = { 0 };
    enum weft_err err = wf_secret_random(WF_KEY_LEN, &s);

    if (err)
        return err;
    wf_dh_public(&s, ret_pub);
    *ret_secret = s;
    return WEFT_OK;
}

void wf_dh_public(const struct wf_secret *secret, struct wf_dh_pub *ret_pub)
{
    assert(secret->len == WF_KEY_LEN);
    crypto_scalarmult_base(ret_pub->b, secret->ptr);
}

enum weft_err wf_dh(
    const struct wf_secret *secret, const struct wf_dh_pub *pub, uint8_t out[WF_KEY_LEN])
{
    assert(secret->len == WF_KEY_LEN);
    return crypto_scalarmult(out, secret->ptr, pub->b) == 0 ? WEFT_OK : WEFT_E_KEY;
}

void wf_chacha_seal(const uint8_t key[WF_KEY_LEN], const uint8_t nonce[WF_NONCE_LEN],
    struct wf_bytes ad, struct wf_bytes in, uint8_t *out)
{
    crypto_aead_chacha20poly1305_ietf_encrypt(
        out, NULL, in.ptr, in.len, ad.ptr, ad.len, NULL, nonce, key);
}

enum weft_err wf_chacha_open(const uint8_t key[WF_KEY_LEN], const uint8_t nonce[WF_NONCE_LEN],
    struct wf_bytes ad, struct wf_bytes in, uint8_t *out)
{
    if (in.len < WF_TAG_LEN)
        return WEFT_E_AEAD;
    return crypto_aead_chacha20poly1305_ietf_decrypt(
               out, NULL, NULL, in.ptr, in.len, ad.ptr, ad.len, nonce, key) == 0
               ? WEFT_OK
               : WEFT_E_AEAD;
}

void wf_xchacha_seal(const uint8_t key[WF_KEY_LEN], const uint8_t nonce[WF_XNONCE_LEN],
    struct wf_bytes ad, struct wf_bytes in, uint8_t *out)
{
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        out, NULL, in.ptr, in.len, ad.ptr, ad.len, NULL, nonce, key);
}

enum weft_err wf_xchacha_open(const uint8_t key[WF_KEY_LEN], const uint8_t nonce[WF_XNONCE_LEN],
    struct wf_bytes ad, struct wf_bytes in, uint8_t *out)
{
    if (in.len < WF_TAG_LEN)
        return WEFT_E_AEAD;
    return crypto_aead_xchacha20poly1305_ietf_decrypt(
               out, NULL, NULL, in.ptr, in.len, ad.ptr, ad.len, nonce, key) == 0
               ? WEFT_OK
               : WEFT_E_AEAD;
}

enum weft_err wf_argon2id(
    struct wf_bytes passphrase, const uint8_t salt[WF_SALT_LEN], struct wf_secret *ret_key)
{
    struct wf_secret s = { 0 };
    enum weft_err err = wf_secret_new(WF_KEY_LEN, &s);

    if (err)
        return err;
    if (crypto_pwhash(s.ptr, s.len, (const char *)passphrase.ptr, passphrase.len, salt,
            crypto_pwhash_OPSLIMIT_MODERATE, crypto_pwhash_MEMLIMIT_MODERATE,
            crypto_pwhash_ALG_ARGON2ID13) != 0) {
        wf_secret_fini(&s);
        return WEFT_E_NOMEM;
    }
    *ret_key = s;
    return WEFT_OK;
}

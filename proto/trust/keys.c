// SPDX-License-Identifier: Apache-2.0
// Key files: content only, docs/protocol/identity.md has the layout. A file is
//   "WEFTKEY" version | kind | sealed | public keys | secrets                              sealed = 0
//   "WEFTKEY" version | kind | sealed | public keys | salt | nonce | AEAD(secrets)         sealed = 1
// with XChaCha20-Poly1305 under argon2id(passphrase, salt) and everything before the ciphertext as associated data.
#include "proto/trust/doc.h"

#define MAGIC      "WEFTKEY"
#define MAGIC_LEN  7u
#define VERSION    '1'
#define HEAD_LEN   (MAGIC_LEN + 3u)
#define AT_KIND    (MAGIC_LEN + 1u)
#define AT_SEALED  (MAGIC_LEN + 2u)
#define ENTROPY    (WF_SALT_LEN + WF_XNONCE_LEN)
#define SECRET_MAX (2u * WF_KEY_LEN)

_Static_assert(ENTROPY == WF_KEYS_ENTROPY, "salt and nonce");
_Static_assert(HEAD_LEN + 2 * WF_KEY_LEN + ENTROPY + SECRET_MAX + WF_TAG_LEN <= WF_MAX_KEY_FILE,
    "the largest key file");

static bool has_sign(char kind)
{
    return kind == 'S' || kind == 'N';
}

static bool has_dh(char kind)
{
    return kind == 'D' || kind == 'N';
}

static size_t keys_len(char kind) // of the public keys, and of the secrets
{
    return (has_sign(kind) ? WF_KEY_LEN : 0) + (has_dh(kind) ? WF_KEY_LEN : 0);
}

void wf_keys_fini(struct wf_keys *k)
{
    wf_secret_fini(&k->sign);
    wf_secret_fini(&k->dh);
    *k = (struct wf_keys){ 0 };
}

enum weft_err wf_keys_new(char what, struct wf_keys *ret)
{
    struct wf_keys k = { 0 };
    enum weft_err err = keys_len(what) ? WEFT_OK : WEFT_E_TYPE;

    if (!err && has_sign(what))
        err = wf_sign_keygen(&k.sign, &k.sign_pub);
    if (!err && has_dh(what))
        err = wf_dh_keygen(&k.dh, &k.dh_pub);
    if (err) {
        wf_keys_fini(&k);
        return err;
    }
    *ret = k;
    return WEFT_OK;
}

// ---- writing

static char kind_of(const struct wf_keys *k)
{
    if (k->sign.ptr)
        return k->dh.ptr ? 'N' : 'S';
    return k->dh.ptr ? 'D' : 0;
}

static uint8_t *put(uint8_t *at, const void *from, size_t len)
{
    memcpy(at, from, len);
    return at + len;
}

static uint8_t *put_secrets(uint8_t *at, const struct wf_keys *k)
{
    if (k->sign.ptr)
        at = put(at, k->sign.ptr, WF_KEY_LEN); // the seed; the rest of the secret is the public key
    if (k->dh.ptr)
        at = put(at, k->dh.ptr, WF_KEY_LEN);
    return at;
}

static uint8_t *put_head(uint8_t *at, const struct wf_keys *k, bool sealed)
{
    at = put(at, MAGIC, MAGIC_LEN);
    *at++ = VERSION;
    *at++ = (uint8_t)kind_of(k);
    *at++ = sealed;
    if (k->sign.ptr)
        at = put(at, k->sign_pub.b, WF_KEY_LEN);
    if (k->dh.ptr)
        at = put(at, k->dh_pub.b, WF_KEY_LEN);
    return at;
}

enum weft_err wf_keys_pack_with(const struct wf_keys *k, struct wf_bytes passphrase,
    const uint8_t entropy[WF_KEYS_ENTROPY], struct wf_buf *out)
{
    uint8_t file[WF_MAX_KEY_FILE];
    uint8_t *at = put_head(file, k, passphrase.len > 0);
    struct wf_secret key = { 0 };
    enum weft_err err = kind_of(k) ? WEFT_OK : WEFT_E_TYPE;

    if (!err && passphrase.len) {
        err = wf_argon2id(passphrase, entropy, &key);
        at = put(at, entropy, ENTROPY);
    }
    if (!err) {
        size_t head = (size_t)(at - file);
        at = put_secrets(at, k);
        if (key.ptr) {
            // In place: the plain secrets are overwritten by their ciphertext.
            wf_xchacha_seal(key.ptr, entropy + WF_SALT_LEN, wf_bytes(file, head),
                wf_bytes(file + head, (size_t)(at - file) - head), file + head);
            at += WF_TAG_LEN;
        }
        err = wf_buf_append(out, wf_bytes(file, (size_t)(at - file)));
    }
    wf_wipe(file, sizeof file);
    wf_secret_fini(&key);
    return err;
}

enum weft_err wf_keys_pack(const struct wf_keys *k, struct wf_bytes passphrase, struct wf_buf *out)
{
    uint8_t entropy[ENTROPY];

    wf_random(entropy, sizeof entropy);
    return wf_keys_pack_with(k, passphrase, entropy, out);
}

// ---- reading

static enum weft_err check_head(struct wf_bytes file, char *ret_kind, bool *ret_sealed)
{
    size_t n = file.len < MAGIC_LEN ? file.len : MAGIC_LEN;

    if (file.len > WF_MAX_KEY_FILE)
        return WEFT_E_TOO_BIG;
    if (n && memcmp(file.ptr, MAGIC, n) != 0)
        return WEFT_E_SYNTAX;
    if (file.len < HEAD_LEN)
        return WEFT_E_TRUNCATED;
    if (file.ptr[MAGIC_LEN] != VERSION)
        return WEFT_E_VERSION;
    char kind = (char)file.ptr[AT_KIND];
    if (keys_len(kind) == 0 || file.ptr[AT_SEALED] > 1)
        return WEFT_E_TYPE;
    bool sealed = file.ptr[AT_SEALED] == 1;
    size_t want = HEAD_LEN + 2 * keys_len(kind) + (sealed ? ENTROPY + WF_TAG_LEN : 0);
    if (file.len != want)
        return file.len < want ? WEFT_E_TRUNCATED : WEFT_E_TRAILING;
    *ret_kind = kind;
    *ret_sealed = sealed;
    return WEFT_OK;
}

bool wf_keys_need_passphrase(struct wf_bytes file)
{
    char kind = 0;
    bool sealed = false;

    return check_head(file, &kind, &sealed) == WEFT_OK && sealed;
}

static enum weft_err unseal(struct wf_bytes file, size_t public_len, struct wf_bytes passphrase,
    const struct wf_secret *plain)
{
    size_t salt_at = HEAD_LEN + public_len, body_at = salt_at + ENTROPY;
    struct wf_secret key = { 0 };

    if (passphrase.len == 0)
        return WEFT_E_PASSPHRASE;
    enum weft_err err = wf_argon2id(passphrase, file.ptr + salt_at, &key);
    if (err)
        return err;
    err = wf_xchacha_open(key.ptr, file.ptr + salt_at + WF_SALT_LEN, wf_bytes(file.ptr, body_at),
        wf_bytes(file.ptr + body_at, file.len - body_at), plain->ptr);
    wf_secret_fini(&key);
    return err ? WEFT_E_PASSPHRASE : WEFT_OK;
}

// Derives the public keys from the secrets: those in the file are for reading without a passphrase and must agree.
static enum weft_err take_keys(
    char kind, const uint8_t *secrets, const uint8_t *pub, struct wf_keys *k)
{
    enum weft_err err = WEFT_OK;

    if (has_sign(kind)) {
        err = wf_sign_from_seed(wf_bytes(secrets, WF_KEY_LEN), &k->sign, &k->sign_pub);
        if (err)
            return err;
        if (memcmp(k->sign_pub.b, pub, WF_KEY_LEN) != 0)
            return WEFT_E_KEY;
        secrets += WF_KEY_LEN;
        pub += WF_KEY_LEN;
    }
    if (has_dh(kind)) {
        err = wf_secret_copy(wf_bytes(secrets, WF_KEY_LEN), &k->dh);
        if (err)
            return err;
        wf_dh_public(&k->dh, &k->dh_pub);
        if (memcmp(k->dh_pub.b, pub, WF_KEY_LEN) != 0)
            return WEFT_E_KEY;
    }
    return WEFT_OK;
}

enum weft_err wf_keys_unpack(struct wf_bytes file, struct wf_bytes passphrase, struct wf_keys *ret)
{
    struct wf_keys k = { 0 };
    struct wf_secret plain = { 0 };
    char kind = 0;
    bool sealed = false;
    enum weft_err err = check_head(file, &kind, &sealed);

    if (err)
        return err;
    size_t len = keys_len(kind);
    err = wf_secret_new(len, &plain);
    if (err)
        return err;
    if (sealed)
        err = unseal(file, len, passphrase, &plain);
    else
        memcpy(plain.ptr, file.ptr + HEAD_LEN + len, len);
    if (!err)
        err = take_keys(kind, plain.ptr, file.ptr + HEAD_LEN, &k);
    wf_secret_fini(&plain);
    if (err) {
        wf_keys_fini(&k);
        return err;
    }
    *ret = k;
    return WEFT_OK;
}

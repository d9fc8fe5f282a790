// SPDX-License-Identifier: Apache-2.0
#include "proto/session/noise.h"

#include <assert.h>

#define HMAC_BLOCK 128u // BLAKE2b's BLOCKLEN

struct hmac {
    struct wf_hasher inner;
    uint8_t outer_key[HMAC_BLOCK];
};

// RFC 2104. Keys are chaining keys or HMAC outputs, 64 bytes, so they are padded and never hashed.
static void hmac_init(struct hmac *m, const uint8_t key[WF_NOISE_HASH_LEN])
{
    uint8_t inner_key[HMAC_BLOCK];

    for (size_t i = 0; i < HMAC_BLOCK; i++) {
        uint8_t byte = i < WF_NOISE_HASH_LEN ? key[i] : 0;
        inner_key[i] = byte ^ 0x36;
        m->outer_key[i] = byte ^ 0x5c;
    }
    wf_hasher_init(&m->inner, wf_bytes(NULL, 0), WF_NOISE_HASH_LEN);
    wf_hasher_add(&m->inner, WF_BYTES(inner_key));
    wf_wipe(inner_key, sizeof inner_key);
}

static void hmac_done(struct hmac *m, uint8_t out[WF_NOISE_HASH_LEN])
{
    uint8_t inner[WF_NOISE_HASH_LEN];
    struct wf_hasher outer;

    wf_hasher_done(&m->inner, inner, sizeof inner);
    wf_hasher_init(&outer, wf_bytes(NULL, 0), WF_NOISE_HASH_LEN);
    wf_hasher_add(&outer, WF_BYTES(m->outer_key));
    wf_hasher_add(&outer, WF_BYTES(inner));
    wf_hasher_done(&outer, out, WF_NOISE_HASH_LEN);
    wf_wipe(inner, sizeof inner);
    wf_wipe(m, sizeof *m);
}

void wf_noise_hkdf(const uint8_t ck[WF_NOISE_HASH_LEN], struct wf_bytes ikm, unsigned count,
    uint8_t out[][WF_NOISE_HASH_LEN])
{
    uint8_t temp[WF_NOISE_HASH_LEN];
    struct hmac m;

    assert(count <= 3);
    hmac_init(&m, ck);
    wf_hasher_add(&m.inner, ikm);
    hmac_done(&m, temp);
    for (unsigned i = 0; i < count; i++) {
        uint8_t number = (uint8_t)(i + 1);
        hmac_init(&m, temp);
        if (i)
            wf_hasher_add(&m.inner, wf_bytes(out[i - 1], WF_NOISE_HASH_LEN));
        wf_hasher_add(&m.inner, wf_bytes(&number, 1));
        hmac_done(&m, out[i]);
    }
    wf_wipe(temp, sizeof temp);
}

void wf_noise_nonce(uint64_t counter, uint8_t out[WF_NONCE_LEN])
{
    memset(out, 0, 4);
    wf_store_le64(out + 4, counter);
}

void wf_noise_init(struct wf_noise *s, struct wf_bytes name, struct wf_bytes prologue)
{
    assert(name.len <= WF_NOISE_HASH_LEN);
    *s = (struct wf_noise){ .n = 0 };
    memcpy(s->h, name.ptr, name.len);
    memcpy(s->ck, s->h, WF_NOISE_HASH_LEN);
    wf_noise_mix_hash(s, prologue);
}

void wf_noise_mix_hash(struct wf_noise *s, struct wf_bytes data)
{
    struct wf_hasher h;

    wf_hasher_init(&h, wf_bytes(NULL, 0), WF_NOISE_HASH_LEN);
    wf_hasher_add(&h, WF_BYTES(s->h));
    wf_hasher_add(&h, data);
    wf_hasher_done(&h, s->h, WF_NOISE_HASH_LEN);
}

void wf_noise_mix_key(struct wf_noise *s, struct wf_bytes ikm)
{
    uint8_t out[2][WF_NOISE_HASH_LEN];

    wf_noise_hkdf(s->ck, ikm, 2, out);
    memcpy(s->ck, out[0], WF_NOISE_HASH_LEN);
    memcpy(s->k, out[1], WF_KEY_LEN); // HASHLEN is 64: truncated to the key's length
    s->n = 0;
    wf_wipe(out, sizeof out);
}

void wf_noise_seal(struct wf_noise *s, struct wf_bytes in, uint8_t *out)
{
    uint8_t nonce[WF_NONCE_LEN];

    wf_noise_nonce(s->n++, nonce);
    wf_chacha_seal(s->k, nonce, WF_BYTES(s->h), in, out);
    wf_noise_mix_hash(s, wf_bytes(out, in.len + WF_TAG_LEN));
}

enum weft_err wf_noise_open(struct wf_noise *s, struct wf_bytes in, uint8_t *out)
{
    uint8_t nonce[WF_NONCE_LEN], h[WF_NOISE_HASH_LEN];

    memcpy(h, s->h, sizeof h);
    wf_noise_mix_hash(s, in); // before opening: out may be in.ptr
    wf_noise_nonce(s->n++, nonce);
    return wf_chacha_open(s->k, nonce, WF_BYTES(h), in, out);
}

void wf_noise_split(const struct wf_noise *s, uint8_t first[WF_KEY_LEN], uint8_t second[WF_KEY_LEN])
{
    uint8_t out[2][WF_NOISE_HASH_LEN];

    wf_noise_hkdf(s->ck, wf_bytes(NULL, 0), 2, out);
    memcpy(first, out[0], WF_KEY_LEN);
    memcpy(second, out[1], WF_KEY_LEN);
    wf_wipe(out, sizeof out);
}

static enum weft_err mix_dh(
    struct wf_noise *s, const struct wf_secret *secret, const struct wf_dh_pub *pub)
{
    uint8_t shared[WF_KEY_LEN];
    enum weft_err err = wf_dh(secret, pub, shared);

    if (!err)
        wf_noise_mix_key(s, WF_BYTES(shared));
    wf_wipe(shared, sizeof shared);
    return err;
}

void wf_noise_ik_init(
    struct wf_noise_ik *ik, struct wf_bytes prologue, const struct wf_dh_pub *responder)
{
    *ik = (struct wf_noise_ik){ .rs = *responder };
    wf_noise_init(&ik->state, WF_STR(WF_NOISE_NAME), prologue);
    wf_noise_mix_hash(&ik->state, WF_BYTES(responder->b));
}

// Token e, written: the public key goes out in clear.
static void write_ephemeral(struct wf_noise *s, const struct wf_secret *e, uint8_t *out)
{
    struct wf_dh_pub pub;

    wf_dh_public(e, &pub);
    memcpy(out, pub.b, WF_KEY_LEN);
    wf_noise_mix_hash(s, WF_BYTES(pub.b));
}

static void read_ephemeral(struct wf_noise_ik *ik, const uint8_t *in)
{
    memcpy(ik->re.b, in, WF_KEY_LEN);
    wf_noise_mix_hash(&ik->state, WF_BYTES(ik->re.b));
}

enum weft_err wf_noise_ik_write_first(
    struct wf_noise_ik *ik, const struct wf_noise_keys *own, struct wf_bytes payload, uint8_t *out)
{
    struct wf_noise *s = &ik->state;

    write_ephemeral(s, own->e, out);
    enum weft_err err = mix_dh(s, own->e, &ik->rs); // es
    if (err)
        return err;
    wf_noise_seal(s, WF_BYTES(own->s_pub->b), out + WF_KEY_LEN);
    err = mix_dh(s, own->s, &ik->rs); // ss
    if (err)
        return err;
    wf_noise_seal(s, payload, out + WF_KEY_LEN + WF_KEY_LEN + WF_TAG_LEN);
    return WEFT_OK;
}

enum weft_err wf_noise_ik_read_first(
    struct wf_noise_ik *ik, const struct wf_secret *own, struct wf_bytes in, uint8_t *payload)
{
    const size_t sealed_static = WF_KEY_LEN + WF_TAG_LEN, head = WF_KEY_LEN + sealed_static;
    struct wf_noise *s = &ik->state;

    if (in.len < WF_NOISE_FIRST_LEN)
        return WEFT_E_TRUNCATED;
    read_ephemeral(ik, in.ptr);
    enum weft_err err = mix_dh(s, own, &ik->re); // es
    if (!err)
        err = wf_noise_open(s, wf_bytes(in.ptr + WF_KEY_LEN, sealed_static), ik->rs.b);
    if (!err)
        err = mix_dh(s, own, &ik->rs); // ss
    if (!err)
        err = wf_noise_open(s, wf_bytes(in.ptr + head, in.len - head), payload);
    return err;
}

enum weft_err wf_noise_ik_write_second(
    struct wf_noise_ik *ik, const struct wf_secret *e, struct wf_bytes payload, uint8_t *out)
{
    struct wf_noise *s = &ik->state;

    write_ephemeral(s, e, out);
    enum weft_err err = mix_dh(s, e, &ik->re); // ee
    if (!err)
        err = mix_dh(s, e, &ik->rs); // se
    if (!err)
        wf_noise_seal(s, payload, out + WF_KEY_LEN);
    return err;
}

enum weft_err wf_noise_ik_read_second(
    struct wf_noise_ik *ik, const struct wf_noise_keys *own, struct wf_bytes in, uint8_t *payload)
{
    struct wf_noise *s = &ik->state;

    if (in.len < WF_NOISE_SECOND_LEN)
        return WEFT_E_TRUNCATED;
    read_ephemeral(ik, in.ptr);
    enum weft_err err = mix_dh(s, own->e, &ik->re); // ee
    if (!err)
        err = mix_dh(s, own->s, &ik->re); // se
    if (!err)
        err = wf_noise_open(s, wf_bytes(in.ptr + WF_KEY_LEN, in.len - WF_KEY_LEN), payload);
    return err;
}

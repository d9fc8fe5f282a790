// SPDX-License-Identifier: Apache-2.0
// The envelope has its own reader instead of the generated one: it runs on bytes that nobody vouched for, once per batch,
// and must hand out a view of the exact body. It accepts the canonical encoding and nothing else. The only caller of
// wf_crypto_sign (lint.layers).
#include "proto/trust/envelope.h"

#include <assert.h>
#include <stdio.h>

#include "proto/base/limits.h"

// "DSSEv1 " len " " type " " len " ": two numbers of at most 20 digits.
#define PAE_HEAD_MAX 128u
#define TYPE_MAX     32u
// Tag, length and content of one Signature in an Envelope; its two fields have fixed lengths.
#define SIGNATURE_LEN  (2u + WF_KEY_LEN + 2u + WF_SIG_LEN)
#define SIGNATURE_ITEM (2u + SIGNATURE_LEN)

enum { F_TYPE = 1, F_BODY = 2, F_SIGNATURES = 3 };
enum { F_SIG_KEY = 1, F_SIG_SIGNATURE = 2 };

const char *wf_doc_type(enum wf_doc doc)
{
    static const char *const types[] = {
#define WF_DOC_TYPE(name, type) type,
        WF_DOC_TABLE(WF_DOC_TYPE)
#undef WF_DOC_TYPE
    };

    assert((unsigned)doc < WF_DOC_COUNT);
    return types[doc];
}

static struct wf_bytes pae_head(const char *type, size_t body_len, char out[PAE_HEAD_MAX])
{
    int n = snprintf(out, PAE_HEAD_MAX, "DSSEv1 %zu %s %zu ", strlen(type), type, body_len);

    assert(n > 0 && (size_t)n < PAE_HEAD_MAX); // types are ours and short
    return wf_bytes(out, (size_t)n);
}

enum weft_err wf_pae(const char *type, struct wf_bytes body, struct wf_buf *out)
{
    char text[PAE_HEAD_MAX];
    struct wf_bytes head = pae_head(type, body.len, text);
    enum weft_err err = wf_buf_reserve(out, head.len + body.len);

    if (err)
        return err;
    err = wf_buf_append(out, head);
    if (err)
        return err;
    return wf_buf_append(out, body);
}

void wf_pae_hash(const char *type, struct wf_bytes body, struct wf_hash *ret)
{
    char text[PAE_HEAD_MAX];
    struct wf_hasher h;

    wf_hasher_init(&h, wf_bytes(NULL, 0), WF_HASH_LEN);
    wf_hasher_add(&h, pae_head(type, body.len, text));
    wf_hasher_add(&h, body);
    wf_hasher_done(&h, ret->b, WF_HASH_LEN);
}

// ---- reading

static enum weft_err take_number(struct wf_bytes *in, uint64_t *ret)
{
    size_t before = in->len;
    enum weft_err err = wf_varint_take(in, ret);

    if (err)
        return err;
    return before - in->len == wf_varint_len(*ret) ? WEFT_OK : WEFT_E_NOT_CANONICAL;
}

// One length-prefixed field. All fields of both messages are of this kind and numbered 1..last.
static enum weft_err take_field(
    struct wf_bytes *in, unsigned last, unsigned *ret_number, struct wf_bytes *ret_value)
{
    uint64_t tag = 0, len = 0;
    enum weft_err err = take_number(in, &tag);

    if (err)
        return err;
    if (tag >> 3 == 0 || (tag & 7) > 5)
        return WEFT_E_SYNTAX;
    if (tag >> 3 > last)
        return WEFT_E_UNKNOWN_FIELD;
    if ((tag & 7) != 2)
        return WEFT_E_SYNTAX;
    err = take_number(in, &len);
    if (err)
        return err;
    if (len > in->len)
        return WEFT_E_TRUNCATED;
    *ret_number = (unsigned)(tag >> 3);
    *ret_value = wf_bytes(in->ptr, (size_t)len);
    *in = wf_bytes(in->ptr + len, in->len - (size_t)len);
    return WEFT_OK;
}

// Splits a whole message into its fields 1..last, each at most once and in order.
static enum weft_err take_once(struct wf_bytes in, unsigned last, struct wf_bytes *ret_fields)
{
    unsigned number = 0, previous = 0;

    while (in.len) {
        struct wf_bytes value = { 0 };
        enum weft_err err = take_field(&in, last, &number, &value);
        if (err)
            return err;
        if (number <= previous || value.len == 0)
            return WEFT_E_NOT_CANONICAL; // repeated, out of order, or empty and yet there
        ret_fields[number - 1] = value;
        previous = number;
    }
    return WEFT_OK;
}

static enum weft_err read_signature(struct wf_bytes in, struct wf_sealed_signature *ret)
{
    struct wf_bytes f[F_SIG_SIGNATURE] = { { 0 } };
    enum weft_err err = take_once(in, F_SIG_SIGNATURE, f);

    if (err)
        return err;
    if (f[F_SIG_KEY - 1].len != WF_KEY_LEN)
        return WEFT_E_KEY;
    if (f[F_SIG_SIGNATURE - 1].len != WF_SIG_LEN)
        return WEFT_E_SIGNATURE;
    memcpy(ret->key.b, f[F_SIG_KEY - 1].ptr, WF_KEY_LEN);
    memcpy(ret->sig.b, f[F_SIG_SIGNATURE - 1].ptr, WF_SIG_LEN);
    return WEFT_OK;
}

static enum weft_err read_signatures(
    struct wf_bytes in, struct wf_arena *arena, struct wf_sealed *ret)
{
    // Every accepted item has this length, so the array can't overflow.
    size_t room = in.len / SIGNATURE_ITEM, count = 0;

    if (in.len == 0)
        return WEFT_E_MISSING_FIELD;
    if (room > WF_MAX_SIGNATURES)
        return WEFT_E_TOO_BIG;
    struct wf_sealed_signature *list = wf_arena_alloc(arena, room * sizeof *list);
    if (!list)
        return wf_arena_err(arena);
    while (in.len) {
        struct wf_sealed_signature one;
        struct wf_bytes value = { 0 };
        unsigned number = 0;
        enum weft_err err = take_field(&in, F_SIGNATURES, &number, &value);
        if (!err && number != F_SIGNATURES)
            err = WEFT_E_NOT_CANONICAL;
        if (!err)
            err = read_signature(value, &one);
        if (err)
            return err;
        if (count && memcmp(list[count - 1].key.b, one.key.b, WF_KEY_LEN) >= 0)
            return WEFT_E_ORDER;
        list[count++] = one;
    }
    ret->signatures = list;
    ret->signature_count = count;
    return WEFT_OK;
}

// The first two fields; *in is left at the third.
static enum weft_err read_head(
    struct wf_bytes *in, struct wf_bytes *ret_type, struct wf_bytes *ret_body)
{
    struct wf_bytes *const want[] = { ret_type, ret_body };

    for (unsigned i = 0; i < WF_COUNT(want); i++) {
        unsigned number = 0;
        struct wf_bytes rest = *in;
        if (in->len == 0)
            return WEFT_E_MISSING_FIELD;
        enum weft_err err = take_field(&rest, F_SIGNATURES, &number, want[i]);
        if (err)
            return err;
        if (number < i + 1)
            return WEFT_E_NOT_CANONICAL; // a second type
        if (number > i + 1)
            return WEFT_E_MISSING_FIELD;
        if (want[i]->len == 0)
            return WEFT_E_NOT_CANONICAL;
        *in = rest;
    }
    return WEFT_OK;
}

static enum weft_err pae_in_arena(
    const char *type, struct wf_bytes body, struct wf_arena *arena, struct wf_bytes *ret)
{
    char text[PAE_HEAD_MAX];
    struct wf_bytes head = pae_head(type, body.len, text);
    uint8_t *p = wf_arena_alloc(arena, head.len + body.len);

    if (!p)
        return wf_arena_err(arena);
    memcpy(p, head.ptr, head.len);
    memcpy(p + head.len, body.ptr, body.len);
    *ret = wf_bytes(p, head.len + body.len);
    return WEFT_OK;
}

enum weft_err wf_envelope_read(
    struct wf_bytes raw, enum wf_doc doc, struct wf_arena *arena, struct wf_sealed *ret)
{
    struct wf_sealed s = { .doc = doc, .raw = raw };
    struct wf_bytes in = raw, type = { 0 };

    if (raw.len > WF_MAX_ENVELOPE)
        return WEFT_E_TOO_BIG;
    enum weft_err err = read_head(&in, &type, &s.body);
    if (err)
        return err;
    if (s.body.len > WF_MAX_DOCUMENT)
        return WEFT_E_TOO_BIG;
    if (!wf_bytes_is(type, wf_doc_type(doc)))
        return WEFT_E_PURPOSE;
    err = read_signatures(in, arena, &s);
    if (err)
        return err;
    err = pae_in_arena(wf_doc_type(doc), s.body, arena, &s.pae);
    if (err)
        return err;
    wf_blake2b(s.pae, &s.id);
    *ret = s;
    return WEFT_OK;
}

enum weft_err wf_envelope_open(const struct wf_sealed *in, struct wf_opened *ret)
{
    if (in->signature_count != 1)
        return WEFT_E_SIGNATURE;
    enum weft_err err = wf_crypto_verify(&in->signatures[0].key, in->pae, &in->signatures[0].sig);
    if (err)
        return err;
    *ret = (struct wf_opened){
        .doc = in->doc,
        .raw = in->raw,
        .body = in->body,
        .id = in->id,
        .signer = in->signatures[0].key,
    };
    return WEFT_OK;
}

bool wf_envelope_signed_by(const struct wf_sealed *in, const struct wf_sign_pub *key)
{
    for (size_t i = 0; i < in->signature_count; i++)
        if (memcmp(in->signatures[i].key.b, key->b, WF_KEY_LEN) == 0)
            return wf_crypto_verify(key, in->pae, &in->signatures[i].sig) == WEFT_OK;
    return false;
}

// ---- writing. put_* append to a buffer whose room was reserved before.

static void put(struct wf_buf *out, struct wf_bytes b)
{
    memcpy(out->ptr + out->len, b.ptr, b.len);
    out->len += b.len;
}

static void put_field_head(struct wf_buf *out, unsigned number, size_t len)
{
    uint8_t n[WF_VARINT_MAX];

    out->ptr[out->len++] = (uint8_t)(number << 3 | 2);
    put(out, wf_bytes(n, wf_varint_put(n, len)));
}

static void put_field(struct wf_buf *out, unsigned number, struct wf_bytes value)
{
    put_field_head(out, number, value.len);
    put(out, value);
}

static void put_signature(struct wf_buf *out, const struct wf_sealed_signature *s)
{
    put_field_head(out, F_SIGNATURES, SIGNATURE_LEN);
    put_field(out, F_SIG_KEY, WF_BYTES(s->key.b));
    put_field(out, F_SIG_SIGNATURE, WF_BYTES(s->sig.b));
}

// Reserves what `signatures` of them need, checks the limits, and writes the first two fields.
static enum weft_err put_head(
    enum wf_doc doc, struct wf_bytes body, size_t signatures, struct wf_buf *out)
{
    const char *type = wf_doc_type(doc);

    if (body.len == 0)
        return WEFT_E_MISSING_FIELD;
    if (body.len > WF_MAX_DOCUMENT || signatures > WF_MAX_SIGNATURES)
        return WEFT_E_TOO_BIG;
    enum weft_err err = wf_buf_reserve(
        out, 2 * (1 + WF_VARINT_MAX) + TYPE_MAX + body.len + signatures * SIGNATURE_ITEM);
    if (err)
        return err;
    put_field(out, F_TYPE, wf_bytes_str(type));
    put_field(out, F_BODY, body);
    return WEFT_OK;
}

enum weft_err wf_envelope_assemble(enum wf_doc doc, struct wf_bytes body,
    const struct wf_sign_pub *key, const struct wf_sig *sig, struct wf_buf *out)
{
    struct wf_sealed_signature one = { .key = *key, .sig = *sig };
    enum weft_err err = put_head(doc, body, 1, out);

    if (err)
        return err;
    put_signature(out, &one);
    return WEFT_OK;
}

enum weft_err wf_envelope_seal(
    enum wf_doc doc, struct wf_bytes body, const struct wf_secret *key, struct wf_buf *out)
{
    struct wf_buf pae = { 0 };
    struct wf_sign_pub pub;
    struct wf_sig sig;
    enum weft_err err = wf_pae(wf_doc_type(doc), body, &pae);

    if (err)
        goto out;
    wf_sign_public(key, &pub);
    wf_crypto_sign(key, wf_buf_view(&pae), &sig);
    err = wf_envelope_assemble(doc, body, &pub, &sig, out);
out:
    wf_buf_fini(&pae);
    return err;
}

enum weft_err wf_envelope_cosign(
    const struct wf_sealed *in, const struct wf_secret *key, struct wf_buf *out)
{
    struct wf_sealed_signature mine;
    size_t at = 0;

    wf_sign_public(key, &mine.key);
    while (at < in->signature_count && memcmp(in->signatures[at].key.b, mine.key.b, WF_KEY_LEN) < 0)
        at++;
    if (at < in->signature_count && memcmp(in->signatures[at].key.b, mine.key.b, WF_KEY_LEN) == 0)
        return wf_buf_append(out, in->raw);
    enum weft_err err = put_head(in->doc, in->body, in->signature_count + 1, out);
    if (err)
        return err;
    wf_crypto_sign(key, in->pae, &mine.sig);
    for (size_t i = 0; i < at; i++)
        put_signature(out, &in->signatures[i]);
    put_signature(out, &mine);
    for (size_t i = at; i < in->signature_count; i++)
        put_signature(out, &in->signatures[i]);
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/sealed.h"

#include "proto/stream/wire.h"

enum { F_HEAD = 1, F_EPOCH, F_NONCE, F_BOX };

#define HEAD_MAX (WF_MAX_ENTRY - WF_MAX_BATCH_STORED) // of one with a box: of a batch
#define BOX_MAX  (WF_MAX_BATCH_STORED + WF_TAG_LEN)
_Static_assert(HEAD_MAX <= WF_MAX_RESET && WF_MAX_RESET <= WF_MAX_SEALED, "a reset may be longer");
_Static_assert(4 * WF_WIRE_HEAD + HEAD_MAX + WF_XNONCE_LEN + BOX_MAX <= WF_MAX_SEALED,
    "the largest sealed entry is within its limit");

// A key of its own for this use, so that no frame is ever taken for a box.
static void box_key(
    const struct wf_secret *epoch_key, const struct wf_hash *product_id, uint8_t out[WF_KEY_LEN])
{
    struct wf_hasher h;

    wf_hasher_init(&h, wf_secret_view(epoch_key), WF_KEY_LEN);
    wf_hasher_add(&h, WF_STR("weft/sealed-entry/v1"));
    wf_hasher_add(&h, wf_hash_view(product_id));
    wf_hasher_done(&h, out, WF_KEY_LEN);
    wf_wipe(&h, sizeof h);
}

#define BOUND_MAX (WF_HASH_LEN + 8u + HEAD_MAX)

// What a box is bound to: product id, epoch, head.
static struct wf_bytes bound(
    const struct wf_hash *product_id, uint64_t epoch, struct wf_bytes head, uint8_t out[BOUND_MAX])
{
    memcpy(out, product_id->b, WF_HASH_LEN);
    wf_store_be64(out + WF_HASH_LEN, epoch);
    memcpy(out + WF_HASH_LEN + 8, head.ptr, head.len);
    return wf_bytes(out, WF_HASH_LEN + 8 + head.len);
}

// Appends the field `head` and returns where its content stands in out.
static enum weft_err put_head(struct wf_entry e, struct wf_buf *out, struct wf_bytes *ret_head)
{
    struct wf_buf head = { 0 };

    e.payload = wf_bytes(NULL, 0);
    enum weft_err err = wf_entry_pack(&e, &head);
    if (!err) {
        uint8_t *p =
            wf_wire_put_bytes(out->ptr + out->len, WF_TAG_BYTES(F_HEAD), wf_buf_view(&head));
        *ret_head = wf_bytes(p - head.len, head.len);
        out->len = (size_t)(p - out->ptr);
    }
    wf_buf_fini(&head);
    return err;
}

enum weft_err wf_sealed_entry_pack(struct wf_bytes entry, const struct wf_hash *product_id,
    uint64_t epoch, const struct wf_secret *key, const uint8_t nonce[WF_XNONCE_LEN],
    struct wf_buf *out)
{
    struct wf_entry e;
    struct wf_bytes head = { 0 };
    uint8_t ad[BOUND_MAX], own[WF_KEY_LEN];
    enum weft_err err = wf_entry_parse(entry, &e);

    if (!err && e.payload.len && key->len != WF_KEY_LEN)
        err = WEFT_E_KEY;
    if (!err && e.payload.len && epoch == 0)
        err = WEFT_E_RANGE;
    if (!err) // nothing below makes it grow, so the head stays where it is
        err = wf_buf_reserve(out, 4 * WF_WIRE_HEAD + entry.len + WF_XNONCE_LEN + WF_TAG_LEN);
    if (!err)
        err = put_head(e, out, &head);
    if (err || !e.payload.len)
        return err;
    uint8_t *p = out->ptr + out->len;
    p = wf_wire_put_varint(p, WF_TAG_VARINT(F_EPOCH), epoch);
    p = wf_wire_put_bytes(p, WF_TAG_BYTES(F_NONCE), wf_bytes(nonce, WF_XNONCE_LEN));
    p = wf_wire_put_head(p, WF_TAG_BYTES(F_BOX), e.payload.len + WF_TAG_LEN);
    box_key(key, product_id, own);
    wf_xchacha_seal(own, nonce, bound(product_id, epoch, head, ad), e.payload, p);
    wf_wipe(own, sizeof own);
    out->len = (size_t)(p - out->ptr) + e.payload.len + WF_TAG_LEN;
    return WEFT_OK;
}

// All of epoch, nonce and box, or none of them.
static enum weft_err check(const struct wf_sealed_entry *s, struct wf_bytes nonce)
{
    bool sealed = s->epoch != 0;

    if (!s->head.len || sealed != (nonce.len != 0) || sealed != (s->box.len != 0))
        return WEFT_E_MISSING_FIELD;
    if (nonce.len && nonce.len != WF_XNONCE_LEN)
        return WEFT_E_SYNTAX;
    if (sealed && s->box.len <= WF_TAG_LEN)
        return WEFT_E_TRUNCATED;
    if (s->entry.payload.len || (s->entry.is_reset && sealed))
        return WEFT_E_UNKNOWN_FIELD;
    return WEFT_OK;
}

enum weft_err wf_sealed_entry_parse(struct wf_bytes in, struct wf_sealed_entry *ret)
{
    struct wf_sealed_entry s = { 0 };
    struct wf_bytes nonce = { 0 };

    if (in.len > WF_MAX_SEALED)
        return WEFT_E_TOO_BIG;
    enum weft_err err = wf_wire_bytes(&in, WF_TAG_BYTES(F_HEAD), WF_MAX_RESET, &s.head);
    if (!err)
        err = wf_wire_varint(&in, WF_TAG_VARINT(F_EPOCH), &s.epoch);
    if (!err)
        err = wf_wire_bytes(&in, WF_TAG_BYTES(F_NONCE), WF_MAX_SEALED, &nonce);
    if (!err)
        err = wf_wire_bytes(&in, WF_TAG_BYTES(F_BOX), BOX_MAX, &s.box);
    if (!err)
        err = wf_wire_end(in, F_BOX);
    if (!err && s.head.len)
        err = wf_entry_parse(s.head, &s.entry);
    if (!err && s.head.len > HEAD_MAX && !s.entry.is_reset) // a reset may say of many what was lost
        err = WEFT_E_TOO_BIG;
    if (!err)
        err = check(&s, nonce);
    if (err)
        return err;
    s.nonce = nonce.ptr;
    *ret = s;
    return WEFT_OK;
}

enum weft_err wf_sealed_entry_fits(
    const struct wf_sealed_entry *s, const struct wf_batch_header *header)
{
    if (header->kind != WF_BATCH_DATA)
        return s->box.len ? WEFT_E_UNKNOWN_FIELD : WEFT_OK;
    if (!s->box.len)
        return WEFT_E_MISSING_FIELD;
    size_t stored = s->box.len - WF_TAG_LEN;
    if (stored < header->stored_len)
        return WEFT_E_TRUNCATED;
    return stored > header->stored_len ? WEFT_E_TRAILING : WEFT_OK;
}

enum weft_err wf_sealed_entry_open(const struct wf_sealed_entry *s,
    const struct wf_hash *product_id, const struct wf_secret *key, struct wf_buf *out)
{
    struct wf_entry e = s->entry;
    struct wf_buf stored = { 0 };
    uint8_t ad[BOUND_MAX], own[WF_KEY_LEN];

    if (!s->box.len)
        return wf_buf_append(out, s->head);
    if (key->len != WF_KEY_LEN)
        return WEFT_E_KEY;
    enum weft_err err = wf_buf_reserve(&stored, s->box.len);
    if (err)
        return err;
    box_key(key, product_id, own);
    err = wf_xchacha_open(
        own, s->nonce, bound(product_id, s->epoch, s->head, ad), s->box, stored.ptr);
    wf_wipe(own, sizeof own);
    if (!err) {
        e.payload = wf_bytes(stored.ptr, s->box.len - WF_TAG_LEN);
        err = wf_entry_pack(&e, out);
    }
    wf_buf_fini(&stored);
    return err;
}

// SPDX-License-Identifier: Apache-2.0
// Encoding is big-endian and fixed. A header's check is BLAKE2b-128 over salt, position and header, so bytes of another
// file, another position or an earlier life of the disk block are no item here; 128 bits suffice against chance, and
// a writer of bodies can't know the salt. Bodies have a Poly1305 (RFC 8439) under a key of their own (ADR 30).
#include "node/log/segment.h"

#include <assert.h>

#define SEG_MAGIC   "WEFTSEG1"
#define ITEM_MAGIC  "wfI1"
#define ITEM_HASHED 80u // bytes of an item header before its check
#define BODY_DOMAIN "weft/log-body/v1"
#define WINDOW_MIN  (256u * 1024u) // read ahead of a scan
#define HEADS_MAX   (16u * 1024u * 1024u)

// Offsets within a segment header.
enum {
    AT_VERSION = 8,
    AT_LENGTH = 12,
    AT_STORE = 16,
    AT_NUMBER = 48,
    AT_PREV_NUMBER = 56,
    AT_PREV_END = 64,
    AT_CREATED = 72,
    AT_CLASS = 80,
    AT_SALT = 144,
    AT_HAS_KEY = 160, // be32 flag, be32 zero
    AT_KEY_NONCE = 168,
    AT_KEY_BOX = 192,
    AT_HASH = 240,
};
_Static_assert(AT_HASH + WF_HASH_LEN == WF_SEG_HEAD_LEN, "segment header layout");
_Static_assert(AT_KEY_BOX + WF_KEY_LEN + WF_TAG_LEN == AT_HASH, "segment header layout");

void wf_seg_head_put(const struct wf_seg_head *h, uint8_t out[WF_SEG_HEAD_LEN])
{
    struct wf_hash hash;

    memset(out, 0, WF_SEG_HEAD_LEN);
    memcpy(out, SEG_MAGIC, 8);
    wf_store_be32(out + AT_VERSION, WF_SEG_VERSION);
    wf_store_be32(out + AT_LENGTH, WF_SEG_HEAD_LEN);
    memcpy(out + AT_STORE, h->store_id.b, WF_HASH_LEN);
    wf_store_be64(out + AT_NUMBER, h->number);
    wf_store_be64(out + AT_PREV_NUMBER, h->prev_number);
    wf_store_be64(out + AT_PREV_END, h->prev_end);
    wf_store_be64(out + AT_CREATED, (uint64_t)h->created_ms);
    memcpy(out + AT_CLASS, h->class_name, WF_SEG_CLASS);
    memcpy(out + AT_SALT, h->salt, WF_SEG_SALT_LEN);
    wf_store_be32(out + AT_HAS_KEY, h->has_key);
    memcpy(out + AT_KEY_NONCE, h->key_nonce, sizeof h->key_nonce);
    memcpy(out + AT_KEY_BOX, h->key_box, sizeof h->key_box);
    wf_blake2b(wf_bytes(out, AT_HASH), &hash);
    memcpy(out + AT_HASH, hash.b, WF_HASH_LEN);
}

uint32_t wf_seg_head_version(const uint8_t in[WF_SEG_HEAD_LEN])
{
    return wf_load_be32(in + AT_VERSION);
}

enum weft_err wf_seg_head_take(const uint8_t in[WF_SEG_HEAD_LEN], struct wf_seg_head *ret)
{
    struct wf_hash hash;

    wf_blake2b(wf_bytes(in, AT_HASH), &hash);
    if (memcmp(in, SEG_MAGIC, 8) != 0 || memcmp(hash.b, in + AT_HASH, WF_HASH_LEN) != 0)
        return WEFT_E_DAMAGED;
    if (wf_load_be32(in + AT_VERSION) != WF_SEG_VERSION ||
        wf_load_be32(in + AT_LENGTH) != WF_SEG_HEAD_LEN)
        return WEFT_E_UNSUPPORTED;
    if (in[AT_CLASS + WF_SEG_CLASS - 1] != 0)
        return WEFT_E_DAMAGED;
    *ret = (struct wf_seg_head){
        .number = wf_load_be64(in + AT_NUMBER),
        .prev_number = wf_load_be64(in + AT_PREV_NUMBER),
        .prev_end = wf_load_be64(in + AT_PREV_END),
        .created_ms = (int64_t)wf_load_be64(in + AT_CREATED),
        .has_key = wf_load_be32(in + AT_HAS_KEY) != 0,
    };
    memcpy(ret->store_id.b, in + AT_STORE, WF_HASH_LEN);
    memcpy(ret->class_name, in + AT_CLASS, WF_SEG_CLASS);
    memcpy(ret->salt, in + AT_SALT, WF_SEG_SALT_LEN);
    memcpy(ret->key_nonce, in + AT_KEY_NONCE, sizeof ret->key_nonce);
    memcpy(ret->key_box, in + AT_KEY_BOX, sizeof ret->key_box);
    return WEFT_OK;
}

// What a wrapped key is bound to: the store, the segment's number and its salt.
#define WRAP_AD_LEN (WF_HASH_LEN + 8u + WF_SEG_SALT_LEN)
static void wrap_ad(const struct wf_seg_head *h, uint8_t out[WRAP_AD_LEN])
{
    memcpy(out, h->store_id.b, WF_HASH_LEN);
    wf_store_be64(out + WF_HASH_LEN, h->number);
    memcpy(out + WF_HASH_LEN + 8, h->salt, WF_SEG_SALT_LEN);
}

void wf_seg_head_secure(
    struct wf_seg_head *h, const struct wf_secret *storage_key, uint8_t data_key[WF_KEY_LEN])
{
    uint8_t ad[WRAP_AD_LEN];

    wf_random(h->salt, sizeof h->salt);
    h->has_key = storage_key != NULL;
    if (!storage_key)
        return;
    assert(storage_key->len == WF_KEY_LEN);
    wf_random(data_key, WF_KEY_LEN);
    wf_random(h->key_nonce, sizeof h->key_nonce);
    wrap_ad(h, ad);
    wf_xchacha_seal(
        storage_key->ptr, h->key_nonce, WF_BYTES(ad), wf_bytes(data_key, WF_KEY_LEN), h->key_box);
}

enum weft_err wf_seg_key(
    const struct wf_seg_head *h, const struct wf_secret *storage_key, uint8_t ret_key[WF_KEY_LEN])
{
    uint8_t ad[WRAP_AD_LEN];

    if (!h->has_key || !storage_key)
        return WEFT_E_KEY;
    wrap_ad(h, ad);
    enum weft_err err = wf_xchacha_open(
        storage_key->ptr, h->key_nonce, WF_BYTES(ad), WF_BYTES(h->key_box), ret_key);
    return err ? WEFT_E_KEY : WEFT_OK;
}

static void item_check(
    const uint8_t *head, const uint8_t *salt, uint64_t at, uint8_t out[WF_ITEM_CHECK])
{
    uint8_t in[WF_SEG_SALT_LEN + 8 + ITEM_HASHED];

    memcpy(in, salt, WF_SEG_SALT_LEN);
    wf_store_be64(in + WF_SEG_SALT_LEN, at);
    memcpy(in + WF_SEG_SALT_LEN + 8, head, ITEM_HASHED);
    wf_blake2b_keyed(wf_bytes(NULL, 0), WF_BYTES(in), out, WF_ITEM_CHECK);
}

void wf_seg_item_put(const struct wf_seg_item *item, const uint8_t salt[WF_SEG_SALT_LEN],
    uint64_t at, uint8_t out[WF_ITEM_HEAD_LEN])
{
    memcpy(out, ITEM_MAGIC, 4);
    wf_store_be32(out + 4, item->body_len);
    out[8] = item->kind;
    out[9] = item->flags;
    out[10] = out[11] = 0;
    wf_store_be32(out + 12, item->count);
    wf_store_be64(out + 16, item->first);
    wf_store_be64(out + 24, (uint64_t)item->time_ms);
    memcpy(out + 32, item->product.b, WF_HASH_LEN);
    memcpy(out + 64, item->body_check, WF_ITEM_CHECK);
    item_check(out, salt, at, out + ITEM_HASHED);
}

bool wf_seg_item_take(const uint8_t in[WF_ITEM_HEAD_LEN], const uint8_t salt[WF_SEG_SALT_LEN],
    uint64_t at, struct wf_seg_item *ret)
{
    uint8_t check[WF_ITEM_CHECK];

    if (memcmp(in, ITEM_MAGIC, 4) != 0)
        return false;
    item_check(in, salt, at, check);
    if (memcmp(check, in + ITEM_HASHED, WF_ITEM_CHECK) != 0)
        return false;
    struct wf_seg_item item = {
        .body_len = wf_load_be32(in + 4),
        .kind = in[8],
        .flags = in[9],
        .count = wf_load_be32(in + 12),
        .first = wf_load_be64(in + 16),
        .time_ms = (int64_t)wf_load_be64(in + 24),
    };
    uint32_t most = item.kind == WF_ITEM_HEADS ? HEADS_MAX : WF_ITEM_MAX;
    if (item.body_len > most || item.first > UINT64_MAX - item.count)
        return false;
    memcpy(item.product.b, in + 32, WF_HASH_LEN);
    memcpy(item.body_check, in + 64, WF_ITEM_CHECK);
    *ret = item;
    return true;
}

void wf_seg_body_check(const uint8_t salt[WF_SEG_SALT_LEN], uint64_t at, struct wf_bytes body,
    uint8_t ret[WF_ITEM_CHECK])
{
    uint8_t in[sizeof BODY_DOMAIN - 1 + WF_SEG_SALT_LEN + 8];
    struct wf_hash key;

    memcpy(in, BODY_DOMAIN, sizeof BODY_DOMAIN - 1);
    memcpy(in + sizeof BODY_DOMAIN - 1, salt, WF_SEG_SALT_LEN);
    wf_store_be64(in + sizeof BODY_DOMAIN - 1 + WF_SEG_SALT_LEN, at);
    wf_blake2b(WF_BYTES(in), &key);
    wf_poly1305(key.b, body, ret);
}

bool wf_seg_body_is_intact(const struct wf_seg_item *item, const uint8_t salt[WF_SEG_SALT_LEN],
    uint64_t at, struct wf_bytes body)
{
    uint8_t check[WF_ITEM_CHECK];

    if (body.len != item->body_len)
        return false;
    wf_seg_body_check(salt, at, body, check);
    return memcmp(check, item->body_check, sizeof check) == 0;
}

#define SEAL_AD_LEN (WF_SEG_SALT_LEN + WF_HASH_LEN + 8u + 4u + 8u + 1u)
static void seal_ad(const struct wf_seg_item *item, const uint8_t *salt, uint8_t out[SEAL_AD_LEN])
{
    memcpy(out, salt, WF_SEG_SALT_LEN);
    memcpy(out + 16, item->product.b, WF_HASH_LEN);
    wf_store_be64(out + 48, item->first);
    wf_store_be32(out + 56, item->count);
    wf_store_be64(out + 60, (uint64_t)item->time_ms);
    out[68] = item->kind;
}

// The nonce is random, not a position: after a crash a position may be written twice under one key.
void wf_seg_body_seal(const uint8_t key[WF_KEY_LEN], const struct wf_seg_item *item,
    const uint8_t salt[WF_SEG_SALT_LEN], uint8_t *body, size_t plain_len)
{
    uint8_t ad[SEAL_AD_LEN];

    wf_random(body, WF_XNONCE_LEN);
    seal_ad(item, salt, ad);
    wf_xchacha_seal(
        key, body, WF_BYTES(ad), wf_bytes(body + WF_XNONCE_LEN, plain_len), body + WF_XNONCE_LEN);
}

enum weft_err wf_seg_body_open(const uint8_t key[WF_KEY_LEN], const struct wf_seg_item *item,
    const uint8_t salt[WF_SEG_SALT_LEN], uint8_t *body, struct wf_bytes *ret_plain)
{
    uint8_t ad[SEAL_AD_LEN];

    if (item->body_len < WF_ITEM_SEAL_LEN)
        return WEFT_E_AEAD;
    seal_ad(item, salt, ad);
    uint8_t *box = body + WF_XNONCE_LEN;
    size_t len = item->body_len - WF_XNONCE_LEN;
    enum weft_err err = wf_xchacha_open(key, body, WF_BYTES(ad), wf_bytes(box, len), box);
    if (err)
        return err;
    *ret_plain = wf_bytes(box, len - WF_TAG_LEN);
    return WEFT_OK;
}

void wf_seg_window_init(
    struct wf_seg_window *w, const struct wf_vfs *vfs, int file, uint64_t limit, struct wf_buf *buf)
{
    *w = (struct wf_seg_window){ .vfs = vfs, .file = file, .limit = limit, .buf = buf };
    buf->len = 0;
}

enum weft_err wf_seg_window_get(struct wf_seg_window *w, uint64_t at, size_t len, uint8_t **ret)
{
    struct wf_buf *b = w->buf;

    if (at > w->limit || w->limit - at < len)
        return WEFT_E_TRUNCATED;
    if (at < w->base || at - w->base > b->len || b->len - (size_t)(at - w->base) < len) {
        size_t want = len > WINDOW_MIN ? len : WINDOW_MIN, got = 0;
        if (want > w->limit - at)
            want = (size_t)(w->limit - at);
        b->len = 0;
        enum weft_err err = wf_buf_reserve(b, want + 1); // never empty, so that ptr is not NULL
        if (!err)
            err = w->vfs->read(w->vfs->ctx, w->file, at, b->ptr, want, &got);
        if (err)
            return err;
        b->len = got;
        w->base = at;
        if (got < len)
            return WEFT_E_TRUNCATED;
    }
    *ret = b->ptr + (at - w->base);
    return WEFT_OK;
}

// The next position after `at` that has an intact item header; the limit when there is none.
static enum weft_err resync(
    struct wf_seg_window *w, const uint8_t *salt, uint64_t at, uint64_t *ret_next)
{
    struct wf_seg_item item;
    uint8_t *p = NULL;

    for (at++; at <= w->limit && w->limit - at >= WF_ITEM_HEAD_LEN;) {
        size_t span = w->limit - at < WINDOW_MIN / 2 ? (size_t)(w->limit - at) : WINDOW_MIN / 2;
        enum weft_err err = wf_seg_window_get(w, at, span, &p);
        if (err)
            return err;
        size_t last = span - WF_ITEM_HEAD_LEN; // the last place a whole header fits
        const uint8_t *hit = memchr(p, ITEM_MAGIC[0], last + 1);
        if (!hit) {
            at += last + 1;
            continue;
        }
        at += (size_t)(hit - p);
        if (wf_seg_item_take(hit, salt, at, &item)) {
            *ret_next = at;
            return WEFT_OK;
        }
        at++;
    }
    *ret_next = w->limit;
    return WEFT_OK;
}

enum weft_err wf_seg_scan(struct wf_seg_window *w, const uint8_t salt[WF_SEG_SALT_LEN], uint64_t at,
    bool check_body, struct wf_seg_found *ret)
{
    uint8_t *p = NULL;

    if (at >= w->limit) {
        ret->step = WF_SEG_END;
        ret->next = w->limit;
        return WEFT_OK;
    }
    enum weft_err err = wf_seg_window_get(w, at, WF_ITEM_HEAD_LEN, &p);
    if (err && err != WEFT_E_TRUNCATED)
        return err;
    if (err || !wf_seg_item_take(p, salt, at, &ret->item)) {
        ret->step = WF_SEG_HOLE;
        return resync(w, salt, at, &ret->next);
    }
    uint64_t body_at = at + WF_ITEM_HEAD_LEN;
    size_t len = ret->item.body_len;
    bool whole = w->limit - body_at >= len;
    ret->step = whole ? WF_SEG_ITEM : WF_SEG_ROTTEN;
    ret->next = whole ? body_at + len : w->limit;
    if (!whole || !check_body)
        return WEFT_OK;
    err = wf_seg_window_get(w, body_at, len, &ret->body);
    if (err && err != WEFT_E_TRUNCATED)
        return err;
    if (err || !wf_seg_body_is_intact(&ret->item, salt, at, wf_bytes(ret->body, len)))
        ret->step = WF_SEG_ROTTEN;
    return WEFT_OK;
}

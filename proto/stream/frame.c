// SPDX-License-Identifier: Apache-2.0
// Layout: version(1) tag(8) nonce(24) | sealed: be32 content length, content, zeros. The length stands before the content
// because protobuf has no zero tag: padding can't be told from a damaged field otherwise.
#include "proto/stream/frame.h"

#include "proto/stream/wire.h"

enum { F_ENTRY = 1, F_HEARTBEAT = 2 };

#define LEN_SIZE 4u
_Static_assert(WF_FRAME_BOOT + 8 == WF_XNONCE_LEN, "the nonce is boot value and counter");
_Static_assert(WF_FRAME_HEAD + LEN_SIZE + WF_WIRE_HEAD + WF_MAX_ENTRY + WF_WIRE_HEAD +
                       WF_MAX_HEARTBEAT + WF_TAG_LEN <=
                   WF_MAX_FRAME,
    "the largest entry and a heartbeat fit one frame");

// ---- what an epoch key says of itself ----------------------------------------------------------------------------------

void wf_epoch_commitment(const struct wf_secret *key, const struct wf_hash *product_id,
    uint64_t epoch, struct wf_hash *ret)
{
    struct wf_hasher h;

    wf_hasher_init(&h, wf_secret_view(key), WF_HASH_LEN);
    wf_hasher_add(&h, WF_STR("weft/epoch-commitment/v1"));
    wf_hasher_add(&h, wf_hash_view(product_id));
    wf_wire_hash_be64(&h, epoch);
    wf_hasher_done(&h, ret->b, WF_HASH_LEN);
}

enum weft_err wf_epoch_check(const struct wf_secret *key, const struct wf_hash *product_id,
    uint64_t epoch, const struct wf_hash *commitment)
{
    struct wf_hash own;

    if (key->len != WF_KEY_LEN)
        return WEFT_E_KEY;
    wf_epoch_commitment(key, product_id, epoch, &own);
    return wf_equal_ct(wf_hash_view(&own), wf_hash_view(commitment)) ? WEFT_OK : WEFT_E_COMMITMENT;
}

void wf_frame_tag(
    const struct wf_secret *key, const struct wf_hash *product_id, uint8_t out[WF_FRAME_TAG_LEN])
{
    struct wf_hasher h;
    struct wf_hash full;

    wf_hasher_init(&h, wf_secret_view(key), WF_HASH_LEN);
    wf_hasher_add(&h, WF_STR("weft/frame-tag/v1"));
    wf_hasher_add(&h, wf_hash_view(product_id));
    wf_hasher_done(&h, full.b, WF_HASH_LEN);
    memcpy(out, full.b, WF_FRAME_TAG_LEN);
}

// ---- sealing -----------------------------------------------------------------------------------------------------------

enum weft_err wf_frame_sealer_init(struct wf_frame_sealer *s, const struct wf_secret *key,
    const struct wf_hash *product_id, const uint8_t boot[WF_FRAME_BOOT], size_t bucket)
{
    if (key->len != WF_KEY_LEN)
        return WEFT_E_KEY;
    if (bucket == 0 || bucket > WF_MAX_FRAME)
        return WEFT_E_RANGE;
    *s = (struct wf_frame_sealer){ .key = key, .bucket = bucket };
    memcpy(s->boot, boot, WF_FRAME_BOOT);
    wf_frame_tag(key, product_id, s->tag);
    return WEFT_OK;
}

// The content's length. Each part is within its limit before lengths are added up.
static enum weft_err measure(const struct wf_frame *f, size_t *ret_len)
{
    size_t len = f->heartbeat.len ? 1 + wf_varint_len(f->heartbeat.len) + f->heartbeat.len : 0;

    if (f->entry_count > WF_MAX_FRAME_ENTRIES || f->heartbeat.len > WF_MAX_HEARTBEAT)
        return WEFT_E_TOO_BIG;
    if (f->entry_count == 0 && f->heartbeat.len == 0)
        return WEFT_E_MISSING_FIELD;
    for (size_t i = 0; i < f->entry_count; i++) {
        size_t entry_len = f->entries[i].len;
        if (entry_len > WF_MAX_ENTRY)
            return WEFT_E_TOO_BIG;
        if (entry_len == 0)
            return WEFT_E_MISSING_FIELD;
        len += 1 + wf_varint_len(entry_len) + entry_len;
    }
    *ret_len = len;
    return WEFT_OK;
}

static void put_plain(uint8_t *p, const struct wf_frame *f, size_t content_len, size_t plain_len)
{
    uint8_t *end = p + LEN_SIZE;

    wf_store_be32(p, (uint32_t)content_len);
    for (size_t i = 0; i < f->entry_count; i++)
        end = wf_wire_put_bytes(end, WF_TAG_BYTES(F_ENTRY), f->entries[i]);
    end = wf_wire_put_bytes(end, WF_TAG_BYTES(F_HEARTBEAT), f->heartbeat);
    memset(end, 0, plain_len - (size_t)(end - p));
}

enum weft_err wf_frame_seal(
    struct wf_frame_sealer *s, const struct wf_frame *content, struct wf_buf *out)
{
    size_t content_len = 0;

    if (s->counter == UINT64_MAX)
        return WEFT_E_STATE;
    enum weft_err err = measure(content, &content_len);
    if (err)
        return err;
    size_t plain_len = (LEN_SIZE + content_len + s->bucket - 1) / s->bucket * s->bucket;
    size_t frame_len = WF_FRAME_HEAD + plain_len + WF_TAG_LEN;
    if (frame_len > WF_MAX_FRAME)
        return WEFT_E_TOO_BIG;
    err = wf_buf_reserve(out, frame_len);
    if (err)
        return err;
    uint8_t *head = out->ptr + out->len, *nonce = head + 1 + WF_FRAME_TAG_LEN;
    uint8_t *plain = head + WF_FRAME_HEAD; // sealed where it stands
    head[0] = WF_FRAME_VERSION;
    memcpy(head + 1, s->tag, WF_FRAME_TAG_LEN);
    memcpy(nonce, s->boot, WF_FRAME_BOOT);
    wf_store_be64(nonce + WF_FRAME_BOOT, s->counter++);
    put_plain(plain, content, content_len, plain_len);
    wf_xchacha_seal(
        s->key->ptr, nonce, wf_bytes(head, WF_FRAME_HEAD), wf_bytes(plain, plain_len), plain);
    out->len += frame_len;
    return WEFT_OK;
}

// ---- opening -----------------------------------------------------------------------------------------------------------

enum weft_err wf_frame_peek(struct wf_bytes frame, uint8_t ret_tag[WF_FRAME_TAG_LEN])
{
    if (frame.len > WF_MAX_FRAME)
        return WEFT_E_TOO_BIG;
    if (frame.len < WF_FRAME_HEAD + LEN_SIZE + WF_TAG_LEN)
        return WEFT_E_SYNTAX;
    if (frame.ptr[0] != WF_FRAME_VERSION)
        return WEFT_E_VERSION;
    memcpy(ret_tag, frame.ptr + 1, WF_FRAME_TAG_LEN);
    return WEFT_OK;
}

static bool all_zero(struct wf_bytes b)
{
    // Zero, and equal to itself one byte on: memcmp is fast and padding may be megabytes.
    return b.len == 0 || (b.ptr[0] == 0 && memcmp(b.ptr, b.ptr + 1, b.len - 1) == 0);
}

static enum weft_err read_content(struct wf_bytes in, struct wf_frame *ret)
{
    bool present = false;
    enum weft_err err = WEFT_OK;

    while (wf_wire_at(in, WF_TAG_BYTES(F_ENTRY))) {
        struct wf_bytes entry = { 0 };
        err = wf_wire_message(&in, WF_TAG_BYTES(F_ENTRY), WF_MAX_ENTRY, &present, &entry);
        if (err)
            return err;
        if (ret->entry_count == WF_MAX_FRAME_ENTRIES)
            return WEFT_E_TOO_BIG;
        if (!entry.len)
            return WEFT_E_MISSING_FIELD;
        ret->entries[ret->entry_count++] = entry;
    }
    err = wf_wire_bytes(&in, WF_TAG_BYTES(F_HEARTBEAT), WF_MAX_HEARTBEAT, &ret->heartbeat);
    if (!err)
        err = wf_wire_end(in, F_HEARTBEAT);
    if (err)
        return err;
    return ret->entry_count || ret->heartbeat.len ? WEFT_OK : WEFT_E_MISSING_FIELD;
}

// plain has at least the length: wf_frame_peek saw to it.
static enum weft_err read_plain(struct wf_bytes plain, struct wf_frame *ret)
{
    size_t content_len = wf_load_be32(plain.ptr);
    wf_wire_skip(&plain, LEN_SIZE);
    if (content_len > plain.len)
        return WEFT_E_TRUNCATED;
    if (!all_zero(wf_bytes(plain.ptr + content_len, plain.len - content_len)))
        return WEFT_E_TRAILING;
    return read_content(wf_bytes(plain.ptr, content_len), ret);
}

enum weft_err wf_frame_open(
    struct wf_bytes frame, const struct wf_secret *key, struct wf_buf *out, struct wf_frame *ret)
{
    uint8_t tag[WF_FRAME_TAG_LEN];
    struct wf_frame content = { 0 };
    enum weft_err err = wf_frame_peek(frame, tag);

    if (err)
        return err;
    if (key->len != WF_KEY_LEN)
        return WEFT_E_KEY;
    struct wf_bytes sealed = wf_bytes(frame.ptr + WF_FRAME_HEAD, frame.len - WF_FRAME_HEAD);
    size_t plain_len = sealed.len - WF_TAG_LEN;
    err = wf_buf_reserve(out, plain_len);
    if (err)
        return err;
    uint8_t *plain = out->ptr + out->len;
    err = wf_xchacha_open(key->ptr, frame.ptr + 1 + WF_FRAME_TAG_LEN,
        wf_bytes(frame.ptr, WF_FRAME_HEAD), sealed, plain);
    if (err)
        return err;
    err = read_plain(wf_bytes(plain, plain_len), &content);
    if (err)
        return err;
    out->len += plain_len;
    *ret = content;
    return WEFT_OK;
}

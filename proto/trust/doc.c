// SPDX-License-Identifier: Apache-2.0
#include "proto/trust/doc.h"

size_t wf_doc_budget(size_t raw_len)
{
    return wf_pb_budget(raw_len) + 4 * raw_len + 16 * WF_KIB;
}

enum weft_err wf_doc_open(struct wf_bytes raw, enum wf_doc doc,
    const ProtobufCMessageDescriptor *type, struct wf_arena *arena, struct wf_opened *ret,
    void *ret_message)
{
    struct wf_sealed sealed;
    struct wf_opened opened;
    enum weft_err err = wf_envelope_read(raw, doc, arena, &sealed);

    if (err)
        return err;
    err = wf_envelope_open(&sealed, &opened);
    if (err)
        return err;
    err = wf_pb_unpack(type, opened.body, WF_PB_CANONICAL, arena, ret_message);
    if (err)
        return err;
    *ret = opened;
    return WEFT_OK;
}

enum weft_err wf_doc_signer(ProtobufCBinaryData named, const struct wf_opened *opened)
{
    if (named.len == 0)
        return WEFT_E_MISSING_FIELD;
    return wf_bytes_eq(wf_pb_view(named), WF_BYTES(opened->signer.b)) ? WEFT_OK : WEFT_E_SIGNATURE;
}

enum weft_err wf_doc_pack(const void *message, struct wf_buf *ret_body)
{
    struct wf_buf body = { 0 };
    enum weft_err err = wf_pb_pack(message, &body);

    if (err)
        return err;
    *ret_body = body;
    return WEFT_OK;
}

enum weft_err wf_doc_seal(
    enum wf_doc doc, const void *message, const struct wf_secret *key, struct wf_buf *ret_envelope)
{
    struct wf_buf body = { 0 }, envelope = { 0 };
    enum weft_err err = wf_doc_pack(message, &body);

    if (err)
        goto out;
    err = wf_envelope_seal(doc, wf_buf_view(&body), key, &envelope);
    if (err)
        goto out;
    *ret_envelope = envelope;
out:
    wf_buf_fini(&body);
    return err;
}

enum weft_err wf_take_hash(ProtobufCBinaryData in, struct wf_hash *ret)
{
    return in.len == 0 ? WEFT_E_MISSING_FIELD : wf_hash_from(wf_pb_view(in), ret);
}

static enum weft_err take_key(ProtobufCBinaryData in, uint8_t ret[WF_KEY_LEN])
{
    struct wf_hash key;

    if (in.len == 0)
        return WEFT_E_MISSING_FIELD;
    if (wf_hash_from(wf_pb_view(in), &key) || wf_hash_is_zero(&key))
        return WEFT_E_KEY;
    memcpy(ret, key.b, WF_KEY_LEN);
    return WEFT_OK;
}

enum weft_err wf_take_sign_key(ProtobufCBinaryData in, struct wf_sign_pub *ret)
{
    return take_key(in, ret->b);
}

enum weft_err wf_take_dh_key(ProtobufCBinaryData in, struct wf_dh_pub *ret)
{
    return take_key(in, ret->b);
}

enum weft_err wf_take_name(const char *in, struct wf_name *ret)
{
    return *in ? wf_name_from(wf_bytes_str(in), ret) : WEFT_E_MISSING_FIELD;
}

enum weft_err wf_take_time(int64_t in, int64_t *ret)
{
    if (in < 0 || in > WF_MAX_TIME_MS)
        return WEFT_E_RANGE;
    *ret = in;
    return WEFT_OK;
}

enum weft_err wf_take_text(const char *in, size_t max, bool required)
{
    size_t len = strlen(in);

    if (len > max)
        return WEFT_E_TOO_BIG;
    return required && len == 0 ? WEFT_E_MISSING_FIELD : WEFT_OK;
}

enum weft_err wf_take_seeds(Weft__V1__Seed *const *in, size_t count, struct wf_seed *ret)
{
    if (count > WF_MAX_SEEDS)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < count; i++) {
        struct wf_bytes address = wf_bytes_str(in[i]->address);
        enum weft_err err = wf_address_check(address);
        if (!err)
            err = wf_take_dh_key(in[i]->dh_key, &ret[i].dh_key);
        if (err)
            return err;
        memcpy(ret[i].address, address.ptr, address.len);
        ret[i].address[address.len] = '\0';
    }
    return WEFT_OK;
}

enum weft_err wf_put_seeds(
    const struct wf_seed *seeds, size_t count, struct wf_arena *arena, Weft__V1__Seed ***ret)
{
    Weft__V1__Seed **list = wf_arena_calloc(arena, count, sizeof(Weft__V1__Seed *));
    Weft__V1__Seed *items = wf_arena_calloc(arena, count, sizeof(Weft__V1__Seed));

    if (!list || !items)
        return wf_arena_err(arena);
    for (size_t i = 0; i < count; i++) {
        weft__v1__seed__init(&items[i]);
        items[i].address = wf_pb_str(seeds[i].address);
        items[i].dh_key = wf_pb_bin(WF_BYTES(seeds[i].dh_key.b));
        list[i] = &items[i];
    }
    *ret = list;
    return WEFT_OK;
}

enum weft_err wf_check_period(int64_t not_before_ms, int64_t not_after_ms, int64_t now_unix_ms)
{
    if (now_unix_ms < not_before_ms - WF_CLOCK_TOLERANCE_MS)
        return WEFT_E_NOT_YET;
    if (now_unix_ms >= not_after_ms + WF_CLOCK_TOLERANCE_MS)
        return WEFT_E_EXPIRED;
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/signed.h"

enum weft_err wf_signed_take_hash(ProtobufCBinaryData from, struct wf_hash *to)
{
    struct wf_hash h = { { 0 } };

    if (from.len) {
        enum weft_err err = wf_hash_from(wf_pb_view(from), &h);
        if (err)
            return err;
        if (wf_hash_is_zero(&h))
            return WEFT_E_NOT_CANONICAL;
    }
    *to = h;
    return WEFT_OK;
}

ProtobufCBinaryData wf_signed_hash(const struct wf_hash *h)
{
    return wf_pb_bin(wf_hash_is_zero(h) ? wf_bytes(NULL, 0) : wf_hash_view(h));
}

struct wf_incarnation wf_signed_take_incarnation(const Weft__V1__Incarnation *from)
{
    return from ? (struct wf_incarnation){ .counter = from->counter, .random = from->random }
                : (struct wf_incarnation){ 0 };
}

void wf_signed_incarnation(const struct wf_incarnation *from, Weft__V1__Incarnation *to)
{
    weft__v1__incarnation__init(to);
    to->counter = from->counter;
    to->random = from->random;
}

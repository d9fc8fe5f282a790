// SPDX-License-Identifier: Apache-2.0
#include "node/restored.h"

#define VERSION 1u

void wf_restored_put(const struct wf_restored *r, uint8_t out[WF_RESTORED_LEN])
{
    out[0] = VERSION;
    wf_store_be64(out + 1, (uint64_t)r->restored_ms);
    wf_store_be64(out + 9, (uint64_t)r->backup_ms);
    out[17] = (uint8_t)((r->waits ? 1 : 0) | (r->told ? 2 : 0) | (r->anew ? 4 : 0));
}

enum weft_err wf_restored_take(struct wf_bytes in, struct wf_restored *ret)
{
    if (in.len != WF_RESTORED_LEN || in.ptr[0] != VERSION || in.ptr[17] > 7)
        return WEFT_E_DAMAGED;
    *ret = (struct wf_restored){ .restored_ms = (int64_t)wf_load_be64(in.ptr + 1),
        .backup_ms = (int64_t)wf_load_be64(in.ptr + 9),
        .anew = in.ptr[17] & 4,
        .waits = in.ptr[17] & 1,
        .told = in.ptr[17] & 2 };
    return WEFT_OK;
}

bool wf_restored_waits(const struct wf_node *n)
{
    return n->restored && n->restored->mark.waits;
}

int64_t wf_restored_ms(const struct wf_node *n)
{
    return n->restored ? n->restored->mark.restored_ms : 0;
}

// ---- who was asked ---------------------------------------------------------------------------------------------------

void wf_restored_agrees(struct wf_node *n, const struct wf_dh_pub *peer)
{
    struct wf_restored_room *r = n->restored;

    if (!wf_restored_waits(n) || r->agreed_count == WF_RESTORED_ASKED)
        return;
    for (size_t i = 0; i < r->agreed_count; i++)
        if (memcmp(r->agreed[i].b, peer->b, WF_KEY_LEN) == 0)
            return;
    if (r->agreed_count == 0)
        r->first_ms = wf_node_now_ms(n);
    r->agreed[r->agreed_count++] = *peer;
}

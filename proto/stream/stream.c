// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/stream.h"

struct wf_incarnation wf_incarnation_next(
    uint64_t last, int64_t now_unix_ms, uint64_t peer_highest, uint64_t random)
{
    uint64_t counter = now_unix_ms > 0 ? (uint64_t)now_unix_ms : 1;

    // A counter at the very end can't grow; such a peer was not honest and its value is not followed.
    if (last < UINT64_MAX && last + 1 > counter)
        counter = last + 1;
    if (peer_highest < UINT64_MAX && peer_highest + 1 > counter)
        counter = peer_highest + 1;
    return (struct wf_incarnation){ .counter = counter, .random = random };
}

bool wf_incarnation_is_plausible(const struct wf_incarnation *i, int64_t now_unix_ms)
{
    uint64_t now = now_unix_ms > 0 ? (uint64_t)now_unix_ms : 0;

    return !wf_incarnation_is_none(i) && i->counter <= now + (uint64_t)WF_MAX_AHEAD_MS;
}

int wf_incarnation_cmp(const struct wf_incarnation *a, const struct wf_incarnation *b)
{
    if (a->counter != b->counter)
        return a->counter < b->counter ? -1 : 1;
    if (a->random != b->random)
        return a->random < b->random ? -1 : 1;
    return 0;
}

void wf_incarnation_print(const struct wf_incarnation *i, char out[WF_INCARNATION_TEXT])
{
    uint8_t b[16];

    wf_store_be64(b, i->counter);
    wf_store_be64(b + 8, i->random);
    wf_hex_put(WF_BYTES(b), out);
}

enum weft_err wf_incarnation_parse(struct wf_bytes text, struct wf_incarnation *ret)
{
    uint64_t half[2] = { 0, 0 };

    if (text.len != WF_INCARNATION_TEXT - 1)
        return WEFT_E_SYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f'))
            return WEFT_E_SYNTAX;
        half[i / 16] = half[i / 16] << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    *ret = (struct wf_incarnation){ .counter = half[0], .random = half[1] };
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
#include "proto/session/bucket.h"

#define TOKEN 1000u // a rate in tokens per second is thousandths per millisecond

_Static_assert(
    sizeof(struct wf_addr_key) == WF_ADDR_KEY_LEN, "no padding, so memcmp compares keys");

void wf_bucket_init(struct wf_bucket *b, uint32_t rate_per_s, uint32_t burst, int64_t now_ms)
{
    *b = (struct wf_bucket){ .level = (uint64_t)burst * TOKEN,
        .filled_ms = now_ms,
        .rate_per_s = rate_per_s,
        .burst = burst };
}

static uint64_t level_at(const struct wf_bucket *b, int64_t now_ms)
{
    uint64_t full = (uint64_t)b->burst * TOKEN;

    if (now_ms <= b->filled_ms || b->rate_per_s == 0)
        return b->level;
    uint64_t elapsed_ms = (uint64_t)now_ms - (uint64_t)b->filled_ms;
    if (elapsed_ms > (full - b->level) / b->rate_per_s)
        return full;
    return b->level + elapsed_ms * b->rate_per_s;
}

bool wf_bucket_take(struct wf_bucket *b, int64_t now_ms)
{
    b->level = level_at(b, now_ms);
    if (now_ms > b->filled_ms)
        b->filled_ms = now_ms;
    if (b->level < TOKEN)
        return false;
    b->level -= TOKEN;
    return true;
}

void wf_bucket_give(struct wf_bucket *b, int64_t now_ms)
{
    uint64_t full = (uint64_t)b->burst * TOKEN;

    b->level = level_at(b, now_ms);
    if (now_ms > b->filled_ms)
        b->filled_ms = now_ms;
    b->level = full - b->level < TOKEN ? full : b->level + TOKEN;
}

bool wf_bucket_is_full(const struct wf_bucket *b, int64_t now_ms)
{
    return level_at(b, now_ms) == (uint64_t)b->burst * TOKEN;
}

enum weft_err wf_addr_key(struct wf_bytes address, struct wf_addr_key *ret)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; // ::ffff:0:0/96
    struct wf_addr_key key = { 0 };

    if (address.len == 16 && memcmp(address.ptr, mapped, sizeof mapped) == 0)
        address = wf_bytes(address.ptr + 12, 4);
    if (address.len == 4) {
        key.family = 4;
        memcpy(key.net, address.ptr, 4);
    } else if (address.len == 16) {
        key.family = 6;
        memcpy(key.net, address.ptr, 8);
    } else {
        return WEFT_E_SYNTAX;
    }
    *ret = key;
    return WEFT_OK;
}

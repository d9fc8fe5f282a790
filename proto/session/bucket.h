// SPDX-License-Identifier: Apache-2.0
// Rate limits of the handshake: a token bucket, and the key under which an address has one (/32, /64). Pure: the table of
// buckets, its size and its rates belong to the node. Thread rule: plain values.
#ifndef WF_SESSION_BUCKET_H
#define WF_SESSION_BUCKET_H

#include "proto/base/bytes.h"

struct wf_bucket {
    uint64_t level; // thousandths of a token
    int64_t filled_ms;
    uint32_t rate_per_s, burst;
};

// Full at the start. A rate of 0 never refills.
void wf_bucket_init(struct wf_bucket *b, uint32_t rate_per_s, uint32_t burst, int64_t now_ms);
// True when a token was there, which is then used. A clock that stands still or steps back refills nothing.
bool wf_bucket_take(struct wf_bucket *b, int64_t now_ms);
// A token comes back that somebody else has paid for; a full bucket stays full.
void wf_bucket_give(struct wf_bucket *b, int64_t now_ms);
// A full bucket says no more than no bucket: its table entry may be dropped.
bool wf_bucket_is_full(const struct wf_bucket *b, int64_t now_ms);

// Comparable with memcmp: family 4 and the whole IPv4 address, or family 6 and the first 64 bits. An IPv4-mapped IPv6
// address is its IPv4 address, so that one host has one key.
#define WF_ADDR_KEY_LEN 9u
struct wf_addr_key {
    uint8_t family, net[8];
};
// address: 4 or 16 bytes in network order, else SYNTAX.
WF_MUST_USE enum weft_err wf_addr_key(struct wf_bytes address, struct wf_addr_key *ret);

#endif

// SPDX-License-Identifier: Apache-2.0
// The values that people write: durations, sizes, addresses; and the nearest known word to a mistyped one. Used by the
// configuration reader and by command-line options alike. Pure functions of their arguments.
#ifndef WF_CONF_VALUES_H
#define WF_CONF_VALUES_H

#include "proto/base/bytes.h"

// "30s", "7d", "1h30m", "250ms": numbers with units w d h m s ms, each unit once and in this order. Milliseconds.
// SYNTAX; RANGE beyond 2^53 ms.
WF_MUST_USE enum weft_err wf_duration_parse(struct wf_bytes text, uint64_t *ret_ms);
// "512B", "64KiB", "256MiB", "1GiB", "2TiB". Bytes. SYNTAX; RANGE beyond 2^63.
WF_MUST_USE enum weft_err wf_size_parse(struct wf_bytes text, uint64_t *ret_bytes);
// Decimal without sign, leading zeros or spaces. SYNTAX; RANGE beyond 64 bits.
WF_MUST_USE enum weft_err wf_u64_parse(struct wf_bytes text, uint64_t *ret);

// The forms above again, in the largest units that are exact.
struct wf_value_text {
    char s[40];
};
const char *wf_duration_text(uint64_t ms, struct wf_value_text *ret);
const char *wf_size_text(uint64_t bytes, struct wf_value_text *ret);

// "host:port", "192.0.2.1:7400", "[2001:db8::1]:7400". host is without brackets.
#define WF_MAX_HOST 253u
struct wf_address {
    char host[WF_MAX_HOST + 1];
    uint16_t port;
    bool is_ipv6; // a literal
    bool is_ipv4; // a literal
};
// SYNTAX; RANGE for a port above 65535. Port 0 is permitted here: it asks the system for one.
WF_MUST_USE enum weft_err wf_address_parse(struct wf_bytes text, struct wf_address *ret);
// "host:port", IPv6 literals in brackets.
#define WF_ADDRESS_TEXT (WF_MAX_HOST + 10u)
const char *wf_address_text(const struct wf_address *a, char out[WF_ADDRESS_TEXT]);
bool wf_address_eq(const struct wf_address *a, const struct wf_address *b);
// 127.0.0.0/8, ::1 or "localhost".
bool wf_address_is_loopback(const struct wf_address *a);
// 0.0.0.0 or ::
bool wf_address_is_wildcard(const struct wf_address *a);

// The candidate nearest to word by edit distance (insert, delete, replace, swap neighbours), or NULL when none is near: at
// most one edit up to three letters, two up to eight, else three. next(i) gives candidate i, NULL ends.
typedef const char *(*wf_candidate_fn)(const void *context, size_t i);
const char *wf_suggest(struct wf_bytes word, wf_candidate_fn next, const void *context);

#endif

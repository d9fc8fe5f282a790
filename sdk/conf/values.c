// SPDX-License-Identifier: Apache-2.0
#include "sdk/conf/values.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit times[] = {
    { "w", 604800000u },
    { "d", 86400000u },
    { "h", 3600000u },
    { "m", 60000u },
    { "s", 1000u },
    { "ms", 1u },
};
static const struct unit sizes[] = {
    { "TiB", 1ull << 40 },
    { "GiB", 1ull << 30 },
    { "MiB", 1ull << 20 },
    { "KiB", 1ull << 10 },
    { "B", 1u },
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

enum weft_err wf_u64_parse(struct wf_bytes text, uint64_t *ret)
{
    uint64_t v = 0;

    if (text.len == 0 || (text.len > 1 && text.ptr[0] == '0'))
        return WEFT_E_SYNTAX;
    for (size_t i = 0; i < text.len; i++)
        if (!is_digit(text.ptr[i]))
            return WEFT_E_SYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        uint64_t digit = text.ptr[i] - '0';
        if (v > (UINT64_MAX - digit) / 10)
            return WEFT_E_RANGE;
        v = v * 10 + digit;
    }
    *ret = v;
    return WEFT_OK;
}

// Takes a number and the letters after it.
static enum weft_err take_quantity(struct wf_bytes *in, uint64_t *ret, struct wf_bytes *ret_unit)
{
    size_t digits = 0, end = 0;

    while (digits < in->len && is_digit(in->ptr[digits]))
        digits++;
    for (end = digits; end < in->len && !is_digit(in->ptr[end]);)
        end++;
    enum weft_err err = wf_u64_parse(wf_bytes(in->ptr, digits), ret);
    if (err)
        return err;
    *ret_unit = wf_bytes(in->ptr + digits, end - digits);
    *in = wf_bytes(in->ptr + end, in->len - end);
    return WEFT_OK;
}

// A sum of quantities whose units come from largest to smallest, each at most once.
static enum weft_err parse_units(
    struct wf_bytes text, const struct unit *units, size_t unit_count, uint64_t max, uint64_t *ret)
{
    uint64_t sum = 0;
    size_t next = 0;

    if (text.len == 0)
        return WEFT_E_SYNTAX;
    while (text.len > 0) {
        uint64_t n = 0;
        struct wf_bytes name = { 0 };
        enum weft_err err = take_quantity(&text, &n, &name);
        if (err)
            return err;
        while (next < unit_count && !wf_bytes_is(name, units[next].name))
            next++;
        if (next == unit_count)
            return WEFT_E_SYNTAX;
        if (n > (max - sum) / units[next].factor)
            return WEFT_E_RANGE;
        sum += n * units[next++].factor;
    }
    *ret = sum;
    return WEFT_OK;
}

enum weft_err wf_duration_parse(struct wf_bytes text, uint64_t *ret_ms)
{
    return parse_units(text, times, WF_COUNT(times), 1ull << 53, ret_ms);
}

enum weft_err wf_size_parse(struct wf_bytes text, uint64_t *ret_bytes)
{
    return parse_units(text, sizes, WF_COUNT(sizes), 1ull << 63, ret_bytes);
}

const char *wf_duration_text(uint64_t ms, struct wf_value_text *ret)
{
    size_t at = 0;

    for (size_t i = 0; i < WF_COUNT(times); i++) {
        uint64_t n = ms / times[i].factor;
        // 7d reads better than 1w; weeks only where nothing is left over and there are several.
        if (n == 0 || (i == 0 && (n < 2 || ms % times[i].factor)))
            continue;
        at += (size_t)snprintf(ret->s + at, sizeof ret->s - at, "%" PRIu64 "%s", n, times[i].name);
        ms %= times[i].factor;
    }
    if (at == 0)
        snprintf(ret->s, sizeof ret->s, "0s");
    return ret->s;
}

const char *wf_size_text(uint64_t bytes, struct wf_value_text *ret)
{
    size_t i = 0;

    while (i + 1 < WF_COUNT(sizes) && (bytes == 0 || bytes % sizes[i].factor))
        i++;
    snprintf(ret->s, sizeof ret->s, "%" PRIu64 "%s", bytes / sizes[i].factor, sizes[i].name);
    return ret->s;
}

// Letters, digits, '-' and '.', no empty label.
static bool is_host_name(struct wf_bytes host)
{
    uint8_t before = '.';

    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
        if (!letter && (before == '.' || (c != '-' && c != '.')))
            return false;
        before = c;
    }
    return host.len > 0 && before != '.' && before != '-';
}

// Names made of digits and dots alone are IPv4 addresses or mistakes.
static bool looks_numeric(struct wf_bytes host)
{
    for (size_t i = 0; i < host.len; i++)
        if (!is_digit(host.ptr[i]) && host.ptr[i] != '.')
            return false;
    return true;
}

static enum weft_err set_host(struct wf_bytes host, struct wf_address *a)
{
    struct in_addr v4;
    struct in6_addr v6;
    bool bracketed = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';

    if (bracketed)
        host = wf_bytes(host.ptr + 1, host.len - 2);
    if (host.len == 0 || host.len > WF_MAX_HOST || memchr(host.ptr, 0, host.len))
        return WEFT_E_SYNTAX;
    memcpy(a->host, host.ptr, host.len);
    a->host[host.len] = '\0';
    a->is_ipv6 = bracketed && inet_pton(AF_INET6, a->host, &v6) == 1;
    a->is_ipv4 = !bracketed && inet_pton(AF_INET, a->host, &v4) == 1;
    if (bracketed || looks_numeric(host))
        return a->is_ipv6 || a->is_ipv4 ? WEFT_OK : WEFT_E_SYNTAX;
    return is_host_name(host) ? WEFT_OK : WEFT_E_SYNTAX;
}

enum weft_err wf_address_parse(struct wf_bytes text, struct wf_address *ret)
{
    struct wf_address a = { 0 };
    uint64_t port = 0;
    size_t colon = text.len;

    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return WEFT_E_SYNTAX;
    enum weft_err err = wf_u64_parse(wf_bytes(text.ptr + colon, text.len - colon), &port);
    if (err)
        return err;
    if (port > UINT16_MAX)
        return WEFT_E_RANGE;
    err = set_host(wf_bytes(text.ptr, colon - 1), &a);
    if (err)
        return err;
    a.port = (uint16_t)port;
    *ret = a;
    return WEFT_OK;
}

const char *wf_address_text(const struct wf_address *a, char out[WF_ADDRESS_TEXT])
{
    snprintf(out, WF_ADDRESS_TEXT, a->is_ipv6 ? "[%s]:%u" : "%s:%u", a->host, a->port);
    return out;
}

bool wf_address_eq(const struct wf_address *a, const struct wf_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

bool wf_address_is_loopback(const struct wf_address *a)
{
    struct in6_addr v6;

    if (a->is_ipv4)
        return strncmp(a->host, "127.", 4) == 0;
    if (a->is_ipv6)
        return inet_pton(AF_INET6, a->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    return strcmp(a->host, "localhost") == 0;
}

bool wf_address_is_wildcard(const struct wf_address *a)
{
    struct in6_addr v6;

    if (a->is_ipv6)
        return inet_pton(AF_INET6, a->host, &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6);
    return a->is_ipv4 && strcmp(a->host, "0.0.0.0") == 0;
}

#define WORD_MAX 64u

// Optimal string alignment distance (Damerau-Levenshtein without a second edit of swapped letters), three rows.
static unsigned distance(struct wf_bytes a, struct wf_bytes b)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *two_ago = rows[0], *one_ago = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b.len; j++)
        one_ago[j] = (unsigned)j;
    memcpy(two_ago, one_ago, sizeof rows[0]);
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = a.ptr[i - 1] == b.ptr[j - 1];
            unsigned best = one_ago[j - 1] + !same;
            if (one_ago[j] + 1 < best)
                best = one_ago[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
                two_ago[j - 2] + 1 < best)
                best = two_ago[j - 2] + 1;
            now[j] = best;
        }
        unsigned *oldest = two_ago;
        two_ago = one_ago;
        one_ago = now;
        now = oldest;
    }
    return one_ago[b.len];
}

const char *wf_suggest(struct wf_bytes word, wf_candidate_fn next, const void *context)
{
    const char *nearest = NULL;
    unsigned best = word.len <= 3 ? 2 : word.len <= 8 ? 3 : 4; // one more than permitted

    if (word.len == 0 || word.len > WORD_MAX)
        return NULL;
    for (size_t i = 0;; i++) {
        const char *candidate = next(context, i);
        if (!candidate)
            return nearest;
        struct wf_bytes c = wf_bytes_str(candidate);
        unsigned d = c.len <= WORD_MAX ? distance(word, c) : best;
        if (d < best) {
            best = d;
            nearest = candidate;
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// See encode.h and bytes.h.
#include "domains/monitoring/remote/encode.h"

#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/remote/series.h"

// ---- bytes ---------------------------------------------------------------------------------------------------------------

bool wf_remote_bytes_room(struct wf_remote_bytes *b, size_t more)
{
    size_t room = b->room ? b->room : 4096;

    while (room - b->len < more)
        room *= 2;
    if (room == b->room)
        return true;
    uint8_t *ptr = realloc(b->ptr, room);
    if (!ptr)
        return false;
    b->ptr = ptr;
    b->room = room;
    return true;
}

bool wf_remote_bytes_put(struct wf_remote_bytes *b, const void *ptr, size_t len)
{
    if (!wf_remote_bytes_room(b, len + 1))
        return false;
    if (len)
        memcpy(b->ptr + b->len, ptr, len);
    b->len += len;
    return true;
}

void wf_remote_bytes_fini(struct wf_remote_bytes *b)
{
    free(b->ptr);
    *b = (struct wf_remote_bytes){ 0 };
}

size_t wf_remote_varint_len(uint64_t v)
{
    size_t n = 1;

    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

uint8_t *wf_remote_varint(uint8_t *at, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *at++ = (uint8_t)(v | 0x80);
    *at++ = (uint8_t)v;
    return at;
}

// ---- the request ---------------------------------------------------------------------------------------------------------

#define LEN_1  0x0au // field 1, bytes
#define LEN_2  0x12u // field 2, bytes
#define REAL_1 0x09u // field 1, a double
#define INT_2  0x10u // field 2, a varint

bool wf_remote_encode_label(
    struct wf_remote_bytes *out, const char *name, const char *value, size_t len)
{
    size_t name_len = strlen(name);
    size_t size = 2 + wf_remote_varint_len(name_len) + name_len + wf_remote_varint_len(len) + len;

    if (!wf_remote_bytes_room(out, size + 1 + WF_REMOTE_VARINT))
        return false;
    uint8_t *at = out->ptr + out->len;
    *at++ = LEN_1;
    at = wf_remote_varint(at, size);
    *at++ = LEN_1;
    at = wf_remote_varint(at, name_len);
    memcpy(at, name, name_len);
    at += name_len;
    *at++ = LEN_2;
    at = wf_remote_varint(at, len);
    if (len)
        memcpy(at, value, len);
    out->len = (size_t)(at + len - out->ptr);
    return true;
}

static size_t sample_size(const struct wf_remote_sample *s)
{
    return 9 + 1 + wf_remote_varint_len((uint64_t)s->time_ms);
}

static uint8_t *put_sample(uint8_t *at, const struct wf_remote_sample *s)
{
    *at++ = LEN_2;
    at = wf_remote_varint(at, sample_size(s));
    *at++ = REAL_1;
    for (unsigned i = 0; i < 8; i++)
        *at++ = (uint8_t)(s->bits >> (8 * i));
    *at++ = INT_2;
    return wf_remote_varint(at, (uint64_t)s->time_ms);
}

static bool put_series(
    struct wf_remote_bytes *out, const struct wf_remote_sample *samples, size_t count)
{
    const struct wf_remote_series *series = samples->series;
    size_t size = series->len;

    for (size_t i = 0; i < count; i++)
        size += 2 + sample_size(&samples[i]); // its own length is one byte
    if (!wf_remote_bytes_room(out, size + 1 + WF_REMOTE_VARINT))
        return false;
    uint8_t *at = out->ptr + out->len;
    *at++ = LEN_1;
    at = wf_remote_varint(at, size);
    memcpy(at, series->labels, series->len);
    at += series->len;
    for (size_t i = 0; i < count; i++)
        at = put_sample(at, &samples[i]);
    out->len = (size_t)(at - out->ptr);
    return true;
}

bool wf_remote_encode(
    struct wf_remote_bytes *out, const struct wf_remote_sample *samples, size_t count)
{
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && samples[to].series == samples[from].series;)
            to++;
        if (!put_series(out, samples + from, to - from))
            return false;
    }
    return true;
}

// SPDX-License-Identifier: Apache-2.0
// Records as every ordinary writer makes them, judged in one pass without events: fields ascending, singular ones once, one member of a
// oneof at most, nothing unknown, no maps. What is not plain may still be right; the reader decides then, and finds the words for what is wrong.
#include "proto/schema/record_plain.h"

#include "proto/schema/record_reader.h"

// Moves behind a varint; NULL when it is none or ends too early. Of eight bytes at once the first without the high bit is its last.
static inline const uint8_t *behind_varint(const uint8_t *p, const uint8_t *end)
{
    uint64_t eight = 0;

    if (p < end && *p < 0x80)
        return p + 1;
    if ((size_t)(end - p) >= sizeof eight) {
        eight = ~wf_load_le64(p) & 0x8080808080808080u;
        if (eight)
            return p + (__builtin_ctzll(eight) + 1) / 8;
    }
    for (unsigned i = 0; i < WF_VARINT_MAX && p < end; i++) {
        uint8_t byte = *p++;
        if (i == WF_VARINT_MAX - 1 && byte > 1)
            return NULL;
        if (byte < 0x80)
            return p;
    }
    return NULL;
}

static bool take_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    const uint8_t *behind = behind_varint(*p, end);
    uint64_t v = 0;

    if (!behind)
        return false;
    for (unsigned shift = 0; *p < behind; shift += 7)
        v |= (uint64_t)(*(*p)++ & 0x7f) << shift;
    *ret = v;
    return true;
}

// The end of what a length in front of it announces; *p moves to its first byte. NULL: beyond the end.
static inline const uint8_t *take_length(const uint8_t **p, const uint8_t *end)
{
    uint64_t len = 0;

    if (*p < end && **p < 0x80)
        len = *(*p)++;
    else if (!take_varint(p, end, &len))
        return NULL;
    return len <= (uint64_t)(end - *p) ? *p + len : NULL;
}

// The line of a field from number 16 on.
static uint32_t long_line(const struct wf_schema_message *m, const uint8_t **p, const uint8_t *end)
{
    uint64_t tag = 0;

    if (!take_varint(p, end, &tag) || tag >> 3 > UINT32_MAX)
        return 0;
    const struct wf_schema_field *f = wf_schema_field_by_number(m, (uint32_t)(tag >> 3));
    if (!f)
        return 0;
    uint32_t line = 2 * (uint32_t)(f - m->fields) + 1;
    const struct wf_plain_line *own = &m->plain->lines[line];
    if (own->kind && own->wire == (tag & 7))
        return line;
    return own[1].kind && own[1].wire == (tag & 7) ? line + 1 : 0;
}

static bool packed_is_plain(unsigned kind, const uint8_t *p, const uint8_t *end, size_t *elements)
{
    size_t len = kind == WF_PLAIN_PACKED_64BIT ? 8 : 4;

    if (kind != WF_PLAIN_PACKED_VARINT) {
        *elements += (size_t)(end - p) / len;
        return (size_t)(end - p) % len == 0;
    }
    for (; p && p < end; ++*elements)
        p = behind_varint(p, end);
    return p != NULL;
}

// What wf_record_check adds to reading, for the types that records often hold.
static bool known_is_plain(enum wf_known_type known, struct wf_bytes message)
{
    struct wf_moment t;

    if (known != WF_KNOWN_TIMESTAMP && known != WF_KNOWN_DURATION)
        return false;
    if (wf_moment_read(message, &t))
        return false;
    return known == WF_KNOWN_TIMESTAMP ? wf_timestamp_is_valid(t) : wf_known_duration_is_valid(t);
}

static bool is_plain(const struct wf_schema_message *m, const uint8_t *p, const uint8_t *end,
    unsigned depth, size_t *elements);

// The field's value; its end, or NULL.
static inline const uint8_t *behind_value(const struct wf_plain_line *line, const uint8_t *p,
    const uint8_t *end, unsigned depth, size_t *elements)
{
    const uint8_t *behind = NULL;
    bool plain = true;

    switch ((enum wf_plain_kind)line->kind) {
    case WF_PLAIN_VARINT:
        return behind_varint(p, end);
    case WF_PLAIN_64BIT:
        return end - p >= 8 ? p + 8 : NULL;
    case WF_PLAIN_32BIT:
        return end - p >= 4 ? p + 4 : NULL;
    case WF_PLAIN_NOT:
        return NULL;
    default:
        break;
    }
    behind = take_length(&p, end);
    if (!behind)
        return NULL;
    if (line->kind == WF_PLAIN_STRING)
        plain = wf_utf8_is_valid(wf_bytes(p, (size_t)(behind - p)));
    else if (line->kind == WF_PLAIN_MESSAGE)
        plain = is_plain(line->message, p, behind, depth + 1, elements);
    else if (line->kind != WF_PLAIN_BYTES)
        plain = packed_is_plain(line->kind, p, behind, elements);
    return plain ? behind : NULL;
}

// Recursion ends at the depth of the default budget. Elements are counted as they come and compared at the end: no more of them are looked at
// than there are bytes.
static bool is_plain(const struct wf_schema_message *m, const uint8_t *p, const uint8_t *end,
    unsigned depth, size_t *elements)
{
    const struct wf_plain *t = m->plain;
    uint32_t floor = 0;
    size_t met = 0;
    bool member = false;

    if (!t || depth == WF_MAX_RECORD_DEPTH ||
        (m->known && !known_is_plain(m->known, wf_bytes(p, (size_t)(end - p)))))
        return false;
    for (; p < end; met++) {
        uint32_t at = *p < 0x80 ? t->by_tag[*p++] : long_line(m, &p, end);
        const struct wf_plain_line *line = &t->lines[at];
        if (at <= floor || (line->member && member))
            return false;
        floor = line->floor;
        member = member || line->member;
        p = behind_value(line, p, end, depth, elements);
        if (!p)
            return false;
    }
    *elements += met;
    return true;
}

bool wf_record_is_plain(const struct wf_schema_message *m, struct wf_bytes record)
{
    size_t elements = 0;

    return record.len <= wf_record_default_budget.max_len && record.len > 0 &&
           is_plain(m, record.ptr, record.ptr + record.len, 0, &elements) &&
           elements <= wf_record_default_budget.max_elements;
}

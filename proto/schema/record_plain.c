// SPDX-License-Identifier: Apache-2.0
// Records as every ordinary writer makes them, judged in one pass without events: fields ascending, singular ones once, one member of a
// oneof at most, nothing unknown, no maps. What is not plain may still be right; the reader decides then, and finds the words for what is wrong.
#include "proto/schema/record_reader.h"
#include "proto/schema/record_wire.h"

// By enum wf_field_type; a call for every field would cost as much as the rest.
static const uint8_t wires[] = {
    [WF_TYPE_DOUBLE] = WF_WIRE_64BIT,
    [WF_TYPE_FIXED64] = WF_WIRE_64BIT,
    [WF_TYPE_SFIXED64] = WF_WIRE_64BIT,
    [WF_TYPE_FLOAT] = WF_WIRE_32BIT,
    [WF_TYPE_FIXED32] = WF_WIRE_32BIT,
    [WF_TYPE_SFIXED32] = WF_WIRE_32BIT,
    [WF_TYPE_STRING] = WF_WIRE_DELIMITED,
    [WF_TYPE_BYTES] = WF_WIRE_DELIMITED,
    [WF_TYPE_MESSAGE] = WF_WIRE_DELIMITED,
    [WF_TYPE_SINT64] = WF_WIRE_VARINT, // and whatever is not named
};

static inline bool fits(const struct wf_schema_field *f, uint64_t wire)
{
    return wire == wires[f->type] || (f->repeated && wire == WF_WIRE_DELIMITED);
}

static inline bool take_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;

    if (*p < end && **p < 0x80) {
        *ret = *(*p)++;
        return true;
    }
    for (unsigned i = 0; i < WF_VARINT_MAX && *p < end; i++) {
        uint8_t byte = *(*p)++;
        if (i == WF_VARINT_MAX - 1 && byte > 1)
            return false;
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

// The field's index, or field_count.
static inline uint32_t index_of(const struct wf_schema_message *m, uint64_t number)
{
    if (number - 1 < m->dense)
        return (uint32_t)(number - 1);
    const struct wf_schema_field *f =
        number <= UINT32_MAX ? wf_schema_field_by_number(m, (uint32_t)number) : NULL;
    return f ? (uint32_t)(f - m->fields) : m->field_count;
}

// One value that is no string, bytes or message; *p moves behind it.
static inline bool scalar_is_plain(enum wf_wire_type wire, const uint8_t **p, const uint8_t *end)
{
    size_t len = wire == WF_WIRE_64BIT ? 8 : 4;
    uint64_t v = 0;

    if (wire == WF_WIRE_VARINT)
        return take_varint(p, end, &v);
    if ((size_t)(end - *p) < len)
        return false;
    *p += len;
    return true;
}

static bool packed_is_plain(
    enum wf_wire_type wire, const uint8_t *p, const uint8_t *end, size_t *elements)
{
    while (p < end)
        if ((*elements)-- == 0 || !scalar_is_plain(wire, &p, end))
            return false;
    return true;
}

// What wf_record_check adds to reading, for the types that records often hold.
static bool known_is_plain(enum wf_known_type known, struct wf_bytes message)
{
    struct wf_moment t;

    if (known == WF_KNOWN_NONE)
        return true;
    if (known != WF_KNOWN_TIMESTAMP && known != WF_KNOWN_DURATION)
        return false;
    if (wf_moment_read(message, &t))
        return false;
    return known == WF_KNOWN_TIMESTAMP ? wf_timestamp_is_valid(t) : wf_known_duration_is_valid(t);
}

static bool is_plain(const struct wf_schema_message *m, const uint8_t *p, const uint8_t *end,
    unsigned depth, size_t *elements);

static bool delimited_is_plain(const struct wf_schema_field *f, const uint8_t *p,
    const uint8_t *end, unsigned depth, size_t *elements)
{
    switch (f->type) {
    case WF_TYPE_STRING:
        return wf_utf8_is_valid(wf_bytes(p, (size_t)(end - p)));
    case WF_TYPE_BYTES:
        return true;
    case WF_TYPE_MESSAGE:
        return is_plain(f->message, p, end, depth + 1, elements);
    default:
        return packed_is_plain((enum wf_wire_type)wires[f->type], p, end, elements);
    }
}

static bool value_is_plain(const struct wf_schema_field *f, uint64_t wire, const uint8_t **p,
    const uint8_t *end, unsigned depth, size_t *elements)
{
    uint64_t len = 0;

    if (wire != WF_WIRE_DELIMITED)
        return scalar_is_plain((enum wf_wire_type)wire, p, end);
    if (!take_varint(p, end, &len) || len > (uint64_t)(end - *p) ||
        !delimited_is_plain(f, *p, *p + len, depth, elements))
        return false;
    *p += len;
    return true;
}

// Recursion ends at the depth of the default budget.
static bool is_plain(const struct wf_schema_message *m, const uint8_t *p, const uint8_t *end,
    unsigned depth, size_t *elements)
{
    const struct wf_schema_oneof *seen = NULL;
    uint32_t next = 0;

    if (m->required_count || depth == WF_MAX_RECORD_DEPTH ||
        !known_is_plain(m->known, wf_bytes(p, (size_t)(end - p))))
        return false;
    while (p < end) {
        uint64_t tag = 0;
        if (!take_varint(&p, end, &tag) || (*elements)-- == 0)
            return false;
        uint32_t index = index_of(m, tag >> 3);
        if (index < next || index == m->field_count)
            return false;
        const struct wf_schema_field *f = &m->fields[index];
        if (!fits(f, tag & 7) || f->map || f->closed || (f->oneof && seen))
            return false;
        seen = f->oneof ? f->oneof : seen;
        next = f->repeated ? index : index + 1;
        if (!value_is_plain(f, tag & 7, &p, end, depth, elements))
            return false;
    }
    return true;
}

bool wf_record_is_plain(const struct wf_schema_message *m, struct wf_bytes record)
{
    size_t elements = wf_record_default_budget.max_elements;

    return record.len <= wf_record_default_budget.max_len && record.len > 0 &&
           is_plain(m, record.ptr, record.ptr + record.len, 0, &elements);
}

// SPDX-License-Identifier: Apache-2.0
// The last stage of a compile: the tables of record_plain.h.
#include "proto/schema/record_plain.h"
#include "proto/schema/schema_build.h"

#define NUMBERS_BY_TAG 16u // tags of these fit one byte

static uint8_t kind_of(const struct wf_schema_field *f)
{
    if (f->map || f->closed)
        return WF_PLAIN_NOT;
    switch (f->type) {
    case WF_TYPE_STRING:
        return WF_PLAIN_STRING;
    case WF_TYPE_BYTES:
        return WF_PLAIN_BYTES;
    case WF_TYPE_MESSAGE:
        return WF_PLAIN_MESSAGE;
    default:
        break;
    }
    switch (wf_wire_type_of(f->type)) {
    case WF_WIRE_64BIT:
        return WF_PLAIN_64BIT;
    case WF_WIRE_32BIT:
        return WF_PLAIN_32BIT;
    default:
        return WF_PLAIN_VARINT;
    }
}

static uint8_t packed_kind(const struct wf_schema_field *f)
{
    if (!f->repeated)
        return WF_PLAIN_NOT;
    switch (kind_of(f)) {
    case WF_PLAIN_VARINT:
        return WF_PLAIN_PACKED_VARINT;
    case WF_PLAIN_64BIT:
        return WF_PLAIN_PACKED_64BIT;
    case WF_PLAIN_32BIT:
        return WF_PLAIN_PACKED_32BIT;
    default:
        return WF_PLAIN_NOT;
    }
}

static void fill(
    struct wf_plain *t, struct wf_plain_line *lines, const struct wf_schema_field *f, uint32_t i)
{
    struct wf_plain_line *own = &lines[2 * i + 1], *packed = &lines[2 * i + 2];

    *own = (struct wf_plain_line){ .message = f->message,
        .floor = f->repeated ? 2 * i : 2 * i + 2,
        .kind = kind_of(f),
        .wire = (uint8_t)wf_wire_type_of(f->type),
        .member = f->oneof != NULL };
    *packed = *own;
    packed->kind = packed_kind(f);
    packed->wire = WF_WIRE_DELIMITED;
    if (f->number >= NUMBERS_BY_TAG)
        return;
    if (own->kind)
        t->by_tag[f->number << 3 | own->wire] = (uint8_t)(2 * i + 1);
    if (packed->kind)
        t->by_tag[f->number << 3 | packed->wire] = (uint8_t)(2 * i + 2);
}

enum weft_err wf_build_plain(struct wf_schema_build *b)
{
    for (size_t i = 0; i < b->s->message_count; i++) {
        struct wf_schema_message *m = &b->s->messages[i];
        if (m->required_count)
            continue;
        struct wf_plain *t = wf_arena_calloc(b->arena, 1, sizeof *t);
        struct wf_plain_line *lines =
            wf_arena_calloc(b->arena, 2 * (size_t)m->field_count + 1, sizeof *lines);
        if (!t || !lines)
            return wf_arena_err(b->arena);
        for (uint32_t k = 0; k < m->field_count; k++)
            fill(t, lines, &m->fields[k], k);
        t->lines = lines;
        m->plain = t;
    }
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
// What the two halves of the record reader share; included by proto/schema/record.c and record_gather.c only. Gathering settles
// which fields of one message count and where; visiting walks them and calls the visitor.
#ifndef WF_SCHEMA_RECORD_READER_H
#define WF_SCHEMA_RECORD_READER_H

#include <stdarg.h>

#include "proto/base/arena.h"
#include "proto/schema/record.h"
#include "proto/schema/record_wire.h"

// One field as met on the wire. Within a message its place orders it.
struct wf_found {
    const uint8_t *at;
    uint64_t raw; // DELIMITED: the length of the bytes that end at `at`
    uint32_t index;
    uint32_t group;
    enum wf_wire_type wire;
};

// Where the reader is, for diagnostics: one step a level.
struct wf_step {
    const struct wf_schema_field *field;
    const struct wf_value *key;
    size_t index;
    bool indexed;
};

#define FOUND_FIRST 96u // enough for most records without touching the heap

struct wf_record_reader {
    struct wf_record_budget left;
    wf_record_fn visitor;
    void *ctx;
    struct wf_diag *diag;
    struct wf_arena scratch;
    struct wf_found *found;
    size_t found_count, found_cap;
    size_t unknown;
    unsigned muted;    // reading what a later value replaces: to be valid, not to be seen
    bool explained;    // diag is set
    bool dropped_enum; // a closed enum's number was unknown
    unsigned depth;
    struct wf_step steps[WF_MAX_RECORD_DEPTH + 1];
    struct wf_found first[FOUND_FIRST];
};

// A run of gathered fields: indexes, because the stack may move.
struct wf_run {
    size_t from, to;
};

// Sets diag to the reader's place and the reason; returns err.
__attribute__((format(printf, 3, 4))) enum weft_err wf_reader_fail(
    struct wf_record_reader *r, enum weft_err err, const char *format, ...);
// The same for a visitor's reason.
__attribute__((format(printf, 2, 0))) void wf_reader_explain(
    struct wf_record_reader *r, const char *format, va_list args);
// Takes one element from the budget.
WF_MUST_USE enum weft_err wf_reader_spend(struct wf_record_reader *r);
// Pushes the fields of a message that count, by index, occurrences of one field in wire order. Oneof members that another
// replaced follow on the stack, up to found_count.
WF_MUST_USE enum weft_err wf_reader_settle(struct wf_record_reader *r,
    const struct wf_schema_message *m, struct wf_bytes in, struct wf_run *ret);
// The bytes of a message given in one or several pieces. Several are merged by reading them as one: protobuf's
// concatenation property.
WF_MUST_USE enum weft_err wf_reader_merge(
    struct wf_record_reader *r, struct wf_run run, struct wf_bytes *ret);
// The judgement of wf_record_check by reading alone, and whether a record is so ordinary that it needs none (record_plain.c):
// what is plain always passes.
WF_MUST_USE enum weft_err wf_record_check_whole(
    const struct wf_schema_message *m, struct wf_bytes record, struct wf_diag *diag);
bool wf_record_is_plain(const struct wf_schema_message *m, struct wf_bytes record);
bool wf_reader_is_unknown_enum(const struct wf_schema_field *f, uint64_t raw);

static inline struct wf_bytes wf_found_bytes(const struct wf_found *f)
{
    return wf_bytes(f->at - f->raw, (size_t)f->raw);
}

#endif

// SPDX-License-Identifier: Apache-2.0
// Reads the bytes of a record through its schema, with budgets, as one stream of events in field order. What a visitor sees is
// what protobuf means: the last of several singular values, submessages merged, packed and unpacked lists alike, the last
// of equal map keys, the last member of a oneof, no unknown fields, no implicit field that is zero. Owns no record.
// Invariant: time and memory are bounded by the record's length and the budget, never by what it claims. Thread rule: reentrant.
#ifndef WF_SCHEMA_RECORD_H
#define WF_SCHEMA_RECORD_H

#include "proto/base/limits.h"
#include "proto/schema/known.h"
#include "proto/schema/schema.h"

enum wf_record_what {
    WF_RECORD_VALUE,   // a scalar: field, list element or map value
    WF_RECORD_MESSAGE, // a message begins: the record itself, a field, list element or map value
    WF_RECORD_MESSAGE_END, // the same, after its content (not sent for a skipped one)
    WF_RECORD_LIST,        // a list that has elements begins
    WF_RECORD_LIST_END,
    WF_RECORD_MAP, // a map that has entries begins; they come in ascending order of keys
    WF_RECORD_MAP_END,
};

struct wf_record_reader;

struct wf_record_event {
    enum wf_record_what what;
    const struct wf_schema_field *field; // where it stands; NULL for the record itself
    const struct wf_schema_field
        *type; // of the value: the field, or the value field of a map entry
    const struct wf_schema_message *message; // MESSAGE, MESSAGE_END
    struct wf_value value;                   // VALUE; MESSAGE: its encoding, merged
    const struct wf_value *key;              // in a map, else NULL
    size_t index;                            // in a list or map, from 0
    unsigned depth;                        // 0 for the record itself and 1 for what its fields hold
    const struct wf_record_reader *reader; // for wf_record_refuse
};

// Called for each event. On MESSAGE, setting *skip passes over the message's content unread.
typedef enum weft_err (*wf_record_fn)(void *ctx, const struct wf_record_event *e, bool *skip);

struct wf_record_budget {
    size_t max_len;      // bytes of the record
    size_t max_elements; // fields, list elements and map entries met
    size_t max_string;   // bytes of one string or bytes value
    unsigned max_depth;  // levels of messages, the record itself is the first
};
extern const struct wf_record_budget wf_record_default_budget; // from limits.h

// Reads a record; budget NULL means the default. Refusals: TOO_BIG (length, string), TOO_DEEP, BUDGET (elements, memory),
// SYNTAX and TRUNCATED (encoding), TYPE (a wire type that is not the field's), BAD_UTF8, MISSING_FIELD (proto2 required),
// NOMEM, or what the visitor returned. diag (may be NULL) says "disks[3].used_bytes: reason". *ret_unknown (may be NULL)
// counts fields and enum numbers the schema does not know.
WF_MUST_USE enum weft_err wf_record_read(const struct wf_schema_message *m, struct wf_bytes record,
    const struct wf_record_budget *budget, wf_record_fn visitor, void *ctx, size_t *ret_unknown,
    struct wf_diag *diag);

// For visitors: returns err with the event's place and the given reason in diag.
__attribute__((format(printf, 3, 4))) enum weft_err wf_record_refuse(
    const struct wf_record_event *e, enum weft_err err, const char *format, ...);

// Whether a record fits its schema and can be printed as JSON: all that wf_record_read refuses, and RANGE for a Timestamp,
// Duration, FieldMask or Value outside of what its JSON form holds.
WF_MUST_USE enum weft_err wf_record_check(
    const struct wf_schema_message *m, struct wf_bytes record, struct wf_diag *diag);

// A dotted path of field names ("memory.used_bytes") through singular messages to a singular field: key fields, columns,
// the timestamp. Compile once, get often; get allocates nothing and stops nowhere but at the record's end.
struct wf_record_path {
    const struct wf_schema_message *message;
    const struct wf_schema_field *fields[WF_MAX_RECORD_PATH];
    unsigned count;
};
// NOT_FOUND for an unknown name, TYPE for a list or map on the way or at the end, TOO_DEEP. diag may be NULL.
WF_MUST_USE enum weft_err wf_record_path_compile(const struct wf_schema_message *m,
    struct wf_bytes path, struct wf_record_path *ret_path, struct wf_diag *diag);
// The field's value, or its default when absent (kind NONE for a message); *ret_present (may be NULL) tells which. A message
// given in several pieces is UNSUPPORTED. Same refusals as wf_record_read for the part that is read.
WF_MUST_USE enum weft_err wf_record_get(const struct wf_record_path *path, struct wf_bytes record,
    struct wf_value *ret_value, bool *ret_present);
// The same for a path that ends at a google.protobuf.Timestamp or Duration (else TYPE), in pieces or not; zero when absent.
WF_MUST_USE enum weft_err wf_record_get_moment(const struct wf_record_path *path,
    struct wf_bytes record, struct wf_moment *ret_moment, bool *ret_present);
// What one pass over a record found of each field of its message: slots[i] is of m->fields[i]. For those who want many of them, at once what
// wf_record_get finds for each. A refusal is of the record as a whole.
struct wf_record_slot {
    struct wf_value value; // of lists and maps nothing
    unsigned pieces;       // how often it was met since another member of its oneof cleared it
};
WF_MUST_USE enum weft_err wf_record_slot(
    const struct wf_record_path *path, struct wf_bytes record, struct wf_record_slot *ret);
WF_MUST_USE enum weft_err wf_record_slots(
    const struct wf_schema_message *m, struct wf_bytes record, struct wf_record_slot *slots);
// What wf_record_get gives for the path of this one field, from its slot.
WF_MUST_USE enum weft_err wf_record_slot_get(const struct wf_schema_field *f,
    const struct wf_record_slot *slot, struct wf_value *ret_value, bool *ret_present);

// Unix microseconds of a message's field of role timestamp (time_field): a Timestamp, or an integer of unix milliseconds.
// NOT_FOUND when the message has none or the record leaves it out, RANGE outside of years 1 to 9999.
WF_MUST_USE enum weft_err wf_record_time(
    const struct wf_schema_message *m, struct wf_bytes record, int64_t *ret_unix_us);

#endif

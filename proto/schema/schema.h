// SPDX-License-Identifier: Apache-2.0
// Schemas at run time: a FileDescriptorSet from anywhere becomes a validated, read-only table of messages, fields, enums and
// services. Owns everything in one arena; every pointer below lives as long as its wf_schema. Does not read records (record.h).
// Invariant: a compiled schema keeps every limit of limits.h and every rule of docs/protocol/schema.md, so readers need not
// check it again. Thread rule: immutable after compile, share freely.
#ifndef WF_SCHEMA_SCHEMA_H
#define WF_SCHEMA_SCHEMA_H

#include "proto/schema/value.h"

// Numbers of google.protobuf.FieldDescriptorProto.Type; 10 (group) is refused.
enum wf_field_type {
    WF_TYPE_DOUBLE = 1,
    WF_TYPE_FLOAT = 2,
    WF_TYPE_INT64 = 3,
    WF_TYPE_UINT64 = 4,
    WF_TYPE_INT32 = 5,
    WF_TYPE_FIXED64 = 6,
    WF_TYPE_FIXED32 = 7,
    WF_TYPE_BOOL = 8,
    WF_TYPE_STRING = 9,
    WF_TYPE_MESSAGE = 11,
    WF_TYPE_BYTES = 12,
    WF_TYPE_UINT32 = 13,
    WF_TYPE_ENUM = 14,
    WF_TYPE_SFIXED32 = 15,
    WF_TYPE_SFIXED64 = 16,
    WF_TYPE_SINT32 = 17,
    WF_TYPE_SINT64 = 18,
};

// Messages with a JSON form of their own. Empty has none: it prints as {} like any message.
enum wf_known_type {
    WF_KNOWN_NONE,
    WF_KNOWN_TIMESTAMP,
    WF_KNOWN_DURATION,
    WF_KNOWN_FIELD_MASK,
    WF_KNOWN_STRUCT,
    WF_KNOWN_VALUE,
    WF_KNOWN_LIST_VALUE,
    WF_KNOWN_WRAPPER, // DoubleValue and the like: the one field is fields[0]
};

// Values of weft.v1.Role and weft.v1.Privacy (proto/weft/v1/options.proto). A role this version does not know is read as
// unspecified, a privacy class it does not know as personal.
enum wf_role {
    WF_ROLE_UNSPECIFIED,
    WF_ROLE_LABEL,
    WF_ROLE_GAUGE,
    WF_ROLE_COUNTER,
    WF_ROLE_HISTOGRAM,
    WF_ROLE_TIMESTAMP,
    WF_ROLE_TEXT,
};

enum wf_privacy {
    WF_PRIVACY_UNSPECIFIED,
    WF_PRIVACY_PUBLIC,
    WF_PRIVACY_INTERNAL,
    WF_PRIVACY_CONFIDENTIAL,
    WF_PRIVACY_PERSONAL,
};

// One line of an index by name: ascending by bytes, no name twice.
struct wf_schema_name {
    const char *name;
    const void *what;
};

struct wf_schema_enum_value {
    const char *name;
    int32_t number;
    const char *comment; // "" when there is none
};

struct wf_schema_enum {
    const char *name, *full_name, *comment;
    const struct wf_schema_enum_value *values; // as declared
    size_t value_count;
    const struct wf_schema_enum_value *const
        *by_number; // value_count, ascending, aliases as declared
    const struct wf_schema_name *by_name;
    bool null_value; // google.protobuf.NullValue, JSON null
};

struct wf_schema_oneof {
    const char *name;
    uint32_t field_count;
    bool synthetic; // stands for the presence of a proto3 optional field; no field points to it
};

struct wf_schema_field {
    const char *name, *json_name;
    uint32_t number;
    enum wf_field_type type;
    bool repeated; // lists and maps
    bool map;      // message is the entry type: fields[0] the key, fields[1] the value
    bool packed;   // how a list is written; both forms are read
    bool presence; // absent and default differ (optional, oneof members, messages)
    bool required; // proto2
    bool closed;   // an enum number without a name is an unknown field (proto2)
    bool deprecated;
    enum wf_role role;
    enum wf_privacy privacy;
    uint32_t cardinality;                // 0: no budget stated
    const char *unit;                    // "" when there is none
    const char *description;             // option, else leading comment, else ""
    const struct wf_schema_oneof *oneof; // NULL outside of one
    uint32_t group; // index of the oneof's first member, else of the field itself
    const struct wf_schema_message *message;  // WF_TYPE_MESSAGE
    const struct wf_schema_enum *enumeration; // WF_TYPE_ENUM
    struct wf_value default_value;            // of a singular scalar; kind NONE otherwise
};

struct wf_plain;

struct wf_schema_message {
    const char *name, *full_name, *comment;
    enum wf_known_type known;
    bool map_entry;
    const struct wf_schema_field *fields; // ascending number
    uint32_t field_count;
    uint32_t dense;          // fields[n - 1].number == n for all n <= dense
    uint32_t required_count; // proto2
    uint32_t oneof_count;    // real ones
    const struct wf_schema_name *by_name, *by_json_name; // field_count each
    const struct wf_schema_field *time_field;            // role timestamp, or NULL
    const struct wf_plain *plain; // how ordinary records are told (record_plain.h), or NULL
};

struct wf_schema_method {
    const char *name, *comment;
    const struct wf_schema_message *input, *output;
    bool client_streaming, server_streaming;
    bool idempotent; // idempotency_level says NO_SIDE_EFFECTS or IDEMPOTENT
};

struct wf_schema_service {
    const char *name, *full_name, *comment;
    const struct wf_schema_method *methods; // as declared
    size_t method_count;
};

struct wf_schema;

// Compiles the bytes of a google.protobuf.FileDescriptorSet with all its imports (protoc --include_imports -o FILE).
// Refusals: TOO_BIG beyond a limit; SCHEMA for a breach of the rules; NAME for a malformed name; TYPE for a name that
// resolves to nothing; EXISTS for a name or number given twice; SYNTAX, TRUNCATED, TOO_DEEP, BAD_UTF8, BUDGET for bytes
// that are no descriptor set; NOMEM. diag (may be NULL) says "file: element: reason".
WF_MUST_USE enum weft_err wf_schema_compile(
    struct wf_bytes descriptor_set, struct wf_schema **ret_schema, struct wf_diag *diag);
void wf_schema_free(struct wf_schema *schema);

// Lookups by full name without a leading dot ("weft.example.Disk"); NULL when there is none.
const struct wf_schema_message *wf_schema_find_message(
    const struct wf_schema *schema, struct wf_bytes full_name);
const struct wf_schema_enum *wf_schema_find_enum(
    const struct wf_schema *schema, struct wf_bytes full_name);
const struct wf_schema_service *wf_schema_find_service(
    const struct wf_schema *schema, struct wf_bytes full_name);

// Everything in the set, imports included, ordered by full name.
size_t wf_schema_message_count(const struct wf_schema *schema);
const struct wf_schema_message *wf_schema_message_at(const struct wf_schema *schema, size_t i);
size_t wf_schema_service_count(const struct wf_schema *schema);
const struct wf_schema_service *wf_schema_service_at(const struct wf_schema *schema, size_t i);

// NULL when there is none.
const struct wf_schema_field *wf_schema_field_by_number(
    const struct wf_schema_message *m, uint32_t number);
const struct wf_schema_field *wf_schema_field_by_name(
    const struct wf_schema_message *m, struct wf_bytes name);
// The JSON name first, then the name in the .proto file, as the JSON mapping asks of parsers.
const struct wf_schema_field *wf_schema_field_by_json(
    const struct wf_schema_message *m, struct wf_bytes name);
// The first value declared with the number, as for printing.
const struct wf_schema_enum_value *wf_schema_enum_by_number(
    const struct wf_schema_enum *e, int32_t number);
const struct wf_schema_enum_value *wf_schema_enum_by_name(
    const struct wf_schema_enum *e, struct wf_bytes name);
const struct wf_schema_method *wf_schema_method_by_name(
    const struct wf_schema_service *s, struct wf_bytes name);

// The kind of value a field of the type holds.
enum wf_value_kind wf_schema_value_kind(enum wf_field_type type);
// "int64", "string", or the full name of the message or enum. Never NULL.
const char *wf_schema_type_name(const struct wf_schema_field *f);
// "gauge", "personal"; "" for unspecified.
const char *wf_role_name(enum wf_role role);
const char *wf_privacy_name(enum wf_privacy privacy);

#endif

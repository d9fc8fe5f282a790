// SPDX-License-Identifier: Apache-2.0
// What the stages of wf_schema_compile share; included by proto/schema/schema*.c only. Stages, in order: decode,
// prune (schema_prune.c), count, fill (schema_build.c), comments (schema_comments.c), link and index (schema_link.c), check (schema_check.c), the
// table for ordinary records (schema_plain.c). Until index has run,
// the fields of a message stand as declared and pair up with its descriptor's.
#ifndef WF_SCHEMA_SCHEMA_BUILD_H
#define WF_SCHEMA_SCHEMA_BUILD_H

#include "proto/base/pb_descriptor.h"
#include "proto/schema/schema.h"

struct wf_schema {
    struct wf_arena arena;
    struct wf_schema_message *messages;
    struct wf_schema_enum *enums;
    struct wf_schema_service *services;
    size_t message_count, enum_count, service_count;
    const struct wf_schema_name *messages_by_name, *enums_by_name, *services_by_name;
};

// Where a run of siblings stands in the flat arrays.
struct wf_build_file {
    const Google__Protobuf__FileDescriptorProto *pb;
    bool proto3;
    uint32_t first_message, first_enum, first_service;
};

// One for each message, in scratch memory.
struct wf_build_message {
    const Google__Protobuf__DescriptorProto *pb;
    const struct wf_build_file *file;
    uint32_t first_message, first_enum; // its nested types
    struct wf_schema_field *fields;
    struct wf_schema_oneof *oneofs;
};

struct wf_schema_build {
    struct wf_schema *s;
    struct wf_arena *arena;   // s->arena: what the schema keeps
    struct wf_arena *scratch; // the descriptors and what only the build needs
    struct wf_diag *diag;
    const Google__Protobuf__FileDescriptorSet *set;
    struct wf_build_file *files;
    struct wf_build_message *messages;
    // How much was counted, then how much of it is handed out.
    size_t field_count, value_count, oneof_count, method_count;
    size_t message_used, field_used, enum_used, value_used, oneof_used, service_used, method_used;
    struct wf_schema_field *fields;
    struct wf_schema_oneof *oneofs;
    struct wf_schema_enum_value *values;
    struct wf_schema_method *methods;
};

// Sets diag to "file: element: reason" and returns err. element may be NULL.
__attribute__((format(printf, 5, 6))) enum weft_err wf_build_fail(struct wf_schema_build *b,
    enum weft_err err, const char *file, const char *element, const char *format, ...);

// Sorts an index; the first name that is there twice, or NULL.
const char *wf_build_sort_names(struct wf_schema_name *names, size_t count);
// What the name stands for, or NULL.
const void *wf_schema_find_name(
    const struct wf_schema_name *names, size_t count, struct wf_bytes name);

// Empties descriptor.proto in the set where nothing else refers to its types.
void wf_build_prune(Google__Protobuf__FileDescriptorSet *set);
WF_MUST_USE enum weft_err wf_build_fill(struct wf_schema_build *b);
WF_MUST_USE enum weft_err wf_build_comments(struct wf_schema_build *b);
WF_MUST_USE enum weft_err wf_build_link(struct wf_schema_build *b);
WF_MUST_USE enum weft_err wf_build_check(struct wf_schema_build *b);
WF_MUST_USE enum weft_err wf_build_plain(struct wf_schema_build *b);

// The scalar default of a field as declared (proto2 default_value) or the type's zero; field types are linked.
WF_MUST_USE enum weft_err wf_build_default(struct wf_schema_build *b, const char *file,
    const Google__Protobuf__FieldDescriptorProto *pb, struct wf_schema_field *f);
// weft.v1 options, from the unknown fields of FieldOptions.
WF_MUST_USE enum weft_err wf_build_options(struct wf_schema_build *b, const char *file,
    const Google__Protobuf__FieldDescriptorProto *pb, struct wf_schema_field *f);

#endif

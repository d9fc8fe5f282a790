// SPDX-License-Identifier: Apache-2.0
// What the files that print .proto text share; included by proto/schema/schema_proto*.c only. The first error sticks.
#ifndef WF_SCHEMA_SCHEMA_PROTO_PRINT_H
#define WF_SCHEMA_SCHEMA_PROTO_PRINT_H

#include "proto/base/pb_descriptor.h"
#include "proto/schema/schema_proto.h"

typedef Google__Protobuf__SourceCodeInfo__Location wf_pb_location;

struct wf_schema_proto {
    struct wf_arena arena; // this object and the decoded set
    struct wf_schema *schema;
    const Google__Protobuf__FileDescriptorSet *set;
};

#define WF_PRINT_PATH 128u // steps of a location: two a level of nesting

struct wf_proto_printer {
    const struct wf_schema_proto *proto;
    const Google__Protobuf__FileDescriptorProto *file;
    struct wf_buf *out;
    size_t start;
    enum weft_err err;
    unsigned indent;
    const char *scope; // full name of the package or message being printed
    bool proto3;
    // Comments: locations of the file in order of their paths, and the path of the element being printed.
    const wf_pb_location **locations;
    size_t location_count;
    int32_t path[WF_PRINT_PATH];
    size_t path_len;
};

__attribute__((format(printf, 2, 3))) void wf_print_text(
    struct wf_proto_printer *p, const char *format, ...);
void wf_print_bytes(struct wf_proto_printer *p, struct wf_bytes text);
void wf_print_indent(struct wf_proto_printer *p);
void wf_print_fail(struct wf_proto_printer *p, enum weft_err err);
// In quotes, escaped as protoc reads it; what is not printable ASCII in octal, but UTF-8 text as it is.
void wf_print_quoted(struct wf_proto_printer *p, struct wf_bytes text);
// A type's name as short as its scope permits. full has the leading dot that descriptors give it.
void wf_print_type_name(struct wf_proto_printer *p, const char *full);

// Options. As statements: "option x = y;" lines. As a list: " [x = y, …]" with what the caller has to say first.
void wf_print_option_lines(
    struct wf_proto_printer *p, const ProtobufCMessage *options, const char *extendee);
struct wf_option_list {
    struct wf_proto_printer *p;
    bool open;
};
// Before each element of a list: " [" or ", ".
void wf_option_next(struct wf_option_list *l);
void wf_print_option_list(
    struct wf_option_list *l, const ProtobufCMessage *options, const char *extendee);
void wf_option_end(struct wf_option_list *l);

// The leading comment of the element at p->path, as // lines.
void wf_print_comment(struct wf_proto_printer *p);
WF_MUST_USE enum weft_err wf_print_sort_locations(
    struct wf_proto_printer *p, struct wf_arena *arena);
void wf_print_path_push(struct wf_proto_printer *p, int32_t kind, size_t index);
void wf_print_path_pop(struct wf_proto_printer *p);

#endif

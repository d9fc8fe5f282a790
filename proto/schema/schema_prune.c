// SPDX-License-Identifier: Apache-2.0
// Who marks fields with options imports descriptor.proto, and protoc packs it with the rest: 27 messages that no record ever holds, nine
// tenths of a small schema's table in every node and agent. They are left out unless something does refer to them.
#include "proto/schema/schema_build.h"

typedef Google__Protobuf__FileDescriptorProto file_pb;
typedef Google__Protobuf__DescriptorProto message_pb;

static const char file_name[] = "google/protobuf/descriptor.proto";
static const char package[] = "google.protobuf";

// ".google.protobuf.X" or something within X, where X stands in the file.
static bool is_of(const file_pb *file, const char *type)
{
    size_t at = sizeof package; // the package between two dots

    if (!type || type[0] != '.' || strncmp(type + 1, package, at - 1) != 0 || type[at] != '.')
        return false;
    const char *name = type + at + 1;
    size_t len = strcspn(name, ".");
    for (size_t i = 0; i < file->n_message_type; i++)
        if (file->message_type[i]->name &&
            wf_bytes_is(wf_bytes(name, len), file->message_type[i]->name))
            return true;
    for (size_t i = 0; i < file->n_enum_type; i++)
        if (file->enum_type[i]->name && wf_bytes_is(wf_bytes(name, len), file->enum_type[i]->name))
            return true;
    return false;
}

static bool fields_refer(const file_pb *file, message_pb *const *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < messages[i]->n_field; k++)
            if (is_of(file, messages[i]->field[k]->type_name))
                return true;
        if (fields_refer(file, messages[i]->nested_type, messages[i]->n_nested_type))
            return true;
    }
    return false;
}

static bool methods_refer(const file_pb *file, const file_pb *from)
{
    for (size_t i = 0; i < from->n_service; i++)
        for (size_t k = 0; k < from->service[i]->n_method; k++)
            if (is_of(file, from->service[i]->method[k]->input_type) ||
                is_of(file, from->service[i]->method[k]->output_type))
                return true;
    return false;
}

void wf_build_prune(Google__Protobuf__FileDescriptorSet *set)
{
    file_pb *file = NULL;
    size_t others = 0;

    for (size_t i = 0; i < set->n_file; i++) {
        const file_pb *f = set->file[i];
        if (f->name && f->package && strcmp(f->name, file_name) == 0 &&
            strcmp(f->package, package) == 0)
            file = set->file[i];
        else
            others++;
    }
    if (!file || !others)
        return;
    for (size_t i = 0; i < set->n_file; i++)
        if (set->file[i] != file &&
            (fields_refer(file, set->file[i]->message_type, set->file[i]->n_message_type) ||
                methods_refer(file, set->file[i])))
            return;
    file->n_message_type = file->n_enum_type = file->n_service = 0;
    file->source_code_info = NULL;
}

// SPDX-License-Identifier: Apache-2.0
// Every reason to refuse a descriptor set.
#include "proto/base/limits.h"
#include "proto/base/pb_descriptor.h"
#include "tests/proto/schema_fixture.h"

typedef Google__Protobuf__FileDescriptorSet set_pb;
typedef Google__Protobuf__FileDescriptorProto file_pb;
typedef Google__Protobuf__DescriptorProto message_pb;
typedef Google__Protobuf__FieldDescriptorProto field_pb;

// Refusals: a good set, unpacked, changed in one place and packed again.
static file_pb *last_file(set_pb *s)
{
    return s->file[s->n_file - 1];
}

static message_pb *find_message(set_pb *s, const char *file, const char *name)
{
    for (size_t i = 0; i < s->n_file; i++)
        for (size_t k = 0; k < s->file[i]->n_message_type; k++)
            if (strstr(s->file[i]->name, file) &&
                strcmp(s->file[i]->message_type[k]->name, name) == 0)
                return s->file[i]->message_type[k];
    ck_abort_msg("no message %s", name);
}

static message_pb *host(set_pb *s)
{
    return find_message(s, "rich", "Host");
}

static field_pb *host_field(set_pb *s, const char *name)
{
    for (size_t i = 0; i < host(s)->n_field; i++)
        if (strcmp(host(s)->field[i]->name, name) == 0)
            return host(s)->field[i];
    ck_abort_msg("no field %s", name);
}

static char *str(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void no_file_name(set_pb *s)
{
    last_file(s)->name = NULL;
}
static void absolute_file_name(set_pb *s)
{
    last_file(s)->name = str("/etc/cron.d/x.proto");
}
static void climbing_file_name(set_pb *s)
{
    last_file(s)->name = str("a/../../x.proto");
}
static void escaping_file_name(set_pb *s)
{
    last_file(s)->name = str("a\033[2J.proto");
}
static void file_twice(set_pb *s)
{
    last_file(s)->name = s->file[0]->name;
}
static void missing_import(set_pb *s)
{
    last_file(s)->dependency[0] = str("not/there.proto");
}
static void circular_import(set_pb *s)
{
    last_file(s)->dependency[0] = last_file(s)->name;
}
static void unknown_syntax(set_pb *s)
{
    last_file(s)->syntax = str("editions");
}
static void bad_package(set_pb *s)
{
    last_file(s)->package = str("weft..test");
}
static void quoted_name(set_pb *s)
{
    host(s)->name = str("Ho\"st");
}
static void digit_name(set_pb *s)
{
    host_field(s, "kind")->name = str("9lives");
}
static void empty_name(set_pb *s)
{
    host_field(s, "kind")->name = str("");
}
static void long_name(set_pb *s)
{
    static char name[WF_MAX_SCHEMA_NAME + 2];
    memset(name, 'n', sizeof name - 1);
    host_field(s, "kind")->name = name;
}
static void control_json_name(set_pb *s)
{
    host_field(s, "kind")->json_name = str("a\nb");
}
static void message_twice(set_pb *s)
{
    host(s)->name = str("Disk");
}
static void message_as_enum(set_pb *s)
{
    host(s)->name = str("Kind");
}
static void name_twice(set_pb *s)
{
    host_field(s, "kind")->name = str("name");
}
static void json_name_twice(set_pb *s)
{
    host_field(s, "kind")->json_name = str("maybe");
}
static void number_twice(set_pb *s)
{
    host_field(s, "kind")->number = 1;
}
static void value_twice(set_pb *s)
{
    last_file(s)->enum_type[0]->value[1]->name = str("KIND_UNKNOWN");
}
static void method_twice(set_pb *s)
{
    last_file(s)->service[0]->method[1]->name = str("List");
}
static void number_zero(set_pb *s)
{
    host_field(s, "kind")->number = 0;
}
static void number_negative(set_pb *s)
{
    host_field(s, "kind")->number = -1;
}
static void number_reserved(set_pb *s)
{
    host_field(s, "kind")->number = 19500;
}
static void number_too_big(set_pb *s)
{
    host_field(s, "kind")->number = 536870912;
}
static void a_group(set_pb *s)
{
    host_field(s, "disks")->type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP;
}
static void no_type(set_pb *s)
{
    host_field(s, "kind")->has_type = false;
}
static void strange_type(set_pb *s)
{
    host_field(s, "kind")->type = (Google__Protobuf__FieldDescriptorProto__Type)19;
}
static void no_label(set_pb *s)
{
    host_field(s, "kind")->has_label = false;
}
static void required_in_proto3(set_pb *s)
{
    host_field(s, "kind")->label = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED;
}
static void an_extendee(set_pb *s)
{
    host_field(s, "kind")->extendee = str(".weft.test.Disk");
}
static void repeated_in_oneof(set_pb *s)
{
    host_field(s, "text")->label = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
}
static void oneof_out_of_range(set_pb *s)
{
    host_field(s, "text")->oneof_index = 2;
}
static void oneof_negative(set_pb *s)
{
    host_field(s, "text")->oneof_index = -1;
}
static void oneof_without_member(set_pb *s)
{
    host_field(s, "maybe")->has_oneof_index = host_field(s, "maybe")->proto3_optional = false;
}
static void oneof_shared_with_optional(set_pb *s)
{
    host_field(s, "maybe")->oneof_index = 0;
}
static void optional_without_oneof(set_pb *s)
{
    host_field(s, "kind")->has_proto3_optional = host_field(s, "kind")->proto3_optional = true;
}
static void type_not_there(set_pb *s)
{
    host_field(s, "disks")->type_name = str(".weft.test.Tape");
}
static void type_relative(set_pb *s)
{
    host_field(s, "disks")->type_name = str("Disk");
}
static void type_is_enum(set_pb *s)
{
    host_field(s, "disks")->type_name = str(".weft.test.Kind");
}
static void scalar_with_type(set_pb *s)
{
    host_field(s, "f_bool")->type_name = str(".weft.test.Disk");
}
static void map_not_repeated(set_pb *s)
{
    host_field(s, "mounts")->label =
        GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_OPTIONAL;
}
static void map_key_float(set_pb *s)
{
    host(s)->nested_type[0]->field[0]->type =
        GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FLOAT;
}
static void map_with_three_fields(set_pb *s)
{
    message_pb *entry = host(s)->nested_type[0];
    static field_pb *fields[3], extra;
    extra = *entry->field[1];
    extra.name = extra.json_name = str("more");
    extra.number = 3;
    memcpy(fields, entry->field, 2 * sizeof *fields);
    fields[2] = &extra;
    entry->field = fields;
    entry->n_field = 3;
}
static void default_in_list(set_pb *s)
{
    host_field(s, "packed")->default_value = str("1");
}
static void default_no_number(set_pb *s)
{
    host_field(s, "f_int32")->default_value = str("one");
}
static void default_no_value(set_pb *s)
{
    host_field(s, "kind")->default_value = str("KIND_NONE");
}
static void enum_without_value(set_pb *s)
{
    last_file(s)->enum_type[0]->n_value = 0;
}
static void enum_not_from_zero(set_pb *s)
{
    last_file(s)->enum_type[0]->value[0]->number = 9;
}
static void extension_range(set_pb *s)
{
    static Google__Protobuf__DescriptorProto__ExtensionRange range, *ranges = &range;
    google__protobuf__descriptor_proto__extension_range__init(&range);
    host(s)->extension_range = &ranges;
    host(s)->n_extension_range = 1;
}
static void extension_of_ours(set_pb *s)
{
    last_file(s)->extension = host(s)->field;
    last_file(s)->n_extension = 1;
    host(s)->field[0]->extendee = str(".weft.test.Disk");
}
static void extension_without_type(set_pb *s)
{
    for (size_t i = 0; i < s->n_file; i++)
        if (strcmp(s->file[i]->name, "weft/v1/options.proto") == 0)
            s->file[i]->extension[0]->has_type = false;
}
static void message_set(set_pb *s)
{
    static Google__Protobuf__MessageOptions options;
    google__protobuf__message_options__init(&options);
    options.has_message_set_wire_format = options.message_set_wire_format = true;
    host(s)->options = &options;
}
static void any_field(set_pb *s)
{
    message_pb *empty = find_message(s, "empty", "Empty");
    empty->name = str("Any");
    host_field(s, "empty")->type_name = str(".google.protobuf.Any");
}
static void false_timestamp(set_pb *s)
{
    find_message(s, "timestamp", "Timestamp")->field[0]->type =
        GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING;
}
static void false_value(set_pb *s)
{
    find_message(s, "struct", "Value")->field[4]->type_name = str(".weft.test.Host");
    last_file(s)->name = str("rich.proto");
}
static void two_timestamps(set_pb *s)
{
    host_field(s, "f_int64")->options = host_field(s, "time")->options;
}
static void text_gauge(set_pb *s)
{
    host_field(s, "raw")->options = find_message(s, "rich", "Disk")->field[1]->options;
}
static void wrong_wire_option(set_pb *s)
{
    host_field(s, "time")->options->base.unknown_fields[0].tag = 50102;
}
static void method_input_not_there(set_pb *s)
{
    last_file(s)->service[0]->method[0]->input_type = str(".weft.test.Nope");
}

static const struct refusal {
    const char *why;
    void (*change)(set_pb *s);
    enum weft_err want;
    const char *says;
} refusals[] = {
    { "a file without a name", no_file_name, WEFT_E_NAME, "plain relative path" },
    { "an absolute path could be written anywhere", absolute_file_name, WEFT_E_NAME,
        "plain relative path" },
    { "a path could climb out of its folder", climbing_file_name, WEFT_E_NAME,
        "plain relative path" },
    { "a name could drive a terminal", escaping_file_name, WEFT_E_NAME, "plain relative path" },
    { "two files of one name", file_twice, WEFT_E_EXISTS, "twice" },
    { "an import that is not in the set", missing_import, WEFT_E_TYPE, "not/there.proto" },
    { "a file that imports itself", circular_import, WEFT_E_TYPE, "not in the set before it" },
    { "a syntax of the future", unknown_syntax, WEFT_E_SCHEMA, "neither proto2 nor proto3" },
    { "an empty part of a package", bad_package, WEFT_E_NAME, "package" },
    { "a quote in a name would end up in SQL", quoted_name, WEFT_E_NAME, "no identifier" },
    { "a name that begins with a digit", digit_name, WEFT_E_NAME, "no identifier" },
    { "an empty name", empty_name, WEFT_E_NAME, "no identifier" },
    { "a name beyond its limit", long_name, WEFT_E_NAME, "no identifier" },
    { "a line break in a JSON name", control_json_name, WEFT_E_NAME, "json_name" },
    { "two messages of one name", message_twice, WEFT_E_EXISTS, "defined twice" },
    { "a message with the name of an enum", message_as_enum, WEFT_E_EXISTS, "weft.test.Kind" },
    { "two fields of one name", name_twice, WEFT_E_EXISTS, "the name \"name\"" },
    { "two fields of one JSON name", json_name_twice, WEFT_E_EXISTS, "the JSON name \"maybe\"" },
    { "two fields of one number", number_twice, WEFT_E_EXISTS, "same number 1" },
    { "two enum values of one name", value_twice, WEFT_E_EXISTS, "KIND_UNKNOWN" },
    { "two methods of one name", method_twice, WEFT_E_EXISTS, "method defined twice" },
    { "field number 0", number_zero, WEFT_E_SCHEMA, "1 to 536870911" },
    { "a negative field number", number_negative, WEFT_E_SCHEMA, "1 to 536870911" },
    { "a number protobuf keeps for itself", number_reserved, WEFT_E_SCHEMA, "reserved" },
    { "a number that no tag can hold", number_too_big, WEFT_E_SCHEMA, "1 to 536870911" },
    { "a proto2 group", a_group, WEFT_E_SCHEMA, "groups are not supported" },
    { "a field without a type", no_type, WEFT_E_SCHEMA, "unknown field type" },
    { "a type of the future", strange_type, WEFT_E_SCHEMA, "unknown field type" },
    { "a field without a label", no_label, WEFT_E_SCHEMA, "unknown field label" },
    { "required in proto3", required_in_proto3, WEFT_E_SCHEMA, "no required fields" },
    { "an extension among the fields", an_extendee, WEFT_E_SCHEMA, "extendee" },
    { "a list in a oneof", repeated_in_oneof, WEFT_E_SCHEMA, "must be singular" },
    { "a oneof that is not declared", oneof_out_of_range, WEFT_E_SCHEMA, "out of range" },
    { "a negative oneof index", oneof_negative, WEFT_E_SCHEMA, "out of range" },
    { "a oneof without members", oneof_without_member, WEFT_E_SCHEMA, "has no member" },
    { "an optional field in a real oneof", oneof_shared_with_optional, WEFT_E_SCHEMA,
        "optional field" },
    { "an optional field without its oneof", optional_without_oneof, WEFT_E_SCHEMA,
        "oneof of its own" },
    { "a message that is not in the set", type_not_there, WEFT_E_TYPE, "no such message" },
    { "a name that is not spelled in full", type_relative, WEFT_E_TYPE, "no such message" },
    { "an enum where a message belongs", type_is_enum, WEFT_E_TYPE, "no such message" },
    { "a scalar that names a type", scalar_with_type, WEFT_E_SCHEMA, "scalar" },
    { "a map entry as a single field", map_not_repeated, WEFT_E_SCHEMA, "must be repeated" },
    { "a map keyed by floats", map_key_float, WEFT_E_SCHEMA, "map entry" },
    { "a map entry with a third field", map_with_three_fields, WEFT_E_SCHEMA, "map entry" },
    { "a default of a list", default_in_list, WEFT_E_SCHEMA, "only a singular scalar" },
    { "a default of another type", default_no_number, WEFT_E_SCHEMA, "\"one\" is no int32" },
    { "a default that is no value of the enum", default_no_value, WEFT_E_SCHEMA, "KIND_NONE" },
    { "an enum without values", enum_without_value, WEFT_E_SCHEMA, "at least one value" },
    { "a proto3 enum that does not start at 0", enum_not_from_zero, WEFT_E_SCHEMA, "must be 0" },
    { "extension ranges", extension_range, WEFT_E_SCHEMA, "extension ranges" },
    { "an extension of one's own message", extension_of_ours, WEFT_E_SCHEMA,
        "only google.protobuf.*Options" },
    { "an option without a type", extension_without_type, WEFT_E_SCHEMA, "malformed" },
    { "a message set", message_set, WEFT_E_SCHEMA, "message sets" },
    { "google.protobuf.Any hides its schema", any_field, WEFT_E_SCHEMA,
        "described by its own schema" },
    { "a Timestamp that is something else", false_timestamp, WEFT_E_SCHEMA,
        "not the well-known type" },
    { "a Value that holds something else", false_value, WEFT_E_SCHEMA, "not the well-known type" },
    { "two timestamps in a message", two_timestamps, WEFT_E_SCHEMA, "role timestamp" },
    { "bytes can't be a gauge", text_gauge, WEFT_E_SCHEMA, "role gauge" },
    { "a weft option of another type", wrong_wire_option, WEFT_E_SCHEMA, "option 50102" },
    { "a method without its input", method_input_not_there, WEFT_E_TYPE, "input or output" },
};

START_TEST(bad_schema_is_refused_with_its_reason)
{
    const struct refusal *r = &refusals[_i];
    struct wf_buf bytes = fixture_set("rich"), changed = { 0 };
    struct wf_arena arena;
    struct wf_schema *schema = NULL;
    struct wf_diag diag = { 0 };
    set_pb *set = NULL;

    wf_arena_init(&arena, WF_MAX_UNPACK);
    ck_assert(wf_pb_unpack(&google__protobuf__file_descriptor_set__descriptor, wf_buf_view(&bytes),
                  WF_PB_LENIENT, &arena, &set) == WEFT_OK);
    r->change(set);
    ck_assert(wf_pb_pack(set, &changed) == WEFT_OK);
    enum weft_err err = wf_schema_compile(wf_buf_view(&changed), &schema, &diag);
    ck_assert_msg(err == r->want, "%s: %s (%s)", r->why, weft_err_name(err), diag.text);
    ck_assert_msg(strstr(diag.text, r->says) != NULL, "%s: \"%s\"", r->why, diag.text);
    ck_assert_ptr_null(schema);
    wf_arena_fini(&arena);
    wf_buf_fini(&changed);
    wf_buf_fini(&bytes);
}
END_TEST

// A file with one message of `fields` fields, or `messages` empty messages, and so on.
static struct wf_buf crowd(size_t messages, size_t fields, size_t values, size_t methods)
{
    struct wf_buf out = { 0 };
    set_pb set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    file_pb file = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT, *files = &file;
    message_pb first = GOOGLE__PROTOBUF__DESCRIPTOR_PROTO__INIT,
               **all = calloc(messages + 1, sizeof *all);
    field_pb f = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__INIT,
             **fs = calloc(fields + 1, sizeof *fs);
    Google__Protobuf__EnumDescriptorProto e = GOOGLE__PROTOBUF__ENUM_DESCRIPTOR_PROTO__INIT,
                                          *es = &e;
    Google__Protobuf__EnumValueDescriptorProto
        v = GOOGLE__PROTOBUF__ENUM_VALUE_DESCRIPTOR_PROTO__INIT,
        **vs = calloc(values + 1, sizeof *vs);
    Google__Protobuf__ServiceDescriptorProto s = GOOGLE__PROTOBUF__SERVICE_DESCRIPTOR_PROTO__INIT,
                                             *ss = &s;
    Google__Protobuf__MethodDescriptorProto m = GOOGLE__PROTOBUF__METHOD_DESCRIPTOR_PROTO__INIT,
                                            **ms = calloc(methods + 1, sizeof *ms);

    for (size_t i = 0; i < messages; i++)
        all[i] = &first;
    for (size_t i = 0; i < fields; i++)
        fs[i] = &f;
    for (size_t i = 0; i < values; i++)
        vs[i] = &v;
    for (size_t i = 0; i < methods; i++)
        ms[i] = &m;
    first.field = fs;
    first.n_field = fields;
    e.value = vs;
    e.n_value = values;
    s.method = ms;
    s.n_method = methods;
    file.message_type = all;
    file.n_message_type = messages;
    file.enum_type = &es;
    file.n_enum_type = values > 0;
    file.service = &ss;
    file.n_service = methods > 0;
    set.file = &files;
    set.n_file = 1;
    ck_assert(wf_pb_pack(&set, &out) == WEFT_OK);
    free(all);
    free(fs);
    free(vs);
    free(ms);
    return out;
}

static const struct limit_row {
    const char *what;
    size_t messages, fields, values, methods;
} limit_rows[] = {
    { "1025 messages", WF_MAX_SCHEMA_MESSAGES + 1, 0, 0, 0 },
    { "8193 fields", 1, WF_MAX_SCHEMA_FIELDS + 1, 0, 0 },
    { "4097 enum values", 0, 0, WF_MAX_SCHEMA_ENUMS + 1, 0 },
    { "257 methods", 0, 0, 0, WF_MAX_SCHEMA_METHODS + 1 },
};

START_TEST(counts_beyond_their_limit_are_refused)
{
    const struct limit_row *r = &limit_rows[_i];
    struct wf_buf set = crowd(r->messages, r->fields, r->values, r->methods);
    struct wf_schema *schema = NULL;
    struct wf_diag diag = { 0 };

    ck_assert_msg(
        wf_schema_compile(wf_buf_view(&set), &schema, &diag) == WEFT_E_TOO_BIG, "%s", r->what);
    ck_assert_msg(strstr(diag.text, r->what) != NULL, "%s", diag.text);
    wf_buf_fini(&set);
}
END_TEST

START_TEST(a_set_beyond_the_document_limit_is_refused)
{
    struct wf_buf set = { 0 };
    struct wf_schema *schema = NULL;

    ck_assert(wf_buf_reserve(&set, WF_MAX_DOCUMENT + 1) == WEFT_OK);
    memset(set.ptr, 0, WF_MAX_DOCUMENT + 1);
    set.len = WF_MAX_DOCUMENT + 1;
    ck_assert_int_eq(wf_schema_compile(wf_buf_view(&set), &schema, NULL), WEFT_E_TOO_BIG);
    wf_buf_fini(&set);
}
END_TEST

START_TEST(types_nested_without_end_are_refused)
{
    struct wf_buf inner = { 0 }, outer = { 0 };
    struct wf_schema *schema = NULL;

    // DescriptorProto {name: "M", nested_type: …} a hundred times over.
    for (int i = 0; i < 100; i++) {
        uint8_t len[WF_VARINT_MAX];
        outer.len = 0;
        ck_assert(wf_buf_append(&outer, WF_STR("\x0a\x01M\x1a")) == WEFT_OK);
        ck_assert(wf_buf_append(&outer, wf_bytes(len, wf_varint_put(len, inner.len))) == WEFT_OK);
        ck_assert(wf_buf_append(&outer, wf_buf_view(&inner)) == WEFT_OK);
        struct wf_buf swap = inner;
        inner = outer;
        outer = swap;
    }
    struct wf_buf set = { 0 };
    ck_assert(wf_buf_append_byte(&set, 0x0a) == WEFT_OK);
    uint8_t len[WF_VARINT_MAX];
    size_t head = wf_varint_len(inner.len);
    ck_assert(
        wf_buf_append(&set, wf_bytes(len, wf_varint_put(len, inner.len + 1 + head))) == WEFT_OK);
    ck_assert(wf_buf_append_byte(&set, 0x22) == WEFT_OK);
    ck_assert(wf_buf_append(&set, wf_bytes(len, wf_varint_put(len, inner.len))) == WEFT_OK);
    ck_assert(wf_buf_append(&set, wf_buf_view(&inner)) == WEFT_OK);
    ck_assert_int_eq(wf_schema_compile(wf_buf_view(&set), &schema, NULL), WEFT_E_TOO_DEEP);
    wf_buf_fini(&set);
    wf_buf_fini(&inner);
    wf_buf_fini(&outer);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schema_refused");
    TCase *t = tcase_create("refused");

    tcase_add_loop_test(t, bad_schema_is_refused_with_its_reason, 0, (int)WF_COUNT(refusals));
    tcase_add_loop_test(t, counts_beyond_their_limit_are_refused, 0, (int)WF_COUNT(limit_rows));
    tcase_add_test(t, a_set_beyond_the_document_limit_is_refused);
    tcase_add_test(t, types_nested_without_end_are_refused);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

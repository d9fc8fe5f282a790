// SPDX-License-Identifier: Apache-2.0
// What of descriptor.proto a compiled schema holds.
#include "proto/base/limits.h"
#include "proto/base/pb_descriptor.h"
#include "tests/proto/schema_fixture.h"

typedef Google__Protobuf__FileDescriptorSet set_pb;
typedef Google__Protobuf__FileDescriptorProto file_pb;
typedef Google__Protobuf__DescriptorProto message_pb;
typedef Google__Protobuf__FieldDescriptorProto field_pb;

static char *str(const char *s)
{
    return (char *)(uintptr_t)s;
}

static file_pb *last_file(set_pb *s)
{
    return s->file[s->n_file - 1];
}

static message_pb *message(set_pb *s, const char *name)
{
    for (size_t i = 0; i < last_file(s)->n_message_type; i++)
        if (strcmp(last_file(s)->message_type[i]->name, name) == 0)
            return last_file(s)->message_type[i];
    ck_abort_msg("no message %s", name);
}

static field_pb *field(const message_pb *m, const char *name)
{
    for (size_t i = 0; i < m->n_field; i++)
        if (strcmp(m->field[i]->name, name) == 0)
            return m->field[i];
    ck_abort_msg("no field %s", name);
}

static void as_it_is(set_pb *s)
{
    (void)s;
}
static void field_of_a_message(set_pb *s)
{
    field(message(s, "Host"), "disks")->type_name = str(".google.protobuf.FileOptions");
}
static void field_of_a_nested_type(set_pb *s)
{
    field(message(s, "Host"), "disks")->type_name =
        str(".google.protobuf.DescriptorProto.ReservedRange");
}
static void field_within_a_nested_message(set_pb *s)
{
    message_pb *nested =
        message(s, "Host")->nested_type[0]; // the entry of a map from string to Disk
    field(nested, "value")->type_name = str(".google.protobuf.FileOptions");
}
static void a_methods_output(set_pb *s)
{
    last_file(s)->service[0]->method[0]->output_type = str(".google.protobuf.FileOptions");
}
static void a_methods_input(set_pb *s)
{
    last_file(s)->service[0]->method[0]->input_type = str(".google.protobuf.FileOptions");
}
static void another_package(set_pb *s)
{
    for (size_t i = 0; i < s->n_file; i++)
        if (strcmp(s->file[i]->name, "google/protobuf/descriptor.proto") == 0)
            s->file[i]->name = str("somebodys/own.proto");
    for (size_t i = 0; i < s->n_file; i++)
        for (size_t k = 0; k < s->file[i]->n_dependency; k++)
            if (strcmp(s->file[i]->dependency[k], "google/protobuf/descriptor.proto") == 0)
                s->file[i]->dependency[k] = str("somebodys/own.proto");
}
static void alone(set_pb *s)
{
    for (size_t i = 0; i < s->n_file; i++)
        if (strcmp(s->file[i]->name, "google/protobuf/descriptor.proto") == 0)
            s->file[0] = s->file[i];
    s->n_file = 1;
}

static const struct row {
    const char *why;
    void (*change)(set_pb *s);
    bool kept;
} rows[] = {
    { "imported for its options alone", as_it_is, false },
    { "a record holds one of its messages", field_of_a_message, true },
    { "a record holds what stands within one of its messages", field_of_a_nested_type, true },
    { "a message within a message holds it", field_within_a_nested_message, true },
    { "a method answers with it", a_methods_output, true },
    { "a method is asked with it", a_methods_input, true },
    { "another file of that package", another_package, true },
    { "it is the schema", alone, true },
};

START_TEST(descriptor_proto_is_left_out_unless_something_refers_to_it)
{
    const struct row *r = &rows[_i];
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
    ck_assert_msg(wf_schema_compile(wf_buf_view(&changed), &schema, &diag) == WEFT_OK, "%s: %s",
        r->why, diag.text);
    bool kept = wf_schema_find_message(schema, WF_STR("google.protobuf.FileOptions")) != NULL;
    ck_assert_msg(kept == r->kept, "%s: %s", r->why, kept ? "kept" : "left out");
    kept = wf_schema_find_enum(schema, WF_STR("google.protobuf.FileOptions.OptimizeMode")) != NULL;
    ck_assert_msg(kept == r->kept, "%s: its enums are not", r->why);
    wf_schema_free(schema);
    wf_arena_fini(&arena);
    wf_buf_fini(&changed);
    wf_buf_fini(&bytes);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schema_prune");
    TCase *t = tcase_create("prune");

    tcase_add_loop_test(
        t, descriptor_proto_is_left_out_unless_something_refers_to_it, 0, (int)WF_COUNT(rows));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

// SPDX-License-Identifier: Apache-2.0
// What a schema may become within one major version: the rich sample beside itself, changed in one place.
#include "proto/base/limits.h"
#include "proto/base/pb_descriptor.h"
#include "proto/schema/compat.h"
#include "tests/proto/schema_fixture.h"

typedef Google__Protobuf__FileDescriptorSet set_pb;
typedef Google__Protobuf__FileDescriptorProto file_pb;
typedef Google__Protobuf__DescriptorProto message_pb;
typedef Google__Protobuf__FieldDescriptorProto field_pb;

static char *str(const char *s)
{
    return (char *)(uintptr_t)s;
}

static file_pb *own_file(set_pb *s)
{
    return s->file[s->n_file - 1];
}

static message_pb *message(set_pb *s, const char *name)
{
    file_pb *f = own_file(s);

    for (size_t i = 0; i < f->n_message_type; i++)
        if (strcmp(f->message_type[i]->name, name) == 0)
            return f->message_type[i];
    ck_abort_msg("no message %s", name);
}

static field_pb *disk_field(set_pb *s, const char *name)
{
    message_pb *m = message(s, "Disk");

    for (size_t i = 0; i < m->n_field; i++)
        if (strcmp(m->field[i]->name, name) == 0)
            return m->field[i];
    ck_abort_msg("no field %s", name);
}

static void nothing(set_pb *s)
{
    (void)s;
}
static void other_type(set_pb *s)
{
    disk_field(s, "ratio")->type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING;
}
static void same_wire_type(set_pb *s)
{
    disk_field(s, "used_bytes")->type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT64;
}
static void other_enum(set_pb *s)
{
    disk_field(s, "kind")->type_name = str(".weft.test.Host.Nested.Level");
}
static void repeated(set_pb *s)
{
    disk_field(s, "mount")->label = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
}
static void other_json_name(set_pb *s)
{
    disk_field(s, "used_bytes")->json_name = str("used");
}
static void other_name_same_json(set_pb *s)
{
    disk_field(s, "mount")->name = str("place");
}
static void other_number(set_pb *s)
{
    disk_field(s, "ratio")->number = 9;
}
static void one_less(set_pb *s)
{
    message(s, "Disk")->n_field--;
}
static void method_gone(set_pb *s)
{
    own_file(s)->service[0]->n_method--;
}
static void method_of_others(set_pb *s)
{
    own_file(s)->service[0]->method[0]->input_type = str(".weft.test.Disk");
}
static void service_gone(set_pb *s)
{
    own_file(s)->n_service = 0;
}

static const struct change {
    const char *why;
    void (*change)(set_pb *s);
    enum weft_err forward, back; // from the sample to the changed one, and the other way
    const char *says;            // of the refusal forward
} changes[] = {
    { "no change at all", nothing, WEFT_OK, WEFT_OK, "" },
    { "bytes mean something else", other_type, WEFT_E_INCOMPATIBLE, WEFT_E_INCOMPATIBLE,
        "weft.test.Disk.ratio: was double, is string" },
    { "the same wire type, another range", same_wire_type, WEFT_E_INCOMPATIBLE, WEFT_E_INCOMPATIBLE,
        "was uint64, is int64" },
    { "another enum", other_enum, WEFT_E_INCOMPATIBLE, WEFT_E_INCOMPATIBLE, "Level" },
    { "one becomes many", repeated, WEFT_E_INCOMPATIBLE, WEFT_E_INCOMPATIBLE,
        "was singular, is repeated" },
    { "JSON readers find another name", other_json_name, WEFT_E_INCOMPATIBLE, WEFT_E_INCOMPATIBLE,
        "its JSON name was usedBytes, is used" },
    { "a name that neither wire nor JSON shows", other_name_same_json, WEFT_OK, WEFT_OK, "" },
    { "a number goes, a number comes", other_number, WEFT_OK, WEFT_OK, "" },
    { "a field goes, or comes", one_less, WEFT_OK, WEFT_OK, "" },
    { "callers lose a method; a new one harms nobody", method_gone, WEFT_E_INCOMPATIBLE, WEFT_OK,
        "Watch: is gone" },
    { "a method takes another message", method_of_others, WEFT_E_INCOMPATIBLE, WEFT_E_INCOMPATIBLE,
        "List: is gone or has other messages" },
    { "which service counts says the manifest", service_gone, WEFT_OK, WEFT_OK, "" },
};

static struct wf_schema *changed(const char *name, void (*change)(set_pb *s))
{
    struct wf_buf bytes = fixture_set(name), packed = { 0 };
    struct wf_arena arena;
    struct wf_schema *schema = NULL;
    struct wf_diag diag = { 0 };
    set_pb *set = NULL;

    wf_arena_init(&arena, WF_MAX_UNPACK);
    ck_assert_int_eq(wf_pb_unpack(&google__protobuf__file_descriptor_set__descriptor,
                         wf_buf_view(&bytes), WF_PB_LENIENT, &arena, &set),
        WEFT_OK);
    change(set);
    ck_assert_int_eq(wf_pb_pack(set, &packed), WEFT_OK);
    ck_assert_msg(
        wf_schema_compile(wf_buf_view(&packed), &schema, &diag) == WEFT_OK, "%s", diag.text);
    wf_arena_fini(&arena);
    wf_buf_fini(&packed);
    wf_buf_fini(&bytes);
    return schema;
}

START_TEST(a_change_within_a_major_version_has_its_verdict)
{
    const struct change *c = &changes[_i];
    struct wf_schema *was = fixture_schema("rich"), *is = changed("rich", c->change);
    struct wf_diag diag = { 0 }, back = { 0 };

    enum weft_err err = wf_schema_compatible(was, is, &diag);
    ck_assert_msg(err == c->forward, "%s: %s (%s)", c->why, weft_err_name(err), diag.text);
    ck_assert_msg(strstr(diag.text, c->says) != NULL, "%s: \"%s\"", c->why, diag.text);
    err = wf_schema_compatible(is, was, &back);
    ck_assert_msg(err == c->back, "back: %s: %s (%s)", c->why, weft_err_name(err), back.text);
    wf_schema_free(was);
    wf_schema_free(is);
}
END_TEST

static void required_comes(set_pb *s)
{
    message_pb *old = message(s, "Old");

    for (size_t i = 0; i < old->n_field; i++)
        if (strcmp(old->field[i]->name, "id") == 0)
            old->field[i]->number = 30;
}

// Only proto2 has such fields: a reader of the new schema could not read what the old one wrote.
START_TEST(a_required_field_never_comes)
{
    struct wf_schema *was = fixture_schema("legacy"), *is = changed("legacy", required_comes);
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(wf_schema_compatible(was, is, &diag), WEFT_E_INCOMPATIBLE);
    ck_assert_msg(strstr(diag.text, "Old.id: was absent, is required"), "%s", diag.text);
    wf_schema_free(was);
    wf_schema_free(is);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("compat");
    TCase *t = tcase_create("compat");

    tcase_add_loop_test(
        t, a_change_within_a_major_version_has_its_verdict, 0, (int)WF_COUNT(changes));
    tcase_add_test(t, a_required_field_never_comes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

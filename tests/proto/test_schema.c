// SPDX-License-Identifier: Apache-2.0
#include "proto/schema/schema.h"

#include <math.h>

#include "tests/proto/schema_fixture.h"

static struct wf_schema *rich, *legacy;

static void setup(void)
{
    rich = fixture_schema("rich");
    legacy = fixture_schema("legacy");
}

static void teardown(void)
{
    wf_schema_free(rich);
    wf_schema_free(legacy);
}

static const struct wf_schema_field *field(const struct wf_schema_message *m, const char *name)
{
    const struct wf_schema_field *f = wf_schema_field_by_name(m, wf_bytes_str(name));

    ck_assert_msg(f != NULL, "no field %s", name);
    return f;
}

START_TEST(every_lookup_finds_what_is_there_and_nothing_else)
{
    const struct wf_schema_message *host = fixture_message(rich, "weft.test.Host");
    const struct wf_schema_message *nested = fixture_message(rich, "weft.test.Host.Nested");

    ck_assert_ptr_null(wf_schema_find_message(rich, WF_STR("weft.test.Hos")));
    ck_assert_ptr_null(wf_schema_find_message(rich, WF_STR(".weft.test.Host")));
    ck_assert_ptr_null(wf_schema_find_message(rich, WF_STR("weft.test.Kind")));
    ck_assert_ptr_null(wf_schema_find_message(rich, WF_STR("")));
    for (uint32_t i = 0; i < host->field_count; i++) {
        const struct wf_schema_field *f = &host->fields[i];
        ck_assert_ptr_eq(wf_schema_field_by_number(host, f->number), f);
        ck_assert_ptr_eq(wf_schema_field_by_name(host, wf_bytes_str(f->name)), f);
        ck_assert_ptr_eq(wf_schema_field_by_json(host, wf_bytes_str(f->json_name)), f);
        ck_assert_ptr_eq(wf_schema_field_by_json(host, wf_bytes_str(f->name)), f);
    }
    ck_assert_uint_eq(host->dense, 32);
    ck_assert_ptr_null(wf_schema_field_by_number(host, 0));
    ck_assert_ptr_null(wf_schema_field_by_number(host, 33));
    ck_assert_ptr_null(wf_schema_field_by_number(host, UINT32_MAX));
    ck_assert_ptr_eq(wf_schema_field_by_number(nested, 536870911), field(nested, "level"));
    ck_assert_ptr_eq(wf_schema_field_by_number(nested, 20000), field(nested, "deeper"));
    ck_assert_ptr_null(wf_schema_field_by_number(nested, 1));
    ck_assert_str_eq(field(host, "nested")->json_name, "in-side");
    ck_assert_str_eq(field(host, "f_int32")->json_name, "fInt32");
    ck_assert_ptr_null(wf_schema_field_by_name(host, WF_STR("fInt32")));
}
END_TEST

START_TEST(enums_find_the_first_of_their_aliases)
{
    const struct wf_schema_enum *kind = wf_schema_find_enum(rich, WF_STR("weft.test.Kind"));

    ck_assert_ptr_nonnull(kind);
    ck_assert_uint_eq(kind->value_count, 5);
    ck_assert_str_eq(wf_schema_enum_by_number(kind, 2)->name, "KIND_SOLID");
    ck_assert_str_eq(wf_schema_enum_by_number(kind, -7)->name, "KIND_OLD");
    ck_assert_ptr_null(wf_schema_enum_by_number(kind, 3));
    ck_assert_int_eq(wf_schema_enum_by_name(kind, WF_STR("KIND_FLASH"))->number, 2);
    ck_assert_ptr_null(wf_schema_enum_by_name(kind, WF_STR("FLASH")));
}
END_TEST

START_TEST(fields_know_their_presence_packing_and_oneof)
{
    const struct wf_schema_message *host = fixture_message(rich, "weft.test.Host");
    const struct wf_schema_message *old = fixture_message(legacy, "weft.legacy.Old");

    ck_assert(!field(host, "name")->presence);
    ck_assert(field(host, "maybe")->presence && !field(host, "maybe")->oneof);
    ck_assert(field(host, "time")->presence);
    ck_assert(field(host, "text")->presence && field(host, "text")->oneof);
    ck_assert_ptr_eq(field(host, "text")->oneof, field(host, "number")->oneof);
    ck_assert_uint_eq(field(host, "number")->group, (size_t)(field(host, "text") - host->fields));
    ck_assert_uint_eq(field(host, "kind")->group, (size_t)(field(host, "kind") - host->fields));
    ck_assert_uint_eq(host->oneof_count, 1);
    ck_assert(field(host, "packed")->packed && !field(host, "unpacked")->packed);
    ck_assert(field(host, "mounts")->map && field(host, "mounts")->repeated);
    ck_assert(field(host, "raw")->deprecated);
    ck_assert(!field(old, "plain")->packed && field(old, "colors")->packed);
    ck_assert(field(old, "id")->required && field(old, "color")->closed);
    ck_assert_uint_eq(old->required_count, 1);
    ck_assert(!field(host, "kind")->closed);
}
END_TEST

START_TEST(proto2_defaults_are_read_as_protoc_escapes_them)
{
    const struct wf_schema_message *old = fixture_message(legacy, "weft.legacy.Old");

    ck_assert_int_eq(field(old, "count")->default_value.i, -42);
    ck_assert(wf_bytes_is(field(old, "label")->default_value.bytes, "say \"hi\"\n"));
    ck_assert(wf_bytes_eq(field(old, "blob")->default_value.bytes, WF_STR("\0\377\\x")));
    ck_assert_int_eq(field(old, "color")->default_value.number, 4);
    ck_assert_int_eq(field(old, "bare")->default_value.number, 3);
    ck_assert(
        isinf(field(old, "ratio")->default_value.d) && field(old, "ratio")->default_value.d < 0);
    ck_assert(field(old, "part")->default_value.f == 1.5e-07f);
    ck_assert(field(old, "on")->default_value.b);
    ck_assert_uint_eq(field(old, "big")->default_value.u, UINT64_MAX);
    ck_assert_int_eq(field(old, "colors")->default_value.kind, WF_VALUE_NONE);
}
END_TEST

START_TEST(weft_options_and_comments_describe_fields)
{
    const struct wf_schema_message *host = fixture_message(rich, "weft.test.Host");
    const struct wf_schema_message *disk = fixture_message(rich, "weft.test.Disk");
    const struct wf_schema_message *deeper = fixture_message(rich, "weft.test.Host.Nested.Deeper");
    const struct wf_schema_service *hosts = wf_schema_find_service(rich, WF_STR("weft.test.Hosts"));

    ck_assert_int_eq(field(host, "name")->role, WF_ROLE_LABEL);
    ck_assert_int_eq(field(host, "name")->privacy, WF_PRIVACY_INTERNAL);
    ck_assert_uint_eq(field(host, "name")->cardinality, 1000);
    ck_assert_str_eq(field(host, "name")->description, "The name \"as given\" in DNS.");
    ck_assert_str_eq(field(disk, "used_bytes")->unit, "By");
    ck_assert_str_eq(field(disk, "used_bytes")->description, "Bytes in use.");
    ck_assert_str_eq(field(disk, "mount")->unit, "");
    ck_assert_str_eq(host->comment, "A host, as an agent sees it.");
    ck_assert_str_eq(fixture_message(rich, "weft.test.Host.Nested")->comment, "Lives inside.");
    ck_assert_ptr_eq(host->time_field, field(host, "time"));
    ck_assert_ptr_eq(deeper->time_field, field(deeper, "at_unix_ms"));
    ck_assert_ptr_null(disk->time_field);
    ck_assert_str_eq(hosts->comment, "Asks for hosts.");
    ck_assert_str_eq(hosts->methods[0].comment, "Lists them.");
    ck_assert_str_eq(
        wf_schema_enum_by_number(wf_schema_find_enum(rich, WF_STR("weft.test.Kind")), 1)->comment,
        "Turns.");
    ck_assert_str_eq(wf_schema_enum_by_number(
                         wf_schema_find_enum(rich, WF_STR("weft.test.Host.Nested.Level")), 5)
                         ->comment,
        "Loud.");
}
END_TEST

START_TEST(services_name_their_messages_and_say_what_repeats_safely)
{
    const struct wf_schema_service *hosts = wf_schema_find_service(rich, WF_STR("weft.test.Hosts"));
    const struct wf_schema_method *list = wf_schema_method_by_name(hosts, WF_STR("List"));
    const struct wf_schema_method *watch = wf_schema_method_by_name(hosts, WF_STR("Watch"));

    ck_assert_uint_eq(wf_schema_service_count(rich), 1);
    ck_assert_ptr_eq(wf_schema_service_at(rich, 0), hosts);
    ck_assert_ptr_null(wf_schema_service_at(rich, 1));
    ck_assert_str_eq(list->input->full_name, "weft.test.ListRequest");
    ck_assert_str_eq(list->output->full_name, "weft.test.Host");
    ck_assert(list->idempotent && !list->server_streaming);
    ck_assert(!watch->idempotent && watch->server_streaming && !watch->client_streaming);
    ck_assert_ptr_null(wf_schema_method_by_name(hosts, WF_STR("list")));
    ck_assert_ptr_null(wf_schema_find_service(rich, WF_STR("weft.test.Host")));
}
END_TEST

START_TEST(messages_are_listed_in_order_of_their_names)
{
    for (size_t i = 1; i < wf_schema_message_count(rich); i++)
        ck_assert_int_lt(strcmp(wf_schema_message_at(rich, i - 1)->full_name,
                             wf_schema_message_at(rich, i)->full_name),
            0);
    ck_assert_ptr_null(wf_schema_message_at(rich, wf_schema_message_count(rich)));
}
END_TEST

START_TEST(well_known_types_are_recognised)
{
    static const struct {
        const char *name;
        enum wf_known_type known;
    } rows[] = {
        { "google.protobuf.Timestamp", WF_KNOWN_TIMESTAMP },
        { "google.protobuf.Duration", WF_KNOWN_DURATION },
        { "google.protobuf.FieldMask", WF_KNOWN_FIELD_MASK },
        { "google.protobuf.Struct", WF_KNOWN_STRUCT },
        { "google.protobuf.Value", WF_KNOWN_VALUE },
        { "google.protobuf.ListValue", WF_KNOWN_LIST_VALUE },
        { "google.protobuf.BytesValue", WF_KNOWN_WRAPPER },
        { "google.protobuf.Empty", WF_KNOWN_NONE },
        { "weft.test.Host", WF_KNOWN_NONE },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++)
        ck_assert_msg(
            fixture_message(rich, rows[i].name)->known == rows[i].known, "%s", rows[i].name);
}
END_TEST

START_TEST(types_roles_and_classes_have_names)
{
    const struct wf_schema_message *host = fixture_message(rich, "weft.test.Host");

    ck_assert_str_eq(wf_schema_type_name(field(host, "f_sfixed64")), "sfixed64");
    ck_assert_str_eq(wf_schema_type_name(field(host, "kind")), "weft.test.Kind");
    ck_assert_str_eq(wf_schema_type_name(field(host, "time")), "google.protobuf.Timestamp");
    ck_assert_str_eq(wf_role_name(WF_ROLE_COUNTER), "counter");
    ck_assert_str_eq(wf_role_name((enum wf_role)99), "");
    ck_assert_str_eq(wf_privacy_name(WF_PRIVACY_PERSONAL), "personal");
    ck_assert_str_eq(wf_privacy_name(WF_PRIVACY_UNSPECIFIED), "");
}
END_TEST

START_TEST(a_set_cut_anywhere_is_refused_or_is_a_smaller_set)
{
    struct wf_buf set = fixture_set("legacy");
    size_t whole = 0;

    for (size_t len = 0; len < set.len; len++) {
        uint8_t *exact = malloc(len ? len : 1);
        struct wf_schema *schema = NULL;
        memcpy(exact, set.ptr, len);
        if (wf_schema_compile(wf_bytes(exact, len), &schema, NULL) == WEFT_OK)
            whole++;
        wf_schema_free(schema);
        free(exact);
    }
    ck_assert_uint_eq(whole, 1); // the empty set: legacy.proto is the only file
    wf_buf_fini(&set);
}
END_TEST

START_TEST(running_out_of_memory_at_any_allocation_leaves_nothing_behind)
{
    struct wf_buf set = fixture_set("rich");
    enum weft_err err = WEFT_E_NOMEM;
    long n = 1;

    for (; err == WEFT_E_NOMEM && n < 1000; n++) {
        struct wf_schema *schema = NULL;
        wf_test_fail_alloc(n);
        err = wf_schema_compile(wf_buf_view(&set), &schema, NULL);
        wf_test_fail_alloc(-1);
        wf_schema_free(schema);
    }
    ck_assert_int_eq(err, WEFT_OK);
    ck_assert_int_gt(n, 3);
    wf_buf_fini(&set);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schema");
    TCase *good = tcase_create("good"), *bad = tcase_create("bad");

    tcase_add_checked_fixture(good, setup, teardown);
    tcase_add_test(good, every_lookup_finds_what_is_there_and_nothing_else);
    tcase_add_test(good, enums_find_the_first_of_their_aliases);
    tcase_add_test(good, fields_know_their_presence_packing_and_oneof);
    tcase_add_test(good, proto2_defaults_are_read_as_protoc_escapes_them);
    tcase_add_test(good, weft_options_and_comments_describe_fields);
    tcase_add_test(good, services_name_their_messages_and_say_what_repeats_safely);
    tcase_add_test(good, messages_are_listed_in_order_of_their_names);
    tcase_add_test(good, well_known_types_are_recognised);
    tcase_add_test(good, types_roles_and_classes_have_names);
    suite_add_tcase(s, good);
    tcase_add_test(bad, a_set_cut_anywhere_is_refused_or_is_a_smaller_set);
    tcase_add_test(bad, running_out_of_memory_at_any_allocation_leaves_nothing_behind);
    tcase_set_timeout(bad, 60);
    suite_add_tcase(s, bad);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

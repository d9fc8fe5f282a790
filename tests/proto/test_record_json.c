// SPDX-License-Identifier: Apache-2.0
// Records to JSON and the streaming writer beneath. Equality with python3-protobuf over random schemas is proto.json_vs_python.
#include "proto/schema/record_json.h"

#include <math.h>

#include "proto/base/limits.h"
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

static const char *text_of(struct wf_buf *b)
{
    ck_assert(wf_buf_append_byte(b, 0) == WEFT_OK);
    b->len--;
    return (const char *)b->ptr;
}

START_TEST(the_rich_record_prints_as_its_vector)
{
    char path[512];
    struct wf_buf in = wf_test_vector("record/001-rich.hex"), out = { 0 };
    struct wf_diag diag = { 0 };

    snprintf(path, sizeof path, "%s/tests/vectors/record/001-rich.json", getenv("WEFT_SOURCE_DIR"));
    struct wf_buf want = wf_test_file(path);
    enum weft_err err = wf_record_json(
        fixture_message(rich, "weft.test.Host"), wf_buf_view(&in), NULL, &out, &diag);
    ck_assert_msg(err == WEFT_OK, "%s", diag.text);
    ck_assert(wf_buf_append_byte(&out, '\n') == WEFT_OK);
    ck_assert_str_eq(text_of(&out), text_of(&want));
    wf_buf_fini(&in);
    wf_buf_fini(&out);
    wf_buf_fini(&want);
}
END_TEST

static const struct json_row {
    const char *why, *type, *hex, *want;
} rows[] = {
    { "nothing", "weft.test.Host", "", "{}" },
    { "escapes", "weft.test.Disk", "0a0b 220a090d0c08 5c2f 001f7f",
        "{\"mount\":\"\\\"\\n\\t\\r\\f\\b\\\\/\\u0000\\u001f\\u007f\"}" },
    { "escapes of C1 and of what turns the direction", "weft.test.Disk",
        "0a0f 61c29b62 e280ae e281a6 d89c c3a9 63",
        "{\"mount\":\"a\\u009bb\\u202e\\u2066\\u061c\xc3\xa9"
        "c\"}" },
    { "text outside ASCII as it is", "weft.test.Disk", "0a09 c3a9e697a5f09fa68a",
        "{\"mount\":\"\xc3\xa9\xe6\x97\xa5\xf0\x9f\xa6\x8a\"}" },
    { "what is not finite is text", "weft.test.Host", "a101000000000000f87f ad010000807f",
        "{\"fDouble\":\"NaN\",\"fFloat\":\"Infinity\"}" },
    { "minus infinity", "weft.test.Host", "ad01000080ff", "{\"fFloat\":\"-Infinity\"}" },
    { "an unknown enum number is a number", "weft.test.Host", "800163", "{\"kind\":99}" },
    { "an alias prints by its first name", "weft.test.Host", "800102",
        "{\"kind\":\"KIND_SOLID\"}" },
    { "bytes in base64 with padding", "weft.test.Host", "9a0101ff", "{\"raw\":\"/w==\"}" },
    { "an empty wrapper", "weft.test.Host", "a20300 aa0300", "{\"wBool\":false,\"wString\":\"\"}" },
    { "a Value without kind is null", "weft.test.Host", "da0200", "{\"value\":null}" },
    { "an empty Struct, ListValue, Empty", "weft.test.Host", "d20200 e20200 ea0200",
        "{\"extra\":{},\"values\":[],\"empty\":{}}" },
    { "a Value of a list of nothing", "weft.test.Host", "da02023200", "{\"value\":[]}" },
    { "an empty FieldMask", "weft.test.Host", "ca0200", "{\"mask\":\"\"}" },
    { "a Timestamp alone", "google.protobuf.Timestamp", "0801", "\"1970-01-01T00:00:01Z\"" },
    { "a wrapper alone", "google.protobuf.Int64Value", "0805", "\"5\"" },
    { "a Value alone", "google.protobuf.Value", "2001", "true" },
    { "a Struct alone, keys in order", "google.protobuf.Struct",
        "0a070a016212022001 0a070a016112020800", "{\"a\":null,\"b\":true}" },
    { "null in a oneof", "weft.test.Host", "6000", "{\"nothing\":null}" },
    { "proto2 prints what is present", "weft.legacy.Old", "0a00 1000",
        "{\"id\":\"\",\"count\":0}" },
};

START_TEST(a_record_prints_as_the_mapping_says)
{
    const struct json_row *r = &rows[_i];
    struct wf_buf in = wf_test_hex(r->hex), out = { 0 };
    struct wf_diag diag = { 0 };
    const struct wf_schema *schema = strstr(r->type, "legacy") ? legacy : rich;

    enum weft_err err =
        wf_record_json(fixture_message(schema, r->type), wf_buf_view(&in), NULL, &out, &diag);
    ck_assert_msg(err == WEFT_OK, "%s: %s", r->why, diag.text);
    ck_assert_msg(strcmp(text_of(&out), r->want) == 0, "%s: %s", r->why, text_of(&out));
    wf_buf_fini(&in);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(all_fields_can_be_printed)
{
    const struct wf_record_json_options options = { .always_print_fields = true };
    struct wf_buf in = wf_test_hex("1005"), out = { 0 };

    ck_assert(wf_record_json(fixture_message(rich, "weft.test.Disk"), wf_buf_view(&in), &options,
                  &out, NULL) == WEFT_OK);
    ck_assert_str_eq(text_of(&out),
        "{\"mount\":\"\",\"usedBytes\":\"5\",\"ratio\":0.0,\"kind\":\"KIND_UNKNOWN\"}");
    out.len = 0;
    in.len = 0;
    ck_assert(wf_record_json(fixture_message(rich, "weft.test.Host.Nested"), wf_buf_view(&in),
                  &options, &out, NULL) == WEFT_OK);
    ck_assert_str_eq(text_of(&out), "{\"deeper\":[],\"level\":\"LEVEL_LOW\"}");
    out.len = 0;
    ck_assert(wf_record_json(fixture_message(rich, "weft.test.Host"), wf_buf_view(&in), &options,
                  &out, NULL) == WEFT_OK);
    // Lists, maps and plain fields; nothing that can be told from absent.
    ck_assert_ptr_nonnull(strstr(text_of(&out), "\"disks\":[],\"mounts\":{},"));
    ck_assert_ptr_nonnull(strstr(text_of(&out), "\"fUint64\":\"0\""));
    ck_assert_ptr_null(strstr(text_of(&out), "\"maybe\""));
    ck_assert_ptr_null(strstr(text_of(&out), "\"text\""));
    ck_assert_ptr_null(strstr(text_of(&out), "\"time\""));
    wf_buf_fini(&in);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(output_can_be_indented_and_keep_the_names_of_the_file)
{
    const struct wf_record_json_options options = { .indent = 2, .proto_names = true };
    struct wf_buf in = wf_test_hex("1a021005 6a0201 02 d20200"), out = { 0 };

    ck_assert(wf_record_json(fixture_message(rich, "weft.test.Host"), wf_buf_view(&in), &options,
                  &out, NULL) == WEFT_OK);
    ck_assert_str_eq(text_of(&out),
        "{\n  \"disks\": [\n    {\n      \"used_bytes\": \"5\"\n    }\n  ],\n"
        "  \"packed\": [\n    1,\n    2\n  ],\n  \"extra\": {}\n}");
    wf_buf_fini(&in);
    wf_buf_fini(&out);
}
END_TEST

static const struct field_row {
    const char *field, *want;
} field_rows[] = {
    { "disks", "[{\"mount\":\"/\"},{}]" },
    { "mounts", "{\"k\":{\"mount\":\"/\"}}" },
    { "packed", "[1,2]" },
    { "name", "\"a\"" },
    { "time", "\"1970-01-01T00:00:01Z\"" },
    { "parent", "{\"disks\":[{}]}" },
    { "extra", "{\"a\":null}" },
    { "names", "null" },
    { "value", "null" },
};

START_TEST(one_field_prints_alone)
{
    const struct field_row *r = &field_rows[_i];
    const struct wf_schema_message *host = fixture_message(rich, "weft.test.Host");
    struct wf_buf in =
                      wf_test_hex("0a0161 12020801 1a030a012f 1a00 2208 0a016b 12030a012f 6a020102 "
                                  "920102 1a00 d20209 0a070a016112020800"),
                  out = { 0 };
    struct wf_diag diag = { 0 };

    enum weft_err err = wf_record_field_json(
        host, wf_schema_field_by_name(host, wf_bytes_str(r->field)), wf_buf_view(&in), &out, &diag);
    ck_assert_msg(err == WEFT_OK, "%s", diag.text);
    ck_assert_str_eq(text_of(&out), r->want);
    wf_buf_fini(&in);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(what_can_not_be_printed_leaves_the_buffer_as_it_was)
{
    static const struct {
        const char *hex;
        enum weft_err want;
        const char *says;
    } bad[] = {
        { "0a0161 1206 108094ebdc03", WEFT_E_RANGE, "time: Timestamp" },
        { "0a0161 c2020d 0801 10ffffffffffffffffff01", WEFT_E_RANGE, "uptime: Duration" },
        { "0a0161 da0209 11000000000000f07f", WEFT_E_RANGE, "value.number_value:" },
        { "0a0161 ca02040a024141", WEFT_E_RANGE, "mask:" },
        { "0a0161 aa03030a01ff", WEFT_E_BAD_UTF8, "" },
        { "0a0161 1201 08", WEFT_E_TRUNCATED, "time:" },
        { "0a0161 12030a0161", WEFT_E_TYPE, "time:" },
        { "0a0161 ca020208 01", WEFT_E_TYPE, "mask:" },
    };
    const struct wf_schema_message *host = fixture_message(rich, "weft.test.Host");

    for (size_t i = 0; i < WF_COUNT(bad); i++) {
        struct wf_buf in = wf_test_hex(bad[i].hex), out = { 0 };
        struct wf_diag diag = { 0 };
        ck_assert(wf_buf_append(&out, WF_STR("before")) == WEFT_OK);
        enum weft_err err = wf_record_json(host, wf_buf_view(&in), NULL, &out, &diag);
        ck_assert_msg(err == bad[i].want, "%s: %s", bad[i].hex, weft_err_name(err));
        ck_assert_msg(strstr(diag.text, bad[i].says) != NULL, "%s", diag.text);
        ck_assert_str_eq(text_of(&out), "before");
        wf_buf_fini(&in);
        wf_buf_fini(&out);
    }
}
END_TEST

START_TEST(output_has_a_cap)
{
    struct wf_buf in = { 0 }, out = { 0 };

    // Thirty thousand disks of four bytes each print as thirteen.
    for (int i = 0; i < 30000; i++)
        ck_assert(wf_buf_append(&in, WF_STR("\x1a\x02\x20\x63")) == WEFT_OK);
    ck_assert(wf_record_json(fixture_message(rich, "weft.test.Host"), wf_buf_view(&in), NULL, &out,
                  NULL) == WEFT_OK);
    struct wf_json_out o;
    struct wf_buf small = { 0 };
    wf_json_out_init(&o, &small, 1000, 0);
    ck_assert_int_eq(wf_record_json_out(
                         fixture_message(rich, "weft.test.Host"), wf_buf_view(&in), NULL, &o, NULL),
        WEFT_E_TOO_BIG);
    ck_assert_int_eq(wf_json_out_done(&o), WEFT_E_TOO_BIG);
    ck_assert_uint_eq(small.len, 0);
    ck_assert_uint_le(small.cap, 4096);
    wf_buf_fini(&in);
    wf_buf_fini(&out);
    wf_buf_fini(&small);
}
END_TEST

START_TEST(running_out_of_memory_at_any_allocation_is_reported)
{
    struct wf_buf in = wf_test_vector("record/001-rich.hex");
    const struct wf_schema_message *host = fixture_message(rich, "weft.test.Host");
    enum weft_err err = WEFT_E_NOMEM;
    long n = 1;

    for (; err == WEFT_E_NOMEM && n < 100; n++) {
        struct wf_buf out = { 0 };
        wf_test_fail_alloc(n);
        err = wf_record_json(host, wf_buf_view(&in), NULL, &out, NULL);
        wf_test_fail_alloc(-1);
        ck_assert(err == WEFT_OK || out.len == 0);
        wf_buf_fini(&out);
    }
    ck_assert_int_eq(err, WEFT_OK);
    ck_assert_int_gt(n, 3);
    wf_buf_fini(&in);
}
END_TEST

// ---- the writer

START_TEST(the_writer_places_commas_keys_and_closers)
{
    struct wf_buf b = { 0 };
    struct wf_json_out o;

    wf_json_out_init(&o, &b, 1000, 0);
    wf_json_out_object(&o);
    wf_json_out_member(&o, "schema", WF_STR("weft.x/v1"));
    wf_json_out_member_int(&o, "n", -1);
    wf_json_out_member_bool(&o, "ok", true);
    wf_json_out_key(&o, WF_STR("list"));
    wf_json_out_array(&o);
    wf_json_out_uint(&o, UINT64_MAX);
    wf_json_out_double(&o, 0.5);
    wf_json_out_float(&o, 0.1f);
    wf_json_out_null(&o);
    wf_json_out_base64(&o, WF_STR("ab"));
    wf_json_out_raw(&o, WF_STR("{\"raw\":1}"));
    wf_json_out_array(&o);
    wf_json_out_end(&o);
    wf_json_out_end(&o);
    wf_json_out_end(&o);
    ck_assert_int_eq(wf_json_out_done(&o), WEFT_OK);
    ck_assert_str_eq(text_of(&b),
        "{\"schema\":\"weft.x/v1\",\"n\":-1,\"ok\":true,\"list\":[18446744073709551615,0.5,0.1,"
        "null,\"YWI=\",{\"raw\":1},[]]}");
    wf_buf_fini(&b);
}
END_TEST

static void value_without_key(struct wf_json_out *o)
{
    wf_json_out_object(o);
    wf_json_out_int(o, 1);
}
static void key_in_array(struct wf_json_out *o)
{
    wf_json_out_array(o);
    wf_json_out_key(o, WF_STR("k"));
}
static void key_without_value(struct wf_json_out *o)
{
    wf_json_out_object(o);
    wf_json_out_key(o, WF_STR("k"));
    wf_json_out_end(o);
}
static void two_keys(struct wf_json_out *o)
{
    wf_json_out_object(o);
    wf_json_out_key(o, WF_STR("k"));
    wf_json_out_key(o, WF_STR("l"));
}
static void two_values(struct wf_json_out *o)
{
    wf_json_out_int(o, 1);
    wf_json_out_int(o, 2);
}
static void end_too_often(struct wf_json_out *o)
{
    wf_json_out_array(o);
    wf_json_out_end(o);
    wf_json_out_end(o);
}
static void never_ended(struct wf_json_out *o)
{
    wf_json_out_array(o);
}
static void nothing_at_all(struct wf_json_out *o)
{
    (void)o;
}
static void bad_text(struct wf_json_out *o)
{
    wf_json_out_string(o, WF_STR("\xff"));
}
static void too_long(struct wf_json_out *o)
{
    wf_json_out_array(o);
    for (int i = 0; i < 200; i++)
        wf_json_out_string(o, WF_STR("0123456789012345678901234567890123456789012345678901234567890"
                                     "123456789012345678901234567890123456789"));
}
static void too_deep(struct wf_json_out *o)
{
    for (unsigned i = 0; i <= WF_JSON_OUT_DEPTH; i++)
        wf_json_out_array(o);
}
static void told_to_fail(struct wf_json_out *o)
{
    wf_json_out_fail(o, WEFT_E_NOT_FOUND);
    wf_json_out_fail(o, WEFT_E_RANGE);
    wf_json_out_int(o, 1);
}

static const struct misuse {
    void (*act)(struct wf_json_out *o);
    enum weft_err want;
} misuses[] = {
    { value_without_key, WEFT_E_STATE },
    { key_in_array, WEFT_E_STATE },
    { key_without_value, WEFT_E_STATE },
    { two_keys, WEFT_E_STATE },
    { two_values, WEFT_E_STATE },
    { end_too_often, WEFT_E_STATE },
    { never_ended, WEFT_E_STATE },
    { nothing_at_all, WEFT_E_STATE },
    { bad_text, WEFT_E_BAD_UTF8 },
    { too_long, WEFT_E_TOO_BIG },
    { too_deep, WEFT_E_TOO_DEEP },
    { told_to_fail, WEFT_E_NOT_FOUND },
};

START_TEST(a_mistake_sticks_and_leaves_no_text)
{
    struct wf_buf b = { 0 };
    struct wf_json_out o;

    ck_assert(wf_buf_append(&b, WF_STR("x")) == WEFT_OK);
    wf_json_out_init(&o, &b, 1000, 0);
    misuses[_i].act(&o);
    ck_assert_int_eq(wf_json_out_done(&o), misuses[_i].want);
    ck_assert_str_eq(text_of(&b), "x");
    wf_buf_fini(&b);
}
END_TEST

START_TEST(every_length_of_base64_is_padded)
{
    static const char *const want[] = { "\"\"", "\"Zg==\"", "\"Zm8=\"", "\"Zm9v\"", "\"Zm9vYg==\"",
        "\"Zm9vYmE=\"", "\"Zm9vYmFy\"" }; // RFC 4648, section 10

    for (size_t i = 0; i < WF_COUNT(want); i++) {
        struct wf_buf b = { 0 };
        struct wf_json_out o;
        wf_json_out_init(&o, &b, 100, 0);
        wf_json_out_base64(&o, wf_bytes("foobar", i));
        ck_assert(wf_json_out_done(&o) == WEFT_OK);
        ck_assert_str_eq(text_of(&b), want[i]);
        wf_buf_fini(&b);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("record_json");
    TCase *t = tcase_create("record_json"), *w = tcase_create("json_out");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_rich_record_prints_as_its_vector);
    tcase_add_loop_test(t, a_record_prints_as_the_mapping_says, 0, (int)WF_COUNT(rows));
    tcase_add_test(t, all_fields_can_be_printed);
    tcase_add_test(t, output_can_be_indented_and_keep_the_names_of_the_file);
    tcase_add_loop_test(t, one_field_prints_alone, 0, (int)WF_COUNT(field_rows));
    tcase_add_test(t, what_can_not_be_printed_leaves_the_buffer_as_it_was);
    tcase_add_test(t, output_has_a_cap);
    tcase_add_test(t, running_out_of_memory_at_any_allocation_is_reported);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    tcase_add_test(w, the_writer_places_commas_keys_and_closers);
    tcase_add_loop_test(w, a_mistake_sticks_and_leaves_no_text, 0, (int)WF_COUNT(misuses));
    tcase_add_test(w, every_length_of_base64_is_padded);
    suite_add_tcase(s, w);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

// SPDX-License-Identifier: Apache-2.0
// JSON in: the values, and records by their schema. Equality with python3-protobuf is proto.json_vs_python.
#include "sdk/json.h"

#include "proto/schema/record_json.h"
#include "sdk/json_scalar.h"
#include "tests/proto/schema_fixture.h"

static struct wf_schema *rich, *legacy;
static const struct wf_schema_message *host, *old;

static void setup(void)
{
    rich = fixture_schema("rich");
    legacy = fixture_schema("legacy");
    host = fixture_message(rich, "weft.test.Host");
    old = fixture_message(legacy, "weft.legacy.Old");
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

static const struct wf_schema_message *type_of(const char *name)
{
    const struct wf_schema_message *m = wf_schema_find_message(rich, wf_bytes_str(name));

    return m ? m : fixture_message(legacy, name);
}

START_TEST(the_rich_vector_encodes_to_its_bytes)
{
    char path[512];
    struct wf_buf want = wf_test_vector("record/001-rich.hex"), got = { 0 };
    struct wf_diag diag = { 0 };

    snprintf(path, sizeof path, "%s/tests/vectors/record/001-rich.json", getenv("WEFT_SOURCE_DIR"));
    struct wf_buf json = wf_test_file(path);
    ck_assert_msg(
        wf_json_to_record(host, wf_buf_view(&json), &got, &diag) == WEFT_OK, "%s", diag.text);
    ck_assert(wf_bytes_eq(wf_buf_view(&got), wf_buf_view(&want)));
    wf_buf_fini(&json);
    wf_buf_fini(&got);
    wf_buf_fini(&want);
}
END_TEST

#define HOST "weft.test.Host"
#define OLD  "weft.legacy.Old"

static const struct good_row {
    const char *why, *type, *json, *hex;
} goods[] = {
    { "nothing", HOST, "{}", "" },
    { "either name", HOST, "{\"f_int32\":1}", "b00101" },
    { "a name given by hand", HOST, "{\"in-side\":{}}", "e20300" },
    { "and the original one", HOST, "{\"nested\":{}}", "e20300" },
    { "keys in any order", HOST, "{\"kind\":1,\"name\":\"a\"}", "0a0161 800101" },
    { "null is absent", HOST,
        "{\"name\":null,\"disks\":null,\"mounts\":null,\"time\":null,\"text\":null}", "" },
    { "implicit zeros are left out", HOST,
        "{\"name\":\"\",\"fInt32\":0,\"fBool\":false,\"fDouble\":0}", "" },
    { "minus zero is not", HOST, "{\"fDouble\":-0.0}", "a1010000000000000080" },
    { "an optional zero stays", HOST, "{\"maybe\":0}", "4000" },
    { "a oneof's zero stays", HOST, "{\"number\":\"0\"}", "5800" },
    { "int64 as a string", HOST, "{\"fInt64\":\"-1\"}", "b801ffffffffffffffffff01" },
    { "int64 as a number", HOST, "{\"fInt64\":-1}", "b801ffffffffffffffffff01" },
    { "int64 to its ends", HOST, "{\"fInt64\":9223372036854775807}", "b801ffffffffffffffff7f" },
    { "uint64 to its end, as a string", HOST, "{\"fUint64\":\"18446744073709551615\"}",
        "c801ffffffffffffffffff01" },
    { "a whole number with a fraction", HOST, "{\"fInt32\":3.0}", "b00103" },
    { "a whole number with an exponent", HOST, "{\"fInt32\":1e2}", "b00164" },
    { "a double from an integer beyond int64", HOST, "{\"fDouble\":100000000000000000000}",
        "a10140 8cb5781daf1544" },
    { "other integers beside it are exact", HOST,
        "{\"fInt32\":7,\"fDouble\":100000000000000000000}", "a10140 8cb5781daf1544 b00107" },
    { "a double as a string", HOST, "{\"fDouble\":\"1.5\"}", "a101000000000000f83f" },
    { "what is not finite, as strings", HOST, "{\"fDouble\":\"-Infinity\",\"fFloat\":\"NaN\"}",
        "a101000000000000f0ff ad010000c07f" },
    { "an enum by name", HOST, "{\"kind\":\"KIND_FLASH\"}", "800102" },
    { "an enum by number, unknown too", HOST, "{\"kind\":99}", "800163" },
    { "bytes in the standard alphabet", HOST, "{\"raw\":\"+/8=\"}", "9a0102fbff" },
    { "bytes in the alphabet of URLs, without padding", HOST, "{\"raw\":\"-_8\"}", "9a0102fbff" },
    { "a packed list", HOST, "{\"packed\":[1,300]}", "6a0301ac02" },
    { "an empty list is absent", HOST, "{\"packed\":[],\"disks\":[],\"ports\":{}}", "" },
    { "a list that is not packed", HOST, "{\"unpacked\":[\"1\",-1]}", "7002 7001" },
    { "a map in order of its keys, zeros written", HOST, "{\"ports\":{\"10\":\"\",\"-2\":\"x\"}}",
        "2a0e 08feffffffffffffffff01 120178 2a04 080a1200" },
    { "a map of booleans", HOST, "{\"flags\":{\"true\":0,\"false\":1}}",
        "320b 080011000000000000f03f 320b 0801110000000000000000" },
    { "a Timestamp with an offset", HOST, "{\"time\":\"1970-01-01T01:00:01.5+01:00\"}",
        "1208 0801 1080cab5ee01" },
    { "a FieldMask of nothing", HOST, "{\"mask\":\"\"}", "ca0200" },
    { "a FieldMask of two", HOST, "{\"mask\":\"a,fooBar\"}", "ca020c 0a0161 0a07666f6f5f626172" },
    { "a Value that is null", HOST, "{\"value\":null}", "da02020800" },
    { "a Value in a Value", HOST, "{\"value\":[[]]}", "da0206 3204 0a02 3200" },
    { "null in a Struct and a ListValue", HOST, "{\"extra\":{\"k\":null},\"values\":[null]}",
        "d20209 0a070a016b12020800 e202040a020800" },
    { "NullValue from null", HOST, "{\"nothing\":null}", "6000" },
    { "NullValue by name", HOST, "{\"nothing\":\"NULL_VALUE\"}", "6000" },
    { "a wrapper's zero is an empty message", HOST, "{\"wInt32\":0}", "920300" },
    { "a wrapper's null is absent", HOST, "{\"wInt32\":null}", "" },
    { "text with NUL", HOST, "{\"name\":\"a\\u0000b\"}", "0a03610062" },
    { "a surrogate pair", HOST, "{\"name\":\"\\ud83e\\udd8a\"}", "0a04f09fa68a" },
    { "a Timestamp alone", "google.protobuf.Timestamp", "\"1970-01-01T00:00:01Z\"", "0801" },
    { "a wrapper alone", "google.protobuf.StringValue", "\"x\"", "0a0178" },
    { "proto2 with its required field", OLD, "{\"id\":\"\",\"count\":0}", "0a00 1000" },
    { "a closed enum", OLD, "{\"id\":\"\",\"color\":4,\"colors\":[\"RED\"]}", "0a00 2804 520103" },
};

START_TEST(json_that_fits_becomes_a_record)
{
    const struct good_row *r = &goods[_i];
    struct wf_buf want = wf_test_hex(r->hex), got = { 0 }, hex = { 0 };
    struct wf_diag diag = { 0 };

    enum weft_err err = wf_json_to_record(type_of(r->type), wf_bytes_str(r->json), &got, &diag);
    ck_assert_msg(err == WEFT_OK, "%s: %s", r->why, diag.text);
    ck_assert(wf_buf_reserve(&hex, got.len * 2 + 1) == WEFT_OK);
    wf_hex_put(wf_buf_view(&got), (char *)hex.ptr);
    ck_assert_msg(
        wf_bytes_eq(wf_buf_view(&got), wf_buf_view(&want)), "%s: %s", r->why, (char *)hex.ptr);
    ck_assert_int_eq(wf_record_check(type_of(r->type), wf_buf_view(&got), NULL), WEFT_OK);
    wf_buf_fini(&got);
    wf_buf_fini(&want);
    wf_buf_fini(&hex);
}
END_TEST

static const struct bad_row {
    const char *why, *type, *json;
    enum weft_err want;
    const char *says;
} bads[] = {
    { "the place of an element", HOST, "{\"disks\":[{},{},{\"usedBytes\":\"abc\"}]}", WEFT_E_SYNTAX,
        "disks[2].usedBytes: expected an integer, got \"abc\"" },
    { "the place in a map", HOST, "{\"mounts\":{\"a b\":{\"ratio\":[]}}}", WEFT_E_TYPE,
        "mounts[\"a b\"].ratio: expected a number, got a list" },
    { "a misspelt key", HOST, "{\"disks\":[{\"usedByte\":1}]}", WEFT_E_UNKNOWN_FIELD,
        "disks[0].usedByte: weft.test.Disk has no such field (did you mean \"usedBytes\"?)" },
    { "a key of nothing near", HOST, "{\"zzzzzzzz\":1}", WEFT_E_UNKNOWN_FIELD, "no such field" },
    { "a key that could drive a terminal", HOST, "{\"\\u001b[2J\":1}", WEFT_E_UNKNOWN_FIELD,
        "[\"[2J\"]" },
    { "a field under both names", HOST, "{\"fInt32\":1,\"f_int32\":1}", WEFT_E_EXISTS,
        "given twice" },
    { "two members of a oneof", HOST, "{\"text\":\"a\",\"number\":1}", WEFT_E_EXISTS,
        "oneof choice already has \"text\"" },
    { "a list where one is meant", HOST, "{\"name\":[\"a\"]}", WEFT_E_TYPE,
        "expected a string, got a list" },
    { "one where a list is meant", HOST, "{\"names\":\"a\"}", WEFT_E_TYPE,
        "expected a list, got \"a\"" },
    { "a list where a map is meant", HOST, "{\"ports\":[]}", WEFT_E_TYPE,
        "expected an object, got a list" },
    { "text where a message is meant", HOST, "{\"parent\":\"x\"}", WEFT_E_TYPE,
        "expected an object" },
    { "null in a list", HOST, "{\"names\":[\"a\",null]}", WEFT_E_TYPE,
        "names[1]: null can't stand in a list" },
    { "null in a map", HOST, "{\"ports\":{\"1\":null}}", WEFT_E_TYPE,
        "ports.1: null can't stand in a map" },
    { "a number as text", HOST, "{\"name\":1}", WEFT_E_TYPE, "expected a string, got 1" },
    { "a boolean as text", HOST, "{\"fBool\":\"true\"}", WEFT_E_TYPE,
        "expected true or false, got \"true\"" },
    { "a boolean as number", HOST, "{\"fBool\":1}", WEFT_E_TYPE, "expected true or false" },
    { "true as a number", HOST, "{\"fInt32\":true}", WEFT_E_TYPE, "expected an integer, got true" },
    { "a fraction for an integer", HOST, "{\"fInt32\":1.5}", WEFT_E_TYPE,
        "expected an integer, got 1.5" },
    { "int32 beyond its range", HOST, "{\"fInt32\":2147483648}", WEFT_E_RANGE,
        "2147483648 is out of range for int32" },
    { "uint32 below zero", HOST, "{\"fUint32\":-1}", WEFT_E_RANGE,
        "-1 is out of range for uint32" },
    { "uint64 below zero, as a string", HOST, "{\"fUint64\":\"-1\"}", WEFT_E_RANGE,
        "out of range for uint64" },
    { "int64 beyond its range, as a string", HOST, "{\"fInt64\":\"9223372036854775808\"}",
        WEFT_E_RANGE, "out of range for int64" },
    { "uint64 beyond int64 as a number can't be exact", HOST, "{\"fUint64\":18446744073709551615}",
        WEFT_E_RANGE, "as a string beyond 2^53" },
    { "an inexact whole double for an integer", HOST, "{\"fInt64\":1e18}", WEFT_E_RANGE,
        "as a string beyond 2^53" },
    { "an integer with a sign of plus", HOST, "{\"fInt32\":\"+1\"}", WEFT_E_SYNTAX,
        "expected an integer" },
    { "an integer in a string of spaces", HOST, "{\"fInt32\":\" 1\"}", WEFT_E_SYNTAX,
        "expected an integer" },
    { "a float beyond its range", HOST, "{\"fFloat\":1e39}", WEFT_E_RANGE,
        "out of range for float" },
    { "nan in lower case", HOST, "{\"fDouble\":\"nan\"}", WEFT_E_SYNTAX, "expected a number" },
    { "an enum by a name it has not", HOST, "{\"kind\":\"SOLID\"}", WEFT_E_TYPE,
        "expected a value of weft.test.Kind such as \"KIND_UNKNOWN\", got \"SOLID\"" },
    { "an enum by half a number", HOST, "{\"kind\":0.5}", WEFT_E_TYPE,
        "expected a value of weft.test.Kind" },
    { "an enum beyond 32 bits", HOST, "{\"kind\":4294967296}", WEFT_E_TYPE, "expected a value of" },
    { "a closed enum's unknown number", OLD, "{\"id\":\"\",\"color\":9}", WEFT_E_TYPE,
        "weft.legacy.Color" },
    { "base64 with a stray character", HOST, "{\"raw\":\"a*bc\"}", WEFT_E_SYNTAX,
        "expected base64" },
    { "base64 of an impossible length", HOST, "{\"raw\":\"abcde\"}", WEFT_E_SYNTAX,
        "expected base64" },
    { "base64 padded within", HOST, "{\"raw\":\"ab==cd==\"}", WEFT_E_SYNTAX, "expected base64" },
    { "a map key of another type", HOST, "{\"ports\":{\"x\":\"\"}}", WEFT_E_SYNTAX,
        "ports.x: the key is no int32" },
    { "a map key beyond its range", HOST, "{\"ports\":{\"2147483648\":\"\"}}", WEFT_E_RANGE,
        "the key is no int32" },
    { "a map key twice, written differently", HOST, "{\"ports\":{\"1\":\"a\",\"01\":\"b\"}}",
        WEFT_E_EXISTS, "stands twice" },
    { "a map key that is no boolean", HOST, "{\"flags\":{\"yes\":1}}", WEFT_E_SYNTAX,
        "the key is no bool" },
    { "a time that is none", HOST, "{\"time\":\"yesterday\"}", WEFT_E_SYNTAX,
        "time: expected an RFC 3339 time" },
    { "a time of milliseconds", HOST, "{\"time\":1767323045678}", WEFT_E_TYPE,
        "expected an RFC 3339 time" },
    { "a time before the year 1", HOST, "{\"time\":\"0000-01-01T00:00:00Z\"}", WEFT_E_RANGE,
        "RFC 3339" },
    { "a duration without unit", HOST, "{\"uptime\":\"1\"}", WEFT_E_SYNTAX, "expected a duration" },
    { "a FieldMask in snake case", HOST, "{\"mask\":\"foo_bar\"}", WEFT_E_SYNTAX,
        "lowerCamelCase" },
    { "an empty path of a FieldMask", HOST, "{\"mask\":\"a,,b\"}", WEFT_E_SYNTAX,
        "lowerCamelCase" },
    { "a FieldMask as a list", HOST, "{\"mask\":[\"a\"]}", WEFT_E_TYPE, "field paths" },
    { "a required field is absent", OLD, "{\"count\":1}", WEFT_E_MISSING_FIELD,
        "\"id\" is absent" },
    { "and inside", OLD, "{\"id\":\"\",\"inner\":{}}", WEFT_E_MISSING_FIELD,
        "inner: required field \"x\"" },
    { "no object at all", HOST, "[]", WEFT_E_TYPE, "expected an object, got a list" },
    { "null alone", HOST, "null", WEFT_E_TYPE, "expected an object, got null" },
};

START_TEST(json_that_does_not_fit_is_refused_with_its_place)
{
    const struct bad_row *r = &bads[_i];
    struct wf_buf out = { 0 };
    struct wf_diag diag = { 0 };

    ck_assert(wf_buf_append(&out, WF_STR("before")) == WEFT_OK);
    enum weft_err err = wf_json_to_record(type_of(r->type), wf_bytes_str(r->json), &out, &diag);
    ck_assert_msg(err == r->want, "%s: %s (%s)", r->why, weft_err_name(err), diag.text);
    ck_assert_msg(strstr(diag.text, r->says) != NULL, "%s: %s", r->why, diag.text);
    ck_assert_str_eq(text_of(&out), "before");
    wf_buf_fini(&out);
}
END_TEST

static const struct syntax_row {
    const char *why, *json;
    unsigned line;
} syntaxes[] = {
    { "empty", "", 1 },
    { "a bare word", "yes", 1 },
    { "a trailing comma, on line 3", "{\n\"a\":1,\n}", 3 },
    { "a key twice", "{\"a\":1,\"a\":2}", 1 },
    { "more after the value", "{} {}", 1 },
    { "single quotes", "{'a':1}", 1 },
    { "a comment", "{} // no", 1 },
    { "an unpaired surrogate", "\"\\ud800\"", 1 },
    { "bytes that are not UTF-8", "\"\xff\"", 1 },
    { "a line break in a string", "\"a\nb\"", 1 },
    { "NaN unquoted", "NaN", 1 },
    { "a number too large for a double", "1e999", 1 },
    { "never closed", "[[[", 1 },
};

START_TEST(what_is_no_json_is_refused_with_line_and_column)
{
    struct wf_json *j = NULL;
    struct wf_diag diag = { 0 };

    ck_assert_msg(wf_json_parse(wf_bytes_str(syntaxes[_i].json), &j, &diag) == WEFT_E_SYNTAX, "%s",
        syntaxes[_i].why);
    ck_assert_ptr_null(j);
    ck_assert_msg(diag.line == syntaxes[_i].line && diag.text[0], "%s: %u:%u %s", syntaxes[_i].why,
        diag.line, diag.column, diag.text);
    for (const char *p = diag.text; *p; p++)
        ck_assert_int_ge(*p, ' ');
}
END_TEST

static struct wf_buf many(const char *open, const char *item, size_t times, const char *close)
{
    struct wf_buf b = { 0 };

    ck_assert(wf_buf_append_str(&b, open) == WEFT_OK);
    for (size_t i = 0; i < times; i++)
        ck_assert(wf_buf_append_str(&b, item) == WEFT_OK);
    ck_assert(wf_buf_append_str(&b, close) == WEFT_OK);
    return b;
}

START_TEST(size_depth_and_count_are_limited_before_parsing)
{
    struct {
        const char *why;
        struct wf_buf text;
        enum weft_err want;
    } cases[] = {
        { "128 levels", many("", "[", WF_MAX_JSON_DEPTH, ""), WEFT_E_SYNTAX },
        { "129 levels", many("", "[", WF_MAX_JSON_DEPTH + 1, ""), WEFT_E_TOO_DEEP },
        { "a million levels", many("", "{\"a\":", 500000, ""), WEFT_E_TOO_DEEP },
        { "brackets in a string are text", many("\"", "[\\\"", 1000, "\""), WEFT_OK },
        { "a million values", many("[0", ",0", 1000000, "]"), WEFT_E_BUDGET },
        { "a million lists", many("[0", ",[]", 1000000, "]"), WEFT_E_BUDGET },
        { "more than 4 MiB", many("\"", "0123456789abcdef", WF_MAX_JSON / 16, "\""),
            WEFT_E_TOO_BIG },
    };

    for (size_t i = 0; i < WF_COUNT(cases); i++) {
        struct wf_json *j = NULL;
        enum weft_err err = wf_json_parse(wf_buf_view(&cases[i].text), &j, NULL);
        ck_assert_msg(err == cases[i].want, "%s: %s", cases[i].why, weft_err_name(err));
        wf_json_free(j);
        wf_buf_fini(&cases[i].text);
    }
}
END_TEST

START_TEST(records_are_limited_as_they_are_written)
{
    struct {
        const char *why;
        struct wf_buf text;
        enum weft_err want;
    } cases[] = {
        { "62 messages deep", many("", "{\"parent\":", 62, "{}"), WEFT_OK },
        { "65 messages deep", many("", "{\"parent\":", 64, "{}"), WEFT_E_TOO_DEEP },
        { "elements beyond their limit", many("{\"packed\":[0", ",0", WF_MAX_RECORD_ELEMENTS, "]}"),
            WEFT_E_BUDGET },
        { "bytes beyond their limit",
            many("{\"name\":\"", "0123456789abcdef", WF_MAX_RECORD / 16, "\"}"), WEFT_E_TOO_BIG },
    };

    for (size_t i = 0; i < WF_COUNT(cases); i++) {
        struct wf_buf out = { 0 };
        for (int k = 0; i < 2 && k < (i ? 64 : 62); k++)
            ck_assert(wf_buf_append_byte(&cases[i].text, '}') == WEFT_OK);
        enum weft_err err = wf_json_to_record(host, wf_buf_view(&cases[i].text), &out, NULL);
        ck_assert_msg(err == cases[i].want, "%s: %s", cases[i].why, weft_err_name(err));
        ck_assert(err == WEFT_OK || out.len == 0);
        ck_assert(err || wf_record_check(host, wf_buf_view(&out), NULL) == WEFT_OK);
        wf_buf_fini(&out);
        wf_buf_fini(&cases[i].text);
    }
}
END_TEST

START_TEST(json_cut_anywhere_is_refused)
{
    char path[512];

    snprintf(path, sizeof path, "%s/tests/vectors/record/001-rich.json", getenv("WEFT_SOURCE_DIR"));
    struct wf_buf json = wf_test_file(path);
    for (size_t len = 0; len + 1 < json.len; len++) { // the last byte is a line break
        struct wf_buf out = { 0 };
        char *exact = malloc(len ? len : 1);
        memcpy(exact, json.ptr, len);
        ck_assert_int_eq(wf_json_to_record(host, wf_bytes(exact, len), &out, NULL), WEFT_E_SYNTAX);
        free(exact);
        wf_buf_fini(&out);
    }
    wf_buf_fini(&json);
}
END_TEST

START_TEST(values_are_read_by_type_and_nothing_is_invented)
{
    struct wf_json *j = NULL;
    char brief[WF_JSON_BRIEF];
    const char *text =
        "{\"s\":\"x\",\"i\":-5,\"r\":0.5,\"t\":true,\"n\":null,\"a\":[1,2],\"o\":{}}";

    ck_assert(wf_json_parse(wf_bytes_str(text), &j, NULL) == WEFT_OK);
    ck_assert_int_eq(wf_json_type(j), WF_JSON_OBJECT);
    ck_assert_uint_eq(wf_json_count(j), 7);
    ck_assert(wf_bytes_is(wf_json_string(wf_json_get(j, "s")), "x"));
    ck_assert_int_eq(wf_json_int(wf_json_get(j, "i")), -5);
    ck_assert_double_eq(wf_json_real(wf_json_get(j, "r")), 0.5);
    ck_assert_double_eq(wf_json_real(wf_json_get(j, "i")), -5.0);
    ck_assert(wf_json_bool(wf_json_get(j, "t")));
    ck_assert_int_eq(wf_json_type(wf_json_get(j, "n")), WF_JSON_NULL);
    ck_assert_uint_eq(wf_json_count(wf_json_get(j, "a")), 2);
    ck_assert_int_eq(wf_json_int(wf_json_at(wf_json_get(j, "a"), 1)), 2);
    ck_assert_ptr_null(wf_json_at(wf_json_get(j, "a"), 2));
    ck_assert_ptr_null(wf_json_get(j, "absent"));
    ck_assert_int_eq(wf_json_type(NULL), WF_JSON_NULL);
    ck_assert_int_eq(wf_json_int(wf_json_get(j, "s")), 0);
    ck_assert_uint_eq(wf_json_string(wf_json_get(j, "i")).len, 0);
    ck_assert(!wf_json_bool(wf_json_get(j, "s")));
    ck_assert_uint_eq(wf_json_count(wf_json_get(j, "s")), 0);
    ck_assert_str_eq(wf_json_brief(wf_json_get(j, "s"), brief), "\"x\"");
    ck_assert_str_eq(wf_json_brief(wf_json_get(j, "r"), brief), "0.5");
    ck_assert_str_eq(wf_json_brief(wf_json_get(j, "o"), brief), "an object");
    wf_json_free(j);
    wf_json_free(NULL);
}
END_TEST

START_TEST(members_come_as_written)
{
    struct wf_json *j = NULL;
    struct wf_json_iter it = { 0 }, none = { 0 };
    struct wf_bytes key;
    const struct wf_json *value;
    char seen[8] = "";

    ck_assert(wf_json_parse(WF_STR("{\"z\":1,\"a\":2,\"m\":3}"), &j, NULL) == WEFT_OK);
    for (size_t n = 0; wf_json_next(j, &it, &key, &value); n++) {
        ck_assert_int_eq(wf_json_int(value), (int)n + 1);
        seen[n] = (char)key.ptr[0];
    }
    ck_assert_str_eq(seen, "zam");
    ck_assert(!wf_json_next(NULL, &none, &key, &value));
    wf_json_free(j);
}
END_TEST

START_TEST(a_long_value_is_shown_in_brief)
{
    struct wf_json *j = NULL;
    char brief[WF_JSON_BRIEF];

    ck_assert(wf_json_parse(WF_STR("\"0123456789012345678901234567890123456789\\u001b[31mmore\""),
                  &j, NULL) == WEFT_OK);
    const char *text = wf_json_brief(j, brief);
    ck_assert_uint_lt(strlen(text), WF_JSON_BRIEF);
    ck_assert_ptr_null(strchr(text, '\033'));
    ck_assert_ptr_nonnull(strstr(text, "…"));
    wf_json_free(j);
}
END_TEST

// Only our own allocations fail here; the parser's are jansson's.
START_TEST(running_out_of_memory_at_any_allocation_leaves_nothing_behind)
{
    char path[512];
    struct wf_json *j = NULL;
    enum weft_err err = WEFT_E_NOMEM;
    long n = 1;

    snprintf(path, sizeof path, "%s/tests/vectors/record/001-rich.json", getenv("WEFT_SOURCE_DIR"));
    struct wf_buf json = wf_test_file(path);
    ck_assert(wf_json_parse(wf_buf_view(&json), &j, NULL) == WEFT_OK);
    for (; err == WEFT_E_NOMEM && n < 100; n++) {
        struct wf_buf out = { 0 };
        wf_test_fail_alloc(n);
        err = wf_json_encode(host, j, WF_MAX_RECORD, &out, NULL);
        wf_test_fail_alloc(-1);
        ck_assert(err == WEFT_OK || out.len == 0);
        wf_buf_fini(&out);
    }
    ck_assert_int_eq(err, WEFT_OK);
    ck_assert_int_gt(n, 3);
    wf_json_free(j);
    wf_buf_fini(&json);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *t = tcase_create("json");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_rich_vector_encodes_to_its_bytes);
    tcase_add_loop_test(t, json_that_fits_becomes_a_record, 0, (int)WF_COUNT(goods));
    tcase_add_loop_test(
        t, json_that_does_not_fit_is_refused_with_its_place, 0, (int)WF_COUNT(bads));
    tcase_add_loop_test(
        t, what_is_no_json_is_refused_with_line_and_column, 0, (int)WF_COUNT(syntaxes));
    tcase_add_test(t, size_depth_and_count_are_limited_before_parsing);
    tcase_add_test(t, records_are_limited_as_they_are_written);
    tcase_add_test(t, json_cut_anywhere_is_refused);
    tcase_add_test(t, values_are_read_by_type_and_nothing_is_invented);
    tcase_add_test(t, members_come_as_written);
    tcase_add_test(t, a_long_value_is_shown_in_brief);
    tcase_add_test(t, running_out_of_memory_at_any_allocation_leaves_nothing_behind);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

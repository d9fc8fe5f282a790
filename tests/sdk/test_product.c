// SPDX-License-Identifier: Apache-2.0
// Products made from a descriptor set: columns, values, JSON, the schema as text.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "sdk/json.h"
#include "sdk/product_int.h"
#include "tests/support/support.h"

static struct wf_buf set;
static struct weft_product *product;

static void setup(void)
{
    char path[512];
    struct weft_problem problem;

    snprintf(path, sizeof path, "%s/tests/product/station.set", getenv("WEFT_BUILD_DIR"));
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    set = wf_test_file(path);
    ck_assert_msg(weft_product_from_descriptor(
                      set.ptr, set.len, "test.station.v1.Reading", &product, &problem) == WEFT_OK,
        "%s", problem.text);
}

static void teardown(void)
{
    weft_product_free(product);
    wf_buf_fini(&set);
}

static struct wf_buf encode(const char *json)
{
    struct wf_buf out = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err =
        wf_json_to_record(wf_product_message(product), wf_bytes_str(json), &out, &diag);

    ck_assert_msg(err == WEFT_OK, "%s", diag.text);
    return out;
}

static size_t field_at(const char *name)
{
    for (size_t i = 0; i < weft_product_field_count(product); i++)
        if (strcmp(weft_product_field(product, i)->name, name) == 0)
            return i;
    ck_abort_msg("no column %s", name);
    return 0;
}

static const struct {
    const char *name, *json_name, *unit, *privacy;
    enum weft_type type;
    enum weft_role role;
} columns[] = {
    { "station", "station", "", "", WEFT_T_TEXT, WEFT_ROLE_LABEL },
    { "at", "at", "", "", WEFT_T_TIME, WEFT_ROLE_TIMESTAMP },
    { "warmth", "warmth", "Cel", "", WEFT_T_DOUBLE, WEFT_ROLE_GAUGE },
    { "drops", "drops", "{drop}", "", WEFT_T_UINT, WEFT_ROLE_COUNTER },
    { "height", "height", "", "", WEFT_T_INT, WEFT_ROLE_NONE },
    { "dry", "dry", "", "", WEFT_T_BOOL, WEFT_ROLE_NONE },
    { "raw", "raw", "", "", WEFT_T_BYTES, WEFT_ROLE_NONE },
    { "quality", "quality", "", "", WEFT_T_ENUM, WEFT_ROLE_NONE },
    { "place", "place", "", "", WEFT_T_JSON, WEFT_ROLE_NONE },
    { "notes", "notes", "", "", WEFT_T_JSON, WEFT_ROLE_NONE },
    { "counts", "counts", "", "", WEFT_T_JSON, WEFT_ROLE_NONE },
    { "wind", "wind", "", "", WEFT_T_UINT, WEFT_ROLE_NONE },
    { "person", "person", "", "personal", WEFT_T_TEXT, WEFT_ROLE_NONE },
    { "machine", "machine", "", "", WEFT_T_UINT, WEFT_ROLE_NONE },
};

START_TEST(each_field_is_a_column_of_its_type)
{
    ck_assert_uint_eq(weft_product_field_count(product), WF_COUNT(columns));
    for (size_t i = 0; i < WF_COUNT(columns); i++) {
        const struct weft_field *f = weft_product_field(product, i);
        ck_assert_str_eq(f->name, columns[i].name);
        ck_assert_str_eq(f->json_name, columns[i].json_name);
        ck_assert_str_eq(f->unit, columns[i].unit);
        ck_assert_str_eq(f->privacy, columns[i].privacy);
        ck_assert_msg(f->type == columns[i].type, "%s", f->name);
        ck_assert_msg(f->role == columns[i].role, "%s", f->name);
    }
    ck_assert_str_eq(weft_product_field(product, 1)->description, "when it was read");
    ck_assert_ptr_null(weft_product_field(product, WF_COUNT(columns)));
}
END_TEST

#define FULL                                                                                       \
    "{\"station\":\"a\",\"at\":\"2026-01-01T00:00:00.250Z\",\"warmth\":1.5,\"drops\":\"7\","       \
    "\"height\":-3,\"dry\":true,\"raw\":\"AAE=\",\"quality\":\"QUALITY_GOOD\","                    \
    "\"place\":{\"east\":1.0,\"north\":2.0},\"notes\":[\"x\",\"y\"],\"counts\":{\"k\":\"1\"},"     \
    "\"wind\":0,\"person\":\"p\"}"

START_TEST(values_are_read_by_column)
{
    struct wf_buf data = encode(FULL);
    struct weft_record r = { .data = data.ptr, .len = data.len };
    struct weft_value v;

    ck_assert_int_eq(weft_record_value(product, &r, field_at("station"), &v), WEFT_OK);
    ck_assert(v.type == WEFT_T_TEXT && v.bytes.len == 1 && v.bytes.ptr[0] == 'a');
    ck_assert_int_eq(weft_record_value(product, &r, field_at("at"), &v), WEFT_OK);
    ck_assert(v.type == WEFT_T_TIME && v.integer == 1767225600250000);
    ck_assert_int_eq(weft_record_value(product, &r, field_at("warmth"), &v), WEFT_OK);
    ck_assert(v.type == WEFT_T_DOUBLE && v.real == 1.5);
    ck_assert_int_eq(weft_record_value(product, &r, field_at("drops"), &v), WEFT_OK);
    ck_assert(v.type == WEFT_T_UINT && v.natural == 7);
    ck_assert_int_eq(weft_record_value(product, &r, field_at("height"), &v), WEFT_OK);
    ck_assert(v.type == WEFT_T_INT && v.integer == -3);
    ck_assert_int_eq(weft_record_value(product, &r, field_at("dry"), &v), WEFT_OK);
    ck_assert(v.type == WEFT_T_BOOL && v.flag);
    ck_assert_int_eq(weft_record_value(product, &r, field_at("raw"), &v), WEFT_OK);
    ck_assert(v.type == WEFT_T_BYTES && v.bytes.len == 2 && v.bytes.ptr[1] == 1);
    ck_assert_int_eq(weft_record_value(product, &r, field_at("quality"), &v), WEFT_OK);
    ck_assert(v.type == WEFT_T_ENUM && v.integer == 1);
    ck_assert_str_eq(v.name, "QUALITY_GOOD");
    ck_assert_int_eq(weft_record_value(product, &r, field_at("person"), &v), WEFT_OK);
    ck_assert(v.type == WEFT_T_TEXT);
    wf_buf_fini(&data);
}
END_TEST

static const struct {
    const char *column, *json;
} json_columns[] = { { "place", "{\"east\":1.0,\"north\":2.0}" }, { "notes", "[\"x\",\"y\"]" },
    { "counts", "{\"k\":\"1\"}" } };

START_TEST(nested_values_are_json)
{
    struct wf_buf data = encode(FULL);
    struct weft_record r = { .data = data.ptr, .len = data.len };
    struct weft_value v;
    const char *want = json_columns[_i].json;

    ck_assert_int_eq(
        weft_record_value(product, &r, field_at(json_columns[_i].column), &v), WEFT_OK);
    ck_assert_int_eq(v.type, WEFT_T_JSON);
    ck_assert_msg(v.bytes.len == strlen(want) && memcmp(v.bytes.ptr, want, v.bytes.len) == 0,
        "%.*s", (int)v.bytes.len, v.bytes.ptr);
    wf_buf_fini(&data);
}
END_TEST

static const struct {
    const char *column;
    enum weft_type type;
    const char *why;
} absent[] = {
    { "station", WEFT_T_TEXT, "without presence: the default" },
    { "height", WEFT_T_INT, "without presence: the default" },
    { "quality", WEFT_T_ENUM, "without presence: the first value" },
    { "wind", 0, "optional and not there" },
    { "at", 0, "a message that is not there" },
    { "place", 0, "a message that is not there" },
    { "notes", 0, "an empty list" },
    { "counts", 0, "an empty map" },
    { "person", 0, "no member of the oneof" },
};

START_TEST(what_is_not_there_is_absent_or_default)
{
    struct weft_record r = { .data = "", .len = 0 };
    struct weft_value v = { .type = WEFT_T_JSON };

    ck_assert_int_eq(weft_record_value(product, &r, field_at(absent[_i].column), &v), WEFT_OK);
    ck_assert_msg(v.type == absent[_i].type, "%s: %s", absent[_i].column, absent[_i].why);
}
END_TEST

START_TEST(bytes_that_do_not_fit_are_a_bad_record)
{
    struct weft_record r = { .data = "\x0a\xff", .len = 2 };
    struct weft_value v = { .integer = 42 };
    char *text = NULL;

    ck_assert_int_eq(weft_record_value(product, &r, 0, &v), WEFT_E_RECORD);
    ck_assert_int_eq(v.integer, 42);
    ck_assert_int_eq(weft_record_json(product, &r, &text), WEFT_E_RECORD);
    ck_assert_ptr_null(text);
    ck_assert_int_eq(weft_record_value(product, &r, 99, &v), WEFT_E_RANGE);
}
END_TEST

START_TEST(a_record_is_printed_as_it_was_given)
{
    struct wf_buf data = encode(FULL);
    struct weft_record r = { .data = data.ptr, .len = data.len };
    char *text = NULL;

    ck_assert_int_eq(weft_record_json(product, &r, &text), WEFT_OK);
    ck_assert_str_eq(text, FULL);
    free(text);
    wf_buf_fini(&data);
}
END_TEST

static bool same_value(const struct weft_value *a, const struct weft_value *b)
{
    if (a->type != b->type || a->name != b->name)
        return false;
    if (a->type == WEFT_T_TEXT || a->type == WEFT_T_BYTES || a->type == WEFT_T_JSON)
        return a->bytes.len == b->bytes.len &&
               (a->bytes.len == 0 || memcmp(a->bytes.ptr, b->bytes.ptr, a->bytes.len) == 0);
    return a->type == 0 || (a->type == WEFT_T_BOOL ? a->flag == b->flag : a->natural == b->natural);
}

// All columns at once say what each says by itself; a record that does not fit has none.
static void compare_columns(struct wf_bytes record, const char *why)
{
    const struct weft_record r = { .data = record.ptr, .len = record.len };
    struct weft_product *one_by_one = NULL; // whose scratch is its own
    struct weft_value all[16], one;
    size_t count = weft_product_field_count(product);

    ck_assert_uint_le(count, 16);
    ck_assert_int_eq(weft_product_from_descriptor(
                         set.ptr, set.len, "test.station.v1.Reading", &one_by_one, NULL),
        WEFT_OK);
    enum weft_err err = weft_record_values(product, &r, all, count);
    ck_assert(err == WEFT_OK || err == WEFT_E_RECORD);
    for (size_t i = 0; i < count; i++) {
        enum weft_err alone = weft_record_value(one_by_one, &r, i, &one);
        const char *name = weft_product_field(product, i)->name;
        if (err) {
            ck_assert_msg(alone == WEFT_E_RECORD, "%s, %s: fits alone", why, name);
            continue;
        }
        // Names of enum values are the product's own.
        if (!alone && one.type == WEFT_T_ENUM) {
            ck_assert_msg(!one.name == !all[i].name, "%s, %s", why, name);
            one.name = all[i].name;
        }
        ck_assert_msg(alone ? all[i].type == 0 : same_value(&all[i], &one), "%s, %s: %d", why, name,
            (int)alone);
    }
    weft_product_free(one_by_one);
}

START_TEST(all_columns_in_one_pass_are_what_each_is_alone)
{
    struct wf_buf data = encode(FULL), twice = encode(FULL);
    char why[64];

    compare_columns(wf_buf_view(&data), "whole");
    ck_assert_int_eq(wf_buf_append(&twice, wf_buf_view(&data)), WEFT_OK);
    compare_columns(wf_buf_view(&twice), "merged with itself");
    ck_assert_int_eq(wf_buf_append(&twice, wf_bytes((const uint8_t *)"\x70\x05", 2)), WEFT_OK);
    compare_columns(wf_buf_view(&twice), "another member of the oneof behind the first");
    compare_columns(wf_bytes(NULL, 0), "empty");
    for (size_t i = 0; i < data.len; i++) {
        snprintf(why, sizeof why, "cut at %zu", i);
        compare_columns(wf_bytes(data.ptr, i), why);
        for (unsigned bit = 0; bit < 8; bit++) {
            data.ptr[i] ^= (uint8_t)(1u << bit);
            snprintf(why, sizeof why, "byte %zu, bit %u turned", i, bit);
            compare_columns(wf_buf_view(&data), why);
            data.ptr[i] ^= (uint8_t)(1u << bit);
        }
    }
    struct weft_value v[32];
    const struct weft_record r = { .data = data.ptr, .len = data.len };
    ck_assert_int_eq(weft_record_values(product, &r, v, 32), WEFT_E_RANGE);
    wf_buf_fini(&twice);
    wf_buf_fini(&data);
}
END_TEST

// Two columns of two products read in turn by one thread: neither takes the other's memory.
START_TEST(products_do_not_share_scratch)
{
    struct weft_product *other = NULL;
    struct wf_buf data = encode(FULL);
    struct weft_record r = { .data = data.ptr, .len = data.len };
    struct weft_value a, b;

    ck_assert_int_eq(
        weft_product_from_descriptor(set.ptr, set.len, "test.station.v1.Reading", &other, NULL),
        WEFT_OK);
    ck_assert_int_eq(weft_record_value(product, &r, field_at("place"), &a), WEFT_OK);
    ck_assert_int_eq(weft_record_value(other, &r, field_at("notes"), &b), WEFT_OK);
    ck_assert_mem_eq(a.bytes.ptr, "{\"east\"", 7);
    ck_assert_mem_eq(b.bytes.ptr, "[\"x\"", 4);
    weft_product_free(other);
    wf_buf_fini(&data);
}
END_TEST

// ---- the schema as text --------------------------------------------------------------------------------------------------

static void run_protoc(const char *dir, const char *out, const char *text)
{
    char here[512], ours[512], to[600];
    int status = -1;

    snprintf(here, sizeof here, "-I%s", dir);
    snprintf(ours, sizeof ours, "-I%s/proto", getenv("WEFT_SOURCE_DIR"));
    snprintf(to, sizeof to, "-o%s", out);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        execl(WEFT_TEST_PROTOC, "protoc", here, ours, "--include_imports", "--include_source_info",
            to, "printed.proto", (char *)NULL);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "protoc refuses:\n%s", text);
}

static struct wf_buf compile_text(const char *text)
{
    const char *dir = wf_test_tmpdir();
    char file[512], out[512];

    snprintf(file, sizeof file, "%s/printed.proto", dir);
    snprintf(out, sizeof out, "%s/printed.set", dir);
    FILE *f = fopen(file, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    run_protoc(dir, out, text);
    return wf_test_file(out);
}

START_TEST(the_printed_schema_compiles_to_the_same_product)
{
    char *text = NULL, *again = NULL;
    struct weft_product *other = NULL;

    ck_assert_int_eq(weft_product_proto(product, &text), WEFT_OK);
    struct wf_buf printed = compile_text(text);
    ck_assert_int_eq(weft_product_from_descriptor(
                         printed.ptr, printed.len, "test.station.v1.Reading", &other, NULL),
        WEFT_OK);
    ck_assert_uint_eq(weft_product_field_count(other), WF_COUNT(columns));
    for (size_t i = 0; i < WF_COUNT(columns); i++) {
        const struct weft_field *f = weft_product_field(other, i);
        ck_assert_str_eq(f->name, columns[i].name);
        ck_assert(f->type == columns[i].type && f->role == columns[i].role);
    }
    ck_assert_int_eq(weft_product_proto(other, &again), WEFT_OK);
    ck_assert_str_eq(text, again);
    free(text);
    free(again);
    weft_product_free(other);
    wf_buf_fini(&printed);
}
END_TEST

static const char *const printed_parts[] = {
    "// What one sensor saw.\nmessage Reading {",
    "  string station = 1 [(weft.v1.role) = ROLE_LABEL, (weft.v1.cardinality) = 64];",
    "  // when it was read\n  google.protobuf.Timestamp at = 2",
    "(weft.v1.unit) = \"Cel\"",
    "    // calibrated\n    QUALITY_GOOD = 1;",
    "  map<string, int64> counts = 11;",
    "  optional uint32 wind = 12;",
    "  oneof seen_by {\n    string person = 13 [(weft.v1.privacy) = PRIVACY_PERSONAL];",
    "  reserved 40 to 44;\n  reserved \"colour\";",
    "  // The newest reading of a station.\n  rpc Last(LastRequest) returns (Reading);",
};

START_TEST(the_printed_schema_says)
{
    char *text = NULL;

    ck_assert_int_eq(weft_product_proto(product, &text), WEFT_OK);
    ck_assert_msg(
        strstr(text, printed_parts[_i]) != NULL, "%s\nis not in\n%s", printed_parts[_i], text);
    ck_assert_ptr_null(strstr(text, "google.protobuf.FileOptions"));
    free(text);
}
END_TEST

// ---- refusals ------------------------------------------------------------------------------------------------------------

START_TEST(a_set_without_the_message_is_refused_with_its_name)
{
    struct weft_product *p = NULL;
    struct weft_problem problem;

    ck_assert_int_eq(weft_product_from_descriptor(set.ptr, set.len, "test.Nothing", &p, &problem),
        WEFT_E_SCHEMA);
    ck_assert_ptr_nonnull(strstr(problem.text, "test.Nothing"));
    ck_assert_int_eq(
        weft_product_from_descriptor(set.ptr, set.len, "", &p, &problem), WEFT_E_USAGE);
    ck_assert_int_eq(
        weft_product_from_descriptor(set.ptr, WF_MAX_DOCUMENT + 1, "a.B", &p, &problem),
        WEFT_E_TOO_BIG);
    ck_assert_ptr_null(p);
}
END_TEST

START_TEST(a_set_cut_anywhere_is_refused_or_read)
{
    for (size_t len = 0; len < set.len; len += 7) {
        struct weft_product *p = NULL;
        uint8_t *exact = malloc(len ? len : 1);
        memcpy(exact, set.ptr, len);
        if (weft_product_from_descriptor(exact, len, "test.station.v1.Reading", &p, NULL) ==
            WEFT_OK)
            weft_product_free(p);
        else
            ck_assert_ptr_null(p);
        free(exact);
    }
}
END_TEST

START_TEST(memory_that_runs_out_leaves_nothing_behind)
{
    enum weft_err err = WEFT_E_NOMEM;

    for (long n = 1; err == WEFT_E_NOMEM; n++) {
        struct weft_product *p = NULL;
        wf_test_fail_alloc(n);
        err = weft_product_from_descriptor(set.ptr, set.len, "test.station.v1.Reading", &p, NULL);
        wf_test_fail_alloc(-1);
        ck_assert(err == WEFT_OK || (err == WEFT_E_NOMEM && !p));
        weft_product_free(p);
        ck_assert_int_lt(n, 10000);
    }
}
END_TEST

static const struct {
    const char *text;
    bool method;
    enum weft_err want;
    const char *why;
} targets[] = {
    { "servers/cpu", false, WEFT_OK, "plain" },
    { "servers/cpu@2", false, WEFT_OK, "with a major" },
    { "servers/cpu@2/Get", true, WEFT_OK, "with a method" },
    { "servers", false, WEFT_E_NAME, "no product" },
    { "", false, WEFT_E_NAME, "nothing" },
    { "servers/", false, WEFT_E_NAME, "empty product" },
    { "Servers/cpu", false, WEFT_E_NAME, "upper case" },
    { "servers/cpu@", false, WEFT_E_SYNTAX, "empty major" },
    { "servers/cpu@01", false, WEFT_E_SYNTAX, "leading zero" },
    { "servers/cpu@x", false, WEFT_E_SYNTAX, "no number" },
    { "servers/cpu@1234567890", false, WEFT_E_SYNTAX, "too many digits" },
    { "servers/cpu/Get", false, WEFT_E_SYNTAX, "a method where none is wanted" },
    { "servers/cpu", true, WEFT_E_SYNTAX, "no method where one is wanted" },
    { "servers/cpu/", true, WEFT_E_SYNTAX, "empty method" },
    { "servers/cpu/Get/x", true, WEFT_E_METHOD, "more behind the method" },
    { "servers/cpu/9", true, WEFT_E_METHOD, "no identifier" },
};

START_TEST(names_of_products_are_taken_apart)
{
    struct wf_target t = { .major = 99 };
    struct weft_problem problem;
    enum weft_err err = wf_target_parse(targets[_i].text, targets[_i].method, &t, &problem);

    ck_assert_msg(err == targets[_i].want, "%s (%s): %s", targets[_i].text, targets[_i].why,
        weft_err_name(err));
    ck_assert(err ? t.major == 99 : strcmp(t.domain.s, "servers") == 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("product");
    TCase *t = tcase_create("product");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, each_field_is_a_column_of_its_type);
    tcase_add_test(t, values_are_read_by_column);
    tcase_add_loop_test(t, nested_values_are_json, 0, WF_COUNT(json_columns));
    tcase_add_loop_test(t, what_is_not_there_is_absent_or_default, 0, WF_COUNT(absent));
    tcase_add_test(t, bytes_that_do_not_fit_are_a_bad_record);
    tcase_add_test(t, a_record_is_printed_as_it_was_given);
    tcase_add_test(t, all_columns_in_one_pass_are_what_each_is_alone);
    tcase_add_test(t, products_do_not_share_scratch);
    tcase_add_test(t, the_printed_schema_compiles_to_the_same_product);
    tcase_add_loop_test(t, the_printed_schema_says, 0, WF_COUNT(printed_parts));
    tcase_add_test(t, a_set_without_the_message_is_refused_with_its_name);
    tcase_add_test(t, a_set_cut_anywhere_is_refused_or_read);
    tcase_add_test(t, memory_that_runs_out_leaves_nothing_behind);
    tcase_add_loop_test(t, names_of_products_are_taken_apart, 0, WF_COUNT(targets));
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

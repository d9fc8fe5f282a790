// SPDX-License-Identifier: Apache-2.0
// The writer's own rules; what it writes from JSON is in sdk.json.
#include "proto/schema/record_write.h"

#include "proto/schema/record.h"
#include "tests/proto/schema_fixture.h"

static struct wf_schema *rich, *legacy;
static const struct wf_schema_message *host, *disk, *old;

static void setup(void)
{
    rich = fixture_schema("rich");
    legacy = fixture_schema("legacy");
    host = fixture_message(rich, "weft.test.Host");
    disk = fixture_message(rich, "weft.test.Disk");
    old = fixture_message(legacy, "weft.legacy.Old");
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

#define TEXT(s)   (&(struct wf_value){ .kind = WF_VALUE_STRING, .bytes = WF_STR(s) })
#define INT(n)    (&(struct wf_value){ .kind = WF_VALUE_INT, .i = (n) })
#define UINT(n)   (&(struct wf_value){ .kind = WF_VALUE_UINT, .u = (n) })
#define NUMBER(n) (&(struct wf_value){ .kind = WF_VALUE_ENUM, .number = (n) })

START_TEST(messages_lists_and_maps_are_written_in_order)
{
    struct wf_buf out = { 0 },
                  want = wf_test_hex("0a0161 1a030a012f 1a00 2208 0a016b 12030a0178 6a020102");
    struct wf_record_writer w;
    const struct wf_schema_field *mounts = field(host, "mounts");

    wf_record_write_init(&w, host, WF_MAX_RECORD, &out);
    ck_assert(wf_record_write_value(&w, field(host, "name"), TEXT("a")) == WEFT_OK);
    ck_assert(wf_record_write_begin(&w, field(host, "disks")) == WEFT_OK);
    ck_assert(wf_record_write_value(&w, field(disk, "mount"), TEXT("/")) == WEFT_OK);
    ck_assert(wf_record_write_end(&w) == WEFT_OK);
    ck_assert(wf_record_write_begin(&w, field(host, "disks")) == WEFT_OK);
    ck_assert(wf_record_write_end(&w) == WEFT_OK);
    ck_assert(wf_record_write_begin(&w, mounts) == WEFT_OK);
    ck_assert(wf_record_write_value(&w, &mounts->message->fields[0], TEXT("k")) == WEFT_OK);
    ck_assert(wf_record_write_begin(&w, &mounts->message->fields[1]) == WEFT_OK);
    ck_assert(wf_record_write_value(&w, field(disk, "mount"), TEXT("x")) == WEFT_OK);
    ck_assert(wf_record_write_end(&w) == WEFT_OK);
    ck_assert(wf_record_write_end(&w) == WEFT_OK);
    ck_assert(wf_record_write_value(&w, field(host, "packed"), INT(1)) == WEFT_OK);
    ck_assert(wf_record_write_value(&w, field(host, "packed"), INT(2)) == WEFT_OK);
    ck_assert(wf_record_write_finish(&w) == WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&out), wf_buf_view(&want)));
    ck_assert(wf_record_check(host, wf_buf_view(&out), NULL) == WEFT_OK);
    wf_buf_fini(&out);
    wf_buf_fini(&want);
}
END_TEST

START_TEST(a_long_packed_list_gets_a_long_length)
{
    struct wf_buf out = { 0 };
    struct wf_record_writer w;

    wf_record_write_init(&w, host, WF_MAX_RECORD, &out);
    for (int i = 0; i < 20000; i++)
        ck_assert(wf_record_write_value(&w, field(host, "packed"), INT(i)) == WEFT_OK);
    ck_assert(wf_record_write_value(&w, field(host, "kind"), NUMBER(1)) == WEFT_OK);
    ck_assert(wf_record_write_finish(&w) == WEFT_OK);
    ck_assert(wf_record_check(host, wf_buf_view(&out), NULL) == WEFT_OK);
    ck_assert_int_eq(out.ptr[out.len - 1], 1);
    wf_buf_fini(&out);
}
END_TEST

static const struct misuse {
    const char *why, *first, *second;
    struct wf_value value;
    enum weft_err want;
} misuses[] = {
    { "a singular field twice", "name", "name", { .kind = WF_VALUE_STRING }, WEFT_E_STATE },
    { "a lower number after a higher", "kind", "name", { .kind = WF_VALUE_STRING }, WEFT_E_STATE },
    { "another kind", NULL, "name", { .kind = WF_VALUE_BYTES }, WEFT_E_TYPE },
    { "an integer of the other sign", NULL, "f_uint32", { .kind = WF_VALUE_INT }, WEFT_E_TYPE },
    { "a message as a value", NULL, "parent", { .kind = WF_VALUE_MESSAGE }, WEFT_E_TYPE },
    { "int32 too large", NULL, "f_int32", { .kind = WF_VALUE_INT, .i = INT64_C(1) << 31 },
        WEFT_E_RANGE },
    { "sfixed32 too small", NULL, "f_sfixed32",
        { .kind = WF_VALUE_INT, .i = INT64_C(-1) - INT32_MAX - 1 }, WEFT_E_RANGE },
    { "uint32 too large", NULL, "f_uint32", { .kind = WF_VALUE_UINT, .u = UINT64_C(1) << 32 },
        WEFT_E_RANGE },
    { "text that is not UTF-8", NULL, "name",
        { .kind = WF_VALUE_STRING, .bytes = { (const uint8_t *)"\xff", 1 } }, WEFT_E_BAD_UTF8 },
};

START_TEST(what_would_not_read_back_is_refused)
{
    const struct misuse *m = &misuses[_i];
    struct wf_buf out = { 0 };
    struct wf_record_writer w;

    ck_assert(wf_buf_append(&out, WF_STR("x")) == WEFT_OK);
    wf_record_write_init(&w, host, WF_MAX_RECORD, &out);
    if (m->first) {
        const struct wf_schema_field *f = field(host, m->first);
        struct wf_value one = { .kind = wf_schema_value_kind(f->type) };
        if (f->type == WF_TYPE_STRING)
            one.bytes = WF_STR("a");
        else
            one.number = 1;
        ck_assert(wf_record_write_value(&w, f, &one) == WEFT_OK);
    }
    ck_assert_msg(
        wf_record_write_value(&w, field(host, m->second), &m->value) == m->want, "%s", m->why);
    wf_record_write_cancel(&w);
    ck_assert_uint_eq(out.len, 1);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(begin_and_end_must_pair)
{
    struct wf_buf out = { 0 };
    struct wf_record_writer w;

    wf_record_write_init(&w, host, WF_MAX_RECORD, &out);
    ck_assert_int_eq(wf_record_write_end(&w), WEFT_E_STATE);
    ck_assert_int_eq(wf_record_write_begin(&w, field(host, "name")), WEFT_E_TYPE);
    ck_assert_int_eq(wf_record_write_begin(&w, field(host, "parent")), WEFT_OK);
    ck_assert_int_eq(wf_record_write_finish(&w), WEFT_E_STATE);
    ck_assert_int_eq(wf_record_write_end(&w), WEFT_OK);
    ck_assert_int_eq(wf_record_write_begin(&w, field(host, "parent")), WEFT_E_STATE);
    ck_assert_int_eq(wf_record_write_finish(&w), WEFT_OK);
    ck_assert_int_eq(wf_record_write_finish(&w), WEFT_E_STATE);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(proto2_rules_hold_for_the_writer)
{
    struct wf_buf out = { 0 };
    struct wf_record_writer w;

    wf_record_write_init(&w, old, WF_MAX_RECORD, &out);
    ck_assert_int_eq(wf_record_write_value(&w, field(old, "color"), NUMBER(9)), WEFT_E_RANGE);
    ck_assert_int_eq(wf_record_write_finish(&w), WEFT_E_MISSING_FIELD);
    wf_record_write_cancel(&w);
    wf_record_write_init(&w, old, WF_MAX_RECORD, &out);
    ck_assert_int_eq(wf_record_write_value(&w, field(old, "id"), TEXT("")), WEFT_OK);
    ck_assert_int_eq(wf_record_write_begin(&w, field(old, "inner")), WEFT_OK);
    ck_assert_int_eq(wf_record_write_end(&w), WEFT_E_MISSING_FIELD);
    ck_assert_int_eq(
        wf_record_write_value(&w, &field(old, "inner")->message->fields[0], INT(0)), WEFT_OK);
    ck_assert_int_eq(wf_record_write_end(&w), WEFT_OK);
    ck_assert_int_eq(wf_record_write_finish(&w), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&out), WF_STR("\x0a\x00\x6a\x02\x08\x00")));
    wf_buf_fini(&out);
}
END_TEST

START_TEST(length_depth_and_count_are_limited)
{
    struct wf_buf out = { 0 };
    struct wf_record_writer w;

    wf_record_write_init(&w, host, 3, &out);
    ck_assert_int_eq(wf_record_write_value(&w, field(host, "name"), TEXT("a")), WEFT_OK);
    ck_assert_int_eq(wf_record_write_value(&w, field(host, "f_uint64"), UINT(1)), WEFT_E_TOO_BIG);
    wf_record_write_cancel(&w);
    wf_record_write_init(&w, host, WF_MAX_RECORD, &out);
    for (unsigned i = 1; i < WF_MAX_RECORD_DEPTH; i++)
        ck_assert_int_eq(wf_record_write_begin(&w, field(host, "parent")), WEFT_OK);
    ck_assert_int_eq(wf_record_write_begin(&w, field(host, "parent")), WEFT_E_TOO_DEEP);
    wf_record_write_cancel(&w);
    wf_record_write_init(&w, host, WF_MAX_RECORD, &out);
    for (unsigned i = 0; i < WF_MAX_RECORD_ELEMENTS; i++)
        ck_assert_int_eq(wf_record_write_value(&w, field(host, "unpacked"), INT(0)), WEFT_OK);
    ck_assert_int_eq(wf_record_write_value(&w, field(host, "unpacked"), INT(0)), WEFT_E_BUDGET);
    wf_record_write_cancel(&w);
    wf_buf_fini(&out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("record_write");
    TCase *t = tcase_create("record_write");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, messages_lists_and_maps_are_written_in_order);
    tcase_add_test(t, a_long_packed_list_gets_a_long_length);
    tcase_add_loop_test(t, what_would_not_read_back_is_refused, 0, (int)WF_COUNT(misuses));
    tcase_add_test(t, begin_and_end_must_pair);
    tcase_add_test(t, proto2_rules_hold_for_the_writer);
    tcase_add_test(t, length_depth_and_count_are_limited);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

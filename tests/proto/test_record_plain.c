// SPDX-License-Identifier: Apache-2.0
// Which records are so ordinary that they need no reading, and that the reader agrees.
#include "proto/schema/record_reader.h"
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

static const struct plainness {
    const char *why, *type, *hex;
    bool plain;
} plainnesses[] = {
    { "fields in order", "host", "0a0161 4000 800102 a101000000000000f03f b00105", true },
    { "a message in a message", "host", "920109 0a0161 9201030a0162", true },
    { "a fault two levels down", "host", "920109 0a0161 9201030a01ff", false },
    { "a list of messages", "host", "1a030a0161 1a021005", true },
    { "a packed list", "host", "6a03 01 ac02", true },
    { "the same list in two runs", "host", "6a0101 6a0102", true },
    { "an unpacked list", "host", "7002 7004", true },
    { "one member of a oneof", "host", "0a0161 5800", true },
    { "a timestamp", "host", "1206 088092f4cb06", true },
    { "a timestamp after year 9999", "host", "120a 08ffffffffffffffff7f", false },
    { "two members of a oneof", "host", "4a0178 5805", false },
    { "a member of a oneof twice", "host", "4a0178 4a0179", false },
    { "a singular field twice", "host", "0a0161 0a0162", false },
    { "fields out of order", "host", "8001010a0161", false },
    { "a map", "host", "2a05 0805 120161", false },
    { "a field that the schema does not have", "host", "0a0161 a00601", false },
    { "the wrong wire type", "host", "0801", false },
    { "bytes that are no UTF-8", "host", "0a01ff", false },
    { "a string beyond the end", "host", "0a0261", false },
    { "a number cut off", "host", "a1010000", false },
    { "a tag of more bytes than it takes", "host", "8a0001 61", true },
    { "a varint of ten bytes", "host", "b001ffffffffffffffffff01", true },
    { "a tenth byte beyond 64 bits", "host", "b001ffffffffffffffffff02", false },
    { "a varint cut off", "host", "b001ffffffff", false },
    { "a packed list cut off within an element", "host", "6a02 01ac", false },
    { "a varint of eleven bytes", "host", "b001ffffffffffffffffffff01", false },
    { "nothing", "host", "", false },
    { "a schema with required fields", "old", "0a0161", false },
};

// What is not plain is left to the reader; what is plain, the reader would take.
START_TEST(only_ordinary_records_are_taken_without_reading)
{
    const struct plainness *row = &plainnesses[_i];
    struct wf_buf in = wf_test_hex(row->hex);
    bool plain = wf_record_is_plain((strcmp(row->type, "old") == 0 ? old : host), wf_buf_view(&in));

    ck_assert_msg(plain == row->plain, "%s", row->why);
    if (plain)
        ck_assert_int_eq(wf_record_check_whole(
                             (strcmp(row->type, "old") == 0 ? old : host), wf_buf_view(&in), NULL),
            WEFT_OK);
    wf_buf_fini(&in);
}
END_TEST

// Any byte of an ordinary record changed to any other: whatever is still taken unread, the reader takes.
START_TEST(what_is_plain_the_reader_takes)
{
    struct wf_buf in = wf_test_hex("0a03616263 1a030a0161 1a021005 4000 5800 6a0301ac02 800102"
                                   "920109 0a0161 9201030a0162 a101000000000000f03f b00105");
    size_t plain = 0;

    ck_assert(wf_record_is_plain(host, wf_buf_view(&in)));
    for (size_t i = 0; i < in.len; i++)
        for (unsigned byte = 0; byte < 256; byte++) {
            uint8_t was = in.ptr[i];
            in.ptr[i] = (uint8_t)byte;
            bool taken = wf_record_is_plain(host, wf_buf_view(&in));
            plain += taken;
            if (taken)
                ck_assert_msg(
                    wf_record_check_whole(host, wf_buf_view(&in), NULL) == WEFT_OK, "byte %zu", i);
            in.ptr[i] = was;
        }
    ck_assert_uint_gt(plain, in.len); // it was no empty claim
    wf_buf_fini(&in);
}
END_TEST

// A packed list of one element more than a record may have, and of as many as it may with its own field.
START_TEST(the_reader_counts_what_is_too_much)
{
    for (uint32_t over = 0; over <= 1; over++) {
        uint32_t count = WF_MAX_RECORD_ELEMENTS - 1 + over;
        struct wf_buf in = { 0 };
        uint8_t len[WF_VARINT_MAX];
        ck_assert_int_eq(wf_buf_append_byte(&in, 0x6a), WEFT_OK);
        ck_assert_int_eq(wf_buf_append(&in, wf_bytes(len, wf_varint_put(len, count))), WEFT_OK);
        for (uint32_t i = 0; i < count; i++)
            ck_assert_int_eq(wf_buf_append_byte(&in, 1), WEFT_OK);
        ck_assert_int_eq(wf_record_is_plain(host, wf_buf_view(&in)), !over);
        ck_assert_int_eq(
            wf_record_check_whole(host, wf_buf_view(&in), NULL), over ? WEFT_E_BUDGET : WEFT_OK);
        wf_buf_fini(&in);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proto.record_plain");
    TCase *t = tcase_create("plain");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(
        t, only_ordinary_records_are_taken_without_reading, 0, (int)WF_COUNT(plainnesses));
    tcase_add_test(t, what_is_plain_the_reader_takes);
    tcase_add_test(t, the_reader_counts_what_is_too_much);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

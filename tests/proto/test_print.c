// SPDX-License-Identifier: Apache-2.0
// Printed forms. Rows without a source were computed with an independent implementation of BIP-350.
#include <check.h>
#include <ctype.h>
#include <stdlib.h>

#include "proto/base/print.h"
#include "tests/support/support.h"

static const struct good_row {
    const char *prefix, *hex, *text;
} good[] = {
    { "a", "", "a1lqfn3a" }, // BIP-350, valid
    { "abcdef", "ffbbcdeb38bdab49ca307b9ac5a928398a418820",
        "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx" }, // BIP-350, valid
    { "split", "c5f38b70305f519bf66d85fb6cf03058f3dde463ecd7918f2dc743918f2d",
        "split1checkupstagehandshakeupstreamerranterredcaperredlc445v" }, // BIP-350, valid
    { WF_PREFIX_SIGN, "", "weftkey15v4zup" },
    { WF_PREFIX_SIGN, "00", "weftkey1qq2wwvmk" },
    { WF_PREFIX_SIGN, "ff", "weftkey1lu0mpmej" },
    { WF_PREFIX_SIGN, "00010203", "weftkey1qqqsyqcdfnwuq" },
    { WF_PREFIX_CAP, "6162636465", "weftcap1v93xxer9qzsa8t" },
    { WF_PREFIX_HASH, "77656674", "wefthash1wajkvaq75d3pa" },
    { WF_PREFIX_DH, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "weftdh1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0s30fy20" },
    { WF_PREFIX_MESH, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "weftmesh1lllllllllllllllllllllllllllllllllllllllllllllllllllsdndq5h" },
    { WF_PREFIX_ID,
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
        "weftid1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0jqgfzyvjz2f389q5j52ev95hz7vp3xge"
        "ngdfkxuurjw3"
        "m8s7nu0clfz2ey" },
};

START_TEST(a_form_is_printed_and_read_back)
{
    const struct good_row *r = &good[_i];
    struct wf_buf data = wf_test_hex(r->hex), text = { 0 }, back = { 0 };

    ck_assert_int_eq(wf_print(r->prefix, wf_buf_view(&data), &text), WEFT_OK);
    ck_assert_str_eq((const char *)text.ptr, r->text);
    ck_assert_uint_eq(text.len, strlen(r->text));
    ck_assert_int_eq(wf_print_parse(r->prefix, wf_buf_view(&text), &back), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&data), wf_buf_view(&back)));
    wf_buf_fini(&back);

    for (size_t i = 0; i < text.len; i++)
        text.ptr[i] = (uint8_t)toupper(text.ptr[i]);
    ck_assert_int_eq(wf_print_parse(r->prefix, wf_buf_view(&text), &back), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&data), wf_buf_view(&back)));
    wf_buf_fini(&back);
    wf_buf_fini(&text);
    wf_buf_fini(&data);
}
END_TEST

static const struct bad_row {
    const char *why, *prefix, *text;
    enum weft_err want;
} bad[] = {
    { "empty", "weftkey", "", WEFT_E_SYNTAX },
    { "white space only", "weftkey", " \n\t", WEFT_E_SYNTAX },
    { "no separator (BIP-350)", "q", "qyrz8wqd2c9m", WEFT_E_SYNTAX },
    { "no prefix (BIP-350)", "q", "1qyrz8wqd2c9m", WEFT_E_SYNTAX },
    { "a character outside the alphabet (BIP-350)", "y", "y1b0jsk6g", WEFT_E_SYNTAX },
    { "another one (BIP-350)", "lt", "lt1igcx5c0", WEFT_E_SYNTAX },
    { "shorter than a checksum (BIP-350)", "in", "in1muywd", WEFT_E_SYNTAX },
    { "a bad character in the checksum (BIP-350)", "mm", "mm1crxm3i", WEFT_E_SYNTAX },
    { "checksum over the upper-case prefix (BIP-350)", "m", "M1VUXWEZ", WEFT_E_CHECKSUM },
    { "the checksum of Bech32, not Bech32m", "weftkey", "weftkey1qqqsyqcc4rzez", WEFT_E_CHECKSUM },
    { "one character differs", "weftkey", "weftkey1qqqsyqcdfnwup", WEFT_E_CHECKSUM },
    { "padding bits are set", "weftkey", "weftkey1qqqsyqesl8mpj", WEFT_E_NOT_CANONICAL },
    { "a superfluous character of padding", "weftkey", "weftkey1qqqdwtk6g", WEFT_E_NOT_CANONICAL },
    { "five bits make no byte", "weftkey", "weftkey1qc02q63", WEFT_E_NOT_CANONICAL },
    { "mixed case", "weftkey", "weftkey1qqqsyQCDFNWUQ", WEFT_E_SYNTAX },
    { "upper-case prefix, lower-case data", "weftkey", "WEFTKEY1qqqsyqcdfnwuq", WEFT_E_SYNTAX },
    { "a capability where a key belongs", "weftkey", "weftcap1v93xxer9qzsa8t", WEFT_E_PREFIX },
    { "the same in upper case", "weftkey", "WEFTCAP1V93XXER9QZSA8T", WEFT_E_PREFIX },
    { "a key where a capability belongs", "weftcap", "weftkey15v4zup", WEFT_E_PREFIX },
    { "a prefix cut short", "weftkey", "weftke15v4zup", WEFT_E_PREFIX },
    { "an address of something else", "weftkey", "bc1qqqsyqcdfnwuq", WEFT_E_SYNTAX },
    { "white space inside", "weftkey", "weftkey1qqqs yqcdfnwuq", WEFT_E_SYNTAX },
};

START_TEST(a_bad_form_is_refused_with_its_reason)
{
    const struct bad_row *r = &bad[_i];
    struct wf_buf out = { 0 };
    enum weft_err err = wf_print_parse(r->prefix, wf_bytes_str(r->text), &out);

    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    ck_assert_ptr_null(out.ptr);
}
END_TEST

START_TEST(surrounding_white_space_is_ignored)
{
    struct wf_buf out = { 0 };

    ck_assert_int_eq(
        wf_print_parse("weftcap", WF_STR(" \tweftcap1v93xxer9qzsa8t\r\n"), &out), WEFT_OK);
    ck_assert(wf_bytes_is(wf_buf_view(&out), "abcde"));
    wf_buf_fini(&out);
    ck_assert_int_eq(
        wf_print_parse("weftcap", WF_STR("weftcap1v93xxer9qzsa8t\0"), &out), WEFT_E_SYNTAX);
}
END_TEST

static enum weft_err parse_id(const char *text)
{
    struct wf_buf out = { 0 };
    enum weft_err err = wf_print_parse(WF_PREFIX_DH, wf_bytes_str(text), &out);

    wf_buf_fini(&out);
    return err;
}

START_TEST(every_single_mistyping_is_noticed)
{
    static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l1bio";
    char text[] = "weftdh1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0s30fy20";
    ck_assert_int_eq(parse_id(text), WEFT_OK);
    for (size_t i = 0; text[i]; i++) {
        char was = text[i];
        for (const char *p = alphabet; *p; p++) {
            text[i] = *p;
            ck_assert_msg((parse_id(text) == WEFT_OK) == (*p == was), "position %zu, '%c'", i, *p);
        }
        text[i] = was;
        char next = text[i + 1];
        if (next && next != was) {
            text[i] = next;
            text[i + 1] = was;
            ck_assert_msg(parse_id(text) != WEFT_OK, "swap at %zu", i);
            text[i] = was;
            text[i + 1] = next;
        }
    }
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    static const char whole[] = "weftdh1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0s30fy20";

    for (size_t n = 0; n < sizeof whole - 1; n++) {
        struct wf_buf out = { 0 };
        char *exact = malloc(n ? n : 1);
        memcpy(exact, whole, n);
        ck_assert_msg(
            wf_print_parse(WF_PREFIX_DH, wf_bytes(exact, n), &out) != WEFT_OK, "cut at %zu", n);
        ck_assert_ptr_null(out.ptr);
        free(exact);
    }
}
END_TEST

START_TEST(any_length_round_trips)
{
    uint64_t seed = 1;
    uint8_t data[300];

    wf_test_rand_bytes(&seed, data, sizeof data);
    for (size_t n = 0; n <= sizeof data; n++) {
        struct wf_buf text = { 0 }, back = { 0 };
        ck_assert_int_eq(wf_print(WF_PREFIX_TICKET, wf_bytes(data, n), &text), WEFT_OK);
        ck_assert_int_eq(wf_print_parse(WF_PREFIX_TICKET, wf_buf_view(&text), &back), WEFT_OK);
        ck_assert(wf_bytes_eq(wf_bytes(data, n), wf_buf_view(&back)));
        wf_buf_fini(&back);
        wf_buf_fini(&text);
    }
}
END_TEST

START_TEST(printing_appends_and_survives_a_failed_allocation)
{
    enum weft_err err = WEFT_E_NOMEM;

    for (long nth = 1; err; nth++) {
        struct wf_buf text = { 0 }, back = { 0 };
        wf_test_fail_alloc(nth);
        err = wf_print(WF_PREFIX_CAP, WF_STR("abcde"), &text);
        if (!err)
            err = wf_print_parse(WF_PREFIX_CAP, wf_buf_view(&text), &back);
        wf_test_fail_alloc(-1);
        ck_assert(err == WEFT_OK || err == WEFT_E_NOMEM);
        wf_buf_fini(&back);
        wf_buf_fini(&text);
        ck_assert_int_lt(nth, 10);
    }
    struct wf_buf text = { 0 };
    ck_assert_int_eq(wf_buf_append_str(&text, "key "), WEFT_OK);
    ck_assert_int_eq(wf_print(WF_PREFIX_SIGN, wf_bytes(NULL, 0), &text), WEFT_OK);
    ck_assert(wf_bytes_is(wf_buf_view(&text), "key weftkey15v4zup"));
    wf_buf_fini(&text);
}
END_TEST

START_TEST(a_fingerprint_is_three_groups_of_the_hash)
{
    char out[WF_FINGERPRINT_LEN];

    wf_fingerprint(wf_bytes(NULL, 0), out);
    ck_assert_str_eq(out, "pet4-rspx-u4pm");
    wf_fingerprint(WF_STR("weft"), out);
    ck_assert_str_eq(out, "jjl2-5m77-wu3w");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("print");
    TCase *t = tcase_create("print");

    tcase_add_loop_test(t, a_form_is_printed_and_read_back, 0, WF_COUNT(good));
    tcase_add_loop_test(t, a_bad_form_is_refused_with_its_reason, 0, WF_COUNT(bad));
    tcase_add_test(t, surrounding_white_space_is_ignored);
    tcase_add_test(t, every_single_mistyping_is_noticed);
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, any_length_round_trips);
    tcase_add_test(t, printing_appends_and_survives_a_failed_allocation);
    tcase_add_test(t, a_fingerprint_is_three_groups_of_the_hash);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

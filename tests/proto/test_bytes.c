// SPDX-License-Identifier: Apache-2.0
// Views, buffers, varints, hex, names, UTF-8 and ports.
#include <check.h>
#include <stdlib.h>

#include "tests/support/support.h"

static const struct order_row {
    const char *why, *a, *b;
    int want;
} orders[] = {
    { "empty equals empty", "", "", 0 },
    { "empty comes first", "", "a", -1 },
    { "a prefix comes first", "ab", "abc", -1 },
    { "bytes decide before length", "b", "abc", 1 },
    { "bytes are unsigned", "\x7f", "\x80", -1 },
    { "equal", "abc", "abc", 0 },
};

START_TEST(views_order_by_bytes_then_by_length)
{
    const struct order_row *r = &orders[_i];
    struct wf_bytes a = wf_bytes_str(r->a), b = wf_bytes_str(r->b);
    int ab = wf_bytes_cmp(a, b), ba = wf_bytes_cmp(b, a);

    ck_assert_msg((ab > 0) - (ab < 0) == r->want, "%s", r->why);
    ck_assert_msg((ba > 0) - (ba < 0) == -r->want, "%s, other way round", r->why);
    ck_assert_msg(wf_bytes_eq(a, b) == (r->want == 0), "%s", r->why);
}
END_TEST

START_TEST(a_prefix_is_found_without_reading_past_the_view)
{
    ck_assert(wf_bytes_has_prefix(WF_STR("weftcap1"), WF_STR("weft")));
    ck_assert(wf_bytes_has_prefix(WF_STR("weft"), WF_STR("weft")));
    ck_assert(!wf_bytes_has_prefix(WF_STR("wef"), WF_STR("weft")));
    ck_assert(!wf_bytes_has_prefix(WF_STR("waft"), WF_STR("we")));
    ck_assert(wf_bytes_has_prefix(wf_bytes(NULL, 0), wf_bytes(NULL, 0)));
    ck_assert(!wf_bytes_has_prefix(wf_bytes(NULL, 0), WF_STR("w")));
    ck_assert(wf_bytes_is(wf_bytes(NULL, 0), ""));
    ck_assert(wf_bytes_eq(wf_bytes_str(NULL), wf_bytes(NULL, 0)));
}
END_TEST

START_TEST(a_hash_is_taken_only_from_32_bytes)
{
    uint8_t raw[40] = { [31] = 1 };
    struct wf_hash h = { { 9 } };

    for (size_t n = 0; n <= sizeof raw; n++) {
        if (n == WF_HASH_LEN)
            continue;
        ck_assert_int_eq(wf_hash_from(wf_bytes(raw, n), &h), WEFT_E_SYNTAX);
        ck_assert_int_eq(h.b[0], 9);
    }
    ck_assert_int_eq(wf_hash_from(wf_bytes(raw, WF_HASH_LEN), &h), WEFT_OK);
    ck_assert_int_eq(h.b[31], 1);
    ck_assert(!wf_hash_is_zero(&h));
    struct wf_hash zero = { { 0 } };
    ck_assert(wf_hash_is_zero(&zero));
    ck_assert_int_gt(wf_hash_cmp(&h, &zero), 0);
    ck_assert(!wf_hash_eq(&h, &zero));
}
END_TEST

START_TEST(copies_own_their_memory)
{
    struct wf_buf b = { 0 };
    char *s = NULL;

    ck_assert_int_eq(wf_bytes_dup(wf_bytes(NULL, 0), &b), WEFT_OK);
    ck_assert_uint_eq(b.len, 0);
    wf_buf_fini(&b);
    ck_assert_int_eq(wf_bytes_dup(WF_STR("abc"), &b), WEFT_OK);
    ck_assert_msg(b.cap == 3, "a copy that is kept takes what it holds");
    ck_assert(wf_bytes_is(wf_buf_view(&b), "abc"));
    wf_buf_fini(&b);
    ck_assert_ptr_null(b.ptr);
    ck_assert_int_eq(wf_bytes_strdup(WF_STR("abc"), &s), WEFT_OK);
    ck_assert_str_eq(s, "abc");
    free(s);
    s = NULL;
    ck_assert_int_eq(wf_bytes_strdup(WF_STR("a\0c"), &s), WEFT_E_SYNTAX);
    ck_assert_ptr_null(s);
    ck_assert_int_eq(wf_bytes_strdup(wf_bytes(NULL, 0), &s), WEFT_OK);
    ck_assert_str_eq(s, "");
    free(s);
}
END_TEST

START_TEST(a_buffer_grows_and_keeps_its_content)
{
    struct wf_buf b = { 0 };

    for (unsigned i = 0; i < 1000; i++)
        ck_assert_int_eq(wf_buf_append_byte(&b, (uint8_t)i), WEFT_OK);
    ck_assert_uint_eq(b.len, 1000);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_uint_eq(b.ptr[i], (uint8_t)i);
    ck_assert_int_eq(wf_buf_append_str(&b, "tail"), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&b, wf_bytes(NULL, 0)), WEFT_OK);
    ck_assert_int_eq(wf_buf_printf(&b, "-%d-%s", 42, "x"), WEFT_OK);
    ck_assert(wf_bytes_is(wf_bytes(b.ptr + 1000, b.len - 1000), "tail-42-x"));
    ck_assert_uint_eq(b.ptr[b.len], 0);
    wf_buf_fini(&b);
}
END_TEST

START_TEST(a_buffer_refuses_an_impossible_size_and_stays_as_it_was)
{
    struct wf_buf b = { 0 };

    ck_assert_int_eq(wf_buf_append_str(&b, "abc"), WEFT_OK);
    ck_assert_int_eq(wf_buf_reserve(&b, SIZE_MAX), WEFT_E_NOMEM);
    ck_assert_int_eq(wf_buf_reserve(&b, SIZE_MAX / 2), WEFT_E_NOMEM);
    ck_assert(wf_bytes_is(wf_buf_view(&b), "abc"));
    wf_buf_fini(&b);
}
END_TEST

// Appends in every way there is; the error of the first that fails.
static enum weft_err fill(struct wf_buf *b)
{
    enum weft_err err = wf_buf_append_str(b, "0123456789");

    if (!err)
        err = wf_buf_printf(b, "%0100d", 7);
    if (!err)
        err = wf_buf_reserve(b, 4096);
    return err;
}

START_TEST(a_failed_growth_leaves_the_buffer_as_it_was)
{
    enum weft_err err = WEFT_E_NOMEM;

    for (long nth = 1; err; nth++) {
        struct wf_buf b = { 0 };
        wf_test_fail_alloc(nth);
        err = fill(&b);
        wf_test_fail_alloc(-1);
        ck_assert(err == WEFT_OK || err == WEFT_E_NOMEM);
        ck_assert_msg(b.len == 0 || b.len == 10 || b.len == 110, "allocation %ld", nth);
        wf_buf_fini(&b);
        ck_assert_int_lt(nth, 10);
    }
}
END_TEST

START_TEST(fixed_width_integers_keep_their_byte_order)
{
    static const uint8_t bytes[8] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
    uint8_t out[8];

    ck_assert_uint_eq(wf_load_be32(bytes), 0x01234567u);
    ck_assert_uint_eq(wf_load_le32(bytes), 0x67452301u);
    ck_assert(wf_load_be64(bytes) == 0x0123456789abcdefu);
    ck_assert(wf_load_le64(bytes) == 0xefcdab8967452301u);
    wf_store_be64(out, 0x0123456789abcdefu);
    ck_assert_mem_eq(out, bytes, 8);
    wf_store_le64(out, 0xefcdab8967452301u);
    ck_assert_mem_eq(out, bytes, 8);
    wf_store_be32(out, 0x01234567u);
    ck_assert_mem_eq(out, bytes, 4);
    wf_store_le32(out, 0x67452301u);
    ck_assert_mem_eq(out, bytes, 4);
}
END_TEST

static const struct varint_row {
    const char *hex;
    uint64_t value;
} varints[] = {
    { "00", 0 },
    { "7f", 127 },
    { "8001", 128 },
    { "ac02", 300 },
    { "ffffffff0f", UINT32_MAX },
    { "ffffffffffffffff7f", INT64_MAX },
    { "ffffffffffffffffff01", UINT64_MAX },
};

START_TEST(varints_round_trip_and_refuse_every_truncation)
{
    const struct varint_row *r = &varints[_i];
    struct wf_buf want = wf_test_hex(r->hex);
    uint8_t out[WF_VARINT_MAX];
    uint64_t v = 99;

    ck_assert_uint_eq(wf_varint_put(out, r->value), want.len);
    ck_assert_mem_eq(out, want.ptr, want.len);
    ck_assert_uint_eq(wf_varint_len(r->value), want.len);
    for (size_t n = 0; n < want.len; n++) {
        struct wf_bytes in = wf_bytes(want.ptr, n);
        ck_assert_int_eq(wf_varint_take(&in, &v), WEFT_E_TRUNCATED);
        ck_assert_uint_eq(v, 99);
        ck_assert_uint_eq(in.len, n);
    }
    ck_assert_int_eq(wf_buf_append_byte(&want, 0xee), WEFT_OK);
    struct wf_bytes in = wf_buf_view(&want);
    ck_assert_int_eq(wf_varint_take(&in, &v), WEFT_OK);
    ck_assert(v == r->value);
    ck_assert_uint_eq(in.len, 1);
    wf_buf_fini(&want);
}
END_TEST

static const struct bad_varint {
    const char *why, *hex;
} bad_varints[] = {
    { "bit 64 is set", "ffffffffffffffffff02" },
    { "the tenth byte continues", "ffffffffffffffffff8100" },
    { "eleven bytes", "8080808080808080808080" },
};

START_TEST(a_varint_beyond_64_bits_is_refused)
{
    struct wf_buf b = wf_test_hex(bad_varints[_i].hex);
    struct wf_bytes in = wf_buf_view(&b);
    uint64_t v = 0;

    ck_assert_msg(wf_varint_take(&in, &v) == WEFT_E_SYNTAX, "%s", bad_varints[_i].why);
    wf_buf_fini(&b);
}
END_TEST

START_TEST(hex_round_trips_and_refuses_what_is_not_hex)
{
    char text[9];
    struct wf_buf b = { 0 };

    wf_hex_put(wf_bytes("\x00\x7f\x80\xff", 4), text);
    ck_assert_str_eq(text, "007f80ff");
    ck_assert_int_eq(wf_hex_take(WF_STR("007F80fF"), &b), WEFT_OK);
    ck_assert_mem_eq(b.ptr, "\x00\x7f\x80\xff", 4);
    wf_buf_fini(&b);
    ck_assert_int_eq(wf_hex_take(WF_STR(""), &b), WEFT_OK);
    ck_assert_uint_eq(b.len, 0);
    wf_buf_fini(&b);
    ck_assert_int_eq(wf_hex_take(WF_STR("0"), &b), WEFT_E_SYNTAX);
    ck_assert_int_eq(wf_hex_take(WF_STR("0g"), &b), WEFT_E_SYNTAX);
    ck_assert_int_eq(wf_hex_take(WF_STR(" 0"), &b), WEFT_E_SYNTAX);
    ck_assert_int_eq(wf_hex_take(WF_STR("00:1"), &b), WEFT_E_SYNTAX);
    ck_assert_ptr_null(b.ptr);
}
END_TEST

static const struct name_row {
    const char *why, *name;
    bool want;
} names[] = {
    { "one letter", "a", true },
    { "digits and hyphens inside", "web-01", true },
    { "63 long", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true },
    { "64 long", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
    { "empty", "", false },
    { "starts with a digit", "1a", false },
    { "starts with a hyphen", "-a", false },
    { "ends with a hyphen", "a-", false },
    { "upper case", "Web", false },
    { "a dot", "a.b", false },
    { "an underscore", "a_b", false },
    { "a slash", "a/b", false },
    { "beyond ASCII", "caf\xc3\xa9", false },
};

START_TEST(names_are_short_lower_case_words)
{
    const struct name_row *r = &names[_i];

    ck_assert_msg(wf_name_is_valid(wf_bytes_str(r->name)) == r->want, "%s", r->why);
}
END_TEST

START_TEST(a_name_with_an_embedded_nul_is_refused)
{
    ck_assert(!wf_name_is_valid(wf_bytes("a\0b", 3)));
}
END_TEST

static const struct utf8_row {
    const char *why, *hex;
    bool want;
} utf8[] = {
    { "empty", "", true },
    { "ASCII with NUL", "610062", true },
    { "two bytes, lowest", "c280", true },
    { "three bytes, lowest", "e0a080", true },
    { "last before the surrogates", "ed9fbf", true },
    { "first after the surrogates", "ee8080", true },
    { "four bytes, lowest", "f0908080", true },
    { "U+10FFFF", "f48fbfbf", true },
    { "overlong slash in two bytes", "c0af", false },
    { "overlong U+007F", "c1bf", false },
    { "overlong in three bytes", "e09fbf", false },
    { "overlong in four bytes", "f08fbfbf", false },
    { "first surrogate", "eda080", false },
    { "last surrogate", "edbfbf", false },
    { "U+110000", "f4908080", false },
    { "lead byte F5", "f5808080", false },
    { "a lone continuation byte", "80", false },
    { "a lead byte at the end", "61c3", false },
    { "a lead byte before ASCII", "c361", false },
    { "three bytes cut after two", "e282", false },
    { "four bytes cut after three", "f09f98", false },
    { "second continuation is none", "e28241", false },
};

START_TEST(utf8_is_read_as_rfc_3629_says)
{
    struct wf_buf b = wf_test_hex(utf8[_i].hex);

    ck_assert_msg(wf_utf8_is_valid(wf_buf_view(&b)) == utf8[_i].want, "%s", utf8[_i].why);
    wf_buf_fini(&b);
}
END_TEST

static const struct port_row {
    const char *text;
    enum weft_err want;
    uint16_t port;
} ports[] = {
    { "1", WEFT_OK, 1 },
    { "7400", WEFT_OK, 7400 },
    { "65535", WEFT_OK, 65535 },
    { "00080", WEFT_OK, 80 },
    { "0", WEFT_E_RANGE, 0 },
    { "65536", WEFT_E_RANGE, 0 },
    { "99999", WEFT_E_RANGE, 0 },
    { "100000", WEFT_E_SYNTAX, 0 },
    { "", WEFT_E_SYNTAX, 0 },
    { "-1", WEFT_E_SYNTAX, 0 },
    { "+1", WEFT_E_SYNTAX, 0 },
    { " 1", WEFT_E_SYNTAX, 0 },
    { "1x", WEFT_E_SYNTAX, 0 },
};

static const struct {
    const char *text, *want, *why;
    uint32_t code;
} controls[] = {
    { "a", "a", "a letter", WF_TEXT_SHOWN },
    { " ", " ", "a space", WF_TEXT_SHOWN },
    { "\033[2J", "?[2J", "ESC begins an order to the terminal", 0x1b },
    { "\n", "?", "a line end begins a line of its own", '\n' },
    { "\177", "?", "DEL", 0x7f },
    { "\302\233"
      "2J",
        "?2J", "CSI in one character, of C1", 0x9b },
    { "\302\237", "?", "the last of C1", 0x9f },
    { "\302\240", "\302\240", "a space that does not break", WF_TEXT_SHOWN },
    { "\303\251t\303\251", "\303\251t\303\251", "letters beyond ASCII", WF_TEXT_SHOWN },
    { "\342\200\256", "?", "what follows is shown from right to left", 0x202e },
    { "\342\201\246", "?", "another direction, isolated", 0x2066 },
    { "\342\200\250", "?", "a line separator", 0x2028 },
    { "\330\234", "?", "the mark of an Arabic letter", 0x61c },
    { "\342\206\222", "\342\206\222", "an arrow", WF_TEXT_SHOWN },
    { "\360\237\230\200", "\360\237\230\200", "four bytes", WF_TEXT_SHOWN },
    { "\233"
      "2J",
        "?2J", "C1 of an eight-bit terminal is no UTF-8", 0xfffd },
    { "\303", "?", "half a character", 0xfffd },
    { "\355\240\200", "???", "a surrogate", 0xfffd },
    { "\340\200\233", "???", "C1 in an overlong form", 0xfffd },
};

START_TEST(what_steers_a_terminal_is_told_from_what_is_shown)
{
    char text[16];
    uint32_t code = 0;

    size_t len = wf_text_next(wf_bytes_str(controls[_i].text), &code);
    ck_assert_msg(code == controls[_i].code, "%s: %x", controls[_i].why, code);
    ck_assert_uint_le(len, strlen(controls[_i].text));
    snprintf(text, sizeof text, "%s", controls[_i].text);
    wf_text_clean(text, "");
    ck_assert_msg(strcmp(text, controls[_i].want) == 0, "%s: %s", controls[_i].why, text);
}
END_TEST

START_TEST(line_ends_stay_where_they_are_wanted)
{
    char text[] = "a\tb\nc\033\302\205d";

    wf_text_clean(text, "\n\t");
    ck_assert_str_eq(text, "a\tb\nc??d");
    wf_text_clean(text, "\t");
    ck_assert_str_eq(text, "a\tb?c??d");
}
END_TEST

START_TEST(a_diagnostic_quotes_nobody_who_steers_the_terminal)
{
    struct wf_diag d = { 0 };

    wf_diag_set(&d, 0, 0, "refused: %s\n", "\033]0;owned\007 \302\2332J");
    ck_assert_str_eq(d.text, "refused: ?]0;owned? ?2J\n");
}
END_TEST

START_TEST(ports_are_decimal_1_to_65535)
{
    const struct port_row *r = &ports[_i];
    uint16_t port = 0;

    ck_assert_msg(wf_port_parse(wf_bytes_str(r->text), &port) == r->want, "'%s'", r->text);
    ck_assert_uint_eq(port, r->port);
}
END_TEST

START_TEST(a_diagnostic_is_cut_to_its_size_and_may_be_absent)
{
    struct wf_diag d = { 0 };

    wf_diag_set(NULL, 1, 1, "nobody asked");
    wf_diag_set(&d, 14, 7, "%01000d", 1);
    ck_assert_uint_eq(d.line, 14);
    ck_assert_uint_eq(d.column, 7);
    ck_assert_uint_eq(strlen(d.text), WF_DIAG_TEXT - 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bytes");
    TCase *t = tcase_create("bytes");

    tcase_add_loop_test(t, views_order_by_bytes_then_by_length, 0, WF_COUNT(orders));
    tcase_add_test(t, a_prefix_is_found_without_reading_past_the_view);
    tcase_add_test(t, a_hash_is_taken_only_from_32_bytes);
    tcase_add_test(t, copies_own_their_memory);
    tcase_add_test(t, a_buffer_grows_and_keeps_its_content);
    tcase_add_test(t, a_buffer_refuses_an_impossible_size_and_stays_as_it_was);
    tcase_add_test(t, a_failed_growth_leaves_the_buffer_as_it_was);
    tcase_add_test(t, fixed_width_integers_keep_their_byte_order);
    tcase_add_loop_test(t, varints_round_trip_and_refuse_every_truncation, 0, WF_COUNT(varints));
    tcase_add_loop_test(t, a_varint_beyond_64_bits_is_refused, 0, WF_COUNT(bad_varints));
    tcase_add_test(t, hex_round_trips_and_refuses_what_is_not_hex);
    tcase_add_loop_test(t, names_are_short_lower_case_words, 0, WF_COUNT(names));
    tcase_add_test(t, a_name_with_an_embedded_nul_is_refused);
    tcase_add_loop_test(t, utf8_is_read_as_rfc_3629_says, 0, WF_COUNT(utf8));
    tcase_add_loop_test(
        t, what_steers_a_terminal_is_told_from_what_is_shown, 0, WF_COUNT(controls));
    tcase_add_test(t, line_ends_stay_where_they_are_wanted);
    tcase_add_test(t, a_diagnostic_quotes_nobody_who_steers_the_terminal);
    tcase_add_loop_test(t, ports_are_decimal_1_to_65535, 0, WF_COUNT(ports));
    tcase_add_test(t, a_diagnostic_is_cut_to_its_size_and_may_be_absent);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

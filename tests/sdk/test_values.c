// SPDX-License-Identifier: Apache-2.0
// Durations, sizes, addresses, nearest words.
#include <check.h>

#include "sdk/conf/values.h"
#include "tests/support/support.h"

static const struct number_row {
    const char *text;
    enum weft_err want;
    uint64_t value;
} durations[] = {
    { "30s", WEFT_OK, 30000 },
    { "250ms", WEFT_OK, 250 },
    { "1h30m", WEFT_OK, 5400000 },
    { "7d", WEFT_OK, 604800000 },
    { "2w1d", WEFT_OK, 1296000000 },
    { "0s", WEFT_OK, 0 },
    { "1m1ms", WEFT_OK, 60001 },
    { "", WEFT_E_SYNTAX, 0 },
    { "30", WEFT_E_SYNTAX, 0 },
    { "s", WEFT_E_SYNTAX, 0 },
    { "30 s", WEFT_E_SYNTAX, 0 },
    { "-30s", WEFT_E_SYNTAX, 0 },
    { "30S", WEFT_E_SYNTAX, 0 },
    { "1.5h", WEFT_E_SYNTAX, 0 },
    { "030s", WEFT_E_SYNTAX, 0 },
    { "1s1h", WEFT_E_SYNTAX, 0 },
    { "1s1s", WEFT_E_SYNTAX, 0 },
    { "10 minutes", WEFT_E_SYNTAX, 0 },
    { "14893w", WEFT_OK, 14893ull * 604800000 },
    { "99999999999w", WEFT_E_RANGE, 0 },
    { "9007199254740993ms", WEFT_E_RANGE, 0 },
    { "99999999999999999999999s", WEFT_E_RANGE, 0 },
};

START_TEST(a_duration_is_numbers_with_units)
{
    const struct number_row *row = &durations[_i];
    uint64_t got = 7;
    enum weft_err err = wf_duration_parse(wf_bytes_str(row->text), &got);

    ck_assert_msg(err == row->want, "%s: %s", row->text, weft_err_name(err));
    ck_assert_msg(got == (err ? 7 : row->value), "%s", row->text);
}
END_TEST

static const struct number_row sizes[] = {
    { "64KiB", WEFT_OK, 65536 },
    { "1GiB", WEFT_OK, 1ull << 30 },
    { "2TiB", WEFT_OK, 1ull << 41 },
    { "0B", WEFT_OK, 0 },
    { "1GiB512MiB", WEFT_OK, 1610612736 },
    { "64", WEFT_E_SYNTAX, 0 },
    { "64KB", WEFT_E_SYNTAX, 0 },
    { "64kib", WEFT_E_SYNTAX, 0 },
    { "1.5GiB", WEFT_E_SYNTAX, 0 },
    { "8388608TiB", WEFT_OK, 1ull << 63 },
    { "8388609TiB", WEFT_E_RANGE, 0 },
};

START_TEST(a_size_is_numbers_with_binary_units)
{
    const struct number_row *row = &sizes[_i];
    uint64_t got = 7;
    enum weft_err err = wf_size_parse(wf_bytes_str(row->text), &got);

    ck_assert_msg(err == row->want, "%s: %s", row->text, weft_err_name(err));
    ck_assert_msg(got == (err ? 7 : row->value), "%s", row->text);
}
END_TEST

static const struct text_row {
    uint64_t value;
    const char *duration, *size;
} texts[] = {
    { 0, "0s", "0B" },
    { 1, "1ms", "1B" },
    { 5400000, "1h30m", "5400000B" },
    { 65536, "1m5s536ms", "64KiB" },
    { 604800000, "7d", "590625KiB" },
    { 1209600000, "2w", "1181250KiB" },
    { 1073741824, "12d10h15m41s824ms", "1GiB" },
};

START_TEST(a_printed_value_reads_back)
{
    const struct text_row *row = &texts[_i];
    struct wf_value_text t;
    uint64_t back = 0;

    ck_assert_str_eq(wf_duration_text(row->value, &t), row->duration);
    ck_assert_int_eq(wf_duration_parse(wf_bytes_str(t.s), &back), WEFT_OK);
    ck_assert_uint_eq(back, row->value);
    ck_assert_str_eq(wf_size_text(row->value, &t), row->size);
    ck_assert_int_eq(wf_size_parse(wf_bytes_str(t.s), &back), WEFT_OK);
    ck_assert_uint_eq(back, row->value);
}
END_TEST

START_TEST(the_longest_duration_fits_its_text)
{
    struct wf_value_text t;
    uint64_t back = 0;

    wf_duration_text((1ull << 53) - 1, &t);
    ck_assert_int_eq(wf_duration_parse(wf_bytes_str(t.s), &back), WEFT_OK);
    ck_assert_uint_eq(back, (1ull << 53) - 1);
}
END_TEST

static const struct address_row {
    const char *text;
    enum weft_err want;
    uint16_t port;
    bool loopback, wildcard;
    const char *host;
} addresses[] = {
    { "127.0.0.1:7400", WEFT_OK, 7400, true, false, "127.0.0.1" },
    { "0.0.0.0:7400", WEFT_OK, 7400, false, true, "0.0.0.0" },
    { "[::1]:80", WEFT_OK, 80, true, false, "::1" },
    { "[::]:0", WEFT_OK, 0, false, true, "::" },
    { "[2001:db8::1]:7400", WEFT_OK, 7400, false, false, "2001:db8::1" },
    { "localhost:1", WEFT_OK, 1, true, false, "localhost" },
    { "node-1.example.org:7400", WEFT_OK, 7400, false, false, "node-1.example.org" },
    { "127.0.0.1", WEFT_E_SYNTAX, 0, false, false, NULL },
    { ":7400", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "host:", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "host:http", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "host:65536", WEFT_E_RANGE, 0, false, false, NULL },
    { "host:07400", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "::1:80", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "[::1:80", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "[127.0.0.1]:80", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "[]:80", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "300.1.1.1:80", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "a..b:80", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "-a:80", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "a b:80", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "a/b:80", WEFT_E_SYNTAX, 0, false, false, NULL },
    { "", WEFT_E_SYNTAX, 0, false, false, NULL },
};

START_TEST(an_address_is_a_host_and_a_port)
{
    const struct address_row *row = &addresses[_i];
    struct wf_address a;
    char text[WF_ADDRESS_TEXT];
    enum weft_err err = wf_address_parse(wf_bytes_str(row->text), &a);

    ck_assert_msg(err == row->want, "%s: %s", row->text, weft_err_name(err));
    if (err)
        return;
    ck_assert_str_eq(a.host, row->host);
    ck_assert_uint_eq(a.port, row->port);
    ck_assert_int_eq(wf_address_is_loopback(&a), row->loopback);
    ck_assert_int_eq(wf_address_is_wildcard(&a), row->wildcard);
    ck_assert_str_eq(wf_address_text(&a, text), row->text);
}
END_TEST

START_TEST(a_host_name_has_at_most_253_bytes)
{
    struct wf_address a;
    char text[300];

    memset(text, 'a', sizeof text);
    memcpy(text + WF_MAX_HOST, ":80", 4);
    ck_assert_int_eq(wf_address_parse(wf_bytes_str(text), &a), WEFT_OK);
    memset(text, 'a', sizeof text);
    memcpy(text + WF_MAX_HOST + 1, ":80", 4);
    ck_assert_int_eq(wf_address_parse(wf_bytes_str(text), &a), WEFT_E_SYNTAX);
}
END_TEST

static const char *next(const void *context, size_t i)
{
    return ((const char *const *)context)[i];
}

static const struct near_row {
    const char *word, *want;
} near_rows[] = {
    { "intervall", "interval" },
    { "interva", "interval" },
    { "itnerval", "interval" },
    { "linten", "listen" },
    { "rol", "role" },
    { "roel", "role" },
    { "rale", "role" },
    { "xyz", NULL },
    { "re", NULL },
    { "", NULL },
    { "somethingelse", NULL },
};

START_TEST(the_nearest_word_is_suggested_if_it_is_near)
{
    static const char *const words[] = { "role", "listen", "interval", NULL };
    const struct near_row *row = &near_rows[_i];
    const char *got = wf_suggest(wf_bytes_str(row->word), next, words);

    if (row->want)
        ck_assert_str_eq(got, row->want);
    else
        ck_assert_ptr_null(got);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("values");
    TCase *t = tcase_create("all");

    tcase_add_loop_test(t, a_duration_is_numbers_with_units, 0, WF_COUNT(durations));
    tcase_add_loop_test(t, a_size_is_numbers_with_binary_units, 0, WF_COUNT(sizes));
    tcase_add_loop_test(t, a_printed_value_reads_back, 0, WF_COUNT(texts));
    tcase_add_test(t, the_longest_duration_fits_its_text);
    tcase_add_loop_test(t, an_address_is_a_host_and_a_port, 0, WF_COUNT(addresses));
    tcase_add_test(t, a_host_name_has_at_most_253_bytes);
    tcase_add_loop_test(t, the_nearest_word_is_suggested_if_it_is_near, 0, WF_COUNT(near_rows));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

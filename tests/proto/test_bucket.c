// SPDX-License-Identifier: Apache-2.0
// The token bucket, and the key under which an address has one.
#include <check.h>

#include "proto/session/bucket.h"
#include "tests/support/support.h"

static unsigned drain(struct wf_bucket *b, int64_t now_ms)
{
    unsigned n = 0;

    while (wf_bucket_take(b, now_ms))
        n++;
    return n;
}

START_TEST(a_new_bucket_gives_its_burst_and_no_more)
{
    struct wf_bucket b;

    wf_bucket_init(&b, 20, 5, 1000);
    ck_assert(wf_bucket_is_full(&b, 1000));
    ck_assert_uint_eq(drain(&b, 1000), 5);
    ck_assert(!wf_bucket_is_full(&b, 1000));
}
END_TEST

START_TEST(tokens_come_back_at_the_rate)
{
    struct wf_bucket b;

    wf_bucket_init(&b, 20, 5, 0);
    drain(&b, 0);
    ck_assert(!wf_bucket_take(&b, 49));
    ck_assert(wf_bucket_take(&b, 50)); // what had come by 49 is not lost
    ck_assert(!wf_bucket_take(&b, 50));
    ck_assert_uint_eq(drain(&b, 150), 2);
    ck_assert_uint_eq(drain(&b, 1150), 5); // 20 would have come; the burst is the most
}
END_TEST

START_TEST(a_token_given_back_is_there_again_and_never_more_than_the_burst)
{
    struct wf_bucket b;

    wf_bucket_init(&b, 20, 5, 0);
    wf_bucket_give(&b, 0);
    ck_assert_uint_eq(drain(&b, 0), 5);
    wf_bucket_give(&b, 0);
    ck_assert_uint_eq(drain(&b, 0), 1);
    wf_bucket_give(&b, 10000); // full long since
    ck_assert_uint_eq(drain(&b, 10000), 5);
}
END_TEST

START_TEST(over_a_long_time_no_more_than_rate_and_burst_pass)
{
    struct wf_bucket b;
    unsigned passed = 0;

    wf_bucket_init(&b, 7, 3, 0);
    for (int64_t now = 0; now <= 100000; now += 3)
        passed += drain(&b, now);
    ck_assert_uint_le(passed, 700 + 3);
    ck_assert_uint_ge(passed, 700 + 3 - 1);
}
END_TEST

START_TEST(a_clock_that_steps_back_gives_nothing)
{
    struct wf_bucket b;

    wf_bucket_init(&b, 1000, 5, 1000);
    drain(&b, 1000);
    ck_assert(!wf_bucket_take(&b, 0));
    ck_assert(!wf_bucket_take(&b, 1000)); // nor when it comes back
    ck_assert(!wf_bucket_take(&b, INT64_MIN));
    ck_assert(wf_bucket_take(&b, 1001));
}
END_TEST

START_TEST(extremes_do_not_overflow)
{
    struct wf_bucket b;

    wf_bucket_init(&b, UINT32_MAX, UINT32_MAX, INT64_MIN);
    for (int i = 0; i < 1000; i++)
        ck_assert(wf_bucket_take(&b, INT64_MIN));
    ck_assert(!wf_bucket_is_full(&b, INT64_MIN));
    ck_assert(wf_bucket_is_full(&b, INT64_MAX));
    ck_assert(wf_bucket_take(&b, INT64_MAX));
    ck_assert_uint_eq(b.level, (uint64_t)UINT32_MAX * 1000 - 1000);
}
END_TEST

START_TEST(a_rate_of_zero_never_refills_and_no_burst_never_passes)
{
    struct wf_bucket b;

    wf_bucket_init(&b, 0, 2, 0);
    ck_assert_uint_eq(drain(&b, 0), 2);
    ck_assert(!wf_bucket_take(&b, INT64_MAX));
    wf_bucket_init(&b, 1000, 0, 0);
    ck_assert(!wf_bucket_take(&b, INT64_MAX));
}
END_TEST

START_TEST(a_bucket_is_full_again_when_its_last_token_is_back)
{
    struct wf_bucket b;

    wf_bucket_init(&b, 10, 5, 0);
    ck_assert(wf_bucket_take(&b, 0));
    ck_assert(!wf_bucket_is_full(&b, 99));
    ck_assert(wf_bucket_is_full(&b, 100));
}
END_TEST

static const struct key_row {
    const char *why, *a, *b;
    bool same;
} keys[] = {
    { "one IPv4 address", "c0000201", "c0000201", true },
    { "IPv4 neighbours are two", "c0000201", "c0000202", false },
    { "one IPv6 /64", "20010db8000000010000000000000001", "20010db800000001ffffffffffffffff",
        true },
    { "two IPv6 /64", "20010db8000000010000000000000001", "20010db8000000020000000000000001",
        false },
    { "an IPv4 address, mapped or not", "c0000201", "00000000000000000000ffffc0000201", true },
    { "two mapped IPv4 addresses", "00000000000000000000ffffc0000201",
        "00000000000000000000ffffc0000202", false },
    { "IPv4 is not the IPv6 net of the same bytes", "20010db8", "20010db8000000000000000000000001",
        false },
    { "::1 is no IPv4", "00000000000000000000000000000001", "00000001", false },
};

START_TEST(an_address_has_the_key_of_its_host_or_net)
{
    struct wf_buf a = wf_test_hex(keys[_i].a), b = wf_test_hex(keys[_i].b);
    struct wf_addr_key ka, kb;

    ck_assert_int_eq(wf_addr_key(wf_buf_view(&a), &ka), WEFT_OK);
    ck_assert_int_eq(wf_addr_key(wf_buf_view(&b), &kb), WEFT_OK);
    ck_assert_msg((memcmp(&ka, &kb, WF_ADDR_KEY_LEN) == 0) == keys[_i].same, "%s", keys[_i].why);
    wf_buf_fini(&a);
    wf_buf_fini(&b);
}
END_TEST

START_TEST(an_address_of_another_length_is_refused)
{
    uint8_t raw[20] = { 0 };
    struct wf_addr_key key;

    for (size_t n = 0; n <= sizeof raw; n++)
        ck_assert_int_eq(
            wf_addr_key(wf_bytes(raw, n), &key), n == 4 || n == 16 ? WEFT_OK : WEFT_E_SYNTAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bucket");
    TCase *t = tcase_create("bucket");

    tcase_add_test(t, a_new_bucket_gives_its_burst_and_no_more);
    tcase_add_test(t, tokens_come_back_at_the_rate);
    tcase_add_test(t, over_a_long_time_no_more_than_rate_and_burst_pass);
    tcase_add_test(t, a_token_given_back_is_there_again_and_never_more_than_the_burst);
    tcase_add_test(t, a_clock_that_steps_back_gives_nothing);
    tcase_add_test(t, extremes_do_not_overflow);
    tcase_add_test(t, a_rate_of_zero_never_refills_and_no_burst_never_passes);
    tcase_add_test(t, a_bucket_is_full_again_when_its_last_token_is_back);
    tcase_add_loop_test(t, an_address_has_the_key_of_its_host_or_net, 0, WF_COUNT(keys));
    tcase_add_test(t, an_address_of_another_length_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

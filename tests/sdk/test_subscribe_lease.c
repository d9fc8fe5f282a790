// SPDX-License-Identifier: Apache-2.0
// A reader's leases against a fake home: taken anew, replaced, renewed before they end and in no haste, given back.
#include "tests/sdk/reader_rig.h"

START_TEST(a_forgotten_lease_is_taken_anew)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    atomic_store(&h.forget, true);
    atomic_store(&h.drop, 1);
    append(4, 2);
    take_until_got(8);
    ck_assert_int_ge(atomic_load(&h.leases), 2);
}
END_TEST

START_TEST(a_reader_that_ends_gives_its_lease_back)
{
    struct weft_options o = { .dir = m.dir, .flags = WEFT_REMOTE_ONLY, .deadline_ms = 30000 };

    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    weft_unsubscribe(s);
    s = NULL;
    weft_close(c); // it does not cut off the last word
    ck_assert_int_eq(atomic_load(&h.given_back), 1);
    ck_assert_msg(weft_connect(&o, &c, &problem) == WEFT_OK, "%s", problem.text);
}
END_TEST

START_TEST(a_lease_that_was_lost_is_replaced_not_added)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    ck_assert_int_eq(atomic_load(&h.replaced), 0);
    atomic_store(&h.mute, true);
    atomic_store(&h.forget, true);
    for (int left = PATIENCE_MS; atomic_load(&h.leases) < 2 && left > 0; left -= 100)
        take(100);
    ck_assert_int_eq(atomic_load(&h.replaced), 1);
}
END_TEST

START_TEST(leases_are_renewed_before_they_end)
{
    atomic_store(&h.lease_ms, 2000);
    subscribe(WEFT_FROM_EARLIEST, 0);
    for (int i = 0; i < 200 && atomic_load(&h.leases) < 3; i++)
        take(100);
    ck_assert_int_ge(atomic_load(&h.leases), 3);
    append(2, 1);
    take_until_got(2);
}
END_TEST

// A home whose clock is behind, and one that names a time beyond any token's: neither makes a reader ask again and again, or never.
START_TEST(a_lease_of_an_odd_length_is_renewed_in_time)
{
    int64_t begun = wf_test_clock_unix_ms();

    atomic_store(&h.lease_ms, -60000);
    subscribe(WEFT_FROM_EARLIEST, 0);
    for (int left = PATIENCE_MS; atomic_load(&h.leases) < 3 && left > 0; left -= 100)
        take(100);
    ck_assert_int_ge(atomic_load(&h.leases), 3);
    ck_assert_int_ge(wf_test_clock_unix_ms() - begun, 2000); // twice half of two seconds
    ck_assert_int_lt(stats().lease_expires_ms, wf_test_clock_unix_ms());
    atomic_store(&h.lease_ms, INT64_MAX / 2);
    int leases = atomic_load(&h.leases);
    for (int left = PATIENCE_MS; stats().lease_expires_ms < INT64_MAX / 2 && left > 0; left -= 100)
        take(100);
    ck_assert_int_ge(stats().lease_expires_ms, INT64_MAX / 2);
    append(2, 1);
    take_until_got(2);
    ck_assert_int_le(atomic_load(&h.leases) - leases, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.subscribe_lease");
    TCase *t = tcase_create("leases");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_forgotten_lease_is_taken_anew);
    tcase_add_test(t, a_reader_that_ends_gives_its_lease_back);
    tcase_add_test(t, a_lease_that_was_lost_is_replaced_not_added);
    tcase_add_test(t, leases_are_renewed_before_they_end);
    tcase_add_test(t, a_lease_of_an_odd_length_is_renewed_in_time);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

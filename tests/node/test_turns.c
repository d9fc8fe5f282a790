// SPDX-License-Identifier: Apache-2.0
// Turns of origins: in order within one, beside one another else, and each step looks at as few when hundreds wait as when ten do.
#include <check.h>
#include <stdlib.h>

#include "node/stream/turns.h"

#define FEW  10u
#define MANY 448u // more requests than these nobody can have here at once

static struct wf_turns turns;

static void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    wf_turns_init(&turns);
}

static struct wf_sign_pub origin_of(unsigned i)
{
    struct wf_sign_pub key;
    uint8_t be[4];

    wf_store_be32(be, i);
    struct wf_hash h;
    wf_blake2b(WF_BYTES(be), &h);
    memcpy(key.b, h.b, WF_KEY_LEN);
    return key;
}

START_TEST(an_origins_turns_come_in_order_and_one_at_a_time)
{
    struct wf_sign_pub a = origin_of(0), b = origin_of(1);
    struct wf_turn w[5];

    ck_assert(!wf_turns_has(&turns, &a));
    ck_assert_ptr_null(wf_turns_take(&turns));
    for (unsigned i = 0; i < 5; i++)
        wf_turns_add(&turns, &w[i], i == 1 ? &b : &a); // a b a a a
    ck_assert(wf_turns_has(&turns, &a) && wf_turns_has(&turns, &b));
    ck_assert_ptr_eq(wf_turns_take(&turns), &w[0]);
    ck_assert_ptr_eq(wf_turns_take(&turns), &w[1]);
    ck_assert_ptr_null(wf_turns_take(&turns)); // the others wait for w[0]
    wf_turns_leave(&turns, &w[0]);
    ck_assert_ptr_eq(wf_turns_take(&turns), &w[2]);
    wf_turns_leave(&turns, &w[1]);
    ck_assert(!wf_turns_has(&turns, &b));
    ck_assert_ptr_null(wf_turns_take(&turns));
    wf_turns_leave(&turns, &w[2]);
    ck_assert_ptr_eq(wf_turns_take(&turns), &w[3]);
    wf_turns_leave(&turns, &w[3]);
    ck_assert_ptr_eq(wf_turns_take(&turns), &w[4]);
    ck_assert_uint_eq(turns.count, 1);
    wf_turns_leave(&turns, &w[4]);
    ck_assert(!wf_turns_has(&turns, &a));
    ck_assert_uint_eq(turns.count, 0);
    ck_assert_ptr_null(wf_turns_take(&turns));
}
END_TEST

START_TEST(what_found_no_room_is_the_next_again)
{
    struct wf_sign_pub a = origin_of(0), b = origin_of(1), c = origin_of(2);
    struct wf_turn w[4];

    wf_turns_add(&turns, &w[0], &a);
    ck_assert_ptr_eq(wf_turns_take(&turns), &w[0]);
    wf_turns_again(&turns, &w[0]); // alone
    wf_turns_add(&turns, &w[1], &b);
    ck_assert_ptr_eq(wf_turns_take(&turns), &w[0]);
    wf_turns_again(&turns, &w[0]); // before another
    wf_turns_add(&turns, &w[2], &c);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ptr_eq(wf_turns_take(&turns), &w[i]);
    ck_assert_ptr_null(wf_turns_take(&turns));
    for (unsigned i = 0; i < 3; i++)
        wf_turns_leave(&turns, &w[i]);
    wf_turns_add(&turns, &w[3], &b); // an origin that was here before
    ck_assert_ptr_eq(wf_turns_take(&turns), &w[3]);
    wf_turns_leave(&turns, &w[3]);
}
END_TEST

// What each of `count` takes to come, have its turn and go; behind one another of one origin, or each of its own.
static double looked_at(unsigned count, bool one_origin)
{
    static struct wf_turn w[MANY];

    wf_turns_init(&turns);
    for (unsigned i = 0; i < count; i++) {
        struct wf_sign_pub key = origin_of(one_origin ? 0 : i);
        (void)wf_turns_has(&turns, &key);
        wf_turns_add(&turns, &w[i], &key);
    }
    ck_assert_uint_eq(turns.count, count);
    for (unsigned i = 0; i < count; i++) {
        ck_assert_ptr_eq(wf_turns_take(&turns), &w[i]);
        wf_turns_leave(&turns, &w[i]);
    }
    return (double)turns.looked / count;
}

START_TEST(a_turn_costs_the_same_however_many_wait)
{
    bool one_origin = _i == 0;
    double few = looked_at(FEW, one_origin), many = looked_at(MANY, one_origin);

    ck_assert_double_le(few, 3 + 1);
    ck_assert_double_le(
        many, 3 + 2); // rows hold less than one on average; the salt is another each time
}
END_TEST

START_TEST(origins_that_look_alike_are_told_apart)
{
    struct wf_sign_pub keys[3] = { 0 };
    struct wf_turn w[3];

    for (unsigned i = 0; i < 3; i++) { // their first bytes are one, so they share a row
        keys[i].b[WF_KEY_LEN - 1] = (uint8_t)i;
        wf_turns_add(&turns, &w[i], &keys[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ptr_eq(wf_turns_take(&turns), &w[i]);
    wf_turns_leave(&turns, &w[1]);
    ck_assert(wf_turns_has(&turns, &keys[0]));
    ck_assert(!wf_turns_has(&turns, &keys[1]));
    ck_assert(wf_turns_has(&turns, &keys[2]));
    wf_turns_leave(&turns, &w[0]);
    wf_turns_leave(&turns, &w[2]);
    ck_assert_uint_eq(turns.count, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.turns");
    TCase *tc = tcase_create("turns");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, an_origins_turns_come_in_order_and_one_at_a_time);
    tcase_add_test(tc, what_found_no_room_is_the_next_again);
    tcase_add_loop_test(tc, a_turn_costs_the_same_however_many_wait, 0, 2);
    tcase_add_test(tc, origins_that_look_alike_are_told_apart);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

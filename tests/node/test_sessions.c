// SPDX-License-Identifier: Apache-2.0
// The table of sessions: caps, the bucket of an address, stamps. What a stranger may use up, and what not.
#include "node/sessions.h"

#include <check.h>
#include <stdio.h>

static struct wf_sessions *table;

static void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    ck_assert_int_eq(wf_sessions_new(&table), WEFT_OK);
}

static void teardown(void)
{
    wf_sessions_free(table);
}

static enum weft_err add(uint32_t pipe, struct wf_live_session **ret)
{
    struct wf_session s = { .id = wf_sessions_fresh_id(table) };

    return wf_sessions_add(table, &s, pipe, ret);
}

static enum weft_err greet(struct wf_live_session *s, const char *domain, bool is_own)
{
    enum weft_err err = wf_sessions_greet(table, s, domain, is_own);

    if (!err && domain) {
        s->caller.has_identity = true;
        snprintf(s->caller.identity.cert.domain.s, sizeof s->caller.identity.cert.domain.s, "%s",
            domain);
    }
    return err;
}

// ---- caps ------------------------------------------------------------------------------------------------------------

START_TEST(a_pipe_has_a_few_sessions)
{
    struct wf_live_session *s = NULL;

    for (size_t i = 0; i < WF_SESSIONS_PER_PIPE; i++) {
        ck_assert_int_eq(add(1, &s), WEFT_OK);
        ck_assert_int_eq(greet(s, "other", false), WEFT_OK);
    }
    ck_assert_int_eq(add(1, &s), WEFT_E_BUSY);
    ck_assert_int_eq(add(2, &s), WEFT_OK);
}
END_TEST

START_TEST(half_open_sessions_make_room_for_newer_ones_and_for_nobody_elses)
{
    struct wf_live_session *proven = NULL, *oldest = NULL, *s = NULL;

    ck_assert_int_eq(add(1, &proven), WEFT_OK);
    ck_assert_int_eq(greet(proven, "other", false), WEFT_OK);
    ck_assert_int_eq(add(2, &oldest), WEFT_OK);
    uint64_t kept = proven->s.id, lost = oldest->s.id;
    for (uint32_t i = 1; i < WF_SESSIONS_HALF_OPEN; i++)
        ck_assert_int_eq(add(2 + i, &s), WEFT_OK);
    ck_assert_uint_eq(wf_sessions_half_open(table), WF_SESSIONS_HALF_OPEN);
    ck_assert_int_eq(add(9999, &s), WEFT_OK);
    ck_assert_ptr_eq(wf_sessions_find(table, s->s.id), s);
    ck_assert_uint_eq(wf_sessions_half_open(table), WF_SESSIONS_HALF_OPEN);
    ck_assert_ptr_null(wf_sessions_find(table, lost));
    ck_assert_ptr_eq(wf_sessions_find(table, kept), proven);
}
END_TEST

START_TEST(a_greeting_ends_being_half_open_once)
{
    struct wf_live_session *s = NULL;

    ck_assert_int_eq(add(1, &s), WEFT_OK);
    ck_assert_uint_eq(wf_sessions_half_open(table), 1);
    ck_assert_int_eq(greet(s, NULL, false), WEFT_OK); // a newcomer that joins
    ck_assert_int_eq(
        greet(s, "own", true), WEFT_OK); // and shows its certificate in the same session
    ck_assert_uint_eq(wf_sessions_half_open(table), 0);
    wf_sessions_remove(table, s);
    ck_assert_uint_eq(wf_sessions_half_open(table), 0);
    ck_assert_uint_eq(wf_sessions_count(table), 0);
}
END_TEST

static const struct share {
    const char *why, *domain;
    bool is_own;
    size_t cap;
} shares[] = {
    { "who has no certificate", NULL, false, WF_SESSIONS_NEWCOMERS },
    { "one other domain", "greedy", false, WF_SESSIONS_PER_DOMAIN },
    { "this node's own agents", "own", true, WF_SESSIONS_OWN },
};

START_TEST(nobody_has_more_than_its_share_and_the_others_still_come_in)
{
    const struct share *share = &shares[_i];
    struct wf_live_session *s = NULL;

    for (size_t i = 0; i < share->cap; i++) {
        ck_assert_int_eq(add((uint32_t)i, &s), WEFT_OK);
        ck_assert_int_eq(greet(s, share->domain, share->is_own), WEFT_OK);
    }
    ck_assert_int_eq(add(100000, &s), WEFT_OK);
    ck_assert_msg(greet(s, share->domain, share->is_own) == WEFT_E_BUSY, "%s", share->why);
    ck_assert(!s->greeted);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        if (i == (size_t)_i)
            continue;
        ck_assert_int_eq(add(200000 + (uint32_t)i, &s), WEFT_OK);
        ck_assert_int_eq(greet(s, shares[i].domain, shares[i].is_own), WEFT_OK);
    }
}
END_TEST

START_TEST(there_is_an_end_to_all_sessions)
{
    struct wf_live_session *s = NULL;
    char domain[16];

    for (uint32_t i = 0; i < WF_SESSIONS_MAX; i++) {
        snprintf(domain, sizeof domain, "d%u", i / 1000);
        ck_assert_int_eq(add(i, &s), WEFT_OK);
        ck_assert_int_eq(greet(s, domain, false), WEFT_OK);
    }
    ck_assert_int_eq(add(WF_SESSIONS_MAX, &s), WEFT_E_BUSY);
    ck_assert_uint_eq(wf_sessions_count(table), WF_SESSIONS_MAX);
}
END_TEST

// ---- rates and stamps --------------------------------------------------------------------------------------------------

static struct wf_addr_key address(uint32_t n)
{
    uint8_t ip[4] = { 10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
    struct wf_addr_key key;

    ck_assert_int_eq(wf_addr_key(WF_BYTES(ip), &key), WEFT_OK);
    return key;
}

START_TEST(an_address_has_its_burst_and_spares_the_others)
{
    struct wf_addr_key loud = address(1), quiet = address(2);

    for (unsigned i = 0; i < WF_HANDSHAKE_BURST; i++)
        ck_assert_int_eq(wf_sessions_admit(table, &loud, 1000), WEFT_OK);
    ck_assert_int_eq(wf_sessions_admit(table, &loud, 1000), WEFT_E_FLOOD);
    ck_assert_int_eq(wf_sessions_admit(table, &quiet, 1000), WEFT_OK);
    ck_assert_int_eq(wf_sessions_admit(table, &loud, 2000), WEFT_OK);
}
END_TEST

START_TEST(more_addresses_than_buckets_share_one_and_take_no_memory)
{
    unsigned refused = 0;

    for (uint32_t i = 0; i < 4 * WF_BUCKETS_MAX; i++) {
        struct wf_addr_key key = address(i);
        refused += wf_sessions_admit(table, &key, 1000) == WEFT_E_FLOOD;
    }
    ck_assert_uint_gt(refused, 0);
}
END_TEST

START_TEST(the_stamp_of_a_key_must_rise)
{
    struct wf_dh_pub one = { { 1 } }, two = { { 2 } };

    ck_assert_int_eq(wf_sessions_stamp(table, &one, 500), WEFT_OK);
    ck_assert_int_eq(wf_sessions_stamp(table, &one, 500), WEFT_E_REPLAY);
    ck_assert_int_eq(wf_sessions_stamp(table, &one, 499), WEFT_E_REPLAY);
    ck_assert_int_eq(wf_sessions_stamp(table, &two, 1), WEFT_OK);
    ck_assert_int_eq(wf_sessions_stamp(table, &one, 501), WEFT_OK);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sessions");
    TCase *c = tcase_create("table");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_pipe_has_a_few_sessions);
    tcase_add_test(c, half_open_sessions_make_room_for_newer_ones_and_for_nobody_elses);
    tcase_add_test(c, a_greeting_ends_being_half_open_once);
    tcase_add_loop_test(c, nobody_has_more_than_its_share_and_the_others_still_come_in, 0,
        sizeof shares / sizeof *shares);
    tcase_add_test(c, there_is_an_end_to_all_sessions);
    tcase_add_test(c, an_address_has_its_burst_and_spares_the_others);
    tcase_add_test(c, more_addresses_than_buckets_share_one_and_take_no_memory);
    tcase_add_test(c, the_stamp_of_a_key_must_rise);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

// SPDX-License-Identifier: Apache-2.0
// The table of sessions: caps and shares. What a stranger may use up, and what not.
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

START_TEST(a_connection_has_its_own_sessions_and_no_others)
{
    struct wf_live_session *one = NULL, *two = NULL, *far = NULL;

    ck_assert_int_eq(add(1, &one), WEFT_OK);
    ck_assert_int_eq(add(1025, &far), WEFT_OK); // the same slot of the table
    ck_assert_int_eq(add(1, &two), WEFT_OK);
    ck_assert_ptr_eq(wf_sessions_of_pipe(table, 1, NULL), two);
    ck_assert_ptr_eq(wf_sessions_of_pipe(table, 1, two), one);
    ck_assert_ptr_null(wf_sessions_of_pipe(table, 1, one));
    ck_assert_ptr_null(wf_sessions_of_pipe(table, 2049, NULL));
    wf_sessions_remove(table, two);
    ck_assert_ptr_eq(wf_sessions_of_pipe(table, 1, NULL), one);
    wf_sessions_remove(table, one);
    ck_assert_ptr_null(wf_sessions_of_pipe(table, 1, NULL));
    ck_assert_ptr_eq(wf_sessions_of_pipe(table, 1025, NULL), far);
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
    tcase_add_test(c, a_connection_has_its_own_sessions_and_no_others);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

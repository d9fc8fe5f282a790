// SPDX-License-Identifier: Apache-2.0
// Who may shake hands: addresses, known keys, stamps. Time is played; a second has a thousand turns.
#include "node/admit.h"

#include <check.h>
#include <stdio.h>

#define FROM_MS 1000

static struct wf_admit *door;

static void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    ck_assert_int_eq(wf_admit_new(&door), WEFT_OK);
}

static void teardown(void)
{
    wf_admit_free(door);
}

static struct wf_addr_key address(uint32_t n)
{
    uint8_t ip[4] = { 10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
    struct wf_addr_key key;

    ck_assert_int_eq(wf_addr_key(WF_BYTES(ip), &key), WEFT_OK);
    return key;
}

static struct wf_dh_pub key_of(uint32_t n)
{
    struct wf_dh_pub key = { { 0 } };

    wf_store_be32(key.b, n);
    return key;
}

static int64_t last_stamp;

// A whole handshake of the key with a stamp of its own.
static enum weft_err shake(uint32_t key, uint32_t from, bool first, int64_t now_ms)
{
    struct wf_admit_ask ask = { .from = address(from), .first = first, .now_ms = now_ms };
    struct wf_admit_pass pass;
    struct wf_dh_pub peer = key_of(key);
    enum weft_err err = wf_admit_address(door, &ask, &pass);

    return err ? err : wf_admit_key(door, &pass, &peer, ++last_stamp);
}

static void prove(uint32_t key, const char *domain, uint32_t from, int64_t now_ms)
{
    struct wf_addr_key addr = address(from);
    struct wf_dh_pub peer = key_of(key);

    wf_admit_prove(door, &peer, domain, &addr, now_ms);
}

// ---- addresses -------------------------------------------------------------------------------------------------------

START_TEST(an_address_has_its_burst_and_spares_the_others)
{
    for (unsigned i = 0; i < WF_HANDSHAKE_BURST; i++)
        ck_assert_int_eq(shake(i, 1, false, FROM_MS), WEFT_OK);
    ck_assert_int_eq(shake(9999, 1, false, FROM_MS), WEFT_E_FLOOD);
    ck_assert_int_eq(shake(9999, 2, false, FROM_MS), WEFT_OK);
    ck_assert_int_eq(shake(9999, 1, false, FROM_MS + 1000), WEFT_OK);
}
END_TEST

START_TEST(more_addresses_than_buckets_share_one_and_take_no_memory)
{
    unsigned refused = 0;

    for (uint32_t i = 0; i < 4 * WF_BUCKETS_MAX; i++)
        refused += shake(i, i, false, FROM_MS) == WEFT_E_FLOOD;
    ck_assert_uint_gt(refused, 0);
}
END_TEST

// ---- stamps ----------------------------------------------------------------------------------------------------------

START_TEST(the_stamp_of_a_key_must_rise)
{
    struct wf_admit_ask ask = { .from = address(1), .now_ms = FROM_MS };
    struct wf_admit_pass pass;
    struct wf_dh_pub one = key_of(1), two = key_of(2);

    ck_assert_int_eq(wf_admit_address(door, &ask, &pass), WEFT_OK);
    ck_assert_int_eq(wf_admit_key(door, &pass, &one, 500), WEFT_OK);
    ck_assert_int_eq(wf_admit_key(door, &pass, &one, 500), WEFT_E_REPLAY);
    ck_assert_int_eq(wf_admit_key(door, &pass, &one, 499), WEFT_E_REPLAY);
    ck_assert_int_eq(wf_admit_key(door, &pass, &two, 1), WEFT_OK);
    ck_assert_int_eq(wf_admit_key(door, &pass, &one, 501), WEFT_OK);
}
END_TEST

START_TEST(a_known_key_keeps_its_stamp_when_strangers_push_out_those_of_others)
{
    struct wf_admit_ask ask = { .from = address(1), .now_ms = FROM_MS };
    struct wf_admit_pass pass;
    struct wf_dh_pub member = key_of(1);

    ck_assert_int_eq(wf_admit_address(door, &ask, &pass), WEFT_OK);
    ck_assert_int_eq(wf_admit_key(door, &pass, &member, 700), WEFT_OK);
    prove(1, "servers", 1, FROM_MS);
    for (uint32_t i = 0; i < 8 * WF_STAMPS_MAX; i++) {
        struct wf_dh_pub stranger = key_of(1000 + i);
        ck_assert_int_eq(wf_admit_key(door, &pass, &stranger, 900), WEFT_OK);
    }
    ck_assert_int_eq(wf_admit_key(door, &pass, &member, 700), WEFT_E_REPLAY);
    wf_admit_forget(door, &member);
    ck_assert_int_eq(wf_admit_key(door, &pass, &member, 700), WEFT_E_REPLAY);
    ck_assert_int_eq(wf_admit_key(door, &pass, &member, 701), WEFT_OK);
}
END_TEST

START_TEST(recorded_handshakes_of_a_known_key_do_not_use_up_its_bucket)
{
    struct wf_admit_ask ask = { .from = address(2), .now_ms = FROM_MS };
    struct wf_admit_pass pass;
    struct wf_dh_pub member = key_of(1);

    prove(1, "servers", 1, FROM_MS);
    ck_assert_int_eq(shake(1, 1, true, FROM_MS), WEFT_OK);
    for (unsigned i = 0; i < WF_HANDSHAKE_BURST; i++) {
        ck_assert_int_eq(wf_admit_address(door, &ask, &pass), WEFT_OK);
        ck_assert_int_eq(wf_admit_key(door, &pass, &member, last_stamp), WEFT_E_REPLAY);
    }
    // Its address is dry now, so that this one is paid from the key's own.
    ck_assert_int_eq(shake(9, 2, false, FROM_MS), WEFT_E_FLOOD);
    ck_assert_int_eq(shake(1, 2, true, FROM_MS), WEFT_OK);
}
END_TEST

// ---- known keys ------------------------------------------------------------------------------------------------------

static const struct flood {
    const char *why;
    bool same;  // the known key calls from their address
    bool first; // the strangers open a connection for each
} floods[] = {
    { "strangers behind its own address, over open connections", true, false },
    { "strangers at another address", false, true },
};

START_TEST(a_flood_of_unknown_keys_does_not_keep_a_known_one_out)
{
    const struct flood *f = &floods[_i];
    unsigned in = 0, tries = 0, strangers = 0;
    uint32_t n = 0;

    prove(1, "servers", f->same ? 0 : 1, FROM_MS);
    for (int64_t now = FROM_MS; now < FROM_MS + 20000; now++) { // 5,000 a second
        for (unsigned i = 0; i < 5; i++, n++)
            strangers += shake(1000 + n, 0, f->first, now) == WEFT_OK;
        if (now % 1000 == 999) {
            tries++;
            in += shake(1, f->same ? 0 : 1, true, now) == WEFT_OK;
        }
    }
    ck_assert_uint_eq(tries, 20);
    ck_assert_msg(in == tries, "%s: %u of %u", f->why, in, tries);
    ck_assert_msg(strangers > 0 && strangers < n / 2, "%s: it was no flood", f->why);
}
END_TEST

START_TEST(a_flood_from_more_addresses_than_there_are_buckets_leaves_known_addresses_theirs)
{
    unsigned refused = 0;

    prove(1, "servers", 90000, FROM_MS);
    for (uint32_t i = 0; i < 4 * WF_BUCKETS_MAX; i++)
        refused += shake(1000 + i, i, false, FROM_MS) == WEFT_E_FLOOD;
    ck_assert_uint_gt(refused, WF_BUCKETS_MAX);
    for (unsigned i = 0; i < WF_KEY_HANDSHAKE_BURST + WF_HANDSHAKE_BURST; i++)
        ck_assert_int_eq(shake(1, 90000, false, FROM_MS), WEFT_OK);
}
END_TEST

START_TEST(a_renewal_on_a_proven_connection_pays_from_its_own_key)
{
    struct wf_dh_pub member = key_of(1), other = key_of(2);
    struct wf_admit_ask ask = { .from = address(1), .of_connection = &member, .now_ms = FROM_MS };
    struct wf_admit_pass pass;

    prove(1, "servers", 1, FROM_MS);
    for (unsigned i = 0; i < WF_HANDSHAKE_BURST; i++)
        ck_assert_int_eq(shake(1000 + i, 1, true, FROM_MS), WEFT_OK);
    for (unsigned i = 0; i < WF_LOOK_BURST; i++) // no look is left either
        ck_assert_int_eq(shake(5000 + i, 1, true, FROM_MS), WEFT_E_FLOOD);
    ck_assert_int_eq(shake(1, 1, true, FROM_MS), WEFT_E_FLOOD);
    ck_assert_int_eq(wf_admit_address(door, &ask, &pass), WEFT_OK);
    ck_assert_int_eq(pass.by, WF_ADMIT_BY_KEY);
    // What it paid for is for itself alone.
    ck_assert_int_eq(wf_admit_key(door, &pass, &other, ++last_stamp), WEFT_E_FLOOD);
    ck_assert_int_eq(wf_admit_key(door, &pass, &member, ++last_stamp), WEFT_OK);
    for (unsigned i = 1; i < WF_KEY_HANDSHAKE_BURST; i++)
        ck_assert_int_eq(wf_admit_address(door, &ask, &pass), WEFT_OK);
    ck_assert_int_eq(wf_admit_address(door, &ask, &pass), WEFT_E_FLOOD);
}
END_TEST

START_TEST(known_keys_leave_their_address_what_strangers_need_to_join)
{
    for (uint32_t i = 0; i < 3 * WF_HANDSHAKE_BURST; i++)
        prove(i, "servers", 1, FROM_MS);
    for (uint32_t i = 0; i < 3 * WF_HANDSHAKE_BURST; i++) // all agents behind one gateway, at once
        ck_assert_int_eq(shake(i, 1, true, FROM_MS), WEFT_OK);
    for (uint32_t i = 0; i < WF_HANDSHAKE_BURST; i++)
        ck_assert_int_eq(shake(10000 + i, 1, true, FROM_MS), WEFT_OK);
    ck_assert_int_eq(shake(20000, 1, true, FROM_MS), WEFT_E_FLOOD);
}
END_TEST

START_TEST(a_known_key_beyond_its_own_bucket_is_one_of_its_address)
{
    prove(1, "servers", 1, FROM_MS);
    for (unsigned i = 0; i < WF_KEY_HANDSHAKE_BURST + WF_HANDSHAKE_BURST; i++)
        ck_assert_int_eq(shake(1, 1, true, FROM_MS), WEFT_OK);
    ck_assert_int_eq(shake(1, 1, true, FROM_MS), WEFT_E_FLOOD);
}
END_TEST

START_TEST(a_look_is_one_a_connection_and_so_many_a_second)
{
    unsigned looked = 0;

    prove(1, "servers", 1, FROM_MS);
    for (unsigned i = 0; i < WF_HANDSHAKE_BURST; i++)
        ck_assert_int_eq(shake(1000 + i, 1, true, FROM_MS), WEFT_OK);
    ck_assert_int_eq(shake(1, 1, false, FROM_MS), WEFT_E_FLOOD);
    for (unsigned i = 0; i < 2 * WF_LOOK_BURST; i++) {
        struct wf_admit_ask ask = { .from = address(1), .first = true, .now_ms = FROM_MS };
        struct wf_admit_pass pass;
        looked += wf_admit_address(door, &ask, &pass) == WEFT_OK;
    }
    ck_assert_uint_eq(looked, WF_LOOK_BURST);
}
END_TEST

START_TEST(a_domain_with_keys_without_end_pushes_out_its_own)
{
    unsigned kept = 0;

    for (uint32_t i = 0; i < 100; i++)
        prove(i, "servers", i, FROM_MS);
    for (uint32_t i = 0; i < 4 * WF_KNOWN_MAX; i++)
        prove(1000 + i, "greedy", 200 + i % 8, FROM_MS + 1);
    // At an address where nobody was seen, over a connection that spoke before: by their own buckets or not at all.
    for (uint32_t i = 0; i < 100; i++) {
        struct wf_dh_pub peer = key_of(i);
        struct wf_admit_ask ask = { .from = address(90000), .of_connection = &peer };
        struct wf_admit_pass pass;
        ask.now_ms = FROM_MS + 2;
        kept += wf_admit_address(door, &ask, &pass) == WEFT_OK && pass.by == WF_ADMIT_BY_KEY;
    }
    ck_assert_uint_eq(kept, 100);
}
END_TEST

START_TEST(a_revoked_key_is_a_stranger_again)
{
    struct wf_dh_pub member = key_of(1);

    prove(1, "servers", 1, FROM_MS);
    for (unsigned i = 0; i < WF_HANDSHAKE_BURST; i++)
        ck_assert_int_eq(shake(1000 + i, 1, true, FROM_MS), WEFT_OK);
    ck_assert_int_eq(shake(1, 1, true, FROM_MS), WEFT_OK);
    wf_admit_forget(door, &member);
    ck_assert_int_eq(shake(1, 1, true, FROM_MS), WEFT_E_FLOOD);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admit");
    TCase *c = tcase_create("door");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, an_address_has_its_burst_and_spares_the_others);
    tcase_add_test(c, more_addresses_than_buckets_share_one_and_take_no_memory);
    tcase_add_test(c, the_stamp_of_a_key_must_rise);
    tcase_add_test(c, a_known_key_keeps_its_stamp_when_strangers_push_out_those_of_others);
    tcase_add_test(c, recorded_handshakes_of_a_known_key_do_not_use_up_its_bucket);
    tcase_add_loop_test(c, a_flood_of_unknown_keys_does_not_keep_a_known_one_out, 0,
        sizeof floods / sizeof *floods);
    tcase_add_test(
        c, a_flood_from_more_addresses_than_there_are_buckets_leaves_known_addresses_theirs);
    tcase_add_test(c, a_renewal_on_a_proven_connection_pays_from_its_own_key);
    tcase_add_test(c, known_keys_leave_their_address_what_strangers_need_to_join);
    tcase_add_test(c, a_known_key_beyond_its_own_bucket_is_one_of_its_address);
    tcase_add_test(c, a_look_is_one_a_connection_and_so_many_a_second);
    tcase_add_test(c, a_domain_with_keys_without_end_pushes_out_its_own);
    tcase_add_test(c, a_revoked_key_is_a_stranger_again);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

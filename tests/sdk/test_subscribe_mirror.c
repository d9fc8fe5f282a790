// SPDX-License-Identifier: Apache-2.0
// Reading from a mirror while the home is away: an honest one is read to its end; one that reorders, drops, forges, replays or sends another
// product is named and left, nothing of its making is delivered, and nothing is lost when the home comes back.
#include "tests/sdk/mirror_rig.h"

START_TEST(an_honest_mirror_is_read_until_the_home_is_back)
{
    lie = HONEST;
    read_then_lose_the_home();
    TAKE_UNTIL(got == BEFORE + AFTER);
    ck_assert_ptr_nonnull(strstr(told, "from mirror security/node-1"));
    ck_assert_uint_eq(stats().mirrored_records, AFTER);
    ck_assert_uint_eq(stats().verify_failures, 0);
    home_again();
    ck_assert_uint_eq(stats().records, BEFORE + AFTER + 2);
    ck_assert_uint_eq(stats().duplicates, 0);
}
END_TEST

static const struct {
    const char *why;
    enum lie lie;
    const char *text;    // of the state that names it
    bool delivers, lied; // records at first, before the home's word gives it away
    bool to_the_end;     // the home comes back, and everything is there once
} rows[] = {
    { "two entries exchanged", SWAPS, "does not follow", false, true, true },
    { "an entry left out", DROPS, "does not follow", false, true },
    { "says that entries are lost", LOSES, "does not hold all", false, false, true },
    { "a header that nobody signed", FORGES_HEADER, "forged", false, true },
    { "a byte of a payload changed", CHANGES_BOX, "a payload was changed", false, true },
    { "the payload of another entry", OTHER_BOX, "a payload was changed", false, true },
    { "data without its payload", STRIPS_BOX, "not the one that its origin signed", false, true },
    { "another payload, by who has the key", OTHER_PAYLOAD, "not the one that its origin signed",
        false, true },
    { "the word of another node", OTHER_SIGNER, "is left", false, true },
    { "the word of another home", OTHER_HOME, "of another home", false, false, true },
    { "the word of another home, later", MOVES, "of another home", true, false, true },
    { "an older word than before", OLDER_WORD, "older word", true, true },
    { "another product", OTHER_PRODUCT, "is left", false, true },
    { "another product's word", OTHER_PRODUCTS_WORD, "is left", false, true },
    { "a log of its own", OWN_LOG, "a log that the home does not know", false, true, true },
    { "places of its own, by who has the key", REWRITES, "not those that the home signed for", true,
        true, true },
    { "less than the reader has", IS_BEHIND, "less than is here", false, false },
    { "the word of an older log", OLDER_LOG, "less than is here", false, false, true },
    { "what began the log, again", REPEATS_RESET, "does not follow", false, true, true },
    { "another key than its certificate's", OTHER_KEY, "certificate does not hold", false, true,
        true },
    { "it refuses", REFUSES, "the token was revoked", false, false },
    { "it mirrors something else", NOT_A_MIRROR, "not mirrored here", false, false },
    { "no entry at all", GARBAGE, "malformed", false, true },
};

START_TEST(a_mirror_that_lies_or_lacks_is_named_and_left)
{
    lie = rows[_i].lie;
    read_then_lose_the_home();
    TAKE_UNTIL(strstr(told, rows[_i].text));
    ck_assert_ptr_nonnull(strstr(told, "mirror security/node-1 is left"));
    ck_assert_msg(rows[_i].delivers || got == BEFORE, "%s: %llu records", rows[_i].why,
        (unsigned long long)got);
    ck_assert_msg(rows[_i].lied == (stats().verify_failures != 0), "%s", rows[_i].why);
    ck_assert_uint_eq(lost, 0);
    if (rows[_i].to_the_end)
        home_again();
}
END_TEST

// ---- a product that moves ------------------------------------------------------------------------------------------------

struct probe {
    struct wf_mail mail;
    atomic_bool done;
    bool knows;
};

static void look(struct wf_mail *mail)
{
    struct probe *p = (struct probe *)(void *)mail;

    p->knows = memcmp(s->owner_key.b, second_pub.b, WF_KEY_LEN) == 0;
    atomic_store(&p->done, true);
}

static bool knows_of_the_move(void)
{
    struct probe p = { .mail = { .open = look, .drop = look, .must = true } };

    ck_assert_int_eq(wf_loop_post(wf_client_loop(c), &p.mail), WEFT_OK);
    TAKE_UNTIL(atomic_load(&p.done));
    return p.knows;
}

// The reader learns of the move while a request to the mirror is under way, so the next word is the new home's, whose clock is a minute behind: it is
// not an older word, and the mirror that forwards it is honest.
START_TEST(the_word_of_a_new_home_is_not_older_for_its_clock)
{
    lie = HONEST;
    read_then_lose_the_home();
    TAKE_UNTIL(got == BEFORE + AFTER);
    struct wf_fake_knobs *mirror = wf_fakenode_knobs(node);
    int withheld = atomic_load(&mirror->withheld);
    atomic_store(&mirror->hold, true);
    TAKE_UNTIL(atomic_load(&mirror->withheld) > withheld);
    atomic_store(&moved, true);
    atomic_store(&m.tell_newer, true);
    atomic_store(
        &m.knobs->gone, false); // whom it asks where the product is; nobody answers at the new home
    TAKE_UNTIL(knows_of_the_move());
    wf_fakehome_append(&h, 1, 2);
    atomic_store(&mirror->hold, false);
    TAKE_UNTIL(got == BEFORE + AFTER + 2 || stats().verify_failures);
    ck_assert_msg(stats().verify_failures == 0, "told: %s", told);
    ck_assert_uint_eq(lost, 0);
}
END_TEST

// ---- keys and leases -----------------------------------------------------------------------------------------------------

// Keys of the present epoch do not open what was sealed under the next: that waits for the home, which alone gives its key.
START_TEST(what_there_is_no_key_for_waits_for_the_home)
{
    lie = HONEST;
    read_then_lose_the_home();
    wf_fakehome_rotate(&h); // all boxes are sealed under the new one
    TAKE_UNTIL(strstr(told, "no key for what follows"));
    ck_assert_uint_eq(got, BEFORE);
    ck_assert_uint_eq(stats().verify_failures, 0);
    home_again();
}
END_TEST

START_TEST(without_a_lease_that_lives_no_mirror_is_asked)
{
    lie = HONEST;
    read_then_lose_the_home();
    TAKE_UNTIL(got == BEFORE + AFTER);
    wf_test_clock_skip(11 * 60000); // the lease of its home had ten minutes; then only that will do
    TAKE_UNTIL(strstr(told, "mirror security/node-1 is left"));
    wf_test_clock_skip(60000); // what it was left for is forgotten
    int before = atomic_load(&served);
    wf_fakehome_append(&h, 1, 2);
    for (int i = 0; i < 25; i++)
        take(20);
    ck_assert_int_eq(atomic_load(&served), before);
    ck_assert_uint_eq(got, BEFORE + AFTER);
    TAKE_UNTIL(strstr(told, "mirror security/node-1 holds it sealed") && strstr(told, "is over"));
}
END_TEST

// Started while its home is away it has no key: it says what it waits for, asks no mirror, and reads all of it once the home is back.
START_TEST(a_reader_that_starts_without_its_home_says_what_it_waits_for)
{
    struct weft_subscribe_options o = { .from = WEFT_FROM_EARLIEST };
    struct weft_problem problem;

    lie = HONEST;
    read_then_lose_the_home();
    weft_unsubscribe(s);
    told[0] = '\0';
    got = 0;
    int before = atomic_load(&served);
    ck_assert_msg(
        weft_subscribe(c, "servers/readings", &o, &s, &problem) == WEFT_OK, "%s", problem.text);
    TAKE_UNTIL(strstr(told, "mirror security/node-1 holds it sealed, and the keys come from its"));
    ck_assert_ptr_nonnull(strstr(told, "this reader has had none since it was started"));
    for (int i = 0; i < 25; i++)
        take(20);
    ck_assert_int_eq(atomic_load(&served), before);
    ck_assert_uint_eq(got, 0);
    home_again();
    ck_assert_uint_eq(stats().records, BEFORE + AFTER + 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.subscribe_mirror");
    TCase *t = tcase_create("mirror");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_honest_mirror_is_read_until_the_home_is_back);
    tcase_add_loop_test(t, a_mirror_that_lies_or_lacks_is_named_and_left, 0, WF_COUNT(rows));
    tcase_add_test(t, the_word_of_a_new_home_is_not_older_for_its_clock);
    tcase_add_test(t, what_there_is_no_key_for_waits_for_the_home);
    tcase_add_test(t, without_a_lease_that_lives_no_mirror_is_asked);
    tcase_add_test(t, a_reader_that_starts_without_its_home_says_what_it_waits_for);
    suite_add_tcase(suite, t);
    r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

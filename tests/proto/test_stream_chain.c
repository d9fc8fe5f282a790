// SPDX-License-Identifier: Apache-2.0
// Chains and incarnations: what the next header is to what came before, from every side, and that a lost state, a clock set
// back or a stolen key never make two chains out of one.
#include <check.h>

#include "proto/stream/chain.h"
#include "tests/support/stream.h"

static struct wf_hash id(const char *label)
{
    return wf_test_hash(label);
}

static struct wf_batch_header header(uint64_t incarnation, uint64_t first_seq, uint32_t count,
    const char *name, const char *previous)
{
    struct wf_batch_header h = {
        .incarnation = wf_test_incarnation(incarnation),
        .first_seq = first_seq,
        .count = count,
        .id = id(name),
    };

    if (previous)
        h.previous = id(previous);
    return h;
}

// a: seqs 0-9, b: 10-19, c: 20-29; c came last.
static struct wf_chain three_batches(void)
{
    struct wf_chain c = { 0 };
    const struct wf_batch_header all[] = {
        header(7, 0, 10, "a", NULL),
        header(7, 10, 10, "b", "a"),
        header(7, 20, 10, "c", "b"),
    };

    for (size_t i = 0; i < WF_COUNT(all); i++) {
        ck_assert_int_eq(wf_chain_check(&c, &all[i]).verdict, WF_CHAIN_FOLLOWS);
        wf_chain_accept(&c, &all[i]);
    }
    ck_assert_uint_eq(c.next_seq, 30);
    return c;
}

static const struct row {
    const char *why;
    uint64_t incarnation, first_seq;
    uint32_t count;
    const char *name, *previous;
    enum wf_chain_verdict want;
    uint64_t gap_from, gap_to;
    bool anew;
} rows[] = {
    { "the next", 7, 30, 5, "d", "c", WF_CHAIN_FOLLOWS, 0, 0, false },
    { "the last again", 7, 20, 10, "c", "b", WF_CHAIN_DUPLICATE, 0, 0, false },
    { "the one before again", 7, 10, 10, "b", "a", WF_CHAIN_DUPLICATE, 0, 0, false },
    { "the first again", 7, 0, 10, "a", NULL, WF_CHAIN_DUPLICATE, 0, 0, false },
    { "another batch in the last one's place", 7, 20, 10, "c'", "b", WF_CHAIN_FORK, 0, 0, false },
    { "another length in the last one's place", 7, 20, 11, "c'", "b", WF_CHAIN_FORK, 0, 0, false },
    { "another in the place before", 7, 10, 10, "b'", "a", WF_CHAIN_FORK, 0, 0, false },
    { "one that overlaps the last from before", 7, 15, 10, "x", "a", WF_CHAIN_FORK, 0, 0, false },
    { "one that overlaps the last to the end", 7, 25, 10, "x", "b", WF_CHAIN_FORK, 0, 0, false },
    { "one that covers everything", 7, 0, 100, "x", NULL, WF_CHAIN_FORK, 0, 0, false },
    { "the next with another predecessor", 7, 30, 5, "d", "c'", WF_CHAIN_FORK, 0, 0, false },
    { "one after a hole", 7, 35, 5, "e", "d", WF_CHAIN_GAP, 30, 35, false },
    { "a newer incarnation", 8, 0, 10, "n", NULL, WF_CHAIN_FOLLOWS, 0, 0, true },
    { "a newer one whose start is missing", 8, 40, 10, "n", "m", WF_CHAIN_GAP, 0, 40, true },
    { "an older incarnation", 6, 90, 10, "o", "p", WF_CHAIN_OLD, 0, 0, false },
};

START_TEST(each_header_has_its_verdict)
{
    const struct row *r = &rows[_i];
    struct wf_chain c = three_batches();
    struct wf_batch_header h = header(r->incarnation, r->first_seq, r->count, r->name, r->previous);
    struct wf_chain_step s = wf_chain_check(&c, &h);

    ck_assert_msg(s.verdict == r->want, "%s: %d", r->why, (int)s.verdict);
    ck_assert_msg(s.gap_from == r->gap_from && s.gap_to == r->gap_to, "%s", r->why);
    ck_assert_msg(s.new_incarnation == r->anew, "%s", r->why);
    ck_assert_uint_eq(c.next_seq, 30);
}
END_TEST

START_TEST(a_chain_may_be_joined_in_the_middle)
{
    struct wf_chain c = { 0 };
    struct wf_batch_header first = header(7, 100, 10, "x", "w"), next = header(7, 110, 1, "y", "x");
    struct wf_chain_step s = wf_chain_check(&c, &first);

    ck_assert(s.verdict == WF_CHAIN_GAP && s.new_incarnation);
    ck_assert(s.gap_from == 0 && s.gap_to == 100);
    wf_chain_accept(&c, &first);
    ck_assert_int_eq(wf_chain_check(&c, &next).verdict, WF_CHAIN_FOLLOWS);
    // The batch before what was joined is still checked against the predecessor that was named.
    struct wf_batch_header w = header(7, 90, 10, "w", "v"), other = header(7, 90, 10, "w'", "v");
    ck_assert_int_eq(wf_chain_check(&c, &w).verdict, WF_CHAIN_DUPLICATE);
    ck_assert_int_eq(wf_chain_check(&c, &other).verdict, WF_CHAIN_FORK);
}
END_TEST

// ---- incarnations --------------------------------------------------------------------------------------------------------

START_TEST(a_start_never_repeats_an_incarnation)
{
    static const struct {
        const char *why;
        uint64_t last;
        int64_t now;
        uint64_t peer, want;
    } starts[] = {
        { "the first start", 0, 1000, 0, 1000 },
        { "a later start", 1000, 2000, 1000, 2000 },
        { "within the same millisecond", 2000, 2000, 2000, 2001 },
        { "with the clock set back", 5000, 2000, 0, 5001 },
        { "restored from a backup: the peer knows more", 1000, 2000, 9000, 9001 },
        { "a clock before 1970", 0, -5, 0, 1 },
        { "a peer that claims the last number", 1000, 2000, UINT64_MAX, 2000 },
        { "a state that holds the last number", UINT64_MAX, 2000, 0, 2000 },
        { "no clock and no state", 0, 0, 0, 1 },
    };

    for (size_t i = 0; i < WF_COUNT(starts); i++) {
        struct wf_incarnation n =
            wf_incarnation_next(starts[i].last, starts[i].now, starts[i].peer, 42);
        ck_assert_msg(
            n.counter == starts[i].want, "%s: %llu", starts[i].why, (unsigned long long)n.counter);
        ck_assert_uint_eq(n.random, 42);
    }
}
END_TEST

START_TEST(incarnations_too_far_ahead_are_not_plausible)
{
    int64_t now = WF_TEST_BASE_MS;
    struct wf_incarnation i = { .counter = (uint64_t)(now + WF_MAX_AHEAD_MS), .random = 1 };

    ck_assert(wf_incarnation_is_plausible(&i, now));
    i.counter++;
    ck_assert(!wf_incarnation_is_plausible(&i, now));
    ck_assert(wf_incarnation_is_plausible(&i, now + 1));
    i.counter = 1;
    ck_assert(wf_incarnation_is_plausible(&i, -1));
    i = (struct wf_incarnation){ 0 };
    ck_assert(!wf_incarnation_is_plausible(&i, now));
}
END_TEST

START_TEST(incarnations_order_by_counter_then_random)
{
    struct wf_incarnation a = { 1, 9 }, b = { 2, 1 }, c = { 2, 2 };

    ck_assert_int_lt(wf_incarnation_cmp(&a, &b), 0);
    ck_assert_int_lt(wf_incarnation_cmp(&b, &c), 0);
    ck_assert_int_gt(wf_incarnation_cmp(&c, &a), 0);
    ck_assert_int_eq(wf_incarnation_cmp(&c, &c), 0);
    ck_assert(wf_incarnation_eq(&b, &b) && !wf_incarnation_eq(&b, &c));
}
END_TEST

START_TEST(printed_incarnations_read_back)
{
    struct wf_incarnation i = { 0x0123456789abcdefu, 0xfedcba9876543210u }, got = { 0 };
    char text[WF_INCARNATION_TEXT];

    wf_incarnation_print(&i, text);
    ck_assert_str_eq(text, "0123456789abcdeffedcba9876543210");
    ck_assert_int_eq(wf_incarnation_parse(wf_bytes_str(text), &got), WEFT_OK);
    ck_assert(wf_incarnation_eq(&i, &got));
    static const char *const bad[] = { "", "0123456789abcdeffedcba987654321",
        "0123456789abcdeffedcba98765432100", "0123456789ABCDEFfedcba9876543210",
        "0123456789abcdeg0123456789abcdef", " 123456789abcdeffedcba9876543210" };
    got = (struct wf_incarnation){ 5, 6 };
    for (size_t k = 0; k < WF_COUNT(bad); k++)
        ck_assert_msg(
            wf_incarnation_parse(wf_bytes_str(bad[k]), &got) == WEFT_E_SYNTAX, "'%s'", bad[k]);
    ck_assert(got.counter == 5 && got.random == 6);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stream_chain");
    TCase *t = tcase_create("stream_chain");

    tcase_add_loop_test(t, each_header_has_its_verdict, 0, WF_COUNT(rows));
    tcase_add_test(t, a_chain_may_be_joined_in_the_middle);
    tcase_add_test(t, a_start_never_repeats_an_incarnation);
    tcase_add_test(t, incarnations_too_far_ahead_are_not_plausible);
    tcase_add_test(t, incarnations_order_by_counter_then_random);
    tcase_add_test(t, printed_incarnations_read_back);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

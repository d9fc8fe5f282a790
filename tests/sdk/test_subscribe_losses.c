// SPDX-License-Identifier: Apache-2.0
// What a home lost that it had acknowledged is told to its readers with exact ranges, once: by offsets where a head was signed, by the numbers
// of an origin where only they show it.
#include "tests/sdk/reader_rig.h"

// Offsets go on without a hole, so only the numbers of the origin show it.
START_TEST(numbers_of_an_origin_that_no_entry_brings_are_a_loss)
{
    char of[64], incarnation[WF_INCARNATION_TEXT];

    subscribe(WEFT_FROM_EARLIEST, 0);
    append(4, 5);
    take_until_got(20);
    wf_incarnation_print(&h.origins[1].incarnation, incarnation);
    snprintf(of, sizeof of, "web-1 %s", incarnation);
    h.origins[1].seq += 7;
    next_seq[1] += 7;
    wf_fakehome_append(&h, 1, 3);
    take_until_lost(7);
    ck_assert(loss_by_origin && last_loss == WEFT_E_LOST && loss_from == 10);
    ck_assert_str_eq(loss_of, of);
    // The application stored the loss's rows and died: the loss is not told again, and the records behind it are not lost.
    weft_unsubscribe(s);
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_got(23);
    append(2, 1);
    take_until_got(25);
    ck_assert_uint_eq(losses, 1);
    // An origin that starts anew counts from 0.
    h.origins[1].incarnation.counter++;
    h.origins[1].seq = 2;
    next_seq[1] = 2;
    wf_fakehome_append(&h, 1, 3);
    take_until_got(28);
    ck_assert(losses == 2 && lost == 9 && loss_from == 0);
}
END_TEST

START_TEST(what_was_told_lost_by_offsets_is_not_told_again_by_numbers)
{
    append(6, 5);
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_got(30);
    weft_unsubscribe(s);
    append(8, 5); // twenty of each
    wf_fakehome_drop_below(&h, 60);
    next_seq[0] += 15;
    next_seq[1] += 15;
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_lost(30);
    weft_unsubscribe(s); // and the cursor remembers that they were told
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_got(40);
    append(2, 1);
    take_until_got(42);
    ck_assert_uint_eq(losses, 1);
    ck_assert_uint_eq(owned, 30); // whose they were is told when their origins' numbers show it
}
END_TEST

static void begin_anew(unsigned origin)
{
    h.origins[origin].incarnation.counter++;
    h.origins[origin].seq = 0;
    h.origins[origin].last = (struct wf_hash){ { 0 } };
}

// An origin that began anew since counts from 0 again: nothing of its own would show what is missing of its old numbers.
START_TEST(a_home_that_knows_what_it_had_says_so_by_origin)
{
    char of[64], incarnation[WF_INCARNATION_TEXT];

    atomic_store(&h.knows_lost, true);
    append(4, 5);
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_got(20);
    weft_unsubscribe(s);
    append(3, 5); // ten of the first, five of the second
    wf_incarnation_print(&h.origins[0].incarnation, incarnation);
    snprintf(of, sizeof of, "web-0 %s", incarnation);
    begin_anew(1);
    wf_fakehome_append(&h, 1, 4);
    wf_fakehome_put_back(&h, 5);
    begin_anew(0);
    begin_anew(1);
    next_seq[0] = next_seq[1] = 0;
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_lost(19);
    ck_assert(losses == 3 && loss_by_origin && last_loss == WEFT_E_LOST);
    append(4, 5);
    take_until_got(40);
    // Once, also to a reader that comes back, and one that begins anew is told, too.
    weft_unsubscribe(s);
    subscribe(WEFT_FROM_CURSOR, 0);
    append(2, 1);
    take_until_got(42);
    ck_assert(losses == 3 && lost == 19 && owned == 0);
    weft_unsubscribe(s);
    next_seq[0] = next_seq[1] = 0;
    got = lost = losses = 0;
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_got(20);
    next_seq[0] = next_seq[1] = 0;
    take_until_got(42);
    ck_assert(losses == 3 && lost == 19);
}
END_TEST

START_TEST(what_a_reader_had_of_it_is_no_loss)
{
    atomic_store(&h.knows_lost, true);
    append(4, 5);
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_got(20);
    append(1, 5);
    take_until_got(25);
    weft_unsubscribe(s);
    append(3, 5);
    wf_fakehome_put_back(&h, 5); // twenty are kept; five of the twenty that went were read
    next_seq[0] += 10;
    next_seq[1] += 5;
    h.origins[0].seq += 2; // and some that even the home knows nothing of
    next_seq[0] += 2;
    append(2, 5);
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_got(35);
    ck_assert_uint_eq(lost, 17);
    ck_assert_uint_eq(losses, 3);
}
END_TEST

START_TEST(a_log_put_back_from_a_copy_loses_what_it_lacks_by_name)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    append(4, 5);
    take_until_got(20);
    wf_fakehome_restart(&h, 0); // a log that is not in the copy
    append(4, 5);
    take_until_got(40);
    // The reader is away while ten more come; its home knows neither them nor the log when it is back.
    weft_unsubscribe(s);
    append(2, 5);
    wf_fakehome_put_back(&h, 5); // a reset and the first twenty
    append(2, 5);
    next_seq[0] += 5;
    next_seq[1] += 5;
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_got(50);
    ck_assert_uint_eq(lost, 10);
    ck_assert(loss_by_origin);
    ck_assert_uint_eq(stats().duplicates, 0); // it went on in the older log, not at the floor
}
END_TEST

START_TEST(a_head_that_was_told_and_is_gone_is_a_loss_of_offsets)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    append(4, 5);
    take_until_got(20);
    take_until_state(WEFT_STREAM_LIVE);
    wf_fakehome_restart(&h, 0);
    append(1, 5);
    take_until_got(25);
    atomic_store(&h.busy_ranges, true);
    atomic_store(&h.drop, 100);
    append(2, 5);
    for (int left = PATIENCE_MS; stats().head_offset < 35 && left > 0; left -= 5)
        poll(NULL, 0, 5);
    ck_assert_uint_eq(stats().head_offset, 35);
    wf_fakehome_put_back(&h, 5);
    atomic_store(&h.drop, 0);
    atomic_store(&h.busy_ranges, false);
    take_until_lost(10);
    ck_assert(!loss_by_origin && loss_from == 25 && last_loss == WEFT_E_LOST);
    next_seq[0] += 5; // told by their offsets already
    next_seq[1] += 5;
    append(2, 5);
    take_until_got(35);
    ck_assert_uint_eq(losses, 1);
}
END_TEST

START_TEST(what_its_node_cannot_read_is_told_with_the_reason_and_is_no_loss)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    append(4, 5);
    take_until_got(20);
    take_until_state(WEFT_STREAM_LIVE);
    atomic_store(&h.refuse_reads, WEFT_E_IO);
    atomic_store(&h.drop, 100); // no frame comes: only the log has it
    append(2, 5);
    for (int left = PATIENCE_MS; !strstr(state_text, "the disk says no") && left > 0; left -= 20)
        take(20);
    ck_assert_str_eq(
        state_text, "servers/readings: its node can't hand over what follows: the disk says no");
    ck_assert_int_eq(state, WEFT_STREAM_PULL);
    atomic_store(&h.refuse_reads, 0);
    atomic_store(&h.drop, 0);
    take_until_got(30);
    append(1, 5);
    take_until_state(WEFT_STREAM_LIVE);
    take_until_got(35);
    ck_assert_uint_eq(losses, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.subscribe_losses");
    TCase *t = tcase_create("losses");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, numbers_of_an_origin_that_no_entry_brings_are_a_loss);
    tcase_add_test(t, what_was_told_lost_by_offsets_is_not_told_again_by_numbers);
    tcase_add_test(t, a_home_that_knows_what_it_had_says_so_by_origin);
    tcase_add_test(t, what_a_reader_had_of_it_is_no_loss);
    tcase_add_test(t, a_log_put_back_from_a_copy_loses_what_it_lacks_by_name);
    tcase_add_test(t, a_head_that_was_told_and_is_gone_is_a_loss_of_offsets);
    tcase_add_test(t, what_its_node_cannot_read_is_told_with_the_reason_and_is_no_loss);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

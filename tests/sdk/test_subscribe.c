// SPDX-License-Identifier: Apache-2.0
// Subscriptions against a fake home over real sockets: every record once, in order, whatever happens to frames, leases, epochs and logs;
// losses with their range; states with their cause; nothing that its origin did not sign.
#include "sdk/subscribe_int.h"
#include "tests/sdk/reader_rig.h"

// ---- cases -----------------------------------------------------------------------------------------------------------------

START_TEST(history_then_live_without_a_seam)
{
    append(20, 5);
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_got(5);
    // Who looks only now must not take the place of what came for the end: it was cut off there, with status 0.
    ck_assert_uint_eq(stats().history_end, 100);
    take_until_got(100);
    take_until_state(WEFT_STREAM_LIVE);
    append(100, 3);
    take_until_got(400);
    ck_assert_uint_eq(stats().history_end, 100);
    struct weft_stats st = stats();
    ck_assert_uint_eq(st.records, 400);
    ck_assert_uint_eq(st.live_records, 300);
    ck_assert_uint_eq(st.history_records, 100);
    ck_assert_uint_eq(st.pulled_records + st.range_records, 0);
    ck_assert_uint_eq(st.lost_records + st.verify_failures + st.duplicates, 0);
    ck_assert_uint_eq(st.next_offset, 400);
    ck_assert_uint_eq(lost, 0);
}
END_TEST

START_TEST(latest_begins_with_what_comes)
{
    append(10, 5);
    next_seq[0] = next_seq[1] = 25;
    subscribe(WEFT_FROM_LATEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    append(4, 1);
    take_until_got(4);
}
END_TEST

START_TEST(an_offset_in_the_middle_of_a_batch_begins_there)
{
    append(2, 10);
    next_seq[0] = 4;
    subscribe(WEFT_FROM_OFFSET, 4);
    take_until_got(16);
}
END_TEST

START_TEST(a_time_begins_where_the_home_says)
{
    append(4, 10);
    next_seq[0] = next_seq[1] = 10;
    subscribe(WEFT_FROM_TIME, 0);
    take_until_got(20);
}
END_TEST

START_TEST(lost_frames_are_repaired)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    for (int i = 0; i < 20; i++) {
        atomic_store(&h.drop, 1);
        append(4, 2);
        take_until_got((uint64_t)(i + 1) * 8);
    }
    ck_assert_uint_ge(stats().gaps_repaired, 10);
    ck_assert_uint_ge(stats().range_records, 20);
    ck_assert_uint_eq(stats().live_records + stats().range_records + stats().pulled_records, 160);
    ck_assert_uint_eq(stats().duplicates, 0);
    ck_assert_int_gt(atomic_load(&h.positions), 0);
}
END_TEST

START_TEST(a_lost_tail_shows_by_its_heartbeat)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    atomic_store(&h.drop, 1);
    append(1, 2);
    take_until_got(2);
}
END_TEST

START_TEST(frames_that_come_again_are_dropped)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    append(6, 2);
    wf_fakehome_send(&h, 1, 6);
    wf_fakehome_send(&h, 3, 2);
    append(2, 2);
    take_until_got(16);
}
END_TEST

// Their memory is the frame's, and that of a frame before it which the application is done with; small ones between them are copies.
START_TEST(entries_that_fill_a_frame_come_as_they_were_while_memory_comes_round)
{
    enum { LARGE = 9000, ROUNDS = 4 };

    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t before = got;
        append(2, LARGE);
        append(3, 2);
        wf_fakehome_send(&h, h.count - 5, 2); // both in one frame, again
        append(1, LARGE);
        take_until_got(before + LARGE);
        append(2, LARGE);
        take_until_got(before + 5 * LARGE + 6);
    }
    ck_assert_uint_eq(stats().live_records, ROUNDS * (5 * LARGE + 6));
    ck_assert_uint_eq(stats().verify_failures + stats().lost_records, 0);
}
END_TEST

START_TEST(a_silent_stream_is_told_and_everything_comes_by_pull)
{
    atomic_store(&h.mute, true);
    append(4, 2);
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_got(8);
    take_until_state(WEFT_STREAM_PULL);
    for (int i = 0; i < 200 && !strstr(state_text, "unreachable"); i++)
        take(100);
    char want[64];
    snprintf(want, sizeof want, "stream port 127.0.0.1:%u unreachable", h.port);
    ck_assert_str_eq(state_text, want);
    append(4, 2);
    take_until_got(16);
    // What lay there at the start is history; what came later could have come as frames.
    ck_assert_uint_eq(stats().history_records, 8);
    ck_assert_uint_eq(stats().pulled_records, 8);
    atomic_store(&h.mute, false);
    take_until_state(WEFT_STREAM_LIVE);
}
END_TEST

START_TEST(a_rotation_loses_nothing)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    append(4, 2);
    wf_fakehome_rotate(&h);
    append(4, 2);
    take_until_got(16);
    take_until_state(WEFT_STREAM_LIVE);
    ck_assert_int_ge(atomic_load(&h.leases), 2);
}
END_TEST

// Both clocks jump: lease, session and epoch are long over, and what was sent meanwhile is gone.
START_TEST(a_machine_that_slept_goes_on_where_it_was)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    append(4, 5);
    take_until_got(20);
    take_until_state(WEFT_STREAM_LIVE);
    int leases = atomic_load(&h.leases);
    atomic_store(&h.mute, true);
    append(10, 5);
    wf_fakehome_rotate(&h);
    wf_test_clock_skip(3 * WF_TEST_HOUR);
    atomic_store(&h.mute, false);
    append(2, 5);
    take_until_got(80);
    take_until_state(WEFT_STREAM_LIVE);
    append(2, 5);
    take_until_got(90);
    ck_assert_int_gt(atomic_load(&h.leases), leases);
    ck_assert_uint_eq(lost + stats().duplicates, 0);
}
END_TEST

START_TEST(a_refused_lease_tells_why_and_is_tried_again)
{
    atomic_store(&h.refuse_lease, WEFT_E_CAVEAT);
    append(1, 2);
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_REFUSED);
    ck_assert_msg(strstr(state_text, "no lease for you") != NULL, "%s", state_text);
    atomic_store(&h.refuse_lease, 0);
    take_until_got(2);
}
END_TEST

START_TEST(records_dropped_by_retention_are_a_loss_with_its_range)
{
    append(4, 5);
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_got(20);
    weft_unsubscribe(s);
    append(4, 5);
    wf_fakehome_drop_below(&h, 30);
    next_seq[0] = next_seq[1] = 15;
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_got(30);
    ck_assert_uint_eq(lost, 10);
    ck_assert_int_eq(last_loss, WEFT_E_RETENTION);
    ck_assert(!loss_by_origin);
}
END_TEST

START_TEST(what_an_origin_lost_is_a_loss_of_its_numbers)
{
    append(2, 5);
    wf_fakehome_append_loss(&h, 0, 7);
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_got(10);
    for (int i = 0; i < 100 && !lost; i++)
        take(100);
    ck_assert_uint_eq(lost, 7);
    ck_assert(loss_by_origin);
    next_seq[0] += 7;
    append(2, 1);
    take_until_got(12);
}
END_TEST

START_TEST(a_cursor_goes_on_where_it_ended)
{
    append(6, 5);
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_got(30);
    weft_unsubscribe(s);
    append(6, 5);
    subscribe(WEFT_FROM_CURSOR, 0);
    take_until_got(60);
    ck_assert_uint_eq(stats().duplicates, 0);
    ck_assert_uint_eq(stats().records, 30);
}
END_TEST

START_TEST(a_home_that_starts_anew_is_followed)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    append(6, 5);
    take_until_got(30);
    take_until_state(WEFT_STREAM_LIVE);
    wf_fakehome_restart(&h, 0);
    append(6, 5);
    take_until_got(60);
    ck_assert_uint_eq(lost, 0);
    take_until_state(WEFT_STREAM_LIVE);
}
END_TEST

START_TEST(records_that_a_crash_took_come_once_when_they_are_sent_again)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    append(6, 5);
    take_until_got(30);
    wf_fakehome_restart(&h, 2);
    append(4, 5); // the same records of each origin first
    take_until_got(40);
    ck_assert_uint_eq(stats().duplicates, 10);
    ck_assert_uint_eq(lost, 0);
}
END_TEST

START_TEST(a_forged_frame_takes_nothing_away)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    append(4, 5);
    take_until_got(20);
    wf_fakehome_forge(&h, 1); // an old batch in the place of the next
    append(4, 5);
    take_until_got(40);
    ck_assert_uint_ge(stats().verify_failures, 1);
    ck_assert_uint_eq(lost, 0);
}
END_TEST

START_TEST(a_slow_application_gets_everything_at_its_own_speed)
{
    struct weft_subscribe_options o = { .from = WEFT_FROM_EARLIEST, .queue_bytes = 60000 };

    ck_assert_int_eq(weft_subscribe(c, "servers/readings", &o, &s, &problem), WEFT_OK);
    take_until_state(WEFT_STREAM_LIVE);
    append(400, 50);
    // It takes nothing until its queue is full, however fast it is.
    for (int left = PATIENCE_MS; stats().state == WEFT_STREAM_LIVE && left > 0; left -= 5)
        poll(NULL, 0, 5);
    ck_assert_int_ne(stats().state, WEFT_STREAM_LIVE);
    take_until_got(20000);
    ck_assert_uint_eq(lost, 0);
    // Each came by one way, and not all of them live: what the full queue did not take was pulled; ranges mended what the socket between dropped.
    struct weft_stats st = stats();
    ck_assert_uint_eq(
        st.live_records + st.range_records + st.pulled_records + st.history_records, 20000);
    ck_assert_uint_lt(st.live_records, 20000);
    ck_assert_uint_eq(st.duplicates, 0);
    take_until_state(WEFT_STREAM_LIVE);
}
END_TEST

// The second of four replies waits for a certificate, and what follows it is asked for beside that.
START_TEST(the_home_reads_on_while_a_reply_waits_for_its_documents)
{
    struct weft_subscribe_options o = { .from = WEFT_FROM_EARLIEST };

    atomic_store(&h.mute, true);
    for (unsigned i = 0; i < 200; i++)
        wf_fakehome_append(&h, i >= 70, 5);
    atomic_store(&h.hold_after_pull, 2);
    ck_assert_int_eq(weft_subscribe(c, "servers/readings", &o, &s, &problem), WEFT_OK);
    // Sooner than the certificate is asked for again.
    for (int left = WF_REQUEST_DEADLINE_MS / 2; atomic_load(&m.knobs->withheld) < 2 && left > 0;
         left -= 5)
        poll(NULL, 0, 5);
    ck_assert_int_eq(atomic_load(&m.knobs->withheld), 2);
    ck_assert_int_eq(atomic_load(&h.pulls), 2);
    atomic_store(&m.knobs->hold, false); // the last request first
    take_until_got(1000);
    ck_assert_uint_eq(lost, 0);
    ck_assert_int_le(atomic_load(&h.pulls), 6);
}
END_TEST

START_TEST(a_lease_without_a_stream_is_read_by_pull)
{
    atomic_store(&h.no_stream, true);
    append(2, 5);
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_got(10);
    append(2, 5);
    take_until_got(20);
    ck_assert_uint_eq(stats().live_records, 0);
}
END_TEST

START_TEST(a_stopped_product_is_told)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    atomic_store(&h.stopped, true);
    take_until_state(WEFT_STREAM_STOPPED);
}
END_TEST

START_TEST(a_home_that_ends_says_so_and_reading_goes_on_after_it)
{
    append(2, 5);
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    atomic_store(&h.stopping, true);
    take_until_state(WEFT_STREAM_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(state_text, "node is stopping"));
    atomic_store(&h.stopping, false);
    take_until_state(WEFT_STREAM_LIVE);
    append(2, 5);
    take_until_got(20);
}
END_TEST

// Pushes the clock on, and has the client's loop notice.
static void skip(int64_t ms)
{
    struct weft_whoami who;

    wf_test_clock_skip(ms);
    ck_assert_int_eq(weft_whoami(c, &who, &problem), WEFT_OK);
}

START_TEST(a_node_that_does_not_answer_is_told)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    atomic_store(&h.mute, true);
    atomic_store(&m.knobs->mute, true);
    for (int i = 0; i < 100 && state != WEFT_STREAM_UNREACHABLE; i++) {
        skip(1000);
        take(50);
    }
    ck_assert_int_eq(state, WEFT_STREAM_UNREACHABLE);
    atomic_store(&m.knobs->mute, false);
    atomic_store(&h.mute, false);
    append(2, 5);
    for (int i = 0; i < 200 && got < 10; i++) {
        skip(500);
        while (take(50))
            ;
    }
    ck_assert_uint_eq(got, 10);
}
END_TEST

static void *wake(void *arg)
{
    weft_wake(arg);
    return NULL;
}

START_TEST(weft_next_waits_wakes_and_times_out)
{
    const struct weft_event *e = NULL;
    pthread_t t;

    subscribe(WEFT_FROM_LATEST, 0);
    take_until_state(WEFT_STREAM_LIVE);
    ck_assert_int_eq(weft_next(s, 0, &e, &problem), WEFT_E_TIMEOUT);
    ck_assert_int_eq(weft_next(s, 10, &e, &problem), WEFT_E_TIMEOUT);
    ck_assert_int_eq(pthread_create(&t, NULL, wake, s), 0);
    ck_assert_int_eq(weft_next(s, -1, &e, &problem), WEFT_E_CANCELLED);
    pthread_join(t, NULL);
    struct pollfd p = { .fd = weft_subscription_fd(s), .events = POLLIN };
    ck_assert_int_eq(weft_next(s, 0, &e, &problem), WEFT_E_TIMEOUT);
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    append(1, 1);
    ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
    take_until_got(1);
}
END_TEST

// The fake product promises something new every 60 s.
START_TEST(a_product_older_than_its_promise_is_told_as_silent_until_something_comes)
{
    append(1, 1);
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_got(1);
    take_until_state(WEFT_STREAM_LIVE);
    int passed =
        0; // seconds; in small steps, so that requests on their way are answered in between
    for (; passed < 100 && state != WEFT_STREAM_SILENT; passed++) {
        skip(1000);
        while (take(20))
            ;
    }
    ck_assert_int_eq(state, WEFT_STREAM_SILENT);
    ck_assert_msg(passed >= 55, "told after %d s", passed);
    ck_assert_msg(strstr(state_text, "60 s") != NULL, "%s", state_text);
    append(1, 1);
    take_until_got(2);
    take_until_state(WEFT_STREAM_LIVE);
}
END_TEST

static void subscribe_filtered(struct weft_subscribe_options o)
{
    struct weft_cursor_row given[WF_COUNT(rows)];

    for (size_t i = 0; i < row_count; i++)
        given[i] = (struct weft_cursor_row){ rows[i].key, rows[i].key_len, rows[i].value,
            rows[i].value_len };
    o.cursor = given;
    o.cursor_count = row_count;
    ck_assert_msg(
        weft_subscribe(c, "servers/readings", &o, &s, &problem) == WEFT_OK, "%s", problem.text);
}

static void take_until_read(uint64_t offset)
{
    for (int left = PATIENCE_MS; left > 0 && (stats().next_offset < offset || take(0)); left -= 10)
        take(10);
    ck_assert_uint_eq(stats().next_offset, offset);
}

START_TEST(what_others_say_is_left_out_and_moves_the_cursor)
{
    const char *const origins[] = { "web-7", "web-1" };
    struct weft_subscribe_options o = { .origins = origins, .origin_count = 2 };

    append(6, 5);
    wf_fakehome_append_loss(&h, 0, 4);
    subscribe_filtered(o);
    take_until_read(34);
    ck_assert(got == 15 && next_seq[1] == 15 && next_seq[0] == 0);
    ck_assert_uint_eq(losses, 0); // of the other one
    ck_assert_uint_eq(stats().filtered_records, 15);
    ck_assert_uint_eq(stats().records, 30);
    weft_unsubscribe(s);
    append(2, 5);
    subscribe_filtered(o); // goes on behind what was left out
    take_until_read(44);
    ck_assert(got == 20 && stats().records == 10 && stats().duplicates == 0);
}
END_TEST

START_TEST(records_outside_of_the_time_asked_for_are_left_out)
{
    append(2, 5);
    poll(NULL, 0, 5);
    int64_t from = wf_test_clock_unix_ms() * 1000;
    append(2, 5);
    poll(NULL, 0, 5);
    int64_t to = wf_test_clock_unix_ms() * 1000;
    append(2, 5);
    next_seq[0] = next_seq[1] = 5;
    subscribe_filtered((struct weft_subscribe_options){ .since_us = from, .until_us = to });
    take_until_read(30);
    ck_assert(got == 10 && next_seq[0] == 10 && next_seq[1] == 10);
    ck_assert_uint_eq(stats().filtered_records, 20);
    ck_assert_uint_gt(stats().bytes, 0); // of what was pulled, too
}
END_TEST

START_TEST(bad_arguments_fail_at_once)
{
    static const char *names[WF_SUB_ORIGINS_MAX + 1];
    static struct weft_cursor_row given[WF_SUB_GIVEN_MAX + 1];
    struct weft_subscribe_options o = { .from = (enum weft_from)9 };

    ck_assert_int_ne(weft_subscribe(c, "servers", NULL, &s, &problem), WEFT_OK);
    ck_assert_int_eq(weft_subscribe(c, "servers/readings", &o, &s, &problem), WEFT_E_USAGE);
    for (size_t i = 0; i < WF_COUNT(names); i++)
        names[i] = "host-1";
    o = (struct weft_subscribe_options){ .origins = names, .origin_count = WF_COUNT(names) };
    ck_assert_int_eq(weft_subscribe(c, "servers/readings", &o, &s, &problem), WEFT_E_TOO_BIG);
    o = (struct weft_subscribe_options){ .cursor = given, .cursor_count = WF_COUNT(given) };
    ck_assert_int_eq(weft_subscribe(c, "servers/readings", &o, &s, &problem), WEFT_E_TOO_BIG);
    o = (struct weft_subscribe_options){ .origins = names, .origin_count = WF_COUNT(names) - 1 };
    ck_assert_int_eq(weft_subscribe(c, "servers/readings", &o, &s, &problem), WEFT_OK);
    weft_unsubscribe(NULL);
}
END_TEST

START_TEST(unsubscribing_at_any_moment_is_clean)
{
    append(50, 5);
    for (int i = 0; i < 20; i++) {
        const struct weft_event *e = NULL;
        subscribe(WEFT_FROM_EARLIEST, 0);
        enum weft_err err = weft_next(s, i * 3, &e, NULL);
        ck_assert(err == WEFT_OK || err == WEFT_E_TIMEOUT);
        weft_unsubscribe(s);
        s = NULL;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.subscribe");
    TCase *t = tcase_create("reading");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, history_then_live_without_a_seam);
    tcase_add_test(t, latest_begins_with_what_comes);
    tcase_add_test(t, an_offset_in_the_middle_of_a_batch_begins_there);
    tcase_add_test(t, a_time_begins_where_the_home_says);
    tcase_add_test(t, lost_frames_are_repaired);
    tcase_add_test(t, a_lost_tail_shows_by_its_heartbeat);
    tcase_add_test(t, frames_that_come_again_are_dropped);
    tcase_add_test(t, entries_that_fill_a_frame_come_as_they_were_while_memory_comes_round);
    tcase_add_test(t, a_silent_stream_is_told_and_everything_comes_by_pull);
    tcase_add_test(t, a_rotation_loses_nothing);
    tcase_add_test(t, a_machine_that_slept_goes_on_where_it_was);
    tcase_add_test(t, a_refused_lease_tells_why_and_is_tried_again);
    tcase_add_test(t, records_dropped_by_retention_are_a_loss_with_its_range);
    tcase_add_test(t, what_an_origin_lost_is_a_loss_of_its_numbers);
    tcase_add_test(t, a_cursor_goes_on_where_it_ended);
    tcase_add_test(t, a_home_that_starts_anew_is_followed);
    tcase_add_test(t, records_that_a_crash_took_come_once_when_they_are_sent_again);
    tcase_add_test(t, a_forged_frame_takes_nothing_away);
    tcase_add_test(t, a_slow_application_gets_everything_at_its_own_speed);
    tcase_add_test(t, the_home_reads_on_while_a_reply_waits_for_its_documents);
    tcase_add_test(t, a_lease_without_a_stream_is_read_by_pull);
    tcase_add_test(t, a_stopped_product_is_told);
    tcase_add_test(t, a_home_that_ends_says_so_and_reading_goes_on_after_it);
    tcase_add_test(t, a_node_that_does_not_answer_is_told);
    tcase_add_test(t, weft_next_waits_wakes_and_times_out);
    tcase_add_test(t, a_product_older_than_its_promise_is_told_as_silent_until_something_comes);
    tcase_add_test(t, what_others_say_is_left_out_and_moves_the_cursor);
    tcase_add_test(t, records_outside_of_the_time_asked_for_are_left_out);
    tcase_add_test(t, bad_arguments_fail_at_once);
    tcase_add_test(t, unsubscribing_at_any_moment_is_clean);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

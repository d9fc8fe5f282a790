// SPDX-License-Identifier: Apache-2.0
// A mirror that follows and serves, with every allocation, write, sync and read failing in turn (tests/support/fault.h): in the end it has every
// entry of its home, bit for bit and without a gap, now and after the next start; and a reader never gets anything else.
#include "tests/node/mirror_ask.h"
#include "tests/node/mirror_home.h"

static int64_t skipped_ms;

// The longest pause before it tries again.
static void pass_pause(void)
{
    wf_test_clock_skip(2 * WF_MIRROR_RETRY_MAX_MS);
    skipped_ms += 2 * WF_MIRROR_RETRY_MAX_MS;
    wf_mirror_room.tick(&n);
    wf_loop_turn(n.loop, 1);
}

static enum weft_err start_and_follow(void)
{
    enum weft_err err = try_start();

    return err ? err : follow();
}

// It begins anew, and asks again after a pause.
static enum weft_err follow_anew(void)
{
    enum weft_err err = start_and_follow();

    if (err != WEFT_E_PARTIAL)
        return err;
    pass_pause();
    return follow();
}

// What a reader gets: entries as the home has them, in order. OK: all of them.
static enum weft_err read_all(void)
{
    struct asked l, r;
    size_t count = 0;

    wf_token_free(shown);
    wf_fault_spare(true);
    shown = token(&who.alice_pub, WF_VERB_SUBSCRIBE, "flows");
    wf_fault_spare(false);
    ask_lease(&l, &who.alice_pub, "flows");
    enum weft_err err = code_of(&l);
    if (!err) {
        ask_range(&r, &who.alice_pub, l.reply->lease->lease_id, 0);
        err = code_of(&r);
        for (; !err && count < r.reply->range->n_entries; count++)
            ck_assert_msg(wf_bytes_eq(wf_pb_view(r.reply->range->entries[count]),
                              wf_buf_view(&home.sealed[count])),
                "entry %zu is another", count);
        if (!err && r.reply->range->n_losses) // a read that failed is named as one
            ck_assert_int_eq(r.reply->range->losses[0]->code, WEFT_E_IO);
        asked_fini(&r);
    }
    asked_fini(&l);
    return err ? err : count == ENTRIES ? WEFT_OK : WEFT_E_PARTIAL;
}

// Whatever failed is tried again by itself; then all is there, and is after the next start.
static void end(enum weft_err err)
{
    (void)err;
    for (int start = 0; start < 2; start++) {
        if (!m) {
            stop();
            ck_assert_int_eq(try_start(), WEFT_OK);
        }
        for (int i = 0; i < 8 && !has_all(); i++) {
            pass_pause();
            (void)follow();
        }
        ck_assert_msg(has_all(), "it does not go on: %s", m->why);
        err = read_all();
        ck_assert_msg(!err, "what is there: %s", weft_err_name(err));
        ck_assert_uint_eq(m->count.refused, 0);
        stop();
    }
    leave();
    wf_test_clock_skip(-skipped_ms); // papers do not grow old with the runs
    skipped_ms = 0;
}

static void begin_with_token(void)
{
    begin();
    hold_token();
}

static void begin_full(void)
{
    begin_with_token();
    ck_assert_int_eq(start_and_follow(), WEFT_OK);
}

// Its home began anew meanwhile: what is held does not fit any more.
static void begin_other(void)
{
    begin_full();
    stop();
    home_fini(&home);
    home_log++;
    make_home(&home, &product_id, &owner->node);
}

static void begin_stopped(void)
{
    begin_full();
    stop();
}

static const struct wf_scenario scenarios[] = {
    { "mirror, a start, token, lease, entries", 0, begin_with_token, start_and_follow, end },
    { "mirror, a start with what it holds", 0, begin_stopped, start_and_follow, end },
    { "mirror, a home that began anew", 0, begin_other, follow_anew, end },
    { "mirror, what a reader gets", 1u << WF_FAULT_ALLOC | 1u << WF_FAULT_READ, begin_full,
        read_all, end },
};

START_TEST(a_mirror_has_in_the_end_what_its_home_has)
{
    wf_scenario_run(&scenarios[_i]);
}
END_TEST

int main(void)
{
    return wf_suite_main(
        "node.fault_mirror", a_mirror_has_in_the_end_what_its_home_has, WF_COUNT(scenarios), 1800);
}

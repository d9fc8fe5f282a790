// SPDX-License-Identifier: Apache-2.0
// The log in states that pass: a disk that is read-only for a while, no file descriptor left. It says which, refuses at once, serves what it has,
// and takes records again without a restart.
#include <check.h>
#include <stdlib.h>

#include "tests/support/logrig.h"
#include "tests/support/support.h"

// One item of product 0 at `first`; how it ended.
static enum weft_err say(struct rig *r, uint64_t first)
{
    uint64_t token = 0;
    enum weft_err err = rig_try(
        r, &(struct rig_item){ .product = 0, .first = first, .count = 1, .mean = 700 }, &token);

    rig_run(r);
    return err ? err : rig_ack(r, token);
}

// All below `end` is delivered.
static void check_delivered(struct rig *r, uint64_t end)
{
    static struct rig_read got;

    rig_read(r, 0, 0, 4096, &got);
    ck_assert_uint_eq(got.gap_count, 0);
    for (uint64_t o = 0; o < end; o++)
        ck_assert_msg(got.seen[o], "offset %llu", (unsigned long long)o);
}

static const struct passing {
    const char *why;
    enum wf_memdisk_op op; // that fails while it lasts
    enum weft_err err;
} passings[] = {
    { "the disk says that it is read-only", WF_MEM_SPACE, WEFT_E_READ_ONLY },
    { "a write finds the disk read-only", WF_MEM_WRITE, WEFT_E_READ_ONLY },
    { "no fresh segment on a read-only disk", WF_MEM_OPEN, WEFT_E_READ_ONLY },
    { "no file descriptor for a fresh segment", WF_MEM_OPEN, WEFT_E_NO_FILES },
    { "no file descriptor for its directory", WF_MEM_SYNC_DIR, WEFT_E_NO_FILES },
};

START_TEST(what_passes_is_told_and_needs_no_restart)
{
    const struct passing *c = &passings[_i];
    struct wf_log_stats stats;
    struct rig r;
    uint64_t seed = 9, first = 0;
    enum weft_err err = WEFT_OK;

    rig_init(&r, NULL);
    r.conf.segment_bytes = 32768;
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    for (; first < 10; first++)
        ck_assert_int_eq(say(&r, first), WEFT_OK);
    wf_memdisk_fail(r.disk, c->op, 1, 1000000, c->err);
    while (!err) { // at the latest with the segment's end
        err = say(&r, first);
        first += !err;
    }
    ck_assert_msg(err == c->err, "%s: %s", c->why, weft_err_text(err));
    ck_assert_msg(say(&r, first) == c->err, "%s, again", c->why);
    wf_log_stats(r.log, &stats);
    ck_assert_msg(stats.stopped == c->err, "%s", c->why);
    ck_assert_uint_eq(r.notes[WF_LOG_NOTE_STOPPED], 1);
    if (c->op != WF_MEM_OPEN)
        check_delivered(&r, first);
    // Over.
    wf_memdisk_fail(r.disk, c->op, 0, 0, WEFT_OK);
    rig_run(&r);
    wf_log_stats(r.log, &stats);
    ck_assert_msg(!stats.stopped, "%s", c->why);
    ck_assert_uint_eq(r.notes[WF_LOG_NOTE_RESUMED], 1);
    for (int i = 0; i < 60; i++, first++)
        ck_assert_msg(say(&r, first) == WEFT_OK, "%s", c->why);
    rig_crash(&r, true, &seed);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    check_delivered(&r, first);
    rig_fini(&r);
}
END_TEST

static bool count_gaps(void *arg, const struct wf_log_view *view)
{
    size_t *gaps = arg;

    *gaps += view->status != WEFT_OK;
    return true;
}

// A segment that is closed needs a descriptor to be read. Told as a gap, a reader would pass on for good what is there.
START_TEST(without_descriptors_a_read_fails_and_names_nothing_lost)
{
    struct rig r;
    struct wf_buf scratch = { 0 };
    size_t gaps = 0;
    uint64_t next = 0;

    rig_init(&r, NULL);
    r.conf.segment_bytes = 32768;
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    for (int i = 0; i < 80; i++) // more segments than stay open
        rig_fill(&r, 0, 45, 700);
    struct wf_log_reader reader = { .product = rig_product(0),
        .max_bytes = SIZE_MAX,
        .visit = count_gaps,
        .arg = &gaps,
        .scratch = &scratch };
    wf_memdisk_fail(r.disk, WF_MEM_OPEN, 1, 1000000, WEFT_E_NO_FILES);
    ck_assert_int_eq(wf_log_read(r.log, &reader, &next), WEFT_E_NO_FILES);
    ck_assert_uint_eq(gaps, 0);
    wf_memdisk_fail(r.disk, WF_MEM_OPEN, 0, 0, WEFT_OK);
    ck_assert_int_eq(wf_log_read(r.log, &reader, &next), WEFT_OK);
    ck_assert_uint_eq(gaps, 0);
    ck_assert_uint_eq(next, rig_head(&r, 0));
    wf_buf_fini(&scratch);
    rig_fini(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.log_passing");
    TCase *tc = tcase_create("states");

    tcase_add_loop_test(tc, what_passes_is_told_and_needs_no_restart, 0, (int)WF_COUNT(passings));
    tcase_add_test(tc, without_descriptors_a_read_fails_and_names_nothing_lost);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

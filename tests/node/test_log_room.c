// SPDX-License-Identifier: Apache-2.0
// Room ahead of the items: who waits for a sync finds it made, and making it keeps nobody waiting.
#include <check.h>

#include "tests/support/logrig.h"
#include "tests/support/support.h"

static struct rig rig;

static struct {
    unsigned calls, grown;
    size_t len;
    long syncs[2]; // when the first two groups were written
} written;

static size_t file_len(void)
{
    size_t len = 0;
    const char *name = wf_memdisk_name(rig.disk, 0, ".seg");

    return name && wf_memdisk_file(rig.disk, name, &len) ? len : 0;
}

static void see_written(void *arg, const struct wf_log_ack *acks, size_t count)
{
    (void)arg;
    (void)acks;
    (void)count;
    if (written.calls < WF_COUNT(written.syncs))
        written.syncs[written.calls] = wf_memdisk_calls(rig.disk, WF_MEM_SYNC);
    written.calls++;
    written.grown += file_len() > written.len;
}

static void setup(void)
{
    memset(&written, 0, sizeof written);
    rig_init(&rig, NULL);
    rig.conf.written = see_written;
    rig.conf.segment_bytes = 1024 * 1024;
    ck_assert_int_eq(rig_open(&rig), WEFT_OK);
}

static void teardown(void)
{
    rig_fini(&rig);
}

// A sync that finds its file longer has that to commit, too: nobody shall wait for it.
START_TEST(small_groups_find_room_that_was_made_when_nobody_waited)
{
    for (unsigned i = 0; i < 20; i++) // the first zeros are few
        rig_fill(&rig, 1, 1, 2000);
    written.grown = 0;
    for (unsigned i = 0; i < 400; i++) {
        written.len = file_len();
        rig_fill(&rig, 1, 1, 2000);
    }
    ck_assert_uint_eq(written.grown, 0);
    ck_assert_uint_eq(written.calls, 420);
    struct rig_read got;
    rig_read(&rig, 1, 0, 4096, &got);
    ck_assert_uint_eq(got.gap_count, 0);
    ck_assert_uint_eq(got.offsets, 420);
}
END_TEST

START_TEST(no_room_is_made_while_others_wait)
{
    for (unsigned i = 0; i < 300; i++) // a group is 256 items: the rest waits behind it
        rig_append(&rig, &(struct rig_item){ .product = 1, .first = i, .count = 1, .mean = 4 });
    rig_run(&rig);
    ck_assert_uint_eq(written.calls, 2);
    ck_assert_int_eq(written.syncs[1], written.syncs[0] + 1);
}
END_TEST

static struct {
    unsigned calls;
    uint64_t to; // all of it up to here
    size_t kept; // behind that, when it was given back
} given;

static void see_given(void *ctx, int file, uint64_t from, uint64_t to)
{
    (void)ctx;
    (void)file;
    ck_assert_uint_eq(from, given.to);
    given.calls++;
    given.to = to;
    given.kept = file_len() - (size_t)to;
}

// Pages that come round cost less than fresh ones; what readers repair is new.
START_TEST(what_lies_far_behind_the_end_leaves_the_page_cache_once_it_is_synced)
{
    const uint64_t mib = 1024 * 1024;

    memset(&given, 0, sizeof given);
    rig_close(&rig);
    wf_log_worker_free(rig.worker);
    rig.vfs.uncache = see_given;
    ck_assert_int_eq(wf_log_worker_new(&rig.vfs, false, &rig.worker), WEFT_OK);
    rig.conf.segment_bytes = 48 * mib;
    ck_assert_int_eq(rig_open(&rig), WEFT_OK);
    while (file_len() < 16 * mib)
        rig_fill(&rig, 1, 1, 60000);
    ck_assert_uint_eq(given.calls, 0);
    while (file_len() < 24 * mib) {
        rig_fill(&rig, 1, 1, 60000);
        ck_assert_uint_eq(given.to % mib, 0);
        ck_assert_uint_ge(given.to + 18 * mib, file_len());
        ck_assert(!given.calls || given.kept >= 16 * mib);
    }
    ck_assert_uint_le(given.calls, 8);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_room");
    TCase *t = tcase_create("room");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, small_groups_find_room_that_was_made_when_nobody_waited);
    tcase_add_test(t, no_room_is_made_while_others_wait);
    tcase_add_test(t, what_lies_far_behind_the_end_leaves_the_page_cache_once_it_is_synced);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

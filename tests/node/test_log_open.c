// SPDX-License-Identifier: Apache-2.0
// What opening a log costs: a closed segment is its header, its table of heads and its index, however long it is; only the newest is read whole.
#include <check.h>

#include "tests/support/logrig.h"

static struct rig rig;
static enum weft_err (*disk_read)(void *, int, uint64_t, void *, size_t, size_t *);
static uint64_t reads, bytes;

static enum weft_err count_read(
    void *ctx, int file, uint64_t at, void *out, size_t len, size_t *ret_len)
{
    enum weft_err err = disk_read(ctx, file, at, out, len, ret_len);

    reads++;
    bytes += err ? 0 : *ret_len;
    return err;
}

static void setup(void)
{
    rig_init(&rig, NULL);
    disk_read = rig.vfs.read;
    rig.vfs.read = count_read;
    wf_log_worker_free(rig.worker);
    ck_assert_int_eq(wf_log_worker_new(&rig.vfs, false, &rig.worker), WEFT_OK);
}

static void teardown(void)
{
    rig_fini(&rig);
}

static size_t segments(void)
{
    size_t n = 0;

    while (wf_memdisk_name(rig.disk, n, ".seg"))
        n++;
    return n;
}

// Closes and opens the log: what was read meanwhile.
static void count_open(uint64_t *ret_reads, uint64_t *ret_bytes)
{
    rig_close(&rig);
    reads = bytes = 0;
    ck_assert_int_eq(rig_open(&rig), WEFT_OK);
    *ret_reads = reads;
    *ret_bytes = bytes;
}

START_TEST(a_closed_segment_costs_the_open_a_few_small_reads)
{
    uint64_t few_reads = 0, few_bytes = 0, many_reads = 0, many_bytes = 0;

    rig.conf.segment_bytes = 1 << 20;
    ck_assert_int_eq(rig_open(&rig), WEFT_OK);
    rig_fill(&rig, 1, 700, 3000);
    size_t few = segments();
    count_open(&few_reads, &few_bytes);
    rig_fill(&rig, 1, 7000, 3000);
    size_t many = segments();
    count_open(&many_reads, &many_bytes);
    ck_assert_uint_ge(many, few + 15);
    // The newest segment is at most as long in one as in the other, give or take its whole length.
    ck_assert_msg(many_reads <= few_reads + 4 * (many - few) + 8, "%llu reads of %zu, %llu of %zu",
        (unsigned long long)many_reads, many, (unsigned long long)few_reads, few);
    ck_assert_msg(many_bytes <= few_bytes + (many - few) * 32768 + (1 << 20),
        "%llu bytes of %zu, %llu of %zu", (unsigned long long)many_bytes, many,
        (unsigned long long)few_bytes, few);
}
END_TEST

START_TEST(a_long_table_of_heads_is_read_whole)
{
    uint64_t n = 0, b = 0;

    rig.conf.segment_bytes = 1 << 20;
    ck_assert_int_eq(rig_open(&rig), WEFT_OK);
    for (unsigned p = 1; p <= 600; p++) // 28,800 bytes of rows
        rig_fill(&rig, p, 1, 100);
    rig_fill(&rig, 601, 1500, 3000);
    count_open(&n, &b);
    ck_assert_uint_eq(rig.notes[WF_LOG_NOTE_DAMAGED], 0);
    for (unsigned p = 1; p <= 600; p++)
        ck_assert_uint_eq(rig_head(&rig, p), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_open");
    TCase *t = tcase_create("open");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_closed_segment_costs_the_open_a_few_small_reads);
    tcase_add_test(t, a_long_table_of_heads_is_read_whole);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

// SPDX-License-Identifier: Apache-2.0
// The log on a disk that fails: power losses at any moment, every call failing in turn, no memory, no space. One rule is
// checked throughout: what was acknowledged at durability disk is there afterwards, and nothing wrong is delivered.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/log/look.h"
#include "tests/support/logrig.h"
#include "tests/support/support.h"

#define PRODUCTS 5u

// What was asked of the log, by token, to be held against what it has.
struct asked {
    unsigned product;
    uint64_t first;
    uint32_t count;
    enum wf_log_durability durability;
};
static struct asked asked[RIG_TOKENS];
static struct rig_read reads[PRODUCTS];
static uint64_t checked; // acknowledged items found again, over all tests

static void ask(struct rig *r, const struct rig_item *i)
{
    uint64_t token = 0;

    if (!rig_try(r, i, &token))
        asked[token] = (struct asked){ i->product, i->first, i->count, i->durability };
}

// Every acknowledged item above its product's floor is delivered. After a power loss only those on the disk need be.
static void check_acknowledged(struct rig *r, bool power, uint64_t seed)
{
    for (unsigned p = 0; p < PRODUCTS; p++)
        rig_read(r, p, 0, 4096, &reads[p]);
    for (uint64_t t = 0; t < r->token; t++) {
        const struct asked *a = &asked[t];
        if (r->acks[t] != WEFT_OK || (power && a->durability != WF_LOG_DISK))
            continue;
        for (uint64_t o = a->first; o < a->first + a->count; o++)
            ck_assert_msg(
                o >= RIG_SEEN || reads[a->product].seen[o] || o < rig_floor(r, a->product),
                "seed %llu: product %u offset %llu was acknowledged and is gone",
                (unsigned long long)seed, a->product, (unsigned long long)o);
        checked++;
    }
}

// What an owner does: append at the head, counting on success until told otherwise.
static void random_work(struct rig *r, uint64_t *seed, unsigned steps)
{
    uint64_t next[PRODUCTS];

    for (unsigned p = 0; p < PRODUCTS; p++)
        next[p] = rig_head(r, p);
    for (unsigned i = 0; i < steps; i++) {
        unsigned p = (unsigned)(wf_test_rand(seed) % PRODUCTS);
        uint32_t count = (uint32_t)(wf_test_rand(seed) % 3);
        ask(r, &(struct rig_item){ .product = p,
                   .first = next[p],
                   .count = count,
                   .mean = 1 + (size_t)(wf_test_rand(seed) % 1500),
                   .sealed = p == 1,
                   .durability = p == 2 ? WF_LOG_PROCESS : WF_LOG_DISK });
        next[p] += count;
        if (wf_test_rand(seed) % 8)
            continue;
        rig_run(r);
        for (unsigned q = 0; q < PRODUCTS; q++)
            next[q] = rig_head(r, q);
    }
    rig_run(r);
}

START_TEST(nothing_acknowledged_is_lost_with_the_power)
{
    uint64_t crashes = 0, gaps = 0;

    for (uint64_t n = 1; n <= 100; n++) {
        struct rig r;
        uint64_t seed = n * 7919;
        rig_init(&r, NULL);
        r.conf.segment_bytes = 16384 + wf_test_rand(&seed) % 65536;
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        for (int round = 0; round < 4; round++) {
            bool power = wf_test_rand(&seed) % 4 != 0;
            wf_memdisk_crash(r.disk, 1 + (long)(wf_test_rand(&seed) % 120));
            random_work(&r, &seed, 200);
            rig_crash(&r, power, &seed);
            // Whoever lost the power once may lose it again while starting.
            wf_memdisk_crash(r.disk, 1 + (long)(wf_test_rand(&seed) % 40));
            if (rig_open(&r) == WEFT_OK) {
                random_work(&r, &seed, 10);
                power = true;
            }
            rig_crash(&r, power, &seed);
            crashes += 2;
            ck_assert_int_eq(rig_open(&r), WEFT_OK);
            check_acknowledged(&r, true, n);
            for (unsigned p = 0; p < PRODUCTS; p++)
                gaps += reads[p].gap_count;
        }
        rig_fini(&r);
    }
    printf("power loss: %llu crashes, %llu acknowledged items found, 0 lost, %llu gaps of "
           "unacknowledged\n",
        (unsigned long long)crashes, (unsigned long long)checked, (unsigned long long)gaps);
}
END_TEST

START_TEST(nothing_acknowledged_is_lost_with_the_process)
{
    for (uint64_t n = 1; n <= 30; n++) {
        struct rig r;
        uint64_t seed = n * 104729;
        rig_init(&r, NULL);
        r.conf.segment_bytes = 32768;
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        wf_memdisk_crash(r.disk, 1 + (long)(wf_test_rand(&seed) % 150));
        random_work(&r, &seed, 200);
        rig_crash(&r, false, &seed);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        check_acknowledged(&r, false, n);
        rig_fini(&r);
    }
}
END_TEST

// A life with everything in it: rolls, process and disk durability, sealing, pins, retention, release, close and reopen.
static void live(struct rig *r, uint64_t *seed)
{
    struct wf_hash id = rig_product(3);

    if (!r->log && rig_open(r))
        return;
    random_work(r, seed, 60);
    enum weft_err err = wf_log_release(r->log, &id, rig_head(r, 3) / 2);
    if (err && err != WEFT_E_NOT_FOUND)
        abort(); // no ck_assert while allocations fail
    rig_run(r);
    wf_log_retain(r->log, r->now_ms);
    rig_run(r);
    rig_close(r);
    if (rig_open(r))
        return;
    random_work(r, seed, 60);
    rig_close(r);
}

// One failing call, the nth of its kind. False when the life has fewer.
static bool live_with_failure(enum wf_memdisk_op op, long nth, long times, enum weft_err err)
{
    struct rig r;
    uint64_t seed = 42;

    rig_init(&r, NULL);
    r.conf.segment_bytes = 16384;
    r.conf.retain_ms = 40;
    wf_memdisk_fail(r.disk, op, nth, times, err);
    live(&r, &seed);
    bool reached = wf_memdisk_calls(r.disk, op) >= nth;
    rig_crash(&r, true, &seed);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    check_acknowledged(&r, true, (uint64_t)nth);
    for (unsigned p = 0; p < PRODUCTS; p++) { // and it goes on
        if (rig_head(&r, p) < 100)
            rig_fill(&r, p, 2, 100);
    }
    rig_fini(&r);
    return reached;
}

static const struct failure {
    const char *name;
    enum wf_memdisk_op op;
    long times;
    enum weft_err err;
} failures[] = {
    { "open", WF_MEM_OPEN, 1, WEFT_E_IO },
    { "open, for good", WF_MEM_OPEN, 1000000, WEFT_E_PERMISSION },
    { "write", WF_MEM_WRITE, 1, WEFT_E_IO },
    { "write, three times", WF_MEM_WRITE, 3, WEFT_E_NOSPACE },
    { "write, for good", WF_MEM_WRITE, 1000000, WEFT_E_IO },
    { "sync", WF_MEM_SYNC, 1, WEFT_E_IO },
    { "sync, twice", WF_MEM_SYNC, 2, WEFT_E_IO },
    { "sync, for good", WF_MEM_SYNC, 1000000, WEFT_E_IO },
    { "read", WF_MEM_READ, 1, WEFT_E_IO },
    { "size", WF_MEM_SIZE, 1, WEFT_E_IO },
    { "truncate", WF_MEM_TRUNCATE, 1, WEFT_E_IO },
    { "rename", WF_MEM_RENAME, 1, WEFT_E_IO },
    { "unlink", WF_MEM_UNLINK, 1, WEFT_E_IO },
    { "mkdir", WF_MEM_MKDIR, 1, WEFT_E_PERMISSION },
    { "list", WF_MEM_LIST, 1, WEFT_E_IO },
    { "sync of the directory", WF_MEM_SYNC_DIR, 1, WEFT_E_IO },
    { "space", WF_MEM_SPACE, 1, WEFT_E_IO },
    { "lock", WF_MEM_LOCK, 1, WEFT_E_IO },
};

START_TEST(a_failing_call_of_each_kind_makes_no_false_acknowledgement)
{
    const struct failure *f = &failures[_i];
    long nth = 1;

    while (live_with_failure(f->op, nth, f->times, f->err))
        nth++;
    printf("%s: %ld failures\n", f->name, nth - 1);
}
END_TEST

// A sync that fails together with the truncation that should remove what was not synced.
START_TEST(a_failed_sync_whose_cleaning_up_fails_too_is_no_false_acknowledgement)
{
    long nth = 1;
    bool reached = true;

    for (; reached; nth++) {
        struct rig r;
        uint64_t seed = 43;
        rig_init(&r, NULL);
        r.conf.segment_bytes = 16384;
        wf_memdisk_fail(r.disk, WF_MEM_SYNC, nth, 2, WEFT_E_IO);
        wf_memdisk_fail(r.disk, WF_MEM_TRUNCATE, 1, 1000000, WEFT_E_IO);
        live(&r, &seed);
        reached = wf_memdisk_calls(r.disk, WF_MEM_SYNC) >= nth;
        rig_crash(&r, true, &seed);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        check_acknowledged(&r, true, (uint64_t)nth);
        rig_fini(&r);
    }
}
END_TEST

// A store as a crash leaves it: an unfinished tail, a segment that was never begun, a stale and a damaged sidecar.
static void leave_a_mess(struct rig *r, uint64_t *seed)
{
    struct wf_buf b = { 0 };
    size_t len = 0;
    char path[64];

    ck_assert_int_eq(rig_open(r), WEFT_OK);
    random_work(r, seed, 100);
    rig_crash(r, false, seed);
    for (size_t i = 0; i < 2; i++) {
        const char *idx = wf_memdisk_name(r->disk, i, ".idx");
        wf_memdisk_file(r->disk, idx, &len)[len / 2] ^= 1;
    }
    unsigned last = 1;
    for (;
         snprintf(path, sizeof path, "/log/%016x.seg", last), wf_memdisk_file(r->disk, path, &len);)
        last++;
    snprintf(path, sizeof path, "/log/%016x.seg", last - 1);
    uint8_t *p = wf_memdisk_file(r->disk, path, &len);
    ck_assert_int_eq(wf_buf_append(&b, wf_bytes(p, len)), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_str(&b, "wfI1 and then the power went"), WEFT_OK);
    wf_memdisk_put(r->disk, path, wf_buf_view(&b));
    wf_buf_fini(&b);
    wf_memdisk_put(r->disk, "/log/00000000000000ff.seg", wf_bytes("\0\0\0", 3));
    wf_memdisk_put(r->disk, "/log/00000000000000fe.idx", wf_bytes("x", 1));
    wf_memdisk_put(r->disk, "/log/0000000000000001.tmp", wf_bytes("x", 1));
}

START_TEST(an_open_that_failed_can_be_repeated)
{
    long failed = 0;

    for (enum wf_memdisk_op op = 0; op < WF_MEM_OPS; op++) {
        bool reached = true;
        for (long nth = 1; reached; nth++) {
            struct rig r;
            uint64_t seed = 45;
            rig_init(&r, NULL);
            r.conf.segment_bytes = 16384;
            leave_a_mess(&r, &seed);
            long calls = wf_memdisk_calls(r.disk, op);
            wf_memdisk_fail(r.disk, op, nth, 1, WEFT_E_IO);
            failed += rig_open(&r) != WEFT_OK;
            reached = wf_memdisk_calls(r.disk, op) >= calls + nth;
            rig_crash(&r, true, &seed);
            ck_assert_int_eq(rig_open(&r), WEFT_OK);
            check_acknowledged(&r, true, (uint64_t)nth);
            rig_fini(&r);
        }
    }
    printf("opens that failed and were repeated: %ld\n", failed);
}
END_TEST

START_TEST(after_a_failed_sync_the_segment_is_left_and_the_offsets_can_be_used_again)
{
    struct rig r;
    struct rig_read got;
    struct wf_log_stats before, after;

    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 5, 200);
    wf_log_stats(r.log, &before);
    wf_memdisk_fail(r.disk, WF_MEM_SYNC, 1, 1, WEFT_E_IO);
    uint64_t failed = rig_append(&r, &(struct rig_item){ .product = 1, .first = 5, .count = 1 });
    rig_run(&r);
    ck_assert_int_eq(rig_ack(&r, failed), WEFT_E_IO);
    ck_assert_uint_eq(r.notes[WF_LOG_NOTE_SYNC], 1);
    ck_assert_uint_eq(rig_head(&r, 1), 5);
    rig_fill(&r, 1, 5, 300);
    wf_log_stats(r.log, &after);
    ck_assert_uint_eq(after.segments, before.segments + 1);
    for (int round = 0; round < 2; round++) {
        rig_read(&r, 1, 0, 4096, &got);
        ck_assert_uint_eq(got.offsets, 10);
        ck_assert_uint_eq(got.gap_count, 0);
        rig_close(&r);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
    }
    rig_fini(&r);
}
END_TEST

// The bytes of a failed item are cut off; where that fails too, the next segment says that they do not count.
START_TEST(what_failed_in_a_left_segment_does_not_come_back)
{
    for (int cut_fails = 0; cut_fails < 2; cut_fails++) {
        struct rig r;
        struct rig_read got;
        uint64_t seed = 8;
        rig_init(&r, NULL);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        rig_fill(&r, 1, 5, 200);
        wf_memdisk_fail(r.disk, WF_MEM_SYNC, 1, 1, WEFT_E_IO);
        wf_memdisk_fail(r.disk, WF_MEM_TRUNCATE, 1, cut_fails, WEFT_E_IO);
        uint64_t t = rig_append(&r, &(struct rig_item){ .product = 2, .first = 0, .count = 1 });
        rig_run(&r);
        ck_assert_int_eq(rig_ack(&r, t), WEFT_E_IO);
        if (cut_fails)
            rig_fill(&r, 1, 5, 200);
        rig_crash(&r, false, &seed);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        struct wf_hash id = rig_product(2);
        struct wf_log_range range;
        ck_assert_int_eq(wf_log_range(r.log, &id, &range), WEFT_E_NOT_FOUND);
        rig_read(&r, 1, 0, 4096, &got);
        ck_assert_uint_eq(got.offsets, cut_fails ? 10 : 5);
        rig_fini(&r);
    }
}
END_TEST

START_TEST(what_an_open_finds_is_on_the_disk_from_then_on)
{
    struct rig r;
    struct rig_read got;
    uint64_t seed = 6;

    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    for (unsigned i = 0; i < 50; i++)
        ask(&r,
            &(struct rig_item){
                .product = 2, .first = i, .count = 1, .mean = 900, .durability = WF_LOG_PROCESS });
    rig_run(&r);
    rig_crash(&r, false, &seed);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_read(&r, 2, 0, 4096, &got);
    ck_assert_uint_eq(got.offsets, 50);
    rig_crash(&r, true, &seed);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_read(&r, 2, 0, 4096, &got);
    ck_assert_uint_eq(got.offsets, 50);
    rig_fini(&r);
}
END_TEST

START_TEST(a_full_disk_refuses_and_goes_on_when_there_is_room)
{
    struct rig r;
    uint64_t seed = 5;
    enum weft_err err = WEFT_OK;
    uint64_t first = 0;

    rig_init(&r, NULL);
    r.conf.segment_bytes = 32768;
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    wf_memdisk_room(r.disk, 150000, 900);
    while (!err) {
        uint64_t t = r.token;
        ask(&r, &(struct rig_item){ .product = 0, .first = first, .count = 1, .mean = 700 });
        rig_run(&r);
        err = rig_ack(&r, t);
        first += !err;
    }
    ck_assert_int_eq(err, WEFT_E_NOSPACE);
    ck_assert_uint_gt(first, 100);
    for (int i = 0; i < 5; i++) { // it stays refused, and reading goes on
        uint64_t t = r.token;
        ask(&r, &(struct rig_item){ .product = 0, .first = first, .count = 1, .mean = 60000 });
        rig_run(&r);
        ck_assert_int_eq(rig_ack(&r, t), WEFT_E_NOSPACE);
        check_acknowledged(&r, false, 5);
    }
    wf_memdisk_room(r.disk, UINT64_MAX, 900);
    ask(&r, &(struct rig_item){ .product = 0, .first = first, .count = 1, .mean = 60000 });
    rig_run(&r);
    ck_assert_int_eq(rig_ack(&r, r.token - 1), WEFT_OK);
    rig_crash(&r, true, &seed);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    check_acknowledged(&r, true, 5);
    ck_assert_uint_eq(reads[0].gap_count, 0);
    rig_fini(&r);
}
END_TEST

START_TEST(without_memory_nothing_is_falsely_acknowledged_lost_or_leaked)
{
    long nth = 1;
    bool reached = true;

    for (; reached; nth++) {
        struct rig r;
        uint64_t seed = 44;
        rig_init(&r, NULL);
        r.conf.segment_bytes = 16384;
        r.conf.retain_ms = 60;
        wf_test_fail_alloc(nth);
        live(&r, &seed);
        reached = wf_test_alloc_count() >= nth;
        wf_test_fail_alloc(-1);
        rig_crash(&r, true, &seed);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        check_acknowledged(&r, true, (uint64_t)nth);
        rig_fini(&r);
    }
    printf("allocations failed in turn: %ld\n", nth - 2);
}
END_TEST

START_TEST(a_reader_without_memory_or_disk_is_told)
{
    struct rig r;
    struct rig_read got;

    rig_init(&r, NULL);
    r.conf.segment_bytes = 16384;
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 200, 300);
    for (long nth = 1; nth < 20; nth++) {
        wf_memdisk_fail(r.disk, WF_MEM_READ, nth, 1, WEFT_E_IO);
        rig_read(&r, 1, 0, 1 << 20, &got);
        ck_assert_uint_eq(got.gap_count, 0); // what fails once is read again
        ck_assert_uint_eq(got.offsets, 200);
        wf_memdisk_fail(r.disk, WF_MEM_READ, nth, 2, WEFT_E_IO);
        rig_read(&r, 1, 0, 1 << 20, &got);
        ck_assert_uint_eq(
            got.gap_count, 0); // and what fails for longer is asked for again: no loss
        ck_assert_uint_eq(got.offsets, 200);
        wf_memdisk_fail(r.disk, WF_MEM_READ, nth, 100, WEFT_E_IO);
        rig_read(&r, 1, 0, 1 << 20, &got);
        ck_assert_uint_eq(got.gap_count, 0);
        ck_assert(
            got.offsets == 200 ? nth > 4 : got.unread == RIG_UNREAD && got.next == got.offsets);
        wf_memdisk_fail(r.disk, WF_MEM_READ, 1, 0, WEFT_OK);
    }
    wf_memdisk_fail(r.disk, WF_MEM_READ, 1, 0, WEFT_OK);
    rig_read(&r, 1, 0, 1 << 20, &got);
    ck_assert_uint_eq(got.offsets, 200);
    rig_fini(&r);
}
END_TEST

static void count_flaw(void *arg, const struct wf_log_flaw *f)
{
    (void)f;
    ++*(uint64_t *)arg;
}

// What a look without memory can't say it does not say wrongly: NOMEM, or all that a look with memory says.
START_TEST(a_look_without_memory_says_so_and_leaks_nothing)
{
    struct rig r;
    size_t len = 0;
    long nth = 1;
    bool reached = true;
    unsigned whole = 0;

    rig_init(&r, NULL);
    r.conf.segment_bytes = 16384;
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    for (int i = 0; i < 20; i++)
        for (unsigned p = 1; p < 3; p++)
            rig_fill(&r, p, 5, 200);
    rig_close(&r);
    uint8_t *bytes = wf_memdisk_file(r.disk, wf_memdisk_name(r.disk, 0, ".seg"), &len);
    bytes[len / 2] ^= 1;
    for (; reached; nth++) {
        struct wf_log_look *look = NULL;
        struct wf_log_tally tally = { 0 };
        uint64_t told = 0;
        wf_test_fail_alloc(nth);
        enum weft_err err = wf_log_look_open(&r.vfs,
            &(struct wf_log_look_conf){ .dir = "/log", .key = &r.key, .now_ms = r.now_ms }, &look);
        if (!err)
            err = wf_log_look_check(look, count_flaw, &told, &tally);
        reached = wf_test_alloc_count() >= nth;
        wf_test_fail_alloc(-1);
        wf_log_look_close(look);
        ck_assert_msg(err == WEFT_E_NOMEM || !err, "allocation %ld: %s", nth, weft_err_name(err));
        ck_assert(err || tally.damages == 2); // the item and its offset
        whole += !err;
    }
    ck_assert_uint_gt(whole, 0);
    printf("allocations of a look failed in turn: %ld\n", nth - 2);
    rig_fini(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_fault");
    TCase *t = tcase_create("log_fault");

    tcase_set_timeout(t, 240);
    tcase_add_test(t, nothing_acknowledged_is_lost_with_the_power);
    tcase_add_test(t, nothing_acknowledged_is_lost_with_the_process);
    tcase_add_loop_test(
        t, a_failing_call_of_each_kind_makes_no_false_acknowledgement, 0, WF_COUNT(failures));
    tcase_add_test(t, a_failed_sync_whose_cleaning_up_fails_too_is_no_false_acknowledgement);
    tcase_add_test(t, an_open_that_failed_can_be_repeated);
    tcase_add_test(t, after_a_failed_sync_the_segment_is_left_and_the_offsets_can_be_used_again);
    tcase_add_test(t, what_failed_in_a_left_segment_does_not_come_back);
    tcase_add_test(t, what_an_open_finds_is_on_the_disk_from_then_on);
    tcase_add_test(t, a_full_disk_refuses_and_goes_on_when_there_is_room);
    tcase_add_test(t, without_memory_nothing_is_falsely_acknowledged_lost_or_leaked);
    tcase_add_test(t, a_reader_without_memory_or_disk_is_told);
    tcase_add_test(t, a_look_without_memory_says_so_and_leaks_nothing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

// SPDX-License-Identifier: Apache-2.0
// Appenders, readers, retention and release at once, on a real file system with the worker's own thread. Readers check
// every body; ThreadSanitizer checks the rest.
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/logrig.h"
#include "tests/support/support.h"

#define APPENDERS 3u
#define READERS   2u
#define ITEMS     1500u
#define BODY      700u

static struct rig rig;
static atomic_bool over;
static atomic_uint_fast64_t acked, read_items, read_gaps;

static void on_done(void *arg, const struct wf_log_ack *acks, size_t count)
{
    (void)arg;
    for (size_t i = 0; i < count; i++)
        if (acks[i].err)
            abort();
    atomic_fetch_add(&acked, count);
}

// Each appender has its product; FULL means wait for the worker.
static void *append(void *arg)
{
    unsigned product = *(const unsigned *)arg;
    uint8_t body[2 * BODY];

    for (uint64_t n = 0; n < ITEMS; n++) {
        struct wf_log_item item = { .product = rig_product(product),
            .first = n,
            .count = 1,
            .time_ms = 1000 + (int64_t)n,
            .sealed = product == 1,
            .durability = product == 2 ? WF_LOG_PROCESS : WF_LOG_DISK };
        item.body = wf_bytes(body, rig_body(product, n, BODY, body, sizeof body));
        enum weft_err err = WEFT_OK;
        do {
            err = wf_log_append(rig.log, &item, n);
            if (err == WEFT_E_FULL)
                wf_log_flush(rig.log);
        } while (err == WEFT_E_FULL);
        if (err)
            abort();
    }
    return NULL;
}

struct reader {
    unsigned product;
    uint64_t expected;
};

static bool on_view(void *arg, const struct wf_log_view *v)
{
    struct reader *r = arg;
    uint8_t want[2 * BODY];

    if (v->first != r->expected)
        abort();
    r->expected = v->end;
    if (v->status) {
        if (v->status != WEFT_E_RETENTION)
            abort();
        atomic_fetch_add(&read_gaps, 1);
        return true;
    }
    size_t len = rig_body(r->product, v->first, BODY, want, sizeof want);
    if (v->body.len != len || memcmp(v->body.ptr, want, len) != 0)
        abort();
    atomic_fetch_add(&read_items, 1);
    return true;
}

// Follows all products to their end, again and again from the start.
static void *read_all(void *arg)
{
    struct wf_buf scratch = { 0 };

    (void)arg;
    while (!atomic_load(&over)) {
        for (unsigned p = 0; p < APPENDERS; p++) {
            struct wf_hash id = rig_product(p);
            struct reader r = { .product = p };
            uint64_t next = 0, before = 1;
            while (next != before && !atomic_load(&over)) {
                before = next;
                struct wf_log_reader reader = { id, next, 100000, on_view, &r, &scratch };
                enum weft_err err = wf_log_read(rig.log, &reader, &next);
                if (err && err != WEFT_E_NOT_FOUND)
                    abort();
            }
            (void)!wf_log_find_time(rig.log, &id, 1500, &scratch, &next);
        }
    }
    wf_buf_fini(&scratch);
    return NULL;
}

static void *look_after(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        struct wf_hash id = rig_product(2);
        struct wf_log_range range;
        struct wf_log_stats stats;
        wf_log_retain(rig.log, 1000);
        if (wf_log_range(rig.log, &id, &range) == WEFT_OK &&
            wf_log_release(rig.log, &id, range.head / 2))
            abort();
        if (wf_log_pin(rig.log, &id, range.head / 2) == WEFT_E_IO)
            abort();
        wf_log_stats(rig.log, &stats);
        usleep(500);
    }
    return NULL;
}

START_TEST(many_threads_share_a_log)
{
    const char *base = wf_test_tmpdir();
    char dir[300];
    pthread_t appenders[APPENDERS], readers[READERS], keeper;
    static const unsigned products[APPENDERS] = { 0, 1, 2 };

    snprintf(dir, sizeof dir, "%s/log", base);
    rig_init(&rig, dir);
    rig.conf.done = on_done;
    rig.conf.segment_bytes = 65536;
    rig.conf.retain_bytes = 1500000;
    rig.conf.queue_bytes = 200000;
    ck_assert_int_eq(rig_open(&rig), WEFT_OK);
    for (unsigned i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_all, NULL), 0);
    ck_assert_int_eq(pthread_create(&keeper, NULL, look_after, NULL), 0);
    for (unsigned i = 0; i < APPENDERS; i++)
        ck_assert_int_eq(
            pthread_create(&appenders[i], NULL, append, (void *)(uintptr_t)&products[i]), 0);
    for (unsigned i = 0; i < APPENDERS; i++)
        pthread_join(appenders[i], NULL);
    wf_log_flush(rig.log);
    ck_assert_uint_eq(atomic_load(&acked), APPENDERS * ITEMS);
    atomic_store(&over, true);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    pthread_join(keeper, NULL);

    struct wf_log_stats stats;
    wf_log_stats(rig.log, &stats);
    ck_assert_uint_eq(stats.appended_items, APPENDERS * ITEMS);
    ck_assert_uint_eq(stats.damaged_reads, 0);
    ck_assert_uint_eq(stats.queue_items, 0);
    ck_assert_uint_gt(stats.dropped_segments, 0);
    for (unsigned p = 0; p < APPENDERS; p++)
        ck_assert_uint_eq(rig_head(&rig, p), ITEMS);
    printf("%llu items read, %llu retention gaps, %llu syncs, worst %llu us\n",
        (unsigned long long)atomic_load(&read_items), (unsigned long long)atomic_load(&read_gaps),
        (unsigned long long)stats.syncs, (unsigned long long)stats.worst_sync_us);
    rig_fini(&rig);
}
END_TEST

START_TEST(two_logs_share_a_worker_and_open_and_close_while_it_works)
{
    const char *base = wf_test_tmpdir();
    char dir[300], other_dir[300];
    struct wf_log *other = NULL;

    snprintf(dir, sizeof dir, "%s/a", base);
    snprintf(other_dir, sizeof other_dir, "%s/b", base);
    rig_init(&rig, dir);
    ck_assert_int_eq(rig_open(&rig), WEFT_OK);
    struct wf_log_conf conf = rig.conf;
    conf.dir = other_dir;
    conf.done = on_done;
    atomic_store(&acked, 0);
    for (unsigned round = 0; round < 20; round++) {
        ck_assert_int_eq(wf_log_open(rig.worker, &conf, 0, &other), WEFT_OK);
        for (unsigned i = 0; i < 20; i++) {
            struct wf_log_item item = { .product = rig_product(1),
                .first = round * 20 + i,
                .count = 1,
                .body = WF_STR("body") };
            rig_append(&rig, &(struct rig_item){ .product = 1, .first = item.first, .count = 1 });
            ck_assert_int_eq(wf_log_append(other, &item, i), WEFT_OK);
        }
        wf_log_close(other); // everything queued is acknowledged before it returns
        ck_assert_uint_eq(atomic_load(&acked), (round + 1) * 20);
    }
    wf_log_flush(rig.log);
    ck_assert_uint_eq(rig_head(&rig, 1), 400);
    rig_fini(&rig);
}
END_TEST

// ---- the host ----------------------------------------------------------------------------------------------------------

static atomic_uint by_host, by_worker, left;
static pthread_t host;
static atomic_uint slow_us; // what a sync takes on this disk
static uint64_t next_offset, first_offset;

static void count_done(void *arg, const struct wf_log_ack *acks, size_t count)
{
    bool here = pthread_equal(host, pthread_self());

    (void)arg;
    for (size_t i = 0; i < count; i++)
        if (acks[i].err)
            abort();
    atomic_fetch_add(here ? &by_host : &by_worker, (unsigned)count);
}

static enum weft_err sync_slowly(void *ctx, int file)
{
    (void)ctx;
    if (slow_us)
        usleep(slow_us);
    return wf_vfs_posix.sync(NULL, file);
}

static int64_t count_us(void *
        ctx) // a clock of the test's own: a sync takes what slow_us says, whatever the machine does
{
    static atomic_int_fast64_t us = 1000000;

    (void)ctx;
    return atomic_fetch_add(&us, slow_us) + slow_us;
}

static void put_one(size_t len, enum wf_log_durability durability)
{
    uint8_t body[65536] = { 0 };
    struct wf_log_item item = { .product = rig_product(1),
        .first = next_offset++,
        .count = 1,
        .durability = durability,
        .body = wf_bytes(body, len) };

    ck_assert_int_eq(wf_log_append(rig.log, &item, 0), WEFT_OK);
}

static void leave(void *arg)
{
    (void)arg;
    atomic_fetch_add(&left, 1);
}

static void come_back(void *arg)
{
    unsigned *back = arg;

    (*back)++;
}

static unsigned came_back;
static const struct wf_log_host as_host = { leave, come_back, &came_back };

static void open_hosted(void)
{
    static char dir[300];

    snprintf(dir, sizeof dir, "%s/log", wf_test_tmpdir());
    rig_init(&rig, dir);
    wf_log_worker_free(rig.worker);
    rig.vfs.sync = sync_slowly;
    rig.vfs.mono_us = count_us;
    ck_assert_int_eq(wf_log_worker_new(&rig.vfs, true, &rig.worker), WEFT_OK);
    rig.conf.done = count_done;
    ck_assert_int_eq(rig_open(&rig), WEFT_OK);
    host = pthread_self();
    // The first begins the segment, and the worker's turn with it ends a little later than it is heard of.
    for (unsigned i = 0; i < 1000 && !atomic_load(&by_host); i++) {
        put_one(100, WF_LOG_DISK);
        wf_log_worker_serve(rig.worker, &as_host, true);
        for (unsigned j = 0; j < 20000 && atomic_load(&by_host) + atomic_load(&by_worker) <= i; j++)
            usleep(500);
    }
    ck_assert_uint_eq(atomic_load(&by_host), 1);
    atomic_store(&by_host, 0);
    atomic_store(&by_worker, 0);
    atomic_store(&left, 0);
    came_back = 0;
    first_offset = next_offset;
}

START_TEST(what_the_host_appends_is_written_by_itself_and_wakes_nobody)
{
    open_hosted();
    for (unsigned i = 1; i <= 50; i++) {
        put_one(100, WF_LOG_DISK);
        wf_log_worker_serve(rig.worker, &as_host, true);
        ck_assert_uint_eq(atomic_load(&by_host), i); // done when serve returns
        ck_assert_uint_eq(rig_head(&rig, 1), first_offset + i);
    }
    ck_assert_uint_eq(atomic_load(&by_worker), 0);
    ck_assert_uint_eq(atomic_load(&left), 50);
    ck_assert_uint_eq(came_back, 50);
    rig_fini(&rig);
}
END_TEST

static const struct {
    const char *why;
    size_t body;
    uint32_t slow_us;
    bool here;
} by_thread[] = {
    { "the host has something else to do", 100, 0, false },
    { "as much as takes long to write", 60000, 0, true },
    { "a disk that takes long", 100, 20000, true },
};

START_TEST(what_may_take_long_is_the_workers)
{
    open_hosted();
    slow_us = by_thread[_i].slow_us;
    if (slow_us) { // it learns so from the first that it writes itself
        put_one(100, WF_LOG_DISK);
        wf_log_worker_serve(rig.worker, &as_host, true);
        ck_assert_uint_eq(atomic_load(&by_host), 1);
    }
    unsigned before = atomic_load(&by_host);
    put_one(by_thread[_i].body, WF_LOG_DISK);
    wf_log_worker_serve(rig.worker, &as_host, by_thread[_i].here);
    wf_log_flush(rig.log);
    ck_assert_msg(atomic_load(&by_worker) == 1 && atomic_load(&by_host) == before,
        "%s: by the worker %u", by_thread[_i].why, atomic_load(&by_worker));
    rig_fini(&rig);
}
END_TEST

START_TEST(a_host_and_others_append_to_one_log)
{
    static const unsigned others[] = { 0, 2 };
    pthread_t threads[2];

    open_hosted();
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, append, (void *)(uintptr_t)&others[i]), 0);
    for (unsigned i = 0; i < 300; i++) {
        put_one(100, WF_LOG_DISK);
        wf_log_worker_serve(rig.worker, &as_host, i % 4 != 0);
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    wf_log_flush(rig.log);
    ck_assert_uint_eq(atomic_load(&by_host) + atomic_load(&by_worker), 2 * ITEMS + 300);
    ck_assert_uint_eq(rig_head(&rig, 1), first_offset + 300);
    ck_assert_uint_eq(came_back, atomic_load(&left));
    rig_fini(&rig);
}
END_TEST

START_TEST(a_host_that_leaves_owes_nothing)
{
    open_hosted();
    put_one(100, WF_LOG_DISK);
    wf_log_worker_unhost(rig.worker);
    for (unsigned i = 0; i < 20000 && !atomic_load(&by_worker); i++)
        usleep(500);
    ck_assert_uint_eq(atomic_load(&by_worker), 1);
    put_one(100, WF_LOG_DISK); // like anybody's
    for (unsigned i = 0; i < 20000 && atomic_load(&by_worker) < 2; i++)
        usleep(500);
    ck_assert_uint_eq(atomic_load(&by_worker), 2);
    ck_assert_uint_eq(atomic_load(&by_host), 0);
    rig_fini(&rig);
}
END_TEST

START_TEST(process_durable_bytes_that_the_host_wrote_are_synced_by_the_worker)
{
    struct wf_log_stats stats;

    open_hosted();
    slow_us = 100; // the clock goes on
    wf_log_stats(rig.log, &stats);
    uint64_t before = stats.syncs;
    put_one(100, WF_LOG_PROCESS);
    wf_log_worker_serve(rig.worker, &as_host, true);
    ck_assert_uint_eq(atomic_load(&by_host), 1);
    slow_us = 600000;
    for (unsigned i = 0; i < 20000 && stats.syncs == before; i++) {
        usleep(500);
        wf_log_stats(rig.log, &stats);
    }
    ck_assert_uint_gt(stats.syncs, before);
    slow_us = 0;
    rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_threads");
    TCase *t = tcase_create("log_threads");

    tcase_set_timeout(t, 240);
    tcase_add_test(t, many_threads_share_a_log);
    tcase_add_test(t, two_logs_share_a_worker_and_open_and_close_while_it_works);
    tcase_add_test(t, a_host_and_others_append_to_one_log);
    tcase_add_test(t, what_the_host_appends_is_written_by_itself_and_wakes_nobody);
    tcase_add_loop_test(
        t, what_may_take_long_is_the_workers, 0, (int)(sizeof by_thread / sizeof by_thread[0]));
    tcase_add_test(t, a_host_that_leaves_owes_nothing);
    tcase_add_test(t, process_durable_bytes_that_the_host_wrote_are_synced_by_the_worker);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

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

int main(void)
{
    Suite *s = suite_create("log_threads");
    TCase *t = tcase_create("log_threads");

    tcase_set_timeout(t, 240);
    tcase_add_test(t, many_threads_share_a_log);
    tcase_add_test(t, two_logs_share_a_worker_and_open_and_close_while_it_works);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

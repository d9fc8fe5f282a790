// SPDX-License-Identifier: Apache-2.0
// The pool's promises: done once, on the loop's thread; classes and what repair may take; caps; stop with jobs waiting and running;
// memory that fails. Runs under ThreadSanitizer, too.
#include <check.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "node/pool.h"
#include "tests/support/support.h"

#define JOBS    2000
#define WAIT_MS 20000

static struct wf_loop *loop;
static struct wf_pool *pool;

struct job {
    struct wf_job j;   // first
    atomic_bool *gate; // works until it opens
    atomic_uint worked;
    unsigned done;
    bool on_loop, again;
    enum weft_err err;
    unsigned order; // of done
};

static unsigned order;
static atomic_uint running, most_running;
static unsigned long sum; // written by done alone

static struct job *job_of(struct wf_job *j)
{
    return (struct job *)(void *)j;
}

static void work(struct wf_job *j)
{
    struct job *t = job_of(j);
    unsigned now = atomic_fetch_add(&running, 1) + 1, most = atomic_load(&most_running);

    while (now > most && !atomic_compare_exchange_weak(&most_running, &most, now))
        ;
    while (t->gate && !atomic_load(t->gate))
        sched_yield();
    atomic_fetch_add(&t->worked, 1);
    atomic_fetch_sub(&running, 1);
}

static void done(struct wf_job *j, enum weft_err err)
{
    struct job *t = job_of(j);

    t->done++;
    t->on_loop = wf_loop_is_mine(loop);
    t->err = err;
    t->order = ++order;
    sum += atomic_load(&t->worked);
    if (t->again) {
        t->again = false;
        t->done = 0;
        ck_assert_int_eq(wf_pool_submit(pool, j), WEFT_OK);
    }
}

static struct job job_make(enum wf_mail_class class, atomic_bool *gate)
{
    return (struct job){ .j = { .work = work, .done = done, .class = class, .bytes = 100 },
        .gate = gate };
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t end_ = now_ms() + WAIT_MS;                                                         \
        while (!(condition)) {                                                                     \
            wf_loop_turn(loop, 5);                                                                 \
            ck_assert_msg(now_ms() < end_, "waited in vain for %s", #condition);                   \
        }                                                                                          \
    } while (0)

static void set_up(void)
{
    order = 0;
    sum = 0;
    atomic_store(&most_running, 0);
    ck_assert_int_eq(wf_loop_new(NULL, &loop), WEFT_OK);
    wf_loop_turn(loop, 0);
    ck_assert_int_eq(wf_pool_new(loop, NULL, &pool), WEFT_OK);
}

static void tear_down(void)
{
    wf_pool_free(pool);
    wf_loop_free(loop);
}

static unsigned workers(void)
{
    struct wf_pool_stats s;

    wf_pool_get_stats(pool, &s);
    return s.workers;
}

static unsigned busy(void)
{
    struct wf_pool_stats s;

    wf_pool_get_stats(pool, &s);
    return s.busy;
}

START_TEST(every_job_ends_once_on_the_loops_thread)
{
    struct job *jobs = calloc(JOBS, sizeof *jobs);

    for (int i = 0; i < JOBS; i++) {
        jobs[i] = job_make((enum wf_mail_class)(i % WF_MAIL_CLASSES), NULL);
        enum weft_err err = wf_pool_submit(pool, &jobs[i].j);
        while (err == WEFT_E_FULL) {
            wf_loop_turn(loop, 5);
            err = wf_pool_submit(pool, &jobs[i].j);
        }
        ck_assert_int_eq(err, WEFT_OK);
    }
    UNTIL(order == JOBS);
    for (int i = 0; i < JOBS; i++) {
        ck_assert_uint_eq(jobs[i].done, 1);
        ck_assert_uint_eq(atomic_load(&jobs[i].worked), 1);
        ck_assert_int_eq(jobs[i].err, WEFT_OK);
        ck_assert(jobs[i].on_loop);
    }
    ck_assert_uint_eq(sum, JOBS);
    ck_assert_uint_le(atomic_load(&most_running), workers());
    free(jobs);
}
END_TEST

START_TEST(one_worker_a_core_and_no_more)
{
    struct wf_pool *few = NULL;
    struct wf_pool_stats s;
    cpu_set_t set;

    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    ck_assert_uint_eq(workers(), (unsigned)CPU_COUNT(&set));
    ck_assert_int_eq(wf_pool_new(loop, &(struct wf_pool_conf){ .workers = 10000 }, &few), WEFT_OK);
    wf_pool_get_stats(few, &s);
    ck_assert_uint_eq(s.workers, (unsigned)CPU_COUNT(&set));
    wf_pool_free(few);
    ck_assert_int_eq(wf_pool_new(loop, &(struct wf_pool_conf){ .workers = 1 }, &few), WEFT_OK);
    wf_pool_get_stats(few, &s);
    ck_assert_uint_eq(s.workers, 1);
    wf_pool_free(few);
}
END_TEST

// Live before control before repair, whatever came first.
START_TEST(a_higher_class_goes_first)
{
    static const struct {
        enum wf_mail_class class;
        unsigned want; // place in the order of done
    } rows[] = { { WF_MAIL_REPAIR, 4 }, { WF_MAIL_CONTROL, 3 }, { WF_MAIL_LIVE, 2 } };
    struct wf_pool_conf one = { .workers = 1 };
    atomic_bool gate = false;
    struct job first = job_make(WF_MAIL_LIVE, &gate), jobs[WF_COUNT(rows)];

    wf_pool_free(pool);
    ck_assert_int_eq(wf_pool_new(loop, &one, &pool), WEFT_OK);
    ck_assert_int_eq(wf_pool_submit(pool, &first.j), WEFT_OK);
    UNTIL(busy() == 1);
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        jobs[i] = job_make(rows[i].class, NULL);
        ck_assert_int_eq(wf_pool_submit(pool, &jobs[i].j), WEFT_OK);
    }
    atomic_store(&gate, true);
    UNTIL(order == 4);
    for (size_t i = 0; i < WF_COUNT(rows); i++)
        ck_assert_uint_eq(jobs[i].order, rows[i].want);
}
END_TEST

// Long jobs fill what repair may take; a live and a control job still run at once.
START_TEST(repair_never_takes_the_last_worker)
{
    atomic_bool gate = false;
    struct job jobs[65], live = job_make(WF_MAIL_LIVE, NULL),
                         control = job_make(WF_MAIL_CONTROL, NULL);
    unsigned n = workers() + 1 < WF_COUNT(jobs) ? workers() + 1 : WF_COUNT(jobs);

    if (workers() < 2)
        return; // one core: there is no second worker to keep free
    for (unsigned i = 0; i < n; i++) {
        jobs[i] = job_make(WF_MAIL_REPAIR, &gate);
        ck_assert_int_eq(wf_pool_submit(pool, &jobs[i].j), WEFT_OK);
    }
    UNTIL(busy() == workers() - 1);
    ck_assert_int_eq(wf_pool_submit(pool, &control.j), WEFT_OK);
    ck_assert_int_eq(wf_pool_submit(pool, &live.j), WEFT_OK);
    UNTIL(live.done && control.done);
    for (unsigned i = 0; i < n; i++)
        ck_assert_uint_eq(jobs[i].done, 0);
    ck_assert_uint_le(busy(), workers() - 1);
    atomic_store(&gate, true);
    UNTIL(order == n + 2);
}
END_TEST

START_TEST(a_class_beyond_its_caps_is_refused_and_the_others_are_not)
{
    struct wf_pool_conf small = { .workers = 1, .max_count = 3, .max_bytes = 250 };
    atomic_bool gate = false;
    struct job a = job_make(WF_MAIL_REPAIR, &gate), b = job_make(WF_MAIL_REPAIR, &gate),
               c = job_make(WF_MAIL_REPAIR, &gate), huge = job_make(WF_MAIL_CONTROL, &gate),
               live[4];
    struct wf_pool_stats s;

    wf_pool_free(pool);
    ck_assert_int_eq(wf_pool_new(loop, &small, &pool), WEFT_OK);
    ck_assert_int_eq(wf_pool_submit(pool, &a.j), WEFT_OK);
    ck_assert_int_eq(wf_pool_submit(pool, &b.j), WEFT_OK);
    ck_assert_int_eq(wf_pool_submit(pool, &c.j), WEFT_E_FULL); // 300 bytes
    huge.j.bytes = 100000;
    ck_assert_int_eq(wf_pool_submit(pool, &huge.j), WEFT_OK); // alone it may
    for (int i = 0; i < 4; i++) {
        live[i] = job_make(WF_MAIL_LIVE, &gate);
        live[i].j.bytes = 0;
        ck_assert_int_eq(wf_pool_submit(pool, &live[i].j), i < 3 ? WEFT_OK : WEFT_E_FULL);
    }
    wf_pool_get_stats(pool, &s);
    ck_assert_uint_eq(s.of[WF_MAIL_REPAIR].bytes, 200);
    ck_assert_uint_eq(s.of[WF_MAIL_REPAIR].refused, 1);
    ck_assert_uint_eq(s.of[WF_MAIL_LIVE].refused, 1);
    atomic_store(&gate, true);
    UNTIL(order == 6);
    wf_pool_get_stats(pool, &s);
    ck_assert_uint_eq(s.of[WF_MAIL_REPAIR].bytes, 0); // until done, no longer
    ck_assert_int_eq(wf_pool_submit(pool, &c.j), WEFT_OK);
    UNTIL(c.done == 1);
    ck_assert_uint_eq(live[3].done, 0);
}
END_TEST

START_TEST(done_may_submit_its_job_again)
{
    struct job j = job_make(WF_MAIL_CONTROL, NULL);

    j.again = true;
    ck_assert_int_eq(wf_pool_submit(pool, &j.j), WEFT_OK);
    UNTIL(j.done == 1 && !j.again);
    ck_assert_uint_eq(atomic_load(&j.worked), 2);
}
END_TEST

static void *open_later(void *arg)
{
    struct timespec t = { .tv_nsec = 20000000 };

    nanosleep(&t, NULL);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

// What ran is OK, what waited is CANCELLED, all of it before stop returns and without a turn of the loop.
START_TEST(stop_ends_what_waits_and_waits_for_what_runs)
{
    struct wf_pool_conf one = { .workers = 1 };
    atomic_bool gate = false;
    struct job first = job_make(WF_MAIL_CONTROL, NULL), runs = job_make(WF_MAIL_LIVE, &gate),
               waits[5];
    pthread_t opener;

    wf_pool_free(pool);
    ck_assert_int_eq(wf_pool_new(loop, &one, &pool), WEFT_OK);
    ck_assert_int_eq(wf_pool_submit(pool, &first.j), WEFT_OK);
    while (!atomic_load(&first.worked)) // it has run, and its letter is never opened
        sched_yield();
    ck_assert_int_eq(wf_pool_submit(pool, &runs.j), WEFT_OK);
    while (!atomic_load(&running))
        sched_yield();
    for (int i = 0; i < 5; i++) {
        waits[i] = job_make((enum wf_mail_class)(i % WF_MAIL_CLASSES), NULL);
        ck_assert_int_eq(wf_pool_submit(pool, &waits[i].j), WEFT_OK);
    }
    ck_assert_int_eq(pthread_create(&opener, NULL, open_later, &gate), 0);
    wf_pool_stop(pool);
    ck_assert_uint_eq(order, 7);
    ck_assert_int_eq(first.err, WEFT_OK);
    ck_assert_int_eq(runs.err, WEFT_OK);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq(waits[i].done, 1);
        ck_assert_int_eq(waits[i].err, WEFT_E_CANCELLED);
        ck_assert_uint_eq(atomic_load(&waits[i].worked), 0);
    }
    ck_assert_int_eq(wf_pool_submit(pool, &first.j), WEFT_E_CLOSED);
    wf_pool_stop(pool); // again: nothing
    wf_loop_turn(loop, 0);
    ck_assert_uint_eq(order, 7);
    pthread_join(opener, NULL);
}
END_TEST

// The letter still lies in the mailbox when the pool goes; AddressSanitizer sees to the rest.
START_TEST(a_letter_that_waits_outlives_the_pool)
{
    struct job a = job_make(WF_MAIL_LIVE, NULL), b = job_make(WF_MAIL_LIVE, NULL);

    for (int turn = 0; turn < 2; turn++) {
        struct job *j = turn ? &b : &a;
        ck_assert_int_eq(wf_pool_submit(pool, &j->j), WEFT_OK);
        while (!atomic_load(&j->worked))
            sched_yield();
        wf_pool_free(pool);
        ck_assert_uint_eq(j->done, 1);
        pool = NULL;
        if (turn == 0) { // opened afterwards, then dropped by the loop's end (tear_down)
            wf_loop_turn(loop, 0);
            ck_assert_int_eq(wf_pool_new(loop, NULL, &pool), WEFT_OK);
        }
    }
}
END_TEST

START_TEST(without_memory_there_is_no_pool)
{
    struct wf_pool *p = NULL;
    long nth = 1;
    enum weft_err err = WEFT_E_NOMEM;

    for (; err == WEFT_E_NOMEM; nth++) {
        wf_test_fail_alloc(nth);
        err = wf_pool_new(loop, NULL, &p);
        wf_test_fail_alloc(-1);
        if (err)
            ck_assert_ptr_null(p);
    }
    ck_assert_int_eq(err, WEFT_OK);
    ck_assert_int_gt(nth, 3); // pool, letter, threads
    wf_pool_free(p);
}
END_TEST

START_TEST(submitting_allocates_nothing)
{
    struct job j = job_make(WF_MAIL_LIVE, NULL);

    wf_test_fail_alloc(-1); // counts from here; Check's own macros allocate
    enum weft_err err = wf_pool_submit(pool, &j.j);
    while (!err && !j.done)
        wf_loop_turn(loop, 5);
    long count = wf_test_alloc_count();
    ck_assert_int_eq(err, WEFT_OK);
    ck_assert_int_eq(count, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.pool");
    TCase *tc = tcase_create("pool");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, every_job_ends_once_on_the_loops_thread);
    tcase_add_test(tc, one_worker_a_core_and_no_more);
    tcase_add_test(tc, a_higher_class_goes_first);
    tcase_add_test(tc, repair_never_takes_the_last_worker);
    tcase_add_test(tc, a_class_beyond_its_caps_is_refused_and_the_others_are_not);
    tcase_add_test(tc, done_may_submit_its_job_again);
    tcase_add_test(tc, stop_ends_what_waits_and_waits_for_what_runs);
    tcase_add_test(tc, a_letter_that_waits_outlives_the_pool);
    tcase_add_test(tc, without_memory_there_is_no_pool);
    tcase_add_test(tc, submitting_allocates_nothing);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

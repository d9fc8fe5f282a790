// SPDX-License-Identifier: Apache-2.0
// Timers are a binary heap of pointers; a timer knows its place, so moving and cancelling cost log n. Descriptors that go away during a turn
// are remembered as removed, because epoll may already have reported them.
#include "sdk/loop/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MAIL_A_TURN 256
#define MAIL_US                                                                                    \
    20000 // of a turn; letters that are dear leave timers and descriptors their turn, too
#define EVENTS_A_TURN 64
#define WAIT_US       60000000
#define IDLE_US       20   // a wait that took as long was one
#define SLACK_NS      1000 // by default the kernel wakes a thread up to 50 us late

struct wf_loop {
    struct wf_mailbox mail;
    int epoll;
    atomic_bool stop;
    pthread_t thread;
    bool has_thread;
    int64_t now_us, now_unix_ms;
    struct wf_timer **heap;
    size_t heap_count, heap_cap;
    struct epoll_event *ready; // of this turn
    int ready_count, ready_at;
    uint64_t turns;
    bool firing;
    bool coarse;  // the kernel waits for whole milliseconds only
    bool has_own; // letters of its own turns may wait: the descriptor tells of none
    bool idle;    // it waited before this turn
    wf_loop_after_fn after;
    void *after_arg;
};

static _Thread_local const struct wf_loop *turning; // whose turn this thread is in

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t wf_loop_exact_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void read_clocks(struct wf_loop *l)
{
    // BOOTTIME goes on while the machine sleeps: a lease that ran out meanwhile must be seen as run out.
    l->now_us = clock_us(CLOCK_BOOTTIME);
    l->now_unix_ms = clock_us(CLOCK_REALTIME) / 1000;
}

enum weft_err wf_loop_new(const struct wf_loop_conf *conf, struct wf_loop **ret)
{
    struct wf_loop *l = calloc(1, sizeof *l);
    enum weft_err err = WEFT_E_IO;
    size_t count = conf && conf->mail_count ? conf->mail_count : 65536;
    size_t bytes = conf && conf->mail_bytes ? conf->mail_bytes : 64u << 20;

    if (!l)
        return WEFT_E_NOMEM;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0)
        goto fail;
    err = wf_mailbox_init(&l->mail, count, bytes);
    if (err)
        goto fail_epoll;
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->mail.fd, &ev) != 0) {
        err = WEFT_E_IO;
        goto fail_mail;
    }
    read_clocks(l);
    *ret = l;
    return WEFT_OK;
fail_mail:
    wf_mailbox_fini(&l->mail);
fail_epoll:
    close(l->epoll);
fail:
    free(l);
    return err;
}

void wf_loop_free(struct wf_loop *l)
{
    if (!l)
        return;
    wf_mailbox_fini(&l->mail);
    close(l->epoll);
    free(l->heap);
    free(l);
}

// ---- timers ----------------------------------------------------------------------------------------------------------

static void place(struct wf_loop *l, size_t i, struct wf_timer *t)
{
    l->heap[i] = t;
    t->index = i + 1;
}

static void sift_up(struct wf_loop *l, size_t i, struct wf_timer *t)
{
    while (i > 0 && l->heap[(i - 1) / 2]->due_us > t->due_us) {
        place(l, i, l->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(l, i, t);
}

static void sift_down(struct wf_loop *l, size_t i, struct wf_timer *t)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= l->heap_count)
            break;
        if (child + 1 < l->heap_count && l->heap[child + 1]->due_us < l->heap[child]->due_us)
            child++;
        if (l->heap[child]->due_us >= t->due_us)
            break;
        place(l, i, l->heap[child]);
        i = child;
    }
    place(l, i, t);
}

enum weft_err wf_timer_set_us(struct wf_loop *l, struct wf_timer *t, int64_t due_us)
{
    // Not before those that are due: it would keep them from firing for as long as it sets itself again.
    if (due_us < l->now_us)
        due_us = l->now_us;
    t->after = l->firing ? l->turns : 0;
    if (t->index == 0) {
        if (l->heap_count == l->heap_cap) {
            size_t cap = l->heap_cap ? l->heap_cap * 2 : 64;
            struct wf_timer **v = realloc(l->heap, cap * sizeof(struct wf_timer *));
            if (!v)
                return WEFT_E_NOMEM;
            l->heap = v;
            l->heap_cap = cap;
        }
        t->due_us = due_us;
        sift_up(l, l->heap_count++, t);
        return WEFT_OK;
    }
    bool earlier = due_us < t->due_us;
    t->due_us = due_us;
    if (earlier)
        sift_up(l, t->index - 1, t);
    else
        sift_down(l, t->index - 1, t);
    return WEFT_OK;
}

enum weft_err wf_timer_set(struct wf_loop *l, struct wf_timer *t, int64_t due_ms)
{
    return wf_timer_set_us(l, t, due_ms > INT64_MAX / 1000 ? INT64_MAX : due_ms * 1000);
}

void wf_timer_cancel(struct wf_loop *l, struct wf_timer *t)
{
    if (t->index == 0)
        return;
    size_t i = t->index - 1;
    struct wf_timer *last = l->heap[--l->heap_count];
    t->index = 0;
    if (last == t)
        return;
    if (i > 0 && l->heap[(i - 1) / 2]->due_us > last->due_us)
        sift_up(l, i, last);
    else
        sift_down(l, i, last);
}

static void fire_timers(struct wf_loop *l)
{
    l->firing = true;
    while (l->heap_count && l->heap[0]->due_us <= l->now_us && l->heap[0]->after != l->turns) {
        struct wf_timer *t = l->heap[0];
        wf_timer_cancel(l, t);
        t->fire(t);
    }
    l->firing = false;
}

// ---- descriptors ---------------------------------------------------------------------------------------------------

enum weft_err wf_loop_watch(struct wf_loop *l, struct wf_watch *w, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = w };

    w->removed = false;
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &ev) != 0)
        return errno == ENOMEM || errno == ENOSPC ? WEFT_E_NOMEM : WEFT_E_IO;
    return WEFT_OK;
}

enum weft_err wf_loop_rewatch(struct wf_loop *l, struct wf_watch *w, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = w };

    return epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &ev) == 0 ? WEFT_OK : WEFT_E_IO;
}

void wf_loop_unwatch(struct wf_loop *l, struct wf_watch *w)
{
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    w->removed = true;
    // The owner may free w at once: no event of this turn may still point to it.
    for (int i = l->ready_at; i < l->ready_count; i++)
        if (l->ready[i].data.ptr == w)
            l->ready[i].events = 0;
}

// ---- turning -------------------------------------------------------------------------------------------------------

static int64_t wait_us(const struct wf_loop *l, int64_t timeout_ms)
{
    int64_t wait = l->has_own ? 0 : timeout_ms < 0 ? WAIT_US : timeout_ms * 1000;

    if (wait > 0 && l->heap_count) {
        int64_t timer = l->heap[0]->due_us - clock_us(CLOCK_BOOTTIME);
        timer = timer < 0 ? 0 : timer;
        wait = timer < wait ? timer : wait;
    }
    return wait > WAIT_US ? WAIT_US : wait;
}

// A linger of a millisecond is not to be two: epoll_wait counts in whole ones.
static int wait_events(struct wf_loop *l, struct epoll_event *events, int64_t us)
{
    if (us % 1000 && !l->coarse) {
        struct timespec ts = { us / 1000000, us % 1000000 * 1000 };
        int n = epoll_pwait2(l->epoll, events, EVENTS_A_TURN, &ts, NULL);
        l->coarse = n < 0 && errno == ENOSYS; // a kernel before 5.11
        if (!l->coarse)
            return n;
    }
    return epoll_wait(l->epoll, events, EVENTS_A_TURN, (int)((us + 999) / 1000));
}

static void open_mail(struct wf_loop *l)
{
    int64_t until = l->now_us + MAIL_US;

    for (int i = 0; i < MAIL_A_TURN; i++) {
        struct wf_mail *m = wf_mailbox_take(&l->mail);
        if (!m) {
            l->has_own = false;
            return;
        }
        m->open(m);
        if (clock_us(CLOCK_BOOTTIME) >= until)
            return; // the rest waits: has_own, or its descriptor stays readable
    }
}

void wf_loop_turn(struct wf_loop *l, int64_t timeout_ms)
{
    struct epoll_event events[EVENTS_A_TURN];
    const struct wf_loop *outer = turning;

    turning = l;
    l->thread = pthread_self();
    l->has_thread = true;
    int64_t before = clock_us(CLOCK_BOOTTIME);
    int n = wait_events(l, events, wait_us(l, timeout_ms));
    read_clocks(l);
    l->idle = l->now_us - before >= IDLE_US;
    l->turns++;
    l->ready = events;
    l->ready_count = n > 0 ? n : 0;
    for (l->ready_at = 0; l->ready_at < l->ready_count; l->ready_at++) {
        struct wf_watch *w = events[l->ready_at].data.ptr;
        uint32_t what = events[l->ready_at].events;
        if (w && what)
            w->ready(w, what);
    }
    l->ready_count = 0;
    open_mail(l);
    fire_timers(l);
    turning = outer;
}

void wf_loop_run(struct wf_loop *l)
{
    (void)prctl(PR_SET_TIMERSLACK, SLACK_NS);
    while (!atomic_load(&l->stop)) {
        wf_loop_turn(l, -1);
        if (l->after)
            l->after(l->after_arg, l->idle);
    }
}

void wf_loop_after(struct wf_loop *l, wf_loop_after_fn fn, void *arg)
{
    l->after = fn;
    l->after_arg = arg;
}

void wf_loop_leave(struct wf_loop *l)
{
    wf_mailbox_leave(&l->mail);
}

void wf_loop_take(struct wf_loop *l)
{
    l->has_own = wf_mailbox_meet(&l->mail) || l->has_own;
}

static void stop_open(struct wf_mail *m)
{
    free(m);
}

void wf_loop_stop(struct wf_loop *l)
{
    struct wf_mail *m = calloc(1, sizeof *m);

    atomic_store(&l->stop, true);
    if (!m)
        return; // the loop sees it within a minute at the latest
    *m = (struct wf_mail){
        .open = stop_open, .drop = stop_open, .class = WF_MAIL_LIVE, .must = true
    };
    if (wf_mailbox_post(&l->mail, m))
        free(m);
}

enum weft_err wf_loop_post(struct wf_loop *l, struct wf_mail *m)
{
    if (turning != l)
        return wf_mailbox_post(&l->mail, m);
    l->has_own = true;
    return wf_mailbox_post_own(&l->mail, m);
}

int64_t wf_loop_now_ms(const struct wf_loop *l)
{
    return l->now_us / 1000;
}

int64_t wf_loop_now_us(const struct wf_loop *l)
{
    return l->now_us;
}

int64_t wf_loop_now_unix_ms(const struct wf_loop *l)
{
    return l->now_unix_ms;
}

bool wf_loop_is_mine(const struct wf_loop *l)
{
    return l->has_thread && pthread_equal(l->thread, pthread_self());
}

void wf_loop_get_stats(struct wf_loop *l, struct wf_loop_stats *ret)
{
    *ret = (struct wf_loop_stats){ .mail_max_count = l->mail.max_count,
        .mail_max_bytes = l->mail.max_bytes,
        .timers = l->heap_count,
        .turns = l->turns };
    wf_mailbox_depth(&l->mail, &ret->mail_count, &ret->mail_bytes, &ret->mail_refused);
}

// SPDX-License-Identifier: Apache-2.0
// The worker: whose turn it is, its own thread's or the host's. Invariant: one thread at a time is in a turn (`turning`), and what a log
// keeps for the writing side belongs to it.
#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "node/log/log_priv.h"

#define SERVE_BYTES   (32u * 1024u) // what the host writes itself, at most,
#define SERVE_SYNC_US 1000u         // where a sync does not take longer

// ---- worker ------------------------------------------------------------------------------------------------------------

static bool has_work(const struct wf_log *log)
{
    return log->queue || log->gc_due || log->retain_due || log->flush_due || log->room_due ||
           (log->closing && !log->closed);
}

// Something comes due by itself: a sync, or another look at the disk's free space.
static bool needs_tick(const struct wf_log *log)
{
    return !log->closed && (log->unsynced || atomic_load(&log->stopped));
}

static bool has_any_work(const struct wf_log_worker *w)
{
    for (const struct wf_log *log = w->logs; log; log = log->next)
        if (has_work(log))
            return true;
    return false;
}

static bool needs_any_tick(const struct wf_log_worker *w)
{
    for (const struct wf_log *log = w->logs; log; log = log->next)
        if (needs_tick(log))
            return true;
    return false;
}

// Waits for a signal; true when the wait ended by time. Under the worker's lock, in nobody's turn.
static bool wait_for_work(struct wf_log_worker *w)
{
    struct timespec until;

    if (!needs_any_tick(w)) {
        pthread_cond_wait(&w->wake, &w->lock);
        return false;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WF_LOG_TICK_US * 1000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    w->ticking = true;
    bool timed = pthread_cond_timedwait(&w->wake, &w->lock, &until) != 0;
    w->ticking = false;
    return timed;
}

// One turn of every log that has work. A busy log is not freed (wf_log_close waits). Under the worker's lock.
bool wf_log_turn_all(struct wf_log_worker *w, bool tick)
{
    bool any = false;

    for (struct wf_log *log = w->logs; log; log = log->next) {
        if (!has_work(log) && !(tick && needs_tick(log)))
            continue;
        log->busy = true;
        pthread_mutex_unlock(&w->lock);
        any = wf_log_turn(log) || any;
        pthread_mutex_lock(&w->lock);
        log->busy = false;
        pthread_cond_broadcast(&w->idle);
    }
    return any;
}

static void *worker_main(void *arg)
{
    struct wf_log_worker *w = arg;

    bool tick = false;

    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        if (w->turning) {
            pthread_cond_wait(&w->idle, &w->lock);
            continue;
        }
        if (!tick && !has_any_work(w)) {
            tick = wait_for_work(w);
            continue;
        }
        w->turning = true;
        wf_log_turn_all(w, tick);
        w->turning = tick = false;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

// The thread takes no signals: they belong to the loop.
static enum weft_err start_thread(struct wf_log_worker *w)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc == 0 ? WEFT_OK : WEFT_E_NOMEM;
}

enum weft_err wf_log_worker_new(const struct wf_vfs *vfs, bool thread, struct wf_log_worker **ret)
{
    pthread_condattr_t attr;
    struct wf_log_worker *w = calloc(1, sizeof *w);

    if (!w)
        return WEFT_E_NOMEM;
    w->vfs = *vfs;
    w->threaded = thread;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_cond_init(&w->idle, &attr);
    pthread_condattr_destroy(&attr);
    if (thread && start_thread(w)) {
        w->threaded = false;
        wf_log_worker_free(w);
        return WEFT_E_NOMEM;
    }
    *ret = w;
    return WEFT_OK;
}

void wf_log_worker_free(struct wf_log_worker *w)
{
    if (!w)
        return;
    assert(!w->logs);
    if (w->threaded) {
        pthread_mutex_lock(&w->lock);
        w->stop = true;
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->idle);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

bool wf_log_worker_turn(struct wf_log_worker *w)
{
    assert(!w->threaded);
    pthread_mutex_lock(&w->lock);
    bool any = wf_log_turn_all(w, true);
    pthread_mutex_unlock(&w->lock);
    return any;
}

// ---- the host ----------------------------------------------------------------------------------------------------------

// Nothing but a little to append, into a segment that takes it. Between turns, under the worker's lock.
static bool is_little(const struct wf_log_worker *w)
{
    uint64_t bytes = 0;

    for (const struct wf_log *log = w->logs; log; log = log->next) {
        bool takes = log->active && log->end + log->queue_bytes <= log->conf.segment_bytes;
        if (log->gc_due || log->retain_due || log->flush_due || log->closing || log->room_due ||
            (log->queue && !takes))
            return false;
        bytes += log->queue_bytes;
    }
    return bytes <= SERVE_BYTES;
}

void wf_log_worker_serve(struct wf_log_worker *w, const struct wf_log_host *h, bool here)
{
    if (!w->threaded)
        return;
    pthread_mutex_lock(&w->lock);
    w->host = pthread_self();
    w->hosted = true;
    here = here && w->owed && !w->turning && w->sync_us <= SERVE_SYNC_US && is_little(w);
    if (w->owed && !here)
        pthread_cond_signal(&w->wake);
    w->owed = false;
    w->turning = w->turning || here;
    w->serving = here;
    pthread_mutex_unlock(&w->lock);
    if (!here)
        return;
    h->leave(h->arg);
    pthread_mutex_lock(&w->lock);
    wf_log_turn_all(w, false);
    w->turning = w->serving = false;
    pthread_cond_broadcast(&w->idle);
    if (has_any_work(w) || (needs_any_tick(w) && !w->ticking))
        pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    h->back(h->arg);
}

void wf_log_worker_unhost(struct wf_log_worker *w)
{
    pthread_mutex_lock(&w->lock);
    w->hosted = w->owed = false;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

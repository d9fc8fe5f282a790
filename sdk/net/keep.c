// SPDX-License-Identifier: Apache-2.0
// The runtime: a keeper thread that runs ticks (deadlines, idle sweeps) and a closer thread that closes sockets. nng_close
// may never return (nanomsg/nng issues 1543, 1813, 1827), so a close that overruns is left behind with its thread, counted,
// and a new closer takes over the queue.
#include "sdk/net/net_int.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define CLOSE_MS_DEFAULT 2000
#define WATCH_MS_DEFAULT 5000

static atomic_bool started;

bool wf_net_started(void)
{
    return atomic_load(&started);
}

static void wait_until(struct wf_net *net, int64_t due_ms)
{
    struct timespec ts = { (time_t)(due_ms / 1000), (long)(due_ms % 1000) * 1000000 };

    if (due_ms == NET_NEVER)
        pthread_cond_wait(&net->cv, &net->mu);
    else
        pthread_cond_timedwait(&net->cv, &net->mu, &ts);
}

void net_notice(struct wf_net *net, enum wf_net_notice notice, const char *detail)
{
    if (net->conf.notice)
        net->conf.notice(net->conf.arg, notice, detail);
}

// ---- ticks ----

void net_tick_add(struct wf_net *net, struct net_tick *t)
{
    pthread_mutex_lock(&net->mu);
    t->next = net->ticks;
    net->ticks = t;
    pthread_cond_broadcast(&net->cv);
    pthread_mutex_unlock(&net->mu);
}

void net_tick_remove(struct wf_net *net, struct net_tick *t)
{
    pthread_mutex_lock(&net->mu);
    while (t->running)
        pthread_cond_wait(&net->cv, &net->mu);
    for (struct net_tick **link = &net->ticks; *link; link = &(*link)->next) {
        if (*link == t) {
            *link = t->next;
            break;
        }
    }
    pthread_mutex_unlock(&net->mu);
}

void net_tick_at(struct wf_net *net, struct net_tick *t, int64_t due_ms)
{
    pthread_mutex_lock(&net->mu);
    if (due_ms < t->due_ms) {
        t->due_ms = due_ms;
        pthread_cond_broadcast(&net->cv);
    }
    pthread_mutex_unlock(&net->mu);
}

static struct net_tick *first_due(struct wf_net *net)
{
    struct net_tick *first = NULL;

    for (struct net_tick *t = net->ticks; t; t = t->next)
        if (!first || t->due_ms < first->due_ms)
            first = t;
    return first;
}

static void run_tick(struct wf_net *net, struct net_tick *t, int64_t now_ms)
{
    t->running = true;
    t->due_ms = NET_NEVER;
    pthread_mutex_unlock(&net->mu);
    int64_t next_ms = t->fn(t->arg, now_ms);
    pthread_mutex_lock(&net->mu);
    if (next_ms < t->due_ms)
        t->due_ms = next_ms;
    t->running = false;
    pthread_cond_broadcast(&net->cv);
}

// ---- closes ----

// With the mutex held.
static void insert_close(struct wf_net *net, struct net_close *job)
{
    struct net_close **link = &net->closes;

    while (*link && (*link)->begin_ms <= job->begin_ms)
        link = &(*link)->next;
    job->next = *link;
    *link = job;
    pthread_cond_broadcast(&net->cv);
}

void net_close_later(struct wf_net *net, struct net_close *job)
{
    pthread_mutex_lock(&net->mu);
    net->closes_pending++;
    insert_close(net, job);
    pthread_mutex_unlock(&net->mu);
}

static void run_close(struct wf_net *net, struct net_closer *me, struct net_close *job)
{
    me->what = job->what;
    me->begun_ms = net_now_ms();
    pthread_cond_broadcast(&net->cv); // the keeper watches from now on
    pthread_mutex_unlock(&net->mu);
    int64_t again_ms = job->fn(job->arg);
    pthread_mutex_lock(&net->mu);
    me->what = NULL;
    if (again_ms > 0) {
        job->begin_ms = net_now_ms() + again_ms;
        net->closes_pending += me->abandoned;
        insert_close(net, job);
        return;
    }
    net->stats.closes++;
    net->closes_pending -= !me->abandoned;
    pthread_cond_broadcast(&net->cv);
}

static void *closer_main(void *arg)
{
    struct net_closer *me = arg;
    struct wf_net *net = me->net;

    pthread_mutex_lock(&net->mu);
    while (!me->abandoned) {
        struct net_close *job = net->closes;
        if (job && job->begin_ms <= net_now_ms()) {
            net->closes = job->next;
            run_close(net, me, job);
        } else if (!job && net->stop) {
            break;
        } else {
            wait_until(net, job ? job->begin_ms : NET_NEVER);
        }
    }
    if (net->closer == me)
        net->closer = NULL;
    pthread_cond_broadcast(&net->cv);
    pthread_mutex_unlock(&net->mu);
    free(me);
    net_unref(net);
    return NULL;
}

// With the mutex held. A closer is detached: an abandoned one can't be joined.
static enum weft_err start_closer(struct wf_net *net)
{
    pthread_t thread;
    struct net_closer *c = calloc(1, sizeof *c);

    if (!c)
        return WEFT_E_NOMEM;
    c->net = net;
    net->refs++;
    enum weft_err err = net_thread(&thread, closer_main, c);
    if (err) {
        net->refs--;
        free(c);
        return err;
    }
    pthread_detach(thread);
    net->closer = c;
    return WEFT_OK;
}

// Leaves an overdue close behind; returns when to look again.
static int64_t check_closer(struct wf_net *net, int64_t now_ms)
{
    struct net_closer *c = net->closer;

    if (!c) {
        if (net->closes && start_closer(net) != WEFT_OK)
            return now_ms + 100;
        return NET_NEVER;
    }
    if (!c->what)
        return NET_NEVER;
    if (now_ms - c->begun_ms < net->conf.close_ms)
        return c->begun_ms + net->conf.close_ms;
    const char *what = c->what; // a literal
    c->abandoned = true;
    net->closer = NULL;
    net->closes_pending--;
    net->stats.closes_abandoned++;
    pthread_cond_broadcast(&net->cv);
    pthread_mutex_unlock(&net->mu);
    net_notice(net, WF_NET_CLOSE_ABANDONED, what);
    pthread_mutex_lock(&net->mu);
    return now_ms;
}

static void *keeper_main(void *arg)
{
    struct wf_net *net = arg;

    pthread_mutex_lock(&net->mu);
    while (!net->stop || net->closer || net->closes) {
        int64_t now_ms = net_now_ms();
        int64_t due_ms = check_closer(net, now_ms);
        int64_t ending_ms = net_run_endings(net, now_ms);
        struct net_tick *t = first_due(net);
        due_ms = ending_ms < due_ms ? ending_ms : due_ms;
        if (t && t->due_ms <= now_ms)
            run_tick(net, t, now_ms);
        else if (due_ms > now_ms)
            wait_until(net, t && t->due_ms < due_ms ? t->due_ms : due_ms);
    }
    net_forget_endings(net); // every socket is closed
    pthread_mutex_unlock(&net->mu);
    return NULL;
}

// ---- the runtime ----

void net_unref(struct wf_net *net)
{
    pthread_mutex_lock(&net->mu);
    bool last = --net->refs == 0;
    pthread_mutex_unlock(&net->mu);
    if (!last)
        return;
    net_lock_fini(&net->mu, &net->cv);
    free(net);
}

enum weft_err wf_net_new(const struct wf_net_conf *conf, struct wf_net **ret)
{
    struct wf_net *net = calloc(1, sizeof *net);
    enum weft_err err = WEFT_OK;

    if (!net)
        return WEFT_E_NOMEM;
    atomic_store(&started, true);
    net_lock_init(&net->mu, &net->cv);
    net->refs = 1;
    net->conf = conf ? *conf : (struct wf_net_conf){ 0 };
    if (net->conf.close_ms <= 0)
        net->conf.close_ms = CLOSE_MS_DEFAULT;
    if (net->conf.watch_ms == 0)
        net->conf.watch_ms = WATCH_MS_DEFAULT;
    pthread_mutex_lock(&net->mu);
    err = start_closer(net);
    pthread_mutex_unlock(&net->mu);
    if (!err)
        err = net_thread(&net->keeper, keeper_main, net);
    if (err) {
        pthread_mutex_lock(&net->mu);
        net->stop = true; // ends the closer, which holds its own reference
        pthread_cond_broadcast(&net->cv);
        pthread_mutex_unlock(&net->mu);
        net_unref(net);
        return err;
    }
    *ret = net;
    return WEFT_OK;
}

enum weft_err wf_net_settle(struct wf_net *net, int64_t timeout_ms)
{
    int64_t end_ms = net_now_ms() + timeout_ms;

    pthread_mutex_lock(&net->mu);
    while (net->closes_pending > 0 && net_now_ms() < end_ms)
        wait_until(net, end_ms);
    bool done = net->closes_pending == 0;
    pthread_mutex_unlock(&net->mu);
    return done ? WEFT_OK : WEFT_E_TIMEOUT;
}

void wf_net_free(struct wf_net *net)
{
    if (!net)
        return;
    pthread_mutex_lock(&net->mu);
    net->stop = true;
    bool watching = net->watching;
    pthread_cond_broadcast(&net->cv);
    pthread_mutex_unlock(&net->mu);
    pthread_join(net->keeper, NULL);
    net_pubs_free(net->pubs);
    if (watching)
        pthread_join(net->watcher, NULL);
    assert(net->ticks == NULL || net->stats.closes_abandoned > 0);
    net_unref(net);
}

void wf_net_get_stats(struct wf_net *net, struct wf_net_stats *ret)
{
    pthread_mutex_lock(&net->mu);
    *ret = net->stats;
    pthread_mutex_unlock(&net->mu);
}

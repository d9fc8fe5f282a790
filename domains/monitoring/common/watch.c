// SPDX-License-Identifier: Apache-2.0
// See watch.h.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "domains/monitoring/common/watch.h"

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t wf_mon_now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

int64_t wf_mon_unix_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

static void note(char kept[320], const char *what)
{
    if (strcmp(kept, what) == 0)
        return;
    snprintf(kept, 320, "%s", what);
    if (what[0])
        fprintf(stderr, "weft-monitor: %s\n", what);
}

void wf_mon_watch_trouble(struct wf_mon_watch *w, const char *what)
{
    note(w->trouble, what);
}

const char *wf_mon_watch_wrong(const struct wf_mon_watch *w)
{
    return w->trouble[0] ? w->trouble : w->problem;
}

void wf_mon_watch_tell(struct wf_mon_watch *w, const char *name, const char *wrong)
{
    struct wf_mon_pulse *p = &w->pulse;
    enum weft_err err = WEFT_OK;

    if (w->pulse_fd == -1)
        err = wf_mon_pulse_create(w->o->db, name, &w->pulse_fd);
    p->pid = getpid();
    p->started_ms = w->started_ms;
    p->updated_ms = wf_mon_unix_ms();
    snprintf(p->state, sizeof p->state, "%s", w->stop ? "stopped" : "running");
    wf_mon_pulse_wrong(p, wrong, p->updated_ms);
    if (!err && w->pulse_fd >= 0)
        err = wf_mon_pulse_write(w->pulse_fd, p);
    if (err && w->pulse_fd == -1) {
        w->pulse_fd = -2;
        fprintf(stderr, "weft-monitor: %s-pulse-%s: %s: status will know less\n", w->o->db, name,
            weft_err_text(err));
    }
}

// ---- beginning and end -------------------------------------------------------------------------------------------------

enum weft_err wf_mon_watch_init(
    struct wf_mon_watch *w, const struct wf_mon_options *o, const struct wf_mon_sink *sink)
{
    sigset_t signals;

    *w = (struct wf_mon_watch){ .o = o,
        .sink = sink,
        .started_ms = wf_mon_unix_ms(),
        .most = WF_MON_MAX_PRODUCTS,
        .pulse_fd = -1 };
    if (o->seconds)
        w->end_ms = wf_mon_now_ms() + (int64_t)o->seconds * 1000;
    // Blocked before the first thread starts, so that all inherit it and the descriptor alone hears them.
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (sink->reloads)
        sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    w->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    w->polls = calloc(3, sizeof *w->polls);
    return w->signal_fd < 0 || !w->polls ? WEFT_E_NOMEM : WEFT_OK;
}

static enum weft_err connect_client(struct wf_mon_watch *w, struct weft_problem *problem)
{
    const struct weft_options options = { .dir = w->o->dir, .socket = w->o->socket };
    struct weft_whoami who = { 0 };
    enum weft_err err = weft_connect(&options, &w->client, problem);

    if (err)
        return err;
    if (!weft_whoami(w->client, &who, NULL))
        snprintf(w->subject, sizeof w->subject, "%s/%s", who.domain, who.subject);
    return WEFT_OK;
}

enum weft_err wf_mon_watch_may_make(
    struct wf_mon_watch *w, const char *path, struct weft_problem *problem)
{
    return path && access(path, F_OK) == 0 ? WEFT_OK : connect_client(w, problem);
}

enum weft_err wf_mon_watch_start(struct wf_mon_watch *w, struct weft_problem *problem)
{
    enum weft_err err = w->client ? WEFT_OK : connect_client(w, problem);

    return err ? err : wf_mon_scout_start(w->client, w->o->discover_ms, &w->scout);
}

static void release_feed(struct wf_mon_feed *f)
{
    wf_mon_feed_fini(f);
    free(f->own);
    free(f);
}

void wf_mon_watch_fini(struct wf_mon_watch *w)
{
    for (size_t i = 0; i < w->count; i++)
        release_feed(w->feeds[i]);
    wf_mon_scout_stop(w->scout);
    weft_close(w->client);
    if (w->signal_fd >= 0)
        close(w->signal_fd);
    if (w->pulse_fd >= 0)
        close(w->pulse_fd);
    free(w->feeds);
    free(w->polls);
}

// ---- the catalog -------------------------------------------------------------------------------------------------------

struct wf_mon_feed *wf_mon_watch_feed(const struct wf_mon_watch *w, const char *product)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->feeds[i]->product, product) == 0)
            return w->feeds[i];
    return NULL;
}

static struct wf_mon_feed *add_feed(struct wf_mon_watch *w, const char *product)
{
    if (w->count >= w->most)
        return NULL;
    struct wf_mon_feed **feeds = realloc(w->feeds, (w->count + 1) * sizeof *feeds);
    if (feeds)
        w->feeds = feeds;
    struct pollfd *polls = feeds ? realloc(w->polls, (w->count + 3) * sizeof *polls) : NULL;
    if (polls)
        w->polls = polls;
    struct wf_mon_feed *f = polls ? calloc(1, sizeof *f) : NULL;
    if (!f)
        return NULL;
    f->own = calloc(1, w->sink->own_size + 1);
    if (!f->own) {
        free(f);
        return NULL;
    }
    f->sink = w->sink;
    f->state_ms = wf_mon_now_ms();
    snprintf(f->product, sizeof f->product, "%s", product);
    w->polls[2 + w->count] = (struct pollfd){ .fd = -1 }; // not polled before the next wait
    w->feeds[w->count++] = f;
    return f;
}

static struct wf_mon_feed *feed_of(struct wf_mon_watch *w, const struct wf_mon_found *found)
{
    struct wf_mon_feed *f = wf_mon_watch_feed(w, found->product);

    if (!f)
        f = add_feed(w, found->product);
    if (!f)
        return NULL;
    f->kind = found->kind;
    f->freshness_ms = found->freshness_ms;
    f->gone = found->gone;
    memcpy(f->schema, found->schema, sizeof f->schema);
    f->named = wf_mon_names(w->o, f->product);
    return f;
}

// Who is not watched is named: nothing heard of it is not fine.
static void add_found(struct wf_mon_watch *w, const struct wf_mon_finds *finds)
{
    const char *first = "";
    size_t left = finds->beyond;
    char text[320] = "";

    for (size_t i = 0; i < finds->count; i++) {
        const struct wf_mon_found *found = &finds->found[i];
        if (!wf_mon_wants(w->o, found->product) || feed_of(w, found))
            continue; // without memory now; the next look tries again
        first = left == finds->beyond ? found->product : first;
        left++;
    }
    if (left)
        snprintf(text, sizeof text,
            "%zu products are not watched: one process watches %zu (the first beyond: %.135s)",
            left, w->most, first[0] ? first : "not even looked at");
    note(w->problem, text);
}

void wf_mon_watch_catalog(struct wf_mon_watch *w)
{
    struct wf_mon_finds finds = { .count = 0 };
    struct weft_problem problem = { 0 };

    if (!w->polls[1].revents)
        return;
    enum weft_err err = wf_mon_scout_take(w->scout, &finds, &problem);
    if (err == WEFT_E_TIMEOUT)
        return;
    if (err) {
        char text[320];
        snprintf(text, sizeof text, "catalog: %.300s",
            problem.text[0] ? problem.text : weft_err_text(err));
        note(w->problem, text);
        return;
    }
    w->looked = true;
    add_found(w, &finds);
    if (w->sink->found)
        w->sink->found(w->sink->arg, finds.found, finds.count);
    wf_mon_found_free(finds.found, finds.count);
}

// ---- feeds -------------------------------------------------------------------------------------------------------------

void wf_mon_watch_open(struct wf_mon_watch *w, int64_t now_ms)
{
    for (size_t i = 0; i < w->count; i++) {
        struct wf_mon_feed *f = w->feeds[i];
        // Never while events of it are on their way: the sink's cursor is not yet the right one.
        if (f->sub || f->touched || now_ms < f->again_ms)
            continue;
        if (!w->sink->wants || w->sink->wants(w->sink->arg, f->product))
            wf_mon_feed_open(f, w->client, now_ms);
        else
            snprintf(f->closed, sizeof f->closed, "%s", WF_MON_ELSEWHERE);
    }
}

void wf_mon_watch_wait(struct wf_mon_watch *w, int64_t due_ms, bool deaf)
{
    int64_t now_ms = wf_mon_now_ms();

    if (w->end_ms && w->end_ms < due_ms)
        due_ms = w->end_ms;
    w->polls[0] = (struct pollfd){ .fd = w->signal_fd, .events = POLLIN };
    w->polls[1] = (struct pollfd){ .fd = wf_mon_scout_fd(w->scout), .events = POLLIN };
    for (size_t i = 0; i < w->count; i++) {
        int fd = w->feeds[i]->sub && !deaf ? weft_subscription_fd(w->feeds[i]->sub) : -1;
        w->polls[2 + i] = (struct pollfd){ .fd = fd, .events = POLLIN };
    }
    int ms = due_ms <= now_ms ? 0 : (int)(due_ms - now_ms < 60000 ? due_ms - now_ms : 60000);
    int ready = w->poll ? w->poll(w->poll_arg, w->polls, 2 + w->count, ms)
                        : poll(w->polls, 2 + w->count, ms);
    if (ready < 0)
        for (size_t i = 0; i < 2 + w->count; i++)
            w->polls[i].revents = 0;
    struct signalfd_siginfo info;
    while (w->polls[0].revents && read(w->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        w->hup = w->hup || info.ssi_signo == SIGHUP;
        w->stop = w->stop || info.ssi_signo != SIGHUP;
    }
}

bool wf_mon_watch_has(const struct wf_mon_watch *w, size_t i)
{
    return w->feeds[i]->sub && (w->polls[2 + i].revents & (POLLIN | POLLHUP | POLLERR));
}

bool wf_mon_watch_is_done(const struct wf_mon_watch *w, int64_t now_ms)
{
    if (w->end_ms && now_ms >= w->end_ms)
        return true;
    if (!w->o->once || !w->looked)
        return false;
    for (size_t i = 0; i < w->count; i++)
        if (!wf_mon_feed_is_settled(w->feeds[i], now_ms))
            return false;
    return true;
}

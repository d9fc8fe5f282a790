// SPDX-License-Identifier: Apache-2.0
// The clock is set when the owner leaves and stopped when it is back: two system calls, where waking a thread and being woken by it cost
// ten times as much. Only when it runs out does the stand-in wake up and turn the loop until the owner wants it back.
#include "sdk/loop/standin.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

// Ends the stand-in's wait for events. It may lie in the mailbox for longer than the stand-in lives.
struct letter {
    struct wf_mail mail; // first
    atomic_bool posted;
    bool orphan;
};

enum where { HERE, AWAY, STOOD_IN }; // the owner turns the loop; nobody does; the stand-in does

struct wf_standin {
    struct wf_loop *loop;
    struct letter *letter;
    struct itimerspec after;
    pthread_t thread;
    int clock;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    enum where where;
    bool wanted, ending;
};

static void open_letter(struct wf_mail *m)
{
    struct letter *l = (struct letter *)(void *)m;

    atomic_store(&l->posted, false);
    if (l->orphan)
        free(l);
}

static bool goes_on(struct wf_standin *s)
{
    pthread_mutex_lock(&s->mutex);
    bool on = !s->wanted;
    if (!on) {
        s->where = HERE;
        pthread_cond_signal(&s->cond);
    }
    pthread_mutex_unlock(&s->mutex);
    return on;
}

// The clock ran out: takes the loop if its owner is still away.
static bool take(struct wf_standin *s, bool *ret_ending)
{
    pthread_mutex_lock(&s->mutex);
    bool mine = !s->ending && s->where == AWAY;
    if (mine) {
        s->where = STOOD_IN;
        wf_loop_take(s->loop);
    }
    *ret_ending = s->ending;
    pthread_mutex_unlock(&s->mutex);
    return mine;
}

static void *stand_in(void *arg)
{
    struct wf_standin *s = arg;
    bool ending = false;
    uint64_t count;

    while (!ending) {
        if (read(s->clock, &count, sizeof count) < 0 && errno != EINTR)
            return NULL; // the owner does without
        if (!take(s, &ending))
            continue;
        while (goes_on(s))
            wf_loop_turn(s->loop, -1);
    }
    return NULL;
}

// Signals belong to the loop's owner.
static bool start_thread(struct wf_standin *s)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&s->thread, NULL, stand_in, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc == 0;
}

static void set_clock(struct wf_standin *s, const struct itimerspec *to)
{
    int rc = timerfd_settime(s->clock, 0, to, NULL);

    (void)rc; // of such times none is refused
}

static struct letter *new_letter(void)
{
    struct letter *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->mail = (struct wf_mail){
        .open = open_letter, .drop = open_letter, .class = WF_MAIL_LIVE, .must = true
    };
    atomic_init(&l->posted, false);
    return l;
}

enum weft_err wf_standin_new(struct wf_loop *l, uint32_t after_us, struct wf_standin **ret)
{
    struct wf_standin *s = calloc(1, sizeof *s);
    enum weft_err err = WEFT_E_NOMEM;

    if (!s)
        return err;
    s->loop = l;
    s->after.it_value.tv_sec = after_us / 1000000;
    s->after.it_value.tv_nsec = after_us % 1000000 * 1000L;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->cond, NULL);
    s->clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (s->clock < 0) {
        err = errno == ENOMEM ? WEFT_E_NOMEM : WEFT_E_NO_FILES;
        goto fail;
    }
    s->letter = new_letter();
    if (!s->letter || !start_thread(s))
        goto fail_clock;
    *ret = s;
    return WEFT_OK;
fail_clock:
    free(s->letter);
    close(s->clock);
fail:
    pthread_cond_destroy(&s->cond);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    return err;
}

void wf_standin_free(struct wf_standin *s)
{
    const struct itimerspec now = { .it_value.tv_nsec = 1 };

    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->ending = true;
    pthread_mutex_unlock(&s->mutex);
    set_clock(s, &now);
    pthread_join(s->thread, NULL);
    if (atomic_load(&s->letter->posted))
        s->letter->orphan = true;
    else
        free(s->letter);
    close(s->clock);
    pthread_cond_destroy(&s->cond);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

void wf_standin_leave(struct wf_standin *s)
{
    pthread_mutex_lock(&s->mutex);
    s->where = AWAY;
    wf_loop_leave(s->loop);
    pthread_mutex_unlock(&s->mutex);
    set_clock(s, &s->after);
}

void wf_standin_back(struct wf_standin *s)
{
    static const struct itimerspec never;

    set_clock(s, &never);
    pthread_mutex_lock(&s->mutex);
    bool wanted = s->where == STOOD_IN;
    s->wanted = wanted;
    if (!wanted) {
        s->where = HERE;
        wf_loop_take(s->loop);
    }
    pthread_mutex_unlock(&s->mutex);
    if (!wanted)
        return;
    if (!atomic_exchange(&s->letter->posted, true) && wf_loop_post(s->loop, &s->letter->mail))
        atomic_store(&s->letter->posted, false); // a loop that closes: it turns no more
    pthread_mutex_lock(&s->mutex);
    while (s->where != HERE)
        pthread_cond_wait(&s->cond, &s->mutex);
    s->wanted = false;
    pthread_mutex_unlock(&s->mutex);
}

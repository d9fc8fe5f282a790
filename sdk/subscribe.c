// SPDX-License-Identifier: Apache-2.0
// The public face of a subscription: opening, events, statistics, closing; and the queue between loop and application.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "sdk/subscribe_int.h"

#define HANDED_A_TURN 16u // events to a handler, before others have their turn
#define TELL_MS       10  // between counting a signal and writing it: a thread's turn

// ---- life ------------------------------------------------------------------------------------------------------------

void wf_sub_item_free(struct wf_sub_item *i)
{
    if (!i)
        return;
    wf_buf_fini(&i->bytes);
    wf_buf_fini(&i->raw);
    if (i->product)
        weft_product_free(i->product);
    free(i);
}

static void given_free(struct weft_subscription *s)
{
    for (size_t i = 0; s->given && i < s->options.cursor_count; i++) {
        free((void *)(uintptr_t)s->given[i].key);
        free((void *)(uintptr_t)s->given[i].value);
    }
    free(s->given);
}

static void filter_free(struct weft_subscription *s)
{
    for (size_t i = 0; s->wanted && i < s->options.origin_count; i++)
        free(s->wanted[i]);
    free(s->wanted);
}

static void destroy(struct weft_subscription *s)
{
    while (s->first) {
        struct wf_sub_item *next = s->first->next;
        wf_sub_item_free(s->first);
        s->first = next;
    }
    wf_sub_item_free(s->shown);
    while (s->spare_count)
        wf_buf_fini(&s->spares[--s->spare_count]);
    wf_repair_free(s->repair);
    wf_sub_proof_fini(s);
    wf_sub_keys_fini(s);
    wf_sub_mirror_fini(s);
    if (s->has_cursor)
        wf_cursor_fini(&s->cursor);
    if (s->product)
        weft_product_free(s->product);
    wf_buf_fini(&s->token);
    wf_buf_fini(&s->plain);
    given_free(s);
    filter_free(s);
    free(s->records);
    wf_buf_fini(&s->printed);
    wf_arena_fini(&s->structs);
    if (s->fd >= 0)
        close(s->fd);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

void wf_sub_ref(struct weft_subscription *s)
{
    atomic_fetch_add(&s->refs, 1);
}

void wf_sub_unref(struct weft_subscription *s)
{
    if (atomic_fetch_sub(&s->refs, 1) == 1)
        destroy(s);
}

static enum weft_err keep_given(struct weft_subscription *s, const struct weft_subscribe_options *o)
{
    size_t count = s->options.cursor_count;

    if (count == 0)
        return WEFT_OK;
    if (count > WF_SUB_GIVEN_MAX)
        return WEFT_E_TOO_BIG;
    s->given = calloc(count, sizeof *s->given);
    if (!s->given)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        struct wf_buf key = { 0 }, value = { 0 };
        enum weft_err err = wf_bytes_dup(wf_bytes(o->cursor[i].key, o->cursor[i].key_len), &key);
        if (!err)
            err = wf_bytes_dup(wf_bytes(o->cursor[i].value, o->cursor[i].value_len), &value);
        s->given[i] = (struct weft_cursor_row){ key.ptr, key.len, value.ptr, value.len };
        if (err)
            return err;
    }
    return WEFT_OK;
}

static enum weft_err keep_filter(
    struct weft_subscription *s, const struct weft_subscribe_options *o)
{
    size_t count = s->options.origin_count;

    if (count == 0)
        return WEFT_OK;
    if (count > WF_SUB_ORIGINS_MAX)
        return WEFT_E_TOO_BIG;
    s->wanted = calloc(count, sizeof *s->wanted);
    for (size_t i = 0; s->wanted && i < count; i++) {
        s->wanted[i] = strdup(o->origins[i]);
        if (!s->wanted[i])
            return WEFT_E_NOMEM;
    }
    return s->wanted ? WEFT_OK : WEFT_E_NOMEM;
}

static void hand_over(struct wf_mail *m);
static void hand_dropped(struct wf_mail *m);

static enum weft_err make(struct weft_client *c, const struct wf_target *t,
    const struct weft_subscribe_options *o, struct weft_subscription **ret)
{
    struct weft_subscription *s = calloc(1, sizeof *s);

    if (!s)
        return WEFT_E_NOMEM;
    atomic_init(&s->refs, 1);
    pthread_mutex_init(&s->mutex, NULL);
    s->c = c;
    s->target = *t;
    s->stats.history_end = UINT64_MAX;
    snprintf(s->name, sizeof s->name, "%s/%s", t->domain.s, t->product.s);
    if (o)
        s->options = *o;
    s->options.cursor = NULL;
    s->options.origins = NULL;
    if (s->options.queue_bytes == 0)
        s->options.queue_bytes = WF_SUB_QUEUE;
    s->last = &s->first;
    s->units_tail = &s->units;
    s->room = (struct wf_mail){
        .open = wf_sub_room, .drop = wf_sub_room_dropped, .class = WF_MAIL_CONTROL, .must = true
    };
    s->hand = (struct wf_mail){
        .open = hand_over, .drop = hand_dropped, .class = WF_MAIL_LIVE, .must = true
    };
    s->timer.fire = wf_sub_timer;
    s->lease_timer.fire = wf_sub_lease_timer;
    s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct wf_repair_conf conf = {
        .held_bytes = s->options.queue_bytes, .free_item = wf_sub_repair_free, .arg = s
    };
    enum weft_err err = s->fd < 0 ? WEFT_E_NOMEM : wf_repair_new(&conf, &s->repair);
    if (!err)
        err = keep_given(s, o);
    if (!err)
        err = keep_filter(s, o);
    if (err) {
        wf_sub_unref(s);
        return err;
    }
    *ret = s;
    return WEFT_OK;
}

static void begin(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct weft_subscription *s = arg;

    (void)c;
    wf_client_done(w, WEFT_OK, NULL);
    wf_sub_acquire(s, false);
}

enum weft_err weft_subscribe(struct weft_client *c, const char *product,
    const struct weft_subscribe_options *options, struct weft_subscription **ret,
    struct weft_problem *problem)
{
    struct weft_subscription *s = NULL;
    struct wf_target target;
    enum weft_err err = wf_target_parse(product, false, &target, problem);

    if (err)
        return err;
    if (options && (unsigned)options->from > WEFT_FROM_TIME) {
        wf_problem_set(problem, WEFT_E_USAGE, "subscribe: unknown start %d", (int)options->from);
        return WEFT_E_USAGE;
    }
    err = make(c, &target, options, &s);
    if (err) {
        wf_problem_set(problem, err, "subscribe %s: %s", product, weft_err_text(err));
        return err;
    }
    err = wf_client_run(c, begin, s, problem);
    if (err) {
        wf_sub_unref(s);
        return err;
    }
    *ret = s;
    return WEFT_OK;
}

static void end(struct weft_subscription *s)
{
    s->closed = true;
    wf_timer_cancel(wf_client_loop(s->c), &s->timer);
    wf_timer_cancel(wf_client_loop(s->c), &s->lease_timer);
    wf_sub_hang_up(s);
    wf_sub_try_unknown(s, true);
    wf_sub_give_back(s);
}

static void end_asked(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    (void)c;
    end(arg);
    wf_client_done(w, WEFT_OK, NULL);
}

void weft_unsubscribe(struct weft_subscription *s)
{
    if (!s)
        return;
    enum weft_err err = wf_client_run(s->c, end_asked, s, NULL);
    if (err == WEFT_E_STATE) // from a handler
        end(s);
    // else a client that is closing has ended everything already
    wf_sub_unref(s);
}

// ---- buffers that come round -----------------------------------------------------------------------------------------

void wf_sub_spare_take(struct weft_subscription *s, struct wf_buf *ret)
{
    pthread_mutex_lock(&s->mutex);
    if (s->spare_count)
        *ret = s->spares[--s->spare_count];
    pthread_mutex_unlock(&s->mutex);
}

// ---- the queue ---------------------------------------------------------------------------------------------------------

// The descriptor is readable while something waits. It is written without the mutex, because whoever it wakes takes that at once; `told` counts
// what was written or is about to be, so that taking it back leaves nothing behind.
static void signal_fd(const struct weft_subscription *s)
{
    uint64_t one = 1;
    ssize_t n = write(s->fd, &one, sizeof one);
    (void)n; // full is as readable as can be
}

// Nothing waits any more.
static void drain_fd(struct weft_subscription *s)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };
    uint64_t v = 0;

    while (atomic_load(&s->told)) {
        if (read(s->fd, &v, sizeof v) == (ssize_t)sizeof v)
            atomic_fetch_sub(&s->told, (unsigned)v);
        else if (poll(&p, 1, TELL_MS) != 1)
            return; // whoever said that he writes has not done it yet: next time
    }
}

// A letter of the loop to itself: the handler is called within the same turn, and not from within what brought the event.
void wf_sub_hand(struct weft_subscription *s)
{
    wf_sub_ref(s); // hand_over gives it back
    if (wf_loop_post(wf_client_loop(s->c), &s->hand))
        wf_sub_unref(s);
}

void wf_sub_push(struct weft_subscription *s, struct wf_sub_item *i)
{
    i->next = NULL;
    pthread_mutex_lock(&s->mutex);
    bool tell = !s->first && atomic_load(&s->told) == 0;
    if (tell)
        atomic_fetch_add(&s->told, 1);
    *s->last = i;
    s->last = &i->next;
    s->queued += i->size;
    // The place moves with the queue: who has taken all of it knows that it has all before it.
    if (i->kind == WEFT_EV_RECORDS && i->entry.offset + i->header.count > s->stats.next_offset)
        s->stats.next_offset = i->entry.offset + i->header.count;
    if (s->stats.head_offset < s->stats.next_offset)
        s->stats.head_offset = s->stats.next_offset;
    if (s->queued >= s->options.queue_bytes)
        s->full = true;
    pthread_mutex_unlock(&s->mutex);
    if (tell && s->options.on_event)
        wf_sub_hand(s);
    else if (tell)
        signal_fd(s);
}

bool wf_sub_is_full(struct weft_subscription *s)
{
    pthread_mutex_lock(&s->mutex);
    bool full = s->full;
    pthread_mutex_unlock(&s->mutex);
    return full;
}

bool wf_sub_has_much_room(struct weft_subscription *s)
{
    pthread_mutex_lock(&s->mutex);
    bool much = s->queued < s->options.queue_bytes / 2;
    pthread_mutex_unlock(&s->mutex);
    return much;
}

void wf_sub_count(struct weft_subscription *s, uint64_t *counter, uint64_t n)
{
    pthread_mutex_lock(&s->mutex);
    *counter += n;
    pthread_mutex_unlock(&s->mutex);
}

// The next event, NULL when there is none. NOMEM: there is no room to show it; it stays, and nothing of it is lost.
static enum weft_err take(struct weft_subscription *s, struct wf_sub_item **ret)
{
    bool tell = false;

    pthread_mutex_lock(&s->mutex);
    struct wf_sub_item *i = s->first;
    enum weft_err err = i ? wf_sub_reserve(s, i) : WEFT_OK;
    if (err) {
        pthread_mutex_unlock(&s->mutex);
        return err;
    }
    if (i) {
        s->first = i->next;
        if (!s->first)
            s->last = &s->first;
        s->queued -= i->size;
        if (s->full && !s->room_posted && s->queued <= s->options.queue_bytes / 2)
            tell = s->room_posted = true;
    }
    if (!s->first)
        drain_fd(s);
    pthread_mutex_unlock(&s->mutex);
    if (tell) {
        wf_sub_ref(s); // wf_sub_room gives it back
        if (wf_loop_post(wf_client_loop(s->c), &s->room))
            wf_sub_unref(s);
    }
    *ret = i;
    return WEFT_OK;
}

static void hand_over(struct wf_mail *m)
{
    struct weft_subscription *s =
        (struct weft_subscription *)(void *)((char *)m - offsetof(struct weft_subscription, hand));
    struct wf_sub_item *i = NULL;
    enum weft_err err = WEFT_OK;

    atomic_store(&s->told, 0);
    for (unsigned n = 0; n < HANDED_A_TURN && !s->closed; n++) {
        err = take(s, &i);
        if (err || !i)
            break;
        s->options.on_event(s->options.arg, s, wf_sub_show(s, i));
    }
    if (err)
        wf_sub_hand_later(s);
    else if (i && !s->closed && s->first && atomic_exchange(&s->told, 1) == 0)
        wf_sub_hand(s);
    wf_sub_unref(s);
}

static void hand_dropped(struct wf_mail *m)
{
    wf_sub_unref(
        (struct weft_subscription *)(void *)((char *)m - offsetof(struct weft_subscription, hand)));
}

// The last event of the queue, when it is a STATE that nobody saw yet, is replaced.
static bool replace_state(struct weft_subscription *s, const struct wf_sub_item *with)
{
    bool done = false;

    pthread_mutex_lock(&s->mutex);
    for (struct wf_sub_item *i = s->first; i; i = i->next) {
        if (i->next || i->kind != WEFT_EV_STATE)
            continue;
        i->state = with->state;
        i->problem = with->problem;
        done = true;
    }
    pthread_mutex_unlock(&s->mutex);
    return done;
}

void wf_sub_state(
    struct weft_subscription *s, enum weft_stream_state state, const struct weft_problem *problem)
{
    const char *text = problem ? problem->text : "";

    if (s->state == state && strncmp(s->state_text, text, sizeof s->state_text - 1) == 0)
        return;
    s->state = state;
    snprintf(s->state_text, sizeof s->state_text, "%.159s", text);
    pthread_mutex_lock(&s->mutex);
    s->stats.state = state;
    pthread_mutex_unlock(&s->mutex);
    struct wf_sub_item *i = calloc(1, sizeof *i);
    if (!i)
        return; // the statistics tell it
    i->kind = WEFT_EV_STATE;
    i->size = sizeof *i;
    i->state = state;
    if (problem)
        i->problem = *problem;
    if (replace_state(s, i))
        free(i);
    else
        wf_sub_push(s, i);
}

// ---- waiting -----------------------------------------------------------------------------------------------------------

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Waits for the descriptor; false when the time is over.
static bool wait_for(const struct weft_subscription *s, int64_t until_ms)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };
    int64_t left = until_ms < 0 ? -1 : until_ms - now_ms();

    if (until_ms >= 0 && left <= 0)
        return false;
    int n = poll(&p, 1, left < 0 ? -1 : left > 1000000 ? 1000000 : (int)left);
    return n != 0 || until_ms < 0 || now_ms() < until_ms;
}

enum weft_err weft_next(struct weft_subscription *s, int timeout_ms, const struct weft_event **ret,
    struct weft_problem *problem)
{
    int64_t until = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;

    if (s->options.on_event) {
        wf_problem_set(problem, WEFT_E_STATE, "%s: its handler is given the events", s->name);
        return WEFT_E_STATE;
    }
    for (;;) {
        if (atomic_exchange(&s->woken, false)) {
            wf_problem_set(problem, WEFT_E_CANCELLED, "%s: woken", s->name);
            return WEFT_E_CANCELLED;
        }
        struct wf_sub_item *i = NULL;
        enum weft_err err = take(s, &i);
        if (err) {
            wf_problem_set(problem, err, "%s: no memory for the next event, which waits", s->name);
            return err;
        }
        if (i) {
            *ret = wf_sub_show(s, i);
            return WEFT_OK;
        }
        if (!atomic_load(&s->woken) && !wait_for(s, until)) {
            wf_problem_set(
                problem, WEFT_E_TIMEOUT, "%s: nothing came in %d ms", s->name, timeout_ms);
            return WEFT_E_TIMEOUT;
        }
    }
}

void weft_wake(struct weft_subscription *s)
{
    int kept = errno;

    if (s->options.on_event)
        return; // nobody waits
    atomic_store(&s->woken, true);
    atomic_fetch_add(&s->told, 1);
    signal_fd(s);
    errno = kept;
}

int weft_subscription_fd(const struct weft_subscription *s)
{
    return s->fd;
}

void weft_subscription_stats(const struct weft_subscription *s, struct weft_stats *ret)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&s->mutex;

    pthread_mutex_lock(mutex);
    *ret = s->stats;
    pthread_mutex_unlock(mutex);
}

const struct weft_product *weft_subscription_product(const struct weft_subscription *s)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&s->mutex;

    if (s->shown && s->shown->product)
        return s->shown->product;
    pthread_mutex_lock(mutex);
    const struct weft_product *p = s->product;
    pthread_mutex_unlock(mutex);
    return p;
}

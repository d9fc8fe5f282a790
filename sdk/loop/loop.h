// SPDX-License-Identifier: Apache-2.0
// One thread's event loop: a mailbox, timers, descriptors. Used by weftd and by libweft's client thread. Owns the epoll and the
// mailbox; timers and descriptors are embedded in their owners. Time is read once a turn.
// Thread rule: wf_loop_post and wf_loop_stop from anywhere; everything else on the loop's thread (or before it runs).
#ifndef WF_SDK_LOOP_H
#define WF_SDK_LOOP_H

#include "sdk/loop/mailbox.h"

struct wf_loop;

struct wf_timer {
    void (*fire)(struct wf_timer *t);
    int64_t due_us;
    size_t index;   // in the heap + 1; 0 = not set
    uint64_t after; // set while the timers of this turn fired: it waits for the next
};

struct wf_watch {
    void (*ready)(struct wf_watch *w, uint32_t epoll_events);
    int fd;
    bool removed; // set by wf_loop_unwatch during a turn
};

struct wf_loop_conf {  // zero = the default in brackets
    size_t mail_count; // [65536]
    size_t mail_bytes; // [64 MiB]
};
WF_MUST_USE enum weft_err wf_loop_new(const struct wf_loop_conf *conf, struct wf_loop **ret);
// Drops letters that wait. NULL is permitted.
void wf_loop_free(struct wf_loop *l);

// Turns until wf_loop_stop.
void wf_loop_run(struct wf_loop *l);
// Called by wf_loop_run behind each turn, outside of it; idle: the loop had waited before that turn, nobody is short of it. NULL: none.
typedef void (*wf_loop_after_fn)(void *arg, bool idle);
void wf_loop_after(struct wf_loop *l, wf_loop_after_fn fn, void *arg);
// One turn: waits at most timeout_ms (< 0: until something happens), then serves what is ready. At most a bounded number of letters
// a turn, for a bounded time, so that timers and descriptors are never starved.
void wf_loop_turn(struct wf_loop *l, int64_t timeout_ms);
void wf_loop_stop(struct wf_loop *l);
// Outside of a turn, around what keeps its thread from the next one: whoever posts meanwhile signals nothing. wf_loop_take is for whoever turns
// it next, this thread or the one that has it from now on.
void wf_loop_leave(struct wf_loop *l);
void wf_loop_take(struct wf_loop *l);

WF_MUST_USE enum weft_err wf_loop_post(struct wf_loop *l, struct wf_mail *m);
// CLOCK_MONOTONIC (CLOCK_BOOTTIME where the machine sleeps would hide time) in ms, as of this turn; wall clock likewise.
int64_t wf_loop_now_ms(const struct wf_loop *l);
int64_t wf_loop_now_us(const struct wf_loop *l); // the first, finer
int64_t wf_loop_now_unix_ms(const struct wf_loop *l);
int64_t wf_loop_exact_us(
    void); // the same clock in us, this moment: to measure how long something took
bool wf_loop_is_mine(const struct wf_loop *l); // is this the loop's thread?

// Sets or moves; a time that has passed counts as now. What is set while timers fire waits for the next turn, so that one that sets
// itself to now holds up nothing. NOMEM only when it was not set before.
WF_MUST_USE enum weft_err wf_timer_set(struct wf_loop *l, struct wf_timer *t, int64_t due_ms);
// For times where a millisecond is much.
WF_MUST_USE enum weft_err wf_timer_set_us(struct wf_loop *l, struct wf_timer *t, int64_t due_us);
void wf_timer_cancel(struct wf_loop *l, struct wf_timer *t);

// Level-triggered. events: EPOLLIN, EPOLLOUT.
WF_MUST_USE enum weft_err wf_loop_watch(struct wf_loop *l, struct wf_watch *w, uint32_t events);
WF_MUST_USE enum weft_err wf_loop_rewatch(struct wf_loop *l, struct wf_watch *w, uint32_t events);
void wf_loop_unwatch(struct wf_loop *l, struct wf_watch *w);

struct wf_loop_stats {
    size_t mail_count, mail_bytes, mail_max_count, mail_max_bytes, mail_refused, timers;
    uint64_t turns;
};
void wf_loop_get_stats(struct wf_loop *l, struct wf_loop_stats *ret);

#endif

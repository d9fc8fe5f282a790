// SPDX-License-Identifier: Apache-2.0
// Telling people and programs of alerts: in groups, once a change, again after a while, and never of what is silenced or acknowledged. What a target
// has to hear waits in its queue (queue.h): how things are when it takes it, each alert once. An alert counts as told over a restart only when
// every target has it: one may hear twice, none never. Owns the queues. Nothing here waits: a target that hangs holds up nobody. Thread rule:
// one owner.
#ifndef WF_MONITORING_NOTIFY_H
#define WF_MONITORING_NOTIFY_H

#include "domains/monitoring/alert/queue.h"

#define WF_NOTIFY_TARGETS   16u
#define WF_NOTIFY_RESEND_MS 60000  // to an Alertmanager: all that fires, again
#define WF_NOTIFY_ENDED_MS  900000 // and so long what was resolved, as Prometheus does

struct wf_notify_conf {
    struct wf_group_conf group;
    int64_t
        alive_ms; // every so often a message that says no more than that rules are judged; 0: none
    struct wf_target_conf targets[WF_NOTIFY_TARGETS];
    size_t target_count;
    struct wf_pool pool;
};

// The key `notify` of a file; mistakes are the file's. NULL without memory.
struct wf_notify_conf *wf_notify_read(struct weft_conf *c);
void wf_notify_conf_free(struct wf_notify_conf *c);

struct wf_notify_stats {
    uint64_t messages, waiting; // waiting: alerts and texts, of all targets
    uint64_t most_waiting;      // of one of them; WF_QUEUE_ALERTS at most
    struct wf_queue_stats queues;
};

struct wf_notify;
// `conf` must outlive it or the next call of wf_notify_use. `monitor`: who tells.
struct wf_notify *wf_notify_new(const struct wf_notify_conf *conf, const char *monitor);
void wf_notify_use(struct wf_notify *n, const struct wf_notify_conf *conf);
// Ends what is being sent. NULL is permitted.
void wf_notify_free(struct wf_notify *n);

// An alert changed its state: the next turn looks at once, not within half a second.
void wf_notify_wake(struct wf_notify *n);
// One turn: makes messages of what changed and goes on with sending. Alerts keep that they were told. Returns when the next turn is due (unix ms).
int64_t wf_notify_turn(struct wf_notify *n, struct wf_alerts *alerts,
    const struct wf_silence *silences, size_t silence_count, int64_t now_ms);
// Whether what a store keeps of who was told changed since the last question.
bool wf_notify_has_kept(struct wf_notify *n);
// A message that says it is a test, to every target. False without room.
bool wf_notify_test(struct wf_notify *n, int64_t now_ms);
// Nothing waits and nothing is under way.
bool wf_notify_is_idle(const struct wf_notify *n);
void wf_notify_stats(const struct wf_notify *n, struct wf_notify_stats *ret);

#endif

// SPDX-License-Identifier: Apache-2.0
// What waits for one target: for each group the alerts that it has to hear of, each once. What a message says of them is made when it is sent, so
// a target that was away hears how things are, not how they were, and the end of an alert takes the place of its beginning. What is no
// alert (a sign of life, what goes to an Alertmanager) is a text; one of a name replaces the one that waits. Owns what waits, and the target's work.
// Bounded in alerts; what finds no room, or waited too long, is given up, counted and named. Nothing here waits. Thread rule: one owner.
#ifndef WF_MONITORING_QUEUE_H
#define WF_MONITORING_QUEUE_H

#include "domains/monitoring/alert/groups.h"
#include "domains/monitoring/alert/target.h"

#define WF_QUEUE_ALERTS   WF_ALERTS_MOST
#define WF_QUEUE_MOST     100u     // alerts in one message; how many more there are is said
#define WF_QUEUE_AGE_MS   3600000  // a message is tried for so long
#define WF_QUEUE_ENDED_MS 86400000 // and one of what is over

struct wf_queue_stats {
    uint64_t failed, given_up;
    char problem[200]; // of the last attempt that failed
    char lost[320];    // what was given up last
};

struct waiting;
struct wf_queue {
    struct wf_target target; // conf NULL: nobody is told
    struct waiting *first, *last;
    void *groups; // those of alerts by key, tsearch(3)
    size_t count; // alerts and texts
    bool busy;    // with the first
    bool fresh;   // its target came while others were told
    bool changed; // what waits is other than when wf_queue_oldest was asked last
    uint64_t oldest;
};

// A group has news.
struct wf_queue_news {
    const char *group;
    struct wf_alert *const *alerts;
    size_t count, more; // more: alerts that are not named
    uint64_t telling;   // grows; what alerts keep of it: wf_queue_oldest
    int64_t now_ms;
};
// What sending needs.
struct wf_queue_turn {
    const char *monitor;
    struct wf_alerts *alerts;
    struct wf_queue_stats *stats;
    int64_t now_ms;
};

// False without memory: some of it waits.
WEFT_MUST_USE bool wf_queue_add(
    struct wf_queue *q, const struct wf_queue_news *news, struct wf_queue_stats *stats);
// A finished text; name "": it replaces none.
WEFT_MUST_USE bool wf_queue_text(
    struct wf_queue *q, const char *name, const char *text, int64_t now_ms);
// Drops texts that are not under way.
void wf_queue_drop_texts(struct wf_queue *q);
// Sends until the target is busy, fails or has nothing more. Returns when to look again, INT64_MAX: never.
int64_t wf_queue_work(struct wf_queue *q, const struct wf_queue_turn *t);
// The oldest telling of which something waits; 0: none does.
uint64_t wf_queue_oldest(struct wf_queue *q);
// The clock was set back: what waits is as old as it was.
void wf_queue_step_back(struct wf_queue *q, int64_t by_ms);
// Ends what is under way and drops all.
void wf_queue_empty(struct wf_queue *q);

#endif

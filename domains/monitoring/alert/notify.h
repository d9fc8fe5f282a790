// SPDX-License-Identifier: Apache-2.0
// Telling people and programs of alerts: in groups, once a change, again after a while, and never of what is silenced or acknowledged. A message
// waits for its target in a bounded queue and is tried again until it is an hour old; what is given up is counted and named. An alert counts
// as told over a restart only when every target has it: one may hear twice, none never. Owns the queues. Nothing here waits: a target that
// hangs holds up nobody. Thread rule: one owner.
#ifndef WF_MONITORING_NOTIFY_H
#define WF_MONITORING_NOTIFY_H

#include "domains/monitoring/alert/groups.h"
#include "domains/monitoring/common/post.h"

#define WF_NOTIFY_TARGETS   16u
#define WF_NOTIFY_WORDS     32u
#define WF_NOTIFY_QUEUE     1000u
#define WF_NOTIFY_MOST      100u     // alerts in one message; how many more there are is said
#define WF_NOTIFY_OVER_MS   86400000 // a message of what is over is tried for so long
#define WF_NOTIFY_AGE_MS    3600000
#define WF_NOTIFY_RESEND_MS 60000  // to an Alertmanager: all that fires, again
#define WF_NOTIFY_ENDED_MS  900000 // and so long what was resolved, as Prometheus does

enum wf_target_kind {
    WF_TARGET_STDOUT,
    WF_TARGET_COMMAND,
    WF_TARGET_WEBHOOK,
    WF_TARGET_ALERTMANAGER
};

struct wf_target_conf {
    enum wf_target_kind kind;
    const char *words[WF_NOTIFY_WORDS + 1]; // COMMAND: program and arguments; else: the URL
};

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
    uint64_t messages, failed, given_up, waiting;
    char problem[200]; // of the last attempt that failed
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

// ---- messages (message.c) ----

// Without alerts the status is that of `group`: "test", "alive".
// {"schema":"weft.alerts/v1","status":…,"group":…,"alerts":[…]} in one line, malloc'd; NULL without memory.
char *wf_message(const char *monitor, const char *group, struct wf_alert *const *alerts,
    size_t count, size_t more, int64_t now_ms);
// For Alertmanager's POST /api/v2/alerts: those that fire end at ends_ms unless they are told again.
char *wf_message_alertmanager(struct wf_alert *const *alerts, size_t count, int64_t ends_ms);
// One alert as a JSON object, malloc'd.
char *wf_message_alert(const struct wf_alert *a);

// ---- targets (target.c) ----

struct wf_target {
    const struct wf_target_conf *conf;
    const char *text; // being sent
    size_t at, len;
    int pid;              // COMMAND
    struct wf_post *post; // WEBHOOK, ALERTMANAGER
    int64_t began_ms;
    char problem[200];
};
enum wf_sent { WF_SENT_NOT_YET = 0, WF_SENT, WF_SENT_FAILED };
// Begins with a message that lives until the answer is not NOT_YET; then asks how it went.
enum wf_sent wf_target_send(struct wf_target *t, const char *text, size_t len, int64_t now_ms);
enum wf_sent wf_target_poll(struct wf_target *t, int64_t now_ms);
void wf_target_stop(struct wf_target *t);

#endif

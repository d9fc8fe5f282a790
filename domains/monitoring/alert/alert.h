// SPDX-License-Identifier: Apache-2.0
// Alerts and what becomes of them: inactive -> pending -> firing -> resolved. (state, now, observation) -> transitions. Owns the alerts; knows
// no clock, no store, no network. Bounded: WF_ALERTS_MOST, of which a domain has three quarters at most (speed/share.h); an observation
// beyond is refused with FULL, never dropped in silence.
// Invariant: an alert is found by its rule and the labels of its series; one of both is there once. Thread rule: one owner.
#ifndef WF_MONITORING_ALERT_H
#define WF_MONITORING_ALERT_H

#include "domains/monitoring/alert/match.h"
#include "domains/monitoring/speed/engine.h"
#include "domains/monitoring/speed/share.h"

#define WF_ALERTS_MOST    20000u
#define WF_ALERT_SILENCES 1000u
#define WF_ALERT_ID       17u // 16 hex digits
#define WF_ALERT_TEXT     1024u
#define WF_ALERT_KEPT_MS  (7 * 86400000LL) // a resolved one is shown that long
#define WF_ALERT_NOTE     200u
#define WF_ALERT_BY       200u

enum wf_alert_state { WF_ALERT_INACTIVE = 0, WF_ALERT_PENDING, WF_ALERT_FIRING, WF_ALERT_RESOLVED };

// A record, so that weft-monitor verify can prove it. product "": none, the alert rests on time.
struct wf_evidence {
    char product[136], origin[64];
    uint64_t offset;
    int64_t time_ms;
};

struct wf_alert {
    char id[WF_ALERT_ID];         // first; of rule and series: the same over restarts
    struct wf_alert *next, *prev; // of all
    char rule[WF_RULE_FULL], product[136];
    char by[WF_ALERT_BY]; // whose word the rule is, when it came with a product
    uint64_t rule_id;     // wf_rule.id: one of another condition has that name by now
    enum wf_severity severity;
    enum wf_alert_state state;
    struct wf_labels series, labels; // labels: with the rule's own
    char summary[WF_ALERT_TEXT], description[WF_ALERT_TEXT], runbook[WF_ALERT_TEXT];
    char detail[WF_ALERT_NOTE]; // why the value is what it is; why it ended
    bool has_value;
    double value;
    // Times of records; 0: did not happen. One that is pending again keeps those of its last firing.
    int64_t since_ms, fired_ms, resolved_ms, updated_ms;
    struct wf_evidence began, fired, last; // the records that made it so
    uint64_t episode;                      // how often it fired
    // A person's: not told again until then.
    char acked_by[64], ack_note[WF_ALERT_NOTE];
    int64_t acked_ms, ack_until_ms;
    int told;        // the state that was told last: PENDING (nothing), FIRING, RESOLVED
    int64_t told_ms; // when
    bool counted;    // it fires, and its group's message had no place for its name
    // What of that has arrived everywhere, which is what a store keeps: who restarts tells the rest again.
    uint64_t telling;          // on its way
    struct wf_alert *in_group; // of groups.h: the next of its group
    int kept_told;
    int64_t kept_told_ms;
    bool changed;           // since the store took it
    struct wf_share *share; // of the product's domain, the set's
    uint64_t published;     // sum of what was published of it last; 0: nothing was
};

struct wf_silence {
    uint64_t id;
    struct wf_matcher match;
    int64_t begins_ms, ends_ms;
    char by[64], note[WF_ALERT_NOTE];
};

enum wf_alert_step { WF_STEP_PENDING = 1, WF_STEP_FIRING, WF_STEP_RESOLVED, WF_STEP_DROPPED };
// Called for each transition. DROPPED: was pending and is no more. The alert lives until the next call on its set.
typedef void (*wf_alert_fn)(void *arg, struct wf_alert *a, enum wf_alert_step step);

struct wf_alerts;
struct wf_alerts *wf_alerts_new(wf_alert_fn fn, void *arg); // NULL without memory
void wf_alerts_free(struct wf_alerts *s);

// FULL: there are too many; NOMEM.
WEFT_MUST_USE enum weft_err wf_alerts_observe(struct wf_alerts *s, const struct wf_observed *o);
// Puts back what a store kept. FULL, NOMEM, EXISTS.
WEFT_MUST_USE enum weft_err wf_alerts_put(struct wf_alerts *s, const struct wf_alert *a);
// Resolved ones that are older than WF_ALERT_KEPT_MS go; fn (may be NULL) hears of each before.
void wf_alerts_expire(
    struct wf_alerts *s, int64_t now_ms, void (*fn)(void *arg, const char *id), void *arg);
// Alerts of rules that are none any more, or others of that name: what was restored and has no series.
void wf_alerts_keep_rules(struct wf_alerts *s, const struct wf_rules *rules, int64_t now_ms);

struct wf_alert *wf_alerts_find(struct wf_alerts *s, const char *id);
struct wf_alert *wf_alerts_first(struct wf_alerts *s); // then ->next; no order
size_t wf_alerts_count(const struct wf_alerts *s, enum wf_alert_state state);
uint64_t wf_alerts_refused(const struct wf_alerts *s);

// The first silence that covers it now, or NULL.
const struct wf_silence *wf_alert_silenced(
    const struct wf_alert *a, const struct wf_silence *silences, size_t count, int64_t now_ms);
bool wf_alert_is_acked(const struct wf_alert *a, int64_t now_ms);
const char *wf_alert_state_name(enum wf_alert_state state);

#endif

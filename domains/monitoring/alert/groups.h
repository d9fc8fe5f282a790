// SPDX-License-Identifier: Apache-2.0
// Which alerts are told together: those of one key, made of the labels that `notify: {group}` names. (alerts, silences, now) -> groups with their
// members and when each is due. Owns the groups; members are the alerts' own, good until the set of alerts changes. Found in a balanced
// tree: labels are what others write. Invariant: a group stays while something of it fires, was not told, or was told within the interval.
// Thread rule: one owner.
#ifndef WF_MONITORING_GROUPS_H
#define WF_MONITORING_GROUPS_H

#include "domains/monitoring/alert/alert.h"

#define WF_GROUP_KEY    256u
#define WF_GROUP_LABELS 8u

struct wf_group {
    char key[WF_GROUP_KEY]; // first
    int64_t changed_ms;     // first change that was not told; 0: none
    int64_t sent_ms;
    bool firing;
    struct wf_alert *members; // by in_group: what fires, or has news
    struct wf_group *next, *prev;
};

struct wf_group_conf {
    int64_t wait_ms;     // a new group gathers so long
    int64_t interval_ms; // between two messages of a group
    int64_t repeat_ms;   // what goes on firing is told again; 0: never
    const char *labels[WF_GROUP_LABELS];
    size_t label_count;
};

struct wf_groups {
    void *tree; // by key, tsearch(3)
    struct wf_group *all;
    size_t count;
};

struct wf_group_view {
    const struct wf_silence *silences;
    size_t count;
    int64_t now_ms;
};

// Whether people asked not to be told of it now.
bool wf_alert_is_quiet(const struct wf_alert *a, const struct wf_group_view *v);
// Sorts the alerts into groups anew; groups that are over go. *ret_news: something was not told yet. False without memory: what found no
// group is looked at again next time.
WEFT_MUST_USE bool wf_groups_look(struct wf_groups *s, const struct wf_group_conf *conf,
    struct wf_alerts *alerts, const struct wf_group_view *v, bool *ret_news);
// When it is to be told, unix ms; INT64_MAX: nothing is to be told.
int64_t wf_group_due(const struct wf_group *g, const struct wf_group_conf *conf);
void wf_groups_fini(struct wf_groups *s);

#endif

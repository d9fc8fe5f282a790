// SPDX-License-Identifier: Apache-2.0
// What tests of telling share: alerts, those who tell of them, a clock that is handed in, and standard output as the one target: it hangs, refuses or
// takes into a file.
#ifndef WF_TESTS_NOTIFY_RIG_H
#define WF_TESTS_NOTIFY_RIG_H

#include <check.h>

#include "domains/monitoring/alert/notify.h"

#define NOON_MS 1767571200000

struct rig {
    struct weft_conf *conf;
    struct wf_notify_conf *notify;
    struct wf_notify *n;
    struct wf_alerts *alerts;
    int64_t now_ms;
    char out[300];
    int screen; // what standard output was
};

// The caller frees both.
struct wf_notify_conf *rig_conf(const char *text, struct weft_conf **ret);
void rig_init(struct rig *g, const char *text);
void rig_fini(struct rig *g);
// Nobody reads: a pipe that is full.
void hang(void);
// Whatever is written fails at once.
void refuse_all(void);
void take(const struct rig *g);
// One turn, so much later.
struct wf_notify_stats turn(struct rig *g, int64_t later_ms);
// Turns until nothing waits; asserts that it comes to that.
void settle(struct rig *g, int64_t each_ms);
struct wf_alert *fire(struct rig *g, unsigned id, const char *rule);
void become(struct rig *g, struct wf_alert *a, enum wf_alert_state state);
// What was told of an alert, in order: a letter of each state, as in "fr".
void heard(const struct rig *g, unsigned id, char *out, size_t size);
void has_heard(const struct rig *g, unsigned id, const char *want);

#endif

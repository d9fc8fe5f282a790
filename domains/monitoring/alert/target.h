// SPDX-License-Identifier: Apache-2.0
// Where messages go: standard output, a command, an address that takes a POST. One message at a time, nothing waits. Owns what is under way; the text is
// its caller's until that has ended. Thread rule: one owner.
#ifndef WF_MONITORING_TARGET_H
#define WF_MONITORING_TARGET_H

#include <stdint.h>

#include "domains/monitoring/common/post.h"

#define WF_TARGET_WORDS 32u

enum wf_target_kind {
    WF_TARGET_STDOUT,
    WF_TARGET_COMMAND,
    WF_TARGET_WEBHOOK,
    WF_TARGET_ALERTMANAGER
};

struct wf_target_conf {
    enum wf_target_kind kind;
    const char *words[WF_TARGET_WORDS + 1]; // COMMAND: program and arguments; else: the URL
};

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

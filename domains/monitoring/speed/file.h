// SPDX-License-Identifier: Apache-2.0
// A file of rules, read and checked as a whole. Owns tree and rules. Thread rule: one owner.
#ifndef WF_MONITORING_RULES_FILE_H
#define WF_MONITORING_RULES_FILE_H

#include "domains/monitoring/alert/notify.h"
#include "domains/monitoring/common/monitor.h"
#include "domains/monitoring/speed/take.h"

struct wf_rules_file {
    struct weft_conf *conf;
    struct wf_rules *rules;
    struct wf_notify_conf *notify;
    struct wf_take *take;
    char publish[64]; // the product that alerts are published as; "": none
};

#define WF_RULES_IN_CONFIG (1u << 16) // a flag: beside them stand the keys of weft-monitor.yaml(5)
// 0, or an exit status with every mistake told on standard error; *ret may be closed in any case. flags: this one and those of weft_conf_open.
int wf_rules_file_open(const char *path, unsigned flags, struct wf_rules_file *ret);
unsigned wf_rules_flags(const struct wf_mon_options *o); // for the rules that the options name
void wf_rules_file_close(struct wf_rules_file *f);

#endif

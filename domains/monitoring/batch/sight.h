// SPDX-License-Identifier: Apache-2.0
// All that is known of what the monitor sees, looked at once, and the judgement on it: a line a domain, and each finding with since when,
// why and what to do. status prints it, top shows it again and again. Looking reads the database, the files beside it and the alerts' book
// and asks nobody; judging is pure. Invariant: what is not known to be seen is a finding. Thread rule: one owner.
#ifndef WF_MONITORING_SIGHT_H
#define WF_MONITORING_SIGHT_H

#include "domains/monitoring/alert/state.h"
#include "domains/monitoring/batch/stored.h"
#include "domains/monitoring/common/monitor.h"
#include "domains/monitoring/common/parts.h"
#include "domains/monitoring/common/pulse.h"
#include "domains/monitoring/remote/state.h"

#define WF_MON_TOKEN_MS (2 * 3600000) // before its end a token that nobody renewed is told of
#define WF_MON_PAST_MS  3600000       // for so long a loss is told of

struct wf_mon_domain {
    char name[WF_MON_PRODUCT];
    size_t products, seen, blind, foreign;
    uint64_t records, lag, lost, hosts, hosts_late;
    int64_t since_ms; // the oldest of its blind products; 0: none
    int64_t token_ms; // the first to end; 0: none
    int64_t last_us;  // time of its newest record
    int64_t delay_ms; // the longest from append to row, of the newest batches; -1: none
    char cause[200];  // "2 node-unreachable, 1 host-silent"
};

struct wf_mon_finding {
    char what[WF_MON_PRODUCT +
              32]; // a product, a domain with a number, a process, "database", "catalog"
    enum wf_mon_why why;
    bool warns; // seen, but not for long; not blind
    int64_t since_ms;
    char cause[400];
    char todo[480]; // what to do, as it is typed
};
#define WF_MON_FINDINGS 256u

struct wf_mon_sight {
    int64_t now_ms;    // unix
    enum weft_err err; // the database could not be read
    char err_text[400];
    struct wf_mon_beat beat;
    struct wf_mon_line *lines;
    size_t count;
    struct wf_mon_lost *losses; // the newest of each product
    size_t loss_count;
    struct wf_mon_part parts[WF_MON_PARTS];
    size_t part_count;
    struct wf_mon_pulse pulses[WF_MON_PULSES];
    size_t pulse_count;
    struct wf_alert_sum alerts;
    struct wf_remote_sum remote;
    // judged:
    char silence[64]; // why nothing is told any more; "" while it is
    struct wf_mon_domain *domains;
    size_t domain_count;
    struct wf_mon_finding findings[WF_MON_FINDINGS];
    size_t finding_count, finding_more; // more: without room
    size_t blind, foreign;
    bool whole; // nothing is blind, and what judges and stores is well
};

// Looks and judges. The database's failure is in ->err and is a finding; NOMEM is the only error. wf_mon_sight_fini releases.
WEFT_MUST_USE enum weft_err wf_mon_sight_look(
    const struct wf_mon_options *o, int64_t now_ms, struct wf_mon_sight *ret);
WEFT_MUST_USE enum weft_err wf_mon_sight_judge(struct wf_mon_sight *s);
void wf_mon_sight_fini(struct wf_mon_sight *s);

// Why all is blind: nobody tells any more. "" while the storing process does.
void wf_mon_status_silence(const struct wf_mon_beat *beat, int64_t now_ms, char *out, size_t size);
// The cause to be shown of a line: the monitor's silence, or the line's own.
const char *wf_mon_status_cause(const struct wf_mon_line *line, const char *silence);
// The newest loss of a product, NULL: none is known.
const struct wf_mon_lost *wf_mon_sight_loss(const struct wf_mon_sight *s, const char *product);
void wf_mon_loss_print(
    const struct wf_mon_lost *l, char *out, size_t size); // "offsets 8 to 11 (LOST)"

#endif

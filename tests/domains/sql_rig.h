// SPDX-License-Identifier: Apache-2.0
// What tests of rules that are SQL share: an engine, two products (records of disks, an inventory of owners), and all that was observed.
#ifndef WF_TESTS_SQL_RIG_H
#define WF_TESTS_SQL_RIG_H

#include <check.h>

#include "domains/monitoring/speed/engine.h"

#define MONDAY_MS 1767571200000
#define SEEN      32u

struct seen {
    struct {
        enum wf_truth truth;
        bool gone, anew, record, has_value;
        double value;
        uint64_t offset;
        char rule[64], labels[200], product[64], origin[64], detail[200], owner[64];
    } all[SEEN];
    size_t count;
    const char *only; // of other rules it is counted alone; NULL: all are kept
    size_t dropped;
};

struct rig {
    struct wf_engine *e;
    struct wf_rules *rules;
    struct wf_shape disks, owners; // servers/disks {disk, used}, servers/owners {host, owner}
    struct seen seen;
    uint64_t offset; // of the next record
    bool warm;       // records were judged in an earlier run
};

struct wf_rules *rules_of(const char *text, char *errors, size_t size);
void rig_begin(struct rig *g, const char *rules, const struct wf_engine_limits *limits);
void rig_rules(struct rig *g, const char *rules, int64_t at_s); // from now on
void rig_end(struct rig *g);
void say(struct rig *g, const char *origin, const char *disk, int64_t at_s, double used);
void own(struct rig *g, const char *host, const char *owner); // NULL: the row is deleted
void tick(struct rig *g, int64_t at_s);
// So much was observed, the last of it that a series is that.
void saw(const struct rig *g, size_t count, enum wf_truth last);
// How a rule is judged; its reason, of which `reason` is a part.
void is_state(struct rig *g, const char *rule, enum wf_sql_state state, const char *reason);

#endif

// SPDX-License-Identifier: Apache-2.0
// The inside of `weft-monitor alert`, shared by judge.c (the loop), judge_rules.c (which rules are in force) and judge_book.c (what outlives the
// process). Owns all of it. Thread rule: one thread.
#ifndef WF_MONITORING_JUDGE_H
#define WF_MONITORING_JUDGE_H

#include "domains/monitoring/alert/book.h"
#include "domains/monitoring/alert/fields.h"
#include "domains/monitoring/alert/self.h"
#include "domains/monitoring/alert/spread.h"
#include "domains/monitoring/common/watch.h"
#include "domains/monitoring/speed/file.h"

struct judged {
    struct wf_fields fields;
    struct wf_book_place before; // judged in an earlier run
    struct wf_book_place place;
    bool changed, asked;
    int64_t absent_ms; // ended: since when no catalog has it; 0: the last one had
    char cause[200];
};

struct judge {
    struct wf_mon_watch watch;
    struct wf_mon_sink sink;
    struct wf_rules_file file;
    struct wf_taken *taken;
    struct wf_rules *rules; // the file's and those taken
    struct wf_book *book;
    struct wf_engine *engine;
    struct wf_alerts *alerts;
    struct wf_notify *notify;
    struct wf_spread *spread;
    struct wf_self self; // what rules may ask of this process
    struct wf_silence silences[WF_ALERT_SILENCES];
    size_t silence_count;
    int64_t tick_due, write_due, place_due, heard_due, base_due, notify_due; // unix ms
    int64_t self_due, heard_since_ms, now_ms;
    bool dirty;                          // an alert changed and is not written
    bool sweep;                          // one that waited is no more
    char problem[320], old_problem[320]; // of what failed lately
    int64_t problem_ms;                  // since when it is that
    char mistakes[320];                  // of a rules file that was not taken
};

static inline struct judged *judged_of(const struct wf_mon_feed *f)
{
    return f->own;
}

// judge_rules.c

// The file's rules and what is taken now. False without memory: what was in force goes on.
bool wf_judge_use_rules(struct judge *j, const struct wf_rules *own);
// Tells the scout which products' rules are taken.
void wf_judge_want_rules(struct judge *j);
// A catalog came: struct wf_mon_sink.
void wf_judge_found(void *arg, const struct wf_mon_found *found, size_t count);
// A product that its owner ended takes its rules with it.
void wf_judge_end_taken(struct judge *j);
// SIGHUP: the file anew, or what was in force.
void wf_judge_reload(struct judge *j);
enum weft_err wf_judge_restore_taken(
    void *arg, const struct wf_taken_item *item, uint64_t rules); // wf_book_taken_fn

// judge_book.c

// What this process has to say where no book is needed.
void wf_judge_tell_beside(struct judge *j, int64_t unix_ms);
// All that is due in one transaction. A book that takes nothing is tried again: alerts go on without it.
void wf_judge_write(struct judge *j, int64_t unix_ms, bool all);

#endif

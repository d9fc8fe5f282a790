// SPDX-License-Identifier: Apache-2.0
// The inside of the engine, shared by engine.c (rules and records), series.c (the table of series) and tick.c (time).
#ifndef WF_MONITORING_ENGINE_INT_H
#define WF_MONITORING_ENGINE_INT_H

#include "domains/monitoring/speed/engine.h"
#include "domains/monitoring/speed/hole.h"
#include "domains/monitoring/speed/share.h"
#include "domains/monitoring/speed/sql.h"
#include "domains/monitoring/speed/window.h"

// Where a value comes from: a field of the record (0 and more), or what stands beside it.
enum wf_beside {
    WF_BESIDE_ORIGIN = -1,
    WF_BESIDE_DOMAIN = -2,
    WF_BESIDE_PRODUCT = -3,
    WF_BESIDE_TIME = -4,   // s, unix
    WF_BESIDE_APPEND = -5, // s, unix
    WF_BESIDE_NOW = -6,    // s, unix
    WF_BESIDE_LATE = -7,
    WF_BESIDE_DELAY = -8, // s from its time to its append
    WF_BESIDE_NOTHING = -9
};

#define WF_BOUND_LABELS 24u

// One rule on one shape.
struct wf_bound_rule {
    const struct wf_rule *rule;
    int fields[WF_EXPR_FIELDS];
    const char *label_names[WF_BOUND_LABELS];
    int labels[WF_BOUND_LABELS];
    size_t label_count;
    bool by_origin; // records of a series are of one origin
    bool by_key;    // every label is known of a deleted row, too
    bool uses_now;  // comes true by itself
    bool counted;   // occurrences in windows alone: they grow old
};

struct wf_bound {
    struct wf_bound *next;
    struct wf_shape *shape;
    struct wf_bound_rule *rules;
    size_t count;
};

struct wf_series_window {
    struct wf_window points;
    struct wf_baseline *base;
    double last; // DEVIATION: the value to be judged
    bool has_last;
};

struct wf_series {
    struct wf_series *next, *prev; // of all
    struct wf_share *share;        // of its product's domain
    uint64_t hash;                 // of rule and labels
    const struct wf_rule *rule;
    struct wf_shape *shape; // NULL while its product is away
    const struct wf_bound_rule *bound;
    char *labels; // packed
    size_t labels_len;
    int64_t time_ms, append_ms; // of its last record
    uint64_t offset;
    char origin[64];
    // Where records of it were lost last: behind its record of then, before its next one. INT64_MIN: before its first; there was none.
    int64_t lost_after_ms, lost_until_ms;
    uint64_t losses; // of its product, as far as that is known of it
    enum wf_truth truth;
    int64_t true_ms;                   // since when
    bool told;                         // that it held long enough
    bool owed;                         // an alert of an earlier run waits for what it says now
    char *away;                        // whose it is, before its product is there again; NULL: not
    struct wf_expr_value *kept;        // uses_now: the fields of its last record
    char *kept_text;                   // their texts
    struct wf_series_window windows[]; // of the rule's expression
};

struct wf_engine {
    struct wf_engine_limits limits;
    wf_observe_fn fn;
    void *arg;
    const struct wf_rules *rules;
    struct wf_bound *bounds;
    void *tree; // of series by rule and labels, tsearch(3)
    struct wf_series *series;
    struct wf_share *shares;
    struct wf_engine_stats stats;
    int64_t rules_ms, now_ms; // since when these rules are in force; of the last tick
    wf_baseline_find_fn find;
    void *find_arg;
    struct wf_sql *sql; // sets of rules that are SQL, the monitor's own first; NULL: there are none
    size_t sql_turn;    // of strangers' sets: which is asked first
};

// What a condition is judged on: a record, or time alone (row NULL).
struct wf_judged {
    struct wf_engine *e;
    const struct wf_bound_rule *b;
    struct wf_series *s;
    const struct wf_row *row;
    int64_t now_ms;
    struct wf_expr_value values[WF_EXPR_FIELDS];
    char texts[WF_EXPR_FIELDS][WF_LABEL_VALUE];
    bool anew; // what it says now is not the continuation of what it said before
    char detail[200];
};

#define WF_KEPT_TEXT 64u

// series.c
struct wf_series *wf_series_find(
    const struct wf_engine *e, const struct wf_rule *rule, const struct wf_labels *labels);
// NULL: refused (counted) or without memory.
struct wf_series *wf_series_add(struct wf_engine *e, const struct wf_bound_rule *b,
    const struct wf_labels *labels, const char *product);
// One of an earlier run, which was true. NULL as above.
struct wf_series *wf_series_restore(
    struct wf_engine *e, const struct wf_rule *rule, const struct wf_engine_kept *kept);
// Its product is there again. Where there is no memory its fields are not kept, as of one that had no record yet.
void wf_series_settle(struct wf_engine *e, struct wf_series *s, const struct wf_bound_rule *b);
void wf_series_remove(struct wf_engine *e, struct wf_series *s);
// fn may remove the series that it was given.
void wf_series_each(struct wf_engine *e, void (*fn)(void *arg, struct wf_series *s), void *arg);
void wf_series_labels(const struct wf_series *s, struct wf_labels *ret);
bool wf_series_may_grow(const struct wf_engine *e, const struct wf_share *share);
// Its memory was so much and is so much now.
void wf_series_resized(struct wf_engine *e, struct wf_series *s, size_t before, size_t now);

// lost.c: records that never come.

// Before a series has its next record: whether some were lost before that one.
void wf_lost_before(struct wf_judged *j, int64_t time_ms);
// Whether the newest of its records may be among the lost ones.
bool wf_lost_is_open(const struct wf_judged *j);
// What is missing in a window of it.
enum wf_window_hole wf_lost_in(struct wf_judged *j, int64_t span_ms);
// What no window holds any more goes.
void wf_lost_tick(const struct wf_engine *e, int64_t now_ms);

// For people: of what something was lost that windows would hold. Else nothing is written.
void wf_lost_tell(const struct wf_engine *e, char *out, size_t size);

// engine.c
void wf_observe(struct wf_judged *j, enum wf_truth truth, const struct wf_expr_value *shown,
    int64_t time_ms, bool gone);
// What the condition says now; learned: baselines take the value in.
enum wf_truth wf_judge(struct wf_judged *j, struct wf_expr_value *ret_shown);
// A value as a label; one without a value or text is none.
void wf_label_of(struct wf_labels *l, const char *name, const struct wf_expr_value *v);
int64_t wf_rule_span(const struct wf_rule *rule);
// How old a value may be to be that of now; 0: nobody says, or it stays until there is another, as a row does.
int64_t wf_stale_ms(const struct wf_shape *shape);

// engine_rules.c: a rule whose product was not there for ten minutes, for people. Else nothing is written.
void wf_rules_tell_idle(const struct wf_engine *e, char *out, size_t size);

// sql_all.c: the same of all sets of rules that are SQL.
WEFT_MUST_USE enum weft_err wf_sql_change(
    struct wf_engine *e, const struct wf_rules *rules, int64_t now_ms);
void wf_sql_end(struct wf_engine *e);
WEFT_MUST_USE enum weft_err wf_sql_row_all(struct wf_engine *e, const struct wf_row *row);
WEFT_MUST_USE enum weft_err wf_sql_reshape_all(struct wf_engine *e, struct wf_shape *shape);
void wf_sql_forget_all(struct wf_engine *e, const struct wf_shape *shape);
void wf_sql_lose_all(struct wf_engine *e, const struct wf_shape *shape, const struct wf_loss *loss);
WEFT_MUST_USE enum weft_err wf_sql_tick_all(struct wf_engine *e, int64_t now_ms);
WEFT_MUST_USE enum weft_err wf_sql_was_true_all(
    struct wf_engine *e, const struct wf_engine_kept *kept);
const char *wf_sql_problem_all(const struct wf_engine *e);

#endif

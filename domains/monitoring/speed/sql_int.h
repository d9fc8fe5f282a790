// SPDX-License-Identifier: Apache-2.0
// The inside of rules that are SQL, shared by sql.c (rules and time), sql_window.c (products) and sql_ask.c (one question).
#ifndef WF_MONITORING_SQL_INT_H
#define WF_MONITORING_SQL_INT_H

#include "domains/monitoring/speed/hole.h"
#include "domains/monitoring/speed/sql.h"

struct wf_sql_origin {
    struct wf_sql_origin *next; // of its window
    struct wf_hole hole;
    int64_t newest_ms;
    uint64_t offset;   // of that record
    uint64_t snapshot; // where the one that is under way began
    bool in_snapshot;
    char name[64];
};

// What is kept of one product: its recent records, or its rows.
struct wf_sql_window {
    struct wf_sql_window *next;
    char product[WF_MON_PRODUCT];
    bool current;
    bool wanted;     // by a rule of now
    bool read;       // from where its span begins, or its first row
    int64_t span_ms; // the longest of its rules; 0: current
    struct wf_query_table *table;
    struct wf_shape *shape; // NULL: its product is away
    void *tree;             // of origins by name, tsearch(3)
    struct wf_sql_origin *origins;
    const struct wf_sql_origin *newest;
    size_t origin_count;
    struct wf_hole hole; // nobody knows of which origin
    bool any_hole;       // of it or an origin
    uint64_t refused;    // records that found no room
    char why[160];       // no record can be kept: why
};

// Labels for which a rule was true when it was asked last.
struct wf_sql_firing {
    uint64_t sum;
    char *labels; // packed
    size_t len;
    bool is_true;    // in the answer at hand
    int64_t true_ms; // when it was in an answer last; INT64_MIN: in an earlier run
    char product[WF_MON_PRODUCT], origin[64]; // what it rests on; "": nothing of one origin
};

struct wf_sql_ask {
    struct wf_sql_ask *next;
    const struct wf_rule *rule;
    struct wf_sql_window *windows[WF_RULE_TABLES];
    int64_t asked, wait; // number of its `every`: when it was asked last; before which it is not
    unsigned failures;   // in a row
    enum wf_sql_state state;
    int64_t since_ms; // of the state
    char reason[240];
    size_t rows;
    uint64_t steps; // of its last question
    int64_t cpu_ms;
    struct wf_sql_firing *firing;
    size_t firing_count;
};

struct wf_sql {
    struct wf_sql *next;         // of the engine
    char domain[WF_MON_PRODUCT]; // whose products the rules came with; "": the monitor's own
    struct wf_sql_bounds bounds;
    int64_t rest_ms; // nothing is asked before
    struct wf_query *query;
    struct wf_sql_window *windows;
    struct wf_sql_ask *asks;
    const struct wf_sql_ask *last; // where the next tick begins
    int64_t swept;                 // the minute in which origins were given up last
    wf_observe_fn fn;
    void *arg;
    char problem[320];
};

// sql_window.c
struct wf_sql_window *wf_sql_window_of(struct wf_sql *s, const char *product, bool current);
void wf_sql_window_free(struct wf_sql *s, struct wf_sql_window *w);
WEFT_MUST_USE enum weft_err wf_sql_window_tie(
    struct wf_sql *s, struct wf_sql_window *w, struct wf_shape *shape);
const struct wf_sql_origin *wf_sql_origin_find(const struct wf_sql_window *w, const char *name);
// Who is missing: heard last not after the one time, but after the other.
struct wf_sql_silence {
    int64_t after_ms, there_ms;
};
// One that is missing: this origin, or of NULL any. NULL: none. Of inventories' rows and of occurrences nobody is.
const struct wf_sql_origin *wf_sql_missing(
    const struct wf_sql_window *w, const char *origin, const struct wf_sql_silence *s);
// Records of this origin, or of NULL any, that never come and that a window from then on would hold. NULL: none.
const struct wf_hole *wf_sql_hole_of(
    const struct wf_sql_window *w, const char *origin, int64_t from_ms, const char **ret_origin);
// Origins that were heard last before that are not missed any more.
void wf_sql_give_up(struct wf_sql_window *w, int64_t before_ms);

// sql_ask.c
WEFT_MUST_USE enum weft_err wf_sql_ask(struct wf_sql *s, struct wf_sql_ask *a, int64_t now_ms);
// A series for which the rule was true. FULL: there are too many; NOMEM.
WEFT_MUST_USE enum weft_err wf_sql_firing_add(const struct wf_sql *s, struct wf_sql_ask *a,
    const struct wf_labels *labels, struct wf_sql_firing **ret);
// Says that it is no more, and takes it out.
void wf_sql_firing_end(
    struct wf_sql *s, struct wf_sql_ask *a, size_t i, int64_t now_ms, const char *gone);

#endif

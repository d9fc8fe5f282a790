// SPDX-License-Identifier: Apache-2.0
// Rules against records: (state, time, record) -> what each series' condition says now. Owns the series with their windows and baselines.
// Knows no clock, no network, no alert: what it sees goes to one function. Bounded in series and bytes; what finds no room is counted and
// named, never dropped in silence. No domain's records take the last quarter of the room (share.h). Invariant: a series is judged in order
// of its own time; a record older than its last changes nothing. Thread rule: one owner.
#ifndef WF_MONITORING_ENGINE_H
#define WF_MONITORING_ENGINE_H

#include "domains/monitoring/speed/baseline.h"
#include "domains/monitoring/speed/hole.h"
#include "domains/monitoring/speed/query.h"
#include "domains/monitoring/speed/rules.h"

#define WF_ENGINE_SERIES 200000u
#define WF_ENGINE_BYTES  (512u * 1024 * 1024)
#define WF_AHEAD_MS                                                                                \
    60000 // a record's time may be that far before its append (docs/design.md, clock tolerance)

struct wf_shape_field {
    const char *name;
    bool key, label;
    const char *type; // in SQL, of wf_mon_sql_type; NULL: any
};

struct wf_bound; // which rules look at a shape, and where their fields are

// What records of a product look like. Made by who feeds them; lives until wf_engine_forget.
struct wf_shape {
    const char *product, *domain;
    bool events;          // its records are occurrences: when none comes, none happened
    bool inventory;       // its records are rows that stay until they are others or gone
    int64_t freshness_ms; // promised; 0: nothing is
    const struct wf_shape_field *fields;
    size_t field_count;
    // How the product is seen now, by which silence is told from blindness.
    bool seen;              // its stream is read up to its head
    int64_t unseen_ms;      // since when not; 0: never was
    const char *cause;      // why not
    struct wf_bound *bound; // the engine's; NULL at first
    struct wf_holes *holes;
};

struct wf_row {
    struct wf_shape *shape;
    bool deleted;    // the row of an inventory is gone; only its key has values
    bool warm;       // fills windows and judges nothing: what was judged before a restart
    int64_t time_ms; // wf_row_time
    int64_t
        time_us; // as it was written, for rules that are SQL; where it is another time than time_ms that one counts
    int64_t append_ms; // by the home's clock
    bool late;         // the origin's clock was off
    uint64_t offset;
    const char *origin;
    const void *arg;
    // One value; its text lives until the next call.
    void (*get)(const void *arg, size_t field, struct wf_expr_value *ret);
    // The same as the batch layer stores it, for rules that are SQL; NULL: made of what get gives.
    enum weft_err (*cell)(const void *arg, size_t field, struct wf_mon_cell *ret);
};

// When a record is true: its own time; where the origin's clock is off, counted from the append by the distance to the newest record of its
// batch, so that the distances between its records stay.
int64_t wf_row_time(int64_t time_ms, int64_t newest_ms, int64_t append_ms, bool late);

struct wf_observed {
    const struct wf_rule *rule;
    const struct wf_labels *labels; // of the series
    enum wf_truth truth;
    bool
        anew; // true, and nobody knows what it was since it was true before: how long it holds counts from now
    bool gone;   // its row was deleted, its rule removed, or it was given up
    bool record; // offset and origin are those of a record
    bool has_value;
    double value;
    int64_t time_ms;
    const char *product, *origin;
    uint64_t offset;
    const char *detail; // a sentence about the value, or ""
    // For templates: a label, or a field of the condition.
    wf_template_fn get;
    void *get_arg;
};
typedef void (*wf_observe_fn)(void *arg, const struct wf_observed *o);

struct wf_engine_limits {
    size_t series, bytes;       // 0: the defaults
    struct wf_query_limits sql; // of rules that are SQL
    struct wf_query_limits
        guests; // of those that came with the products of one domain; steps 0: those of sql.h
};
struct wf_engine_stats {
    size_t series, bytes;
    uint64_t rows, judged, out_of_order;
    uint64_t refused; // records whose series found no room
    uint64_t cut;     // points that left a window before their time
    char refused_rule[WF_RULE_FULL], refused_product[136]; // the last of them
    char problem[320]; // what a rule asks for that a product does not have
};

struct wf_engine;
// NULL without memory.
struct wf_engine *wf_engine_new(const struct wf_engine_limits *limits, wf_observe_fn fn, void *arg);
void wf_engine_free(struct wf_engine *e);
// From now on these rules, which must outlive the engine or the next call. Series of rules whose id is the same go on; the others' alerts
// are told to be gone. `now_ms`: when.
void wf_engine_rules(struct wf_engine *e, const struct wf_rules *rules, int64_t now_ms);
// Whether any rule looks at a product of this name.
bool wf_engine_wants(const struct wf_engine *e, const char *product);
// The longest window of rules that look at it: what has to be read again after a restart.
int64_t wf_engine_span(const struct wf_engine *e, const char *product);
// A record. NOMEM: it was not judged.
WEFT_MUST_USE enum weft_err wf_engine_row(struct wf_engine *e, const struct wf_row *row);
// An origin of an inventory begins to say all its rows again, or has said them.
WEFT_MUST_USE enum weft_err wf_engine_mark(
    struct wf_engine *e, struct wf_shape *shape, const char *origin, uint64_t offset, bool end);
// Records of a product that never come: windows have a hole there, and what rests on them is unknown.
WEFT_MUST_USE enum weft_err wf_engine_lose(
    struct wf_engine *e, struct wf_shape *shape, const struct wf_loss *loss);
// A shape is new, or its fields are others: its series go on.
WEFT_MUST_USE enum weft_err wf_engine_reshape(struct wf_engine *e, struct wf_shape *shape);
// Releases what the engine knows of a shape that goes.
void wf_engine_forget(struct wf_engine *e, struct wf_shape *shape);

// Time passes: silence, conditions that have to hold for a while, occurrences that grow old, what comes due. About every second.
WEFT_MUST_USE enum weft_err wf_engine_tick(struct wf_engine *e, int64_t now_ms);
// An origin that was heard in an earlier run: its silence counts from then.
WEFT_MUST_USE enum weft_err wf_engine_heard(
    struct wf_engine *e, struct wf_shape *shape, const char *origin, int64_t append_ms);
// Origins of silence rules that were heard after since_ms, for a store.
typedef void (*wf_heard_fn)(void *arg, const char *product, const char *origin, int64_t append_ms);
void wf_engine_each_heard(const struct wf_engine *e, int64_t since_ms, wf_heard_fn fn, void *arg);
void wf_engine_stats(const struct wf_engine *e, struct wf_engine_stats *ret);

// Rules that are SQL: how each is judged now.
enum wf_sql_state {
    WF_SQL_WAITS = 0, // was not asked yet
    WF_SQL_OK,
    WF_SQL_CUT,     // judged on a window that had to be cut
    WF_SQL_UNKNOWN, // something that it looks at is not seen
    WF_SQL_BROKEN
};
const char *wf_sql_state_name(enum wf_sql_state state);
struct wf_engine_sql {
    const struct wf_rule *rule;
    enum wf_sql_state state;
    int64_t since_ms;
    const char *reason; // "" when it is OK
    size_t rows;        // of its last answer
};
typedef void (*wf_engine_sql_fn)(void *arg, const struct wf_engine_sql *s);
void wf_engine_each_sql(const struct wf_engine *e, wf_engine_sql_fn fn, void *arg);
// What the windows of such rules take: the monitor's own (domain ""), and those of each domain whose products brought some.
typedef void (*wf_engine_usage_fn)(
    void *arg, const char *domain, const struct wf_query_usage *usage);
void wf_engine_each_usage(const struct wf_engine *e, wf_engine_usage_fn fn, void *arg);
// An alert that was kept over a restart, of a rule of now: its series was true, and when it is not any more that is told. Of a rule that is
// SQL: when its row is in the answer no more. A series that says nothing more is given up as others are.
struct wf_engine_kept {
    const char *rule;
    const struct wf_labels *labels;
    const char *product, *origin;
    int64_t since_ms, last_ms; // when it became true; when it was heard of last
    bool fired;
};
WEFT_MUST_USE enum weft_err wf_engine_was_true(
    struct wf_engine *e, const struct wf_engine_kept *kept);
// Whether a product has to be read again from where wf_engine_span begins (an inventory: from its first row), since rules that came later
// look at it. True once for each such product.
bool wf_engine_lacks(struct wf_engine *e, const char *product);

// Baselines over a restart: calls fn for each; and takes one back, which waits for its series.
typedef void (*wf_baseline_fn)(
    void *arg, uint64_t series, unsigned slot, const struct wf_baseline *b);
void wf_engine_baselines(const struct wf_engine *e, wf_baseline_fn fn, void *arg);
typedef bool (*wf_baseline_find_fn)(
    void *arg, uint64_t series, unsigned slot, struct wf_baseline *ret);
void wf_engine_baseline_source(struct wf_engine *e, wf_baseline_find_fn fn, void *arg);

#endif

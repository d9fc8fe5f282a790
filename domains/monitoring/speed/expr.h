// SPDX-License-Identifier: Apache-2.0
// Conditions of rules: `used / size > 90% and not read_only`, read into a small tree and judged against a record. Owns nothing: the tree is
// plain memory, texts live in the rule's pool. Three answers: a field that a record has no value for makes what rests on it unknown, and
// unknown is neither true nor false. Invariant: a tree that was read without an error has operands of fitting kinds and ends.
// Thread rule: pure functions. Grammar: weft-rules(5).
#ifndef WF_MONITORING_EXPR_H
#define WF_MONITORING_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domains/monitoring/speed/pool.h"

#define WF_EXPR_TEXT    4096u // bytes of one condition
#define WF_EXPR_NODES   128u
#define WF_EXPR_DEPTH   32u
#define WF_EXPR_FIELDS  16u
#define WF_EXPR_WINDOWS 8u
#define WF_EXPR_BY      8u
#define WF_EXPR_NAME    64u

enum wf_expr_op {
    WF_EXPR_NUMBER,
    WF_EXPR_TEXTUAL,
    WF_EXPR_TRUTH, // true, false
    WF_EXPR_FIELD,
    WF_EXPR_WINDOW,
    WF_EXPR_NEG,
    WF_EXPR_NOT,
    WF_EXPR_ABS,
    WF_EXPR_ADD,
    WF_EXPR_SUB,
    WF_EXPR_MUL,
    WF_EXPR_DIV,
    WF_EXPR_LT,
    WF_EXPR_LE,
    WF_EXPR_GT,
    WF_EXPR_GE,
    WF_EXPR_EQ,
    WF_EXPR_NE,
    WF_EXPR_LIKE, // shell pattern
    WF_EXPR_UNLIKE,
    WF_EXPR_AND,
    WF_EXPR_OR,
};

enum wf_window_fn {
    WF_WINDOW_RATE, // of a counter, a second; a step back is a reset
    WF_WINDOW_INCREASE,
    WF_WINDOW_CHANGE, // last - first
    WF_WINDOW_SLOPE,  // a second, by least squares
    WF_WINDOW_MIN,
    WF_WINDOW_MAX,
    WF_WINDOW_AVG,
    WF_WINDOW_SUM,
    WF_WINDOW_COUNT,
    WF_WINDOW_CHANGES, // how often the value was another one
    WF_WINDOW_RESETS,
    WF_WINDOW_DEVIATION, // from the series' own baseline, in spreads
};

struct wf_expr_node {
    enum wf_expr_op op;
    unsigned char kind; // what it gives: enum wf_expr_kind
    unsigned a, b;      // operands
    unsigned slot;      // FIELD, WINDOW
    double number;      // NUMBER, TRUTH
    const char *text;   // TEXTUAL
};

struct wf_expr_window {
    enum wf_window_fn fn;
    int64_t span_ms; // 0: of a baseline
    unsigned arg;    // node
};

enum wf_expr_kind { WF_KIND_NONE = 0, WF_KIND_NUMBER, WF_KIND_TEXT, WF_KIND_TRUTH, WF_KIND_ANY };

struct wf_expr {
    struct wf_expr_node nodes[WF_EXPR_NODES];
    unsigned count, root;
    const char *fields[WF_EXPR_FIELDS];
    unsigned field_count;
    struct wf_expr_window windows[WF_EXPR_WINDOWS];
    unsigned window_count;
};

// What a rule's line says: a condition or silence, for how long it has to hold, and what makes a series.
struct wf_condition {
    struct wf_expr expr; // of nothing when it is about silence
    bool silent;
    int64_t silent_ms; // 0: three times what the product promises
    int64_t for_ms;
    bool has_for, has_by;
    const char *by[WF_EXPR_BY];
    unsigned by_count;
};

struct wf_expr_error {
    size_t at; // offset in the text
    char text[200];
};

// Reads `EXPRESSION [for DURATION] [by LABEL, ...]` or `silent [> DURATION] [by ...]`. False with what is wrong.
bool wf_condition_read(
    const char *text, struct wf_pool *pool, struct wf_condition *ret, struct wf_expr_error *error);

// What is known of a number where records are missing that it would be made of.
enum wf_expr_side { WF_SIDE_EXACT = 0, WF_SIDE_LEAST, WF_SIDE_MOST };

struct wf_expr_value {
    enum wf_expr_kind kind; // NONE: unknown
    enum wf_expr_side side; // NUMBER: it is that, at least that, or at most
    double number;          // NUMBER; TRUTH: 0 or 1
    const char *ptr;        // TEXT
    size_t len;
};

// Where values come from. Each writes a value, or NONE.
struct wf_expr_source {
    void *arg;
    void (*field)(void *arg, unsigned slot, struct wf_expr_value *ret);
    void (*window)(void *arg, unsigned slot, struct wf_expr_value *ret);
};

// The value of one node with all below it.
void wf_expr_value(const struct wf_expr *e, unsigned node, const struct wf_expr_source *source,
    struct wf_expr_value *ret);

enum wf_truth { WF_UNKNOWN = 0, WF_FALSE, WF_TRUE };
// The condition as a whole. *ret_shown: the left side of the comparison that decided, for people.
enum wf_truth wf_expr_judge(
    const struct wf_expr *e, const struct wf_expr_source *source, struct wf_expr_value *ret_shown);

const char *wf_window_name(enum wf_window_fn fn);

#endif

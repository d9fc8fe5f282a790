// SPDX-License-Identifier: Apache-2.0
// Rules against written records: what `weft-monitor rules test` runs. A file has tests, each with products, series of values in promtool's
// notation, and every firing that is expected; what fires and is not expected is counted as much as what is missed. weft-rules(5).
// Owns what it read. No clock: a test's time is its own. Thread rule: one owner.
#ifndef WF_MONITORING_TRIAL_H
#define WF_MONITORING_TRIAL_H

#include "domains/monitoring/speed/rules.h"

#define WF_TRIAL_TESTS    256u
#define WF_TRIAL_PRODUCTS 8u
#define WF_TRIAL_INPUTS   64u
#define WF_TRIAL_FIELDS   16u
#define WF_TRIAL_VALUES   100000u // of one field
#define WF_TRIAL_FIRES    64u

// One value of a written series: kind NONE is "no record now" for a field that all records have, else "not in this record".
struct wf_written {
    double number;
    const char *text; // NULL: a number
    bool missing;
};

// Reads "1+1x3 _ 5 upx2". False with a text. *ret belongs to the pool.
bool wf_written_read(const char *text, int64_t every_ms, struct wf_pool *pool,
    struct wf_written **ret, size_t *ret_count, char *ret_why, size_t size);

struct wf_trial_span {
    bool is_set;
    int64_t from_ms, until_ms, by_ms;
};

struct wf_trial_field {
    const char *name;
    struct wf_written *values;
    size_t count; // 1: always the same
};

struct wf_trial_input {
    unsigned product;
    const char *origin;
    struct wf_trial_field fields[WF_TRIAL_FIELDS];
    size_t field_count, count;  // count: records
    struct wf_trial_span clock; // its clock is off by by_ms
    struct wf_trial_span held;  // nothing of it arrives then; at the end all does
    struct wf_trial_span gone;  // its row is deleted then
    struct wf_trial_span lost;  // its records of then never come; at the end that is told
};

struct wf_trial_product {
    const char *name, *domain;
    bool events, inventory;
    int64_t freshness_ms;
    const char *keys[WF_TRIAL_FIELDS], *labels[WF_TRIAL_FIELDS];
    size_t key_count, label_count;
    struct wf_trial_span blind;
    struct wf_trial_span lost; // as of an input, of all: whose they were nobody knows
};

struct wf_trial_fire {
    const char *rule;
    struct wf_labels labels;         // all of them have to be in the alert's series
    int64_t from_ms[2], until_ms[2]; // ranges; until -1: still firing at the end
    unsigned line;
};

struct wf_trial {
    const char *name;
    int64_t begin_ms, every_ms, end_ms; // end: from the beginning
    struct wf_trial_product products[WF_TRIAL_PRODUCTS];
    struct wf_trial_input inputs[WF_TRIAL_INPUTS];
    struct wf_trial_fire fires[WF_TRIAL_FIRES];
    size_t product_count, input_count, fire_count;
    unsigned line;
};

struct wf_trials {
    struct wf_pool pool;
    struct wf_trial **trials;
    size_t count;
};

// Reads the key `tests`; mistakes are the file's. NULL without memory.
struct wf_trials *wf_trials_read(struct weft_conf *c);
void wf_trials_free(struct wf_trials *t);

struct wf_trial_result {
    size_t expected, missed, false_firings, records;
    char *told; // a line for each difference (malloc'd), "" when there is none
};
// Runs one; limits NULL: those of the monitor. NOMEM. Release *ret with wf_trial_result_fini.
struct wf_engine_limits;
WEFT_MUST_USE enum weft_err wf_trial_run(const struct wf_trial *t, const struct wf_rules *rules,
    const struct wf_engine_limits *limits, struct wf_trial_result *ret);
void wf_trial_result_fini(struct wf_trial_result *r);

#endif

// SPDX-License-Identifier: Apache-2.0
// A set of rules as people wrote it: weft-rules(5). Owns its texts. Immutable once read; a bad file gives every mistake with its place and
// changes nothing. Thread rule: shared freely once made.
#ifndef WF_MONITORING_RULES_H
#define WF_MONITORING_RULES_H

#include <weft/conf.h>

#include "domains/monitoring/speed/expr.h"
#include "domains/monitoring/speed/labels.h"

#define WF_RULES_MOST     1000u
#define WF_RULE_NAME      64u // with its NUL
#define WF_RULE_PATTERN   136u
#define WF_RULE_LABELS    16u
#define WF_RULE_TEXT      2048u // of a summary or description, and of what a template makes
#define WF_RULE_FORGET_MS (30 * 86400000LL)

// Of rules that come with a product: written by strangers, so they are few and small.
#define WF_SHIPPED_RULES   32u
#define WF_SHIPPED_LABELS  8u
#define WF_SHIPPED_TEXT    512u
#define WF_SHIPPED_SPAN_MS (8 * 86400000LL)      // their windows
#define WF_SHIPPED_SQL     4096u                 // bytes of a question
#define WF_SHIPPED_OVER    4u                    // products of it
#define WF_SHIPPED_OVER_MS 86400000              // its windows
#define WF_SHIPPED_EVERY   10000                 // ms, least between two
#define WF_RULE_FULL       (136u + WF_RULE_NAME) // PRODUCT:NAME

enum wf_severity { WF_INFO = 0, WF_WARNING, WF_CRITICAL };

#define WF_RULE_TABLES   8u
#define WF_RULE_EVERY_MS 30000

// A rule that is a question in SQL: each row of the answer is a series for which it is true.
struct wf_rule_sql {
    const char *text;
    struct {
        const char *product;
        int64_t span_ms;  // records that are not older; 0: an inventory's current rows
        const char *name; // after which its table is named; NULL: the product
    } over[WF_RULE_TABLES];
    size_t over_count;
    int64_t every_ms;
    const char *value; // its column, "": `value` where there is one
};

struct wf_rule {
    const char *name;              // of a rule that came with a product: PRODUCT:NAME
    const char *by;                // whose word it is: "" the monitor's own, else owner and version
    bool taken;                    // it came with a product
    const char *product;           // a shell pattern over domain/name; of SQL the first one
    const char *condition;         // as written, or the SQL
    const struct wf_rule_sql *sql; // NULL: `when` says it
    struct wf_condition when;
    enum wf_severity severity;
    const char *summary, *description, *runbook; // templates; "" where there is none
    struct {
        const char *name, *value; // value: a template
    } labels[WF_RULE_LABELS];
    size_t label_count;
    int64_t forget_ms; // a silent series is given up after that
    bool many;         // the pattern may match several products: each is a series of its own
    uint64_t id;       // of what makes its series: equal over reloads that do not touch it
    unsigned line;
};

struct wf_rules {
    struct wf_pool pool;
    struct wf_rule **rules; // in the file's order
    size_t count;
};

// Reads the key `rules` of a file. Mistakes are added to the file's; NULL without memory. Release with wf_rules_free.
struct wf_rules *wf_rules_read(struct weft_conf *c);
// The same of a file that comes with a product. Its rules look at that product alone (`when:`), or are SQL over it and inventories of the same
// domain, have bounds of their own and name nobody who is told. compile: SQL is compiled, as for its owner; who takes it asks it within its
// bounds and says then what is wrong. The texts live as long as the rules.
struct wf_shipped {
    const char *product, *by;
    bool compile;
};
struct wf_rules *wf_rules_read_shipped(struct weft_conf *c, const struct wf_shipped *shipped);
void wf_rules_free(struct wf_rules *r);
const struct wf_rule *wf_rules_find(const struct wf_rules *r, const char *name);

// Whether a rule looks at records of the product.
bool wf_rule_reads(const struct wf_rule *rule, const char *product);
const char *wf_severity_name(enum wf_severity severity);

// Whether what follows "{{" in templates is closed and has a known filter. False with an offset and a text.
bool wf_template_check(const char *t, size_t *ret_at, const char **ret_text);
// "{{label}}", "{{value}}", "{{value|percent}}" (bytes, duration): labels first, then the fields of the condition; what is neither stays as it
// stands, so that people see it.
typedef bool (*wf_template_fn)(void *arg, const char *name, struct wf_expr_value *ret);
void wf_template_fill(const char *t, wf_template_fn get, void *arg, char *out, size_t size);

#endif

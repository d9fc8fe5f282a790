// SPDX-License-Identifier: Apache-2.0
// The keys of a rule that is SQL: sql, over, every, value. See rules.h.
#ifndef WF_MONITORING_RULES_SQL_H
#define WF_MONITORING_RULES_SQL_H

#include "domains/monitoring/speed/rules.h"

// The names of those keys, ended by NULL.
extern const char *const wf_rules_sql_keys[];
// Reads them from a rule's map that has `sql`. Mistakes are the file's, also those that compiling finds. shipped NULL: the monitor's own.
struct wf_rules_sql {
    struct weft_conf *c;
    struct wf_pool *pool;
    const struct wf_shipped *shipped;
};
void wf_rules_sql_read(
    const struct wf_rules_sql *to, const struct weft_conf_node *map, struct wf_rule *rule);

// Columns of a product where a schema is known; false: it is not.
struct wf_query_field;
struct wf_sql_columns {
    void *arg;
    bool (*get)(
        void *arg, const char *product, const struct wf_query_field **ret, size_t *ret_count);
};
// Compiles a rule. Of a product without known columns those that the SQL names are taken to be there. False with what is wrong, and at which
// byte (-1: as a whole). columns NULL: none are known.
bool wf_sql_compiles(const struct wf_rule *rule, const struct wf_sql_columns *columns, int *ret_at,
    char *ret_why, size_t size);
// Where a byte of a text stands in its file.
void wf_rules_sql_place(
    const struct weft_conf_node *n, size_t at, unsigned *ret_line, unsigned *ret_column);

#endif

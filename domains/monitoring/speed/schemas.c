// SPDX-License-Identifier: Apache-2.0
// See schemas.h.
#include "domains/monitoring/speed/schemas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/stored.h"
#include "domains/monitoring/speed/query.h"
#include "domains/monitoring/speed/rules_sql.h"

struct schemas {
    struct wf_mon_db *db; // NULL: there is none
    const char *path;
    struct wf_query_field fields[WF_QUERY_FIELDS];
    char names[WF_QUERY_FIELDS][WF_MON_NAME];
    size_t count;
};

static const char *type_of(const struct wf_mon_cell *cell)
{
    for (int t = WEFT_T_BOOL; t <= WEFT_T_JSON; t++) {
        const char *name = wf_mon_type_name((enum weft_type)t);
        if (cell->class == WF_MON_TEXT && strlen(name) == cell->len &&
            memcmp(name, cell->ptr, cell->len) == 0)
            return wf_mon_sql_type((enum weft_type)t);
    }
    return NULL;
}

static bool read_columns(struct schemas *s, const char *product)
{
    char sql[512];
    struct wf_mon_cell cell;

    s->count = 0;
    // A product's name has no quotation mark: the reader of rules saw to that.
    snprintf(sql, sizeof sql,
        "SELECT c.field, c.type FROM _columns c JOIN _table t ON t.tbl = c.tbl WHERE t.product = "
        "'%s' ORDER BY c.number",
        product);
    if (!s->db || wf_mon_db_query(s->db, sql))
        return false;
    while (s->count < WF_QUERY_FIELDS && !wf_mon_db_step(s->db)) {
        wf_mon_db_cell(s->db, 0, &cell);
        snprintf(s->names[s->count], WF_MON_NAME, "%.*s", (int)cell.len,
            cell.class == WF_MON_TEXT ? cell.ptr : "");
        wf_mon_db_cell(s->db, 1, &cell);
        s->fields[s->count] =
            (struct wf_query_field){ .name = s->names[s->count], .type = type_of(&cell) };
        s->count++;
    }
    return s->count > 0;
}

static bool get(
    void *arg, const char *product, const struct wf_query_field **ret, size_t *ret_count)
{
    struct schemas *s = arg;

    if (!read_columns(s, product)) {
        if (s->db)
            printf("%s: %s is not in the database: its columns are taken to be there\n", s->path,
                product);
        return false;
    }
    *ret = s->fields;
    *ret_count = s->count;
    return true;
}

static void check_rule(struct schemas *s, struct wf_rules_file *file, const struct wf_rule *rule)
{
    const struct wf_sql_columns columns = { .arg = s, .get = get };
    const struct weft_conf_node *rules = weft_conf_get(weft_conf_root(file->conf), "rules");
    const struct weft_conf_node *map = rules ? weft_conf_get(rules, rule->name) : NULL;
    const struct weft_conf_node *n = map ? weft_conf_get(map, "sql") : NULL;
    char why[300];
    int at = -1;

    if (!n || wf_sql_compiles(rule, &columns, &at, why, sizeof why))
        return;
    unsigned line = n->line, column = n->column;
    if (at >= 0)
        wf_rules_sql_place(n, (size_t)at, &line, &column);
    weft_conf_error(file->conf, line, column, "%s", why);
}

enum weft_err wf_schemas_check(struct wf_rules_file *file, const char *path,
    const struct wf_mon_options *o, struct weft_problem *problem)
{
    struct schemas *s = calloc(1, sizeof *s);
    enum weft_err err = s ? WEFT_OK : WEFT_E_NOMEM;
    bool any = false;

    for (size_t i = 0; i < file->rules->count; i++)
        any = any || file->rules->rules[i]->sql;
    if (!err && any)
        err = wf_mon_db_open(wf_mon_where(o), &s->db, problem);
    if (err == WEFT_E_NOT_FOUND) {
        printf("%s: no database: columns that SQL names are taken to be there\n", path);
        err = WEFT_OK;
    }
    if (s)
        s->path = path;
    for (size_t i = 0; i < file->rules->count && !err; i++)
        if (file->rules->rules[i]->sql)
            check_rule(s, file, file->rules->rules[i]);
    if (s)
        wf_mon_db_close(s->db);
    free(s);
    return err;
}

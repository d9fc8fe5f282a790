// SPDX-License-Identifier: Apache-2.0
// Compiles a rule's SQL before there are records. See rules_sql.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "domains/monitoring/speed/query.h"
#include "domains/monitoring/speed/rules_sql.h"

#define ASSUMED 64u // columns of a product without a known schema

struct assumed {
    struct wf_query_table *table;
    bool known; // its columns are those of a schema
    struct wf_query_field fields[ASSUMED];
    char names[ASSUMED][WF_MON_NAME];
    size_t count;
};

struct check {
    const struct wf_rule *rule;
    struct wf_query *query;
    struct wf_query_ask ask;
    struct wf_query_error error;
    struct assumed tables[WF_RULE_TABLES];
    bool hidden; // assume_hidden was tried
};

static enum weft_err compile(struct check *c)
{
    return wf_query_begin(c->query, &c->ask, &c->error);
}

// The table anew with the columns that it is taken to have.
static enum weft_err make(struct check *c, size_t i)
{
    const struct wf_rule_sql *sql = c->rule->sql;
    struct assumed *t = &c->tables[i];

    wf_query_end(c->query);
    wf_query_table_free(c->query, t->table);
    t->table = NULL;
    enum weft_err err =
        wf_query_table_new(c->query, sql->over[i].product, !sql->over[i].span_ms, &t->table);
    c->ask.uses[i].table = t->table;
    return err || t->known ? err : wf_query_table_fields(c->query, t->table, t->fields, t->count);
}

static enum weft_err set_up(struct check *c, const struct wf_sql_columns *columns)
{
    enum weft_err err = WEFT_OK;

    c->ask.sql = c->rule->sql->text;
    c->ask.use_count = c->rule->sql->over_count;
    for (size_t i = 0; i < c->ask.use_count && !err; i++) {
        c->ask.uses[i].name = c->rule->sql->over[i].name;
        const struct wf_query_field *fields;
        size_t count;
        err = make(c, i);
        if (err || !columns ||
            !columns->get(columns->arg, c->rule->sql->over[i].product, &fields, &count))
            continue;
        c->tables[i].known = true;
        err = wf_query_table_fields(c->query, c->tables[i].table, fields, count);
    }
    return err;
}

// The column that SQLite misses, behind the name of its table. False: it complains of something else. Since 3.45 a name that the question has in
// quotes is told in quotes, with an advice behind it.
static bool missing_column(const struct wf_query_error *e, char ret_name[WF_MON_NAME])
{
    static const char begin[] = "no such column: ";
    const char *name = e->text + sizeof begin - 1, *dot;
    size_t len;

    if (strncmp(e->text, begin, sizeof begin - 1) != 0)
        return false;
    if (*name == '"') {
        name++;
        len = strcspn(name, "\"");
    } else {
        dot = strrchr(name, '.');
        name = dot ? dot + 1 : name;
        len = strlen(name);
    }
    snprintf(ret_name, WF_MON_NAME, "%.*s", (int)len, name);
    return true;
}

// Gives the column to the first product without a schema with which SQLite is content. False: with none it is.
static bool assume(struct check *c, const char name[WF_MON_NAME])
{
    struct wf_query_error before = c->error;

    for (size_t i = 0; i < c->ask.use_count; i++) {
        struct assumed *t = &c->tables[i];
        if (t->known || t->count == ASSUMED || !name[0])
            continue;
        memcpy(t->names[t->count], name, WF_MON_NAME);
        t->fields[t->count] = (struct wf_query_field){ .name = t->names[t->count] };
        t->count++;
        if (make(c, i))
            return false;
        enum weft_err err = compile(c);
        if (!err || strcmp(c->error.text, before.text) != 0)
            return true;
        t->count--;
        if (make(c, i))
            return false;
    }
    c->error = before;
    return false;
}

// JOIN ... USING wants a column of all of them. False: SQLite complains of something else.
static bool assume_shared(struct check *c)
{
    static const char begin[] = "cannot join using column ";
    const char *from = c->error.text + sizeof begin - 1;
    bool added = false;
    char name[WF_MON_NAME];

    if (strncmp(c->error.text, begin, sizeof begin - 1) != 0)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(from, " "), from);
    for (size_t i = 0; i < c->ask.use_count; i++) {
        struct assumed *t = &c->tables[i];
        size_t at = 0;
        while (at < t->count && strcasecmp(t->names[at], name) != 0)
            at++;
        if (t->known || at < t->count || at == ASSUMED)
            continue;
        memcpy(t->names[at], name, sizeof name);
        t->fields[at] = (struct wf_query_field){ .name = t->names[at] };
        t->count++;
        added = true;
        if (make(c, i))
            return false;
    }
    return added;
}

// "count(*) AS value ... WHERE value > 9": a field of that name goes before the answer's, and where nobody knows of it SQLite takes the answer's.
static bool assume_hidden(struct check *c)
{
    const char *name = c->rule->sql->value[0] ? c->rule->sql->value : "value";

    if (c->hidden || strncmp(c->error.text, "misuse of aggregate", 19) != 0)
        return false;
    c->hidden = true;
    for (size_t i = 0; i < c->ask.use_count; i++) {
        struct assumed *t = &c->tables[i];
        if (t->known || t->count == ASSUMED)
            continue;
        snprintf(t->names[t->count], sizeof t->names[t->count], "%s", name);
        t->fields[t->count] = (struct wf_query_field){ .name = t->names[t->count] };
        t->count++;
        return make(c, i) == WEFT_OK;
    }
    return false;
}

static bool has_column(const struct check *c, const char *name)
{
    for (size_t i = 0; i < wf_query_columns(c->query); i++)
        if (strcasecmp(wf_query_column(c->query, i), name) == 0)
            return true;
    return false;
}

// Whether the answer may have columns that nobody knows: a star over a product without a schema.
static bool is_open(const struct check *c)
{
    bool assumed = false;

    for (size_t i = 0; i < c->ask.use_count; i++)
        assumed = assumed || !c->tables[i].known;
    for (const char *star = strchr(c->ask.sql, '*'); star && assumed; star = strchr(star + 1, '*'))
        if (star > c->ask.sql && star[-1] != '(')
            return true;
    return false;
}

static bool check_columns(struct check *c)
{
    const struct wf_rule *rule = c->rule;

    if (rule->sql->value[0] && !has_column(c, rule->sql->value)) {
        snprintf(c->error.text, sizeof c->error.text,
            "the answer has no column %s, which value names", rule->sql->value);
        return false;
    }
    for (unsigned i = 0; i < rule->when.by_count; i++) {
        if (has_column(c, rule->when.by[i]))
            continue;
        snprintf(c->error.text, sizeof c->error.text, "the answer has no column %s, which by names",
            rule->when.by[i]);
        return false;
    }
    return true;
}

static bool check(struct check *c, const struct wf_sql_columns *columns)
{
    enum weft_err err = set_up(c, columns);

    if (err) {
        snprintf(c->error.text, sizeof c->error.text, "%s", weft_err_text(err));
        return false;
    }
    char column[WF_MON_NAME];
    err = compile(c);
    while (err) {
        if (missing_column(&c->error, column) ? !assume(c, column)
                                              : !assume_shared(c) && !assume_hidden(c))
            return false;
        err = compile(c);
    }
    c->error.at = -1;
    return is_open(c) || check_columns(c);
}

bool wf_sql_compiles(const struct wf_rule *rule, const struct wf_sql_columns *columns, int *ret_at,
    char *ret_why, size_t size)
{
    struct check *c = calloc(1, sizeof *c);
    bool ok = false;

    *ret_at = -1;
    snprintf(ret_why, size, "%s", weft_err_text(WEFT_E_NOMEM));
    if (!c)
        return false;
    c->rule = rule;
    c->error.at = -1;
    c->query = wf_query_new(NULL);
    if (c->query) {
        ok = check(c, columns);
        *ret_at = c->error.at;
        snprintf(ret_why, size, "%s", c->error.text);
    }
    wf_query_free(c->query);
    free(c);
    return ok;
}

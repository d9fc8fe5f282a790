// SPDX-License-Identifier: Apache-2.0
// See shipped.h.
#include "domains/monitoring/alert/shipped.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/fields.h"
#include "domains/monitoring/common/monitor.h"
#include "domains/monitoring/speed/rules_sql.h"

#define SET_MAX (256u * 1024) // of a descriptor set, as weft has it

// ---- what a manifest names -----------------------------------------------------------------------------------------------------

bool wf_path_beside(const char *file, const char *name, char *out, size_t size)
{
    const char *slash = strrchr(file, '/');
    int dir = slash && name[0] != '/' ? (int)(slash + 1 - file) : 0;
    int len = snprintf(out, size, "%.*s%s", dir, file, name);

    return len > 0 && (size_t)len < size;
}

static const char *text_of(const struct weft_conf_node *map, const char *key)
{
    const struct weft_conf_node *n = map ? weft_conf_get(map, key) : NULL;

    return n && n->kind == WEFT_CONF_VALUE ? n->text : NULL;
}

// The compiled schema: as the manifest says, else beside its source.
static bool set_of(
    const char *path, const struct weft_conf_node *schema, struct wf_shipped_file *ret)
{
    const char *set = text_of(schema, "descriptor"), *proto = text_of(schema, "proto");
    char name[4096];

    if (!set && proto) {
        size_t stem = strlen(proto);
        stem -= stem > 6 && strcmp(proto + stem - 6, ".proto") == 0 ? 6 : 0;
        snprintf(name, sizeof name, "%.*s.desc", (int)stem, proto);
        set = name;
    }
    return !set || wf_path_beside(path, set, ret->set, sizeof ret->set);
}

// A file without a schema is one of rules alone.
static int name_all(const char *path, const char *product, struct wf_shipped_file *ret)
{
    const struct weft_conf_node *root = weft_conf_root(ret->manifest);
    const char *rules = text_of(root, "rules"), *name = text_of(root, "name");
    bool fits = true;

    ret->message = text_of(weft_conf_get(root, "schema"), "message");
    if (product)
        snprintf(ret->product, sizeof ret->product, "%s", product);
    else
        snprintf(ret->product, sizeof ret->product, "own/%.100s", name ? name : "product");
    if (!weft_conf_get(root, "schema"))
        fits = wf_path_beside("", path, ret->path, sizeof ret->path);
    else if (rules)
        fits = wf_path_beside(path, rules, ret->path, sizeof ret->path) &&
               set_of(path, weft_conf_get(root, "schema"), ret);
    return fits ? 0 : wf_mon_fail(WEFT_E_TOO_BIG, "a path is too long", "");
}

// ---- whether it fits the schema --------------------------------------------------------------------------------------------------

static void on_observed(void *arg, const struct wf_observed *o)
{
    (void)arg, (void)o;
}

struct fitting {
    const struct wf_shipped_file *file;
    const struct wf_shape *shape;
    struct wf_query_field *fields;
    int status;
};

static bool columns_of(
    void *arg, const char *product, const struct wf_query_field **ret, size_t *ret_count)
{
    const struct fitting *f = arg;

    *ret = f->fields;
    *ret_count = f->shape->field_count;
    return strcmp(product, f->file->product) == 0;
}

static void tell(struct fitting *f, unsigned line, const char *why)
{
    fprintf(stderr, "%s:%u: %s\n", f->file->path, line, why);
    f->status = weft_err_exit(WEFT_E_CONFIG);
}

// Of SQL the columns of its own product; those of inventories beside it are taken to be there.
static enum weft_err fit_sql(struct fitting *f, const struct wf_rule *rule)
{
    const struct wf_sql_columns columns = { .arg = f, .get = columns_of };
    const struct weft_conf_node *rules = weft_conf_get(weft_conf_root(f->file->conf), "rules"),
                                *map = weft_conf_get(rules, strchr(rule->name, ':') + 1),
                                *n = weft_conf_get(map, "sql");
    unsigned line = n->line, column = n->column;
    char why[300];
    int at = -1;

    f->fields = calloc(f->shape->field_count + 1, sizeof *f->fields);
    if (!f->fields)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < f->shape->field_count; i++)
        f->fields[i] = (struct wf_query_field){ .name = f->shape->fields[i].name,
            .type = f->shape->fields[i].type,
            .key = f->shape->fields[i].key };
    if (!wf_sql_compiles(rule, &columns, &at, why, sizeof why)) {
        if (at >= 0)
            wf_rules_sql_place(n, (size_t)at, &line, &column);
        tell(f, line, why);
    }
    free(f->fields);
    return WEFT_OK;
}

static enum weft_err fit_condition(
    struct fitting *f, struct wf_engine *e, struct wf_shape *shape, struct wf_rule *rule)
{
    static const struct wf_rules none = { .count = 0 };
    const struct wf_rules one = { .rules = &rule, .count = 1 };
    struct wf_engine_stats stats;

    wf_engine_rules(e, &one, 0);
    enum weft_err err = wf_engine_reshape(e, shape);
    wf_engine_stats(e, &stats);
    if (!err && stats.problem[0])
        tell(f, rule->line, stats.problem);
    wf_engine_rules(e, &none, 0); // the engine outlives this one
    return err;
}

// Each rule alone, so that each says what its product does not have.
static int fit(const struct wf_shipped_file *file, const struct weft_product *p)
{
    struct wf_mon_feed feed = { .kind = WEFT_METRIC };
    struct wf_fields fields = { .made = false };
    struct wf_engine *e = wf_engine_new(NULL, on_observed, NULL);
    struct fitting f = { .file = file, .shape = &fields.shape };

    memcpy(feed.product, file->product, sizeof feed.product);
    enum weft_err err = e ? wf_fields_use(&fields, e, &feed, p) : WEFT_E_NOMEM;
    for (size_t i = 0; i < file->rules->count && !err; i++)
        err = file->rules->rules[i]->sql
                  ? fit_sql(&f, file->rules->rules[i])
                  : fit_condition(&f, e, &fields.shape, file->rules->rules[i]);
    if (e)
        wf_fields_fini(&fields, e);
    wf_engine_free(e);
    return err ? wf_mon_fail(err, weft_err_text(err), "") : f.status;
}

static int fit_schema(struct wf_shipped_file *file)
{
    struct weft_product *p = NULL;
    struct weft_problem problem = { 0 };
    FILE *f = file->set[0] && file->message ? fopen(file->set, "rb") : NULL;
    void *set = f ? malloc(SET_MAX) : NULL;
    size_t len = set ? fread(set, 1, SET_MAX, f) : 0;
    int status = 0;

    if (f)
        (void)fclose(f);
    file->fitted = len > 0;
    if (len) {
        enum weft_err err = weft_product_from_descriptor(set, len, file->message, &p, &problem);
        status = err ? wf_mon_fail(err, problem.text, problem.hint) : fit(file, p);
    }
    weft_product_free(p);
    free(set);
    return status;
}

// ---- opening -----------------------------------------------------------------------------------------------------------------------

static int read_rules(struct wf_shipped_file *file)
{
    const struct wf_shipped shipped = { .product = file->product, .by = "", .compile = true };
    struct weft_problem problem = { 0 };
    enum weft_err err = weft_conf_open(file->path, 0, &file->conf, &problem);

    if (err)
        return wf_mon_fail(err, problem.text, problem.hint);
    file->rules = wf_rules_read_shipped(file->conf, &shipped);
    if (!file->rules)
        return wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    if (weft_conf_errors(file->conf)[0]) {
        fputs(weft_conf_errors(file->conf), stderr);
        return weft_err_exit(WEFT_E_CONFIG);
    }
    return fit_schema(file);
}

int wf_shipped_open(const char *path, const char *product, struct wf_shipped_file *ret)
{
    struct weft_problem problem = { 0 };

    memset(ret, 0, sizeof *ret);
    enum weft_err err = weft_conf_open(path, 0, &ret->manifest, &problem);
    int status = err ? wf_mon_fail(err, problem.text, problem.hint) : name_all(path, product, ret);
    return status || !ret->path[0] ? status : read_rules(ret);
}

void wf_shipped_close(struct wf_shipped_file *f)
{
    wf_rules_free(f->rules);
    weft_conf_free(f->conf);
    weft_conf_free(f->manifest);
    memset(f, 0, sizeof *f);
}

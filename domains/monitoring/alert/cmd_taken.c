// SPDX-License-Identifier: Apache-2.0
// Rules that come with products, for people: an owner checks its own before they are applied; the monitor's operator sees what is taken.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/book.h"
#include "domains/monitoring/alert/cmd_taken.h"
#include "domains/monitoring/alert/fields.h"
#include "domains/monitoring/common/watch.h"

#define SET_MAX (256u * 1024) // of a descriptor set, as weft has it

// ---- check --------------------------------------------------------------------------------------------------------------------

// What a manifest names; all of it empty of a file of rules alone.
struct named {
    char product[136], rules[4096], set[4096];
    const char *message;
};

static bool beside(const char *file, const char *name, char *out, size_t size)
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
static bool set_of(const char *path, const struct weft_conf_node *schema, struct named *ret)
{
    const char *set = text_of(schema, "descriptor"), *proto = text_of(schema, "proto");
    char name[4096];

    if (!set && proto) {
        size_t stem = strlen(proto);
        stem -= stem > 6 && strcmp(proto + stem - 6, ".proto") == 0 ? 6 : 0;
        snprintf(name, sizeof name, "%.*s.desc", (int)stem, proto);
        set = name;
    }
    return !set || beside(path, set, ret->set, sizeof ret->set);
}

static int name_all(const char *path, struct weft_conf *c, struct named *ret)
{
    const struct weft_conf_node *root = weft_conf_root(c);
    const char *rules = text_of(root, "rules"), *name = text_of(root, "name");
    bool fits;

    *ret = (struct named){ .message = text_of(weft_conf_get(root, "schema"), "message") };
    snprintf(ret->product, sizeof ret->product, "own/%.100s", name ? name : "product");
    if (!weft_conf_get(root, "schema")) {
        fits = beside("", path, ret->rules, sizeof ret->rules); // a file of rules
    } else if (!rules) {
        printf("%s: no rules come with it\n", path);
        return 0;
    } else {
        fits = beside(path, rules, ret->rules, sizeof ret->rules) &&
               set_of(path, weft_conf_get(root, "schema"), ret);
    }
    return fits ? 0 : wf_mon_fail(WEFT_E_TOO_BIG, "a path is too long", "");
}

static void on_observed(void *arg, const struct wf_observed *o)
{
    (void)arg, (void)o;
}

// Each rule alone, so that each says what its product does not have.
static int fit(const struct named *n, const struct wf_rules *rules, const struct weft_product *p)
{
    struct wf_mon_feed feed = { .kind = WEFT_METRIC };
    struct wf_fields fields = { .made = false };
    struct wf_engine *e = wf_engine_new(NULL, on_observed, NULL);
    struct wf_engine_stats stats;
    int status = 0;

    memcpy(feed.product, n->product, sizeof feed.product);
    enum weft_err err = e ? wf_fields_use(&fields, e, &feed, p) : WEFT_E_NOMEM;
    for (size_t i = 0; i < rules->count && !err; i++) {
        const struct wf_rules one = { .rules = &rules->rules[i], .count = 1 };
        wf_engine_rules(e, &one, 0);
        err = wf_engine_reshape(e, &fields.shape);
        wf_engine_stats(e, &stats);
        if (err || !stats.problem[0])
            continue;
        fprintf(stderr, "%s:%u: %s\n", n->rules, rules->rules[i]->line, stats.problem);
        status = weft_err_exit(WEFT_E_CONFIG);
    }
    if (e)
        wf_fields_fini(&fields, e);
    wf_engine_free(e);
    return err ? wf_mon_fail(err, weft_err_text(err), "") : status;
}

static int fit_schema(const struct named *n, const struct wf_rules *rules)
{
    struct weft_product *p = NULL;
    struct weft_problem problem = { 0 };
    FILE *f = n->set[0] && n->message ? fopen(n->set, "rb") : NULL;
    void *set = f ? malloc(SET_MAX) : NULL;
    size_t len = set ? fread(set, 1, SET_MAX, f) : 0;
    int status = 0;

    if (f)
        (void)fclose(f);
    if (!len) {
        fprintf(stderr, "weft-monitor: no compiled schema%s%s: fields are not looked at\n",
            n->set[0] ? " at " : "", n->set);
    } else {
        enum weft_err err = weft_product_from_descriptor(set, len, n->message, &p, &problem);
        status = err ? wf_mon_fail(err, problem.text, problem.hint) : fit(n, rules, p);
    }
    weft_product_free(p);
    free(set);
    return status;
}

static int check_rules(const struct named *n)
{
    const struct wf_shipped shipped = { .product = n->product, .by = "", .compile = true };
    struct weft_problem problem = { 0 };
    struct weft_conf *c = NULL;
    enum weft_err err = weft_conf_open(n->rules, 0, &c, &problem);
    int status;

    if (err)
        return wf_mon_fail(err, problem.text, problem.hint);
    struct wf_rules *rules = wf_rules_read_shipped(c, &shipped);
    if (!rules)
        status = wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    else if (weft_conf_errors(c)[0]) {
        fputs(weft_conf_errors(c), stderr);
        status = weft_err_exit(WEFT_E_CONFIG);
    } else
        status = fit_schema(n, rules);
    if (!status)
        printf("%s: %zu rules\n", n->rules, rules->count);
    wf_rules_free(rules);
    weft_conf_free(c);
    return status;
}

int wf_mon_check_shipped(const char *path)
{
    struct weft_problem problem = { 0 };
    struct weft_conf *c = NULL;
    struct named *n = calloc(1, sizeof *n);
    enum weft_err err = n ? weft_conf_open(path, 0, &c, &problem) : WEFT_E_NOMEM;
    int status = err ? wf_mon_fail(err, problem.text, problem.hint) : name_all(path, c, n);

    if (!status && n->rules[0])
        status = check_rules(n);
    weft_conf_free(c);
    free(n);
    return status;
}

// ---- taken --------------------------------------------------------------------------------------------------------------------

struct taken_list {
    struct wf_mon_print *p;
    int64_t now_ms;
    bool machine;
    size_t wrong;
};

static enum weft_err list_one(void *arg, const struct wf_taken_item *item, uint64_t rules)
{
    struct taken_list *l = arg;
    char ago[24] = "";

    l->wrong += item->problem[0] != '\0';
    wf_mon_print_text(l->p, item->product);
    wf_mon_print_number(l->p, (int64_t)rules);
    wf_mon_print_text(l->p, item->version);
    wf_mon_print_text(l->p, item->by);
    if (l->machine) {
        wf_mon_print_number(l->p, item->taken_ms);
    } else {
        if (item->taken_ms)
            wf_mon_ago(l->now_ms - item->taken_ms, ago);
        wf_mon_print_text(l->p, ago);
    }
    wf_mon_print_text(l->p, item->problem);
    return WEFT_OK;
}

int wf_mon_taken(const struct wf_mon_options *o)
{
    static const char *const people[] = { "PRODUCT", "RULES", "VERSION", "BY", "FOR", "PROBLEM" };
    static const char *const machines[] = { "product", "rules", "version", "by", "taken_ms",
        "problem" };
    struct taken_list l = { .now_ms = wf_mon_unix_ms(), .machine = o->format != WF_MON_AS_TABLE };
    struct weft_problem problem = { 0 };
    struct wf_book *b = NULL;
    enum weft_err err = wf_book_open(o->alerts, WF_BOOK_LOOK, &b, &problem);

    if (err)
        return wf_mon_fail(err, problem.text, problem.hint);
    l.p = wf_mon_print_new(o->format, "weft.taken-rules/v1", NULL, l.machine ? machines : people,
        sizeof people / sizeof *people);
    err = l.p ? wf_book_taken(b, list_one, &l) : WEFT_E_NOMEM;
    enum weft_err printed = l.p ? wf_mon_print_done(l.p) : WEFT_OK;
    wf_book_close(b);
    err = err ? err : printed;
    return err ? wf_mon_fail(err, weft_err_text(err), "") : l.wrong ? 1 : 0;
}

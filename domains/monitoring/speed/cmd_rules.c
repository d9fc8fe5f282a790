// SPDX-License-Identifier: Apache-2.0
// weft-monitor rules check|test|taken: rules without a mesh. check says everything that is wrong with a file (of SQL by
// the columns of a database, where there is one); test runs rules against written records and counts what was missed and
// what fired for nothing; taken lists what came with products.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/cmd_taken.h"
#include "domains/monitoring/alert/shipped.h"
#include "domains/monitoring/speed/file.h"
#include "domains/monitoring/speed/schemas.h"
#include "domains/monitoring/speed/trial.h"

#define BRINGS 16u // products of a file of tests

struct sums {
    size_t tests, failed, expected, missed, false_firings, records;
};

// What only a schema tells.
static int check_sql(const char *path, const struct wf_mon_options *o, struct wf_rules_file *file)
{
    struct weft_problem problem = { 0 };
    enum weft_err err = wf_schemas_check(file, path, o, &problem);

    if (err)
        return wf_mon_fail(err, problem.text[0] ? problem.text : weft_err_text(err), problem.hint);
    fputs(weft_conf_errors(file->conf), stderr);
    return weft_conf_errors(file->conf)[0] ? weft_err_exit(WEFT_E_CONFIG) : 0;
}

static int check_one(const char *path, unsigned flags, const struct wf_mon_options *o)
{
    struct wf_rules_file file;
    int status = wf_rules_file_open(path, flags, &file);

    if (!status)
        status = check_sql(path, o, &file);
    if (!status)
        printf("%s: %zu rules\n", path, file.rules->count);
    wf_rules_file_close(&file);
    return status;
}

static int check(const struct wf_mon_options *o)
{
    int status = 0;

    if (o->word_count == 1 && o->pattern_count == 0) // those in use
        return check_one(o->rules, wf_rules_flags(o), o);
    for (size_t i = 1; i < o->word_count; i++) {
        int one = check_one(o->args[i], 0, o);
        status = status ? status : one;
    }
    for (size_t i = 0; i < o->pattern_count; i++) { // --product
        int one = wf_mon_check_shipped(o->patterns[i]);
        status = status ? status : one;
    }
    return status;
}

// ---- test ------------------------------------------------------------------------------------------------------------------------

// Each line of what went wrong, behind the test's place.
static void print_told(const char *path, const struct wf_trial *t, const char *told)
{
    while (*told) {
        size_t len = strcspn(told, "\n");
        printf("%s:%u: %s: %.*s\n", path, t->line, t->name, (int)len, told);
        told += len + (told[len] == '\n');
    }
}

static int run_one(
    const char *path, const struct wf_trial *t, const struct wf_rules *rules, struct sums *s)
{
    struct wf_trial_result r = { 0 };
    enum weft_err err = wf_trial_run(t, rules, NULL, &r);

    if (err)
        return wf_mon_fail(err, weft_err_text(err), "");
    bool failed = r.missed || r.false_firings;
    s->tests++;
    s->failed += failed;
    s->expected += r.expected;
    s->missed += r.missed;
    s->false_firings += r.false_firings;
    s->records += r.records;
    print_told(path, t, r.told);
    wf_trial_result_fini(&r);
    return failed;
}

// `rules: FILE` beside the test's own file, or the rules themselves.
static int rules_of(
    const char *path, struct weft_conf *c, struct wf_rules **ret_own, struct wf_rules_file *other)
{
    const struct weft_conf_node *n = weft_conf_get(weft_conf_root(c), "rules");
    char name[4096];

    if (!n || n->kind != WEFT_CONF_VALUE) {
        *ret_own = wf_rules_read(c);
        return *ret_own ? 0 : wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    }
    if (!wf_path_beside(path, n->text, name, sizeof name))
        return wf_mon_fail(WEFT_E_TOO_BIG, "the path of the rules is too long", "");
    return wf_rules_file_open(name, 0, other);
}

// What products bring to a test: `brings: {DOMAIN/PRODUCT: FILE}`, each a manifest or a file of rules beside the test's own.
struct brought {
    struct wf_shipped_file files[BRINGS];
    size_t count;
    struct wf_rules all; // with the own ones
};

static int take_file(
    const char *path, const struct weft_conf_node *k, const struct wf_take *take, struct brought *b)
{
    static const struct wf_take_item whole = { .pattern = "*/*", .with = { "*" }, .with_count = 1 };
    const struct wf_take_item *choice = take->count ? wf_take_find(take, k->key) : &whole;
    struct wf_shipped_file *f = &b->files[b->count];
    struct wf_take_left left = { .unknown = "" };
    char name[4096];

    if (k->kind != WEFT_CONF_VALUE || !strchr(k->key, '/') || b->count == BRINGS)
        return wf_mon_fail(WEFT_E_CONFIG, "want brings: {DOMAIN/PRODUCT: FILE}, at most 16", path);
    if (!wf_path_beside(path, k->text, name, sizeof name))
        return wf_mon_fail(WEFT_E_TOO_BIG, "the path of what is brought is too long", "");
    b->count++;
    int status = wf_shipped_open(name, k->key, f);
    if (status || !f->rules)
        return status;
    if (choice)
        wf_take_apply(choice, f->rules, &left);
    else
        f->rules->count = 0;
    if (!choice || left.unknown[0] || left.rule)
        fprintf(stderr, "%s:%u: %s: %s%s\n", path, k->key_line, k->key,
            !choice     ? "take does not name it"
            : left.rule ? "left out, as it reads what `with` does not give: "
                        : "take names what is no rule: ",
            left.rule ? left.rule : left.unknown);
    return 0;
}

static int take_all(
    const char *path, struct weft_conf *c, const struct wf_rules_file *other, struct brought *b)
{
    const struct weft_conf_node *n = weft_conf_get(weft_conf_root(c), "brings");
    struct wf_take *inside = wf_take_read(c);
    int status = inside ? 0 : wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");

    for (const struct weft_conf_node *k = n ? n->child : NULL; !status && k; k = k->next)
        status = take_file(path, k, other->take && !inside->count ? other->take : inside, b);
    wf_take_free(inside);
    return status;
}

static int add_up(const struct wf_rules *own, struct brought *b)
{
    size_t count = own->count;

    for (size_t i = 0; i < b->count; i++)
        count += b->files[i].rules ? b->files[i].rules->count : 0;
    b->all.rules = calloc(count + 1, sizeof(struct wf_rule *));
    if (!b->all.rules)
        return wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    for (size_t i = 0; i < own->count; i++)
        b->all.rules[b->all.count++] = own->rules[i];
    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; b->files[i].rules && k < b->files[i].rules->count; k++)
            b->all.rules[b->all.count++] = b->files[i].rules->rules[k];
    return 0;
}

static void drop_brought(struct brought *b)
{
    for (size_t i = 0; b && i < b->count; i++)
        wf_shipped_close(&b->files[i]);
    if (b)
        free(b->all.rules);
    free(b);
}

static int test_tree(const char *path, struct weft_conf *c, struct sums *s)
{
    static const char *const known[] = { "rules", "tests", "about", "brings", "take", NULL };
    struct wf_rules_file other = { 0 };
    struct wf_rules *own = NULL;
    struct wf_trials *trials = wf_trials_read(c);
    struct brought *b = calloc(1, sizeof *b);
    int status = trials && b ? rules_of(path, c, &own, &other)
                             : wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");

    if (!status)
        status = take_all(path, c, &other, b);
    if (!status)
        status = add_up(own ? own : other.rules, b);
    weft_conf_known(c, weft_conf_root(c), known);
    if (!status && weft_conf_errors(c)[0]) {
        fputs(weft_conf_errors(c), stderr);
        status = weft_err_exit(WEFT_E_CONFIG);
    }
    for (size_t i = 0; !status && i < trials->count; i++) {
        int one = run_one(path, trials->trials[i], &b->all, s);
        status = one > 1 ? one : 0;
    }
    wf_trials_free(trials);
    drop_brought(b);
    wf_rules_free(own);
    wf_rules_file_close(&other);
    return status;
}

static int test(const struct wf_mon_options *o)
{
    struct sums s = { 0 };
    int status = 0;

    for (size_t i = 1; i < o->word_count && !status; i++) {
        struct weft_conf *c = NULL;
        struct weft_problem problem = { 0 };
        enum weft_err err = weft_conf_open(o->args[i], 0, &c, &problem);
        if (err)
            return wf_mon_fail(err, problem.text, problem.hint);
        status = test_tree(o->args[i], c, &s);
        weft_conf_free(c);
    }
    if (status)
        return status;
    printf("%zu tests, %zu failed; %zu records, %zu firings expected, %zu missed, %zu false\n",
        s.tests, s.failed, s.records, s.expected, s.missed, s.false_firings);
    return s.failed ? 1 : 0;
}

int wf_mon_cmd_rules(const struct wf_mon_options *o)
{
    const char *verb = o->word_count ? o->args[0] : "";

    if (strcmp(verb, "check") == 0 && (o->rules || o->word_count + o->pattern_count > 1))
        return check(o);
    if (strcmp(verb, "test") == 0 && o->word_count > 1)
        return test(o);
    if (strcmp(verb, "taken") == 0 && o->word_count <= 2)
        return o->word_count == 2 ? wf_mon_taken_text(o, o->args[1]) : wf_mon_taken(o);
    return wf_mon_fail(WEFT_E_USAGE,
        "want rules check FILE..., rules check --product FILE, rules test FILE... or rules taken "
        "[PRODUCT]",
        "see weft-monitor --help");
}

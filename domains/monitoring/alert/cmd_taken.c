// SPDX-License-Identifier: Apache-2.0
// Rules that come with products, for people: an owner checks its own before they are applied; the monitor's operator sees what is taken.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/book.h"
#include "domains/monitoring/alert/cmd_taken.h"
#include "domains/monitoring/alert/shipped.h"
#include "domains/monitoring/common/watch.h"

int wf_mon_check_shipped(const char *path)
{
    struct wf_shipped_file *f = calloc(1, sizeof *f);
    int status = f ? wf_shipped_open(path, NULL, f)
                   : wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");

    if (f && f->rules && !f->fitted)
        fprintf(stderr, "weft-monitor: no compiled schema%s%s: fields are not looked at\n",
            f->set[0] ? " at " : "", f->set);
    if (!status && f->rules)
        printf("%s: %zu rules\n", f->path, f->rules->count);
    else if (!status)
        printf("%s: no rules come with it\n", path);
    if (f)
        wf_shipped_close(f);
    free(f);
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

struct wanted {
    const char *product;
    bool found;
};

static enum weft_err print_one(void *arg, const struct wf_taken_item *item, uint64_t rules)
{
    struct wanted *w = arg;

    (void)rules;
    if (strcmp(item->product, w->product) != 0 || !item->text)
        return WEFT_OK;
    fputs(item->text, stdout);
    w->found = true;
    return WEFT_OK;
}

int wf_mon_taken_text(const struct wf_mon_options *o, const char *product)
{
    struct wanted w = { .product = product };
    struct weft_problem problem = { 0 };
    struct wf_book *b = NULL;
    enum weft_err err = wf_book_open(o->alerts, WF_BOOK_LOOK, &b, &problem);

    if (err)
        return wf_mon_fail(err, problem.text, problem.hint);
    err = wf_book_taken(b, print_one, &w);
    wf_book_close(b);
    if (err)
        return wf_mon_fail(err, weft_err_text(err), "");
    if (!w.found)
        fprintf(stderr, "weft-monitor: no rules of %s are taken\n", product);
    return w.found ? 0 : 1;
}

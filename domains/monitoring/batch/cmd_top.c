// SPDX-License-Identifier: Apache-2.0
// weft-monitor top: looks again and again and shows what changed: on a terminal live (<weft/screen.h>), else as samples of text or JSON.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/batch/top.h"
#include "domains/monitoring/common/watch.h"

#define EVERY_MS     1000
#define EVERY_MIN_MS 100

struct top {
    const struct wf_mon_options *o;
    int64_t every_ms;
    enum wf_mon_sort sort;
    struct wf_mon_look looks[2]; // the newest at `newest`
    unsigned newest, count;
    enum weft_err err;
};

static void look(void *arg)
{
    struct top *t = arg;
    struct wf_mon_look *l = &t->looks[!t->newest];

    wf_mon_sight_fini(&l->sight);
    t->err = wf_mon_sight_look(t->o, wf_mon_unix_ms(), &l->sight);
    l->at_ms = wf_screen_now_ms();
    t->newest = !t->newest;
    t->count++;
}

static const struct wf_mon_look *newest(const struct top *t)
{
    return &t->looks[t->newest];
}

// What a database without an answer did not say is no number to count from.
static const struct wf_mon_look *before(const struct top *t)
{
    return t->count > 1 && !t->looks[!t->newest].sight.err ? &t->looks[!t->newest] : NULL;
}

// ---- the terminal ------------------------------------------------------------------------------------------------------

static enum weft_err draw(void *arg, struct wf_picture *p)
{
    const struct top *t = arg;

    return t->err ? t->err : wf_mon_top_text(before(t), newest(t), t->sort, p);
}

static void on_key(void *arg, char key)
{
    struct top *t = arg;

    if (key == 's' || key == 'S')
        t->sort = (enum wf_mon_sort)((t->sort + 1) % WF_MON_SORTS);
}

static void tell_keys(void *arg, char *out, size_t size)
{
    const struct top *t = arg;

    snprintf(out, size, "s sort: %s", wf_mon_sort_names[t->sort]);
}

// ---- samples -----------------------------------------------------------------------------------------------------------

static enum weft_err print_sample(struct top *t, bool first)
{
    struct wf_picture text = { 0 };
    enum weft_err err = t->err;

    if (!err && t->o->format != WF_MON_AS_TABLE)
        err = wf_mon_top_json(before(t), newest(t), t->sort, stdout);
    else if (!err)
        err = wf_mon_top_text(before(t), newest(t), t->sort, &text);
    if (!err && text.text) {
        if (!first)
            putchar('\n');
        fputs(text.text, stdout);
    }
    wf_picture_fini(&text);
    return err ? err : fflush(stdout) != 0 || ferror(stdout) ? WEFT_E_IO : WEFT_OK;
}

// A sample is what happened between two looks, so the first comes after one interval.
static enum weft_err as_lines(struct top *t)
{
    enum weft_err err = WEFT_OK;

    for (uint64_t i = 0; !err && (!t->o->count || i < t->o->count); i++) {
        wf_screen_sleep_until(newest(t)->at_ms + t->every_ms);
        look(t);
        err = print_sample(t, i == 0);
    }
    return err;
}

int wf_mon_cmd_top(const struct wf_mon_options *o)
{
    struct top *t = calloc(1, sizeof *t);
    int status = 0;

    if (!t)
        return wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    t->o = o;
    t->every_ms = !o->every_ms ? EVERY_MS : o->every_ms < EVERY_MIN_MS ? EVERY_MIN_MS : o->every_ms;
    for (int i = 0; o->sort && i < WF_MON_SORTS; i++)
        if (strcmp(o->sort, wf_mon_sort_names[i]) == 0)
            t->sort = (enum wf_mon_sort)i;
    const struct wf_screen screen = { .arg = t,
        .every_ms = t->every_ms,
        .ask = look,
        .draw = draw,
        .key = on_key,
        .keys = tell_keys };
    look(t);
    const struct wf_mon_sight *s = &newest(t)->sight;
    enum weft_err err = t->err;
    if (!err && s->err && s->pulse_count == 0) { // with nobody there, better said than drawn
        status = wf_mon_fail(s->err, s->err_text, "");
    } else {
        bool live = o->format == WF_MON_AS_TABLE && !o->count && isatty(STDOUT_FILENO);
        if (!err)
            err = live ? wf_screen_run(&screen) : as_lines(t);
        if (err)
            status = wf_mon_fail(err, weft_err_text(err), "");
    }
    for (int i = 0; i < 2; i++)
        wf_mon_sight_fini(&t->looks[i].sight);
    free(t);
    return status;
}

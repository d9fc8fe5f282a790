// SPDX-License-Identifier: Apache-2.0
// weft top: asks the local weftd again and again and shows what changed: on a terminal live (<weft/screen.h>), else as samples of text or
// JSON.
#include <stdlib.h>
#include <unistd.h>

#include <weft/screen.h>

#include "sdk/cli/local.h"
#include "sdk/cli/top.h"

#define EVERY_MS     1000
#define EVERY_MIN_MS 100
#define ANSWER_MS    3000
#define COUNT_MAX    1000000

struct options {
    enum wf_top_sort sort;
    int64_t every_ms, count; // count 0: until it is ended
};

struct answer { // a sample and its memory
    struct wf_top_sample sample;
    struct wf_arena arena;
    bool there;
};

struct top {
    const struct wf_cli *cli;
    const char *node;
    struct options opt;
    struct answer answers[2]; // the last two, newest at `newest`
    unsigned newest;
    char problem[512];
    int64_t problem_since_ms; // 0 = the newest is fresh
};

// ---- asking ----------------------------------------------------------------------------------------------------------

static void forget(struct answer *a)
{
    if (a->there)
        wf_arena_fini(&a->arena);
    *a = (struct answer){ 0 };
}

// 0, or an exit status with the words in t->problem.
static int ask(struct top *t)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__StatusRequest s = WEFT__V1__STATUS_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct answer *a = &t->answers[!t->newest];

    forget(a);
    s.detail = true;
    q.kind_case = WEFT__V1__REQUEST__KIND_STATUS;
    q.status = &s;
    int status = wf_local_try(
        t->cli, t->node, &q, ANSWER_MS, &a->arena, &reply, t->problem, sizeof t->problem);
    if (!status && reply->kind_case != WEFT__V1__REPLY__KIND_STATUS) {
        wf_arena_fini(&a->arena);
        snprintf(t->problem, sizeof t->problem, "that is no status");
        status = weft_err_exit(WEFT_E_PROTOCOL);
    }
    if (status) {
        if (!t->problem_since_ms)
            t->problem_since_ms = wf_screen_now_ms();
        return status;
    }
    a->there = true;
    a->sample = (struct wf_top_sample){ wf_screen_now_ms(), reply->status };
    t->newest = !t->newest;
    t->problem_since_ms = 0;
    return 0;
}

static const struct wf_top_sample *newest(const struct top *t)
{
    return t->answers[t->newest].there ? &t->answers[t->newest].sample : NULL;
}

static const struct wf_top_sample *before(const struct top *t)
{
    return t->answers[!t->newest].there ? &t->answers[!t->newest].sample : NULL;
}

// ---- the terminal ----------------------------------------------------------------------------------------------------

static void ask_again(void *arg)
{
    (void)ask(arg);
}

static enum weft_err draw(void *arg, struct wf_picture *p)
{
    struct top *t = arg;
    struct wf_top_view v = { .sort = t->opt.sort };

    if (t->problem_since_ms) {
        v.problem = t->problem;
        v.problem_ms = wf_screen_now_ms() - t->problem_since_ms;
    }
    if (newest(t))
        return wf_top_text(before(t), newest(t), &v, p);
    wf_picture_line(p, "%s", t->problem);
    return WEFT_OK;
}

static void on_key(void *arg, char key)
{
    struct top *t = arg;

    if (key == 's' || key == 'S')
        t->opt.sort = (enum wf_top_sort)((t->opt.sort + 1) % WF_TOP_SORTS);
}

static void tell_keys(void *arg, char *out, size_t size)
{
    const struct top *t = arg;

    snprintf(out, size, "s sort: %s", wf_top_sort_names[t->opt.sort]);
}

static int on_terminal(struct top *t)
{
    const struct wf_screen screen = { .arg = t,
        .every_ms = t->opt.every_ms,
        .ask = ask_again,
        .draw = draw,
        .key = on_key,
        .keys = tell_keys };
    int status = ask(t); // with nobody there, better said than drawn

    if (status)
        return wf_cli_fail_as(status, "%s", t->problem);
    enum weft_err err = wf_screen_run(&screen);
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
}

// ---- samples ---------------------------------------------------------------------------------------------------------

static int print_sample(struct top *t, bool first)
{
    struct wf_buf json = { 0 };
    struct wf_picture text = { 0 };
    struct wf_top_view v = { .sort = t->opt.sort };
    bool table = t->cli->format == WF_OUT_TABLE;
    enum weft_err err = table ? wf_top_text(before(t), newest(t), &v, &text)
                              : wf_top_json(before(t), newest(t), t->opt.sort, &json);

    if (!err && !first && table)
        putchar('\n');
    if (!err && table)
        fputs(text.text ? text.text : "", stdout);
    else if (!err)
        fwrite(json.ptr, 1, json.len, stdout);
    if (!err && (fflush(stdout) != 0 || ferror(stdout)))
        err = WEFT_E_IO;
    wf_picture_fini(&text);
    wf_buf_fini(&json);
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
}

// A sample is what happened between two answers, so the first comes after one interval.
static int as_lines(struct top *t)
{
    int status = ask(t);

    for (int64_t i = 0; !status && (!t->opt.count || i < t->opt.count); i++) {
        wf_screen_sleep_until(newest(t)->at_ms + t->opt.every_ms);
        status = ask(t);
        if (!status) {
            int printed = print_sample(t, i == 0);
            if (printed)
                return printed;
        }
    }
    return status ? wf_cli_fail_as(status, "%s", t->problem) : 0;
}

// ---- the command -----------------------------------------------------------------------------------------------------

static bool take_sort(const char *name, enum wf_top_sort *ret)
{
    for (int i = 0; i < WF_TOP_SORTS; i++)
        if (strcmp(name, wf_top_sort_names[i]) == 0) {
            *ret = (enum wf_top_sort)i;
            return true;
        }
    return false;
}

int wf_cmd_top(struct wf_cli *cli, int argc, char **argv)
{
    const char *every = NULL, *count = NULL, *sort = NULL;
    bool once = false, json = false;
    const struct wf_opt opts[] = {
        { .name = "every", .value = &every },
        { .name = "count", .letter = 'n', .value = &count },
        { .name = "once", .flag = &once },
        { .name = "json", .flag = &json },
        { .name = "sort", .value = &sort },
    };
    struct top t = { .cli = cli, .opt = { .every_ms = EVERY_MS } };
    char *node = NULL;
    uint64_t samples = 0;
    int operands = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 1, &node, &operands);

    if (status >= 0)
        return status;
    status = wf_cli_take_duration("every", every, EVERY_MIN_MS, &t.opt.every_ms);
    if (!status)
        status = wf_cli_take_number("count", count, COUNT_MAX, &samples);
    if (status)
        return status;
    t.opt.count = once ? 1 : (int64_t)samples;
    if (sort && !take_sort(sort, &t.opt.sort))
        return wf_cli_fail(WEFT_E_USAGE, "--sort takes name, records, bytes, lag or age");
    if (json)
        cli->format = WF_OUT_JSONL;
    t.node = operands ? node : NULL;
    bool screen = cli->format == WF_OUT_TABLE && !t.opt.count && isatty(STDOUT_FILENO);
    status = screen ? on_terminal(&t) : as_lines(&t);
    forget(&t.answers[0]);
    forget(&t.answers[1]);
    return status;
}

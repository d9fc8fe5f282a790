// SPDX-License-Identifier: Apache-2.0
// weft top: asks the local weftd again and again and shows what changed. On a terminal it takes the whole screen (the alternate one, so that
// what was there comes back) until q or a signal; else it prints samples as text or JSON. Signals that end or resize are blocked but while it
// waits, so that the terminal is restored on every way out; threads of the network library inherit that.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

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

static volatile sig_atomic_t ended, resized, paused;

static int64_t mono_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

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
            t->problem_since_ms = mono_ms();
        return status;
    }
    a->there = true;
    a->sample = (struct wf_top_sample){ mono_ms(), reply->status };
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

static struct termios was;
static bool has_keys;

static void on_signal(int number)
{
    if (number == SIGWINCH)
        resized = 1;
    else if (number == SIGTSTP)
        paused = 1;
    else
        ended = 1;
}

static void say(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

static void take_screen(void)
{
    struct termios raw = was;

    if (has_keys) {
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    say("\033[?1049h\033[?25l\033[2J"); // the other screen, no cursor, clear
}

static void give_screen_back(void)
{
    say("\033[?25h\033[?1049l");
    if (has_keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &was);
}

static void screen_size(struct wf_top_view *v)
{
    struct winsize size = { 0 };

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 2 || size.ws_col < 20)
        size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
    v->rows = size.ws_row - 1u; // the last one tells the keys
    v->columns = size.ws_col;
}

// Over what stands there, each line cleared behind its end, so that nothing flickers.
static int draw(struct top *t)
{
    struct wf_buf text = { 0 };
    struct wf_top_view v = { .sort = t->opt.sort };

    screen_size(&v);
    if (t->problem_since_ms) {
        v.problem = t->problem;
        v.problem_ms = mono_ms() - t->problem_since_ms;
    }
    enum weft_err err = newest(t) ? wf_top_text(before(t), newest(t), &v, &text)
                                  : wf_buf_printf(&text, "%s\n", t->problem);
    if (err) {
        wf_buf_fini(&text);
        return wf_cli_fail(err, "%s", weft_err_text(err));
    }
    fputs("\033[H", stdout);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n')
            fputs("\033[K\r\n", stdout);
        else
            putchar(text.ptr[i]);
    }
    printf("\033[J\033[%u;1H\033[7m q quit  s sort: %s \033[0m\033[K", v.rows + 1,
        wf_top_sort_names[t->opt.sort]);
    fflush(stdout);
    wf_buf_fini(&text);
    return ferror(stdout) ? weft_err_exit(WEFT_E_IO) : 0;
}

static void stop_here(void)
{
    paused = 0;
    give_screen_back();
    raise(SIGSTOP);
    take_screen();
}

// Waits for the next sample; keys and a new size are served at once. False: the user wants out.
static bool wait_on_screen(struct top *t, int64_t due_ms, const sigset_t *open)
{
    for (int64_t left = due_ms - mono_ms(); left > 0 && !ended; left = due_ms - mono_ms()) {
        struct timespec ts = { left / 1000, (left % 1000) * 1000000 };
        struct pollfd p = { .fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN };
        char key = 0;
        if (ppoll(&p, 1, &ts, open) > 0 && read(STDIN_FILENO, &key, 1) <= 0)
            has_keys = false; // the terminal hung up
        if (paused)
            stop_here();
        if (key == 'q' || key == 'Q')
            return false;
        if (key == 's' || key == 'S')
            t->opt.sort = (enum wf_top_sort)((t->opt.sort + 1) % WF_TOP_SORTS);
        if ((key || resized) && draw(t))
            return false;
        resized = 0;
    }
    return !ended;
}

static void catch_signals(sigset_t *ret_open)
{
    static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP };
    struct sigaction act = { .sa_handler = on_signal };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < WF_COUNT(caught); i++) {
        sigaction(caught[i], &act, NULL);
        sigaddset(&set, caught[i]);
    }
    sigprocmask(SIG_BLOCK, &set, ret_open);
}

static int on_terminal(struct top *t)
{
    sigset_t open;
    int status = ask(t); // with nobody there, better said than drawn

    if (status)
        return wf_cli_fail_as(status, "%s", t->problem);
    has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &was) == 0;
    catch_signals(&open);
    take_screen();
    for (;;) {
        int64_t due = mono_ms() + t->opt.every_ms;
        status = draw(t);
        if (status || !wait_on_screen(t, due, &open))
            break;
        (void)ask(t); // it may come back: the picture says since when nothing came
    }
    give_screen_back();
    return status;
}

// ---- samples ---------------------------------------------------------------------------------------------------------

static int print_sample(struct top *t, bool first)
{
    struct wf_buf text = { 0 };
    struct wf_top_view v = { .sort = t->opt.sort };
    enum weft_err err = WEFT_OK;

    if (t->cli->format != WF_OUT_TABLE)
        err = wf_top_json(before(t), newest(t), t->opt.sort, &text);
    else
        err = wf_top_text(before(t), newest(t), &v, &text);
    if (!err && !first && t->cli->format == WF_OUT_TABLE)
        putchar('\n');
    if (!err && (fwrite(text.ptr, 1, text.len, stdout) != text.len || fflush(stdout) != 0))
        err = WEFT_E_IO;
    wf_buf_fini(&text);
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
}

static void sleep_until(int64_t due_ms)
{
    int64_t left = due_ms - mono_ms();
    struct timespec ts = { left / 1000, (left % 1000) * 1000000 };

    while (left > 0 && nanosleep(&ts, &ts) != 0 && errno == EINTR)
        ;
}

// A sample is what happened between two answers, so the first comes after one interval.
static int as_lines(struct top *t)
{
    int status = ask(t);

    for (int64_t i = 0; !status && (!t->opt.count || i < t->opt.count); i++) {
        sleep_until(newest(t)->at_ms + t->opt.every_ms);
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
    char *node = NULL, *end = NULL;
    int operands = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 1, &node, &operands);

    if (status >= 0)
        return status;
    if (every && (wf_cli_duration(every, &t.opt.every_ms) || t.opt.every_ms < EVERY_MIN_MS))
        return wf_cli_fail(WEFT_E_USAGE, "--every takes a duration of 100ms at least, such as 2s");
    if (count)
        t.opt.count = strtoll(count, &end, 10);
    if (count && (*end || t.opt.count < 1 || t.opt.count > COUNT_MAX))
        return wf_cli_fail(WEFT_E_USAGE, "--count takes a number from 1 to %d", COUNT_MAX);
    if (once)
        t.opt.count = 1;
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

// SPDX-License-Identifier: Apache-2.0
#include "domains/common/source.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "domains/common/bounds.h"
#include "domains/common/rows.h"

// What poll promises to take from a pipe without blocking once it says POLLOUT (pipe(7), PIPE_BUF).
#define CHUNK     4096u

#define MMAP_FROM (64 * 1024)

// A reader gets a whole snapshot this often even where only changes are printed, and so hears of a host where nothing does.
#define FULL_EVERY_S 3600u

struct options {
    const struct wf_collector *collector;
    unsigned every_s, full_s;
    uint64_t count; // samples; 0 = until stopped
    const char *root;
    bool changes;
};

struct running {
    const struct wf_source *source;
    struct options options;
    struct wf_collect collect;
    struct wf_out rows[2]; // this sample's and the last one printed, in turn
    unsigned turn;
    bool has_last;
    int64_t full_at_ms; // the next whole snapshot
    bool again;         // SIGHUP came: a whole snapshot now
    struct wf_out lines;
    char told[WF_PROBLEM_LEN]; // the problem last reported
    int signals;
};

static const struct exit_row {
    int code, status;
} exits[] = {
#define EXIT_ROW(name, number, status, text, doc) { number, status },
    WEFT_ERR_TABLE(EXIT_ROW)
#undef EXIT_ROW
};

int wf_source_exit(enum weft_err err)
{
    // A source gives no answer that could be "no": what it can't find is not available here.
    if (err == WEFT_E_NOT_FOUND)
        err = WEFT_E_UNSUPPORTED;
    for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++)
        if (exits[i].code == (int)err)
            return exits[i].status;
    return 0; // WEFT_OK, the one code that is not in the table
}

static int64_t clock_ms(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

__attribute__((format(printf, 2, 3))) static int usage_error(
    const struct wf_source *s, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", s->program);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nSee %s --help\n", s->program);
    return wf_source_exit(WEFT_E_USAGE);
}

static void list(const struct wf_source *s)
{
    for (size_t i = 0; i < s->collector_count; i++) {
        const struct wf_collector *c = &s->collectors[i];
        printf("%-12s %-9s %5us  %-33s %s\n", c->name,
            c->kind == WF_COLLECT_METRIC ? "metric" : "inventory", c->every_s, c->message, c->help);
    }
}

static const struct wf_collector *find(const struct wf_source *s, const char *name)
{
    for (size_t i = 0; i < s->collector_count; i++)
        if (strcmp(s->collectors[i].name, name) == 0)
            return &s->collectors[i];
    return NULL;
}

// "10", "10s", "5m", "1h"
static bool parse_time(const char *text, unsigned *ret)
{
    struct wf_text t = wf_text(text);
    unsigned factor = 1;
    uint32_t v = 0;

    if (t.len > 0 &&
        (t.ptr[t.len - 1] == 's' || t.ptr[t.len - 1] == 'm' || t.ptr[t.len - 1] == 'h')) {
        factor = t.ptr[t.len - 1] == 'm' ? 60 : t.ptr[t.len - 1] == 'h' ? 3600 : 1;
        t.len--;
    }
    if (wf_text_u32(t, &v) || v == 0 || v > WF_HOST_MAX_EVERY_S / factor)
        return false;
    *ret = v * factor;
    return true;
}

enum {
    OPT_EVERY = 256,
    OPT_FULL,
    OPT_ONCE,
    OPT_COUNT,
    OPT_ROOT,
    OPT_CHANGES,
    OPT_LIST,
    OPT_HELP,
    OPT_VERSION
};

static const struct option long_options[] = {
    { "every", required_argument, NULL, OPT_EVERY },
    { "full", required_argument, NULL, OPT_FULL },
    { "once", no_argument, NULL, OPT_ONCE },
    { "count", required_argument, NULL, OPT_COUNT },
    { "root", required_argument, NULL, OPT_ROOT },
    { "changes", no_argument, NULL, OPT_CHANGES },
    { "list", no_argument, NULL, OPT_LIST },
    { "help", no_argument, NULL, OPT_HELP },
    { "version", no_argument, NULL, OPT_VERSION },
    { NULL, 0, NULL, 0 },
};

// -1: go on; else the exit status.
static int take_time(const struct wf_source *s, const char *option, unsigned *ret_s)
{
    if (parse_time(optarg, ret_s))
        return -1;
    return usage_error(s, "--%s %s: not 1 to %u seconds (as in 10, 30s, 5m, 1h)", option, optarg,
        WF_HOST_MAX_EVERY_S);
}

static int take_option(const struct wf_source *s, int option, struct options *o)
{
    switch (option) {
    case OPT_EVERY:
        return take_time(s, "every", &o->every_s);
    case OPT_FULL:
        return take_time(s, "full", &o->full_s);
    case OPT_ONCE:
        o->count = 1;
        return -1;
    case OPT_COUNT:
        if (wf_text_u64(wf_text(optarg), &o->count) || o->count == 0)
            return usage_error(s, "--count %s: not a number of samples", optarg);
        return -1;
    case OPT_ROOT:
        // "/" is the running host, and paths are appended as they are.
        o->root = strcmp(optarg, "/") == 0 ? "" : optarg;
        return -1;
    case OPT_CHANGES:
        o->changes = true;
        return -1;
    case OPT_LIST:
        list(s);
        return 0;
    case OPT_HELP:
        fputs(s->usage, stdout);
        return 0;
    case OPT_VERSION:
        printf("%s %s\n", s->program, WEFT_VERSION);
        return 0;
    default: // getopt has said what is wrong
        fprintf(stderr, "See %s --help\n", s->program);
        return wf_source_exit(WEFT_E_USAGE);
    }
}

static int parse_options(const struct wf_source *s, int argc, char **argv, struct options *ret)
{
    struct options o = { .root = "", .full_s = FULL_EVERY_S };

    for (int option = getopt_long(argc, argv, "", long_options, NULL); option != -1;
         option = getopt_long(argc, argv, "", long_options, NULL)) {
        int status = take_option(s, option, &o);
        if (status >= 0)
            return status;
    }
    if (optind + 1 != argc)
        return usage_error(s, optind == argc ? "no collector named" : "one collector at a time");
    o.collector = find(s, argv[optind]);
    if (!o.collector)
        return usage_error(
            s, "unknown collector \"%s\" (%s --list shows them)", argv[optind], s->program);
    if (o.collector->kernel_only && o.root[0] != '\0')
        return usage_error(
            s, "%s asks the running kernel; --root has no meaning for it", o.collector->name);
    if (o.collector->kind == WF_COLLECT_METRIC && o.changes)
        return usage_error(s, "%s is a metric; --changes is for inventories", o.collector->name);
    if (o.every_s == 0)
        o.every_s = o.collector->every_s;
    *ret = o;
    return -1;
}

// False when it is time to go.
static bool on_signal(struct running *r)
{
    struct signalfd_siginfo info;

    if (read(r->signals, &info, sizeof info) != (ssize_t)sizeof info || info.ssi_signo != SIGHUP)
        return false;
    r->again = true;
    r->full_at_ms = 0;
    return true;
}

// Waits for the time or SIGHUP. False when it is time to go: SIGTERM, SIGINT or the reader has closed.
static bool wait_until(struct running *r, int64_t at_ms)
{
    for (;;) {
        int64_t left = r->again ? 0 : at_ms - clock_ms(CLOCK_MONOTONIC);
        struct pollfd p[2] = { { .fd = r->signals, .events = POLLIN },
            { .fd = STDOUT_FILENO, .events = 0 } };
        int ready = poll(p, 2, left > 0 ? (int)(left > 3600000 ? 3600000 : left) : 0);
        if (ready < 0 && errno != EINTR)
            return false;
        if (ready > 0 && (!p[0].revents || !on_signal(r)))
            return false;
        if (ready == 0 && left <= 0)
            return true;
    }
}

enum printed { PRINTED, PRINT_STOP, PRINT_FAILED };

// PRINT_STOP when it is time to go: the reader has closed, or a signal came while it did not read.
static enum printed print(struct running *r, const struct wf_out *lines)
{
    size_t done = 0;

    while (done < lines->len) {
        struct pollfd p[2] = { { .fd = r->signals, .events = POLLIN },
            { .fd = STDOUT_FILENO, .events = POLLOUT } };
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return PRINT_FAILED;
        if (p[0].revents && !on_signal(r))
            return PRINT_STOP;
        if (!(p[1].revents & (POLLOUT | POLLERR | POLLHUP)))
            continue;
        size_t left = lines->len - done;
        ssize_t n = write(STDOUT_FILENO, lines->ptr + done, left < CHUNK ? left : CHUNK);
        if (n < 0 && errno == EPIPE)
            return PRINT_STOP;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return PRINT_FAILED;
        done += n > 0 ? (size_t)n : 0;
    }
    return PRINTED;
}

// The lines for a sample, and which rows the next one is compared with.
static enum weft_err render(struct running *r, int64_t now_ms)
{
    struct wf_out *now = &r->rows[r->turn], *last = &r->rows[1 - r->turn];
    enum weft_err err = WEFT_OK;

    wf_out_reset(&r->lines);
    if (r->options.collector->kind == WF_COLLECT_METRIC)
        return wf_rows_sample(now, r->collect.now_unix_ms, &r->lines);
    wf_rows_sort(now);
    if (r->options.changes && r->has_last && now_ms < r->full_at_ms)
        return wf_rows_changes(last, now, r->collect.now_unix_ms, &r->lines);
    err = wf_rows_snapshot(now, r->collect.now_unix_ms, &r->lines);
    if (!err)
        r->full_at_ms = now_ms + (int64_t)r->options.full_s * 1000;
    return err;
}

// A problem that stays is told once, also one that left out some rows only.
static void tell(struct running *r)
{
    const char *what = r->collect.problem;

    if (strcmp(r->told, what) == 0)
        return;
    if (what[0] != '\0')
        fprintf(stderr, "%s: %s: %s\n", r->source->program, r->options.collector->name, what);
    else
        fprintf(stderr, "%s: %s: works again\n", r->source->program, r->options.collector->name);
    snprintf(r->told, sizeof r->told, "%s", what);
}

static enum weft_err sample(struct running *r)
{
    struct wf_out *now = &r->rows[r->turn];
    struct wf_collect *c = &r->collect;

    wf_out_reset(now);
    c->out = now;
    c->now_unix_ms = clock_ms(CLOCK_REALTIME);
    c->problem[0] = '\0';
    enum weft_err err = r->options.collector->collect(c);
    if (!err)
        err = render(r, clock_ms(CLOCK_MONOTONIC));
    if (err && c->problem[0] == '\0')
        wf_problem(c, err,
            err == WEFT_E_TOO_BIG ? "more rows or longer ones than permitted" : "out of memory");
    tell(r);
    return err;
}

// What is not needed until the next sample goes back to the system: on a host a dozen of these programs wait nearly all of their time.
static void settle(struct running *r)
{
    const bool compares = r->options.changes;

    wf_out_fini(&r->lines);
    wf_out_fini(&r->rows[r->turn]);
    if (compares)
        wf_out_fit(&r->rows[1 - r->turn]);
    else
        wf_out_fini(&r->rows[1 - r->turn]);
    malloc_trim(0);
}

// The first failure ends the program: whoever started it sees the status and decides. Later ones are told and waited
// out, as the rows printed so far are still true.
static int loop(struct running *r)
{
    const int64_t every_ms = r->options.every_s > 0 ? (int64_t)r->options.every_s * 1000 : 1000;
    int64_t next_ms = clock_ms(CLOCK_MONOTONIC);

    for (uint64_t n = 1;; n++) {
        enum weft_err err = sample(r);
        if (err && (!r->has_last || n == r->options.count))
            return wf_source_exit(err);
        if (!err) {
            enum printed printed = print(r, &r->lines);
            if (printed == PRINT_FAILED)
                fprintf(stderr, "%s: standard output: %m\n", r->source->program);
            if (printed != PRINTED)
                return printed == PRINT_STOP ? 0 : wf_source_exit(WEFT_E_IO);
            r->turn = 1 - r->turn;
            r->has_last = true;
        }
        if (n == r->options.count)
            return 0;
        settle(r);
        // Samples missed while the machine slept or the reader was slow are not made up for.
        int64_t now_ms = clock_ms(CLOCK_MONOTONIC);
        next_ms += every_ms * (now_ms > next_ms ? (now_ms - next_ms) / every_ms + 1 : 1);
        if (!wait_until(r, next_ms))
            return 0;
        if (r->again)
            next_ms = clock_ms(CLOCK_MONOTONIC);
        r->again = false;
    }
}

int wf_source_main(const struct wf_source *source, int argc, char **argv)
{
    struct running r = { .source = source };
    sigset_t signals;

    int status = parse_options(source, argc, argv, &r.options);
    if (status >= 0)
        return status;
    // Said at all, it stays: else one large file read would raise it, and memory of that size would not go back.
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_FROM);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    r.signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (r.signals < 0) {
        fprintf(stderr, "%s: signalfd: %m\n", source->program);
        return wf_source_exit(WEFT_E_IO);
    }
    r.collect.root = r.options.root;
    status = loop(&r);
    if (r.options.collector->forget)
        r.options.collector->forget(r.collect.state);
    else
        free(r.collect.state);
    wf_out_fini(&r.rows[0]);
    wf_out_fini(&r.rows[1]);
    wf_out_fini(&r.lines);
    close(r.signals);
    return status;
}

// SPDX-License-Identifier: Apache-2.0
// weft-monitor run: starts the layers as processes of their own and starts again what ends. A layer that fails takes no other with it; one
// that can never run (no identity, a wrong option) is left alone, and run ends with its status when no layer is left. It speaks to no
// mesh and holds no data. Invariant: every process that it started is waited for. Thread rule: one thread, and none before a fork.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domains/monitoring/common/parts.h"
#include "domains/monitoring/common/watch.h"
#include "domains/monitoring/speed/file.h"

#define FIRST_WAIT_MS 1000 // before a layer that ended is started again; doubled each time
#define MOST_WAIT_MS  60000
#define GOOD_MS       60000 // after running this long the next wait is the first one again
#define STOP_MS       20000 // for an orderly end

static const char *const layers[] = { "store", "alert", "write" };
#define LAYERS (sizeof layers / sizeof *layers)

struct layer {
    struct wf_mon_part part;
    int64_t started, again; // monotonic
    int64_t wait_ms;
};

struct run {
    const struct wf_mon_options *o;
    struct layer layers[LAYERS];
    size_t count; // of them: without rules nothing is judged, without a receiver nothing is written
    int signal_fd, parts_fd;
    sigset_t before; // the signals blocked when the program began
    bool stopping;
    int64_t kill_at; // monotonic: the end of patience
    int status;      // of the first layer that failed for good
};

// Statuses that another start can't change: usage; identity and configuration.
static bool is_final(int status)
{
    return status == weft_err_exit(WEFT_E_USAGE) || status == weft_err_exit(WEFT_E_CONFIG);
}

static void tell(struct run *r)
{
    struct wf_mon_part parts[LAYERS];

    for (size_t i = 0; i < r->count; i++)
        parts[i] = r->layers[i].part;
    enum weft_err err = wf_mon_parts_write(r->parts_fd, parts, r->count);
    if (err)
        fprintf(stderr, "weft-monitor: the state of its processes: %s\n", weft_err_text(err));
}

static void set_state(struct run *r, struct layer *l, enum wf_mon_part_state state)
{
    l->part.state = state;
    l->part.since_ms = wf_mon_unix_ms();
    tell(r);
}

// ---- processes ---------------------------------------------------------------------------------------------------------

// "weft-monitor LAYER" with the options that this layer has.
static char **words_of(const struct run *r, const char *layer)
{
    size_t count = 0, at = 0;

    while (r->o->words && r->o->words[count])
        count++;
    char **out = calloc(count + 3, sizeof *out);
    if (!out)
        return NULL;
    out[at++] = (char *)"weft-monitor";
    out[at++] = (char *)layer;
    for (size_t i = 0; i < count; i++) {
        bool wanted = wf_mon_takes(layer, r->o->words[i]);
        if (wanted)
            out[at++] = r->o->words[i];
        if (wf_mon_is_flag(r->o->words[i]))
            continue;
        i++; // the value: parse() saw that there is one
        if (wanted)
            out[at++] = r->o->words[i];
    }
    return out;
}

static void become(const struct run *r, char **words, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM); // a layer does not outlive a run that is killed
    if (getppid() != parent)
        _exit(0);
    sigprocmask(SIG_SETMASK, &r->before, NULL);
    execv("/proc/self/exe", words);
    _exit(weft_err_exit(WEFT_E_IO));
}

static void start(struct run *r, struct layer *l, int64_t now_ms)
{
    char **words = words_of(r, l->part.name);
    pid_t parent = getpid();
    pid_t pid = words ? fork() : -1;

    if (pid == 0)
        become(r, words, parent);
    free(words);
    if (pid < 0) {
        fprintf(stderr, "weft-monitor: %s was not started: %s\n", l->part.name, strerror(errno));
        l->again = now_ms + FIRST_WAIT_MS;
        return;
    }
    l->part.pid = pid;
    l->part.again_ms = 0;
    l->started = now_ms;
    set_state(r, l, WF_MON_PART_RUNNING);
}

static void on_end(struct run *r, struct layer *l, int wait_status, int64_t now_ms)
{
    int status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    bool good = now_ms - l->started >= GOOD_MS;

    l->part.pid = 0;
    l->part.status = status;
    if (status == 0 || r->stopping) {
        set_state(r, l, WF_MON_PART_ENDED);
        return;
    }
    if (is_final(status) || r->o->once) {
        r->status = r->status ? r->status : status;
        set_state(r, l, WF_MON_PART_FAILED);
        return;
    }
    l->wait_ms = good || !l->wait_ms ? FIRST_WAIT_MS : l->wait_ms * 2;
    if (l->wait_ms > MOST_WAIT_MS)
        l->wait_ms = MOST_WAIT_MS;
    l->again = now_ms + l->wait_ms;
    l->part.again_ms = wf_mon_unix_ms() + l->wait_ms;
    l->part.restarts++;
    fprintf(stderr, "weft-monitor: %s ended with %d and is started again in %d s\n", l->part.name,
        status, (int)(l->wait_ms / 1000));
    set_state(r, l, WF_MON_PART_WAITING);
}

static void reap(struct run *r, int64_t now_ms)
{
    for (size_t i = 0; i < r->count; i++) {
        struct layer *l = &r->layers[i];
        int status = 0;
        if (l->part.pid && waitpid((pid_t)l->part.pid, &status, WNOHANG) == (pid_t)l->part.pid)
            on_end(r, l, status, now_ms);
    }
}

static void stop(struct run *r, int signal)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->layers[i].part.pid)
            kill((pid_t)r->layers[i].part.pid, signal);
}

// The rules are the alerts' alone.
static void reload(const struct run *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->layers[i].part.name, "alert") == 0 && r->layers[i].part.pid)
            kill((pid_t)r->layers[i].part.pid, SIGHUP);
}

// ---- the loop ----------------------------------------------------------------------------------------------------------

static void on_signal(struct run *r, int64_t now_ms)
{
    struct signalfd_siginfo info;

    while (read(r->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            reload(r);
        if (info.ssi_signo == SIGCHLD || info.ssi_signo == SIGHUP || r->stopping)
            continue;
        r->stopping = true;
        r->kill_at = now_ms + STOP_MS;
        stop(r, SIGTERM);
    }
}

static int64_t start_due(struct run *r, int64_t now_ms)
{
    int64_t due = now_ms + MOST_WAIT_MS;

    for (size_t i = 0; i < r->count; i++) {
        struct layer *l = &r->layers[i];
        if (l->part.state != WF_MON_PART_WAITING || r->stopping)
            continue;
        if (l->again <= now_ms)
            start(r, l, now_ms);
        if (l->part.state == WF_MON_PART_WAITING && l->again < due)
            due = l->again;
    }
    return r->stopping && r->kill_at < due ? r->kill_at : due;
}

static bool is_over(const struct run *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct wf_mon_part *p = &r->layers[i].part;
        if (p->pid || (p->state == WF_MON_PART_WAITING && !r->stopping))
            return false;
    }
    return true;
}

static void supervise(struct run *r)
{
    while (!is_over(r)) {
        struct pollfd in = { .fd = r->signal_fd, .events = POLLIN };
        int64_t now_ms = wf_mon_now_ms();
        int64_t due = start_due(r, now_ms);
        if (poll(&in, 1, due <= now_ms ? 0 : (int)(due - now_ms)) < 0 && errno != EINTR)
            return;
        now_ms = wf_mon_now_ms();
        on_signal(r, now_ms);
        if (r->stopping && now_ms >= r->kill_at)
            stop(r, SIGKILL);
        reap(r, now_ms);
    }
}

static enum weft_err set_up(struct run *r)
{
    sigset_t signals;
    enum weft_err err = wf_mon_parts_create(r->o->db, &r->parts_fd);

    if (err)
        return err;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &r->before);
    r->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (r->signal_fd < 0)
        return WEFT_E_IO;
    const bool wanted[LAYERS] = { true, r->o->rules, r->o->remote };
    for (size_t i = 0; i < LAYERS; i++) {
        if (!wanted[i])
            continue;
        struct wf_mon_part *p = &r->layers[r->count++].part;
        snprintf(p->name, sizeof p->name, "%s", layers[i]);
        p->state = WF_MON_PART_WAITING;
    }
    return WEFT_OK;
}

// Who begins looks on: a mistake in the rules is told before anything is made. Later what is stored goes on, whatever the rules say.
static int check_rules(const struct wf_mon_options *o)
{
    struct wf_rules_file f;

    if (!o->rules)
        return 0;
    int status = wf_rules_file_open(o->rules, wf_rules_flags(o), &f);
    wf_rules_file_close(&f);
    return status;
}

int wf_mon_cmd_run(const struct wf_mon_options *o)
{
    struct run r = { .o = o, .signal_fd = -1, .parts_fd = -1 };
    bool first = wf_mon_parts_is_first(o->db);
    int status = first ? check_rules(o) : 0;
    char text[300];

    if (status)
        return status;
    enum weft_err err = set_up(&r);
    if (!err) {
        supervise(&r);
        if (first && r.status && access(o->db, F_OK) != 0)
            wf_mon_parts_remove(o->db);
    } else if (err == WEFT_E_IN_USE) {
        snprintf(text, sizeof text, "%.200s: another weft-monitor run uses it", o->db);
        r.status = wf_mon_fail(err, text, "");
    } else {
        snprintf(text, sizeof text, "%.200s-run: %s", o->db, weft_err_text(err));
        r.status = wf_mon_fail(err, text, "");
    }
    if (r.signal_fd >= 0)
        close(r.signal_fd);
    if (r.parts_fd >= 0)
        close(r.parts_fd);
    return r.status;
}

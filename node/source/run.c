// SPDX-License-Identifier: Apache-2.0
// One program, one request on its standard input, one answer from its standard output.
#include "node/source/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "node/source/spawner.h"

#define KILL_AFTER_MS 5000

struct run {
    struct wf_node *node;
    uint32_t id;
    struct wf_buf input, output, errors;
    size_t written;
    struct wf_watch in, out, err_watch;
    struct wf_timer timer;
    bool ended, killed, too_big;
    int status;
    wf_run_fn fn;
    void *arg;
    struct run *next;
};

static void shut(struct run *r, struct wf_watch *w)
{
    if (w->fd < 0)
        return;
    wf_loop_unwatch(r->node->loop, w);
    close(w->fd);
    w->fd = -1;
}

static void ignore(struct wf_node *n, void *arg, enum weft_err err, int status,
    struct wf_bytes output, const char *error_text)
{
    (void)n;
    (void)arg;
    (void)err;
    (void)status;
    (void)output;
    (void)error_text;
}

// The answer, once. What it calls may end this run or begin others.
static void tell(struct run *r, enum weft_err err)
{
    wf_run_fn fn = r->fn;
    void *arg = r->arg;
    char text[256] = "";
    const uint8_t *nl = r->errors.len ? memchr(r->errors.ptr, '\n', r->errors.len) : NULL;
    size_t len = nl ? (size_t)(nl - r->errors.ptr) : r->errors.len;

    len = len < sizeof text - 1 ? len : sizeof text - 1;
    if (len)
        memcpy(text, r->errors.ptr, len);
    r->fn = ignore;
    r->arg = NULL;
    fn(r->node, arg, err, r->status, wf_buf_view(&r->output), text);
}

static void finish(struct run *r, enum weft_err err)
{
    struct run **at = &r->node->source->runs;

    while (*at && *at != r)
        at = &(*at)->next;
    if (*at)
        *at = r->next;
    wf_timer_cancel(r->node->loop, &r->timer);
    shut(r, &r->in);
    shut(r, &r->out);
    shut(r, &r->err_watch);
    tell(r, err);
    wf_buf_fini(&r->input);
    wf_buf_fini(&r->output);
    wf_buf_fini(&r->errors);
    free(r);
}

// Done when the program has ended and its output was read to its end: either may come first.
static void check(struct run *r)
{
    if (!r->ended || r->out.fd >= 0)
        return;
    finish(r, r->too_big ? WEFT_E_TOO_BIG : r->killed ? WEFT_E_TIMEOUT : WEFT_OK);
}

static void on_in(struct wf_watch *w, uint32_t events)
{
    struct run *r = (struct run *)(void *)((char *)w - offsetof(struct run, in));
    ssize_t n = write(w->fd, r->input.ptr + r->written, r->input.len - r->written);

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        r->written += (size_t)n;
    if (n <= 0 || r->written == r->input.len)
        shut(r, w); // a program that does not read its request is judged by its answer
}

static ssize_t read_some(int fd, struct wf_buf *to, size_t max)
{
    char text[16384];
    ssize_t n = read(fd, text, sizeof text);

    if (n > 0 && (to->len + (size_t)n > max || wf_buf_append(to, wf_bytes(text, (size_t)n))))
        return -2;
    return n;
}

static void on_out(struct wf_watch *w, uint32_t events)
{
    struct run *r = (struct run *)(void *)((char *)w - offsetof(struct run, out));
    ssize_t n = read_some(w->fd, &r->output, WF_MAX_CALL);

    (void)events;
    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == -2) {
        r->too_big = true;
        if (wf_spawner_signal(r->node->source->fd, r->id, SIGKILL))
            r->ended = true;
    }
    if (n <= 0) {
        shut(r, w);
        check(r);
    }
}

static void on_err(struct wf_watch *w, uint32_t events)
{
    struct run *r = (struct run *)(void *)((char *)w - offsetof(struct run, err_watch));
    ssize_t n = read_some(w->fd, &r->errors, 4096);

    (void)events;
    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == -1 || n == 0)
        shut(r, w);
}

static void on_deadline(struct wf_timer *t)
{
    struct run *r = (struct run *)(void *)((char *)t - offsetof(struct run, timer));
    int64_t now = wf_node_now_ms(r->node);

    // SIGTERM first, SIGKILL five seconds later; the answer to the caller waits for neither (its own deadline is over).
    if (wf_spawner_signal(r->node->source->fd, r->id, r->killed ? SIGKILL : SIGTERM))
        r->ended = true;
    if (r->killed)
        shut(r, &r->out); // a child of the program may still hold the other end
    else if (wf_timer_set(r->node->loop, t, now + KILL_AFTER_MS))
        r->ended = true;
    bool again = r->killed;
    r->killed = true;
    if (r->ended)
        finish(r, WEFT_E_TIMEOUT);
    else if (!again)
        tell(r, WEFT_E_TIMEOUT);
}

void wf_run_ended(struct wf_node *n, uint32_t id, int status)
{
    struct run *r = n->source->runs;

    while (r && r->id != id)
        r = r->next;
    if (!r)
        return;
    r->ended = true;
    r->status = status;
    if (r->err_watch.fd >= 0)
        on_err(&r->err_watch, EPOLLIN);
    check(r);
}

void wf_source_forget(struct wf_node *n, const void *arg)
{
    for (struct run *r = n->source ? n->source->runs : NULL, *next; r; r = next) {
        next = r->next;
        if (r->arg != arg)
            continue;
        r->fn = ignore;
        r->arg = NULL;
        if (wf_spawner_signal(n->source->fd, r->id, SIGKILL))
            finish(r, WEFT_E_CLOSED);
    }
}

void wf_runs_close(struct wf_node *n)
{
    while (n->source->runs)
        finish(n->source->runs, WEFT_E_CLOSED);
}

static enum weft_err open_pipes(struct run *r, int theirs[3])
{
    struct wf_watch *ours[3] = { &r->in, &r->out, &r->err_watch };

    for (int i = 0; i < 3; i++) {
        int p[2];
        if (pipe2(p, O_CLOEXEC) != 0)
            return errno == EMFILE || errno == ENFILE ? WEFT_E_BUSY : WEFT_E_IO;
        ours[i]->fd = i == 0 ? p[1] : p[0];
        theirs[i] = i == 0 ? p[0] : p[1];
        fcntl(ours[i]->fd, F_SETFL, O_NONBLOCK);
    }
    return WEFT_OK;
}

static enum weft_err begin(struct run *r, const struct wf_run_spec *spec)
{
    struct wf_buf args = { 0 };
    int theirs[3] = { -1, -1, -1 };
    enum weft_err err = wf_buf_append(&r->input, spec->input);

    for (size_t i = 0; i < spec->run_count && !err; i++)
        err = wf_buf_append(&args, wf_bytes(spec->run[i], strlen(spec->run[i]) + 1));
    if (!err)
        err = open_pipes(r, theirs);
    if (!err)
        err = wf_loop_watch(r->node->loop, &r->in, EPOLLOUT);
    if (!err)
        err = wf_loop_watch(r->node->loop, &r->out, EPOLLIN);
    if (!err)
        err = wf_loop_watch(r->node->loop, &r->err_watch, EPOLLIN);
    if (!err)
        err = wf_timer_set(r->node->loop, &r->timer, spec->deadline_ms);
    if (!err)
        err = wf_source_spawn(
            r->node, wf_buf_view(&args), spec->run_count, spec->run[0], spec->env, theirs, &r->id);
    for (int i = 0; i < 3; i++)
        if (theirs[i] >= 0)
            close(theirs[i]);
    wf_buf_fini(&args);
    return err;
}

enum weft_err wf_source_run_once(
    struct wf_node *n, const struct wf_run_spec *spec, wf_run_fn fn, void *arg)
{
    if (!n->source || n->source->fd < 0)
        return WEFT_E_NO_PROVIDER;
    if (spec->run_count == 0 || spec->run_count > WF_SPAWN_ARGS || spec->input.len > WF_MAX_CALL)
        return WEFT_E_TOO_BIG;
    struct run *r = calloc(1, sizeof *r);
    if (!r)
        return WEFT_E_NOMEM;
    *r = (struct run){ .node = n, .fn = fn, .arg = arg };
    r->in = (struct wf_watch){ .ready = on_in, .fd = -1 };
    r->out = (struct wf_watch){ .ready = on_out, .fd = -1 };
    r->err_watch = (struct wf_watch){ .ready = on_err, .fd = -1 };
    r->timer.fire = on_deadline;
    enum weft_err err = begin(r, spec);
    if (err) {
        wf_timer_cancel(n->loop, &r->timer);
        shut(r, &r->in);
        shut(r, &r->out);
        shut(r, &r->err_watch);
        wf_buf_fini(&r->input);
        free(r);
        return err;
    }
    r->next = n->source->runs;
    n->source->runs = r;
    return WEFT_OK;
}

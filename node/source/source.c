// SPDX-License-Identifier: Apache-2.0
// Supervision: what runs, what it said last, when it is started again. Records go where this weftd's records go: a node's own products, or
// an agent's spool. When that is full the pipe is not read, and the program waits in its write.
#include "node/source/room.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/agent/room.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/queues.h"
#include "node/source/lines.h"
#include "node/source/run.h"
#include "node/source/spawner.h"
#include "node/stream/room.h"
#include "sdk/disk.h"
#include "sdk/loop/loop.h"

#define CHUNK          65536u
#define ENOUGH         (64u * 1024u) // payload handed over at once
#define RETRY_FULL_MS  200
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 60000
#define HEALTHY_MS     60000 // ran this long: the back-off begins anew
#define KILL_MS        5000

enum source_state { SRC_WAITING, SRC_RUNNING, SRC_ENDING, SRC_FAILED, SRC_STOPPED };

struct source {
    struct wf_node *node;
    struct wf_name product;
    uint32_t major, id; // id of the run, 0 = none
    struct wf_buf args;
    size_t arg_count;
    int64_t every_ms;
    enum source_state state;
    struct wf_watch out, err_watch;
    struct wf_timer timer; // restart, kill, or try again when full
    struct wf_lines lines;
    struct wf_buf chunk; // read and not yet taken
    size_t chunk_at;
    char last_stderr[256];
    int64_t started_ms, backoff_ms, last_record_unix_ms;
    uint32_t restarts;
    bool removed;
    struct source *next;
};

static void start_source(struct source *s);

// ---- records ---------------------------------------------------------------------------------------------------------

// The product as it is now, NULL while it is not here: the message of its records, and what the lines may say.
static const struct wf_schema_message *message_of(struct source *s)
{
    struct wf_node *n = s->node;
    const struct wf_home_product *p =
        n->is_agent ? NULL : wf_stream_find(n, s->product.s, s->major);
    const struct wf_product *d = n->is_agent ? wf_uplink_descriptor(n, s->product.s)
                                 : p         ? wf_home_descriptor(p)
                                             : NULL;
    bool keyed = d && d->kind == WF_PRODUCT_INVENTORY;

    s->lines.keys = keyed ? d->keys : NULL;
    s->lines.key_count = keyed ? d->key_count : 0;
    return n->is_agent ? wf_uplink_message(n, s->product.s) : p ? wf_home_message(p) : NULL;
}

static enum weft_err hand_over(struct source *s, struct wf_diag *diag)
{
    struct wf_node *n = s->node;
    struct wf_origin_records r = {
        .raw = wf_buf_view(&s->lines.raw), .base_us = s->lines.base_us, .count = s->lines.count
    };

    if (r.count == 0)
        return WEFT_OK;
    if (n->is_agent)
        return wf_uplink_originate(n, s->product.s, &r, NULL, NULL, diag);
    struct wf_home_product *p = wf_stream_find(n, s->product.s, s->major);
    return p ? wf_stream_originate(n, p, &r, NULL, NULL, diag) : WEFT_E_NOT_FOUND;
}

static bool is_full(enum weft_err err)
{
    return err == WEFT_E_FULL || err == WEFT_E_NOSPACE || err == WEFT_E_READ_ONLY ||
           err == WEFT_E_NO_FILES || err == WEFT_E_BUSY || err == WEFT_E_NOMEM;
}

static void pause_reading(struct source *s)
{
    wf_loop_unwatch(s->node->loop, &s->out);
    if (wf_timer_set(s->node->loop, &s->timer, wf_node_now_ms(s->node) + RETRY_FULL_MS))
        wf_say(s->node, WF_LOG_ERROR, "source", "out of memory: a source stays paused", "product",
            s->product.s, NULL);
}

// Turns what was read into records and hands them over. False: full, try again later.
static bool drain_chunk(struct source *s)
{
    struct wf_node *n = s->node;
    const struct wf_schema_message *m = message_of(s);
    struct wf_diag diag = { 0 };
    uint64_t refused = s->lines.refused;

    while (m && (s->lines.count > 0 || s->chunk_at < s->chunk.len)) {
        size_t taken = 0;
        struct wf_bytes rest = wf_bytes(s->chunk.ptr + s->chunk_at, s->chunk.len - s->chunk_at);
        if (rest.len &&
            wf_lines_feed(&s->lines, m, rest, wf_node_now_unix_ms(n) * 1000, ENOUGH, &taken))
            return false;
        s->chunk_at += taken;
        enum weft_err err = hand_over(s, &diag);
        if (is_full(err))
            return false;
        if (err)
            wf_say(n, WF_LOG_WARN, "source", "records were refused", "product", s->product.s, "why",
                diag.text[0] ? diag.text : weft_err_text(err), NULL);
        else if (s->lines.count)
            s->last_record_unix_ms = wf_node_now_unix_ms(n);
        wf_lines_clear(&s->lines);
    }
    if (s->lines.refused != refused)
        wf_say(n, WF_LOG_WARN, "source", "lines were refused", "product", s->product.s, "last",
            s->lines.last_error, NULL);
    wf_buf_fini(&s->chunk); // most sources are silent most of the time
    wf_lines_trim(&s->lines);
    s->chunk_at = 0;
    return true;
}

static void close_watch(struct wf_node *n, struct wf_watch *w)
{
    if (w->fd < 0)
        return;
    wf_loop_unwatch(n->loop, w);
    close(w->fd);
    w->fd = -1;
}

static void on_output(struct wf_watch *w, uint32_t events)
{
    struct source *s = (struct source *)(void *)((char *)w - offsetof(struct source, out));

    (void)events;
    if (wf_buf_reserve(&s->chunk, CHUNK)) {
        pause_reading(s);
        return;
    }
    ssize_t n = read(w->fd, s->chunk.ptr + s->chunk.len, CHUNK);
    bool again = n < 0 && (errno == EAGAIN || errno == EINTR);
    if (n <= 0 && s->chunk.len == 0)
        wf_buf_fini(&s->chunk);
    if (n > 0) {
        s->chunk.len += (size_t)n;
        if (!drain_chunk(s))
            pause_reading(s);
    } else if (!again) {
        close_watch(s->node, w);
    }
}

static void on_stderr(struct wf_watch *w, uint32_t events)
{
    struct source *s = (struct source *)(void *)((char *)w - offsetof(struct source, err_watch));
    char text[1024];
    ssize_t n = read(w->fd, text, sizeof text - 1);

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_watch(s->node, w);
        return;
    }
    text[n] = '\0';
    for (char *line = text, *end; line && *line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        if (*line) {
            snprintf(s->last_stderr, sizeof s->last_stderr, "%.250s", line);
            wf_say(s->node, WF_LOG_WARN, "source", "a source says", "product", s->product.s, "line",
                s->last_stderr, NULL);
        }
    }
}

// ---- starting and ending ---------------------------------------------------------------------------------------------

static void on_timer(struct wf_timer *t)
{
    struct source *s = (struct source *)(void *)((char *)t - offsetof(struct source, timer));

    if (s->state == SRC_ENDING) {
        if (wf_spawner_signal(s->node->source->fd, s->id, SIGKILL))
            s->state = SRC_STOPPED;
    } else if (s->state == SRC_RUNNING) {
        if (!drain_chunk(s))
            pause_reading(s);
        else if (s->out.fd >= 0 && wf_loop_watch(s->node->loop, &s->out, EPOLLIN))
            close_watch(s->node, &s->out);
    } else if (s->state == SRC_WAITING || s->state == SRC_FAILED) {
        start_source(s);
    }
}

static void restart_later(struct source *s, int64_t in_ms)
{
    if (wf_timer_set(s->node->loop, &s->timer, wf_node_now_ms(s->node) + in_ms))
        s->state = SRC_STOPPED;
}

static enum weft_err make_pipe(int *ret_read, int *ret_write)
{
    int p[2];

    if (pipe2(p, O_CLOEXEC) != 0)
        return errno == EMFILE || errno == ENFILE ? WEFT_E_BUSY : WEFT_E_IO;
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    *ret_read = p[0];
    *ret_write = p[1];
    return WEFT_OK;
}

static enum weft_err spawn_source(struct source *s)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC), out = -1, errors = -1;
    enum weft_err err = null < 0 ? WEFT_E_IO : make_pipe(&s->out.fd, &out);

    if (!err)
        err = make_pipe(&s->err_watch.fd, &errors);
    const int fds[3] = { null, out, errors };
    if (!err)
        err = wf_source_spawn(
            s->node, wf_buf_view(&s->args), s->arg_count, s->product.s, NULL, fds, &s->id);
    if (!err)
        err = wf_loop_watch(s->node->loop, &s->out, EPOLLIN);
    if (!err)
        err = wf_loop_watch(s->node->loop, &s->err_watch, EPOLLIN);
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return err;
}

static void start_source(struct source *s)
{
    struct wf_node *n = s->node;

    if (n->draining || s->removed)
        return;
    enum weft_err err = message_of(s) ? spawn_source(s) : WEFT_E_NOT_FOUND;
    if (err) {
        close_watch(n, &s->out);
        close_watch(n, &s->err_watch);
        s->state = SRC_WAITING;
        restart_later(s, BACKOFF_MIN_MS);
        return;
    }
    s->state = SRC_RUNNING;
    s->started_ms = wf_node_now_ms(n);
}

// Nobody takes it now, and the next run speaks for itself: said, not hidden.
static void drop_rest(struct source *s)
{
    char count[24];

    snprintf(count, sizeof count, "%u", s->lines.count);
    wf_say(s->node, WF_LOG_WARN, "source",
        "the end of a run was dropped: its records could not be taken", "product", s->product.s,
        "records_at_least", count, NULL);
}

// What the pipes still hold belongs to the run that ended.
static void read_rest(struct source *s)
{
    for (int i = 0; i < 64 && s->out.fd >= 0; i++) {
        on_output(&s->out, EPOLLIN);
        if (s->chunk_at < s->chunk.len || s->lines.count) {
            drop_rest(s);
            break;
        }
    }
    if (s->err_watch.fd >= 0)
        on_stderr(&s->err_watch, EPOLLIN);
    close_watch(s->node, &s->out);
    close_watch(s->node, &s->err_watch);
    wf_lines_clear(&s->lines);
    s->lines.partial.len = 0;
    s->lines.skipping = false;
    wf_buf_fini(&s->chunk);
    s->chunk_at = 0;
}

static void free_source(struct source *s)
{
    struct source **at = &s->node->source->first;

    while (*at && *at != s)
        at = &(*at)->next;
    if (*at)
        *at = s->next;
    wf_timer_cancel(s->node->loop, &s->timer);
    close_watch(s->node, &s->out);
    close_watch(s->node, &s->err_watch);
    wf_lines_fini(&s->lines);
    wf_buf_fini(&s->chunk);
    wf_buf_fini(&s->args);
    free(s);
}

static void on_ended(struct source *s, int status)
{
    struct wf_node *n = s->node;
    char text[16];

    s->id = 0;
    read_rest(s);
    wf_timer_cancel(n->loop, &s->timer);
    if (s->removed || s->state == SRC_ENDING) {
        s->state = SRC_STOPPED;
        if (s->removed)
            free_source(s);
        return;
    }
    bool final = status == 64 || status == 78;
    bool clean = status == 0 && s->every_ms > 0;
    if (wf_node_now_ms(n) - s->started_ms >= HEALTHY_MS || clean)
        s->backoff_ms = 0;
    s->backoff_ms = s->backoff_ms ? s->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (s->backoff_ms > BACKOFF_MAX_MS)
        s->backoff_ms = BACKOFF_MAX_MS;
    s->state = final ? SRC_STOPPED : clean ? SRC_WAITING : SRC_FAILED;
    if (!clean) {
        snprintf(text, sizeof text, "%d", status);
        wf_say(n, WF_LOG_WARN, "source",
            final ? "a source will not be started again until its manifest changes"
                  : "a source ended",
            "product", s->product.s, "status", text, "last", s->last_stderr, NULL);
        s->restarts++;
    }
    int64_t since = wf_node_now_ms(n) - s->started_ms;
    if (!final)
        restart_later(s, clean ? (s->every_ms > since ? s->every_ms - since : 0) : s->backoff_ms);
}

static void on_report(struct wf_watch *w, uint32_t events)
{
    struct wf_source_room *r =
        (struct wf_source_room *)(void *)((char *)w - offsetof(struct wf_source_room, reports));
    struct wf_spawn_head head;
    enum weft_err err = WEFT_OK;

    (void)events;
    while (!(err = wf_spawner_report(r->fd, &head), err)) {
        struct source *s = r->first;
        while (s && s->id != head.id)
            s = s->next;
        if (s)
            on_ended(s, head.value);
        else
            wf_run_ended(r->node, head.id, head.value);
    }
    if (err == WEFT_E_CLOSED) {
        wf_loop_unwatch(r->node->loop, w);
        wf_alarm(r->node, "spawner", "the spawner process is gone: no source runs until a restart");
    }
}

// ---- public ----------------------------------------------------------------------------------------------------------

static struct source *find_source(struct wf_node *n, const char *product)
{
    struct source *s = n->source->first;

    while (s && (s->removed || strcmp(s->product.s, product) != 0))
        s = s->next;
    return s;
}

static void end_source(struct source *s)
{
    if (s->id == 0) {
        free_source(s);
        return;
    }
    s->removed = true;
    s->state = SRC_ENDING;
    enum weft_err err = wf_spawner_signal(s->node->source->fd, s->id, SIGTERM);
    if (!err)
        err = wf_timer_set(s->node->loop, &s->timer, wf_node_now_ms(s->node) + KILL_MS);
    if (err)
        wf_say(s->node, WF_LOG_WARN, "source", "a source could not be ended", "product",
            s->product.s, NULL);
}

void wf_source_remove(struct wf_node *n, const char *product)
{
    struct source *s = n->source ? find_source(n, product) : NULL;

    if (s)
        end_source(s);
}

void wf_source_snapshot(struct wf_node *n, const char *product)
{
    const struct source *s = n->source ? find_source(n, product) : NULL;

    if (s && s->id && wf_spawner_signal(n->source->fd, s->id, SIGHUP))
        wf_say(n, WF_LOG_WARN, "source", "a source could not be asked for a snapshot", "product",
            product, NULL);
}

static bool same_spec(
    const struct source *s, const struct wf_source_spec *spec, struct wf_bytes args)
{
    return wf_bytes_eq(wf_buf_view(&s->args), args) && s->every_ms == spec->every_ms &&
           s->major == spec->major;
}

enum weft_err wf_source_set(struct wf_node *n, const struct wf_source_spec *spec)
{
    struct wf_buf args = { 0 };
    struct source *s = NULL;

    if (!n->source || !n->conf->sources.enabled)
        return WEFT_OK; // shown as stopped where sources are listed: this weftd runs none
    if (spec->run_count == 0 || spec->run_count > WF_SPAWN_ARGS) {
        wf_source_remove(n, spec->product);
        return spec->run_count ? WEFT_E_TOO_BIG : WEFT_OK;
    }
    enum weft_err err = wf_source_pack(spec->run, spec->run_count, &args);
    s = find_source(n, spec->product);
    if (err || (s && same_spec(s, spec, wf_buf_view(&args)))) {
        wf_buf_fini(&args);
        return err;
    }
    if (s)
        end_source(s);
    s = calloc(1, sizeof *s);
    if (!s || wf_name_from(wf_bytes_str(spec->product), &s->product)) {
        err = s ? WEFT_E_NAME : WEFT_E_NOMEM;
        wf_buf_fini(&args);
        free(s);
        return err;
    }
    s->node = n;
    s->args = args;
    s->arg_count = spec->run_count;
    s->every_ms = spec->every_ms;
    s->major = spec->major;
    s->out = (struct wf_watch){ .ready = on_output, .fd = -1 };
    s->err_watch = (struct wf_watch){ .ready = on_stderr, .fd = -1 };
    s->timer.fire = on_timer;
    s->next = n->source->first;
    n->source->first = s;
    restart_later(s, 0);
    return WEFT_OK;
}

size_t wf_source_states(struct wf_node *n, struct wf_arena *arena, Weft__V1__SourceState ***ret)
{
    static const char *const names[] = { "waiting", "running", "stopped", "failed", "stopped" };
    size_t count = 0, i = 0;

    for (const struct source *s = n->source ? n->source->first : NULL; s; s = s->next)
        count += !s->removed;
    Weft__V1__SourceState **v = wf_arena_calloc(arena, count, sizeof *v);
    for (const struct source *s = v && n->source ? n->source->first : NULL; s && i < count;
         s = s->next) {
        const char *product = NULL, *error = NULL;
        Weft__V1__SourceState *st = s->removed ? NULL : wf_arena_alloc(arena, sizeof *st);
        if (!st || wf_arena_str(arena, wf_bytes_str(s->product.s), &product) ||
            wf_arena_str(arena,
                wf_bytes_str(s->lines.refused ? s->lines.last_error : s->last_stderr), &error))
            continue;
        weft__v1__source_state__init(st);
        st->product = wf_pb_str(product);
        st->error = wf_pb_str(error);
        st->state = wf_pb_str(names[s->state]);
        st->last_record_ms = s->last_record_unix_ms;
        st->restarts = s->restarts;
        v[i++] = st;
    }
    *ret = v;
    return i;
}

// ---- life ------------------------------------------------------------------------------------------------------------

static enum weft_err source_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_source_room *r = calloc(1, sizeof *r);

    if (!r)
        return WEFT_E_NOMEM;
    n->source = r;
    r->node = n;
    r->fd = -1;
    r->reports.fd = -1;
    enum weft_err err = wf_bytes_strdup(wf_bytes_str(n->conf->data), &r->data);
    if (!err)
        err = wf_source_state_open(n, diag);
    if (!err)
        err = wf_spawner_fork(&n->core->dir->keys, &r->fd, &r->pid);
    return err;
}

static enum weft_err source_start(struct wf_node *n, struct wf_diag *diag)
{
    (void)diag;
    n->source->reports = (struct wf_watch){ .ready = on_report, .fd = n->source->fd };
    return wf_loop_watch(n->loop, &n->source->reports, EPOLLIN);
}

static void source_drain(struct wf_node *n)
{
    for (struct source *s = n->source->first, *next; s; s = next) {
        next = s->next;
        end_source(s);
    }
}

static bool source_drained(const struct wf_node *n)
{
    return n->source->first == NULL;
}

// What the pipes gave and the log or spool did not take yet. Nothing is dropped for want of room: the program waits in its write.
static void source_queues(const struct wf_node *n, struct wf_queues *out)
{
    struct wf_queue q = { .name = "sources" };

    for (const struct source *s = n->source ? n->source->first : NULL; s; s = s->next) {
        q.items += s->lines.count;
        q.bytes += s->chunk.len - s->chunk_at + s->lines.raw.len + s->lines.partial.len;
        q.max_bytes += CHUNK + ENOUGH + 2 * (uint64_t)WF_SOURCE_LINE_MAX;
    }
    wf_queues_add(out, &q);
}

static void source_close(struct wf_node *n)
{
    struct wf_source_room *r = n->source;

    if (!r)
        return;
    wf_runs_close(n);
    while (r->first) {
        // Who still runs was told to end and did not: it would outlive weftd, and each start would bring one more.
        if (r->first->id && r->fd >= 0)
            (void)!wf_spawner_signal(r->fd, r->first->id, SIGKILL);
        free_source(r->first);
    }
    if (r->reports.fd >= 0)
        wf_loop_unwatch(n->loop, &r->reports);
    if (r->fd >= 0)
        close(r->fd);
    if (r->pid > 0)
        waitpid(r->pid, NULL, 0);
    free(r->data);
    free(r);
    n->source = NULL;
}

const struct wf_room wf_source_room = { .name = "source",
    .open = source_open,
    .start = source_start,
    .drain = source_drain,
    .drained = source_drained,
    .close = source_close,
    .queues = source_queues };

// SPDX-License-Identifier: Apache-2.0
// Start, run, drain, stop. Rooms open in order (no traffic yet; those that fork come before the first NNG call), start in order,
// tick once a second, and close in reverse. A room that fails to open or start ends the process with its reason and nothing left behind.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "node/call.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/pool.h"
#include "node/say.h"
#include "node/space.h"
#include "node/start.h"
#include "node/wall.h"
#include "proto/base/print.h"
#include "sdk/disk.h"
#include "sdk/loop/loop.h"

#define TICK_MS       1000
#define WALL_EVERY_MS 600000

struct life {
    struct wf_node *node;
    const struct wf_room *const *rooms;
    size_t opened, started;
    struct wf_watch signals;
    struct wf_timer tick;
    int64_t drain_by_ms, wall_at_ms;
    bool in_disorder; // something was owed still when it stopped
};

// ---- systemd ---------------------------------------------------------------------------------------------------------

// sd_notify(3) is one datagram; a library for it would bring more than it saves.
static void notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, len) < 0)
        wf_say_line(WF_LOG_WARN, "life", "cannot notify the service manager", NULL);
    close(fd);
}

// ---- reload ----------------------------------------------------------------------------------------------------------

static void reload(struct wf_node *n)
{
    struct timespec ts;
    char text[96];

    clock_gettime(CLOCK_MONOTONIC, &ts);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
        (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
    notify(text);
    wf_node_reload(n);
    notify("READY=1");
}

// ---- running ---------------------------------------------------------------------------------------------------------

static bool all_drained(const struct life *l)
{
    for (size_t i = 0; i < l->started; i++)
        if (l->rooms[i]->drained && !l->rooms[i]->drained(l->node))
            return false;
    return true;
}

static void begin_drain(struct life *l)
{
    struct wf_node *n = l->node;

    if (n->draining)
        return;
    n->draining = true;
    l->drain_by_ms = wf_node_now_ms(n) + (int64_t)n->conf->drain_ms;
    notify("STOPPING=1");
    wf_say(n, WF_LOG_INFO, "life", "stopping: finishing what is owed", NULL);
    for (size_t i = 0; i < l->started; i++)
        if (l->rooms[i]->drain)
            l->rooms[i]->drain(n);
}

// Stops the loop; what was not finished is named, and is the exit status.
static void stop(struct life *l, const char *why)
{
    char rooms[200] = "";

    for (size_t i = 0; i < l->started; i++)
        if (l->rooms[i]->drained && !l->rooms[i]->drained(l->node)) {
            size_t len = strlen(rooms);
            snprintf(rooms + len, sizeof rooms - len, "%s%s", len ? ", " : "", l->rooms[i]->name);
        }
    if (rooms[0]) {
        l->in_disorder = true;
        wf_say(l->node, WF_LOG_ERROR, "life", "stopped with work that was not finished", "why", why,
            "rooms", rooms, NULL);
    }
    wf_loop_stop(l->node->loop);
}

static void on_tick(struct wf_timer *t)
{
    struct life *l = (struct life *)(void *)((char *)t - offsetof(struct life, tick));
    struct wf_node *n = l->node;
    int64_t now = wf_node_now_ms(n);

    for (size_t i = 0; i < l->started; i++)
        if (l->rooms[i]->tick)
            l->rooms[i]->tick(n);
    wf_wall_check(n);
    wf_space_check(n);
    wf_files_check(n);
    if (now >= l->wall_at_ms) {
        wf_wall_save(n);
        l->wall_at_ms = now + WALL_EVERY_MS;
    }
    if (n->draining && (all_drained(l) || now >= l->drain_by_ms))
        stop(l, "the time of drain: is over");
    // The timer was just taken from the heap, so there is room for it.
    if (wf_timer_set(n->loop, t, now + (n->draining ? 50 : TICK_MS)))
        wf_loop_stop(n->loop);
}

static void on_signal(struct wf_watch *w, uint32_t events)
{
    struct life *l = (struct life *)(void *)((char *)w - offsetof(struct life, signals));
    struct signalfd_siginfo info;

    (void)events;
    while (read(w->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            reload(l->node);
        } else if (l->node->draining) {
            stop(l, "a second signal"); // somebody is in a hurry
        } else {
            begin_drain(l);
            if (wf_timer_set(l->node->loop, &l->tick, wf_node_now_ms(l->node)))
                wf_loop_stop(l->node->loop);
        }
    }
}

static enum weft_err watch_signals(struct life *l)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    // Blocked before any thread exists, so that all inherit it and only the descriptor sees them.
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return WEFT_E_IO;
    signal(SIGPIPE, SIG_IGN);
    l->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    l->signals.ready = on_signal;
    return l->signals.fd < 0 ? WEFT_E_IO : wf_loop_watch(l->node->loop, &l->signals, EPOLLIN);
}

static void greet(struct wf_node *n)
{
    const struct wf_cert *cert = &n->identity.cert;
    char print[WF_FINGERPRINT_LEN], port[8];

    wf_fingerprint(wf_bytes(n->keys.sign_pub.b, WF_KEY_LEN), print);
    snprintf(port, sizeof port, "%u", n->control->port);
    wf_say(n, WF_LOG_INFO, "life", "ready", "version", WEFT_VERSION, "role",
        n->is_agent ? "agent" : "node", "domain", cert->domain.s[0] ? cert->domain.s : "(none yet)",
        "name", cert->domain.s[0] ? cert->subject.s : "(none yet)", "fingerprint", print, "listen",
        n->is_agent ? "none" : n->conf->listen.host, "port", n->is_agent ? "none" : port, "socket",
        n->conf->socket, "data", n->conf->data, "core_dumps", prctl(PR_GET_DUMPABLE) ? "on" : "off",
        "keys", wf_node_keys_locked(n) ? "locked" : "not-locked", "net_shim",
        wf_net_shim_active() ? "on" : "off", NULL);
}

// *ret_room: the one that could not.
// Each agent and reader is a connection, and the customary 1,024 descriptors would be too few for those that a node admits. Signer and sources
// are forked by then and keep the limit they were started with.
static void raise_descriptors(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static enum weft_err open_rooms(struct life *l, struct wf_diag *diag, const char **ret_room)
{
    enum weft_err err = WEFT_OK;

    for (; l->rooms[l->opened] && !err; l->opened++) {
        *ret_room = l->rooms[l->opened]->name;
        if (l->rooms[l->opened]->open)
            err = l->rooms[l->opened]->open(l->node, diag);
    }
    raise_descriptors();
    for (; l->rooms[l->started] && !err; l->started++) {
        *ret_room = l->rooms[l->started]->name;
        if (l->rooms[l->started]->start)
            err = l->rooms[l->started]->start(l->node, diag);
    }
    return err;
}

static void close_rooms(struct life *l)
{
    struct wf_net *net = l->node->control ? l->node->control->net : NULL;
    struct wf_control *control = l->node->control;

    // No room may go while a worker is at something of its.
    wf_pool_stop(l->node->pool);
    while (l->opened > 0)
        if (l->rooms[--l->opened]->close)
            l->rooms[l->opened]->close(l->node);
    wf_net_free(net); // after the last link and endpoint
    free(control);
}

static enum weft_err load_identity(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_identity_dir *d = NULL;
    enum weft_err err = wf_identity_load(n->conf->data, wf_node_now_unix_ms(n), &d, diag);

    // An agent with a ticket makes its keys at the first start and joins by itself.
    if (err == WEFT_E_IDENTITY && n->conf->ticket) {
        struct wf_keys keys = { 0 };
        err = wf_keys_new('N', &keys);
        if (!err)
            err = wf_identity_create(n->conf->data, &keys, diag);
        wf_keys_fini(&keys);
        if (!err)
            err = wf_identity_load(n->conf->data, wf_node_now_unix_ms(n), &d, diag);
    }
    if (err)
        return err;
    n->core->dir = d;
    return wf_node_adopt(n, d, diag);
}

static int run(struct life *l, struct wf_diag *diag)
{
    struct wf_node *n = l->node;
    const char *room = NULL;
    enum weft_err err = wf_start_lock(n->conf->data, diag);

    if (!err)
        err = load_identity(n, diag);
    if (!err)
        err = wf_start_lock(n->conf->data, diag); // the first start made the directory
    if (!err)
        err = watch_signals(l);
    if (!err)
        err = open_rooms(l, diag, &room);
    l->tick.fire = on_tick;
    if (!err)
        err = wf_timer_set(n->loop, &l->tick, wf_node_now_ms(n));
    if (!err) {
        greet(n);
        notify("READY=1");
        wf_loop_run(n->loop);
        wf_wall_save(n);
    } else {
        wf_start_explain(err, room, diag);
    }
    close_rooms(l);
    if (!err && l->in_disorder)
        err = WEFT_E_TIMEOUT;
    else if (!err)
        wf_say_line(WF_LOG_INFO, "life", "stopped in order", NULL);
    return weft_err_exit(err);
}

int wf_node_main(struct wf_conf *conf, const char *conf_path)
{
    struct wf_core core = { .conf_path = conf_path };
    struct wf_node node = { .core = &core, .conf = conf, .is_agent = conf->role == WF_ROLE_AGENT };
    struct life life = { .node = &node,
        .rooms = node.is_agent ? wf_rooms_agent : wf_rooms_node,
        .signals = { .fd = -1 } };
    struct wf_diag diag = { 0 };
    const struct rlimit no_core = { 0, 0 };

    if (node.is_agent)
        wf_start_small_heap();
    else
        wf_start_keep_heap();
    wf_say_form(conf->log.format, conf->log.level);
    prctl(PR_SET_DUMPABLE, 0); // a core would hold every key
    setrlimit(RLIMIT_CORE, &no_core);
    wf_files_raise();
    enum weft_err err = wf_crypto_init();
    if (!err)
        err = wf_loop_new(NULL, &node.loop);
    if (err) {
        wf_start_explain(err, NULL, &diag);
        return weft_err_exit(err);
    }
    wf_wall_load(&node);
    node.started_unix_ms = wf_node_now_unix_ms(&node);
    int status = run(&life, &diag);
    wf_files_close(&node);
    wf_identity_free(core.dir); // keys and charter of the node were borrowed from it
    wf_buf_fini(&node.chain);
    while (core.alarms) {
        struct wf_alarm *a = core.alarms;
        core.alarms = a->next;
        free(a);
    }
    if (life.signals.fd >= 0)
        close(life.signals.fd);
    wf_loop_free(node.loop);
    wf_conf_free(node.conf);
    return status;
}

// SPDX-License-Identifier: Apache-2.0
// The order of work (docs/protocol/session.md): each step is dearer than the one before and is only reached through it.
#include "node/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/call.h"
#include "node/conf.h"
#include "node/early.h"
#include "node/files.h"
#include "node/metrics.h"
#include "node/queues.h"
#include "node/say.h"
#include "node/stream/room.h"
#include "sdk/disk.h"
#include "sdk/loop/loop.h"

#define CONNECTIONS 4096u // of the control plane

struct letter {
    struct wf_mail mail;
    struct wf_node *node;
    bool is_local;
    struct wf_net_event e;
};

// ---- handshake -------------------------------------------------------------------------------------------------------

static struct wf_session_conf session_conf(const struct wf_node *n)
{
    return (struct wf_session_conf){ &n->keys.dh, n->keys.dh_pub, n->mesh_id };
}

// What may be known of a caller before the first agreement: its address, and who proved itself on its connection.
static enum weft_err let_in(
    struct wf_node *n, const struct wf_net_request *q, struct wf_admit_pass *ret)
{
    const struct wf_sessions *t = n->control->sessions;
    const struct wf_live_session *s = NULL;
    struct wf_admit_ask ask = { .first = wf_net_request_first(q), .now_ms = wf_node_now_ms(n) };
    enum weft_err err = wf_call_addr_key(wf_net_request_addr(q), &ask.from);

    while (!ask.of_connection && (s = wf_sessions_of_pipe(t, wf_net_request_pipe(q), s)) != NULL)
        if (s->caller.has_identity)
            ask.of_connection = &s->s.peer;
    return err ? err : wf_admit_address(n->control->admit, &ask, ret);
}

static enum weft_err accept_session(struct wf_node *n, const struct wf_session_init *init,
    const struct wf_net_request *q, const struct wf_admit_pass *pass,
    uint8_t response[WF_SESSION_RESPONSE_LEN])
{
    struct wf_session_conf conf = session_conf(n);
    struct wf_session_caller caller = { 0 };
    struct wf_session_fresh fresh = { .now_ms = wf_node_now_ms(n) };
    struct wf_session session = { 0 };
    struct wf_live_session *live = NULL;
    enum weft_err err = wf_session_identify(&conf, init, &caller);

    if (err)
        return err;
    err = wf_admit_key(n->control->admit, pass, &caller.peer, caller.stamp_unix_ms);
    if (!err) {
        wf_random(fresh.ephemeral, sizeof fresh.ephemeral);
        fresh.session_id = wf_sessions_fresh_id(n->control->sessions);
        err = wf_session_accept(&caller, &fresh, &session, response);
        wf_wipe(&fresh, sizeof fresh);
    }
    if (!err) {
        err = wf_sessions_add(n->control->sessions, &session, wf_net_request_pipe(q), &live);
        if (err)
            wf_session_fini(&session);
    }
    if (!err) {
        live->caller.session = live->s.id;
        snprintf(live->caller.label, sizeof live->caller.label, "newcomer");
        wf_net_addr_text(wf_net_request_addr(q), live->caller.address);
    }
    wf_session_caller_fini(&caller);
    return err;
}

static void on_init(struct wf_node *n, struct wf_net_request *q, struct wf_bytes message)
{
    struct wf_session_conf conf = session_conf(n);
    struct wf_session_init init;
    struct wf_admit_pass pass = { 0 };
    uint8_t response[WF_SESSION_RESPONSE_LEN];
    struct wf_net_msg *reply = NULL;
    enum weft_err err = wf_session_check_mac1(&conf, message, &init);

    if (err == WEFT_E_MAC1) {
        n->control->count.mac1_wrong++;
        wf_net_drop(q, true);
        return;
    }
    if (!err)
        err = let_in(n, q, &pass);
    if (!err)
        err = accept_session(n, &init, q, &pass, response);
    if (!err)
        err = wf_net_msg_from(WF_BYTES(response), &reply);
    if (err) {
        n->control->count.handshakes_refused++;
        if (pass.by == WF_ADMIT_BY_LOOK) // a look that found nobody tells no more than none
            err = WEFT_E_FLOOD;
        wf_call_uniform(q, err == WEFT_E_REPLAY ? WEFT_E_HANDSHAKE : err);
        return;
    }
    n->control->count.handshakes++;
    wf_net_reply(q, reply);
}

// ---- transport -------------------------------------------------------------------------------------------------------

static void on_transport(struct wf_node *n, struct wf_net_request *q,
    const struct wf_session_head *head, struct wf_bytes message)
{
    struct wf_live_session *s = wf_sessions_find(n->control->sessions, head->session_id);
    struct wf_buf plain = { 0 };
    uint64_t nonce = 0;

    if (!s || s->pipe != wf_net_request_pipe(q)) {
        wf_call_uniform(q, WEFT_E_SESSION);
        return;
    }
    if (s->in_flight >= WF_MAX_IN_FLIGHT) {
        n->control->count.busy++;
        wf_call_uniform(q, WEFT_E_BUSY);
        return;
    }
    enum weft_err err = wf_session_open_request(&s->s, message, wf_node_now_ms(n), &plain, &nonce);
    if (err == WEFT_E_SESSION_OLD) {
        wf_sessions_remove(n->control->sessions, s);
        wf_call_uniform(q, WEFT_E_SESSION);
    } else if (err) {
        wf_call_uniform(q, WEFT_E_REFUSED);
    } else {
        wf_call_begin(n, q, s, nonce, NULL, wf_buf_view(&plain));
    }
    wf_wipe(plain.ptr, plain.len);
    wf_buf_fini(&plain);
}

static void on_remote(struct wf_node *n, const struct wf_net_event *e)
{
    struct wf_bytes message = wf_net_request_bytes(e->request);
    struct wf_session_head head;
    enum weft_err err = wf_session_peek(message, &head);

    if (e->scarce) {
        n->control->count.busy++;
        wf_call_uniform(e->request, WEFT_E_BUSY);
    } else if (err) {
        wf_call_uniform(e->request, err);
    } else if (head.type == WF_SESSION_INIT) {
        on_init(n, e->request, message);
    } else if (head.type == WF_SESSION_REQUEST) {
        on_transport(n, e->request, &head, message);
    } else {
        wf_call_uniform(e->request, WEFT_E_PROTOCOL);
    }
}

static void on_local(struct wf_node *n, const struct wf_net_event *e)
{
    const struct wf_net_addr *addr = wf_net_request_addr(e->request);
    struct wf_caller who = { .local = true, .uid = addr->uid };

    snprintf(who.label, sizeof who.label, "uid %u", addr->uid);
    snprintf(who.address, sizeof who.address, "local");
    wf_call_begin(n, e->request, NULL, 0, &who, wf_net_request_bytes(e->request));
}

static void on_pipe_down(struct wf_node *n, uint32_t pipe)
{
    struct wf_sessions *t = n->control->sessions;

    wf_calls_of_pipe_gone(n, pipe);
    wf_stream_pipe_gone(n, pipe);
    for (struct wf_live_session *s = wf_sessions_of_pipe(t, pipe, NULL), *next; s; s = next) {
        next = wf_sessions_of_pipe(t, pipe, s);
        wf_sessions_remove(t, s);
    }
}

static void open_letter(struct wf_mail *m)
{
    struct letter *l = (struct letter *)(void *)m;

    if (l->e.what == WF_NET_DOWN)
        on_pipe_down(l->node, l->e.pipe);
    else if (l->is_local)
        on_local(l->node, &l->e);
    else
        on_remote(l->node, &l->e);
    free(l);
}

static void drop_letter(struct wf_mail *m)
{
    struct letter *l = (struct letter *)(void *)m;

    if (l->e.what == WF_NET_REQUEST)
        wf_net_drop(l->e.request, true);
    free(l);
}

// On an NNG thread, or on the loop's: the local socket.
static bool post(struct wf_node *n, const struct wf_net_event *e, bool is_local)
{
    struct letter *l = NULL;

    if (e->what != WF_NET_REQUEST && e->what != WF_NET_DOWN)
        return true;
    l = calloc(1, sizeof *l);
    if (!l)
        return false; // a lost DOWN leaves sessions that no pipe can use; they are wiped by age
    *l = (struct letter){ .node = n, .is_local = is_local, .e = *e };
    l->mail = (struct wf_mail){ .open = open_letter,
        .drop = drop_letter,
        .class = WF_MAIL_CONTROL,
        .must = e->what == WF_NET_DOWN };
    if (e->what == WF_NET_REQUEST)
        l->mail.bytes = wf_net_request_bytes(e->request).len;
    if (wf_loop_post(n->loop, &l->mail)) {
        free(l);
        return false;
    }
    return true;
}

static bool post_remote(void *arg, const struct wf_net_event *e)
{
    return post(arg, e, false);
}

static bool post_local(void *arg, const struct wf_net_event *e)
{
    return post(arg, e, true);
}

// ---- life ------------------------------------------------------------------------------------------------------------

static void on_notice(void *arg, enum wf_net_notice notice, const char *detail)
{
    // On a thread of sdk/net, so nothing but stderr is touched: one line, written at once.
    const char *text =
        notice == WF_NET_CLOSE_ABANDONED    ? "a socket did not close in time and was left behind"
        : notice == WF_NET_LISTENER_REVIVED ? "a deaf listener was opened anew"
        : notice == WF_NET_STUCK            ? "NNG no longer ends connections; restart weftd"
                                            : "a listener is lost and could not be opened anew yet";

    (void)arg;
    wf_say_line(WF_LOG_WARN, "net", text, "at", detail ? detail : "", NULL);
}

static enum weft_err control_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_control *ctl = calloc(1, sizeof *ctl);
    struct wf_net_conf conf = { .notice = on_notice };

    if (!ctl)
        return WEFT_E_NOMEM;
    n->control = ctl;
    enum weft_err err = wf_sessions_new(&ctl->sessions);
    if (!err)
        err = wf_admit_new(&ctl->admit);
    if (!err)
        err = wf_replays_new(&ctl->replays);
    if (!err)
        err = wf_net_new(&conf, &ctl->net);
    if (err)
        wf_diag_set(diag, 0, 0, "control plane: %s", weft_err_text(err));
    return err;
}

static enum weft_err listen_local(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_local_conf conf = { .loop = n->loop, .post = post_local, .arg = n };
    char where[WF_MAX_ADDR], dir[WF_MAX_ADDR];
    const char *slash = strrchr(n->conf->socket, '/');

    if (!slash || (size_t)(slash - n->conf->socket) >= sizeof dir ||
        snprintf(where, sizeof where, "ipc:%s", n->conf->socket) >= (int)sizeof where) {
        wf_diag_set(diag, 0, 0, "socket: %s: no usable path", n->conf->socket);
        return WEFT_E_CONFIG;
    }
    memcpy(dir, n->conf->socket, (size_t)(slash - n->conf->socket));
    dir[slash - n->conf->socket] = '\0';
    enum weft_err err = wf_disk_mkdir(dir, diag);
    if (err)
        return err;
    err = wf_local_new(&conf, &n->control->ipc);
    // With `local:` other users may connect: the uid of each request is checked against it.
    if (!err)
        err = wf_local_listen(n->control->ipc, where, n->conf->local.count ? 0666 : 0600);
    if (err)
        wf_diag_set(diag, 0, 0, "socket: %s: %s", n->conf->socket, weft_err_text(err));
    return err;
}

static enum weft_err listen_tcp(struct wf_node *n, struct wf_diag *diag)
{
    uint8_t busy[WF_SESSION_REFUSAL_LEN];
    char where[WF_ADDRESS_TEXT];

    wf_session_refuse(WEFT_E_BUSY, busy);
    struct wf_net_rep_conf conf = { .post = post_remote,
        .arg = n,
        .busy = WF_BYTES(busy),
        .pipes = wf_files_for_connections(CONNECTIONS) };
    wf_address_text(&n->conf->listen, where);
    enum weft_err err = wf_net_rep_new(n->control->net, &conf, &n->control->tcp);
    if (!err)
        err = wf_net_rep_listen(n->control->tcp, where, &n->control->port);
    if (err)
        wf_diag_set(diag, 0, 0, "listen: %s: %s", where, weft_err_text(err));
    return err;
}

static enum weft_err control_start(struct wf_node *n, struct wf_diag *diag)
{
    enum weft_err err = listen_local(n, diag);

    if (!err && !n->is_agent)
        err = listen_tcp(n, diag);
    return err;
}

static void control_tick(struct wf_node *n)
{
    struct wf_sessions *t = n->control->sessions;

    for (struct wf_live_session *s = wf_sessions_next(t, NULL), *next; s; s = next) {
        next = wf_sessions_next(t, s);
        if (s->in_flight == 0 && wf_session_age(&s->s, wf_node_now_ms(n)) == WF_SESSION_OVER)
            wf_sessions_remove(t, s);
    }
}

static bool control_drained(const struct wf_node *n)
{
    for (const struct call *c = n->control->calls; c; c = c->next)
        if (!c->pub.on_gone) // a parked poll is not work that is owed
            return false;
    return true;
}

static void control_close(struct wf_node *n)
{
    struct wf_control *ctl = n->control;

    if (!ctl)
        return;
    wf_net_rep_free(ctl->tcp);
    wf_local_free(ctl->ipc);
    while (ctl->calls) {
        struct call *c = ctl->calls;
        if (c->pub.on_gone)
            c->pub.on_gone(&c->pub, c->pub.gone_arg);
        wf_call_refuse(&c->pub, WEFT_E_CLOSED, "the node is stopping");
    }
    wf_sessions_free(ctl->sessions);
    wf_admit_free(ctl->admit);
    wf_replays_free(ctl->replays);
    n->control =
        NULL; // runtime and memory go last of all (life.c): links of other rooms still use them
}

void wf_control_drop(struct wf_node *n, const struct wf_sign_pub *key)
{
    struct wf_sessions *t = n->control->sessions;

    for (struct wf_live_session *s = wf_sessions_next(t, NULL), *next; s; s = next) {
        next = wf_sessions_next(t, s);
        if (s->caller.has_identity &&
            memcmp(s->caller.identity.cert.sign_key.b, key->b, WF_KEY_LEN) == 0)
            wf_net_rep_close_pipe(n->control->tcp, s->pipe);
    }
}

static void control_queues(const struct wf_node *n, struct wf_queues *out)
{
    const struct wf_control *c = n->control;
    struct wf_local_stats local;
    size_t count = 0, bytes = 0;

    wf_queues_add(out, &(struct wf_queue){ .name = "sessions",
                           .items = wf_sessions_count(c->sessions),
                           .max_items = WF_SESSIONS_MAX,
                           .dropped = wf_sessions_refused(c->sessions) });
    wf_replays_size(c->replays, &count, &bytes);
    wf_queues_add(out, &(struct wf_queue){ .name = "replays",
                           .items = count,
                           .bytes = bytes,
                           .max_items = WF_REPLAYS_MAX,
                           .max_bytes = WF_REPLAYS_BYTES });
    wf_queues_add(out, &(struct wf_queue){ .name = "early",
                           .items = c->early_count,
                           .max_items = WF_EARLY_MAX,
                           .dropped = c->early_full });
    if (c->ipc) {
        wf_local_get_stats(c->ipc, &local);
        wf_queues_add(out, &(struct wf_queue){ .name = "local",
                               .items = local.working + local.held,
                               .bytes = local.bytes + local.held_bytes,
                               .max_items = local.max_working + local.max_held,
                               .max_bytes = local.max_bytes + local.max_held_bytes,
                               .dropped = local.refused });
    }
    if (!c->tcp)
        return;
    struct wf_net_rep_stats tcp;
    wf_net_rep_get_stats(c->tcp, &tcp);
    wf_queues_add(out, &(struct wf_queue){ .name = "requests",
                           .items = tcp.working + tcp.held,
                           .bytes = tcp.bytes + tcp.held_bytes,
                           .max_items = tcp.max_working + tcp.max_held,
                           .max_bytes = tcp.max_bytes + tcp.max_held_bytes,
                           .dropped = tcp.no_room + tcp.scarce });
}

static void control_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    const struct wf_control *c = n->control;
    struct wf_net_stats net;

    wf_net_get_stats(c->net, &net);
    wf_metric(m, WF_METRIC_SESSIONS, (double)wf_sessions_count(c->sessions));
    wf_metric(m, WF_METRIC_SESSIONS_HALF, (double)wf_sessions_half_open(c->sessions));
    wf_metric(m, WF_METRIC_HANDSHAKES, (double)c->count.handshakes);
    wf_metric_head(m, WF_METRIC_HANDSHAKES_REFUSED);
    wf_metric_of(m, WF_METRIC_HANDSHAKES_REFUSED, (double)c->count.mac1_wrong, "cause=\"mac1\"");
    wf_metric_of(
        m, WF_METRIC_HANDSHAKES_REFUSED, (double)c->count.handshakes_refused, "cause=\"other\"");
    wf_metric(m, WF_METRIC_REQUESTS, (double)c->count.requests);
    wf_metric_head(m, WF_METRIC_REFUSALS);
    for (unsigned code = 0; code < WF_COUNT(c->refused_by); code++)
        if (c->refused_by[code])
            wf_metric_of(m, WF_METRIC_REFUSALS, (double)c->refused_by[code], "code=\"%s\"",
                weft_err_name((enum weft_err)code));
    wf_metric(m, WF_METRIC_BUSY, (double)c->count.busy);
    wf_metric(m, WF_METRIC_REVIVED, (double)net.revived);
}

const struct wf_room wf_control_room = {
    .name = "control",
    .open = control_open,
    .start = control_start,
    .tick = control_tick,
    .drained = control_drained,
    .close = control_close,
    .metrics = control_metrics,
    .queues = control_queues,
    .signals = wf_call_signals,
};

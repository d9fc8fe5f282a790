// SPDX-License-Identifier: Apache-2.0
// An agent's line to its domain's node: one link at a time, one long poll on it. What the node says (manifests, tasks, newer charters, a new
// certificate) comes as answers; nothing connects to this host. When a node does not answer, the next uplink is tried.
#include "node/agent/uplink.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/call.h"
#include "node/core.h"
#include "node/metrics.h"
#include "node/queues.h"
#include "node/source/room.h"
#include "sdk/disk.h"

// ---- which node ------------------------------------------------------------------------------------------------------

static void later(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    u->retry_ms = u->retry_ms ? u->retry_ms * 2 : WF_UPLINK_RETRY_MIN_MS;
    if (u->retry_ms > WF_UPLINK_RETRY_MAX_MS / 4)
        u->retry_ms = WF_UPLINK_RETRY_MAX_MS / 4;
    u->retry_at_ms = wf_node_now_ms(n) + u->retry_ms;
}

static void drop_link(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_link *l = u->link;

    u->link = NULL;
    u->marks_asked = u->marks_known = u->root_known = u->stranded = false;
    u->root = (struct wf_hash){ 0 };
    for (struct wf_spool_chain *c = u->chains; c; c = c->next)
        c->not_before_ms = 0; // what this node did not take, the next may
    wf_link_free(l);          // its requests end in callbacks, which find no link
}

void wf_uplink_failed(struct wf_node *n, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_uplink_room *u = n->uplink;
    const char *text = weft_err_text(err);

    if (u->closed)
        return;
    if (reply && reply->refusal && reply->refusal->text[0])
        text = reply->refusal->text;
    else if (err == WEFT_E_REVOKED) // no retry helps
        text = "the key of this host is revoked, or another machine took its place; what waits "
               "here is never taken. A ticket of weft agent replace lets it in again, from an "
               "empty directory";
    snprintf(u->last_error, sizeof u->last_error, "%.80s: %.240s", u->address, text);
    wf_alarm(n, "uplink", u->last_error);
    if (!u->silent_since_ms)
        u->silent_since_ms = wf_node_now_ms(n);
    later(n);
    // It answers, only not now, and there is no other: one more handshake would not make it less busy.
    if (err == WEFT_E_BUSY && reply && wf_whereabouts_count(n) < 2)
        return;
    if (++u->failures >= WF_UPLINK_FAILURES) {
        u->failures = 0;
        u->at++;
        if (u->turned) // in vain: not so soon again
            u->turn_ms =
                u->turn_ms < WF_UPLINK_TURN_MAX_MS / 2 ? 2 * u->turn_ms : WF_UPLINK_TURN_MAX_MS;
        u->turned = u->touring = false;
        drop_link(n);
    }
}

// Something waits for another node of the domain, which is its home: the next uplink has its turn.
static void take_turns(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    size_t next = u->at + 1;
    bool moved = u->link && wf_whereabouts_next(n, &next);

    if (!u->link || wf_whereabouts_count(n) < 2 ||
        !(moved || (u->stranded && wf_node_now_ms(n) >= u->turn_at_ms)))
        return;
    u->at = next;
    u->turned = u->touring = true;
    u->failures = 0;
    drop_link(n);
}

void wf_uplink_anew(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    drop_link(n);
    u->failures = 0;
    u->retry_ms = u->retry_at_ms = 0;
    wf_uplink_wake(n);
}

static void heard(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    u->failures = 0;
    u->heard_ms = wf_node_now_ms(n);
    u->retry_ms = u->silent_since_ms = u->ask_ms = 0;
    if (u->turned)
        u->turn_ms = WF_UPLINK_TURN_MS;
    u->turned = false;
    u->last_error[0] = '\0';
    wf_alarm(n, "uplink", NULL);
    wf_alarm(n, "no-node", NULL);
}

enum weft_err wf_uplink_link(
    struct wf_node *n, const char *address, const struct wf_dh_pub *peer, struct wf_link **ret)
{
    struct wf_link_conf conf = { .loop = n->loop,
        .net = n->control->net,
        .mesh_id = n->mesh_id,
        .keys = &n->keys,
        .chain = wf_buf_view(&n->chain),
        .charter_version = n->charter->version,
        .address = address,
        .peer = *peer,
        .version = WEFT_VERSION };

    return wf_link_new(&conf, ret);
}

static void begin_session(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    u->chain_shown = n->identity.cert.id;
    u->turn_ms = u->turn_ms ? u->turn_ms : WF_UPLINK_TURN_MS;
    u->turn_at_ms = wf_node_now_ms(n) + u->turn_ms;
    u->probe_at_ms = wf_node_now_ms(n) + WF_UPLINK_BACK_MS;
}

static enum weft_err dial(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    size_t count = wf_whereabouts_count(n);

    if (count == 0)
        return WEFT_E_UNREACHABLE;
    wf_whereabouts_at(n, u->at % count, u->address, &u->peer);
    enum weft_err err = wf_uplink_link(n, u->address, &u->peer, &u->link);
    begin_session(n);
    return err;
}

// ---- back to an uplink that stands before ----------------------------------------------------------------------------

static void end_probe(struct wf_node *n)
{
    struct wf_link *l = n->uplink->probe;

    n->uplink->probe = NULL;
    wf_link_free(l);
}

// It answers: the line goes over to it, and what was on its way on the other one is asked for and pushed again there.
static void on_probed(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_node *n = arg;
    struct wf_uplink_room *u = n->uplink;
    struct wf_link *l = u->probe;

    (void)reply;
    if (!l || u->closed)
        return; // it is being ended
    if (err) {
        u->probed++;
        end_probe(n);
        return;
    }
    u->probe = NULL;
    drop_link(n);
    u->link = l;
    u->at = u->probed;
    u->failures = 0;
    wf_whereabouts_at(n, u->at, u->address, &u->peer);
    begin_session(n);
    wf_say(n, WF_LOG_INFO, "uplink", "back to an uplink that stands before", "address", u->address,
        NULL);
    wf_uplink_wake(n);
}

// The order of the uplinks is their owner's: who was driven from one by failures goes back when it answers, and keeps its line until then.
static void look_back(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    size_t count = wf_whereabouts_count(n), here = count ? u->at % count : 0;
    char address[WF_MAX_ADDR + 8];
    struct wf_dh_pub peer;

    if (!u->link || !here || u->touring || !n->has_certificate || n->draining ||
        wf_node_now_ms(n) < u->probe_at_ms)
        return;
    end_probe(n);
    u->probe_at_ms = wf_node_now_ms(n) + WF_UPLINK_BACK_MS;
    u->probed %= here;
    wf_whereabouts_at(n, u->probed, address, &peer);
    enum weft_err err = wf_uplink_link(n, address, &peer, &u->probe);
    if (!err)
        err = wf_link_open(u->probe, on_probed, n);
    if (err)
        end_probe(n);
}

// ---- charters --------------------------------------------------------------------------------------------------------

static void on_charters(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_node *n = arg;
    struct wf_diag diag = { 0 };

    if (n->uplink->closed)
        return;
    n->uplink->getting = false;
    if (err || reply->kind_case != WEFT__V1__REPLY__KIND_GET)
        return;
    for (size_t i = 0; i < reply->get->n_charters && !err; i++)
        err = wf_node_add_charter(n, wf_pb_view(reply->get->charters[i]), &diag);
    if (err)
        wf_say(n, WF_LOG_WARN, "uplink", "a newer charter was refused", "why",
            diag.text[0] ? diag.text : weft_err_text(err), NULL);
}

static void fetch_charters(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__GetRequest g = WEFT__V1__GET_REQUEST__INIT;

    if (u->getting || !u->link ||
        wf_link_state(u->link)->peer_charter_version <= n->charter->version)
        return;
    g.charters_from = n->charter->version + 1;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &g;
    u->getting = wf_link_request(u->link, &q, 0, on_charters, n) == WEFT_OK;
}

// ---- renewal ---------------------------------------------------------------------------------------------------------

static void on_renewed(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_node *n = arg;
    struct wf_uplink_room *u = n->uplink;
    struct wf_diag diag = { 0 };

    if (u->closed)
        return;
    u->renewing = false;
    if (!err && reply->kind_case != WEFT__V1__REPLY__KIND_RENEW)
        err = WEFT_E_PROTOCOL;
    if (!err)
        err = wf_node_set_chain(n, wf_pb_view(reply->renew->chain), &diag);
    if (err) {
        char text[256];
        const char *why = reply && reply->refusal ? reply->refusal->text : diag.text;
        snprintf(text, sizeof text, "the certificate could not be renewed: %.200s",
            why[0] ? why : weft_err_text(err));
        wf_alarm(n, "renewal", text);
        if (!n->has_certificate) { // nothing else finds out that this uplink does not help
            u->renew_at_ms = 0;
            wf_uplink_failed(n, err, reply);
        }
        return;
    }
    wf_alarm(n, "renewal", NULL);
    wf_say(n, WF_LOG_INFO, "uplink", "certificate renewed", NULL);
}

static void renew_if_due(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    const struct wf_cert *c = &n->identity.cert;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__RenewRequest r = WEFT__V1__RENEW_REQUEST__INIT;
    uint8_t key[16];

    if (u->renewing || wf_node_now_ms(n) < u->renew_at_ms ||
        wf_node_now_unix_ms(n) < c->not_before_ms + (c->not_after_ms - c->not_before_ms) / 3)
        return;
    u->renew_at_ms = wf_node_now_ms(n) + WF_UPLINK_RETRY_MAX_MS;
    wf_random(key, sizeof key);
    q.idempotency = wf_pb_bin(WF_BYTES(key));
    q.kind_case = WEFT__V1__REQUEST__KIND_RENEW;
    q.renew = &r;
    u->renewing = wf_link_request(u->link, &q, 0, on_renewed, n) == WEFT_OK;
}

static void show_chain(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    if (wf_hash_eq(&u->chain_shown, &n->identity.cert.id))
        return;
    if (!wf_link_set_chain(u->link, wf_buf_view(&n->chain), n->charter->version))
        u->chain_shown = n->identity.cert.id;
}

// ---- the poll --------------------------------------------------------------------------------------------------------

enum weft_err wf_uplink_state(struct wf_node *n, struct wf_arena *arena, Weft__V1__AgentState **ret)
{
    Weft__V1__AgentState *s = wf_arena_alloc(arena, sizeof *s);
    char host[256] = "";
    const char *copy = NULL;

    if (!s)
        return wf_arena_err(arena);
    weft__v1__agent_state__init(s);
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    enum weft_err err = wf_arena_str(arena, wf_bytes_str(host), &copy);
    s->hostname = wf_pb_str(copy);
    s->version = wf_pb_str(WEFT_VERSION);
    s->time_ms = wf_node_now_unix_ms(n);
    s->started_ms = n->started_unix_ms;
    s->lost_records = n->uplink->lost_records;
    wf_spool_sizes(n, &s->spool_bytes, &s->spool_records);
    s->n_sources = wf_source_states(n, arena, &s->sources);
    *ret = s;
    return err;
}

static void on_polled(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_node *n = arg;
    struct wf_uplink_room *u = n->uplink;

    u->polling = false;
    if (u->closed || !u->link)
        return; // the link was left, not lost
    if (!err && reply->kind_case != WEFT__V1__REPLY__KIND_POLL)
        err = WEFT_E_PROTOCOL;
    if (err) {
        wf_uplink_failed(n, err, reply);
        return;
    }
    heard(n);
    (void)wf_whereabouts_take(n, reply->poll);
    wf_manifests_root(n);
    if (!wf_bytes_eq(wf_pb_view(reply->poll->manifests), wf_hash_view(&u->root)))
        wf_manifests_fetch(n, reply->poll);
    wf_retired_heard(n);
    wf_answers_send(n);
    wf_uplink_tasks(n, reply->poll);
    fetch_charters(n);
    wf_uplink_wake(n);
}

static void poll_node(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PollRequest p = WEFT__V1__POLL_REQUEST__INIT;
    struct wf_arena arena;

    if (u->polling || u->round)
        return; // while manifests are fetched the node would only name them again
    if (u->manifests_at_ms && wf_node_now_ms(n) >= u->manifests_at_ms) {
        u->root =
            (struct wf_hash){ 0 }; // as when the link came up: what is in force is compared anew
        u->root_known = false;
        u->manifests_at_ms = 0;
    }
    wf_arena_init(&arena, WF_MIB);
    enum weft_err err = wf_uplink_state(n, &arena, &p.state);
    p.manifests = wf_pb_bin(wf_hash_view(&u->root));
    p.places = wf_pb_bin(wf_hash_view(&u->places.root));
    p.wait_ms = WF_LONG_POLL_MS;
    q.deadline_ms = WF_LONG_POLL_MS + WF_REQUEST_DEADLINE_MS;
    q.kind_case = WEFT__V1__REQUEST__KIND_POLL;
    q.poll = &p;
    u->polling = true; // before: the callback may come at once
    if (!err)
        err = wf_link_request(u->link, &q, WF_LONG_POLL_MS + WF_REQUEST_DEADLINE_MS, on_polled, n);
    wf_arena_fini(&arena);
    if (err) {
        u->polling = false;
        wf_uplink_failed(n, err, NULL);
    }
}

void wf_uplink_wake(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    if (u->closed || n->draining)
        return;
    if (!n->core->dir->has_chain || !n->charter) {
        wf_selfjoin_tick(n);
        return;
    }
    if (wf_node_now_ms(n) < u->retry_at_ms)
        return;
    enum weft_err err = u->link ? WEFT_OK : dial(n);
    if (err) {
        wf_uplink_failed(n, err, NULL);
        return;
    }
    show_chain(n);
    renew_if_due(n);
    // An expired certificate may renew itself and do nothing else.
    if (n->has_certificate && u->link)
        poll_node(n);
    if (n->has_certificate && u->link)
        wf_pushing(n);
}

// ---- life ------------------------------------------------------------------------------------------------------------

static enum weft_err make_dir(struct wf_node *n, const char *name, char **ret, struct wf_diag *diag)
{
    enum weft_err err = wf_disk_join(n->conf->data, name, ret);

    return err ? err : wf_disk_mkdir(*ret, diag);
}

static enum weft_err uplink_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_uplink_room *u = calloc(1, sizeof *u);

    if (!u)
        return WEFT_E_NOMEM;
    n->uplink = u;
    u->node = n;
    u->vfs = wf_vfs_posix;
    enum weft_err err = make_dir(n, "meta", &u->meta_dir, diag);
    if (!err)
        err = make_dir(n, "manifests", &u->manifest_dir, diag);
    if (!err)
        wf_whereabouts_load(n);
    if (!err)
        err = wf_manifests_load(n, diag);
    if (!err)
        err = wf_retired_load(n);
    return err ? err : wf_spool_open(n, diag);
}

static enum weft_err uplink_start(struct wf_node *n, struct wf_diag *diag)
{
    (void)diag;
    wf_manifests_sources(n);
    return WEFT_OK;
}

// The certificate's life goes on without renewals that could tell: what has run out signs nothing more. A clock that is set back where it was
// gives it back.
static void judge_certificate(struct wf_node *n)
{
    int64_t now = wf_node_now_unix_ms(n), end = n->identity.cert.not_after_ms;

    if (n->has_certificate && now >= end + WF_CLOCK_TOLERANCE_MS)
        n->has_certificate = false;
    else if (!n->has_certificate && now < end && n->charter && n->identity.cert.domain.s[0] &&
             n->core->dir->has_chain)
        n->has_certificate = true;
}

static void uplink_tick(struct wf_node *n)
{
    judge_certificate(n);
    wf_alarm(n, "certificate",
        n->identity.cert.domain.s[0] && !n->has_certificate
            ? "this agent's certificate has expired; only renewal is possible"
            : NULL);
    wf_spool_tick(n);
    take_turns(n);
    look_back(n);
    wf_whereabouts_tick(n);
    wf_uplink_wake(n);
}

static void uplink_drain(struct wf_node *n)
{
    for (struct wf_agent_product *p = n->uplink->products; p; p = p->next)
        wf_spool_flush(p);
}

static bool uplink_drained(const struct wf_node *n)
{
    for (const struct wf_agent_product *p = n->uplink->products; p; p = p->next)
        if (p->pending || p->open.count)
            return false;
    return true;
}

static void uplink_close(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    if (!u)
        return;
    u->closed = true;
    wf_join_free(u->join);
    if (u->has_ticket)
        wf_ticket_fini(&u->ticket);
    wf_host_tasks_end(n);
    end_probe(n);
    wf_whereabouts_close(n);
    drop_link(n);
    wf_answers_close(n);
    wf_spool_close(n);
    wf_manifests_fetch_close(n);
    wf_manifests_close(n);
    free(u->meta_dir);
    free(u->manifest_dir);
    free(u);
    n->uplink = NULL;
}

// ---- shown -----------------------------------------------------------------------------------------------------------

void wf_uplink_status(struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply)
{
    struct wf_uplink_room *u = n->uplink;
    const struct wf_link_state *s = u && u->link ? wf_link_state(u->link) : NULL;
    Weft__V1__PeerState *peer = NULL;
    // Over every line that there was: a new one is no reason to forget when a node answered last.
    int64_t heard_ms = -1;

    if (!u)
        return;
    if (wf_uplink_state(n, arena, &reply->agent))
        reply->agent = NULL;
    if (u->heard_ms)
        heard_ms = u->heard_ms;
    if (s && s->heard_ms > heard_ms)
        heard_ms = s->heard_ms;
    peer = s || heard_ms >= 0 ? wf_arena_alloc(arena, sizeof *peer) : NULL;
    reply->peers = peer ? wf_arena_alloc(arena, sizeof *reply->peers) : NULL;
    if (!reply->peers)
        return;
    weft__v1__peer_state__init(peer);
    peer->domain = n->identity.cert.domain.s;
    if (s)
        peer->address = u->address;
    peer->heard_ms = heard_ms < 0 ? -1 : wf_node_now_ms(n) - heard_ms;
    peer->error = u->last_error;
    peer->static_seed = true;
    reply->peers[0] = peer;
    reply->n_peers = 1;
}

static void uplink_queues(const struct wf_node *n, struct wf_queues *out)
{
    const struct wf_uplink_room *u = n->uplink;
    uint64_t bytes = 0, records = 0;

    wf_spool_sizes((struct wf_node *)(uintptr_t)n, &bytes, &records);
    wf_queues_add(out, &(struct wf_queue){ .name = "spool",
                           .items = records,
                           .bytes = bytes,
                           .max_bytes = n->conf->spool.bytes,
                           .dropped = u->lost_records });
    wf_queues_add_log(out, n->log);
    wf_queues_add(out, &(struct wf_queue){ .name = "tasks",
                           .items = u->task_count,
                           .max_items = WF_UPLINK_TASKS,
                           .dropped = u->tasks_full });
    wf_queues_add(out, &(struct wf_queue){ .name = "answers",
                           .items = u->answer_count,
                           .bytes = u->answer_bytes,
                           .max_items = WF_UPLINK_TASKS,
                           .max_bytes = WF_UPLINK_ANSWER_BYTES,
                           .dropped = u->answers_full });
}

const struct wf_room wf_uplink_room = { .name = "uplink",
    .open = uplink_open,
    .start = uplink_start,
    .tick = uplink_tick,
    .drain = uplink_drain,
    .drained = uplink_drained,
    .close = uplink_close,
    .queues = uplink_queues };

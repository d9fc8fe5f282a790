// SPDX-License-Identifier: Apache-2.0
// A client's life, its loop thread, and what every operation is made of: commands from application threads, links, requests.
// A command is a letter on the caller's stack; the caller sleeps until somebody ends it.
#include "sdk/client_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sdk/net/net.h"

#define CLOSE_MS 1000  // how long weft_close waits for sockets
#define PART_MS  300   // and for answers to last words
#define TICK_MS  60000 // certificates and cached things are looked after

// ---- commands --------------------------------------------------------------------------------------------------------

struct wf_client_wait {
    struct wf_mail mail;
    struct weft_client *client;
    wf_client_fn fn;
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done;
    enum weft_err err;
    struct weft_problem problem;
};

static void open_command(struct wf_mail *m)
{
    struct wf_client_wait *w = (struct wf_client_wait *)(void *)m;

    if (w->client->closing)
        wf_client_done(w, WEFT_E_CLOSED, NULL);
    else
        w->fn(w->client, w, w->arg);
}

static void drop_command(struct wf_mail *m)
{
    wf_client_done((struct wf_client_wait *)(void *)m, WEFT_E_CLOSED, NULL);
}

enum weft_err wf_client_run(
    struct weft_client *c, wf_client_fn fn, void *arg, struct weft_problem *problem)
{
    struct wf_client_wait w = { .client = c, .fn = fn, .arg = arg };

    if (c->has_thread && pthread_equal(c->thread, pthread_self())) { // it would wait for itself
        wf_problem_set(problem, WEFT_E_STATE, "called from a thread of libweft");
        return WEFT_E_STATE;
    }
    w.mail = (struct wf_mail){
        .open = open_command, .drop = drop_command, .class = WF_MAIL_CONTROL, .must = true
    };
    pthread_mutex_init(&w.mutex, NULL);
    pthread_cond_init(&w.cond, NULL);
    enum weft_err err = wf_loop_post(c->loop, &w.mail);
    if (err) {
        wf_problem_set(problem, err, "%s", weft_err_text(err));
    } else {
        pthread_mutex_lock(&w.mutex);
        while (!w.done)
            pthread_cond_wait(&w.cond, &w.mutex);
        pthread_mutex_unlock(&w.mutex);
        err = w.err;
        if (err && problem)
            *problem = w.problem;
    }
    pthread_cond_destroy(&w.cond);
    pthread_mutex_destroy(&w.mutex);
    return err;
}

void wf_client_done(struct wf_client_wait *w, enum weft_err err, const struct weft_problem *problem)
{
    pthread_mutex_lock(&w->mutex);
    w->err = err;
    if (problem)
        w->problem = *problem;
    else
        wf_problem_set(&w->problem, err, "%s", weft_err_text(err));
    w->problem.err = err;
    w->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex); // the waiter's stack may go from here on
}

// ---- what operations ask of the client -------------------------------------------------------------------------------

struct wf_loop *wf_client_loop(struct weft_client *c)
{
    return c->loop;
}

struct wf_net *wf_client_net(struct weft_client *c)
{
    return c->net;
}

struct wf_identity_dir *wf_client_identity(struct weft_client *c)
{
    return c->identity;
}

struct wf_link *wf_client_local(struct weft_client *c)
{
    return c->local;
}

const struct wf_charter *wf_client_charter(const struct weft_client *c)
{
    return c->identity ? c->identity->charter : c->charter;
}

void wf_client_send(struct weft_client *c, struct wf_link *l, Weft__V1__Request *q,
    int64_t deadline_ms, wf_link_fn done, void *arg)
{
    int64_t ms = deadline_ms > 0 ? deadline_ms : c->deadline_ms;

    q->deadline_ms = (uint32_t)ms;
    enum weft_err err = c->closing ? WEFT_E_CLOSED : wf_link_request(l, q, ms, done, arg);
    if (err)
        done(arg, err, NULL);
}

// NOLINTNEXTLINE(readability-function-size): as wf_client_send
void wf_client_send_lent(struct weft_client *c, struct wf_link *l, Weft__V1__Request *q,
    const struct wf_link_lent *lent, wf_link_fn done, void *arg)
{
    struct wf_link_lent timed = *lent;

    timed.deadline_ms = lent->deadline_ms > 0 ? lent->deadline_ms : c->deadline_ms;
    q->deadline_ms = (uint32_t)timed.deadline_ms;
    enum weft_err err = c->closing ? WEFT_E_CLOSED : wf_link_request_lent(l, q, &timed, done, arg);
    if (err) {
        lent->back(lent->arg);
        done(arg, err, NULL);
    }
}

void wf_client_key(Weft__V1__Request *q, uint8_t room[16])
{
    wf_random(room, 16);
    q->idempotency = wf_pb_bin(wf_bytes(room, 16));
}

// ---- links -----------------------------------------------------------------------------------------------------------

static struct wf_link_conf link_conf(const struct weft_client *c, const char *address)
{
    struct wf_link_conf conf = {
        .loop = c->loop, .net = c->net, .address = address, .version = WEFT_VERSION
    };

    if (c->identity) {
        conf.mesh_id = c->identity->mesh_id;
        conf.keys = &c->identity->keys;
        conf.chain = wf_buf_view(&c->identity->chain);
        conf.charter_version = c->identity->charter ? c->identity->charter->version : 0;
    }
    return conf;
}

enum weft_err wf_client_link_to(
    struct weft_client *c, const char *address, const struct wf_dh_pub *peer, struct wf_link **ret)
{
    if (!c->identity)
        return WEFT_E_IDENTITY;
    for (struct wf_client_link *l = c->links; l; l = l->next) {
        if (memcmp(l->peer.b, peer->b, WF_KEY_LEN) == 0 && strcmp(l->address, address) == 0) {
            *ret = l->link;
            return WEFT_OK;
        }
    }
    struct wf_client_link *l = calloc(1, sizeof *l);
    if (!l)
        return WEFT_E_NOMEM;
    struct wf_link_conf conf = link_conf(c, address);
    conf.peer = *peer;
    l->peer = *peer;
    snprintf(l->address, sizeof l->address, "%s", address);
    enum weft_err err = wf_link_new(&conf, &l->link);
    if (err) {
        free(l);
        return err;
    }
    l->next = c->links;
    c->links = l;
    *ret = l->link;
    return WEFT_OK;
}

// The index-th seed: the identity's, then those of all members. false at the end.
static bool seed_at(const struct weft_client *c, size_t index, struct wf_seed *ret)
{
    const struct wf_charter *charter = wf_client_charter(c);

    if (!c->identity)
        return false;
    if (index < c->identity->seed_count) {
        *ret = c->identity->seeds[index];
        return true;
    }
    index -= c->identity->seed_count;
    for (size_t m = 0; charter && m < charter->member_count; m++) {
        if (index < charter->members[m].seed_count) {
            *ret = charter->members[m].seeds[index];
            return true;
        }
        index -= charter->members[m].seed_count;
    }
    return false;
}

static bool seed_is_repeated(const struct weft_client *c, size_t index, const struct wf_seed *seed)
{
    struct wf_seed other;

    for (size_t i = 0; i < index && seed_at(c, i, &other); i++)
        if (memcmp(&other.dh_key, &seed->dh_key, sizeof other.dh_key) == 0 &&
            strcmp(other.address, seed->address) == 0)
            return true;
    return false;
}

struct wf_link *wf_client_source(struct weft_client *c, size_t index)
{
    struct wf_seed seed;
    struct wf_link *link = NULL;

    if (c->closing)
        return NULL;
    if (c->local && index == 0)
        return c->local;
    size_t left = index - (c->local ? 1 : 0);
    for (size_t i = 0; seed_at(c, i, &seed); i++) {
        if (seed_is_repeated(c, i, &seed))
            continue;
        if (left == 0)
            return wf_client_link_to(c, seed.address, &seed.dh_key, &link) ? NULL : link;
        left--;
    }
    return NULL;
}

// ---- opening -----------------------------------------------------------------------------------------------------------

static void *run_thread(void *arg)
{
    struct weft_client *c = arg;

    wf_loop_run(c->loop);
    return NULL;
}

static void on_tick(struct wf_timer *t)
{
    struct weft_client *c =
        (struct weft_client *)(void *)((char *)t - offsetof(struct weft_client, tick));

    if (c->identity)
        wf_identity_prune_tokens(c->identity, wf_loop_now_unix_ms(c->loop));
    wf_client_renew_if_due(c, NULL, NULL);
    enum weft_err err = wf_timer_set(c->loop, t, wf_loop_now_ms(c->loop) + TICK_MS);
    (void)err; // without memory for a timer the next operation looks after the certificate
}

// An identity that can't prove itself yet is as good as none, but the reason is worth telling.
static enum weft_err load_identity(
    struct weft_client *c, const struct wf_client_places *at, struct weft_problem *problem)
{
    struct wf_diag diag = { 0 };
    struct wf_identity_dir *d = NULL;

    if (!at->identity)
        return WEFT_OK;
    enum weft_err err = wf_identity_load(at->identity, wf_loop_now_unix_ms(c->loop), &d, &diag);
    if (err) {
        wf_problem_set(problem, err, "%s", diag.text[0] ? diag.text : weft_err_text(err));
        return err;
    }
    if (d->has_chain && d->has_mesh && d->charter) {
        c->identity = d;
        return WEFT_OK;
    }
    wf_identity_free(d);
    if (at->socket)
        return WEFT_OK;
    wf_problem_set(problem, WEFT_E_IDENTITY,
        "%s has keys but has not joined a mesh yet; see: weft join TICKET", at->identity);
    return WEFT_E_IDENTITY;
}

static enum weft_err open_local(
    struct weft_client *c, const struct wf_client_places *at, struct weft_problem *problem)
{
    struct wf_buf address = { 0 };

    if (!at->socket)
        return WEFT_OK;
    if (access(at->socket, R_OK | W_OK) != 0 && errno == EACCES) {
        if (c->identity)
            return WEFT_OK; // another user's weftd: this client has sessions of its own
        wf_problem_set(problem, WEFT_E_PERMISSION,
            "%s belongs to another user: user %u may not open it; its administrator can name you "
            "under local: in weftd.yaml and open the directory",
            at->socket, (unsigned)geteuid());
        return WEFT_E_PERMISSION;
    }
    enum weft_err err = wf_buf_printf(&address, "ipc:%s", at->socket);
    if (err)
        return err;
    c->local_address = (char *)address.ptr;
    err = wf_net_where_check(c->local_address);
    if (!err) {
        struct wf_link_conf conf = {
            .loop = c->loop, .net = c->net, .address = c->local_address, .version = WEFT_VERSION
        };
        err = wf_link_new(&conf, &c->local);
    }
    if (err)
        wf_problem_set(problem, err, "socket %s: %s", at->socket, weft_err_text(err));
    return err;
}

static enum weft_err open_client(struct weft_client *c, const struct wf_client_places *at,
    const struct weft_options *o, struct weft_problem *problem)
{
    struct wf_net_conf net_conf = { .close_ms = CLOSE_MS, .watch_ms = -1 };
    enum weft_err err = wf_crypto_init();

    c->deadline_ms = o && o->deadline_ms ? o->deadline_ms : WF_REQUEST_DEADLINE_MS;
    c->catalog.fetched_ms = -1;
    c->lists_asked_ms = -1;
    c->tick.fire = on_tick;
    if (!err)
        err = wf_loop_new(NULL, &c->loop);
    if (!err)
        err = wf_net_new(&net_conf, &c->net);
    if (err) {
        wf_problem_set(problem, err, "%s", weft_err_text(err));
        return err;
    }
    err = load_identity(c, at, problem);
    if (!err)
        err = open_local(c, at, problem);
    if (err)
        return err;
    err = wf_timer_set(c->loop, &c->tick, wf_loop_now_ms(c->loop) + TICK_MS);
    if (!err && pthread_create(&c->thread, NULL, run_thread, c) != 0)
        err = WEFT_E_NOMEM;
    c->has_thread = !err;
    if (err)
        wf_problem_set(problem, err, "no thread could be started: %s", weft_err_text(err));
    return err;
}

enum weft_err weft_connect(
    const struct weft_options *options, struct weft_client **ret, struct weft_problem *problem)
{
    struct wf_client_places at = { 0 };
    struct weft_client *c = calloc(1, sizeof *c);
    enum weft_err err = c ? wf_client_places(options, &at) : WEFT_E_NOMEM;

    if (err) {
        wf_problem_set(problem, err, "%s", weft_err_text(err));
    } else if (!at.identity && !at.socket) {
        err = WEFT_E_IDENTITY;
        wf_problem_set(problem, err,
            "no identity in %s and no weftd on this host; see: weft join TICKET",
            at.tried ? at.tried : "any usual place");
    } else {
        err = open_client(c, &at, options, problem);
    }
    wf_client_places_fini(&at);
    if (err) {
        weft_close(c);
        return err;
    }
    *ret = c;
    return WEFT_OK;
}

// ---- closing -----------------------------------------------------------------------------------------------------------

// Ends every operation under way: each has a request on some link, and a link that goes ends its requests.
static void close_links(struct weft_client *c)
{
    c->closing = true;
    wf_timer_cancel(c->loop, &c->tick);
    wf_link_free(c->local);
    c->local = NULL;
    while (c->links) {
        struct wf_client_link *l = c->links;
        c->links = l->next;
        wf_link_free(l->link);
        free(l);
    }
}

static void on_parted(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct weft_client *c = arg;
    struct wf_client_wait *w = c->close_waits;

    (void)err, (void)reply;
    if (--c->farewells || !w)
        return;
    c->close_waits = NULL;
    close_links(c);
    wf_client_done(w, WEFT_OK, NULL);
}

void wf_client_part(struct weft_client *c, struct wf_link *l, Weft__V1__Request *q)
{
    if (c->closing || !wf_link_state(l)->up)
        return;
    c->farewells++;
    wf_client_send(c, l, q, PART_MS, on_parted, c);
}

static void close_command(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    (void)arg;
    if (c->farewells) { // each is answered, or ends by its deadline
        c->close_waits = w;
        return;
    }
    close_links(c);
    wf_client_done(w, WEFT_OK, NULL);
}

void weft_close(struct weft_client *c)
{
    if (!c)
        return;
    if (c->has_thread) {
        enum weft_err err = wf_client_run(c, close_command, NULL, NULL);
        (void)err;
        wf_loop_stop(c->loop);
        pthread_join(c->thread, NULL);
    } else if (c->loop) {
        close_links(c);
    }
    if (c->net)
        wf_net_free(c->net);
    wf_loop_free(c->loop);
    wf_seen_list_fini(&c->catalog);
    wf_client_lists_fini(c);
    wf_decompressor_fini(&c->decompressor);
    for (size_t i = 0; i < WF_CLIENT_DOCUMENTS; i++)
        wf_buf_fini(&c->documents[i].content);
    wf_identity_free(c->identity);
    wf_charter_free(c->charter);
    free(c->local_address);
    free(c);
}

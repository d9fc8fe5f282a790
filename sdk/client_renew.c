// SPDX-License-Identifier: Apache-2.0
// What keeps an identity alive: the charter walk, and the renewal of the certificate with the nodes of its own domain.
#include <stdlib.h>

#include "sdk/client_int.h"

#define RETRY_MS 60000

// ---- charters --------------------------------------------------------------------------------------------------------

struct walk {
    struct weft_client *c;
    struct wf_link *from;
    uint64_t version;
    unsigned left; // versions accepted at most (ATTACKS: endless data)
    wf_client_walk_fn done;
    void *arg;
};

static uint64_t have_version(const struct weft_client *c)
{
    const struct wf_charter *charter = wf_client_charter(c);

    return charter ? charter->version : 0;
}

// A client without identity trusts the node behind the local socket for the first charter, and nobody for the later ones.
static enum weft_err add_charter(struct weft_client *c, struct wf_bytes raw)
{
    struct wf_charter *next = NULL;

    if (c->identity)
        return wf_identity_add_charter(c->identity, raw, NULL);
    enum weft_err err = c->charter ? wf_charter_open_next(raw, c->charter, &next)
                                   : wf_charter_open_genesis(raw, NULL, &next);
    if (err)
        return err;
    wf_charter_free(c->charter);
    c->charter = next;
    return WEFT_OK;
}

static void end_walk(struct walk *w, enum weft_err err)
{
    wf_client_walk_fn done = w->done;
    void *arg = w->arg;

    free(w);
    done(arg, err);
}

static void ask_charters(struct walk *w);

static void on_charters(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct walk *w = arg;
    uint64_t before = have_version(w->c);
    const Weft__V1__GetReply *get = err ? NULL : reply->get;

    if (!err && !get)
        err = WEFT_E_PROTOCOL;
    for (size_t i = 0; !err && i < get->n_charters && w->left > 0; i++, w->left--)
        err = add_charter(w->c, wf_pb_view(get->charters[i]));
    // Nothing more to be had is no error here: what needs a newer charter will be refused with a reason.
    if (err || w->left == 0 || have_version(w->c) == before || have_version(w->c) >= w->version)
        end_walk(w, err);
    else
        ask_charters(w);
}

static void ask_charters(struct walk *w)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__GetRequest get = WEFT__V1__GET_REQUEST__INIT;

    get.charters_from = have_version(w->c) + 1;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &get;
    wf_client_send(w->c, w->from, &q, 0, on_charters, w);
}

void wf_client_walk(struct weft_client *c, struct wf_link *from, uint64_t version,
    wf_client_walk_fn done, void *arg)
{
    if (version <= have_version(c)) {
        done(arg, WEFT_OK);
        return;
    }
    struct walk *w = calloc(1, sizeof *w);
    if (!w) {
        done(arg, WEFT_E_NOMEM);
        return;
    }
    *w = (struct walk){ c, from, version, WF_MAX_CHARTER_RUN, done, arg };
    ask_charters(w);
}

// ---- renewal ---------------------------------------------------------------------------------------------------------

struct ready {
    struct ready *next;
    wf_client_ready_fn fn;
    void *arg;
};

struct wf_client_renewal {
    struct weft_client *c;
    size_t source; // the next to ask
    struct ready *waiting;
};

static bool is_due(const struct weft_client *c, bool *ret_expired)
{
    int64_t now = wf_loop_now_unix_ms(c->loop);

    if (!c->identity)
        return false;
    const struct wf_cert *cert = &c->identity->identity.cert;
    // A node's and an agent's certificate are renewed by their weftd; this may be its directory.
    if (cert->kind != WF_ID_SERVICE && cert->kind != WF_ID_USER)
        return false;
    *ret_expired = now >= cert->not_after_ms;
    return now >= cert->not_before_ms + (cert->not_after_ms - cert->not_before_ms) / 3;
}

static void end_renewal(struct wf_client_renewal *r, enum weft_err err)
{
    struct ready *waiting = r->waiting;

    r->c->renew_not_before_ms = wf_loop_now_ms(r->c->loop) + RETRY_MS;
    r->c->renewal = NULL;
    free(r);
    while (waiting) {
        struct ready *w = waiting;
        waiting = w->next;
        w->fn(w->arg, err);
        free(w);
    }
}

static void ask_renewal(struct wf_client_renewal *r, enum weft_err last);

static void on_renewed(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_client_renewal *r = arg;
    struct weft_client *c = r->c;

    if (!err && !reply->renew)
        err = WEFT_E_PROTOCOL;
    if (!err)
        err = wf_identity_set_chain(
            c->identity, wf_pb_view(reply->renew->chain), wf_loop_now_unix_ms(c->loop), NULL);
    if (err) {
        ask_renewal(r, err);
        return;
    }
    for (struct wf_client_link *l = c->links; l; l = l->next)
        if (wf_link_set_chain(
                l->link, wf_buf_view(&c->identity->chain), c->identity->charter->version))
            continue; // it shows the old certificate a little longer
    end_renewal(r, WEFT_OK);
}

static void ask_renewal(struct wf_client_renewal *r, enum weft_err last)
{
    struct weft_client *c = r->c;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__RenewRequest renew = WEFT__V1__RENEW_REQUEST__INIT;
    uint8_t key[16];
    struct wf_link *link = wf_client_source(c, r->source++);

    // Over the local socket we are the node's user, not this identity.
    if (link && link == c->local)
        link = wf_client_source(c, r->source++);
    if (!link) {
        end_renewal(r, last);
        return;
    }
    q.kind_case = WEFT__V1__REQUEST__KIND_RENEW;
    q.renew = &renew;
    wf_client_key(&q, key);
    wf_client_send(c, link, &q, 0, on_renewed, r);
}

static enum weft_err begin_renewal(struct weft_client *c)
{
    struct wf_client_renewal *r = calloc(1, sizeof *r);

    if (!r)
        return WEFT_E_NOMEM;
    r->c = c;
    c->renewal = r;
    return WEFT_OK;
}

static enum weft_err wait_for(struct wf_client_renewal *r, wf_client_ready_fn fn, void *arg)
{
    struct ready *w = calloc(1, sizeof *w);

    if (!w)
        return WEFT_E_NOMEM;
    *w = (struct ready){ r->waiting, fn, arg };
    r->waiting = w;
    return WEFT_OK;
}

void wf_client_renew_if_due(struct weft_client *c, wf_client_ready_fn ready, void *arg)
{
    bool expired = false, begun = false;
    enum weft_err err = WEFT_OK;

    if (is_due(c, &expired) && !c->renewal &&
        (expired || wf_loop_now_ms(c->loop) >= c->renew_not_before_ms)) {
        err = begin_renewal(c);
        begun = !err;
    }
    bool waits = ready && expired && c->renewal && !err;
    if (waits)
        err = wait_for(c->renewal, ready, arg);
    if (ready && (!waits || err))
        ready(arg, err);
    if (begun)
        ask_renewal(c->renewal, WEFT_E_UNREACHABLE);
}

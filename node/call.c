// SPDX-License-Identifier: Apache-2.0
#include "node/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/access/room.h"
#include "node/conf.h"
#include "proto/base/pb_large.h"
#include "sdk/loop/loop.h"

static struct call *call_of(struct wf_call *c)
{
    return (struct call *)(void *)c;
}

void wf_call_uniform(struct wf_net_request *net, enum weft_err cause)
{
    uint8_t out[WF_SESSION_REFUSAL_LEN];
    struct wf_net_msg *m = NULL;

    wf_session_refuse(cause, out);
    if (wf_net_msg_from(WF_BYTES(out), &m)) {
        wf_net_drop(net, false);
        return;
    }
    wf_net_reply(net, m);
}

enum weft_err wf_call_addr_key(const struct wf_net_addr *addr, struct wf_addr_key *ret)
{
    return wf_addr_key(wf_bytes(addr->ip, addr->family == WF_NET_IP6 ? 16 : 4), ret);
}

// ---- the end of a call -----------------------------------------------------------------------------------------------

static void release(struct call *c)
{
    struct wf_control *ctl = c->pub.node->control;
    struct wf_live_session *s = c->session ? wf_sessions_find(ctl->sessions, c->session) : NULL;

    if (s)
        s->in_flight--;
    if (c->prev)
        c->prev->next = c->next;
    else
        ctl->calls = c->next;
    if (c->next)
        c->next->prev = c->prev;
    wf_arena_fini(&c->arena);
    free(c);
}

static enum weft_err seal(struct call *c, struct wf_bytes plain, struct wf_buf *out)
{
    struct wf_node *n = c->pub.node;

    if (!c->session)
        return wf_buf_append(out, plain);
    struct wf_live_session *s = wf_sessions_find(n->control->sessions, c->session);
    return s ? wf_session_seal_reply(&s->s, c->nonce, wf_node_now_ms(n), plain, out)
             : WEFT_E_SESSION;
}

void wf_call_send(struct call *c, struct wf_bytes message, enum weft_err err)
{
    struct wf_net_msg *m = NULL;

    if (!err)
        err = wf_net_msg_from(message, &m);
    if (err)
        wf_net_drop(c->net, true); // the peer sees its connection end, never a wrong answer
    else
        wf_net_reply(c->net, m);
    release(c);
}

static void send_packed(struct call *c, struct wf_bytes plain)
{
    struct wf_buf out = { 0 };
    enum weft_err err = seal(c, plain, &out);

    wf_call_send(c, wf_buf_view(&out), err);
    wf_buf_fini(&out);
}

// Who may see the answer to a repeated request: the certificate's key, a newcomer's session, a local user.
static struct wf_bytes caller_key(const struct call *c)
{
    if (!c->session)
        return wf_bytes(&c->caller.uid, sizeof c->caller.uid);
    return c->caller.has_identity ? wf_bytes(c->caller.identity.cert.sign_key.b, WF_KEY_LEN)
                                  : wf_bytes(&c->session, sizeof c->session);
}

static void remember(struct call *c, struct wf_bytes plain)
{
    struct wf_control *ctl = c->pub.node->control;
    struct wf_bytes key = wf_pb_view(c->pub.request->idempotency);

    if (!c->remembers)
        return;
    // A reply that can't be kept leaves no trace: the repeated request then acts again, which the store behind it must bear.
    if (plain.len == 0 || wf_replays_put(ctl->replays, caller_key(c), key, &c->request_hash, plain,
                              wf_node_now_ms(c->pub.node)))
        wf_replays_forget(ctl->replays, caller_key(c), key);
}

// What waits because it was asked to (a long poll) says nothing about how long this node takes.
static void measure(struct call *c, bool refused)
{
    const struct wf_handler *all = c->pub.node->is_agent ? wf_handlers_agent : wf_handlers;
    struct wf_traffic *t = NULL;

    if (!c->handler)
        return;
    t = &c->pub.node->control->traffic[c->handler - all];
    t->count++;
    t->errors += refused;
    if (c->handler->kind != WEFT__V1__REQUEST__KIND_PULL &&
        c->handler->kind != WEFT__V1__REQUEST__KIND_POLL)
        wf_latency_add(&t->took, wf_loop_exact_us() - c->begun_us);
}

void wf_call_signals(struct wf_node *n, struct wf_signals *out)
{
    const struct wf_handler *all = n->is_agent ? wf_handlers_agent : wf_handlers;

    for (size_t i = 0; all[i].kind; i++) {
        struct wf_traffic *t = &n->control->traffic[i];
        wf_signals_add(out, &(struct wf_signal){ .kind = "request",
                                .name = all[i].name,
                                .traffic = t->count,
                                .errors = t->errors,
                                .took = &t->took,
                                .silent_ms = -1,
                                .saturation = -1 });
    }
}

static void answer(struct call *c, Weft__V1__Reply *reply)
{
    struct wf_buf plain = { 0 };
    Weft__V1__Reply too_big = WEFT__V1__REPLY__INIT;
    Weft__V1__Refusal refusal = WEFT__V1__REFUSAL__INIT;

    measure(c, reply->refusal != NULL);
    if (c->greets)
        reply->hello = &c->hello;
    enum weft_err err = wf_pb_pack(reply, &plain);
    if (!err && plain.len > WF_SESSION_MAX_PLAIN) {
        plain.len = 0;
        refusal.code = WEFT_E_TOO_BIG;
        refusal.text = wf_pb_str("the answer exceeds one message; ask for less");
        too_big.refusal = &refusal;
        err = wf_pb_pack(&too_big, &plain);
    }
    if (err) {
        remember(c, wf_bytes(NULL, 0));
        wf_net_drop(c->net, true);
        release(c);
    } else {
        remember(c, wf_buf_view(&plain));
        if (!wf_call_seal_apart(c, &plain))
            send_packed(c, wf_buf_view(&plain));
    }
    wf_wipe(plain.ptr, plain.len);
    wf_buf_fini(&plain);
}

void wf_call_reply(struct wf_call *pub, Weft__V1__Reply *reply)
{
    answer(call_of(pub), reply);
}

// Nobody has shown a certificate, and the request is none that does without (join names what is wrong with a proven ticket).
static bool is_stranger(const struct call *c)
{
    return !c->caller.local && !c->caller.has_identity &&
           !(c->handler && (c->handler->who & WF_WHO_NEWCOMER));
}

void wf_call_refuse_with(struct wf_call *pub, Weft__V1__Refusal *refusal)
{
    struct call *c = call_of(pub);
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__Refusal uniform = WEFT__V1__REFUSAL__INIT;
    const char *what = c->handler ? c->handler->name : "request";

    pub->node->control->count.refused++;
    if (refusal->code < WF_COUNT(pub->node->control->refused_by))
        pub->node->control->refused_by[refusal->code]++;
    if (pub->node->access && !refusal->audit_id[0]) // a decision has its own record
        refusal->audit_id = wf_pb_str(wf_access_audit(
            pub->node, &c->caller, what, refusal->asked, (enum weft_err)refusal->code, NULL));
    uniform.code = WEFT_E_REFUSED;
    uniform.text = wf_pb_str("refused");
    reply.refusal = is_stranger(c) ? &uniform : refusal;
    // A refusal is not worth remembering: nothing was done.
    if (c->remembers)
        wf_replays_forget(
            pub->node->control->replays, caller_key(c), wf_pb_view(pub->request->idempotency));
    c->remembers = false;
    answer(c, &reply);
}

void wf_calls_of_pipe_gone(struct wf_node *n, uint32_t pipe)
{
    for (struct call *c = n->control->calls, *next; c; c = next) {
        next = c->next;
        if (c->pipe != pipe)
            continue;
        if (c->pub.on_gone)
            c->pub.on_gone(&c->pub, c->pub.gone_arg);
        else
            continue; // its handler will answer into the void
        remember(c, wf_bytes(NULL, 0));
        wf_net_drop(c->net, false);
        release(c);
    }
}

enum weft_err wf_call_park(
    struct wf_call *pub, void (*on_gone)(struct wf_call *c, void *arg), void *arg)
{
    struct call *c = call_of(pub);
    enum weft_err err = wf_net_hold(c->net);

    if (err)
        return err;
    pub->on_gone = on_gone;
    pub->gone_arg = arg;
    return WEFT_OK;
}

uint32_t wf_call_pipe(const struct wf_call *c)
{
    return ((const struct call *)(const void *)c)->pipe;
}

const struct wf_net_addr *wf_call_addr(const struct wf_call *pub)
{
    return wf_net_request_addr(((const struct call *)(const void *)pub)->net);
}

struct wf_bytes wf_call_chain(const struct wf_call *pub)
{
    const struct call *c = (const struct call *)(const void *)pub;
    const struct wf_live_session *s =
        c->session ? wf_sessions_find(pub->node->control->sessions, c->session) : NULL;

    return s ? wf_buf_view(&s->chain) : wf_bytes(NULL, 0);
}

// ---- tokens ----------------------------------------------------------------------------------------------------------

enum weft_err wf_call_token(struct wf_call *pub, ProtobufCBinaryData token,
    ProtobufCBinaryData token_id, const struct wf_token **ret, struct wf_diag *diag)
{
    struct call *c = call_of(pub);
    struct wf_live_session *s =
        c->session ? wf_sessions_find(pub->node->control->sessions, c->session) : NULL;
    struct wf_token *opened = NULL;

    if (!s)
        return WEFT_E_NO_CAPABILITY;
    if (token.len == 0) {
        const struct wf_token *known =
            token_id.len ? wf_session_token(s, wf_pb_view(token_id)) : NULL;
        if (known)
            *ret = known;
        return known ? WEFT_OK : WEFT_E_NO_CAPABILITY;
    }
    enum weft_err err = wf_token_open(wf_pb_view(token), &opened, diag);
    if (!err)
        err = wf_token_verify(opened, pub->node->charter, wf_node_now_unix_ms(pub->node));
    if (err) {
        wf_token_free(opened);
        return err;
    }
    const struct wf_token *same = wf_session_token(s, wf_hash_view(&wf_token_last(opened)->id));
    if (same)
        wf_token_free(opened);
    else
        wf_session_remember(s, opened);
    *ret = same ? same : opened;
    return WEFT_OK;
}

// ---- the beginning of a call -----------------------------------------------------------------------------------------

static void label_of(const struct wf_identity *id, char *out, size_t len)
{
    snprintf(out, len, "%s/%s", id->cert.domain.s, id->cert.subject.s);
}

// Whose chain it is; REFUSED whatever is wrong with it. REVOKED comes with the identity: its certificate was proven.
static enum weft_err prove(struct wf_node *n, const struct wf_live_session *s,
    struct wf_bytes chain, struct wf_identity *ret)
{
    struct wf_identity id;

    if (chain.len > WF_MAX_CERT * WF_MAX_CHAIN + 64 || !n->charter ||
        wf_chain_verify(chain, n->charter, wf_node_now_unix_ms(n), WF_CHAIN_ALLOW_EXPIRED, &id))
        return WEFT_E_REFUSED;
    // The certificate must be that of the key which shook hands, or anyone could show anyone's chain.
    if (memcmp(id.cert.dh_key.b, s->s.peer.b, WF_KEY_LEN) != 0)
        return WEFT_E_REFUSED;
    *ret = id;
    return n->access && wf_access_key_revoked(
                            n, id.cert.domain.s, &id.cert.sign_key, wf_node_now_unix_ms(n))
               ? WEFT_E_REVOKED
               : WEFT_OK;
}

// Who proved a certificate has a bucket of its own from its next handshake on; a revoked or expired one is a stranger.
static void admit_next_time(const struct call *c, const struct wf_live_session *s,
    const struct wf_identity *id, enum weft_err verdict)
{
    struct wf_node *n = c->pub.node;
    struct wf_addr_key from;

    if (verdict == WEFT_E_REVOKED)
        wf_admit_forget(n->control->admit, &s->s.peer);
    else if (!verdict && !id->expired && !wf_call_addr_key(wf_net_request_addr(c->net), &from))
        wf_admit_prove(n->control->admit, &s->s.peer, id->cert.domain.s, &from, wf_node_now_ms(n));
}

// REFUSED: no certificate was proven. REVOKED: it was, and it counts no more. BUSY: too many of its kind are here.
static enum weft_err greet(struct call *c, struct wf_live_session *s)
{
    struct wf_node *n = c->pub.node;
    struct wf_bytes chain = wf_pb_view(c->pub.request->hello->chain);
    struct wf_identity id = { 0 };
    struct wf_buf copy = { 0 };
    enum weft_err err = chain.len ? prove(n, s, chain, &id) : WEFT_OK;
    const char *domain = chain.len ? id.cert.domain.s : NULL;
    bool is_own = domain && strcmp(domain, n->identity.cert.domain.s) == 0;

    if (chain.len)
        admit_next_time(c, s, &id, err);
    if (err == WEFT_E_REVOKED) { // of this call alone: the session gets no identity
        label_of(&id, c->caller.label, sizeof c->caller.label);
        c->caller.has_identity = true;
        c->caller.identity = id;
    }
    if (!err)
        err = wf_bytes_dup(chain, &copy) ? WEFT_E_BUSY : WEFT_OK;
    if (!err)
        err = wf_sessions_greet(n->control->sessions, s, domain, is_own);
    if (err) {
        wf_buf_fini(&copy);
        return err;
    }
    // Batches cite their origin's certificate; whoever reads them asks this node for its chain.
    if (is_own && wf_documents_put(n, chain, &id.cert.id))
        wf_say(
            n, WF_LOG_WARN, "control", "a chain could not be kept", "of", id.cert.subject.s, NULL);
    if (chain.len) {
        wf_buf_fini(&s->chain);
        s->chain = copy;
        s->caller.has_identity = true;
        s->caller.identity = id;
        label_of(&id, s->caller.label, sizeof s->caller.label);
    }
    c->caller = s->caller;
    weft__v1__hello_reply__init(&c->hello);
    c->hello.charter_version = n->charter ? n->charter->version : 0;
    c->hello.chain = wf_pb_bin(wf_buf_view(&n->chain));
    c->hello.version = wf_pb_str(WEFT_VERSION);
    c->hello.time_ms = wf_node_now_unix_ms(n);
    c->greets = true;
    return WEFT_OK;
}

// False: the call was answered, with nothing that tells a stranger more than "refused" or "busy".
static bool welcome(struct call *c, struct wf_live_session *s)
{
    struct wf_node *n = c->pub.node;
    enum weft_err err = c->pub.request->hello ? greet(c, s) : WEFT_OK;

    if (!err && s->greeted)
        return true;
    if (err == WEFT_E_BUSY) {
        n->control->count.busy++;
        wf_call_uniform(c->net, WEFT_E_BUSY);
        release(c);
    } else {
        uint64_t id = s->s.id;
        if (err == WEFT_E_REVOKED)
            wf_call_refuse(&c->pub, err, "%s is revoked; a new key can join with a new ticket",
                c->caller.label);
        else
            wf_call_refuse(&c->pub, WEFT_E_REFUSED, "refused");
        // One attempt a handshake, so that the rate of handshakes also bounds the signatures a stranger makes us check.
        s = wf_sessions_find(n->control->sessions, id);
        if (s)
            wf_sessions_remove(n->control->sessions, s);
    }
    return false;
}

static const struct wf_handler *find_handler(
    const struct wf_node *n, Weft__V1__Request__KindCase kind)
{
    for (const struct wf_handler *h = n->is_agent ? wf_handlers_agent : wf_handlers; h->kind; h++)
        if (h->kind == kind)
            return h;
    return NULL;
}

static bool local_may(const struct wf_node *n, const struct wf_caller *caller, const char *verb)
{
    static const struct {
        const char *verb;
        unsigned bit;
    } verbs[] = { { "read", WF_MAY_READ }, { "publish", WF_MAY_PUBLISH }, { "serve", WF_MAY_SERVE },
        { "subscribe", WF_MAY_SUBSCRIBE }, { "query", WF_MAY_QUERY }, { "call", WF_MAY_CALL },
        { "admin", WF_MAY_ADMIN } };
    const struct wf_conf_local *may = wf_conf_local_of(n->conf, caller->uid, (uint32_t)getuid());

    for (size_t i = 0; may && i < WF_COUNT(verbs); i++)
        if (strcmp(verbs[i].verb, verb) == 0)
            return may->may & verbs[i].bit;
    return false;
}

// Who may send it at all. The text names what is missing, but only to whom a certificate (or the kernel) has proven.
static bool permitted(struct call *c)
{
    struct wf_node *n = c->pub.node;
    const struct wf_handler *h = c->handler;
    const struct wf_caller *who = &c->caller;

    if (who->local) {
        if ((h->who & WF_WHO_LOCAL) && local_may(n, who, h->local_verb))
            return true;
        wf_call_refuse(&c->pub, WEFT_E_PERMISSION,
            "%s may not '%s' here; weftd.yaml's local: decides", who->label,
            h->local_verb ? h->local_verb : h->name);
        return false;
    }
    if (!who->has_identity) {
        if (h->who & WF_WHO_NEWCOMER)
            return true;
        wf_call_refuse(&c->pub, WEFT_E_REFUSED, "refused");
        return false;
    }
    bool own = strcmp(who->identity.cert.domain.s, n->identity.cert.domain.s) == 0;
    if (who->identity.expired && h->kind != WEFT__V1__REQUEST__KIND_RENEW) {
        wf_call_refuse(&c->pub, WEFT_E_EXPIRED,
            "the certificate of %s has expired; only renew is possible", who->label);
        return false;
    }
    if ((h->who & WF_WHO_MEMBER) || ((h->who & WF_WHO_OWN) && own))
        return true;
    wf_call_refuse(&c->pub, own ? WEFT_E_KIND : WEFT_E_WRONG_DOMAIN, "%s is not open to %s",
        h->name, who->label);
    return false;
}

// A mutating request acts once for its key. True: go on.
static bool first_time(struct call *c, struct wf_bytes plain)
{
    struct wf_replays *r = c->pub.node->control->replays;
    struct wf_bytes key = wf_pb_view(c->pub.request->idempotency), kept = { 0 };
    int64_t now = wf_node_now_ms(c->pub.node);

    if (!c->handler->mutating)
        return true;
    if (key.len != WF_IDEMPOTENCY_LEN) {
        wf_call_refuse(&c->pub, WEFT_E_MISSING_FIELD, "%s needs an idempotency key of 16 bytes",
            c->handler->name);
        return false;
    }
    wf_blake2b(plain, &c->request_hash);
    enum weft_err err = wf_replays_get(r, caller_key(c), key, &c->request_hash, now, &kept);
    if (err == WEFT_E_NOT_FOUND)
        err = wf_replays_put(r, caller_key(c), key, &c->request_hash, wf_bytes(NULL, 0), now);
    else if (!err) {
        c->pub.node->control->count.replays++;
        send_packed(c, kept);
        return false;
    }
    if (err) {
        wf_call_refuse(&c->pub, err, "%s: %s", c->handler->name, weft_err_text(err));
        return false;
    }
    c->remembers = true;
    return true;
}

static void dispatch(struct call *c, struct wf_live_session *s, struct wf_bytes plain)
{
    const Weft__V1__Request *q = c->pub.request;
    Weft__V1__Reply empty = WEFT__V1__REPLY__INIT;

    if (s && !welcome(c, s))
        return;
    if (q->kind_case == WEFT__V1__REQUEST__KIND__NOT_SET) {
        answer(c, &empty);
        return;
    }
    c->handler = find_handler(c->pub.node, q->kind_case);
    if (!c->handler) {
        wf_call_refuse(&c->pub, WEFT_E_REQUEST, "%s",
            c->pub.node->conf->role == WF_ROLE_AGENT
                ? "this weftd is an agent: ask a node of its domain (--dir NODE)"
                : "unknown request");
        return;
    }
    if (c->pub.node->draining && c->handler->mutating) {
        wf_call_refuse(&c->pub, WEFT_E_CLOSED, "the node is stopping");
        return;
    }
    if (permitted(c) && first_time(c, plain))
        c->handler->handle(c->pub.node, &c->pub);
}

static void set_deadline(struct call *c)
{
    int64_t ms = c->pub.request->deadline_ms ? c->pub.request->deadline_ms : WF_REQUEST_DEADLINE_MS;

    c->pub.deadline_ms =
        wf_node_now_ms(c->pub.node) + (ms > WF_MAX_DEADLINE_MS ? WF_MAX_DEADLINE_MS : ms);
}

void wf_call_begin(struct wf_node *n, struct wf_net_request *net, struct wf_live_session *s,
    uint64_t nonce, const struct wf_caller *local, struct wf_bytes plain)
{
    struct wf_control *ctl = n->control;
    struct call *c = calloc(1, sizeof *c);
    Weft__V1__Request *request = NULL;

    if (!c) {
        wf_call_uniform(net, WEFT_E_BUSY);
        return;
    }
    c->pub.node = n;
    c->pub.caller = &c->caller;
    c->pub.arena = &c->arena;
    c->begun_us = wf_loop_exact_us();
    c->net = net;
    c->pipe = wf_net_request_pipe(net);
    c->nonce = nonce;
    c->session = s ? s->s.id : 0;
    c->caller = s ? s->caller : *local;
    wf_arena_init(&c->arena, wf_pb_budget(plain.len) + 4u * WF_MAX_CONTROL);
    c->next = ctl->calls;
    if (ctl->calls)
        ctl->calls->prev = c;
    ctl->calls = c;
    if (s)
        s->in_flight++;
    ctl->count.requests++;
    // What came over the local socket stays until it is answered, and may be large.
    enum weft_err err =
        s ? wf_pb_unpack(&weft__v1__request__descriptor, plain, WF_PB_STRICT, &c->arena, &request)
          : wf_pb_unpack_view(&weft__v1__request__descriptor, plain, &c->arena, &request);
    static const Weft__V1__Request none = WEFT__V1__REQUEST__INIT;
    c->pub.request = err ? &none : request;
    set_deadline(c);
    if (err)
        wf_call_refuse(&c->pub, err, "the request does not parse");
    else
        dispatch(c, s, plain);
}

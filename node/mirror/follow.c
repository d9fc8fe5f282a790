// SPDX-License-Identifier: Apache-2.0
// A mirror's side towards the home: who it is, token, lease, then one pull after the other. One step at a time: ask, check on a worker,
// fetch the documents that are cited, append, wait for the log, ask again. Every failure is tried again for ever with a growing pause.
#include <stdio.h>
#include <stdlib.h>

#include "node/core.h"
#include "node/gossip/room.h"
#include "node/mirror/priv.h"

// ---- state -----------------------------------------------------------------------------------------------------------

void wf_mirror_soon(struct wf_mirror *m, int64_t wait_ms)
{
    struct wf_node *n = m->room->node;

    if (wf_timer_set(n->loop, &m->timer, wf_node_now_ms(n) + wait_ms))
        wf_say(n, WF_LOG_WARN, "mirror", "no memory for a timer; it goes on with the next tick",
            "product", m->name, NULL);
}

static void set_state(struct wf_mirror *m, enum wf_mirror_state state, const char *why)
{
    bool news = m->state != state || strcmp(m->why, why) != 0;

    m->state = state;
    snprintf(m->why, sizeof m->why, "%s", why);
    if (!news)
        return;
    wf_alarm(m->room->node, m->alarm, state == WF_MIRROR_REFUSED ? m->why : NULL);
    if (state != WF_MIRROR_FOLLOWING)
        wf_say(m->room->node, WF_LOG_WARN, "mirror", "not following", "product", m->name, "why",
            m->why, NULL);
}

static void fail(struct wf_mirror *m, enum weft_err err, const char *what, const char *text)
{
    char why[sizeof m->why];
    bool refused = weft_err_exit(err) == 77 && !m->via; // only the home speaks for its owner

    if (m->via) {
        wf_mirror_via_end(m);
    } else if (wf_mirror_via_begin(m, err)) {
        m->leased = false;
        wf_mirror_soon(m, 0);
        return;
    }
    snprintf(why, sizeof why, "%s: %s", what, text && text[0] ? text : weft_err_text(err));
    if (refused) { // the owner does not want it any more: nothing is handed on either
        m->refused = err;
        m->token.len = 0;
        wf_mirror_told_changed(m->room);
        wf_mirror_wake(m);
    }
    m->leased = false;
    set_state(m, refused ? WF_MIRROR_REFUSED : WF_MIRROR_AWAY, why);
    wf_mirror_try_later(m);
}

static const char *text_of(const Weft__V1__Reply *reply)
{
    return reply && reply->refusal ? reply->refusal->text : NULL;
}

// The round at hand, if any, is over; nothing of it is on a worker.
static void end_check(struct wf_mirror *m)
{
    wf_mirror_check_free(m->check);
    m->check = NULL;
}

// ---- asking ----------------------------------------------------------------------------------------------------------

static void ask(
    struct wf_mirror *m, const Weft__V1__Request *q, int64_t deadline_ms, wf_link_fn done)
{
    struct wf_mirror_ask *a = calloc(1, sizeof *a);
    struct wf_link *link = NULL;
    enum weft_err err = !a ? WEFT_E_NOMEM
                        : m->via
                            ? wf_gossip_link(m->room->node, m->via_domain.s, m->via_node.s, &link)
                            : wf_gossip_link(m->room->node, m->domain.s, m->home.s, &link);

    if (a)
        a->m = m;
    m->ask = a;
    if (!err)
        err = wf_link_request(link, q, deadline_ms, done, a);
    if (!err)
        return;
    free(a);
    m->ask = NULL;
    end_check(m); // it waited for what was asked
    fail(m, err, "its home can't be asked", NULL);
}

// The mirror that asked; NULL when it is gone.
static struct wf_mirror *answered(void *arg)
{
    struct wf_mirror_ask *a = arg;
    struct wf_mirror *m = a->m;

    free(a);
    if (m)
        m->ask = NULL;
    return m;
}

static void key_of(Weft__V1__Request *q, uint8_t room[16])
{
    wf_random(room, 16);
    q->idempotency = wf_pb_bin(wf_bytes(room, 16));
}

// ---- the home --------------------------------------------------------------------------------------------------------

static bool look_up(struct wf_mirror *m)
{
    struct wf_node *n = m->room->node;
    const struct wf_known *k =
        n->charter && n->has_certificate
            ? wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_PRODUCT, m->domain.s, m->product.s)
            : NULL;

    if (!k || k->removed || !k->doc) {
        set_state(m, WF_MIRROR_WAITING, "no such product is known here");
        return false;
    }
    const struct wf_entry_doc *d = k->doc;
    if (memcmp(d->signer.b, n->keys.sign_pub.b, WF_KEY_LEN) == 0) {
        set_state(m, WF_MIRROR_WAITING, "this node is its home");
        return false;
    }
    if (wf_mirror_store_is_of(m, &d->product.product.id)) {
        set_state(m, WF_MIRROR_WAITING, "its store can't be written");
        return false;
    }
    if (!m->known || memcmp(m->home_key.b, d->signer.b, WF_KEY_LEN) != 0)
        m->leased = false; // another home
    m->product_id = d->product.product.id;
    m->home_key = d->signer;
    m->home = d->product.node;
    if (!m->known) {
        m->known = true;
        wf_mirror_told_changed(m->room);
    }
    return true;
}

// ---- the token -------------------------------------------------------------------------------------------------------

static struct wf_token *open_token(const struct wf_mirror *m)
{
    struct wf_token *t = NULL;

    return m->token.len && !wf_token_open(wf_buf_view(&m->token), &t, NULL) ? t : NULL;
}

void wf_mirror_recheck(struct wf_mirror *m)
{
    struct wf_node *n = m->room->node;
    struct wf_token *t = open_token(m);
    struct wf_decision d = { .err = WEFT_OK };
    struct wf_access asked = { .mesh_id = &n->mesh_id,
        .domain = m->domain.s,
        .product = m->product.s,
        .verb = WF_VERB_MIRROR,
        .who = n->keys.sign_pub };

    if (!t)
        return;
    if (wf_token_decide(t, &asked, wf_gossip_revocations(n, m->domain.s), wf_node_now_unix_ms(n),
            &d) == WEFT_E_REVOKED)
        fail(m, WEFT_E_REVOKED, "the token was revoked", NULL);
    wf_token_free(t);
}

static enum weft_err use_token(struct wf_mirror *m, const struct wf_token *t)
{
    m->token.len = 0;
    m->token_expires_ms = wf_token_expires_ms(t);
    return wf_buf_append(&m->token, wf_buf_view(&t->raw));
}

static void ask_lease(struct wf_mirror *m);

static void on_access(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_mirror *m = answered(arg);
    struct wf_token *t = NULL;
    struct wf_diag diag = { 0 };

    if (!m)
        return;
    const Weft__V1__AccessReply *a = err ? NULL : reply->access;
    if (!err && (!a || strcmp(a->state, "granted") != 0 || !a->token.len))
        err = WEFT_E_NO_CAPABILITY;
    if (!err)
        err = wf_identity_import_token(m->room->node->core->dir, wf_pb_view(a->token),
            wf_node_now_unix_ms(m->room->node), NULL, &diag);
    if (!err)
        err = wf_token_open(wf_pb_view(a->token), &t, &diag);
    if (!err)
        err = use_token(m, t);
    wf_token_free(t);
    if (!err || (m->token.len && weft_err_exit(err) == 77))
        ask_lease(m); // the one at hand will do while it lasts
    else
        fail(m, err, "no token with the verb mirror", diag.text[0] ? diag.text : text_of(reply));
}

static void ask_access(struct wf_mirror *m)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__AccessRequest access = WEFT__V1__ACCESS_REQUEST__INIT;
    char *products[] = { m->product.s }, *verbs[] = { wf_pb_str("mirror") };
    uint8_t key[16];

    access.domain = m->domain.s;
    access.n_products = 1;
    access.products = products;
    access.n_verbs = 1;
    access.verbs = verbs;
    access.policy_only = 1; // a person is asked by a person: weft access request --verb mirror
    q.kind_case = WEFT__V1__REQUEST__KIND_ACCESS;
    q.access = &access;
    key_of(&q, key);
    m->asked_token = true;
    ask(m, &q, 0, on_access);
}

// One at hand, else asked of the owner's rules; asked again when a third of its life is left.
static void want_token(struct wf_mirror *m)
{
    struct wf_node *n = m->room->node;
    int64_t now = wf_node_now_unix_ms(n);
    struct wf_token *t = NULL;

    m->tokens_seen = wf_identity_tokens_stamp(n->core->dir); // before they are read
    enum weft_err err = wf_identity_find_token(
        n->core->dir, m->domain.s, m->product.s, WF_VERB_MIRROR, NULL, now, &t);

    if (!err && wf_token_verify(t, n->charter, now))
        err = WEFT_E_NO_CAPABILITY; // of an issuer that is no more
    if (!err)
        err = use_token(m, t);
    bool ends = !err && m->token_expires_ms - now <
                            (m->token_expires_ms - wf_token_last(t)->issued_ms) * 35 / 100;
    wf_token_free(t);
    if (err == WEFT_E_NO_CAPABILITY || (ends && !m->asked_token))
        ask_access(m);
    else if (err)
        fail(m, err, "no token", NULL);
    else
        ask_lease(m);
}

// ---- the lease -------------------------------------------------------------------------------------------------------

static void pull(struct wf_mirror *m);

static void keep_lease(struct wf_mirror *m, const Weft__V1__LeaseReply *r)
{
    struct wf_node *n = m->room->node;
    int64_t left = r->expires_ms - wf_node_now_unix_ms(n);
    uint16_t spread = 0;

    wf_random(&spread, sizeof spread);
    if (left < 2000)
        left = 2000; // our clocks differ
    memcpy(m->lease_id, r->lease_id.data, sizeof m->lease_id);
    m->lease_until_ms = wf_node_now_ms(n) + left / 2 + left * 3 / 10 * spread / UINT16_MAX;
    m->leased = true;
    m->retry_ms = 0;
    if (m->via)
        return;
    m->asked_token = false;
    m->home_misses = 0;
    if (m->refused) {
        m->refused = WEFT_OK;
        wf_mirror_told_changed(m->room);
    }
}

static void on_lease(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_mirror *m = answered(arg);
    const Weft__V1__LeaseReply *r = err ? NULL : reply->lease;
    struct wf_hash id;

    if (!m)
        return;
    if (!err && (!r || r->lease_id.len != sizeof m->lease_id ||
                    wf_hash_from(wf_pb_view(r->product_id), &id)))
        err = WEFT_E_PROTOCOL;
    if (!err && !wf_hash_eq(&id, &m->product_id))
        err = WEFT_E_NOT_FOUND; // the advert at hand is older
    if (!err) {
        err = wf_mirror_take_beat(m, wf_pb_view(r->heartbeat));
        if (err == WEFT_E_STALE)
            err = WEFT_OK; // its clock was set back, or it overtook a reply
    }
    if (err == WEFT_E_ORDER && !m->via)
        err = wf_mirror_begin_anew(m, "the home's word does not fit what it gave");
    if (err) {
        fail(m, err, "no lease", text_of(reply));
        return;
    }
    keep_lease(m, r);
    pull(m);
}

static void ask_lease(struct wf_mirror *m)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__LeaseRequest lease = WEFT__V1__LEASE_REQUEST__INIT;
    uint8_t key[16];

    lease.domain = m->domain.s;
    lease.product = m->product.s;
    lease.token = wf_pb_bin(wf_buf_view(&m->token));
    lease.purpose = m->via ? WEFT__V1__LEASE_REQUEST__PURPOSE__PURPOSE_AT_MIRROR
                           : WEFT__V1__LEASE_REQUEST__PURPOSE__PURPOSE_MIRROR;
    if (m->leased)
        lease.lease_id = wf_pb_bin(WF_BYTES(m->lease_id));
    m->leased = false; // until it is renewed; a node that was started anew knows it no more
    q.kind_case = WEFT__V1__REQUEST__KIND_LEASE;
    q.lease = &lease;
    key_of(&q, key);
    ask(m, &q, 0, on_lease);
}

// ---- one round -------------------------------------------------------------------------------------------------------

// The home's own entries don't fit what it gave before: it lost its log, or was put back from a copy.
static void contradicted(struct wf_mirror *m, enum weft_err code)
{
    if (m->via) {
        fail(m, code, "what another mirror has does not continue what is here", NULL);
        return;
    }
    enum weft_err err = wf_mirror_begin_anew(m, "the home's log does not continue what it gave");

    fail(m, err ? err : code, "the home's log changed", NULL);
}

static void next_round(struct wf_mirror *m)
{
    int64_t now = wf_node_now_ms(m->room->node);
    char from[2 * WF_MAX_NAME + 16] = "";

    m->retry_ms = 0;
    if (m->via)
        snprintf(from, sizeof from, "from mirror %s/%s", m->via_domain.s, m->via_node.s);
    set_state(m, WF_MIRROR_FOLLOWING, from);
    if (wf_mirror_via_over(m))
        wf_mirror_via_end(m);
    if (m->beat_dirty && now - m->saved_ms >= WF_MIRROR_SAVE_MS)
        wf_mirror_save(m);
    wf_mirror_wake(m);
    wf_mirror_soon(m, 0);
}

static void store(struct wf_mirror *m);

void wf_mirror_stored(struct wf_mirror *m, enum weft_err err)
{
    if (!err && m->check && m->check->next < m->check->count) {
        store(m);
        return;
    }
    end_check(m);
    if (!err) {
        next_round(m);
        return;
    }
    enum weft_err again = wf_mirror_recall(m);
    fail(m, again ? again : err, "its store can't be written", NULL);
}

static void fetch_documents(struct wf_mirror *m, bool again);

// What this node could not keep may be needed to believe an entry: the round is asked for again, and nothing is passed over.
static void fail_documents(struct wf_mirror *m, enum weft_err err, const char *text)
{
    end_check(m);
    fail(m, err, "certificates and schemas", text);
}

static void store(struct wf_mirror *m)
{
    uint64_t before = m->appended;
    enum weft_err err = wf_mirror_append(m, m->check);

    if (m->appended != before)
        return; // wf_mirror_stored goes on; what was not appended is asked for again
    end_check(m);
    if (err)
        fail(m, err, "its store can't be written", NULL);
    else
        next_round(m);
}

static void on_documents(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_mirror *m = answered(arg);

    if (!m)
        return;
    const Weft__V1__GetReply *get = err ? NULL : reply->get;
    for (size_t i = 0; !err && get && i < get->n_documents; i++)
        err = wf_mirror_take_document(m, wf_pb_view(get->documents[i]->content));
    if (err)
        fail_documents(m, err, get ? NULL : text_of(reply));
    else
        fetch_documents(m, true);
}

// What this node has anyway is taken from there; the rest comes from the home. again: what is still missing then, it does not have.
static void fetch_documents(struct wf_mirror *m, bool again)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__GetRequest get = WEFT__V1__GET_REQUEST__INIT;
    struct wf_hash missing[WF_MAX_GET];
    ProtobufCBinaryData hashes[WF_MAX_GET];
    size_t count = wf_mirror_missing(m, m->check, missing, WF_MAX_GET);
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < count && !err; i++) {
        struct wf_arena arena;
        struct wf_bytes content;
        wf_arena_init(&arena, 2 * WF_MAX_ENVELOPE);
        if (wf_documents_get(m->room->node, &missing[i], &arena, &content) == WEFT_OK)
            err = wf_mirror_take_document(m, content);
        else
            hashes[get.n_hashes++] = wf_pb_bin(wf_hash_view(&missing[i]));
        wf_arena_fini(&arena);
    }
    if (err) {
        fail_documents(m, err, NULL);
        return;
    }
    if (!get.n_hashes || again) { // entries without their certificate are not believed
        store(m);
        return;
    }
    get.hashes = hashes;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &get;
    ask(m, &q, 0, on_documents);
}

static void check_work(struct wf_job *job)
{
    wf_mirror_check_run((struct wf_mirror_check *)(void *)job);
}

static void check_done(struct wf_job *job, enum weft_err cancelled)
{
    struct wf_mirror_check *k = (struct wf_mirror_check *)(void *)job;
    struct wf_mirror *m = k->m;

    k->working = false;
    if (!m || cancelled) {
        if (m)
            m->check = NULL;
        wf_mirror_check_free(k);
        return;
    }
    enum weft_err err = k->err;
    if (!err) {
        fetch_documents(m, false);
        return;
    }
    end_check(m);
    m->count.refused += err != WEFT_E_NOMEM;
    if (err == WEFT_E_ORDER)
        contradicted(m, err);
    else
        fail(m, err, "the home sent what can't be believed", NULL);
}

static enum weft_err check(struct wf_mirror *m, const Weft__V1__RangeReply *r)
{
    struct wf_mirror_check *k = NULL;
    enum weft_err err = wf_mirror_check_new(m, r, &k);

    if (err)
        return err;
    k->m = m;
    k->job = (struct wf_job){
        .work = check_work, .done = check_done, .class = WF_MAIL_CONTROL, .bytes = WF_MIRROR_BYTES
    };
    err = wf_pool_submit(m->room->node->pool, &k->job);
    if (err) {
        wf_mirror_check_free(k);
        return err;
    }
    k->working = true;
    m->check = k;
    return WEFT_OK;
}

static void on_pull(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_mirror *m = answered(arg);

    if (!m)
        return;
    if (!err && !reply->range)
        err = WEFT_E_PROTOCOL;
    if (err == WEFT_E_LEASE) {
        m->leased = false; // it was started anew, or the token judged again
        wf_mirror_try_later(m);
    } else if (err == WEFT_E_LOG_ID || err == WEFT_E_RANGE) {
        contradicted(m, err);
    } else if (err) {
        fail(m, err, "its home does not answer", text_of(reply));
    } else if (!reply->range->n_entries && !reply->range->n_losses) {
        err = wf_mirror_take_beat(m, wf_pb_view(reply->range->heartbeat));
        if (err == WEFT_E_ORDER)
            contradicted(m, err);
        else
            next_round(m);
    } else {
        // Its word may be of an entry that comes with it: what does not fit shows with the next one.
        err = wf_mirror_take_beat(m, wf_pb_view(reply->range->heartbeat));
        if (err && err != WEFT_E_STALE)
            fail(m, err, "the home's word can't be believed", NULL);
        else if (check(m, reply->range))
            wf_mirror_try_later(m);
    }
}

static void pull(struct wf_mirror *m)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PullRequest pull_request = WEFT__V1__PULL_REQUEST__INIT;
    Weft__V1__RangeRequest range = WEFT__V1__RANGE_REQUEST__INIT;
    Weft__V1__Incarnation log_id = WEFT__V1__INCARNATION__INIT;

    range.lease_id = wf_pb_bin(WF_BYTES(m->lease_id));
    range.max_bytes = WF_MIRROR_BYTES;
    if (wf_incarnation_is_none(&m->head.log_id)) {
        range.start = WEFT__V1__RANGE_REQUEST__START__START_EARLIEST;
    } else {
        log_id.counter = m->head.log_id.counter;
        log_id.random = m->head.log_id.random;
        range.log_id = &log_id;
        range.from = m->head.next_offset;
    }
    pull_request.range = &range;
    pull_request.wait_ms = WF_MIRROR_WAIT_MS;
    q.kind_case = WEFT__V1__REQUEST__KIND_PULL;
    q.pull = &pull_request;
    ask(m, &q, WF_MIRROR_WAIT_MS + WF_REQUEST_DEADLINE_MS, on_pull);
}

void wf_mirror_timer(struct wf_timer *t)
{
    struct wf_mirror *m =
        (struct wf_mirror *)(void *)((char *)t - offsetof(struct wf_mirror, timer));

    if (m->ask || m->check || m->room->node->draining)
        return; // a step is under way, and goes on by itself
    if (!look_up(m))
        wf_mirror_try_later(m);
    else if (m->leased && wf_node_now_ms(m->room->node) < m->lease_until_ms)
        pull(m);
    else if (m->via)
        ask_lease(m);
    else
        want_token(m);
}

void wf_mirror_follow_end(struct wf_mirror *m)
{
    wf_timer_cancel(m->room->node->loop, &m->timer);
    if (m->ask)
        m->ask->m = NULL;
    m->ask = NULL;
    if (m->check && m->check->working) {
        m->check->m = NULL; // freed when the worker is done
        m->check = NULL;
    }
    end_check(m);
    wf_buf_fini(&m->token);
    wf_mirror_origins_fini(m);
}

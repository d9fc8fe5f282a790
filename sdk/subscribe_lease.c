// SPDX-License-Identifier: Apache-2.0
// How a subscription gets and keeps the right to read: owner, token, lease, epoch keys. Everything is tried again for ever with a growing
// pause (subscribe_again.c); what stands in the way is told as a STATE.
#include <stdio.h>
#include <stdlib.h>

#include "proto/schema/known.h"
#include "proto/trust/capability.h"
#include "sdk/subscribe_int.h"

#define MISSING_MS 10000

// ---- what stands in the way ------------------------------------------------------------------------------------------------

static enum weft_stream_state state_of(enum weft_err err)
{
    switch (err) {
    case WEFT_E_TIMEOUT:
    case WEFT_E_CLOSED:
    case WEFT_E_CANCELLED:
    case WEFT_E_UNREACHABLE:
    case WEFT_E_NO_HOME:
    case WEFT_E_BUSY:
    case WEFT_E_IO:
    case WEFT_E_NOMEM:
    case WEFT_E_NOT_HOME:
        return WEFT_STREAM_UNREACHABLE;
    case WEFT_E_STOPPED:
        return WEFT_STREAM_STOPPED;
    default:
        return WEFT_STREAM_REFUSED;
    }
}

static void print_time(int64_t unix_ms, char out[WF_MOMENT_TEXT])
{
    struct wf_moment at = { unix_ms / 1000, 0 };

    wf_timestamp_print(at, out);
}

// Why what was granted is refused now.
static void tell_ended(const struct weft_subscription *s, struct weft_problem *p)
{
    char at[WF_MOMENT_TEXT], text[sizeof p->text];

    if (!s->token_until_unix_ms ||
        wf_loop_now_unix_ms(wf_client_loop(s->c)) < s->token_until_unix_ms)
        return;
    print_time(s->token_until_unix_ms, at);
    snprintf(text, sizeof text, "its token ended at %s; %.400s", at, p->text);
    memcpy(p->text, text, sizeof text);
}

// A token that is used to its end is told of in time; what a rule grants was granted anew before.
static void note_token(struct weft_subscription *s, const struct wf_token *t)
{
    int64_t now = wf_loop_now_unix_ms(wf_client_loop(s->c)), until = wf_token_expires_ms(t);
    unsigned over = wf_life_warning(wf_token_last(t)->issued_ms, until, now);
    char at[WF_MOMENT_TEXT];

    s->token_until_unix_ms = until;
    s->token_note[0] = '\0';
    if (!over)
        return;
    print_time(until, at);
    snprintf(s->token_note, sizeof s->token_note,
        "%u %% of the token's life is over and no later one was granted; it ends at %s", over, at);
}

// A product that moves has no advert from its new home's document to the new home's word: what was read until now is given a moment.
static bool is_between_homes(struct weft_subscription *s)
{
    if (s->started && !s->missing_ms)
        s->missing_ms = wf_sub_now(s);
    return s->started && wf_sub_now(s) - s->missing_ms < MISSING_MS;
}

static void fail(struct weft_subscription *s, enum weft_err err, const struct weft_problem *problem)
{
    struct weft_problem p;

    wf_problem_set(&p, err, "%s: %s", s->name, weft_err_text(err));
    if (problem && problem->text[0])
        p = *problem;
    p.err = err;
    enum weft_stream_state state = state_of(err);
    if (state == WEFT_STREAM_REFUSED)
        tell_ended(s, &p);
    if (s->stopped && err == WEFT_E_NOT_FOUND) // the owner said it, and took the advert away
        state = WEFT_STREAM_STOPPED;
    else if (err == WEFT_E_NOT_FOUND && is_between_homes(s))
        state = WEFT_STREAM_UNREACHABLE;
    if (wf_sub_mirror_active(s) && state == WEFT_STREAM_UNREACHABLE) {
        wf_sub_try_later(s); // what it is read from meanwhile was told
        return;
    }
    wf_sub_mirror_end(s);
    if (state == WEFT_STREAM_UNREACHABLE)
        wf_sub_mirror_explain(s, &p);
    wf_sub_state(s, state, &p);
    if (state == WEFT_STREAM_UNREACHABLE)
        wf_sub_mirror_try(s);
    if (s->leased && wf_sub_now(s) < s->lease_until_ms && state == WEFT_STREAM_UNREACHABLE) {
        wf_sub_try_later(s); // the lease in hand still holds
        return;
    }
    if (s->leased) {
        struct wf_repair_event down = { .kind = WF_REP_LINK_DOWN };
        s->leased = false;
        wf_sub_step(s, &down);
    }
    wf_sub_try_later(s);
}

// ---- keys ----------------------------------------------------------------------------------------------------------------

void wf_sub_keys_fini(struct weft_subscription *s)
{
    for (size_t i = 0; i < WF_SUB_KEYS; i++)
        wf_secret_fini(&s->keys[i].key);
}

static bool has_key(const struct weft_subscription *s, uint64_t epoch, struct wf_bytes key)
{
    for (size_t i = 0; i < WF_SUB_KEYS; i++)
        if (s->keys[i].epoch == epoch && wf_equal_ct(wf_secret_view(&s->keys[i].key), key))
            return true;
    return false;
}

static enum weft_err take_key(struct weft_subscription *s, const Weft__V1__EpochKey *from)
{
    struct wf_sub_key k = { .epoch = from->epoch };
    struct wf_hash commitment;

    if (has_key(s, from->epoch, wf_pb_view(from->key)))
        return WEFT_OK;
    if (from->epoch == 0 || from->key.len != WF_KEY_LEN)
        return WEFT_E_KEY;
    enum weft_err err = wf_hash_from(wf_pb_view(from->commitment), &commitment);
    if (!err)
        err = wf_secret_copy(wf_pb_view(from->key), &k.key);
    if (!err)
        err = wf_epoch_check(&k.key, &s->product_id, k.epoch, &commitment);
    if (err) {
        wf_secret_fini(&k.key);
        return err;
    }
    wf_frame_tag(&k.key, &s->product_id, k.tag);
    struct wf_sub_key *to = &s->keys[s->next_key++ % WF_SUB_KEYS];
    wf_secret_fini(&to->key);
    *to = k;
    return WEFT_OK;
}

// ---- the lease -------------------------------------------------------------------------------------------------------------

// host:port to dial; an empty host is that of the control address.
static void endpoint_of(const struct weft_subscription *s, const char *told, char out[WF_MAX_ADDR])
{
    const char *at = wf_link_address(s->link), *colon = at ? strrchr(at, ':') : NULL;

    if (told[0] == ':' && colon)
        snprintf(out, WF_MAX_ADDR, "%.*s%s", (int)(colon - at), at, told);
    else
        snprintf(out, WF_MAX_ADDR, "%s", told);
}

static enum weft_err take_lease(
    struct weft_subscription *s, const Weft__V1__LeaseReply *r, struct wf_heartbeat *ret_beat)
{
    struct wf_hash id;
    char endpoint[WF_MAX_ADDR];
    enum weft_err err = wf_hash_from(wf_pb_view(r->product_id), &id);

    if (err || r->lease_id.len != sizeof s->lease_id)
        return WEFT_E_PROTOCOL;
    memcpy(s->lease_id, r->lease_id.data, sizeof s->lease_id);
    s->holds_lease = true;
    if (!wf_hash_eq(&id, &s->product_id))
        return WEFT_E_NOT_FOUND;
    if (!wf_bytes_eq(wf_pb_view(r->home_key), WF_BYTES(s->owner_key.b)))
        return WEFT_E_NOT_HOME; // the advert at hand is older than the home: look again
    if (wf_sub_heartbeat(s, wf_pb_view(r->heartbeat), ret_beat))
        return WEFT_E_SIGNATURE;
    for (size_t i = 0; i < r->n_keys && i < WF_SUB_KEYS && !err; i++)
        err = take_key(s, r->keys[i]);
    if (err)
        return err;
    endpoint_of(s, s->options.history ? "" : r->endpoint, endpoint);
    return wf_sub_dial(s, endpoint);
}

static void plan_renewal(
    struct weft_subscription *s, const Weft__V1__LeaseReply *r, uint64_t head_offset)
{
    int64_t now = wf_sub_now(s);
    int64_t left = r->expires_ms - wf_loop_now_unix_ms(wf_client_loop(s->c));
    uint16_t spread = 0;

    if (left < 2000)
        left = 2000; // our clocks differ
    if (left > WF_MAX_TOKEN_LIFE_MS)
        left = WF_MAX_TOKEN_LIFE_MS;
    s->lease_until_ms = now + left;
    wf_random(&spread, sizeof spread);
    wf_sub_lease_at(s, now + left / 2 + left * 3 / 10 * spread / UINT16_MAX);
    pthread_mutex_lock(&s->mutex);
    if (s->stats.history_end == UINT64_MAX)
        s->stats.history_end = head_offset;
    if (head_offset > s->stats.head_offset) // known before the lease is: who sees one sees both
        s->stats.head_offset = head_offset;
    s->stats.lease_expires_ms = r->expires_ms;
    s->stats.token_expires_ms = r->token_expires_ms;
    pthread_mutex_unlock(&s->mutex);
}

static void begin_lease(
    struct weft_subscription *s, const Weft__V1__LeaseReply *r, const struct wf_heartbeat *beat)
{
    struct wf_repair_event lease = {
        .kind = WF_REP_LEASE, .heartbeat = beat, .next_beat_ms = wf_sub_next_beat(s, beat)
    };

    wf_sub_mirror_end(s);
    wf_sub_mirror_take_keys(s, r);
    if (!s->leased && !s->started)
        s->news_ms = wf_sub_now(s);
    s->leased = true;
    s->acquiring = s->asked_token = s->refused = false;
    s->retry_ms = 0;
    s->failures = 0;
    s->missing_ms = 0;
    s->net_down = false;
    plan_renewal(s, r, beat->head_offset);
    if (r->n_schemas) {
        struct wf_hash schema;
        if (!wf_hash_from(wf_pb_view(r->schemas[0]), &schema))
            wf_sub_need_product(s, &schema);
    }
    if (!s->started)
        wf_sub_start(s, beat);
    wf_sub_step(s, &lease);
    wf_sub_try_unknown(s, false);
}

static void give_back(struct weft_subscription *s, struct wf_bytes id)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__LeaseRequest lease = WEFT__V1__LEASE_REQUEST__INIT;
    uint8_t key[16];

    lease.domain = s->target.domain.s;
    lease.product = s->target.product.s;
    lease.lease_id = wf_pb_bin(id);
    lease.end = true;
    q.kind_case = WEFT__V1__REQUEST__KIND_LEASE;
    q.lease = &lease;
    wf_client_key(&q, key);
    wf_client_part(s->c, s->link, &q);
}

void wf_sub_give_back(struct weft_subscription *s)
{
    if (s->holds_lease && s->link)
        give_back(s, WF_BYTES(s->lease_id));
    s->holds_lease = false;
}

static void on_lease(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct weft_subscription *s = arg;
    struct wf_heartbeat beat;
    struct weft_problem p;

    if (!err && reply->kind_case != WEFT__V1__REPLY__KIND_LEASE)
        err = WEFT_E_PROTOCOL;
    if (s->closed) {
        if (!err)
            give_back(s, wf_pb_view(reply->lease->lease_id));
        wf_sub_unref(s);
        return;
    }
    wf_problem_from_reply(&p, err, reply, s->name);
    if (!err) {
        err = take_lease(s, reply->lease, &beat);
        if (err)
            wf_problem_set(&p, err, "%s: the lease can't be used: %s", s->name, weft_err_text(err));
    }
    if (!err) {
        begin_lease(s, reply->lease, &beat);
    } else if (err == WEFT_E_LEASE && s->asked_renewal) {
        s->acquiring = false; // the node was started anew: a fresh one
        wf_sub_lease_lost(s, false);
    } else {
        fail(s, err, &p);
    }
    wf_sub_unref(s);
}

static void ask_lease(struct weft_subscription *s)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__LeaseRequest lease = WEFT__V1__LEASE_REQUEST__INIT;
    uint8_t key[16];

    lease.domain = s->target.domain.s;
    lease.product = s->target.product.s;
    lease.major = s->target.major;
    lease.token = wf_pb_bin(wf_buf_view(&s->token));
    s->asked_renewal = s->leased;
    if (s->leased)
        lease.lease_id = wf_pb_bin(WF_BYTES(s->lease_id));
    else if (s->holds_lease) // its home may still have it
        lease.replaces = wf_pb_bin(WF_BYTES(s->lease_id));
    wf_sub_mirror_want_keys(s, &lease);
    q.kind_case = WEFT__V1__REQUEST__KIND_LEASE;
    q.lease = &lease;
    wf_client_key(&q, key);
    wf_sub_ref(s);
    wf_client_send(s->c, s->link, &q, 0, on_lease, s);
}

// ---- the token -------------------------------------------------------------------------------------------------------------

enum wf_verb wf_sub_verb(const struct weft_subscription *s)
{
    return s->options.history ? WF_VERB_REPLAY : WF_VERB_SUBSCRIBE;
}

static void on_token(
    void *arg, enum weft_err err, const struct weft_problem *problem, const struct wf_token *token);

static void ask_token(struct weft_subscription *s, bool renew)
{
    const struct wf_identity_dir *identity = wf_client_identity(s->c);

    s->tokens_seen = identity ? wf_identity_tokens_stamp(identity) : 0; // before they are read
    wf_sub_ref(s);
    wf_client_token(s->c, s->link, &s->target, wf_sub_verb(s), renew, on_token, s);
}

// What policy granted is granted again before it ends; what a person granted is used to its end.
static bool nears_its_end(const struct weft_subscription *s, const struct wf_token *t)
{
    int64_t expires = wf_token_expires_ms(t), issued = wf_token_last(t)->issued_ms;

    return expires - wf_loop_now_unix_ms(wf_client_loop(s->c)) < (expires - issued) * 35 / 100;
}

static void on_token(
    void *arg, enum weft_err err, const struct weft_problem *problem, const struct wf_token *token)
{
    struct weft_subscription *s = arg;
    bool again = s->asked_token;

    if (s->closed) {
        wf_sub_unref(s);
        return;
    }
    if (!err && token && !again && nears_its_end(s, token)) {
        s->asked_token = true;
        ask_token(s, true);
    } else if (err && again) {
        ask_token(s, false); // the one at hand will do while it lasts
    } else {
        s->token.len = 0;
        if (!err && token) {
            note_token(s, token);
            err = wf_buf_append(&s->token, wf_buf_view(&token->raw));
        }
        if (err)
            fail(s, err, problem);
        else
            ask_lease(s);
    }
    wf_sub_unref(s);
}

// ---- the owner -------------------------------------------------------------------------------------------------------------

static void on_owner(void *arg, enum weft_err err, const struct weft_problem *problem,
    struct wf_link *link, const struct wf_entry_doc *product)
{
    struct weft_subscription *s = arg;

    if (s->closed) {
        wf_sub_unref(s);
        return;
    }
    if (err) {
        fail(s, err, problem);
    } else if (!link) {
        fail(s, WEFT_E_UNREACHABLE, NULL);
    } else if (s->started && !wf_hash_eq(&s->product_id, &product->product.product.id)) {
        struct weft_problem p; // a new major is another product: another schema, other offsets
        wf_problem_set(&p, WEFT_E_INCOMPATIBLE,
            "%s: its owner published major version %u; subscribe anew", s->name,
            product->product.product.major);
        fail(s, WEFT_E_INCOMPATIBLE, &p);
    } else {
        s->link = link;
        s->product_id = product->product.product.id;
        s->freshness_ms = product->product.product.freshness_ms;
        if (memcmp(s->owner_key.b, product->signer.b, WF_KEY_LEN) != 0)
            s->former_owner = s->owner_key;
        s->owner_key = product->signer;
        ask_token(s, false);
    }
    wf_sub_unref(s);
}

void wf_sub_acquire(struct weft_subscription *s, bool again)
{
    if (s->acquiring || s->closed)
        return;
    s->acquiring = true;
    s->asked_token = false;
    wf_sub_ref(s);
    if (again)
        wf_client_owner_again(s->c, &s->target, on_owner, s);
    else
        wf_client_owner(s->c, &s->target, on_owner, s);
}

void wf_sub_renew(struct weft_subscription *s)
{
    if (s->acquiring || s->closed)
        return;
    s->acquiring = true;
    s->asked_token = false;
    ask_token(s, false);
}

void wf_sub_lease_lost(struct weft_subscription *s, bool again)
{
    struct wf_repair_event down = { .kind = WF_REP_LINK_DOWN };

    if (s->leased) {
        s->leased = false;
        wf_sub_step(s, &down);
    }
    wf_sub_acquire(s, again);
}

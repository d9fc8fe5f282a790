// SPDX-License-Identifier: Apache-2.0
#include "node/sessions.h"

#include <stdlib.h>

#define ID_SLOTS 1024u // a power of two

struct bucket_slot {
    struct wf_addr_key key;
    struct wf_bucket bucket;
    bool used;
};

struct stamp_slot {
    struct wf_dh_pub key;
    int64_t stamp;
};

struct wf_sessions {
    struct wf_live_session *by_id[ID_SLOTS];
    struct wf_live_session *first;
    size_t count, half_open;
    struct bucket_slot buckets[WF_BUCKETS_MAX];
    struct wf_bucket overflow;
    struct stamp_slot
        stamps[WF_STAMPS_MAX]; // direct-mapped by key hash: a collision forgets the older
    uint64_t salt;
};

enum weft_err wf_sessions_new(struct wf_sessions **ret)
{
    struct wf_sessions *t = calloc(1, sizeof *t);

    if (!t)
        return WEFT_E_NOMEM;
    wf_random(&t->salt, sizeof t->salt);
    wf_bucket_init(&t->overflow, WF_HANDSHAKES_PER_S, WF_HANDSHAKE_BURST, 0);
    *ret = t;
    return WEFT_OK;
}

void wf_sessions_free(struct wf_sessions *t)
{
    if (!t)
        return;
    while (t->first)
        wf_sessions_remove(t, t->first);
    free(t);
}

// ---- who may ask -----------------------------------------------------------------------------------------------------

static size_t slot_of(const struct wf_sessions *t, struct wf_bytes key, size_t slots)
{
    uint8_t out[8], salt[8];

    wf_store_be64(salt, t->salt);
    wf_blake2b_keyed(WF_BYTES(salt), key, out, sizeof out);
    return (size_t)(wf_load_be64(out) % slots);
}

enum weft_err wf_sessions_admit(
    struct wf_sessions *t, const struct wf_addr_key *from, int64_t now_ms)
{
    size_t start = slot_of(t, wf_bytes(from, sizeof *from), WF_BUCKETS_MAX);
    struct bucket_slot *reuse = NULL;

    for (size_t i = 0; i < 16; i++) {
        struct bucket_slot *b = &t->buckets[(start + i) % WF_BUCKETS_MAX];
        if (b->used && memcmp(&b->key, from, sizeof *from) == 0)
            return wf_bucket_take(&b->bucket, now_ms) ? WEFT_OK : WEFT_E_FLOOD;
        if (!reuse && (!b->used || wf_bucket_is_full(&b->bucket, now_ms)))
            reuse = b;
    }
    if (!reuse)
        return wf_bucket_take(&t->overflow, now_ms) ? WEFT_OK : WEFT_E_FLOOD;
    *reuse = (struct bucket_slot){ .key = *from, .used = true };
    wf_bucket_init(&reuse->bucket, WF_HANDSHAKES_PER_S, WF_HANDSHAKE_BURST, now_ms);
    return wf_bucket_take(&reuse->bucket, now_ms) ? WEFT_OK : WEFT_E_FLOOD;
}

enum weft_err wf_sessions_stamp(
    struct wf_sessions *t, const struct wf_dh_pub *peer, int64_t stamp_unix_ms)
{
    struct stamp_slot *s = &t->stamps[slot_of(t, wf_bytes(peer->b, WF_KEY_LEN), WF_STAMPS_MAX)];

    if (memcmp(s->key.b, peer->b, WF_KEY_LEN) == 0 && stamp_unix_ms <= s->stamp)
        return WEFT_E_REPLAY;
    *s = (struct stamp_slot){ *peer, stamp_unix_ms };
    return WEFT_OK;
}

// ---- sessions --------------------------------------------------------------------------------------------------------

static struct wf_live_session **id_slot(struct wf_sessions *t, uint64_t id)
{
    return &t->by_id[(id ^ id >> 32) & (ID_SLOTS - 1)]; // ids are random
}

struct wf_live_session *wf_sessions_find(struct wf_sessions *t, uint64_t id)
{
    struct wf_live_session *s = *id_slot(t, id);

    while (s && s->s.id != id)
        s = s->next_id;
    return s;
}

uint64_t wf_sessions_fresh_id(struct wf_sessions *t)
{
    uint64_t id = 0;

    while (id == 0 || wf_sessions_find(t, id))
        wf_random(&id, sizeof id);
    return id;
}

// Nothing of a half-open session is kept for anybody, so the oldest may go.
static void make_room(struct wf_sessions *t)
{
    struct wf_live_session *oldest = NULL;

    for (struct wf_live_session *s = t->first; s; s = s->next) // newest first
        if (!s->greeted && s->in_flight == 0)
            oldest = s;
    if (oldest)
        wf_sessions_remove(t, oldest);
}

enum weft_err wf_sessions_add(struct wf_sessions *t, const struct wf_session *session,
    uint32_t pipe, struct wf_live_session **ret)
{
    size_t of_pipe = 0;

    for (const struct wf_live_session *s = t->first; s; s = s->next)
        of_pipe += s->pipe == pipe;
    if (of_pipe >= WF_SESSIONS_PER_PIPE)
        return WEFT_E_BUSY;
    if (t->half_open >= WF_SESSIONS_HALF_OPEN)
        make_room(t);
    if (t->count >= WF_SESSIONS_MAX || t->half_open >= WF_SESSIONS_HALF_OPEN)
        return WEFT_E_BUSY;
    struct wf_live_session *s = calloc(1, sizeof *s);
    if (!s)
        return WEFT_E_NOMEM;
    s->s = *session;
    s->pipe = pipe;
    s->next_id = *id_slot(t, session->id);
    *id_slot(t, session->id) = s;
    s->next = t->first;
    if (t->first)
        t->first->prev = s;
    t->first = s;
    t->count++;
    t->half_open++;
    *ret = s;
    return WEFT_OK;
}

enum weft_err wf_sessions_greet(
    struct wf_sessions *t, struct wf_live_session *s, const char *domain, bool is_own)
{
    size_t cap = !domain  ? WF_SESSIONS_NEWCOMERS
                 : is_own ? WF_SESSIONS_OWN
                          : WF_SESSIONS_PER_DOMAIN;
    size_t others = 0;

    for (const struct wf_live_session *o = t->first; o; o = o->next) {
        const char *of = o->caller.has_identity ? o->caller.identity.cert.domain.s : NULL;
        if (o != s && o->greeted)
            others += domain && of ? strcmp(of, domain) == 0 : !domain && !of;
    }
    if (others >= cap)
        return WEFT_E_BUSY;
    if (!s->greeted)
        t->half_open--;
    s->greeted = true;
    return WEFT_OK;
}

void wf_sessions_remove(struct wf_sessions *t, struct wf_live_session *s)
{
    struct wf_live_session **at = id_slot(t, s->s.id);

    while (*at && *at != s)
        at = &(*at)->next_id;
    if (*at)
        *at = s->next_id;
    if (s->prev)
        s->prev->next = s->next;
    else
        t->first = s->next;
    if (s->next)
        s->next->prev = s->prev;
    t->count--;
    if (!s->greeted)
        t->half_open--;
    for (size_t i = 0; i < s->token_count; i++)
        wf_token_free(s->tokens[i]);
    wf_buf_fini(&s->chain);
    wf_session_fini(&s->s);
    free(s);
}

struct wf_live_session *wf_sessions_next(struct wf_sessions *t, struct wf_live_session *after)
{
    return after ? after->next : t->first;
}

size_t wf_sessions_count(const struct wf_sessions *t)
{
    return t->count;
}

size_t wf_sessions_half_open(const struct wf_sessions *t)
{
    return t->half_open;
}

// ---- tokens ----------------------------------------------------------------------------------------------------------

void wf_session_remember(struct wf_live_session *s, struct wf_token *t)
{
    if (s->token_count < WF_SESSION_TOKENS) {
        s->tokens[s->token_count++] = t;
        return;
    }
    wf_token_free(s->tokens[s->token_next]);
    s->tokens[s->token_next] = t;
    s->token_next = (s->token_next + 1) % WF_SESSION_TOKENS;
}

const struct wf_token *wf_session_token(const struct wf_live_session *s, struct wf_bytes id)
{
    for (size_t i = 0; i < s->token_count; i++) {
        const struct wf_token *t = s->tokens[i];
        if (wf_bytes_eq(wf_hash_view(wf_token_id(t)), id) ||
            wf_bytes_eq(wf_hash_view(&wf_token_last(t)->id), id))
            return t;
    }
    return NULL;
}

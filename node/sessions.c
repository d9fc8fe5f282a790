// SPDX-License-Identifier: Apache-2.0
#include "node/sessions.h"

#include <stdlib.h>

#define ID_SLOTS 1024u // a power of two

struct wf_sessions {
    struct wf_live_session *by_id[ID_SLOTS], *by_pipe[ID_SLOTS];
    struct wf_live_session *first;
    size_t count, half_open;
    uint64_t refused; // for want of room
};

enum weft_err wf_sessions_new(struct wf_sessions **ret)
{
    struct wf_sessions *t = calloc(1, sizeof *t);

    if (!t)
        return WEFT_E_NOMEM;
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

// ---- sessions --------------------------------------------------------------------------------------------------------

static struct wf_live_session **id_slot(struct wf_sessions *t, uint64_t id)
{
    return &t->by_id[(id ^ id >> 32) & (ID_SLOTS - 1)]; // ids are random
}

static struct wf_live_session **pipe_slot(struct wf_sessions *t, uint32_t pipe)
{
    return &t->by_pipe[pipe & (ID_SLOTS - 1)]; // NNG numbers pipes one after the other
}

struct wf_live_session *wf_sessions_of_pipe(
    const struct wf_sessions *t, uint32_t pipe, const struct wf_live_session *after)
{
    struct wf_live_session *s = after ? after->next_pipe : t->by_pipe[pipe & (ID_SLOTS - 1)];

    while (s && s->pipe != pipe)
        s = s->next_pipe;
    return s;
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
    const struct wf_live_session *same = NULL;
    size_t of_pipe = 0;

    while ((same = wf_sessions_of_pipe(t, pipe, same)) != NULL)
        of_pipe++;
    if (of_pipe >= WF_SESSIONS_PER_PIPE) {
        t->refused++;
        return WEFT_E_BUSY;
    }
    if (t->half_open >= WF_SESSIONS_HALF_OPEN)
        make_room(t);
    if (t->count >= WF_SESSIONS_MAX || t->half_open >= WF_SESSIONS_HALF_OPEN) {
        t->refused++;
        return WEFT_E_BUSY;
    }
    struct wf_live_session *s = calloc(1, sizeof *s);
    if (!s)
        return WEFT_E_NOMEM;
    s->s = *session;
    s->pipe = pipe;
    s->next_id = *id_slot(t, session->id);
    *id_slot(t, session->id) = s;
    s->next_pipe = *pipe_slot(t, pipe);
    *pipe_slot(t, pipe) = s;
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
    at = pipe_slot(t, s->pipe);
    while (*at && *at != s)
        at = &(*at)->next_pipe;
    if (*at)
        *at = s->next_pipe;
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

uint64_t wf_sessions_refused(const struct wf_sessions *t)
{
    return t->refused;
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

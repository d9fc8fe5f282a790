// SPDX-License-Identifier: Apache-2.0
// A table of rows by origin, in which each origin has its first; the others hang behind it. What is ready is a list of its own.
#include "node/stream/turns.h"

#include <assert.h>

void wf_turns_init(struct wf_turns *t)
{
    *t = (struct wf_turns){ 0 };
    wf_random(&t->salt, sizeof t->salt);
    t->salt |= 1;
}

// Keys are as good as random but for who looks for one: hence the salt.
static struct wf_turn **find(struct wf_turns *t, const struct wf_sign_pub *origin)
{
    uint64_t row = wf_load_be64(origin->b) * t->salt >> (64 - WF_TURNS_BITS);
    struct wf_turn **at = &t->rows[row];

    for (; *at; at = &(*at)->beside) {
        t->looked++;
        if (memcmp((*at)->origin.b, origin->b, WF_KEY_LEN) == 0)
            break;
    }
    return at;
}

static void make_ready(struct wf_turns *t, struct wf_turn *w)
{
    w->ready = NULL;
    if (t->ready)
        t->ready_last->ready = w;
    else
        t->ready = w;
    t->ready_last = w;
}

bool wf_turns_has(struct wf_turns *t, const struct wf_sign_pub *origin)
{
    return *find(t, origin) != NULL;
}

void wf_turns_add(struct wf_turns *t, struct wf_turn *w, const struct wf_sign_pub *origin)
{
    struct wf_turn **first = find(t, origin);

    *w = (struct wf_turn){ .origin = *origin, .last = w };
    t->count++;
    if (*first) {
        (*first)->last->behind = w;
        (*first)->last = w;
        return;
    }
    *first = w;
    make_ready(t, w);
}

struct wf_turn *wf_turns_take(struct wf_turns *t)
{
    struct wf_turn *w = t->ready;

    if (w)
        t->ready = w->ready;
    return w;
}

void wf_turns_again(struct wf_turns *t, struct wf_turn *w)
{
    if (!t->ready)
        t->ready_last = w;
    w->ready = t->ready;
    t->ready = w;
}

void wf_turns_leave(struct wf_turns *t, struct wf_turn *w)
{
    struct wf_turn **first = find(t, &w->origin), *behind = w->behind;

    assert(*first == w);
    t->count--;
    if (!behind) {
        *first = w->beside;
        return;
    }
    behind->beside = w->beside;
    behind->last = w->last;
    *first = behind;
    make_ready(t, behind);
}

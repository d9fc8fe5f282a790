// SPDX-License-Identifier: Apache-2.0
// Whose turn it is: of each origin one at a time, in the order in which its own came; origins beside one another. Owns nothing: what waits is embedded
// in its owner. Invariant: each step costs the same however many wait. Loop thread only.
#ifndef WF_NODE_STREAM_TURNS_H
#define WF_NODE_STREAM_TURNS_H

#include "proto/base/crypto.h"

#define WF_TURNS_BITS 9u // more rows than requests that the control plane holds at once

struct wf_turn {
    struct wf_sign_pub origin;
    struct wf_turn *behind; // the next of its origin
    struct wf_turn *last;   // of an origin's first: the last one behind it, or itself
    struct wf_turn *beside; // of an origin's first: another origin's in its row
    struct wf_turn *ready;  // the next whose turn it is
};

struct wf_turns {
    uint64_t salt; // where an origin has its row is nobody's choice
    struct wf_turn *rows[1u << WF_TURNS_BITS];
    struct wf_turn *ready, *ready_last; // firsts that nobody has taken
    size_t count;                       // all that are in here
    uint64_t looked;                    // at how many, since the start
};

void wf_turns_init(struct wf_turns *t);
// Does something of this origin wait, or have its turn?
bool wf_turns_has(struct wf_turns *t, const struct wf_sign_pub *origin);
// Behind all of its origin. It stays where it is in memory until wf_turns_leave.
void wf_turns_add(struct wf_turns *t, struct wf_turn *w, const struct wf_sign_pub *origin);
// Whose turn it is, and nobody took it yet; NULL: nobody's.
struct wf_turn *wf_turns_take(struct wf_turns *t);
// Taken, but not done: it is the next to be taken.
void wf_turns_again(struct wf_turns *t, struct wf_turn *w);
// Taken and done with: it is the turn of the one behind it.
void wf_turns_leave(struct wf_turns *t, struct wf_turn *w);

#endif

// SPDX-License-Identifier: Apache-2.0
// A capped bump arena: all memory that a peer's bytes may claim comes from one, and goes back at once. Owns its blocks;
// what it hands out lives until reset or fini. Not thread-safe; one owner at a time.
#ifndef WF_BASE_ARENA_H
#define WF_BASE_ARENA_H

#include "proto/base/bytes.h"

struct wf_arena_block;
struct wf_arena {
    struct wf_arena_block *head; // newest block; the oldest is kept over a reset
    size_t used, cap; // bytes handed out since reset (with alignment), and the most permitted
    bool refused;     // an allocation hit the cap (tells BUDGET from NOMEM)
};

// No memory is taken before the first allocation. cap counts bytes handed out, not block overhead.
void wf_arena_init(struct wf_arena *a, size_t cap);
// Forgets everything handed out and keeps one block for reuse.
void wf_arena_reset(struct wf_arena *a);
void wf_arena_fini(struct wf_arena *a);

// size bytes aligned for any type, uninitialised; NULL beyond the cap or out of memory. size 0 gives a valid pointer.
void *wf_arena_alloc(struct wf_arena *a, size_t size);
void *wf_arena_calloc(struct wf_arena *a, size_t count, size_t size);
// What to return after wf_arena_alloc gave NULL: BUDGET when the cap refused, else NOMEM.
static inline enum weft_err wf_arena_err(const struct wf_arena *a)
{
    return a->refused ? WEFT_E_BUDGET : WEFT_E_NOMEM;
}
// Copies into the arena; wf_arena_str also ends the copy with NUL.
WF_MUST_USE enum weft_err wf_arena_dup(struct wf_arena *a, struct wf_bytes b, struct wf_bytes *ret);
WF_MUST_USE enum weft_err wf_arena_str(struct wf_arena *a, struct wf_bytes b, const char **ret);

#endif

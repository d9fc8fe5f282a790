// SPDX-License-Identifier: Apache-2.0
#include "proto/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

// Blocks grow from 4 KiB to 256 KiB so that a small document costs one malloc and a large one few.
#define BLOCK_MIN 4096u
#define BLOCK_MAX (256u * 1024u)
#define ALIGN     alignof(max_align_t)

struct wf_arena_block {
    struct wf_arena_block *next;
    size_t used, cap;
    alignas(max_align_t) uint8_t data[];
};

void wf_arena_init(struct wf_arena *a, size_t cap)
{
    *a = (struct wf_arena){ .cap = cap };
}

static void free_chain(struct wf_arena_block *b)
{
    while (b) {
        struct wf_arena_block *next = b->next;
        free(b);
        b = next;
    }
}

void wf_arena_reset(struct wf_arena *a)
{
    if (a->head) {
        free_chain(a->head->next);
        a->head->next = NULL;
        a->head->used = 0;
    }
    a->used = 0;
    a->refused = false;
}

void wf_arena_fini(struct wf_arena *a)
{
    free_chain(a->head);
    *a = (struct wf_arena){ .cap = a->cap };
}

static struct wf_arena_block *add_block(struct wf_arena *a, size_t need)
{
    size_t cap = a->head ? a->head->cap * 2 : BLOCK_MIN;

    if (cap > BLOCK_MAX)
        cap = BLOCK_MAX;
    if (cap < need)
        cap = need;
    struct wf_arena_block *b = malloc(sizeof *b + cap);
    if (!b)
        return NULL;
    b->next = a->head;
    b->used = 0;
    b->cap = cap;
    a->head = b;
    return b;
}

void *wf_arena_alloc(struct wf_arena *a, size_t size)
{
    struct wf_arena_block *b = a->head;

    if (size > a->cap || a->cap - a->used < size) {
        a->refused = true;
        return NULL;
    }
    size_t need = (size + ALIGN - 1) & ~(ALIGN - 1);
    if (!b || b->cap - b->used < need) {
        b = add_block(a, need);
        if (!b)
            return NULL;
    }
    void *p = b->data + b->used;
    b->used += need;
    a->used += need;
    if (a->used > a->cap)
        a->used = a->cap;
    return p;
}

void *wf_arena_calloc(struct wf_arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) {
        a->refused = true;
        return NULL;
    }
    void *p = wf_arena_alloc(a, count * size);
    if (p)
        memset(p, 0, count * size);
    return p;
}

enum weft_err wf_arena_dup(struct wf_arena *a, struct wf_bytes b, struct wf_bytes *ret)
{
    uint8_t *p = wf_arena_alloc(a, b.len);

    if (!p)
        return wf_arena_err(a);
    if (b.len)
        memcpy(p, b.ptr, b.len);
    *ret = wf_bytes(p, b.len);
    return WEFT_OK;
}

enum weft_err wf_arena_str(struct wf_arena *a, struct wf_bytes b, const char **ret)
{
    if (b.len && memchr(b.ptr, 0, b.len))
        return WEFT_E_SYNTAX;
    char *p = wf_arena_alloc(a, b.len + 1);
    if (!p)
        return wf_arena_err(a);
    if (b.len)
        memcpy(p, b.ptr, b.len);
    p[b.len] = '\0';
    *ret = p;
    return WEFT_OK;
}

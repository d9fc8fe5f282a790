// SPDX-License-Identifier: Apache-2.0
#include "node/replays.h"

#include <stdlib.h>

struct item {
    struct wf_hash name; // of caller and key
    struct wf_hash request;
    int64_t made_ms;
    struct wf_buf reply; // empty: still running
    struct item *next;   // oldest first
};

struct wf_replays {
    struct item *first, **last;
    size_t count, bytes;
};

enum weft_err wf_replays_new(struct wf_replays **ret)
{
    struct wf_replays *r = calloc(1, sizeof *r);

    if (!r)
        return WEFT_E_NOMEM;
    r->last = &r->first;
    *ret = r;
    return WEFT_OK;
}

static void name_of(struct wf_bytes caller, struct wf_bytes key, struct wf_hash *ret)
{
    struct wf_hasher h;
    uint8_t len[4];

    wf_store_be32(len, (uint32_t)caller.len);
    wf_hasher_init(&h, wf_bytes(NULL, 0), WF_HASH_LEN);
    wf_hasher_add(&h, WF_BYTES(len));
    wf_hasher_add(&h, caller);
    wf_hasher_add(&h, key);
    wf_hasher_done(&h, ret->b, WF_HASH_LEN);
}

static void remove_at(struct wf_replays *r, struct item **at)
{
    struct item *it = *at;

    *at = it->next;
    if (r->last == &it->next)
        r->last = at;
    r->count--;
    r->bytes -= it->reply.len;
    wf_buf_fini(&it->reply);
    free(it);
}

void wf_replays_free(struct wf_replays *r)
{
    if (!r)
        return;
    while (r->first)
        remove_at(r, &r->first);
    free(r);
}

static struct item **find(struct wf_replays *r, const struct wf_hash *name)
{
    struct item **at = &r->first;

    while (*at && !wf_hash_eq(&(*at)->name, name))
        at = &(*at)->next;
    return at;
}

static void trim(struct wf_replays *r, int64_t now_ms)
{
    while (r->first && (now_ms - r->first->made_ms > WF_REPLAYS_MS || r->count > WF_REPLAYS_MAX ||
                           r->bytes > WF_REPLAYS_BYTES))
        remove_at(r, &r->first);
}

enum weft_err wf_replays_get(struct wf_replays *r, struct wf_bytes caller, struct wf_bytes key,
    const struct wf_hash *request, int64_t now_ms, struct wf_bytes *ret)
{
    struct wf_hash name;

    trim(r, now_ms);
    name_of(caller, key, &name);
    const struct item *it = *find(r, &name);
    if (!it)
        return WEFT_E_NOT_FOUND;
    if (!wf_hash_eq(&it->request, request))
        return WEFT_E_IDEMPOTENCY;
    if (it->reply.len == 0)
        return WEFT_E_RUNNING;
    *ret = wf_buf_view(&it->reply);
    return WEFT_OK;
}

enum weft_err wf_replays_put(struct wf_replays *r, struct wf_bytes caller, struct wf_bytes key,
    const struct wf_hash *request, struct wf_bytes reply, int64_t now_ms)
{
    struct wf_hash name;
    struct wf_buf copy = { 0 };

    name_of(caller, key, &name);
    enum weft_err err = wf_bytes_dup(reply, &copy);
    if (err)
        return err;
    struct item *it = *find(r, &name);
    if (!it) {
        it = calloc(1, sizeof *it);
        if (!it) {
            wf_buf_fini(&copy);
            return WEFT_E_NOMEM;
        }
        it->name = name;
        it->request = *request;
        it->made_ms = now_ms;
        *r->last = it;
        r->last = &it->next;
        r->count++;
    }
    r->bytes += copy.len - it->reply.len;
    wf_buf_fini(&it->reply);
    it->reply = copy;
    return WEFT_OK;
}

void wf_replays_forget(struct wf_replays *r, struct wf_bytes caller, struct wf_bytes key)
{
    struct wf_hash name;

    name_of(caller, key, &name);
    struct item **at = find(r, &name);
    if (*at)
        remove_at(r, at);
}

void wf_replays_size(const struct wf_replays *r, size_t *ret_count, size_t *ret_bytes)
{
    *ret_count = r->count;
    *ret_bytes = r->bytes;
}

// SPDX-License-Identifier: Apache-2.0
// What a product had, by its checkpoint, and its log has no more: a log put back from a copy, or that lost its end. The next log begins with a
// reset that says so, by origin, incarnation and numbers; readers look at their marks and tell what they never got. Own records and those of
// agents that never come back would show in no other way. Of an earlier incarnation of an origin its end is kept, too.
#include <stdio.h>
#include <stdlib.h>

#include "node/stream/ends.h"
#include "node/stream/priv.h"
#include "proto/stream/lost.h"

// ---- ended chains ------------------------------------------------------------------------------------------------------

static enum weft_err push(
    struct wf_ended **list, size_t *count, size_t *cap, size_t max, const struct wf_ended *item)
{
    if (*count == *cap && *cap < max) {
        size_t more = *cap ? 2 * *cap : 16;
        struct wf_ended *grown = realloc(*list, (more > max ? max : more) * sizeof *grown);
        if (!grown)
            return WEFT_E_NOMEM;
        *list = grown;
        *cap = more > max ? max : more;
    }
    if (*count == max) { // the oldest goes
        memmove(*list, *list + 1, (max - 1) * sizeof **list);
        --*count;
    }
    (*list)[(*count)++] = *item;
    return WEFT_OK;
}

enum weft_err wf_ended_add(struct wf_home_product *p, const struct wf_ended *chain)
{
    return push(&p->ended, &p->ended_count, &p->ended_cap, WF_ENDED_MAX, chain);
}

// ---- what was known ----------------------------------------------------------------------------------------------------

void wf_past_take(struct wf_home_product *p, struct wf_past *k)
{
    *k = (struct wf_past){ .origins = p->origins,
        .origin_count = p->origin_count,
        .publishers = p->publishers,
        .publisher_count = p->publisher_count,
        .ended = p->ended,
        .ended_count = p->ended_count };
    p->origins = NULL;
    p->publishers = NULL;
    p->ended = NULL;
    p->origin_count = p->origin_cap = p->publisher_count = p->ended_count = p->ended_cap = 0;
}

void wf_past_fini(struct wf_past *k)
{
    free(k->origins);
    free(k->publishers);
    free(k->ended);
    *k = (struct wf_past){ 0 };
}

// From which number on the log lacks a chain that had come to `chain->next_seq`; that number when it lacks nothing.
static uint64_t held(const struct wf_home_product *p, const struct wf_ended *chain)
{
    const struct wf_origin *o = wf_origin_find(p, &chain->key);

    // An origin of which the log has nothing: what came before the log's end went by retention.
    if (!o)
        return chain->last_ms < p->last_append_ms ? chain->next_seq : 0;
    int age = wf_incarnation_cmp(&chain->incarnation, &o->durable.incarnation);
    if (age < 0) // the log goes beyond it
        return chain->next_seq;
    return age > 0 ? 0 : o->durable.next_seq;
}

static enum weft_err compare(struct wf_home_product *p, const struct wf_ended *chain)
{
    struct wf_missing m = { .chain = *chain, .from_seq = held(p, chain) };

    if (m.from_seq >= chain->next_seq || p->missing_count == WF_MAX_RESET_LOST)
        return WEFT_OK;
    if (!p->missing) {
        p->missing = calloc(WF_MAX_RESET_LOST, sizeof *p->missing);
        if (!p->missing)
            return WEFT_E_NOMEM;
    }
    p->missing[p->missing_count++] = m;
    return WEFT_OK;
}

static enum weft_err compare_origin(
    struct wf_home_product *p, const struct wf_past *k, const struct wf_origin *o)
{
    struct wf_ended last = { o->key, o->durable.incarnation, o->durable.next_seq, o->last_ms,
        o->cert };
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < k->ended_count && !err; i++)
        if (memcmp(k->ended[i].key.b, o->key.b, WF_KEY_LEN) == 0)
            err = compare(p, &k->ended[i]);
    return err ? err : compare(p, &last);
}

// Its mark says what the log has, so that it can give again what it still has; but it may go on behind what was acknowledged to it
// (doubt_publishers).
static enum weft_err keep_publisher(struct wf_home_product *p, const struct wf_publisher *was)
{
    struct wf_publisher *u = NULL;
    enum weft_err err = wf_publisher_need(p, was->id, was->used_ms, &u);

    if (!err)
        u->had = was->durable;
    return err;
}

enum weft_err wf_past_compare(struct wf_home_product *p, const struct wf_past *k)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < k->origin_count && !err; i++)
        err = compare_origin(p, k, &k->origins[i]);
    for (size_t i = 0; i < k->publisher_count && !err; i++)
        err = keep_publisher(p, &k->publishers[i]);
    return err;
}

// ---- said by the next log ----------------------------------------------------------------------------------------------

// Whose key it is: by the certificate that its last batch cited, else the key itself.
static void name_of(struct wf_node *n, const struct wf_ended *chain, char out[WF_MAX_NAME + 1])
{
    struct wf_cert who;
    struct wf_arena arena;
    struct wf_bytes doc, certs[WF_MAX_CHAIN];
    size_t count = 0;
    char key[2 * 8 + 1];

    if (memcmp(chain->key.b, n->keys.sign_pub.b, WF_KEY_LEN) == 0) {
        snprintf(out, WF_MAX_NAME + 1, "%s", n->identity.cert.subject.s);
        return;
    }
    wf_arena_init(&arena, WF_MAX_CERT * WF_MAX_CHAIN + 1024);
    enum weft_err err = wf_documents_get(n, &chain->cert, &arena, &doc);
    if (!err)
        err = wf_chain_split(
            doc, certs, &count); // judged when it was kept; it may have expired since
    if (!err)
        err = wf_cert_open(certs[0], &who);
    if (!err) {
        snprintf(out, WF_MAX_NAME + 1, "%s", who.subject.s);
    } else {
        wf_hex_put(wf_bytes(chain->key.b, 8), key);
        snprintf(out, WF_MAX_NAME + 1, "key-%s", key);
    }
    wf_arena_fini(&arena);
}

enum weft_err wf_missing_pack(struct wf_home_product *p, struct wf_buf *out)
{
    struct wf_lost last = { 0 };
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < p->missing_count && !err; i++) {
        const struct wf_missing *m = &p->missing[i];
        struct wf_lost l = { .origin = m->chain.key,
            .incarnation = m->chain.incarnation,
            .from_seq = m->from_seq,
            .to_seq = m->chain.next_seq };
        name_of(p->room->node, &m->chain, l.subject);
        err = wf_lost_put(out, &l, i ? &last : NULL);
        last = l;
    }
    return err;
}

void wf_missing_said(struct wf_home_product *p)
{
    uint64_t records = 0;
    char alarm[16 + WF_MAX_NAME], text[200];

    if (!p->missing_count)
        return;
    for (size_t i = 0; i < p->missing_count; i++)
        records += p->missing[i].chain.next_seq - p->missing[i].from_seq;
    snprintf(text, sizeof text,
        "%s: its log had lost %llu records of %zu origins that were acknowledged; readers are told "
        "which",
        p->collect->product.name, (unsigned long long)records, p->missing_count);
    snprintf(alarm, sizeof alarm, "lost-%s", p->collect->product.name);
    wf_alarm(p->room->node, alarm, text);
    wf_ends_forget(p);
    // The old checkpoint must not be taken for one of this log once that is longer.
    if (wf_home_checkpoint(p))
        wf_say(p->room->node, WF_LOG_WARN, "stream", "a checkpoint could not be written", "product",
            p->collect->product.name, NULL);
}

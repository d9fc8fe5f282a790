// SPDX-License-Identifier: Apache-2.0
// A home is lost, and what it had: mirrors hold its entries, sealed, and know whose they are. Each is asked where the chains end, a part of its log
// at a time; what the log here lacks of that is told to readers by origin and numbers. A mirror that does not answer is passed over: nobody waits.
#include <stdio.h>

#include "node/documents.h"
#include "node/gossip/room.h"
#include "node/stream/ends.h"
#include "node/stream/takeover.h"

#define PARTS_MAX 65536u // of one mirror: more is no log

static struct wf_node *node_of(const struct wf_takeover *t)
{
    return t->m->room->node;
}

static bool mirrors_it(const struct wf_takeover *t, const struct wf_known *k)
{
    char name[2 * WF_MAX_NAME + 2];

    if (k->kind != WF_ENTRY_NODE || k->removed || k->poisoned || !k->doc ||
        memcmp(k->doc->signer.b, node_of(t)->keys.sign_pub.b, WF_KEY_LEN) == 0)
        return false;
    snprintf(name, sizeof name, "%s/%s", t->m->order.domain.s, t->m->order.product.s);
    for (size_t i = 0; i < k->doc->node.mirror_count; i++)
        if (strcmp(k->doc->node.mirrors[i], name) == 0)
            return true;
    return false;
}

static const struct wf_known *mirror_at(const struct wf_takeover *t, size_t at)
{
    struct wf_catalog *c = wf_gossip_catalog(node_of(t));

    for (const struct wf_known *k = wf_catalog_next(c, NULL); k; k = wf_catalog_next(c, k))
        if (mirrors_it(t, k) && at-- == 0)
            return k;
    return NULL;
}

static void next_mirror(struct wf_takeover *t)
{
    t->mirror_from = 0;
    t->mirror_parts = 0;
    t->names_left = SIZE_MAX;
    t->mirror_at++;
    wf_takeover_go_on(t);
}

static enum weft_err take_part(
    struct wf_takeover *t, const Weft__V1__HandoverProduct *m, bool *ret_last)
{
    struct wf_hash id;
    enum weft_err err = wf_hash_from(wf_pb_view(m->product_id), &id);

    if (!err && !t->ends) {
        err = wf_ends_new(&t->ends);
        t->ends_of = id;
    }
    if (!err && !wf_hash_eq(&t->ends_of, &id))
        err = WEFT_E_PRODUCT; // another major
    if (!err)
        err = wf_ends_merge(t->ends, wf_pb_view(m->marks));
    *ret_last = m->floor >= m->head || m->floor <= t->mirror_from || ++t->mirror_parts > PARTS_MAX;
    t->mirror_from = m->floor;
    return err;
}

// All were asked. On the disk before the claim: a start behind it asks nobody again.
static void finish(struct wf_takeover *t)
{
    struct wf_home_product *p = t->ends ? t->m->room->products : NULL;
    enum weft_err err = WEFT_OK;

    while (p && !(p->incoming && wf_hash_eq(&p->collect->product.id, &t->ends_of)))
        p = p->next;
    if (p)
        err = wf_ends_compare(t->ends, p);
    if (p && !err && p->missing_count)
        err = wf_ends_keep(p);
    if (err) {
        wf_takeover_fail(t, err, "what mirrors know to be lost can't be kept here", NULL);
        return; // once more: it was measured, and is so again
    }
    wf_ends_free(t->ends);
    t->ends = NULL;
    t->step = WF_TAKE_CLAIM;
    wf_takeover_go_on(t);
}

// ---- whose keys they are -----------------------------------------------------------------------------------------------

static bool is_here(struct wf_takeover *t, const struct wf_hash *hash)
{
    struct wf_arena arena;
    struct wf_bytes content;

    wf_arena_init(&arena, 2 * WF_MAX_ENVELOPE);
    bool here = wf_documents_get(node_of(t), hash, &arena, &content) == WEFT_OK;
    wf_arena_fini(&arena);
    return here;
}

static size_t missing_names(struct wf_takeover *t, struct wf_hash *out)
{
    struct wf_hash hash;
    size_t count = 0;

    for (size_t i = 0; count < WF_MAX_GET && wf_ends_certificate(t->ends, i, &hash); i++)
        if (!is_here(t, &hash))
            out[count++] = hash;
    return count;
}

static void ask_names(struct wf_takeover *t);

static void on_names(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = wf_takeover_answered(arg);

    if (!t)
        return;
    for (size_t i = 0; !err && i < reply->get->n_documents; i++)
        wf_takeover_take_document(t, wf_pb_view(reply->get->documents[i]->content));
    if (!err && reply->get->n_documents)
        ask_names(t);
    else
        next_mirror(t); // whom it can't name is told by the key
}

// The mirror's documents for people: who it was that said what is lost.
static void ask_names(struct wf_takeover *t)
{
    struct wf_hash missing[WF_MAX_GET];
    const struct wf_known *k = mirror_at(t, t->mirror_at);
    size_t count = k ? missing_names(t, missing) : 0;

    bool fewer = count < t->names_left; // else it gives what nobody asked for
    t->names_left = count;
    if (count == 0 || !fewer || wf_takeover_get_at(t, k, missing, count, on_names))
        next_mirror(t);
}

// ---- a mirror ------------------------------------------------------------------------------------------------------------

static void on_ends(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_takeover *t = wf_takeover_answered(arg);
    bool last = false;

    if (!t)
        return;
    if (!err && reply->handover->n_products != 1)
        err = WEFT_E_PROTOCOL;
    if (!err)
        err = take_part(t, reply->handover->products[0], &last);
    if (err)
        wf_say(node_of(t), WF_LOG_WARN, "stream",
            "a mirror of a lost home could not be asked what is lost", "product",
            t->m->order.product.s, "why", weft_err_text(err), NULL);
    if (err)
        next_mirror(t);
    else if (last)
        ask_names(t);
    else
        wf_takeover_go_on(t);
}

void wf_takeover_mirrors(struct wf_takeover *t)
{
    const struct wf_known *k = mirror_at(t, t->mirror_at);
    Weft__V1__RangeRequest range = WEFT__V1__RANGE_REQUEST__INIT;
    Weft__V1__HandoverRequest h = WEFT__V1__HANDOVER_REQUEST__INIT;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;

    if (!k) {
        finish(t);
        return;
    }
    range.from = t->mirror_from;
    h.order = wf_pb_bin(wf_buf_view(&t->m->raw));
    h.step = WEFT__V1__HANDOVER_REQUEST__STEP__STEP_ENDS;
    h.range = &range;
    q.kind_case = WEFT__V1__REQUEST__KIND_HANDOVER;
    q.handover = &h;
    if (wf_takeover_ask_at(t, k->domain.s, k->name.s, &q, on_ends))
        next_mirror(t);
}

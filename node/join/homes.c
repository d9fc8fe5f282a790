// SPDX-License-Identifier: Apache-2.0
// HOME: which node of the domain a product lives on. Only the issuer's node says so; the domain's other nodes ask it for theirs. The first
// that asks gets the product; from then on it is that node's until its home document has run out or a document of a higher term is there. What the
// nodes' products are is kept here as well (kept.c), for the machine that takes a node's place.
#include "node/access/room.h"
#include "node/gossip/room.h"
#include "node/join/priv.h"
#include "node/restored.h"
#include "node/signer/signer.h"

enum weft_err wf_join_sign_at(
    struct wf_node *n, const char *product, const char *node, uint64_t term, uint64_t after)
{
    uint64_t now = (uint64_t)wf_node_now_unix_ms(n);
    struct wf_buf raw = { 0 };
    struct wf_home_fields f = { .mesh_id = n->mesh_id,
        .domain = n->identity.cert.domain.s,
        .product = product,
        .node = node,
        .term = term,
        // Sequences rise, also after the clock stepped back.
        .sequence = after >= now ? after + 1 : now,
        .expires_ms = (int64_t)now + WF_HOME_LIFE_MS };
    enum weft_err err = wf_signer_cert(n, &f.issuer_cert);

    if (!err)
        err = wf_signer_home(n, &f, &raw);
    if (!err)
        err = wf_gossip_advertise(n, WF_ENTRY_HOME, wf_buf_view(&raw));
    wf_buf_fini(&raw);
    return err;
}

enum weft_err wf_join_sign_home(
    struct wf_node *n, const char *product, const char *node, uint64_t *ret_term)
{
    const struct wf_known *known =
        wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_HOME, n->identity.cert.domain.s, product);
    uint64_t term = known ? known->term : 1;

    if (known && (!known->doc || strcmp(known->doc->home.node.s, node) != 0))
        return WEFT_E_NOT_HOME;
    enum weft_err err = wf_join_sign_at(n, product, node, term, known ? known->sequence : 0);
    if (!err)
        *ret_term = term;
    return err;
}

static const struct wf_known *home_of(
    struct wf_node *n, const struct wf_known *after, const char *node)
{
    struct wf_catalog *c = wf_gossip_catalog(n);
    const struct wf_known *k = wf_catalog_next(c, after);

    while (k && !(k->kind == WF_ENTRY_HOME && k->doc &&
                    wf_name_eq(&k->domain, &n->identity.cert.domain) &&
                    strcmp(k->doc->home.node.s, node) == 0))
        k = wf_catalog_next(c, k);
    return k;
}

// One after the other, found anew each time: learning a document moves the entries.
void wf_join_rehome(struct wf_node *n, const char *node)
{
    struct wf_name done = { 0 };

    for (const struct wf_known *k = home_of(n, NULL, node); k;) {
        if (strcmp(k->name.s, done.s) <= 0 && done.s[0]) {
            k = home_of(n, k, node);
            continue;
        }
        done = k->name;
        enum weft_err err = wf_join_sign_at(n, done.s, node, k->term + 1, k->sequence);
        if (err)
            wf_say(n, WF_LOG_ERROR, "join", "a replaced node's product keeps its old home document",
                "product", done.s, "why", weft_err_text(err), NULL);
        k = home_of(n, NULL, node);
    }
}

// ---- another node asks -----------------------------------------------------------------------------------------------

static enum weft_err may_ask(struct wf_node *n, const struct wf_call *c)
{
    const struct wf_cert *cert = &c->caller->identity.cert;
    const char *product = c->request->home->product;

    if (!wf_signer_here(n))
        return WEFT_E_NOT_OWNER;
    if (wf_restored_waits(n))
        return WEFT_E_BUSY;
    if (cert->kind != WF_ID_NODE)
        return WEFT_E_KIND;
    if (c->request->home->wants_manifests)
        return WEFT_OK;
    if (!wf_name_is_valid(wf_bytes_str(product)))
        return WEFT_E_NAME;
    if (!wf_cert_may_publish(cert, product))
        return WEFT_E_PRODUCT;
    return wf_access_origin_revoked(n, &cert->sign_key, wf_node_now_unix_ms(n)) ? WEFT_E_REVOKED
                                                                                : WEFT_OK;
}

static void refuse(struct wf_node *n, struct wf_call *c, enum weft_err err)
{
    const char *product = c->request->home->product, *domain = n->identity.cert.domain.s;
    struct wf_catalog *catalog = wf_gossip_catalog(n);
    const struct wf_known *node = NULL;

    if (err == WEFT_E_NOT_HOME && !wf_catalog_home_node(catalog, domain, product, &node))
        wf_gossip_refuse_home(c, node, product);
    else
        wf_call_refuse(c, err, "home: %s", weft_err_text(err));
}

static enum weft_err say_home(struct wf_node *n, struct wf_call *c, Weft__V1__HomeReply *r)
{
    const char *product = c->request->home->product;
    struct wf_bytes raw = { 0 };
    const char *asker = c->caller->identity.cert.subject.s;
    bool moved = c->request->home->moved;
    enum weft_err err = moved ? wf_join_sign_moved(n, product, asker, &r->term)
                              : wf_join_sign_home(n, product, asker, &r->term);

    if (err)
        return err;
    const struct wf_known *k =
        wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_HOME, n->identity.cert.domain.s, product);
    err = k ? wf_arena_dup(c->arena, k->raw, &raw) : WEFT_E_QUOTA;
    r->home = wf_pb_bin(raw);
    if (!err && !moved)
        wf_join_keep(n, c);
    return err;
}

static void answer(struct wf_node *n, struct wf_call *c, Weft__V1__HomeReply *r, enum weft_err err)
{
    const Weft__V1__HomeRequest *q = c->request->home;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;

    if (err) {
        refuse(n, c, err);
        return;
    }
    (void)wf_access_audit(n, c->caller,
        q->wants_manifests ? "manifests"
        : q->moved         ? "moved"
                           : "home",
        q->product, WEFT_OK, NULL);
    reply.kind_case = WEFT__V1__REPLY__KIND_HOME;
    reply.home = r;
    wf_call_reply(c, &reply);
}

// ---- together --------------------------------------------------------------------------------------------------------
// A node asks for all its products at once, and each answer waits for the disk: those of a turn are signed and kept together, in one commit, and
// answered behind it.

static void on_gone(struct wf_call *c, void *arg)
{
    struct wf_join_room_state *s = arg;

    for (size_t i = 0; i < s->asked_count; i++)
        if (s->asked[i] == c)
            s->asked[i] = NULL;
}

static void answer_all(struct wf_join_room_state *s)
{
    struct {
        Weft__V1__HomeReply reply;
        enum weft_err err;
    } say[WF_HOMES_ASKED];
    struct wf_node *n = s->node;
    size_t count = s->asked_count;

    if (count == 0)
        return;
    wf_gossip_hold(n);
    for (size_t i = 0; i < count; i++) {
        weft__v1__home_reply__init(&say[i].reply);
        if (s->asked[i])
            say[i].err = say_home(n, s->asked[i], &say[i].reply);
    }
    enum weft_err err = wf_gossip_release(n);
    for (size_t i = 0; i < count; i++) {
        struct wf_call *c = s->asked[i];
        if (!c)
            continue;
        c->on_gone = NULL;
        answer(n, c, &say[i].reply, say[i].err ? say[i].err : err);
    }
    s->asked_count = 0; // until here a caller that goes leaves its place
}

static void turn_ends(struct wf_timer *t)
{
    answer_all((struct wf_join_room_state *)(void *)((char *)t -
                                                     offsetof(struct wf_join_room_state, homes)));
}

static void ask_later(struct wf_join_room_state *s, struct wf_call *c)
{
    c->on_gone = on_gone;
    c->gone_arg = s;
    s->asked[s->asked_count++] = c;
    if (s->asked_count == WF_HOMES_ASKED || wf_timer_set(s->node->loop, &s->homes, 0))
        answer_all(s);
}

void wf_join_homes_open(struct wf_node *n)
{
    n->join->node = n;
    n->join->homes.fire = turn_ends;
}

void wf_join_homes_close(struct wf_node *n)
{
    struct wf_join_room_state *s = n->join;

    wf_timer_cancel(n->loop, &s->homes);
    for (size_t i = 0; i < s->asked_count; i++) {
        if (!s->asked[i])
            continue;
        s->asked[i]->on_gone = NULL;
        wf_call_refuse(s->asked[i], WEFT_E_CLOSED, "home: %s", weft_err_text(WEFT_E_CLOSED));
    }
}

void wf_home_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__HomeRequest *q = c->request->home;
    Weft__V1__HomeReply r = WEFT__V1__HOME_REPLY__INIT;
    enum weft_err err = may_ask(n, c);

    if (!err && !q->wants_manifests && !q->moved) {
        ask_later(n->join, c);
        return;
    }
    if (!err)
        err = q->wants_manifests ? wf_join_kept(n, c, &r) : say_home(n, c, &r);
    answer(n, c, &r, err);
}

// SPDX-License-Identifier: Apache-2.0
// A mirror's side towards readers: leases without keys, sealed entries by range and pull, the home's newest word. Who may have even the
// sealed form is decided as the owner would: token, owner's chain, owner's revocation list. Read on the loop thread, at most 256 KiB a reply.
#include <stdlib.h>

#include "node/access/room.h"
#include "node/conf.h"
#include "node/gossip/room.h"
#include "node/mirror/priv.h"
#include "node/stream/room.h"
#include "node/stream/slice.h"

// ---- who may ---------------------------------------------------------------------------------------------------------

static struct wf_mirror *find(struct wf_mirror_room *r, const char *domain, const char *product)
{
    for (struct wf_mirror *m = r ? r->mirrors : NULL; m; m = m->next)
        if (strcmp(m->domain.s, domain) == 0 && strcmp(m->product.s, product) == 0)
            return m;
    return NULL;
}

// Its owner's token for this node is good as far as this node knows.
static enum weft_err may_serve(const struct wf_mirror *m)
{
    if (m->refused)
        return m->refused;
    if (!m->known || !m->has_beat || !m->token.len || wf_incarnation_is_none(&m->head.log_id))
        return WEFT_E_BUSY;
    return m->token_expires_ms <= wf_node_now_unix_ms(m->room->node) ? WEFT_E_EXPIRED : WEFT_OK;
}

// subscribe, else replay: as at the home; else mirror: another mirror, while the home is away.
static enum weft_err decide(const struct wf_mirror *m, const struct wf_token *t,
    const struct wf_sign_pub *who, struct wf_decision *ret)
{
    static const enum wf_verb verbs[] = { WF_VERB_SUBSCRIBE, WF_VERB_REPLAY, WF_VERB_MIRROR };
    struct wf_node *n = m->room->node;
    struct wf_access asked = { .mesh_id = &n->mesh_id,
        .domain = m->domain.s,
        .product = m->product.s,
        .who = *who,
        .region = wf_access_region(n) };
    const struct wf_revocations *list = wf_gossip_revocations(n, m->domain.s);
    enum weft_err err = WEFT_E_VERB;

    for (size_t i = 0; i < WF_COUNT(verbs) && err == WEFT_E_VERB; i++) {
        asked.verb = verbs[i];
        err = wf_token_decide(t, &asked, list, wf_node_now_unix_ms(n), ret);
    }
    return err;
}

static void refuse(struct wf_mirror *m, struct wf_call *c, enum weft_err err, const char *why)
{
    m->count.denied++;
    wf_access_audit(m->room->node, c->caller, "mirror", m->name, err, NULL);
    wf_call_refuse(c, err, "%s, at its mirror: %s", m->name, why);
}

// ---- leases ----------------------------------------------------------------------------------------------------------

static struct wf_mirror_lease *lease_find(
    struct wf_mirror_room *r, struct wf_bytes id, const struct wf_caller *who)
{
    for (struct wf_mirror_lease *l = r ? r->leases : NULL; l; l = l->next)
        if (id.len == WF_LEASE_ID_LEN && wf_equal_ct(WF_BYTES(l->id), id))
            return !who->local && l->expires_unix_ms > wf_node_now_unix_ms(r->node) &&
                           memcmp(l->holder.b, who->identity.cert.sign_key.b, WF_KEY_LEN) == 0
                       ? l
                       : NULL;
    return NULL;
}

static void lease_end(struct wf_mirror_room *r, struct wf_mirror_lease *l)
{
    struct wf_mirror_lease **at = &r->leases;

    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    r->lease_count--;
    wf_buf_fini(&l->token);
    free(l);
}

static enum weft_err lease_new(
    struct wf_mirror *m, struct wf_call *c, const struct wf_token *t, struct wf_mirror_lease **ret)
{
    struct wf_mirror_room *r = m->room;
    struct wf_node *n = r->node;
    const struct wf_sign_pub *who = &c->caller->identity.cert.sign_key;
    size_t of_key = 0;

    for (const struct wf_mirror_lease *l = r->leases; l; l = l->next)
        of_key += memcmp(l->holder.b, who->b, WF_KEY_LEN) == 0;
    if (r->lease_count >= WF_MIRROR_LEASES || of_key >= WF_MIRROR_PER_KEY)
        return WEFT_E_BUSY;
    struct wf_mirror_lease *l = calloc(1, sizeof *l);
    if (!l)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_bytes_dup(wf_buf_view(&t->raw), &l->token);
    if (err) {
        free(l);
        return err;
    }
    wf_random(l->id, sizeof l->id);
    l->m = m;
    l->holder = *who;
    l->expires_unix_ms = wf_node_now_unix_ms(n) + (int64_t)n->conf->lease_ms;
    if (wf_token_expires_ms(t) < l->expires_unix_ms)
        l->expires_unix_ms = wf_token_expires_ms(t);
    l->next = r->leases;
    r->leases = l;
    r->lease_count++;
    *ret = l;
    return WEFT_OK;
}

static void answer_lease(struct wf_call *c, const struct wf_mirror_lease *l)
{
    const struct wf_mirror *m = l->m;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__LeaseReply r = WEFT__V1__LEASE_REPLY__INIT;

    r.lease_id = wf_pb_bin(WF_BYTES(l->id));
    r.heartbeat = wf_pb_bin(wf_buf_view(&m->beat));
    r.expires_ms = l->expires_unix_ms;
    r.product_id = wf_pb_bin(wf_hash_view(&m->stored_id));
    r.term = m->said.term;
    r.home_key = wf_pb_bin(WF_BYTES(m->said.signer.b));
    reply.kind_case = WEFT__V1__REPLY__KIND_LEASE;
    reply.lease = &r;
    wf_call_reply(c, &reply);
}

static void lease_at_mirror(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__LeaseRequest *q = c->request->lease;
    struct wf_mirror *m = find(n->mirror, q->domain, q->product);
    struct wf_mirror_lease *l = NULL;
    const struct wf_token *t = NULL;
    struct wf_decision d = { .err = WEFT_OK };
    struct wf_diag diag = { 0 };

    if (!m || c->caller->local) {
        wf_call_refuse(c, WEFT_E_NOT_FOUND, "%s/%s is not mirrored here%s", q->domain, q->product,
            m ? " for local users; they have no key to it" : "");
        return;
    }
    enum weft_err err = may_serve(m);
    if (err) {
        refuse(m, c, err == WEFT_E_BUSY ? err : WEFT_E_NO_HOME,
            err == WEFT_E_BUSY ? "nothing is here yet" : "its owner ended the mirror");
        return;
    }
    err = wf_call_token(c, q->token, q->token_id, &t, &diag);
    if (!err)
        err = decide(m, t, &c->caller->identity.cert.sign_key, &d);
    if (err) {
        refuse(m, c, err, diag.text[0] ? diag.text : weft_err_text(err));
        return;
    }
    err = lease_new(m, c, t, &l);
    if (err) {
        wf_call_refuse(c, err, "no lease: %s", weft_err_text(err));
        return;
    }
    wf_access_audit(n, c->caller, "mirror", m->name, WEFT_OK, &wf_token_last(t)->id);
    answer_lease(c, l);
}

void wf_mirror_lease_handle(struct wf_node *n, struct wf_call *c)
{
    if (c->request->lease->purpose == WEFT__V1__LEASE_REQUEST__PURPOSE__PURPOSE_AT_MIRROR)
        lease_at_mirror(n, c);
    else
        wf_lease_handle(n, c);
}

// ---- what there is -----------------------------------------------------------------------------------------------------

static enum weft_err log_of_reset(struct wf_bytes body, struct wf_incarnation *ret)
{
    struct wf_sealed_entry e;
    enum weft_err err = wf_sealed_entry_parse(body, &e);

    if (!err)
        *ret = e.entry.log_id;
    return err;
}

static enum weft_err place(
    const struct wf_mirror *m, const Weft__V1__RangeRequest *q, struct wf_place *ret)
{
    struct wf_place at = { .from = q->from };
    enum weft_err err = WEFT_OK;

    switch (q->start) {
    case WEFT__V1__RANGE_REQUEST__START__START_OFFSET:
        break;
    case WEFT__V1__RANGE_REQUEST__START__START_EARLIEST:
        at.from = wf_mirror_floor(m);
        break;
    case WEFT__V1__RANGE_REQUEST__START__START_LATEST:
        at.from = m->head.next_offset;
        break;
    case WEFT__V1__RANGE_REQUEST__START__START_TIME:
        err = wf_log_find_time(m->log, &m->log_key, q->time_ms, &m->room->scratch, &at.from);
        break;
    default:
        err = WEFT_E_RANGE;
        break;
    }
    if (q->log_id)
        at.after = (struct wf_incarnation){ q->log_id->counter, q->log_id->random };
    if (!err)
        *ret = at;
    return err;
}

static void refuse_place(struct wf_call *c, const struct wf_mirror *m, enum weft_err err)
{
    wf_call_refuse(c, err == WEFT_E_NOT_FOUND ? WEFT_E_RANGE : err, "%s, at its mirror: %s",
        m->name,
        err == WEFT_E_RANGE ? "the position lies beyond what is here" : weft_err_text(err));
}

static void answer(struct wf_call *c, struct wf_mirror *m, const struct wf_slice *s)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__RangeReply out = WEFT__V1__RANGE_REPLY__INIT;

    wf_slice_reply(s, &out);
    out.heartbeat = wf_pb_bin(wf_buf_view(&m->beat));
    m->count.served += s->entry_count;
    reply.kind_case = WEFT__V1__REPLY__KIND_RANGE;
    reply.range = &out;
    wf_call_reply(c, &reply);
}

// Answers with what there is from there on. False: nothing yet, and nobody was answered.
static bool serve(struct wf_call *c, const struct wf_mirror_lease *l,
    const Weft__V1__RangeRequest *q, const struct wf_place *at, bool even_nothing)
{
    struct wf_mirror *m = l->m;
    size_t max = q->max_bytes && q->max_bytes < WF_MIRROR_BYTES ? q->max_bytes : WF_MIRROR_BYTES;
    struct wf_slice s = { .log = m->log,
        .product = m->log_key,
        .head = m->head.next_offset,
        .from = at->from,
        .to = q->to,
        .after = at->after,
        .max_bytes = max,
        .log_of_reset = log_of_reset,
        .scratch = &m->room->scratch,
        .arena = c->arena };
    enum weft_err err = may_serve(m);

    if (!err && at->from > s.head) // a mirror that began anew may have less than when a pull came
        err = WEFT_E_RANGE;
    if (!err)
        err = wf_slice_read(&s);
    if (err) {
        refuse_place(c, m, err);
        return true;
    }
    if (!s.entry_count && !s.loss_count && !even_nothing)
        return false;
    answer(c, m, &s);
    return true;
}

void wf_mirror_range_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__RangeRequest *q = c->request->range;
    struct wf_mirror_lease *l = lease_find(n->mirror, wf_pb_view(q->lease_id), c->caller);
    struct wf_place at;

    if (!l) {
        wf_range_handle(n, c);
        return;
    }
    enum weft_err err = place(l->m, q, &at);
    if (err)
        refuse_place(c, l->m, err);
    else
        (void)serve(c, l, q, &at, true);
}

// ---- pull ------------------------------------------------------------------------------------------------------------

void wf_mirror_pull_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__PullRequest *q = c->request->pull;
    struct wf_mirror_lease *l =
        q->range ? lease_find(n->mirror, wf_pb_view(q->range->lease_id), c->caller) : NULL;
    bool waits = q->wait_ms > 0 && !n->draining;

    if (!l) {
        wf_pull_handle(n, c);
        return;
    }
    struct wf_parked w = { .call = c, .product = l->m };
    enum weft_err err = place(l->m, q->range, &w.place);
    if (err) {
        refuse_place(c, l->m, err);
        return;
    }
    memcpy(w.lease_id, l->id, sizeof w.lease_id);
    if (!serve(c, l, q->range, &w.place, !waits) && !wf_park(&n->mirror->pulls, &w))
        (void)serve(c, l, q->range, &w.place, true);
}

static struct wf_mirror_lease *lease_of(const struct wf_parked *w)
{
    return lease_find(w->set->node->mirror, WF_BYTES(w->lease_id), w->call->caller);
}

static bool has_lease(const struct wf_parked *w)
{
    return lease_of(w) != NULL;
}

static void answer_parked(const struct wf_parked *w)
{
    struct wf_mirror_lease *l = lease_of(w);

    if (l)
        (void)serve(w->call, l, w->call->request->pull->range, &w->place, true);
    else
        wf_call_refuse(w->call, WEFT_E_LEASE, "the lease has ended; ask for a new one");
}

void wf_mirror_serve_init(struct wf_mirror_room *r)
{
    r->pulls = (struct wf_parked_set){
        .node = r->node, .has_lease = has_lease, .answer = answer_parked, .max = WF_MIRROR_PULLS
    };
}

void wf_mirror_wake(struct wf_mirror *m)
{
    wf_parked_wake(&m->room->pulls, m);
}

void wf_mirror_serve_tick(struct wf_mirror_room *r)
{
    int64_t now = wf_node_now_unix_ms(r->node);

    for (struct wf_mirror_lease *l = r->leases, *next; l; l = next) {
        next = l->next;
        if (l->expires_unix_ms <= now)
            lease_end(r, l);
    }
    wf_parked_tick(&r->pulls);
}

void wf_mirror_serve_end(struct wf_mirror_room *r)
{
    wf_parked_end(&r->pulls, NULL);
    while (r->leases)
        lease_end(r, r->leases);
}

void wf_mirror_serve_end_of(struct wf_mirror *m)
{
    struct wf_mirror_room *r = m->room;

    for (struct wf_mirror_lease *l = r->leases, *next; l; l = next) {
        next = l->next;
        if (l->m == m)
            lease_end(r, l);
    }
    wf_parked_end(&r->pulls, m);
}

// ---- revocation ------------------------------------------------------------------------------------------------------

static bool still_granted(const struct wf_mirror_lease *l)
{
    struct wf_token *t = NULL;
    struct wf_decision d;
    enum weft_err err = wf_token_open(wf_buf_view(&l->token), &t, NULL);

    if (!err)
        err = decide(l->m, t, &l->holder, &d);
    wf_token_free(t);
    return !err;
}

void wf_mirror_list_changed(struct wf_node *n, const char *domain)
{
    struct wf_mirror_room *r = n->mirror;

    if (!r)
        return;
    for (struct wf_mirror_lease *l = r->leases, *next; l; l = next) {
        next = l->next;
        if (strcmp(l->m->domain.s, domain) == 0 && !still_granted(l))
            lease_end(r, l);
    }
    for (struct wf_mirror *m = r->mirrors; m; m = m->next)
        if (strcmp(m->domain.s, domain) == 0)
            wf_mirror_recheck(m);
    wf_mirror_serve_tick(r);
}

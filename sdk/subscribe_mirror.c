// SPDX-License-Identifier: Apache-2.0
// Reading from a mirror while the home is away and its lease lives. A mirror has no key and is believed in nothing: what it gives is
// verified like everything else, its order is unsure until the home's signed word, which it forwards, confirms it, and it can't tell a
// loss. One that lies, or has less, is named and left. Loop thread only.
#include <stdio.h>
#include <stdlib.h>

#include "proto/stream/sealed.h"
#include "sdk/subscribe_int.h"

#define LEFT      16u
#define LIED_MS   3600000 // a liar is not asked again for so long
#define MISSED_MS 10000   // nor one that does not answer or has less
#define KEYS_MAX  1024u
#define ASK_MS    5000

// Both may be honest: one of them has not heard yet that the product moved.
static const char other_home[] = "its word is of another home than the one that is known here";

struct left {
    struct wf_dh_pub who;
    int64_t until_ms;
};

struct wf_sub_mirror {
    struct weft_subscription *s;
    struct wf_link *link; // of the one in turn
    struct wf_dh_pub who;
    char name[2 * WF_MAX_NAME + 2];
    uint8_t lease_id[16];
    bool asking, active;
    unsigned turn;
    struct wf_sign_pub said_by;
    int64_t said_ms; // of its newest heartbeat, the home's clock
    struct left left[LEFT];
    size_t next_left;
    // keys of entries to be read, in order of epochs
    struct wf_secret keys;
    uint64_t epochs[KEYS_MAX];
    size_t key_count;
};

static struct wf_sub_mirror *mirror_of(struct weft_subscription *s)
{
    if (!s->mirror) {
        s->mirror = calloc(1, sizeof *s->mirror);
        if (s->mirror)
            s->mirror->s = s;
    }
    return s->mirror;
}

bool wf_sub_mirror_active(const struct weft_subscription *s)
{
    return s->mirror && s->mirror->active;
}

bool wf_sub_mirror_is_turn(const struct weft_subscription *s, unsigned turn)
{
    return wf_sub_mirror_active(s) && s->mirror->turn == turn;
}

void wf_sub_mirror_fini(struct weft_subscription *s)
{
    if (s->mirror)
        wf_secret_fini(&s->mirror->keys);
    free(s->mirror);
    s->mirror = NULL;
}

// ---- which one -------------------------------------------------------------------------------------------------------

static bool was_left(const struct wf_sub_mirror *m, const struct wf_dh_pub *who)
{
    for (size_t i = 0; i < LEFT; i++)
        if (m->left[i].until_ms > wf_sub_now(m->s) &&
            memcmp(m->left[i].who.b, who->b, WF_KEY_LEN) == 0)
            return true;
    return false;
}

// The next node of the catalog that says it mirrors the product, by its own advert.
static const struct wf_entry_doc *candidate(const struct weft_subscription *s)
{
    const struct wf_seen_list *list = &s->c->catalog;

    for (size_t i = 0; i < list->count; i++) {
        const struct wf_entry_doc *d = list->v[i].doc;
        if (d && !d->removed && wf_node_doc_mirrors(d, s->name) &&
            !(s->mirror && was_left(s->mirror, &d->node.dh_key)))
            return d;
    }
    return NULL;
}

// ---- leaving ---------------------------------------------------------------------------------------------------------

static void stop(struct weft_subscription *s)
{
    struct wf_repair_event down = { .kind = WF_REP_LINK_DOWN };
    bool was = s->mirror->active;

    s->mirror->active = false;
    s->mirror->turn++;
    if (was)
        wf_sub_step(s, &down); // requests on their way are of no use any more
}

void wf_sub_mirror_end(struct weft_subscription *s)
{
    if (wf_sub_mirror_active(s))
        stop(s);
}

static void leave(struct weft_subscription *s, enum weft_err err, const char *why, bool lied)
{
    struct wf_sub_mirror *m = s->mirror;
    struct weft_problem p;

    m->left[m->next_left++ % LEFT] =
        (struct left){ m->who, wf_sub_now(s) + (lied ? LIED_MS : MISSED_MS) };
    if (lied)
        wf_sub_count(s, &s->stats.verify_failures, 1);
    wf_problem_set(&p, err, "%s: mirror %s is left: %s", s->name, m->name,
        why && why[0] ? why : weft_err_text(err));
    if (lied && s->head_known && s->head_live)
        s->rewind = true; // back to what the home itself confirmed
    stop(s);
    wf_sub_state(s, WEFT_STREAM_UNREACHABLE, &p);
    wf_sub_mirror_try(s);
}

void wf_sub_mirror_missed(struct weft_subscription *s, enum weft_err err, const char *refusal)
{
    if (wf_sub_mirror_active(s))
        leave(s, err, refusal, false);
}

void wf_sub_mirror_contradicted(struct weft_subscription *s)
{
    if (s->from_mirror && wf_sub_mirror_active(s))
        leave(s, WEFT_E_ORDER, "its entries are not those that the home signed for", true);
}

// A reader that was started while its home is away has never had a key, and keeps none over its end.
void wf_sub_mirror_explain(const struct weft_subscription *s, struct weft_problem *p)
{
    const struct wf_entry_doc *d = s->options.history ? NULL : candidate(s);

    if (!d || wf_sub_now(s) < s->lease_until_ms)
        return;
    wf_problem_set(p, p->err,
        "%s: its node does not answer; mirror %s/%s holds it sealed, and the keys come from its "
        "node "
        "alone, with a lease: %s",
        s->name, d->domain.s, d->name.s,
        s->lease_until_ms ? "the last one is over"
                          : "this reader has had none since it was started");
}

// ---- beginning -------------------------------------------------------------------------------------------------------

void wf_sub_mirror_tell(struct weft_subscription *s)
{
    struct weft_problem p;

    wf_problem_set(
        &p, WEFT_OK, "%s: from mirror %s; its node does not answer", s->name, s->mirror->name);
    wf_sub_state(s, WEFT_STREAM_PULL, &p);
}

// Nothing there that is not here.
static bool is_behind(struct weft_subscription *s, const struct wf_heartbeat *beat)
{
    struct wf_incarnation log_id;
    uint64_t next;

    wf_repair_position(s->repair, &log_id, &next);
    return wf_incarnation_eq(&log_id, &beat->log_id)
               ? beat->head_offset < next
               : wf_incarnation_cmp(&beat->log_id, &log_id) < 0;
}

static void remember_word(struct wf_sub_mirror *m, const struct wf_heartbeat *beat)
{
    m->said_by = beat->signer;
    m->said_ms = beat->time_ms;
}

static void begin(struct weft_subscription *s, const struct wf_heartbeat *beat)
{
    struct wf_sub_mirror *m = s->mirror;
    struct wf_repair_event down = { .kind = WF_REP_LINK_DOWN };
    struct wf_repair_event lease = {
        .kind = WF_REP_LEASE, .heartbeat = beat, .next_beat_ms = wf_sub_next_beat(s, beat)
    };

    s->leased = false; // what the home gave is not renewed, but asked for anew
    wf_sub_step(s, &down);
    m->active = true;
    m->turn++;
    remember_word(m, beat);
    s->met_since_silent = true;
    wf_sub_step(s, &lease);
    wf_sub_acquire(s, true); // the home is tried all the time
}

static enum weft_err take_lease(
    struct weft_subscription *s, const Weft__V1__LeaseReply *r, struct wf_heartbeat *ret_beat)
{
    struct wf_hash id;

    if (!r || r->lease_id.len != sizeof s->mirror->lease_id ||
        wf_hash_from(wf_pb_view(r->product_id), &id))
        return WEFT_E_PROTOCOL;
    if (!wf_hash_eq(&id, &s->product_id))
        return WEFT_E_PRODUCT;
    enum weft_err err = wf_sub_heartbeat(s, wf_pb_view(r->heartbeat), ret_beat);
    if (!err)
        memcpy(s->mirror->lease_id, r->lease_id.data, sizeof s->mirror->lease_id);
    return err;
}

static void on_lease(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct weft_subscription *s = arg;
    struct wf_heartbeat beat;
    const char *why = err && reply && reply->refusal ? reply->refusal->text : NULL;
    bool lied = false;

    s->mirror->asking = false;
    if (s->closed || (s->leased && !s->net_down) || wf_sub_now(s) >= s->lease_until_ms)
        goto out; // the home is back, or its lease is over
    if (!err) {
        err = take_lease(s, reply->lease, &beat);
        lied = err && err != WEFT_E_PROTOCOL && err != WEFT_E_NOT_HOME;
        why = err == WEFT_E_NOT_HOME ? other_home : NULL;
    }
    if (!err && is_behind(s, &beat)) {
        err = WEFT_E_STALE;
        why = "it has less than is here already";
    }
    if (err)
        leave(s, err, why, lied);
    else
        begin(s, &beat);
out:
    wf_sub_unref(s);
}

void wf_sub_mirror_try(struct weft_subscription *s)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__LeaseRequest lease = WEFT__V1__LEASE_REQUEST__INIT;
    const struct wf_entry_doc *d = NULL;
    uint8_t key[16];

    if (s->closed || !s->started || s->options.history || !s->token.len ||
        wf_sub_now(s) >= s->lease_until_ms)
        return; // without a lease that lives there are no keys either
    if (s->options.from == WEFT_FROM_TIME && !s->time_done)
        return; // only the home says where that is
    if (s->mirror && (s->mirror->asking || s->mirror->active))
        return;
    d = candidate(s);
    struct wf_sub_mirror *m = d ? mirror_of(s) : NULL;
    if (!m || wf_client_link_to_node(s->c, d, &m->link))
        return;
    m->who = d->node.dh_key;
    snprintf(m->name, sizeof m->name, "%s/%s", d->domain.s, d->name.s);
    lease.domain = s->target.domain.s;
    lease.product = s->target.product.s;
    lease.token = wf_pb_bin(wf_buf_view(&s->token));
    lease.purpose = WEFT__V1__LEASE_REQUEST__PURPOSE__PURPOSE_AT_MIRROR;
    q.kind_case = WEFT__V1__REQUEST__KIND_LEASE;
    q.lease = &lease;
    wf_client_key(&q, key);
    m->asking = true;
    wf_sub_ref(s);
    wf_client_send(s->c, m->link, &q, ASK_MS, on_lease, s);
}

struct wf_link *wf_sub_source(
    struct weft_subscription *s, struct wf_bytes *ret_lease, unsigned *ret_turn)
{
    if (wf_sub_mirror_active(s) && wf_sub_now(s) >= s->lease_until_ms)
        leave(s, WEFT_E_LEASE, "the lease of its home is over, and with it the keys", false);
    bool active = wf_sub_mirror_active(s);
    *ret_turn = active ? s->mirror->turn : 0;
    *ret_lease = active ? WF_BYTES(s->mirror->lease_id) : WF_BYTES(s->lease_id);
    return active ? s->mirror->link : s->link;
}

// ---- keys ------------------------------------------------------------------------------------------------------------

static uint64_t still_to_read(const struct weft_subscription *s)
{
    struct wf_incarnation log_id;
    uint64_t next = 0;

    if (s->started)
        wf_repair_position(s->repair, &log_id, &next);
    else if (s->options.from == WEFT_FROM_LATEST)
        next = UINT64_MAX; // the present key is all it takes
    else if (s->options.from == WEFT_FROM_OFFSET)
        next = s->options.offset;
    return next;
}

void wf_sub_mirror_want_keys(struct weft_subscription *s, Weft__V1__LeaseRequest *q)
{
    if (s->options.history || !candidate(s))
        return;
    q->with_kept_keys = 1;
    q->keys_from = still_to_read(s);
}

static void on_catalog(void *arg, enum weft_err err, const struct weft_problem *problem)
{
    (void)err, (void)problem; // the one at hand stays
    wf_sub_unref(arg);
}

void wf_sub_mirror_take_keys(struct weft_subscription *s, const Weft__V1__LeaseReply *r)
{
    struct wf_sub_mirror *m = r->n_kept_keys ? mirror_of(s) : NULL;
    struct wf_secret keys = { 0 };
    size_t count = r->n_kept_keys < KEYS_MAX ? r->n_kept_keys : KEYS_MAX;

    if (!s->options.history && s->c->identity) { // who mirrors it is wanted when the home is gone
        wf_sub_ref(s);
        wf_client_refresh(s->c, false, on_catalog, s);
    }
    if (!m || wf_secret_new(count * WF_KEY_LEN, &keys))
        return; // those entries wait for the home
    wf_secret_fini(&m->keys);
    m->keys = keys;
    m->key_count = 0;
    for (size_t i = 0; i < count; i++) {
        const Weft__V1__EpochKey *k = r->kept_keys[i];
        if (k->key.len != WF_KEY_LEN)
            continue;
        memcpy(keys.ptr + m->key_count * WF_KEY_LEN, k->key.data, WF_KEY_LEN);
        m->epochs[m->key_count++] = k->epoch;
    }
}

// Opens the box under the key of its epoch; EPOCH when that is not at hand.
static enum weft_err open_box(
    struct weft_subscription *s, const struct wf_sealed_entry *e, struct wf_buf *out)
{
    const struct wf_sub_mirror *m = s->mirror;
    struct wf_secret none = { 0 };

    if (!e->epoch)
        return wf_sealed_entry_open(e, &s->product_id, &none, out);
    for (size_t i = 0; i < m->key_count; i++) {
        const struct wf_secret key = { m->keys.ptr + i * WF_KEY_LEN, WF_KEY_LEN };
        if (m->epochs[i] == e->epoch)
            return wf_sealed_entry_open(e, &s->product_id, &key, out);
    }
    for (size_t i = 0; i < WF_SUB_KEYS; i++)
        if (s->keys[i].epoch == e->epoch)
            return wf_sealed_entry_open(e, &s->product_id, &s->keys[i].key, out);
    return WEFT_E_EPOCH;
}

// ---- a reply ---------------------------------------------------------------------------------------------------------

struct page {
    struct weft_subscription *s;
    struct wf_sub_unit *u;
    struct wf_heartbeat beat;
    struct wf_log_head head; // where the reader stands, then each entry of the page
    bool linked;             // its hash is known
    const char *why;
    bool lied;
};

static enum weft_err lie(struct page *p, enum weft_err err, const char *why)
{
    p->lied = true;
    p->why = why;
    return err;
}

static enum weft_err take_beat(struct page *p, struct wf_bytes envelope)
{
    struct wf_sub_mirror *m = p->s->mirror;
    enum weft_err err = wf_sub_heartbeat(p->s, envelope, &p->beat);

    if (err == WEFT_E_NOT_HOME) {
        p->why = other_home;
        return err;
    }
    if (err)
        return lie(p, err, "the word that it forwards is not the home's");
    // Each home has a clock of its own.
    bool same_home = memcmp(p->beat.signer.b, m->said_by.b, WF_KEY_LEN) == 0;
    if (same_home && p->beat.time_ms < m->said_ms)
        return lie(p, WEFT_E_STALE, "it forwards an older word of the home than before");
    remember_word(m, &p->beat);
    return WEFT_OK;
}

// Without a hash to continue, a place at least: nothing may be left out before it.
static bool fits_place(const struct page *p, const struct wf_entry *e)
{
    bool any_log = wf_incarnation_is_none(&p->head.log_id);

    if (e->is_reset)
        return any_log ? e->end_offset <= p->head.next_offset
                       : wf_incarnation_eq(&e->previous_log, &p->head.log_id) &&
                             e->end_offset == p->head.next_offset;
    return (any_log || wf_incarnation_eq(&e->log_id, &p->head.log_id)) &&
           e->offset <= p->head.next_offset;
}

static enum weft_err check_place(struct page *p, const struct wf_sub_item *i)
{
    const struct wf_entry *e = &i->entry;

    if (p->linked ? wf_entry_follows(&p->head, e) != WEFT_OK : !fits_place(p, e))
        return lie(p, WEFT_E_ORDER, "an entry does not follow the one before");
    // A reset has no signature: only the home's word vouches for the log that it begins.
    if (e->is_reset && wf_incarnation_cmp(&e->log_id, &p->beat.log_id) > 0)
        return lie(p, WEFT_E_ORDER, "it begins a log that the home does not know");
    p->head.log_id = e->log_id;
    p->head.next_offset = e->offset + (e->is_reset ? 0 : i->header.count);
    wf_entry_hash(e, &p->s->product_id, e->is_reset ? NULL : &i->header.id, &p->head.hash);
    p->linked = true;
    return WEFT_OK;
}

static enum weft_err take_one(struct page *p, struct wf_bytes sealed)
{
    struct wf_sealed_entry e;
    struct wf_buf packed = { 0 };
    size_t before = p->u->item_count;
    enum weft_err err = wf_sealed_entry_parse(sealed, &e);

    if (err)
        return lie(p, err, "an entry is malformed");
    err = open_box(p->s, &e, &packed);
    if (!err)
        err = wf_sub_take_entry(p->s, p->u, wf_buf_view(&packed), &packed);
    wf_buf_fini(&packed);
    if (err == WEFT_E_EPOCH || err == WEFT_E_NOMEM)
        return err;
    if (err)
        return lie(p, err, err == WEFT_E_AEAD ? "a payload was changed" : "an entry is forged");
    if (p->u->item_count == before)
        return WEFT_OK; // delivered before
    struct wf_sub_item *i = p->u->items[before];
    i->by_mirror = true;
    if (i->code)
        return lie(p, i->code, "a payload is not the one that its origin signed");
    return check_place(p, i);
}

static void begin_page(struct page *p)
{
    struct weft_subscription *s = p->s;

    wf_repair_position(s->repair, &p->head.log_id, &p->head.next_offset);
    p->linked = s->head_known && wf_incarnation_eq(&s->head.log_id, &p->head.log_id) &&
                s->head.next_offset == p->head.next_offset;
    if (p->linked)
        p->head = s->head;
}

bool wf_sub_mirror_take(
    struct weft_subscription *s, const Weft__V1__RangeReply *r, struct wf_sub_unit *u)
{
    struct page p = { .s = s, .u = u };
    enum weft_err err = take_beat(&p, wf_pb_view(r->heartbeat));

    begin_page(&p);
    if (!err && r->n_losses) {
        err =
            WEFT_E_LOST; // to it, perhaps not to the home: nothing is lost before the home says so
        p.why = "it does not hold all that is missing here";
    }
    for (size_t i = 0; i < r->n_entries && !err; i++)
        err = take_one(&p, wf_pb_view(r->entries[i]));
    if (err == WEFT_E_EPOCH && u->item_count)
        err = WEFT_OK; // up to here; what follows waits for the home
    else if (err == WEFT_E_EPOCH)
        p.why = "no key for what follows is at hand; only the home gives it";
    if (err) {
        leave(s, err, p.why, p.lied);
        return false;
    }
    u->by_mirror = true;
    u->next_offset = p.head.next_offset; // what follows is still to come, from wherever
    u->has_beat = true;
    u->beat = p.beat;
    return true;
}

bool wf_sub_mirror_believes(struct weft_subscription *s, const struct wf_sub_unit *u)
{
    if (!wf_sub_mirror_active(s))
        return false; // it was left while certificates were on their way
    for (size_t k = 0; k < u->item_count; k++)
        if (u->items[k] && u->items[k]->code) {
            leave(s, u->items[k]->code, "an entry's certificate does not hold", true);
            return false;
        }
    return true;
}

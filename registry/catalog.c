// SPDX-License-Identifier: Apache-2.0
// Admission, expiry, look-up. Entries live in two sets: by key for look-up, order and roots, by id for fetches.
#include "registry/catalog.h"

#include <stdlib.h>

#include "registry/catalog_priv.h"
#include "registry/proof.h"

// ---- entries ---------------------------------------------------------------------------------------------------------

static void entry_free(struct wf_entry *e)
{
    if (!e)
        return;
    wf_entry_doc_free(e->doc);
    wf_revocations_free(e->revocations);
    wf_buf_fini(&e->raw);
    free(e);
}

static void forget(struct wf_catalog *c, struct wf_entry *e)
{
    wf_entry_set_remove(&c->by_key, e);
    wf_entry_set_remove(&c->by_id, e);
    c->dirty = true;
    entry_free(e);
}

static struct wf_entry *find_entry(const struct wf_catalog *c, enum wf_entry_kind kind,
    const struct wf_name *domain, const struct wf_name *name)
{
    struct wf_entry like = { .known = { .kind = kind, .domain = *domain, .name = *name } };

    return wf_entry_set_find(&c->by_key, &like);
}

// ---- writing ---------------------------------------------------------------------------------------------------------

void wf_catalog_hold(struct wf_catalog *c)
{
    c->held++;
}

enum weft_err wf_catalog_release(struct wf_catalog *c)
{
    if (--c->held || !c->begun)
        return WEFT_OK;
    c->begun = false;
    return c->store->ops->commit(c->store);
}

static enum weft_err before_writing(struct wf_catalog *c)
{
    if (!c->held || c->begun)
        return WEFT_OK;
    enum weft_err err = c->store->ops->begin(c->store);
    c->begun = !err;
    return err;
}

static enum weft_err forget_stored(struct wf_catalog *c, struct wf_entry *e)
{
    enum weft_err err = before_writing(c);

    if (!err)
        err = c->store->ops->remove(c->store, e->known.kind, e->known.domain.s, e->known.name.s);

    if (!err)
        forget(c, e);
    return err;
}

// ---- documents -------------------------------------------------------------------------------------------------------

static struct wf_entry *entry_of_doc(struct wf_entry_doc *doc)
{
    struct wf_entry *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->doc = doc;
    e->known = (struct wf_known){
        .kind = doc->kind,
        .domain = doc->domain,
        .name = doc->name,
        .term = doc->term,
        .sequence = doc->sequence,
        .expires_ms = doc->expires_ms,
        .id = doc->id,
        .removed = doc->removed,
        .raw = wf_buf_view(&doc->raw),
        .doc = doc,
    };
    wf_proof_author(doc, &e->known.author);
    return e;
}

// <0 when a is older than b.
static int order_cmp(const struct wf_known *a, const struct wf_known *b)
{
    if (a->term != b->term)
        return a->term < b->term ? -1 : 1;
    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

static bool is_one_author(const struct wf_known *a, const struct wf_known *b)
{
    return memcmp(a->author.b, b->author.b, WF_KEY_LEN) == 0;
}

// As order_cmp; of two authors that met at one order, none of whom contradicts himself, the lower id counts at every node.
static int place_cmp(const struct wf_known *a, const struct wf_known *b)
{
    int cmp = order_cmp(a, b);

    return cmp || is_one_author(a, b) ? cmp : wf_hash_cmp(&b->id, &a->id);
}

// Whole 10 s, so that nodes whose clocks differ by less agree most of the time on what is there.
static bool is_expired(int64_t expires_ms, int64_t now_unix_ms)
{
    return expires_ms <= now_unix_ms - now_unix_ms % 10000;
}

// ---- admission -------------------------------------------------------------------------------------------------------

static enum weft_err put_row(struct wf_catalog *c, const struct wf_known *k)
{
    struct wf_store_row row = { k->kind, k->domain, k->name, k->id, k->expires_ms, k->raw };

    if (c->loading)
        return WEFT_OK; // it came from there
    enum weft_err err = before_writing(c);
    return err ? err : c->store->ops->put(c->store, &row);
}

// Takes ownership of e in every case.
static enum weft_err admit(struct wf_catalog *c, struct wf_entry *e, struct wf_entry *replaces)
{
    struct wf_entry *victim = NULL;
    enum weft_err err = WEFT_OK;

    wf_catalog_place(e);
    while (wf_catalog_over_quota(c, e, replaces, &victim)) { // one less each time
        err = victim ? forget_stored(c, victim) : WEFT_E_QUOTA;
        if (err)
            goto out;
    }
    err = wf_entry_set_reserve(&c->by_key);
    if (!err)
        err = wf_entry_set_reserve(&c->by_id);
    if (!err)
        err = put_row(c, &e->known);
    if (err)
        goto out;
    if (replaces)
        forget(c, replaces);
    wf_entry_set_add(&c->by_key, e);
    wf_entry_set_add(&c->by_id, e);
    c->dirty = true;
    e = NULL;
out:
    entry_free(e);
    return err;
}

// A product, or that its advertiser contradicted himself, counts only from the home of the highest term, under that term.
static enum weft_err check_home(
    const struct wf_catalog *c, const struct wf_known *product, const struct wf_name *node)
{
    const struct wf_entry *home = find_entry(c, WF_ENTRY_HOME, &product->domain, &product->name);

    if (!home || home->known.poisoned || !home->doc)
        return WEFT_E_NO_HOME;
    if (product->term < home->known.term)
        return WEFT_E_STALE;
    if (product->term > home->known.term)
        return WEFT_E_NO_HOME; // its home entry has not come yet
    return wf_name_eq(&home->doc->home.node, node) ? WEFT_OK : WEFT_E_NOT_OWNER;
}

// Else any node could bar the products of its domain, and fill its room with proofs about products that nobody has.
static enum weft_err check_proof_home(const struct wf_catalog *c, const struct wf_entry *proof)
{
    return proof->about.kind == WF_ENTRY_PRODUCT ? check_home(c, &proof->about, &proof->at)
                                                 : WEFT_OK;
}

// How long a proof about this entry is kept; lists live for ever, proofs about them do not.
static int64_t proof_end(const struct wf_entry *e)
{
    return e->revocations ? e->revocations->issued_ms + WF_MAX_ENTRY_LIFE_MS : e->known.expires_ms;
}

// A proof bars its order and all before it, also where the two documents never came.
static enum weft_err check_barred(const struct wf_catalog *c, const struct wf_known *k)
{
    struct wf_known about = { 0 };

    wf_proof_key(k, &about);
    const struct wf_entry *proof = find_entry(c, WF_ENTRY_PROOF, &about.domain, &about.name);
    int cmp = proof ? order_cmp(k, &proof->known) : 1;
    return cmp > 0 ? WEFT_OK : cmp == 0 ? WEFT_E_EQUIVOCATION : WEFT_E_STALE;
}

static enum weft_err add_proof(struct wf_catalog *c, struct wf_entry *old, struct wf_entry *e)
{
    struct wf_entry *proof = calloc(1, sizeof *proof);
    enum weft_err err = proof ? wf_proof_make(e->known.kind, old->known.raw, &old->known.id,
                                    e->known.raw, &e->known.id, &proof->raw)
                              : WEFT_E_NOMEM;

    if (!err) {
        proof->about = e->known;
        proof->about.doc = NULL; // it goes before the proof does
        if (e->known.kind == WF_ENTRY_PRODUCT)
            proof->at = e->doc->product.node;
        wf_proof_key(&e->known, &proof->known);
        proof->known.raw = wf_buf_view(&proof->raw);
        wf_blake2b(proof->known.raw, &proof->known.id);
        proof->known.term = e->known.term;
        proof->known.sequence = e->known.sequence;
        proof->known.expires_ms = proof_end(old) > proof_end(e) ? proof_end(old) : proof_end(e);
        // Two great lists together may be too much to pass round; each node that sees both still serves neither.
        if (proof->known.raw.len > WF_MAX_ENVELOPE) {
            entry_free(proof);
            return WEFT_OK;
        }
        err = admit(
            c, proof, find_entry(c, WF_ENTRY_PROOF, &proof->known.domain, &proof->known.name));
        proof = NULL;
    }
    entry_free(proof);
    return err;
}

// A new home ends what nodes of lower terms advertised, and what was proven of them: those who come now don't take it either.
static enum weft_err drop_superseded(struct wf_catalog *c, const struct wf_entry *home)
{
    struct wf_entry low = { .known = { .kind = WF_ENTRY_PROOF, .domain = home->known.domain } };
    struct wf_entry *p = find_entry(c, WF_ENTRY_PRODUCT, &home->known.domain, &home->known.name);
    enum weft_err err = p && p->known.term < home->known.term ? forget_stored(c, p) : WEFT_OK;

    for (size_t i = wf_entry_set_lower(&c->by_key, &low); !err && i < c->by_key.count;) {
        struct wf_entry *e = c->by_key.v[i];
        if (e->known.kind != WF_ENTRY_PROOF || !wf_name_eq(&e->known.domain, &home->known.domain))
            break;
        if (wf_name_eq(&e->about.name, &home->known.name) && check_proof_home(c, e))
            err = forget_stored(c, e); // the next one has its place
        else
            i++;
    }
    return err;
}

// Orders e against what is there and admits it. Takes ownership of e in every case.
static enum weft_err place(struct wf_catalog *c, struct wf_entry *e, enum wf_learned *ret)
{
    struct wf_entry *old = find_entry(c, e->known.kind, &e->known.domain, &e->known.name);
    int cmp = old ? place_cmp(&e->known, &old->known) : 1;
    enum weft_err err = WEFT_OK;
    bool is_home = e->known.kind == WF_ENTRY_HOME;
    struct wf_known was = e->known;

    if (cmp < 0)
        err = WEFT_E_STALE;
    else if (cmp > 0 && check_barred(c, &e->known))
        err = check_barred(c, &e->known);
    else if (cmp == 0 && wf_hash_eq(&old->known.id, &e->known.id))
        *ret = WF_LEARNED_SAME;
    else if (cmp == 0 && old->known.poisoned)
        err = WEFT_E_EQUIVOCATION;
    else if (cmp == 0) {
        err = add_proof(c, old, e);
        // The proof may have evicted old from a full domain: look again.
        old = find_entry(c, was.kind, &was.domain, &was.name);
        if (!err && old)
            old->known.poisoned = true;
        c->dirty = true;
        if (!err)
            *ret = WF_LEARNED_PROOF;
    } else {
        err = admit(c, e, old);
        if (!err && is_home)
            err = drop_superseded(c, find_entry(c, WF_ENTRY_HOME, &was.domain, &was.name));
        if (!err)
            *ret = WF_LEARNED_NEW;
        return err;
    }
    entry_free(e);
    return err;
}

static enum weft_err learn_doc(struct wf_catalog *c, enum wf_entry_kind kind, struct wf_bytes raw,
    const struct wf_charter *charter, int64_t now, enum wf_learned *ret)
{
    struct wf_entry_doc *doc = NULL;
    enum weft_err err = wf_entry_doc_open(raw, kind, charter, now, &doc);

    if (err)
        return err;
    struct wf_entry *e = entry_of_doc(doc);
    if (!e) {
        wf_entry_doc_free(doc);
        return WEFT_E_NOMEM;
    }
    if (is_expired(doc->expires_ms, now))
        err = WEFT_E_EXPIRED;
    if (!err && kind == WF_ENTRY_PRODUCT)
        err = check_home(c, &e->known, &doc->product.node);
    if (err) {
        entry_free(e);
        return err;
    }
    return place(c, e, ret);
}

// The list of highest version stays for good: an older one must never come back.
static enum weft_err learn_revocations(struct wf_catalog *c, struct wf_bytes raw,
    const struct wf_charter *charter, int64_t now, enum wf_learned *ret)
{
    struct wf_entry *e = calloc(1, sizeof *e);
    enum weft_err err = e ? wf_revocations_open(raw, &e->revocations) : WEFT_E_NOMEM;

    if (!err)
        err = wf_revocations_verify(e->revocations, charter, now);
    if (!err)
        err = wf_bytes_dup(raw, &e->raw);
    if (err) {
        entry_free(e);
        return err;
    }
    e->known = (struct wf_known){
        .kind = WF_ENTRY_REVOCATIONS,
        .domain = e->revocations->domain,
        .sequence = e->revocations->version,
        .expires_ms = INT64_MAX,
        .id = e->revocations->id,
        .raw = wf_buf_view(&e->raw),
        .revocations = e->revocations,
    };
    return place(c, e, ret);
}

static enum weft_err learn_proof(struct wf_catalog *c, struct wf_bytes raw,
    const struct wf_charter *charter, int64_t now, enum wf_learned *ret)
{
    struct wf_entry *e = calloc(1, sizeof *e);
    struct wf_known about = { 0 };
    enum weft_err err = e ? wf_proof_check(raw, charter, now, &e->about, &e->at) : WEFT_E_NOMEM;

    if (!err) {
        about = e->about;
        err = check_proof_home(c, e);
    }
    if (!err && is_expired(about.expires_ms, now))
        err = WEFT_E_EXPIRED;
    if (!err)
        err = wf_bytes_dup(raw, &e->raw);
    if (err) {
        entry_free(e);
        return err;
    }
    e->known = about;
    wf_proof_key(&about, &e->known);
    e->known.author = (struct wf_sign_pub){ { 0 } };
    e->known.raw = wf_buf_view(&e->raw);
    wf_blake2b(e->known.raw, &e->known.id);
    struct wf_entry *before = find_entry(c, WF_ENTRY_PROOF, &e->known.domain, &e->known.name);
    if (before && wf_hash_eq(&before->known.id, &e->known.id)) {
        entry_free(e);
        *ret = WF_LEARNED_SAME;
        return WEFT_OK;
    }
    // Three documents of one order give three proofs; the lowest id is kept so that all nodes keep the same.
    int cmp = before ? order_cmp(&before->known, &e->known) : -1;
    if (cmp > 0 || (cmp == 0 && wf_hash_cmp(&before->known.id, &e->known.id) < 0)) {
        entry_free(e);
        return WEFT_E_STALE;
    }
    err = admit(c, e, before);
    if (err)
        return err;
    struct wf_entry *target = find_entry(c, about.kind, &about.domain, &about.name);
    if (target && is_one_author(&target->known, &about) && order_cmp(&target->known, &about) <= 0)
        target->known.poisoned = true;
    c->dirty = true;
    *ret = WF_LEARNED_PROOF;
    return WEFT_OK;
}

enum weft_err wf_catalog_learn(struct wf_catalog *c, enum wf_entry_kind kind, struct wf_bytes raw,
    const struct wf_charter *charter, int64_t now_unix_ms, enum wf_learned *ret)
{
    if (raw.len > WF_MAX_ENVELOPE)
        return WEFT_E_TOO_BIG;
    switch (kind) {
    case WF_ENTRY_NODE:
    case WF_ENTRY_PRODUCT:
    case WF_ENTRY_HOME:
        return learn_doc(c, kind, raw, charter, now_unix_ms, ret);
    case WF_ENTRY_REVOCATIONS:
        return learn_revocations(c, raw, charter, now_unix_ms, ret);
    case WF_ENTRY_PROOF:
        return learn_proof(c, raw, charter, now_unix_ms, ret);
    default:
        return WEFT_E_TYPE;
    }
}

// ---- life ------------------------------------------------------------------------------------------------------------

struct loading {
    struct wf_catalog *c;
    const struct wf_charter *charter;
    int64_t now;
    size_t dropped;
    int pass; // homes, then what needs them, then proofs
};

static int pass_of(enum wf_entry_kind kind)
{
    return kind == WF_ENTRY_PROOF ? 2 : kind == WF_ENTRY_PRODUCT ? 1 : 0;
}

static enum weft_err load_row(void *arg, const struct wf_store_row *row)
{
    struct loading *l = arg;
    enum wf_learned learned;

    if (pass_of(row->kind) != l->pass)
        return WEFT_OK;
    enum weft_err err = wf_catalog_learn(l->c, row->kind, row->raw, l->charter, l->now, &learned);
    if (err == WEFT_E_NOMEM || err == WEFT_E_IO || err == WEFT_E_NOSPACE)
        return err;
    if (err)
        l->dropped++;
    return WEFT_OK;
}

enum weft_err wf_catalog_new(struct wf_store *store, struct wf_quota quota,
    const struct wf_charter *charter, int64_t now_unix_ms, size_t *ret_dropped,
    struct wf_catalog **ret)
{
    struct loading l = { .c = calloc(1, sizeof *l.c), .charter = charter, .now = now_unix_ms };
    enum weft_err err = WEFT_OK;

    if (!l.c)
        return WEFT_E_NOMEM;
    l.c->store = store;
    l.c->quota.entries = quota.entries ? quota.entries : WF_MAX_DOMAIN_ENTRIES;
    l.c->quota.bytes = quota.bytes ? quota.bytes : WF_MAX_DOMAIN_BYTES;
    l.c->by_key.order = wf_entry_key_order;
    l.c->by_id.order = wf_entry_id_order;
    l.c->dirty = true;
    l.c->loading = true;
    wf_catalog_hold(l.c); // what is dropped on the way
    for (; !err && charter && l.pass < 3; l.pass++)
        err = store->ops->load(store, load_row, &l);
    enum weft_err written = wf_catalog_release(l.c);
    l.c->loading = false;
    err = err ? err : written;
    if (err) {
        wf_catalog_free(l.c);
        return err;
    }
    if (ret_dropped)
        *ret_dropped = l.dropped;
    *ret = l.c;
    return WEFT_OK;
}

void wf_catalog_free(struct wf_catalog *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->by_key.count; i++)
        entry_free(c->by_key.v[i]);
    free(c->by_key.v);
    free(c->by_id.v);
    free(c->roots);
    free(c);
}

// Nobody who learned it now would take it: it came while our clock was ahead, and would keep out what is signed at the right time.
static bool is_from_the_future(const struct wf_entry *e, int64_t now_unix_ms)
{
    return e->doc && (int64_t)e->doc->sequence > now_unix_ms + WF_CLOCK_TOLERANCE_MS;
}

size_t wf_catalog_expire(struct wf_catalog *c, int64_t now_unix_ms)
{
    size_t gone = 0;

    wf_catalog_hold(c);
    for (size_t i = c->by_key.count; i-- > 0;) {
        struct wf_entry *e = c->by_key.v[i];
        if ((is_expired(e->known.expires_ms, now_unix_ms) || is_from_the_future(e, now_unix_ms) ||
                (e->known.kind == WF_ENTRY_PROOF && check_proof_home(c, e))) &&
            !forget_stored(c, e))
            gone++;
    }
    (void)!wf_catalog_release(c); // else a start reads them again, and drops them
    return gone;
}

size_t wf_catalog_recheck(
    struct wf_catalog *c, const struct wf_charter *charter, int64_t now_unix_ms)
{
    struct wf_known about;
    struct wf_name node;
    size_t gone = 0;

    wf_catalog_hold(c);
    for (size_t i = c->by_key.count; i-- > 0;) {
        struct wf_entry *e = c->by_key.v[i];
        struct wf_entry_doc *again = NULL;
        enum weft_err err = WEFT_OK;
        if (e->doc)
            err = wf_entry_doc_open(e->known.raw, e->known.kind, charter, now_unix_ms, &again);
        else if (e->revocations)
            err = wf_revocations_verify(e->revocations, charter, now_unix_ms);
        else
            err = wf_proof_check(e->known.raw, charter, now_unix_ms, &about, &node);
        wf_entry_doc_free(again);
        if (err && err != WEFT_E_NOMEM && !forget_stored(c, e))
            gone++;
    }
    (void)!wf_catalog_release(c); // as above
    return gone;
}

// ---- looking ---------------------------------------------------------------------------------------------------------

const struct wf_known *wf_catalog_find(
    const struct wf_catalog *c, enum wf_entry_kind kind, const char *domain, const char *name)
{
    struct wf_name d, n = { "" };

    if (wf_name_from(wf_bytes_str(domain), &d) ||
        (name && name[0] && wf_name_from(wf_bytes_str(name), &n)))
        return NULL;
    const struct wf_entry *e = find_entry(c, kind, &d, &n);
    return e && !e->known.poisoned ? &e->known : NULL;
}

const struct wf_known *wf_catalog_by_id(const struct wf_catalog *c, const struct wf_hash *id)
{
    struct wf_entry like = { .known = { .id = *id } };
    const struct wf_entry *e = wf_entry_set_find(&c->by_id, &like);

    return e && !e->known.poisoned ? &e->known : NULL;
}

const struct wf_known *wf_catalog_next(struct wf_catalog *c, const struct wf_known *after)
{
    size_t i = 0;

    if (after) {
        struct wf_entry like = {
            .known = { .kind = after->kind, .domain = after->domain, .name = after->name }
        };
        i = wf_entry_set_lower(&c->by_key, &like);
        if (i < c->by_key.count && wf_entry_key_order(c->by_key.v[i], &like) == 0)
            i++;
    }
    while (i < c->by_key.count && c->by_key.v[i]->known.poisoned)
        i++;
    return i < c->by_key.count ? &c->by_key.v[i]->known : NULL;
}

size_t wf_catalog_count(const struct wf_catalog *c)
{
    return c->by_key.count;
}

enum weft_err wf_catalog_home_node(const struct wf_catalog *c, const char *domain,
    const char *product, const struct wf_known **ret)
{
    const struct wf_known *home = wf_catalog_find(c, WF_ENTRY_HOME, domain, product);

    if (!home)
        return WEFT_E_NO_HOME;
    const struct wf_known *node = wf_catalog_find(c, WF_ENTRY_NODE, domain, home->doc->home.node.s);
    if (!node || node->removed)
        return WEFT_E_NOT_FOUND;
    *ret = node;
    return WEFT_OK;
}

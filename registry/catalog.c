// SPDX-License-Identifier: Apache-2.0
// Two sorted pointer sets hold the entries: by key for look-up, order and roots, by id for fetches. Insertion moves pointers,
// which for the registry's sizes costs less than hashing does in code.
#include "registry/catalog.h"

#include <stdio.h>
#include <stdlib.h>

#include "registry/proof.h"

struct entry {
    struct wf_known known;
    struct wf_entry_doc *doc;
    struct wf_revocations *revocations;
    struct wf_buf raw; // of revocations and proofs; a doc has its own
};

typedef int (*order_fn)(const struct entry *a, const struct entry *b);
struct set {
    struct entry **v;
    size_t count, cap;
    order_fn order;
};

struct wf_catalog {
    struct wf_store *store;
    struct wf_quota quota;
    struct set by_key, by_id;
    bool dirty; // roots below are stale
    struct wf_domain_root *roots;
    size_t root_count, root_cap;
    struct wf_hash root;
};

// ---- sorted sets -----------------------------------------------------------------------------------------------------

static int key_order(const struct entry *a, const struct entry *b)
{
    int c = strcmp(a->known.domain.s, b->known.domain.s);

    if (c == 0)
        c = (a->known.kind > b->known.kind) - (a->known.kind < b->known.kind);
    return c ? c : strcmp(a->known.name.s, b->known.name.s);
}

static int id_order(const struct entry *a, const struct entry *b)
{
    return wf_hash_cmp(&a->known.id, &b->known.id);
}

// The first position whose entry is not below `like`.
static size_t set_lower(const struct set *s, const struct entry *like)
{
    size_t lo = 0, hi = s->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->order(s->v[mid], like) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct entry *set_find(const struct set *s, const struct entry *like)
{
    size_t i = set_lower(s, like);

    return i < s->count && s->order(s->v[i], like) == 0 ? s->v[i] : NULL;
}

static enum weft_err set_reserve(struct set *s)
{
    if (s->count < s->cap)
        return WEFT_OK;
    size_t cap = s->cap ? s->cap * 2 : 64;
    struct entry **v = realloc(s->v, cap * sizeof(struct entry *));
    if (!v)
        return WEFT_E_NOMEM;
    s->v = v;
    s->cap = cap;
    return WEFT_OK;
}

static void set_add(struct set *s, struct entry *e) // after set_reserve
{
    size_t i = set_lower(s, e);

    memmove(s->v + i + 1, s->v + i, (s->count - i) * sizeof(struct entry *));
    s->v[i] = e;
    s->count++;
}

static void set_remove(struct set *s, const struct entry *e)
{
    size_t i = set_lower(s, e);

    if (i >= s->count || s->v[i] != e)
        return;
    memmove(s->v + i, s->v + i + 1, (s->count - i - 1) * sizeof(struct entry *));
    s->count--;
}

// ---- entries ---------------------------------------------------------------------------------------------------------

static void entry_free(struct entry *e)
{
    if (!e)
        return;
    wf_entry_doc_free(e->doc);
    wf_revocations_free(e->revocations);
    wf_buf_fini(&e->raw);
    free(e);
}

static void forget(struct wf_catalog *c, struct entry *e)
{
    set_remove(&c->by_key, e);
    set_remove(&c->by_id, e);
    c->dirty = true;
    entry_free(e);
}

static struct entry *find_entry(const struct wf_catalog *c, enum wf_entry_kind kind,
    const struct wf_name *domain, const struct wf_name *name)
{
    struct entry like = { .known = { .kind = kind, .domain = *domain, .name = *name } };

    return set_find(&c->by_key, &like);
}

static enum weft_err forget_stored(struct wf_catalog *c, struct entry *e)
{
    enum weft_err err =
        c->store->ops->remove(c->store, e->known.kind, e->known.domain.s, e->known.name.s);

    if (!err)
        forget(c, e);
    return err;
}

static struct entry *entry_of_doc(struct wf_entry_doc *doc)
{
    struct entry *e = calloc(1, sizeof *e);

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
    return e;
}

// <0 when a is older than b.
static int order_cmp(const struct wf_known *a, const struct wf_known *b)
{
    if (a->term != b->term)
        return a->term < b->term ? -1 : 1;
    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

// Whole 10 s, so that nodes whose clocks differ by less agree most of the time on what is there.
static bool is_expired(int64_t expires_ms, int64_t now_unix_ms)
{
    return expires_ms <= now_unix_ms - now_unix_ms % 10000;
}

// ---- quota -----------------------------------------------------------------------------------------------------------

static void key_hash(const struct wf_known *k, struct wf_hash *ret)
{
    char text[160];
    int n = snprintf(text, sizeof text, "%d/%s/%s", (int)k->kind, k->domain.s, k->name.s);

    wf_blake2b(wf_bytes(text, (size_t)n), ret);
}

// Among the entries of the newcomer's domain, with the newcomer: is the domain over its share, and whose key hash is highest?
static bool over_quota(const struct wf_catalog *c, const struct entry *newcomer,
    const struct entry *replaces, struct entry **ret_victim)
{
    struct entry low = { .known = { .domain = newcomer->known.domain } };
    size_t count = 1, bytes = newcomer->known.raw.len;
    struct wf_hash highest, h;

    key_hash(&newcomer->known, &highest);
    *ret_victim = NULL; // the newcomer itself
    for (size_t i = set_lower(&c->by_key, &low); i < c->by_key.count; i++) {
        struct entry *e = c->by_key.v[i];
        if (!wf_name_eq(&e->known.domain, &newcomer->known.domain))
            break;
        if (e == replaces)
            continue;
        count++;
        bytes += e->known.raw.len;
        key_hash(&e->known, &h);
        if (wf_hash_cmp(&h, &highest) > 0) {
            highest = h;
            *ret_victim = e;
        }
    }
    return count > c->quota.entries || bytes > c->quota.bytes;
}

// ---- admission -------------------------------------------------------------------------------------------------------

static enum weft_err put_row(struct wf_catalog *c, const struct wf_known *k)
{
    struct wf_store_row row = { k->kind, k->domain, k->name, k->id, k->expires_ms, k->raw };

    return c->store->ops->put(c->store, &row);
}

// Takes ownership of e in every case.
static enum weft_err admit(struct wf_catalog *c, struct entry *e, struct entry *replaces)
{
    struct entry *victim = NULL;
    enum weft_err err = WEFT_OK;

    for (int i = 0; i < 64 && over_quota(c, e, replaces, &victim); i++) {
        err = victim ? forget_stored(c, victim) : WEFT_E_QUOTA;
        if (err)
            goto out;
    }
    err = set_reserve(&c->by_key);
    if (!err)
        err = set_reserve(&c->by_id);
    if (!err)
        err = put_row(c, &e->known);
    if (err)
        goto out;
    if (replaces)
        forget(c, replaces);
    set_add(&c->by_key, e);
    set_add(&c->by_id, e);
    c->dirty = true;
    e = NULL;
out:
    entry_free(e);
    return err;
}

// A product counts only from the home of the highest term, under that term.
static enum weft_err check_home(const struct wf_catalog *c, const struct wf_entry_doc *d)
{
    const struct entry *home = find_entry(c, WF_ENTRY_HOME, &d->domain, &d->name);

    if (!home || home->known.poisoned || !home->doc)
        return WEFT_E_NO_HOME;
    if (d->term < home->known.term)
        return WEFT_E_STALE;
    if (d->term > home->known.term)
        return WEFT_E_NO_HOME; // its home entry has not come yet
    return wf_name_eq(&home->doc->home.node, &d->product.node) ? WEFT_OK : WEFT_E_NOT_OWNER;
}

static enum weft_err add_proof(struct wf_catalog *c, struct entry *old, struct entry *e)
{
    struct entry *proof = calloc(1, sizeof *proof);
    enum weft_err err = proof ? wf_proof_make(e->known.kind, old->known.raw, &old->known.id,
                                    e->known.raw, &e->known.id, &proof->raw)
                              : WEFT_E_NOMEM;

    if (!err) {
        wf_proof_key(e->known.kind, &e->known.domain, &e->known.name, &proof->known);
        proof->known.raw = wf_buf_view(&proof->raw);
        wf_blake2b(proof->known.raw, &proof->known.id);
        proof->known.term = e->known.term;
        proof->known.sequence = e->known.sequence;
        proof->known.expires_ms = old->known.expires_ms > e->known.expires_ms
                                      ? old->known.expires_ms
                                      : e->known.expires_ms;
        err = admit(
            c, proof, find_entry(c, WF_ENTRY_PROOF, &proof->known.domain, &proof->known.name));
        proof = NULL;
    }
    entry_free(proof);
    return err;
}

// A new home ends what nodes of lower terms advertised.
static enum weft_err drop_superseded(struct wf_catalog *c, const struct entry *home)
{
    struct entry *p = find_entry(c, WF_ENTRY_PRODUCT, &home->known.domain, &home->known.name);

    if (!p || p->known.term >= home->known.term)
        return WEFT_OK;
    return forget_stored(c, p);
}

// Orders e against what is there and admits it. Takes ownership of e in every case.
static enum weft_err place(struct wf_catalog *c, struct entry *e, enum wf_learned *ret)
{
    struct entry *old = find_entry(c, e->known.kind, &e->known.domain, &e->known.name);
    int cmp = old ? order_cmp(&e->known, &old->known) : 1;
    enum weft_err err = WEFT_OK;
    bool is_home = e->known.kind == WF_ENTRY_HOME;
    struct wf_known was = e->known;

    if (cmp < 0)
        err = WEFT_E_STALE;
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
    if (is_expired(doc->expires_ms, now))
        err = WEFT_E_EXPIRED;
    if (!err && kind == WF_ENTRY_PRODUCT)
        err = check_home(c, doc);
    struct entry *e = err ? NULL : entry_of_doc(doc);
    if (!err && !e)
        err = WEFT_E_NOMEM;
    if (err) {
        wf_entry_doc_free(doc);
        return err;
    }
    return place(c, e, ret);
}

// The list of highest version stays for good: an older one must never come back.
static enum weft_err learn_revocations(struct wf_catalog *c, struct wf_bytes raw,
    const struct wf_charter *charter, int64_t now, enum wf_learned *ret)
{
    struct entry *e = calloc(1, sizeof *e);
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
    struct entry *e = calloc(1, sizeof *e);
    struct wf_known about = { 0 };
    enum weft_err err = e ? wf_proof_check(raw, charter, now, &about) : WEFT_E_NOMEM;

    if (!err && is_expired(about.expires_ms, now))
        err = WEFT_E_EXPIRED;
    if (!err)
        err = wf_bytes_dup(raw, &e->raw);
    if (err) {
        entry_free(e);
        return err;
    }
    e->known = about;
    wf_proof_key(about.kind, &about.domain, &about.name, &e->known);
    e->known.raw = wf_buf_view(&e->raw);
    wf_blake2b(e->known.raw, &e->known.id);
    struct entry *before = find_entry(c, WF_ENTRY_PROOF, &e->known.domain, &e->known.name);
    if (before && wf_hash_eq(&before->known.id, &e->known.id)) {
        entry_free(e);
        *ret = WF_LEARNED_SAME;
        return WEFT_OK;
    }
    // Three documents of one order give three proofs; the lowest id is kept so that all nodes keep the same.
    if (before && order_cmp(&before->known, &e->known) >= 0 &&
        wf_hash_cmp(&before->known.id, &e->known.id) < 0) {
        entry_free(e);
        return WEFT_E_STALE;
    }
    err = admit(c, e, before);
    if (err)
        return err;
    struct entry *target = find_entry(c, about.kind, &about.domain, &about.name);
    if (target && order_cmp(&target->known, &about) <= 0)
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
    l.c->by_key.order = key_order;
    l.c->by_id.order = id_order;
    l.c->dirty = true;
    for (; !err && charter && l.pass < 3; l.pass++)
        err = store->ops->load(store, load_row, &l);
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

size_t wf_catalog_expire(struct wf_catalog *c, int64_t now_unix_ms)
{
    size_t gone = 0;

    for (size_t i = c->by_key.count; i-- > 0;)
        if (is_expired(c->by_key.v[i]->known.expires_ms, now_unix_ms) &&
            !forget_stored(c, c->by_key.v[i]))
            gone++;
    return gone;
}

size_t wf_catalog_recheck(
    struct wf_catalog *c, const struct wf_charter *charter, int64_t now_unix_ms)
{
    size_t gone = 0;

    for (size_t i = c->by_key.count; i-- > 0;) {
        struct entry *e = c->by_key.v[i];
        struct wf_entry_doc *again = NULL;
        enum weft_err err = WEFT_OK;
        if (e->doc)
            err = wf_entry_doc_open(e->known.raw, e->known.kind, charter, now_unix_ms, &again);
        else if (e->revocations)
            err = wf_revocations_verify(e->revocations, charter, now_unix_ms);
        wf_entry_doc_free(again);
        if (err && err != WEFT_E_NOMEM && !forget_stored(c, e))
            gone++;
    }
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
    const struct entry *e = find_entry(c, kind, &d, &n);
    return e && !e->known.poisoned ? &e->known : NULL;
}

const struct wf_known *wf_catalog_by_id(const struct wf_catalog *c, const struct wf_hash *id)
{
    struct entry like = { .known = { .id = *id } };
    const struct entry *e = set_find(&c->by_id, &like);

    return e && !e->known.poisoned ? &e->known : NULL;
}

const struct wf_known *wf_catalog_next(struct wf_catalog *c, const struct wf_known *after)
{
    size_t i = 0;

    if (after) {
        struct entry like = {
            .known = { .kind = after->kind, .domain = after->domain, .name = after->name }
        };
        i = set_lower(&c->by_key, &like);
        if (i < c->by_key.count && key_order(c->by_key.v[i], &like) == 0)
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

// ---- roots -----------------------------------------------------------------------------------------------------------

static void hash_entry(struct wf_hasher *h, const struct wf_known *k)
{
    uint8_t fixed[4 + 8 + 8];

    wf_store_be32(fixed, (uint32_t)k->kind);
    wf_store_be64(fixed + 4, k->term);
    wf_store_be64(fixed + 12, k->sequence);
    wf_hasher_add(h, WF_BYTES(fixed));
    wf_hasher_add(h, wf_bytes(k->name.s, strlen(k->name.s) + 1));
    wf_hasher_add(h, wf_hash_view(&k->id));
}

static struct wf_domain_root *next_root(struct wf_catalog *c)
{
    if (c->root_count == c->root_cap) {
        size_t cap = c->root_cap ? c->root_cap * 2 : 16;
        struct wf_domain_root *v = realloc(c->roots, cap * sizeof *v);
        if (!v)
            return NULL;
        c->roots = v;
        c->root_cap = cap;
    }
    return &c->roots[c->root_count];
}

// Without memory the roots stay stale (dirty): a peer then sees a difference and asks again, which is harmless.
static void refresh_roots(struct wf_catalog *c)
{
    struct wf_hasher all, one;

    if (!c->dirty)
        return;
    c->root_count = 0;
    wf_hasher_init(&all, wf_bytes(NULL, 0), WF_HASH_LEN);
    for (size_t i = 0; i < c->by_key.count;) {
        struct wf_domain_root *r = next_root(c);
        if (!r)
            return;
        *r = (struct wf_domain_root){ .domain = c->by_key.v[i]->known.domain };
        wf_hasher_init(&one, wf_bytes(NULL, 0), WF_HASH_LEN);
        for (; i < c->by_key.count && wf_name_eq(&c->by_key.v[i]->known.domain, &r->domain); i++) {
            if (c->by_key.v[i]->known.poisoned)
                continue;
            hash_entry(&one, &c->by_key.v[i]->known);
            r->count++;
        }
        wf_hasher_done(&one, r->root.b, WF_HASH_LEN);
        if (r->count == 0)
            continue; // nothing of this domain is served
        wf_hasher_add(&all, wf_bytes(r->domain.s, strlen(r->domain.s) + 1));
        wf_hasher_add(&all, wf_hash_view(&r->root));
        c->root_count++;
    }
    wf_hasher_done(&all, c->root.b, WF_HASH_LEN);
    c->dirty = false;
}

void wf_catalog_root(struct wf_catalog *c, struct wf_hash *ret)
{
    refresh_roots(c);
    *ret = c->root;
}

size_t wf_catalog_domain_roots(struct wf_catalog *c, struct wf_domain_root *out, size_t cap)
{
    refresh_roots(c);
    for (size_t i = 0; i < c->root_count && i < cap; i++)
        out[i] = c->roots[i];
    return c->root_count;
}

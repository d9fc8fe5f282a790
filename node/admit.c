// SPDX-License-Identifier: Apache-2.0
// Who calls is known only after two agreements, so a bucket of a key can't come first: a flood of keys would then cost an agreement
// each. What a connection proved before, and where known keys were seen, is known at once and costs a look-up. Where the address is
// dry, a few looks a second are spent on finding out whether a known key stands in the crowd: one a connection, because
// a connection costs whoever floods as much as the look costs us.
#include "node/admit.h"

#include <stdlib.h>

#define PROBES 16u // slots that one key may lie in

struct addr_slot {
    struct wf_addr_key key;
    struct wf_bucket bucket, looks; // looks: of places only
    int64_t seen_ms;
    bool used;
};

struct known_slot {
    struct wf_dh_pub key;
    struct wf_bucket bucket;
    uint64_t domain; // its hash; 0: the slot is free
    int64_t stamp, seen_ms;
};

struct stamp_slot {
    struct wf_dh_pub key;
    int64_t stamp;
};

struct wf_admit {
    struct addr_slot strangers[WF_BUCKETS_MAX], places[WF_PLACES_MAX];
    struct wf_bucket overflow,
        looks; // of strangers that found no bucket; of all addresses that are no places
    struct known_slot known[WF_KNOWN_MAX];
    struct stamp_slot stamps[WF_STAMPS_MAX]; // direct-mapped: a collision forgets the older
    uint64_t salt;
};

enum weft_err wf_admit_new(struct wf_admit **ret)
{
    struct wf_admit *a = calloc(1, sizeof *a);

    if (!a)
        return WEFT_E_NOMEM;
    wf_random(&a->salt, sizeof a->salt);
    wf_bucket_init(&a->overflow, WF_HANDSHAKES_PER_S, WF_HANDSHAKE_BURST, 0);
    wf_bucket_init(&a->looks, WF_LOOKS_PER_S, WF_LOOK_BURST, 0);
    *ret = a;
    return WEFT_OK;
}

void wf_admit_free(struct wf_admit *a)
{
    free(a);
}

static uint64_t hash_of(const struct wf_admit *a, struct wf_bytes key)
{
    uint8_t out[8], salt[8];

    wf_store_be64(salt, a->salt);
    wf_blake2b_keyed(WF_BYTES(salt), key, out, sizeof out);
    return wf_load_be64(out);
}

// ---- addresses -------------------------------------------------------------------------------------------------------

static struct wf_bucket *bucket_of_stranger(
    struct wf_admit *a, const struct wf_addr_key *from, int64_t now_ms)
{
    size_t start = (size_t)(hash_of(a, wf_bytes(from, sizeof *from)) % WF_BUCKETS_MAX);
    struct addr_slot *reuse = NULL;

    for (size_t i = 0; i < PROBES; i++) {
        struct addr_slot *s = &a->strangers[(start + i) % WF_BUCKETS_MAX];
        if (s->used && memcmp(&s->key, from, sizeof *from) == 0)
            return &s->bucket;
        if (!reuse && (!s->used || wf_bucket_is_full(&s->bucket, now_ms)))
            reuse = s;
    }
    if (!reuse)
        return &a->overflow;
    *reuse = (struct addr_slot){ .key = *from, .used = true };
    wf_bucket_init(&reuse->bucket, WF_HANDSHAKES_PER_S, WF_HANDSHAKE_BURST, now_ms);
    return &reuse->bucket;
}

// The place of an address: itself, or with `make` the slot that it shall have. NULL: it is none.
static struct addr_slot *find_place(struct wf_admit *a, const struct wf_addr_key *from, bool make)
{
    size_t start = (size_t)(hash_of(a, wf_bytes(from, sizeof *from)) % WF_PLACES_MAX);
    struct addr_slot *victim = NULL;

    for (size_t i = 0; i < PROBES; i++) {
        struct addr_slot *s = &a->places[(start + i) % WF_PLACES_MAX];
        if (s->used && memcmp(&s->key, from, sizeof *from) == 0)
            return s;
        if (!victim || (victim->used && (!s->used || s->seen_ms < victim->seen_ms)))
            victim = s;
    }
    return make ? victim : NULL;
}

static void keep_place(struct wf_admit *a, const struct wf_addr_key *from, int64_t now_ms)
{
    struct addr_slot *s = find_place(a, from, true);

    if (!s->used || memcmp(&s->key, from, sizeof *from) != 0) {
        *s = (struct addr_slot){ .key = *from, .used = true };
        wf_bucket_init(&s->bucket, WF_HANDSHAKES_PER_S, WF_HANDSHAKE_BURST, now_ms);
        wf_bucket_init(&s->looks, WF_LOOKS_PER_S, WF_LOOK_BURST, now_ms);
    }
    s->seen_ms = now_ms;
}

// ---- keys ------------------------------------------------------------------------------------------------------------

static struct known_slot *set_of(struct wf_admit *a, const struct wf_dh_pub *key)
{
    // Sets do not overlap, so that what a domain has of one can be counted.
    return &a->known[hash_of(a, wf_bytes(key->b, WF_KEY_LEN)) % (WF_KNOWN_MAX / PROBES) * PROBES];
}

static struct known_slot *find_known(struct wf_admit *a, const struct wf_dh_pub *key)
{
    struct known_slot *set = set_of(a, key);

    for (size_t i = 0; i < PROBES; i++)
        if (set[i].domain && memcmp(set[i].key.b, key->b, WF_KEY_LEN) == 0)
            return &set[i];
    return NULL;
}

static size_t share_of(const struct known_slot *set, uint64_t domain)
{
    size_t n = 0;

    for (size_t i = 0; i < PROBES; i++)
        n += set[i].domain == domain;
    return n;
}

static struct known_slot *make_known(struct known_slot *set)
{
    struct known_slot *victim = &set[0];
    size_t most = 0;

    for (size_t i = 0; i < PROBES; i++) {
        size_t share = share_of(set, set[i].domain);
        if (!set[i].domain)
            return &set[i];
        if (share > most || (share == most && set[i].seen_ms < victim->seen_ms)) {
            victim = &set[i];
            most = share;
        }
    }
    return victim;
}

static struct stamp_slot *stamp_of(struct wf_admit *a, const struct wf_dh_pub *key)
{
    return &a->stamps[hash_of(a, wf_bytes(key->b, WF_KEY_LEN)) % WF_STAMPS_MAX];
}

void wf_admit_prove(struct wf_admit *a, const struct wf_dh_pub *peer, const char *domain,
    const struct wf_addr_key *from, int64_t now_ms)
{
    const struct stamp_slot *stamp = stamp_of(a, peer);
    struct known_slot *k = find_known(a, peer);

    if (!k) {
        k = make_known(set_of(a, peer));
        *k = (struct known_slot){ .key = *peer };
        k->domain = hash_of(a, wf_bytes(domain, strlen(domain))) | 1; // never 0, which means free
        wf_bucket_init(&k->bucket, WF_KEY_HANDSHAKES_PER_S, WF_KEY_HANDSHAKE_BURST, now_ms);
        if (memcmp(stamp->key.b, peer->b, WF_KEY_LEN) == 0)
            k->stamp = stamp->stamp;
    }
    k->seen_ms = now_ms;
    keep_place(a, from, now_ms);
}

void wf_admit_forget(struct wf_admit *a, const struct wf_dh_pub *peer)
{
    struct known_slot *k = find_known(a, peer);

    if (!k)
        return;
    *stamp_of(a, peer) = (struct stamp_slot){ *peer, k->stamp }; // what it recorded stays a replay
    *k = (struct known_slot){ 0 };
}

// ---- decisions -------------------------------------------------------------------------------------------------------

enum weft_err wf_admit_address(
    struct wf_admit *a, const struct wf_admit_ask *ask, struct wf_admit_pass *ret)
{
    struct known_slot *k = ask->of_connection ? find_known(a, ask->of_connection) : NULL;
    struct addr_slot *place = find_place(a, &ask->from, false);
    struct wf_bucket *paid =
        place ? &place->bucket : bucket_of_stranger(a, &ask->from, ask->now_ms);
    struct wf_bucket *looks = place ? &place->looks : &a->looks;
    struct wf_admit_pass pass = { .now_ms = ask->now_ms };

    if (k && wf_bucket_take(&k->bucket, ask->now_ms)) {
        pass.by = WF_ADMIT_BY_KEY;
        pass.key = *ask->of_connection;
    } else if (wf_bucket_take(paid, ask->now_ms)) {
        pass.by = WF_ADMIT_BY_ADDRESS;
        pass.paid = paid;
    } else if (ask->first && wf_bucket_take(looks, ask->now_ms)) {
        pass.by = WF_ADMIT_BY_LOOK;
    } else {
        return WEFT_E_FLOOD;
    }
    *ret = pass;
    return WEFT_OK;
}

static enum weft_err pay(const struct wf_admit_pass *pass, struct known_slot *k)
{
    bool own = k && wf_bucket_take(&k->bucket, pass->now_ms);

    if (pass->by == WF_ADMIT_BY_LOOK)
        return own ? WEFT_OK : WEFT_E_FLOOD;
    if (own)
        wf_bucket_give(pass->paid, pass->now_ms);
    return WEFT_OK;
}

enum weft_err wf_admit_key(struct wf_admit *a, const struct wf_admit_pass *pass,
    const struct wf_dh_pub *peer, int64_t stamp_unix_ms)
{
    struct known_slot *k = find_known(a, peer);
    struct stamp_slot *s = stamp_of(a, peer);
    bool is_its_own = memcmp(pass->key.b, peer->b, WF_KEY_LEN) == 0;
    bool seen = k ? stamp_unix_ms <= k->stamp
                  : memcmp(s->key.b, peer->b, WF_KEY_LEN) == 0 && stamp_unix_ms <= s->stamp;

    if (pass->by == WF_ADMIT_BY_KEY && !is_its_own)
        return WEFT_E_FLOOD;
    if (seen)
        return WEFT_E_REPLAY;
    enum weft_err err = pass->by == WF_ADMIT_BY_KEY ? WEFT_OK : pay(pass, k);
    if (err)
        return err;
    if (k) {
        k->stamp = stamp_unix_ms;
        k->seen_ms = pass->now_ms;
    } else {
        *s = (struct stamp_slot){ *peer, stamp_unix_ms };
    }
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
// The domain's revocation list: signed by the issuer's node, known to all through the registry. Invariant: a list never has less than
// the one before, but for tokens that have expired.
#include <stdlib.h>

#include "node/access/priv.h"
#include "node/gossip/room.h"
#include "node/restored.h"
#include "node/signer/signer.h"
#include "node/stream/room.h"

const struct wf_revocations *wf_access_revocations(const struct wf_node *n)
{
    return n->has_certificate ? wf_gossip_revocations(n, n->identity.cert.domain.s) : NULL;
}

bool wf_access_key_revoked(
    const struct wf_node *n, const char *domain, const struct wf_sign_pub *key, int64_t at_ms)
{
    const struct wf_revocations *r = wf_gossip_revocations(n, domain);

    return r && wf_revocations_has_origin(r, key, at_ms);
}

bool wf_access_origin_revoked(const struct wf_node *n, const struct wf_sign_pub *key, int64_t at_ms)
{
    return n->has_certificate && wf_access_key_revoked(n, n->identity.cert.domain.s, key, at_ms);
}

bool wf_access_origin_revoked_from(
    const struct wf_node *n, const struct wf_sign_pub *key, int64_t *ret_from_ms)
{
    const struct wf_revocations *r = wf_access_revocations(n);

    for (size_t i = 0; r && i < r->origin_count; i++)
        if (memcmp(r->origins[i].key.b, key->b, WF_KEY_LEN) == 0) {
            *ret_from_ms = r->origins[i].at_ms;
            return true;
        }
    return false;
}

// ---- signing ---------------------------------------------------------------------------------------------------------

static int token_order(const void *a, const void *b)
{
    return wf_hash_cmp(
        &((const struct wf_revoked_token *)a)->id, &((const struct wf_revoked_token *)b)->id);
}

static int key_order(const void *a, const void *b)
{
    return memcmp(((const struct wf_revoked_key *)a)->key.b,
        ((const struct wf_revoked_key *)b)->key.b, WF_KEY_LEN);
}

static enum weft_err merge_tokens(const struct wf_revocations *old,
    const struct wf_revoked_token *add, int64_t now, struct wf_arena *arena,
    struct wf_revocations *f)
{
    size_t old_count = old ? old->token_count : 0;

    f->tokens = wf_arena_calloc(arena, old_count + 1, sizeof *f->tokens);
    if (!f->tokens)
        return wf_arena_err(arena);
    for (size_t i = 0; i < old_count; i++)
        if (old->tokens[i].expires_ms + WF_CLOCK_TOLERANCE_MS > now)
            f->tokens[f->token_count++] = old->tokens[i];
    for (size_t i = 0; add && i < f->token_count; i++)
        if (wf_hash_eq(&f->tokens[i].id, &add->id))
            add = NULL;
    if (add)
        f->tokens[f->token_count++] = *add;
    qsort(f->tokens, f->token_count, sizeof *f->tokens, token_order);
    return WEFT_OK;
}

// later: of two entries for one key the one that reaches further holds.
static enum weft_err merge_keys(const struct wf_revoked_key *old, size_t old_count,
    const struct wf_revoked_key *add, bool later, struct wf_arena *arena,
    struct wf_revoked_key **ret, size_t *ret_count)
{
    struct wf_revoked_key *v = wf_arena_calloc(arena, old_count + 1, sizeof *v);
    size_t count = old_count;

    if (!v)
        return wf_arena_err(arena);
    for (size_t i = 0; i < old_count; i++)
        v[i] = old[i];
    for (size_t i = 0; add && i < old_count; i++)
        if (memcmp(v[i].key.b, add->key.b, WF_KEY_LEN) == 0) {
            if (later ? add->at_ms > v[i].at_ms : add->at_ms < v[i].at_ms)
                v[i].at_ms = add->at_ms;
            add = NULL;
        }
    if (add)
        v[count++] = *add;
    qsort(v, count, sizeof *v, key_order);
    *ret = v;
    *ret_count = count;
    return WEFT_OK;
}

static enum weft_err merge(struct wf_node *n, const struct wf_access_additions *add,
    struct wf_arena *arena, struct wf_revocations *f)
{
    const struct wf_revocations *old = wf_access_revocations(n);
    int64_t now = wf_node_now_unix_ms(n);

    // The version is the time of signing, so that an issuer restored from a backup still goes forward.
    f->version = (uint64_t)now;
    if (old && old->version >= f->version)
        f->version = old->version + 1;
    f->issued_ms = (int64_t)f->version;
    f->mesh_id = n->mesh_id;
    f->domain = n->identity.cert.domain;
    enum weft_err err = merge_tokens(old, add->token, now, arena, f);
    if (!err)
        err = merge_keys(old ? old->holders : NULL, old ? old->holder_count : 0, add->holder, true,
            arena, &f->holders, &f->holder_count);
    if (!err)
        err = merge_keys(old ? old->origins : NULL, old ? old->origin_count : 0, add->origin, false,
            arena, &f->origins, &f->origin_count);
    return err;
}

// The list that was signed here last comes back after the loss of the registry, before anything is signed on top of nothing. BUSY: it is there
// and can't be read, or the registry can't take it now. One that the registry refuses (another issuer's, of a charter that is no more) is not
// waited for.
static enum weft_err restore(struct wf_node *n)
{
    struct wf_access_room *a = n->access;
    struct wf_buf raw = { 0 };

    if (a->list_restored)
        return WEFT_OK;
    enum weft_err err = wf_grants_get_list(a->grants, &raw);
    a->list_restored = !err || err == WEFT_E_NOT_FOUND;
    if (!err) {
        err = wf_gossip_advertise(n, WF_ENTRY_REVOCATIONS, wf_buf_view(&raw));
        a->list_restored = err != WEFT_E_NOMEM && err != WEFT_E_IO && err != WEFT_E_IN_USE &&
                           err != WEFT_E_NOSPACE && err != WEFT_E_DAMAGED;
    }
    if (err && err != WEFT_E_NOT_FOUND && err != WEFT_E_STALE)
        wf_say(n, WF_LOG_WARN, "access", "the stored revocation list was not taken", "why",
            weft_err_text(err), NULL);
    wf_buf_fini(&raw);
    return a->list_restored ? WEFT_OK : WEFT_E_BUSY;
}

enum weft_err wf_access_sign_list(struct wf_node *n, const struct wf_access_additions *add)
{
    struct wf_revocations fields = { 0 };
    struct wf_buf raw = { 0 };
    struct wf_arena arena;

    if (!wf_signer_here(n))
        return WEFT_E_NOT_OWNER;
    if (!n->charter)
        return WEFT_E_STATE;
    if (wf_restored_waits(n)) // signed now, it would take back what others know to be revoked
        return WEFT_E_BUSY;
    enum weft_err err = restore(n);
    wf_arena_init(&arena, WF_MAX_UNPACK);
    if (!err)
        err = merge(n, add, &arena, &fields);
    if (!err)
        err = wf_signer_revocations(n, &fields, &raw);
    // Kept before it is told: what others hold must never be more than what we know.
    if (!err)
        err = wf_grants_put_list(n->access->grants, wf_buf_view(&raw));
    if (!err)
        err = wf_gossip_advertise(n, WF_ENTRY_REVOCATIONS, wf_buf_view(&raw));
    wf_buf_fini(&raw);
    wf_arena_fini(&arena);
    return err;
}

enum weft_err wf_access_revoke_origin(
    struct wf_node *n, const struct wf_sign_pub *key, int64_t from_ms)
{
    const struct wf_revoked_key origin = { *key, from_ms };
    const struct wf_access_additions add = { .origin = &origin };

    return wf_access_sign_list(n, &add);
}

// ---- a list came -----------------------------------------------------------------------------------------------------

static void hash_entries(const struct wf_revocations *r, struct wf_hash *ret)
{
    struct wf_hasher h;
    uint8_t counts[24];

    wf_hasher_init(&h, wf_bytes(NULL, 0), WF_HASH_LEN);
    wf_store_be64(counts, r->token_count);
    wf_store_be64(counts + 8, r->holder_count);
    wf_store_be64(counts + 16, r->origin_count);
    wf_hasher_add(&h, WF_BYTES(counts));
    for (size_t i = 0; i < r->token_count; i++)
        wf_hasher_add(&h, wf_hash_view(&r->tokens[i].id));
    for (size_t i = 0; i < r->holder_count + r->origin_count; i++) {
        const struct wf_revoked_key *k =
            i < r->holder_count ? &r->holders[i] : &r->origins[i - r->holder_count];
        uint8_t at[8];
        wf_store_be64(at, (uint64_t)k->at_ms);
        wf_hasher_add(&h, WF_BYTES(k->key.b));
        wf_hasher_add(&h, WF_BYTES(at));
    }
    wf_hasher_done(&h, ret->b, WF_HASH_LEN);
}

// Sessions of revoked certificates end at once, whatever their domain; what our own list says also ends leases.
void wf_access_list_changed(struct wf_node *n, const char *domain)
{
    const struct wf_revocations *r = wf_gossip_revocations(n, domain);
    int64_t now = wf_node_now_unix_ms(n);
    struct wf_hash entries;

    if (!r || !n->access)
        return;
    for (size_t i = 0; i < r->origin_count && n->control; i++)
        if (r->origins[i].at_ms <= now)
            wf_control_drop(n, &r->origins[i].key);
    if (!n->has_certificate || strcmp(domain, n->identity.cert.domain.s) != 0)
        return;
    hash_entries(r, &entries);
    if (wf_hash_eq(&entries, &n->access->list_hash))
        return; // only signed anew
    n->access->list_hash = entries;
    for (size_t i = 0; i < r->holder_count && n->control; i++)
        wf_control_drop(n, &r->holders[i].key);
    if (n->stream)
        wf_stream_rotate(n, NULL);
}

void wf_access_list_tick(struct wf_node *n)
{
    struct wf_access_room *a = n->access;
    const struct wf_access_additions none = { 0 };
    int64_t now = wf_node_now_ms(n);

    if (!wf_signer_here(n) || !n->charter || !n->has_certificate || now < a->resign_at_ms)
        return;
    enum weft_err err = restore(n);
    if (wf_restored_waits(n))
        return;
    if (!err)
        err = wf_access_sign_list(n, &none);
    a->resign_at_ms = now + (err ? 10000 : WF_ACCESS_RESIGN_MS);
    wf_alarm(n, "revocations",
        err ? "the revocation list could not be signed; after 24 h nothing is granted on it"
            : NULL);
}

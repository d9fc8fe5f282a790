// SPDX-License-Identifier: Apache-2.0
// Rules of succession: TUF's root update (specification 5.3.4-5.3.8) with two thresholds. Where the keys are known before the
// body is read (a successor), signatures come first; a genesis brings its own keys, so its rules come first, within a budget.
#include "proto/trust/charter.h"

#include "proto/base/sorted.h"
#include "proto/trust/doc.h"

// ---- reading

static enum weft_err take_member(
    const Weft__V1__Member *in, struct wf_arena *arena, struct wf_member *ret)
{
    enum weft_err err = wf_take_name(in->name, &ret->name);

    if (!err)
        err = wf_take_sign_key(in->root_key, &ret->root_key);
    if (err)
        return err;
    if (in->n_seeds > WF_MAX_SEEDS)
        return WEFT_E_TOO_BIG;
    ret->seeds = wf_arena_calloc(arena, in->n_seeds, sizeof *ret->seeds);
    if (!ret->seeds)
        return wf_arena_err(arena);
    ret->seed_count = in->n_seeds;
    return wf_take_seeds(in->seeds, in->n_seeds, ret->seeds);
}

// Sorted by name, and no key twice: one signature never counts for two members.
static enum weft_err take_members(
    const Weft__V1__Charter *m, struct wf_arena *arena, struct wf_charter *c)
{
    if (m->n_members == 0)
        return WEFT_E_MISSING_FIELD;
    if (m->n_members > WF_MAX_MEMBERS)
        return WEFT_E_TOO_BIG;
    c->members = wf_arena_calloc(arena, m->n_members, sizeof *c->members);
    if (!c->members)
        return wf_arena_err(arena);
    for (size_t i = 0; i < m->n_members; i++) {
        enum weft_err err = take_member(m->members[i], arena, &c->members[i]);
        if (err)
            return err;
        if (i && strcmp(c->members[i - 1].name.s, c->members[i].name.s) >= 0)
            return WEFT_E_ORDER;
        for (size_t j = 0; j < i; j++)
            if (memcmp(c->members[j].root_key.b, c->members[i].root_key.b, WF_KEY_LEN) == 0)
                return WEFT_E_KEY;
    }
    c->member_count = m->n_members;
    c->quorum = m->quorum;
    return 2 * (uint64_t)c->quorum <= c->member_count || c->quorum > c->member_count ? WEFT_E_QUORUM
                                                                                     : WEFT_OK;
}

static enum weft_err check_names(char *const *list, size_t count)
{
    if (count > WF_MAX_CAVEAT_ITEMS)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < count; i++)
        if (!wf_name_is_valid(wf_bytes_str(list[i])))
            return WEFT_E_NAME;
    return WEFT_OK;
}

static enum weft_err take_policy(const Weft__V1__Policy *p, struct wf_charter *c)
{
    if (!p)
        return WEFT_OK;
    enum weft_err err = check_names(p->regions, p->n_regions);
    if (!err)
        err = check_names(p->classifications, p->n_classifications);
    if (err)
        return err;
    c->region_count = p->n_regions;
    c->regions = p->regions;
    c->classification_count = p->n_classifications;
    c->classifications = p->classifications;
    c->min_protocol = p->min_protocol;
    return WEFT_OK;
}

// Version 1 names neither mesh nor predecessor, for it makes the one and has none of the other; all later ones name both.
static enum weft_err take_place(
    const Weft__V1__Charter *m, const struct wf_hash *id, struct wf_charter *c)
{
    c->id = *id;
    c->version = m->version;
    if (m->version == 0)
        return WEFT_E_CHARTER_ORDER;
    if (m->version == 1) {
        c->mesh_id = *id;
        return m->mesh_id.len || m->previous.len ? WEFT_E_CHARTER_ORDER : WEFT_OK;
    }
    enum weft_err err = wf_take_hash(m->mesh_id, &c->mesh_id);
    return err ? err : wf_take_hash(m->previous, &c->previous);
}

static enum weft_err take_charter(const Weft__V1__Charter *m, const struct wf_hash *id,
    struct wf_arena *arena, struct wf_charter *c)
{
    struct wf_name mesh;
    enum weft_err err = wf_take_name(m->mesh, &mesh);

    if (err)
        return err;
    memcpy(c->mesh, mesh.s, sizeof c->mesh);
    err = take_place(m, id, c);
    if (!err)
        err = take_members(m, arena, c);
    if (!err)
        err = take_policy(m->policy, c);
    if (!err)
        err = wf_take_time(m->created_ms, &c->created_ms);
    if (!err)
        err = wf_take_time(m->expires_ms, &c->expires_ms);
    if (!err && c->created_ms >= c->expires_ms)
        err = WEFT_E_RANGE;
    return err;
}

// Makes a charter of a body. The caller has judged the signatures, or is about to.
static enum weft_err charter_new(
    struct wf_bytes raw, struct wf_bytes body, const struct wf_hash *id, struct wf_charter **ret)
{
    struct wf_charter *c = NULL;
    Weft__V1__Charter *m = NULL;
    struct wf_arena arena;

    wf_arena_init(&arena, wf_doc_budget(body.len));
    enum weft_err err =
        wf_pb_unpack(&weft__v1__charter__descriptor, body, WF_PB_CANONICAL, &arena, &m);
    if (err)
        goto out;
    c = wf_arena_calloc(&arena, 1, sizeof *c);
    err = c ? take_charter(m, id, &arena, c) : wf_arena_err(&arena);
    if (err)
        goto out;
    err = wf_bytes_dup(raw, &c->raw);
    if (err)
        goto out;
    c->arena = arena; // from here on the charter owns itself
    *ret = c;
    return WEFT_OK;
out:
    wf_arena_fini(&arena);
    return err;
}

void wf_charter_free(struct wf_charter *c)
{
    if (!c)
        return;
    struct wf_arena arena = c->arena; // c lies in it
    wf_buf_fini(&c->raw);
    wf_arena_fini(&arena);
}

static enum weft_err read_sealed(struct wf_bytes raw, struct wf_arena *arena, struct wf_sealed *ret)
{
    wf_arena_init(arena, 4 * WF_MAX_ENVELOPE);
    return wf_envelope_read(raw, WF_DOC_CHARTER, arena, ret);
}

enum weft_err wf_charter_read(struct wf_bytes raw, struct wf_charter **ret)
{
    struct wf_arena arena;
    struct wf_sealed sealed;
    enum weft_err err = read_sealed(raw, &arena, &sealed);

    if (!err)
        err = charter_new(raw, sealed.body, &sealed.id, ret);
    wf_arena_fini(&arena);
    return err;
}

// ---- judging

static size_t count_signed(
    const struct wf_sealed *sealed, const struct wf_charter *c, bool *ret_signed_by_member)
{
    size_t count = 0;

    for (size_t i = 0; i < c->member_count; i++) {
        bool yes = wf_envelope_signed_by(sealed, &c->members[i].root_key);
        if (ret_signed_by_member)
            ret_signed_by_member[i] = yes;
        count += yes;
    }
    return count;
}

// Every signature on it is a member's, of the old or the new set, and right: nothing can be hung on a charter in passing.
static enum weft_err check_signers(
    const struct wf_sealed *sealed, const struct wf_charter *old, const struct wf_charter *new)
{
    for (size_t i = 0; i < sealed->signature_count; i++) {
        const struct wf_sign_pub *key = &sealed->signatures[i].key;
        if (!wf_charter_member_by_root(new, key) && !(old && wf_charter_member_by_root(old, key)))
            return WEFT_E_UNKNOWN_KEY;
        if (!wf_envelope_signed_by(sealed, key))
            return WEFT_E_SIGNATURE;
    }
    return WEFT_OK;
}

enum weft_err wf_charter_open_genesis(
    struct wf_bytes raw, const struct wf_hash *expect, struct wf_charter **ret)
{
    struct wf_charter *c = NULL;
    struct wf_arena arena;
    struct wf_sealed sealed;
    enum weft_err err = read_sealed(raw, &arena, &sealed);

    if (!err && expect && !wf_hash_eq(&sealed.id, expect))
        err = WEFT_E_WRONG_MESH;
    if (!err)
        err = charter_new(raw, sealed.body, &sealed.id, &c);
    if (err)
        goto out;
    if (c->version != 1)
        err = WEFT_E_CHARTER_ORDER;
    if (!err)
        err = check_signers(&sealed, NULL, c);
    if (!err && sealed.signature_count != c->member_count)
        err = WEFT_E_QUORUM;
    if (err)
        goto out;
    *ret = c;
    c = NULL;
out:
    wf_charter_free(c);
    wf_arena_fini(&arena);
    return err;
}

static enum weft_err check_succession(
    const struct wf_sealed *sealed, const struct wf_charter *current, const struct wf_charter *next)
{
    if (!wf_hash_eq(&next->mesh_id, &current->mesh_id))
        return WEFT_E_WRONG_MESH;
    if (next->version != current->version + 1 || !wf_hash_eq(&next->previous, &current->id))
        return WEFT_E_CHARTER_ORDER;
    enum weft_err err = check_signers(sealed, current, next);
    if (err)
        return err;
    return count_signed(sealed, next, NULL) < next->quorum ? WEFT_E_QUORUM : WEFT_OK;
}

enum weft_err wf_charter_open_next(
    struct wf_bytes raw, const struct wf_charter *current, struct wf_charter **ret)
{
    struct wf_charter *next = NULL;
    struct wf_arena arena;
    struct wf_sealed sealed;
    enum weft_err err = read_sealed(raw, &arena, &sealed);

    if (!err && count_signed(&sealed, current, NULL) < current->quorum)
        err = WEFT_E_QUORUM;
    if (!err)
        err = charter_new(raw, sealed.body, &sealed.id, &next);
    if (!err)
        err = check_succession(&sealed, current, next);
    if (err)
        goto out;
    *ret = next;
    next = NULL;
out:
    wf_charter_free(next);
    wf_arena_fini(&arena);
    return err;
}

bool wf_charter_is_fork(const struct wf_charter *before, struct wf_bytes a, struct wf_bytes b)
{
    struct wf_charter *one = NULL, *two = NULL;
    bool fork = wf_charter_open_next(a, before, &one) == WEFT_OK &&
                wf_charter_open_next(b, before, &two) == WEFT_OK && !wf_hash_eq(&one->id, &two->id);

    wf_charter_free(one);
    wf_charter_free(two);
    return fork;
}

size_t wf_charter_signed_count(
    const struct wf_charter *c, struct wf_bytes raw, bool *ret_signed_by_member)
{
    struct wf_arena arena;
    struct wf_sealed sealed;
    size_t count = 0;

    if (read_sealed(raw, &arena, &sealed) == WEFT_OK)
        count = count_signed(&sealed, c, ret_signed_by_member);
    else if (ret_signed_by_member)
        memset(ret_signed_by_member, 0, c->member_count * sizeof *ret_signed_by_member);
    wf_arena_fini(&arena);
    return count;
}

static int by_name(const void *member, const void *name)
{
    const struct wf_member *m = member;

    return strcmp(m->name.s, name);
}

const struct wf_member *wf_charter_member(const struct wf_charter *c, const char *name)
{
    const struct wf_sorted s = { c->members, c->member_count, sizeof *c->members, by_name };

    return wf_sorted_find(&s, name);
}

const struct wf_member *wf_charter_member_by_root(
    const struct wf_charter *c, const struct wf_sign_pub *root)
{
    for (size_t i = 0; i < c->member_count; i++)
        if (memcmp(c->members[i].root_key.b, root->b, WF_KEY_LEN) == 0)
            return &c->members[i];
    return NULL;
}

// ---- writing

// Members in the order of their names, whatever order the fields have them in.
static enum weft_err put_members(
    const struct wf_charter *fields, struct wf_arena *arena, Weft__V1__Charter *m)
{
    Weft__V1__Member *items = wf_arena_calloc(arena, fields->member_count, sizeof *items);

    m->members = wf_arena_calloc(arena, fields->member_count, sizeof(Weft__V1__Member *));
    if (!items || !m->members)
        return wf_arena_err(arena);
    for (size_t i = 0; i < fields->member_count; i++) {
        const struct wf_member *from = &fields->members[i];
        size_t at = i;
        weft__v1__member__init(&items[i]);
        items[i].name = wf_pb_str(from->name.s);
        items[i].root_key = wf_pb_bin(WF_BYTES(from->root_key.b));
        items[i].n_seeds = from->seed_count;
        enum weft_err err = wf_put_seeds(from->seeds, from->seed_count, arena, &items[i].seeds);
        if (err)
            return err;
        for (; at > 0 && strcmp(m->members[at - 1]->name, items[i].name) > 0; at--)
            m->members[at] = m->members[at - 1];
        m->members[at] = &items[i];
    }
    m->n_members = fields->member_count;
    return WEFT_OK;
}

static enum weft_err pack_body(
    const struct wf_charter *fields, struct wf_arena *arena, struct wf_buf *ret_body)
{
    Weft__V1__Charter m = WEFT__V1__CHARTER__INIT;
    Weft__V1__Policy policy = WEFT__V1__POLICY__INIT;

    m.mesh = wf_pb_str(fields->mesh);
    m.version = fields->version;
    if (fields->version > 1) {
        m.mesh_id = wf_pb_bin(wf_hash_view(&fields->mesh_id));
        m.previous = wf_pb_bin(wf_hash_view(&fields->previous));
    }
    m.quorum = fields->quorum;
    policy.n_regions = fields->region_count;
    policy.regions = fields->regions;
    policy.n_classifications = fields->classification_count;
    policy.classifications = fields->classifications;
    policy.min_protocol = fields->min_protocol;
    m.policy = &policy;
    m.created_ms = fields->created_ms;
    m.expires_ms = fields->expires_ms;
    enum weft_err err = put_members(fields, arena, &m);
    return err ? err : wf_doc_pack(&m, ret_body);
}

enum weft_err wf_charter_body(const struct wf_charter *fields, struct wf_buf *ret_body)
{
    struct wf_buf body = { 0 };
    struct wf_charter *check = NULL;
    struct wf_hash id;
    struct wf_arena arena;

    if (fields->member_count > WF_MAX_MEMBERS)
        return WEFT_E_TOO_BIG;
    wf_arena_init(&arena, WF_MAX_UNPACK);
    enum weft_err err = pack_body(fields, &arena, &body);
    if (!err && body.len > WF_MAX_DOCUMENT)
        err = WEFT_E_TOO_BIG;
    if (err)
        goto out;
    wf_pae_hash(wf_doc_type(WF_DOC_CHARTER), wf_buf_view(&body), &id);
    err = charter_new(wf_buf_view(&body), wf_buf_view(&body), &id, &check);
    if (err)
        goto out;
    *ret_body = body;
    body = (struct wf_buf){ 0 };
out:
    wf_charter_free(check);
    wf_arena_fini(&arena);
    wf_buf_fini(&body);
    return err;
}

static enum weft_err cosign(
    struct wf_bytes envelope, const struct wf_secret *root, struct wf_buf *out)
{
    struct wf_arena arena;
    struct wf_sealed sealed;
    enum weft_err err = read_sealed(envelope, &arena, &sealed);

    if (!err)
        err = wf_envelope_cosign(&sealed, root, out);
    wf_arena_fini(&arena);
    return err;
}

enum weft_err wf_charter_sign(struct wf_bytes body_or_envelope, bool is_envelope,
    const struct wf_secret *root, struct wf_buf *ret_envelope)
{
    struct wf_buf envelope = { 0 };
    struct wf_charter *check = NULL;
    enum weft_err err = is_envelope
                            ? cosign(body_or_envelope, root, &envelope)
                            : wf_envelope_seal(WF_DOC_CHARTER, body_or_envelope, root, &envelope);

    if (!err)
        err = wf_charter_read(wf_buf_view(&envelope), &check);
    if (!err) {
        *ret_envelope = envelope;
        envelope = (struct wf_buf){ 0 };
    }
    wf_charter_free(check);
    wf_buf_fini(&envelope);
    return err;
}

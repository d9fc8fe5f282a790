// SPDX-License-Identifier: Apache-2.0
#include "proto/trust/product.h"

#include <assert.h>

#include "proto/trust/capability.h"
#include "proto/trust/product_doc.h"

// ---- names and numbers

static const char *const kind_names[] = { "unknown", "metric", "event", "inventory", "api" };
static const char *const class_names[] = { "unknown", "public", "internal", "confidential",
    "personal" };

const char *wf_product_kind_name(enum wf_product_kind k)
{
    return (unsigned)k < WF_COUNT(kind_names) ? kind_names[k] : kind_names[0];
}

const char *wf_classification_name(enum wf_classification c)
{
    return (unsigned)c < WF_COUNT(class_names) ? class_names[c] : class_names[0];
}

// The index of text among names[1..], or 0.
static unsigned name_index(struct wf_bytes text, const char *const *names, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        if (wf_bytes_is(text, names[i]))
            return i;
    return 0;
}

enum weft_err wf_product_kind_parse(struct wf_bytes text, enum wf_product_kind *ret)
{
    unsigned i = name_index(text, kind_names, WF_COUNT(kind_names));

    if (i == 0)
        return WEFT_E_RANGE;
    *ret = (enum wf_product_kind)i;
    return WEFT_OK;
}

enum weft_err wf_classification_parse(struct wf_bytes text, enum wf_classification *ret)
{
    unsigned i = name_index(text, class_names, WF_COUNT(class_names));

    if (i == 0)
        return WEFT_E_RANGE;
    *ret = (enum wf_classification)i;
    return WEFT_OK;
}

static uint8_t *put_part(uint8_t *at, const void *part, size_t len)
{
    wf_store_be32(at, (uint32_t)len);
    memcpy(at + 4, part, len);
    return at + 4 + len;
}

void wf_product_id(const struct wf_hash *mesh_id, const char *domain, const char *name,
    uint32_t major, struct wf_hash *ret)
{
    uint8_t body[4 * 4 + WF_HASH_LEN + 2 * WF_MAX_NAME];
    uint8_t *at = put_part(body, mesh_id->b, WF_HASH_LEN);

    assert(strlen(domain) <= WF_MAX_NAME && strlen(name) <= WF_MAX_NAME);
    at = put_part(at, domain, strlen(domain));
    at = put_part(at, name, strlen(name));
    wf_store_be32(at, major);
    wf_pae_hash("weft/product-id/v1", wf_bytes(body, (size_t)(at + 4 - body)), ret);
}

// A decimal number without leading zeros, up to a dot or the end; at most nine digits.
static enum weft_err take_number(struct wf_bytes *in, uint32_t *ret)
{
    size_t n = 0;
    uint32_t v = 0;

    while (n < in->len && in->ptr[n] >= '0' && in->ptr[n] <= '9') {
        if (n == 9)
            return WEFT_E_SYNTAX;
        v = v * 10 + (uint32_t)(in->ptr[n++] - '0');
    }
    if (n == 0 || (n > 1 && in->ptr[0] == '0'))
        return WEFT_E_SYNTAX;
    *in = wf_bytes(in->ptr + n, in->len - n);
    *ret = v;
    return WEFT_OK;
}

enum weft_err wf_version_major(struct wf_bytes version, uint32_t *ret_major)
{
    uint32_t parts[3];

    for (size_t i = 0; i < WF_COUNT(parts); i++) {
        if (i > 0) {
            if (version.len == 0 || version.ptr[0] != '.')
                return WEFT_E_SYNTAX;
            version = wf_bytes(version.ptr + 1, version.len - 1);
        }
        enum weft_err err = take_number(&version, &parts[i]);
        if (err)
            return err;
    }
    if (version.len)
        return WEFT_E_SYNTAX;
    *ret_major = parts[0];
    return WEFT_OK;
}

bool wf_identifier_is_valid(const char *s, bool dotted)
{
    bool first = true;

    for (; *s; s++) {
        bool letter = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_';
        bool digit = *s >= '0' && *s <= '9';
        if (dotted && *s == '.' && !first) {
            first = true;
            continue;
        }
        if (!letter && (first || !digit))
            return false;
        first = false;
    }
    return !first;
}

// ---- taking a descriptor

enum weft_err wf_take_strings(
    char *const *in, size_t count, size_t max, const char ***ret, size_t *ret_count)
{
    if (count > WF_MAX_CAVEAT_ITEMS)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < count; i++) {
        enum weft_err err = wf_take_text(in[i], max, true);
        if (err)
            return err;
    }
    *ret = (const char **)(uintptr_t)in;
    *ret_count = count;
    return WEFT_OK;
}

static enum weft_err take_identifiers(
    char *const *in, size_t count, const char ***ret, size_t *ret_count)
{
    enum weft_err err = wf_take_strings(in, count, WF_MAX_FULL_NAME, ret, ret_count);

    for (size_t i = 0; !err && i < count; i++)
        if (!wf_identifier_is_valid(in[i], true))
            err = WEFT_E_SYNTAX;
    return err;
}

static enum weft_err take_key(const Weft__V1__ProductDescriptor *m, struct wf_product *p)
{
    struct wf_name name;
    enum weft_err err = wf_take_name(m->domain, &name);

    if (!err)
        err = wf_take_name(m->name, &name);
    if (!err && ((int)m->kind < WF_PRODUCT_METRIC || (int)m->kind > WF_PRODUCT_API))
        err = m->kind ? WEFT_E_RANGE : WEFT_E_MISSING_FIELD;
    p->domain = m->domain;
    p->name = m->name;
    p->kind = (enum wf_product_kind)m->kind;
    return err;
}

static enum weft_err take_words(const Weft__V1__ProductDescriptor *m, struct wf_product *p)
{
    if (!m->owner)
        return WEFT_E_MISSING_FIELD;
    const struct {
        const char *text;
        bool required;
    } words[] = { { m->title, false }, { m->description, false }, { m->owner->name, true },
        { m->owner->contact, true } };
    for (size_t i = 0; i < WF_COUNT(words); i++) {
        enum weft_err err = wf_take_text(words[i].text, WF_MAX_TEXT, words[i].required);
        if (err)
            return err;
    }
    p->title = m->title;
    p->description = m->description;
    p->owner_name = m->owner->name;
    p->owner_contact = m->owner->contact;
    return wf_take_strings(m->tags, m->n_tags, WF_MAX_TAG, &p->tags, &p->tag_count);
}

// An api names a service, everything else a message.
static enum weft_err take_schema(
    const Weft__V1__ProductDescriptor *m, struct wf_arena *arena, struct wf_product *p)
{
    bool api = p->kind == WF_PRODUCT_API;
    const char *named = api ? m->service : m->message, *other = api ? m->message : m->service;
    enum weft_err err = wf_take_text(named, WF_MAX_FULL_NAME, true);

    if (err)
        return err;
    if (*other)
        return WEFT_E_TYPE;
    if (!wf_identifier_is_valid(named, true))
        return WEFT_E_SYNTAX;
    p->message = m->message;
    p->service = m->service;
    err = wf_take_hash(m->schema_hash, &p->schema_hash);
    if (!err && m->rules_hash.len)
        err = api ? WEFT_E_TYPE : wf_take_hash(m->rules_hash, &p->rules_hash);
    if (!err)
        err = take_identifiers(m->key_fields, m->n_key_fields, &p->keys, &p->key_count);
    if (err)
        return err;
    if (m->n_earlier_schemas > WF_MAX_EARLIER)
        return WEFT_E_TOO_BIG;
    struct wf_hash *earlier = wf_arena_calloc(arena, m->n_earlier_schemas, sizeof *earlier);
    if (!earlier)
        return wf_arena_err(arena);
    for (size_t i = 0; !err && i < m->n_earlier_schemas; i++)
        err = wf_take_hash(m->earlier_schemas[i], &earlier[i]);
    p->earlier = earlier;
    p->earlier_count = m->n_earlier_schemas;
    return err;
}

static enum weft_err take_promises(const Weft__V1__ProductDescriptor *m, struct wf_product *p)
{
    enum weft_err err = wf_take_time(m->freshness_ms, &p->freshness_ms);

    if (!err)
        err = wf_take_time(m->retention_ms, &p->retention_ms);
    if (!err)
        err = wf_take_strings(m->regions, m->n_regions, WF_MAX_NAME, &p->regions, &p->region_count);
    for (size_t i = 0; !err && i < m->n_regions; i++)
        if (!wf_name_is_valid(wf_bytes_str(m->regions[i])))
            err = WEFT_E_NAME;
    if (err)
        return err;
    if (m->classification == 0)
        return WEFT_E_MISSING_FIELD;
    if ((int)m->classification < WF_CLASS_PUBLIC || (int)m->classification > WF_CLASS_PERSONAL ||
        (int)m->durability < 0 || (int)m->durability > WF_DURABILITY_PROCESS ||
        (int)m->packing < 0 || (int)m->packing > WF_PACKING_ZSTD ||
        m->linger_us > WF_MAX_LINGER_US ||
        (m->batch_bytes &&
            (m->batch_bytes < WF_MIN_BATCH_BYTES || m->batch_bytes > WF_MAX_BATCH_BYTES)))
        return WEFT_E_RANGE;
    p->classification = (enum wf_classification)m->classification;
    p->durability = m->durability ? (enum wf_durability)m->durability : WF_DURABILITY_DISK;
    p->retention_bytes = m->retention_bytes;
    p->packing = (enum wf_packing)m->packing;
    p->linger_us = m->linger_us;
    p->batch_bytes = m->batch_bytes;
    p->rows_shared = m->rows_shared;
    p->drops = m->drops;
    return WEFT_OK;
}

static enum weft_err take_rule(const Weft__V1__AccessRule *m, struct wf_access_rule *r)
{
    struct wf_name domain;
    struct wf_pattern pattern;
    enum wf_verb verb;
    enum weft_err err = wf_take_name(m->domain, &domain);

    if (!err && m->subject[0])
        err = wf_pattern_from(wf_bytes_str(m->subject), &pattern);
    if (!err && m->n_verbs == 0)
        err = WEFT_E_MISSING_FIELD;
    if (!err)
        err = wf_take_strings(m->verbs, m->n_verbs, WF_MAX_FULL_NAME, &r->verbs, &r->verb_count);
    for (size_t i = 0; !err && i < m->n_verbs; i++)
        err = wf_verb_parse(wf_bytes_str(m->verbs[i]), &verb, &pattern);
    if (!err)
        err = take_identifiers(m->columns, m->n_columns, &r->columns, &r->column_count);
    if (!err)
        err = wf_take_time(m->duration_ms, &r->duration_ms);
    if (!err && m->duration_ms == 0)
        err = WEFT_E_MISSING_FIELD;
    r->domain = m->domain;
    r->subject = m->subject;
    return err;
}

static enum weft_err take_rules(
    const Weft__V1__ProductDescriptor *m, struct wf_arena *arena, struct wf_product *p)
{
    enum weft_err err = WEFT_OK;

    if (m->n_access > WF_MAX_ACCESS_RULES)
        return WEFT_E_TOO_BIG;
    p->rules = wf_arena_calloc(arena, m->n_access, sizeof *p->rules);
    if (!p->rules)
        return wf_arena_err(arena);
    for (size_t i = 0; !err && i < m->n_access; i++)
        err = take_rule(m->access[i], &p->rules[i]);
    p->rule_count = m->n_access;
    return err;
}

static enum weft_err take_identity(
    const Weft__V1__ProductDescriptor *m, const struct wf_hash *mesh_id, struct wf_product *p)
{
    struct wf_hash named;
    enum weft_err err = wf_take_text(m->version, WF_MAX_NAME, true);

    if (!err)
        err = wf_version_major(wf_bytes_str(m->version), &p->major);
    if (!err)
        err = wf_take_hash(m->product_id, &named);
    if (err)
        return err;
    p->version = m->version;
    wf_product_id(mesh_id, p->domain, p->name, p->major, &p->id);
    return wf_hash_eq(&named, &p->id) ? WEFT_OK : WEFT_E_HASH;
}

size_t wf_product_batch(uint32_t batch_bytes, unsigned times)
{
    size_t grown = (size_t)(batch_bytes ? batch_bytes : WF_PRODUCT_BATCH) * times;

    return grown < WF_MAX_BATCH_BYTES ? grown : WF_MAX_BATCH_BYTES;
}

enum weft_err wf_product_take(const Weft__V1__ProductDescriptor *m, const struct wf_hash *mesh_id,
    bool removed, struct wf_arena *arena, struct wf_product *ret)
{
    struct wf_product p = { .version = "",
        .title = "",
        .description = "",
        .owner_name = "",
        .owner_contact = "",
        .message = "",
        .service = "" };
    enum weft_err err = m ? take_key(m, &p) : WEFT_E_MISSING_FIELD;

    if (!err && !removed) {
        err = take_identity(m, mesh_id, &p);
        if (!err)
            err = take_words(m, &p);
        if (!err)
            err = take_schema(m, arena, &p);
        if (!err)
            err = take_promises(m, &p);
        if (!err)
            err = take_rules(m, arena, &p);
    }
    if (err)
        return err;
    *ret = p;
    return WEFT_OK;
}

// ---- putting one

static char **strings(const char **list)
{
    return (char **)(uintptr_t)list;
}

static enum weft_err put_rules(
    const struct wf_product *p, struct wf_arena *arena, Weft__V1__ProductDescriptor *m)
{
    Weft__V1__AccessRule *items = wf_arena_calloc(arena, p->rule_count, sizeof *items);

    m->access = wf_arena_calloc(arena, p->rule_count, sizeof(Weft__V1__AccessRule *));
    if (!items || !m->access)
        return wf_arena_err(arena);
    for (size_t i = 0; i < p->rule_count; i++) {
        const struct wf_access_rule *r = &p->rules[i];
        weft__v1__access_rule__init(&items[i]);
        items[i].domain = wf_pb_str(r->domain);
        items[i].subject = wf_pb_str(r->subject);
        items[i].n_verbs = r->verb_count;
        items[i].verbs = strings(r->verbs);
        items[i].n_columns = r->column_count;
        items[i].columns = strings(r->columns);
        items[i].duration_ms = r->duration_ms;
        m->access[i] = &items[i];
    }
    m->n_access = p->rule_count;
    return WEFT_OK;
}

static enum weft_err put_schema(
    const struct wf_product *p, struct wf_arena *arena, Weft__V1__ProductDescriptor *m)
{
    m->earlier_schemas = wf_arena_calloc(arena, p->earlier_count, sizeof *m->earlier_schemas);
    if (!m->earlier_schemas)
        return wf_arena_err(arena);
    for (size_t i = 0; i < p->earlier_count; i++)
        m->earlier_schemas[i] = wf_pb_bin(wf_hash_view(&p->earlier[i]));
    m->n_earlier_schemas = p->earlier_count;
    m->schema_hash = wf_pb_bin(wf_hash_view(&p->schema_hash));
    if (!wf_hash_is_zero(&p->rules_hash))
        m->rules_hash = wf_pb_bin(wf_hash_view(&p->rules_hash));
    m->message = wf_pb_str(p->message);
    m->service = wf_pb_str(p->service);
    m->n_key_fields = p->key_count;
    m->key_fields = strings(p->keys);
    return WEFT_OK;
}

static void put_promises(const struct wf_product *p, Weft__V1__ProductDescriptor *m)
{
    m->classification = (Weft__V1__Classification)p->classification;
    m->durability = (Weft__V1__Durability)p->durability;
    m->n_regions = p->region_count;
    m->regions = strings(p->regions);
    m->freshness_ms = p->freshness_ms;
    m->retention_ms = p->retention_ms;
    m->retention_bytes = p->retention_bytes;
    m->packing = (Weft__V1__BatchPacking)p->packing;
    m->linger_us = p->linger_us;
    m->batch_bytes = p->batch_bytes;
    m->rows_shared = p->rows_shared;
    m->drops = p->drops;
}

static enum weft_err put_words(
    const struct wf_product *p, struct wf_arena *arena, Weft__V1__ProductDescriptor *m)
{
    m->owner = wf_arena_alloc(arena, sizeof *m->owner);
    if (!m->owner)
        return wf_arena_err(arena);
    weft__v1__owner__init(m->owner);
    m->owner->name = wf_pb_str(p->owner_name);
    m->owner->contact = wf_pb_str(p->owner_contact);
    m->title = wf_pb_str(p->title);
    m->description = wf_pb_str(p->description);
    m->n_tags = p->tag_count;
    m->tags = strings(p->tags);
    return WEFT_OK;
}

static enum weft_err put_identity(const struct wf_product *p, const struct wf_hash *mesh_id,
    struct wf_arena *arena, Weft__V1__ProductDescriptor *m)
{
    struct wf_hash *id = wf_arena_alloc(arena, sizeof *id);
    struct wf_name name;
    uint32_t major = 0;

    if (!id)
        return wf_arena_err(arena);
    enum weft_err err = wf_take_name(wf_pb_str(p->domain), &name);
    if (!err)
        err = wf_take_name(wf_pb_str(p->name), &name);
    if (!err)
        err = wf_version_major(wf_bytes_str(wf_pb_str(p->version)), &major);
    if (err)
        return err;
    wf_product_id(mesh_id, p->domain, p->name, major, id);
    m->product_id = wf_pb_bin(wf_hash_view(id));
    m->version = wf_pb_str(p->version);
    return WEFT_OK;
}

enum weft_err wf_product_put(const struct wf_product *p, const struct wf_hash *mesh_id,
    bool removed, struct wf_arena *arena, Weft__V1__ProductDescriptor *ret)
{
    weft__v1__product_descriptor__init(ret);
    ret->domain = wf_pb_str(p->domain);
    ret->name = wf_pb_str(p->name);
    ret->kind = (Weft__V1__ProductKind)p->kind;
    if (removed)
        return WEFT_OK;
    put_promises(p, ret);
    enum weft_err err = put_identity(p, mesh_id, arena, ret);
    if (!err)
        err = put_words(p, arena, ret);
    if (!err)
        err = put_schema(p, arena, ret);
    return err ? err : put_rules(p, arena, ret);
}

// SPDX-License-Identifier: Apache-2.0
// Described products: the promise of an advert with its compiled schema, as applications see it.
#include <stdlib.h>

#include "proto/base/crypto.h"
#include "proto/base/print.h"
#include "sdk/product_int.h"

#define INFO_MEMORY (2u * WF_MIB) // of one product: strings of an advert, one column a field

// ---- what an advert says -----------------------------------------------------------------------------------------------

static enum weft_err keep_list(struct wf_arena *a, const char *const *from, size_t count,
    const char *const **ret, size_t *ret_count)
{
    const char **list = wf_arena_calloc(a, count ? count : 1, sizeof *list);
    enum weft_err err = list ? WEFT_OK : wf_arena_err(a);

    for (size_t i = 0; i < count && !err; i++)
        err = wf_arena_str(a, wf_bytes_str(from[i]), &list[i]);
    if (!err) {
        *ret = list;
        *ret_count = count;
    }
    return err;
}

static enum weft_err keep_hash(struct wf_arena *a, const struct wf_hash *h, const char **ret)
{
    struct wf_buf text = { 0 };
    enum weft_err err =
        wf_hash_is_zero(h) ? WEFT_OK : wf_print(WF_PREFIX_HASH, wf_hash_view(h), &text);

    if (!err)
        err = wf_arena_str(a, wf_buf_view(&text), ret);
    wf_buf_fini(&text);
    return err;
}

enum weft_err wf_product_info_fill(const struct wf_product *p, const struct wf_entry_doc *advert,
    struct wf_arena *arena, struct weft_product_info *ret)
{
    struct weft_product_info i = { .kind = (enum weft_product_kind)p->kind,
        .freshness_ms = p->freshness_ms,
        .retention_ms = p->retention_ms,
        .heard_ms = -1 };
    const struct {
        const char *from;
        const char **to;
    } texts[] = {
        { p->domain, &i.domain },
        { p->name, &i.name },
        { p->version, &i.version },
        { p->title, &i.title },
        { p->description, &i.description },
        { p->owner_name, &i.owner },
        { p->owner_contact, &i.contact },
        { p->message, &i.message },
        { p->service, &i.service },
        { advert ? advert->product.node.s : "", &i.node },
        { p->classification ? wf_classification_name(p->classification) : "", &i.classification },
    };
    enum weft_err err = WEFT_OK;

    for (size_t n = 0; n < WF_COUNT(texts) && !err; n++)
        err = wf_arena_str(arena, wf_bytes_str(texts[n].from), texts[n].to);
    if (!err)
        err = keep_hash(arena, &p->schema_hash, &i.schema);
    if (!err)
        err = keep_hash(arena, &p->id, &i.id);
    if (!err && !wf_hash_is_zero(&p->rules_hash))
        err = keep_hash(arena, &p->rules_hash, &i.rules);
    if (!err)
        err = keep_list(arena, p->tags, p->tag_count, &i.tags, &i.tag_count);
    if (!err)
        err = keep_list(arena, p->regions, p->region_count, &i.regions, &i.region_count);
    if (!err)
        err = keep_list(arena, p->keys, p->key_count, &i.keys, &i.key_count);
    if (!err)
        *ret = i;
    return err;
}

// ---- columns -----------------------------------------------------------------------------------------------------------

static enum weft_type scalar_type(const struct wf_schema_field *f)
{
    switch (wf_schema_value_kind(f->type)) {
    case WF_VALUE_BOOL:
        return WEFT_T_BOOL;
    case WF_VALUE_INT:
        return f->role == WF_ROLE_TIMESTAMP ? WEFT_T_TIME : WEFT_T_INT;
    case WF_VALUE_UINT:
        return f->role == WF_ROLE_TIMESTAMP ? WEFT_T_TIME : WEFT_T_UINT;
    case WF_VALUE_FLOAT:
    case WF_VALUE_DOUBLE:
        return WEFT_T_DOUBLE;
    case WF_VALUE_ENUM:
        return WEFT_T_ENUM;
    case WF_VALUE_STRING:
        return WEFT_T_TEXT;
    case WF_VALUE_BYTES:
        return WEFT_T_BYTES;
    case WF_VALUE_NONE:
    case WF_VALUE_MESSAGE:
        break;
    }
    return WEFT_T_JSON;
}

static enum weft_type column_type(const struct wf_schema_field *f)
{
    if (f->repeated || f->map)
        return WEFT_T_JSON;
    if (f->type == WF_TYPE_MESSAGE)
        return f->message->known == WF_KNOWN_TIMESTAMP ? WEFT_T_TIME : WEFT_T_JSON;
    return scalar_type(f);
}

static bool is_key(const struct weft_product_info *info, const char *name)
{
    for (size_t i = 0; i < info->key_count; i++)
        if (strcmp(info->keys[i], name) == 0)
            return true;
    return false;
}

static enum weft_err make_fields(struct weft_product *p)
{
    uint32_t count = p->message ? p->message->field_count : 0;

    p->fields = wf_arena_calloc(&p->arena, count ? count : 1, sizeof *p->fields);
    if (!p->fields)
        return wf_arena_err(&p->arena);
    for (uint32_t i = 0; i < count; i++) {
        const struct wf_schema_field *f = &p->message->fields[i];
        p->fields[i] = (struct weft_field){ .name = f->name,
            .json_name = f->json_name,
            .unit = f->unit,
            .description = f->description,
            .privacy = wf_privacy_name(f->privacy),
            .type = column_type(f),
            .role = (enum weft_role)f->role,
            .number = f->number,
            .key = is_key(&p->info, f->name) };
    }
    return WEFT_OK;
}

// ---- life ----------------------------------------------------------------------------------------------------------------

static enum weft_err compile(
    struct weft_product *p, struct wf_bytes schema, struct weft_problem *problem)
{
    struct wf_diag diag = { 0 };
    const char *wanted = p->info.message[0] ? p->info.message : p->info.service;
    enum weft_err err = wf_bytes_dup(schema, &p->descriptor);

    // The hash of the bytes at hand: those of an earlier schema, or of kept bytes, are not those of the advert.
    if (!err) {
        struct wf_hash hash;
        wf_blake2b(schema, &hash);
        err = keep_hash(&p->arena, &hash, &p->info.schema);
    }
    if (!err)
        err = wf_schema_compile(wf_buf_view(&p->descriptor), &p->schema, &diag);
    if (err) {
        wf_problem_set(problem, err, "schema of %s/%s: %s", p->info.domain, p->info.name,
            diag.text[0] ? diag.text : weft_err_text(err));
        return err;
    }
    if (p->info.message[0])
        p->message = wf_schema_find_message(p->schema, wf_bytes_str(p->info.message));
    bool found = p->info.message[0]
                     ? p->message != NULL
                     : wf_schema_find_service(p->schema, wf_bytes_str(wanted)) != NULL;
    if (!found) {
        wf_problem_set(problem, WEFT_E_SCHEMA, "schema of %s/%s: it has no \"%s\"", p->info.domain,
            p->info.name, wanted);
        return WEFT_E_SCHEMA;
    }
    return make_fields(p);
}

enum weft_err wf_descriptor_borrow(const Weft__V1__ProductDescriptor *d, struct wf_product *ret)
{
    struct wf_product p = { .domain = d->domain,
        .name = d->name,
        .version = d->version,
        .title = d->title,
        .description = d->description,
        .owner_name = d->owner ? d->owner->name : "",
        .owner_contact = d->owner ? d->owner->contact : "",
        .kind = (enum wf_product_kind)d->kind,
        .message = d->message,
        .service = d->service,
        .key_count = d->n_key_fields,
        .keys = (const char **)(uintptr_t)d->key_fields,
        .tag_count = d->n_tags,
        .tags = (const char **)(uintptr_t)d->tags,
        .region_count = d->n_regions,
        .regions = (const char **)(uintptr_t)d->regions,
        .classification = (enum wf_classification)d->classification,
        .freshness_ms = d->freshness_ms,
        .retention_ms = d->retention_ms,
        .linger_us = d->linger_us,
        .batch_bytes = d->batch_bytes,
        .drops = d->drops };
    enum weft_err err = wf_hash_from(wf_pb_view(d->schema_hash), &p.schema_hash);

    if (!err)
        *ret = p;
    return err;
}

enum weft_err wf_product_object(const struct wf_product *descriptor,
    const struct wf_entry_doc *advert, struct wf_bytes schema, struct weft_product **ret,
    struct weft_problem *problem)
{
    struct weft_product *p = calloc(1, sizeof *p);

    if (!p) {
        wf_problem_set(problem, WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
        return WEFT_E_NOMEM;
    }
    atomic_init(&p->refs, 1);
    pthread_mutex_init(&p->mutex, NULL);
    wf_arena_init(&p->arena, INFO_MEMORY);
    enum weft_err err = wf_product_info_fill(descriptor, advert, &p->arena, &p->info);
    if (err)
        wf_problem_set(problem, err, "%s", weft_err_text(err));
    else
        err = compile(p, schema, problem);
    if (err) {
        weft_product_free(p);
        return err;
    }
    *ret = p;
    return WEFT_OK;
}

enum weft_err weft_product_from_descriptor(const void *set, size_t len, const char *message,
    struct weft_product **ret, struct weft_problem *problem)
{
    struct wf_product none = { .kind = WF_PRODUCT_EVENT, .message = message };

    if (!message || !message[0]) {
        wf_problem_set(problem, WEFT_E_USAGE, "which message? give its full name");
        return WEFT_E_USAGE;
    }
    if (len > WF_MAX_DOCUMENT) {
        wf_problem_set(
            problem, WEFT_E_TOO_BIG, "a descriptor set has at most %u bytes", WF_MAX_DOCUMENT);
        return WEFT_E_TOO_BIG;
    }
    return wf_product_object(&none, NULL, wf_bytes(set, len), ret, problem);
}

void wf_product_ref(struct weft_product *p)
{
    atomic_fetch_add(&p->refs, 1);
}

// ---- what applications see -----------------------------------------------------------------------------------------------

const struct wf_schema_message *wf_product_message(const struct weft_product *p)
{
    return p->message;
}

const struct wf_schema *wf_product_schema(const struct weft_product *p)
{
    return p->schema;
}

const struct weft_product_info *weft_product_info(const struct weft_product *p)
{
    return &p->info;
}

size_t weft_product_field_count(const struct weft_product *p)
{
    return p->message ? p->message->field_count : 0;
}

const struct weft_field *weft_product_field(const struct weft_product *p, size_t index)
{
    return index < weft_product_field_count(p) ? &p->fields[index] : NULL;
}

void weft_product_descriptor(const struct weft_product *p, const void **ret, size_t *ret_len)
{
    *ret = p->descriptor.ptr;
    *ret_len = p->descriptor.len;
}

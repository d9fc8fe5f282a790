// SPDX-License-Identifier: Apache-2.0
// Reading records through a product: one column, or the whole as JSON. Values that need memory lie in the scratch of the
// calling thread, which the product keeps until it goes.
#include <stdlib.h>

#include "proto/schema/record_json.h"
#include "sdk/product_int.h"

struct wf_product_scratch {
    struct wf_product_scratch *next;
    pthread_t thread;
    struct wf_buf buf;
    struct wf_record_slot *slots; // one for each field
};

static void release(struct weft_product *p)
{
    while (p->scratch) {
        struct wf_product_scratch *s = p->scratch;
        p->scratch = s->next;
        wf_buf_fini(&s->buf);
        free(s->slots);
        free(s);
    }
    pthread_mutex_destroy(&p->mutex);
    wf_schema_free(p->schema);
    wf_buf_fini(&p->descriptor);
    wf_arena_fini(&p->arena);
    free(p);
}

void weft_product_free(struct weft_product *p)
{
    if (p && atomic_fetch_sub(&p->refs, 1) == 1)
        release(p);
}

// Empty. A product is const to those who read with it; its scratch is no part of what it says.
static struct wf_product_scratch *scratch_of(const struct weft_product *product)
{
    struct weft_product *p = (struct weft_product *)(uintptr_t)product;
    pthread_t me = pthread_self();

    pthread_mutex_lock(&p->mutex);
    struct wf_product_scratch *s = p->scratch;
    while (s && !pthread_equal(s->thread, me))
        s = s->next;
    if (!s) {
        s = calloc(1, sizeof *s);
        if (s) {
            s->thread = me;
            s->next = p->scratch;
            p->scratch = s;
        }
    }
    pthread_mutex_unlock(&p->mutex);
    if (s)
        s->buf.len = 0;
    return s;
}

// Behind what lies in the buffer: its bytes move, so that the caller sets the pointer when nothing more comes.
static enum weft_err json_value(const struct weft_product *p, const struct wf_schema_field *f,
    struct wf_bytes record, struct wf_buf *buf, struct weft_value *ret)
{
    size_t from = buf->len;
    enum weft_err err = wf_record_field_json(p->message, f, record, buf, NULL);
    struct wf_bytes text = wf_bytes(buf->ptr ? buf->ptr + from : NULL, buf->len - from);

    if (err || wf_bytes_is(text, "null")) { // absent
        buf->len = from;
        return err;
    }
    ret->type = WEFT_T_JSON;
    ret->bytes.ptr = NULL;
    ret->bytes.len = text.len;
    return WEFT_OK;
}

static enum weft_err moment_value(
    const struct wf_record_path *path, struct wf_bytes record, struct weft_value *ret)
{
    struct wf_moment t;
    bool present = false;
    enum weft_err err = wf_record_get_moment(path, record, &t, &present);

    if (err || !present)
        return err;
    if (!wf_timestamp_is_valid(t))
        return WEFT_E_RANGE;
    ret->type = WEFT_T_TIME;
    ret->integer = t.seconds * 1000000 + t.nanos / 1000;
    return WEFT_OK;
}

static enum weft_err time_of_ms(const struct wf_value *v, struct weft_value *ret)
{
    bool fits = v->kind == WF_VALUE_UINT ? v->u <= (uint64_t)WF_MAX_TIME_MS
                                         : v->i >= WF_MIN_TIME_US / 1000 && v->i <= WF_MAX_TIME_MS;

    if (!fits)
        return WEFT_E_RANGE;
    ret->integer = (v->kind == WF_VALUE_UINT ? (int64_t)v->u : v->i) * 1000;
    return WEFT_OK;
}

static void enum_value(const struct wf_schema_field *f, int32_t number, struct weft_value *ret)
{
    const struct wf_schema_enum_value *named = wf_schema_enum_by_number(f->enumeration, number);

    ret->integer = number;
    ret->name = named ? named->name : NULL;
}

static enum weft_err scalar_value(const struct wf_schema_field *f, enum weft_type type,
    const struct wf_value *v, struct weft_value *ret)
{
    ret->type = type;
    if (type == WEFT_T_TIME)
        return time_of_ms(v, ret);
    switch (v->kind) {
    case WF_VALUE_BOOL:
        ret->flag = v->b;
        break;
    case WF_VALUE_INT:
        ret->integer = v->i;
        break;
    case WF_VALUE_UINT:
        ret->natural = v->u;
        break;
    case WF_VALUE_FLOAT:
        ret->real = (double)v->f;
        break;
    case WF_VALUE_DOUBLE:
        ret->real = v->d;
        break;
    case WF_VALUE_ENUM:
        enum_value(f, v->number, ret);
        break;
    case WF_VALUE_STRING:
    case WF_VALUE_BYTES:
        ret->bytes.ptr = v->bytes.len ? (const char *)v->bytes.ptr : "";
        ret->bytes.len = v->bytes.len;
        break;
    case WF_VALUE_NONE:
    case WF_VALUE_MESSAGE:
        return WEFT_E_TYPE;
    }
    return WEFT_OK;
}

// One column that is no JSON, of which `slot` was found.
static enum weft_err column(const struct weft_product *p, const struct wf_record_path *path,
    const struct wf_record_slot *slot, struct wf_bytes record, struct weft_value *ret)
{
    const struct wf_schema_field *f = path->fields[0];
    struct wf_value v = { 0 };
    bool present = false;

    if (f->type == WF_TYPE_MESSAGE)
        return slot->pieces ? moment_value(path, record, ret) : WEFT_OK;
    enum weft_err err = wf_record_slot_get(f, slot, &v, &present);
    // A field without presence that is not there has its default; one with presence is absent.
    if (err || (!present && f->presence))
        return err;
    return scalar_value(f, p->fields[f - p->message->fields].type, &v, ret);
}

static void place_json(struct weft_value *values, size_t count, const struct wf_buf *buf)
{
    const char *at = (const char *)buf->ptr;

    for (size_t i = 0; i < count; i++)
        if (values[i].type == WEFT_T_JSON) {
            values[i].bytes.ptr = at;
            at += values[i].bytes.len;
        }
}

enum weft_err weft_record_values(const struct weft_product *p, const struct weft_record *r,
    struct weft_value *ret_values, size_t count)
{
    struct wf_record_path path = { .message = p->message, .count = 1 };
    struct wf_bytes record = wf_bytes(r->data, r->len);

    if (!p->message || count > p->message->field_count)
        return WEFT_E_RANGE;
    struct wf_product_scratch *s = scratch_of(p);
    if (s && !s->slots)
        s->slots = calloc(p->message->field_count + 1, sizeof *s->slots);
    if (!s || !s->slots)
        return WEFT_E_NOMEM;
    if (wf_record_slots(p->message, record, s->slots))
        return WEFT_E_RECORD;
    for (size_t i = 0; i < count; i++) {
        struct weft_value v = { 0 };
        path.fields[0] = &p->message->fields[i];
        enum weft_err err = p->fields[i].type == WEFT_T_JSON
                                ? json_value(p, path.fields[0], record, &s->buf, &v)
                                : column(p, &path, &s->slots[i], record, &v);
        if (err == WEFT_E_NOMEM)
            return err;
        ret_values[i] = err ? (struct weft_value){ 0 } : v;
    }
    place_json(ret_values, count, &s->buf);
    return WEFT_OK;
}

static enum weft_err one_json(const struct weft_product *p, const struct wf_schema_field *f,
    struct wf_bytes record, struct weft_value *ret)
{
    struct wf_product_scratch *s = scratch_of(p);
    enum weft_err err = s ? json_value(p, f, record, &s->buf, ret) : WEFT_E_NOMEM;

    if (!err)
        place_json(ret, 1, &s->buf);
    return err;
}

enum weft_err weft_record_value(
    const struct weft_product *p, const struct weft_record *r, size_t field, struct weft_value *ret)
{
    struct wf_bytes record = wf_bytes(r->data, r->len);
    struct wf_record_slot slot;
    struct weft_value v = { 0 };
    enum weft_err err;

    if (field >= weft_product_field_count(p))
        return WEFT_E_RANGE;
    const struct wf_schema_field *f = &p->message->fields[field];
    const struct wf_record_path path = { .message = p->message, .fields = { f }, .count = 1 };
    if (p->fields[field].type == WEFT_T_JSON) {
        err = one_json(p, f, record, &v);
    } else {
        err = wf_record_slot(&path, record, &slot);
        if (!err)
            err = column(p, &path, &slot, record, &v);
    }
    if (err)
        return err == WEFT_E_NOMEM ? err : WEFT_E_RECORD;
    *ret = v;
    return WEFT_OK;
}

enum weft_err weft_record_json(
    const struct weft_product *p, const struct weft_record *r, char **ret_text)
{
    struct wf_buf out = { 0 };

    if (!p->message)
        return WEFT_E_TYPE;
    enum weft_err err = wf_record_json(p->message, wf_bytes(r->data, r->len), NULL, &out, NULL);
    if (!err)
        err = wf_buf_append_byte(&out, '\0');
    if (err) {
        wf_buf_fini(&out);
        return err == WEFT_E_NOMEM ? err : WEFT_E_RECORD;
    }
    *ret_text = (char *)out.ptr;
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/alert/fields.h"

#include <stdio.h>
#include <string.h>

struct record {
    const struct weft_product *p;
    const struct weft_record *r;
    bool keys_only;
};

static void number(struct wf_expr_value *ret, double v)
{
    *ret = (struct wf_expr_value){ .kind = WF_KIND_NUMBER, .number = v };
}

static void text(struct wf_expr_value *ret, const char *ptr, size_t len)
{
    *ret = (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = ptr, .len = len };
}

static void convert(const struct weft_value *v, struct wf_expr_value *ret)
{
    switch (v->type) {
    case WEFT_T_BOOL:
        *ret = (struct wf_expr_value){ .kind = WF_KIND_TRUTH, .number = v->flag };
        break;
    case WEFT_T_INT:
        number(ret, (double)v->integer);
        break;
    case WEFT_T_UINT:
        number(ret, (double)v->natural);
        break;
    case WEFT_T_DOUBLE:
        number(ret, v->real);
        break;
    case WEFT_T_TIME:
        number(ret, (double)v->integer / 1e6);
        break;
    case WEFT_T_ENUM:
        if (v->name)
            text(ret, v->name, strlen(v->name));
        else
            number(ret, (double)v->integer);
        break;
    case WEFT_T_TEXT:
    case WEFT_T_JSON:
        text(ret, v->bytes.ptr, v->bytes.len);
        break;
    default: // bytes have no meaning here
        break;
    }
}

static void get_value(const void *arg, size_t field, struct wf_expr_value *ret)
{
    const struct record *r = arg;
    struct weft_value v = { 0 };

    *ret = (struct wf_expr_value){ .kind = WF_KIND_NONE };
    if (r->keys_only && !weft_product_field(r->p, field)->key)
        return;
    if (!weft_record_value(r->p, r->r, field, &v))
        convert(&v, ret);
}

static enum weft_err get_cell(const void *arg, size_t field, struct wf_mon_cell *ret)
{
    const struct record *r = arg;

    return wf_mon_record_cell(r->p, r->r, field, weft_product_field(r->p, field)->key, ret);
}

void wf_fields_fini(struct wf_fields *f, struct wf_engine *e)
{
    if (f->made)
        wf_engine_forget(e, &f->shape);
    wf_pool_fini(&f->pool);
    memset(f, 0, sizeof *f);
}

static bool copy_fields(
    struct wf_pool *pool, const struct weft_product *p, struct wf_shape_field *ret, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct weft_field *from = weft_product_field(p, i);
        ret[i] =
            (struct wf_shape_field){ .name = wf_pool_text(pool, from->name, strlen(from->name)),
                .key = from->key,
                .label = from->role == WEFT_ROLE_LABEL,
                .type = wf_mon_sql_type(from->type) };
        if (!ret[i].name)
            return false;
    }
    return true;
}

enum weft_err wf_fields_use(struct wf_fields *f, struct wf_engine *e,
    const struct wf_mon_feed *feed, const struct weft_product *p)
{
    const char *schema = p && weft_product_info(p)->schema ? weft_product_info(p)->schema : "";
    size_t count = p ? weft_product_field_count(p) : 0;
    struct wf_pool pool = { NULL };

    f->shape.freshness_ms = feed->freshness_ms < INT64_MAX / 8 ? feed->freshness_ms : 0;
    if (f->made && strcmp(f->schema, schema) == 0 && f->shape.field_count == count)
        return WEFT_OK;
    struct wf_shape_field *fields = wf_pool_get(&pool, (count + 1) * sizeof *fields);
    char *domain = wf_pool_text(&pool, feed->product, strcspn(feed->product, "/"));
    if (!fields || !domain || !copy_fields(&pool, p, fields, count)) {
        wf_pool_fini(&pool);
        return WEFT_E_NOMEM;
    }
    f->shape.product = feed->product;
    f->shape.domain = domain;
    f->shape.events = feed->kind == WEFT_EVENT;
    f->shape.inventory = feed->kind == WEFT_INVENTORY;
    f->shape.fields = fields;
    f->shape.field_count = count;
    struct wf_pool old = f->pool;
    f->pool = pool;
    f->made = true;
    snprintf(f->schema, sizeof f->schema, "%s", schema);
    enum weft_err err = wf_engine_reshape(e, &f->shape);
    wf_pool_fini(&old);
    return err;
}

enum weft_err wf_fields_learn(
    struct wf_fields *f, struct wf_engine *e, const struct wf_mon_feed *feed)
{
    const struct weft_product *p = feed->sub ? weft_subscription_product(feed->sub) : NULL;

    return p && f->made && !f->schema[0] ? wf_fields_use(f, e, feed, p) : WEFT_OK;
}

static int64_t newest_of(const struct weft_event *event)
{
    int64_t us = INT64_MIN;

    for (size_t i = 0; i < event->record_count; i++)
        us = event->records[i].time_us > us ? event->records[i].time_us : us;
    return us / 1000;
}

enum weft_err wf_fields_rows(struct wf_fields *f, struct wf_engine *e, const struct weft_product *p,
    const struct weft_event *event, uint64_t next, int64_t append_ms)
{
    int64_t newest_ms = newest_of(event);
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < event->record_count && !err; i++) {
        const struct weft_record *r = &event->records[i];
        const struct record record = { .p = p, .r = r, .keys_only = r->op == WEFT_DELETE };
        const struct wf_row row = { .shape = &f->shape,
            .deleted = r->op == WEFT_DELETE,
            .warm = r->offset < next && event->append_ms <= append_ms,
            .time_ms = wf_row_time(r->time_us / 1000, newest_ms, event->append_ms, event->late),
            .time_us = r->time_us,
            .append_ms = event->append_ms,
            .late = event->late,
            .offset = r->offset,
            .origin = event->origin,
            .arg = &record,
            .get = get_value,
            .cell = get_cell };
        if (r->op == WEFT_PUT || r->op == WEFT_DELETE)
            err = wf_engine_row(e, &row);
        else
            err =
                wf_engine_mark(e, &f->shape, event->origin, r->offset, r->op == WEFT_SNAPSHOT_END);
    }
    return err;
}

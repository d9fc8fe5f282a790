// SPDX-License-Identifier: Apache-2.0
// See plan.h.
#include "domains/monitoring/remote/plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- making it -----------------------------------------------------------------------------------------------------------

static bool has_label(const struct wf_remote_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->label_count; i++)
        if (strcmp(plan->labels[i].name, name) == 0)
            return true;
    return false;
}

static bool has_value(const struct wf_remote_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->value_count; i++)
        if (strcmp(plan->values[i].name, name) == 0)
            return true;
    return false;
}

static void add_label(struct wf_remote_plan *plan, const char *name, int field)
{
    struct wf_remote_label *l = &plan->labels[plan->label_count];
    unsigned nth = 1;

    do
        wf_remote_numbered(name, nth++, l->name);
    while (has_label(plan, l->name));
    l->field = field;
    plan->label_count++;
}

static void add_value(
    struct wf_remote_plan *plan, const char *product, const struct weft_field *f, size_t field)
{
    struct wf_remote_value *v = &plan->values[plan->value_count];
    char name[WF_REMOTE_NAME];
    unsigned nth = 1;

    wf_remote_metric(strchr(product, '/') ? strchr(product, '/') + 1 : product, f, name);
    do
        wf_remote_numbered(name, nth++, v->name);
    while (has_value(plan, v->name));
    v->field = field;
    plan->value_count++;
}

static bool is_number(enum weft_type type)
{
    return type == WEFT_T_BOOL || type == WEFT_T_INT || type == WEFT_T_UINT ||
           type == WEFT_T_DOUBLE || type == WEFT_T_TIME || type == WEFT_T_ENUM;
}

static void add_field(
    struct wf_remote_plan *plan, const char *product, const struct weft_field *f, size_t field)
{
    char name[WF_REMOTE_NAME];
    bool is_value = f->role == WEFT_ROLE_GAUGE || f->role == WEFT_ROLE_COUNTER;

    if ((f->role == WEFT_ROLE_LABEL || f->key) && f->type != WEFT_T_JSON &&
        f->type != WEFT_T_BYTES && f->type != WEFT_T_DOUBLE) {
        wf_remote_label(f->name, name);
        add_label(plan, name, (int)field);
    } else if (is_value && is_number(f->type)) {
        add_value(plan, product, f, field);
    } else if (f->role == WEFT_ROLE_TIMESTAMP && f->type == WEFT_T_TIME) {
        plan->time_field = (int)field;
    } else if (is_value || f->role == WEFT_ROLE_HISTOGRAM) {
        size_t len = strlen(plan->left_out);
        snprintf(
            plan->left_out + len, sizeof plan->left_out - len, "%s%s", len ? ", " : "", f->name);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct wf_remote_label *x = a, *y = b;

    return strcmp(x->name, y->name);
}

struct wf_remote_plan *wf_remote_plan_new(const char *product, const struct weft_product *p)
{
    const char *schema = weft_product_info(p)->schema;
    struct wf_remote_plan *plan = calloc(1, sizeof *plan);

    if (!plan)
        return NULL;
    plan->field_count = weft_product_field_count(p);
    plan->time_field = -1;
    plan->schema = strdup(schema ? schema : "");
    plan->labels = calloc(plan->field_count + 4, sizeof *plan->labels);
    plan->values = calloc(plan->field_count + 1, sizeof *plan->values);
    if (!plan->schema || !plan->labels || !plan->values) {
        wf_remote_plan_free(plan);
        return NULL;
    }
    add_label(plan, "__name__", WF_REMOTE_IS_NAME);
    add_label(plan, "domain", WF_REMOTE_IS_DOMAIN);
    add_label(plan, "product", WF_REMOTE_IS_PRODUCT);
    add_label(plan, "origin", WF_REMOTE_IS_ORIGIN);
    for (size_t i = 0; i < plan->field_count; i++)
        add_field(plan, product, weft_product_field(p, i), i);
    qsort(plan->labels, plan->label_count, sizeof *plan->labels, by_name);
    return plan;
}

void wf_remote_plan_free(struct wf_remote_plan *plan)
{
    if (!plan)
        return;
    wf_remote_bytes_fini(&plan->text);
    wf_remote_bytes_fini(&plan->encoded);
    free(plan->schema);
    free(plan->labels);
    free(plan->values);
    free(plan);
}

bool wf_remote_plan_is(const struct wf_remote_plan *plan, const struct weft_product *p)
{
    const char *schema = weft_product_info(p)->schema;

    return plan && plan->field_count == weft_product_field_count(p) &&
           strcmp(plan->schema, schema ? schema : "") == 0;
}

// ---- labels --------------------------------------------------------------------------------------------------------------

static bool put_text(
    struct wf_remote_plan *plan, struct wf_remote_label *l, const char *s, size_t len)
{
    l->from = plan->text.len;
    l->len = len;
    return wf_remote_bytes_put(&plan->text, s, len);
}

static bool put_field(
    struct wf_remote_plan *plan, struct wf_remote_label *l, const struct weft_value *v)
{
    char digits[32] = "";

    switch (v->type) {
    case WEFT_T_TEXT:
        return put_text(plan, l, v->bytes.ptr, v->bytes.len);
    case WEFT_T_BOOL:
        return put_text(plan, l, v->flag ? "true" : "false", v->flag ? 4 : 5);
    case WEFT_T_UINT:
        snprintf(digits, sizeof digits, "%" PRIu64, v->natural);
        break;
    case WEFT_T_ENUM:
        if (v->name)
            return put_text(plan, l, v->name, strlen(v->name));
        snprintf(digits, sizeof digits, "%" PRId64, v->integer);
        break;
    case WEFT_T_INT:
    case WEFT_T_TIME:
        snprintf(digits, sizeof digits, "%" PRId64, v->integer);
        break;
    default: // absent: a label without a value is none
        break;
    }
    return put_text(plan, l, digits, strlen(digits));
}

enum weft_err wf_remote_plan_read(struct wf_remote_plan *plan, const char *product,
    const char *origin, const struct weft_product *p, const struct weft_record *r)
{
    size_t domain_len = strcspn(product, "/");
    bool ok = true;

    plan->text.len = 0;
    for (size_t i = 0; i < plan->label_count && ok; i++) {
        struct wf_remote_label *l = &plan->labels[i];
        struct weft_value v = { 0 };
        if (l->field == WF_REMOTE_IS_NAME)
            continue;
        if (l->field == WF_REMOTE_IS_DOMAIN) {
            ok = put_text(plan, l, product, domain_len);
        } else if (l->field == WF_REMOTE_IS_PRODUCT) {
            const char *name = product[domain_len] ? product + domain_len + 1 : "";
            ok = put_text(plan, l, name, strlen(name));
        } else if (l->field == WF_REMOTE_IS_ORIGIN) {
            ok = put_text(plan, l, origin, strlen(origin));
        } else {
            enum weft_err err = weft_record_value(p, r, (size_t)l->field, &v);
            if (err == WEFT_E_NOMEM)
                return err;
            ok = put_field(plan, l, err ? &(struct weft_value){ 0 } : &v);
        }
    }
    return ok ? WEFT_OK : WEFT_E_NOMEM;
}

enum weft_err wf_remote_plan_labels(struct wf_remote_plan *plan, size_t value)
{
    bool ok = true;

    plan->encoded.len = 0;
    for (size_t i = 0; i < plan->label_count && ok; i++) {
        const struct wf_remote_label *l = &plan->labels[i];
        if (l->field == WF_REMOTE_IS_NAME)
            ok = wf_remote_encode_label(&plan->encoded, l->name, plan->values[value].name,
                strlen(plan->values[value].name));
        else if (l->len)
            ok = wf_remote_encode_label(
                &plan->encoded, l->name, (const char *)plan->text.ptr + l->from, l->len);
    }
    return ok ? WEFT_OK : WEFT_E_NOMEM;
}

// ---- values --------------------------------------------------------------------------------------------------------------

static bool number_of(const struct weft_value *v, double *ret)
{
    switch (v->type) {
    case WEFT_T_BOOL:
        *ret = v->flag;
        return true;
    case WEFT_T_INT:
    case WEFT_T_ENUM:
        *ret = (double)v->integer;
        return true;
    case WEFT_T_UINT:
        *ret = (double)v->natural;
        return true;
    case WEFT_T_DOUBLE:
        *ret = v->real;
        return true;
    case WEFT_T_TIME:
        *ret = (double)v->integer / 1e6;
        return true;
    default:
        return false;
    }
}

enum weft_err wf_remote_plan_bits(const struct wf_remote_plan *plan, size_t value,
    const struct weft_product *p, const struct weft_record *r, bool *ret_there, uint64_t *ret_bits)
{
    struct weft_value v = { 0 };
    double number = 0;
    enum weft_err err = weft_record_value(p, r, plan->values[value].field, &v);

    *ret_there = false;
    if (err)
        return err == WEFT_E_NOMEM ? err : WEFT_OK;
    if (!number_of(&v, &number))
        return WEFT_OK;
    *ret_there = true;
    if (isnan(number)) // a host must not be able to end a series by a NaN of its choice
        *ret_bits = WF_REMOTE_NAN;
    else
        memcpy(ret_bits, &number, sizeof number);
    return WEFT_OK;
}

static int64_t floor_ms(int64_t us)
{
    return us / 1000 - (us % 1000 < 0);
}

enum weft_err wf_remote_plan_time(const struct wf_remote_plan *plan, const struct weft_product *p,
    const struct weft_record *r, int64_t *ret_ms)
{
    struct weft_value v = { 0 };
    enum weft_err err = WEFT_OK;

    *ret_ms = floor_ms(r->time_us);
    if (plan->time_field < 0)
        return WEFT_OK;
    err = weft_record_value(p, r, (size_t)plan->time_field, &v);
    if (err)
        return err == WEFT_E_NOMEM ? err : WEFT_OK;
    // libweft reads milliseconds as well; 0 is what proto3 says for a field that was not set.
    if (v.type == WEFT_T_TIME && v.integer)
        *ret_ms = floor_ms(v.integer);
    return WEFT_OK;
}

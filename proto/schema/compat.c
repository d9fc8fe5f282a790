// SPDX-License-Identifier: Apache-2.0
// The rules of Buf's WIRE_JSON category that can break a reader: https://buf.build/docs/breaking/rules (FIELD_SAME_TYPE,
// FIELD_SAME_CARDINALITY, FIELD_SAME_JSON_NAME, FIELD_SAME_ONEOF is left to readers, who see presence).
#include "proto/schema/compat.h"

static enum weft_err refuse(struct wf_diag *diag, const struct wf_schema_message *m,
    const struct wf_schema_field *f, const char *what, const char *was, const char *is)
{
    wf_diag_set(diag, 0, 0, "%s.%s: %swas %s, is %s", m->full_name, f->name, what, was, is);
    return WEFT_E_INCOMPATIBLE;
}

static const char *label(const struct wf_schema_field *f)
{
    return f->map ? "a map" : f->repeated ? "repeated" : f->required ? "required" : "singular";
}

static enum weft_err check_field(struct wf_diag *diag, const struct wf_schema_message *m,
    const struct wf_schema_field *was, const struct wf_schema_field *is)
{
    const char *a = wf_schema_type_name(was), *b = wf_schema_type_name(is);

    if (was->type != is->type || (!was->map && strcmp(a, b) != 0))
        return refuse(diag, m, was, "", a, b);
    if (was->map != is->map || was->repeated != is->repeated || was->required != is->required)
        return refuse(diag, m, was, "", label(was), label(is));
    if (strcmp(was->json_name, is->json_name) != 0)
        return refuse(diag, m, was, "its JSON name ", was->json_name, is->json_name);
    return WEFT_OK;
}

static enum weft_err check_message(
    struct wf_diag *diag, const struct wf_schema_message *was, const struct wf_schema_message *is)
{
    for (uint32_t i = 0; i < was->field_count; i++) {
        const struct wf_schema_field *now = wf_schema_field_by_number(is, was->fields[i].number);
        enum weft_err err = now ? check_field(diag, was, &was->fields[i], now) : WEFT_OK;
        if (err)
            return err;
    }
    for (uint32_t i = 0; i < is->field_count; i++)
        if (is->fields[i].required && !wf_schema_field_by_number(was, is->fields[i].number))
            return refuse(diag, is, &is->fields[i], "", "absent", "required");
    return WEFT_OK;
}

static enum weft_err check_service(
    struct wf_diag *diag, const struct wf_schema_service *was, const struct wf_schema_service *is)
{
    for (size_t i = 0; i < was->method_count; i++) {
        const struct wf_schema_method *a = &was->methods[i];
        const struct wf_schema_method *b = wf_schema_method_by_name(is, wf_bytes_str(a->name));
        if (!b || strcmp(a->input->full_name, b->input->full_name) != 0 ||
            strcmp(a->output->full_name, b->output->full_name) != 0) {
            wf_diag_set(
                diag, 0, 0, "%s.%s: is gone or has other messages", was->full_name, a->name);
            return WEFT_E_INCOMPATIBLE;
        }
    }
    return WEFT_OK;
}

enum weft_err wf_schema_compatible(
    const struct wf_schema *was, const struct wf_schema *is, struct wf_diag *diag)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < wf_schema_message_count(was) && !err; i++) {
        const struct wf_schema_message *m = wf_schema_message_at(was, i);
        const struct wf_schema_message *now =
            wf_schema_find_message(is, wf_bytes_str(m->full_name));
        if (now)
            err = check_message(diag, m, now);
    }
    for (size_t i = 0; i < wf_schema_service_count(was) && !err; i++) {
        const struct wf_schema_service *s = wf_schema_service_at(was, i);
        const struct wf_schema_service *now =
            wf_schema_find_service(is, wf_bytes_str(s->full_name));
        if (now)
            err = check_service(diag, s, now);
    }
    return err;
}

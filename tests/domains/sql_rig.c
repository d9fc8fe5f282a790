// SPDX-License-Identifier: Apache-2.0
// See sql_rig.h.
#include <stdio.h>
#include <string.h>

#include "tests/domains/sql_rig.h"

struct wf_rules *rules_of(const char *text, char *errors, size_t size)
{
    struct weft_conf *c = NULL;

    ck_assert_int_eq(weft_conf_parse(text, strlen(text), "r.yaml", &c, NULL), WEFT_OK);
    struct wf_rules *rules = wf_rules_read(c);
    ck_assert_ptr_nonnull(rules);
    snprintf(errors, size, "%s", weft_conf_errors(c));
    weft_conf_free(c);
    return rules;
}

static void on_observed(void *arg, const struct wf_observed *o)
{
    struct seen *s = arg;
    struct wf_expr_value v = { .kind = WF_KIND_NONE };

    if (s->only && strcmp(s->only, o->rule->name) != 0) {
        s->dropped++;
        return;
    }
    ck_assert_uint_lt(s->count, SEEN);
    s->all[s->count].truth = o->truth;
    s->all[s->count].gone = o->gone;
    s->all[s->count].anew = o->anew;
    s->all[s->count].record = o->record;
    s->all[s->count].has_value = o->has_value;
    s->all[s->count].value = o->value;
    s->all[s->count].offset = o->offset;
    snprintf(s->all[s->count].rule, 64, "%s", o->rule->name);
    wf_labels_print(o->labels, s->all[s->count].labels, 200);
    snprintf(s->all[s->count].product, 64, "%s", o->product);
    snprintf(s->all[s->count].origin, 64, "%s", o->origin);
    snprintf(s->all[s->count].detail, 200, "%s", o->detail);
    s->all[s->count].owner[0] = '\0';
    if (o->get && o->get(o->get_arg, "owner", &v) && v.kind == WF_KIND_TEXT)
        snprintf(s->all[s->count].owner, 64, "%.*s", (int)v.len, v.ptr);
    s->count++;
}

static const struct wf_shape_field disk_fields[] = { { "disk", false, true, "TEXT" },
    { "used", false, false, "REAL" } };
static const struct wf_shape_field owner_fields[] = { { "host", true, true, "TEXT" },
    { "owner", false, false, "TEXT" } };

void rig_rules(struct rig *g, const char *rules, int64_t at_s)
{
    char errors[512];
    struct wf_rules *old = g->rules;

    g->rules = rules_of(rules, errors, sizeof errors);
    ck_assert_str_eq(errors, "");
    wf_engine_rules(g->e, g->rules, MONDAY_MS + at_s * 1000);
    wf_rules_free(old);
}

void rig_begin(struct rig *g, const char *rules, const struct wf_engine_limits *limits)
{
    memset(g, 0, sizeof *g);
    g->disks = (struct wf_shape){ .product = "servers/disks",
        .domain = "servers",
        .freshness_ms = 60000,
        .fields = disk_fields,
        .field_count = 2,
        .seen = true };
    g->owners = (struct wf_shape){ .product = "servers/owners",
        .domain = "servers",
        .inventory = true,
        .fields = owner_fields,
        .field_count = 2,
        .seen = true };
    g->e = wf_engine_new(limits, on_observed, &g->seen);
    ck_assert_ptr_nonnull(g->e);
    rig_rules(g, rules, 0);
    ck_assert_int_eq(wf_engine_reshape(g->e, &g->disks), WEFT_OK);
    ck_assert_int_eq(wf_engine_reshape(g->e, &g->owners), WEFT_OK);
}

void rig_end(struct rig *g)
{
    wf_engine_free(g->e);
    wf_rules_free(g->rules);
}

struct pair {
    const char *text;
    double number; // where text 2 is NULL
    const char *second;
};

static void pair_value(const void *arg, size_t field, struct wf_expr_value *ret)
{
    const struct pair *p = arg;
    const char *text = field == 0 ? p->text : p->second;

    *ret = text ? (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = text, .len = strlen(text) }
                : (struct wf_expr_value){ .kind = WF_KIND_NUMBER, .number = p->number };
}

void say(struct rig *g, const char *origin, const char *disk, int64_t at_s, double used)
{
    const struct pair p = { disk, used, NULL };
    const struct wf_row row = { .shape = &g->disks,
        .warm = g->warm,
        .time_ms = MONDAY_MS + at_s * 1000,
        .append_ms = MONDAY_MS + at_s * 1000,
        .offset = g->offset++,
        .origin = origin,
        .arg = &p,
        .get = pair_value };

    ck_assert_int_eq(wf_engine_row(g->e, &row), WEFT_OK);
}

void own(struct rig *g, const char *host, const char *owner)
{
    const struct pair p = { host, 0, owner ? owner : "" };
    const struct wf_row row = { .shape = &g->owners,
        .deleted = !owner,
        .time_ms = MONDAY_MS,
        .append_ms = MONDAY_MS,
        .offset = g->offset++,
        .origin = "cmdb",
        .arg = &p,
        .get = pair_value };

    ck_assert_int_eq(wf_engine_row(g->e, &row), WEFT_OK);
}

void tick(struct rig *g, int64_t at_s)
{
    ck_assert_int_eq(wf_engine_tick(g->e, MONDAY_MS + at_s * 1000), WEFT_OK);
}

void saw(const struct rig *g, size_t count, enum wf_truth last)
{
    ck_assert_uint_eq(g->seen.count, count);
    ck_assert_int_eq(g->seen.all[count - 1].truth, last);
}

struct wanted {
    const char *rule;
    struct wf_engine_sql found;
    char reason[300];
};

static void on_sql(void *arg, const struct wf_engine_sql *s)
{
    struct wanted *w = arg;

    if (strcmp(s->rule->name, w->rule) != 0)
        return;
    w->found = *s;
    snprintf(w->reason, sizeof w->reason, "%s", s->reason);
}

void is_state(struct rig *g, const char *rule, enum wf_sql_state state, const char *reason)
{
    struct wanted w = { .rule = rule };

    wf_engine_each_sql(g->e, on_sql, &w);
    ck_assert_msg(
        w.found.state == state && (reason[0] ? strstr(w.reason, reason) != NULL : !w.reason[0]),
        "%s is %s: %s", rule, wf_sql_state_name(w.found.state), w.reason);
}

// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/alert/self.h"

#include <string.h>

enum self_field { NAME, STATE, CAUSE, TOKEN, LEASE, LAG, LOST, FAILURES };

static const struct wf_shape_field fields[] = { [NAME] = { "name", true, true, "TEXT" },
    [STATE] = { "state", false, true, "TEXT" },
    [CAUSE] = { "cause", false, false, "TEXT" },
    [TOKEN] = { "token_expires_ms", false, false, "INTEGER" },
    [LEASE] = { "lease_expires_ms", false, false, "INTEGER" },
    [LAG] = { "lag", false, false, "INTEGER" },
    [LOST] = { "lost", false, false, "INTEGER" },
    [FAILURES] = { "verify_failures", false, false, "INTEGER" } };

// The first three are those of products.
static const struct wf_shape_field rule_fields[] = { [NAME] = { "name", true, true, "TEXT" },
    [STATE] = { "state", false, true, "TEXT" },
    [CAUSE] = { "cause", false, false, "TEXT" },
    { "since_ms", false, false, "INTEGER" },
    { "rows", false, false, "INTEGER" } };

static struct wf_shape shape_of(
    const char *product, const struct wf_shape_field *of, size_t field_count)
{
    return (struct wf_shape){ .product = product,
        .domain = "monitor",
        .inventory = true,
        .fields = of,
        .field_count = field_count,
        .seen = true };
}

struct wf_self wf_self_new(void)
{
    return (struct wf_self){ .products =
                                 shape_of(WF_SELF_PRODUCT, fields, sizeof fields / sizeof *fields),
        .rules = shape_of(WF_SELF_RULES, rule_fields, sizeof rule_fields / sizeof *rule_fields) };
}

struct self_row {
    const struct wf_mon_feed *f;
    const char *cause;
    struct weft_stats stats;
};

static void text(struct wf_expr_value *ret, const char *s)
{
    *ret = (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = s, .len = strlen(s) };
}

static void number(struct wf_expr_value *ret, double v)
{
    *ret = (struct wf_expr_value){ .kind = WF_KIND_NUMBER, .number = v };
}

static void get_value(const void *arg, size_t field, struct wf_expr_value *ret)
{
    const struct self_row *r = arg;

    switch ((enum self_field)field) {
    case NAME:
        text(ret, r->f->product);
        break;
    case STATE:
        text(ret, wf_mon_feed_state(r->f));
        break;
    case CAUSE:
        text(ret, r->cause);
        break;
    case TOKEN:
        number(ret, (double)r->stats.token_expires_ms);
        break;
    case LEASE:
        number(ret, (double)r->stats.lease_expires_ms);
        break;
    case LAG:
        number(ret, (double)wf_mon_feed_lag(&r->stats));
        break;
    case LOST:
        number(ret, (double)r->stats.lost_records);
        break;
    case FAILURES:
        number(ret, (double)r->stats.verify_failures);
        break;
    }
}

enum weft_err wf_self_row(struct wf_self *self, struct wf_engine *e, const struct wf_mon_feed *f,
    const char *cause, int64_t unix_ms)
{
    struct self_row r = { .f = f, .cause = cause };
    const struct wf_row row = { .shape = &self->products,
        .time_ms = unix_ms,
        .append_ms = unix_ms,
        .offset = self->offset++,
        .origin = "weft-monitor",
        .arg = &r,
        .get = get_value };

    if (f->sub)
        weft_subscription_stats(f->sub, &r.stats);
    return wf_engine_row(e, &row);
}

// ---- rules --------------------------------------------------------------------------------------------------------------------

static void get_rule_value(const void *arg, size_t field, struct wf_expr_value *ret)
{
    const struct wf_engine_sql *r = arg;

    if (field == NAME)
        text(ret, r->rule->name);
    else if (field == STATE)
        text(ret, wf_sql_state_name(r->state));
    else if (field == CAUSE)
        text(ret, r->reason);
    else
        number(ret, field == CAUSE + 1 ? (double)r->since_ms : (double)r->rows);
}

struct telling {
    struct wf_self *self;
    struct wf_engine *e;
    int64_t unix_ms;
    enum weft_err err;
};

static void tell_rule(void *arg, const struct wf_engine_sql *r)
{
    struct telling *t = arg;
    const struct wf_row row = { .shape = &t->self->rules,
        .time_ms = t->unix_ms,
        .append_ms = t->unix_ms,
        .offset = t->self->offset++,
        .origin = "weft-monitor",
        .arg = r,
        .get = get_rule_value };

    if (!t->err)
        t->err = wf_engine_row(t->e, &row);
}

enum weft_err wf_self_rules(struct wf_self *self, struct wf_engine *e, int64_t unix_ms)
{
    struct telling t = { .self = self, .e = e, .unix_ms = unix_ms };

    if (wf_engine_wants(e, WF_SELF_RULES))
        wf_engine_each_sql(e, tell_rule, &t);
    return t.err;
}

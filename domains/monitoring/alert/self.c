// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/alert/self.h"

#include <stdio.h>
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

static const struct wf_shape_field limit_fields[] = { { "name", true, true, "TEXT" },
    { "used", false, true, "REAL" }, { "most", false, true, "REAL" },
    { "refused", false, true, "INTEGER" } };

static const struct wf_shape_field part_fields[] = { { "name", true, true, "TEXT" },
    { "state", false, true, "TEXT" }, { "wrong", false, false, "TEXT" },
    { "wrong_s", false, true, "REAL" }, { "waiting", false, false, "INTEGER" },
    { "dropped", false, false, "INTEGER" } };

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
        .rules = shape_of(WF_SELF_RULES, rule_fields, sizeof rule_fields / sizeof *rule_fields),
        .limits =
            shape_of(WF_SELF_LIMITS, limit_fields, sizeof limit_fields / sizeof *limit_fields),
        .parts = shape_of(WF_SELF_PARTS, part_fields, sizeof part_fields / sizeof *part_fields) };
}

enum weft_err wf_self_tie(struct wf_self *self, struct wf_engine *e)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < WF_SELF_SHAPES && !err; i++)
        err = wf_engine_reshape(e, &self->all[i]);
    return err;
}

void wf_self_forget(struct wf_self *self, struct wf_engine *e)
{
    for (size_t i = 0; i < WF_SELF_SHAPES; i++)
        wf_engine_forget(e, &self->all[i]);
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

// ---- bounds and processes --------------------------------------------------------------------------------------------------------

static enum weft_err tell(struct wf_self *self, struct wf_engine *e, struct wf_row *row)
{
    row->append_ms = row->time_ms;
    row->offset = self->offset++;
    row->origin = "weft-monitor";
    return wf_engine_row(e, row);
}

struct limit {
    const char *name;
    double used, most;
    uint64_t refused;
};

static void get_limit_value(const void *arg, size_t field, struct wf_expr_value *ret)
{
    const struct limit *l = arg;

    if (field == 0)
        text(ret, l->name);
    else
        number(ret, field == 1 ? l->used : field == 2 ? l->most : (double)l->refused);
}

struct limits {
    struct wf_self *self;
    struct wf_engine *e;
    int64_t unix_ms;
    enum weft_err err;
};

static void tell_limit(struct limits *t, const struct limit *l)
{
    struct wf_row row = {
        .shape = &t->self->limits, .time_ms = t->unix_ms, .arg = l, .get = get_limit_value
    };

    if (!t->err)
        t->err = tell(t->self, t->e, &row);
}

// Of two names each: bytes of all windows, records of the longest.
static void tell_usage(void *arg, const char *domain, const struct wf_query_usage *usage)
{
    char name[WF_MON_PRODUCT + 16];
    const char *of = domain[0] ? ":" : "";

    snprintf(name, sizeof name, "sql%s%s", of, domain);
    tell_limit(arg,
        &(struct limit){ name, (double)usage->bytes, (double)usage->most_bytes, usage->pushed });
    snprintf(name, sizeof name, "sql-records%s%s", of, domain);
    tell_limit(arg, &(struct limit){ name, (double)usage->rows, (double)usage->most_rows, 0 });
}

enum weft_err wf_self_limits(struct wf_self *self, struct wf_engine *e,
    const struct wf_alerts *alerts, const struct wf_notify *notify, int64_t unix_ms)
{
    struct wf_engine_stats g;
    struct wf_notify_stats n;
    struct limits t = { .self = self, .e = e, .unix_ms = unix_ms };
    size_t count = wf_alerts_count(alerts, WF_ALERT_PENDING) +
                   wf_alerts_count(alerts, WF_ALERT_FIRING) +
                   wf_alerts_count(alerts, WF_ALERT_RESOLVED);

    wf_engine_stats(e, &g);
    wf_notify_stats(notify, &n);
    const struct limit limits[] = { { "series", (double)g.series, WF_ENGINE_SERIES, g.refused },
        { "memory", (double)g.bytes, WF_ENGINE_BYTES, 0 },
        { "alerts", (double)count, WF_ALERTS_MOST, wf_alerts_refused(alerts) },
        { "messages", (double)n.most_waiting, WF_QUEUE_ALERTS, n.queues.given_up } };
    if (!wf_engine_wants(e, WF_SELF_LIMITS))
        return WEFT_OK;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        tell_limit(&t, &limits[i]);
    wf_engine_each_usage(e, tell_usage, &t);
    return t.err;
}

struct part_row {
    const struct wf_mon_pulse *p;
    int64_t unix_ms;
};

static void get_part_value(const void *arg, size_t field, struct wf_expr_value *ret)
{
    const struct part_row *r = arg;
    const struct wf_mon_pulse *p = r->p;

    switch (field) {
    case 0:
        text(ret, p->name);
        break;
    case 1:
        text(ret, wf_mon_pulse_state(p, r->unix_ms));
        break;
    case 2:
        text(ret, p->wrong);
        break;
    case 3: // what a process that ended said was wrong is over
        number(ret, p->alive && p->wrong_ms ? (double)(r->unix_ms - p->wrong_ms) / 1000 : 0);
        break;
    default:
        number(ret, (double)wf_mon_pulse_get(p, field == 4 ? "waiting" : "dropped_total"));
    }
}

enum weft_err wf_self_parts(
    struct wf_self *self, struct wf_engine *e, const char *db, int64_t unix_ms)
{
    struct wf_mon_pulse pulses[WF_MON_PULSES];
    size_t count = wf_engine_wants(e, WF_SELF_PARTS) ? wf_mon_pulses_read(db, pulses) : 0;
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < count && !err; i++) {
        const struct part_row r = { .p = &pulses[i], .unix_ms = unix_ms };
        err = tell(self, e,
            &(struct wf_row){
                .shape = &self->parts, .time_ms = unix_ms, .arg = &r, .get = get_part_value });
    }
    return err;
}

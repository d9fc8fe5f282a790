// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/alert/self.h"

#include <string.h>

enum self_field { NAME, STATE, CAUSE, TOKEN, LEASE, LAG, LOST, FAILURES };

static const struct wf_shape_field fields[] = { [NAME] = { "name", true, true },
    [STATE] = { "state", false, true },
    [CAUSE] = { "cause", false, false },
    [TOKEN] = { "token_expires_ms", false, false },
    [LEASE] = { "lease_expires_ms", false, false },
    [LAG] = { "lag", false, false },
    [LOST] = { "lost", false, false },
    [FAILURES] = { "verify_failures", false, false } };

struct wf_shape wf_self_shape(void)
{
    return (struct wf_shape){ .product = WF_SELF_PRODUCT,
        .domain = "monitor",
        .fields = fields,
        .field_count = sizeof fields / sizeof *fields,
        .seen = true };
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

enum weft_err wf_self_row(struct wf_shape *shape, struct wf_engine *e, const struct wf_mon_feed *f,
    const char *cause, int64_t unix_ms)
{
    struct self_row r = { .f = f, .cause = cause };
    const struct wf_row row = { .shape = shape,
        .time_ms = unix_ms,
        .append_ms = unix_ms,
        .origin = "weft-monitor",
        .arg = &r,
        .get = get_value };

    if (f->sub)
        weft_subscription_stats(f->sub, &r.stats);
    return wf_engine_row(e, &row);
}

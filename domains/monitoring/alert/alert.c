// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/alert/alert.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wf_alerts {
    // Trees, tsearch(3): labels are what others write, and sums can be made to meet.
    void *ids, *all_series;
    struct wf_alert key; // what is looked for; what else it has is nothing
    struct wf_alert *all;
    size_t count;
    struct wf_share *shares;
    uint64_t refused;
    wf_alert_fn fn;
    void *arg;
};

struct wf_alerts *wf_alerts_new(wf_alert_fn fn, void *arg)
{
    struct wf_alerts *s = calloc(1, sizeof *s);

    if (s) {
        s->fn = fn;
        s->arg = arg;
    }
    return s;
}

// ---- the table -------------------------------------------------------------------------------------------------------------

static uint64_t sum_of(const char *rule, const struct wf_labels *series)
{
    return wf_sum(wf_sum(0, rule, strlen(rule) + 1), series->text, series->len);
}

static int by_id(const void *a, const void *b) // an id, or an alert, which begins with it
{
    return strcmp(a, b);
}

static int by_series(const void *left, const void *right)
{
    const struct wf_alert *a = left, *b = right;
    int order = strcmp(a->rule, b->rule);

    if (!order && a->series.len != b->series.len)
        order = a->series.len < b->series.len ? -1 : 1;
    return order ? order : memcmp(a->series.text, b->series.text, a->series.len);
}

static struct wf_alert *find_in(
    void *const *tree, const void *key, int (*order)(const void *, const void *))
{
    struct wf_alert *const *at = tfind(key, tree, order);

    return at ? *at : NULL;
}

struct wf_alert *wf_alerts_find(struct wf_alerts *s, const char *id)
{
    return find_in(&s->ids, id, by_id);
}

static struct wf_alert *find_series(
    struct wf_alerts *s, const char *rule, const struct wf_labels *series)
{
    snprintf(s->key.rule, sizeof s->key.rule, "%s", rule);
    s->key.series.len = series->len;
    memcpy(s->key.series.text, series->text, series->len);
    return find_in(&s->all_series, &s->key, by_series);
}

static bool plant(struct wf_alerts *s, struct wf_alert *a)
{
    if (!tsearch(a, &s->ids, by_id))
        return false;
    if (tsearch(a, &s->all_series, by_series))
        return true;
    tdelete(a, &s->ids, by_id);
    return false;
}

static struct wf_alert *add(
    struct wf_alerts *s, const struct wf_alert *from, enum weft_err *ret_err)
{
    // The monitor's own rules have no colon in their names.
    struct wf_share *share =
        wf_share_of(&s->shares, from->product, strchr(from->rule, ':') != NULL);
    bool full = share && (s->count >= WF_ALERTS_MOST ||
                             !wf_share_has_room(share, share->count, WF_ALERTS_MOST));
    struct wf_alert *a = full || !share ? NULL : malloc(sizeof *a);

    *ret_err = full ? WEFT_E_FULL : WEFT_E_NOMEM;
    if (a)
        *a = *from;
    if (!a || !plant(s, a)) {
        s->refused++;
        free(a);
        return NULL;
    }
    a->prev = NULL;
    a->next = s->all;
    if (a->next)
        a->next->prev = a;
    s->all = a;
    s->count++;
    a->share = share;
    share->count++;
    return a;
}

// Of what was looked for last. Its id is the sum of rule and labels; of those that are taken the next one that is not.
static struct wf_alert *add_series(struct wf_alerts *s, const char *product, enum weft_err *ret_err)
{
    uint64_t sum = sum_of(s->key.rule, &s->key.series);

    do
        snprintf(s->key.id, sizeof s->key.id, "%016" PRIx64, sum++);
    while (wf_alerts_find(s, s->key.id));
    snprintf(s->key.product, sizeof s->key.product, "%s", product);
    return add(s, &s->key, ret_err);
}

static void drop(struct wf_alerts *s, struct wf_alert *a)
{
    tdelete(a, &s->ids, by_id);
    tdelete(a, &s->all_series, by_series);
    if (a->next)
        a->next->prev = a->prev;
    *(a->prev ? &a->prev->next : &s->all) = a->next;
    s->count--;
    a->share->count--;
    free(a);
}

void wf_alerts_free(struct wf_alerts *s)
{
    while (s && s->all)
        drop(s, s->all);
    if (s)
        wf_shares_fini(&s->shares);
    free(s);
}

// ---- what an observation writes ------------------------------------------------------------------------------------------------

struct named {
    const struct wf_observed *o;
    const struct wf_alert *a;
};

static bool template_value(void *arg, const char *name, struct wf_expr_value *ret)
{
    const struct named *n = arg;
    const char *label = wf_labels_get(&n->a->series, name);

    if (strcmp(name, "value") == 0) {
        *ret = (struct wf_expr_value){ .kind = n->a->has_value ? WF_KIND_NUMBER : WF_KIND_NONE,
            .number = n->a->value };
        return true;
    }
    if (!label && strcmp(name, "rule") == 0)
        label = n->a->rule;
    if (!label && strcmp(name, "product") == 0)
        label = n->a->product;
    if (!label && (strcmp(name, "origin") == 0 || strcmp(name, "host") == 0))
        label = n->o->origin;
    if (!label && strcmp(name, "detail") == 0)
        label = n->a->detail;
    if (!label)
        return n->o->get && n->o->get(n->o->get_arg, name, ret);
    *ret = (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = label, .len = strlen(label) };
    return true;
}

static void write_texts(struct wf_alert *a, const struct wf_observed *o)
{
    const struct wf_rule *r = o->rule;
    struct named n = { .o = o, .a = a };
    char value[WF_LABEL_VALUE];

    wf_template_fill(r->summary, template_value, &n, a->summary, sizeof a->summary);
    wf_template_fill(r->description, template_value, &n, a->description, sizeof a->description);
    wf_template_fill(r->runbook, template_value, &n, a->runbook, sizeof a->runbook);
    snprintf(a->by, sizeof a->by, "%s", r->by ? r->by : "");
    a->severity = r->severity;
    a->labels = a->series;
    for (size_t i = 0; i < r->label_count; i++) {
        wf_template_fill(r->labels[i].value, template_value, &n, value, sizeof value);
        (void)wf_labels_set(&a->labels, r->labels[i].name, value, strlen(value));
    }
}

static void write_value(struct wf_alert *a, const struct wf_observed *o)
{
    if (o->has_value) {
        a->has_value = true;
        a->value = o->value;
    }
    if (o->detail[0])
        snprintf(a->detail, sizeof a->detail, "%s", o->detail);
    a->updated_ms = o->time_ms;
    a->changed = true;
    if (!o->record)
        return;
    snprintf(a->product, sizeof a->product, "%s", o->product);
    a->last = (struct wf_evidence){ .offset = o->offset, .time_ms = o->time_ms };
    snprintf(a->last.product, sizeof a->last.product, "%s", o->product);
    snprintf(a->last.origin, sizeof a->last.origin, "%s", o->origin);
}

// ---- states --------------------------------------------------------------------------------------------------------------------

static void begin(struct wf_alert *a, const struct wf_observed *o)
{
    a->state = WF_ALERT_PENDING;
    a->since_ms = o->time_ms;
    a->began = a->last = (struct wf_evidence){ .offset = 0 };
    a->rule_id = o->rule->id;
    a->has_value = false;
    a->detail[0] = '\0';
    snprintf(a->product, sizeof a->product, "%s", o->product);
}

static void fire(struct wf_alerts *s, struct wf_alert *a, const struct wf_observed *o)
{
    a->state = WF_ALERT_FIRING;
    a->fired_ms = o->time_ms;
    a->resolved_ms = 0;
    a->counted = false;
    a->fired = a->last;
    a->episode++;
    s->fn(s->arg, a, WF_STEP_FIRING);
}

static enum weft_err on_true(struct wf_alerts *s, const struct wf_observed *o)
{
    struct wf_alert *a = find_series(s, o->rule->name, o->labels);
    enum weft_err err = WEFT_OK;

    if (!a)
        a = add_series(s, o->product, &err);
    if (!a)
        return err;
    bool fresh = a->state == WF_ALERT_INACTIVE || a->state == WF_ALERT_RESOLVED ||
                 (a->state == WF_ALERT_PENDING && o->anew);
    if (fresh)
        begin(a, o);
    write_value(a, o);
    if (fresh)
        a->began = a->last;
    // Without a record behind it, texts that name fields have nothing new to say.
    if (o->record || fresh || o->has_value)
        write_texts(a, o);
    if (fresh && o->rule->when.for_ms > 0)
        s->fn(s->arg, a, WF_STEP_PENDING);
    if (a->state == WF_ALERT_PENDING && o->time_ms - a->since_ms >= o->rule->when.for_ms)
        fire(s, a, o);
    return WEFT_OK;
}

static void on_false(struct wf_alerts *s, const struct wf_observed *o)
{
    struct wf_alert *a = find_series(s, o->rule->name, o->labels);

    if (!a || a->state == WF_ALERT_RESOLVED)
        return;
    write_value(a, o);
    // Who heard of it firing, and not yet that it was over, still has to.
    if (a->state == WF_ALERT_PENDING && a->resolved_ms) {
        a->state = WF_ALERT_RESOLVED;
        s->fn(s->arg, a, WF_STEP_RESOLVED);
        return;
    }
    if (a->state != WF_ALERT_FIRING) {
        a->state = WF_ALERT_INACTIVE;
        s->fn(s->arg, a, WF_STEP_DROPPED);
        drop(s, a);
        return;
    }
    if (o->gone && !o->detail[0])
        snprintf(a->detail, sizeof a->detail, "%s",
            o->record ? "its row was deleted" : "its rule was removed or changed");
    a->state = WF_ALERT_RESOLVED;
    a->resolved_ms = o->time_ms;
    a->acked_by[0] = a->ack_note[0] = '\0';
    a->acked_ms = a->ack_until_ms = 0;
    s->fn(s->arg, a, WF_STEP_RESOLVED);
}

enum weft_err wf_alerts_observe(struct wf_alerts *s, const struct wf_observed *o)
{
    if (o->truth == WF_TRUE && !o->gone)
        return on_true(s, o);
    if (o->truth == WF_FALSE || o->gone)
        on_false(s, o);
    return WEFT_OK;
}

enum weft_err wf_alerts_put(struct wf_alerts *s, const struct wf_alert *a)
{
    enum weft_err err = WEFT_E_EXISTS;
    bool known = wf_alerts_find(s, a->id) || find_series(s, a->rule, &a->series);
    struct wf_alert *to = known ? NULL : add(s, a, &err);

    if (!to)
        return err;
    to->changed = false;
    return WEFT_OK;
}

void wf_alerts_expire(
    struct wf_alerts *s, int64_t now_ms, void (*fn)(void *arg, const char *id), void *arg)
{
    for (struct wf_alert *a = s->all, *next; a; a = next) {
        next = a->next;
        if (a->state != WF_ALERT_RESOLVED || now_ms - a->resolved_ms <= WF_ALERT_KEPT_MS)
            continue;
        if (fn)
            fn(arg, a->id);
        drop(s, a);
    }
}

void wf_alerts_keep_rules(struct wf_alerts *s, const struct wf_rules *rules, int64_t now_ms)
{
    for (struct wf_alert *a = s->all, *next; a; a = next) {
        struct wf_rule rule = { .name = a->rule };
        const struct wf_observed o = {
            .rule = &rule, .labels = &a->series, .gone = true, .time_ms = now_ms, .detail = ""
        };
        next = a->next;
        const struct wf_rule *now =
            a->state == WF_ALERT_RESOLVED ? NULL : wf_rules_find(rules, a->rule);
        if (a->state != WF_ALERT_RESOLVED && (!now || now->id != a->rule_id))
            on_false(s, &o);
    }
}

// ---- looking -------------------------------------------------------------------------------------------------------------------

struct wf_alert *wf_alerts_first(struct wf_alerts *s)
{
    return s->all;
}

size_t wf_alerts_count(const struct wf_alerts *s, enum wf_alert_state state)
{
    size_t n = 0;

    for (const struct wf_alert *a = s->all; a; a = a->next)
        n += a->state == state;
    return n;
}

uint64_t wf_alerts_refused(const struct wf_alerts *s)
{
    return s->refused;
}

static const char *match_value(const void *arg, const char *name)
{
    const struct wf_alert *a = arg;
    const char *label = wf_labels_get(&a->labels, name);

    if (label)
        return label;
    return strcmp(name, "rule") == 0       ? a->rule
           : strcmp(name, "severity") == 0 ? wf_severity_name(a->severity)
           : strcmp(name, "product") == 0  ? a->product
           : strcmp(name, "id") == 0       ? a->id
                                           : NULL;
}

const struct wf_silence *wf_alert_silenced(
    const struct wf_alert *a, const struct wf_silence *silences, size_t count, int64_t now_ms)
{
    for (size_t i = 0; i < count; i++)
        if (silences[i].begins_ms <= now_ms && now_ms < silences[i].ends_ms &&
            wf_matcher_holds(&silences[i].match, match_value, a))
            return &silences[i];
    return NULL;
}

bool wf_alert_is_acked(const struct wf_alert *a, int64_t now_ms)
{
    return a->acked_ms && now_ms < a->ack_until_ms;
}

const char *wf_alert_state_name(enum wf_alert_state state)
{
    static const char *const names[] = { "inactive", "pending", "firing", "resolved" };

    return names[state];
}

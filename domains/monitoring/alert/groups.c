// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/alert/groups.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *value_of(const struct wf_alert *a, const char *name)
{
    const char *label = wf_labels_get(&a->labels, name);

    if (strcmp(name, "rule") == 0)
        return a->rule;
    if (strcmp(name, "severity") == 0)
        return wf_severity_name(a->severity);
    if (strcmp(name, "product") == 0 && !label)
        return a->product;
    return label ? label : "";
}

static void key_of(
    const struct wf_group_conf *conf, const struct wf_alert *a, char out[WF_GROUP_KEY])
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < conf->label_count && len < WF_GROUP_KEY; i++)
        len += (size_t)snprintf(out + len, WF_GROUP_KEY - len, "%s%s=%s", i ? " " : "",
            conf->labels[i], value_of(a, conf->labels[i]));
}

static int by_key(const void *a, const void *b) // a key, or a group, which begins with it
{
    return strcmp(a, b);
}

// NULL without memory.
static struct wf_group *group_of(
    struct wf_groups *s, const struct wf_group_conf *conf, const struct wf_alert *a)
{
    char key[WF_GROUP_KEY];

    key_of(conf, a, key);
    struct wf_group *const *at = tfind(key, &s->tree, by_key);
    if (at)
        return *at;
    struct wf_group *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    memcpy(g->key, key, sizeof key);
    if (!tsearch(g, &s->tree, by_key)) {
        free(g);
        return NULL;
    }
    g->next = s->all;
    if (g->next)
        g->next->prev = g;
    s->all = g;
    s->count++;
    return g;
}

static void drop(struct wf_groups *s, struct wf_group *g)
{
    tdelete(g, &s->tree, by_key);
    if (g->next)
        g->next->prev = g->prev;
    *(g->prev ? &g->prev->next : &s->all) = g->next;
    s->count--;
    free(g);
}

void wf_groups_fini(struct wf_groups *s)
{
    while (s->all)
        drop(s, s->all);
}

bool wf_alert_is_quiet(const struct wf_alert *a, const struct wf_group_view *v)
{
    return wf_alert_is_acked(a, v->now_ms) ||
           wf_alert_silenced(a, v->silences, v->count, v->now_ms) != NULL;
}

// Whether its state was not told yet. A resolution is told only of what was told to fire.
static bool is_news(const struct wf_alert *a, bool quiet)
{
    if (a->state == WF_ALERT_FIRING)
        return (a->told != WF_ALERT_FIRING || a->told_ms < a->fired_ms) && !a->counted && !quiet;
    return a->told == WF_ALERT_FIRING; // over, be it that it begins again
}

// Groups come and go with labels. One of which nothing fires, and whose interval is over, is as good as one that never was.
static void forget(struct wf_groups *s, int64_t interval_ms, int64_t now_ms)
{
    for (struct wf_group *g = s->all, *next; g; g = next) {
        next = g->next;
        if (!g->firing && !g->changed_ms && now_ms - g->sent_ms > interval_ms)
            drop(s, g);
    }
}

bool wf_groups_look(struct wf_groups *s, const struct wf_group_conf *conf, struct wf_alerts *alerts,
    const struct wf_group_view *v, bool *ret_news)
{
    bool whole = true;

    *ret_news = false;
    for (struct wf_group *g = s->all; g; g = g->next) {
        g->firing = false;
        g->members = NULL;
    }
    for (struct wf_alert *a = wf_alerts_first(alerts); a; a = a->next) {
        bool firing = a->state == WF_ALERT_FIRING;
        bool quiet = firing && wf_alert_is_quiet(a, v), news = is_news(a, quiet);
        struct wf_group *g = news || (firing && !quiet) ? group_of(s, conf, a) : NULL;
        if (!g) {
            whole = whole && !news && (!firing || quiet);
            continue;
        }
        a->in_group = g->members;
        g->members = a;
        g->firing = g->firing || (firing && !news);
        if (firing && !news && !g->sent_ms)
            g->sent_ms = a->told_ms; // told in an earlier run
        if (news && !g->changed_ms) {
            g->changed_ms = v->now_ms;
            *ret_news = true;
        }
    }
    forget(s, conf->interval_ms, v->now_ms);
    return whole;
}

int64_t wf_group_due(const struct wf_group *g, const struct wf_group_conf *conf)
{
    int64_t due = INT64_MAX;

    if (g->changed_ms) {
        due = g->changed_ms + conf->wait_ms;
        if (g->sent_ms && g->sent_ms + conf->interval_ms > due)
            due = g->sent_ms + conf->interval_ms;
    } else if (g->firing && conf->repeat_ms) {
        due = g->sent_ms + conf->repeat_ms;
    }
    return due;
}

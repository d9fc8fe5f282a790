// SPDX-License-Identifier: Apache-2.0
// How often a source was refused for one reason within a minute: to a number they are recorded singly, then only counted, so that nobody fills
// the trail by being refused. A domain has places of its own: one that uses many names loses only its own single records.
#include <stdio.h>
#include <stdlib.h>

#include "node/access/priv.h"

#define MINUTE_MS 60000

static struct wf_access_group *group_of(struct wf_access_room *a, const char *who)
{
    const char *slash = strchr(who, '/');
    size_t len = slash ? (size_t)(slash - who) : 0;

    for (size_t i = 0; i < a->group_count; i++)
        if (strncmp(a->groups[i]->domain, who, len) == 0 && !a->groups[i]->domain[len])
            return a->groups[i];
    struct wf_access_group *g =
        a->group_count < WF_ACCESS_GROUPS && len <= WF_MAX_NAME ? calloc(1, sizeof *g) : NULL;
    if (!g)
        return &a->crowd;
    memcpy(g->domain, who, len);
    a->groups[a->group_count++] = g;
    return g;
}

static void summarise(struct wf_node *n, struct wf_access_source *s)
{
    if (s->count > s->singly)
        wf_access_summary(n, s, s->count - s->singly);
    s->count = 0;
}

static bool is_over(const struct wf_access_source *s, int64_t now)
{
    return s->count == 0 || now - s->since_ms >= MINUTE_MS;
}

static void begin(struct wf_node *n, struct wf_access_source *s, const char *who, uint32_t code)
{
    summarise(n, s);
    *s = (struct wf_access_source){ .code = code, .since_ms = wf_node_now_ms(n) };
    snprintf(s->who, sizeof s->who, "%s", who);
}

// The place of this source in its minute, begun when there is none; NULL: all places are taken.
static struct wf_access_source *source_of(
    struct wf_node *n, struct wf_access_group *g, const char *who, uint32_t code)
{
    struct wf_access_source *place = NULL;
    int64_t now = wf_node_now_ms(n);

    for (size_t i = 0; i < WF_ACCESS_SOURCES; i++) {
        struct wf_access_source *s = &g->each[i];
        if (!is_over(s, now) && s->code == code && strcmp(s->who, who) == 0)
            return s;
        if (!place && is_over(s, now))
            place = s;
    }
    if (place)
        begin(n, place, who, code);
    return place;
}

static struct wf_access_source *rest_of(struct wf_node *n, struct wf_access_group *g, uint32_t code)
{
    char who[sizeof g->domain + 2];

    if (is_over(&g->rest, wf_node_now_ms(n))) {
        snprintf(who, sizeof who, "%s%s*", g->domain, g->domain[0] ? "/" : "");
        begin(n, &g->rest, who, code);
    }
    return &g->rest;
}

bool wf_access_only_counted(struct wf_node *n, const char *who, enum weft_err code)
{
    struct wf_access_room *a = n->access;
    struct wf_access_group *g = group_of(a, who);
    struct wf_access_source *s = source_of(n, g, who, (uint32_t)code);

    if (s && s->count < WF_ACCESS_SINGLY) {
        s->count++;
        s->singly++;
        return false;
    }
    if (!s)
        s = rest_of(n, g, (uint32_t)code);
    s->count++;
    if (!s->id[0])
        wf_access_next_id(a, s->id);
    memcpy(a->audit_id, s->id, sizeof a->audit_id);
    return true;
}

static void group_tick(struct wf_node *n, struct wf_access_group *g, int64_t now)
{
    for (size_t i = 0; i < WF_ACCESS_SOURCES; i++)
        if (is_over(&g->each[i], now))
            summarise(n, &g->each[i]);
    if (is_over(&g->rest, now))
        summarise(n, &g->rest);
}

void wf_access_sources_tick(struct wf_node *n)
{
    struct wf_access_room *a = n->access;
    int64_t now = wf_node_now_ms(n);

    for (size_t i = 0; i < a->group_count; i++)
        group_tick(n, a->groups[i], now);
    group_tick(n, &a->crowd, now);
}

void wf_access_sources_free(struct wf_access_room *a)
{
    for (size_t i = 0; i < a->group_count; i++)
        free(a->groups[i]);
    a->group_count = 0;
}

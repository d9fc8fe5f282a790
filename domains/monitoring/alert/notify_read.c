// SPDX-License-Identifier: Apache-2.0
// From the key `notify` of a rules file to where and when alerts are told. See notify.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/notify.h"

struct reader {
    struct weft_conf *c;
    struct wf_notify_conf *out;
};

static const char *keep(struct reader *r, const char *s)
{
    const char *out = wf_pool_text(&r->out->pool, s, strlen(s));

    if (!out)
        weft_conf_error(r->c, 0, 0, "out of memory");
    return out ? out : "";
}

static void read_time(
    struct reader *r, const struct weft_conf_node *map, const char *key, int64_t *ret)
{
    const struct weft_conf_node *n = weft_conf_get(map, key);
    int64_t ms = 0;

    if (!n)
        return;
    if (n->kind != WEFT_CONF_VALUE ||
        (strcmp(n->text, "0") != 0 && weft_conf_duration(n->text, &ms)) || ms > 366 * 86400000LL)
        weft_conf_error(r->c, n->line, n->column, "want 0 or a duration, such as 10s or 4h");
    *ret = ms;
}

static void read_words(struct reader *r, const struct weft_conf_node *n, struct wf_target_conf *t)
{
    size_t count = 0;

    for (const struct weft_conf_node *k = n->kind == WEFT_CONF_LIST ? n->child : NULL; k;
         k = k->next) {
        if (k->kind != WEFT_CONF_VALUE || count == WF_TARGET_WORDS) {
            weft_conf_error(r->c, k->line, k->column, "want at most %u words", WF_TARGET_WORDS);
            return;
        }
        t->words[count++] = keep(r, k->text);
    }
    if (!count || !t->words[0][0])
        weft_conf_error(r->c, n->line, n->column,
            "want a program and its arguments, as in command: [/usr/local/bin/page, --now]");
}

// The path of Alertmanager's API stands behind its address.
static void read_url(
    struct reader *r, const struct weft_conf_node *n, const char *path, struct wf_target_conf *t)
{
    char url[2048];
    const char *text = n->kind == WEFT_CONF_VALUE ? n->text : "";
    size_t len = strlen(text);

    if ((strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0) || len > 1900) {
        weft_conf_error(
            r->c, n->line, n->column, "want an address that begins with http:// or https://");
        return;
    }
    if (strchr(text, '@'))
        weft_conf_error(r->c, n->line, n->column,
            "no passwords in this file; let a proxy on this host add them");
    while (path[0] && len && text[len - 1] == '/')
        len--;
    snprintf(url, sizeof url, "%.*s%s", (int)len, text, path);
    t->words[0] = keep(r, url);
}

static void read_target(struct reader *r, const struct weft_conf_node *n)
{
    static const char *const known[] = { "command", "webhook", "alertmanager", NULL };
    struct wf_target_conf *t = &r->out->targets[r->out->target_count];
    const struct weft_conf_node *what = n->kind == WEFT_CONF_MAP ? n->child : NULL;

    if (n->kind == WEFT_CONF_VALUE && strcmp(n->text, "stdout") == 0) {
        r->out->target_count++;
        return;
    }
    if (!what || n->count != 1) {
        weft_conf_error(r->c, n->line, n->column,
            "want stdout, {command: [PROGRAM, ARGUMENT]}, {webhook: URL} or {alertmanager: URL}");
        return;
    }
    weft_conf_known(r->c, n, known);
    if (strcmp(what->key, "command") == 0) {
        t->kind = WF_TARGET_COMMAND;
        read_words(r, what, t);
    } else if (strcmp(what->key, "webhook") == 0) {
        t->kind = WF_TARGET_WEBHOOK;
        read_url(r, what, "", t);
    } else {
        t->kind = WF_TARGET_ALERTMANAGER;
        read_url(r, what, "/api/v2/alerts", t);
    }
    r->out->target_count++;
}

static void read_targets(struct reader *r, const struct weft_conf_node *map)
{
    const struct weft_conf_node *to = weft_conf_get(map, "to");

    if (!to)
        return;
    if (to->kind != WEFT_CONF_LIST || to->count > WF_NOTIFY_TARGETS) {
        weft_conf_error(
            r->c, to->line, to->column, "want a list of at most %u targets", WF_NOTIFY_TARGETS);
        return;
    }
    for (const struct weft_conf_node *n = to->child; n; n = n->next)
        read_target(r, n);
}

static void read_group(struct reader *r, const struct weft_conf_node *map)
{
    const struct weft_conf_node *group = weft_conf_get(map, "group");

    if (!group)
        return;
    r->out->group.label_count = 0;
    for (const struct weft_conf_node *n = group->kind == WEFT_CONF_LIST ? group->child : group; n;
         n = group->kind == WEFT_CONF_LIST ? n->next : NULL) {
        if (n->kind != WEFT_CONF_VALUE || r->out->group.label_count == WF_GROUP_LABELS) {
            weft_conf_error(r->c, n->line, n->column, "want at most %u labels", WF_GROUP_LABELS);
            return;
        }
        r->out->group.labels[r->out->group.label_count++] = keep(r, n->text);
    }
}

struct wf_notify_conf *wf_notify_read(struct weft_conf *c)
{
    static const char *const known[] = { "wait", "interval", "repeat", "alive", "group", "to",
        NULL };
    const struct weft_conf_node *n = weft_conf_get(weft_conf_root(c), "notify");
    struct wf_notify_conf *out = calloc(1, sizeof *out);
    struct reader r = { .c = c, .out = out };

    if (!out)
        return NULL;
    out->group.wait_ms = 200;
    out->group.interval_ms = 10000;
    out->group.repeat_ms = 4 * 3600000LL;
    out->group.labels[out->group.label_count++] = "rule";
    if (!n) {
        out->targets[out->target_count++].kind = WF_TARGET_STDOUT;
        return out;
    }
    if (n->kind != WEFT_CONF_MAP) {
        weft_conf_error(c, n->line, n->column, "want keys and values");
        return out;
    }
    weft_conf_known(c, n, known);
    read_time(&r, n, "wait", &out->group.wait_ms);
    read_time(&r, n, "interval", &out->group.interval_ms);
    read_time(&r, n, "repeat", &out->group.repeat_ms);
    read_time(&r, n, "alive", &out->alive_ms);
    read_group(&r, n);
    read_targets(&r, n);
    return out;
}

void wf_notify_conf_free(struct wf_notify_conf *c)
{
    if (!c)
        return;
    wf_pool_fini(&c->pool);
    free(c);
}

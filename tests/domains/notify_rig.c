// SPDX-License-Identifier: Apache-2.0
// See notify_rig.h.
#include "tests/domains/notify_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/support.h"

struct wf_notify_conf *rig_conf(const char *text, struct weft_conf **ret)
{
    ck_assert_int_eq(weft_conf_parse(text, strlen(text), "n.yaml", ret, NULL), WEFT_OK);
    struct wf_notify_conf *n = wf_notify_read(*ret);
    ck_assert_str_eq(weft_conf_errors(*ret), "");
    return n;
}

void rig_init(struct rig *g, const char *text)
{
    memset(g, 0, sizeof *g);
    fflush(stdout);
    g->screen = dup(STDOUT_FILENO);
    snprintf(g->out, sizeof g->out, "%s/out", wf_test_tmpdir());
    g->notify = rig_conf(text, &g->conf);
    g->n = wf_notify_new(g->notify, "servers/watch");
    g->alerts = wf_alerts_new(NULL, NULL);
    ck_assert(g->screen >= 0 && g->n && g->alerts);
    g->now_ms = NOON_MS;
}

void rig_fini(struct rig *g)
{
    ck_assert_int_ge(dup2(g->screen, STDOUT_FILENO), 0);
    close(g->screen);
    wf_notify_free(g->n);
    wf_notify_conf_free(g->notify);
    wf_alerts_free(g->alerts);
    weft_conf_free(g->conf);
}

void hang(void)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    while (write(ends[1], "x", 1) == 1)
        continue;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_ge(dup2(ends[1], STDOUT_FILENO), 0);
    close(ends[1]); // the other end stays: without it writing fails
}

void refuse_all(void)
{
    int fd = open("/dev/full", O_WRONLY);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(dup2(fd, STDOUT_FILENO), 0);
    close(fd);
}

void take(const struct rig *g)
{
    int fd = open(g->out, O_CREAT | O_WRONLY | O_APPEND, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(dup2(fd, STDOUT_FILENO), 0);
    close(fd);
}

struct wf_notify_stats turn(struct rig *g, int64_t later_ms)
{
    struct wf_notify_stats stats;

    g->now_ms += later_ms;
    wf_notify_wake(g->n);
    wf_notify_turn(g->n, g->alerts, NULL, 0, g->now_ms);
    wf_notify_stats(g->n, &stats);
    return stats;
}

void settle(struct rig *g, int64_t each_ms)
{
    for (unsigned i = 0; i < 10 && !wf_notify_is_idle(g->n); i++)
        turn(g, each_ms);
    ck_assert(wf_notify_is_idle(g->n));
}

struct wf_alert *fire(struct rig *g, unsigned id, const char *rule)
{
    static struct wf_alert a;
    char label[16];

    memset(&a, 0, sizeof a);
    snprintf(a.id, sizeof a.id, "%08x", id);
    snprintf(a.rule, sizeof a.rule, "%s", rule);
    snprintf(a.product, sizeof a.product, "servers/disks");
    a.state = WF_ALERT_FIRING;
    a.fired_ms = a.since_ms = g->now_ms;
    a.told = a.kept_told = WF_ALERT_PENDING;
    wf_labels_init(&a.series);
    snprintf(label, sizeof label, "d%u", id);
    ck_assert(wf_labels_set(&a.series, "disk", label, strlen(label)));
    a.labels = a.series;
    ck_assert_int_eq(wf_alerts_put(g->alerts, &a), WEFT_OK);
    return wf_alerts_find(g->alerts, a.id);
}

void become(struct rig *g, struct wf_alert *a, enum wf_alert_state state)
{
    a->state = state;
    if (state == WF_ALERT_FIRING)
        a->fired_ms = g->now_ms;
    else
        a->resolved_ms = g->now_ms;
}

void heard(const struct rig *g, unsigned id, char *out, size_t size)
{
    struct wf_buf text = wf_test_file(g->out);
    char key[32];
    size_t n = 0;

    snprintf(key, sizeof key, "\"id\":\"%08x\"", id);
    if (text.len)
        text.ptr[text.len - 1] = '\0'; // its last line feed
    for (const char *at = text.len ? (const char *)text.ptr : ""; (at = strstr(at, key)) != NULL;
         at++) {
        const char *state = strstr(at, "\"state\":\"");
        ck_assert(state && n + 1 < size);
        out[n++] = state[9];
    }
    out[n] = '\0';
    wf_buf_fini(&text);
}

void has_heard(const struct rig *g, unsigned id, const char *want)
{
    char got[32];

    heard(g, id, got, sizeof got);
    ck_assert_msg(strcmp(got, want) == 0, "%08x: %s, not %s", id, got, want);
}

// SPDX-License-Identifier: Apache-2.0
// Life of the room: a mirror for each product of `mirror:`, what the node's advert says of them, status and metrics.
#include <stdio.h>
#include <stdlib.h>

#include "node/conf.h"
#include "node/gossip/room.h"
#include "node/metrics.h"
#include "node/mirror/priv.h"
#include "node/queues.h"
#include "sdk/disk.h"

static enum weft_err mirror_new(
    struct wf_mirror_room *r, const struct wf_conf_mirror *c, struct wf_diag *diag)
{
    struct wf_mirror *m = calloc(1, sizeof *m), **end = &r->mirrors;
    const char *slash = strchr(c->product, '/');

    if (!m)
        return WEFT_E_NOMEM;
    m->room = r;
    m->timer.fire = wf_mirror_timer;
    m->age_ms = c->age_ms;
    m->max_bytes = c->bytes;
    m->heard_ms = -1;
    snprintf(m->name, sizeof m->name, "%s", c->product);
    snprintf(m->alarm, sizeof m->alarm, "mirror-%.40s", c->product);
    while (*end)
        end = &(*end)->next;
    *end = m;
    r->mirror_count++;
    enum weft_err err =
        wf_name_from(wf_bytes(c->product, (size_t)(slash - c->product)), &m->domain);
    if (!err)
        err = wf_name_from(wf_bytes_str(slash + 1), &m->product);
    return err ? err : wf_mirror_store_open(m, diag);
}

static enum weft_err mirror_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_mirror_room *r = NULL;
    char *dir = NULL;

    if (!n->conf->mirror.count)
        return WEFT_OK; // nothing is mirrored: there is no room
    r = calloc(1, sizeof *r);
    if (!r)
        return WEFT_E_NOMEM;
    n->mirror = r;
    r->node = n;
    r->vfs = wf_vfs_posix;
    wf_mirror_serve_init(r);
    enum weft_err err = wf_disk_join(n->conf->data, "mirror", &dir);
    if (!err)
        err = wf_disk_mkdir(dir, diag);
    if (!err)
        err = wf_log_worker_new(&r->vfs, true, &r->worker);
    r->told = calloc(n->conf->mirror.count, sizeof *r->told);
    if (!err && !r->told)
        err = WEFT_E_NOMEM;
    for (size_t i = 0; i < n->conf->mirror.count && !err; i++)
        err = mirror_new(r, &n->conf->mirror.items[i], diag);
    free(dir);
    return err;
}

static enum weft_err mirror_start(struct wf_node *n, struct wf_diag *diag)
{
    (void)diag;
    for (struct wf_mirror *m = n->mirror ? n->mirror->mirrors : NULL; m; m = m->next)
        wf_mirror_soon(m, 0);
    return WEFT_OK;
}

static void mirror_tick(struct wf_node *n)
{
    struct wf_mirror_room *r = n->mirror;

    if (!r)
        return;
    wf_mirror_serve_tick(r);
    if (wf_node_now_ms(n) < r->retain_due_ms)
        return;
    r->retain_due_ms = wf_node_now_ms(n) + WF_MIRROR_RETAIN_MS;
    for (struct wf_mirror *m = r->mirrors; m; m = m->next)
        wf_log_retain(m->log, wf_node_now_unix_ms(n));
}

static void mirror_drain(struct wf_node *n)
{
    if (n->mirror)
        wf_mirror_serve_end(n->mirror);
}

static void mirror_close(struct wf_node *n)
{
    struct wf_mirror_room *r = n->mirror;

    if (!r)
        return;
    wf_mirror_serve_end(r);
    if (n->gossip)
        wf_gossip_set_mirrors(n, NULL, 0);
    for (struct wf_mirror *m = r->mirrors; m; m = m->next)
        wf_mirror_follow_end(m);
    while (r->mirrors) {
        struct wf_mirror *m = r->mirrors;
        r->mirrors = m->next;
        wf_mirror_store_close(m);
        free(m);
    }
    wf_log_worker_free(r->worker);
    wf_buf_fini(&r->scratch);
    free(r->told);
    free(r);
    n->mirror = NULL;
}

// ---- what the registry is told ---------------------------------------------------------------------------------------

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void wf_mirror_told_changed(struct wf_mirror_room *r)
{
    r->told_count = 0;
    for (const struct wf_mirror *m = r->mirrors; m; m = m->next)
        if (m->known && !m->refused)
            r->told[r->told_count++] = m->name;
    qsort(r->told, r->told_count, sizeof *r->told, by_name);
    wf_gossip_set_mirrors(r->node, r->told, r->told_count);
}

// ---- what people and metrics see ---------------------------------------------------------------------------------------

static const char *state_of(const struct wf_mirror *m)
{
    static const char *const names[] = { "waiting", "refused", "away", "following" };

    return names[m->state];
}

static size_t readers_of(const struct wf_mirror *m)
{
    size_t count = 0;

    for (const struct wf_mirror_lease *l = m->room->leases; l; l = l->next)
        count += l->m == m;
    return count;
}

void wf_mirror_status(struct wf_node *n, struct wf_arena *a, Weft__V1__StatusReply *reply)
{
    struct wf_mirror_room *r = n->mirror;
    Weft__V1__MirrorState **list = r ? wf_arena_calloc(a, r->mirror_count, sizeof *list) : NULL;
    size_t count = 0;

    for (struct wf_mirror *m = list ? r->mirrors : NULL; m; m = m->next) {
        Weft__V1__MirrorState *s = wf_arena_alloc(a, sizeof *s);
        if (!s)
            break;
        weft__v1__mirror_state__init(s);
        s->product = m->name; // the reply is packed before the room can go
        s->state = wf_pb_str(state_of(m));
        s->why = m->why;
        s->home = m->home.s;
        s->head = m->head.next_offset;
        s->floor = wf_mirror_floor(m);
        s->home_head = m->has_beat ? m->said.head_offset : 0;
        s->bytes = wf_mirror_bytes(m);
        s->heard_ms = m->heard_ms < 0 ? -1 : wf_node_now_ms(n) - m->heard_ms;
        s->readers = (uint32_t)readers_of(m);
        list[count++] = s;
    }
    reply->mirrors = list;
    reply->n_mirrors = count;
}

struct row {
    enum wf_metric which;
    uint64_t (*value)(const struct wf_mirror *m);
};

static uint64_t head_of(const struct wf_mirror *m)
{
    return m->head.next_offset;
}
static uint64_t lag_of(const struct wf_mirror *m)
{
    return m->has_beat && m->said.head_offset > m->head.next_offset
               ? m->said.head_offset - m->head.next_offset
               : 0;
}
static uint64_t follows_of(const struct wf_mirror *m)
{
    return m->state == WF_MIRROR_FOLLOWING;
}
static uint64_t entries_of(const struct wf_mirror *m)
{
    return m->count.entries;
}
static uint64_t refused_of(const struct wf_mirror *m)
{
    return m->count.refused;
}
static uint64_t served_of(const struct wf_mirror *m)
{
    return m->count.served;
}
static uint64_t denied_of(const struct wf_mirror *m)
{
    return m->count.denied;
}
static uint64_t leases_of(const struct wf_mirror *m)
{
    return readers_of(m);
}

static void mirror_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    static const struct row rows[] = {
        { WF_METRIC_MIRROR_FOLLOWING, follows_of },
        { WF_METRIC_MIRROR_HEAD, head_of },
        { WF_METRIC_MIRROR_LAG, lag_of },
        { WF_METRIC_MIRROR_BYTES, wf_mirror_bytes },
        { WF_METRIC_MIRROR_LEASES, leases_of },
        { WF_METRIC_MIRROR_ENTRIES, entries_of },
        { WF_METRIC_MIRROR_UNBELIEVED, refused_of },
        { WF_METRIC_MIRROR_SERVED, served_of },
        { WF_METRIC_MIRROR_DENIED, denied_of },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        wf_metric_head(m, rows[i].which);
        for (const struct wf_mirror *p = n->mirror ? n->mirror->mirrors : NULL; p; p = p->next)
            wf_metric_of(m, rows[i].which, (double)rows[i].value(p), "product=\"%s\"", p->name);
    }
}

static void mirror_queues(const struct wf_node *n, struct wf_queues *out)
{
    const struct wf_parked_set none = { .max = WF_MIRROR_PULLS };
    const struct wf_parked_set *pulls = n->mirror ? &n->mirror->pulls : &none;

    wf_queues_add(out, &(struct wf_queue){ .name = "mirror-pulls",
                           .items = pulls->count,
                           .max_items = pulls->max,
                           .dropped = pulls->full });
}

const struct wf_room wf_mirror_room = {
    .name = "mirror",
    .open = mirror_open,
    .start = mirror_start,
    .tick = mirror_tick,
    .drain = mirror_drain,
    .close = mirror_close,
    .metrics = mirror_metrics,
    .queues = mirror_queues,
};

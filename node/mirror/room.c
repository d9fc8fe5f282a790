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

static void unlink_mirror(struct wf_mirror *m)
{
    struct wf_mirror **at = &m->room->mirrors;

    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    m->room->mirror_count--;
    wf_mirror_store_close(m);
    free(m);
}

// What it held stays on the disk.
static void end_mirror(struct wf_mirror *m)
{
    struct wf_node *n = m->room->node;

    wf_mirror_serve_end_of(m);
    wf_mirror_follow_end(m);
    wf_alarm(n, m->alarm, NULL);
    unlink_mirror(m);
}

static enum weft_err mirror_new(struct wf_mirror_room *r, const struct wf_conf_mirror *c,
    struct wf_mirror **ret, struct wf_diag *diag)
{
    struct wf_mirror *m = calloc(1, sizeof *m), **end = &r->mirrors;
    const char *slash = strchr(c->product, '/');
    const char **told = m ? realloc(r->told, (r->mirror_count + 1) * sizeof *told) : NULL;

    if (!told) {
        free(m);
        return WEFT_E_NOMEM;
    }
    r->told = told;
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
    if (!err)
        err = wf_mirror_store_open(m, diag);
    if (err)
        unlink_mirror(m);
    else
        *ret = m;
    return err;
}

static enum weft_err room_new(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_mirror_room *r = calloc(1, sizeof *r);
    char *dir = NULL;

    if (!r)
        return WEFT_E_NOMEM;
    r->node = n;
    wf_mirror_serve_init(r);
    r->vfs = wf_vfs_posix;
    enum weft_err err = wf_disk_join(n->conf->data, "mirror", &dir);
    if (!err)
        err = wf_disk_mkdir(dir, diag);
    if (!err)
        err = wf_log_worker_new(&r->vfs, true, &r->worker);
    free(dir);
    if (err)
        free(r);
    else
        n->mirror = r;
    return err;
}

static enum weft_err mirror_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_mirror *m = NULL;

    if (!n->conf->mirror.count)
        return WEFT_OK; // nothing is mirrored: there is no room
    enum weft_err err = room_new(n, diag);
    for (size_t i = 0; i < n->conf->mirror.count && !err; i++)
        err = mirror_new(n->mirror, &n->conf->mirror.items[i], &m, diag);
    return err;
}

// ---- another configuration -------------------------------------------------------------------------------------------

static const struct wf_conf_mirror *wanted(const struct wf_mirror *m)
{
    const struct wf_conf *c = m->room->node->conf;

    for (size_t i = 0; i < c->mirror.count; i++)
        if (strcmp(c->mirror.items[i].product, m->name) == 0)
            return &c->mirror.items[i];
    return NULL;
}

static bool is_held(const struct wf_node *n, const char *product)
{
    for (const struct wf_mirror *m = n->mirror ? n->mirror->mirrors : NULL; m; m = m->next)
        if (strcmp(m->name, product) == 0)
            return true;
    return false;
}

static void add_mirror(struct wf_node *n, const struct wf_conf_mirror *c)
{
    struct wf_mirror *m = NULL;
    struct wf_diag diag = { 0 };
    char alarm[2 * WF_MAX_NAME + 16], text[240];
    enum weft_err err = n->mirror ? WEFT_OK : room_new(n, &diag);

    if (!err)
        err = mirror_new(n->mirror, c, &m, &diag);
    if (!err) {
        wf_mirror_soon(m, 0);
        return;
    }
    snprintf(alarm, sizeof alarm, "mirror-%.40s", c->product);
    snprintf(
        text, sizeof text, "it can't be begun: %s", diag.text[0] ? diag.text : weft_err_text(err));
    wf_alarm(n, alarm, text);
}

// As the configuration in force says, once a second: what it no longer names ends, what it names anew or with other bounds begins. One that
// can't begin is tried again with the next look.
static void apply(struct wf_node *n)
{
    bool fewer = false;

    for (struct wf_mirror *m = n->mirror ? n->mirror->mirrors : NULL, *next; m; m = next) {
        const struct wf_conf_mirror *c = wanted(m);
        next = m->next;
        if (c && c->age_ms == m->age_ms && c->bytes == m->max_bytes)
            continue;
        end_mirror(m);
        fewer = true;
    }
    if (fewer)
        wf_mirror_told_changed(n->mirror);
    for (size_t i = 0; i < n->conf->mirror.count; i++)
        if (!is_held(n, n->conf->mirror.items[i].product))
            add_mirror(n, &n->conf->mirror.items[i]);
}

static enum weft_err mirror_start(struct wf_node *n, struct wf_diag *diag)
{
    (void)diag;
    for (struct wf_mirror *m = n->mirror ? n->mirror->mirrors : NULL; m; m = m->next)
        wf_mirror_soon(m, 0);
    return WEFT_OK;
}

// What had no memory for its timer when a step ended.
static void push_on(const struct wf_mirror_room *r)
{
    for (struct wf_mirror *m = r->mirrors; m; m = m->next) {
        wf_mirror_look(m);
        if (!m->timer.index && !m->ask && !m->check)
            wf_mirror_soon(m, 0);
    }
}

static void mirror_tick(struct wf_node *n)
{
    if (!n->draining)
        apply(n);
    struct wf_mirror_room *r = n->mirror;
    if (!r)
        return;
    if (!n->draining)
        push_on(r);
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
    while (r->mirrors)
        unlink_mirror(r->mirrors);
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

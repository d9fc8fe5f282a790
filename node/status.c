// SPDX-License-Identifier: Apache-2.0
#include "node/status.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>

#include "node/access/room.h"
#include "node/address.h"
#include "node/agent/room.h"
#include "node/call.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/gossip/room.h"
#include "node/log/log.h"
#include "node/mirror/room.h"
#include "node/queues.h"
#include "node/source/room.h"
#include "node/stream/room.h"
#include "proto/base/print.h"

// Rooms that have something to say.
static const wf_status_fn sections[] = {
    wf_stream_status,
    wf_gossip_status,
    wf_mirror_status,
    wf_uplink_status,
    wf_access_status,
    NULL,
};

static char *text_in(struct wf_arena *a, const char *s)
{
    const char *copy = NULL;

    return wf_arena_str(a, wf_bytes_str(s), &copy) ? wf_pb_str("") : wf_pb_str(copy);
}

static char **one_text(struct wf_arena *a, const char *s, size_t *ret_count)
{
    char **v = wf_arena_alloc(a, sizeof *v);

    *ret_count = v ? 1 : 0;
    if (v)
        v[0] = text_in(a, s);
    return v;
}

static void add_alarms(const struct wf_node *n, struct wf_arena *a, Weft__V1__StatusReply *r)
{
    size_t count = 0, i = 0;

    for (const struct wf_alarm *m = n->core->alarms; m; m = m->next)
        count++;
    char **v = wf_arena_calloc(a, count, sizeof *v);
    if (!v)
        return;
    for (const struct wf_alarm *m = n->core->alarms; m; m = m->next) {
        char line[sizeof m->name + sizeof m->text + 4];
        snprintf(line, sizeof line, "%s: %s", m->name, m->text);
        v[i++] = text_in(a, line);
    }
    r->alarms = v;
    r->n_alarms = count;
}

static void add_protections(const struct wf_node *n, struct wf_arena *a, Weft__V1__StatusReply *r)
{
    char **v = wf_arena_calloc(a, 3, sizeof *v);

    if (!v)
        return;
    v[r->n_protections++] =
        text_in(a, prctl(PR_GET_DUMPABLE) ? "core dumps: ON" : "core dumps: off");
    v[r->n_protections++] =
        text_in(a, wf_net_shim_active() ? "listener shim: on" : "listener shim: OFF");
    v[r->n_protections++] = text_in(a,
        wf_node_keys_locked(n) ? "keys: locked memory" : "keys: NOT LOCKED (raise RLIMIT_MEMLOCK)");
    r->protections = v;
}

// ---- what a packet filter must let through ---------------------------------------------------------------------------

#define RULES_MAX 64u

static void add_rule(Weft__V1__StatusReply *r, struct wf_arena *a, const char *direction,
    const char *address, const char *purpose)
{
    Weft__V1__FirewallRule *f =
        r->firewall && r->n_firewall < RULES_MAX ? wf_arena_alloc(a, sizeof *f) : NULL;

    if (!f)
        return;
    weft__v1__firewall_rule__init(f);
    f->direction = wf_pb_str(direction);
    f->address = text_in(a, address);
    f->purpose = wf_pb_str(purpose);
    r->firewall[r->n_firewall++] = f;
}

// For a packet filter what counts is where the sockets are, not what others are told.
static const char *rule_address(
    const struct wf_address *host, const char *port, char out[WF_ADDRESS_TEXT + 8])
{
    snprintf(out, WF_ADDRESS_TEXT + 8, host->is_ipv6 ? "[%s]:%s" : "%s:%s", host->host, port);
    return out;
}

// From the configuration, and for what goes out from the peers that are known: after the sections.
static void add_firewall(struct wf_node *n, struct wf_arena *a, Weft__V1__StatusReply *r)
{
    const struct wf_conf *c = n->conf;
    char text[WF_ADDRESS_TEXT + 8], ports[16];

    r->firewall = wf_arena_calloc(a, RULES_MAX, sizeof *r->firewall);
    if (!n->is_agent) {
        snprintf(ports, sizeof ports, "%u", n->control->port);
        add_rule(r, a, "in", rule_address(&c->listen, ports, text),
            "control plane: members, agents, newcomers with a ticket");
        if (c->streams.first)
            snprintf(ports, sizeof ports, "%u-%u", c->streams.first, c->streams.last);
        else
            snprintf(ports, sizeof ports, "any");
        add_rule(r, a, "in", rule_address(&c->listen, ports, text),
            c->streams.first ? "streams: readers of this node's products"
                             : "streams: readers; streams.ports in weftd.yaml fixes the ports");
    }
    if (c->http.host[0]) {
        snprintf(ports, sizeof ports, "%u", c->http.port);
        add_rule(r, a, "in", rule_address(&c->http, ports, text), "health and metrics");
    }
    for (size_t i = 0; i < r->n_peers; i++)
        if (r->peers[i]->address[0])
            add_rule(r, a, "out", r->peers[i]->address,
                n->is_agent ? "the uplink to this domain's node" : "a node of the mesh");
}

// ---- what is looked at from second to second --------------------------------------------------------------------------

static void add_queues(const struct wf_node *n, struct wf_arena *a, Weft__V1__StatusReply *r)
{
    struct wf_queues all;

    wf_queues_of(n, n->is_agent ? wf_rooms_agent : wf_rooms_node, &all);
    r->queues = wf_arena_calloc(a, all.count, sizeof *r->queues);
    for (size_t i = 0; r->queues && i < all.count; i++) {
        Weft__V1__QueueState *q = wf_arena_alloc(a, sizeof *q);
        if (!q)
            return;
        weft__v1__queue_state__init(q);
        q->name = wf_pb_str(all.of[i].name);
        q->items = all.of[i].items;
        q->bytes = all.of[i].bytes;
        q->max_items = all.of[i].max_items;
        q->max_bytes = all.of[i].max_bytes;
        q->dropped = all.of[i].dropped;
        r->queues[r->n_queues++] = q;
    }
}

// ---- the log -----------------------------------------------------------------------------------------------------------

static uint64_t *widened(struct wf_arena *a, const uint32_t *from, size_t count)
{
    uint64_t *v = wf_arena_calloc(a, count, sizeof *v);

    for (size_t i = 0; v && i < count; i++)
        v[i] = from[i];
    return v;
}

static void add_log(const struct wf_node *n, struct wf_arena *a, Weft__V1__StatusReply *r)
{
    struct wf_log_stats s;
    Weft__V1__LogState *l = n->log ? wf_arena_alloc(a, sizeof *l) : NULL;
    uint64_t *sync_bounds = l ? widened(a, wf_log_sync_bounds_us, WF_LOG_SYNC_BOUNDS) : NULL,
             *group_bounds = l ? widened(a, wf_log_group_bounds, WF_LOG_GROUP_BOUNDS) : NULL;
    uint64_t *counts =
        l ? wf_arena_calloc(a, WF_COUNT(s.sync_classes) + WF_COUNT(s.group_classes), sizeof *counts)
          : NULL;

    if (!sync_bounds || !group_bounds || !counts)
        return;
    wf_log_stats(n->log, &s);
    memcpy(counts, s.sync_classes, sizeof s.sync_classes);
    memcpy(counts + WF_COUNT(s.sync_classes), s.group_classes, sizeof s.group_classes);
    weft__v1__log_state__init(l);
    l->directory = text_in(a, wf_log_dir(n->log));
    l->syncs = s.syncs;
    l->sync_max_us = s.worst_sync_us;
    l->sync_bounds_us = sync_bounds;
    l->n_sync_bounds_us = WF_LOG_SYNC_BOUNDS;
    l->sync_counts = counts;
    l->n_sync_counts = WF_COUNT(s.sync_classes);
    l->group_max = s.group_max;
    l->group_bounds = group_bounds;
    l->n_group_bounds = WF_LOG_GROUP_BOUNDS;
    l->group_counts = counts + WF_COUNT(s.sync_classes);
    l->n_group_counts = WF_COUNT(s.group_classes);
    r->log = l;
}

static void add_detail(struct wf_node *n, struct wf_arena *a, Weft__V1__StatusReply *r)
{
    add_queues(n, a, r);
    wf_stream_readers(n, a, r);
    wf_agents_status(n, a, r);
}

void wf_status_handle(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__StatusReply r = WEFT__V1__STATUS_REPLY__INIT;
    char print[WF_FINGERPRINT_LEN], listen[WF_ADDRESS_TEXT];
    struct wf_address at;
    struct statvfs fs;

    wf_fingerprint(wf_bytes(n->keys.sign_pub.b, WF_KEY_LEN), print);
    r.domain = wf_pb_str(n->identity.cert.domain.s); // empty without a certificate
    r.subject = wf_pb_str(n->identity.cert.subject.s);
    r.kind = wf_pb_str(n->is_agent ? "agent" : "node");
    r.fingerprint = print;
    r.mesh_id = wf_pb_bin(wf_hash_view(&n->mesh_id));
    if (n->charter) {
        r.mesh = wf_pb_str(n->charter->mesh);
        r.charter_version = n->charter->version;
        r.charter_expires_ms = n->charter->expires_ms;
    }
    r.certificate_expires_ms = n->identity.cert.not_after_ms; // also when that is past
    wf_node_shown_address(n, &at);
    if (!n->is_agent)
        r.listeners = one_text(c->arena, wf_address_text(&at, listen), &r.n_listeners);
    r.data_dir = wf_pb_str(n->conf->data);
    r.started_ms = n->started_unix_ms;
    r.time_ms = wf_node_now_unix_ms(n);
    r.version = wf_pb_str(WEFT_VERSION);
    if (statvfs(n->conf->data, &fs) == 0) {
        r.free_disk = (uint64_t)fs.f_bavail * fs.f_frsize;
        r.total_disk = (uint64_t)fs.f_blocks * fs.f_frsize;
    }
    add_alarms(n, c->arena, &r);
    add_log(n, c->arena, &r);
    add_protections(n, c->arena, &r);
    for (size_t i = 0; i < WF_COUNT(sections); i++)
        if (sections[i])
            sections[i](n, c->arena, &r);
    if (c->caller->local && c->request->status->detail)
        add_detail(n, c->arena, &r);
    if (!c->caller->local)
        r.n_warnings = 0; // who may read what is no matter of the domain's other hosts
    if (n->source)
        r.n_sources = wf_source_states(n, c->arena, &r.sources);
    add_firewall(n, c->arena, &r);
    reply.kind_case = WEFT__V1__REPLY__KIND_STATUS;
    reply.status = &r;
    wf_call_reply(c, &reply);
}

// SPDX-License-Identifier: Apache-2.0
#include "node/status.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>

#include "node/agent/room.h"
#include "node/call.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/gossip/room.h"
#include "node/stream/room.h"
#include "proto/base/print.h"

// Rooms that have something to say.
static const wf_status_fn sections[] = {
    wf_stream_status,
    wf_gossip_status,
    wf_uplink_status,
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

void wf_status_handle(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__StatusReply r = WEFT__V1__STATUS_REPLY__INIT;
    char print[WF_FINGERPRINT_LEN], listen[WF_MAX_ADDR + 8];
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
    snprintf(listen, sizeof listen, "%s:%u", n->conf->listen.host, n->control->port);
    if (!n->is_agent)
        r.listeners = one_text(c->arena, listen, &r.n_listeners);
    r.data_dir = wf_pb_str(n->conf->data);
    r.started_ms = n->started_unix_ms;
    r.time_ms = wf_node_now_unix_ms(n);
    r.version = wf_pb_str(WEFT_VERSION);
    if (statvfs(n->conf->data, &fs) == 0)
        r.free_disk = (uint64_t)fs.f_bavail * fs.f_frsize;
    add_alarms(n, c->arena, &r);
    add_protections(n, c->arena, &r);
    for (size_t i = 0; i < WF_COUNT(sections); i++)
        if (sections[i])
            sections[i](n, c->arena, &r);
    reply.kind_case = WEFT__V1__REPLY__KIND_STATUS;
    reply.status = &r;
    wf_call_reply(c, &reply);
}

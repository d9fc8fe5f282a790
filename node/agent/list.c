// SPDX-License-Identifier: Apache-2.0
// AGENTS on the local socket: list, show one, revoke one.
#include <stdlib.h>

#include "node/access/room.h"
#include "node/agent/agents.h"
#include "node/status.h"
#include "proto/base/print.h"

static enum weft_err put_agent(
    struct wf_node *n, const struct wf_agent *a, struct wf_arena *arena, Weft__V1__AgentInfo **ret)
{
    Weft__V1__AgentInfo *m = wf_arena_alloc(arena, sizeof *m);
    char print[WF_FINGERPRINT_LEN];
    const char *fingerprint = NULL;

    if (!m)
        return wf_arena_err(arena);
    weft__v1__agent_info__init(m);
    wf_fingerprint(WF_BYTES(a->row.key.b), print);
    enum weft_err err = wf_arena_str(arena, wf_bytes_str(print), &fingerprint);
    if (!err)
        m->last = wf_agent_last_state(a, arena);
    m->subject = wf_pb_str(a->row.subject.s);
    m->state = wf_pb_str(wf_agent_state_name(wf_agent_state_of(n, a)));
    m->heard_ms = a->row.heard_unix_ms ? wf_node_now_unix_ms(n) - a->row.heard_unix_ms : -1;
    m->skew_ms = a->row.skew_ms;
    m->certificate_expires_ms = a->row.certificate_expires_ms;
    m->address = wf_pb_str(a->row.address);
    m->fingerprint = wf_pb_str(fingerprint);
    if (!wf_access_origin_revoked_from(n, &a->row.key, &m->revoked_ms))
        m->revoked_ms = 0;
    m->why = wf_pb_str(a->row.cloned ? a->row.why : "");
    m->replaced_ms = a->row.replaced_unix_ms;
    m->left_records = a->row.left_records;
    *ret = m;
    return err;
}

static void reply_agents(
    struct wf_node *n, struct wf_call *c, struct wf_agent *const *agents, size_t count)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__AgentsReply r = WEFT__V1__AGENTS_REPLY__INIT;
    enum weft_err err = WEFT_OK;

    r.agents = wf_arena_calloc(c->arena, count, sizeof *r.agents);
    if (!r.agents)
        err = wf_arena_err(c->arena);
    for (; r.n_agents < count && !err; r.n_agents++)
        err = put_agent(n, agents[r.n_agents], c->arena, &r.agents[r.n_agents]);
    if (err) {
        wf_call_refuse(c, err, "agents: %s", weft_err_text(err));
        return;
    }
    reply.kind_case = WEFT__V1__REPLY__KIND_AGENTS;
    reply.agents = &r;
    wf_call_reply(c, &reply);
}

// ---- for status ------------------------------------------------------------------------------------------------------

static int unheard_first(const void *a, const void *b)
{
    const struct wf_agent *x = *(const struct wf_agent *const *)a,
                          *y = *(const struct wf_agent *const *)b;

    return (x->row.heard_unix_ms > y->row.heard_unix_ms) -
           (x->row.heard_unix_ms < y->row.heard_unix_ms);
}

// The numbers of its last state alone: a list of sources is up to 64 KiB.
static Weft__V1__AgentState *numbers_of(
    const struct wf_agent *a, struct wf_arena *scratch, struct wf_arena *arena)
{
    Weft__V1__AgentState *last = NULL, *s = NULL;

    wf_arena_reset(scratch);
    if (a->row.state.len == 0 || wf_pb_unpack(&weft__v1__agent_state__descriptor,
                                     wf_buf_view(&a->row.state), WF_PB_LENIENT, scratch, &last))
        return NULL;
    s = wf_arena_alloc(arena, sizeof *s);
    if (!s)
        return NULL;
    weft__v1__agent_state__init(s);
    s->spool_bytes = last->spool_bytes;
    s->spool_records = last->spool_records;
    s->lost_records = last->lost_records;
    s->time_ms = last->time_ms;
    s->started_ms = last->started_ms;
    return s;
}

void wf_agents_status(struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply)
{
    struct wf_agents_room *r = n->agents;
    struct wf_arena scratch;
    size_t shown = r && r->count < WF_STATUS_ROWS ? r->count : WF_STATUS_ROWS;

    if (!r)
        return;
    struct wf_agent **by_age = wf_arena_calloc(arena, r->count + 1, sizeof *by_age);
    reply->agents = wf_arena_calloc(arena, shown + 1, sizeof *reply->agents);
    if (!by_age || !reply->agents)
        return;
    for (size_t i = 0; i < r->count; i++)
        by_age[i] = r->by_name[i];
    qsort(by_age, r->count, sizeof *by_age, unheard_first);
    reply->agent_count = r->count;
    wf_arena_init(&scratch, wf_pb_budget(WF_AGENT_STATE_MAX));
    for (size_t i = 0; i < shown; i++) {
        Weft__V1__AgentInfo *m = wf_arena_alloc(arena, sizeof *m);
        if (!m)
            break;
        weft__v1__agent_info__init(m);
        m->subject = wf_pb_str(by_age[i]->row.subject.s);
        m->state = wf_pb_str(wf_agent_state_name(wf_agent_state_of(n, by_age[i])));
        m->heard_ms = by_age[i]->row.heard_unix_ms
                          ? wf_node_now_unix_ms(n) - by_age[i]->row.heard_unix_ms
                          : -1;
        m->skew_ms = by_age[i]->row.skew_ms;
        m->last = numbers_of(by_age[i], &scratch, arena);
        reply->agents[reply->n_agents++] = m;
    }
    wf_arena_fini(&scratch);
}

static enum weft_err revoke(struct wf_node *n, struct wf_call *c, struct wf_agent *a)
{
    enum weft_err err = wf_access_revoke_origin(n, &a->row.key, wf_node_now_unix_ms(n));

    (void)wf_access_audit(n, c->caller, "agent-revoke", a->row.subject.s, err, NULL);
    if (err)
        return err;
    wf_agent_shut_out(n, a);
    return WEFT_OK;
}

void wf_agents_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__AgentsRequest *q = c->request->agents;
    const char *name = q->revoke[0] ? q->revoke : q->show;
    struct wf_agent *a = name[0] ? wf_agents_find(n, name) : NULL;

    if (!name[0]) {
        reply_agents(n, c, n->agents->by_name, n->agents->count);
        return;
    }
    if (!a) {
        wf_call_refuse(
            c, WEFT_E_NOT_FOUND, "no agent %s was ever heard here; see: weft agent list", name);
        return;
    }
    enum weft_err err = q->revoke[0] ? revoke(n, c, a) : WEFT_OK;
    if (err == WEFT_E_NOT_OWNER)
        wf_call_refuse(c, err, "only the domain's issuer node can revoke; ask there");
    else if (err)
        wf_call_refuse(c, err, "%s could not be revoked: %s", name, weft_err_text(err));
    else
        reply_agents(n, c, &a, 1);
}

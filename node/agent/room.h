// SPDX-License-Identifier: Apache-2.0
// Agents, both sides. agents: the node's table of them, tickets, join, renew, push, poll, DOMAIN/agents. uplink: the agent's link to its
// node, its manifests, its spool. Loop thread only.
#ifndef WF_NODE_AGENT_ROOM_H
#define WF_NODE_AGENT_ROOM_H

#include "node/control.h"

#define WF_AGENT_TASK_ID_LEN 16u

extern const struct wf_room wf_agents_room; // of a node
extern const struct wf_room wf_uplink_room; // of an agent

// ---- the node's side -------------------------------------------------------------------------------------------------

enum wf_agent_state {
    WF_AGENT_UP = 1,
    WF_AGENT_LATE,
    WF_AGENT_GONE,
    WF_AGENT_REVOKED,
    WF_AGENT_CLONED
};
const char *wf_agent_state_name(enum wf_agent_state s);
// What is known of an origin that publishes through this node; GONE when it was never heard.
enum wf_agent_state wf_agents_state(struct wf_node *n, const char *subject, int64_t *ret_heard_ms);
// Its key was revoked just now: its session, polls and tasks end, and what waits there is noted as left behind. Nothing when the name is not that
// key's (any more) or was never heard.
void wf_agents_shut_out(struct wf_node *n, const char *subject, const struct wf_sign_pub *key);
// A task for an agent: handed over with its next poll. fn is called once: the answer, or NOT_DELIVERED (it ended before it was handed over), or
// TIMEOUT (handed over, outcome unknown). NO_HOST when no such agent is up.
typedef void (*wf_task_fn)(struct wf_node *n, void *arg, enum weft_err err, struct wf_bytes result,
    const char *error_text);
WF_MUST_USE enum weft_err wf_agents_task(struct wf_node *n, const char *subject,
    const Weft__V1__Task *task, int64_t deadline_ms, wf_task_fn fn, void *arg);
// Requests of agents, and AGENTS on the local socket.
void wf_push_handle(struct wf_node *n, struct wf_call *c);
void wf_poll_handle(struct wf_node *n, struct wf_call *c);
void wf_answer_handle(struct wf_node *n, struct wf_call *c);
void wf_agents_handle(struct wf_node *n, struct wf_call *c);
// Those longest unheard first, without their sources.
void wf_agents_status(struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply);
// The manifests changed: parked polls are answered.
void wf_agents_manifests_changed(struct wf_node *n);

// ---- the agent's side ------------------------------------------------------------------------------------------------

// Records of a local source or publisher: batched with the product's linger, signed, spooled, pushed. done as in node/stream/room.h:
// after the spool has them on disk. NOT_FOUND while the product's manifest is not here.
typedef void (*wf_spool_done_fn)(struct wf_node *n, void *arg, enum weft_err err);
struct wf_origin_records;
struct wf_schema_message;
// The message of a product this agent has a manifest of; NULL.
const struct wf_schema_message *wf_uplink_message(struct wf_node *n, const char *product);
const struct wf_product *wf_uplink_descriptor(struct wf_node *n, const char *product);
WF_MUST_USE enum weft_err wf_uplink_originate(struct wf_node *n, const char *product,
    const struct wf_origin_records *r, wf_spool_done_fn done, void *arg, struct wf_diag *diag);
// PUBLISH, POLL and ANSWER on the local socket: publishers, and handlers of what this host serves.
void wf_uplink_publish_handle(struct wf_node *n, struct wf_call *c);
void wf_uplink_poll_handle(struct wf_node *n, struct wf_call *c);
void wf_uplink_answer_handle(struct wf_node *n, struct wf_call *c);
void wf_uplink_status(struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply);

#endif

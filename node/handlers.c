// SPDX-License-Identifier: Apache-2.0
// Every request the control plane answers, and who may send it. docs/protocol/control.md says the same in words.
#include "node/access/room.h"
#include "node/agent/room.h"
#include "node/gossip/room.h"
#include "node/inventory/room.h"
#include "node/join/room.h"
#include "node/mirror/room.h"
#include "node/provider/room.h"
#include "node/status.h"
#include "node/stream/room.h"

const struct wf_handler wf_handlers[] = {
    { WEFT__V1__REQUEST__KIND_STATUS, "status", WF_WHO_LOCAL | WF_WHO_OWN, "read", false,
        wf_status_handle },
    { WEFT__V1__REQUEST__KIND_JOIN, "join", WF_WHO_NEWCOMER, NULL, true, wf_join_handle },
    { WEFT__V1__REQUEST__KIND_RENEW, "renew", WF_WHO_OWN, NULL, true, wf_renew_handle },
    { WEFT__V1__REQUEST__KIND_HOME, "home", WF_WHO_OWN, NULL, false, wf_home_handle },
    { WEFT__V1__REQUEST__KIND_MOVE, "move", WF_WHO_LOCAL | WF_WHO_OWN, "admin", false,
        wf_move_handle }, // the same order, the same answer
    { WEFT__V1__REQUEST__KIND_HANDOVER, "handover", WF_WHO_MEMBER, NULL, false,
        wf_mirror_handover_handle },
    { WEFT__V1__REQUEST__KIND_TICKET, "ticket", WF_WHO_LOCAL, "admin", true, wf_ticket_handle },
    { WEFT__V1__REQUEST__KIND_CHARTER, "charter", WF_WHO_LOCAL, "admin", true, wf_charter_handle },
    { WEFT__V1__REQUEST__KIND_LEASE, "lease", WF_WHO_LOCAL | WF_WHO_MEMBER, "subscribe", false,
        wf_mirror_lease_handle },
    { WEFT__V1__REQUEST__KIND_POSITION, "position", WF_WHO_LOCAL | WF_WHO_MEMBER, "subscribe",
        false, wf_position_handle },
    { WEFT__V1__REQUEST__KIND_RANGE, "range", WF_WHO_LOCAL | WF_WHO_MEMBER, "subscribe", false,
        wf_mirror_range_handle },
    { WEFT__V1__REQUEST__KIND_PULL, "pull", WF_WHO_LOCAL | WF_WHO_MEMBER, "subscribe", false,
        wf_mirror_pull_handle },
    // Its records carry their publisher's own numbers, so a repeated request adds nothing.
    { WEFT__V1__REQUEST__KIND_PUBLISH, "publish", WF_WHO_LOCAL, "publish", false,
        wf_publish_handle },
    { WEFT__V1__REQUEST__KIND_APPLY, "apply", WF_WHO_LOCAL, "admin", true, wf_apply_handle },
    { WEFT__V1__REQUEST__KIND_DIGEST, "digest", WF_WHO_LOCAL | WF_WHO_MEMBER, "read", false,
        wf_gossip_handle_digest },
    { WEFT__V1__REQUEST__KIND_GET, "get", WF_WHO_LOCAL | WF_WHO_MEMBER, "read", false,
        wf_gossip_handle_get },
    { WEFT__V1__REQUEST__KIND_QUERY, "query", WF_WHO_LOCAL | WF_WHO_MEMBER, "query", false,
        wf_query_handle },
    { WEFT__V1__REQUEST__KIND_CALL, "call", WF_WHO_LOCAL | WF_WHO_MEMBER, "call", false,
        wf_call_handle },
    { WEFT__V1__REQUEST__KIND_CALL_STATUS, "call-status", WF_WHO_LOCAL | WF_WHO_MEMBER, "call",
        false, wf_call_status_handle },
    { WEFT__V1__REQUEST__KIND_ACCESS, "access", WF_WHO_MEMBER, NULL, false, wf_access_handle },
    { WEFT__V1__REQUEST__KIND_EXPLAIN, "explain", WF_WHO_LOCAL | WF_WHO_MEMBER, "read", false,
        wf_access_explain_handle },
    { WEFT__V1__REQUEST__KIND_GRANT, "grant", WF_WHO_LOCAL, "admin", true, wf_access_grant_handle },
    { WEFT__V1__REQUEST__KIND_PUSH, "push", WF_WHO_OWN, NULL, false, wf_push_handle },
    { WEFT__V1__REQUEST__KIND_POLL, "poll", WF_WHO_LOCAL | WF_WHO_OWN, "serve", false,
        wf_poll_handle },
    { WEFT__V1__REQUEST__KIND_ANSWER, "answer", WF_WHO_LOCAL | WF_WHO_OWN, "serve", true,
        wf_answer_handle },
    { WEFT__V1__REQUEST__KIND_AGENTS, "agents", WF_WHO_LOCAL, "admin", true, wf_agents_handle },
    { 0 },
};

// An agent listens on its local socket alone.
const struct wf_handler wf_handlers_agent[] = {
    { WEFT__V1__REQUEST__KIND_STATUS, "status", WF_WHO_LOCAL, "read", false, wf_status_handle },
    { WEFT__V1__REQUEST__KIND_PUBLISH, "publish", WF_WHO_LOCAL, "publish", false,
        wf_uplink_publish_handle },
    { WEFT__V1__REQUEST__KIND_POLL, "poll", WF_WHO_LOCAL, "serve", false, wf_uplink_poll_handle },
    { WEFT__V1__REQUEST__KIND_ANSWER, "answer", WF_WHO_LOCAL, "serve", true,
        wf_uplink_answer_handle },
    { 0 },
};

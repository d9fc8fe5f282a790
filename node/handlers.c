// SPDX-License-Identifier: Apache-2.0
// Every request the control plane answers, and who may send it. docs/protocol/control.md says the same in words.
#include "node/join/room.h"
#include "node/status.h"

const struct wf_handler wf_handlers[] = {
    { WEFT__V1__REQUEST__KIND_STATUS, "status", WF_WHO_LOCAL | WF_WHO_OWN, "read", false,
        wf_status_handle },
    { WEFT__V1__REQUEST__KIND_JOIN, "join", WF_WHO_NEWCOMER, NULL, true, wf_join_handle },
    { WEFT__V1__REQUEST__KIND_RENEW, "renew", WF_WHO_OWN, NULL, true, wf_renew_handle },
    { WEFT__V1__REQUEST__KIND_TICKET, "ticket", WF_WHO_LOCAL, "admin", true, wf_ticket_handle },
    { WEFT__V1__REQUEST__KIND_CHARTER, "charter", WF_WHO_LOCAL, "admin", true, wf_charter_handle },
    { 0 },
};

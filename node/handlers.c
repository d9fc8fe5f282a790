// SPDX-License-Identifier: Apache-2.0
// Every request the control plane answers, and who may send it. docs/protocol/control.md says the same in words.
#include "node/status.h"

const struct wf_handler wf_handlers[] = {
    { WEFT__V1__REQUEST__KIND_STATUS, "status", WF_WHO_LOCAL | WF_WHO_OWN, "read", false,
        wf_status_handle },
    { 0 },
};

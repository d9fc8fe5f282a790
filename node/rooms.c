// SPDX-License-Identifier: Apache-2.0
// The rooms of each role, in start order. Rooms that fork stand before control, which starts NNG.
#include "node/access/room.h"
#include "node/agent/room.h"
#include "node/control.h"
#include "node/gossip/room.h"
#include "node/http.h"
#include "node/inventory/room.h"
#include "node/join/room.h"
#include "node/mirror/room.h"
#include "node/pool.h"
#include "node/provider/room.h"
#include "node/restored.h"
#include "node/signals/room.h"
#include "node/signer/signer.h"
#include "node/source/room.h"
#include "node/stream/room.h"

const struct wf_room *const wf_rooms_node[] = {
    &wf_signer_room,
    &wf_source_room,
    &wf_pool_room,
    &wf_control_room,
    &wf_gossip_room,   // the registry stands before those who advertise
    &wf_restored_room, // before those that wait for it
    &wf_access_room,
    &wf_stream_room,
    &wf_mirror_room,
    &wf_inventory_room,
    &wf_provider_room,
    &wf_agents_room,
    &wf_join_room,
    &wf_signals_room,
    &wf_http_room,
    NULL,
};

const struct wf_room *const wf_rooms_agent[] = {
    &wf_source_room,
    &wf_control_room,
    &wf_uplink_room,
    NULL,
};

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/noderig.h"

#include <stdlib.h>

#include "node/access/room.h"
#include "node/agent/room.h"
#include "node/call.h"
#include "node/gossip/room.h"
#include "node/inventory/room.h"
#include "node/join/room.h"
#include "node/pool.h"
#include "node/provider/room.h"
#include "node/stream/room.h"
#include "sdk/loop/loop.h"
#include "tests/support/clock.h"
#include "tests/support/iddir.h"

const struct wf_room *const wf_noderig_rooms[WF_NODERIG_ROOMS] = { &wf_pool_room, &wf_control_room,
    &wf_gossip_room, &wf_access_room, &wf_stream_room, &wf_inventory_room, &wf_provider_room,
    &wf_agents_room, &wf_join_room };

void wf_noderig_init(struct wf_noderig *r)
{
    static const char text[] = "role: node\ndata: data\nlisten: 127.0.0.1:0\n";
    struct wf_diags diags;
    struct wf_diag diag = { 0 };

    *r = (struct wf_noderig){ 0 };
    wf_test_must(wf_crypto_init());
    wf_test_mesh_init(&r->mesh);
    wf_diags_init(&diags, "weftd.yaml");
    wf_test_must(wf_conf_parse(wf_bytes_str(text), wf_test_tmpdir(), &diags, &r->node.conf));
    wf_diags_fini(&diags);
    r->node.conf->log.level = WF_LOG_ERROR + 1;
    r->node.core = &r->core;
    r->core.dir = wf_test_identity_dir(
        &r->mesh, WF_TEST_SERVERS, r->node.conf->data, wf_test_clock_unix_ms());
    wf_test_must(wf_loop_new(NULL, &r->node.loop));
    wf_test_must(wf_node_adopt(&r->node, r->core.dir, &diag));
}

void wf_noderig_fini(struct wf_noderig *r)
{
    wf_loop_free(r->node.loop);
    wf_identity_free(r->core.dir);
    wf_buf_fini(&r->node.chain);
    wf_conf_free(r->node.conf);
    wf_test_mesh_fini(&r->mesh);
}

void wf_noderig_close(struct wf_noderig *r, size_t room)
{
    struct wf_control *control = r->node.control;

    wf_noderig_rooms[room]->close(&r->node);
    if (wf_noderig_rooms[room] == &wf_control_room && control) {
        wf_net_free(control->net);
        free(control);
    }
}

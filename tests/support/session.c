// SPDX-License-Identifier: Apache-2.0
#include "tests/support/session.h"

#include <stdio.h>
#include <stdlib.h>

static void must(enum weft_err err)
{
    if (err)
        abort();
}

static void fixed_secret(uint8_t value, struct wf_secret *ret)
{
    uint8_t b[WF_KEY_LEN];

    memset(b, value, sizeof b);
    must(wf_secret_copy(WF_BYTES(b), ret));
}

void sw_init(struct sw *w)
{
    struct wf_hash mesh;

    *w = (struct sw){ .init = { 0 } };
    fixed_secret(0x11, &w->responder_secret);
    fixed_secret(0x22, &w->initiator_secret);
    wf_blake2b(WF_STR("weft test mesh"), &mesh);
    w->responder = (struct wf_session_conf){ .dh_secret = &w->responder_secret, .mesh_id = mesh };
    w->initiator = (struct wf_session_conf){ .dh_secret = &w->initiator_secret, .mesh_id = mesh };
    wf_dh_public(&w->responder_secret, &w->responder.dh_pub);
    wf_dh_public(&w->initiator_secret, &w->initiator.dh_pub);
    w->dial_fresh = (struct wf_session_fresh){ .now_unix_ms = SW_STAMP };
    w->accept_fresh = (struct wf_session_fresh){ .session_id = SW_SESSION, .now_ms = SW_NOW };
    memset(w->dial_fresh.ephemeral, 0x33, WF_KEY_LEN);
    memset(w->accept_fresh.ephemeral, 0x44, WF_KEY_LEN);
}

void sw_establish(struct sw *w)
{
    struct wf_session_init init;
    struct wf_session_caller caller;

    must(
        wf_session_dial(&w->initiator, &w->responder.dh_pub, &w->dial_fresh, &w->dialing, w->init));
    must(wf_session_check_mac1(&w->responder, WF_BYTES(w->init), &init));
    must(wf_session_identify(&w->responder, &init, &caller));
    must(wf_session_accept(&caller, &w->accept_fresh, &w->node, w->response));
    must(wf_session_finish(&w->initiator, &w->dialing, WF_BYTES(w->response), SW_NOW, &w->client));
    wf_session_caller_fini(&caller);
}

void sw_fini(struct sw *w)
{
    wf_session_fini(&w->client);
    wf_session_fini(&w->node);
    wf_session_dialing_fini(&w->dialing);
    wf_secret_fini(&w->responder_secret);
    wf_secret_fini(&w->initiator_secret);
}

struct wf_buf sw_vector(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "session/%s.hex", name);
    return wf_test_vector(path);
}

void sw_fix_mac1(const struct wf_dh_pub *responder, uint8_t init[WF_SESSION_INIT_LEN])
{
    size_t covered = WF_SESSION_INIT_LEN - WF_SESSION_MAC1_LEN;
    uint8_t label[12 + WF_KEY_LEN];
    struct wf_hash key;

    memcpy(label, "weft/mac1/v1", 12);
    memcpy(label + 12, responder->b, WF_KEY_LEN);
    wf_blake2b(WF_BYTES(label), &key);
    wf_blake2b_keyed(WF_BYTES(key.b), wf_bytes(init, covered), init + covered, WF_SESSION_MAC1_LEN);
}

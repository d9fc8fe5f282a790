// SPDX-License-Identifier: Apache-2.0
// Two ends of a session with the fixed keys of tests/vectors/session, shared by the unit test and the fuzz target.
#ifndef WF_TESTS_SUPPORT_SESSION_H
#define WF_TESTS_SUPPORT_SESSION_H

#include "proto/session/session.h"
#include "tests/support/support.h"

#define SW_STAMP   1700000000000
#define SW_SESSION 0x0102030405060708u
#define SW_NOW     1000000 // when the session was made, at both ends

struct sw {
    struct wf_secret responder_secret, initiator_secret;
    struct wf_session_conf responder, initiator;
    struct wf_session_fresh dial_fresh, accept_fresh;
    struct wf_session_dialing dialing;
    uint8_t init[WF_SESSION_INIT_LEN], response[WF_SESSION_RESPONSE_LEN];
    struct wf_session client, node; // the initiator's and the responder's session
};

// Keys and configurations only; aborts on any error.
void sw_init(struct sw *w);
// The whole handshake.
void sw_establish(struct sw *w);
void sw_fini(struct sw *w);
// tests/vectors/session/NAME.hex
struct wf_buf sw_vector(const char *name);
// Puts the right MAC1 for a responder on the first WF_SESSION_INIT_LEN bytes.
void sw_fix_mac1(const struct wf_dh_pub *responder, uint8_t init[WF_SESSION_INIT_LEN]);

#endif

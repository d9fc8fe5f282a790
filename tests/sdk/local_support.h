// SPDX-License-Identifier: Apache-2.0
// One local socket's two ends on one loop, as the tests of either end need them: what came lies in an inbox each. All waits turn the loop and have a deadline.
#ifndef WF_TESTS_LOCAL_SUPPORT_H
#define WF_TESTS_LOCAL_SUPPORT_H

#include "sdk/net/local.h"
#include "tests/sdk/net_support.h"

#define LONG_MS 60000

extern struct wf_loop *loop;
extern struct wf_local *server;    // freed by local_tear_down
extern struct wf_local_peer *peer; // likewise
extern struct inbox at_server, at_peer;
extern const char *where; // a fresh address

void local_set_up(void);
void local_tear_down(void);
void serve(struct wf_local_conf conf);
void dial(struct wf_local_peer_conf conf);
struct wf_net_event next(struct inbox *in);
void turn_a_while(void);
void ask(uint64_t tag, const char *text);
struct wf_net_request *request_next(const char *text);
void reply_is(uint64_t tag, enum weft_err err, const char *text);
void down_is(struct inbox *in, enum weft_err err);
unsigned pipes(void);
void until_pipes(unsigned n);
int raw_listener(void);

#endif

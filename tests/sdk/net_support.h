// SPDX-License-Identifier: Apache-2.0
// What the tests of sdk/net share: an inbox that post functions fill and tests wait on, an echo server, raw connections of
// an attacker. All waits have a deadline and abort the test when it passes.
#ifndef WF_TESTS_NET_SUPPORT_H
#define WF_TESTS_NET_SUPPORT_H

#include <pthread.h>

#include "sdk/net/net.h"

#define INBOX_MAX 4096u

struct inbox {
    pthread_mutex_t mu;
    pthread_cond_t cv;
    struct wf_net_event events[INBOX_MAX];
    unsigned head, count;
    bool refuse; // requests and frames
    bool drop;   // frames: counted, not kept
    uint64_t dropped;
};

void inbox_init(struct inbox *in);
void inbox_fini(struct inbox *in); // releases what is left in it
bool inbox_post(void *inbox, const struct wf_net_event *ev);
// The next event; waits up to ten seconds, then fails the test.
struct wf_net_event inbox_take(struct inbox *in);
// The next event of a kind; others before it are released (requests dropped).
struct wf_net_event inbox_take_kind(struct inbox *in, enum wf_net_what what);
bool inbox_is_empty(struct inbox *in);

// A REP server on 127.0.0.1 or a socket path that answers every request with its own bytes.
struct echo {
    struct wf_net *net;
    struct wf_net_rep *rep;
    struct inbox in;
    pthread_t thread;
    char where[128];
    uint16_t port;
};
void echo_start(
    struct echo *e, struct wf_net *net, const struct wf_net_rep_conf *conf, const char *where);
void echo_stop(struct echo *e);
// One round trip over a fresh connection: the error of connect or request.
enum weft_err echo_ask(struct wf_net *net, const char *where, const char *text, int64_t timeout_ms);

// A REP server whose requests the test itself answers.
struct server {
    struct wf_net *net;
    struct wf_net_rep *rep;
    struct inbox in;
    char where[64];
};
void server_start(struct server *s, struct wf_net *net, struct wf_net_rep_conf conf);
void server_stop(struct server *s);
// in may be NULL: blocking requests only.
struct wf_net_peer *peer_to(struct wf_net *net, struct inbox *in, const char *where);
// A fresh "ipc:..." address in a directory removed at exit.
const char *ipc_where(void);

struct wf_net_msg *msg_of(const char *text);
struct wf_net *net_start(const struct wf_net_conf *conf);
void net_finish(struct wf_net *net); // fails the test when a close was left behind

int64_t mono_ms(void);
void nap(int ms);
// Polls until cond(arg) or the deadline.
bool eventually(bool (*cond)(void *arg), void *arg, int64_t timeout_ms);

// A reader of frames with a loop and a thread of its own.
struct hearer;
struct hearer *hearer_start(struct inbox *in, const char *where);
void hearer_stop(struct hearer *h);

// A TCP listener of the test's own, and where it listens.
int raw_listen(char where[64]);
// An address that is the test's own for as long as this descriptor is open, and at which nobody listens.
int raw_nobody(char where[64]);
// Raw connections: fd or -1.
int raw_connect(const char *where);
void raw_greet(int fd, uint16_t proto);
#define PROTO_REQ 0x30u
#define PROTO_REP 0x31u
#define PROTO_PUB 0x20u
#define PROTO_SUB 0x21u
// One request as NNG's REQ frames it over TCP; false when the connection is gone.
bool raw_request(int fd, uint32_t id, size_t body_len);
// Reads exactly len bytes within ten seconds; false at the end of the connection.
bool raw_read(int fd, void *out, size_t len);
// Waits until the other side closes; discards what comes before.
bool raw_closed(int fd);
// FIN, then RST, as the issue has it; over ipc a plain close.
void raw_fin_rst(int fd);
long vm_peak_kib(void);

#endif

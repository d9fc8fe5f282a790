// SPDX-License-Identifier: Apache-2.0
// A stream room under test: a real loop, log, disk and sockets; the control plane, access and gossip are played by the rig. Rows are
// weft.sample.Row. Test code; fails through ck_assert. One rig at a time, or two nodes of one domain.
#ifndef WF_TESTS_STREAMRIG_H
#define WF_TESTS_STREAMRIG_H

#include "node/call.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/stream/priv.h"
#include "tests/support/stream.h"
#include "tests/support/trust_mesh.h"

#define RIG_WAIT_MS 20000

// An agent as origin.
struct streamrig_origin {
    struct wf_secret key;
    struct wf_identity identity;
    struct wf_buf chain;
    struct wf_incarnation incarnation;
    uint64_t next_seq;
    struct wf_hash last;
};

// A request on its way, and its answer.
struct streamrig_call {
    struct wf_call pub; // first
    struct wf_caller caller;
    Weft__V1__Request request;
    struct wf_arena arena, kept;
    bool answered, parked;
    Weft__V1__Reply *reply; // in kept
    enum weft_err err;      // of the refusal
};

struct streamrig {
    struct wf_node node;
    struct wf_core core;
    struct wf_conf conf;
    struct wf_control control;
    struct wf_test_mesh mesh;
    struct wf_identity_dir none;
    struct wf_net_addr addr; // where callers come from
    uint32_t pipe;           // and by which connection
    struct wf_caller reader;
    // what the rig's access room answers
    enum weft_err access;
    struct wf_token *token; // may be NULL: a local caller's grant
    struct wf_sign_pub revoked;
    bool has_revoked;
    size_t audited;
    bool by_hand; // the log's worker has no thread: the rig turns it (memroom.h)
    // done callbacks
    size_t done_count;
    enum weft_err done_err;
};

void streamrig_init(struct streamrig *r, const char *dir); // a fresh or an earlier state directory
// Another node than node-1; of two rigs the last one's `access`, `token`, `pipe` and `addr` count for both.
void streamrig_init_as(struct streamrig *r, const char *dir, const char *subject);
void streamrig_open(struct streamrig *r);
enum weft_err streamrig_try_open(struct streamrig *r); // close in any case
void streamrig_close(struct streamrig *r);
void streamrig_fini(struct streamrig *r);
void streamrig_turn(struct streamrig *r);
// Turns the loop until the condition holds or the test fails.
#define STREAMRIG_UNTIL(r, condition)                                                              \
    do {                                                                                           \
        int64_t until_ = wf_node_now_ms(&(r)->node) + RIG_WAIT_MS;                                 \
        while (!(condition)) {                                                                     \
            streamrig_turn(r);                                                                     \
            ck_assert_msg(                                                                         \
                wf_node_now_ms(&(r)->node) < until_, "waited in vain for %s", #condition);         \
        }                                                                                          \
    } while (0)

// A descriptor set made from tests/node/schema/NAME.proto.
struct wf_buf streamrig_schema(const char *name);
// The manifest of a product with rows, to vary.
struct wf_collect streamrig_manifest(const char *name, enum wf_product_kind kind);
enum weft_err streamrig_apply(
    struct streamrig *r, const struct wf_collect *c, const char *schema, struct wf_diag *diag);
// Applies and waits until it takes records.
struct wf_home_product *streamrig_product(
    struct streamrig *r, const char *name, enum wf_product_kind kind);

// One encoded Row; used = n.
struct wf_buf streamrig_row(const char *host, int64_t n);
// Records with rows n .. n + count - 1 of host "h".
struct wf_records streamrig_rows(int64_t n, uint32_t count);
// Originates rows and returns at once; done is counted in the rig.
enum weft_err streamrig_publish(struct streamrig *r, struct wf_home_product *p, int64_t n,
    uint32_t count, const uint8_t *publisher, uint64_t seq);
void streamrig_on_done(struct wf_node *n, void *arg, enum weft_err err);

struct streamrig_origin streamrig_agent(struct streamrig *r, const char *subject);
void streamrig_agent_fini(struct streamrig_origin *o);
// The next batch of an agent, packed; moves its chain on.
struct wf_buf streamrig_batch(struct streamrig *r, struct streamrig_origin *o,
    struct wf_home_product *p, int64_t n, uint32_t count);
// The same from a header that the test varied.
struct wf_buf streamrig_batch_of(
    const struct wf_batch_header *h, struct wf_bytes stored, const struct wf_secret *key);

// Requests: fill call->request's kind, then send. The answer may come later.
struct streamrig_call *streamrig_call(struct streamrig *r);
void streamrig_send(struct streamrig *r, struct streamrig_call *c, wf_handler_fn handler);
void streamrig_call_free(struct streamrig_call *c);

#endif

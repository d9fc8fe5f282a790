// SPDX-License-Identifier: Apache-2.0
// The agents room (the node's side) without a daemon around it: its table and file are real; clock, control plane, stream, access and
// provider are the test's. Calls are many at a time, for polls are parked. Static, for one binary. Fails through ck_assert.
#ifndef WF_TESTS_AGENTS_RIG_H
#define WF_TESTS_AGENTS_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/agent/agents.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/gossip/room.h"
#include "node/join/room.h"
#include "node/metrics.h"
#include "node/provider/room.h"
#include "node/signer/signer.h"
#include "proto/schema/schema.h"
#include "proto/stream/records.h"
#include "sdk/disk.h"
#include "tests/support/support.h"
#include "tests/support/trust_mesh.h"

#define RIG_CALLS 64

extern const unsigned char wf_agent_schema[];
extern const unsigned long wf_agent_schema_len;

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;
static int64_t now_ms, unix_ms;
static bool is_issuer;

// A request on its way, and its answer.
struct rig_call {
    struct wf_call pub; // first
    struct wf_caller caller;
    Weft__V1__Request request;
    Weft__V1__PollRequest poll;
    Weft__V1__AgentState state;
    Weft__V1__AnswerRequest answer;
    Weft__V1__AgentsRequest agents;
    struct wf_arena arena, kept;
    bool answered, parked;
    Weft__V1__Reply *reply; // in kept
    enum weft_err err;
};
static struct rig_call *calls[RIG_CALLS];
static size_t call_count;

// What the rooms around were told.
static struct {
    struct wf_sign_pub key;
    int64_t from_ms;
} revoked[8];
static size_t revoked_count, dropped, audited;
static struct wf_sign_pub last_dropped;
static char alarm_name[96], alarm_text[256]; // "": none stands
static char rows[64][160];                   // of DOMAIN/agents: "HOST STATE", "begin", "end"
static size_t row_count;
static struct wf_collect manifests[4]; // of this home
static size_t manifest_count;
static struct wf_schema *schema;
static bool products_made;

// ---- the node and other rooms ----------------------------------------------------------------------------------------

int64_t wf_node_now_ms(const struct wf_node *n)
{
    (void)n;
    return now_ms;
}

int64_t wf_node_now_unix_ms(const struct wf_node *n)
{
    (void)n;
    return unix_ms;
}

void wf_say(struct wf_node *n, enum wf_log_level level, const char *room, const char *message, ...)
{
    (void)n, (void)level, (void)room, (void)message;
}

void wf_alarm(struct wf_node *n, const char *name, const char *text)
{
    (void)n;
    snprintf(alarm_name, sizeof alarm_name, "%s", text ? name : "");
    snprintf(alarm_text, sizeof alarm_text, "%s", text ? text : "");
}

bool wf_access_origin_revoked_from(
    const struct wf_node *n, const struct wf_sign_pub *key, int64_t *ret_from_ms)
{
    (void)n;
    for (size_t i = 0; i < revoked_count; i++)
        if (memcmp(revoked[i].key.b, key->b, WF_KEY_LEN) == 0) {
            *ret_from_ms = revoked[i].from_ms;
            return true;
        }
    return false;
}

bool wf_access_origin_revoked(const struct wf_node *n, const struct wf_sign_pub *key, int64_t at_ms)
{
    int64_t from = 0;

    return wf_access_origin_revoked_from(n, key, &from) && from <= at_ms;
}

enum weft_err wf_access_revoke_origin(
    struct wf_node *n, const struct wf_sign_pub *key, int64_t from_ms)
{
    (void)n;
    if (!is_issuer)
        return WEFT_E_NOT_OWNER;
    ck_assert_uint_lt(revoked_count, WF_COUNT(revoked));
    revoked[revoked_count].key = *key;
    revoked[revoked_count++].from_ms = from_ms;
    return WEFT_OK;
}

const char *wf_access_audit(struct wf_node *n, const struct wf_caller *who, const char *what,
    const char *on, enum weft_err result, const struct wf_hash *token_id)
{
    (void)n, (void)who, (void)what, (void)on, (void)result, (void)token_id;
    audited++;
    return "7f-1";
}

void wf_control_drop(struct wf_node *n, const struct wf_sign_pub *key)
{
    (void)n;
    dropped++;
    last_dropped = *key;
}

static unsigned met;

void wf_join_meet(struct wf_node *n, const struct wf_cert *cert)
{
    (void)n, (void)cert;
    met++;
}

bool wf_signer_here(const struct wf_node *n)
{
    (void)n;
    return is_issuer;
}

bool wf_provider_poll(struct wf_node *n, struct wf_call *c)
{
    (void)n, (void)c;
    return false;
}

bool wf_provider_answer(struct wf_node *n, struct wf_call *c)
{
    (void)n, (void)c;
    return false;
}

// ---- the stream: a manifest stands for its product, and the inventory for itself ------------------------------------

enum weft_err wf_stream_apply_built_in(
    struct wf_node *n, const struct wf_product *wanted, struct wf_bytes set, struct wf_diag *diag)
{
    (void)n;
    ck_assert_str_eq(wanted->name, "agents");
    products_made = true;
    return schema ? WEFT_OK : wf_schema_compile(set, &schema, diag);
}

struct wf_catalog *wf_gossip_catalog(struct wf_node *n)
{
    (void)n;
    return NULL;
}

struct wf_home_product *wf_stream_find(struct wf_node *n, const char *name, uint32_t major)
{
    (void)n, (void)major;
    return products_made && strcmp(name, "agents") == 0 ? (void *)&rows : NULL;
}

struct wf_home_product *wf_stream_next(struct wf_node *n, struct wf_home_product *after)
{
    size_t at = after ? (size_t)((struct wf_collect *)(void *)after - manifests) + 1 : 0;

    (void)n;
    return at < manifest_count ? (void *)&manifests[at] : NULL;
}

const struct wf_collect *wf_home_collect(const struct wf_home_product *p)
{
    return (const void *)p;
}

const struct wf_schema_message *wf_home_message(const struct wf_home_product *p)
{
    (void)p;
    return wf_schema_find_message(schema, WF_STR("weft.v1.AgentRecord"));
}

// The fields 1 and 2 of a row, host and state, stand first.
static void keep_row(struct wf_bytes data)
{
    size_t host = data.ptr[1], state = data.ptr[host + 3];

    ck_assert_uint_eq(data.ptr[0], 0x0a);
    ck_assert_uint_eq(data.ptr[host + 2], 0x12);
    snprintf(rows[row_count++], sizeof rows[0], "%.*s %.*s", (int)host, data.ptr + 2, (int)state,
        data.ptr + host + 4);
}

enum weft_err wf_stream_originate(struct wf_node *n, struct wf_home_product *p,
    const struct wf_origin_records *r, wf_stream_done_fn done, void *arg, struct wf_diag *diag)
{
    struct wf_bytes in = r->raw;
    struct wf_record_view v;

    (void)n, (void)p, (void)done, (void)arg, (void)diag;
    while (in.len) {
        ck_assert_int_eq(wf_records_next(&in, r->base_us, &v), WEFT_OK);
        ck_assert_uint_lt(row_count, WF_COUNT(rows));
        if (v.op == WF_OP_PUT)
            keep_row(v.data);
        else
            snprintf(rows[row_count++], sizeof rows[0], "%s",
                v.op == WF_OP_SNAPSHOT_BEGIN ? "begin" : "end");
    }
    return WEFT_OK;
}

// ---- calls -----------------------------------------------------------------------------------------------------------

void wf_call_reply(struct wf_call *pub, Weft__V1__Reply *reply)
{
    struct rig_call *c = (struct rig_call *)(void *)pub;
    struct wf_buf packed = { 0 };

    ck_assert_msg(!c->answered, "a call is answered once");
    ck_assert_int_eq(wf_pb_pack(reply, &packed), WEFT_OK);
    ck_assert_int_eq(wf_pb_unpack(&weft__v1__reply__descriptor, wf_buf_view(&packed), WF_PB_STRICT,
                         &c->kept, &c->reply),
        WEFT_OK);
    wf_buf_fini(&packed);
    c->err = c->reply->refusal ? (enum weft_err)c->reply->refusal->code : WEFT_OK;
    c->answered = true;
    c->parked = false;
}

enum weft_err wf_call_park(
    struct wf_call *pub, void (*on_gone)(struct wf_call *c, void *arg), void *arg)
{
    struct rig_call *c = (struct rig_call *)(void *)pub;

    pub->on_gone = on_gone;
    pub->gone_arg = arg;
    c->parked = true;
    return WEFT_OK;
}

static struct rig_call *rig_call(const struct wf_cert *cert, uint64_t session)
{
    struct rig_call *c = calloc(1, sizeof *c);

    ck_assert_ptr_nonnull(c);
    ck_assert_uint_lt(call_count, RIG_CALLS);
    calls[call_count++] = c;
    wf_arena_init(&c->arena, 4u * WF_MIB);
    wf_arena_init(&c->kept, 4u * WF_MIB);
    if (cert) {
        c->caller = (struct wf_caller){ .has_identity = true, .session = session };
        c->caller.identity.cert = *cert;
        snprintf(c->caller.label, sizeof c->caller.label, "servers/%s", cert->subject.s);
        snprintf(c->caller.address, sizeof c->caller.address, "192.0.2.7:%u", (unsigned)session);
    } else {
        c->caller = (struct wf_caller){ .local = true };
    }
    weft__v1__request__init(&c->request);
    weft__v1__poll_request__init(&c->poll);
    weft__v1__agent_state__init(&c->state);
    weft__v1__answer_request__init(&c->answer);
    weft__v1__agents_request__init(&c->agents);
    c->poll.state = &c->state;
    c->state.time_ms = unix_ms;
    c->request.poll = &c->poll; // the handler reads its own
    c->pub = (struct wf_call){
        .node = &node, .caller = &c->caller, .request = &c->request, .arena = &c->arena
    };
    return c;
}

// ---- life ------------------------------------------------------------------------------------------------------------

static void room_open(void)
{
    struct wf_diag diag = { 0 };

    ck_assert_msg(wf_agents_room.open(&node, &diag) == WEFT_OK, "%s", diag.text);
}

static void rig_open(void)
{
    static char dir[600];
    static int number;
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    snprintf(dir, sizeof dir, "%s/agents-%d", wf_test_tmpdir(), ++number);
    ck_assert_int_eq(wf_disk_mkdir(dir, &diag), WEFT_OK);
    now_ms = 1000000;
    unix_ms = WF_TEST_NOW;
    is_issuer = true;
    products_made = false;
    revoked_count = dropped = audited = row_count = manifest_count = call_count = 0;
    alarm_name[0] = alarm_text[0] = '\0';
    conf = (struct wf_conf){ .data = dir };
    node = (struct wf_node){ .core = &core, .conf = &conf, .has_certificate = true };
    node.stream = (void *)&core; // there is one; its functions are those above
    node.identity.cert = wf_test_cert("servers", WF_ID_NODE, "node-1");
    room_open();
}

static void pass(int64_t ms)
{
    now_ms += ms;
    unix_ms += ms;
    wf_agents_room.tick(&node);
}

static void rig_close(void)
{
    wf_agents_room.close(&node);
    for (size_t i = 0; i < call_count; i++) {
        ck_assert_msg(calls[i]->answered, "call %zu was never answered", i);
        wf_arena_fini(&calls[i]->arena);
        wf_arena_fini(&calls[i]->kept);
        free(calls[i]);
    }
    wf_schema_free(schema);
    schema = NULL;
}

// What it says it has: nothing (a fresh agent), or the manifests of this home as the last answer named them.
static uint8_t known_root[WF_HASH_LEN];
static struct wf_bytes known;

static struct rig_call *poll_as(const struct wf_cert *cert, uint64_t session, uint32_t wait_ms)
{
    struct rig_call *c = rig_call(cert, session);

    c->poll.manifests = wf_pb_bin(known);
    c->poll.wait_ms = wait_ms;
    wf_poll_handle(&node, &c->pub);
    if (c->answered && !c->err && c->reply->poll->manifests.len == WF_HASH_LEN) {
        memcpy(known_root, c->reply->poll->manifests.data, WF_HASH_LEN);
        known = WF_BYTES(known_root);
    }
    return c;
}

static void first_poll(const struct wf_cert *cert, uint64_t session)
{
    known = wf_bytes(NULL, 0);
    ck_assert_int_eq(poll_as(cert, session, 0)->err, WEFT_OK);
}

static inline void restart(void)
{
    wf_agents_room.close(&node);
    room_open();
}

static inline void expect_metric(const char *line)
{
    struct wf_buf out = { 0 };
    struct wf_metrics m = { .out = &out };

    wf_agents_room.metrics(&node, &m);
    ck_assert_int_eq(m.err, WEFT_OK);
    ck_assert_int_eq(wf_buf_append_byte(&out, 0), WEFT_OK);
    ck_assert_msg(strstr((const char *)out.ptr, line) != NULL, "no %s in %s", line, out.ptr);
    wf_buf_fini(&out);
}

// ---- tasks -------------------------------------------------------------------------------------------------------------

static size_t ended;
static enum weft_err ended_with;

static void on_task(
    struct wf_node *n, void *arg, enum weft_err err, struct wf_bytes result, const char *error_text)
{
    (void)n, (void)arg, (void)result, (void)error_text;
    ended++;
    ended_with = err;
}

static enum weft_err give_task(int64_t deadline_ms)
{
    Weft__V1__Task t = WEFT__V1__TASK__INIT;

    t.product = wf_pb_str("ports");
    t.method = wf_pb_str("List");
    return wf_agents_task(&node, "web-1", &t, now_ms + deadline_ms, on_task, NULL);
}

#endif

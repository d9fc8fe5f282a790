// SPDX-License-Identifier: Apache-2.0
// A call's path: capability → key (done before? the kept answer) → request checked against the schema → record on disk → provider: a local
// handler that polls, a program of the manifest, or a host behind an agent → result checked, kept, answered.
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/agent/room.h"
#include "node/conf.h"
#include "node/gossip/room.h"
#include "node/metrics.h"
#include "node/provider/priv.h"
#include "node/source/room.h"
#include "proto/schema/record.h"
#include "proto/schema/record_json.h"
#include "sdk/disk.h"
#include "sdk/json.h"

#define PRUNE_MS   600000
#define ACTIVE_MAX 256u
#define GRACE_MS                                                                                   \
    1000 // a caller waits so much longer than the provider may take: it hears the end, not "running"

// ---- answering -------------------------------------------------------------------------------------------------------

static void reply_record(struct wf_call *c, const struct wf_call_record *r)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__CallReply m = WEFT__V1__CALL_REPLY__INIT;

    m.state = wf_pb_str(wf_call_state_name(r->state));
    m.result = wf_pb_bin(wf_buf_view(&r->result));
    m.error = wf_pb_str(r->error);
    m.code = r->code;
    m.provider = wf_pb_str(r->provider);
    m.started_ms = r->started_ms;
    m.ended_ms = r->ended_ms;
    reply.kind_case = WEFT__V1__REPLY__KIND_CALL;
    reply.call = &m;
    wf_call_reply(c, &reply);
}

static void waiter_end(struct waiter *w)
{
    struct waiter **at = &w->active->waiters;
    struct wf_call *c = w->call;

    while (*at && *at != w)
        at = &(*at)->next;
    if (*at)
        *at = w->next;
    wf_timer_cancel(w->active->node->loop, &w->timer);
    if (c) {
        c->on_gone = NULL;
        reply_record(c, &w->active->record);
    }
    free(w);
}

static void waiter_gone(struct wf_call *c, void *arg)
{
    struct waiter *w = arg;

    (void)c;
    w->call = NULL;
    waiter_end(w);
}

static void waiter_waited(struct wf_timer *t)
{
    waiter_end((struct waiter *)(void *)((char *)t - offsetof(struct waiter,
                                                         timer))); // the record says running
}

static void park(struct active *a, struct wf_call *c, uint32_t wait_ms)
{
    struct wf_node *n = a->node;
    struct waiter *w = calloc(1, sizeof *w);
    int64_t until =
        wf_node_now_ms(n) + (wait_ms ? (int64_t)wait_ms + GRACE_MS : WF_REQUEST_DEADLINE_MS);

    if (until > c->deadline_ms)
        until = c->deadline_ms;
    if (!w) {
        reply_record(c, &a->record);
        return;
    }
    *w = (struct waiter){
        .call = c, .active = a, .timer = { .fire = waiter_waited }, .next = a->waiters
    };
    a->waiters = w;
    if (wf_call_park(c, waiter_gone, w)) { // it keeps its place among those at work
        c->on_gone = waiter_gone;
        c->gone_arg = w;
    }
    if (wf_timer_set(n->loop, &w->timer, until))
        waiter_end(w);
}

// ---- the end of a call -----------------------------------------------------------------------------------------------

void wf_active_finish(struct active *a, enum wf_call_state state, enum weft_err err,
    struct wf_bytes result, const char *error)
{
    struct wf_node *n = a->node;
    struct wf_provider_room *r = n->provider;
    struct active **at = &r->first;

    a->record.state = state;
    a->record.code = (uint32_t)err;
    a->record.ended_ms = wf_node_now_unix_ms(n);
    snprintf(a->record.error, sizeof a->record.error, "%s", error ? error : "");
    a->record.result.len = 0;
    if (!err && wf_buf_append(&a->record.result, result)) {
        a->record.code = WEFT_E_NOMEM;
        snprintf(a->record.error, sizeof a->record.error, "the result could not be kept");
    }
    enum weft_err kept = wf_calls_end(r->calls, &a->record);
    if (kept)
        wf_say(n, WF_LOG_ERROR, "provider", "a call's outcome could not be kept", "why",
            weft_err_name(kept), NULL);
    r->failed += a->record.code != 0;
    wf_api_measure(r, a);
    while (*at && *at != a)
        at = &(*at)->next;
    if (*at)
        *at = a->next;
    r->active_count--;
    wf_timer_cancel(n->loop, &a->timer);
    while (a->waiters)
        waiter_end(a->waiters);
    wf_call_record_fini(&a->record);
    wf_buf_fini(&a->request);
    free(a);
}

// A reply must fit what the service promises: callers may rely on it.
void wf_active_result(struct active *a, struct wf_bytes result)
{
    struct wf_diag diag = { 0 };
    char text[512];
    enum weft_err err = result.len > WF_MAX_CALL
                            ? WEFT_E_TOO_BIG
                            : wf_record_check(a->method->output, result, &diag);

    snprintf(text, sizeof text, "the provider's reply does not fit %s: %.300s",
        a->method->output->full_name, diag.text[0] ? diag.text : weft_err_text(err));
    wf_active_finish(a, WF_CALL_DONE, err ? WEFT_E_PROVIDER : WEFT_OK, result, err ? text : "");
}

static void on_active_deadline(struct wf_timer *t)
{
    struct active *a = (struct active *)(void *)((char *)t - offsetof(struct active, timer));

    if (a->taken)
        wf_active_finish(a, WF_CALL_UNKNOWN, WEFT_E_TIMEOUT, wf_bytes(NULL, 0),
            "the provider took the call and did not answer in time");
    else
        wf_active_finish(a, WF_CALL_NOT_DELIVERED, WEFT_E_NOT_DELIVERED, wf_bytes(NULL, 0),
            wf_home_collect(a->product)->serve_count
                ? "the provider's program runs on hosts alone: name one with --at"
                : "no provider took the call in time");
}

// ---- programs --------------------------------------------------------------------------------------------------------

static void finish_output(struct active *a, struct wf_bytes output)
{
    struct wf_buf message = { 0 };
    struct wf_json *j = NULL;
    struct wf_diag diag = { 0 };
    char text[400];
    enum weft_err err = wf_json_parse(output, &j, &diag);

    if (!err)
        err = wf_json_encode(a->method->output, j, WF_MAX_CALL, &message, &diag);
    wf_json_free(j);
    snprintf(text, sizeof text, "the provider's reply does not fit %.80s: %.200s",
        a->method->output->full_name, diag.text);
    if (err)
        wf_active_finish(a, WF_CALL_DONE, WEFT_E_PROVIDER, wf_bytes(NULL, 0), text);
    else
        wf_active_finish(a, WF_CALL_DONE, WEFT_OK, wf_buf_view(&message), "");
    wf_buf_fini(&message);
}

// What was stopped half way may have acted: its outcome is unknown. What ended by itself has answered, if only with an error.
static void on_program(struct wf_node *n, void *arg, enum weft_err err, int status,
    struct wf_bytes output, const char *error)
{
    struct active *a = arg;
    char text[400];

    (void)n;
    if (err == WEFT_E_TIMEOUT)
        wf_active_finish(a, WF_CALL_UNKNOWN, WEFT_E_TIMEOUT, wf_bytes(NULL, 0),
            "the provider did not end in time and was stopped");
    else if (err == WEFT_E_TOO_BIG)
        wf_active_finish(a, WF_CALL_DONE, WEFT_E_PROVIDER, wf_bytes(NULL, 0),
            "the provider's reply is too long; it was stopped");
    else if (err)
        wf_active_finish(a, WF_CALL_UNKNOWN, err, wf_bytes(NULL, 0), weft_err_text(err));
    else if (status == WF_RUN_NOT_STARTED)
        wf_active_finish(a, WF_CALL_NOT_DELIVERED, WEFT_E_NO_PROVIDER, wf_bytes(NULL, 0),
            error[0] ? error : "the provider's program could not be started");
    else if (status == 0)
        finish_output(a, output);
    else
        wf_active_finish(a, WF_CALL_DONE, wf_run_error(status, error, text, sizeof text),
            wf_bytes(NULL, 0), text);
}

static enum weft_err start_program(struct active *a, const struct wf_collect *m)
{
    struct wf_buf json = { 0 };
    const char *run[64];
    char caller[160], method[160], key[64], deadline[64], hex[2 * WF_CALL_KEY_LEN + 1];
    const char *env[] = { caller, method, key, deadline, NULL };
    struct wf_diag diag = { 0 };

    if (m->serve_count + 1 > WF_COUNT(run))
        return WEFT_E_TOO_BIG;
    memcpy(run, m->serve, m->serve_count * sizeof *run);
    run[m->serve_count] = a->method->name;
    wf_hex_put(wf_bytes(a->record.key, WF_CALL_KEY_LEN), hex);
    snprintf(caller, sizeof caller, "WEFT_CALLER=%s", a->caller);
    snprintf(method, sizeof method, "WEFT_METHOD=%.120s", a->method->name);
    snprintf(key, sizeof key, "WEFT_CALL_KEY=%s", hex);
    snprintf(deadline, sizeof deadline, "WEFT_DEADLINE_MS=%lld",
        (long long)(wf_node_now_unix_ms(a->node) + a->deadline_ms - wf_node_now_ms(a->node)));
    enum weft_err err =
        wf_record_json(a->method->input, wf_buf_view(&a->request), NULL, &json, &diag);
    struct wf_run_spec spec = { run, m->serve_count + 1, env, wf_buf_view(&json), a->deadline_ms };
    if (!err)
        err = wf_source_run_once(a->node, &spec, on_program, a);
    wf_buf_fini(&json);
    a->taken = !err;
    if (!err)
        wf_timer_cancel(a->node->loop, &a->timer); // the run has the deadline
    return err;
}

// ---- hosts behind agents ---------------------------------------------------------------------------------------------

static void on_task(
    struct wf_node *n, void *arg, enum weft_err err, struct wf_bytes result, const char *error)
{
    struct active *a = arg;

    (void)n;
    if (!err)
        wf_active_result(a, result);
    else
        wf_active_finish(a,
            err == WEFT_E_NOT_DELIVERED || err == WEFT_E_NO_PROVIDER || err == WEFT_E_METHOD
                ? WF_CALL_NOT_DELIVERED
            : err == WEFT_E_TIMEOUT ? WF_CALL_UNKNOWN
                                    : WF_CALL_DONE,
            err, wf_bytes(NULL, 0), error && error[0] ? error : weft_err_text(err));
}

Weft__V1__Task wf_active_task(struct active *a)
{
    Weft__V1__Task t = WEFT__V1__TASK__INIT;

    t.id = wf_pb_bin(WF_BYTES(a->task));
    t.product = a->product_name;
    t.method = wf_pb_str(a->method->name);
    t.request = wf_pb_bin(wf_buf_view(&a->request));
    t.deadline_ms = a->deadline_ms - wf_node_now_ms(a->node);
    t.caller = a->caller;
    return t;
}

static enum weft_err start_task(struct active *a, const char *host)
{
    Weft__V1__Task t = wf_active_task(a);

    snprintf(a->record.provider, sizeof a->record.provider, "%s/%.63s",
        a->node->identity.cert.domain.s, host);
    enum weft_err err = wf_agents_task(a->node, host, &t, a->deadline_ms, on_task, a);
    if (!err)
        wf_timer_cancel(a->node->loop, &a->timer);
    return err;
}

// ---- the call request ------------------------------------------------------------------------------------------------

static void caller_key(const struct wf_caller *who, uint8_t out[WF_KEY_LEN])
{
    memset(out, 0, WF_KEY_LEN);
    if (who->has_identity)
        memcpy(out, who->identity.cert.sign_key.b, WF_KEY_LEN);
    else
        wf_store_be32(out, who->uid);
}

static void request_hash(const Weft__V1__CallRequest *q, struct wf_hash *ret)
{
    const struct wf_bytes parts[] = { wf_bytes_str(q->product), wf_bytes_str(q->method),
        wf_bytes_str(q->host), wf_pb_view(q->request) };
    struct wf_hasher h;
    uint8_t len[4];

    wf_hasher_init(&h, wf_bytes(NULL, 0), WF_HASH_LEN);
    for (size_t i = 0; i < WF_COUNT(parts); i++) {
        wf_store_be32(len, (uint32_t)parts[i].len);
        wf_hasher_add(&h, WF_BYTES(len));
        wf_hasher_add(&h, parts[i]);
    }
    wf_hasher_done(&h, ret->b, WF_HASH_LEN);
}

static struct active *find_active(
    struct wf_node *n, const uint8_t caller[WF_KEY_LEN], const uint8_t *key)
{
    struct active *a = n->provider->first;

    while (a && (memcmp(a->record.caller, caller, WF_KEY_LEN) != 0 ||
                    memcmp(a->record.key, key, WF_CALL_KEY_LEN) != 0))
        a = a->next;
    return a;
}

// A key that was used before: its outcome, never a second act. True when the call was answered or parked here.
static bool answered_before(struct wf_node *n, struct wf_call *c, const uint8_t caller[WF_KEY_LEN],
    const struct wf_hash *request)
{
    const uint8_t *key = c->request->idempotency.data;
    struct active *a = find_active(n, caller, key);
    struct wf_call_record r = { 0 };

    if (a) {
        if (wf_hash_eq(&a->record.request, request))
            park(a, c, c->request->call->wait_ms);
        else
            wf_call_refuse(c, WEFT_E_IDEMPOTENCY, "call: this key belongs to another call");
        return true;
    }
    if (wf_calls_get(n->provider->calls, caller, key, &r))
        return false;
    if (wf_hash_eq(&r.request, request))
        reply_record(c, &r);
    else
        wf_call_refuse(c, WEFT_E_IDEMPOTENCY, "call: this key belongs to another call");
    wf_call_record_fini(&r);
    return true;
}

static enum weft_err new_active(struct wf_node *n, struct wf_call *c, struct wf_home_product *p,
    const struct wf_schema_method *m, const uint8_t caller[WF_KEY_LEN], struct active **ret)
{
    struct active *a = n->provider->active_count < ACTIVE_MAX ? calloc(1, sizeof *a) : NULL;

    if (!a)
        return n->provider->active_count < ACTIVE_MAX ? WEFT_E_NOMEM : WEFT_E_BUSY;
    a->node = n;
    a->product = p;
    a->method = m;
    a->deadline_ms = wf_node_now_ms(n) + c->request->call->wait_ms;
    if (c->request->call->wait_ms == 0 || a->deadline_ms > c->deadline_ms)
        a->deadline_ms = c->deadline_ms;
    a->timer.fire = on_active_deadline;
    wf_random(a->task, sizeof a->task);
    snprintf(a->caller, sizeof a->caller, "%s", c->caller->label);
    snprintf(a->product_name, sizeof a->product_name, "%s", wf_home_descriptor(p)->name);
    memcpy(a->record.caller, caller, WF_KEY_LEN);
    memcpy(a->record.key, c->request->idempotency.data, WF_CALL_KEY_LEN);
    request_hash(c->request->call, &a->record.request);
    snprintf(a->record.provider, sizeof a->record.provider, "%s/%s", n->identity.cert.domain.s,
        n->identity.cert.subject.s);
    a->record.state = WF_CALL_RUNNING;
    a->record.started_ms = wf_node_now_unix_ms(n);
    a->begun_us = wf_loop_exact_us();
    enum weft_err err = wf_buf_append(&a->request, wf_pb_view(c->request->call->request));
    if (!err)
        err = wf_timer_set(n->loop, &a->timer, a->deadline_ms);
    if (!err)
        err = wf_calls_begin(n->provider->calls, &a->record);
    if (err) {
        wf_timer_cancel(n->loop, &a->timer);
        wf_buf_fini(&a->request);
        free(a);
        return err;
    }
    a->next = n->provider->first;
    n->provider->first = a;
    n->provider->active_count++;
    n->provider->count++;
    *ret = a;
    return WEFT_OK;
}

// A host that is named; a handler that waits; the manifest's program, when it is to run here. Without any the call waits for a handler
// until its deadline.
static void start(struct active *a, const char *host)
{
    const struct wf_collect *m = wf_home_collect(a->product);
    const char *own = a->node->identity.cert.subject.s;
    bool here = m && wf_collect_selects(m, own, true);
    enum weft_err err = WEFT_OK;

    if (host[0] && strcmp(host, own) != 0) {
        err = start_task(a, host);
    } else if (!wf_active_start_handler(a)) {
        if (m && m->serve_count && here)
            err = start_program(a, m);
        else
            a->waits = true;
    }
    if (err)
        wf_active_finish(a, WF_CALL_NOT_DELIVERED, err, wf_bytes(NULL, 0), weft_err_text(err));
}

static const struct wf_schema_method *find_method(
    struct wf_node *n, struct wf_call *c, struct wf_home_product **ret)
{
    const Weft__V1__CallRequest *q = c->request->call;
    struct wf_home_product *p = strcmp(q->domain, n->identity.cert.domain.s) == 0
                                    ? wf_stream_find(n, q->product, q->major)
                                    : NULL;
    const struct wf_schema_service *s = NULL;

    if (p && wf_home_descriptor(p)->kind == WF_PRODUCT_API)
        s = wf_schema_find_service(wf_home_schema(p), wf_bytes_str(wf_home_descriptor(p)->service));
    if (!s) {
        wf_call_refuse(
            c, WEFT_E_NOT_FOUND, "%s/%s is not an api of this node", q->domain, q->product);
        return NULL;
    }
    const struct wf_schema_method *m = wf_schema_method_by_name(s, wf_bytes_str(q->method));
    if (!m || m->client_streaming || m->server_streaming) {
        wf_call_refuse(c, WEFT_E_METHOD, "%s has no method %s; see: weft describe %s/%s",
            s->full_name, q->method, q->domain, q->product);
        return NULL;
    }
    *ret = p;
    return m;
}

void wf_call_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__CallRequest *q = c->request->call;
    struct wf_access asked = { .domain = n->identity.cert.domain.s,
        .product = q->product,
        .verb = WF_VERB_CALL,
        .method = q->method };
    struct wf_granted granted = { 0 };
    struct wf_home_product *p = NULL;
    struct wf_diag diag = { 0 };
    struct active *a = NULL;
    struct wf_hash request;
    uint8_t caller[WF_KEY_LEN];
    char host[WF_MAX_NAME + 1]; // the call may be answered, and its request gone, before it starts

    if (wf_gossip_not_home(n, c, q->domain, q->product))
        return; // answered
    if (!wf_access_check(n, c, &asked, q->token, q->token_id, &granted))
        return; // answered
    if (c->request->idempotency.len != WF_CALL_KEY_LEN) {
        wf_call_refuse(c, WEFT_E_MISSING_FIELD, "call needs an idempotency key of 16 bytes");
        return;
    }
    const struct wf_schema_method *m = find_method(n, c, &p);
    if (!m)
        return;
    if ((size_t)snprintf(host, sizeof host, "%s", q->host) >= sizeof host) {
        wf_call_refuse(c, WEFT_E_NO_HOST, "no host has a name as long as this");
        return;
    }
    caller_key(c->caller, caller);
    request_hash(q, &request);
    if (answered_before(n, c, caller, &request))
        return;
    enum weft_err err = q->request.len > WF_MAX_CALL
                            ? WEFT_E_TOO_BIG
                            : wf_record_check(m->input, wf_pb_view(q->request), &diag);
    if (!err)
        err = new_active(n, c, p, m, caller, &a);
    if (err) {
        wf_call_refuse(c, err, "call: %s", diag.text[0] ? diag.text : weft_err_text(err));
        return;
    }
    park(a, c, q->wait_ms);
    start(a, host);
}

void wf_call_status_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__CallStatusRequest *q = c->request->call_status;
    struct wf_call_record r = { 0 };
    uint8_t caller[WF_KEY_LEN];

    if (q->key.len != WF_CALL_KEY_LEN) {
        wf_call_refuse(c, WEFT_E_SYNTAX, "call status: a key has 16 bytes");
        return;
    }
    caller_key(c->caller, caller);
    struct active *a = find_active(n, caller, q->key.data);
    if (a && q->wait_ms) {
        park(a, c, q->wait_ms);
        return;
    }
    enum weft_err err = a ? WEFT_OK : wf_calls_get(n->provider->calls, caller, q->key.data, &r);
    if (err)
        wf_call_refuse(c, err, "call status: %s", weft_err_doc(err));
    else
        reply_record(c, a ? &a->record : &r);
    wf_call_record_fini(&r);
}

// ---- life ------------------------------------------------------------------------------------------------------------

static enum weft_err provider_open(struct wf_node *n, struct wf_diag *diag)
{
    char *path = NULL;

    n->provider = calloc(1, sizeof *n->provider);
    if (!n->provider)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_disk_join(n->conf->data, "calls.db", &path);
    if (!err)
        err = wf_calls_open(path, &n->provider->calls, diag);
    free(path);
    return err;
}

static void provider_tick(struct wf_node *n)
{
    int64_t now = wf_node_now_ms(n);

    if (now < n->provider->prune_at_ms && wf_calls_held(n->provider->calls) == 0)
        return;
    n->provider->prune_at_ms = now + PRUNE_MS;
    wf_calls_prune(n->provider->calls, wf_node_now_unix_ms(n));
}

static bool provider_drained(const struct wf_node *n)
{
    return n->provider->first == NULL;
}

static void provider_close(struct wf_node *n)
{
    struct wf_provider_room *r = n->provider;

    if (!r)
        return;
    wf_polls_end(&r->polls);
    for (struct active *a = r->first; a; a = a->next)
        wf_source_forget(n, a);
    while (r->first)
        wf_active_finish(r->first, r->first->taken ? WF_CALL_UNKNOWN : WF_CALL_NOT_DELIVERED,
            WEFT_E_CLOSED, wf_bytes(NULL, 0), "the node stopped");
    wf_calls_close(r->calls);
    wf_api_traffic_free(r);
    free(r);
    n->provider = NULL;
}

static void provider_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    wf_metric(m, WF_METRIC_CALLS, (double)n->provider->count);
    wf_metric(m, WF_METRIC_CALLS_FAILED, (double)n->provider->failed);
    wf_metric(m, WF_METRIC_CALLS_RUNNING, (double)n->provider->active_count);
}

const struct wf_room wf_provider_room = { .name = "provider",
    .open = provider_open,
    .tick = provider_tick,
    .drained = provider_drained,
    .close = provider_close,
    .metrics = provider_metrics,
    .signals = wf_api_signals };

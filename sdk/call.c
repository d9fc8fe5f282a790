// SPDX-License-Identifier: Apache-2.0
// weft_call and weft_call_status: JSON to the method's input by the product's schema, the answer back. The idempotency key is
// made before anything is sent, so that an outcome that is unknown can be asked for.
#include <stdio.h>
#include <stdlib.h>

#include "proto/schema/record_json.h"
#include "sdk/client_int.h"
#include "sdk/json.h"
#include "sdk/product_int.h"

#define ANSWER_MS 2000 // what the owner needs beside the provider's time

struct call_op {
    struct weft_client *c;
    struct wf_client_wait *wait;
    struct wf_target target;
    const char *json;
    const char *host;
    int64_t timeout_ms;
    bool is_status;
    uint8_t key[16];
    struct weft_product *product;
    const struct wf_schema_method *method;
    struct wf_link *link;
    struct wf_buf request, token;
    bool moved;
    struct weft_result result;
};

static void what_of(const struct call_op *o, char out[300])
{
    snprintf(out, 300, "call %s/%s/%s", o->target.domain.s, o->target.product.s, o->target.method);
}

static void fail_call(struct call_op *o, enum weft_err err, const char *reason)
{
    struct weft_problem p;
    char what[300];

    what_of(o, what);
    wf_problem_set(&p, err, "%s: %s", what, reason && reason[0] ? reason : weft_err_text(err));
    wf_client_done(o->wait, err, &p);
}

// ---- the answer ----------------------------------------------------------------------------------------------------------

static enum weft_err answer_json(struct call_op *o, struct wf_bytes result)
{
    struct wf_record_budget budget = wf_record_default_budget;
    struct wf_record_json_options options = { .budget = &budget };
    struct wf_buf out = { 0 };

    budget.max_len = WF_MAX_CALL;
    budget.max_string = WF_MAX_CALL;
    enum weft_err err = wf_record_json(o->method->output, result, &options, &out, NULL);
    if (!err)
        err = wf_buf_append_byte(&out, '\0');
    if (err) {
        wf_buf_fini(&out);
        return err == WEFT_E_NOMEM ? err : WEFT_E_RECORD;
    }
    o->result.json = (char *)out.ptr;
    return WEFT_OK;
}

static enum weft_err outcome_of(const Weft__V1__CallReply *r)
{
    static const struct {
        const char *state;
        enum weft_err err;
    } states[] = { { "running", WEFT_E_RUNNING }, { "not-delivered", WEFT_E_NOT_DELIVERED },
        { "unknown", WEFT_E_UNKNOWN_CALL } };

    for (size_t i = 0; i < WF_COUNT(states); i++)
        if (strcmp(r->state, states[i].state) == 0)
            return r->code ? (enum weft_err)r->code : states[i].err;
    if (strcmp(r->state, "done") != 0)
        return WEFT_E_PROTOCOL;
    if (r->code)
        return (enum weft_err)r->code;
    return r->error[0] ? WEFT_E_PROVIDER : WEFT_OK;
}

static void take_answer(struct call_op *o, const Weft__V1__CallReply *r)
{
    enum weft_err err = outcome_of(r);

    snprintf(o->result.state, sizeof o->result.state, "%s", r->state);
    snprintf(o->result.provider, sizeof o->result.provider, "%s", r->provider);
    o->result.started_ms = r->started_ms;
    o->result.ended_ms = r->ended_ms;
    if (!err) {
        err = answer_json(o, wf_pb_view(r->result));
        if (err) {
            fail_call(o, err, "the provider's answer does not fit the schema");
            return;
        }
    }
    if (err)
        fail_call(o, err, r->error);
    else
        wf_client_done(o->wait, WEFT_OK, NULL);
}

static void on_owner(void *arg, enum weft_err err, const struct weft_problem *problem,
    struct wf_link *link, const struct wf_entry_doc *product);

static void on_answer(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct call_op *o = arg;
    struct weft_problem p;
    char what[300];

    if (!err && reply->call) {
        take_answer(o, reply->call);
        return;
    }
    if (err == WEFT_E_NOT_HOME && !o->moved) {
        o->moved = true;
        wf_client_owner_again(o->c, &o->target, on_owner, o);
        return;
    }
    // Refused is not delivered; silence or a lost connection may be either.
    snprintf(o->result.state, sizeof o->result.state, "%s",
        reply && reply->refusal ? "not-delivered" : "unknown");
    what_of(o, what);
    wf_problem_from_reply(&p, err ? err : WEFT_E_PROTOCOL, reply, what);
    if (!reply)
        snprintf(p.hint, sizeof p.hint, "the outcome is unknown; ask with weft call status KEY");
    wf_client_done(o->wait, p.err, &p);
}

// ---- asking ------------------------------------------------------------------------------------------------------------

static void ask_call(struct call_op *o)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__CallRequest call = WEFT__V1__CALL_REQUEST__INIT;

    call.domain = o->target.domain.s;
    call.product = o->target.product.s;
    call.major = o->target.major;
    call.method = o->target.method;
    call.request = wf_pb_bin(wf_buf_view(&o->request));
    call.host = wf_pb_str(o->host);
    call.token = wf_pb_bin(wf_buf_view(&o->token));
    call.wait_ms = (uint32_t)o->timeout_ms;
    q.idempotency = wf_pb_bin(WF_BYTES(o->key));
    q.kind_case = WEFT__V1__REQUEST__KIND_CALL;
    q.call = &call;
    wf_client_send(o->c, o->link, &q, o->timeout_ms + ANSWER_MS, on_answer, o);
}

static void ask_status(struct call_op *o)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__CallStatusRequest status = WEFT__V1__CALL_STATUS_REQUEST__INIT;

    status.key = wf_pb_bin(WF_BYTES(o->key));
    status.wait_ms = (uint32_t)o->timeout_ms;
    q.kind_case = WEFT__V1__REQUEST__KIND_CALL_STATUS;
    q.call_status = &status;
    wf_client_send(o->c, o->link, &q, o->timeout_ms + ANSWER_MS, on_answer, o);
}

static void on_token(
    void *arg, enum weft_err err, const struct weft_problem *problem, const struct wf_token *token)
{
    struct call_op *o = arg;

    o->token.len = 0;
    if (!err && token)
        err = wf_buf_append(&o->token, wf_buf_view(&token->raw));
    if (err)
        wf_client_done(o->wait, err, problem);
    else
        ask_call(o);
}

static void on_owner(void *arg, enum weft_err err, const struct weft_problem *problem,
    struct wf_link *link, const struct wf_entry_doc *product)
{
    struct call_op *o = arg;

    (void)product;
    if (err) {
        wf_client_done(o->wait, err, problem);
        return;
    }
    o->link = link;
    if (o->is_status)
        ask_status(o);
    else
        wf_client_token(o->c, link, &o->target, WF_VERB_CALL, false, on_token, o);
}

static enum weft_err find_method(struct call_op *o, struct wf_diag *diag)
{
    const struct weft_product_info *info = weft_product_info(o->product);
    const struct wf_schema_service *s =
        wf_schema_find_service(o->product->schema, wf_bytes_str(info->service));

    if (!s) {
        wf_diag_set(diag, 0, 0, "the product is no api");
        return WEFT_E_TYPE;
    }
    o->method = wf_schema_method_by_name(s, wf_bytes_str(o->target.method));
    if (!o->method) {
        wf_diag_set(diag, 0, 0, "%s has no such method; see: weft describe %s/%s", s->full_name,
            o->target.domain.s, o->target.product.s);
        return WEFT_E_METHOD;
    }
    return WEFT_OK;
}

static enum weft_err make_request(struct call_op *o, struct wf_diag *diag)
{
    struct wf_json *json = NULL;
    const char *text = o->json && o->json[0] ? o->json : "{}";
    enum weft_err err = find_method(o, diag);

    if (err || o->is_status)
        return err;
    err = wf_json_parse(wf_bytes_str(text), &json, diag);
    if (!err)
        err = wf_json_encode(o->method->input, json, WF_MAX_CALL, &o->request, diag);
    wf_json_free(json);
    return err;
}

static void on_described(
    void *arg, enum weft_err err, const struct weft_problem *problem, struct weft_product *product)
{
    struct call_op *o = arg;
    struct wf_diag diag = { 0 };

    o->product = product;
    if (err) {
        wf_client_done(o->wait, err, problem);
        return;
    }
    err = make_request(o, &diag);
    if (err) {
        snprintf(o->result.state, sizeof o->result.state, "not-delivered");
        fail_call(o, err, diag.text);
        return;
    }
    wf_client_owner(o->c, &o->target, on_owner, o);
}

static void begin(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct call_op *o = arg;

    o->c = c;
    o->wait = w;
    wf_client_describe(c, &o->target, on_described, o);
}

static enum weft_err run_call(struct weft_client *c, struct call_op *o, const char *target,
    struct weft_result *ret, struct weft_problem *problem)
{
    enum weft_err err = wf_target_parse(target, true, &o->target, problem);

    memcpy(o->result.key, o->key, sizeof o->key);
    if (!err)
        err = wf_client_run(c, begin, o, problem);
    weft_product_free(o->product);
    wf_buf_fini(&o->request);
    wf_buf_fini(&o->token);
    *ret = o->result; // also on failure: the key and the state tell how to go on
    return err;
}

enum weft_err weft_call(struct weft_client *c, const char *target, const char *json,
    const struct weft_call_options *options, struct weft_result *ret, struct weft_problem *problem)
{
    struct call_op o = { .json = json, .timeout_ms = WF_REQUEST_DEADLINE_MS };

    if (options && options->timeout_ms)
        o.timeout_ms = options->timeout_ms;
    if (options)
        o.host = options->host;
    if (options && options->key)
        memcpy(o.key, options->key, sizeof o.key);
    else
        wf_random(o.key, sizeof o.key);
    return run_call(c, &o, target, ret, problem);
}

enum weft_err weft_call_status(struct weft_client *c, const char *target, const uint8_t key[16],
    unsigned wait_ms, struct weft_result *ret, struct weft_problem *problem)
{
    struct call_op o = { .is_status = true, .timeout_ms = wait_ms };

    memcpy(o.key, key, sizeof o.key);
    return run_call(c, &o, target, ret, problem);
}

void weft_result_fini(struct weft_result *r)
{
    free(r->json);
    r->json = NULL;
}

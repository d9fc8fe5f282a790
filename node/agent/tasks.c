// SPDX-License-Identifier: Apache-2.0
// Calls that come as answers to the poll: a local handler has them (serve.c), or the program that the signed manifest names is run with the
// method's name, request in and reply out as JSON. A snapshot task asks a source for its whole inventory. There is no other way to make this host do anything.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/uplink.h"
#include "node/source/room.h"
#include "proto/schema/record_json.h"
#include "sdk/json.h"

#define TASK_ID_LEN WF_AGENT_TASK_ID_LEN

struct task_run {
    struct wf_node *node;
    struct wf_dh_pub peer; // who gave it
    uint8_t id[TASK_ID_LEN];
    struct wf_name product;
    char method[128];
};

static void answer(struct task_run *t, enum weft_err err, struct wf_bytes result, const char *text)
{
    struct wf_answer a = { t->peer, t->id, err, result, text };
    enum weft_err sent = wf_uplink_answer(t->node, &a);

    if (sent)
        wf_say(t->node, WF_LOG_WARN, "uplink", "a call's answer could not be kept", "why",
            weft_err_text(sent), NULL);
}

static const struct wf_schema_method *method_of(
    struct wf_node *n, const char *product, const char *method, struct wf_agent_product **ret)
{
    struct wf_agent_product *p = wf_uplink_find(n, product);
    const struct wf_schema_service *s =
        p && p->collect->product.service
            ? wf_schema_find_service(p->schema, wf_bytes_str(p->collect->product.service))
            : NULL;

    *ret = p;
    return s ? wf_schema_method_by_name(s, wf_bytes_str(method)) : NULL;
}

// ---- the reply -------------------------------------------------------------------------------------------------------

static enum weft_err encode_reply(
    struct task_run *t, struct wf_bytes output, struct wf_buf *out, struct wf_diag *diag)
{
    struct wf_agent_product *p = NULL;
    const struct wf_schema_method *m = method_of(t->node, t->product.s, t->method, &p);
    struct wf_json *j = NULL;
    enum weft_err err = m ? wf_json_parse(output, &j, diag) : WEFT_E_METHOD;

    if (!err)
        err = wf_json_encode(m->output, j, WF_MAX_CALL, out, diag);
    wf_json_free(j);
    return err;
}

static void on_ended(struct wf_node *n, void *arg, enum weft_err err, int status,
    struct wf_bytes output, const char *error_text)
{
    struct task_run *t = arg;
    struct wf_buf message = { 0 };
    struct wf_diag diag = { 0 };
    char why[400];

    if (n->uplink && !n->uplink->closed) {
        if (err == WEFT_E_TOO_BIG)
            answer(t, WEFT_E_PROVIDER, wf_bytes(NULL, 0),
                "the provider's reply is too long; it was stopped");
        else if (err) // stopped half way: it may have acted
            answer(t, WEFT_E_TIMEOUT, wf_bytes(NULL, 0),
                err == WEFT_E_TIMEOUT ? "the provider did not end in time and was stopped"
                                      : weft_err_text(err));
        else if (status == WF_RUN_NOT_STARTED)
            answer(t, WEFT_E_NO_PROVIDER, wf_bytes(NULL, 0),
                error_text[0] ? error_text : "the provider's program could not be started");
        else if (status)
            answer(t, wf_run_error(status, error_text, why, sizeof why), wf_bytes(NULL, 0), why);
        else if (encode_reply(t, output, &message, &diag))
            answer(t, WEFT_E_PROVIDER, wf_bytes(NULL, 0), diag.text);
        else
            answer(t, WEFT_OK, wf_buf_view(&message), "");
    }
    wf_buf_fini(&message);
    free(t);
}

int64_t wf_uplink_task_left(const Weft__V1__Task *task)
{
    return task->deadline_ms < 1                    ? 1
           : task->deadline_ms > WF_MAX_DEADLINE_MS ? WF_MAX_DEADLINE_MS
                                                    : task->deadline_ms;
}

// ---- the run ---------------------------------------------------------------------------------------------------------

static enum weft_err run(
    struct wf_node *n, const Weft__V1__Task *task, struct task_run *t, struct wf_diag *diag)
{
    struct wf_agent_product *p = NULL;
    const struct wf_schema_method *m = method_of(n, task->product, task->method, &p);
    const char *argv[64];
    char caller[160], method[160], key[64], deadline[64], hex[2 * TASK_ID_LEN + 1];
    const char *env[] = { caller, method, key, deadline, NULL };
    struct wf_buf json = { 0 };
    int64_t left = wf_uplink_task_left(task);

    if (!p || p->collect->serve_count == 0 || p->collect->serve_count >= WF_COUNT(argv))
        return WEFT_E_NO_PROVIDER;
    if (!m)
        return WEFT_E_METHOD;
    memcpy(argv, p->collect->serve, p->collect->serve_count * sizeof *argv);
    argv[p->collect->serve_count] = m->name;
    wf_hex_put(WF_BYTES(t->id), hex);
    snprintf(caller, sizeof caller, "WEFT_CALLER=%.140s", task->caller);
    snprintf(method, sizeof method, "WEFT_METHOD=%.120s", m->name);
    snprintf(key, sizeof key, "WEFT_CALL_KEY=%s", hex);
    snprintf(deadline, sizeof deadline, "WEFT_DEADLINE_MS=%" PRId64, wf_node_now_unix_ms(n) + left);
    enum weft_err err = wf_record_json(m->input, wf_pb_view(task->request), NULL, &json, diag);
    struct wf_run_spec spec = { argv, p->collect->serve_count + 1, env, wf_buf_view(&json),
        wf_node_now_ms(n) + left };
    if (!err)
        err = wf_source_run_once(n, &spec, on_ended, t);
    wf_buf_fini(&json);
    return err;
}

static enum weft_err run_program(
    struct wf_node *n, const Weft__V1__Task *task, struct wf_diag *diag)
{
    struct task_run *t = calloc(1, sizeof *t);

    if (!t)
        return WEFT_E_NOMEM;
    t->node = n;
    t->peer = n->uplink->peer;
    memcpy(t->id, task->id.data, TASK_ID_LEN);
    snprintf(t->method, sizeof t->method, "%s", task->method);
    enum weft_err err = wf_name_from(wf_bytes_str(task->product), &t->product);
    if (!err)
        err = run(n, task, t, diag);
    if (err)
        free(t);
    return err;
}

static void take(struct wf_node *n, const Weft__V1__Task *task)
{
    struct wf_agent_product *p = NULL;
    struct wf_diag diag = { 0 };

    if (task->snapshot) {
        wf_source_snapshot(n, task->product);
        return;
    }
    if (task->id.len != TASK_ID_LEN)
        return; // nobody could be answered
    const struct wf_schema_method *m = method_of(n, task->product, task->method, &p);
    enum weft_err err = !p ? WEFT_E_NO_PROVIDER : !m ? WEFT_E_METHOD : WEFT_OK;
    if (!err)
        err = p->collect->serve_count && !wf_polls_wait(&n->uplink->polls, task->product)
                  ? run_program(n, task, &diag)
                  : wf_host_task_begin(n, task);
    if (!err)
        return;
    struct wf_answer a = {
        .peer = n->uplink->peer, .task_id = task->id.data, .code = err, .error = diag.text
    };
    enum weft_err sent = wf_uplink_answer(n, &a);
    if (sent)
        wf_say(n, WF_LOG_WARN, "uplink", "a call's answer could not be kept", "why",
            weft_err_text(sent), NULL);
}

void wf_uplink_tasks(struct wf_node *n, const Weft__V1__PollReply *reply)
{
    for (size_t i = 0; i < reply->n_tasks; i++)
        take(n, reply->tasks[i]);
}

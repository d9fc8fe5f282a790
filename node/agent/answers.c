// SPDX-License-Identifier: Apache-2.0
// Answers to calls, from the host to the node that gave the call. Each is kept until that node said that it has it, so a line that drops
// meanwhile costs no answer: it goes again over the next one, under the same idempotency key. Owns what is kept, bounded in number
// and bytes, for as long as a call may last. Invariant: an answer goes to the node it is for, and acts there once. Loop thread only.
#include <stdlib.h>

#include "node/agent/uplink.h"

#define KEEP_MS 3600000 // no call lasts longer

struct wf_agent_answer {
    struct wf_agent_answer *next;
    struct wf_node *node;
    struct wf_dh_pub peer; // who gave the call
    uint8_t task_id[WF_AGENT_TASK_ID_LEN], key[16];
    enum weft_err code;
    struct wf_buf result, error; // error: with its NUL
    int64_t until_ms;
    bool in_flight;
};

static size_t size_of(const struct wf_agent_answer *a)
{
    return a->result.len + a->error.len;
}

static void answer_free(struct wf_agent_answer *a)
{
    wf_buf_fini(&a->result);
    wf_buf_fini(&a->error);
    free(a);
}

static void drop(struct wf_uplink_room *u, struct wf_agent_answer *a)
{
    struct wf_agent_answer **at = &u->answers;

    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    u->answer_count--;
    u->answer_bytes -= size_of(a);
    answer_free(a);
}

// The line or the node's load, not the answer itself.
static bool may_pass(enum weft_err err)
{
    return err == WEFT_E_BUSY || err == WEFT_E_FULL || err == WEFT_E_NOMEM ||
           err == WEFT_E_TIMEOUT || err == WEFT_E_CLOSED || err == WEFT_E_UNREACHABLE ||
           err == WEFT_E_RUNNING || err == WEFT_E_SESSION || err == WEFT_E_FLOOD;
}

static void on_answered(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_agent_answer *a = arg;
    struct wf_node *n = a->node;

    (void)reply;
    a->in_flight = false;
    if (n->uplink->closed || (err && may_pass(err)))
        return; // again with the next poll that is answered
    if (err)
        wf_say(n, WF_LOG_WARN, "uplink", "an answer to a call was not taken", "why",
            weft_err_text(err), NULL);
    drop(n->uplink, a);
}

static void send_one(struct wf_agent_answer *a)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__AnswerRequest m = WEFT__V1__ANSWER_REQUEST__INIT;

    m.task_id = wf_pb_bin(WF_BYTES(a->task_id));
    m.result = wf_pb_bin(wf_buf_view(&a->result));
    m.code = (uint32_t)a->code;
    m.error = a->error.len ? (char *)a->error.ptr : m.error;
    q.idempotency = wf_pb_bin(WF_BYTES(a->key));
    q.kind_case = WEFT__V1__REQUEST__KIND_ANSWER;
    q.answer = &m;
    a->in_flight = true; // before: its callback may come at once
    if (wf_link_request(a->node->uplink->link, &q, 0, on_answered, a))
        a->in_flight = false;
}

void wf_answers_send(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    int64_t now = wf_node_now_ms(n);

    for (struct wf_agent_answer *a = u->answers, *next; a; a = next) {
        next = a->next;
        if (a->in_flight)
            continue;
        if (now >= a->until_ms)
            drop(u, a); // its caller was told long since
        else if (u->link && memcmp(a->peer.b, u->peer.b, WF_KEY_LEN) == 0)
            send_one(a);
    }
}

enum weft_err wf_uplink_answer(struct wf_node *n, const struct wf_answer *what)
{
    struct wf_uplink_room *u = n->uplink;
    const char *text = what->error && what->error[0] ? what->error : weft_err_text(what->code);
    struct wf_agent_answer *a = NULL, **end = &u->answers;
    enum weft_err err = WEFT_OK;

    if (u->answer_count >= WF_UPLINK_TASKS || u->answer_bytes >= WF_UPLINK_ANSWER_BYTES) {
        u->answers_full++;
        return WEFT_E_FULL;
    }
    a = calloc(1, sizeof *a);
    if (!a)
        return WEFT_E_NOMEM;
    err = wf_buf_append(&a->result, what->result);
    if (!err && what->code)
        err = wf_buf_append(&a->error, wf_bytes(text, strlen(text) + 1));
    if (err) {
        answer_free(a);
        return err;
    }
    a->node = n;
    a->peer = what->peer;
    a->code = what->code;
    a->until_ms = wf_node_now_ms(n) + KEEP_MS;
    memcpy(a->task_id, what->task_id, sizeof a->task_id);
    wf_random(a->key, sizeof a->key);
    while (*end)
        end = &(*end)->next;
    *end = a;
    u->answer_count++;
    u->answer_bytes += size_of(a);
    wf_answers_send(n);
    return WEFT_OK;
}

// After the link went, whose requests have ended by then.
void wf_answers_close(struct wf_node *n)
{
    while (n->uplink->answers)
        drop(n->uplink, n->uplink->answers);
}

// SPDX-License-Identifier: Apache-2.0
// The fake home's side of weft_serve: what it says of a product, the tasks it hands out, the answers it takes.
#include "tests/support/fakehome.h"

#include <check.h>
#include <stdio.h>

#define MUST(call) ck_assert_int_eq(call, WEFT_OK)

static void set_bin(const struct wf_fake_call *c, ProtobufCBinaryData *to, struct wf_bytes from)
{
    struct wf_bytes copy = { 0 };

    MUST(wf_arena_dup(c->arena, from, &copy));
    *to = wf_pb_bin(copy);
}

// What a node says to a handler's first poll.
static void on_describe(struct wf_fakehome *h, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    Weft__V1__PollReply *r = wf_fake_new(c, &weft__v1__poll_reply__descriptor);
    const char *product = c->request->poll->serves[0];

    if (strcmp(product, "readings") == 0) {
        wf_fake_refuse(c, reply, WEFT_E_UNSUPPORTED, "it is published, not served");
        return;
    }
    if (strcmp(product, "stations") != 0) {
        wf_fake_refuse(c, reply, WEFT_E_NOT_FOUND, "no such product");
        return;
    }
    r->product = wf_fakehome_descriptor(h, c, product);
    r->product->kind = WEFT__V1__PRODUCT_KIND__PRODUCT_KIND_API;
    r->product->message = wf_fake_str(c, "");
    r->product->service = wf_fake_str(c, "test.station.v1.Stations");
    set_bin(c, &r->schema, wf_buf_view(&h->m->schema));
    reply->kind_case = WEFT__V1__REPLY__KIND_POLL;
    reply->poll = r;
}

void wf_fakehome_poll(struct wf_fakehome *h, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    Weft__V1__PollReply *r = wf_fake_new(c, &weft__v1__poll_reply__descriptor);

    if (c->request->poll->describe) {
        on_describe(h, c, reply);
        return;
    }
    if (atomic_load(&h->tasks) > 0) {
        Weft__V1__Task *t = wf_fake_new(c, &weft__v1__task__descriptor);
        atomic_fetch_sub(&h->tasks, 1);
        set_bin(c, &t->id, WF_STR("task-id-16-bytes"));
        t->product = wf_fake_str(c, "stations");
        t->method = wf_fake_str(c, h->task_method);
        t->caller = wf_fake_str(c, "network/alice");
        t->deadline_ms = 5000;
        set_bin(c, &t->request, wf_buf_view(&h->task_request));
        r->tasks = wf_arena_calloc(c->arena, 1, sizeof(void *));
        r->tasks[r->n_tasks++] = t;
    }
    reply->kind_case = WEFT__V1__REPLY__KIND_POLL;
    reply->poll = r;
}

void wf_fakehome_answer(struct wf_fakehome *h, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    const Weft__V1__AnswerRequest *q = c->request->answer;

    h->answer.len = 0;
    MUST(wf_buf_append(&h->answer, wf_pb_view(q->result)));
    snprintf(h->answer_error, sizeof h->answer_error, "%s", q->error);
    atomic_store(&h->answer_code, (int)q->code);
    reply->answer = wf_fake_new(c, &weft__v1__answer_reply__descriptor);
    reply->kind_case = WEFT__V1__REPLY__KIND_ANSWER;
    atomic_fetch_add(&h->answers, 1);
}

// SPDX-License-Identifier: Apache-2.0
// The fake home's side of publishers and of weft_serve: records it takes, what it says of a product, tasks it hands out, answers it takes.
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

// Keeps records by sequence; those below the mark came before. A gap is ORDER, as a node has it.
static enum weft_err take_records(struct wf_fakehome *h, const Weft__V1__PublishRequest *q)
{
    struct wf_bytes in = wf_pb_view(q->records);
    uint64_t seq = q->seq;

    if (q->seq > h->mark)
        return WEFT_E_ORDER;
    if (q->lost) {
        uint64_t end = q->seq + q->count;
        ck_assert_uint_eq(in.len, 0);
        h->dropped += end > h->mark ? end - h->mark : 0;
        h->mark = end > h->mark ? end : h->mark;
        return WEFT_OK;
    }
    while (in.len) {
        struct wf_record_view v;
        MUST(wf_records_next(&in, q->base_us, &v));
        if (seq++ < h->mark)
            continue;
        ck_assert_uint_lt(h->mark, WF_HOME_RECORDS);
        MUST(wf_buf_append(&h->seen[h->mark++], v.data));
    }
    return seq == q->seq + q->count ? WEFT_OK : WEFT_E_RECORD;
}

void wf_fakehome_publish(
    struct wf_fakehome *h, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    const Weft__V1__PublishRequest *q = c->request->publish;
    Weft__V1__PublishReply *r = wf_fake_new(c, &weft__v1__publish_reply__descriptor);
    enum weft_err err = WEFT_OK;

    if (strcmp(q->product, "readings") != 0 && strcmp(q->product, "hosts") != 0) {
        wf_fake_refuse(c, reply, WEFT_E_NOT_FOUND, "no such product");
        return;
    }
    if (q->records.len == 0 && !q->lost) {
        memcpy(h->publisher, q->publisher.data, sizeof h->publisher);
        r->product = wf_fakehome_descriptor(h, c, q->product);
        r->product->batch_bytes = atomic_load(&h->batch_bytes);
        set_bin(c, &r->schema, wf_buf_view(&h->m->schema));
    } else {
        atomic_fetch_add(&h->published, 1);
        if (q->records.len > atomic_load(&h->largest))
            atomic_store(&h->largest, q->records.len);
        if (atomic_exchange(&h->then_hold, false))
            atomic_store(&h->m->knobs->hold, true);
        if (atomic_load(&h->take_first) > 0) {
            atomic_fetch_sub(&h->take_first, 1);
            err = take_records(h, q);
        } else if (atomic_load(&h->refuse_publish) > 0) {
            atomic_fetch_sub(&h->refuse_publish, 1);
            err = (enum weft_err)atomic_load(&h->publish_code);
        } else {
            err = take_records(h, q);
            if (!err && atomic_exchange(&h->lose_reply, false))
                err = WEFT_E_FULL;
        }
    }
    if (err) {
        wf_fake_refuse(c, reply, (int)err, "not now");
        return;
    }
    r->mark = r->durable_mark = h->mark;
    r->durable = true;
    reply->kind_case = WEFT__V1__REPLY__KIND_PUBLISH;
    reply->publish = r;
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
        t->deadline_ms = 60000;
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

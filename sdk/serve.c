// SPDX-License-Identifier: Apache-2.0
// Serving an api: long polls on the local link bring tasks, a thread of its own calls the handler one task at a time, answers go back as
// requests. Nothing ever connects to a provider. The node keeps key, state and result; a task that is brought twice carries one id.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/schema/record_json.h"
#include "sdk/client_int.h"
#include "sdk/json.h"
#include "sdk/product_int.h"

#define TASKS_MAX    64u // waiting here; no poll while there are more
#define TASK_ID_LEN  16u
#define RETRY_MS     200
#define RETRY_MAX_MS 5000
#define ANSWER_TRIES 5

struct task {
    struct task *next;
    uint8_t id[TASK_ID_LEN];
    char method[WF_MAX_SCHEMA_NAME + 1], caller[2 * WF_MAX_NAME + 2];
    struct wf_buf request;
    int64_t deadline_ms, came_ms; // left when it came; monotonic
};

struct weft_service {
    struct weft_client *c;
    atomic_uint refs;
    char name[WF_MAX_NAME + 1];
    struct weft_product *product;
    const struct wf_schema_service *service;
    weft_serve_fn handler;
    void *arg;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct task *first, **last;
    size_t task_count;
    bool stopping;

    // loop thread
    struct wf_timer retry;
    bool closed, polling;
    int64_t retry_ms;
};

struct answer { // a letter to the loop thread, then the argument of its request
    struct wf_mail mail;
    struct weft_service *s;
    uint8_t id[TASK_ID_LEN];
    struct wf_buf result;
    char *error;
    enum weft_err err;
    int tries;
    struct wf_timer retry;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// ---- life ------------------------------------------------------------------------------------------------------------------

static void task_free(struct task *t)
{
    wf_buf_fini(&t->request);
    free(t);
}

static void unref(struct weft_service *s)
{
    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    while (s->first) {
        struct task *next = s->first->next;
        task_free(s->first);
        s->first = next;
    }
    if (s->product)
        weft_product_free(s->product);
    pthread_cond_destroy(&s->cond);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

// ---- answers ---------------------------------------------------------------------------------------------------------------

static void answer_free(struct answer *a)
{
    wf_buf_fini(&a->result);
    free(a->error);
    unref(a->s);
    free(a);
}

static void send_answer(struct answer *a);

static void answer_again(struct wf_timer *t)
{
    struct answer *a = (struct answer *)(void *)((char *)t - offsetof(struct answer, retry));

    if (a->s->closed)
        answer_free(a);
    else
        send_answer(a);
}

static void on_answered(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct answer *a = arg;
    struct wf_loop *loop = wf_client_loop(a->s->c);
    // BUSY: an agent without a line to its node at the moment.
    bool passes = err && (!reply || err == WEFT_E_BUSY);
    bool again = passes && ++a->tries < ANSWER_TRIES && !a->s->closed;

    a->retry.fire = answer_again;
    if (!again || wf_timer_set(loop, &a->retry, wf_loop_now_ms(loop) + RETRY_MS * a->tries))
        answer_free(a);
}

static void send_answer(struct answer *a)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__AnswerRequest answer = WEFT__V1__ANSWER_REQUEST__INIT;
    uint8_t key[16];

    answer.task_id = wf_pb_bin(WF_BYTES(a->id));
    answer.result = wf_pb_bin(wf_buf_view(&a->result));
    answer.error = wf_pb_str(a->error);
    answer.code = (uint32_t)a->err;
    q.kind_case = WEFT__V1__REQUEST__KIND_ANSWER;
    q.answer = &answer;
    wf_client_key(&q, key);
    wf_client_send(a->s->c, wf_client_local(a->s->c), &q, 0, on_answered, a);
}

static void open_answer(struct wf_mail *m)
{
    send_answer((struct answer *)(void *)m);
}

static void drop_answer(struct wf_mail *m)
{
    answer_free((struct answer *)(void *)m);
}

// ---- the handler's thread ----------------------------------------------------------------------------------------------------

static char *text_of(const char *format, const char *more)
{
    size_t len = strlen(format) + strlen(more) + 1;
    char *out = malloc(len);

    if (out)
        snprintf(out, len, format, more);
    return out;
}

static enum weft_err request_json(
    const struct wf_schema_method *m, const struct task *t, char **ret_json)
{
    struct wf_record_budget budget = wf_record_default_budget;
    struct wf_record_json_options options = { .budget = &budget };
    struct wf_buf json = { 0 };

    budget.max_len = budget.max_string = WF_MAX_CALL;
    enum weft_err err = wf_record_json(m->input, wf_buf_view(&t->request), &options, &json, NULL);
    if (!err)
        err = wf_buf_append_byte(&json, '\0');
    if (err) {
        wf_buf_fini(&json);
        return err;
    }
    *ret_json = (char *)json.ptr;
    return WEFT_OK;
}

static enum weft_err take_reply(
    const struct wf_schema_method *m, const char *json, struct answer *a)
{
    struct wf_json *parsed = NULL;
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_json_parse(wf_bytes_str(json), &parsed, &diag);

    if (!err)
        err = wf_json_encode(m->output, parsed, WF_MAX_CALL, &a->result, &diag);
    wf_json_free(parsed);
    if (!err)
        return WEFT_OK;
    a->error = text_of("the provider's reply does not fit its schema: %s", diag.text);
    return WEFT_E_PROVIDER;
}

static enum weft_err run_task(struct weft_service *s, const struct task *t, struct answer *a)
{
    const struct wf_schema_method *m =
        wf_schema_method_by_name(s->service, wf_bytes_str(t->method));
    struct weft_request q = { .method = t->method, .caller = t->caller };
    char *json = NULL, *reply = NULL;

    if (!m) {
        a->error = text_of("no method %s", t->method);
        return WEFT_E_METHOD;
    }
    q.deadline_ms = t->deadline_ms - (now_ms() - t->came_ms);
    if (q.deadline_ms <= 0) {
        a->error = text_of("%s waited here until its deadline had passed", t->method);
        return WEFT_E_TIMEOUT;
    }
    enum weft_err err = request_json(m, t, &json);
    if (err) {
        a->error = text_of("the request does not fit its schema: %s", weft_err_text(err));
        return WEFT_E_RECORD;
    }
    q.json = json;
    err = s->handler(s->arg, &q, &reply, &a->error);
    if (!err && reply)
        err = take_reply(m, reply, a);
    else if (!err)
        err = WEFT_E_PROVIDER;
    if (err && !a->error)
        a->error = text_of("%s", weft_err_text(err));
    free(json);
    free(reply);
    return err;
}

static void work(struct weft_service *s, struct task *t)
{
    struct answer *a = calloc(1, sizeof *a);

    if (a) {
        a->mail = (struct wf_mail){
            .open = open_answer, .drop = drop_answer, .class = WF_MAIL_CONTROL, .must = true
        };
        atomic_fetch_add(&s->refs, 1);
        a->s = s;
        memcpy(a->id, t->id, sizeof a->id);
        a->err = run_task(s, t, a);
        if (wf_loop_post(wf_client_loop(s->c), &a->mail))
            answer_free(a);
    }
    task_free(t);
}

static void *serve_thread(void *arg)
{
    struct weft_service *s = arg;

    pthread_mutex_lock(&s->mutex);
    while (!s->stopping) {
        struct task *t = s->first;
        if (!t) {
            pthread_cond_wait(&s->cond, &s->mutex);
            continue;
        }
        s->first = t->next;
        if (!s->first)
            s->last = &s->first;
        s->task_count--;
        pthread_mutex_unlock(&s->mutex);
        work(s, t);
        pthread_mutex_lock(&s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

// ---- polling ---------------------------------------------------------------------------------------------------------------

static void poll_tasks(struct weft_service *s);

static void poll_later(struct weft_service *s)
{
    struct wf_loop *loop = wf_client_loop(s->c);
    enum weft_err err = wf_timer_set(loop, &s->retry, wf_loop_now_ms(loop) + s->retry_ms);

    (void)err; // the timer was set before in all but the first turn
    s->retry_ms = s->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : s->retry_ms * 2;
}

static void on_retry(struct wf_timer *t)
{
    poll_tasks((struct weft_service *)(void *)((char *)t - offsetof(struct weft_service, retry)));
}

static void take_task(struct weft_service *s, const Weft__V1__Task *from)
{
    struct task *t = NULL;

    if (from->snapshot || from->id.len != TASK_ID_LEN ||
        strlen(from->method) > WF_MAX_SCHEMA_NAME || from->request.len > WF_MAX_CALL)
        return;
    t = calloc(1, sizeof *t);
    if (!t || wf_bytes_dup(wf_pb_view(from->request), &t->request)) {
        free(t); // the caller's deadline ends it
        return;
    }
    memcpy(t->id, from->id.data, TASK_ID_LEN);
    snprintf(t->method, sizeof t->method, "%.127s", from->method);
    snprintf(t->caller, sizeof t->caller, "%.127s", from->caller);
    t->deadline_ms = from->deadline_ms < 0                    ? 0
                     : from->deadline_ms > WF_MAX_DEADLINE_MS ? WF_MAX_DEADLINE_MS
                                                              : from->deadline_ms;
    t->came_ms = now_ms();
    pthread_mutex_lock(&s->mutex);
    *s->last = t;
    s->last = &t->next;
    s->task_count++;
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->mutex);
}

static bool has_room(struct weft_service *s)
{
    pthread_mutex_lock(&s->mutex);
    bool room = s->task_count < TASKS_MAX;
    pthread_mutex_unlock(&s->mutex);
    return room;
}

static void on_polled(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct weft_service *s = arg;

    s->polling = false;
    if (!s->closed && !err && reply->kind_case == WEFT__V1__REPLY__KIND_POLL) {
        s->retry_ms = RETRY_MS;
        for (size_t i = 0; i < reply->poll->n_tasks; i++)
            take_task(s, reply->poll->tasks[i]);
        poll_tasks(s);
    } else if (!s->closed && err == WEFT_E_TIMEOUT) {
        poll_tasks(s);
    } else if (!s->closed) {
        poll_later(s);
    }
    unref(s);
}

static void poll_tasks(struct weft_service *s)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PollRequest poll = WEFT__V1__POLL_REQUEST__INIT;
    char *serves[] = { s->name };
    uint8_t key[16];

    if (s->polling)
        return;
    if (!has_room(s)) {
        poll_later(s);
        return;
    }
    poll.n_serves = 1;
    poll.serves = serves;
    poll.wait_ms = WF_LONG_POLL_MS;
    q.kind_case = WEFT__V1__REQUEST__KIND_POLL;
    q.poll = &poll;
    wf_client_key(&q, key);
    s->polling = true;
    atomic_fetch_add(&s->refs, 1);
    wf_client_send(
        s->c, wf_client_local(s->c), &q, WF_LONG_POLL_MS + WF_REQUEST_DEADLINE_MS, on_polled, s);
}

// ---- serving ---------------------------------------------------------------------------------------------------------------

struct serve_op {
    struct weft_service *s;
    struct wf_client_wait *wait;
    bool has_domain;
    struct wf_name domain; // asked for: must be that of the local weftd
};

static enum weft_err take_described(
    struct serve_op *o, const Weft__V1__PollReply *r, struct weft_problem *problem)
{
    struct weft_service *s = o->s;
    struct wf_product d;

    if (!r->product || wf_descriptor_borrow(r->product, &d)) {
        wf_problem_set(
            problem, WEFT_E_PROTOCOL, "%s: the local weftd did not describe it", s->name);
        return WEFT_E_PROTOCOL;
    }
    if (o->has_domain && strcmp(o->domain.s, d.domain) != 0) {
        wf_problem_set(problem, WEFT_E_WRONG_DOMAIN, "%s/%s: the local weftd belongs to %s",
            o->domain.s, s->name, d.domain);
        return WEFT_E_WRONG_DOMAIN;
    }
    enum weft_err err = wf_product_object(&d, NULL, wf_pb_view(r->schema), &s->product, problem);
    if (err)
        return err;
    s->service = wf_schema_find_service(wf_product_schema(s->product), wf_bytes_str(d.service));
    if (s->service)
        return WEFT_OK;
    wf_problem_set(problem, WEFT_E_SCHEMA, "%s: its schema has no service %s", s->name, d.service);
    return WEFT_E_SCHEMA;
}

static void on_described(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct serve_op *o = arg;
    struct weft_problem problem;

    if (!err && reply->kind_case != WEFT__V1__REPLY__KIND_POLL)
        err = WEFT_E_PROTOCOL;
    if (err)
        wf_problem_from_reply(&problem, err, reply, o->s->name);
    else
        err = take_described(o, reply->poll, &problem);
    if (!err)
        poll_tasks(o->s);
    wf_client_done(o->wait, err, err ? &problem : NULL);
}

// The weftd at hand, node or agent, says what it knows of the product; a catalog is not needed.
static void begin(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct serve_op *o = arg;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PollRequest poll = WEFT__V1__POLL_REQUEST__INIT;
    char *serves[] = { o->s->name };
    uint8_t key[16];
    struct weft_problem p;

    o->wait = w;
    if (!wf_client_local(c)) {
        wf_problem_set(&p, WEFT_E_UNREACHABLE,
            "%s: serving needs the local weftd; no socket was found (WEFT_SOCKET)", o->s->name);
        wf_client_done(w, WEFT_E_UNREACHABLE, &p);
        return;
    }
    poll.n_serves = 1;
    poll.serves = serves;
    poll.describe = true;
    q.kind_case = WEFT__V1__REQUEST__KIND_POLL;
    q.poll = &poll;
    wf_client_key(&q, key);
    wf_client_send(c, wf_client_local(c), &q, 0, on_described, o);
}

// "ports" is of the local weftd's domain, "network/ports" says it.
static enum weft_err take_name(const char *name, struct serve_op *o)
{
    const char *slash = name ? strchr(name, '/') : NULL;
    struct wf_name product;
    enum weft_err err = name ? WEFT_OK : WEFT_E_NAME;

    if (slash)
        err = wf_name_from(wf_bytes(name, (size_t)(slash - name)), &o->domain);
    o->has_domain = slash != NULL;
    if (!err)
        err = wf_name_from(wf_bytes_str(slash ? slash + 1 : name), &product);
    if (!err)
        snprintf(o->s->name, sizeof o->s->name, "%s", product.s);
    return err;
}

static struct weft_service *make(struct weft_client *c, weft_serve_fn handler, void *arg)
{
    struct weft_service *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    atomic_init(&s->refs, 1);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->cond, NULL);
    s->c = c;
    s->handler = handler;
    s->arg = arg;
    s->last = &s->first;
    s->retry_ms = RETRY_MS;
    s->retry.fire = on_retry;
    return s;
}

static enum weft_err start_thread(struct weft_service *s, struct weft_problem *problem)
{
    s->has_thread = pthread_create(&s->thread, NULL, serve_thread, s) == 0;
    if (s->has_thread)
        return WEFT_OK;
    wf_problem_set(problem, WEFT_E_NOMEM, "%s: no thread for its handler", s->name);
    return WEFT_E_NOMEM;
}

enum weft_err weft_serve(struct weft_client *c, const char *product, weft_serve_fn handler,
    void *arg, struct weft_service **ret, struct weft_problem *problem)
{
    struct weft_service *s = make(c, handler, arg);
    struct serve_op o = { .s = s };

    if (!s) {
        wf_problem_set(problem, WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
        return WEFT_E_NOMEM;
    }
    enum weft_err err = take_name(product, &o);
    if (err)
        wf_problem_set(problem, err, "\"%.80s\" is no product name", product ? product : "");
    if (!err)
        err = wf_client_run(c, begin, &o, problem);
    if (!err)
        err = start_thread(s, problem);
    if (err) {
        weft_service_stop(s);
        return err;
    }
    *ret = s;
    return WEFT_OK;
}

static void end(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct weft_service *s = arg;

    s->closed = true;
    wf_timer_cancel(wf_client_loop(c), &s->retry);
    wf_client_done(w, WEFT_OK, NULL);
}

// Waits for the handler that is at work; what it answers is still sent.
void weft_service_stop(struct weft_service *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->mutex);
    if (s->has_thread)
        pthread_join(s->thread, NULL);
    enum weft_err err = wf_client_run(s->c, end, s, NULL);
    (void)err; // a client that is closing has ended everything already
    unref(s);
}

// SPDX-License-Identifier: Apache-2.0
// Calls on a real stream room, with programs and hosts played by the test: a key acts once, and each end of a call is told for what it is.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/agent/room.h"
#include "node/provider/priv.h"
#include "node/source/room.h"
#include "tests/support/streamrig.h"

static struct streamrig rig;
static struct wf_conf_local local_user;

// ---- programs and hosts, played ------------------------------------------------------------------------------------------

static struct {
    size_t count;
    wf_run_fn fn;
    void *arg;
    char method[64], env[512], input[256];
} program;
static struct {
    size_t count;
    wf_task_fn fn;
    void *arg;
    char host[64], caller[140];
    enum weft_err refuses;
} host;

enum weft_err wf_source_run_once(
    struct wf_node *n, const struct wf_run_spec *spec, wf_run_fn fn, void *arg)
{
    (void)n;
    program.count++;
    program.fn = fn;
    program.arg = arg;
    snprintf(program.method, sizeof program.method, "%s", spec->run[spec->run_count - 1]);
    program.env[0] = '\0';
    for (size_t i = 0; spec->env[i]; i++) {
        size_t at = strlen(program.env);
        snprintf(program.env + at, sizeof program.env - at, "%s\n", spec->env[i]);
    }
    snprintf(program.input, sizeof program.input, "%.*s", (int)spec->input.len,
        (const char *)spec->input.ptr);
    return WEFT_OK;
}

void wf_source_forget(struct wf_node *n, const void *arg)
{
    (void)n;
    if (program.arg == arg)
        program.fn = NULL;
}

enum weft_err wf_agents_task(struct wf_node *n, const char *subject, const Weft__V1__Task *task,
    int64_t deadline_ms, wf_task_fn fn, void *arg)
{
    (void)n, (void)deadline_ms;
    if (host.refuses)
        return host.refuses;
    host.count++;
    host.fn = fn;
    host.arg = arg;
    snprintf(host.host, sizeof host.host, "%s", subject);
    snprintf(host.caller, sizeof host.caller, "%s", task->caller);
    return WEFT_OK;
}

static void open_rooms(void)
{
    struct wf_diag diag = { 0 };

    streamrig_open(&rig);
    ck_assert_msg(wf_provider_room.open(&rig.node, &diag) == WEFT_OK, "%s", diag.text);
}

static void close_rooms(void)
{
    wf_provider_room.close(&rig.node);
    streamrig_close(&rig);
}

static void apply(const char *name, bool has_program, bool on_hosts)
{
    static const char *serve[] = { "count" }, *hosts[] = { "web-*" };
    struct wf_collect c = streamrig_manifest(name, WF_PRODUCT_API);
    struct wf_diag diag = { 0 };

    c.serve = serve;
    c.serve_count = has_program;
    c.hosts = hosts;
    c.host_count = on_hosts;
    ck_assert_msg(streamrig_apply(&rig, &c, "sample", &diag) == WEFT_OK, "%s", diag.text);
}

static void set_up(void)
{
    memset(&program, 0, sizeof program);
    memset(&host, 0, sizeof host);
    streamrig_init(&rig, wf_test_tmpdir());
    open_rooms();
    apply("rows", true, false);
    snprintf(rig.reader.label, sizeof rig.reader.label, "network/alice");
}

static void tear_down(void)
{
    if (rig.node.loop)
        close_rooms();
    streamrig_fini(&rig);
}

// ---- requests ------------------------------------------------------------------------------------------------------------

static uint8_t last_key[WF_CALL_KEY_LEN];

static struct streamrig_call *prepare(const char *product, const char *host_name, int key)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__CallRequest *q = wf_arena_alloc(&c->arena, sizeof *q);

    weft__v1__call_request__init(q);
    memset(last_key, key, sizeof last_key);
    q->domain = wf_pb_str("servers");
    q->product = wf_pb_str(product);
    q->method = wf_pb_str("Get");
    q->request = wf_pb_bin(WF_STR("\x0a\x03"
                                  "web"));
    q->host = wf_pb_str(host_name);
    q->wait_ms = 60000;
    c->request.idempotency = wf_pb_bin(WF_BYTES(last_key));
    c->request.kind_case = WEFT__V1__REQUEST__KIND_CALL;
    c->request.call = q;
    return c;
}

static struct streamrig_call *call(const char *product, const char *host_name, int key)
{
    struct streamrig_call *c = prepare(product, host_name, key);

    streamrig_send(&rig, c, wf_call_handle);
    return c;
}

static struct streamrig_call *status(int key)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__CallStatusRequest *q = wf_arena_alloc(&c->arena, sizeof *q);

    weft__v1__call_status_request__init(q);
    memset(last_key, key, sizeof last_key);
    q->key = wf_pb_bin(WF_BYTES(last_key));
    c->request.kind_case = WEFT__V1__REQUEST__KIND_CALL_STATUS;
    c->request.call_status = q;
    streamrig_send(&rig, c, wf_call_status_handle);
    ck_assert(c->answered);
    return c;
}

static void ends(struct streamrig_call *c, const char *state, enum weft_err code, const char *error)
{
    if (!c->answered)
        STREAMRIG_UNTIL(&rig, c->answered);
    ck_assert_msg(c->err == WEFT_OK, "%s", c->reply->refusal ? c->reply->refusal->text : "");
    ck_assert_str_eq(c->reply->call->state, state);
    ck_assert_msg(c->reply->call->code == (uint32_t)code, "%s", c->reply->call->error);
    ck_assert_msg(strstr(c->reply->call->error, error) != NULL, "%s", c->reply->call->error);
}

static void ends_and_goes(
    struct streamrig_call *c, const char *state, enum weft_err code, const char *error)
{
    ends(c, state, code, error);
    streamrig_call_free(c);
}

static void program_ends(enum weft_err err, int code, const char *output, const char *error)
{
    wf_run_fn fn = program.fn;

    ck_assert_ptr_nonnull(fn);
    program.fn = NULL;
    fn(&rig.node, program.arg, err, code, wf_bytes_str(output), error);
}

// ---- one key, one act ----------------------------------------------------------------------------------------------------

START_TEST(a_key_acts_once)
{
    struct streamrig_call *first = call("rows", "", 1), *again = call("rows", "", 1);

    ck_assert_uint_eq(program.count, 1);
    ck_assert(!first->answered && !again->answered); // both wait for the one run
    program_ends(WEFT_OK, 0, "{\"host\":\"web\",\"used\":\"5\"}", "");
    ends(first, "done", WEFT_OK, "");
    ends(again, "done", WEFT_OK, "");
    ck_assert_uint_gt(first->reply->call->result.len, 0);
    ck_assert(wf_bytes_eq(
        wf_pb_view(first->reply->call->result), wf_pb_view(again->reply->call->result)));
    struct streamrig_call *later = call("rows", "", 1);
    ends(later, "done", WEFT_OK, "");
    ck_assert_uint_eq(program.count, 1);
    ck_assert(wf_bytes_eq(
        wf_pb_view(first->reply->call->result), wf_pb_view(later->reply->call->result)));
    struct streamrig_call *other = prepare("rows", "", 1);
    other->request.call->request = wf_pb_bin(WF_STR("\x0a\x02"
                                                    "db"));
    streamrig_send(&rig, other, wf_call_handle);
    ck_assert_int_eq(other->err, WEFT_E_IDEMPOTENCY);
    ck_assert_uint_eq(program.count, 1);
    streamrig_call_free(first);
    streamrig_call_free(again);
    streamrig_call_free(later);
    streamrig_call_free(other);
}
END_TEST

// Keys are the caller's own: another's is another call, and nobody asks for it.
START_TEST(a_key_belongs_to_its_caller)
{
    struct streamrig_call *a = call("rows", "", 1);

    program_ends(WEFT_OK, 0, "{}", "");
    ends_and_goes(a, "done", WEFT_OK, "");
    rig.reader.identity.cert.sign_key.b[0] ^= 1;
    struct streamrig_call *s = status(1);
    ck_assert_int_eq(s->err, WEFT_E_UNKNOWN_CALL);
    streamrig_call_free(s);
    struct streamrig_call *b = call("rows", "", 1);
    ck_assert_uint_eq(program.count, 2);
    program_ends(WEFT_OK, 0, "{}", "");
    ends_and_goes(b, "done", WEFT_OK, "");
}
END_TEST

START_TEST(a_caller_that_goes_away_finds_the_outcome_later)
{
    struct streamrig_call *c = call("rows", "", 1);

    c->pub.on_gone(&c->pub, c->pub.gone_arg);
    streamrig_call_free(c); // as the control plane does
    ends_and_goes(status(1), "running", WEFT_OK, "");
    program_ends(WEFT_OK, 0, "{\"used\":\"7\"}", "");
    ends_and_goes(status(1), "done", WEFT_OK, "");
}
END_TEST

// ---- ends ----------------------------------------------------------------------------------------------------------------

static const struct {
    const char *why;
    enum weft_err err;
    int status;
    const char *output, *error, *state;
    enum weft_err code;
    const char *text;
} ended[] = {
    { "a reply", WEFT_OK, 0, "{\"used\":\"1\"}", "", "done", WEFT_OK, "" },
    { "no reply", WEFT_OK, 0, "", "", "done", WEFT_E_PROVIDER, "does not fit" },
    { "no JSON", WEFT_OK, 0, "used: 1", "", "done", WEFT_E_PROVIDER, "does not fit" },
    { "JSON of something else", WEFT_OK, 0, "{\"used\":\"many\"}", "", "done", WEFT_E_PROVIDER,
        "used" },
    { "a field that is not there", WEFT_OK, 0, "{\"uesd\":1}", "", "done", WEFT_E_PROVIDER,
        "uesd" },
    { "its own error", WEFT_OK, 70, "", "disk on fire", "done", WEFT_E_PROVIDER, "disk on fire" },
    { "an error without a reason", WEFT_OK, 1, "", "", "done", WEFT_E_PROVIDER, "status 1" },
    { "it does not take the request", WEFT_OK, 65, "", "no such host", "done", WEFT_E_SYNTAX,
        "no such host" },
    { "it says that it was too slow", WEFT_OK, 75, "", "upstream", "done", WEFT_E_TIMEOUT,
        "upstream" },
    { "a crash", WEFT_OK, 128 + 11, "", "", "done", WEFT_E_PROVIDER, "signal 11" },
    { "it could not be started", WEFT_OK, 127, "", "", "not-delivered", WEFT_E_NO_PROVIDER,
        "started" },
    { "stopped at its deadline: it may have acted", WEFT_E_TIMEOUT, 143, "", "", "unknown",
        WEFT_E_TIMEOUT, "was stopped" },
    { "more than a reply may be", WEFT_E_TOO_BIG, 137, "", "", "done", WEFT_E_PROVIDER,
        "too long" },
    { "the spawner went", WEFT_E_CLOSED, 0, "", "", "unknown", WEFT_E_CLOSED, "" },
};

START_TEST(a_programs_end_is_told_for_what_it_is)
{
    struct streamrig_call *c = call("rows", "", 1);

    program_ends(ended[_i].err, ended[_i].status, ended[_i].output, ended[_i].error);
    ends_and_goes(c, ended[_i].state, ended[_i].code, ended[_i].text);
    ends_and_goes(status(1), ended[_i].state, ended[_i].code, ended[_i].text);
    ends_and_goes(call("rows", "", 1), ended[_i].state, ended[_i].code, ended[_i].text);
    ck_assert_uint_eq(program.count, 1); // whatever it was: never again
}
END_TEST

static const struct {
    const char *why;
    enum weft_err err;
    const char *result, *state;
    enum weft_err code;
} hosts[] = {
    { "a reply", WEFT_OK, "\x10\x01", "done", WEFT_OK },
    { "a reply that is none", WEFT_OK, "\x0a\x7f", "done", WEFT_E_PROVIDER },
    { "its error", WEFT_E_PROVIDER, "", "done", WEFT_E_PROVIDER },
    { "it never came for the call", WEFT_E_NOT_DELIVERED, "", "not-delivered",
        WEFT_E_NOT_DELIVERED },
    { "nobody serves there", WEFT_E_NO_PROVIDER, "", "not-delivered", WEFT_E_NO_PROVIDER },
    { "its manifest has no such method", WEFT_E_METHOD, "", "not-delivered", WEFT_E_METHOD },
    { "it took the call and fell silent", WEFT_E_TIMEOUT, "", "unknown", WEFT_E_TIMEOUT },
};

START_TEST(a_hosts_end_is_told_for_what_it_is)
{
    struct streamrig_call *c = call("rows", "web-1", 1);

    ck_assert_uint_eq(program.count, 0);
    ck_assert_str_eq(host.host, "web-1");
    ck_assert_str_eq(host.caller, "network/alice");
    host.fn(&rig.node, host.arg, hosts[_i].err, wf_bytes_str(hosts[_i].result), "the host says");
    ends(c, hosts[_i].state, hosts[_i].code, hosts[_i].err ? "the host says" : "");
    ck_assert_str_eq(c->reply->call->provider, "servers/web-1");
    streamrig_call_free(c);
}
END_TEST

START_TEST(a_host_that_is_not_there_is_told_at_once)
{
    host.refuses = WEFT_E_NO_HOST;
    ends_and_goes(call("rows", "web-9", 1), "not-delivered", WEFT_E_NO_HOST, "");
    ends_and_goes(call("rows", "web-9", 1), "not-delivered", WEFT_E_NO_HOST, "");
    // Its own name is this node.
    struct streamrig_call *c = call("rows", "node-1", 2);
    ck_assert_uint_eq(program.count, 1);
    program_ends(WEFT_OK, 0, "{}", "");
    ends_and_goes(c, "done", WEFT_OK, "");
}
END_TEST

// ---- local handlers ------------------------------------------------------------------------------------------------------

static struct streamrig_call *poll_for(const char *product)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__PollRequest *q = wf_arena_alloc(&c->arena, sizeof *q);

    weft__v1__poll_request__init(q);
    q->serves = wf_arena_alloc(&c->arena, sizeof *q->serves);
    q->serves[0] = wf_pb_str(product);
    q->n_serves = 1;
    c->caller = (struct wf_caller){ .local = true, .uid = (uint32_t)getuid(), .label = "uid" };
    c->request.kind_case = WEFT__V1__REQUEST__KIND_POLL;
    c->request.poll = q;
    ck_assert(wf_provider_poll(&rig.node, &c->pub));
    return c;
}

static enum weft_err answer(const struct streamrig_call *task, const char *error)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__AnswerRequest q = WEFT__V1__ANSWER_REQUEST__INIT;
    q.task_id = task->reply->poll->tasks[0]->id;
    q.error = wf_pb_str(error);
    c->request.answer = &q;
    bool known = wf_provider_answer(&rig.node, &c->pub);
    enum weft_err err = known ? c->err : WEFT_E_UNKNOWN_CALL;
    streamrig_call_free(c);
    return err;
}

START_TEST(a_handler_is_told_who_calls_and_how_long_it_has)
{
    struct streamrig_call *p = poll_for("rows"), *c = call("rows", "", 1);

    ck_assert(p->answered);
    ck_assert_uint_eq(program.count, 0); // the handler comes before the program
    const Weft__V1__Task *t = p->reply->poll->tasks[0];
    ck_assert_str_eq(t->caller, "network/alice");
    ck_assert_str_eq(t->method, "Get");
    ck_assert_str_eq(t->product, "rows");
    ck_assert(wf_bytes_is(wf_pb_view(t->request), "\x0a\x03"
                                                  "web"));
    ck_assert_int_gt(t->deadline_ms, 50000);
    ck_assert_int_le(t->deadline_ms, 60000);
    ck_assert_int_eq(answer(p, ""), WEFT_OK);
    ends_and_goes(c, "done", WEFT_OK, "");
    ck_assert_int_eq(answer(p, ""), WEFT_E_UNKNOWN_CALL); // once
    streamrig_call_free(p);
}
END_TEST

START_TEST(a_program_is_told_the_same)
{
    struct streamrig_call *c = call("rows", "", 0xab);

    ck_assert_str_eq(program.method, "Get");
    ck_assert_str_eq(program.input, "{\"host\":\"web\"}");
    ck_assert_ptr_nonnull(strstr(program.env, "WEFT_CALLER=network/alice\n"));
    ck_assert_ptr_nonnull(strstr(program.env, "WEFT_METHOD=Get\n"));
    ck_assert_ptr_nonnull(strstr(program.env, "WEFT_CALL_KEY=abababababababababababababababab\n"));
    ck_assert_ptr_nonnull(strstr(program.env, "WEFT_DEADLINE_MS="));
    program_ends(WEFT_OK, 0, "{}", "");
    streamrig_call_free(c);
}
END_TEST

START_TEST(handlers_take_turns_and_calls_wait_for_them)
{
    apply("waits", false, false);
    struct streamrig_call *a = call("waits", "", 1), *b = call("waits", "", 2);
    struct streamrig_call *first = poll_for("waits"), *second = poll_for("waits");
    struct streamrig_call *third = poll_for("waits"), *fourth = poll_for("waits");

    ck_assert(first->answered && second->answered);
    ck_assert(!third->answered && !fourth->answered);
    ck_assert_int_eq(answer(first, ""), WEFT_OK);
    ends_and_goes(a, "done", WEFT_OK, ""); // the oldest call went to the first handler
    ck_assert_int_eq(answer(second, "no"), WEFT_OK);
    ends_and_goes(b, "done", WEFT_E_PROVIDER, "no");
    struct streamrig_call *c = call("waits", "", 3);
    ck_assert(third->answered); // who waits longest is served first
    ck_assert(!fourth->answered);
    fourth->pub.on_gone(&fourth->pub, fourth->pub.gone_arg);
    ck_assert_int_eq(answer(third, ""), WEFT_OK);
    ends_and_goes(c, "done", WEFT_OK, "");
    for (int i = 0; i < 4; i++)
        streamrig_call_free((struct streamrig_call *[]){ first, second, third, fourth }[i]);
}
END_TEST

START_TEST(local_users_serve_what_they_may)
{
    static const char *only[] = { "other-*" };

    local_user =
        (struct wf_conf_local){ .uid = (uint32_t)getuid(), .has_uid = true, .may = WF_MAY_SERVE };
    local_user.products.items = only;
    local_user.products.count = 1;
    rig.conf.local.items = &local_user;
    rig.conf.local.count = 1;
    struct streamrig_call *p = poll_for("rows");
    ck_assert_int_eq(p->err, WEFT_E_PERMISSION);
    struct streamrig_call *c = call("rows", "", 1);
    ck_assert_uint_eq(program.count, 1);
    program_ends(WEFT_OK, 0, "{}", "");
    streamrig_call_free(p);
    streamrig_call_free(c);
}
END_TEST

// ---- deadlines -----------------------------------------------------------------------------------------------------------

static struct streamrig_call *short_call(const char *product, int key)
{
    struct streamrig_call *c = prepare(product, "", key);

    c->request.call->wait_ms = 30;
    streamrig_send(&rig, c, wf_call_handle);
    return c;
}

START_TEST(at_its_deadline_a_call_is_not_delivered_or_unknown)
{
    apply("waits", false, false);
    apply("far", true, true);
    ends_and_goes(short_call("waits", 1), "not-delivered", WEFT_E_NOT_DELIVERED, "no provider");
    ends_and_goes(short_call("far", 2), "not-delivered", WEFT_E_NOT_DELIVERED, "--at");
    ck_assert_uint_eq(program.count, 0);
    struct streamrig_call *p = poll_for("waits");
    ends_and_goes(short_call("waits", 3), "unknown", WEFT_E_TIMEOUT, "did not answer in time");
    ck_assert_int_eq(
        answer(p, ""), WEFT_E_UNKNOWN_CALL); // too late: the outcome stays what was told
    ends_and_goes(status(3), "unknown", WEFT_E_TIMEOUT, "");
    streamrig_call_free(p);
}
END_TEST

// ---- refusals, and what they cost ----------------------------------------------------------------------------------------

static const struct {
    const char *why;
    int change;
    enum weft_err want;
} refusals[] = {
    { "without the capability", 0, WEFT_E_VERB },
    { "without a key", 1, WEFT_E_MISSING_FIELD },
    { "of another domain", 2, WEFT_E_NOT_FOUND },
    { "no product", 3, WEFT_E_NOT_FOUND },
    { "no method", 4, WEFT_E_METHOD },
    { "a request that does not fit", 5, WEFT_E_TRUNCATED },
    { "a request beyond the limit", 6, WEFT_E_TOO_BIG },
};

START_TEST(what_is_refused_leaves_no_trace)
{
    struct streamrig_call *c = prepare("rows", "", 1);
    Weft__V1__CallRequest *q = c->request.call;
    struct wf_buf big = { 0 };

    if (refusals[_i].change == 0)
        rig.access = WEFT_E_VERB;
    else if (refusals[_i].change == 1)
        c->request.idempotency.len = 15;
    else if (refusals[_i].change == 2)
        q->domain = wf_pb_str("network");
    else if (refusals[_i].change == 3)
        q->product = wf_pb_str("nothing");
    else if (refusals[_i].change == 4)
        q->method = wf_pb_str("Put");
    else if (refusals[_i].change == 5)
        q->request = wf_pb_bin(WF_STR("\x0a\x7f"));
    else {
        ck_assert_int_eq(wf_buf_reserve(&big, WF_MAX_CALL + 1), WEFT_OK);
        memset(big.ptr, 0, WF_MAX_CALL + 1);
        big.len = WF_MAX_CALL + 1;
        q->request = wf_pb_bin(wf_buf_view(&big));
    }
    streamrig_send(&rig, c, wf_call_handle);
    ck_assert(c->answered);
    ck_assert_msg(refusals[_i].change == 5 ? c->err != WEFT_OK : c->err == refusals[_i].want,
        "%s: %s", refusals[_i].why, weft_err_name(c->err));
    ck_assert_uint_eq(program.count, 0);
    ck_assert_uint_eq(rig.node.provider->active_count, 0);
    rig.access = WEFT_OK;
    struct streamrig_call *s = status(1);
    ck_assert_int_eq(s->err, WEFT_E_UNKNOWN_CALL);
    streamrig_call_free(s);
    streamrig_call_free(c);
    wf_buf_fini(&big);
}
END_TEST

START_TEST(calls_beyond_what_may_run_are_told_so)
{
    struct streamrig_call *c[257];

    apply("waits", false, false);
    for (int i = 0; i < 257; i++) {
        c[i] = prepare("waits", "", 0);
        memcpy(c[i]->request.idempotency.data, &i, sizeof i);
        streamrig_send(&rig, c[i], wf_call_handle);
        ck_assert_msg(i < 256 ? !c[i]->answered : c[i]->err == WEFT_E_BUSY, "%d", i);
    }
    wf_provider_room.close(&rig.node); // all of them end
    for (int i = 0; i < 257; i++) {
        ck_assert(c[i]->answered);
        streamrig_call_free(c[i]);
    }
    streamrig_close(&rig);
}
END_TEST

// The node stops with calls in hand: what somebody took may have been done, what nobody took was not.
START_TEST(a_stop_tells_what_was_begun_from_what_was_not)
{
    apply("waits", false, false);
    struct streamrig_call *c[3] = { call("rows", "", 1), NULL, call("waits", "", 3) };
    struct streamrig_call *p = poll_for("rows");
    c[1] = call("rows", "", 2);
    ck_assert(p->answered);
    close_rooms();
    ends(c[0], "unknown", WEFT_E_CLOSED, "stopped"); // its program ran
    ends(c[1], "unknown", WEFT_E_CLOSED, "stopped"); // its handler had it
    ends(c[2], "not-delivered", WEFT_E_CLOSED, "stopped");
    open_rooms();
    ends_and_goes(status(1), "unknown", WEFT_E_CLOSED, "");
    ends_and_goes(status(3), "not-delivered", WEFT_E_CLOSED, "");
    for (int i = 0; i < 3; i++)
        streamrig_call_free(c[i]);
    streamrig_call_free(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.provider");
    TCase *tc = tcase_create("provider");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_key_acts_once);
    tcase_add_test(tc, a_key_belongs_to_its_caller);
    tcase_add_test(tc, a_caller_that_goes_away_finds_the_outcome_later);
    tcase_add_loop_test(tc, a_programs_end_is_told_for_what_it_is, 0, (int)WF_COUNT(ended));
    tcase_add_loop_test(tc, a_hosts_end_is_told_for_what_it_is, 0, (int)WF_COUNT(hosts));
    tcase_add_test(tc, a_host_that_is_not_there_is_told_at_once);
    tcase_add_test(tc, a_handler_is_told_who_calls_and_how_long_it_has);
    tcase_add_test(tc, a_program_is_told_the_same);
    tcase_add_test(tc, handlers_take_turns_and_calls_wait_for_them);
    tcase_add_test(tc, local_users_serve_what_they_may);
    tcase_add_test(tc, at_its_deadline_a_call_is_not_delivered_or_unknown);
    tcase_add_loop_test(tc, what_is_refused_leaves_no_trace, 0, (int)WF_COUNT(refusals));
    tcase_add_test(tc, calls_beyond_what_may_run_are_told_so);
    tcase_add_test(tc, a_stop_tells_what_was_begun_from_what_was_not);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

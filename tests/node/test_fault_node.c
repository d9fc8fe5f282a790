// SPDX-License-Identifier: Apache-2.0
// What a node does when asked, with every allocation, write, sync and read failing in turn (tests/support/fault.h). What it told is asked for
// again after the room's next start.
#include "sdk/disk.h"
#include "tests/node/fault_node.h"

// ---- an inventory ------------------------------------------------------------------------------------------------------

static struct {
    uint64_t seq; // of the publisher
    uint64_t acked;
} rows;

static enum weft_err publish_row(void)
{
    static uint8_t id[16] = { 9 };
    uint8_t v[WF_VARINT_MAX];
    struct wf_buf row = { 0 };
    struct wf_records out = { 0 };
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PublishRequest p = WEFT__V1__PUBLISH_REQUEST__INIT;
    char host[32];
    int len = snprintf(host, sizeof host, "h%llu", (unsigned long long)rows.seq);

    wf_fault_spare(true);
    ck_assert(!wf_buf_append_byte(&row, 1 << 3 | 2) && !wf_buf_append_byte(&row, (uint8_t)len) &&
              !wf_buf_append_str(&row, host) && !wf_buf_append_byte(&row, 2 << 3) &&
              !wf_buf_append(&row, wf_bytes(v, wf_varint_put(v, rows.seq + 1))));
    ck_assert_int_eq(
        wf_records_put(&out, WF_OP_PUT, wf_test_clock_unix_ms() * 1000, wf_buf_view(&row)),
        WEFT_OK);
    wf_fault_spare(false);
    p.product = wf_pb_str("hosts");
    p.publisher = wf_pb_bin(WF_BYTES(id));
    p.seq = rows.seq;
    p.records = wf_pb_bin(wf_buf_view(&out.raw));
    p.base_us = out.base_us;
    p.count = 1;
    q.kind_case = WEFT__V1__REQUEST__KIND_PUBLISH;
    q.publish = &p;
    struct asked *a = ask(&q, false);
    enum weft_err err = answered(a);
    wf_buf_fini(&row);
    wf_records_fini(&out);
    if (err) { // asked for its mark, the node says how much it has
        rows.seq = wf_stream_publisher_mark(&rig.node, wf_stream_find(&rig.node, "hosts", 0), id);
        return err;
    }
    ck_assert_uint_ge(a->reply->publish->durable_mark, rows.seq + 1);
    rows.seq++;
    rows.acked = rows.seq;
    return WEFT_OK;
}

// How many rows there are, as a query says.
static enum weft_err query_rows(int64_t *ret_count)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__QueryRequest p = WEFT__V1__QUERY_REQUEST__INIT;

    p.domain = wf_pb_str("servers");
    p.product = wf_pb_str("hosts");
    p.sql = wf_pb_str("SELECT count(*) FROM hosts");
    q.kind_case = WEFT__V1__REQUEST__KIND_QUERY;
    q.query = &p;
    struct asked *a = ask(&q, false);
    enum weft_err err = answered(a);
    if (err)
        return err;
    const Weft__V1__QueryReply *r = a->reply->query;
    ck_assert_uint_eq(r->n_rows, 1);
    *ret_count = r->rows[0]->values[0]->integer;
    return WEFT_OK;
}

static enum weft_err fold_and_query(void)
{
    int64_t count = -1;
    enum weft_err err = publish_row();

    for (int i = 0; i < 100 && !err && count != (int64_t)rows.acked; i++) { // the fold lags
        turn();
        err = query_rows(&count);
        ck_assert_int_le(count, (int64_t)rows.seq);
    }
    if (err)
        return err;
    return count == (int64_t)rows.acked ? WEFT_OK : WEFT_E_PARTIAL;
}

// All that was acknowledged is in the fold, now and after the next start.
static void end_inventory(enum weft_err err)
{
    int64_t count = -1;

    (void)err;
    forget_asks();
    wf_test_clock_skip(11000); // a fold that failed is tried again
    tick();
    err = publish_row();
    ck_assert_msg(!err || !publish_row(), "it does not go on: %s", weft_err_name(err));
    for (int start_again = 0; start_again < 2; start_again++) {
        for (int i = 0; i < 200 && count != (int64_t)rows.seq; i++) {
            tick();
            forget_asks();
            if (query_rows(&count))
                count = -1;
        }
        ck_assert_int_eq(count, (int64_t)rows.seq);
        ck_assert_uint_ge(rows.seq, rows.acked);
        if (!start_again)
            restart(&wf_stream_room);
    }
    forget_asks();
}

// ---- calls -------------------------------------------------------------------------------------------------------------

static uint8_t call_key[16];
static struct {
    unsigned tasks; // that were handed out for this key
    bool told_done; // the caller was
} call;
static bool on_host;

static void begin_call(void)
{
    static uint64_t number;

    start();
    number++;
    memcpy(call_key, &number, sizeof number);
    call.tasks = 0;
    call.told_done = false;
}

static void begin_local_call(void)
{
    begin_call();
    on_host = false;
}

static void begin_host_call(void)
{
    begin_call();
    on_host = true;
}

static struct asked *poll_tasks(void)
{
    char *serves[] = { wf_pb_str("rows") };
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PollRequest p = WEFT__V1__POLL_REQUEST__INIT;
    Weft__V1__AgentState state = WEFT__V1__AGENT_STATE__INIT;

    state.hostname = wf_pb_str("host-1");
    state.version = wf_pb_str("0.1.0");
    state.time_ms = wf_test_clock_unix_ms();
    p.wait_ms = 20000;
    p.state = on_host ? &state : NULL;
    p.serves = serves;
    p.n_serves = !on_host;
    q.deadline_ms = 25000;
    q.kind_case = WEFT__V1__REQUEST__KIND_POLL;
    q.poll = &p;
    return ask(&q, on_host);
}

static struct asked *call_it(void)
{
    static uint8_t get[] = { 0x0a, 1, 'a' };
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__CallRequest p = WEFT__V1__CALL_REQUEST__INIT;

    p.domain = wf_pb_str("servers");
    p.product = wf_pb_str(on_host ? "asks" : "rows");
    p.method = wf_pb_str("Get");
    p.request = wf_pb_bin(WF_BYTES(get));
    p.host = wf_pb_str(on_host ? "host-1" : "");
    p.wait_ms = 20000;
    q.idempotency = wf_pb_bin(WF_BYTES(call_key));
    q.deadline_ms = 25000;
    q.kind_case = WEFT__V1__REQUEST__KIND_CALL;
    q.call = &p;
    return ask(&q, false);
}

static struct asked *answer_task(const Weft__V1__Task *t)
{
    static uint8_t result[] = { 0x0a, 1, 'a', 0x10, 5 };
    static uint64_t number;
    uint8_t key[16] = { 1 };
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__AnswerRequest p = WEFT__V1__ANSWER_REQUEST__INIT;

    memcpy(key + 8, &number, sizeof number);
    number++;
    p.task_id = t->id;
    p.result = wf_pb_bin(WF_BYTES(result));
    q.idempotency = wf_pb_bin(WF_BYTES(key));
    q.kind_case = WEFT__V1__REQUEST__KIND_ANSWER;
    q.answer = &p;
    return ask(&q, on_host);
}

static enum weft_err call_state(const struct asked *a)
{
    if (a->err)
        return a->err;
    const Weft__V1__CallReply *r = a->reply->call;
    if (strcmp(r->state, "done") == 0 && r->code == 0) {
        ck_assert_uint_eq(r->result.len, 5);
        call.told_done = true;
        return WEFT_OK;
    }
    return WEFT_E_PARTIAL;
}

// A poll of the provider until the task comes; answered.
static enum weft_err serve_once(struct asked *poll)
{
    const Weft__V1__PollReply *r = NULL;

    TURN_UNTIL(poll->answered);
    if (!poll->answered || poll->err)
        return poll->answered ? poll->err : WEFT_E_TIMEOUT;
    r = poll->reply->poll;
    if (r->n_tasks == 0)
        return WEFT_E_PARTIAL; // an agent's is answered when manifests changed, too
    call.tasks += (unsigned)r->n_tasks;
    return answered(answer_task(r->tasks[0]));
}

static enum weft_err call_and_answer(void)
{
    struct asked *poll = poll_tasks(), *c = call_it();
    enum weft_err err = serve_once(poll);

    if (err == WEFT_E_PARTIAL)
        err = serve_once(poll_tasks());
    if (!err)
        err = answered(c);
    if (c->answered)
        return err ? err : call_state(c);
    return err ? err : WEFT_E_TIMEOUT;
}

static enum weft_err ask_status(void)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__CallStatusRequest p = WEFT__V1__CALL_STATUS_REQUEST__INIT;

    p.key = wf_pb_bin(WF_BYTES(call_key));
    q.kind_case = WEFT__V1__REQUEST__KIND_CALL_STATUS;
    q.call_status = &p;
    struct asked *a = ask(&q, false);
    enum weft_err err = answered(a);
    return err ? err : call_state(a);
}

// Never acted twice; whoever was told that it is done is told so again after the next start; and the next call goes.
static void end_call(enum weft_err err)
{
    bool was_done = call.told_done;

    (void)err;
    forget_asks();
    ck_assert_uint_le(call.tasks, 1);
    tick(); // what the disk did not take is written now
    restart(&wf_provider_room);
    err = ask_status();
    if (was_done)
        ck_assert_msg(!err, "it was done and is now: %s", weft_err_name(err));
    forget_asks();
    if (was_done) { // the same call again gets the same answer
        ck_assert_int_eq(answered(call_it()), WEFT_OK);
        forget_asks();
    }
    begin_call();
    for (int i = 0; i < 3 && !call.told_done; i++) {
        err = call_and_answer();
        forget_asks();
    }
    ck_assert_msg(!err, "the next call: %s", weft_err_name(err));
}

// ---- the registry ------------------------------------------------------------------------------------------------------

static uint64_t advert_sequence;
static struct wf_buf advert;

// Another node's advert, as a peer hands it over.
static void begin_learn(void)
{
    uint64_t now = (uint64_t)wf_test_clock_unix_ms();

    start();
    advert_sequence = advert_sequence >= now ? advert_sequence + 1 : now;
    advert = wf_test_node_advert(&rig.mesh,
        &(struct wf_test_entry){ .domain = WF_TEST_NETWORK, .sequence = advert_sequence });
}

static enum weft_err digest_all(size_t *ret_count)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__DigestRequest p = WEFT__V1__DIGEST_REQUEST__INIT;

    p.all = true;
    q.kind_case = WEFT__V1__REQUEST__KIND_DIGEST;
    q.digest = &p;
    struct asked *a = ask(&q, false);
    enum weft_err err = answered(a);
    if (!err)
        *ret_count = a->reply->digest->n_digests;
    return err;
}

static enum weft_err get_it(const struct wf_hash *id)
{
    ProtobufCBinaryData hashes[1] = { wf_pb_bin(wf_hash_view(id)) };
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__GetRequest p = WEFT__V1__GET_REQUEST__INIT;

    p.hashes = hashes;
    p.n_hashes = 1;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &p;
    struct asked *a = ask(&q, false);
    enum weft_err err = answered(a);
    if (err)
        return err;
    if (a->reply->get->n_documents == 0)
        return WEFT_E_NOT_FOUND;
    ck_assert(wf_bytes_eq(wf_pb_view(a->reply->get->documents[0]->content), wf_buf_view(&advert)));
    return WEFT_OK;
}

static const struct wf_known *known_advert(void)
{
    return wf_catalog_find(wf_gossip_catalog(&rig.node), WF_ENTRY_NODE, "network", "node-1");
}

static enum weft_err learn_and_tell(void)
{
    size_t count = 0;
    enum weft_err err = wf_gossip_advertise(&rig.node, WF_ENTRY_NODE, wf_buf_view(&advert));

    if (!err)
        err = digest_all(&count);
    if (err)
        return err;
    ck_assert_uint_gt(count, 0);
    const struct wf_known *k = known_advert();
    ck_assert_ptr_nonnull(k);
    return get_it(&k->doc->id);
}

// What was taken is known, now and after the next start; what was not taken can come again.
static void end_learn(enum weft_err err)
{
    forget_asks();
    const struct wf_known *k = known_advert();
    bool taken = k && wf_bytes_eq(k->raw, wf_buf_view(&advert));
    ck_assert(!err ? taken : true);
    tick();
    restart(&wf_gossip_room);
    k = known_advert();
    if (taken)
        ck_assert(k && wf_bytes_eq(k->raw, wf_buf_view(&advert)));
    ck_assert_int_eq(learn_and_tell(), WEFT_OK);
    forget_asks();
    wf_buf_fini(&advert);
}

// ---- the status --------------------------------------------------------------------------------------------------------

static enum weft_err status(void)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__StatusRequest p = WEFT__V1__STATUS_REQUEST__INIT;

    q.kind_case = WEFT__V1__REQUEST__KIND_STATUS;
    q.status = &p;
    struct asked *a = ask(&q, false);
    enum weft_err err = answered(a);
    if (err)
        return err;
    return a->reply->status->n_products >= 1 ? WEFT_OK : WEFT_E_PARTIAL;
}

static void end_status(enum weft_err err)
{
    (void)err;
    forget_asks();
    ck_assert_int_eq(status(), WEFT_OK);
    forget_asks();
}

// ---- the configuration -------------------------------------------------------------------------------------------------

static char conf_path[512];
static unsigned wanted, in_file; // the configuration that is to be in force: its number

// One that says its number in several places.
static void write_conf(unsigned number)
{
    struct wf_diag diag = { 0 };
    struct wf_buf text = { 0 };

    ck_assert_int_eq(
        wf_buf_printf(&text,
            "role: node\ndata: data\nlisten: 127.0.0.1:0\nlog: {level: error}\n"
            "retention: {default: {age: %us}, short: {age: %us}}\n"
            "local: {%u: {may: [read, admin]}, %u: {may: [read]}}\naccess: {agents: [domain-%u]}\n",
            number, number, (unsigned)getuid(), number, number),
        WEFT_OK);
    ck_assert_msg(!wf_disk_replace(conf_path, wf_buf_view(&text), &diag), "%s", diag.text);
    wf_buf_fini(&text);
}

// The number of the configuration in force, which is one of them as a whole; 0: the first, that of the rig.
static unsigned number_in_force(void)
{
    const struct wf_conf *c = rig.node.conf;
    char name[32];

    if (c->local.count == 0)
        return 0;
    ck_assert_uint_eq(c->local.count, 2);
    unsigned number = c->local.items[1].uid;
    snprintf(name, sizeof name, "domain-%u", number);
    ck_assert_uint_eq(c->retention.count, 2);
    for (size_t i = 0; i < c->retention.count; i++)
        ck_assert_uint_eq(c->retention.items[i].age_ms, 1000u * number);
    ck_assert_uint_eq(c->agents_for.count, 1);
    ck_assert_str_eq(c->agents_for.items[0], name);
    return number;
}

static void begin_reload(void)
{
    start();
    const char *data = rig.node.conf->data;
    snprintf(
        conf_path, sizeof conf_path, "%.*s/weftd.yaml", (int)(strrchr(data, '/') - data), data);
    rig.core.conf_path = conf_path;
    wanted = 100000 + ++in_file; // no user of this machine
    write_conf(wanted);
}

// As on SIGHUP; then the rooms go on with it.
static enum weft_err reload(void)
{
    wf_node_reload(&rig.node);
    enum weft_err err = number_in_force() == wanted ? WEFT_OK : WEFT_E_PARTIAL;
    rig.node.conf->log.level = WF_LOG_ERROR + 1;
    tick();
    return err;
}

static void end_reload(enum weft_err err)
{
    unsigned was = number_in_force();

    ck_assert_msg(err || was == wanted, "%u is in force", was);
    ck_assert_int_eq(reload(), WEFT_OK);
    end_status(err);
}

#define ALLOC (1u << WF_FAULT_ALLOC)
#define READ  (1u << WF_FAULT_READ)
#define DISK  (1u << WF_FAULT_WRITE | 1u << WF_FAULT_SYNC)
static const struct wf_scenario scenarios[] = {
    { "inventory, fold and query", ALLOC | DISK, start, fold_and_query, end_inventory },
    { "API call to a local provider, and its kept result", ALLOC | DISK, begin_local_call,
        call_and_answer, end_call },
    { "API call to a host behind an agent, by its poll", ALLOC | DISK, begin_host_call,
        call_and_answer, end_call },
    { "gossip, an advert merged and told", ALLOC | DISK, begin_learn, learn_and_tell, end_learn },
    { "status", ALLOC, start, status, end_status },
    { "SIGHUP, the configuration reloaded", ALLOC | READ, begin_reload, reload, end_reload },
};

START_TEST(what_a_node_told_holds_whatever_failed)
{
    wf_scenario_run(&scenarios[_i]);
}
END_TEST

int main(void)
{
    return wf_suite_main(
        "node.fault_node", what_a_node_told_holds_whatever_failed, WF_COUNT(scenarios), 600);
}

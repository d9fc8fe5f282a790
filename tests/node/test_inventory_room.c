// SPDX-License-Identifier: Apache-2.0
// The inventory room on a real stream: a query sees what was just appended, says what is missing in its answer, and runs beside
// everything else; what ends it early; what the room does at a restart, at another schema, and with a log that lost its end.
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/agent/room.h"
#include "node/inventory/priv.h"
#include "sdk/json.h"
#include "tests/support/streamrig.h"

static struct streamrig rig;
static struct wf_home_product *product;
static enum wf_agent_state agents_are;

// ---- the agents room, played ---------------------------------------------------------------------------------------------

enum wf_agent_state wf_agents_state(struct wf_node *n, const char *subject, int64_t *ret_heard_ms)
{
    (void)n, (void)subject;
    *ret_heard_ms = 0;
    return agents_are;
}

const char *wf_agent_state_name(enum wf_agent_state s)
{
    return s == WF_AGENT_UP ? "up" : s == WF_AGENT_LATE ? "late" : "gone";
}

static void open_rooms(void)
{
    struct wf_diag diag = { 0 };

    streamrig_open(&rig);
    ck_assert_msg(wf_inventory_room.open(&rig.node, &diag) == WEFT_OK, "%s", diag.text);
    ck_assert_msg(wf_inventory_room.start(&rig.node, &diag) == WEFT_OK, "%s", diag.text);
}

static void close_rooms(void)
{
    wf_pool_stop(rig.node.pool);
    wf_inventory_room.close(&rig.node);
    streamrig_close(&rig);
}

static struct inventory *inventory(void)
{
    return wf_inventory_find(&rig.node, &wf_home_descriptor(product)->id);
}

static void until_folded(void)
{
    wf_inventory_room.tick(&rig.node);
    STREAMRIG_UNTIL(&rig, inventory() && !inventory()->replaying);
}

static void set_up(void)
{
    agents_are = WF_AGENT_UP;
    streamrig_init(&rig, wf_test_tmpdir());
    open_rooms();
    product = streamrig_product(&rig, "rows", WF_PRODUCT_INVENTORY);
    until_folded();
}

static void tear_down(void)
{
    if (rig.node.loop)
        close_rooms();
    streamrig_fini(&rig);
}

static void restart(void)
{
    close_rooms();
    open_rooms();
    product = wf_stream_find(&rig.node, "rows", 0);
    STREAMRIG_UNTIL(&rig, !wf_incarnation_is_none(&product->log_id));
    until_folded();
}

static void record(enum wf_record_op op, const char *host, int64_t used)
{
    struct wf_buf row = streamrig_row(host, used - 1);
    struct wf_records r = { 0 };
    struct wf_diag diag = { 0 };
    size_t before = rig.done_count;
    bool has_data = op == WF_OP_PUT || op == WF_OP_DELETE;

    ck_assert_int_eq(wf_records_put(&r, op, wf_node_now_unix_ms(&rig.node) * 1000,
                         has_data ? wf_buf_view(&row) : wf_bytes(NULL, 0)),
        WEFT_OK);
    struct wf_origin_records o = {
        .raw = wf_buf_view(&r.raw), .base_us = r.base_us, .count = r.count
    };
    ck_assert_msg(
        wf_stream_originate(&rig.node, product, &o, streamrig_on_done, &rig, &diag) == WEFT_OK,
        "%s", diag.text);
    STREAMRIG_UNTIL(&rig, rig.done_count == before + 1);
    wf_records_fini(&r);
    wf_buf_fini(&row);
}

static struct streamrig_call *begin_query(const char *sql)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__QueryRequest *q = wf_arena_alloc(&c->arena, sizeof *q);

    weft__v1__query_request__init(q);
    q->domain = wf_pb_str("servers");
    q->product = wf_pb_str("rows");
    q->sql = wf_pb_str(sql);
    c->request.kind_case = WEFT__V1__REQUEST__KIND_QUERY;
    c->request.query = q;
    streamrig_send(&rig, c, wf_query_handle);
    return c;
}

static struct streamrig_call *query(const char *sql)
{
    struct streamrig_call *c = begin_query(sql);

    STREAMRIG_UNTIL(&rig, c->answered);
    return c;
}

static int64_t number(const char *sql)
{
    struct streamrig_call *c = query(sql);

    ck_assert_msg(c->err == WEFT_OK, "%s", c->reply->refusal ? c->reply->refusal->text : "");
    ck_assert_uint_eq(c->reply->query->n_rows, 1);
    int64_t n = c->reply->query->rows[0]->values[0]->integer;
    streamrig_call_free(c);
    return n;
}

// ---- answers -------------------------------------------------------------------------------------------------------------

START_TEST(a_query_sees_what_was_just_appended)
{
    for (int i = 1; i <= 20; i++) {
        record(WF_OP_PUT, "a", i);
        ck_assert_int_eq(number("SELECT used FROM rows WHERE host = 'a'"), i);
    }
    record(WF_OP_DELETE, "a", 1);
    ck_assert_int_eq(number("SELECT count(*) FROM rows"), 0);
}
END_TEST

static void accept(struct streamrig_origin *o, int64_t n)
{
    struct wf_buf batch = streamrig_batch(&rig, o, product, n, 1);
    struct wf_diag diag = { 0 };
    size_t before = rig.done_count;

    ck_assert_msg(wf_stream_accept(&rig.node, product, &o->identity, wf_buf_view(&batch),
                      streamrig_on_done, &rig, &diag) == WEFT_OK,
        "%s", diag.text);
    STREAMRIG_UNTIL(&rig, rig.done_count == before + 1);
    wf_buf_fini(&batch);
}

// Each reason for a partial answer, and its end.
START_TEST(a_partial_answer_says_why)
{
    record(WF_OP_PUT, "a", 1);
    struct streamrig_call *c = query("SELECT * FROM rows");
    ck_assert(c->reply->query->partial);
    ck_assert_str_eq(
        c->reply->query->partial_reason, "an origin has not yet sent a whole snapshot");
    ck_assert_uint_eq(c->reply->query->n_coverage, 1);
    ck_assert_str_eq(c->reply->query->coverage[0]->origin, "node-1");
    ck_assert_uint_eq(c->reply->query->coverage[0]->rows, 1);
    streamrig_call_free(c);
    record(WF_OP_SNAPSHOT_BEGIN, "", 0);
    record(WF_OP_PUT, "b", 1);
    record(WF_OP_SNAPSHOT_END, "", 0);
    c = query("SELECT * FROM rows");
    ck_assert(!c->reply->query->partial);
    ck_assert_uint_eq(c->reply->query->offset, wf_home_head(product));
    ck_assert_uint_eq(c->reply->query->log_id->counter, wf_home_log_id(product).counter);
    ck_assert_uint_eq(c->reply->query->n_rows, 1);
    streamrig_call_free(c);

    struct streamrig_origin web = streamrig_agent(&rig, "web-1");
    accept(&web, 100);
    c = query("SELECT * FROM rows");
    ck_assert(c->reply->query->partial);
    ck_assert_str_eq(c->reply->query->partial_reason,
        "the certificate of an origin is missing, and so are its rows");
    streamrig_call_free(c);
    ck_assert_int_eq(
        wf_documents_put(&rig.node, wf_buf_view(&web.chain), &web.identity.cert.id), WEFT_OK);
    accept(&web, 101);
    agents_are = WF_AGENT_LATE;
    c = query("SELECT * FROM rows");
    ck_assert(c->reply->query->partial);
    ck_assert_str_eq(c->reply->query->partial_reason, "web-1 is late: its rows may be old");
    ck_assert_uint_eq(c->reply->query->n_coverage, 2);
    ck_assert_str_eq(c->reply->query->coverage[1]->state, "late");
    streamrig_call_free(c);

    // A machine that went for good: its name, and both ways on.
    agents_are = WF_AGENT_REVOKED;
    c = query("SELECT * FROM rows");
    ck_assert_str_eq(c->reply->query->partial_reason,
        "web-1 is revoked: its rows stay as they were; weft agent replace brings another machine "
        "of its name, WHERE _origin <> 'web-1' leaves it out");
    streamrig_call_free(c);
    streamrig_agent_fini(&web);
}
END_TEST

START_TEST(what_is_refused_never_reaches_the_workers)
{
    struct wf_pool_stats before, after;

    wf_pool_get_stats(rig.node.pool, &before);
    rig.access = WEFT_E_COLUMN;
    struct streamrig_call *c = begin_query("SELECT 1 FROM rows");
    ck_assert(c->answered);
    ck_assert_int_eq(c->err, WEFT_E_COLUMN);
    rig.access = WEFT_OK;
    wf_pool_get_stats(rig.node.pool, &after);
    ck_assert_uint_eq(after.of[WF_MAIL_REPAIR].accepted, before.of[WF_MAIL_REPAIR].accepted);
    streamrig_call_free(c);
}
END_TEST

// ---- beside everything else ----------------------------------------------------------------------------------------------

static const char endless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

START_TEST(a_long_query_delays_no_lease_and_no_heartbeat)
{
    struct streamrig_call *slow = begin_query(endless);
    uint64_t answered = 0;

    ck_assert(slow->parked && !slow->answered);
    while (!slow->answered && answered < 100) {
        struct streamrig_call *c = streamrig_call(&rig);
        Weft__V1__LeaseRequest q = WEFT__V1__LEASE_REQUEST__INIT;
        q.domain = wf_pb_str("servers");
        q.product = wf_pb_str("rows");
        c->request.kind_case = WEFT__V1__REQUEST__KIND_LEASE;
        c->request.lease = &q;
        streamrig_send(&rig, c, wf_lease_handle);
        ck_assert(c->answered);
        ck_assert_int_eq(c->err, WEFT_OK);
        ck_assert_uint_gt(c->reply->lease->heartbeat.len, 0); // signed now
        record(WF_OP_PUT, "a", (int64_t)answered + 1);        // and appends go on
        answered++;
        streamrig_call_free(c);
    }
    ck_assert_uint_eq(answered, 100);
    ck_assert(!slow->answered);
    slow->pub.on_gone(&slow->pub, slow->pub.gone_arg); // its caller goes away: it ends at once
    streamrig_call_free(slow);
    STREAMRIG_UNTIL(&rig, rig.node.inventory->running_count == 0);
}
END_TEST

START_TEST(queries_beyond_what_may_wait_are_told_so)
{
    struct streamrig_call *c[80];
    size_t waiting = 0, busy = 0;

    for (size_t i = 0; i < WF_COUNT(c); i++) {
        c[i] = begin_query(endless);
        waiting += !c[i]->answered;
        busy += c[i]->answered && c[i]->err == WEFT_E_BUSY;
    }
    ck_assert_uint_eq(waiting, 64);
    ck_assert_uint_eq(busy, WF_COUNT(c) - 64);
    wf_inventory_room.drain(&rig.node); // the node stops: all of them end
    wf_pool_stop(rig.node.pool);
    for (size_t i = 0; i < WF_COUNT(c); i++) {
        ck_assert(c[i]->answered);
        ck_assert(c[i]->err == WEFT_E_BUSY || c[i]->err == WEFT_E_CLOSED);
        streamrig_call_free(c[i]);
    }
}
END_TEST

// ---- over time -----------------------------------------------------------------------------------------------------------

START_TEST(a_restart_folds_what_came_after_the_last_commit)
{
    record(WF_OP_PUT, "a", 1);
    ck_assert_int_eq(number("SELECT count(*) FROM rows"), 1);
    record(WF_OP_PUT, "b", 1);
    restart();
    ck_assert_int_eq(number("SELECT count(*) FROM rows"), 2);
    struct streamrig_call *c = query("SELECT 1 FROM rows");
    ck_assert_uint_eq(c->reply->query->offset, wf_home_head(product));
    streamrig_call_free(c);
    unlink(inventory()->path); // a cache: losing it loses nothing
    restart();
    ck_assert_int_eq(number("SELECT count(*) FROM rows"), 2);
}
END_TEST

START_TEST(another_schema_makes_the_fold_anew)
{
    struct wf_collect c = streamrig_manifest("rows", WF_PRODUCT_INVENTORY);
    struct wf_diag diag = { 0 };

    record(WF_OP_PUT, "a", 7);
    c.product.version = "1.1.0";
    ck_assert_msg(streamrig_apply(&rig, &c, "sample_next", &diag) == WEFT_OK, "%s", diag.text);
    until_folded();
    ck_assert_ptr_eq(inventory()->message, wf_home_message(product));
    ck_assert_int_eq(number("SELECT used FROM rows"), 7);
    struct streamrig_call *q = query("SELECT * FROM rows");
    ck_assert_uint_eq(q->reply->query->n_columns, wf_home_message(product)->field_count + 4);
    streamrig_call_free(q);
}
END_TEST

START_TEST(a_fold_ahead_of_its_log_is_made_anew)
{
    struct wf_incarnation log = wf_home_log_id(product);

    record(WF_OP_PUT, "a", 7);
    until_folded();
    wf_fold_pass(inventory()->fold, &log, 1000); // as if the log had lost its end since
    ck_assert_int_eq(wf_fold_commit(inventory()->fold), WEFT_OK);
    restart();
    ck_assert_int_eq(number("SELECT used FROM rows"), 7);
    struct streamrig_call *c = query("SELECT 1 FROM rows");
    ck_assert_uint_eq(c->reply->query->offset, 1);
    streamrig_call_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.inventory_room");
    TCase *tc = tcase_create("room");

    tcase_set_timeout(tc, 100);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_query_sees_what_was_just_appended);
    tcase_add_test(tc, a_partial_answer_says_why);
    tcase_add_test(tc, what_is_refused_never_reaches_the_workers);
    tcase_add_test(tc, a_long_query_delays_no_lease_and_no_heartbeat);
    tcase_add_test(tc, queries_beyond_what_may_wait_are_told_so);
    tcase_add_test(tc, a_restart_folds_what_came_after_the_last_commit);
    tcase_add_test(tc, another_schema_makes_the_fold_anew);
    tcase_add_test(tc, a_fold_ahead_of_its_log_is_made_anew);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

// SPDX-License-Identifier: Apache-2.0
// What a home does, with every allocation, write, sync and read of it failing in turn (tests/support/fault.h).
#include "node/call.h"
#include "tests/node/fault_home.h"

// ---- writing -----------------------------------------------------------------------------------------------------------

static enum weft_err apply_version(const char *version)
{
    struct wf_collect c = streamrig_manifest("rows", WF_PRODUCT_METRIC);
    struct wf_buf changes = { 0 };
    struct wf_diag diag = { 0 };

    c.product.version = version;
    wf_fault_spare(true);
    struct wf_buf set = streamrig_schema("sample");
    wf_fault_spare(false);
    enum weft_err err = wf_stream_apply(&rig.node, &c, wf_buf_view(&set), false, &changes, &diag);
    ck_assert_msg(
        !err || diag.text[0] || err == WEFT_E_NOMEM, "%s without a reason", weft_err_name(err));
    wf_buf_fini(&changes);
    wf_buf_fini(&set);
    if (!err)
        find_product();
    return err;
}

static enum weft_err apply(void)
{
    return apply_version("1.0.0");
}

static enum weft_err apply_change(void)
{
    return apply_version("1.1.0");
}

static const char *version(void)
{
    return wf_home_descriptor(wf_stream_find(&rig.node, "rows", 0))->version;
}

// Refused: what was in force is, and is after the next start; but for a disk that failed in the middle, which can say neither.
static void end_change(enum weft_err err)
{
    ck_assert_msg(strcmp(version(), err ? "1.0.0" : "1.1.0") == 0, "%s and %s", weft_err_name(err),
        version());
    lose_power();
    if (err != WEFT_E_IO)
        ck_assert_str_eq(version(), err ? "1.0.0" : "1.1.0");
    ck_assert_int_eq(apply_change(), WEFT_OK); // and can be repeated
    ck_assert_str_eq(version(), "1.1.0");
    close_home();
}

// Refused: it is not there, and can be applied.
static void end_apply(enum weft_err err)
{
    if (err) {
        ck_assert_msg(
            !wf_stream_find(&rig.node, "rows", 0), "refused (%s) and there", weft_err_name(err));
        ck_assert_int_eq(apply(), WEFT_OK);
    }
    end_home(err);
}

static enum weft_err publish_some(void)
{
    enum weft_err err = WEFT_OK;

    for (int i = 0; i < 3 && !err; i++)
        err = publish(5);
    return err;
}

// Several in flight.
static enum weft_err publish_many(void)
{
    enum weft_err err = WEFT_OK;

    ledger.err = WEFT_OK;
    for (int i = 0; i < 4 && !err; i++)
        err = hand_over(5);
    TURN_UNTIL(!ledger.waiting);
    return err ? err : ledger.waiting ? WEFT_E_TIMEOUT : ledger.err;
}

static enum weft_err checkpoint_and_retain(void)
{
    enum weft_err err = publish(5);

    if (!err)
        err = wf_home_checkpoint(product);
    product->room->retain_due_ms = 0;
    wf_stream_room.tick(&rig.node);
    return err ? err : publish(5);
}

// As the power left it: a log without a checkpoint of its end.
static void begin_crashed(void)
{
    uint64_t seed = 3;

    begin_with_records();
    ck_assert_int_eq(wf_home_checkpoint(product), WEFT_OK);
    ck_assert_int_eq(publish(5), WEFT_OK);
    wf_memdisk_crash(disk, 0);
    streamrig_close(&rig);
    wf_memdisk_restart(disk, true, &seed);
    product = NULL;
}

static enum weft_err start_and_recover(void)
{
    enum weft_err err = streamrig_try_open(&rig);

    if (err)
        return err;
    find_product();
    ck_assert_msg(product || rig.core.alarms, "started without its product, and nobody is told");
    return product ? publish(5) : WEFT_E_DAMAGED;
}

// Whoever could not start closes and starts again.
static void end_start(enum weft_err err)
{
    if (err) {
        streamrig_close(&rig);
        streamrig_open(&rig);
    }
    end_home(err);
}

// ---- an agent ----------------------------------------------------------------------------------------------------------

static struct streamrig_origin agent;
static struct wf_buf batches[3];
static uint64_t agent_told;

static void begin_agent(void)
{
    begin_product();
    agent = streamrig_agent(&rig, "web-1");
    agent_told = 0;
    for (size_t i = 0; i < WF_COUNT(batches); i++)
        batches[i] = streamrig_batch(&rig, &agent, product, (int64_t)(5 * i), 5);
}

static void on_agent_told(struct wf_node *n, void *arg, enum weft_err err)
{
    (void)n;
    ledger.waiting--;
    if (err)
        ledger.err = err;
    else
        agent_told = (uint64_t)(uintptr_t)arg;
}

static enum weft_err push(void)
{
    struct wf_diag diag = { 0 };
    enum weft_err err = WEFT_OK;

    ledger.err = WEFT_OK;
    uint64_t mark = wf_stream_origin_mark(
        &rig.node, product, &agent.identity.cert.sign_key, &agent.incarnation);
    for (size_t i = (size_t)(mark / 5); i < WF_COUNT(batches) && !err; i++) {
        ledger.waiting++;
        err = wf_stream_accept(&rig.node, product, &agent.identity, wf_buf_view(&batches[i]),
            on_agent_told, (void *)(uintptr_t)(5 * (i + 1)), &diag);
        ledger.waiting -= err != WEFT_OK;
    }
    TURN_UNTIL(!ledger.waiting);
    return err ? err : ledger.waiting ? WEFT_E_TIMEOUT : ledger.err;
}

static void end_agent(enum weft_err err)
{
    uint64_t seed = 7, told = agent_told;

    for (int start = 0; start < 2; start++) {
        uint64_t mark = wf_stream_origin_mark(
            &rig.node, product, &agent.identity.cert.sign_key, &agent.incarnation);
        ck_assert_uint_ge(mark, told);
        err =
            push(); // it sends again what it was not told of, to the same home and to the next start
        if (err)
            err = push();
        ck_assert_msg(!err, "a push that failed can be repeated: %s", weft_err_name(err));
        told = 15;
        wf_memdisk_crash(disk, 0);
        streamrig_close(&rig);
        wf_memdisk_restart(disk, true, &seed);
        streamrig_open(&rig);
        find_product();
        ck_assert_ptr_nonnull(product);
    }
    ck_assert_uint_eq(wf_home_head(product), 15);
    for (size_t i = 0; i < WF_COUNT(batches); i++)
        wf_buf_fini(&batches[i]);
    streamrig_agent_fini(&agent);
    streamrig_close(&rig);
    wf_memdisk_free(disk);
}

// ---- reading -----------------------------------------------------------------------------------------------------------

static struct streamrig_call *calls[8];
static size_t call_count;

static struct streamrig_call *new_call(void)
{
    ck_assert_uint_lt(call_count, WF_COUNT(calls));
    calls[call_count] = streamrig_call(&rig);
    return calls[call_count++];
}

static enum weft_err lease(const ProtobufCBinaryData *renewed, struct streamrig_call **ret)
{
    struct streamrig_call *c = new_call();
    Weft__V1__LeaseRequest q = WEFT__V1__LEASE_REQUEST__INIT;

    if (renewed)
        q.lease_id = *renewed;
    q.domain = wf_pb_str("servers");
    q.product = wf_pb_str("rows");
    c->request.kind_case = WEFT__V1__REQUEST__KIND_LEASE;
    c->request.lease = &q;
    streamrig_send(&rig, c, wf_lease_handle);
    ck_assert(c->answered);
    c->request.lease = NULL;
    *ret = c;
    return c->err;
}

static enum weft_err lease_and_renew(void)
{
    struct streamrig_call *first = NULL, *again = NULL;
    enum weft_err err = lease(NULL, &first);

    if (err) {
        ck_assert_uint_eq(product->lease_count, 0); // who was refused holds nothing
        return err;
    }
    ck_assert_uint_eq(product->lease_count, 1);
    err = lease(&first->reply->lease->lease_id, &again);
    if (!err)
        wf_stream_rotate(&rig.node, "rows");
    return err;
}

static void free_calls(void)
{
    while (call_count)
        streamrig_call_free(calls[--call_count]);
}

static void end_reading(enum weft_err err)
{
    struct streamrig_call *c = NULL;

    ck_assert_int_eq(lease(NULL, &c), WEFT_OK);
    ck_assert_uint_eq(c->reply->lease->n_keys, 1);
    free_calls();
    end_home(err);
}

static Weft__V1__RangeRequest range_of(const struct streamrig_call *l, uint64_t from)
{
    Weft__V1__RangeRequest q = WEFT__V1__RANGE_REQUEST__INIT;

    q.lease_id = l->reply->lease->lease_id;
    q.from = from;
    return q;
}

// What an answer gives is what the log has, and what it does not give it names: only a read that failed may be missing.
static enum weft_err check_answer(const struct streamrig_call *c, uint64_t from, uint64_t head)
{
    uint64_t at = from;
    size_t loss = 0;

    if (c->err)
        return c->err;
    wf_fault_spare(true);
    const Weft__V1__RangeReply *r = c->reply->range;
    for (size_t i = 0; i < r->n_entries || loss < r->n_losses;) {
        struct wf_entry e = { .offset = UINT64_MAX };
        struct wf_batch_header h;
        if (i < r->n_entries)
            ck_assert_int_eq(wf_entry_parse(wf_pb_view(r->entries[i]), &e), WEFT_OK);
        if (e.is_reset) {
            i++;
            continue;
        }
        if (loss < r->n_losses && r->losses[loss]->from <= e.offset) {
            ck_assert_uint_eq(r->losses[loss]->from, at);
            ck_assert_int_eq(r->losses[loss]->code, WEFT_E_IO);
            at = r->losses[loss++]->to;
            continue;
        }
        ck_assert_uint_eq(e.offset, at);
        ck_assert_int_eq(wf_batch_open_header(e.header, &h), WEFT_OK);
        at += h.count;
        i++;
    }
    ck_assert_uint_eq(r->next, at);
    wf_fault_spare(false);
    return at == head ? WEFT_OK : WEFT_E_PARTIAL;
}

static enum weft_err range(void)
{
    struct streamrig_call *l = NULL, *c = NULL;
    enum weft_err err = lease(NULL, &l);

    if (err)
        return err;
    Weft__V1__RangeRequest q = range_of(l, 0);
    c = new_call();
    c->request.kind_case = WEFT__V1__REQUEST__KIND_RANGE;
    c->request.range = &q;
    streamrig_send(&rig, c, wf_range_handle);
    TURN_UNTIL(c->answered);
    c->request.range = NULL;
    ck_assert(c->answered);
    return check_answer(c, 0, 20);
}

static enum weft_err parked_pull(void)
{
    struct streamrig_call *l = NULL, *c = NULL;
    enum weft_err err = lease(NULL, &l);

    if (err)
        return err;
    Weft__V1__RangeRequest q = range_of(l, 20);
    Weft__V1__PullRequest p = WEFT__V1__PULL_REQUEST__INIT;
    p.range = &q;
    p.wait_ms = 20000;
    c = new_call();
    c->request.kind_case = WEFT__V1__REQUEST__KIND_PULL;
    c->request.pull = &p;
    streamrig_send(&rig, c, wf_pull_handle);
    err = publish(5);
    TURN_UNTIL(c->answered);
    if (!c->answered) { // nothing came: it waits its time
        ck_assert_int_ne(err, WEFT_OK);
        wf_parked_end(&rig.node.stream->pulls, NULL);
    }
    ck_assert(c->answered);
    c->request.pull = NULL;
    return err ? err : check_answer(c, 20, 25);
}

// ---- frames and epochs -----------------------------------------------------------------------------------------------------

static enum weft_err frames(void)
{
    struct streamrig_call *l = NULL;
    uint64_t before = product->count.frames;
    enum weft_err err = lease(NULL, &l);

    for (int i = 0; i < 3 && !err; i++)
        err = publish(5);
    // A frame that could not be sent costs nobody his acknowledgement.
    return err ? err : product->count.frames >= before + 3 ? WEFT_OK : WEFT_E_PARTIAL;
}

static enum weft_err rotate_and_load(void)
{
    struct streamrig_call *l = NULL;
    uint64_t before = 0;
    enum weft_err err = lease(NULL, &l);

    for (int i = 0; i < 2 && !err; i++) {
        before = product->epoch.number;
        err = publish(2);
        if (!err)
            err = wf_epoch_rotate(product, i == 0);
        if (!err)
            ck_assert_uint_gt(product->epoch.number, before);
    }
    if (err)
        return err;
    if (rig.core.alarms) // the key of an epoch could not be kept
        return WEFT_E_PARTIAL;
    product->kept_count = 0;
    return wf_epochs_load(product);
}

static void end_epochs(enum weft_err err)
{
    if (!err) // of both epochs that have entries
        ck_assert_uint_ge(product->kept_count, 2);
    end_reading(err);
}

static const struct wf_scenario scenarios[] = {
    { "product apply", 0, begin_home, apply, end_apply },
    { "product apply, a change", 0, begin_with_records, apply_change, end_change },
    { "publish and acknowledge", 1u << WF_FAULT_ALLOC | 1u << WF_FAULT_WRITE | 1u << WF_FAULT_SYNC,
        begin_product, publish_some, end_home },
    { "publish, several in flight",
        1u << WF_FAULT_ALLOC | 1u << WF_FAULT_WRITE | 1u << WF_FAULT_SYNC, begin_with_records,
        publish_many, end_home },
    { "push of an agent", 1u << WF_FAULT_ALLOC | 1u << WF_FAULT_WRITE | 1u << WF_FAULT_SYNC,
        begin_agent, push, end_agent },
    { "checkpoint and retention", 0, begin_with_records, checkpoint_and_retain, end_home },
    { "start and recovery", 0, begin_crashed, start_and_recover, end_start },
    { "lease, renewal, forced rotation",
        1u << WF_FAULT_ALLOC | 1u << WF_FAULT_WRITE | 1u << WF_FAULT_SYNC, begin_product,
        lease_and_renew, end_reading },
    { "range", 0, begin_with_records, range, end_reading },
    { "parked pull", 0, begin_with_records, parked_pull, end_reading },
    { "frames", 1u << WF_FAULT_ALLOC | 1u << WF_FAULT_WRITE | 1u << WF_FAULT_SYNC, begin_product,
        frames, end_reading },
    { "epoch keys, rotated and loaded", 0, begin_product, rotate_and_load, end_epochs },
};

START_TEST(what_fails_once_is_refused_and_goes_on)
{
    wf_scenario_run(&scenarios[_i]);
}
END_TEST

int main(void)
{
    return wf_suite_main(
        "node.fault_home", what_fails_once_is_refused_and_goes_on, WF_COUNT(scenarios), 600);
}

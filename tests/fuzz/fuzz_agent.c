// SPDX-License-Identifier: Apache-2.0
// What an agent gets from its node: the uplink room of an agent, its spool on a disk in memory, against a node that the fuzzer plays (played.h); the input is
// the script. The honest node names a metric product and two APIs, gives what is asked for, keeps what is pushed, hands over calls and
// renews. Whatever comes instead, what the agent pushes is signed by it, chained, and the same bytes when it is sent again.
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/agent/uplink.h"
#include "node/call.h"
#include "node/core.h"
#include "node/source/room.h"
#include "proto/stream/batch.h"
#include "sdk/disk.h"
#include "tests/fuzz/played.h"
#include "tests/support/clock.h"
#include "tests/support/memroom.h"
#include "tests/support/trust_mesh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS   6
#define STEP_MS 2000 // above the shortest pause after a failure
#define RUNS    8u
#define SENT    64u

static struct wf_test_mesh mesh;
static struct wf_node node;
static struct wf_core core;
static struct wf_control control;
static struct wf_buf schema, manifests[3];
static struct wf_hash schema_hash, ids[WF_COUNT(manifests)], root, load_id;
static unsigned polls;                            // by an agent that runs what it shall
static uint8_t chain_counter[8], chain_random[8]; // of the newest chain, as on the wire

// ---- programs are not run ---------------------------------------------------------------------------------------------

static struct {
    wf_run_fn fn;
    void *arg;
} runs[RUNS];
static size_t run_count;

enum weft_err __wrap_wf_source_set(struct wf_node *n, const struct wf_source_spec *spec);
void __wrap_wf_source_snapshot(struct wf_node *n, const char *product);
size_t __wrap_wf_source_states(
    struct wf_node *n, struct wf_arena *arena, Weft__V1__SourceState ***ret);
enum weft_err __wrap_wf_source_run_once(
    struct wf_node *n, const struct wf_run_spec *spec, wf_run_fn fn, void *arg);

enum weft_err __wrap_wf_source_set(struct wf_node *n, const struct wf_source_spec *spec)
{
    (void)n;
    must(spec->run_count == 0 || strcmp(spec->run[0], "collector") == 0);
    return WEFT_OK;
}

void __wrap_wf_source_snapshot(struct wf_node *n, const char *product)
{
    (void)n;
    must(strlen(product) < WF_MAX_ENVELOPE);
}

size_t __wrap_wf_source_states(
    struct wf_node *n, struct wf_arena *arena, Weft__V1__SourceState ***ret)
{
    (void)n;
    (void)arena;
    *ret = NULL;
    return 0;
}

enum weft_err __wrap_wf_source_run_once(
    struct wf_node *n, const struct wf_run_spec *spec, wf_run_fn fn, void *arg)
{
    (void)n;
    must(spec->run_count == 2 && strcmp(spec->run[0], "provider") == 0);
    must(strcmp(spec->run[1], "Get") == 0); // the schema's name of it, not the caller's
    if (run_count == RUNS)
        return WEFT_E_FULL;
    runs[run_count].fn = fn;
    runs[run_count++].arg = arg;
    return WEFT_OK;
}

// They end in every way there is, one after the other.
static void end_runs(void)
{
    static const struct {
        enum weft_err err;
        int status;
        const char *output, *text;
    } ends[] = { { WEFT_OK, 0, "{\"host\":\"a\",\"used\":\"5\"}", "" },
        { WEFT_OK, 0, "{\"host\":5}", "" }, { WEFT_OK, 65, "", "not like this" },
        { WEFT_OK, WF_RUN_NOT_STARTED, "", "" }, { WEFT_E_TIMEOUT, 0, "", "" },
        { WEFT_E_TOO_BIG, 0, "", "" } };

    for (size_t i = 0; i < run_count; i++)
        runs[i].fn(&node, runs[i].arg, ends[i % WF_COUNT(ends)].err,
            ends[i % WF_COUNT(ends)].status, wf_bytes_str(ends[i % WF_COUNT(ends)].output),
            ends[i % WF_COUNT(ends)].text);
    run_count = 0;
}

// ---- nor is the disk waited for ----------------------------------------------------------------------------------------

int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

int __wrap_fdatasync(int fd)
{
    (void)fd;
    return 0;
}

// ---- what is pushed ---------------------------------------------------------------------------------------------------

static struct sent {
    struct wf_incarnation chain;
    uint64_t first_seq;
    struct wf_hash batch;
} sent[SENT];
static size_t sent_count;

static void same_as_before(const struct wf_batch_header *h, struct wf_bytes batch)
{
    struct wf_hash hash;
    size_t i = 0;

    wf_blake2b(batch, &hash);
    while (i < sent_count && !(wf_incarnation_eq(&sent[i].chain, &h->incarnation) &&
                                 sent[i].first_seq == h->first_seq))
        i++;
    must(i == sent_count || wf_hash_eq(&sent[i].batch, &hash));
    if (i == sent_count && i < SENT)
        sent[sent_count++] = (struct sent){ h->incarnation, h->first_seq, hash };
}

// Returns the sequence number after the item's last batch.
static uint64_t check_item(const Weft__V1__PushItem *item)
{
    struct wf_batch_header last = { 0 };

    for (size_t i = 0; i < item->n_batches; i++) {
        struct wf_bytes batch = wf_pb_view(item->batches[i]), envelope, payload;
        struct wf_batch_header h;
        must(!wf_batch_split(batch, &envelope, &payload));
        must(!wf_batch_open_header(envelope, &h));
        must(memcmp(h.signer.b, node.keys.sign_pub.b, WF_KEY_LEN) == 0);
        must(wf_bytes_eq(wf_pb_view(item->product_id), wf_hash_view(&h.product_id)));
        must(item->incarnation->counter == h.incarnation.counter &&
             item->incarnation->random == h.incarnation.random);
        must(i == 0 ||
             (h.first_seq == last.first_seq + last.count && wf_hash_eq(&h.previous, &last.id)));
        same_as_before(&h, batch);
        last = h;
    }
    return last.first_seq + last.count;
}

// ---- the honest node --------------------------------------------------------------------------------------------------

static struct wf_bytes agent_chain(void)
{
    return wf_buf_view(&node.chain);
}

static void *list_of(const struct wf_fake_call *c, size_t count, size_t size)
{
    void *list = wf_arena_calloc(c->arena, count ? count : 1, size);

    must(list != NULL);
    return list;
}

static void on_push(const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    const Weft__V1__PushRequest *q = c->request->push;
    Weft__V1__PushReply *r = wf_fake_new(c, &weft__v1__push_reply__descriptor);

    r->marks = list_of(c, q->n_items, sizeof *r->marks);
    for (size_t i = 0; i < q->n_items; i++) {
        Weft__V1__PushMark *m = wf_fake_new(c, &weft__v1__push_mark__descriptor);
        m->product_id = q->items[i]->product_id;
        m->incarnation = q->items[i]->incarnation;
        m->durable = m->release = check_item(q->items[i]);
        r->marks[r->n_marks++] = m;
    }
    reply->kind_case = WEFT__V1__REPLY__KIND_PUSH;
    reply->push = r;
}

static struct wf_bytes document(struct wf_bytes hash)
{
    for (size_t i = 0; i < WF_COUNT(manifests); i++)
        if (wf_bytes_eq(hash, wf_hash_view(&ids[i])))
            return wf_buf_view(&manifests[i]);
    return wf_bytes_eq(hash, wf_hash_view(&schema_hash)) ? wf_buf_view(&schema) : wf_bytes(NULL, 0);
}

static void on_get(const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    const Weft__V1__GetRequest *q = c->request->get;
    Weft__V1__GetReply *r = wf_fake_new(c, &weft__v1__get_reply__descriptor);

    r->documents = list_of(c, q->n_hashes, sizeof *r->documents);
    for (size_t i = 0; i < q->n_hashes; i++) {
        Weft__V1__Document *d = wf_fake_new(c, &weft__v1__document__descriptor);
        d->hash = q->hashes[i];
        d->content = wf_pb_bin(document(wf_pb_view(q->hashes[i])));
        if (d->content.len > 0) // else an id was damaged on the way
            r->documents[r->n_documents++] = d;
    }
    if (q->charters_from) {
        r->charters = list_of(c, 1, sizeof *r->charters);
        r->charters[r->n_charters++] = wf_pb_bin(wf_buf_view(&mesh.charter->raw));
    }
    reply->kind_case = WEFT__V1__REPLY__KIND_GET;
    reply->get = r;
}

static void add_task(
    const struct wf_fake_call *c, Weft__V1__PollReply *r, const char *product, const char *method)
{
    static uint8_t ask[] = { 0x0a, 1, 'a' }; // weft.sample.Ask
    static uint8_t id[WF_AGENT_TASK_ID_LEN];
    Weft__V1__Task *t = wf_fake_new(c, &weft__v1__task__descriptor);

    t->id = wf_pb_bin(WF_BYTES(id));
    t->product = wf_fake_str(c, product);
    t->method = wf_fake_str(c, method);
    t->snapshot = method[0] == '\0';
    t->request = wf_pb_bin(WF_BYTES(ask));
    t->caller = wf_fake_str(c, "network/alice");
    t->deadline_ms = 3000;
    r->tasks[r->n_tasks++] = t;
}

// Says what shall run as long as the agent has something else; then hands over calls, now and with each step.
static void on_poll(const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    Weft__V1__PollReply *r = wf_fake_new(c, &weft__v1__poll_reply__descriptor);

    r->manifests = wf_pb_bin(wf_hash_view(&root));
    if (!wf_bytes_eq(wf_pb_view(c->request->poll->manifests), wf_hash_view(&root))) {
        r->manifest_ids = list_of(c, WF_COUNT(ids), sizeof *r->manifest_ids);
        for (size_t i = 0; i < WF_COUNT(ids); i++)
            r->manifest_ids[r->n_manifest_ids++] = wf_pb_bin(wf_hash_view(&ids[i]));
    } else {
        played.hold = polls++ > 0; // till the next step
        r->tasks = list_of(c, 4, sizeof *r->tasks);
        add_task(c, r, "rows", "Get");
        add_task(c, r, "asks", "Get");
        add_task(c, r, "rows", "Put"); // there is no such method
        add_task(c, r, "load", "");
    }
    reply->kind_case = WEFT__V1__REPLY__KIND_POLL;
    reply->poll = r;
}

static void on_answer(const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    must(c->request->answer->task_id.len == WF_AGENT_TASK_ID_LEN);
    reply->kind_case = WEFT__V1__REPLY__KIND_ANSWER;
    reply->answer = wf_fake_new(c, &weft__v1__answer_reply__descriptor);
}

static void answer(void *arg, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    (void)arg;
    switch (c->request->kind_case) {
    case WEFT__V1__REQUEST__KIND_PUSH:
        on_push(c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_GET:
        on_get(c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_POLL:
        on_poll(c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_ANSWER:
        on_answer(c, reply);
        break;
    default:
        must(c->request->kind_case == WEFT__V1__REQUEST__KIND_RENEW);
        reply->kind_case = WEFT__V1__REPLY__KIND_RENEW;
        reply->renew = wf_fake_new(c, &weft__v1__renew_reply__descriptor);
        reply->renew->chain = wf_pb_bin(agent_chain());
    }
}

// ---- the agent --------------------------------------------------------------------------------------------------------

static void sign_manifest(
    size_t i, const char *name, enum wf_product_kind kind, const char *run, const char *serve)
{
    const char *runs_it[] = { run }, *serves_it[] = { serve };
    bool api = kind == WF_PRODUCT_API;
    struct wf_collect c = { .product = { .domain = "servers",
                                .name = name,
                                .version = "1.0.0",
                                .major = 1,
                                .title = "Rows",
                                .owner_name = "Fuzzers",
                                .owner_contact = "fuzzers@example.org",
                                .kind = kind,
                                .message = api ? "" : "weft.sample.Row",
                                .service = api ? "weft.sample.Rows" : "",
                                .schema_hash = schema_hash,
                                .classification = WF_CLASS_INTERNAL,
                                .durability = WF_DURABILITY_DISK },
        .mesh_id = mesh.charter->mesh_id,
        .sequence = 1,
        .run_count = run != NULL,
        .run = runs_it,
        .serve_count = serve != NULL,
        .serve = serves_it,
        .every_ms = run ? 30000 : 0 };
    struct wf_collect *opened = NULL;

    wf_product_id(&c.mesh_id, "servers", name, 1, &c.product.id);
    wf_test_must(wf_collect_sign(&c, &mesh.d[WF_TEST_SERVERS].node, &manifests[i]));
    wf_test_must(wf_collect_open(wf_buf_view(&manifests[i]), &opened));
    ids[i] = opened->id;
    wf_collect_free(opened);
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct wf_hash));
}

static void make_manifests(void)
{
    struct wf_hash sorted[WF_COUNT(ids)];
    char path[512];

    snprintf(path, sizeof path, "%s/tests/schema/sample.set", getenv("WEFT_BUILD_DIR"));
    schema = wf_test_file(path);
    wf_blake2b(wf_buf_view(&schema), &schema_hash);
    sign_manifest(0, "load", WF_PRODUCT_METRIC, "collector", NULL);
    sign_manifest(1, "rows", WF_PRODUCT_API, NULL, "provider");
    sign_manifest(
        2, "asks", WF_PRODUCT_API, NULL, NULL); // answered by a local handler, if one comes
    memcpy(sorted, ids, sizeof sorted);
    qsort(sorted, WF_COUNT(sorted), sizeof *sorted, by_bytes);
    wf_blake2b(wf_bytes(sorted, sizeof sorted), &root);
    wf_product_id(&mesh.charter->mesh_id, "servers", "load", 1, &load_id);
}

static void make_identity(const char *dir)
{
    struct wf_test_domain *own = &mesh.d[WF_TEST_SERVERS];
    struct wf_cert fields = wf_test_cert("servers", WF_ID_AGENT, "host-1");
    struct wf_seed seed = { .address = "127.0.0.1:1", .dh_key = own->node_dh_pub };
    struct wf_diag diag = { 0 };
    int64_t now = wf_test_clock_unix_ms();
    struct wf_keys keys = { 0 };

    keys.sign = wf_test_sign_key("servers/host-1", &keys.sign_pub);
    keys.dh = wf_test_dh_key("servers/host-1", &keys.dh_pub);
    fields.not_before_ms = now - 3 * WF_TEST_DAY; // past a third: renewed at once
    fields.not_after_ms = now + 4 * WF_TEST_DAY;
    struct wf_buf cert = wf_test_cert_issue(&fields, &own->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&cert), wf_buf_view(&own->issuer_cert));
    wf_test_must(wf_identity_create(dir, &keys, &diag));
    wf_test_must(wf_identity_load(dir, now, &core.dir, &diag));
    wf_test_must(wf_identity_set_mesh(core.dir, &mesh.charter->mesh_id, &diag));
    wf_test_must(wf_identity_add_charter(core.dir, wf_buf_view(&mesh.charter->raw), &diag));
    wf_test_must(wf_identity_set_chain(core.dir, wf_buf_view(&chain), now, &diag));
    wf_test_must(wf_identity_set_seeds(core.dir, &seed, 1, &diag));
    wf_buf_fini(&cert);
    wf_buf_fini(&chain);
    wf_secret_fini(&keys.sign);
    wf_secret_fini(&keys.dh);
}

static void start(void)
{
    static const char text[] = "role: agent\ndata: data\n";
    struct wf_diags diags;
    struct wf_diag diag = { 0 };

    wf_test_must(wf_crypto_init());
    wf_test_mesh_init(&mesh);
    wf_diags_init(&diags, "weftd.yaml");
    wf_test_must(wf_conf_parse(wf_bytes_str(text), wf_test_tmpdir(), &diags, &node.conf));
    wf_diags_fini(&diags);
    node.conf->log.level = WF_LOG_ERROR + 1;
    node.is_agent = true;
    node.core = &core;
    node.control = &control;
    make_identity(node.conf->data);
    wf_test_must(wf_node_adopt(&node, core.dir, &diag));
    make_manifests();
    played.answer = answer;
    played.caller = "host-1";
    played.state.peer_chain = wf_buf_view(&mesh.d[WF_TEST_SERVERS].node_chain);
    played.state.peer_charter_version = 2; // newer than what the agent has
    played.known[0] = (struct wf_played_known){ 'R', wf_hash_view(&root) };
    played.known[1] = (struct wf_played_known){ 'P', wf_hash_view(&load_id) };
    played.known[2] = (struct wf_played_known){ 'C', WF_BYTES(chain_counter) };
    played.known[3] = (struct wf_played_known){ 'N', WF_BYTES(chain_random) };
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

// The next input finds an agent that has joined and knows nothing else.
static void forget(void)
{
    static const char *const rooms[] = { "manifests", "documents" };

    for (size_t i = 0; i < WF_COUNT(rooms); i++) {
        char *path = NULL;
        wf_test_must(wf_disk_join(node.conf->data, rooms[i], &path));
        if (access(path, F_OK) == 0)
            must(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
        free(path);
    }
    while (core.alarms) {
        struct wf_alarm *a = core.alarms;
        core.alarms = a->next;
        free(a);
    }
    sent_count = 0;
}

static void publish(void)
{
    static const uint8_t row[] = { 0x0a, 1, 'a', 0x10, 5 };
    struct wf_records r = { 0 };
    struct wf_diag diag = { 0 };

    wf_test_must(
        wf_records_put(&r, WF_OP_PUT, wf_test_clock_unix_ms() * 1000, wf_bytes(row, sizeof row)));
    struct wf_origin_records o = {
        .raw = wf_buf_view(&r.raw), .base_us = r.base_us, .count = r.count
    };
    enum weft_err err = wf_uplink_originate(&node, "load", &o, NULL, NULL, &diag);
    must(!err || !wf_uplink_find(&node, "load") || err == WEFT_E_BUSY);
    wf_records_fini(&r);
}

static bool waits(void)
{
    for (const struct wf_agent_product *p = node.uplink->products; p; p = p->next)
        if (p->pending)
            return true;
    return played.on_way > 0;
}

static void settle(void)
{
    wf_loop_turn(node.loop, 0);
    for (int i = 0; waits(); i++) {
        must(i < 20000);
        while (wf_log_worker_turn(node.uplink->worker))
            ;
        wf_loop_turn(node.loop, 0);
    }
}

static void put_le64(uint8_t out[8], uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> 8 * i);
}

static void look_at_chains(void)
{
    for (const struct wf_spool_chain *c = node.uplink->chains; c; c = c->next) {
        must(c->released <= c->head);
        put_le64(chain_counter, c->incarnation.counter);
        put_le64(chain_random, c->incarnation.random);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_diag diag = { 0 };

    if (!node.core)
        start();
    played.script = wf_bytes(data, size);
    played.replies = 0;
    struct wf_memdisk *disk = wf_memdisk_new();
    wf_memroom_use(disk);
    wf_test_must(wf_loop_new(NULL, &node.loop));
    wf_test_must(wf_uplink_room.open(&node, &diag));
    wf_test_must(wf_uplink_room.start(&node, &diag));
    for (int i = 0; i < STEPS; i++) {
        polls = 0;
        wf_played_let_go();
        wf_uplink_room.tick(&node);
        settle();
        publish();
        end_runs();
        wf_test_clock_skip(STEP_MS);
        settle();
        look_at_chains();
    }
    end_runs();
    wf_uplink_room.close(&node);
    wf_loop_free(node.loop);
    wf_test_clock_skip(-STEPS * STEP_MS);
    forget();
    wf_memdisk_free(disk);
    return 0;
}

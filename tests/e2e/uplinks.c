// SPDX-License-Identifier: Apache-2.0
// uplinks TICKET DESC DOMAIN PRODUCT PREFIX COUNT BATCHES: so many agents in one process, each with keys, certificate, session and chain of its own.
// Each joins by the ticket as PREFIX1, PREFIX2, ..., polls, pushes its batches of one record {id: its name, value: their number}, and goes on
// polling. "ready COUNT RECORDS" is printed when all polls are parked and all batches acknowledged; SIGTERM ends it. A refused join is
// printed as "refused NAME CODE TEXT"; when nobody was let in, the program ends with 77.
// uplinks ... PAYLOAD LENGTH TOTAL OUT: for tests/bench. After SIGUSR1 each pushes its share of TOTAL records, taken from the file PAYLOAD, with
// numbers as bench.h has them, as fast as the node answers; then OUT has the publisher's line of the comparison.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "proto/stream/batch.h"
#include "proto/trust/ident.h"
#include "proto/trust/product.h"
#include "sdk/link.h"
#include "sdk/loop/loop.h"
#include "sdk/net/net.h"
#include "tests/bench/bench.h"
#include "tests/support/support.h"

#define AT_ONCE  24  // that join or shake hands
#define RETRY_MS 500 // after a handshake that was too many
#define BUSY_MS                                                                                    \
    1000 // until a batch is pushed again that the node had no room for: as node/agent/pushing.c has it
#define BUSY_MAX 2u   // times that it doubles
#define PACK     256u // records of a batch of the comparison
#define GIVE_UP  300000

enum phase { WAITS, JOINS, OPENS, PUSHES, STAYS, REFUSED };

struct sim {
    struct wf_timer again; // first
    struct wf_timer push_again;
    struct wf_buf batch; // on its way
    enum phase phase;
    char name[WF_MAX_NAME + 1];
    struct wf_keys keys;
    struct wf_link *link;
    struct wf_buf chain;
    struct wf_hash cert_id, last, places;
    struct wf_incarnation incarnation;
    uint64_t kept;   // records
    uint64_t number; // of the comparison: the next one to send
    unsigned busy;   // times in a row
};

static struct {
    struct wf_loop *loop;
    struct wf_net *net;
    struct wf_ticket ticket;
    struct wf_hash product_id, schema_hash;
    struct sim *all;
    size_t count, active, ready, refused;
    uint64_t batches, records;
    int64_t ready_ms;
    uint64_t polls; // since all are ready
    // the comparison
    struct wf_buf payload;
    size_t length;
    uint64_t total, finished, put_off;
    bool going;
    const char *out;
    int64_t first_ns;
    double cpu_at;
} run;

static void must(enum weft_err err, const char *what)
{
    if (!err)
        return;
    fprintf(stderr, "uplinks: %s: %s\n", what, weft_err_text(err));
    exit(1);
}

static void advance(struct sim *s);

static void later(struct sim *s, int64_t ms)
{
    must(wf_timer_set(run.loop, &s->again, wf_loop_now_ms(run.loop) + ms), "timer");
}

static void on_again(struct wf_timer *t)
{
    advance((struct sim *)(void *)t);
}

// What passes (a bucket, a full table, a lost line) is tried again; anything else is the test's failure.
static void failed(struct sim *s, enum weft_err err, const Weft__V1__Reply *reply, const char *what)
{
    bool passes = err == WEFT_E_FLOOD || err == WEFT_E_BUSY || err == WEFT_E_CLOSED ||
                  err == WEFT_E_TIMEOUT || err == WEFT_E_UNREACHABLE || err == WEFT_E_REFUSED;

    if (!passes) {
        fprintf(stderr, "uplinks: %s: %s: %s\n", s->name, what,
            reply && reply->refusal ? reply->refusal->text : weft_err_text(err));
        exit(1);
    }
    if (err != WEFT_E_BUSY || s->phase != STAYS) {
        wf_link_free(s->link);
        s->link = NULL;
    }
    later(s, RETRY_MS + (int64_t)(s - run.all) % 97);
}

static void dial(struct sim *s)
{
    struct wf_link_conf conf = { .loop = run.loop,
        .net = run.net,
        .mesh_id = run.ticket.mesh_id,
        .keys = &s->keys,
        .chain = wf_buf_view(&s->chain),
        .charter_version = 1,
        .address = run.ticket.seeds[0].address,
        .peer = run.ticket.seeds[0].dh_key,
        .version = "0" };

    must(wf_link_new(&conf, &s->link), "link");
}

// ---- joining ---------------------------------------------------------------------------------------------------------

static void begin_next(void)
{
    for (size_t i = 0; i < run.count && run.active < AT_ONCE; i++)
        if (run.all[i].phase == WAITS) {
            run.active++;
            run.all[i].phase = JOINS;
            advance(&run.all[i]);
        }
}

static void look_whether_done(void)
{
    if (run.ready + run.refused < run.count)
        return;
    if (run.ready == 0)
        exit(77);
    run.ready_ms = wf_loop_now_ms(run.loop);
    printf("ready %zu %llu\n", run.ready, (unsigned long long)run.records);
    fflush(stdout);
}

static void on_joined(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct sim *s = arg;
    struct wf_bytes parts[WF_MAX_CHAIN];
    struct wf_cert cert;
    size_t count = 0;

    if (err && reply && reply->refusal && err != WEFT_E_BUSY && err != WEFT_E_FLOOD) {
        printf("refused %s %s %s\n", s->name, weft_err_name(err), reply->refusal->text);
        fflush(stdout);
        s->phase = REFUSED;
        run.refused++;
        run.active--;
        begin_next();
        look_whether_done();
        return;
    }
    if (err) {
        failed(s, err, reply, "join");
        return;
    }
    must(wf_bytes_dup(wf_pb_view(reply->join->chain), &s->chain), "memory");
    must(wf_chain_split(wf_buf_view(&s->chain), parts, &count), "chain");
    must(wf_cert_open(parts[0], &cert), "certificate");
    s->cert_id = cert.id;
    s->phase = OPENS;
    wf_link_free(s->link);
    s->link = NULL;
    later(s, 0);
}

static void on_open(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct sim *s = arg;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__JoinRequest m = WEFT__V1__JOIN_REQUEST__INIT;
    uint8_t proof[WF_HASH_LEN], key[16];

    if (err) {
        failed(s, err, reply, "handshake");
        return;
    }
    wf_ticket_proof(wf_secret_view(&run.ticket.secret), run.ticket.id,
        WF_BYTES(wf_link_state(s->link)->handshake_hash), &s->keys.sign_pub, &s->keys.dh_pub,
        proof);
    wf_random(key, sizeof key);
    m.ticket_id = wf_pb_bin(WF_BYTES(run.ticket.id));
    m.proof = wf_pb_bin(WF_BYTES(proof));
    m.sign_key = wf_pb_bin(WF_BYTES(s->keys.sign_pub.b));
    m.dh_key = wf_pb_bin(WF_BYTES(s->keys.dh_pub.b));
    m.name = wf_pb_str(s->name);
    q.idempotency = wf_pb_bin(WF_BYTES(key));
    q.kind_case = WEFT__V1__REQUEST__KIND_JOIN;
    q.join = &m;
    must(wf_link_request(s->link, &q, 0, on_joined, s), "join");
}

// ---- pushing and polling ---------------------------------------------------------------------------------------------

static void poll_node(struct sim *s, struct wf_bytes manifests, wf_link_fn done)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PollRequest p = WEFT__V1__POLL_REQUEST__INIT;
    Weft__V1__AgentState state = WEFT__V1__AGENT_STATE__INIT;

    state.hostname = s->name;
    state.version = wf_pb_str("0");
    state.time_ms = wf_loop_now_unix_ms(run.loop);
    p.state = &state;
    p.manifests = wf_pb_bin(manifests);
    p.places = wf_pb_bin(wf_hash_view(&s->places)); // it was told of the domain's nodes
    p.wait_ms = manifests.len ? WF_LONG_POLL_MS : 0;
    q.deadline_ms = WF_LONG_POLL_MS + WF_REQUEST_DEADLINE_MS;
    q.kind_case = WEFT__V1__REQUEST__KIND_POLL;
    q.poll = &p;
    must(wf_link_request(s->link, &q, WF_LONG_POLL_MS + WF_REQUEST_DEADLINE_MS, done, s), "poll");
}

// Polls rest at the node: not so where it finds something to tell each time.
static void must_rest(void)
{
    uint64_t rounds = (uint64_t)(wf_loop_now_ms(run.loop) - run.ready_ms) / WF_LONG_POLL_MS;

    if (run.ready_ms && ++run.polls > run.count * (5 + 2 * rounds)) {
        fprintf(stderr, "uplinks: polls go round: %llu\n", (unsigned long long)run.polls);
        exit(1);
    }
}

static void on_parked(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct sim *s = arg;

    if (err) {
        failed(s, err, reply, "poll");
        return;
    }
    if (reply->poll->places.len)
        must(wf_hash_from(wf_pb_view(reply->poll->places), &s->places), "places");
    must_rest();
    poll_node(s, wf_pb_view(reply->poll->manifests), on_parked);
}

static void on_pushed(void *arg, enum weft_err err, const Weft__V1__Reply *reply);

static void put_one(struct sim *s, struct wf_records *r)
{
    uint8_t record[16 + WF_MAX_NAME];
    double value = (double)s->kept;
    size_t len = strlen(s->name), at = 2 + len;

    record[0] = 0x0a;
    record[1] = (uint8_t)len;
    memcpy(record + 2, s->name, len);
    record[at++] = 0x11;
    memcpy(record + at, &value, sizeof value);
    must(wf_records_put(r, WF_OP_PUT, wf_loop_now_unix_ms(run.loop) * 1000,
             wf_bytes(record, at + sizeof value)),
        "record");
}

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

// The agent's numbers are those that leave its index when divided by the number of agents.
static void put_share(struct sim *s, struct wf_records *r)
{
    size_t known = run.payload.len / run.length;

    for (; r->count < PACK && s->number < run.total; s->number += run.count) {
        uint8_t *record = run.payload.ptr + s->number % known * run.length;
        int64_t sent = now_ns();
        memcpy(record + BENCH_NUMBER_AT, &s->number, sizeof s->number);
        memcpy(record + BENCH_SENT_AT, &sent, sizeof sent);
        must(wf_records_put(
                 r, WF_OP_PUT, wf_loop_now_unix_ms(run.loop) * 1000, wf_bytes(record, run.length)),
            "record");
    }
}

static void sign_records(struct sim *s, struct wf_records *r)
{
    struct wf_buf envelope = { 0 }, stored = { 0 };
    struct wf_batch_header h = { .product_id = run.product_id,
        .schema_hash = run.schema_hash,
        .certificate = s->cert_id,
        .previous = s->last,
        .incarnation = s->incarnation,
        .first_seq = s->kept,
        .count = r->count,
        .raw_len = (uint32_t)r->raw.len,
        .base_us = r->base_us,
        .min_us = r->min_us,
        .max_us = r->max_us };

    must(wf_compress(WF_COMPRESS_LZ4, wf_buf_view(&r->raw), &stored, &h.compression), "compress");
    must(wf_batch_sign(&h, wf_buf_view(&stored), &s->keys.sign, &envelope, &s->last), "sign");
    wf_buf_fini(&s->batch);
    must(wf_batch_pack(wf_buf_view(&envelope), wf_buf_view(&stored), &s->batch), "batch");
    s->kept += r->count;
    wf_buf_fini(&stored);
    wf_buf_fini(&envelope);
}

static void push_batch(struct sim *s)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PushRequest p = WEFT__V1__PUSH_REQUEST__INIT;
    Weft__V1__PushItem item = WEFT__V1__PUSH_ITEM__INIT, *items = &item;
    Weft__V1__Incarnation inc = WEFT__V1__INCARNATION__INIT;
    ProtobufCBinaryData bytes = wf_pb_bin(wf_buf_view(&s->batch));

    inc.counter = s->incarnation.counter;
    inc.random = s->incarnation.random;
    item.product_id = wf_pb_bin(wf_hash_view(&run.product_id));
    item.incarnation = &inc;
    item.batches = &bytes;
    item.n_batches = 1;
    p.items = &items;
    p.n_items = 1;
    q.kind_case = WEFT__V1__REQUEST__KIND_PUSH;
    q.push = &p;
    must(wf_link_request(s->link, &q, 0, on_pushed, s), "push");
}

static void push_later(struct sim *s)
{
    int64_t pause = (int64_t)BUSY_MS << s->busy;
    uint16_t spread = 0;

    wf_random(&spread, sizeof spread);
    s->busy += s->busy < BUSY_MAX;
    run.put_off++;
    must(wf_timer_set(run.loop, &s->push_again,
             wf_loop_now_ms(run.loop) + pause - pause * spread / (2 * UINT16_MAX)),
        "timer");
}

static void on_push_again(struct wf_timer *t)
{
    struct sim *s = (struct sim *)(void *)((char *)t - offsetof(struct sim, push_again));

    if (s->link)
        push_batch(s);
    else
        push_later(s);
}

// False: it has nothing more to say.
static bool push_next(struct sim *s)
{
    struct wf_records r = { 0 };

    if (run.going)
        put_share(s, &r);
    else if (s->kept < run.batches)
        put_one(s, &r);
    bool any = r.count > 0;
    if (any) {
        sign_records(s, &r);
        push_batch(s);
    }
    wf_records_fini(&r);
    return any;
}

static void stay(struct sim *s)
{
    s->phase = STAYS;
    poll_node(s, wf_bytes(NULL, 0), on_parked);
    run.active--;
    run.ready++;
    begin_next();
    look_whether_done();
}

static double cpu_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void finish_one(void)
{
    if (++run.finished < run.count)
        return;
    FILE *f = fopen(run.out, "w");
    if (!f)
        must(WEFT_E_IO, run.out);
    fprintf(f,
        "{\"role\":\"pub\",\"records\":%llu,\"first_ns\":%lld,\"last_ns\":%lld,\"cpu_s\":%.6f}\n",
        (unsigned long long)run.total, (long long)run.first_ns, (long long)now_ns(),
        cpu_s() - run.cpu_at);
    fclose(f);
    printf("put off %llu\n", (unsigned long long)run.put_off);
    fflush(stdout);
}

static void go(void)
{
    run.going = true;
    run.first_ns = now_ns();
    run.cpu_at = cpu_s();
    for (size_t i = 0; i < run.count; i++) {
        run.all[i].number = i;
        if (!push_next(&run.all[i]))
            finish_one();
    }
}

static void on_pushed(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct sim *s = arg;

    if (!err && reply->push->marks[0]->refusal)
        err = (enum weft_err)reply->push->marks[0]->refusal->code;
    if (s->phase == REFUSED)
        return; // the end
    if (err == WEFT_E_BUSY || err == WEFT_E_FULL || err == WEFT_E_CLOSED) {
        push_later(s); // as an agent does, bit for bit
        return;
    }
    must(err, "a push");
    if (reply->push->marks[0]->durable != s->kept)
        must(WEFT_E_ORDER, "a mark");
    s->busy = 0;
    if (run.going) {
        if (!push_next(s))
            finish_one();
        return;
    }
    run.records++;
    if (!push_next(s))
        stay(s);
}

static void on_polled(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct sim *s = arg;

    if (err) {
        failed(s, err, reply, "first poll");
        return;
    }
    s->phase = PUSHES;
    if (!push_next(s))
        stay(s);
}

static void advance(struct sim *s)
{
    if (!s->link)
        dial(s);
    if (s->phase == JOINS)
        must(wf_link_open(s->link, on_open, s), "open");
    else
        poll_node(s, wf_bytes(NULL, 0), s->phase == STAYS ? on_parked : on_polled);
}

// ---- life ------------------------------------------------------------------------------------------------------------

static volatile sig_atomic_t ended, wanted;

static void on_term(int number)
{
    (void)number;
    ended = 1;
}

static void on_usr1(int number)
{
    (void)number;
    wanted = 1;
}

static void prepare_comparison(char **argv)
{
    run.payload = wf_test_file(argv[8]);
    run.length = (size_t)strtoul(argv[9], NULL, 10);
    run.total = strtoull(argv[10], NULL, 10);
    run.out = argv[11];
    if (run.length < BENCH_HEAD || run.payload.len < run.length)
        must(WEFT_E_USAGE, "payload");
}

static void prepare(char **argv)
{
    struct wf_buf desc = wf_test_file(argv[2]);
    struct rlimit files;

    must(wf_ticket_parse(wf_bytes_str(argv[1]), &run.ticket), "ticket");
    wf_blake2b(wf_buf_view(&desc), &run.schema_hash);
    wf_buf_fini(&desc);
    wf_product_id(&run.ticket.mesh_id, argv[3], argv[4], 1, &run.product_id);
    run.count = (size_t)strtoul(argv[6], NULL, 10);
    run.batches = strtoull(argv[7], NULL, 10);
    if (!getrlimit(RLIMIT_NOFILE, &files)) { // some for each connection
        files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files))
            must(WEFT_E_PERMISSION, "descriptors");
    }
    must(wf_loop_new(NULL, &run.loop), "loop");
    must(wf_net_new(NULL, &run.net), "net");
    run.all = calloc(run.count, sizeof *run.all);
    if (!run.all)
        must(WEFT_E_NOMEM, "agents");
    for (size_t i = 0; i < run.count; i++) {
        struct sim *s = &run.all[i];
        s->again.fire = on_again;
        s->push_again.fire = on_push_again;
        snprintf(s->name, sizeof s->name, "%.40s%zu", argv[5], i + 1);
        must(wf_keys_new('N', &s->keys), "keys");
        wf_random(&s->incarnation.random, sizeof s->incarnation.random);
        s->incarnation.counter = (uint64_t)wf_loop_now_unix_ms(run.loop);
    }
}

int main(int argc, char **argv)
{
    if ((argc != 8 && argc != 12) || strtoul(argv[6], NULL, 10) == 0)
        return 64;
    signal(SIGTERM, on_term);
    signal(SIGUSR1, on_usr1);
    must(wf_crypto_init(), "crypto");
    prepare(argv);
    if (argc == 12)
        prepare_comparison(argv);
    begin_next();
    int64_t until = wf_loop_now_ms(run.loop) + GIVE_UP;
    while (!ended && (run.ready + run.refused == run.count || wf_loop_now_ms(run.loop) < until)) {
        wf_loop_turn(run.loop, 50);
        if (wanted && run.out && !run.going && run.ready == run.count)
            go();
    }
    if (run.ready + run.refused < run.count)
        fprintf(stderr, "uplinks: %zu of %zu are ready\n", run.ready, run.count);
    for (size_t i = 0; i < run.count; i++) {
        wf_timer_cancel(run.loop, &run.all[i].again);
        wf_timer_cancel(run.loop, &run.all[i].push_again);
        wf_buf_fini(&run.all[i].batch);
        run.all[i].phase = REFUSED;
        wf_link_free(run.all[i].link);
        wf_keys_fini(&run.all[i].keys);
        wf_buf_fini(&run.all[i].chain);
    }
    wf_net_free(run.net);
    wf_loop_free(run.loop);
    wf_ticket_fini(&run.ticket);
    wf_buf_fini(&run.payload);
    free(run.all);
    return run.ready + run.refused == run.count ? 0 : 1;
}

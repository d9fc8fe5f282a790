// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakehome.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/trust/product.h"
#include "tests/support/fault.h"

#define MUST(call) ck_assert_int_eq(call, WEFT_OK)
#define NEVER_WAS  UINT64_MAX // the end of a log that the home does not know

static struct wf_test_domain *servers(struct wf_fakehome *h)
{
    return &h->m->mesh.d[WF_TEST_SERVERS];
}

// ---- the log ---------------------------------------------------------------------------------------------------------------

static struct wf_hash commitment(const struct wf_fakehome *h)
{
    struct wf_hash c;

    wf_epoch_commitment(&h->key, &h->product_id, h->epoch, &c);
    return c;
}

static void put_entry(
    struct wf_fakehome *h, struct wf_entry *e, const struct wf_hash *batch, uint64_t count)
{
    struct wf_home_entry *to = &h->log[h->count];

    ck_assert_uint_lt(h->count, WF_HOME_ENTRIES);
    e->log_id = h->log_id;
    e->offset = h->head;
    e->append_ms = wf_test_clock_unix_ms();
    e->epoch = h->epoch;
    if (!e->is_reset)
        e->previous = h->head_hash;
    *to = (struct wf_home_entry){
        .log_id = h->log_id, .offset = h->head, .end = h->head + count, .reset = e->is_reset
    };
    MUST(wf_entry_pack(e, &to->packed));
    wf_entry_hash(e, &h->product_id, batch, &h->head_hash);
    h->head += count;
    h->count++;
}

static void put_reset(
    struct wf_fakehome *h, const struct wf_incarnation *previous, struct wf_bytes lost)
{
    struct wf_entry e = {
        .is_reset = true, .previous_log = *previous, .end_offset = h->head, .lost = lost
    };

    if (!wf_incarnation_is_none(previous))
        e.head_hash = h->head_hash;
    h->log_id = (struct wf_incarnation){ (uint64_t)WF_TEST_NOW + ++h->logs, h->logs };
    put_entry(h, &e, NULL, 0);
}

// A Reading with its first field, the station's name.
static void put_reading(struct wf_records *r, unsigned origin, uint64_t seq)
{
    char name[40];
    uint8_t data[48];
    int len = snprintf(name, sizeof name, "%u-%llu", origin, (unsigned long long)seq);

    data[0] = 0x0a;
    data[1] = (uint8_t)len;
    memcpy(data + 2, name, (size_t)len);
    MUST(wf_records_put(
        r, WF_OP_PUT, wf_test_clock_unix_ms() * 1000, wf_bytes(data, 2 + (size_t)len)));
}

static void put_batch(
    struct wf_fakehome *h, unsigned origin, struct wf_batch_header *f, struct wf_bytes stored)
{
    struct wf_home_origin *o = &h->origins[origin];
    struct wf_buf envelope = { 0 };
    struct wf_hash id;

    f->product_id = h->product_id;
    f->schema_hash = h->schema;
    f->certificate = o->cert;
    f->incarnation = o->incarnation;
    f->first_seq = o->seq;
    f->previous = o->last;
    MUST(wf_batch_sign(f, stored, &o->key, &envelope, &id));
    struct wf_entry e = { .header = wf_buf_view(&envelope), .payload = stored };
    put_entry(h, &e, &id, f->count);
    wf_buf_fini(&envelope);
    o->seq += f->count;
    o->last = id;
}

// ---- frames ----------------------------------------------------------------------------------------------------------------

static void heartbeat(struct wf_fakehome *h, struct wf_buf *out)
{
    int64_t now = wf_test_clock_unix_ms();
    struct wf_heartbeat b = { .product_id = h->product_id,
        .head_hash = h->head_hash,
        .commitment = commitment(h),
        .term = 1,
        .head_offset = h->head,
        .floor_offset = h->floor,
        .epoch = h->epoch,
        .log_id = h->log_id,
        .time_ms = now,
        .next_by_ms = now + 1000,
        .stopped = atomic_load(&h->stopped),
        .stopping = atomic_load(&h->stopping) };

    MUST(wf_heartbeat_sign(&b, &servers(h)->node, out));
}

static void send_frame(struct wf_fakehome *h, const struct wf_frame *f)
{
    struct wf_buf sealed = { 0 };

    if (atomic_load(&h->mute))
        return;
    MUST(wf_frame_seal(&h->sealer, f, &sealed));
    if (f->entry_count && atomic_load(&h->drop) > 0)
        atomic_fetch_sub(&h->drop, 1);
    else
        MUST(wf_net_pub_send(h->pub, &sealed));
    wf_buf_fini(&sealed);
}

static void send_entries(struct wf_fakehome *h, size_t first, size_t count)
{
    struct wf_frame f = { .entry_count = count };

    for (size_t i = 0; i < count; i++)
        f.entries[i] = wf_buf_view(&h->log[first + i].packed);
    send_frame(h, &f);
}

static void send_beat(struct wf_fakehome *h)
{
    struct wf_buf beat = { 0 };
    heartbeat(h, &beat);
    struct wf_frame f = { .heartbeat = wf_buf_view(&beat) };
    send_frame(h, &f);
    wf_buf_fini(&beat);
}

static void *beat_thread(void *arg)
{
    struct wf_fakehome *h = arg;

    wf_fault_spare(true); // it is the test's
    for (;;) {
        pthread_mutex_lock(&h->mutex);
        bool ending = h->ending;
        if (!ending)
            send_beat(h);
        pthread_mutex_unlock(&h->mutex);
        if (ending)
            return NULL;
        usleep(100000); // the pace of heartbeats, not a wait
    }
}

void wf_fakehome_append(struct wf_fakehome *h, unsigned origin, uint32_t count)
{
    struct wf_records r = { 0 };

    pthread_mutex_lock(&h->mutex);
    for (uint32_t i = 0; i < count; i++)
        put_reading(&r, origin, h->origins[origin].seq + i);
    struct wf_batch_header f = { .kind = WF_BATCH_DATA,
        .count = count,
        .base_us = r.base_us,
        .min_us = r.min_us,
        .max_us = r.max_us,
        .raw_len = (uint32_t)r.raw.len };
    put_batch(h, origin, &f, wf_buf_view(&r.raw));
    send_entries(h, h->count - 1, 1);
    wf_records_fini(&r);
    pthread_mutex_unlock(&h->mutex);
}

void wf_fakehome_append_loss(struct wf_fakehome *h, unsigned origin, uint32_t count)
{
    pthread_mutex_lock(&h->mutex);
    struct wf_batch_header f = { .kind = WF_BATCH_LOSS,
        .count = count,
        .base_us = WF_TEST_NOW * 1000,
        .min_us = WF_TEST_NOW * 1000,
        .max_us = WF_TEST_NOW * 1000,
        .loss_reason = "spool full" };
    put_batch(h, origin, &f, wf_bytes(NULL, 0));
    send_entries(h, h->count - 1, 1);
    pthread_mutex_unlock(&h->mutex);
}

void wf_fakehome_send(struct wf_fakehome *h, size_t first, size_t count)
{
    pthread_mutex_lock(&h->mutex);
    send_entries(h, first, count);
    pthread_mutex_unlock(&h->mutex);
}

void wf_fakehome_forge(struct wf_fakehome *h, size_t batch_of)
{
    struct wf_entry e;
    struct wf_buf packed = { 0 };

    pthread_mutex_lock(&h->mutex);
    MUST(wf_entry_parse(wf_buf_view(&h->log[batch_of].packed), &e));
    e.log_id = h->log_id;
    e.offset = h->head;
    e.previous = h->head_hash;
    MUST(wf_entry_pack(&e, &packed));
    struct wf_frame f = { .entry_count = 1, .entries = { wf_buf_view(&packed) } };
    send_frame(h, &f);
    wf_buf_fini(&packed);
    pthread_mutex_unlock(&h->mutex);
}

void wf_fakehome_restart(struct wf_fakehome *h, size_t lost)
{
    pthread_mutex_lock(&h->mutex);
    struct wf_incarnation previous = h->log_id;
    while (lost--) {
        struct wf_home_entry *last = &h->log[--h->count];
        struct wf_entry e;
        struct wf_batch_header b;
        MUST(wf_entry_parse(wf_buf_view(&last->packed), &e));
        MUST(wf_batch_open_header(e.header, &b));
        for (size_t i = 0; i < WF_HOME_ORIGINS; i++)
            if (memcmp(&h->origins[i].pub, &b.signer, sizeof b.signer) == 0) {
                h->origins[i].seq = b.first_seq;
                h->origins[i].last = b.previous;
            }
        h->head = e.offset;
        h->head_hash = e.previous;
        wf_buf_fini(&last->packed);
    }
    h->old_ends[h->logs] = h->head;
    put_reset(h, &previous, wf_bytes(NULL, 0));
    pthread_mutex_unlock(&h->mutex);
}

static int by_chain(const void *a, const void *b)
{
    const struct wf_lost *x = a, *y = b;
    int by = memcmp(x->origin.b, y->origin.b, WF_KEY_LEN);

    return by ? by : wf_incarnation_cmp(&x->incarnation, &y->incarnation);
}

// What the entries from `keep` on are of each chain.
static struct wf_buf lost_beyond(const struct wf_fakehome *h, size_t keep)
{
    struct wf_lost list[8];
    struct wf_buf packed = { 0 };
    size_t n = 0;

    for (size_t i = keep; i < h->count && atomic_load(&h->knows_lost); i++) {
        struct wf_entry e;
        struct wf_batch_header b;
        MUST(wf_entry_parse(wf_buf_view(&h->log[i].packed), &e));
        if (e.is_reset)
            continue;
        MUST(wf_batch_open_header(e.header, &b));
        struct wf_lost l = { .origin = b.signer, .incarnation = b.incarnation };
        size_t at = 0;
        while (at < n && by_chain(&list[at], &l) != 0)
            at++;
        ck_assert_uint_lt(at, WF_COUNT(list));
        if (at == n) {
            l.from_seq = b.first_seq;
            bool first = memcmp(&h->origins[0].pub, &b.signer, sizeof b.signer) == 0;
            snprintf(l.subject, sizeof l.subject, first ? "web-0" : "web-1");
            list[n++] = l;
        }
        list[at].to_seq = wf_batch_next_seq(&b);
    }
    qsort(list, n, sizeof *list, by_chain);
    for (size_t i = 0; i < n; i++)
        MUST(wf_lost_put(&packed, &list[i], i ? &list[i - 1] : NULL));
    return packed;
}

void wf_fakehome_put_back(struct wf_fakehome *h, size_t keep)
{
    pthread_mutex_lock(&h->mutex);
    struct wf_buf lost = lost_beyond(h, keep);
    h->old_ends[h->logs] = h->head;
    while (h->count > keep) {
        struct wf_home_entry *last = &h->log[--h->count];
        struct wf_entry e;
        MUST(wf_entry_parse(wf_buf_view(&last->packed), &e));
        h->head = e.offset;
        h->head_hash = e.is_reset ? e.head_hash : e.previous;
        if (e.is_reset)
            h->old_ends[e.log_id.random] = NEVER_WAS;
        wf_buf_fini(&last->packed);
    }
    for (unsigned i = 1; i <= h->logs; i++)
        if (h->old_ends[i] != NEVER_WAS && h->old_ends[i] > h->head)
            h->old_ends[i] = h->head;
    put_reset(h, &h->log[h->count - 1].log_id, wf_buf_view(&lost));
    wf_buf_fini(&lost);
    pthread_mutex_unlock(&h->mutex);
}

static void new_epoch(struct wf_fakehome *h)
{
    uint8_t boot[WF_FRAME_BOOT];

    wf_secret_fini(&h->key);
    MUST(wf_secret_random(WF_KEY_LEN, &h->key));
    h->epoch++;
    wf_random(boot, sizeof boot);
    MUST(wf_frame_sealer_init(&h->sealer, &h->key, &h->product_id, boot, 1));
}

void wf_fakehome_rotate(struct wf_fakehome *h)
{
    pthread_mutex_lock(&h->mutex);
    new_epoch(h);
    pthread_mutex_unlock(&h->mutex);
}

void wf_fakehome_drop_below(struct wf_fakehome *h, uint64_t floor)
{
    pthread_mutex_lock(&h->mutex);
    h->floor = floor;
    pthread_mutex_unlock(&h->mutex);
}

// ---- answers ---------------------------------------------------------------------------------------------------------------

static void set_bin(const struct wf_fake_call *c, ProtobufCBinaryData *to, struct wf_bytes from)
{
    struct wf_bytes copy = { 0 };

    MUST(wf_arena_dup(c->arena, from, &copy));
    *to = wf_pb_bin(copy);
}

static void set_beat(struct wf_fakehome *h, const struct wf_fake_call *c, ProtobufCBinaryData *to)
{
    struct wf_buf beat = { 0 };

    heartbeat(h, &beat);
    set_bin(c, to, wf_buf_view(&beat));
    wf_buf_fini(&beat);
}

static void on_lease(struct wf_fakehome *h, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    Weft__V1__LeaseReply *r = wf_fake_new(c, &weft__v1__lease_reply__descriptor);
    Weft__V1__EpochKey *k = wf_fake_new(c, &weft__v1__epoch_key__descriptor);
    struct wf_hash made = commitment(h);
    int64_t life = atomic_load(&h->lease_ms);
    char endpoint[32];

    set_bin(c, &r->lease_id, WF_STR("0123456789abcdef"));
    if (c->request->lease->end) {
        atomic_fetch_add(&h->given_back, 1);
        reply->kind_case = WEFT__V1__REPLY__KIND_LEASE;
        reply->lease = r;
        return;
    }
    atomic_fetch_add(&h->leases, 1);
    if (c->request->lease->replaces.len)
        atomic_fetch_add(&h->replaced, 1);
    made.b[0] ^= atomic_load(&h->wrong_commitment);
    if (atomic_load(&h->refuse_lease)) {
        wf_fake_refuse(c, reply, atomic_load(&h->refuse_lease), "no lease for you");
        reply->refusal->caveat = wf_fake_str(c, "verbs");
        return;
    }
    snprintf(endpoint, sizeof endpoint, ":%u", h->port);
    r->endpoint = wf_fake_str(c, atomic_load(&h->no_stream) ? "" : endpoint);
    k->epoch = h->epoch;
    set_bin(c, &k->key, wf_secret_view(&h->key));
    set_bin(c, &k->commitment, wf_hash_view(&made));
    r->keys = wf_arena_calloc(c->arena, 1, sizeof(void *));
    r->keys[r->n_keys++] = k;
    set_beat(h, c, &r->heartbeat);
    r->expires_ms = wf_test_clock_unix_ms() + (life ? life : 600000);
    set_bin(c, &r->product_id, wf_hash_view(&h->product_id));
    r->schemas = wf_arena_calloc(c->arena, 1, sizeof *r->schemas);
    set_bin(c, &r->schemas[r->n_schemas++], wf_hash_view(&h->schema));
    r->term = 1;
    set_bin(c, &r->home_key, WF_BYTES(servers(h)->node_pub.b));
    reply->kind_case = WEFT__V1__REPLY__KIND_LEASE;
    reply->lease = r;
}

static bool forgot(struct wf_fakehome *h, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    if (!atomic_exchange(&h->forget, false))
        return false;
    wf_fake_refuse(c, reply, WEFT_E_LEASE, "unknown lease");
    return true;
}

static void add_loss(
    const struct wf_fake_call *c, Weft__V1__RangeReply *r, uint64_t from, uint64_t to)
{
    Weft__V1__Loss *l = wf_fake_new(c, &weft__v1__loss__descriptor);

    l->from = from;
    l->to = to;
    l->code = WEFT_E_RETENTION;
    r->losses = wf_arena_calloc(c->arena, 1, sizeof(void *));
    r->losses[r->n_losses++] = l;
}

static void on_range(struct wf_fakehome *h, const struct wf_fake_call *c,
    const Weft__V1__RangeRequest *q, Weft__V1__Reply *reply)
{
    Weft__V1__RangeReply *r = wf_fake_new(c, &weft__v1__range_reply__descriptor);
    struct wf_incarnation log = { 0 };
    uint64_t from = q->from;

    if (forgot(h, c, reply))
        return;
    if (q->log_id)
        log = (struct wf_incarnation){ q->log_id->counter, q->log_id->random };
    if (log.random && log.random < h->logs && h->old_ends[log.random] == NEVER_WAS) {
        wf_fake_refuse(c, reply, WEFT_E_LOG_ID, "a log that never was");
        return;
    }
    if (log.random && log.random < h->logs && from > h->old_ends[log.random])
        from = h->old_ends[log.random];
    if (q->start == WEFT__V1__RANGE_REQUEST__START__START_TIME)
        from = h->head / 2; // where the test says that time is
    r->next = from;
    if (from < h->floor) {
        add_loss(c, r, from, h->floor);
        r->next = from = h->floor;
    }
    r->entries = wf_arena_calloc(c->arena, WF_HOME_ENTRIES, sizeof *r->entries);
    for (size_t i = 0; i < h->count && r->n_entries < 64; i++) {
        const struct wf_home_entry *e = &h->log[i];
        if (e->reset ? wf_incarnation_cmp(&e->log_id, &log) <= 0 || e->offset < from
                     : e->end <= from)
            continue;
        if (q->to && e->offset >= q->to)
            break;
        set_bin(c, &r->entries[r->n_entries++], wf_buf_view(&e->packed));
        r->next = e->end;
    }
    set_beat(h, c, &r->heartbeat);
    reply->kind_case = WEFT__V1__REPLY__KIND_RANGE;
    reply->range = r;
}

static void on_position(struct wf_fakehome *h, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    Weft__V1__PositionReply *r = wf_fake_new(c, &weft__v1__position_reply__descriptor);

    atomic_fetch_add(&h->positions, 1);
    r->heartbeats = wf_arena_calloc(c->arena, 1, sizeof *r->heartbeats);
    set_beat(h, c, &r->heartbeats[r->n_heartbeats++]);
    reply->kind_case = WEFT__V1__REPLY__KIND_POSITION;
    reply->position = r;
}

// ---- publishers and providers ------------------------------------------------------------------------------------------------

Weft__V1__ProductDescriptor *wf_fakehome_descriptor(
    struct wf_fakehome *h, const struct wf_fake_call *c, const char *product)
{
    Weft__V1__ProductDescriptor *d = wf_fake_new(c, &weft__v1__product_descriptor__descriptor);

    d->domain = wf_fake_str(c, "servers");
    d->name = wf_fake_str(c, product);
    d->version = wf_fake_str(c, "1.2.0");
    d->kind = strcmp(d->name, "hosts") == 0 ? WEFT__V1__PRODUCT_KIND__PRODUCT_KIND_INVENTORY
                                            : WEFT__V1__PRODUCT_KIND__PRODUCT_KIND_METRIC;
    d->message = wf_fake_str(c, "test.station.v1.Reading");
    d->drops = atomic_load(&h->drops);
    set_bin(c, &d->schema_hash, wf_hash_view(&h->schema));
    return d;
}

static void read_for(struct wf_fakehome *h, const struct wf_fake_call *c,
    const Weft__V1__RangeRequest *q, Weft__V1__Reply *reply)
{
    enum weft_err refused = (enum weft_err)atomic_load(&h->refuse_reads);

    if (refused)
        wf_fake_refuse(c, reply, refused, "the disk says no");
    else
        on_range(h, c, q, reply);
}

static void answer(void *arg, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    struct wf_fakehome *h = arg;

    pthread_mutex_lock(&h->mutex);
    switch (c->request->kind_case) {
    case WEFT__V1__REQUEST__KIND_LEASE:
        on_lease(h, c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_RANGE:
        atomic_fetch_add(&h->ranges, 1);
        if (atomic_load(&h->busy_ranges))
            wf_fake_refuse(c, reply, WEFT_E_BUSY, "not now");
        else
            read_for(h, c, c->request->range, reply);
        break;
    case WEFT__V1__REQUEST__KIND_PULL:
        atomic_fetch_add(&h->pulls, 1);
        if (atomic_load(&h->pulls) == atomic_load(&h->hold_after_pull))
            atomic_store(&h->m->knobs->hold, true);
        read_for(h, c, c->request->pull->range, reply);
        break;
    case WEFT__V1__REQUEST__KIND_POSITION:
        on_position(h, c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_PUBLISH:
        wf_fakehome_publish(h, c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_POLL:
        wf_fakehome_poll(h, c, reply);
        break;
    case WEFT__V1__REQUEST__KIND_ANSWER:
        wf_fakehome_answer(h, c, reply);
        break;
    default:
        wf_fake_refuse(c, reply, WEFT_E_REQUEST, "unknown request");
    }
    pthread_mutex_unlock(&h->mutex);
}

// ---- life ------------------------------------------------------------------------------------------------------------------

static void make_origin(struct wf_fakehome *h, unsigned index)
{
    struct wf_home_origin *o = &h->origins[index];
    char subject[16], label[32];

    snprintf(subject, sizeof subject, "web-%u", index);
    snprintf(label, sizeof label, "servers/%s", subject);
    o->key = wf_test_sign_key(label, &o->pub);
    struct wf_cert f = wf_test_cert("servers", WF_ID_AGENT, subject), cert;
    struct wf_buf raw = wf_test_cert_issue(&f, &servers(h)->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&raw), wf_buf_view(&servers(h)->issuer_cert));
    MUST(wf_cert_open(wf_buf_view(&raw), &cert));
    o->cert = cert.id;
    o->incarnation = (struct wf_incarnation){ (uint64_t)WF_TEST_NOW, index + 1 };
    wf_fakemesh_add(h->m, &cert.id, wf_buf_view(&chain));
    wf_buf_fini(&raw);
    wf_buf_fini(&chain);
}

void wf_fakehome_init(struct wf_fakehome *h, struct wf_fakemesh *m)
{
    struct wf_net_pub_conf conf = { 0 };
    static const struct wf_incarnation none;

    memset(h, 0, sizeof *h);
    h->m = m;
    pthread_mutex_init(&h->mutex, NULL);
    wf_product_id(&m->mesh.charter->mesh_id, "servers", "readings", 1, &h->product_id);
    wf_blake2b(wf_buf_view(&m->schema), &h->schema);
    for (unsigned i = 0; i < WF_HOME_ORIGINS; i++)
        make_origin(h, i);
    MUST(wf_net_pub_new(m->net, &conf, &h->pub));
    MUST(wf_net_pub_listen(h->pub, "127.0.0.1:0", &h->port));
    new_epoch(h);
    put_reset(h, &none, wf_bytes(NULL, 0));
    m->other_arg = h;
    m->other = answer;
    ck_assert_int_eq(pthread_create(&h->thread, NULL, beat_thread, h), 0);
}

void wf_fakehome_fini(struct wf_fakehome *h)
{
    pthread_mutex_lock(&h->mutex);
    h->ending = true;
    pthread_mutex_unlock(&h->mutex);
    pthread_join(h->thread, NULL);
    h->m->other = NULL;
    wf_net_pub_free(h->pub);
    for (size_t i = 0; i < h->count; i++)
        wf_buf_fini(&h->log[i].packed);
    for (size_t i = 0; i < h->mark; i++)
        wf_buf_fini(&h->seen[i]);
    for (unsigned i = 0; i < WF_HOME_ORIGINS; i++)
        wf_secret_fini(&h->origins[i].key);
    wf_secret_fini(&h->key);
    wf_buf_fini(&h->task_request);
    wf_buf_fini(&h->answer);
    pthread_mutex_destroy(&h->mutex);
}

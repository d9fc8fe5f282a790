// SPDX-License-Identifier: Apache-2.0
// See fake_weft.h.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sdk/client.h"
#include "tests/domains/fake_weft.h"
#include "tests/support/support.h"

#define MAX_PRODUCTS 8
#define MAX_EVENTS   512
#define MAX_RECORDS  64

struct fake_item {
    struct weft_event e;
    struct weft_record records[MAX_RECORDS];
    struct wf_buf header, payload;
    char chain[80], batch[40], origin[64];
    uint64_t mark;
    struct weft_cursor_row row;
    struct weft_product *product;
};

struct fake_product {
    char name[WF_MAX_NAME * 2 + 2], domain[WF_MAX_NAME + 1];
    struct weft_product_info info;
    struct weft_product *described;
    struct fake_item *items[MAX_EVENTS];
    size_t count;
    uint64_t offset, seq[2];
    struct fake_item *making;
    size_t made;
};

const char *fake_revoked;
size_t fake_pause;
bool fake_slow;
size_t fake_told = SIZE_MAX;
void (*fake_handed)(size_t n);

struct weft_client {
    int unused;
};
struct weft_catalog {
    int unused;
};
struct weft_subscription {
    struct fake_product *p;
    size_t at, end;
    bool greeted; // said that it is live, unless the log has states of its own
    bool paused, handed;
    struct weft_event live;
    int fd;
};

static struct fake_product products[MAX_PRODUCTS];
static size_t product_count;
static struct weft_client the_client;
static struct weft_catalog the_catalog;

// ---- making --------------------------------------------------------------------------------------------------------------

static void item_free(struct fake_item *i)
{
    if (!i)
        return;
    wf_buf_fini(&i->header);
    wf_buf_fini(&i->payload);
    for (size_t k = 0; k < i->e.record_count; k++)
        free((void *)(uintptr_t)i->records[k].data);
    weft_product_free(i->product);
    free(i);
}

void fake_reset(void)
{
    fake_revoked = NULL;
    fake_pause = 0;
    fake_slow = false;
    fake_told = SIZE_MAX;
    fake_handed = NULL;
    for (size_t i = 0; i < product_count; i++) {
        for (size_t k = 0; k < products[i].count; k++)
            item_free(products[i].items[k]);
        item_free(products[i].making);
        weft_product_free(products[i].described);
    }
    memset(products, 0, sizeof products);
    product_count = 0;
}

static struct weft_product *compile(
    const struct fake_product *p, const char *schema, const char *message)
{
    static const char *keys[] = { "host" };
    struct weft_product *out = NULL;
    struct weft_problem problem = { 0 };
    char path[512];

    snprintf(path, sizeof path, "%s/tests/monitor/%s.set", getenv("WEFT_BUILD_DIR"), schema);
    struct wf_buf set = wf_test_file(path);
    struct wf_product d = { .domain = p->domain,
        .name = strchr(p->name, '/') + 1,
        .kind = (enum wf_product_kind)p->info.kind,
        .message = message,
        .keys = keys,
        .key_count = 1 };
    wf_blake2b(wf_buf_view(&set), &d.schema_hash);
    enum weft_err err = wf_product_object(&d, NULL, wf_buf_view(&set), &out, &problem);
    wf_buf_fini(&set);
    if (err) {
        fprintf(stderr, "fake: %s\n", problem.text);
        abort();
    }
    return out;
}

void fake_schema(struct fake_product *p, const char *schema, const char *message)
{
    weft_product_free(p->described);
    p->described = compile(p, schema, message);
}

struct fake_product *fake_product(
    const char *name, enum weft_product_kind kind, const char *schema, const char *message)
{
    struct fake_product *p = &products[product_count++];

    snprintf(p->name, sizeof p->name, "%s", name);
    snprintf(p->domain, sizeof p->domain, "%.*s", (int)strcspn(name, "/"), name);
    p->info = (struct weft_product_info){ .domain = p->domain,
        .name = strchr(p->name, '/') + 1,
        .version = "",
        .owner = "",
        .kind = kind,
        .freshness_ms = 10000 };
    fake_schema(p, schema, message);
    return p;
}

struct weft_product_info *fake_info(struct fake_product *p)
{
    return &p->info;
}

struct weft_product *fake_described(const struct fake_product *p)
{
    wf_product_ref(p->described);
    return p->described;
}

static void must(enum weft_err err)
{
    if (err)
        abort();
}

static void put_varint(struct wf_buf *m, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        must(wf_buf_append_byte(m, (uint8_t)(v | 0x80)));
    must(wf_buf_append_byte(m, (uint8_t)v));
}

void fake_varint(struct wf_buf *m, unsigned field, uint64_t v)
{
    put_varint(m, (uint64_t)field << 3);
    put_varint(m, v);
}

void fake_double(struct wf_buf *m, unsigned field, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    put_varint(m, (uint64_t)field << 3 | 1);
    for (int i = 0; i < 8; i++)
        must(wf_buf_append_byte(m, (uint8_t)(bits >> (8 * i))));
}

void fake_bytes(struct wf_buf *m, unsigned field, const void *ptr, size_t len)
{
    put_varint(m, (uint64_t)field << 3 | 2);
    put_varint(m, len);
    must(wf_buf_append(m, wf_bytes(ptr, len)));
}

void fake_text(struct wf_buf *m, unsigned field, const char *s)
{
    fake_bytes(m, field, s, strlen(s));
}

// ---- the log -------------------------------------------------------------------------------------------------------------

static struct fake_item *add_item(struct fake_product *p, struct fake_item *i)
{
    if (!i || p->count == MAX_EVENTS)
        abort();
    i->e.product = p->name;
    p->items[p->count++] = i;
    i->mark = p->count;
    if (i->e.kind != WEFT_EV_STATE) {
        i->row = (struct weft_cursor_row){ "at", 2, &i->mark, sizeof i->mark };
        i->e.cursor = &i->row;
        i->e.cursor_count = 1;
    }
    return i;
}

void fake_record(struct fake_product *p, enum weft_op op, struct wf_buf *message, int64_t time_us)
{
    if (!p->making)
        p->making = calloc(1, sizeof *p->making);
    if (!p->making || p->making->e.record_count == MAX_RECORDS)
        abort();
    void *data = malloc(message->len + 1);
    if (message->len)
        memcpy(data, message->ptr, message->len);
    p->making->records[p->making->e.record_count++] =
        (struct weft_record){ .op = op, .time_us = time_us, .data = data, .len = message->len };
    message->len = 0;
}

static uint64_t sum_of(const void *ptr, size_t len)
{
    const uint8_t *b = ptr;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ b[i]) * 1099511628211u;
    return h;
}

static void make_proof(struct fake_product *p, struct fake_item *i)
{
    for (size_t k = 0; k < i->e.record_count; k++) {
        const struct weft_record *r = &i->records[k];
        must(wf_buf_printf(&i->payload, "%d %" PRId64 " %zu ", (int)r->op, r->time_us, r->len));
        must(wf_buf_append(&i->payload, wf_bytes(r->data, r->len)));
    }
    must(wf_buf_printf(&i->header, "%s %s %s %" PRIu64 " %zu %016" PRIx64, p->name, i->origin,
        weft_product_info(i->product)->schema, i->records[0].seq, i->e.record_count,
        sum_of(i->payload.ptr, i->payload.len)));
    snprintf(i->batch, sizeof i->batch, "batch%016" PRIx64, sum_of(i->header.ptr, i->header.len));
    must(wf_buf_printf(&i->header, " %016" PRIx64, sum_of(i->header.ptr, i->header.len)));
    snprintf(i->chain, sizeof i->chain, "chain of %s", i->origin);
}

void fake_batch(struct fake_product *p, const char *origin, int64_t append_ms)
{
    struct fake_item *i = p->making;
    uint64_t *seq = &p->seq[origin[strlen(origin) - 1] & 1];

    p->making = NULL;
    snprintf(i->origin, sizeof i->origin, "%s", origin);
    i->product = fake_described(p);
    for (size_t k = 0; k < i->e.record_count; k++) {
        i->records[k].offset = p->offset++;
        i->records[k].seq = (*seq)++;
    }
    make_proof(p, i);
    i->e.kind = WEFT_EV_RECORDS;
    i->e.records = i->records;
    i->e.origin = i->origin;
    i->e.batch = i->batch;
    i->e.offset = i->records[0].offset;
    i->e.append_ms = append_ms;
    i->e.way = (enum weft_way)(p->count % 4);
    i->e.header = i->header.ptr;
    i->e.header_len = i->header.len;
    i->e.payload = i->payload.ptr;
    i->e.payload_len = i->payload.len;
    i->e.chain = i->chain;
    i->e.chain_len = strlen(i->chain);
    add_item(p, i);
}

void fake_fill(struct fake_product *p, unsigned count, unsigned each)
{
    struct wf_buf m = { 0 };

    for (unsigned b = 0; b < count; b++) {
        const char *origin = b % 2 ? "web-1" : "web-0";
        for (unsigned k = 0; k < each; k++) {
            fake_text(&m, 1, origin);
            fake_double(&m, 2, b + k / 8.0);
            fake_varint(&m, 3, 100 * b + k);
            fake_record(p, WEFT_PUT, &m, 1700000000000000 + 1000 * (int64_t)b + k);
        }
        fake_batch(p, origin, 1700000000000 + b);
    }
    wf_buf_fini(&m);
}

void fake_loss(struct fake_product *p, uint64_t from, uint64_t to)
{
    struct fake_item *i = calloc(1, sizeof *i);

    i->e = (struct weft_event){
        .kind = WEFT_EV_LOSS, .loss_from = from, .loss_to = to, .loss_code = WEFT_E_RETENTION
    };
    add_item(p, i);
}

void fake_state(
    struct fake_product *p, enum weft_stream_state state, enum weft_err err, const char *caveat)
{
    struct fake_item *i = calloc(1, sizeof *i);

    i->e = (struct weft_event){ .kind = WEFT_EV_STATE, .state = state };
    i->e.problem.err = err;
    snprintf(i->e.problem.caveat, sizeof i->e.problem.caveat, "%s", caveat);
    add_item(p, i);
}

uint64_t fake_records(const struct fake_product *p)
{
    return p->offset;
}

const struct weft_event *fake_event(struct fake_product *p, size_t n)
{
    return &p->items[n]->e;
}

// ---- <weft/weft.h> ---------------------------------------------------------------------------------------------------------

enum weft_err weft_connect(
    const struct weft_options *options, struct weft_client **ret, struct weft_problem *problem)
{
    (void)options;
    (void)problem;
    *ret = &the_client;
    return WEFT_OK;
}

void weft_close(struct weft_client *c)
{
    (void)c;
}

enum weft_err weft_whoami(
    struct weft_client *c, struct weft_whoami *ret, struct weft_problem *problem)
{
    (void)c;
    (void)problem;
    *ret = (struct weft_whoami){ .domain = "monitoring", .subject = "watch" };
    return WEFT_OK;
}

enum weft_err weft_discover(struct weft_client *c, const char *domain, const char *text,
    struct weft_catalog **ret, struct weft_problem *problem)
{
    (void)c;
    (void)domain;
    (void)text;
    (void)problem;
    *ret = &the_catalog;
    return WEFT_OK;
}

size_t weft_catalog_count(const struct weft_catalog *cat)
{
    (void)cat;
    return product_count;
}

const struct weft_product_info *weft_catalog_at(const struct weft_catalog *cat, size_t index)
{
    (void)cat;
    return &products[index].info;
}

void weft_catalog_free(struct weft_catalog *cat)
{
    (void)cat;
}

enum weft_err weft_product_rules(
    struct weft_client *c, const char *product, char **ret_text, struct weft_problem *problem)
{
    (void)c, (void)product, (void)ret_text, (void)problem;
    return WEFT_E_NOT_FOUND;
}

static struct fake_product *find(const char *name)
{
    for (size_t i = 0; i < product_count; i++)
        if (strcmp(products[i].name, name) == 0)
            return &products[i];
    return NULL;
}

enum weft_err weft_subscribe(struct weft_client *c, const char *product,
    const struct weft_subscribe_options *options, struct weft_subscription **ret,
    struct weft_problem *problem)
{
    struct weft_subscription *s = calloc(1, sizeof *s);

    (void)c;
    (void)problem;
    if (!s)
        return WEFT_E_NOMEM;
    s->p = find(product);
    if (!s->p)
        abort();
    if (options->cursor_count)
        memcpy(&s->at, options->cursor[0].value, sizeof s->at);
    s->end = s->p->count;
    for (size_t i = 0; i < s->end; i++)
        s->greeted = s->greeted || s->p->items[i]->e.kind == WEFT_EV_STATE;
    s->live = (struct weft_event){ .kind = WEFT_EV_STATE, .state = WEFT_STREAM_LIVE };
    s->fd = eventfd(s->at < s->end || !s->greeted, EFD_NONBLOCK | EFD_CLOEXEC);
    *ret = s;
    return WEFT_OK;
}

void weft_unsubscribe(struct weft_subscription *s)
{
    if (!s)
        return;
    close(s->fd);
    free(s);
}

enum weft_err weft_next(struct weft_subscription *s, int timeout_ms, const struct weft_event **ret,
    struct weft_problem *problem)
{
    uint64_t v;

    (void)timeout_ms;
    (void)problem;
    if (!s->greeted) {
        s->greeted = true;
        *ret = &s->live;
        if (s->at == s->end && read(s->fd, &v, sizeof v) < 0)
            abort();
        return WEFT_OK;
    }
    if (fake_pause && s->at == fake_pause && !s->paused) {
        s->paused = true;
        return WEFT_E_TIMEOUT;
    }
    if (s->at == s->end || (fake_slow && s->handed)) {
        s->handed = false;
        return WEFT_E_TIMEOUT;
    }
    s->handed = true;
    *ret = &s->p->items[s->at++]->e;
    if (fake_handed)
        fake_handed(s->at - 1);
    // As libweft does: the descriptor is readable while something waits, and not until somebody asked in vain.
    if (s->at == s->end && read(s->fd, &v, sizeof v) < 0)
        abort();
    return WEFT_OK;
}

int weft_subscription_fd(const struct weft_subscription *s)
{
    return s->fd;
}

void weft_subscription_stats(const struct weft_subscription *s, struct weft_stats *ret)
{
    size_t told = s->end - s->at < fake_told ? s->end - s->at : fake_told;

    *ret = (struct weft_stats){
        .head_offset = s->at + told, .next_offset = s->at, .lease_expires_ms = 1
    };
}

// That of the records handed over last, or of the next.
const struct weft_product *weft_subscription_product(const struct weft_subscription *s)
{
    for (size_t i = s->at; i > 0; i--)
        if (s->p->items[i - 1]->product)
            return s->p->items[i - 1]->product;
    return s->p->described;
}

static bool has_sum(const void *header, size_t len)
{
    char want[18];

    if (len < 34)
        return false;
    snprintf(want, sizeof want, " %016" PRIx64, sum_of(header, len - 17));
    return memcmp((const char *)header + len - 17, want, 17) == 0;
}

static void read_payload(const char *at, struct weft_verified *v)
{
    for (size_t i = 0; i < v->record_count; i++) {
        struct weft_record *r = &v->records[i];
        char *end;
        r->op = (enum weft_op)strtol(at, &end, 10);
        r->time_us = strtoll(end, &end, 10);
        r->len = strtoul(end, &end, 10);
        r->seq = v->first_seq + i;
        r->data = end + 1;
        at = end + 1 + r->len;
    }
}

enum weft_err weft_verify(struct weft_client *c, const struct weft_product *product,
    const void *header, size_t header_len, const void *payload, size_t payload_len,
    const void *chain, size_t chain_len, struct weft_verified *ret, struct weft_problem *problem)
{
    struct weft_verified v = { 0 };
    char text[400], sum[20], want[20], link[80];
    unsigned long long seq = 0;

    (void)c;
    (void)product;
    snprintf(text, sizeof text, "%.*s", (int)header_len, (const char *)header);
    if (!has_sum(header, header_len) || sscanf(text, "%79s %63s %79s %llu %u %19s", v.product_id,
                                            v.origin, v.schema, &seq, &v.count, sum) != 6) {
        wf_problem_set(problem, WEFT_E_SIGNATURE, "the header's signature: bad signature");
        return WEFT_E_SIGNATURE;
    }
    snprintf(want, sizeof want, "%016" PRIx64, sum_of(payload, payload_len));
    snprintf(link, sizeof link, "chain of %s", v.origin);
    if (strcmp(sum, want) != 0 || strlen(link) != chain_len ||
        memcmp(link, chain, chain_len) != 0) {
        wf_problem_set(problem, WEFT_E_HASH, "the stored bytes: hash mismatch");
        return WEFT_E_HASH;
    }
    snprintf(v.domain, sizeof v.domain, "%.*s", (int)strcspn(v.product_id, "/"), v.product_id);
    snprintf(v.batch, sizeof v.batch, "batch%016" PRIx64, sum_of(header, header_len - 17));
    v.revoked = fake_revoked && strcmp(v.origin, fake_revoked) == 0;
    v.first_seq = seq;
    v.record_count = v.count;
    v.records = calloc(v.count, sizeof *v.records);
    v.owned = malloc(payload_len + 1);
    memcpy(v.owned, payload, payload_len);
    ((char *)v.owned)[payload_len] = '\0';
    read_payload(v.owned, &v);
    *ret = v;
    return WEFT_OK;
}

bool weft_verified_is_of(const struct weft_verified *v, const char *product)
{
    return strcmp(v->product_id, product) == 0;
}

void weft_verified_free(struct weft_verified *v)
{
    free(v->records);
    free(v->owned);
    *v = (struct weft_verified){ 0 };
}

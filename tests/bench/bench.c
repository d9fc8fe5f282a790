// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define LATENCIES_MAX 4000000u
#define PACK_MAX      4096u
#define STREAMS_MAX   4096u
#define WARM          10u // per cent of a paced run that its percentiles leave out
#define POLL_MS       20
#define IDLE_MS       10000

_Noreturn void bench_fail(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why ? why : "failed");
    exit(1);
}

int64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static uint64_t load64(const uint8_t *p) // little-endian, as protobuf has fixed64
{
    uint64_t v = 0;

    for (unsigned i = 8; i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

static void store64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++, v >>= 8)
        p[i] = (uint8_t)v;
}

// ---- arguments -------------------------------------------------------------------------------------------------------

static void load_payload(struct bench *b)
{
    FILE *f = fopen(b->payload, "rb");
    long len = 0;

    if (!f || fseek(f, 0, SEEK_END) != 0)
        bench_fail(b->payload, strerror(errno));
    len = ftell(f);
    rewind(f);
    if (b->record_len < BENCH_SENT_AT || len < (long)b->record_len)
        bench_fail(b->payload, "holds no records");
    b->record_count = (size_t)len / b->record_len;
    b->records = malloc(b->record_count * b->record_len);
    b->message = malloc(b->pack * b->record_len);
    if (!b->records || !b->message)
        bench_fail("memory", NULL);
    if (fread(b->records, b->record_len, b->record_count, f) != b->record_count)
        bench_fail(b->payload, "can't be read");
    fclose(f);
}

static void expect(struct bench *b)
{
    b->next = malloc(b->streams * sizeof *b->next);
    if (!b->next)
        bench_fail("memory", NULL);
    for (uint64_t i = 0; i < b->streams; i++)
        b->next[i] = i;
    if (b->count <= LATENCIES_MAX && b->record_len >= BENCH_HEAD)
        b->latency_ns = calloc(b->count, sizeof *b->latency_ns);
}

static void set(struct bench *b, const char *name, size_t name_len, const char *value)
{
    const struct {
        const char *name;
        const char **text;
        uint64_t *number;
    } keys[] = { { "where", &b->where, NULL }, { "product", &b->product, NULL },
        { "extra", &b->extra, NULL }, { "payload", &b->payload, NULL },
        { "ready", &b->ready, NULL }, { "out", &b->out, NULL }, { "count", NULL, &b->count },
        { "rate", NULL, &b->rate }, { "pack", NULL, &b->pack }, { "streams", NULL, &b->streams },
        { "products", NULL, &b->products }, { "publishers", NULL, &b->publishers },
        { "index", NULL, &b->index }, { "length", NULL, &b->record_len } };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strlen(keys[i].name) != name_len || memcmp(keys[i].name, name, name_len) != 0)
            continue;
        if (keys[i].text)
            *keys[i].text = value;
        else
            *keys[i].number = strtoull(value, NULL, 10);
        return;
    }
    bench_fail(name, "unknown argument");
}

void bench_args(struct bench *b, int argc, char **argv)
{
    *b = (struct bench){
        .pack = 1, .streams = 1, .products = 1, .publishers = 1, .record_len = 102
    };
    if (argc < 2)
        bench_fail("usage", "pub|sub|pace NAME=VALUE...");
    b->role = argv[1];
    for (int i = 2; i < argc; i++) {
        const char *eq = strchr(argv[i], '=');
        if (!eq)
            bench_fail(argv[i], "not NAME=VALUE");
        set(b, argv[i], (size_t)(eq - argv[i]), eq + 1);
    }
    if (b->count == 0 || b->pack == 0 || b->pack > PACK_MAX)
        bench_fail("count, pack", "out of range");
    if (b->streams == 0 || b->streams > STREAMS_MAX || b->products == 0 ||
        b->products > STREAMS_MAX || b->index >= b->publishers)
        bench_fail("streams, products, publishers", "out of range");
    if (strcmp(b->role, "sub") != 0)
        load_payload(b);
    else
        expect(b);
}

void bench_fini(struct bench *b)
{
    free(b->records);
    free(b->message);
    free(b->next);
    free(b->latency_ns);
}

// ---- publisher -------------------------------------------------------------------------------------------------------

static void wait_until(int64_t at_ns)
{
    struct timespec t = { .tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000 };
    int err = 0;

    do
        err = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    while (err == EINTR);
}

void bench_publish(struct bench *b, bench_send_fn send, void *arg)
{
    size_t at = 0;

    b->cpu_at = cpu_s();
    b->first_ns = bench_now_ns();
    for (uint64_t n = b->index; n < b->count;) {
        int64_t now = bench_now_ns();
        if (b->rate) {
            int64_t due = b->first_ns + (int64_t)(n * 1000000000ull / b->rate);
            if (due > now)
                wait_until(due);
            now = bench_now_ns();
        }
        size_t len = 0;
        for (uint64_t k = 0; k < b->pack && n < b->count; k++, n += b->publishers) {
            uint8_t *record = b->message + len;
            memcpy(record, b->records + at * b->record_len, b->record_len);
            at = at + 1 == b->record_count ? 0 : at + 1;
            store64(record + BENCH_NUMBER_AT, n);
            if (b->record_len >= BENCH_HEAD)
                store64(record + BENCH_SENT_AT, (uint64_t)now);
            len += b->record_len;
            b->sent++;
        }
        if (send)
            send(arg, b->message, len);
    }
}

static void print(const struct bench *b, const char *text)
{
    FILE *f = fopen(b->out, "w");

    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        bench_fail(b->out, strerror(errno));
}

void bench_published(struct bench *b)
{
    char text[256];

    b->last_ns = bench_now_ns();
    snprintf(text, sizeof text,
        "{\"records\":%llu,\"first_ns\":%lld,\"last_ns\":%lld,\"cpu_s\":%.6f}\n",
        (unsigned long long)b->sent, (long long)b->first_ns, (long long)b->last_ns,
        cpu_s() - b->cpu_at);
    print(b, text);
}

// ---- subscriber ------------------------------------------------------------------------------------------------------

void bench_ready(const struct bench *b)
{
    FILE *f = fopen(b->ready, "w");

    if (!f || fclose(f) != 0)
        bench_fail(b->ready, strerror(errno));
}

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t byte = *(*p)++;
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *ret = v;
            return true;
        }
    }
    return false;
}

// Every field of a record, two levels deep, as a consumer's decoder would: the same work whatever brought the record.
static bool walk(const uint8_t *p, const uint8_t *end, bool nested, uint64_t *sum)
{
    while (p < end) {
        uint64_t tag = 0, v = 0;
        if (!varint(&p, end, &tag))
            return false;
        size_t fixed = (tag & 7) == 1 ? 8 : (tag & 7) == 5 ? 4 : 0;
        if (fixed) {
            if ((size_t)(end - p) < fixed)
                return false;
            v = p[0];
            p += fixed;
        } else if (!varint(&p, end, &v)) {
            return false;
        } else if ((tag & 7) == 2) {
            if (v > (uint64_t)(end - p))
                return false;
            if (!nested && tag >> 3 > 3 && !walk(p, p + v, true, sum))
                return false;
            p += v;
        }
        *sum += v ^ tag;
    }
    return true;
}

static void take_one(struct bench *b, const uint8_t *p, int64_t now)
{
    uint64_t number = load64(p + BENCH_NUMBER_AT);
    uint64_t *next = &b->next[number % b->streams];

    if (number < *next || number >= b->count || !walk(p, p + b->record_len, false, &b->sum)) {
        b->wrong++;
        return;
    }
    b->lost += (number - *next) / b->streams;
    *next = number + b->streams;
    __atomic_add_fetch(&b->seen, 1, __ATOMIC_RELAXED);
    if (b->latency_ns && number >= b->count * WARM / 100) {
        int64_t took = now - (int64_t)load64(p + BENCH_SENT_AT);
        b->latency_ns[b->latency_count++] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    }
}

bool bench_take(struct bench *b, const uint8_t *ptr, size_t len)
{
    return bench_take_at(b, bench_now_ns(), ptr, len);
}

bool bench_take_at(struct bench *b, int64_t now, const uint8_t *ptr, size_t len)
{
    if (b->done)
        return true;
    if (b->seen == 0) {
        b->first_ns = now;
        b->cpu_at = cpu_s();
    }
    for (; len >= b->record_len; ptr += b->record_len, len -= b->record_len)
        take_one(b, ptr, now);
    b->wrong += len != 0;
    b->last_ns = now;
    bool done = b->seen + b->lost >= b->count;
    __atomic_store_n(&b->done, done, __ATOMIC_RELEASE);
    return done;
}

void bench_wait(struct bench *b)
{
    uint64_t before = 0;

    for (int idle = 0; idle < IDLE_MS && !__atomic_load_n(&b->done, __ATOMIC_ACQUIRE);) {
        uint64_t seen = __atomic_load_n(&b->seen, __ATOMIC_RELAXED);
        idle = seen == before && seen > 0 ? idle + POLL_MS : 0;
        before = seen;
        wait_until(bench_now_ns() + POLL_MS * 1000000);
    }
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double percentile_us(const struct bench *b, unsigned per_cent)
{
    size_t at = b->latency_count ? (b->latency_count - 1) * per_cent / 100 : 0;

    return b->latency_count ? (double)b->latency_ns[at] / 1e3 : 0;
}

void bench_taken(struct bench *b)
{
    double cpu = cpu_s() - b->cpu_at; // before sorting
    char text[512];

    if (b->latency_count)
        qsort(b->latency_ns, b->latency_count, sizeof *b->latency_ns, by_value);
    b->lost = b->count - b->seen;
    snprintf(text, sizeof text,
        "{\"records\":%llu,\"lost\":%llu,\"wrong\":%llu,\"first_ns\":%lld,\"last_ns\":%lld,"
        "\"cpu_s\":%.6f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"sum\":%llu}\n",
        (unsigned long long)b->seen, (unsigned long long)b->lost, (unsigned long long)b->wrong,
        (long long)b->first_ns, (long long)b->last_ns, b->seen ? cpu : 0.0, percentile_us(b, 50),
        percentile_us(b, 99), (unsigned long long)b->sum);
    print(b, text);
}

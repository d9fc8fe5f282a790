// SPDX-License-Identifier: Apache-2.0
// What a 64 KiB batch of records costs at each step, in microseconds, one thread: bench_stream [ROUNDS]. Build it without
// sanitizers (the release flags); the figures are good as ratios on one machine.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/stream/entry.h"
#include "proto/stream/frame.h"

#define RECORDS  640
#define DATA_LEN 92 // about 102 bytes a record with op, time and lengths
#define BASE_US  1767225600000000LL

static void must(enum weft_err err)
{
    if (err) {
        fprintf(stderr, "bench_stream: %s\n", weft_err_name(err));
        exit(1);
    }
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

// Host-like data: names repeat, one number of eight bytes does not.
static void fill(uint8_t data[DATA_LEN], unsigned i)
{
    static uint64_t x = 88172645463325252u;

    memset(data, 0, DATA_LEN);
    snprintf((char *)data, DATA_LEN,
        "host-%02u /var/lib/filesystem-%u ext4 /dev/mapper/vg0-data-%u", i % 8, i % 10, i % 10);
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    wf_store_be64(data + DATA_LEN - 8, x);
}

struct bench {
    struct wf_secret origin, epoch_key;
    struct wf_hash product;
    uint8_t data[RECORDS][DATA_LEN];
    struct wf_records records;
    struct wf_buf stored, header, entry, frame, plain, raw;
    struct wf_batch_header fields, opened;
    struct wf_frame_sealer sealer;
    struct wf_frame content;
    enum wf_compression how, used;
};

static void pack(struct bench *b)
{
    wf_records_reset(&b->records);
    for (unsigned i = 0; i < RECORDS; i++)
        must(wf_records_put(&b->records, WF_OP_PUT, BASE_US + i * 1000, WF_BYTES(b->data[i])));
}

static void compress(struct bench *b)
{
    b->stored.len = 0;
    must(wf_compress(b->how, wf_buf_view(&b->records.raw), &b->stored, &b->used));
}

static void sign(struct bench *b)
{
    struct wf_hash id;

    b->header.len = 0;
    b->fields.compression = b->used;
    must(wf_batch_sign(&b->fields, wf_buf_view(&b->stored), &b->origin, &b->header, &id));
}

static void append(struct bench *b)
{
    struct wf_entry e = {
        .log_id = { 1, 2 },
        .append_ms = BASE_US / 1000,
        .epoch = 1,
        .previous = b->product,
        .header = wf_buf_view(&b->header),
        .payload = wf_buf_view(&b->stored),
    };

    b->entry.len = 0;
    must(wf_entry_pack(&e, &b->entry));
}

static void seal(struct bench *b)
{
    struct wf_frame f = { .entry_count = 1, .entries = { wf_buf_view(&b->entry) } };

    b->frame.len = 0;
    must(wf_frame_seal(&b->sealer, &f, &b->frame));
}

static void open_frame(struct bench *b)
{
    b->plain.len = 0;
    must(wf_frame_open(wf_buf_view(&b->frame), &b->epoch_key, &b->plain, &b->content));
}

static void verify(struct bench *b)
{
    struct wf_entry e;

    must(wf_entry_parse(b->content.entries[0], &e));
    must(wf_batch_open_header(e.header, &b->opened));
}

static void payload(struct bench *b)
{
    struct wf_entry e;

    must(wf_entry_parse(b->content.entries[0], &e));
    b->raw.len = 0;
    must(wf_batch_open_payload(&b->opened, e.payload, &b->raw));
}

static void walk(struct bench *b)
{
    must(wf_batch_check_records(&b->opened, wf_buf_view(&b->raw)));
}

static const struct step {
    const char *name;
    void (*run)(struct bench *b);
    bool reader;
} steps[] = {
    { "pack 640 records", pack, false },
    { "compress", compress, false },
    { "hash and sign", sign, false },
    { "pack entry", append, false },
    { "seal frame", seal, false },
    { "open frame", open_frame, true },
    { "verify header", verify, true },
    { "hash and decompress", payload, true },
    { "walk records", walk, true },
};

static void run(struct bench *b, enum wf_compression how, const char *name, int rounds)
{
    double side[2] = { 0, 0 };

    b->how = how;
    printf("%s\n", name);
    for (size_t i = 0; i < WF_COUNT(steps); i++) {
        steps[i].run(b); // warm buffers
        double start = now_us();
        for (int k = 0; k < rounds; k++)
            steps[i].run(b);
        double each = (now_us() - start) / rounds;
        side[steps[i].reader] += each;
        printf("  %-20s %8.1f us\n", steps[i].name, each);
    }
    printf(
        "  raw %zu, stored %zu; publisher %.1f us = %.2f M records/s, reader %.1f us = %.2f M/s\n",
        b->records.raw.len, b->stored.len, side[0], RECORDS / side[0], side[1], RECORDS / side[1]);
}

static void init(struct bench *b)
{
    static const uint8_t boot[WF_FRAME_BOOT] = { 1 };
    struct wf_sign_pub pub;

    must(wf_crypto_init());
    must(wf_sign_keygen(&b->origin, &pub));
    must(wf_secret_random(WF_KEY_LEN, &b->epoch_key));
    wf_blake2b(WF_STR("product"), &b->product);
    must(wf_frame_sealer_init(&b->sealer, &b->epoch_key, &b->product, boot, 1));
    for (unsigned i = 0; i < RECORDS; i++)
        fill(b->data[i], i);
    pack(b);
    b->fields = (struct wf_batch_header){
        .product_id = b->product,
        .schema_hash = b->product,
        .certificate = b->product,
        .incarnation = { 1, 2 },
        .count = b->records.count,
        .raw_len = (uint32_t)b->records.raw.len,
        .base_us = b->records.base_us,
        .min_us = b->records.min_us,
        .max_us = b->records.max_us,
    };
}

int main(int argc, char **argv)
{
    static struct bench b;
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 2000;

    if (rounds < 1)
        return 64;
    init(&b);
    run(&b, WF_COMPRESS_NONE, "uncompressed", rounds);
    run(&b, WF_COMPRESS_LZ4, "lz4", rounds);
    run(&b, WF_COMPRESS_ZSTD, "zstd", rounds);
    wf_records_fini(&b.records);
    struct wf_buf *bufs[] = { &b.stored, &b.header, &b.entry, &b.frame, &b.plain, &b.raw };
    for (size_t i = 0; i < WF_COUNT(bufs); i++)
        wf_buf_fini(bufs[i]);
    wf_secret_fini(&b.origin);
    wf_secret_fini(&b.epoch_key);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/logrig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/support.h"

#define BODY_CAP (64u * 1024u)

static void on_done(void *arg, const struct wf_log_ack *acks, size_t count)
{
    struct rig *r = arg;

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < count; i++) {
        if (acks[i].token >= RIG_TOKENS || r->acks[acks[i].token] != RIG_UNKNOWN)
            abort(); // an item is acknowledged once; no ck_assert while allocations fail
        r->acks[acks[i].token] = acks[i].err;
        r->acked += acks[i].err == WEFT_OK;
        r->failed += acks[i].err != WEFT_OK;
    }
    pthread_mutex_unlock(&r->lock);
}

static void on_note(void *arg, const struct wf_log_note *note)
{
    struct rig *r = arg;
    char text[200];

    wf_log_note_text(note, text, sizeof text);
    if (strlen(text) < 10)
        abort();
    pthread_mutex_lock(&r->lock);
    r->notes[note->kind]++;
    r->note_count++;
    r->last_notes[note->kind] = *note;
    pthread_mutex_unlock(&r->lock);
}

void rig_init(struct rig *r, const char *dir)
{
    *r = (struct rig){ .now_ms = 1700000000000 };
    if (wf_crypto_init() || wf_secret_random(WF_KEY_LEN, &r->key))
        abort();
    pthread_mutex_init(&r->lock, NULL);
    r->acks = malloc(RIG_TOKENS * sizeof *r->acks);
    ck_assert_ptr_nonnull(r->acks);
    for (size_t i = 0; i < RIG_TOKENS; i++)
        r->acks[i] = RIG_UNKNOWN;
    if (dir) {
        r->vfs = wf_vfs_posix;
    } else {
        r->disk = wf_memdisk_new();
        r->vfs = wf_memdisk_vfs(r->disk);
    }
    if (wf_log_worker_new(&r->vfs, dir != NULL, &r->worker))
        abort();
    r->conf = (struct wf_log_conf){ .dir = dir ? dir : "/log",
        .class_name = "standard",
        .store_id = { { 1, 2, 3 } },
        .storage_key = &r->key,
        .done = on_done,
        .done_arg = r,
        .note = on_note,
        .note_arg = r,
        .stop_free_permille = dir ? 1000 : 0 };
}

void rig_fini(struct rig *r)
{
    rig_close(r);
    wf_log_worker_free(r->worker);
    if (r->disk)
        wf_memdisk_free(r->disk);
    wf_secret_fini(&r->key);
    pthread_mutex_destroy(&r->lock);
    free(r->acks);
}

enum weft_err rig_open(struct rig *r)
{
    memset(r->notes, 0, sizeof r->notes);
    r->note_count = 0;
    return wf_log_open(r->worker, &r->conf, r->now_ms, &r->log);
}

void rig_close(struct rig *r)
{
    wf_log_close(r->log);
    r->log = NULL;
}

void rig_crash(struct rig *r, bool power, uint64_t *seed)
{
    wf_memdisk_crash(r->disk, 0);
    rig_close(r);
    wf_memdisk_restart(r->disk, power, seed);
}

struct wf_hash rig_product(unsigned n)
{
    struct wf_hash h;

    wf_blake2b(wf_bytes(&n, sizeof n), &h);
    return h;
}

size_t rig_body(unsigned n, uint64_t first, size_t mean, uint8_t *out, size_t cap)
{
    uint64_t seed = first * 1000003u + n + 1;
    size_t len = mean / 2 + (size_t)(wf_test_rand(&seed) % (mean + 1));

    if (len > cap)
        len = cap;
    wf_test_rand_bytes(&seed, out, len);
    return len;
}

enum weft_err rig_try(struct rig *r, const struct rig_item *i, uint64_t *ret_token)
{
    static uint8_t body[BODY_CAP];
    size_t mean = i->mean ? i->mean : 100;
    uint8_t head[8];
    size_t len = rig_body(i->product, i->first, mean, body, sizeof body);

    wf_store_be64(head, mean); // so that a reader can make the body anew
    if (r->token >= RIG_TOKENS)
        abort();
    struct wf_log_item item = { .product = rig_product(i->product),
        .first = i->first,
        .count = i->count,
        .time_ms = r->now_ms++,
        .kind = (uint8_t)(i->product & 7),
        .sealed = i->sealed,
        .jump = i->jump,
        .durability = i->durability,
        .head = WF_BYTES(head),
        .body = wf_bytes(body, len) };
    enum weft_err err = wf_log_append(r->log, &item, r->token);
    if (!err)
        *ret_token = r->token++;
    return err;
}

uint64_t rig_append(struct rig *r, const struct rig_item *i)
{
    uint64_t token = 0;

    ck_assert_int_eq(rig_try(r, i, &token), WEFT_OK);
    return token;
}

void rig_run(struct rig *r)
{
    if (!r->disk) {
        wf_log_flush(r->log);
        return;
    }
    while (wf_log_worker_turn(r->worker))
        ;
}

enum weft_err rig_ack(struct rig *r, uint64_t token)
{
    pthread_mutex_lock(&r->lock);
    enum weft_err err = r->acks[token];
    pthread_mutex_unlock(&r->lock);
    return err;
}

static struct wf_log_range range_of(struct rig *r, unsigned product)
{
    struct wf_hash id = rig_product(product);
    struct wf_log_range range = { 0 };
    enum weft_err err = wf_log_range(r->log, &id, &range);

    if (err && err != WEFT_E_NOT_FOUND)
        abort();
    return range;
}

uint64_t rig_head(struct rig *r, unsigned product)
{
    return range_of(r, product).head;
}

uint64_t rig_floor(struct rig *r, unsigned product)
{
    return range_of(r, product).floor;
}

void rig_fill(struct rig *r, unsigned product, unsigned n, size_t mean)
{
    uint64_t first = rig_head(r, product);
    uint64_t acked = r->acked;

    for (unsigned i = 0; i < n; i++)
        rig_append(r,
            &(struct rig_item){ .product = product, .first = first + i, .count = 1, .mean = mean });
    rig_run(r);
    ck_assert_uint_eq(r->acked, acked + n);
}

struct visit {
    unsigned product;
    uint64_t expected;
    struct rig_read *read;
};

static void check_body(unsigned product, const struct wf_log_view *v)
{
    static uint8_t want[BODY_CAP];

    ck_assert_uint_ge(v->body.len, 8);
    size_t mean = (size_t)wf_load_be64(v->body.ptr);
    size_t len = rig_body(product, v->first, mean, want, sizeof want);
    ck_assert_msg(v->body.len == len + 8 && memcmp(v->body.ptr + 8, want, len) == 0,
        "product %u offset %llu: a wrong body", product, (unsigned long long)v->first);
    ck_assert_uint_eq(v->kind, product & 7);
}

static bool on_view(void *arg, const struct wf_log_view *v)
{
    struct visit *c = arg;
    struct rig_read *read = c->read;

    ck_assert_msg(v->first == c->expected || (v->status == WEFT_OK && v->first < c->expected),
        "views are contiguous: %llu after %llu", (unsigned long long)v->first,
        (unsigned long long)c->expected);
    ck_assert_uint_ge(v->end, v->first);
    c->expected = v->end;
    for (uint64_t o = v->first; o < v->end && o < RIG_SEEN; o++)
        read->seen[o] = v->status == WEFT_OK;
    if (v->status == WEFT_OK) {
        check_body(c->product, v);
        read->items++;
        read->offsets += v->end - v->first;
        return true;
    }
    ck_assert_uint_eq(v->body.len, 0);
    if (read->gap_count < RIG_GAPS_MAX) {
        read->gaps[read->gap_count].first = v->first;
        read->gaps[read->gap_count].end = v->end;
        read->gaps[read->gap_count].why = v->status;
    }
    read->gap_count++;
    read->gap_offsets += v->end - v->first;
    return true;
}

void rig_read(struct rig *r, unsigned product, uint64_t from, size_t page, struct rig_read *ret)
{
    struct visit c = { .product = product, .expected = from, .read = ret };
    struct wf_buf scratch = { 0 };
    uint64_t next = from;

    memset(ret, 0, sizeof *ret);
    ret->next = from;
    struct wf_log_reader reader = { .product = rig_product(product),
        .max_bytes = page,
        .visit = on_view,
        .arg = &c,
        .scratch = &scratch };
    for (;;) {
        reader.from = ret->next;
        enum weft_err err = wf_log_read(r->log, &reader, &next);
        if (err == WEFT_E_NOT_FOUND || (err == WEFT_E_IO && ++ret->unread == RIG_UNREAD))
            break;
        if (err == WEFT_E_IO)
            continue;
        ck_assert_int_eq(err, WEFT_OK);
        if (next == ret->next)
            break;
        ret->next = next;
    }
    wf_buf_fini(&scratch);
}

// SPDX-License-Identifier: Apache-2.0
// Opens a store whose segment, next segment's claim and sidecar come from the input, reads every product, appends and
// opens again. Hashes are made right where the input does not ask otherwise, so that what lies behind them is reached.
#include <stdlib.h>

#include "node/log/index.h"
#include "node/log/log.h"
#include "tests/support/memdisk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_MAX 4096u

static const uint8_t salt[WF_SEG_SALT_LEN] = { 1, 2, 3 };

static uint8_t byte(struct wf_bytes *in)
{
    uint8_t b = in->len ? in->ptr[0] : 0;

    if (in->len)
        *in = wf_bytes(in->ptr + 1, in->len - 1);
    return b;
}

static uint64_t word(struct wf_bytes *in)
{
    uint64_t v = 0;
    unsigned n = byte(in) % 9;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | byte(in);
    return v;
}

static struct wf_bytes chunk(struct wf_bytes *in)
{
    size_t len = (size_t)word(in) % BODY_MAX;
    struct wf_bytes c = wf_bytes(in->ptr, len < in->len ? len : in->len);

    *in = wf_bytes(in->ptr + c.len, in->len - c.len);
    return c;
}

static void must(enum weft_err err)
{
    if (err)
        abort();
}

static void put_head(struct wf_bytes *in, uint64_t number, struct wf_buf *out)
{
    struct wf_seg_head h = { .number = number, .class_name = "fuzz" };
    uint8_t bytes[WF_SEG_HEAD_LEN], pad[WF_SEG_COPY_AT - WF_SEG_HEAD_LEN] = { 0 };

    memcpy(h.salt, salt, sizeof salt);
    h.prev_number = word(in);
    h.prev_end = word(in);
    h.created_ms = (int64_t)word(in);
    wf_seg_head_put(&h, bytes);
    must(wf_buf_append(out, WF_BYTES(bytes)));
    must(wf_buf_append(out, WF_BYTES(pad)));
    must(wf_buf_append(out, WF_BYTES(bytes)));
}

// One item, with a right header and body, or one of them changed, or bytes that are no item.
static void put_item(struct wf_bytes *in, struct wf_buf *out)
{
    uint8_t how = byte(in), head[WF_ITEM_HEAD_LEN];
    struct wf_seg_item item = {
        .kind = byte(in), .flags = byte(in), .product = { { byte(in) % 4 } }
    };

    item.first = word(in);
    item.count = (uint32_t)word(in);
    item.time_ms = (int64_t)word(in);
    struct wf_bytes body = chunk(in);
    if (how % 8 == 7) {
        must(wf_buf_append(out, body));
        return;
    }
    item.body_len = how % 8 == 6 ? (uint32_t)word(in) : (uint32_t)body.len;
    wf_seg_body_check(salt, out->len, body, item.body_check);
    wf_seg_item_put(&item, salt, out->len + (how % 8 == 5), head);
    if (how % 8 == 4)
        head[byte(in) % WF_ITEM_HEAD_LEN] ^= 1;
    must(wf_buf_append(out, WF_BYTES(head)));
    must(wf_buf_append(out, body));
    if (how % 8 == 3 && body.len)
        out->ptr[out->len - 1] ^= 1;
}

static void put_sidecar(struct wf_bytes *in, uint64_t number, uint64_t end, struct wf_buf *out)
{
    uint8_t head[72] = "WEFTIDX1";
    struct wf_hash hash;

    wf_store_be32(head + 8, 1);
    wf_store_be32(head + 12, (uint32_t)word(in));
    wf_store_be64(head + 16, number);
    memcpy(head + 24, salt, sizeof salt);
    wf_store_be64(head + 40, byte(in) % 2 ? end : word(in));
    must(wf_buf_append(out, WF_BYTES(head)));
    must(wf_buf_append(out, chunk(in)));
    wf_blake2b(wf_buf_view(out), &hash);
    must(wf_buf_append(out, wf_hash_view(&hash)));
}

static void build(struct wf_bytes *in, struct wf_memdisk *disk)
{
    static const char *const names[2][2] = {
        { "/log/0000000000000001.seg", "/log/0000000000000001.idx" },
        { "/log/0000000000000002.seg", "/log/0000000000000002.idx" },
    };
    unsigned segments = 1 + byte(in) % 2;

    for (unsigned i = 0; i < segments; i++) {
        struct wf_buf seg = { 0 }, side = { 0 };
        uint8_t shape = byte(in);
        if (shape & 1)
            must(wf_buf_append(&seg, chunk(in)));
        else
            put_head(in, i + 1, &seg);
        for (unsigned n = byte(in) % 16; n > 0; n--)
            put_item(in, &seg);
        if (shape & 2)
            put_sidecar(in, i + 1, seg.len, &side);
        if (shape & 2)
            wf_memdisk_put(disk, names[i][1], wf_buf_view(&side));
        wf_memdisk_put(disk, names[i][0], wf_buf_view(&seg));
        wf_buf_fini(&seg);
        wf_buf_fini(&side);
    }
}

static void on_done(void *arg, const struct wf_log_ack *acks, size_t count)
{
    (void)arg;
    (void)acks;
    (void)count;
}

struct reading {
    uint64_t expected;
    bool begun;
};

static bool on_view(void *arg, const struct wf_log_view *v)
{
    struct reading *r = arg;

    if (v->end < v->first || (r->begun && v->first != r->expected && v->status))
        abort();
    r->expected = v->end;
    r->begun = true;
    return true;
}

static void read_products(struct wf_log *log)
{
    struct wf_buf scratch = { 0 };

    for (uint8_t p = 0; p < 4; p++) {
        struct wf_hash id = { { p } };
        struct reading r = { 0 };
        struct wf_log_range range;
        uint64_t next = 0, offset = 0;
        if (wf_log_range(log, &id, &range))
            continue;
        if (range.floor > range.head)
            abort();
        struct wf_log_reader reader = {
            .product = id, .max_bytes = SIZE_MAX, .visit = on_view, .arg = &r, .scratch = &scratch
        };
        must(wf_log_read(log, &reader, &next));
        if (next != range.head)
            abort();
        must(wf_log_find_time(log, &id, 1000, &scratch, &offset));
        must(wf_log_tail(log, &id, 3, &offset));
        if (offset > range.head || offset < range.floor)
            abort();
    }
    wf_buf_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_bytes in = wf_bytes(data, size);
    struct wf_memdisk *disk = wf_memdisk_new();
    struct wf_vfs vfs = wf_memdisk_vfs(disk);
    struct wf_log_worker *worker = NULL;
    struct wf_log *log = NULL;
    struct wf_log_conf conf = { .dir = "/log", .class_name = "fuzz", .done = on_done };

    must(wf_crypto_init());
    must(vfs.mkdir(vfs.ctx, "/log"));
    must(wf_log_worker_new(&vfs, false, &worker));
    build(&in, disk);
    for (int round = 0; round < 2; round++) {
        must(wf_log_open(worker, &conf, 2000, &log)); // no damage fails an open
        read_products(log);
        struct wf_log_range range = { 0 };
        struct wf_log_item item = { .count = 1, .body = WF_STR("new") };
        if (wf_log_range(log, &item.product, &range) == WEFT_OK)
            item.first = range.head;
        if (item.first < UINT64_MAX)
            must(wf_log_append(log, &item, 0));
        if (wf_log_release(log, &item.product, range.head / 2 + range.floor / 2) == WEFT_E_IO)
            abort();
        wf_log_retain(log, 2000);
        wf_log_flush(log);
        read_products(log);
        wf_log_close(log);
    }
    wf_log_worker_free(worker);
    wf_memdisk_free(disk);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Opening a store for looking: whose it is, by its own word, and the log's recovery on a view of the disk.
#include "node/log/look.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/log/look_priv.h"
#include "node/log/meta.h"

#define TRIES 5 // a store at work may drop a segment between two steps of an open

const char *wf_log_flaw_name(enum wf_log_flaw_kind kind)
{
    static const char *const names[WF_FLAW_COUNT] = {
        [WF_FLAW_TORN] = "torn-tail",
        [WF_FLAW_NO_INDEX] = "index-missing",
        [WF_FLAW_INDEX] = "index",
        [WF_FLAW_STORE] = "store",
        [WF_FLAW_HEADER] = "header",
        [WF_FLAW_SEGMENT] = "segment",
        [WF_FLAW_TRUNCATED] = "truncated",
        [WF_FLAW_BYTES] = "bytes",
        [WF_FLAW_ITEM] = "item",
        [WF_FLAW_SEALED] = "sealed",
        [WF_FLAW_ORDER] = "order",
        [WF_FLAW_LOST] = "lost",
    };

    return kind < WF_FLAW_COUNT ? names[kind] : "?";
}

// ---- whose store -----------------------------------------------------------------------------------------------------

struct finding {
    struct wf_log_look *look;
    const char *dir;
    struct wf_diag *diag;
    bool found;
    enum weft_err worst; // of a header that was not taken
};

static bool take_name(struct wf_log_look *l, const struct wf_hash *id, struct wf_bytes name)
{
    if (name.len >= sizeof l->class_name || !wf_name_is_valid(name))
        return false;
    l->store_id = *id;
    memcpy(l->class_name, name.ptr, name.len);
    l->class_name[name.len] = '\0';
    return true;
}

static enum weft_err by_meta(struct finding *f)
{
    struct wf_log_look *l = f->look;
    struct wf_buf b = { 0 };
    struct wf_hash id;
    enum weft_err err = wf_meta_get(&l->disk, f->dir, "store", &b);

    if (!err && b.len > 4 + WF_HASH_LEN) {
        memcpy(id.b, b.ptr + 4, WF_HASH_LEN);
        f->found = take_name(l, &id, wf_bytes(b.ptr + 4 + WF_HASH_LEN, b.len - 4 - WF_HASH_LEN));
    }
    wf_buf_fini(&b);
    return err == WEFT_E_NOT_FOUND || err == WEFT_E_DAMAGED ? WEFT_OK : err;
}

// The identity file is damaged: a segment's header says the same.
static enum weft_err by_segment(void *arg, const char *name)
{
    struct finding *f = arg;
    const struct wf_vfs *disk = &f->look->disk;
    char path[WF_LOG_PATH];
    uint8_t start[WF_SEG_DATA] = { 0 };
    struct wf_seg_head head;
    size_t len = strlen(name), got = 0;
    int file = -1;

    if (f->found || len < 4 || strcmp(name + len - 4, ".seg") != 0)
        return WEFT_OK;
    int n = snprintf(path, sizeof path, "%s/%s", f->dir, name);
    if (n < 0 || n >= (int)sizeof path || disk->open(disk->ctx, path, WF_VFS_READ, &file))
        return WEFT_OK;
    if (f->worst != WEFT_E_UNSUPPORTED)
        f->worst = WEFT_E_DAMAGED; // there is a segment, at least
    enum weft_err err = disk->read(disk->ctx, file, 0, start, sizeof start, &got);
    disk->close(disk->ctx, file);
    if (err)
        return WEFT_OK;
    const uint8_t *copy = start;
    err = wf_seg_head_take(copy, &head);
    if (err == WEFT_E_DAMAGED)
        err = wf_seg_head_take(copy = start + WF_SEG_COPY_AT, &head);
    if (err == WEFT_E_UNSUPPORTED)
        f->worst = wf_log_other_version(f->diag, path, wf_seg_head_version(copy), WF_SEG_VERSION);
    if (!err)
        f->found = take_name(f->look, &head.store_id, wf_bytes_str(head.class_name));
    return WEFT_OK;
}

static enum weft_err identify(struct wf_log_look *l, const struct wf_log_look_conf *conf)
{
    struct finding f = {
        .look = l, .dir = conf->dir, .diag = conf->diag, .worst = WEFT_E_NOT_FOUND
    };
    enum weft_err err = by_meta(&f);

    if (!err && !f.found)
        err = l->disk.list(l->disk.ctx, conf->dir, by_segment, &f);
    if (err || f.found)
        return err;
    return f.worst;
}

// ---- opening ---------------------------------------------------------------------------------------------------------

static void on_note(void *arg, const struct wf_log_note *note)
{
    struct wf_log_look *l = arg;

    if (wf_buf_append(&l->notes, wf_bytes(note, sizeof *note)))
        l->lost_note = true;
}

// Nothing is ever appended.
static void on_done(void *arg, const struct wf_log_ack *acks, size_t count)
{
    (void)arg, (void)acks, (void)count;
}

static enum weft_err open_log(struct wf_log_look *l, const struct wf_log_look_conf *look)
{
    struct wf_log_conf conf = { .dir = look->dir,
        .class_name = l->class_name,
        .store_id = l->store_id,
        .storage_key = l->key,
        .done = on_done,
        .note = on_note,
        .note_arg = l,
        .diag = look->diag,
        .stop_free_permille = 1000 };
    enum weft_err err = WEFT_OK;

    for (int i = 0; i < TRIES; i++) {
        l->notes.len = 0;
        err = wf_log_open(l->worker, &conf, look->now_ms, &l->log);
        if (err != WEFT_E_NOT_FOUND || !l->view.in_use)
            break;
    }
    return err;
}

enum weft_err wf_log_look_open(
    const struct wf_vfs *disk, const struct wf_log_look_conf *conf, struct wf_log_look **ret)
{
    struct wf_log_look *l = calloc(1, sizeof *l);

    if (!l)
        return WEFT_E_NOMEM;
    l->disk = *disk;
    l->view.under = &l->disk;
    l->key = conf->key;
    struct wf_vfs view = wf_vfs_view(&l->view);
    enum weft_err err = identify(l, conf);
    if (!err)
        err = wf_log_worker_new(&view, false, &l->worker);
    if (!err)
        err = open_log(l, conf);
    if (!err && l->lost_note)
        err = WEFT_E_NOMEM;
    if (err)
        wf_log_look_close(l);
    else
        *ret = l;
    return err;
}

void wf_log_look_close(struct wf_log_look *l)
{
    if (!l)
        return;
    wf_log_close(l->log);
    wf_log_worker_free(l->worker);
    wf_buf_fini(&l->notes);
    free(l);
}

struct wf_log *wf_log_look_log(struct wf_log_look *l)
{
    return l->log;
}

bool wf_log_look_in_use(const struct wf_log_look *l)
{
    return l->view.in_use;
}

const struct wf_hash *wf_log_look_store(const struct wf_log_look *l)
{
    return &l->store_id;
}

const char *wf_log_look_class(const struct wf_log_look *l)
{
    return l->class_name;
}

uint64_t wf_log_look_oldest(const struct wf_log_look *l)
{
    return l->log->segment_count ? l->log->segments[0]->head.number : 0;
}

uint64_t wf_log_look_newest(const struct wf_log_look *l)
{
    return wf_log_last_number(l->log);
}

bool wf_log_look_find(struct wf_log_look *l, const struct wf_hash *product, uint64_t offset,
    uint64_t *ret_segment, uint64_t *ret_at)
{
    const struct wf_product *p = wf_index_find(&l->log->index, product);
    struct wf_seg_window w;
    struct wf_seg_found f = { 0 };
    struct wf_buf window = { 0 };
    uint32_t part = 0, run = 0;
    int file = -1;

    if (!p || !wf_product_seek(p, offset, &part, &run))
        return false;
    struct wf_segment *s = p->parts[part]->segment;
    const struct wf_run *r = &p->parts[part]->runs[run];
    *ret_segment = s->head.number;
    *ret_at = r->at;
    s->readers++;
    if (!wf_log_borrow(l->log, s, &file)) {
        wf_seg_window_init(&w, l->log->vfs, file, r->at_end, &window);
        for (uint64_t at = r->at; !wf_seg_scan(&w, s->head.salt, at, false, &f); at = f.next) {
            bool mine = f.step == WF_SEG_ITEM && wf_hash_eq(&f.item.product, product);
            if (mine && f.item.first + f.item.count > offset)
                *ret_at = at;
            if (f.step == WF_SEG_END || (mine && f.item.first + f.item.count > offset))
                break;
        }
    }
    wf_log_return(l->log, s);
    wf_buf_fini(&window);
    return true;
}

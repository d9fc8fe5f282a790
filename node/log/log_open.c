// SPDX-License-Identifier: Apache-2.0
// Opening a store: which files there are, whose they are, and what was left half done. Nothing is changed before the
// store is known to be ours.
#include <stdio.h>
#include <stdlib.h>

#include "node/log/log_priv.h"
#include "node/log/meta.h"

#define STORE_VERSION 1u

struct names {
    struct wf_buf segments, sidecars, temps; // uint64_t each
};

static bool parse_name(const char *name, const char *suffix, uint64_t *ret)
{
    char back[32];
    unsigned long long n = strtoull(name, NULL, 16);

    snprintf(back, sizeof back, "%016llx%s", n, suffix);
    *ret = n;
    return n > 0 && strcmp(back, name) == 0;
}

static enum weft_err collect(void *arg, const char *name)
{
    struct names *n = arg;
    uint64_t number = 0;
    struct wf_buf *to = parse_name(name, ".seg", &number)   ? &n->segments
                        : parse_name(name, ".idx", &number) ? &n->sidecars
                        : parse_name(name, ".tmp", &number) ? &n->temps
                                                            : NULL;

    return to ? wf_buf_append(to, wf_bytes(&number, sizeof number)) : WEFT_OK;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static size_t number_count(const struct wf_buf *b)
{
    return b->len / sizeof(uint64_t);
}

static void sort(struct wf_buf *b)
{
    if (b->len)
        qsort(b->ptr, number_count(b), sizeof(uint64_t), by_number);
}

static bool has_number(const struct wf_buf *sorted, uint64_t n)
{
    return sorted->len && bsearch(&n, sorted->ptr, number_count(sorted), sizeof n, by_number);
}

static uint64_t number_at(const struct wf_buf *b, size_t i)
{
    uint64_t n;

    memcpy(&n, b->ptr + i * sizeof n, sizeof n);
    return n;
}

enum weft_err wf_log_other_version(
    struct wf_diag *diag, const char *file, uint32_t found, uint32_t known)
{
    if (diag)
        wf_diag_set(diag, 0, 0,
            "%s: its format is %u, this weft's is %u: another version of weft wrote it; start that "
            "version here, or restore a backup that this one made",
            file, found, known);
    return WEFT_E_UNSUPPORTED;
}

static bool is_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;

    for (size_t i = 0; i < len; i++)
        any |= p[i];
    return any == 0;
}

// Both copies of the header and the zeros between. *ret_blank: nothing was ever written.
static enum weft_err read_head(struct wf_log *log, struct wf_segment *s, bool *ret_blank)
{
    static const uint64_t places[2] = { 0, WF_SEG_COPY_AT };
    uint8_t start[WF_SEG_DATA] = { 0 };
    size_t got = 0;
    struct wf_seg_head head;
    uint64_t number = s->head.number;
    enum weft_err err = log->vfs->read(log->vfs->ctx, s->file, 0, start, sizeof start, &got);

    if (err)
        return err;
    *ret_blank = is_zero(start, sizeof start);
    for (int i = 0; i < 2; i++) {
        err = wf_seg_head_take(start + places[i], &head);
        if (err == WEFT_E_UNSUPPORTED) {
            char path[WF_LOG_PATH];
            wf_log_path(log, number, ".seg", path);
            return wf_log_other_version(
                log->conf.diag, path, wf_seg_head_version(start + places[i]), WF_SEG_VERSION);
        }
        bool good = !err && head.number == number;
        // What a short file lacks reads as zeros here, and may have been zeros: the copy is good, the file is not whole.
        if (!*ret_blank && (!good || got < places[i] + WF_SEG_HEAD_LEN))
            wf_log_note_at(log, WF_LOG_NOTE_DAMAGED, s, places[i], WF_SEG_HEAD_LEN);
        if (!good)
            continue;
        s->head = head;
        s->readable = true;
    }
    size_t pad = WF_SEG_COPY_AT - WF_SEG_HEAD_LEN;
    if (!is_zero(start + WF_SEG_HEAD_LEN, pad))
        wf_log_note_at(log, WF_LOG_NOTE_DAMAGED, s, WF_SEG_HEAD_LEN, pad);
    return WEFT_OK;
}

static bool is_ours(const struct wf_log *log, const struct wf_segment *s)
{
    return wf_hash_eq(&s->head.store_id, &log->conf.store_id) &&
           strcmp(s->head.class_name, log->conf.class_name) == 0;
}

// Opens one segment file and reads its header. A read error makes an older segment unreadable, but fails for the last.
static enum weft_err open_segment(struct wf_log *log, uint64_t number, bool last, bool *ret_blank)
{
    const struct wf_vfs *vfs = log->vfs;
    struct wf_segment *s = calloc(1, sizeof *s);
    char path[WF_LOG_PATH];

    if (!s)
        return WEFT_E_NOMEM;
    s->head.number = number;
    s->file = -1;
    wf_log_path(log, number, ".seg", path);
    enum weft_err err = vfs->open(vfs->ctx, path, WF_VFS_READ, &s->file);
    if (!err)
        err = vfs->size(vfs->ctx, s->file, &s->end);
    if (!err)
        err = read_head(log, s, ret_blank);
    if (err == WEFT_E_IO && !last) {
        wf_log_note_at(log, WF_LOG_NOTE_DAMAGED, s, 0, s->end);
        err = WEFT_OK;
    }
    if (!err && s->readable && !is_ours(log, s))
        err = WEFT_E_STATE_DIR;
    if (!err && s->end > WF_SEG_MAX)
        s->readable = false;
    if (!err)
        err = wf_log_add_segment(log, s);
    if (err) {
        if (s->file >= 0)
            vfs->close(vfs->ctx, s->file);
        free(s);
    }
    return err;
}

// ---- the store's identity --------------------------------------------------------------------------------------------

static enum weft_err of_other_version(const struct wf_log *log, uint32_t found)
{
    char path[WF_LOG_PATH];

    snprintf(path, sizeof path, "%s/store.meta", log->dir);
    return wf_log_other_version(log->conf.diag, path, found, STORE_VERSION);
}

static enum weft_err check_store(struct wf_log *log, bool *ret_write)
{
    struct wf_buf b = { 0 };
    struct wf_bytes name = wf_bytes_str(log->conf.class_name);
    enum weft_err err = wf_meta_get(log->vfs, log->dir, "store", &b);

    *ret_write = err == WEFT_E_NOT_FOUND || err == WEFT_E_DAMAGED;
    if (*ret_write)
        err = WEFT_OK;
    else if (!err && (b.len < 4 + WF_HASH_LEN || wf_load_be32(b.ptr) != STORE_VERSION))
        err = of_other_version(log, b.len < 4 ? 0 : wf_load_be32(b.ptr));
    else if (!err &&
             (memcmp(b.ptr + 4, log->conf.store_id.b, WF_HASH_LEN) != 0 ||
                 !wf_bytes_eq(name, wf_bytes(b.ptr + 4 + WF_HASH_LEN, b.len - 4 - WF_HASH_LEN))))
        err = WEFT_E_STATE_DIR;
    wf_buf_fini(&b);
    return err;
}

static enum weft_err write_store(struct wf_log *log)
{
    struct wf_buf b = { 0 };
    uint8_t version[4];

    wf_store_be32(version, STORE_VERSION);
    enum weft_err err = wf_buf_append(&b, WF_BYTES(version));
    if (!err)
        err = wf_buf_append(&b, wf_hash_view(&log->conf.store_id));
    if (!err)
        err = wf_buf_append_str(&b, log->conf.class_name);
    if (!err)
        err = wf_meta_put(log->vfs, log->dir, "store", wf_buf_view(&b));
    if (!err && log->segment_count > 0)
        wf_log_note(log, &(struct wf_log_note){ .kind = WF_LOG_NOTE_STORE });
    wf_buf_fini(&b);
    return err;
}

// ---- all of it -------------------------------------------------------------------------------------------------------

static enum weft_err open_segments(struct wf_log *log, const struct names *names)
{
    size_t count = number_count(&names->segments);

    for (size_t i = 0; i < count; i++) {
        bool blank = false, last = i + 1 == count;
        enum weft_err err = open_segment(log, number_at(&names->segments, i), last, &blank);
        if (err)
            return err;
        if (!blank || !last || has_number(&names->sidecars, number_at(&names->segments, i)))
            continue;
        // Its creation was never finished, nor was it ever closed: nothing can have been acknowledged in it.
        struct wf_segment *s = log->segments[--log->segment_count];
        wf_log_note_at(log, WF_LOG_NOTE_TORN, s, 0, s->end);
        log->open_files--;
        log->vfs->close(log->vfs->ctx, s->file);
        free(s);
    }
    return WEFT_OK;
}

static void unlink_numbers(struct wf_log *log, const struct wf_buf *numbers, const char *suffix,
    const struct wf_buf *except)
{
    char path[WF_LOG_PATH];

    for (size_t i = 0; i < number_count(numbers); i++) {
        uint64_t n = number_at(numbers, i);
        if (has_number(except, n))
            continue;
        wf_log_path(log, n, suffix, path);
        (void)log->vfs->unlink(log->vfs->ctx, path);
    }
}

enum weft_err wf_log_recover(struct wf_log *log, int64_t now_ms)
{
    static const struct wf_buf none = { 0 };
    struct names names = { 0 };
    bool write = false;
    char path[WF_LOG_PATH];
    enum weft_err err = log->vfs->list(log->vfs->ctx, log->dir, collect, &names);

    if (err)
        goto out;
    sort(&names.segments);
    sort(&names.sidecars);
    err = check_store(log, &write);
    if (!err)
        err = open_segments(log, &names);
    if (!err && write)
        err = write_store(log);
    if (err)
        goto out;
    if (log->segment_count < number_count(&names.segments)) { // the unfinished one
        uint64_t blank = number_at(&names.segments, log->segment_count);
        wf_log_path(log, blank, ".seg", path);
        (void)log->vfs->unlink(log->vfs->ctx, path);
        names.segments.len -= sizeof blank;
    }
    // A process that ended may have left names that no sync has made durable; what they name is acknowledged from now on.
    err = log->vfs->sync_dir(log->vfs->ctx, log->dir);
    if (err)
        goto out;
    unlink_numbers(log, &names.temps, ".tmp", &none);
    unlink_numbers(log, &names.sidecars, ".idx", &names.segments);
    err = wf_log_load(log, now_ms);
out:
    wf_buf_fini(&names.segments);
    wf_buf_fini(&names.sidecars);
    wf_buf_fini(&names.temps);
    return err;
}

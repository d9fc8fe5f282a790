// SPDX-License-Identifier: Apache-2.0
#include "node/backup/archive.h"

#include <stdlib.h>

#include "sdk/disk.h"

// ---- writing ---------------------------------------------------------------------------------------------------------

struct wf_backup_writer {
    const struct wf_vfs *vfs;
    char *path, *part;
    int file;
    bool open, made;
    struct wf_secret key; // for reading it back
    struct wf_backup_seal seal;
    struct wf_hasher hash;
    struct wf_buf
        plain; // of the chunk in the making; in locked memory it would not be more secret than the files
    uint64_t at, left; // in the file; of the file being added
    struct wf_backup_totals totals;
    uint8_t chunk[WF_BACKUP_CHUNK_MAX];
};

static void writer_free(struct wf_backup_writer *w)
{
    if (w->open)
        w->vfs->close(w->vfs->ctx, w->file);
    wf_secret_fini(&w->key);
    wf_backup_seal_fini(&w->seal);
    wf_wipe(w->plain.ptr, w->plain.len);
    wf_buf_fini(&w->plain);
    free(w->path);
    free(w->part);
    free(w);
}

void wf_backup_abandon(struct wf_backup_writer *w)
{
    if (!w)
        return;
    if (w->made) {
        enum weft_err err = w->vfs->unlink(w->vfs->ctx, w->part);
        (void)err; // .part says what it is
    }
    writer_free(w);
}

static enum weft_err put(struct wf_backup_writer *w, struct wf_bytes b)
{
    const struct iovec part = { .iov_base = (void *)(uintptr_t)b.ptr, .iov_len = b.len };
    enum weft_err err = w->vfs->write(w->vfs->ctx, w->file, w->at, &part, 1);

    if (err)
        return err;
    wf_hasher_add(&w->hash, b);
    w->at += b.len;
    return WEFT_OK;
}

static enum weft_err flush(struct wf_backup_writer *w, bool last)
{
    size_t len = wf_backup_seal_chunk(&w->seal, wf_buf_view(&w->plain), last, w->chunk);

    w->plain.len = 0;
    return put(w, wf_bytes(w->chunk, len));
}

static enum weft_err add(struct wf_backup_writer *w, struct wf_bytes b)
{
    enum weft_err err = WEFT_OK;

    while (!err && b.len) {
        size_t room = WF_BACKUP_CHUNK - w->plain.len, len = b.len < room ? b.len : room;
        err = wf_buf_append(&w->plain, wf_bytes(b.ptr, len));
        b = wf_bytes(b.ptr + len, b.len - len);
        if (!err && w->plain.len == WF_BACKUP_CHUNK)
            err = flush(w, false);
    }
    return err;
}

static enum weft_err begin(
    struct wf_backup_writer *w, struct wf_bytes passphrase, const struct wf_backup_about *about)
{
    struct wf_backup_head h = { .created_ms = about->created_ms, .sealed = passphrase.len > 0 };
    uint8_t head[WF_BACKUP_HEAD_LEN];
    struct wf_buf record = { 0 };

    wf_random(h.salt, sizeof h.salt);
    wf_random(h.nonce, sizeof h.nonce);
    wf_backup_head_put(&h, head);
    enum weft_err err = wf_backup_key(&h, passphrase, &w->key);
    if (!err)
        err = wf_backup_seal_init(head, &w->key, &w->seal);
    if (!err)
        err = put(w, WF_BYTES(head));
    if (!err)
        err = wf_backup_put_about(about, &record);
    if (!err)
        err = add(w, wf_buf_view(&record));
    wf_buf_fini(&record);
    return err;
}

static enum weft_err refuse_taken(const struct wf_vfs *vfs, const char *path)
{
    int file = -1;
    enum weft_err err = vfs->open(vfs->ctx, path, WF_VFS_READ, &file);

    if (err)
        return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
    vfs->close(vfs->ctx, file);
    return WEFT_E_EXISTS;
}

enum weft_err wf_backup_create(const struct wf_vfs *vfs, const char *path,
    struct wf_bytes passphrase, const struct wf_backup_about *about, struct wf_backup_writer **ret)
{
    struct wf_buf part = { 0 };
    struct wf_backup_writer *w = calloc(1, sizeof *w);
    enum weft_err err = w ? wf_bytes_strdup(wf_bytes_str(path), &w->path) : WEFT_E_NOMEM;

    if (err) {
        free(w);
        return err;
    }
    w->vfs = vfs;
    wf_hasher_init(&w->hash, wf_bytes(NULL, 0), WF_HASH_LEN);
    err = wf_buf_printf(&part, "%s.part", path);
    w->part = (char *)part.ptr;
    if (!err)
        err = wf_buf_reserve(&w->plain, WF_BACKUP_CHUNK);
    if (!err)
        err = refuse_taken(vfs, path);
    if (!err)
        err = vfs->open(vfs->ctx, w->part, WF_VFS_REPLACE, &w->file);
    w->open = w->made = !err;
    if (!err)
        err = begin(w, passphrase, about);
    if (err) {
        wf_backup_abandon(w);
        return err;
    }
    *ret = w;
    return WEFT_OK;
}

enum weft_err wf_backup_add(struct wf_backup_writer *w, const struct wf_backup_file *f)
{
    struct wf_buf record = { 0 };

    if (w->left)
        return WEFT_E_STATE;
    if (f->size > WF_MAX_BACKUP_FILE || w->totals.files == WF_MAX_BACKUP_FILES)
        return WEFT_E_TOO_BIG;
    enum weft_err err = wf_backup_put_file(f, &record);
    if (!err)
        err = add(w, wf_buf_view(&record));
    wf_buf_fini(&record);
    w->left = f->size;
    w->totals.files++;
    w->totals.bytes += f->size;
    return err;
}

enum weft_err wf_backup_write(struct wf_backup_writer *w, struct wf_bytes piece)
{
    if (piece.len > w->left)
        return WEFT_E_STATE;
    w->left -= piece.len;
    return add(w, piece);
}

// ---- reading back ----------------------------------------------------------------------------------------------------

static enum weft_err skip_about(void *arg, const struct wf_backup_about *a)
{
    (void)arg;
    (void)a;
    return WEFT_OK;
}

static enum weft_err skip_begin(void *arg, const struct wf_backup_file *f)
{
    (void)arg;
    (void)f;
    return WEFT_OK;
}

static enum weft_err skip_bytes(void *arg, struct wf_bytes piece)
{
    (void)arg;
    (void)piece;
    return WEFT_OK;
}

static enum weft_err skip_end(void *arg)
{
    (void)arg;
    return WEFT_OK;
}

static enum weft_err read_back(struct wf_backup_writer *w)
{
    static const struct wf_backup_sink nothing = { NULL, skip_about, skip_begin, skip_bytes,
        skip_end };
    struct wf_backup_reader r = { .vfs = w->vfs, .path = w->part, .sink = &nothing, .key = w->key };
    enum weft_err err = wf_backup_read(&r);

    if (err)
        return err;
    return wf_hash_eq(&r.totals.hash, &w->totals.hash) ? WEFT_OK : WEFT_E_DAMAGED;
}

static enum weft_err sync_parent(const struct wf_vfs *vfs, const char *path)
{
    char *dir = NULL;
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 1;
    enum weft_err err = wf_bytes_strdup(wf_bytes(slash ? path : ".", len), &dir);

    if (!err)
        err = vfs->sync_dir(vfs->ctx, dir[0] ? dir : "/");
    free(dir);
    return err;
}

enum weft_err wf_backup_commit(struct wf_backup_writer *w, struct wf_backup_totals *ret)
{
    struct wf_buf record = { 0 };
    enum weft_err err =
        w->left ? WEFT_E_STATE : wf_backup_put_end(w->totals.files, w->totals.bytes, &record);

    if (!err)
        err = add(w, wf_buf_view(&record));
    wf_buf_fini(&record);
    if (!err)
        err = flush(w, true);
    if (!err)
        err = w->vfs->sync(w->vfs->ctx, w->file);
    w->totals.stored = w->at;
    wf_hasher_done(&w->hash, w->totals.hash.b, WF_HASH_LEN);
    if (!err)
        err = read_back(w);
    if (!err)
        err = w->vfs->rename(w->vfs->ctx, w->part, w->path);
    if (!err) {
        w->made = false;
        err = sync_parent(w->vfs, w->path);
        if (err) { // else the next attempt finds the name taken by a backup that nobody was told of
            enum weft_err left = w->vfs->unlink(w->vfs->ctx, w->path);
            (void)left; // it is whole, and may be gone after a power loss
        }
    }
    if (!err)
        *ret = w->totals;
    wf_backup_abandon(w);
    return err;
}

// ---- reading ---------------------------------------------------------------------------------------------------------

struct pass {
    struct wf_backup_reader *r;
    int file;
    uint64_t at;
    bool sealed;
    struct wf_backup_seal seal;
    struct wf_hasher hash;
    struct wf_backup_parser parser;
    uint8_t chunk[WF_BACKUP_CHUNK_MAX], plain[WF_BACKUP_CHUNK];
};

static enum weft_err take(struct pass *p, void *out, size_t len)
{
    const struct wf_vfs *vfs = p->r->vfs;
    size_t got = 0;
    enum weft_err err = vfs->read(vfs->ctx, p->file, p->at, out, len, &got);

    if (!err && got < len)
        err = WEFT_E_TRUNCATED;
    if (err)
        return err;
    wf_hasher_add(&p->hash, wf_bytes(out, len));
    p->at += len;
    return WEFT_OK;
}

static enum weft_err read_chunk(struct pass *p)
{
    size_t len = 0, plain = 0;
    enum weft_err err = take(p, p->chunk, WF_BACKUP_CHUNK_HEAD);

    if (!err)
        err = wf_backup_chunk_len(&p->seal, p->chunk, &len);
    if (!err)
        err = take(p, p->chunk + WF_BACKUP_CHUNK_HEAD, len - WF_BACKUP_CHUNK_HEAD);
    if (!err)
        err = wf_backup_open_chunk(&p->seal, wf_bytes(p->chunk, len), p->plain, &plain);
    if (err == WEFT_E_AEAD && p->seal.index == 0 && p->sealed)
        err = WEFT_E_PASSPHRASE;
    return err ? err : wf_backup_parse(&p->parser, wf_bytes(p->plain, plain));
}

static enum weft_err read_all(struct pass *p)
{
    uint8_t head[WF_BACKUP_HEAD_LEN], more;
    struct wf_backup_head h;
    size_t got = 0;
    enum weft_err err = take(p, head, sizeof head);

    if (!err)
        err = wf_backup_head_take(WF_BYTES(head), &h);
    if (err)
        return err;
    p->sealed = h.sealed;
    if (!p->r->key.ptr)
        err = wf_backup_key(&h, p->r->passphrase, &p->r->key);
    if (!err)
        err = wf_backup_seal_init(head, &p->r->key, &p->seal);
    while (!err && !p->seal.ended)
        err = read_chunk(p);
    if (!err)
        err = wf_backup_parse_end(&p->parser);
    if (!err)
        err = p->r->vfs->read(p->r->vfs->ctx, p->file, p->at, &more, 1, &got);
    return !err && got ? WEFT_E_TRAILING : err;
}

enum weft_err wf_backup_read(struct wf_backup_reader *r)
{
    struct pass *p = calloc(1, sizeof *p);

    if (!p)
        return WEFT_E_NOMEM;
    p->r = r;
    p->parser.sink = r->sink;
    wf_hasher_init(&p->hash, wf_bytes(NULL, 0), WF_HASH_LEN);
    enum weft_err err = r->vfs->open(r->vfs->ctx, r->path, WF_VFS_READ, &p->file);
    if (!err) {
        err = read_all(p);
        r->vfs->close(r->vfs->ctx, p->file);
    }
    r->totals = (struct wf_backup_totals){
        .files = p->parser.files, .bytes = p->parser.bytes, .stored = p->at
    };
    wf_hasher_done(&p->hash, r->totals.hash.b, WF_HASH_LEN);
    wf_backup_seal_fini(&p->seal);
    wf_backup_parser_fini(&p->parser);
    wf_wipe(p->plain, sizeof p->plain);
    free(p);
    return err;
}

enum weft_err wf_backup_peek(const struct wf_vfs *vfs, const char *path, struct wf_backup_head *ret)
{
    uint8_t head[WF_BACKUP_HEAD_LEN];
    size_t got = 0;
    int file = -1;
    enum weft_err err = vfs->open(vfs->ctx, path, WF_VFS_READ, &file);

    if (err)
        return err;
    err = vfs->read(vfs->ctx, file, 0, head, sizeof head, &got);
    vfs->close(vfs->ctx, file);
    if (!err)
        err = got < sizeof head ? WEFT_E_TRUNCATED : wf_backup_head_take(WF_BYTES(head), ret);
    return err;
}

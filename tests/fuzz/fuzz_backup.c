// SPDX-License-Identifier: Apache-2.0
// A backup as its reader meets it: the file as it is, or a stream behind a right header in right chunks, so that the records within are reached.
#include <stdlib.h>

#include "node/backup/archive.h"
#include "tests/support/memdisk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    uint64_t left;
    bool about, in_file;
};

static enum weft_err on_about(void *arg, const struct wf_backup_about *a)
{
    struct reading *r = arg;

    if (r->about || !wf_name_is_valid(wf_bytes_str(a->domain)))
        abort();
    r->about = true;
    return WEFT_OK;
}

static enum weft_err on_begin(void *arg, const struct wf_backup_file *f)
{
    struct reading *r = arg;

    if (!r->about || r->in_file || !wf_backup_path_is_valid(f->path) || strstr(f->path, ".."))
        abort();
    r->in_file = true;
    r->left = f->size;
    return WEFT_OK;
}

static enum weft_err on_bytes(void *arg, struct wf_bytes piece)
{
    struct reading *r = arg;

    if (!r->in_file || piece.len == 0 || piece.len > r->left)
        abort();
    r->left -= piece.len;
    return WEFT_OK;
}

static enum weft_err on_end(void *arg)
{
    struct reading *r = arg;

    if (!r->in_file || r->left)
        abort();
    r->in_file = false;
    return WEFT_OK;
}

static void must(enum weft_err err)
{
    if (err)
        abort();
}

static void wrap(struct wf_bytes plain, struct wf_buf *out)
{
    const struct wf_backup_head h = { .created_ms = 1 };
    uint8_t head[WF_BACKUP_HEAD_LEN], *chunk = malloc(WF_BACKUP_CHUNK_MAX);
    struct wf_secret key = { 0 };
    struct wf_backup_seal seal;
    size_t len = plain.len < WF_BACKUP_CHUNK ? plain.len : WF_BACKUP_CHUNK;

    if (!chunk)
        abort();
    wf_backup_head_put(&h, head);
    must(wf_backup_key(&h, wf_bytes(NULL, 0), &key));
    must(wf_backup_seal_init(head, &key, &seal));
    must(wf_buf_append(out, WF_BYTES(head)));
    len = wf_backup_seal_chunk(&seal, wf_bytes(plain.ptr, len), true, chunk);
    must(wf_buf_append(out, wf_bytes(chunk, len)));
    wf_backup_seal_fini(&seal);
    wf_secret_fini(&key);
    free(chunk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_memdisk *disk = wf_memdisk_new();
    struct wf_vfs vfs = wf_memdisk_vfs(disk);
    struct reading r = { 0 };
    const struct wf_backup_sink sink = { &r, on_about, on_begin, on_bytes, on_end };
    struct wf_backup_reader reader = { .vfs = &vfs, .path = "/b", .sink = &sink };
    struct wf_bytes in = wf_bytes(data, size);
    struct wf_buf file = { 0 };

    must(wf_crypto_init());
    if (size && data[0] == 0)
        wrap(wf_bytes(data + 1, size - 1), &file);
    else
        must(wf_buf_append(&file, in));
    wf_memdisk_put(disk, "/b", wf_buf_view(&file));
    if (wf_backup_read(&reader) == WEFT_OK && (!r.about || r.in_file))
        abort();
    wf_secret_fini(&reader.key);
    wf_buf_fini(&file);
    wf_memdisk_free(disk);
    return 0;
}

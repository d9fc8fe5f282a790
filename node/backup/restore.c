// SPDX-License-Identifier: Apache-2.0
// A backup into an empty directory. It is read twice: to see that all of it is whole and what it is, then to make the files. The key of the node
// comes last, so that a directory that is not whole starts nothing; after a failure nothing stays. What the first start has to know stands in meta "restored".
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "node/backup/backup.h"
#include "node/log/meta.h"
#include "node/restored.h"
#include "sdk/disk.h"

#define NODE_KEY "data/identity/node.key"

struct restoring {
    const struct wf_backup_to *to;
    struct wf_diag *diag;
    bool making; // the second time
    struct wf_diag failed;
    struct wf_backup_about about;
    char *path; // of the file being made
    int file;
    uint64_t at;
    bool is_key, has_key;
    struct wf_buf key;      // the node's, kept until the end
    struct wf_secret opens; // the backup
};

static const struct wf_vfs *const disk = &wf_vfs_posix;

// ---- the sink --------------------------------------------------------------------------------------------------------

static enum weft_err on_about(void *arg, const struct wf_backup_about *a)
{
    ((struct restoring *)arg)->about = *a;
    return WEFT_OK;
}

static enum weft_err on_begin(void *arg, const struct wf_backup_file *f)
{
    struct restoring *r = arg;

    r->is_key = strcmp(f->path, NODE_KEY) == 0;
    if (r->is_key && (r->key.len || f->size > WF_MAX_KEY_FILE))
        return WEFT_E_TOO_BIG;
    r->has_key = r->has_key || r->is_key;
    if (!r->making || r->is_key)
        return WEFT_OK;
    enum weft_err err = wf_disk_join(r->to->dir, f->path, &r->path);
    if (err)
        return err;
    char *slash = strrchr(r->path, '/');
    *slash = '\0';
    err = wf_disk_mkdir(r->path, r->diag);
    *slash = '/';
    if (!err) // CREATE: a path that comes twice is refused
        err = disk->open(disk->ctx, r->path, WF_VFS_CREATE, &r->file);
    r->at = 0;
    if (err) {
        free(r->path);
        r->path = NULL;
    }
    return err;
}

static enum weft_err on_bytes(void *arg, struct wf_bytes piece)
{
    struct restoring *r = arg;
    const struct iovec part = { .iov_base = (void *)(uintptr_t)piece.ptr, .iov_len = piece.len };

    if (!r->making)
        return WEFT_OK;
    if (r->is_key)
        return wf_buf_append(&r->key, piece);
    enum weft_err err = disk->write(disk->ctx, r->file, r->at, &part, 1);
    r->at += piece.len;
    return err;
}

static void close_file(struct restoring *r)
{
    if (!r->path)
        return;
    disk->close(disk->ctx, r->file);
    free(r->path);
    r->path = NULL;
}

static enum weft_err on_end(void *arg)
{
    struct restoring *r = arg;
    enum weft_err err = r->path ? disk->sync(disk->ctx, r->file) : WEFT_OK;

    close_file(r);
    return err;
}

static const char *text_of(const struct restoring *r, enum weft_err err)
{
    switch (err) {
    case WEFT_E_PASSPHRASE:
        return "wrong passphrase, or its beginning was changed";
    case WEFT_E_SYNTAX:
        return "not a backup of weft";
    case WEFT_E_VERSION:
        return "made by a newer weft";
    case WEFT_E_TRUNCATED:
        return "truncated: no whole backup of weft";
    case WEFT_E_AEAD:
        return r->to->passphrase.len ? "changed or damaged since it was made, or another passphrase"
                                     : "changed or damaged since it was made";
    default:
        return weft_err_text(err);
    }
}

static enum weft_err read_it(struct restoring *r, struct wf_backup_totals *ret)
{
    const struct wf_backup_sink sink = { r, on_about, on_begin, on_bytes, on_end };
    struct wf_backup_reader reader = { .vfs = disk,
        .path = r->to->file,
        .passphrase = r->to->passphrase,
        .sink = &sink,
        .key = r->opens };
    enum weft_err err = wf_backup_read(&reader);

    r->opens = reader.key;

    close_file(r);
    *ret = reader.totals;
    if (err && !r->making && !r->diag->text[0]) // the second time it is about the directory
        wf_diag_set(r->diag, 0, 0, "%s: %s", r->to->file, text_of(r, err));
    return err;
}

// ---- the directory ---------------------------------------------------------------------------------------------------

static enum weft_err refuse_used(const char *dir, struct wf_diag *diag)
{
    DIR *d = opendir(dir);
    const struct dirent *e = NULL;

    if (!d && errno == ENOENT)
        return WEFT_OK;
    do {
        errno = d ? 0 : errno;
        e = d ? readdir(d) : NULL;
    } while (e && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
    // One that could not be read is not empty: a failure later on would empty it.
    int failed = e ? 0 : errno;
    if (e || failed)
        wf_diag_set(diag, 0, 0, "%s: %s", dir,
            e ? "not empty; a backup is restored into an empty directory" : strerror(failed));
    enum weft_err err = e ? WEFT_E_EXISTS : failed ? WEFT_E_IO : WEFT_OK;
    if (d)
        closedir(d);
    return err;
}

static enum weft_err say_restored(struct restoring *r)
{
    struct wf_restored mark = { .backup_ms = r->about.created_ms, .waits = !r->to->alone };
    uint8_t bytes[WF_RESTORED_LEN];
    struct timespec now;
    char *dir = NULL;
    enum weft_err err = wf_disk_join(r->to->dir, "data/meta", &dir);

    clock_gettime(CLOCK_REALTIME, &now);
    mark.restored_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    wf_restored_put(&mark, bytes);
    if (!err)
        err = wf_disk_mkdir(dir, r->diag);
    if (!err)
        err = wf_meta_put(disk, dir, WF_RESTORED_META, WF_BYTES(bytes));
    free(dir);
    return err;
}

static int sync_below(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    return type == FTW_D && disk->sync_dir(disk->ctx, path) != WEFT_OK;
}

// The names of all that was made: a power loss may not take any of them and leave the key.
static enum weft_err sync_names(const struct restoring *r)
{
    char *parent = NULL;
    enum weft_err err = nftw(r->to->dir, sync_below, 16, FTW_PHYS) == 0 ? WEFT_OK : WEFT_E_IO;

    if (!err)
        err = wf_disk_join(r->to->dir, "..", &parent);
    if (!err)
        err = disk->sync_dir(disk->ctx, parent);
    free(parent);
    return err;
}

static enum weft_err finish(struct restoring *r)
{
    char *tickets = NULL, *key = NULL;
    enum weft_err err = wf_disk_join(r->to->dir, "data/tickets.db", &tickets);

    if (!err && access(tickets, F_OK) == 0)
        err = wf_backup_forget_tickets(tickets, r->diag);
    if (!err)
        err = say_restored(r);
    if (!err)
        err = sync_names(r);
    if (!err)
        err = wf_disk_join(r->to->dir, NODE_KEY, &key);
    if (!err)
        err = wf_disk_create(key, wf_buf_view(&r->key), r->diag);
    free(tickets);
    free(key);
    return err;
}

// ---- a failure on the way ----------------------------------------------------------------------------------------------

static int remove_below(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type;
    return at->level > 0 && remove(path) != 0 ? -1 : 0;
}

// The directory was empty, or not there: what lies in it now was begun here, and would stand in the next attempt's way.
static void take_back(const struct restoring *r, bool was_there, enum weft_err err)
{
    const char *dir = r->to->dir;
    bool gone =
        nftw(dir, remove_below, 16, FTW_DEPTH | FTW_PHYS) == 0 && (was_there || rmdir(dir) == 0);

    wf_diag_set(r->diag, 0, 0, "%s: could not be restored: %s; %s", dir,
        r->failed.text[0] ? r->failed.text : weft_err_text(err),
        gone ? "nothing of it was left there" : "what was begun there is to be removed");
}

static enum weft_err make(struct restoring *r, struct wf_backup_totals *ret)
{
    struct stat st;
    bool was_there = stat(r->to->dir, &st) == 0;
    struct wf_diag *told = r->diag;

    r->making = true;
    r->diag = &r->failed;
    enum weft_err err = wf_disk_mkdir(r->to->dir, r->diag);
    if (!err)
        err = read_it(r, ret);
    if (!err)
        err = finish(r);
    r->diag = told;
    if (err)
        take_back(r, was_there, err);
    return err;
}

enum weft_err wf_backup_restore(const struct wf_backup_to *to, struct wf_backup_about *ret_about,
    struct wf_backup_totals *ret, struct wf_diag *diag)
{
    struct restoring r = { .to = to, .diag = diag };
    struct wf_backup_totals totals;
    enum weft_err err = refuse_used(to->dir, diag);

    if (!err)
        err = read_it(&r, &totals);
    if (!err && !r.has_key) {
        wf_diag_set(diag, 0, 0, "%s: there is no node's key in it", to->file);
        err = WEFT_E_IDENTITY;
    }
    if (!err)
        err = make(&r, &totals);
    wf_wipe(r.key.ptr, r.key.len);
    wf_buf_fini(&r.key);
    wf_secret_fini(&r.opens);
    if (err)
        return err;
    *ret_about = r.about;
    *ret = totals;
    return WEFT_OK;
}

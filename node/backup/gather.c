// SPDX-License-Identifier: Apache-2.0
// A node's files into a backup. Everything below data: but what can be made again (logs unless asked for, folds, a spool, locks,
// half-written files); then weftd.yaml and the products' sources. Order makes it consistent: a checkpoint never speaks of more than the log behind it, and a
// manifest's documents lie there before it does.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "node/backup/backup.h"
#include "node/conf.h"
#include "sdk/disk.h"
#include "sdk/identity.h"

#define PIECE     (256u * WF_KIB)
#define DEPTH_MAX 6u

enum turn { CHECKPOINTS, LOGS, REST, SOURCES, TURNS };

struct gathering {
    const struct wf_backup_from *from;
    struct wf_conf *conf; // NULL: broken or not here; the data is what counts
    char *data, *yaml;
    struct wf_backup_writer *w;
    enum turn turn;
    struct timespec began;
    uint64_t bytes;
    long told_s;
    uint8_t *piece;
    struct wf_diag *diag;
};

// ---- which files -----------------------------------------------------------------------------------------------------

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
    size_t len = strlen(text), n = strlen(with);

    return len >= n && strcmp(text + len - n, with) == 0;
}

static bool is_passing(const char *path)
{
    static const char *const ends_with[] = { "/lock", ".tmp", ".new", ".part", "-wal", "-shm",
        "-journal" };

    for (size_t i = 0; i < WF_COUNT(ends_with); i++)
        if (ends(path, ends_with[i]))
            return true;
    return false;
}

// Of paths below data/. A directory stands for what is in it.
static bool is_wanted(const struct gathering *g, const char *path, bool is_dir)
{
    bool log = begins(path, "data/log/") || strcmp(path, "data/log") == 0;
    bool meta = strcmp(path, "data/meta") == 0, checkpoint = begins(path, "data/meta/p-");

    if (is_passing(path) || begins(path, "data/inventory") || begins(path, "data/spool"))
        return false;
    switch (g->turn) {
    case CHECKPOINTS:
        return (is_dir && meta) || checkpoint;
    case LOGS:
        return log && g->from->logs;
    case REST:
        return !log && !checkpoint;
    default:
        return true;
    }
}

// ---- one file --------------------------------------------------------------------------------------------------------

static enum weft_err refuse(struct gathering *g, const char *path, enum weft_err err)
{
    wf_diag_set(g->diag, 0, 0, "%s: %s", path,
        err == WEFT_E_NOT_FOUND && path == g->from->file ? "its directory does not exist"
                                                         : weft_err_text(err));
    return err;
}

static void tell(struct gathering *g)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - g->began.tv_sec <= g->told_s)
        return;
    g->told_s = now.tv_sec - g->began.tv_sec;
    fprintf(stderr, "weft: %.1f MiB in %ld s\n", (double)g->bytes / WF_MIB, g->told_s);
}

static enum weft_err add_bytes(struct gathering *g, const char *as, struct wf_bytes content)
{
    struct wf_backup_file f = { .size = content.len };

    snprintf(f.path, sizeof f.path, "%s", as);
    enum weft_err err = wf_backup_add(g->w, &f);
    return err ? err : wf_backup_write(g->w, content);
}

// As long as the file was when it was opened: what is appended meanwhile is of the next backup.
static enum weft_err copy(struct gathering *g, int fd, const char *path, const char *as)
{
    struct wf_backup_file f = { 0 };
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return refuse(g, path, WEFT_E_IO);
    snprintf(f.path, sizeof f.path, "%s", as);
    f.size = (uint64_t)st.st_size;
    enum weft_err err = wf_backup_add(g->w, &f);
    for (uint64_t at = 0; !err && at < f.size;) {
        size_t want = f.size - at < PIECE ? (size_t)(f.size - at) : PIECE;
        ssize_t n = pread(fd, g->piece, want, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        err = n > 0 ? wf_backup_write(g->w, wf_bytes(g->piece, (size_t)n)) : WEFT_E_IO;
        at += n > 0 ? (uint64_t)n : 0;
        g->bytes += n > 0 ? (uint64_t)n : 0;
        tell(g);
    }
    return err ? refuse(g, path, err) : WEFT_OK;
}

static enum weft_err add_database(struct gathering *g, const char *path, const char *as)
{
    struct wf_buf db = { 0 };
    enum weft_err err = wf_backup_database(path, &db, g->diag);

    if (!err) {
        err = add_bytes(g, as, wf_buf_view(&db));
        if (err)
            err = refuse(g, path, err);
    }
    wf_wipe(db.ptr, db.len);
    wf_buf_fini(&db);
    return err;
}

static enum weft_err add_file(struct gathering *g, const char *path, const char *as)
{
    if (!wf_backup_path_is_valid(as))
        return refuse(g, path, WEFT_E_NAME);
    if (ends(as, ".db"))
        return add_database(g, path, as);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return WEFT_OK; // retention was faster
    if (fd < 0)
        return refuse(g, path, errno == EACCES ? WEFT_E_PERMISSION : WEFT_E_IO);
    enum weft_err err = copy(g, fd, path, as);
    close(fd);
    return err;
}

// ---- directories -----------------------------------------------------------------------------------------------------

static enum weft_err walk(struct gathering *g, const char *dir, const char *as, unsigned depth);

static enum weft_err visit(
    struct gathering *g, const char *dir, const char *as, const char *name, unsigned depth)
{
    char *path = NULL, *inside = NULL;
    struct stat st;
    enum weft_err err = wf_disk_join(dir, name, &path);

    if (!err)
        err = wf_disk_join(as, name, &inside);
    if (err)
        goto out;
    if (lstat(path, &st) != 0) { // gone meanwhile?
        err = errno == ENOENT ? WEFT_OK : refuse(g, path, WEFT_E_IO);
        goto out;
    }
    if (S_ISDIR(st.st_mode) && is_wanted(g, inside, true))
        err = walk(g, path, inside, depth + 1);
    else if (S_ISREG(st.st_mode) && is_wanted(g, inside, false))
        err = add_file(g, path, inside);
out:
    free(path);
    free(inside);
    return err;
}

// *ret NULL: of a directory that is not there, which has nothing.
static enum weft_err open_dir(struct gathering *g, const char *dir, DIR **ret)
{
    *ret = opendir(dir);
    return *ret || errno == ENOENT ? WEFT_OK : refuse(g, dir, WEFT_E_IO);
}

static enum weft_err next_of(struct gathering *g, DIR *d, const char *dir, const char **ret)
{
    enum weft_err err = wf_disk_next(d, ret);

    return err ? refuse(g, dir, err) : WEFT_OK;
}

static enum weft_err walk(struct gathering *g, const char *dir, const char *as, unsigned depth)
{
    const char *name = NULL;
    DIR *d = NULL;
    enum weft_err err = depth < DEPTH_MAX ? open_dir(g, dir, &d) : refuse(g, dir, WEFT_E_TOO_BIG);

    if (err || !d)
        return err;
    err = next_of(g, d, dir, &name);
    while (!err && name) {
        err = visit(g, dir, as, name, depth);
        if (!err)
            err = next_of(g, d, dir, &name);
    }
    closedir(d);
    return err;
}

// Of products.d as people keep it: only files, and only what a backup can name.
static enum weft_err add_source(struct gathering *g, const char *name)
{
    char as[WF_MAX_BACKUP_PATH + 1], *path = NULL;
    struct stat st;
    int n = snprintf(as, sizeof as, "products.d/%s", name);

    if (n >= (int)sizeof as || !wf_backup_path_is_valid(as))
        return WEFT_OK;
    enum weft_err err = wf_disk_join(g->conf->products, name, &path);
    if (!err && lstat(path, &st) != 0)
        err = errno == ENOENT ? WEFT_OK : refuse(g, path, WEFT_E_IO); // gone meanwhile?
    else if (!err && S_ISREG(st.st_mode))
        err = add_file(g, path, as);
    free(path);
    return err;
}

static enum weft_err add_sources(struct gathering *g)
{
    const char *dir = g->conf->products;
    const char *name = NULL;
    DIR *d = NULL;
    enum weft_err err = open_dir(g, dir, &d);

    if (err || !d)
        return err;
    err = next_of(g, d, dir, &name);
    while (!err && name) {
        err = add_source(g, name);
        if (!err)
            err = next_of(g, d, dir, &name);
    }
    closedir(d);
    return err;
}

static enum weft_err add_all(struct gathering *g)
{
    enum weft_err err = WEFT_OK;

    for (g->turn = CHECKPOINTS; g->turn < SOURCES && !err; g->turn++)
        err = walk(g, g->data, "data", 0);
    if (!err)
        err = add_file(g, g->yaml, "weftd.yaml");
    return err || !g->conf ? err : add_sources(g);
}

// ---- whose -----------------------------------------------------------------------------------------------------------

static enum weft_err find_data(struct gathering *g)
{
    struct wf_diags diags;
    enum weft_err err = wf_disk_join(g->from->dir, "weftd.yaml", &g->yaml);

    if (err)
        return err;
    wf_diags_init(&diags, g->yaml);
    err = wf_conf_load(g->yaml, &diags, &g->conf);
    wf_diags_fini(&diags);
    if (err == WEFT_E_NOMEM || err == WEFT_E_IO) // it may well be here, and say where the data is
        return refuse(g, g->yaml, err);
    if (!err)
        return wf_bytes_strdup(wf_bytes_str(g->conf->data), &g->data);
    err = wf_disk_join(g->from->dir, "data", &g->data);
    if (!err && access(g->data, F_OK) != 0) {
        free(g->data);
        g->data = NULL;
        err = wf_bytes_strdup(wf_bytes_str(g->from->dir), &g->data);
    }
    return err;
}

static enum weft_err about(struct gathering *g, struct wf_backup_about *ret)
{
    struct wf_identity_dir *id = NULL;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    *ret =
        (struct wf_backup_about){ .created_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
            .logs = g->from->logs };
    enum weft_err err = wf_identity_load(g->data, ret->created_ms, &id, g->diag);
    if (err)
        return err;
    const struct wf_cert *c = &id->identity.cert;
    if (!id->has_chain || c->kind != WF_ID_NODE) {
        wf_diag_set(g->diag, 0, 0, "%s: %s", g->data,
            c->kind == WF_ID_AGENT ? "an agent is not backed up: a new machine joins in its place"
                                   : "this is no member node of a mesh yet");
        err = c->kind == WF_ID_AGENT ? WEFT_E_KIND : WEFT_E_IDENTITY;
    }
    ret->key = id->keys.sign_pub;
    memcpy(ret->domain, c->domain.s, sizeof ret->domain);
    memcpy(ret->node, c->subject.s, sizeof ret->node);
    snprintf(ret->version, sizeof ret->version, "%s", WEFT_VERSION);
    wf_identity_free(id);
    return err;
}

enum weft_err wf_backup_take(const struct wf_backup_from *from, struct wf_backup_about *ret_about,
    struct wf_backup_totals *ret, struct wf_diag *diag)
{
    struct gathering g = { .from = from, .diag = diag, .piece = malloc(PIECE) };
    struct wf_backup_about a = { 0 };
    enum weft_err err = g.piece ? find_data(&g) : WEFT_E_NOMEM;

    clock_gettime(CLOCK_MONOTONIC, &g.began);
    if (!err)
        err = about(&g, &a);
    if (!err) {
        err = wf_backup_create(&wf_vfs_posix, from->file, from->passphrase, &a, &g.w);
        if (err)
            err = refuse(&g, from->file, err);
    }
    if (!err)
        err = add_all(&g);
    if (!err) {
        err = wf_backup_commit(g.w, ret);
        g.w = NULL;
        if (err)
            err = refuse(&g, from->file, err);
    }
    wf_backup_abandon(g.w);
    if (!err)
        *ret_about = a;
    wf_conf_free(g.conf);
    if (g.piece)
        wf_wipe(g.piece, PIECE);
    free(g.piece);
    free(g.data);
    free(g.yaml);
    return err;
}

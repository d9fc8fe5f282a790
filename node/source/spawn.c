// SPDX-License-Identifier: Apache-2.0
// What a program is started with: arguments, environment, user; and what its end says.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/source/run.h"
#include "node/source/spawner.h"
#include "sdk/disk.h"

enum weft_err wf_source_pack(const char *const *list, size_t count, struct wf_buf *out)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < count && !err; i++)
        err = wf_buf_append(out, wf_bytes(list[i], strlen(list[i]) + 1));
    return err;
}

static bool is_other_user(const struct wf_node *n)
{
    return n->conf->sources.user && getuid() == 0;
}

// Looked up when the configuration was read: the user database may be far away, and the loop waits for nobody.
static void user_of(struct wf_node *n, struct wf_spawn_head *head)
{
    bool other = is_other_user(n);

    head->uid = other ? n->conf->sources.uid : 0;
    head->gid = other ? n->conf->sources.gid : 0;
}

// ---- their state -----------------------------------------------------------------------------------------------------

static bool may_pass(const struct stat *st, uint32_t uid, uint32_t gid)
{
    return st->st_mode & (st->st_uid == uid ? S_IXUSR : st->st_gid == gid ? S_IXGRP : S_IXOTH);
}

// The first directory on the way to `path` that the user can't pass.
static enum weft_err check_way(const struct wf_node *n, const char *path, struct wf_diag *diag)
{
    char real[PATH_MAX];
    struct stat st;

    if (!realpath(path, real)) {
        wf_diag_set(diag, 0, 0, "%s: %s", path, strerror(errno));
        return WEFT_E_IO;
    }
    for (char *slash = strchr(real + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool passes =
            stat(real, &st) == 0 && may_pass(&st, n->conf->sources.uid, n->conf->sources.gid);
        if (!passes) {
            wf_diag_set(diag, 0, 0,
                "sources.user: %s can't reach its state in %s: %s is closed to it; chmod o+x that "
                "directory or move data:",
                n->conf->sources.user, path, real);
            return WEFT_E_PERMISSION;
        }
        *slash = '/';
    }
    return WEFT_OK;
}

// Ours to pass is not theirs: data/ is opened for passing alone, since what lies in it is closed by itself.
static enum weft_err give_away(struct wf_node *n, const char *dir, struct wf_diag *diag)
{
    if (chown(dir, n->conf->sources.uid, n->conf->sources.gid) != 0 ||
        chmod(n->source->data, 0711) != 0) {
        wf_diag_set(diag, 0, 0, "%s: can't be given to %s: %s", dir, n->conf->sources.user,
            strerror(errno));
        return WEFT_E_PERMISSION;
    }
    return check_way(n, dir, diag);
}

enum weft_err wf_source_state_open(struct wf_node *n, struct wf_diag *diag)
{
    char *dir = NULL;
    enum weft_err err = wf_disk_join(n->source->data, "state", &dir);

    if (!err)
        err = wf_disk_mkdir(dir, diag);
    if (!err && is_other_user(n))
        err = give_away(n, dir, diag);
    free(dir);
    return err;
}

// ---- starting --------------------------------------------------------------------------------------------------------

enum weft_err wf_source_spawn(struct wf_node *n, struct wf_bytes args, size_t arg_count,
    const char *product, const char *const *more_env, const int fds[3], uint32_t *ret_id)
{
    struct wf_source_room *r = n->source;
    struct wf_spawn_head head = {
        .kind = WF_SPAWN_START, .id = ++r->last_id, .value = (int32_t)arg_count
    };
    struct wf_buf strings = { 0 };
    char own_product[160], state[WF_MAX_PATH + 16], path[512], home[WF_MAX_PATH + 16];
    const char *base[] = { "LC_ALL=C", path, home, own_product, state };

    snprintf(
        own_product, sizeof own_product, "WEFT_PRODUCT=%s/%s", n->identity.cert.domain.s, product);
    snprintf(state, sizeof state, "WEFT_STATE=%s/state", r->data);
    snprintf(home, sizeof home, "HOME=%s/state", r->data);
    snprintf(path, sizeof path, "PATH=%s",
        getenv("PATH") ? getenv("PATH") : "/usr/local/bin:/usr/bin:/bin");
    enum weft_err err = wf_buf_append(&strings, args);
    if (!err)
        err = wf_source_pack(base, WF_COUNT(base), &strings);
    head.env_count = WF_COUNT(base);
    for (size_t i = 0; more_env && more_env[i] && !err; i++, head.env_count++)
        err = wf_source_pack(&more_env[i], 1, &strings);
    user_of(n, &head);
    if (!err)
        err = wf_spawner_start(r->fd, &head, wf_buf_view(&strings), fds);
    wf_buf_fini(&strings);
    if (!err)
        *ret_id = head.id;
    return err;
}

enum weft_err wf_run_error(int status, const char *error_text, char *out, size_t len)
{
    if (error_text[0])
        snprintf(out, len, "%.300s", error_text);
    else if (status > 128)
        snprintf(out, len, "the provider was ended by signal %d", status - 128);
    else
        snprintf(out, len, "the provider ended with status %d and gave no reason", status);
    return status == 65 ? WEFT_E_SYNTAX : status == 75 ? WEFT_E_TIMEOUT : WEFT_E_PROVIDER;
}

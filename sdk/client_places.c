// SPDX-License-Identifier: Apache-2.0
// Where a client finds its identity and the local node's socket: options, environment, the usual places, in this order.
#include <stdlib.h>
#include <sys/stat.h>

#include "sdk/client_int.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

#define SYSTEM_SOCKET "/run/weft/weftd.sock"

// NOT_FOUND where it holds none.
static enum weft_err holds_identity(const char *dir)
{
    char *path = NULL;
    struct stat st;
    enum weft_err err = wf_disk_join(dir, "identity/node.key", &path);

    if (!err && stat(path, &st) != 0)
        err = WEFT_E_NOT_FOUND;
    free(path);
    return err;
}

static bool is_socket(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

// dir, or dir/data when dir is a node's.
static enum weft_err find_identity(const char *dir, char **ret)
{
    char *data = NULL;
    enum weft_err err = holds_identity(dir);

    if (!err)
        return wf_bytes_strdup(wf_bytes_str(dir), ret);
    if (err == WEFT_E_NOT_FOUND)
        err = wf_disk_join(dir, "data", &data);
    if (!err)
        err = holds_identity(data);
    if (!err) {
        *ret = data;
        return WEFT_OK;
    }
    free(data);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

// A path in the file DIR/socket, one line.
static enum weft_err named_socket(const char *dir, char **ret)
{
    struct wf_buf text = { 0 };
    char *path = NULL;
    enum weft_err err = wf_disk_join(dir, "socket", &path);

    if (!err && !is_socket(path) &&
        wf_file_read(path, WF_MAX_PATH, WF_FILE_OWNED, &text, NULL) == WEFT_OK) {
        while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == ' '))
            text.len--;
        if (text.len)
            err = wf_bytes_strdup(wf_buf_view(&text), ret);
    }
    wf_buf_fini(&text);
    free(path);
    return err;
}

static enum weft_err existing_socket(const char *dir, const char *name, char **ret)
{
    char *path = NULL;
    enum weft_err err = wf_disk_join(dir, name, &path);

    if (!err && is_socket(path)) {
        *ret = path;
        return WEFT_OK;
    }
    free(path);
    return err;
}

static enum weft_err parent_of(const char *dir, char **ret)
{
    return wf_disk_join(dir, "..", ret);
}

static enum weft_err search_socket(const char *dir, const char *identity, char **ret)
{
    char *parent = NULL;
    enum weft_err err = parent_of(identity ? identity : dir, &parent);

    if (!err)
        err = named_socket(dir, ret);
    if (!err && !*ret)
        err = named_socket(parent, ret);
    if (!err && !*ret)
        err = existing_socket(dir, "run/weftd.sock", ret);
    if (!err && !*ret)
        err = existing_socket(parent, "run/weftd.sock", ret);
    if (!err && !*ret && is_socket(SYSTEM_SOCKET))
        err = wf_bytes_strdup(WF_STR(SYSTEM_SOCKET), ret);
    free(parent);
    return err;
}

static enum weft_err place_socket(
    const struct weft_options *o, const char *dir, const char *identity, char **ret)
{
    const char *named = o && o->socket ? o->socket : getenv("WEFT_SOCKET");

    if (named && named[0])
        return wf_bytes_strdup(wf_bytes_str(named), ret);
    return dir ? search_socket(dir, identity, ret) : WEFT_OK;
}

enum weft_err wf_client_places(const struct weft_options *o, struct wf_client_places *ret)
{
    struct wf_client_places p = { 0 };
    unsigned flags = o ? o->flags : 0;
    enum weft_err err = o && o->dir ? wf_bytes_strdup(wf_bytes_str(o->dir), &p.tried)
                                    : wf_identity_default_dir(&p.tried);

    if (err == WEFT_E_IDENTITY)
        err = WEFT_OK; // no home directory: there may be a socket
    if (!err && p.tried)
        err = find_identity(p.tried, &p.identity);
    if (!err && !(flags & WEFT_REMOTE_ONLY))
        err = place_socket(o, p.tried, p.identity, &p.socket);
    if (flags & WEFT_LOCAL_ONLY) {
        free(p.identity);
        p.identity = NULL;
    }
    if (err) {
        wf_client_places_fini(&p);
        return err;
    }
    *ret = p;
    return WEFT_OK;
}

void wf_client_places_fini(struct wf_client_places *p)
{
    free(p->identity);
    free(p->socket);
    free(p->tried);
    *p = (struct wf_client_places){ 0 };
}

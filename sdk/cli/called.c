// SPDX-License-Identifier: Apache-2.0
#include "sdk/cli/called.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sdk/conf/file.h"
#include "sdk/disk.h"

#define CALLED_MAX  (64u * WF_KIB) // then the older half is dropped
#define CALLED_LINE 512

static enum weft_err called_path(bool make, char **ret)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    struct wf_diag diag = { 0 };
    char *dir = NULL;
    enum weft_err err = WEFT_E_NOT_FOUND;

    if (state && state[0] == '/')
        err = wf_disk_join(state, "weft", &dir);
    else if (home && home[0] == '/')
        err = wf_disk_join(home, ".local/state/weft", &dir);
    if (!err && make)
        err = wf_disk_mkdir(dir, &diag);
    if (!err)
        err = wf_disk_join(dir, "calls", ret);
    free(dir);
    return err;
}

// Two commands that shorten at one time may lose each other's line: the key that was printed still serves with its target.
static void shorten(const char *path)
{
    struct wf_buf all = { 0 };
    struct wf_diag diag = { 0 };

    if (wf_file_read(path, (size_t)CALLED_MAX + CALLED_LINE, WF_FILE_OWNED, &all, &diag) ==
            WEFT_OK &&
        all.len > CALLED_MAX) {
        const uint8_t *half = memchr(all.ptr + all.len / 2, '\n', all.len - all.len / 2);
        size_t from = half ? (size_t)(half - all.ptr) + 1 : all.len;
        if (wf_disk_replace(path, wf_bytes(all.ptr + from, all.len - from), &diag))
            unlink(path);
    }
    wf_buf_fini(&all);
}

void wf_called_note(const char *key_hex, const char *target)
{
    char *path = NULL, line[CALLED_LINE];
    int len = snprintf(line, sizeof line, "%s %s\n", key_hex, target);

    if (len < 0 || (size_t)len >= sizeof line || called_path(true, &path))
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        bool written = write(fd, line, (size_t)len) == len;
        off_t size = lseek(fd, 0, SEEK_END);
        close(fd);
        if (!written || size > (off_t)CALLED_MAX)
            shorten(path);
    }
    free(path);
}

enum weft_err wf_called_find(const char *key_hex, char **ret_target)
{
    struct wf_buf all = { 0 };
    struct wf_diag diag = { 0 };
    size_t key_len = strlen(key_hex);
    char *path = NULL, *found = NULL;
    enum weft_err err = called_path(false, &path);

    if (!err && wf_file_read(path, (size_t)CALLED_MAX + CALLED_LINE, WF_FILE_OWNED, &all, &diag))
        err = WEFT_E_NOT_FOUND;
    for (size_t at = 0; !err && at < all.len;) {
        const char *line = (const char *)all.ptr + at;
        const char *end = memchr(line, '\n', all.len - at);
        size_t len = end ? (size_t)(end - line) : all.len - at;
        if (len > key_len + 1 && memcmp(line, key_hex, key_len) == 0 && line[key_len] == ' ') {
            free(found);
            found = strndup(line + key_len + 1, len - key_len - 1);
            if (!found)
                err = WEFT_E_NOMEM;
        }
        at += len + 1;
    }
    if (!err && !found)
        err = WEFT_E_NOT_FOUND;
    if (!err)
        *ret_target = found;
    else
        free(found);
    wf_buf_fini(&all);
    free(path);
    return err;
}

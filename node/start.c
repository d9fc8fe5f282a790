// SPDX-License-Identifier: Apache-2.0
#include "node/start.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/say.h"
#include "proto/base/limits.h"
#include "sdk/disk.h"

// fcntl(2)'s lock and not flock(2)'s: it ends with this process even where a child lives on for a moment.
static enum weft_err lock(int fd, const char *data, struct wf_diag *diag)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_SETLK, &whole) == 0)
        return WEFT_OK;
    if (errno != EACCES && errno != EAGAIN) {
        wf_diag_set(diag, 0, 0, "%s: %s", data, strerror(errno));
        return WEFT_E_IO;
    }
    long pid = fcntl(fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK ? (long)whole.l_pid : 0;
    wf_diag_set(diag, 0, 0, "%s: another weftd (process %ld) works on this directory", data, pid);
    return WEFT_E_IN_USE;
}

enum weft_err wf_start_lock(const char *data, struct wf_diag *diag)
{
    char *path = NULL;
    enum weft_err err = wf_disk_join(data, "lock", &path);

    if (err)
        return err;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno != ENOENT) {
        wf_diag_set(diag, 0, 0, "%s: %s", path, strerror(errno));
        err = errno == EACCES || errno == EPERM    ? WEFT_E_PERMISSION
              : errno == EROFS                     ? WEFT_E_READ_ONLY
              : errno == EMFILE                    ? WEFT_E_NO_FILES
              : errno == ENOSPC || errno == EDQUOT ? WEFT_E_NOSPACE
                                                   : WEFT_E_IO;
    } else if (fd >= 0) {
        err = lock(fd, data, diag);
        if (err)
            close(fd); // else it stays open: closing it would end the lock
    }
    free(path);
    return err;
}

static const char *advice(enum weft_err err)
{
    switch (err) {
    case WEFT_E_IN_USE:
        return "stop what uses it, or name another one in weftd.yaml";
    case WEFT_E_STATE_DIR:
        return "give each weftd a data: of its own, and never copy one to another host";
    case WEFT_E_EXPIRED:
        return "it can be renewed for 30 days: remove this file and join again with a new ticket";
    case WEFT_E_NOSPACE:
        return "make room on that disk and start again; what was acknowledged is kept";
    case WEFT_E_READ_ONLY:
        return "look for that disk's errors (dmesg), make it writable (mount -o remount,rw) and "
               "start again";
    case WEFT_E_NO_FILES:
        return "raise its limit of file descriptors (LimitNOFILE=, ulimit -n) and start again";
    case WEFT_E_DAMAGED:
        return "look for that disk's errors (dmesg), then put the node back from its backup (weft "
               "node restore)";
    case WEFT_E_PERMISSION:
        return "weftd needs its own user's access to data:, socket: and products:";
    default:
        return NULL;
    }
}

void wf_start_keep_heap(void)
{
    // Refused, they stay what they are.
    (void)mallopt(M_MMAP_THRESHOLD, (int)(8u * WF_MIB));
    (void)mallopt(M_TRIM_THRESHOLD, (int)(32u * WF_MIB));
    (void)mallopt(M_TOP_PAD, (int)WF_MIB);
}

void wf_start_small_heap(void)
{
    // Said at all, they stay; else glibc raises both with the largest block that was ever given back.
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, (int)(64u * WF_KIB));
    (void)mallopt(M_TRIM_THRESHOLD, (int)(64u * WF_KIB));
    (void)mallopt(M_TOP_PAD, (int)(16u * WF_KIB));
}

void wf_start_explain(enum weft_err err, const char *room, const struct wf_diag *diag)
{
    const char *why = weft_err_text(err), *todo = advice(err), *text = diag->text;
    bool said = strstr(text, why) != NULL;

    if (wf_say_is_json()) {
        char what[sizeof diag->text + 200];
        snprintf(what, sizeof what, "%s%s%s", text, text[0] && !said ? ": " : "", said ? "" : why);
        wf_say_line(
            WF_LOG_ERROR, room ? room : "start", what, todo ? "todo" : NULL, todo, (char *)NULL);
        return;
    }
    fprintf(stderr, "weftd: %s%s%s%s%s\n", room ? room : "", room ? ": " : "", text,
        text[0] && !said ? ": " : "", said ? "" : why);
    if (todo)
        fprintf(stderr, "  %s\n", todo);
}

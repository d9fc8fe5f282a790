// SPDX-License-Identifier: Apache-2.0
#include "sdk/conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMED_MAX 180u // bytes of a path in a message

static enum weft_err system_error(const char *what, struct wf_diag *diag)
{
    int cause = errno;
    char text[128];

    wf_diag_set(diag, 0, 0, "%s: %s", what, strerror_r(cause, text, sizeof text));
    switch (cause) {
    case ENOENT:
    case ENOTDIR:
        return WEFT_E_NOT_FOUND;
    case EACCES:
    case EPERM:
        return WEFT_E_PERMISSION;
    case ENOMEM:
        return WEFT_E_NOMEM;
    default:
        return WEFT_E_IO;
    }
}

static enum weft_err check_owner(
    const struct stat *st, enum wf_file_trust trust, struct wf_diag *diag)
{
    unsigned mode = st->st_mode & 0777u;

    if (trust == WF_FILE_ANY)
        return WEFT_OK;
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        wf_diag_set(diag, 0, 0, "belongs to uid %u; it must belong to uid %u or root",
            (unsigned)st->st_uid, (unsigned)geteuid());
        return WEFT_E_PERMISSION;
    }
    if (mode & 022u) {
        wf_diag_set(diag, 0, 0, "mode %04o lets others write; run: chmod go-w", mode);
        return WEFT_E_PERMISSION;
    }
    if (trust == WF_FILE_SECRET && (mode & 077u)) {
        wf_diag_set(diag, 0, 0, "mode %04o lets others read a secret; run: chmod go=", mode);
        return WEFT_E_PERMISSION;
    }
    return WEFT_OK;
}

static enum weft_err read_all(int fd, size_t max, struct wf_buf *out, struct wf_diag *diag)
{
    for (;;) {
        // One byte more than permitted shows that there is more, whatever fstat said.
        size_t room = max + 1 - out->len;
        if (room > 65536)
            room = 65536;
        enum weft_err err = wf_buf_reserve(out, room);
        if (err)
            return err;
        ssize_t n = read(fd, out->ptr + out->len, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return system_error("cannot read", diag);
        if (n == 0)
            return WEFT_OK;
        out->len += (size_t)n;
        if (out->len > max) {
            wf_diag_set(diag, 0, 0, "larger than %zu bytes", max);
            return WEFT_E_TOO_BIG;
        }
    }
}

enum weft_err wf_file_read_unnamed(const char *path, size_t max, enum wf_file_trust trust,
    struct wf_buf *ret, struct wf_diag *diag)
{
    struct wf_buf out = { 0 };
    struct stat st;

    // Non-blocking, so that a FIFO in the place of the file can't hold us.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return system_error("cannot open", diag);
    enum weft_err err = WEFT_E_IO;
    if (fstat(fd, &st) < 0) {
        err = system_error("cannot read", diag);
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        wf_diag_set(diag, 0, 0, "not a regular file");
        err = WEFT_E_TYPE;
        goto out;
    }
    err = check_owner(&st, trust, diag);
    if (err)
        goto out;
    err = read_all(fd, max, &out, diag);
    if (err)
        goto out;
    *ret = out;
    out = (struct wf_buf){ 0 };
out:
    wf_buf_fini(&out);
    close(fd);
    return err;
}

enum weft_err wf_file_read(const char *path, size_t max, enum wf_file_trust trust,
    struct wf_buf *ret, struct wf_diag *diag)
{
    struct wf_diag why = { 0 };
    enum weft_err err = wf_file_read_unnamed(path, max, trust, ret, &why);
    size_t len = strlen(path);

    if (err) // of a path longer than a line its end, so that there is room for the reason
        wf_diag_set(diag, 0, 0, "%s: %s", len > NAMED_MAX ? path + len - NAMED_MAX : path,
            why.text[0] ? why.text : weft_err_text(err));
    return err;
}

static enum weft_err folder_of(const char *path, char ret[WF_MAX_PATH], struct wf_diag *diag)
{
    char *real = realpath(path, NULL);

    if (!real)
        return system_error("cannot resolve", diag);
    char *slash = strrchr(real, '/');
    slash[slash == real] = '\0';
    size_t len = strlen(real);
    if (len < WF_MAX_PATH)
        memcpy(ret, real, len + 1);
    free(real);
    return len < WF_MAX_PATH ? WEFT_OK : WEFT_E_TOO_BIG;
}

enum weft_err wf_file_read_yaml(const char *path, enum wf_file_trust trust, struct wf_diags *diags,
    struct wf_buf *ret, char ret_dir[WF_MAX_PATH])
{
    struct wf_diag diag = { 0 };
    struct wf_buf text = { 0 };
    enum weft_err err = wf_file_read_unnamed(path, WF_MAX_YAML, trust, &text, &diag);

    if (!err)
        err = folder_of(path, ret_dir, &diag);
    if (err) {
        wf_diags_add(diags, err, 0, 0, "%s", diag.text[0] ? diag.text : weft_err_text(err));
        wf_buf_fini(&text);
        return err;
    }
    *ret = text;
    return WEFT_OK;
}

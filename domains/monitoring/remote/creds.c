// SPDX-License-Identifier: Apache-2.0
// See creds.h.
#include "domains/monitoring/remote/creds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void wf_remote_creds_wipe(struct wf_remote_creds *c)
{
    explicit_bzero(c, sizeof *c);
}

// What stands in a header must not end it.
static bool is_clean(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return false;
    return true;
}

bool wf_remote_creds_parse(struct wf_remote_creds *c)
{
    char *text = c->text;

    text[strcspn(text, "\r\n")] = '\0';
    if (!is_clean(text))
        return false;
    if (strncmp(text, "bearer ", 7) == 0 && text[7]) {
        c->bearer = text + 7;
        return true;
    }
    char *colon = strchr(text, ':');
    if (strncmp(text, "basic ", 6) != 0 || !colon || colon == text + 6)
        return false;
    *colon = '\0';
    c->user = text + 6;
    c->password = colon + 1;
    return true;
}

static enum weft_err read_file(const char *path, struct wf_remote_creds *c)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return errno == ENOENT ? WEFT_E_NOT_FOUND : WEFT_E_IO;
    bool good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                (st.st_uid == geteuid() || st.st_uid == 0) && (st.st_mode & 077) == 0;
    ssize_t len = good ? read(fd, c->text, sizeof c->text - 1) : 0;
    close(fd);
    if (!good)
        return WEFT_E_FILE_MODE;
    if (len < 0)
        return WEFT_E_IO;
    c->text[len] = '\0';
    return (size_t)len == sizeof c->text - 1 ? WEFT_E_TOO_BIG : WEFT_OK;
}

enum weft_err wf_remote_creds_read(
    const char *path, struct wf_remote_creds *ret, struct weft_problem *problem)
{
    struct wf_remote_creds c = { 0 };
    enum weft_err err = read_file(path, &c);
    const char *why = err == WEFT_E_FILE_MODE
                          ? "must be a file of this user that nobody else may read: chmod 600"
                          : weft_err_text(err);

    if (!err) {
        *ret = c; // pointers lead into the copy
        if (wf_remote_creds_parse(ret)) {
            wf_remote_creds_wipe(&c);
            return WEFT_OK;
        }
        wf_remote_creds_wipe(ret);
        err = WEFT_E_CONFIG;
        why = "want one line: basic USER:PASSWORD, or bearer TOKEN";
    }
    wf_remote_creds_wipe(&c);
    *problem = (struct weft_problem){ .err = err };
    snprintf(problem->text, sizeof problem->text, "%.200s: %s", path, why);
    return err;
}

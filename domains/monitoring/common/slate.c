// SPDX-License-Identifier: Apache-2.0
// See slate.h.
#include "domains/monitoring/common/slate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum weft_err wf_mon_slate_create(const char *path, int *ret_fd)
{
    if (strlen(path) >= 4200)
        return WEFT_E_TOO_BIG;
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return WEFT_E_IO;
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        enum weft_err err = errno == EAGAIN || errno == EACCES ? WEFT_E_IN_USE : WEFT_E_IO;
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return WEFT_OK;
}

enum weft_err wf_mon_slate_write(int fd, const char *text)
{
    char whole[WF_MON_SLATE];

    memset(whole, '\n', sizeof whole);
    memcpy(whole, text, strnlen(text, sizeof whole - 1));
    return pwrite(fd, whole, sizeof whole, 0) == (ssize_t)sizeof whole ? WEFT_OK : WEFT_E_IO;
}

enum weft_err wf_mon_slate_read(const char *path, char ret[WF_MON_SLATE + 1], bool *ret_alive)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? WEFT_E_NOT_FOUND : WEFT_E_IO;
    // Asked for, never taken: a look must not make a writer that begins now believe in another one.
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
    *ret_alive = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    ssize_t len = pread(fd, ret, WF_MON_SLATE, 0);
    close(fd);
    ret[len > 0 ? len : 0] = '\0';
    return len < 0 ? WEFT_E_IO : WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
// Files on the real disk and memory of libraries that fail on demand (fault.h): this program's own write, read, readdir, sync and sodium_malloc stand
// before those of the shared libraries for all who call them, SQLite among them, whose heap asks as well. Only regular files and directories
// fail, never sockets, pipes or event descriptors. Syncs are not waited for. Linked as a source.
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/support/fault.h"

#pragma GCC visibility push(default) // seen by the shared libraries

ssize_t pwrite64(int fd, const void *p, size_t len, off64_t at);
ssize_t pread64(int fd, void *p, size_t len, off64_t at);
void *sodium_malloc(size_t size);

static bool fails(enum wf_fault kind, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return false;
    if (!wf_fault_hits(kind))
        return false;
    errno = EIO;
    return true;
}

// The function of that name in the library that comes next, into a pointer to a function.
#define NEXT(pointer, name)                                                                        \
    do {                                                                                           \
        if (!(pointer))                                                                            \
            *(void **)(&(pointer)) = dlsym(RTLD_NEXT, name);                                       \
    } while (0)

ssize_t write(int fd, const void *p, size_t len)
{
    static ssize_t (*next)(int, const void *, size_t);

    NEXT(next, "write");
    return fails(WF_FAULT_WRITE, fd) ? -1 : next(fd, p, len);
}

ssize_t pwrite(int fd, const void *p, size_t len, off_t at)
{
    static ssize_t (*next)(int, const void *, size_t, off_t);

    NEXT(next, "pwrite");
    return fails(WF_FAULT_WRITE, fd) ? -1 : next(fd, p, len, at);
}

ssize_t pwrite64(int fd, const void *p, size_t len, off64_t at)
{
    return pwrite(fd, p, len, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    static ssize_t (*next)(int, const struct iovec *, int, off_t);

    NEXT(next, "pwritev");
    return fails(WF_FAULT_WRITE, fd) ? -1 : next(fd, parts, count, at);
}

ssize_t read(int fd, void *p, size_t len)
{
    static ssize_t (*next)(int, void *, size_t);

    NEXT(next, "read");
    return fails(WF_FAULT_READ, fd) ? -1 : next(fd, p, len);
}

ssize_t pread(int fd, void *p, size_t len, off_t at)
{
    static ssize_t (*next)(int, void *, size_t, off_t);

    NEXT(next, "pread");
    return fails(WF_FAULT_READ, fd) ? -1 : next(fd, p, len, at);
}

ssize_t pread64(int fd, void *p, size_t len, off64_t at)
{
    return pread(fd, p, len, at);
}

// The end of a directory and one that could not be read differ in errno alone.
struct dirent *readdir(DIR *d)
{
    static struct dirent *(*next)(DIR *);

    NEXT(next, "readdir");
    return fails(WF_FAULT_READ, dirfd(d)) ? NULL : next(d);
}

int fsync(int fd)
{
    return fails(WF_FAULT_SYNC, fd) ? -1 : 0;
}

int fdatasync(int fd)
{
    return fails(WF_FAULT_SYNC, fd) ? -1 : 0;
}

void *sodium_malloc(size_t size)
{
    static void *(*next)(size_t);

    if (wf_fault_hits(WF_FAULT_ALLOC)) {
        errno = ENOMEM;
        return NULL;
    }
    NEXT(next, "sodium_malloc");
    return next(size);
}

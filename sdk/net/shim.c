// SPDX-License-Identifier: Apache-2.0
// Replaces sendmsg in the executable that links this object, and so for a shared libnng too (it calls through the PLT).
// NNG 1.5 takes EPIPE from a peer that left early for "this listener was closed" and never accepts again: one connection,
// FIN then RST, and a node is deaf for good (nanomsg/nng issue 1518, fixed in 1.6.0). ECONNRESET is what it is: a remote
// condition, after which NNG of any version keeps accepting. A statically linked libnng resolves here just the same.
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((visibility("default"))) ssize_t sendmsg(
    int fd, const struct msghdr *message, int flags)
{
    ssize_t n = syscall(SYS_sendmsg, fd, message, flags);

    if (n < 0 && errno == EPIPE)
        errno = ECONNRESET;
    return n;
}

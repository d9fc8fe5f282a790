// SPDX-License-Identifier: Apache-2.0
// Tells by trying whether sdk/net/shim.c is part of this program.
#include "sdk/net/net.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

bool wf_net_shim_active(void)
{
    int pair[2];
    char byte = 0;
    struct iovec iov = { &byte, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    close(pair[1]);
    bool active = sendmsg(pair[0], &message, MSG_NOSIGNAL) < 0 && errno == ECONNRESET;
    close(pair[0]);
    return active;
}

// SPDX-License-Identifier: Apache-2.0
#include "domains/common/netlink.h"

#include <errno.h>
#include <sys/time.h>

#include "domains/common/bounds.h"

#define ATTEMPTS 4
#define BUFFER   65536u // the kernel fills up to 32 KiB a message of a dump

struct run {
    const struct wf_dump *dump;
    enum weft_err err;
};

static int on_message(const struct nlmsghdr *message, void *context)
{
    struct run *r = context;

    r->err = r->dump->message(message, r->dump->context);
    return r->err ? MNL_CB_ERROR : MNL_CB_OK;
}

static enum weft_err from_errno(int number)
{
    switch (number) {
    case EAGAIN:
        return WEFT_E_TIMEOUT;
    case EINTR: // libmnl's word for a dump that a change interrupted
        return WEFT_E_BUSY;
    case EPERM:
    case EACCES:
        return WEFT_E_PERMISSION;
    case ENOENT:
    case EINVAL:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case EAFNOSUPPORT:
        return WEFT_E_UNSUPPORTED;
    default:
        return WEFT_E_IO;
    }
}

// libmnl 1.0 takes a length with the highest bit set for a small one and steps backwards.
static bool lengths_fit(const void *messages, size_t len)
{
    const char *at = messages;

    while (len >= sizeof(struct nlmsghdr)) {
        uint32_t n = 0;
        memcpy(&n, at, sizeof n); // nlmsg_len, the first member
        if (n < sizeof(struct nlmsghdr) || n > len)
            return false;
        size_t step = MNL_ALIGN((size_t)n);
        if (step >= len)
            return true;
        at += step;
        len -= step;
    }
    return true;
}

enum weft_err wf_netlink_run(const struct wf_dump *d, const void *messages, size_t len,
    unsigned seq, unsigned port, bool *ret_done)
{
    struct run r = { .dump = d };

    if (!lengths_fit(messages, len))
        return WEFT_E_SYNTAX;
    errno = 0;
    int result = mnl_cb_run(messages, len, seq, port, on_message, &r);
    if (result == MNL_CB_ERROR)
        return r.err ? r.err : from_errno(errno);
    *ret_done = result == MNL_CB_STOP;
    return WEFT_OK;
}

static enum weft_err send_request(struct mnl_socket *socket, const struct wf_dump *d, unsigned seq)
{
    _Alignas(struct nlmsghdr) char buffer[512];

    if (MNL_NLMSG_HDRLEN + d->request_len > sizeof buffer)
        return WEFT_E_TOO_BIG;
    struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
    header->nlmsg_type = d->type;
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    header->nlmsg_seq = seq;
    memcpy(mnl_nlmsg_put_extra_header(header, d->request_len), d->request, d->request_len);
    return mnl_socket_sendto(socket, header, header->nlmsg_len) < 0 ? from_errno(errno) : WEFT_OK;
}

static enum weft_err receive(struct mnl_socket *socket, const struct wf_dump *d, unsigned seq)
{
    static _Alignas(struct nlmsghdr) char buffer[BUFFER];
    enum weft_err err = WEFT_OK;
    bool done = false;

    while (!err && !done) {
        ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof buffer);
        if (n < 0)
            err = errno == EINTR ? WEFT_OK : from_errno(errno);
        else if (n == 0)
            err = WEFT_E_IO;
        else
            err = wf_netlink_run(d, buffer, (size_t)n, seq, mnl_socket_get_portid(socket), &done);
    }
    return err;
}

static enum weft_err attempt(const struct wf_dump *d, unsigned seq)
{
    struct timeval wait = { .tv_sec = WF_HOST_NETLINK_MS / 1000 };
    struct mnl_socket *socket = mnl_socket_open2(d->bus, SOCK_CLOEXEC);
    enum weft_err err = WEFT_E_IO;

    if (!socket)
        return from_errno(errno);
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0) {
        err = from_errno(errno);
        goto out;
    }
    err = send_request(socket, d, seq);
    if (!err)
        err = receive(socket, d, seq);
out:
    mnl_socket_close(socket);
    return err;
}

enum weft_err wf_netlink_dump(const struct wf_dump *d)
{
    enum weft_err err = WEFT_E_BUSY;

    for (unsigned i = 0; i < ATTEMPTS && err == WEFT_E_BUSY; i++) {
        if (i > 0)
            d->restart(d->context);
        err = attempt(d, i + 1);
    }
    return err;
}

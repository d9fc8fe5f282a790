// SPDX-License-Identifier: Apache-2.0
// What comes over a local socket or a stream: the first byte chooses who reads (requester, replier, subscriber) and how the bytes are cut, the rest is
// written to it. Cuts must change nothing, and what is handed over must be what stands in the bytes, in its order and within the limit.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sdk/net/sp.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECV_MAX 4096u

struct reader {
    struct net_sp stream;
    struct wf_bytes rest; // of the input, from the first message that was not handed over
    enum weft_err err;
};

static void must(bool right)
{
    if (!right)
        abort();
}

static bool on_message(void *arg, uint32_t id, struct wf_net_msg *msg)
{
    struct reader *r = arg;
    struct wf_bytes m = wf_net_msg_view(msg);

    const struct net_sp_wire *w = r->stream.wire;
    const uint8_t *len = r->rest.ptr + w->is_marked;
    size_t head = net_sp_head(w);

    must(m.len <= RECV_MAX && r->rest.len >= head + m.len);
    must(!w->is_marked || r->rest.ptr[0] == 1);
    must(wf_load_be64(len) == m.len + (w->has_id ? 4 : 0));
    must(w->has_id ? wf_load_be32(len + 8) == id && (id & NET_SP_REQUEST) : id == 0);
    must(wf_bytes_eq(m, wf_bytes(r->rest.ptr + head, m.len)));
    r->rest = wf_bytes(r->rest.ptr + head + m.len, r->rest.len - head - m.len);
    wf_net_msg_free(msg);
    return true;
}

// How far it came with the stream cut into such steps, and the error that ended it.
static size_t play(
    struct wf_bytes in, size_t step, const struct net_sp_wire *wire, enum weft_err *ret_err)
{
    int ends[2];
    struct reader r = { .rest = in };

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    must(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    must(!net_sp_init(&r.stream, ends[0], wire, RECV_MAX));
    if (in.len >= NET_SP_GREETING)
        r.rest = wf_bytes(in.ptr + NET_SP_GREETING, in.len - NET_SP_GREETING);
    for (struct wf_bytes left = in; left.len && !r.err;) {
        size_t n = left.len < step ? left.len : step;
        must(write(ends[1], left.ptr, n) == (ssize_t)n);
        left = wf_bytes(left.ptr + n, left.len - n);
        int waiting = 1;
        while (!r.err && waiting) {
            r.err = net_sp_read(&r.stream, on_message, &r);
            char byte;
            waiting = recv(ends[0], &byte, 1, MSG_PEEK) == 1;
        }
    }
    *ret_err = r.err;
    net_sp_fini(&r.stream);
    close(ends[1]);
    return r.rest.len;
}

static const struct net_sp_wire *const wires[] = { &net_sp_requester, &net_sp_replier,
    &net_sp_subscriber };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum weft_err whole_err, cut_err;

    if (size < 2 || size > 64u * WF_KIB)
        return 0;
    const struct net_sp_wire *wire = wires[data[0] % WF_COUNT(wires)];
    struct wf_bytes in = wf_bytes(data + 1, size - 1);
    size_t whole = play(in, SIZE_MAX, wire, &whole_err);
    size_t cut = play(in, 1 + data[0] / WF_COUNT(wires), wire, &cut_err);

    must(whole == cut && whole_err == cut_err);
    must(whole_err == WEFT_OK || whole_err == WEFT_E_PROTOCOL || whole_err == WEFT_E_TOO_BIG);
    return 0;
}

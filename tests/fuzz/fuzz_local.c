// SPDX-License-Identifier: Apache-2.0
// What comes over the local socket: the first byte chooses which end reads and how the stream is cut, the rest is written to it. Cuts must change
// nothing, and what is handed over must be what stands in the stream, in its order and within the limit.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sdk/net/local_stream.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECV_MAX 4096u

struct reader {
    struct local_stream stream;
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

    must(m.len <= RECV_MAX && r->rest.len >= LOCAL_HEAD + m.len);
    must(r->rest.ptr[0] == 1 && wf_load_be64(r->rest.ptr + 1) == m.len + 4);
    must(wf_load_be32(r->rest.ptr + 9) == id && (id & LOCAL_REQUEST));
    must(wf_bytes_eq(m, wf_bytes(r->rest.ptr + LOCAL_HEAD, m.len)));
    r->rest = wf_bytes(r->rest.ptr + LOCAL_HEAD + m.len, r->rest.len - LOCAL_HEAD - m.len);
    wf_net_msg_free(msg);
    return true;
}

// How far it came with the stream cut into such steps, and the error that ended it.
static size_t play(struct wf_bytes in, size_t step, uint8_t me, enum weft_err *ret_err)
{
    int ends[2];
    struct reader r = { .rest = in };

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    must(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    must(!local_stream_init(&r.stream, ends[0], me, RECV_MAX));
    if (in.len >= LOCAL_GREETING)
        r.rest = wf_bytes(in.ptr + LOCAL_GREETING, in.len - LOCAL_GREETING);
    for (struct wf_bytes left = in; left.len && !r.err;) {
        size_t n = left.len < step ? left.len : step;
        must(write(ends[1], left.ptr, n) == (ssize_t)n);
        left = wf_bytes(left.ptr + n, left.len - n);
        int waiting = 1;
        while (!r.err && waiting) {
            r.err = local_stream_read(&r.stream, on_message, &r);
            char byte;
            waiting = recv(ends[0], &byte, 1, MSG_PEEK) == 1;
        }
    }
    *ret_err = r.err;
    local_stream_fini(&r.stream);
    close(ends[1]);
    return r.rest.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum weft_err whole_err, cut_err;

    if (size < 2 || size > 64u * WF_KIB)
        return 0;
    uint8_t me = data[0] & 1 ? LOCAL_REPLIER : LOCAL_REQUESTER;
    struct wf_bytes in = wf_bytes(data + 1, size - 1);
    size_t whole = play(in, SIZE_MAX, me, &whole_err);
    size_t cut = play(in, 1 + data[0] / 2, me, &cut_err);

    must(whole == cut && whole_err == cut_err);
    must(whole_err == WEFT_OK || whole_err == WEFT_E_PROTOCOL || whole_err == WEFT_E_TOO_BIG);
    return 0;
}

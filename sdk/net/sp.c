// SPDX-License-Identifier: Apache-2.0
#include "sdk/net/sp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sdk/net/net_int.h"

#define READ_BYTES   (64u * WF_KIB)
#define ALIVE_S      15 // a silent host is asked for a sign of life after so long,
#define ALIVE_EACH_S 5  // then so often,
#define ALIVE_TIMES  3  // and given up after so many

struct net_sp_out {
    struct net_sp_out *next;
    struct wf_net_msg *msg; // NULL: head alone, the greeting
    struct wf_net_lent lent;
    size_t head_len;
    uint8_t head[NET_SP_HEAD_MAX];
};

static void give_back(const struct wf_net_lent *lent)
{
    if (lent && lent->back)
        lent->back(lent->arg);
}

static void out_free(struct net_sp_out *o)
{
    give_back(&o->lent);
    wf_net_msg_free(o->msg);
    free(o);
}

// ---- sending ---------------------------------------------------------------------------------------------------------------

static size_t out_len(const struct net_sp_out *o)
{
    return o->head_len + (o->msg ? wf_net_msg_len(o->msg) : 0) + o->lent.bytes.len;
}

static enum weft_err write_error(void)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return WEFT_OK;
    return errno == ENOMEM || errno == ENOBUFS ? WEFT_E_NOMEM : WEFT_E_CLOSED;
}

// Sends of the first what the socket takes; true when all of it went.
static bool send_first(struct net_sp *s, enum weft_err *ret_err)
{
    struct net_sp_out *o = s->first;
    struct wf_bytes body = o->msg ? wf_net_msg_view(o->msg) : wf_bytes(NULL, 0);
    size_t at = o->lent.at;
    const struct wf_bytes whole[] = { wf_bytes(o->head, o->head_len), wf_bytes(body.ptr, at),
        o->lent.bytes, wf_bytes(at ? body.ptr + at : body.ptr, body.len - at) };
    struct iovec parts[WF_COUNT(whole)];
    size_t gone = s->sent;
    for (size_t i = 0; i < WF_COUNT(whole); i++) {
        size_t n = gone < whole[i].len ? gone : whole[i].len;
        gone -= n;
        parts[i] = (struct iovec){ (void *)(uintptr_t)(n ? whole[i].ptr + n : whole[i].ptr),
            whole[i].len - n };
    }
    struct msghdr h = { .msg_iov = parts, .msg_iovlen = WF_COUNT(parts) };
    ssize_t n = sendmsg(s->fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0) {
        *ret_err = write_error();
        return false;
    }
    s->sent += (size_t)n;
    return s->sent == out_len(o);
}

enum weft_err net_sp_flush(struct net_sp *s)
{
    enum weft_err err = WEFT_OK;

    while (s->first && send_first(s, &err)) {
        struct net_sp_out *o = s->first;
        s->first = o->next;
        if (!s->first)
            s->last = &s->first;
        s->sent = 0;
        out_free(o);
    }
    return err;
}

static void queue(struct net_sp *s, struct net_sp_out *o)
{
    *s->last = o;
    s->last = &o->next;
}

static void put_head(const struct net_sp_wire *w, uint8_t *to, uint32_t id, size_t len)
{
    if (w->is_marked)
        *to++ = 1;
    wf_store_be64(to, len + (w->has_id ? 4u : 0u));
    if (w->has_id)
        wf_store_be32(to + 8, id);
}

enum weft_err net_sp_send(struct net_sp *s, uint32_t id, struct wf_net_msg *msg)
{
    return net_sp_send_lent(s, id, msg, NULL);
}

enum weft_err net_sp_send_lent(
    struct net_sp *s, uint32_t id, struct wf_net_msg *msg, const struct wf_net_lent *lent)
{
    struct net_sp_out *o = calloc(1, sizeof *o);
    bool waited = s->first != NULL;

    if (!o) {
        give_back(lent);
        wf_net_msg_free(msg);
        return WEFT_E_NOMEM;
    }
    o->msg = msg;
    if (lent)
        o->lent = *lent;
    o->head_len = net_sp_head(s->wire);
    put_head(s->wire, o->head, id, wf_net_msg_len(msg) + o->lent.bytes.len);
    queue(s, o);
    return waited ? WEFT_OK : net_sp_flush(s);
}

bool net_sp_waits(const struct net_sp *s)
{
    return s->first != NULL;
}

// ---- reading ---------------------------------------------------------------------------------------------------------------

void net_sp_spare(struct net_sp_spares *s, struct wf_net_msg *msg)
{
    size_t len = msg ? wf_net_msg_len(msg) : 0;

    if (len < NET_SP_SPARE_MIN || len > NET_SP_SPARE_MAX || s->count == NET_SP_SPARES)
        wf_net_msg_free(msg);
    else
        s->msgs[s->count++] = msg;
}

void net_sp_spares_fini(struct net_sp_spares *s)
{
    while (s->count)
        wf_net_msg_free(s->msgs[--s->count]);
}

static enum weft_err make_message(struct net_sp *s, size_t len)
{
    struct net_sp_spares *spares = s->spares;

    if (!spares || !spares->count || len < NET_SP_SPARE_MIN || len > NET_SP_SPARE_MAX)
        return wf_net_msg_new(len, &s->msg);
    enum weft_err err = net_msg_resize(spares->msgs[spares->count - 1], len);
    if (err)
        return err;
    s->msg = spares->msgs[--spares->count];
    spares->served = true;
    return WEFT_OK;
}

static enum weft_err take_head(struct net_sp *s)
{
    const uint8_t *at = s->head;
    uint32_t id_len = s->wire->has_id ? 4 : 0;

    if (s->wire->is_marked && *at++ != 1)
        return WEFT_E_PROTOCOL;
    uint64_t len = wf_load_be64(at);
    s->id = id_len ? wf_load_be32(at + 8) : 0;
    if (len < id_len || (id_len && !(s->id & NET_SP_REQUEST)))
        return WEFT_E_PROTOCOL;
    if (len - id_len > s->recv_max)
        return WEFT_E_TOO_BIG;
    s->filled = 0;
    return make_message(s, (size_t)len - id_len);
}

static enum weft_err take_greeting(struct net_sp *s)
{
    const uint8_t want[NET_SP_GREETING] = { 0, 'S', 'P', 0, 0, s->wire->peer, 0, 0 };

    s->greeted = true;
    s->head_len = 0;
    return memcmp(s->head, want, sizeof want) == 0 ? WEFT_OK : WEFT_E_PROTOCOL;
}

// The message is whole.
static enum weft_err hand_over(struct net_sp *s, net_sp_message_fn fn, void *arg)
{
    struct wf_net_msg *msg = s->msg;

    s->msg = NULL;
    s->head_len = 0;
    return fn(arg, s->id, msg) ? WEFT_OK : WEFT_E_CANCELLED;
}

static enum weft_err take_head_bytes(struct net_sp *s, struct wf_bytes *in)
{
    size_t want = (s->greeted ? net_sp_head(s->wire) : NET_SP_GREETING) - s->head_len;
    size_t n = in->len < want ? in->len : want;

    memcpy(s->head + s->head_len, in->ptr, n);
    s->head_len += n;
    *in = wf_bytes(in->ptr + n, in->len - n);
    if (n < want)
        return WEFT_OK;
    return s->greeted ? take_head(s) : take_greeting(s);
}

static enum weft_err take(struct net_sp *s, struct wf_bytes in, net_sp_message_fn fn, void *arg)
{
    enum weft_err err = WEFT_OK;

    while (!err && in.len) {
        if (!s->msg) {
            err = take_head_bytes(s, &in);
        } else {
            size_t left = wf_net_msg_len(s->msg) - s->filled;
            size_t n = in.len < left ? in.len : left;
            memcpy(wf_net_msg_ptr(s->msg) + s->filled, in.ptr, n);
            s->filled += n;
            in = wf_bytes(in.ptr + n, in.len - n);
        }
        if (!err && s->msg && s->filled == wf_net_msg_len(s->msg))
            err = hand_over(s, fn, arg);
    }
    return err;
}

enum weft_err net_sp_read(struct net_sp *s, net_sp_message_fn fn, void *arg)
{
    uint8_t more[READ_BYTES];
    size_t left = s->msg ? wf_net_msg_len(s->msg) - s->filled : 0;
    // What remains of a message goes where it belongs, without a copy.
    struct iovec parts[2] = { { s->msg ? wf_net_msg_ptr(s->msg) + s->filled : more, left },
        { more, sizeof more } };
    ssize_t n = readv(s->fd, parts, 2);
    enum weft_err err = WEFT_OK;

    if (n == 0)
        return WEFT_E_CLOSED;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? WEFT_OK : WEFT_E_CLOSED;
    size_t direct = (size_t)n < left ? (size_t)n : left;
    s->filled += direct;
    if (s->msg && s->filled == wf_net_msg_len(s->msg))
        err = hand_over(s, fn, arg);
    return err ? err : take(s, wf_bytes(more, (size_t)n - direct), fn, arg);
}

// ---- life ------------------------------------------------------------------------------------------------------------------

void net_sp_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_NODELAY, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, ALIVE_S },
        { IPPROTO_TCP, TCP_KEEPINTVL, ALIVE_EACH_S },
        { IPPROTO_TCP, TCP_KEEPCNT, ALIVE_TIMES },
    };

    // Without them a lost host is noticed later, nothing worse.
    for (size_t i = 0; i < WF_COUNT(options); i++)
        (void)setsockopt(
            fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

const struct net_sp_wire net_sp_requester = { 0x30, 0x31, .is_marked = true, .has_id = true };
const struct net_sp_wire net_sp_replier = { 0x31, 0x30, .is_marked = true, .has_id = true };
const struct net_sp_wire net_sp_subscriber = { 0x21, 0x20, .is_marked = false, .has_id = false };

enum weft_err net_sp_init(struct net_sp *s, int fd, const struct net_sp_wire *wire, size_t recv_max)
{
    struct net_sp_out *o = calloc(1, sizeof *o);

    *s = (struct net_sp){ .fd = fd, .recv_max = recv_max, .wire = wire };
    s->last = &s->first;
    if (!o) {
        s->fd = -1;
        return WEFT_E_NOMEM;
    }
    o->head_len = NET_SP_GREETING;
    memcpy(o->head, (const uint8_t[]){ 0, 'S', 'P', 0, 0, wire->me, 0, 0 }, NET_SP_GREETING);
    queue(s, o);
    return WEFT_OK;
}

void net_sp_fini(struct net_sp *s)
{
    while (s->first) {
        struct net_sp_out *o = s->first;
        s->first = o->next;
        out_free(o);
    }
    s->last = &s->first;
    wf_net_msg_free(s->msg);
    s->msg = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

// SPDX-License-Identifier: Apache-2.0
// Messages, NNG's errors in our words, and the options every socket gets.
#include "sdk/net/net_int.h"

#include <signal.h>
#include <time.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define NET_LEAKS_ARE_SOUGHT
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(NET_LEAKS_ARE_SOUGHT)
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_ignore_object(object) ((void)(object))
#define __lsan_disable()             ((void)0)
#define __lsan_enable()              ((void)0)
#endif

int64_t net_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void net_lock_init(pthread_mutex_t *mu, pthread_cond_t *cv)
{
    pthread_condattr_t a;

    pthread_mutex_init(mu, NULL);
    if (!cv)
        return;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(cv, &a);
    pthread_condattr_destroy(&a);
}

void net_lock_fini(pthread_mutex_t *mu, pthread_cond_t *cv)
{
    if (cv)
        pthread_cond_destroy(cv);
    pthread_mutex_destroy(mu);
}

enum weft_err net_thread(pthread_t *ret, void *(*main)(void *), void *arg)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rv = pthread_create(ret, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rv == 0 ? WEFT_OK : WEFT_E_NOMEM;
}

enum weft_err net_err(int nng_error)
{
    static const struct {
        int nng;
        enum weft_err ours;
    } map[] = {
        { 0, WEFT_OK },
        { NNG_ENOMEM, WEFT_E_NOMEM },
        { NNG_EBUSY, WEFT_E_BUSY },
        { NNG_ETIMEDOUT, WEFT_E_TIMEOUT },
        { NNG_ECONNREFUSED, WEFT_E_UNREACHABLE },
        { NNG_EUNREACHABLE, WEFT_E_UNREACHABLE },
        { NNG_ECLOSED, WEFT_E_CLOSED },
        { NNG_ECONNSHUT, WEFT_E_CLOSED },
        { NNG_ECONNABORTED, WEFT_E_CLOSED },
        { NNG_ECONNRESET, WEFT_E_CLOSED },
        { NNG_ECANCELED, WEFT_E_CANCELLED },
        { NNG_EADDRINUSE, WEFT_E_IN_USE },
        { NNG_EADDRINVAL, WEFT_E_SYNTAX },
        { NNG_EINVAL, WEFT_E_SYNTAX },
        { NNG_EPERM, WEFT_E_PERMISSION },
        { NNG_ENOENT, WEFT_E_NOT_FOUND },
        { NNG_EMSGSIZE, WEFT_E_TOO_BIG },
        { NNG_EPROTO, WEFT_E_PROTOCOL },
        { NNG_ENOSPC, WEFT_E_NOSPACE },
        { NNG_ENOTSUP, WEFT_E_UNSUPPORTED },
        { NNG_ENOFILES, WEFT_E_NO_FILES },
    };

    for (size_t i = 0; i < WF_COUNT(map); i++)
        if (map[i].nng == nng_error)
            return map[i].ours;
    return WEFT_E_IO;
}

enum weft_err wf_net_msg_new(size_t len, struct wf_net_msg **ret)
{
    nng_msg *m = NULL;
    int rv = nng_msg_alloc(&m, len);

    if (rv != 0)
        return net_err(rv);
    *ret = net_msg_in(m);
    return WEFT_OK;
}

enum weft_err net_msg_resize(struct wf_net_msg *m, size_t len)
{
    if (nng_msg_capacity(net_msg_out(m)) < len)
        nng_msg_clear(net_msg_out(m)); // there is nothing to be kept
    return net_err(nng_msg_realloc(net_msg_out(m), len));
}

enum weft_err wf_net_msg_from(struct wf_bytes bytes, struct wf_net_msg **ret)
{
    struct wf_net_msg *m = NULL;
    enum weft_err err = wf_net_msg_new(bytes.len, &m);

    if (err)
        return err;
    if (bytes.len)
        memcpy(wf_net_msg_ptr(m), bytes.ptr, bytes.len);
    *ret = m;
    return WEFT_OK;
}

uint8_t *wf_net_msg_ptr(struct wf_net_msg *m)
{
    return nng_msg_body(net_msg_out(m));
}

size_t wf_net_msg_len(const struct wf_net_msg *m)
{
    return nng_msg_len((const nng_msg *)m);
}

struct wf_bytes wf_net_msg_view(const struct wf_net_msg *m)
{
    // nng_msg_body is not const-correct; it only reads.
    return wf_bytes(nng_msg_body((nng_msg *)(uintptr_t)m), wf_net_msg_len(m));
}

void wf_net_msg_shorten(struct wf_net_msg *m, size_t len)
{
    size_t have = wf_net_msg_len(m);

    if (len < have)
        (void)nng_msg_chop(net_msg_out(m), have - len);
}

void wf_net_msg_free(struct wf_net_msg *m)
{
    if (m)
        nng_msg_free(net_msg_out(m));
}

// NNG 1.5.2 loses the message of a send whose pipe ends at that moment (nanomsg/nng issue 1713, fixed in 1.6.0). The leak checker looks
// away from messages that are NNG's, one by one, so that it sees every other.
void net_aio_give(nng_aio *aio, nng_msg *m)
{
    if (m)
        __lsan_ignore_object(m);
    nng_aio_set_msg(aio, m);
}

// NNG (1.5 to 1.10) never frees a connection whose handshake ends at the moment its dialer is closed: tcptran_ep_close closes what waits to be
// matched, and nobody ends it, so that it and its dialer's endpoint stay, some 4 kB without a descriptor. The leak checker looks away from
// what a dialer is made of; the socket, and what is ours of a peer, it sees.
enum weft_err net_dialer_new(nng_dialer *ret, nng_socket s, const char *url)
{
    __lsan_disable();
    int rv = nng_dialer_create(ret, s, url);
    __lsan_enable();
    return net_err(rv);
}

enum weft_err net_socket_common(nng_socket s, size_t recv_max)
{
    // The limit counts what NNG itself puts before the bytes: the request id.
    int rv = nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, recv_max + 8);

    if (rv == 0)
        rv = nng_socket_set_bool(s, NNG_OPT_TCP_NODELAY, true);
    if (rv == 0)
        rv = nng_socket_set_bool(s, NNG_OPT_TCP_KEEPALIVE, true);
    return net_err(rv);
}

enum weft_err net_socket_one_hop(nng_socket s)
{
    return net_err(nng_socket_set_int(s, NNG_OPT_MAXTTL, 1));
}

enum weft_err net_pipe_events(nng_socket s, nng_pipe_cb fn, void *arg)
{
    static const nng_pipe_ev events[] = { NNG_PIPE_EV_ADD_PRE, NNG_PIPE_EV_REM_POST };
    int rv = 0;

    for (size_t i = 0; i < WF_COUNT(events) && rv == 0; i++)
        rv = nng_pipe_notify(s, events[i], fn, arg);
    return net_err(rv);
}

const char *wf_net_library_version(void)
{
    return nng_version();
}

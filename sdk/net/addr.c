// SPDX-License-Identifier: Apache-2.0
// Addresses: what people write to NNG's URLs, and who is at the other end of a pipe.
#include "sdk/net/net_int.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static bool host_is_plausible(struct wf_bytes host)
{
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_';
        if (!ok)
            return false;
    }
    return host.len > 0;
}

static bool is_ip6(struct wf_bytes host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr ip;

    if (host.len == 0 || host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET6, text, &ip) == 1;
}

static enum weft_err parse_tcp(struct wf_bytes text, struct net_where *ret)
{
    const uint8_t *colon = memrchr(text.ptr, ':', text.len);
    uint16_t port = 0;

    if (!colon)
        return WEFT_E_SYNTAX;
    struct wf_bytes host = wf_bytes(text.ptr, (size_t)(colon - text.ptr));
    struct wf_bytes port_text = wf_bytes(colon + 1, text.len - host.len - 1);
    if (!wf_bytes_is(port_text, "0")) { // 0: the system chooses
        enum weft_err err = wf_port_parse(port_text, &port);
        if (err)
            return err;
    }
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        if (!is_ip6(wf_bytes(host.ptr + 1, host.len - 2)))
            return WEFT_E_SYNTAX;
    } else if (wf_bytes_is(host, "*")) {
        host = WF_STR("0.0.0.0");
    } else if (!host_is_plausible(host)) {
        return WEFT_E_SYNTAX;
    }
    bool bracketed = host.ptr[0] == '[';
    ret->local = false;
    ret->port = port;
    snprintf(ret->host, sizeof ret->host, "%.*s", (int)(host.len - (bracketed ? 2 : 0)),
        (const char *)host.ptr + bracketed);
    snprintf(ret->url, sizeof ret->url, "tcp://%.*s:%u", (int)host.len, (const char *)host.ptr,
        (unsigned)port);
    return WEFT_OK;
}

static enum weft_err parse_local(struct wf_bytes path, struct net_where *ret)
{
    if (path.len == 0)
        return WEFT_E_SYNTAX;
    if (path.len > SOCKET_PATH_MAX)
        return WEFT_E_TOO_BIG;
    ret->local = true;
    snprintf(ret->url, sizeof ret->url, "ipc://%.*s", (int)path.len, (const char *)path.ptr);
    return WEFT_OK;
}

enum weft_err net_where_parse(const char *where, struct net_where *ret)
{
    static const struct {
        struct wf_bytes prefix;
        enum weft_err (*parse)(struct wf_bytes rest, struct net_where *ret);
    } forms[] = {
        { WF_STR("tcp://"), parse_tcp },
        { WF_STR("ipc://"), parse_local },
        { WF_STR("ipc:"), parse_local },
        { WF_STR(""), parse_tcp },
    };
    struct wf_bytes text = wf_bytes_str(where);

    if (text.len == 0)
        return WEFT_E_SYNTAX;
    if (text.len > WF_MAX_ADDR)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0;; i++) {
        size_t skip = forms[i].prefix.len;
        if (wf_bytes_has_prefix(text, forms[i].prefix))
            return forms[i].parse(wf_bytes(text.ptr + skip, text.len - skip), ret);
    }
}

enum weft_err wf_net_where_check(const char *where)
{
    struct net_where w;

    return net_where_parse(where, &w);
}

static void from_ip6(const nng_sockaddr_in6 *in, struct wf_net_addr *ret)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    ret->port = ntohs(in->sa_port);
    if (memcmp(in->sa_addr, mapped, sizeof mapped) == 0) {
        ret->family = WF_NET_IP4;
        memcpy(ret->ip, in->sa_addr + 12, 4);
        return;
    }
    ret->family = WF_NET_IP6;
    memcpy(ret->ip, in->sa_addr, 16);
}

bool net_addr_from(const struct sockaddr_storage *sa, struct wf_net_addr *ret)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)sa;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
    nng_sockaddr_in6 six = { .sa_port = in6->sin6_port };
    struct wf_net_addr a = { .family = WF_NET_IP4, .port = ntohs(in4->sin_port) };

    if (sa->ss_family == AF_INET6) {
        memcpy(six.sa_addr, &in6->sin6_addr, sizeof six.sa_addr);
        from_ip6(&six, &a);
    } else if (sa->ss_family == AF_INET) {
        memcpy(a.ip, &in4->sin_addr, 4);
    } else {
        return false;
    }
    *ret = a;
    return true;
}

bool net_pipe_addr(nng_pipe p, struct wf_net_addr *ret)
{
    struct wf_net_addr a = { 0 };
    nng_sockaddr sa;
    uint64_t uid = 0;

    if (nng_pipe_get_addr(p, NNG_OPT_REMADDR, &sa) != 0)
        return false;
    switch (sa.s_family) {
    case NNG_AF_INET:
        a.family = WF_NET_IP4;
        memcpy(a.ip, &sa.s_in.sa_addr, 4);
        a.port = ntohs(sa.s_in.sa_port);
        break;
    case NNG_AF_INET6:
        from_ip6(&sa.s_in6, &a);
        break;
    case NNG_AF_IPC:
        if (nng_pipe_get_uint64(p, NNG_OPT_IPC_PEER_UID, &uid) != 0)
            return false;
        a.family = WF_NET_LOCAL;
        a.uid = (uint32_t)uid;
        break;
    default:
        return false;
    }
    *ret = a;
    return true;
}

struct wf_net_prefix wf_net_addr_prefix(const struct wf_net_addr *addr)
{
    struct wf_net_prefix p = { { (uint8_t)addr->family } };

    switch (addr->family) {
    case WF_NET_LOCAL:
        wf_store_be32(p.b + 1, addr->uid);
        break;
    case WF_NET_IP4:
        memcpy(p.b + 1, addr->ip, 4);
        break;
    case WF_NET_IP6:
        memcpy(p.b + 1, addr->ip, 8);
        break;
    }
    return p;
}

bool wf_net_prefix_eq(const struct wf_net_prefix *a, const struct wf_net_prefix *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool wf_net_addr_same_host(const struct wf_net_addr *a, const struct wf_net_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

void wf_net_addr_text(const struct wf_net_addr *addr, char out[WF_NET_ADDR_TEXT])
{
    char ip[INET6_ADDRSTRLEN] = "?";

    switch (addr->family) {
    case WF_NET_LOCAL:
        snprintf(out, WF_NET_ADDR_TEXT, "local:%u", (unsigned)addr->uid);
        return;
    case WF_NET_IP4:
        inet_ntop(AF_INET, addr->ip, ip, sizeof ip);
        snprintf(out, WF_NET_ADDR_TEXT, "%s:%u", ip, (unsigned)addr->port);
        return;
    case WF_NET_IP6:
        inet_ntop(AF_INET6, addr->ip, ip, sizeof ip);
        snprintf(out, WF_NET_ADDR_TEXT, "[%s]:%u", ip, (unsigned)addr->port);
        return;
    }
    snprintf(out, WF_NET_ADDR_TEXT, "%s", ip);
}

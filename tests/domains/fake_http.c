// SPDX-License-Identifier: Apache-2.0
// See fake_http.h.
#include "tests/domains/fake_http.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINES    32
#define REQUESTS 64
#define MOST     (4u * 1024 * 1024)

struct line {
    int fd; // -1: free
    char *in;
    size_t len;
    int told; // its request came, and it got what it gets
};

struct fake_http {
    int fd;
    unsigned port;
    struct line lines[LINES];
    struct fake_request requests[REQUESTS];
    size_t count;
    int status;
    char header[200], body[400];
};

struct fake_http *fake_http_new(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof at;
    struct fake_http *h = calloc(1, sizeof *h);

    ck_assert_ptr_nonnull(h);
    for (size_t i = 0; i < LINES; i++)
        h->lines[i].fd = -1;
    h->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(h->fd, 0);
    ck_assert_int_eq(bind(h->fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(h->fd, LINES), 0);
    ck_assert_int_eq(getsockname(h->fd, (struct sockaddr *)&at, &len), 0);
    h->port = ntohs(at.sin_port);
    h->status = 200;
    return h;
}

static void drop(struct line *l)
{
    if (l->fd >= 0)
        close(l->fd);
    free(l->in);
    *l = (struct line){ .fd = -1 };
}

void fake_http_free(struct fake_http *h)
{
    for (size_t i = 0; i < LINES; i++)
        drop(&h->lines[i]);
    for (size_t i = 0; i < h->count; i++) {
        free(h->requests[i].head);
        free(h->requests[i].body);
    }
    close(h->fd);
    free(h);
}

unsigned fake_http_port(const struct fake_http *h)
{
    return h->port;
}

void fake_http_answers(struct fake_http *h, int status, const char *header, const char *body)
{
    h->status = status;
    snprintf(h->header, sizeof h->header, "%s%s", header ? header : "", header ? "\r\n" : "");
    snprintf(h->body, sizeof h->body, "%s", body ? body : "");
}

size_t fake_http_count(const struct fake_http *h)
{
    return h->count;
}

const struct fake_request *fake_http_at(const struct fake_http *h, size_t i)
{
    ck_assert_uint_lt(i, h->count);
    return &h->requests[i];
}

// Where the body begins; 0: the request is not whole yet.
static size_t whole(const struct line *l)
{
    const char *end = strstr(l->in, "\r\n\r\n");
    const char *length = strcasestr(l->in, "\r\nContent-Length:");

    if (!end || !length || length > end)
        return 0;
    size_t at = (size_t)(end - l->in) + 4;
    return l->len >= at + strtoul(length + 17, NULL, 10) ? at : 0;
}

static void answer(struct fake_http *h, struct line *l, size_t at)
{
    char text[900];

    ck_assert_uint_lt(h->count, REQUESTS);
    h->requests[h->count].head = strndup(l->in, at - 2);
    h->requests[h->count++].body = strdup(l->in + at);
    l->told = 1;
    if (h->status == 0)
        return;
    int len = snprintf(text, sizeof text,
        "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n%s", h->status,
        strlen(h->body), h->header, h->body);
    if (h->status > 0)
        ck_assert_int_eq(send(l->fd, text, (size_t)len, MSG_NOSIGNAL), len);
    drop(l);
}

static void read_some(struct fake_http *h, struct line *l)
{
    char some[16384];
    ssize_t n = recv(l->fd, some, sizeof some, MSG_DONTWAIT);

    if (n == 0) {
        drop(l);
        return;
    }
    if (n < 0 || l->told)
        return;
    char *more = realloc(l->in, l->len + (size_t)n + 1);
    ck_assert_ptr_nonnull(more);
    l->in = more;
    memcpy(l->in + l->len, some, (size_t)n);
    l->len += (size_t)n;
    l->in[l->len] = '\0';
    ck_assert_uint_lt(l->len, MOST);
    size_t at = whole(l);
    if (at)
        answer(h, l, at);
}

void fake_http_turn(struct fake_http *h)
{
    for (size_t i = 0; i < LINES; i++) {
        struct line *l = &h->lines[i];
        if (l->fd < 0)
            l->fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC);
        if (l->fd >= 0)
            read_some(h, l);
    }
}

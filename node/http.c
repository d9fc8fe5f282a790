// SPDX-License-Identifier: Apache-2.0
#include "node/http.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/conf.h"
#include "node/core.h"
#include "node/log_metrics.h"
#include "node/metrics.h"
#include "node/queues.h"
#include "sdk/loop/loop.h"

#define HTTP_CONNECTIONS 32u   // beyond them the oldest makes room
#define HTTP_CLOSING     32u   // that were told to go and are not gone yet
#define HTTP_TIMEOUT_S   10u   // without a byte
#define HTTP_LIFE_MS     10000 // of a connection, which has one request
#define HTTP_MEMORY      8192u // of a connection: request line and headers must fit
#define STALL_MS         5000  // the loop did not turn for so long: not healthy

struct open_connection {
    int fd;
    int64_t since_ms;
    bool ended; // told to go
};

// libmicrohttpd is loaded by who serves HTTP, not linked: it brings GnuTLS and nine more libraries, 3 MB of every agent, which serves none.
struct library {
    __typeof__(&MHD_start_daemon) start_daemon;
    __typeof__(&MHD_stop_daemon) stop_daemon;
    __typeof__(&MHD_get_connection_info) connection_info;
    __typeof__(&MHD_create_response_from_buffer) response_from_buffer;
    __typeof__(&MHD_add_response_header) add_header;
    __typeof__(&MHD_queue_response) queue_response;
    __typeof__(&MHD_destroy_response) destroy_response;
};

struct wf_http {
    struct library lib;
    struct MHD_Daemon *daemon;
    pthread_mutex_t mutex;
    struct open_connection open[HTTP_CONNECTIONS + HTTP_CLOSING]; // oldest first
    size_t open_count;
    struct wf_buf metrics; // under the mutex, as are the two below
    int64_t rendered_ms;   // CLOCK_BOOTTIME
    bool ready;
    char not_ready[256];
};

static int64_t boot_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

// ---- the library -----------------------------------------------------------------------------------------------------

static enum weft_err load_library(struct library *ret, struct wf_diag *diag)
{
    static const struct {
        const char *name;
        size_t at; // of a pointer in struct library
    } calls[] = {
        { "MHD_start_daemon", offsetof(struct library, start_daemon) },
        { "MHD_stop_daemon", offsetof(struct library, stop_daemon) },
        { "MHD_get_connection_info", offsetof(struct library, connection_info) },
        { "MHD_create_response_from_buffer", offsetof(struct library, response_from_buffer) },
        { "MHD_add_response_header", offsetof(struct library, add_header) },
        { "MHD_queue_response", offsetof(struct library, queue_response) },
        { "MHD_destroy_response", offsetof(struct library, destroy_response) },
    };
    struct library lib = { 0 };
    void *handle = dlopen(WEFT_MICROHTTPD, RTLD_NOW | RTLD_LOCAL);
    bool whole = handle != NULL;

    for (size_t i = 0; i < WF_COUNT(calls) && whole; i++) {
        void *call = dlsym(handle, calls[i].name);
        // What POSIX lets a dlsym() give, C has no conversion for.
        memcpy((uint8_t *)&lib + calls[i].at, &call, sizeof call);
        whole = call != NULL;
    }
    if (!whole) {
        wf_diag_set(diag, 0, 0, "http: needs libmicrohttpd: %s", dlerror());
        if (handle)
            dlclose(handle);
        return WEFT_E_UNSUPPORTED;
    }
    *ret = lib; // never unloaded: what it brought may have left something with threads
    return WEFT_OK;
}

// ---- connections -----------------------------------------------------------------------------------------------------

// libmicrohttpd closes who is silent; who sends a byte now and then, or opens more than there is room for, is ours.
static void end_old(struct wf_http *h, int64_t now_ms)
{
    size_t alive = 0;

    for (size_t i = 0; i < h->open_count; i++)
        alive += !h->open[i].ended;
    for (size_t i = 0; i < h->open_count; i++) {
        struct open_connection *o = &h->open[i];
        if (o->ended || (alive <= HTTP_CONNECTIONS && now_ms - o->since_ms < HTTP_LIFE_MS))
            continue;
        shutdown(o->fd, SHUT_RDWR);
        o->ended = true;
        alive--;
    }
}

static void on_connection(
    void *arg, struct MHD_Connection *c, void **state, enum MHD_ConnectionNotificationCode what)
{
    struct wf_http *h = arg;
    const union MHD_ConnectionInfo *info =
        h->lib.connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    size_t i = 0;

    (void)state;
    if (!info)
        return;
    pthread_mutex_lock(&h->mutex);
    if (what == MHD_CONNECTION_NOTIFY_STARTED && h->open_count < WF_COUNT(h->open)) {
        h->open[h->open_count++] =
            (struct open_connection){ .fd = info->connect_fd, .since_ms = boot_ms() };
        end_old(h, boot_ms());
    } else if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        while (i < h->open_count && h->open[i].fd != info->connect_fd)
            i++;
        if (i < h->open_count)
            memmove(&h->open[i], &h->open[i + 1], (--h->open_count - i) * sizeof *h->open);
    }
    pthread_mutex_unlock(&h->mutex);
}

// ---- answering, on libmicrohttpd's thread -----------------------------------------------------------------------------

static enum MHD_Result reply(const struct library *lib, struct MHD_Connection *c, unsigned status,
    const char *type, struct wf_bytes text)
{
    struct MHD_Response *r =
        lib->response_from_buffer(text.len, (void *)(uintptr_t)text.ptr, MHD_RESPMEM_MUST_COPY);

    if (!r)
        return MHD_NO;
    enum MHD_Result result = lib->add_header(r, "Content-Type", type);
    if (result == MHD_YES)
        result = lib->add_header(r, "Connection", "close");
    if (result == MHD_YES)
        result = lib->queue_response(c, status, r);
    lib->destroy_response(r);
    return result;
}

static enum MHD_Result reply_text(
    const struct library *lib, struct MHD_Connection *c, unsigned status, const char *text)
{
    return reply(lib, c, status, "text/plain; charset=utf-8", wf_bytes_str(text));
}

// libmicrohttpd's signature. NOLINTNEXTLINE(readability-function-size)
static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
    const char *method, const char *version, const char *data, size_t *data_size, void **state)
{
    struct wf_http *h = arg;
    enum MHD_Result result = MHD_NO;

    (void)version;
    (void)data;
    (void)data_size;
    (void)state;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return reply_text(&h->lib, c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    pthread_mutex_lock(&h->mutex);
    bool alive = boot_ms() - h->rendered_ms < STALL_MS;
    if (strcmp(url, "/healthz") == 0)
        result = alive ? reply_text(&h->lib, c, MHD_HTTP_OK, "ok\n")
                       : reply_text(
                             &h->lib, c, MHD_HTTP_SERVICE_UNAVAILABLE, "the loop does not turn\n");
    else if (strcmp(url, "/readyz") == 0)
        result = alive && h->ready
                     ? reply_text(&h->lib, c, MHD_HTTP_OK, "ok\n")
                     : reply_text(&h->lib, c, MHD_HTTP_SERVICE_UNAVAILABLE, h->not_ready);
    else if (strcmp(url, "/metrics") == 0)
        result = reply(&h->lib, c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
            wf_buf_view(&h->metrics));
    else
        result = reply_text(
            &h->lib, c, MHD_HTTP_NOT_FOUND, "there are /healthz, /readyz and /metrics\n");
    pthread_mutex_unlock(&h->mutex);
    return result;
}

// ---- rendering, on the loop thread -------------------------------------------------------------------------------------

static void put_queues(const struct wf_node *n, struct wf_metrics *m)
{
    static const struct {
        enum wf_metric which;
        size_t at; // of a uint64_t
    } rows[] = {
        { WF_METRIC_QUEUE_ITEMS, offsetof(struct wf_queue, items) },
        { WF_METRIC_QUEUE_BYTES, offsetof(struct wf_queue, bytes) },
        { WF_METRIC_QUEUE_MAX_ITEMS, offsetof(struct wf_queue, max_items) },
        { WF_METRIC_QUEUE_MAX_BYTES, offsetof(struct wf_queue, max_bytes) },
        { WF_METRIC_QUEUE_DROPPED, offsetof(struct wf_queue, dropped) },
    };
    struct wf_queues all;

    wf_queues_of(n, n->is_agent ? wf_rooms_agent : wf_rooms_node, &all);
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        wf_metric_head(m, rows[i].which);
        for (size_t k = 0; k < all.count; k++) {
            uint64_t v = 0;
            memcpy(&v, (const uint8_t *)&all.of[k] + rows[i].at, sizeof v);
            wf_metric_of(m, rows[i].which, (double)v, "queue=\"%s\"", all.of[k].name);
        }
    }
}

static void own_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    int64_t behind = wf_node_now_unix_ms(n) - wf_loop_now_unix_ms(n->loop);
    size_t alarms = 0;

    for (const struct wf_alarm *a = n->core->alarms; a; a = a->next)
        alarms++;
    wf_metric_head(m, WF_METRIC_INFO);
    wf_metric_of(m, WF_METRIC_INFO, 1,
        "version=\"" WEFT_VERSION "\",role=\"%s\",domain=\"%s\",subject=\"%s\"",
        n->is_agent ? "agent" : "node", n->has_certificate ? n->identity.cert.domain.s : "",
        n->has_certificate ? n->identity.cert.subject.s : "");
    wf_metric(m, WF_METRIC_START, (double)n->started_unix_ms / 1000);
    wf_metric(m, WF_METRIC_ALARMS, (double)alarms);
    wf_metric(m, WF_METRIC_CERTIFICATE,
        n->has_certificate ? (double)n->identity.cert.not_after_ms / 1000 : 0);
    wf_metric(m, WF_METRIC_CLOCK_BEHIND, (double)behind / 1000);
    wf_metric(m, WF_METRIC_FDS, n->core->files.open);
    wf_metric(m, WF_METRIC_MAX_FDS, n->core->files.max);
    put_queues(n, m);
}

static void http_tick(struct wf_node *n)
{
    struct wf_http *h = n->http;
    struct wf_buf text = { 0 };
    const struct wf_room *const *rooms = n->is_agent ? wf_rooms_agent : wf_rooms_node;

    if (!h->daemon)
        return;
    struct wf_metrics m = { .out = &text };
    own_metrics(n, &m);
    wf_log_metrics(n->log, &m);
    for (size_t i = 0; rooms[i]; i++)
        if (rooms[i]->metrics)
            rooms[i]->metrics(n, &m);
    enum weft_err err = m.err;
    pthread_mutex_lock(&h->mutex);
    h->rendered_ms = boot_ms();
    end_old(h, h->rendered_ms);
    h->ready = n->has_certificate && !n->draining && !err;
    snprintf(h->not_ready, sizeof h->not_ready, "%s\n",
        n->draining           ? "stopping"
        : !n->has_certificate ? "no certificate yet"
        : err                 ? weft_err_text(err)
                              : "starting");
    struct wf_buf old = err ? text : h->metrics; // a part of them would look like all
    if (!err)
        h->metrics = text;
    pthread_mutex_unlock(&h->mutex);
    wf_buf_fini(&old);
}

// ---- life ------------------------------------------------------------------------------------------------------------

static enum weft_err http_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_http *h = calloc(1, sizeof *h);

    (void)diag;
    if (!h)
        return WEFT_E_NOMEM;
    pthread_mutex_init(&h->mutex, NULL);
    h->rendered_ms = boot_ms();
    snprintf(h->not_ready, sizeof h->not_ready, "starting\n");
    n->http = h;
    return WEFT_OK;
}

static enum weft_err http_start(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_http *h = n->http;
    const struct wf_address *a = &n->conf->http;
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(a->port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port) };
    // Not select: its descriptors end at 1,024, and a node with that many agents has none below left.
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC;
    const struct sockaddr *addr = (const struct sockaddr *)&v4;

    if (!a->host[0])
        return WEFT_OK;
    if (inet_pton(AF_INET, strcmp(a->host, "localhost") == 0 ? "127.0.0.1" : a->host,
            &v4.sin_addr) != 1) {
        if (inet_pton(AF_INET6, a->host, &v6.sin6_addr) != 1) {
            wf_diag_set(diag, 0, 0, "http: %s: write a numeric loopback address", a->host);
            return WEFT_E_CONFIG;
        }
        flags |= MHD_USE_IPv6;
        addr = (const struct sockaddr *)&v6;
    }
    enum weft_err err = load_library(&h->lib, diag);
    if (err)
        return err;
    h->daemon = h->lib.start_daemon(flags, a->port, NULL, NULL, answer, h, MHD_OPTION_SOCK_ADDR,
        addr, MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS + HTTP_CLOSING,
        MHD_OPTION_CONNECTION_TIMEOUT, HTTP_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_MEMORY, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_END);
    if (!h->daemon) {
        wf_diag_set(diag, 0, 0, "%s:%u: %s", a->host, a->port,
            errno == EADDRINUSE ? weft_err_text(WEFT_E_IN_USE) : strerror(errno));
        return errno == EADDRINUSE ? WEFT_E_IN_USE : WEFT_E_IO;
    }
    http_tick(n);
    return WEFT_OK;
}

static void http_close(struct wf_node *n)
{
    struct wf_http *h = n->http;

    if (!h)
        return;
    if (h->daemon)
        h->lib.stop_daemon(h->daemon);
    pthread_mutex_destroy(&h->mutex);
    wf_buf_fini(&h->metrics);
    free(h);
    n->http = NULL;
}

const struct wf_room wf_http_room = {
    .name = "http", .open = http_open, .start = http_start, .tick = http_tick, .close = http_close
};

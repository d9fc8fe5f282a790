// SPDX-License-Identifier: Apache-2.0
// The only door to libcurl. See post.h.
#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/common/hush.h"
#include "domains/monitoring/common/post.h"

#define TOTAL_MS   10000L
#define CONNECT_MS 5000L

#define MOST_FDS   4200u // of a wait
#define SAID       1024u // of an answer: enough to know a credential that WF_POST_WHY would cut

struct wf_post {
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers; // of the request at hand
    char error[CURL_ERROR_SIZE];
    char said[SAID]; // how the answer began
    size_t said_len;
    const char *secrets[2]; // of the request at hand, borrowed as all of it is
    struct curl_waitfd *fds;
};

static size_t keep_some(char *data, size_t size, size_t count, void *arg)
{
    struct wf_post *p = arg;
    size_t len = size * count, room = sizeof p->said - p->said_len;

    memcpy(p->said + p->said_len, data, len < room ? len : room);
    p->said_len += len < room ? len : room;
    return len;
}

// Bytes of somebody else's, for a terminal, and without what is ours to keep.
static void clean_said(struct wf_post *p, struct wf_post_answer *ret)
{
    ret->repeats = wf_hush(p->said, p->said_len, p->secrets, 2, p->said_len == sizeof p->said);
    for (size_t i = 0; i < p->said_len; i++)
        if (p->said[i] < ' ' || p->said[i] > '~')
            p->said[i] = ' ';
    while (p->said_len && p->said[p->said_len - 1] == ' ')
        p->said_len--;
}

struct wf_post *wf_post_new(void)
{
    struct wf_post *p = calloc(1, sizeof *p);

    if (!p || curl_global_init(CURL_GLOBAL_DEFAULT)) {
        free(p);
        return NULL;
    }
    p->multi = curl_multi_init();
    if (p->multi)
        return p;
    wf_post_free(p);
    return NULL;
}

static void end(struct wf_post *p)
{
    if (!p->easy)
        return;
    curl_multi_remove_handle(p->multi, p->easy);
    curl_easy_cleanup(p->easy);
    p->easy = NULL;
    curl_slist_free_all(p->headers);
    p->headers = NULL;
}

void wf_post_free(struct wf_post *p)
{
    if (!p)
        return;
    end(p);
    curl_multi_cleanup(p->multi);
    curl_global_cleanup();
    free(p->fds);
    free(p);
}

// 7.85 has names for protocols; what is older has bits.
static CURLcode limit_protocols(CURL *e)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    return curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static CURLcode set_headers(struct wf_post *p, const struct wf_post_request *r)
{
    static const char *const plain[] = { "Content-Type: application/json", NULL };
    const char *const *from = r->headers[0] ? r->headers : plain;
    // Without it libcurl waits for leave to send what is large.
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (size_t i = 0; list && i < WF_POST_HEADERS && from[i]; i++) {
        struct curl_slist *more = curl_slist_append(list, from[i]);
        if (!more)
            curl_slist_free_all(list);
        list = more;
    }
    p->headers = list;
    return list ? curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, list) : CURLE_OUT_OF_MEMORY;
}

static CURLcode set_credentials(CURL *e, const struct wf_post_request *r)
{
    CURLcode rc = CURLE_OK;

    if (r->ca_file)
        rc = curl_easy_setopt(e, CURLOPT_CAINFO, r->ca_file);
    if (!rc && r->user) {
        rc = curl_easy_setopt(e, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        rc = rc ? rc : curl_easy_setopt(e, CURLOPT_USERNAME, r->user);
        rc = rc ? rc : curl_easy_setopt(e, CURLOPT_PASSWORD, r->password);
    }
    if (!rc && r->bearer) {
        rc = curl_easy_setopt(e, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        rc = rc ? rc : curl_easy_setopt(e, CURLOPT_XOAUTH2_BEARER, r->bearer);
    }
    return rc;
}

static CURLcode set_options(struct wf_post *p, const struct wf_post_request *r)
{
    CURL *e = p->easy;
    long total_ms = r->timeout_ms ? r->timeout_ms : TOTAL_MS;
    CURLcode rc = curl_easy_setopt(e, CURLOPT_URL, r->url);

    rc = rc ? rc : limit_protocols(e);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->len);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_POSTFIELDS, r->body);
    rc = rc ? rc : set_headers(p, r);
    rc = rc ? rc : set_credentials(e, r);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_USERAGENT, "weft-monitor/" WEFT_VERSION);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, keep_some);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_WRITEDATA, p);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_ERRORBUFFER, p->error);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, total_ms);
    return rc ? rc : curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
}

bool wf_post_start(struct wf_post *p, const struct wf_post_request *r, char *ret_why, size_t size)
{
    end(p);
    p->error[0] = '\0';
    p->said_len = 0;
    p->secrets[0] = r->password;
    p->secrets[1] = r->bearer;
    p->easy = curl_easy_init();
    CURLcode rc = p->easy ? set_options(p, r) : CURLE_OUT_OF_MEMORY;
    if (!rc && curl_multi_add_handle(p->multi, p->easy))
        rc = CURLE_OUT_OF_MEMORY;
    if (!rc)
        return true;
    snprintf(ret_why, size, "%s", p->error[0] ? p->error : curl_easy_strerror(rc));
    end(p);
    return false;
}

static void fill(struct wf_post *p, CURLcode result, struct wf_post_answer *ret)
{
    curl_off_t wait_s = 0;

    *ret = (struct wf_post_answer){ 0 };
    if (result) {
        snprintf(
            ret->why, sizeof ret->why, "%s", p->error[0] ? p->error : curl_easy_strerror(result));
        return;
    }
    curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &ret->status);
    if (curl_easy_getinfo(p->easy, CURLINFO_RETRY_AFTER, &wait_s) == CURLE_OK)
        ret->retry_after_s = wait_s > 86400 ? 86400 : (long)wait_s;
    clean_said(p, ret);
    snprintf(ret->why, sizeof ret->why, "HTTP %ld%s%.*s", ret->status, p->said_len ? ": " : "",
        (int)p->said_len, p->said);
}

int wf_post_poll(struct wf_post *p, struct wf_post_answer *ret)
{
    int running = 0, left = 0;
    CURLMcode rc = curl_multi_perform(p->multi, &running);
    const CURLMsg *m = rc || running ? NULL : curl_multi_info_read(p->multi, &left);

    if (rc == CURLM_OK && !m)
        return 0;
    fill(p, rc ? CURLE_FAILED_INIT : m->data.result, ret);
    end(p);
    return ret->status >= 200 && ret->status < 300 ? 1 : -1;
}

int wf_post_wait(struct wf_post *p, struct pollfd *fds, size_t count, int ms)
{
    size_t used = 0;
    int ready = 0;

    if (!p->fds)
        p->fds = calloc(MOST_FDS, sizeof *p->fds);
    if (!p->fds || count > MOST_FDS)
        return -1;
    for (size_t i = 0; i < count; i++) {
        fds[i].revents = 0;
        if (fds[i].fd >= 0) // all of them are read from
            p->fds[used++] = (struct curl_waitfd){ .fd = fds[i].fd, .events = CURL_WAIT_POLLIN };
    }
    if (curl_multi_poll(p->multi, p->fds, (unsigned)used, ms, &ready))
        return -1;
    for (size_t i = 0, at = 0; i < count; i++)
        if (fds[i].fd >= 0 && p->fds[at++].revents)
            fds[i].revents = POLLIN;
    return ready;
}

// The part of an address; NULL: it has none, or is none.
static char *part_of(const char *url, CURLUPart part)
{
    char *out = NULL;
    CURLU *u = curl_url();

    if (u && !curl_url_set(u, CURLUPART_URL, url, 0) && curl_url_get(u, part, &out, 0))
        out = NULL;
    curl_url_cleanup(u);
    return out;
}

static bool part_is(const char *url, CURLUPart part, const char *want)
{
    char *got = part_of(url, part);
    bool is = want ? got && strcmp(got, want) == 0 : !got;

    curl_free(got);
    return is;
}

bool wf_post_is_url(const char *url)
{
    return !part_is(url, CURLUPART_HOST, NULL) && part_is(url, CURLUPART_USER, NULL) &&
           part_is(url, CURLUPART_PASSWORD, NULL) &&
           (part_is(url, CURLUPART_SCHEME, "https") || part_is(url, CURLUPART_SCHEME, "http"));
}

bool wf_post_is_private(const char *url)
{
    static const char *const here[] = { "localhost", "127.0.0.1", "[::1]" };
    bool is = part_is(url, CURLUPART_SCHEME, "https");

    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        is = is || part_is(url, CURLUPART_HOST, here[i]);
    return is;
}

// SPDX-License-Identifier: Apache-2.0
// The only door to libcurl. See post.h.
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "domains/monitoring/alert/post.h"

#define TOTAL_MS   10000L
#define CONNECT_MS 5000L

struct wf_post {
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
};

static size_t leave(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

struct wf_post *wf_post_new(void)
{
    struct wf_post *p = calloc(1, sizeof *p);

    if (!p || curl_global_init(CURL_GLOBAL_DEFAULT)) {
        free(p);
        return NULL;
    }
    p->multi = curl_multi_init();
    p->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (p->multi && p->headers)
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
}

void wf_post_free(struct wf_post *p)
{
    if (!p)
        return;
    end(p);
    curl_multi_cleanup(p->multi);
    curl_slist_free_all(p->headers);
    curl_global_cleanup();
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

static CURLcode set_options(struct wf_post *p, const char *url, const char *text, size_t len)
{
    CURL *e = p->easy;
    CURLcode rc = curl_easy_setopt(e, CURLOPT_URL, url);

    rc = rc ? rc : limit_protocols(e);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_POSTFIELDS, text);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_HTTPHEADER, p->headers);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_USERAGENT, "weft-monitor/" WEFT_VERSION);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, leave);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_ERRORBUFFER, p->error);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    rc = rc ? rc : curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, TOTAL_MS);
    return rc ? rc : curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
}

bool wf_post_start(
    struct wf_post *p, const char *url, const char *text, size_t len, char *ret_why, size_t size)
{
    end(p);
    p->error[0] = '\0';
    p->easy = curl_easy_init();
    CURLcode rc = p->easy ? set_options(p, url, text, len) : CURLE_OUT_OF_MEMORY;
    if (!rc && curl_multi_add_handle(p->multi, p->easy))
        rc = CURLE_OUT_OF_MEMORY;
    if (!rc)
        return true;
    snprintf(ret_why, size, "%s", p->error[0] ? p->error : curl_easy_strerror(rc));
    if (p->easy)
        curl_easy_cleanup(p->easy);
    p->easy = NULL;
    return false;
}

int wf_post_poll(struct wf_post *p, char *ret_why, size_t size)
{
    int running = 0, left = 0;
    long status = 0;
    CURLMcode rc = curl_multi_perform(p->multi, &running);
    const CURLMsg *m = rc || running ? NULL : curl_multi_info_read(p->multi, &left);

    if (rc == CURLM_OK && !m)
        return 0;
    CURLcode result = rc ? CURLE_FAILED_INIT : m->data.result;
    if (!result)
        curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
    if (result)
        snprintf(ret_why, size, "%s", p->error[0] ? p->error : curl_easy_strerror(result));
    else
        snprintf(ret_why, size, "HTTP %ld", status);
    end(p);
    return !result && status >= 200 && status < 300 ? 1 : -1;
}

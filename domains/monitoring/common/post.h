// SPDX-License-Identifier: Apache-2.0
// One HTTP POST at a time, without waiting. Owns the connection. http and https alone, certificates verified, no redirect followed, of the answer
// the beginning kept. Thread rule: one owner; the first one of a process is made before others.
#ifndef WF_MONITORING_POST_H
#define WF_MONITORING_POST_H

#include <stdbool.h>
#include <stddef.h>

#define WF_POST_WHY     160u // what of an answer is told
#define WF_POST_HEADERS 8u

struct wf_post_request { // all lives until the answer
    const char *url;
    const void *body;
    size_t len;
    const char *headers[WF_POST_HEADERS]; // "Name: value", ends with NULL; none: JSON is sent
    const char *user, *password;          // NULL: none
    const char *bearer;                   // NULL: none
    const char *ca_file;                  // NULL: the system's
    long timeout_ms;                      // 0: ten seconds
};
struct wf_post_answer {
    long status;        // of HTTP; 0: there was no answer
    long retry_after_s; // what it asked for; 0: nothing
    char why
        [WF_POST_WHY]; // the status and how the answer began, or why there was none; never a credential of ours
    bool repeats; // it had our credentials in it, so it is about them
};

struct pollfd;
struct wf_post;
struct wf_post *wf_post_new(void); // NULL without memory
void wf_post_free(struct wf_post *p);
// False with a text about why not.
bool wf_post_start(struct wf_post *p, const struct wf_post_request *r, char *ret_why, size_t size);
// 0: not yet; 1: taken (2xx); -1: not.
int wf_post_poll(struct wf_post *p, struct wf_post_answer *ret);
// poll(2) over other descriptors that ends when the answer moves, too.
int wf_post_wait(struct wf_post *p, struct pollfd *fds, size_t count, int ms);
// An http or https address with a host and without a name or password.
bool wf_post_is_url(const char *url);
// The address is https, or http on this host: credentials may go there.
bool wf_post_is_private(const char *url);

#endif

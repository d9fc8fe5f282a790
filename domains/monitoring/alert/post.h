// SPDX-License-Identifier: Apache-2.0
// One HTTP POST at a time, without waiting. Owns the connection. http and https alone, certificates verified, no redirect followed, the answer not
// kept; ten seconds. Thread rule: one owner; the first one of a process is made before others.
#ifndef WF_MONITORING_POST_H
#define WF_MONITORING_POST_H

#include <stdbool.h>
#include <stddef.h>

struct wf_post;
struct wf_post *wf_post_new(void); // NULL without memory
void wf_post_free(struct wf_post *p);
// The text lives until the answer. False with a text about why not.
bool wf_post_start(
    struct wf_post *p, const char *url, const char *text, size_t len, char *ret_why, size_t size);
// 0: not yet; 1: taken (2xx); -1 with a text: not.
int wf_post_poll(struct wf_post *p, char *ret_why, size_t size);

#endif

// SPDX-License-Identifier: Apache-2.0
// Which alerts a silence is about: `rule=disk-* host=web-[12] severity!=critical`. All words have to hold; values are shell patterns.
// Owns nothing: a plain value. Thread rule: pure functions.
#ifndef WF_MONITORING_MATCH_H
#define WF_MONITORING_MATCH_H

#include "domains/monitoring/speed/labels.h"

#define WF_MATCH_WORDS 16u
#define WF_MATCH_TEXT  512u

struct wf_matcher {
    char text[WF_MATCH_TEXT]; // as written; words are read from it
};

// False with a text about what is wrong. No word would match everything, and is refused.
bool wf_matcher_read(const char *text, struct wf_matcher *ret, char *ret_why, size_t size);
// `rule`, `severity`, `product` and `id` of an alert are names beside its labels.
typedef const char *(*wf_match_value_fn)(const void *arg, const char *name);
bool wf_matcher_holds(const struct wf_matcher *m, wf_match_value_fn get, const void *arg);

#endif

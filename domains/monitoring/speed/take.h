// SPDX-License-Identifier: Apache-2.0
// Which rules of products the monitor takes, and what it changes in them: the key `take` of weft-rules(5). A product's rules count when a pattern
// fits it; the first that fits decides. Owns its texts. Thread rule: immutable once read, shared freely.
#ifndef WF_MONITORING_TAKE_H
#define WF_MONITORING_TAKE_H

#include "domains/monitoring/speed/rules.h"

#define WF_TAKE_PATTERNS 64u
#define WF_TAKE_NAMES    32u

struct wf_take_change {
    const char *name; // a shell pattern over names of rules
    bool has_severity;
    enum wf_severity severity;
    int64_t for_ms; // -1: as it is
};

struct wf_take_item {
    const char *pattern; // over DOMAIN/NAME
    const char *only[WF_TAKE_NAMES], *except[WF_TAKE_NAMES];
    size_t only_count, except_count;
    struct wf_take_change changes[WF_TAKE_NAMES];
    size_t change_count;
    const char
        *with[WF_TAKE_NAMES]; // inventories of the same domain that rules which are SQL may read
    size_t with_count;
};

// What was not done as it was said; both "" or NULL: all was.
struct wf_take_left {
    const char *unknown;          // the first name or pattern of the choice that is no rule's
    const char *rule, *inventory; // the first rule left out as it reads what it is not given
};

struct wf_take {
    struct wf_pool pool;
    struct wf_take_item items[WF_TAKE_PATTERNS];
    size_t count;
};

// Mistakes are added to the file's; NULL without memory. Release with wf_take_free.
struct wf_take *wf_take_read(struct weft_conf *c);
void wf_take_free(struct wf_take *t);
// What decides about a product's rules; NULL: they are not taken.
const struct wf_take_item *wf_take_find(const struct wf_take *t, const char *product);
// Leaves out and changes what the item says, and leaves out what reads more than it is given.
void wf_take_apply(
    const struct wf_take_item *item, struct wf_rules *rules, struct wf_take_left *ret_left);

#endif

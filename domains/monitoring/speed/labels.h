// SPDX-License-Identifier: Apache-2.0
// The labels of a series or an alert: names and values in order of names, packed into one text. Equal sets have equal bytes.
// Owns nothing but itself: a plain value. Thread rule: pure functions.
#ifndef WF_MONITORING_LABELS_H
#define WF_MONITORING_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WF_LABELS_TEXT 2048u // all names and values of one set, with their NULs
#define WF_LABEL_VALUE 256u  // of one; a longer one is cut and told apart by a sum of the whole

struct wf_labels {
    size_t count, len;
    char text[WF_LABELS_TEXT]; // NAME NUL VALUE NUL ...
};

void wf_labels_init(struct wf_labels *l);
// Sets a label at its place; one of the name is replaced. False when there is no room.
bool wf_labels_set(struct wf_labels *l, const char *name, const char *value, size_t len);
// The value, or NULL.
const char *wf_labels_get(const struct wf_labels *l, const char *name);
// Goes through them: at 0 at first; false behind the last.
bool wf_labels_next(
    const struct wf_labels *l, size_t *at, const char **ret_name, const char **ret_value);
bool wf_labels_eq(const struct wf_labels *a, const struct wf_labels *b);
// From packed bytes of a store. False when they are not what set makes.
bool wf_labels_unpack(const void *bytes, size_t len, struct wf_labels *ret);
// FNV-1a, 64 bits; `seed`: of what goes before, 0 to begin.
uint64_t wf_sum(uint64_t seed, const void *bytes, size_t len);
// {a="b", c="d"} with quotes and backslashes escaped, cut to the room.
void wf_labels_print(const struct wf_labels *l, char *out, size_t size);

#endif

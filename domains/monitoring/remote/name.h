// SPDX-License-Identifier: Apache-2.0
// Names in Prometheus' sense: PRODUCT_FIELD with the unit in words behind it and _total behind a counter, and labels. Owns nothing.
// Invariant: a name made here is one of a metric ([a-zA-Z_][a-zA-Z0-9_]*) or of a label, and never begins with "__".
// Thread rule: pure functions.
#ifndef WF_MONITORING_REMOTE_NAME_H
#define WF_MONITORING_REMOTE_NAME_H

#include <weft/weft.h>

#define WF_REMOTE_NAME 256u // with its NUL

// "filesystems", used_ratio "1" -> filesystems_used_ratio; "cpu", counter user "s" -> cpu_user_seconds_total. `product`: without its domain.
void wf_remote_metric(const char *product, const struct weft_field *f, char ret[WF_REMOTE_NAME]);
// A field as a label; those that every series has (domain, product, origin) and job and instance get "exported_" before them.
void wf_remote_label(const char *field, char ret[WF_REMOTE_NAME]);
// The nth choice for a name that another field of the product has: NAME, NAME_2, NAME_3.
void wf_remote_numbered(const char *name, unsigned nth, char ret[WF_REMOTE_NAME]);

#endif

// SPDX-License-Identifier: Apache-2.0
// May the new schema read what was written under the old one, and the other way round, within one major version? Pure.
#ifndef WF_SCHEMA_COMPAT_H
#define WF_SCHEMA_COMPAT_H

#include "proto/schema/schema.h"

// Every field number that both have keeps type, label and JSON name; no message or method in use goes away. INCOMPATIBLE with
// "weft.example.Disk.used_bytes: was int64, is string" in diag.
WF_MUST_USE enum weft_err wf_schema_compatible(
    const struct wf_schema *was, const struct wf_schema *is, struct wf_diag *diag);

#endif

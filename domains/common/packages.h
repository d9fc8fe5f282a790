// SPDX-License-Identifier: Apache-2.0
// The two package lists as rows of weft.common.v1.Package. Pure: text in, rows out. Invariant: a damaged stanza or line
// costs its own row and no other.
#ifndef WF_COMMON_PACKAGES_H
#define WF_COMMON_PACKAGES_H

#include "domains/common/out.h"

// dpkg's status file.
WEFT_MUST_USE enum weft_err wf_packages_dpkg(struct wf_out *out, struct wf_text status);
// What `rpm -qa --qf wf_rpm_format` prints.
extern const char wf_rpm_format[];
WEFT_MUST_USE enum weft_err wf_packages_rpm(struct wf_out *out, struct wf_text list);

#endif

// SPDX-License-Identifier: Apache-2.0
// The two package lists as rows of weft.common.v1.Package. Pure: text in, rows out. Invariant: a damaged stanza or line
// costs its own row and no other.
#ifndef WF_COMMON_PACKAGES_H
#define WF_COMMON_PACKAGES_H

#include "domains/common/out.h"

// dpkg's status file.
WEFT_MUST_USE enum weft_err wf_packages_dpkg(struct wf_out *out, struct wf_text status);
// What `rpm -qa --qf WF_RPM_FORMAT` prints.
#define WF_RPM_FORMAT                                                                              \
    "%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{LONGSIZE}\\t%{SOURCERPM}"   \
    "\\n"
WEFT_MUST_USE enum weft_err wf_packages_rpm(struct wf_out *out, struct wf_text list);

#endif

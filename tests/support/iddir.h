// SPDX-License-Identifier: Apache-2.0
// The identity directory of node-1 of a domain of the sample mesh, on the real disk. Aborts on errors of its own. Needs weft_sdk.
#ifndef WF_TESTS_IDDIR_H
#define WF_TESTS_IDDIR_H

#include "sdk/identity.h"
#include "tests/support/trust_mesh.h"

// Keys, mesh, charter and chain of mesh->d[domain], written and loaded; the caller frees it.
struct wf_identity_dir *wf_test_identity_dir(
    const struct wf_test_mesh *mesh, int domain, const char *dir, int64_t now_unix_ms);

#endif

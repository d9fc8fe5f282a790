// SPDX-License-Identifier: Apache-2.0
#include "tests/support/iddir.h"

struct wf_identity_dir *wf_test_identity_dir(
    const struct wf_test_mesh *mesh, int domain, const char *dir, int64_t now_unix_ms)
{
    const struct wf_test_domain *d = &mesh->d[domain];
    struct wf_keys keys = {
        .sign = d->node, .dh = d->node_dh, .sign_pub = d->node_pub, .dh_pub = d->node_dh_pub
    };
    struct wf_identity_dir *id = NULL;
    struct wf_diag diag = { 0 };

    wf_test_must(wf_identity_create(dir, &keys, &diag));
    wf_test_must(wf_identity_load(dir, now_unix_ms, &id, &diag));
    wf_test_must(wf_identity_set_mesh(id, &mesh->charter->mesh_id, &diag));
    wf_test_must(wf_identity_add_charter(id, wf_buf_view(&mesh->charter->raw), &diag));
    wf_test_must(wf_identity_set_chain(id, wf_buf_view(&d->node_chain), now_unix_ms, &diag));
    return id;
}

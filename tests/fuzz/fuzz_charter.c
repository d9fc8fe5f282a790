// SPDX-License-Identifier: Apache-2.0
// Charters, as they come, and as a body that one key signed. What reads has a majority for its quorum and one member a key.
#include <stdlib.h>

#include "tests/support/trust_mesh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wf_test_mesh mesh;

static void check(const struct wf_charter *c)
{
    if (2 * (uint64_t)c->quorum <= c->member_count || c->quorum > c->member_count)
        abort();
    for (size_t i = 0; i < c->member_count; i++)
        if (wf_charter_member(c, c->members[i].name.s) != &c->members[i] ||
            wf_charter_member_by_root(c, &c->members[i].root_key) != &c->members[i])
            abort();
}

static void each_way(struct wf_bytes raw)
{
    struct wf_charter *c = NULL, *next = NULL;

    if (wf_charter_read(raw, &c) == WEFT_OK)
        check(c);
    if (wf_charter_open_next(raw, mesh.charter, &next) == WEFT_OK &&
        (next->version != 2 || wf_charter_signed_count(mesh.charter, raw, NULL) < 2))
        abort();
    wf_charter_free(next);
    next = NULL;
    if (wf_charter_open_genesis(raw, NULL, &next) == WEFT_OK &&
        wf_charter_signed_count(next, raw, NULL) != next->member_count)
        abort();
    wf_charter_free(next);
    wf_charter_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_bytes in = wf_bytes(data, size);
    struct wf_buf envelope = { 0 };
    struct wf_charter *c = NULL;

    if (!mesh.charter)
        wf_test_mesh_init(&mesh);
    each_way(in);
    if (wf_envelope_seal(WF_DOC_CHARTER, in, &mesh.d[0].root, &envelope) == WEFT_OK) {
        each_way(wf_buf_view(&envelope));
        if (wf_charter_read(wf_buf_view(&envelope), &c) == WEFT_OK) {
            struct wf_buf body = { 0 };
            // The policy may be absent or empty; otherwise what reads builds to the same body.
            if (wf_charter_body(c, &body))
                abort();
            wf_buf_fini(&body);
        }
        wf_charter_free(c);
    }
    wf_buf_fini(&envelope);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// What a peer hands to the registry: the first byte says as which kind of document the rest is learned; as a proof it is also checked
// directly. Whatever is admitted must be found again, and the roots must follow.
#include <stdlib.h>

#include "registry/proof.h"
#include "tests/support/trust_mesh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wf_test_mesh mesh;
    struct wf_store *store = NULL;
    struct wf_catalog *catalog = NULL;
    struct wf_name node;
    struct wf_known about;
    enum wf_learned learned;

    if (!mesh.charter) {
        if (wf_crypto_init())
            abort();
        wf_test_mesh_init(&mesh);
    }
    if (size == 0)
        return 0;
    if (wf_store_mem_new(&store) ||
        wf_catalog_new(store, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL, &catalog))
        abort();
    struct wf_bytes raw = wf_bytes(data + 1, size - 1);
    enum wf_entry_kind kind = (enum wf_entry_kind)(data[0] % 8);
    if (!wf_catalog_learn(catalog, kind, raw, mesh.charter, WF_TEST_NOW, &learned)) {
        const struct wf_known *k = wf_catalog_next(catalog, NULL);
        if (!k || wf_catalog_by_id(catalog, &k->id) != k)
            abort();
    }
    if (!wf_proof_check(raw, mesh.charter, WF_TEST_NOW, &about, &node) &&
        about.kind == WF_ENTRY_PROOF)
        abort(); // a proof about a proof proves nothing
    wf_catalog_free(catalog);
    wf_store_free(store);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Certificates and chains, as they come, and as a body under a good signature; what opens issues to the same envelope.
#include <stdlib.h>

#include "tests/support/trust_mesh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wf_test_mesh mesh;

static void as_body(struct wf_bytes body)
{
    const struct wf_secret *issuer = &mesh.d[WF_TEST_SERVERS].issuer;
    struct wf_buf envelope = { 0 }, again = { 0 }, chain = { 0 };
    struct wf_cert c;
    struct wf_identity id;

    if (wf_envelope_seal(WF_DOC_CERTIFICATE, body, issuer, &envelope))
        return;
    if (wf_cert_open(wf_buf_view(&envelope), &c) == WEFT_OK) {
        struct wf_bytes both[] = { wf_buf_view(&envelope),
            wf_buf_view(&mesh.d[WF_TEST_SERVERS].issuer_cert) };
        if (wf_cert_issue(&c, issuer, &again) ||
            !wf_bytes_eq(wf_buf_view(&again), wf_buf_view(&envelope)))
            abort();
        if (wf_chain_pack(both, 2, &chain))
            abort();
        // Whatever a domain's issuer certifies, it is of that domain and no issuer.
        if (wf_chain_verify(wf_buf_view(&chain), mesh.charter, WF_TEST_NOW, 0, &id) == WEFT_OK &&
            (!wf_name_eq(&id.cert.domain, &id.issuer.domain) || id.cert.kind == WF_ID_ISSUER))
            abort();
    }
    wf_buf_fini(&envelope);
    wf_buf_fini(&again);
    wf_buf_fini(&chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_bytes in = wf_bytes(data, size);
    struct wf_cert c;
    struct wf_identity id;

    if (!mesh.charter)
        wf_test_mesh_init(&mesh);
    enum weft_err err = wf_cert_open(in, &c);
    if (err == WEFT_E_INTERNAL || err == WEFT_E_NOMEM)
        abort();
    err = wf_chain_verify(in, mesh.charter, WF_TEST_NOW, WF_CHAIN_ALLOW_EXPIRED, &id);
    if (err == WEFT_E_INTERNAL || err == WEFT_E_NOMEM)
        abort();
    as_body(in);
    return 0;
}

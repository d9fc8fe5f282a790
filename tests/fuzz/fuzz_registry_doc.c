// SPDX-License-Identifier: Apache-2.0
// Node adverts, product adverts, homes, manifests and revocation lists: the first byte picks the kind, the rest comes as it is and
// as a body under the right signature.
#include <stdlib.h>

#include "tests/support/trust_product.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wf_test_mesh mesh;

static void entry(struct wf_bytes raw, enum wf_entry_kind kind)
{
    struct wf_entry_doc *d = NULL;
    enum weft_err err = wf_entry_doc_open(raw, kind, mesh.charter, WF_TEST_NOW, &d);

    if (err == WEFT_E_INTERNAL || err == WEFT_E_NOMEM)
        abort();
    // What opens is of a member, in order, and not from the future.
    if (!err && (!wf_charter_member(mesh.charter, d->domain.s) || d->term > d->sequence ||
                    d->sequence > WF_TEST_NOW + WF_CLOCK_TOLERANCE_MS ||
                    d->expires_ms > (int64_t)d->sequence + WF_MAX_ENTRY_LIFE_MS))
        abort();
    wf_entry_doc_free(d);
}

static void collect(struct wf_bytes raw, const struct wf_secret *key)
{
    struct wf_collect *c = NULL;
    struct wf_buf again = { 0 };
    enum weft_err err = wf_collect_open(raw, &c);

    if (err == WEFT_E_INTERNAL || err == WEFT_E_NOMEM)
        abort();
    // A removed one may carry more than its key, and an unstated durability becomes stated; all else signs to a manifest again.
    if (!err && key && wf_collect_sign(c, key, &again))
        abort();
    if (!err)
        (void)wf_collect_selects(c, "web-1", false);
    wf_buf_fini(&again);
    wf_collect_free(c);
}

static void revocations(struct wf_bytes raw)
{
    struct wf_revocations *r = NULL;
    enum weft_err err = wf_revocations_open(raw, &r);

    if (err == WEFT_E_INTERNAL || err == WEFT_E_NOMEM)
        abort();
    for (size_t i = 0; !err && i < r->token_count; i++)
        if (!wf_revocations_has_token(r, &r->tokens[i].id))
            abort();
    if (!err)
        (void)!wf_revocations_verify(r, mesh.charter, WF_TEST_NOW);
    wf_revocations_free(r);
}

static void open_kind(struct wf_bytes raw, enum wf_doc doc, const struct wf_secret *key)
{
    if (doc == WF_DOC_MANIFEST)
        collect(raw, key);
    else if (doc == WF_DOC_REVOCATIONS)
        revocations(raw);
    else
        entry(raw, doc == WF_DOC_NODE      ? WF_ENTRY_NODE
                   : doc == WF_DOC_PRODUCT ? WF_ENTRY_PRODUCT
                                           : WF_ENTRY_HOME);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum wf_doc docs[] = { WF_DOC_NODE, WF_DOC_PRODUCT, WF_DOC_HOME, WF_DOC_MANIFEST,
        WF_DOC_REVOCATIONS };
    struct wf_buf envelope = { 0 };

    if (!mesh.charter)
        wf_test_mesh_init(&mesh);
    if (size == 0)
        return 0;
    const struct wf_test_domain *servers = &mesh.d[WF_TEST_SERVERS];
    enum wf_doc doc = docs[data[0] % WF_COUNT(docs)];
    bool issuer = doc == WF_DOC_HOME || doc == WF_DOC_REVOCATIONS;
    const struct wf_secret *key = issuer ? &servers->issuer : &servers->node;
    struct wf_bytes in = wf_bytes(data + 1, size - 1);
    open_kind(in, doc, NULL);
    if (wf_envelope_seal(doc, in, key, &envelope) == WEFT_OK)
        open_kind(wf_buf_view(&envelope), doc, key);
    wf_buf_fini(&envelope);
    return 0;
}

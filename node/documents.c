// SPDX-License-Identifier: Apache-2.0
#include "node/documents.h"

#include "proto/trust/ident.h"

enum weft_err wf_documents_take(struct wf_node *n, struct wf_bytes content, struct wf_document *ret)
{
    struct wf_bytes certs[WF_MAX_CHAIN];
    struct wf_document d = { .is_chain = false };
    size_t count = 0;

    d.is_chain = wf_chain_split(content, certs, &count) == WEFT_OK &&
                 wf_cert_open(certs[0], &d.cert) == WEFT_OK;
    if (d.is_chain)
        d.id = d.cert.id;
    else
        wf_blake2b(content, &d.id);
    enum weft_err err = wf_documents_put(n, content, &d.id);
    if (!err)
        *ret = d;
    return err;
}

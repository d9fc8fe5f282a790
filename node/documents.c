// SPDX-License-Identifier: Apache-2.0
#include "node/documents.h"

#include "proto/trust/ident.h"

enum weft_err wf_documents_take(struct wf_node *n, struct wf_bytes content, struct wf_document *ret)
{
    struct wf_bytes certs[WF_MAX_CHAIN];
    struct wf_document d = { .is_chain = false };
    size_t count = 0;

    enum weft_err err = wf_chain_split(content, certs, &count);
    if (!err)
        err = wf_cert_open(certs[0], &d.cert);
    if (err == WEFT_E_NOMEM) // nobody knows what it is
        return err;
    d.is_chain = !err;
    if (d.is_chain)
        d.id = d.cert.id;
    else
        wf_blake2b(content, &d.id);
    err = wf_documents_put(n, content, &d.id);
    if (!err)
        *ret = d;
    return err;
}

// SPDX-License-Identifier: Apache-2.0
// Documents by hash. Whoever sends one can't lie about it: the hash is checked here, so any node will do.
#include <stdlib.h>

#include "sdk/client_int.h"

struct document_op {
    struct weft_client *c;
    struct wf_link *prefer; // asked first; NULL once it was
    size_t source;
    struct wf_hash hash;
    wf_client_document_fn done;
    void *arg;
};

// The hash of plain bytes (schemas), or the id of what is signed: a chain by its subject's certificate.
static bool matches(struct wf_bytes content, const struct wf_hash *hash)
{
    struct wf_bytes certs[WF_MAX_CHAIN];
    struct wf_hash plain;
    struct wf_cert cert;
    size_t count = 0;

    wf_blake2b(content, &plain);
    if (wf_hash_eq(&plain, hash))
        return true;
    return wf_chain_split(content, certs, &count) == WEFT_OK &&
           wf_cert_open(certs[0], &cert) == WEFT_OK && wf_hash_eq(&cert.id, hash);
}

static const struct wf_client_cached *cached(
    const struct weft_client *c, const struct wf_hash *hash)
{
    for (size_t i = 0; i < WF_CLIENT_DOCUMENTS; i++)
        if (c->documents[i].content.len && wf_hash_eq(&c->documents[i].hash, hash))
            return &c->documents[i];
    return NULL;
}

static void keep(struct weft_client *c, const struct wf_hash *hash, struct wf_bytes content)
{
    struct wf_client_cached *d = &c->documents[c->next_document++ % WF_CLIENT_DOCUMENTS];

    wf_buf_fini(&d->content);
    if (wf_bytes_dup(content, &d->content) == WEFT_OK) // else it is fetched again
        d->hash = *hash;
}

static void end_op(struct document_op *o, enum weft_err err, struct wf_bytes content)
{
    wf_client_document_fn done = o->done;
    void *arg = o->arg;

    free(o);
    done(arg, err, content);
}

static void ask_next(struct document_op *o, enum weft_err last);

static void on_document(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct document_op *o = arg;
    const Weft__V1__GetReply *get = err ? NULL : reply->get;

    for (size_t i = 0; get && i < get->n_documents; i++) {
        struct wf_bytes content = wf_pb_view(get->documents[i]->content);
        if (!matches(content, &o->hash)) {
            err = WEFT_E_HASH;
            continue;
        }
        keep(o->c, &o->hash, content);
        end_op(o, WEFT_OK, content);
        return;
    }
    ask_next(o, err ? err : WEFT_E_NOT_FOUND);
}

static void ask_next(struct document_op *o, enum weft_err last)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__GetRequest get = WEFT__V1__GET_REQUEST__INIT;
    ProtobufCBinaryData hash = wf_pb_bin(wf_hash_view(&o->hash));
    struct wf_link *link = o->prefer;

    o->prefer = NULL;
    if (!link)
        link = wf_client_source(o->c, o->source++);
    if (!link) {
        end_op(o, last, wf_bytes(NULL, 0));
        return;
    }
    get.n_hashes = 1;
    get.hashes = &hash;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &get;
    wf_client_send(o->c, link, &q, 0, on_document, o);
}

void wf_client_document(struct weft_client *c, struct wf_link *prefer, const struct wf_hash *hash,
    wf_client_document_fn done, void *arg)
{
    const struct wf_client_cached *known = cached(c, hash);

    if (known) {
        done(arg, WEFT_OK, wf_buf_view(&known->content));
        return;
    }
    struct document_op *o = calloc(1, sizeof *o);
    if (!o) {
        done(arg, WEFT_E_NOMEM, wf_bytes(NULL, 0));
        return;
    }
    *o = (struct document_op){ c, prefer, 0, *hash, done, arg };
    ask_next(o, WEFT_E_UNREACHABLE);
}

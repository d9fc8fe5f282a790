// SPDX-License-Identifier: Apache-2.0
// Documents by hash. Whoever sends one can't lie about it: the hash is checked here, so any node will do.
#include <stdlib.h>

#include "proto/base/limits.h"
#include "sdk/client_int.h"

struct document { // one of an op
    struct wf_hash hash;
    void *arg;
};

struct document_op {
    struct weft_client *c;
    struct wf_link *prefer, *asked; // prefer: asked next; NULL once it was
    size_t source;
    wf_client_document_fn done;
    size_t count; // that are still wanted
    struct document wanted[];
};

// Which of them it is: by the hash of plain bytes (schemas), or by the id of what is signed: a chain by its subject's certificate.
static struct document *find(struct document_op *o, struct wf_bytes content)
{
    struct wf_bytes certs[WF_MAX_CHAIN];
    struct wf_hash plain;
    struct wf_cert cert;
    size_t count = 0;

    wf_blake2b(content, &plain);
    bool chain = wf_chain_split(content, certs, &count) == WEFT_OK &&
                 wf_cert_open(certs[0], &cert) == WEFT_OK;
    for (size_t i = 0; i < o->count; i++)
        if (wf_hash_eq(&o->wanted[i].hash, &plain) ||
            (chain && wf_hash_eq(&o->wanted[i].hash, &cert.id)))
            return &o->wanted[i];
    return NULL;
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

static void ask_next(struct document_op *o, enum weft_err last);

static void end_op(struct document_op *o, enum weft_err err)
{
    for (size_t i = 0; i < o->count; i++)
        o->done(o->wanted[i].arg, err, wf_bytes(NULL, 0));
    free(o);
}

// What came is handed over; the rest is asked for again where something came (an answer has a bound), else elsewhere.
static void on_documents(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct document_op *o = arg;
    const Weft__V1__GetReply *get = err ? NULL : reply->get;
    size_t before = o->count;

    for (size_t i = 0; get && i < get->n_documents; i++) {
        struct wf_bytes content = wf_pb_view(get->documents[i]->content);
        struct document *d = find(o, content);
        if (!d) {
            err = WEFT_E_HASH;
            continue;
        }
        struct document came = *d;
        *d = o->wanted[--o->count];
        keep(o->c, &came.hash, content);
        o->done(came.arg, WEFT_OK, content);
    }
    if (o->count == 0) {
        free(o);
        return;
    }
    if (o->count < before)
        o->prefer = o->asked;
    ask_next(o, err ? err : WEFT_E_NOT_FOUND);
}

static void ask_next(struct document_op *o, enum weft_err last)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__GetRequest get = WEFT__V1__GET_REQUEST__INIT;
    ProtobufCBinaryData hashes[WF_MAX_GET];
    struct wf_link *link = o->prefer;

    o->prefer = NULL;
    if (!link)
        link = wf_client_source(o->c, o->source++);
    if (!link) {
        end_op(o, last);
        return;
    }
    o->asked = link;
    for (size_t i = 0; i < o->count; i++)
        hashes[i] = wf_pb_bin(wf_hash_view(&o->wanted[i].hash));
    get.n_hashes = o->count;
    get.hashes = hashes;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &get;
    wf_client_send(o->c, link, &q, 0, on_documents, o);
}

void wf_client_documents(struct weft_client *c, struct wf_link *prefer,
    const struct wf_client_wanted *wanted, size_t count, wf_client_document_fn done)
{
    struct document_op *o = calloc(1, sizeof *o + count * sizeof o->wanted[0]);

    if (o)
        *o = (struct document_op){ .c = c, .prefer = prefer, .done = done };
    for (size_t i = 0; i < count; i++) {
        const struct wf_client_cached *known = cached(c, &wanted[i].hash);
        if (known || !o || o->count == WF_MAX_GET)
            done(wanted[i].arg,
                known ? WEFT_OK
                : !o  ? WEFT_E_NOMEM
                      : WEFT_E_BUSY,
                known ? wf_buf_view(&known->content) : wf_bytes(NULL, 0));
        else
            o->wanted[o->count++] = (struct document){ wanted[i].hash, wanted[i].arg };
    }
    if (o && o->count)
        ask_next(o, WEFT_E_UNREACHABLE);
    else
        free(o);
}

void wf_client_document(struct weft_client *c, struct wf_link *prefer, const struct wf_hash *hash,
    wf_client_document_fn done, void *arg)
{
    const struct wf_client_wanted one = { *hash, arg };

    wf_client_documents(c, prefer, &one, 1, done);
}

// SPDX-License-Identifier: Apache-2.0
// Digests between their typed form and the wire.
#include "node/gossip/priv.h"

void wf_gossip_put_digest(const struct wf_digest *d, Weft__V1__Digest *ret)
{
    weft__v1__digest__init(ret);
    ret->kind = (Weft__V1__EntryKind)d->kind;
    ret->domain = wf_pb_str(d->domain.s);
    ret->name = wf_pb_str(d->name.s);
    ret->term = d->term;
    ret->sequence = d->sequence;
    ret->hash = wf_pb_bin(wf_hash_view(&d->id));
    ret->expires_ms = d->expires_ms;
}

enum weft_err wf_gossip_take_digest(const Weft__V1__Digest *m, struct wf_digest *ret)
{
    struct wf_digest d = { .kind = (enum wf_entry_kind)m->kind,
        .term = m->term,
        .sequence = m->sequence,
        .expires_ms = m->expires_ms };
    enum weft_err err = wf_name_from(wf_bytes_str(m->domain), &d.domain);

    if (!err && m->name[0]) // a revocation list has none
        err = wf_name_from(wf_bytes_str(m->name), &d.name);
    if (!err)
        err = wf_hash_from(wf_pb_view(m->hash), &d.id);
    if (!err)
        *ret = d;
    return err;
}

// SPDX-License-Identifier: Apache-2.0
// What a home sent, judged without a key: form, header signature, product, the box's length, and that each entry continues the one
// before. Whose certificates the signatures are is asked afterwards (origins.c). Runs on a worker: touches only the check.
#include <stdlib.h>

#include "node/mirror/priv.h"

enum weft_err wf_mirror_check_new(
    const struct wf_mirror *m, const Weft__V1__RangeReply *r, struct wf_mirror_check **ret)
{
    struct wf_mirror_check *k = calloc(1, sizeof *k);

    if (!k)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_given_take(r, &m->head, m->linked, &k->given);
    k->entries = calloc(r->n_entries + 1, sizeof *k->entries);
    if (!err && !k->entries)
        err = WEFT_E_NOMEM;
    if (err) {
        wf_mirror_check_free(k);
        return err;
    }
    for (; k->count < k->given.count; k->count++)
        k->entries[k->count].sealed = k->given.entries[k->count];
    k->product_id = m->product_id;
    *ret = k;
    return WEFT_OK;
}

void wf_mirror_check_free(struct wf_mirror_check *k)
{
    if (!k)
        return;
    wf_given_fini(&k->given);
    free(k->entries);
    free(k);
}

static enum weft_err check_one(struct wf_mirror_check *k, struct wf_mirror_entry *to)
{
    struct wf_sealed_entry s;
    struct wf_batch_header h = { 0 };
    enum weft_err err = wf_sealed_entry_parse(to->sealed, &s);

    if (!err && !s.entry.is_reset)
        err = wf_batch_open_header(s.entry.header, &h);
    if (!err && !s.entry.is_reset && !wf_hash_eq(&h.product_id, &k->product_id))
        err = WEFT_E_PRODUCT;
    if (!err && !s.entry.is_reset)
        err = wf_sealed_entry_fits(&s, &h);
    if (!err)
        err = wf_given_next(&k->given, &k->product_id, &s.entry, s.entry.is_reset ? NULL : &h);
    if (err)
        return err;
    to->is_reset = s.entry.is_reset;
    to->offset = s.entry.offset;
    to->end = s.entry.offset + h.count;
    to->append_ms = s.entry.append_ms;
    to->certificate = h.certificate;
    to->schema = h.schema_hash;
    to->signer = h.signer;
    to->after = k->given.head;
    return WEFT_OK;
}

void wf_mirror_check_run(struct wf_mirror_check *k)
{
    for (size_t i = 0; i < k->count && !k->err; i++)
        k->err = check_one(k, &k->entries[i]);
    if (!k->err)
        wf_given_end(&k->given);
}

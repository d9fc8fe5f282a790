// SPDX-License-Identifier: Apache-2.0
// Entries that a product's old home gave to this node, judged as a reader would: form, header signature, payload, and that each continues the one
// before. Touches only the check: a worker runs it.
#include <stdlib.h>

#include "node/stream/priv.h"

void wf_copy_check_free(struct wf_copy_check *k)
{
    if (!k)
        return;
    for (size_t i = 0; k->entries && i < k->count; i++)
        wf_buf_fini(&k->entries[i].raw);
    free(k->entries);
    free(k->bytes);
    free(k);
}

enum weft_err wf_copy_check_new(
    const struct wf_home_product *p, const Weft__V1__RangeReply *r, struct wf_copy_check **ret)
{
    struct wf_copy_check *k = calloc(1, sizeof *k);
    size_t bytes = 0, at = 0;

    if (!k)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < r->n_entries; i++)
        bytes += r->entries[i].len; // within one message
    k->bytes = malloc(bytes + 1);
    k->entries = calloc(r->n_entries + 1, sizeof *k->entries);
    if (!k->bytes || !k->entries) {
        wf_copy_check_free(k);
        return WEFT_E_NOMEM;
    }
    k->product_id = p->collect->product.id;
    k->inventory = wf_home_folds(p);
    k->head = (struct wf_log_head){ p->last_log, p->head, p->head_hash };
    k->linked = !wf_hash_is_zero(&p->head_hash);
    k->next = r->next;
    enum weft_err err = WEFT_OK;
    for (size_t i = 0; i < r->n_entries && !err; i++) {
        memcpy(k->bytes + at, r->entries[i].data, r->entries[i].len);
        err = wf_entry_parse(wf_bytes(k->bytes + at, r->entries[i].len), &k->entries[i].entry);
        at += r->entries[i].len;
        k->count++;
    }
    if (err) {
        wf_copy_check_free(k);
        return err;
    }
    *ret = k;
    return WEFT_OK;
}

// What the old home lost or dropped lies between: then there is no hash to compare, and the entry lies behind what is here.
static enum weft_err follows(const struct wf_copy_check *k, const struct wf_entry *e)
{
    if (k->linked && e->offset <= k->head.next_offset)
        return wf_entry_follows(&k->head, e);
    return e->offset >= k->head.next_offset ? WEFT_OK : WEFT_E_ORDER;
}

static enum weft_err check_one(struct wf_copy_check *k, struct wf_copied *c)
{
    const struct wf_entry *e = &c->entry;
    enum weft_err err = e->is_reset ? WEFT_OK : wf_batch_open_header(e->header, &c->header);

    if (!err && !e->is_reset && !wf_hash_eq(&c->header.product_id, &k->product_id))
        err = WEFT_E_PRODUCT;
    if (!err && !e->is_reset && c->header.kind == WF_BATCH_DATA)
        err = wf_batch_open_payload(&c->header, e->payload, &c->raw);
    if (!err && !k->inventory)
        wf_buf_fini(&c->raw); // nobody looks at the records
    if (!err && !e->is_reset && e->offset > UINT64_MAX - c->header.count)
        err = WEFT_E_RANGE;
    if (!err)
        err = follows(k, e);
    if (err)
        return err;
    k->head.log_id = e->log_id;
    k->head.next_offset = e->offset + (e->is_reset ? 0 : c->header.count);
    wf_entry_hash(e, &k->product_id, e->is_reset ? NULL : &c->header.id, &k->head.hash);
    k->linked = true;
    return WEFT_OK;
}

void wf_copy_check_run(struct wf_copy_check *k)
{
    for (size_t i = 0; i < k->count && !k->err; i++)
        k->err = check_one(k, &k->entries[i]);
}

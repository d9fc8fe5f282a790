// SPDX-License-Identifier: Apache-2.0
// Entries that a product's old home gave to this node, judged as a reader would: form, header signature, payload, and that each continues the one
// before. Touches only the check: a worker runs it.
#include <stdlib.h>

#include "node/stream/takeover.h"

void wf_copy_check_free(struct wf_copy_check *k)
{
    if (!k)
        return;
    for (size_t i = 0; k->entries && i < k->count; i++)
        wf_buf_fini(&k->entries[i].raw);
    free(k->entries);
    wf_given_fini(&k->given);
    free(k);
}

enum weft_err wf_copy_check_new(
    const struct wf_home_product *p, const Weft__V1__RangeReply *r, struct wf_copy_check **ret)
{
    struct wf_log_head head = { p->last_log, p->head, p->head_hash };
    struct wf_copy_check *k = calloc(1, sizeof *k);

    if (!k)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_given_take(r, &head, !wf_hash_is_zero(&p->head_hash), &k->given);
    k->entries = calloc(r->n_entries + 1, sizeof *k->entries);
    if (!err && !k->entries)
        err = WEFT_E_NOMEM;
    k->product_id = p->collect->product.id;
    k->inventory = wf_home_folds(p);
    k->now_unix_ms = wf_node_now_unix_ms(p->room->node);
    for (size_t i = 0; !err && i < k->given.count; i++, k->count++)
        err = wf_entry_parse(k->given.entries[i], &k->entries[i].entry);
    if (err) {
        wf_copy_check_free(k);
        return err;
    }
    *ret = k;
    return WEFT_OK;
}

static enum weft_err check_one(struct wf_copy_check *k, struct wf_copied *c)
{
    const struct wf_entry *e = &c->entry;
    enum weft_err err =
        wf_incarnation_is_plausible(&e->log_id, k->now_unix_ms) ? WEFT_OK : WEFT_E_FUTURE;

    if (!err && !e->is_reset)
        err = wf_batch_open_header(e->header, &c->header);

    if (!err && !e->is_reset && !wf_hash_eq(&c->header.product_id, &k->product_id))
        err = WEFT_E_PRODUCT;
    if (!err && !e->is_reset && c->header.kind == WF_BATCH_DATA)
        err = wf_batch_open_payload(&c->header, e->payload, &c->raw);
    if (!err && !k->inventory)
        wf_buf_fini(&c->raw); // nobody looks at the records
    return err ? err : wf_given_next(&k->given, &k->product_id, e, e->is_reset ? NULL : &c->header);
}

void wf_copy_check_run(struct wf_copy_check *k)
{
    for (size_t i = 0; i < k->count && !k->err; i++)
        k->err = check_one(k, &k->entries[i]);
}

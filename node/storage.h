// SPDX-License-Identifier: Apache-2.0
// The storage key of a weftd: under it lies what is sealed at rest. Stateless; blocking reads and writes at start only.
#ifndef WF_NODE_STORAGE_H
#define WF_NODE_STORAGE_H

#include "proto/trust/product.h"

// DATA/identity/storage.key: 32 random bytes made at the first start, 0600. KEY for a file of another size, else what the disk says.
WF_MUST_USE enum weft_err wf_storage_key_load(
    const char *data, struct wf_secret *ret, struct wf_diag *diag);
// Whether records of this product are sealed at rest: those of confidential and personal ones are.
bool wf_storage_seals(const struct wf_product *p);

#endif

// SPDX-License-Identifier: Apache-2.0
// The inside of struct weft_product, shared by sdk/product_*.c and describe.c. Immutable after it was made but for the references
// and the scratch memory of the threads that read records through it, which have their own lock.
#ifndef WF_SDK_PRODUCT_INT_H
#define WF_SDK_PRODUCT_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "proto/base/arena.h"
#include "proto/schema/schema.h"
#include "sdk/client.h"

struct wf_product_scratch; // a thread's, for values that need memory

struct weft_product {
    atomic_uint refs;
    struct wf_arena arena;
    struct weft_product_info info;
    struct wf_buf descriptor; // the exact FileDescriptorSet
    struct wf_schema *schema;
    const struct wf_schema_message *message; // NULL for an api
    struct weft_field *fields;               // one for each of message->fields
    pthread_mutex_t mutex;                   // of the scratch list
    struct wf_product_scratch *scratch;
};

// What the local weftd says of a product, for those who publish or serve it. Strings stay the message's.
WF_MUST_USE enum weft_err wf_descriptor_borrow(
    const Weft__V1__ProductDescriptor *d, struct wf_product *ret);
// Fills info from an advert; strings are copied into the arena.
WF_MUST_USE enum weft_err wf_product_info_fill(const struct wf_product *p,
    const struct wf_entry_doc *advert, struct wf_arena *arena, struct weft_product_info *ret);

#endif

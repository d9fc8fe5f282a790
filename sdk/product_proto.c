// SPDX-License-Identifier: Apache-2.0
// A product's schema as .proto text: proto/schema prints it from the exact descriptor set.
#include "proto/schema/schema_proto.h"
#include "sdk/product_int.h"

enum weft_err weft_product_proto(const struct weft_product *product, char **ret_text)
{
    struct wf_schema_proto *p = NULL;
    struct wf_buf text = { 0 };
    enum weft_err err = wf_schema_proto_open(wf_buf_view(&product->descriptor), &p, NULL);

    if (err)
        return err;
    err = wf_schema_proto_print_all(p, &text);
    if (!err)
        err = wf_buf_end(&text);
    wf_schema_proto_close(p);
    if (err) {
        wf_buf_fini(&text);
        return err;
    }
    *ret_text = (char *)text.ptr;
    return WEFT_OK;
}

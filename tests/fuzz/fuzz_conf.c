// SPDX-License-Identifier: Apache-2.0
// Any bytes as weftd.yaml: a configuration or a list of errors, never neither and never both.
#include <stdlib.h>

#include "node/conf.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_diags diags;
    struct wf_conf *c = NULL;

    wf_diags_init(&diags, "f");
    enum weft_err err = wf_conf_parse(wf_bytes(data, size), "/etc/weft", &diags, &c);
    if (err != wf_diags_err(&diags) || (c != NULL) != (err == WEFT_OK))
        abort();
    if (c && (!wf_conf_class_of(c, "default") || !c->data || !c->socket))
        abort();
    wf_conf_free(c);
    wf_diags_fini(&diags);
    return 0;
}

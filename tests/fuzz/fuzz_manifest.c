// SPDX-License-Identifier: Apache-2.0
// Any bytes as a product manifest: a manifest or a list of errors, never neither and never both.
#include <stdlib.h>

#include "sdk/conf/manifest.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_diags diags;
    struct wf_manifest *m = NULL;

    wf_diags_init(&diags, "f");
    enum weft_err err = wf_manifest_parse(wf_bytes(data, size), "/etc/weft", &diags, &m);
    if (err != wf_diags_err(&diags) || (m != NULL) != (err == WEFT_OK))
        abort();
    if (m &&
        (!m->descriptor || m->hosts.count == 0 || !wf_name_is_valid(wf_bytes_str(m->product.name))))
        abort();
    wf_manifest_free(m);
    wf_diags_fini(&diags);
    return 0;
}

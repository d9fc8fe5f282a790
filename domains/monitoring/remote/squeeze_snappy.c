// SPDX-License-Identifier: Apache-2.0
// The only door to libsnappy. See squeeze.h.
#include <snappy-c.h>

#include "domains/monitoring/remote/squeeze.h"

bool wf_remote_squeeze(const struct wf_remote_bytes *in, struct wf_remote_bytes *out)
{
    size_t most = snappy_max_compressed_length(in->len);

    out->len = 0;
    if (!wf_remote_bytes_room(out, most))
        return false;
    if (snappy_compress((const char *)in->ptr, in->len, (char *)out->ptr, &most) != SNAPPY_OK)
        return false;
    out->len = most;
    return true;
}

// SPDX-License-Identifier: Apache-2.0
// Heartbeats, two ways: as they come, and as a body under a good signature; what opens signs to the same envelope.
#include <stdlib.h>

#include "proto/stream/heartbeat.h"
#include "proto/trust/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wf_secret key;
    struct wf_hash seed;
    struct wf_sign_pub pub;
    struct wf_heartbeat h;
    struct wf_buf envelope = { 0 }, again = { 0 };

    if (!key.ptr) {
        if (wf_crypto_init())
            abort();
        wf_blake2b(WF_STR("home"), &seed); // the key of the vectors, which are seeds here
        if (wf_sign_from_seed(wf_hash_view(&seed), &key, &pub))
            abort();
    }
    enum weft_err err = wf_heartbeat_open(wf_bytes(data, size), &h);
    if (err == WEFT_E_INTERNAL || err == WEFT_E_NOMEM)
        abort();
    if (wf_envelope_seal(WF_DOC_HEARTBEAT, wf_bytes(data, size), &key, &envelope) == WEFT_OK &&
        wf_heartbeat_open(wf_buf_view(&envelope), &h) == WEFT_OK)
        if (wf_heartbeat_sign(&h, &key, &again) ||
            !wf_bytes_eq(wf_buf_view(&again), wf_buf_view(&envelope)))
            abort();
    wf_buf_fini(&envelope);
    wf_buf_fini(&again);
    return 0;
}

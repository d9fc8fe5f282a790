// SPDX-License-Identifier: Apache-2.0
// Frames, two ways: as they come, and as the text under a good seal, so that what a holder of the key could send is reached.
#include <stdlib.h>

#include "proto/stream/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t boot[WF_FRAME_BOOT];

// What opens can be sealed again, and opens to the same.
static void open_frame(
    struct wf_bytes frame, const struct wf_secret *key, const struct wf_hash *product)
{
    struct wf_buf plain = { 0 }, again = { 0 }, third = { 0 };
    struct wf_frame a, b;
    struct wf_frame_sealer s;

    if (wf_frame_open(frame, key, &plain, &a) == WEFT_OK) {
        if (wf_frame_sealer_init(&s, key, product, boot, 1) || wf_frame_seal(&s, &a, &again) ||
            wf_frame_open(wf_buf_view(&again), key, &third, &b))
            abort();
        if (a.entry_count != b.entry_count || !wf_bytes_eq(a.heartbeat, b.heartbeat))
            abort();
        for (size_t i = 0; i < a.entry_count; i++)
            if (!wf_bytes_eq(a.entries[i], b.entries[i]))
                abort();
    }
    wf_buf_fini(&plain);
    wf_buf_fini(&again);
    wf_buf_fini(&third);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wf_secret key;
    struct wf_hash product, key_bytes;
    struct wf_buf frame = { 0 };
    uint8_t head[WF_FRAME_HEAD] = { WF_FRAME_VERSION };

    if (!key.ptr) {
        if (wf_crypto_init())
            abort();
        wf_blake2b(WF_STR("epoch key"), &key_bytes); // that of the vectors, which are seeds here
        if (wf_secret_copy(wf_hash_view(&key_bytes), &key))
            abort();
    }
    wf_blake2b(WF_STR("product"), &product);
    open_frame(wf_bytes(data, size), &key, &product);
    if (wf_buf_append(&frame, WF_BYTES(head)) || wf_buf_reserve(&frame, size + WF_TAG_LEN))
        abort();
    wf_xchacha_seal(key.ptr, head + 1 + WF_FRAME_TAG_LEN, WF_BYTES(head), wf_bytes(data, size),
        frame.ptr + frame.len);
    frame.len += size + WF_TAG_LEN;
    open_frame(wf_buf_view(&frame), &key, &product);
    wf_buf_fini(&frame);
    return 0;
}

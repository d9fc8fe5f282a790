// SPDX-License-Identifier: Apache-2.0
// Sealed entries, two ways: as they come, and as the entry behind a good seal, so that what a home could send is reached.
#include <stdlib.h>

#include "proto/stream/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t nonce[WF_XNONCE_LEN];

static void check_view(struct wf_bytes view, struct wf_bytes in)
{
    if (view.len && (view.ptr < in.ptr || view.ptr + view.len > in.ptr + in.len))
        abort();
}

// What parses has its views within the input; what opens is an entry, and is sealed again.
static void open_sealed(
    struct wf_bytes in, const struct wf_secret *key, const struct wf_hash *product)
{
    struct wf_buf entry = { 0 }, again = { 0 };
    struct wf_batch_header h;
    struct wf_sealed_entry s;

    if (wf_sealed_entry_parse(in, &s))
        return;
    check_view(s.head, in);
    check_view(s.box, in);
    if (s.nonce)
        check_view(wf_bytes(s.nonce, WF_XNONCE_LEN), in);
    if (!s.entry.is_reset && wf_batch_open_header(s.entry.header, &h) == WEFT_OK)
        (void)!wf_sealed_entry_fits(&s, &h);
    if (wf_sealed_entry_open(&s, product, key, &entry) == WEFT_OK &&
        wf_sealed_entry_pack(
            wf_buf_view(&entry), product, s.epoch ? s.epoch : 1, key, nonce, &again))
        abort();
    wf_buf_fini(&entry);
    wf_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wf_secret key;
    struct wf_hash product, key_bytes;
    struct wf_buf sealed = { 0 };

    if (!key.ptr) {
        if (wf_crypto_init())
            abort();
        wf_blake2b(WF_STR("epoch key"), &key_bytes); // that of the vectors, which are seeds here
        if (wf_secret_copy(wf_hash_view(&key_bytes), &key))
            abort();
    }
    wf_blake2b(WF_STR("product"), &product);
    open_sealed(wf_bytes(data, size), &key, &product);
    if (wf_sealed_entry_pack(wf_bytes(data, size), &product, 6, &key, nonce, &sealed) == WEFT_OK)
        open_sealed(wf_buf_view(&sealed), &key, &product);
    wf_buf_fini(&sealed);
    return 0;
}

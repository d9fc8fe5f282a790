// SPDX-License-Identifier: Apache-2.0
// Batches, three ways: as {header, payload}; as a header's body under a good signature, so that what lies behind the signature
// is reached; as stored bytes under each compression, the raw length in the first four bytes.
#include <stdlib.h>

#include "proto/stream/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_batch(struct wf_bytes in)
{
    struct wf_bytes header, payload;
    struct wf_batch_header h;
    struct wf_buf again = { 0 }, raw = { 0 };

    if (wf_batch_split(in, &header, &payload) == WEFT_OK) {
        if (wf_batch_pack(header, payload, &again) || !wf_bytes_eq(wf_buf_view(&again), in))
            abort();
        if (wf_batch_open_header(header, &h) == WEFT_OK &&
            wf_batch_open_payload(&h, payload, &raw) == WEFT_OK && raw.len != h.raw_len)
            abort();
    }
    wf_buf_fini(&again);
    wf_buf_fini(&raw);
}

// What opens has fields that we would sign, to the same envelope where the payload does not enter.
static void as_body(struct wf_bytes body, const struct wf_secret *key)
{
    struct wf_batch_header h;
    struct wf_buf envelope = { 0 }, again = { 0 };
    struct wf_hash id;

    if (wf_envelope_seal(WF_DOC_BATCH, body, key, &envelope) == WEFT_OK &&
        wf_batch_open_header(wf_buf_view(&envelope), &h) == WEFT_OK && h.kind != WF_BATCH_DATA) {
        if (wf_batch_sign(&h, wf_bytes(NULL, 0), key, &again, &id))
            abort();
        if (!wf_bytes_eq(wf_buf_view(&again), wf_buf_view(&envelope)))
            abort();
    }
    wf_buf_fini(&envelope);
    wf_buf_fini(&again);
}

static void as_stored(struct wf_bytes in)
{
    if (in.len < 4)
        return;
    size_t raw_len = wf_load_be32(in.ptr);
    for (int how = WF_COMPRESS_NONE; how <= WF_COMPRESS_ZSTD; how++) {
        struct wf_buf raw = { 0 };
        enum weft_err err = wf_decompress(
            (enum wf_compression)how, wf_bytes(in.ptr + 4, in.len - 4), raw_len, &raw);
        if (raw.len != (err ? 0 : raw_len))
            abort();
        wf_buf_fini(&raw);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wf_secret key;
    static struct wf_hash seed;
    struct wf_sign_pub pub;

    if (!key.ptr) {
        if (wf_crypto_init())
            abort();
        wf_blake2b(WF_STR("origin"), &seed); // the key of the vectors, which are seeds here
        if (wf_sign_from_seed(wf_hash_view(&seed), &key, &pub))
            abort();
    }
    as_batch(wf_bytes(data, size));
    as_body(wf_bytes(data, size), &key);
    as_stored(wf_bytes(data, size));
    return 0;
}

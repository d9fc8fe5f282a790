// SPDX-License-Identifier: Apache-2.0
// Envelopes as every type. What reads has one encoding: its parts put together again are the same bytes.
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/trust/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rebuild(const struct wf_sealed *s)
{
    struct wf_buf again = { 0 };
    struct wf_opened opened;

    if (wf_envelope_assemble(s->doc, s->body, &s->signatures[0].key, &s->signatures[0].sig, &again))
        abort();
    if (s->signature_count == 1 && !wf_bytes_eq(wf_buf_view(&again), s->raw))
        abort();
    if (wf_envelope_open(s, &opened) == WEFT_OK && !wf_envelope_signed_by(s, &opened.signer))
        abort();
    wf_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_arena arena;
    struct wf_sealed s;

    if (wf_crypto_init())
        abort();
    wf_arena_init(&arena, 4 * WF_MAX_ENVELOPE);
    for (int d = 0; d < WF_DOC_COUNT; d++) {
        enum weft_err err = wf_envelope_read(wf_bytes(data, size), (enum wf_doc)d, &arena, &s);
        if (err == WEFT_OK)
            rebuild(&s);
        if (err == WEFT_E_INTERNAL || err == WEFT_E_NOMEM)
            abort();
        wf_arena_reset(&arena);
    }
    wf_arena_fini(&arena);
    return 0;
}

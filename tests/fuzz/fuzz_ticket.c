// SPDX-License-Identifier: Apache-2.0
// Everything that arrives as text or file: tickets, domains, identities, key files, row filters; and the same bytes inside a
// right printed form. What reads prints to what reads the same.
#include <stdlib.h>

#include "proto/base/print.h"
#include "proto/trust/capability.h"
#include "tests/support/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ticket(struct wf_bytes text)
{
    struct wf_ticket t, u;
    struct wf_buf again = { 0 };

    if (wf_ticket_parse(text, &t))
        return;
    if (wf_ticket_print(&t, &again) || wf_ticket_parse(wf_buf_view(&again), &u) ||
        memcmp(t.id, u.id, sizeof t.id) != 0 || t.seed_count != u.seed_count)
        abort();
    wf_ticket_fini(&t);
    wf_ticket_fini(&u);
    wf_buf_fini(&again);
}

static void domain(struct wf_bytes text)
{
    struct wf_domain_public d, e;
    struct wf_buf again = { 0 };

    if (wf_domain_public_parse(text, &d))
        return;
    if (wf_domain_public_print(&d, &again) || wf_domain_public_parse(wf_buf_view(&again), &e) ||
        memcmp(&d, &e, sizeof d) != 0)
        abort();
    wf_buf_fini(&again);
}

static void keys(struct wf_bytes file)
{
    struct wf_keys k;
    struct wf_buf again = { 0 };

    // Without a passphrase: argon2id would be all that is measured.
    if (wf_keys_unpack(file, wf_bytes(NULL, 0), &k))
        return;
    if (wf_keys_pack(&k, wf_bytes(NULL, 0), &again) || !wf_bytes_eq(wf_buf_view(&again), file))
        abort();
    wf_keys_fini(&k);
    wf_buf_fini(&again);
}

static void filter(struct wf_bytes text)
{
    struct wf_arena arena;
    struct wf_row_term *terms = NULL, *same = NULL;
    size_t count = 0, same_count = 0;
    struct wf_buf again = { 0 };
    struct wf_diag diag;

    wf_arena_init(&arena, 4u << 20);
    if (wf_row_filter_parse(text, &arena, &terms, &count, &diag) == WEFT_OK) {
        if (wf_row_filter_print(terms, count, &again))
            abort();
        // Printing adds blanks, so only what stays within the limit must read again.
        enum weft_err err =
            wf_row_filter_parse(wf_buf_view(&again), &arena, &same, &same_count, &diag);
        if (err != WEFT_E_TOO_BIG && (err || same_count != count))
            abort();
    }
    wf_buf_fini(&again);
    wf_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_bytes in = wf_bytes(data, size);
    struct wf_buf text = { 0 };
    struct wf_sign_pub sign;
    struct wf_dh_pub dh;

    if (wf_crypto_init())
        abort();
    ticket(in);
    domain(in);
    keys(in);
    filter(in);
    (void)!wf_id_parse(in, &sign, &dh);
    if (size > 16384)
        return 0;
    if (wf_print(WF_PREFIX_TICKET, in, &text))
        abort();
    ticket(wf_buf_view(&text));
    text.len = 0;
    if (wf_print(WF_PREFIX_DOMAIN, in, &text))
        abort();
    domain(wf_buf_view(&text));
    wf_buf_fini(&text);
    return 0;
}

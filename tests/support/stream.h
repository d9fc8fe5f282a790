// SPDX-License-Identifier: Apache-2.0
// What tests of streams share: the same few records, headers and logs, made from labels, so that they can be vectors.
#ifndef WF_TESTS_STREAM_H
#define WF_TESTS_STREAM_H

#include "proto/stream/entry.h"
#include "proto/stream/heartbeat.h"
#include "tests/support/trust.h"

#define WF_TEST_BASE_US 1767225600000000LL // 2026-01-01T00:00:00Z
#define WF_TEST_BASE_MS (WF_TEST_BASE_US / 1000)

struct wf_incarnation wf_test_incarnation(uint64_t counter); // its random follows from the counter
// Three records: a put, a delete 1.5 s later, a put half a second before the first.
void wf_test_three_records(struct wf_records *r);
// Headers of every kind, all over the three records, as wf_batch_sign takes them.
enum wf_test_batch {
    WF_TEST_DATA,        // at the start of a chain
    WF_TEST_LATER,       // at the end of the seqs
    WF_TEST_LOSS,        // ten records from seq 3
    WF_TEST_RESET,       // of an origin that knows no earlier chain
    WF_TEST_RESET_NAMED, // of one that does
    WF_TEST_DERIVED,     // with 16 inputs
    WF_TEST_PUBLISHED,   // with a publisher's mark
    WF_TEST_BATCHES
};
struct wf_batch_header wf_test_batch(enum wf_test_batch which, const struct wf_records *three);
// Their stored bytes: the records, or none.
struct wf_bytes wf_test_stored(enum wf_test_batch which, const struct wf_records *three);
// The header of a data batch with the given records at the start of a chain, as wf_batch_sign takes it. Uncompressed.
struct wf_batch_header wf_test_header(const struct wf_records *r);
// A loss of ten records at seq 3, after a header with this id.
struct wf_batch_header wf_test_loss(const struct wf_hash *previous);
// A heartbeat that every check accepts.
struct wf_heartbeat wf_test_heartbeat(void);
// Signs and opens again: what a reader has in its hands.
struct wf_batch_header wf_test_signed(const struct wf_batch_header *fields, struct wf_bytes stored,
    const struct wf_secret *key, struct wf_buf *ret_envelope);

#endif

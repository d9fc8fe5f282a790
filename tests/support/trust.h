// SPDX-License-Identifier: Apache-2.0
// What tests of signed documents share: keys made from labels, vector files, sweeps over damaged and truncated bytes.
// Everything is deterministic, so that a document built here is the same bytes in every run and can be a vector.
#ifndef WF_TESTS_TRUST_H
#define WF_TESTS_TRUST_H

#include "proto/trust/envelope.h"
#include "tests/support/support.h"

// Aborts the process unless OK. Support runs under fuzzers too, where Check's assertions do not work.
void wf_test_must(enum weft_err err);

// An Ed25519 key whose seed is BLAKE2b-256(label), an X25519 key likewise. Release with wf_secret_fini.
struct wf_secret wf_test_sign_key(const char *label, struct wf_sign_pub *ret_pub);
struct wf_secret wf_test_dh_key(const char *label, struct wf_dh_pub *ret_pub);
struct wf_hash wf_test_hash(const char *label);

// Compares content with tests/vectors/NAME.hex, which begins with the comment; with WEFT_UPDATE_VECTORS=1 in the environment
// the file is written instead.
void wf_test_same_vector(const char *name, const char *comment, struct wf_bytes content);
// A vector that must be refused, named STEM-CODE with the reason in its comment.
void wf_test_refused_vector(
    const char *stem, enum weft_err want, const char *why, struct wf_bytes content);
// Compares content with tests/vectors/trust/NAME.hex, which begins with the comment; with WEFT_UPDATE_VECTORS=1 in the environment
// the file is written instead.
void wf_test_trust_vector(const char *name, const char *comment, struct wf_bytes content);
// A vector that must be refused, named NUMBER-DOC-CODE with the reason in its comment.
void wf_test_trust_refused(
    unsigned number, const char *doc, enum weft_err want, const char *why, struct wf_bytes content);

// A function under test: what it says of these bytes. It must release whatever it made of them.
typedef enum weft_err (*wf_test_open_fn)(struct wf_bytes in, void *context);

// The document opens whole; each proper prefix of it, and the document with a byte after it, is refused.
// Each attempt lies in memory of its exact size.
void wf_test_truncations(struct wf_bytes document, wf_test_open_fn open, void *context);
// Each single flipped bit is refused (every `step`th bit; 1 = all).
void wf_test_bit_flips(struct wf_bytes document, size_t step, wf_test_open_fn open, void *context);
// Fails the 1st, 2nd, ... allocation until the function succeeds: NOMEM each time, and it succeeds in the end. The test is
// linked with the failing allocator (support_oom.c).
void wf_test_allocations(struct wf_bytes document, wf_test_open_fn open, void *context);
// The body sealed as each other type of document is refused with PURPOSE.
void wf_test_purposes(struct wf_bytes body, enum wf_doc own, const struct wf_secret *key,
    wf_test_open_fn open, void *context);

#endif

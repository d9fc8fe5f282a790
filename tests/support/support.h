// SPDX-License-Identifier: Apache-2.0
// What every test needs: files, hex vectors, the public vector folder, a temporary directory, an allocation that fails on
// demand, deterministic bytes. Test code only; asserts by ck_abort through its callers, never silently skips.
#ifndef WF_TESTS_SUPPORT_H
#define WF_TESTS_SUPPORT_H

#include <jansson.h>

#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/base/crypto.h"

#define WF_TEST_SKIP 77 // exit status that ctest shows as "Skipped"

// Reads a whole file or aborts the process with a message.
struct wf_buf wf_test_file(const char *path);
// tests/vectors/NAME: hex text, white space and '#' comments ignored.
struct wf_buf wf_test_vector(const char *name);
struct wf_buf wf_test_hex(const char *hex);
// The folder of public vectors (WEFT_VECTORS, default ../shared/vectors beside the source), or NULL where absent.
const char *wf_test_vectors_dir(void);
// Parses a JSON file or aborts.
json_t *wf_test_json(const char *path);
// A bytes member of a JSON object given in hex, or empty when absent.
struct wf_buf wf_test_json_hex(const json_t *object, const char *key);
// A fresh directory below $TMPDIR, removed with its content at exit (kept with WEFT_KEEP set: tests/run.sh --keep).
const char *wf_test_tmpdir(void);
// Removes what is in a directory, or aborts.
void wf_test_empty(const char *dir);
// Reproducible pseudo-random numbers (xorshift64*); print the seed in assertions.
uint64_t wf_test_rand(uint64_t *state);
void wf_test_rand_bytes(uint64_t *state, void *out, size_t len);

// Fail the nth heap allocation from now (1 = the next), -1 = never. The test binary routes malloc, calloc and realloc
// through it (support_oom.c, linked by tests that loop over failing allocations).
void wf_test_fail_alloc(long nth);
// How many allocations happened since the last call of wf_test_fail_alloc.
long wf_test_alloc_count(void);

#endif

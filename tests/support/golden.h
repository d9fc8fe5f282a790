// SPDX-License-Identifier: Apache-2.0
// Golden pairs: below tests/vectors/NAME, each *.yaml is read and what is said about it must equal the *.errors beside it
// (none beside it: nothing may be said). WEFT_GOLDEN_WRITE=1 writes the .errors files instead; read the diff before committing.
#ifndef WF_TESTS_GOLDEN_H
#define WF_TESTS_GOLDEN_H

#include "tests/support/support.h"

// Reads text, shown as file name, and appends its error lines to out.
typedef void (*wf_golden_fn)(struct wf_bytes text, const char *name, struct wf_buf *out);

// Checks every pair; returns how many there were. Aborts the running test at the first difference, showing both sides.
size_t wf_golden_check(const char *folder, wf_golden_fn read);
// Calls read with every *.yaml of the folder cut at each byte; what it says is not looked at.
size_t wf_golden_truncate(const char *folder, wf_golden_fn read);

// The path of one file of a folder below tests/vectors.
#define WF_GOLDEN_PATH 512u
void wf_golden_path(const char *folder, const char *name, char out[WF_GOLDEN_PATH]);

#endif

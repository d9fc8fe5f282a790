// SPDX-License-Identifier: Apache-2.0
// Takes credentials out of what somebody else answered, before it is told or kept: some servers repeat them when they do not know them. Pure.
// Thread rule: any.
#ifndef WF_MONITORING_HUSH_H
#define WF_MONITORING_HUSH_H

#include <stdbool.h>
#include <stddef.h>

#define WF_HUSH_LEAST 4u // what is shorter is in every second word, and no secret

// Writes '*' over each of `secrets` (`count`; NULL and those below WF_HUSH_LEAST are passed over) in `text` of `len` bytes, over the word
// behind "basic " and "bearer ", and, where the text was `cut`, over what may be the beginning of a secret at its end. True: there was one.
bool wf_hush(char *text, size_t len, const char *const *secrets, size_t count, bool cut);

#endif

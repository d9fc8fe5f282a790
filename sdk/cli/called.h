// SPDX-License-Identifier: Apache-2.0
// The calls this user made lately, so that `weft call status KEY` needs no more than the key that was printed. A convenience kept in
// $XDG_STATE_HOME/weft/calls (else ~/.local/state/weft/calls): lines "KEY DOMAIN/API/METHOD", about the last thousand. What became
// of a call is known by its provider alone.
#ifndef WF_CLI_CALLED_H
#define WF_CLI_CALLED_H

#include "proto/base/bytes.h"

// Best effort: a full or read-only disk must not stop a call.
void wf_called_note(const char *key_hex, const char *target);
// The target of the last call with that key, on the heap. NOT_FOUND when it is not (or no longer) known here.
WF_MUST_USE enum weft_err wf_called_find(const char *key_hex, char **ret_target);

#endif

// SPDX-License-Identifier: Apache-2.0
// The keeper: the process between weftd and the signer. A process in which NNG runs can't fork, so the keeper, forked before, starts a
// signer whenever weftd asks for one, and hands over its pipe. It holds the issuer's key and does nothing with it. Owns the signer process.
// Invariant: at most one signer at a time; it goes with its keeper, the keeper with weftd.
#ifndef WF_NODE_SIGNER_KEEPER_H
#define WF_NODE_SIGNER_KEEPER_H

#include "node/signer/child.h"

#define WF_SIGNER_BACKOFF_MS 60000 // at most between two starts
#define WF_SIGNER_STEADY_MS  60000 // who lived so long counts as new when it dies

// How long to wait with the next start after so many deaths in a row: the first is made good at once.
int64_t wf_signer_backoff_ms(unsigned deaths);

// In the forked process: serves until the other end closes, then _exit. Never returns.
void wf_signer_keeper_main(struct wf_signer_child *c, int fd) __attribute__((noreturn));

// weftd's side. Asks for a new signer; the one before, if it still lives, is ended. CLOSED when the keeper is gone.
WF_MUST_USE enum weft_err wf_signer_keeper_ask(int fd);
// Takes the pipe to the new one, once fd is readable or within wait_ms. CLOSED: the keeper is gone. IO: it could start none.
WF_MUST_USE enum weft_err wf_signer_keeper_take(int fd, int wait_ms, int *ret_pipe);

#endif

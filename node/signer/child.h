// SPDX-License-Identifier: Apache-2.0
// The signer process and the pipe to it. Frames: be32 op or code, be32 length, bytes. The child holds the only copy of the issuer's key.
#ifndef WF_NODE_SIGNER_CHILD_H
#define WF_NODE_SIGNER_CHILD_H

#include "proto/trust/capability.h"
#include "proto/trust/move.h"

#define WF_SIGNER_MAX (16u * 1024u * 1024u) // a revocation list at its limit
// For an answer, while the loop stands still; for the first signer, before it turns.
#define WF_SIGNER_WAIT_MS  5000
#define WF_SIGNER_START_MS 60000

enum wf_signer_op {
    WF_SIGNER_CERT = 'C',
    WF_SIGNER_HOME = 'H',
    WF_SIGNER_TOKEN = 'T',
    WF_SIGNER_REVOCATIONS = 'R',
    WF_SIGNER_MOVE = 'M'
};

struct wf_signer_home {
    struct wf_hash mesh_id;
    struct wf_name domain, product, node;
    uint64_t term, sequence;
    int64_t expires_ms;
};

struct wf_signer_child {
    struct wf_keys keys; // the issuer's
    struct wf_cert issuer;
    struct wf_bytes cert; // its envelope
};

// Serves until the pipe ends, then _exit. Never returns.
void wf_signer_child_main(const struct wf_signer_child *c, int fd) __attribute__((noreturn));
// One request by the rules of the process: what it signs is of its own domain. Appends the document to out.
WF_MUST_USE enum weft_err wf_signer_answer(
    const struct wf_signer_child *c, uint32_t op, struct wf_bytes body, struct wf_buf *out);

WF_MUST_USE enum weft_err wf_signer_send(int fd, uint32_t head, struct wf_bytes body);
// wait_ms < 0: for ever. CLOSED at the end of the pipe, TIMEOUT, TOO_BIG.
WF_MUST_USE enum weft_err wf_signer_receive(
    int fd, int wait_ms, uint32_t *ret_head, struct wf_buf *ret_body);

#endif

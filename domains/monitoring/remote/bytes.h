// SPDX-License-Identifier: Apache-2.0
// Bytes that grow, and the three shapes of protobuf that a write request has. Thread rule: one owner.
#ifndef WF_MONITORING_REMOTE_BYTES_H
#define WF_MONITORING_REMOTE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wf_remote_bytes {
    uint8_t *ptr;
    size_t len, room;
};
// False without memory; nothing was added then.
bool wf_remote_bytes_room(struct wf_remote_bytes *b, size_t more);
bool wf_remote_bytes_put(struct wf_remote_bytes *b, const void *ptr, size_t len);
void wf_remote_bytes_fini(struct wf_remote_bytes *b);

#define WF_REMOTE_VARINT 10u // most bytes of one
size_t wf_remote_varint_len(uint64_t v);
// Into room that is there; where it ends.
uint8_t *wf_remote_varint(uint8_t *at, uint64_t v);

#endif

// SPDX-License-Identifier: Apache-2.0
// A node that was put back from a backup, or made anew from its domain's root. It may have forgotten: revocations, charters, homes that moved. Until
// other nodes of the mesh were asked for newer ones it grants, leases, admits and takes nothing, so that nobody undoes a revocation with an old
// copy, or an empty list. Loop thread only.
#ifndef WF_NODE_RESTORED_H
#define WF_NODE_RESTORED_H

#include "node/node.h"

#define WF_RESTORED_META "restored"
#define WF_RESTORED_LEN  18u

struct wf_restored {
    int64_t restored_ms, backup_ms; // unix; 0 when made anew
    bool anew;                      // with the issuer of a domain that had one before
    bool waits;                     // others are to be asked first
    bool told;                      // that nobody could be asked was an alarm of one start
};
void wf_restored_put(const struct wf_restored *r, uint8_t out[WF_RESTORED_LEN]);
// DAMAGED.
WF_MUST_USE enum weft_err wf_restored_take(struct wf_bytes in, struct wf_restored *ret);

#define WF_RESTORED_ASKED 64u
struct wf_restored_room {
    struct wf_restored mark;
    struct wf_dh_pub agreed[WF_RESTORED_ASKED];
    size_t agreed_count;
    int64_t first_ms; // monotonic, of the first that agreed
    char *meta_dir;
};
extern const struct wf_room wf_restored_room; // restored_room.c

// What is decided now might be decided on what has been revoked: refuse with BUSY.
bool wf_restored_waits(const struct wf_node *n);
// When this node was put back, unix ms; 0: never. What origins sent between the backup and then is not known here.
int64_t wf_restored_ms(const struct wf_node *n);
// A peer (by its key) was asked for all it has; nothing of our domain is newer there, nor is its charter.
void wf_restored_agrees(struct wf_node *n, const struct wf_dh_pub *peer);

#endif

// SPDX-License-Identifier: Apache-2.0
// Who may shake hands, and how often: the buckets of addresses and of known keys, and the stamps of keys. It decides before and
// between the agreements of a handshake (docs/protocol/session.md); it knows no session and proves nothing itself.
// Invariant: what unknown keys ask for never uses up the bucket of a known key. A known key is one that proved its certificate
// here. Pure apart from memory: time is an argument. Loop thread only.
#ifndef WF_NODE_ADMIT_H
#define WF_NODE_ADMIT_H

#include "proto/base/limits.h"
#include "proto/session/bucket.h"
#include "proto/session/session.h"

#define WF_BUCKETS_MAX 4096u // addresses of strangers; beyond them everybody new shares one bucket
#define WF_PLACES_MAX  4096u // addresses at which a known key proved itself
#define WF_KNOWN_MAX   8192u // known keys
#define WF_STAMPS_MAX  8192u // stamps of keys that are not known

struct wf_admit;
WF_MUST_USE enum weft_err wf_admit_new(struct wf_admit **ret);
void wf_admit_free(struct wf_admit *a);

// One handshake that asks. Nothing of it is proven but its MAC1 and its address.
struct wf_admit_ask {
    struct wf_addr_key from;
    const struct wf_dh_pub
        *of_connection; // the key that another session of this connection proved, or NULL
    bool first;         // the first message of its connection
    int64_t now_ms;
};

enum wf_admit_by {
    WF_ADMIT_BY_KEY,     // the connection's known key has paid: only that key may come out
    WF_ADMIT_BY_ADDRESS, // the address has paid
    WF_ADMIT_BY_LOOK,    // the address is dry: only a known key gets in, and pays itself
};
struct wf_admit_pass {
    enum wf_admit_by by;
    int64_t now_ms;
    struct wf_dh_pub key; // BY_KEY
    struct wf_bucket
        *paid; // BY_ADDRESS; good until the next call of wf_admit_address or wf_admit_prove
};

// Before the first agreement. FLOOD: refuse, do nothing else.
WF_MUST_USE enum weft_err wf_admit_address(
    struct wf_admit *a, const struct wf_admit_ask *ask, struct wf_admit_pass *ret);
// Once two agreements told who calls. REPLAY: the stamp does not rise, and nothing was paid. FLOOD: the address is dry and the key is
// unknown or has used up its own. A known key that pays itself gives the address its token back.
WF_MUST_USE enum weft_err wf_admit_key(struct wf_admit *a, const struct wf_admit_pass *pass,
    const struct wf_dh_pub *peer, int64_t stamp_unix_ms);

// The key proved a certificate of `domain` from that address: from now on it is known. Where the table is full, the domain that has
// most of it loses what was longest not seen.
void wf_admit_prove(struct wf_admit *a, const struct wf_dh_pub *peer, const char *domain,
    const struct wf_addr_key *from, int64_t now_ms);
// A revoked key is a stranger again.
void wf_admit_forget(struct wf_admit *a, const struct wf_dh_pub *peer);

#endif

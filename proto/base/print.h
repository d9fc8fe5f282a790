// SPDX-License-Identifier: Apache-2.0
// Printed forms of keys, tokens, tickets: Bech32m (BIP-350) with a prefix that says the type, so a mistyped or misplaced one
// is refused before it is used. The 90-character limit of BIP-173 is not kept; the checksum still misses 1 in 2^30.
#ifndef WF_BASE_PRINT_H
#define WF_BASE_PRINT_H

#include "proto/base/crypto.h"

#define WF_PREFIX_ID     "weftid"   // an identity: Ed25519 and X25519 public keys (64 bytes)
#define WF_PREFIX_SIGN   "weftkey"  // an Ed25519 public key
#define WF_PREFIX_DH     "weftdh"   // an X25519 public key
#define WF_PREFIX_MESH   "weftmesh" // a mesh id: hash of the genesis charter
#define WF_PREFIX_CAP    "weftcap"  // a capability token
#define WF_PREFIX_TICKET "wefttkt"  // a join ticket
#define WF_PREFIX_HASH   "wefthash" // any other BLAKE2b-256

// Appends prefix '1' data checksum to out.
WF_MUST_USE enum weft_err wf_print(const char *prefix, struct wf_bytes data, struct wf_buf *out);
// Reads a printed form; upper case throughout and surrounding white space are accepted. PREFIX when the text begins as
// another type of ours, CHECKSUM when mistyped, NOT_CANONICAL for wrong padding, SYNTAX otherwise.
WF_MUST_USE enum weft_err wf_print_parse(
    const char *prefix, struct wf_bytes text, struct wf_buf *ret_data);

// A fingerprint to read aloud: 60 bits of BLAKE2b-256(data) in three groups of four, such as "k3f9-0x7q-m2nd". Not for deciding.
#define WF_FINGERPRINT_LEN 15u // with NUL
void wf_fingerprint(struct wf_bytes data, char out[WF_FINGERPRINT_LEN]);

#endif

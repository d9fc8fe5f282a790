// SPDX-License-Identifier: Apache-2.0
// A small interpreter of Noise handshake patterns over the symmetric state of proto/session/noise, for tests only: weft
// speaks IK and nothing else, but every published vector of the same primitives also proves its hash, HKDF and cipher.
#ifndef WF_TESTS_NOISE_PATTERNS_H
#define WF_TESTS_NOISE_PATTERNS_H

#include "proto/session/noise.h"
#include "tests/support/support.h"

struct np_party {
    struct wf_noise state;
    bool initiator, keyed, has_psk;
    struct wf_secret s, e;
    struct wf_dh_pub s_pub, rs, re;
    const json_t *psks;
    size_t psk_next;
};

// The base of a protocol name, such as IK of "Noise_IKpsk2_25519_...", with its modifiers.
struct np_pattern {
    const char *name, *pre_initiator, *pre_responder, *messages;
    bool psk[8]; // psk[n]: modifier pskn is present
};

// False when the name is of another primitive or the pattern is unknown.
bool np_pattern_of(const char *protocol_name, struct np_pattern *ret);
unsigned np_message_count(const struct np_pattern *p);
bool np_is_one_way(const struct np_pattern *p);

// Loads keys ("init" or "resp") of a vector and mixes name, prologue and pre-messages.
void np_init(
    struct np_party *p, const struct np_pattern *pattern, const json_t *vector, bool initiator);
void np_fini(struct np_party *p);
// Message number i of the handshake.
void np_write(struct np_party *p, const struct np_pattern *pattern, unsigned i,
    struct wf_bytes payload, struct wf_buf *out);
WF_MUST_USE enum weft_err np_read(struct np_party *p, const struct np_pattern *pattern, unsigned i,
    struct wf_bytes in, struct wf_buf *payload);

#endif

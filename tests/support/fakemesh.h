// SPDX-License-Identifier: Apache-2.0
// What tests of libweft talk to: a node of `servers` with canned documents (its own advert, products servers/readings, servers/stations and
// servers/hosts over the schema of station.proto), and the identity directory of a user of `network` beside it. Answers are
// what the fields below say; they are read by the fake node's thread, so set them before asking. Needs support/clock.c.
#ifndef WF_TESTS_FAKEMESH_H
#define WF_TESTS_FAKEMESH_H

#include "sdk/identity.h"
#include "tests/support/clock.h"
#include "tests/support/fakenode.h"
#include "tests/support/trust_mesh.h"

#define WF_FAKE_DOCUMENTS 12u
#define WF_FAKE_RULES     "rules:\n  hot: {when: 'celsius > 40'}\n" // come with servers/readings

struct wf_fakemesh {
    struct wf_test_mesh mesh;
    struct wf_net *net;
    struct wf_fakenode *node;
    struct wf_fake_knobs *knobs;
    char dir[300];    // the user's
    char socket[300]; // of the node where it has one
    struct wf_keys keys;
    struct wf_buf chain;       // the user's
    struct wf_buf schema;      // station.set
    struct wf_charter *second; // version 2, told of when tell_second
    struct {
        struct wf_hash hash;
        struct wf_buf content;
        int kind; // enum wf_entry_kind; 0: not in the digests
    } documents[WF_FAKE_DOCUMENTS];
    size_t document_count;
    size_t newer; // the one that tell_newer shows; 0: none
    // How it answers.
    atomic_int digests_a_page;  // 0 = all
    atomic_int digests_empty;   // so many pages of nothing come before them
    atomic_int digests_endless; // pages of so many homes, without end
    atomic_int digests_refused; // BUSY from this digest on; 0: none is
    atomic_bool tell_second;    // the second charter
    atomic_bool tell_newer;     // a later advert of readings
    atomic_bool lose_schema;    // get does not find it
    atomic_bool corrupt_schema; // get gives other bytes
    const char *access_state;   // "granted" ...
    const char *access_reason;
    atomic_int access_asked, query_asked, call_asked, renew_asked; // counted
    atomic_bool policy_only;                                       // of the last access request
    atomic_int not_home;         // so many next queries and calls are NOT_HOME
    const char *query_refusal;   // CAVEAT with this text ...
    unsigned query_refused_from; // ... from this page on
    unsigned query_pages;        // of two rows each
    unsigned query_empty_from;   // ... and of none from this page on; 0: there is no such
    const char *partial;
    const char *call_state, *call_error;
    int call_code;
    uint8_t call_key[16]; // of the last call
    char call_method[64];
    atomic_int wrong_kind; // so many next documents asked for come as digests
    wf_fake_fn other;      // answers what is not answered here; may be NULL
    void *other_arg;
};

// local: over a Unix socket instead of TCP.
void wf_fakemesh_init(struct wf_fakemesh *m, bool local);
void wf_fakemesh_fini(struct wf_fakemesh *m);
// Writes the identity directory; the certificate began began_ms before now and lives life_ms. 0 seeds: none.
void wf_fakemesh_join(struct wf_fakemesh *m, int64_t began_ms, int64_t life_ms, size_t seeds);
// Something more that `get` finds by its hash.
void wf_fakemesh_add(struct wf_fakemesh *m, const struct wf_hash *hash, struct wf_bytes content);
// Before anybody asks: a later advert of readings, which tell_newer shows.
void wf_fakemesh_add_newer(struct wf_fakemesh *m);
// Before anybody asks: the domain's revocation list is told of, and revokes what this key signs from then on.
void wf_fakemesh_revoke(struct wf_fakemesh *m, const struct wf_sign_pub *key, int64_t from_ms);
// A certificate chain of the user.
struct wf_buf wf_fakemesh_chain(struct wf_fakemesh *m, int64_t began_ms, int64_t life_ms);

#endif

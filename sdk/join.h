// SPDX-License-Identifier: Apache-2.0
// Joining with a ticket: a newcomer's keys become a certified identity. Opens a session without a certificate to the ticket's seeds in turn,
// proves the ticket's secret, and verifies all it gets (charters from the genesis that the ticket pins, chain against them, certificate
// against ticket and keys) before it is stored. Asynchronous, on the loop's thread; used by `weft join` and by weftd.
#ifndef WF_SDK_JOIN_H
#define WF_SDK_JOIN_H

#include "sdk/identity.h"

struct wf_loop;
struct wf_net;
struct wf_join;

struct wf_join_conf {
    struct wf_loop *loop;
    struct wf_net *net;
    struct wf_identity_dir *dir;    // borrowed: has keys; takes mesh, charters, chain and seeds
    const struct wf_ticket *ticket; // borrowed
    const char *name;               // the subject asked for; NULL or "": what the ticket fixes
    const char *version;
};

// Called once. text says what went wrong and where, "" on success. The join may be freed within.
typedef void (*wf_join_fn)(void *arg, enum weft_err err, const char *text);

// WRONG_MESH, EXPIRED (the ticket), TICKET (the name does not fit it), MISSING_FIELD (no name at all), KEY (the directory has no keys): at
// once, with a text in diag. Otherwise done is called: what the node refused with, UNREACHABLE, TIMEOUT, or what verification refused.
WF_MUST_USE enum weft_err wf_join_start(const struct wf_join_conf *conf, wf_join_fn done, void *arg,
    struct wf_join **ret, struct wf_diag *diag);
// Ends it without a call of done. NULL is permitted.
void wf_join_free(struct wf_join *j);

// What a host or person is called, as far as it makes a name: up to the first dot, in lower case, other characters as '-'; "n-"
// goes before a digit, since names begin with a letter.
void wf_join_name_from(const char *text, char out[WF_MAX_NAME + 1]);
void wf_join_host_name(char out[WF_MAX_NAME + 1]); // of this host; "" where it has none

// May this ticket's holder be called so? TICKET otherwise. name "" stands for what the ticket fixes.
WF_MUST_USE enum weft_err wf_join_check_name(const struct wf_ticket *t, const char *name);

// Verifies a reply as above and stores it: pure but for the directory. Charters are in order from version 1.
WF_MUST_USE enum weft_err wf_join_accept(struct wf_identity_dir *dir, const struct wf_ticket *t,
    const struct wf_bytes *charters, size_t charter_count, struct wf_bytes chain,
    int64_t now_unix_ms, struct wf_diag *diag);

#endif

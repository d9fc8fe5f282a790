// SPDX-License-Identifier: Apache-2.0
// Identity directories: who this program is and which mesh it trusts. The same layout serves nodes (NODE/data), people and
// services (docs/internals/map.md, Files). Owns what it loaded; loading verifies the whole charter chain from the pinned mesh id.
// Not thread-safe; a loaded identity may be read by many.
#ifndef WF_SDK_IDENTITY_H
#define WF_SDK_IDENTITY_H

#include "proto/trust/capability.h"

// In a node's data directory, from weft node init to its first start: its domain had an issuer before.
#define WF_ANEW_FILE "anew"
#define WF_ANEW_ASK  "ask\n" // others are asked first what that one revoked
#define WF_ANEW_NOW  "now\n" // nobody is left to be asked

struct wf_identity_dir {
    char *dir;
    struct wf_keys keys;
    struct wf_buf chain; // packed; empty when not joined yet
    bool has_chain;
    struct wf_identity identity; // verified when has_chain and a charter is there
    bool has_mesh;
    struct wf_hash mesh_id;
    struct wf_charter *charter; // newest; NULL before joining
    size_t seed_count;
    struct wf_seed seeds[WF_MAX_SEEDS];
};

// IDENTITY when the directory holds none; PERMISSION for files that others can read; what verification refuses. An expired
// certificate loads (identity.expired is set): it may still renew.
WF_MUST_USE enum weft_err wf_identity_load(
    const char *dir, int64_t now_unix_ms, struct wf_identity_dir **ret, struct wf_diag *diag);
void wf_identity_free(struct wf_identity_dir *d);

// Makes the directory with fresh keys ('N'). EXISTS when it holds an identity.
WF_MUST_USE enum weft_err wf_identity_create(
    const char *dir, const struct wf_keys *keys, struct wf_diag *diag);
// Stores a chain (after verifying it against the charter that is loaded), mesh id, seeds, and keeps them in *d.
WF_MUST_USE enum weft_err wf_identity_set_chain(
    struct wf_identity_dir *d, struct wf_bytes chain, int64_t now_unix_ms, struct wf_diag *diag);
WF_MUST_USE enum weft_err wf_identity_set_mesh(
    struct wf_identity_dir *d, const struct wf_hash *mesh_id, struct wf_diag *diag);
WF_MUST_USE enum weft_err wf_identity_set_seeds(
    struct wf_identity_dir *d, const struct wf_seed *seeds, size_t count, struct wf_diag *diag);

// One more charter: version 1 must match the pinned mesh id, later ones must follow the newest. Persisted before use. An already
// known version that is equal is OK; a different valid one is FORK and kept as charter/NNNNNN.fork.
WF_MUST_USE enum weft_err wf_identity_add_charter(
    struct wf_identity_dir *d, struct wf_bytes raw, struct wf_diag *diag);
// The exact envelope of one version, appended to out. NOT_FOUND.
WF_MUST_USE enum weft_err wf_identity_charter(
    const struct wf_identity_dir *d, uint64_t version, struct wf_buf *out);
// The charter in force at a version as an object of its own.
WF_MUST_USE enum weft_err wf_identity_charter_at(
    const struct wf_identity_dir *d, uint64_t version, struct wf_charter **ret);

// Tokens: DIR/tokens/DOMAIN.N.cap. Import verifies structure, holder and mesh, and returns the file's path (free it). Find returns the
// live token of longest remaining life that covers product and verb: NO_CAPABILITY.
WF_MUST_USE enum weft_err wf_identity_import_token(struct wf_identity_dir *d, struct wf_bytes raw,
    int64_t now_unix_ms, char **ret_path, struct wf_diag *diag);
WF_MUST_USE enum weft_err wf_identity_find_token(const struct wf_identity_dir *d,
    const char *domain, const char *product, enum wf_verb verb, const char *method,
    int64_t now_unix_ms, struct wf_token **ret);
// The live token of longest remaining life for the product whatever its verbs: shown when none fits, so that the owner can say why not.
WF_MUST_USE enum weft_err wf_identity_find_any_token(const struct wf_identity_dir *d,
    const char *domain, const char *product, int64_t now_unix_ms, struct wf_token **ret);
// When the last of the tokens for all of this ended; 0: one lives, or there was none. For who is to be told why none is shown.
int64_t wf_identity_token_ended_ms(const struct wf_identity_dir *d, const char *domain,
    const char *product, enum wf_verb verb, const char *method, int64_t now_unix_ms);
// Every token, damaged and expired ones too (token NULL: err says why). Stops when fn returns an error.
typedef enum weft_err (*wf_identity_token_fn)(
    void *arg, const char *path, const struct wf_token *token, enum weft_err err);
WF_MUST_USE enum weft_err wf_identity_tokens(
    const struct wf_identity_dir *d, wf_identity_token_fn fn, void *arg);
// Another number when tokens were added or removed; reads none of them.
uint64_t wf_identity_tokens_stamp(const struct wf_identity_dir *d);
// Removes expired tokens.
void wf_identity_prune_tokens(struct wf_identity_dir *d, int64_t now_unix_ms);

// The default directory of this user: $WEFT_DIR, $XDG_CONFIG_HOME/weft, ~/.config/weft. Free it.
WF_MUST_USE enum weft_err wf_identity_default_dir(char **ret);

#endif

// SPDX-License-Identifier: Apache-2.0
// What the commands around roots, nodes and charters share: files people hand to each other.
#ifndef WF_CLI_SETUP_H
#define WF_CLI_SETUP_H

#include "sdk/cli/cli.h"

#define WF_PREFIX_CHARTER "weftchart" // a charter or a proposal, as a file people send

// The domain's root: ROOT/root.key and the one ROOT/NAME.weftdomain. keys is filled after asking for the passphrase.
struct wf_root {
    struct wf_domain_public public;
    struct wf_keys keys;
    char *public_path;
};
// Says what is wrong by itself; returns 0 or the exit status.
int wf_root_load(const char *dir, const char *passphrase_file, bool want_key, struct wf_root *ret);
void wf_root_fini(struct wf_root *r);
int wf_domain_file_load(const char *path, struct wf_domain_public *ret);

// Charter files.
int wf_charter_file_load(const char *path, struct wf_buf *ret_envelope, struct wf_charter **ret);
int wf_charter_file_save(const char *path, struct wf_bytes envelope);

// DIR itself when it holds identity/, DIR/data when that does; free it. Exit status IDENTITY with a text otherwise.
int wf_cli_identity_dir(const struct wf_cli *cli, const char *given, char **ret);
int wf_cli_identity(const struct wf_cli *cli, const char *given, struct wf_identity_dir **ret);

int wf_cmd_domain_init(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_node_init(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_node_backup(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_node_restore(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_mesh_init(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_mesh_join(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_mesh_show(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_charter_propose(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_charter_sign(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_charter_commit(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_charter_show(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_key_show(struct wf_cli *cli, int argc, char **argv);

#endif

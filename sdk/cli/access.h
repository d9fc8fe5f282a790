// SPDX-License-Identifier: Apache-2.0
// Commands about who may do what: the owner's side (list, grant, deny, revoke) at the local weftd, the holder's side (request, import, show, delegate)
// with an identity directory.
#ifndef WF_CLI_ACCESS_H
#define WF_CLI_ACCESS_H

#include "proto/trust/capability.h"
#include "sdk/cli/cli.h"

int wf_cmd_access_request(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_explain(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_list(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_grant(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_deny(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_revoke(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_import(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_show(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_delegate(struct wf_cli *cli, int argc, char **argv);

// Tells on standard error of products and columns that the catalog does not have, and of verbs that open nothing of a product. Lists end with
// NULL, or are NULL.
void wf_access_note(const struct wf_cli *cli, char *const *products, size_t count,
    const char *const *columns, const char *const *verbs);

// Exit statuses; what was wrong is told.
// "weftid1…" (an identity, as weft key show prints it) or "weftkey1…".
int wf_access_parse_holder(const char *text, struct wf_sign_pub *ret);
// Into a file, with what to do with it on standard error; NULL: standard output.
int wf_access_save_token(const struct wf_cli *cli, const char *out, struct wf_bytes token);
// As an object: its id, what it is for and until when, the file it is in (NULL: none) and, when asked for, itself.
int wf_access_say_token(
    const char *schema, struct wf_bytes token, const char *file, bool with_itself);
int wf_access_read_token(const char *path, struct wf_token **ret);

#endif

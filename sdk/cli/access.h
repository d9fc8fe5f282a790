// SPDX-License-Identifier: Apache-2.0
// Commands about who may do what: the owner's side (list, grant, deny, revoke) at the local weftd, the holder's side (request, import, show)
// with an identity directory.
#ifndef WF_CLI_ACCESS_H
#define WF_CLI_ACCESS_H

#include "sdk/cli/cli.h"

int wf_cmd_access_request(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_explain(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_list(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_grant(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_deny(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_revoke(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_import(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_access_show(struct wf_cli *cli, int argc, char **argv);

#endif

// SPDX-License-Identifier: Apache-2.0
// Running protoc: the one program that weft starts.
#ifndef WF_CLI_PROTOC_H
#define WF_CLI_PROTOC_H

#include "sdk/cli/cli.h"

// Compiles proto with all its imports into the descriptor set at out. Says what is wrong; 0 or the exit status.
int wf_protoc(const char *proto, const char *out);

int wf_cmd_schema_decode(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_schema_encode(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_config_check(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_peers(struct wf_cli *cli, int argc, char **argv);

#endif

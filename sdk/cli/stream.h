// SPDX-License-Identifier: Apache-2.0
// Commands that move records: publish and subscribe.
#ifndef WF_CLI_STREAM_H
#define WF_CLI_STREAM_H

#include "sdk/cli/cli.h"

int wf_cmd_publish(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_subscribe(struct wf_cli *cli, int argc, char **argv);

#endif

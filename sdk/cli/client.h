// SPDX-License-Identifier: Apache-2.0
// What the commands that use libweft like any application share: connecting, and saying what went wrong.
#ifndef WF_CLI_CLIENT_H
#define WF_CLI_CLIENT_H

#include <weft/weft.h>

#include "sdk/cli/problem.h"

// Connects as --dir and --socket say. 0, or the exit status after saying why; close *ret with weft_close (NULL is permitted).
int wf_cli_connect(const struct wf_cli *cli, struct weft_client **ret);

#endif

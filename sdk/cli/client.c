// SPDX-License-Identifier: Apache-2.0
#include "sdk/cli/client.h"

int wf_cli_connect(const struct wf_cli *cli, struct weft_client **ret)
{
    const struct weft_options options = { .dir = cli->dir, .socket = cli->socket };
    struct weft_problem p = { 0 };

    return weft_connect(&options, ret, &p) ? wf_cli_problem(&p) : 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "sdk/cli/client.h"

int wf_cli_problem(const struct weft_problem *p)
{
    int status = wf_cli_fail(p->err, "%s", p->text[0] ? p->text : weft_err_text(p->err));

    if (p->audit_id[0])
        fprintf(stderr, "  the owner finds this refusal under audit id %s\n", p->audit_id);
    if (p->hint[0])
        fprintf(stderr, "  %s\n", p->hint);
    return status;
}

int wf_cli_connect(const struct wf_cli *cli, struct weft_client **ret)
{
    const struct weft_options options = { .dir = cli->dir, .socket = cli->socket };
    struct weft_problem p = { 0 };

    return weft_connect(&options, ret, &p) ? wf_cli_problem(&p) : 0;
}

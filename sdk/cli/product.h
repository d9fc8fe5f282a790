// SPDX-License-Identifier: Apache-2.0
// Commands about products: a team's own (product …) and everybody's (products, describe, query, call).
#ifndef WF_CLI_PRODUCT_H
#define WF_CLI_PRODUCT_H

#include "sdk/cli/cli.h"

int wf_cmd_product_new(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_product_check(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_product_build(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_product_apply(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_product_move(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_product_remove(struct wf_cli *cli, int argc, char **argv);

int wf_cmd_products(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_describe(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_query(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_call(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_call_status(struct wf_cli *cli, int argc, char **argv);

#endif

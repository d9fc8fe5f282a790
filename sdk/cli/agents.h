// SPDX-License-Identifier: Apache-2.0
// Commands about newcomers and hosts: tickets, joining, agents.
#ifndef WF_CLI_AGENTS_H
#define WF_CLI_AGENTS_H

#include "proto/base/pb_v1.h"
#include "sdk/cli/cli.h"

int wf_cmd_ticket_create(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_node_replace(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_join(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_agent_list(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_agent_show(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_agent_revoke(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_agent_replace(struct wf_cli *cli, int argc, char **argv);
// cmd_ticket.c: asks for them and prints a ticket a line, or the format that was asked for. An exit status.
int wf_cli_tickets(struct wf_cli *cli, Weft__V1__TicketRequest *t);

#endif

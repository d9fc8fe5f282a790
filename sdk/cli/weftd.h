// SPDX-License-Identifier: Apache-2.0
// Asking the program weftd what it alone knows: its configuration, the files of its log. No socket: it need not run as a daemon.
#ifndef WF_CLI_WEFTD_H
#define WF_CLI_WEFTD_H

#include <sys/types.h>

#include "sdk/cli/cli.h"

// The directory of this program, "" when it can't be told.
void wf_own_dir(char *out, size_t len);

// Starts the weftd beside this program, else the one on the path; argv[0] is "weftd". ret_out may be NULL: its stdout is ours; otherwise
// the caller reads from it and closes it. Negative when it could not be started.
pid_t wf_weftd_start(char *const argv[], int *ret_out);
// Its exit status; 69 when there is no weftd here.
int wf_weftd_wait(pid_t pid);

int wf_cmd_log_show(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_log_verify(struct wf_cli *cli, int argc, char **argv);
int wf_cmd_log_stats(struct wf_cli *cli, int argc, char **argv);

#endif

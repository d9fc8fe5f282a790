// SPDX-License-Identifier: Apache-2.0
// What may stand at the cursor: commands, the options that each of them really takes, their values, and what a running weftd knows by name.
#ifndef WF_CLI_COMPLETION_H
#define WF_CLI_COMPLETION_H

#include "sdk/cli/cli.h"

// Prints a line for each word that may stand in the place of the last one, which may be empty: `WORD` or `WORD<TAB>what it is`; `:files` and
// `:dirs` stand for names of the disk. Words as typed behind `weft`. Asks a weftd for two seconds at most, and ends the process then.
void wf_complete(struct wf_cli *cli, char **words, int count);
// Names for what stands as an operand of such a form (args of wf_command), as far as a weftd tells them.
void wf_complete_names(const struct wf_cli *cli, const char *command, const char *form,
    void (*put)(void *arg, const char *word, const char *what), void *arg);

int wf_cmd_completion(struct wf_cli *cli, int argc, char **argv);

#endif

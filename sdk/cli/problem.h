// SPDX-License-Identifier: Apache-2.0
// Saying what went wrong: to people at once, to programs as an object of weft.problem/v1 at the end (ADR 49). wf_cli_fail of cli.h is one of it.
#ifndef WF_CLI_PROBLEM_H
#define WF_CLI_PROBLEM_H

#include <weft/weft.h>

#include "proto/base/pb_v1.h"
#include "sdk/cli/cli.h"

// The problem on stderr (a decision's text names the caveat that refused) with the owner's audit id and what to do; its exit status.
int wf_cli_problem(const struct weft_problem *p);
// The same of an answer of the local weftd, which may have several lines.
int wf_cli_refused(const Weft__V1__Refusal *r, const char *what);
// What was said on stderr by other means.
void wf_cli_note(enum weft_err err, const char *text);
void wf_cli_note_status(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The object of the last failure, for a command whose own object has it as a member; wf_cli_end is then silent.
WF_MUST_USE enum weft_err wf_cli_problem_object(struct wf_buf *out);
// `,"key":"text"`, or nothing when text is NULL or empty.
WF_MUST_USE enum weft_err wf_cli_json_member(struct wf_buf *out, const char *key, const char *text);
// The end of every command: with -o json or jsonl a failure that was told is the last object on stdout.
void wf_cli_end(const struct wf_cli *cli, int status);
// The last thing of all: what was printed is really out. The status, or 69 when standard output took less than all of it, which is told.
int wf_cli_flush(int status);

#endif

// SPDX-License-Identifier: Apache-2.0
// What every command of `weft` shares: options, help, errors, output. A command is a row of the table in main.c and one function; it
// prints data on stdout only, everything else on stderr, and returns an exit status of weft_err_exit. Single-threaded.
#ifndef WF_CLI_CLI_H
#define WF_CLI_CLI_H

#include <stdio.h>

#include "sdk/identity.h"

#define WF_EXIT_USAGE 64

enum wf_cli_format { WF_OUT_TABLE, WF_OUT_JSON, WF_OUT_JSONL, WF_OUT_CSV };

struct wf_opt;
struct wf_cli {
    const char *dir;    // --dir: identity, node or domain directory
    const char *socket; // --socket
    enum wf_cli_format format;
    bool partial_ok, quiet, yes;
    const struct wf_command *command;
    // Set by who wants to know what a command takes: wf_cli_parse shows it the options and goes no further.
    void (*show)(void *arg, const struct wf_opt *opts, size_t count, const struct wf_opt *common,
        size_t common_count);
    void *show_arg;
};

struct wf_command {
    const char *name;                                      // "charter sign"
    const char *args;                                      // "FILE --root-key FILE"
    const char *summary;                                   // one line
    const char *examples;                                  // lines, indented by two
    const char *options;                                   // lines of its own options, may be NULL
    int (*run)(struct wf_cli *cli, int argc, char **argv); // argv without the command's words
    bool csv;                                              // prints one table, so -o csv will do
};
extern const struct wf_command wf_commands[]; // name NULL ends it

// One option: exactly one of the targets is set. A list is NULL-ended, on the heap, its strings borrowed from argv.
struct wf_opt {
    const char *name; // without "--"
    char letter;      // 0 = none
    const char **value;
    bool *flag;
    const char ***list;
};
// Moves options out of argv (common ones too: --dir --socket -o --partial-ok --quiet --yes --help) and leaves operands, whose number must lie in
// [min, max]. Returns -1 to go on, or the exit status (help printed, or usage error said).
int wf_cli_parse(struct wf_cli *cli, int argc, char **argv, const struct wf_opt *opts,
    size_t opt_count, int min, int max, char **operands, int *ret_count);

// "weft: TEXT" on stderr; the exit status of err.
int wf_cli_fail(enum weft_err err, const char *format, ...) __attribute__((format(printf, 2, 3)));
// A stranger's words on a stream of people: what steers a terminal becomes '?', line ends too unless they are in `keep`.
void wf_cli_put(FILE *to, const char *words, const char *keep);
// As wf_cli_fail with an exit status that is known already; returns it.
int wf_cli_fail_as(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
// A diagnostic with its place, or the error's text when it is empty.
int wf_cli_diag(enum weft_err err, const struct wf_diag *diag, const char *what);

// The file of --out (NULL: none) is not there yet, or --yes replaces it. Asked before anything is done that would be lost with it.
// 0, or the exit status of what was told.
int wf_cli_new_file(const struct wf_cli *cli, const char *path);
// All of standard input, at most `max` bytes and a zero behind them that does not count. 0, or the exit status of what was told.
int wf_cli_stdin(size_t max, struct wf_buf *ret);
// The value of --OPTION as it was given: a duration ("30s", "1h30m", "7d") of least_ms at least, a number from 1 to most. Without one
// (NULL) *ret stays. 0, or the exit status of a mistake that was told.
int wf_cli_take_duration(const char *option, const char *text, int64_t least_ms, int64_t *ret_ms);
int wf_cli_take_number(const char *option, const char *text, uint64_t most, uint64_t *ret);
int64_t wf_cli_now_ms(void);
// "in 3 d 4 h", "2 min ago": a time relative to now.
void wf_cli_when(int64_t unix_ms, char out[48]);
void wf_cli_ago(int64_t ms, char out[48]);   // "3 s", "2 min", "5 h", "3 d"; "never" for negative
void wf_cli_heard(int64_t ms, char out[48]); // "3 s ago", "never"
// "2026-11-28T20:37:26Z", and behind it how far that is: "2026-11-28T20:37:26Z, in 6 d". "never" for 0.
#define WF_CLI_TIME 40 // WF_MOMENT_TEXT
#define WF_CLI_AT   96
void wf_cli_time(int64_t unix_ms, char out[WF_CLI_TIME]);
void wf_cli_at(int64_t unix_ms, char out[WF_CLI_AT]);

// A passphrase: from the file's first line, or asked on the terminal without echo (twice when confirm). Wiped and freed by wf_secret_fini.
WF_MUST_USE enum weft_err wf_cli_passphrase(
    const char *file, const char *prompt, bool confirm, struct wf_secret *ret);

// Tables: columns sized to their content; numbers right-aligned. With -o json one array of objects, with jsonl one object a line, with
// csv RFC 4180 (lines end with LF; absent is empty, an empty text is ""). Times are ages for people and RFC 3339 for programs.
struct wf_table;
WF_MUST_USE enum weft_err wf_table_new(const struct wf_cli *cli, const char *schema,
    const char *const *columns, size_t count, struct wf_table **ret);
// One cell after another, row by row. NULL = absent (JSON null). number: no quotes in JSON, right-aligned.
void wf_table_text(struct wf_table *t, const char *text);
__attribute__((format(printf, 2, 3))) void wf_table_textf(
    struct wf_table *t, const char *format, ...);
void wf_table_number(struct wf_table *t, int64_t v);
void wf_table_uint(struct wf_table *t, uint64_t v);
void wf_table_real(struct wf_table *t, double v);
void wf_table_bool(struct wf_table *t, bool v);
void wf_table_bytes(struct wf_table *t, struct wf_bytes v); // base64
void wf_table_when(struct wf_table *t, int64_t unix_ms);    // "in 3 d", "5 s ago"; absent when 0
void wf_table_age(
    struct wf_table *t, int64_t age_ms); // "5 s"; absent ("never" for people) when negative
void wf_table_since(
    struct wf_table *t, int64_t unix_ms); // its age: "5 s"; absent ("never" for people) when 0
// Further members of the object of -o json, behind "rows": `"key":value,"key":value`. Copied.
void wf_table_members(struct wf_table *t, struct wf_bytes members);
// Prints and releases; OK or NOMEM when a cell was lost, IO when stdout failed.
WF_MUST_USE enum weft_err wf_table_done(struct wf_table *t);

// What a command did, for programs: one object of the schema on a line, members in this order. For people it says it in words instead.
struct wf_fact {
    const char *name, *text; // NULL: null
    bool plain;              // a number, true or false: without quotes
};
static inline bool wf_cli_for_programs(const struct wf_cli *cli)
{
    return cli->format == WF_OUT_JSON || cli->format == WF_OUT_JSONL;
}
// 0, or the exit status of what was told.
int wf_cli_object(const char *schema, const struct wf_fact *facts, size_t count);

// Appends a JSON string with its quotes.
WF_MUST_USE enum weft_err wf_cli_json_string(struct wf_buf *out, const char *s);

#endif

// SPDX-License-Identifier: Apache-2.0
#include "sdk/cli/cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "proto/schema/known.h"
#include "sdk/conf/file.h"
#include "sdk/conf/values.h"

// ---- messages ------------------------------------------------------------------------------------------------------

void wf_cli_put(FILE *to, const char *words, const char *keep)
{
    char *copy = strdup(words);

    if (copy)
        wf_text_clean(copy, keep);
    fputs(copy ? copy : "?", to);
    free(copy);
}

int wf_cli_diag(enum weft_err err, const struct wf_diag *diag, const char *what)
{
    if (diag && diag->text[0])
        return wf_cli_fail(err, "%s", diag->text);
    return wf_cli_fail(err, "%s: %s: %s", what, weft_err_text(err), weft_err_doc(err));
}

// ---- options ---------------------------------------------------------------------------------------------------------

static void print_help(const struct wf_command *c)
{
    if (c->examples)
        printf("Examples:\n%s\n\n", c->examples);
    printf("Usage: weft %s %s\n  %s.\n", c->name, c->args ? c->args : "", c->summary);
    if (c->options)
        printf("\n%s\n", c->options);
    printf("\nCommon options:\n"
           "      --dir DIR        identity or node directory (default: $WEFT_DIR, then "
           "~/.config/weft)\n"
           "      --socket PATH    the local weftd (default: $WEFT_SOCKET)\n"
           "  -o, --output FORMAT  table (default), json%s\n"
           "      --partial-ok     a partial answer exits 0\n"
           "  -q, --quiet          no progress or coverage on stderr\n"
           "  -y, --yes            do what cannot be undone\n"
           "  -h, --help           this text\n",
        c->csv ? ", jsonl or csv" : " or jsonl");
}

static int take_format(struct wf_cli *cli, const char *text)
{
    static const char *const names[] = { "table", "json", "jsonl", "csv" };
    size_t i = 0, count = WF_COUNT(names) - !cli->command->csv;

    while (i < count && strcmp(text, names[i]) != 0)
        i++;
    if (i == count)
        return wf_cli_fail(WEFT_E_USAGE, "-o takes table, json%s, not \"%s\"; see: weft %s --help",
            cli->command->csv ? ", jsonl or csv" : " or jsonl", text, cli->command->name);
    cli->format = (enum wf_cli_format)i;
    return 0;
}

static const struct wf_opt *find_opt(
    const struct wf_opt *opts, size_t count, const char *name, size_t len, char letter)
{
    for (size_t i = 0; i < count; i++)
        if (name ? strlen(opts[i].name) == len && strncmp(opts[i].name, name, len) == 0
                 : opts[i].letter && opts[i].letter == letter)
            return &opts[i];
    return NULL;
}

static bool add_to_list(const char ***list, const char *v)
{
    size_t n = 0;

    while (*list && (*list)[n])
        n++;
    const char **grown = realloc(*list, (n + 2) * sizeof *grown);
    if (!grown)
        return false;
    grown[n] = v;
    grown[n + 1] = NULL;
    *list = grown;
    return true;
}

// Applies one option; *i moves past a separate value. 0 = fine, else the exit status.
static int apply(struct wf_cli *cli, const struct wf_opt *o, const char *inline_value, int argc,
    char **argv, int *i)
{
    if (o->flag) {
        *o->flag = true;
        return inline_value ? wf_cli_fail(WEFT_E_USAGE, "--%s takes no value", o->name) : 0;
    }
    const char *v = inline_value;
    if (!v && *i + 1 < argc)
        v = argv[++*i];
    if (!v)
        return wf_cli_fail(
            WEFT_E_USAGE, "--%s needs a value; see: weft %s --help", o->name, cli->command->name);
    if (o->list)
        return add_to_list(o->list, v) ? 0 : wf_cli_fail(WEFT_E_NOMEM, "out of memory");
    *o->value = v;
    return 0;
}

struct both {
    const struct wf_opt *own;
    size_t own_count;
    const struct wf_opt *common;
    size_t common_count;
};

static const char *next_option(const void *context, size_t i)
{
    const struct both *b = context;

    if (i < b->own_count)
        return b->own[i].name;
    return i - b->own_count < b->common_count ? b->common[i - b->own_count].name : NULL;
}

static int unknown_option(const struct wf_cli *cli, const char *word, const struct both *options)
{
    const char *name = word + strspn(word, "-");
    const char *near =
        wf_suggest(wf_bytes((const uint8_t *)name, strcspn(name, "=")), next_option, options);

    return wf_cli_fail(WEFT_E_USAGE, "unknown option %s%s%s%s; see: weft %s --help", word,
        near ? " (did you mean --" : "", near ? near : "", near ? "?)" : "", cli->command->name);
}

// Every caller writes them as one row of literals. NOLINTNEXTLINE(readability-function-size)
int wf_cli_parse(struct wf_cli *cli, int argc, char **argv, const struct wf_opt *opts,
    size_t opt_count, int min, int max, char **operands, int *ret_count)
{
    const char *format = NULL;
    bool help = false, only_operands = false;
    const struct wf_opt common[] = {
        { "dir", 0, .value = &cli->dir },
        { "socket", 0, .value = &cli->socket },
        { "output", 'o', .value = &format },
        { "partial-ok", 0, .flag = &cli->partial_ok },
        { "quiet", 'q', .flag = &cli->quiet },
        { "yes", 'y', .flag = &cli->yes },
        { "help", 'h', .flag = &help },
    };
    int count = 0;

    if (cli->show) {
        cli->show(cli->show_arg, opts, opt_count, common, WF_COUNT(common));
        return 0;
    }
    for (int i = 0; i < argc; i++) {
        char *a = argv[i];
        if (only_operands || a[0] != '-' || a[1] == '\0') {
            if (count == max)
                return wf_cli_fail(WEFT_E_USAGE, "unexpected argument \"%s\"; see: weft %s --help",
                    a, cli->command->name);
            operands[count++] = a;
            continue;
        }
        if (strcmp(a, "--") == 0) {
            only_operands = true;
            continue;
        }
        bool is_long = a[1] == '-';
        const char *equals = is_long ? strchr(a, '=') : NULL;
        size_t len = equals ? (size_t)(equals - a) - 2 : is_long ? strlen(a) - 2 : 0;
        const struct wf_opt *o = find_opt(opts, opt_count, is_long ? a + 2 : NULL, len, a[1]);
        if (!o)
            o = find_opt(common, WF_COUNT(common), is_long ? a + 2 : NULL, len, a[1]);
        if (!o || (!is_long && a[2]))
            return unknown_option(
                cli, a, &(struct both){ opts, opt_count, common, WF_COUNT(common) });
        int status = apply(cli, o, equals ? equals + 1 : NULL, argc, argv, &i);
        if (status)
            return status;
    }
    if (help) {
        print_help(cli->command);
        return 0;
    }
    int status = format ? take_format(cli, format) : 0;
    if (status)
        return status;
    if (count < min)
        return wf_cli_fail(WEFT_E_USAGE, "usage: weft %s %s; see: weft %s --help",
            cli->command->name, cli->command->args ? cli->command->args : "", cli->command->name);
    *ret_count = count;
    return -1;
}

// ---- values of options -------------------------------------------------------------------------------------------------

int wf_cli_take_duration(const char *option, const char *text, int64_t least_ms, int64_t *ret_ms)
{
    uint64_t ms = 0;
    struct wf_value_text least;

    if (!text)
        return 0;
    if (wf_duration_parse(wf_bytes_str(text), &ms) || ms > INT64_MAX || (int64_t)ms < least_ms)
        return wf_cli_fail(WEFT_E_USAGE,
            "--%s %s: a duration of at least %s, such as 30s, 10m, 2h or 7d", option, text,
            wf_duration_text((uint64_t)least_ms, &least));
    *ret_ms = (int64_t)ms;
    return 0;
}

int wf_cli_take_number(const char *option, const char *text, uint64_t most, uint64_t *ret)
{
    uint64_t v = 0;

    if (!text)
        return 0;
    if (wf_u64_parse(wf_bytes_str(text), &v) || v == 0 || v > most)
        return most < UINT32_MAX
                   ? wf_cli_fail(WEFT_E_USAGE, "--%s %s: a number from 1 to %llu", option, text,
                         (unsigned long long)most)
                   : wf_cli_fail(WEFT_E_USAGE, "--%s %s: a number from 1 on", option, text);
    *ret = v;
    return 0;
}

int wf_cli_new_file(const struct wf_cli *cli, const char *path)
{
    struct stat st;

    if (!path || cli->yes || lstat(path, &st) != 0)
        return 0;
    return wf_cli_fail(
        WEFT_E_EXISTS, "%s is there already: name another file, or --yes replaces it", path);
}

int wf_cli_stdin(size_t max, struct wf_buf *ret)
{
    enum weft_err err = WEFT_OK;
    size_t n = 1;

    while (!err && n > 0) {
        err = wf_buf_reserve(ret, 65536);
        n = err ? 0 : fread(ret->ptr + ret->len, 1, 65535, stdin);
        ret->len += n;
        if (ret->len > max)
            err = WEFT_E_TOO_BIG;
    }
    if (!err && ferror(stdin))
        err = WEFT_E_IO;
    if (err)
        return wf_cli_fail(err, "standard input: %s", weft_err_text(err));
    ret->ptr[ret->len] = '\0';
    return 0;
}

// ---- times -----------------------------------------------------------------------------------------------------------

int64_t wf_cli_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void wf_cli_ago(int64_t ms, char out[48])
{
    if (ms < 0)
        snprintf(out, 48, "never");
    else if (ms < 120000)
        snprintf(out, 48, "%lld s", (long long)(ms / 1000));
    else if (ms < 7200000)
        snprintf(out, 48, "%lld min", (long long)(ms / 60000));
    else if (ms < 172800000)
        snprintf(out, 48, "%lld h", (long long)(ms / 3600000));
    else
        snprintf(out, 48, "%lld d", (long long)(ms / 86400000));
}

void wf_cli_heard(int64_t ms, char out[48])
{
    char age[48];

    wf_cli_ago(ms, age);
    snprintf(out, 48, "%.40s%s", age, ms < 0 ? "" : " ago");
}

void wf_cli_time(int64_t unix_ms, char out[WF_CLI_TIME])
{
    struct wf_moment at = { unix_ms / 1000, 0 };

    if (unix_ms)
        wf_timestamp_print(at, out);
    else
        snprintf(out, WF_CLI_TIME, "never");
}

void wf_cli_at(int64_t unix_ms, char out[WF_CLI_AT])
{
    char time[WF_CLI_TIME], when[48];

    wf_cli_time(unix_ms, time);
    wf_cli_when(unix_ms, when);
    if (unix_ms)
        snprintf(out, WF_CLI_AT, "%s, %s", time, when);
    else
        snprintf(out, WF_CLI_AT, "never");
}

void wf_cli_when(int64_t unix_ms, char out[48])
{
    int64_t left = unix_ms - wf_cli_now_ms();
    char span[48];

    if (unix_ms == 0) {
        snprintf(out, 48, "never");
        return;
    }
    wf_cli_ago(left < 0 ? -left : left, span);
    snprintf(out, 48, left < 0 ? "%.36s ago" : "in %.36s", span);
}

// ---- passphrases -----------------------------------------------------------------------------------------------------

static enum weft_err passphrase_from_file(const char *file, struct wf_secret *ret)
{
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_file_read(file, 1024, WF_FILE_SECRET, &text, &diag);

    if (err)
        fprintf(stderr, "weft: %s\n", diag.text);
    else {
        const uint8_t *nl = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
        size_t len = nl ? (size_t)(nl - text.ptr) : text.len;
        err = len ? wf_secret_copy(wf_bytes(text.ptr, len), ret) : WEFT_E_PASSPHRASE;
    }
    wf_wipe(text.ptr, text.len);
    wf_buf_fini(&text);
    return err;
}

static enum weft_err ask_once(const char *prompt, struct wf_secret *ret)
{
    struct termios was, quiet;
    char line[1024];

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &was) != 0) {
        fputs("weft: a passphrase is needed: give --passphrase-file FILE\n", stderr);
        return WEFT_E_PASSPHRASE;
    }
    quiet = was;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    fputs(prompt, stderr);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    char *got = fgets(line, sizeof line, stdin);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
    fputc('\n', stderr);
    size_t len = got ? strcspn(line, "\n") : 0;
    enum weft_err err = len ? wf_secret_copy(wf_bytes(line, len), ret) : WEFT_E_PASSPHRASE;
    wf_wipe(line, sizeof line);
    return err;
}

enum weft_err wf_cli_passphrase(
    const char *file, const char *prompt, bool confirm, struct wf_secret *ret)
{
    struct wf_secret first = { 0 }, again = { 0 };

    if (file)
        return passphrase_from_file(file, ret);
    enum weft_err err = ask_once(prompt, &first);
    if (!err && confirm)
        err = ask_once("Again: ", &again);
    if (!err && confirm && !wf_equal_ct(wf_secret_view(&first), wf_secret_view(&again))) {
        fputs("weft: the two differ\n", stderr);
        err = WEFT_E_PASSPHRASE;
    }
    wf_secret_fini(&again);
    if (err)
        wf_secret_fini(&first);
    else
        *ret = first;
    return err;
}

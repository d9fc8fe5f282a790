// SPDX-License-Identifier: Apache-2.0
// A command's options are asked of the command itself: it hands its table to wf_cli_parse, which shows it (wf_cli.show) and goes no further.
#include "sdk/cli/completion.h"

#include <stdlib.h>
#include <unistd.h>

#define ASK_S 2u // for a weftd; who presses a key does not wait longer

struct completion {
    struct wf_cli *cli;
    char **words; // all but the last are complete
    int count;
    const char *prefix; // the last, or what stands behind its "="
    char glue[64];      // "--kind=" before each value when the last word has it, or ""
    const struct wf_command *command;
    const struct wf_opt *wanted; // the option whose value the last word is
    int operands;                // complete ones before the last word
};

static void put(void *arg, const char *word, const char *what)
{
    const struct completion *c = arg;

    if (strncmp(word, c->prefix, strlen(c->prefix)) != 0)
        return;
    fputs(c->glue, stdout);
    wf_cli_put(stdout, word, "");
    if (what && what[0]) {
        putchar('\t');
        wf_cli_put(stdout, what, "");
    }
    putchar('\n');
}

static void put_files(bool dirs)
{
    puts(dirs ? ":dirs" : ":files");
}

// ---- values of options -----------------------------------------------------------------------------------------------

static const struct choice {
    const char *command, *option, *values; // command NULL: of every one
} choices[] = {
    { NULL, "output", "table json jsonl" },
    { NULL, "verb", "subscribe replay query call: mirror delegate" },
    { "product new", "kind", "metric event inventory api" },
    { "ticket create", "kind", "agent node service user" },
    { "top", "sort", "name records bytes lag age" },
    { "subscribe", "from", "earliest latest cursor:" },
};

static void put_words(struct completion *c, const char *words)
{
    char word[64];

    for (const char *p = words; *p; p += *p == ' ') {
        size_t len = strcspn(p, " ");
        snprintf(word, sizeof word, "%.*s", (int)len, p);
        put(c, word, NULL);
        p += len;
    }
}

// What --help calls the value of an option: "FILE". Empty: it does not say.
static void form_of(const struct wf_command *command, const char *option, char out[32])
{
    char flag[64];
    const char *at = command->options;

    out[0] = '\0';
    snprintf(flag, sizeof flag, "--%s ", option);
    at = at ? strstr(at, flag) : NULL;
    if (at)
        snprintf(out, 32, "%.*s", (int)strcspn(at + strlen(flag), " \n"), at + strlen(flag));
}

static void put_values(struct completion *c, const struct wf_opt *o)
{
    char form[32];

    for (size_t i = 0; i < WF_COUNT(choices); i++)
        if (strcmp(choices[i].option, o->name) == 0 &&
            (!choices[i].command || strcmp(choices[i].command, c->command->name) == 0)) {
            put_words(c, choices[i].values);
            if (strcmp(o->name, "output") == 0 && c->command->csv)
                put(c, "csv", NULL);
            return;
        }
    form_of(c->command, o->name, form);
    if (strcmp(c->command->name, "product move") == 0 && strcmp(o->name, "to") == 0)
        wf_complete_names(c->cli, "node replace", "NAME", put, c);
    else if (strcmp(o->name, "dir") == 0 || strcmp(form, "DIR") == 0 || strcmp(form, "NODE") == 0 ||
             (strcmp(o->name, "domain") == 0 && strcmp(c->command->name, "products") != 0))
        put_files(true);
    else if (strcmp(o->name, "socket") == 0 || strcmp(form, "FILE") == 0 ||
             strstr(o->name, "file") || strcmp(o->name, "proto") == 0)
        put_files(false);
}

// ---- what a command says of itself -----------------------------------------------------------------------------------

// The line of --help about an option, without its head: what stands behind two blanks.
static void help_of(const struct wf_command *command, const char *option, char out[80])
{
    char flag[64];
    const char *at = command->options;

    out[0] = '\0';
    snprintf(flag, sizeof flag, "--%s", option);
    at = at ? strstr(at, flag) : NULL;
    at = at && strcspn(at + strlen(flag), " \n") == 0 ? at + strlen(flag) : NULL;
    size_t line = at ? strcspn(at, "\n") : 0;
    for (; line > 2 && (at[0] != ' ' || at[1] != ' '); line--)
        at++;
    for (; line > 0 && *at == ' '; line--)
        at++;
    if (line > 2 && strncmp(at, "--", 2) != 0)
        snprintf(out, 80, "%.*s", (int)line, at);
}

struct shown {
    struct completion *c;
    const struct wf_opt *opts[2]; // the command's own, and those of all
    size_t count[2];
};

static const struct wf_opt *option_of(const struct shown *s, const char *word, size_t len)
{
    for (size_t i = 0; i < WF_COUNT(s->opts); i++)
        for (size_t k = 0; k < s->count[i]; k++) {
            const struct wf_opt *o = &s->opts[i][k];
            if (word[1] == '-' ? strlen(o->name) == len - 2 && !strncmp(o->name, word + 2, len - 2)
                               : len == 2 && o->letter && o->letter == word[1])
                return o;
        }
    return NULL;
}

// Counts the operands, and finds the option whose value is asked for.
static void look_at_words(struct shown *s, int from)
{
    struct completion *c = s->c;
    bool only_operands = false;

    for (int i = from; i + 1 < c->count; i++) {
        const char *w = c->words[i];
        size_t len = strcspn(w, "=");
        if (only_operands || w[0] != '-' || !w[1]) {
            c->operands++;
            continue;
        }
        only_operands = strcmp(w, "--") == 0;
        const struct wf_opt *o = option_of(s, w, len);
        if (!o || o->flag || w[len] == '=')
            continue;
        if (i + 2 < c->count && strcmp(c->words[i + 1], "=") == 0)
            i++; // bash makes words of its own of "--kind=metric"
        const char *value = i + 2 < c->count ? c->words[i + 1] : NULL;
        if (value && strcmp(o->name, "dir") == 0)
            c->cli->dir = value;
        if (value && strcmp(o->name, "socket") == 0)
            c->cli->socket = value;
        c->wanted = value ? NULL : o;
        i++;
    }
    const char *last = c->words[c->count - 1];
    size_t len = strcspn(last, "=");
    if (!c->wanted && last[0] == '-' && last[len] == '=')
        c->wanted = option_of(s, last, len);
    if (c->wanted && last[0] == '-' && last[len] == '=') {
        c->prefix = last + len + 1;
        snprintf(c->glue, sizeof c->glue, "%.*s=", (int)len, last);
    } else if (c->wanted && strcmp(last, "=") == 0)
        c->prefix = "";
}

static void put_options(const struct shown *s)
{
    char word[80], what[80];

    for (size_t i = 0; i < WF_COUNT(s->opts); i++)
        for (size_t k = 0; k < s->count[i]; k++) {
            snprintf(word, sizeof word, "--%s", s->opts[i][k].name);
            help_of(s->c->command, s->opts[i][k].name, what);
            put(s->c, word, what);
        }
}

static void put_operand(struct completion *c)
{
    const char *form = c->command->args, *again = strstr(form, "…");

    again = again ? again : strstr(form, "...");
    while (*form == '[' || *form == ' ')
        form++;
    if (c->operands > 0 && !again)
        return;
    if (strcmp(c->command->name, "completion") == 0)
        put_words(c, "bash zsh fish");
    else if (strncmp(form, "FILE", 4) == 0)
        put_files(false);
    else if (strncmp(form, "DIR", 3) == 0 || strncmp(form, "NODE", 4) == 0)
        put_files(true);
    if (strncmp(form, "--", 2) != 0)
        wf_complete_names(c->cli, c->command->name, form, put, c);
}

static void on_options(
    void *arg, const struct wf_opt *opts, size_t count, const struct wf_opt *common, size_t more)
{
    struct completion *c = arg;
    struct shown s = { c, { opts, common }, { count, more } };
    int words = 1;

    for (const char *p = c->command->name; *p; p++)
        words += *p == ' ';
    look_at_words(&s, words);
    if (c->wanted && !c->wanted->flag)
        put_values(c, c->wanted);
    else if (c->prefix[0] == '-')
        put_options(&s);
    else
        put_operand(c);
}

// ---- commands --------------------------------------------------------------------------------------------------------

// How many words of a command's name the complete words are; -1: they are not its beginning, or more than its name.
static int words_of(const char *name, char **words, int count)
{
    int n = 0;

    for (const char *p = name; *p && n < count; n++) {
        size_t len = strcspn(p, " ");
        if (strlen(words[n]) != len || strncmp(words[n], p, len) != 0)
            return -1;
        p += len + (p[len] == ' ');
    }
    return n;
}

static const char *word_at(const char *name, int n, size_t *ret_len)
{
    for (; n > 0 && *name; n--) {
        name += strcspn(name, " ");
        name += *name == ' ';
    }
    *ret_len = strcspn(name, " ");
    return name;
}

// The next words of the commands that begin so, each once; those of one command alone with what it does.
static void put_commands(struct completion *c)
{
    char word[32], before[32] = "";

    for (const struct wf_command *k = wf_commands; k->name; k++) {
        size_t len = 0;
        if (words_of(k->name, c->words, c->count - 1) != c->count - 1)
            continue;
        const char *at = word_at(k->name, c->count - 1, &len);
        if (!len)
            continue;
        snprintf(word, sizeof word, "%.*s", (int)len, at);
        bool known = false; // commands of one noun need not stand together
        for (const struct wf_command *e = wf_commands; e != k && !known; e++) {
            size_t other = 0;
            const char *there = word_at(e->name, c->count - 1, &other);
            known = words_of(e->name, c->words, c->count - 1) == c->count - 1 && other == len &&
                    strncmp(there, at, len) == 0;
        }
        if (!known && strcmp(before, word) != 0)
            put(c, word, at[len] ? NULL : k->summary);
        snprintf(before, sizeof before, "%s", word);
    }
}

static const struct wf_command *command_of(char **words, int count)
{
    const struct wf_command *best = NULL;
    size_t most = 0;

    for (const struct wf_command *k = wf_commands; k->name; k++) {
        int n = 1;
        for (const char *p = k->name; *p; p++)
            n += *p == ' ';
        if (n <= count && words_of(k->name, words, n) == n && strlen(k->name) > most) {
            most = strlen(k->name);
            best = k;
        }
    }
    return best;
}

void wf_complete(struct wf_cli *cli, char **words, int count)
{
    struct completion c = { .cli = cli, .words = words, .count = count };

    if (count == 0)
        return;
    c.prefix = words[count - 1];
    if (count == 1 && c.prefix[0] == '-')
        put_words(&c, "--help --version");
    put_commands(&c);
    c.command = command_of(words, count - 1);
    if (!c.command)
        return;
    fflush(stdout);
    alarm(ASK_S);
    struct wf_cli of = { .dir = cli->dir,
        .socket = cli->socket,
        .quiet = true,
        .command = c.command,
        .show = on_options,
        .show_arg = &c };
    c.cli = &of;
    (void)c.command->run(&of, 0, NULL);
}

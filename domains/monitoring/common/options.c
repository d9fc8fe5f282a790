// SPDX-License-Identifier: Apache-2.0
// What the commands share: failures for people, and which products are meant.
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "domains/monitoring/common/monitor.h"

int wf_mon_fail(enum weft_err err, const char *text, const char *hint)
{
    int status = weft_err_exit(err);

    fprintf(stderr, "weft-monitor: %s\n", text);
    if (hint && hint[0])
        fprintf(stderr, "weft-monitor: %s\n", hint);
    return status ? status : 1;
}

const char *wf_mon_where(const struct wf_mon_options *o)
{
    return o->database ? o->database : o->db;
}

bool wf_mon_wants(const struct wf_mon_options *o, const char *product)
{
    for (size_t i = 0; i < o->pattern_count; i++)
        if (fnmatch(o->patterns[i], product, 0) == 0)
            return true;
    return o->pattern_count == 0;
}

bool wf_mon_names(const struct wf_mon_options *o, const char *product)
{
    for (size_t i = 0; i < o->pattern_count; i++)
        if (strcmp(o->patterns[i], product) == 0)
            return true;
    return false;
}

// What stands behind the pattern; 0: it is no duration.
static int64_t keep_of(const char *keep)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
    const char *at = strrchr(keep, '=');
    int64_t n = 0;

    for (at = at ? at + 1 : keep; *at >= '0' && *at <= '9' && n < 100000000; at++)
        n = n * 10 + (*at - '0');
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (at[0] == units[i].unit && at[1] == '\0')
            return n * units[i].seconds;
    return 0;
}

bool wf_mon_keep_is_good(const char *keep)
{
    return keep[0] != '=' && keep_of(keep) >= 86400 && keep_of(keep) < (int64_t)200 * 366 * 86400;
}

int64_t wf_mon_keep_us(const struct wf_mon_options *o, const char *product, bool inventory)
{
    for (size_t i = o->keep_count; i > 0; i--) {
        char pattern[WF_MON_PRODUCT * 2];
        const char *keep = o->keeps[i - 1], *end = strrchr(keep, '=');
        snprintf(pattern, sizeof pattern, "%.*s", end ? (int)(end - keep) : 0, keep);
        if (end ? fnmatch(pattern, product, 0) == 0 : !inventory)
            return keep_of(keep) * 1000000;
    }
    return 0;
}

bool wf_mon_takes(const char *command, const char *option)
{
    static const struct {
        const char *command, *options;
    } table[] = { { "run", " --keep --product --seconds --once --every --rules --alerts --remote "
                           "--remote-auth --remote-ca --remote-state --from " },
        { "write", " --product --seconds --once --every --remote --remote-auth --remote-ca "
                   "--remote-state --from " },
        { "alert", " --product --seconds --once --every --rules --alerts " },
        { "alerts", " --alerts --rules --for --comment -o " },
        { "rules", " --alerts --product -o " },
        { "store", " --keep --product --seconds --once --every " },
        { "status", " --alerts --remote-state -o --json " },
        { "top", " --alerts --remote-state -o --json --every --count -n --once --sort " },
        { "backfill", " --from " }, { "sql", " -o " },
        { "verify", " --product --row --most -o " } };
    char word[64];

    snprintf(word, sizeof word, " %s ", option);
    if (strstr(" --config --dir --db --database --socket ", word))
        return true;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].command, command) == 0)
            return strstr(table[i].options, word) != NULL;
    return false;
}

size_t wf_mon_words(const char *command)
{
    if (strcmp(command, "sql") == 0 || strcmp(command, "backfill") == 0)
        return 1;
    return strcmp(command, "rules") == 0 || strcmp(command, "alerts") == 0 ? WF_MON_WORDS : 0;
}

bool wf_mon_is_flag(const char *option)
{
    return strcmp(option, "--once") == 0 || strcmp(option, "--json") == 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/alert/match.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

struct word {
    char name[64], value[WF_LABEL_VALUE];
    bool is_not;
};

// The next `NAME=PATTERN` or `NAME!=PATTERN`; the pattern may stand in quotation marks. *at moves behind it.
static bool next_word(const char **at, struct word *ret, const char **ret_why)
{
    const char *p = *at;
    size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    *ret_why = "want NAME=PATTERN or NAME!=PATTERN";
    if (len == 0 || len >= sizeof ret->name)
        return false;
    snprintf(ret->name, sizeof ret->name, "%.*s", (int)len, p);
    p += len;
    ret->is_not = *p == '!';
    p += ret->is_not;
    if (*p++ != '=')
        return false;
    bool quoted = *p == '"';
    p += quoted;
    len = quoted ? strcspn(p, "\"") : strcspn(p, " \t\n,");
    *ret_why = "a quotation mark is missing";
    if (quoted && p[len] != '"')
        return false;
    *ret_why = "a pattern is too long";
    if (len >= sizeof ret->value)
        return false;
    snprintf(ret->value, sizeof ret->value, "%.*s", (int)len, p);
    *at = p + len + quoted;
    return true;
}

static const char *skip(const char *p)
{
    while (isspace((unsigned char)*p) || *p == ',')
        p++;
    return p;
}

bool wf_matcher_read(const char *text, struct wf_matcher *ret, char *ret_why, size_t size)
{
    struct word w;
    const char *p = skip(text), *why = "want at least one NAME=PATTERN";
    unsigned count = 0;

    if (strlen(text) >= WF_MATCH_TEXT) {
        snprintf(ret_why, size, "more than %u bytes", WF_MATCH_TEXT - 1);
        return false;
    }
    for (; *p; p = skip(p), count++) {
        const char *at = p;
        if (!next_word(&p, &w, &why) || count == WF_MATCH_WORDS) {
            snprintf(ret_why, size, "%s: \"%.40s\"",
                count == WF_MATCH_WORDS ? "too many words" : why, at);
            return false;
        }
    }
    if (!count) {
        snprintf(ret_why, size, "%s", why);
        return false;
    }
    memcpy(ret->text, text, strlen(text) + 1);
    return true;
}

bool wf_matcher_holds(const struct wf_matcher *m, wf_match_value_fn get, const void *arg)
{
    struct word w;
    const char *p = skip(m->text), *why;

    if (!*p)
        return false;
    for (; *p; p = skip(p)) {
        if (!next_word(&p, &w, &why))
            return false;
        const char *value = get(arg, w.name);
        if ((fnmatch(w.value, value ? value : "", 0) == 0) == w.is_not)
            return false;
    }
    return true;
}

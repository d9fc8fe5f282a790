// SPDX-License-Identifier: Apache-2.0
// See hush.h.
#include "domains/monitoring/common/hush.h"

#include <string.h>
#include <strings.h>

// How many bytes of the secret stand at `at`: all, or, at the end of a cut text, those that were left.
static size_t of_secret(const char *at, size_t left, const char *secret, bool cut)
{
    size_t len = secret ? strlen(secret) : 0;

    if (len < WF_HUSH_LEAST || (left < len && !cut))
        return 0;
    if (left < len)
        len = left;
    return memcmp(at, secret, len) == 0 ? len : 0;
}

// The length of "basic " or "bearer ", when that stands at `at`.
static size_t of_scheme(const char *at, size_t left)
{
    static const char *const schemes[] = { "basic ", "bearer " };

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (left > strlen(schemes[i]) && strncasecmp(at, schemes[i], strlen(schemes[i])) == 0)
            return strlen(schemes[i]);
    return 0;
}

static size_t of_word(const char *at, size_t left)
{
    size_t n = 0;

    while (n < left && !strchr(" \t\r\n\"'`,;<>", at[n]))
        n++;
    return n;
}

bool wf_hush(char *text, size_t len, const char *const *secrets, size_t count, bool cut)
{
    bool any = false;

    for (size_t at = 0; at < len;) {
        size_t scheme = of_scheme(text + at, len - at), hidden = 0;
        if (scheme) {
            at += scheme;
            hidden = of_word(text + at, len - at);
        }
        for (size_t i = 0; i < count; i++) {
            size_t n = of_secret(text + at, len - at, secrets[i], cut);
            hidden = n > hidden ? n : hidden;
        }
        any = any || hidden;
        memset(text + at, '*', hidden);
        at += hidden ? hidden : scheme ? 0 : 1;
    }
    return any;
}

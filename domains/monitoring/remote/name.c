// SPDX-License-Identifier: Apache-2.0
// See name.h. Units follow what OpenTelemetry's and Prometheus' documents make of UCUM codes.
#include "domains/monitoring/remote/name.h"

#include <stdio.h>
#include <string.h>

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Room is left for what is put behind it.
static void plain(const char *prefix, const char *from, char ret[WF_REMOTE_NAME])
{
    size_t len = (size_t)snprintf(ret, WF_REMOTE_NAME - 64, "%s%s", prefix, from);

    if (len >= WF_REMOTE_NAME - 64)
        len = WF_REMOTE_NAME - 65;
    for (size_t i = 0; i < len; i++)
        if (!is_plain(ret[i]))
            ret[i] = '_';
}

static bool ends_with(const char *name, const char *word)
{
    size_t len = strlen(name), n = strlen(word);

    return len > n && name[len - n - 1] == '_' && strcmp(name + len - n, word) == 0;
}

static void put_behind(char name[WF_REMOTE_NAME], const char *word)
{
    size_t len = strlen(name);

    if (word[0] && !ends_with(name, word))
        snprintf(name + len, WF_REMOTE_NAME - len, "_%s", word);
}

// "" for what is counted ("{packet}"), for ratios, and for what is not known here.
static const char *unit_word(const char *unit)
{
    static const struct {
        const char *code, *word;
    } units[] = { { "s", "seconds" }, { "ms", "milliseconds" }, { "us", "microseconds" },
        { "ns", "nanoseconds" }, { "min", "minutes" }, { "h", "hours" }, { "d", "days" },
        { "By", "bytes" }, { "KiBy", "kibibytes" }, { "MiBy", "mebibytes" },
        { "GiBy", "gibibytes" }, { "kBy", "kilobytes" }, { "bit", "bits" }, { "%", "percent" },
        { "Cel", "celsius" }, { "V", "volts" }, { "A", "amperes" }, { "W", "watts" },
        { "J", "joules" }, { "Hz", "hertz" }, { "m", "meters" }, { "g", "grams" },
        { "By/s", "bytes_per_second" }, { "bit/s", "bits_per_second" },
        { "Mbit/s", "megabits_per_second" } };

    for (size_t i = 0; unit && i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].code, unit) == 0)
            return units[i].word;
    return "";
}

void wf_remote_metric(const char *product, const struct weft_field *f, char ret[WF_REMOTE_NAME])
{
    char both[WF_REMOTE_NAME];

    snprintf(both, sizeof both, "%.120s_%.120s", product, f->name);
    plain(product[0] >= '0' && product[0] <= '9' ? "p" : "", both, ret);
    if (f->role == WEFT_ROLE_COUNTER && ends_with(ret, "total"))
        ret[strlen(ret) - 6] = '\0'; // the unit stands before it
    put_behind(ret, unit_word(f->unit));
    if (f->role == WEFT_ROLE_COUNTER)
        put_behind(ret, "total");
}

void wf_remote_label(const char *field, char ret[WF_REMOTE_NAME])
{
    static const char *const taken[] = { "domain", "product", "origin", "job", "instance" };
    bool is_taken = field[0] == '_' || (field[0] >= '0' && field[0] <= '9');

    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        is_taken = is_taken || strcmp(field, taken[i]) == 0;
    plain(is_taken ? "exported_" : "", field, ret);
}

void wf_remote_numbered(const char *name, unsigned nth, char ret[WF_REMOTE_NAME])
{
    if (nth <= 1)
        snprintf(ret, WF_REMOTE_NAME, "%s", name);
    else
        snprintf(ret, WF_REMOTE_NAME, "%.240s_%u", name, nth);
}

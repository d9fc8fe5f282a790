// SPDX-License-Identifier: Apache-2.0
#include "node/say.h"

#include <stdatomic.h>
#include <stdio.h>

#include "node/conf.h"

static atomic_int form = WF_LOG_LOGFMT, least = WF_LOG_DEBUG;

void wf_say_form(int format, int level)
{
    atomic_store(&form, format);
    atomic_store(&least, level);
}

bool wf_say_is_json(void)
{
    return atomic_load(&form) == WF_LOG_JSON;
}

// Control characters never reach a terminal or a log parser.
static void put_value(struct wf_buf *out, const char *v, bool json)
{
    enum weft_err err = wf_buf_append_byte(out, '"');

    for (struct wf_bytes in = wf_bytes_str(v); in.len && !err;) {
        uint32_t code = 0;
        size_t len = wf_text_next(in, &code);
        if (code != WF_TEXT_SHOWN)
            err = wf_buf_printf(out, json || code > 0xff ? "\\u%04x" : "\\x%02x", code);
        else if (*in.ptr == '"' || *in.ptr == '\\')
            err = wf_buf_printf(out, "\\%c", *in.ptr);
        else
            err = wf_buf_append(out, wf_bytes(in.ptr, len));
        in = wf_bytes(in.ptr + len, in.len - len);
    }
    if (!err)
        err = wf_buf_append_byte(out, '"');
}

static void put_pair(struct wf_buf *out, const char *key, const char *value, bool json)
{
    enum weft_err err = json ? wf_buf_printf(out, "%s\"%s\":", out->len ? "," : "{", key)
                             : wf_buf_printf(out, "%s%s=", out->len ? " " : "", key);

    if (!err)
        put_value(out, value, json);
}

void wf_say_write(
    bool json, enum wf_log_level level, const char *const about[2], va_list pairs, unsigned held)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };
    struct wf_buf line = { 0 };
    char number[24];

    put_pair(&line, "level", levels[level], json);
    put_pair(&line, "room", about[0], json);
    put_pair(&line, "msg", about[1], json);
    for (const char *key = va_arg(pairs, const char *); key; key = va_arg(pairs, const char *))
        put_pair(&line, key, va_arg(pairs, const char *), json);
    if (held) {
        snprintf(number, sizeof number, "%u", held);
        put_pair(&line, "held_back", number, json);
    }
    if (!wf_buf_append_str(&line, json ? "}\n" : "\n"))
        fwrite(line.ptr, 1, line.len, stderr);
    wf_buf_fini(&line);
}

void wf_say_line(enum wf_log_level level, const char *room, const char *message, ...)
{
    va_list pairs;

    if ((int)level < atomic_load(&least))
        return;
    va_start(pairs, message);
    wf_say_write(wf_say_is_json(), level, (const char *const[]){ room, message }, pairs, 0);
    va_end(pairs);
}

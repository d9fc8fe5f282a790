// SPDX-License-Identifier: Apache-2.0
// Problems for people, and the names of products as people write them.
#include <stdarg.h>
#include <stdio.h>

#include "sdk/client.h"

void wf_problem_set(struct weft_problem *p, enum weft_err err, const char *format, ...)
{
    va_list args;

    if (!p)
        return;
    *p = (struct weft_problem){ .err = err };
    va_start(args, format);
    vsnprintf(p->text, sizeof p->text, format, args);
    wf_text_clean(p->text, "\n");
    va_end(args);
}

// A stranger's words, which programs print: they steer no terminal and begin no line.
static void copy(char *to, size_t room, const char *from)
{
    snprintf(to, room, "%s", from ? from : "");
    wf_text_clean(to, "");
}

void wf_problem_from_reply(
    struct weft_problem *p, enum weft_err err, const Weft__V1__Reply *reply, const char *what)
{
    const Weft__V1__Refusal *r = reply ? reply->refusal : NULL;

    if (!p)
        return;
    const char *mark = r && weft_err_exit(err) == 77 ? "refused: " : "";
    bool names_it = r && strncmp(r->text, what, strlen(what)) == 0; // a decision does
    if (!r && err == WEFT_E_UNREACHABLE)
        wf_problem_set(p, err, "%s: unreachable: its owner's node does not answer", what);
    else if (!r || !r->text[0])
        wf_problem_set(p, err, "%s%s: %s", mark, what, weft_err_text(err));
    else if (names_it)
        wf_problem_set(p, err, "%s%s", mark, r->text);
    else
        wf_problem_set(p, err, "%s%s: %s", mark, what, r->text);
    if (!r)
        return;
    copy(p->caveat, sizeof p->caveat, r->caveat);
    copy(p->asked, sizeof p->asked, r->asked);
    copy(p->granted, sizeof p->granted, r->granted);
    copy(p->audit_id, sizeof p->audit_id, r->audit_id);
    copy(p->hint, sizeof p->hint, r->hint);
}

// ---- targets -----------------------------------------------------------------------------------------------------------

static enum weft_err bad_target(
    struct weft_problem *p, enum weft_err err, const char *text, bool want_method)
{
    wf_problem_set(p, err, "\"%.120s\" is not %s", text,
        want_method ? "DOMAIN/PRODUCT[@MAJOR]/Method" : "DOMAIN/PRODUCT[@MAJOR]");
    if (p)
        snprintf(p->hint, sizeof p->hint, "weft products");
    return err;
}

static enum weft_err parse_major(struct wf_bytes digits, uint32_t *ret)
{
    uint32_t v = 0;

    if (digits.len == 0 || digits.len > 9 || digits.ptr[0] == '0')
        return WEFT_E_SYNTAX;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return WEFT_E_SYNTAX;
        v = v * 10 + (uint32_t)(digits.ptr[i] - '0');
    }
    *ret = v;
    return WEFT_OK;
}

// Cuts `in` at the first `mark`: what stands before it, and what follows (ptr NULL when there is no mark).
static struct wf_bytes cut(struct wf_bytes in, char mark, struct wf_bytes *ret_rest)
{
    const uint8_t *at = in.len ? memchr(in.ptr, mark, in.len) : NULL;

    *ret_rest = wf_bytes(NULL, 0);
    if (!at)
        return in;
    size_t len = (size_t)(at - in.ptr);
    *ret_rest = wf_bytes(at + 1, in.len - len - 1);
    return wf_bytes(in.ptr, len);
}

enum weft_err wf_target_parse(
    const char *text, bool want_method, struct wf_target *ret, struct weft_problem *problem)
{
    struct wf_target t = { 0 };
    struct wf_bytes rest, method, major;
    const char *shown = text ? text : "";
    struct wf_bytes domain = cut(wf_bytes_str(shown), '/', &rest);
    struct wf_bytes product = cut(cut(rest, '/', &method), '@', &major);
    enum weft_err err = wf_name_from(domain, &t.domain);

    if (!err)
        err = wf_name_from(product, &t.product);
    if (!err && major.ptr)
        err = parse_major(major, &t.major);
    if (!err && (want_method ? method.len == 0 : method.ptr != NULL))
        err = WEFT_E_SYNTAX;
    if (!err && method.len >= sizeof t.method)
        err = WEFT_E_TOO_BIG;
    if (err)
        return bad_target(problem, err, shown, want_method);
    if (method.len)
        memcpy(t.method, method.ptr, method.len);
    if (want_method && !wf_identifier_is_valid(t.method, false))
        return bad_target(problem, WEFT_E_METHOD, shown, true);
    *ret = t;
    return WEFT_OK;
}

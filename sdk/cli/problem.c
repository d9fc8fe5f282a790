// SPDX-License-Identifier: Apache-2.0
// What a command failed of: words on stderr when it happens, and for programs (-o json, jsonl) an object on stdout at its end (ADR 49).
// Owns the last failure that was told. Invariant: an object is printed once. Single-threaded.
#include "sdk/cli/problem.h"

#include <errno.h>
#include <stdarg.h>

static struct {
    bool told, printed;
    int status;
    enum weft_err err; // OK: the status is all that is known
    char text[2048];
    struct weft_problem parts; // but err and text
} last;

static void keep(enum weft_err err, int status, const char *text)
{
    memset(&last, 0, sizeof last);
    last.told = true;
    last.err = err;
    last.status = status;
    snprintf(last.text, sizeof last.text, "%s", text);
}

void wf_cli_note(enum weft_err err, const char *text)
{
    keep(err, weft_err_exit(err), text);
}

void wf_cli_note_status(int status, const char *format, ...)
{
    char text[sizeof last.text];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    keep(WEFT_OK, status, text);
}

__attribute__((format(printf, 3, 0))) static int complain(
    enum weft_err err, int status, const char *format, va_list args)
{
    va_list again;
    char text[sizeof last.text];

    va_copy(again, args);
    vsnprintf(text, sizeof text, format, again);
    va_end(again);
    fputs("weft: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    keep(err, status, text);
    return status;
}

int wf_cli_fail(enum weft_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int status = complain(err, weft_err_exit(err), format, args);
    va_end(args);
    return status;
}

int wf_cli_fail_as(int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(WEFT_OK, status, format, args);
    va_end(args);
    return status;
}

// A decision's text ends with what to do, for who has nothing but the text; here that has a line of its own.
static int length_without(const char *text, const char *hint)
{
    static const char ask[] = "; ask: ";
    size_t len = strlen(text), tail = sizeof ask - 1 + strlen(hint);

    if (!hint[0] || len < tail || strncmp(text + len - tail, ask, sizeof ask - 1) != 0 ||
        strcmp(text + len - strlen(hint), hint) != 0)
        return (int)len;
    return (int)(len - tail);
}

int wf_cli_problem(const struct weft_problem *p)
{
    const char *text = p->text[0] ? p->text : weft_err_text(p->err);
    int status = wf_cli_fail(p->err, "%.*s", length_without(text, p->hint), text);

    last.parts = *p;
    if (p->audit_id[0])
        fprintf(stderr, "  the owner finds this refusal under audit id %s\n", p->audit_id);
    if (p->hint[0])
        fprintf(stderr, "  %s\n", p->hint);
    return status;
}

static void take(char *to, size_t room, const char *from)
{
    snprintf(to, room, "%s", from);
}

int wf_cli_refused(const Weft__V1__Refusal *r, const char *what)
{
    enum weft_err err = (enum weft_err)r->code;
    char text[sizeof last.text];

    snprintf(text, sizeof text, "refused: %s: %s", what, r->text[0] ? r->text : weft_err_text(err));
    text[length_without(text, r->hint)] = '\0';
    wf_text_clean(text, "\n"); // of another node, perhaps
    wf_cli_fail(err, "%s", text);
    take(last.parts.caveat, sizeof last.parts.caveat, r->caveat);
    take(last.parts.asked, sizeof last.parts.asked, r->asked);
    take(last.parts.granted, sizeof last.parts.granted, r->granted);
    take(last.parts.audit_id, sizeof last.parts.audit_id, r->audit_id);
    take(last.parts.hint, sizeof last.parts.hint, r->hint);
    if (r->audit_id[0]) {
        fputs("  audit id ", stderr);
        wf_cli_put(stderr, r->audit_id, "");
        fputc('\n', stderr);
    }
    if (r->hint[0]) {
        fputs("  ", stderr);
        wf_cli_put(stderr, r->hint, "\n");
        fputc('\n', stderr);
    }
    return weft_err_exit(err);
}

// ---- for programs ----------------------------------------------------------------------------------------------------

enum weft_err wf_cli_json_member(struct wf_buf *out, const char *key, const char *text)
{
    if (!text || !text[0])
        return WEFT_OK;
    enum weft_err err = wf_buf_printf(out, ",\"%s\":", key);
    return err ? err : wf_cli_json_string(out, text);
}

enum weft_err wf_cli_problem_object(struct wf_buf *out)
{
    enum weft_err err = wf_buf_printf(out, "{\"schema\":\"weft.problem/v1\"");

    if (!err && last.err)
        err = wf_cli_json_member(out, "error", weft_err_name(last.err));
    if (!err)
        err = wf_buf_printf(out, ",\"exit\":%d", last.status);
    if (!err)
        err = wf_cli_json_member(out, "text", last.text);
    if (!err)
        err = wf_cli_json_member(out, "caveat", last.parts.caveat);
    if (!err)
        err = wf_cli_json_member(out, "asked", last.parts.asked);
    if (!err)
        err = wf_cli_json_member(out, "granted", last.parts.granted);
    if (!err)
        err = wf_cli_json_member(out, "audit_id", last.parts.audit_id);
    if (!err)
        err = wf_cli_json_member(out, "hint", last.parts.hint);
    last.printed = true;
    return err ? err : wf_buf_append_byte(out, '}');
}

void wf_cli_end(const struct wf_cli *cli, int status)
{
    struct wf_buf out = { 0 };

    if (status == 0 || last.printed || !wf_cli_for_programs(cli))
        return;
    // What a program below said on standard error, and a wrong command line, have words alone; what neither is "no" nor partial is an object all the same.
    if (!last.told && status > WF_EXIT_USAGE)
        wf_cli_note_status(status, "what failed is told on standard error");
    if (!last.told)
        return;
    if (!wf_cli_problem_object(&out))
        printf("%.*s\n", (int)out.len, (const char *)out.ptr);
    wf_buf_fini(&out);
}

int wf_cli_flush(int status)
{
    bool failed = ferror(stdout) != 0;

    errno = 0;
    failed = fflush(stdout) != 0 || failed;
    if (!failed)
        return status;
    fprintf(stderr,
        "weft: standard output could not be written%s%s: what was printed is not whole\n",
        errno ? ": " : "", errno ? strerror(errno) : "");
    return status ? status : weft_err_exit(WEFT_E_IO);
}

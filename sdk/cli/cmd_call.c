// SPDX-License-Identifier: Apache-2.0
// weft call, weft call status: another team's API, asked through libweft like any application would.
#include <stdlib.h>

#include "proto/base/crypto.h"
#include "proto/base/limits.h"
#include "sdk/cli/called.h"
#include "sdk/cli/client.h"
#include "sdk/cli/product.h"

static bool parse_key(const char *text, uint8_t out[16])
{
    struct wf_buf key = { 0 };
    bool good = !wf_hex_take(wf_bytes_str(text), &key) && key.len == 16;

    if (good)
        memcpy(out, key.ptr, 16);
    wf_buf_fini(&key);
    return good;
}

// What became of a call, for programs: also when it failed, since key and state tell how to go on.
static enum weft_err result_object(
    const char *target, const char *key, const struct weft_result *r, bool failed)
{
    struct wf_buf out = { 0 };
    enum weft_err err = wf_buf_printf(&out, "{\"schema\":\"weft.call/v1\"");

    if (!err)
        err = wf_cli_json_member(&out, "call", target);
    if (!err)
        err = wf_cli_json_member(&out, "key", key);
    if (!err)
        err = wf_cli_json_member(&out, "state", r->state[0] ? r->state : "not-delivered");
    if (!err)
        err = wf_cli_json_member(&out, "provider", r->provider);
    if (!err && r->json)
        err = wf_buf_printf(&out, ",\"reply\":%s", r->json);
    if (!err && failed)
        err = wf_buf_append_str(&out, ",\"problem\":");
    if (!err && failed)
        err = wf_cli_problem_object(&out);
    if (!err)
        err = wf_buf_append_str(&out, "}\n");
    if (!err && fwrite(out.ptr, 1, out.len, stdout) != out.len)
        err = WEFT_E_IO;
    wf_buf_fini(&out);
    return err;
}

// A call that may have acted is not to be made anew by who only knows that it failed.
static void advise(const struct weft_result *r, const char *key, struct weft_problem *p)
{
    if (p->hint[0])
        return;
    if (strcmp(r->state, "unknown") == 0)
        snprintf(p->hint, sizeof p->hint,
            "whether it acted is not known: look there; this --key never runs it again, a new call "
            "may do it twice");
    else if (strcmp(r->state, "running") == 0)
        snprintf(p->hint, sizeof p->hint, "weft call status %s --wait 1m", key);
}

static int print_result(const struct wf_cli *cli, const char *target, enum weft_err err,
    const struct weft_result *r, struct weft_problem *p)
{
    char hex[33];

    wf_hex_put(wf_bytes(r->key, 16), hex);
    if (!cli->quiet || err)
        fprintf(stderr, "call %s: %s%s%s\n", hex, r->state[0] ? r->state : "not sent",
            r->provider[0] ? " by " : "", r->provider);
    if (err)
        advise(r, hex, p);
    int status = err ? wf_cli_problem(p) : 0;
    if (cli->format == WF_OUT_TABLE) {
        if (!err && r->json)
            puts(r->json);
        return status;
    }
    err = result_object(target, hex, r, status != 0);
    return status || !err ? status : wf_cli_fail(err, "%s", weft_err_text(err));
}

// The request message: the operand, or standard input when it is "-".
static int take_request(const char *operand, struct wf_buf *text, const char **ret)
{
    *ret = operand;
    if (strcmp(operand, "-") != 0)
        return 0;
    int status = wf_cli_stdin(WF_MAX_CALL, text);
    if (!status && (text->len == 0 || memchr(text->ptr, '\0', text->len)))
        status = wf_cli_fail(WEFT_E_SYNTAX, "standard input: no JSON text");
    *ret = (const char *)text->ptr;
    return status;
}

int wf_cmd_call(struct wf_cli *cli, int argc, char **argv)
{
    const char *host = NULL, *key_text = NULL, *timeout = NULL;
    const struct wf_opt opts[] = { { "at", 0, .value = &host }, { "key", 0, .value = &key_text },
        { "timeout", 0, .value = &timeout } };
    struct weft_call_options options = { 0 };
    struct weft_client *c = NULL;
    struct weft_result r = { 0 };
    struct weft_problem p = { 0 };
    uint8_t key[16];
    char hex[33], *operands[2] = { NULL };
    struct wf_buf text = { 0 };
    const char *request = NULL;
    int64_t ms = 0;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 2, operands, &count);

    if (status >= 0)
        return status;
    if (key_text && !parse_key(key_text, key))
        return wf_cli_fail(
            WEFT_E_USAGE, "--key takes the 32 hex digits that an earlier call printed");
    status = wf_cli_take_duration("timeout", timeout, 1, &ms);
    if (!status)
        status = take_request(count > 1 ? operands[1] : "{}", &text, &request);
    if (status) {
        wf_buf_fini(&text);
        return status;
    }
    // Chosen and noted before it leaves, so that the call can be asked after even when this command is killed.
    if (!key_text)
        wf_random(key, sizeof key);
    wf_hex_put(wf_bytes(key, sizeof key), hex);
    wf_called_note(hex, operands[0]);
    options.host = host;
    options.key = key;
    options.timeout_ms = (unsigned)ms;
    status = wf_cli_connect(cli, &c);
    if (!status)
        status = print_result(
            cli, operands[0], weft_call(c, operands[0], request, &options, &r, &p), &r, &p);
    weft_result_fini(&r);
    weft_close(c);
    wf_buf_fini(&text);
    return status;
}

// The target of a call that this user made here needs no repeating.
static int find_target(const char *key_hex, char **ret_target)
{
    enum weft_err err = wf_called_find(key_hex, ret_target);

    return err ? wf_cli_fail(err,
                     "%s: no call of that key was made here lately; say whose it is: "
                     "weft call status DOMAIN/API/METHOD %s",
                     key_hex, key_hex)
               : 0;
}

int wf_cmd_call_status(struct wf_cli *cli, int argc, char **argv)
{
    const char *wait = NULL;
    const struct wf_opt opts[] = { { "wait", 0, .value = &wait } };
    struct weft_client *c = NULL;
    struct weft_result r = { 0 };
    struct weft_problem p = { 0 };
    uint8_t key[16];
    int64_t ms = 0;
    char *operands[2] = { NULL }, *target = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 2, operands, &count);

    if (status >= 0)
        return status;
    const char *key_text = operands[count - 1];
    if (!parse_key(key_text, key))
        return wf_cli_fail(WEFT_E_USAGE,
            "%s: the key of a call has 32 hex digits, as weft call printed them", key_text);
    status = wf_cli_take_duration("wait", wait, 0, &ms);
    if (status)
        return status;
    status = count == 1 ? find_target(key_text, &target) : 0;
    if (!status)
        status = wf_cli_connect(cli, &c);
    const char *of = target ? target : operands[0];
    if (!status)
        status = print_result(cli, of, weft_call_status(c, of, key, (unsigned)ms, &r, &p), &r, &p);
    weft_result_fini(&r);
    weft_close(c);
    free(target);
    return status;
}

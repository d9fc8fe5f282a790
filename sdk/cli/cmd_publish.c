// SPDX-License-Identifier: Apache-2.0
// weft publish: JSON lines from standard input into a product of the local node, by the rules of docs/internals/sources.md.
#include <stdlib.h>
#include <string.h>

#include "proto/schema/known.h"
#include "sdk/cli/client.h"
#include "sdk/cli/problem.h"
#include "sdk/cli/stream.h"
#include "sdk/client.h"
#include "sdk/json.h"

#define CLOSE_MS 10000
#define WAIT_MS  5000 // with --wait: as often it is said what is waited for

struct line { // one line, understood
    struct wf_json *json;
    enum weft_op op;
    int64_t time_us; // 0 = now
};

static enum weft_err read_op(const struct wf_json *v, enum weft_op *ret, struct wf_diag *diag)
{
    static const char *const names[] = { "put", "delete", "snapshot-begin", "snapshot-end" };

    for (size_t i = 0; i < WF_COUNT(names); i++)
        if (wf_bytes_is(wf_json_string(v), names[i])) {
            *ret = (enum weft_op)i;
            return WEFT_OK;
        }
    char brief[WF_JSON_BRIEF];
    wf_diag_set(diag, 0, 0, "@op: expected put, delete, snapshot-begin or snapshot-end, got %s",
        wf_json_brief(v, brief));
    return WEFT_E_RECORD;
}

static enum weft_err read_time(const struct wf_json *v, int64_t *ret, struct wf_diag *diag)
{
    struct wf_moment m;
    char brief[WF_JSON_BRIEF];

    if (wf_timestamp_parse(wf_json_string(v), &m)) {
        wf_diag_set(diag, 0, 0, "@time: expected a time such as 2026-01-01T00:00:00Z, got %s",
            wf_json_brief(v, brief));
        return WEFT_E_RECORD;
    }
    *ret = m.seconds * 1000000 + m.nanos / 1000;
    return WEFT_OK;
}

// Takes the members that belong to the protocol; what is left is the record.
static enum weft_err understand(struct wf_bytes text, struct line *l, struct wf_diag *diag)
{
    struct wf_json_iter it = { 0 };
    struct wf_bytes key;
    const struct wf_json *value = NULL;
    enum weft_err err = wf_json_parse(text, &l->json, diag);

    if (!err && wf_json_type(l->json) != WF_JSON_OBJECT) {
        wf_diag_set(diag, 0, 0, "expected an object");
        err = WEFT_E_RECORD;
    }
    while (!err && wf_json_next(l->json, &it, &key, &value)) {
        if (key.len == 0 || key.ptr[0] != '@')
            continue;
        if (wf_bytes_is(key, "@op"))
            err = read_op(value, &l->op, diag);
        else if (wf_bytes_is(key, "@time"))
            err = read_time(value, &l->time_us, diag);
        else {
            wf_diag_set(diag, 0, 0, "unknown member %.*s", (int)(key.len < 40 ? key.len : 40),
                (const char *)key.ptr);
            err = WEFT_E_UNKNOWN_FIELD;
        }
    }
    if (!err)
        wf_json_strip_at(l->json);
    return err;
}

static enum weft_err encode(const struct weft_publisher *p, const struct line *l,
    struct wf_buf *record, struct wf_diag *diag)
{
    if (l->op == WEFT_PUT || l->op == WEFT_DELETE)
        return wf_json_encode(
            wf_product_message(weft_publisher_product(p)), l->json, WF_MAX_RECORD, record, diag);
    if (wf_json_count(l->json) == 0)
        return WEFT_OK;
    wf_diag_set(diag, 0, 0, "a snapshot mark has no other members");
    return WEFT_E_RECORD;
}

struct count {
    uint64_t lines, taken, refused, dropped;
    bool waits, quiet; // --wait, --quiet
    char said[256];    // what is waited for, as it was told last
};

// Who waits without a bound is told what for, once for each cause; true: go on waiting.
static bool say_waiting(struct count *n, const struct weft_problem *why)
{
    const char *cause = strstr(why->text, " ms: ");
    char text[sizeof n->said];

    snprintf(text, sizeof text, "%s", cause ? cause + 5 : why->text);
    if (!n->quiet && strcmp(text, n->said) != 0)
        fprintf(stderr, "weft: waiting: %s\n", why->text);
    memcpy(n->said, text, sizeof text);
    return true;
}

// A line that does not fit is refused singly; false when nothing more can be published.
static bool take_line(
    struct weft_publisher *p, struct wf_bytes text, struct count *n, struct weft_problem *why)
{
    struct line l = { 0 };
    struct wf_buf record = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = text.len > WF_MAX_RECORD ? WEFT_E_TOO_BIG : understand(text, &l, &diag);
    bool ours = false; // the publisher's error, not the line's

    if (!err)
        err = encode(p, &l, &record, &diag);
    if (!err) {
        do
            err = weft_publish(p, l.op, record.ptr, record.len, l.time_us, why);
        while (err == WEFT_E_FULL && n->waits && say_waiting(n, why));
        ours = err && err != WEFT_E_RECORD && err != WEFT_E_TOO_BIG;
        if (err)
            wf_diag_set(&diag, 0, 0, "%.300s", why->text);
    }
    if (err && !ours) {
        char said[400];
        n->refused++;
        snprintf(said, sizeof said, "line %llu: %s", (unsigned long long)n->lines,
            diag.text[0] ? diag.text : weft_err_text(err));
        fprintf(stderr, "%s\n", said);
        wf_cli_note(WEFT_E_RECORD, said);
    } else if (!err) {
        n->taken++;
    }
    wf_json_free(l.json);
    wf_buf_fini(&record);
    return !ours;
}

static bool is_blank(const char *s, size_t len)
{
    return strspn(s, " \t\r\n") >= len;
}

static int copy_lines(struct weft_publisher *p, struct count *n)
{
    struct weft_problem why = { 0 };
    char *text = NULL;
    size_t room = 0;
    int status = 0;
    ssize_t len;

    for (len = getline(&text, &room, stdin); len >= 0; len = getline(&text, &room, stdin)) {
        n->lines++;
        if (is_blank(text, (size_t)len))
            continue;
        if (!take_line(p, wf_bytes(text, (size_t)len), n, &why)) {
            status = wf_cli_problem(&why);
            break;
        }
    }
    if (!status && ferror(stdin))
        status = wf_cli_fail(WEFT_E_IO, "standard input can't be read");
    free(text);
    return status;
}

static void print_count(
    const struct wf_cli *cli, const char *product, const struct count *n, bool acknowledged)
{
    if (cli->format != WF_OUT_TABLE)
        printf("{\"schema\":\"weft.publish/v1\",\"published\":%llu,\"refused\":%llu,"
               "\"dropped\":%llu,\"acknowledged\":%s}\n",
            (unsigned long long)(n->taken - n->dropped), (unsigned long long)n->refused,
            (unsigned long long)n->dropped, acknowledged ? "true" : "false");
    else if (!cli->quiet && acknowledged)
        fprintf(stderr, "%llu records published to %s, %llu lines refused\n",
            (unsigned long long)(n->taken - n->dropped), product, (unsigned long long)n->refused);
    if (n->dropped) // the product says so: readers are told of as many
        fprintf(stderr, "%llu records dropped, because the queue was full\n",
            (unsigned long long)n->dropped);
}

int wf_cmd_publish(struct wf_cli *cli, int argc, char **argv)
{
    bool wait = false;
    const struct wf_opt opts[] = { { .name = "wait", .letter = 'w', .flag = &wait } };
    struct weft_problem p = { 0 };
    struct weft_client *c = NULL;
    struct weft_publisher *pub = NULL;
    struct count n = { 0 };
    char *product = NULL;
    int count = 0, status = wf_cli_parse(cli, argc, argv, opts, 1, 1, 1, &product, &count);
    const struct weft_publish_options options = { .block_ms = wait ? WAIT_MS : 0 };

    if (status >= 0)
        return status;
    n.waits = wait;
    n.quiet = cli->quiet;
    status = wf_cli_connect(cli, &c);
    if (!status && weft_publisher_open(c, product, &options, &pub, &p))
        status = wf_cli_problem(&p);
    if (!status)
        status = copy_lines(pub, &n);
    n.dropped = pub ? weft_publisher_dropped(pub) : 0;
    while (pub && wait && weft_publisher_flush(pub, WAIT_MS, &p) == WEFT_E_TIMEOUT)
        (void)say_waiting(&n, &p);
    enum weft_err err = weft_publisher_close(pub, CLOSE_MS, &p);
    if (err && !status)
        status = wf_cli_problem(&p);
    if (pub)
        print_count(cli, product, &n, !err);
    weft_close(c);
    return status ? status : n.refused ? weft_err_exit(WEFT_E_RECORD) : 0;
}

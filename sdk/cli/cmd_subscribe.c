// SPDX-License-Identifier: Apache-2.0
// weft subscribe: the records of a product as JSON lines on standard output, in order, each once; everything else on standard error.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/schema/json_out.h"
#include "proto/schema/known.h"
#include "proto/schema/number.h"
#include "proto/schema/record_json.h"
#include "sdk/cli/client.h"
#include "sdk/cli/stream.h"
#include "sdk/client.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

#define CURSOR_FILE_MAX (4u * WF_MIB)

struct row { // of a cursor file: "KEY VALUE" in hex, one a line
    struct wf_buf key, value;
};

struct reader {
    struct wf_cli *cli;
    struct weft_subscription *s;
    const char *cursor_path;
    struct row *rows;
    size_t row_count;
    bool rows_changed;
    uint64_t wanted, printed; // wanted 0 = without end
    int64_t until_ms;         // unix; 0 = without end
    bool lost, keep;
    bool history, has_end; // ends where the product ended when the first lease came
    uint64_t end;
    int status;
    struct wf_buf line;
};

static struct weft_subscription *woken_by_signal;

static void on_signal(int number)
{
    (void)number;
    if (woken_by_signal)
        weft_wake(woken_by_signal);
}

// ---- cursor file -----------------------------------------------------------------------------------------------------------

static enum weft_err put_row(struct reader *r, struct wf_bytes key, struct wf_bytes value)
{
    struct row *at = NULL;
    struct wf_buf fresh = { 0 };

    for (size_t i = 0; i < r->row_count && !at; i++)
        if (wf_bytes_eq(wf_buf_view(&r->rows[i].key), key))
            at = &r->rows[i];
    enum weft_err err = wf_bytes_dup(value, &fresh);
    if (!err && !at) {
        struct row *more = realloc(r->rows, (r->row_count + 1) * sizeof *more);
        if (more) {
            r->rows = more;
            at = &r->rows[r->row_count];
            *at = (struct row){ 0 };
            err = wf_bytes_dup(key, &at->key);
            r->row_count += !err;
        } else {
            err = WEFT_E_NOMEM;
        }
    }
    if (err) {
        wf_buf_fini(&fresh);
        return err;
    }
    wf_buf_fini(&at->value);
    at->value = fresh;
    r->rows_changed = true;
    return WEFT_OK;
}

static enum weft_err parse_row(struct reader *r, struct wf_bytes line)
{
    const uint8_t *space = line.len ? memchr(line.ptr, ' ', line.len) : NULL;
    struct wf_buf key = { 0 }, value = { 0 };
    enum weft_err err = space ? WEFT_OK : WEFT_E_SYNTAX;

    if (!err)
        err = wf_hex_take(wf_bytes(line.ptr, (size_t)(space - line.ptr)), &key);
    if (!err)
        err = wf_hex_take(wf_bytes(space + 1, line.len - (size_t)(space - line.ptr) - 1), &value);
    if (!err)
        err = put_row(r, wf_buf_view(&key), wf_buf_view(&value));
    wf_buf_fini(&key);
    wf_buf_fini(&value);
    return err;
}

static int load_cursor(struct reader *r)
{
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_file_read(r->cursor_path, CURSOR_FILE_MAX, WF_FILE_ANY, &text, &diag);
    struct wf_bytes in = wf_buf_view(&text);
    unsigned number = 0;

    if (err == WEFT_E_NOT_FOUND)
        return 0; // the first run
    while (!err && in.len) {
        const uint8_t *end = memchr(in.ptr, '\n', in.len);
        size_t len = end ? (size_t)(end - in.ptr) : in.len;
        number++;
        err = parse_row(r, wf_bytes(in.ptr, len));
        if (err)
            wf_diag_set(&diag, number, 1, "not a line of a cursor");
        in = wf_bytes(in.ptr + len + (end != NULL), in.len - len - (end != NULL));
    }
    wf_buf_fini(&text);
    r->rows_changed = false;
    return err ? wf_cli_diag(err, &diag, r->cursor_path) : 0;
}

static int save_cursor(struct reader *r)
{
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = WEFT_OK;

    if (!r->cursor_path || !r->rows_changed)
        return 0;
    for (size_t i = 0; i < r->row_count && !err; i++) {
        const struct row *row = &r->rows[i];
        err = wf_buf_reserve(&text, 2 * (row->key.len + row->value.len) + 4);
        if (err)
            break;
        wf_hex_put(wf_buf_view(&row->key), (char *)text.ptr + text.len);
        text.len += 2 * row->key.len;
        text.ptr[text.len++] = ' ';
        wf_hex_put(wf_buf_view(&row->value), (char *)text.ptr + text.len);
        text.len += 2 * row->value.len;
        text.ptr[text.len++] = '\n';
    }
    if (!err)
        err = wf_disk_replace(r->cursor_path, wf_buf_view(&text), &diag);
    wf_buf_fini(&text);
    r->rows_changed = false;
    return err ? wf_cli_diag(err, &diag, r->cursor_path) : 0;
}

// ---- lines -----------------------------------------------------------------------------------------------------------------

static const char *op_name(enum weft_op op)
{
    static const char *const names[] = { "put", "delete", "snapshot-begin", "snapshot-end" };

    return (unsigned)op < WF_COUNT(names) ? names[op] : "?";
}

static void put_time(struct wf_json_out *o, const char *key, int64_t us)
{
    char text[WF_MOMENT_TEXT];
    int64_t seconds = us / 1000000 - (us % 1000000 < 0);
    struct wf_moment m = { seconds, (int32_t)(us - seconds * 1000000) * 1000 };

    wf_timestamp_print(m, text);
    wf_json_out_member(o, key, wf_bytes_str(text));
}

static void put_facts(
    struct wf_json_out *o, const struct weft_event *e, const struct weft_record *r)
{
    wf_json_out_member(o, "schema", WF_STR("weft.record/v1"));
    wf_json_out_member(o, "product", wf_bytes_str(e->product));
    wf_json_out_member_int(o, "offset", (int64_t)r->offset);
    wf_json_out_member(o, "origin", wf_bytes_str(e->origin));
    wf_json_out_member(o, "op", wf_bytes_str(op_name(r->op)));
    put_time(o, "time", r->time_us);
    put_time(o, "appended", e->append_ms * 1000);
    wf_json_out_member(o, "batch", wf_bytes_str(e->batch));
    if (e->late)
        wf_json_out_member_bool(o, "late", true);
}

// The members of an object without its braces, after what stands there already.
static void splice(struct wf_json_out *o, struct wf_buf *line, struct wf_bytes object)
{
    enum weft_err err = wf_json_out_done(o); // complete with its closing brace

    if (!err && object.len > 2) {
        line->len--;
        if (line->ptr[line->len - 1] != '{')
            err = wf_buf_append_byte(line, ',');
        if (!err)
            err = wf_buf_append(line, wf_bytes(object.ptr + 1, object.len - 1));
    }
    wf_json_out_fail(o, err);
}

// By default the lines of a source, so that `weft subscribe … | weft publish …` is a copy; with -o jsonl an envelope around each record.
static enum weft_err print_record(struct reader *r, const struct weft_event *e,
    const struct weft_product *product, const struct weft_record *record)
{
    struct wf_json_out o;
    char *json = NULL;
    bool has_data = record->op == WEFT_PUT || record->op == WEFT_DELETE;
    enum weft_err err = has_data ? weft_record_json(product, record, &json) : WEFT_OK;

    if (err)
        return err;
    r->line.len = 0;
    wf_json_out_init(&o, &r->line, WF_MAX_JSON, 0);
    wf_json_out_object(&o);
    if (r->cli->format == WF_OUT_TABLE) {
        if (record->op != WEFT_PUT)
            wf_json_out_member(&o, "@op", wf_bytes_str(op_name(record->op)));
        put_time(&o, "@time", record->time_us);
        wf_json_out_end(&o);
        splice(&o, &r->line, wf_bytes_str(json));
    } else {
        put_facts(&o, e, record);
        if (has_data) {
            wf_json_out_key(&o, WF_STR("record"));
            wf_json_out_raw(&o, wf_bytes_str(json));
        }
        wf_json_out_end(&o);
        wf_json_out_fail(&o, wf_json_out_done(&o));
    }
    free(json);
    err = o.err ? o.err : wf_buf_append_byte(&r->line, '\n');
    if (!err && fwrite(r->line.ptr, 1, r->line.len, stdout) != r->line.len)
        err = WEFT_E_IO;
    return err;
}

// ---- events ----------------------------------------------------------------------------------------------------------------

static bool is_done(const struct reader *r)
{
    return r->status || (r->wanted && r->printed >= r->wanted);
}

// False: the batch was printed in part.
static bool on_records(struct reader *r, const struct weft_event *e)
{
    const struct weft_product *product = weft_subscription_product(r->s);

    size_t i = 0;

    for (; i < e->record_count && !is_done(r); i++) {
        enum weft_err err = print_record(r, e, product, &e->records[i]);
        if (err)
            r->status =
                wf_cli_fail(err, "offset %llu: %s", (unsigned long long)e->records[i].offset,
                    err == WEFT_E_IO ? "standard output is gone" : weft_err_text(err));
        r->printed++;
    }
    if (fflush(stdout) != 0 && !r->status)
        r->status = wf_cli_fail(WEFT_E_IO, "standard output is gone");
    return i == e->record_count;
}

// In place of the records, for programs that read them; in words for people.
static enum weft_err print_loss(struct reader *r, const struct weft_event *e)
{
    struct wf_json_out o;

    r->line.len = 0;
    wf_json_out_init(&o, &r->line, WF_MAX_JSON, 0);
    wf_json_out_object(&o);
    wf_json_out_member(&o, "schema", WF_STR("weft.loss/v1"));
    wf_json_out_member(&o, "product", wf_bytes_str(e->product));
    if (e->by_origin) {
        wf_json_out_member(&o, "origin", wf_bytes_str(e->origin));
        wf_json_out_member(&o, "incarnation", wf_bytes_str(e->loss_incarnation));
    }
    wf_json_out_member_int(&o, e->by_origin ? "from_seq" : "from", (int64_t)e->loss_from);
    wf_json_out_member_int(&o, e->by_origin ? "to_seq" : "to", (int64_t)e->loss_to);
    wf_json_out_member(&o, "code", wf_bytes_str(weft_err_name(e->loss_code)));
    wf_json_out_end(&o);
    enum weft_err err = wf_json_out_done(&o);
    err = err ? err : wf_buf_append_byte(&r->line, '\n');
    if (!err && fwrite(r->line.ptr, 1, r->line.len, stdout) != r->line.len)
        err = WEFT_E_IO;
    return err;
}

static void on_loss(struct reader *r, const struct weft_event *e)
{
    const char *where = e->by_origin ? "numbers" : "offsets";
    char of[160] = "";

    r->lost = true;
    if (e->by_origin)
        snprintf(of, sizeof of, " of %.63s (%s)", e->origin, e->loss_incarnation);
    fprintf(stderr, "lost: %llu records, %s %llu to %llu%s: %s\n",
        (unsigned long long)(e->loss_to - e->loss_from), where, (unsigned long long)e->loss_from,
        (unsigned long long)(e->loss_to - 1), of, weft_err_text(e->loss_code));
    if (r->cli->format != WF_OUT_TABLE && print_loss(r, e))
        r->status = wf_cli_fail(WEFT_E_IO, "standard output is gone");
}

static void on_state(struct reader *r, const struct weft_event *e)
{
    static const char *const names[] = { "connecting", "live", "pull", "unreachable", "refused",
        "stopped", "silent" };
    const char *name = (unsigned)e->state < WF_COUNT(names) ? names[e->state] : "?";

    if (e->state == WEFT_STREAM_REFUSED && !r->keep) {
        r->status = wf_cli_problem(&e->problem);
        return;
    }
    if (!r->cli->quiet)
        fprintf(stderr, "%s: %s%s%s\n", e->product, name, e->problem.text[0] ? ": " : "",
            e->problem.text);
}

static void on_event(struct reader *r, const struct weft_event *e)
{
    bool whole = true;

    if (e->kind == WEFT_EV_RECORDS)
        whole = on_records(r, e);
    else if (e->kind == WEFT_EV_LOSS)
        on_loss(r, e);
    else
        on_state(r, e);
    // A batch that was printed in part is not stored: the next run begins with it again.
    for (size_t i = 0; i < e->cursor_count && r->cursor_path && whole && !r->status; i++) {
        enum weft_err err = put_row(r, wf_bytes(e->cursor[i].key, e->cursor[i].key_len),
            wf_bytes(e->cursor[i].value, e->cursor[i].value_len));
        if (err)
            r->status = wf_cli_fail(err, "cursor: %s", weft_err_text(err));
    }
}

// What was there at the beginning is here.
static bool history_is_done(struct reader *r)
{
    struct weft_stats s;

    if (!r->history)
        return false;
    weft_subscription_stats(r->s, &s);
    if (!r->has_end && s.lease_expires_ms) {
        r->end = s.head_offset;
        r->has_end = true;
    }
    return r->has_end && s.next_offset >= r->end;
}

static void follow(struct reader *r)
{
    const struct weft_event *e = NULL;
    struct weft_problem p;
    int64_t saved_ms = wf_cli_now_ms();

    while (!is_done(r)) {
        int64_t now = wf_cli_now_ms();
        if (r->until_ms && now >= r->until_ms)
            return;
        int64_t left = r->until_ms && r->until_ms - now < 1000 ? r->until_ms - now : 1000;
        bool is_last = history_is_done(r); // and the queue may still hold some of it
        if (is_last)
            left = 0;
        enum weft_err err = weft_next(r->s, (int)left, &e, &p);
        if (err == WEFT_E_CANCELLED)
            return;
        if (!err)
            on_event(r, e);
        else if (err != WEFT_E_TIMEOUT)
            r->status = wf_cli_problem(&p);
        else if (is_last)
            return;
        if (now - saved_ms >= 1000 && !r->status) {
            r->status = save_cursor(r);
            saved_ms = now;
        }
    }
}

static void print_stats(const struct reader *r)
{
    struct weft_stats s;

    weft_subscription_stats(r->s, &s);
    uint64_t all = s.live_records + s.range_records + s.pulled_records;
    fprintf(stderr,
        "{\"schema\":\"weft.subscription-stats/"
        "v1\",\"records\":%llu,\"batches\":%llu,\"live_records\":%llu,"
        "\"range_records\":%llu,\"pulled_records\":%llu,\"history_records\":%llu,\"pub_share\":%."
        "6f,\"gaps_repaired\":%llu,\"lost_records\":%llu,"
        "\"duplicates\":%llu,\"verify_failures\":%llu,\"head_offset\":%llu,\"next_offset\":%llu}\n",
        (unsigned long long)s.records, (unsigned long long)s.batches,
        (unsigned long long)s.live_records, (unsigned long long)s.range_records,
        (unsigned long long)s.pulled_records, (unsigned long long)s.history_records,
        all ? (double)s.live_records / (double)all : 0.0, (unsigned long long)s.gaps_repaired,
        (unsigned long long)s.lost_records, (unsigned long long)s.duplicates,
        (unsigned long long)s.verify_failures, (unsigned long long)s.head_offset,
        (unsigned long long)s.next_offset);
}

// ---- arguments -------------------------------------------------------------------------------------------------------------

static int from_of(struct reader *r, const char *from, struct weft_subscribe_options *o)
{
    struct wf_moment m;

    if (!from) {
        o->from = r->cursor_path ? WEFT_FROM_CURSOR
                  : r->history   ? WEFT_FROM_EARLIEST
                                 : WEFT_FROM_LATEST;
    } else if (strcmp(from, "earliest") == 0) {
        o->from = WEFT_FROM_EARLIEST;
    } else if (strcmp(from, "latest") == 0) {
        o->from = WEFT_FROM_LATEST;
    } else if (strncmp(from, "cursor:", 7) == 0 && from[7]) {
        r->cursor_path = from + 7;
        o->from = WEFT_FROM_CURSOR;
    } else if (wf_number_uint(wf_bytes_str(from), &o->offset) == WEFT_OK) {
        o->from = WEFT_FROM_OFFSET;
    } else if (wf_timestamp_parse(wf_bytes_str(from), &m) == WEFT_OK) {
        o->from = WEFT_FROM_TIME;
        o->time_ms = m.seconds * 1000 + m.nanos / 1000000;
    } else {
        return wf_cli_fail(WEFT_E_USAGE,
            "--from %s: expected earliest, latest, an offset, a time such as 2026-01-01T00:00:00Z, "
            "or cursor:FILE",
            from);
    }
    return 0;
}

static int rows_of(
    struct reader *r, struct weft_subscribe_options *o, struct weft_cursor_row **ret_rows)
{
    int status = r->cursor_path ? load_cursor(r) : 0;

    if (status || r->row_count == 0)
        return status;
    *ret_rows = calloc(r->row_count, sizeof **ret_rows);
    if (!*ret_rows)
        return wf_cli_fail(WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
    for (size_t i = 0; i < r->row_count; i++)
        (*ret_rows)[i] = (struct weft_cursor_row){ r->rows[i].key.ptr, r->rows[i].key.len,
            r->rows[i].value.ptr, r->rows[i].value.len };
    o->cursor = *ret_rows;
    o->cursor_count = r->row_count;
    return 0;
}

static int run(
    struct reader *r, const char *product, const struct weft_subscribe_options *o, bool stats)
{
    struct sigaction stop = { .sa_handler = on_signal };
    struct weft_problem p = { 0 };
    struct weft_client *c = NULL;

    int status = wf_cli_connect(r->cli, &c);
    if (status)
        return status;
    if (weft_subscribe(c, product, o, &r->s, &p)) {
        weft_close(c);
        return wf_cli_problem(&p);
    }
    woken_by_signal = r->s;
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    follow(r);
    woken_by_signal = NULL;
    int saved = save_cursor(r);
    if (stats)
        print_stats(r);
    weft_unsubscribe(r->s);
    weft_close(c);
    return r->status ? r->status : saved;
}

int wf_cmd_subscribe(struct wf_cli *cli, int argc, char **argv)
{
    struct reader r = { .cli = cli };
    struct weft_subscribe_options o = { 0 };
    const char *from = NULL, *number = NULL, *duration = NULL;
    bool stats = false;
    const struct wf_opt opts[] = { { .name = "from", .value = &from },
        { .name = "cursor", .value = &r.cursor_path },
        { .name = "count", .letter = 'n', .value = &number }, { .name = "for", .value = &duration },
        { .name = "history", .flag = &r.history }, { .name = "stats", .flag = &stats },
        { .name = "keep-trying", .flag = &r.keep } };
    struct weft_cursor_row *rows = NULL;
    int64_t ms = 0;
    char *product = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &product, &count);

    if (status >= 0)
        return status;
    o.history = r.history;
    status = from_of(&r, from, &o);
    if (!status && number && wf_number_uint(wf_bytes_str(number), &r.wanted))
        status = wf_cli_fail(WEFT_E_USAGE, "-n %s: expected a number", number);
    if (!status && duration && wf_cli_duration(duration, &ms))
        status = wf_cli_fail(WEFT_E_USAGE, "--for %s: expected a duration such as 30s", duration);
    if (ms)
        r.until_ms = wf_cli_now_ms() + ms;
    if (!status)
        status = rows_of(&r, &o, &rows);
    if (!status)
        status = run(&r, product, &o, stats);
    for (size_t i = 0; i < r.row_count; i++) {
        wf_buf_fini(&r.rows[i].key);
        wf_buf_fini(&r.rows[i].value);
    }
    free(r.rows);
    free(rows);
    wf_buf_fini(&r.line);
    return status ? status : r.lost && !cli->partial_ok ? weft_err_exit(WEFT_E_LOST) : 0;
}

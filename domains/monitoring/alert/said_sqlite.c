// SPDX-License-Identifier: Apache-2.0
// Alerts in the book, and what people say of them. See book.h.
#include <stdio.h>
#include <string.h>

#include "domains/monitoring/alert/book_sqlite.h"

#define EVIDENCE(e) WF_T((e).product), WF_T((e).origin), WF_I((e).offset), WF_I((e).time_ms)

enum weft_err wf_book_put(struct wf_book *b, const struct wf_alert *a)
{
    const struct wf_bind value = { .type = 'r', .real = a->value }, none = { .type = 'b' };
    const struct wf_bind values[] = { WF_T(a->id), WF_T(a->rule), WF_T(a->product),
        WF_I(a->severity), WF_I(a->state), WF_B(a->series.text, a->series.len),
        WF_B(a->labels.text, a->labels.len), WF_T(a->summary), WF_T(a->description),
        WF_T(a->runbook), WF_T(a->detail), a->has_value ? value : none, WF_I(a->since_ms),
        WF_I(a->fired_ms), WF_I(a->resolved_ms), WF_I(a->updated_ms), WF_I(a->episode),
        WF_I(a->kept_told), WF_I(a->kept_told_ms), EVIDENCE(a->began), EVIDENCE(a->fired),
        EVIDENCE(a->last), WF_T(a->by), WF_I(a->published), WF_I(a->rule_id), WF_END };

    return wf_book_run(b,
        "INSERT OR REPLACE INTO alert VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values);
}

enum weft_err wf_book_drop(struct wf_book *b, const char *id)
{
    const struct wf_bind values[] = { WF_T(id), WF_END };
    enum weft_err err = wf_book_run(b, "DELETE FROM alert WHERE id = ?", values);

    return err ? err : wf_book_run(b, "DELETE FROM ack WHERE id = ?", values);
}

enum weft_err wf_book_drop_pending(struct wf_book *b)
{
    const struct wf_bind values[] = { WF_I(WF_ALERT_PENDING), WF_END };

    return wf_book_run(b, "DELETE FROM alert WHERE state = ?", values);
}

static void read_evidence(sqlite3_stmt *st, int at, struct wf_evidence *ret)
{
    wf_book_text(st, at, ret->product, sizeof ret->product);
    wf_book_text(st, at + 1, ret->origin, sizeof ret->origin);
    ret->offset = (uint64_t)sqlite3_column_int64(st, at + 2);
    ret->time_ms = sqlite3_column_int64(st, at + 3);
}

static bool read_labels(sqlite3_stmt *st, int column, struct wf_labels *ret)
{
    const void *bytes = sqlite3_column_blob(st, column);

    return wf_labels_unpack(bytes ? bytes : "", (size_t)sqlite3_column_bytes(st, column), ret);
}

// False: not what put writes.
static bool read_alert(sqlite3_stmt *st, struct wf_alert *a)
{
    int64_t severity = sqlite3_column_int64(st, 3), state = sqlite3_column_int64(st, 4);

    memset(a, 0, sizeof *a);
    if (severity < WF_INFO || severity > WF_CRITICAL || state < WF_ALERT_PENDING ||
        state > WF_ALERT_RESOLVED || !read_labels(st, 5, &a->series) ||
        !read_labels(st, 6, &a->labels))
        return false;
    wf_book_text(st, 0, a->id, sizeof a->id);
    wf_book_text(st, 1, a->rule, sizeof a->rule);
    wf_book_text(st, 2, a->product, sizeof a->product);
    a->severity = (enum wf_severity)severity;
    a->state = (enum wf_alert_state)state;
    wf_book_text(st, 7, a->summary, sizeof a->summary);
    wf_book_text(st, 8, a->description, sizeof a->description);
    wf_book_text(st, 9, a->runbook, sizeof a->runbook);
    wf_book_text(st, 10, a->detail, sizeof a->detail);
    a->has_value = sqlite3_column_type(st, 11) == SQLITE_FLOAT;
    a->value = sqlite3_column_double(st, 11);
    a->since_ms = sqlite3_column_int64(st, 12);
    a->fired_ms = sqlite3_column_int64(st, 13);
    a->resolved_ms = sqlite3_column_int64(st, 14);
    a->updated_ms = sqlite3_column_int64(st, 15);
    a->episode = (uint64_t)sqlite3_column_int64(st, 16);
    a->told = a->kept_told = (int)sqlite3_column_int64(st, 17);
    a->told_ms = a->kept_told_ms = sqlite3_column_int64(st, 18);
    read_evidence(st, 19, &a->began);
    read_evidence(st, 23, &a->fired);
    read_evidence(st, 27, &a->last);
    wf_book_text(st, 31, a->by, sizeof a->by);
    a->published = (uint64_t)sqlite3_column_int64(st, 32);
    a->rule_id = (uint64_t)sqlite3_column_int64(st, 33);
    wf_book_text(st, 34, a->acked_by, sizeof a->acked_by);
    wf_book_text(st, 35, a->ack_note, sizeof a->ack_note);
    a->acked_ms = sqlite3_column_int64(st, 36);
    a->ack_until_ms = sqlite3_column_int64(st, 37);
    return true;
}

enum weft_err wf_book_alerts(struct wf_book *b, wf_book_alert_fn fn, void *arg)
{
    sqlite3_stmt *st = NULL;
    struct wf_alert a;
    // An acknowledgement is of one firing: of the next one nobody knows yet.
    enum weft_err err = wf_book_prepare(b,
        "SELECT alert.*, ack.by, ack.note, ack.at_ms, ack.until_ms FROM alert LEFT JOIN ack ON "
        "ack.id = alert.id AND ack.episode = alert.episode ORDER BY CASE alert.state WHEN 2 "
        "THEN 0 WHEN 1 THEN 1 ELSE 2 END, alert.severity DESC, alert.since_ms, alert.id",
        NULL, &st);

    for (err = err ? err : wf_book_step(b, st); !err;) {
        err = read_alert(st, &a) ? fn(arg, &a) : WEFT_E_DAMAGED;
        if (!err)
            err = wf_book_step(b, st);
    }
    if (err == WEFT_E_DAMAGED && !b->problem[0])
        snprintf(b->problem, sizeof b->problem, "alerts: a row is not one of this program");
    sqlite3_finalize(st);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

enum weft_err wf_book_ack(struct wf_book *b, const struct wf_book_ack *ack)
{
    const struct wf_bind values[] = { WF_T(ack->id), WF_I(ack->at_ms), WF_I(ack->until_ms),
        WF_T(ack->by), WF_T(ack->note), WF_END };
    enum weft_err err = wf_book_run(b,
        "INSERT OR REPLACE INTO ack SELECT id, episode, ?2, ?3, ?4, ?5 FROM alert WHERE id = ?1",
        values);

    return err ? err : sqlite3_changes(b->db) ? WEFT_OK : WEFT_E_NOT_FOUND;
}

enum weft_err wf_book_silence(struct wf_book *b, const struct wf_silence *s, uint64_t *ret_id)
{
    const struct wf_bind values[] = { WF_T(s->match.text), WF_I(s->begins_ms), WF_I(s->ends_ms),
        WF_T(s->by), WF_T(s->note), WF_END };
    enum weft_err err = wf_book_run(b,
        "INSERT INTO silence(match, begins_ms, ends_ms, by, note) VALUES(?, ?, ?, ?, ?)", values);

    if (!err)
        *ret_id = (uint64_t)sqlite3_last_insert_rowid(b->db);
    return err;
}

enum weft_err wf_book_unsilence(struct wf_book *b, uint64_t id, int64_t now_ms)
{
    const struct wf_bind values[] = { WF_I(id), WF_I(now_ms), WF_END };
    enum weft_err err =
        wf_book_run(b, "UPDATE silence SET ends_ms = ?2 WHERE id = ?1 AND ends_ms > ?2", values);

    return err ? err : sqlite3_changes(b->db) ? WEFT_OK : WEFT_E_NOT_FOUND;
}

enum weft_err wf_book_silences(
    struct wf_book *b, int64_t now_ms, struct wf_silence *ret, size_t most, size_t *ret_count)
{
    const struct wf_bind values[] = { WF_I(now_ms), WF_I(most), WF_END };
    sqlite3_stmt *st = NULL;
    size_t count = 0;
    enum weft_err err = wf_book_prepare(b,
        "SELECT id, match, begins_ms, ends_ms, by, note FROM silence WHERE ends_ms > ? ORDER BY id "
        "DESC LIMIT ?",
        values, &st);

    for (err = err ? err : wf_book_step(b, st); !err && count < most; err = wf_book_step(b, st)) {
        struct wf_silence *s = &ret[count++];
        memset(s, 0, sizeof *s);
        s->id = (uint64_t)sqlite3_column_int64(st, 0);
        wf_book_text(st, 1, s->match.text, sizeof s->match.text);
        s->begins_ms = sqlite3_column_int64(st, 2);
        s->ends_ms = sqlite3_column_int64(st, 3);
        wf_book_text(st, 4, s->by, sizeof s->by);
        wf_book_text(st, 5, s->note, sizeof s->note);
    }
    sqlite3_finalize(st);
    if (err && err != WEFT_E_NOT_FOUND)
        return err;
    *ret_count = count;
    return WEFT_OK;
}

enum weft_err wf_book_beat_set(struct wf_book *b, const struct wf_book_beat *beat)
{
    const struct wf_bind values[] = { WF_I(beat->pid), WF_I(beat->started_ms),
        WF_I(beat->updated_ms), WF_I(beat->rules), WF_I(beat->series), WF_I(beat->bytes),
        WF_I(beat->records), WF_I(beat->refused), WF_I(beat->late), WF_T(beat->state),
        WF_T(beat->problem), WF_I(beat->sql_bytes), WF_I(beat->sql_most), WF_END };

    return wf_book_run(
        b, "INSERT OR REPLACE INTO beat VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values);
}

enum weft_err wf_book_beat(struct wf_book *b, struct wf_book_beat *ret)
{
    sqlite3_stmt *st = NULL;
    struct wf_book_beat out = { 0 };
    enum weft_err err = wf_book_prepare(b, "SELECT * FROM beat", NULL, &st);

    if (!err)
        err = wf_book_step(b, st);
    if (!err) {
        out.pid = sqlite3_column_int64(st, 1);
        out.started_ms = sqlite3_column_int64(st, 2);
        out.updated_ms = sqlite3_column_int64(st, 3);
        out.rules = (uint64_t)sqlite3_column_int64(st, 4);
        out.series = (uint64_t)sqlite3_column_int64(st, 5);
        out.bytes = (uint64_t)sqlite3_column_int64(st, 6);
        out.records = (uint64_t)sqlite3_column_int64(st, 7);
        out.refused = (uint64_t)sqlite3_column_int64(st, 8);
        out.late = (uint64_t)sqlite3_column_int64(st, 9);
        wf_book_text(st, 10, out.state, sizeof out.state);
        wf_book_text(st, 11, out.problem, sizeof out.problem);
        out.sql_bytes = (uint64_t)sqlite3_column_int64(st, 12);
        out.sql_most = (uint64_t)sqlite3_column_int64(st, 13);
        *ret = out;
    }
    sqlite3_finalize(st);
    return err;
}

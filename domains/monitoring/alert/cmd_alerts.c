// SPDX-License-Identifier: Apache-2.0
// weft-monitor alerts: what fires, and a person's word on it. Reads and writes the book; the alert process hears of it within a second.
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/alert/book.h"
#include "domains/monitoring/alert/message.h"
#include "domains/monitoring/common/print.h"
#include "domains/monitoring/common/watch.h"
#include "domains/monitoring/speed/file.h"

#define STALE_MS 10000 // the process tells every two seconds

static int usage(const char *text)
{
    return wf_mon_fail(WEFT_E_USAGE, text, "see weft-monitor --help");
}

static int failed(struct wf_book *b, enum weft_err err)
{
    const char *text = wf_book_problem(b);

    return wf_mon_fail(err, text[0] ? text : weft_err_text(err), "");
}

static void who_am_i(char out[64])
{
    const struct passwd *p = getpwuid(getuid());

    if (p)
        snprintf(out, 64, "%s", p->pw_name);
    else
        snprintf(out, 64, "uid %u", (unsigned)getuid());
}

static void put_time(struct wf_mon_print *p, int64_t then_ms, int64_t now_ms)
{
    char text[24] = "";

    if (then_ms)
        wf_mon_ago(now_ms > then_ms ? now_ms - then_ms : 0, text);
    wf_mon_print_text(p, text);
}

// ---- list ------------------------------------------------------------------------------------------------------------------

struct list {
    struct wf_mon_print *p; // for people; else each is printed as it comes
    struct wf_silence silences[WF_ALERT_SILENCES];
    size_t silence_count, count, firing;
    int64_t now_ms;
    bool lines; // a line an alert
};

static void note_of(const struct list *l, const struct wf_alert *a, char out[320])
{
    const struct wf_silence *s = wf_alert_silenced(a, l->silences, l->silence_count, l->now_ms);

    if (s)
        snprintf(out, 320, "silence %" PRIu64 " by %s%s%s", s->id, s->by, s->note[0] ? ": " : "",
            s->note);
    else if (wf_alert_is_acked(a, l->now_ms))
        snprintf(out, 320, "acknowledged by %s%s%s", a->acked_by, a->ack_note[0] ? ": " : "",
            a->ack_note);
    else
        snprintf(out, 320, "%.319s", a->summary[0] ? a->summary : a->detail);
}

static void list_for_people(struct list *l, const struct wf_alert *a)
{
    char labels[512], note[320], value[32] = "";

    wf_labels_print(&a->labels, labels, sizeof labels);
    note_of(l, a, note);
    if (a->has_value)
        snprintf(value, sizeof value, "%.6g", a->value);
    wf_mon_print_text(l->p, a->id);
    wf_mon_print_text(l->p, wf_alert_state_name(a->state));
    wf_mon_print_text(l->p, wf_severity_name(a->severity));
    wf_mon_print_text(l->p, a->rule);
    wf_mon_print_text(l->p, labels);
    wf_mon_print_text(l->p, value);
    put_time(l->p, a->state == WF_ALERT_RESOLVED ? a->resolved_ms : a->since_ms, l->now_ms);
    wf_mon_print_text(l->p, note);
}

static void put_word(const char *what, const char *by, const char *comment, int64_t until_ms,
    const char *which, uint64_t number)
{
    printf(",\"%s\":{", what);
    wf_json_text(stdout, "by", by);
    wf_json_text(stdout, "comment", comment);
    wf_json_time(stdout, "until", until_ms);
    printf("\"%s\":%" PRIu64 "}", which, number);
}

// What an alert says of itself, and people's words on it, behind members that stand there already.
static void put_alert(const struct list *l, const struct wf_alert *a)
{
    const struct wf_silence *s = wf_alert_silenced(a, l->silences, l->silence_count, l->now_ms);

    wf_json_text(stdout, "id", a->id);
    wf_json_alert(stdout, a, false);
    if (wf_alert_is_acked(a, l->now_ms))
        put_word("acknowledged", a->acked_by, a->ack_note, a->ack_until_ms, "episode", a->episode);
    else
        fputs(",\"acknowledged\":null", stdout);
    if (s)
        put_word("silenced", s->by, s->note, s->ends_ms, "silence", s->id);
    else
        fputs(",\"silenced\":null", stdout);
    fputc('}', stdout);
}

static enum weft_err list_one(void *arg, const struct wf_alert *a)
{
    struct list *l = arg;

    l->firing += a->state == WF_ALERT_FIRING;
    l->count++;
    if (l->p) {
        list_for_people(l, a);
        return WEFT_OK;
    }
    if (l->lines)
        fputs("{\"schema\":\"weft.alert/v1\",", stdout);
    else
        fputs(l->count > 1 ? ",{" : "{", stdout);
    put_alert(l, a);
    if (l->lines)
        fputc('\n', stdout);
    return WEFT_OK;
}

// True when what does not fire may do so unseen.
static bool warn_of_silence(struct wf_book *b, int64_t now_ms)
{
    struct wf_book_beat beat;
    char ago[24];

    if (wf_book_beat(b, &beat)) {
        fprintf(stderr, "weft-monitor: no alert process has run on this file\n");
        return true;
    }
    wf_mon_ago(now_ms - beat.updated_ms, ago);
    bool stale = now_ms - beat.updated_ms > STALE_MS;
    if (stale)
        fprintf(
            stderr, "weft-monitor: nothing is judged: weft-monitor alert was heard %s ago\n", ago);
    else if (beat.problem[0])
        fprintf(stderr, "weft-monitor: %s\n", beat.problem);
    return stale || beat.problem[0];
}

static enum weft_err list_all(struct wf_book *b, struct list *l, enum wf_mon_format format)
{
    static const char *const people[] = { "ID", "STATE", "SEVERITY", "RULE", "LABELS", "VALUE",
        "FOR", "NOTE" };

    l->lines = format == WF_MON_AS_JSONL;
    if (format == WF_MON_AS_TABLE) {
        l->p = wf_mon_print_new(format, "", NULL, people, 8);
        enum weft_err err = l->p ? wf_book_alerts(b, list_one, l) : WEFT_E_NOMEM;
        enum weft_err done = wf_mon_print_done(l->p);
        return err ? err : done;
    }
    if (!l->lines)
        fputs("{\"schema\":\"weft.alerts/v1\",\"rows\":[", stdout);
    enum weft_err err = wf_book_alerts(b, list_one, l);
    if (!l->lines)
        fputs("]}\n", stdout);
    return err ? err : fflush(stdout) ? WEFT_E_IO : WEFT_OK;
}

// NULL without memory.
static struct list *list_new(struct wf_book *b, enum weft_err *ret_err)
{
    struct list *l = calloc(1, sizeof *l);

    *ret_err = WEFT_E_NOMEM;
    if (!l)
        return NULL;
    l->now_ms = wf_mon_unix_ms();
    *ret_err = wf_book_silences(b, l->now_ms, l->silences, WF_ALERT_SILENCES, &l->silence_count);
    return l;
}

static int list(struct wf_book *b, const struct wf_mon_options *o)
{
    enum weft_err err = WEFT_OK;
    struct list *l = list_new(b, &err);

    if (!l)
        return wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    bool blind = warn_of_silence(b, l->now_ms);
    if (!err)
        err = list_all(b, l, o->format);
    size_t firing = l->firing;
    free(l);
    if (err)
        return failed(b, err);
    return firing || blind ? 1 : 0;
}

// ---- one alert -------------------------------------------------------------------------------------------------------------

struct search {
    const char *prefix;
    struct wf_alert found;
    unsigned count;
};

static enum weft_err match_id(void *arg, const struct wf_alert *a)
{
    struct search *s = arg;

    if (strncmp(a->id, s->prefix, strlen(s->prefix)) == 0) {
        s->found = *a;
        s->count++;
    }
    return WEFT_OK;
}

// 0 with the alert whose id begins so, or a status.
static int find(struct wf_book *b, const char *prefix, struct wf_alert *ret)
{
    struct search *s = calloc(1, sizeof *s);
    char text[200];

    if (!s)
        return wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    s->prefix = prefix;
    enum weft_err err = wf_book_alerts(b, match_id, s);
    unsigned count = s->count;
    if (!err && count == 1)
        *ret = s->found;
    free(s);
    if (err)
        return failed(b, err);
    if (count == 1)
        return 0;
    if (count)
        snprintf(text, sizeof text, "%u alerts begin with %.60s", count, prefix);
    else
        snprintf(text, sizeof text, "no alert begins with %.60s", prefix);
    return wf_mon_fail(WEFT_E_NOT_FOUND, text, "see weft-monitor alerts list");
}

static int show(struct wf_book *b, const char *prefix)
{
    struct wf_alert a;
    enum weft_err err = WEFT_OK;
    int status = find(b, prefix, &a);
    struct list *l = status ? NULL : list_new(b, &err);

    if (status)
        return status;
    if (l && !err) {
        fputs("{\"schema\":\"weft.alert/v1\",", stdout);
        put_alert(l, &a);
        fputc('\n', stdout);
        err = fflush(stdout) ? WEFT_E_IO : WEFT_OK;
    }
    free(l);
    return err ? failed(b, err) : 0;
}

static int ack(struct wf_book *b, const struct wf_mon_options *o)
{
    struct wf_alert a;
    struct wf_book_ack word = { .at_ms = wf_mon_unix_ms() };
    int status = find(b, o->args[1], &a);

    if (status)
        return status;
    memcpy(word.id, a.id, sizeof word.id);
    word.until_ms = word.at_ms + o->for_ms;
    who_am_i(word.by);
    snprintf(word.note, sizeof word.note, "%s", o->comment ? o->comment : "");
    enum weft_err err = wf_book_ack(b, &word);
    if (err)
        return failed(b, err);
    char ago[24];
    wf_mon_ago(o->for_ms, ago);
    printf("%s acknowledged for %s\n", a.id, ago);
    if (a.state != WF_ALERT_FIRING)
        fprintf(stderr, "weft-monitor: it is %s and does not fire\n", wf_alert_state_name(a.state));
    return 0;
}

// ---- silences --------------------------------------------------------------------------------------------------------------

struct covered {
    const struct wf_silence *s;
    size_t count;
};

static enum weft_err count_covered(void *arg, const struct wf_alert *a)
{
    struct covered *c = arg;

    c->count += a->state == WF_ALERT_FIRING && wf_alert_silenced(a, c->s, 1, c->s->begins_ms);
    return WEFT_OK;
}

static int silence(struct wf_book *b, const struct wf_mon_options *o)
{
    struct wf_silence s = { .begins_ms = wf_mon_unix_ms() };
    char why[160];
    uint64_t id = 0;

    if (!wf_matcher_read(o->args[1], &s.match, why, sizeof why))
        return usage(why);
    s.ends_ms = s.begins_ms + o->for_ms;
    who_am_i(s.by);
    snprintf(s.note, sizeof s.note, "%s", o->comment ? o->comment : "");
    enum weft_err err = wf_book_silence(b, &s, &id);
    if (err)
        return failed(b, err);
    struct covered covered = { .s = &s };
    char ago[24];
    wf_mon_ago(o->for_ms, ago);
    printf("silence %" PRIu64 "\n", id);
    // One that is mistyped covers nothing, and nobody would know.
    if (!wf_book_alerts(b, count_covered, &covered))
        fprintf(stderr, "weft-monitor: for %s; of the alerts that fire now it covers %zu\n", ago,
            covered.count);
    return 0;
}

static int unsilence(struct wf_book *b, const struct wf_mon_options *o)
{
    char *end = NULL;
    unsigned long long id = strtoull(o->args[1], &end, 10);

    if (*end || !o->args[1][0])
        return usage("want the number of a silence");
    enum weft_err err = wf_book_unsilence(b, id, wf_mon_unix_ms());
    if (err == WEFT_E_NOT_FOUND)
        return wf_mon_fail(
            err, "no such silence, or it is over", "see weft-monitor alerts silences");
    return err ? failed(b, err) : 0;
}

static void put_silence(const struct wf_silence *s)
{
    printf("\"id\":%" PRIu64 ",", s->id);
    wf_json_text(stdout, "match", s->match.text);
    wf_json_time(stdout, "begins", s->begins_ms);
    wf_json_time(stdout, "ends", s->ends_ms);
    wf_json_text(stdout, "by", s->by);
    fputs("\"comment\":", stdout);
    char *note = wf_mon_json_string(s->note, strlen(s->note));
    fputs(note ? note : "null", stdout);
    free(note);
    fputc('}', stdout);
}

static enum weft_err silences_for_programs(
    const struct wf_silence *s, size_t count, enum wf_mon_format format)
{
    bool lines = format == WF_MON_AS_JSONL;

    if (!lines)
        fputs("{\"schema\":\"weft.silences/v1\",\"rows\":[", stdout);
    for (size_t i = 0; i < count; i++) {
        fputs(lines ? "{\"schema\":\"weft.silence/v1\"," : i ? ",{" : "{", stdout);
        put_silence(&s[i]);
        if (lines)
            fputc('\n', stdout);
    }
    if (!lines)
        fputs("]}\n", stdout);
    return fflush(stdout) ? WEFT_E_IO : WEFT_OK;
}

static enum weft_err silences_for_people(const struct wf_silence *s, size_t count, int64_t now_ms)
{
    static const char *const columns[] = { "N", "MATCH", "ENDS", "BY", "COMMENT" };
    struct wf_mon_print *p = wf_mon_print_new(WF_MON_AS_TABLE, "", NULL, columns, 5);

    for (size_t i = 0; p && i < count; i++) {
        char in[24];
        wf_mon_ago(s[i].ends_ms - now_ms, in);
        wf_mon_print_number(p, (int64_t)s[i].id);
        wf_mon_print_text(p, s[i].match.text);
        wf_mon_print_text(p, in);
        wf_mon_print_text(p, s[i].by);
        wf_mon_print_text(p, s[i].note);
    }
    return p ? wf_mon_print_done(p) : WEFT_E_NOMEM;
}

static int silences(struct wf_book *b, const struct wf_mon_options *o)
{
    struct wf_silence *s = calloc(WF_ALERT_SILENCES, sizeof *s);
    int64_t now_ms = wf_mon_unix_ms();
    size_t count = 0;

    if (!s)
        return wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    enum weft_err err = wf_book_silences(b, now_ms, s, WF_ALERT_SILENCES, &count);
    if (!err)
        err = o->format == WF_MON_AS_TABLE ? silences_for_people(s, count, now_ms)
                                           : silences_for_programs(s, count, o->format);
    free(s);
    return err ? failed(b, err) : 0;
}

// ---- a message that is a test ------------------------------------------------------------------------------------------------

static int test(const struct wf_mon_options *o)
{
    struct wf_rules_file file = { 0 };
    struct wf_notify_stats stats = { 0 };
    int status = o->rules ? wf_rules_file_open(o->rules, wf_rules_flags(o), &file)
                          : usage("alerts test wants --rules FILE");

    if (status) {
        wf_rules_file_close(&file);
        return status;
    }
    struct wf_alerts *none = wf_alerts_new(NULL, NULL);
    struct wf_notify *n = wf_notify_new(file.notify, "weft-monitor alerts test");
    if (!n || !none || !wf_notify_test(n, wf_mon_unix_ms()))
        status = wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    for (int64_t end = wf_mon_now_ms() + 10000;
         !status && !wf_notify_is_idle(n) && stats.queues.failed == 0 && wf_mon_now_ms() < end;) {
        wf_notify_turn(n, none, NULL, 0, wf_mon_unix_ms());
        wf_notify_stats(n, &stats);
        poll(NULL, 0, 10);
    }
    if (!status && (stats.queues.failed || !wf_notify_is_idle(n)))
        status = wf_mon_fail(WEFT_E_UNREACHABLE,
            stats.queues.problem[0] ? stats.queues.problem : "a target took nothing in 10 s", "");
    if (!status)
        fprintf(stderr, "weft-monitor: %zu of %zu targets took it\n", file.notify->target_count,
            file.notify->target_count);
    wf_notify_free(n);
    wf_alerts_free(none);
    wf_rules_file_close(&file);
    return status;
}

int wf_mon_cmd_alerts(const struct wf_mon_options *o)
{
    static const struct {
        const char *name;
        size_t words;
        bool writes;
    } verbs[] = { { "list", 1, false }, { "show", 2, false }, { "ack", 2, true },
        { "silence", 2, true }, { "unsilence", 2, true }, { "silences", 1, false },
        { "test", 1, false } };
    const char *verb = o->word_count ? o->args[0] : "list";
    struct wf_book *b = NULL;
    struct weft_problem problem = { 0 };
    size_t v = 0;

    while (v < 7 && strcmp(verbs[v].name, verb) != 0)
        v++;
    if (v == 7 || (o->word_count && o->word_count != verbs[v].words))
        return usage(
            "want alerts list, show ID, ack ID, silence MATCH, unsilence N, silences or test");
    if (v == 6)
        return test(o);
    enum weft_err err =
        wf_book_open(o->alerts, verbs[v].writes ? WF_BOOK_WRITE : WF_BOOK_LOOK, &b, &problem);
    if (err)
        return wf_mon_fail(err, problem.text, problem.hint);
    int status = v == 0   ? list(b, o)
                 : v == 1 ? show(b, o->args[1])
                 : v == 2 ? ack(b, o)
                 : v == 3 ? silence(b, o)
                 : v == 4 ? unsilence(b, o)
                          : silences(b, o);
    wf_book_close(b);
    return status;
}

// SPDX-License-Identifier: Apache-2.0
// What lies in the monitor's own files: labels and baselines packed, the slates of its processes, and rows of the book of alerts with any values. The
// first byte picks. What reads packs to the same; no row of a stranger crashes who reads the book, and who keeps it goes on writing.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/alert/book_sqlite.h"
#include "domains/monitoring/common/parts.h"
#include "domains/monitoring/common/pulse.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

#define NOW_MS 1767225600000

// No power fails here.
int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

int __wrap_fdatasync(int fd)
{
    (void)fd;
    return 0;
}

static void must(bool right)
{
    if (!right)
        abort();
}

// ---- packed ----------------------------------------------------------------------------------------------------------

static void labels(const uint8_t *data, size_t size)
{
    struct wf_labels l, again;
    char text[512];
    const char *name = NULL, *value = NULL;
    size_t count = 0;

    if (!wf_labels_unpack(data, size, &l))
        return;
    must(l.len == size && (!size || memcmp(l.text, data, size) == 0));
    wf_labels_init(&again);
    for (size_t at = 0; wf_labels_next(&l, &at, &name, &value); count++)
        must(wf_labels_set(&again, name, value, strlen(value)) &&
             strcmp(wf_labels_get(&l, name), value) == 0);
    must(count == l.count && wf_labels_eq(&l, &again));
    wf_labels_print(&l, text, sizeof text);
    must(strlen(text) < sizeof text);
}

static void baseline(const uint8_t *data, size_t size)
{
    struct wf_baseline b, again;
    struct wf_base_view view;
    void *packed = NULL, *twice = NULL;
    size_t len = 0, len_twice = 0;
    char text[160];

    if (!wf_baseline_unpack(data, size, &b))
        return;
    for (int64_t h = 0; h < (int64_t)WF_BASE_HOURS; h += 7) {
        wf_baseline_view(&b, NOW_MS + h * 3600000, 42, &view);
        wf_base_explain(&view, 42, text, sizeof text);
    }
    must(wf_baseline_learn(&b, NOW_MS, 1) && wf_baseline_learn(&b, NOW_MS + WF_BASE_SLOT_MS, 2));
    must(wf_baseline_pack(&b, &packed, &len) && wf_baseline_unpack(packed, len, &again));
    must(wf_baseline_pack(&again, &twice, &len_twice) && len == len_twice &&
         memcmp(packed, twice, len) == 0);
    free(packed);
    free(twice);
    wf_baseline_fini(&b);
    wf_baseline_fini(&again);
}

// ---- slates ----------------------------------------------------------------------------------------------------------

static const char *path_of(const char *suffix)
{
    static char path[256];
    static const char *dir;

    if (!dir)
        dir = wf_test_tmpdir();
    snprintf(path, sizeof path, "%s/db%s", dir, suffix);
    return path;
}

static void slates(const uint8_t *data, size_t size)
{
    static const char *const suffixes[] = { "-run", "-pulse-store" };
    static int fds[2] = { -1, -1 };
    struct wf_mon_part parts[WF_MON_PARTS];
    static struct wf_mon_pulse pulses[WF_MON_PULSES];

    for (size_t i = 0; i < 2; i++) {
        if (fds[i] < 0)
            must(wf_mon_slate_create(path_of(suffixes[i]), &fds[i]) == WEFT_OK);
        must(ftruncate(fds[i], 0) == 0 && pwrite(fds[i], data, size, 0) == (ssize_t)size);
    }
    size_t count = wf_mon_parts_read(path_of(""), parts);
    must(count <= WF_MON_PARTS);
    for (size_t i = 0; i < count; i++)
        must(wf_mon_part_state_name(parts[i].state) != NULL);
    count = wf_mon_pulses_read(path_of(""), pulses);
    must(count <= 1);
    if (!count)
        return;
    must(pulses[0].pid > 0 && pulses[0].count_count <= WF_MON_COUNTS);
    must(wf_mon_pulse_state(&pulses[0], NOW_MS) != NULL);
    for (size_t i = 0; i < pulses[0].count_count; i++)
        (void)wf_mon_pulse_get(&pulses[0], pulses[0].counts[i].name);
    // What it reads it can write.
    must(wf_mon_pulse_write(fds[1], &pulses[0]) == WEFT_OK);
}

// ---- the book --------------------------------------------------------------------------------------------------------

struct input {
    const uint8_t *at, *end;
};

static unsigned next_byte(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

// A value of any type.
static void bind_next(sqlite3_stmt *st, int at, struct input *in)
{
    unsigned kind = next_byte(in);
    size_t left = (size_t)(in->end - in->at), len = kind >> 2 < left ? kind >> 2 : left;
    int64_t number = 0;
    double real = 0;
    int rc = SQLITE_OK;

    switch (kind & 3) {
    case 0: // small ones, so that enumerations are met
        rc = sqlite3_bind_int64(st, at, (int64_t)(kind >> 2) - 4);
        len = 0;
        break;
    case 1:
        rc = sqlite3_bind_text(st, at, (const char *)in->at, (int)len, SQLITE_TRANSIENT);
        break;
    case 2:
        rc = sqlite3_bind_blob(st, at, len ? (const void *)in->at : "", (int)len, SQLITE_TRANSIENT);
        break;
    default:
        len = left < 8 ? left : 8;
        if (len)
            memcpy(&number, in->at, len);
        memcpy(&real, &number, sizeof real);
        rc = kind & 4 ? sqlite3_bind_double(st, at, real) : sqlite3_bind_int64(st, at, number);
    }
    must(rc == SQLITE_OK);
    in->at += len;
}

static enum weft_err on_alert(void *arg, const struct wf_alert *a)
{
    struct wf_book *b = arg;
    enum weft_err err = wf_book_put(b, a); // what was read can be kept

    must(a->severity <= WF_CRITICAL && a->state <= WF_ALERT_RESOLVED);
    must(!err);
    return WEFT_E_CANCELLED; // the first alone: what is read may not be written meanwhile
}

static enum weft_err on_taken(void *arg, const struct wf_taken_item *item, uint64_t rules)
{
    static const char text[] = "take: ['*/*']\n";
    static struct wf_take *all;
    struct weft_conf *c = NULL;

    (void)rules;
    if (!all) {
        must(weft_conf_parse(text, sizeof text - 1, "f", &c, NULL) == WEFT_OK);
        all = wf_take_read(c);
        must(all != NULL);
        weft_conf_free(c);
    }
    return wf_taken_restore(arg, all, item);
}

static enum weft_err on_change(void *arg, const struct wf_book_change *c)
{
    (void)arg;
    free(c->json);
    return WEFT_OK;
}

static enum weft_err on_heard(void *arg, const char *origin, int64_t append_ms)
{
    (void)append_ms;
    must(strlen(origin) < 4096);
    (void)arg;
    return WEFT_OK;
}

static void read_all(struct wf_book *b)
{
    static struct wf_silence silences[8];
    struct wf_book_place place;
    struct wf_baseline base;
    struct wf_book_publisher publisher;
    struct wf_book_beat beat;
    size_t count = 0;

    (void)!wf_book_alerts(b, on_alert, b);
    (void)!wf_book_place(b, "servers/disks", &place);
    (void)!wf_book_heard(b, "servers/disks", on_heard, NULL);
    if (wf_book_baseline(b, 1, 0, &base) == WEFT_OK)
        wf_baseline_fini(&base);
    if (wf_book_silences(b, NOW_MS, silences, 8, &count) == WEFT_OK)
        must(count <= 8);
    (void)!wf_book_changes(b, 0, 8, on_change, NULL);
    (void)!wf_book_publisher(b, &publisher);
    (void)!wf_book_beat(b, &beat);
    struct wf_taken *t = wf_taken_new();
    must(t != NULL);
    (void)!wf_book_taken(b, on_taken, t);
    wf_taken_free(t);
}

static void rows(const uint8_t *data, size_t size)
{
    static struct wf_book *book;
    static const struct {
        const char *table;
        int columns;
        const char *first; // of its key, where one is asked for
    } tables[] = { { "alert", 34, NULL }, { "taken", 9, NULL }, { "outbox", 4, NULL },
        { "publisher", 6, "1" }, { "ack", 6, NULL }, { "silence", 6, NULL },
        { "place", 3, "'servers/disks'" }, { "heard", 3, "'servers/disks'" },
        { "baseline", 3, "1" }, { "beat", 14, "1" } };
    struct weft_problem problem = { 0 };
    struct input in = { data, data + size };
    char sql[256];

    if (!book)
        must(wf_book_open(path_of("-alerts"), WF_BOOK_KEEP, &book, &problem) == WEFT_OK);
    must(wf_book_begin(book) == WEFT_OK);
    for (unsigned i = 0; in.at < in.end && i < 4; i++) {
        size_t which = next_byte(&in) % WF_COUNT(tables);
        int binds = tables[which].columns - (tables[which].first ? 1 : 0);
        sqlite3_stmt *st = NULL;
        int len = snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO %s VALUES(%s",
            tables[which].table, tables[which].first ? tables[which].first : "");
        for (int k = 0; k < binds; k++)
            len += snprintf(
                sql + len, sizeof sql - (size_t)len, "%s?", k || tables[which].first ? "," : "");
        snprintf(sql + len, sizeof sql - (size_t)len, ")");
        must(wf_book_prepare(book, sql, NULL, &st) == WEFT_OK);
        for (int k = 0; k < binds; k++)
            bind_next(st, k + 1, &in);
        (void)!wf_book_step(book, st); // a key without a value is refused
        sqlite3_finalize(st);
    }
    read_all(book);
    wf_book_rollback(book);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const all[])(const uint8_t *, size_t) = { labels, baseline, slates, rows };

    if (size > 0)
        all[data[0] % WF_COUNT(all)](data + 1, size - 1);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// A reader that keeps its cursor in a file, as weft subscribe does, with every allocation, write, sync and read failing in turn
// (tests/support/fault.h): what was saved is resumed behind, each record once and in order; a cursor that could not be saved is the one before.
#include <unistd.h>

#include "sdk/cli/subscribe.h"
#include "tests/sdk/reader_rig.h"
#include "tests/support/fault.h"
#include "tests/support/support.h"

#define BATCHES 4
#define RECORDS 3
#define WAIT_MS 4000 // for records that do not come; the clock is pushed meanwhile

static char path[300];
static struct place {
    uint64_t next_seq[WF_HOME_ORIGINS], got;
} saved, tried; // what the file says, as its saving was told; what it may say after one that failed
static struct wf_buf saved_file;
static uint64_t appended;

static struct place here(void)
{
    struct place p = { .got = got };

    memcpy(p.next_seq, next_seq, sizeof p.next_seq);
    return p;
}

static void begin(void)
{
    if (!path[0]) {
        setup();
        weft_close(c);
        snprintf(path, sizeof path, "%s/cursor", wf_test_tmpdir());
    }
    c = NULL;
    append(BATCHES, RECORDS);
    appended += BATCHES * RECORDS;
}

static void stop(void)
{
    weft_unsubscribe(s);
    weft_close(c);
    s = NULL;
    c = NULL;
}

// Whichever of the two the file says, it says as a whole: that is where the next reader begins.
static void go_back(void)
{
    struct wf_buf is = { 0 };

    if (access(path, F_OK) == 0)
        is = wf_test_file(path);
    if (!wf_bytes_eq(wf_buf_view(&is), wf_buf_view(&saved_file)))
        saved = tried;
    wf_buf_fini(&saved_file);
    saved_file = is;
    memcpy(next_seq, saved.next_seq, sizeof next_seq);
    got = saved.got;
}

static enum weft_err load(struct wf_cursor_file *f)
{
    struct weft_options o = { .dir = m.dir, .flags = WEFT_REMOTE_ONLY, .deadline_ms = 30000 };
    struct weft_subscribe_options q = { .from = WEFT_FROM_CURSOR };
    struct weft_cursor_row *given = NULL;
    enum weft_err err = wf_cursor_file_load(f) ? WEFT_E_IO : WEFT_OK;

    if (!err && wf_cursor_file_views(f, &given, &q.cursor_count))
        err = WEFT_E_NOMEM;
    if (!err)
        err = weft_connect(&o, &c, &problem);
    q.cursor = given;
    if (!err)
        err = weft_subscribe(c, "servers/readings", &q, &s, &problem);
    free(given);
    return err;
}

static enum weft_err save(struct wf_cursor_file *f)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < row_count && !err; i++)
        err = wf_cursor_file_put(
            f, wf_bytes(rows[i].key, rows[i].key_len), wf_bytes(rows[i].value, rows[i].value_len));
    if (err)
        return err;
    tried = here();
    if (wf_cursor_file_save(f))
        return WEFT_E_IO;
    wf_fault_spare(true);
    saved = tried;
    wf_buf_fini(&saved_file);
    saved_file = wf_test_file(path);
    wf_fault_spare(false);
    return WEFT_OK;
}

// Reads to the end and saves behind each batch.
static enum weft_err subscribe_and_save(void)
{
    struct wf_cursor_file f = { .path = path };

    row_count = 0;
    enum weft_err err = load(&f);
    for (int left = WAIT_MS; !err && got < appended; left -= 50) {
        uint64_t before = got;
        if (left <= 0)
            err = WEFT_E_TIMEOUT;
        else if (!take(50))
            wf_test_clock_skip(2000);
        if (got > before)
            err = save(&f);
    }
    wf_cursor_file_fini(&f);
    return err;
}

static void end(enum weft_err err)
{
    stop();
    ck_assert(err || saved.got == appended);
    go_back();
    err = subscribe_and_save();
    ck_assert_msg(
        !err, "it does not go on: %s, state %d %s", weft_err_name(err), (int)state, state_text);
    stop();
    ck_assert_uint_eq(saved.got, appended);
}

static const struct wf_scenario scenarios[] = {
    { "subscribe, save the cursor, resume", WF_FAULT_ALL, begin, subscribe_and_save, end,
        .must_tell = 1u << WF_FAULT_WRITE | 1u << WF_FAULT_SYNC },
};

START_TEST(what_was_saved_is_resumed_behind)
{
    wf_scenario_run(&scenarios[_i]);
}
END_TEST

int main(void)
{
    return wf_suite_main(
        "sdk.fault_cursor", what_was_saved_is_resumed_behind, WF_COUNT(scenarios), 300);
}

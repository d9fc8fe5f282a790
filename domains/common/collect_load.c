// SPDX-License-Identifier: Apache-2.0
// load: run queue, task counts and the kernel's own counters since boot, from /proc/loadavg, /proc/uptime and
// /proc/stat (proc(5)), one row.
#include "domains/common/bounds.h"
#include "domains/common/collector.h"

static const struct line_of {
    const char *line, *field;
} stat_lines[] = {
    { "procs_running", "running" },
    { "procs_blocked", "blocked" },
    { "processes", "forks" },
    { "ctxt", "contextSwitches" },
    { "intr", "interrupts" },
};
#define LINE_COUNT (sizeof stat_lines / sizeof stat_lines[0])

// "0.20 0.18 0.12 1/80 11206": three averages, runnable/all tasks, last process id.
static enum weft_err put_loadavg(struct wf_out *out, struct wf_text text)
{
    static const char *const names[3] = { "load1", "load5", "load15" };
    struct wf_text word, runnable;
    uint64_t tasks = 0;

    for (int i = 0; i < 3; i++) {
        double average = 0;
        if (!wf_text_word(&text, &word) || wf_text_decimal(word, &average))
            return WEFT_E_SYNTAX;
        wf_out_double(out, names[i], average);
    }
    if (!wf_text_word(&text, &word) || !wf_text_field(&word, '/', &runnable) ||
        wf_text_u64(word, &tasks))
        return WEFT_E_SYNTAX;
    wf_out_u64(out, "tasks", tasks);
    return WEFT_OK;
}

struct value {
    bool known;
    uint64_t number;
};

static void parse_stat_line(struct wf_text line, struct value *values)
{
    struct wf_text name, word;
    uint64_t number = 0;

    if (!wf_text_word(&line, &name) || !wf_text_word(&line, &word) || wf_text_u64(word, &number))
        return;
    for (size_t i = 0; i < LINE_COUNT; i++)
        if (wf_text_is(name, stat_lines[i].line))
            values[i] = (struct value){ true, number };
}

static enum weft_err put_uptime(struct wf_collect *c)
{
    struct wf_file file;
    struct wf_text word;
    double uptime = 0;

    enum weft_err err = wf_collect_file(c, "/proc/uptime", WF_HOST_MAX_PROC, &file);
    if (err)
        return err;
    struct wf_text text = wf_file_text(&file);
    if (wf_text_word(&text, &word) && wf_text_decimal(word, &uptime) == WEFT_OK)
        wf_out_double(c->out, "uptime", uptime);
    wf_file_fini(&file);
    return WEFT_OK;
}

static enum weft_err put_stat(struct wf_collect *c)
{
    struct value values[LINE_COUNT] = { { false, 0 } };
    struct wf_file file;
    struct wf_text line;

    enum weft_err err = wf_collect_file(c, "/proc/stat", WF_HOST_MAX_PROC, &file);
    if (err)
        return err;
    struct wf_text text = wf_file_text(&file);
    while (wf_text_line(&text, &line))
        parse_stat_line(line, values);
    wf_file_fini(&file);
    for (size_t i = 0; i < LINE_COUNT; i++)
        if (values[i].known)
            wf_out_u64(c->out, stat_lines[i].field, values[i].number);
    return WEFT_OK;
}

enum weft_err wf_collect_load(struct wf_collect *c)
{
    struct wf_file file;
    struct wf_text line = { NULL, 0 };

    enum weft_err err = wf_collect_file(c, "/proc/loadavg", WF_HOST_MAX_PROC, &file);
    if (err)
        return err;
    wf_out_open_row(c->out);
    struct wf_text text = wf_file_text(&file);
    wf_text_line(&text, &line);
    err = put_loadavg(c->out, line);
    wf_file_fini(&file);
    if (err)
        return wf_problem(c, err, "%s/proc/loadavg: not three averages and a task count", c->root);
    err = put_uptime(c);
    if (err)
        return err;
    err = put_stat(c);
    if (err)
        return err;
    return wf_out_close_row(c->out);
}

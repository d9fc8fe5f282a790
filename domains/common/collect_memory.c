// SPDX-License-Identifier: Apache-2.0
// memory: /proc/meminfo (proc(5)) in bytes, one row. A line this kernel does not have leaves its field out.
#include "domains/common/bounds.h"
#include "domains/common/collector.h"

static const struct line_of {
    const char *line, *field;
} lines[] = {
    { "MemTotal", "total" },
    { "MemFree", "free" },
    { "MemAvailable", "available" },
    { "Buffers", "buffers" },
    { "Cached", "cached" },
    { "Active", "active" },
    { "Inactive", "inactive" },
    { "Dirty", "dirty" },
    { "Writeback", "writeback" },
    { "AnonPages", "anonymous" },
    { "Mapped", "mapped" },
    { "Shmem", "shared" },
    { "SReclaimable", "slabReclaimable" },
    { "SUnreclaim", "slabUnreclaimable" },
    { "KernelStack", "kernelStack" },
    { "PageTables", "pageTables" },
    { "CommitLimit", "commitLimit" },
    { "Committed_AS", "committed" },
    { "SwapTotal", "swapTotal" },
    { "SwapFree", "swapFree" },
    { "SwapCached", "swapCached" },
    { "HugePages_Total", "hugePages" },
    { "HugePages_Free", "hugePagesFree" },
    { "Hugepagesize", "hugePageSize" },
};
#define LINE_COUNT (sizeof lines / sizeof lines[0])
enum { TOTAL = 0, AVAILABLE = 2 };

struct value {
    bool known;
    uint64_t number;
};

// "MemTotal:       24684084 kB"; lines without a unit are counts.
static void parse_line(struct wf_text line, struct value *values)
{
    struct wf_text name, word;
    uint64_t number = 0;

    if (!wf_text_field(&line, ':', &name) || !wf_text_word(&line, &word) ||
        wf_text_u64(word, &number))
        return;
    if (wf_text_word(&line, &word)) {
        if (!wf_text_is(word, "kB") || number > UINT64_MAX / 1024)
            return;
        number *= 1024;
    }
    for (size_t i = 0; i < LINE_COUNT; i++)
        if (wf_text_is(name, lines[i].line))
            values[i] = (struct value){ true, number };
}

enum weft_err wf_collect_memory(struct wf_collect *c)
{
    struct value values[LINE_COUNT] = { { false, 0 } };
    struct wf_file file;
    struct wf_text line;

    enum weft_err err = wf_collect_file(c, "/proc/meminfo", WF_HOST_MAX_PROC, &file);
    if (err)
        return err;
    struct wf_text text = wf_file_text(&file);
    while (wf_text_line(&text, &line))
        parse_line(line, values);
    wf_file_fini(&file);
    if (!values[TOTAL].known || values[TOTAL].number == 0)
        return wf_problem(c, WEFT_E_SYNTAX, "%s/proc/meminfo: no MemTotal", c->root);

    wf_out_open_row(c->out);
    for (size_t i = 0; i < LINE_COUNT; i++)
        if (values[i].known)
            wf_out_u64(c->out, lines[i].field, values[i].number);
    if (values[AVAILABLE].known && values[AVAILABLE].number <= values[TOTAL].number) {
        uint64_t used = values[TOTAL].number - values[AVAILABLE].number;
        wf_out_double(c->out, "usedRatio", (double)used / (double)values[TOTAL].number);
    }
    return wf_out_close_row(c->out);
}

// SPDX-License-Identifier: Apache-2.0
// hosts: what this machine is, one row: names, operating system (os-release(5)), kernel, processors, memory, hardware
// model, boot time and the addresses it can be reached at. Nothing in it changes from minute to minute.
#include <sys/utsname.h>

#include "domains/common/links.h"

// The first line of a small file, or nothing: most of these are absent on some machine.
static enum weft_err put_first_line(struct wf_collect *c, const char *path, const char *field)
{
    struct wf_file file;
    struct wf_text line = { NULL, 0 };
    enum weft_err err = wf_collect_optional(c, path, &file);

    if (err)
        return err;
    struct wf_text text = wf_file_text(&file);
    if (wf_text_line(&text, &line)) {
        line = wf_text_trim(line);
        if (line.len > 0)
            wf_out_str(c->out, field, line);
    }
    wf_file_fini(&file);
    return WEFT_OK;
}

// os-release values may stand in single or double quotes, and inside double ones a backslash may stand before a special
// character (os-release(5)). Undone in place: the text is ours, and only gets shorter.
static struct wf_text unquote(struct wf_text t)
{
    t = wf_text_trim(t);
    if (t.len < 2 || (t.ptr[0] != '"' && t.ptr[0] != '\'') || t.ptr[t.len - 1] != t.ptr[0])
        return t;
    bool escapes = t.ptr[0] == '"';
    char *text = (char *)(uintptr_t)t.ptr + 1;
    size_t to = 0;
    for (size_t i = 0; i < t.len - 2; i++) {
        bool escape = escapes && text[i] == '\\' && i + 1 < t.len - 2;
        if (escape && memchr("\"$`\\", text[i + 1], 4))
            i++;
        text[to++] = text[i];
    }
    return (struct wf_text){ text, to };
}

static enum weft_err put_os(struct wf_collect *c)
{
    static const char *const names[3] = { "ID", "VERSION_ID", "PRETTY_NAME" };
    static const char *const fields[3] = { "os", "osVersion", "osName" };
    struct wf_text values[3] = { { NULL, 0 } };
    struct wf_file file;
    struct wf_text line, name;

    enum weft_err err = wf_collect_optional(c, "/etc/os-release", &file);
    if (!err && file.len == 0) {
        wf_file_fini(&file);
        err = wf_collect_optional(c, "/usr/lib/os-release", &file);
    }
    if (err)
        return err;
    struct wf_text text = wf_file_text(&file);
    while (wf_text_line(&text, &line)) {
        if (!wf_text_field(&line, '=', &name))
            continue;
        for (size_t i = 0; i < 3; i++)
            if (wf_text_is(name, names[i]))
                values[i] = unquote(line);
    }
    for (size_t i = 0; i < 3; i++)
        if (values[i].len > 0)
            wf_out_str(c->out, fields[i], values[i]);
    wf_file_fini(&file);
    return WEFT_OK;
}

// "processor" and its number, as in "processor : 0"; on s390 "processor 0: version = ...".
static bool is_processor(struct wf_text name)
{
    static const char word[] = "processor";
    const size_t n = sizeof word - 1;
    uint32_t number = 0;

    if (!wf_text_has_prefix(name, word))
        return false;
    return name.len == n || (name.ptr[n] == ' ' &&
                                wf_text_u32((struct wf_text){ name.ptr + n + 1, name.len - n - 1 },
                                    &number) == WEFT_OK);
}

// The first "model name" (x86) or "Model" (others) of /proc/cpuinfo and the number of processors.
static enum weft_err put_cpus(struct wf_collect *c)
{
    struct wf_file file;
    struct wf_text line, name, model = { NULL, 0 };
    uint32_t count = 0;

    enum weft_err err = wf_collect_optional(c, "/proc/cpuinfo", &file);
    if (err)
        return err;
    struct wf_text text = wf_file_text(&file);
    while (wf_text_line(&text, &line)) {
        if (!wf_text_field(&line, ':', &name))
            continue;
        name = wf_text_trim(name);
        count += is_processor(name);
        if (model.len == 0 && (wf_text_is(name, "model name") || wf_text_is(name, "Model")))
            model = wf_text_trim(line);
    }
    if (count > 0)
        wf_out_u32(c->out, "cpus", count);
    if (model.len > 0)
        wf_out_str(c->out, "cpuModel", model);
    wf_file_fini(&file);
    return WEFT_OK;
}

// The number behind `name` in a file of "name number" lines; 0 where there is none.
static enum weft_err number_in(
    struct wf_collect *c, const char *path, const char *name, uint64_t *ret)
{
    struct wf_file file;
    struct wf_text line, word;
    uint64_t number = 0;

    enum weft_err err = wf_collect_optional(c, path, &file);
    if (err)
        return err;
    struct wf_text text = wf_file_text(&file);
    while (wf_text_line(&text, &line)) {
        if (!wf_text_word(&line, &word) || !wf_text_is(word, name))
            continue;
        if (!wf_text_word(&line, &word) || wf_text_u64(word, &number))
            number = 0;
        break;
    }
    wf_file_fini(&file);
    *ret = number;
    return WEFT_OK;
}

static enum weft_err put_numbers(struct wf_collect *c)
{
    uint64_t memory_kib = 0, boot_s = 0;
    enum weft_err err = number_in(c, "/proc/meminfo", "MemTotal:", &memory_kib);

    if (!err)
        err = number_in(c, "/proc/stat", "btime", &boot_s);
    if (err)
        return err;
    if (memory_kib > 0 && memory_kib <= UINT64_MAX / 1024)
        wf_out_u64(c->out, "memory", memory_kib * 1024);
    if (boot_s > 0 && boot_s <= INT64_MAX / 1000)
        wf_out_time(c->out, "bootTime", (int64_t)boot_s * 1000);
    return WEFT_OK;
}

static void put_architecture(struct wf_collect *c)
{
    struct utsname uts;

    if (uname(&uts) == 0)
        wf_out_str(c->out, "architecture", wf_text(uts.machine));
}

static enum weft_err put_addresses(struct wf_collect *c)
{
    struct wf_links links;
    unsigned count = 0;
    enum weft_err err = wf_links_read(c, true, &links);

    if (err)
        return err;
    wf_out_open_list(c->out, "addresses");
    for (size_t i = 0; i < links.count; i++) {
        const struct wf_link *link = &links.list[i];
        for (size_t j = 0; j < link->address_count && count < WF_HOST_MAX_ADDRS; j++) {
            if (!link->addresses[j].global || (link->flags & IFF_LOOPBACK))
                continue;
            wf_out_item(c->out, wf_text(link->addresses[j].text));
            count++;
        }
    }
    wf_out_close_list(c->out);
    wf_links_fini(&links);
    return WEFT_OK;
}

static enum weft_err put_name(struct wf_collect *c)
{
    struct wf_file file;
    struct wf_text line = { NULL, 0 };
    enum weft_err err = wf_collect_file(c, "/proc/sys/kernel/hostname", WF_HOST_MAX_PROC, &file);

    if (err)
        return err;
    struct wf_text text = wf_file_text(&file);
    wf_text_line(&text, &line);
    line = wf_text_trim(line);
    wf_out_str(c->out, "name", line);
    wf_out_key_done(c->out);
    wf_file_fini(&file);
    return line.len > 0
               ? WEFT_OK
               : wf_problem(c, WEFT_E_SYNTAX, "%s/proc/sys/kernel/hostname: empty", c->root);
}

enum weft_err wf_collect_hosts(struct wf_collect *c)
{
    static const struct line_of {
        const char *path, *field;
    } lines[] = {
        { "/proc/sys/kernel/osrelease", "kernel" },
        { "/sys/class/dmi/id/sys_vendor", "vendor" },
        { "/sys/class/dmi/id/product_name", "model" },
    };

    wf_out_open_row(c->out);
    enum weft_err err = put_name(c);
    if (!err)
        err = put_os(c);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0] && !err; i++)
        err = put_first_line(c, lines[i].path, lines[i].field);
    if (!err)
        err = put_cpus(c);
    if (!err)
        err = put_numbers(c);
    // What has no file can't come from another root.
    if (!err && c->root[0] == '\0') {
        put_architecture(c);
        err = put_addresses(c);
    }
    return err ? err : wf_out_close_row(c->out);
}

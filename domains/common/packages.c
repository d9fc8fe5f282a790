// SPDX-License-Identifier: Apache-2.0
#include "domains/common/packages.h"

const char wf_rpm_format[] =
    "%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{LONGSIZE}\\t%{SOURCERPM}\\n";

struct package {
    const char *manager;
    struct wf_text name, version, architecture, state;
    struct wf_text source, source_version; // empty: the same as the package's
    bool has_size;
    uint64_t size;
};

static enum weft_err put_row(struct wf_out *out, const struct package *p)
{
    wf_out_open_row(out);
    wf_out_str(out, "manager", wf_text(p->manager));
    wf_out_str(out, "name", p->name);
    wf_out_str(out, "architecture", p->architecture);
    wf_out_str(out, "version", p->version);
    wf_out_key_done(out);
    wf_out_str(out, "state", p->state);
    wf_out_str(out, "source", p->source.len > 0 ? p->source : p->name);
    wf_out_str(out, "sourceVersion", p->source_version.len > 0 ? p->source_version : p->version);
    if (p->has_size)
        wf_out_u64(out, "installedSize", p->size);
    return wf_out_close_row(out);
}

// "glibc (2.36-9)", or "glibc" where both versions are the same.
static void dpkg_source(struct wf_text value, struct package *p)
{
    struct wf_text name = { NULL, 0 };

    if (!wf_text_field(&value, '(', &name))
        return;
    p->source = wf_text_trim(name);
    if (value.len > 1 && value.ptr[value.len - 1] == ')')
        p->source_version = (struct wf_text){ value.ptr, value.len - 1 };
}

// Installed-Size is in KiB, rounded up.
static void dpkg_size(struct wf_text value, struct package *p)
{
    uint64_t kib = 0;

    p->has_size = wf_text_u64(value, &kib) == WEFT_OK && kib <= UINT64_MAX / 1024;
    p->size = p->has_size ? kib * 1024 : 0;
}

static void dpkg_line(struct wf_text line, struct package *p)
{
    struct wf_text name;

    // Continuation lines begin with a blank and belong to fields nobody asked for.
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t' || !wf_text_field(&line, ':', &name) || !line.ptr)
        return;
    line = wf_text_trim(line);
    if (wf_text_is(name, "Package"))
        p->name = line;
    else if (wf_text_is(name, "Version"))
        p->version = line;
    else if (wf_text_is(name, "Architecture"))
        p->architecture = line;
    else if (wf_text_is(name, "Status"))
        p->state = line;
    else if (wf_text_is(name, "Source"))
        dpkg_source(line, p);
    else if (wf_text_is(name, "Installed-Size"))
        dpkg_size(line, p);
}

// "install ok installed": what is wanted, whether dpkg had trouble, and the state, which alone is reported.
static enum weft_err dpkg_end(struct wf_out *out, struct package *p)
{
    struct wf_text words = p->state, word = { NULL, 0 };
    unsigned count = 0;

    while (wf_text_word(&words, &word))
        count++;
    if (p->name.len == 0 || count != 3 || wf_text_is(word, "not-installed"))
        return WEFT_OK;
    p->state = word;
    return put_row(out, p);
}

enum weft_err wf_packages_dpkg(struct wf_out *out, struct wf_text status)
{
    struct package p = { .manager = "dpkg" };
    struct wf_text line;
    enum weft_err err = WEFT_OK;

    while (!err && wf_text_line(&status, &line)) {
        if (line.len > 0) {
            dpkg_line(line, &p);
            continue;
        }
        err = dpkg_end(out, &p);
        p = (struct package){ .manager = "dpkg" };
    }
    return err ? err : dpkg_end(out, &p);
}

// "bash-5.2.26-3.fc40.src.rpm": version and release hold no '-' of their own, so the last two separate them.
static void rpm_source(struct wf_text file, struct package *p)
{
    static const char ending[] = ".src.rpm";
    const size_t ending_len = sizeof ending - 1;
    size_t cut = 0;
    unsigned dashes = 0;

    if (file.len <= ending_len || memcmp(file.ptr + file.len - ending_len, ending, ending_len) != 0)
        return;
    file.len -= ending_len;
    for (cut = file.len; cut > 0 && dashes < 2; cut--)
        dashes += file.ptr[cut - 1] == '-';
    if (dashes < 2)
        return;
    p->source = (struct wf_text){ file.ptr, cut };
    p->source_version = (struct wf_text){ file.ptr + cut + 1, file.len - cut - 1 };
}

enum weft_err wf_packages_rpm(struct wf_out *out, struct wf_text list)
{
    struct wf_text line, size, source;
    enum weft_err err = WEFT_OK;

    while (!err && wf_text_line(&list, &line)) {
        struct package p = { .manager = "rpm", .state = wf_text("installed") };
        if (!wf_text_field(&line, '\t', &p.name) || !wf_text_field(&line, '\t', &p.version) ||
            !wf_text_field(&line, '\t', &p.architecture) || !wf_text_field(&line, '\t', &size) ||
            !wf_text_field(&line, '\t', &source))
            continue;
        // Imported signing keys are kept in the database as packages without an architecture.
        if (p.name.len == 0 || wf_text_is(p.name, "gpg-pubkey"))
            continue;
        p.has_size = wf_text_u64(size, &p.size) == WEFT_OK;
        rpm_source(source, &p);
        err = put_row(out, &p);
    }
    return err;
}

// SPDX-License-Identifier: Apache-2.0
#include "domains/network/ports.h"

#include <stdlib.h>

#include "domains/common/links.h"
#include "domains/network/notes.h"

#define PAGE_MAX 256u
#define PAGE_TEXT_MAX                                                                              \
    (96u * 1024u) // a page ends early here, so that it never nears the limit of a reply

struct ports {
    struct wf_links links;
    struct wf_notes notes;
};

static int by_name(const void *left, const void *right)
{
    const struct wf_link *a = left, *b = right;

    return strcmp(a->name, b->name);
}

static enum weft_err open_ports(struct wf_collect *c, const char *directory, struct ports *ret)
{
    struct ports p = { 0 };
    enum weft_err err = wf_links_read(c, true, &p.links);

    if (err)
        return err;
    err = wf_notes_read(directory, &p.notes);
    if (err) {
        wf_links_fini(&p.links);
        return wf_problem(c, err, "%s: the file of notes cannot be read", directory);
    }
    if (p.links.count > 1)
        qsort(p.links.list, p.links.count, sizeof *p.links.list, by_name);
    *ret = p;
    return WEFT_OK;
}

static void close_ports(struct ports *p)
{
    wf_notes_fini(&p->notes);
    wf_links_fini(&p->links);
}

// The fields of Port, into the open object; the key is done after the first.
static void put_port(struct wf_out *out, const struct ports *p, const struct wf_link *link)
{
    struct wf_note note;

    wf_out_str(out, "name", wf_text(link->name));
    wf_out_key_done(out);
    wf_out_open_object(out, "interface");
    wf_link_put(out, &p->links, link);
    wf_out_close_object(out);
    if (!wf_notes_find(&p->notes, link->name, &note))
        return;
    wf_out_str(out, "note", wf_text(note.text));
    wf_out_time(out, "noteTime", note.unix_ms);
    wf_out_str(out, "notedBy", wf_text(note.by));
}

const char *wf_ports_directory(void)
{
    const char *directory = getenv("WEFT_STATE");

    return directory && directory[0] != '\0' ? directory : NULL;
}

enum weft_err wf_collect_ports(struct wf_collect *c)
{
    struct ports p = { 0 };
    enum weft_err err = open_ports(c, wf_ports_directory(), &p);

    if (err)
        return err;
    for (size_t i = 0; i < p.links.count && !err; i++) {
        wf_out_open_row(c->out);
        put_port(c->out, &p, &p.links.list[i]);
        err = wf_out_close_row(c->out);
    }
    close_ports(&p);
    return err;
}

// What a request may say; each method permits its own.
struct fields {
    const char *name, *note, *after; // "" where absent
    uint32_t limit;
};

// Marks an error as the caller's: `return bad(call, wf_problem(...))`.
static enum weft_err bad(struct wf_ports_call *call, enum weft_err err)
{
    call->bad_request = true;
    return err;
}

// Protobuf JSON has small integers as numbers and permits them in quotes.
static enum weft_err limit_field(struct wf_collect *c, const json_t *v, uint32_t *ret)
{
    uint32_t limit = 0;

    if (json_is_string(v)) {
        if (wf_text_u32(wf_text(json_string_value(v)), &limit))
            return wf_problem(c, WEFT_E_TYPE, "limit: not a number");
    } else if (json_is_integer(v) && json_integer_value(v) >= 0 &&
               json_integer_value(v) <= UINT32_MAX) {
        limit = (uint32_t)json_integer_value(v);
    } else {
        return wf_problem(c, WEFT_E_TYPE, "limit: not a number");
    }
    if (limit > PAGE_MAX)
        return wf_problem(c, WEFT_E_RANGE, "limit: %u is more than %u", (unsigned)limit, PAGE_MAX);
    *ret = limit ? limit : PAGE_MAX;
    return WEFT_OK;
}

// `permitted` is a list of words.
static enum weft_err one_field(struct wf_collect *c, const char *permitted, const char *name,
    const json_t *v, struct fields *f)
{
    struct wf_text words = wf_text(permitted), word;
    bool known = false;

    while (wf_text_word(&words, &word))
        known = known || wf_text_is(word, name);
    if (!known)
        return wf_problem(c, WEFT_E_UNKNOWN_FIELD, "unknown field \"%.64s\" (this method has: %s)",
            name, permitted);
    if (json_is_null(v))
        return WEFT_OK;
    if (strcmp(name, "limit") == 0)
        return limit_field(c, v, &f->limit);
    if (!json_is_string(v)) // which the parser has kept free of NULs
        return wf_problem(c, WEFT_E_TYPE, "%s: not a string", name);
    *(strcmp(name, "name") == 0     ? &f->name
        : strcmp(name, "note") == 0 ? &f->note
                                    : &f->after) = json_string_value(v);
    return WEFT_OK;
}

// On success the strings of *ret live as long as *ret_root.
static enum weft_err parse_request(
    struct wf_ports_call *call, const char *permitted, struct fields *ret, json_t **ret_root)
{
    struct fields f = { "", "", "", PAGE_MAX };
    json_error_t error;
    const char *name;
    json_t *v;
    enum weft_err err = WEFT_OK;

    json_t *root = json_loadb(call->request.ptr, call->request.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        err =
            wf_problem(&call->c, WEFT_E_SYNTAX, "request: %s", root ? "not an object" : error.text);
        json_decref(root);
        return bad(call, err);
    }
    json_object_foreach(root, name, v)
    {
        if (!err)
            err = one_field(&call->c, permitted, name, v, &f);
    }
    if (err) {
        json_decref(root);
        return bad(call, err);
    }
    *ret = f;
    *ret_root = root;
    return WEFT_OK;
}

static enum weft_err no_port(struct wf_ports_call *call, const char *name)
{
    return bad(
        call, wf_problem(&call->c, WEFT_E_NOT_FOUND, "no port \"%.64s\" on this host", name));
}

static enum weft_err list(struct wf_ports_call *call, const struct fields *f, const struct ports *p)
{
    struct wf_out *out = call->c.out;
    uint32_t count = 0;
    bool more = false;

    wf_out_open_row(out);
    wf_out_open_list(out, "ports");
    for (size_t i = 0; i < p->links.count && !more; i++) {
        if (strcmp(p->links.list[i].name, f->after) <= 0)
            continue;
        if (count == f->limit || out->len > PAGE_TEXT_MAX) {
            more = true;
            continue;
        }
        wf_out_open_item(out);
        put_port(out, p, &p->links.list[i]);
        wf_out_close_object(out);
        count++;
    }
    wf_out_close_list(out);
    wf_out_bool(out, "more", more);
    return wf_out_close_row(out);
}

static const struct wf_link *find(const struct ports *p, const char *name)
{
    for (size_t i = 0; i < p->links.count; i++)
        if (strcmp(p->links.list[i].name, name) == 0)
            return &p->links.list[i];
    return NULL;
}

static enum weft_err describe(
    struct wf_ports_call *call, const struct fields *f, const struct ports *p)
{
    const struct wf_link *link = find(p, f->name);

    if (!link)
        return no_port(call, f->name);
    wf_out_open_row(call->c.out);
    put_port(call->c.out, p, link);
    return wf_out_close_row(call->c.out);
}

static enum weft_err set_note(
    struct wf_ports_call *call, const struct fields *f, const struct ports *p)
{
    struct wf_note note = { .text = f->note, .by = call->caller, .unix_ms = call->c.now_unix_ms };
    struct ports after = { 0 };

    if (!find(p, f->name))
        return no_port(call, f->name);
    if (!call->directory)
        return wf_problem(
            &call->c, WEFT_E_STATE, "WEFT_STATE is not set: there is no place for notes");
    enum weft_err err = wf_notes_set(call->directory, f->name, &note);
    if (err == WEFT_E_TOO_BIG)
        return bad(
            call, wf_problem(&call->c, err, "note: longer than %u bytes, or more than %u notes",
                      WF_NOTE_MAX_LEN, WF_NOTES_MAX));
    if (err)
        return wf_problem(&call->c, err, "%s: the note cannot be stored", call->directory);
    err = open_ports(&call->c, call->directory, &after);
    if (err)
        return err;
    err = describe(call, f, &after);
    close_ports(&after);
    return err;
}

static const struct method {
    const char *name, *permitted;
    enum weft_err (*answer)(
        struct wf_ports_call *call, const struct fields *f, const struct ports *p);
} methods[] = {
    { "List", "after limit", list },
    { "Describe", "name", describe },
    { "SetNote", "name note", set_note },
};

enum weft_err wf_ports_call(const char *method, struct wf_ports_call *call)
{
    const struct method *m = NULL;
    struct fields f;
    struct ports p = { 0 };
    json_t *root = NULL;

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, method) == 0)
            m = &methods[i];
    if (!m)
        return bad(call, wf_problem(&call->c, WEFT_E_METHOD,
                             "unknown method \"%.64s\" (List, Describe, SetNote)", method));
    enum weft_err err = parse_request(call, m->permitted, &f, &root);
    if (err)
        return err;
    err = open_ports(&call->c, call->directory, &p);
    if (!err) {
        err = m->answer(call, &f, &p);
        close_ports(&p);
    }
    json_decref(root);
    return err;
}

// SPDX-License-Identifier: Apache-2.0
#include "domains/network/notes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define FILE_NAME "port-notes.json"
#define LOCK_NAME "port-notes.lock"
#define NEW_NAME  "port-notes.new"

static enum weft_err from_errno(int number)
{
    switch (number) {
    case EACCES:
    case EPERM:
    case EROFS:
        return WEFT_E_PERMISSION;
    case ENOSPC:
    case EDQUOT:
        return WEFT_E_NOSPACE;
    default:
        return WEFT_E_IO;
    }
}

static bool is_note(const json_t *v)
{
    return json_is_string(json_object_get(v, "note")) &&
           json_is_integer(json_object_get(v, "time")) && json_is_string(json_object_get(v, "by"));
}

static enum weft_err parse(struct wf_text text, json_t **ret)
{
    const char *name;
    json_t *v, *all = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(all)) {
        json_decref(all);
        return WEFT_E_DAMAGED;
    }
    json_object_foreach(all, name, v)
    {
        if (!is_note(v)) {
            json_decref(all);
            return WEFT_E_DAMAGED;
        }
    }
    *ret = all;
    return WEFT_OK;
}

enum weft_err wf_notes_read(const char *directory, struct wf_notes *ret)
{
    struct wf_file file;
    enum weft_err err = WEFT_E_NOT_FOUND;

    if (directory)
        err = wf_file_read(directory, "/" FILE_NAME, WF_NOTES_MAX_LEN, &file);
    if (err == WEFT_E_NOT_FOUND) {
        ret->by_port = json_object();
        return ret->by_port ? WEFT_OK : WEFT_E_NOMEM;
    }
    if (err)
        return err;
    err = parse(wf_file_text(&file), &ret->by_port);
    wf_file_fini(&file);
    return err;
}

void wf_notes_fini(struct wf_notes *notes)
{
    json_decref(notes->by_port);
    notes->by_port = NULL;
}

bool wf_notes_find(const struct wf_notes *notes, const char *port, struct wf_note *ret)
{
    const json_t *v = json_object_get(notes->by_port, port);

    if (!v)
        return false;
    *ret = (struct wf_note){ .text = json_string_value(json_object_get(v, "note")),
        .by = json_string_value(json_object_get(v, "by")),
        .unix_ms = json_integer_value(json_object_get(v, "time")) };
    return true;
}

static enum weft_err change(json_t *all, const char *port, const struct wf_note *note)
{
    if (note->text[0] == '\0') {
        (void)json_object_del(all, port); // there may be none
        return WEFT_OK;
    }
    if (!json_object_get(all, port) && json_object_size(all) >= WF_NOTES_MAX)
        return WEFT_E_TOO_BIG;
    json_t *text = json_string(note->text), *by = json_string(note->by);
    if (!text || !by) {
        json_decref(text);
        json_decref(by);
        return WEFT_E_BAD_UTF8;
    }
    json_t *v =
        json_pack("{s:o, s:I, s:o}", "note", text, "time", (json_int_t)note->unix_ms, "by", by);
    return v && json_object_set_new(all, port, v) == 0 ? WEFT_OK : WEFT_E_NOMEM;
}

// Written beside, synced, renamed over: at every moment the name leads to a complete file.
static enum weft_err replace(int folder, const json_t *all)
{
    enum weft_err err = WEFT_OK;
    int fd = openat(folder, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return from_errno(errno);
    if (json_dumpfd(all, fd, JSON_SORT_KEYS | JSON_COMPACT) != 0 || fsync(fd) != 0)
        err = from_errno(errno);
    if (close(fd) != 0 && !err)
        err = from_errno(errno);
    if (!err && (renameat(folder, NEW_NAME, folder, FILE_NAME) != 0 || fsync(folder) != 0))
        err = from_errno(errno);
    if (err)
        (void)unlinkat(folder, NEW_NAME, 0);
    return err;
}

static enum weft_err lock(int folder, int *ret_fd)
{
    int fd = openat(folder, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = -1;

    if (fd < 0)
        return from_errno(errno);
    do {
        rc = flock(fd, LOCK_EX);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        close(fd);
        return WEFT_E_IO;
    }
    *ret_fd = fd;
    return WEFT_OK;
}

enum weft_err wf_notes_set(const char *directory, const char *port, const struct wf_note *note)
{
    struct wf_notes notes = { NULL };
    int locked = -1;

    if (strlen(note->text) > WF_NOTE_MAX_LEN || strlen(note->by) > WF_NOTE_MAX_LEN)
        return WEFT_E_TOO_BIG;
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return errno == ENOENT ? WEFT_E_NOT_FOUND : from_errno(errno);
    enum weft_err err = lock(folder, &locked);
    if (err)
        goto out;
    err = wf_notes_read(directory, &notes);
    if (!err)
        err = change(notes.by_port, port, note);
    if (!err)
        err = replace(folder, notes.by_port);
    wf_notes_fini(&notes);
    close(locked); // and with it the lock
out:
    close(folder);
    return err;
}

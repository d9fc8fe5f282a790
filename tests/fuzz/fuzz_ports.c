// SPDX-License-Identifier: Apache-2.0
// Calls to the service weft.network.v1.Ports, and its file of notes. The first byte picks the method, or that the input is the file. What is answered
// is JSON; a caller's mistake is told as one, and what lies in the file never.
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/common/links.h"
#include "domains/network/notes.h"
#include "domains/network/ports.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_fsync(int fd);
enum weft_err __wrap_wf_links_read(struct wf_collect *c, bool details, struct wf_links *ret);

static const char *state;

// No power fails here.
int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

// Two interfaces, whatever the machine has.
enum weft_err __wrap_wf_links_read(struct wf_collect *c, bool details, struct wf_links *ret)
{
    (void)c;
    (void)details;
    struct wf_link *list = calloc(2, sizeof *list);
    if (!list)
        abort();
    for (unsigned i = 0; i < 2; i++) {
        list[i].index = i + 1;
        list[i].state = "up";
        snprintf(list[i].name, sizeof list[i].name, "eth%u", i);
        snprintf(list[i].kind, sizeof list[i].kind, "ether");
    }
    *ret = (struct wf_links){ .list = list, .count = 2, .cap = 2 };
    return WEFT_OK;
}

static void must(bool right)
{
    if (!right)
        abort();
}

static void call(const char *method, const uint8_t *data, size_t size)
{
    struct wf_out out = { 0 };
    struct wf_ports_call c = { .directory = state,
        .caller = "user \xff",
        .request = { (const char *)data, size },
        .c = { .root = "", .now_unix_ms = 1767225600000, .out = &out } };
    enum weft_err err = wf_ports_call(method, &c);

    must(!err == !c.c.problem[0] && (err || !c.bad_request));
    if (!err) {
        json_t *answer = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, NULL);
        must(json_is_object(answer));
        json_decref(answer);
    }
    wf_out_fini(&out);
}

static void notes(const uint8_t *data, size_t size)
{
    static const char list[] = "{}", change[] = "{\"name\":\"eth0\",\"note\":\"a\"}";
    struct wf_notes n = { NULL };
    struct wf_note note;
    char path[256];

    snprintf(path, sizeof path, "%s/port-notes.json", state);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
    if (wf_notes_read(state, &n) == WEFT_OK) {
        if (wf_notes_find(&n, "eth0", &note))
            must(note.text && note.by);
        wf_notes_fini(&n);
        call("List", (const uint8_t *)list, sizeof list - 1);
        call("SetNote", (const uint8_t *)change, sizeof change - 1);
        must(wf_notes_read(state, &n) == WEFT_OK); // what was written is whole
        wf_notes_fini(&n);
    }
    must(unlink(path) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = { "List", "Describe", "SetNote", "Other" };

    if (!state)
        state = wf_test_tmpdir();
    if (size == 0)
        return 0;
    unsigned what = data[0] % 5;
    if (what < 4)
        call(methods[what], data + 1, size - 1);
    else
        notes(data + 1, size - 1);
    return 0;
}

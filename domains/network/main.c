// SPDX-License-Identifier: Apache-2.0
// weft-ports: provider of the api `ports` (one call a run) and source of the inventory `port-inventory`.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "domains/common/source.h"
#include "domains/network/ports.h"

#define REQUEST_MAX (512u * 1024u)

static const char usage[] =
    "Examples:\n"
    "  echo '{}' | weft-ports List\n"
    "  echo '{\"name\":\"eth0\",\"note\":\"to rack 7\"}' | WEFT_STATE=/var/lib/weft/state "
    "weft-ports SetNote\n"
    "  weft-ports inventory --every 5 --changes\n"
    "\n"
    "Usage: weft-ports METHOD < REQUEST          one call: List, Describe, SetNote\n"
    "       weft-ports inventory [--every TIME] [--once | --count N] [--changes [--full TIME]]\n"
    "       weft-ports --list | --help | --version\n"
    "\n"
    "A call reads the request as protobuf JSON and prints the reply, one line "
    "(docs/internals/sources.md). Notes are kept\n"
    "in the directory $WEFT_STATE; $WEFT_CALLER is stored with them.\n"
    "\n"
    "Exit: 0 done, 64 usage, 65 bad request, 70 the call failed, 75 timed out; the reason is on "
    "standard error.\n";

static const struct wf_collector inventory = { "inventory", WF_COLLECT_INVENTORY,
    "weft.network.v1.Port", 5, true, "the ports of this host with their notes", wf_collect_ports,
    NULL };

// Reads standard input to its end; TOO_BIG beyond REQUEST_MAX.
static enum weft_err read_request(char **ret, size_t *ret_len)
{
    size_t len = 0;
    char *text = malloc(REQUEST_MAX + 1);

    if (!text)
        return WEFT_E_NOMEM;
    for (;;) {
        ssize_t n = read(STDIN_FILENO, text + len, REQUEST_MAX + 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || len + (size_t)n > REQUEST_MAX) {
            free(text);
            return n < 0 ? WEFT_E_IO : WEFT_E_TOO_BIG;
        }
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret = text;
    *ret_len = len;
    return WEFT_OK;
}

// The caller of a method learns two things apart: its request is wrong, or the provider failed.
static int call_exit(enum weft_err err, bool bad_request)
{
    if (bad_request)
        return wf_source_exit(WEFT_E_SYNTAX);
    return err ? wf_source_exit(err == WEFT_E_TIMEOUT ? err : WEFT_E_PROVIDER) : 0;
}

static int call(const char *method)
{
    const char *caller = getenv("WEFT_CALLER");
    struct wf_out out = { 0 };
    struct timespec now;
    struct wf_ports_call call = { .directory = wf_ports_directory(),
        .caller = caller ? caller : "" };
    char *text = NULL;
    size_t len = 0;

    clock_gettime(CLOCK_REALTIME, &now);
    call.c.root = "";
    call.c.out = &out;
    call.c.now_unix_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    enum weft_err err = read_request(&text, &len);
    if (err) {
        (void)wf_problem(&call.c, err, "the request cannot be read");
        call.bad_request = err == WEFT_E_TOO_BIG;
    } else {
        call.request = (struct wf_text){ text, len };
        err = wf_ports_call(method, &call);
    }
    if (!err && (fwrite(out.ptr, 1, out.len, stdout) != out.len || putchar('\n') == EOF ||
                    fflush(stdout) != 0))
        err = wf_problem(&call.c, WEFT_E_IO, "the reply cannot be written");
    if (err)
        fprintf(stderr, "weft-ports: %s: %s\n", method,
            call.c.problem[0] ? call.c.problem : "out of memory");
    wf_out_fini(&out);
    free(text);
    return call_exit(err, call.bad_request);
}

int main(int argc, char **argv)
{
    struct wf_source source = {
        .program = "weft-ports", .usage = usage, .collectors = &inventory, .collector_count = 1
    };

    // Methods begin with a capital letter, collectors and options do not.
    if (argc == 2 && argv[1][0] >= 'A' && argv[1][0] <= 'Z')
        return call(argv[1]);
    return wf_source_main(&source, argc, argv);
}

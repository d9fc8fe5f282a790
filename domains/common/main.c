// SPDX-License-Identifier: Apache-2.0
// weft-host: what this machine says about itself, as JSON lines for weftd.
#include "domains/common/collectors.h"
#include "domains/common/source.h"

static const char usage[] =
    "Examples:\n"
    "  weft-host cpu --every 10                 a sample of every processor each ten seconds\n"
    "  weft-host memory --once                  one sample, then exit\n"
    "  weft-host packages --every 5m --changes  a snapshot, then only what changed\n"
    "  weft-host sockets --once | weft publish servers/sockets\n"
    "  weft-host --list                         the collectors\n"
    "\n"
    "Usage: weft-host COLLECTOR [--every TIME] [--once | --count N] [--root DIR] [--changes "
    "[--full TIME]]\n"
    "       weft-host --list | --help | --version\n"
    "\n"
    "Prints what COLLECTOR finds on this host, one JSON object a line: a record of the product's "
    "message, or a\n"
    "control object with \"@op\" around the rows of an inventory (docs/internals/sources.md).\n"
    "\n"
    "  --every TIME  between samples: seconds, or 30s, 5m, 1h (default: per collector, see "
    "--list)\n"
    "  --once        one sample\n"
    "  --count N     N samples\n"
    "  --root DIR    read the files of a host below DIR (another root, a container's host)\n"
    "  --changes     inventories: after the first snapshot print only differences, and a whole "
    "snapshot every 6 h\n"
    "\n"
    "Ends with SIGTERM or when its output is closed; SIGHUP asks for a whole snapshot now.\n"
    "Exit: 0 done, 64 usage, 65 bad data, 69 not available here, 70 a helper program failed, 75 "
    "timed out, 77 not permitted.\n";

int main(int argc, char **argv)
{
    struct wf_source source = { .program = "weft-host",
        .usage = usage,
        .collectors = wf_collectors,
        .collector_count = wf_collector_count };

    return wf_source_main(&source, argc, argv);
}

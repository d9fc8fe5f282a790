// SPDX-License-Identifier: Apache-2.0
// weftd: reads its configuration, all errors at once, and lives.
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "node/backup/backup.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/inspect/inspect.h"

static const char usage[] =
    "Examples:\n"
    "  weftd -c /etc/weft/weftd.yaml        run in the foreground (systemd: Type=notify)\n"
    "  weftd -c weftd.yaml --check          say what is wrong with the configuration and exit\n"
    "\n"
    "Usage: weftd [-c FILE] [--check]\n"
    "       weftd --log show|verify|stats …   what weft log asks; see weft(1)\n"
    "       weftd --backup …                  what weft node backup asks\n"
    "       weftd --restore …                 what weft node restore asks\n"
    "  -c, --config FILE   configuration (default /etc/weft/weftd.yaml)\n"
    "      --check         read the configuration, report every error, start nothing\n"
    "  -V, --version       print the version\n"
    "  -h, --help          this text\n"
    "\n"
    "SIGHUP reloads the configuration; SIGTERM finishes what is owed and stops within drain:, 10 "
    "s. See "
    "weftd(8).\n";

static int load(const char *path, struct wf_conf **ret)
{
    struct wf_diags diags;
    struct wf_buf text = { 0 };

    wf_diags_init(&diags, path);
    enum weft_err err = wf_conf_load(path, &diags, ret);
    if (err && !wf_diags_print(&diags, &text))
        fwrite(text.ptr, 1, text.len, stderr);
    wf_buf_fini(&text);
    wf_diags_fini(&diags);
    return err ? 78 : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "check", no_argument, NULL, 'n' },
        { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *path = "/etc/weft/weftd.yaml";
    struct wf_conf *conf = NULL;
    bool check = false;

    if (argc > 1 && strcmp(argv[1], "--log") == 0)
        return wf_inspect_main(argc - 1, argv + 1);
    if (argc > 1 && (strcmp(argv[1], "--backup") == 0 || strcmp(argv[1], "--restore") == 0))
        return wf_backup_main(argc - 1, argv + 1);
    for (int c = getopt_long(argc, argv, "c:nVh", options, NULL); c != -1;
         c = getopt_long(argc, argv, "c:nVh", options, NULL)) {
        switch (c) {
        case 'c':
            path = optarg;
            break;
        case 'n':
            check = true;
            break;
        case 'V':
            puts("weftd " WEFT_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs("weftd: see weftd --help\n", stderr);
            return 64;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "weftd: unexpected argument \"%s\"; see weftd --help\n", argv[optind]);
        return 64;
    }
    int status = load(path, &conf);
    if (status || check) {
        wf_conf_free(conf);
        return status;
    }
    return wf_node_main(conf, path);
}

// SPDX-License-Identifier: Apache-2.0
// weft-monitor: stores what it was granted, shows what it does not see, proves what it stored. The command line.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft/conf.h>

#include "domains/monitoring/batch/top.h"
#include "domains/monitoring/common/config.h"

static const char usage[] =
    "Examples:\n"
    "  weft-monitor run                                    store every product granted to this "
    "identity\n"
    "  weft-monitor store --db /srv/weft/monitor.db        the storing process alone\n"
    "  weft-monitor run --product 'servers/*' --seconds 60\n"
    "  weft-monitor status                                 what is seen, and why not\n"
    "  weft-monitor top                                    the same, live, with rates and delays\n"
    "  weft-monitor backfill servers/cpu --from 7d         read again what is missing\n"
    "  weft-monitor store --database service=weft          into PostgreSQL\n"
    "  weft-monitor sql 'SELECT * FROM servers_load ORDER BY _time DESC LIMIT 5'\n"
    "  weft-monitor verify                                 prove every row against its host's "
    "signature\n"
    "  weft-monitor verify --row servers_load:1042\n"
    "  weft-monitor run --rules rules.yaml                 and raise alerts by rules\n"
    "  weft-monitor run --remote http://prometheus:9090/api/v1/write    and write metrics there\n"
    "  weft-monitor alerts list                            what fires, and what waits to\n"
    "  weft-monitor alerts ack 3f2a --for 2h --comment 'on it'\n"
    "  weft-monitor alerts silence 'rule=disk-* host=web-1' --for 4h\n"
    "  weft-monitor rules check rules.yaml                 what is wrong with a file of rules\n"
    "  weft-monitor rules test tests.yaml                  rules against written records\n"
    "  weft-monitor rules check --product queue.yaml       the rules that come with a product\n"
    "\n"
    "Usage: weft-monitor run    [--product PATTERN]... [--keep K]... [--seconds N] [--once] "
    "[--every SECONDS]\n"
    "       weft-monitor store  [--product PATTERN]... [--keep K]... [--seconds N] [--once] "
    "[--every SECONDS]\n"
    "       weft-monitor backfill PRODUCT [--from PLACE]\n"
    "       weft-monitor status [--json | -o table|json|jsonl]\n"
    "       weft-monitor top    [--every DURATION] [--count N] [--once] [--sort KEY] [--json | -o "
    "FORMAT]\n"
    "       weft-monitor sql    SELECT [-o table|json|jsonl]\n"
    "       weft-monitor verify [--product PRODUCT | --row TABLE:OFFSET] [--most N] [-o "
    "table|json]\n"
    "       weft-monitor alert  --rules FILE [--product PATTERN]... [--seconds N] [--once] "
    "[--every SECONDS]\n"
    "       weft-monitor write  --remote URL [--remote-auth FILE] [--remote-ca FILE] "
    "[--product PATTERN]... [--from PLACE]\n"
    "       weft-monitor alerts list | show ID | ack ID | silence MATCH | unsilence N | silences | "
    "test\n"
    "                           [--for DURATION] [--comment TEXT] [--rules FILE] [-o "
    "table|json|jsonl]\n"
    "       weft-monitor rules  check FILE... | check --product FILE | test FILE... | taken\n"
    "       weft-monitor -h | --help | --version\n"
    "\n"
    "  --config FILE  what is not given here: weft-monitor.yaml(5) (default: "
    "DIR/weft-monitor.yaml)\n"
    "  --dir DIR      identity directory (default: $WEFT_DIR, then ~/.config/weft)\n"
    "  --db FILE      database (default: DIR/monitor.db)\n"
    "  --database X   PostgreSQL instead: postgresql://HOST/NAME, service=NAME or host=... "
    "dbname=...;\n"
    "                 passwords belong into ~/.pgpass or a service file\n"
    "  --rules FILE   rules of alerts: weft-rules(5)\n"
    "  --alerts FILE  what the alerts keep (default: DIR/alerts.db)\n"
    "  --remote URL   write, run: a receiver of Prometheus remote write\n"
    "  --remote-auth FILE   \"basic USER:PASSWORD\" or \"bearer TOKEN\", mode 0600\n"
    "  --remote-ca FILE     certificates that the receiver's may be signed by\n"
    "  --remote-state FILE  what write keeps (default: DIR/remote.db)\n"
    "  --for D        alerts ack, silence: how long (default 1h)\n"
    "  --comment TEXT alerts ack, silence: why\n"
    "  --socket PATH  local weftd to ask for the catalog (default: $WEFT_SOCKET)\n"
    "  --product P    run, store: a shell pattern over domain/name, may be repeated; verify: one "
    "product\n"
    "  --keep K       how long rows are kept, as 30d or 'servers/*=7d' (s, m, h, d, w; a day at "
    "least)\n"
    "  --from PLACE   earliest, an offset, 7d, 2026-11-21 or 2026-11-21T10:00:00Z\n"
    "  --seconds N    end after N seconds\n"
    "  --once         end when all that is there was stored\n"
    "  --every N      look at the catalog every N seconds (default 10); top: at all (default 1), "
    "also as 500ms\n"
    "  --count N      top: so many samples as lines, also -n N; --once is one\n"
    "  --sort KEY     top: name, records, lag, age or delay\n"
    "  --json         -o json\n"
    "  --most N       differences named (default 20)\n"
    "\n"
    "Tables are named DOMAIN_PRODUCT; _table, _columns, _status, _loss, _batch, _schema and _chain "
    "tell about them.\n"
    "\n"
    "Exit: 0 done, 1 something is blind or differs, 64 usage, 65 bad SQL or damaged, 69 i/o, 70 a "
    "mistake of ours, 75 busy, 77 refused, 78 no identity.\n";

#define DISCOVER_MS 10000

static int wrong(const char *format, const char *what)
{
    char text[400];

    snprintf(text, sizeof text, format, what);
    return wf_mon_fail(WEFT_E_USAGE, text, "see weft-monitor --help");
}

static bool number(const char *text, uint64_t most, uint64_t *ret)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || *end || v > most)
        return false;
    *ret = v;
    return true;
}

static bool set_format(struct wf_mon_options *o, const char *text)
{
    static const char *const names[] = { "table", "json", "jsonl" };

    for (size_t i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        o->format = (enum wf_mon_format)i;
        return true;
    }
    return false;
}

static bool set_sort(struct wf_mon_options *o, const char *text)
{
    o->sort = text;
    for (int i = 0; i < WF_MON_SORTS; i++)
        if (strcmp(text, wf_mon_sort_names[i]) == 0)
            return true;
    return false;
}

// Seconds, or a duration as 500ms.
static bool set_every(struct wf_mon_options *o, const char *text)
{
    uint64_t seconds = 0;
    int64_t ms = 0;

    if (number(text, 86400, &seconds))
        ms = (int64_t)seconds * 1000;
    else if (weft_conf_duration(text, &ms))
        return false;
    o->every_ms = ms;
    o->discover_ms = (unsigned)ms;
    return ms >= 100 && ms <= 86400000;
}

static bool set_value(struct wf_mon_options *o, const char *name, const char *value)
{
    uint64_t n = 0;

    if (strcmp(name, "--dir") == 0)
        o->dir = value;
    else if (strcmp(name, "--config") == 0)
        o->config = value;
    else if (strcmp(name, "--socket") == 0)
        o->socket = value;
    else if (strcmp(name, "--row") == 0)
        o->row = value;
    else if (strcmp(name, "--database") == 0)
        o->database = value;
    else if (strcmp(name, "--from") == 0)
        o->from = value;
    else if (strcmp(name, "--keep") == 0 && o->keep_count < WF_MON_KEEPS &&
             wf_mon_keep_is_good(value))
        o->keeps[o->keep_count++] = value;
    else if (strcmp(name, "-o") == 0)
        return set_format(o, value);
    else if (strcmp(name, "--db") == 0)
        return (size_t)snprintf(o->db, sizeof o->db, "%s", value) < sizeof o->db;
    else if (strcmp(name, "--rules") == 0)
        o->rules = value;
    else if (strcmp(name, "--remote") == 0)
        o->remote = value;
    else if (strcmp(name, "--remote-auth") == 0)
        o->remote_auth = value;
    else if (strcmp(name, "--remote-ca") == 0)
        o->remote_ca = value;
    else if (strcmp(name, "--remote-state") == 0)
        return (size_t)snprintf(o->remote_state, sizeof o->remote_state, "%s", value) <
               sizeof o->remote_state;
    else if (strcmp(name, "--comment") == 0)
        o->comment = value;
    else if (strcmp(name, "--for") == 0)
        return !weft_conf_duration(value, &o->for_ms) && o->for_ms > 0;
    else if (strcmp(name, "--alerts") == 0)
        return (size_t)snprintf(o->alerts, sizeof o->alerts, "%s", value) < sizeof o->alerts;
    else if (strcmp(name, "--product") == 0 && o->pattern_count < WF_MON_PATTERNS)
        o->patterns[o->pattern_count++] = value;
    else if (strcmp(name, "--most") == 0)
        return number(value, UINT64_MAX, &o->most);
    else if (strcmp(name, "--seconds") == 0 && number(value, 1u << 30, &n) && n > 0)
        o->seconds = (unsigned)n;
    else if (strcmp(name, "--count") == 0 || strcmp(name, "-n") == 0)
        return number(value, 1000000, &o->count) && o->count > 0;
    else if (strcmp(name, "--sort") == 0)
        return set_sort(o, value);
    else if (strcmp(name, "--every") == 0)
        return set_every(o, value);
    else
        return false;
    return true;
}

// "--sort lags: want name, records, …"; value NULL: there is none.
static int wrong_value(const char *option, const char *value)
{
    static const char *const wants[][2] = { { "-o", "table, json or jsonl" },
        { "--sort", "name, records, lag, age or delay" },
        { "--every", "seconds, or a duration such as 500ms, from 100ms to a day" },
        { "--seconds", "a number from 1 on" }, { "--count", "a number from 1 to 1000000" },
        { "-n", "a number from 1 to 1000000" }, { "--most", "a number" },
        { "--for", "a duration such as 30m or 4h" },
        { "--keep", "a time as 30d or 'servers/*=7d', a day at least, 16 of them at most" },
        { "--product", "a pattern over domain/name, 64 of them at most" } };
    const char *want = "a shorter one"; // of paths
    char text[400];

    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
        if (strcmp(option, wants[i][0]) == 0)
            want = wants[i][1];
    if (!value)
        return wrong("%.200s wants a value", option);
    snprintf(text, sizeof text, "%.40s %.200s: want %s", option, value, want);
    return wrong("%s", text);
}

// 0, or the exit status of a mistake that was told.
static int parse(int argc, char **argv, struct wf_mon_options *o)
{
    for (int i = 2; i < argc; i++) {
        const char *a = argv[i];
        if (a[0] != '-') {
            if (o->word_count == wf_mon_words(argv[1]))
                return wrong("unexpected argument \"%.200s\"", a);
            o->args[o->word_count++] = a;
            o->sql = a;
        } else if (!wf_mon_takes(argv[1], a)) {
            return wrong("unknown option \"%.200s\" here", a);
        } else if (strcmp(a, "--once") == 0) {
            o->once = true;
            o->count = 1;
        } else if (strcmp(a, "--json") == 0) {
            o->format = WF_MON_AS_JSON;
        } else if (i + 1 >= argc || !set_value(o, a, argv[i + 1])) {
            return wrong_value(a, i + 1 < argc ? argv[i + 1] : NULL);
        } else {
            i++;
        }
    }
    return 0;
}

// A file in the directory that libweft takes, too, unless it was named.
static bool default_file(const struct wf_mon_options *o, const char *name, char *out, size_t size)
{
    const char *dir = o->dir ? o->dir : getenv("WEFT_DIR");
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int len;

    if (out[0])
        return true;
    if (dir && dir[0])
        len = snprintf(out, size, "%s/%s", dir, name);
    else if (config && config[0])
        len = snprintf(out, size, "%s/weft/%s", config, name);
    else
        len = snprintf(out, size, "%s/.config/weft/%s", home ? home : "", name);
    return len > 0 && (size_t)len < size;
}

// What the command line leaves open: from the configuration, then as ever. 0, or the exit status of a mistake that was told.
static int complete(const char *command, struct wf_mon_options *o, struct wf_mon_config **ret)
{
    static char path[4096];
    int status = 0;

    if (!o->config && default_file(o, "weft-monitor.yaml", path, sizeof path) &&
        access(path, F_OK) == 0)
        o->config = path;
    if (o->config)
        status = wf_mon_config_read(o->config, command, o, ret);
    if (!o->discover_ms)
        o->discover_ms = DISCOVER_MS;
    if (!status && strcmp(command, "sql") == 0 && !o->sql)
        status = wrong("%s", "sql wants one SELECT");
    if (!status && strcmp(command, "alert") == 0 && !o->rules)
        status = wrong("%s", "alert wants --rules FILE, or `rules:` in its configuration");
    if (!status && strcmp(command, "write") == 0 && !o->remote)
        status = wrong("%s", "write wants --remote URL, or `remote:` in its configuration");
    if (!status && (!default_file(o, "monitor.db", o->db, sizeof o->db) ||
                       !default_file(o, "alerts.db", o->alerts, sizeof o->alerts) ||
                       !default_file(o, "remote.db", o->remote_state, sizeof o->remote_state)))
        status = wrong("%s", "the path of the database is too long");
    return status;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct wf_mon_options *o);
    } commands[] = { { "run", wf_mon_cmd_run }, { "store", wf_mon_cmd_store },
        { "write", wf_mon_cmd_write }, { "status", wf_mon_cmd_status }, { "top", wf_mon_cmd_top },
        { "backfill", wf_mon_cmd_backfill }, { "sql", wf_mon_cmd_sql },
        { "verify", wf_mon_cmd_verify }, { "rules", wf_mon_cmd_rules },
        { "alert", wf_mon_cmd_alert }, { "alerts", wf_mon_cmd_alerts } };
    static struct wf_mon_options o = { .most = 20, .for_ms = 3600000 };

    if (argc < 2)
        return wrong("%s", "which command?");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
            (i == 1 && strcmp(argv[i], "help") == 0))
            return fputs(usage, stdout) == EOF;
        if (strcmp(argv[i], "--version") == 0)
            return puts("weft-monitor " WEFT_VERSION) == EOF;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        struct wf_mon_config *config = NULL;
        int status = parse(argc, argv, &o);
        o.words = argv + 2;
        if (!status)
            status = complete(argv[1], &o, &config);
        if (!status)
            status = commands[i].run(&o);
        wf_mon_config_free(config);
        return status;
    }
    return wrong("unknown command \"%.200s\"", argv[1]);
}

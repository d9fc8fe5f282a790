// SPDX-License-Identifier: Apache-2.0
// weft: one table of commands.
#include "sdk/cli/access.h"
#include "sdk/cli/agents.h"
#include "sdk/cli/completion.h"
#include "sdk/cli/local.h"
#include "sdk/cli/problem.h"
#include "sdk/cli/product.h"
#include "sdk/cli/protoc.h"
#include "sdk/cli/setup.h"
#include "sdk/cli/stream.h"
#include "sdk/cli/top.h"
#include "sdk/cli/weftd.h"
#include "sdk/conf/values.h"

const struct wf_command wf_commands[] = {
    { "domain init", "NAME [--dir ROOT]",
        "Make a domain's root key and the file that tells others of it",
        "  weft domain init servers --dir servers-root\n  weft domain init servers --dir "
        "servers-root --passphrase-file pass.txt",
        "Options:\n      --passphrase-file FILE  its first line, instead of asking\n      "
        "--no-passphrase         for tests: the root key lies open",
        wf_cmd_domain_init },
    { "node init", "--domain ROOT --dir NODE",
        "Make the domain's first node: issuer, certificate, configuration",
        "  weft node init --domain servers-root --dir servers-node --listen 192.0.2.10:7400",
        "Options:\n      --name NAME             the node's name (node-1)\n      --listen "
        "HOST:PORT      where it answers (127.0.0.1:7400)\n      --advertise HOST:PORT   where "
        "others reach it, when that differs\n      --passphrase-file FILE  of the root key\n      "
        "--now                   an issuer made anew asks nobody what the one before had revoked: "
        "no other node is left",
        wf_cmd_node_init },
    { "node status", "[NODE]", "What the local weftd is, serves and complains of",
        "  weft node status --dir servers-node\n  weft node status -o json\n  weft node status "
        "--firewall",
        "Options:\n      --firewall      what a packet filter must let through, in and out",
        wf_cmd_node_status },
    { "top", "[NODE] [--every DURATION] [--count N]",
        "What flows through the local weftd, live: rates, lag, queues, silence with its cause",
        "  weft top --dir servers-node\n  weft top --once --json | jq .products\n  weft top "
        "--count 60 --every 10s --sort lag > hour.txt",
        "Options:\n      --every DURATION  between samples (1s)\n  -n, --count N         print so "
        "many samples and end; without a terminal none is the last\n      --once            the "
        "same as --count 1\n      --json            the same as -o jsonl: one object a sample\n    "
        "  --sort KEY        products by name (the default), records, bytes, lag or age; on a "
        "terminal s takes the next, q ends",
        wf_cmd_top },
    { "node backup", "FILE|DIR [--dir NODE]",
        "Keep what of a node cannot be made again, sealed, in one file; weftd may run",
        "  weft node backup servers.weftbackup --dir servers-node\n  weft node backup /mnt/backups "
        "--dir /etc/weft --passphrase-file pass.txt\n  weft node backup servers.weftbackup --dir "
        "servers-node --logs",
        "Options:\n      --logs                  the records, too\n      --passphrase-file FILE  "
        "its first line, instead of asking\n      --no-passphrase         not sealed: the file "
        "opens every door that the node does",
        wf_cmd_node_backup },
    { "node restore", "FILE --dir DIR", "Put a node back from its backup, into an empty directory",
        "  weft node restore servers.weftbackup --dir servers-node\n  weft node restore "
        "servers.weftbackup --dir servers-node --alone",
        "Options:\n      --passphrase-file FILE  its first line, instead of asking\n      "
        "--alone                 no other node is left that could know what was revoked since",
        wf_cmd_node_restore },
    { "node replace", "NAME", "A ticket for the machine that takes a lost node's place",
        "  weft node replace node-2 --dir servers-node\n  weft node replace node-2 --now --for 4h "
        "--dir servers-node",
        "Options:\n      --now              refuse the old key at once: that machine is lost or "
        "stolen\n      --for DURATION     until the ticket expires (1h)\n      --product "
        "PATTERN  what it may publish, repeatable (all)",
        wf_cmd_node_replace },
    { "mesh init", "NAME --domain ROOT [--add FILE …]",
        "Write and sign the first charter of a mesh",
        "  weft mesh init acme --domain servers-root --node servers-node\n  weft mesh init acme "
        "--domain servers-root --add network.weftdomain --add monitoring.weftdomain",
        "Options:\n      --add FILE      a further member's NAME.weftdomain, repeatable\n      "
        "--quorum K      signatures a change needs; more than half (the default is just that)\n    "
        "  --for DURATION  until it expires (365d)\n      --out FILE      NAME.charter\n      "
        "--node NODE     take it into this node at once (one member only)\n      --passphrase-file "
        "FILE",
        wf_cmd_mesh_init },
    { "mesh join", "--genesis MESHID (--charter FILE … | --seed HOST:PORT,KEY)",
        "Pin the mesh and take its charters into a node",
        "  weft mesh join --genesis weftmesh1… --charter acme.charter --dir network-node\n  weft "
        "mesh join --genesis weftmesh1… --seed 192.0.2.10:7400,weftdh1… --dir network-node",
        "Options:\n      --genesis ID    the mesh id, as another member reads it to you\n      "
        "--charter FILE  charters in order, repeatable\n      --seed ADDRESS  a member's node, "
        "from which weftd fetches them at its start",
        wf_cmd_mesh_join },
    { "mesh show", "", "The charter in force: members, quorum, expiry",
        "  weft mesh show --dir servers-node", NULL, wf_cmd_mesh_show },
    { "charter propose", "--add FILE --domain ROOT",
        "Write the next charter and sign it as its proposer",
        "  weft charter propose --add security.weftdomain --domain servers-root --dir servers-node "
        "--out next.charter",
        "Options:\n      --add FILE      a member to add, or to change\n      --remove NAME   a "
        "member to leave out\n      --quorum K      --for DURATION  --out FILE  --passphrase-file "
        "FILE",
        wf_cmd_charter_propose },
    { "charter sign", "FILE --domain ROOT", "Add this domain's signature",
        "  weft charter sign next.charter --domain network-root",
        "Options:\n      --passphrase-file FILE  of the root key", wf_cmd_charter_sign },
    { "charter commit", "FILE", "Take a charter with all its signatures into a node",
        "  weft charter commit next.charter --dir servers-node", NULL, wf_cmd_charter_commit },
    { "charter show", "[FILE]", "Members and signatures of a file, or of the charter in force",
        "  weft charter show next.charter", NULL, wf_cmd_charter_show },
    { "key show", "[DIR]", "Who this directory is: name, keys, fingerprint",
        "  weft key show --dir ~/.config/weft", NULL, wf_cmd_key_show, true },
    { "peers", "", "The other nodes: where they are, when they were last heard",
        "  weft peers --dir servers-node", NULL, wf_cmd_peers, true },
    { "products", "[TEXT]", "The catalog: every product of the mesh, with its age and state",
        "  weft products --domain servers\n  weft products disk -o json",
        "Options:\n      --domain NAME  of one domain only", wf_cmd_products, true },
    { "describe", "DOMAIN/PRODUCT", "A product's promise and its schema, from the mesh itself",
        "  weft describe servers/cpu\n  weft describe servers/cpu --proto\n  weft describe "
        "servers/hosts --proto-dir protos\n  weft describe servers/filesystems --rules",
        "Options:\n      --proto          the schema as .proto text, when it is one file\n      "
        "--rules          the rules of alerts that its owner ships with it\n      "
        "--proto-dir DIR  its files below DIR, each where imports look for it; --yes replaces "
        "others",
        wf_cmd_describe },
    { "product new", "NAME [--kind KIND]", "Start a manifest and its schema",
        "  weft product new queue-depth --kind metric",
        "Options:\n      --kind KIND  metric, event, inventory or api\n      --in DIR     where "
        "the files go (.)",
        wf_cmd_product_new },
    { "product check", "FILE.yaml …", "Say everything that is wrong with manifests, without a mesh",
        "  weft product check products.d/*.yaml", NULL, wf_cmd_product_check },
    { "product build", "FILE.yaml",
        "Compile the manifest's .proto into its descriptor set (runs protoc)",
        "  weft product build queue-depth.yaml", NULL, wf_cmd_product_build },
    { "product apply", "FILE.yaml …", "Make or change products on the local node",
        "  weft product apply queue-depth.yaml --dir servers-node\n  weft product apply -n "
        "queue-depth.yaml",
        "Options:\n  -n, --dry-run  say what would change, change nothing", wf_cmd_product_apply },
    { "product move", "PRODUCT --to NODE [--lost]",
        "Another node of the domain becomes a product's home, with its records",
        "  weft product move queue-depth --to node-2 --dir servers-node\n  weft product move "
        "queue-depth --to node-2 --lost --yes --dir servers-node",
        "On the node with the domain's issuer. Repeated it shows how far it is; moved to where it "
        "is, it is called off.\nOptions:\n      --to NODE          the new home\n      --lost      "
        "       the old home is lost: go on with what the new one has (needs --yes)\n      "
        "--although-alive   lost, even if it answers\n      "
        "--within DURATION  wait so long (10m)\n      --no-wait          only give the order",
        wf_cmd_product_move },
    { "product remove", "NAME --yes", "Stop a product for all its readers",
        "  weft product remove queue-depth --yes", NULL, wf_cmd_product_remove },
    { "access request", "DOMAIN/PRODUCT --verb VERB …", "Ask the owner for a token",
        "  weft access request servers/packages --verb query --purpose \"licence audit\" --wait",
        "Options:\n      --verb VERB     subscribe, replay, query, call:METHOD, mirror, delegate; "
        "repeatable\n      --column NAME   only these columns of an inventory, repeatable\n      "
        "--purpose TEXT  --for DURATION\n      --wait          until the owner decides\n      --id "
        "ID         ask again about an earlier request",
        wf_cmd_access_request },
    { "access list", "[--pending | --refused]",
        "What this domain granted, who waits, and who was refused",
        "  weft access list --dir servers-node\n  weft access list --refused -o jsonl",
        "Options:\n      --pending       only requests that wait\n      --refused       only "
        "refused "
        "attempts: who, what, why, how often, when",
        wf_cmd_access_list, true },
    { "access grant", "PRODUCT … --to weftid1… --verb VERB …",
        "Grant by hand, or a waiting request",
        "  weft access grant packages --to weftid1… --verb query --column name --column version "
        "--for 7d --out packages.cap\n  weft access grant --request "
        "00112233445566778899aabbccddeeff",
        "Options:\n      --to ID         the holder, as its weft key show prints it\n      --verb "
        "VERB     --for DURATION  --column NAME  --rows \"host == 'a'\"\n      --region NAME   "
        "where "
        "the node stands that decides\n      --purpose TEXT  --rate N a minute  --out FILE\n      "
        "--request ID    one that waits, as weft access list shows it",
        wf_cmd_access_grant },
    { "access import", "FILE", "Keep a token that an owner sent",
        "  weft access import packages.cap", NULL, wf_cmd_access_import },
    { "access deny", "ID [--reason TEXT]", "Refuse a waiting request",
        "  weft access deny 00112233445566778899aabbccddeeff --reason \"ask for the view instead\"",
        NULL, wf_cmd_access_deny },
    { "access show", "[FILE | DOMAIN/PRODUCT]", "What a token permits, block by block",
        "  weft access show packages.cap\n  weft access show servers/packages", NULL,
        wf_cmd_access_show },
    { "access explain", "DOMAIN/PRODUCT [--verb VERB]",
        "Every check the owner makes of what we hold, with its verdict",
        "  weft access explain servers/packages --verb query", NULL, wf_cmd_access_explain },
    { "access delegate", "FILE|DOMAIN/PRODUCT --to weftid1…",
        "Hand a token on, or less than it gives, without asking its owner",
        "  weft access delegate servers/packages --to weftid1… --column name --for 1h --out "
        "packages.cap\n  weft access delegate packages.cap --to weftid1… --verb query",
        "Options:\n      --to ID         the new holder, as its weft key show prints it\n      "
        "--verb "
        "VERB     of those it has, repeatable (all but delegate)\n      --for DURATION  not longer "
        "than it lives itself (as long)\n      --column NAME   only these columns of an inventory, "
        "repeatable\n      --rows EXPR     only these rows, as \"host == 'a'\"\n      --out FILE   "
        "   "
        "instead of standard output",
        wf_cmd_access_delegate },
    { "access revoke", "TOKEN-ID | --holder weftid1…", "End a grant now: keys are changed at once",
        "  weft access revoke 9f3a…", NULL, wf_cmd_access_revoke },
    { "query", "DOMAIN/INVENTORY SQL", "Ask an inventory, with what its owner granted",
        "  weft query servers/hosts \"SELECT name, os FROM hosts\"\n  weft query "
        "servers/packages \"SELECT count(*) FROM packages\" -o json",
        "Options:\n      --max-rows N    cut the answer there\n      --purpose TEXT  why, where "
        "the token asks for it",
        wf_cmd_query, true },
    { "call", "DOMAIN/API[@MAJOR]/METHOD [JSON]", "Call another team's API",
        "  weft call network/ports/List '{}'\n  weft call network/ports/SetNote "
        "'{\"name\":\"eth0\",\"note\":\"uplink\"}'\n  weft call network/ports/SetNote - -o json < "
        "request.json | jq .state",
        "JSON is the request message, - reads it from standard input, without it it is "
        "{}.\nOptions:\n      --at HOST           a host behind the owner's node\n      --key HEX  "
        "     "
        "    repeat an earlier call: it never acts twice\n      --timeout DURATION  (10s)",
        wf_cmd_call },
    { "call status", "[DOMAIN/API/METHOD] KEY", "What became of a call",
        "  weft call status 00112233445566778899aabbccddeeff\n  weft call status "
        "network/ports/SetNote 00112233445566778899aabbccddeeff",
        "Options:\n      --wait DURATION  wait for its end", wf_cmd_call_status },
    { "schema decode", "--proto FILE --message NAME",
        "A protobuf message on standard input as JSON",
        "  weft schema decode --proto disk.proto --message acme.v1.Disk < disk.bin",
        "Options:\n      --descriptor FILE  a FileDescriptorSet instead of --proto",
        wf_cmd_schema_decode },
    { "schema encode", "--proto FILE --message NAME",
        "JSON on standard input as a protobuf message",
        "  weft schema encode --proto disk.proto --message acme.v1.Disk < disk.json > disk.bin",
        "Options:\n      --descriptor FILE  a FileDescriptorSet instead of --proto",
        wf_cmd_schema_encode },
    { "config check", "[FILE]", "Everything that is wrong with a weftd.yaml, at once",
        "  weft config check servers-node/weftd.yaml", NULL, wf_cmd_config_check },
    { "log show", "PRODUCT [--records] [--from PLACE] [--to PLACE]",
        "The entries of a product in this node's log or this agent's spool, weftd running or not",
        "  weft log show cpu --dir servers-node\n  weft log show servers/cpu --from "
        "2026-01-01T00:00:00Z --limit 20\n  weft log show cpu --records --origin web-1 --from "
        "4711 -o jsonl",
        "Options:\n      --records     what the entries hold, as JSON\n      --from PLACE  an "
        "offset or a time (the oldest that is kept)\n      --to PLACE    up to, and without, an "
        "offset or a time\n      --origin NAME of this host or node only\n      --limit N     so "
        "many lines (1000); 0 is all",
        wf_cmd_log_show },
    { "log verify", "[PRODUCT]",
        "Read every byte of the stores here and name each damage: 0 when all is whole",
        "  weft log verify --dir servers-node\n  weft log verify --dir backup/log/default -o jsonl",
        NULL, wf_cmd_log_verify },
    { "log stats", "[PRODUCT]",
        "What the stores here hold: entries, records, bytes, how far back; and how long syncs take",
        "  weft log stats --dir servers-node\n  weft log stats cpu -o json", NULL,
        wf_cmd_log_stats },
    { "publish", "PRODUCT", "Records from standard input, one JSON object a line",
        "  collect-cpu | weft publish cpu\n  weft publish hosts --wait < hosts.jsonl",
        "Options:\n  -w, --wait  wait until the node has acknowledged everything, however long it "
        "takes",
        wf_cmd_publish },
    { "subscribe", "DOMAIN/PRODUCT...",
        "The records of products as JSON lines, in order, each once",
        "  weft subscribe servers/cpu\n  weft subscribe servers/cpu --from earliest -n 100 -o "
        "jsonl\n  weft subscribe servers/cpu --cursor cpu.cursor >> cpu.jsonl\n  weft subscribe "
        "servers/cpu servers/memory --origin web-1 --history",
        "Options:\n      --from PLACE    earliest, latest (the default), an offset, a time, "
        "cursor:FILE\n      --cursor FILE   go on where the last run ended, and keep the place "
        "there\n      --origin NAME   only what this host or service says, repeatable\n      "
        "--since TIME    "
        "only records of that time and later\n      --until TIME    only records of before "
        "then\n  -n, --count N       end after so many records\n      --for DURATION  end after "
        "so long\n      --history       what is kept up to now, by pull, then end: a token with "
        "replay "
        "will do\n      --stats         counts at the end, on standard error\n      "
        "--keep-trying   also after a refusal",
        wf_cmd_subscribe },
    { "ticket create", "--kind agent|node|service|user",
        "Tickets, with which newcomers join this domain by themselves",
        "  weft ticket create --kind agent --name web-7\n  weft ticket create --kind agent "
        "--uses 200 --name-prefix web- --from 192.0.2.0/24 --for 2h\n  weft ticket create --kind "
        "user --name alice",
        "Options:\n      --name NAME         the one subject it is for\n      --name-prefix P     "
        "names that begin so\n      --count N           so many tickets\n      --uses N            "
        "of each ticket, one a key\n      --from CIDR         only from these addresses\n      "
        "--for DURATION      until it expires (1h)\n      --product PATTERN   what it may publish, "
        "repeatable (all)",
        wf_cmd_ticket_create },
    { "join", "TICKET | --file FILE [--name N] [--dir DIR]",
        "Become a member with a ticket: keys, certificate, charters",
        "  weft join wefttkt1…\n  weft join --file web-7.ticket --dir /etc/weft\n  weft join "
        "wefttkt1… --name web-8 --dir web-8",
        "Options:\n      --file FILE   the ticket lies in a file\n      --name NAME   where the "
        "ticket leaves it open (this host's or user's name)",
        wf_cmd_join },
    { "agent list", "", "The hosts behind the local node, and when they were heard",
        "  weft agent list --dir servers-node\n  weft agent list -o json", NULL, wf_cmd_agent_list,
        true },
    { "agent show", "NAME", "One host: its sources, spool, clock and certificate",
        "  weft agent show web-7 --dir servers-node", NULL, wf_cmd_agent_show },
    { "agent revoke", "NAME", "Refuse a host's key from now on",
        "  weft agent revoke web-7 --dir servers-node", NULL, wf_cmd_agent_revoke },
    { "agent replace", "NAME", "A ticket for the machine that takes a host's place",
        "  weft agent replace web-7 --dir servers-node\n"
        "  weft agent replace web-7 --now --for 4h --dir servers-node",
        "Options:\n      --now               the old machine is lost or stolen: its key is refused "
        "at once\n      --for DURATION      until the ticket expires (1h)\n      --product PATTERN "
        " "
        " what the new one may publish, repeatable (all)",
        wf_cmd_agent_replace },
    { "completion", "bash|zsh|fish | words -- WORD…",
        "What makes a shell complete commands, options and names of products and hosts",
        "  source <(weft completion bash)\n  weft completion zsh > ~/.zfunc/_weft\n  weft "
        "completion "
        "fish > ~/.config/fish/completions/weft.fish",
        "weft completion words -- describe serv prints what may stand in the place of the last "
        "word.",
        wf_cmd_completion },
    { 0 },
};

static void print_commands(FILE *to)
{
    fputs("Examples:\n"
          "  weft domain init servers --dir root          a domain begins with its root key\n"
          "  weft node init --domain root --dir node      then its first node\n"
          "  weft COMMAND --help                          examples of each command\n\nCommands:\n",
        to);
    for (const struct wf_command *c = wf_commands; c->name; c++)
        fprintf(to, "  %-18s %s\n", c->name, c->summary);
}

// How many words of argv are the command's name; 0 = they are not.
static int match(const char *name, int argc, char **argv)
{
    int words = 0;

    for (const char *p = name; *p; words++) {
        size_t len = strcspn(p, " ");
        if (words >= argc || strlen(argv[words]) != len || strncmp(argv[words], p, len) != 0)
            return 0;
        p += len + (p[len] == ' ');
    }
    return words;
}

static const char *next_name(const void *ctx, size_t i)
{
    (void)ctx;
    return wf_commands[i].name;
}

// The commands that have this word, as their first or as their second. False: none has.
static bool print_those_of(const char *word, bool first, const char *head)
{
    bool any = false;
    size_t len = strlen(word);

    for (const struct wf_command *c = wf_commands; c->name; c++) {
        const char *space = strchr(c->name, ' ');
        const char *at = first ? c->name : space ? space + 1 : "";
        if (strncmp(at, word, len) != 0 || (at[len] != ' ' && at[len] != '\0'))
            continue;
        if (!any)
            fprintf(stderr, head, word);
        any = true;
        fprintf(stderr, "  weft %s %s\n", c->name, c->args);
    }
    return any;
}

static int unknown(int argc, char **argv)
{
    char both[128];
    const char *near = NULL;

    if (print_those_of(argv[0], true, "weft: %s what? One of:\n") ||
        print_those_of(argv[0], false, "weft: %s of what? One of:\n"))
        return WF_EXIT_USAGE;
    if (argv[0][0] == '-') {
        fprintf(
            stderr, "weft: unknown option %s; a command comes first; see: weft --help\n", argv[0]);
        return WF_EXIT_USAGE;
    }
    snprintf(both, sizeof both, "%s %s", argv[0], argc > 1 ? argv[1] : "");
    near = wf_suggest(wf_bytes_str(both), next_name, NULL);
    if (!near)
        near = wf_suggest(wf_bytes_str(argv[0]), next_name, NULL);
    fprintf(stderr, "weft: unknown command \"%s\"%s%s%s; see: weft --help\n", argv[0],
        near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
    return WF_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct wf_cli cli = { 0 };
    const struct wf_command *best = NULL;
    int words = 0;

    if (wf_crypto_init())
        return wf_cli_fail(WEFT_E_INTERNAL, "libsodium does not start");
    if (argc < 2) {
        print_commands(stderr);
        return WF_EXIT_USAGE;
    }
    bool help = strcmp(argv[1], "help") == 0;
    if ((help && argc == 2) || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_commands(stdout);
        return wf_cli_flush(0);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        puts("weft " WEFT_VERSION);
        return wf_cli_flush(0);
    }
    argc -= 1 + help;
    argv += 1 + help; // weft help COMMAND is weft COMMAND --help
    for (const struct wf_command *c = wf_commands; c->name; c++) {
        int n = match(c->name, argc, argv);
        if (n > words) {
            words = n;
            best = c;
        }
    }
    if (!best)
        return unknown(argc, argv);
    cli.command = best;
    if (help)
        return wf_cli_flush(best->run(&cli, 1, (char *[]){ (char[]){ "--help" } }));
    int status = best->run(&cli, argc - words, argv + words);
    wf_cli_end(&cli, status);
    return wf_cli_flush(status);
}

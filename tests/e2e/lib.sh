#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2015 # sourced: its names are used by the tests
# What end-to-end tests share: a mesh in a temporary directory, weftds on ports the system chooses, waiting with a deadline, stopping by pid.
# Sourced with BUILD set to the build directory; everything is stopped and removed at exit.
set -eu

skip() { # WHY: visible in ctest
    echo "skipped: $*" >&2
    exit 77
}

# OWN_NET=yes before this file is read: the test runs in network and mount namespaces of its own, so that what it blocks, hears and mounts is its own.
if [ "${OWN_NET:-}" = yes ]; then
    if [ "$(id -u)" -eq 0 ]; then flags=-nm; else flags=-rnm; fi
    unshare $flags true 2>/dev/null || skip "no network namespaces here"
    OWN_NET=entered exec unshare $flags bash "$0" "$@"
elif [ "${OWN_NET:-}" = entered ]; then
    ip link set lo up
fi
# OWN_MOUNTS=yes in the same way: in a mount namespace of its own.
if [ "${OWN_MOUNTS:-}" = yes ]; then
    for flags in -m -rm; do
        unshare $flags true 2>/dev/null && OWN_MOUNTS=entered exec unshare $flags bash "$0" "$@"
    done
    skip "no mount namespaces here"
fi

WEFT="$BUILD/sdk/weft"
WEFTD="$BUILD/node/weftd"
SHARE="$BUILD/share/weft"
PATH="$BUILD/domains/common:$BUILD/sdk:$PATH"
WORK=$(mktemp -d)
PIDS=""
LISTEN=${LISTEN:-127.0.0.1:0} # of the nodes that make_domain makes
DEADLINE=${DEADLINE:-60} # of a wait for what comes in a second on a machine that has nothing else to do
unset WEFT_DIR WEFT_SOCKET || true
export XDG_STATE_HOME="$WORK/state" # nothing of a test stays in the home directory

fail() {
    echo "FAILED: $*" >&2
    for log in "$WORK"/*.log; do
        [ -f "$log" ] && echo "--- $log" >&2 && tail -n 30 "$log" >&2
    done
    exit 1
}

stop() { # NAME [SIGNAL]: ends that weftd and waits for it
    pid=$(cat "$WORK/$1.pid" 2>/dev/null) || return 0
    kill -"${2:-TERM}" "$pid" 2>/dev/null || true
    n=0
    while kill -0 "$pid" 2>/dev/null; do
        n=$((n + 1))
        [ "$n" -gt 3000 ] && kill -KILL "$pid" 2>/dev/null
        sleep 0.02
    done
    rm -f "$WORK/$1.pid"
    # A sanitizer's finding or an end in disorder is the test's failure, whatever it was about.
    ended=0
    wait "$pid" 2>/dev/null || ended=$?
    if [ "${2:-TERM}" = TERM ] && [ "$ended" -ne 0 ]; then
        echo "FAILED: $1 ended with status $ended" >&2
        tail -n 30 "$WORK/$1.log" >&2 || true
        status=1
        [ -n "${FINISHING:-}" ] || exit 1
    fi
}

at_finish() { :; } # a test's own: when everything has stopped and before the files go

finish() {
    status=$?
    trap - EXIT
    FINISHING=1
    for file in "$WORK"/*.pid; do
        [ -f "$file" ] && name=$(basename "$file" .pid) && stop "$name"
    done
    for file in "$WORK"/*.ns; do
        [ -f "$file" ] && kill "$(cat "$file")" 2>/dev/null || true
    done
    at_finish
    if [ -f "$WORK/ports" ]; then
        while read -r port; do rm -rf "${PORTS:?}/$port"; done <"$WORK/ports"
    fi
    if grep -qE "Sanitizer|runtime error" "$WORK"/*.log 2>/dev/null; then
        grep -hE -A 25 "Sanitizer|runtime error" "$WORK"/*.log | head -n 60 >&2
        status=1
    fi
    [ -n "${KEEP:-}" ] && echo "kept $WORK" >&2 || rm -rf "$WORK"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# Runs a command again until it succeeds, at first after short pauses; the test fails after DEADLINE seconds.
until_ok() {
    end=$(($(date +%s) + DEADLINE))
    pause=0.05
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || fail "not within $DEADLINE s: $*"
        sleep $pause
        case $pause in 0.05) pause=0.10 ;; 0.10) pause=0.15 ;; *) pause=0.2 ;; esac
    done
}

# A port of loopback that is this test's own until its end: below those that the system gives to listeners and connections, and noted where other tests
# look. A program that is away for a moment, or begins later, finds it free.
PORTS=${TMPDIR:-/tmp}/weft-test-ports-$(id -u)
free_port() {
    mkdir -p "$PORTS" 2>/dev/null || true
    while :; do
        free=$((10000 + $(od -An -N2 -tu2 /dev/urandom) % 7000)) # streams have theirs from 17400 on, quickstart and readers.sh above 20000
        ! ss -ltnH "sport = :$free" | grep -q . || continue
        [ "${OWN_NET:-}" != entered ] && [ -w "$PORTS" ] || break # nobody else is here, or nothing can be noted
        holder=$(cat "$PORTS/$free/pid" 2>/dev/null) || holder=$$
        [ -d "/proc/$holder" ] || mv "$PORTS/$free" "$WORK/stale-$free" 2>/dev/null || true # of a test that was killed
        mkdir "$PORTS/$free" 2>/dev/null || continue
        echo $$ >"$PORTS/$free/pid"
        echo "$free" >>"$WORK/ports"
        break
    done
    echo "$free"
}

start() { # NAME [ENV=VALUE...]: weftd in $WORK/NAME; one that listens on any port gets one that it keeps
    name=$1
    shift
    if grep -q '^listen:.*:0"\{0,1\}$' "$WORK/$name/weftd.yaml"; then
        sed -i "/^listen:/s/:0\(\"\{0,1\}\)\$/:$(free_port)\1/" "$WORK/$name/weftd.yaml"
    fi
    # shellcheck disable=SC2086 # ON is a command and its arguments, or nothing
    (cd "$WORK/$name" && exec ${ON:-} env "$@" "$WEFTD" -c weftd.yaml >>"$WORK/$name.log" 2>&1) &
    echo $! >"$WORK/$name.pid"
}

start_program() { # NAME COMMAND...: anything that SIGTERM ends; its output goes to NAME.log
    name=$1
    shift
    # shellcheck disable=SC2086 # as above
    ${ON:-} "$@" >>"$WORK/$name.log" 2>&1 &
    echo $! >"$WORK/$name.pid"
}

weft_at() { # NAME COMMAND...: weft with that node's or agent's socket
    at=$1
    shift
    # shellcheck disable=SC2086 # as above
    ${ON:-} "$WEFT" "$@" --dir "$WORK/$at"
}

# A domain with its issuer node NAME-node, on a port that `start` chooses; STREAMS: its stream ports.
make_domain() { # DOMAIN
    "$WEFT" domain init "$1" --dir "$WORK/$1-root" --no-passphrase >/dev/null
    "$WEFT" node init --domain "$WORK/$1-root" --dir "$WORK/$1-node" --name node-1 --listen "$LISTEN" >/dev/null
    printf 'streams: {ports: %s}\n' "${STREAMS:-any}" >>"$WORK/$1-node/weftd.yaml"
}

make_mesh() { # DOMAIN: a mesh of one domain, its node up
    make_domain "$1"
    (cd "$WORK" && "$WEFT" mesh init acme --domain "$1-root" --node "$1-node" >/dev/null)
    start "$1-node"
    until_ok weft_at "$1-node" node status
    port=$(port_of "$1-node")
}

# Domains under one charter, signed by all. Their nodes are made and not started; the system chooses their stream ports.
make_domains() { # DOMAIN=LISTEN[,ADVERTISED] ...
    for each in "$@"; do
        d=${each%%=*} told=${each##*,} listen=${each#*=}
        "$WEFT" domain init "$d" --dir "$WORK/$d-root" --no-passphrase >/dev/null
        "$WEFT" node init --domain "$WORK/$d-root" --dir "$WORK/$d-node" --listen "${listen%,*}" --advertise "${told#*=}" >/dev/null
        printf 'streams: {ports: any}\n' >>"$WORK/$d-node/weftd.yaml"
    done
    first=${1%%=*} adds=""
    for each in "$@"; do
        d=${each%%=*}
        [ "$d" = "$first" ] || adds="$adds --add $WORK/$d-root/$d.weftdomain"
    done
    # shellcheck disable=SC2086 # an option and its value for each
    "$WEFT" mesh init acme --domain "$WORK/$first-root" $adds --out "$WORK/acme.charter" >/dev/null
    for each in "$@"; do
        d=${each%%=*}
        [ "$d" = "$first" ] || "$WEFT" charter sign "$WORK/acme.charter" --domain "$WORK/$d-root" >/dev/null
    done
    for each in "$@"; do "$WEFT" charter commit "$WORK/acme.charter" --dir "$WORK/${each%%=*}-node" >/dev/null; done
}

# Another node of the domain of servers-node, up.
second_node() { # DIRECTORY NAME [TICKET]
    ticket=${3:-$(weft_at servers-node ticket create --kind node --name "$2")}
    "$WEFT" join "$ticket" --dir "$WORK/$1" >/dev/null || fail "join"
    sed -i 's/^listen:.*/listen: "127.0.0.1:0"\nstreams: {ports: any}\nhttp: off/' "$WORK/$1/weftd.yaml"
    start "$1"
    until_ok weft_at "$1" node status
}

make_agent() { # NAME TICKET [YAML LINE...]
    mkdir -p "$WORK/$1"
    (umask 077 && printf '%s\n' "$2" >"$WORK/$1/ticket")
    printf 'role: agent\ndata: data\nsocket: run/weftd.sock\nticket: ticket\n' >"$WORK/$1/weftd.yaml"
    at=$1
    shift 2
    for line in "$@"; do printf '%s\n' "$line" >>"$WORK/$at/weftd.yaml"; done
}

# The head offset of a product of a node.
head_of() { # NAME PRODUCT
    weft_at "$1" node status | awk -v p="$2" '$1 == p && !seen++ { print $3 }' # the table of sources follows that of products
}

head_beyond() { # NAME PRODUCT OFFSET
    [ "$(head_of "$1" "$2")" -gt "$3" ]
}

# ---- products, readers, the monitor ---------------------------------------------------------------------------------------------

make_event() { # NODE NAME [DOMAIN]: an event product {id, value} that everybody of the node's domain may read
    (cd "$WORK" && "$WEFT" product new "$2" --kind event >/dev/null)
    sed -i "s/domain: monitoring/domain: ${3:-${1%-node}}/" "$WORK/$2.yaml"
    "$WEFT" product build "$WORK/$2.yaml" >/dev/null
    weft_at "$1" product apply "$WORK/$2.yaml" >/dev/null || fail "apply $2 at $1"
}

has_manifest() { # AT PRODUCT: an agent (or node) that takes records of it
    weft_at "$1" publish "$2" --wait -q </dev/null 2>/dev/null
}

say() { # AT PRODUCT FROM TO: a record for each number, acknowledged there
    # shellcheck disable=SC2086 # ON is a command and its arguments, or nothing
    seq "$3" "$4" | sed 's/.*/{"id":"a","value":&}/' | ${ON:-} timeout 60 "$WEFT" publish "$2" --wait -q --dir "$WORK/$1" || fail "$2 $3 to $4 were not acknowledged at $1"
}

numbers() { # FILE: of its records, as say gave them
    grep -o '"value":[0-9.]*' "$1" | cut -d: -f2 | cut -d. -f1 | tr '\n' ' '
}

read_on() { # READER PRODUCT COUNT [OPTION...]: from its cursor, into $WORK/read and $WORK/read.err; $got is its status
    by=$1 of=$2 count=$3 got=0
    shift 3
    "$WEFT" subscribe "servers/$of" --dir "$WORK/$by" --cursor "$WORK/$by-$of.cursor" -n "$count" --for 60s --stats -o jsonl "$@" \
        >"$WORK/read" 2>"$WORK/read.err" || got=$?
}

expect_read() { # WHO FROM TO: exactly those, in order
    [ "$(numbers "$WORK/read")" = "$(seq "$2" "$3" | tr '\n' ' ')" ] || fail "$1: $(numbers "$WORK/read") $(cat "$WORK/read.err")"
}

stat_of() { # FIGURE: of what read_on printed at its end
    grep -o "\"$1\":[0-9]*" "$WORK/read.err" | cut -d: -f2
}

# What came behind a loss of N records comes once to both; `late` had read what is lost, `early` had not and is told.
expect_the_rest() { # PRODUCT FROM TO N
    read_on late "$1" $(($3 - $2 + 1))
    expect_read late "$2" "$3"
    [ "$(stat_of lost_records)" -eq 0 ] || fail "late had them all: $(cat "$WORK/read.err")"
    read_on early "$1" $(($3 - $2 + 1))
    expect_read early "$2" "$3"
    [ "$(stat_of lost_records)" -eq "$4" ] || fail "early was not told what is lost: $(cat "$WORK/read.err")"
    echo "acknowledged $3, read by one reader $3, by the other $(($3 - $4)) and $(stat_of lost_records) named as lost, 0 doubles"
}

# A node that will be lost: servers-two is home of depth, whose manifest the issuer's node keeps; readers early and late; agents that know it alone.
home_to_lose() { # AGENT...
    make_event servers-two depth servers
    until_ok test -s "$WORK/servers-node/data/kept/node-2.depth"
    for who in early late; do make_reader servers-node $who; done
    for each in "$@"; do
        make_agent "$each" "$(weft_at servers-node ticket create --kind agent --name "$each")" 'sources: {enabled: off}' \
            'uplinks:' "  - {address: '127.0.0.1:$(port_of servers-two)', key: $(key_of servers-two)}"
        start "$each"
    done
    for each in "$@"; do until_ok has_manifest "$each" depth; done
}

# It takes 2 N records of web-1, whose spool is empty then; early and late have read N.
say_twice() { # N
    say web-1 depth 1 "$1"
    until_ok head_beyond servers-two depth $(($1 - 1))
    until_ok weft_at servers-node describe servers/depth
    for who in early late; do
        read_on $who depth "$1"
        expect_read $who 1 "$1"
    done
    say web-1 depth $(($1 + 1)) $((2 * $1))
    until_ok head_beyond servers-two depth $((2 * $1 - 1))
    until_ok spool_is_empty web-1
}

spool_is_empty() { # AGENT
    weft_at "$1" node status -o json | grep -q '"spool_records":0,'
}

allow() { # PRODUCT DOMAIN VERBS: one more rule in its manifest, not yet applied
    sed -i "s/^access:/access:\n  - allow: {domain: $2}\n    verbs: [$3]\n    for: 24h/" "$WORK/$1.yaml"
}

make_reader() { # NODE NAME [KIND]: an identity of that node's domain in $WORK/NAME
    "$WEFT" join "$(weft_at "$1" ticket create --kind "${3:-user}" --name "$2")" --name "$2" --dir "$WORK/$2" >/dev/null
}

MONITOR="$BUILD/domains/monitoring/weft-monitor"
DBS=$WORK # where databases are
start_monitor() { # NAME [ARGUMENT...]: weft-monitor store as the identity $WORK/NAME; database in DBS
    who=$1
    shift
    start_program "monitor-$who" "$MONITOR" store --dir "$WORK/$who" --db "$DBS/$who.db" "$@"
}

monitor_value() { # NAME SQL: the one value of a SELECT with one column v
    "$MONITOR" sql --db "$DBS/$1.db" -o jsonl "$2" | sed 's/.*"v":"\{0,1\}\([^"}]*\).*/\1/'
}

monitor_head() { # NAME KEY: a number of status about all products, which stand before the processes
    { "$MONITOR" status --db "$DBS/$1.db" -o json || true; } | sed "s/\"processes\":.*//;s/.*\"$2\":\([^,]*\),.*/\1/"
}

at_least() { # A B: decimal numbers
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a ~ /^[0-9.]+$/ && a >= b) }'
}

audit() { # STATUS ROW WORDS VERIFY-ARGUMENT...: what verify says of one row
    wanted=$1 of=$2 words=$3 got=0
    shift 3
    "$MONITOR" verify --row "$of" "$@" >"$WORK/audit" 2>&1 || got=$?
    [ "$got" = "$wanted" ] || fail "verify --row $of exits $got, not $wanted: $(cat "$WORK/audit")"
    grep -q "$words" "$WORK/audit" || fail "verify --row $of says no \"$words\": $(cat "$WORK/audit")"
}

flip_byte() { # FILE: the one in its middle; again, and it is as before
    python3 -B -c 'import sys
with open(sys.argv[1], "r+b") as f:
    data = f.read()
    f.seek(len(data) // 2)
    f.write(bytes([data[len(data) // 2] ^ 1]))' "$1"
}

# An auditor's way from a row to the charter, with a byte changed at each step of it and changed back. FLIP COLUMN: of that row's batch.
walk_the_way() { # FLIP TABLE OFFSET IDENTITY VERIFY-ARGUMENT...
    flip=$1 named="^$2 offset $3: not proven: " one=$2:$3 dir=$WORK/$4
    shift 4
    audit 0 "$one" 'each cell is what .* signed in batch .* certificate leads to the charter' --dir "$dir" "$@"
    for step in "payload the stored bytes" "header the header's signature" "chain the origin's certificate"; do
        $flip "${step%% *}"
        audit 1 "$one" "$named${step#* }" --dir "$dir" "$@"
        $flip "${step%% *}"
    done
    for charter in "$dir"/charter/*; do flip_byte "$charter"; done
    audit 1 "$one" "${named}the charter" --dir "$dir" "$@"
    for charter in "$dir"/charter/*; do flip_byte "$charter"; done
    audit 0 "$one" 'leads to the charter' --dir "$dir" "$@"
}

# ---- networks (OWN_NET) ---------------------------------------------------------------------------------------------------------

key_of() { # NODE: what others know it by when they dial it
    "$WEFT" key show --dir "$WORK/$1" -o json | grep -o 'weftdh1[a-z0-9]*' | head -n 1
}

port_of() { # NODE: of its control listener
    weft_at "$1" node status -o json | sed 's/.*"listeners":\["[^"]*:\([0-9]*\)".*/\1/'
}

# Blocking a port of this namespace: packets from and to it vanish, new connections fail. Rules are looked at before the table of local addresses,
# so that loopback is blocked, too.
block_port() { # PORT
    if ! ip rule | grep -q '^100:'; then
        ip rule add pref 100 lookup local 2>/dev/null && ip rule del pref 0 lookup local || skip "no policy routing here"
    fi
    ip rule add pref 10 ipproto tcp dport "$1" blackhole 2>/dev/null || skip "no rules by port here"
    ip rule add pref 11 ipproto tcp sport "$1" blackhole
}

open_port() { # PORT
    ip rule del pref 10 ipproto tcp dport "$1" blackhole
    ip rule del pref 11 ipproto tcp sport "$1" blackhole
}

# A host of its own: a further namespace, tied to this one by a cable. Here it is SELF.1, there SELF.2; the way to everything else is here.
make_host() { # NAME SELF, as in 10.77.1
    unshare -n sleep 100000 &
    echo $! >"$WORK/host-$1.ns"
    until_ok other_net "$!"
    ip link add "to-$1" type veth peer name eth0 netns "$!"
    ip addr add "$2.1/24" dev "to-$1" && ip link set "to-$1" up
    on "$1" ip link set lo up
    on "$1" ip addr add "$2.2/24" dev eth0
    on "$1" ip link set eth0 up
    on "$1" ip route add default via "$2.1"
}

other_net() { # PID
    [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

on() { # HOST COMMAND...: there; with start, start_program, start_monitor and weft_at, too
    ON="nsenter -t $(cat "$WORK/host-$1.ns") -n --"
    shift
    case "$1" in
    start | start_program | start_monitor | weft_at) "$@" ;;
    *) $ON "$@" ;;
    esac
    there=$?
    ON=""
    return $there
}

# A cable that loses everything in one direction, silently: what this host sends there goes to nobody.
cut_one_way() { # HOST SELF
    ip neigh replace "$2.2" lladdr 02:00:00:00:00:99 dev "to-$1" nud permanent
}

mend() { # HOST SELF
    ip neigh del "$2.2" dev "to-$1"
}

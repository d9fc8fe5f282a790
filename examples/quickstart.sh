#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: examples/quickstart.sh [--stay] [--seconds N] [--dir D] [--check]
#   Builds weft, makes a mesh of three domains on loopback with an agent behind one of them, and shows the main job on this machine's own
#   data, each step with the command a person would type. At the end, also after Ctrl-C, nothing of it runs or lies about any more but the
#   programs in build/release and a directory that --dir named.
#   --stay        leave the mesh running until Enter is pressed
#   --seconds N   how long the monitor collects, 1 to 86400 (20); longer where the first samples take longer to come
#   --dir D       where everything lies, and stays: a directory that is empty or not there yet (a temporary one, removed)
#   --check       unattended: no pauses, ends with one JSON line on standard output, exit 0 only when everything held
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
stay=no seconds=20 dir='' check=no
usage() { sed -n '3,10p' "$0" | sed 's/^# \{0,1\}//'; }
wrong() { # TEXT: the call was wrong, and nothing has been done
    { echo "quickstart: $*" && usage; } >&2
    exit 64
}
while [ $# -gt 0 ]; do
    case "$1" in
    --stay) stay=yes ;;
    --check) check=yes ;;
    --seconds | --dir)
        { [ $# -ge 2 ] && [ -n "$2" ]; } || wrong "$1 needs a value"
        if [ "$1" = --dir ]; then dir=$2; else seconds=$2; fi
        shift
        ;;
    -h | --help) usage && exit 0 ;;
    *) wrong "unknown option $1" ;;
    esac
    shift
done

case $seconds in *[!0-9]* | 0* | ??????*) wrong "--seconds $seconds: not a number from 1 to 86400" ;; esac
[ "$seconds" -le 86400 ] || wrong "--seconds $seconds: not a number from 1 to 86400"
# What lies there could be somebody's keys: nothing is built, written or given another mode before this is known.
if [ -n "$dir" ] && { [ -e "$dir" ] || [ -L "$dir" ]; }; then
    [ -d "$dir" ] || wrong "--dir $dir: not a directory"
    found=$(ls -A -- "$dir/" 2>&1) || wrong "--dir $dir: $found"
    [ -z "$found" ] || wrong "--dir $dir: not empty; name an empty directory or one that is not there yet"
fi

# With --check standard output is for the JSON line alone.
exec 3>&1
[ $check = no ] || exec 1>&2
exec 4>&1 # commands are shown here, also when their output goes to a file

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then say() { printf '\n== %s\n' "$*"; }; fi
show() { # prints the command as a person would type it, then runs it
    local line='$' word
    for word; do
        word=${word//"$share/"/}
        case $word in
        '' | *[!A-Za-z0-9_./:=,@%+-]*) line+=" '${word//\'/\'\\\'\'}'" ;;
        *) line+=" $word" ;;
        esac
    done
    printf '%s\n' "$line" >&4
    "$@"
}
fail() {
    echo "quickstart: $*" >&2
    for log in "$dir"/*.log; do
        [ -s "$log" ] && { echo "--- ${log##*/}" >&2; tail -n 15 "$log" >&2; }
    done
    exit 1
}
pause() { # SECONDS, in pieces, so that a signal ends it at once
    local until=$((SECONDS + $1))
    while [ $SECONDS -lt $until ]; do sleep 0.2; done
}
wait_for() { # SECONDS TEXT COMMAND...: polls until the command succeeds
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || fail "waited too long for $what"
        sleep 0.2
    done
}

made_dir=no
if [ -z "$dir" ]; then
    dir=$(mktemp -d "${TMPDIR:-/tmp}/weft-quickstart.XXXXXX") || exit 69
    made_dir=yes
fi
mkdir -p -- "$dir" && chmod 700 -- "$dir" && dir=$(cd -- "$dir" && pwd) || exit 69

pids=()
cleanup() {
    trap - EXIT
    trap '' INT TERM
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
    cd / && { [ $made_dir = no ] || rm -rf "$dir"; }
}
trap cleanup EXIT
trap 'cleanup; exit 130' INT
trap 'cleanup; exit 143' TERM

progress() { # of ninja's lines, which go to build.log: in place on a terminal, else a line for each tenth part
    local line steps tenth=0 cr='' end='\n'
    [ ! -t 1 ] || cr='\r' end=''
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$dir/build.log"
        [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
        steps=${BASH_REMATCH[1]}
        [ -n "$cr" ] || [ $((steps * 10 / BASH_REMATCH[2])) -gt $tenth ] || continue
        tenth=$((steps * 10 / BASH_REMATCH[2]))
        # shellcheck disable=SC2059 # the two are ours
        printf "$cr  %d of %d steps$end" "$steps" "${BASH_REMATCH[2]}"
    done
    [ -z "$cr" ] || [ -z "${steps:-}" ] || echo
}

say 'Building (release; some minutes the first time)'
bash "$here/cmake/install-deps.sh" build || exit $?
(cd "$here" && cmake --preset release >/dev/null && cmake --build build/release -j "$(nproc)" 2>&1 | progress) ||
    { tail -n 40 "$dir/build.log" >&2; exit 1; }
rm -f "$dir/build.log"
build="$here/build/release" share="$here/build/release/share/weft"
# shellcheck source=examples/compare.sh
. "$here/examples/compare.sh"

cd "$dir" || exit 69
bin="$dir/bin"
mkdir -p "$bin"
for program in sdk/weft node/weftd domains/common/weft-host domains/network/weft-ports domains/monitoring/weft-monitor; do
    [ -x "$build/$program" ] && ln -sf "$build/$program" "$bin/${program##*/}"
done
export PATH="$bin:$PATH:/usr/sbin:/sbin"
export XDG_STATE_HOME="$dir/state" # the calls it makes are noted there, not in the home directory

id() { # DIRECTORY: who that is, as owners grant to it
    weft key show "$1" -o json | sed -n 's/.*"identity":"\([^"]*\)".*/\1/p'
}
free_port() { # a loopback port nobody listens on, with the one a hundred above free too; below those the system gives to connections
    local port
    while :; do
        port=$((20000 + RANDOM % 12500))
        grep -qx "$port" ports 2>/dev/null && continue # given to another node, which does not listen yet
        ss -tnaH "( sport = :$port or sport = :$((port + 100)) )" | grep -q . || break
    done
    echo "$port" | tee -a ports
}
up() { # NAME LOG CONFIG: starts a weftd and waits for its socket
    weftd -c "$3" >"$2" 2>&1 &
    pids+=($!)
    wait_for 100 "$1's weftd" weft node status --dir "${3%/*}"
}

say '1. Three domains, each with its own root key and node'
head -c 18 /dev/urandom | base64 >pass && chmod 600 pass
for d in servers network monitoring; do
    show weft domain init $d --dir $d-root --passphrase-file pass >/dev/null || fail "domain init $d"
    show weft node init --domain $d-root --dir $d --listen "127.0.0.1:$(free_port)" --passphrase-file pass >/dev/null || fail "node init $d"
done

say '2. One charter, signed by all three: nobody is above them'
show weft mesh init acme --domain servers-root --add network-root/network.weftdomain --add monitoring-root/monitoring.weftdomain --passphrase-file pass >/dev/null || fail 'mesh init'
for d in network monitoring; do
    show weft charter sign acme.charter --domain $d-root --passphrase-file pass || fail "charter sign $d"
done
for d in servers network monitoring; do
    weft charter commit acme.charter --dir $d >/dev/null || fail "charter commit $d"
    printf 'streams: {ports: any}\n' >>$d/weftd.yaml
    echo "\$ weftd -c $d/weftd.yaml &"
    up $d $d.log $d/weftd.yaml
done

say '3. A host joins with a ticket and dials out: it listens on nothing'
mkdir -p agent && chmod 700 agent
show weft ticket create --kind agent --name host-1 --dir servers >agent/ticket || fail 'ticket create'
chmod 600 agent/ticket
cat >agent/weftd.yaml <<EOF
role: agent
data: data
socket: run/weftd.sock
ticket: ticket
EOF
echo '$ weftd -c agent/weftd.yaml &'
up agent agent.log agent/weftd.yaml
wait_for 100 'the agent to join' test -s agent/data/identity/chain

say '4. The teams publish: metrics, inventories, an API'
host_before host && pids+=("$sampler") # what df, ip, ss, dpkg-query and /proc say meanwhile
show weft product apply --dir servers "$share"/products/servers/{cpu,memory,load,filesystems,disks,hosts,packages,sockets}.yaml || fail 'product apply servers'
show weft product apply --dir network "$share"/products/network/{interfaces,port-inventory,ports}.yaml || fail 'product apply network'

say '5. The catalog, as the monitoring node sees it'
wait_for 100 'the catalog' sh -c 'weft products --dir monitoring -q | grep -q network/ports && weft products --dir monitoring -q | grep -q servers/sockets'
show weft products --dir monitoring || fail products
products=$(weft products --dir monitoring -q -o jsonl | grep -c '"product"')

say '6. A schema, from the mesh itself'
show weft describe servers/memory --dir monitoring || fail describe

say '7. The monitor: just another subscriber'
show weft ticket create --kind service --name monitor --dir monitoring >monitor.ticket || fail 'ticket for the monitor'
show weft join --file monitor.ticket --dir monitor || fail 'weft join'
rm -f monitor.ticket
show weft subscribe servers/memory -n 2 --dir monitor | cut -c1-160
[ "${PIPESTATUS[0]}" = 0 ] || fail 'subscribe'
echo '$ weft-monitor run --dir monitor --db monitor.db &'
weft-monitor run --dir monitor --db monitor.db >monitor.log 2>&1 &
monitor=$!
pids+=("$monitor")
echo "(it collects for $seconds s)"
pause "$seconds"
wait_for 100 'the packages at the monitor' sh -c "weft-monitor sql --db monitor.db -o jsonl \"SELECT count(DISTINCT _origin) AS n FROM servers_packages WHERE _op = 'snapshot-end'\" | grep -q '\"n\":2'"
pub_share=null
nearly_all() { # records came as frames, of those that could: null while there were none, low while the first are still a large part
    pub_share=$(weft-monitor status --db monitor.db -o json | sed 's/"rows":.*//;s/.*"pub_share":\([^,]*\),.*/\1/')
    awk -v s="$pub_share" 'BEGIN { exit !(s ~ /^[0-9.]+$/ && s >= 0.99) }'
}
until=$((SECONDS + 120)) waited=$SECONDS
until nearly_all || [ $SECONDS -ge $until ]; do sleep 0.5; done
[ $((SECONDS - waited)) -lt 2 ] || echo "(and $((SECONDS - waited)) s more, as a source's first samples come within ten seconds)"
show weft-monitor status --db monitor.db # exits 1 while anything is blind
kill "$monitor"
wait "$monitor" || fail 'weft-monitor'
host_after host
show weft-monitor sql --db monitor.db 'SELECT _origin, count(*) AS records, max(available) AS available FROM servers_memory GROUP BY _origin' || fail 'sql'
records=$(weft-monitor sql --db monitor.db -o jsonl 'SELECT sum(count) AS n FROM _batch' | sed -n 's/.*"n":\([0-9]*\).*/\1/p')
echo "share of records that came as frames of the live stream, of all that could have: $pub_share"
show weft-monitor verify --db monitor.db --dir monitor | tail -n 3
[ "${PIPESTATUS[0]}" = 0 ] || fail 'verify'
verified=$(weft-monitor sql --db monitor.db -o jsonl 'SELECT count(*) AS n FROM _batch' | sed -n 's/.*"n":\([0-9]*\).*/\1/p')

say '8. What is stored is what this host says of itself'
for origin in host-1 node-1; do
    collected monitor.db $origin >stored-$origin
    kinds="filesystem disk memory swap host package listening"
    # shellcheck disable=SC2086 # a list
    compare_facts host "monitor.db, $origin" stored-$origin $kinds
done
collected monitor.db host-1 >stored-network
compare_facts host 'monitor.db, network/node-1' stored-network interface address
collected_numbers monitor.db >stored-numbers
compare_numbers host stored-numbers
[ $differing = 0 ] || echo "$differing of $((compared + differing)) figures differ"

say '9. Inventories answer questions; every answer says what it rests on'
show weft query servers/packages 'SELECT count(*) FROM packages' --dir network && fail 'a query without a token was answered'
refused=true
show weft access grant packages hosts --to "$(id network)" --verb query --for 1h --out packages.cap --dir servers || fail grant
show weft access import packages.cap --dir network || fail import
show weft query servers/hosts 'SELECT name, os_name, kernel, cpus FROM hosts' --dir network --partial-ok || fail query
show weft query servers/packages 'SELECT DISTINCT name, version, architecture, state FROM packages' --dir network -o jsonl --partial-ok >packages.jsonl || fail query
rows=$(grep -c '"name"' packages.jsonl)
sed -n 's/.*"name":"\([^"]*\)","version":"\([^"]*\)","architecture":"\([^"]*\)","state":"\([^"]*\)".*/package \1 \2 \3 \4/p' packages.jsonl | sort -u >queried
compare_facts host 'weft query' queried package

say "10. One team's automation calls another team's API"
show weft access grant ports --to "$(id servers)" --verb 'call:*' --for 1h --out ports.cap --dir network || fail grant
show weft access import ports.cap --dir servers || fail import
show weft call network/ports/List '{}' --dir servers | cut -c1-200
[ "${PIPESTATUS[0]}" = 0 ] || fail call
show weft call network/ports/Describe '{"name":"lo"}' --dir servers || fail call
note="seen by the servers team, $(date -u +%H:%M:%S)"
show weft call network/ports/SetNote "{\"name\":\"lo\",\"note\":\"$note\"}" --dir servers || fail call
echo 'The note is in the inventory that the same team publishes:'
show weft access grant port-inventory --to "$(id servers)" --verb query --for 1h --out port-inventory.cap --dir network || fail grant
show weft access import port-inventory.cap --dir servers || fail import
wait_for 100 'the note in the inventory' sh -c "weft query network/port-inventory \"SELECT note FROM port_inventory WHERE name = 'lo'\" --dir servers -o jsonl | grep -qF '$note'"
show weft query network/port-inventory "SELECT name, note, noted_by FROM port_inventory WHERE name = 'lo'" --dir servers || fail query
call_ok=true

say '11. Revoked: the keys change at once'
token=$(weft access list --dir servers -o jsonl | grep '"how":"hand"' | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' | head -n 1)
show weft access revoke "$token" --dir servers || fail revoke
if show weft query servers/packages 'SELECT count(*) FROM packages' --dir network; then read_after=true; else read_after=false; fi

say '12. Who was let in, and who was not: every decision of the owner is an event'
show weft ticket create --kind service --name auditor --dir monitoring >auditor.ticket || fail 'ticket for the auditor'
show weft join --file auditor.ticket --dir auditor || fail 'weft join'
rm -f auditor.ticket
show weft access grant access --to "$(id auditor)" --verb subscribe --for 1h --out access.cap --dir servers || fail grant
show weft access import access.cap --dir auditor || fail import
show weft-monitor run --once --product servers/access --dir auditor --db audit.db || fail 'weft-monitor'
show weft-monitor sql --db audit.db "SELECT who, what, \"on\", result FROM servers_access WHERE result <> 'OK' OR what IN ('grant', 'revoke')" || fail sql

say 'Evidence, for one product of each kind: a command, and the line that shows it'
shown=0
evidence() { # PRODUCT WORD REGEX COMMAND
    local said line
    printf '%s is %s:\n  $ %s\n' "$1" "$2" "${4//"$share/"/}"
    said=$(bash -c "$4" 2>&1) # what is refused ends with 77: the line decides
    if line=$(grep -m 1 -E "$3" <<<"$said"); then
        printf '    %s\n' "${line:0:150}"
        shown=$((shown + 1))
    else
        printf '    NOT SHOWN: %s\n' "${said:0:300}"
    fi
}
weft ticket create --kind user --name stranger --dir network >stranger.ticket || fail 'ticket for a stranger'
weft join --file stranger.ticket --dir stranger >/dev/null || fail 'a stranger'
refusal='^weft: refused: .*no capability'
for kind in metric event inventory api; do
    case $kind in
    metric) p=servers/memory name=Memory as=monitor db=monitor.db read="weft subscribe $p --from earliest -n 1" answer='^\{"@time"' ;;
    event) p=servers/access name=AccessEvent as=auditor db=audit.db read="weft subscribe $p --from earliest -n 1" answer='^\{"@time"' ;;
    inventory) p=servers/packages name=Package as=monitor db=monitor.db read="weft query $p 'SELECT count(*) FROM packages' -o jsonl" answer='^\{.*[1-9]' ;;
    api) p=network/ports name=Ports as=monitor read="weft call $p/List '{\"limit\":1}'" answer='^\{"ports"' ;;
    esac
    evidence "$p" discoverable "^$p " "weft products ${p#*/} --dir monitoring"
    evidence "$p" addressable "$answer" "$read --dir $as"
    if [ $kind = api ]; then
        evidence "$p" trustworthy '^signed ' "weft describe $p --dir monitoring" # refused if the advert does not verify to the charter
    else
        evidence "$p" trustworthy '^verified [1-9].*all proven$' "weft-monitor verify --db $db --dir $as --product $p"
    fi
    if [ $kind = api ]; then # of two files: written where imports look for them, which leaves protoc nothing to ask for
        evidence "$p" self-describing "^service $name \{" \
            "weft describe $p --proto-dir api --dir monitoring -q >/dev/null && cd api && protoc -I. -o api.set weft/network/v1/ports.proto && cat weft/network/v1/ports.proto"
    else
        evidence "$p" self-describing "^message $name \{" "weft describe $p --proto --dir monitoring"
    fi
    if [ $kind = api ]; then
        evidence "$p" inter-operable '^"mtu":[0-9]+$' "$read --dir monitor -q | grep -o '\"mtu\":[0-9]*'" # plain JSON
    else
        evidence "$p" inter-operable '^[1-9][0-9]* bytes' \
            "weft describe $p --proto --dir monitoring >$name.proto && protoc -I. -I$share/proto -o $name.set $name.proto && echo \$(wc -c <$name.set) bytes of descriptors, by an ordinary protoc"
    fi
    evidence "$p" secure "$refusal" "$read --dir stranger"
done

if [ $stay = yes ] && [ $check = no ]; then
    say "The mesh runs in $dir; press Enter to end it"
    read -r _
fi
ok=true
must() { # WHAT COMMAND...: what does not hold is named
    local what=$1
    shift
    "$@" || { ok=false && echo "does not hold: $what" >&2; }
}
must 'eight products or more' [ "$products" -ge 8 ]
must 'records are stored' [ "${records:-0}" -gt 0 ]
must 'every stored batch is proven' [ "${verified:-0}" -gt 0 ]
must 'an inventory answers' [ "$rows" -gt 0 ]
must 'nothing is read after the revocation' [ $read_after = false ]
must "the host's own tools say the same" [ $((compared > 0 && differing == 0)) = 1 ]
must '24 lines of evidence' [ "$shown" = 24 ]
must 'nearly all records come as frames' awk -v s="$pub_share" 'BEGIN { exit !(s ~ /^[0-9.]+$/ && s >= 0.99) }'
if [ $check = yes ]; then
    printf '{"schema":"weft.quickstart/v1","ok":%s,"products":%s,"records_stored":%s,"verified_batches":%s,"query_rows":%s,"call_ok":%s,"refused_without_capability":%s,"read_after_revoke":%s,"pub_share":%s,"host_figures_equal":%s,"host_figures_differing":%s,"evidence":%s}\n' \
        $ok "$products" "${records:-0}" "${verified:-0}" "$rows" "$call_ok" "$refused" "$read_after" "${pub_share:-null}" \
        "$compared" "$differing" "$shown" >&3
fi
[ $ok = true ] || exit 1
if [ $made_dir = yes ]; then
    say 'Done. The mesh has ended and its directory is removed; the programs stay in build/release.'
else
    say "Done. The mesh has ended. What it made stays in $dir: keys, logs of the nodes, what the monitor stored."
    echo "Look into it with: $build/domains/monitoring/weft-monitor sql --db $dir/monitor.db 'SELECT * FROM _table'"
    echo "Remove it with: rm -r $dir"
fi

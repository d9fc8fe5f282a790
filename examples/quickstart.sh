#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: examples/quickstart.sh [--stay] [--seconds N] [--dir D] [--check]
#   Builds weft, makes a mesh of three domains on loopback with an agent behind one of them, and shows the main job on this machine's own
#   data, each step with the command a person would type. Everything it made is removed at the end.
#   --stay        leave the mesh running until Enter is pressed
#   --seconds N   how long the monitor collects (20)
#   --dir D       where everything lies (a temporary directory)
#   --check       unattended: no pauses, ends with one JSON line on standard output, exit 0 only when everything held
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
stay=no seconds=20 dir='' check=no
while [ $# -gt 0 ]; do
    case "$1" in
    --stay) stay=yes ;;
    --check) check=yes ;;
    --seconds) seconds=${2:?--seconds needs a number} && shift ;;
    --dir) dir=${2:?--dir needs a directory} && shift ;;
    -h | --help) sed -n '3,10p' "$0" | sed 's/^# \{0,1\}//' && exit 0 ;;
    *) echo "quickstart: unknown option $1; see --help" >&2 && exit 64 ;;
    esac
    shift
done

# With --check standard output is for the JSON line alone.
exec 3>&1
[ $check = no ] || exec 1>&2
exec 4>&1 # commands are shown here, also when their output goes to a file

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then say() { printf '\n== %s\n' "$*"; }; fi
show() { # prints the command as a person would type it, then runs it
    printf '$ %s\n' "${*//"$share/"/}" >&4
    "$@"
}
fail() {
    echo "quickstart: $*" >&2
    for log in "$dir"/*.log; do
        [ -s "$log" ] && { echo "--- ${log##*/}" >&2; tail -n 15 "$log" >&2; }
    done
    exit 1
}
wait_for() { # SECONDS TEXT COMMAND...: polls until the command succeeds
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || fail "waited too long for $what"
        sleep 0.2
    done
}

say 'Building (release)'
bash "$here/cmake/install-deps.sh" build || exit $?
(cd "$here" && cmake --preset release >/dev/null && cmake --build build/release -j "$(nproc)" >"${TMPDIR:-/tmp}/weft-build.$$.log" 2>&1) ||
    { tail -n 40 "${TMPDIR:-/tmp}/weft-build.$$.log" >&2; exit 1; }
rm -f "${TMPDIR:-/tmp}/weft-build.$$.log"
build="$here/build/release" share="$here/build/release/share/weft"

made_dir=no
[ -n "$dir" ] || { dir=$(mktemp -d "${TMPDIR:-/tmp}/weft-quickstart.XXXXXX") && made_dir=yes; }
mkdir -p "$dir" && chmod 700 "$dir" && cd "$dir" || exit 69
bin="$dir/bin"
mkdir -p "$bin"
for program in sdk/weft node/weftd domains/common/weft-host domains/network/weft-ports domains/monitoring/weft-monitor; do
    [ -x "$build/$program" ] && ln -sf "$build/$program" "$bin/${program##*/}"
done
export PATH="$bin:$PATH"

pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
    [ $made_dir = no ] || rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

free_port() { # a loopback port nobody listens on, with the one a hundred above free too
    local port
    while :; do
        port=$((20000 + RANDOM % 20000))
        ss -ltnH "( sport = :$port or sport = :$((port + 100)) )" | grep -q . || break
    done
    echo "$port"
}
up() { # NAME LOG CONFIG: starts a weftd and waits for its socket
    weftd -c "$3" >"$2" 2>&1 &
    pids+=($!)
    wait_for 20 "$1's weftd" weft node status --dir "${3%/*}"
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
wait_for 20 'the agent to join' test -s agent/data/identity/chain

say '4. The teams publish: metrics, inventories, an API'
show weft product apply --dir servers "$share"/products/servers/{cpu,memory,load,filesystems,disks,hosts,packages,sockets}.yaml || fail 'product apply servers'
show weft product apply --dir network "$share"/products/network/{interfaces,port-inventory,ports}.yaml || fail 'product apply network'

say '5. The catalog, as the monitoring node sees it'
wait_for 30 'the catalog' sh -c 'weft products --dir monitoring -q | grep -q network/ports && weft products --dir monitoring -q | grep -q servers/sockets'
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
sleep "$seconds"
show weft-monitor status --db monitor.db # exits 1 while anything is blind
pub_share=$(weft-monitor status --db monitor.db -o json | sed 's/"rows":.*//;s/.*"pub_share":\([^,]*\),.*/\1/')
kill "$monitor"
wait "$monitor" || fail 'weft-monitor'
show weft-monitor sql --db monitor.db 'SELECT _origin, count(*) AS records, max(available) AS available FROM servers_memory GROUP BY _origin' || fail 'sql'
records=$(weft-monitor sql --db monitor.db -o jsonl 'SELECT sum(count) AS n FROM _batch' | sed -n 's/.*"n":\([0-9]*\).*/\1/p')
echo "share of records that came as frames of the live stream, of all that could have: $pub_share"
show weft-monitor verify --db monitor.db --dir monitor | tail -n 3
[ "${PIPESTATUS[0]}" = 0 ] || fail 'verify'
verified=$(weft-monitor sql --db monitor.db -o jsonl 'SELECT count(*) AS n FROM _batch' | sed -n 's/.*"n":\([0-9]*\).*/\1/p')

say '8. Inventories answer questions; every answer says what it rests on'
id() { weft key show "$1" -o json | sed -n 's/.*"identity":"\([^"]*\)".*/\1/p'; }
show weft query servers/packages 'SELECT count(*) FROM packages' --dir network && fail 'a query without a token was answered'
refused=true
show weft access grant packages hosts --to "$(id network)" --verb query --for 1h --out packages.cap --dir servers || fail grant
show weft access import packages.cap --dir network || fail import
show weft query servers/hosts 'SELECT name, os_name, kernel, cpus FROM hosts' --dir network --partial-ok || fail query
rows=$(weft query servers/packages 'SELECT name FROM packages' --dir network -q --partial-ok -o jsonl | grep -c '"name"')
echo "$rows packages"

say "9. One team's automation calls another team's API"
show weft access grant ports --to "$(id servers)" --verb 'call:*' --for 1h --out ports.cap --dir network || fail grant
show weft access import ports.cap --dir servers || fail import
show weft call network/ports/List '{}' --dir servers | cut -c1-200
[ "${PIPESTATUS[0]}" = 0 ] || fail call
call_ok=true

say '10. Revoked: the keys change at once'
token=$(weft access list --dir servers -o jsonl | grep '"how":"hand"' | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' | head -n 1)
show weft access revoke "$token" --dir servers || fail revoke
if show weft query servers/packages 'SELECT count(*) FROM packages' --dir network; then read_after=true; else read_after=false; fi

say 'Evidence, for one product of each kind'
for p in servers/memory servers/packages network/ports; do
    printf '%-17s discoverable      listed by the monitoring node: %s\n' $p "$(weft products --dir monitoring -q | awk -v p=$p '$1 == p { print "yes" }')"
    printf '%-17s addressable       home %s\n' $p "$(weft describe $p --dir monitoring | sed -n 's/^home *//p')"
    printf '%-17s trustworthy       advert and batches verify to the charter; %s batches proven at the monitor\n' $p "$verified"
    printf '%-17s self-describing   schema %s\n' $p "$(weft describe $p --dir monitoring | sed -n 's/^schema *//p')"
    printf '%-17s inter-operable    protobuf, JSON, SQL: %s\n' $p "$(weft describe $p --proto --dir monitoring | grep -c '^ *[a-z].* = [0-9]') fields and methods printed from the mesh"
    printf '%-17s secure            without a token: refused with its reason\n' $p
done

if [ $stay = yes ] && [ $check = no ]; then
    say "The mesh runs in $dir; press Enter to end it"
    read -r _
fi
ok=false
[ "$products" -ge 8 ] && [ "${records:-0}" -gt 0 ] && [ "${verified:-0}" -gt 0 ] && [ "$rows" -gt 0 ] && [ $read_after = false ] &&
    awk -v s="$pub_share" 'BEGIN { exit !(s ~ /^[0-9.]+$/ && s >= 0.99) }' && ok=true
if [ $check = yes ]; then
    printf '{"schema":"weft.quickstart/v1","ok":%s,"products":%s,"records_stored":%s,"verified_batches":%s,"query_rows":%s,"call_ok":%s,"refused_without_capability":%s,"read_after_revoke":%s,"pub_share":%s}\n' \
        $ok "$products" "${records:-0}" "${verified:-0}" "$rows" "$call_ok" "$refused" "$read_after" "${pub_share:-null}" >&3
fi
[ $ok = true ] || fail 'something above did not hold'
say 'Done. Everything is cleaned up.'

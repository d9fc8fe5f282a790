#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Calls from another domain: to handlers on the local socket of a node (several, dying, coming back) and of an agent, and to a program on an
# agent's host. Each of not-delivered, running, done and unknown is seen; a repeated key never acts twice.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
EXAMPLES="$BUILD/examples"
relay=""
at_finish() { [ -z "$relay" ] || kill "$relay" 2>/dev/null || true; }
ROOT=$(cd "$(dirname "$0")/../.." && pwd)

agent_is() { weft_at servers-node agent list | grep -q "^$1 *$2 "; }
listed() { weft_at network-node products -q | grep -q "^servers/$1 "; }
call() { # ARGUMENT...: by a person of another domain; standard output in out, standard error in err, the status in `ended`, the key in `key`
    ended=0
    "$WEFT" call "$@" --dir "$WORK/caller" >"$WORK/out" 2>"$WORK/err" || ended=$?
    key=$(sed -n 's/^call \([0-9a-f]\{32\}\): .*/\1/p' "$WORK/err")
}
state() { sed -n 's/^call [0-9a-f]*: \([a-z-]*\).*/\1/p' "$WORK/err"; }
expect() { # WHAT "STATUS STATE" [TEXT OF OUTPUT OR REASON]
    [ "$ended $(state)" = "$2" ] || fail "$1: $ended $(state), wanted $2: $(cat "$WORK/err")"
    [ -z "${3:-}" ] || grep -q "$3" "$WORK/out" "$WORK/err" || fail "$1: no \"$3\" in $(cat "$WORK/out" "$WORK/err")"
}
status_of() { # PRODUCT/METHOD KEY [OPTION...]
    ended=0
    method=$1
    shift
    "$WEFT" call status "servers/$method" "$@" --dir "$WORK/caller" >"$WORK/out" 2>"$WORK/err" || ended=$?
}
serve() { # NAME WHERE PRODUCT: a handler with the socket of node or agent WHERE
    WEFT_SOCKET="$WORK/$2/run/weftd.sock" "$EXAMPLES/serve" "$3" >"$WORK/$1.out" 2>"$WORK/$1.log" &
    echo $! >"$WORK/$1.pid"
    until_ok grep -q "^serving $3$" "$WORK/$1.out"
}
added() { grep -c ' added ' "$WORK/$1.out" || true; }
api() { # NAME LINE...: tally under another name, with more lines of manifest
    name=$1
    shift
    sed "s/^name: tally/name: $name/;s/domain: servers/domain: network/" "$ROOT/examples/products/tally.yaml" >"$WORK/$name.yaml"
    for line in "$@"; do printf '%s\n' "$line" >>"$WORK/$name.yaml"; done
    "$WEFT" product build "$WORK/$name.yaml" >/dev/null
    weft_at servers-node product apply "$WORK/$name.yaml" >/dev/null || fail "apply $name"
}

make_domain servers
make_domain network
(cd "$WORK" && "$WEFT" mesh init acme --domain servers-root --add network-root/network.weftdomain --out acme.charter >/dev/null)
"$WEFT" charter sign "$WORK/acme.charter" --domain "$WORK/network-root" >/dev/null
for d in servers network; do "$WEFT" charter commit "$WORK/acme.charter" --dir "$WORK/$d-node" >/dev/null; done
start servers-node
until_ok weft_at servers-node node status
port=$(port_of servers-node)
printf 'seeds:\n  - address: "127.0.0.1:%s"\n    key: %s\n' "$port" "$(key_of servers-node)" >>"$WORK/network-node/weftd.yaml"
start network-node
until_ok weft_at network-node node status
python3 "$(dirname "$0")/relay.py" "$port" >"$WORK/relay.port" &
relay=$!
until_ok test -s "$WORK/relay.port"
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)" "uplinks:" \
    "  - {address: '127.0.0.1:$(cat "$WORK/relay.port")', key: $(key_of servers-node)}" "  - {address: '127.0.0.1:$port', key: $(key_of servers-node)}"
start web-1
until_ok agent_is web-1 up
cp "$ROOT/examples/products/tally.proto" "$WORK"

# A program on the host: each run leaves a line; it waits as long as the request says, in tenths of a second.
cat >"$WORK/count" <<'PROGRAM'
#!/bin/sh
read -r request
echo "$WEFT_CALLER $WEFT_METHOD" >>"$(dirname "$0")/runs"
by=$(printf '%s' "$request" | sed 's/.*"by": *\([0-9]*\).*/\1/')
[ "$by" = 99 ] && { echo "no 99 here" >&2; exit 70; }
sleep "$((by / 10)).$((by % 10))"
printf '{"total":"%s","by":"%s"}\n' "$(wc -l <"$(dirname "$0")/runs")" "$WEFT_CALLER"
PROGRAM
chmod +x "$WORK/count"
: >"$WORK/runs"
runs() { wc -l <"$WORK/runs"; }
api tally
api served 'hosts: [web-1]'
api counted 'hosts: [web-1]' "serve: {run: [$WORK/count]}"
until_ok listed tally
until_ok listed counted
make_reader network-node caller

echo "nobody serves: not delivered"
call servers/tally/Add '{"by":1}' --timeout 1s
expect "no handler" "69 not-delivered" "no provider took the call"
status_of tally/Add "$key"
expect "its status" "69 not-delivered"
call servers/tally/Add '{"by":2}' --key "$key"
expect "the key for another request" "65 not-delivered" "another call"

echo "a handler on the node's socket answers a call from another domain, once a key"
serve first servers-node tally
call servers/tally/Add '{"by":3}'
expect "a call" "0 done" '{"total":"3","by":"network/caller"}'
done_key=$key
call servers/tally/Add '{"by":3}' --key "$done_key"
expect "the same key" "0 done" '"total":"3"'
status_of tally/Add "$done_key"
expect "its status" "0 done" '"total":"3"'
[ "$(added first)" = 1 ] || fail "it ran $(added first) times"
call servers/tally/Add '{}'
expect "the handler's refusal" "70 done" "expected a number"

echo "a program gets one object, whatever became of it; the request may come from standard input"
printf '{"by":\n1}' >"$WORK/request"
call servers/tally/Add - -o json <"$WORK/request"
expect "a call from standard input" "0 done" \
    "^{\"schema\":\"weft.call/v1\",\"call\":\"servers/tally/Add\",\"key\":\"$key\",\"state\":\"done\",\"provider\":\"servers/node-1\",\"reply\":{\"total\":\"4\",.*}}\$"
call servers/tally/Add '{}' -o json
expect "the handler's refusal as an object" "70 done" \
    '"state":"done",.*"problem":{"schema":"weft.problem/v1","error":"PROVIDER","exit":70,"text":".*expected a number.*"}}$'
call servers/tally/Nothing '{}' -o json
expect "a method that is not there" "65 not-delivered" '"state":"not-delivered","problem":{.*"error":"METHOD","exit":65,'
ended=0
"$WEFT" call servers/tally/Add - --dir "$WORK/caller" -o json </dev/null >"$WORK/out" 2>"$WORK/err" || ended=$?
[ "$ended $(cat "$WORK/out")" = '65 {"schema":"weft.problem/v1","error":"SYNTAX","exit":65,"text":"standard input: no JSON text"}' ] ||
    fail "no request at all: $ended $(cat "$WORK/out")"

echo "several handlers share the calls"
serve second servers-node tally
for i in 1 2 3 4 5 6; do
    call servers/tally/Add '{"by":1}'
    expect "call $i" "0 done"
done
[ "$(added first)" -ge 3 ] || fail "the first took $(added first)"
[ "$(added second)" -ge 2 ] || fail "the second took $(added second)"
stop second

echo "a handler dies with a call in its hands: unknown, and the key never runs it again"
kill -STOP "$(cat "$WORK/first.pid")"
call servers/tally/Add '{"by":5}' --timeout 5s
expect "a call that nobody answers" "75 unknown" "did not answer in time"
expect "what it means" "75 unknown" "whether it acted is not known: .* a new call may do it twice"
lost=$key
kill -KILL "$(cat "$WORK/first.pid")"
rm -f "$WORK/first.pid"
serve first servers-node tally
call servers/tally/Add '{"by":5}' --key "$lost"
expect "the key again" "75 unknown"
[ "$(added first)" = 0 ] || fail "it ran"
call servers/tally/Add '{"by":7}'
expect "a restarted handler" "0 done" '"total":"7"'

echo "the node is restarted: the handler comes back by itself, outcomes are kept"
stop servers-node
start servers-node
until_ok weft_at servers-node node status
answers() { call servers/tally/Add '{"by":1}' --timeout 10s && [ "$ended" = 0 ]; }
until_ok answers
status_of tally/Add "$done_key"
expect "kept over the restart" "0 done" '"total":"3"'
until_ok agent_is web-1 up
stop first

echo "a program on a host, by its name"
call servers/counted/Add '{"by":1}' --at web-1
expect "a call to a host" "0 done" '"by":"network/caller"'
grep -q "by servers/web-1" "$WORK/err" || fail "not by the host: $(cat "$WORK/err")"
call servers/counted/Add '{"by":1}' --at web-1 --key "$key"
expect "the same key" "0 done" '"total":"1"'
[ "$(runs)" = 1 ] || fail "it ran $(runs) times"
call servers/counted/Add '{"by":99}' --at web-1
expect "the program's error" "70 done" "no 99 here"
call servers/counted/Add '{"by":1}' --timeout 1s
expect "without a host" "69 not-delivered" "name one with --at"
call servers/counted/Add '{"by":1}' --at web-9
expect "a host that is none" "69 not-delivered" "host"

echo "running, then done; running, then unknown"
before=$(runs)
"$WEFT" call servers/counted/Add '{"by":60}' --at web-1 --key 00112233445566778899aabbccddeeff --dir "$WORK/caller" >"$WORK/slow.out" 2>&1 &
slow=$!
begun() { [ "$(runs)" -gt "$before" ]; }
until_ok begun
status_of counted/Add 00112233445566778899aabbccddeeff
expect "while it runs" "1 running"
status_of counted/Add 00112233445566778899aabbccddeeff --wait 60s
expect "waited for" "0 done" '"total"'
wait "$slow" || fail "$(cat "$WORK/slow.out")"
call servers/counted/Add '{"by":600}' --at web-1 --timeout 5s
expect "a program that takes too long" "75 unknown"
call servers/counted/Add '{"by":600}' --at web-1 --key "$key"
expect "the key again" "75 unknown"
[ "$(runs)" = "$((before + 2))" ] || fail "it ran $(runs) times"

echo "a handler on the agent's socket"
call servers/served/Add '{"by":1}' --at web-1 --timeout 2s
expect "no handler there" "69 not-delivered" "no handler on the host"
serve host web-1 served
call servers/served/Add '{"by":4}' --at web-1
expect "a handler on the host" "0 done" '{"total":"4","by":"network/caller"}'
call servers/served/Add '{"by":4}' --at web-1 --key "$key"
expect "the same key" "0 done" '"total":"4"'
[ "$(added host)" = 1 ] || fail "it ran $(added host) times"
kill -STOP "$(cat "$WORK/host.pid")"
call servers/served/Add '{"by":4}' --at web-1 --timeout 5s
expect "a handler that hangs" "75 unknown"
kill -CONT "$(cat "$WORK/host.pid")"
stop host
if WEFT_SOCKET="$WORK/web-1/run/weftd.sock" "$EXAMPLES/serve" tally >"$WORK/out" 2>"$WORK/err"; then fail "served what is not here"; fi
grep -q "no manifest of a product tally" "$WORK/err" || fail "$(cat "$WORK/err")"

echo "the agent is away: not delivered, and not later either"
stop web-1
before=$(runs)
call servers/counted/Add '{"by":1}' --at web-1 --timeout 1s
expect "away" "69 not-delivered"
away=$key
start web-1
until_ok agent_is web-1 up
call servers/counted/Add '{"by":1}' --at web-1
expect "back" "0 done"
[ "$(runs)" = "$((before + 1))" ] || fail "an expired call ran"
status_of counted/Add "$away"
expect "still so" "69 not-delivered"

echo "the line drops while the program runs: the answer comes over the next one, once"
over_relay() { weft_at web-1 peers | grep -q "127.0.0.1:$(cat "$WORK/relay.port") .*[0-9] s "; }
until_ok over_relay
before=$(runs)
"$WEFT" call servers/counted/Add '{"by":10}' --at web-1 --timeout 25s --dir "$WORK/caller" >"$WORK/slow.out" 2>&1 &
slow=$!
until_ok begun
kill "$relay"
wait "$relay" 2>/dev/null || true
wait "$slow" || fail "$(cat "$WORK/slow.out")"
grep -q '"total"' "$WORK/slow.out" || fail "$(cat "$WORK/slow.out")"
[ "$(runs)" = "$((before + 1))" ] || fail "it ran $(($(runs) - before)) times"

echo "the key alone is enough for who made the call here, and a key never seen here says what to add"
ended=0
"$WEFT" call status "$done_key" --dir "$WORK/caller" >"$WORK/out" 2>"$WORK/err" || ended=$?
expect "the key alone" "0 done" total
ended=0
"$WEFT" call status ffeeddccbbaa99887766554433221100 --dir "$WORK/caller" >"$WORK/out" 2>"$WORK/err" || ended=$?
[ "$ended" = 1 ] || fail "a key never seen: $ended $(cat "$WORK/err")"
grep -q 'weft call status DOMAIN/API/METHOD' "$WORK/err" || fail "no advice: $(cat "$WORK/err")"

echo "who asks for another's key learns nothing"
make_reader network-node other
ended=0
"$WEFT" call status servers/tally/Add "$done_key" --dir "$WORK/other" >"$WORK/out" 2>"$WORK/err" || ended=$?
[ "$ended" = 1 ] || fail "status $ended"
grep -q total "$WORK/out" && fail "status $ended: $(cat "$WORK/out" "$WORK/err")"
echo ok

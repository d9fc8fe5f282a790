#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bad input, as a table: each row is a command, its exit status and what its message must say (where, what, what to do); after each row
# the state is what it was: keys, charters, documents, manifests and tokens by hash, and the catalog.
# shellcheck disable=SC2034,SC2016 # for lib.sh; the table is evaluated
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

id_of() { "$WEFT" key show "$1" -o json | sed -n 's/.*"identity":"\([^"]*\)".*/\1/p'; }
bad_token() { "$BUILD/tests/e2e/bad_token" "$1" "$2/data" reader other >"$1.cap"; }

# What must not change. Adverts grow older and refusals are recorded: neither is state that a refused command may touch.
state() { # FILE
    {
        find servers-node/data/identity servers-node/data/charter servers-node/data/products servers-node/data/documents \
            servers-node/products.d servers-node/weftd.yaml reader other pinned -type f -print0 2>/dev/null |
            sort -z | xargs -0 sha256sum
        find fresh -print 2>/dev/null || true # a refused join leaves nothing behind
        weft_at servers-node products -q -o json | grep -o '"product":"[^"]*"\|"version":"[^"]*"\|"schema":"[^"]*"\|"title":"[^"]*"'
        weft_at servers-node access list -q -o json | sed 's/"expires":"in [^"]*"//g' # that changes by itself
    } >"$1"
}

rows=0
row() { # WHY COMMAND STATUS FRAGMENT...: the command is evaluated in $WORK
    why=$1 command=$2 want=$3
    shift 3
    state before
    got=0
    eval "$command" >out 2>&1 </dev/null || got=$?
    [ "$got" -eq "$want" ] || fail "$why: exit status $got, not $want: $(cat out)"
    for fragment in "$@"; do
        grep -qF -e "$fragment" out || fail "$why: no \"$fragment\" in: $(cat out)"
    done
    state after
    diff before after >changed || fail "$why: something changed: $(cat changed)"
    rows=$((rows + 1))
}

cd "$WORK"
make_mesh servers
make_domain other
"$WEFT" mesh init elsewhere --domain other-root --node other-node >/dev/null
start other-node
until_ok weft_at other-node node status
"$WEFT" product new depth --kind event >/dev/null
sed -i 's/domain: monitoring/domain: servers/' depth.yaml
"$WEFT" product build depth.yaml >/dev/null 2>&1
weft_at servers-node product apply depth.yaml >/dev/null
for name in reader other; do
    "$WEFT" join "$(weft_at servers-node ticket create --kind user --name $name)" --dir $name >/dev/null
done
weft_at servers-node access grant depth --to "$(id_of reader)" --verb subscribe --for 1h --out good.cap >/dev/null 2>&1
"$WEFT" access import good.cap --dir reader >/dev/null
export WEFT_SOCKET="$WORK/servers-node/run/weftd.sock"

echo "configuration and manifests: every error of the file at once, with its place"
printf 'role: node\ndata: data\nsockt: s\nlisten: 127.0.0.1:99999\nstreams: {ports: nope, gate: maybe}\n' >bad.yaml
for program in '"$WEFT" config check bad.yaml' '"$WEFTD" -c bad.yaml'; do
    row "configuration, $program" "$program" 78 \
        'bad.yaml:3:1: unknown key "sockt" (did you mean "socket"?)' 'bad.yaml:4:9: want a port' \
        'bad.yaml:5:18: want ports FIRST-LAST' 'bad.yaml:5:30: want on or off, not "maybe"'
done
printf 'role: node\n\tdata: [x\n' >broken.yaml
row "a verb alone" '"$WEFT" revoke abc' 64 'revoke of what? One of:' 'weft access revoke' 'weft agent revoke'
row "a noun alone" '"$WEFT" access' 64 'access what? One of:' 'weft access list'
row "a mistyped command" '"$WEFT" proudcts' 64 'unknown command "proudcts" (did you mean "products"?)'
row "a mistyped noun" '"$WEFT" acces list' 64 'unknown command "acces" (did you mean "access list"?)'
row "a mistyped option" '"$WEFT" products --domian servers' 64 'unknown option --domian (did you mean --domain?); see: weft products --help'
row "an option before the command" '"$WEFT" -o json products' 64 'unknown option -o; a command comes first'
row "help on a command" '"$WEFT" help access grant' 0 'Usage: weft access grant PRODUCT'
row "help on none" '"$WEFT" help acces list' 64 'did you mean "access list"?'
row "a mistyped product" '"$WEFT" describe servers/dpeth --dir reader' 1 'servers/dpeth: no such product is known here (did you mean servers/depth?)' 'weft products --domain servers'
row "a product of another domain" '"$WEFT" describe other/depth --dir reader' 1 '(did you mean servers/depth?)'
row "a mistyped domain" '"$WEFT" describe server/depth --dir reader' 1 '(did you mean servers/depth?)' '  weft products'
row "a product that is like none" '"$WEFT" describe servers/nothing-like-it --dir reader' 1 'servers/nothing-like-it: no such product is known here'
row "a product without its domain" '"$WEFT" subscribe depth --dir reader' 65 '"depth" is not DOMAIN/PRODUCT[@MAJOR]' 'weft products'
row "a token's file that is not there" '"$WEFT" access show nowhere.cap --dir reader' 65 'nowhere.cap: there is no such file, and it is not DOMAIN/PRODUCT'
row "a ticket's file as the ticket" '"$WEFT" join depth.yaml --dir fresh' 65 'depth.yaml is a file, and no ticket itself; try: weft join --file depth.yaml'
row "the monitor's configuration that is not there" '"$MONITOR" run --dir reader --config nowhere.yaml --db fresh' 78 'nowhere.yaml: cannot open'
row "YAML that is none" '"$WEFTD" -c broken.yaml' 78 'broken.yaml:2:1: '
row "a configuration that is not there" '"$WEFTD" -c nothing.yaml' 78 'nothing.yaml'
sed 's/^kind: event/kind: evnt/; s/^freshness:/freshnes:/' depth.yaml >wrong.yaml
row "manifest with two errors" '"$WEFT" product apply wrong.yaml' 78 \
    'wrong.yaml:2:7: want metric, event, inventory or api, not "evnt" (did you mean "event"?)' 'wrong.yaml:9:1: unknown key "freshnes"'
sed 's/depth.proto/typo.proto/; s/^name: depth/name: typo/' depth.yaml >typo.yaml
sed 's/double value/doubel value/' depth.proto >typo.proto
row "schema that protoc refuses" '"$WEFT" product build typo.yaml' 78 'typo.proto:6:3: "doubel" is not defined.' 'protoc refuses it'
row "manifest without its schema" '"$WEFT" product apply typo.yaml' 78 'no descriptor set at' 'weft product build typo.yaml'
head -c 60 depth.desc >torn.desc
sed 's/proto: depth.proto, /descriptor: torn.desc, /' depth.yaml >torn.yaml
row "descriptor set cut off" '"$WEFT" product apply torn.yaml' 78 'torn.desc: the schema does not compile' 'truncated'
sed 's/depth.v1.Record/depth.v1.Nothing/' depth.yaml >nothing-in-it.yaml
row "message that the schema lacks" '"$WEFT" product apply nothing-in-it.yaml' 78 'the schema has no message depth.v1.Nothing'
"$WEFT" product new gauge --kind metric >/dev/null && "$WEFT" product build gauge.yaml >/dev/null 2>&1
[ "$("$WEFT" product check gauge.yaml 2>&1)" = "gauge.yaml: metric gauge 1.0.0 is fine" ] || fail "a new metric is not fine: $("$WEFT" product check gauge.yaml 2>&1)"
sed 's/^kind: event/kind: metric/' depth.yaml >metric.yaml
row "a metric without a value" '"$WEFT" product check metric.yaml' 0 'metric.yaml: no field of depth.v1.Record has the role of a value' 'ROLE_GAUGE' 'is fine'

echo "values of options mean what they say, or nothing"
row "a life of no time" '"$WEFT" access grant depth --to "$(id_of other)" --verb subscribe --for 0s' 64 '--for 0s: a duration of at least 1s, such as'
row "a rate that is none" '"$WEFT" access grant depth --to "$(id_of other)" --verb subscribe --rate x' 64 '--rate x: a number from 1 on'
row "no record at all" '"$WEFT" subscribe servers/depth --dir reader -n 0' 64 '--count 0: a number from 1 on'
row "lines that are no number" '"$WEFT" log show depth --dir servers-node --limit x' 64 '--limit x: a number of lines'
row "whole, of a product that is not there" '"$WEFT" log verify depht --dir servers-node' 1 'depht: nothing of it was ever appended here'
row "a format of other commands" '"$WEFT" describe servers/depth --dir reader -o csv' 64 '-o takes table, json or jsonl, not "csv"'
row "a file that is not there" '"$WEFT" join --file nowhere --dir fresh' 1 'nowhere: cannot open: No such file'
open_key() { chmod 644 other/identity/node.key && got=0 && { "$WEFT" products --dir other || got=$?; } && chmod 600 other/identity/node.key && return $got; }
row "a key that others may read" open_key 77 'other/identity/node.key: mode 0644 lets others read a secret; run: chmod go='
touch there.cap there.charter
row "a token over another file" '("$WEFT" access grant depth --to "$(id_of other)" --verb subscribe --out there.cap; s=$?; [ ! -s there.cap ] && exit $s)' 1 'there.cap is there already: name another file, or --yes replaces it'
row "a charter over another one" '("$WEFT" mesh init again --domain other-root --out there.charter; s=$?; [ ! -s there.charter ] && exit $s)' 1 'there.charter is there already'
row "a proposal over one that others signed" '("$WEFT" charter propose --domain servers-root --dir servers-node --out there.charter; s=$?; [ ! -s there.charter ] && exit $s)' 1 'there.charter is there already'
row "a failure, for a program" '"$WEFT" describe servers/nothing --dir reader -o json 2>/dev/null' 1 \
    '{"schema":"weft.problem/v1","error":"NOT_FOUND","exit":1,"text":"servers/nothing: no such product is known here","hint":"weft products --domain servers"}'
row "the monitor's order of lines" '"$MONITOR" top --sort lags' 64 '--sort lags: want name, records, lag, age or delay'
row "the monitor's help" '"$MONITOR" status -h' 0 'Usage: weft-monitor run'

echo "records"
publish() { printf '%s\n' "$1" | "$WEFT" publish depth; }
row "JSON of another type" 'publish "{\"id\":\"a\",\"value\":{\"x\":1}}"' 65 'line 1: value: expected a number, got an object'
row "field that is not there" 'publish "{\"id\":\"a\",\"depht\":1}"' 65 'line 1: depht: depth.v1.Record has no such field'
row "JSON cut off" 'publish "{\"id\":\"a\","' 65 'line 1: '
row "product that is not there" 'publish_to() { "$WEFT" publish depht; }; publish_to' 1 'no product depht'

echo "tokens"
for kind in good delegated expired widened reordered truncated; do bad_token $kind servers-node; done
mv good.cap hand.cap
"$BUILD/tests/e2e/bad_token" good "$WORK/other-node/data" reader other >foreign.cap
head -c 300 hand.cap >cut.cap
weft_at other-node product apply depth.yaml >/dev/null 2>&1 || true
row "expired" '"$WEFT" access import expired.cap --dir reader' 77 'the token for servers has expired' 'weft access request'
row "wider than the block before" '"$WEFT" access import widened.cap --dir reader' 77 "widened.cap: not a valid token" "block 1: 'verbs' grants more than block 0"
row "blocks in another order" '"$WEFT" access import reordered.cap --dir reader' 65 'block 1 does not follow block 0' 'ask whoever sent it'
row "cut off within" '"$WEFT" access import truncated.cap --dir reader' 65 'truncated.cap: not a valid token' 'truncated'
row "text cut off" '"$WEFT" access import cut.cap --dir reader' 65 'cut.cap: not a valid token' 'checksum'
row "by an issuer of no member" '"$WEFT" access import foreign.cap --dir reader' 77 'token for other: broken certificate chain'
row "somebody else's" '"$WEFT" access import hand.cap --dir other' 77 'was granted to' 'this identity is' 'weft key show'
"$WEFT" access import delegated.cap --dir reader >/dev/null || fail "a delegated token that is right"

echo "meshes and tickets"
row "another mesh's charter" '"$WEFT" charter commit elsewhere.charter' 77 'first charter of another mesh, "elsewhere"; here is "acme"'
elsewhere=$(weft_at other-node ticket create --kind user --name stranger)
row "another mesh's ticket for an identity" '"$WEFT" join "$elsewhere" --dir other' 1 'has joined already, as servers/other'
genesis=$(cat servers-node/data/identity/mesh)
mkdir pinned
cp -r other-node/data pinned/
row "pinning a second mesh" '"$WEFT" mesh join --genesis "$genesis" --charter acme.charter --dir pinned' 77 'mesh'
used=$(weft_at servers-node ticket create --kind user --name once)
"$WEFT" join "$used" --dir once >/dev/null
row "a used ticket, by a second key" '"$WEFT" join "$used" --dir fresh' 77 'not joined: 127.0.0.1:' 'ticket used up'
row "a ticket cut off" '"$WEFT" join "${used%????}" --dir fresh' 65 'no whole ticket'

echo "ports and directories"
mkdir twin
cp -r servers-node/data twin/
sed "s/^http:.*/http: off/" servers-node/weftd.yaml >twin/weftd.yaml
row "a port in use" '(cd twin && timeout 60 "$WEFTD" -c weftd.yaml)' 69 "listen: 127.0.0.1:$port: in use" 'weftd.yaml'
sed "s/^listen:.*/listen: 127.0.0.1:0/; s/^http:.*/http: off/; s,^socket:.*,socket: run2/weftd.sock," servers-node/weftd.yaml >servers-node/second.yaml
row "two weftds on one directory" '(cd servers-node && timeout 60 "$WEFTD" -c second.yaml)' 69 'another weftd (process' 'works on this directory' 'name another one in weftd.yaml'
sed "s/^listen:.*/listen: 127.0.0.1:0/; s/^name:.*/name: node-9/; s/^http:.*/http: off/" servers-node/weftd.yaml >twin/weftd.yaml
row "a directory of another name" '(cd twin && timeout 60 "$WEFTD" -c weftd.yaml)' 78 'belongs to node-1, the configuration says node-9' 'a data: of its own'
sed -i "s/^name:.*/name: node-1/" twin/weftd.yaml
rm -r twin/data/log
cp -r other-node/data/log twin/data/log
row "another node's log" '(cd twin && timeout 60 "$WEFTD" -c weftd.yaml)' 78 'stream: ' 'foreign state directory' 'never copy one'
row "no identity at all" 'mkdir -p bare && printf "role: agent\ndata: data\nsocket: run/weftd.sock\n" >bare/weftd.yaml && (cd bare && timeout 60 "$WEFTD" -c weftd.yaml)' 78 'holds no identity; see: weft join'

echo "another user's socket"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    chmod 711 "$WORK"
    reachable=$(mktemp -d)
    chmod 755 "$reachable"
    cp "$WEFT" "$reachable/weft"
    as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups env -u WEFT_SOCKET HOME=/nonexistent "$reachable/weft" "$@" --socket "$WORK/servers-node/run/weftd.sock"; }
    row "status, behind a private directory" 'as_nobody node status' 77 'belongs to another user: user 65534 may not open it' 'local: in weftd.yaml'
    row "discovery, behind a private directory" 'as_nobody products' 77 'belongs to another user: user 65534 may not open it'
    chmod 711 servers-node
    chmod 755 servers-node/run
    chmod 666 servers-node/run/weftd.sock
    row "status, of a socket that is open" 'as_nobody node status' 77 "uid 65534 may not 'read' here; weftd.yaml's local: decides"
    row "publishing, to a socket that is open" 'as_nobody publish depth' 77 "uid 65534 may not 'publish' here"
    rm -r "$reachable"
else
    echo "not as root: the rows of another user are left out"
fi

echo "what is right still works"
publish '{"id":"a","value":1}' 2>/dev/null || fail "publish"
"$WEFT" subscribe servers/depth --dir reader --from earliest -n 1 --for 60s >out 2>/dev/null || fail "subscribe"
grep -q '"value":1' out || fail "the record did not come back"
echo "$rows rows, each refused with its place and reason, nothing changed"

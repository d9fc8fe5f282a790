#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What commands say of what they did: to programs an object, never success with a lost answer, and a word where nothing fits what was asked.
# shellcheck disable=SC2034,SC2015,SC2016 # for lib.sh; fail ends the test; words of an inner shell
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

command -v protoc >/dev/null || skip "protoc is not here"

said() { # WHAT STATUS COMMAND...: its exit status; $out and $err are what it said
    what=$1 want=$2 got=0
    shift 2
    "$@" >"$WORK/out" 2>"$WORK/err" || got=$?
    [ "$got" -eq "$want" ] || fail "$what exits $got, not $want: $(cat "$WORK/out" "$WORK/err")"
}
has() { # FILE TEXT
    grep -qF -- "$2" "$WORK/$1" || fail "$what: no '$2' in: $(cat "$WORK/out" "$WORK/err")"
}
an_object() { # SCHEMA: all of standard output is JSON, and its last line is of that schema
    python3 -B -c 'import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
sys.exit(not rows or rows[-1]["schema"] != sys.argv[2])' "$WORK/out" "$1" || fail "$what: no $1: $(cat "$WORK/out")"
}

cd "$WORK" || exit 1
say_wrong='weft.problem/v1'

echo "== domains, nodes and charters"
said "domain init" 0 "$WEFT" domain init north --dir north-root --no-passphrase -o json && an_object weft.domain-init/v1
has out '"key":"north-root/root.key","passphrase":false,"file":"north-root/north.weftdomain"'
said "domain init of a second" 0 "$WEFT" domain init south --dir south-root --no-passphrase -o jsonl && an_object weft.domain-init/v1
for d in north south; do
    said "node init of $d" 0 "$WEFT" node init --domain $d-root --dir $d-node --listen 127.0.0.1:0 -o json && an_object weft.node-init/v1
    has out "\"domain\":\"$d\",\"name\":\"node-1\"" && has out "\"config\":\"$d-node/weftd.yaml\",\"again\":false"
done
said "mesh init" 0 "$WEFT" mesh init polar --domain north-root --out 1.charter -o json && an_object weft.mesh-init/v1
has out '"file":"1.charter","mesh":"polar","mesh_id":"weftmesh1' && has out '"version":1,"signed":1,"members":1,"quorum":1,"in_force":null'
mesh_id=$(sed 's/.*"mesh_id":"\([a-z0-9]*\)".*/\1/' "$WORK/out")
said "charter commit" 0 "$WEFT" charter commit 1.charter --dir north-node -o json && an_object weft.charter-commit/v1 && has out '"in_force":1'
said "mesh show" 0 "$WEFT" mesh show --dir north-node -o json && an_object weft.charter/v1
said "charter propose" 0 "$WEFT" charter propose --add south-root/south.weftdomain --domain north-root --dir north-node --out 2.charter -o json
an_object weft.charter-propose/v1 && has out "\"mesh_id\":\"$mesh_id\",\"version\":2,\"signed\":1,\"members\":2,\"quorum\":2,\"in_force\":null"
said "charter sign" 0 "$WEFT" charter sign 2.charter --domain south-root -o json && an_object weft.charter-sign/v1 && has out '"signed":2,"members":2'
said "mesh join" 0 "$WEFT" mesh join --genesis "$mesh_id" --charter 1.charter --charter 2.charter --dir south-node -o json
an_object weft.mesh-join/v1 && has out "\"mesh\":\"polar\",\"mesh_id\":\"$mesh_id\",\"version\":2"
"$WEFT" domain init west --dir west-root --no-passphrase >/dev/null
"$WEFT" node init --domain west-root --dir west-node --listen 127.0.0.1:0 >/dev/null
said "mesh init into a node" 0 "$WEFT" mesh init wild --domain west-root --node west-node -o json && an_object weft.mesh-init/v1
has out '"file":"wild.charter"' && has out '"in_force":1' && [ "$(wc -l <"$WORK/out")" -eq 1 ] || fail "$what: $(cat "$WORK/out")"

make_mesh servers
said "charter commit to a weftd" 0 weft_at servers-node charter commit acme.charter -o json && an_object weft.charter-commit/v1
has out '"in_force":1' && [ "$(wc -l <"$WORK/out")" -eq 1 ] || fail "$what: $(cat "$WORK/out")"

echo "== products and configurations"
said "product new" 0 "$WEFT" product new depth --kind event -o json && an_object weft.product-new/v1
sed -i 's/domain: monitoring/domain: servers/' depth.yaml
said "check before build" 78 "$WEFT" product check depth.yaml -o json
has out '"rows":[{"file":"depth.yaml","product":"depth","kind":"event","version":"1.0.0","fine":false}]' && an_object $say_wrong
said "product build" 0 "$WEFT" product build depth.yaml -o json && an_object weft.product-build/v1
said "product check" 0 "$WEFT" product check depth.yaml -o json && an_object weft.product-check/v1 && has out '"fine":true'
said "product apply" 0 weft_at servers-node product apply depth.yaml -o json && an_object weft.product-apply/v1
has out '"product":"depth","change":"servers/depth 1.0.0 is new (event)"'
sed 's/^kind:.*/kind: evnt/' depth.yaml >wrong.yaml
said "a wrong manifest" 78 "$WEFT" product check wrong.yaml -o json
has out '"fine":false' && has out 'wrong.yaml:2' && an_object $say_wrong
said "config check" 0 "$WEFT" config check --dir servers-node -o json && an_object weft.config-check/v1
echo "lisen: x" >wrong-conf.yaml
said "a wrong configuration" 78 "$WEFT" config check wrong-conf.yaml -o json && an_object $say_wrong

echo "== people"
ticket=$(weft_at servers-node ticket create --kind user --name ann)
said "join" 0 "$WEFT" join "$ticket" --dir ann -o json && an_object weft.join/v1 && has out '"domain":"servers","name":"ann","kind":"user"'
said "a used ticket" 77 "$WEFT" join "$ticket" --dir other -o json && an_object $say_wrong && has err 'not joined: '
ann=$("$WEFT" key show ann -o json | grep -o 'weftid1[a-z0-9]*' | head -n 1)

echo "== tokens"
said "grant of query" 0 weft_at servers-node access grant depth --to "$ann" --verb query --for 1h --out token -o json
an_object weft.access-token/v1 && has out '"file":"token"' && has err 'query is for inventories; servers/depth is an event'
said "grant of subscribe" 0 weft_at servers-node access grant depth --to "$ann" --verb subscribe --for 1h -o json
an_object weft.access-token/v1 && has out '"token":"weftcap1' && ! grep -q note "$WORK/err" || fail "a note where nothing is odd: $(cat "$WORK/err")"
said "import" 0 "$WEFT" access import token --dir ann -o json && an_object weft.access-import/v1 && has out '"file":"ann/tokens/'
id=$(sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' "$WORK/out")
said "revoke" 0 weft_at servers-node access revoke "$id" -o json && an_object weft.access-decision/v1 && has out "\"decision\":\"revoked\",\"id\":\"$id\""

echo "== nobody takes what is said"
for of in 'node status -o json' 'ticket create --kind user --name lost' 'access list'; do
    got=0
    # shellcheck disable=SC2086 # words of a command
    weft_at servers-node $of >/dev/full 2>"$WORK/err" || got=$?
    [ "$got" -eq 69 ] && grep -q 'standard output could not be written' "$WORK/err" || fail "$of on a full disk exits $got: $(cat "$WORK/err")"
done
"$WEFT" product check depth.yaml >/dev/full 2>/dev/null && fail "product check on a full disk is success"

echo "== nothing fits"
seq 1 5 | sed 's/.*/{"id":"a","value":&}/' | weft_at servers-node publish depth --wait -q
said "a place behind the head" 0 weft_at servers-node log show depth --from 5000 && has err 'nothing of depth fits what was asked'
said "an origin that said nothing" 0 weft_at servers-node log show depth --origin web-9 && has err 'nothing of depth fits what was asked'
said "what is there" 0 weft_at servers-node log show depth && [ ! -s "$WORK/err" ] || fail "$what: $(cat "$WORK/err")"
"$WEFT" join "$(weft_at servers-node ticket create --kind user --name bob)" --dir bob >/dev/null
# A rule that gives subscribe alone: what is kept is in it, also for who asks for nothing else, and has no token yet.
said "the history" 0 "$WEFT" subscribe servers/depth --history --dir bob -q && [ "$(wc -l <"$WORK/out")" -eq 5 ] || fail "$what: $(cat "$WORK/out")"
said "a place that does not exist yet" 75 "$WEFT" subscribe servers/depth --from 5000 --for 2s --dir bob -o json
has err 'note: servers/depth: nothing is at offset 5000 yet: the head is 5' && an_object $say_wrong && has out 'the head was 5'
said "history that does not exist yet" 75 "$WEFT" subscribe servers/depth --from 5000 --history --dir bob && has err 'nothing is at offset 5000 yet'
said "the head itself" 0 "$WEFT" subscribe servers/depth --from 5 --for 1s --dir bob && [ ! -s "$WORK/out" ] || fail "$what: $(cat "$WORK/out")"
said "what is at an offset" 0 "$WEFT" subscribe servers/depth --from 3 --history --dir bob -q && [ "$(wc -l <"$WORK/out")" -eq 2 ] || fail "$what: $(cat "$WORK/out")"
said "a cursor that is not there" 0 "$WEFT" subscribe servers/depth --from cursor:mistyped --history -n 1 --dir bob
has err 'no place is kept in mistyped yet: from the earliest record on'
echo garbage >damaged
said "a damaged cursor" 65 "$WEFT" subscribe servers/depth --cursor damaged --dir bob && has err 'damaged:1: not a line of a cursor'
said "a wrong record" 65 sh -c 'echo "{\"idd\":1}" | "$0" publish depth --dir servers-node -o json' "$WEFT" && an_object $say_wrong && has out 'has no such field'

echo "== a product that says nothing"
weft_at servers-node node status -o json | grep -q '"product":"depth".*"silent":false' || fail "silent at once: $(weft_at servers-node node status)"
sed -i 's/^freshness:.*/freshness: 1s/' depth.yaml
weft_at servers-node product apply depth.yaml >/dev/null
silent() { weft_at servers-node node status -o json | grep -q '"product":"depth","state":"up",[^}]*"silent":true'; }
until_ok silent
weft_at servers-node top --once | grep -q 'depth .*SILENT' || fail "top and node status differ"

echo "== who waits is told for what"
mkfifo in
weft_at servers-node publish depth --wait <in 2>waiting &
publisher=$!
exec 3>in
echo '{"id":"a","value":6}' >&3
until_ok head_beyond servers-node depth 5
kill -STOP "$(cat servers-node.pid)"
echo '{"id":"a","value":7}' >&3
exec 3>&-
until_ok grep -q 'weft: waiting: depth: 1 records' waiting
kill -CONT "$(cat servers-node.pid)"
wait $publisher || fail "publish: $(cat waiting)"
until_ok head_beyond servers-node depth 6
echo "== a log in JSON, whoever says it"
stop servers-node
echo 'log: {format: json}' >>servers-node/weftd.yaml
printf 'wfI1 half an item' >>"$(find servers-node/data/log -name '*.seg' | sort | tail -n 1)"
rm servers-node.log
log_has() { grep -qF -- "$1" servers-node.log; }
start servers-node
until_ok weft_at servers-node node status
log_has '"room":"log"' || fail "no word of the torn tail: $(cat servers-node.log)"
(cd servers-node && "$WEFTD" -c weftd.yaml) >>servers-node.log 2>&1 && fail "two weftds on one directory"
log_has '"todo":"stop what uses it' || fail "no word of the other weftd: $(cat servers-node.log)"
cp servers-node/weftd.yaml kept.yaml
echo 'lisen: x' >>servers-node/weftd.yaml
kill -HUP "$(cat servers-node.pid)"
until_ok log_has 'the old configuration stays'
log_has 'unknown key' || fail "no word of the mistake: $(cat servers-node.log)"
mv kept.yaml servers-node/weftd.yaml
stop servers-node
dd if=/dev/zero of=servers-node/data/calls.db bs=4096 seek=1 count=1 conv=notrunc 2>/dev/null
got=0
(cd servers-node && "$WEFTD" -c weftd.yaml) >>servers-node.log 2>&1 || got=$?
[ "$got" -eq 65 ] && log_has 'data/calls.db: ' && log_has 'weft node restore' || fail "a damaged calls.db: $got, $(tail -n 3 servers-node.log)"
python3 -B -c 'import json, sys
for line in open(sys.argv[1]):
    said = json.loads(line)
    assert {"level", "room", "msg"} <= said.keys(), line' servers-node.log || fail "not all of it is JSON: $(cat servers-node.log)"
echo "every command said what it did"

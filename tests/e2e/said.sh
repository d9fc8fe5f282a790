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

make_mesh servers
cd "$WORK" || exit 1
say_wrong='weft.problem/v1'

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
echo "every command said what it did"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# weft log on a node's and an agent's own stores: beside a running weftd and without one, with and without the keys, whole and damaged.
# What verify names is what readers then miss, and it changes nothing.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

log_of() { # NODE VERB...: into $WORK/out and $WORK/err; $got is its status
    got=0
    weft_at "$1" log "${@:2}" >"$WORK/out" 2>"$WORK/err" || got=$?
}
expect() { # STATUS PATTERN...: of the last log_of
    [ "$got" -eq "$1" ] || fail "status $got, not $1: $(cat "$WORK/out" "$WORK/err")"
    for pattern in "${@:2}"; do
        cat "$WORK/out" "$WORK/err" | grep -q "$pattern" || fail "no '$pattern' in: $(cat "$WORK/out" "$WORK/err")"
    done
}
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }
files_hash() { (cd "$WORK/$1/data" && find log -type f -exec sha256sum {} + | sort); }

make_mesh servers
make_event servers-node depth
(cd "$WORK" && "$WEFT" product new secret --kind event >/dev/null)
sed -i "s/domain: monitoring/domain: servers/; s/^classification:.*/classification: confidential/" "$WORK/secret.yaml"
"$WEFT" product build "$WORK/secret.yaml" >/dev/null
weft_at servers-node product apply "$WORK/secret.yaml" >/dev/null
make_reader servers-node reader
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)" 'sources: {enabled: off}'
start web-1
for p in depth secret; do until_ok has_manifest web-1 $p; done

echo "beside a running node: entries, places, limits, statistics"
for from in 1 21 41; do say servers-node depth $from $((from + 19)); done
say web-1 depth 61 80
say servers-node secret 1 5
until_ok head_beyond servers-node depth 79
log_of servers-node show depth -o jsonl
expect 0 '"kind":"reset"' '"origin":"servers/node-1"' '"origin":"servers/web-1"'
[ "$(grep -c '"kind":"data"' "$WORK/out")" -ge 4 ] || fail "too few entries: $(cat "$WORK/out")"
log_of servers-node show servers/depth --from 25 --to 41 -o jsonl
expect 0
[ "$(field offset <"$WORK/out" | sort -n | head -n 1)" -le 25 ] || fail "not from 25: $(cat "$WORK/out")"
[ "$(field offset <"$WORK/out" | sort -n | tail -n 1)" -lt 41 ] || fail "not up to 41: $(cat "$WORK/out")"
log_of servers-node show depth --from 2100-01-01T00:00:00Z
expect 0
[ "$(wc -l <"$WORK/out")" -le 1 ] || fail "entries of the future: $(cat "$WORK/out")"
log_of servers-node show depth --limit 2
expect 0 '2 shown, more follow: --from'
log_of servers-node show nothing
expect 1 'nothing of it was ever appended here'
log_of servers-node show depth --from soon
expect 64 'expected an offset or a time'
log_of servers-node verify
expect 0 'whole' 'in use'
log_of servers-node stats depth -o jsonl
expect 0 '"records":80' '"head":80' '"missing":0' '"ratio":' '"keepSeconds":604800'

echo "the records themselves: from the very offset, up to a place, of one origin, a limit that says where it goes on"
log_of servers-node show depth --records --limit 0 -o jsonl
expect 0 '"schema":"weft.log.record/v1".*"product":"servers/depth@1","offset":0,"time":"20.*"origin":"servers/node-1","seq":0,"op":"put","record":{"id":"a","value":1' '"kind":"reset"'
[ "$(numbers "$WORK/out")" = "$(seq 1 80 | tr '\n' ' ')" ] || fail "records: $(numbers "$WORK/out")"
log_of servers-node show depth --records --from 25 --to 41 -o jsonl
expect 0
[ "$(numbers "$WORK/out")" = "$(seq 26 41 | tr '\n' ' ')" ] || fail "offsets 25 to 41: $(numbers "$WORK/out")"
for origin in web-1 servers/web-1; do
    log_of servers-node show depth --records --origin $origin -o jsonl
    [ "$(numbers "$WORK/out")" = "$(seq 61 80 | tr '\n' ' ')" ] || fail "of $origin: $(cat "$WORK/out")"
done
if grep -q reset "$WORK/out"; then fail "a reset has no origin"; fi
log_of servers-node show depth --records --from 30 --limit 5
expect 0 '{"id":"a","value":31' '5 shown, more follow: --from 35'
log_of servers-node stats depth
expect 0 'syncs since weftd started: half took at most [0-9.]* ms, 99% at most [0-9.]*, the longest [0-9.]*; half covered at most'
log_of servers-node stats -o jsonl
expect 0 '"schema":"weft.log.syncs/v1","store":"[^"]*log/default","syncs":[1-9]'

echo "an agent's spool, while its node is away"
stop servers-node
say web-1 depth 81 90
log_of web-1 show depth
expect 0 'servers/web-1'
log_of web-1 show depth --records -o jsonl
expect 0 '"op":"put","record":{"id":"a","value":81'
log_of web-1 verify
expect 0 'data/spool: whole' 'in use'
log_of web-1 stats -o jsonl
expect 0 '"spool":true' '"product":"servers/depth@1"' '"records":10'
stop web-1
log_of web-1 verify
expect 0 'data/spool: whole'

echo "sealed records open with the node's key alone"
log_of servers-node show secret -o jsonl
expect 0 '"sealed":true' '"kind":"data"'
log_of servers-node show secret --records -o jsonl
[ "$(numbers "$WORK/out")" = "1 2 3 4 5 " ] || fail "with the key: $(cat "$WORK/out")"
log_of servers-node stats
if grep -q 'syncs since' "$WORK/out"; then fail "nobody runs who could say it"; fi
mv "$WORK/servers-node/data/identity/storage.key" "$WORK/storage.key"
log_of servers-node show secret -o jsonl
expect 0 '"kind":"sealed","why":"no storage key here"'
if grep -q '"kind":"data"' "$WORK/out"; then fail "a sealed entry opened without its key"; fi
log_of servers-node show secret --records -o jsonl
expect 0 '"kind":"sealed","why":"no storage key here"'
if grep -q 'weft.log.record' "$WORK/out"; then fail "a sealed record was read without its key"; fi
log_of servers-node verify
expect 0 'whole' 'sealed ones not opened'
mv "$WORK/storage.key" "$WORK/servers-node/data/identity/storage.key"

echo "a schema that is not here: said in each record's place, with its bytes"
mv "$WORK/servers-node/data/documents" "$WORK/documents"
log_of servers-node show depth --records --limit 3 -o jsonl
expect 0 '"op":"put","why":"its schema is not here","bytes":"CgFh' # id: "a"
mv "$WORK/documents" "$WORK/servers-node/data/documents"

echo "a damaged entry: named with segment, place and offsets; nothing is changed; readers miss exactly that"
segment=$(find "$WORK/servers-node/data/log/default" -name '*.seg')
weft_at servers-node log show depth --from 25 --limit 1 -o jsonl >"$WORK/entry" 2>/dev/null
first=$(field offset <"$WORK/entry") lost=$(field records <"$WORK/entry") # a busy machine sends twenty records in more than one batch
after=$((first + lost))
if [ "$first" -gt 25 ] || [ "$after" -le 25 ]; then fail "the entry at 25: $(cat "$WORK/entry")"; fi
cat >"$WORK/flip.py" <<'PY'
import sys
path, at = sys.argv[1], int(sys.argv[2])
with open(path, "r+b") as f:
    f.seek(at)
    byte = f.read(1)[0]
    f.seek(at)
    f.write(bytes([byte ^ 4]))
PY
place=$(python3 - "$segment" "$first" "$lost" <<'PY'
import struct, sys
data, first_is, count_is = open(sys.argv[1], "rb").read(), int(sys.argv[2]), int(sys.argv[3])
at, found = 4368, []
while at + 96 <= len(data):
    length, kind, count, first = struct.unpack_from(">I", data, at + 4)[0], data[at + 8], *struct.unpack_from(">IQ", data, at + 12)
    if kind < 0xf0 and first == first_is and count == count_is:
        found.append(at)
    at += 96 + length
print(found[0])
PY
)
python3 "$WORK/flip.py" "$segment" $((place + 300))
before=$(files_hash servers-node)
log_of servers-node verify -o jsonl
expect 1 "\"problem\":\"item\",\"damage\":true,\"segment\":\"0000000000000001\",\"at\":$place," '"problem":"lost"' '"whole":false'
grep '"problem":"lost"' "$WORK/out" | grep -q '"product":"servers/depth@1","first":'"$first,\"end\":$after" || fail "lost: $(cat "$WORK/out")"
[ "$(grep -c '"damage":true' "$WORK/out")" -eq 2 ] || fail "more is named than there is: $(cat "$WORK/out")"
log_of servers-node verify secret
expect 0 whole # of that product nothing is lost
log_of servers-node show depth -o jsonl
expect 0 "\"offset\":$first,\"records\":$lost,\"sealed\":false,\"kind\":\"gap\",\"why\":\"damaged\""
log_of servers-node stats depth -o jsonl
expect 0 "\"missing\":$lost,"
[ "$before" = "$(files_hash servers-node)" ] || fail "a look changed the files"
start servers-node
until_ok weft_at servers-node node status
got=0
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -n $((80 - lost)) --for 20s --stats -o jsonl >"$WORK/read" 2>"$WORK/read.err" || got=$?
[ "$(numbers "$WORK/read")" = "$( (seq 1 "$first" && seq $((after + 1)) 80) | tr '\n' ' ')" ] || fail "read: $(numbers "$WORK/read")"
grep -q "^lost: $lost records, offsets $first to $((after - 1))" "$WORK/read.err" || fail "the reader was not told: $(cat "$WORK/read.err")"
stop servers-node

echo "a torn tail is told and is no damage; a store alone can be looked at, too"
cp -a "$WORK/servers-node/data/log/default" "$WORK/alone"
rm -f "$WORK/alone"/*.idx
python3 "$WORK/flip.py" "$WORK/alone/$(basename "$segment")" $((place + 300))
printf 'wfI1 half an item' >>"$(find "$WORK/alone" -name '*.seg' | sort | tail -n 1)"
got=0
"$WEFT" log verify --dir "$WORK/alone" >"$WORK/out" 2>"$WORK/err" || got=$?
expect 0 'torn-tail' 'whole' 'certificates not checked'
got=0
"$WEFT" log verify --dir "$WORK" >"$WORK/out" 2>"$WORK/err" || got=$?
expect 1 'holds no log'

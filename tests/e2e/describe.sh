#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A schema of several files, from the mesh back to files: --proto prints only what protoc takes, --proto-dir writes what compiles to the owner's
# descriptors with nothing else at hand, never over other content unasked, and nothing but .proto files below the folder that was named.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

command -v protoc >/dev/null || skip "protoc is not here"

product() { # NAME IMPORT TYPE: an event with one field of a message of another file
    (cd "$WORK" && "$WEFT" product new "$1" --kind event >/dev/null)
    sed -i '/^access:/,$d' "$WORK/$1.yaml"
    sed -i "s|^package .*|&\nimport \"weft/v1/options.proto\";\nimport \"$2\";|; s|^message Record {|&\n  $3 more = 40;|; \
        s|double value = 2|& [(weft.v1.unit) = \"s\"]|" "$WORK/$1.proto"
    (cd "$WORK" && "$WEFT" product build "$1.yaml" >/dev/null) || fail "build $1"
    weft_at servers-node product apply "$WORK/$1.yaml" >/dev/null || fail "apply $1"
    until_ok weft_at servers-node describe "servers/$1"
}
exits() { # STATUS TEXT COMMAND...
    wanted=$1 text=$2 got=0
    shift 2
    weft_at servers-node describe "$@" >"$WORK/out" 2>"$WORK/err" || got=$?
    [ "$got" -eq "$wanted" ] || fail "describe $*: $got, not $wanted: $(cat "$WORK/out" "$WORK/err")"
    grep -qF -e "$text" "$WORK/out" "$WORK/err" || fail "describe $*: no \"$text\": $(cat "$WORK/out" "$WORK/err")"
}
files() { (cd "$1" && find . -type f | sort | tr '\n' ' '); }

make_mesh servers
mkdir -p "$WORK/acme/parts" "$WORK/.config"
printf 'syntax = "proto3";\npackage acme.parts;\nimport "google/protobuf/duration.proto";\nmessage Wait {\n  google.protobuf.Duration took = 1;\n}\n' \
    >"$WORK/acme/parts/wait.proto"
printf 'syntax = "proto3";\npackage acme.parts;\nimport public "acme/parts/wait.proto";\nmessage Step {\n  repeated Wait waits = 1;\n}\n' \
    >"$WORK/acme/parts/step.proto"
printf 'syntax = "proto3";\npackage hidden;\nmessage Run {\n  string what = 1;\n}\n' >"$WORK/.config/run.proto"
cp "$WORK/.config/run.proto" "$WORK/run.desktop"

echo "one file is printed; several are refused with what to do, and nothing is printed"
(cd "$WORK" && "$WEFT" product new plain --kind event >/dev/null && sed -i '/^access:/,$d; s|^title:.*|title: "Plain \\u009b2J\\u202e"|' plain.yaml && "$WEFT" product build plain.yaml >/dev/null)
weft_at servers-node product apply "$WORK/plain.yaml" >/dev/null || fail "apply plain"
until_ok weft_at servers-node describe servers/plain

echo "what its owner wrote of it steers no terminal"
weft_at servers-node describe servers/plain >"$WORK/out" || fail "describe"
grep -qx 'Plain ?2J?' "$WORK/out" || fail "the title: $(cat -v "$WORK/out")"
weft_at servers-node products -o json >"$WORK/out" || fail "products"
grep -qF 'Plain \u009b2J\u202e' "$WORK/out" || fail "the title in JSON: $(cat -v "$WORK/out")"

echo "a program gets what its owner promises behind the fields, and what its service is"
exits 0 '"product":"servers/plain",' servers/plain -o json
python3 - "$WORK/out" <<'CHECK' || fail "in JSON: $(cat "$WORK/out")"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["schema"] == "weft.fields/v1" and [r["field"] for r in d["rows"]] == ["id", "value"], d
told = {k: d[k] for k in ("kind", "version", "class", "owner", "contact", "node", "state", "freshness_ms", "message")}
assert told == {"kind": "event", "version": "1.0.0", "class": "internal", "owner": "The team", "contact": "team@example.org",
                "node": "node-1", "state": "up", "freshness_ms": 60000, "message": "plain.v1.Record"}, told
assert d["schema_hash"].startswith("wefthash1") and d["signed"].endswith("Z") and d["keys"] == [] and "proto" not in d, d
CHECK
exits 0 'freshness  something new every 60 s' servers/plain
exits 0 '{"schema":"weft.describe/v1","product":"servers/plain",' servers/plain -o jsonl
[ "$(wc -l <"$WORK/out")" -eq 3 ] || fail "not a line and one for each field: $(cat "$WORK/out")"
(cd "$WORK" && "$WEFT" product new door --kind api >/dev/null && "$WEFT" product build door.yaml >/dev/null)
weft_at servers-node product apply "$WORK/door.yaml" >/dev/null || fail "apply door"
until_ok weft_at servers-node describe servers/door
exits 0 '"service":"door.v1.Api"' servers/door -o json
exits 0 'rpc Get(GetRequest) returns (GetReply);' servers/door -o json
exits 0 '{"schema":"weft.fields/v1","rows":[],' servers/door -o json

echo "and of its node: what it is, and where each product stands"
weft_at servers-node node status -o json >"$WORK/out" || fail "node status"
python3 - "$WORK/out" <<'CHECK' || fail "node status in JSON: $(cat "$WORK/out")"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["schema"] == "weft.node-status/v1" and d["mesh"] == "acme" and d["mesh_id"].startswith("weftmesh1") and d["version"], d
assert d["data"].endswith("/servers-node/data") and d["alarms"] == [], d
plain = [p for p in d["products"] if p["product"] == "plain"]
assert len(plain) == 1 and plain[0]["state"] == "up" and plain[0]["records"] == 0 and plain[0]["floor"] == 0, plain
CHECK

echo "a shell is offered what there is: products, by kind, and the domain's own"
offered() { "$WEFT" completion words -- "$@" --dir "$WORK/servers-node" "" | cut -f 1 | tr '\n' ' '; }
WEFT_DIR="$WORK/servers-node" "$WEFT" completion words -- describe servers/p >"$WORK/out"
grep -q '^servers/plain	Plain ?2J?$' "$WORK/out" || fail "describe: $(cat -v "$WORK/out")"
[ "$(offered call)" = "servers/door/ " ] || fail "call: $(offered call)"
case " $(offered publish) " in *" plain "*) ;; *) fail "publish: $(offered publish)" ;; esac

echo "applied again it says that nothing changes, and what is changed without another version, too"
[ "$(weft_at servers-node product apply -n "$WORK/door.yaml")" = "door: servers/door unchanged" ] || fail "a dry run of what is in force"
[ "$(weft_at servers-node product apply "$WORK/door.yaml")" = "door: servers/door unchanged" ] || fail "what is in force"
sed -i 's/^title:.*/title: Front door/' "$WORK/door.yaml"
[ "$(weft_at servers-node product apply -n "$WORK/door.yaml")" = "door: servers/door updated" ] || fail "another title"

mkdir "$WORK/printed"
weft_at servers-node describe servers/plain --proto >"$WORK/printed/plain.proto" || fail "--proto"
protoc -I "$WORK/printed" -I "$SHARE/proto" -o "$WORK/printed.set" plain.proto || fail "protoc refuses what --proto printed"
product steps acme/parts/step.proto acme.parts.Step
exits 64 "weft describe servers/steps --proto-dir DIR" servers/steps --proto
[ ! -s "$WORK/out" ] || fail "printed: $(cat "$WORK/out")"
exits 64 "give one of them" servers/steps --proto --proto-dir "$WORK/protos"

echo "the files compile by themselves, to what the owner applied"
exits 0 "written" servers/steps --proto-dir "$WORK/deep/protos"
want="./acme/parts/step.proto ./acme/parts/wait.proto ./steps.proto ./weft/v1/options.proto "
[ "$(files "$WORK/deep/protos")" = "$want" ] || fail "files: $(files "$WORK/deep/protos")"
(cd "$WORK/deep" && protoc -I protos --include_imports -o all.set steps.proto) || fail "protoc refuses the files"
"$WEFT" schema decode --descriptor "$WORK/deep/all.set" --message steps.v1.Record </dev/null >/dev/null || fail "decode"
protoc -I "$WORK" -I "$SHARE/proto" --include_imports -o "$WORK/own.set" steps.proto
cmp "$WORK/deep/all.set" "$WORK/own.set" || fail "other descriptors than the owner's"

echo "again: nothing changes; other content stops all, and --yes says what it replaced"
exits 0 "unchanged" servers/steps --proto-dir "$WORK/deep/protos"
if grep -q "written\|replaced" "$WORK/out"; then fail "$(cat "$WORK/out")"; fi
echo "// mine" >>"$WORK/deep/protos/acme/parts/wait.proto"
rm "$WORK/deep/protos/steps.proto"
exits 1 "wait.proto is there and has other content" servers/steps --proto-dir "$WORK/deep/protos"
grep -q "nothing was written" "$WORK/err" || fail "$(cat "$WORK/err")"
[ ! -e "$WORK/deep/protos/steps.proto" ] || fail "written all the same"
grep -q mine "$WORK/deep/protos/acme/parts/wait.proto" || fail "overwritten"
exits 0 "replaced" servers/steps --proto-dir "$WORK/deep/protos" --yes
if grep -q mine "$WORK/deep/protos/acme/parts/wait.proto"; then fail "not replaced"; fi
[ "$(files "$WORK/deep/protos")" = "$want" ] || fail "files: $(files "$WORK/deep/protos")"

echo "a schema writes .proto files alone: nothing hidden, nothing of another kind, nothing where a file stands in the way"
product sly .config/run.proto hidden.Run
exits 65 'a file ".config/run.proto"' servers/sly --proto-dir "$WORK/home"
product odd run.desktop hidden.Run
exits 65 'a file "run.desktop"' servers/odd --proto-dir "$WORK/home"
[ ! -e "$WORK/home" ] || fail "something was written: $(files "$WORK/home")"
mkdir "$WORK/blocked" && echo "a file" >"$WORK/blocked/acme"
got=0
weft_at servers-node describe servers/steps --proto-dir "$WORK/blocked" >"$WORK/out" 2>"$WORK/err" || got=$?
[ "$got" -ne 0 ] || fail "written below a file"
grep -q "blocked/acme" "$WORK/err" || fail "$(cat "$WORK/err")"
echo "done"

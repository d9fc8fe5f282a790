#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# stolen.sh BUILD: a copy of the monitor's identity directory (charters, certificate, tokens, seeds). Without its private key it opens nothing, also
# with another key in its place; with it, it reads what was granted and nothing else. What the monitor stored lies beside, as the file system protects
# it: the database is not sealed.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

refused() { # STATUS TEXT COMMAND...: ends with that status and says why
    want=$1 text=$2 got=0
    shift 2
    timeout 100 "$@" </dev/null >"$WORK/out" 2>"$WORK/err" || got=$?
    [ $got = "$want" ] || fail "status $got, wanted $want: $*: $(cat "$WORK/err")"
    grep -qE "$text" "$WORK/err" || fail "not \"$text\" but: $(cat "$WORK/err"): $*"
    [ ! -s "$WORK/out" ] || fail "something was shown: $(cat "$WORK/out"): $*"
}
monitor_knows() { [ "$(monitor_value watch "SELECT count(*) AS v FROM servers_granted")" = 3 ]; }

make_mesh servers
for product in granted other; do make_event servers-node $product; done
sed -i '/^access:/,$d' "$WORK/other.yaml"
weft_at servers-node product apply "$WORK/other.yaml" "$SHARE/products/servers/hosts.yaml" >/dev/null
for product in granted other; do
    for i in 1 2 3; do echo "{\"id\":\"a\",\"value\":$i}"; done | weft_at servers-node publish $product --wait -q
done
make_reader servers-node watch service
start_monitor watch --every 1 # gets its token
until_ok monitor_knows
stop monitor-watch
grep -q weftcap1 "$WORK"/watch/tokens/* || fail "the monitor keeps no token: nothing is proven"

# Every command that asks a node for anything.
commands=("subscribe servers/granted --from earliest -n 1" "subscribe servers/other --from earliest -n 1" "products" "describe servers/granted"
    "query servers/hosts SELECT+1" "call servers/api/List {}" "access request servers/other --verb subscribe --purpose x" "publish granted"
    "access explain servers/granted")
each_is_refused() { # STATUSES TEXT
    for command in "${commands[@]}"; do
        # shellcheck disable=SC2086 # a command line
        refused "$1" "$2" "$WEFT" ${command} --dir "$WORK/copy"
    done
    refused "$1" "$2" "$MONITOR" run --once --dir "$WORK/copy" --db "$WORK/stolen.db"
    refused "$1" "$2" "$MONITOR" verify --dir "$WORK/copy" --db "$WORK/watch.db"
}

echo "without the private key"
cp -r "$WORK/watch" "$WORK/copy"
rm "$WORK/copy/identity/node.key"
each_is_refused 78 "no identity|no weftd|holds no identity"

echo "with another private key in its place"
make_reader servers-node thief
cp "$WORK/thief/identity/node.key" "$WORK/copy/identity/node.key"
each_is_refused 78 "."

echo "with the private key: what was granted"
rm -rf "$WORK/copy"
cp -r "$WORK/watch" "$WORK/copy"
"$WEFT" subscribe servers/granted --from earliest -n 3 --for 60s --dir "$WORK/copy" >"$WORK/out" 2>"$WORK/err" || fail "a granted product: $(cat "$WORK/err")"
[ "$(wc -l <"$WORK/out")" = 3 ] || fail "not three records: $(cat "$WORK/out")"

echo "and nothing else"
refused 77 "servers/other subscribe" "$WEFT" subscribe servers/other --from earliest -n 1 --for 60s --dir "$WORK/copy"
refused 77 "servers/other" "$WEFT" subscribe servers/other --from latest -n 1 --for 60s --dir "$WORK/copy"
refused 77 "servers/hosts query" "$WEFT" query servers/hosts "SELECT 1" --dir "$WORK/copy"
refused 77 "servers/access" "$WEFT" subscribe servers/access --from earliest -n 1 --for 60s --dir "$WORK/copy"
refused 69 "no weftd" "$WEFT" ticket create --kind agent --name mine --dir "$WORK/copy"
refused 69 "no weftd" "$WEFT" access grant other --to "$("$WEFT" key show --dir "$WORK/thief" -o json | sed 's/.*"identity":"\([^"]*\)".*/\1/')" --verb subscribe --dir "$WORK/copy"

echo "and after its holder was revoked, nothing at all"
weft_at servers-node access revoke --holder "$("$WEFT" key show --dir "$WORK/watch" -o json | sed 's/.*"identity":"\([^"]*\)".*/\1/')" >/dev/null
refused 77 "revoked" "$WEFT" subscribe servers/granted --from earliest -n 1 --for 60s --dir "$WORK/copy"
echo ok

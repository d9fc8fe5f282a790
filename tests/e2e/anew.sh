#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The node with a domain's issuer is gone without a backup and made anew from the root. What was revoked before stays revoked: the new issuer decides
# nothing before it asked another node. With --now it asks nobody, and says so; a machine of a name that it never gave is replaced all the same.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

says() { weft_at "$1" node status | grep -q "$2"; }
waits() { says "$1" "made anew from the domain.s root: nothing is granted.*$2"; }
has_asked() { weft_at "$1" node status >"$WORK/status" && ! grep -q "made anew" "$WORK/status"; }
init_anew() { # DIRECTORY [OPTION...]
    dir=$1
    shift
    "$WEFT" node init --domain "$WORK/servers-root" --dir "$WORK/$dir" --name node-1 --listen 127.0.0.1:0 "$@" >/dev/null 2>"$WORK/out"
    grep -q 'had an issuer before' "$WORK/out" || fail "the root forgot its issuer: $(cat "$WORK/out")"
    printf 'streams: {ports: any}\n' >>"$WORK/$dir/weftd.yaml"
    "$WEFT" mesh join --genesis "$mesh" --charter "$WORK/acme.charter" --dir "$WORK/$dir" >/dev/null
}

make_mesh servers
mesh=$(cat "$WORK/servers-node/data/identity/mesh")
"$WEFT" join "$(weft_at servers-node ticket create --kind node --name node-2)" --dir "$WORK/servers-two" >/dev/null || fail "join"
sed -i 's/^listen:.*/listen: "127.0.0.1:0"\nstreams: {ports: any}\nhttp: off/' "$WORK/servers-two/weftd.yaml"
start servers-two
until_ok weft_at servers-two node status

echo "a reader's grant is revoked, and the issuer's node is gone"
make_event servers-two depth servers
until_ok weft_at servers-node describe servers/depth
make_reader servers-node rita
say servers-two depth 1 3
read_on rita depth 3
expect_read rita 1 3
rita=$("$WEFT" key show --dir "$WORK/rita" -o json | grep -o 'weftid1[a-z0-9]*' | head -n 1)
weft_at servers-node access revoke --holder "$rita" >/dev/null || fail "revoke"
is_refused() { ! "$WEFT" subscribe servers/depth --dir "$WORK/rita" --from earliest -n 1 --for 60s >"$WORK/out" 2>&1 && grep -qi 'revoked' "$WORK/out"; }
until_ok is_refused
printf '127.0.0.1:%s %s\n' "$(port_of servers-two)" "$(key_of servers-two)" >"$WORK/rita/seeds" # the other node, as somebody told her
{ stop servers-node KILL; } 2>/dev/null
rm -rf "$WORK/servers-node"

echo "made anew it knows nobody to ask: it waits, and says for whom"
init_anew servers-anew
start servers-anew
until_ok waits servers-anew "none is known"
got=0
weft_at servers-anew access revoke --holder "$rita" >"$WORK/out" 2>&1 || got=$?
[ "$got" -ne 0 ] || fail "it signed a list: $(cat "$WORK/out")"
stop servers-anew

echo "given a node it asks, and the revocation stands"
printf "seeds:\n  - {address: '127.0.0.1:%s', key: %s}\n" "$(port_of servers-two)" "$(key_of servers-two)" >>"$WORK/servers-anew/weftd.yaml"
start servers-anew
until_ok has_asked servers-anew
make_reader servers-anew rosa
until_ok weft_at servers-two describe servers/depth
read_on rosa depth 3
expect_read rosa 1 3
is_refused || fail "the new issuer took the revocation back: $(cat "$WORK/out")"

echo "with --now nobody is asked, and the status says so"
init_anew servers-now --now
start servers-now
until_ok says servers-now 'revoke it again'
weft_at servers-now access revoke --holder "$rita" >/dev/null || fail "--now waits"
stop servers-anew

echo "node-2 is gone, too: it is replaced by its name, which this issuer never gave"
{ stop servers-two KILL; } 2>/dev/null
ticket=$(weft_at servers-now node replace node-2 2>"$WORK/out") || fail "node replace: $(cat "$WORK/out")"
grep -q 'name node-2 is not known here: this issuer was made anew' "$WORK/out" || fail "nothing is said of the old key: $(cat "$WORK/out")"
second_node servers-new node-2 "$ticket"

echo "the old machine comes back: refused once it shows itself, and it says so"
sed -i '/^seeds:/,$d' "$WORK/servers-two/weftd.yaml"
printf "seeds:\n  - {address: '127.0.0.1:%s', key: %s}\n" "$(port_of servers-now)" "$(key_of servers-now)" >>"$WORK/servers-two/weftd.yaml"
start servers-two
until_ok says servers-two 'another machine has its place'
weft_at servers-new node status >"$WORK/out"
if grep -q 'another machine' "$WORK/out"; then fail "the new machine is refused: $(cat "$WORK/out")"; fi
echo ok

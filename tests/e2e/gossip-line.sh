#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Four nodes of four domains in a line: the owner knows only b, d knows only c, b knows c. d lists the owner's product, and still does, as silent
# and with its age, when the owner is stopped.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

knows() { # WHO WHOM
    printf 'seeds:\n  - address: "127.0.0.1:%s"\n    key: %s\n' "$(port_of "$2-node")" "$(key_of "$2-node")" >>"$WORK/$1-node/weftd.yaml"
}
lists() { # WHO PRODUCT STATE
    weft_at "$1-node" products | awk -v p="$2" '$1 == p' | grep -qw -- "$3"
}
begin() { # WHO
    start "$1-node"
    until_ok weft_at "$1-node" node status
}

# The charter is made before any node has an address, so that it names no seeds.
for d in owner b c d; do
    "$WEFT" domain init "$d" --dir "$WORK/$d-root" --no-passphrase >/dev/null
done
(cd "$WORK" && "$WEFT" mesh init line --domain owner-root --add b-root/b.weftdomain --add c-root/c.weftdomain \
    --add d-root/d.weftdomain --out line.charter >/dev/null)
for d in b c d; do
    "$WEFT" charter sign "$WORK/line.charter" --domain "$WORK/$d-root" >/dev/null
done
for d in owner b c d; do
    "$WEFT" node init --domain "$WORK/$d-root" --dir "$WORK/$d-node" --name node-1 --listen 127.0.0.1:0 >/dev/null
    sed -i 's/^http:.*/http: off/' "$WORK/$d-node/weftd.yaml"
    "$WEFT" charter commit "$WORK/line.charter" --dir "$WORK/$d-node" >/dev/null
done

begin c
knows b c
knows d c
begin b
knows owner b
begin d
begin owner

echo "everybody lists the products of both ends"
for d in owner b c d; do
    until_ok lists "$d" owner/access up
    until_ok lists "$d" d/access up
done

echo "the owner is killed: its product stays listed, with its age and as silent"
stop owner-node KILL
until_ok lists d owner/access silent
lists d b/access up || fail "b is not up any more"

echo "the owner comes back under another port and is found"
sed -i 's/^listen:.*/listen: "127.0.0.1:0"/' "$WORK/owner-node/weftd.yaml"
begin owner
until_ok lists d owner/access up
echo "ok"

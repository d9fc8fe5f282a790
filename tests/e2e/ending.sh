#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A grant made by hand nears its end: its owner sees it in the list, the status and, once for each age, the log; its holder sees it too; a later
# grant ends the warnings.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

LIFE=20 # seconds: a quarter of it is time enough to look
warnings() { weft_at servers-node node status -o json | grep -o '"warnings":\[[^]]*\]'; }
warned() { # PERCENT: in the list and in the status
    weft_at servers-node access list -o json | grep -q "\"warning\":\"$1 % of its life is over\"" && warnings | grep -q "$1 % of its life is over"
}
logged() { grep -q "a grant made by hand ends soon.*$1.*products=\"*hosts" "$WORK/servers-node.log"; }
grant() { # DURATION
    weft_at servers-node access grant hosts --to "$holder" --verb query --for "$1" --yes --out "$WORK/hosts.cap" >/dev/null 2>&1 || fail "grant"
    "$WEFT" access import "$WORK/hosts.cap" --dir "$WORK/reader" >/dev/null || fail "import"
}

make_mesh servers
"$WEFT" join "$(weft_at servers-node ticket create --kind user --name reader)" --dir "$WORK/reader" >/dev/null
holder=$("$WEFT" key show --dir "$WORK/reader" -o json | grep -o 'weftid1[a-z0-9]*')
grant "${LIFE}s"

print=$("$WEFT" key show --dir "$WORK/reader" -o json | grep -o '"fingerprint":"[^"]*"')
weft_at servers-node access list -o json | grep -q "\"holder\":${print#*:}" || fail "whose grant is it? $(weft_at servers-node access list)"

echo "a fresh grant warns nobody"
[ "$(warnings)" = '"warnings":[]' ] || fail "warned at once: $(warnings)"
"$WEFT" access show --dir "$WORK/reader" | grep -q "its life is over" && fail "the holder is warned at once"

echo "at three quarters both sides see it"
until_ok warned 75
"$WEFT" access show --dir "$WORK/reader" | grep -q '^  warning  [79][50] % of its life is over, it ends in .* s; .* weft access request servers/hosts$' ||
    fail "the holder is not warned: $("$WEFT" access show --dir "$WORK/reader")"
weft_at servers-node node status | grep -q '^warnings .*grant [0-9a-f]\{16\} of hosts (query) to ' || fail "not in the status"

until_ok logged "$(weft_at servers-node access list -o json | grep -o '"id":"[0-9a-f]\{16\}' | head -n 1 | cut -d'"' -f4)"

echo "a later grant of the same ends the warnings on both sides"
grant 1h
[ "$(warnings)" = '"warnings":[]' ] || fail "still warned: $(warnings)"
"$WEFT" access show --dir "$WORK/reader" | grep -q "its life is over" && fail "the holder is still warned"
for age in 75 90; do
    [ "$(grep -c "a grant made by hand ends soon.*$age %" "$WORK/servers-node.log")" -le 1 ] || fail "logged more than once"
done

echo "a running reader is told before its token ends and when it did, and exits as one without a grant"
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i 's/domain: monitoring/domain: servers/; /^access:/,$d' "$WORK/depth.yaml" # no rule: a person grants
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
weft_at servers-node access grant depth --to "$holder" --verb subscribe --for 8s --out "$WORK/depth.cap" >/dev/null 2>&1 || fail "grant depth"
"$WEFT" access import "$WORK/depth.cap" --dir "$WORK/reader" >/dev/null || fail "import depth"
ended=0
timeout 30 "$WEFT" subscribe servers/depth --dir "$WORK/reader" >/dev/null 2>"$WORK/read.err" || ended=$?
[ "$ended" -eq 77 ] || fail "status $ended: $(cat "$WORK/read.err")"
ends='[0-9T:-]*Z'
grep -q "^servers/depth: live: [79][50] % of the token's life is over and no later one was granted; it ends at $ends" "$WORK/read.err" || fail "not told before: $(cat "$WORK/read.err")"
grep -q "its token ended at $ends; " "$WORK/read.err" || fail "not told why: $(cat "$WORK/read.err")"

echo "who comes back with it learns that it ended, and not only that none was shown"
ended=0
timeout 30 "$WEFT" subscribe servers/depth --dir "$WORK/reader" --for 10s >/dev/null 2>"$WORK/read.err" || ended=$?
[ "$ended" -eq 77 ] || fail "status $ended: $(cat "$WORK/read.err")"
grep -q "no capability: depth: no rule of the product gives this; the token held for it expired at $ends\$" "$WORK/read.err" || fail "$(cat "$WORK/read.err")"
[ "$(grep -c 'weft access request servers/depth' "$WORK/read.err")" -eq 1 ] || fail "what to do: $(cat "$WORK/read.err")"
"$WEFT" access show servers/depth --dir "$WORK/reader" | grep -q '^  EXPIRED  [0-9]* s ago' || fail "$("$WEFT" access show --dir "$WORK/reader")"
"$WEFT" access show -o jsonl --dir "$WORK/reader" >"$WORK/tokens"
grep '"products":"servers/depth","verbs":"subscribe"' "$WORK/tokens" | grep -q '"state":"expired"' || fail "$(cat "$WORK/tokens")"
grep '"products":"servers/hosts"' "$WORK/tokens" | grep -q '"state":"live"' || fail "$(cat "$WORK/tokens")"
"$WEFT" access explain servers/depth --dir "$WORK/reader" >"$WORK/why" && fail "explained as granted"
grep -q '^held here: a token for it that expired ' "$WORK/why" || fail "$(cat "$WORK/why")"

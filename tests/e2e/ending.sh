#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A grant made by hand nears its end: its owner sees it in the list, the status and, once for each age, the log; its holder sees it too; a later
# grant ends the warnings.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

warnings() { weft_at servers-node node status -o json | grep -o '"warnings":\[[^]]*\]'; }
warned() { # in the list and in the status, of the same age
    for age in 75 90; do
        weft_at servers-node access list -o json | grep -q "\"warning\":\"$age % of its life is over\"" && warnings | grep -q "$age % of its life is over" && return
    done
    return 1
}
logged() { # one of IDS
    for id in $ids; do
        ! grep -q "a grant made by hand ends soon.*$id.*products=\"*hosts" "$WORK/servers-node.log" || return 0
    done
    return 1
}
grant() { # DURATION
    weft_at servers-node access grant hosts --to "$holder" --verb query --for "$1" --yes --out "$WORK/hosts.cap" >/dev/null 2>&1 || fail "grant"
    "$WEFT" access import "$WORK/hosts.cap" --dir "$WORK/reader" >/dev/null || fail "import"
}
lived() { [ $(($(date +%s) - began)) -ge "$1" ]; } # seconds, since before the grant
# A grant of so many seconds is looked at on both sides while it is fresh and in its last quarter. 1: the machine was too slow for that.
near_its_end() { # LIFE
    began=$(date +%s)
    grant "$1s"
    fresh=$(warnings) held=$("$WEFT" access show --dir "$WORK/reader")
    ! lived $(($1 * 3 / 4)) || return 1
    [ "$fresh" = '"warnings":[]' ] || fail "warned at once: $fresh"
    case $held in *"its life is over"*) fail "the holder is warned at once" ;; esac
    until warned; do
        ! lived "$1" || return 1
        sleep 0.2
    done
    held=$("$WEFT" access show --dir "$WORK/reader") told=$(weft_at servers-node node status)
    ids=$(weft_at servers-node access list -o json | grep -o '"id":"[0-9a-f]\{16\}' | cut -d'"' -f4)
    ! lived "$1"
}

make_mesh servers
"$WEFT" join "$(weft_at servers-node ticket create --kind user --name reader)" --dir "$WORK/reader" >/dev/null
holder=$("$WEFT" key show --dir "$WORK/reader" -o json | grep -o 'weftid1[a-z0-9]*')

echo "a fresh grant warns nobody; at three quarters both sides see it"
tries=0
for life in 20 60 240; do # a quarter of it is time enough to look
    tries=$((tries + 1))
    ! near_its_end $life || break
done
echo "$held" | grep -q '^  warning  [79][50] % of its life is over, it ends in .* s; .* weft access request servers/hosts$' || fail "the holder is not warned: $held"
echo "$told" | grep -q '^warnings .*grant [0-9a-f]\{16\} of hosts (query) to ' || fail "not in the status: $told"
until_ok logged
print=$("$WEFT" key show --dir "$WORK/reader" -o json | grep -o '"fingerprint":"[^"]*"')
weft_at servers-node access list -o json | grep -q "\"holder\":${print#*:}" || fail "whose grant is it? $(weft_at servers-node access list)"

echo "a later grant of the same ends the warnings on both sides"
grant 1h
[ "$(warnings)" = '"warnings":[]' ] || fail "still warned: $(warnings)"
"$WEFT" access show --dir "$WORK/reader" | grep -q "its life is over" && fail "the holder is still warned"
for age in 75 90; do
    [ "$(grep -c "a grant made by hand ends soon.*$age %" "$WORK/servers-node.log")" -le $tries ] || fail "logged more than once"
done

echo "a running reader is told before its token ends and when it did, and exits as one without a grant"
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i 's/domain: monitoring/domain: servers/; /^access:/,$d' "$WORK/depth.yaml" # no rule: a person grants
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
ends='[0-9T:-]*Z'
for life in 8 30 120; do # a quarter of it is time enough to begin to read
    weft_at servers-node access grant depth --to "$holder" --verb subscribe --for ${life}s --out "$WORK/depth.cap" >/dev/null 2>&1 || fail "grant depth"
    "$WEFT" access import "$WORK/depth.cap" --dir "$WORK/reader" >/dev/null || fail "import depth"
    ended=0
    timeout $((life + 60)) "$WEFT" subscribe servers/depth --dir "$WORK/reader" >/dev/null 2>"$WORK/read.err" || ended=$?
    [ "$ended" -eq 77 ] || fail "status $ended: $(cat "$WORK/read.err")"
    ! grep -q "^servers/depth: live" "$WORK/read.err" || break
done
grep -q "^servers/depth: live: [79][50] % of the token's life is over and no later one was granted; it ends at $ends" "$WORK/read.err" || fail "not told before: $(cat "$WORK/read.err")"
grep -q "its token ended at $ends; " "$WORK/read.err" || fail "not told why: $(cat "$WORK/read.err")"

echo "who comes back with it learns that it ended, and not only that none was shown"
ended=0
timeout 100 "$WEFT" subscribe servers/depth --dir "$WORK/reader" --for 60s >/dev/null 2>"$WORK/read.err" || ended=$?
[ "$ended" -eq 77 ] || fail "status $ended: $(cat "$WORK/read.err")"
grep -q "no capability: depth: no rule of the product gives this; the token held for it expired at $ends\$" "$WORK/read.err" || fail "$(cat "$WORK/read.err")"
[ "$(grep -c 'weft access request servers/depth' "$WORK/read.err")" -eq 1 ] || fail "what to do: $(cat "$WORK/read.err")"
"$WEFT" access show servers/depth --dir "$WORK/reader" | grep -q '^  EXPIRED  [0-9]* s ago' || fail "$("$WEFT" access show --dir "$WORK/reader")"
"$WEFT" access show -o jsonl --dir "$WORK/reader" >"$WORK/tokens"
grep '"products":"servers/depth","verbs":"subscribe"' "$WORK/tokens" | grep -q '"state":"expired"' || fail "$(cat "$WORK/tokens")"
grep '"products":"servers/hosts"' "$WORK/tokens" | grep -q '"state":"live"' || fail "$(cat "$WORK/tokens")"
"$WEFT" access explain servers/depth --dir "$WORK/reader" >"$WORK/why" && fail "explained as granted"
grep -q '^held here: a token for it that expired ' "$WORK/why" || fail "$(cat "$WORK/why")"

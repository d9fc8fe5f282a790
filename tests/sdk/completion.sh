#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/sdk/completion.sh WEFT
# sdk.completion: what a shell is offered is what --help says, of every command; the scripts load, and bash gets words, files and values from its own.
set -euo pipefail
weft=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export WEFT_SOCKET="$work/none.sock" HOME="$work" XDG_STATE_HOME="$work"
unset WEFT_DIR
PATH=$(dirname "$weft"):$PATH
fail() { echo "FAILED: $*" >&2 && exit 1; }
words() { weft completion words -- "$@" | cut -f 1 | tr '\n' ' '; }

# Every command, under its own name; its options are those of --help, no more and no less.
weft --help | sed -n '/^Commands:/,$s/^  \([a-z]*\( [a-z]*\)\{0,1\}\)  .*/\1/p' >"$work/commands"
[ "$(wc -l <"$work/commands")" -gt 50 ] || fail "only $(wc -l <"$work/commands") commands"
nouns=" $(words "")" of='' verbs=''
while read -r first second; do
    case "$nouns" in *" $first "*) ;; *) fail "weft: no $first" ;; esac
    [ "$first" = "$of" ] || verbs=" $(words "$first" "")" of=$first
    [ -z "$second" ] || case "$verbs" in *" $second "*) ;; *) fail "$first: no $second: $verbs" ;; esac
    # shellcheck disable=SC2086 # no second word is none
    weft $first $second --help | sed '/^Examples:/,/^$/d' | grep -oE '(^|[ /,(|[])--[a-z][a-z-]*' | tr -d ' ,/(|[' | sort -u >"$work/told"
    # shellcheck disable=SC2086
    weft completion words -- $first $second -- | cut -f 1 | sort -u >"$work/offered"
    diff "$work/told" "$work/offered" || fail "weft $first $second: --help (<) and what is offered (>)"
done <"$work/commands"

rows=0
row() { # WANT WORD...
    want=$1
    shift
    got=$(words "$@")
    [ "$got" = "${want:+$want }" ] || fail "weft $*: \"$got\", not \"$want\""
    rows=$((rows + 1))
}
row "products product" prod
row "new check build apply move remove" product ""
row "create" ticket c
row "status" call st
row "metric event inventory api" product new --kind ""
row "--kind=metric" product new --kind=m
row "metric" product new --kind = m
row "agent node service user" ticket create --kind ""
row "table json jsonl csv" peers -o ""
row "table json jsonl" mesh show --output ""
row "subscribe replay query call: mirror delegate" access grant packages --verb ""
row ":dirs" peers --dir ""
row ":files" product check ""
row ":files" product check one.yaml ""
row ":files" charter sign ""
row "" charter sign next.charter ""
row "" ticket create --name ""
row "" nothing ""
row "--help" --h

# Without a weftd nothing is offered, and at once.
row "" describe ""
row "" agent show ""

weft completion bash >"$work/weft.bash"
touch "$work/depth.yaml" "$work/with blank.yaml"
bash -euc 'compopt() { options="${options-} $*"; }; cd "$1"; . ./weft.bash; complete -p weft | grep -q "_weft weft"
    try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _weft; printf "%s\n" "${COMPREPLY[@]}"; }
    [ "$(try weft product ch)" = check ]
    [ "$(try weft product check wi)" = "with blank.yaml" ]
    [ "$(try weft product new --kind = inv)" = inventory ]
    try weft access grant --verb ca >/dev/null; [ "$options" = " -o nospace" ]' bash "$work" || fail "the script of bash"
for shell in zsh fish; do
    weft completion $shell >"$work/weft.$shell"
    if command -v $shell >/dev/null; then
        $shell -n "$work/weft.$shell" || fail "the script of $shell"
    fi
done
ended=0
weft completion tcsh >/dev/null 2>"$work/err" || ended=$?
[ "$ended $(cat "$work/err")" = "64 weft: weft completion bash, zsh or fish" ] || fail "another shell: $ended $(cat "$work/err")"
echo "$(wc -l <"$work/commands") commands, $rows rows"

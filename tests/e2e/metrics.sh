#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# /metrics of a node with a product, a reader and an agent, as Prometheus' own checker sees it (Debian: promtool, of the package prometheus).
# shellcheck disable=SC2034 # for lib.sh
command -v promtool >/dev/null || {
    echo "skipped: no promtool (package prometheus)"
    exit 77
}
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

get() { # of the node, into $WORK/page
    python3 -B -c 'import sys, urllib.request
sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=5).read())' "http://127.0.0.1:$http_port/metrics" >"$WORK/page"
}
shows() { # PATTERN...: lines that all stand there
    get || return 1
    for pattern in "$@"; do grep -q "$pattern" "$WORK/page" || return 1; done
}

make_mesh servers
http_port=$(free_port)
stop servers-node
sed -i '/^http:/d' "$WORK/servers-node/weftd.yaml"
echo "http: \"127.0.0.1:$http_port\"" >>"$WORK/servers-node/weftd.yaml"
start servers-node
until_ok weft_at servers-node node status
make_event servers-node depth
make_reader servers-node reader
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)" 'sources: {enabled: off}'
start web-1
until_ok has_manifest web-1 depth
say web-1 depth 1 20
start_program reading "$WEFT" subscribe -q servers/depth --dir "$WORK/reader" --from earliest --for 600s

echo "every family is well formed and named as Prometheus wants it"
until_ok shows '^weft_log_sync_seconds_count [1-9]' '^weft_stream_head{product="depth",major="1"} 20$' '^weft_stream_leases{product="depth",major="1"} 1$'
promtool check metrics <"$WORK/page" >"$WORK/said" 2>&1 || fail "promtool: $(cat "$WORK/said")"
[ ! -s "$WORK/said" ] || fail "promtool: $(cat "$WORK/said")"

echo "what is wrong would have been said"
sed '/^# HELP weft_log_sync_seconds /d' "$WORK/page" >"$WORK/bad"
if promtool check metrics <"$WORK/bad" >"$WORK/said" 2>&1; then fail "a family without help passed"; fi
grep -q weft_log_sync_seconds "$WORK/said" || fail "promtool: $(cat "$WORK/said")"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# weft: libweft publisher -> weftd -> libweft subscriber, everything on: capability, schema check, log on disk, signature, seal, verification.
# shellcheck disable=SC2154,SC2034,SC2164 # sourced by run.sh under set -e

weft_variants="compressed uncompressed"
weft_main=compressed
weft_needs="bench_weft"
weft_lacks_compressed="-"
weft_lacks_uncompressed="-"
weft_readers=0
weft_reader_from=0 # readers that are passed over
weft_agent_pids=()

weft_start() {
    (cd "$WORK/weft/node" && exec "$WEFTD" -c weftd.yaml >>"$WORK/weftd.log" 2>&1) &
    weft_pid=$!
    within 120 "$WEFT" node status --dir "$WORK/weft/node" || die "weftd does not start"
}

weft_up() {
    local at="$WORK/weft" port
    mkdir -p "$at"
    (
        cd "$at"
        "$WEFT" domain init bench --dir root --no-passphrase
        "$WEFT" node init --domain root --dir node --name node-1 --listen "127.0.0.1:$(free_port)"
        "$WEFT" mesh init bench --domain root --node node
        # A product with readers has a port: the growth curve of products needs more than the default range has.
        port=$((12000 + RANDOM % 7000))
        printf 'streams: {ports: %d-%d}\n' "$port" "$((port + 599))" >>node/weftd.yaml
        printf 'retention: {default: {age: 1d, bytes: 1000GiB}}\n' >>node/weftd.yaml # the curve of logs keeps all of it
    ) >/dev/null
    weft_start
    weft_product compressed Sample 1GiB
    weft_product uncompressed Sample 1GiB "compression: none"
    weft_join "$SUBSCRIBERS"
}

weft_product() { # NAME MESSAGE KEEP [LINE]
    local file="$WORK/weft/$1.yaml"
    cp "$WORK/bench.desc" "$WORK/weft/bench.desc"
    sed -e "s/@NAME@/$1/" -e "s/@MESSAGE@/$2/" -e "s/@KEEP@/$3/" "$BENCH/bench.yaml.in" >"$file"
    [ -z "${4:-}" ] || echo "$4" >>"$file"
    "$WEFT" product apply "$file" --dir "$WORK/weft/node" >/dev/null
}

weft_join() { # COUNT: so many readers there are at least
    local at="$WORK/weft"
    while [ "$weft_readers" -lt "$1" ]; do
        weft_readers=$((weft_readers + 1))
        "$WEFT" join "$("$WEFT" ticket create --kind user --name "reader-$weft_readers" --dir "$at/node")" \
            --name "reader-$weft_readers" --dir "$at/reader-$weft_readers" >/dev/null
    done
}

weft_agents() { # COUNT PRODUCT: so many agents there are at least; all of them know the product
    local at i
    while [ "${#weft_agent_pids[@]}" -lt "$1" ]; do
        i=${#weft_agent_pids[@]}
        at="$WORK/weft/agent-$i"
        mkdir -m 700 "$at"
        "$WEFT" ticket create --kind agent --name "agent-$i" --dir "$WORK/weft/node" >"$at/ticket"
        chmod 600 "$at/ticket"
        printf 'role: agent\ndata: data\nsocket: run/weftd.sock\nticket: ticket\n' >"$at/weftd.yaml"
        (cd "$at" && exec "$WEFTD" -c weftd.yaml >>"$WORK/weft-agent.log" 2>&1) &
        weft_agent_pids+=($!)
    done
    for i in $(seq 0 $(($1 - 1))); do
        within 60 "$WEFT" publish "$2" --wait -q --dir "$WORK/weft/agent-$i" </dev/null || die "agent $i does not come up"
    done
}

weft_agents_down() {
    local pid
    for pid in "${weft_agent_pids[@]}"; do stop_pid "$pid"; done
    weft_agent_pids=()
}

weft_pids() { echo "$weft_pid" "${weft_agent_pids[@]}"; }
weft_sub() { # VARIANT INDEX
    echo "$PROGRAMS/bench_weft sub where=$WORK/weft/reader-$((weft_reader_from + $2)) product=bench/$1"
}
weft_pub() { # VARIANT LINGER_US SUBSCRIBERS INDEX
    local at="$WORK/weft/node"
    [ "$1" != agented ] || at="$WORK/weft/agent-$4"
    echo "$PROGRAMS/bench_weft pub where=$at/run/weftd.sock product=$1 extra=$2"
}
weft_down() {
    local pid
    for pid in "${weft_agent_pids[@]}" "$weft_pid"; do stop_pid "$pid"; done
}

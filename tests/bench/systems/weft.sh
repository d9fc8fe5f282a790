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

weft_start() {
    (cd "$WORK/weft/node" && exec "$WEFTD" -c weftd.yaml >>"$WORK/weftd.log" 2>&1) &
    weft_pid=$!
    within 120 "$WEFT" node status --dir "$WORK/weft/node" || die "weftd does not start"
}

weft_up() {
    local at="$WORK/weft"
    mkdir -p "$at"
    (
        cd "$at"
        "$WEFT" domain init bench --dir root --no-passphrase
        "$WEFT" node init --domain root --dir node --name node-1 --listen "127.0.0.1:$(free_port)"
        "$WEFT" mesh init bench --domain root --node node
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

weft_pids() { echo "$weft_pid"; }
weft_sub() { # VARIANT INDEX
    echo "$PROGRAMS/bench_weft sub where=$WORK/weft/reader-$2 product=bench/$1"
}
weft_pub() { # VARIANT LINGER_US SUBSCRIBERS
    echo "$PROGRAMS/bench_weft pub where=$WORK/weft/node/run/weftd.sock product=$1 extra=$2"
}
weft_down() { stop_pid "$weft_pid"; }

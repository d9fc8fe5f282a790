#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# weft: libweft publisher -> weftd -> libweft subscriber, everything on: capability, schema check, log on disk, signature, seal, verification.
# shellcheck disable=SC2154,SC2034,SC2164 # sourced by run.sh under set -e

weft_variants="compressed uncompressed"
weft_lacks_compressed="-"
weft_lacks_uncompressed="-"

weft_up() {
    local at="$WORK/weft" name port
    mkdir -p "$at"
    (
        cd "$at"
        "$WEFT" domain init bench --dir root --no-passphrase
        "$WEFT" node init --domain root --dir node --name node-1 --listen 127.0.0.1:0
        "$WEFT" mesh init bench --domain root --node node
    ) >/dev/null
    (cd "$at/node" && exec "$WEFTD" -c weftd.yaml >>"$WORK/weftd.log" 2>&1) &
    weft_pid=$!
    until_ok "$WEFT" node status --dir "$at/node"
    port=$("$WEFT" node status -o json --dir "$at/node" | sed 's/.*"listeners":\["[^"]*:\([0-9]*\)".*/\1/')
    sed -i "s/127.0.0.1:0/127.0.0.1:$port/" "$at/node/weftd.yaml"
    for name in compressed uncompressed; do
        sed "s/@NAME@/$name/" "$BENCH/bench.yaml.in" >"$at/$name.yaml"
        [ "$name" = compressed ] || echo "compression: none" >>"$at/$name.yaml"
        cp "$WORK/bench.desc" "$at/bench.desc"
        "$WEFT" product apply "$at/$name.yaml" --dir "$at/node" >/dev/null
    done
    for i in $(seq 1 "$SUBSCRIBERS"); do
        "$WEFT" join "$("$WEFT" ticket create --kind user --name "reader-$i" --dir "$at/node")" \
            --name "reader-$i" --dir "$at/reader-$i" >/dev/null
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

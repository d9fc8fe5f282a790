#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2154 # sourced by run.sh
# One run of one system: subscribers up, servers' processor time before and after, publisher, results of all in one line of $WORK/results.jsonl.
# Every process is ended by its id, every wait has a bound.

until_ok() { # COMMAND...: again until it succeeds, 30 s
    local end=$((SECONDS + 30))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || die "not within 30 s: $*"
        sleep 0.1
    done
}

die() {
    echo "bench: $*" >&2
    tail -n 5 "$WORK"/*.log >&2 2>/dev/null || true
    exit 1
}

stop_pid() { # PID
    local n=0
    kill "$1" 2>/dev/null || return 0
    while kill -0 "$1" 2>/dev/null; do
        n=$((n + 1))
        [ "$n" -lt 150 ] || kill -KILL "$1" 2>/dev/null
        sleep 0.1
    done
    wait "$1" 2>/dev/null || true
}

free_port() {
    "$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Processor time of processes and their children, in clock ticks.
ticks() { # PID...
    local pid total=0 child
    for pid in "$@"; do
        child=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null) || child=""
        # shellcheck disable=SC2086 # a list of numbers
        total=$((total + $(sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }') + $(ticks $child)))
    done
    echo "$total"
}

# measure SYSTEM VARIANT MODE SUBSCRIBERS COUNT RATE LINGER_US: MODE names what is measured (max, 20k-linger1, ...). 1 when a program failed.
measure() {
    local system=$1 variant=$2 mode=$3 subscribers=$4 count=$5 rate=$6 linger=$7
    local at="$WORK/run" i before after pids="" failed=0
    rm -rf "$at" && mkdir -p "$at"
    for i in $(seq 1 "$subscribers"); do
        # shellcheck disable=SC2046 # words of a command
        timeout -k 5 "$RUN_S" $("${system}_sub" "$variant" "$i") \
            count="$count" ready="$at/ready.$i" out="$at/sub.$i" 2>>"$WORK/$system-sub.log" &
        pids="$pids $!"
    done
    for i in $(seq 1 "$subscribers"); do until_ok test -e "$at/ready.$i"; done
    # shellcheck disable=SC2046
    before=$(ticks $("${system}_pids"))
    # shellcheck disable=SC2046
    timeout -k 5 "$RUN_S" $("${system}_pub" "$variant" "$linger" "$subscribers") count="$count" rate="$rate" \
        payload="$WORK/payload" out="$at/pub" 2>>"$WORK/$system-pub.log" || failed=1
    for i in $pids; do
        [ "$failed" = 0 ] || kill "$i" 2>/dev/null || true
        wait "$i" || failed=1
    done
    # shellcheck disable=SC2046
    after=$(ticks $("${system}_pids"))
    [ "$failed" = 0 ] || return 1
    printf '{"system":"%s","variant":"%s","mode":"%s","subscribers":%d,"rate":%d,"servers_cpu_s":%s,"pub":%s,"subs":[%s]}\n' \
        "$system" "$variant" "$mode" "$subscribers" "$rate" \
        "$(awk "BEGIN { print ($after - $before) / $(getconf CLK_TCK) }")" \
        "$(cat "$at/pub")" "$(cat "$at"/sub.* | paste -sd,)" >>"$WORK/results.jsonl"
}

# The highest rate of SYSTEM_rates without a loss; the last line that stands in the results is that rate's.
measure_lossless() { # SYSTEM VARIANT SUBSCRIBERS
    local rates="${1}_rates" rate kept=""
    for rate in ${!rates}; do
        measure "$1" "$2" max "$3" $((rate * PROBE_MS / 1000)) "$rate" 0 || break
        kept=$(tail -n 1 "$WORK/results.jsonl")
        sed -i '$d' "$WORK/results.jsonl"
        ! grep -q '"lost":[1-9]' <<<"$kept" || break
        best=$kept
    done
    [ -z "${best:-}" ] || echo "$best" >>"$WORK/results.jsonl"
    best=""
}

# What the publisher's loop costs by itself at a rate; subtracted from everybody.
measure_pace() { # MODE COUNT RATE
    mkdir -p "$WORK/run"
    timeout -k 5 "$RUN_S" "$PROGRAMS/bench_weft" pace count="$2" rate="$3" payload="$WORK/payload" out="$WORK/run/pace"
    printf '{"system":"pace","variant":"-","mode":"%s","subscribers":0,"rate":%d,"servers_cpu_s":0,"pub":%s,"subs":[]}\n' \
        "$1" "$3" "$(cat "$WORK/run/pace")" >>"$WORK/results.jsonl"
}

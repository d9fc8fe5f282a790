#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2154 # sourced by run.sh
# One run of one system: subscribers up, servers' processor time before and after, publisher, results of all in one line of $WORK/results.jsonl.
# Every process is ended by its id, every wait has a bound.

# What is sent: a file of records of one length; over how many products; by how many publishers.
payload_file="" payload_length=102 products=1 publishers=1

within() { # SECONDS COMMAND...: again until it succeeds
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
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

# A port of 127.0.0.1 that nobody listens on, nor on the one a hundred above (a node's HTTP), below those that the system gives to connections.
free_port() {
    "$PYTHON" - <<'END'
import random, socket
while True:
    port = random.randrange(20000, 32000)
    try:
        for p in (port, port + 100):
            with socket.socket() as s:
                s.bind(("127.0.0.1", p))
    except OSError:
        continue
    print(port)
    break
END
}

certificate() { # one for all servers with TLS: $WORK/tls.crt, its own authority, and $WORK/tls.key
    [ -e "$WORK/tls.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$WORK/tls.key" -out "$WORK/tls.crt" 2>/dev/null
}

server() { # NAME TEXT COMMAND...: starts it with $WORK/NAME.log, in which TEXT says that it is ready; its id is in server_pid
    local name=$1 text=$2
    shift 2
    "$@" >"$WORK/$name.log" 2>&1 &
    server_pid=$!
    within 30 grep -qF "$text" "$WORK/$name.log" || die "$name does not start"
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

ready_or_gone() { # FILE PID
    [ -e "$1" ] || ! kill -0 "$2" 2>/dev/null
}

publish_all() { # within measure: all publishers at once; 1 when one failed
    local i pubs=() status=0
    for i in $(seq 0 $((publishers - 1))); do
        # shellcheck disable=SC2046,SC2086 # words of a command
        timeout -k 5 "$RUN_S" $("${system}_pub" "$variant" "$linger" "$subscribers" "$i") $common index="$i" rate="$rate" \
            payload="$payload_file" out="$at/pub.$i" 2>>"$WORK/$system-pub.log" &
        pubs+=($!)
    done
    for i in "${pubs[@]}"; do wait "$i" || status=1; done
    return "$status"
}

# note_run SYSTEM VARIANT MODE SUBSCRIBERS RATE TICKS PUBS SUBS: one line of results; TICKS are those of the servers.
note_run() {
    printf '{"system":"%s","variant":"%s","mode":"%s","subscribers":%d,"rate":%d,"length":%d,"products":%d,"publishers":%d,"servers_cpu_s":%s,"pubs":[%s],"subs":[%s]}\n' \
        "$1" "$2" "$3" "$4" "$5" "$payload_length" "$products" "$publishers" "$(awk "BEGIN { print $6 / $(getconf CLK_TCK) }")" "$7" "$8" >>"$WORK/results.jsonl"
}

# measure SYSTEM VARIANT MODE SUBSCRIBERS COUNT RATE LINGER_US: MODE names what is measured (max, 20k-linger1, ...). 1 when a program failed.
measure() {
    local system=$1 variant=$2 mode=$3 subscribers=$4 count=$5 rate=$6 linger=$7
    local at="$WORK/run" i before after pids=() failed=0
    local common="count=$count length=$payload_length products=$products publishers=$publishers streams=$((products * publishers))"
    rm -rf "$at" && mkdir -p "$at"
    for i in $(seq 1 "$subscribers"); do
        # shellcheck disable=SC2046,SC2086 # words of a command
        timeout -k 5 "$RUN_S" $("${system}_sub" "$variant" "$i") $common ready="$at/ready.$i" out="$at/sub.$i" 2>>"$WORK/$system-sub.log" &
        pids+=($!)
    done
    for i in $(seq 1 "$subscribers"); do
        within $((30 + subscribers + products / 4)) ready_or_gone "$at/ready.$i" "${pids[i - 1]}" || true
        [ -e "$at/ready.$i" ] || failed=1
    done
    # shellcheck disable=SC2046
    before=$(ticks $("${system}_pids"))
    [ "$failed" = 1 ] || publish_all || failed=1
    for i in "${pids[@]}"; do
        [ "$failed" = 0 ] || kill "$i" 2>/dev/null || true
        wait "$i" || failed=1
    done
    # shellcheck disable=SC2046
    after=$(ticks $("${system}_pids"))
    if [ "$failed" = 1 ]; then
        echo "bench: $system $variant $mode with $subscribers failed" >&2
        tail -n 3 "$WORK/$system"*.log >&2 2>/dev/null || true
        return 1
    fi
    note_run "$system" "$variant" "$mode" "$subscribers" "$rate" "$((after - before))" "$(cat "$at"/pub.* | paste -sd,)" "$(cat "$at"/sub.* | paste -sd,)"
}

# The highest rate of SYSTEM_rates before the first that loses; nothing is noted when there is none.
measure_lossless() { # SYSTEM VARIANT SUBSCRIBERS
    local rates="${1}_rates" rate kept best=""
    for rate in ${!rates}; do
        measure "$1" "$2" max "$3" $((rate * PROBE_MS / 1000)) "$rate" 0 || return 1
        kept=$(tail -n 1 "$WORK/results.jsonl")
        sed -i '$d' "$WORK/results.jsonl"
        ! grep -q '"lost":[1-9]' <<<"$kept" || break
        best=$kept
    done
    [ -z "$best" ] || echo "$best" >>"$WORK/results.jsonl"
}

# What the publisher's loop costs by itself at a rate; subtracted from everybody.
measure_pace() { # MODE COUNT RATE
    mkdir -p "$WORK/run"
    timeout -k 5 "$RUN_S" "$PROGRAMS/bench_weft" pace count="$2" rate="$3" payload="$payload_file" out="$WORK/run/pace"
    printf '{"system":"pace","variant":"-","mode":"%s","subscribers":0,"rate":%d,"servers_cpu_s":0,"pubs":[%s],"subs":[]}\n' \
        "$1" "$3" "$(cat "$WORK/run/pace")" >>"$WORK/results.jsonl"
}

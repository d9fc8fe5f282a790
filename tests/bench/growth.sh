#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2154 # sourced by run.sh
# How cost grows as work grows: one thing is varied, all else stays, as fast as possible. A point is measured once. The records of a point
# shrink as its work grows, so that a curve takes minutes; growth.py makes the table and the plot.

growth_points() { # CURVE
    [ -z "$points" ] || { echo "$points" && return; }
    case "$1 $size" in
    "subscribers smoke") echo 1 2 ;;
    "products smoke") echo 1 4 ;;
    "lengths smoke") echo 16 1024 ;;
    "agents smoke") echo 2 ;;
    "uplinks smoke") echo 4 ;;
    "catching smoke") echo 1 2 ;;
    subscribers*) echo 1 2 4 8 16 32 64 ;;
    products*) echo 1 4 16 64 256 ;;
    agents*) echo 1 2 4 8 16 32 ;;
    uplinks*) echo 1 10 100 1000 ;;
    catching*) echo 1 2 4 8 ;;
    lengths*) echo 16 64 256 1024 4096 16384 65536 ;;
    esac
}

growth_lengths() { case " $curves " in *" lengths "*) growth_points lengths ;; esac; }

growth_count() { # SHARES AT_LEAST: 3,200,000 records divided
    local count=$((3200000 / $1))
    [ "$size" != smoke ] || count=$((2000 / $1))
    [ "$count" -ge "$2" ] || count=$2
    echo "$count"
}

grow_subscribers() {
    local n count
    for n in $(growth_points subscribers); do
        count=$(growth_count "$n" 500)
        weft_join "$n"
        measure weft compressed subscribers "$n" "$count" 0 1000 || failed=1
        case " $systems " in *" nats "*) measure nats tls subscribers "$n" "$count" 0 1000 || failed=1 ;; esac
    done
}

grow_products() {
    local n name made=0
    for n in $(growth_points products); do
        while [ "$made" -lt "$n" ]; do
            weft_product "many-$made" Sample 64MiB
            made=$((made + 1))
        done
        products=$n
        name=many # and -0, -1, ... where there are several
        [ "$n" -gt 1 ] || name=many-0
        weft_reader_from=$((weft_reader_from + 1)) # one key holds 256 leases at most, for minutes after its program has ended
        weft_join $((weft_reader_from + 1))
        measure weft "$name" products 1 "$(growth_count 2 500)" 0 1000 || failed=1
    done
    products=1 weft_reader_from=0
}

grow_lengths() {
    local n count
    weft_product sized Sized 1GiB
    weft_product sized-plain Sized 1GiB "compression: none"
    for n in $(growth_points lengths); do
        payload_file=$WORK/payload.$n payload_length=$n
        count=$(growth_count $((1 + n / 128)) 200)
        measure weft sized lengths 1 "$count" 0 1000 || failed=1
        measure weft sized-plain lengths 1 "$count" 0 1000 || failed=1
        case " $systems " in *" nats "*) measure nats tls lengths 1 "$count" 0 1000 || failed=1 ;; esac
    done
    payload_file=$WORK/payload payload_length=102
}

# What lies in the log, read from its beginning by so many subscribers at once that come when all is there.
grow_catching() {
    local n variant count
    count=$(growth_count 1 500)
    weft_product caught Sample 2GiB
    weft_product caught-plain Sample 2GiB "compression: none"
    for variant in caught caught-plain; do
        publish_before "$count" || { failed=1 && return; }
        for n in $(growth_points catching); do
            weft_join "$n"
            measure_catching "$n" || failed=1
        done
    done
}

publish_before() { # COUNT
    local at="$WORK/run" common="count=$1 length=$payload_length products=1 publishers=1 streams=1" system=weft subscribers=0 rate=0 linger=1000
    rm -rf "$at" && mkdir -p "$at"
    publish_all
}

measure_catching() { # SUBSCRIBERS
    local at="$WORK/run" i n=$1 pids=() before after status=0
    rm -f "$at"/sub.* "$at"/ready.*
    before=$(ticks "$weft_pid")
    for i in $(seq 1 "$n"); do
        # shellcheck disable=SC2046 # words of a command
        timeout -k 5 "$RUN_S" $(weft_sub "$variant" "$i") extra=earliest "count=$count" "length=$payload_length" products=1 publishers=1 streams=1 \
            ready="$at/ready.$i" out="$at/sub.$i" 2>>"$WORK/weft-sub.log" &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i" || status=1; done
    after=$(ticks "$weft_pid")
    [ "$status" = 0 ] || { tail -n 3 "$WORK/weft-sub.log" >&2 && return 1; }
    # The run begins with the first record that any of them has.
    note_run weft "$variant" catching "$n" 0 "$((after - before))" \
        "{\"records\":$count,\"first_ns\":$(grep -oh '"first_ns":[0-9]*' "$at"/sub.* | cut -d: -f2 | sort -n | head -n 1),\"cpu_s\":0}" "$(cat "$at"/sub.* | paste -sd,)"
}

# Real agents, each a weftd of its own that joins with a ticket and takes what a publisher of its own says: one product, so many origins.
grow_agents() {
    local n
    weft_product agented Sample 1GiB
    for n in $(growth_points agents); do
        weft_agents "$n" agented
        publishers=$n
        measure weft agented agents 1 "$(growth_count 4 500)" 0 1000 || failed=1
    done
    publishers=1
    weft_agents_down
    grow_uplinks
}

# The same curve with agents that one process simulates (tests/e2e/uplinks.c): a key, a session, a parked poll and a chain each, batches of 256
# records signed by it. What a real agent does besides, checking and spooling, is not in it.
grow_uplinks() {
    local n
    weft_product uplinked Sample 1GiB
    for n in $(growth_points uplinks); do measure_uplinks "$n" "$(growth_count 4 500)" || failed=1; done
}

measure_uplinks() { # AGENTS COUNT
    local at="$WORK/run" n=$1 count=$2 sub sim before after ticket
    rm -rf "$at" && mkdir -p "$at"
    ticket=$("$WEFT" ticket create --kind agent --uses "$n" --name-prefix "u$n-" --dir "$WORK/weft/node")
    before=$(pss_and_files)
    "$build/tests/e2e/uplinks" "$ticket" "$WORK/bench.desc" bench uplinked "u$n-" "$n" 0 "$payload_file" "$payload_length" "$count" "$at/pub" \
        >"$WORK/weft-uplinks.log" 2>&1 &
    sim=$!
    within 300 grep -q "^ready $n " "$WORK/weft-uplinks.log" || { stop_pid "$sim" && return 1; }
    echo "$n uplinks: $(awk -v n="$n" -v a="$before" -v b="$(pss_and_files)" 'BEGIN { split(a, x); split(b, y)
        printf "%.1f kB and %.2f descriptors of the node each", (y[1] - x[1]) * 1.024 / n, (y[2] - x[2]) / n }')" >&2
    # shellcheck disable=SC2046 # words of a command
    timeout -k 5 "$RUN_S" $(weft_sub uplinked 1) "count=$count" "length=$payload_length" products=1 "publishers=$n" "streams=$n" ready="$at/ready" \
        out="$at/sub" 2>>"$WORK/weft-sub.log" &
    sub=$!
    within 60 ready_or_gone "$at/ready" "$sub" || true
    before=$(ticks "$weft_pid")
    kill -USR1 "$sim"
    within "$RUN_S" test -s "$at/pub" || true
    if ! wait "$sub" || ! [ -s "$at/pub" ]; then
        cat "$WORK/weft-uplinks.log" >&2
        stop_pid "$sim"
        return 1
    fi
    after=$(ticks "$weft_pid")
    echo "$n uplinks: $(grep "^put off" "$WORK/weft-uplinks.log") batches until there was room" >&2
    stop_pid "$sim"
    publishers=$n note_run weft uplinked agents 1 0 "$((after - before))" "$(cat "$at/pub")" "$(cat "$at/sub")"
}

pss_and_files() { # KiB and descriptors of the node
    echo "$(awk '/^Pss:/ { print $2 }' "/proc/$weft_pid/smaps_rollup") $(find "/proc/$weft_pid/fd" -mindepth 1 | wc -l)"
}

# A log of log_gb GB, written a GB at a time with a subscriber that keeps up; then the node is started again on it.
grow_log() {
    local gb count=9000000 from
    [ "$size" != smoke ] || count=2000
    weft_product long Sample 1000GiB "compression: none"
    RUN_S=600
    for gb in $(seq 1 "$log_gb"); do
        measure weft long log 1 "$count" 0 1000 || failed=1
    done
    stop_pid "$weft_pid"
    from=$(date +%s%N)
    weft_start
    echo "a log of $(du -sh --apparent-size "$WORK/weft/node" | cut -f1) was opened in $((($(date +%s%N) - from) / 1000000)) ms"
}

grow() {
    local curve
    for curve in $curves; do
        echo "growth: $curve" >&2
        "grow_$curve"
    done
    "$PYTHON" -B "$BENCH/growth.py" "$WORK/results.jsonl" ${plot:+--plot "$plot"} ${json:+--json "$json"} || failed=1
}

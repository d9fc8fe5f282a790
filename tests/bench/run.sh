#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/run.sh [--quick | --smoke] [--json FILE] [--only SYSTEM...] [--rounds N] [--build DIR] [--dir DIR]
#        tests/bench/run.sh --growth [--smoke] [--curves CURVE...] [--points N...] [--log-gb N] [--plot FILE] [--json FILE] [--build DIR] [--dir DIR]
#   weft beside what else one would take, in one run on one machine: one publisher, one subscriber and four, 102-byte records of this
#   machine, one call a record. Figures are medians of the rounds; the rounds of all systems are interleaved.
#   --quick     two minutes: fewer records; four subscribers for weft compressed and NATS with TLS only
#   --smoke     tiny counts: does every row come about? (no figure means anything)
#   --only S    these systems (files of tests/bench/systems), several with commas; one that is not installed is left out
#   --growth    how cost grows: with subscribers, products on a node, a record's length; ten minutes
#   --curves C  of --growth: subscribers, products, lengths, agents, uplinks (the second half of agents), catching, log, several with commas
#   --points N  of --growth: these points of the curves, several with commas
#   --log-gb N  the curve `log`: a log of so many GB is written and opened again (10 GB: half an hour, and that much disk)
#   --plot F    the curves as SVG
#   --build D   programs that are built already; else build/bench is built here, packages included
#   --dir D     where logs and sockets of the run go; must be a disk (default: the build directory)
# Exit status: 0 done, 1 a run failed or lost records, 64 usage, 69 packages missing.
# shellcheck disable=SC2034 # names are used by lib.sh, growth.sh and systems/*.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
ROOT=$PWD
BENCH=$ROOT/tests/bench
size=full json="" systems="weft nats jetstream mosquitto redis nng" rounds="" build="" dir="" plot=""
growth="" curves="subscribers products lengths" points="" log_gb=0

usage() { sed -n '3,19s/^# \{0,1\}//p' "$BENCH/run.sh"; }
while [ $# -gt 0 ]; do
    case "$1" in
    --quick) size=quick && shift ;;
    --smoke) size=smoke && shift ;;
    --growth) growth=1 && shift ;;
    --json | --only | --rounds | --build | --dir | --curves | --points | --log-gb | --plot)
        [ $# -ge 2 ] || { usage >&2; exit 64; }
        case "$1" in
        --json) json=$(realpath -m "$2") ;;
        --plot) plot=$(realpath -m "$2") ;;
        --only) systems=${2//,/ } ;;
        --curves) curves=${2//,/ } ;;
        --points) points=${2//,/ } ;;
        --log-gb) log_gb=$2 ;;
        --rounds) rounds=$2 ;;
        --build) build=$(realpath "$2") ;;
        --dir) dir=$(realpath "$2") ;;
        esac
        shift 2
        ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 64 ;;
    esac
done
case "$log_gb $curves " in "0 "* | *" log "*) ;; *) curves="$curves log" ;; esac
[ -z "$growth" ] || systems="weft nats"
for system in $systems; do
    [ -f "$BENCH/systems/$system.sh" ] || { echo "bench: no tests/bench/systems/$system.sh" >&2; exit 64; }
done

if [ -z "$build" ]; then
    bash cmake/install-deps.sh bench
    build=$ROOT/build/bench
    cmake --preset bench >/dev/null
    cmake --build "$build" -j "$(nproc)" --target weftd weft_cli weft-host bench_programs >/dev/null
fi

case $size in # records of a run as fast as possible; of a paced one; rounds; most subscribers; milliseconds of a probe
full) MAX=4000000 PACED=100000 ROUNDS=3 SUBSCRIBERS=4 PROBE_MS=400 ;;
quick) MAX=1200000 PACED=30000 ROUNDS=3 SUBSCRIBERS=4 PROBE_MS=150 ;;
smoke) MAX=5000 PACED=1000 ROUNDS=1 SUBSCRIBERS=2 PROBE_MS=20 ;;
esac
ROUNDS=${rounds:-$ROUNDS}
RUN_S=120
PYTHON=/usr/bin/python3 # the one that python3-protobuf belongs to
PROGRAMS=$build/tests/bench
WEFT=$build/sdk/weft WEFTD=$build/node/weftd
PATH="$PROGRAMS:$build/domains/common:/usr/sbin:$PATH"
unset WEFT_DIR WEFT_SOCKET
WORK=$(mktemp -d "${dir:-$build}/run-XXXXXX")
started="" failed=0

# shellcheck source=tests/bench/lib.sh
. "$BENCH/lib.sh"
# shellcheck source=tests/bench/growth.sh
. "$BENCH/growth.sh"

finish() {
    local status=$? system job
    trap - EXIT
    for system in $started; do "${system}_down" || true; done
    for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
    rm -rf "$WORK"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

payload() { # [LENGTH...]
    cp "$BENCH/bench.proto" "$WORK/bench.proto"
    sed -e "s/@NAME@/bench/" -e "s/@MESSAGE@/Sample/" -e "s/@KEEP@/1GiB/" "$BENCH/bench.yaml.in" >"$WORK/bench.yaml"
    "$WEFT" product build "$WORK/bench.yaml" >/dev/null
    "$PYTHON" -B "$BENCH/record.py" "$WORK/bench.desc" "$build/domains/common/weft-host" "$WORK/payload" \
        "$([ $size = smoke ] && echo 4 || echo 600)" "$@" # so many that the largest batch holds none twice
}

# Starts what is installed; the rest is named and left out.
start_systems() {
    local system here="" need needs
    for system in $systems; do
        # shellcheck source=/dev/null
        . "$BENCH/systems/$system.sh"
        needs="${system}_needs"
        for need in ${!needs}; do
            command -v "$need" >/dev/null || { echo "bench: no $need: $system is left out" >&2; continue 2; }
        done
        started="$started $system"
        "${system}_up"
        here="$here $system"
    done
    systems=$here
}

variants_of() { # SYSTEM
    local all="${1}_variants" quick="${1}_quick"
    if [ "$size" = quick ] && [ -n "${!quick:-}" ]; then echo "${!quick}"; else echo "${!all}"; fi
}

# In a quick run four subscribers are for what is compared with four: weft's and NATS' main variants.
subscribers_of() { # SYSTEM VARIANT
    local main="${1}_main"
    if [ "$size" = quick ] && { [ "$2" != "${!main}" ] || [ -z "${1##[!wn]*}" ] || [ "$1" = nng ]; }; then
        echo 1
    else
        echo "1 $SUBSCRIBERS"
    fi
}

as_fast_as_possible() { # SYSTEM VARIANT
    local subscribers divide="${1}_divide" rates="${1}_rates"
    for subscribers in $(subscribers_of "$1" "$2"); do
        if [ -n "${!rates:-}" ]; then
            measure_lossless "$1" "$2" "$subscribers" || failed=1
        else
            measure "$1" "$2" max "$subscribers" $((MAX / ${!divide:-1})) 0 1000 || failed=1
        fi
    done
}

# One round: every system and variant once, for each thing that is measured.
round() {
    local system variant
    measure_pace 20k "$PACED" 20000
    for system in $systems; do
        for variant in $(variants_of "$system"); do
            as_fast_as_possible "$system" "$variant"
            case "$variant" in *-64k) continue ;; esac
            measure "$system" "$variant" 20k-linger1 1 "$PACED" 20000 1000 || failed=1
            [ "$system" != weft ] || measure "$system" "$variant" 20k-linger5 1 "$PACED" 20000 5000 || failed=1
        done
    done
}

compare() {
    local i system variant name told=()
    for i in $(seq 1 "$ROUNDS"); do
        echo "round $i of $ROUNDS" >&2
        round
    done
    for system in $systems; do
        for variant in $(variants_of "$system"); do
            name="${system}_lacks_${variant//-/_}"
            told+=(--lacks "$system/$variant=${!name}")
        done
        name="${system}_may_lose"
        [ -z "${!name:-}" ] || told+=(--may-lose "$system")
    done
    "$PYTHON" -B "$BENCH/report.py" "$WORK/results.jsonl" --payload "$payload_text" --disk "$(stat -f -c %T "$WORK")" \
        "${told[@]}" ${json:+--json "$json"} || failed=1
}

# shellcheck disable=SC2086 # lengths are words
payload_text=$(payload ${growth:+$(growth_lengths)})
payload_file=$WORK/payload
: >"$WORK/results.jsonl"
start_systems
if [ -n "$growth" ]; then grow; else compare; fi
[ "$failed" = 0 ]

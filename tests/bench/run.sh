#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/run.sh [--quick | --smoke] [--json FILE] [--only SYSTEM...] [--rounds N] [--build DIR] [--dir DIR]
#   weft beside what else one would take, in one run on one machine: one publisher, one subscriber (and four without --quick), 102-byte
#   records of this machine, one call a record. Figures are medians of the rounds; the rounds of all systems are interleaved.
#   --quick     two minutes: fewer records and one subscriber only
#   --smoke     tiny counts: does every row come about? (no figure means anything)
#   --only S    these systems (files of tests/bench/systems), several with commas
#   --build D   programs that are built already; else build/bench is built here, packages included
#   --dir D     where logs and sockets of the run go; must be a disk (default: the build directory)
# Exit status: 0 done, 1 a run failed, 64 usage, 69 packages missing.
# shellcheck disable=SC2034 # names are used by lib.sh and systems/*.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
ROOT=$PWD
BENCH=$ROOT/tests/bench
size=full json="" systems="weft nats nng" rounds="" build="" dir=""

usage() { sed -n '3,12s/^# \{0,1\}//p' "$BENCH/run.sh"; }
while [ $# -gt 0 ]; do
    case "$1" in
    --quick) size=quick && shift ;;
    --smoke) size=smoke && shift ;;
    --json | --only | --rounds | --build | --dir)
        [ $# -ge 2 ] || { usage >&2; exit 64; }
        case "$1" in
        --json) json=$(realpath -m "$2") ;;
        --only) systems=${2//,/ } ;;
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
for system in $systems; do
    [ -f "$BENCH/systems/$system.sh" ] || { echo "bench: no tests/bench/systems/$system.sh" >&2; exit 64; }
done

if [ -z "$build" ]; then
    bash cmake/install-deps.sh bench
    build=$ROOT/build/bench
    cmake --preset bench >/dev/null
    cmake --build "$build" -j "$(nproc)" --target weftd weft_cli weft-host bench_weft bench_nats bench_nng >/dev/null
fi

case $size in # records of a run as fast as possible; of a paced one; rounds; most subscribers; milliseconds of a probe
full) MAX=4000000 PACED=100000 ROUNDS=3 SUBSCRIBERS=4 PROBE_MS=400 ;;
quick) MAX=1500000 PACED=50000 ROUNDS=3 SUBSCRIBERS=1 PROBE_MS=200 ;;
smoke) MAX=5000 PACED=1000 ROUNDS=1 SUBSCRIBERS=1 PROBE_MS=20 ;;
esac
ROUNDS=${rounds:-$ROUNDS}
RUN_S=120
PYTHON=/usr/bin/python3 # the one that python3-protobuf belongs to
PROGRAMS=$build/tests/bench
WEFT=$build/sdk/weft WEFTD=$build/node/weftd
PATH="$build/domains/common:/usr/sbin:$PATH"
unset WEFT_DIR WEFT_SOCKET
WORK=$(mktemp -d "${dir:-$build}/run-XXXXXX")
started=""

# shellcheck source=tests/bench/lib.sh
. "$BENCH/lib.sh"

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

payload() {
    cp "$BENCH/bench.proto" "$WORK/bench.proto"
    sed "s/@NAME@/bench/" "$BENCH/bench.yaml.in" >"$WORK/bench.yaml"
    "$WEFT" product build "$WORK/bench.yaml" >/dev/null
    "$PYTHON" -B "$BENCH/record.py" "$WORK/bench.desc" "$build/domains/common/weft-host" "$WORK/payload" \
        "$([ $size = smoke ] && echo 2 || echo 60)"
}

# One round: every system and variant once, for each thing that is measured.
round() {
    local system variant variants s rates
    measure_pace 20k "$PACED" 20000
    for system in $systems; do
        variants="${system}_variants" rates="${system}_rates"
        for variant in ${!variants}; do
            for s in 1 $([ "$SUBSCRIBERS" = 1 ] || echo "$SUBSCRIBERS"); do
                if [ -n "${!rates:-}" ]; then
                    measure_lossless "$system" "$variant" "$s" || die "$system $variant"
                else
                    measure "$system" "$variant" max "$s" "$MAX" 0 1000 || die "$system $variant"
                fi
            done
            case "$variant" in *-64k) continue ;; esac
            measure "$system" "$variant" 20k-linger1 1 "$PACED" 20000 1000 || die "$system $variant paced"
            [ "$system" != weft ] ||
                measure "$system" "$variant" 20k-linger5 1 "$PACED" 20000 5000 || die "$system $variant paced"
        done
    done
}

payload_text=$(payload)
for system in $systems; do
    # shellcheck source=/dev/null
    . "$BENCH/systems/$system.sh"
    "${system}_up"
    started="$started $system"
done
for i in $(seq 1 "$ROUNDS"); do
    echo "round $i of $ROUNDS" >&2
    round
done
lacks=()
for system in $systems; do
    variants="${system}_variants"
    for variant in ${!variants}; do
        name="${system}_lacks_${variant//-/_}"
        lacks+=(--lacks "$system/$variant=${!name}")
    done
done
"$PYTHON" -B "$BENCH/report.py" "$WORK/results.jsonl" --payload "$payload_text" --disk "$(stat -f -c %T "$WORK")" \
    "${lacks[@]}" ${json:+--json "$json"}

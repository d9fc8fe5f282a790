#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/run.sh [-R REGEX] [-L LABEL] [-V] [--keep]
#   tests/run.sh                  everything: release programs, dev (gcc, ASan, UBSan), clang and fuzz targets, TSan subset
#   tests/run.sh -R proto.noise   tests whose name matches      tests/run.sh -L lint        one label
#   tests/run.sh -L fuzz-long     every fuzz target for 60 s    --keep leaves the tests' temporary directories
# Installs what is missing, configures, builds, runs. The last line sums all runs: N passed, N failed, N skipped.
# Exit status: 0 all passed, 1 a failure or no test at all, 64 usage, 69 packages missing.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 70

filters=() verbose=() labels='' filtered=no
usage() {
    sed -n '3,8s/^# \{0,1\}//p' tests/run.sh
}
while [ $# -gt 0 ]; do
    case "$1" in
    -R | -L)
        [ $# -ge 2 ] || { usage >&2; exit 64; }
        [ "$1" = -R ] || labels="$labels $2"
        case "$2" in *fuzz-long*) labels="$labels fuzz-long" ;; esac
        filters+=("$1" "$2")
        filtered=yes
        shift 2
        ;;
    -V) verbose=(-V) && shift ;;
    --keep) export WEFT_KEEP=1 && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 64 ;;
    esac
done
case "$labels" in *fuzz-long*) ;; *) filters+=(-LE '^fuzz-long$') ;; esac

jobs=$(nproc) at_once=$jobs
passed=0 failed=0 skipped=0
table=()
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

note() { # CONFIGURATION TEXT SECONDS
    table+=("$(printf '%-16s %-44s %5d s' "$1" "$2" "$3")")
}

# Configures and builds a preset; a failure counts as one failed test and shows the log.
build() { # PRESET [TARGET]
    local log="$results/build-$1.log" start=$SECONDS
    echo "== $1: build"
    if cmake --preset "$1" >"$log" 2>&1 && cmake --build "build/$1" --target "${2:-all}" -j "$jobs" >>"$log" 2>&1; then
        note "$1" built $((SECONDS - start))
        return 0
    fi
    tail -n 60 "$log"
    failed=$((failed + 1))
    note "$1" 'BUILD FAILED' $((SECONDS - start))
    return 1
}

# How many tests of a preset the arguments select; configures, builds nothing.
count() { # PRESET CTEST-ARGS...
    local preset=$1
    shift
    cmake --preset "$preset" >"$results/configure.log" 2>&1 || { cat "$results/configure.log" >&2; echo 1; return; }
    ctest --test-dir "build/$preset" -N "$@" 2>/dev/null | sed -n 's/^Total Tests: //p'
}

attribute() { # FILE NAME: a number of the JUnit file's testsuite element
    grep -o -m1 "\\b$2=\"[0-9]*\"" "$1" | head -n1 | tr -dc 0-9
}

# The tests that took longest, of all runs.
slowest() {
    sed -n 's/.*<testcase name="\([^"]*\)".* time="\([0-9.]*\)".*/\2 \1/p' "$results"/*.xml 2>/dev/null |
        sort -rn | head -n 10 | while read -r seconds name; do
        printf '  %-40s %8.1f s\n' "$name" "$seconds"
    done
}

# Runs ctest on a built preset and adds up its result.
run() { # NAME PRESET CTEST-ARGS...
    local name=$1 preset=$2 xml="$results/$1.xml" start=$SECONDS all bad skip good
    shift 2
    echo "== $name: tests"
    "${launcher[@]}" ctest --test-dir "build/$preset" --output-on-failure -j "$at_once" --output-junit "$xml" "$@"
    if [ ! -s "$xml" ]; then
        failed=$((failed + 1))
        note "$name" 'CTEST FAILED' $((SECONDS - start))
        return
    fi
    all=$(attribute "$xml" tests) bad=$(attribute "$xml" failures)
    skip=$(($(attribute "$xml" skipped) + $(attribute "$xml" disabled)))
    good=$((all - bad - skip))
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skip))
    note "$name" "$good passed, $bad failed, $skip skipped" $((SECONDS - start))
}
launcher=(env)

release() {
    build release
}

dev() {
    [ "$(count dev "${filters[@]}")" != 0 ] || return
    at_once=$((2 * jobs)) # end-to-end tests mostly wait
    build dev && run dev dev "${filters[@]}" "${verbose[@]}"
    at_once=$jobs
}

fuzz() {
    local which=(-L '^fuzz(-long)?$')
    [ "$(count fuzz "${which[@]}" "${filters[@]}")" != 0 ] || return
    build fuzz && run fuzz fuzz "${which[@]}" "${filters[@]}" "${verbose[@]}"
}

# The fuzz build is clang with ASan and UBSan, so it serves as the second compiler's unit run as well.
clang_unit() {
    at_once=$((jobs + (jobs + 1) / 2)) # some wait for clocks and sockets
    build fuzz && run clang-unit fuzz -L '^(unit|vectors)$' "${filters[@]}" "${verbose[@]}"
}

# Tests with threads carry the label tsan. clang 14's TSan needs its usual address-space layout.
tsan() {
    local which=(-L '^tsan$')
    if [ "$(count tsan "${which[@]}" "${filters[@]}")" = 0 ]; then
        [ "$filtered" = yes ] || { echo "no test has the label tsan" >&2; failed=$((failed + 1)); }
        return
    fi
    ! setarch -R true 2>/dev/null || launcher=(setarch -R)
    at_once=$((jobs + (jobs + 1) / 2))
    build tsan tsan_tests && run tsan tsan "${which[@]}" "${filters[@]}" "${verbose[@]}"
    launcher=(env)
}

bash cmake/install-deps.sh test || exit $?
release
dev
fuzz
if [ "$filtered" = no ]; then
    clang_unit
fi
case "$filtered $labels" in "no "* | *tsan*) tsan ;; esac

printf '\n%-16s %-44s %7s\n' configuration result time
printf '%s\n' "${table[@]}"
if [ "$filtered" = no ]; then
    printf '\nthe slowest tests\n'
    slowest
fi
if [ $((passed + failed)) -eq 0 ]; then
    echo "no test ran" >&2
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: cmake/install-deps.sh build|test|bench
# The one list of Debian packages (12 and 13) that weft needs: `build` for programs and library, `test` for the whole
# of tests/run.sh, `bench` for tests/bench/run.sh. Prints nothing and does nothing when all are there; otherwise installs
# the missing ones as root or through sudo -n, or prints the line to run and exits 69.
set -euo pipefail

build=(
    gcc libc6-dev cmake ninja-build pkg-config
    protobuf-compiler libprotobuf-dev protobuf-c-compiler libprotobuf-c-dev
    libnng-dev libsodium-dev libyaml-dev libsqlite3-dev libjansson-dev
    liblz4-dev libzstd-dev libmnl-dev libmicrohttpd-dev libcurl4-openssl-dev libpq-dev libsnappy-dev
)
test=(
    "${build[@]}"
    check clang clang-format clang-tidy libclang-rt-dev
    python3 python3-protobuf sqlite3
    iproute2 procps tcpdump
    prometheus prometheus-alertmanager victoria-metrics
    mandoc shellcheck
    postgresql openssl
)
bench=(
    "${build[@]}"
    check python3 python3-protobuf openssl
    nats-server libnats-dev
    mosquitto libmosquitto-dev
    redis-server libhiredis-dev
    postgresql prometheus prometheus-node-exporter collectd-core
)

case "${1:-}" in
build) wanted=("${build[@]}") ;;
test) wanted=("${test[@]}") ;;
bench) wanted=("${bench[@]}") ;;
*)
    echo "usage: cmake/install-deps.sh build|test|bench" >&2
    exit 64
    ;;
esac

missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

line="apt-get install -y --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
    echo "weft needs these Debian packages (or what your system calls them): ${missing[*]}" >&2
    exit 69
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "packages are missing; run:  sudo $line" >&2
        exit 69
    fi
    as_root=(sudo -n)
fi
echo "installing: ${missing[*]}" >&2
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
    # The package lists may be old or absent; fetch them and let errors show.
    "${apt[@]}" update >&2
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2
fi

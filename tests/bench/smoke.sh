#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# smoke.sh BUILD: the comparison and the growth curves with tiny counts. Every row that this machine can have comes about, nothing is lost (run.sh
# fails otherwise), the JSON has the promised form, what is not installed is null; no time is judged.
set -eu
build=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH="$build/tests/bench:/usr/sbin:$PATH"
here=weft,nng
for peer in nats=nats-server=bench_nats jetstream=nats-server=bench_jetstream mosquitto=mosquitto=bench_mqtt redis=redis-server=bench_redis; do
    IFS="=" read -r name server client <<<"$peer"
    if command -v "$server" >/dev/null && command -v "$client" >/dev/null; then here=$here,$name; fi
done
bash tests/bench/run.sh --smoke --build "$build" --json "$work/bench.json"
bash tests/bench/run.sh --smoke --growth --curves subscribers,products,lengths,agents,catching --log-gb 1 --build "$build" --json "$work/growth.json" --plot "$work/growth.svg"
/usr/bin/python3 -B tests/bench/check.py "$here" "$work/bench.json" "$work/growth.json" "$work/growth.svg"

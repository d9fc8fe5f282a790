#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Raw NNG PUB/SUB over TCP, one record a message. It never pushes back, so its figure is the highest rate of a rising series at which nothing was lost.
# shellcheck disable=SC2154,SC2034,SC2164 # sourced by run.sh under set -e

nng_variants="tcp"
nng_main=tcp
nng_needs="bench_nng"
nng_may_lose=1
nng_lacks_tcp="encryption, signature, log, flow control, batching, owner's control"
nng_rates="10000 20000 40000 60000 80000 100000 130000 160000 200000 250000"

nng_up() { nng_url="tcp://127.0.0.1:$(free_port)"; }
nng_pids() { :; }
nng_sub() { echo "$PROGRAMS/bench_nng sub where=$nng_url"; }
nng_pub() { echo "$PROGRAMS/bench_nng pub where=$nng_url extra=$3"; }
nng_down() { :; }

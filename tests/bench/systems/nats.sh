#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nats-server from Debian and its C client, with TLS and without; `tls-64k`: the application packs 640 records itself.
# shellcheck disable=SC2154,SC2034,SC2164 # sourced by run.sh under set -e

nats_variants="tls tls-64k plain"
nats_quick="tls tls-64k"
nats_main=tls
nats_needs="nats-server bench_nats"
nats_lacks_tls="seal end to end, signature, log, at least once, owner's control; the server reads everything"
nats_lacks_tls_64k="the same; the application packs 640 records into a message and unpacks them, without linger or order of its own"
nats_lacks_plain="encryption, signature, log, at least once, owner's control"
declare -gA nats_port

nats_start() { # tls|plain
    local conf="$WORK/nats-$1.conf"
    nats_port[$1]=$(free_port)
    printf 'listen: 127.0.0.1:%d\nmax_pending: 1GB\n' "${nats_port[$1]}" >"$conf"
    [ "$1" = plain ] ||
        printf 'tls { cert_file: "%s", key_file: "%s" }\n' "$WORK/tls.crt" "$WORK/tls.key" >>"$conf"
    server "nats-$1" "Server is ready" nats-server -c "$conf"
    nats_pid_list="$nats_pid_list $server_pid"
}

nats_up() {
    nats_pid_list=""
    certificate
    nats_start tls
    nats_start plain
}

nats_pids() { echo "$nats_pid_list"; }
nats_program() { # ROLE VARIANT
    local kind=${2%-64k} authority=""
    [ "$kind" = plain ] || authority="$WORK/tls.crt"
    echo "$PROGRAMS/bench_nats $1 where=nats://127.0.0.1:${nats_port[$kind]} product=bench extra=$authority"
}
nats_sub() { nats_program sub "$1"; }
nats_pub() {
    case "$1" in
    *-64k) echo "$(nats_program pub "$1") pack=640" ;;
    *) nats_program pub "$1" ;;
    esac
}
nats_down() { for pid in $nats_pid_list; do stop_pid "$pid"; done; }

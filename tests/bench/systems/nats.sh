#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nats-server from Debian and its C client, with TLS (a certificate made here) and without; `tls-64k`: the application packs 640 records itself.
# shellcheck disable=SC2154,SC2034,SC2164 # sourced by run.sh under set -e

nats_variants="tls tls-64k plain"
nats_lacks_tls="signature, log, at least once; the server reads everything"
nats_lacks_tls_64k="the same, and the application packs batches itself"
nats_lacks_plain="encryption, signature, log, at least once"
declare -A nats_port

nats_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$WORK/nats.key" -out "$WORK/nats.crt" 2>/dev/null
}

nats_start() { # tls|plain
    local conf="$WORK/nats-$1.conf"
    printf 'listen: 127.0.0.1:-1\nmax_pending: 1GB\n' >"$conf"
    [ "$1" = plain ] ||
        printf 'tls { cert_file: "%s", key_file: "%s" }\n' "$WORK/nats.crt" "$WORK/nats.key" >>"$conf"
    nats-server -c "$conf" >"$WORK/nats-$1.log" 2>&1 &
    nats_pid_list="$nats_pid_list $!"
    until_ok grep -q 'Server is ready' "$WORK/nats-$1.log"
    nats_port[$1]=$(sed -n 's/.*Listening for client connections on 127.0.0.1:\([0-9]*\).*/\1/p' "$WORK/nats-$1.log")
}

nats_up() {
    nats_pid_list=""
    nats_certificate
    nats_start tls
    nats_start plain
}

nats_pids() { echo "$nats_pid_list"; }
nats_program() { # ROLE VARIANT
    local kind=${2%-64k} authority=""
    [ "$kind" = plain ] || authority="$WORK/nats.crt"
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

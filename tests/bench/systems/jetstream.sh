#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# JetStream of Debian's nats-server with TLS, one stream in files; its log is written, and synced when the server sees fit (two minutes).
# shellcheck disable=SC2154,SC2034,SC2164 # sourced by run.sh under set -e

jetstream_variants="tls"
jetstream_main=tls
jetstream_divide=8
jetstream_needs="nats-server bench_jetstream"
jetstream_lacks_tls="seal end to end, signature, sync of the log before anybody sees a record, owner's control; the server reads everything"

jetstream_up() {
    jetstream_port=$(free_port)
    certificate
    mkdir -p "$WORK/jetstream"
    cat >"$WORK/jetstream.conf" <<END
listen: 127.0.0.1:$jetstream_port
max_pending: 1GB
tls { cert_file: "$WORK/tls.crt", key_file: "$WORK/tls.key" }
jetstream { store_dir: "$WORK/jetstream" }
END
    server jetstream "Server is ready" nats-server -c "$WORK/jetstream.conf"
    jetstream_pid=$server_pid
}

jetstream_pids() { echo "$jetstream_pid"; }
jetstream_program() { # ROLE
    echo "$PROGRAMS/bench_jetstream $1 where=nats://127.0.0.1:$jetstream_port product=bench extra=$WORK/tls.crt"
}
jetstream_sub() { jetstream_program sub; }
jetstream_pub() { jetstream_program pub; }
jetstream_down() { stop_pid "$jetstream_pid"; }

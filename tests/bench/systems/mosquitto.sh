#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# mosquitto from Debian with TLS, quality of service 1, its queues without bounds so that it drops nothing. It keeps them in memory.
# shellcheck disable=SC2154,SC2034,SC2164 # sourced by run.sh under set -e

mosquitto_variants="qos1-tls"
mosquitto_main=qos1-tls
mosquitto_divide=24
mosquitto_needs="mosquitto bench_mqtt"
mosquitto_lacks_qos1_tls="seal end to end, signature, log, owner's control; the server reads everything"

mosquitto_up() {
    mosquitto_port=$(free_port)
    certificate
    cat >"$WORK/mosquitto.conf" <<END
listener $mosquitto_port 127.0.0.1
user $(id -un)
allow_anonymous true
certfile $WORK/tls.crt
keyfile $WORK/tls.key
max_inflight_messages 0
max_queued_messages 0
max_queued_bytes 0
persistence false
set_tcp_nodelay true
END
    server mosquitto " running" mosquitto -c "$WORK/mosquitto.conf"
    mosquitto_pid=$server_pid
}

mosquitto_pids() { echo "$mosquitto_pid"; }
mosquitto_program() { # ROLE
    echo "$PROGRAMS/bench_mqtt $1 where=$mosquitto_port product=bench extra=$WORK/tls.crt"
}
mosquitto_sub() { mosquitto_program sub; }
mosquitto_pub() { mosquitto_program pub; }
mosquitto_down() { stop_pid "$mosquitto_pid"; }

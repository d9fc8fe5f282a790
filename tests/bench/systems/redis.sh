#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Redis streams of Debian's redis-server, append-only file synced every second. Plain TCP: Debian's hiredis for C has no TLS.
# shellcheck disable=SC2154,SC2034,SC2164 # sourced by run.sh under set -e

redis_variants="streams"
redis_main=streams
redis_divide=5
redis_needs="redis-server bench_redis"
redis_lacks_streams="encryption, signature, sync of the log before anybody sees a record, owner's control; all in memory"

redis_up() {
    redis_port=$(free_port)
    mkdir -p "$WORK/redis"
    cat >"$WORK/redis.conf" <<END
bind 127.0.0.1
port $redis_port
dir $WORK/redis
save ""
appendonly yes
appendfsync everysec
END
    server redis "Ready to accept connections" redis-server "$WORK/redis.conf"
    redis_pid=$server_pid
}

redis_pids() { echo "$redis_pid"; }
redis_program() { # ROLE
    echo "$PROGRAMS/bench_redis $1 where=$redis_port product=bench"
}
redis_sub() { redis_program sub; }
redis_pub() { redis_program pub; }
redis_down() { stop_pid "$redis_pid"; }

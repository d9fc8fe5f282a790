#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2015 # sourced: its names are used by the tests
# What end-to-end tests share: a mesh in a temporary directory, weftds on ports the system chooses, waiting with a deadline, stopping by pid.
# Sourced with BUILD set to the build directory; everything is stopped and removed at exit.
set -eu
WEFT="$BUILD/sdk/weft"
WEFTD="$BUILD/node/weftd"
SHARE="$BUILD/share/weft"
PATH="$BUILD/domains/common:$BUILD/sdk:$PATH"
WORK=$(mktemp -d)
PIDS=""
DEADLINE=${DEADLINE:-30}
unset WEFT_DIR WEFT_SOCKET || true

fail() {
    echo "FAILED: $*" >&2
    for log in "$WORK"/*.log; do
        [ -f "$log" ] && echo "--- $log" >&2 && tail -n 30 "$log" >&2
    done
    exit 1
}

stop() { # NAME [SIGNAL]: ends that weftd and waits for it
    pid=$(cat "$WORK/$1.pid" 2>/dev/null) || return 0
    kill -"${2:-TERM}" "$pid" 2>/dev/null || true
    n=0
    while kill -0 "$pid" 2>/dev/null; do
        n=$((n + 1))
        [ "$n" -gt 150 ] && kill -KILL "$pid" 2>/dev/null
        sleep 0.1
    done
    rm -f "$WORK/$1.pid"
    # A sanitizer's finding or an end in disorder is the test's failure, whatever it was about.
    ended=0
    wait "$pid" 2>/dev/null || ended=$?
    if [ "${2:-TERM}" = TERM ] && [ "$ended" -ne 0 ]; then
        echo "FAILED: $1 ended with status $ended" >&2
        status=1
        [ -n "${FINISHING:-}" ] || exit 1
    fi
}

finish() {
    status=$?
    trap - EXIT
    FINISHING=1
    for file in "$WORK"/*.pid; do
        [ -f "$file" ] && name=$(basename "$file" .pid) && stop "$name"
    done
    if grep -qE "Sanitizer|runtime error" "$WORK"/*.log 2>/dev/null; then
        grep -hE -A 25 "Sanitizer|runtime error" "$WORK"/*.log | head -n 60 >&2
        status=1
    fi
    [ -n "${KEEP:-}" ] && echo "kept $WORK" >&2 || rm -rf "$WORK"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# Runs a command again until it succeeds; the test fails after DEADLINE seconds.
until_ok() {
    end=$(($(date +%s) + DEADLINE))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || fail "not within $DEADLINE s: $*"
        sleep 0.2
    done
}

start() { # NAME [ENV=VALUE...]: weftd in $WORK/NAME
    name=$1
    shift
    (cd "$WORK/$name" && exec env "$@" "$WEFTD" -c weftd.yaml >>"$WORK/$name.log" 2>&1) &
    echo $! >"$WORK/$name.pid"
}

weft_at() { # NAME COMMAND...: weft with that node's or agent's socket
    at=$1
    shift
    "$WEFT" "$@" --dir "$WORK/$at"
}

# A domain with its issuer node NAME-node, running, on a port of the system's choice that it keeps over restarts.
make_domain() { # DOMAIN
    "$WEFT" domain init "$1" --dir "$WORK/$1-root" --no-passphrase >/dev/null
    "$WEFT" node init --domain "$WORK/$1-root" --dir "$WORK/$1-node" --name node-1 --listen 127.0.0.1:0 >/dev/null
}

make_mesh() { # DOMAIN: a mesh of one domain, its node up
    make_domain "$1"
    (cd "$WORK" && "$WEFT" mesh init acme --domain "$1-root" --node "$1-node" >/dev/null)
    start "$1-node"
    until_ok weft_at "$1-node" node status
    port=$(weft_at "$1-node" node status -o json | sed 's/.*"listeners":\["[^"]*:\([0-9]*\)".*/\1/')
    sed -i "s/127.0.0.1:0/127.0.0.1:$port/" "$WORK/$1-node/weftd.yaml"
}

make_agent() { # NAME TICKET [YAML LINE...]
    mkdir -p "$WORK/$1"
    (umask 077 && printf '%s\n' "$2" >"$WORK/$1/ticket")
    printf 'role: agent\ndata: data\nsocket: run/weftd.sock\nticket: ticket\n' >"$WORK/$1/weftd.yaml"
    at=$1
    shift 2
    for line in "$@"; do printf '%s\n' "$line" >>"$WORK/$at/weftd.yaml"; done
}

# The head offset of a product of a node.
head_of() { # NAME PRODUCT
    weft_at "$1" node status | awk -v p="$2" '$1 == p { print $3 }'
}

head_beyond() { # NAME PRODUCT OFFSET
    [ "$(head_of "$1" "$2")" -gt "$3" ]
}

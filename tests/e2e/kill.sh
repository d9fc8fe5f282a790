#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill.sh BUILD: kill -9 of publishers, a node, an agent and the monitor while all of them work (kill.py). What was acknowledged is in
# ledgers that no weftd sees. WEFT_FAULT_KILLS: how many (default 50, over all roles), SEED: when and whom.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

make_mesh servers
make_event servers-node depth
for reader in monitor-1 monitor-2; do make_reader servers-node $reader service; done
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)"
start web-1
until_ok has_manifest web-1 depth
stop web-1 KILL # kill.py starts them anew and has them as its own children
stop servers-node KILL
python3 -B "$(dirname "$0")/kill.py" "$BUILD" "$WORK" "${WEFT_FAULT_KILLS:-50}" "${SEED:-$$}" || fail "kill.py ends with $?"

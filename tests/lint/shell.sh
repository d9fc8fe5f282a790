#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lint.shell: every shell script passes shellcheck; found by suffix or by its first line.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v shellcheck >/dev/null || { echo "shellcheck is not here; not checked"; exit 77; }
scripts=()
while IFS= read -r f; do
    case "${f##*/}" in
    *.sh) scripts+=("$f") ;;
    *.*) ;;
    *) if head -c 64 "$f" | head -n1 | grep -qaE '^#!.*\b(ba)?sh\b'; then scripts+=("$f"); fi ;;
    esac
done < <(python3 -B tests/lint/tree.py '')
echo "${#scripts[@]} scripts"
shellcheck -x "${scripts[@]}"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lint.shell: every shell script passes shellcheck; found by suffix or by its first line.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v shellcheck >/dev/null || { echo "shellcheck is not here; not checked"; exit 77; }
scripts=()
while IFS= read -r -d '' f; do
    [ -f "$f" ] || continue
    case "$f" in
    *.sh) scripts+=("$f") ;;
    *.*) case "$f" in .ci/*) scripts+=("$f") ;; esac ;;
    *) if head -c 64 "$f" | head -n1 | grep -qaE '^#!.*\b(ba)?sh\b'; then scripts+=("$f"); fi ;;
    esac
done < <(git ls-files -co --exclude-standard -z)
echo "${#scripts[@]} scripts"
shellcheck -x "${scripts[@]}"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lint.man: every manual page passes mandoc's own lint.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v mandoc >/dev/null || { echo "mandoc is not here; not checked"; exit 77; }
mapfile -t pages < <(python3 -B tests/lint/tree.py .{1..9} | grep '^docs/man/')
[ "${#pages[@]}" -gt 0 ] || { echo "no manual pages yet"; exit 77; }
echo "${#pages[@]} pages"
mandoc -Tlint -W warning "${pages[@]}"

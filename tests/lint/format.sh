#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lint.format: every C file is as clang-format 14 would write it (another release writes differently: a visible skip).
set -euo pipefail
cd "$(dirname "$0")/../.."

tool=
for name in clang-format-14 clang-format; do
    if command -v "$name" >/dev/null && "$name" --version | grep -q 'version 14\.'; then
        tool=$name
        break
    fi
done
if [ -z "$tool" ]; then
    echo "clang-format 14 is not here; not checked"
    exit 77
fi
python3 -B tests/lint/tree.py .c .h | xargs -r -d '\n' "$tool" --dry-run -Werror

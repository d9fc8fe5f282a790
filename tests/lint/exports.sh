#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/lint/exports.sh BUILD-DIR
# lint.exports: libweft exports exactly what sdk/exports.txt promises (one symbol a line, '#' comments).
set -euo pipefail
cd "$(dirname "$0")/../.."

library=$(find "$1" -name 'libweft.so*' -type f | sort | head -n1)
if [ -z "$library" ] || [ ! -f sdk/exports.txt ]; then
    echo "libweft or sdk/exports.txt is not here yet; not checked"
    exit 77
fi
# A sanitizer's own symbols begin with two underscores.
diff -u <(grep -v '^#' sdk/exports.txt | grep . | LC_ALL=C sort) \
    <(nm -D --defined-only "$library" | awk '{ print $NF }' | grep -v '^_' | sed 's/@.*//' | LC_ALL=C sort -u)

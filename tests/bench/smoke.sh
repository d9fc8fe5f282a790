#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# smoke.sh BUILD: the comparison with tiny counts. Every row comes about, nothing is lost, figures are numbers above nothing; no time is judged.
set -eu
build=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
systems=weft,nng
if command -v nats-server >/dev/null || [ -x /usr/sbin/nats-server ]; then
    [ ! -x "$build/tests/bench/bench_nats" ] || systems=weft,nng,nats
fi
bash tests/bench/run.sh --smoke --only "$systems" --build "$build" --json "$work/bench.json"
/usr/bin/python3 - "$work/bench.json" "$systems" <<'END'
import json, sys
got = json.load(open(sys.argv[1]))
assert got["schema"] == "weft.bench/v1", got["schema"]
rows = {(r["system"], r["of"], r["mode"]): r for r in got["rows"]}
want = [("weft", v, m) for v in ("compressed", "uncompressed") for m in ("max", "20k-linger1", "20k-linger5")]
want += [("nng", "tcp", "20k-linger1")]
if "nats" in sys.argv[2]:
    want += [("nats", v, "max") for v in ("tls", "tls-64k", "plain")] + [("nats", "tls", "20k-linger1")]
for key in want:
    row = rows.get(key)
    assert row, f"no row {key}"
    assert row["records_per_s"] > 0, row
    assert key[0] == "nng" or row["lost"] == 0, row
    assert row["wrong"] == 0, row
    if key[2] != "max":
        assert 0 < row["p50_us"] <= row["p99_us"], row
if "nats" in sys.argv[2]:
    assert got["ratios"]["nats_tls_1"] > 0, got["ratios"]
print(f"ok: {len(rows)} rows")
END

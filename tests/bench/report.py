#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py RESULTS [--payload TEXT] [--disk TYPE] [--lacks SYSTEM/VARIANT=TEXT]... [--may-lose SYSTEM]... [--json FILE]: one table of all runs.

RESULTS has one JSON object a run (tests/bench/lib.sh). Every figure is the median of its runs. records/s counts from the first
call of the publisher to the last record at the slowest subscriber; CPU is of publisher, servers and subscribers together per
million records published, at a paced rate less what the bare pacing loop takes. A ratio whose rows are not there, or lost
records, is null. Exit status 1 when a system lost records that may not.
"""
import argparse
import json
import os
import platform
import statistics
import sys

import runs

PACED = "20k-linger{}"


def load(path):
    by_row = {}
    for r in runs.read(path):
        by_row.setdefault((r["system"], r["variant"], r["mode"], r["subscribers"]), []).append(r)
    return by_row


def cpu_per_m(r):
    return runs.cpu_s(r) / runs.published(r) * 1e6


def records_per_s(r):
    return min(s["records"] for s in r["subs"]) / runs.took_s(r)


def median(rs, of):
    return statistics.median(of(r) for r in rs) if rs else None


def figures(by_row):
    """Rows as they are printed, by system, variant, mode and subscribers; and the bare pacer's CPU seconds per million records."""
    pace = median(by_row.get(("pace", "-", "20k", 0), []), cpu_per_m)
    rows = {}
    for key, rs in by_row.items():
        system, variant, mode, subs = key
        if system == "pace":
            continue
        paced = mode != "max"
        whole = median(rs, cpu_per_m)
        rows[key] = {
            "system": system, "variant": f"{variant} {mode}" if paced else variant, "subscribers": subs,
            "records_per_s": round(median(rs, records_per_s)),
            "cpu_whole": whole, "cpu_s_per_m": round(whole - (pace or 0) if paced else whole, 3),
            "p50_us": median(rs, lambda r: max(s["p50_us"] for s in r["subs"])) if paced else None,
            "p99_us": median(rs, lambda r: max(s["p99_us"] for s in r["subs"])) if paced else None,
            "missing": sum(map(runs.missing, rs)),
        }
    return rows, pace


def ratio(rows, field, mine, peer):
    a, b = rows.get(mine), rows.get(peer)
    if not a or not b or a["missing"] or b["missing"] or b[field] <= 0:
        return None
    return round(a[field] / b[field], 3)


def ratios(rows):
    def rate(peer, subs, variant="compressed"):
        return ratio(rows, "records_per_s", ("weft", variant, "max", subs), (*peer, "max", subs))

    def cpu(linger):
        return ratio(rows, "cpu_s_per_m", ("weft", "compressed", PACED.format(linger), 1), ("nats", "tls", PACED.format(1), 1))

    promised = rows.get(("weft", "compressed", PACED.format(1), 1))
    out = {
        "nats_tls_1": rate(("nats", "tls"), 1),
        "nats_tls_4": rate(("nats", "tls"), 4),
        "jetstream_tls_1": rate(("jetstream", "tls"), 1),
        "mosquitto_qos1_tls_1": rate(("mosquitto", "qos1-tls"), 1),
        "nats_tls_64k_1": rate(("nats", "tls-64k"), 1),
        "nng_raw_1": rate(("nng", "tcp"), 1),
        "p99_us_20k_linger1": promised["p99_us"] if promised and not promised["missing"] else None,
        "cpu_vs_nats_tls_20k_linger1": cpu(1),
        "cpu_vs_nats_tls_20k_linger5": cpu(5),
    }
    more = {
        "nats_tls_1, uncompressed": rate(("nats", "tls"), 1, "uncompressed"),
        "redis_streams_1": rate(("redis", "streams"), 1),
        "p50_us_20k_linger1": promised["p50_us"] if promised else None,
    }
    return out, more


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    load_average = " ".join(f"{x:.1f}" for x in os.getloadavg())
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, load average {load_average}"


def table(rows, lacks):
    lines = [f"{'system':<18} {'measured':<12} {'subs':>4} {'records/s':>10} {'CPU s/M':>8} {'-pacer':>7} {'p50 us':>8} {'p99 us':>8} "
             f"{'lost':>6}  leaves out"]
    for (system, variant, mode, subs), r in sorted(rows.items(), key=lambda kv: (kv[0][2] != "max", kv[0][2], kv[0][3])):
        net, p50, p99 = (f"{r[k]:,.{d}f}" if r["p50_us"] is not None else ""
                         for k, d in (("cpu_s_per_m", 2), ("p50_us", 0), ("p99_us", 0)))
        lines.append(f"{system + ' ' + variant:<18} {mode:<12} {subs:>4} {r['records_per_s']:>10,} {r['cpu_whole']:>8.2f} "
                     f"{net:>7} {p50:>8} {p99:>8} {r['missing']:>6}  {lacks.get(system + '/' + variant, '')}")
    return "\n".join(lines)


def write_json(path, rows, found):
    columns = ("system", "variant", "subscribers", "records_per_s", "cpu_s_per_m", "p50_us", "p99_us")
    out = [{c: r[c] for c in columns} for r in rows.values()]
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"schema": "weft.bench/v1", "rows": out, "ratios": found}, f, indent=1)
        f.write("\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("results")
    parser.add_argument("--payload", default="")
    parser.add_argument("--disk", default="")
    parser.add_argument("--lacks", action="append", default=[])
    parser.add_argument("--may-lose", action="append", default=[])
    parser.add_argument("--json")
    args = parser.parse_args()
    rows, pace = figures(load(args.results))
    found, more = ratios(rows)
    print(f"{machine()}; log on {args.disk}\n{args.payload}")
    print("medians; 20k: paced at 20,000 records/s, -pacer: CPU s/M less the bare pacer's " +
          (f"{pace:.2f}\n" if pace is not None else "(not measured)\n"))
    print(table(rows, dict(text.split("=", 1) for text in args.lacks)))
    print("\nweft to peer:" + "".join(f"\n  {k:<32} {'-' if v is None else v}" for k, v in (found | more).items()))
    if args.json:
        write_json(args.json, rows, found)
    bad = [" ".join(map(str, key)) for key, r in rows.items() if r["missing"] and key[0] not in args.may_lose]
    if bad:
        sys.exit("bench: records were lost: " + "; ".join(bad))


main()

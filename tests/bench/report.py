#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py RESULTS [--payload TEXT] [--disk TYPE] [--lacks SYSTEM/VARIANT=TEXT]... [--json FILE]: one table of all runs.

RESULTS has one JSON object a run (tests/bench/lib.sh). Every figure is the median of its runs. records/s counts from the first
call of the publisher to the last record at the slowest subscriber; CPU is of publisher, servers and subscribers together per
million records published, at a paced rate less what the bare pacing loop takes.
"""
import argparse
import json
import os
import platform
import statistics


def load(path):
    runs = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            r = json.loads(line)
            runs.setdefault((r["system"], r["variant"], r["mode"], r["subscribers"]), []).append(r)
    return runs


def cpu_per_m(r):
    total = r["servers_cpu_s"] + r["pub"]["cpu_s"] + sum(s["cpu_s"] for s in r["subs"])
    return total / r["pub"]["records"] * 1e6


def records_per_s(r):
    last = max(s["last_ns"] for s in r["subs"])
    return min(s["records"] for s in r["subs"]) / (last - r["pub"]["first_ns"]) * 1e9


def median(runs, of):
    return statistics.median(of(r) for r in runs) if runs else None


def figures(runs):
    pace = median(runs.get(("pace", "-", "20k", 0), []), cpu_per_m) or 0
    rows = []
    for (system, variant, mode, subs), rs in runs.items():
        if system == "pace":
            continue
        paced = mode != "max"
        rows.append({
            "system": system, "variant": variant if mode == "max" else f"{variant} {mode}", "subscribers": subs,
            "of": variant, "mode": mode, "runs": len(rs),
            "records_per_s": round(median(rs, records_per_s)),
            "cpu_s_per_m": round(median(rs, cpu_per_m) - (pace if paced else 0), 3),
            "p50_us": median(rs, lambda r: max(s["p50_us"] for s in r["subs"])) if paced else None,
            "p99_us": median(rs, lambda r: max(s["p99_us"] for s in r["subs"])) if paced else None,
            "lost": sum(s["lost"] for r in rs for s in r["subs"]),
            "wrong": sum(s["wrong"] for r in rs for s in r["subs"]),
        })
    return rows, pace


def ratios(rows):
    at = {(r["system"], r["of"], r["mode"], r["subscribers"]): r for r in rows}
    out = {}

    def put(name, over, under, field):
        a, b = at.get(over), at.get(under)
        if a and b and b[field]:
            out[name] = round(a[field] / b[field], 3)

    for subs in (1, 4):
        for variant, tail in (("compressed", ""), ("uncompressed", "_uncompressed")):
            mine = ("weft", variant, "max", subs)
            put(f"nats_tls_{subs}{tail}", mine, ("nats", "tls", "max", subs), "records_per_s")
            put(f"nats_tls_64k_{subs}{tail}", mine, ("nats", "tls-64k", "max", subs), "records_per_s")
            put(f"nng_raw_{subs}{tail}", mine, ("nng", "tcp", "max", subs), "records_per_s")
    for linger in (1, 5):
        mine = ("weft", "compressed", f"20k-linger{linger}", 1)
        put(f"cpu_vs_nats_tls_20k_linger{linger}", mine, ("nats", "tls", "20k-linger1", 1), "cpu_s_per_m")
        if mine in at:
            out[f"p50_us_20k_linger{linger}"] = at[mine]["p50_us"]
            out[f"p99_us_20k_linger{linger}"] = at[mine]["p99_us"]
    return out


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}"


def table(rows, lacks):
    lines = [f"{'system':<20} {'measured':<12} {'subs':>4} {'records/s':>10} {'CPU s/M':>8} {'p50 us':>7} {'p99 us':>7} "
             f"{'lost':>6}  leaves out"]
    for r in sorted(rows, key=lambda r: (r["mode"] != "max", r["mode"], r["subscribers"])):
        name = f"{r['system']} {r['of']}"
        p50, p99 = (f"{r[k]:.0f}" if r[k] is not None else "" for k in ("p50_us", "p99_us"))
        lines.append(f"{name:<20} {r['mode']:<12} {r['subscribers']:>4} {r['records_per_s']:>10,} {r['cpu_s_per_m']:>8.2f} "
                     f"{p50:>7} {p99:>7} {r['lost']:>6}  {lacks.get(r['system'] + '/' + r['of'], '')}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("results")
    parser.add_argument("--payload", default="")
    parser.add_argument("--disk", default="")
    parser.add_argument("--lacks", action="append", default=[])
    parser.add_argument("--json")
    args = parser.parse_args()
    rows, pace = figures(load(args.results))
    found = ratios(rows)
    print(f"{machine()}; log on {args.disk}\n{args.payload}")
    print(f"medians; @20k: paced at 20,000 records/s, the bare pacer's {pace:.2f} CPU s/M subtracted\n")
    print(table(rows, dict(text.split("=", 1) for text in args.lacks)))
    print("\nratios, weft to peer:" + "".join(f"\n  {k:<36} {v}" for k, v in found.items()))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"schema": "weft.bench/v1", "machine": machine(), "payload": args.payload, "pacer_cpu_s_per_m": pace,
                       "rows": rows, "ratios": found}, f, indent=1)
            f.write("\n")


main()

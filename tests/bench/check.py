#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check.py SYSTEMS BENCH.json GROWTH.json GROWTH.svg: have the files of a smoke run the promised form?

SYSTEMS: those that are installed here, with commas. Their rows and ratios are numbers; those of all others are absent and null.
"""
import json
import sys
import xml.etree.ElementTree

COLUMNS = ["system", "variant", "subscribers", "records_per_s", "cpu_s_per_m", "p50_us", "p99_us"]
RATIOS = {  # and the systems that each needs
    "nats_tls_1": "nats", "nats_tls_4": None, "jetstream_tls_1": "jetstream", "mosquitto_qos1_tls_1": "mosquitto",
    "nats_tls_64k_1": "nats", "nng_raw_1": "nng", "p99_us_20k_linger1": "weft", "cpu_vs_nats_tls_20k_linger1": "nats",
    "cpu_vs_nats_tls_20k_linger5": "nats"}
VARIANTS = {"weft": ("compressed", "uncompressed"), "nats": ("tls", "tls-64k", "plain"), "jetstream": ("tls",),
            "mosquitto": ("qos1-tls",), "redis": ("streams",), "nng": ("tcp",)}


def wanted_rows(systems):
    for system in systems:
        for variant in VARIANTS[system]:
            if system != "nng":  # on a busy machine none of its rates may be without a loss
                yield system, variant, 1
                yield system, variant, 2
            if not variant.endswith("-64k"):
                yield system, f"{variant} 20k-linger1", 1
            if system == "weft":
                yield system, f"{variant} 20k-linger5", 1


def check_row(row):
    assert list(row) == COLUMNS, row
    assert isinstance(row["subscribers"], int) and row["records_per_s"] > 0, row
    assert isinstance(row["cpu_s_per_m"], (int, float)), row
    if "20k" in row["variant"]:
        assert 0 < row["p50_us"] <= row["p99_us"], row
    else:
        assert row["p50_us"] is None and row["p99_us"] is None and row["cpu_s_per_m"] > 0, row


def check_bench(got, systems):
    assert list(got) == ["schema", "rows", "ratios"] and got["schema"] == "weft.bench/v1", list(got)
    for row in got["rows"]:
        check_row(row)
    have = [(r["system"], r["variant"], r["subscribers"]) for r in got["rows"]]
    assert len(have) == len(set(have)), have
    assert {s for s, _, _ in have} <= set(systems), have
    for key in wanted_rows(systems):
        assert key in have, f"no row {key}"
    assert list(got["ratios"]) == list(RATIOS), list(got["ratios"])
    for name, needs in RATIOS.items():
        value = got["ratios"][name]
        if needs not in systems:  # four subscribers are not measured in a smoke run
            assert value is None, (name, value)
        elif not name.startswith(("cpu_", "nng_")):  # a processor time of a few ticks may be 0
            assert value > 0, (name, value)


def check_growth(got, svg, systems):
    assert got["schema"] == "weft.growth/v1", got["schema"]
    curves = {curve: {name: [p["x"] for p in points] for name, points in lines.items()} for curve, lines in got["curves"].items()}
    want = {"subscribers": {"weft compressed": [1, 2]}, "products": {"weft compressed": [1, 4]},
            "lengths": {"weft compressed": [16, 1024], "weft uncompressed": [16, 1024]}, "agents": {"weft compressed": [2], "weft simulated": [4]},
            "catching": {"weft compressed": [1, 2], "weft uncompressed": [1, 2]}, "log": {"weft uncompressed": [1]}}
    if "nats" in systems:
        want["subscribers"]["nats tls"], want["lengths"]["nats tls"] = [1, 2], [16, 1024]
    assert curves == want, curves
    for lines in got["curves"].values():
        for p in (p for points in lines.values() for p in points):
            assert p["lost"] == 0 and p["deliveries_per_s"] > 0, p
    lines = xml.etree.ElementTree.fromstring(svg).findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2 * sum(map(len, want.values())), len(lines)


def main():
    systems = sys.argv[1].split(",")
    bench, growth, svg = (open(path, encoding="utf-8").read() for path in sys.argv[2:5])
    check_bench(json.loads(bench), systems)
    check_growth(json.loads(growth), svg, systems)
    print(f"ok: {len(json.loads(bench)['rows'])} rows")


main()

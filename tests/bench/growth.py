#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""growth.py RESULTS [--plot FILE.svg] [--json FILE]: growth curves as a table, a plot, JSON.

RESULTS has one JSON object a run (tests/bench/lib.sh), whose mode is the curve. A delivery is one record at one subscriber: rates
and processor time are of deliveries, so that a flat line means that cost grows as work does.
"""
import argparse
import json
import math
import sys

import runs

CURVES = {
    "subscribers": ("subscribers", lambda r: r["subscribers"]),
    "products": ("products on the node", lambda r: r["products"]),
    "lengths": ("bytes of a record", lambda r: r["length"]),
    "agents": ("agents", lambda r: r["publishers"]),
    "catching": ("subscribers that catch up", lambda r: r["subscribers"]),
    "log": ("GB of log", None),
}
NAMES = {"weft sized": "weft compressed", "weft sized-plain": "weft uncompressed", "weft many": "weft compressed",
         "weft many-0": "weft compressed", "weft agented": "weft compressed", "weft uplinked": "weft simulated",
         "weft long": "weft uncompressed", "weft caught": "weft compressed", "weft caught-plain": "weft uncompressed"}
COLOURS = {"weft compressed": "#0b6e4f", "weft uncompressed": "#c8791b", "weft simulated": "#7a5195", "nats tls": "#3a5a98"}
WIDTH, HEIGHT, LEFT, BELOW, GAP = 300, 190, 62, 46, 34


def point(r, x):
    deliveries, took = sum(s["records"] for s in r["subs"]), runs.took_s(r)
    return {"x": x, "deliveries_per_s": round(deliveries / took), "mb_per_s": round(deliveries * r["length"] / took / 1e6, 1),
            "cpu_s_per_m": round(runs.cpu_s(r) / deliveries * 1e6, 3), "lost": runs.missing(r)}


def load(path):
    """curve -> system -> points in the order of x."""
    curves = {}
    for r in runs.read(path):
        name = f"{r['system']} {r['variant']}"
        points = curves.setdefault(r["mode"], {}).setdefault(NAMES.get(name, name), [])
        value = CURVES[r["mode"]][1]
        points.append(point(r, value(r) if value else len(points) + 1))
    return curves


def table(curves):
    lines = []
    for curve, systems in curves.items():
        lines.append(f"\n{CURVES[curve][0]:>20}  {'system':<18} {'deliveries/s':>12} {'MB/s':>8} {'CPU s/M deliveries':>19} {'lost':>6}")
        for x in sorted({p["x"] for points in systems.values() for p in points}):
            for name, points in systems.items():
                for p in points:
                    if p["x"] == x:
                        lines.append(f"{x:>20,}  {name:<18} {p['deliveries_per_s']:>12,} {p['mb_per_s']:>8,.1f} "
                                     f"{p['cpu_s_per_m']:>19.2f} {p['lost']:>6}")
    return "\n".join(lines).lstrip("\n")


def short(v):
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if v >= size:
            return f"{v / size:g}{unit}"
    return f"{v:g}"


def panel(curve, systems, field, title, at):
    """One diagram, both axes logarithmic, its lower left corner at `at`."""
    xs = [p["x"] for points in systems.values() for p in points]
    ys = [p[field] for points in systems.values() for p in points if p[field] > 0]
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)) + 1e-9)
    left, right = math.log2(min(xs)), math.log2(max(max(xs), 2 * min(xs)))

    def place(x, y):
        return (at[0] + (math.log2(x) - left) / (right - left) * WIDTH, at[1] - (math.log10(y) - low) / max(high - low, 1) * HEIGHT)

    out = [f'<text x="{at[0]}" y="{at[1] - HEIGHT - 10}" font-weight="bold">{title}</text>',
           f'<rect x="{at[0]}" y="{at[1] - HEIGHT}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>',
           f'<text x="{at[0] + WIDTH / 2}" y="{at[1] + 32}" text-anchor="middle">{CURVES[curve][0]}</text>']
    for e in range(low, high + 1):
        y = place(min(xs), 10 ** e)[1]
        out.append(f'<path d="M{at[0]} {y:.1f}h{WIDTH}" stroke="#ddd"/>')
        out.append(f'<text x="{at[0] - 6}" y="{y + 4:.1f}" text-anchor="end">{short(10 ** e)}</text>')
    for x in sorted(set(xs)):
        out.append(f'<text x="{place(x, 10 ** low)[0]:.1f}" y="{at[1] + 15}" text-anchor="middle">{short(x)}</text>')
    for name, points in systems.items():
        colour = COLOURS.get(name, "#555")
        places = [place(p["x"], p[field]) for p in points if p[field] > 0]
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    return out


def plot(curves):
    fields = (("deliveries_per_s", "deliveries a second"), ("cpu_s_per_m", "CPU seconds per million deliveries"))
    row = HEIGHT + BELOW + GAP
    names = list(dict.fromkeys(name for systems in curves.values() for name in systems))
    width, height = 2 * (LEFT + WIDTH) + 2 * GAP, row * len(curves) + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for i, name in enumerate(names):
        out.append(f'<text x="{LEFT + i * 160}" y="20" fill="{COLOURS.get(name, "#555")}">&#9679; {name}</text>')
    for i, (curve, systems) in enumerate(curves.items()):
        for k, (field, title) in enumerate(fields):
            out += panel(curve, systems, field, title, (LEFT + k * (LEFT + WIDTH + GAP), 40 + row * i + HEIGHT + 20))
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("results")
    parser.add_argument("--plot")
    parser.add_argument("--json")
    args = parser.parse_args()
    curves = load(args.results)
    print(table(curves))
    for path, text in ((args.plot, plot), (args.json, lambda c: json.dumps({"schema": "weft.growth/v1", "curves": c}, indent=1) + "\n")):
        if path:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text(curves))
    if any(p["lost"] for systems in curves.values() for points in systems.values() for p in points):
        sys.exit("bench: records were lost")


main()

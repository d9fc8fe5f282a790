#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""domains.promtool: for the same series and conditions, rules fire at the same minutes as Prometheus' own rule tests say.

weft-monitor tells when each case fires (its test expects nothing, so that it names every firing); promtool is then asked for every minute
whether that is so. Left out on purpose: a counter's first minutes. Prometheus divides what it saw by the whole window, weft by the time it saw.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

MONITOR = os.path.join(os.environ["WEFT_BUILD_DIR"], "domains/monitoring/weft-monitor")
LABELS = {"host": "web-1", "mountpoint": "/"}

# (what, condition here, there, for, {field: series})
CASES = [
    ("a threshold", "used_ratio > 0.9", "used_ratio > 0.9", "2m", {"used_ratio": "0.80+0.01x20 0.5x10"}),
    ("at once", "used_ratio >= 0.9", "used_ratio >= 0.9", "0s", {"used_ratio": "0.7 0.9 0.7 0.9x3 0.2x3"}),
    ("exactly on it", "used > 90", "used > 90", "3m", {"used": "90x5 91x2 90 91x5 90x5"}),
    ("below", "free < 10", "free < 10", "1m", {"free": "20-1x20 30x5"}),
    ("another one", "state != 1", "state != 1", "1m", {"state": "1x4 2x4 1x4"}),
    ("arithmetic", "used / size > 0.9", "used / size > 0.9", "2m", {"used": "80+1x25", "size": "100x18 200x7"}),
    ("with brackets", "(size - used) * 100 / size < 5", "(size - used) * 100 / size < 5", "1m", {"used": "90+1x9 40x5", "size": "100x20"}),
    ("both", "load > 4 and cpus < 8", "load > 4 and cpus < 8", "2m", {"load": "1x3 5x10 1x3", "cpus": "4x6 16x3 4x10"}),
    ("either", "load > 8 or blocked > 2", "load > 8 or blocked > 2", "1m", {"load": "1x3 9x3 1x10", "blocked": "0x8 3x4 0x6"}),
    ("a gap that is shorter than what Prometheus looks back", "used > 90", "used > 90", "4m", {"used": "95x2 _x3 95x6 10x3"}),
    ("a short dip", "used > 90", "used > 90", "3m", {"used": "95x2 10 95x2 10 95x9"}),
    ("a counter's rate", "rate(errors, 5m) > 1", "rate(errors[5m]) > 1", "1m", {"errors": "0x6 0+120x8 960x12"}),
    ("a counter that begins again", "rate(errors, 5m) > 1", "rate(errors[5m]) > 1", "1m", {"errors": "7x6 7+120x8 0+120x8 960x10"}),
    ("the mean of a window", "avg(load, 5m) > 3", "avg_over_time(load[5m]) > 3", "2m", {"load": "1x6 6x6 1x10"}),
    ("the largest of a window", "max(load, 4m) > 5", "max_over_time(load[4m]) > 5", "1m", {"load": "1x4 6 1x10"}),
    ("how often it changed", "changes(state, 6m) >= 3", "changes(state[6m]) >= 3", "0s", {"state": "1 2 1 2 1x12"}),
    ("how often it began again", "resets(uptime, 10m) > 0", "resets(uptime[10m]) > 0", "0s", {"uptime": "100+1x4 0+1x15"}),
    ("a difference", "change(used, 6m) > 5", "(last_over_time(used[6m]) - used offset 6m) > 5", "1m", {"used": "0x8 0+2x8 16x10"}),
]


def length(series):
    n = 0
    for word in series.split():
        times = re.search(r"x(\d+)$", word)
        n += 1 if not times else int(times.group(1)) + (not word.startswith("_"))
    return n


def weft_file(case):
    _, condition, _, held, fields = case
    lines = ["rules:", "  case:", f"    servers/things: {condition} by host, mountpoint", f"    for: {held}", "tests:", "  - name: case",
             "    products: {servers/things: {labels: [mountpoint]}}", "    input:", "      - origin: web-1", "        set: {mountpoint: /}", "        values:"]
    lines += [f"          {name}: {series}" for name, series in fields.items()]
    return "\n".join(lines + ["    fires: []", ""])


def firings(text):
    """[(from, until)] in minutes; until None: to the end."""
    out = []
    for begin, end in re.findall(r"fired unexpectedly: case\{.*\} from (\d+)m until (\d+m|the end)", text):
        out.append((int(begin), None if end == "the end" else int(end[:-1])))
    return out


def prom_files(case, fired, minutes):
    _, _, expression, held, fields = case
    labels = "{" + ", ".join(f'{k}="{v}"' for k, v in LABELS.items()) + "}"
    rule = f"groups:\n- name: g\n  rules:\n  - alert: case\n    expr: {expression}\n    for: {held}\n"
    test = "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n"
    for name, series in fields.items():
        test += f"  - series: '{name}{labels}'\n    values: '{series}'\n"
    test += "  alert_rule_test:\n"
    for at in range(minutes):
        fires = any(begin <= at and (end is None or at < end) for begin, end in fired)
        alerts = "[{exp_labels: {" + ", ".join(f'{k}: "{v}"' for k, v in LABELS.items()) + "}}]" if fires else "[]"
        test += f"  - {{eval_time: {at}m, alertname: case, exp_alerts: {alerts}}}\n"
    return rule, test


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def compare(case, tmp, shift=0):
    """None, or what differs."""
    write(os.path.join(tmp, "weft.yaml"), weft_file(case))
    r = subprocess.run([MONITOR, "rules", "test", os.path.join(tmp, "weft.yaml")], capture_output=True, text=True, timeout=60, check=False)
    if r.returncode not in (0, 1):
        return 0, f"weft-monitor: {r.returncode}: {r.stdout}{r.stderr}"
    fired = [(b + shift, e) for b, e in firings(r.stdout)]
    rule, test = prom_files(case, fired, min(length(s) for s in case[4].values()))
    write(os.path.join(tmp, "rules.yml"), rule)
    write(os.path.join(tmp, "test.yml"), test)
    p = subprocess.run(["promtool", "test", "rules", "test.yml"], cwd=tmp, capture_output=True, text=True, timeout=60, check=False)
    return len(fired), None if p.returncode == 0 else f"weft fires {fired}, promtool: {p.stdout}{p.stderr}"


def main():
    if not shutil.which("promtool"):
        print("no promtool (package prometheus)")
        sys.exit(77)
    failed, total = 0, 0
    with tempfile.TemporaryDirectory() as tmp:
        # The comparison itself must see a difference of a minute.
        if compare(CASES[0], tmp, shift=1)[1] is None:
            print("a firing that is a minute late was not seen")
            failed += 1
        for case in CASES:
            fired, why = compare(case, tmp)
            total += fired
            if why:
                failed += 1
                print(f"{case[0]}: {why}")
    print(f"{len(CASES)} conditions, {total} firings, {failed} differ")
    sys.exit(failed > 0 or total < len(CASES))


main()

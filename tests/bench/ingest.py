#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ingest.sh measures with; see each function. Figures: wall seconds, and CPU seconds of processes with their children."""
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

HOSTS = 200
TICK = os.sysconf("SC_CLK_TCK")


def records(count):
    """Records as JSON lines: every host once a second, the last one now."""
    begin = int(time.time() * 1000) - int(count) // HOSTS * 1000
    out = []
    for i in range(int(count)):
        out.append('{"host":"host-%d","kind":"load","shortterm":%.3f,"midterm":%.3f,"longterm":%.3f,"at":"%d"}'
                   % (i % HOSTS, i / 7, i / 11, i / 13, begin + i // HOSTS * 1000))
        if len(out) == 10000:
            print("\n".join(out))
            out = []
    if out:
        print("\n".join(out))


def run(*command):
    """Runs it; prints its seconds and CPU."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    print(f"{time.monotonic() - began:.3f} {usage.ru_utime + usage.ru_stime:.3f}")
    sys.exit(os.waitstatus_to_exitcode(status))


def cpu(pid):
    """CPU seconds of a process, of its children that live, and of those that it waited for."""
    ticks, todo = 0, [int(pid)]
    while todo:
        one = todo.pop()
        try:
            with open(f"/proc/{one}/stat", encoding="ascii") as f:
                ticks += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:15]))
            with open(f"/proc/{one}/task/{one}/children", encoding="ascii") as f:
                todo += map(int, f.read().split())
        except OSError:
            pass
    print(f"{ticks / TICK:.3f}")


def add(*numbers):
    total = sum(map(float, numbers))
    print(int(total) if total == int(total) else f"{total:.3f}")


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        print(s.getsockname()[1])


def get(url):
    return urllib.request.urlopen(url, timeout=5).read().decode()


def metric(url, name):
    for line in get(url).splitlines():
        if line.startswith(name) and not line.startswith("#"):
            print(int(float(line.split()[-1])))
            return
    sys.exit(f"{url} has no {name}")


def collectd(host, user):
    """A configuration: values come from a program and go to PostgreSQL by the statement of collectd's own example."""
    print(f"""Hostname bench
FQDNLookup false
TypesDB "/usr/share/collectd/types.db"
LoadPlugin exec
LoadPlugin postgresql
<Plugin exec>
  Exec "{user}" "/bin/sh" "-c" "cat {host}/putval; while [ -d /proc/$PPID ]; do sleep 1; done"
</Plugin>
<Plugin postgresql>
  <Writer sqlstore>
    Statement "SELECT collectd_insert($1, $2, $3, $4, $5, $6, $7, $8, $9);"
  </Writer>
  <Database postgres>
    Host "{host}"
    User "weft"
    Writer sqlstore
  </Database>
</Plugin>""")


def putval(count):
    """The same values as records, as collectd's exec plugin reads them."""
    begin = int(time.time()) - int(count) // HOSTS
    for i in range(int(count)):
        print("PUTVAL host-%d/load/load %d:%.3f:%.3f:%.3f" % (i % HOSTS, begin + i // HOSTS, i / 7, i / 11, i / 13))


def row(path, system, unit, count, seconds, cpu_all, cpu_own):
    one = {"system": system, "unit": unit, "count": int(float(count)), "seconds": float(seconds), "per_s": round(float(count) / float(seconds)),
           "cpu_s_per_million": round(float(cpu_all) / float(count) * 1e6, 3), "own_cpu_s_per_million": round(float(cpu_own) / float(count) * 1e6, 3)}
    with open(path, "a", encoding="ascii") as f:
        f.write(json.dumps(one) + "\n")
    print(f"{system:12} {one['per_s']:>9} {unit}/s  {one['cpu_s_per_million']:8.2f} CPU s/M, of them {one['own_cpu_s_per_million']:.2f} its own", file=sys.stderr)


def report(path, out):
    """Ratios: how many times the peer's cost ours is (of CPU), how many times its rate ours is."""
    rows = {r["system"]: r for r in map(json.loads, open(path, encoding="ascii"))}
    ratios = {}

    def ratio(name, ours, theirs):
        if ours in rows and theirs in rows:
            ratios[name + "_rate"] = round(rows[ours]["per_s"] / rows[theirs]["per_s"], 2)
            ratios[name + "_cpu"] = round(rows[theirs]["cpu_s_per_million"] / rows[ours]["cpu_s_per_million"], 2)

    ratio("sqlite_to_collectd", "sqlite", "collectd")
    ratio("postgresql_to_collectd", "postgresql", "collectd")
    if "remote" in rows and "scrape" in rows:
        ratios["remote_to_scrape_cpu"] = round(rows["scrape"]["cpu_s_per_million"] / rows["remote"]["cpu_s_per_million"], 2)
    text = json.dumps({"schema": "weft.bench-ingest/v1", "load": os.getloadavg()[0], "cpus": os.cpu_count(), "rows": list(rows.values()), "ratios": ratios}, indent=1)
    print(text)
    if out:
        with open(out, "w", encoding="ascii") as f:
            f.write(text + "\n")


{"records": records, "run": run, "cpu": cpu, "add": add, "port": port, "get": get, "metric": metric, "collectd": collectd, "putval": putval, "row": row,
 "report": report}[sys.argv[1]](*sys.argv[2:])

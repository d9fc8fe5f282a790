#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""domains.host_equals_tools: on this machine weft-host says what df, ip, ss, dpkg-query, getent and /proc say.

What changes by itself is bracketed: the tool is asked before and after, and the value must lie between (counters) or equal
one of the two (everything else). A tool that is not here is named and its comparison left out.
"""
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import sys

import tools
from tools import check

compared = []
ODD = os.environ.get("WEFT_ODD_MOUNTS")


def mount_odd_things():
    """A mount over a mount, one with blanks in its names, a folder mounted twice, and an overlay, where the kernel has them."""
    for name in ("a b", "stack", "bind", "lower", "upper", "work", "overlay"):
        os.makedirs(os.path.join(ODD, name))
    overlay = f"lowerdir={ODD}/lower,upperdir={ODD}/upper,workdir={ODD}/work"
    for argv in (["-t", "tmpfs", "-o", "size=64k", "odd  device", ODD + "/a b"], ["-t", "tmpfs", "low", ODD + "/stack"],
                 ["-t", "tmpfs", "-o", "size=8k", "high", ODD + "/stack"], ["--bind", "/etc", ODD + "/bind"],
                 ["-t", "overlay", "-o", overlay, "overlay", ODD + "/overlay"]):
        r = subprocess.run(["mount", *argv], capture_output=True, text=True, check=False)
        if r.returncode != 0:
            print(f"not mounted here: {r.stderr.strip()}")


def in_own_namespace():
    """Runs this test again among odd mounts that go with it, where that is permitted; else goes on without them."""
    if ODD or os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        return
    with tools.temporary() as folder:
        sys.exit(subprocess.run(["unshare", "-m", sys.executable, "-B", __file__], check=False,
                                env=dict(os.environ, WEFT_ODD_MOUNTS=folder)).returncode)


in_own_namespace()
if ODD:
    mount_odd_things()


def tool(*argv):
    r = subprocess.run(argv, capture_output=True, text=True, timeout=tools.DEADLINE_S, check=False,
                       env=dict(os.environ, LC_ALL="C"))
    check(r.returncode == 0, f"{' '.join(argv)}: exit {r.returncode}: {r.stderr}")
    return r.stdout


def have(name):
    if shutil.which(name) or os.path.exists(f"/usr/sbin/{name}"):
        compared.append(name)
        return True
    print(f"{name} is not here; not compared")
    return False


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def same(what, got, want):
    check(got == want, f"{what}: {got!r}, want {want!r}")


def between(what, low, got, high):
    check(low <= got <= high, f"{what}: {got}, want {low} to {high}")


def settled(ask, answer):
    """answer() with ask() equal before and after, so that nothing moved in between; the last try if it never settles."""
    for _ in range(20):
        before = ask()
        got = answer()
        if ask() == before:
            break
    return before, got


# ---- metrics ---------------------------------------------------------------------------------------------------------

def file_systems():
    if not have("df"):
        return

    def df():
        # Network and FUSE file systems are left out on purpose. Names may hold blanks: the last two columns begin where the head says.
        head, *text = tool("df", "-l", "-B1", "--output=fstype,size,used,avail,itotal,iused,iavail,source,target").splitlines()
        source, target = head.index("Filesystem"), head.index("Mounted on")
        rows = [[line[target:], line[source:target].rstrip(), *line[:source].split()] for line in text]
        rows = [r for r in rows if r[2] != "fuse" and not r[2].startswith("fuse.")]
        # One row a file system: df shows btrfs once a subvolume, and overlays beside the disk that they write to.
        one = {}
        for r in rows:
            key = r[1] if r[2] == "btrfs" else r[0]
            if key not in one or len(r[0]) < len(one[key][0]):
                one[key] = r
        told = {(r[3], r[6]) for r in one.values() if r[2] != "overlay"}
        return {r[0]: r[1:] for r in one.values() if r[2] != "overlay" or (r[3], r[6]) not in told}
    want, got = settled(df, lambda: {r["mountpoint"]: r for r in tools.rows("filesystems")})
    if ODD:
        same("odd mounts", sorted(p[len(ODD):] for p in got if p.startswith(ODD)), ["/a b", "/stack"])
    same("file systems", sorted(got), sorted(want))
    for point, (source, fstype, *numbers) in want.items():
        r = got.get(point)
        if not r:
            continue
        same(f"{point}: device and type", [r["device"], r["fstype"]], [source, fstype])
        fields = ["size", "used", "available", "inodes", "inodesUsed", "inodesFree"]
        numbers = [0 if n == "-" else int(n) for n in numbers]
        for field, number in zip(fields, numbers):
            # A busy machine writes between the two looks.
            slack = 0 if field in ("size", "inodes") else max(number // 50, 64 << 20 if "inodes" not in field else 20000)
            between(f"{point}: {field}", number - slack, int(r.get(field, 0)), number + slack)


def memory():
    names = {"MemTotal": "total", "CommitLimit": "commitLimit", "SwapTotal": "swapTotal", "Hugepagesize": "hugePageSize",
             "HugePages_Total": "hugePages", "MemFree": "free", "MemAvailable": "available", "Buffers": "buffers",
             "Cached": "cached", "Committed_AS": "committed", "SReclaimable": "slabReclaimable", "Shmem": "shared"}

    def meminfo():
        out = {}
        for line in read("/proc/meminfo").splitlines():
            word = line.split()
            out[word[0].rstrip(":")] = int(word[1]) * (1024 if word[2:] == ["kB"] else 1)
        return out
    def differ(before, row, after):
        """What of it lies outside of the two looks; a quarter of a gigabyte may come and go between them."""
        out = []
        for line, field in names.items():
            if line not in before:
                out += [f"{field} of a kernel without {line}"] if field in row else []
                continue
            slack = 0 if line.endswith("Total") or line == "Hugepagesize" else 256 << 20
            low, got, high = min(before[line], after[line]) - slack, int(row[field]), max(before[line], after[line]) + slack
            out += [] if low <= got <= high else [f"memory: {field}: {got}, want {low} to {high}"]
        return out
    for _ in range(20):  # more comes and goes where others build or test
        what = differ(meminfo(), tools.rows("memory")[0], meminfo())
        if not what:
            break
    compared.append("/proc/meminfo")
    check(not what, "; ".join(what))


def cpu_and_load():
    hz = os.sysconf("SC_CLK_TCK")

    def stat():
        return {w[0]: [int(v) for v in w[1:11]] for w in (line.split() for line in read("/proc/stat").splitlines())
                if w and w[0].startswith("cpu")}
    before = stat()
    rows = {("cpu" if r["cpu"] == "all" else "cpu" + r["cpu"]): r for r in tools.rows("cpu")}
    after = stat()
    compared.append("/proc/stat")
    same("processors", sorted(rows), sorted(before))
    fields = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guestNice"]
    for name, row in rows.items():
        for i, field in enumerate(fields[:len(before[name])]):
            low, high = sorted((before[name][i], after[name][i]))
            between(f"{name}: {field}", low / hz, row[field], high / hz)
    want, row = settled(lambda: read("/proc/loadavg").split()[:3], lambda: tools.rows("load")[0])
    same("load", [row["load1"], row["load5"], row["load15"]], [float(w) for w in want])
    uptime = float(read("/proc/uptime").split()[0])
    between("uptime", uptime - 60, row["uptime"], uptime)


def disks():
    def stats():
        out = {}
        for line in read("/proc/diskstats").splitlines():
            word = line.split()
            size = f"/sys/block/{word[2].replace('/', '!')}/size"
            if os.path.exists(size) and int(read(size)) > 0:
                out[word[2]] = [int(read(size)) * 512] + [int(w) for w in word[3:]]
        return out
    before = stats()
    rows = {r["device"]: r for r in tools.rows("disks")}
    after = stats()
    compared.append("/proc/diskstats")
    same("disks", sorted(rows), sorted(before))
    for name, r in rows.items():
        same(f"{name}: size", int(r["size"]), before[name][0])
        for field, column, factor in (("reads", 1, 1), ("readBytes", 3, 512), ("writes", 5, 1), ("writtenBytes", 7, 512)):
            between(f"{name}: {field}", before[name][column] * factor, int(r[field]), after[name][column] * factor)
        between(f"{name}: readTime", before[name][4] / 1000, r["readTime"], after[name][4] / 1000)


def interfaces():
    if not have("ip"):
        return

    def links():
        return {link["ifname"]: link for link in json.loads(tool("ip", "-j", "-s", "link"))}
    before = links()
    rows = {r["interface"]: r for r in tools.rows("interfaces")}
    after = links()
    same("interfaces", sorted(rows), sorted(before))
    for name, r in rows.items():
        for side in ("rx", "tx"):
            low, high = before[name]["stats64"][side], after[name]["stats64"][side]
            for field in ("bytes", "packets", "errors", "dropped"):
                between(f"{name}: {side} {field}", low[field], int(r[side + field.capitalize()]), high[field])
        same(f"{name}: state", r["state"], before[name]["operstate"].lower().replace("lowerlayerdown", "lower-layer-down"))


# ---- inventories -----------------------------------------------------------------------------------------------------

def hosts():
    host = tools.rows("hosts")[0]
    uname = os.uname()
    same("host", [host["name"], host["kernel"], host["architecture"]], [uname.nodename, uname.release, uname.machine])
    same("processors", host["cpus"], len(re.findall(r"^processor\s*:", read("/proc/cpuinfo"), re.M)))
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', read("/etc/os-release"), re.M))
    same("os", [host["os"], host.get("osVersion")], [release["ID"], release.get("VERSION_ID")])
    compared.append("uname")
    if not have("ip"):
        return
    want = [f"{a['local']}/{a['prefixlen']}" for link in json.loads(tool("ip", "-j", "addr"))
            if "LOOPBACK" not in link["flags"] for a in link["addr_info"] if a["scope"] == "global"]
    same("addresses", sorted(host["addresses"]), sorted(want))


def ports():
    if not have("ip"):
        return
    want = {link["ifname"]: link for link in json.loads(tool("ip", "-j", "addr"))}
    got = {r["name"]: r["interface"] for r in tools.rows("inventory", program=tools.PORTS)}
    same("ports", sorted(got), sorted(want))
    for name, link in want.items():
        i = got[name]
        same(f"{name}: index, mtu, address", [i["index"], i["mtu"], i["hardwareAddress"]],
             [link["ifindex"], link["mtu"], link.get("address", "")])
        same(f"{name}: enabled", i["enabled"], "UP" in link["flags"])
        same(f"{name}: addresses", sorted(i["addresses"]), sorted(f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"]))


def packages():
    if not have("dpkg-query"):
        return
    form = "${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\t${source:Package}\t${source:Version}\t${Installed-Size}\n"
    want = sorted(tuple(line.split("\t")) for line in tool("dpkg-query", "-W", "-f", form).splitlines())
    got = sorted((r["name"], r["version"], r["architecture"], r["state"], r["source"], r["sourceVersion"],
                  str(int(r["installedSize"]) // 1024) if "installedSize" in r else "")
                 for r in tools.rows("packages") if r["manager"] == "dpkg")
    same("number of packages", len(got), len(want))
    for g, w in zip(got, want):
        same("package", g, w)


def endpoint(text):
    """ADDRESS:PORT as ss prints it, without the interface."""
    address, _, port = text.rpartition(":")
    address = address.split("%")[0].strip("[]")
    return (str(ipaddress.ip_address("::" if address == "*" else address)), 0 if port == "*" else int(port))


def sockets_of_ss(options):
    out = set()
    for line in tool("ss", "-H", "-n", options).splitlines():
        netid, state, _, _, local, peer = line.split()[:6]
        out.add((netid, state, endpoint(local), endpoint(peer)))
    return out


def sockets_of_weft(collector):
    def address(text):
        return str(ipaddress.ip_address(text))
    return {(r["protocol"], r["state"], (address(r["localAddress"]), r["localPort"]), (address(r["remoteAddress"]), r["remotePort"]))
            for r in tools.rows(collector)}


def differing_sockets(options, collector):
    """What stood before and after must be there, and nothing that neither look has; others' connections come and go meanwhile."""
    for _ in range(20):
        before = sockets_of_ss(options)
        got = sockets_of_weft(collector)
        after = sockets_of_ss(options)
        differing = ((before & after) - got) | (got - before - after)
        if not differing:
            break
    return differing


def sockets():
    if not have("ss"):
        return
    with socket.socket() as listener, socket.socket() as client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, \
            socket.socket(socket.AF_INET6) as six:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())
        udp.bind(("127.0.0.1", 0))
        six.bind(("::", 0))
        six.listen()
        same("sockets: only one side has", differing_sockets("-tua", "sockets"), set())
        same("listening: only one side has", differing_sockets("-tul", "listening"), set())
        mine = [r for r in tools.rows("listening") if r["localPort"] == listener.getsockname()[1]]
        same("holder", [(r.get("pid"), r["uid"], r["inode"]) for r in mine],
             [(os.getpid(), os.getuid(), str(os.fstat(listener.fileno()).st_ino))])


def users():
    if not have("getent"):
        return
    # Of two lines with one name the first is the account; + and - are NIS's.
    lines = [line.split(":") for line in tool("getent", "-s", "files", "passwd").splitlines() if line[0] not in "+-"]
    passwd = list({p[0]: p for p in reversed(lines)}.values())
    group = [line.split(":") for line in tool("getent", "-s", "files", "group").splitlines()]
    got = {r["name"]: r for r in tools.rows("users")}
    same("accounts", sorted(got), sorted({p[0] for p in passwd}))
    for name, _, uid, gid, gecos, home, shell in passwd:
        r = got[name]
        same(f"account {name}", [r["uid"], r["gid"], r["fullName"], r["home"], r["shell"]],
             [int(uid), int(gid), gecos.split(",")[0], home, shell])
        want = {g[0] for g in group if g[2] == gid} | {g[0] for g in group if name in g[3].split(",")}
        same(f"groups of {name}", set(r["groups"]), want)


def mounts():
    if not have("findmnt"):
        return
    points = {m["target"]: m["fstype"] for m in json.loads(tool("findmnt", "-l", "-J", "-o", "TARGET,FSTYPE"))["filesystems"]}
    got = {r["mountpoint"]: r["fstype"] for r in tools.rows("mounts")}
    check(set(got.items()) <= set(points.items()), f"mounts that findmnt does not know: {set(got.items()) - set(points.items())}")
    check("/" in got, "the root is mounted")


for test in (file_systems, memory, cpu_and_load, disks, interfaces, hosts, ports, packages, sockets, users, mounts):
    test()
print("compared with: " + " ".join(sorted(set(compared))))
tools.verdict()

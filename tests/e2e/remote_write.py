#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What e2e.remote_write publishes, asks and plays:
  say BASE RATE END             records as JSON lines until the file END is there: the nth of series s(n % 5) at BASE + n ms
  equal KIND URL SAID           exactly these samples are there
  ended KIND URL SAID           and each series ends with a marker right behind its last one
  again KIND URL MS             the series s0 has a sample at that time again
  receiver PORT FILE                a receiver: 429, then 503, then it takes all but series s3 (400); 401 while FILE.deny is there
  received FILE SAID             what it took is all of the rest, in order
"""
import http.server
import json
import os
import signal
import struct
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SERIES = 5


def say(base, rate, end):
    begin, n = time.monotonic(), 0
    while not os.path.exists(end):
        while n < (time.monotonic() - begin) * rate:
            print(json.dumps({"id": f"s{n % SERIES}", "origin": "x", "value": n, "hits": 2 * n, "at": str(base + n)}), flush=False)
            n += 1
        sys.stdout.flush()
        time.sleep(0.01)


def expected(said):
    """(name, id) -> [(ms, value)]"""
    out = {}
    for line in open(said, encoding="ascii"):
        r = json.loads(line)
        for name, value in (("meter_value_bytes", r["value"]), ("meter_hits_total", r["hits"])):
            out.setdefault((name, r["id"]), []).append((int(r["at"]), float(value)))
    return out


def get(url, path, **parameters):
    with urllib.request.urlopen(f"{url}{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
        return answer.read().decode()


def labels_are_right(metric):
    labels = {k: v for k, v in metric.items() if k not in ("__name__", "id")}
    assert labels == {"domain": "servers", "product": "meter", "origin": "node-1", "exported_origin": "x"}, metric


def prometheus_samples(url, name, last):
    """(id) -> [(ms, value)]; a range selector leaves markers out."""
    result = json.loads(get(url, "/api/v1/query", query=f'{name}{{exported_origin="x"}}[1h]', time=last / 1000 + 60))["data"]["result"]
    for series in result:
        labels_are_right(series["metric"])
    return {s["metric"]["id"]: [(round(t * 1000), float(v)) for t, v in s["values"]] for s in result}


def victoria_samples(url, name):
    out = {}
    get(url, "/internal/force_flush")
    for line in get(url, "/api/v1/export", **{"match[]": f'{name}{{exported_origin="x"}}'}).splitlines():
        series = json.loads(line)
        labels_are_right(series["metric"])
        values = [float("nan") if v is None or v == "NaN" else float(v) for v in series["values"]]
        out[series["metric"]["id"]] = list(zip(series["timestamps"], values))
    return out


def samples(kind, url, name, last):
    return prometheus_samples(url, name, last) if kind == "prometheus" else victoria_samples(url, name)


def equal(kind, url, said):
    want = expected(said)
    last = max(points[-1][0] for points in want.values())
    for name in ("meter_value_bytes", "meter_hits_total"):
        got = samples(kind, url, name, last)
        for (series, number), points in want.items():
            if series != name:
                continue
            there = [p for p in got.get(number, []) if p[1] == p[1]]
            missing = sorted(set(points) - set(there))
            assert there == points, f"{kind} {name} {number}: {len(there)} of {len(points)}, missing {missing[:3]}, first {there[:2]}"


def ended(kind, url, said):
    want = expected(said)
    for (name, number), points in want.items():
        last = points[-1][0]
        if kind == "prometheus":
            query = f'{name}{{id="{number}",exported_origin="x"}}'
            before = json.loads(get(url, "/api/v1/query", query=query, time=last / 1000))["data"]["result"]
            behind = json.loads(get(url, "/api/v1/query", query=query, time=(last + 1) / 1000))["data"]["result"]
            assert len(before) == 1 and not behind, f"{name} {number}: {before} {behind}"
        else:
            end = samples(kind, url, name, last)[number][-1]
            assert end[0] == last + 1 and end[1] != end[1], f"{name} {number}: ends with {end}"


def again(kind, url, ms):
    if kind == "prometheus":
        result = json.loads(get(url, "/api/v1/query", query='meter_value_bytes{id="s0"}', time=int(ms) / 1000))
        assert [s["value"][1] for s in result["data"]["result"]] == ["-1"], result
    else:
        get(url, "/internal/force_flush")
        lines = get(url, "/api/v1/export", **{"match[]": 'meter_value_bytes{id="s0"}'}).splitlines()
        # Not the last one of a series that has ended again meanwhile.
        assert len(lines) == 1 and int(ms) in json.loads(lines[0])["timestamps"], lines


# ---- a receiver: snappy and protobuf as their own documents have them, written anew --------------------------------------------------


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def unsqueeze(data):
    size, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length = (tag >> 2) + 1
            if length > 60:
                more = length - 60
                length = int.from_bytes(data[at:at + more], "little") + 1
                at += more
            out += data[at:at + length]
            at += length
            continue
        if tag & 3 == 1:
            length, offset, at = 4 + (tag >> 2 & 7), (tag >> 5) << 8 | data[at], at + 1
        else:
            width = 2 if tag & 3 == 2 else 4
            length, offset, at = (tag >> 2) + 1, int.from_bytes(data[at:at + width], "little"), at + width
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == size
    return bytes(out)


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        else:
            assert tag & 7 == 2, tag
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        yield tag >> 3, value


def decoded(body):
    """[(labels, [(ms, bits)])]"""
    out = []
    for number, series in fields(unsqueeze(body)):
        assert number == 1
        labels, points = [], []
        for kind, value in fields(series):
            if kind == 1:
                label = dict(fields(value))
                labels.append((label[1].decode(), label[2].decode()))
            else:
                point = dict(fields(value))
                points.append((point[2], point.get(1, 0)))
        assert labels == sorted(labels) and all(v for _, v in labels), labels
        assert points == sorted(points), points
        out.append((dict(labels), points))
    return out


def receiver(port, path):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    state = {"asked": 0, "first": b"", "at": 0.0}

    class Receiver(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status, text=b"", **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self):  # noqa: N802
            self.answer(200)

        def do_POST(self):  # noqa: N802
            body = self.rfile.read(int(self.headers["Content-Length"]))
            right = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0",
                     "Authorization": "Basic d2VmdDpzZWNyZXQ="}
            wrong = [k for k, v in right.items() if self.headers[k] != v]
            if wrong or not (self.headers["User-Agent"] or "").startswith("weft-monitor/"):
                return self.answer(400, f"headers: {wrong}".encode())
            if os.path.exists(path + ".deny"):
                return self.answer(401, b"who are you?")
            state["asked"] += 1
            if state["asked"] == 1:
                state["first"], state["at"] = body, time.monotonic()
                return self.answer(429, b"not now", Retry_After="1")
            if state["asked"] == 2:
                if body != state["first"] or time.monotonic() - state["at"] < 0.99:
                    return self.answer(400, b"want the same bytes, and not before a second")
                return self.answer(503, b"and not now")
            series = decoded(body)
            if any(labels["id"] == "s3" for labels, _ in series):
                return self.answer(400, b"no s3 here")
            with open(path, "a", encoding="ascii") as out:
                for labels, points in series:
                    out.write(json.dumps([labels["__name__"], labels["id"], points]) + "\n")
            return self.answer(204)

        def log_message(self, *args):
            pass

    http.server.HTTPServer(("127.0.0.1", int(port)), Receiver).serve_forever()


def received(path, said):
    want, got = expected(said), {}
    for line in open(path, encoding="ascii"):
        name, number, points = json.loads(line)
        got.setdefault((name, number), []).extend((ms, bits) for ms, bits in points)
    for key, points in want.items():
        bits = [(ms, struct.unpack("<Q", struct.pack("<d", value))[0]) for ms, value in points]
        there = [p for p in got.get(key, []) if p[1] != 0x7FF0000000000002][:len(bits)]
        assert there == ([] if key[1] == "s3" else bits), f"{key}: {there[:3]} want {bits[:3]}"


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "say":
        return say(int(arguments[0]), float(arguments[1]), arguments[2])
    try:
        return {"equal": equal, "ended": ended, "again": again, "receiver": receiver, "received": received}[command](*arguments)
    except (AssertionError, urllib.error.URLError, ConnectionError, KeyError, IndexError) as error:
        sys.exit(f"{command}: {error!r}")


main()

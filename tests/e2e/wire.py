#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What went over the wire, and whether a secret was in it.

wire.py capture FILE           every packet of this namespace's loopback into FILE until SIGTERM; fails when one was missed
wire.py streams FILE DIR       each direction of each TCP connection, put together, into DIR/ADDRESS.PORT-ADDRESS.PORT
wire.py scan FILE SECRETS      looks for each line of SECRETS in the packets and in the streams: "NAME text TEXT", "NAME hex HEX",
                               "NAME file PATH" or "NAME printed TEXT" (Bech32m: as printed, and what it stands for). Prints "NAME FORM PLACE" for each that is found; exit 1 when one is

A secret of up to 24 bytes is looked for as a whole, a longer one by windows of 16 bytes, 8 apart, so that a part of it is found, too. Each as it is,
in hex of either case, and in base64 of either alphabet at every alignment."""
import base64, os, signal, socket, struct, sys

SOL_PACKET, PACKET_STATISTICS, PACKET_OUTGOING, SO_RCVBUFFORCE = 263, 6, 4, 33


def capture(path):
    # ETH_P_ALL: what goes out comes in again on loopback; one of the two is enough.
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    s.bind(("lo", 0))
    try:
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
    except OSError:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
    s.settimeout(0.2)
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
    with open(path, "wb") as out:
        print("capturing", flush=True)
        while True:
            try:
                packet, address = s.recvfrom(1 << 17)
            except socket.timeout:
                if ending:
                    break
                continue
            if address[2] != PACKET_OUTGOING:
                out.write(struct.pack(">I", len(packet)) + packet)
    _, drops = struct.unpack("II", s.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    if drops:
        sys.exit(f"wire: {drops} packets were missed")


def packets(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at + 4 <= len(data):
        (n,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 4 + n]
        at += 4 + n


def streams(path):
    """{(from, port, to, port): bytes}, by sequence numbers. A port that is used again continues what was there."""
    flows = {}
    for p in packets(path):
        if len(p) < 40 or p[0] >> 4 != 4 or p[9] != 6:
            continue
        head = (p[0] & 15) * 4
        total = struct.unpack_from(">H", p, 2)[0] or len(p)  # 0: larger than 64 KiB
        source, target, seq = struct.unpack_from(">HHI", p, head)
        key = (socket.inet_ntoa(p[12:16]), source, socket.inet_ntoa(p[16:20]), target)
        body = p[head + (p[head + 12] >> 4) * 4 : total]
        flow = flows.setdefault(key, {"next": None, "data": bytearray(), "early": {}})
        if p[head + 13] & 2:  # SYN
            flow["next"] = (seq + 1) & 0xFFFFFFFF
            continue
        if body:
            add(flow, seq, body)
    return {k: bytes(f["data"]) for k, f in flows.items()}


def add(flow, seq, body):
    if flow["next"] is None:
        flow["next"] = seq
    flow["early"][seq] = body
    while flow["next"] in flow["early"] or flow["early"]:
        body = flow["early"].pop(flow["next"], None)
        if body is None:
            # Sent again in other pieces: what lies behind us is cut off, what lies before us waits.
            behind = [s for s in flow["early"] if (flow["next"] - s) & 0xFFFFFFFF < 1 << 31]
            if not behind:
                return
            old = flow["early"].pop(behind[0])
            past = (flow["next"] - behind[0]) & 0xFFFFFFFF
            if past < len(old):
                flow["early"][flow["next"]] = old[past:]
            continue
        flow["data"] += body
        flow["next"] = (flow["next"] + len(body)) & 0xFFFFFFFF


def forms(secret):
    whole = [secret] if len(secret) <= 24 else [secret[i : i + 16] for i in range(0, len(secret) - 15, 8)]
    for w in whole:
        yield "raw", w
        yield "hex", w.hex().encode()
        yield "hex", w.hex().upper().encode()
        for shift in range(3):
            # Only the letters that depend on nothing but w.
            text = base64.b64encode(b"\0" * shift + w + b"\0" * 3)
            stable = text[(0, 2, 3)[shift] : (shift + len(w)) * 4 // 3]
            yield "base64", stable
            yield "base64", stable.translate(bytes.maketrans(b"+/", b"-_"))


def printed(text):
    """The bytes of a printed form, its checksum left out."""
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = "".join(f"{letters.index(c):05b}" for c in text[text.rindex("1") + 1 : -6])
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits) - 7, 8))


def secrets(path):
    with open(path) as f:
        for line in f:
            name, kind, value = line.rstrip("\n").split(" ", 2)
            if kind == "text":
                yield name, value.encode()
            elif kind == "printed":
                yield name, value.encode()
                yield name, printed(value)
            elif kind == "hex":
                yield name, bytes.fromhex(value)
            else:
                with open(value, "rb") as g:
                    yield name, g.read()


def scan(path, list_path):
    places = {"%s:%d-%s:%d" % k: v for k, v in streams(path).items()}
    places["packets"] = b"\n".join(packets(path))
    found = set()
    for name, secret in secrets(list_path):
        if len(secret) < 5:
            sys.exit(f"wire: {name} is too short to be told from chance")
        for form, needle in set(forms(secret)):
            for place, data in places.items():
                if (name, form) not in found and needle in data:
                    found.add((name, form))
                    print(name, form, place)
    total = sum(map(len, places.values()))
    print(f"{len(places) - 1} streams, {total} bytes looked through", file=sys.stderr)
    return 1 if found else 0


def write_streams(path, directory):
    os.makedirs(directory, exist_ok=True)
    for k, v in streams(path).items():
        with open(os.path.join(directory, "%s.%d-%s.%d" % k), "wb") as f:
            f.write(v)


if sys.argv[1:2] == ["capture"]:
    capture(sys.argv[2])
elif sys.argv[1:2] == ["streams"]:
    write_streams(sys.argv[2], sys.argv[3])
elif sys.argv[1:2] == ["scan"]:
    sys.exit(scan(sys.argv[2], sys.argv[3]))
else:
    sys.exit(__doc__)

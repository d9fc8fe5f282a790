#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the vectors of this folder with none of weft's code: envelopes, ids, signatures, chains of blocks, printed forms, key files.

Written from docs/protocol/identity.md and capability.md; Ed25519 from RFC 8032 section 5.1. What is accepted must hold here as well; what is
refused for its content must be rightly signed, so that no vector is refused for another reason than it says.
"""
import glob
import hashlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P
# Refusals that the envelope, or the reading of it, decides: the rest is refused for what a good signature covers.
BY_FORM = {"TOO_BIG", "TRUNCATED", "SYNTAX", "UNKNOWN_FIELD", "NOT_CANONICAL", "MISSING_FIELD", "PURPOSE", "ORDER", "KEY", "SIGNATURE"}
WIRE_BYTES = 2


def blake2b(data, key=b""):
    return hashlib.blake2b(data, digest_size=32, key=key).digest()


# ---- Ed25519

def recover_x(y, sign):
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P)
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def add(a, b):
    aa, bb = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = bb - aa, d - c, d + c, bb + aa
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(k, point):
    out = (0, 1, 1, 0)
    while k:
        if k & 1:
            out = add(out, point)
        point = add(point, point)
        k >>= 1
    return out


BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def decode_point(b):
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x = recover_x(y, sign) if y < P else None
    return None if x is None else (x, y, 1, x * y % P)


def public_key(seed):
    h = bytearray(hashlib.sha512(seed).digest()[:32])
    h[0] &= 248
    h[31] = h[31] & 127 | 64
    x, y, z, _ = times(int.from_bytes(h, "little"), BASE)
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def verify(key, message, signature):
    a, r, s = decode_point(key), decode_point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(k, a))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


# ---- protobuf, envelopes, printed forms

def varint(b, i):
    value = shift = 0
    while True:
        value, shift, i = value | (b[i] & 127) << shift, shift + 7, i + 1
        if b[i - 1] < 128:
            return value, i


def fields(b):
    """[(number, value)]: an int for a varint, bytes for what has a length."""
    out, i = [], 0
    while i < len(b):
        tag, i = varint(b, i)
        value, i = varint(b, i)
        if tag & 7 == WIRE_BYTES:
            value, i = b[i:i + value], i + value
            assert i <= len(b)
        else:
            assert tag & 7 == 0
        out.append((tag >> 3, value))
    return out


def one(b, number, default=b""):
    return next((v for n, v in fields(b) if n == number), default)


def pae(kind, body):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


class Envelope:
    def __init__(self, raw):
        parts = fields(raw)
        assert [n for n, _ in parts] == [1, 2] + [3] * (len(parts) - 2) and len(parts) > 2
        self.type, self.body = parts[0][1], parts[1][1]
        self.signatures = [(one(s, 1), one(s, 2)) for n, s in parts[2:]]
        self.message = pae(self.type, self.body)
        self.id = blake2b(self.message)

    def verifies(self):
        return all(verify(k, self.message, s) for k, s in self.signatures)


ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def polymod(values):
    c = 1
    for v in values:
        top, c = c >> 25, (c & 0x1ffffff) << 5 ^ v
        for i, g in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
            c ^= g if top >> i & 1 else 0
    return c


def parse_printed(text):
    prefix, data = text.rsplit("1", 1)[0], [ALPHABET.index(c) for c in text.rsplit("1", 1)[1]]
    assert polymod([ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + data) == 0x2bc830a3, "checksum"
    bits = "".join(f"{v:05b}" for v in data[:-6])
    return prefix, bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits) - len(bits) % 8, 8))


# ---- the vectors

def label_key(label):
    return public_key(blake2b(label.encode()))


def check_certificate(raw):
    e = Envelope(raw)
    assert e.type == b"weft/certificate/v1" and e.verifies()
    assert one(e.body, 10) == e.signatures[0][0]
    return e


def check_chain(raw):
    certs = [check_certificate(v) for _, v in fields(raw)]
    if len(certs) == 2:
        assert one(certs[0].body, 10) == one(certs[1].body, 4), "the issuer's key signed the subject's"
        assert one(certs[0].body, 1) == one(certs[1].body, 1), "one domain"
    domain = one(certs[-1].body, 1).decode()
    assert one(certs[-1].body, 10) == label_key(domain + "/root")


def check_token(raw):
    parts = fields(raw)
    blocks = [Envelope(v) for n, v in parts if n == 1]
    issuer = check_certificate(parts[-1][1])
    signer, previous = one(issuer.body, 4), b""
    for b in blocks:
        assert b.verifies() and b.signatures[0][0] == one(b.body, 4) == signer and one(b.body, 3) == previous
        signer, previous = one(b.body, 5), b.id


def check_key_file(raw):
    assert raw[:8] == b"WEFTKEY1"
    kind, sealed = chr(raw[8]), raw[9]
    n = {"S": 1, "D": 1, "N": 2}[kind]
    assert len(raw) == 10 + 64 * n + (56 if sealed else 0)
    if not sealed and kind in "SN":
        assert public_key(raw[10 + 32 * n:42 + 32 * n]) == raw[10:42] == label_key("key file")


def check_envelope(raw, verdict):
    code = verdict.split()[1].rstrip(":") if verdict.startswith("refused") else None
    if code is None:
        assert Envelope(raw).verifies()
    elif code not in BY_FORM:
        assert Envelope(raw).verifies(), "refused for its content, so rightly signed"


def check_special(name, raw):
    """Vectors that are no documents."""
    if name.startswith("230-ticket-proof"):
        message = b"weft/join/v1" + b"\1" + bytes(63) + b"\2" + bytes(15) + b"\3" + bytes(31) + b"\4" + bytes(31)
        assert raw == blake2b(message, key=blake2b(b"ticket secret"))
    elif name.startswith("501-product-id"):
        parts = [blake2b(b"mesh"), b"servers", b"hosts"]
        body = b"".join(len(p).to_bytes(4, "big") + p for p in parts) + (1).to_bytes(4, "big")
        assert raw == blake2b(pae(b"weft/product-id/v1", body))
    elif name.startswith(("200-", "231-")):
        prefix, body = parse_printed(raw.decode())
        assert prefix == ("wefttkt" if name.startswith("200") else "weftdom")
        if prefix == "wefttkt":
            assert one(body, 1) == blake2b(b"mesh") and one(body, 8) == blake2b(b"ticket id")[:16]
        else:
            assert one(body, 2) == label_key("servers/root")


def check(name, verdict, raw):
    number, what = int(name[:3]), name[4:]
    accepted = verdict.startswith("accepted")
    if number in (230, 501) or what.startswith(("ticket", "domain")):
        check_special(name, raw)
    elif what.startswith("keys"):
        if accepted:
            check_key_file(raw)
    elif number == 502:
        check_envelope(raw, verdict)
        assert one(one(Envelope(raw).body, 1), 24) == 3, "packing: zstd"
    elif what.startswith("chain"):
        if accepted:
            check_chain(raw)
    elif what.startswith("token"):
        if accepted or "SCOPE" in verdict:
            check_token(raw)
    else:
        check_envelope(raw, verdict)


def main():
    assert public_key(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")).hex() == \
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "RFC 8032, test 1"
    bad, names = 0, sorted(glob.glob(os.path.join(HERE, "*.hex")))
    for path in names:
        with open(path, encoding="ascii") as f:
            lines = f.read().split("\n")
        try:
            check(os.path.basename(path), lines[0][2:], bytes.fromhex("".join(lines[1:])))
        except (AssertionError, IndexError, ValueError, KeyError, StopIteration) as e:
            print(f"{os.path.basename(path)}: {lines[0][2:]}: {type(e).__name__} {e}")
            bad += 1
    print(f"{len(names)} vectors, {bad} differ")
    sys.exit(1 if bad or not names else 0)


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second implementation of docs/protocol/session.md, in Python without libraries, that writes this folder's vectors.

`make.py --check` compares instead of writing. All keys, times and ids are fixed; see the constants. The same messages,
as bytes, seed the fuzz target (tests/fuzz/corpus/session).
"""
import hashlib
import hmac
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.normpath(os.path.join(HERE, "..", "..", "fuzz", "corpus", "session"))

# ---- X25519 (RFC 7748) and ChaCha20-Poly1305 (RFC 8439) ----

P = 2**255 - 19


def x25519(k, u):
    k = bytearray(k)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k = int.from_bytes(k, "little")
    x1 = int.from_bytes(u, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def public(k):
    return x25519(k, (9).to_bytes(32, "little"))


def chacha_block(key, counter, nonce):
    def quarter(s, a, b, c, d):
        for x, y, z, r in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xffffffff
            v = s[z] ^ s[x]
            s[z] = (v << r | v >> 32 - r) & 0xffffffff
    start = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    s = start[:]
    for _ in range(10):
        for q in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                  (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(s, *q)
    return struct.pack("<16I", *((a + b) & 0xffffffff for a, b in zip(s, start)))


def seal(key, counter, ad, plain):
    nonce = bytes(4) + struct.pack("<Q", counter)
    stream = b"".join(chacha_block(key, i + 1, nonce) for i in range(len(plain) // 64 + 1))
    ct = bytes(a ^ b for a, b in zip(plain, stream))
    otk = chacha_block(key, 0, nonce)
    r = int.from_bytes(otk[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    data = ad + bytes(-len(ad) % 16) + ct + bytes(-len(ct) % 16) + struct.pack("<QQ", len(ad), len(ct))
    acc = 0
    for i in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ct + ((acc + int.from_bytes(otk[16:32], "little")) % 2**128).to_bytes(16, "little")


# ---- Noise_IK_25519_ChaChaPoly_BLAKE2b ----

def blake2b(data, size=64, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def hkdf(ck, ikm):
    temp = hmac.digest(ck, ikm, "blake2b")
    one = hmac.digest(temp, b"\1", "blake2b")
    return one, hmac.digest(temp, one + b"\2", "blake2b")


class Noise:
    def __init__(self, prologue, responder):
        self.h = self.ck = b"Noise_IK_25519_ChaChaPoly_BLAKE2b".ljust(64, b"\0")
        self.mix_hash(prologue)
        self.mix_hash(responder)

    def mix_hash(self, data):
        self.h = blake2b(self.h + data)

    def mix_key(self, ikm):
        self.ck, k = hkdf(self.ck, ikm)
        self.k = k[:32]

    def seal(self, plain):
        out = seal(self.k, 0, self.h, plain)
        self.mix_hash(out)
        return out

    def split(self):
        first, second = hkdf(self.ck, b"")
        return first[:32], second[:32]


# ---- the session layer ----

RESPONDER, INITIATOR, E_INIT, E_RESP, STRANGER = (bytes([b]) * 32 for b in (0x11, 0x22, 0x33, 0x44, 0x55))
MESH = blake2b(b"weft test mesh", 32)
STAMP = 1700000000000
SESSION = bytes(range(1, 9))


def prologue(mesh=MESH, roles=b"client/node"):
    return b"weft/1" + mesh + roles


def with_mac1(message, responder=None):
    key = blake2b(b"weft/mac1/v1" + (responder or public(RESPONDER)), 32)
    return message + blake2b(message, 16, key)


def init(version=1, pro=None, static_pub=None, ephemeral_pub=None, stamp=STAMP):
    """The init message and the initiator's state after it."""
    n = Noise(pro or prologue(), public(RESPONDER))
    e = ephemeral_pub or public(E_INIT)
    n.mix_hash(e)
    n.mix_key(x25519(E_INIT, public(RESPONDER)))
    sealed_static = n.seal(static_pub or public(INITIATOR))
    n.mix_key(x25519(INITIATOR, public(RESPONDER)))
    return with_mac1(bytes([1, version]) + e + sealed_static + n.seal(struct.pack(">Q", stamp))), n


def response(n, session=SESSION):
    e = public(E_RESP)
    n.mix_hash(e)
    n.mix_key(x25519(E_RESP, public(E_INIT)))
    n.mix_key(x25519(E_RESP, public(INITIATOR)))
    return b"\2" + e + n.seal(session)


def transport(kind, key, nonce, plain, request=None, session=SESSION):
    head = bytes([kind]) + session + struct.pack(">Q", nonce)
    return head + seal(key, nonce, head + (struct.pack(">Q", request) if request is not None else b""), plain)


def flip(message, index):
    return message[:index] + bytes([message[index] ^ 1]) + message[index + 1:]


def good_vectors(first, answer, noise):
    to_node, to_client = noise.split()
    yield "001-init", "a good init", first
    yield "002-response", "its response", answer
    yield "003-request", "nonce 0: 'request one'", transport(3, to_node, 0, b"request one")
    yield "004-reply", "nonce 0, to request 0: 'reply one'", transport(4, to_client, 0, b"reply one", 0)
    yield "005-request-empty", "nonce 1: nothing", transport(3, to_node, 1, b"")
    yield "006-handshake-hash", "64 bytes; no message", noise.h
    for number, name, code in ((7, "busy", 7), (8, "unsupported", 13), (9, "session", 404), (10, "flood", 406),
                               (11, "refused", 411)):
        yield f"{number:03}-refusal-{name}", f"code {code}", struct.pack(">BBH", 5, 1, code)


def bad_handshakes(first, answer):
    yield "020-init-mac1", "MAC1 made for another node", with_mac1(first[:-16], public(STRANGER))
    yield "021-init-version", "wire version 2, MAC1 right", init(version=2)[0]
    yield "022-init-mesh", "another mesh, MAC1 right", init(pro=prologue(blake2b(b"another mesh", 32)))[0]
    yield "023-init-roles", "roles turned round", init(pro=prologue(roles=b"node/client"))[0]
    yield "024-init-zero-ephemeral", "all-zero agreement es", init(ephemeral_pub=bytes(32))[0]
    yield "025-init-zero-static", "all-zero agreement ss", init(static_pub=bytes(32))[0]
    yield "026-init-stamp", "a stamp beyond 2^63 - 1", init(stamp=2**63)[0]
    yield "027-init-truncated", "one byte short", first[:-1]
    yield "028-init-trailing", "one byte more", first + b"\0"
    yield "029-init-other-static", "a sealed static key of somebody else", init(static_pub=public(STRANGER))[0]
    yield "030-response-changed", "a bit of the sealed session id", flip(answer, 40)
    yield "031-response-zero-ephemeral", "all-zero agreement ee", b"\2" + bytes(32) + answer[33:]
    yield "032-response-truncated", "one byte short", answer[:-1]
    yield "033-response-trailing", "one byte more", answer + b"\0"


def bad_transports(noise):
    to_node, to_client = noise.split()
    request = transport(3, to_node, 0, b"request one")
    last = 2**64 - 2**13 - 2
    yield "040-request-changed", "a bit of the ciphertext", flip(request, 17)
    yield "041-request-nonce-changed", "the nonce of the head", flip(request, 16)
    yield "042-request-other-session", "session id 0", transport(3, to_node, 0, b"request one", None, bytes(8))
    yield "043-request-last-nonce", "2^64 - 2^13 - 2, the last in use: 'last'", transport(3, to_node, last, b"last")
    yield "044-request-beyond", "2^64 - 2^13 - 1 is never used", transport(3, to_node, last + 1, b"beyond")
    yield "045-request-wrong-key", "a request under the reply key", transport(3, to_client, 0, b"request one")
    yield "046-request-truncated", "shorter than head and tag", transport(3, to_node, 0, b"")[:-1]
    yield "050-reply-other-request", "made for request 1, read for request 0", transport(4, to_client, 0, b"reply one", 1)
    yield "051-reply-unbound", "without its request's nonce", transport(4, to_client, 0, b"reply one")
    yield "060-type-0", "no such type", bytes(33)
    yield "061-type-6", "no such type", b"\6" + bytes(32)
    yield "062-empty", "no byte at all", b""


def vectors():
    first, noise = init()
    answer = response(noise)
    yield from good_vectors(first, answer, noise)
    yield from bad_handshakes(first, answer)
    yield from bad_transports(noise)


def hex_text(comment, data):
    digits = data.hex()
    return "\n".join([f"# {comment}"] + [digits[i:i + 96] for i in range(0, len(digits), 96)]) + "\n"


def main():
    wrong = 0
    os.makedirs(CORPUS, exist_ok=True)
    for name, comment, data in vectors():
        files = [(os.path.join(HERE, name + ".hex"), hex_text(comment, data).encode())]
        if data:
            files.append((os.path.join(CORPUS, name), data))
        for path, content in files:
            if "--check" not in sys.argv:
                with open(path, "wb") as f:
                    f.write(content)
                continue
            with open(path, "rb") as f:
                if f.read() != content:
                    print(f"{os.path.relpath(path)} differs")
                    wrong += 1
    sys.exit(1 if wrong else 0)


main()

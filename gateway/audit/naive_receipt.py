"""Verifies a signed receipt: this file, and Python's standard library. Used by `package.py` beside it.

A receipt is written in its canonical form, so every part that is signed stands in the file as it was signed, and
nothing has to be parsed. Whose the certificate is, the reader must know from elsewhere. XMLDSig 1.1 section 3.2, FIPS
186-5 section 6.4.2 (ECDSA on P-256), RFC 8017 section 8.2.2 (RSA, PKCS #1 v1.5).
"""

import re
from base64 import b64decode
from hashlib import sha256

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
Point = tuple[int, int] | None  # None: the point at infinity
G: Point = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
HALF, SMALLEST = 32, 256  # bytes of a number on P-256, and of the smallest RSA modulus
P256_KEY = bytes.fromhex(
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
)  # SubjectPublicKeyInfo, up to X and Y
RSA_KEY = re.compile(
    rb"\x30\x82..\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82..\x00\x30\x82..\x02\x82(..)",
    re.DOTALL,
)
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo of SHA-256, up to the digest
INFO = re.compile(rb"<ds:SignedInfo xmlns:ds=.*?</ds:SignedInfo>", re.DOTALL)
REFERENCE = re.compile(
    rb'<ds:Reference URI="#([A-Za-z]+)">.*?<ds:DigestValue>([A-Za-z0-9+/=]+)</ds:DigestValue>', re.DOTALL
)
SIGNED = {b"Body", b"Timestamp", b"MessageID", b"Action", b"RelatesTo"}


def must(*, hold: bool, why: str) -> None:
    """Raise ValueError where it does not hold."""
    if not hold:
        raise ValueError(why)


def one(pattern: bytes | re.Pattern[bytes], data: bytes, what: str) -> re.Match[bytes]:
    """Return the only match; two would let a reader see another than the verifier."""
    found = list(re.finditer(pattern, data))
    must(hold=len(found) == 1, why=f"a receipt has {len(found)} of {what}, and must have one")
    return found[0]


def receipt(data: bytes) -> tuple[bytes, list[bytes]]:
    """Verify a receipt; return the certificate that signed (DER), and the leaves it names. Raises ValueError."""
    # 1. What was signed is what stands here.
    info = one(INFO, data, "SignedInfo").group()
    references = REFERENCE.findall(info)
    must(hold={name for name, _ in references} == SIGNED and len(references) == len(SIGNED), why="not all is signed")
    parts = {name: part(data, name) for name, _ in references}
    for name, digest in references:
        must(
            hold=sha256(parts[name]).digest() == b64decode(digest), why=f"a receipt's {name.decode()} has been changed"
        )
    # 2. By whom.
    certificate = b64decode(one(rb'wsu:Id="Token">([A-Za-z0-9+/=]+)<', data, "Token").group(1), validate=True)
    value = b64decode(one(rb"<ds:SignatureValue>([A-Za-z0-9+/=]+)<", data, "SignatureValue").group(1), validate=True)
    must(hold=verified(certificate, value, info), why="a receipt's signature is not that of its certificate")
    # 3. What it says.
    body = parts[b"Body"]
    leaves = re.findall(rb"<Leaf>([A-Za-z0-9+/=]+)</Leaf>", body)
    must(hold=body.count(b"<Leaves>") == 1 and bool(leaves), why="a receipt names no leaves")
    return certificate, [b64decode(leaf, validate=True) for leaf in leaves]


def part(data: bytes, name: bytes) -> bytes:
    """Return the element with this wsu:Id, whole."""
    place = one(rb' wsu:Id="' + name + rb'"', data, name.decode()).start()
    start = data.rindex(b"<", 0, place)
    tag = data[start + 1 : data.index(b" ", start)]
    end = b"</" + tag + b">"
    return data[start : data.index(end, place) + len(end)]


def verified(certificate: bytes, value: bytes, data: bytes) -> bool:
    """Tell whether a signature is of this data, by the key in the certificate: P-256 or RSA, with SHA-256."""
    digest = sha256(data).digest()
    if P256_KEY in certificate:
        at = one(re.escape(P256_KEY), certificate, "public key").end()
        x, y = (int.from_bytes(certificate[at + n : at + n + HALF]) for n in (0, HALF))
        return ecdsa((x, y), value, int.from_bytes(digest))
    key = one(RSA_KEY, certificate, "public key")
    end = key.end() + int.from_bytes(key.group(1))
    modulus = int.from_bytes(certificate[key.end() : end])
    exponent = int.from_bytes(certificate[end + 2 : end + 2 + certificate[end + 1]])
    width, number = (modulus.bit_length() + 7) // 8, int.from_bytes(value)
    if len(value) != width or width < SMALLEST or number >= modulus:
        return False
    padded = b"\0\1" + b"\xff" * (width - len(SHA256_INFO) - len(digest) - 3) + b"\0" + SHA256_INFO + digest
    return pow(number, exponent, modulus).to_bytes(width) == padded


def ecdsa(key: tuple[int, int], value: bytes, digest: int) -> bool:
    """Verify r and s, 32 bytes each, over a digest."""
    x, y = key
    r, s = int.from_bytes(value[:HALF]), int.from_bytes(value[HALF:])
    if len(value) != 2 * HALF or not (0 < r < N and 0 < s < N) or (y * y - (x * x * x - 3 * x + B)) % P:
        return False
    w = pow(s, -1, N)
    found = add(times(digest * w % N, G), times(r * w % N, key))
    return found is not None and found[0] % N == r


def add(p: Point, q: Point) -> Point:
    """Add two points of the curve."""
    if p is None or q is None:
        return q if p is None else p
    (a, b), (c, d) = p, q
    if a == c and (b + d) % P == 0:
        return None
    slope = (3 * a * a - 3) * pow(2 * b, -1, P) if p == q else (d - b) * pow(c - a, -1, P)
    x = (slope * slope - a - c) % P
    return x, (slope * (a - x) - b) % P


def times(n: int, p: Point) -> Point:
    """Add a point to itself until there are n of it."""
    result: Point = None
    while n:
        result = add(result, p) if n & 1 else result
        p, n = add(p, p), n >> 1
    return result

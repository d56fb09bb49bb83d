"""A second verifier of the log, that shares nothing with the first: this one file, and Python's standard library.

It lies in every evidence package: whoever gets one can read how it is verified, and do it, without our program.

    python3 naive.py [FOLDER] --vkey KEY [--earlier CHECKPOINT] [--proof FILE --entry FILE]…

FOLDER is a whole log, as files; without it proofs are verified alone. Exit code 0: all agrees; 1: the line says what
does not; 2: wrong use. C2SP signed-note and tlog-*, RFC 6962 2.1, RFC 9162 2.1.3.2 (inclusion), RFC 8032 5.1 (Ed25519).
"""

import argparse
import re
import sys
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256, sha512
from pathlib import Path

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
WIDTH, HASH, LARGEST = 256, 32, 1_000_000  # hashes or entries of a tile, bytes of a hash, bytes of a note
SIGNATURES = re.compile(r"(?:— [^\s+]+ [A-Za-z0-9+/]{7,}={0,2}\n){1,100}")
PROOF = re.compile(
    rb"c2sp\.org/tlog-proof@v1\n(?:extra [A-Za-z0-9+/]*={0,2}\n)?index (0|[1-9][0-9]{0,18})\n"
    rb"((?:[A-Za-z0-9+/]{43}=\n){0,63})\n"
)
Point = tuple[int, int, int, int]  # X, Y, Z, T of a point (x, y) on -x² + y² = 1 + D x² y²: x = X/Z, y = Y/Z, xy = T/Z


def must(*, hold: bool, why: str) -> None:
    """Raise ValueError where it does not hold."""
    if not hold:
        raise ValueError(why)


def add(p: Point, q: Point) -> Point:
    """Add two points (RFC 8032 section 5.1.4)."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n: int, p: Point) -> Point:
    """Add a point to itself until there are n of it."""
    result: Point = (0, 1, 1, 0)
    while n:
        result = add(result, p) if n & 1 else result
        p, n = add(p, p), n >> 1
    return result


def point(data: bytes) -> Point:
    """Read a point (section 5.1.3). Raises ValueError for what is not on the curve, or has another spelling."""
    odd, y = divmod(int.from_bytes(data, "little"), 2**255)
    must(hold=len(data) == HASH and y < P, why="a point of the curve is not written as it must be")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    must(hold=(x * x - square) % P == 0 and not (x == 0 and odd), why="what should be a point is not on the curve")
    x = x if x % 2 == odd else P - x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, -1, P) % P).to_bytes(HASH, "little"))


def ed25519(public: bytes, message: bytes, signature: bytes) -> None:
    """Prove that S B - k A, written out, is R, with S below the order of B (section 5.1.7, without the cofactor)."""
    r, s = signature[:HASH], int.from_bytes(signature[HASH:], "little")
    must(hold=len(signature) == 2 * HASH and s < L, why="a signature is not written as it must be")
    a = point(public)
    k = int.from_bytes(sha512(r + public + message).digest(), "little") % L
    x, y, z, _ = add(times(s, BASE), times(k, (P - a[0], a[1], 1, P - a[3])))
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    must(hold=r == (y + (x % 2 << 255)).to_bytes(HASH, "little"), why="a signature is wrong")


class Log:
    """A log by its public key, and every root that this key is seen to have signed."""

    def __init__(self, vkey: str) -> None:
        self.name, written, encoded = vkey.strip().split("+", 2)
        key = b64decode(encoded, validate=True)
        self.id = sha256(self.name.encode() + b"\n" + key).digest()[:4]
        must(hold=self.id.hex() == written and key[:1] == b"\x01", why="the key is not an Ed25519 vkey")
        self.public, self.roots = key[1:], dict[int, bytes]()

    def checkpoint(self, note: bytes) -> int:
        """Verify a signed checkpoint, remember its root, and return its size."""
        text, _, lines = note.decode().rpartition("\n\n")
        must(hold=len(note) <= LARGEST and SIGNATURES.fullmatch(lines) is not None, why="a note is malformed")
        text, ours = text + "\n", 0
        for name, encoded in (line.split()[1:] for line in lines.splitlines()):
            signature = b64decode(encoded, validate=True)
            if (name, signature[:4]) == (self.name, self.id):
                ours += 1
                ed25519(self.public, text.encode(), signature[4:])
        match = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n", text)
        if match is None or match[1] != self.name or not ours:
            raise ValueError(f"a checkpoint is not one of {self.name}, signed by it")
        size, root = int(match[2]), b64decode(match[3])
        must(hold=self.roots.setdefault(size, root) == root, why=f"forked: two roots are signed for {size} leaves")
        return size

    def proof(self, data: bytes, entry: bytes) -> None:
        """Verify that an entry is in the log."""
        match = PROOF.match(data)
        if match is None:
            raise ValueError("the proof is not a tlog-proof")
        here, end, result = int(match[1]), self.checkpoint(data[match.end() :]), sha256(b"\x00" + entry).digest()
        last = end - 1
        must(hold=here < end, why=f"the proof is of leaf {here} among {end}")
        for step in map(b64decode, match[2].split()):
            must(hold=last > 0, why="the proof is too long")
            left = here % 2 == 1 or here == last
            result = sha256(b"\x01" + (step + result if left else result + step)).digest()
            while left and here and here % 2 == 0:
                here, last = here >> 1, last >> 1
            here, last = here >> 1, last >> 1
        must(hold=last == 0 and result == self.roots[end], why="the entry is not where its proof says")

    def files(self, folder: Path) -> int:
        """Compute a whole log again, compare every tile and every root that was signed, and return its size."""
        size = self.checkpoint((folder / "checkpoint").read_bytes())
        must(hold=max(self.roots) == size, why=f"{max(self.roots)} leaves were signed for, the log has {size}")
        stack, rows = list[bytes](), dict[int, list[bytes]]()
        self.agree(0, stack)
        for count, leaf in enumerate(leaves(folder, size), start=1):
            stack.append(leaf)
            for height in range(1, (count & -count).bit_length()):  # as many subtrees as `count` has noughts at its end
                stack[-2:] = [sha256(b"\x01" + stack[-2] + stack[-1]).digest()]
                if height % 8 == 0:
                    rows.setdefault(height // 8, []).append(stack[-1])
                    if len(rows[height // 8]) == WIDTH:
                        compare(folder, height // 8, (count >> height) // WIDTH - 1, rows.pop(height // 8))
            self.agree(count, stack)
        for level, row in rows.items():
            compare(folder, level, (size >> 8 * level) // WIDTH, row)
        return size

    def agree(self, size: int, stack: list[bytes]) -> None:
        """Compare the root of so many leaves with the one that was signed, if one was."""
        root = stack[-1] if stack else sha256(b"").digest()
        for left in reversed(stack[:-1] if size in self.roots else []):
            root = sha256(b"\x01" + left + root).digest()
        must(hold=self.roots.get(size, root) == root, why=f"the root of {size} leaves is not the one signed")


def leaves(folder: Path, size: int) -> Iterator[bytes]:
    """Yield the hash of every entry, having compared the tiles that hold them."""
    for number in range(-(-size // WIDTH)):
        (data, count), at, hashes = file(folder, "entries", number, min(WIDTH, size - number * WIDTH)), 0, list[bytes]()
        while at < len(data):  # a length in 16 bits, then so many bytes
            first, at = at + 2, at + 2 + int.from_bytes(data[at : at + 2], "big")
            hashes.append(sha256(b"\x00" + data[first:at]).digest())
        must(hold=at == len(data) and len(hashes) == count, why=f"entry bundle {number} has not {count} whole entries")
        compare(folder, 0, number, hashes[: size - number * WIDTH])
        yield from hashes[: size - number * WIDTH]


def file(folder: Path, kind: str, number: int, width: int) -> tuple[bytes, int]:
    """Return a tile, and how many hashes or entries it must have: a partial one may have become full since."""
    groups = re.findall("...", f"{number:0{-(-len(str(number)) // 3) * 3}}")
    path = folder / "tile" / kind / "/".join([*(f"x{one}" for one in groups[:-1]), groups[-1]])
    part = path.with_name(f"{path.name}.p") / str(width)
    path, count = (part, width) if width < WIDTH and part.exists() else (path, WIDTH)
    return path.read_bytes(), count


def compare(folder: Path, level: int, number: int, hashes: list[bytes]) -> None:
    """Compare a tile with the hashes that were computed."""
    data, count = file(folder, str(level), number, len(hashes))
    must(hold=len(data) == count * HASH, why=f"tile {level}/{number} has not {count} hashes")
    must(hold=data.startswith(b"".join(hashes)), why=f"tile {level}/{number} and its entries do not agree")


def main() -> str:
    """Verify what the command line names; return what was proven."""
    parser = argparse.ArgumentParser(description="Verify a log, or one entry and its proof.")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--vkey", required=True)
    for name in ("--earlier", "--proof", "--entry"):
        parser.add_argument(name, action="append", type=Path, default=[])
    given = parser.parse_args()
    if len(given.proof) != len(given.entry) or not (given.folder or given.proof):
        parser.error("give a FOLDER, or a --proof with its --entry; each proof has an entry")
    log = Log(given.vkey)
    for earlier in given.earlier:
        log.checkpoint(earlier.read_bytes())
    for proof, entry in zip(given.proof, given.entry, strict=True):
        log.proof(proof.read_bytes(), entry.read_bytes())
    return f"agrees: {log.name}, {log.files(given.folder) if given.folder else 0} leaves, {len(given.proof)} proofs"


if __name__ == "__main__":
    try:
        print(main())  # noqa: T201
    except (ValueError, OSError) as wrong:
        sys.exit(f"WRONG: {wrong}")

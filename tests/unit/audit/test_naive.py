"""The second verifier agrees with the first on every log, good or bad; its Ed25519 with one that others wrote."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.audit import naive, note, proof, static, tree
from gateway.cli import exported
from gateway.errors import GatewayError
from tests import builders, mirrors
from tests.unit.audit.test_static import proven

VKEY = str(mirrors.KEY)
LONGEST = 200
"""Lines."""


def first(folder: Path, earlier=()) -> bool:
    try:
        static.verify(exported.folder(folder), mirrors.KEY, earlier=earlier)
    except GatewayError:
        return False
    return True


def second(folder: Path, earlier=()) -> bool:
    log = naive.Log(VKEY)
    try:
        for one in earlier:
            log.checkpoint(one)
        log.files(folder)
    except (ValueError, OSError):
        return False
    return True


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return mirrors.write(tmp_path_factory.mktemp("whole") / "log", mirrors.GOOD)


@pytest.fixture
def log(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "log"))


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 65_800])
def test_both_find_a_log_of_any_size_whole(tmp_path, size):
    mirrors.write(tmp_path, mirrors.entries(size))
    assert (first(tmp_path), second(tmp_path)) == (True, True)


@pytest.mark.parametrize("name", mirrors.WHOLE)
def test_both_let_be_what_may_be_so(log, name):
    change, earlier = mirrors.WHOLE[name]
    change(log)
    assert (first(log, earlier), second(log, earlier)) == (True, True)


@pytest.mark.parametrize("bad", mirrors.BAD, ids=lambda bad: bad.name)
def test_both_catch_what_is_wrong(log, bad):
    bad.do(log)
    assert (first(log, bad.earlier), second(log, bad.earlier)) == (False, False)


def test_both_judge_alike_whatever_byte_is_changed_cut_or_added(log):
    chance = random.Random(6)  # noqa: S311  # the same every time
    files = [path for path in sorted(log.rglob("*")) if path.is_file()]
    verdicts = set()
    for path in files:
        kept = path.read_bytes()
        for _ in range(12):
            at, data = chance.randrange(len(kept)), bytearray(kept)
            match chance.randrange(4):
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    del data[at : at + chance.choice((1, 2, 32, 9))]
                case 2:
                    data[at:at] = chance.randbytes(chance.choice((1, 2, 32)))
                case _:
                    data[at:] = b""
            path.write_bytes(data)
            verdicts.add((path.name, first(log), second(log)))
        path.write_bytes(kept)
    assert {one[1:] for one in verdicts} == {(False, False)}
    assert (first(log), second(log)) == (True, True)


def judged(written: bytes, entry: bytes) -> tuple[bool, bool]:
    try:
        proof.verify(proof.read(written), tree.leaf_hash(entry), mirrors.KEY)
        one = True
    except GatewayError:
        one = False
    try:
        naive.Log(VKEY).proof(written, entry)
        other = True
    except ValueError:
        other = False
    return one, other


@pytest.mark.parametrize("size", [*range(1, 18), 255, 256, 257, 600])
def test_both_judge_every_proof_alike(size):
    for index in {*range(min(size, 18)), size // 2, size - 1}:
        written = proof.write(proven(mirrors.GOOD, index, size))
        assert judged(written, mirrors.GOOD[index]) == (True, True)
        assert judged(written, b"another") == (False, False)


@pytest.mark.parametrize(
    "changed",
    [
        lambda data: data.replace(b"index 17", b"index 18"),
        lambda data: data.replace(b"index 17", b"index 017"),
        lambda data: data.replace(b"index 17", b"index 600"),
        lambda data: data.replace(b"@v1", b"@v2"),
        lambda data: data.replace(b"index", b"extra !\nindex"),
        lambda data: data.replace(b"\n\n", b"\n%s\n\n" % (b"A" * 43 + b"="), 1),
        lambda data: data.replace(data.split(b"\n")[2] + b"\n", b"", 1),
        lambda data: data.replace(b"\n600\n", b"\n601\n"),
        lambda data: data[:-2],
        lambda data: data + b"more",
        lambda _: b"",
    ],
)
def test_both_refuse_a_proof_that_is_changed(changed):
    written = proof.write(proven(mirrors.GOOD, 17))
    assert judged(written.replace(b"index", b"extra AAAA\nindex"), mirrors.GOOD[17]) == (True, True)
    assert judged(changed(written), mirrors.GOOD[17]) == (False, False)


def run(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """The file alone, in a folder of its own, by a Python that sees nothing of ours."""
    shutil.copyfile(naive.__file__, folder / "verify.py")
    command = [sys.executable, "-I", "-S", str(folder / "verify.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=60)


def test_it_runs_alone_and_says_what_it_found(log, tmp_path):
    (tmp_path / "entry").write_bytes(mirrors.GOOD[17])
    (tmp_path / "a.tlog-proof").write_bytes(proof.write(proven(mirrors.GOOD, 17)))
    (tmp_path / "earlier").write_bytes(mirrors.signed(mirrors.GOOD, 300))
    one = ("--proof", tmp_path / "a.tlog-proof", "--entry", tmp_path / "entry")
    done = run(log, "--vkey", VKEY, "--earlier", tmp_path / "earlier", *one, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"agrees: {mirrors.KEY.name}, 600 leaves, 1 proofs\n"), done.stderr
    assert run("--vkey", VKEY, *one, folder=tmp_path).returncode == 0
    (tmp_path / "entry").write_bytes(mirrors.GOOD[18])
    wrong = run("--vkey", VKEY, *one, folder=tmp_path)
    assert (wrong.returncode, wrong.stderr) == (1, "WRONG: the entry is not where its proof says\n")
    mirrors._flipped("tile/0/001", 7)(log)
    assert run(log, "--vkey", VKEY, folder=tmp_path).stderr == "WRONG: tile 0/1 and its entries do not agree\n"


def test_it_says_what_it_needs(tmp_path):
    for arguments in ((), ("--vkey", VKEY), ("--vkey", VKEY, "--proof", "x")):
        assert run(*arguments, folder=tmp_path).returncode == 2
    for vkey in ("nonsense", VKEY[:-4], VKEY.replace("+1", "+2"), "a+b+c"):
        assert run(tmp_path, "--vkey", vkey, folder=tmp_path).returncode == 1


def test_it_is_short_and_imports_the_standard_library_only():
    lines = Path(naive.__file__).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST
    imported = {line.split()[1].partition(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names


# --- Ed25519 ---

RFC_8032 = [
    line.split("|")
    for line in (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a||e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c|72|92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025|af82|6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    )
]
"""Section 7.1: public key, message, signature."""


def good(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        naive.ed25519(public, message, signature)
    except ValueError:
        return False
    return True


def theirs(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize("vector", RFC_8032, ids=["one", "two", "three"])
def test_the_vectors_of_rfc_8032_are_right_and_no_bit_of_them_may_change(vector):
    public, message, signature = map(bytes.fromhex, vector)
    assert good(public, message, signature)
    assert not good(public, message + b"x", signature)
    for at in range(0, 512, 17):
        changed = bytearray(signature)
        changed[at // 8] ^= 1 << at % 8
        assert not good(public, message, bytes(changed))
    for at in range(0, 256, 17):
        changed = bytearray(public)
        changed[at // 8] ^= 1 << at % 8
        assert not good(bytes(changed), message, signature)


def test_it_agrees_with_another_implementation():
    chance = random.Random(8032)  # noqa: S311  # the same every time
    for _ in range(60):
        private = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
        public, message = private.public_key().public_bytes_raw(), chance.randbytes(chance.randrange(200))
        signature = private.sign(message)
        assert good(public, message, signature)
        changed = bytearray(public + signature)
        changed[chance.randrange(96)] ^= 1 << chance.randrange(8)
        public, signature = bytes(changed[:32]), bytes(changed[32:])
        assert good(public, message, signature) == theirs(public, message, signature) is False


def test_a_signature_has_one_spelling():
    public, message, signature = map(bytes.fromhex, RFC_8032[2])
    s = int.from_bytes(signature[32:], "little")
    for other in (s + naive.L, s + 2 * naive.L, naive.L, 2**256 - 1):
        assert not good(public, message, signature[:32] + (other % 2**256).to_bytes(32, "little"))
    for length in (0, 32, 63, 65):
        assert not good(public, message, (signature + b"\x00")[:length])
    beyond = (naive.P + 1).to_bytes(32, "little")  # R is the neutral point, y = 1, spelt y = P + 1
    assert not good((1).to_bytes(32, "little"), message, beyond + bytes(32))


@pytest.mark.parametrize(
    "public",
    [
        pytest.param((2).to_bytes(32, "little"), id="not on the curve"),
        pytest.param(naive.P.to_bytes(32, "little"), id="y is P"),
        pytest.param((naive.P + 1).to_bytes(32, "little"), id="y is P + 1"),
        pytest.param((1 + 2**255).to_bytes(32, "little"), id="x is 0 and odd"),
        pytest.param(b"\xff" * 32, id="all ones"),
        pytest.param(b"\x01", id="short"),
        pytest.param(b"", id="empty"),
    ],
)
def test_what_is_no_point_is_no_key(public):
    with pytest.raises(ValueError, match=r"a point|on the curve"):
        naive.point(public)
    assert not good(public, b"", b"\x01" + bytes(63))


def test_a_key_of_small_order_is_judged_as_by_another_implementation():
    neutral = (1).to_bytes(32, "little")
    for signature in (neutral + bytes(32), neutral + (1).to_bytes(32, "little")):
        assert good(neutral, b"any", signature) == theirs(neutral, b"any", signature)


def test_what_another_implementation_signed_as_a_note_is_believed():
    vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    log = naive.Log(vkey)
    text = b"This is an example message.\n"
    signature = note.b64decode(
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
    )
    assert signature[:4] == log.id
    naive.ed25519(log.public, text, signature[4:])
    with pytest.raises(ValueError, match="not one of"):  # it is a note, and no checkpoint
        log.checkpoint(text + b"\n" + "— example.com/foo ".encode() + note.b64encode(signature) + b"\n")


def test_it_reads_the_same_key_as_the_first():
    assert naive.Log(VKEY).public == builders.signer().key.public

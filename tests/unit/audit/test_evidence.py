from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

import orjson
import pytest

from gateway.audit import checkpoint, evidence, leaf, tree
from gateway.errors import IntegrityError
from tests import builders

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
RECORDS = [
    {"kind": "decision", "lagrum": ["SFB-114-8@1"], "person": {"kind": "personnummer", "number": "<i>"}, "v": 1},
    {"code": "GW-X", "detail": "<script>", "kind": "refusal", "quarantined": False, "v": 1},
    {"granted": [], "kind": "intent", "period": {"first": "2026-01-01", "last": "2026-01-31"}, "v": 1},
]


class Leaf(NamedTuple):
    """As the log and the seal have it."""

    entry: bytes
    salt: bytes
    record: bytes


def committed(number: int, said: dict[str, object]) -> Leaf:
    record, salt = orjson.dumps(said), bytes([number]) * leaf.SALT
    commitment = b64encode(hmac.digest(salt, record, "sha256")).decode()
    entry = orjson.dumps({"commitment": commitment, "kind": said["kind"], "policy": "ab" * 32, "v": 1})
    leaf.check(entry, salt=salt, record=record)
    return Leaf(entry, salt, record)


LEAVES = [committed(number, said) for number, said in enumerate(RECORDS)]


def nodes(level: int, index: int) -> bytes:
    frontier = tree.Frontier()
    for one in LEAVES[index << level : (index + 1) << level]:
        frontier.append(tree.leaf_hash(one.entry))
    return frontier.root()


def proven(index: int) -> evidence.Proven:
    one = LEAVES[index]
    path = tree.inclusion(index, len(LEAVES), nodes)
    return evidence.Proven(index=index, entry=one.entry, path=path, salt=one.salt, record=one.record, about=("m-1",))


def package(*leaves: evidence.Proven) -> evidence.Package:
    grown = checkpoint.Checkpoint(origin=builders.ORIGIN, size=len(LEAVES), root=tree.root(len(LEAVES), nodes))
    return evidence.Package(
        asked="meddelandet urn:uuid:1",
        made=AT,
        by="granskare, revision, ärende R-1",
        checkpoint=checkpoint.sign(grown, builders.signer()),
        keys=(str(builders.signer().key),),
        leaves=leaves or tuple(proven(index) for index in range(len(LEAVES))),
        originals={"m-1": {"message.xml": b"<a/>", "facts.json": b"{}"}},
        law={"ab" * 32: b"packed"},
        certificates={"signer.der": b"0"},
        stamps={"2026-11-26.tsr": b"1"},
        policy=b"log ...\n",
    )


def manifested(found: dict[str, bytes]) -> dict[str, bytes]:
    """Write the manifest anew, as somebody would who changes a file."""
    rest = {name: data for name, data in found.items() if name != evidence.MANIFEST}
    lines = "".join(f"{sha256(rest[name]).hexdigest()}  {name}\n" for name in sorted(rest))
    return {**rest, evidence.MANIFEST: lines.encode()}


def test_a_package_proves_all_its_leaves():
    found = evidence.files(package())
    assert evidence.verify(found, builders.signer().key) == len(LEAVES)
    assert {"originals/m-1/message.xml", f"law/{'ab' * 32}.tar.gz", "certificates/signer.der", "tlog-policy"} <= set(
        found
    )
    assert found["records/0.json"] == LEAVES[0].record
    assert found["entries/2.json"] == LEAVES[2].entry


@pytest.mark.parametrize("name", sorted(evidence.files(package())))
def test_whatever_file_is_changed_taken_away_or_added_is_found(name):
    found = evidence.files(package())
    for changed in (
        {**found, name: found[name] + b" "},
        {one: data for one, data in found.items() if one != name},
        {**found, "more": b""},
    ):
        with pytest.raises(IntegrityError):
            evidence.verify(changed, builders.signer().key)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("records/0.json", lambda data: data.replace(b"SFB-114-8@1", b"SFB-114-8@2")),
        ("records/0.json", None),
        ("entries/1.json", lambda data: data.replace(b"refusal", b"decision")),
        ("proofs/2.tlog-proof", lambda data: data.replace(b"index 2", b"index 1")),
        ("proofs/2.tlog-proof", None),
        ("index.json", lambda data: data.replace(b'"index": 0', b'"index": 1')),
        ("index.json", lambda _: b"[]]"),
        ("index.json", lambda _: b'[{"index":"0","salt":1}]'),
        ("index.json", lambda data: data.replace(b"=", b"?", 1)),
        ("checkpoint", lambda data: data.replace(b"\n3\n", b"\n4\n")),
    ],
)
def test_a_change_is_found_though_the_manifest_was_written_anew(name, change):
    found = evidence.files(package())
    if change is None:
        del found[name]
    else:
        assert change(found[name]) != found[name]
        found[name] = change(found[name])
    with pytest.raises(IntegrityError):
        evidence.verify(manifested(found), builders.signer().key)
    assert evidence.verify(manifested(evidence.files(package())), builders.signer().key) == len(LEAVES)


def test_another_logs_key_proves_nothing():
    with pytest.raises(IntegrityError):
        evidence.verify(evidence.files(package()), builders.signer("other.example").key)


def test_a_destroyed_record_is_told_of_and_its_leaf_still_proven():
    gone = replace(proven(0), salt=None, record=None, why_not="gallrad")
    closed = replace(proven(1), salt=None, record=None, why_not="behörighet")
    found = evidence.files(package(gone, closed, proven(2)))
    assert evidence.verify(found, builders.signer().key) == 3
    assert "records/0.json" not in found
    assert "1 av löven är gallrade" in found[evidence.README].decode()
    assert "1 av löven öppnades inte" in found[evidence.README].decode()
    assert "Posten är gallrad." in found[evidence.REPORT].decode()
    with pytest.raises(IntegrityError):  # a record nobody vouches for
        evidence.verify(manifested({**found, "records/0.json": LEAVES[0].record}), builders.signer().key)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(proven(0), record=LEAVES[1].record),
        replace(proven(0), index=1),
        replace(proven(0), entry=LEAVES[1].entry),
        replace(proven(0), salt=None),
        replace(proven(0), why_not="gallrad"),
        replace(proven(0), salt=None, record=None),
    ],
)
def test_what_does_not_prove_itself_is_not_packed(wrong):
    with pytest.raises(IntegrityError):
        evidence.files(package(wrong))


@pytest.mark.parametrize("name", ["../a", "/a", ".a", "a/../b", "a//b", "a b", "a\nb", ""])
def test_a_name_that_leaves_its_folder_is_not_packed(name):
    with pytest.raises(IntegrityError):
        evidence.files(replace(package(), certificates={name: b""}))


def test_the_page_escapes_what_records_say_and_has_every_leaf():
    page = evidence.files(package())[evidence.REPORT].decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert '<html lang="sv">' in page
    assert [page.count(f'id="lov-{n}"') for n in range(3)] == [1, 1, 1]


def test_the_readme_says_how_to_verify_and_what_is_not_proved():
    text = evidence.files(package())[evidence.README].decode()
    assert f"python3 package.py --vkey '{builders.signer().key}'" in text
    assert "## Vad paketet inte bevisar" in text
    assert "urn:uuid:1" in text

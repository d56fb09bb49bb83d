"""A package of evidence: some leaves of the log, all that proves them, and what they are about, in one folder.

Whoever gets it needs nothing of ours. Python's standard library is enough to prove it (`package.py` lies in it), and
the proofs are in a format that verifiers by others read (C2SP tlog-proof).

    README.sv.md            what it is, how it is verified, what it does not prove
    rapport.html            the leaves, for people
    manifest.sha256         SHA-256 of every other file, as `sha256sum --check` reads it
    package.py              the verifier (`audit.naive_package`), and those that it uses:
    verify.py receipt.py    of logs (`audit.naive`), of receipts (`audit.naive_receipt`)
    checkpoint              the signed size and root that every proof here ends in
    keys/vkeys.txt          whose signatures those are: the log's key first, then the witnesses'
    tlog-policy             which witnesses were to sign (C2SP tlog-policy), where the log has any
    index.json              the leaves in order: index, kind, salt, and what of the rest there is
    entries/<index>.json    a leaf's public entry, exact bytes
    proofs/<index>.tlog-proof
    records/<index>.json    the record that the entry commits to, exact bytes
    originals/<name>/…      exact bytes of messages, both ways; our receipt; what the store knows beside them
    law/<hash>.tar.gz       every register of law that a leaf names, whole
    certificates/<hash>.der those that signed, and those above them
    certificates/<hash>.crl revocation lists that they were judged by
    stamps/…                time stamps (RFC 3161) of the log's checkpoints

What a role may not see, or gallring has destroyed, is left out, and the index says so: a leaf whose record is gone is
proven as well as any other, and tells nothing.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from importlib import resources
from typing import Any, Final

import orjson

from gateway.audit import checkpoint, evidence_page, leaf, note, proof, tree
from gateway.errors import IntegrityError

README: Final = "README.sv.md"
REPORT: Final = "rapport.html"
MANIFEST: Final = "manifest.sha256"
_VERIFIERS: Final = {"package.py": "naive_package.py", "verify.py": "naive.py", "receipt.py": "naive_receipt.py"}
"""Name in the package -> module here: three files, Python's standard library, no more."""
CHECKPOINT: Final = "checkpoint"
KEYS: Final = "keys/vkeys.txt"
POLICY: Final = "tlog-policy"
INDEX: Final = "index.json"
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzåäöABCDEFGHIJKLMNOPQRSTUVWXYZÅÄÖ0123456789._-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """One leaf."""

    index: int
    entry: bytes
    path: tuple[bytes, ...]
    """From the leaf to the root of the package's checkpoint."""
    salt: bytes | None = field(default=None, repr=False)
    record: bytes | None = field(default=None, repr=False)
    """Both None where the record is destroyed, or not for whoever asked."""
    why_not: str = ""
    """Why there is no record: `gallrad` or `behörighet`; empty where there is one."""
    about: tuple[str, ...] = ()
    """Names of the originals that it tells of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What goes into it."""

    asked: str
    """What it is evidence of, in words; nobody's number."""
    made: datetime
    by: str
    """Who had it made, for what purpose and case: as the log of readings has it."""
    checkpoint: bytes
    """The signed note, with all its signatures."""
    keys: tuple[str, ...]
    """The log's vkey first."""
    leaves: tuple[Proven, ...]
    originals: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict, repr=False)
    """Name -> file -> exact bytes."""
    law: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Hash of a register -> its archive."""
    certificates: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    stamps: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    policy: bytes | None = None
    missing: tuple[str, ...] = ()
    """What there would be to show and is not here, in words: each a sentence in the README."""


def files(package: Package) -> dict[str, bytes]:
    """Return every file of the package by its name. Raises IntegrityError where a name is none, or nothing is proven.

    Nothing is packed that does not prove itself: each proof is verified against the checkpoint, and each record against
    its entry, before anybody else has to.
    """
    key = note.Key.parse(package.keys[0])
    _proven(package, key)
    found: dict[str, bytes] = {
        CHECKPOINT: package.checkpoint,
        KEYS: "".join(f"{one}\n" for one in package.keys).encode(),
        INDEX: orjson.dumps([_indexed(one) for one in package.leaves], option=orjson.OPT_INDENT_2) + b"\n",
        **verifiers(),
        README: readme(package).encode(),
        REPORT: evidence_page.page(package.asked, package.made, [_told(one) for one in package.leaves]).encode(),
    }
    if package.policy is not None:
        found[POLICY] = package.policy
    for one in package.leaves:
        found[f"entries/{one.index}.json"] = one.entry
        written = proof.Proof(index=one.index, path=one.path, checkpoint=package.checkpoint)
        found[f"proofs/{one.index}.tlog-proof"] = proof.write(written)
        if one.record is not None:
            found[f"records/{one.index}.json"] = one.record
    for original, parts in package.originals.items():
        found |= {f"originals/{original}/{name}": content for name, content in parts.items()}
    found |= {f"law/{policy}.tar.gz": content for policy, content in package.law.items()}
    found |= {f"certificates/{name}": content for name, content in package.certificates.items()}
    found |= {f"stamps/{name}": content for name, content in package.stamps.items()}
    for name in found:
        _plain(name)
    found[MANIFEST] = "".join(f"{sha256(found[name]).hexdigest()}  {name}\n" for name in sorted(found)).encode()
    return dict(sorted(found.items()))


def verify(found: Mapping[str, bytes], key: note.Key) -> int:
    """Prove a package against the log's key, from elsewhere; return how many leaves it proves. Raises IntegrityError.

    1. The manifest names every file and no other, each with its hash.
    2. The checkpoint is signed by the log's key.
    3. Every leaf's proof ends in that checkpoint.
    4. Every record is the one that its entry commits to.
    """
    # 1. The manifest.
    _manifest(found)
    # 2. The checkpoint.
    signed = checkpoint.verify(_there(found, CHECKPOINT), key)
    # 3. The leaves.
    leaves = _index(_there(found, INDEX))
    for one in leaves:
        entry = _there(found, f"entries/{one['index']}.json")
        proven = proof.read(_there(found, f"proofs/{one['index']}.tlog-proof"))
        if proven.index != one["index"] or proven.checkpoint != found[CHECKPOINT]:
            raise IntegrityError(f"the proof of leaf {one['index']} is of another leaf or checkpoint")
        tree.verify_inclusion(tree.leaf_hash(entry), proven.index, signed.size, proven.path, signed.root)
        # 4. What they commit to.
        if one["salt"] is not None:
            record = _there(found, f"records/{one['index']}.json")
            leaf.check(entry, salt=_salt(one["salt"]), record=record)
        elif f"records/{one['index']}.json" in found:
            raise IntegrityError(f"the record of leaf {one['index']} has no salt")
    return len(leaves)


def verifiers() -> dict[str, bytes]:
    """Return the verifiers that lie in every package."""
    rooms = resources.files("gateway.audit")
    return {name: rooms.joinpath(module).read_bytes() for name, module in _VERIFIERS.items()}


def _proven(package: Package, key: note.Key) -> None:
    signed = checkpoint.verify(package.checkpoint, key)
    for one in package.leaves:
        tree.verify_inclusion(tree.leaf_hash(one.entry), one.index, signed.size, one.path, signed.root)
        if (one.salt is None) != (one.record is None) or (one.record is None) != bool(one.why_not):
            raise IntegrityError(f"leaf {one.index} has half a record, or none and no word why")
        if one.salt is not None and one.record is not None:
            leaf.check(one.entry, salt=one.salt, record=one.record)


def _indexed(one: Proven) -> dict[str, object]:
    return {
        "index": one.index,
        "kind": orjson.loads(one.entry)["kind"],
        "hash": tree.leaf_hash(one.entry).hex(),
        "salt": None if one.salt is None else b64encode(one.salt).decode(),
        "record": one.why_not or f"records/{one.index}.json",
        "originals": [f"originals/{name}" for name in one.about],
    }


def _told(one: Proven) -> evidence_page.Told:
    record = None if one.record is None else orjson.loads(one.record)
    return evidence_page.Told(
        index=one.index, kind=orjson.loads(one.entry)["kind"], record=record, why_not=one.why_not, about=one.about
    )


def _plain(name: str) -> None:
    """Hold a file's name to letters that every system has, and to its folder."""
    if not all(part and not part.startswith(".") and _PLAIN.issuperset(part) for part in name.split("/")):
        raise IntegrityError(f"{name!r} is no name of a file in a package")


def _manifest(found: Mapping[str, bytes]) -> None:
    said: dict[str, str] = {}
    try:
        for line in _there(found, MANIFEST).decode().splitlines():
            digest, name = line.split("  ", 1)
            said[name] = digest
    except ValueError:
        raise IntegrityError("the manifest is not one of sha256sum's") from None
    rest = found.keys() - {MANIFEST}
    if odd := sorted(said.keys() ^ rest):
        raise IntegrityError(f"the manifest and the folder differ about {odd[0]}")
    for name in sorted(rest):
        if sha256(found[name]).hexdigest() != said[name]:
            raise IntegrityError(f"{name} is not the file that the manifest tells of")


def _there(found: Mapping[str, bytes], name: str) -> bytes:
    try:
        return found[name]
    except KeyError:
        raise IntegrityError(f"the package has no {name}") from None


def _index(data: bytes) -> list[dict[str, Any]]:
    try:
        leaves = orjson.loads(data)
        if all(isinstance(one["index"], int) and isinstance(one["salt"], str | None) for one in leaves):
            return list(leaves)
    except (ValueError, KeyError, TypeError):
        pass
    raise IntegrityError("index.json is not a list of leaves")


def _salt(written: str) -> bytes:
    try:
        return b64decode(written, validate=True)
    except ValueError:
        raise IntegrityError("a salt is not base64") from None


def readme(package: Package) -> str:
    """Return what stands first in the package, in Swedish: what it is, how it is verified, what it does not prove."""
    gone = sum(one.why_not == "gallrad" for one in package.leaves)
    closed = sum(one.why_not == "behörighet" for one in package.leaves)
    notes = [
        *([f"{gone} av löven är gallrade: bevisade som de andra, men vad de handlade om är förstört."] if gone else []),
        *([f"{closed} av löven öppnades inte för den som beställde paketet."] if closed else []),
        *package.missing,
    ]
    left_out = "".join(f"- {one}\n" for one in notes) or "- Inget.\n"
    return _README.format(
        asked=package.asked,
        made=package.made.isoformat(timespec="seconds"),
        by=package.by,
        origin=package.checkpoint.partition(b"\n")[0].decode(),
        count=len(package.leaves),
        vkey=package.keys[0],
        left_out=left_out,
    )


_README: Final = """\
# Bevispaket

| | |
|---|---|
| gäller | {asked} |
| framtaget | {made} |
| av | {by} |
| logg | {origin} |
| löv | {count} |

`rapport.html` visar vad löven säger. Allt annat är till för att det ska kunna prövas.

## Pröva paketet

Ingenting av gatewayens program behövs, och inget nät:

```
python3 package.py --vkey '{vkey}'
```

Skaffa nyckeln (`--vkey`) från annat håll än det här paketet: från Försäkringskassans webbplats, ur ett kvitto eller
från ett vittne. Den som kan byta hela paketet kan också byta nyckeln i det. Filerna i `proofs/` är i ett öppet format
(C2SP tlog-proof), som andras program läser; `checkpoint` är en signerad anteckning (C2SP signed-note). Programmet
säger vad det prövade:

1. att varje fil är den som `manifest.sha256` nämner,
2. att loggens nyckel har signerat `checkpoint`,
3. att varje löv i `entries/` står i loggen på den plats beviset säger,
4. att varje post i `records/` är den som lövet åtog sig när det skrevs,
5. att varje kvitto (`receipt.xml`) är signerat med ett certifikat som ligger här, och nämner just dessa löv.

## Vad som finns

| | |
|---|---|
| `entries/` | lövens offentliga del, exakta bytes |
| `records/` | det som löven åtog sig, exakta bytes: vem, vad, på vilken grund, vilket beslut |
| `proofs/` | bevisen för varje löv |
| `originals/` | meddelanden som de togs emot eller sändes, med sina signaturer, och motpartens svar |
| `originals/*/receipt.xml` | vårt kvitto, satt samman på nytt ur det som sparats, och signaturen prövad |
| `originals/*/receipt-unsigned.xml` | det kvittot sade, där signaturen inte finns sparad |
| `law/` | de rättsregister som löven nämner; namnet är hashen |
| `certificates/*.der` | certifikat som signerade och de över dem; namnet är hashen |
| `certificates/*.crl` | spärrlistor som certifikaten prövades mot den dagen, så som de då var inlästa |
| `stamps/` | tidsstämplar (RFC 3161) av loggens checkpointar |
| `keys/`, `tlog-policy` | loggens och vittnenas nycklar, och vilka vittnen som skulle signera |

Ett kvitto vars signatur stämmer är byte för byte det som signerades. Den som fick sända om sitt meddelande kan ha fler,
med samma innehåll under en senare tid. Vems ett certifikat i `certificates/` är måste man veta från annat håll.

## Vad som saknas här

{left_out}
## Vad paketet inte bevisar

Det visar vad som antecknats, och att det inte ändrats sedan checkpointen signerades. Det visar inte att det som
antecknades var sant, och inte att inget mer har hänt: att något *inte* skett visas bara så långt som fullständigheten
prövas, genom löpande nummer, kvittona hos partnerna och avstämningen mellan dem. Utan oberoende vittnens signaturer på
checkpointen kan den som har loggens nyckel ha visat olika loggar för olika läsare.
"""

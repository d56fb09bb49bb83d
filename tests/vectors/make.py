"""Write the vectors: one folder a case, with the exact bytes and the verdict. `python -m tests.vectors.make`

Everything is made anew, certificates too; the keys are thrown away when this ends, so what is stored can be verified
for ever and never be signed again. The clock stands still at the time in each `expected.toml`. A case made by hand is a
folder of the same form beside these; it is not touched, since only what is in the catalogue is written or removed.
"""

from __future__ import annotations

import hashlib
import shutil
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from tests import authorities, forge
from tests.attacks import CASES, Case, Scene, Sent
from tests.attacks.catalogue import NOW

FOLDER = Path(__file__).parent
MARK = "Made by tests/vectors/make.py."
LIFE = timedelta(days=365 * 70)


def _clear() -> None:
    for readme in list(FOLDER.rglob("README")):
        if MARK in readme.read_text(encoding="utf-8"):
            shutil.rmtree(readme.parent)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _facts(sent: Sent) -> dict[str, str]:
    """Return what must be read out of an accepted message, found here by other means than the gateway's."""
    parser = etree.XMLParser(remove_comments=True, resolve_entities=False)
    charset = sent.content_type.lower().partition("charset=")[2].strip('"')
    text = sent.body.decode(charset).encode() if "8859" in charset else sent.body
    root = etree.fromstring(text, parser)
    version = etree.QName(root).namespace
    payload = root.find(f"{{{version}}}Body")[0]
    digest = hashlib.sha256(forge.canonical(payload, forge.EXC, _listed(root))).hexdigest()
    said = root.findtext(f"{{{version}}}Header/{{{forge.WSA}}}MessageID")
    return {"digest": digest, "message_id": said or f"urn:sha256:{digest}"}


def _listed(root: etree._Element) -> str | None:
    """Return the PrefixList of the reference to Body: what it names belongs to the content that was signed."""
    for reference in root.iter(f"{{{forge.DS}}}Reference"):
        if reference.get("URI") == "#Body":
            return next((one.get("PrefixList") for one in reference.iter(f"{{{forge.EXC}}}InclusiveNamespaces")), None)
    return None


def _write(case: Case, sent: Sent) -> None:
    folder = FOLDER / case.folder
    folder.mkdir(parents=True)
    (folder / "README").write_text(f"{case.why}\n\n{MARK}\n", encoding="utf-8")
    (folder / "message.xml").write_bytes(sent.body)
    rows = {
        "content_type": _quoted(sent.content_type),
        "contract": _quoted(sent.contract),
        "peer": _quoted(peer_of(sent)),
        "at": NOW.isoformat().replace("+00:00", "Z"),
    }
    if case.code is None:
        rows |= {key: _quoted(value) for key, value in _facts(sent).items()}
    else:
        rows |= {"step": _quoted(case.code.step), "code": _quoted(case.code.name)}
    (folder / "expected.toml").write_text(
        "".join(f"{key} = {value}\n" for key, value in rows.items()), encoding="utf-8"
    )


def peer_of(sent: Sent) -> str:
    """Return the name of the TLS certificate at the other end, or `none`."""
    return sent.peer or f"{sent.contract.partition('/')[0]}-tls"


def main() -> None:
    _clear()
    shutil.rmtree(FOLDER / "pki", ignore_errors=True)
    made = authorities.with_bad_ones(NOW, life=LIFE)
    made.write(FOLDER, lists_until=authorities.FOREVER)
    peers = FOLDER / "pki" / "peers"
    peers.mkdir()
    for name, issued in made.credentials.items():
        if name.endswith("-tls"):
            (peers / f"{name}.pem").write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    scene = Scene(credentials=made.credentials)
    for case in CASES:
        if case.stored:
            sent = case.make(scene)
            _write(case, sent if isinstance(sent, Sent) else Sent(body=sent))


if __name__ == "__main__":
    main()

"""Verifies an evidence package: this file, `verify.py` and `receipt.py` beside it, and Python's standard library.

    python3 package.py --vkey KEY          run in the package's folder

It proves that every file is the one that the manifest names, that every leaf stands in the log of KEY where its proof
says, and that every record is the one that its leaf committed to when it was written (HMAC-SHA256 under the leaf's
salt). A receipt is proven to be signed by a certificate that lies in the package, and to name the very leaves; whose
that certificate is must be known from elsewhere. Exit code 0: all agrees; 1: the line says what does not; 2: wrong use.
"""

import argparse
import hmac
import json
import sys
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

MANIFEST = "manifest.sha256"


def package(folder: Path, vkey: str) -> int:
    """Verify a package, and return how many leaves it proves. Raises ValueError, which says what is wrong."""
    from verify import Log, must  # type: ignore[import-not-found]  # noqa: PLC0415  # it lies beside this file

    # 1. The files.
    manifest = (folder / MANIFEST).read_text(encoding="ascii")
    said = {name: digest for digest, name in (line.split("  ", 1) for line in manifest.splitlines())}
    files = {one.relative_to(folder).as_posix(): one for one in folder.rglob("*") if one.is_file()}
    files = {name: file for name, file in files.items() if name != MANIFEST and "__pycache__" not in name}
    must(hold=files.keys() == said.keys(), why="the manifest and the folder do not name the same files")
    for name, file in files.items():
        must(hold=sha256(file.read_bytes()).hexdigest() == said[name], why=f"{name} has been changed")
    # 2. The leaves, all under the package's one checkpoint.
    log, leaves = Log(vkey), json.loads((folder / "index.json").read_bytes())
    shared = (folder / "checkpoint").read_bytes()
    for one in leaves:
        entry = (folder / f"entries/{one['index']}.json").read_bytes()
        proof = (folder / f"proofs/{one['index']}.tlog-proof").read_bytes()
        log.proof(proof, entry)
        place = f"\nindex {one['index']}\n".encode()
        must(hold=place in proof and proof.endswith(shared), why=f"leaf {one['index']} has another leaf's proof")
        # 3. What they commit to.
        record = folder / f"records/{one['index']}.json"
        must(hold=record.exists() == (one["salt"] is not None), why=f"leaf {one['index']} has half a record")
        if record.exists():
            made = hmac.digest(b64decode(one["salt"], validate=True), record.read_bytes(), "sha256")
            committed = b64decode(json.loads(entry)["commitment"], validate=True)
            must(hold=hmac.compare_digest(made, committed), why=f"the record of leaf {one['index']} is another one")
    # 4. What was signed: files named by their hash are those, and the receipts tell of these leaves.
    for name, file in files.items():
        if name.startswith("certificates/") and file.suffix in {".der", ".crl"}:
            must(
                hold=file.stem == sha256(file.read_bytes()).hexdigest(),
                why=f"{name} is another file than its name says",
            )
        if name.startswith("originals/") and file.name == "receipt.xml":
            receipted(folder, file, [one for one in leaves if name.rpartition("/")[0] in one["originals"]])
    return len(leaves)


def receipted(folder: Path, file: Path, leaves: list[dict[str, str]]) -> None:
    """Verify a receipt, and that it names the leaves that tell of the same. Raises ValueError."""
    from receipt import receipt  # type: ignore[import-not-found]  # noqa: PLC0415  # as above
    from verify import must  # noqa: PLC0415  # as above

    certificate, named = receipt(file.read_bytes())
    signer = folder / f"certificates/{sha256(certificate).hexdigest()}.der"
    must(hold=signer.exists(), why=f"the certificate of {file.parent.name}/{file.name} is not in the package")
    for one in leaves:
        entry = (folder / f"entries/{one['index']}.json").read_bytes()
        leaf = sha256(b"\0" + entry).digest()
        must(hold=leaf in named, why=f"{file.parent.name}/{file.name} does not name leaf {one['index']}")


def main() -> str:
    """Verify the package that this file lies in; return what was proven."""
    parser = argparse.ArgumentParser(description="Verify the evidence package that this file lies in.")
    parser.add_argument("--vkey", required=True, help="the log's public key, from elsewhere than this package")
    return f"agrees: {package(Path(__file__).parent, parser.parse_args().vkey)} leaves"


if __name__ == "__main__":
    try:
        print(main())  # noqa: T201
    except (ValueError, KeyError, TypeError, OSError) as wrong:
        sys.exit(f"WRONG: {wrong}")

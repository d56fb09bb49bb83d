"""A package of evidence, ordered as an auditor orders one, and proven as whoever gets it does."""

import io
import json
import subprocess
import sys
import zipfile
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import wiring
from gateway.audit import checkpoint, evidence, naive_receipt, stamp
from gateway.audit.note import Key
from gateway.cli import main
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.config import Stamps, load
from gateway.message import PartnerId
from gateway.store import relied
from gateway.store.log import StoredLog
from gateway.store.place import Duty, SqlitePlace
from gateway.store.stamps import Due, StoredStamps
from gateway.trust import pki
from gateway.wiring import evidence as gathering
from gateway.wiring.unsealing import unsealing
from tests import authority
from tests.unit.cli.conftest import CONFIG

WHY = ("--purpose", "revision", "--case", "R-1")


@pytest.fixture(scope="session")
def key(original):
    origin = load(CONFIG).gateway.audit.origin
    return Key(origin, original.demo.checkpoint.public_key().public_bytes_raw())


def made(installation, out, *arguments, stdin: str | None = None):
    words = ["audit", "evidence", str(out), *arguments, *WHY, "--json", "--config", str(CONFIG)]
    return CliRunner().invoke(main, [*words, "--data", str(installation.data)], input=stdin)


def store(installation):
    return SqlitePlace(installation.data / "store").open()


def opened(path) -> dict[str, bytes]:
    if path.is_dir():
        files = (one for one in path.rglob("*") if one.is_file())
        return {one.relative_to(path).as_posix(): one.read_bytes() for one in files}
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as packed:
        return {name: packed.read(name) for name in packed.namelist() if not name.startswith(("META-INF/", "mimetype"))}


def proven(path, key) -> dict[str, bytes]:
    """Return what is in a package that both verifiers believe."""
    files = opened(path)
    assert evidence.verify(files, key) == len(json.loads(files["index.json"]))
    return files


@pytest.mark.parametrize("name", ["package", "package.zip", "package.asice"])
def test_a_message_is_proven_with_its_original_its_law_and_its_certificates(installation, key, tmp_path, name):
    result = made(installation, tmp_path / name, "--message-id", installation.message_id)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    files = proven(tmp_path / name, key)
    assert told["leaves"] == 3
    assert told["vkey"] == str(key)
    (original,) = {one for one in files if one.endswith("message.xml")}
    assert installation.message_id.encode() in files[original]
    facts = json.loads(files[original.replace("message.xml", "facts.json")])
    assert facts["leaves"] == [leaf.hex() for leaf in installation.leaves]
    (register,) = {one for one in files if one.startswith("law/")}
    assert register.removeprefix("law/").removesuffix(".tar.gz").encode() in files["entries/2.json"]
    assert sum(one.startswith("certificates/") and one.endswith(".der") for one in files) >= 2  # and whoever issued it
    assert PERSONNUMMER[0].encode() in files["records/2.json"]


def test_the_verifier_in_the_package_needs_nothing_of_ours(installation, key, tmp_path):
    assert made(installation, tmp_path / "p", "--message-id", installation.message_id).exit_code == 0

    def verified() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-E", "-s", "-S", "package.py", "--vkey", str(key)]
        return subprocess.run(words, cwd=tmp_path / "p", capture_output=True, text=True, check=False)

    assert verified().returncode == 0, verified().stderr
    record = tmp_path / "p" / "records" / "2.json"
    record.write_bytes(record.read_bytes() + b" ")
    assert verified().returncode == 1


def changed(installation, table: str, statement: str) -> None:
    """Do to the store what only whoever owns its file can."""
    session = store(installation)
    for verb in ("changed", "deleted"):
        session.execute(f"DROP TRIGGER {table}_{verb}_never")
    session.execute(statement)
    session.close()


def of(files, name: str) -> bytes:
    (found,) = (content for one, content in files.items() if one.endswith(name))
    return found


def test_our_receipt_is_in_the_package_byte_for_byte_as_it_was_signed(installation, key, tmp_path):
    assert made(installation, tmp_path / "p", "--message-id", installation.message_id).exit_code == 0
    files = proven(tmp_path / "p", key)
    envelope = of(files, "/receipt.xml")
    certificate, leaves = naive_receipt.receipt(envelope)
    assert certificate == installation.demo.receipt.der
    assert files[f"certificates/{sha256(certificate).hexdigest()}.der"] == certificate
    assert tuple(leaves) == installation.leaves
    assert installation.message_id.encode() in envelope
    assert "kvitto på" not in files["README.sv.md"].decode()  # nothing is missing of it


def test_a_receipt_that_was_lost_is_said_to_be_absent_and_what_it_said_is_unsigned(installation, key, tmp_path):
    changed(installation, "receipts", "DELETE FROM receipts")
    assert made(installation, tmp_path / "p", "--message-id", installation.message_id).exit_code == 0
    files = proven(tmp_path / "p", key)
    assert not any(one.endswith("/receipt.xml") for one in files)
    unsigned = of(files, "/receipt-unsigned.xml")
    assert b"Signature" not in unsigned
    assert b64encode(installation.leaves[0]) in unsigned
    assert "Vårt kvitto på message-1 är inte sparat med sin signatur" in files["README.sv.md"].decode()


@pytest.mark.parametrize("column", ["at = '2026-11-27T00:00:00.000000Z'", "signature = zeroblob(64)"])
def test_a_kept_signature_that_is_not_of_this_receipt_is_not_shown_as_one(installation, key, tmp_path, column):
    changed(installation, "receipts", f"UPDATE receipts SET {column}")  # noqa: S608
    assert made(installation, tmp_path / "p", "--message-id", installation.message_id).exit_code == 0
    files = proven(tmp_path / "p", key)
    assert not any(one.endswith("/receipt.xml") for one in files)
    assert "är inte det som signerades" in files["README.sv.md"].decode()


def test_a_certificate_of_ours_that_is_gone_is_an_alarm_and_no_package(installation, tmp_path):
    changed(installation, "trust_files", "DELETE FROM trust_files WHERE kind = 'certificate'")
    result = made(installation, tmp_path / "p", "--message-id", installation.message_id)
    assert result.exit_code != 0
    assert not (tmp_path / "p").exists()


def test_the_revocation_lists_of_that_day_are_in_the_package_and_are_their_issuers(installation, key, tmp_path):
    assert made(installation, tmp_path / "p", "--message-id", installation.message_id).exit_code == 0
    files = proven(tmp_path / "p", key)
    lists = [x509.load_der_x509_crl(content) for one, content in files.items() if one.endswith(".crl")]
    issuers = {
        one.certificate.subject: one.certificate
        for one in (installation.demo.agencies_root, installation.demo.agencies)
    }
    assert {one.issuer for one in lists} == issuers.keys()
    assert all(one.is_signature_valid(issuers[one.issuer].public_key()) for one in lists)
    assert "spärrlist" not in missing(files)


def missing(files) -> str:
    words = files["README.sv.md"].decode()
    return words[words.index("## Vad som saknas här") : words.index("## Vad paketet inte bevisar")]


def test_lists_that_came_later_are_not_those_of_that_day(installation, key, tmp_path):
    configuration = load(CONFIG, data=installation.data)
    later = pki.crl(installation.demo.agencies, now=datetime.now(UTC) + timedelta(hours=1))
    newer = x509.load_pem_x509_crl(later).public_bytes(Encoding.DER)
    where = wiring.place(configuration, Duty.FRONT)
    relied.keep(where, datetime.now(UTC) + timedelta(hours=1), {PartnerId("skatteverket"): [newer]})
    assert made(installation, tmp_path / "p", "--message-id", installation.message_id).exit_code == 0
    files = proven(tmp_path / "p", key)
    assert f"certificates/{sha256(newer).hexdigest()}.crl" not in files
    assert sum(one.endswith(".crl") for one in files) == 2


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM trust_reads", "sparades inte då"),
        ("UPDATE trust_reads SET lists = ''", "fanns inga spärrlistor konfigurerade"),
        (
            "UPDATE trust_reads SET lists = substr(lists, 1, 64) WHERE partner = 'skatteverket'",
            "Ingen spärrlista från utfärdaren",
        ),
    ],
)
def test_where_no_list_was_judged_by_the_package_says_which_way(installation, key, tmp_path, statement, words):
    changed(installation, "trust_reads", statement)
    assert made(installation, tmp_path / "p", "--message-id", installation.message_id).exit_code == 0
    assert words in missing(proven(tmp_path / "p", key))


def test_the_verifier_in_the_package_holds_receipts_and_certificates_to_their_names(installation, key, tmp_path):
    assert made(installation, tmp_path / "p", "--leaves", "0-4").exit_code == 0
    whole = opened(tmp_path / "p")
    ours = f"certificates/{sha256(installation.demo.receipt.der).hexdigest()}.der"
    (crl, *_) = (one for one in whole if one.endswith(".crl"))
    (name,) = (one for one in whole if one.endswith("/receipt.xml"))
    leaf = b64encode(installation.leaves[1])
    for told, tampered in (
        ("changed", {**whole, name: whole[name].replace(leaf, b64encode(bytes(32)))}),
        ("not in the package", {one: content for one, content in whole.items() if one != ours}),
        ("another file than its name", {**whole, ours: whole[ours] + b" "}),
        ("another file than its name", {**whole, crl: whole[crl] + b" "}),
        ("does not name leaf", with_another_leaf(whole, name)),
    ):
        folder = tmp_path / f"t{len(list(tmp_path.iterdir()))}"
        written(folder, tampered)
        words = [sys.executable, "-E", "-s", "-S", "package.py", "--vkey", str(key)]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert (done.returncode, told in done.stderr) == (1, True), done.stderr


def with_another_leaf(files, name: str) -> dict[str, bytes]:
    """Say that a leaf tells of the message, which the receipt does not name."""
    first, *rest = json.loads(files["index.json"])
    first["originals"] = [name.rpartition("/")[0]]
    return {**files, "index.json": json.dumps([first, *rest]).encode()}


def written(folder, files) -> None:
    rest = {name: data for name, data in files.items() if name != evidence.MANIFEST}
    lines = "".join(f"{sha256(rest[name]).hexdigest()}  {name}\n" for name in sorted(rest))
    for name, content in {**rest, evidence.MANIFEST: lines.encode()}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_leaves_are_packed_under_a_checkpoint_that_an_authority_has_stamped(installation, key, tmp_path):
    one = authority.Authority.make(tmp_path / "tsa")
    configuration = load(CONFIG, data=installation.data)
    stamps = Stamps(authority="http://localhost", anchors=one.anchors)
    audit = configuration.gateway.audit.model_copy(update={"stamps": stamps})
    gateway = configuration.gateway.model_copy(update={"audit": audit})
    configuration = configuration.model_copy(update={"gateway": gateway})
    session = wiring.place(configuration, Duty.INTEGRATOR).open()
    with session.reading():
        signed = StoredLog(session).last()
    asking = stamp.request(signed.note)
    answer = one.reply(asking.body)
    found = stamp.verify(answer, signed.note, stamp.anchors(one.anchors.read_bytes()), nonce=asking.nonce)
    due = Due(day=datetime.now(UTC).date(), checkpoint=signed)
    StoredStamps(session, configuration.gateway.audit.origin).add(due, found, answer, found.time)
    session.close()
    asked = gathering.Asked(words="test", leaves=[2, 3], originals=True, by="test", at=datetime.now(UTC))
    with unsealing(configuration) as (views, opener):
        package = gathering.package(configuration, asked, views, opener, key)
    files = evidence.files(package)
    assert evidence.verify(files, key) == 2
    assert checkpoint.verify(files["checkpoint"], key).size == signed.size
    token, note = (of(files, ending) for ending in (".tsr", ".checkpoint"))
    assert files["checkpoint"].startswith(note)
    assert files["stamps/anchors.pem"] == one.anchors.read_bytes()
    assert "Verification: OK" in authority.verified_by_openssl(one, note, token)
    assert "tidsstämpel" not in missing(files)


def test_a_person_is_given_by_a_file_and_gets_no_one_elses_records(installation, key, tmp_path):
    result = made(installation, tmp_path / "p", "--person", "-", stdin=PERSONNUMMER[1])
    assert result.exit_code == 0, result.output
    files = proven(tmp_path / "p", key)
    records = b"".join(content for name, content in files.items() if name.startswith("records/"))
    assert PERSONNUMMER[1].encode() in records
    assert not any(
        number.encode() in content for number in (PERSONNUMMER[0], PERSONNUMMER[2]) for content in files.values()
    )
    assert not any(name.startswith("originals/") for name in files)
    assert PERSONNUMMER[1] not in result.output


def test_originals_come_with_a_person_only_where_they_are_asked_for(installation, key, tmp_path):
    result = made(installation, tmp_path / "p", "--person", "-", "--originals", stdin=PERSONNUMMER[1])
    assert result.exit_code == 0
    assert any(name.endswith("message.xml") for name in proven(tmp_path / "p", key))


def test_leaves_of_every_kind_are_opened(installation, key, tmp_path):
    assert made(installation, tmp_path / "p", "--leaves", "0-5").exit_code == 0
    files = proven(tmp_path / "p", key)
    kinds = [one["kind"] for one in json.loads(files["index.json"])]
    assert sorted(set(kinds)) == ["decision", "declaration", "refusal", "register"]
    assert all(one["salt"] for one in json.loads(files["index.json"]))
    assert all(f"records/{n}.json" in files for n in range(6))


def test_what_is_destroyed_is_said_and_its_leaf_still_proven(installation, key, tmp_path):
    store(installation).execute("DELETE FROM evidence")
    result = made(installation, tmp_path / "p", "--message-id", installation.message_id)
    assert result.exit_code == 0, result.output
    files = proven(tmp_path / "p", key)
    assert {one["record"] for one in json.loads(files["index.json"])} == {"gallrad"}
    assert "3 av löven är gallrade" in files["README.sv.md"].decode()


def test_the_reading_is_written_down_before_anything_is_opened(installation, tmp_path):
    def readings() -> int:
        return store(installation).execute("SELECT count(*) FROM reading_leaves").fetchone()[0]

    before = readings()
    (installation.data / "keys" / "checkpoint.key").unlink()  # the package cannot be made any more
    assert made(installation, tmp_path / "p", "--message-id", installation.message_id).exit_code != 0
    assert readings() == before + 1
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "arguments",
    [(), ("--message-id", "a", "--leaves", "1"), ("--leaves", "3-1"), ("--leaves", "x"), ("--leaves", "-1")],
)
def test_one_thing_is_asked_for(original, tmp_path, arguments):
    assert made(original, tmp_path / "p", *arguments).exit_code == 2
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "arguments", [("--message-id", "urn:uuid:none"), ("--leaves", "900-901"), ("--of-case", "A-9")]
)
def test_what_the_log_does_not_have_is_no_package(installation, tmp_path, arguments):
    assert made(installation, tmp_path / "p", *arguments).exit_code == 1
    assert not (tmp_path / "p").exists()


def test_nothing_is_written_over(installation, tmp_path):
    (tmp_path / "p").write_text("mine")
    assert made(installation, tmp_path / "p", "--message-id", installation.message_id).exit_code == 2
    assert (tmp_path / "p").read_text() == "mine"


def test_what_is_written_is_the_readers_alone(installation, tmp_path):
    assert made(installation, tmp_path / "p.zip", "--message-id", installation.message_id).exit_code == 0
    assert (tmp_path / "p.zip").stat().st_mode & 0o077 == 0


def test_of_a_message_whose_records_are_destroyed_one_by_one_the_others_are_still_shown(installation, key, tmp_path):
    session = store(installation)
    session.execute("PRAGMA foreign_keys=OFF")
    session.execute("UPDATE evidence SET sealed = x''")
    session.execute("DELETE FROM records WHERE position = 3")
    assert made(installation, tmp_path / "p", "--message-id", installation.message_id).exit_code == 5  # by no rule
    session.execute("INSERT INTO gallrade (data, first, last, gallring) VALUES ('evidence', 1, 1, 1)")
    session.close()
    result = made(installation, tmp_path / "p", "--message-id", installation.message_id)
    assert result.exit_code == 0, result.output
    files = proven(tmp_path / "p", key)
    records = [one["record"] for one in json.loads(files["index.json"])]
    assert records == ["records/2.json", "gallrad", "records/4.json"]

"""A package of evidence, ordered as an auditor orders one, and proven as whoever gets it does."""

import io
import json
import subprocess
import sys
import zipfile

import pytest
from click.testing import CliRunner

from gateway.audit import evidence
from gateway.audit.note import Key
from gateway.cli import main
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.config import load
from gateway.store.place import SqlitePlace
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

import json
from base64 import b64encode

import pytest
from click.testing import CliRunner

from gateway import wiring
from gateway.audit.note import Key
from gateway.cli import main
from gateway.config import load
from gateway.outbound.states import Happening
from gateway.sqlite import File
from gateway.store.dispatches import StoredDispatches
from gateway.store.integrator import Integrator
from gateway.store.place import SqlitePlace
from tests import steps
from tests.unit.cli.conftest import CONFIG

DISPATCH = "urn:uuid:00000000-0000-5000-8000-000000000000"


@pytest.fixture
def vkey(original):
    origin = load(CONFIG).gateway.audit.origin
    return str(Key(origin, original.demo.checkpoint.public_key().public_bytes_raw()))


def test_a_whole_log_is_verified(original, vkey):
    result = original.run("audit", "verify", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["size"] == 6  # the register and the queues that it went by, three records, one refusal
    assert found["pending"] == 0
    assert found["vkey"] == vkey
    assert len(found["root"]) == 44


def test_a_log_is_verified_with_the_public_key_alone(installation, vkey):
    (installation.data / "keys" / "checkpoint.key").unlink()
    result = installation.run("audit", "verify", "--vkey", vkey)
    assert result.exit_code == 0
    assert "agrees with itself" in result.stdout


def test_another_log_s_key_verifies_nothing(installation):
    other = str(Key("another.example/log", b"\x01" * 32))
    assert installation.run("audit", "verify", "--vkey", other).exit_code == 5
    assert installation.run("audit", "verify", "--vkey", "nonsense").exit_code == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leaves SET entry = X'7b7d' WHERE position = 1",
        "DELETE FROM leaves WHERE position = 3",
        "UPDATE tiles SET hashes = zeroblob(length(hashes))",
        "UPDATE checkpoints SET note = CAST(replace(note, 'utbyte', 'utbytt') AS BLOB) WHERE size > 0",
        "DELETE FROM refusals",
        "UPDATE messages SET leaf_count = 2",
    ],
    ids=["entry", "last leaf", "tiles", "checkpoint", "refusals", "messages"],
)
def test_whatever_is_changed_in_the_log_is_found_and_exits_5(installation, statement):
    file = File(installation.data / "store" / "gateway.db")
    file.connection.execute("PRAGMA foreign_keys=OFF")
    for (trigger,) in file.connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        file.connection.execute(f"DROP TRIGGER {trigger}")
    file.connection.execute(statement)
    file.close()
    result = installation.run("audit", "verify", "--json")
    assert result.exit_code == 5, result.stdout
    assert json.loads(result.stdout)["error"]["code"] == "GW-INTEGRITY"


def test_a_store_older_than_its_anchor_exits_5(installation):
    (installation.data / "store" / "gateway.checkpoint").unlink()
    result = installation.run("audit", "verify")
    assert result.exit_code == 5
    assert "gateway.checkpoint" in result.stderr


@pytest.mark.parametrize("written", [bytes.hex, lambda leaf: b64encode(leaf).decode()], ids=["hex", "base64"])
def test_a_leaf_of_a_receipt_is_proven_and_the_proof_verified_without_the_store(original, vkey, tmp_path, written):
    leaf = written(original.leaves[1])
    result = original.run("audit", "proof", leaf)
    assert result.exit_code == 0
    assert result.stdout.startswith("c2sp.org/tlog-proof@v1\nindex 3\n")
    file = tmp_path / "leaf.tlog-proof"
    file.write_bytes(result.stdout_bytes)

    offline = ["audit", "verify", "--proof", str(file), "--vkey", vkey, "--json"]
    result = CliRunner().invoke(main, [*offline, "--leaf", leaf, "--config", "no-such-file"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["index"] == 3

    for other in (original.leaves[0], b"\0" * 32):
        assert CliRunner().invoke(main, [*offline, "--leaf", written(other)]).exit_code == 5


def test_a_changed_proof_proves_nothing(original, vkey, tmp_path):
    text = original.run("audit", "proof", original.leaves[0].hex()).stdout
    for number, changed in enumerate((text.replace("index 2", "index 3"), text[:-10], "", "\n\n")):
        file = tmp_path / f"{number}.tlog-proof"
        file.write_text(changed, encoding="utf-8")
        result = CliRunner().invoke(
            main, ["audit", "verify", "--proof", str(file), "--vkey", vkey, "--leaf", original.leaves[0].hex()]
        )
        assert result.exit_code == 5


def test_every_leaf_of_a_message_is_proven_by_its_message_id(original):
    result = original.run("audit", "proof", "--message-id", original.message_id, "--json")
    assert result.exit_code == 0
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["leaf"] for line in found] == [leaf.hex() for leaf in original.leaves]
    assert [line["index"] for line in found] == [2, 3, 4]


def test_every_leaf_of_a_dispatch_is_proven(installation, vkey, tmp_path):
    place = SqlitePlace(installation.data / "store")
    dispatches = StoredDispatches(place, clock=wiring.SystemClock())
    made = steps.parts(steps.command())
    dispatches.take(*made)
    (queued,) = made[1]
    assert installation.run("audit", "proof", "--dispatch", queued.dispatch).exit_code == 1
    for happening in (Happening.COMPOSE, Happening.BEGIN, Happening.ANSWER):
        assert dispatches.write(steps.step(dispatches.get(queued.dispatch), happening))
    dispatches.close()
    assert installation.run("audit", "proof", "--dispatch", queued.dispatch, "--json").exit_code == 4
    integrate(installation)
    reference = queued.dispatch.rpartition(":")[2].replace("-", "")
    result = installation.run("audit", "proof", "--dispatch", reference, "--json")
    assert result.exit_code == 0, result.stderr
    proofs = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["index"] for one in proofs] == [6, 7, 8, 9]
    for one in proofs:
        (tmp_path / "one").write_text(one["proof"])
        offline = ["audit", "verify", "--proof", str(tmp_path / "one"), "--vkey", vkey, "--leaf", one["leaf"]]
        assert CliRunner().invoke(main, offline).exit_code == 0
    assert installation.run("audit", "verify").exit_code == 0
    assert installation.run("audit", "proof", "--dispatch", queued.dispatch).exit_code == 2


def integrate(installation) -> None:
    configuration = load(CONFIG, data=installation.data)
    signer = wiring.checkpoint_signer(configuration)
    place = wiring.place(configuration, wiring.Duty.INTEGRATOR)
    one = Integrator(place, signer=signer, clock=wiring.SystemClock(), holder="test")
    one.step()
    one.stop()


def test_several_proofs_are_never_written_as_one_file(original):
    result = original.run("audit", "proof", "--message-id", original.message_id)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert original.leaves[2].hex() in result.stderr.replace("\n", "")


def test_what_the_log_does_not_have_exits_1(original):
    assert original.run("audit", "proof", "ab" * 32).exit_code == 1
    assert original.run("audit", "proof", "--message-id", "urn:uuid:none").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["proof"],
        ["proof", "xyz"],
        ["proof", "ab"],
        ["proof", "ab" * 32, "--message-id", "x"],
        ["proof", "--dispatch", "x"],
        ["proof", "--message-id", "x", "--dispatch", DISPATCH],
    ],
    ids=["nothing", "no hash", "short", "both", "no id", "two things"],
)
def test_wrong_use_exits_2(original, arguments):
    assert original.run("audit", *arguments).exit_code == 2


def test_a_proof_without_leaf_and_key_is_wrong_use(original, vkey, tmp_path):
    file = tmp_path / "x.tlog-proof"
    file.write_bytes(b"x")
    for options in ([], ["--vkey", vkey], ["--leaf", "ab" * 32], ["--vkey", "nonsense", "--leaf", "ab" * 32]):
        assert original.run("audit", "verify", "--proof", str(file), *options).exit_code == 2

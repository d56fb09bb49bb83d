"""`gateway audit export`, and `verify` of what it wrote: by a program that has neither store nor configuration."""

import http.server
import json
import subprocess
import sys
import threading
from functools import partial

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import cosignature
from gateway.audit.note import Key
from gateway.cli import exported, main
from gateway.config import load
from gateway.errors import ConfigError, IntegrityError, UnavailableError
from tests import mirrors
from tests.unit.cli.conftest import CONFIG

SEALED = ("gateway.store", "gateway.config", "gateway.wiring", "gateway.sqlite", "gateway.postgresql", "gateway.trust")
DRIVERS = ("sqlalchemy", "pysqlite3", "sqlite3", "psycopg", "pydantic", "lxml", "uvicorn", "pika")


@pytest.fixture
def vkey(original):
    origin = load(CONFIG).gateway.audit.origin
    return str(Key(origin, original.demo.checkpoint.public_key().public_bytes_raw()))


def offline(*arguments: object):
    """The command without configuration and data: they are not even there."""
    env = {"GATEWAY_CONFIG": "/nonexistent/gateway.toml", "GATEWAY_DATA": "/nonexistent"}
    return CliRunner().invoke(main, ["audit", "verify", *map(str, arguments)], env=env)


def export(installation, folder) -> dict[str, object]:
    result = installation.run("audit", "export", str(folder), "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_an_export_is_verified_without_the_store(installation, vkey, tmp_path):
    made = export(installation, tmp_path / "out")
    assert (made["before"], made["size"], made["vkey"]) == (0, 6, vkey)
    result = offline(tmp_path / "out", "--vkey", vkey, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["size"], found["root"]) == (6, made["root"])
    assert export(installation, tmp_path / "out")["files"] == 0


def test_proofs_and_earlier_checkpoints_are_verified_against_an_export(installation, vkey, tmp_path):
    export(installation, tmp_path / "out")
    proof = installation.run("audit", "proof", installation.leaves[0].hex()).stdout
    (tmp_path / "a.tlog-proof").write_text(proof)
    more = ("--proof", tmp_path / "a.tlog-proof", "--earlier", tmp_path / "out" / "checkpoint")
    result = offline(tmp_path / "out", "--vkey", vkey, *more, "--json")
    assert result.exit_code == 0, result.stderr
    assert [json.loads(result.stdout)[name] for name in ("earlier", "proofs")] == [1, 1]
    (tmp_path / "a.tlog-proof").write_text(proof.replace("\nindex 2\n", "\nindex 3\n"))
    assert offline(tmp_path / "out", "--vkey", vkey, *more).exit_code == 5


def test_a_proof_is_verified_with_the_very_entry(installation, vkey, tmp_path):
    export(installation, tmp_path / "out")
    (tmp_path / "a.tlog-proof").write_text(installation.run("audit", "proof", installation.leaves[0].hex()).stdout)
    entries = exported.static.tiles.unbundle((tmp_path / "out" / "tile" / "entries" / "000.p" / "6").read_bytes())
    verdicts = []
    for entry in entries:
        (tmp_path / "entry").write_bytes(entry)
        more = ("--proof", tmp_path / "a.tlog-proof", "--entry", tmp_path / "entry")
        verdicts.append(offline("--vkey", vkey, *more).exit_code)
    assert sorted(verdicts) == [0, 5, 5, 5, 5, 5]
    assert verdicts[2] == 0  # the first record's, after the register and the queues


@pytest.mark.parametrize("bad", mirrors.BAD[:4], ids=lambda bad: bad.name)
def test_what_is_wrong_is_named_and_the_exit_code_is_5(tmp_path, bad):
    bad.do(mirrors.write(tmp_path / "log", mirrors.GOOD))
    result = offline(tmp_path / "log", "--vkey", mirrors.KEY)
    assert result.exit_code == 5
    assert bad.named.strip("^$") in result.stderr.replace("\n", " ")


WITNESSES = [
    cosignature.Signer(f"w{n}.example", Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (1, 2, 3)
]
MEMBERS = "".join(f"witness w{n} {one.key}\n" for n, one in enumerate(WITNESSES, start=1))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (f"{MEMBERS}group g 2 w1 w2 w3\nquorum g\n", 0),
        (f"log {mirrors.KEY}\n{MEMBERS}group g 2 w1 w2 w3\nquorum g\n", 0),
        (f"{MEMBERS}group g all w1 w2 w3\nquorum g\n", 5),
        (f"{MEMBERS}quorum w3\n", 5),
        (f"log {mirrors.OTHER.key}\n{MEMBERS}quorum none\n", 5),
        (f"{MEMBERS}quorum none\n", 0),
        (f"{MEMBERS}", 2),
    ],
)
def test_an_export_is_held_to_a_policy_of_witnesses(tmp_path, policy, expected):
    log = mirrors.write(tmp_path / "log", mirrors.GOOD)
    text = (log / "checkpoint").read_text().partition("\n\n")[0] + "\n"
    with (log / "checkpoint").open("a") as file:
        file.writelines(one.cosign(text, 1_790_000_000) for one in WITNESSES[:2])
    (tmp_path / "policy").write_text(policy)
    result = offline(log, "--vkey", mirrors.KEY, "--policy", tmp_path / "policy", "--json")
    assert result.exit_code == expected, result.stderr
    if expected == 0:
        assert json.loads(result.stdout)["cosigned"] == ["w1", "w2"]


def test_a_cosignature_that_is_not_the_witnesses_own_is_caught(tmp_path):
    log = mirrors.write(tmp_path / "log", mirrors.GOOD)
    with (log / "checkpoint").open("a") as file:
        file.write(WITNESSES[0].cosign("another text\n", 1_790_000_000))
    (tmp_path / "policy").write_text(f"{MEMBERS}quorum none\n")
    assert offline(log, "--vkey", mirrors.KEY, "--policy", tmp_path / "policy").exit_code == 5
    assert offline(log, "--vkey", mirrors.KEY).exit_code == 0


def test_the_log_of_readings_is_exported_and_verified_as_the_audit_log_is(installation, tmp_path):
    result = installation.run("audit", "readings", "export", str(tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.stderr
    made = json.loads(result.stdout)
    assert made["origin"] == f"{load(CONFIG).gateway.audit.origin}/readings"
    found = json.loads(offline(tmp_path / "out", "--vkey", made["vkey"], "--json").stdout)
    assert (found["size"], found["root"]) == (made["size"], made["root"])
    assert installation.run("audit", "export", str(tmp_path / "out")).exit_code == 5  # another log's folder


def test_it_says_what_it_needs(tmp_path):
    for arguments in (
        (tmp_path,),
        (tmp_path, "--vkey", mirrors.KEY, "--leaf", "00" * 32),
        (tmp_path, "--vkey", "nonsense"),
        ("--earlier", CONFIG),
        ("--policy", CONFIG),
        ("--proof", CONFIG, "--vkey", mirrors.KEY),
        ("--proof", CONFIG, "--proof", CONFIG, "--vkey", mirrors.KEY, "--leaf", "00" * 32),
        ("--proof", CONFIG, "--entry", CONFIG, "--leaf", "00" * 32, "--vkey", mirrors.KEY),
    ):
        assert offline(*arguments).exit_code == 2, arguments
    for where in (tmp_path / "nowhere", "ftp://x", "http://", "https://a:b/", "http://u@h/", "http://h/?q"):
        assert offline(where, "--vkey", mirrors.KEY).exit_code == 3, where
    assert offline("https://h", "--vkey", mirrors.KEY, "--authority", CONFIG).exit_code == 3
    assert offline(tmp_path, "--vkey", mirrors.KEY).exit_code == 5  # a folder, and no log


def test_a_folder_that_is_not_ours_is_not_exported_to(installation, tmp_path):
    (tmp_path / "letter").write_text("dear")
    assert installation.run("audit", "export", str(tmp_path)).exit_code == 3


def test_an_export_of_another_log_is_not_gone_on_with(installation, tmp_path):
    mirrors.write(tmp_path / "out", mirrors.GOOD)
    assert installation.run("audit", "export", str(tmp_path / "out")).exit_code == 5


def test_offline_verification_imports_no_store_no_configuration_and_no_driver(tmp_path):
    mirrors.write(tmp_path / "log", mirrors.GOOD)
    (tmp_path / "a").write_bytes(mirrors.signed(mirrors.GOOD, 300))
    program = (
        "import sys\nfrom gateway.cli import main\n"
        "try:\n    main(sys.argv[1:], prog_name='gateway')\nexcept SystemExit as end:\n    code = end.code\n"
        "print(*sorted(sys.modules), sep='\\n', file=sys.stderr)\nsys.exit(code)\n"
    )
    arguments = ["audit", "verify", str(tmp_path / "log"), "--vkey", str(mirrors.KEY), "--earlier", str(tmp_path / "a")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, "agrees with itself" in done.stdout) == (0, True), done.stderr
    modules = set(done.stderr.split())
    assert "gateway.audit.static" in modules
    assert not {name for name in modules if name.startswith(SEALED) or name.partition(".")[0] in DRIVERS}


class Mirror(http.server.SimpleHTTPRequestHandler):
    """A web server that hands on a folder, and keeps connections as one does."""

    protocol_version = "HTTP/1.1"
    status = 0

    def do_GET(self) -> None:
        if self.status:
            self.send_error(self.status)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path):
    mirrors.write(tmp_path / "www" / "audit", mirrors.GOOD)
    kind = type("One", (Mirror,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(tmp_path / "www"))) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", tmp_path / "www" / "audit", kind
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/audit", "/audit/"])
def test_a_mirror_is_verified_by_its_address(mirror, path):
    result = offline(mirror[0] + path, "--vkey", mirrors.KEY, "--json")
    assert (result.exit_code, json.loads(result.stdout)["size"]) == (0, 600), result.stderr


def test_what_a_mirror_lacks_or_has_changed_is_named(mirror):
    address, folder, _ = mirror
    mirrors._flipped("tile/0/001", 3)(folder)
    result = offline(f"{address}/audit", "--vkey", mirrors.KEY)
    assert (result.exit_code, "tile 0/1 does not hold the hash of leaf 256" in result.stderr) == (5, True)
    (folder / "tile/0/001").unlink()
    assert "tile/0/001 is not there" in offline(f"{address}/audit", "--vkey", mirrors.KEY).stderr


@pytest.mark.parametrize("status", [301, 403, 500, 503])
def test_a_mirror_that_does_not_answer_is_asked_again_later(mirror, status):
    address, _, kind = mirror
    kind.status = status
    result = offline(f"{address}/audit", "--vkey", mirrors.KEY)
    assert (result.exit_code, f"answers checkpoint with {status}" in result.stderr) == (4, True)


def test_a_mirror_that_is_not_there_is_asked_again_later(mirror):
    with exported.reading("http://127.0.0.1:1/audit", exported.Line()) as read, pytest.raises(UnavailableError):
        read("checkpoint")


def test_a_connection_that_the_mirror_closed_is_made_anew(mirror):
    address = exported.Address(f"{mirror[0]}/audit", exported.Line())
    assert address.read("checkpoint")
    assert address._line.sock is not None
    address._line.sock.shutdown(2)
    assert address.read("checkpoint")
    address.close()


def test_a_file_larger_than_any_of_a_log_is_not_taken(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(exported, "LARGEST", 1000)
    with pytest.raises(IntegrityError, match="larger than any file of a log"):
        exported.folder(mirror[1])("tile/0/000")
    with exported.reading(f"{mirror[0]}/audit", exported.Line()) as read:
        with pytest.raises(IntegrityError, match="larger than any file of a log"):
            read("tile/0/000")
        assert read("checkpoint")


def test_a_key_without_its_certificate_is_a_wrong_configuration(tmp_path):
    (tmp_path / "no.pem").write_text("no")
    line = exported.Line(certificate=tmp_path / "no.pem", key=tmp_path / "no.pem")
    with pytest.raises(ConfigError):
        line.context()

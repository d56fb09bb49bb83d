"""A package of evidence is the same whichever database it came from."""

from __future__ import annotations

import shutil

import pytest

from tests.unit.cli import conftest as cli
from tests.unit.cli import test_evidence as evidence

pytestmark = pytest.mark.services
demo, calendar, declaration, signed, untouched = cli.demo, cli.calendar, cli.declaration, cli.signed, cli.untouched
original, installation, key = cli.original, cli.installation, evidence.key


def test_on_a_server_the_archivist_s_own_role_packs_what_the_file_did(installation, key, tmp_path, database):
    assert evidence.made(installation, tmp_path / "file", "--message-id", installation.message_id).exit_code == 0
    shutil.copy(database.passfile, installation.data / "pgpass")
    (installation.data / "pgpass").chmod(0o600)
    settings = f'[postgresql]\ndsn = "{database.dsn}"\npassfile = "pgpass"\n'
    (installation.data / "services.toml").write_text(settings)
    copied = installation.run("store", "copy", "--json")
    assert copied.exit_code == 0, copied.output
    result = evidence.made(installation, tmp_path / "server", "--message-id", installation.message_id)
    assert result.exit_code == 0, result.output
    before, after = (evidence.proven(tmp_path / name, key) for name in ("file", "server"))
    timed = {"README.sv.md", "rapport.html", "manifest.sha256"}
    assert before.keys() == after.keys()
    assert {one: before[one] for one in before.keys() - timed} == {one: after[one] for one in after.keys() - timed}
    assert any(one.endswith("/receipt.xml") for one in after)
    assert any(one.endswith(".crl") for one in after)

"""The log on PostgreSQL: the front publishes it, the auditor exports it, nobody needs more than that."""

from __future__ import annotations

import pytest

from gateway.audit import naive, static
from gateway.cli import exported
from gateway.errors import IntegrityError, UnavailableError
from gateway.store import export
from gateway.store.place import Duty
from gateway.store.published import Published
from tests import builders

pytestmark = pytest.mark.services
KEY = builders.signer().key


@pytest.fixture
def grown(stored):
    clock = builders.Clock()
    journal = builders.journal(stored.acting(Duty.FRONT), clock)
    for n in range(3):
        journal.accept(builders.ready(f"urn:uuid:{n}", records=200)).result()
        builders.integrate(stored.acting(Duty.INTEGRATOR), clock)
    journal.close()
    return stored


def test_the_front_publishes_what_verifies(grown):
    published = Published(grown.acting(Duty.FRONT))
    assert static.verify(published.read, KEY).checkpoint.size == 600
    assert published.read("tile/0/002.p/89") is None
    published.close()


def test_the_auditor_exports_what_both_verifiers_and_the_front_agree_on(grown, tmp_path):
    auditor = grown.acting(Duty.AUDITOR)
    made = export.export(auditor, tmp_path / "out", KEY, step=250)
    assert (made.before, made.checkpoint.size) == (0, 600)
    assert static.verify(exported.folder(tmp_path / "out"), KEY).checkpoint.size == 600
    assert naive.Log(str(KEY)).files(tmp_path / "out") == 600
    published = Published(grown.acting(Duty.FRONT))
    for path in ("checkpoint", "tile/0/001", "tile/entries/002.p/88", "tile/1/000.p/2"):
        assert published.read(path) == (tmp_path / "out" / path).read_bytes()
    published.close()
    assert export.export(auditor, tmp_path / "out", KEY).files == 0


def test_a_log_that_was_changed_under_the_auditor_is_not_exported(grown, tmp_path):
    session = grown.open()
    for statement in (
        "ALTER TABLE leaves DISABLE TRIGGER USER",
        "UPDATE leaves SET entry = 'changed' WHERE position = 300",
    ):
        session.execute(statement)
    session.close()
    with pytest.raises(IntegrityError, match="leaf 300 does not have its entry's hash"):
        export.export(grown.acting(Duty.AUDITOR), tmp_path / "out", KEY)
    published = Published(grown.acting(Duty.FRONT))
    with pytest.raises(IntegrityError, match="leaf 300"):
        published.read("tile/entries/001")
    published.close()


@pytest.mark.parametrize("duty", [Duty.RELAY, Duty.DISPATCHER, Duty.REVIEWER, Duty.RELEASER])
def test_who_has_no_business_with_the_log_cannot_export_it(grown, tmp_path, duty):
    with pytest.raises(UnavailableError):
        export.export(grown.acting(duty), tmp_path / "out", KEY)

"""Alive while the loop turns; ready only when messages can be accepted and proven."""

import fcntl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from gateway.cli.demo.ledger import GOVERNING
from gateway.store.place import SqlitePlace
from gateway.trust import pki
from gateway.wiring import intake
from tests import builders
from tests.integration import stage as stages
from tests.integration.installation import until


def ready(stand):
    with stand.stage.session() as session:
        answer = session.get(f"{stand.server.origin}/health/ready")
        return answer.status_code, answer.json()


@pytest.fixture
def own(tmp_path):
    return stages.make(tmp_path)


def test_a_healthy_gateway_is_live_and_ready(stand):
    with stand.stage.session() as session:
        live = session.get(f"{stand.server.origin}/health/live")
    assert (live.status_code, live.json()) == (200, {"live": True})
    checks = {"journal": True, "log": True, "readings": True, "revocation": True, "partitions": True}
    assert ready(stand) == (200, {"ready": True, "checks": checks, "draining": False})


def test_a_revocation_list_that_has_run_out_makes_it_not_ready(own):
    ca = own.demo.organisations
    old = datetime.now(UTC) - timedelta(days=60)
    (own.data / "pki" / "organisations.crl").write_bytes(pki.crl(ca, now=old))
    with own.running() as stand:
        status, state = ready(stand)
    assert status == 503
    assert [name for name, well in state["checks"].items() if not well] == ["revocation"]


def test_a_log_behind_its_merge_delay_makes_it_not_ready(own):
    anchor = own.configuration.gateway.store.path / "gateway.checkpoint"
    with own.running():  # the first start writes down the register of law and the queues
        until(lambda: int(anchor.read_bytes().splitlines()[1]) == GOVERNING, "what governs is signed for")
    idle = own.tuned("audit", interval=timedelta(hours=1), maximum_merge_delay=timedelta(0))
    with idle.running() as stand, stand.stage.session() as session:
        assert ready(stand)[0] == 200
        answer = session.post(stand.address(), data=own.message(), headers={"Content-Type": "text/xml"})
        assert answer.status_code == 200
        assert [name for name, well in stand.intake.checks().items() if not well] == ["log"]


def test_a_log_of_readings_behind_its_merge_delay_makes_it_not_ready(own):
    idle = own.tuned("audit", interval=timedelta(hours=1), maximum_merge_delay=timedelta(0))
    with idle.running() as stand:
        stand.background.integrator.step()  # what governs is signed for
        assert ready(stand)[0] == 200
        log = builders.readings(SqlitePlace(own.configuration.gateway.store.path))
        log.read(builders.reading(at=datetime.now(UTC) - timedelta(seconds=1)))
        log.close()
        assert [name for name, well in stand.intake.checks().items() if not well] == ["readings"]
        assert stand.intake.readings().reading_unsigned_seconds >= 1
        stand.background.reading.step()
        assert all(stand.intake.checks().values())
        assert stand.intake.readings().reading_unsigned_seconds == 0


def test_a_store_that_stands_still_makes_it_not_ready_until_it_goes_on(own, monkeypatch):
    monkeypatch.setattr(intake, "STUCK", 0.2)
    lock = own.configuration.gateway.store.path / "gateway.db.lock"
    with own.running() as stand, ThreadPoolExecutor(1) as pool, stand.stage.session() as session, lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        headers = {"Content-Type": "text/xml"}
        answer = pool.submit(session.post, stand.address(), data=own.message(), headers=headers)
        until(lambda: not stand.intake.checks()["journal"], "the journal is told to stand still")
        assert not answer.done()
        fcntl.flock(held, fcntl.LOCK_UN)
        assert answer.result().status_code == 200
        assert stand.intake.checks()["journal"]


def test_a_check_that_breaks_is_a_check_that_fails(own):
    with own.running() as stand:
        database = own.configuration.gateway.store.path / "gateway.db"
        database.rename(database.with_suffix(".away"))
        status, state = ready(stand)
        database.with_suffix(".away").rename(database)
    assert (status, state["checks"]) == (503, {"checks": False})

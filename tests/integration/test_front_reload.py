"""New rules are built beside the old and swapped whole; what cannot be read changes nothing."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from gateway import logs, wiring
from gateway.cli.offline import Nobody
from gateway.errors import ConfigError
from gateway.services import PostgreSQL, Services
from gateway.trust import pki
from gateway.wiring import Keeper
from tests.integration import stage as stages
from tests.integration.stage import code


@pytest.fixture
def own(tmp_path):
    return stages.make(tmp_path)


def sent(stand, name="skatteverket", contract="skatteverket/folkbokforing"):
    with stand.stage.session(name) as session:
        answer = session.post(
            stand.address(contract), data=stand.stage.message(name=name), headers={"Content-Type": "text/xml"}
        )
        return answer.status_code, code(answer.content)


def test_a_certificate_on_a_new_revocation_list_is_refused_once_the_list_is_read(own):
    with own.running() as stand:
        assert sent(stand) == (200, None)
        revoked = own.demo.clients["skatteverket"].tls.certificate
        now = datetime.now(UTC)
        lists = pki.crl(own.demo.agencies_root, now=now) + pki.crl(own.demo.agencies, now=now, revoked=[revoked])
        (own.data / "pki" / "agencies.crl").write_bytes(lists)
        assert sent(stand) == (200, None)
        Keeper(stand.intake, lambda: own.configuration).step()
        assert sent(stand)[0] == 403


def test_a_revocation_list_that_cannot_be_read_leaves_the_old_one(own):
    with own.running() as stand, logs.captured() as stream:
        (own.data / "pki" / "agencies.crl").write_bytes(b"nonsense")
        Keeper(stand.intake, lambda: own.configuration).step()
        assert sent(stand) == (200, None)
    first = orjson.loads(stream.getvalue().splitlines()[0])
    assert first["event"] == "configuration.refused"
    assert "agencies.crl" in first["detail"]


def reloaded(stand, load):
    keeper = Keeper(stand.intake, load)
    keeper.ask()
    keeper.step()


def test_a_reload_judges_by_the_new_configuration(own):
    with own.running() as stand:
        assert sent(stand) == (200, None)
        reloaded(stand, lambda: own.tuned("limits", body=1024).configuration)
        assert sent(stand) == (413, "GW-HTTP-TOO-LARGE")
        reloaded(stand, lambda: own.configuration)
        assert sent(stand) == (200, None)


def test_a_partner_that_is_taken_out_is_unknown_after_a_reload(own):
    whole = own.configuration
    kept = {"handlaggning.aktivitetsstod", "handlaggning.sjukpenning"}
    without = whole.model_copy(
        update={
            "partners": {name: one for name, one in whole.partners.items() if name != "skatteverket"},
            "bases": tuple(basis for basis in whole.bases if basis.partner_types != ("skatteverket",)),
            "queues": tuple(queue for queue in whole.queues if queue.name in kept),
            "askers": {},
        }
    )
    with own.running() as stand:
        reloaded(stand, lambda: without)
        assert sent(stand) == (404, "GW-HTTP-PATH")


def test_a_configuration_that_is_wrong_leaves_the_old_one(own):
    def wrong():
        raise ConfigError("gateway.toml: limits.bodi: unknown")

    with own.running() as stand, logs.captured() as stream:
        reloaded(stand, wrong)
        assert sent(stand) == (200, None)
    assert orjson.loads(stream.getvalue().splitlines()[0])["detail"] == "gateway.toml: limits.bodi: unknown"


def test_a_reload_says_what_waits_for_a_restart(own):
    with own.running() as stand, logs.captured() as stream:
        reloaded(stand, lambda: own.tuned("store", group=7).tuned("listen", port=1).configuration)
    assert orjson.loads(stream.getvalue())["restart"] == "listen store"


def restarts(stream) -> list[str | None]:
    lines = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    return [line["restart"] for line in lines if line["event"] == "configuration.reloaded"]


def test_what_is_open_is_kept_until_the_restart_and_named_at_every_reload_until_it_is_as_before(own, tmp_path):
    changed = own.tuned("store", path=tmp_path / "elsewhere", backlog=1)
    changed = changed.tuned("listen", port=1, body_timeout=timedelta(seconds=7))
    with own.running() as stand, logs.captured() as stream:
        opened = stand.intake.configuration.gateway
        for _ in range(2):
            reloaded(stand, lambda: changed.tuned("limits", body=1024).configuration)
            now = stand.intake.configuration.gateway
            assert (now.store, now.listen, now.audit) == (opened.store, opened.listen, opened.audit)
            assert all(stand.intake.checks().values())  # asks for the folder and the backlog that are open
            assert stand.intake.front.terms.body_timeout == opened.listen.body_timeout.total_seconds()
            assert sent(stand) == (413, "GW-HTTP-TOO-LARGE")  # the rest is judged by the new one
        reloaded(stand, lambda: own.configuration)
        assert sent(stand) == (200, None)
    assert restarts(stream) == ["listen store", "listen store", None]
    with changed.tuned("store", path=opened.store.path).tuned("listen", port=0).running() as stand:  # the restart
        assert stand.intake.configuration.gateway.store.backlog == 1
        assert stand.intake.front.terms.body_timeout == 7
        assert sent(stand) == (200, None)


def test_queues_that_differ_are_named_at_every_reload_until_the_restart(own):
    first, *others = own.configuration.queues
    changed = own.configuration.model_copy(update={"queues": (first.model_copy(update={"partitions": 3}), *others)})
    with own.running() as stand, logs.captured() as stream:
        for _ in range(2):
            reloaded(stand, lambda: changed)
    assert restarts(stream) == ["queues", "queues"]


def test_other_servers_wait_for_a_restart_and_the_store_that_is_open_is_still_the_one_that_is_watched(own):
    elsewhere = Services(postgresql=PostgreSQL(dsn="host=127.0.0.1 port=1 dbname=elsewhere"))
    with own.running() as stand, logs.captured() as stream:
        reloaded(stand, lambda: own.configuration.model_copy(update={"services": elsewhere}))
        assert sent(stand) == (200, None)
        assert all(stand.intake.checks().values())
    assert orjson.loads(stream.getvalue().splitlines()[0])["restart"] == "services"


def test_a_key_that_everybody_may_read_is_refused(own):
    own.configuration.gateway.keys.receipt.chmod(0o644)
    with pytest.raises(ConfigError, match=r"keys\.receipt:"), own.running():
        pass


def test_a_contract_that_nobody_has_is_refused(own):
    partner = own.configuration.partners["skatteverket"]
    wrong = partner.model_copy(update={"contracts": ("skatteverket/annat",)})
    changed = own.configuration.model_copy(update={"partners": {**own.configuration.partners, "skatteverket": wrong}})
    with pytest.raises(ConfigError, match="skatteverket/annat"):
        wiring.rules(changed, Nobody())

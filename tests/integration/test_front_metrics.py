"""`/metrics`: figures in Prometheus' format, for who has a client certificate; no label holds a person."""

import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from gateway.trust import pki
from gateway.trust.certificates import Use
from tests.integration import stage as stages
from tests.integration.installation import until
from tests.tokens import tool

RULES = stages.ROOT / "ops" / "prometheus" / "gateway.rules.yml"


@pytest.fixture
def own(tmp_path):
    return stages.make(tmp_path)


def scraped(stand):
    """Return every sample: name -> labels -> value."""
    with stand.stage.session() as session:
        answer = session.get(f"{stand.server.origin}/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            series = found.setdefault(sample.name, {})
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in series, "a series twice: the whole scrape would be refused"
            series[labels] = sample.value
    return found


def test_every_certificate_ends_when_it_says(stand):
    found = scraped(stand)["gateway_certificate_not_after_timestamp_seconds"]
    demo = stand.stage.demo
    labels = (("fingerprint", fingerprint(demo.server)), ("owner", "gateway"), ("use", "server"))
    assert found[labels] == demo.server.certificate.not_valid_after_utc.timestamp()
    uses = {dict(one)["use"] for one in found}
    assert uses == {"server", "client", "signing", "signing-rsa", "anchor", "intermediate"}


def fingerprint(issued) -> str:
    from hashlib import sha256  # noqa: PLC0415

    return sha256(issued.der).hexdigest()[:16]


def test_lists_waiting_and_the_log_are_told(stand):
    with stand.stage.session() as session:
        for _ in range(2):
            message = stand.stage.message()
            session.post(stand.address(), data=message, headers={"Content-Type": "text/xml"})
    until(lambda: scraped(stand)["gateway_log_leaves"][()] >= 2, "an answer that is not from before")
    found = scraped(stand)
    lists = found["gateway_revocation_list_next_update_timestamp_seconds"]
    assert {dict(one)["owner"] for one in lists} == set(stand.stage.configuration.partners)
    assert found["gateway_journal_waiting_messages"] == {(): 0}
    assert found["gateway_log_unsigned_leaves"][()] <= found["gateway_log_leaves"][()]
    assert found["gateway_check"][("check", "journal"),] == 1
    assert not any(found["gateway_certificate_unreadable"].values())


def test_a_new_list_and_a_file_that_cannot_be_read_are_seen_at_the_next_look(own):
    with own.running() as stand:
        new = datetime.now(UTC) + timedelta(days=3)
        (own.data / "pki/organisations.crl").write_bytes(pki.crl(own.demo.organisations, now=new))
        (own.data / "keys/client.pem").write_bytes(b"text")
        found = scraped(stand)
    lists = found["gateway_revocation_list_next_update_timestamp_seconds"]
    employers = [value for labels, value in lists.items() if dict(labels)["owner"] == "arbetsgivare"]
    assert employers == [int((new + timedelta(days=30)).timestamp())]
    assert found["gateway_certificate_unreadable"][("owner", "gateway"), ("use", "client")] == 1


def test_what_two_files_hold_is_told_once(own):
    for name in ("agencies.pem", "agencies.crl"):
        path = own.data / "pki" / name
        path.write_bytes(path.read_bytes() * 2)
    with own.running() as stand:
        assert scraped(stand)


def test_after_a_reload_the_new_files_are_told(own):
    with own.running() as stand:
        before = scraped(stand)["gateway_certificate_not_after_timestamp_seconds"]
        other = own.tuned("keys", receipt_rsa_certificate=None, receipt_rsa=None)
        stand.intake.reload(other.configuration)
        stand.intake.app.routes[-1].endpoint._at = float("-inf")  # a second has passed
        after = scraped(stand)["gateway_certificate_not_after_timestamp_seconds"]
    assert {dict(one)["use"] for one in before} - {dict(one)["use"] for one in after} == {"signing-rsa"}


def test_labels_hold_ids_of_the_configuration_and_beginnings_of_fingerprints_and_nothing_else(stand):
    with stand.stage.session("arbetsgivare-a") as session:
        message = stand.stage.message(name="arbetsgivare-a")
        session.post(stand.address("arbetsgivare/sjukanmalan"), data=message, headers={"Content-Type": "text/xml"})
    owners = {"gateway", *stand.stage.configuration.partners}
    kinds = {
        "owner": owners.__contains__,
        "use": [use.value for use in Use].__contains__,
        "check": ["journal", "log", "readings", "revocation", "partitions"].__contains__,
        "rule": [one.key.removeprefix("rule ") for one in stand.stage.configuration.retention].__contains__,
        "fingerprint": re.compile(r"[0-9a-f]{16}").fullmatch,
    }
    for series in scraped(stand).values():
        for labels in series:
            assert all(kinds[name](value) for name, value in labels)


def test_nobody_without_a_certificate_gets_any(stand):
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{stand.server.origin}/metrics", verify=str(stand.stage.data / "pki/server-ca.pem"), timeout=10)


def test_where_nothing_can_be_read_there_are_no_figures_rather_than_old_ones(own):
    with own.running() as stand:
        database = own.configuration.gateway.store.path / "gateway.db"
        database.rename(database.with_suffix(".away"))
        with own.session() as session:
            answer = session.get(f"{stand.server.origin}/metrics")
        database.with_suffix(".away").rename(database)
        assert (answer.status_code, answer.content) == (503, b"")
        assert scraped(stand)


class TestAlarms:
    """`ops/prometheus/gateway.rules.yml`, asked of Prometheus' own tool."""

    def test_the_rules_are_rules(self):
        done = subprocess.run([tool("promtool"), "check", "rules", RULES], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_they_ring_when_they_should_and_not_before(self):
        tests = RULES.with_name("gateway.test.yml")
        done = subprocess.run([tool("promtool"), "test", "rules", tests], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_they_name_figures_that_there_are_and_a_chapter_that_there_is(self, stand):
        text = RULES.read_text()
        assert set(re.findall(r"\bgateway_\w+", text)) <= set(scraped(stand))
        chapters = re.findall(r"runbook: (\S+)#(\S+)", text)
        assert chapters
        for file, chapter in chapters:
            headings = re.findall(r"^#+ (.*)$", (stages.ROOT / file).read_text(), re.MULTILINE)
            assert chapter in [re.sub(r"[^\w-]", "", one.lower().replace(" ", "-")) for one in headings]


def test_every_exposed_figure_is_in_the_manual(stand):
    manual = (stages.ROOT / "docs/runbooks/nycklar-och-certifikat.md").read_text()
    for name in scraped(stand):
        assert f"| `{name}` |" in manual, name

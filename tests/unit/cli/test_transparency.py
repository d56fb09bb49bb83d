"""The citizens' portals' listener, over mutual TLS and a store: the Data Tracker's protocol, and what never leaves."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from gateway import codes, logs, wiring
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.config import load
from gateway.config.doors import Portal, Transparency
from gateway.errors import ConfigError, MalformedError
from gateway.sqlite import File
from gateway.transport import server, usage
from tests import builders
from tests.unit.cli.conftest import CONFIG
from tests.unit.cli.test_asking import readings

ANNA, BO = PERSONNUMMER[:2]
STRANGER = "191212121212"
PORTAL, GUARDED = "skatteverket", "arbetsformedlingen"
"""Two clients of the throw-away PKI stand in for portals: one that asks for others too, and one that may not."""


def fingerprint(issued) -> str:
    return hashlib.sha256(issued.der).hexdigest()


@dataclass
class Opened:
    installation: object
    door: wiring.Transparency
    running: server.Running
    log: object

    def ask(self, path: str, *, name: str = PORTAL, method: str = "GET", user: str | None = ANNA, form=None, **headers):
        """Ask once; return status, headers and document."""
        issued = self.installation.demo.clients[name].tls
        folder = self.installation.data
        (folder / "own.pem").write_bytes(issued.chain_pem + issued.key_pem)
        context = ssl.create_default_context(cafile=folder / "pki" / "server-ca.pem")
        context.load_cert_chain(folder / "own.pem")
        line = http.client.HTTPSConnection("localhost", self.running.port, context=context, timeout=20)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if user is not None:
            sent["X-Road-UserId"] = user
        if form is not None:
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        try:
            line.request(method, path, body=None if form is None else urlencode(form), headers=sent)
            answer = line.getresponse()
            return answer.status, answer.headers, json.loads(answer.read())
        finally:
            line.close()

    def forge(self, statement: str) -> None:
        """Change the store behind its back."""
        file = File(wiring.place(load(CONFIG, data=self.installation.data), wiring.Duty.OWNER).database)
        builders.forge(file, statement)
        file.close()

    def usages(self, query: str = "", **more):
        status, _, found = self.ask(f"/v2/findUsage{query}", **more)
        assert status == 200, found
        return found


def configured(installation, *, rate: int = 600, **update):
    configuration = load(CONFIG, data=installation.data)
    portals = tuple(
        Portal(id=f"portal.{name}", certificates=(fingerprint(installation.demo.clients[name].tls),), delegated=may)
        for name, may in ((PORTAL, True), (GUARDED, False))
    )
    anchors = (installation.data / "pki" / "agencies.pem",)
    door = Transparency(port=0, anchors=anchors, portal=portals, rate=rate)
    gateway = configuration.gateway.model_copy(update={"transparency": door} | update)
    return configuration.model_copy(update={"gateway": gateway})


@pytest.fixture
def opened(installation):
    with opening(installation) as found:
        yield found


class opening(ExitStack):  # noqa: N801  # used as a function
    """A listener that runs."""

    def __init__(self, installation, **more) -> None:
        super().__init__()
        self._made = installation, more

    def __enter__(self) -> Opened:
        super().__enter__()
        installation, more = self._made
        log = self.enter_context(logs.captured())
        door = wiring.Transparency(configured(installation, **more), clock=wiring.SystemClock())
        self.callback(door.close)
        running = self.enter_context(server.Running(door.server(), server.bind(door.listen)))
        return Opened(installation, door, running, log)


def test_a_person_sees_who_got_what_as_the_protocol_has_it_and_it_is_written_down_first(opened):
    found = opened.usages(f"?userCode={ANNA}", X_Road_Id="a34df1a9-f2cf-459f-b99c-6f0737e6aed6")
    (usage,) = found["usages"]
    assert found["totalUsages"] == 1
    assert set(usage) == {"logtime", "action", "receiverCode", "receiverName", "receiverSystem"}
    assert (usage["receiverCode"], usage["receiverName"]) == ("2021005521", "Försäkringskassan")
    assert "från Skatteverket" in usage["action"]
    assert "SFB 114 kap." in usage["action"]
    assert usage["logtime"].endswith("Z")
    (reading,) = readings(opened.installation)
    assert (reading.reader, reading.purpose, reading.question) == (f"portal.{PORTAL}", "registerutdrag", "findUsage")
    assert reading.case == "a34df1a9-f2cf-459f-b99c-6f0737e6aed6"
    assert reading.pseudonym is not None
    assert "asker" not in reading.parameters


@pytest.mark.parametrize(
    ("query", "more"),
    [
        (f"?userCode={ANNA}", {}),
        (f"?userCode=SE{ANNA}", {"user": f"SE{ANNA}"}),
        ("", {}),
        ("", {"method": "POST", "form": {"limit": "1000"}}),
        ("", {"method": "POST", "form": {"userCode": ANNA}}),
        ("?processingType=DATA_REQUEST", {}),
        ("", {"name": GUARDED}),
    ],
)
def test_every_way_to_ask_about_oneself_is_the_same_question(opened, query, more):
    assert opened.usages(query, **more)["totalUsages"] == 1
    assert len(readings(opened.installation)) == 1


def test_whoever_the_log_does_not_know_has_no_usages_and_the_reading_stands(opened):
    assert opened.usages(user=STRANGER) == {"totalUsages": 0, "usages": []}
    assert len(readings(opened.installation)) == 1


def test_pages_and_periods_are_as_the_protocol_has_them(opened):
    assert opened.usages("?offset=1")["usages"] == []
    assert opened.usages("?offset=1")["totalUsages"] == 1
    assert len(opened.usages("?limit=1")["usages"]) == 1
    assert opened.usages("?periodEnd=2021-01-31T10:20:30")["totalUsages"] == 0
    assert opened.usages("?periodStart=2021-01-31T10:20:30Z")["totalUsages"] == 1


def test_somebody_elses_usages_are_told_to_a_portal_that_has_judged_it_and_say_who_asked(opened):
    found = opened.usages(f"?userCode={ANNA}", user=BO)
    assert found["totalUsages"] == 1
    (reading,) = readings(opened.installation)
    assert reading.parameters["asker"] not in {reading.pseudonym, BO}
    status, _, problem = opened.ask(f"/v2/findUsage?userCode={ANNA}", user=BO, name=GUARDED)
    assert (status, problem["code"]) == (403, "GW-ASK-DELEGATED")
    assert len(readings(opened.installation)) == 1


WRONG = [
    ("", {"user": None}, "GW-ASK-PERSON"),
    ("", {"user": "Nisse"}, "GW-ASK-PERSON"),
    ("", {"user": ANNA[2:]}, "GW-ASK-PERSON"),
    ("", {"user": f"EE{ANNA}"}, "GW-ASK-PERSON"),
    ("?userCode=", {}, "GW-ASK-PERSON"),
    (f"?userCode={ANNA}&userCode={BO}", {}, "GW-ASK-USAGE"),
    ("?offset=-1", {}, "GW-ASK-USAGE"),
    ("?limit=0", {}, "GW-ASK-USAGE"),
    ("?limit=10001", {}, "GW-ASK-USAGE"),
    ("?limit=%d9%a1", {}, "GW-ASK-USAGE"),
    ("?periodStart=yesterday", {}, "GW-ASK-USAGE"),
    ("?periodStart=0001-01-01T00:00:00", {}, "GW-ASK-USAGE"),
    ("?periodStart=2026-01-02T00:00:00&periodEnd=2026-01-01T00:00:00", {}, "GW-ASK-USAGE"),
    ("?userCode=%ff", {}, "GW-ASK-USAGE"),
    (f"?userCode={ANNA}", {"method": "POST", "form": {"limit": "1"}}, "GW-ASK-USAGE"),
    ("", {"method": "POST", "form": {"limit": "1"}, "Content_Type": "application/json"}, "GW-HTTP-CONTENT-TYPE"),
    ("", {"method": "POST", "form": {"x": "y" * 5000}}, "GW-HTTP-TOO-LARGE"),
    ("", {"method": "DELETE"}, "GW-HTTP-METHOD"),
]


@pytest.mark.parametrize(("query", "more", "code"), WRONG)
def test_what_is_wrongly_asked_is_told_by_code_quotes_nothing_and_is_no_reading(opened, query, more, code):
    status, headers, problem = opened.ask(f"/v2/findUsage{query}", **more)
    assert 400 <= status < 500
    assert problem["code"] == code
    assert headers["content-type"] == "application/problem+json"
    assert "Nisse" not in str(problem)
    assert ANNA not in str(problem)
    assert readings(opened.installation) == []


def test_no_number_is_in_any_log_answer_or_file_whatever_becomes_of_the_request(opened, capfd):
    for query, more in (
        (f"?userCode={STRANGER}", {"user": STRANGER}),
        (f"?userCode={STRANGER}", {"name": GUARDED}),
        (f"?userCode={STRANGER}&limit=0", {"user": STRANGER}),
        (f"?userCode={STRANGER}", {"user": STRANGER, "method": "DELETE"}),
        (f"/{STRANGER}?userCode={STRANGER}", {"user": STRANGER}),
    ):
        _, headers, document = opened.ask(f"/v2/findUsage{query}", **more)
        assert STRANGER not in f"{headers} {document}"
    told = capfd.readouterr()
    said = opened.log.getvalue().decode() + told.out + told.err
    assert "question.answered" in said
    assert "question.refused" in said
    for number in (STRANGER, STRANGER[2:], ANNA):
        assert number not in said
    for path in filter(Path.is_file, opened.installation.data.rglob("*")):
        assert STRANGER[2:].encode() not in path.read_bytes(), path.name


def test_nothing_is_told_that_could_not_be_written_down(opened):
    opened.forge("DROP TABLE reading_records")
    status, headers, problem = opened.ask("/v2/findUsage")
    assert status == 503
    assert "usages" not in problem
    assert headers["retry-after"]


def test_whoever_has_another_certificate_is_told_so_and_nothing_else(opened):
    with opening(opened.installation) as other:
        other.door.desk.terms = type(other.door.desk.terms)(clients={}, rate=1, body_timeout=1.0)
        status, _, problem = other.ask("/v2/findUsage")
        assert (status, problem["code"]) == (403, "GW-ASK-READER")
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        opened.ask("/v2/findUsage", name="stranger")
    assert readings(opened.installation) == []


def test_a_portal_in_a_hurry_is_told_when_to_come_again(installation):
    with opening(installation, rate=2) as found:
        assert [found.ask("/v2/heartbeat")[0] for _ in range(2)] == [200, 200]
        status, headers, problem = found.ask("/v2/heartbeat")
        assert (status, problem["code"]) == (429, "GW-ASK-PACE")
        assert int(headers["retry-after"]) > 0
        assert found.ask("/v2/heartbeat", name=GUARDED)[0] == 200


def test_period_and_heartbeat_tell_of_nobody_and_are_no_readings(opened):
    status, _, period = opened.ask("/v2/usagePeriod", user=None)
    assert (status, set(period)) == (200, {"periodStart"})
    assert period["periodStart"].endswith("Z")
    assert opened.ask("/v2/heartbeat", user=None)[2]["status"] == "OK"
    assert opened.ask("/v2/other")[0] == 404
    assert readings(opened.installation) == []


def test_what_messages_have_too_is_told_in_this_protocols_words_and_never_in_soaps(opened):
    for path, more, words in (
        ("/v2/other", {}, "/v2/findUsage"),
        ("/v2/heartbeat", {"method": "POST", "form": {"limit": "1"}}, "Allow"),
        ("/v2/findUsage", {"method": "POST", "form": {"a": "b"}, "Content_Type": "text/xml"}, "x-www-form-urlencoded"),
        ("/v2/findUsage", {"method": "POST", "form": {"a": "b"}, "Content_Encoding": "gzip"}, "Content-Encoding"),
        ("/v2/findUsage", {"method": "POST", "form": {"a": "b" * usage.LIMIT}}, str(usage.LIMIT)),
    ):
        _, _, problem = opened.ask(path, **more)
        assert words in problem["title"], problem
        assert words in problem["detail"], problem
        assert "soap" not in str(problem).lower()
        assert "wsdl" not in str(problem).lower()
    assert (
        opened.door.desk.refused(codes.SLOW).body
        == opened.door.desk.failed(MalformedError(codes.SLOW), ("GET",), close=True).body
    )


def test_a_connection_goes_on_after_a_body_that_was_read_and_ends_after_one_that_was_not(opened):
    wrong = {"method": "POST", "form": {"limit": "0"}}
    _, headers, problem = opened.ask("/v2/findUsage", **wrong)
    assert (problem["code"], headers["connection"]) == ("GW-ASK-USAGE", None)
    _, headers, problem = opened.ask("/v2/findUsage", Content_Type="application/json", **wrong)
    assert (problem["code"], headers["connection"]) == ("GW-HTTP-CONTENT-TYPE", "close")


def test_whoever_tls_lets_in_is_told_that_the_process_lives(opened):
    assert opened.ask("/health/live", user=None)[2] == {"live": True}
    assert readings(opened.installation) == []


def test_the_heart_does_not_beat_where_the_log_cannot_answer(opened):
    opened.forge("ALTER TABLE trail RENAME TO gone")
    assert opened.ask("/v2/heartbeat")[2]["status"] == "FAIL"


def test_a_reload_shuts_the_door_on_a_portal_that_is_taken_away(opened):
    configuration = configured(opened.installation)
    door = configuration.gateway.transparency
    only = door.model_copy(update={"portal": door.portal[1:]})
    gateway = configuration.gateway.model_copy(update={"transparency": only})
    opened.door.reload(configuration.model_copy(update={"gateway": gateway}))
    assert opened.ask("/v2/heartbeat")[0] == 403
    assert opened.ask("/v2/heartbeat", name=GUARDED)[0] == 200


def test_without_a_portal_or_without_decided_periods_in_production_nothing_is_opened(installation):
    clock = wiring.SystemClock()
    with pytest.raises(ConfigError, match="transparency"):
        wiring.Transparency(load(CONFIG, data=installation.data), clock=clock)
    with pytest.raises(ConfigError, match="UTDRAG-BROTTSBEK"):
        wiring.Transparency(configured(installation, environment="production"), clock=clock)


def test_a_key_that_is_not_there_is_named_by_the_table_that_says_it(installation, tmp_path):
    configuration, gone = configured(installation), tmp_path / "gone.key"
    door = configuration.gateway.transparency
    ours = door.model_copy(update={"certificate": configuration.gateway.listen.certificate, "key": gone})
    theirs = configuration.gateway.listen.model_copy(update={"key": gone})
    for changes, named in (({"transparency": ours}, "transparency.key:"), ({"listen": theirs}, "listen.key:")):
        with pytest.raises(ConfigError, match=named):
            wiring.Transparency(configured(installation, **changes), clock=wiring.SystemClock())

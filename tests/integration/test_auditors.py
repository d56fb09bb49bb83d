"""The auditors' listener over real TLS: who may ask, that a reading is written first, and what is never told."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jsonschema
import orjson
import pytest
import requests

from gateway import codes, logs, wiring
from gateway.audit.reading import Purpose
from gateway.config.doors import Auditors, Reader
from gateway.errors import ConfigError
from gateway.sqlite import File
from gateway.store.place import DATABASE, Duty
from gateway.store.questions import QUESTIONS
from gateway.store.readings import ReadingViews
from gateway.transport import server
from gateway.trust.issuing import AUTHORITY, KeyKind, Profile, issue
from tests.integration import stage as stages
from tests.payloads import PERSONS as PERSONNUMMER

WHY = {"purpose": "kontroll", "case": "K 2026/17"}


class Listening:
    """An auditors' listener that runs, and its readers' certificates."""

    def __init__(self, stage, folder, **changes):
        now = datetime.now(UTC)
        self.stage, self.folder = stage, folder
        self.root = issue(None, replace(AUTHORITY, common_name="Revisionens rot"), now=now)
        (folder / "readers.pem").write_bytes(self.root.pem)
        self.prints = {name: self._reader(name, now) for name in ("anna", "olof", "arkiv", "okänd")}
        duties = {"anna": ("auditor",), "olof": ("overseer",), "arkiv": ("archivist",)}
        self.door = Auditors(
            port=0,
            anchors=(folder / "readers.pem",),
            reader=tuple(Reader(id=n, certificates=(self.prints[n],), duties=d) for n, d in duties.items()),
            **{"rate": 10_000, **changes},
        )
        self.configuration = self.configured(self.door)
        self.serving = wiring.Auditing(self.configuration, clock=wiring.SystemClock())

    def configured(self, door):
        gateway = self.stage.configuration.gateway.model_copy(update={"auditors": door})
        return self.stage.configuration.model_copy(update={"gateway": gateway})

    def _reader(self, name, now):
        made = issue(self.root, Profile(common_name=name, kind=KeyKind.P256), now=now)
        (self.folder / f"{name}.pem").write_bytes(made.pem)
        (self.folder / f"{name}.key").write_bytes(made.key_pem)
        return hashlib.sha256(made.der).hexdigest()

    @contextmanager
    def running(self):
        try:
            with server.Running(self.serving.server(), server.bind(self.serving.listen)) as running:
                self.origin = running.origin
                yield self
        finally:
            self.serving.close()

    def request(self, method, path, *, name="anna", **more):
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(self.stage.data / "pki" / "server-ca.pem")
            session.cert = (str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key"))
            return session.request(method, f"{self.origin}/{path}", timeout=20, **more)

    def ask(self, question, *, name="anna", **body):
        return self.request("POST", f"audit/questions/{question}", name=name, json={**WHY, **body})

    def readings(self):
        views = ReadingViews(wiring.place(self.configuration, Duty.OVERSEER))
        sealer = wiring.sealer(self.configuration.gateway.keys)
        return [kept.opened(sealer) for kept in views.newest()]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store with one message about one person."""
    stage = stages.make(tmp_path_factory.mktemp("auditors"))
    with stage.running() as stand, stage.session() as session:
        for _ in range(3):
            answer = session.post(
                stand.address(), data=stage.message(), headers={"Content-Type": "text/xml"}, timeout=20
            )
            assert answer.status_code == 200
    return stage


@pytest.fixture(scope="module")
def desk(filled, tmp_path_factory):
    with Listening(filled, tmp_path_factory.mktemp("readers")).running() as running:
        yield running


@pytest.fixture
def told():
    with logs.captured() as stream:
        yield stream


def validator(desk, question, part):
    document = desk.request("GET", "audit/openapi.json").json()
    operation = document["paths"][f"/audit/questions/{question}"]["post"]
    if part == "question":
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
    elif part == "200":
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    else:
        schema = operation["responses"][part]["content"]["application/problem+json"]["schema"]
    return jsonschema.Draft202012Validator({**schema, "components": document["components"]})


def code(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == answer.status_code
    assert found["mender"] in {"sender", "gateway"}
    return answer.status_code, found["code"]


def test_the_questions_are_told_with_what_they_do_not_tell(desk):
    answer = desk.request("GET", "audit/questions")
    assert answer.status_code == 200
    assert [one["question"] for one in answer.json()] == list(QUESTIONS)
    assert all(one["silent"] for one in answer.json())


@pytest.mark.parametrize("question", [name for name in QUESTIONS if name != "Q17"])
def test_every_question_is_answered_as_its_document_says_and_written_down(desk, question):
    one, before = QUESTIONS[question], len(desk.readings())
    given = {
        "Q2": {"official": "anna"},
        "Q4": {"official": "anna"},
        "Q8": {"needed": ["x"]},
        "Q19": {"withdrawn": "2026-01-01"},
    }.get(question, {})
    needed = {"official": "anna", "partner": "skatteverket"}
    for parameter in one.parameters:
        if parameter.required:
            value = {"whole": 1, "moment": "2020-01-01", "names": ["x"]}.get(parameter.shape.value)
            given.setdefault(parameter.name, needed.get(parameter.name, value or "x"))
    about = {"about": [PERSONNUMMER[0] if one.about.subject == "person" else "A-1"]} if one.about else {}
    body = {"parameters": given, **about}
    validator(desk, question, "question").validate({**WHY, **body})
    answer = desk.ask(question, **body)
    assert answer.status_code == 200, answer.text
    validator(desk, question, "200").validate(answer.json())
    assert answer.json()["elapsed_ms"] >= 0
    newest = desk.readings()
    assert len(newest) == before + 1
    assert (newest[0].reader, newest[0].question, newest[0].case) == ("anna", question, "K 2026/17")


def test_a_person_stands_in_the_body_and_in_no_log_reading_or_answer(desk, told):
    answer = desk.ask("Q1", about=[PERSONNUMMER[0]])
    assert [(row["partner"], row["direction"]) for row in answer.json()["rows"]] == [("skatteverket", "in")] * 3
    (reading, *_) = desk.readings()
    assert reading.pseudonym is not None
    assert reading.purpose is Purpose.KONTROLL
    for said in (answer.text, str(reading), told.getvalue().decode()):
        assert PERSONNUMMER[0] not in said
        assert PERSONNUMMER[0][2:] not in said
    lines = [orjson.loads(line) for line in told.getvalue().splitlines()]
    assert [(line["event"], line["question"], line["records"]) for line in lines] == [("question.answered", "Q1", 3)]
    assert desk.ask("Q1", about=[PERSONNUMMER[3]]).json()["rows"] == []


def test_pages_follow_each_other_and_a_mark_is_good_for_its_own_question_only(desk):
    first = desk.ask("Q1", about=[PERSONNUMMER[0]], limit=2).json()
    assert len(first["rows"]) == 2
    rest = desk.ask("Q1", about=[PERSONNUMMER[0]], limit=2, after=first["more"]).json()
    assert (len(rest["rows"]), rest["more"]) == (1, None)
    references = [row["reference"] for row in [*first["rows"], *rest["rows"]]]
    assert len(set(references)) == 3
    before = len(desk.readings())
    for body in (
        {"about": [PERSONNUMMER[3]]},
        {"about": [PERSONNUMMER[0]], "parameters": {"direction": "in"}},
    ):
        assert code(desk.ask("Q1", after=first["more"], **body)) == (400, "GW-ASK-QUESTION")
    forged = first["more"].rpartition(".")[0]
    for mark in (forged, f"{forged}.{'0' * 32}", "x", ""):
        assert code(desk.ask("Q1", about=[PERSONNUMMER[0]], after=mark)) == (400, "GW-ASK-QUESTION")
    assert len(desk.readings()) == before


def test_each_asks_what_the_duty_has_and_nothing_else(desk):
    before = len(desk.readings())
    for name, question in (("anna", "Q17"), ("olof", "Q9"), ("arkiv", "Q9"), ("arkiv", "Q17")):
        answer = desk.ask(question, name=name)
        assert code(answer) == (403, "GW-ASK-DUTY")
        validator(desk, question, "403").validate(answer.json())
    assert len(desk.readings()) == before
    answer = desk.ask("Q17", name="olof")
    assert answer.status_code == 200
    assert {row["reader"] for row in answer.json()["rows"]} >= {"olof"}, "also who reads who has read"
    assert desk.readings()[0].reader == "olof"


def test_a_certificate_under_the_anchor_that_is_nobodys_gets_nothing(desk):
    before = len(desk.readings())
    for method, path in (("GET", "audit/questions"), ("GET", "audit/openapi.json"), ("POST", "audit/questions/Q9")):
        assert code(desk.request(method, path, name="okänd", json=WHY)) == (403, "GW-ASK-READER")
    assert len(desk.readings()) == before


def test_a_partner_and_whoever_shows_no_certificate_are_turned_away_by_tls(desk):
    with desk.stage.session("skatteverket") as session, pytest.raises(requests.exceptions.ConnectionError):
        session.get(f"{desk.origin}/audit/questions", timeout=20)
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(
            f"{desk.origin}/audit/questions", verify=str(desk.stage.data / "pki" / "server-ca.pem"), timeout=20
        )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"purpose": None}, "GW-ASK-WHY"),
        ({"purpose": "nyfikenhet"}, "GW-ASK-WHY"),
        ({"purpose": ["kontroll"]}, "GW-ASK-WHY"),
        ({"purpose": "granskning"}, "GW-ASK-WHY"),
        ({"case": None}, "GW-ASK-WHY"),
        ({"case": "  "}, "GW-ASK-WHY"),
        ({"case": f"om {PERSONNUMMER[0]}"}, "GW-ASK-WHY"),
        ({"about": ["Nisse"]}, "GW-ASK-QUESTION"),
        ({"about": PERSONNUMMER[0]}, "GW-ASK-QUESTION"),
        ({"about": [PERSONNUMMER[0], PERSONNUMMER[1]]}, "GW-ASK-QUESTION"),
        ({"about": []}, "GW-ASK-QUESTION"),
        ({"about": [f"{PERSONNUMMER[0]}\0"]}, "GW-ASK-QUESTION"),
        ({"parameters": {"direction": "in\0"}}, "GW-ASK-QUESTION"),
        ({"parameters": {"direction": 1}}, "GW-ASK-QUESTION"),
        ({"parameters": {"direction": True}}, "GW-ASK-QUESTION"),
        ({"parameters": {"direction": 1.5}}, "GW-ASK-QUESTION"),
        ({"parameters": {"since": "igår"}}, "GW-ASK-QUESTION"),
        ({"parameters": {"since": 20260101}}, "GW-ASK-QUESTION"),
        ({"parameters": {"person": "x"}}, "GW-ASK-QUESTION"),
        ({"parameters": ["in"]}, "GW-ASK-QUESTION"),
        ({"parameters": {"direction": "x" * 1001}}, "GW-ASK-QUESTION"),
        ({"limit": 0}, "GW-ASK-QUESTION"),
        ({"limit": 1001}, "GW-ASK-QUESTION"),
        ({"limit": True}, "GW-ASK-QUESTION"),
        ({"limit": "10"}, "GW-ASK-QUESTION"),
        ({"after": 7}, "GW-ASK-QUESTION"),
        ({"reader": "olof"}, "GW-ASK-QUESTION"),
    ],
)
def test_what_is_wrongly_put_is_told_and_nothing_is_written_down(desk, told, body, expected):
    before = len(desk.readings())
    answer = desk.request("POST", "audit/questions/Q1", json={**WHY, "about": [PERSONNUMMER[0]], **body})
    assert code(answer) == (400, expected)
    assert PERSONNUMMER[0] not in answer.text + told.getvalue().decode()
    assert "Nisse" not in answer.text + told.getvalue().decode()
    assert len(desk.readings()) == before


@pytest.mark.parametrize(
    ("method", "path", "more", "expected"),
    [
        ("POST", "audit/questions", {"json": WHY}, (405, "GW-HTTP-METHOD")),
        ("GET", "audit/questions/Q1", {}, (405, "GW-HTTP-METHOD")),
        ("POST", "audit/questions/Q21", {"json": WHY}, (404, "GW-HTTP-PATH")),
        ("POST", "audit/questions/q1", {"json": WHY}, (404, "GW-HTTP-PATH")),
        ("GET", "audit/checkpoint", {}, (404, "GW-HTTP-PATH")),
        ("GET", "soap/skatteverket/folkbokforing", {}, (404, "GW-HTTP-PATH")),
        ("POST", "audit/questions/Q9", {"data": WHY}, (415, "GW-HTTP-CONTENT-TYPE")),
        ("POST", "audit/questions/Q9", {"data": b"{}", "headers": {"Content-Type": "text/plain"}},
         (415, "GW-HTTP-CONTENT-TYPE")),
        ("POST", "audit/questions/Q9", {"json": {**WHY, "case": "x" * 600_000}}, (413, "GW-HTTP-TOO-LARGE")),
        ("POST", "audit/questions/Q9", {"data": b"{", "headers": {"Content-Type": "application/json"}},
         (400, "GW-ASK-QUESTION")),
        ("POST", "audit/questions/Q9", {"data": b"[]", "headers": {"Content-Type": "application/json"}},
         (400, "GW-ASK-QUESTION")),
    ],
)  # fmt: skip
def test_http_that_is_wrong_is_told_as_a_problem_in_words_of_questions(desk, method, path, more, expected):
    answer = desk.request(method, path, **more)
    assert code(answer) == expected
    assert "SOAP" not in answer.text
    assert "?wsdl" not in answer.text


def test_what_is_no_request_is_told_as_a_problem_too(desk):
    answer = desk.serving.desk.refused(codes.HTTP_SYNTAX)
    assert (answer.status, answer.content_type, answer.close) == (400, "application/problem+json", True)


def test_a_reading_that_cannot_be_written_lets_nothing_out(desk):
    database = desk.configuration.gateway.store.path / DATABASE
    before = len(desk.readings())
    holding = File(database)
    try:
        holding.execute("ALTER TABLE reading_records RENAME TO gone")
        answer = desk.ask("Q1", about=[PERSONNUMMER[0]])
    finally:
        holding.execute("ALTER TABLE gone RENAME TO reading_records")
        holding.close()
    assert answer.status_code == 503
    assert "skatteverket" not in answer.text
    assert len(desk.readings()) == before
    assert desk.ask("Q1", about=[PERSONNUMMER[0]]).status_code == 200


def test_who_asks_too_often_is_told_when_and_others_are_not_held_up(filled, tmp_path):
    with Listening(filled, tmp_path, rate=2).running() as own:
        assert [own.request("GET", "audit/questions").status_code for _ in range(2)] == [200, 200]
        answer = own.request("GET", "audit/questions")
        assert code(answer) == (429, "GW-ASK-PACE")
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        assert own.request("GET", "audit/questions", name="olof").status_code == 200


def test_a_reader_that_is_taken_away_is_nobodys_at_the_next_reload_and_a_wrong_one_changes_nothing(filled, tmp_path):
    with Listening(filled, tmp_path).running() as own:
        assert own.ask("Q9").status_code == 200
        with pytest.raises(ConfigError):
            own.serving.reload(own.configured(None))
        assert own.ask("Q9").status_code == 200
        olof = own.door.reader[1]
        own.serving.reload(own.configured(own.door.model_copy(update={"reader": (olof,)})))
        assert code(own.ask("Q9")) == (403, "GW-ASK-READER")
        assert own.ask("Q17", name="olof").status_code == 200


def test_a_store_that_came_from_elsewhere_is_not_opened(filled, tmp_path):
    with pytest.raises(ConfigError):
        wiring.Auditing(filled.configuration, clock=wiring.SystemClock())


def test_moments_are_swedish_where_they_have_no_zone(desk):
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    assert desk.ask("Q1", about=[PERSONNUMMER[0]], parameters={"since": tomorrow}).json()["rows"] == []
    rows = desk.ask("Q1", about=[PERSONNUMMER[0]], parameters={"until": tomorrow}).json()["rows"]
    assert len(rows) == 3


@pytest.mark.services
def test_on_postgresql_it_asks_as_the_readers_duties_and_the_readings_are_the_overseers(filled, stored, tmp_path):
    configuration = filled.configuration
    services = configuration.services.model_copy(update={"postgresql": stored.settings})
    gateway = configuration.gateway.model_copy(
        update={"store": configuration.gateway.store.model_copy(update={"path": stored.folder})}
    )
    changed = configuration.model_copy(update={"services": services, "gateway": gateway})
    with Listening(replace(filled, configuration=changed), tmp_path).running() as own:
        answer = own.ask("Q1", about=[PERSONNUMMER[0]])
        assert (answer.status_code, answer.json()["rows"]) == (200, [])
        first = own.ask("Q17", name="olof").json()["rows"]
        assert {row["reader"] for row in first} == {"anna", "olof"}
        assert code(own.ask("Q17")) == (403, "GW-ASK-DUTY")
        assert [one.question for one in own.readings()] == ["Q17", "Q1"]

"""Closed events, closed keys, closed shapes; and what libraries and uncaught errors say takes the same way."""

import io
import logging
import sys
import threading
import warnings
from pathlib import Path

import orjson
import pytest

from gateway import codes, config, logs
from gateway.errors import ConfigError, IntegrityError
from gateway.logs import EVENTS, Happened, Log

PERSON = "189001019802"


def lines(stream):
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def told():
    with logs.captured() as stream:
        yield lambda: lines(stream)


@pytest.fixture
def restored():
    """Give back what `configure` changes for the whole process."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook, logs._current)
    yield
    root.handlers[:], sys.excepthook, threading.excepthook, logs._current = before[0], before[2], before[3], before[4]
    root.setLevel(before[1])
    logging.captureWarnings(capture=False)


def test_every_event_has_a_row():
    assert set(EVENTS) == set(Happened)


def test_a_line_is_json_with_time_level_and_the_allowed_keys(told):
    logs.tell(Happened.MESSAGE_REFUSED, partner="skatteverket", code="GW-SIG-DIGEST", step="verify", ms=1.5)
    (line,) = told()
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "message.refused",
        "level": "warning",
        "partner": "skatteverket",
        "code": "GW-SIG-DIGEST",
        "step": "verify",
        "ms": 1.5,
    }


def test_a_key_that_the_event_does_not_have_is_dropped_and_counted():
    stream = io.BytesIO()
    log = Log(stream)
    log.tell(Happened.SERVER_STARTED, body="<Envelope/>", process=7)
    (line,) = lines(stream)
    assert "body" not in line
    assert line["process"] == 7
    assert log.dropped == {"server.started/body": 1}


def test_a_key_that_the_event_does_not_have_raises_in_tests():
    with pytest.raises(IntegrityError, match=r"server\.started/body"):
        Log(io.BytesIO(), strict=True).tell(Happened.SERVER_STARTED, body="x")


def test_an_unknown_event_is_dropped_and_counted_and_raises_in_tests():
    stream = io.BytesIO()
    log = Log(stream)
    log.tell("invented", process=7)
    assert stream.getvalue() == b""
    assert log.dropped == {"invented": 1}
    with pytest.raises(IntegrityError, match="invented"):
        Log(io.BytesIO(), strict=True).tell("invented")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("partner", "Anna Andersson"),
        ("contract", "skatteverket"),
        ("code", "anything"),
        ("step", "VERIFY me"),
        ("reference", PERSON),
        ("ms", 10**9),
        ("ms", "12"),
    ],
)
def test_a_value_of_another_shape_is_withheld_and_counted(key, value):
    stream = io.BytesIO()
    log = Log(stream)
    log.tell(Happened.MESSAGE_REFUSED, **{key: value})
    (line,) = lines(stream)
    assert line[key] == "[withheld]"
    assert log.dropped == {f"message.refused/{key}": 1}


@pytest.mark.parametrize(
    "text",
    [
        PERSON,
        PERSON[2:],
        f"{PERSON[:8]}-{PERSON[8:]}",
        f"{PERSON[2:8]}+{PERSON[8:]}",
        f"{PERSON[2:8]} {PERSON[8:]}",
        f"{PERSON[2:8]}\u2013{PERSON[8:]}",
        f"{PERSON[:4]}-{PERSON[4:6]}-{PERSON[6:8]}-{PERSON[8:]}",
        f"x{PERSON}y",
        "".join(chr(0x660 + int(digit)) for digit in PERSON),
        "anna.andersson@example.se",
        "Authorization: Bearer abc.def.ghi",
        "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIGH",
        "unexpected <Namn>Anna</Namn> here",
    ],
)
def test_text_that_looks_personal_or_secret_is_redacted(text):
    assert "[redacted]" in logs.redacted(f"before {text} after")
    for part in (PERSON, PERSON[2:8], PERSON[8:], "anna", "Anna", "abc.def", "MIGH"):
        assert part not in logs.redacted(f"before {text} after")


@pytest.mark.parametrize("text", ["127.0.0.1:8443", "/etc/gateway/gateway.toml", "line 12 column 345", "2026-11-20"])
def test_text_that_is_neither_stays(text):
    assert logs.redacted(text) == text


def test_a_hash_stays_whole_though_it_has_ten_digits_in_a_row(told):
    reference = "1234567890ab" * 3
    logs.tell(Happened.MESSAGE_ACCEPTED, reference=reference)
    assert told()[0]["reference"] == reference


def test_an_unexpected_error_is_told_by_type_and_place_and_never_by_text(told):
    try:
        int(PERSON + "x")
    except ValueError as error:
        logs.fault(error)
    (line,) = told()
    assert line["error"] == "ValueError"
    assert line["place"].split(":")[0].endswith("test_logs")
    assert PERSON not in str(line)


def test_the_place_is_the_innermost_of_our_own_frames():
    with pytest.raises(ConfigError) as caught:
        config.load(Path("/nowhere/gateway.toml"))
    assert logs.place(caught.value).startswith("gateway.config.files:")


class Full(io.BytesIO):
    def write(self, _line):
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_stops_nobody():
    log = Log(Full())
    log.tell(Happened.SERVER_STARTED, process=1)
    assert log.lost == 1


def test_without_configuration_lines_go_to_stderr(capsys, monkeypatch):
    monkeypatch.setattr(logs, "_current", None)
    logs.tell(Happened.SERVER_STARTED, process=1)
    sys.stderr.flush()
    assert '"event":"server.started"' in capsys.readouterr().err


def test_integrity_is_told_as_critical(told):
    logs.integrity(IntegrityError("the log has 4 leaves, the checkpoint 5"))
    (line,) = told()
    assert (line["level"], line["code"]) == ("critical", codes.INTEGRITY.name)


@pytest.mark.usefixtures("restored")
def test_what_a_library_logs_is_told_without_its_arguments_and_its_exception_text():
    stream = io.BytesIO()
    logs.configure(stream)
    try:
        {}[PERSON]
    except KeyError:
        logging.getLogger("some.library").exception("could not read %s", PERSON)
    (line,) = lines(stream)
    assert line["event"] == "library"
    assert line["logger"] == "some.library"
    assert line["text"] == "could not read %s"
    assert line["error"] == "KeyError"
    assert PERSON not in stream.getvalue().decode()


@pytest.mark.usefixtures("restored")
def test_a_library_that_formats_its_text_itself_is_redacted():
    stream = io.BytesIO()
    logs.configure(stream)
    logging.getLogger("some.library").warning(f"could not read {PERSON}")  # noqa: G004  # this is what some do
    assert lines(stream)[0]["text"] == "could not read [redacted]"


@pytest.mark.usefixtures("restored")
def test_uvicorn_tells_no_requests_and_no_traces():
    logs.configure(io.BytesIO())
    for name in ("uvicorn.error", "uvicorn.access"):
        assert logging.getLogger(name).level == logging.WARNING


@pytest.mark.usefixtures("restored")
def test_an_error_that_nobody_catches_is_told_by_type_and_place():
    stream = io.BytesIO()
    logs.configure(stream)

    def fail() -> None:
        raise ValueError(PERSON)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    assert [line["event"] for line in lines(stream)] == ["fault", "fault"]
    assert PERSON not in stream.getvalue().decode()


@pytest.mark.usefixtures("restored")
def test_a_warning_takes_the_same_way():
    stream = io.BytesIO()
    logs.configure(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(f"about {PERSON}", stacklevel=1)
    assert PERSON not in stream.getvalue().decode()
    assert lines(stream)[0]["logger"] == "py.warnings"

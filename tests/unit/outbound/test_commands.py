"""Commands: read strictly, cut into dispatches, and told apart from themselves."""

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import jsonschema
import pytest

from gateway import endings
from gateway.config import Asker
from gateway.dispatch import Period
from gateway.errors import ContractError
from gateway.outbound import commands
from gateway.outbound.commands import Agreed
from gateway.partners import Endpoint, Mailbox, Partner, Subject, Trust
from tests import rules
from tests.builders import NUMBERS

PERSON = NUMBERS[0]
ASK, SEND = "arbetsformedlingen/ersattningsstod", "forsakringskassan/avstamningsmote"
AGENCY, EMPLOYER = "2021002114", "5560269986"


@lru_cache(maxsize=1)
def agreements():
    return rules.contracts().outgoing


def agreed() -> Agreed:
    trust = Trust(anchors=("a.pem",))
    pinned = Trust(anchors=("a.pem",), subject=Subject(organisation=AGENCY))
    agency = Partner(
        id="arbetsformedlingen",
        name="AF",
        kind="agency",
        partner_type="arbetsformedlingen",
        contracts=(),
        trust=pinned,
        endpoint=(Endpoint(address="https://af.example/fraga", contracts=(ASK, SEND)),),
    )
    employers = Partner(
        id="arbetsgivare",
        name="Arbetsgivare",
        kind="class",
        partner_type="arbetsgivare",
        contracts=(),
        trust=trust,
        mailbox=Mailbox(contracts=(SEND,)),
    )
    asker = Asker(id="rehab", name="Rehab", contracts=(ASK, SEND), purposes=("fk:Arendehandlaggning",), queue="svar")
    return Agreed(
        askers={asker.id: asker}, partners={one.id: one for one in (agency, employers)}, outgoing=agreements()
    )


def written(**changes) -> dict:
    """A whole command; a dotted name changes what is inside, None of a name takes it away."""
    command = {
        "specversion": "1.0",
        "type": commands.TYPE,
        "source": f"{commands.SOURCE}rehab",
        "id": "k-1",
        "time": "2026-11-26T10:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "contract": ASK,
            "purpose": "fk:Arendehandlaggning",
            "case": {
                "reference": "A-1",
                "benefit": "aktivitetsstod",
                "period": {"first": "2026-01-01", "last": "2026-06-30"},
            },
            "person": PERSON,
            "period": {"first": "2026-02-01", "last": "2026-02-28"},
            "recipients": [{"partner": "arbetsformedlingen", "basis": "FK-AF-01"}],
            "expires": "2026-12-01T10:00:00+01:00",
        },
    }
    for name, value in changes.items():
        place = command
        *way, last = name.split("__")
        for part in way:
            place = place[int(part)] if part.isdigit() else place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return command


def read(**changes):
    return commands.read(json.dumps(written(**changes)).encode(), agreed())


def refused(**changes) -> ContractError:
    with pytest.raises(ContractError) as caught:
        read(**changes)
    return caught.value


def test_a_whole_command_is_read():
    command, digest = read()
    assert command.asker == "rehab"
    assert command.person.number == PERSON
    assert command.period == Period(first=command.period.first, last=command.period.last)
    assert command.at == datetime(2026, 11, 26, 10, tzinfo=UTC)
    assert command.expires == datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert [one.partner for one in command.recipients] == ["arbetsformedlingen"]
    assert len(digest) == 64


@pytest.mark.parametrize(
    "place",
    [
        *("specversion", "type", "source", "id", "time", "data"),
        *("data__contract", "data__purpose", "data__case", "data__person", "data__recipients", "data__expires"),
        *("data__case__reference", "data__case__benefit", "data__case__period"),
        *("data__recipients__0__partner", "data__recipients__0__basis"),
    ],
)
def test_nothing_that_is_missing_is_filled_in(place):
    error = refused(**{place: ...})
    assert error.code in {endings.COMMAND_FORMAT, endings.COMMAND_RECIPIENT}
    assert place.rpartition("__")[2] in error.detail


def test_a_key_that_nobody_knows_is_refused_and_never_repeated():
    error = refused(**{f"data__{PERSON}": "x"})
    assert error.code is endings.COMMAND_FORMAT
    assert PERSON not in error.detail
    assert PERSON not in str(error)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"source": f"{commands.SOURCE}nobody"}, endings.COMMAND_ASKER),
        ({"data__contract": "skatteverket/personpost"}, endings.COMMAND_ASKER),
        ({"data__purpose": "fk:Kontroll"}, endings.COMMAND_ASKER),
        ({"data__recipients__0__partner": "nobody"}, endings.COMMAND_RECIPIENT),
        ({"data__recipients__0__organisation": AGENCY}, endings.COMMAND_RECIPIENT),
        ({"data__recipients": [{"partner": "arbetsgivare", "basis": "B"}]}, endings.COMMAND_RECIPIENT),
        (
            {"data__recipients": [{"partner": "arbetsgivare", "organisation": EMPLOYER, "basis": "B"}]},
            endings.COMMAND_RECIPIENT,  # no mailbox for a question
        ),
        ({"data__person": "199001011234"}, endings.COMMAND_FORMAT),
        ({"data__person": "16" + AGENCY}, endings.COMMAND_FORMAT),
        ({"data__person": PERSON[2:]}, endings.COMMAND_FORMAT),
        ({"data__period": {"first": "2026-02-28", "last": "2026-02-01"}}, endings.COMMAND_FORMAT),
        ({"data__expires": "2026-11-26T10:00:00Z"}, endings.COMMAND_FORMAT),
        ({"data__expires": "2027-11-26T10:00:00Z"}, endings.COMMAND_FORMAT),
        ({"data__expires": "2026-12-01T10:00:00"}, endings.COMMAND_FORMAT),
        ({"time": "2026-11-26T10:00:00"}, endings.COMMAND_FORMAT),
        ({"id": "for Anna Andersson"}, endings.COMMAND_FORMAT),
        ({"data__case__reference": "x" * 101}, endings.COMMAND_FORMAT),
        ({"data__fields": {"a": 1.5}}, endings.COMMAND_FORMAT),
        ({"data__fields": {"a": 1}, "data__recipients__0__fields": {"a": 2}}, endings.COMMAND_FORMAT),
        ({"data__recipients": [{"partner": "arbetsformedlingen", "basis": b} for b in "AB"]}, endings.COMMAND_FORMAT),
        ({"data__recipients": []}, endings.COMMAND_FORMAT),
        ({"type": "se.forsakringskassan.utbyte.kommando.v2"}, endings.COMMAND_FORMAT),
    ],
)
def test_what_is_wrong_is_refused_by_its_own_code(change, code):
    assert refused(**change).code is code


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"a":1}', b"x" * (commands.LARGEST + 1)])
def test_what_is_no_command_is_refused(body):
    with pytest.raises(ContractError) as caught:
        commands.read(body, agreed())
    assert caught.value.code is endings.COMMAND_FORMAT


def test_the_same_command_put_at_another_time_is_the_same():
    assert read()[1] == read(time="2026-11-26T10:00:01Z")[1]


def test_whatever_else_differs_makes_another_content():
    digests = {
        read(**change)[1]
        for change in ({}, {"data__purpose": "fk:Arendehandlaggning", "data__suspicion": "M-1"}, {"id": "k-2"})
    }
    assert len(digests) == 3


SUMMONS = {
    "form": "video",
    "borjar": "2026-12-08T10:00:00+01:00",
    "slutar": "2026-12-08T11:00:00+01:00",
    "kontakt": [{"namn": "Samordnaren", "telefon": "0771-524 524"}],
}


def test_each_recipient_gets_a_dispatch_of_its_own_that_is_always_the_same():
    recipients = [
        {"partner": "arbetsformedlingen", "basis": "A", "fields": {"lank": "https://a.example/1"}},
        {
            "partner": "arbetsgivare",
            "organisation": EMPLOYER,
            "basis": "B",
            "fields": {"lank": "https://a.example/2"},
        },
    ]
    changes = {"data__contract": SEND, "data__recipients": recipients, "data__fields": SUMMONS}
    first, again = (commands.queue(read(**changes)[0]) for _ in range(2))
    assert [one.dispatch for one in first] == [one.dispatch for one in again]
    assert len({one.dispatch for one in first}) == 2
    assert [one.recipient.fields["lank"][-1] for one in first] == ["1", "2"]
    other = commands.queue(read(id="k-2", **changes)[0])
    assert not {one.dispatch for one in first} & {one.dispatch for one in other}


@pytest.mark.parametrize("taken", ["form", "borjar", "kontakt"])
def test_fields_that_make_no_message_are_refused_before_anything_is_kept(taken):
    recipients = [{"partner": "arbetsformedlingen", "basis": "A"}]
    fields = {name: value for name, value in SUMMONS.items() if name != taken}
    error = refused(data__contract=SEND, data__recipients=recipients, data__fields=fields)
    assert error.code is endings.COMMAND_FORMAT
    assert taken in error.detail


def test_a_dispatch_id_tells_nothing_of_asker_and_command():
    (queued,) = commands.queue(read()[0])
    assert queued.dispatch.startswith("urn:uuid:")
    assert "rehab" not in queued.dispatch


def test_the_schema_is_the_reader():
    schema = commands.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert not list(validator.iter_errors(written()))
    assert list(validator.iter_errors(written(data__case=...)))
    assert list(validator.iter_errors(written(data__other=1)))


def test_a_command_may_wait_until_its_last_day():
    edge = datetime(2026, 11, 26, 10, tzinfo=UTC) + commands.LONGEST
    assert read(data__expires=edge.isoformat())[0].expires == edge
    assert refused(data__expires=(edge + timedelta(seconds=1)).isoformat()).code is endings.COMMAND_FORMAT

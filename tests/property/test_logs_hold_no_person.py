"""Whatever a partner sends, and wherever it writes a person: no log line, exception text or address of ours holds it.

GDPR art. 5.1 f and 32; OSL 26 kap. 1 §. Real messages, right and wrong, go through the real front and journal.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway import logs, wiring
from gateway.errors import IntegrityError
from gateway.message import SoapVersion
from gateway.trust.signing import SigningKey, sign
from tests import payloads
from tests.effort import effort
from tests.integration import stage as stages
from tests.integration.stage import TYPES

NAMES = ("Testsson", "Åsa", "Testgatan")
PERSONS = (*payloads.PERSONS, payloads.SAMORDNING)
SENDERS = {
    "skatteverket/folkbokforing": "skatteverket",
    "skatteverket/arbetsgivardeklaration": "skatteverket",
    "arbetsformedlingen/ersattningsstod": "arbetsformedlingen",
    "arbetsgivare/sjukanmalan": "arbetsgivare-a",
}


def forms(person):
    """Return the ways a number is written."""
    short = person[2:]
    return (person, short, *(f"{part[:-4]}{sign}{part[-4:]}" for part in (person, short) for sign in "-+ "))


def holds(text, person):
    return [form for form in (*forms(person), *NAMES) if form in text]


class Watched:
    """The journal, and the exception texts of every refusal that goes into it."""

    def __init__(self, journal):
        self.journal = journal
        self.texts = []

    def accept(self, ready):
        future = self.journal.accept(ready)
        future.add_done_callback(lambda done: self.texts.append(str(done.exception() or "")))
        return future

    def refuse(self, refusal):
        self.texts += [str(refusal.error), refusal.error.detail, repr(refusal.error), repr(refusal)]
        return self.journal.refuse(refusal)

    def keep(self, sign):
        self.texts.append(repr(sign))
        self.journal.keep(sign)


class Gateway:
    """The real thing without sockets."""

    def __init__(self, stage):
        self.stage = stage
        self.intake = wiring.Intake(stage.configuration, clock=wiring.SystemClock())
        self.journal = self.intake.front._journal = Watched(self.intake.journal)
        self.loop = asyncio.new_event_loop()

    def call(self, body, content_type, name, path):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "root_path": "",
            "query_string": b"",
            "headers": [(b"content-type", content_type), (b"content-length", b"%d" % len(body))],
            "extensions": {"tls": {"client_cert_der": self.stage.demo.clients[name].tls.der}},
            "server": ("127.0.0.1", 443),
        }
        self.loop.run_until_complete(self.intake.app(scope, receive, send))
        return sent

    def close(self):
        self.intake.close()
        self.loop.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    made = Gateway(stages.make(tmp_path_factory.mktemp("logs")))
    yield made
    made.close()


def payload(contract, person, stage):
    match contract:
        case "skatteverket/folkbokforing":
            return payloads.folkbokforing(person=person)
        case "skatteverket/arbetsgivardeklaration":
            return payloads.arbetsgivardeklaration(payloads.income(person), payloads.absence(person))
        case "arbetsformedlingen/ersattningsstod":
            return payloads.ersattningsstod(person)
        case _:
            return payloads.sjukanmalan(signer=stage.demo.clients["arbetsgivare-a"].sign, person=person)


def written_elsewhere(text, person, where):
    """Put a person where none belongs: in a name, a namespace, a text, an attribute, a comment or an instruction.

    An element may be called by a word, and a schema error repeats such a name; a number in it is not repeated.
    """
    root = etree.fromstring(text)
    leaves = [element for element in root.iter() if len(element) == 0]
    chosen = leaves[where % len(leaves)]
    match where % 7:
        case 0:
            chosen.text = f"Åsa Testsson {person}"
        case 1:
            chosen.set("person", person)
        case 2:
            etree.SubElement(chosen, f"p{person}").text = "x"
        case 3:
            chosen.append(etree.Comment(person))
        case 4:
            etree.SubElement(root, f"{{urn:{person}:Testsson}}okand").text = f"Åsa {person}"
        case 5:
            chosen.append(etree.ProcessingInstruction("person", person))
        case _:
            chosen.text = "".join(forms(person))
    return etree.tostring(root, method="c14n", exclusive=True).decode()


messages = st.fixed_dictionaries(
    {
        "contract": st.sampled_from(sorted(SENDERS)),
        "person": st.sampled_from(PERSONS),
        "version": st.sampled_from(SoapVersion),
        "where": st.none() | st.integers(0, 400),
        "named": st.booleans(),
        "cut": st.none() | st.none() | st.integers(0, 20_000),
        "flip": st.none() | st.none() | st.integers(0, 20_000),
        "sender": st.sampled_from([None] * 6 + sorted(set(SENDERS.values()))),
        "type": st.sampled_from(["right"] * 6 + ["person", "wrong"]),
        "path": st.sampled_from(["right"] * 7 + ["person"]),
        "age": st.sampled_from([0, 0, 0, 3600]),
    }
)


def composed(gateway, one):
    """Return body, content type and path as the example says."""
    person, contract = one["person"], one["contract"]
    text = payload(contract, person, gateway.stage)
    if one["where"] is not None:
        text = written_elsewhere(text, person, one["where"])
    text = etree.tostring(etree.fromstring(text), method="c14n", exclusive=True).decode()
    material = gateway.stage.demo.clients[SENDERS[contract]].sign
    created = datetime.now(UTC) - timedelta(seconds=one["age"])
    name = f"urn:person:{person}" if one["named"] else None
    body = sign(
        text,
        key=SigningKey(key=material.key, certificate=material.der),
        version=one["version"],
        created=created,
        expires=created + timedelta(minutes=5),
        message_id=name,
        to=name,
        action=name,
    )
    if one["cut"] is not None:
        body = body[: one["cut"]]
    if one["flip"] is not None and body:
        place = one["flip"] % len(body)
        body = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
    types = {"right": TYPES[one["version"]], "person": f"text/{person}; charset={person}", "wrong": f"x/y; a={person}"}
    path = f"/soap/{contract}" if one["path"] == "right" else f"/soap/{person}/Testsson"
    return body, types[one["type"]].encode(), path


@pytest.mark.parametrize("contract", SENDERS)
def test_an_honest_message_is_accepted_here(gateway, contract):
    honest = {
        "contract": contract, "person": PERSONS[0], "version": SoapVersion.SOAP_11, "where": None, "named": False,
        "cut": None, "flip": None, "sender": None, "type": "right", "path": "right", "age": 0,
    }  # fmt: skip
    body, content_type, path = composed(gateway, honest)
    sent = gateway.call(body, content_type, SENDERS[contract], path)
    assert sent[0]["status"] == 200


@effort(250)
@given(one=messages)
def test_no_person_reaches_a_log_line_or_an_exception(gateway, one):
    body, content_type, path = composed(gateway, one)
    gateway.journal.texts.clear()
    with logs.captured() as stream:
        sent = gateway.call(body, content_type, one["sender"] or SENDERS[one["contract"]], path)
    assert sent[0]["status"] in {200, 400, 403, 404, 413, 415, 500}
    told = stream.getvalue().decode() + "".join(gateway.journal.texts)
    assert not holds(told, one["person"])


@effort(300)
@given(
    person=st.sampled_from(PERSONS),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
    happened=st.sampled_from(logs.Happened),
    data=st.data(),
)
def test_no_person_passes_the_log_however_it_is_handed_over(person, before, after, happened, data):
    form = data.draw(st.sampled_from(forms(person)))
    keys = (*logs.EVENTS[happened].keys, "anything")
    with logs.captured() as stream:
        logs.tell(happened, **dict.fromkeys(keys[:-1], f"{before}{form}{after}"))
        logs.tell(happened, **dict.fromkeys(keys[:-1], int(person)))
        with pytest.raises(IntegrityError) as caught:
            logs.tell(happened, **{keys[-1]: form})
    assert not holds(str(caught.value), person)
    assert not holds(stream.getvalue().decode(), person)

"""A far side is as strict as a real partner: it lets in Försäkringskassan and nobody else, and processes an id once."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import requests
from lxml import etree

from gateway import config
from gateway.adapters.registry import Registry
from gateway.cli.demo.clients import signing_key
from gateway.cli.demo.farsides import Door, FarSide, Register
from gateway.cli.demo.farsides.keys import agency
from gateway.errors import ConfigError
from gateway.message import ContractId, SoapVersion
from gateway.trust import pki
from gateway.trust.issuing import KeyKind
from gateway.trust.signing import SigningKey, sign
from tests.abroad import NAVET, ROOT
from tests.builders import NUMBERS

NAVETS = "http://xmls.skatteverket.se/se/skatteverket/folkbokforing/na/epersondata/V1"
UNKNOWN, MARKED = NUMBERS[1], NUMBERS[2]


def question(person: str = NUMBERS[0], order: str = "00000079-FO01-0001") -> str:
    made = etree.fromstring(
        f'<n:PersonpostRequest xmlns:n="{NAVETS}"><n:Bestallning><n:OrgNr>162021005521</n:OrgNr>'
        f"<n:BestallningsId>{order}</n:BestallningsId></n:Bestallning><n:PersonId>{person}</n:PersonId>"
        "</n:PersonpostRequest>"
    )
    return etree.tostring(made, method="c14n", exclusive=True).decode()


@dataclass
class Navet:
    side: FarSide
    demo: pki.Demo
    folder: str
    action: str

    def envelope(self, payload: str | None = None, *, key: SigningKey | None = None, **changes) -> bytes:
        now = datetime.now(UTC)
        right = {
            "key": key or signing_key(self.demo.receipt),
            "version": SoapVersion.SOAP_11,
            "created": now,
            "expires": now + timedelta(minutes=5),
            "message_id": uuid.uuid4().urn,
            "to": self.side.address,
            "action": self.action,
        }
        return sign(payload or question(), **(right | changes))

    def post(self, body: bytes, *, who: str = "keys/client") -> requests.Response:
        return requests.post(
            self.side.address,
            data=body,
            headers={"Content-Type": "text/xml; charset=utf-8"},
            cert=(f"{self.folder}/{who}.pem", f"{self.folder}/{who}.key"),
            verify=f"{self.folder}/pki/chain.pem",
            timeout=20,
        )


@pytest.fixture
def navet(tmp_path) -> Iterator[Navet]:
    now = datetime.now(UTC)
    demo = pki.make(tmp_path, now=now, kind=KeyKind.P256)
    (tmp_path / "pki" / "chain.pem").write_bytes(demo.agencies_root.pem + demo.agencies.pem)
    read = config.load(ROOT / "config" / "gateway.toml", data=tmp_path)
    door = Door(tmp_path, read.gateway.organisation, ROOT / "schemas")
    register = Register(unknown=frozenset({UNKNOWN}), protected=frozenset({MARKED}))
    keys = [agency(demo, name, now=now) for name in ("skatteverket", "arbetsformedlingen")]
    action = Registry.load(ROOT / "schemas").outgoing[ContractId(NAVET)].action
    with FarSide(door, keys[0], other=keys[1], register=register) as side:
        yield Navet(side, demo, str(tmp_path), action)


def test_what_we_sign_is_answered_signed_and_about_this_message(navet):
    answer = navet.post(navet.envelope(message_id="urn:uuid:1"))
    assert answer.status_code == 200
    assert b">urn:uuid:1</wsa:RelatesTo>" in answer.content
    assert navet.side.books.of("urn:uuid:1").processed == 1


def test_the_same_id_again_is_answered_the_same_and_processed_once(navet):
    bodies = [navet.post(navet.envelope(message_id="urn:uuid:1")).content for _ in range(3)]
    said = {etree.tostring(etree.fromstring(one)[-1][0], method="c14n", exclusive=True) for one in bodies}
    entry = navet.side.books.of("urn:uuid:1")
    assert (len(said), entry.seen, entry.processed) == (1, 3, 1)


def test_other_content_under_the_same_id_is_written_down(navet):
    navet.post(navet.envelope(message_id="urn:uuid:1"))
    navet.post(navet.envelope(question(NUMBERS[3]), message_id="urn:uuid:1"))
    assert len(navet.side.books.of("urn:uuid:1").digests) == 2


@pytest.mark.parametrize(
    ("person", "posts", "marked"), [(NUMBERS[0], 1, False), (UNKNOWN, 0, False), (MARKED, 1, True)]
)
def test_navet_knows_whom_it_knows_and_marks_who_is_protected(navet, person, posts, marked):
    answer = etree.fromstring(navet.post(navet.envelope(question(person))).content)
    assert len(list(answer.iter("Folkbokforingspost"))) == posts
    assert [one.text for one in answer.iter("Sekretessmarkering")] == (["J" if marked else "N"] if posts else [])


def test_another_organisation_with_a_true_certificate_is_not_let_in(navet):
    key = signing_key(navet.demo.clients["arbetsformedlingen"].sign)
    answer = navet.post(navet.envelope(key=key), who="clients/arbetsformedlingen/tls")
    assert answer.status_code == 500
    assert navet.side.books.refused == ["GW-PEER-UNKNOWN"]
    assert navet.side.books.processed() == {}


def test_our_connection_does_not_vouch_for_anothers_signature(navet):
    navet.post(navet.envelope(key=signing_key(navet.demo.clients["arbetsformedlingen"].sign)))
    assert navet.side.books.refused == ["GW-CERT-SUBJECT"]


def test_a_stranger_s_certificate_is_turned_away_by_tls(navet):
    with pytest.raises(requests.ConnectionError):
        navet.post(navet.envelope(), who="clients/stranger/tls")
    assert navet.side.books.refused == []


def test_nobody_comes_in_without_a_certificate(navet):
    context = ssl.create_default_context(cafile=f"{navet.folder}/pki/chain.pem")
    assert context.check_hostname
    with pytest.raises(requests.ConnectionError):
        requests.post(navet.side.address, data=b"", verify=f"{navet.folder}/pki/chain.pem", timeout=20)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"to": "https://localhost:1/annan"}, "GW-SIG-ADDRESSING"),
        ({"to": None}, "GW-SIG-ADDRESSING"),
        ({"action": "urn:annan"}, "GW-CONTRACT-ACTION"),
        ({"created": datetime(2026, 1, 1, tzinfo=UTC)}, "GW-TIME-STALE"),
        ({"payload": question(order="X")}, "GW-COMMAND-FORMAT"),
        ({"payload": "<a></a>"}, "GW-CONTRACT-UNKNOWN"),
    ],
)
def test_what_is_not_for_it_or_breaks_its_contract_is_refused_unread(navet, wrong, code):
    answer = navet.post(navet.envelope(**wrong))
    assert answer.status_code == 500
    assert navet.side.books.refused == [code]
    assert navet.side.books.processed() == {}


def test_what_was_changed_on_the_way_is_refused(navet):
    navet.post(navet.envelope().replace(NUMBERS[0].encode(), NUMBERS[3].encode()))
    assert navet.side.books.refused == ["GW-SIG-DIGEST"]


def test_what_is_not_signed_is_refused(navet):
    body = f'<s:Envelope xmlns:s="{SoapVersion.SOAP_11}"><s:Body>{question()}</s:Body></s:Envelope>'
    navet.post(body.encode())
    assert navet.side.books.refused == ["GW-SIG-MISSING"]


def test_a_script_with_an_act_that_nobody_knows_is_refused(navet):
    with pytest.raises(ConfigError, match="accepted are right, partial"):
        navet.side.plan("urn:uuid:1", ["asleep"])


def test_what_tls_is_greeted_with_cannot_depend_on_a_message(navet):
    with pytest.raises(ConfigError, match="cannot depend on the message"):
        navet.side.plan("urn:uuid:1", ["hung_up"])

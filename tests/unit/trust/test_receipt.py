"""Receipts: facts of the acceptance only, the same every time, signed by the key the partner can verify."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from gateway.message import (
    Accepted,
    ContractId,
    Digest,
    Fingerprint,
    LeafHash,
    MessageId,
    OrganisationNumber,
    Outcome,
    PartnerId,
    Provenance,
    RecordOutcome,
    SoapVersion,
)
from gateway.soap import names, xml
from gateway.trust import pki, receipt
from gateway.trust.keys import Signers
from gateway.trust.signing import SigningKey
from tests.unit.trust.office import Office

ROOT = Path(__file__).parents[3]
RECEIVED = datetime(2026, 11, 20, 11, 59, 58, 1000, tzinfo=UTC)
NS = f"{{{receipt.NAMESPACE}}}"


@pytest.fixture(scope="module")
def office(country, trust) -> Office:
    return Office(country=country, trust=trust, now=country.now)


@pytest.fixture(scope="module")
def signers(office) -> Signers:
    """Keys that stand under Skatteverket's roots, so that our own verifier can judge the receipt."""
    p256, rsa = (office.credential(kind) for kind in (pki.KeyKind.P256, pki.KeyKind.RSA_2048))
    return Signers(
        p256=SigningKey(key=p256.key, certificate=p256.der),
        rsa=SigningKey(key=rsa.key, certificate=rsa.der),
        rsa_partners=frozenset({PartnerId("arbetsgivare")}),
    )


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(ROOT / "schemas/receipt.xsd"))


def accepted(*outcomes: Outcome, partner: str = "skatteverket", version=SoapVersion.SOAP_11, **changes) -> Accepted:
    provenance = Provenance(
        partner=PartnerId(partner),
        organisation=OrganisationNumber("2021005448"),
        contract=ContractId("skatteverket/folkbokforing"),
        message_id=MessageId("urn:a&b'c"),
        digest=Digest("ab" * 32),
        version=version,
        action=None,
        signer=Fingerprint("0" * 64),
        created=RECEIVED,
        received_at=RECEIVED,
    )
    made = Accepted(
        provenance=provenance,
        accepted_at=RECEIVED + timedelta(seconds=1),
        outcomes=tuple(
            RecordOutcome(position=position, outcome=outcome, code='X&<">')
            for position, outcome in enumerate(outcomes or (Outcome.PERMIT,), start=1)
        ),
        leaves=(LeafHash(b"\1" * 32), LeafHash(b"\2" * 32)),
        repeated=False,
    )
    return replace(made, **changes)


def alone(text: str) -> str:
    return text


def test_a_receipt_tells_the_facts_and_keeps_its_schema(schema):
    text = receipt.compose(accepted(Outcome.PERMIT, Outcome.DENY, Outcome.REFER))
    root = etree.fromstring(text)
    assert schema.validate(root), schema.error_log
    assert [child.text for child in root][:6] == [
        "urn:a&b'c",
        "ab" * 32,
        "skatteverket/folkbokforing",
        "2026-11-20T11:59:58.001Z",
        "2026-11-20T11:59:59.001Z",
        "PARTIAL",
    ]
    assert [dict(outcome.attrib) for outcome in root.iter(f"{NS}Outcome")] == [
        {"position": "1", "result": "PERMIT", "code": 'X&<">'},
        {"position": "2", "result": "DENY", "code": 'X&<">'},
        {"position": "3", "result": "REFER", "code": 'X&<">'},
    ]
    assert [leaf.text for leaf in root.iter(f"{NS}Leaf")] == [
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
        "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
    ]


@pytest.mark.parametrize(
    ("outcomes", "decision"),
    [
        ((Outcome.PERMIT,), "ACCEPTED"),
        ((Outcome.PERMIT, Outcome.PERMIT), "ACCEPTED"),
        ((Outcome.PERMIT, Outcome.DENY), "PARTIAL"),
        ((Outcome.REFER,), "PARTIAL"),
    ],
)
def test_the_decision_is_accepted_only_where_every_record_was(outcomes, decision):
    assert f"<Decision>{decision}</Decision>" in receipt.compose(accepted(*outcomes))


def test_a_receipt_is_canonical_by_construction():
    text = receipt.compose(accepted(Outcome.PERMIT, Outcome.DENY))
    assert xml.canonical(etree.fromstring(text)) == text.encode()


@pytest.mark.parametrize("version", list(SoapVersion))
@pytest.mark.parametrize("partner", ["skatteverket", "arbetsgivare"])
def test_a_receipt_is_signed_in_the_messages_version_and_quotes_its_id(office, signers, version, partner):
    made = receipt.sign(accepted(version=version, partner=partner), signers, wrap=alone, now=office.now)
    verified = office.verify(made.envelope)
    assert verified.payload.tag == f"{NS}Receipt"
    assert verified.provenance.version is version
    assert verified.provenance.action == receipt.ACTION
    assert made.content_type.startswith("text/xml" if version is SoapVersion.SOAP_11 else "application/soap+xml")
    relates = etree.fromstring(made.envelope).find(f".//{{{names.WSA}}}RelatesTo")
    assert (relates.text, relates.get(names.ID)) == ("urn:a&b'c", "RelatesTo")


def test_the_id_it_answers_is_signed(office, signers):
    made = receipt.sign(accepted(), signers, wrap=alone, now=office.now)
    assert b'URI="#RelatesTo"' in made.envelope
    assert office.refused(made.envelope.replace(b'RelatesTo">urn:a', b'RelatesTo">urn:b')).name == "GW-SIG-DIGEST"


def test_a_repeated_acceptance_gives_the_same_receipt_under_a_fresh_signature(office, signers):
    first = receipt.sign(accepted(), signers, wrap=alone, now=office.now)
    again = receipt.sign(accepted(repeated=True), signers, wrap=alone, now=office.now + timedelta(seconds=30))
    one, two = office.verify(first.envelope), office.verify(again.envelope)
    assert one.provenance.digest == two.provenance.digest
    assert one.provenance.message_id != two.provenance.message_id
    assert two.provenance.created - one.provenance.created == timedelta(seconds=30)


def test_the_contract_may_wrap_the_receipt_in_its_own_answer(office, signers):
    made = receipt.sign(
        accepted(), signers, wrap=lambda text: f'<t:Svar xmlns:t="urn:t">{text}</t:Svar>', now=office.now
    )
    payload = office.verify(made.envelope).payload
    assert (payload.tag, payload[0].tag) == ("{urn:t}Svar", f"{NS}Receipt")

"""A receipt is made again from a hundred bytes, to the byte or not at all; and verified by nothing but Python."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.audit import naive_receipt
from gateway.errors import UntrustedError
from gateway.message import LeafHash, Outcome, PartnerId, SoapVersion
from gateway.trust import pki, receipt
from gateway.trust.issuing import KeyKind
from gateway.trust.keys import Signers
from gateway.trust.signing import SigningKey
from tests.unit.trust.test_receipt import accepted, alone

NOW = datetime(2026, 11, 27, 2, 0, 1, 234567, tzinfo=UTC)
PARTNERS = ("skatteverket", "arbetsgivare")
"""One gets P-256, the other RSA."""


def wrapped(text: str) -> str:
    return f'<t:Svar xmlns:t="urn:t">{text}</t:Svar>'


@pytest.fixture(scope="module")
def signers(demo) -> Signers:
    p256, rsa = demo.receipt, demo.receipt_rsa
    return Signers(
        p256=SigningKey(key=p256.key, certificate=p256.der),
        rsa=SigningKey(key=rsa.key, certificate=rsa.der),
        rsa_partners=frozenset({PartnerId("arbetsgivare")}),
    )


@pytest.fixture(scope="module")
def demo() -> pki.Demo:
    return pki.build(now=datetime.now(UTC), kind=KeyKind.P256)


def certificate(signers: Signers, sign) -> bytes:
    (found,) = {key.certificate for key in (signers.p256, signers.rsa) if key.fingerprint == sign.certificate}
    return found


@pytest.mark.parametrize("wrap", [alone, wrapped])
@pytest.mark.parametrize("version", list(SoapVersion))
@pytest.mark.parametrize("partner", PARTNERS)
def test_a_receipt_is_made_again_to_the_byte(signers, partner, version, wrap):
    facts = accepted(Outcome.PERMIT, Outcome.DENY, partner=partner, version=version, number=7)
    made = receipt.sign(facts, signers, wrap=wrap, now=NOW)
    assert (made.sign.message, made.sign.at) == (7, NOW)
    assert receipt.again(facts, made.sign, certificate(signers, made.sign), wrap=wrap) == made.envelope


def test_the_answer_to_a_repetition_in_another_soap_version_is_made_again_too(signers):
    first = accepted(version=SoapVersion.SOAP_11)
    spoken = accepted(version=SoapVersion.SOAP_12, repeated=True)
    made = receipt.sign(spoken, signers, wrap=alone, now=NOW)
    assert receipt.again(first, made.sign, signers.p256.certificate, wrap=alone) == made.envelope


@pytest.mark.parametrize(
    "changed",
    [
        {"leaves": (LeafHash(b"\3" * 32),)},
        {"accepted_at": NOW},
        {"outcomes": ()},
    ],
)
def test_what_was_not_signed_is_not_made_again(signers, changed):
    facts = accepted()
    sign = receipt.sign(facts, signers, wrap=alone, now=NOW).sign
    with pytest.raises(UntrustedError):
        receipt.again(replace(facts, **changed), sign, signers.p256.certificate, wrap=alone)


def test_neither_another_time_signature_certificate_nor_answer_is_believed(signers):
    facts = accepted()
    sign = receipt.sign(facts, signers, wrap=alone, now=NOW).sign
    assert signers.rsa is not None
    tried = [
        (replace(sign, at=NOW + timedelta(microseconds=1)), signers.p256.certificate, alone),
        (replace(sign, value=bytes(64)), signers.p256.certificate, alone),
        (replace(sign, value=sign.value[:-1]), signers.p256.certificate, alone),
        (sign, signers.rsa.certificate, alone),
        (sign, signers.p256.certificate, wrapped),
    ]
    for other, der, wrap in tried:
        with pytest.raises(UntrustedError):
            receipt.again(facts, other, der, wrap=wrap)


@pytest.mark.parametrize("version", list(SoapVersion))
@pytest.mark.parametrize("partner", PARTNERS)
def test_python_alone_verifies_what_we_signed_and_tells_the_leaves(signers, partner, version):
    made = receipt.sign(accepted(partner=partner, version=version), signers, wrap=wrapped, now=NOW)
    assert naive_receipt.receipt(made.envelope) == (certificate(signers, made.sign), [b"\1" * 32, b"\2" * 32])


@pytest.mark.parametrize("partner", PARTNERS)
def test_python_alone_refuses_a_receipt_with_any_part_of_it_changed(signers, partner):
    envelope = receipt.sign(accepted(partner=partner), signers, wrap=alone, now=NOW).envelope
    inside = [
        envelope.index(mark) + len(mark) + 1
        for mark in (b"<Leaf>", b"<MessageId>", b"<AcceptedAt>", b"<wsu:Created>", b"<ds:DigestValue>",
                     b"<ds:SignatureValue>", b'wsu:Id="RelatesTo">', b'wsu:Id="Action">', b'wsu:Id="MessageID">')
    ]  # fmt: skip
    for at in inside:
        changed = envelope[:at] + (b"B" if envelope[at : at + 1] != b"B" else b"C") + envelope[at + 1 :]
        with pytest.raises(ValueError, match=r"receipt|padding|base64"):
            naive_receipt.receipt(changed)


def test_python_alone_refuses_what_a_reader_might_see_otherwise(signers):
    envelope = receipt.sign(accepted(), signers, wrap=alone, now=NOW).envelope
    body = envelope[envelope.index(b"<soap:Body") : envelope.index(b"</soap:Envelope>")]
    info = envelope[envelope.index(b"<ds:SignedInfo") : envelope.index(b"<ds:SignatureValue>")]
    reference = info[info.index(b'<ds:Reference URI="#RelatesTo"') : info.index(b"</ds:SignedInfo>")]
    for changed in (
        envelope.replace(b"</soap:Envelope>", body + b"</soap:Envelope>"),
        envelope.replace(info, info + info),
        envelope.replace(reference, b""),
        envelope.replace(b"<soap:Header>", b"<soap:Header>" + body.replace(b"AQEB", b"AgIC")),
        b"",
    ):
        with pytest.raises(ValueError, match=r"receipt|not all"):
            naive_receipt.receipt(changed)


def test_python_alone_refuses_another_key_and_numbers_out_of_range(signers):
    assert signers.rsa is not None
    data = b"signed"
    for key in (signers.p256, signers.rsa):
        value = key.sign(data)
        assert naive_receipt.verified(key.certificate, value, data)
        assert not naive_receipt.verified(key.certificate, value, b"other")
        assert not naive_receipt.verified(key.certificate, bytes(len(value)), data)
        assert not naive_receipt.verified(key.certificate, b"\xff" * len(value), data)
        assert not naive_receipt.verified(key.certificate, value + b"\0", data)
        assert not naive_receipt.verified(key.certificate, b"\0" + value, data)
    assert not naive_receipt.verified(signers.rsa.certificate, signers.p256.sign(data), data)
    assert not naive_receipt.verified(signers.p256.certificate, signers.rsa.sign(data), data)

import base64
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from gateway import codes
from gateway.errors import ContractError
from gateway.message import ContractId, Record
from gateway.soap import xml
from tests.unit.adapters import bare

C = "arbetsgivare/sjukanmalan"
NS = "urn:shs:emottagning:SkickaAnmalanFranArbetsgivare:1"
CONTRACT = ContractId(C)
ORGANISATION = "5560269986"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def notice(**changes: str) -> str:
    values = {
        "organisationsnummer": ORGANISATION,
        "personnummer": "199903192392",
        "forstaSjukdag": "2025-12-15",
        "sjuklonePeriodSlut": "2025-12-28",
        "kontaktperson": "<namn>Karin Kontakt</namn><telefon>08-46500444</telefon><epost>karin@example.se</epost>",
    } | changes
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in values.items() if value)
    return f'<Anmalan xmlns="urn:forsakringskassan:utbyte:sjukanmalan:1">{inside}</Anmalan>'


def signed_by(key: Key, exact: bytes) -> bytes:
    match key:
        case rsa.RSAPrivateKey():
            return key.sign(exact, padding.PKCS1v15(), hashes.SHA256())
        case ec.EllipticCurvePrivateKey():
            return key.sign(exact, ec.ECDSA(hashes.SHA256()))
        case ed25519.Ed25519PrivateKey():
            return key.sign(exact)


def certificate(key: Key) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Exempel AB")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=30))
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


def underskrift(signature: bytes, typ: str = "ANORDNARE") -> str:
    return (
        f"<underskrift><signaturtyp>{typ}</signaturtyp><signatur>{base64.b64encode(signature).decode()}</signatur>"
        "<ocspresponse/><signaturdatum>2025-12-29</signaturdatum></underskrift>"
    )


def envelope(exact: bytes, *signatures: str) -> str:
    carried = base64.b64encode(exact).decode()
    return (
        f'<SkickaAnmalanFranArbetsgivare xmlns="{NS}"><anmalanfranarbetsgivare>{carried}</anmalanfranarbetsgivare>'
        f"{''.join(signatures)}</SkickaAnmalanFranArbetsgivare>"
    )


@pytest.fixture(scope="module")
def key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def send(key: Key) -> Callable[..., Record]:
    def _send(
        exact: str | bytes | None = None, *, payload: str | None = None, organisation: str = ORGANISATION
    ) -> Record:
        data = exact if isinstance(exact, bytes) else (notice() if exact is None else exact).encode()
        payload = payload or envelope(data, underskrift(signed_by(key, data)))
        message = bare.Sent(C, payload, organisation=organisation, certificate=certificate(key))
        (record,) = message.validate().records
        return record

    return _send


def code(caught: pytest.ExceptionInfo[ContractError]) -> codes.Code:
    assert "199903192392" not in str(caught.value)
    return caught.value.code


def test_a_notice_becomes_one_record(send: Callable[..., Record]) -> None:
    record = send()
    assert (record.kind, record.position, record.protection) == ("sjukanmalan", 1, None)
    assert record.person.number == "199903192392"
    assert record.period_from == date(2025, 12, 15)
    assert record.fields == {
        "arbetsgivare": ORGANISATION,
        "forstaSjukdag": "2025-12-15",
        "sjuklonePeriodSlut": "2025-12-28",
        "kontaktperson": ({"namn": "Karin Kontakt", "telefon": "08-46500444", "epost": "karin@example.se"},),
    }


def test_employer_and_contact_are_locating_and_free_text_is_free_text() -> None:
    kind = bare.contracts()[CONTRACT].kinds["sjukanmalan"]
    assert {name for name, spec in kind.items() if spec.locating} == {"arbetsgivare", "kontaktperson"}
    assert kind["fritext"].category.value == "fritext"
    assert kind["forstaSjukdag"].category.value == "franvaro"


@pytest.mark.parametrize(
    "make",
    [
        lambda: rsa.generate_private_key(65537, 2048),
        lambda: ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate,
    ],
)
def test_the_signers_own_key_of_every_agreed_kind_signs_the_exact_bytes(make: Callable[[], Key]) -> None:
    signer, exact = make(), notice().encode()
    message = bare.Sent(
        C,
        envelope(exact, underskrift(signed_by(signer, exact))),
        organisation=ORGANISATION,
        certificate=certificate(signer),
    )
    assert message.validate().records
    with pytest.raises(ContractError) as caught:
        message.but(payload=envelope(exact + b" ", underskrift(signed_by(signer, exact)))).validate()
    assert code(caught) is codes.CONTRACT_PAYLOAD_SIGNATURE


def test_a_key_of_another_kind_is_refused() -> None:
    signer, exact = ec.generate_private_key(ec.SECP384R1()), notice().encode()
    payload = envelope(exact, underskrift(signed_by(signer, exact)))
    with pytest.raises(ContractError, match="another kind") as caught:
        bare.Sent(C, payload, organisation=ORGANISATION, certificate=certificate(signer)).validate()
    assert code(caught) is codes.CONTRACT_PAYLOAD_SIGNATURE


def test_a_signature_by_another_key_is_refused(send: Callable[..., Record]) -> None:
    other, exact = ec.generate_private_key(ec.SECP256R1()), notice().encode()
    with pytest.raises(ContractError) as caught:
        send(payload=envelope(exact, underskrift(signed_by(other, exact))))
    assert code(caught) is codes.CONTRACT_PAYLOAD_SIGNATURE


@pytest.mark.parametrize("signature", [b"", b"\0", b"x" * 1000])
def test_a_signature_that_is_none_is_refused(send: Callable[..., Record], signature: bytes) -> None:
    with pytest.raises(ContractError) as caught:
        send(payload=envelope(notice().encode(), underskrift(signature)))
    assert code(caught) is codes.CONTRACT_PAYLOAD_SIGNATURE


def test_exactly_one_signature_is_the_employers(send: Callable[..., Record], key: Key) -> None:
    exact = notice().encode()
    right = underskrift(signed_by(key, exact))
    assistant = underskrift(b"of another contract", "ASSISTENT")
    assert send(payload=envelope(exact, assistant, right))
    for wrong in ((assistant,), (right, right)):
        with pytest.raises(ContractError, match="exactly one") as caught:
            send(payload=envelope(exact, *wrong))
        assert code(caught) is codes.CONTRACT_PAYLOAD_SIGNATURE


def test_the_signature_is_judged_before_anything_in_the_notice_is_read(send: Callable[..., Record]) -> None:
    with pytest.raises(ContractError) as caught:
        send(payload=envelope(b"<not xml", underskrift(b"wrong")))
    assert code(caught) is codes.CONTRACT_PAYLOAD_SIGNATURE


@pytest.mark.parametrize(
    "exact",
    [
        b"",
        b"<not xml",
        b"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><a>&e;</a>",
        b"<annat/>",
        notice().replace("sjukanmalan:1", "sjukanmalan:2").encode(),
        notice().encode().replace(b"Anmalan", "Anmälan".encode("latin-1")),
        notice(fritext="x" * 2001).encode(),
        notice(fritext="x" * 70_000).encode(),
        ("<a>" * 20 + "</a>" * 20).encode(),
        notice(forstaSjukdag="2025-02-30").encode(),
        notice(organisationsnummer="55602699").encode(),
        notice(personnummer="1999-03-19").encode(),
        notice(kontaktperson="").encode(),
        notice(diagnos="X00").encode(),
    ],
)
def test_a_notice_that_cannot_be_read_or_keeps_not_its_schema_is_refused(
    send: Callable[..., Record], exact: bytes
) -> None:
    with pytest.raises(ContractError) as caught:
        send(exact)
    assert code(caught) is codes.CONTRACT_PAYLOAD


def test_an_employer_may_speak_for_itself_only(send: Callable[..., Record]) -> None:
    assert send(notice(organisationsnummer=f"16{ORGANISATION}")).fields["arbetsgivare"] == ORGANISATION
    with pytest.raises(ContractError) as caught:
        send(notice(organisationsnummer="5566778899"))
    assert code(caught) is codes.CONTRACT_SENDER
    with pytest.raises(ContractError) as caught:
        send(organisation="5566778899")
    assert code(caught) is codes.CONTRACT_SENDER


def test_offline_nothing_is_proven_and_nothing_is_compared() -> None:
    (record,) = bare.offline(envelope(notice().encode(), underskrift(b"none")))
    assert record.fields["arbetsgivare"] == ORGANISATION


def test_the_sick_pay_period_may_not_end_before_the_first_sick_day(send: Callable[..., Record]) -> None:
    assert send(notice(sjuklonePeriodSlut="2025-12-15")).fields["sjuklonePeriodSlut"] == "2025-12-15"
    with pytest.raises(ContractError) as caught:
        send(notice(sjuklonePeriodSlut="2025-12-14"))
    assert code(caught) is codes.CONTRACT_CONTENT


@pytest.mark.parametrize("written", ["990319-2392", "9903192392", "19990319-2392", "199903192392"])
def test_the_sick_persons_number_may_be_written_as_people_do(send: Callable[..., Record], written: str) -> None:
    assert send(notice(personnummer=written)).person.number == "199903192392"


def test_a_comment_in_a_value_cuts_it_not_short(send: Callable[..., Record]) -> None:
    assert send(notice(personnummer="19990319<!-- -->2392")).person.number == "199903192392"


def test_base64_may_be_broken_into_lines() -> None:
    (record,) = bare.read(f"{C}/anmalan")
    assert record.person.number == "199903192392"


@pytest.mark.parametrize("broken", ["%%%%", "PEFubWFsYW4", "åäö"])
def test_what_is_not_base64_is_refused(send: Callable[..., Record], broken: str) -> None:
    carried = base64.b64encode(notice().encode()).decode()
    payload = envelope(notice().encode(), underskrift(b"x")).replace(carried, broken)
    with pytest.raises(ContractError) as caught:
        send(payload=payload)
    assert code(caught) in {codes.CONTRACT_SCHEMA, codes.CONTRACT_PAYLOAD}


def test_free_text_and_extensions_are_read_and_told() -> None:
    assert bare.one(f"{C}/fritext").fields["fritext"] == "Återgår troligen på halvtid i februari."
    record = bare.one(f"{C}/tillagg")
    assert record.extensions == ("Anstallningsform",)
    assert "tillsvidare" not in str(record)


RECEIPT = (
    '<Receipt xmlns="urn:forsakringskassan:utbyte:receipt:1"><MessageId>urn:uuid:1&amp;2</MessageId>'
    f'<Digest algorithm="http://www.w3.org/2001/04/xmlenc#sha256">{"0" * 64}</Digest><Contract>{C}</Contract>'
    "<ReceivedAt>2026-01-15T09:00:00.000Z</ReceivedAt><AcceptedAt>2026-01-15T09:00:00.000Z</AcceptedAt>"
    "<Decision>ACCEPTED</Decision><Outcomes></Outcomes><Leaves></Leaves></Receipt>"
)


@pytest.mark.parametrize("receipt", [RECEIPT, RECEIPT.replace("MessageId", "Id")])
def test_the_answer_is_canonical_keeps_the_schema_and_is_the_same_every_time(receipt: str) -> None:
    contract = bare.contracts()[CONTRACT]
    answer = contract.answer(receipt)
    root = etree.fromstring(answer)
    assert xml.canonical(root).decode() == answer == contract.answer(receipt)
    bare.contracts().schema(contract).assertValid(root)
    assert receipt in answer


def test_the_answers_tx_id_is_the_messages_identity() -> None:
    contract = bare.contracts()[CONTRACT]
    assert etree.fromstring(contract.answer(RECEIPT)).findtext(f"{{{NS}}}tx-id") == "urn:uuid:1&2"
    without = contract.answer(RECEIPT.replace("MessageId", "Id"))
    assert str(etree.fromstring(without).findtext(f"{{{NS}}}tx-id")).startswith("urn:sha256:")


def test_typed_faults_are_elements_of_the_contracts_schema() -> None:
    contract = bare.contracts()[CONTRACT]
    assert contract.faults[codes.CONTRACT_PAYLOAD.name] == f"{{{NS}}}XmlValidationError"
    assert contract.faults[codes.CONTRACT_PAYLOAD_SIGNATURE.name] == f"{{{NS}}}SignatureValidationError"
    for clark in set(contract.faults.values()):
        fault = etree.Element(clark)
        etree.SubElement(fault, f"{{{NS}}}message").text = "text"
        bare.contracts().schema(contract).assertValid(fault)


def test_the_other_contracts_answer_with_the_receipt_alone() -> None:
    for contract in bare.contracts().values():
        if contract.id != C:
            assert contract.answer(RECEIPT) == RECEIPT
            assert contract.faults == {}

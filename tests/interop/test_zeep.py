"""What `docs/interop.md` tells a partner who has zeep is run here as it stands, against the WSDL that we give them."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import xmlsec
import zeep
from cryptography.hazmat.primitives.serialization import Encoding
from zeep.exceptions import Fault, SignatureVerificationFailed
from zeep.transports import Transport
from zeep.wsse import BinarySignature, utils

from gateway import codes
from gateway.inbound import path
from gateway.message import Accepted, ContractId, LeafHash, Ready, Received, Refusal
from gateway.soap import fault
from gateway.trust import receipt
from gateway.trust.issuing import SIGNER, KeyKind
from tests import authorities, payloads, rules

ROOT = Path(__file__).parents[2]
CONTRACT = ContractId("skatteverket/folkbokforing")
METHODS = {
    KeyKind.RSA_2048: xmlsec.Transform.RSA_SHA256,
    KeyKind.P256: xmlsec.Transform.ECDSA_SHA256,
}
POSTS = {
    "Folkbokforingspost": [
        {
            "Sekretessmarkering": "N",
            "Arendeuppgift": {"andringstidpunkt": "20260110120000"},
            "Personpost": {
                "PersonId": {"PersonNr": payloads.PERSON},
                "Namn": {"Fornamn": "Åsa", "Efternamn": "Testsson"},
            },
        }
    ]
}


class Gateway(Transport):
    """Takes a message straight to the path and answers with a receipt or a fault; `bend` changes what goes by."""

    def __init__(self, credentials, by, *, asked=lambda body: body, answered=lambda body: body):
        super().__init__()
        self.credentials, self.by, self.asked, self.answered = credentials, by, asked, answered
        self.result = None

    def post(self, address, message, headers):  # noqa: ARG002  # as Transport has it
        received = Received(
            body=self.asked(message),
            content_type=headers["Content-Type"],
            contract=CONTRACT,
            peer=self.credentials["skatteverket-tls"].der,
            at=datetime.now(UTC),
        )
        self.result = path.prepare(received, self.by)
        version = fault.SoapVersion.SOAP_12 if b"2003/05/soap-envelope" in message else fault.SoapVersion.SOAP_11
        answer = requests.Response()
        if isinstance(self.result, Refusal):
            said = fault.fault(self.result.error.code, version=version, message_id=None, reference=None)
            answer.status_code, answer._content, kind = said.status, said.body, said.content_type
        else:
            made = receipt.sign(_accepted(self.result), self.by.signers, wrap=str, now=datetime.now(UTC))
            answer.status_code, answer._content, kind = 200, self.answered(made.envelope), made.content_type
        answer.headers["Content-Type"] = kind
        return answer


def _accepted(ready: Ready) -> Accepted:
    return Accepted(
        provenance=ready.provenance,
        accepted_at=datetime.now(UTC),
        outcomes=ready.outcomes,
        leaves=(LeafHash(bytes(32)),),
        repeated=False,
    )


@pytest.fixture(scope="module")
def signing():
    """Run the guide's example and return its class."""
    guide = (ROOT / "docs" / "interop.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    names: dict[str, type] = {}
    exec(example, names)  # noqa: S102  # the guide's own words are what is tested
    return names["Signering"]


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    folder, now = tmp_path_factory.mktemp("zeep"), datetime.now(UTC)
    made = authorities.Authorities.make(now)
    for kind in METHODS:
        issued = made.issue(f"zeep-{kind}", "skatteverket", replace(SIGNER, kind=kind))
        (folder / f"{kind}.key").write_bytes(issued.key_pem)
        (folder / f"{kind}.crt").write_bytes(issued.pem)
    made.write(folder)
    ours = rules.receipt_credential(now)
    (folder / "receipt.crt").write_bytes(ours.certificate.public_bytes(Encoding.PEM))
    by = rules.build(rules.configuration(folder), random=secrets.token_bytes, receipts=rules.signers(ours))
    return folder, made.credentials, by


def _send(transport: Gateway, wsse, port: str):
    client = zeep.Client(str(ROOT / "schemas" / f"{CONTRACT}.wsdl"), wsse=wsse, transport=transport)
    return client.bind("Folkbokforing", port).Avisera(Folkbokforingsposter=POSTS)


@pytest.fixture(params=["FolkbokforingSoap11", "FolkbokforingSoap12"])
def port(request):
    return request.param


@pytest.mark.parametrize("kind", METHODS, ids=str)
def test_zeep_by_the_guide_is_accepted_and_accepts_our_receipt(country, signing, port, kind) -> None:
    folder, credentials, by = country
    transport = Gateway(credentials, by)
    wsse = signing(str(folder / f"{kind}.key"), str(folder / f"{kind}.crt"), folder / "receipt.crt", METHODS[kind])
    answer = _send(transport, wsse, port)
    assert isinstance(transport.result, Ready)
    assert transport.result.provenance.message_id.startswith("urn:uuid:")
    assert answer.MessageId == transport.result.provenance.message_id


def test_a_message_of_zeeps_that_is_changed_is_refused_with_a_fault(country, signing, port) -> None:
    folder, credentials, by = country
    transport = Gateway(credentials, by, asked=lambda body: body.replace(b"Testsson", b"Tostsson"))
    wsse = signing(
        str(folder / f"{KeyKind.RSA_2048}.key"), str(folder / f"{KeyKind.RSA_2048}.crt"), folder / "receipt.crt"
    )
    with pytest.raises(Fault):
        _send(transport, wsse, port)
    assert isinstance(transport.result, Refusal)
    assert transport.result.error.code is codes.SIG_DIGEST


def test_a_receipt_that_is_changed_is_refused_by_the_guides_client(country, signing, port) -> None:
    folder, credentials, by = country
    transport = Gateway(credentials, by, answered=lambda body: re.sub(rb"<Decision>[A-Z]+<", b"<Decision>NONE<", body))
    wsse = signing(
        str(folder / f"{KeyKind.RSA_2048}.key"), str(folder / f"{KeyKind.RSA_2048}.crt"), folder / "receipt.crt"
    )
    with pytest.raises(SignatureVerificationFailed):
        _send(transport, wsse, port)
    assert isinstance(transport.result, Ready)


class Stamped(BinarySignature):
    """zeep's own signature, over a Timestamp too."""

    def apply(self, envelope, headers):
        now = datetime.now(UTC).replace(microsecond=0)
        times = (utils.WSU.Created(now.isoformat()), utils.WSU.Expires((now + timedelta(minutes=5)).isoformat()))
        utils.get_security_header(envelope).append(utils.WSU.Timestamp(*times))
        return super().apply(envelope, headers)


SHA256 = {"signature_method": xmlsec.Transform.RSA_SHA256, "digest_method": xmlsec.Transform.SHA256}


@pytest.mark.parametrize(
    ("own", "options", "code"),
    [
        pytest.param(BinarySignature, SHA256, codes.SIG_STRUCTURE, id="no-timestamp"),
        pytest.param(Stamped, {}, codes.SIG_ALGORITHM, id="sha1"),
        pytest.param(Stamped, SHA256, codes.SIG_COVERAGE, id="addressing-unsigned"),
    ],
)
def test_zeeps_own_signature_is_refused_as_the_guide_says(country, port, own, options, code) -> None:
    folder, credentials, by = country
    transport = Gateway(credentials, by)
    wsse = own(str(folder / f"{KeyKind.RSA_2048}.key"), str(folder / f"{KeyKind.RSA_2048}.crt"), **options)
    with pytest.raises(SignatureVerificationFailed):  # zeep looks for a signature on the fault, and finds none
        _send(transport, wsse, port)
    assert isinstance(transport.result, Refusal)
    assert transport.result.error.code is code

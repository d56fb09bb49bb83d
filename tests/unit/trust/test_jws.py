"""A signature beside a JSON text verifies by the RFC's own words, with each of our kinds of key."""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.trust import jws
from gateway.trust.issuing import SIGNER, KeyKind, issue
from gateway.trust.signing import SigningKey
from tests.attacks.catalogue import NOW

ALGORITHMS = {KeyKind.P256: "ES256", KeyKind.RSA_2048: "RS256", KeyKind.ED25519: "EdDSA"}


def verify(text: str, body: bytes) -> dict:
    """RFC 7515 section 5.2, with the payload put back as appendix F says."""
    head, between, signature = text.split(".")
    assert between == ""
    header = json.loads(urlsafe_b64decode(head + "=="))
    key = x509.load_der_x509_certificate(b64decode(header["x5c"][0])).public_key()
    signed = f"{head}.{urlsafe_b64encode(body).rstrip(b'=').decode()}".encode()
    value = urlsafe_b64decode(signature + "==")
    match header["alg"]:
        case "ES256":
            dss = encode_dss_signature(int.from_bytes(value[:32]), int.from_bytes(value[32:]))
            key.verify(dss, signed, ECDSA(SHA256()))
        case "RS256":
            key.verify(value, signed, PKCS1v15(), SHA256())
        case "EdDSA":
            key.verify(value, signed)
    return header


@pytest.fixture(params=list(ALGORITHMS))
def signed(request):
    issued = issue(None, replace(SIGNER, kind=request.param, common_name="x", not_after=None), now=NOW)
    return request.param, SigningKey(key=issued.key, certificate=issued.der)


@pytest.mark.parametrize("body", [b"{}", b"", "Å\n".encode() * 999])
def test_it_verifies_and_names_key_and_algorithm(signed, body):
    kind, key = signed
    header = verify(jws.detached(body, key), body)
    assert (header["alg"], len(header["x5c"]), set(header)) == (ALGORITHMS[kind], 1, {"alg", "x5c"})


def test_of_another_body_it_does_not(signed):
    _, key = signed
    with pytest.raises(InvalidSignature):
        verify(jws.detached(b"{}", key), b"{ }")

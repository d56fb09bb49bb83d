"""Who may speak at which address."""

from datetime import timedelta

import pytest

from gateway import codes
from gateway.errors import UnavailableError, UntrustedError
from gateway.message import ContractId, Received
from gateway.trust import peer

SECOND = timedelta(seconds=1)


def received(country, der, *, address="arbetsgivare/sjukanmalan", at=None):
    return Received(body=b"<x/>", content_type="text/xml", contract=ContractId(address), peer=der, at=at or country.now)


def refusal(country, trust, der, **changes):
    with pytest.raises(UntrustedError) as caught:
        peer.admit(received(country, der, **changes), trust)
    assert caught.value.code.step is codes.Step.ADMIT
    return caught.value


@pytest.mark.parametrize(
    ("client", "address"),
    [
        ("skatteverket", "skatteverket/folkbokforing"),
        ("skatteverket", "skatteverket/arbetsgivardeklaration"),
        ("arbetsformedlingen", "arbetsformedlingen/ersattningsstod"),
        ("arbetsgivare-a", "arbetsgivare/sjukanmalan"),
        ("arbetsgivare-b", "arbetsgivare/sjukanmalan"),
    ],
)
def test_a_partner_is_admitted_at_its_own_address(country, trust, client, address):
    known = country.demo.clients[client]
    form = received(country, known.tls.der, address=address)
    admitted = peer.admit(form, trust)
    assert admitted.received is form
    assert (admitted.partner, admitted.organisation) == (address.split("/")[0], known.organisation)
    assert admitted.peer == known.tls.certificate.fingerprint(peer_hash()).hex()


def peer_hash():
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415

    return hashes.SHA256()


def test_a_peer_without_a_certificate_is_a_stranger(country, trust):
    assert refusal(country, trust, None).code is codes.PEER_MISSING


@pytest.mark.parametrize("der", [b"", b"\x30\x00"])
def test_a_peer_whose_certificate_cannot_be_read_is_a_stranger(country, trust, der):
    assert refusal(country, trust, der).code is codes.PEER_UNKNOWN


def test_a_peer_under_an_unknown_ca_is_a_stranger(country, trust):
    stranger = country.demo.clients["stranger"].tls.der
    for address in ("arbetsgivare/sjukanmalan", "skatteverket/folkbokforing", "nobody/x", ""):
        assert refusal(country, trust, stranger, address=address).code is codes.PEER_UNKNOWN


@pytest.mark.parametrize(
    ("client", "address", "owner"),
    [
        ("skatteverket", "arbetsgivare/sjukanmalan", "skatteverket"),
        ("skatteverket", "arbetsformedlingen/ersattningsstod", "skatteverket"),
        ("arbetsgivare-a", "skatteverket/folkbokforing", "arbetsgivare"),
        ("arbetsgivare-a", "nobody/x", "arbetsgivare"),
    ],
)
def test_a_partner_at_anothers_address_is_told_so(country, trust, client, address, owner):
    error = refusal(country, trust, country.demo.clients[client].tls.der, address=address)
    assert error.code is codes.PEER_CONTRACT
    assert owner in error.detail


def test_an_agency_nobody_configured_is_unknown_although_its_ca_is_known(country, trust):
    issued = country.tls(country.demo.agencies, serial_numbers=("2021000969",))
    assert refusal(country, trust, issued.der, address="skatteverket/folkbokforing").code is codes.PEER_UNKNOWN


@pytest.mark.parametrize("numbers", [(), ("1",), ("165560269986", "165566778899")])
def test_a_peer_that_names_no_organisation_is_told_so(country, trust, numbers):
    assert refusal(country, trust, country.tls(serial_numbers=numbers).der).code is codes.PEER_ORGANISATION


def test_a_peer_that_is_not_valid_now_or_no_client_is_told_so(country, trust):
    hour = timedelta(hours=1)
    for changes, inner in (
        ({"not_after": country.now - SECOND}, codes.CERT_EXPIRED),
        ({"not_before": country.now + hour}, codes.CERT_NOT_YET_VALID),
        ({"extended_key_usage": None}, codes.CERT_USAGE),
    ):
        error = refusal(country, trust, country.tls(**changes).der)
        assert error.code is codes.PEER_CERTIFICATE
        assert inner.name in error.detail


def test_a_revoked_peer_is_told_so(country):
    issued = country.tls()
    trust = country.trust(country.employers(revocation=[country.crl(revoked=[issued.certificate])]))
    assert refusal(country, trust, issued.der).code is codes.PEER_CERTIFICATE
    assert peer.admit(received(country, country.tls().der), trust).partner == "arbetsgivare"


def test_a_connection_that_outlives_its_certificate_ends_with_it(country, trust):
    issued = country.tls(not_after=country.now + timedelta(minutes=1))
    peer.admit(received(country, issued.der), trust)
    late = country.now + timedelta(minutes=2)
    assert refusal(country, trust, issued.der, at=late).code is codes.PEER_CERTIFICATE


def test_our_own_old_revocation_list_is_our_fault_and_not_the_peers(country):
    partners = country.partners()
    old = country.crl(next_update=country.now - SECOND)
    trust = country.trust(partners["skatteverket"], country.employers(revocation=[old]))
    with pytest.raises(UnavailableError):
        peer.admit(received(country, country.tls().der), trust)
    # And it is no matter to those who do not stand under that CA.
    stranger = country.demo.clients["stranger"].tls.der
    assert refusal(country, trust, stranger, address="skatteverket/folkbokforing").code is codes.PEER_UNKNOWN
    employer = country.tls().der
    assert refusal(country, trust, employer, address="skatteverket/folkbokforing").code is codes.PEER_UNKNOWN

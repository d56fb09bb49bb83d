"""Who may speak at which address."""

from datetime import timedelta

import pytest

from gateway import codes
from gateway.dispatch import Reply
from gateway.errors import GatewayError, UnavailableError, UntrustedError
from gateway.message import ContractId, OrganisationNumber, PartnerId, Received
from gateway.partners import Endpoint
from gateway.trust import peer, pki
from gateway.trust.chain import Role

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


# Where we are the one who calls


def called(country, partner, *, organisation=None, anchors=(), **changes):
    """Return the endpoint of a partner that we call, and what its server answered there."""
    endpoint = Endpoint(address="https://localhost/x", contracts=("a/b",), organisation=organisation, anchors=anchors)
    return partner.model_copy(update={"endpoint": (endpoint,), **changes}), endpoint


def answering(country, trust, endpoint, der, *, partner, organisation, at=None):
    reply = Reply(status=200, content_type="text/xml", body=b"<x/>", peer=der, at=at or country.now)
    return peer.answering(
        reply,
        contract=ContractId("a/b"),
        partner=PartnerId(partner),
        organisation=OrganisationNumber(organisation),
        endpoint=endpoint,
        trust=trust,
    )


def told(code, *arguments, **options):
    with pytest.raises(GatewayError) as caught:
        answering(*arguments, **options)
    assert caught.value.code is code, caught.value


AGENCY = {"partner": "skatteverket", "organisation": "2021005448"}
A = {"partner": "arbetsgivare", "organisation": "5560269986"}


def test_what_came_back_from_the_called_partner_is_admitted(country):
    agency, endpoint = called(country, country.partners()["skatteverket"])
    server = country.demo.clients["skatteverket"].server
    admitted = answering(country, country.trust(agency), endpoint, server.der, **AGENCY)
    assert (admitted.partner, admitted.organisation) == ("skatteverket", "2021005448")
    assert (admitted.received.body, admitted.received.peer) == (b"<x/>", server.der)
    assert admitted.peer == server.certificate.fingerprint(peer_hash()).hex()


def test_of_a_class_only_the_organisation_that_was_called_is_admitted(country):
    partner, endpoint = called(country, country.employers(), organisation="5560269986")
    trust, clients = country.trust(partner), country.demo.clients
    assert answering(country, trust, endpoint, clients["arbetsgivare-a"].server.der, **A).organisation == "5560269986"
    told(codes.CERT_SUBJECT, country, trust, endpoint, clients["arbetsgivare-b"].server.der, **A)


@pytest.mark.parametrize("what", ["tls", "sign"])
def test_a_certificate_that_is_not_for_servers_serves_nothing(country, what):
    agency, endpoint = called(country, country.partners()["skatteverket"])
    der = getattr(country.demo.clients["skatteverket"], what).der
    told(codes.CERT_USAGE, country, country.trust(agency), endpoint, der, **AGENCY)


def test_another_agencys_server_is_not_the_called_one(country):
    agency, endpoint = called(country, country.partners()["skatteverket"])
    der = country.demo.clients["arbetsformedlingen"].server.der
    told(codes.CERT_SUBJECT, country, country.trust(agency), endpoint, der, **AGENCY)
    stranger = country.demo.clients["stranger"].server.der
    told(codes.CERT_CHAIN, country, country.trust(agency), endpoint, stranger, **AGENCY)


def test_a_servers_common_name_is_the_hosts_and_not_pinned(country):
    pinned = {"organisation": "2021005448", "common_names": ["Skatteverket signering"]}
    agency, endpoint = called(country, country.agency("skatteverket", "2021005448", subject=pinned))
    der = country.demo.clients["skatteverket"].server.der
    assert answering(country, country.trust(agency), endpoint, der, **AGENCY).organisation == "2021005448"


def test_a_revoked_or_expired_server_is_not_believed(country):
    changes = {"extended_key_usage": (pki.SERVER_AUTH,)}
    good, revoked = country.tls(**changes), country.tls(**changes)
    lists = {"revocation": [country.crl(revoked=[revoked.certificate])]}
    partner, endpoint = called(country, country.employers(**lists), organisation="5560269986")
    trust = country.trust(partner)
    assert answering(country, trust, endpoint, good.der, **A)
    told(codes.CERT_REVOKED, country, trust, endpoint, revoked.der, **A)
    late = country.tls(not_after=country.now + timedelta(minutes=1), **changes)
    told(codes.CERT_EXPIRED, country, trust, endpoint, late.der, at=country.now + timedelta(minutes=2), **A)


# An endpoint with anchors of its own


@pytest.fixture
def web(country):
    """A CA of the web, and a server under it that names no organisation."""
    root = country.authority(common_name="Webb-CA")
    server = country.tls(root, serial_numbers=(), extended_key_usage=(pki.SERVER_AUTH,), names=("localhost",))
    return root, server


def with_own(country, web, **changes):
    root, _ = web
    trust = {"revocation": [country.folder / "pki/organisations.crl", country.crl(root)]} | changes
    return called(country, country.employers(**trust), organisation="5560269986", anchors=(country.path(root.pem),))


def test_a_server_under_the_endpoints_own_anchors_is_whom_we_called(country, web):
    partner, endpoint = with_own(country, web)
    admitted = answering(country, country.trust(partner), endpoint, web[1].der, **A)
    assert admitted.organisation == "5560269986"


def test_the_endpoints_own_anchors_vouch_for_its_server_and_nothing_else(country, web):
    partner, _ = with_own(country, web)
    trust, root = country.trust(partner), web[0]
    signer = country.signer(root)
    with pytest.raises(UntrustedError) as caught:
        trust.judge(signer.der, partner=PartnerId("arbetsgivare"), role=Role.SIGNER, at=country.now)
    assert caught.value.code is codes.CERT_CHAIN
    client = country.tls(root)
    assert refusal(country, trust, client.der).code is codes.PEER_UNKNOWN


def test_where_the_endpoint_has_anchors_the_partners_own_do_not_hold_for_it(country, web):
    partner, endpoint = with_own(country, web)
    der = country.demo.clients["arbetsgivare-a"].server.der
    told(codes.CERT_CHAIN, country, country.trust(partner), endpoint, der, **A)


def test_revocation_holds_under_the_endpoints_own_anchors_too(country, web):
    root, server = web
    lists = [country.folder / "pki/organisations.crl", country.crl(root, revoked=[server.certificate])]
    partner, endpoint = with_own(country, web, revocation=lists)
    told(codes.CERT_REVOKED, country, country.trust(partner), endpoint, server.der, **A)
    none, endpoint = with_own(country, web, revocation=[country.folder / "pki/organisations.crl"])
    told(codes.REVOCATION_UNAVAILABLE, country, country.trust(none), endpoint, server.der, **A)
    unasked, endpoint = with_own(country, web, revocation=[], revocation_required=False)
    assert answering(country, country.trust(unasked), endpoint, server.der, **A)


def test_an_old_list_of_an_endpoints_own_ca_is_known_before_it_is_called(country, web):
    old = country.crl(web[0], next_update=country.now + timedelta(hours=1))
    partner, _ = with_own(country, web, revocation=[country.folder / "pki/organisations.crl", old])
    trust = country.trust(partner)
    assert trust.fresh(country.now)
    assert not trust.fresh(country.now + timedelta(hours=2))


def test_an_endpoint_that_this_trust_has_not_read_vouches_for_nobody(country, web):
    partner, endpoint = with_own(country, web)
    bare = country.trust(country.employers())
    told(codes.CERT_CHAIN, country, bare, endpoint, web[1].der, **A)
    assert partner.endpoint == (endpoint,)


def test_a_new_anchor_of_an_endpoint_is_read_like_the_others(country, web):
    root, server = web
    path = country.path(root.pem)
    lists = {"revocation": [], "revocation_required": False}
    partner, endpoint = called(country, country.employers(**lists), organisation="5560269986", anchors=(path,))
    trust = country.trust(partner)
    other = country.authority(common_name="Ny webb-CA")
    path.write_bytes(other.pem)
    renewed = trust.refresh()
    assert renewed is not trust
    told(codes.CERT_CHAIN, country, renewed, endpoint, server.der, **A)

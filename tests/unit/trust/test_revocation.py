"""Revocation lists: what is listed, what is fresh, and which lists are lists at all."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import codes
from gateway.errors import ConfigError, GatewayError, UnavailableError, UntrustedError
from gateway.message import PartnerId
from gateway.trust import pki
from gateway.trust.chain import Role

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def judge(trust, issued, at, partner="arbetsgivare"):
    return trust.judge(issued.der, partner=PartnerId(partner), role=Role.SIGNER, at=at)


def refusal(trust, issued, at, partner="arbetsgivare"):
    with pytest.raises(GatewayError) as caught:
        judge(trust, issued, at, partner)
    return caught.value


def with_lists(country, *paths, required=True):
    return country.trust(country.employers(revocation=paths, revocation_required=required))


def test_a_listed_certificate_is_refused_and_its_neighbour_is_not(country):
    listed, other = country.signer(), country.signer()
    trust = with_lists(country, country.crl(revoked=[listed.certificate]))
    error = refusal(trust, listed, country.now)
    assert isinstance(error, UntrustedError)
    assert error.code is codes.CERT_REVOKED
    assert "Demo Organisations-CA" in error.detail
    judge(trust, other, country.now)


@pytest.mark.parametrize("required", [True, False])
def test_a_listed_certificate_is_refused_however_old_the_list(country, required):
    listed = country.signer()
    path = country.crl(revoked=[listed.certificate], next_update=country.now - SECOND)
    assert refusal(with_lists(country, path, required=required), listed, country.now).code is codes.CERT_REVOKED


def test_without_a_fresh_list_nothing_passes_where_one_is_required(country):
    issued = country.signer()
    trust = with_lists(country, country.crl(next_update=country.now + DAY))
    judge(trust, issued, country.now + DAY)
    error = refusal(trust, issued, country.now + DAY + SECOND)
    assert isinstance(error, UnavailableError)
    assert error.code is codes.REVOCATION_UNAVAILABLE
    assert "past its nextUpdate" in error.detail


def test_without_a_fresh_list_everything_not_listed_passes_where_none_is_required(country):
    issued = country.signer()
    judge(with_lists(country, country.crl(next_update=country.now - SECOND), required=False), issued, country.now)
    judge(with_lists(country, required=False), issued, country.now)


def test_a_list_from_the_future_is_no_list_yet(country):
    issued = country.signer()
    trust = with_lists(country, country.crl(now=country.now + DAY, revoked=[issued.certificate]))
    error = refusal(trust, issued, country.now)
    assert (error.code, "missing" in error.detail) == (codes.REVOCATION_UNAVAILABLE, True)
    assert refusal(trust, issued, country.now + DAY).code is codes.CERT_REVOKED


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_lists_the_newest_that_has_begun_speaks(country, order):
    issued = country.signer()
    paths = [
        country.crl(now=country.now, revoked=[]),
        country.crl(now=country.now + 2 * DAY, revoked=[issued.certificate]),
    ]
    trust = with_lists(country, *paths[::order])
    judge(trust, issued, country.now)
    judge(trust, issued, country.now + DAY)
    # What was remembered of the first list ends where the second begins.
    assert refusal(trust, issued, country.now + 2 * DAY).code is codes.CERT_REVOKED


def test_of_two_lists_a_newer_one_that_does_not_list_it_lets_it_pass(country):
    issued = country.signer()
    trust = with_lists(
        country, country.crl(now=country.now - DAY, revoked=[issued.certificate]), country.crl(now=country.now)
    )
    judge(trust, issued, country.now)


def test_an_intermediate_ca_is_checked_against_its_own_issuers_list(country):
    demo = country.demo
    issued = country.signer(demo.agencies, serial_numbers=("2021005448",))

    def with_root_list(**changes):
        lists = [country.crl(demo.agencies_root, **changes), country.crl(demo.agencies)]
        return country.trust(country.agency("skatteverket", "2021005448", revocation=lists))

    judge(with_root_list(), issued, country.now, "skatteverket")
    trust = with_root_list(revoked=[demo.agencies.certificate])
    error = refusal(trust, issued, country.now, "skatteverket")
    assert (error.code, "Demo Rot-CA" in error.detail) == (codes.CERT_REVOKED, True)
    trust = with_root_list(next_update=country.now - SECOND)
    assert refusal(trust, issued, country.now, "skatteverket").code is codes.REVOCATION_UNAVAILABLE


def test_every_ca_on_the_path_needs_its_list(country):
    demo = country.demo
    issued = country.signer(demo.agencies, serial_numbers=("2021005448",))
    for ca, missing in ((demo.agencies_root, "Demo Myndighets-CA"), (demo.agencies, "Demo Rot-CA")):
        trust = country.trust(country.agency("skatteverket", "2021005448", revocation=[country.crl(ca)]))
        error = refusal(trust, issued, country.now, "skatteverket")
        assert error.code is codes.REVOCATION_UNAVAILABLE
        assert missing in error.detail


def test_a_watcher_sees_a_list_run_out_wherever_one_is_required(country):
    paths = [country.crl(next_update=country.now + DAY)]
    trust = with_lists(country, *paths)
    assert trust.fresh(country.now)
    assert trust.fresh(country.now + DAY)
    assert not trust.fresh(country.now + DAY + SECOND)
    assert not trust.fresh(country.now - DAY)
    assert with_lists(country, *paths, required=False).fresh(country.now + 2 * DAY)
    agencies = country.partners()["skatteverket"]
    both = country.trust(agencies, country.employers(revocation=paths))
    assert both.fresh(country.now)
    assert not both.fresh(country.now + 2 * DAY)


def test_a_watcher_asks_the_list_that_speaks_and_not_an_older_one_with_a_longer_life(country):
    older = country.crl(now=country.now - DAY, next_update=country.now + 9 * DAY)
    trust = with_lists(country, older, country.crl(next_update=country.now + DAY))
    assert trust.fresh(country.now)
    assert not trust.fresh(country.now + 2 * DAY)
    assert refusal(trust, country.signer(), country.now + 2 * DAY).code is codes.REVOCATION_UNAVAILABLE


def test_a_list_may_be_der_and_a_file_may_hold_several_in_pem(country):
    listed = country.signer()
    pem = pki.crl(country.demo.organisations, now=country.now, revoked=[listed.certificate])
    der = x509.load_pem_x509_crl(pem).public_bytes(Encoding.DER)
    older = pki.crl(country.demo.organisations, now=country.now - DAY)
    for content in (pem, der, older + b"\n# newer\n" + pem):
        trust = with_lists(country, country.path(content, ".crl"))
        assert refusal(trust, listed, country.now).code is codes.CERT_REVOKED


def fault(country, path):
    with pytest.raises(ConfigError) as caught:
        with_lists(country, path)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_a_list_counts_only_when_signed_by_a_ca_of_the_partner(country):
    impostor = country.authority(common_name="Demo Organisations-CA", organisation="Demo", path_length=0)
    for ca in (country.demo.strangers, country.demo.agencies, impostor):
        assert "not signed" in fault(country, country.crl(ca))


def test_a_ca_without_crl_sign_signs_no_list(country):
    for usage in ({"key_cert_sign"}, {"key_cert_sign", "crl_sign"}):
        ca = country.authority(common_name="R", key_usage=frozenset(usage))
        employers = country.employers(anchors=[country.path(ca.pem)], revocation=[country.crl(ca)])
        if "crl_sign" in usage:
            judge(country.trust(employers), country.signer(ca), country.now)
        else:
            with pytest.raises(ConfigError, match="not signed"):
                country.trust(employers)


def test_a_certificate_at_hand_is_not_a_ca_that_signs_lists(country):
    leaf = country.signer(key_usage=frozenset({"digital_signature", "crl_sign"}), common_name="Demo Organisations-CA")
    assert "not signed" in fault(country, country.crl(leaf))


@pytest.mark.parametrize(
    "extra",
    [
        (x509.DeltaCRLIndicator(1), True),
        (x509.DeltaCRLIndicator(1), False),
        (x509.IssuingDistributionPoint(None, None, False, False, None, True, False), True),
        (x509.IssuingDistributionPoint(None, None, True, False, None, False, False), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.752.9999.1"), b"\x05\x00"), True),
    ],
    ids=["delta", "delta not critical", "indirect", "only users", "unknown critical"],
)
def test_only_complete_lists_are_taken(country, extra):
    assert "complete" in fault(country, country.crl(extra=[extra]))


def test_a_list_without_an_end_is_no_list(country, sized):
    content = x509.load_pem_x509_crl(country.demo.organisations_crl).tbs_certlist_bytes
    inner = content[content.index(b"\x02\x01\x01") :]
    assert b"\x30" + sized(inner) == content
    judge(with_lists(country, country.path(country.signed(content), ".crl")), country.signer(), country.now)
    time = b"\x17\x0d"
    second = inner.index(time, inner.index(time) + 1)
    endless = b"\x30" + sized(inner[:second] + inner[second + 15 :])
    assert "nextUpdate" in fault(country, country.path(country.signed(endless), ".crl"))


def test_an_unknown_extension_that_is_not_critical_does_no_harm(country):
    extra = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.752.9999.1"), b"\x05\x00"), False)
    judge(with_lists(country, country.crl(extra=[extra])), country.signer(), country.now)


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", b"-----END X509 CRL-----"],
)
def test_what_is_no_list_is_told_with_its_name(country, content):
    assert "is not a revocation list" in fault(country, country.path(content, ".crl"))


def test_a_file_that_is_not_there_is_told_with_its_name(country):
    assert "cannot be read" in fault(country, country.folder / "absent.crl")


def test_a_certificate_is_no_list(country):
    fault(country, country.folder / "pki/organisations.pem")


def test_no_flipped_bit_leaves_a_list_that_is_taken(country):
    der = x509.load_pem_x509_crl(country.demo.organisations_crl).public_bytes(Encoding.DER)
    path = country.path(der, ".crl")
    with_lists(country, path)
    unused_bits = len(der) - len(x509.load_der_x509_crl(der).signature) - 1
    for place in range(len(der)):
        flipped = bytearray(der)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        if place != unused_bits:  # not signed, says nothing
            fault(country, path)

"""Every rule of a certificate both ways, with real certificates."""

import threading
import warnings
from contextlib import suppress
from datetime import timedelta
from functools import cache
from time import perf_counter

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from gateway import codes
from gateway.errors import ConfigError, GatewayError, UnavailableError, UntrustedError
from gateway.message import PartnerId
from gateway.trust import chain, pki, subject
from gateway.trust.chain import Role

EMPLOYERS = PartnerId("arbetsgivare")
SKATTEVERKET = PartnerId("skatteverket")
SECOND = timedelta(seconds=1)


BOTH = (pki.CLIENT_AUTH, pki.SERVER_AUTH)


def judge(trust, issued, *, at, partner=EMPLOYERS, role=Role.SIGNER):
    der = issued if isinstance(issued, bytes) else issued.der
    return trust.judge(der, partner=partner, role=role, at=at)


def refusal(trust, issued, *, at, partner=EMPLOYERS, role=Role.SIGNER):
    with pytest.raises(GatewayError) as caught:
        judge(trust, issued, at=at, partner=partner, role=role)
    return caught.value.code


# Identity


def test_a_partners_certificate_tells_partner_organisation_fingerprint_and_key(country, trust):
    sign = country.demo.clients["skatteverket"].sign
    identity = judge(trust, sign, at=country.now, partner=SKATTEVERKET)
    assert (identity.partner, identity.organisation) == ("skatteverket", "2021005448")
    assert len(identity.fingerprint) == 64
    assert identity.public_key.public_numbers() == sign.key.public_key().public_numbers()


@pytest.mark.parametrize("name", ["arbetsgivare-a", "arbetsgivare-b"])
def test_a_class_takes_any_organisation_under_its_anchors(country, trust, name):
    client = country.demo.clients[name]
    assert judge(trust, client.sign, at=country.now).organisation == client.organisation
    assert judge(trust, client.tls, at=country.now, role=Role.PEER).organisation == client.organisation


@pytest.mark.parametrize("kind", list(pki.KeyKind))
def test_every_key_of_the_signature_profile_can_be_certified(country, trust, kind):
    judge(trust, country.signer(kind=kind), at=country.now)


def test_a_certificate_without_alternative_names_is_taken(country, trust):
    issued = country.tls()
    with pytest.raises(x509.ExtensionNotFound):
        issued.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    judge(trust, issued, at=country.now, role=Role.PEER)


# 2. Read


@pytest.mark.parametrize("der", [b"", b"0", b"\x30\x03\x02\x01\x00", b"-----BEGIN CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(country, trust, der):
    assert refusal(trust, der, at=country.now) is codes.CERT_FORMAT


def test_bytes_after_the_certificate_are_refused(country, trust):
    assert refusal(trust, country.signer().der + b"\0", at=country.now) is codes.CERT_FORMAT


def test_no_flipped_bit_anywhere_leaves_a_certificate_that_holds(country, trust):
    der = country.demo.clients["arbetsgivare-a"].sign.der
    for place in range(len(der)):
        for bit in range(8):
            flipped = bytearray(der)
            flipped[place] ^= 1 << bit
            with pytest.raises(UntrustedError):
                judge(trust, bytes(flipped), at=country.now)


@given(st.data())
def test_whatever_a_ca_signs_nothing_but_our_errors_escapes(country, trust, data):
    names = ("a.example", "192.0.2.1")
    content = bytearray(_rich(country, names).certificate.tbs_certificate_bytes)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    der = country.signed(bytes(content))
    with suppress(UntrustedError, UnavailableError):
        judge(trust, der, at=country.now, role=Role.PEER)


@cache
def _rich(country, names):
    return country.tls(names=names)


def test_what_a_ca_signs_unchanged_holds_although_we_wrapped_it(country, trust):
    content = country.tls().certificate.tbs_certificate_bytes
    judge(trust, country.signed(content), at=country.now, role=Role.PEER)


@pytest.mark.parametrize(
    ("whole", "changed"),
    [
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03"),  # a version nobody has defined
        (b"\x87\x04\xc0\x00\x02\x01", b"\x83\x04\xc0\x00\x02\x01"),  # an x400Address for the IP address
    ],
    ids=["version", "kind of name"],
)
def test_what_the_library_reads_only_later_or_tells_in_its_own_way_is_refused_as_unreadable(
    country, trust, whole, changed
):
    content = country.tls(names=("192.0.2.1",)).certificate.tbs_certificate_bytes
    assert content.count(whole) == 1
    der = country.signed(content.replace(whole, changed))
    assert refusal(trust, der, at=country.now, role=Role.PEER) is codes.CERT_FORMAT


@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_serial_number_that_is_not_positive_is_refused_whatever_warnings_do(country, trust, action):
    issued = country.tls()
    number = issued.certificate.serial_number
    size = (number.bit_length() + 8) // 8
    content = issued.certificate.tbs_certificate_bytes
    negative = content.replace(number.to_bytes(size, "big"), b"\x80" + bytes(size - 1))
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        assert refusal(trust, country.signed(negative), at=country.now, role=Role.PEER) is codes.CERT_FORMAT


# 3. Path


def test_a_certificate_under_an_unknown_root_is_refused(country, trust):
    stranger = country.demo.clients["stranger"].sign
    assert refusal(trust, stranger, at=country.now) is codes.CERT_CHAIN


def test_a_self_signed_certificate_is_refused(country, trust):
    issued = pki.issue(None, country.profile(pki.SIGNER), now=country.now)
    assert refusal(trust, issued, at=country.now) is codes.CERT_CHAIN


def test_a_root_with_the_right_name_and_another_key_is_refused(country, trust):
    impostor = country.authority(common_name="Demo Organisations-CA", organisation="Demo", path_length=0)
    assert impostor.certificate.subject == country.demo.organisations.certificate.subject
    assert refusal(trust, country.signer(impostor), at=country.now) is codes.CERT_CHAIN


def test_one_partners_root_does_not_hold_for_another(country, trust):
    sign = country.demo.clients["skatteverket"].sign
    assert refusal(trust, sign, at=country.now) is codes.CERT_CHAIN


def test_an_unknown_partner_has_no_roots(country, trust):
    sign = country.demo.clients["arbetsgivare-a"].sign
    assert refusal(trust, sign, at=country.now, partner=PartnerId("csn")) is codes.CERT_CHAIN


def test_an_ordinary_certificate_cannot_issue_another(country, trust):
    leaf = country.signer()
    assert refusal(trust, country.signer(leaf), at=country.now) is codes.CERT_CHAIN


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"key_usage": frozenset({"crl_sign"})}, False),
        ({"key_usage": None}, False),
        ({"extended_key_usage": (pki.CLIENT_AUTH,)}, {Role.PEER, Role.SIGNER}),
        ({"extended_key_usage": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)}, True),
        ({"extended_key_usage": (pki.SERVER_AUTH,)}, {Role.SERVER}),
    ],
    ids=["right", "no keyCertSign", "no KeyUsage", "EKU clientAuth", "EKU any", "EKU serverAuth"],
)
@pytest.mark.parametrize("role", list(Role))
def test_a_ca_on_the_path_must_be_allowed_to_issue_for_the_role(country, role, change, holds):
    root = country.authority(common_name="R", path_length=1)
    middle = country.authority(root, common_name="M", **change)
    trust = country.trust(
        country.employers(
            anchors=[country.path(root.pem)],
            intermediates=[country.path(middle.pem)],
            revocation=[],
            revocation_required=False,
        )
    )
    issued = country.signer(middle) if role is Role.SIGNER else country.tls(middle, extended_key_usage=BOTH)
    if holds is True or (holds and role in holds):
        judge(trust, issued, at=country.now, role=role)
    else:
        assert refusal(trust, issued, at=country.now, role=role) is codes.CERT_CHAIN


@pytest.mark.parametrize(("length", "holds"), [(None, True), (1, True), (0, False)])
def test_a_path_longer_than_its_root_allows_is_refused(country, length, holds):
    root = country.authority(common_name="R", path_length=length)
    middle = country.authority(root, common_name="M")
    trust = country.trust(
        country.employers(
            anchors=[country.path(root.pem)],
            intermediates=[country.path(middle.pem)],
            revocation=[],
            revocation_required=False,
        )
    )
    if holds:
        judge(trust, country.signer(middle), at=country.now)
    else:
        assert refusal(trust, country.signer(middle), at=country.now) is codes.CERT_CHAIN


def test_an_expired_ca_on_the_path_is_refused(country):
    root = country.authority(common_name="R", not_after=country.now + timedelta(days=1))
    trust = country.trust(country.employers(anchors=[country.path(root.pem)], revocation=[], revocation_required=False))
    issued = country.signer(root)
    judge(trust, issued, at=country.now)
    assert refusal(trust, issued, at=country.now + timedelta(days=2)) is codes.CERT_CHAIN


def test_a_certificate_holds_from_its_first_second_to_its_last(country):
    first, last = country.now - 60 * SECOND, country.now + timedelta(days=2)
    trust = country.trust(country.employers(revocation=[], revocation_required=False))
    issued = country.signer(not_before=first, not_after=last)
    judge(trust, issued, at=first)
    judge(trust, issued, at=last)
    assert refusal(trust, issued, at=first - SECOND) is codes.CERT_NOT_YET_VALID
    assert refusal(trust, issued, at=last + SECOND) is codes.CERT_EXPIRED


def test_an_expired_stranger_is_told_of_the_chain_and_not_of_the_time(country, trust):
    issued = country.signer(country.demo.strangers, not_after=country.now - SECOND)
    assert refusal(trust, issued, at=country.now) is codes.CERT_CHAIN


def test_a_critical_extension_nobody_understands_is_refused(country, trust):
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.2.752.9999.1"), b"\x05\x00")
    judge(trust, country.signer(extra=((unknown, False),)), at=country.now)
    assert refusal(trust, country.signer(extra=((unknown, True),)), at=country.now) is codes.CERT_USAGE


def test_old_and_new_roots_hold_side_by_side(country):
    new = country.authority(common_name="Ny Organisations-CA")
    both = country.employers(
        anchors=[country.folder / "pki/organisations.pem", country.path(new.pem)],
        revocation=[country.folder / "pki/organisations.crl", country.crl(new)],
    )
    trust = country.trust(both)
    judge(trust, country.signer(), at=country.now)
    judge(trust, country.signer(new), at=country.now)
    assert refusal(country.trust(), country.signer(new), at=country.now) is codes.CERT_CHAIN


# 4. Usage

_EKU = ExtendedKeyUsageOID


@pytest.mark.parametrize(
    ("usage", "purposes", "roles"),
    [
        ({"digital_signature"}, (_EKU.CLIENT_AUTH,), {Role.PEER, Role.SIGNER}),
        ({"digital_signature"}, None, {Role.SIGNER}),
        ({"content_commitment"}, None, {Role.SIGNER}),
        ({"content_commitment"}, (_EKU.CLIENT_AUTH,), {Role.SIGNER}),
        ({"key_encipherment"}, (_EKU.CLIENT_AUTH,), set()),
        (None, (_EKU.CLIENT_AUTH,), set()),
        ({"digital_signature"}, (_EKU.SERVER_AUTH,), {Role.SERVER}),
        ({"content_commitment"}, (_EKU.SERVER_AUTH,), set()),
        ({"digital_signature"}, (_EKU.SERVER_AUTH, _EKU.CLIENT_AUTH), set(Role)),
        ({"digital_signature"}, (_EKU.EMAIL_PROTECTION,), {Role.SIGNER}),
        ({"digital_signature"}, (ObjectIdentifier("1.3.6.1.5.5.7.3.36"),), {Role.SIGNER}),
        ({"digital_signature"}, (_EKU.ANY_EXTENDED_KEY_USAGE,), {Role.SIGNER}),
        ({"digital_signature"}, (_EKU.TIME_STAMPING,), set()),
        ({"digital_signature"}, (_EKU.CODE_SIGNING, _EKU.SERVER_AUTH), {Role.SERVER}),
    ],
)
def test_a_certificate_is_used_only_for_what_it_says(country, trust, usage, purposes, roles):
    issued = country.tls(key_usage=usage and frozenset(usage), extended_key_usage=purposes)
    for role in Role:
        if role in roles:
            judge(trust, issued, at=country.now, role=role)
        else:
            assert refusal(trust, issued, at=country.now, role=role) is codes.CERT_USAGE


def test_a_cas_certificate_signs_no_messages(country):
    root = country.authority(common_name="R")
    ca = country.tls(
        root, authority=True, key_usage=frozenset({"digital_signature", "key_cert_sign", "crl_sign"}), common_name="M"
    )
    trust = country.trust(country.employers(anchors=[country.path(root.pem)], revocation=[], revocation_required=False))
    for role in Role:
        assert refusal(trust, ca, at=country.now, role=role) is codes.CERT_USAGE
    judge(trust, country.tls(root, authority=None), at=country.now)


# 5. Subject


def test_an_agency_is_pinned_to_its_organisation(country, trust):
    other = country.demo.clients["arbetsformedlingen"].sign
    assert refusal(trust, other, at=country.now, partner=SKATTEVERKET) is codes.CERT_SUBJECT
    judge(trust, other, at=country.now, partner=PartnerId("arbetsformedlingen"))


def test_an_agency_may_be_pinned_to_common_names_old_and_new(country):
    pinned = {"organisation": "2021005448", "common_names": ["gammal", "ny"]}
    trust = country.trust(country.agency("skatteverket", "2021005448", subject=pinned))

    def named(name):
        return country.signer(country.demo.agencies, serial_numbers=("202100-5448",), common_name=name)

    for name in ("gammal", "ny"):
        judge(trust, named(name), at=country.now, partner=SKATTEVERKET)
    assert refusal(trust, named("annan"), at=country.now, partner=SKATTEVERKET) is codes.CERT_SUBJECT


@pytest.mark.parametrize("numbers", [(), ("165560269986", "165560269986"), ("165560269986", "165566778899")])
def test_a_subject_has_exactly_one_serial_number(country, trust, numbers):
    assert refusal(trust, country.signer(serial_numbers=numbers), at=country.now) is codes.CERT_SUBJECT


@pytest.mark.parametrize("written", ["5560269986", "556026-9986", "165560269986", "16556026-9986", "SE5560269986"])
def test_every_documented_form_of_the_number_is_taken(country, trust, written):
    issued = country.signer(serial_numbers=(written,))
    assert judge(trust, issued, at=country.now).organisation == "5560269986"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "5560269987",  # check digit
        "SE5560269986-1003",  # somebody in the organisation
        "SE556026-9986",
        "175560269986",
        " 5560269986",
        "5560269986\n",
        "556026998",
        "16165560269986",
        "٥٥٦٠٢٦٩٩٨٦",
    ],
)
def test_no_other_form_is_taken(written):
    with pytest.raises(UntrustedError) as caught:
        subject.organisation_number(written)
    assert caught.value.code is codes.CERT_SUBJECT
    assert not written.strip() or written not in str(caught.value)


def test_a_persons_number_is_never_an_organisations():
    # The shape of a personnummer: a month in the third and fourth place, and a right check digit.
    assert subject.organisation_number("2021005448")
    with pytest.raises(UntrustedError, match="legal person"):
        subject.organisation_number("2011005440")


def _with_check_digit(digits: str) -> str:
    doubled = [int(digit) * (2 - index % 2) for index, digit in enumerate(digits)]
    return digits + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


@given(st.from_regex(r"[0-9]{2}[2-9][0-9]{6}", fullmatch=True))
def test_all_forms_of_a_number_are_one_number_and_every_other_check_digit_is_refused(digits):
    number = _with_check_digit(digits)
    dashed = f"{number[:6]}-{number[6:]}"
    forms = {number, dashed, f"16{number}", f"16{dashed}", f"SE{number}"}
    assert {subject.organisation_number(form) for form in forms} == {number}
    for wrong in set("0123456789") - {number[-1]}:
        with pytest.raises(UntrustedError):
            subject.organisation_number(number[:-1] + wrong)


@given(st.text() | st.from_regex(r"(16|SE)?[0-9-]{9,13}", fullmatch=True))
def test_any_text_gives_ten_digits_or_a_refusal(text):
    with suppress(UntrustedError):
        number = subject.organisation_number(text)
        assert len(number) == 10
        assert number.isascii()
        assert number.isdigit()


# 1. Known


def test_what_is_remembered_ends_with_the_certificate(country):
    trust = country.trust(country.employers(revocation=[], revocation_required=False))
    issued = country.signer(not_after=country.now + timedelta(hours=1))
    judge(trust, issued, at=country.now)
    assert refusal(trust, issued, at=country.now + timedelta(hours=2)) is codes.CERT_EXPIRED
    judge(trust, issued, at=country.now)


def test_what_is_remembered_ends_with_the_revocation_list(country):
    trust = country.trust(country.employers(revocation=[country.crl(next_update=country.now + timedelta(hours=1))]))
    issued = country.signer()
    judge(trust, issued, at=country.now)
    assert refusal(trust, issued, at=country.now + timedelta(hours=2)) is codes.REVOCATION_UNAVAILABLE
    judge(trust, issued, at=country.now)


def test_what_is_remembered_of_one_role_or_partner_says_nothing_of_another(country, trust):
    issued = country.tls(extended_key_usage=None)
    judge(trust, issued, at=country.now, role=Role.SIGNER)
    assert refusal(trust, issued, at=country.now, role=Role.PEER) is codes.CERT_USAGE
    assert refusal(trust, issued, at=country.now, partner=SKATTEVERKET) is codes.CERT_CHAIN


def test_the_memory_is_bounded_and_forgets_the_oldest(country, monkeypatch):
    monkeypatch.setattr(chain, "REMEMBERED", 2)
    trust = country.trust()
    issued = [country.signer() for _ in range(3)]
    for one in issued:
        judge(trust, one, at=country.now)
    assert [key[0] for key in trust._known] == [issued[1].der, issued[2].der]
    judge(trust, issued[0], at=country.now)


def test_threads_may_share_a_trust(country, monkeypatch):
    monkeypatch.setattr(chain, "REMEMBERED", 2)
    trust = country.trust()
    issued = [country.signer() for _ in range(4)]
    faults = []

    def run():
        try:
            for turn in range(100):
                judge(trust, issued[turn % 4], at=country.now)
        except Exception as fault:  # noqa: BLE001  # whatever it is, the test must see it
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_repeated_certificate_costs_next_to_nothing(country, trust):
    issued = country.signer()
    judge(trust, issued, at=country.now)
    copies = [bytes(bytearray(issued.der)) for _ in range(500)]
    began = perf_counter()
    for der in copies:
        trust.judge(der, partner=EMPLOYERS, role=Role.SIGNER, at=country.now)
    # Measured at 1 to 2 microseconds; a judgement made anew costs hundreds.
    assert (perf_counter() - began) / len(copies) < 30e-6


# Files


def test_every_fault_in_a_file_is_told_with_its_name(country):
    leaf, ca = country.signer(), country.demo.organisations
    weak = country.authority(key=rsa.generate_private_key(65537, 1024))  # noqa: S505  # weak on purpose
    edwards = country.authority(kind=pki.KeyKind.ED25519)
    odd = country.authority(key=ec.generate_private_key(ec.SECP256K1()))
    absent = country.folder / "absent.pem"
    wrong = [country.path(content) for content in (b"", b"x", leaf.pem, weak.pem, edwards.pem, odd.pem, leaf.der)]
    wrong.append(country.path(ca.pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
    for path in [*wrong, absent]:
        for change in ({"anchors": [path]}, {"intermediates": [path]}):
            with pytest.raises(ConfigError, match=path.name):
                country.trust(country.employers(**change))


def test_anchors_may_be_pem_with_several_or_der(country):
    ca, other = country.demo.organisations, country.authority(common_name="Annan")
    for content in (other.pem + ca.pem, ca.certificate.public_bytes(Encoding.DER)):
        trust = country.trust(country.employers(anchors=[country.path(content)]))
        judge(trust, country.signer(), at=country.now)


def test_required_lists_must_be_named(country):
    with pytest.raises(ConfigError, match="arbetsgivare"):
        country.trust(country.employers(revocation=[]))


def test_refresh_gives_the_same_trust_until_a_file_changes(country):
    issued, path = country.signer(), country.crl()
    old = country.trust(country.employers(revocation=[path]))
    judge(old, issued, at=country.now)
    assert old.refresh() is old
    path.write_bytes(pki.crl(country.demo.organisations, now=country.now, revoked=[issued.certificate]))
    new = old.refresh()
    assert new is not old
    judge(old, issued, at=country.now)
    assert refusal(new, issued, at=country.now) is codes.CERT_REVOKED
    assert new.refresh() is new


def test_a_broken_or_vanished_file_is_told_at_refresh_and_the_old_trust_holds_on(country):
    issued, path = country.signer(), country.crl()
    trust = country.trust(country.employers(revocation=[path]))
    for break_ in (lambda: path.write_bytes(b"half"), path.unlink):
        break_()
        with pytest.raises(ConfigError, match=path.name):
            trust.refresh()
        judge(trust, issued, at=country.now)


def test_no_text_of_a_refusal_quotes_the_certificate(country, trust):
    secret = "Tolvan Tolvansson"
    for changes in (
        {"serial_numbers": ("1912",)},
        {"not_after": country.now - SECOND},
        {"key_usage": None},
        {"ca": country.demo.strangers},
    ):
        issued = country.signer(**({"common_name": secret, "organisation": secret} | changes))
        with pytest.raises(UntrustedError) as caught:
            judge(trust, issued, at=country.now)
        assert secret not in str(caught.value)
        assert caught.value.__cause__ is None


def test_an_unavailable_list_is_ours_and_safe_to_resend(country):
    trust = country.trust(country.employers(revocation=[country.crl(next_update=country.now - SECOND)]))
    with pytest.raises(UnavailableError):
        judge(trust, country.signer(), at=country.now)

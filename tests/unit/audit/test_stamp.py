"""A token by OpenSSL's authority is believed where everything about it is right, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import stamp
from gateway.errors import ConfigError, IntegrityError
from tests import witnesses
from tests.authority import Authority, verified_by_openssl

DATA = witnesses.Log(size=9).signed()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.make(tmp_path_factory.mktemp("tsa") / "one")


@pytest.fixture(scope="module")
def token(authority):
    request = stamp.request(DATA)
    return request, authority.reply(request.body)


def believed(authority: Authority):
    return stamp.anchors(authority.anchors.read_bytes())


def test_a_right_token_is_believed_with_time_serial_and_policy(authority, token):
    request, answer = token
    found = stamp.verify(answer, DATA, believed(authority), nonce=request.nonce)
    assert abs(found.time - datetime.now(UTC)) < timedelta(minutes=5)
    assert (found.policy, found.serial > 0) == ("1.2.3.4.1", True)


def test_a_kept_token_is_believed_without_its_nonce_and_by_openssl_too(authority, token):
    stamp.verify(token[1], DATA, believed(authority))
    assert "Verification: OK" in verified_by_openssl(authority, DATA, token[1])


def test_what_is_between_may_be_given_with_the_root(authority, token):
    both = authority.anchors.read_bytes() + (authority.folder / "between.pem").read_bytes()
    assert stamp.verify(token[1], DATA, stamp.anchors(both))


def test_two_requests_have_different_nonces():
    assert stamp.request(DATA).nonce != stamp.request(DATA).nonce


def test_the_order_in_which_certificates_come_says_nothing(authority, token):
    """OpenSSL sends the signer's first, whatever a set's order is: half of all authorities would not be read."""
    certificates = sorted(
        x509.load_pem_x509_certificate((authority.folder / f"{name}.pem").read_bytes()).public_bytes(Encoding.DER)
        for name in ("signer", "between")
    )
    for some in (certificates, certificates[::-1]):
        at = min(token[1].index(one) for one in certificates)
        answer = token[1][:at] + b"".join(some) + token[1][at + len(b"".join(some)) :]
        assert stamp.verify(answer, DATA, believed(authority))
        assert "Verification: OK" in verified_by_openssl(authority, DATA, answer)


def refused(said: str):
    return pytest.raises(IntegrityError, match=said)


def test_another_checkpoint_is_not_stamped_by_it(authority, token):
    with refused("Mismatch between messages"):
        stamp.verify(token[1], witnesses.Log(size=10).signed(), believed(authority))


def test_an_answer_to_another_question_is_not_believed(authority, token):
    with refused("Nonce mismatch"):
        stamp.verify(token[1], DATA, believed(authority), nonce=stamp.request(DATA).nonce)


def test_another_authority_is_not_believed(authority, token, tmp_path):
    other = Authority.make(tmp_path / "other")
    with refused("Error while verifying certificates"):
        stamp.verify(token[1], DATA, believed(other))
    with refused("Error while verifying certificates"):
        stamp.verify(other.reply(stamp.request(DATA).body), DATA, believed(authority))


def test_a_certificate_that_had_ended_is_not_believed(tmp_path):
    ended = Authority.make(tmp_path / "ended", ends=datetime.now(UTC) - timedelta(days=1))
    with refused("Error while verifying certificates"):
        stamp.verify(ended.reply(stamp.request(DATA).body), DATA, believed(ended))


def test_a_refusal_is_named(tmp_path):
    strict = Authority.make(tmp_path / "strict", digests="sha256")
    with refused("the authority refused: PKIStatus 2"):
        stamp.verify(strict.reply(stamp.request(DATA).body), DATA, believed(strict))


def test_a_weaker_digest_than_was_asked_for_is_not_believed(authority):
    answer = authority.reply(authority.query(DATA, "-sha256"))
    with refused("not SHA-512"):
        stamp.verify(answer, DATA, believed(authority))


def test_without_a_root_nobody_is_believed(authority, token):
    between = stamp.anchors((authority.folder / "between.pem").read_bytes())
    for some in ((), between):
        with refused("no root certificate"):
            stamp.verify(token[1], DATA, some)


def test_every_byte_of_a_token_counts(authority, token):
    answer, untouched = token[1], stamp.verify(token[1], DATA, believed(authority))
    for at in range(0, len(answer), 3):
        changed = answer[:at] + bytes([answer[at] ^ 0x01]) + answer[at + 1 :]
        try:
            found = stamp.verify(changed, DATA, believed(authority))
        except IntegrityError:
            continue
        assert found == untouched, at  # in what nobody signed: a certificate that is not needed, a text


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_an_integrity_error(authority, data):
    with refused("the time stamp is not"):
        stamp.verify(data, DATA, believed(authority))


def test_a_file_that_holds_no_certificates_is_named():
    with pytest.raises(ConfigError, match="not a file of certificates"):
        stamp.anchors(b"text")

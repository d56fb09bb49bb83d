"""What ends by itself: everything that the configuration names, once, the first to end first; nothing is asked."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway import config
from gateway.config import Next
from gateway.trust import pki
from gateway.trust.certificates import OURSELVES, Inventory, Use, inventory
from tests.rules import ROOT

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def demo():
    return pki.build(now=NOW, kind=pki.KeyKind.P256)


@pytest.fixture
def data(tmp_path, demo):
    pki.write(demo, tmp_path)
    return tmp_path


@pytest.fixture
def read(data):
    return config.load(ROOT / "config" / "gateway.toml", data=data)


def tuned(read, **keys):
    gateway = read.gateway.model_copy(update={"keys": read.gateway.keys.model_copy(update=keys)})
    return read.model_copy(update={"gateway": gateway})


def test_everything_that_is_ours_is_there_with_its_chain(read, demo):
    ours = [(one.use, one.fingerprint) for one in inventory(read) if one.owners == (OURSELVES,)]
    shown = {Use.SERVER: demo.server, Use.CLIENT: demo.client}
    shown |= {Use.SIGNING: demo.receipt, Use.SIGNING_RSA: demo.receipt_rsa}
    every = [
        (use, certificate.fingerprint(pki_hash()).hex())
        for use, issued in shown.items()
        for certificate in (issued.certificate, *issued.issuers)
    ]
    assert sorted(ours) == sorted(every)


def pki_hash():
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    return SHA256()


def test_successors_are_there(read, data, demo):
    (data / "next.pem").write_bytes(demo.receipt.pem)
    following = Next(key=data / "next.key", certificate=data / "next.pem", begins=NOW)
    found = inventory(tuned(read, receipt_next=following, receipt_rsa_next=following))
    assert {one.use for one in found} >= {Use.SIGNING_NEXT, Use.SIGNING_RSA_NEXT}


def test_what_several_partners_stand_under_is_told_once_and_of_all(read):
    (root,) = (one for one in inventory(read) if one.use is Use.ANCHOR and "skatteverket" in one.owners)
    assert root.owners == ("arbetsformedlingen", "skatteverket")


def test_an_endpoints_own_anchors_are_there(read, data, demo):
    (data / "web.pem").write_bytes(demo.strangers.pem)
    partner = read.partners["skatteverket"]
    endpoint = partner.endpoint[0].model_copy(update={"anchors": (data / "web.pem",)})
    partners = {**read.partners, "skatteverket": partner.model_copy(update={"endpoint": (endpoint,)})}
    (found,) = (one for one in inventory(read.model_copy(update={"partners": partners})) if one.use is Use.ENDPOINT)
    assert (found.owners, found.subject) == (("skatteverket",), "CN=Demo Okänd CA,O=Demo,C=SE")


def test_each_list_in_a_file_ends_with_its_next_update(read, data, demo):
    first, second = pki.crl(demo.agencies_root, now=NOW), pki.crl(demo.agencies, now=NOW, next_update=NOW + DAY)
    (data / "pki/agencies.crl").write_bytes(first + second)
    lists = [one for one in inventory(read) if one.use is Use.REVOCATION and "skatteverket" in one.owners]
    assert [(one.subject, one.ends) for one in lists] == [
        ("CN=Demo Myndighets-CA,O=Demo,C=SE", NOW + DAY),
        ("CN=Demo Rot-CA,O=Demo,C=SE", NOW + 30 * DAY),
    ]


def test_a_list_keeps_its_name_when_it_has_a_new_version(read, data, demo):
    def named():
        return {one.fingerprint for one in inventory(read) if one.use is Use.REVOCATION}

    before = named()
    (data / "pki/agencies.crl").write_bytes(
        pki.crl(demo.agencies_root, now=NOW + DAY) + pki.crl(demo.agencies, now=NOW + DAY)
    )
    assert named() == before


@pytest.mark.parametrize("content", [None, b"", b"text", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
@pytest.mark.parametrize("name", ["keys/server.pem", "pki/agencies.pem", "pki/agencies.crl"])
def test_what_cannot_be_read_stands_first_and_hides_nothing(read, data, name, content):
    count = len(inventory(read))
    (data / name).unlink()
    if content is not None:
        (data / name).write_bytes(content)
    first, *others = inventory(read)
    assert first.ends is None
    assert name in first.fault
    assert all(one.ends is not None for one in others)
    assert len(others) >= count - 2


def test_it_is_sorted_by_what_ends_first(read):
    ends = [one.ends for one in inventory(read)]
    assert ends == sorted(ends)


def test_it_is_read_again_only_where_a_file_has_changed(read, data, demo):
    kept = Inventory(read)
    first = kept.read()
    assert kept.read() is first
    (data / "pki/agencies.crl").write_bytes(pki.crl(demo.agencies, now=NOW + DAY))
    assert kept.read() != first
    (data / "keys/server.pem").unlink()
    assert kept.read()[0].ends is None

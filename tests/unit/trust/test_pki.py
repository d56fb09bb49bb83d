"""The throw-away PKI: complete, private, and true to what real issuers do."""

import ssl
import stat
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.errors import ConfigError
from gateway.message import PartnerId
from gateway.trust import pki
from gateway.trust.chain import Role

LAYOUT = {
    "pki/agencies.pem",
    "pki/intermediates.pem",
    "pki/organisations.pem",
    "pki/agencies.crl",
    "pki/organisations.crl",
    "pki/server-ca.pem",
    *(f"keys/{name}" for name in ("server.pem", "server.key", "receipt.pem", "receipt.key")),
    *(f"keys/{name}" for name in ("receipt-rsa.pem", "receipt-rsa.key", "sealing.key", "pseudonym.key")),
    "keys/checkpoint.key",
    "keys/client.pem",
    "keys/client.key",
    *(
        f"clients/{client}/{use}.{kind}"
        for client in ("skatteverket", "arbetsformedlingen", "arbetsgivare-a", "arbetsgivare-b", "stranger")
        for use in ("tls", "sign", "server")
        for kind in ("pem", "key")
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory, country):
    folder = tmp_path_factory.mktemp("made")
    return folder, pki.make(folder, now=country.now)


def test_the_layout_is_as_documented(made):
    folder, _ = made
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == LAYOUT


def test_what_is_private_is_readable_by_its_owner_only(made):
    folder, _ = made
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert modes[".key"] == 0o600
    for path in folder.rglob("*.pem"):
        assert b"PRIVATE KEY" not in path.read_bytes()


def test_keys_are_never_overwritten(made, country):
    folder, demo = made
    with pytest.raises(ConfigError, match="File exists"):
        pki.make(folder, now=country.now, kind=pki.KeyKind.P256)
    assert (folder / "keys/sealing.key").read_bytes() == demo.sealing


def test_a_folder_that_cannot_be_written_is_told(tmp_path, country):
    (tmp_path / "pki").write_bytes(b"a file where a folder must be")
    with pytest.raises(ConfigError, match="cannot be written"):
        pki.write(country.demo, tmp_path)


def test_every_certificate_on_disk_has_its_key_beside_it(made):
    folder, _ = made
    certificates = [path for path in folder.rglob("*.pem") if path.parent.name != "pki"]
    assert len(certificates) == 19
    for path in certificates:
        key = load_pem_private_key(path.with_suffix(".key").read_bytes(), None)
        first = x509.load_pem_x509_certificate(path.read_bytes())
        assert first.public_key() == key.public_key()


def test_keys_are_of_the_kinds_that_are_promised(made):
    _, demo = made
    assert isinstance(demo.receipt.key, ec.EllipticCurvePrivateKey)
    assert isinstance(demo.receipt_rsa.key, rsa.RSAPrivateKey)
    assert isinstance(demo.checkpoint, ed25519.Ed25519PrivateKey)
    assert (len(demo.sealing), len(demo.pseudonym)) == (32, 32)
    for client in demo.clients.values():
        assert client.tls.key.key_size == client.sign.key.key_size == 2048


def test_the_configured_partners_hold_under_it_and_the_stranger_does_not(country, trust):
    for client in country.demo.clients.values():
        partner = PartnerId("arbetsgivare" if client.name.startswith("arbetsgivare") else client.name)
        if client.name == "stranger":
            assert partner not in trust.partners
            continue
        for issued, role in ((client.tls, Role.PEER), (client.sign, Role.SIGNER)):
            identity = trust.judge(issued.der, partner=partner, role=role, at=country.now)
            assert identity.organisation == client.organisation


def test_the_same_randomness_gives_the_same_secrets_and_serial_numbers(country):
    def counting():
        state = iter(range(1, 1000))
        return lambda count: next(state).to_bytes(count, "big")

    one, two = (pki.build(now=country.now, random=counting(), kind=pki.KeyKind.P256) for _ in range(2))
    assert (one.sealing, one.pseudonym) == (two.sealing, two.pseudonym)
    assert one.server.certificate.serial_number == two.server.certificate.serial_number
    assert one.sealing != one.pseudonym


def test_secrets_are_not_shown(country):
    shown = repr(country.demo)
    assert repr(country.demo.sealing) not in shown
    assert repr(country.demo.pseudonym) not in shown
    assert "PrivateKey" not in shown


def _handshake(server, client):
    """Run both ends of TLS in memory; return the certificate that the server saw."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
    ]
    for _ in range(8):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[0].getpeercert(binary_form=True)


def _ends(folder, client):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "keys/server.pem", folder / "keys/server.key")
    server.verify_mode = ssl.CERT_REQUIRED
    for name in ("agencies", "organisations"):
        server.load_verify_locations(folder / f"pki/{name}.pem")
    caller = ssl.create_default_context(cafile=folder / "pki/server-ca.pem")
    caller.load_cert_chain(folder / f"clients/{client}/tls.pem", folder / f"clients/{client}/tls.key")
    for context in (server, caller):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    return server, caller


@pytest.fixture
def lasting(tmp_path):
    """TLS knows no other time than now."""
    from datetime import UTC, datetime  # noqa: PLC0415

    return tmp_path, pki.make(tmp_path, now=datetime.now(UTC), kind=pki.KeyKind.P256)


@pytest.mark.parametrize("client", ["skatteverket", "arbetsgivare-a"])
def test_tls_by_openssl_accepts_partners_and_the_server(lasting, client):
    folder, demo = lasting
    assert _handshake(*_ends(folder, client)) == demo.clients[client].tls.der


def test_tls_by_openssl_refuses_the_stranger(lasting):
    folder, _ = lasting
    with pytest.raises(ssl.SSLError, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
        _handshake(*_ends(folder, "stranger"))


def test_a_profile_bends_exactly_what_it_says(country):
    day = timedelta(days=1)
    issued = country.tls(
        names=("a.example",), extended_key_usage=(pki.SERVER_AUTH,), not_after=country.now + day, path_length=None
    )
    found = issued.certificate
    assert found.not_valid_after_utc == country.now + day
    extensions = found.extensions
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [pki.SERVER_AUTH]
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example"]


def test_a_key_may_be_used_again(country):
    first = country.tls()
    assert country.signer(key=first.key).certificate.public_key() == first.certificate.public_key()

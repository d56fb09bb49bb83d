"""What TLS lets in, and what it asks for."""

import ssl
from datetime import UTC, datetime

import pytest

from gateway import config
from gateway.config import Listen
from gateway.errors import ConfigError
from gateway.transport import server, tls
from gateway.trust import pki
from gateway.trust.issuing import KeyKind
from tests.rules import ROOT


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    pki.make(folder, now=datetime.now(UTC), kind=KeyKind.P256)
    return folder


@pytest.fixture(scope="module")
def configuration(data):
    return config.load(ROOT / "config" / "gateway.toml", data=data)


def made(configuration, **changes):
    return tls.context(configuration.gateway.listen.model_copy(update=changes), configuration.partners.values())


def test_a_client_certificate_is_required_and_old_tricks_are_off(configuration):
    context = made(configuration)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    for option in (ssl.OP_NO_COMPRESSION, ssl.OP_NO_RENEGOTIATION, ssl.OP_CIPHER_SERVER_PREFERENCE):
        assert context.options & option


def test_tls_1_3_alone_by_configuration(configuration):
    assert made(configuration, minimum_tls="1.3").minimum_version is ssl.TLSVersion.TLSv1_3


def test_every_cipher_has_forward_secrecy_and_is_authenticated(configuration):
    for cipher in made(configuration).get_ciphers():
        assert cipher["aead"]
        assert cipher["protocol"] == "TLSv1.3" or cipher["name"].startswith("ECDHE")


def test_every_partners_authorities_are_let_in_once(configuration):
    names = [dict(part[0] for part in ca["subject"])["commonName"] for ca in made(configuration).get_ca_certs()]
    assert sorted(names) == ["Demo Myndighets-CA", "Demo Organisations-CA", "Demo Rot-CA"]


def test_an_authority_in_der_is_read_too(configuration, data, tmp_path):
    der = tmp_path / "ca.der"
    der.write_bytes(ssl.PEM_cert_to_DER_cert((data / "pki" / "agencies.pem").read_text()))
    partner = configuration.partners["skatteverket"]
    trust = partner.trust.model_copy(update={"anchors": (der,), "intermediates": ()})
    context = tls.context(configuration.gateway.listen, [partner.model_copy(update={"trust": trust})])
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_an_authority_that_is_none_is_a_wrong_configuration(configuration, tmp_path, content):
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    partner = configuration.partners["skatteverket"]
    trust = partner.trust.model_copy(update={"anchors": (path,)})
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        tls.context(configuration.gateway.listen, [partner.model_copy(update={"trust": trust})])


def test_a_key_of_another_certificate_is_a_wrong_configuration(configuration, data):
    with pytest.raises(ConfigError, match=r"listen\.certificate"):
        made(configuration, key=data / "keys" / "receipt.key")


def test_a_missing_certificate_is_a_wrong_configuration(configuration, tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        made(configuration, certificate=tmp_path / "none.pem")


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_that_is_not_ours_is_a_wrong_configuration(host, configuration):
    listen = Listen(host=host, port=0, certificate="x", key="x")
    with pytest.raises(ConfigError, match=r"listen\.host"):
        server.bind(listen)

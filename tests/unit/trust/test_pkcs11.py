"""Keys on a real token: they sign what our own verifier takes, survive the token's absence, and never lock it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gateway import codes
from gateway.config import Keys
from gateway.errors import ConfigError, UnavailableError
from gateway.message import PartnerId, SoapVersion
from gateway.soap import names
from gateway.trust import keys, pkcs11, pki, signing
from tests.tokens import PIN, SOFTHSM
from tests.unit.trust.office import Office

OURS = PartnerId("skatteverket")


@pytest.fixture(scope="module")
def office(country, trust) -> Office:
    return Office(country=country, trust=trust, now=country.now)


@pytest.fixture(scope="module")
def p256(box, office):
    issued = office.credential(pki.KeyKind.P256)
    return issued, box.key("receipt", issued.key)


@pytest.fixture(scope="module")
def rsa(box, office):
    issued = office.credential(pki.KeyKind.RSA_2048)
    return issued, box.key("receipt-rsa", issued.key)


def signers(country, p256, rsa=None, **changes) -> keys.Signers:
    unused = country.folder / "unused"
    named = {"receipt": p256[1], "receipt_certificate": country.path(p256[0].pem)}
    if rsa is not None:
        named |= {"receipt_rsa": rsa[1], "receipt_rsa_certificate": country.path(rsa[0].pem)}
    read = Keys(**(named | {"sealing": unused, "pseudonym": unused, "checkpoint": unused} | changes))
    everybody = country.partners()
    if rsa is not None:
        everybody = {name: one.model_copy(update={"receipt": "rsa"}) for name, one in everybody.items()}
    return keys.Signers.build(read, everybody)


class Ticking:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TestSigning:
    @pytest.mark.parametrize("kind", ["p256", "rsa"])
    def test_what_a_token_signs_our_own_verifier_takes(self, country, office, p256, rsa, kind):
        made = signers(country, p256, rsa if kind == "rsa" else None)
        assert made.remote
        key = made.of(OURS, country.now, country.now + timedelta(minutes=5))
        assert key.method == (names.RSA_SHA256 if kind == "rsa" else names.ECDSA_SHA256)
        envelope = signing.sign(
            '<a xmlns="urn:a"></a>',
            key=key,
            version=SoapVersion.SOAP_11,
            created=country.now,
            expires=country.now + timedelta(minutes=5),
            message_id="urn:uuid:1",
        )
        pair = rsa if kind == "rsa" else p256
        assert office.verify(envelope).certificate == pair[0].der

    def test_a_key_may_be_named_by_its_id_and_its_token_by_serial_number(self, country, box, p256):
        import pkcs11 as library  # noqa: PLC0415  # as the module under test has it

        (found,) = library.lib(str(SOFTHSM)).get_tokens(token_label="utbyte")
        serial = found.serial.decode() if isinstance(found.serial, bytes) else found.serial
        source = replace(box.source("receipt"), token=None, serial=serial, label=None, id=b"receipt")
        assert signers(country, (p256[0], source)).remote

    def test_many_threads_sign_at_once_and_every_signature_is_its_own(self, country, p256):
        key = signers(country, p256).p256
        begun = threading.Barrier(8)

        def sign(number: int) -> None:
            begun.wait(20)
            for count in range(25):
                data = f"{number} {count}".encode()
                verify(p256[0], key.sign(data), data)

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(sign, number) for number in range(8)]:
                done.result()


def verify(issued, value: bytes, data: bytes) -> None:
    """Raise InvalidSignature where a P-256 signature in the form of XMLDSig is not of this."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    assert len(value) == 64
    der = encode_dss_signature(int.from_bytes(value[:32]), int.from_bytes(value[32:]))
    issued.key.public_key().verify(der, data, ec.ECDSA(SHA256()))


class TestAtStart:
    """What is wrong is a wrong configuration that names the setting."""

    def refused(self, country, pair, why: str) -> str:
        with pytest.raises(ConfigError, match=why) as refused:
            signers(country, pair)
        assert refused.value.detail.startswith("keys.receipt: ") or "is not the certificate" in why
        assert PIN not in refused.value.detail
        return refused.value.detail

    def test_a_key_that_is_not_there(self, country, box, p256):
        assert "key nobody on token utbyte" in self.refused(country, (p256[0], box.source("nobody")), "NoSuchKey")

    def test_a_token_that_is_not_there(self, country, box, p256):
        self.refused(country, (p256[0], box.source("receipt", token="elsewhere")), "NoSuchToken")

    def test_a_module_that_is_not_there(self, country, box, p256):
        source = box.source("receipt", module=Path("/nowhere/module.so"))
        self.refused(country, (p256[0], source), "module that can be loaded")

    def test_a_certificate_of_another_key(self, country, p256, rsa):
        other = country.signer(kind=pki.KeyKind.P256)
        self.refused(country, (other, p256[1]), "is not the certificate of key receipt on token utbyte")
        self.refused(country, (p256[0], rsa[1]), r"key receipt-rsa on token utbyte")

    def test_a_kind_of_key_that_signs_nowhere(self, country, p256):
        issued = country.signer(key=ed25519.Ed25519PrivateKey.generate())
        self.refused(country, (issued, p256[1]), "only RSA and P-256")

    def test_a_pin_file_that_everybody_may_read(self, country, box, p256, tmp_path):
        pin = tmp_path / "pin"
        pin.write_text(PIN)
        pin.chmod(0o644)
        pkcs11.opened(SOFTHSM)._begin_anew()  # nobody is logged in
        self.refused(country, (p256[0], box.source("receipt", pin=pin)), "chmod")

    def test_a_wrong_pin_is_tried_once_and_another_in_the_file_is_tried_again(self, box, tmp_path):
        pin = tmp_path / "pin"
        pin.write_text("000000")
        pin.chmod(0o600)
        module, source = pkcs11.opened(SOFTHSM), box.source("receipt", pin=pin)
        module._begin_anew()
        with pytest.raises(UnavailableError, match="is refused"):
            module.sign(source, names.ECDSA_SHA256, b"a")
        for _ in range(20):  # a token that counted these would be locked
            with pytest.raises(UnavailableError, match="was refused"):
                module.sign(source, names.ECDSA_SHA256, b"a")
        pin.write_text(PIN)
        assert module.sign(source, names.ECDSA_SHA256, b"a")


class TestATokenThatGoesAway:
    """A daemon lends the token over a socket, and is killed."""

    def test_it_is_told_as_temporary_and_signs_again_once_it_is_back(self, box, p256, monkeypatch):
        ticking = Ticking()
        with box.daemon() as daemon:
            source = daemon.source("receipt")
            module = pkcs11.opened(source.module)
            module._begin_anew()  # another test's daemon had another socket
            monkeypatch.setattr(module, "_monotonic", ticking)
            verify(p256[0], module.sign(source, names.ECDSA_SHA256, b"a"), b"a")
            daemon.kill()
            for _ in range(3):
                ticking.now += pkcs11.REST
                with pytest.raises(UnavailableError, match="key receipt on token utbyte") as away:
                    module.sign(source, names.ECDSA_SHA256, b"b")
                assert away.value.code is codes.KEY_UNAVAILABLE
            daemon.start()
            with pytest.raises(UnavailableError, match="a moment ago"):  # let alone, so that no message waits for it
                module.sign(source, names.ECDSA_SHA256, b"c")
            ticking.now += pkcs11.REST
            verify(p256[0], module.sign(source, names.ECDSA_SHA256, b"d"), b"d")

    def test_a_daemon_that_was_restarted_meanwhile_costs_no_signature(self, box, p256):
        with box.daemon() as daemon:
            source = daemon.source("receipt")
            module = pkcs11.opened(source.module)
            module._begin_anew()
            assert module.sign(source, names.ECDSA_SHA256, b"a")
            daemon.kill()
            daemon.start()
            verify(p256[0], module.sign(source, names.ECDSA_SHA256, b"b"), b"b")

    def test_one_that_stands_still_holds_up_one_signer_and_the_others_are_told_in_time(self, box, p256, monkeypatch):
        monkeypatch.setattr(pkcs11, "PATIENCE", 0.2)
        with box.daemon() as daemon, ThreadPoolExecutor(1) as pool:
            source = daemon.source("receipt")
            module = pkcs11.opened(source.module)
            module._begin_anew()
            assert module.sign(source, names.ECDSA_SHA256, b"a")
            daemon.stop()
            waits = pool.submit(module.sign, source, names.ECDSA_SHA256, b"b")
            while not module._lock.locked():
                time.sleep(0)
            with pytest.raises(UnavailableError, match="still at work for others"):
                module.sign(source, names.ECDSA_SHA256, b"c")
            daemon.go_on()
            verify(p256[0], waits.result(20), b"b")

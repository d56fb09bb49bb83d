"""Where a secret is: a file, a credential, or a key that a URI of RFC 7512 names; nothing in it goes unheeded."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.sources import Token, located

FOLDER = Path("/data")
URI = "pkcs11:token=utbyte;object=receipt?module-path=/lib/m.so"


def find(value: str):
    return located(value, FOLDER, "keys.receipt")


def test_a_file_is_relative_to_the_folder():
    assert find("keys/receipt.key") == Path("/data/keys/receipt.key")
    assert find("/etc/receipt.key") == Path("/etc/receipt.key")


def test_a_credential_is_a_file_where_systemd_put_it(monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/gateway-front.service")
    assert find("credential:receipt.key") == Path("/run/credentials/gateway-front.service/receipt.key")


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "../passwd", "a b"])
def test_a_credential_is_named_without_a_folder(monkeypatch, name):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/gateway-front.service")
    with pytest.raises(ConfigError, match=r"keys\.receipt: credential:NAME"):
        find(f"credential:{name}")


def test_a_key_on_a_token_is_named_by_labels():
    assert find(URI) == Token(module=Path("/lib/m.so"), token="utbyte", serial=None, label="receipt", id=None)


def test_a_key_on_a_token_is_named_by_serial_number_and_id_in_percents():
    found = find("pkcs11:serial=a%20b;id=%01%ff;type=private?module-path=/lib/m%2e.so&pin-source=file:pins/one")
    assert found == Token(
        module=Path("/lib/m..so"), token=None, serial="a b", label=None, id=b"\x01\xff", pin=Path("/data/pins/one")
    )


def test_a_pin_may_be_a_credential(monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    assert find(f"{URI}&pin-source=credential:hsm.pin").pin == Path("/run/credentials/x/hsm.pin")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("pkcs11:token=a;object=b", "module-path"),
        ("pkcs11:token=a;object=b?module-path=m.so", "absolute"),
        ("pkcs11:object=b?module-path=/m.so", "token= or serial="),
        ("pkcs11:token=;object=b?module-path=/m.so", "token= or serial="),
        ("pkcs11:token=a?module-path=/m.so", "object= or id="),
        ("pkcs11:token=a;object=b;type=cert?module-path=/m.so", "type"),
        ("pkcs11:token=a;token=c;object=b?module-path=/m.so", "once"),
        ("pkcs11:slot-id=1;token=a;object=b?module-path=/m.so", "slot-id"),
        ("pkcs11:token=a;object=b?module-path=/m.so&module-name=m", "module-name"),
        (f"{URI}&pin-source=pkcs11:token=a;object=b?module-path=/m.so", "pin-source"),
    ],
)
def test_what_names_no_one_key_is_refused(uri, why):
    with pytest.raises(ConfigError, match=f"^GW-CONFIG: keys.receipt: .*{why}"):
        find(uri)


@pytest.mark.parametrize("uri", [f"{URI}&pin-value=271828", "pkcs11:token=a;object=b;pin-value=271828"])
def test_a_pin_in_the_configuration_is_refused_and_not_repeated(uri):
    with pytest.raises(ConfigError, match="never in the configuration") as refused:
        find(uri)
    assert "271828" not in str(refused.value)


def test_what_names_a_key_for_operators_holds_no_pin_and_no_path_to_it():
    found = find(f"{URI}&pin-source=/secret/place")
    assert str(found) == "key receipt on token utbyte"
    assert "secret" not in repr(found)

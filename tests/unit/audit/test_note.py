from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.audit import note
from gateway.errors import ConfigError, IntegrityError
from tests import builders

VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
TEXT = "This is an example message.\n"
LINE = (
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
NOTE = f"{TEXT}\n{LINE}".encode()
"""A note signed by another implementation (C2SP signed-note)."""


def test_a_note_signed_by_another_implementation_is_believed():
    assert note.verify(NOTE, [note.Key.parse(VKEY)]) == TEXT


def test_a_key_is_written_as_it_was_read():
    assert str(note.Key.parse(VKEY)) == VKEY


def test_what_we_sign_is_what_we_believe():
    signer = builders.signer()
    assert note.verify(signer.sign("a\n\nb\n"), [note.Key.parse(str(signer.key))]) == "a\n\nb\n"


def test_every_changed_byte_of_a_note_is_noticed():
    signer = builders.signer("log.example")
    signed = signer.sign("some text\n")
    for at in range(len(signed)):
        for bit in (1, 0x20):
            changed = signed[:at] + bytes([signed[at] ^ bit]) + signed[at + 1 :]
            with pytest.raises(IntegrityError):
                note.verify(changed, [signer.key])


def test_a_signature_by_a_stranger_is_ignored():
    ours, theirs = builders.signer("ours.example"), builders.signer("theirs.example")
    both = ours.sign(TEXT) + theirs.sign(TEXT).split(b"\n\n")[1]
    assert note.verify(both, [ours.key]) == TEXT


def test_a_note_signed_by_strangers_only_is_refused():
    with pytest.raises(IntegrityError, match="not signed by any key"):
        note.verify(NOTE, [builders.signer().key])


def test_a_wrong_signature_by_a_known_key_spoils_a_note_that_another_signed():
    ours, theirs = builders.signer("ours.example"), builders.signer("theirs.example")
    wrong = b64encode(theirs.key.id + b"\x00" * 64)
    both = ours.sign(TEXT) + b"\xe2\x80\x94 theirs.example " + wrong + b"\n"
    with pytest.raises(IntegrityError, match=r"signature by theirs\.example is wrong"):
        note.verify(both, [ours.key, theirs.key])


def test_sixteen_signatures_are_read():
    signers = [builders.signer(f"log{n}.example") for n in range(16)]
    signed = signers[0].sign(TEXT) + b"".join(one.sign(TEXT).split(b"\n\n")[1] for one in signers[1:])
    assert note.verify(signed, [one.key for one in signers]) == TEXT


@pytest.mark.parametrize(
    "malformed",
    [
        pytest.param(TEXT.encode(), id="no signatures"),
        pytest.param(f"{TEXT}\n".encode(), id="no signature lines"),
        pytest.param(NOTE[:-1], id="last line without newline"),
        pytest.param(NOTE.replace("—".encode(), b"-"), id="hyphen for em dash"),
        pytest.param(NOTE.replace(b"Uw2QOkn8", b"Uw2Q\xff"), id="not UTF-8"),
        pytest.param(NOTE.replace(b"example message", b"example\tmessage"), id="control character"),
        pytest.param(NOTE + b"more\n", id="text after the signatures"),
        pytest.param(NOTE.replace(b"Uw2QOkn8srV1yJGh", b"Uw2QOg=="), id="signature of nothing but a key id"),
        pytest.param(f"{TEXT}\n{LINE * 101}".encode(), id="too many signatures"),
        pytest.param(b"a" * 1_000_001, id="too large"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_malformed_note_is_refused(malformed):
    with pytest.raises(IntegrityError):
        note.verify(malformed, [note.Key.parse(VKEY)])


@pytest.mark.parametrize("text", ["no newline", "tab\there\n", "nul\x00\n", ""])
def test_a_text_that_can_be_no_note_is_not_signed(text):
    with pytest.raises(IntegrityError):
        builders.signer().sign(text)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        VKEY.replace("530d903a", "530d903b"),
        VKEY.replace("example.com/foo", "example.com/bar"),
        VKEY.replace("example.com/foo", ""),
        VKEY.replace("+Aek", "+Bek"),
        VKEY[:-4],
        VKEY + "!",
    ],
)
def test_a_wrong_verifier_key_is_refused(vkey):
    with pytest.raises(ConfigError):
        note.Key.parse(vkey)


def test_a_private_key_is_read_from_pem():
    private = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signer = note.Signer.from_pem("log.example", pem)
    assert signer.key.public == private.public_key().public_bytes_raw()


def test_only_ed25519_signs_notes():
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for wrong in (pem, b"no pem"):
        with pytest.raises(ConfigError):
            note.Signer.from_pem("log.example", wrong)


def test_a_key_name_has_neither_space_nor_plus():
    for name in ("a b", "a+b", ""):
        with pytest.raises(ConfigError):
            note.Signer(name, Ed25519PrivateKey.from_private_bytes(b"\x07" * 32))

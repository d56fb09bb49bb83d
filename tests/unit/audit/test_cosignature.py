from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import checkpoint, cosignature, note
from gateway.errors import ConfigError, IntegrityError
from tests import builders, witnesses

PUBLISHED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()
"""The example of C2SP tlog-cosignature; the witness's public key is not published with it."""
AT = 1_763_640_000


def witness(name: str = "witness.example/w1") -> cosignature.Signer:
    return cosignature.Signer(name, Ed25519PrivateKey.from_private_bytes(witnesses.digest(name)))


@pytest.fixture
def signed():
    return witnesses.Log(size=7).signed()


def cosigned(signed: bytes, *signers: cosignature.Signer, at: int = AT) -> bytes:
    text = note.signatures(signed, ())[0]
    return signed + "".join(one.cosign(text, at) for one in signers).encode()


def test_the_published_example_says_the_time_that_its_text_says():
    (line,) = [line for line in PUBLISHED.decode().split("\n") if "witness" in line]
    signature = note._decode(line.split(" ")[2])[4:]
    assert (cosignature.time(signature), len(signature)) == (1679315147, 72)


def test_the_published_example_is_read_though_nobody_in_it_is_known():
    text, by = note.signatures(PUBLISHED, [witness().key])
    assert (checkpoint.parse(text).size, by) == (20852163, [])


def test_what_is_signed_is_written_byte_by_byte_as_published():
    text = PUBLISHED.decode().partition("\n\n")[0] + "\n"
    assert cosignature._message(text, 1679315147) == (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_a_cosignature_is_believed_with_its_time(signed):
    one, two = witness(), witness("witness.example/w2")
    both = cosigned(signed, one, two)
    assert cosignature.verify(both, [one.key, two.key]) == {one.key: AT, two.key: AT}
    assert cosignature.verify(both, [two.key]) == {two.key: AT}


def test_the_log_s_own_signature_stays_good_beside_it(signed):
    log = witnesses.Log()
    assert checkpoint.verify(cosigned(signed, witness()), log.key).size == 7


def test_of_two_by_one_witness_the_later_time_counts(signed):
    one = witness()
    assert cosignature.verify(cosigned(cosigned(signed, one), one, at=AT + 9), [one.key]) == {one.key: AT + 9}


def test_every_changed_byte_is_noticed(signed):
    one, log = witness(), witnesses.Log()
    both = cosigned(signed, one)
    for at in range(len(both)):
        changed = both[:at] + bytes([both[at] ^ 1]) + both[at + 1 :]
        try:
            found = cosignature.verify(changed, [one.key])
            checkpoint.verify(changed, log.key)
        except IntegrityError:
            continue
        assert found == {}, at  # another name, or another key id: a stranger's


def test_a_signature_of_another_type_by_the_same_key_is_not_a_cosignature(signed):
    private = Ed25519PrivateKey.from_private_bytes(witnesses.digest("x"))
    plain, witness_ = note.Signer("a.example", private), cosignature.Signer("a.example", private)
    text = note.signatures(signed, ())[0]
    assert plain.key.id != witness_.key.id
    forged = signed + note.line(witness_.key, AT.to_bytes(8, "big") + private.sign(text.encode())).encode()
    with pytest.raises(IntegrityError, match=r"by a\.example is wrong"):
        cosignature.verify(forged, [witness_.key])


@pytest.mark.parametrize("length", [1, 8, 64, 71, 73])
def test_a_cosignature_of_another_length_is_refused(signed, length):
    one = witness()
    with pytest.raises(IntegrityError, match="not a time and an Ed25519 signature"):
        cosignature.verify(signed + note.line(one.key, b"\x00" * length).encode(), [one.key])


def test_a_time_beyond_2_to_the_63rd_is_refused(signed):
    one = witness()
    with pytest.raises(IntegrityError, match="not a time"):
        cosignature.verify(cosigned(signed, one, at=2**63), [one.key])


def test_a_witness_s_vkey_is_written_as_it_was_read_and_is_no_log_s():
    key = witness().key
    assert cosignature.Key.parse(str(key)) == key
    with pytest.raises(ConfigError, match="Ed25519 key"):
        note.Key.parse(str(key))
    with pytest.raises(ConfigError, match="type 0x04"):
        cosignature.Key.parse(str(builders.signer().key))


@pytest.mark.parametrize("name", ["", "a b", "a+b"])
def test_a_name_that_can_be_no_key_s_is_refused(name):
    with pytest.raises(ConfigError):
        witness(name)

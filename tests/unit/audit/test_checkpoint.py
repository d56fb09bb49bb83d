from __future__ import annotations

from base64 import b64encode

import pytest

from gateway.audit import checkpoint, note
from gateway.audit.tree import EMPTY
from gateway.errors import IntegrityError
from tests import builders

TEN = checkpoint.Checkpoint(origin=builders.ORIGIN, size=10, root=b"\x0a" * 32)


def test_a_checkpoint_is_three_lines():
    assert str(TEN) == f"{builders.ORIGIN}\n10\n{b64encode(TEN.root).decode()}\n"
    assert checkpoint.parse(str(TEN)) == TEN


def test_what_was_signed_is_read_back():
    signer = builders.signer()
    assert checkpoint.verify(checkpoint.sign(TEN, signer), signer.key) == TEN


def test_the_empty_log_can_be_signed():
    empty = checkpoint.Checkpoint(origin=builders.ORIGIN, size=0, root=EMPTY)
    assert checkpoint.verify(checkpoint.sign(empty, builders.signer()), builders.signer().key) == empty


def test_one_log_does_not_sign_for_another():
    with pytest.raises(IntegrityError):
        checkpoint.sign(TEN, builders.signer("other.example"))


def test_a_checkpoint_of_another_origin_is_refused_though_our_key_signed_it():
    signer = builders.signer("other.example")
    with pytest.raises(IntegrityError, match=r"is of .*, not of other\.example"):
        checkpoint.verify(signer.sign(str(TEN)), signer.key)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("log.example\n10\n", id="no root"),
        pytest.param(str(TEN).replace("\n10\n", "\n010\n"), id="leading zero"),
        pytest.param(str(TEN).replace("\n10\n", "\n-1\n"), id="negative"),
        pytest.param(str(TEN).replace("\n10\n", "\n1e1\n"), id="not decimal"),
        pytest.param(str(TEN).replace("CgoK", "Cgo", 1), id="short root"),
        pytest.param(str(TEN) + "extension\n", id="extension line"),
        pytest.param("\n" + str(TEN), id="empty origin"),
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text):
    with pytest.raises(IntegrityError):
        checkpoint.parse(text)
    signer = builders.signer()
    with pytest.raises(IntegrityError):
        checkpoint.verify(signer.sign(text), note.Key.parse(str(signer.key)))

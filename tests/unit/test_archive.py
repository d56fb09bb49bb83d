"""A register of law as one thing to keep: the same bytes for the same files, and nothing believed but its hash."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import archive, register
from gateway.config.archive import Change, How
from gateway.errors import IntegrityError

NAMES = st.from_regex(r"(lagrum|bases)/[a-z0-9-]{1,20}\.toml", fullmatch=True) | st.just("categories.toml")
LAWS = st.dictionaries(NAMES, st.binary(max_size=400), max_size=6)

OLD = """
[[basis]]
id = "IN-1"
giltig_fom = 2025-01-01
fields = ["a"]
author = "anna"
approved_by = ["bo", "cia"]

[[basis]]
id = "IN-2"
giltig_fom = 2025-01-01
"""
NEW = """
[[basis]]
id = "IN-1"
giltig_fom = 2025-01-01
fields = ["a", "b"]
author = "dan"
approved_by = ["eva", "fia"]

[[basis]]
id = "IN-1"
giltig_fom = 2026-01-01
author = "dan"
approved_by = ["eva", "fia"]
"""


@given(LAWS)
def test_what_was_packed_comes_out_again_byte_for_byte(law):
    assert archive.unpacked(archive.packed(law), register.policy(law)) == law


@given(LAWS)
def test_the_same_files_give_the_same_archive_in_whatever_order_they_were_read(law):
    assert archive.packed(dict(reversed(law.items()))) == archive.packed(law)


def test_an_archive_is_an_ordinary_one_for_whoever_has_nothing_but_tar():
    packed = archive.packed({"lagrum/sfb.toml": b"x = 1\n"})
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        assert [(one.name, one.mtime, one.uid, one.gid) for one in tar] == [("lagrum/sfb.toml", 0, 0, 0)]


@pytest.mark.parametrize(
    "archived",
    [
        pytest.param(archive.packed({"lagrum/sfb.toml": b"y"}), id="another law"),
        pytest.param(b"no archive", id="no archive"),
        pytest.param(archive.packed({"lagrum/sfb.toml": b"x"})[:-9], id="cut"),
        pytest.param(gzip.compress(b"no tar at all"), id="no tar"),
    ],
)
def test_what_does_not_have_the_hash_it_was_asked_for_by_is_not_given(archived):
    with pytest.raises(IntegrityError, match="register"):
        archive.unpacked(archived, register.policy({"lagrum/sfb.toml": b"x"}))


@pytest.mark.parametrize("name", ["../outside.toml", "/etc/outside.toml"])
def test_a_file_that_would_stand_outside_is_not_given_even_with_its_hash(name):
    law = {name: b"x"}
    with pytest.raises(IntegrityError):
        archive.unpacked(archive.packed(law), register.policy(law))


def test_changes_name_rows_with_who_answers_for_them():
    law = {"bases/a.toml": OLD.encode()}, {"bases/b.toml": NEW.encode(), "categories.toml": b"[words]\na = 'halsa'"}
    approved = ("eva", "fia")
    assert archive.changes(*law) == (
        Change(row="basis IN-1@2025-01-01", how=How.CHANGED, author="dan", approved_by=approved),
        Change(row="basis IN-1@2026-01-01", how=How.ADDED, author="dan", approved_by=approved),
        Change(row="basis IN-2@2025-01-01", how=How.REMOVED, author=None, approved_by=()),
        Change(row="categories.toml words", how=How.ADDED, author=None, approved_by=()),
    )
    assert archive.changes(law[0], law[0]) == ()


def test_a_register_that_nobody_can_read_any_more_is_still_told_apart():
    (change,) = archive.changes({"lagrum/a.toml": b"\xff"}, {"lagrum/a.toml": b"\xfe"})
    assert (change.row, change.how) == ("lagrum/a.toml", How.CHANGED)

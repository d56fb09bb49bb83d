"""What a reading is, and that no person's number is in one."""

from __future__ import annotations

import json
from dataclasses import replace

import orjson
import pytest

from gateway.audit import leaf, reading
from gateway.audit.reading import LEFT_OUT, Purpose
from gateway.errors import IntegrityError
from tests import builders

SALT = bytes(range(leaf.SALT))
ELEVEN = builders.NUMBERS[0][2:8] + "-" + builders.NUMBERS[0][8:]


def said(**more) -> dict[str, object]:
    return json.loads(reading.read(builders.reading(**more), salt=SALT).record)


def test_the_record_says_who_why_in_which_case_and_what():
    asked = {"page": 2, "since": "2026-11-01T00:00:00+00:00", "withheld": True, "none": None, "queues": ["a", "b"]}
    person = builders.pseudonym(builders.NUMBERS[0])
    assert said(question="Q2", parameters=asked, pseudonym=person, purpose=Purpose.TILLSYN) == {
        "at": "2026-11-20T12:00:00Z", "case": "K 2026/17", "kind": "reading", "parameters": asked, "pseudonym": person,
        "purpose": "tillsyn", "question": "Q2", "reader": "anna", "v": leaf.VERSION,
    }  # fmt: skip


def test_the_entry_holds_a_commitment_and_nothing_else():
    made = reading.read(builders.reading(parameters={"official": "bertil"}), salt=SALT)
    assert set(orjson.loads(made.entry)) == {"commitment", "kind", "v"}
    assert orjson.loads(made.entry)["kind"] == "reading"
    leaf.check(made.entry, salt=SALT, record=made.record)
    with pytest.raises(IntegrityError):
        leaf.check(made.entry, salt=SALT[::-1], record=made.record)


def test_the_same_reading_twice_is_two_leaves_that_nobody_can_tell_are_alike():
    one, two = (reading.read(builders.reading(), salt=salt) for salt in (SALT, SALT[::-1]))
    assert one.record == two.record
    assert one.hash != two.hash
    assert one.entry != two.entry


def test_a_record_is_canonical_whatever_the_order_of_parameters():
    made = reading.read(builders.reading(parameters={"z": 1, "a": 2}), salt=SALT)
    assert made.record == orjson.dumps(orjson.loads(made.record), option=orjson.OPT_SORT_KEYS)


def test_what_was_written_is_read_again():
    asked = builders.reading(parameters={"page": 2, "queues": ["a"]}, pseudonym=builders.pseudonym(builders.NUMBERS[1]))
    assert reading.told(reading.read(asked, salt=SALT).record) == asked


@pytest.mark.parametrize("record", [b"", b"[]", b"{}", b'{"reader":"a"}', b"null"])
def test_what_is_no_reading_is_not_taken_for_one(record):
    with pytest.raises(IntegrityError):
        reading.told(record)


def test_a_purpose_that_is_no_purpose_is_not_read():
    record = reading.read(builders.reading(), salt=SALT).record.replace(b'"kontroll"', b'"nyfikenhet"')
    with pytest.raises(IntegrityError):
        reading.told(record)


@pytest.mark.parametrize(
    "written",
    [
        builders.NUMBERS[0], ELEVEN, ELEVEN.replace("-", "+"), ELEVEN.replace("-", ""),
        ELEVEN.replace("-", "\N{EN DASH}"),
        f"om {ELEVEN}.", f"({builders.NUMBERS[1]})", "1890 01 01 9802".replace("1890 ", "1890"), "18900161-9802",
    ],
)  # fmt: skip
def test_what_looks_like_a_persons_number_is_in_no_parameter_and_in_no_case(written):
    digits = [one for one in ("9802", "9800") if one in written]
    assert said(parameters={"x": written})["parameters"]["x"].count(LEFT_OUT) == 1
    assert not any(one in str(said(parameters={"x": [written, "y"]})) for one in digits)
    assert "names no person" in reading.unfit(f"ärende {written}")
    with pytest.raises(IntegrityError, match="names no person"):
        reading.read(builders.reading(case=f"ärende {written}"), salt=SALT)


def test_a_number_given_as_a_number_is_left_out_too():
    assert said(parameters={"x": int(builders.NUMBERS[0])})["parameters"] == {"x": LEFT_OUT}


@pytest.mark.parametrize(
    "kept",
    [
        "2026-001234", "FK 2026/001234", "dnr 2023-99887766", "ab" * 32, "85010112345678" * 4,
        "urn:uuid:00000000-0000-5000-8000-850101123456", "2026-11-26T21:27:49.123456Z", "2026-11-26", "162021000000",
    ],
)  # fmt: skip
def test_references_hashes_ids_times_and_organisations_are_kept(kept):
    assert said(parameters={"x": kept})["parameters"] == {"x": kept}
    assert reading.unfit(kept[:100]) == ""


@pytest.mark.parametrize("case", ["", "  ", "\n", "a\nb", "x" * 101])
def test_without_a_case_nothing_is_read(case):
    assert reading.unfit(case)
    with pytest.raises(IntegrityError):
        reading.read(builders.reading(case=case), salt=SALT)


@pytest.mark.parametrize("nobody", [{"reader": " "}, {"question": ""}])
def test_a_reading_has_a_reader_and_a_question(nobody):
    with pytest.raises(IntegrityError, match="who reads, and what"):
        reading.read(replace(builders.reading(), **nobody), salt=SALT)

"""What is sealed opens as it was, and nothing else opens at all."""

import os
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError, IntegrityError
from gateway.message import Leaf, LeafHash
from gateway.trust.sealing import Sealer

KEY = bytes(range(32))


def leaf(record=b'{"v":1}', salt=b"s" * 32):
    return Leaf(entry=record, hash=LeafHash(sha256(salt + record).digest()), salt=salt, record=record, pseudonym=None)


def sealer(key_id="2026-1", key=KEY, random=os.urandom):
    return Sealer(key_id, key, random)


def hashes(leaves):
    return [one.hash for one in leaves]


LEAVES = [leaf(b'{"n":1}'), leaf(b'{"n":2}'), leaf(b'{"n":3}')]


@given(st.binary(max_size=5000), st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=64)), max_size=5))
def test_what_was_sealed_opens_as_it_was(evidence, records):
    leaves = [leaf(record, salt) for record, salt in records]
    opened = sealer().open(sealer().seal(evidence, leaves), hashes(leaves))
    assert opened.evidence == evidence
    assert opened.records == tuple((one.salt, one.record) for one in leaves)


def test_nothing_that_was_sealed_can_be_read_without_the_key():
    sealed = sealer().seal(b"evidence in clear", LEAVES)
    everything = sealed.wrapped_key + sealed.evidence + b"".join(sealed.records)
    for secret in (b"evidence", b'"n"', b"sss", KEY):
        assert secret not in everything


def test_every_message_has_a_data_key_of_its_own_and_every_part_a_nonce_of_its_own():
    first, second = sealer().seal(b"same", LEAVES), sealer().seal(b"same", LEAVES)
    assert first.wrapped_key[:12] != second.wrapped_key[:12]
    assert first.evidence[12:] != second.evidence[12:]
    assert all(one[12:] != other[12:] for one, other in zip(first.records, second.records, strict=True))
    assert len({part[:12] for part in (first.evidence, *first.records)}) == 1 + len(LEAVES)


def test_what_a_former_key_sealed_opens_still_and_nothing_new_is_sealed_under_it():
    old, new = sealer(), Sealer("2027-1", KEY[::-1], os.urandom, former={"2026-1": KEY})
    sealed = old.seal(b"evidence", LEAVES)
    assert new.open(sealed, hashes(LEAVES)) == old.open(sealed, hashes(LEAVES))
    again = new.seal(b"evidence", LEAVES)
    assert again.key_id == "2027-1"
    with pytest.raises(IntegrityError, match=r"sealed under key 2027-1, and here are 2026-1: .*sealing_former"):
        old.open(again, hashes(LEAVES))


def test_a_former_key_by_the_name_of_another_opens_nothing():
    sealed = sealer().seal(b"evidence", LEAVES)
    wrong = Sealer("2027-1", KEY, os.urandom, former={"2026-1": KEY[::-1]})
    with pytest.raises(IntegrityError, match="data key"):
        wrong.open(sealed, hashes(LEAVES))
    with pytest.raises(IntegrityError, match="data key"):
        Sealer("2027-1", KEY, os.urandom).open(replace(sealed, key_id="2027-1"), hashes(LEAVES))


def test_a_former_key_of_another_length_is_refused_by_its_setting():
    with pytest.raises(ConfigError, match=r"keys\.sealing_former: holds 16 bytes"):
        Sealer("2027-1", KEY, os.urandom, former={"2026-1": KEY[:16]})


def test_the_key_that_seals_may_stand_among_the_former_ones_too():
    both = Sealer("2026-1", KEY, os.urandom, former={"2026-1": KEY, "2027-1": KEY[::-1]})
    assert both.open(sealer().seal(b"x", LEAVES), hashes(LEAVES)).evidence == b"x"
    ahead = Sealer("2027-1", KEY[::-1], os.urandom)  # on a machine that has been told first
    assert both.open(ahead.seal(b"x", LEAVES), hashes(LEAVES)).evidence == b"x"


def test_randomness_is_asked_once_for_key_and_nonce():
    asked = []

    def random(count):
        asked.append(count)
        return bytes(count)

    sealer(random=random).seal(b"", LEAVES)
    assert asked == [32 + 12]


def _flips(sealed):
    """Every part with one bit of every byte flipped in turn."""
    for name in ("wrapped_key", "evidence"):
        content = getattr(sealed, name)
        for place in range(len(content)):
            yield replace(sealed, **{name: _flip(content, place)})
    for number, record in enumerate(sealed.records):
        for place in range(len(record)):
            changed = (*sealed.records[:number], _flip(record, place), *sealed.records[number + 1 :])
            yield replace(sealed, records=changed)


def _flip(content, place):
    return content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :]


def test_no_flipped_bit_opens():
    sealed = sealer().seal(b"evidence", LEAVES)
    sealer().open(sealed, hashes(LEAVES))
    count = 0
    for changed in _flips(sealed):
        count += 1
        with pytest.raises(IntegrityError):
            sealer().open(changed, hashes(LEAVES))
    assert count > 200


def test_swapped_records_do_not_open():
    sealed = sealer().seal(b"evidence", LEAVES)
    one, two, three = sealed.records
    swapped = replace(sealed, records=(two, one, three))
    for order in (hashes(LEAVES), [LEAVES[1].hash, LEAVES[0].hash, LEAVES[2].hash]):
        with pytest.raises(IntegrityError, match=r"evidence|record 1"):
            sealer().open(swapped, order)


def test_a_twin_cannot_stand_in_for_a_record():
    twins = [leaf(b"{}"), leaf(b"{}")]
    sealed = sealer().seal(b"", twins)
    with pytest.raises(IntegrityError, match="record 2"):
        sealer().open(replace(sealed, records=(sealed.records[0], sealed.records[0])), hashes(twins))


def test_a_missing_or_added_record_does_not_open():
    sealed = sealer().seal(b"evidence", LEAVES)
    for records, leaves in (
        (sealed.records[:2], LEAVES),
        (sealed.records[:2], LEAVES[:2]),
        (sealed.records, LEAVES[:2]),
        ((*sealed.records, sealed.records[0]), [*LEAVES, LEAVES[0]]),
    ):
        with pytest.raises(IntegrityError):
            sealer().open(replace(sealed, records=records), hashes(leaves))


def test_evidence_of_another_message_does_not_open():
    mine, other = sealer().seal(b"mine", LEAVES), sealer().seal(b"other", LEAVES)
    with pytest.raises(IntegrityError, match="evidence"):
        sealer().open(replace(mine, evidence=other.evidence), hashes(LEAVES))
    with pytest.raises(IntegrityError):
        sealer().open(replace(mine, wrapped_key=other.wrapped_key), hashes(LEAVES))


def test_evidence_does_not_open_as_a_record_or_a_record_as_evidence():
    only = [leaf()]
    sealed = sealer().seal(b"evidence", only)
    with pytest.raises(IntegrityError):
        sealer().open(replace(sealed, evidence=sealed.records[0]), hashes(only))
    with pytest.raises(IntegrityError):
        sealer().open(replace(sealed, records=(sealed.evidence,)), hashes(only))


def test_a_whole_message_does_not_open_for_other_leaves():
    sealed = sealer().seal(b"evidence", LEAVES)
    with pytest.raises(IntegrityError):
        sealer().open(sealed, hashes([leaf(b'{"n":9}'), *LEAVES[1:]]))


def test_a_record_does_not_open_in_its_place_for_another_leaf_even_under_the_same_data_key():
    fixed = sealer(random=bytes)  # zeros every time: one data key for both
    mine, other = [leaf(b'{"n":1}')], [leaf(b'{"n":2}')]
    sealed, foreign = fixed.seal(b"", mine), fixed.seal(b"", other)
    assert sealed.wrapped_key == foreign.wrapped_key
    with pytest.raises(IntegrityError, match="record 1"):
        fixed.open(replace(sealed, records=foreign.records), hashes(mine))


def test_another_key_or_another_key_id_does_not_open():
    sealed = sealer().seal(b"evidence", LEAVES)
    with pytest.raises(IntegrityError, match="data key"):
        sealer(key=bytes(32)).open(sealed, hashes(LEAVES))
    with pytest.raises(IntegrityError, match="2026-1"):
        sealer(key_id="2027-1").open(sealed, hashes(LEAVES))
    with pytest.raises(IntegrityError, match="data key"):
        sealer(key_id="2027-1").open(replace(sealed, key_id="2027-1"), hashes(LEAVES))


@pytest.mark.parametrize("wrapped", [b"", bytes(60), b"short"])
def test_once_the_data_key_is_destroyed_nothing_opens(wrapped):
    sealed = replace(sealer().seal(b"evidence", LEAVES), wrapped_key=wrapped)
    with pytest.raises(IntegrityError, match="data key"):
        sealer().open(sealed, hashes(LEAVES))


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused_at_start(length):
    with pytest.raises(ConfigError, match=f"{length} bytes"):
        sealer(key=bytes(length))


def test_what_was_opened_is_not_shown():
    opened = sealer().open(sealer().seal(b"secret", LEAVES), hashes(LEAVES))
    assert "secret" not in repr(opened)
    assert '"n"' not in repr(opened)


def test_evidence_that_was_blanked_or_added_breaks_the_seal_of_the_records():
    whole, without = sealer().seal(b"evidence", LEAVES), sealer().seal(b"", LEAVES)
    for broken in (replace(whole, evidence=b""), replace(without, evidence=whole.evidence)):
        with pytest.raises(IntegrityError):
            sealer().open(broken, hashes(LEAVES))
    assert sealer().open(without, hashes(LEAVES)).evidence == b""


def test_records_whose_evidence_a_rule_has_destroyed_open_as_before_and_blanking_alone_still_shows():
    sealed = sealer().seal(b"evidence", LEAVES)
    gone = replace(sealed, evidence=b"")
    with pytest.raises(IntegrityError, match="record 1"):
        sealer().open(gone, hashes(LEAVES))
    opened = sealer().open(replace(gone, emptied=True), hashes(LEAVES))
    assert opened.evidence == b""
    assert opened.records == tuple((one.salt, one.record) for one in LEAVES)


def test_a_record_that_a_rule_has_destroyed_is_empty_and_the_others_open():
    sealed = sealer().seal(b"evidence", LEAVES)
    left = replace(sealed, evidence=b"", records=(sealed.records[0], b"", sealed.records[2]))
    opened = sealer().open(replace(left, emptied=True), hashes(LEAVES))
    assert [record for _, record in opened.records] == [LEAVES[0].record, b"", LEAVES[2].record]
    with pytest.raises(IntegrityError):
        sealer().open(left, hashes(LEAVES))
    moved = replace(left, emptied=True, records=(sealed.records[1], b"", sealed.records[2]))
    with pytest.raises(IntegrityError):
        sealer().open(moved, hashes(LEAVES))

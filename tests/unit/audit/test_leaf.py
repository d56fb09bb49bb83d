from __future__ import annotations

import hmac
import json
from base64 import b64decode
from dataclasses import replace
from datetime import date, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import codes
from gateway.audit import leaf, tree
from gateway.errors import ContractError, IntegrityError
from gateway.message import Facts, Outcome
from gateway.review import Answered
from tests import builders

SALT = b"s" * leaf.SALT


def canonical(value: object) -> bytes:
    """RFC 8785 for what has ASCII keys and whole numbers."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def decided(**more) -> leaf.Leaf:
    one = builders.decision(**more)
    return leaf.decided(builders.permitted(one), one, pseudonym=builders.pseudonym("x"), salt=SALT)


def test_a_decisions_record_says_who_what_why_and_on_which_law():
    facts = Facts(
        event=date(2026, 1, 1),
        fields=("belopp", "telefon"),
        cited=("7 §",),
        unknown=("Nytt",),
        answers=True,
        benefit="sjukpenning",
        consent=(("region",), date(2026, 12, 31)),
    )
    record = json.loads(decided(facts=facts).record)
    assert record == {
        "action": None,
        "basis": "SKV-AGI-INKOMST",
        "benefits": None,
        "contract": "skatteverket/arbetsgivardeklaration",
        "created": "2026-11-20T11:59:57Z",
        "digest": builders.digest("urn:uuid:1"),
        "granted": ["arbetsplats", "belopp", "period"],
        "information": "inkomst",
        "judged": {
            "answered": None,
            "answers": True,
            "benefit": "sjukpenning",
            "cited": ["7 §"],
            "consent": {"recipients": ["region"], "until": "2026-12-31"},
            "decided": None,
            "event": "2026-01-01",
            "fields": ["belopp", "telefon"],
            "released": False,
            "suspicion": False,
            "unknown": ["Nytt"],
        },
        "kind": "decision",
        "lagrum": ["SFL-26-19@2011:1244"],
        "message_id": "urn:uuid:1",
        "no_onward": True,
        "organisation": "2021005448",
        "outcome": "PERMIT",
        "partner": "skatteverket",
        "person": {"kind": "personnummer", "number": builders.NUMBERS[0]},
        "policy": builders.POLICY,
        "protection": "ingen",
        "purposes": ["handlaggning", "kontroll"],
        "quarantined": False,
        "reasons": ["FIELD_NOT_IN_BASIS"],
        "received": "2026-11-20T11:59:59Z",
        "record": 1,
        "retention": "SFB 114:15",
        "signer": builders.digest("signer"),
        "v": 1,
        "withheld": [{"field": "telefon", "reason": "FIELD_NOT_IN_BASIS"}],
    }


def test_a_denial_has_a_leaf_with_neither_fields_nor_labels():
    record = json.loads(decided(outcome=Outcome.DENY, fields={}, labels=None, basis=None, lagrum=()).record)
    assert (record["outcome"], record["granted"], record["purposes"], record["retention"]) == ("DENY", [], [], None)


def test_what_people_had_said_yes_to_is_in_the_record_by_names_in_order():
    facts = Facts(
        event=date(2026, 1, 1), fields=(), cited=(), unknown=(), answers=False, decided=date(2026, 3, 2), released=True
    )
    yes = Answered(reasons=frozenset({"B", "A"}), fields=frozenset({"d", "c"}), basis="B-1", lagrum=("L-1@1",))
    judged = json.loads(decided(facts=facts, answered=yes).record)["judged"]
    assert judged["answered"] == {"basis": "B-1", "fields": ["c", "d"], "lagrum": ["L-1@1"], "reasons": ["A", "B"]}
    assert (judged["decided"], judged["released"]) == ("2026-03-02", True)
    assert list(judged) == sorted(judged)
    every = Answered(reasons=frozenset({"A"}), basis="B-1")
    told = json.loads(decided(facts=facts, answered=every).record)["judged"]["answered"]
    assert (told["fields"], told["lagrum"]) == (None, None)


def test_a_decision_that_nobody_told_the_facts_of_says_so():
    assert json.loads(decided().record)["judged"] is None


def test_a_refusals_record_names_the_received_bytes_by_their_hash_only():
    error = ContractError(codes.CONTRACT_SCHEMA, "line 1")
    entry = leaf.refused(builders.admitted(b"<secret/>"), error, policy=builders.POLICY, salt=SALT)
    record = json.loads(entry.record)
    assert record == {
        "address": "skatteverket/arbetsgivardeklaration",
        "bytes": sha256(b"<secret/>").hexdigest(),
        "code": "GW-CONTRACT-SCHEMA",
        "detail": "line 1",
        "kind": "refusal",
        "organisation": "2021005448",
        "partner": "skatteverket",
        "peer": builders.digest("peer"),
        "policy": builders.POLICY,
        "received": "2026-11-20T12:00:00Z",
        "size": 9,
        "step": "contract",
        "v": 1,
    }
    assert entry.pseudonym is None
    assert entry.record == canonical(record)
    assert set(json.loads(entry.entry)) == {"commitment", "kind", "policy", "v"}


def test_the_public_entry_is_the_salted_commitment_and_nothing_linkable():
    one = decided()
    commitment = hmac.new(SALT, one.record, "sha256").digest()
    public = json.loads(one.entry)
    assert b64decode(public.pop("commitment")) == commitment
    assert public == {"kind": "decision", "policy": builders.POLICY, "v": 1}
    assert one.entry == canonical(json.loads(one.entry))
    assert one.hash == sha256(b"\x00" + one.entry).digest() == tree.leaf_hash(one.entry)


def test_two_leaves_of_the_same_person_and_data_have_nothing_in_common():
    one = builders.decision()
    whole = builders.permitted(one)
    first, second = (
        leaf.decided(whole, one, pseudonym=builders.pseudonym("x"), salt=salt * leaf.SALT) for salt in (b"a", b"b")
    )
    assert first.record == second.record
    assert json.loads(first.entry)["commitment"] != json.loads(second.entry)["commitment"]
    assert first.hash != second.hash


@given(st.text(), st.text(), st.booleans(), st.integers(1, 2**40))
def test_every_record_is_canonical(text, detail, flag, number):
    one = decided(record=number, quarantined=flag, reasons=(text,), fields={detail: text}, basis=text)
    assert one.record == canonical(json.loads(one.record))
    entry = leaf.refused(
        builders.admitted(), ContractError(codes.CONTRACT_SCHEMA, detail), policy=builders.POLICY, salt=SALT
    )
    assert entry.record == canonical(json.loads(entry.record))


def test_values_of_fields_are_in_no_leaf():
    one = decided(fields={"belopp": "HEMLIGT-4711"})
    assert b"4711" not in one.record + one.entry


def test_times_are_written_in_utc_whatever_zone_they_came_in():
    swedish = builders.NOON.astimezone(timezone(timedelta(hours=1)))
    who = builders.admitted()
    who = replace(who, received=replace(who.received, at=swedish))
    record = json.loads(
        leaf.refused(who, ContractError(codes.CONTRACT_SCHEMA), policy=builders.POLICY, salt=SALT).record
    )
    assert record["received"] == "2026-11-20T12:00:00Z"


def test_the_opened_record_proves_itself_against_its_entry():
    one = decided()
    leaf.check(one.entry, salt=one.salt, record=one.record)
    wrong = [
        (one.entry, b"t" * leaf.SALT, one.record),
        (one.entry, one.salt, one.record.replace(b"PERMIT", b"DENY")),
        (decided(basis="another").entry, one.salt, one.record),
        (b"{}", one.salt, one.record),
        (b'{"commitment":7}', one.salt, one.record),
        (b"no json", one.salt, one.record),
        (b"[]", one.salt, one.record),
    ]
    for entry, salt, record in wrong:
        with pytest.raises(IntegrityError):
            leaf.check(entry, salt=salt, record=record)


def test_a_short_salt_is_refused():
    one = builders.decision()
    with pytest.raises(IntegrityError):
        leaf.decided(builders.permitted(one), one, pseudonym=builders.pseudonym("x"), salt=b"short")


def test_an_entry_too_large_for_a_tile_is_refused():
    one = builders.decision()
    whole = replace(builders.permitted(one), policy="a" * 65_536)
    with pytest.raises(IntegrityError):
        leaf.decided(whole, one, pseudonym=builders.pseudonym("x"), salt=SALT)

"""What the soak sends: the same for a seed, and each message wrong in its own way and no other."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from gateway import config, wiring
from gateway.cli.demo.payloads import Calendar
from gateway.inbound import path
from gateway.message import ContractId, Protection, Ready, Received, Refusal
from gateway.swedish import swedish_day
from gateway.trust import pki
from gateway.trust.issuing import KeyKind
from ops.soak.lines import Line, read
from ops.soak.traffic import CODES, WARM, Contract, Kind, Pens, intents
from tests.integration.stage import ROOT

NOW = datetime.now(UTC)


class Known:
    def status(self, person):
        del person
        return Protection.NONE


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak")
    demo = pki.make(folder, now=NOW, kind=KeyKind.P256)
    rules = wiring.rules(config.load(ROOT / "config" / "gateway.toml", data=folder), Known())
    return Pens.read(folder, Calendar(today=swedish_day(NOW))), rules, demo


def walked(made, intent):
    pens, rules, demo = made
    received = Received(
        body=pens.sign(intent, NOW),
        content_type="text/xml; charset=utf-8",
        contract=ContractId(intent.contract),
        peer=demo.clients[Line.of_intent(intent).client].tls.der,
        at=NOW,
    )
    return path.prepare(received, rules)


def test_one_seed_gives_one_traffic_and_another_seed_another():
    assert list(intents(200, 5)) == list(intents(200, 5))
    assert list(intents(200, 5)) != list(intents(200, 6))


def test_everybody_comes_first_and_does_not_count():
    found = list(intents(10, 1))
    assert len(found) == WARM + 10
    assert [one.persons for one in found[:WARM]] == [(place,) for place in range(WARM)]
    assert {(one.kind, one.contract) for one in found[:WARM]} == {(Kind.RIGHT, Contract.FOLKBOKFORING)}


def test_every_kind_and_every_contract_has_its_share():
    found = list(intents(3000, 1))
    kinds, contracts = Counter(one.kind for one in found), Counter(one.contract for one in found)
    assert set(kinds) == set(Kind)
    assert set(contracts) == set(Contract)
    assert kinds[Kind.RIGHT] > 0.8 * len(found)


def test_what_repeats_or_contradicts_names_an_earlier_right_message():
    found = {one.number: one for one in intents(3000, 2)}
    for one in found.values():
        assert (one.of is not None) == (one.kind in {Kind.REPEATED, Kind.CHANGED})
        if one.of is not None:
            original = found[one.of]
            assert original.number < one.number
            assert original.kind in {Kind.RIGHT, Kind.TWIN}
            assert (original.message_id, original.contract) == (one.message_id, one.contract)


def test_no_two_messages_share_an_id_unless_one_is_of_the_other():
    names = [one.message_id for one in intents(3000, 3) if one.of is None]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.REPEATED])
def test_each_kind_is_accepted_or_refused_for_its_own_reason(made, kind):
    some = [one for one in intents(2000, 4) if one.kind is kind][:8]
    assert some
    for intent in some:
        ready = walked(made, intent)
        if kind in CODES and kind is not Kind.CHANGED:  # only the commit knows that an id was used before
            assert isinstance(ready, Refusal)
            assert ready.error.code.name == CODES[kind]
        else:
            assert isinstance(ready, Ready)
            assert ready.events


def test_what_contradicts_has_another_digest_than_its_original(made):
    found = {one.number: one for one in intents(2000, 4)}
    changed = next(one for one in found.values() if one.kind is Kind.CHANGED)
    first, second = walked(made, found[changed.of]), walked(made, changed)
    assert first.provenance.message_id == second.provenance.message_id
    assert first.provenance.digest != second.provenance.digest


@pytest.mark.parametrize("contract", Contract)
def test_what_repeats_a_message_and_is_signed_anew_is_still_that_message(made, contract):
    found = {one.number: one for one in intents(6000, 4)}
    repeated = next(one for one in found.values() if (one.kind, one.contract) == (Kind.REPEATED, contract))
    first, second = walked(made, found[repeated.of]), walked(made, repeated)
    assert (first.provenance.message_id, first.provenance.digest) == (
        second.provenance.message_id, second.provenance.digest
    )  # fmt: skip


@pytest.mark.parametrize("contract", Contract)
def test_every_contract_signed_anew_is_the_same_message(made, contract):
    intent = next(one for one in intents(2000, 4) if one.contract is contract and one.kind is Kind.RIGHT)
    first, again = walked(made, intent), walked(made, intent)
    assert (first.provenance.message_id, first.provenance.digest) == (
        again.provenance.message_id, again.provenance.digest
    )  # fmt: skip


def test_a_line_is_read_as_it_was_written(tmp_path):
    line = Line.of_intent(next(intents(1, 1)))
    line.sent["abc"] += 2
    line.away["GW-UNAVAILABLE-STORE"] += 1
    line.receipts.append(("urn:uuid:1", "digest", "()", ("aa", "bb")))
    line.body = (10, 20)
    (tmp_path / "lines").write_bytes(line.write() * 2)
    assert list(read(tmp_path / "lines")) == [line, line]
    assert line.attempts == 2

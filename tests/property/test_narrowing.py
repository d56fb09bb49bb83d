"""Along the whole path nothing passes that no basis names: minimise is inside allowed, for any message."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.inbound import path
from gateway.message import ContractId, Outcome, Protection, Ready, Received
from tests import payloads, rules
from tests.attacks.catalogue import NOW
from tests.effort import effort

FOLK = "skatteverket/folkbokforing"
AGI = "skatteverket/arbetsgivardeklaration"
MARKINGS = st.sampled_from(
    (
        "",
        "<Sekretessmarkering>N</Sekretessmarkering>",
        "<Sekretessmarkering>J</Sekretessmarkering>",
        "<SkyddadFolkbokforing>J</SkyddadFolkbokforing>",
        "<Sekretessmarkering>J</Sekretessmarkering><SkyddadFolkbokforing>N</SkyddadFolkbokforing>",
    )
)
FIELDS = {
    "Gatuadress": ("218", "Hemligvägen"),
    "Postort": ("220", "Hemligstad"),
    "Fornamn": ("216", "Åsa"),
    "TIN": ("252", "Hemlignummer"),
    "Bilersattning": ("050", "1"),
    "SkatteplBilformanUlagAG": ("013", "2500"),
    "Framtid": ("999", "Hemligt"),
}


def _prepare(land, contract: str, payload: str) -> Ready:
    scene, by = land
    received = Received(
        body=scene.signed(contract, payload=payload).bytes(),
        content_type="text/xml",
        contract=ContractId(contract),
        peer=scene.credentials[f"{contract.partition('/')[0]}-tls"].der,
        at=NOW,
    )
    result = path.prepare(received, by)
    assert isinstance(result, Ready), result.error
    return result


def _held_to_the_law(land, ready: Ready) -> list[dict[str, object]]:
    """Compare every event with the configured basis it names, which a reviewer reads and no code interprets."""
    _, by = land
    bases = {basis.id: basis for basis in _bases()}
    locating = {
        (contract, kind): {name for name, spec in fields.items() if spec.locating}
        for contract, kinds in by.contracts.kinds().items()
        for kind, fields in kinds.items()
    }
    events = [orjson.loads(event.body) for event in ready.events]
    assert len(events) == sum(one.outcome is Outcome.PERMIT for one in ready.outcomes)
    for event in events:
        basis = bases[event["basis"]]
        data = event["data"]
        passed = set(data["fields"])
        assert passed <= set(basis.fields)
        assert set(event["purposes"].split()) == set(basis.purposes)
        if event["protection"] != Protection.NONE:
            assert not passed & locating[basis.contract, basis.kind]
        assert not passed & {one["field"] for one in data["withheld"]}
    return events


@lru_cache(maxsize=1)
def _bases():
    return rules.configuration(Path(__file__).parent.parent / "vectors").bases


@effort(60)
@given(chosen=st.sets(st.sampled_from(sorted(FIELDS))), persons=st.lists(st.sampled_from(payloads.PERSONS), max_size=3))
def test_of_an_income_only_what_a_basis_names_passes(land, chosen, persons):
    more = "".join(f'<agd:{name} faltkod="{FIELDS[name][0]}">{FIELDS[name][1]}</agd:{name}>' for name in sorted(chosen))
    parts = [payloads.income(person, more=more) for person in (*persons, payloads.PERSON)]
    ready = _prepare(land, AGI, payloads.arbetsgivardeklaration(*parts))
    events = _held_to_the_law(land, ready)
    assert len(events) == len(parts)
    assert "Hemlig" not in str(events)


@effort(60)
@given(st.lists(st.tuples(MARKINGS, st.sampled_from(payloads.PERSONS)), min_size=1, max_size=4))
def test_of_a_protected_person_nothing_that_locates_passes(land, posts):
    ready = _prepare(
        land,
        FOLK,
        payloads.folkbokforing(
            *[payloads.post(person, gata=f"Hemligvägen {n}", marking=how) for n, (how, person) in enumerate(posts)]
        ),
    )
    events = _held_to_the_law(land, ready)
    marked = {person for marking, person in posts if ">J<" in marking}
    for number, ((_, person), event) in enumerate(zip(posts, events, strict=True)):
        # One marked post hides the person in all posts of the message.
        assert (f"Hemligvägen {number}" in str(event)) == (person not in marked)


@effort(40)
@given(st.integers(0, 20))
def test_a_leaf_names_fields_and_never_their_values(land, number):
    ready = _prepare(land, AGI, payloads.arbetsgivardeklaration(payloads.income(number=str(number + 1))))
    for entry in ready.leaves:
        assert payloads.PERSON.encode() not in entry.entry
        assert b"28500" not in entry.entry + entry.record

"""What leaves is inside what the law lets this recipient have: for any fields, any recipient, any protection."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.dispatch import Consent, Queued, Signed
from gateway.errors import ContractError
from gateway.message import PartnerId, Protection, Value
from gateway.outbound import commands, path
from gateway.privacy import disclosure
from gateway.transport.bodies import Bodies
from tests import payloads, rules, sending
from tests.effort import effort

RECIPIENTS = {
    "FK-KALLELSE-AG-01": ("arbetsgivare", payloads.ORGANISATIONS["arbetsgivare"]),
    "FK-KALLELSE-AF-01": ("arbetsformedlingen", None),
    "FK-KALLELSE-REGION-01": ("region", "2321000016"),
    "FK-KALLELSE-KOMMUN-01": ("kommun", "2120000142"),
}
MARKED: dict[str, tuple[Value, str]] = {
    "namn": ("Namnet Märktsson", "Märktsson"),
    "plats": ("Märktgatan 7", "Märktgatan"),
    "lank": ("https://mote.example/markt-lank", "markt-lank"),
    "telefon": ("010-7777777", "7777777"),
    "meddelande": ("Märkt meddelande", "Märkt meddelande"),
    "forberedelser": (({"kod": "TA_MED_UNDERLAG"},), "TA_MED_UNDERLAG"),
    "fragorTillArbetsgivaren": (({"kod": "OMPLACERING"},), "OMPLACERING"),
    "fragorTillArbetsformedlingen": (({"kod": "INSKRIVNING"},), "INSKRIVNING"),
    "arbetsformaga": (37, ">37<"),
    "fragorTillVarden": (({"kod": "PROGNOS"},), "PROGNOS"),
    "fragaTillVarden": ("Märkt fråga om diagnosen", "diagnosen"),
    "fragorTillKommunen": (({"kod": "SYSSELSATTNING"},), "SYSSELSATTNING"),
    "diagnos": ("F32", "F32"),
}
"""Field -> a value, and what gives it away. The last is of no contract."""
HEALTH = ("arbetsformaga", "fragorTillVarden", "fragaTillVarden", "diagnos")
STOPS = ("meddelande", "fragaTillVarden", "diagnos")
"""What stops nearly everything: drawn seldom."""
PLACED = st.sampled_from(["absent", "absent", "common", "own"])
SELDOM = st.sampled_from([*["absent"] * 8, "common", "own"])
DRAWN = st.fixed_dictionaries({name: SELDOM if name in STOPS else PLACED for name in MARKED})


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    contracts = rules.contracts()
    return sending.Scene.found(
        tmp_path_factory.mktemp("disclosing"), contracts, Bodies(rules.ROOT / "schemas", contracts.outgoing.values())
    )


def dispatched(basis: str, placed: dict[str, str]) -> Queued:
    partner, organisation = RECIPIENTS[basis]
    own = {name: MARKED[name][0] for name, where in placed.items() if where == "own"}
    common = {name: MARKED[name][0] for name, where in placed.items() if where == "common"}
    fixed = {name: sending.MEETING[name] for name in ("form", "borjar", "slutar", "kontakt")}
    consent = Consent(
        reference="S-1", recipients=frozenset(one for one, _ in RECIPIENTS.values()), until=sending.CASE.last
    )
    to = sending.recipient(PartnerId(partner), basis, organisation=organisation, **own)
    command = sending.command(sending.MOTE, to, fields={**fixed, **common}, consent=consent)
    return commands.queue(command)[0]


@lru_cache(maxsize=1)
def written() -> dict[str, frozenset[str]]:
    """Return what the file of bases lets each recipient have: as a reviewer reads it."""
    read = rules.configuration(rules.ROOT)
    return {basis.id: frozenset(basis.fields) for basis in read.bases if basis.id in RECIPIENTS}


def sent(scene: sending.Scene, queued: Queued) -> Signed | None:
    """Return what would leave; None where it is stopped, and nothing is composed."""
    try:
        return scene.signed(queued)
    except (disclosure.Stopped, ContractError) as error:
        stopped = f"{error} {error.detail}"
    assert not [mark for _, mark in MARKED.values() if mark in stopped]
    return None


@given(st.sampled_from(list(RECIPIENTS)), DRAWN, st.sampled_from(list(Protection)))
@effort(150)
def test_what_leaves_is_inside_what_the_decision_lets_through(country, basis, placed, protection):
    known = sending.Known(protection)
    scene = replace(country, known=known, rules=replace(country.rules, protections=known))
    signed = sent(scene, dispatched(basis, placed))
    if signed is None:
        return
    composed = signed.composed
    granted = composed.parcel.fields.keys()
    # 1. Inside the basis, and nothing that locates a person who is or may be protected.
    assert granted <= written()[basis]
    assert protection is Protection.NONE or "plats" not in granted
    # 2. Health goes to care, and a share of full time to Arbetsförmedlingen; to nobody else.
    assert not granted & set(HEALTH) or basis in {"FK-KALLELSE-REGION-01", "FK-KALLELSE-AF-01"}
    assert not granted & set(HEALTH) or basis != "FK-KALLELSE-AF-01" or granted & set(HEALTH) == {"arbetsformaga"}
    # 3. The log says the same, and the bytes hold nothing else.
    assert json.loads(composed.intent.record)["granted"] == sorted(granted)
    text = signed.envelope.decode()
    for name, (_, mark) in MARKED.items():
        assert (mark in text) == (name in granted), name
    # 4. About this one person, and from the one place that is signed.
    numbers = {one for one in etree.fromstring(composed.payload).itertext() if one.isdecimal() and len(one) == 12}
    assert numbers == {payloads.PERSON}
    # 5. No later attempt says more, whatever is known by then.
    known.protection = Protection.NONE
    assert path.recompose(composed.queued, scene.held(composed), scene.rules) == composed


def test_the_search_sees_both_what_leaves_and_what_does_not(country):
    nothing = dict.fromkeys(MARKED, "absent")
    assert sent(country, dispatched("FK-KALLELSE-AG-01", nothing | {"namn": "own"})) is not None
    assert sent(country, dispatched("FK-KALLELSE-AG-01", nothing | {"arbetsformaga": "own"})) is None
    assert sent(country, dispatched("FK-KALLELSE-AF-01", nothing | {"arbetsformaga": "own"})) is not None
    assert sent(country, dispatched("FK-KALLELSE-AG-01", nothing | {"arbetsformaga": "common"})) is not None
    assert sent(country, dispatched("FK-KALLELSE-REGION-01", nothing | {"fragorTillVarden": "common"})) is not None

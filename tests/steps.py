"""Small builders of commands and steps, for tests of what keeps them. Leaves are real, seals are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from gateway.audit import leaf
from gateway.dispatch import AskerId, Case, Command, CommandId, DispatchId, Period, Queued, Recipient
from gateway.message import ContractId, Digest, Leaf, NumberKind, OrganisationNumber, PartnerId, Person, Sealed
from gateway.outbound import commands, states
from gateway.outbound.ports import Held, Lane, Step
from gateway.outbound.states import Happening, State
from tests import builders
from tests.builders import NOON, NUMBERS

LIFE = timedelta(hours=1)
ASKER = "rehabilitering"
CONTRACT = "forsakringskassan/avstamningsmote"
H, S = Happening, State


def recipient(position: int = 1, *, partner: str = "arbetsformedlingen", organisation: str | None = None) -> Recipient:
    return Recipient(
        position=position,
        partner=PartnerId(partner),
        organisation=None if organisation is None else OrganisationNumber(organisation),
        basis="FK-MOTE-AF",
        fields={"plats": "Kontoret"},
    )


def command(
    name: str = "c1",
    *to: str,
    asker: str = ASKER,
    contract: str = CONTRACT,
    at: datetime = NOON,
    life: timedelta = LIFE,
    recipients: Sequence[Recipient] = (),
) -> Command:
    """A command to these partners, or to these recipients."""
    period = Period(first=date(2026, 11, 1), last=date(2026, 11, 30))
    named = tuple(recipient(number, partner=one) for number, one in enumerate(to or ("arbetsformedlingen",), start=1))
    return Command(
        id=CommandId(name),
        asker=AskerId(asker),
        contract=ContractId(contract),
        purpose="fk:Arendehandlaggning",
        case=Case(reference="arende-1", benefit="sjukpenning", period=period),
        person=Person(number=NUMBERS[0], kind=NumberKind.PERSONNUMMER, check_digit_valid=True),
        period=None,
        fields={},
        recipients=tuple(recipients) or named,
        consent=None,
        suspicion=None,
        at=at,
        expires=at + life,
    )


def parts(made: Command, content: str = "") -> tuple[Command, tuple[Queued, ...], list[Sealed], Digest]:
    """What `take` is called with."""
    queued = commands.queue(made)
    contents = [sealed(f"command {one.dispatch}") for one in queued]
    return made, queued, contents, Digest(builders.digest(content or f"{made.asker} {made.id}"))


def sealed(evidence: str, leaves: int = 0) -> Sealed:
    """Something under a seal of its own."""
    return replace(
        builders.sealed(leaves, evidence.encode()),
        wrapped_key=builders.salt(evidence)[:28],
        records=tuple(f"sealed record {n} of {evidence}".encode() for n in range(leaves)),
    )


def leaves(name: str, count: int = 1) -> tuple[Leaf, ...]:
    whole = builders.permitted()
    return tuple(
        leaf.decided(
            whole,
            builders.decision(n, number=NUMBERS[n % len(NUMBERS)]),
            pseudonym=builders.pseudonym(NUMBERS[n % len(NUMBERS)]),
            salt=builders.salt(f"{name} {n}"),
        )
        for n in range(count)
    )


def lane(held: Held) -> Lane:
    return Lane(held.partner, held.organisation, held.contract)


def step(held: Held, happening: Happening, at: datetime = NOON, **more) -> Step:
    """A transition as the way out makes it, with everything that it commonly has."""
    return made(held.id, held.step, held.state, happening, at, has_intent=held.intent is not None, **more)


def made(
    dispatch: DispatchId,
    follows: int,
    before: State,
    happening: Happening,
    at: datetime = NOON,
    *,
    has_intent: bool = False,
    **more,
) -> Step:
    after = states.after(before, happening)
    name = f"{dispatch} {follows + 1}"
    given: dict = {}
    if happening is H.COMPOSE:
        given = whole(name, 1, "payload") | {"digest": Digest(builders.digest(name)), "due": at}
    elif happening is H.DEPOSIT:
        given = {"records": sealed(name), "content": "envelope", "due": at + timedelta(minutes=30)}
    elif happening is H.ANSWER:
        given = whole(name, 3, "answer") | {"digest": Digest(builders.digest(name))}
    elif after in states.ENDED and (has_intent or happening is H.DENY):
        given = whole(name, 1, None)
    elif happening is H.PERMIT:
        given = whole(name, 1, None) | {"due": at}
    elif happening in {H.POSTPONE, H.LOSE, H.DISPROVE}:
        given = {"due": at + timedelta(minutes=5)}
    if happening in {H.POSTPONE, H.LOSE, H.REFUSE, H.SPOIL, H.DENY, H.EXPIRE, H.WITHDRAW}:
        given["code"] = f"GW-FAR-{happening.upper()}"
    if after in states.ENDED:
        given["events"] = (builders.event(f"outcome {name}", partition=builders.pseudonym(NUMBERS[0])),)
    if given.get("leaves") or after in states.ENDED:
        given["pseudonym"] = builders.pseudonym(NUMBERS[0])
    told = {"dispatch": dispatch, "follows": follows, "happening": happening, "before": before, "after": after}
    return Step(**{**told, "at": at, **given, **more})


def whole(name: str, count: int, content: str | None) -> dict:
    """Leaves, their sealed records, and what is sealed with them."""
    return {
        "leaves": leaves(name, count),
        "records": sealed(name if content else "", count) if content else replace(sealed(name, count), evidence=b""),
        "content": content,
    }

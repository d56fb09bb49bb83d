"""What goes out, and what must come of it: every errand of the second half, decided before anything is sent.

The first ones are right. Then Navet, Arbetsförmedlingen, an employer, a region, a kommun and an a-kassa fail in every
way that a far side here can. Then partners without an address fetch what waits for them, or do not; and last comes what
the law stops. Everybody who is asked or told has a script; what must
come of that is worked out from the script alone (`farsides.foreseen`), or for what is stopped, from the law.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway import endings
from gateway.cli.demo import errands
from gateway.cli.demo.country import GREETINGS, NEVER, READER, UNKNOWN, Country
from gateway.cli.demo.errands import Data
from gateway.cli.demo.farsides import ACTS, Foreseen, foresee
from gateway.cli.demo.mail import Way
from gateway.cli.demo.persons import PERSONNUMMER, PROTECTED
from gateway.consumer import asking
from gateway.dispatch import DispatchId
from gateway.outbound import commands
from gateway.outbound.states import State

CASEWORK, REHABILITATION, CONTROL = "handlaggning.aktivitetsstod", "rehabilitering", "kontroll"
"""Askers, as in `config/askers.toml`."""
_AF_STATUS = "0"
"""Arbetsförmedlingen's own code in a right answer (StatusSokandeinformationKod)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One recipient of a command: a dispatch."""

    what: str
    place: str
    """Whose far side, or mailbox."""
    dispatch: DispatchId
    did: str
    """What the far side does each time it is called, in a few words; in the end it is right, if it comes to that."""
    foreseen: Foreseen
    answers: int
    """Events that the answer must give to whoever asked."""
    stopped: bool
    """By the law, before anything was meant for anybody: no intent, and one leaf of the decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One command."""

    asker: str
    name: str
    data: Data = field(repr=False)
    legs: tuple[Leg, ...]
    times: int = 1
    """How often it is given: the same command again must do nothing more."""
    refused: str | None = None
    """The code with which it must be refused at once: then nothing is kept, and there are no dispatches."""


class Outgoing:
    """Makes the errands of one play, and tells the far sides what to do. One instance is played once."""

    def __init__(self, country: Country, now: datetime) -> None:
        """`now` is when the commands are given."""
        self._country = country
        self._now = now
        self._made = 0

    def errands(self) -> Iterator[Errand]:
        """Yield every errand."""
        yield from self._right()
        yield from self._navet()
        yield from self._arbetsformedlingen()
        yield from self._summons()
        yield from self._notifications()
        yield from self._mailboxes()
        yield from self._stopped()

    def _right(self) -> Iterator[Errand]:
        yield self._ask_navet("known")
        yield self._ask_navet("protected identity", person=PROTECTED)
        yield self._ask_navet("unknown person: an answer too", person=UNKNOWN, answers=0)
        yield self._ask_af("known", times=2)
        yield self._summon(
            "to four", [("arbetsgivare-a", ()), ("arbetsformedlingen", ()), ("region", ()), ("kommun", ())]
        )
        yield self._tell("with circumstances")

    def _navet(self) -> Iterator[Errand]:
        for script in (
            ("slow", "wrong_signature"),
            ("dropped",),
            ("stale", "page_404"),
            ("garbage_unprocessed", "page_500"),
            ("typed_server_fault",),
            ("typed_fault",),
            ("unrelated", "breaks_schema"),
        ):
            yield self._ask_navet("known", script)

    def _arbetsformedlingen(self) -> Iterator[Errand]:
        for script in (
            ("busy", "other_signer"),
            ("dropped_unprocessed", "reset"),
            ("dripping",),
            ("too_large", "wrong_value"),
            ("other_message", "other_person"),
            ("page", "client_fault"),
        ):
            yield self._ask_af("known", script)

    def _summons(self) -> Iterator[Errand]:
        yield self._summon(
            "to four, of whom two fail",
            [
                ("arbetsgivare-a", ("dropped", "other_content")),
                ("arbetsformedlingen", ()),
                ("region", ("stale_unprocessed", "redirect")),
                ("kommun", ("partial",)),
            ],
        )
        yield self._summon(
            "to four, who all fail",
            [
                ("arbetsgivare-a", ("reset", "refusal")),
                ("arbetsformedlingen", ("refused_at_the_door", "server_fault_unprocessed")),
                ("region", ("other_receipt", "cut_short")),
                ("kommun", ("breaks_schema",)),
            ],
        )
        yield self._summon("to one, whose TLS is wrong", [("arbetsgivare-b", GREETINGS)])
        yield self._summon("to one, who leaves it to a person", [("kommun", ("waits",))])

    def _notifications(self) -> Iterator[Errand]:
        for script in (
            ("cannot_now", "server_fault"),
            ("lost_behind", "right_as_500"),
            ("unsigned",),
            ("refused_for_good",),
            ("refusal",),
        ):
            yield self._tell("with circumstances", script)

    def _mailboxes(self) -> Iterator[Errand]:
        for way in Way:
            errand = self._summon("to one without an address", [(READER, ())])
            self._country.boxes[READER].ways[errand.legs[0].dispatch] = way
            leg = replace(errand.legs[0], did=f"fetches by {way}, acknowledges", foreseen=_READ)
            yield replace(errand, legs=(leg,))
        errand = self._summon("to one who never asks its mailbox", [(NEVER, ())])
        yield replace(errand, legs=(replace(errand.legs[0], did="leaves it unread", foreseen=_UNREAD),))

    def _stopped(self) -> Iterator[Errand]:
        employer = self._country.organisation("arbetsgivare-a") or ""
        person = PERSONNUMMER[0]
        for what, data in (
            ("without consent", errands.unconsented(person, self._now, employer)),
            ("with questions about health", errands.diagnosed(person, self._now, employer)),
        ):
            yield self._errand(f"summons {what}", REHABILITATION, data, [("arbetsgivare-a", ())], stopped=True)
        akassa = self._country.organisation("akassa") or ""
        data = errands.notification(person, self._now, akassa, suspicion=None)
        yield self._errand("notification without written reasons", CONTROL, data, [("akassa", ())], stopped=True)
        data = errands.notification(person, self._now, akassa, circumstances=False)
        yield Errand(asker=CONTROL, name="demo-refused", data=data, legs=(), refused=endings.COMMAND_FORMAT.name)

    # --- one each -----------------------------------------------------------------------------------------------------

    def _ask_navet(
        self, what: str, script: Sequence[str] = (), *, person: str | None = None, answers: int = 1
    ) -> Errand:
        data = errands.navet(person or self._person(), self._now)
        return self._errand(f"question to Navet: {what}", CASEWORK, data, [("skatteverket", script)], answers=answers)

    def _ask_af(self, what: str, script: Sequence[str] = (), *, times: int = 1) -> Errand:
        data = errands.ersattningsstod(self._person(), self._now)
        legs = [("arbetsformedlingen", script)]
        return self._errand(
            f"question to AF: {what}", CASEWORK, data, legs, answers=1, answered=_AF_STATUS, times=times
        )

    def _summon(self, what: str, to: Sequence[tuple[str, Sequence[str]]]) -> Errand:
        country = self._country
        recipients = [(country.partner(name), country.organisation(name)) for name, _ in to]
        data = errands.summons(self._person(), self._now, recipients)
        return self._errand(f"summons {what}", REHABILITATION, data, to)

    def _tell(self, what: str, script: Sequence[str] = ()) -> Errand:
        data = errands.notification(self._person(), self._now, self._country.organisation("akassa") or "")
        return self._errand(f"notification {what}", CONTROL, data, [("akassa", script)])

    def _person(self) -> str:
        return PERSONNUMMER[self._made % (len(PERSONNUMMER) - 2)]

    def _errand(
        self,
        what: str,
        asker: str,
        data: Data,
        to: Sequence[tuple[str, Sequence[str]]],
        *,
        answers: int = 0,
        answered: str | None = None,
        stopped: bool = False,
        times: int = 1,
    ) -> Errand:
        """Make an errand, and plan with its far sides. A place's dispatches are in the order of the recipients."""
        self._made += 1
        name = f"demo-{self._made:02d}"
        command = commands.reread(asking.composed(asker, name, data, self._now))
        legs = []
        for (place, script), queued in zip(to, commands.queue(command), strict=True):
            foreseen = _STOPPED if stopped else foresee(script, answered=answered)
            if script is not GREETINGS and place in self._country.places:
                self._country.side(place).plan(queued.dispatch, script)
            legs.append(
                Leg(
                    what=what,
                    place=place,
                    dispatch=queued.dispatch,
                    did="" if stopped else _did(script),
                    foreseen=foreseen,
                    answers=answers if foreseen.state is State.DELIVERED else 0,
                    stopped=stopped,
                )
            )
        return Errand(asker=asker, name=name, data=data, legs=tuple(legs), times=times)


def _did(script: Sequence[str]) -> str:
    """Return what a far side does as often as it is called, in a few words."""
    tried = foresee(script).attempts
    return "; ".join(ACTS[name].what for name in [*script, "right"][:tried])


_READ = Foreseen(
    state=State.DELIVERED, attempts=0, code=None, partner_code=None, first_failure=None, processed=1, seen=1
)
_UNREAD = replace(_READ, state=State.EXPIRED, code=endings.UNREAD.name, processed=0, seen=0)
_STOPPED = Foreseen(
    state=State.DENIED,
    attempts=0,
    code=endings.DENIED.name,
    partner_code=None,
    first_failure=None,
    processed=0,
    seen=0,
)

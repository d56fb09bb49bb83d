"""What each act is, and what the gateway must make of it.

Whether the partner has processed the message is a thing apart (`Act.processes`). Where the gateway cannot know, both
happen: `slow` has processed it, `slow_unprocessed` has not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from gateway import codes, endings
from gateway.cli.demo.farsides import acts, replies
from gateway.cli.demo.farsides.call import Call
from gateway.codes import Code
from gateway.outbound.states import Happening


class Greeting(Enum):
    """What TLS is greeted with."""

    RIGHT = auto()
    ELSEWHERE = auto()
    """A true certificate of the partner's, for another host."""
    OTHER = auto()
    """A true certificate for this host, of another organisation."""
    NONE = auto()
    """Nothing: the connection is ended before TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One way of behaving, and what the gateway must make of the attempt."""

    name: str
    what: str
    """What the far side does, in a few words."""
    does: Callable[[Call], None]
    processes: bool
    """Whether the partner has processed the message when it does this."""
    happening: Happening
    """What must happen to the dispatch."""
    code: Code | None = None
    """And its code."""
    partner_code: str | None = None
    """The partner's own, which must be kept."""
    greeting: Greeting = Greeting.RIGHT
    contracts: frozenset[str] | None = None
    """None: all of them."""

    @property
    def reached(self) -> bool:
        """Whether the message comes as far as to the partner's program."""
        return self.greeting is Greeting.RIGHT

    def suits(self, contract: str) -> bool:
        """Tell whether a partner can do this with a message of this contract."""
        return self.contracts is None or contract in self.contracts


_H, _E = Happening, endings
SENT = frozenset({"forsakringskassan/avstamningsmote", "forsakringskassan/underrattelse"})
"""Contracts that are answered with a receipt."""
_NAVET = frozenset({replies.NAVET})
_ASKED = frozenset({replies.NAVET, replies.ERSATTNINGSSTOD})


def _right() -> Iterator[Act]:
    yield from _all(acts.right, "answers", _H.ANSWER)
    yield from _all(acts.partial, "takes one record of two", _H.ANSWER, contracts=SENT)
    yield from _all(acts.waits, "takes it, a person there decides", _H.ANSWER, contracts=SENT)


def _doubtful() -> Iterator[Act]:
    """Yield what leaves the gateway not knowing."""
    yield from _all(acts.slow, "says nothing beyond the read limit", _H.LOSE, _E.LOST)
    yield from _all(acts.dripping, "answers beyond the total limit", _H.LOSE, _E.LOST)
    yield from _all(acts.dropped, "hangs up", _H.LOSE, _E.LOST)
    yield from _all(acts.reset, "breaks the line", _H.LOSE, _E.LOST)
    yield from _all(acts.cut_short, "hangs up within the answer", _H.LOSE, _E.LOST)
    yield from _all(acts.lost_behind, "504", _H.LOSE, _E.LOST)
    yield from _all(acts.too_large, "answers without end", _H.LOSE, _E.TOO_LARGE)
    yield from _all(acts.wrong_signature, "changes what was signed", _H.LOSE, _E.UNPROVEN)
    yield from _all(acts.wrong_value, "spoils the signature's value", _H.LOSE, _E.UNPROVEN)
    yield from _all(acts.unsigned, "answers without a signature", _H.LOSE, _E.UNPROVEN)
    yield from _all(acts.other_signer, "is signed for by another partner", _H.LOSE, _E.UNPROVEN)
    yield from _all(acts.stale, "signed an hour ago", _H.LOSE, _E.UNPROVEN)
    yield from _all(acts.unrelated, "answers no message", _H.LOSE, _E.UNPROVEN)
    yield from _all(acts.other_message, "RelatesTo another message", _H.LOSE, _E.OTHER)
    yield from _all(acts.other_receipt, "receipt for another message", _H.LOSE, _E.OTHER, contracts=SENT)
    yield from _all(acts.other_content, "receipt for other content", _H.LOSE, _E.OTHER, contracts=SENT)
    yield from _all(acts.garbage, "bytes that are no XML", _H.LOSE, _E.GARBLED)
    yield from _all(acts.page, "200 with a web page", _H.LOSE, _E.GARBLED)
    yield from _all(acts.page_500, "500 with a web page", _H.LOSE, _E.GARBLED)
    yield from _all(acts.right_as_500, "a right answer as 500", _H.LOSE, _E.FAULT)
    yield from _all(acts.server_fault, "Server fault without more", _H.LOSE, _E.FAULT, partner_code="Server")
    yield from _all(
        acts.typed_server_fault,
        "Server fault with Navet's Felkod",
        _H.LOSE,
        _E.FAULT,
        partner_code=acts.FELKOD,
        contracts=_NAVET,
    )


def _certain() -> Iterator[Act]:
    """Yield what has certainly not happened, what is refused, and what is of no use."""
    yield from _all(acts.page_404, "404 with a web page", _H.POSTPONE, _E.ADDRESS)
    yield from _all(acts.redirect, "307", _H.POSTPONE, _E.ADDRESS)
    yield from _all(acts.busy, "503 with Retry-After", _H.POSTPONE, _E.BUSY)
    yield from _all(
        acts.refused_at_the_door,
        "our own format: signature not accepted",
        _H.POSTPONE,
        _E.BUSY,
        partner_code=codes.SIG_VALUE.name,
    )
    yield from _all(
        acts.cannot_now, "our own format: resend", _H.POSTPONE, _E.BUSY, partner_code=codes.STORE_UNAVAILABLE.name
    )
    yield from _all(
        acts.not_for_this_host,
        "TLS certificate for another host",
        _H.POSTPONE,
        _E.UNTRUSTED,
        greeting=Greeting.ELSEWHERE,
    )
    yield from _all(
        acts.other_organisation,
        "TLS certificate of another organisation",
        _H.POSTPONE,
        _E.UNTRUSTED,
        greeting=Greeting.OTHER,
    )
    yield from _all(acts.hung_up, "ends the connection before TLS", _H.POSTPONE, _E.UNREACHABLE, greeting=Greeting.NONE)
    yield from _all(acts.client_fault, "Client fault without more", _H.REFUSE, _E.REFUSED, partner_code="Client")
    yield from _all(
        acts.typed_fault,
        "Client fault with Navet's Felkod",
        _H.REFUSE,
        _E.REFUSED,
        partner_code=acts.FELKOD,
        contracts=_NAVET,
    )
    yield from _all(
        acts.refused_for_good,
        "our own format: contract broken",
        _H.REFUSE,
        _E.REFUSED,
        partner_code=codes.CONTRACT_SCHEMA.name,
    )
    yield from _all(
        acts.refusal,
        "receipt in HTTP 200 that takes nothing",
        _H.REFUSE,
        _E.REFUSED,
        partner_code=replies.REJECTED,
        contracts=SENT,
    )
    yield from _all(acts.breaks_schema, "leaves out what the contract needs", _H.SPOIL, _E.UNUSABLE)
    yield from _all(acts.other_person, "answers about somebody else", _H.SPOIL, _E.UNUSABLE, contracts=_ASKED)


def _all(
    does: Callable[[Call], None],
    what: str,
    happening: Happening,
    code: Code | None = None,
    *,
    partner_code: str | None = None,
    greeting: Greeting = Greeting.RIGHT,
    contracts: frozenset[str] | None = None,
) -> Iterator[Act]:
    """Yield an act, and where the gateway cannot know, the same without that anything was processed."""
    act = Act(
        name=does.__name__,
        what=what,
        does=does,
        processes=happening in {_H.ANSWER, _H.LOSE, _H.SPOIL},
        happening=happening,
        code=code,
        partner_code=partner_code,
        greeting=greeting,
        contracts=contracts,
    )
    yield act
    if happening is _H.LOSE:
        yield replace(act, name=f"{act.name}_unprocessed", what=f"{what} (unprocessed)", processes=False)


ACTS: Mapping[str, Act] = {act.name: act for act in (*_right(), *_doubtful(), *_certain())}
"""By name."""

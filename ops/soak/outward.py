"""Opens the books of what went out: store and log, the partners', and what the askers' consumers handled.

A receipt counts if the partner's signature holds on the bytes that are sealed as its answer, by code that is not the
gateway's own (`gateway.cli.demo.answers`), if it is signed that they answer this very message, and if a receipt quotes
the content that was permitted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import orjson
from pysqlite3 import dbapi2 as sqlite

from gateway import wiring
from gateway.cli.demo import answers
from gateway.cli.demo.answers import WrongAnswerError
from gateway.errors import GatewayError
from gateway.outbound.states import Happening, State
from gateway.store.dispatch_views import Dispatch, DispatchViews
from gateway.trust.sealing import Sealer
from ops.soak.abroad import Abroad, Meant
from ops.soak.disclosed import Books, Kept, Moved, Told
from ops.soak.errands import READER
from ops.soak.fleet import Fleet
from ops.soak.givers import Given
from ops.soak.reader import Reader
from ops.soak.reconcile import Handled, Letter

_MANY = 1_000_000
_RELATES = "{http://www.w3.org/2005/08/addressing}RelatesTo"


def books(
    fleet: Fleet, given: Sequence[Given], reader: Reader, handled: Sequence[Handled], letters: Sequence[Letter]
) -> Books:
    """Read everything; `handled` and `letters` are those of the askers' queues. Raises GatewayError."""
    abroad = fleet.abroad
    views = DispatchViews(wiring.place(fleet.configuration, wiring.Duty.OWNER))
    try:
        sealer = wiring.sealer(fleet.configuration.gateway.keys)
        meant = {one.dispatch: one for one in abroad.meant}
        kept = [_kept(views, one, meant.get(one.id), abroad, sealer) for one in views.dispatches(limit=_MANY)]
    finally:
        views.close()
    return Books(
        meant=abroad.meant,
        given=given,
        kept=kept,
        partners={place: found.entries() for place, found in abroad.books().items()},
        turned_away={place: tuple(found.refused) for place, found in abroad.books().items()},
        odd=reader.odd,
        told=told(fleet.handled),
        handled=handled,
        letters=letters,
    )


def told(database: Path) -> list[Told]:
    """Return the outcomes that consumers handled, in order."""
    with closing(sqlite.connect(str(database))) as connection:
        return [_told(orjson.loads(raw)) for (raw,) in connection.execute("SELECT raw FROM told ORDER BY n")]


def _told(event: Mapping[str, object]) -> Told:
    data = event["data"]
    assert isinstance(data, dict)  # noqa: S101  # by its schema
    return Told(
        event=str(event["id"]),
        dispatch=str(event["dispatchid"]),
        state=data["state"],
        code=data["code"],
        attempts=data["attempts"],
        first_failure=data["firstFailure"],
        events=tuple(data["events"]),
    )


def _kept(views: DispatchViews, one: Dispatch, meant: Meant | None, abroad: Abroad, sealer: Sealer) -> Kept:
    steps = tuple(
        Moved(before=step.before, happening=step.happening, after=step.after, code=step.code, digest=step.digest)
        for step in views.timeline(one.id)
    )
    receipt = "nobody commanded it"
    if meant is not None and one.state is State.DELIVERED:
        content = next((step.digest for step in steps if step.happening is Happening.COMPOSE), None)
        receipt = _receipt(views, one, meant, abroad, sealer, content)
    return Kept(
        id=one.id,
        state=one.state,
        code=one.code,
        attempts=one.attempts,
        first_failure=one.first_failure,
        steps=steps,
        leaves=Counter(str(orjson.loads(entry.entry)["kind"]) for entry in views.dispatch_leaves(one.id)),
        receipt=receipt,
    )


def _receipt(  # noqa: PLR0913, PLR0917  # all that it is held to
    views: DispatchViews, one: Dispatch, meant: Meant, abroad: Abroad, sealer: Sealer, content: str | None
) -> str:
    """Return what is wrong with the sealed answer of a delivered dispatch."""
    found = [step for step in views.sealed(one.id) if step.name == "answer"]
    if len(found) != 1:
        return f"{len(found)} answers are sealed"
    try:
        evidence = sealer.open(found[0].sealed, [leaf.hash for leaf in found[0].leaves]).evidence
        root = answers.verified(evidence, abroad.signer(meant.leg.place))
    except (GatewayError, WrongAnswerError) as error:
        return f"the sealed answer is not proven: {error}"
    quoted = next((digest.text for digest in root[-1].iter("{*}Digest")), None)
    if quoted is not None and quoted != content:
        return "its receipt quotes another content"
    if meant.leg.place == READER:
        return "" if quoted else "its acknowledgement quotes no content"
    return "" if root[0].findtext(_RELATES) == one.id else "its answer is about another message"

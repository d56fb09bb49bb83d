"""What the front may do of the way out, row by row: hand out what lies in a mailbox and take its acknowledgement."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from gateway.database import Turn
from gateway.errors import UnavailableError
from gateway.outbound import mailbox
from gateway.outbound.ports import Box
from gateway.outbound.states import Happening
from gateway.store.dispatches import StoredDispatches
from gateway.store.gallring import destroy
from gateway.store.mailbox import StoredMailboxes
from gateway.store.place import Duty
from tests import builders, steps
from tests.builders import NOON

pytestmark = pytest.mark.services
H = Happening
EMPLOYER, NUMBER = "arbetsgivare", "5560269986"
BOX = Box(EMPLOYER, NUMBER)
WAYS = {
    "queued": (),
    "called": (H.COMPOSE, H.BEGIN),
    "answered": (H.COMPOSE, H.BEGIN, H.ANSWER),
    "deposited": (H.COMPOSE, H.DEPOSIT),
    "fetched": (H.COMPOSE, H.DEPOSIT, H.FETCH),
    "acknowledged": (H.COMPOSE, H.DEPOSIT, H.FETCH, H.ACKNOWLEDGE),
    "unresolved": (H.COMPOSE, H.DEPOSIT, H.FETCH, H.EXPIRE),
    "unread": (H.COMPOSE, H.DEPOSIT, H.EXPIRE),
}
"""By name of the command: how it came where it stands."""


@pytest.fixture(scope="module")
def place(servers, tmp_path_factory):
    """One dispatch in every state that matters, put there by the dispatcher."""
    stored = builders.stored(servers, tmp_path_factory.mktemp("kept"))
    dispatches = StoredDispatches(stored.acting(Duty.DISPATCHER), clock=builders.Clock())
    for name, happenings in WAYS.items():
        to = steps.recipient(partner=EMPLOYER, organisation=NUMBER)
        made = steps.parts(steps.command(name, recipients=[to], life=timedelta(days=9)))
        dispatches.take(*made)
        held = dispatches.get(made[1][0].dispatch)
        for happening in happenings:
            assert dispatches.write(
                steps.step(held, happening, **({"content": "answer"} if happening is H.ACKNOWLEDGE else {}))
            )
            held = dispatches.get(held.id)
    dispatches.close()
    return stored


@pytest.fixture
def front(place):
    session = place.acting(Duty.FRONT).open()
    yield session
    session.close()


def tried(session, statement: str, values=()) -> int | None:
    """Return how many rows a statement changed or gave, undone; None where it was not allowed."""

    class Undone(Exception):  # noqa: N818  # no error
        pass

    def done() -> None:
        raise Undone

    count = None
    try:
        with session.writing(Turn.JOURNAL):
            count = session.execute(statement, values).rowcount
            done()
    except Undone:
        return count
    except psycopg.errors.InsufficientPrivilege:
        return None


BEGUN = (
    "INSERT INTO dispatches (id, dispatch, command, position, contract, partner, organisation, lane, expires, "
    "changed_at) VALUES (99, 'd', 1, 9, 'k', 'p', '', 'p  k', '', '')"
)


def number(name: str) -> int:
    return list(WAYS).index(name) + 1


def test_it_sees_what_has_ever_lain_in_a_mailbox_and_no_other_dispatch(front):
    seen = {n for (n,) in front.execute("SELECT id FROM dispatches").fetchall()}
    assert seen == {number(name) for name, way in WAYS.items() if H.DEPOSIT in way}


NAMES = ("command", "envelope", "payload")


def test_of_contents_it_sees_command_payload_and_envelope_of_what_is_still_theirs(front):
    rows = front.execute("SELECT dispatch, name FROM contents").fetchall()
    assert sorted(rows) == [(number(one), name) for one in ("deposited", "fetched") for name in NAMES]


def test_of_hidden_records_it_sees_those_of_what_is_still_theirs(front):
    theirs = front.execute("SELECT position FROM deposit_records").fetchall()
    ours = "SELECT l.position FROM leaves l WHERE l.dispatch IN (?, ?)"
    assert sorted(theirs) == sorted(front.execute(ours, (number("deposited"), number("fetched"))).fetchall())
    assert theirs


MOVES = [
    ("deposited", "fetched", 1),
    ("fetched", "fetched", 1),
    ("fetched", "delivered", 1),
    ("deposited", "delivered", 1),
    ("deposited", "expired", None),
    ("deposited", "withdrawn", 1),
    ("fetched", "unresolved", None),
    ("fetched", "deposited", None),
    ("acknowledged", "fetched", 0),
    ("unresolved", "delivered", 0),
    ("unread", "fetched", 0),
    ("queued", "delivered", 0),
    ("called", "delivered", 0),
]


@pytest.mark.parametrize(("name", "to", "changed"), MOVES)
def test_it_moves_only_what_is_theirs_and_only_to_fetched_delivered_or_withdrawn(front, name, to, changed):
    statement = "UPDATE dispatches SET state = ?, step = step + 1 WHERE id = ?"
    assert tried(front, statement, (to, number(name))) == changed


@pytest.mark.parametrize(
    ("name", "happening", "after", "allowed"),
    [
        ("fetched", "fetch", "fetched", True),
        ("fetched", "acknowledge", "fetched", False),
        ("fetched", "expire", "unresolved", False),
        ("fetched", "compose", "composed", False),
        ("acknowledged", "acknowledge", "delivered", True),
        ("deposited", "fetch", "fetched", False),
        ("queued", "fetch", "fetched", False),
        ("called", "answer", "delivered", False),
        ("unread", "fetch", "fetched", False),
    ],
)
def test_it_writes_a_timeline_only_of_that(front, name, happening, after, allowed):
    statement = (
        "INSERT INTO timeline (dispatch, step, happening, before, after, at, leaf_count) VALUES (?, 9, ?, '', ?, '', 0)"
    )
    assert (tried(front, statement, (number(name), happening, after)) is not None) == allowed


@pytest.mark.parametrize(
    ("name", "content", "allowed"),
    [
        ("acknowledged", "answer", True),
        ("acknowledged", "envelope", False),
        ("acknowledged", "payload", False),
        ("deposited", "answer", False),
        ("fetched", "command", False),
        ("queued", "answer", False),
        ("answered", "answer", False),
    ],
)
def test_it_seals_nothing_but_acknowledgements(front, name, content, allowed):
    statement = "INSERT INTO contents (dispatch, step, name, key_id, wrapped_key, sealed) VALUES (?, 9, ?, '', '', '')"
    assert (tried(front, statement, (number(name), content)) is not None) == allowed


@pytest.mark.parametrize("name", ["acknowledged", "unread", "unresolved"])
def test_a_mailbox_that_is_closed_is_not_opened_again(front, name):
    assert tried(front, "UPDATE deposits SET closed_at = NULL WHERE dispatch = ?", (number(name),)) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO deposits (dispatch, partner, organisation, contract, deposited_at) VALUES (1, 'p', '', 'k', '')",
        "UPDATE deposits SET emptied_at = ''",
        "DELETE FROM deposits",
        "DELETE FROM contents",
        "DELETE FROM records",
        "SELECT sealed FROM dispatch_records",
        "SELECT sealed FROM records",
        "SELECT digest FROM commands",
        "SELECT reason FROM instructions",
        "INSERT INTO commands VALUES (99, 'a', 'c', 'd', 'k', '', '', '')",
        BEGUN,
        "UPDATE dispatches SET expires = 'x'",
        "UPDATE dispatches SET partner = 'x'",
        "SELECT gateway_empty_deposit(6, 'z', NULL, NULL, NULL)",
    ],
)
def test_nothing_else_of_the_way_out_is_its_business(front, statement):
    assert tried(front, statement) is None


def test_what_it_may_do_is_enough(place):
    clock = builders.Clock()
    mailboxes = StoredMailboxes(place.acting(Duty.FRONT), clock=clock)
    dispatches = StoredDispatches(place.acting(Duty.DISPATCHER), clock=clock)
    to = steps.recipient(partner=EMPLOYER, organisation=NUMBER)
    made = steps.parts(steps.command("enough", recipients=[to], life=timedelta(days=9)))
    dispatches.take(*made)
    held = dispatches.get(made[1][0].dispatch)
    composed = steps.step(held, H.COMPOSE)
    assert dispatches.write(composed)
    assert dispatches.write(steps.step(dispatches.get(held.id), H.DEPOSIT))
    assert held.id in [one.id for one in mailboxes.waiting([BOX], NOON, limit=9).messages]
    mailboxes.fetch([BOX], held.id, NOON, lambda found: mailbox.fetch(found, NOON))

    def end(found):
        return steps.step(found, H.ACKNOWLEDGE, content="answer")

    mailboxes.acknowledge([BOX], held.id, composed.digest, end)
    assert dispatches.get(held.id).state == "delivered"
    mailboxes.close()
    dispatches.close()


@pytest.mark.parametrize("duty", [Duty.FRONT, Duty.DISPATCHER])
def test_whole_gallring_stays_the_owners(place, duty):
    session = place.open()
    (dispatch,) = session.execute("SELECT dispatch FROM dispatches WHERE id = ?", (number("acknowledged"),)).fetchone()
    with session.writing(Turn.OUTBOX):
        session.execute("DELETE FROM outbox")
    session.close()

    with pytest.raises(UnavailableError, match="InsufficientPrivilege"):
        destroy(place.acting(duty), dispatch)


def test_the_dispatcher_empties_no_mailbox_before_its_time(place):
    session = place.acting(Duty.DISPATCHER).open()
    for name in ("deposited", "fetched", "unresolved", "answered"):
        with session.writing(Turn.JOURNAL):
            (done,) = session.execute(
                "SELECT gateway_empty_deposit(?, ?, NULL, NULL, NULL)", (number(name), "9999-12-31T23:59:59.999999Z")
            ).fetchone()
        assert done is False, name
    session.close()

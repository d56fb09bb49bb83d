"""A marking that comes while an event waits: the relay holds it back, it goes shielded, and the log says so first."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from gateway.adapters import persons
from gateway.broker.relay import Relay, Tally
from gateway.broker.shielded import ShieldedPublisher
from gateway.database import Turn
from gateway.message import Protection
from gateway.ports import DeadLetter
from gateway.store.dead_letters import StoredDeadLetters
from gateway.store.place import SqlitePlace
from gateway.store.shieldings import StoredShieldings
from gateway.wiring.releasing import Shielder
from gateway.wiring.rules import hiding
from tests import payloads
from tests.paths.test_protected_reviews import FOLK
from tests.world import CrashError, event_of

SJUK = "arbetsgivare/sjukanmalan"
MARKED = payloads.folkbokforing(marking="<Sekretessmarkering>J</Sekretessmarkering>", changed="20260111120000")
LIFTED = payloads.folkbokforing(changed="20260112120000")
OTHER = payloads.PERSONS[1]


class Way:
    """The relay behind its shield, and whoever shields."""

    def __init__(self, world):
        self.world = world
        self.hiding = hiding(world.configuration)
        self.fault = ""
        publisher = ShieldedPublisher(world.broker, world.protections, self.hiding, refresh=world.protections.refresh)
        self.relay = Relay(world.outbox, publisher, lease=lambda: True, random=world.chance.random)
        self.store = StoredShieldings(SqlitePlace(world.store), faults=self.point)
        self.shielder = Shielder(
            self.store, lambda: world.rules, lambda: self.hiding, lease=lambda: True, clock=world.clock
        )

    def point(self, point):
        if point == self.fault:
            raise CrashError(point)

    def waiting(self):
        return [event_of(one.body) for one in self.world.pending()]

    def leaves(self):
        """The records of what was shielded, opened."""
        views, found = self.world.views, []
        for position in range(views.length()):
            entry = views.at(position)
            if orjson.loads(entry.entry)["kind"] == "shielded":
                sealed = views.sealed_apart(position)
                found.append(orjson.loads(self.world.rules.sealer.open(sealed, [entry.hash]).records[0][1]))
        return found


@pytest.fixture
def way(world):
    world.send(
        FOLK,
        payloads.folkbokforing(),
    )
    world.relay()
    made = Way(world)
    yield made
    made.store.close()


def notice(world, **more):
    return world.send(SJUK, payloads.sjukanmalan(signer=world.scene.signer("arbetsgivare"), **more))


def test_marked_while_it_waits_it_goes_only_shielded_and_the_log_says_what_was_withheld_before_it_goes(world, way):
    answer = notice(world)
    (event,) = way.waiting()
    assert "arbetsgivare" in event["data"]["fields"]
    world.send(FOLK, MARKED)
    tally = way.relay.step()
    assert (tally.held, tally.settled) == (1, 0), "and what follows of the same person waits with it"
    assert (way.relay.step(), way.leaves()) == (Tally(), []), "nor is it tried again before somebody has looked"
    assert way.shielder.step() == 1
    assert way.shielder.step() == 0
    first = way.waiting()[0]
    assert "arbetsgivare" not in first["data"]["fields"]
    assert (first["id"], first["protection"]) == (event["id"], "sekretessmarkering")
    (told,) = way.leaves()
    assert told["withheld"] == [
        {"field": name, "reason": "PROTECTED_IDENTITY"}
        for name in ("arbetsgivare", "kontaktperson")
        if name in event["data"]["fields"]
    ]
    assert told["about"] == answer.accepted.leaves[0].hex()
    assert (told["reference"], told["information"], told["contract"]) == (event["id"], "sjukanmalan", SJUK)
    assert (told["protection"], told["person"]["number"]) == ("sekretessmarkering", event["data"]["person"]["id"])
    assert way.relay.step().settled == 2
    assert way.waiting() == []
    world.integrate()
    world.views.verify_log(world.signer.key)


def test_others_events_go_while_one_is_held_back(world, way):
    notice(world)
    world.send(FOLK, MARKED)
    world.send(FOLK, payloads.folkbokforing(person=OTHER))
    tally = way.relay.step()
    assert (tally.held, tally.settled, tally.failed) == (1, 1, 0)


def test_lifted_before_anybody_has_shielded_it_goes_as_it_was_and_no_leaf_is_written(world, way):
    notice(world)
    before = way.waiting()[0]
    world.send(FOLK, MARKED)
    assert way.relay.step().held == 1
    world.send(FOLK, LIFTED)
    assert way.shielder.step() == 1
    assert way.waiting()[0] == before
    assert way.leaves() == []
    assert way.relay.step().held == 0


def test_lifted_after_it_was_shielded_nothing_is_put_back(world, way):
    notice(world)
    world.send(FOLK, MARKED)
    way.relay.step()
    way.shielder.step()
    world.send(FOLK, LIFTED)
    way.relay.step()
    assert all("arbetsgivare" not in event_of(body)["data"]["fields"] for body in sent(world, "sjukanmalan"))


def sent(world, kind):
    world.consume()
    return [body for _, _, body in world.ledger.consumed if event_of(body)["data"].get("kind") == kind]


@pytest.mark.parametrize("point", ["shielded", "leaves", "shieldings", "commit", "committed"])
def test_killed_while_it_is_shielded_it_is_once_and_never_goes_whole(world, way, point):
    notice(world)
    world.send(FOLK, MARKED)
    way.relay.step()
    way.fault = point
    with pytest.raises(CrashError):
        way.shielder.step()
    way.store.close()
    again = Way(world)
    again.shielder.step()
    while again.relay.step().settled:
        pass
    assert len(again.leaves()) == 1
    (body,) = set(sent(world, "sjukanmalan"))
    assert "arbetsgivare" not in event_of(body)["data"]["fields"]
    again.store.close()
    way.store = StoredShieldings(SqlitePlace(world.store))


def test_of_a_letter_that_is_sent_again_everybody_whom_it_names_is_looked_for(world, way):
    notice(world)
    (whole,) = way.waiting()
    marked = world.rules.pseudonyms.of(replace(person(whole), number=OTHER))
    whole["data"]["fields"] = {"relation": [{"personnummer": f"{OTHER[:8]}-{OTHER[8:]}"}], "arbetsgivare": "5560000001"}
    letters = StoredDeadLetters(SqlitePlace(world.store), clock=world.clock)
    one = world.pending()[0]
    at = world.clock.now()
    letters.record([
        DeadLetter(
            tag=1, queue=one.queues[0], event=one.id, type=one.type, partition=one.partition, attempts=3, reason="x",
            since=at, at=at, replay_of=None, body=orjson.dumps(whole),
        )
    ])  # fmt: skip
    world.outbox.settle(world.outbox.pending(9))
    letters.retry([1], reason="mended", by="anna")
    letters.close()
    session = SqlitePlace(world.store).open()
    with session.writing(Turn.JOURNAL):
        session.execute(
            "INSERT INTO protections (person, protection, rank, stated_at, revision) VALUES (?, ?, 3, 1, 99)",
            (marked, Protection.SKYDDAD_FOLKBOKFORING),
        )
    session.close()
    assert way.relay.step().held == 1
    assert way.shielder.step() == 1
    (event,) = way.waiting()
    assert "arbetsgivare" not in event["data"]["fields"]
    assert event["data"]["withheld"][-1] == {"field": "arbetsgivare", "reason": "PROTECTED_RELATED"}
    assert event["protection"] == "ingen"
    assert way.relay.step().settled == 1
    assert len(way.leaves()) == 1


def person(event):
    return persons.read(event["data"]["person"]["id"])

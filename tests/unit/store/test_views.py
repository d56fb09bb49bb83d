from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from gateway.audit import checkpoint, proof, tree
from gateway.errors import IntegrityError, UnavailableError
from gateway.message import LeafHash, MessageId, Pseudonym
from gateway.store.views import Views
from tests import builders

KEY = builders.signer().key


@pytest.fixture
def views(store, clock):
    """Three messages with two records each and two refusals, all signed for."""
    journal = builders.journal(store, clock)
    for n in range(3):
        journal.accept(builders.ready(f"urn:uuid:{n}", records=2)).result()
    journal.refuse(builders.refusal()).result()
    journal.refuse(builders.refusal(b"<bad/>", quarantined=True)).result()
    journal.close()
    builders.integrate(store, clock)
    opened = Views(store)
    yield opened
    opened.close()


def test_everything_is_counted(views):
    assert views.counts() == {
        "messages": 3,
        "refusals": 2,
        "quarantine": 1,
        "leaves": 8,
        "outbox": 6,
        "protections": 0,
        "checkpoints": 2,
    }


def test_messages_come_newest_first_and_by_their_id(views):
    assert [one.message_id for one in views.messages()] == ["urn:uuid:2", "urn:uuid:1", "urn:uuid:0"]
    assert [one.message_id for one in views.messages(limit=1)] == ["urn:uuid:2"]
    (one,) = views.messages(message_id=MessageId("urn:uuid:1"))
    assert (one.first_leaf, one.leaf_count, one.undelivered) == (2, 2, 2)
    assert views.messages(message_id=MessageId("urn:uuid:9")) == []


def test_refusals_are_listed_and_counted_by_code(views):
    assert views.refused_by_code() == {"GW-CONTRACT-SCHEMA": 1, "GW-PURPOSE-QUARANTINED": 1}
    (one,) = views.refusals(code="GW-CONTRACT-SCHEMA")
    assert (one.partner, one.contract, one.position) == ("skatteverket", "skatteverket/arbetsgivardeklaration", 6)
    assert [one.position for one in views.refusals()] == [7, 6]


def test_a_persons_history_is_every_leaf_about_them_and_no_other(views):
    mine = views.history(builders.pseudonym(builders.NUMBERS[1]))
    assert [(one.position, one.message) for one in mine] == [(0, 1), (2, 2), (4, 3)]
    assert views.history(Pseudonym("nobody")) == []


def test_what_is_not_there_is_none(views):
    assert views.leaf(LeafHash(b"x" * 32)) is None
    assert views.proof(LeafHash(b"x" * 32)) is None
    assert views.sealed_message(99) is None
    assert views.sealed_refusal(99) is None
    assert views.leaves(99) == []


def test_after_gallring_the_sealed_is_gone_and_the_log_still_verifies(views, file):
    with file.writing() as connection:
        connection.execute("DELETE FROM records")
        connection.execute("DELETE FROM evidence")
        connection.execute("UPDATE refusals SET wrapped_key = NULL")
    assert views.sealed_message(1) is None
    assert views.sealed_refusal(1) is None
    assert views.verify_log(KEY).size == 8


def test_every_leaf_is_proved_to_whoever_has_only_the_public_key(views):
    for message in views.messages():
        for leaf in views.leaves(message.number):
            one = proof.read(proof.write(views.proof(leaf.hash)))
            assert proof.verify(one, tree.leaf_hash(leaf.entry), KEY).size == 8


def test_a_leaf_that_is_not_signed_for_yet_is_promised_and_told_so(views, store, clock):
    clock.pass_(timedelta(seconds=5))
    journal = builders.journal(store, clock)
    fresh = journal.accept(builders.ready("urn:uuid:new")).result().leaves[0]
    journal.close()
    assert views.leaf(fresh).position == 8
    with pytest.raises(UnavailableError, match="leaf 8 is not signed for yet"):
        views.proof(fresh)
    assert views.unsigned(clock.now() + timedelta(seconds=2)) == (1, timedelta(seconds=2))
    builders.integrate(store, clock)
    assert views.proof(fresh).index == 8
    assert views.unsigned(clock.now()) == (0, timedelta(0))


def test_a_refusal_that_waits_to_be_signed_for_is_counted(views, store, clock):
    journal = builders.journal(store, clock)
    journal.refuse(builders.refusal(b"<again/>")).result()
    journal.close()
    assert views.unsigned(builders.NOON + timedelta(seconds=3)) == (1, timedelta(seconds=3))


def test_growth_since_an_earlier_checkpoint_is_proved(views, store, clock):
    first = checkpoint.verify(views.checkpoint(), KEY)
    journal = builders.journal(store, clock)
    journal.accept(builders.ready("urn:uuid:new", records=5)).result()
    journal.close()
    builders.integrate(store, clock)
    last, path = views.consistency(first.size)
    assert last == checkpoint.verify(views.checkpoint(), KEY)
    tree.verify_consistency(first.size, last.size, first.root, last.root, path)
    with pytest.raises(IntegrityError):
        views.consistency(99)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE leaves SET entry = x'00' WHERE position = 3", "leaf 3 does not have its entry's hash"),
        ("DELETE FROM leaves WHERE position = 3", "leaf 3 is not there"),
        ("DELETE FROM leaves WHERE position = 7", "has 7 entries, but a checkpoint of 8"),
        ("DELETE FROM messages WHERE id = 2", "leaf 2 is told of by no message"),
        ("DELETE FROM messages WHERE id = 3", "leaf 4 is told of by no message"),
        ("DELETE FROM refusals WHERE id = 2", "tell of 7 leaves, the log has 8"),
        ("UPDATE messages SET first_leaf = 1 WHERE id = 2", "by two"),
        ("UPDATE tiles SET hashes = zeroblob(length(hashes))", "tile 0/0"),
        ("DELETE FROM tiles", "tile 0/0 is not there"),
        ("UPDATE checkpoints SET note = x'00' WHERE size = 0", "note"),
        ("DELETE FROM checkpoints", "no checkpoint at all"),
    ],
)
def test_a_log_that_was_tampered_with_does_not_verify(views, file, statement, told):
    assert views.verify_log(KEY).size == 8
    builders.forge(file, statement)
    with pytest.raises(IntegrityError, match=told):
        views.verify_log(KEY)


def test_views_write_nothing(views):
    with pytest.raises(UnavailableError), views._reading() as connection:
        connection.exec_driver_sql("DELETE FROM outbox")


def test_a_log_that_grows_while_it_is_verified_verifies(views, store, clock):
    journal = builders.journal(store, clock)
    stop = threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            journal.accept(builders.ready(f"urn:uuid:busy{n}")).result()
            n += 1

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(4):
        assert views.verify_log(KEY).size == 8
    stop.set()
    writer.join()
    journal.close()

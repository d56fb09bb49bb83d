from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.store.lease import Lease, held

TTL = timedelta(seconds=10)


@pytest.fixture
def leases(store, clock):
    made = [Lease(store, "relay", holder=holder, clock=clock, ttl=TTL) for holder in ("one", "another")]
    yield made
    for lease in made:
        lease.close()


def test_only_one_holds(leases):
    one, another = leases
    assert [one.hold(), another.hold(), one.hold(), another.hold()] == [True, False, True, False]


def test_another_follows_when_the_holder_renews_no_more(leases, clock):
    one, another = leases
    assert one.hold()
    clock.pass_(TTL - timedelta(seconds=1))
    assert not another.hold()
    clock.pass_(timedelta(seconds=1))
    assert another.hold()
    assert not one.hold()


def test_a_holder_that_renews_keeps_it(leases, clock):
    one, another = leases
    for _ in range(10):
        assert one.hold()
        clock.pass_(TTL * 0.6)
        assert not another.hold()


def test_a_lease_given_back_is_free_at_once(leases):
    one, another = leases
    assert one.hold()
    one.release()
    assert another.hold()
    one.release()
    assert not one.hold()


def test_a_fresh_lease_is_kept_without_writing(leases, store):
    one, _ = leases
    assert one.hold()
    changes = one._session.connection.total_changes
    assert one.hold()
    assert one._session.connection.total_changes == changes


def test_who_holds_can_be_asked_inside_a_transaction(leases, store):
    one, _ = leases
    assert one.hold()
    file = store.open()
    with file.writing():
        assert held(file, "relay", "one")
        assert not held(file, "relay", "another")
        assert not held(file, "integrator", "one")
    file.close()


@pytest.mark.parametrize("away", [timedelta(minutes=15), timedelta(days=400)])
def test_a_holder_whose_clock_was_ahead_and_that_died_is_followed_all_the_same(leases, clock, away):
    one, another = leases
    clock.pass_(away)
    assert one.hold()
    clock.pass_(-away)
    assert another.hold()
    assert not one.hold()


def test_a_holder_whose_clock_was_ahead_renews_by_the_right_time(leases, clock):
    one, another = leases
    clock.pass_(timedelta(minutes=15))
    assert one.hold()
    clock.pass_(-timedelta(minutes=15))
    assert one.hold()
    assert not another.hold()
    clock.pass_(TTL)
    assert another.hold()


def test_clocks_that_differ_a_little_do_not_take_the_lease_from_each_other(leases, clock):
    one, another = leases
    clock.pass_(TTL * 0.9)
    assert one.hold()
    clock.pass_(-TTL * 0.9)
    assert not another.hold()

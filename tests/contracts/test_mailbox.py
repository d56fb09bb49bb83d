"""What every `outbound.ports.Mailboxes` keeps: one's own mail and nobody else's, and the same answer however often.

On PostgreSQL partners are served as the front, and everything else is done by the roles whose duty it is.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from gateway import codes
from gateway.database import Turn
from gateway.errors import ContractError, GatewayError, IntegrityError, UnavailableError
from gateway.outbound import mailbox
from gateway.outbound.ports import Box, Held
from gateway.outbound.states import Happening, State
from gateway.store import gallring
from gateway.store.dispatch_views import DispatchViews
from gateway.store.dispatches import StoredDispatches
from gateway.store.mailbox import StoredMailboxes
from gateway.store.place import Duty, Place
from tests import builders, steps
from tests.builders import NOON

H, S = Happening, State
A, B = "5560269986", "5566778899"
KIND = "arbetsgivare"
MINUTE, WEEK = timedelta(minutes=1), timedelta(days=7)
BOX = Box(KIND, A)
NOBODY = "urn:uuid:00000000-0000-5000-8000-000000000000"


@dataclass
class Post:
    place: Place
    clock: builders.Clock
    dispatches: StoredDispatches
    mailboxes: StoredMailboxes
    views: DispatchViews
    committed: list[str]
    failing: dict[str, Exception]
    digests: dict[str, str]

    def lay(self, name: str, organisation: str | None = A, *, partner: str = KIND) -> Held:
        """Lay a message of its own into a mailbox."""
        to = steps.recipient(partner=partner, organisation=organisation)
        made = steps.command(name, recipients=[to], at=self.clock.now(), life=timedelta(days=30))
        parts = steps.parts(made)
        self.dispatches.take(*parts)
        held = self.dispatches.get(parts[1][0].dispatch)
        for happening in (H.COMPOSE, H.DEPOSIT):
            more = {"due": self.clock.now() + 5 * timedelta(days=1)} if happening is H.DEPOSIT else {}
            step = steps.step(held, happening, self.clock.now(), **more)
            assert self.dispatches.write(step)
            self.digests.setdefault(held.id, step.digest)
            held = self.dispatches.get(held.id)
        return held

    def listed(self, *boxes: Box, **more) -> list[str]:
        page = self.mailboxes.waiting(boxes or (BOX,), self.clock.now(), **{"limit": 100, **more})
        return [one.id for one in page.messages]

    def fetch(self, dispatch: str, *boxes: Box) -> Held:
        at = self.clock.now()
        return self.mailboxes.fetch(boxes or (BOX,), dispatch, at, lambda held: mailbox.fetch(held, at))

    def acknowledge(self, dispatch: str, *boxes: Box, digest: str = "", kept: timedelta = WEEK):
        def end(held: Held):
            return steps.step(
                held, H.ACKNOWLEDGE, self.clock.now(), content="answer", due=self.clock.now() + kept,
                records=steps.sealed(f"answer {held.id}", 1), leaves=steps.leaves(f"end {held.id}"),
            )  # fmt: skip

        return self.mailboxes.acknowledge(boxes or (BOX,), dispatch, digest or self.digests[dispatch], end)

    def walk(self, dispatch: str, happening: Happening) -> None:
        """Do what the dispatcher does."""
        assert self.dispatches.write(steps.step(self.dispatches.get(dispatch), happening, self.clock.now()))

    def happened(self, dispatch: str) -> list[Happening]:
        return [one.happening for one in self.views.timeline(dispatch)][2:]

    def state(self, dispatch: str) -> State:
        return self.dispatches.get(dispatch).state

    def empty(self) -> int:
        """Destroy what was kept long enough; the seal that is made anew is no real one."""
        new = steps.sealed("anew", 1)
        return gallring.empty(
            self.place.acting(Duty.DISPATCHER), self.clock.now(), lambda _held: replace(new, evidence=b"")
        )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def post(request, tmp_path):
    place = builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")
    clock, failing, committed = builders.Clock(), {}, []

    def fault(point: str) -> None:
        if error := failing.pop(point, None):
            raise error

    dispatches = StoredDispatches(place.acting(Duty.DISPATCHER), clock=clock)
    mailboxes = StoredMailboxes(
        place.acting(Duty.FRONT), clock=clock, faults=fault, committed=lambda: committed.append("told")
    )
    made = Post(place, clock, dispatches, mailboxes, DispatchViews(place), committed, failing, {})
    yield made
    builders.integrate(place.acting(Duty.INTEGRATOR), clock)
    made.views.verify_log(builders.signer().key)
    made.views.close()
    mailboxes.close()
    dispatches.close()


def refused(work) -> codes.Code:
    with pytest.raises(ContractError) as caught:
        work()
    return caught.value.code


# --- lists ------------------------------------------------------------------------------------------------------------


def test_the_oldest_comes_first_page_by_page(post):
    laid = [post.lay(f"c{n}").id for n in range(5)]
    first = post.mailboxes.waiting([BOX], NOON, limit=2)
    second = post.mailboxes.waiting([BOX], NOON, limit=2, after=first.messages[-1].id)
    last = post.mailboxes.waiting([BOX], NOON, limit=2, after=second.messages[-1].id)
    assert [one.id for page in (first, second, last) for one in page.messages] == laid
    assert [page.more for page in (first, second, last)] == [True, True, False]


def test_the_list_tells_when_it_came_until_when_it_is_theirs_and_when_it_was_fetched_first(post):
    held = post.lay("c1")
    post.clock.pass_(MINUTE)
    post.fetch(held.id)
    post.clock.pass_(MINUTE)
    post.fetch(held.id)
    (one,) = post.mailboxes.waiting([BOX], post.clock.now(), limit=9).messages
    assert (one.deposited_at, one.fetched_at, one.contract) == (NOON, NOON + MINUTE, steps.CONTRACT)
    assert one.expires_at == NOON + timedelta(days=5)


def test_a_page_goes_on_after_what_has_been_acknowledged_meanwhile(post):
    laid = [post.lay(f"c{n}").id for n in range(3)]
    post.fetch(laid[0])
    post.acknowledge(laid[0])
    assert post.listed(after=laid[0]) == laid[1:]
    assert post.listed() == laid[1:]


@pytest.mark.parametrize("other", [Box(KIND, B), Box("kommun", A), Box(KIND, None), Box(A, KIND)])
def test_a_mailbox_shows_nothing_of_anothers(post, other):
    mine, theirs = post.lay("c1"), post.lay("c2", B)
    assert post.listed() == [mine.id]
    assert mine.id not in post.listed(other)
    assert theirs.id in post.listed(Box(KIND, B))
    for work in (
        lambda: post.listed(other, after=mine.id),
        lambda: post.fetch(mine.id, other),
        lambda: post.acknowledge(mine.id, other),
        lambda: post.listed(other, after=NOBODY),
        lambda: post.fetch(NOBODY, other),
        lambda: post.acknowledge(NOBODY, other, digest="0" * 64),
    ):
        assert refused(work) is codes.MAILBOX_UNKNOWN
    assert post.happened(mine.id) == []


def test_an_agency_has_one_mailbox_and_a_dispatch_that_is_called_is_in_none(post):
    mine = post.lay("c1", None, partner="skatteverket")
    made = steps.parts(steps.command("c2", "skatteverket", at=NOON))
    post.dispatches.take(*made)
    called = made[1][0].dispatch
    box = Box("skatteverket", None)
    assert post.listed(box) == [mine.id]
    assert refused(lambda: post.fetch(called, box)) is codes.MAILBOX_UNKNOWN


def test_who_has_several_mailboxes_sees_them_as_one(post):
    first, second, third = post.lay("c1"), post.lay("c2", partner="kommun"), post.lay("c3")
    both = (BOX, Box("kommun", A))
    assert post.listed(*both) == [first.id, second.id, third.id]
    assert post.listed(*both, limit=1, after=first.id) == [second.id]
    post.fetch(second.id, *both)
    post.acknowledge(second.id, *both)
    assert post.state(second.id) is S.DELIVERED


# --- fetching ---------------------------------------------------------------------------------------------------------


def test_fetching_gives_the_sealed_envelope_every_time_and_every_time_is_written_down(post):
    held = post.lay("c1")
    sealed = [post.fetch(held.id).contents for _ in range(3)]
    assert sealed == [held.contents] * 3
    assert post.happened(held.id) == [H.FETCH] * 3
    assert post.state(held.id) is S.FETCHED


def test_what_may_not_go_any_more_is_withdrawn_in_place_of_being_given(post):
    held = post.lay("c1")
    with pytest.raises(ContractError) as caught:
        post.mailboxes.fetch([BOX], held.id, NOON, lambda one: steps.step(one, H.WITHDRAW, NOON))
    assert caught.value.code is codes.MAILBOX_UNKNOWN
    assert (post.state(held.id), post.happened(held.id)) == (S.WITHDRAWN, [H.WITHDRAW])
    assert post.listed() == []
    assert len(post.committed) == 1, "the relay is woken for the asker's news"
    assert refused(lambda: post.fetch(held.id)) is codes.MAILBOX_UNKNOWN


@pytest.mark.parametrize(("point", "done"), [("timeline", False), ("commit", False), ("committed", True)])
def test_a_withdrawal_is_whole_or_not_there_and_nothing_is_given_either_way(post, point, done):
    held = post.lay("c1")
    post.failing[point] = UnavailableError(codes.STORE_UNAVAILABLE)
    with pytest.raises(UnavailableError):
        post.mailboxes.fetch([BOX], held.id, NOON, lambda one: steps.step(one, H.WITHDRAW, NOON))
    assert post.state(held.id) is (S.WITHDRAWN if done else S.DEPOSITED)
    assert H.FETCH not in post.happened(held.id)


def test_it_is_not_given_before_it_is_written(post):
    held = post.lay("c1")
    post.failing["commit"] = UnavailableError(codes.STORE_UNAVAILABLE)
    with pytest.raises(UnavailableError):
        post.fetch(held.id)
    assert post.happened(held.id) == []
    assert post.state(held.id) is S.DEPOSITED


def test_when_the_answer_of_the_commit_was_lost_it_is_fetched_again(post):
    held = post.lay("c1")
    post.failing["committed"] = UnavailableError(codes.STORE_UNAVAILABLE)
    with pytest.raises(UnavailableError):
        post.fetch(held.id)
    assert post.fetch(held.id).contents["envelope"] == held.contents["envelope"]
    assert post.happened(held.id) == [H.FETCH] * 2


def test_what_is_over_is_not_theirs_even_before_the_dispatcher_has_said_so(post):
    held = post.lay("c1")
    post.clock.pass_(timedelta(days=5) - MINUTE)
    assert post.listed() == [held.id]
    post.clock.pass_(MINUTE)
    assert post.listed() == []
    assert refused(lambda: post.fetch(held.id)) is codes.MAILBOX_UNKNOWN
    assert [one.id for one in post.dispatches.due(post.clock.now(), limit=9, busy=())] == [held.id]
    post.walk(held.id, H.EXPIRE)
    assert post.state(held.id) is S.EXPIRED
    assert refused(lambda: post.fetch(held.id)) is codes.MAILBOX_UNKNOWN


def test_who_fetches_in_the_last_minute_has_a_day_to_acknowledge_and_no_more(post):
    held = post.lay("c1")
    post.clock.pass_(timedelta(days=5) - MINUTE)
    post.fetch(held.id)
    post.clock.pass_(mailbox.GRACE - MINUTE)
    post.fetch(held.id)
    assert post.dispatches.due(post.clock.now(), limit=9, busy=()) == []
    post.clock.pass_(MINUTE)
    assert [one.id for one in post.dispatches.due(post.clock.now(), limit=9, busy=())] == [held.id]
    assert post.acknowledge(held.id).id == held.id, "until it is written that time is out, it is theirs to say"


@pytest.mark.parametrize("happening", [H.EXPIRE, H.WITHDRAW])
def test_of_a_partner_that_fetches_and_one_who_ends_it_the_first_is_written(post, happening):
    held = post.lay("c1")
    stale = steps.step(held, happening, post.clock.now())
    post.fetch(held.id)
    assert not post.dispatches.write(stale)
    other = post.lay("c2")
    at = post.clock.now()

    def late(found: Held):
        post.walk(other.id, happening)
        return mailbox.fetch(found, at)

    assert refused(lambda: post.mailboxes.fetch([BOX], other.id, at, late)) is codes.MAILBOX_UNKNOWN
    assert post.happened(other.id) == [happening]


# --- acknowledging ----------------------------------------------------------------------------------------------------


def test_acknowledging_ends_it_with_the_leaf_and_the_news_in_one_commit(post):
    held = post.lay("c1")
    post.fetch(held.id)
    post.clock.pass_(MINUTE)
    done = post.acknowledge(held.id)
    assert (done.id, done.digest, done.at) == (held.id, post.digests[held.id], NOON + MINUTE)
    assert done.leaf == steps.leaves(f"end {held.id}")[0].hash
    assert post.happened(held.id) == [H.FETCH, H.ACKNOWLEDGE]
    assert post.state(held.id) is S.DELIVERED
    assert post.committed == ["told"]
    assert post.views.counts()["outbox"] == 1


def test_acknowledging_again_is_the_first_acknowledgement(post):
    held = post.lay("c1")
    post.fetch(held.id)
    first = post.acknowledge(held.id)
    post.clock.pass_(30 * timedelta(days=1))
    assert post.acknowledge(held.id) == first
    assert post.happened(held.id) == [H.FETCH, H.ACKNOWLEDGE]
    assert refused(lambda: post.fetch(held.id)) is codes.MAILBOX_UNKNOWN
    assert refused(lambda: post.acknowledge(held.id, digest="0" * 64)) is codes.MAILBOX_DIGEST


@pytest.mark.parametrize("point", ["dispatches", "timeline", "leaves", "records", "contents", "outbox", "commit"])
def test_an_acknowledgement_whose_commit_fails_is_none_and_can_be_given_again(post, point):
    held = post.lay("c1")
    post.fetch(held.id)
    post.failing[point] = UnavailableError(codes.STORE_UNAVAILABLE)
    with pytest.raises(UnavailableError):
        post.acknowledge(held.id)
    assert not post.failing, "nobody came there"
    assert post.state(held.id) is S.FETCHED
    assert post.listed() == [held.id]
    assert post.acknowledge(held.id).id == held.id


def test_an_acknowledgement_whose_answer_was_lost_is_the_same_when_it_is_given_again(post):
    held = post.lay("c1")
    post.fetch(held.id)
    post.failing["committed"] = UnavailableError(codes.STORE_UNAVAILABLE)
    with pytest.raises(UnavailableError):
        post.acknowledge(held.id)
    post.clock.pass_(MINUTE)
    assert post.acknowledge(held.id).at == NOON
    assert post.happened(held.id) == [H.FETCH, H.ACKNOWLEDGE]


def test_what_was_not_fetched_cannot_be_acknowledged_whatever_digest_is_told(post):
    held = post.lay("c1")
    for digest in (post.digests[held.id], "0" * 64):
        assert refused(lambda told=digest: post.acknowledge(held.id, digest=told)) is codes.MAILBOX_UNFETCHED
    assert post.happened(held.id) == []


def test_another_digest_acknowledges_nothing(post):
    held = post.lay("c1")
    post.fetch(held.id)
    assert refused(lambda: post.acknowledge(held.id, digest="0" * 64)) is codes.MAILBOX_DIGEST
    assert post.state(held.id) is S.FETCHED


def test_many_who_fetch_and_acknowledge_at_once_are_one_acknowledgement(post):
    held = post.lay("c1")
    post.fetch(held.id)
    answers, errors, start = [], [], threading.Barrier(6)

    def work(*, fetches: bool) -> None:
        start.wait()
        try:
            answers.append(post.fetch(held.id) if fetches else post.acknowledge(held.id))
        except GatewayError as error:
            errors.append(error.code)

    threads = [threading.Thread(target=work, kwargs={"fetches": n % 2 == 0}) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(errors) <= {codes.MAILBOX_UNKNOWN}
    assert len({repr(one) for one in answers if not isinstance(one, Held)}) == 1
    assert post.happened(held.id).count(H.ACKNOWLEDGE) == 1


def test_what_was_fetched_and_never_acknowledged_is_unresolved_and_closed(post):
    held = post.lay("c1")
    post.fetch(held.id)
    post.walk(held.id, H.EXPIRE)
    assert post.state(held.id) is S.UNRESOLVED
    for work in (lambda: post.fetch(held.id), lambda: post.acknowledge(held.id)):
        assert refused(work) is codes.MAILBOX_UNKNOWN


# --- emptying ---------------------------------------------------------------------------------------------------------


def names(post: Post, dispatch: str) -> list[str]:
    return [one.name for one in post.views.sealed(dispatch)]


def test_what_is_acknowledged_is_kept_as_long_as_was_agreed_and_then_emptied(post):
    held, other = post.lay("c1"), post.lay("c2")
    post.fetch(held.id)
    first = post.acknowledge(held.id)
    post.clock.pass_(WEEK - MINUTE)
    assert post.empty() == 0
    assert names(post, held.id) == ["command", "payload", "envelope", "answer"]
    post.clock.pass_(MINUTE)
    assert post.empty() == 1
    assert post.empty() == 0
    assert names(post, held.id) == ["", "answer"]
    assert names(post, other.id) == ["command", "payload", "envelope"]
    assert post.acknowledge(held.id) == first, "the facts stay"


def test_the_record_of_the_intent_stays_under_another_key(post):
    held = post.lay("c1")
    before = post.views.sealed(held.id)[1]
    post.walk(held.id, H.WITHDRAW)
    assert post.empty() == 1
    intent = post.views.sealed(held.id)[0]
    assert intent.leaves == before.leaves
    assert intent.sealed.records == steps.sealed("anew", 1).records
    assert intent.sealed.evidence == b""
    assert intent.sealed.wrapped_key != before.sealed.wrapped_key
    assert post.views.history(builders.pseudonym(builders.NUMBERS[0])), "whose it was is still found"


@pytest.mark.parametrize(
    ("way", "left"),
    [
        ((H.EXPIRE,), True),
        ((H.WITHDRAW,), True),
        ((H.FETCH, H.EXPIRE), False),
        ((H.FETCH, H.EXPIRE, H.CONFIRM), True),
        ((H.FETCH, H.EXPIRE, H.DISPROVE), True),
    ],
)
def test_what_ended_without_acknowledgement_is_emptied_once_it_has_ended_for_good(post, way, left):
    held = post.lay("c1")
    for happening in way:
        post.fetch(held.id) if happening is H.FETCH else post.walk(held.id, happening)
    assert post.empty() == int(left)
    assert ("envelope" in names(post, held.id)) == (not left)


def test_a_seal_that_cannot_be_made_anew_leaves_everything_as_it_was(post):
    held = post.lay("c1")
    post.walk(held.id, H.WITHDRAW)

    def broken(_held: Held):
        raise IntegrityError("the seal is broken")

    with pytest.raises(IntegrityError):
        gallring.empty(post.place.acting(Duty.DISPATCHER), post.clock.now(), broken)
    assert names(post, held.id)[:3] == ["command", "payload", "envelope"]
    assert post.empty() == 1


def test_what_was_destroyed_whole_is_emptied_without_a_trace(post):
    held = post.lay("c1")
    post.walk(held.id, H.WITHDRAW)
    session = post.place.open()
    with session.writing(Turn.OUTBOX):
        session.execute("DELETE FROM outbox")
    session.close()
    assert gallring.destroy(post.place, held.id) == ""
    assert post.empty() == 1
    assert names(post, held.id) == []

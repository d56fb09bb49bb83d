"""Whole walks on the real store, by the real path: bodies, signatures, law, leaves and events are what they will be.

Only the exchange is left out; the power goes where it likes.
"""

import random
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from gateway import endings
from gateway.adapters import persons
from gateway.audit import intent
from gateway.audit.intent import Released
from gateway.dispatch import Break, Broken
from gateway.message import Protection
from gateway.outbound import commands
from gateway.outbound.dispatcher import Dispatcher
from gateway.outbound.states import ENDED, Happening, State
from gateway.outbound.walk import Walk
from gateway.store.dispatch_views import DispatchViews
from gateway.store.dispatches import StoredDispatches
from gateway.store.instructions import StoredInstructions
from gateway.store.outbox import StoredOutbox
from tests import builders, payloads, sending
from tests.builders import Clock
from tests.unit.outbound.scripted import told
from tests.world import CrashError

__all__ = ["told"]
pytestmark = pytest.mark.usefixtures("told")
S, H = State, Happening


class Post:
    """`outbound.ports.Courier` whose partners answer by hand."""

    def __init__(self, scene: sending.Scene, clock: Clock) -> None:
        self._scene, self._clock = scene, clock
        self.body = scene.courier.body
        self.script: list = []
        self.sent: list = []

    def send(self, signed, endpoint):
        assert signed.to == endpoint.address
        self.sent.append(signed)
        self._scene.now = self._clock.now()
        reply = (self.script.pop(0) if self.script else self._scene.answer)(signed)
        return replace(reply, at=self._clock.now())

    def lost(self, _signed) -> Broken:
        return Broken(how=Break.LOST, detail="", at=self._clock.now())

    def away(self, _signed) -> Broken:
        return Broken(how=Break.UNREACHABLE, detail="", at=self._clock.now())

    def refuses(self, signed):
        return self._scene.fault(signed, "<faultcode>s:Client</faultcode><faultstring>no</faultstring>")

    def breaks_the_contract(self, signed):
        return self._scene.answer(signed, "<wrong/>")


class Way:
    """A store that stays, and one dispatcher after another that does not."""

    def __init__(self, scene: sending.Scene, folder) -> None:
        self.scene = scene
        self.clock = Clock(scene.now)
        self.place = builders.store(folder)
        self.post = Post(scene, self.clock)
        self.views = DispatchViews(self.place)
        self.crash_at: str | None = None
        self.open()

    def open(self) -> None:
        self.crash_at = None
        self.store = StoredDispatches(self.place, clock=self.clock, faults=self._fault)
        self.dispatcher = Dispatcher(
            self.store,
            self.post,
            Walk(self.scene.rules, self.scene.courier),
            self.scene.rules.partners,
            lease=lambda: True,
            clock=self.clock,
            random=random.Random(1).random,  # noqa: S311  # to be repeated
            workers=4,
            alarm=pytest.fail,
            faults=self._fault,
        )

    def _fault(self, point: str) -> None:
        if point == self.crash_at:
            raise CrashError(point)

    def give(self, queued) -> str:
        """Take a command as it comes in; return its dispatch."""
        body = written(queued.command)
        again = commands.queue(commands.reread(body))
        assert again[0] == queued, "the same command comes out of its bytes"
        sealed = [self.scene.rules.sealer.seal(body, []) for _ in again]
        return self.store.take(queued.command, again, sealed, builders.digest(queued.command.id)).dispatches[0]

    def run(self, rounds: int = 200) -> None:
        for _ in range(rounds):
            while self.dispatcher.step():
                pass
            if all(one.state in ENDED for one in self.views.dispatches()):
                return
            self.clock.at += timedelta(minutes=20)

    def ask(self, dispatch: str, happening: Happening) -> None:
        asking = StoredInstructions(self.place, clock=self.clock)
        assert not asking.ask(dispatch, happening, by="anna", reason="frågade partnern").refused
        asking.close()

    def happened(self, dispatch: str) -> list[Happening]:
        return [one.happening for one in self.views.timeline(dispatch)]

    def events(self) -> list[dict]:
        outbox = StoredOutbox(self.place, clock=self.clock)
        try:
            return [orjson.loads(one.event.body) for one in outbox.pending(100)]
        finally:
            outbox.close()

    def outcome(self) -> dict:
        """Return the one event that says how it ended: the last."""
        events = self.events()
        (found,) = [one for one in events if one["type"].endswith(".utfall.v1")]
        assert found == events[-1]
        return found["data"]

    def ends(self, dispatch: str) -> list[dict]:
        """Return what the leaves of ends say, opened."""
        found = []
        for step in self.views.sealed(dispatch):
            leaves = [one.hash for one in step.leaves]
            for _, record in self.scene.rules.sealer.open(step.sealed, leaves).records if leaves else ():
                said = orjson.loads(record)
                if "released" in said:
                    found.append(said)
        return found


def written(command) -> bytes:
    """Return a command as its asker writes it."""

    def period(one):
        return None if one is None else {"first": one.first.isoformat(), "last": one.last.isoformat()}

    consent = command.consent
    data = {
        "contract": command.contract,
        "purpose": command.purpose,
        "case": {
            "reference": command.case.reference,
            "benefit": command.case.benefit,
            "period": period(command.case.period),
        },
        "person": command.person.number,
        "period": period(command.period),
        "fields": _plain(command.fields),
        "recipients": [
            {
                "partner": one.partner,
                "organisation": one.organisation,
                "basis": one.basis,
                "fields": _plain(one.fields),
            }
            for one in command.recipients
        ],
        "consent": consent
        and {
            "reference": consent.reference,
            "recipients": sorted(consent.recipients),
            "until": consent.until.isoformat(),
        },
        "suspicion": command.suspicion,
        "expires": command.expires.isoformat(),
    }
    return orjson.dumps(
        {
            "specversion": "1.0",
            "type": commands.TYPE,
            "source": f"{commands.SOURCE}{command.asker}",
            "id": command.id,
            "time": command.at.isoformat(),
            "data": data,
        }
    )


def _plain(fields) -> dict:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


@pytest.fixture
def way(scene, tmp_path):
    made = Way(scene, tmp_path)
    yield made
    made.views.close()
    made.store.close()


QUESTION, NAVET, SUMMONS = "question", "navet", "summons"


def given(way: Way, what: str, **changes) -> str:
    queued = getattr(way.scene, what)(**changes)
    return way.give(replace(queued, command=replace(queued.command, person=persons.read(queued.command.person.number))))


@pytest.mark.parametrize("what", [QUESTION, NAVET, SUMMONS])
def test_an_honest_answer_ends_it_with_leaves_evidence_and_an_outcome(way, what):
    dispatch = given(way, what)
    way.run()
    assert way.happened(dispatch) == [H.COMPOSE, H.BEGIN, H.ANSWER]
    assert way.outcome()["state"] == "delivered"
    (end,) = way.ends(dispatch)
    assert end["released"] == Released.YES
    assert {one.name for one in way.views.sealed(dispatch)} == {"command", "payload", "answer"}
    answers = [one for one in way.events() if not one["type"].endswith(".utfall.v1")]
    assert bool(answers) == (what != SUMMONS)


def test_lost_and_sent_again_it_is_the_same_id_and_content_under_a_fresh_signature(way):
    dispatch = given(way, QUESTION)
    way.post.script = [way.post.lost, way.post.away, way.post.lost]
    way.run()
    assert way.views.dispatch(dispatch).state is S.DELIVERED
    assert len({signed.message_id for signed in way.post.sent}) == 1
    assert len({signed.composed.payload for signed in way.post.sent}) == 1
    assert len({signed.envelope for signed in way.post.sent}) == len(way.post.sent) == 4
    assert way.views.dispatch(dispatch).first_failure == endings.LOST.name
    assert len(way.ends(dispatch)) == 1


@pytest.mark.parametrize(
    ("script", "state", "code", "released"),
    [
        (["refuses"], S.REFUSED, endings.REFUSED, Released.UNKNOWN),
        (["lost", "refuses"], S.UNRESOLVED, endings.UNRESOLVED, Released.UNKNOWN),
        (["breaks_the_contract"], S.UNUSABLE, endings.UNUSABLE, Released.YES),
        (["away"] * 400, S.EXPIRED, endings.EXPIRED, Released.NO),
        (["away", *["lost"] * 400], S.UNRESOLVED, endings.UNRESOLVED, Released.UNKNOWN),
    ],
)
def test_every_other_end_has_its_leaf_and_its_outcome(way, script, state, code, released):
    dispatch = given(way, QUESTION)
    way.post.script = [getattr(way.post, name) for name in script]
    way.run()
    assert way.views.dispatch(dispatch).state is state
    assert (way.outcome()["state"], way.outcome()["code"]) == (state, code.name)
    (end,) = way.ends(dispatch)
    assert (end["state"], end["released"]) == (state, released)
    assert ("answer" in {one.name for one in way.views.sealed(dispatch)}) == (state is S.UNUSABLE)


def test_a_spoilt_answer_is_sealed_whole_and_the_step_says_what_it_broke(way):
    dispatch = given(way, NAVET)
    way.post.script = [way.post.breaks_the_contract]
    way.run()
    last = way.views.timeline(dispatch)[-1]
    assert (last.code, last.by) == (endings.UNUSABLE.name, None)
    assert last.reason.startswith("GW-CONTRACT-")
    (answer,) = [one for one in way.views.sealed(dispatch) if one.name == "answer"]
    opened = way.scene.rules.sealer.open(answer.sealed, [one.hash for one in answer.leaves])
    assert b"<wrong/>" in opened.evidence


def test_what_the_law_denies_ends_with_a_decision_and_no_intent(way):
    dispatch = given(way, QUESTION, consent=None, purpose="fk:Kontroll")
    way.run()
    assert way.happened(dispatch) == [H.DENY]
    assert way.outcome()["code"] == endings.DENIED.name
    assert len(way.views.dispatch_leaves(dispatch)) == 1
    assert not way.post.sent


def test_what_only_a_person_may_release_waits_and_its_asker_is_told_when_time_is_out(way):
    way.scene.known.protection = Protection.SEKRETESSMARKERING
    dispatch = given(way, SUMMONS, fields={**sending.MEETING, "meddelande": "fri text"})
    way.run(rounds=1)
    assert way.happened(dispatch) == [H.REFER]
    assert way.events()[-1]["data"]["state"] == "referred"
    way.run()
    assert way.happened(dispatch) == [H.REFER, H.EXPIRE]
    assert not way.post.sent
    assert way.events()[-1]["data"]["state"] == "expired"


def test_what_is_for_a_mailbox_is_signed_sealed_and_kept_until_it_is_unread_too_long(way):
    employers = way.scene.rules.partners[sending.EMPLOYER].model_copy(update={"endpoint": ()})
    way.scene.with_partner(employers)
    way.open()
    dispatch = given(way, SUMMONS)
    way.run(rounds=1)
    assert way.happened(dispatch) == [H.COMPOSE, H.DEPOSIT]
    (envelope,) = [one for one in way.views.sealed(dispatch) if one.name == "envelope"]
    opened = way.scene.rules.sealer.open(envelope.sealed, ())
    assert dispatch.encode() in opened.evidence
    way.run()
    assert way.outcome()["code"] == endings.UNREAD.name
    assert way.ends(dispatch)[0]["released"] == Released.NO


@pytest.mark.parametrize(
    ("script", "happening", "state", "released"),
    [
        (["away"], H.WITHDRAW, S.WITHDRAWN, Released.NO),
        (["lost"], H.CONFIRM, S.DELIVERED, Released.YES),
        (["lost", "refuses"], H.CONFIRM, S.DELIVERED, Released.YES),
        (["lost", "refuses"], H.DISPROVE, S.EXPIRED, Released.NO),
    ],
)
def test_what_a_person_decides_is_in_leaf_timeline_and_outcome(way, script, happening, state, released):
    dispatch = given(way, QUESTION)
    way.post.script = [getattr(way.post, name) for name in script]
    for _ in range(2 * len(script)):
        while way.dispatcher.step():
            pass
        way.clock.at += timedelta(minutes=20)
        if not way.post.script:
            break
    way.ask(dispatch, happening)
    way.dispatcher.step()
    assert way.views.dispatch(dispatch).state is state
    end = way.ends(dispatch)[-1]
    assert (end["state"], end["released"], end["by"], end["reason"]) == (state, released, "anna", "frågade partnern")
    assert way.events()[-1]["data"]["state"] == state
    (asked,) = way.views.instructions(dispatch=dispatch)
    assert asked.step == way.views.dispatch(dispatch).step


def test_an_answer_that_nobody_may_receive_is_spoilt_and_never_asked_for_again(way):
    dispatch = given(way, NAVET)
    way.dispatcher.step()
    queues = dict(way.scene.rules.queues)
    narrow = queues["svar.aktivitetsstod"].model_copy(update={"purposes": ("fk:Statistik",)})
    way.scene.rules = replace(way.scene.rules, queues={**queues, narrow.name: narrow})
    way.dispatcher.renew(Walk(way.scene.rules, way.scene.courier), way.scene.rules.partners)
    way.run()
    assert way.views.dispatch(dispatch).state is S.UNUSABLE
    assert len(way.post.sent) == 1
    assert not [one for one in way.events() if not one["type"].endswith(".utfall.v1")]


def test_a_partner_that_is_gone_from_the_settings_does_not_keep_a_dispatch_from_ending(way):
    dispatch = given(way, QUESTION)
    way.dispatcher.step()
    partners = {name: one for name, one in way.scene.rules.partners.items() if name != sending.AF}
    way.scene.rules = replace(way.scene.rules, partners=partners)
    way.open()
    way.dispatcher._worker._alarm = lambda _error: None
    way.run()
    assert way.views.dispatch(dispatch).state is S.EXPIRED
    assert way.outcome()["state"] == "expired"


@pytest.mark.parametrize("point", ["commit", "committed"])
@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("script", [[], ["lost"], ["away"]], ids=["answered", "lost", "away"])
def test_the_power_goes_at_any_commit_and_it_is_told_once(way, script, number, point):
    dispatch = given(way, NAVET)
    way.post.script = [getattr(way.post, name) for name in script]
    commits = iter(range(100))

    def fault(where: str) -> None:
        if where == point and next(commits) == number:
            raise CrashError(where)

    way.store._fault = fault
    try:
        way.run()
    except CrashError:
        way.store.close()
        way.open()
    way.run()
    assert way.views.dispatch(dispatch).state is S.DELIVERED
    assert len({(one.message_id, one.composed.digest) for one in way.post.sent}) == 1
    assert len(way.ends(dispatch)) == 1
    assert way.outcome()["state"] == "delivered"
    assert [one["type"] for one in way.events()].count("se.forsakringskassan.utbyte.folkbokforing.v1") == 1
    entries = [intent.read(r) for r in _intents(way, dispatch)]
    assert len(entries) == 1


def _intents(way: Way, dispatch: str) -> list[bytes]:
    (payload,) = [one for one in way.views.sealed(dispatch) if one.name == "payload"]
    opened = way.scene.rules.sealer.open(payload.sealed, [one.hash for one in payload.leaves])
    return [record for _, record in opened.records]


def test_no_person_stands_in_what_operators_read(way):
    dispatch = given(way, QUESTION)
    way.post.script = [way.post.away, way.post.refuses]
    way.run()
    seen = repr((way.views.dispatches(), way.views.timeline(dispatch)))
    assert payloads.PERSON not in seen
    assert "Testsson" not in seen


def test_a_person_who_becomes_protected_is_not_told_of_any_more_by_what_has_not_gone_yet(way):
    dispatch = given(way, SUMMONS)
    way.post.script = [way.post.away] * 100
    way.run(rounds=1)
    assert way.views.dispatch(dispatch).state is S.WAITING
    way.scene.known.protection = Protection.SKYDDAD_FOLKBOKFORING
    attempts = len(way.post.sent)
    way.post.script = []
    way.run()
    assert way.views.dispatch(dispatch).state is S.WITHDRAWN
    assert len(way.post.sent) == attempts, "nothing more was tried"
    assert [(end["state"], end["released"]) for end in way.ends(dispatch)] == [(S.WITHDRAWN, Released.NO)]
    assert way.outcome()["state"] == S.WITHDRAWN


def test_what_may_be_there_already_is_resolved_by_the_same_id_whatever_has_become_of_the_person(way):
    dispatch = given(way, SUMMONS)
    way.post.script = [way.post.lost]
    way.run(rounds=1)
    assert way.views.dispatch(dispatch).state is S.UNCERTAIN
    way.scene.known.protection = Protection.SKYDDAD_FOLKBOKFORING
    way.run()
    assert way.views.dispatch(dispatch).state is S.DELIVERED
    assert len(way.post.sent) == 2


def test_what_may_still_go_goes_though_it_waited(way):
    dispatch = given(way, SUMMONS)
    way.post.script = [way.post.away]
    way.run()
    assert way.views.dispatch(dispatch).state is S.DELIVERED


def test_a_consent_that_ended_while_it_waited_withdraws_it(way):
    consent = way.scene.summons().command.consent
    assert consent is not None
    today = way.clock.at.date()
    later = way.clock.at + timedelta(days=10)
    dispatch = given(way, SUMMONS, consent=replace(consent, until=today), expires=later)
    way.post.script = [way.post.away]
    way.run(rounds=1)
    assert way.views.dispatch(dispatch).state is S.WAITING
    way.clock.at += timedelta(days=1)
    way.run()
    assert way.views.dispatch(dispatch).state is S.WITHDRAWN
    assert len(way.post.sent) == 1

"""Any interleaving of sending, resending, tampering, crashing and background work keeps every promise."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests import payloads
from tests.effort import effort
from tests.world import Answer, CrashError, World, crashes_are_expected

CONTRACTS = {
    "skatteverket/folkbokforing": lambda person, _: payloads.folkbokforing(payloads.post(person)),
    "skatteverket/arbetsgivardeklaration": lambda person, _: payloads.arbetsgivardeklaration(
        payloads.income(person), payloads.absence(person)
    ),
    "arbetsformedlingen/ersattningsstod": lambda person, _: payloads.ersattningsstod(person),
    "arbetsgivare/sjukanmalan": lambda person, world: payloads.sjukanmalan(
        signer=world.scene.signer("arbetsgivare"), person=person
    ),
}
JOURNAL = ("begin", "messages", "leaves", "outbox", "commit", "committed", "answer")
RELAY = ("publish", "published", "settled")
INTEGRATOR = ("sign", "tiles", "commit", "committed", "anchored")


class Histories(RuleBasedStateMachine):
    """One world, bent at random; every invariant after every step."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.silence = crashes_are_expected()
        self.silence.__enter__()
        self.world = World(Path(self.folder.name), template=self.template)
        self.sent: list[Answer] = []

    def teardown(self) -> None:
        self.world.relay()
        self.world.integrate()
        self.world.consume()
        assert self.world.pending() == []
        self.world.check()
        self.world.close()
        self.silence.__exit__(None, None, None)
        self.folder.cleanup()

    @invariant()
    def every_promise_is_kept(self) -> None:
        self.world.check()

    @rule(contract=st.sampled_from(sorted(CONTRACTS)), person=st.sampled_from(payloads.PERSONS[:3]))
    def send(self, contract: str, person: str) -> None:
        answer = self.world.send(contract, CONTRACTS[contract](person, self.world))
        assert answer.accepted is not None
        self.sent.append(answer)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def resend(self, data: st.DataObject) -> None:
        before = data.draw(st.sampled_from(self.sent))
        answer = self.world.resend(before)
        if answer.code == "GW-TIME-STALE":
            return
        assert answer.accepted is not None
        if before.accepted is not None:
            assert answer.accepted.repeated
            assert answer.accepted.leaves == before.accepted.leaves
            assert answer.accepted.accepted_at == before.accepted.accepted_at

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_other_content_under_an_old_id(self, data: st.DataObject) -> None:
        before = data.draw(st.sampled_from([one for one in self.sent if one.accepted] or [None]))
        if before is None:
            return
        contract = before.sent.contract
        other = CONTRACTS[contract](payloads.PERSONS[5], self.world)
        answer = self.world.send(contract, other, message_id=before.accepted.provenance.message_id)
        assert answer.code == "GW-CONFLICT-DIGEST"

    @rule(contract=st.sampled_from(sorted(CONTRACTS)))
    def tamper(self, contract: str) -> None:
        created = self.world.compose(contract)
        assert self.world.tamper(created, b"<wsu:Created>2", b"<wsu:Created>1").code == "GW-SIG-DIGEST"

    @rule(point=st.sampled_from(JOURNAL), person=st.sampled_from(payloads.PERSONS), refused=st.booleans())
    def send_and_crash(self, point: str, person: str, *, refused: bool) -> None:
        self.world.crash_at(point)
        payload = "<x/>" if refused else payloads.folkbokforing(payloads.post(person))
        answer = self.world.send("skatteverket/folkbokforing", payload)
        self.world.restart()
        if not refused:
            self.sent.append(answer)

    @rule(point=st.sampled_from(JOURNAL), person=st.sampled_from(payloads.PERSONS))
    def send_and_fail(self, point: str, person: str) -> None:
        self.world.fail_at(point)
        answer = self.world.send("skatteverket/folkbokforing", payloads.folkbokforing(payloads.post(person)))
        assert answer.error is not None
        assert answer.error.code.resend
        self.sent.append(answer)

    @rule()
    def relay(self) -> None:
        self.world.relay()

    @rule(point=st.sampled_from(RELAY))
    def relay_and_crash(self, point: str) -> None:
        self.world.crash_at(point)
        try:
            self.world.relay()
        except CrashError:
            self.world.restart()
        self.world._crash_at = None

    @rule()
    def integrate(self) -> None:
        self.world.integrate()

    @rule(point=st.sampled_from(INTEGRATOR))
    def integrate_and_crash(self, point: str) -> None:
        self.world.crash_at(point)
        try:
            self.world.integrate()
        except CrashError:
            self.world.restart()
        self.world._crash_at = None

    @rule()
    def consume(self) -> None:
        self.world.consume()

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @rule(minutes=st.integers(1, 4))
    def travel(self, minutes: int) -> None:
        self.world.travel(minutes=minutes)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_any_history_keeps_every_promise(untouched: Path) -> None:
    machine = type("Machine", (Histories,), {"template": untouched})
    run_state_machine_as_test(machine, settings=effort(12, stateful_step_count=18))

"""Commands come in: kept once each, in whatever order things fail; what is wrong is a dead letter by its code."""

import json

import pytest

from gateway import codes, endings
from gateway.broker.embedded import EmbeddedBroker
from gateway.broker.entrance import Entrance
from gateway.config import Queue
from gateway.consumer.asking import Commands
from gateway.errors import ContractError, UnavailableError
from gateway.outbound import commands
from gateway.trust.sealing import Sealer
from tests import builders
from tests.dispatches import MemoryDispatches
from tests.unit.outbound.test_commands import agreed, written

QUEUE = Queue(name="utgaende.kommandon", types=(commands.TYPE,), purposes=("fk:Arendehandlaggning",))


class Failing(MemoryDispatches):
    """A store that may fail before or after it kept a command."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: list[str] = []

    def take(self, *arguments):
        how = self.fails.pop(0) if self.fails else ""
        if how == "and does not":
            raise UnavailableError(codes.STORE_UNAVAILABLE)
        taken = super().take(*arguments)
        if how == "but persists":
            raise UnavailableError(codes.STORE_UNAVAILABLE)
        return taken


class Scene:
    def __init__(self, folder) -> None:
        self.clock = builders.Clock()
        self.broker = EmbeddedBroker(builders.queues(folder), [QUEUE], clock=self.clock)
        self.store = Failing()
        self.crash: str | None = None
        self.told = 0
        self.kit = Commands(self.broker, agreed(), asker="rehab", queue=QUEUE.name, now=self.clock.now)
        self.begin()

    def begin(self) -> None:
        self.entrance = Entrance(
            self.broker.consumer(QUEUE.name),
            self.store,
            agreed=agreed,
            sealer=Sealer("key", bytes(32), bytes),
            random=lambda: 0.5,
            taken=self.tell,
            faults=self.fault,
        )

    def tell(self) -> None:
        self.told += 1

    def fault(self, point: str) -> None:
        if point == self.crash:
            self.crash = None
            raise KeyboardInterrupt

    def data(self, **changes) -> dict:
        expires = (self.clock.now() + commands.LONGEST).isoformat()
        return written(**{"data__expires": expires, **changes})["data"]

    def restart(self) -> None:
        self.clock.pass_(builders.timedelta(minutes=2))
        self.begin()

    def dead(self) -> list[str]:
        return [one.reason for one in self.broker.dead_letters().take(limit=10)]


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.broker.close()


def test_a_command_that_was_given_is_kept_with_a_dispatch_for_each_recipient(scene):
    scene.kit.give("k-1", scene.data())
    assert scene.entrance.step() == 1
    assert [one.command for one in scene.store.held.values()] == ["k-1"]
    assert scene.told == 1
    assert scene.entrance.step() == 0
    assert scene.told == 1


def test_the_same_command_given_twice_is_one(scene):
    data = scene.data()
    scene.kit.give("k-1", data)
    scene.clock.pass_(builders.timedelta(seconds=3))
    scene.kit.give("k-1", data)
    scene.entrance.step()
    scene.entrance.step()
    assert len(scene.store.held) == 1
    assert not scene.dead()


def test_another_content_under_the_same_id_is_a_dead_letter(scene):
    scene.kit.give("k-1", scene.data())
    scene.entrance.step()
    scene.kit.give("k-1", scene.data(data__suspicion="M-1"))
    scene.entrance.step()
    assert len(scene.store.held) == 1
    assert scene.dead() == [endings.COMMAND_CONFLICT.name]


@pytest.mark.parametrize("how", ["and does not", "but persists"])
def test_a_store_that_is_away_loses_no_command_and_doubles_none(scene, how):
    scene.kit.give("k-1", scene.data())
    scene.kit.give("k-2", scene.data())
    scene.store.fails = [how]
    with pytest.raises(UnavailableError):
        scene.entrance.step()
    scene.entrance.step()
    assert sorted(one.command for one in scene.store.held.values()) == ["k-1", "k-2"]
    assert not scene.dead()


@pytest.mark.parametrize("point", ["taken", "kept", "acknowledged"])
def test_dying_anywhere_keeps_every_command_once(scene, point):
    scene.kit.give("k-1", scene.data())
    scene.kit.give("k-2", scene.data())
    scene.crash = point
    with pytest.raises(KeyboardInterrupt):
        scene.entrance.step()
    scene.restart()
    while scene.entrance.step():
        pass
    scene.entrance.step()
    assert sorted(one.command for one in scene.store.held.values()) == ["k-1", "k-2"]
    assert not scene.dead()


def test_what_is_no_command_of_ours_dies_by_its_code_and_holds_up_nobody(scene):
    other = Commands(scene.broker, agreed(), asker="rehab", queue=QUEUE.name, now=scene.clock.now)
    fine = scene.data()
    scene.kit.give("k-1", fine)
    other._agreed = agreed()
    stranger = json.loads(json.dumps(written()))
    stranger["source"] = f"{commands.SOURCE}nobody"
    event = builders.event("stranger", queues=(QUEUE.name,), body=json.dumps(stranger).encode())
    scene.broker.submit([event]).result(5)
    scene.kit.give("k-2", fine)
    scene.entrance.step()
    assert sorted(one.command for one in scene.store.held.values()) == ["k-1", "k-2"]
    assert scene.dead() == [endings.COMMAND_ASKER.name]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"data__purpose": "fk:Kontroll"}, endings.COMMAND_ASKER),
        ({"data__recipients__0__partner": "nobody"}, endings.COMMAND_RECIPIENT),
        ({"data__person": "1"}, endings.COMMAND_FORMAT),
    ],
)
def test_the_kit_refuses_what_is_wrong_before_it_is_put_anywhere(scene, change, code):
    with pytest.raises(ContractError) as caught:
        scene.kit.give("k-1", scene.data(**change))
    assert caught.value.code is code
    assert scene.entrance.step() == 0
    assert not scene.dead()


def test_a_broker_without_the_queue_is_a_matter_of_configuration(scene):
    kit = Commands(scene.broker, agreed(), asker="rehab", queue="nowhere", now=scene.clock.now)
    with pytest.raises(Exception, match="nowhere"):
        kit.give("k-1", scene.data())


def test_a_broker_that_does_not_answer_leaves_the_asker_free_to_give_again(scene):
    data = scene.data()
    put = scene.broker._publish

    def lost(events):
        put(events)
        raise UnavailableError(codes.STORE_UNAVAILABLE)

    scene.broker._publish = lost
    with pytest.raises(UnavailableError):
        scene.kit.give("k-1", data)
    scene.broker._publish = put
    scene.kit.give("k-1", data)
    scene.entrance.step()
    scene.entrance.step()
    assert len(scene.store.held) == 1

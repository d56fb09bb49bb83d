"""The log and its witnesses, over real sockets: a quorum comes, is missed, is told, and nothing waits for it."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway import logs, wiring
from gateway.audit import checkpoint, cosignature, note, policy, proof, tree
from gateway.config import Witnesses
from gateway.database import Turn
from gateway.errors import ConfigError, IntegrityError
from gateway.store.cosignatures import StoredCosignatures
from gateway.store.log import StoredLog
from gateway.store.place import Duty
from gateway.store.views import Views
from gateway.store.witnessed import Witnessed
from gateway.wiring.witnessing import Witnessing
from gateway.witness.add import Witness
from gateway.witness.state import Folder
from tests import builders, witnesses

KEY = builders.signer().key
ORIGIN = builders.ORIGIN
NAMES = ("revision", "dataskydd", "arkiv")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def store(request, tmp_path):
    if request.param == "sqlite":
        return builders.store(tmp_path / "store")
    return request.getfixturevalue("stored")


class World:
    """A log that grows, and three witnesses of whom two are enough."""

    def __init__(self, store, folder, stack: ExitStack) -> None:
        self.store, self.clock, self.folder, self._stack = store, builders.Clock(), folder, stack
        self.log = type("Key", (), {"key": KEY})
        self.served = {}
        self.running: list[Witnessing] = []
        stack.callback(self.stop)
        for name in NAMES:
            witnesses.folder(folder / name, self.log, name=f"{name}.example/w")
            self.serve(name)

    def serve(self, name: str, **more) -> None:
        witness = Witness(Folder(self.folder / name), now=self.clock.now, **more)
        self.served[name] = self._stack.enter_context(witnesses.Served(witness))

    def key(self, name: str) -> cosignature.Key:
        return Folder(self.folder / name).read().key

    def policy(self, quorum: str = "group q 2 revision dataskydd arkiv\nquorum q\n", **urls: str) -> policy.Policy:
        lines = [f"log {KEY}\n"]
        lines += [f"witness {name} {self.key(name)} {urls.get(name, self.served[name].url)}\n" for name in NAMES]
        return policy.parse(("".join(lines) + quorum).encode())

    def witnessing(self, agreed: policy.Policy | None = None, *, holder: str = "test", timeout: float = 5.0, **more):
        made = Witnessing(
            self.store.acting(Duty.INTEGRATOR),
            agreed or self.policy(),
            Witnesses(timeout=timedelta(seconds=timeout), maximum_absence=timedelta(minutes=15)),
            key=KEY, clock=self.clock, holder=holder, chance=lambda: 1.0, alarm=_never, **more,
        )  # fmt: skip
        self.running.append(made)
        return made

    def stop(self, *made: Witnessing) -> None:
        for one in made or tuple(self.running):
            self.running.remove(one)
            one.stop()

    def grow(self, count: int = 1) -> int:
        journal = builders.journal(self.store, self.clock)
        start = Views(self.store).length()
        for n in range(start, start + count):
            journal.accept(builders.ready(f"urn:uuid:{n}")).result()
        journal.close()
        return builders.integrate(self.store, self.clock).size

    def witnessed(self, agreed: policy.Policy | None = None) -> Witnessed:
        return Witnessed(self.store, KEY, agreed or self.policy())

    def shown(self, agreed: policy.Policy | None = None, least: int = 0) -> bytes:
        session = self.store.open()
        try:
            return StoredCosignatures(session, ORIGIN).shown(agreed or self.policy(), least).note
        finally:
            session.close()


def _never(error: Exception) -> None:
    raise AssertionError(error)


@pytest.fixture
def world(store, tmp_path):
    with ExitStack() as stack:
        yield World(store, tmp_path / "witnesses", stack)


def told(stream) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class Odd:
    """A far side that answers as it is told, by real HTTP."""

    def __init__(self, answer) -> None:
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked.append(body)
                answer(self, body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def says(status: int, body: bytes, content_type: str = "text/plain"):
    def answer(handler, _asked: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_all_three_cosign_what_the_log_shows(world):
    one = world.witnessing()
    for count in (0, 1, 300):
        size = world.grow(count) if count else 0
        assert one.step() == size
        assert world.policy().verify(world.shown()).size == size
        assert set(cosignature.verify(world.shown(), [world.key(name) for name in NAMES])) == {
            world.key(name) for name in NAMES
        }
    assert world.witnessed().check() == 9
    standing = world.witnessed().standing(world.clock.now())
    assert (standing.witnessed, standing.waiting, standing.last) == (301, timedelta(0), dict.fromkeys(NAMES, 301))


def test_who_knows_the_log_alone_reads_what_witnesses_signed_as_before(world):
    one = world.witnessing()
    world.grow(3)
    one.step()
    assert checkpoint.verify(world.shown(), KEY).size == 3
    leaf = Views(world.store).at(1).hash
    proven = Views(world.store).proof(leaf, world.policy())
    assert proof.verify(proof.read(proof.write(proven)), leaf, KEY).size == 3
    assert world.policy().verify(proven.checkpoint).size == 3


def test_nobody_is_asked_twice_about_one_checkpoint(world):
    one = world.witnessing()
    world.grow()
    one.step()
    before = {name: Folder(world.folder / name).read() for name in NAMES}
    with logs.captured() as stream:
        one.step()
    assert {name: Folder(world.folder / name).read() for name in NAMES} == before
    assert told(stream) == []


def test_a_process_that_follows_asks_from_where_each_stood(world):
    world.grow(5)
    world.witnessing().step()
    world.grow(5)
    world.clock.pass_(timedelta(seconds=11))
    assert world.witnessing(holder="another").step() == 10
    assert world.policy().verify(world.shown()).size == 10


def test_a_store_that_forgot_what_they_cosigned_learns_it_from_them(world):
    """A witness that died between keeping and answering, and one that another store had asked, stand further on."""
    world.grow(5)
    session = world.store.open()
    log = StoredLog(session)
    signed, path = log.last(), tree.consistency(0, 5, log.nodes())
    session.close()
    for name in NAMES:
        assert witnesses.post(world.served[name].port, witnesses.body(0, path, signed.note))[0] == 200
    one = world.witnessing()
    with logs.captured() as stream:
        one.step()
        world.grow(4)
        one.step()
    assert told(stream) == []
    assert world.policy().verify(world.shown()).size == 9


def test_one_process_gathers(world):
    one, another = world.witnessing(), world.witnessing(holder="another")
    world.grow()
    assert (one.step(), another.step()) == (1, None)


def test_two_of_three_are_enough_while_one_is_dead(world):
    with Odd(says(200, b"")) as gone:
        dead = gone.url
    one = world.witnessing(world.policy(arkiv=dead))
    world.grow()
    with logs.captured() as stream:
        one.step()
    assert world.policy().verify(world.shown()).size == 1
    (line,) = told(stream)
    assert (line["event"], line["witness"], line["attempt"]) == ("witness.failing", "arkiv", 1)


def test_a_dead_one_is_left_alone_for_longer_each_time_and_counts_when_it_is_back(world):
    answers = [says(503, b"")]

    def answer(handler, body: bytes) -> None:
        answers[0](handler, body)

    with Odd(answer) as odd:
        one = world.witnessing(world.policy(arkiv=odd.url))
        world.grow()
        with logs.captured():
            for seconds, asked in ((0, 1), (4, 1), (1, 2), (9, 2), (1, 3), (19, 3), (1, 4)):
                world.clock.pass_(timedelta(seconds=seconds))
                one.step()
                assert len(odd.asked) == asked, seconds

        def forward(handler, body: bytes) -> None:
            status, kind, said = witnesses.post(world.served["arkiv"].port, body)
            says(status, said, kind)(handler, body)

        answers[0] = forward
        world.clock.pass_(timedelta(seconds=40))
        with logs.captured() as stream:
            one.step()
    assert [line["event"] for line in told(stream)] == ["witness.well"]
    assert world.witnessed().standing(world.clock.now()).last == dict.fromkeys(NAMES, 1)


def lying(world):
    """Ways to cosign wrongly, by somebody in arkiv's place."""
    text = str(checkpoint.parse(note.signatures(Views(world.store).checkpoint(), ())[0]))
    other = cosignature.Signer("other.example/w", builders.signer("x")._private)
    mine = cosignature.Signer("arkiv.example/w", builders.signer("y")._private)
    real = Folder(world.folder / "arkiv").signer()
    now = int(world.clock.now().timestamp())
    return {
        "nothing": b"",
        "not a line": b"hello\n",
        "somebody else's": other.cosign(text, now).encode(),
        "its name, another key": mine.cosign(text, now).encode(),
        "its key's id, another's signature": note.line(real.key, now.to_bytes(8, "big") + bytes(64)).encode(),
        "of another checkpoint": real.cosign(text.replace("\n1\n", "\n2\n"), now).encode(),
        "from the future": real.cosign(text, now + 301).encode(),
        "a second note": b"\n" + text.encode() + b"\n" + real.cosign(text, now).encode(),
    }


@pytest.mark.parametrize("way", [
    "nothing", "not a line", "somebody else's", "its name, another key", "its key's id, another's signature",
    "of another checkpoint", "from the future", "a second note",
])  # fmt: skip
def test_what_a_lying_one_says_is_never_kept_and_the_others_are_enough(world, way):
    world.grow()
    with Odd(says(200, lying(world)[way])) as odd:
        one = world.witnessing(world.policy(arkiv=odd.url))
        with logs.captured() as stream:
            one.step()
    assert [line["event"] for line in told(stream)] == ["witness.failing"]
    assert set(cosignature.verify(world.shown(), [world.key(name) for name in NAMES])) == {
        world.key("revision"), world.key("dataskydd"),
    }  # fmt: skip
    assert world.witnessed().check() == 2


def test_a_line_of_a_stranger_beside_its_own_is_not_kept(world):
    world.grow()
    stranger = cosignature.Signer("other.example/w", builders.signer("x")._private)

    def answer(handler, body: bytes) -> None:
        status, kind, said = witnesses.post(world.served["arkiv"].port, body)
        text = note.signatures(body.partition(b"\n\n")[2], ())[0]
        says(status, stranger.cosign(text, 1).encode() + said, kind)(handler, body)

    with Odd(answer) as odd:
        world.witnessing(world.policy(arkiv=odd.url)).step()
    assert b"other.example" not in world.shown()
    assert world.witnessed().check() == 3


@pytest.mark.parametrize(
    ("status", "body", "kind", "event"),
    [
        (400, b"no\n", "text/plain", "witness.failing"),
        (403, b"no\n", "text/plain", "witness.failing"),
        (404, b"no\n", "text/plain", "witness.failing"),
        (409, b"no\n", "text/plain", "witness.disagrees"),
        (409, b"7\n", "text/plain", "witness.disagrees"),
        (409, b"07\n", "text/x.tlog.size", "witness.disagrees"),
        (409, b"7\n", "text/x.tlog.size", "witness.disagrees"),
        (409, b"0\n", "text/x.tlog.size", "witness.failing"),
        (422, b"no\n", "text/plain", "witness.disagrees"),
        (500, b"no\n", "text/plain", "witness.failing"),
        (302, b"", "text/plain", "witness.failing"),
        (200, b"x" * 70_000, "text/plain", "witness.failing"),
    ],
)
def test_every_other_answer_is_told_and_stops_nobody(world, status, body, kind, event):
    world.grow()
    with Odd(says(status, body, kind)) as odd:
        one = world.witnessing(world.policy(arkiv=odd.url))
        with logs.captured() as stream:
            one.step()
    assert told(stream)[0]["event"] == event
    assert world.policy().verify(world.shown()).size == 1


def test_one_that_says_each_time_that_it_stands_elsewhere_is_left_alone(world):
    world.grow(9)
    sizes = iter(range(1, 99))

    def answer(handler, body: bytes) -> None:
        says(409, f"{next(sizes)}\n".encode(), "text/x.tlog.size")(handler, body)

    with Odd(answer) as odd:
        one = world.witnessing(world.policy(arkiv=odd.url))
        with logs.captured() as stream:
            one.step()
            one.step()
        assert len(odd.asked) == 3
    assert [line["event"] for line in told(stream)] == ["witness.failing"]


def test_a_witness_whose_memory_was_put_back_is_told_of(world):
    old = (world.folder / "arkiv" / "witness.json").read_bytes()
    one = world.witnessing()
    world.grow()
    one.step()
    (world.folder / "arkiv" / "witness.json").write_bytes(old)
    world.grow()
    with logs.captured() as stream:
        one.step()
    (line, failing) = told(stream)
    assert (line["event"], line["witness"]) == ("witness.disagrees", "arkiv")
    assert "its memory is old" in line["detail"]
    assert failing["event"] == "witness.failing"


@pytest.mark.parametrize("way", ["silent", "trickling"])
def test_a_slow_one_holds_up_nobody_for_longer_than_its_time(world, way):
    done = threading.Event()

    def answer(handler, _body: bytes) -> None:
        if way == "trickling":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not done.wait(0.02):
                handler.wfile.write(b"x")
        done.wait(20)

    world.grow()
    with Odd(answer) as odd:
        one = world.witnessing(world.policy(arkiv=odd.url), timeout=0.4)
        with logs.captured() as stream:
            while not told(stream):  # it was not waited for: its failure counts when it comes
                one.step()
        done.set()
    assert told(stream)[0]["event"] == "witness.failing"
    assert world.policy().verify(world.shown()).size == 1


def test_a_quorum_that_is_missing_is_told_once_and_so_is_its_return(world):
    with Odd(says(503, b"")) as odd:
        one = world.witnessing(world.policy(arkiv=odd.url, dataskydd=odd.url))
        world.grow()
        world.clock.pass_(timedelta(minutes=14))
        with logs.captured() as stream:
            one.step()
        assert "quorum.missing" not in {line["event"] for line in told(stream)}
        world.clock.pass_(timedelta(minutes=2))
        with logs.captured() as stream:
            one.step()
            one.step()
        missing = [line for line in told(stream) if line["event"] == "quorum.missing"]
        assert [(line["origin"], line["size"], line["level"]) for line in missing] == [(ORIGIN, 1, "error")]
    standing = world.witnessed().standing(world.clock.now())
    assert (standing.witnessed, standing.waiting > timedelta(minutes=15)) == (None, True)
    world.stop(one)
    world.clock.pass_(timedelta(minutes=10))
    another = world.witnessing(holder="another")
    another._missing = True
    with logs.captured() as stream:
        another.step()
    assert [line["event"] for line in told(stream)] == ["quorum.met"]


def test_the_newest_with_the_quorum_is_shown_until_a_newer_has_it_and_the_newest_where_none_has(world):
    with Odd(says(503, b"")) as odd:
        failing = world.policy(arkiv=odd.url, dataskydd=odd.url)
        one = world.witnessing(failing)
        world.grow(2)
        with logs.captured():
            one.step()
        assert checkpoint.verify(world.shown(), KEY).size == 2  # none has it
        world.stop(one)
    world.clock.pass_(timedelta(minutes=10))
    two = world.witnessing(holder="two")
    two.step()
    world.grow(3)
    assert world.policy().verify(world.shown()).size == 2  # though the log has gone on
    assert checkpoint.verify(world.shown(least=3), KEY).size == 5  # unless a proof needs more
    two.step()
    assert world.policy().verify(world.shown()).size == 5
    assert checkpoint.verify(world.shown(policy.parse(b"quorum none\n")), KEY).size == 5


def test_hundreds_of_checkpoints_without_the_quorum_are_looked_through(world):
    one = world.witnessing()
    world.grow(1)
    one.step()
    session = world.store.acting(Duty.INTEGRATOR).open()
    kept = StoredCosignatures(session, ORIGIN)
    signer = Folder(world.folder / "arkiv").signer()
    from gateway.store.cosignatures import Cosigned  # noqa: PLC0415

    stranger = cosignature.Signer("other.example/w", builders.signer("x")._private)
    for size in range(2, 200):
        kept.add(
            size,
            [Cosigned(key=who.key, time=1, line=who.cosign("x\n", 1)) for who in (signer, stranger)],
            world.clock.now(),
        )
    assert kept.witnessed(world.policy()) == 1
    session.close()


def test_what_was_cosigned_is_never_changed_or_deleted(world):
    world.grow()
    world.witnessing().step()
    session = world.store.open()
    for statement in ("UPDATE cosignatures SET line = 'x'", "DELETE FROM cosignatures"):
        with pytest.raises(Exception, match="are never"), session.writing(Turn.LOG):
            session.execute(statement)
    session.close()


@pytest.mark.parametrize("what", ["line", "witness", "size"])
def test_a_cosignature_that_is_not_its_witness_s_own_is_found(world, what):
    world.grow(2)
    world.witnessing().step()
    session = world.store.open()
    real = Folder(world.folder / "arkiv").signer()
    other = cosignature.Signer("other.example/w", builders.signer("x")._private)
    size, who, line = {
        "line": (2, other, real.cosign("other\n", 1)),
        "witness": (2, other, note.line(other.key, bytes(72))),
        "size": (1, other, other.cosign("x\n", 1)),
    }[what]
    with session.writing(Turn.LOG):
        session.insert(
            "cosignatures", "origin, size, witness, time, line, at", [(ORIGIN, size, str(who.key), 1, line, "x" * 27)]
        )
    session.close()
    with pytest.raises(IntegrityError):
        world.witnessed().check()


class TestTheConfiguration:
    """`[audit.witnesses] policy`."""

    def settings(self, folder, text: str) -> Witnesses:
        file = folder / "witnesses.policy"
        file.write_text(text)
        return Witnesses(policy=file)

    def test_none_is_none(self):
        assert wiring.agreed(Witnesses(), KEY) is None

    def test_names_the_file_and_the_line(self, tmp_path):
        with pytest.raises(
            ConfigError, match=r"audit.witnesses.policy: .*witnesses.policy: line 1: begins with none of"
        ):
            wiring.agreed(self.settings(tmp_path, "x\n"), KEY)
        with pytest.raises(ConfigError, match="No such file"):
            wiring.agreed(Witnesses(policy=tmp_path / "away"), KEY)

    def test_must_name_our_log_if_it_names_any(self, tmp_path):
        other = builders.signer("other.example").key
        with pytest.raises(ConfigError, match="no line of log has our key"):
            wiring.agreed(self.settings(tmp_path, f"log {other}\nquorum none\n"), KEY)
        assert wiring.agreed(self.settings(tmp_path, f"log {other}\nlog {KEY}\nquorum none\n"), KEY)

    def test_must_have_addresses_enough_for_the_quorum(self, tmp_path):
        one = cosignature.Signer("w.example", builders.signer("x")._private).key
        with pytest.raises(ConfigError, match="too few witnesses have an address"):
            wiring.agreed(self.settings(tmp_path, f"witness w {one}\nquorum w\n"), KEY)

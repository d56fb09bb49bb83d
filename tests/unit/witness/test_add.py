"""What a witness answers, over real sockets: every status that C2SP tlog-witness names, and in which order."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from base64 import b64encode
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import logs
from gateway.audit import checkpoint, cosignature, note, tree
from gateway.audit.checkpoint import Checkpoint
from gateway.witness.add import LARGEST, Witness
from gateway.witness.state import FORKS, Folder
from tests import builders, witnesses
from tests.integration.installation import until
from tests.witnesses import Log, body, post


@pytest.fixture
def log():
    return Log(size=20)


@pytest.fixture
def witness(tmp_path, log):
    with witnesses.serving(tmp_path / "w", log) as served:
        yield served


@pytest.fixture
def state(tmp_path, witness):
    return lambda: json.loads((tmp_path / "w" / "witness.json").read_bytes())


def remembered(state, log: Log) -> int:
    return state()["logs"][log.key.name]["size"]


def key(state) -> cosignature.Key:
    return cosignature.Key.parse(state()["vkey"])


def test_what_only_grows_is_cosigned_step_by_step(witness, log, state):
    old = 0
    for size in (1, 2, 7, 7, 8, 16, 20):
        status, kind, answer = post(witness.port, log.asks(old, size))
        assert (status, kind) == (200, "text/plain; charset=utf-8")
        assert cosignature.verify(log.signed(size) + answer, [key(state)]) == {
            key(state): int(builders.NOON.timestamp())
        }
        assert remembered(state, log) == size
        old = size


def test_the_last_checkpoint_is_kept_as_the_log_signed_it(witness, log, state):
    post(witness.port, log.asks(0, 7))
    kept = state()["logs"][log.key.name]
    assert checkpoint.verify(kept["checkpoint"].encode(), log.key) == log.checkpoint(7)


def test_another_size_than_the_last_is_told_the_last(witness, log):
    assert post(witness.port, log.asks(0, 7))[0] == 200
    for old in (0, 3, 8, 20):
        assert post(witness.port, log.asks(old)) == (409, "text/x.tlog.size", b"7\n")
    assert post(witness.port, log.asks(7))[0] == 200


def test_the_same_checkpoint_is_cosigned_again_with_a_new_time(tmp_path, log):
    at = [builders.NOON]
    with witnesses.serving(tmp_path / "w", log, now=lambda: at[0]) as served:
        first = post(served.port, log.asks(0))[2]
        at[0] = builders.NOON.replace(hour=13)
        second = post(served.port, log.asks(20))[2]
    times = [cosignature.time(note._decode(one.decode().split(" ")[2].strip())[4:]) for one in (first, second)]
    assert times[1] - times[0] == 3600


def test_a_shorter_log_is_refused(witness, log, state):
    post(witness.port, log.asks(0))
    assert post(witness.port, body(20, (), log.signed(7)))[0] == 400
    assert post(witness.port, body(7, (), log.signed(7)))[:2] == (409, "text/x.tlog.size")
    assert remembered(state, log) == 20


def test_a_fork_of_the_same_size_is_refused_and_told_apart(witness, log, state):
    post(witness.port, log.asks(0))
    fork = Log(size=20, salt="fork")
    status, kind, said = post(witness.port, fork.asks(20))
    assert (status, kind) == (409, "text/plain; charset=utf-8")
    assert b"another root" in said
    assert state()["logs"][log.key.name]["root"] == b64encode(log.checkpoint().root).decode()


def test_a_longer_fork_is_refused_whatever_it_proves(witness, log, state):
    post(witness.port, log.asks(0, 13))
    fork = Log(size=20, salt="fork")
    proofs = [
        tree.consistency(13, 20, fork.nodes),
        tree.consistency(13, 20, log.nodes),
        (),
        (fork.checkpoint(13).root,),
        tree.consistency(12, 20, fork.nodes),
    ]
    for proof in proofs:
        assert post(witness.port, body(13, proof, fork.signed()))[0] == 422
    assert remembered(state, log) == 13


def test_a_proof_with_any_hash_changed_left_out_or_added_is_refused(witness, log):
    post(witness.port, log.asks(0, 11))
    proof = tree.consistency(11, 20, log.nodes)
    wrong = [
        *((*proof[:at], bytes(32), *proof[at + 1 :]) for at in range(len(proof))),
        *(proof[:at] + proof[at + 1 :] for at in range(len(proof))),
        (*proof, bytes(32)),
    ]
    for one in wrong:
        assert post(witness.port, body(11, one, log.signed()))[0] == 422
    assert post(witness.port, body(11, proof, log.signed()))[0] == 200


def test_from_nothing_there_must_be_no_proof(witness, log):
    assert post(witness.port, body(0, (bytes(32),), log.signed()))[0] == 422
    assert post(witness.port, body(0, (), log.signed()))[0] == 200


def test_from_the_same_size_there_must_be_no_proof(witness, log):
    post(witness.port, log.asks(0))
    assert post(witness.port, body(20, (bytes(32),), log.signed()))[0] == 422


def test_an_empty_log_is_cosigned_and_grows(witness, state):
    log = Log()
    assert post(witness.port, log.asks(0))[0] == 200
    assert post(witness.port, log.asks(0))[0] == 200
    assert post(witness.port, log.grow(3).asks(0))[0] == 200
    assert remembered(state, log) == 3


def test_an_empty_log_with_another_root_than_the_empty_tree_s_is_refused(witness):
    log = Log()
    odd = checkpoint.sign(Checkpoint(origin=log.key.name, size=0, root=bytes(32)), log.signer)
    assert post(witness.port, body(0, (), odd))[0] == 422


def test_an_unknown_log_is_not_found_whoever_signed(witness):
    assert post(witness.port, Log("other.example", 3).asks(0))[0] == 404


def test_what_no_known_key_signed_is_forbidden(witness, log):
    stranger = builders.signer("stranger.example")
    signed = stranger.sign(str(log.checkpoint()))
    assert post(witness.port, body(0, (), signed))[0] == 403


def test_a_wrong_signature_by_a_known_key_is_forbidden_though_another_is_right(tmp_path, log):
    second = note.Signer(log.key.name, Ed25519PrivateKey.from_private_bytes(witnesses.digest("second")))
    folder = witnesses.folder(tmp_path / "w", log)
    folder.add(second.key)
    with witnesses.Served(Witness(folder, now=lambda: builders.NOON)) as served:
        wrong = log.signed() + note.line(second.key, b"\x00" * 64).encode()
        assert post(served.port, body(0, (), wrong))[0] == 403
        alone = second.sign(str(log.checkpoint()))
        assert post(served.port, body(0, (), alone))[0] == 200


def test_a_signature_by_a_stranger_beside_the_log_s_is_passed_over(witness, log):
    stranger = builders.signer("stranger.example").sign(str(log.checkpoint())).partition(b"\n\n")[2]
    assert post(witness.port, body(0, (), log.signed() + stranger))[0] == 200


def test_extension_lines_are_the_log_s_own_and_are_cosigned_with_the_rest(witness, log, state):
    extended = log.signer.sign(f"{log.checkpoint()}made by us\nand more\n")
    status, _, line = post(witness.port, body(0, (), extended))
    assert status == 200
    assert cosignature.verify(extended + line, [key(state)])
    assert post(witness.port, body(20, (), log.signer.sign(f"{log.checkpoint()}\nan empty one\n")))[0] == 400


GOOD = Log(size=20)
MALFORMED = {
    "nothing": b"",
    "no old size": GOOD.signed(),
    "a leading zero": body("00", (), GOOD.signed()),
    "a sign": body("-1", (), GOOD.signed()),
    "no number": body("x", (), GOOD.signed()),
    "two spaces": b"old  0\n\n" + GOOD.signed(),
    "no empty line": b"old 0\n" + GOOD.signed(),
    "carriage returns": body(0, (), GOOD.signed()).replace(b"\n", b"\r\n"),
    "no checkpoint": b"old 0\n\n",
    "no signatures": b"old 0\n\n" + str(GOOD.checkpoint()).encode(),
    "a note that is no checkpoint": b"old 0\n\n" + GOOD.signer.sign(f"{GOOD.key.name}\nhello\n"),
    "a short hash": b"old 0\nAAAA\n\n" + GOOD.signed(),
    "a hash that is not canonical": b"old 0\n" + b"A" * 42 + b"B=\n\n" + GOOD.signed(),
    "64 hashes": body(0, (bytes(32),) * 64, GOOD.signed()),
    "not UTF-8": b"old 0\n\n\xff\n" + GOOD.signed(),
    "an old size beyond the checkpoint's": body(21, (), GOOD.signed()),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_refused(witness, data):
    assert post(witness.port, data)[0] == 400


def test_63_hashes_are_read(witness):
    assert post(witness.port, body(0, (bytes(32),) * 63, GOOD.signed()))[0] == 422


def test_the_order_of_checks_is_the_published_one(witness, log):
    """A request with several things wrong is told the first of them."""
    post(witness.port, log.asks(0, 7))
    fork, unknown = Log(size=20, salt="fork"), Log("other.example", 20)
    forged = builders.signer("stranger.example").sign(str(fork.checkpoint()))
    assert post(witness.port, body(21, (), unknown.signed()))[0] == 404
    assert post(witness.port, body(21, (), forged))[0] == 403
    assert post(witness.port, body(21, (), fork.signed()))[0] == 400
    assert post(witness.port, body(3, (), fork.signed()))[0] == 409
    assert post(witness.port, body(7, (), fork.signed()))[0] == 422


def test_two_requests_at_once_never_roll_it_back(tmp_path, log):
    """The race that tlog-witness tells of: the first to be checked is the last to be written."""
    first, second = threading.Event(), threading.Event()
    asked: list[str] = []

    def faults(point: str) -> None:
        if point == "checked" and not asked:
            asked.append(point)
            first.set()
            assert not second.wait(0.5), "another got through while one held what is remembered"

    folder = witnesses.folder(tmp_path / "w", log)
    with witnesses.Served(Witness(folder, now=lambda: builders.NOON, faults=faults)) as served:
        answers: dict[int, tuple[int, str, bytes]] = {}

        def ask(size: int) -> None:
            answers[size] = post(served.port, log.asks(0, size))
            second.set()

        slow = threading.Thread(target=ask, args=(7,))
        slow.start()
        assert first.wait(10)
        fast = threading.Thread(target=ask, args=(13,))
        fast.start()
        slow.join()
        fast.join()
    assert answers[7][0] == 200
    assert answers[13] == (409, "text/x.tlog.size", b"7\n")
    assert folder.read().logs[log.key.name].size == 7


def test_of_many_at_once_each_goes_on_from_the_one_before(tmp_path):
    log, sizes = Log(size=60), []
    witnesses.folder(tmp_path / "w", log)

    def faults(point: str) -> None:  # while nobody else may change it
        if point == "replaced":
            sizes.append(folder.read().logs[log.key.name].size)

    folder = Folder(tmp_path / "w", faults=faults)
    with witnesses.Served(Witness(folder, now=lambda: builders.NOON)) as served:

        def ask(size: int) -> None:
            old, status = 0, 0
            while status != 200 and old <= size:
                status, kind, said = post(served.port, log.asks(old, size))
                assert status == 200 or kind == "text/x.tlog.size"
                old = int(said) if status != 200 else old

        threads = [threading.Thread(target=ask, args=(size,)) for size in range(1, 61, 3)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == 58


class TestTheServer:
    """What strangers may do to it."""

    def test_other_paths_and_methods_are_not_there(self, witness, log):
        assert post(witness.port, log.asks(0), path="/")[0] == 404
        assert post(witness.port, b"", method="GET")[0] == 405

    def test_a_large_request_is_refused_before_it_is_read(self, witness):
        with closing(socket.create_connection(("127.0.0.1", witness.port), timeout=10)) as line:
            line.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 99999999\r\n\r\n")
            line.sendall(b"x" * (LARGEST + 20_000))
            assert line.recv(100).startswith(b"HTTP/1.1 413 ")

    def test_headers_without_end_are_refused(self, witness):
        with closing(socket.create_connection(("127.0.0.1", witness.port), timeout=10)) as line:
            line.sendall(b"POST /add-checkpoint HTTP/1.1\r\nX: " + b"x" * (LARGEST + 20_000))
            assert line.recv(100).startswith(b"HTTP/1.1 4")

    def test_what_is_not_http_is_refused(self, witness):
        with closing(socket.create_connection(("127.0.0.1", witness.port), timeout=10)) as line:
            line.sendall(b"\x16\x03\x01 hello\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 400 ")

    def test_a_connection_is_kept_for_the_next_request(self, witness, log):
        with closing(http.client.HTTPConnection("127.0.0.1", witness.port, timeout=10)) as connection:
            seen = []
            for old, size in ((0, 3), (3, 9), (9, 20)):
                connection.request("POST", "/add-checkpoint", log.asks(old, size))
                answer = connection.getresponse()
                seen.append((answer.status, connection.sock.getsockname()))
                answer.read()
        assert {status for status, _ in seen} == {200}
        assert len({address for _, address in seen}) == 1

    def test_requests_one_behind_the_other_are_answered_in_their_order(self, witness, log):
        with closing(socket.create_connection(("127.0.0.1", witness.port), timeout=10)) as line:
            for old, size in ((0, 3), (3, 9)):
                asked = log.asks(old, size)
                line.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n" % len(asked))
                line.sendall((b"Connection: close\r\n" if size == 9 else b"") + b"\r\n" + asked)
            answers = b"".join(iter(lambda: line.recv(4096), b""))
        assert answers.count(b"HTTP/1.1 200 OK") == 2

    def test_a_body_in_chunks_is_read(self, witness, log):
        with closing(http.client.HTTPConnection("127.0.0.1", witness.port, timeout=10)) as connection:
            asked = log.asks(0)
            connection.request("POST", "/add-checkpoint", iter([asked[:50], asked[50:]]), encode_chunked=True,
                               headers={"Transfer-Encoding": "chunked"})  # fmt: skip
            assert connection.getresponse().status == 200

    def test_a_client_that_trickles_is_left(self, tmp_path, log):
        folder = witnesses.folder(tmp_path / "w", log)
        with (
            witnesses.Served(Witness(folder, now=lambda: builders.NOON), patience=0.2) as served,
            closing(socket.create_connection(("127.0.0.1", served.port), timeout=10)) as line,
        ):
            line.sendall(b"POST /add-checkpoint HTTP/1.1\r\n")
            assert line.recv(100) == b""
            assert post(served.port, log.asks(0))[0] == 200

    def test_of_more_connections_than_it_takes_the_one_goes_that_asks_nothing(self, tmp_path, log):
        folder = witnesses.folder(tmp_path / "w", log)
        with (
            witnesses.Served(Witness(folder, now=lambda: builders.NOON), most=1) as served,
            closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)) as first,
        ):
            first.request("POST", "/add-checkpoint", log.asks(0, 3))
            assert first.getresponse().read()
            assert post(served.port, log.asks(3, 9))[0] == 200
            assert first.sock.recv(100) == b""

    def test_one_that_asks_is_answered_whoever_else_comes(self, tmp_path, log):
        folder, asked = witnesses.folder(tmp_path / "w", log), log.asks(0)
        with (
            witnesses.Served(Witness(folder, now=lambda: builders.NOON), most=1) as served,
            closing(socket.create_connection(("127.0.0.1", served.port), timeout=10)) as first,
        ):
            first.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\nExpect: 1" % len(asked))
            until(lambda: served.begun, "the first byte of the request")
            with closing(socket.create_connection(("127.0.0.1", served.port), timeout=10)) as second:
                assert second.recv(100) == b""
            first.sendall(b"\r\n\r\n" + asked)
            assert first.recv(100).startswith(b"HTTP/1.1 200 ")

    def test_a_state_that_is_gone_is_told_and_nothing_is_cosigned(self, tmp_path, log):
        folder = witnesses.folder(tmp_path / "w", log)
        with logs.captured(), witnesses.Served(Witness(folder, now=lambda: builders.NOON)) as served:
            (tmp_path / "w" / "witness.json").unlink()
            assert post(served.port, log.asks(0))[0] == 500
        assert "is not there" in str(served.alarms[0])

    def test_a_fork_is_told_to_the_witness_s_operator(self, tmp_path, log):
        with logs.captured() as told, witnesses.serving(tmp_path / "w", log) as served:
            post(served.port, log.asks(0))
            post(served.port, Log(size=20, salt="fork").asks(20))
        (line,) = [json.loads(line) for line in told.getvalue().splitlines()]
        (kept,) = (tmp_path / "w").glob("fork-*.checkpoint")
        assert checkpoint.verify(kept.read_bytes(), log.key) == Log(size=20, salt="fork").checkpoint()
        assert (line["event"], line["level"], line["origin"], line["size"]) == (
            "witness.fork", "critical", log.key.name, 20,
        )  # fmt: skip

    def test_a_disk_is_not_filled_by_forks(self, tmp_path, log):
        witness = Witness(witnesses.folder(tmp_path / "w", log), now=lambda: builders.NOON)
        witness.add(log.asks(0, 13))
        with logs.captured():
            for n in range(FORKS + 5):
                assert witness.add(body(13, (), Log(size=14, salt=str(n)).signed())).status == 422
                assert witness.add(body(13, (), Log(size=14, salt="0").signed())).status == 422
        assert len(list((tmp_path / "w").glob("fork-*.checkpoint"))) == FORKS
        assert witness.add(log.asks(13)).status == 200

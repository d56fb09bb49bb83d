"""What a witness remembers is whole and durable, or it does not start; the power goes at every point."""

from __future__ import annotations

import json
import stat

import pytest

from gateway.audit import cosignature
from gateway.errors import ConfigError, IntegrityError, UnavailableError
from gateway.witness.add import Witness
from gateway.witness.state import Folder
from tests import builders, witnesses
from tests.integration.killed import Axe, Child
from tests.witnesses import Log

SIZES = (5, 9, 20)
POINTS = ("checked", "written", "replaced", "kept", "signed")


def opened(path, faults=lambda _point: None) -> Witness:
    return Witness(Folder(path, faults=faults), now=lambda: builders.NOON, faults=faults)


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_it_never_cosigns_what_contradicts_what_it_cosigned(tmp_path, point, nth):
    log, path = Log(size=20), tmp_path / "w"
    witnesses.folder(path, log)

    def work(tell) -> None:
        witness, old = opened(path, Axe(point, nth)), 0
        for size in SIZES:
            answer = witness.add(log.asks(old, size))
            tell((size, answer.status, answer.body))
            old = size

    ended = Child(work).end()
    assert ended.killed
    told = [size for size, _, _ in ended.told]
    assert told == list(SIZES[: nth - 1])
    # 1. What was told outside is remembered; the one that was under way may be too.
    kept = Folder(path).read().logs[log.key.name]
    under_way = SIZES[nth - 1]
    before = told[-1] if told else 0
    assert kept.size == (under_way if point in {"replaced", "kept", "signed"} else before)
    # 2. A fork is refused, by whatever size it is tried.
    witness, fork = opened(path), Log(size=20, salt="fork")
    for size in {before, kept.size} - {0}:
        assert witness.add(fork.asks(kept.size, size)).status in {400, 409}
        assert witness.add(witnesses.body(kept.size, (), fork.signed())).status in {409, 422}
    # 3. The log asks again, learns the size, and goes on.
    first = witness.add(log.asks(before, under_way))
    if kept.size != before:
        assert (first.status, first.body) == (409, f"{kept.size}\n")
        first = witness.add(log.asks(kept.size, under_way))
    assert first.status == 200
    key = Folder(path).read().key
    assert cosignature.verify(log.signed(under_way) + first.body.encode(), [key])


def test_a_child_that_nobody_kills_cosigns_everything(tmp_path):
    log, path = Log(size=20), tmp_path / "w"
    witnesses.folder(path, log)

    def work(tell) -> None:
        old = 0
        for size in SIZES:
            tell(opened(path, Axe("never")).add(log.asks(old, size)).status)
            old = size

    assert Child(work).end().told == [200, 200, 200]


@pytest.mark.parametrize(("point", "kept"), [("written", 0), ("replaced", 9)])
def test_where_keeping_fails_nothing_is_cosigned_whether_it_was_kept_or_not(tmp_path, point, kept):
    log, path = Log(size=20), tmp_path / "w"
    witnesses.folder(path, log)

    def faults(here: str) -> None:
        if here == point:
            raise OSError(28, "No space left on device")

    with pytest.raises(UnavailableError, match="No space left"):
        opened(path, faults).add(log.asks(0, 9))
    assert Folder(path).read().logs[log.key.name].size == kept
    again = opened(path)
    assert again.add(log.asks(kept, 9)).status == 200


def test_a_new_witness_is_made_once(tmp_path):
    folder = Folder(tmp_path / "w")
    state = folder.make("witness.example/w1")
    assert (folder.read(), folder.signer().key) == (state, state.key)
    for left in ("witness.key", "witness.json"):
        with pytest.raises(IntegrityError, match="never overwritten"):
            folder.make("witness.example/w1")
        (tmp_path / "w" / left).rename(tmp_path / "w" / f"{left}.away")


def test_key_and_memory_are_the_witness_s_alone(tmp_path):
    witnesses.folder(tmp_path / "w", Log())
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "w").iterdir()}
    assert modes == {"witness.key": 0o600, "witness.json": 0o600, "witness.lock": 0o600}
    assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == 0o700


def test_without_its_memory_it_does_not_start(tmp_path):
    witnesses.folder(tmp_path / "w", Log())
    (tmp_path / "w" / "witness.json").unlink()
    with pytest.raises(IntegrityError, match="is not there"):
        opened(tmp_path / "w")


def test_with_another_key_it_does_not_start(tmp_path):
    witnesses.folder(tmp_path / "w", Log())
    witnesses.folder(tmp_path / "other", Log())
    (tmp_path / "other" / "witness.key").replace(tmp_path / "w" / "witness.key")
    with pytest.raises(IntegrityError, match="is not the key"):
        opened(tmp_path / "w")


def test_a_key_that_others_may_read_is_not_used(tmp_path):
    witnesses.folder(tmp_path / "w", Log())
    (tmp_path / "w" / "witness.key").chmod(0o640)
    with pytest.raises(ConfigError, match="others than its owner"):
        opened(tmp_path / "w")


def test_a_key_that_is_none_is_named(tmp_path):
    witnesses.folder(tmp_path / "w", Log())
    file = tmp_path / "w" / "witness.key"
    file.write_bytes(b"text")
    with pytest.raises(ConfigError, match="not an unencrypted Ed25519 key"):
        opened(tmp_path / "w")
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        opened(tmp_path / "w")


def damaged(data: dict) -> list[object]:
    origin = builders.ORIGIN
    known = data["logs"][origin]
    other = str(builders.signer("other.example").key)
    return [
        b"",
        b"[]",
        {**data, "vkey": "x"},
        {"vkey": data["vkey"]},
        *({**data, "logs": {origin: {**known, **change}}} for change in (
            {"size": -1}, {"size": "7"}, {"root": "AAAA"}, {"root": "?"}, {"keys": ["x"]}, {"keys": [other]},
        )),
        *({**data, "logs": {origin: {key: value for key, value in known.items() if key != gone}}} for gone in known),
    ]  # fmt: skip


def test_a_memory_that_is_damaged_is_not_believed(tmp_path):
    witnesses.folder(tmp_path / "w", Log())
    file = tmp_path / "w" / "witness.json"
    whole = file.read_bytes()
    for one in damaged(json.loads(whole)):
        file.write_bytes(one if isinstance(one, bytes) else json.dumps(one).encode())
        with pytest.raises(IntegrityError, match="is damaged"):
            Folder(tmp_path / "w").read()
    file.write_bytes(whole[:-20])
    with pytest.raises(IntegrityError, match="is damaged"):
        Folder(tmp_path / "w").read()


def test_a_log_is_known_once_and_may_have_several_keys(tmp_path):
    log = Log(size=3)
    folder = witnesses.folder(tmp_path / "w", log)
    Witness(folder, now=lambda: builders.NOON).add(log.asks(0))
    assert folder.add(log.key) == folder.read().logs[log.key.name]
    second = builders.note.Key(log.key.name, builders.signer("second").key.public)
    assert folder.add(second).keys == (log.key, second)
    assert folder.read().logs[log.key.name].size == 3


def test_a_half_written_file_from_before_is_in_nobody_s_way(tmp_path):
    log = Log(size=3)
    folder = witnesses.folder(tmp_path / "w", log)
    (tmp_path / "w" / "witness.json.new").write_bytes(b'{"half')
    assert Witness(folder, now=lambda: builders.NOON).add(log.asks(0)).status == 200

"""Verifiers that others wrote accept our log unchanged, and refuse it where ours do.

`log/` is a small Go program around golang.org/x/mod (sumdb/note, sumdb/tlog) and transparency-dev's merkle, formats and
Tessera (fsck): it has no verification of its own. Its modules are pinned by hash in `log/go.sum`; Go 1.25 or later
builds it (`ops/dev/tools` fetches the modules).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gateway.audit import proof, tree
from gateway.store import export
from gateway.store.views import Views
from tests import builders, mirrors
from tests.unit.audit.test_tree import LEAVES, flip, nodes, root_of

HERE = Path(__file__).parent / "log"
BUILT = Path(__file__).parents[2] / "build" / "go" / "go" / "bin"
"""Where `ops/dev/tools` puts Go on a machine that has none new enough."""
VKEY = str(mirrors.KEY)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Run the program: its exit code is its verdict."""
    go = shutil.which("go", path=f"{BUILT}:{os.environ['PATH']}")
    assert go is not None, "Go is not here: it builds the verifiers that others wrote (ops/dev/tools gets it)"
    program = tmp_path_factory.mktemp("foreign") / "log"
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "CGO_ENABLED": "0"}
    made = subprocess.run(
        [go, "build", "-o", program, "."], cwd=HERE, env=environment, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr

    def run(*arguments: object, lines: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(program), *map(str, arguments)]
        return subprocess.run(command, input=lines, capture_output=True, text=True, check=False, timeout=120)

    return run


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A log that the gateway itself kept and exported, its checkpoint before it grew, and the store's views."""
    folder, clock = tmp_path_factory.mktemp("stored"), builders.Clock()
    store = builders.store(folder / "store")
    journal = builders.journal(store, clock)
    for n, records in enumerate((1, 255, 44, 300)):
        journal.accept(builders.ready(f"urn:uuid:{n}", records=records)).result()
        builders.integrate(store, clock)
        if n == 2:
            shutil.copyfile(store.anchor, folder / "earlier")
    journal.refuse(builders.refusal()).result()
    builders.integrate(store, clock)
    journal.close()
    export.export(store, folder / "out", mirrors.KEY)
    views = Views(store)
    yield folder, views
    views.close()


def test_others_recompute_our_export(foreign, stored):
    folder, _ = stored
    for arguments in (("fsck", VKEY, folder / "out"), ("consistent", VKEY, folder / "out", folder / "earlier")):
        done = foreign(*arguments)
        assert done.returncode == 0, done.stderr
    assert foreign("note", VKEY, folder / "out" / "checkpoint").returncode == 0


def test_others_recompute_our_log_from_a_web_server(foreign, stored):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    directory = str(stored[0] / "out")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=directory)) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        done = foreign("fsck", VKEY, f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
        thread.join()
    assert done.returncode == 0, done.stderr


def test_others_believe_our_proof_files_and_no_other_entry(foreign, stored, tmp_path):
    _, views = stored
    for position in (0, 1, 255, 256, 599, 600):
        entry, another = views.at(position), views.at(position - 1 if position else 1)
        (tmp_path / "a.tlog-proof").write_bytes(proof.write(views.proof(entry.hash)))
        (tmp_path / "entry").write_bytes(entry.entry)
        (tmp_path / "another").write_bytes(another.entry)
        done = foreign("proof", VKEY, tmp_path / "a.tlog-proof", tmp_path / "entry")
        assert done.returncode == 0, done.stderr
        assert foreign("proof", VKEY, tmp_path / "a.tlog-proof", tmp_path / "another").returncode == 1


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 65_800])
def test_others_recompute_a_log_of_any_size(foreign, tmp_path, size):
    done = foreign("fsck", VKEY, mirrors.write(tmp_path, mirrors.entries(size)))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", mirrors.WHOLE)
def test_others_let_be_what_may_be_so(foreign, tmp_path, name):
    change, _ = mirrors.WHOLE[name]
    change(mirrors.write(tmp_path / "log", mirrors.GOOD))
    done = foreign("fsck", VKEY, tmp_path / "log")
    assert done.returncode == 0, done.stderr


UNSEEN = "a row added"
"""Tessera's fsck reads over what a bundle has too much, which no root covers. We do not."""


@pytest.mark.parametrize("bad", [bad for bad in mirrors.BAD if not bad.earlier], ids=lambda bad: bad.name)
def test_others_refuse_what_we_refuse(foreign, tmp_path, bad):
    bad.do(mirrors.write(tmp_path / "log", mirrors.GOOD))
    done = foreign("fsck", VKEY, tmp_path / "log")
    # 2 is Go's for a panic: of a bundle that lacks entries it does not say so, it breaks.
    assert done.returncode in ({0} if bad.name == UNSEEN else {1, 2}), done.stderr


def test_others_see_a_fork(foreign, tmp_path):
    mirrors.write(tmp_path / "log", mirrors.GOOD)
    for size in (1, 256, 300, 599, 600):
        (tmp_path / "earlier").write_bytes(mirrors.signed(mirrors.GOOD, size))
        assert foreign("consistent", VKEY, tmp_path / "log", tmp_path / "earlier").returncode == 0
        if size > 17:
            (tmp_path / "earlier").write_bytes(mirrors.signed(mirrors.CHANGED, size))
            assert foreign("consistent", VKEY, tmp_path / "log", tmp_path / "earlier").returncode == 1


def _line(kind: str, first: int, second: int, *hashes: bytes) -> str:
    return " ".join([kind, str(first), str(second), *(one.hex() for one in hashes)])


def test_others_judge_every_proof_of_every_tree_up_to_200_as_we_do(foreign):
    chance = random.Random(200)  # noqa: S311  # the same every time
    lines, expected = [], []

    def told(kind: str, first: int, second: int, known: tuple[bytes, bytes], path: tuple[bytes, ...]) -> None:
        lines.append(_line(kind, first, second, *known, *path))
        expected.append("true true")
        if path:
            at = chance.randrange(len(path))
            lines.append(_line(kind, first, second, *known, *path[:at], flip(path[at]), *path[at + 1 :]))
            expected.append("false false")

    for size in range(1, len(LEAVES) + 1):
        for index in range(size):
            told("i", index, size, (LEAVES[index], root_of(size)), tree.inclusion(index, size, nodes))
        for first in range(1, size + 1):
            told("c", first, size, (root_of(first), root_of(size)), tree.consistency(first, size, nodes))
    verdicts = foreign("paths", lines="\n".join(lines)).stdout.splitlines()
    assert len(verdicts) == len(expected) > 70_000
    wrong = [
        (line, verdict) for line, verdict, right in zip(lines, verdicts, expected, strict=True) if verdict != right
    ]
    assert not wrong, wrong[:3]


def test_what_the_foreign_program_is_made_of_is_pinned_by_hash():
    modules = (HERE / "go.mod").read_text(encoding="utf-8")
    for name in (
        "golang.org/x/mod ",
        "transparency-dev/merkle ",
        "transparency-dev/tessera ",
        "transparency-dev/formats ",
    ):
        assert name in modules
    assert "replace" not in modules
    assert "h1:" in (HERE / "go.sum").read_text(encoding="utf-8")

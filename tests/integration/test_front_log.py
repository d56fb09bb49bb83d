"""The log over HTTP, as tlog-tiles has it: mirrored and verified by whoever TLS lets in, beside messages."""

from __future__ import annotations

import fcntl
import gzip
import threading
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from gateway.audit import static, tiles
from gateway.cli import exported
from gateway.cli.demo.ledger import GOVERNING
from gateway.errors import UnavailableError
from gateway.sqlite import File
from gateway.store.log import READINGS
from gateway.transport import log as endpoint
from gateway.wiring import checkpoint_key
from tests import builders
from tests.integration import stage as stages
from tests.integration.installation import until

TILE = f"tile/0/000.p/{GOVERNING}"
BUNDLE = f"tile/entries/000.p/{GOVERNING}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A log that no other file's messages grow: some addresses are none only while it is short."""
    return stages.make(tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="module")
def grown(stand):
    """The front, once what governs is in its log."""
    until(lambda: int(read(stand, "checkpoint").content.split()[1]) >= GOVERNING, "what governs is signed for")
    return stand


@pytest.fixture
def own(tmp_path):
    return stages.make(tmp_path)


def read(stand, path: str, method: str = "GET", **more):
    with stand.stage.session() as session:
        return session.request(method, f"{stand.server.origin}/audit/{path}", timeout=20, **more)


def line(stand, name: str = "skatteverket") -> exported.Line:
    certificate, key = stand.stage.credential(name)
    return exported.Line(certificate=certificate, key=key, authority=stand.stage.data / "pki" / "server-ca.pem")


def test_a_checkpoint_is_text_that_nobody_may_keep(grown):
    answer = read(grown, "checkpoint")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert static.checkpoint.verify(answer.content, checkpoint_key(grown.stage.configuration)).size >= GOVERNING


def test_the_log_of_readings_is_beside_it_by_its_own_name(grown):
    answer = read(grown, "readings/checkpoint")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    own = READINGS.key(checkpoint_key(grown.stage.configuration))
    assert static.checkpoint.verify(answer.content, own).size == 0
    assert read(grown, "readings/tile/0/000.p/1").status_code == 404


@pytest.mark.parametrize("path", [TILE, BUNDLE, "tile/0/000.p/1", "tile/entries/000.p/1"])
def test_tiles_are_bytes_that_may_be_kept_for_good(grown, path):
    answer = read(grown, path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    width = int(path.rpartition("/")[2])
    assert len(answer.content if "/0/" in path else tiles.unbundle(answer.content)) == width * (
        32 if "/0/" in path else 1
    )


def test_head_tells_the_same_without_the_bytes(grown):
    for path in ("checkpoint", TILE, BUNDLE):
        got, head = (read(grown, path, method, headers={"Accept-Encoding": "identity"}) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "cache-control"):
            assert head.headers[name] == got.headers[name]
        assert int(got.headers["content-length"]) == len(got.content)


@pytest.mark.parametrize(
    "path",
    [
        "", "checkpoint/", "Checkpoint", "tile", "tile/0/001", "tile/0/000", "tile/0/000.p/256", "tile/0/000.p/200",
        "tile/0/0", "tile/1/000.p/1", "tile/64/000", "tile/entries/000", "tile/entries/x000/000.p/1", "tile/-1/000",
        "tile/0/%30%30%31", "..%2fcheckpoint", "tile/0/..%2f000.p/1", "tile/0/000.p/1%00", "leaves", "index.html",
    ],
)  # fmt: skip
def test_there_is_nothing_at_any_other_address(grown, path):
    answer = read(grown, path)
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert answer.text == "GW-HTTP-PATH: the log has no such file, or not yet\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_log_is_only_read(grown, method):
    answer = read(grown, "checkpoint", method, data=b"x" * 100_000)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_bundles_are_compressed_for_who_asks_and_nothing_else_is(grown):
    plain = read(grown, BUNDLE, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for wish in ("gzip", "br, GZIP;q=0.5", "deflate,gzip"):
        answer = read(grown, BUNDLE, headers={"Accept-Encoding": wish}, stream=True)
        raw = answer.raw.read(decode_content=False)
        assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "accept-encoding")
        assert gzip.decompress(raw) == plain.content
    for wish in ("gzip;q=0", "br", "gzipped"):
        assert "content-encoding" not in read(grown, BUNDLE, headers={"Accept-Encoding": wish}).headers
    assert "content-encoding" not in read(grown, TILE, headers={"Accept-Encoding": "gzip"}).headers


def test_a_log_over_http_is_verified_without_a_store(grown):
    key = checkpoint_key(grown.stage.configuration)
    with exported.reading(f"{grown.server.origin}/audit/", line(grown)) as served:
        kept = served("checkpoint")
        assert kept is not None
        assert static.verify(served, key, earlier=[kept]).checkpoint.size >= GOVERNING
        assert served("tile/0/001") is None


def test_without_a_certificate_that_tls_knows_nothing_is_read(grown):
    nobody = exported.Line(authority=line(grown).authority)
    with exported.reading(f"{grown.server.origin}/audit", nobody) as served, pytest.raises(UnavailableError):
        served("checkpoint")


def test_any_partners_certificate_reads_the_log_also_one_that_no_message_is_taken_from(grown):
    with exported.reading(f"{grown.server.origin}/audit", line(grown, "arbetsgivare-a")) as served:
        assert served("checkpoint") == read(grown, "checkpoint").content


def test_what_is_published_tells_no_more_than_commitments(own):
    with own.running() as stand, stand.stage.session() as session:
        message = own.message()
        answer = session.post(stand.address(), data=message, headers={"Content-Type": "text/xml"})
        assert answer.status_code == 200
        until(lambda: int(read(stand, "checkpoint").content.split()[1]) > GOVERNING, "the message is signed for")
        size = int(read(stand, "checkpoint").content.split()[1])
        bundle = tiles.unbundle(read(stand, f"tile/entries/000.p/{size}").content)
    for entry in bundle:
        assert sorted(orjson.loads(entry)) == ["commitment", "kind", "policy", "v"]


def test_a_reader_in_a_hurry_holds_up_no_message_and_is_told_to_come_again(own):
    held, going = threading.Event(), threading.Event()

    def slow(path: str) -> bytes | None:
        going.set()
        held.wait(20)
        return path.encode()

    with own.running() as stand, ThreadPoolExecutor(60) as pool:
        stand.intake.log._read = slow
        asked = [pool.submit(read, stand, "checkpoint") for _ in range(endpoint._QUEUED + 8)]
        assert going.wait(20)
        until(lambda: sum(one.done() for one in asked) >= 8, "those over the limit are answered")
        with stand.stage.session() as session:
            answer = session.post(stand.address(), data=own.message(), headers={"Content-Type": "text/xml"})
            assert answer.status_code == 200
        held.set()
        found = [one.result() for one in asked]
    assert sorted({one.status_code for one in found}) == [200, 503]
    refused = [one for one in found if one.status_code == 503]
    assert len(refused) == 8
    assert {one.headers["retry-after"] for one in refused} == {"5"}
    assert {one.text.partition(":")[0] for one in refused} == {"GW-UNAVAILABLE-OVERLOADED"}


def test_reading_goes_on_while_a_writer_holds_the_store(own):
    lock = own.configuration.gateway.store.path / "gateway.db.lock"
    with own.running() as stand, lock.open() as held:
        until(lambda: read(stand, TILE).status_code == 200, "what governs is signed for")
        fcntl.flock(held, fcntl.LOCK_EX)
        assert read(stand, TILE).status_code == 200
        assert read(stand, "checkpoint").status_code == 200


def test_a_store_that_disagrees_is_told_as_such_and_never_served(own):
    with own.running() as stand:
        until(lambda: read(stand, BUNDLE).status_code == 200, "what governs is signed for")
        file = File(own.configuration.gateway.store.path / "gateway.db")
        builders.forge(file, "UPDATE leaves SET entry = X'7b7d' WHERE position = 0", "DELETE FROM tiles")
        file.close()
        for path in (BUNDLE, TILE):
            answer = read(stand, path)
            assert (answer.status_code, answer.text.partition(":")[0]) == (500, "GW-INTEGRITY")
            assert answer.headers["cache-control"] == "no-store"


def test_a_store_that_is_away_is_told_as_unavailable(own):
    with own.running() as stand:
        until(lambda: read(stand, TILE).status_code == 200, "what governs is signed for")
        stand.intake._published.close()
        assert read(stand, TILE).status_code == 503


def test_a_front_that_drains_sends_readers_elsewhere(own):
    with own.running() as stand:
        until(lambda: read(stand, TILE).status_code == 200, "what governs is signed for")
        stand.intake.front.draining = True
        for path in ("checkpoint", TILE, "nowhere"):
            answer = read(stand, path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

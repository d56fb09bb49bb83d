"""A whole gateway with witnesses and an authority: what its front shows, proves and tells, and what `audit` says."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

from gateway import logs, wiring
from gateway.audit import policy, proof
from gateway.cli import main
from gateway.config import Stamps, Witnesses
from gateway.errors import IntegrityError
from gateway.message import LeafHash
from gateway.store.log import READINGS
from gateway.store.views import Views
from gateway.witness.state import Folder
from tests import authority, builders, witnesses
from tests.integration import stage as stages
from tests.integration.installation import until
from tests.integration.test_front_metrics import scraped

NAMES = ("revision", "dataskydd", "arkiv")


@pytest.fixture
def stack():
    with ExitStack() as made:
        yield made


def known(key):
    """A log as a witness knows it."""
    return type("Known", (), {"key": key})


@pytest.fixture
def witnessed(tmp_path, stack):
    """A stage whose log three witnesses know, two of whom are enough, and the policy."""
    stage = stages.make(tmp_path / "data")
    key = wiring.checkpoint_key(stage.configuration)
    lines = [f"log {key}\n"]
    for name in NAMES:
        folder = witnesses.folder(tmp_path / name, known(key), name=f"{name}.example/w")
        served = stack.enter_context(witnesses.Served(witnesses.Witness(folder, now=wiring.SystemClock().now)))
        lines.append(f"witness {name} {folder.read().key} {served.url}\n")
    file = tmp_path / "witnesses.policy"
    file.write_text("".join(lines) + "group q 2 revision dataskydd arkiv\nquorum q\n")
    return stage.tuned("audit", witnesses=Witnesses(policy=file, interval=timedelta(milliseconds=50))), policy.parse(
        file.read_bytes()
    )


def checkpoint(stand, log: str = "audit") -> bytes:
    with stand.stage.session() as session:
        answer = session.get(f"{stand.server.origin}/{log}/checkpoint")
    assert answer.status_code == 200
    return answer.content


def quorum(stand, agreed, least: int = 0, log: str = "audit") -> bool:
    """Tell whether what is shown has at least so many leaves and the quorum."""
    try:
        return agreed.verify(checkpoint(stand, log)).size >= least
    except IntegrityError:
        return False


def test_what_the_front_shows_and_proves_has_the_quorum(witnessed):
    stage, agreed = witnessed
    with stage.running() as stand:
        with stage.session() as session:
            answer = session.post(stand.address(), data=stage.message(), headers={"Content-Type": "text/xml"})
        assert answer.status_code == 200
        until(lambda: quorum(stand, agreed, 3), "the quorum of the message's checkpoint")
        views = Views(wiring.place(stage.configuration, wiring.Duty.OPERATOR))
        leaf = LeafHash(stand.leaf(0))
        proven = views.proof(leaf, agreed)
        views.close()
        figures = scraped(stand)
    assert agreed.verify(proven.checkpoint)
    assert proof.verify(proven, leaf, wiring.checkpoint_key(stage.configuration)).size >= 1
    assert figures["gateway_witness_quorum_waiting_seconds"][()] < 900
    assert {dict(one)["witness"] for one in figures["gateway_witness_behind_leaves"]} == set(NAMES)


@pytest.fixture
def overseen(witnessed):
    """The same, with witnesses asked about the log of readings too, the policy of its readers, and its key."""
    stage, agreed = witnessed
    key = READINGS.key(wiring.checkpoint_key(stage.configuration))
    asked = stage.configuration.gateway.audit.witnesses.model_copy(update={"readings": True})
    return stage.tuned("audit", witnesses=asked), replace(agreed, logs=(policy.Log(key=key),)), key


def read(stage) -> None:
    """Read the log: one leaf in the log of readings."""
    log = wiring.readings(stage.configuration)
    log.read(builders.reading())
    log.close()


def test_the_readings_have_the_quorum_of_those_who_were_given_their_key_and_who_was_not_is_told_of_by_name(
    overseen, witnessed, tmp_path
):
    stage, agreed, key = overseen
    for name in NAMES[:2]:
        Folder(tmp_path / name).add(key)
    read(stage)
    with logs.captured() as stream, stage.running() as stand:
        until(lambda: quorum(stand, agreed, 1, "audit/readings"), "the quorum of the reading's checkpoint")
        until(lambda: quorum(stand, witnessed[1], 1), "the quorum of the audit log's checkpoint")
        until(lambda: failing(stream, key), "a witness to be told of")
        assert agreed.cosigned(checkpoint(stand, "audit/readings")) == NAMES[:2]
        assert agreed.verify(checkpoint(stand, "audit/readings")).origin == key.name
    assert {one["witness"] for one in failing(stream, key)} == {"arkiv"}
    assert all("gateway witness add" in str(one["detail"]) for one in failing(stream, key))
    assert failing(stream, wiring.checkpoint_key(stage.configuration)) == []


def failing(stream, key) -> list[dict[str, object]]:
    """Return what was told of witnesses that failed with one log."""
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [one for one in told if (one["event"], one.get("origin")) == ("witness.failing", key.name)]


def test_nobody_is_asked_about_the_readings_unless_it_is_configured(overseen, witnessed, tmp_path):
    stage, agreed, key = witnessed[0], overseen[1], overseen[2]
    for name in NAMES:
        Folder(tmp_path / name).add(key)  # they would
    read(stage)
    with stage.running() as stand:
        assert len(stand.background.witnessing) == 1
        until(lambda: b"\n1\n" in checkpoint(stand, "audit/readings"), "the reading's checkpoint")
        until(lambda: quorum(stand, witnessed[1], 1), "the quorum of the audit log's checkpoint")
        assert not quorum(stand, agreed, 0, "audit/readings")
    assert [Folder(tmp_path / name).read().logs[key.name].checkpoint for name in NAMES] == [""] * 3


def test_without_witnesses_nothing_is_missed(tmp_path):
    with stages.make(tmp_path).running() as stand:
        figures = scraped(stand)
    assert figures["gateway_witness_quorum_waiting_seconds"] == {(): 0}
    assert figures["gateway_stamp_waiting_seconds"] == {(): 0}
    assert stand.background.witnessing == []
    assert stand.background.stamping is None


def test_without_its_witnesses_a_gateway_receives_as_ever(tmp_path, witnessed, stack):
    stage, _ = witnessed
    stack.close()  # every witness is gone
    with stage.running() as stand, stage.session() as session:
        for _ in range(3):
            answer = session.post(stand.address(), data=stage.message(), headers={"Content-Type": "text/xml"})
            assert answer.status_code == 200
        # Two of the leaves say what it judges by.
        until(lambda: b"\n5\n" in checkpoint(stand), "the newest checkpoint")


def test_an_authority_stamps_in_the_background(tmp_path, witnessed, stack):
    stage, _ = witnessed
    one = authority.Authority.make(tmp_path / "tsa")
    served = stack.enter_context(authority.Served(one.reply))
    stage = stage.tuned("audit", stamps=Stamps(authority=served.url, anchors=one.anchors))
    with stage.running() as stand:
        assert stand.background.stamping is not None
        assert scraped(stand)["gateway_stamp_waiting_seconds"] == {(): 0}  # no day has ended since the log began
    assert served.asked == []


@pytest.fixture
def configured(tmp_path, witnessed):
    """A configuration file that says what `witnessed` has, for the command line."""
    stage, agreed = witnessed
    text = (stages.ROOT / "config" / "gateway.toml").read_text()
    folder = stages.ROOT / "config"
    for name in ("partners", "law", "queues.toml", "askers.toml", "retention.toml"):
        text = text.replace(f'"{name}"', f'"{folder / name}"')
    text = text.replace('"../schemas"', f'"{stages.ROOT / "schemas"}"')
    text = text.replace('# policy = "witnesses.policy"', f'policy = "{tmp_path / "witnesses.policy"}"')
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    return stage, agreed, ("--config", str(file), "--data", str(stage.data))


def test_audit_tells_how_far_they_have_come(configured):
    stage, agreed, options = configured
    with stage.running() as stand:
        until(lambda: quorum(stand, agreed), "the quorum")
    done = CliRunner().invoke(main, ["audit", "witnesses", *options, "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert set(found["last"]) == set(NAMES)
    assert found["cosignatures"] >= 2
    assert "each its witness's own" in CliRunner().invoke(main, ["audit", "witnesses", *options]).stdout


def test_audit_says_so_where_nobody_witnesses_or_stamps(tmp_path):
    stage = stages.make(tmp_path)
    options = ("--config", str(stages.ROOT / "config" / "gateway.toml"), "--data", str(stage.data))
    assert CliRunner().invoke(main, ["audit", "witnesses", *options]).exit_code == 3
    assert CliRunner().invoke(main, ["audit", "stamps", "verify", *options]).exit_code == 3
    done = CliRunner().invoke(main, ["audit", "stamps", "list", "--json", *options])
    assert (done.exit_code, done.stdout) == (0, "")


def test_a_stamp_is_proven_from_files_alone(tmp_path):
    one, log = authority.Authority.make(tmp_path / "tsa"), witnesses.Log(size=5)
    other = authority.Authority.make(tmp_path / "other")
    (tmp_path / "checkpoint").write_bytes(log.signed())
    (tmp_path / "stamp.tsr").write_bytes(one.reply(one.query(log.signed())))
    words = ["audit", "stamps", "verify", "--token", str(tmp_path / "stamp.tsr"),
             "--checkpoint", str(tmp_path / "checkpoint"), "--json"]  # fmt: skip
    done = CliRunner().invoke(main, [*words, "--authority", str(one.anchors)])
    assert (done.exit_code, json.loads(done.stdout)["policy"]) == (0, "1.2.3.4.1")
    assert CliRunner().invoke(main, [*words, "--authority", str(other.anchors)]).exit_code == 5
    assert CliRunner().invoke(main, words).exit_code == 2
    cosigned = log.signed() + "— witness.example/w1 AAAAAAA=\n".encode()
    (tmp_path / "checkpoint").write_bytes(cosigned)
    assert CliRunner().invoke(main, [*words, "--authority", str(one.anchors)]).exit_code == 0

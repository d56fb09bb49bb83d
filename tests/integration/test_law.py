"""What was judged by is on record before it judges and comes back whole; what was decided can be tried again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from click.testing import CliRunner

from gateway import config, logs, wiring
from gateway.audit import leaf
from gateway.cli import main
from gateway.errors import IntegrityError, UnavailableError
from gateway.sqlite import File
from gateway.store import registers
from gateway.store.place import DATABASE, Duty
from gateway.store.views import Views
from gateway.wiring import Keeper
from tests.integration import stage as stages
from tests.integration.stage import ROOT, code

FILE = "bases/skatteverket.toml"


@pytest.fixture
def law(tmp_path):
    """A copy of the configuration whose law may be changed."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    return tmp_path / "config" / "law"


@pytest.fixture
def own(law, tmp_path):
    made = stages.make(tmp_path / "data")
    return replace(made, configuration=reread(made, law))


def reread(made, law):
    read = config.load(law.parent / "gateway.toml", data=made.data)
    gateway = read.gateway.model_copy(update={"listen": made.configuration.gateway.listen})
    return read.model_copy(update={"gateway": gateway})


def changed(law, *, field="fastighetsbeteckning"):
    """Take a field out of what Skatteverket's notices may tell."""
    path = law / FILE
    text = path.read_text()
    assert f'"{field}", ' in text
    path.write_text(text.replace(f'"{field}", ', "", 1))


def sent(stand, **more):
    with stand.stage.session("skatteverket") as session:
        body = stand.stage.message(name="skatteverket", **more)
        answer = session.post(stand.address(), data=body, headers={"Content-Type": "text/xml"})
        return answer.status_code, code(answer.content)


def entries(stand):
    views = Views(wiring.place(stand.stage.configuration, Duty.OPERATOR))
    found = [orjson.loads(views.at(position).entry) for position in range(views.length())]
    views.close()
    return found


def command(own, law, *arguments, exit_code=0):
    paths = ["--config", str(law.parent / "gateway.toml")]
    if arguments[0] in {"show", "diff", "replay", "unused"}:
        paths += ["--data", str(own.data)]
    if arguments[0] in {"replay", "unused"}:
        paths += ["--purpose", "kontroll", "--case", "GR 2026/12"]
    done = CliRunner().invoke(main, ["law", *arguments, *paths, "--json"])
    assert done.exit_code == exit_code, (done.exit_code, done.output, done.exception)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_register_and_declarations_are_in_the_log_before_the_first_decision_and_every_leaf_names_its_law(own, law):
    with own.running() as stand:
        assert sent(stand)[0] == 200
        assert sent(stand, payload="<wrong/>")[0] != 200
        kinds = [(one["kind"], one["policy"]) for one in entries(stand)]
    policy = own.configuration.policy
    assert [kind for kind, _ in kinds] == ["register", "declaration", "decision", "refusal"]
    assert {named for _, named in kinds} == {policy}
    (told,) = command(own, law, "show", policy)
    assert set(told["files"]) == set(own.configuration.files)


def test_what_was_judged_by_comes_back_byte_for_byte_years_later(own, law, tmp_path):
    before = {path.relative_to(law).as_posix(): path.read_bytes() for path in law.rglob("*.toml")}
    with own.running() as stand:
        changed(law)
        keeper = Keeper(stand.intake, lambda: reread(own, law))
        keeper.ask()
        keeper.step()
        assert [one["kind"] for one in entries(stand)] == ["register", "declaration", "register"]
    command(own, law, "show", own.configuration.policy, "--files", str(tmp_path / "out"))
    out = tmp_path / "out"
    assert {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.toml")} == before
    found = registers.taken(wiring.place(own.configuration, Duty.AUDITOR))
    assert [one.predecessor for one in found] == [None, own.configuration.policy]


def test_a_restart_with_the_same_law_and_queues_adds_nothing_to_the_log(own):
    for _ in range(2):
        with own.running() as stand:
            assert len(entries(stand)) == 2


def test_a_queue_that_serves_something_else_is_told_before_anything_is_routed_by_it(own, law):
    with own.running() as stand, logs.captured() as stream:
        queues = tuple(
            queue.model_copy(update={"purposes": ("fk:Arendehandlaggning",)})
            if queue.name == "handlaggning.folkbokforing"
            else queue
            for queue in own.configuration.queues
        )
        stand.intake.reload(own.configuration.model_copy(update={"queues": queues}))
        assert [one["kind"] for one in entries(stand)] == ["register", "declaration", "declaration"]
    assert b"queues.declared" in stream.getvalue()
    file = File(own.configuration.gateway.store.path / DATABASE)
    rows = file.execute("SELECT by, queues FROM declarations ORDER BY id").fetchall()
    file.close()
    assert "@" in rows[1][0]
    assert [json.loads(row[1])["handlaggning.folkbokforing"]["purposes"] for row in rows] == [
        ["fk:Arendehandlaggning", "fk:UnderlagRattighetSkyldighet"],
        ["fk:Arendehandlaggning"],
    ]


def test_a_register_that_cannot_be_kept_judges_nothing(own):
    file = File(own.configuration.gateway.store.path / DATABASE)
    file.execute("CREATE TRIGGER full BEFORE INSERT ON registers BEGIN SELECT RAISE(ABORT, 'full'); END")
    file.close()
    with pytest.raises((UnavailableError, IntegrityError)), own.running():
        pytest.fail("it judges by what nobody can read again")


def test_a_reload_whose_register_cannot_be_kept_leaves_the_old_one(own, law):
    with own.running() as stand:
        file = File(own.configuration.gateway.store.path / DATABASE)
        file.execute("CREATE TRIGGER full BEFORE INSERT ON registers BEGIN SELECT RAISE(ABORT, 'full'); END")
        file.close()
        changed(law)
        with pytest.raises((UnavailableError, IntegrityError)):
            stand.intake.reload(reread(own, law))
        assert stand.intake.front.terms.rules.law.policy == own.configuration.policy
        assert sent(stand)[0] == 200


def test_what_is_kept_and_is_not_what_it_says_is_a_fault_of_our_records(own):
    with own.running():
        pass
    file = File(own.configuration.gateway.store.path / DATABASE)
    file.execute("DROP TRIGGER registers_changed_never")
    file.execute("UPDATE registers SET archive = x'00'")
    file.close()
    with pytest.raises(IntegrityError, match="register"), own.running():
        pytest.fail("it judges")


def test_a_change_of_law_is_compared_and_tried_on_what_was_decided_before_it_goes_live(own, law):
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    with own.running() as stand:
        assert sent(stand)[0] == 200
    assert command(own, law, "replay", "--since", since) == [
        {"law": own.configuration.policy, "counts": {"decisions": 1, "the same": 1}, "not replayed": {}}
    ]
    new = law.parent / "new"
    shutil.copytree(law, new)
    changed(new, field="fornamn")
    (narrowed,) = command(own, law, "diff", own.configuration.policy, str(new))
    assert {one["change"] for one in narrowed["flows"]} == {"closes"}
    assert not narrowed["widens"]
    (widened,) = command(own, law, "diff", str(new), own.configuration.policy, exit_code=1)
    assert widened["widens"]
    (different, summary) = command(own, law, "replay", "--since", since, "--law", str(new), exit_code=1)
    assert different["differs"] == ["granted"]
    assert set(different["then"]["granted"]) - set(different["now"]["granted"]) == {"fornamn"}
    assert summary["counts"]["different"] == 1


def test_bases_that_nobody_used_are_told_and_one_that_was_used_and_is_gone(own, law):
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    with own.running() as stand:
        assert sent(stand)[0] == 200
    (found,) = command(own, law, "unused", "--since", since)
    assert (found["used"], found["not in the register"]) == ({"SKV-FOLKBOKFORING-01": 1}, {})
    assert "AF-ERSATTNING-01" in found["never used"]
    path = law / FILE
    path.write_text(path.read_text().replace('id = "SKV-FOLKBOKFORING-01"', 'id = "SKV-FOLKBOKFORING-02"'))
    (gone,) = command(own, law, "unused", "--since", since, exit_code=1)
    assert gone["not in the register"] == {"SKV-FOLKBOKFORING-01": 1}


@pytest.mark.parametrize("what", ["replay", "unused"])
def test_who_reads_and_why_is_written_down_first_and_else_nothing_is_told(own, law, what):
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    with own.running() as stand:
        assert sent(stand)[0] == 200
    command(own, law, what, "--since", since)
    file = File(own.configuration.gateway.store.path / DATABASE)
    assert file.execute("SELECT count(*) FROM reading_leaves").fetchone() == (1,)
    paths = ["--since", since, "--config", str(law.parent / "gateway.toml"), "--data", str(own.data)]
    assert CliRunner().invoke(main, ["law", what, *paths]).exit_code == 2, "without a purpose and a case"
    file.execute("CREATE TRIGGER full BEFORE INSERT ON reading_leaves BEGIN SELECT RAISE(ABORT, 'full'); END")
    done = CliRunner().invoke(main, ["law", what, *paths, "--purpose", "kontroll", "--case", "GR 1", "--json"])
    assert done.exit_code in {4, 5}
    assert [list(json.loads(line)) for line in done.stdout.splitlines()] == [["error"]]
    assert file.execute("SELECT count(*) FROM reading_leaves").fetchone() == (1,)
    file.close()


def test_no_leaf_of_what_governs_is_anybodys(own):
    with own.running():
        pass
    file = File(own.configuration.gateway.store.path / DATABASE)
    assert file.execute("SELECT pseudonym FROM records").fetchall() == [(None,), (None,)]
    file.close()
    assert {leaf.Kind.REGISTER, leaf.Kind.DECLARATION} < set(leaf.Kind)

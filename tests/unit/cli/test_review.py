"""What waits for a person, on the command line: seen by operators, answered by the groups of the operating system."""

import grp
import json
import os
import pty
import pwd
import shutil
import sys

import pytest
from click.testing import CliRunner

from gateway import review as forms
from gateway import wiring
from gateway.adapters import persons
from gateway.cli import main
from gateway.cli import review as commands
from gateway.cli.demo import clients, payloads
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.cli.person import me, roles
from gateway.config import load
from gateway.database import Turn
from gateway.inbound import path
from gateway.message import Received
from gateway.review import Action, Answer
from gateway.store.readings import ReadingViews
from gateway.wiring.content import content
from tests.reviewing import act, done_by
from tests.unit.cli.conftest import ROOT

SJUK = "arbetsgivare/sjukanmalan"
MINE = grp.getgrgid(os.getgid()).gr_name
ROLES = ("informationsagare", "jurist", "skyddade-personuppgifter", "dataskyddsombud")


class Desk:
    """An installation with the repository's configuration, but for who has which role."""

    def __init__(self, installation, folder, reviewers):
        self.installation = installation
        config = folder / "config"
        shutil.copytree(ROOT / "config", config)
        text = (config / "gateway.toml").read_text()
        head = text[: text.index("[reviewers]")].replace('schemas = "../schemas"', f'schemas = "{ROOT / "schemas"}"')
        self.config = config / "gateway.toml"
        self.config.write_text(head + "[reviewers]\n" + "".join(f'{role} = "{g}"\n' for role, g in reviewers.items()))

    def run(self, *arguments):
        where = ["--config", str(self.config), "--data", str(self.installation.data)]
        return CliRunner().invoke(main, ["review", *arguments, *where])

    def json(self, *arguments):
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]

    def read(self):
        return load(self.config, data=self.installation.data)

    def come(self, calendar, **more):
        """A notice of sickness comes in."""
        demo, clock = self.installation.demo, wiring.SystemClock()
        employer = demo.clients["arbetsgivare-a"]
        text = payloads.sjukanmalan(PERSONNUMMER[0], employer.organisation, calendar, signer=employer.sign, **more)
        sent = clients.envelope(SJUK, payloads.canonical(text), clients.signing_key(employer.sign))
        intake = wiring.Intake(self.read(), clock=clock)
        try:
            received = Received(
                body=sent.body, content_type="text/xml", contract=SJUK, peer=employer.tls.der, at=clock.now()
            )
            ready = path.prepare(received, intake.front.terms.rules)
            return intake.journal.accept(ready).result(10)
        finally:
            intake.close()

    def settle(self):
        """The gateway carries out what is answered."""
        background = wiring.Background(
            self.read(), clock=wiring.SystemClock(), alarm=pytest.fail, roles=[wiring.Role.RELEASER]
        )
        try:
            return background.releasing.releaser.step()
        finally:
            background.close()

    def by_another(self, number, action, **more):
        """Somebody else does something."""
        opened = wiring.reviews(self.read(), wiring.SystemClock(), wiring.Duty.REVIEWER)
        try:
            return done_by(opened, number, act(action, wiring.SystemClock().now(), by="somebody-else", **more))
        finally:
            opened.close()


@pytest.fixture
def desk(installation, tmp_path, calendar):
    made = Desk(installation, tmp_path, dict.fromkeys(ROLES, MINE))
    made.come(calendar, fritext="Ring mig på måndag")
    return made


def test_list_shows_the_question_and_its_role_and_no_person(desk):
    shown = desk.run("list")
    assert shown.exit_code == 0, shown.output
    assert "informationsagare" in shown.stdout
    assert "FREE_TEXT" in shown.stdout
    (one,) = desk.json("list")
    assert (one["review"], one["kind"], one["state"]) == (1, "record", "open")
    assert PERSONNUMMER[0] not in shown.stdout + json.dumps(one)
    assert desk.json("list", "--role", "jurist") == []
    assert len(desk.json("list", "--mine")) == 1


def test_show_asks_the_question_in_words_and_gives_content_only_for_a_purpose_that_is_written_down(desk):
    (told,) = desk.json("show", "1")
    assert told["questions"][0].startswith("Fri text")
    assert "content" not in told
    assert "Ring mig" not in json.dumps(told, ensure_ascii=False)
    assert desk.run("show", "1", "--content").exit_code == 2
    (told,) = desk.json("show", "1", "--content", "--purpose", "pröva fri text")
    (record,) = told["content"]
    assert record["person"] == PERSONNUMMER[0]
    assert record["fields"]["fritext"] == "Ring mig på måndag"
    (step,) = told["history"]
    assert (step["action"], step["by"], step["reason"]) == ("read", me(), "pröva fri text")
    configuration = load(desk.config, data=desk.installation.data)
    (kept,) = ReadingViews(wiring.place(configuration, wiring.Duty.OVERSEER)).newest()
    said = kept.opened(wiring.sealer(configuration.gateway.keys))
    assert (said.reader, said.purpose, said.case, said.question) == (me(), "granskning", "review 1", "review show")
    assert said.parameters["reason"] == "pröva fri text"


def test_permit_is_carried_out_by_the_gateway_and_not_by_the_command(desk):
    asked = desk.run("permit", "1", "--reason", "inget hemligt i texten", "--wait", "0")
    assert asked.exit_code == 4, asked.output
    assert "has not carried it out yet" in asked.stdout
    assert desk.settle() == 1
    (told,) = desk.json("show", "1")
    assert told["state"] == "permitted"
    assert [step["action"] for step in told["history"]] == ["answer", "permit"]
    again = desk.run("permit", "1", "--reason", "inget hemligt i texten")
    assert again.exit_code == 1
    assert "already" in again.stdout


def test_deny_needs_a_reason_that_names_no_person(desk):
    assert desk.run("deny", "1").exit_code == 2
    for reason in ("", f"gäller {PERSONNUMMER[0]}"):
        assert desk.run("deny", "1", "--reason", reason).exit_code == 2
    assert desk.run("deny", "1", "--reason", "behövs inte", "--wait", "0").exit_code == 4
    assert desk.settle() == 1
    assert desk.json("show", "1")[0]["state"] == "denied"


def test_who_is_not_of_the_role_sees_and_answers_nothing(installation, tmp_path, calendar):
    desk = Desk(installation, tmp_path, dict.fromkeys(ROLES, "a-group-that-is-not-here"))
    desk.come(calendar, fritext="Ring mig")
    for command in ("permit", "deny"):
        refused = desk.run(command, "1", "--reason", "behövs")
        assert refused.exit_code == 1
        assert "not of that role" in refused.stdout
    assert desk.run("show", "1", "--content", "--purpose", "nyfiken").exit_code == 1
    assert desk.json("list", "--mine") == []
    assert desk.settle() == 0


def test_two_people_answer_what_takes_two(installation, tmp_path, calendar):
    desk = Desk(installation, tmp_path, dict.fromkeys(ROLES, MINE))
    rows = desk.config.parent / "law" / "reviews.toml"
    rows.write_text(rows.read_text().replace("four_eyes = false", "four_eyes = true"))
    desk.come(calendar, fritext="Ring mig")
    asked = desk.run("permit", "1", "--reason", "inget hemligt")
    assert asked.exit_code == 0
    assert "another person" in asked.stdout
    (told,) = desk.json("show", "1")
    own = desk.run("approve", "1", "--answer", told["fingerprint"])
    assert own.exit_code == 1
    assert "another person must" in own.stdout
    assert desk.settle() == 0
    assert not desk.by_another(1, Action.APPROVE).refused
    assert desk.settle() == 1
    assert desk.json("show", "1")[0]["state"] == "permitted"


def test_an_answer_can_be_withdrawn_while_another_must_approve_it(installation, tmp_path, calendar):
    desk = Desk(installation, tmp_path, dict.fromkeys(ROLES, MINE))
    rows = desk.config.parent / "law" / "reviews.toml"
    rows.write_text(rows.read_text().replace("four_eyes = false", "four_eyes = true"))
    desk.come(calendar, fritext="Ring mig")
    assert desk.by_another(1, Action.ANSWER, answer=Answer.PERMIT).state == "asked"
    assert desk.run("withdraw", "1").exit_code == 0
    assert desk.json("show", "1")[0]["state"] == "open"


def test_who_approves_names_the_answer_that_was_seen(installation, tmp_path, calendar):
    desk = Desk(installation, tmp_path, dict.fromkeys(ROLES, MINE))
    rows = desk.config.parent / "law" / "reviews.toml"
    rows.write_text(rows.read_text().replace("four_eyes = false", "four_eyes = true"))
    desk.come(calendar, fritext="Ring mig")
    assert desk.json("show", "1")[0]["fingerprint"] is None
    desk.by_another(1, Action.ANSWER, answer=Answer.PERMIT, fields=("forstaSjukdag",))
    seen = desk.json("show", "1")[0]["fingerprint"]
    unnamed = desk.run("approve", "1")
    assert unnamed.exit_code == 2
    assert "--answer FINGERPRINT" in unnamed.output
    desk.by_another(1, Action.WITHDRAW)
    desk.by_another(1, Action.ANSWER, answer=Answer.PERMIT)
    other = desk.run("approve", "1", "--answer", seen)
    assert other.exit_code == 1
    assert "not the one you name" in other.stdout
    assert desk.settle() == 0
    now = desk.json("show", "1")[0]["fingerprint"]
    assert desk.run("approve", "1", "--answer", now, "--wait", "0").exit_code == 4
    assert desk.settle() == 1


def test_at_a_terminal_the_answer_is_shown_and_what_is_agreed_to_is_that_answer(installation, tmp_path, calendar):
    desk = Desk(installation, tmp_path, dict.fromkeys(ROLES, MINE))
    rows = desk.config.parent / "law" / "reviews.toml"
    rows.write_text(rows.read_text().replace("four_eyes = false", "four_eyes = true"))
    desk.come(calendar, fritext="Ring mig")
    desk.by_another(1, Action.ANSWER, answer=Answer.PERMIT, fields=("forstaSjukdag",), reason="bara dagen")
    shown = at_terminal(desk, "n\n")
    assert "somebody-else as informationsagare answered permit" in shown
    assert ("fields: forstaSjukdag" in shown, "reason: bara dagen" in shown) == (True, True)
    assert desk.json("show", "1")[0]["state"] == "asked"
    at_terminal(desk, "y\n")
    assert desk.json("show", "1")[0]["state"] == "answered"


def at_terminal(desk, said):
    """Run `approve 1` at a terminal of its own, say something there, and return what it showed."""
    program = [sys.executable, "-m", "gateway.cli", "review", "approve", "1", "--wait", "0"]
    program += ["--config", str(desk.config), "--data", str(desk.installation.data)]
    child, terminal = pty.fork()
    if child == 0:
        os.execv(program[0], program)  # noqa: S606  # our own program
    shown = b""
    while b"agree" not in shown:
        shown += os.read(terminal, 4096)
    os.write(terminal, said.encode())
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # it has ended, and its terminal with it
        pass
    os.close(terminal)
    os.waitpid(child, 0)
    return shown.decode()


def test_there_is_no_such_review(desk):
    assert desk.run("show", "99").exit_code == 1
    assert desk.run("deny", "99", "--reason", "behövs inte").exit_code == 1


def test_a_role_is_a_group_of_the_operating_system_and_nothing_else(monkeypatch):
    here = pwd.getpwuid(os.getuid()).pw_name
    assert roles(here, {"jurist": MINE, "chef": "a-group-that-is-not-here"}) == {"jurist"}
    monkeypatch.setenv("SUDO_USER", "somebody")
    monkeypatch.setenv("GATEWAY_ROLE", "chef")
    assert roles(here, {"chef": "a-group-that-is-not-here"}) == frozenset()
    assert roles("nobody-by-this-name", {"jurist": MINE}) == frozenset()


def test_the_kinds_that_list_takes_are_those_that_there_are():
    assert set(commands._KINDS) == {kind.value for kind in forms.Kind}


def test_beside_a_gateway_that_runs_the_command_waits_until_it_is_carried_out(desk):
    background = wiring.Background(
        desk.read(), clock=wiring.SystemClock(), alarm=pytest.fail, roles=[wiring.Role.RELEASER]
    )
    try:
        background.start()
        done = desk.run("permit", "1", "--reason", "inget hemligt i texten", "--wait", "20")
    finally:
        background.close()
    assert done.exit_code == 0, done.output
    assert "permitted; it is permitted" in done.stdout


def test_a_yes_that_the_law_of_now_does_not_let_pass_says_so(desk):
    bases = desk.config.parent / "law" / "bases" / "arbetsgivare.toml"
    text = bases.read_text()
    assert desk.run("permit", "1", "--reason", "inget hemligt i texten", "--wait", "0").exit_code == 4
    first = text.index("giltig_fom", text.index('contract = "arbetsgivare/sjukanmalan"'))
    bases.write_text(text[:first] + "giltig_tom = 2024-12-31\n" + text[first:])
    assert desk.settle() == 1
    (told,) = desk.json("show", "1")
    assert (told["state"], told["answer"]) == ("denied", "permit")


# --- somebody is protected --------------------------------------------------------------------------------------------


def mark(desk, number=PERSONNUMMER[0], protection="sekretessmarkering"):
    """The folkbokföring says so of somebody, as the front keeps it."""
    configuration = desk.read()
    person = wiring.pseudonyms(configuration.gateway.keys).of(persons.read(number))
    session = wiring.place(configuration, wiring.Duty.FRONT).open()
    rank = {"ingen": 0, "sekretessmarkering": 2, "skyddad_folkbokforing": 3}[protection]
    with session.writing(Turn.JOURNAL):
        session.execute("DELETE FROM protections WHERE person = ?", (person,))
        session.execute(
            "INSERT INTO protections (person, protection, rank, stated_at, revision) VALUES (?, ?, ?, 1, "
            "(SELECT coalesce(max(revision), 0) + 1 FROM protections))",
            (person, protection, rank),
        )
    session.close()


LOCATES = ("arbetsgivare", "kontaktperson")


def test_of_whom_nothing_is_known_what_locates_is_not_shown(desk):
    only(desk, "informationsagare")
    (told,) = desk.json("show", "1", "--content", "--purpose", "pröva fri text")
    (record,) = told["content"]
    assert record["fields"]["fritext"] == "Ring mig på måndag"
    assert not set(LOCATES) & record["fields"].keys()
    assert {one["reason"] for one in record["withheld"]} == {"PROTECTION_UNKNOWN"}


def test_of_whom_it_is_known_that_he_is_not_protected_all_is_shown(desk):
    only(desk, "informationsagare")
    mark(desk, protection="ingen")
    (told,) = desk.json("show", "1", "--content", "--purpose", "pröva fri text")
    (record,) = told["content"]
    assert "arbetsgivare" in record["fields"]
    assert record["withheld"] == []


def test_marked_since_it_is_shown_to_those_who_handle_that_and_to_nobody_else(desk):
    only(desk, "informationsagare")
    mark(desk)
    refused = desk.run("show", "1", "--content", "--purpose", "pröva fri text")
    assert refused.exit_code == 1
    assert "Ring mig" not in refused.output
    assert desk.json("list", "--mine") == []
    only(desk, "skyddade-personuppgifter")
    assert len(desk.json("list", "--mine")) == 1
    (told,) = desk.json("show", "1", "--content", "--purpose", "pröva om något röjer")
    assert told["role"] == "skyddade-personuppgifter"
    (record,) = told["content"]
    assert record["person"] == PERSONNUMMER[0]
    assert "arbetsgivare" in record["fields"]
    (step,) = told["history"]
    assert step["role"] == "skyddade-personuppgifter"


def test_marked_between_the_writing_down_and_the_showing_it_is_not_shown_all_the_same(desk):
    """`content` judges by itself: whoever calls it with another role than the one that handles it sees no person."""
    configuration = desk.read()
    reviews = wiring.reviews(configuration, wiring.SystemClock(), wiring.Duty.REVIEWER)
    review = reviews.review(1)
    reviews.close()
    mark(desk)
    (shown,) = content(configuration, review, ("informationsagare",))
    assert shown.person is None
    assert not {"fritext", *LOCATES} & shown.fields.keys()
    (shown,) = content(configuration, review, ("skyddade-personuppgifter",))
    assert shown.fields["fritext"] == "Ring mig på måndag"


def test_lifted_again_it_is_shown_to_the_first_role(desk):
    only(desk, "informationsagare")
    mark(desk)
    assert desk.run("show", "1", "--content", "--purpose", "pröva").exit_code == 1
    mark(desk, protection="ingen")
    assert desk.run("show", "1", "--content", "--purpose", "pröva").exit_code == 0


def only(desk, role):
    """Whoever runs the commands has this role alone."""
    text = desk.config.read_text()
    head = text[: text.index("[reviewers]")]
    rows = "".join(f'{one} = "{MINE if one == role else "a-group-that-is-not-here"}"\n' for one in ROLES)
    desk.config.write_text(f"{head}[reviewers]\n{rows}")

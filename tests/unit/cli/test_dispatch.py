"""`gateway dispatch`: what is sent and asked is seen whole, and what people want is carried out by the dispatcher."""

import json
from datetime import UTC, datetime, time, timedelta

import pytest

from gateway import endings, wiring
from gateway.cli import dispatch, exits
from gateway.config import load
from gateway.outbound import guide
from gateway.outbound.states import State
from gateway.partners import Maintenance
from tests.builders import NUMBERS
from tests.unit.cli.conftest import CONFIG

ASK = "skatteverket/personpost"


@pytest.fixture
def sending(installation):
    """The way out of this installation, without threads: it does one step when it is told to."""
    clock = wiring.SystemClock()
    background = wiring.Background(
        load(CONFIG, data=installation.data), clock=clock, alarm=pytest.fail, roles={wiring.Role.DISPATCHER}
    )
    yield background.sending
    background.close()


@pytest.fixture
def asked(installation, tmp_path):
    """A question that has been given: its dispatch."""
    period = {"first": "2026-10-01", "last": "2026-12-31"}
    command = {
        "contract": ASK,
        "purpose": "fk:Arendehandlaggning",
        "case": {"reference": "A-1", "benefit": "aktivitetsstod", "period": period},
        "person": NUMBERS[0],
        "fields": {"personpost": True},
        "recipients": [{"partner": "skatteverket", "basis": "FK-NAVET-01"}],
        "expires": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }
    file = tmp_path / "command.json"
    file.write_text(json.dumps(command))
    done = installation.run("ask", str(file), "--as", "handlaggning.aktivitetsstod", "--id", "k-1", "--json")
    assert done.exit_code == exits.Exit.OK, done.output
    return json.loads(done.stdout)[0]["dispatch"]


def shown(installation, dispatch: str) -> dict:
    done = installation.run("dispatch", "show", dispatch, "--json")
    assert done.exit_code == exits.Exit.OK, done.output
    return json.loads(done.stdout)


def test_a_dispatch_is_listed_and_shown_with_its_timeline_and_its_partners_health(installation, sending, asked):
    for _ in range(2):  # composed, then tried: nobody is there
        sending.dispatcher.step()
    (line,) = installation.run("dispatch", "list", "--state", "waiting", "--json").stdout.splitlines()
    assert json.loads(line)["dispatch"] == asked
    told = shown(installation, asked)
    assert [step["happening"] for step in told["timeline"]] == ["compose", "begin", "postpone"]
    assert (told["attempts"], told["first_failure"]) == (1, endings.UNREACHABLE.name)
    assert (told["circuit"], told["failures"], told["code"]) == ("closed", 1, endings.UNREACHABLE.name)
    assert told["meaning"] == guide.SWEDISH[State.WAITING]
    assert datetime.fromisoformat(told["due"]) > datetime.fromisoformat(told["changed_at"])
    text = installation.run("dispatch", "show", asked.removeprefix("urn:uuid:").replace("-", "")).stdout
    assert endings.UNREACHABLE.name in text
    assert asked in text


def test_nothing_of_what_a_dispatch_says_is_shown(installation, sending, asked):
    sending.dispatcher.step()
    for arguments in (("list",), ("show", asked), ("partners",)):
        for json_ in ((), ("--json",)):
            output = installation.run("dispatch", *arguments, *json_).output
            assert not any(number in output for number in NUMBERS)
            assert "A-1" not in output


def test_the_circuit_is_told_from_the_attempts_that_failed(installation, sending, asked):
    for _ in range(5):
        while sending.dispatcher.step():
            pass
        done = installation.run("dispatch", "retry", asked, "--reason", "prov", "--wait", "0")
        assert done.exit_code == exits.Exit.UNAVAILABLE, done.output
    while sending.dispatcher.step():
        pass
    found = json.loads(installation.run("dispatch", "partners", "--json").stdout)
    (partner,) = [one for one in found["partners"] if one["partner"] == "skatteverket"]
    (endpoint,) = partner["endpoints"]
    assert (endpoint["circuit"], endpoint["code"]) == ("open", endings.UNREACHABLE.name)
    assert endpoint["rests_until"]
    assert partner["states"] == {"waiting": 1}
    assert "open, until" in installation.run("dispatch", "partners").stdout


def test_who_withdraws_and_why_is_written_down_and_whoever_asked_is_told(installation, sending, asked):
    sending.dispatcher.step()
    done = installation.run("dispatch", "withdraw", asked, "--reason", "ärendet är nedlagt", "--wait", "0", "--json")
    assert json.loads(done.stdout)[0]["settled"] is False
    assert done.exit_code == exits.Exit.UNAVAILABLE
    again = installation.run("dispatch", "withdraw", asked, "--reason", "ärendet är nedlagt")
    assert (again.exit_code, "already" in again.stdout) == (exits.Exit.REFUSED, True)
    sending.dispatcher.step()
    told = shown(installation, asked)
    last = told["timeline"][-1]
    assert (told["state"], last["happening"], last["reason"]) == ("withdrawn", "withdraw", "ärendet är nedlagt")
    assert last["by"] == told["instructions"][0]["by"]
    assert last["leaves"]
    assert told["instructions"][0]["step"] == last["step"]


def test_a_command_waits_until_the_dispatcher_has_done_it(installation, sending, asked):
    # Paused, so that no attempt is under way just then: of that nothing can be asked.
    installation.run("dispatch", "pause", "skatteverket", "--reason", "prov")
    sending.dispatcher.start()
    try:
        done = installation.run("dispatch", "withdraw", asked, "--reason", "ångrat", "--wait", "20", "--json")
    finally:
        sending.dispatcher.stop(5)
    (line,) = json.loads(done.stdout)
    assert (done.exit_code, line["settled"], line["state"]) == (exits.Exit.OK, True, "withdrawn")


@pytest.mark.parametrize("name", ["confirm", "disprove"])
def test_what_is_not_uncertain_cannot_be_settled(installation, asked, name):
    done = installation.run("dispatch", name, asked, "--reason", "frågade", "--json")
    assert (done.exit_code, json.loads(done.stdout)[0]["state"]) == (exits.Exit.REFUSED, "queued")


def test_a_paused_partner_is_left_alone_until_it_is_resumed(installation, sending, asked):
    assert installation.run("dispatch", "pause", "skatteverket", "--reason", "felsöker").exit_code == exits.Exit.OK
    assert sending.dispatcher.step() == 0
    found = json.loads(installation.run("dispatch", "partners", "--json").stdout)
    (partner,) = [one for one in found["partners"] if one["partner"] == "skatteverket"]
    assert partner["paused"]["reason"] == "felsöker"
    again = installation.run("dispatch", "pause", "skatteverket", "--reason", "felsöker")
    assert again.exit_code == exits.Exit.REFUSED
    assert installation.run("dispatch", "resume", "skatteverket", "--reason", "klart").exit_code == exits.Exit.OK
    assert sending.dispatcher.step() == 1
    assert shown(installation, asked)["state"] == "composed"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "urn:uuid:00000000-0000-0000-0000-000000000000"), exits.Exit.REFUSED),
        (("show", "1"), exits.Exit.USAGE),
        (("withdraw", "0" * 32, "--reason", "prov"), exits.Exit.REFUSED),
        (("withdraw", "0" * 32), exits.Exit.USAGE),
        (("withdraw", "0" * 32, "--reason", f"gäller {NUMBERS[0]}"), exits.Exit.USAGE),
        (("pause", "nobody", "--reason", "prov"), exits.Exit.USAGE),
    ],
)
def test_what_is_not_there_or_used_wrongly_has_its_exit_code(installation, arguments, code):
    assert installation.run("dispatch", *arguments).exit_code == code


def test_the_states_to_choose_from_are_those_of_the_table():
    assert set(dispatch._STATES) == set(State)


def test_the_page_of_states_is_written(installation):
    from click.testing import CliRunner  # noqa: PLC0415  # without --config

    assert CliRunner().invoke(dispatch.command, ["states"]).stdout == guide.page()


def test_of_two_dispatchers_on_one_store_one_works_and_the_other_follows_at_once_when_it_ends(installation, asked):
    clock, configuration = wiring.SystemClock(), load(CONFIG, data=installation.data)
    first, second = (
        wiring.Background(configuration, clock=clock, alarm=pytest.fail, roles={wiring.Role.DISPATCHER})
        for _ in range(2)
    )
    try:
        assert first.sending.dispatcher.step() == 1
        assert second.sending.dispatcher.step() == 0
    finally:
        first.close()
    try:
        assert second.sending.dispatcher.step() == 1
    finally:
        second.close()
    assert shown(installation, asked)["attempts"] == 1


def test_new_settings_hold_from_the_next_transition_on(installation, sending, asked):
    configuration = load(CONFIG, data=installation.data)
    partner = configuration.partners["skatteverket"]
    always = Maintenance(begins=time(0), ends=time(0))
    shut = partner.endpoint[0].model_copy(update={"maintenance": (always,)})
    closed = {**configuration.partners, partner.id: partner.model_copy(update={"endpoint": (shut,)})}
    sending.dispatcher.step()
    sending.reload(configuration.model_copy(update={"partners": closed}))
    assert sending.dispatcher.step() == 0
    sending.reload(configuration)
    assert sending.dispatcher.step() == 1
    assert shown(installation, asked)["attempts"] == 1


def test_a_revocation_list_that_was_published_anew_is_read_without_a_restart(installation, sending):
    lists = load(CONFIG, data=installation.data).partners["skatteverket"].trust.revocation
    sending.renew()
    before = sending._rules.trust
    lists[0].write_bytes(lists[0].read_bytes() + b"\n")
    sending.renew()
    assert sending._rules.trust is not before
    assert sending.healthy()


def test_where_nobody_can_be_reached_there_is_no_dispatcher(installation):
    configuration = load(CONFIG, data=installation.data)
    nobody = {
        name: one.model_copy(update={"endpoint": (), "mailbox": None}) for name, one in configuration.partners.items()
    }
    alone = wiring.Background(
        configuration.model_copy(update={"partners": nobody}),
        clock=wiring.SystemClock(),
        alarm=pytest.fail,
        roles={wiring.Role.DISPATCHER},
    )
    alone.start()
    assert alone.sending is None
    alone.close()

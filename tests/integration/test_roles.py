"""`gateway serve --role`: what one process does, several may do apart."""

from __future__ import annotations

import signal

import pytest

from tests.integration.installation import Installation, until


@pytest.fixture
def installation(tmp_path):
    made = Installation.make(tmp_path)
    made.command("init")
    return made


def test_three_processes_do_together_what_one_does(installation):
    with installation.serving(["front"], ["relay"], ["integrator"]) as (front, _relay, _integrator):
        receipts = installation.send(front, installation.messages(5))
        assert None not in receipts
        assert len(installation.consume()) == 5
        installation.await_signed(5)
    assert installation.signed() == 5


def test_a_dispatcher_of_its_own_takes_what_was_asked_and_an_operator_sees_it(installation):
    with installation.serving(["dispatcher"]):
        dispatch = installation.asked()
        until(lambda: installation.dispatch(dispatch)["attempts"] >= 1, "an attempt at a partner that is not there")
        installation.command("dispatch", "pause", "skatteverket", "--reason", "prov")
        until(lambda: installation.dispatch(dispatch)["state"] == "waiting", "its attempt ended")
        installation.command("dispatch", "withdraw", dispatch, "--reason", "prov", "--wait", "20")
    found = installation.dispatch(dispatch)
    assert found["state"] == "withdrawn"
    assert found["timeline"][-1]["leaves"]


def test_without_a_relay_events_wait_in_the_outbox_and_without_an_integrator_leaves_wait_unsigned(installation):
    with installation.serving(["front"]) as (front,):
        assert None not in installation.send(front, installation.messages(2))
        assert installation.consume(idle=0.5) == []
        assert installation.signed() == 0
    with installation.serving(["relay", "integrator"]):
        installation.await_signed(2)
        until(lambda: len(installation.consume(idle=0.5)) == 2, "both events on the queue")


def test_a_process_that_does_not_receive_is_not_ended_by_sighup(installation):
    with installation.serving(["relay", "integrator"]) as (process,):
        process.program.send_signal(signal.SIGHUP)
        process.program.send_signal(signal.SIGHUP)
        with installation.serving(["front"]) as (front,):
            assert None not in installation.send(front, installation.messages(1))
            installation.await_signed(1)
        assert process.program.poll() is None


def test_who_signs_or_receives_refuses_a_log_that_is_shorter_than_it_was_and_the_relay_does_not_ask(installation):
    with installation.serving(["front", "integrator"]) as (front,):
        installation.send(front, installation.messages(1))
        installation.await_signed(1)
    (installation.data / "store" / "gateway.checkpoint").unlink()
    for role in ("front", "integrator"):
        installation.command("serve", "--port", "0", "--role", role, code=5)
    with installation.serving(["relay"]):
        pass

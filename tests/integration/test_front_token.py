"""Receipts signed by a token: nobody else waits for it, and while it is gone no message is lost."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.transport import front
from gateway.trust import pkcs11
from tests.integration import stage as stages
from tests.integration.installation import until
from tests.integration.stage import code
from tests.integration.test_rotation import signer

HEADERS = {"Content-Type": "text/xml"}


@pytest.fixture
def own(tmp_path, box):
    """A gateway whose receipt key is lent by a daemon, which the test may kill."""
    made = stages.make(tmp_path)
    box.key(tmp_path.name, made.demo.receipt.key)
    with box.daemon() as daemon:
        source = daemon.source(tmp_path.name)
        pkcs11.opened(source.module)._begin_anew()  # another test's daemon had another socket
        yield made.tuned("keys", receipt=source), daemon


def post(stand, message):
    with stand.stage.session() as session:
        answer = session.post(stand.address(), data=message, headers=HEADERS, timeout=30)
    return answer.status_code, code(answer.content), answer.content


def test_receipts_are_signed_by_the_token(own):
    stage, _ = own
    with stage.running() as stand, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: post(stand, stage.message()), range(12)))
    assert {answer[:2] for answer in answers} == {(200, None)}
    assert {signer(answer[2]) for answer in answers} == {stage.demo.receipt.der}


def test_while_the_token_is_gone_messages_are_kept_and_their_receipts_come_when_they_are_sent_again(own):
    stage, daemon = own
    message = stage.message()
    with stage.running() as stand:
        assert post(stand, stage.message())[0] == 200
        daemon.kill()
        assert post(stand, message)[:2] == (503, "GW-UNAVAILABLE-KEY")
        position = stand.intake.readings().leaves
        assert position == 2 + 2  # it was committed all the same, after the register and the queues
        assert post(stand, message)[:2] == (503, "GW-UNAVAILABLE-KEY")
        daemon.start()
        until(lambda: post(stand, message)[0] == 200, "the token signs again")
        assert stand.intake.readings().leaves == position


def test_a_token_that_stands_still_holds_up_nobody_but_those_who_wait_for_it(own, monkeypatch):
    monkeypatch.setattr(front, "SIGNING", 1.0)
    stage, daemon = own
    with stage.running() as stand, ThreadPoolExecutor(1) as pool:
        assert post(stand, stage.message())[0] == 200
        daemon.stop()
        try:
            waits = pool.submit(post, stand, stage.message())
            with stand.stage.session() as session:
                while not waits.done():
                    live = session.get(f"{stand.server.origin}/health/live", timeout=1)
                    assert live.status_code == 200
            assert waits.result()[:2] == (503, "GW-UNAVAILABLE-KEY")
            assert post(stand, stage.message("<a/>"))[1] == "GW-CONTRACT-UNKNOWN"  # a refusal needs no token
        finally:
            daemon.go_on()
        until(lambda: post(stand, stage.message())[0] == 200, "the token signs again")

"""Strangers are counted: they cannot fill a disk with log lines."""

import orjson

from gateway import codes, logs
from gateway.transport import strangers


def test_many_strangers_make_one_line():
    with logs.captured() as stream:
        counter = strangers.Strangers()
        for _ in range(1000):
            counter.add(codes.PEER_UNKNOWN)
    (line,) = stream.getvalue().splitlines()
    assert orjson.loads(line)["code"] == "GW-PEER-UNKNOWN"
    assert counter.count == 1000


def test_the_sum_is_told_again_after_a_while(monkeypatch):
    monkeypatch.setattr(strangers, "INTERVAL", 0.0)
    with logs.captured() as stream:
        counter = strangers.Strangers()
        counter.add(codes.PEER_UNKNOWN)
        counter.add(codes.PEER_CONTRACT)
    assert [orjson.loads(line)["count"] for line in stream.getvalue().splitlines()] == [1, 2]

"""The one law of the courier: it never says that nothing was sent when the far side has read the whole request.

The line is cut at any byte, either way, on a new connection or a kept one, and our end learns of it in any way.
"""

import ssl
import time

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.dispatch import Break, Broken, Reply
from tests import calling
from tests.effort import effort
from tests.farside import Cut

CERTAIN = {Break.UNREACHABLE, Break.UNTRUSTED}
LARGE = bytes(200_000)
bytes_until = st.integers(0, 6000) | st.just(10**9)
ways = st.sampled_from(["reset", "close", "silence"])
versions = st.sampled_from([ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
NEW = {"tickets": 2, "before": 0, "envelope": calling.ENVELOPE}
cuts = st.fixed_dictionaries(
    {
        "up": bytes_until,
        "down": bytes_until,
        "how": ways,
        "version": versions,
        "tickets": st.sampled_from([0, 2]),
        "before": st.integers(0, 2),
        "envelope": st.sampled_from([calling.ENVELOPE, LARGE]),
    }
)


def attempt(country, *, up, down, how, version, tickets, before, envelope):
    """Make attempts until the line is cut; return the last, and what the far side had read of it."""

    def tune(context):
        context.minimum_version = context.maximum_version = version
        context.num_tickets = tickets

    def script(line):
        while line.request() is not None:
            line.answer(b"<a>" + str(line.number).encode() + b"</a>")

    with country.far(script, tune=tune) as far:
        with Cut(far.port, up=up, down=down, how=how).running() as address:
            where = calling.endpoint(address, connect_timeout=0.6, read_timeout=0.4, total_timeout=2)
            courier = country.courier(where)
            sent = 0
            for _ in range(before + 1):
                came = courier.send(calling.signed(envelope), where)
                if isinstance(came, Broken):
                    break
                sent += 1
            courier.close()
        settled(far)
        return came, len(far.requests) - sent


def settled(far) -> None:
    """Wait until the far side has read all that there is for it."""
    until = time.monotonic() + 20
    for _ in range(far.connections):
        assert far.ended.acquire(timeout=max(0, until - time.monotonic()))


class TestCertainty:
    @given(cuts)
    @example({"up": 10**9, "down": 0, "how": "reset", "version": ssl.TLSVersion.TLSv1_3, **NEW})
    @effort(50)
    def test_is_never_claimed_of_what_was_read_whole(self, country, cut):
        came, read = attempt(country, **cut)
        if isinstance(came, Broken):
            assert read in (0, 1)
            assert not (came.how in CERTAIN and read), came
        else:
            assert read == 0  # every answer was for a request of its own
            assert isinstance(came, Reply)

    @given(up=st.integers(0, 6000), how=ways, version=versions)
    @effort(12)
    def test_is_claimed_where_no_handshake_came_about(self, country, up, how, version):
        came, read = attempt(country, up=up, down=100, how=how, version=version, **NEW)
        assert isinstance(came, Broken)
        assert came.how in CERTAIN
        assert read == 0

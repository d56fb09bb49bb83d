"""`GET /metrics`: what a watcher draws curves of and sets alarms on, in Prometheus' text format.

Gauges of what ends by itself, and of what waits. All are read when they are asked for, at most once a second and in a
thread, so messages pay nothing for them. Every worker of a machine gives the same answer, but for
`gateway_journal_waiting_messages`, which is of the one that answers. Messages are not counted here: several workers
share a port, and counters of one of them would go up and down with each question. The log counts instead: it grows by
a leaf for each record that was decided on and for each refusal, and it outlives every process.

    gateway_certificate_not_after_timestamp_seconds{owner,use,fingerprint}
    gateway_revocation_list_next_update_timestamp_seconds{owner,fingerprint}
    gateway_certificate_unreadable{owner,use}              files, of those that the configuration names
    gateway_check{check}                                   1 or 0, as /health/ready has it
    gateway_journal_waiting_messages
    gateway_reviews_waiting{role,kind}                     what people must answer
    gateway_reviews_waiting_seconds{role,kind}             how long the oldest of them has waited
    gateway_reviews_answered{kind}                         what they answered, and is not carried out
    gateway_reviews_answered_seconds{kind}                 for how long not: releaser or dispatcher stands still
    gateway_intents_orphaned                               disclosures of which nobody has said in time what became
    gateway_witness_quorum_waiting_seconds                 how long a checkpoint has waited for its witnesses
    gateway_witness_behind_leaves{witness}                 what each has not cosigned
    gateway_stamp_waiting_seconds                          since the end of a day that nobody has stamped
    gateway_gallring_due{rule}, gateway_gallring_held{rule}   what is to be destroyed, and what something holds
    gateway_gallring_refused{rule}                         what is due by a rule that is not verified: it stays
    gateway_gallring_oldest_overdue_seconds{rule}          since the first of them was due
    gateway_gallring_looked_seconds                        since anybody looked; NaN where nobody ever has
    gateway_log_leaves, gateway_log_unsigned_leaves, gateway_log_unsigned_seconds
    gateway_readings_unsigned_seconds                      of the log of who has read the log; how many is not told

Labels are roles of ours, ids of partners in the configuration, and beginnings of fingerprints: never a person, and
never one of the many organisations that a partner may stand for.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway import logs
from gateway.transport import reply
from gateway.transport.reply import Receive, Reply, Scope, Send
from gateway.trust.certificates import Found, Use

if TYPE_CHECKING:
    from prometheus_client.core import Metric

FRESH: Final = 1.0
"""Seconds that an answer is good for."""
_PREFIX: Final = 16
"""Hexadecimal digits of a fingerprint: enough to find it by, in `gateway certificates --json`."""
_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_END: Final = "gateway_certificate_not_after_timestamp_seconds"
_REVIEW: Final = ("role", "kind")
_GALLRING: Final = (
    ("due", "To be destroyed."),
    ("held", "Due, and held by something."),
    ("refused", "Due by a rule that is not verified."),
    ("oldest_overdue_seconds", "Since the first was due."),
)
_LIST: Final = "gateway_revocation_list_next_update_timestamp_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Everything that is told."""

    certificates: Sequence[Found]
    checks: Mapping[str, bool]
    waiting: int
    """Messages that wait for the journal."""
    leaves: int
    unsigned: int
    """Leaves that no checkpoint covers."""
    unsigned_seconds: float
    """How long the oldest of them has waited."""
    reading_unsigned_seconds: float = 0.0
    """The same of the log of readings."""
    quorum_seconds: float = 0.0
    """How long the oldest checkpoint has waited for the quorum of its witnesses."""
    behind: Mapping[str, int] = field(default_factory=dict)
    """Name in the policy -> leaves that the witness has not cosigned."""
    unstamped_seconds: float = 0.0
    """How long ago the oldest day ended that is not stamped; 0 where nobody stamps."""
    reviews: Mapping[tuple[str, str], tuple[int, float]] = field(default_factory=dict)
    """Role and kind -> how many wait for people, and for how many seconds the oldest has."""
    answered: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Kind -> how many are answered and not carried out, and for how many seconds the oldest is not."""
    orphaned: int = 0
    """Intents to disclose that should have had an end."""
    gallring: Mapping[str, tuple[int, int, int, float]] = field(default_factory=dict)
    """Rule -> how many are due, held, and refused, and for how many seconds the oldest has been due."""
    gallring_looked: float | None = None
    """Seconds since that was counted; None where nobody has."""


class Metrics:
    """The endpoint."""

    def __init__(self, read: Callable[[], Readings]) -> None:
        """`read` may read files and the store; it is called in a thread."""
        self._read = read
        self._known = b""
        self._at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Answer 200; 503 where it cannot be read (ASGI)."""
        try:
            if time.monotonic() - self._at > FRESH:
                self._known = await asyncio.to_thread(lambda: written(self._read()))
                self._at = time.monotonic()
        except Exception as error:  # noqa: BLE001  # a watcher that gets no figures must see that, and why is logged
            logs.fault(error)
            await reply.send(Reply(status=503, content_type=_TYPE, body=b""), send)
            return
        await reply.send(Reply(status=200, content_type=_TYPE, body=self._known), send)


def written(readings: Readings) -> bytes:
    """Return the text."""
    # A third of a second to import, with an HTTP server of its own: for those who ask.
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(_metrics(readings)))
    return generate_latest(registry)


class _Collected:
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Sequence[Metric]:
        return self._metrics


def _metrics(readings: Readings) -> list[Metric]:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  # as above

    # What two files hold is told once. Of two lists of one authority the newer counts.
    ends: dict[tuple[str, ...], float] = {}
    lists: dict[tuple[str, ...], float] = {}
    unread: Counter[tuple[str, ...]] = Counter()
    for one in readings.certificates:
        for owner in one.owners:
            unread[owner, one.use.value] += one.ends is None
            if one.ends is None:
                continue
            when, prefix = one.ends.timestamp(), one.fingerprint[:_PREFIX]
            if one.use is Use.REVOCATION:
                lists[owner, prefix] = max(when, lists.get((owner, prefix), 0.0))
            else:
                ends[owner, one.use.value, prefix] = when

    def gauges(name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]) -> Metric:
        made = GaugeMetricFamily(name, text, labels=labels)
        for of, value in values.items():
            made.add_metric(of, value)
        return made

    checks: dict[tuple[str, ...], float] = {(name,): float(well) for name, well in readings.checks.items()}
    return [
        gauges(_END, "When a certificate ends.", ("owner", "use", "fingerprint"), ends),
        gauges(_LIST, "When a revocation list must have a successor.", ("owner", "fingerprint"), lists),
        gauges("gateway_certificate_unreadable", "Files that cannot be read.", ("owner", "use"), unread),
        gauges("gateway_check", "Whether messages can be accepted and proven.", ("check",), checks),
        gauges("gateway_reviews_waiting", "What people must answer.", _REVIEW, _reviewed(readings, 0)),
        gauges("gateway_reviews_waiting_seconds", "Wait of the oldest of them.", _REVIEW, _reviewed(readings, 1)),
        gauges("gateway_reviews_answered", "Not carried out yet.", ("kind",), _answered(readings, 0)),
        gauges("gateway_reviews_answered_seconds", "Since the oldest was.", ("kind",), _answered(readings, 1)),
        gauges("gateway_witness_behind_leaves", "What it has not cosigned.", ("witness",), _behind(readings)),
        GaugeMetricFamily("gateway_intents_orphaned", "Intents without an end in time.", value=readings.orphaned),
        GaugeMetricFamily(
            "gateway_witness_quorum_waiting_seconds", "Wait for witnesses.", value=readings.quorum_seconds
        ),
        GaugeMetricFamily(
            "gateway_stamp_waiting_seconds", "Since a day that is not stamped.", value=readings.unstamped_seconds
        ),
        *(
            gauges(f"gateway_gallring_{name}", text, ("rule",), _gallring(readings, which))
            for which, (name, text) in enumerate(_GALLRING)
        ),
        gauges("gateway_gallring_looked_seconds", "Since the last look.", (), _looked(readings)),
        GaugeMetricFamily("gateway_journal_waiting_messages", "Not yet committed.", value=readings.waiting),
        GaugeMetricFamily("gateway_log_leaves", "Records decided on, refusals and answers.", value=readings.leaves),
        GaugeMetricFamily("gateway_log_unsigned_leaves", "Not yet in a checkpoint.", value=readings.unsigned),
        GaugeMetricFamily(
            "gateway_log_unsigned_seconds", "Wait of the oldest of them.", value=readings.unsigned_seconds
        ),
        GaugeMetricFamily(
            "gateway_readings_unsigned_seconds",
            "Wait of the oldest reading that is not in a checkpoint.",
            value=readings.reading_unsigned_seconds,
        ),
    ]


def _behind(readings: Readings) -> dict[tuple[str, ...], float]:
    return {(name,): float(leaves) for name, leaves in readings.behind.items()}


def _reviewed(readings: Readings, which: int) -> dict[tuple[str, ...], float]:
    return {of: float(counted[which]) for of, counted in readings.reviews.items()}


def _gallring(readings: Readings, which: int) -> dict[tuple[str, ...], float]:
    return {(rule,): float(counted[which]) for rule, counted in readings.gallring.items()}


def _looked(readings: Readings) -> dict[tuple[str, ...], float]:
    return {(): float("nan") if readings.gallring_looked is None else readings.gallring_looked}


def _answered(readings: Readings, which: int) -> dict[tuple[str, ...], float]:
    return {(kind,): float(counted[which]) for kind, counted in readings.answered.items()}

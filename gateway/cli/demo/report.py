"""What is shown in the end: what was sent and what came of it, the queues, the log, and whether it all reconciles."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, Group

from gateway.cli import output
from gateway.cli.demo.abroad import Abroad, Walked
from gateway.cli.demo.cases import QUEUES, RIGHT
from gateway.cli.demo.ledger import Drained, Ledger, Line, Logged
from gateway.cli.demo.persons import PROTECTED
from gateway.cli.demo.reconcile import Rule
from gateway.cli.demo.stage import Stage
from gateway.privacy.reasons import Reason

FED = frozenset(name for names in QUEUES.values() for name in names)
"""Queues that get what comes in. The others are for what goes out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One whole run."""

    stage: Stage
    ledger: Ledger
    drained: Drained
    logged: Logged
    rules: Sequence[Rule]
    abroad: Abroad
    seconds: float

    @property
    def reconciled(self) -> bool:
        """True where every rule holds, of both halves."""
        return all(rule.holds for rule in self.rules) and self.abroad.reconciled


def show(console: Console, played: Played) -> None:
    """Print the tables."""
    console.print(_messages(played.ledger.lines))
    console.print(_queues(played.stage, played.drained))
    console.print(_protected(played.drained))
    console.print(_log(played.stage, played.logged))
    console.print(_rules("Does every number reconcile?", played.rules))
    console.print(_dispatches(played.abroad.walked))
    console.print(_rules("Does every number reconcile, of what went out?", played.abroad.rules))


def _messages(lines: Sequence[Line]) -> Group:
    """Show messages by what they were and what came of them; what must not be is marked."""
    rows: Counter[tuple[str, str, str, str]] = Counter()
    for line in lines:
        what = line.case.contract if line.case.what == RIGHT else line.case.what
        outcome = str(line.outcome or "no answer of ours") + ("" if line.as_expected else " [bold red](WRONG)[/]")
        rows[what, outcome, line.code or "", line.step or ""] += 1
    columns = ("what was sent", "outcome", "code", "step", "messages")
    return output.table("Messages", columns, [(*row, str(count)) for row, count in rows.items()], right=(4,))


def _queues(stage: Stage, drained: Drained) -> Group:
    rows = [
        (
            queue.name,
            str(len(drained.events[queue.name])),
            ", ".join(queue.purposes),
            ", ".join(queue.benefits) or "any",
        )
        for queue in stage.configuration.queues
        if queue.name in FED
    ]
    columns = ("queue", "events", "serves the purposes (ändamål)", "for the benefits (förmåner)")
    return output.table("Events taken off the queues", columns, rows, right=(1,))


def _protected(drained: Drained) -> Group:
    """Show what the protected person's events hold and what was withheld: names of fields, no values."""
    rows = {}
    for event in (one for events in drained.events.values() for one in events):
        data = event["data"]
        if isinstance(data, dict) and data["person"]["id"] == PROTECTED:
            withheld = [one["field"] for one in data["withheld"] if one["reason"] == Reason.PROTECTED_IDENTITY]
            facts = str(data["kind"]), str(event["protection"]), ", ".join(withheld), ", ".join(data["fields"])
            rows[event["id"]] = facts
    columns = ("kind", "protection", "withheld", "passed")
    return output.table("Skyddad identitet: fields in the protected person's events", columns, [*rows.values()])


def _log(stage: Stage, logged: Logged) -> Group:
    rows = [
        ("origin", stage.key.name),
        ("public key (vkey)", str(stage.key)),
        ("leaves", str(logged.size)),
        ("root hash", b64encode(logged.root).decode()),
        (
            "checkpoint",
            "verified: signature, and root recomputed from the entries" if logged.verified else logged.fault,
        ),
        ("receipts' leaves proven", str(logged.proven)),
    ]
    return output.table("Audit log (RFC 6962, C2SP tlog)", ("", ""), rows)


def _dispatches(walked: Sequence[Walked]) -> Group:
    """Show what went out: what the far side did each time it was called, and what came of it in both books."""
    rows = []
    for one in walked:
        state = "never taken" if one.found is None else str(one.found.state)
        code = "" if one.found is None else one.found.code or ""
        if one.found is not None and one.found.partner_code:
            code = f"{code} ({one.found.partner_code})".strip()
        rows.append(
            (
                one.leg.what,
                one.leg.place,
                one.leg.did or "(not called: the law stops it)",
                state + ("" if one.as_expected else " [bold red](WRONG)[/]"),
                code,
                "" if one.found is None else str(one.found.attempts),
                {0: "no", 1: "once"}.get(one.entry.processed, f"[bold red]{one.entry.processed} times[/]"),
            )
        )
    columns = ("what went out", "to", "what the far side did", "state", "code", "attempts", "processed there")
    return output.table("What was sent and asked", columns, rows, right=(5,))


def _rules(title: str, rules: Sequence[Rule]) -> Group:
    rows = [
        (
            rule.name,
            str(rule.expected),
            str(rule.seen),
            "[green]ok[/]" if rule.holds else "[bold red]DOES NOT RECONCILE[/]",
        )
        for rule in rules
    ]
    return output.table(title, ("rule", "expected", "seen", ""), rows, right=(1, 2))


def document(played: Played) -> dict[str, output.Json]:
    """Return everything as JSON."""
    messages: list[output.Json] = [
        {
            "what": line.case.what,
            "partner": line.case.partner,
            "contract": line.case.contract,
            "outcome": line.outcome,
            "code": line.code,
            "step": line.step,
            "as_expected": line.as_expected,
        }
        for line in played.ledger.lines
    ]
    logged = played.logged
    return {
        "reconciled": played.reconciled,
        "seconds": round(played.seconds, 1),
        "sent": len(messages),
        "messages": messages,
        "queues": {name: len(events) for name, events in played.drained.events.items() if name in FED},
        "audit": {
            "origin": played.stage.key.name,
            "size": logged.size,
            "root": b64encode(logged.root).decode(),
            "verified": logged.verified,
            "proven": logged.proven,
        },
        "rules": _as_json(played.rules),
        "dispatches": [
            {
                "what": one.leg.what,
                "to": one.leg.place,
                "dispatch": one.leg.dispatch,
                "far_side": one.leg.did,
                "state": None if one.found is None else one.found.state.value,
                "code": None if one.found is None else one.found.code,
                "partner_code": None if one.found is None else one.found.partner_code,
                "attempts": None if one.found is None else one.found.attempts,
                "processed": one.entry.processed,
                "as_expected": one.as_expected,
            }
            for one in played.abroad.walked
        ],
        "dispatch_rules": _as_json(played.abroad.rules),
    }


def _as_json(rules: Sequence[Rule]) -> list[output.Json]:
    return [{"rule": rule.name, "expected": rule.expected, "seen": rule.seen, "holds": rule.holds} for rule in rules]

"""`gateway audit reconcile`: every gap by name, in the store and between it and the receipts that partners hold."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from gateway import wiring
from gateway.adapters.registry import Registry
from gateway.cli import main
from gateway.config import load
from gateway.message import LeafHash, Outcome, RecordOutcome
from gateway.outbound import states
from gateway.outbound.states import State
from gateway.sqlite import File
from gateway.store import receipts, schema
from gateway.store.place import DATABASE, Duty
from gateway.store.readings import ReadingViews
from gateway.store.shown import ORPHANS
from gateway.store.views import Views
from gateway.trust import receipt
from gateway.trust.keys import Signers
from gateway.trust.signing import SigningKey
from tests.unit.cli.conftest import CONFIG

MOTE = "forsakringskassan/avstamningsmote"
SENT = "urn:uuid:5f1c7a52-0000-4000-8000-000000000001"
WHY = ("--purpose", "kontroll", "--case", "K 2026/17")


class Partner:
    """An installation, and what a partner keeps of our receipts."""

    def __init__(self, installation, folder):
        self.installation = installation
        self.folder = folder
        self.folder.mkdir()
        self.configuration = load(CONFIG, data=installation.data)
        self.place = wiring.place(self.configuration, Duty.AUDITOR)
        told = receipts.read(self.place, 1)
        assert told is not None
        self.accepted = told.accepted
        self.registry = Registry.load(self.configuration.gateway.schemas)
        self.signers = Signers.build(self.configuration.gateway.keys, self.configuration.partners)

    def sent(self, answer: bytes | None, *, content: str = "c" * 64, said: str | None = None) -> None:
        """Tell of a dispatch that a partner has answered, and keep the answer under seal."""
        at = "2026-11-20T12:00:00.000000Z"
        digest = hashlib.sha256(answer or b"").hexdigest() if said is None else said
        step = "INSERT INTO timeline (dispatch, step, happening, before, after, at, digest, leaf_count) VALUES "
        commands = "id, asker, command, digest, contract, at, expires, taken_at"
        self.sql(
            f"INSERT INTO commands ({commands}) VALUES (1, 'rehab', 'c1', '', '{MOTE}', '{at}', '{at}', '{at}')",  # noqa: S608
            "INSERT INTO dispatches (id, dispatch, command, position, contract, partner, organisation, lane, expires, "  # noqa: S608
            f"state, step, changed_at) VALUES (1, '{SENT}', 1, 1, '{MOTE}', 'arbetsgivare', '5560269986', 'l', '{at}', "
            f"'delivered', 2, '{at}')",
            f"{step} (1, 1, 'compose', 'queued', 'composed', '{at}', '{content}', 0)",
            f"{step} (1, 2, 'answer', 'sending', 'delivered', '{at}', '{digest}', 0)",
        )
        if answer is not None:
            sealed = wiring.sealer(self.configuration.gateway.keys).seal(answer, [])
            row = (1, 2, "answer", sealed.key_id, sealed.wrapped_key, sealed.evidence)
            File(self.configuration.gateway.store.path / DATABASE).insert(
                "contents", "dispatch, step, name, key_id, wrapped_key, sealed", [row]
            )

    def receipt_of(self, **source: str) -> bytes:
        """Return the receipt of a partner's that has what we sent, unless it says otherwise."""
        employer = self.installation.demo.clients["arbetsgivare-a"].sign
        key = SigningKey(key=load_pem_private_key(employer.key_pem, None), certificate=employer.der)
        told = {"message_id": SENT, "digest": "c" * 64, **source}
        accepted = replace(self.accepted, provenance=replace(self.accepted.provenance, **told))
        return receipt.sign(accepted, Signers(p256=key), wrap=str, now=datetime.now(UTC)).envelope

    def signed(self, signers=None, now=None, **changes) -> bytes:
        """Return a receipt signed by our key: of the acceptance, or of something else."""
        source = changes.pop("provenance", {})
        accepted = replace(self.accepted, provenance=replace(self.accepted.provenance, **source), **changes)
        wrap = self.registry[accepted.provenance.contract].answer
        return receipt.sign(accepted, signers or self.signers, wrap=wrap, now=now or datetime.now(UTC)).envelope

    def keeps(self, *envelopes: bytes, name: str = "kvitton.xml") -> None:
        (self.folder / name).write_bytes(b"\n".join(envelopes))

    def sql(self, *statements: str) -> None:
        """Do what nobody may: as somebody who has the file."""
        file = File(self.configuration.gateway.store.path / DATABASE)
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f"DROP TRIGGER {name}")
        file.execute("PRAGMA foreign_keys = OFF")
        for one in statements:
            file.execute(one)
        file.close()

    def reconcile(self, *arguments: str, receipts: bool = True):
        where = ("--config", str(CONFIG), "--data", str(self.installation.data), "--json")
        held = ("--receipts", str(self.folder)) if receipts else ()
        found = CliRunner().invoke(main, ["audit", "reconcile", *held, *arguments, *WHY, *where])
        lines = [json.loads(line) for line in found.stdout.splitlines()]
        return found.exit_code, lines[:-1], lines[-1]

    def gaps(self, *arguments: str, receipts: bool = True):
        """Return the names of the gaps, and the exit code."""
        code, gaps, _ = self.reconcile(*arguments, receipts=receipts)
        return code, [one["gap"] for one in gaps]


@pytest.fixture
def partner(installation, tmp_path) -> Partner:
    return Partner(installation, tmp_path / "kvitton")


def test_a_whole_store_and_its_receipts_add_up_and_the_reading_is_written_down(partner):
    partner.keeps(partner.signed())
    code, gaps, end = partner.reconcile()
    assert (code, gaps) == (0, [])
    assert (end["whole"], end["checked"]["messages"], end["checked"]["receipts"]) == (True, 2, 1)
    views = ReadingViews(wiring.place(partner.configuration, Duty.OVERSEER))
    (reading,) = [kept.opened(wiring.sealer(partner.configuration.gateway.keys)) for kept in views.newest()]
    assert (reading.question, reading.case) == ("audit reconcile", "K 2026/17")


def test_nothing_is_looked_at_without_purpose_and_case(partner):
    found = CliRunner().invoke(
        main, ["audit", "reconcile", "--config", str(CONFIG), "--data", str(partner.installation.data)]
    )
    assert (found.exit_code, found.stdout) == (2, "")


def test_for_people_each_gap_is_a_line_and_a_sum(partner):
    partner.sql("DELETE FROM leaves WHERE position = 0")
    where = ("--config", str(CONFIG), "--data", str(partner.installation.data))
    found = CliRunner().invoke(main, ["audit", "reconcile", *WHY, *where])
    assert found.exit_code == 5
    assert "leaf missing  0  a position of the log" in found.stdout
    assert "1  leaf missing" in found.stdout


@pytest.mark.parametrize(
    ("done", "named", "code"),
    [
        ("DELETE FROM messages WHERE id = 1", "leaf unowned", 5),
        ("DELETE FROM refusals WHERE id = 1", "leaf unowned", 5),
        (
            "DELETE FROM leaves WHERE position = (SELECT max(position) FROM leaves)",
            "log shorter than its checkpoint",
            5,
        ),
        ("UPDATE leaves SET message = 7 WHERE message = 1", "leaf missing of message", 5),
        ("UPDATE leaves SET refusal = 7 WHERE refusal = 1", "leaf missing of refusal", 5),
        ("UPDATE refusals SET id = 2", "refusals missing", 5),
    ],
)
def test_what_was_taken_out_of_the_store_is_named(partner, done, named, code):
    assert partner.gaps(receipts=False) == (0, [])
    partner.sql(done)
    found, gaps = partner.gaps(receipts=False)
    assert named in gaps
    assert found == code


def test_an_event_that_waits_is_a_gap_when_it_is_old_and_none_while_it_is_young(partner):
    row = (
        "INSERT INTO outbox (id, message, event, type, partition, queues, body) VALUES (9, 1, 'e', 't', 'p', 'q', x'')"
    )
    partner.sql(row)
    assert partner.gaps(receipts=False) == (0, [])
    partner.sql("UPDATE messages SET accepted_at = '2026-01-01T00:00:00.000000Z'")
    assert partner.gaps(receipts=False) == (6, ["event undelivered"])
    assert partner.gaps("--hours", "87600", receipts=False) == (0, [])


@pytest.mark.parametrize(
    ("state", "at", "code"), [("open", "2026-01", 6), ("discarded", "2026-01", 0), ("open", "9", 0)]
)
def test_a_dead_event_is_a_gap_until_somebody_has_decided(partner, state, at, code):
    partner.sql(
        "INSERT INTO dead_letters (id, queue, event, type, partition, attempts, reason, fingerprint, since, at, "  # noqa: S608
        f"recorded_at, replay_of, body, state) VALUES (1, 'q', 'e', 't', '', 5, 'r', 'f', '{at}', '{at}', '{at}', 0, "
        f"x'', '{state}')"
    )
    assert partner.gaps(receipts=False) == (code, ["event dead"] if code else [])


def test_holes_are_told_one_by_one_over_many_stretches(partner):
    partner.sql("UPDATE refusals SET id = 200000", "UPDATE leaves SET refusal = 200000 WHERE refusal = 1")
    code, gaps, end = partner.reconcile(receipts=False)
    assert (code, len(gaps), end["gaps"]) == (5, 199_999, {"refusals missing": 199_999})


# Our receipts, as the partner holds them.


def test_a_receipt_that_tells_of_a_leaf_that_the_log_has_not_is_the_gravest_gap(partner):
    partner.keeps(partner.signed(leaves=(LeafHash(bytes(32)), *partner.accepted.leaves[1:])))
    code, gaps, end = partner.reconcile()
    assert code == 5
    assert [one["gap"] for one in gaps] == ["receipt of other leaves", "receipt of a leaf that the log has not"]
    assert bytes(32).hex() in gaps[1]["detail"]
    assert (gaps[1]["grave"], end["whole"]) == (True, False)


def test_a_message_that_is_gone_without_a_trace_is_named_by_the_partners_receipt(partner):
    """Everything of it, from the end of the store: only the partner can tell."""
    partner.keeps(partner.signed(provenance={"message_id": "urn:uuid:gone"}, leaves=(LeafHash(b"g" * 32),)))
    code, gaps = partner.gaps()
    assert code == 5
    assert gaps == ["receipt of a message that is not here", "receipt of a leaf that the log has not"]


def test_a_receipt_of_a_message_that_is_gone_whose_leaves_are_here_says_only_that(partner):
    partner.keeps(partner.signed(provenance={"message_id": "urn:uuid:gone"}))
    assert partner.gaps() == (5, ["receipt of a message that is not here"])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"provenance": {"digest": "a" * 64}}, ["receipt of another content"]),
        ({"provenance": {"received_at": datetime(2020, 1, 1, tzinfo=UTC)}}, ["receipt says otherwise"]),
        ({"accepted_at": datetime(2020, 1, 1, tzinfo=UTC)}, ["receipt says otherwise"]),
        (
            {"outcomes": (RecordOutcome(position=1, outcome=Outcome.DENY, code="X"),)},
            ["receipt says otherwise", "receipt says otherwise"],
        ),
        ({"leaves": ()}, ["receipt of other leaves"]),
    ],
    ids=["digest", "received", "accepted", "outcomes", "leaves"],
)
def test_what_a_receipt_says_otherwise_than_the_store_is_named(partner, changes, named):
    partner.keeps(partner.signed(**changes))
    assert partner.gaps() == (5, named)


def test_leaves_that_were_exchanged_in_the_table_are_named_by_the_tree(partner):
    """Whoever forges the table to fit a receipt has not forged the tree."""
    forged = LeafHash(b"f" * 32)
    partner.keeps(partner.signed(leaves=(forged, *partner.accepted.leaves[1:])))
    was = partner.accepted.leaves[0].hex()
    partner.sql(f"UPDATE leaves SET hash = x'{forged.hex()}' WHERE hash = x'{was}'")  # noqa: S608
    assert partner.gaps() == (5, ["receipt's leaf is not in the tree"])


def test_a_receipt_that_another_key_has_signed_is_not_ours_until_its_certificate_is_named(partner, tmp_path):
    other = partner.installation.demo.clients["skatteverket"].sign
    former = Signers(p256=SigningKey(key=load_pem_private_key(other.key_pem, None), certificate=other.der))
    partner.keeps(partner.signed(former))
    assert partner.gaps() == (6, ["receipt not ours"])
    certificate = tmp_path / "former.pem"
    certificate.write_bytes(other.pem)
    assert partner.gaps("--certificate", str(certificate)) == (0, [])
    ends = load_pem_x509_certificate(other.pem).not_valid_after_utc
    partner.keeps(partner.signed(former, now=ends + timedelta(hours=1)))
    assert partner.gaps("--certificate", str(certificate)) == (6, ["receipt not ours"])
    certificate.write_bytes(b"no certificate")
    where = ("--config", str(CONFIG), "--data", str(partner.installation.data))
    more = ("--receipts", str(partner.folder), "--certificate", str(certificate))
    assert CliRunner().invoke(main, ["audit", "reconcile", *more, *WHY, *where]).exit_code == 3


@pytest.mark.parametrize("part", [b"<MessageId>", b"<ReceivedAt>20", b"<Leaf>", b"<wsu:Created>20"])
def test_a_receipt_with_one_byte_more_is_not_ours(partner, part):
    whole = partner.signed()
    assert part in whole
    partner.keeps(whole.replace(part, part + b"0", 1))
    assert partner.gaps() == (6, ["receipt not ours"])


@pytest.mark.parametrize("junk", [b"hello", b"<a/>", b"\x00\xff" * 9, b"<x:Envelope xmlns:x='y'></x:Envelope>"])
def test_what_is_no_receipt_is_named_by_its_place_and_the_others_are_compared(partner, junk):
    partner.keeps(junk, name="a.xml")
    partner.keeps(partner.signed(), name="b.xml")
    code, gaps, end = partner.reconcile()
    assert (code, [one["gap"] for one in gaps]) == (6, ["receipt unreadable"])
    assert gaps[0]["detail"].startswith("a.xml:1: ")
    assert end["checked"]["receipts"] == 2


def test_one_file_may_hold_many_receipts(partner):
    declared = b'<?xml version="1.0" encoding="UTF-8"?>\n'
    partner.keeps(declared + partner.signed(), partner.signed(), declared + partner.signed(leaves=()))
    code, gaps, end = partner.reconcile()
    assert (code, end["checked"]["receipts"]) == (5, 3)
    assert [one["detail"].split(": ")[0] for one in gaps] == ["kvitton.xml:3"]


def test_a_partner_that_should_have_all_and_has_not_is_told_of_each(partner):
    between = ("--partner", "skatteverket", "--from", "2020-01-01", "--until", "2100-01-01")
    partner.keeps()
    code, gaps, _ = partner.reconcile(*between)
    assert (code, [(one["gap"], one["number"]) for one in gaps]) == (6, [("no receipt at the partner", 1)])
    assert gaps[0]["detail"] == partner.installation.message_id
    partner.keeps(partner.signed())
    assert partner.gaps(*between) == (0, [])
    partner.keeps()
    assert partner.gaps("--partner", "skatteverket", "--from", "2020-01-01", "--until", "2020-02-01") == (0, [])
    assert partner.gaps("--partner", "csn", "--from", "2020-01-01", "--until", "2100-01-01") == (0, [])
    assert partner.gaps(*between, "--organisation", "5560000001") == (0, [])


def test_a_receipt_of_one_partners_message_proves_nothing_for_another(partner):
    partner.keeps(partner.signed())
    assert partner.gaps("--partner", "csn") == (5, ["receipt of a message that is not here"])


@pytest.mark.parametrize(
    "wrong",
    [
        ("--from", "2020-01-01"),
        ("--partner", "csn", "--until", "2020-01-01"),
        ("--from", "2020-01-01", "--until", "2021-01-01"),
    ],
)
def test_options_that_would_be_taken_for_more_than_they_are_are_refused(partner, wrong):
    where = ("--config", str(CONFIG), "--data", str(partner.installation.data))
    more = ("--receipts", str(partner.folder))
    assert CliRunner().invoke(main, ["audit", "reconcile", *more, *wrong, *WHY, *where]).exit_code == 2
    assert CliRunner().invoke(main, ["audit", "reconcile", "--partner", "csn", *WHY, *where]).exit_code == 2


def test_where_nothing_was_sent_there_are_no_answers_to_verify(partner):
    assert partner.gaps("--answers", receipts=False) == (0, [])


# The partners' receipts, as we keep them.


def test_a_partners_receipt_that_holds_is_no_gap_and_what_is_opened_for_it_is_written_down(partner):
    partner.sent(partner.receipt_of())
    assert partner.gaps("--answers", receipts=False) == (0, [])
    views = ReadingViews(wiring.place(partner.configuration, Duty.OVERSEER))
    opened = [kept.opened(wiring.sealer(partner.configuration.gateway.keys)) for kept in views.newest()]
    assert [one.question for one in opened] == ["audit reconcile --answers", "audit reconcile"]


@pytest.mark.parametrize("source", [{"message_id": "urn:uuid:other"}, {"digest": "d" * 64}])
def test_a_partners_receipt_for_something_else_does_not_hold(partner, source):
    partner.sent(partner.receipt_of(**source))
    assert partner.gaps("--answers", receipts=False) == (5, ["partner's receipt does not hold"])
    assert partner.gaps("--answers", "--partner", "csn", receipts=False) == (0, [])
    assert partner.gaps("--answers", "--from", "2026-01-01", "--until", "2026-02-01", "--partner", "arbetsgivare",
        receipts=False) == (0, [])  # fmt: skip


def test_a_partners_receipt_whose_signature_does_not_hold_is_named(partner):
    partner.sent(partner.receipt_of().replace(b"c" * 64, b"d" * 64), content="d" * 64)
    assert partner.gaps("--answers", receipts=False) == (5, ["partner's receipt does not hold"])


def test_a_receipt_that_is_not_the_one_that_came_is_named(partner):
    partner.sent(partner.receipt_of(), said="e" * 64)
    assert partner.gaps("--answers", receipts=False) == (5, ["partner's receipt does not hold"])


def test_a_receipt_that_is_gone_is_a_gap_unless_a_rule_has_destroyed_it(partner):
    partner.sent(None)
    assert partner.gaps("--answers", receipts=False) == (6, ["no receipt of the partner's"])
    columns = ", ".join(c.name for c in schema.gallrade.columns)
    values = {"gallring": 1, "data": "content", "first": 1, "last": 1}
    row = ", ".join(repr(values[c.name]) if c.name in values else "0" for c in schema.gallrade.columns)
    partner.sql(f"INSERT INTO gallrade ({columns}) VALUES ({row})")  # noqa: S608
    assert partner.gaps("--answers", receipts=False) == (0, [])


# Disclosures that were meant, and have no end.


def test_an_intent_is_orphaned_an_hour_after_its_time_was_out_and_an_attempt_an_hour_after_it_began(partner):
    partner.sent(None)
    views = Views(wiring.place(partner.configuration, Duty.FRONT))
    at, hour = datetime(2026, 11, 20, 12, tzinfo=UTC), timedelta(hours=1)
    for state in ("composed", "waiting", "uncertain", "deposited", "fetched", "sending", "resending"):
        partner.sql(f"UPDATE dispatches SET state = '{state}', intent = 0")  # noqa: S608
        assert (views.orphaned(at + hour), views.orphaned(at + hour + timedelta(seconds=1))) == (0, 1), state
    for state in ("delivered", "denied", "expired", "unresolved", "withdrawn", "refused", "unusable"):
        partner.sql(f"UPDATE dispatches SET state = '{state}'")  # noqa: S608
        assert views.orphaned(at + 9 * hour) == 0, state
    partner.sql("UPDATE dispatches SET state = 'queued', intent = NULL")
    assert views.orphaned(at + 9 * hour) == 0


def test_every_state_is_either_ended_or_looked_for_when_something_was_meant():
    before = {State.QUEUED, State.REFERRED}
    assert {str(one) for one in set(State) - states.ENDED - before} == {
        "composed", "sending", "waiting", "uncertain", "resending", "deposited", "fetched",
    }  # fmt: skip
    assert all(f"'{one}'" in ORPHANS for one in set(State) - states.ENDED - before)

"""`gateway check FILE`: what would become of this, before it is sent. What partners use before they call us.

FILE is a payload or a whole signed envelope. It goes through the steps of `inbound/path.py`, offline:

1. The bytes are parsed as strictly as at the door. Anything but an Envelope is taken for a bare payload.
2. A bare payload is nobody's: its contract is found by its root element (or named with `--contract`), and the steps
   about trust are left out.
3. An envelope is verified: structure, digests, signature value, freshness at `--at` (now by default). Its certificate's
   issuer is judged if there is a `--trust`; if not, the finding says that nobody vouched for the signer.
4. The schema and the contract's rules, then purpose and legal basis, record by record. Of protected identity nothing is
   known here, so whatever a message does not say itself counts as unknown, and unknown fails closed.

The finding tells places, names and numbers of things. What a message says of a person is never printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
from lxml import etree

from gateway import codes
from gateway.cli import exits, options, output
from gateway.errors import ConfigError, MalformedError, RejectedError
from gateway.message import ContractId, Decision, Outcome, Received, Record, SoapVersion, Verified
from gateway.swedish import swedish_day

if TYPE_CHECKING:
    from lxml.etree import _Element

    from gateway.cli.offline import Desk

_YEARS = range(2000, 2100)
"""No law here is older, and no certificate holds longer."""
_NOTE_BARE = "bare payload: signature, sender and freshness were not checked"
_NOTE_UNVOUCHED = (
    "the signer's certificate chain was NOT judged (no --trust): the signature proves nothing about who signed"
)
_NOTE_REVOCATION = "revocation was not checked"
_NOTE_BETWEEN = "if an issuing CA stands between the signer and the root, put it into the --trust file too"
_NOTE_PROTECTION = (
    "protected identity is unknown here unless the message states it, and unknown is treated as protected"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked."""

    data: bytes = field(repr=False)
    """The file's bytes."""
    contract: ContractId | None
    """Which contract it claims to keep; None: its root element tells."""
    anchors: Path | None
    """The CA file under which a signer must stand; None: nobody vouches for it."""
    at: datetime
    """When it is judged, aware, UTC."""


@dataclass(slots=True, kw_only=True)
class Finding:
    """What was found so far; whole once the last step has been taken or one has refused."""

    contract: ContractId | None = None
    refused: RejectedError | None = None
    records: Sequence[Record] = ()
    decisions: Sequence[Decision] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def persons(self) -> int:
        """How many different persons the records are about."""
        return len({record.person for record in self.records})

    @property
    def withheld(self) -> list[str]:
        """Names of the fields that would not pass, sorted."""
        return sorted({item.field for decision in self.decisions for item in decision.withheld})

    @property
    def detail(self) -> str:
        """Everything worth saying, in words, without anything out of the message."""
        parts = [self.refused.detail, self.refused.code.english] if self.refused else []
        return "; ".join(part for part in (*parts, *_told(self.decisions), *self.notes) if part)

    def document(self) -> dict[str, output.Json]:
        """Return the finding as JSON."""
        return {
            "verdict": "refused" if self.refused else "accepted",
            "step": self.refused.code.step.value if self.refused else None,
            "code": self.refused.code.name if self.refused else None,
            "contract": self.contract,
            "persons": self.persons,
            "fields_withheld": self.withheld,
            "detail": self.detail,
        }


def _told(decisions: Sequence[Decision]) -> list[str]:
    """Tell outcomes by number, and each withheld field with its reasons."""
    told = []
    for outcome in Outcome:
        reasons = {reason for one in decisions if one.outcome is outcome for reason in one.reasons}
        count = sum(one.outcome is outcome for one in decisions)
        if count:
            why = f" ({', '.join(sorted(reasons))})" if reasons and outcome is not Outcome.PERMIT else ""
            told.append(f"{count} {'record' if count == 1 else 'records'} {outcome}{why}")
    because: dict[str, set[str]] = {}
    for decision in decisions:
        for item in decision.withheld:
            because.setdefault(item.field, set()).add(item.reason)
    if because:
        listed = (f"{name} {'/'.join(sorted(reasons))}" for name, reasons in sorted(because.items()))
        told.append(f"withheld: {', '.join(listed)}")
    return told


def find(question: Question, desk: Desk) -> Finding:
    """Take a file through the steps, as the module's text lays out.

    Raises:
        ConfigError: `anchors` is not a file of CA certificates, or no partner has the contract.
    """
    from gateway.soap import xml  # noqa: PLC0415  # here and below: nothing of this is needed for --help

    finding = Finding(contract=question.contract)
    try:
        # 1. As strictly as at the door.
        limit = _limit(desk, question.contract)
        if len(question.data) > limit:
            raise MalformedError(codes.TOO_LARGE, f"more than {limit} bytes")
        if not question.data.strip():
            raise MalformedError(codes.EMPTY)
        root = xml.parse(question.data, desk.configuration.gateway.limits)
        if etree.QName(root).localname == "Envelope":
            _envelope(finding, question, root, desk)
        else:
            _bare(finding, question, root, desk)
        # 5. Within what this contract may be, now that it is known.
        if len(question.data) > _limit(desk, finding.contract):
            raise MalformedError(codes.TOO_LARGE, f"more than {_limit(desk, finding.contract)} bytes")
    except RejectedError as error:
        finding.refused = error
        if error.code is codes.CERT_CHAIN and question.anchors:
            finding.notes.append(_NOTE_BETWEEN)
    return finding


def _limit(desk: Desk, contract: ContractId | None) -> int:
    default = desk.configuration.gateway.limits.body
    if contract is not None:
        return desk.partner(contract).body_limits.get(contract, default)
    limits = [limit for one in desk.configuration.partners.values() for limit in one.body_limits.values()]
    return max([default, *limits])


def _bare(finding: Finding, question: Question, root: _Element, desk: Desk) -> None:
    from gateway.adapters import registry  # noqa: PLC0415

    # 2. A bare payload.
    finding.notes.append(_NOTE_BARE)
    finding.contract = finding.contract or desk.contract_of(root)
    day = swedish_day(question.at)
    chosen, finding.records = registry.read_offline(root, desk.registry, on=day, contract=finding.contract)
    finding.contract = chosen.id
    # 4. Purpose and legal basis.
    _judge(finding, chosen.id, question, desk)


def _envelope(finding: Finding, question: Question, root: _Element, desk: Desk) -> None:
    from gateway.adapters import registry  # noqa: PLC0415

    # 3. Trust, then the contract.
    valid = registry.validate(_verified(finding, question, root, desk), desk.registry)
    finding.records = valid.records
    # 4. Purpose and legal basis.
    _judge(finding, valid.provenance.contract, question, desk)


def _verified(finding: Finding, question: Question, root: _Element, desk: Desk) -> Verified:
    from gateway.adapters import registry  # noqa: PLC0415
    from gateway.cli import offline  # noqa: PLC0415
    from gateway.soap import envelope  # noqa: PLC0415
    from gateway.trust import peer, signature  # noqa: PLC0415

    limits = desk.configuration.gateway.limits
    opened = envelope.open_offline(question.data, None, limits)
    finding.contract = finding.contract or desk.contract_of(envelope.body_of(opened.root)[0])
    if finding.contract is None:
        raise registry.unknown(desk.registry)
    finding.notes += [_NOTE_REVOCATION] if question.anchors else [_NOTE_UNVOUCHED, _NOTE_REVOCATION]
    partner = desk.partner(finding.contract)
    stand = offline.stand(partner, offline.token(root), question.anchors, at=question.at)
    received = Received(
        body=question.data,
        content_type="application/soap+xml" if opened.version is SoapVersion.SOAP_12 else "text/xml",
        contract=finding.contract,
        peer=stand.peer,
        at=question.at,
    )
    admitted = peer.admit(received, stand.trust)
    return signature.verify(envelope.parse(admitted, limits), stand.trust, limits)


def _judge(finding: Finding, contract: ContractId, question: Question, desk: Desk) -> None:
    from gateway.cli import offline  # noqa: PLC0415
    from gateway.privacy import purpose  # noqa: PLC0415

    setting = purpose.Setting(
        contract=contract,
        partner_type=desk.law.partner_types.get(desk.partner(contract).id),
        day=swedish_day(question.at),
    )
    finding.notes.append(_NOTE_PROTECTION)
    finding.decisions = [purpose.decide(record, setting, desk.law, offline.unknown) for record in finding.records]
    purpose.hold(finding.decisions)


def _time(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime:
    if value is None:
        return datetime.now(UTC)
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("not a time such as 2026-01-31T12:00:00Z") from None
    if read.year not in _YEARS:
        raise click.BadParameter(f"not a time in the years {_YEARS[0]} to {_YEARS[-1]}")
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


@click.command(name="check")
@click.argument("file", type=click.File("rb"))
@click.option("--contract", metavar="ID", help="The contract to judge by; without it the root element tells.")
@click.option(
    "--trust",
    "anchors",
    metavar="CA.pem",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The CA certificates under which a signer must stand: the root, and issuing CAs between.",
)
@click.option("--at", metavar="TIME", callback=_time, help="Judge as of this time: ISO 8601, UTC if it has no zone.")
@options.config
@options.as_json
def command(
    file: BinaryIO, contract: str | None, anchors: Path | None, at: datetime, config: Path, *, as_json: bool
) -> None:
    """Say what would become of FILE, a payload or a whole envelope (- is standard input).

    Nothing needs to be set up, and nothing is sent. Exit codes: 0 accepted, 1 refused, 2 wrong use.
    """
    from gateway.cli.offline import Desk  # noqa: PLC0415

    desk = Desk.open(config)
    if contract is not None and contract not in desk.registry:
        raise click.BadParameter(f"there are: {', '.join(sorted(desk.registry))}", param_hint="--contract")
    try:
        data = file.read(_limit(desk, ContractId(contract) if contract else None) + 1)
    except OSError as error:
        raise click.BadParameter(f"{error.strerror}", param_hint="FILE") from None
    asked = Question(data=data, contract=ContractId(contract) if contract else None, anchors=anchors, at=at)
    try:
        found = find(asked, desk)
    except ConfigError as error:
        if anchors is None or str(anchors) not in error.detail:
            raise
        raise click.BadParameter(error.detail, param_hint="--trust") from None
    if as_json:
        output.document(found.document())
    else:
        _show(found)
    click.get_current_context().exit(exits.Exit.REFUSED if found.refused else exits.Exit.OK)


def _show(found: Finding) -> None:
    console = output.results()
    console.print("REFUSED" if found.refused else "ACCEPTED", style="bold red" if found.refused else "bold green")
    rows = [("contract", found.contract or "-"), ("persons", str(found.persons))]
    if found.refused:
        code = found.refused.code
        rows = [("code", code.name), ("step", code.step.value), ("på svenska", code.swedish), *rows]
    rows.append(("fields withheld", ", ".join(found.withheld) or "-"))
    rows += [("detail", part) for part in found.detail.split("; ")]
    for name, text in rows:
        console.print(f"{name:>16}  {text}", markup=False, soft_wrap=True)

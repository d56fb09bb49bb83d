"""A partner's answer to our question, out of its seal, when people have decided what waited of it.

Who had answered, over which connection, and that it was fresh was judged when it came; the leaf of its record says who
that was. Here the bytes are held to it, and read by the contract once more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import orjson

from gateway import endings
from gateway.adapters import registry
from gateway.config import Limits
from gateway.dispatch import DispatchId, Queued
from gateway.errors import ContractError, IntegrityError
from gateway.message import ContractId, Fingerprint, OrganisationNumber, PartnerId, Valid
from gateway.outbound import commands
from gateway.soap import envelope
from gateway.trust import peer, signature


class Reads(Protocol):
    """What it is read by."""

    @property
    def limits(self) -> Limits: ...  # noqa: D102
    @property
    def contracts(self) -> registry.Registry: ...  # noqa: D102


def asked(command: bytes, dispatch: DispatchId) -> Queued:
    """Return the question that was answered, out of its opened command. Raises IntegrityError."""
    for queued in commands.queue(commands.reread(command)):
        if queued.dispatch == dispatch:
            return queued
    raise IntegrityError(f"dispatch {dispatch}: its command is another's")


def reread(body: bytes, record: bytes, queued: Queued, by: Reads) -> Valid:
    """Read an answer again.

    Args:
        body: The exact bytes of the answer, opened.
        record: The hidden record of the leaf of one of its records: who sent it, and what it was.
        queued: What it answers.
        by: Limits and contracts.

    Raises:
        IntegrityError: these are not the bytes that answered.
        RejectedError: the contract is no more, or does not take it any more.
    """
    said = orjson.loads(record)
    admitted = peer.kept(
        body,
        contract=ContractId(said["contract"]),
        partner=PartnerId(said["partner"]),
        organisation=OrganisationNumber(said["organisation"]),
        peer=Fingerprint(said["signer"]),
        at=datetime.fromisoformat(said["received"]),
    )
    verified = signature.reread(envelope.reopen(admitted, by.limits))
    found = verified.provenance
    if (found.digest, found.message_id, found.signer) != (said["digest"], said["message_id"], said["signer"]):
        raise IntegrityError(f"dispatch {queued.dispatch}: the sealed answer is not the one that came")
    if queued.command.contract not in by.contracts.outgoing:
        raise ContractError(endings.COMMAND_RECIPIENT, "the contract is no more")
    return registry.read_answer(verified, queued.command.contract, by.contracts)

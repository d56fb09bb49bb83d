"""What the way out judges by, and what it knows of a dispatch's contract, partner and asker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway import endings
from gateway.adapters.outgoing import Outgoing
from gateway.adapters.registry import Registry
from gateway.config import Asker, Limits, Queue
from gateway.dispatch import AskerId, Queued
from gateway.errors import ConfigError, ContractError, IntegrityError
from gateway.events.compose import Routes
from gateway.message import OrganisationNumber, PartnerId, Person, Protection
from gateway.outbound import commands
from gateway.outbound.ports import Held
from gateway.partners import Endpoint, Mailbox, Partner
from gateway.ports import Protections
from gateway.privacy.law import Law
from gateway.privacy.referral import STRICT, Referrals
from gateway.trust.chain import Trust
from gateway.trust.keys import Signers
from gateway.trust.pseudonym import Named, Pseudonyms
from gateway.trust.sealing import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All that the path judges by. Immutable: a reload makes a new one and swaps it whole.

    A command was held to the configuration when it came, and the configuration may have changed since: what it speaks
    of and is no more raises ContractError (GW-COMMAND-RECIPIENT).
    """

    organisation: OrganisationNumber
    """Our own: what we ask and send as."""
    limits: Limits
    trust: Trust
    contracts: Registry
    law: Law
    partners: Mapping[PartnerId, Partner]
    askers: Mapping[AskerId, Asker]
    queues: Mapping[str, Queue]
    """By name."""
    routes: Routes
    protections: Protections
    pseudonyms: Pseudonyms
    sealer: Sealer
    signers: Signers
    random: Callable[[int], bytes]
    referrals: Referrals = STRICT

    def known(self, named: Named) -> Callable[[Person], Protection]:
        """Return what tells what we know of a person's protected identity."""
        return lambda person: self.protections.status(named.of(person))

    def keyed(self, queued: Queued) -> tuple[str, str | None]:
        """Return the keyed hashes of a command's case and consent, for the log."""
        command = queued.command
        return self.pseudonyms.keyed(command.case.reference, command.consent.reference if command.consent else None)

    def queued(self, held: Held) -> Queued:
        """Open a dispatch's command, and return this recipient's part of it. Raises IntegrityError."""
        sealed = held.contents.get("command")
        if sealed is None:
            raise IntegrityError(f"dispatch {held.id}: its command is gone")
        command = commands.reread(self.sealer.open(sealed, ()).evidence)
        for queued in commands.queue(command):
            if queued.dispatch == held.id:
                return queued
        raise IntegrityError(f"dispatch {held.id}: its command is another's")

    def going(self, queued: Queued) -> Outgoing:
        """Return the contract by which it goes out. Raises ContractError."""
        found = self.contracts.outgoing.get(queued.command.contract)
        if found is None:
            raise ContractError(endings.COMMAND_RECIPIENT, "the contract is no more")
        return found

    def partner(self, queued: Queued) -> Partner:
        """Return the recipient. Raises ContractError."""
        found = self.partners.get(queued.recipient.partner)
        if found is None:
            raise ContractError(endings.COMMAND_RECIPIENT, "the partner is no more")
        return found

    def place(self, queued: Queued) -> Endpoint | Mailbox:
        """Return where it goes. Raises ContractError."""
        found = self.partner(queued).reached(queued.command.contract, queued.recipient.organisation)
        if found is None:
            raise ContractError(endings.COMMAND_RECIPIENT, "the partner has no endpoint or mailbox for it any more")
        return found

    def named(self, queued: Queued) -> OrganisationNumber | None:
        """Return the recipient's organisation: the one of a class that was named, or the agency's. None: is no more."""
        partner = self.partners.get(queued.recipient.partner)
        subject = None if partner is None else partner.trust.subject
        return queued.recipient.organisation or (None if subject is None else subject.organisation)

    def recipient(self, queued: Queued) -> OrganisationNumber:
        """Return the recipient's organisation. Raises ContractError."""
        found = self.named(queued)
        if found is None:
            raise ContractError(endings.COMMAND_RECIPIENT, "the recipient names no organisation")
        return found

    def queue(self, queued: Queued) -> Queue:
        """Return where the asker is told. Raises ConfigError: its dispatches wait until it is back."""
        asker = self.askers.get(queued.command.asker)
        queue = None if asker is None else self.queues.get(asker.queue)
        if queue is None:
            raise ConfigError(f"asker {queued.command.asker}: is no more, or its queue is not: its dispatches wait")
        return queue

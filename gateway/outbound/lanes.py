"""Who may set out now: so many at once to each endpoint and in all, and nobody to one that is shut.

One slow or dead partner must not hold up the others. So nobody waits for it in a worker's place: while an endpoint is
full, rests, or is in maintenance its lanes are shut, and the store is asked for everybody else's. And the last places
are for endpoints to which nobody is under way.

What is known here is lost with the process: a new dispatcher finds out for itself. Belongs to one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.message import PartnerId
from gateway.outbound import pacing
from gateway.outbound.pacing import Circuit, Standing
from gateway.outbound.ports import Held, Lane
from gateway.outbound.states import Happening
from gateway.partners import Endpoint, Mailbox, Partner

KEPT = 4
"""One place of so many is kept for endpoints to which nobody is under way."""


@dataclass(slots=True)
class _Way:
    """How one endpoint fares."""

    endpoint: Endpoint
    under_way: int = 0
    circuit: Circuit = field(default_factory=Circuit)
    not_before: datetime | None = None
    """What its Retry-After asked for."""


class Lanes:
    """The endpoints of all partners, and who is under way to them."""

    def __init__(self, partners: Mapping[PartnerId, Partner], *, places: int) -> None:
        """`places` is how many attempts may be under way in all."""
        self._places = places
        self._kept = places // KEPT
        self._under_way = 0
        self._nowhere: set[Lane] = set()
        self._ways: dict[tuple[PartnerId, str], _Way] = {}
        self.renew(partners)

    def renew(self, partners: Mapping[PartnerId, Partner]) -> None:
        """Go by new settings; an address that stays keeps what is known of it."""
        before, self._partners = self._ways, partners
        self._nowhere.clear()
        self._ways = {
            (partner.id, endpoint.address): _Way(endpoint)
            for partner in partners.values()
            for endpoint in reversed(partner.endpoint)  # of one address twice, the first one's limits
        }
        for key, way in before.items():
            if key in self._ways:
                new = self._ways[key]
                new.under_way, new.circuit, new.not_before = way.under_way, way.circuit, way.not_before
            elif way.under_way:
                self._ways[key] = way

    def reached(self, where: Lane) -> Endpoint | Mailbox | None:
        """Return where a dispatch goes; None where it cannot, and then its lane is shut until the settings are new."""
        partner = self._partners.get(where.partner)
        found = None if partner is None else partner.reached(where.contract, where.organisation)
        if found is None:
            self._nowhere.add(where)
        return found

    def standing(self, partner: PartnerId, endpoint: Endpoint, at: datetime) -> Standing:
        """Return what an endpoint's circuit says."""
        way = self._ways[partner, endpoint.address]
        return way.circuit.stands(way.endpoint, at)

    def may_go(self, partner: PartnerId, endpoint: Endpoint, at: datetime) -> bool:
        """Tell whether an attempt may begin now."""
        way = self._ways[partner, endpoint.address]
        places = self._places if way.under_way == 0 else self._places - self._kept
        return self._under_way < places and self._is_open(way, at)

    def has_room(self, partner: PartnerId, endpoint: Endpoint) -> bool:
        """Tell whether an attempt could begin now if only places counted: for a person who wants it."""
        way = self._ways[partner, endpoint.address]
        return self._under_way < self._places and way.under_way < endpoint.concurrent

    def depart(self, partner: PartnerId, endpoint: Endpoint) -> None:
        """Say that an attempt begins."""
        self._ways[partner, endpoint.address].under_way += 1
        self._under_way += 1

    def arrive(
        self,
        partner: PartnerId,
        endpoint: Endpoint,
        happening: Happening | None,
        at: datetime,
        *,
        not_before: datetime | None = None,
    ) -> tuple[Standing, Standing]:
        """Say how an attempt ended (None: it was not made); return how the circuit stood, and how it stands."""
        way = self._ways[partner, endpoint.address]
        before = way.circuit.stands(way.endpoint, at)
        way.under_way -= 1
        self._under_way -= 1
        if happening is not None:
            way.circuit = way.circuit.after(happening, at)
            way.not_before = not_before
        return before, way.circuit.stands(way.endpoint, at)

    def shut(self, at: datetime) -> frozenset[Lane]:
        """Return the lanes in which no attempt may begin now."""
        return frozenset(self._nowhere).union(
            *(
                _lanes(partner.id, endpoint)
                for partner in self._partners.values()
                for endpoint in partner.endpoint
                if not self.may_go(partner.id, endpoint, at)
            )
        )

    def _is_open(self, way: _Way, at: datetime) -> bool:
        endpoint = way.endpoint
        if way.not_before is not None and at < way.not_before <= at + pacing.PATIENCE:
            return False
        if pacing.closed(endpoint.maintenance, at) is not None:
            return False
        match way.circuit.stands(endpoint, at):
            case Standing.CLOSED:
                return way.under_way < endpoint.concurrent
            case Standing.HALF_OPEN:
                return way.under_way == 0
            case Standing.OPEN:
                return False


def lane(held: Held) -> Lane:
    """Return where a dispatch goes."""
    return Lane(held.partner, held.organisation, held.contract)


def _lanes(partner: PartnerId, endpoint: Endpoint) -> Iterator[Lane]:
    for contract in endpoint.contracts:
        yield Lane(partner, endpoint.organisation, contract)

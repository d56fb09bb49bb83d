"""What a far side shows and signs with: right certificates, and others that are right for somebody else.

Any organisation can be issued for, beside those of the demonstration's PKI: kommuner, regioner and a-kassor under the
same authority as employers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from stdnum import luhn

from gateway.message import OrganisationNumber
from gateway.trust import pki
from gateway.trust.issuing import CLIENT_AUTH, SERVER_AUTH, SIGNER, Issued, KeyKind, Profile, issue

LOOPBACK = ("localhost", "127.0.0.1", "::1")
ELSEWHERE = ("annan.example",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """One organisation's, as a server that is called."""

    name: str
    organisation: OrganisationNumber
    server: Issued = field(repr=False)
    sign: Issued = field(repr=False)
    elsewhere: Issued = field(repr=False)
    """For TLS on another host."""
    believes: Issued = field(repr=False)
    """The authority of the callers that it lets in."""


def agency(demo: pki.Demo, name: str, *, now: datetime) -> Keys:
    """Return what one of the PKI's own clients shows and signs with as a server: `skatteverket`, `arbetsgivare-a`."""
    client = demo.clients[name]
    above = demo.agencies if client.server.issuers else demo.organisations
    return Keys(
        name=name,
        organisation=client.organisation,
        server=client.server,
        sign=client.sign,
        elsewhere=issue(above, _serving(name, client.organisation, ELSEWHERE), now=now),
        believes=demo.agencies_root,
    )


def organisation(demo: pki.Demo, name: str, number: OrganisationNumber, *, now: datetime) -> Keys:
    """Issue to an organisation, under the authority of organisation certificates."""
    signing = replace(SIGNER, kind=KeyKind.P256, common_name=name, organisation=name, serial_numbers=(f"16{number}",))
    return Keys(
        name=name,
        organisation=number,
        server=issue(demo.organisations, _serving(name, number, LOOPBACK), now=now),
        sign=issue(demo.organisations, signing, now=now),
        elsewhere=issue(demo.organisations, _serving(name, number, ELSEWHERE), now=now),
        believes=demo.agencies_root,
    )


def client(demo: pki.Demo, name: str, written: str, number: OrganisationNumber, *, now: datetime) -> pki.Client:
    """Issue to an organisation what it calls us and signs with, as the PKI's own clients have it."""
    made = organisation(demo, written, number, now=now)
    profile = Profile(
        common_name=f"{written} TLS",
        organisation=written,
        kind=KeyKind.P256,
        extended_key_usage=(CLIENT_AUTH,),
        serial_numbers=(f"16{number}",),
    )
    tls = issue(demo.organisations, profile, now=now)
    return pki.Client(name=name, organisation=number, tls=tls, sign=made.sign, server=made.server)


def numbered(prefix: str, count: int) -> OrganisationNumber:
    """Return the organisation number with these first digits, a running number, and its check digit."""
    digits = f"{prefix}{count:0{9 - len(prefix)}d}"
    return OrganisationNumber(digits + luhn.calc_check_digit(digits))


def _serving(name: str, number: OrganisationNumber, hosts: tuple[str, ...]) -> Profile:
    return Profile(
        common_name=f"{name} tjänst",
        organisation=name,
        kind=KeyKind.P256,
        extended_key_usage=(SERVER_AUTH,),
        serial_numbers=(f"16{number}",),
        names=hosts,
    )

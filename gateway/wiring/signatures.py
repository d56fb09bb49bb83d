"""What a package of evidence shows of signatures: our receipts, who signed, and the revocation lists of that day.

A receipt is composed again from what was kept of it, and is in the package only if its signature then holds: it is
byte for byte the one that was signed. Where that was lost in a crash, or is older than the keeping of it, what the
receipt said is there without a signature, under a name that tells, and in the list of what is missing.

Lists are those that the certificates were judged by when the message came, by what was kept then. Whether a certificate
was revoked is the issuer's word in the list, and the outcome is the leaf.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.adapters.registry import Registry
from gateway.config import Configuration
from gateway.errors import GatewayError, UntrustedError
from gateway.message import PartnerId
from gateway.soap import names, xml
from gateway.store import receipts, relied
from gateway.store.place import Place
from gateway.trust import decoding, receipt, usage
from gateway.trust.roots import Roots

SIGNED: Final = "receipt.xml"
UNSIGNED: Final = "receipt-unsigned.xml"
_LOST: Final = (
    "Vårt kvitto på {} är inte sparat med sin signatur: den skrivs strax efter svaret, och kan gå förlorad om datorn "
    f"stannar just då. {UNSIGNED} är satt samman på nytt och visar vad kvittot sade; motparten har det signerat."
)
_OTHER: Final = (
    "Signaturen på vårt kvitto på {} är sparad, men det som nu sätts samman är inte det som signerades. "
    f"{UNSIGNED} visar vad loggen säger; motparten har kvittot."
)
_NOT_KEPT: Final = "Vilka spärrlistor som certifikaten från {} prövades mot den {} sparades inte då."
_NONE: Final = "För {} fanns inga spärrlistor konfigurerade den {}: att inget certifikat var spärrat prövades inte."
_NO_LIST: Final = "Ingen spärrlista från utfärdaren {} fanns konfigurerad den {}."
_NO_PATH: Final = "Certifikatet från {} står inte under de ankare som är konfigurerade nu: vägen upp är inte med."


@dataclass(slots=True)
class Shown:
    """What is added to a package."""

    originals: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Name -> file -> bytes: beside what the seals held."""
    certificates: dict[str, bytes] = field(default_factory=dict)
    """Certificates and revocation lists, DER, each named by its hash."""
    missing: list[str] = field(default_factory=list)

    def certificate(self, der: bytes) -> None:
        """Add one of ours or theirs."""
        self.certificates[f"{sha256(der).hexdigest()}.der"] = der

    def lacks(self, words: str) -> None:
        """Tell what is not there, once."""
        if words not in self.missing:
            self.missing.append(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A message or a dispatch, as the package has it."""

    name: str
    message: int | None
    """Its number, where it came in and was accepted."""
    partner: PartnerId
    at: datetime
    """When the partner's certificates had to hold."""
    files: Mapping[str, bytes] = field(repr=False)


def shown(configuration: Configuration, where: Place, originals: Iterable[Original]) -> Shown:
    """Return what there is of signatures on these.

    Args:
        configuration: Whose anchors lead from a certificate up.
        where: The store, as its archivist.
        originals: What the package has in original.

    Raises:
        IntegrityError: A kept certificate or list is gone, or is another one.
        UnavailableError, ConfigError.
    """
    found = Shown()
    contracts: Registry | None = None
    for one in originals:
        for file, content in one.files.items():
            _signer(found, configuration, where, one, file, content)
        if one.message is not None:
            contracts = contracts or Registry.load(configuration.gateway.schemas)
            _receipt(found, contracts, where, one.name, one.message)
    return found


def _receipt(found: Shown, contracts: Registry, where: Place, name: str, message: int) -> None:
    """Add our receipt of a message."""
    told = receipts.read(where, message)
    if told is None:
        return
    accepted, sign = told.accepted, told.sign
    files = found.originals.setdefault(name, {})
    why = _LOST
    if sign is not None and accepted.provenance.contract in contracts:
        certificate = relied.certificate(where, sign.certificate)
        try:
            answer = contracts[accepted.provenance.contract].answer
            files[SIGNED] = receipt.again(accepted, sign, certificate, wrap=answer)
        except UntrustedError:
            why = _OTHER
        else:
            found.certificate(certificate)
            return
    elif sign is not None:
        why = _OTHER  # there is no such contract any more, and nobody knows how its answers were
    files[UNSIGNED] = receipt.compose(accepted).encode()
    found.lacks(why.format(name))


def _signer(  # noqa: PLR0913, PLR0917  # the package, what is known, and the file
    found: Shown, configuration: Configuration, where: Place, one: Original, file: str, content: bytes
) -> None:
    """Add whoever signed a file, those above, and where it is the partner the lists that spoke of them."""
    try:
        token = xml.parse(content, configuration.gateway.limits).find(f".//{names.TOKEN}")
        certificate = decoding.read(binascii.a2b_base64("" if token is None else token.text or ""))
    except (GatewayError, binascii.Error):
        return  # a command, or a content without a signature of its own
    theirs = not file.endswith("envelope.xml")
    chain = _path(configuration, one, certificate) if theirs else [certificate]
    for link in chain or [certificate]:
        found.certificate(link.public_bytes(Encoding.DER))
    if not chain:
        found.lacks(_NO_PATH.format(one.partner))
    if theirs:
        _lists(found, where, one, chain[:-1] or [certificate])


def _path(configuration: Configuration, one: Original, certificate: x509.Certificate) -> Sequence[x509.Certificate]:
    known = configuration.partners.get(one.partner)
    if known is None:
        return []
    try:
        return Roots.build(known).path(certificate, usage.Role.SIGNER, one.at)
    except UntrustedError:
        return []


def _lists(found: Shown, where: Place, one: Original, judged: Sequence[x509.Certificate]) -> None:
    """Add the lists by which certificates were judged, each issuer's newest of then; tell where there were none."""
    day, reads = one.at.date().isoformat(), relied.in_force(where, one.partner, one.at)
    if not reads:
        found.lacks(_NOT_KEPT.format(one.partner, day))
    for read in reads:
        lists = [x509.load_der_x509_crl(der) for der in read.lists]
        if not lists:
            found.lacks(_NONE.format(one.partner, day))
            continue
        for issuer in dict.fromkeys(link.issuer for link in judged):
            spoke = [crl for crl in lists if crl.issuer == issuer and crl.last_update_utc <= one.at]
            if not spoke:
                found.lacks(_NO_LIST.format(issuer.rfc4514_string(), day))
                continue
            newest = max(crl.last_update_utc for crl in spoke)
            for crl in spoke:  # two CAs may bear one name, each with a list
                if crl.last_update_utc == newest:
                    der = crl.public_bytes(Encoding.DER)
                    found.certificates[f"{sha256(der).hexdigest()}.crl"] = der

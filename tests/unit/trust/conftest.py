"""One throw-away PKI for the whole run, and partners that trust it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.message import PartnerId
from gateway.partners import Partner
from gateway.trust import pki
from gateway.trust.chain import Trust

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Country:
    """A PKI on disk, and what a test needs to bend one thing in it."""

    def __init__(self, folder: Path, demo: pki.Demo) -> None:
        self.folder, self.demo, self.now = folder, demo, NOW
        self._written = 0

    def path(self, content: bytes, suffix: str = ".pem") -> Path:
        """Write a file of its own."""
        self._written += 1
        path = self.folder / f"written-{self._written}{suffix}"
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    def profile(self, base: pki.Profile, **changes) -> pki.Profile:
        """Return a profile of the first employer, with a key that is fast to make."""
        usual = {"kind": pki.KeyKind.P256, "serial_numbers": ("165560269986",), "organisation": "A AB"}
        return replace(base, **(usual | changes))

    def tls(self, ca: pki.Issued | None = None, **changes) -> pki.Issued:
        return pki.issue(ca or self.demo.organisations, self.profile(pki.Profile(), **changes), now=NOW)

    def signer(self, ca: pki.Issued | None = None, **changes) -> pki.Issued:
        return pki.issue(ca or self.demo.organisations, self.profile(pki.SIGNER, **changes), now=NOW)

    def authority(self, ca: pki.Issued | None = None, **changes) -> pki.Issued:
        return pki.issue(ca, replace(pki.AUTHORITY, **changes), now=NOW)

    def crl(self, ca: pki.Issued | None = None, **changes) -> Path:
        return self.path(pki.crl(ca or self.demo.organisations, **({"now": NOW} | changes)), ".crl")

    def agency(self, name: str, organisation: str, **changes) -> Partner:
        trust = {
            "anchors": [self.folder / "pki/agencies.pem"],
            "intermediates": [self.folder / "pki/intermediates.pem"],
            "revocation": [self.folder / "pki/agencies.crl"],
            "subject": {"organisation": organisation},
        }
        return _partner(name, "agency", trust | changes)

    def employers(self, **changes) -> Partner:
        trust = {
            "anchors": [self.folder / "pki/organisations.pem"],
            "revocation": [self.folder / "pki/organisations.crl"],
        }
        return _partner("arbetsgivare", "class", trust | changes)

    def partners(self) -> dict[PartnerId, Partner]:
        agencies = (
            self.agency("skatteverket", "2021005448"),
            self.agency("arbetsformedlingen", "2021002114"),
            self.employers(),
        )
        return {partner.id: partner for partner in agencies}

    def trust(self, *partners: Partner) -> Trust:
        return Trust.build({partner.id: partner for partner in partners} or self.partners())

    def signed(self, content: bytes, ca: pki.Issued | None = None) -> bytes:
        """Sign whatever stands there as a certificate or list, as a careless or conquered CA would.

        RFC 5280 sections 4.1 and 5.1 have the same frame: content, algorithm, signature.
        """
        key = (ca or self.demo.organisations).key
        value = b"\0" + key.sign(content, ec.ECDSA(hashes.SHA256()))
        ecdsa_with_sha256 = bytes.fromhex("300a06082a8648ce3d040302")
        return b"\x30" + sized(content + ecdsa_with_sha256 + b"\x03" + sized(value))


def sized(content: bytes) -> bytes:
    """Put the length before it (X.690 section 10.1: as short as can be)."""
    size = len(content)
    if size < 0x80:
        return bytes([size]) + content
    count = (size.bit_length() + 7) // 8
    return bytes([0x80 | count]) + size.to_bytes(count, "big") + content


def _partner(name: str, kind: str, trust: dict) -> Partner:
    return Partner.model_validate(
        {"id": name, "name": name, "kind": kind, "partner_type": name, "contracts": [f"{name}/x"], "trust": trust}
    )


@pytest.fixture(scope="session")
def country(tmp_path_factory) -> Country:
    folder = tmp_path_factory.mktemp("country")
    return Country(folder, pki.make(folder, now=NOW, kind=pki.KeyKind.P256))


@pytest.fixture(scope="session")
def trust(country) -> Trust:
    """Everyone's roots, as configured. It remembers, so what it says first it must say again."""
    return country.trust()


@pytest.fixture(name="sized", scope="session")
def _sized():
    return sized

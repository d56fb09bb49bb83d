"""The country's certificate authorities, what they issued to whom, and what they should never have issued.

`write` puts down what the gateway's configuration reads below its data folder: anchors, the issuing CA below the
agencies' root, and revocation lists. Private keys stay in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.trust.issuing import AUTHORITY, CLIENT_AUTH, SERVER_AUTH, SIGNER, Issued, KeyKind, Profile, crl, issue
from tests.payloads import ORGANISATIONS

FOREVER = datetime.fromisoformat("2099-12-31T00:00:00+00:00")
LONG_AGO = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
_TLS = Profile(kind=KeyKind.P256)
_SIGN = replace(SIGNER, kind=KeyKind.P256)
_SERVER = replace(_TLS, extended_key_usage=(SERVER_AUTH,), names=("localhost", "127.0.0.1", "::1"))
_CLIENT = replace(_TLS, extended_key_usage=(CLIENT_AUTH,))
OURSELVES = "2021005521"
_NAMES = {
    "skatteverket": "Skatteverket",
    "arbetsformedlingen": "Arbetsförmedlingen",
    "arbetsgivare": "Arbetsgivare A AB",
    "arbetsgivare-b": "Arbetsgivare B AB",
}
_UNDER = {"skatteverket": "agencies", "arbetsformedlingen": "agencies"}


@dataclass(slots=True, kw_only=True)
class Authorities:
    """Everybody who issues, and everything issued, by name: `<partner>-tls`, `<partner>-sign`, `bad-<how>` ..."""

    now: datetime
    life: timedelta
    roots: Mapping[str, Issued]
    credentials: dict[str, Issued] = field(default_factory=dict)
    revoked: list[Issued] = field(default_factory=list)

    @classmethod
    def make(cls, now: datetime, *, life: timedelta = timedelta(days=365)) -> Authorities:
        """Found the authorities and issue to every partner one certificate for TLS and one for signing."""

        def found(name: str, above: Issued | None = None) -> Issued:
            profile = replace(
                AUTHORITY, common_name=name, organisation="Test", not_before=LONG_AGO, not_after=now + life
            )
            return issue(above, profile, now=now)

        root = found("Test Rot-CA")
        roots = {
            "root": root,
            "agencies": found("Test Myndighets-CA", root),
            "organisations": found("Test Organisations-CA"),
            "strangers": found("Test Okänd CA"),
            "lookalike": found("Test Myndighets-CA"),
        }
        made = cls(now=now, life=life, roots=roots)
        for partner in ORGANISATIONS:
            made.issue(f"{partner}-tls", partner, _TLS)
            made.issue(f"{partner}-sign", partner, _SIGN)
        made.issue("stranger-tls", "skatteverket", _TLS, under="strangers")
        return made

    def issue(self, name: str, partner: str, profile: Profile, *, under: str | None = None) -> Issued:
        """Issue one more certificate in a partner's name; the profile may say otherwise."""
        above = self.roots[under or _UNDER.get(partner, "organisations")]
        filled = replace(
            profile,
            common_name=profile.common_name if profile.common_name != Profile().common_name else _NAMES[partner],
            organisation=_NAMES[partner],
            serial_numbers=profile.serial_numbers or (f"16{ORGANISATIONS[partner]}",),
            not_after=profile.not_after or self.now + self.life,
        )
        self.credentials[name] = made = issue(above, filled, now=self.now)
        return made

    def server(self, partner: str, *, under: str | None = None, **changes: Any) -> Issued:
        """Issue a certificate for a partner's TLS server on loopback; the changes are of its profile."""
        return self.issue(f"{partner}-server", partner, replace(_SERVER, **changes), under=under)

    def client(self, *, under: str = "agencies") -> Issued:
        """Issue the certificate that we ourselves call with."""
        profile = replace(
            _CLIENT,
            common_name="Utbyte",
            organisation="Försäkringskassan",
            serial_numbers=(f"16{OURSELVES}",),
            not_after=self.now + self.life,
        )
        return issue(self.roots[under], profile, now=self.now)

    def revoke(self, issued: Issued) -> None:
        self.revoked.append(issued)

    def write(self, folder: Path, *, at: datetime | None = None, lists_until: datetime | None = None) -> None:
        """Write anchors and revocation lists below `folder`, as the partners' configuration names them."""
        pki = folder / "pki"
        pki.mkdir(parents=True, exist_ok=True)
        roots = self.roots
        for name, root in (("agencies", "root"), ("intermediates", "agencies"), ("organisations", "organisations")):
            (pki / f"{name}.pem").write_bytes(roots[root].pem)
        lists = {"agencies": ("root", "agencies"), "organisations": ("organisations",)}
        for name, issuers in lists.items():
            content = b"".join(self._list(roots[issuer], at or self.now, lists_until) for issuer in issuers)
            (pki / f"{name}.crl").write_bytes(content)

    def _list(self, issuer: Issued, at: datetime, until: datetime | None) -> bytes:
        mine = [one.certificate for one in self.revoked if one.certificate.issuer == issuer.certificate.subject]
        return crl(issuer, now=at, revoked=mine, next_update=until or at + self.life)


def with_bad_ones(now: datetime, *, life: timedelta) -> Authorities:
    """Make the authorities of the vectors: variants that hold, and one certificate for everything that can be wrong."""
    made = Authorities.make(now, life=life)
    skv = "skatteverket"
    made.issue(f"{skv}-rsa-sign", skv, replace(SIGNER, kind=KeyKind.RSA_2048))
    made.issue(f"{skv}-ed25519-sign", skv, replace(SIGNER, kind=KeyKind.ED25519))
    made.issue(f"{skv}-new-sign", skv, _SIGN)
    day = timedelta(days=1)
    bad: dict[str, tuple[Profile, str | None]] = {
        "expired": (replace(_SIGN, not_before=now - 400 * day, not_after=now - day), None),
        "not-yet-valid": (replace(_SIGN, not_before=now + 400 * day), None),
        "revoked": (_SIGN, None),
        "stranger": (_SIGN, "strangers"),
        "lookalike": (_SIGN, "lookalike"),
        "server-only": (replace(_SIGN, extended_key_usage=(SERVER_AUTH,)), None),
        "no-signing": (replace(_SIGN, key_usage=frozenset({"key_encipherment"})), None),
        "authority": (replace(AUTHORITY, key_usage=frozenset({"digital_signature", "key_cert_sign"})), None),
        "rsa-1024": (replace(_SIGN, key=rsa.generate_private_key(65537, 1024)), None),  # noqa: S505
        "p384": (replace(_SIGN, key=ec.generate_private_key(ec.SECP384R1())), None),
        "other-organisation": (replace(_SIGN, serial_numbers=("162021002114",)), None),
        "two-organisations": (replace(_SIGN, serial_numbers=("162021005448", "162021002114")), None),
        "no-organisation": (replace(_SIGN, serial_numbers=("none",)), None),
    }
    for how, (profile, under) in bad.items():
        made.issue(f"bad-{how}", skv, profile, under=under or "agencies")
    made.credentials["bad-self-signed"] = issue(None, _named(_SIGN), now=now)
    made.credentials["bad-issued-by-signer"] = issue(made.credentials[f"{skv}-sign"], _named(_SIGN), now=now)
    made.revoke(made.credentials["bad-revoked"])
    return made


def _named(profile: Profile) -> Profile:
    return replace(
        profile,
        common_name="Skatteverket",
        organisation="Skatteverket",
        serial_numbers=("162021005448",),
        not_after=FOREVER,
    )

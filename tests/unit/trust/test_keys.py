"""Keys we sign with: read or refused whole, changed by changing files, and followed by a successor in time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.config import Keys, Next
from gateway.errors import ConfigError
from gateway.message import PartnerId
from gateway.partners import Partner
from gateway.trust import pki
from gateway.trust.keys import Signers, Successor
from gateway.trust.signing import SigningKey
from tests.unit.trust.office import Office

SKATTEVERKET, ARBETSGIVARE = PartnerId("skatteverket"), PartnerId("arbetsgivare")
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
SOON = AT + timedelta(minutes=5)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def signers(country, trust) -> Signers:
    office = Office(country=country, trust=trust, now=country.now)
    p256, rsa = (office.credential(kind) for kind in (pki.KeyKind.P256, pki.KeyKind.RSA_2048))
    return Signers(
        p256=SigningKey(key=p256.key, certificate=p256.der),
        rsa=SigningKey(key=rsa.key, certificate=rsa.der),
        rsa_partners=frozenset({ARBETSGIVARE}),
    )


def of(signers: Signers, partner: PartnerId = SKATTEVERKET, at: datetime = AT) -> SigningKey:
    return signers.of(partner, at, at + timedelta(minutes=5))


def keys(folder: Path, **changes: object) -> Keys:
    unused = folder / "unused"
    usual = {"receipt": folder / "keys/receipt.key", "receipt_certificate": folder / "keys/receipt.pem"}
    return Keys(**({"sealing": unused, "pseudonym": unused, "checkpoint": unused} | usual | changes))


def partners(country, **receipts: str) -> dict[PartnerId, Partner]:
    return {
        name: partner.model_copy(update={"receipt": receipts.get(name, "p256")})
        for name, partner in country.partners().items()
    }


class TestWhoGetsWhich:
    def test_rsa_is_for_the_partners_that_need_it(self, signers):
        assert of(signers) is signers.p256
        assert of(signers, ARBETSGIVARE) is signers.rsa

    def test_keys_in_each_others_place_are_refused(self, signers):
        with pytest.raises(ConfigError, match="P-256"):
            Signers(p256=signers.rsa)
        with pytest.raises(ConfigError, match="RSA"):
            Signers(p256=signers.p256, rsa=signers.p256)

    def test_successors_in_each_others_place_are_refused(self, signers):
        wrong = {"begins": AT, "since": AT, "former": AT + DAY}
        with pytest.raises(ConfigError, match="P-256"):
            replace(signers, next_p256=Successor(key=signers.rsa, **wrong))
        with pytest.raises(ConfigError, match="RSA"):
            replace(signers, next_rsa=Successor(key=signers.p256, **wrong))

    def test_a_partner_whose_key_is_missing_is_found_at_start(self, signers):
        with pytest.raises(ConfigError, match="arbetsgivare"):
            Signers(p256=signers.p256, rsa_partners=frozenset({ARBETSGIVARE}))


class TestReading:
    def test_keys_are_read_from_files(self, country):
        folder = country.folder
        rsa = {
            "receipt_rsa": folder / "keys/receipt-rsa.key",
            "receipt_rsa_certificate": folder / "keys/receipt-rsa.pem",
        }
        made = Signers.build(keys(folder, **rsa), partners(country, arbetsgivare="rsa"))
        assert made.p256.certificate == country.demo.receipt.der
        assert of(made, ARBETSGIVARE).certificate == country.demo.receipt_rsa.der
        assert not made.remote
        assert Signers.build(keys(folder), partners(country)).rsa is None
        with pytest.raises(ConfigError, match="receipt_rsa"):
            Signers.build(keys(folder), partners(country, arbetsgivare="rsa"))
        with pytest.raises(ConfigError, match="receipt_rsa_certificate"):
            Signers.build(keys(folder, receipt_rsa=rsa["receipt_rsa"]), partners(country))

    def test_a_credential_that_systemd_did_not_hand_over_is_told_as_that(self, country):
        with pytest.raises(ConfigError, match=r"keys\.receipt: credential:receipt\.key: .*systemd has handed"):
            Signers.build(keys(country.folder, receipt=Path("credential:receipt.key")), partners(country))

    @pytest.mark.parametrize("which", ["receipt", "receipt_certificate"])
    @pytest.mark.parametrize("content", [None, b"", b"text"])
    def test_a_file_that_is_no_key_or_certificate_is_named(self, country, tmp_path, which, content):
        path = tmp_path / "a-file"
        if content is not None:
            path.write_bytes(content)
            path.chmod(0o600)
        with pytest.raises(ConfigError, match="a-file"):
            Signers.build(keys(country.folder, **{which: path}), partners(country))

    def test_a_key_that_everybody_may_read_is_refused(self, country):
        path = country.path(country.demo.receipt.key_pem)
        path.chmod(0o644)
        with pytest.raises(ConfigError, match=r"keys\.receipt: .*chmod"):
            Signers.build(keys(country.folder, receipt=path), partners(country))

    def test_a_certificate_of_another_key_is_refused(self, country):
        with pytest.raises(ConfigError, match="is not the certificate of"):
            Signers.build(
                keys(country.folder, receipt_certificate=country.folder / "keys/receipt-rsa.pem"), partners(country)
            )

    def test_an_encrypted_key_is_refused(self, country, tmp_path):
        path = tmp_path / "locked.key"
        encryption = serialization.BestAvailableEncryption(b"secret")
        formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        path.write_bytes(country.demo.receipt.key.private_bytes(*formats, encryption))
        path.chmod(0o600)
        with pytest.raises(ConfigError, match=r"locked\.key: is not an unencrypted"):
            Signers.build(keys(country.folder, receipt=path), partners(country))

    def test_a_key_the_profile_does_not_know_is_refused(self, country):
        other = country.signer(key=ec.generate_private_key(ec.SECP384R1()))
        files = {"receipt": country.path(other.key_pem), "receipt_certificate": country.path(other.pem)}
        with pytest.raises(ConfigError, match="P-256"):
            Signers.build(keys(country.folder, **files), partners(country))


class TestChangedFiles:
    """`refresh`: the new pair where a file has changed, and nothing in between."""

    @pytest.fixture
    def own(self, country, tmp_path):
        """A pair in files of its own."""
        (tmp_path / "keys").mkdir()
        self.write(tmp_path, country.demo.receipt)
        return tmp_path

    def write(self, folder, issued, *names: str):
        for name in names or ("key", "pem"):
            path = folder / f"keys/receipt.{name}"
            path.write_bytes(issued.key_pem if name == "key" else issued.pem)
            path.chmod(0o600)

    def test_nothing_is_made_while_nothing_has_changed(self, country, own):
        made = Signers.build(keys(own), partners(country))
        assert made.refresh() is made

    def test_what_was_not_read_from_files_is_as_it_was(self, signers):
        assert signers.refresh() is signers

    def test_a_new_pair_signs_from_then_on(self, country, own):
        made = Signers.build(keys(own), partners(country))
        new = country.signer(kind=pki.KeyKind.P256)
        self.write(own, new)
        assert of(made).certificate == country.demo.receipt.der
        assert of(made.refresh()).certificate == new.der

    @pytest.mark.parametrize("first", ["key", "pem"])
    def test_half_of_a_pair_changes_nothing_and_the_other_half_makes_it_whole(self, country, own, first):
        made = Signers.build(keys(own), partners(country))
        new = country.signer(kind=pki.KeyKind.P256)
        self.write(own, new, first)
        with pytest.raises(ConfigError, match="is not the certificate of"):
            made.refresh()
        assert of(made).certificate == country.demo.receipt.der
        self.write(own, new, "pem" if first == "key" else "key")
        assert of(made.refresh()).certificate == new.der


class TestSuccession:
    """The table of `keys`: by time alone, and never a certificate that does not hold."""

    def pair(self, country, since: datetime, until: datetime, kind=pki.KeyKind.P256):
        return country.signer(kind=kind, not_before=since, not_after=until)

    def build(self, country, now, following, begins: datetime, name: str = "receipt") -> Signers:
        written = [country.path(part) for one in (now, following) for part in (one.key_pem, one.pem)]
        return Signers.build(
            keys(
                country.folder,
                **{
                    name: written[0],
                    f"{name}_certificate": written[1],
                    f"{name}_next": Next(key=written[2], certificate=written[3], begins=begins),
                },
            ),
            partners(country, arbetsgivare="rsa" if name == "receipt_rsa" else "p256"),
        )

    def test_the_present_key_signs_until_the_successor_begins(self, country):
        now, following = self.pair(country, AT - DAY, AT + 9 * DAY), self.pair(country, AT - DAY, AT + 99 * DAY)
        made = self.build(country, now, following, AT + DAY)
        assert of(made, at=AT).certificate == now.der
        assert of(made, at=AT + DAY - timedelta(seconds=1)).certificate == now.der
        assert of(made, at=AT + DAY).certificate == following.der

    def test_the_rsa_key_has_a_successor_of_its_own(self, country):
        rsa = pki.KeyKind.RSA_2048
        now, following = (self.pair(country, AT - DAY, AT + 9 * DAY, rsa) for _ in range(2))
        made = self.build(country, now, following, AT + DAY, "receipt_rsa")
        later = AT + DAY
        assert of(made, ARBETSGIVARE, later).certificate == following.der
        assert of(made, SKATTEVERKET, later).certificate == country.demo.receipt.der

    def test_the_successor_signs_earlier_where_the_present_certificate_would_end_before_what_is_signed(self, country):
        now, following = self.pair(country, AT - DAY, AT + DAY), self.pair(country, AT - DAY, AT + 99 * DAY)
        made = self.build(country, now, following, AT + 9 * DAY)
        assert made.of(SKATTEVERKET, AT, AT + DAY).certificate == now.der
        assert made.of(SKATTEVERKET, AT, AT + 2 * DAY).certificate == following.der  # what waits in a mailbox
        assert of(made, at=AT + 2 * DAY).certificate == following.der

    def test_the_successor_never_signs_before_its_own_certificate_holds(self, country):
        now, following = self.pair(country, AT - DAY, AT + DAY), self.pair(country, AT + 3 * DAY, AT + 99 * DAY)
        made = self.build(country, now, following, AT)
        assert of(made, at=AT + 2 * DAY).certificate == now.der
        assert of(made, at=AT + 3 * DAY).certificate == following.der

    def test_a_successor_that_could_never_sign_is_refused(self, country):
        now, following = self.pair(country, AT - DAY, AT + DAY), self.pair(country, AT - DAY, AT + 2 * DAY)
        with pytest.raises(ConfigError, match=r"keys\.receipt_next\.begins: .* has ended by then"):
            self.build(country, now, following, AT + 2 * DAY)

    def test_a_successor_of_nothing_is_refused(self, country):
        unused = country.folder / "unused"
        following = Next(key=unused, certificate=unused, begins=AT)
        with pytest.raises(ConfigError, match="receipt_rsa_next"):
            Signers.build(keys(country.folder, receipt_rsa_next=following), partners(country))

    def test_a_successor_that_has_a_fault_is_found_at_start_and_not_when_it_takes_over(self, country):
        following = Next(key=country.path(b"text"), certificate=country.folder / "keys/receipt.pem", begins=AT)
        with pytest.raises(ConfigError, match="unencrypted private key"):
            Signers.build(keys(country.folder, receipt_next=following), partners(country))

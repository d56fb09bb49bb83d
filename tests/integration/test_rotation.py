"""Every key and certificate is changed under traffic, ours and theirs, in both directions: not one message is refused.

Files are changed as an operator does it, and the gateway looks at them as it does every minute. Whoever stands on the
other side verifies by what it trusted before.
"""

import socket
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from lxml import etree

from gateway import wiring
from gateway.cli.demo.farsides.door import Door
from gateway.config import Next
from gateway.message import PartnerId
from gateway.outbound.states import State
from gateway.partners import Partner, Subject, Trust
from gateway.soap import names
from gateway.trust import chain, pki
from gateway.trust.issuing import AUTHORITY, CLIENT_AUTH, SERVER_AUTH, SIGNER, KeyKind, Profile, issue
from gateway.trust.signing import SigningKey
from gateway.wiring import Keeper
from tests.abroad import Abroad
from tests.integration import stage as stages
from tests.integration.installation import until
from tests.integration.stage import code

DAY = timedelta(days=1)
OURSELVES = "162021005521"
SKATTEVERKET = "162021005448"
_CALLER = "skatteverket"


@pytest.fixture
def own(tmp_path):
    return stages.make(tmp_path)


def put(folder, stem: str, issued, *parts: str) -> None:
    """Write key and certificate, or one of them, over what is there."""
    for part in parts or ("key", "pem"):
        path = folder / f"{stem}.{part}"
        new = path.with_suffix(".new")
        new.write_bytes(issued.key_pem if part == "key" else issued.chain_pem)
        new.chmod(0o600)
        new.rename(path)


def signer(answer: bytes) -> bytes:
    """Return the certificate that an answer says it is signed by."""
    token = etree.fromstring(answer).findtext(f".//{{{names.WSSE}}}BinarySecurityToken")
    assert token is not None
    return ssl.PEM_cert_to_DER_cert(f"-----BEGIN CERTIFICATE-----\n{token}\n-----END CERTIFICATE-----\n")


@dataclass
class Traffic:
    """A partner that sends all the time, on connections that it keeps and on new ones."""

    stand: stages.Stand
    credential: str = ""
    """One file with the partner's TLS key and certificate: changed in one step."""
    answers: list[tuple[int, str | None]] = field(default_factory=list)
    receipts: list[bytes] = field(default_factory=list)
    shown: list[bytes] = field(default_factory=list)
    """Our server's certificate, as new connections saw it."""
    faults: list[BaseException] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            while not self.ended.is_set():
                with self.stand.stage.session() as session:
                    session.cert = self.credential or session.cert
                    for _ in range(4):
                        self.one(session)
                with self.connected() as link:
                    self.shown.append(link.getpeercert(binary_form=True))
        except BaseException as error:
            self.faults.append(error)
            raise

    @contextmanager
    def connected(self):
        context = self.stand.stage.context(None)
        context.load_cert_chain(
            *([self.credential] if self.credential else self.stand.stage.credential("skatteverket"))
        )
        with (
            socket.create_connection((self.stand.server.host, self.stand.server.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as link,
        ):
            yield link

    def one(self, session) -> None:
        answer = session.post(
            self.stand.address(), data=self.stand.stage.message(), headers={"Content-Type": "text/xml"}, timeout=20
        )
        self.answers.append((answer.status_code, code(answer.content)))
        if answer.status_code == 200:
            self.receipts.append(answer.content)

    @contextmanager
    def flowing(self, threads: int = 3):
        """Send meanwhile; at the end every message must have had its receipt."""
        running = [threading.Thread(target=self.run, name=f"traffic-{number}") for number in range(threads)]
        for one in running:
            one.start()
        try:
            yield self
        finally:
            self.ended.set()
            for one in running:
                one.join(60)
        assert not self.faults
        assert len(self.answers) > 20
        assert set(self.answers) == {(200, None)}
        self.proven()

    def more(self) -> None:
        """Wait until messages were answered and connections made, begun after now."""
        answers, shown = len(self.answers) + 6, len(self.shown) + 4
        until(lambda: (len(self.answers) > answers and len(self.shown) > shown) or self.faults, "more messages")

    def proven(self) -> None:
        """Judge every receipt's signer as a partner does: by the authority it trusts, and nothing else of ours."""
        data = self.stand.stage.data
        files = {"anchors": (data / "pki/agencies.pem",), "intermediates": (data / "pki/intermediates.pem",)}
        us = Partner(
            id=PartnerId("us"),
            name="us",
            kind="agency",
            partner_type="us",
            contracts=(),
            trust=Trust(**files, subject=Subject(organisation="2021005521"), revocation=(data / "pki/agencies.crl",)),
        )
        trusted = chain.Trust.build({us.id: us})
        now = datetime.now(UTC)
        for der in {signer(receipt) for receipt in self.receipts}:
            trusted.judge(der, partner=us.id, role=chain.Role.SIGNER, at=now)


def looked(stand) -> None:
    """Have the gateway look at its files, as it does every minute."""
    Keeper(stand.intake, lambda: stand.stage.configuration).step()


class Ahead:
    """A clock that can be put forward."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def receipt_key(own, **changes):
    profile = replace(
        SIGNER, kind=KeyKind.P256, organisation="Försäkringskassan", serial_numbers=(OURSELVES,), common_name="Ny"
    )
    return issue(own.demo.agencies, replace(profile, **changes), now=datetime.now(UTC))


class TestOursIn:
    """What partners see of us when they call."""

    def test_our_receipt_key_by_changed_files(self, own):
        new = receipt_key(own)
        with own.running() as stand, Traffic(stand).flowing() as traffic:
            traffic.more()
            put(own.data, "keys/receipt", new, "key")
            looked(stand)  # only half of it is there
            traffic.more()
            assert {signer(receipt) for receipt in traffic.receipts} == {own.demo.receipt.der}
            put(own.data, "keys/receipt", new, "pem")
            looked(stand)
            until(lambda: signer(traffic.receipts[-1]) == new.der, "the new key signs")
        assert {signer(receipt) for receipt in traffic.receipts} == {own.demo.receipt.der, new.der}

    def test_our_receipt_key_by_the_hour_that_was_agreed_and_nobody_does_anything(self, own):
        new, clock = receipt_key(own), Ahead()
        put(own.data, "keys/next", new)
        folder = own.data / "keys"
        following = Next(
            key=folder / "next.key", certificate=folder / "next.pem", begins=clock.now() + timedelta(seconds=40)
        )
        stage = own.tuned("keys", receipt_next=following)
        with (
            wiring.running(stage.configuration, clock=clock) as (server, intake, background),
            Traffic(stages.Stand(stage, server, intake, background)).flowing() as traffic,
        ):
            traffic.more()
            assert {signer(receipt) for receipt in traffic.receipts} == {own.demo.receipt.der}
            clock.ahead = timedelta(seconds=45)
            until(lambda: signer(traffic.receipts[-1]) == new.der, "the successor signs")

    def test_a_receipt_asked_for_again_after_the_change_is_the_same_receipt_signed_by_the_new_key(self, own):
        message, answers = own.message(), []
        with own.running() as stand:
            for _ in range(2):
                with own.session() as session:
                    answers.append(session.post(stand.address(), data=message, headers={"Content-Type": "text/xml"}))
                put(own.data, "keys/receipt", receipt_key(own))
                looked(stand)
        first, second = (etree.fromstring(answer.content) for answer in answers)
        body = "{http://schemas.xmlsoap.org/soap/envelope/}Body"
        assert etree.tostring(first.find(body), method="c14n") == etree.tostring(second.find(body), method="c14n")
        assert signer(answers[0].content) != signer(answers[1].content)

    @pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.RSA_2048])
    def test_our_server_certificate(self, own, kind):
        profile = Profile(
            kind=kind, common_name="Ny", extended_key_usage=(SERVER_AUTH,), names=("localhost", "127.0.0.1", "::1")
        )
        new = issue(own.demo.server_authority, profile, now=datetime.now(UTC))
        with own.running() as stand, Traffic(stand).flowing() as traffic, stand.connected() as kept:
            traffic.more()
            put(own.data, "keys/server", new, "pem")
            looked(stand)  # only half of it is there
            traffic.more()
            assert set(traffic.shown) == {own.demo.server.der}
            put(own.data, "keys/server", new, "key")
            looked(stand)
            until(lambda: traffic.shown[-1] == new.der, "the new certificate is shown")
            count = len(traffic.shown)
            until(lambda: len(traffic.shown) > count + 6, "more connections")
            assert set(traffic.shown[count:]) == {new.der}  # never the old again, whatever the client prefers
            kept.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            assert stages.one(kept)[0].startswith(b"HTTP/1.1 200")

    def test_a_server_certificate_that_cannot_be_used_changes_nothing(self, own):
        with own.running() as stand, Traffic(stand).flowing() as traffic:
            for wrong in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
                (own.data / "keys/server.pem").write_bytes(wrong)
                looked(stand)
                traffic.more()
        assert set(traffic.shown) == {own.demo.server.der}


def agency(above, **changes):
    """Issue to Skatteverket: what it connects with, and what it signs with."""
    whose = {"organisation": "Skatteverket", "serial_numbers": (SKATTEVERKET,), "kind": KeyKind.P256} | changes
    now = datetime.now(UTC)
    tls = issue(above, replace(Profile(common_name="Skatteverket TLS ny"), **whose), now=now)
    return tls, issue(above, replace(SIGNER, common_name="Skatteverket signering ny", **whose), now=now)


def moved(traffic, tls, sign):
    """Let the partner go over to other certificates."""
    stage = traffic.stand.stage
    path = stage.data / f"partner-{tls.certificate.serial_number}.pem"
    path.write_bytes(tls.key_pem + tls.chain_pem)
    traffic.credential = str(path)
    stage.demo.clients["skatteverket"] = replace(stage.demo.clients["skatteverket"], sign=sign)


class TestTheirsIn:
    """What we see of partners when they call."""

    def test_a_partners_certificates_under_the_authority_we_know(self, own):
        with own.running() as stand, Traffic(stand).flowing() as traffic:
            traffic.more()
            moved(traffic, *agency(own.demo.agencies))
            traffic.more()

    def test_a_partners_authority(self, own):
        """Both are trusted before the partner changes, and the old one goes after: at no time does none hold."""
        now = datetime.now(UTC)
        root = issue(None, replace(AUTHORITY, common_name="Ny rot", path_length=1), now=now)
        below = issue(root, replace(AUTHORITY, common_name="Ny utfärdare", path_length=0), now=now)
        pki_ = own.data / "pki"
        lists = pki.crl(root, now=now) + pki.crl(below, now=now)
        before = {name: (pki_ / name).read_bytes() for name in ("agencies.pem", "intermediates.pem", "agencies.crl")}
        with own.running() as stand, Traffic(stand).flowing() as traffic:
            traffic.more()
            (pki_ / "agencies.crl").write_bytes(before["agencies.crl"] + lists)
            looked(stand)  # lists of an authority that nobody knows yet: refused whole
            traffic.more()
            (pki_ / "agencies.pem").write_bytes(before["agencies.pem"] + root.pem)
            (pki_ / "intermediates.pem").write_bytes(before["intermediates.pem"] + below.pem)
            looked(stand)
            traffic.more()
            moved(traffic, *agency(below))
            traffic.more()
            (pki_ / "agencies.crl").write_bytes(lists)
            looked(stand)  # the old authorities are there still, and have no lists any more
            traffic.more()
            (pki_ / "agencies.pem").write_bytes(root.pem)
            (pki_ / "intermediates.pem").write_bytes(below.pem)
            looked(stand)
            traffic.more()
            with pytest.raises(requests.ConnectionError):  # TLS itself lets nobody in under the old one
                sent(stand)
            (pki_ / "agencies.pem").write_bytes(before["agencies.pem"])  # for our own receipts, which are under it
            (pki_ / "intermediates.pem").write_bytes(before["intermediates.pem"])
            (pki_ / "agencies.crl").write_bytes(before["agencies.crl"])

    def test_an_authority_that_was_taken_away_lets_nobody_in_any_more(self, own):
        now = datetime.now(UTC)
        root = issue(None, replace(AUTHORITY, common_name="Ny rot", path_length=1), now=now)
        with own.running() as stand:
            assert sent(stand) == 200
            (own.data / "pki/agencies.pem").write_bytes(root.pem)
            (own.data / "pki/intermediates.pem").write_bytes(root.pem)
            (own.data / "pki/agencies.crl").write_bytes(pki.crl(root, now=now))
            looked(stand)
            with pytest.raises(requests.ConnectionError):
                sent(stand)


def sent(stand) -> int:
    with stand.stage.session() as session:
        answer = session.post(
            stand.address(), data=stand.stage.message(), headers={"Content-Type": "text/xml"}, timeout=20
        )
        return answer.status_code


class Noting(Door):
    """A far side's door that keeps what it was shown."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.shown: list[tuple[bytes, bytes]] = []

    def read(self, body, content_type, *, certificate, address, at):
        asked = super().read(body, content_type, certificate=certificate, address=address, at=at)
        self.shown.append((certificate, signer(body)))
        return asked


@dataclass
class Errands:
    """Commands that are given all the time."""

    abroad: Abroad
    sent: object
    given: list = field(default_factory=list)

    def some(self, count: int = 3) -> None:
        """Give some more and see them delivered, each at its first attempt."""
        fresh = [self.abroad.ask_navet() for _ in range(count)]
        self.sent.give(*fresh)
        self.sent.settle(*fresh)
        self.given += fresh
        for one in fresh:
            found = self.sent.of(one)
            assert (found.state, found.attempts) == (State.DELIVERED, 1), found
        (side,) = self.abroad.sides
        assert not side.books.refused


class TestOut:
    """What partners see of us when we call, and what we see of them."""

    @pytest.fixture
    def errands(self, tmp_path):
        abroad = Abroad(tmp_path)
        abroad.door = Noting(tmp_path, "2021005521", stages.ROOT / "schemas")
        first = abroad.ask_navet()
        with abroad.sending(give=False) as sent:
            sent.give(first)
            sent.settle(first)
            yield Errands(abroad, sent)
            assert not sent.alarms

    def test_our_client_certificate_and_our_signing_key(self, errands):
        abroad, sending = errands.abroad, errands.sent.background.sending
        whose = {"organisation": "Försäkringskassan", "serial_numbers": (OURSELVES,), "kind": KeyKind.P256}
        now = datetime.now(UTC)
        client = issue(abroad.demo.agencies, Profile(**whose, extended_key_usage=(CLIENT_AUTH,)), now=now)
        sign = issue(abroad.demo.agencies, replace(SIGNER, **whose), now=now)
        ours = (abroad.demo.client.der, abroad.demo.receipt.der)
        errands.some()
        assert set(abroad.door.shown) == {ours}
        put(abroad.folder, "keys/client", client, "key")
        put(abroad.folder, "keys/receipt", sign, "pem")
        with pytest.raises(Exception, match=r"keys\.client.*|receipt\.pem"):
            sending.renew()  # half of each
        errands.some()
        assert set(abroad.door.shown) == {ours}
        put(abroad.folder, "keys/client", client, "pem")
        put(abroad.folder, "keys/receipt", sign, "key")
        sending.renew()
        count = len(abroad.door.shown)
        errands.some()
        assert set(abroad.door.shown[count:]) == {(client.der, sign.der)}

    def test_one_that_is_wrong_does_not_hold_back_the_others(self, errands):
        abroad, sending = errands.abroad, errands.sent.background.sending
        whose = {"organisation": "Försäkringskassan", "serial_numbers": (OURSELVES,), "kind": KeyKind.P256}
        sign = issue(abroad.demo.agencies, replace(SIGNER, **whose), now=datetime.now(UTC))
        put(abroad.folder, "keys/receipt", sign)
        (abroad.folder / "pki/organisations.crl").write_bytes(b"text")
        with pytest.raises(Exception, match=r"organisations\.crl"):
            sending.renew()
        count = len(abroad.door.shown)
        errands.some()
        assert {signed for _, signed in abroad.door.shown[count:]} == {sign.der}

    def test_a_partners_signing_certificate_and_its_authority(self, errands):
        abroad, sending = errands.abroad, errands.sent.background.sending
        (side,) = abroad.sides
        now = datetime.now(UTC)
        errands.some()
        _, new = agency(abroad.demo.agencies)
        side._key = SigningKey(key=new.key, certificate=new.der)
        errands.some()
        root = issue(None, replace(AUTHORITY, common_name="Ny rot", path_length=0), now=now)
        pki_ = abroad.folder / "pki"
        for name, more in (("agencies.pem", root.pem), ("agencies.crl", pki.crl(root, now=now))):
            (pki_ / name).write_bytes((pki_ / name).read_bytes() + more)
        sending.renew()
        errands.some()
        _, new = agency(root)
        whose = {"organisation": "Skatteverket", "serial_numbers": (SKATTEVERKET,), "kind": KeyKind.P256}
        hosts = ("localhost", "127.0.0.1", "::1")
        server = issue(root, Profile(**whose, names=hosts, extended_key_usage=(SERVER_AUTH,)), now=now)
        side._key = SigningKey(key=new.key, certificate=new.der)
        side.keys = replace(side.keys, server=server, sign=new)
        side._contexts.clear()
        errands.some()

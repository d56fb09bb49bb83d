"""Whom the courier believes, as whom it comes, and what is certain when one of the two is refused."""

import contextlib
import dataclasses
import socket
import ssl
import threading
import time
import warnings
from datetime import UTC, datetime, timedelta

import pytest

from gateway import codes, config, endings, wiring
from gateway.adapters.registry import Registry
from gateway.dispatch import Break, Broken, Reply
from gateway.errors import ConfigError, PostponedError, UntrustedError
from gateway.partners import Endpoint
from gateway.transport import connection, tls
from gateway.trust import pki
from gateway.trust.issuing import CLIENT_AUTH, SERVER_AUTH, KeyKind, Profile, issue
from tests import calling
from tests.farside import FarSide, Held, answering
from tests.rules import ROOT

BOTH = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def only(version):
    def tune(context):
        context.minimum_version = context.maximum_version = version

    return tune


def no_tickets(context):
    context.num_tickets = 0


def refused(came: Reply | Broken, how: Break = Break.UNTRUSTED) -> str:
    assert isinstance(came, Broken), came
    assert came.how is how, came
    return came.detail


def dialled(country, far, **how) -> float:
    """Connect and close; return the seconds that it took."""
    context = tls.calling(country.read.gateway.keys, [country.folder / "pki" / "agencies.pem"])
    began = time.monotonic()
    connection.dial("localhost", far.port, context, **how).close()
    return time.monotonic() - began


@pytest.fixture(scope="module")
def servers(country):
    """Server certificates that the courier must not believe, and why."""
    made, day = country.authorities, timedelta(days=1)
    now = made.now
    return {
        "expired": (
            made.server("arbetsformedlingen", not_before=now - 9 * day, not_after=now - day),
            "certificate has expired",
        ),
        "not yet valid": (made.server("arbetsformedlingen", not_before=now + day), "certificate is not yet valid"),
        "another host": (made.server("arbetsformedlingen", names=("other.example",)), "Hostname mismatch"),
        "named by commonName alone": (
            made.server("arbetsformedlingen", names=(), common_name="localhost"),
            "Hostname mismatch",
        ),
        "a wildcard": (made.server("arbetsformedlingen", names=("*",)), "Hostname mismatch"),
        "a client's": (
            made.server("arbetsformedlingen", extended_key_usage=(CLIENT_AUTH,)),
            "unsuitable certificate purpose",
        ),
        "another partner's authority": (made.server("arbetsgivare"), "unable to get local issuer certificate"),
        "a stranger's": (
            made.server("arbetsformedlingen", under="strangers"),
            "unable to get local issuer certificate",
        ),
        "an authority of the same name": (
            made.server("arbetsformedlingen", under="lookalike"),
            "unable to get local issuer certificate",
        ),
        "self-signed": (
            issue(None, Profile(kind=KeyKind.P256, extended_key_usage=(SERVER_AUTH,), names=("localhost",)), now=now),
            "self-signed certificate",
        ),
    }


WRONG = [
    "expired",
    "not yet valid",
    "another host",
    "named by commonName alone",
    "a wildcard",
    "a client's",
    "another partner's authority",
    "a stranger's",
    "an authority of the same name",
    "self-signed",
]


class TestWhomWeBelieve:
    @pytest.mark.parametrize("how", WRONG)
    def test_a_wrong_certificate_is_refused_and_nothing_is_sent(self, country, servers, how):
        credential, why = servers[how]
        with country.calling(country.far(answering(), credential=credential)) as call:
            detail = refused(call.send())
            assert not call.far.requests
        assert detail.startswith("certificate: ")
        assert why in detail

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
    def test_the_host_may_be_a_name_or_an_address_that_the_certificate_has(self, country, host):
        far = country.far(answering(), host="::1" if host == "[::1]" else "127.0.0.1")
        with far:
            where = calling.endpoint(f"https://{host}:{far.port}/")
            courier = country.courier(where)
            assert isinstance(courier.send(calling.signed(), where), Reply)
            courier.close()

    def test_a_certificate_for_the_name_is_not_one_for_its_address(self, country):
        credential = country.authorities.server("arbetsformedlingen", names=("localhost",))
        with country.far(answering(), credential=credential) as far:
            where = calling.endpoint(f"https://127.0.0.1:{far.port}/")
            assert "IP address mismatch" in refused(country.courier(where).send(calling.signed(), where))

    def test_no_setting_of_an_endpoint_lets_another_host_pass(self, country, servers):
        credential, _ = servers["another host"]
        changed = {
            "organisation": "2021002114",
            "anchors": (country.folder / "pki" / "agencies.pem",),
            "connect_timeout": 9, "read_timeout": 9, "total_timeout": 9, "answer_limit": 4096, "concurrent": 9,
            "first_pause": 9, "longest_pause": 9, "breaker_failures": 9, "breaker_rest": 9,
            "settings": {"check_hostname": "false", "verify": "false"},
        }  # fmt: skip
        assert {*changed, "address", "contracts", "maintenance"} == {*Endpoint.model_fields}
        for name, value in changed.items():
            with country.calling(country.far(answering(), credential=credential), **{name: value}) as call:
                assert "Hostname mismatch" in refused(call.send()), name

    def test_the_context_checks_names_and_certificates(self, country):
        context = tls.calling(country.read.gateway.keys, [country.folder / "pki" / "agencies.pem"])
        assert context.check_hostname
        assert not context.hostname_checks_common_name
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert not context.post_handshake_auth
        for cipher in context.get_ciphers():
            assert cipher["aead"]
            assert cipher["protocol"] == "TLSv1.3" or cipher["name"].startswith("ECDHE")

    @pytest.mark.parametrize("name", ["agencies.pem", "intermediates.pem"])
    def test_an_anchor_may_be_a_root_or_an_issuing_authority(self, country, name):
        anchors = (country.folder / "pki" / name,)
        with country.calling(country.far(answering()), anchors=anchors) as call:
            assert isinstance(call.send(), Reply)

    def test_a_server_may_leave_out_an_issuing_authority_that_the_partners_file_names(self, country):
        # A server of OpenSSL's adds what it can find among its own authorities: so it believes the root alone.
        alone = {
            "credential": dataclasses.replace(country.server, issuers=()),
            "trusts": [country.authorities.roots["root"]],
        }
        with country.calling(country.far(answering(), **alone)) as call:
            assert isinstance(call.send(), Reply)
        root = (country.folder / "pki" / "agencies.pem",)
        with country.calling(country.far(answering(), **alone), anchors=root) as call:
            assert "unable to get local issuer certificate" in refused(call.send())

    def test_an_endpoints_own_authorities_take_the_place_of_the_partners(self, country):
        credential = country.authorities.server("arbetsformedlingen", under="organisations")
        anchors = (country.folder / "pki" / "organisations.pem",)
        with country.calling(country.far(answering(), credential=credential), anchors=anchors) as call:
            assert isinstance(call.send(), Reply)
        with country.calling(country.far(answering()), anchors=anchors) as call:
            refused(call.send())

    def test_what_the_system_believes_is_not_believed(self, country, servers, monkeypatch):
        credential, _ = servers["a stranger's"]
        bundle = country.folder / "system.pem"
        bundle.write_bytes(country.authorities.roots["strangers"].pem)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, str(bundle))
        with country.calling(country.far(answering(), credential=credential)) as call:
            refused(call.send())

    def test_a_revoked_certificate_is_told_and_judged_by_the_path(self, country):
        credential = country.authorities.server("arbetsformedlingen")
        country.authorities.revoke(credential)
        with country.calling(country.far(answering(), credential=credential)) as call:
            came = call.send()
        assert isinstance(came, Reply)
        assert came.peer == credential.der


class TestOldProtocols:
    def test_tls_1_1_is_refused(self, country):
        def old(context):
            context.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings(action="ignore"):  # Python's, about these very versions
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = ssl.TLSVersion.TLSv1_1

        with country.calling(country.far(answering(), tune=old)) as call:
            refused(call.send())

    def test_a_cipher_without_forward_secrecy_is_refused(self, country):
        def weak(context):
            only(ssl.TLSVersion.TLSv1_2)(context)
            context.set_ciphers("ECDHE-ECDSA-AES256-SHA384")

        with country.calling(country.far(answering(), tune=weak)) as call:
            refused(call.send())

    def test_a_server_without_tls_is_refused(self, country):
        with socket.create_server(("127.0.0.1", 0)) as plain:
            where = calling.endpoint(f"https://127.0.0.1:{plain.getsockname()[1]}/")

            def speak():
                line, _ = plain.accept()
                with line:
                    line.recv(65536)
                    line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            thread = threading.Thread(target=speak)
            thread.start()
            came = country.courier(where).send(calling.signed(), where)
            thread.join()
        refused(came)

    @pytest.mark.parametrize("version", BOTH, ids=lambda version: version.name)
    def test_both_versions_in_use_are_spoken(self, country, version):
        with country.calling(country.far(answering(), tune=only(version))) as call:
            assert isinstance(call.send(), Reply)


class TestOurCertificateIsRefused:
    """The far side believes another authority than the one that issued to us."""

    @pytest.fixture
    def elsewhere(self, country):
        return {"trusts": [country.authorities.roots["strangers"]]}

    def test_in_tls_1_2_and_it_is_certain_that_nothing_was_sent(self, country, elsewhere):
        far = country.far(answering(), tune=only(ssl.TLSVersion.TLSv1_2), **elsewhere)
        with country.calling(far) as call:
            assert "UNKNOWN_CA" in refused(call.send())
            assert not far.requests

    @pytest.mark.parametrize("tune", [lambda _: None, no_tickets], ids=["tickets", "no tickets"])
    def test_in_tls_1_3_and_it_is_certain_if_the_refusal_comes_in_time(self, country, elsewhere, tune):
        with country.far(answering(), tune=tune, **elsewhere) as far:
            with pytest.raises(PostponedError) as caught:
                dialled(country, far, timeout=20, settle=20)
            assert not far.requests
        assert caught.value.code is endings.UNTRUSTED
        assert "UNKNOWN_CA" in caught.value.detail

    def test_too_late_to_be_certain(self, country, elsewhere):
        with country.far(answering(), **elsewhere) as far, Held(far.port).running() as address:
            where = calling.endpoint(address)
            detail = refused(country.courier(where).send(calling.signed(), where), Break.LOST)
            assert "UNKNOWN_CA" in detail
            assert not far.requests

    def test_and_it_was_accepted_late_and_processed_and_lost(self, country):
        def script(line):
            line.request()
            line.reset()

        with country.far(script) as far, Held(far.port).running() as address:
            where = calling.endpoint(address)
            refused(country.courier(where).send(calling.signed(), where), Break.LOST)
            assert len(far.requests) == 1

    def test_a_server_without_tickets_costs_a_moment_for_each_connection_and_no_more(self, country):
        with country.calling(country.far(answering(), tune=no_tickets)) as call:
            assert isinstance(call.send(), Reply)
            assert isinstance(call.send(), Reply)
            assert call.far.connections == 1

    @pytest.mark.parametrize("end", ["finish", "vanish", "reset"])
    def test_a_server_that_ends_the_connection_instead_of_a_word_has_got_nothing(self, country, end):
        def script(line):
            getattr(line, end)()

        with country.far(script, tune=no_tickets) as far, pytest.raises(PostponedError) as caught:
            dialled(country, far, timeout=20, settle=20)
        assert caught.value.code is endings.UNTRUSTED
        assert caught.value.detail.startswith("after our certificate: ")

    def test_a_server_that_speaks_unasked_has_got_nothing(self, country):
        def script(line):
            line.answer(status=408)
            line.hold()

        with country.far(script, tune=no_tickets) as far, pytest.raises(PostponedError) as caught:
            dialled(country, far, timeout=20, settle=20)
        assert (caught.value.code, caught.value.detail) == (endings.UNREACHABLE, "the far side spoke unasked")


class TestTheMomentItself:
    def test_is_over_as_soon_as_the_far_side_has_given_a_ticket(self, country):
        with country.far(answering()) as far:
            assert dialled(country, far, timeout=60, settle=60) < 30

    def test_is_waited_for_where_there_is_no_ticket(self, country):
        with country.far(answering(), tune=no_tickets) as far:
            assert dialled(country, far, timeout=60, settle=0.2) >= 0.2

    def test_never_outlasts_the_connect_timeout(self, country):
        with country.far(answering(), tune=no_tickets) as far:
            assert dialled(country, far, timeout=0.5, settle=60) < 30


class TestTheHandshake:
    def test_that_trickles_is_ended_by_the_connect_timeout(self, country):
        ended = threading.Event()

        def trickle(listening):
            line, _ = listening.accept()
            with line, contextlib.suppress(OSError):
                line.recv(65536)
                line.sendall(b"\x16\x03\x03\x3f\xff\x02")  # a record of 16 KiB begins, with a ServerHello
                while not ended.wait(0.02):
                    line.sendall(b"\0")

        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=trickle, args=(listening,))
            thread.start()
            where = calling.endpoint(f"https://127.0.0.1:{listening.getsockname()[1]}/", connect_timeout=0.4)
            began = time.monotonic()
            detail = refused(country.courier(where).send(calling.signed(), where), Break.UNREACHABLE)
            assert time.monotonic() - began < 8
            ended.set()
            thread.join()
        assert detail == "TLS: took too long"


class TestWiring:
    @pytest.fixture
    def demo(self, tmp_path):
        made = pki.make(tmp_path, now=datetime.now(UTC), kind=KeyKind.P256)
        return made, config.load(ROOT / "config" / "gateway.toml", data=tmp_path)

    def test_makes_a_courier_from_the_configuration_as_it_stands(self, demo):
        made, read = demo
        client = made.clients["arbetsformedlingen"]
        with FarSide(client.server, trusts=[made.agencies], script=answering()) as far:
            where = calling.endpoint(far.address)
            courier = wiring.courier(
                read, Registry.load(ROOT / "schemas"), judge=calling.anybody, clock=wiring.SystemClock()
            )
            came = courier.send(calling.signed(), where)
            courier.close()
        assert isinstance(came, Reply)
        assert far.clients == [made.client.der]

    def test_refuses_a_key_that_everybody_may_read(self, demo):
        _, read = demo
        read.gateway.keys.client.chmod(0o644)
        with pytest.raises(ConfigError, match=r"keys\.client: .*chmod o="):
            wiring.courier(read, Registry.load(ROOT / "schemas"), judge=calling.anybody, clock=wiring.SystemClock())


class TestConfiguration:
    def test_without_a_client_key_nobody_can_be_called(self, country):
        where = calling.endpoint("https://localhost/")
        gateway = country.read.gateway
        keys = gateway.keys.model_copy(update={"client": None})
        read = country.configuration(where).model_copy(update={"gateway": gateway.model_copy(update={"keys": keys})})
        with pytest.raises(ConfigError, match=r"keys\.client"):
            calling.HttpCourier(read, country.bodies, judge=calling.anybody, clock=calling.Clock())

    @pytest.mark.parametrize("address", ["https://./", "https://a:99999/", "https://a:b:c/", f"https://{'a' * 64}/"])
    def test_an_address_that_names_no_host_or_port_is_a_wrong_configuration(self, country, address):
        with pytest.raises(ConfigError, match=r"\[\[endpoint\]\] address"):
            country.courier(calling.endpoint(address))

    def test_an_anchor_that_is_not_there_is_a_wrong_configuration(self, country, tmp_path):
        where = calling.endpoint("https://localhost/", anchors=(tmp_path / "none.pem",))
        with pytest.raises(ConfigError, match=r"none\.pem"):
            country.courier(where)


@pytest.mark.parametrize("kept", [False, True])
def test_a_certificate_that_is_not_the_recipients_gets_no_byte_of_the_message(country, kept):
    """Revoked or another organisation's: whoever TLS took is judged before anything is written, on every connection."""
    refuses = False

    def judge(peer, signed, endpoint, at):
        assert peer == country.server.der
        if refuses:
            raise UntrustedError(codes.CERT_REVOKED, "serial 1")

    with country.far(answering()) as far:
        where = calling.endpoint(far.address)
        courier = country.courier(where, judge=judge)
        call = calling.Call(courier=courier, endpoint=where, far=far)
        if kept:
            assert isinstance(call.send(), Reply)
        before, refuses = len(far.requests), True
        assert codes.CERT_REVOKED.name in refused(call.send())
        assert len(far.requests) == before
        refuses = False
        assert isinstance(call.send(), Reply)
        courier.close()

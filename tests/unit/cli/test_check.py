import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import main
from gateway.cli.check import Question, find
from gateway.cli.demo import clients, payloads
from gateway.cli.demo.cases import AF, AGI, FOLKBOKFORING, SJUKANMALAN
from gateway.cli.demo.persons import PERSONNUMMER, PROTECTED
from gateway.cli.offline import Desk
from gateway.message import SoapVersion
from gateway.trust import pki, signing
from tests.effort import effort
from tests.unit.cli.conftest import CONFIG

KEYS = ["verdict", "step", "code", "contract", "persons", "fields_withheld", "detail"]
TWICE = (
    "<agd:FranvaroDatum",
    '<agd:FranvaroDatum faltkod="821">2026-01-02</agd:FranvaroDatum><agd:FranvaroDatum',
)
"""Keeps the schema, which cannot count here, and breaks the contract's own rule."""


@pytest.fixture
def check(tmp_path):
    def run(content: str | bytes, *options: str) -> tuple[int, dict]:
        file = tmp_path / "message.xml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        result = CliRunner().invoke(main, ["check", str(file), "--json", *options])
        assert result.exit_code in {0, 1}, result.stderr
        found = json.loads(result.stdout)
        assert list(found) == KEYS
        assert (found["verdict"] == "accepted") == (result.exit_code == 0)
        for number in (*PERSONNUMMER, PROTECTED):
            assert number not in result.stdout
        return result.exit_code, found

    return run


@pytest.fixture
def authority(tmp_path, demo):
    file = tmp_path / "ca.pem"
    file.write_bytes(demo.agencies_root.pem + demo.agencies.pem)
    return str(file)


def af(person: str, calendar, **changes: str) -> str:
    return payloads.ersattningsstod(person, "T1", calendar, **changes)


# Bare payloads.


def test_a_right_payload_of_each_contract_is_accepted(check, calendar, declaration, notice):
    for contract, text, persons in (
        (FOLKBOKFORING, payloads.folkbokforing(PERSONNUMMER[:2], calendar), 2),
        (AGI, declaration, 3),
        (AF, af(PERSONNUMMER[0], calendar), 1),
        (SJUKANMALAN, notice, 1),
    ):
        _, found = check(text)
        assert (found["verdict"], found["step"], found["code"]) == ("accepted", None, None)
        assert (found["contract"], found["persons"]) == (contract, persons)
        assert "bare payload" in found["detail"]


def test_one_person_in_several_records_is_counted_once(check, calendar, demo):
    employer = demo.clients["arbetsgivare-a"].organisation
    one = PERSONNUMMER[:1]
    _, found = check(payloads.arbetsgivardeklaration(employer, calendar, incomes=one, absences=one))
    assert found["persons"] == 1


def test_withheld_fields_are_named_and_their_reasons_told(check, declaration):
    _, found = check(declaration)
    assert found["fields_withheld"] == ["arbetsgivare", "avdrPrelSkatt"]
    assert "avdrPrelSkatt FIELD_NOT_IN_BASIS" in found["detail"]
    assert "arbetsgivare PROTECTION_UNKNOWN" in found["detail"]


def test_a_marked_person_s_locating_fields_are_withheld_and_an_unmarked_one_s_are_not(check, calendar):
    text = payloads.folkbokforing([PROTECTED], calendar, protected=frozenset({PROTECTED}))
    _, found = check(text)
    assert found["fields_withheld"] == ["folkbokforingsadress", "kommun", "lan"]
    assert "PROTECTED_IDENTITY" in found["detail"]
    _, found = check(payloads.folkbokforing([PROTECTED], calendar))
    assert found["fields_withheld"] == []


def test_a_byte_order_mark_comments_and_another_prefix_do_not_matter(check, declaration):
    text = (
        declaration.replace("agd:", "x:")
        .replace("xmlns:agd", "xmlns:x")
        .replace("<x:Avsandare>", "<!-- a --><x:Avsandare>")
    )
    _, found = check("\ufeff" + text)
    assert found["verdict"] == "accepted"


@pytest.mark.parametrize(
    ("change", "step", "code"),
    [
        (("</Skatteverket>", ""), "parse", "GW-XML-SYNTAX"),
        (("<Skatteverket ", "<!DOCTYPE x><Skatteverket "), "parse", "GW-XML-DTD"),
        (("Skatteverket", "Skattemyndigheten"), "contract", "GW-CONTRACT-UNKNOWN"),
        ((' omrade="Arbetsgivardeklaration"', ""), "contract", "GW-CONTRACT-SCHEMA"),
        (TWICE, "contract", "GW-CONTRACT-CONTENT"),
        (
            ("</agd:Franvarouppgift>", "<agd:Diagnos>x</agd:Diagnos></agd:Franvarouppgift>"),
            "purpose",
            "GW-PURPOSE-QUARANTINED",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_payload_is_refused_with_step_and_code(check, declaration, change, step, code):
    _, found = check(declaration.replace(*change))
    assert (found["verdict"], found["step"], found["code"]) == ("refused", step, code)


def test_a_schema_fault_tells_its_line_and_no_value(check, declaration):
    _, found = check(declaration.replace("<agd:Period>", "\n<agd:Period>secret"))
    assert found["code"] == "GW-CONTRACT-SCHEMA"
    assert "line 2: Period" in found["detail"]
    assert "secret" not in json.dumps(found)


def test_a_cited_purpose_that_no_basis_has_is_refused(check, calendar):
    _, found = check(af(PERSONNUMMER[0], calendar, syfte="Forskning"))
    assert (found["step"], found["code"], found["persons"]) == ("purpose", "GW-PURPOSE-DENIED", 1)
    assert "CITED_BASIS_MISMATCH" in found["detail"]


def test_what_waits_for_a_person_is_accepted_and_said(check, calendar):
    syfte, lag = payloads.SYFTE_SFB, payloads.LAG_SFB_110_31
    _, found = check(af(PERSONNUMMER[0], calendar, syfte=syfte, lagparagraf=lag))
    assert found["verdict"] == "accepted"
    assert "1 record REFER (BALANCING_TEST_OPEN)" in found["detail"]


def test_the_law_is_that_of_the_day_asked_for(check, declaration):
    _, found = check(declaration, "--at", "2024-01-01")
    assert found["code"] == "GW-PURPOSE-DENIED"
    assert "BASIS_NOT_YET_VALID" in found["detail"]


def test_an_empty_file_and_a_too_large_one_are_refused_as_at_the_door(check):
    assert check(b"")[1]["code"] == "GW-HTTP-EMPTY"
    assert check(b" " * 200_000, "--contract", SJUKANMALAN)[1]["code"] == "GW-HTTP-TOO-LARGE"


# Whole envelopes.


def test_a_signed_envelope_is_accepted_under_its_ca(check, signed, authority):
    _, found = check(signed.body, "--trust", authority)
    assert (found["verdict"], found["contract"], found["persons"]) == ("accepted", AGI, 3)
    assert "NOT judged" not in found["detail"]
    assert "revocation was not checked" in found["detail"]


def test_without_a_ca_the_chain_is_not_judged_and_the_finding_says_so(check, signed):
    _, found = check(signed.body)
    assert found["verdict"] == "accepted"
    assert "chain was NOT judged" in found["detail"]


def test_an_employer_s_envelope_is_judged_for_its_own_organisation(check, demo, notice, tmp_path):
    ca = tmp_path / "organisations.pem"
    ca.write_bytes(demo.organisations.pem)
    own = clients.envelope(SJUKANMALAN, notice, clients.signing_key(demo.clients["arbetsgivare-a"].sign))
    assert check(own.body, "--trust", str(ca))[1]["verdict"] == "accepted"
    assert check(own.body)[1]["verdict"] == "accepted"
    other = clients.envelope(SJUKANMALAN, notice, clients.signing_key(demo.clients["arbetsgivare-b"].sign))
    assert check(other.body, "--trust", str(ca))[1]["code"] == "GW-CONTRACT-PAYLOAD-SIGNATURE"


def test_soap_1_2_is_judged_too(check, demo, declaration, authority):
    now = datetime.now(UTC)
    key = clients.signing_key(demo.clients["skatteverket"].sign)
    body = signing.sign(
        declaration, key=key, version=SoapVersion.SOAP_12, created=now, expires=now + timedelta(minutes=5)
    )
    assert check(body, "--trust", authority)[1]["verdict"] == "accepted"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b'faltkod="011">2', b'faltkod="011">3'), "GW-SIG-DIGEST"),
        ((b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA"), "GW-SIG-VALUE"),
        ((b"ecdsa-sha256", b"ecdsa-sha1"), "GW-SIG-ALGORITHM"),
        ((b"wsse:Security", b"wsse:Insecurity"), "GW-SIG-MISSING"),
        ((b"soap:Body", b"soap:Boddy"), "GW-SOAP-ENVELOPE"),
    ],
    ids=["digest", "value", "algorithm", "header", "body"],
)
def test_a_changed_envelope_is_refused_with_and_without_a_ca(check, signed, authority, change, code):
    changed = signed.body.replace(*change)
    assert changed != signed.body
    for options in ([], ["--trust", authority]):
        assert check(changed, *options)[1]["code"] == code


def test_freshness_is_judged_at_the_time_asked_for(check, signed):
    late = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    early = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    assert check(signed.body, "--at", late)[1]["code"] == "GW-TIME-STALE"
    assert check(signed.body, "--at", early)[1]["code"] == "GW-TIME-FUTURE"


def test_a_signer_under_another_ca_is_refused(check, signed, demo, tmp_path):
    ca = tmp_path / "strangers.pem"
    ca.write_bytes(demo.strangers.pem)
    assert check(signed.body, "--trust", str(ca))[1]["code"] == "GW-CERT-CHAIN"


def test_what_a_certificate_says_of_itself_is_judged_without_a_ca(check, demo, declaration):
    now = datetime.now(UTC)
    ours = {"organisation": "Skatteverket", "serial_numbers": ("162021005448",), "kind": pki.KeyKind.P256}

    def code(**changes: object) -> str:
        base = pki.SIGNER if "extended_key_usage" not in changes else pki.Profile()
        made = pki.issue(demo.agencies, replace(base, **{**ours, **changes}), now=now)
        return check(clients.envelope(AGI, declaration, clients.signing_key(made)).body)[1]["code"]

    assert code() is None
    assert code(not_after=now - timedelta(minutes=30)) == "GW-CERT-EXPIRED"
    assert code(not_before=now + timedelta(minutes=30)) == "GW-CERT-NOT-YET-VALID"
    assert code(key_usage=frozenset({"key_encipherment"})) == "GW-CERT-USAGE"
    assert code(extended_key_usage=(pki.SERVER_AUTH,)) == "GW-CERT-USAGE"
    assert code(serial_numbers=("162021002114",)) == "GW-CERT-SUBJECT"


def test_an_envelope_of_no_known_contract_is_refused(check):
    body = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><x/></s:Body></s:Envelope>'
    assert check(body)[1]["code"] == "GW-CONTRACT-UNKNOWN"
    assert check(body, "--contract", AGI)[1]["code"] == "GW-SIG-MISSING"


# Wrong use.


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-file.xml"],
        ["-", "--at", "yesterday"],
        ["-", "--at", "0001-01-01"],
        ["-", "--contract", "skatteverket/skatt"],
        ["-", "--trust", "no-such-ca.pem"],
        [],
    ],
    ids=["no file", "no time", "no such time", "no contract", "no ca", "nothing"],
)
def test_wrong_use_exits_2_and_prints_no_finding(arguments):
    result = CliRunner().invoke(main, ["check", *arguments], input="<x/>")
    assert result.exit_code == 2
    assert result.stdout == ""


def test_a_ca_file_that_is_none_is_wrong_use(check, signed, tmp_path):
    file = tmp_path / "message.xml"
    file.write_bytes(signed.body)
    for content in (b"no certificate", b""):
        wrong = tmp_path / "wrong.pem"
        wrong.write_bytes(content)
        result = CliRunner().invoke(main, ["check", str(file), "--trust", str(wrong)])
        assert result.exit_code == 2


def test_text_for_people_has_the_verdict_first_and_both_languages(tmp_path, declaration):
    file = tmp_path / "message.xml"
    file.write_text(declaration.replace(*TWICE), encoding="utf-8")
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == 1
    assert result.stdout.startswith("REFUSED")
    assert "GW-CONTRACT-CONTENT" in result.stdout
    assert "Innehållet följer schemat men inte" in result.stdout


@effort(150)
@given(cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=4))
def test_whatever_is_done_to_a_message_the_answer_is_a_finding(signed, declaration, cuts):
    desk = _desk()
    for body in (signed.body, declaration.encode()):
        broken = bytearray(body)
        for place, length, instead in cuts:
            at = int(place * len(broken))
            broken[at : at + length] = instead
        asked = Question(data=bytes(broken), contract=None, anchors=None, at=datetime.now(UTC))
        found = find(asked, desk).document()
        assert found["verdict"] in {"accepted", "refused"}
        assert (found["code"] is None) == (found["verdict"] == "accepted")


@cache
def _desk() -> Desk:
    return Desk.open(CONFIG)

"""Every row of the outcome model: how far sides say that something is wrong, and what it means."""

import pytest
from lxml import etree

from gateway import codes, endings
from gateway.dispatch import Break, Broken, Finding, Part, Result
from gateway.errors import (
    ContractError,
    MalformedError,
    PostponedError,
    PurposeError,
    RefusedError,
    UnavailableError,
    UncertainError,
)
from gateway.message import SoapVersion
from gateway.outbound import outcome
from gateway.outbound.states import TRANSITIONS, Happening, State
from gateway.soap import fault as our_faults
from tests.builders import NOON

V11, V12 = SoapVersion.SOAP_11, SoapVersion.SOAP_12


def untyped(detail, faultcode, status):
    del detail, faultcode, status


def fault_11(code, detail=""):
    return (
        f'<s:Fault xmlns:s="{V11}" xmlns:w="urn:w"><faultcode>{code}</faultcode><faultstring>Åsa 4711</faultstring>'
        f"{detail}</s:Fault>"
    )


def fault_12(code, subcode="", detail=""):
    inner = f"<s:Subcode><s:Value>{subcode}</s:Value></s:Subcode>" if subcode else ""
    return (
        f'<s:Fault xmlns:s="{V12}" xmlns:w="urn:w"><s:Code><s:Value>{code}</s:Value>{inner}</s:Code>'
        f'<s:Reason><s:Text xml:lang="sv">Åsa 4711</s:Text></s:Reason>{detail}</s:Fault>'
    )


def judged(text, version=V11, *, status=500, typed=untyped):
    found = outcome.fault(etree.fromstring(text), version)
    assert found is not None
    error = outcome.by_fault(found, status, typed)
    assert "4711" not in f"{error} {error.detail} {error.partner_code}"
    return type(error), error.code, error.partner_code


@pytest.mark.parametrize(
    ("how", "error", "code"),
    [
        (Break.UNREACHABLE, PostponedError, endings.UNREACHABLE),
        (Break.UNTRUSTED, PostponedError, endings.UNTRUSTED),
        (Break.LOST, UncertainError, endings.LOST),
        (Break.TOO_LARGE, UncertainError, endings.TOO_LARGE),
    ],
)
def test_a_connection_that_broke_before_the_first_byte_is_certain_and_after_it_is_not(how, error, code):
    found = outcome.broken(Broken(how=how, detail="x", at=NOON))
    assert (type(found), found.code, found.detail) == (error, code, "x")


def test_every_way_to_break_has_a_row():
    assert set(outcome.BROKEN) == set(Break)


@pytest.mark.parametrize(
    ("statuses", "error", "code"),
    [
        ((301, 302, 303, 307, 308), PostponedError, endings.ADDRESS),
        ((401, 403, 404, 405, 407, 410, 415, 421), PostponedError, endings.ADDRESS),
        ((408, 429, 503), PostponedError, endings.BUSY),
        ((413,), RefusedError, endings.REFUSED),
        ((502, 504), UncertainError, endings.LOST),
    ],
)
def test_a_status_that_decides_by_itself(statuses, error, code):
    for status in statuses:
        found = outcome.by_status(status)
        assert found is not None
        assert (type(found), found.code) == (error, code)


@pytest.mark.parametrize("status", [100, 200, 202, 204, 400, 402, 406, 409, 422, 500, 501, 505, 599])
def test_for_every_other_status_the_body_is_read(status):
    assert outcome.by_status(status) is None


def test_a_status_keeps_the_code_that_a_fault_beside_it_has():
    told = outcome.fault(etree.fromstring(fault_11("w:VP006")), V11)
    assert outcome.by_status(503, told).partner_code == "VP006"
    assert outcome.by_status(503).partner_code is None
    assert outcome.by_status(413).partner_code == "HTTP-413"


def test_what_is_no_envelope_is_uncertain_and_quotes_nothing():
    error = outcome.garbled(200, MalformedError(codes.XML_SYNTAX, "line 1 column 2"))
    assert (type(error), error.code) == (UncertainError, endings.GARBLED)
    assert error.detail == "HTTP 200: GW-XML-SYNTAX line 1 column 2"


@pytest.mark.parametrize(
    ("code", "error", "ending", "kept"),
    [
        ("s:Client", RefusedError, endings.REFUSED, "Client"),
        ("Client", RefusedError, endings.REFUSED, "Client"),
        ("soapenv:Client.Authentication", RefusedError, endings.REFUSED, "Client.Authentication"),
        ("s:VersionMismatch", RefusedError, endings.REFUSED, "VersionMismatch"),
        ("s:MustUnderstand", RefusedError, endings.REFUSED, "MustUnderstand"),
        ("s:Server", UncertainError, endings.FAULT, "Server"),
        ("s:Server.userException", UncertainError, endings.FAULT, "Server.userException"),
        ("w:VP009", UncertainError, endings.FAULT, "VP009"),
        ("w:FailedCheck", PostponedError, endings.BUSY, "FailedCheck"),
        ("w:MessageExpired", PostponedError, endings.BUSY, "MessageExpired"),
        ("Fel för Åsa", UncertainError, endings.FAULT, None),
        ("", UncertainError, endings.FAULT, None),
        ("x" * 65, UncertainError, endings.FAULT, None),
    ],
)
def test_a_fault_of_soap_11_is_judged_by_its_code(code, error, ending, kept):
    assert judged(fault_11(code)) == (error, ending, kept)


@pytest.mark.parametrize(
    ("code", "subcode", "error", "ending", "kept"),
    [
        ("s:Sender", "", RefusedError, endings.REFUSED, "Sender"),
        ("s:Sender", "w:InvalidMessage", RefusedError, endings.REFUSED, "InvalidMessage"),
        ("s:Sender", "w:FailedAuthentication", PostponedError, endings.BUSY, "FailedAuthentication"),
        ("s:Receiver", "", UncertainError, endings.FAULT, "Receiver"),
        ("s:Receiver", "w:Busy", UncertainError, endings.FAULT, "Busy"),
        ("s:DataEncodingUnknown", "", RefusedError, endings.REFUSED, "DataEncodingUnknown"),
        ("s:VersionMismatch", "", RefusedError, endings.REFUSED, "VersionMismatch"),
    ],
)
def test_a_fault_of_soap_12_is_judged_by_its_subcode_and_code(code, subcode, error, ending, kept):
    assert judged(fault_12(code, subcode), V12, status=400) == (error, ending, kept)


@pytest.mark.parametrize(
    ("finding", "error", "ending"),
    [
        (Finding.REFUSED, RefusedError, endings.REFUSED),
        (Finding.NOT_FOUND, RefusedError, endings.REFUSED),
        (Finding.TEMPORARY, PostponedError, endings.BUSY),
        (Finding.UNCLEAR, UncertainError, endings.FAULT),
        (Finding.DONE, UncertainError, endings.FAULT),
        (Finding.PARTIAL, UncertainError, endings.FAULT),
    ],
)
def test_a_typed_fault_is_judged_by_the_contract_and_proves_no_delivery(finding, error, ending):
    seen = []

    def typed(detail, faultcode, status):
        seen.append((etree.QName(detail).localname, faultcode, status))
        return Result(finding=finding, code="F-17")

    for text, version in (
        (fault_11("s:Server", "<detail><x>1</x></detail>"), V11),
        (fault_12("s:Receiver", "w:x", "<s:Detail><x>1</x></s:Detail>"), V12),
    ):
        assert judged(text, version, typed=typed) == (error, ending, "F-17")
    assert seen == [("detail", "Server", 500), ("Detail", "Receiver", 500)]


def test_a_typed_code_that_is_a_text_is_not_kept():
    assert (
        judged(fault_11("s:Client"), typed=lambda *_: Result(finding=Finding.REFUSED, code="Åsa 4711"))[2] == "Client"
    )


def test_a_fault_that_the_contract_cannot_read_is_a_plain_fault_and_spoils_nothing():
    def typed(*_):
        raise ContractError(codes.CONTRACT_CONTENT)

    assert judged(fault_11("s:Client"), typed=typed) == (RefusedError, endings.REFUSED, "Client")


@pytest.mark.parametrize("version", [V11, V12])
@pytest.mark.parametrize(
    ("code", "error"),
    [
        (codes.CONTRACT_SCHEMA, RefusedError),
        (codes.CONFLICT, RefusedError),
        (codes.PURPOSE_DENIED, RefusedError),
        (codes.STORE_UNAVAILABLE, PostponedError),
        (codes.OVERLOADED, PostponedError),
        (codes.SIG_VALUE, PostponedError),
        (codes.TIME_STALE, PostponedError),
        (codes.PEER_CERTIFICATE, PostponedError),
    ],
)
def test_a_fault_in_our_own_format_says_itself_whether_to_send_again(version, code, error):
    made = our_faults.fault(code, version=version, message_id="urn:x", reference=None)
    found = outcome.fault(etree.fromstring(made.body)[-1][0], version)
    judged_ = outcome.by_fault(found, made.status, untyped)
    assert (type(judged_), judged_.partner_code) == (error, code.name)


def test_under_an_answers_action_a_bare_code_is_not_believed_and_what_the_application_says_itself_is():
    bare = outcome.fault(etree.fromstring(fault_11("s:Client")), V11)
    found = outcome.by_fault(bare, 500, untyped, answered=True)
    assert (type(found), found.code, found.partner_code) == (UncertainError, endings.FAULT, "Client")
    made = our_faults.fault(codes.CONTRACT_SCHEMA, version=V11, message_id="urn:x", reference=None)
    own = outcome.fault(etree.fromstring(made.body)[-1][0], V11)
    assert type(outcome.by_fault(own, 500, untyped, answered=True)) is RefusedError


def test_what_is_no_fault_is_none():
    assert outcome.fault(etree.fromstring("<Fault/>"), V11) is None
    assert outcome.fault(etree.fromstring(f'<s:Fault xmlns:s="{V12}"/>'), V11) is None
    assert outcome.fault(etree.fromstring(f'<s:Fault xmlns:s="{V12}"/>'), V12).code == ""


@pytest.mark.parametrize(
    ("finding", "error", "ending"),
    [
        (Finding.DONE, None, None),
        (Finding.NOT_FOUND, None, None),
        (Finding.PARTIAL, None, None),
        (Finding.REFUSED, RefusedError, endings.REFUSED),
        (Finding.TEMPORARY, PostponedError, endings.BUSY),
        (Finding.UNCLEAR, UncertainError, endings.FAULT),
    ],
)
def test_a_business_error_in_an_http_200_is_judged_by_what_it_says(finding, error, ending):
    found = outcome.by_result(Result(finding=finding, code="felkod.7"))
    if error is None:
        assert found is None
    else:
        assert (type(found), found.code, found.partner_code) == (error, ending, "felkod.7")


def test_every_finding_has_a_row():
    for finding in Finding:
        outcome.by_result(Result(finding=finding))


def test_codes_are_kept_and_texts_are_not():
    result = Result(
        finding=Finding.PARTIAL,
        code="9071000",
        parts=(
            Part(name="AF", finding=Finding.DONE, code=None),
            Part(name="Åsa Testsson", finding=Finding.REFUSED, code="Personen Åsa saknas"),
        ),
    )
    assert outcome.cleaned(result) == Result(
        finding=Finding.PARTIAL,
        code="9071000",
        parts=(Part(name="AF", finding=Finding.DONE), Part(name="-", finding=Finding.REFUSED)),
    )


@pytest.mark.parametrize(
    ("error", "happening"),
    [
        (RefusedError(endings.REFUSED), Happening.REFUSE),
        (PostponedError(endings.BUSY), Happening.POSTPONE),
        (UncertainError(endings.LOST), Happening.LOSE),
        (ContractError(codes.CONTRACT_SCHEMA), Happening.SPOIL),
        (PurposeError(codes.PURPOSE_QUARANTINED), Happening.SPOIL),
        (UnavailableError(codes.STORE_UNAVAILABLE), None),
    ],
)
def test_every_error_is_one_happening_that_an_attempt_may_have(error, happening):
    assert outcome.happening(error) is happening
    if happening is not None:
        assert (State.SENDING, happening) in TRANSITIONS
        assert (State.RESENDING, happening) in TRANSITIONS

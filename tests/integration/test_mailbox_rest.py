"""The same mailbox by REST, held to its own document, with curl and xmlsec1."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta

import jsonschema
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree

from gateway.message import Protection
from tests import payloads
from tests.differential.oracles import XMLSEC1
from tests.integration import posted
from tests.integration import stage as stages
from tests.integration.posted import NAMESPACE, NOBODY, NS, SECRET, acknowledgement, digest, uuid
from tests.integration.stage import ROOT
from tests.integration.test_mailbox import fetching, known

A = "arbetsgivare-a"
OPENAPI = json.loads((ROOT / "schemas/api/mailbox.v1.json").read_text())


def listing() -> str:
    return f'<ListMessages xmlns="{NAMESPACE}"/>'


@pytest.fixture(scope="module")
def post(tmp_path_factory):
    """For tests that leave the clock alone."""
    with posted.opened(stages.make(tmp_path_factory.mktemp("post"))) as made:
        yield made


@pytest.fixture
def own(tmp_path):
    """For a mailbox that holds nothing else."""
    with posted.opened(stages.make(tmp_path)) as made:
        yield made


def test_the_same_by_rest_with_the_very_envelope_as_content(post):
    (dispatch,) = post.lay(A)
    employer = post.employer(A)
    (mine,) = [one for one in employer.get("").json()["messages"] if one["id"] == uuid(dispatch)]
    fetched = employer.session.get(post.stand.server.origin + mine["href"])
    assert fetched.content == employer.fetch(dispatch)
    assert fetched.headers["Content-Type"] == "text/xml; charset=utf-8"
    for _ in range(2):
        answer = employer.put(dispatch, employer.signed(acknowledgement(dispatch, digest(fetched.content))))
        assert answer.status_code == 200
        assert etree.fromstring(answer.content)[-1][0].tag == f"{NS}AcknowledgeMessageResponse"
    assert post.happened(dispatch) == ["compose", "deposit", "fetch", "fetch", "acknowledge"]
    assert employer.get(f"/{uuid(dispatch)}").status_code == 404


# --- What may not go any more is told from what was never there by nobody ---------------------------------------------


def ended_law(own: posted.Post) -> None:
    """Let the basis of the summons end yesterday, as a new register does."""
    read = own.stand.stage.configuration
    yesterday = own.clock.now().date() - timedelta(days=1)
    bases = tuple(
        one.model_copy(update={"giltig_tom": yesterday}) if one.id == "FK-KALLELSE-AG-01" else one for one in read.bases
    )
    own.stand.intake.reload(read.model_copy(update={"bases": bases}))


CHANGES = {
    "protected": lambda own: known(own, Protection.SEKRETESSMARKERING, 2),
    "skyddad": lambda own: known(own, Protection.SKYDDAD_FOLKBOKFORING, 2),
    "consent": lambda own: setattr(own.clock, "ahead", timedelta(days=3)),
    "law": ended_law,
}
"""What makes that it may not go, after it was laid."""
WAYS = {
    "get": lambda employer, one: employer.get(f"/{uuid(one)}"),
    "put": lambda employer, one: employer.put(one, employer.signed(acknowledgement(one, "0" * 64))),
    "after": lambda employer, one: employer.get(f"?after={uuid(one)}"),
    "soap fetch": lambda employer, one: employer.post(employer.signed(fetching(one))),
    "soap acknowledge": lambda employer, one: employer.post(employer.signed(acknowledgement(one, "0" * 64))),
    "soap after": lambda employer, one: employer.post(
        employer.signed(f'<ListMessages xmlns="{NAMESPACE}"><After>{one}</After></ListMessages>')
    ),
}
"""Everything that names an id."""


def shape(answer: requests.Response) -> tuple[object, ...]:
    """All that an answer tells, less what differs between any two: its time, and the reference of its refusal."""
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "date"}
    return answer.status_code, answer.reason, headers, re.sub(r"[0-9a-f]{32}", "-", answer.text)


def listed(employer: posted.Employer) -> tuple[object, ...]:
    """All that a list tells, less its time and signature."""
    answer = employer.get("")
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in {"date", "x-jws-signature"}}
    return answer.status_code, headers, {**answer.json(), "at": "-"}


@pytest.mark.parametrize("why", CHANGES)
def test_what_may_not_go_any_more_is_as_what_was_never_there_whichever_way_it_is_asked_for(own, why):
    known(own, Protection.NONE, 1)
    employer, until = own.employer(A), own.clock.now().date() + timedelta(days=1)
    never = listed(employer)
    laid = {way: own.lay(A, consent=until)[0] for way in [*WAYS, "list"]}
    assert listed(employer) != never
    CHANGES[why](own)
    for way, dispatch in laid.items():
        if way in WAYS:
            first = shape(WAYS[way](employer, dispatch))
            assert first == shape(WAYS[way](employer, NOBODY)), way
            assert "GW-MAILBOX-UNKNOWN" in str(first)
        else:
            assert listed(employer) == never
            assert employer.list() == []
        assert own.happened(dispatch) == ["compose", "deposit", "withdraw"], way
    for dispatch in laid.values():
        for way, asked in WAYS.items():
            assert shape(asked(employer, dispatch)) == shape(asked(employer, NOBODY)), way
    assert {tuple(own.happened(one)) for one in laid.values()} == {("compose", "deposit", "withdraw")}


def test_what_may_still_go_is_listed_and_acknowledging_it_unread_says_that_it_is_there(own):
    known(own, Protection.NONE, 1)
    (dispatch,) = own.lay(A)
    employer = own.employer(A)
    assert [one["id"] for one in employer.get("").json()["messages"]] == [uuid(dispatch)]
    assert WAYS["put"](employer, dispatch).json()["code"] == "GW-MAILBOX-UNFETCHED"
    assert WAYS["after"](employer, dispatch).status_code == 200
    assert own.happened(dispatch) == ["compose", "deposit"]


def test_what_was_fetched_before_is_listed_and_acknowledged_though_the_person_is_protected_since(own):
    known(own, Protection.NONE, 1)
    (dispatch,) = own.lay(A)
    employer = own.employer(A)
    envelope = employer.get(f"/{uuid(dispatch)}").content
    known(own, Protection.SEKRETESSMARKERING, 2)
    assert [one["id"] for one in employer.get("").json()["messages"]] == [uuid(dispatch)]
    right = acknowledgement(dispatch, digest(envelope))
    assert employer.put(dispatch, employer.signed(right)).status_code == 200
    assert WAYS["after"](employer, dispatch).status_code == 200, "a list goes on after what was acknowledged"


def test_what_was_withdrawn_and_what_was_never_there_are_the_same_work(own):
    known(own, Protection.NONE, 1)
    (dispatch,) = own.lay(A)
    known(own, Protection.SEKRETESSMARKERING, 2)
    employer = own.employer(A)
    WAYS["get"](employer, dispatch)
    assert own.happened(dispatch) == ["compose", "deposit", "withdraw"]
    (session,) = own.stand.intake.mailboxes._sessions._idle
    for way, asks in WAYS.items():
        asked: dict[str, list[str]] = {}
        for one in (dispatch, NOBODY):
            said = asked[one] = list[str]()
            session.connection.set_trace_callback(lambda sql, said=said, one=one: said.append(sql.replace(one, "-")))
            asks(employer, one)
            session.connection.set_trace_callback(None)
        assert asked[dispatch] == asked[NOBODY], way
        assert [asked[dispatch][0], asked[dispatch][-1]] == ["BEGIN", "ROLLBACK"]


def test_the_list_is_signed_beside_it_with_the_certificate_of_our_receipts(post):
    post.lay(A)
    answer = post.employer(A).get("")
    head, nothing, signature = answer.headers["x-jws-signature"].split(".")
    header = json.loads(_decoded(head))
    assert (nothing, header["alg"]) == ("", "ES256")
    der = b64decode(header["x5c"][0])
    keys = post.stand.stage.configuration.gateway.keys
    assert x509.load_der_x509_certificate(der) == x509.load_pem_x509_certificate(keys.receipt_certificate.read_bytes())
    value = _decoded(signature)
    signed = f"{head}.{_encoded(answer.content)}".encode()
    dss = encode_dss_signature(int.from_bytes(value[:32]), int.from_bytes(value[32:]))
    x509.load_der_x509_certificate(der).public_key().verify(dss, signed, ECDSA(SHA256()))


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_list_goes_on_where_next_says(own):
    laid = [own.lay(A)[0] for _ in range(3)]
    employer, seen, path = own.employer(A), [], "?limit=2"
    while path is not None:
        page = employer.get(path).json()
        seen += [one["id"] for one in page["messages"]]
        path = page["next"] and page["next"].removeprefix("/api/v1/mailbox")
    assert seen == [uuid(one) for one in laid]


def schema(of: dict) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**of, "components": OPENAPI["components"]})


def resolved(one: dict) -> dict:
    return OPENAPI["components"]["responses"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one


def documented(path: str, method: str, answer: requests.Response) -> None:
    """Hold an answer to the document: status, headers, type and content."""
    said = resolved(OPENAPI["paths"][path][method]["responses"][str(answer.status_code)])
    for name in said.get("headers", {}):
        assert name in answer.headers
    content = {kind.partition(";")[0]: one for kind, one in said["content"].items()}
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind in content
    if kind.endswith("json"):
        schema(content[kind]["schema"]).validate(answer.json())


def test_every_answer_is_as_the_document_says(post):
    (dispatch,) = post.lay(A)
    employer, stranger = post.employer(A), post.employer("skatteverket")
    mailbox, one = "/api/v1/mailbox", "/api/v1/mailbox/{id}"
    documented(mailbox, "get", employer.get(""))
    documented(mailbox, "get", employer.get("?limit=1"))
    documented(mailbox, "get", employer.get("?limit=0"))
    documented(mailbox, "get", employer.get("?before=1"))
    documented(mailbox, "get", employer.get(f"?after={uuid(NOBODY)}"))
    documented(mailbox, "get", stranger.get(""))
    documented(mailbox, "get", employer.session.delete(f"{post.stand.server.origin}{mailbox}"))
    documented(one, "get", employer.get(f"/{uuid(NOBODY)}"))
    documented(one, "get", employer.get("/x"))
    put = f"{one}/acknowledgement"
    right = acknowledgement(dispatch, "0" * 64)
    documented(put, "put", employer.put(dispatch, employer.signed(right)))
    envelope = employer.get(f"/{uuid(dispatch)}")
    documented(one, "get", envelope)
    documented(put, "put", employer.put(dispatch, employer.signed(right)))
    documented(put, "put", employer.put(dispatch, b"{}", "application/json"))
    documented(put, "put", employer.put(dispatch, b"<x/>"))
    documented(put, "put", employer.put(dispatch, employer.signed(listing())))
    documented(put, "put", employer.put(NOBODY, employer.signed(acknowledgement(dispatch, digest(envelope.content)))))
    documented(put, "put", employer.put(dispatch, b"x" * 70000))
    documented(put, "put", employer.put(dispatch, employer.signed(acknowledgement(dispatch, digest(envelope.content)))))
    documented(
        put, "put", employer.session.get(f"{post.stand.server.origin}{mailbox}/{uuid(dispatch)}/acknowledgement")
    )


def test_the_document_is_served_and_names_every_address_there_is(post):
    served = post.employer(A).session.get(f"{post.stand.server.origin}/api/v1/openapi.json")
    assert served.json() == OPENAPI
    routes = {one.path for one in post.stand.intake.app.routes if one.path.startswith("/api/")}
    assert routes == set(OPENAPI["paths"])
    for path, methods in OPENAPI["paths"].items():
        address = post.stand.server.origin + path.replace("{id}", uuid(NOBODY))
        for method in ("get", "put", "post", "delete", "patch", "head"):
            answer = post.employer(A).session.request(method, address, data=b"")
            assert (answer.status_code == 405) == (method not in methods), (method, path)


def test_an_address_names_no_person(post):
    (dispatch,) = post.lay(A)
    text = post.employer(A).get("").text
    soap = post.employer(A).post(post.employer(A).signed(listing())).text
    for told in (text, soap):
        assert uuid(dispatch) in told
        assert payloads.PERSON not in told
        assert SECRET not in told
        assert "Testsson" not in told


@pytest.mark.parametrize("path", ["/", "//", "/x/y", "/x/acknowledgement/"])
def test_addresses_that_are_none_are_not_found(post, path):
    assert post.employer(A).get(path).status_code == 404


def test_curl_lists_and_fetches_and_xmlsec1_verifies_what_it_got(post, tmp_path):
    (dispatch,) = post.lay(A)
    stage = post.stand.stage
    certificate, key = stage.credential(A)
    authority = str(stage.data / "pki" / "server-ca.pem")

    def curl(path: str) -> bytes:
        address = f"{post.stand.server.origin}/api/v1/mailbox{path}"
        how = ["--silent", "--fail", "--cert", certificate, "--key", key, "--cacert", authority]
        return subprocess.run(["curl", *how, address], check=True, capture_output=True).stdout

    assert uuid(dispatch) in [one["id"] for one in json.loads(curl(""))["messages"]]
    XMLSEC1.verify(curl(f"/{uuid(dispatch)}"))

"""Employers fetch what waits for them, by SOAP and by REST, over real sockets and with tools that others wrote."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import zeep
from lxml import etree
from zeep.transports import Transport

from gateway import codes, endings, wiring
from gateway.audit import leaf
from gateway.database import Turn
from gateway.errors import UnavailableError
from gateway.message import NumberKind, Person, Protection, SoapVersion
from gateway.outbound.states import State
from gateway.sqlite import File
from gateway.store.place import DATABASE
from gateway.store.rows import LEARN, LEARNED, RANK
from gateway.transport.desk import QUEUED
from gateway.wiring.rules import sealer
from tests import payloads
from tests.differential.oracles import ORACLES
from tests.integration import posted
from tests.integration import stage as stages
from tests.integration.posted import NAMESPACE, NOBODY, NS, SECRET, WSA, acknowledgement, digest, uuid
from tests.integration.stage import FAULT, code
from tests.integration.test_front_description import Signing

A, B = "arbetsgivare-a", "arbetsgivare-b"
BOTH = pytest.mark.parametrize("version", list(SoapVersion), ids=["1.1", "1.2"])


@pytest.fixture(scope="module")
def post(tmp_path_factory):
    """For tests that leave the clock alone."""
    with posted.opened(stages.make(tmp_path_factory.mktemp("post"))) as made:
        yield made


@pytest.fixture
def own(tmp_path):
    """For tests that move the clock, or look into the store's file."""
    with posted.opened(stages.make(tmp_path)) as made:
        yield made


def listing() -> str:
    return f'<ListMessages xmlns="{NAMESPACE}"/>'


def fetching(dispatch: str) -> str:
    return f'<FetchMessage xmlns="{NAMESPACE}"><Id>{dispatch}</Id></FetchMessage>'


# --- SOAP -------------------------------------------------------------------------------------------------------------


@BOTH
def test_what_was_laid_is_listed_fetched_and_acknowledged(post, version):
    (dispatch,) = post.lay(A)
    employer = post.employer(A)
    listed = employer.soap(listing(), version=version)
    (mine,) = [one for one in listed.iter(f"{NS}Message") if one.findtext(f"{NS}Id") == dispatch]
    assert mine.findtext(f"{NS}Contract") == "forsakringskassan/avstamningsmote"
    envelope = b64decode(employer.soap(fetching(dispatch), version=version).findtext(f"{NS}Envelope"))
    assert SECRET.encode() in envelope
    answer = employer.soap(acknowledgement(dispatch, digest(envelope)), version=version)
    assert answer.tag == f"{NS}AcknowledgeMessageResponse"
    assert post.state(dispatch) is State.DELIVERED
    assert post.happened(dispatch) == ["compose", "deposit", "fetch", "acknowledge"]
    end = post.views.dispatch_leaves(dispatch)[-1]
    assert b64decode(answer.findtext(f"{NS}Leaf")) == end.hash


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda one: one.name)
def test_answers_and_the_envelope_itself_are_signed_as_others_verify(post, oracle):
    (dispatch,) = post.lay(A)
    employer = post.employer(A)
    for payload in (listing(), fetching(dispatch)):
        request = employer.signed(payload, message_id="urn:uuid:6b1f4a6e-0000-4000-8000-000000000001")
        answer = employer.post(request).content
        oracle.verify(answer)
        header = etree.fromstring(answer)[0]
        assert header.findtext(f"{WSA}RelatesTo") == "urn:uuid:6b1f4a6e-0000-4000-8000-000000000001"
    envelope = employer.fetch(dispatch)
    oracle.verify(envelope)
    assert etree.fromstring(envelope)[0].findtext(f"{WSA}MessageID") == dispatch


def test_fetching_twice_gives_the_same_bytes_and_both_are_in_the_timeline(post):
    (dispatch,) = post.lay(A)
    assert post.employer(A).fetch(dispatch) == post.employer(A).fetch(dispatch)
    assert post.happened(dispatch)[2:] == ["fetch", "fetch"]


def test_acknowledging_again_gives_the_same_answer_with_a_fresh_signature(post):
    (dispatch,) = post.lay(A)
    employer = post.employer(A)
    payload = acknowledgement(dispatch, digest(employer.fetch(dispatch)))
    first, second = (employer.post(employer.signed(payload)).content for _ in range(2))
    assert first != second
    inside = [etree.tostring(etree.fromstring(one)[-1][0]) for one in (first, second)]
    assert inside[0] == inside[1]
    assert post.happened(dispatch).count("acknowledge") == 1


def test_a_request_that_is_sent_again_as_it_was_changes_nothing_more(post):
    (dispatch,) = post.lay(A)
    employer = post.employer(A)
    request = employer.signed(acknowledgement(dispatch, digest(employer.fetch(dispatch))))
    answers = [etree.tostring(etree.fromstring(employer.post(request).content)[-1][0]) for _ in range(3)]
    assert len(set(answers)) == 1
    assert post.happened(dispatch).count("acknowledge") == 1


def test_the_partners_own_signed_bytes_are_kept_as_its_receipt(post):
    (dispatch,) = post.lay(A)
    employer = post.employer(A)
    request = employer.signed(acknowledgement(dispatch, digest(employer.fetch(dispatch))))
    assert employer.post(request).status_code == 200
    kept = post.views.sealed(dispatch)[-1]
    opened = sealer(post.stand.stage.configuration.gateway.keys).open(kept.sealed, [one.hash for one in kept.leaves])
    assert (kept.name, opened.evidence) == ("answer", request)
    record = json.loads(opened.records[0][1])
    assert (record["kind"], record["released"], record["answer"]) == (
        "end",
        "yes",
        hashlib.sha256(request).hexdigest(),
    )


def test_what_was_not_fetched_and_what_was_read_wrong_is_not_acknowledged(post):
    (dispatch,) = post.lay(A)
    employer = post.employer(A)
    wrong = employer.signed(acknowledgement(dispatch, "0" * 64))
    assert code(employer.post(wrong).content) == "GW-MAILBOX-UNFETCHED"
    employer.fetch(dispatch)
    assert code(employer.post(employer.signed(acknowledgement(dispatch, "0" * 64))).content) == "GW-MAILBOX-DIGEST"
    assert post.state(dispatch) is State.FETCHED


# --- whose ------------------------------------------------------------------------------------------------------------


def without_reference(answer: requests.Response) -> tuple[int, int, str]:
    text = re.sub(r"[0-9a-f]{32}", "-", answer.text)
    return answer.status_code, len(answer.content), text


@pytest.mark.parametrize("there", [True, False], ids=["another's", "nobody's"])
@pytest.mark.parametrize("way", ["fetch", "acknowledge", "after", "get", "put", "list"])
def test_another_employer_is_told_the_same_of_what_is_there_and_what_is_not(post, there, way):
    mine, theirs = post.lay(A, B)
    other, dispatch = post.employer(B), mine if there else NOBODY
    envelope = other.fetch(theirs)
    answers = {
        "fetch": lambda one: other.post(other.signed(fetching(one))),
        "acknowledge": lambda one: other.post(other.signed(acknowledgement(one, digest(envelope)))),
        "after": lambda one: other.post(
            other.signed(f'<ListMessages xmlns="{NAMESPACE}"><After>{one}</After></ListMessages>')
        ),
        "get": lambda one: other.get(f"/{uuid(one)}"),
        "put": lambda one: other.put(one, other.signed(acknowledgement(one, digest(envelope)))),
        "list": lambda one: other.get(f"?after={uuid(one)}"),
    }
    answer = answers[way](dispatch)
    expected = answers[way]("urn:uuid:11111111-0000-5000-8000-000000000000")
    assert without_reference(answer) == without_reference(expected)
    assert answer.status_code == (404 if way in {"get", "put", "list"} else 500)
    assert "GW-MAILBOX-UNKNOWN" in answer.text
    assert post.happened(mine) == ["compose", "deposit"]
    assert mine not in other.list()


def test_looking_for_others_mail_stands_in_the_log(post):
    (dispatch,) = post.lay(A)
    answer = post.employer(B).get(f"/{uuid(dispatch)}")
    reference = answer.json()["reference"]
    newest = max(post.views.refusals(), key=lambda one: one.number)
    assert newest.code == "GW-MAILBOX-UNKNOWN"
    session = post.stand.intake._place.open()
    (hashed,) = session.execute("SELECT hash FROM leaves WHERE position = ?", (newest.position,)).fetchone()
    session.close()
    assert hashed.hex().startswith(reference)


def test_the_envelope_of_one_signed_by_another_is_refused(post):
    (dispatch,) = post.lay(A)
    other = post.employer(B)
    stolen = post.employer(A).signed(fetching(dispatch))
    assert code(other.post(stolen).content) == "GW-SIGNER-PEER"
    assert other.put(dispatch, stolen).json()["code"] == "GW-SIGNER-PEER"
    assert post.happened(dispatch) == ["compose", "deposit"]


def test_who_has_no_mailbox_is_told_the_same_whatever_is_there(post):
    (dispatch,) = post.lay(A)
    stranger = post.employer("skatteverket")
    answers = [stranger.get(f"/{uuid(one)}") for one in (dispatch, NOBODY)] + [stranger.get("")]
    assert {one.text for one in answers} == {answers[0].text}
    assert {(one.status_code, one.json()["code"]) for one in answers} == {(403, "GW-PEER-UNKNOWN")}
    soap = stranger.post(post.employer(A).signed(fetching(dispatch)))
    assert (soap.status_code, code(soap.content)) == (403, "GW-PEER-CONTRACT")


def test_a_stranger_does_not_come_as_far_as_an_address(post):
    with pytest.raises(requests.exceptions.ConnectionError):
        post.employer("stranger").get("")


def test_a_partner_without_a_mailbox_has_no_such_address(post):
    employer = post.employer("skatteverket")
    answer = employer.post(employer.signed(listing()), partner="skatteverket")
    assert (answer.status_code, code(answer.content)) == (404, "GW-HTTP-PATH")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda body: body.replace(b"FetchMessage", b"AcknowledgeIt"), "GW-SIG-DIGEST"),
        (lambda body: re.sub(rb"<wsse:Security.*</wsse:Security>", b"", body), "GW-SIG-MISSING"),
        (lambda body: body[:-1], "GW-XML-SYNTAX"),
    ],
)
def test_a_request_that_is_not_signed_as_it_stands_is_refused(post, change, expected):
    (dispatch,) = post.lay(A)
    employer = post.employer(A)
    assert code(employer.post(change(employer.signed(fetching(dispatch)))).content) == expected
    assert post.happened(dispatch) == ["compose", "deposit"]


def test_an_old_request_is_refused(post):
    employer = post.employer(A)
    old = employer.signed(listing(), now=post.clock.now() - timedelta(minutes=7))
    assert code(employer.post(old).content) == "GW-TIME-STALE"


@pytest.mark.parametrize(
    ("payload", "more", "expected"),
    [
        (f'<ListMessages xmlns="{NAMESPACE}"><Limit>0</Limit></ListMessages>', {}, "GW-CONTRACT-SCHEMA"),
        (f'<ListMessages xmlns="{NAMESPACE}"><Limit>101</Limit></ListMessages>', {}, "GW-CONTRACT-SCHEMA"),
        (f'<FetchMessage xmlns="{NAMESPACE}"><Id>1</Id></FetchMessage>', {}, "GW-CONTRACT-SCHEMA"),
        (f'<EmptyMailbox xmlns="{NAMESPACE}"/>', {}, "GW-CONTRACT-UNKNOWN"),
        ('<ListMessages xmlns="urn:another"/>', {}, "GW-CONTRACT-UNKNOWN"),
        (payloads.folkbokforing(), {}, "GW-CONTRACT-UNKNOWN"),
        (f'<ListMessages xmlns="{NAMESPACE}"/>', {"action": f"{NAMESPACE}:FetchMessage"}, "GW-CONTRACT-ACTION"),
    ],
)
def test_what_is_not_the_contracts_is_refused(post, payload, more, expected):
    employer = post.employer(A)
    assert code(employer.post(employer.signed(payload, **more)).content) == expected


# --- stock clients ----------------------------------------------------------------------------------------------------


def test_zeep_builds_a_client_from_the_address_and_goes_all_the_way(post):
    (dispatch,) = post.lay(A)
    employer = post.employer(A)
    address = f"{post.stand.server.origin}/soap/arbetsgivare/brevlada"
    material = post.stand.stage.demo.clients[A].sign
    client = zeep.Client(f"{address}?wsdl", transport=Transport(session=employer.session), wsse=Signing(material))
    listed = client.service.ListMessages()
    assert dispatch in [one.Id for one in listed.Message]
    assert listed.More is False
    fetched = client.service.FetchMessage(Id=dispatch)
    told = {"_value_1": digest(fetched.Envelope), "algorithm": posted.SHA256}
    first = client.service.AcknowledgeMessage(Id=dispatch, Digest=told)
    assert first == client.service.AcknowledgeMessage(Id=dispatch, Digest=told)
    with pytest.raises(zeep.exceptions.Fault) as caught:
        client.service.FetchMessage(Id=dispatch)
    assert caught.value.detail.findtext(f".//{FAULT}Code") == "GW-MAILBOX-UNKNOWN"


# --- faults -----------------------------------------------------------------------------------------------------------


def failing(own: posted.Post, point: str, error: Exception) -> None:
    """Have the store fail once, when it comes to a point of its next write."""

    def fault(reached: str) -> None:
        if reached == point:
            own.stand.intake.mailboxes._dispatches._fault = lambda _point: None
            raise error

    own.stand.intake.mailboxes._dispatches._fault = fault


@pytest.mark.parametrize("point", ["commit", "committed"])
@pytest.mark.parametrize("rest", [True, False], ids=["rest", "soap"])
@pytest.mark.parametrize("error", [UnavailableError(codes.STORE_UNAVAILABLE), RuntimeError("a fault of ours")], ids=str)
def test_a_lost_answer_is_asked_for_again_and_is_the_same(own, point, rest, error):
    (dispatch,) = own.lay(A)
    employer = own.employer(A)

    def fetch():
        return employer.get(f"/{uuid(dispatch)}") if rest else employer.post(employer.signed(fetching(dispatch)))

    def acknowledge():
        request = employer.signed(acknowledgement(dispatch, told))
        return employer.put(dispatch, request) if rest else employer.post(request)

    failing(own, point, error)
    assert fetch().status_code == 503
    assert own.happened(dispatch)[2:] == (["fetch"] if point == "committed" else [])
    told = digest(employer.fetch(dispatch))
    failing(own, point, error)
    lost = acknowledge()
    assert (lost.status_code, lost.headers["Retry-After"]) == (503, "5")
    assert (own.state(dispatch) is State.DELIVERED) == (point == "committed")
    answers = [etree.tostring(etree.fromstring(acknowledge().content)[-1][0]) for _ in range(2)]
    assert answers[0] == answers[1]
    assert own.happened(dispatch).count("acknowledge") == 1
    assert ended(own, dispatch, State.DELIVERED)["state"] == "delivered"


def test_what_is_too_much_is_turned_away_and_nothing_has_happened(own):
    (dispatch,) = own.lay(A)
    employer, desk = own.employer(A), own.stand.intake.desk
    desk.pool.waiting = QUEUED
    for answer in (employer.get(f"/{uuid(dispatch)}"), employer.post(employer.signed(fetching(dispatch)))):
        assert (answer.status_code, "GW-UNAVAILABLE-OVERLOADED" in answer.text) == (503, True)
    desk.pool.waiting = 0
    assert own.happened(dispatch) == ["compose", "deposit"]
    assert employer.fetch(dispatch)


@pytest.mark.parametrize(
    ("method", "content", "content_type", "expected"),
    [
        ("POST", b"<x>" + b" " * 65536, "text/xml", (413, "GW-HTTP-TOO-LARGE")),
        ("POST", b"{}", "application/json", (415, "GW-HTTP-CONTENT-TYPE")),
        ("POST", b"", "text/xml", (400, "GW-HTTP-EMPTY")),
        ("PUT", b"<x/>", "text/xml", (405, "GW-HTTP-METHOD")),
        ("GET", b"", "text/xml", (405, "GW-HTTP-METHOD")),
    ],
)
def test_what_is_no_request_is_told_so_as_at_every_address(post, method, content, content_type, expected):
    address = f"{post.stand.server.origin}/soap/arbetsgivare/brevlada"
    answer = post.employer(A).session.request(method, address, data=content, headers={"Content-Type": content_type})
    assert (answer.status_code, code(answer.content)) == expected


# --- time -------------------------------------------------------------------------------------------------------------


def outcomes(own: posted.Post, dispatch: str) -> list[dict]:
    """Return what the asker has on its queue of a dispatch."""
    queues = wiring.queues(own.stand.stage.configuration, own.clock)
    try:
        found = [json.loads(one.body) for one in queues.peek("svar.rehabilitering")]
    finally:
        queues.close()
    return [one for one in found if one["dispatchid"] == dispatch]


def ended(own: posted.Post, dispatch: str, state: State) -> dict:
    """Wait until it stands there and the asker has been told."""
    own.stand.background.sending.dispatcher.wake()
    posted.waited_for(lambda: own.state(dispatch) is state)
    posted.waited_for(lambda: bool(outcomes(own, dispatch)))
    (told,) = outcomes(own, dispatch)
    return told["data"]


def known(own: posted.Post, protection: Protection, stated_at: int) -> None:
    """Have the folkbokföring say it of the person, as a notice that has just been accepted does."""
    secret = own.stand.intake.front.terms.rules.pseudonyms
    person = secret.of(Person(number=payloads.PERSON, kind=NumberKind.PERSONNUMMER, check_digit_valid=True))
    file = File(own.stand.stage.configuration.gateway.store.path / DATABASE)
    rank = RANK[protection]
    (revision,) = file.execute("SELECT coalesce(max(revision), 0) + 1 FROM protections").fetchone()
    with file.writing(Turn.JOURNAL):
        file.insert("protections", LEARNED, [(person, protection.value, rank, stated_at, revision)], LEARN)
    file.close()
    own.stand.intake.protections.refresh()
    posted.waited_for(lambda: own.stand.background.sending._protections.status(person) is protection)


def answered(own: posted.Post, dispatch: str) -> requests.Response:
    employer = own.employer(A)
    return employer.post(employer.signed(fetching(dispatch)))


@pytest.mark.parametrize("why", ["protected", "consent"])
def test_what_may_not_go_any_more_is_not_handed_out_and_the_asker_is_told(own, why):
    known(own, Protection.NONE, 1)
    (dispatch,) = own.lay(A, consent=own.clock.now().date() + timedelta(days=1))
    if why == "protected":
        known(own, Protection.SEKRETESSMARKERING, 2)
    else:
        own.clock.ahead = timedelta(days=3)
    answer = answered(own, dispatch)
    assert without_reference(answer) == without_reference(answered(own, posted.NOBODY)), "as what was never there"
    assert own.happened(dispatch) == ["compose", "deposit", "withdraw"]
    told = ended(own, dispatch, State.WITHDRAWN)
    assert told["state"] == "withdrawn"
    assert "PROTECTED" not in json.dumps(told)
    assert dispatch not in own.employer(A).list()
    kinds = [json.loads(one.entry)["kind"] for one in own.views.dispatch_leaves(dispatch)]
    assert kinds == ["intent", "end"]


def test_what_may_still_go_is_handed_out_as_before(own):
    known(own, Protection.NONE, 1)
    (dispatch,) = own.lay(A)
    assert posted.SECRET.encode() in own.employer(A).fetch(dispatch)
    known(own, Protection.SKYDDAD_FOLKBOKFORING, 2)
    assert answered(own, dispatch).status_code == 200, "whoever has it cannot be made not to"


def test_unread_for_five_days_it_is_nobodys_and_the_asker_is_told(own):
    (dispatch,) = own.lay(A)
    own.clock.ahead = timedelta(days=5, seconds=1)
    told = ended(own, dispatch, State.EXPIRED)
    assert (told["state"], told["code"]) == ("expired", endings.UNREAD.name)
    assert own.happened(dispatch) == ["compose", "deposit", "expire"]


def test_a_commands_own_end_comes_before_the_mailboxes(own):
    (dispatch,) = own.lay(A, life=timedelta(hours=1))
    own.clock.ahead = timedelta(hours=1, seconds=1)
    assert ended(own, dispatch, State.EXPIRED)["code"] == endings.UNREAD.name


def test_fetched_and_never_acknowledged_is_unresolved_and_the_asker_is_told(own):
    (dispatch,) = own.lay(A)
    own.employer(A).fetch(dispatch)
    own.clock.ahead = timedelta(days=5, seconds=1)
    told = ended(own, dispatch, State.UNRESOLVED)
    assert (told["state"], told["code"]) == ("unresolved", endings.UNRESOLVED.name)


def test_acknowledged_the_asker_is_told_once(own):
    (dispatch,) = own.lay(A)
    employer = own.employer(A)
    told = digest(employer.fetch(dispatch))
    for _ in range(2):
        employer.acknowledge(dispatch, told)
    assert ended(own, dispatch, State.DELIVERED)["code"] is None


def file(own: posted.Post) -> bytes:
    """Return every byte of the store: the file and what is still beside it."""
    folder = own.stand.stage.configuration.gateway.store.path
    return b"".join(path.read_bytes() for path in sorted(Path(folder).glob(f"{DATABASE}*")))


def test_after_its_retention_the_content_is_nowhere_and_what_was_disclosed_can_still_be_told(own):
    (dispatch,) = own.lay(A)
    employer = own.employer(A)
    employer.acknowledge(dispatch, digest(employer.fetch(dispatch)))
    before = {one.name: one for one in own.views.sealed(dispatch)}
    own.clock.ahead = timedelta(days=7) - timedelta(minutes=1)
    assert own.stand.background.emptying.step() == 0
    assert all(before[name].sealed.wrapped_key in file(own) for name in ("command", "payload", "envelope"))
    own.clock.ahead = timedelta(days=7, minutes=1)
    assert own.stand.background.emptying.step() == 1
    left = file(own)
    for name in ("command", "payload", "envelope"):
        assert before[name].sealed.wrapped_key not in left, name
        assert before[name].sealed.evidence[12:] not in left, name
    after = own.views.sealed(dispatch)
    assert [one.name for one in after] == ["", "answer"]
    seals = sealer(own.stand.stage.configuration.gateway.keys)
    opened = seals.open(after[0].sealed, [one.hash for one in after[0].leaves])
    ((salt, record),) = opened.records
    leaf.check(after[0].leaves[0].entry, salt=salt, record=record)
    said = json.loads(record)
    assert (said["kind"], said["organisation"], opened.evidence) == ("intent", "5560269986", b"")
    again = employer.acknowledge(dispatch, before_digest(own, dispatch))
    assert again.findtext(f"{NS}Id") == dispatch


def before_digest(own: posted.Post, dispatch: str) -> str:
    return own.views.timeline(dispatch)[0].digest


def test_a_server_that_stops_takes_no_more_requests(own):
    (dispatch,) = own.lay(A)
    employer = own.employer(A)
    own.stand.intake.front.draining = True
    rest, soap = employer.get(f"/{uuid(dispatch)}"), employer.post(employer.signed(fetching(dispatch)))
    assert (rest.status_code, rest.json()["code"], rest.headers["Retry-After"]) == (503, "GW-UNAVAILABLE-DRAINING", "5")
    assert (soap.status_code, code(soap.content)) == (503, "GW-UNAVAILABLE-DRAINING")
    assert own.happened(dispatch) == ["compose", "deposit"]

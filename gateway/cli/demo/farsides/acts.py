"""What a far side may do with a message: each a small function, that only speaks, or fails to.

What the gateway must make of each is in `table`.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from http import HTTPStatus

from gateway import codes
from gateway.cli.demo.farsides import replies
from gateway.cli.demo.farsides.call import Call
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.message import Outcome
from gateway.trust.receipt import LIFETIME

AFTER = 1
"""Seconds that a busy partner asks for."""
PACE = 0.02
"""Seconds between the bytes of one who drips."""
ENORMOUS = 4 * 1024 * 1024
"""Bytes: more than any endpoint's limit here."""
FELKOD = "00503"
"""Navet's own code in a fault. What its codes mean is not public; this one is made up."""


# --- what a right partner does ----------------------------------------------------------------------------------------


def right(call: Call) -> None:
    """Answer as agreed."""
    call.answer()


def partial(call: Call) -> None:
    """Take one record of two."""
    call.answer(replies.received(call.asked, call.at, Outcome.PERMIT, Outcome.DENY))


def waits(call: Call) -> None:
    """Take it, and leave it to a person there."""
    call.answer(replies.received(call.asked, call.at, Outcome.REFER))


# --- silence, and lines that break ------------------------------------------------------------------------------------


def slow(call: Call) -> None:
    """Say nothing, for longer than the read limit."""
    call.line.until_gone()


def dripping(call: Call) -> None:
    """Answer rightly, but a byte at a time, for longer than the total limit."""
    body = call.envelope()
    call.line.drip(call.head(len(body)) + body, PACE)


def dropped(call: Call) -> None:
    """Hang up without a word."""
    call.line.close()


def reset(call: Call) -> None:
    """Break the line."""
    call.line.reset()


def cut_short(call: Call) -> None:
    """Hang up in the middle of the answer."""
    body = call.envelope()
    call.line.write(call.head(len(body)) + body[: len(body) // 2])
    call.line.close()


def too_large(call: Call) -> None:
    """Answer without end."""
    call.line.write(call.head(ENORMOUS))
    call.line.write(b" " * ENORMOUS)


# --- what is no proof -------------------------------------------------------------------------------------------------


def wrong_signature(call: Call) -> None:
    """Change the answer after it was signed."""
    call.reply(call.envelope().replace(b"</soap:Body>", b" </soap:Body>").replace(b"2.0", b"2.1"))


def wrong_value(call: Call) -> None:
    """Sign, and spoil the signature's own value."""
    whole = call.envelope()
    at = whole.index(b"<ds:SignatureValue>") + len(b"<ds:SignatureValue>")
    call.reply(whole[:at] + (b"B" if whole[at : at + 1] == b"A" else b"A") + whole[at + 1 :])


def unsigned(call: Call) -> None:
    """Answer without a signature."""
    version = call.asked.provenance.version
    text = f'<s:Envelope xmlns:s="{version}"><s:Body>{call.payload}</s:Body></s:Envelope>'
    call.reply(text.encode())


def other_signer(call: Call) -> None:
    """Have another partner sign the answer."""
    call.answer(key=call.other)


def stale(call: Call) -> None:
    """Answer with what was signed an hour ago."""
    call.answer(created=call.at - timedelta(hours=1), expires=call.at + LIFETIME)


def unrelated(call: Call) -> None:
    """Say of no message that it is answered."""
    call.answer(relates_to=None)


def other_message(call: Call) -> None:
    """Answer another message."""
    call.answer(relates_to=uuid.uuid4().urn)


def other_receipt(call: Call) -> None:
    """Give the receipt of another message."""
    call.answer(replies.of_other_message(call.asked, call.at, uuid.uuid4().urn))


def other_content(call: Call) -> None:
    """Give a receipt for other content."""
    call.answer(replies.of_other_content(call.asked, call.at))


# --- what is no answer ------------------------------------------------------------------------------------------------


def garbage(call: Call) -> None:
    """Answer with bytes that are no XML."""
    call.reply(b"\x00\xff<<>>" * 20)


def page(call: Call) -> None:
    """Answer 200 with a web page."""
    _page(call, HTTPStatus.OK)


def page_404(call: Call) -> None:
    """Answer 404 with a web page."""
    _page(call, HTTPStatus.NOT_FOUND)


def page_500(call: Call) -> None:
    """Answer 500 with a web page."""
    _page(call, HTTPStatus.INTERNAL_SERVER_ERROR)


def _page(call: Call, status: int) -> None:
    call.reply(b"<!DOCTYPE html><html><body>Sidan</body></html>", status=status, kind="text/html; charset=utf-8")


def redirect(call: Call) -> None:
    """Send it elsewhere."""
    call.reply(b"", status=HTTPStatus.TEMPORARY_REDIRECT, headers=("Location: https://localhost:1/annan",))


def busy(call: Call) -> None:
    """Answer 503, with Retry-After."""
    headers = (f"Retry-After: {AFTER}",)
    call.reply(b"", status=HTTPStatus.SERVICE_UNAVAILABLE, kind="text/plain", headers=headers)


def lost_behind(call: Call) -> None:
    """Answer 504: somebody on the way has lost sight of it."""
    call.reply(b"", status=HTTPStatus.GATEWAY_TIMEOUT, kind="text/plain")


def right_as_500(call: Call) -> None:
    """Answer rightly, but with the status of a failure."""
    call.answer(status=HTTPStatus.INTERNAL_SERVER_ERROR)


# --- faults -----------------------------------------------------------------------------------------------------------


def server_fault(call: Call) -> None:
    """Answer with a Server fault that says no more."""
    call.fault("Server")


def client_fault(call: Call) -> None:
    """Answer with a Client fault that says no more."""
    call.fault("Client")


def typed_fault(call: Call) -> None:
    """Answer as Navet does: a Client fault with Felkod."""
    call.fault("Client", _felkod())


def typed_server_fault(call: Call) -> None:
    """Answer as Navet does: a Server fault with Felkod."""
    call.fault("Server", _felkod())


def _felkod() -> str:
    return f'<n:Fel xmlns:n="{replies.NAVET_NAMESPACE}"><n:Felkod>{FELKOD}</n:Felkod></n:Fel>'


def refused_at_the_door(call: Call) -> None:
    """Say in our own format that the signature was not accepted: a certificate mends it."""
    call.ours(codes.SIG_VALUE)


def refused_for_good(call: Call) -> None:
    """Say in our own format that the contract was broken."""
    call.ours(codes.CONTRACT_SCHEMA)


def cannot_now(call: Call) -> None:
    """Say in our own format that the store is away, and that it may be sent again."""
    call.ours(codes.STORE_UNAVAILABLE)


# --- genuine, and of no use -------------------------------------------------------------------------------------------


def refusal(call: Call) -> None:
    """Refuse in HTTP 200: a receipt that says it took nothing."""
    call.answer(replies.received(call.asked, call.at, Outcome.DENY))


def breaks_schema(call: Call) -> None:
    """Leave out what the contract needs."""
    call.answer(replies.broken(call.payload))


def other_person(call: Call) -> None:
    """Answer about somebody that nobody asked about."""
    call.answer(replies.of_other_person(call.asked, PERSONNUMMER[-1], call.at))


# --- what TLS is greeted with -----------------------------------------------------------------------------------------


def not_for_this_host(call: Call) -> None:
    """Show a certificate for another host."""
    call.line.close()  # no message comes on such a connection


def hung_up(call: Call) -> None:
    """Hang up before TLS."""
    call.line.close()  # as above


def other_organisation(call: Call) -> None:
    """Show a TLS certificate of another organisation."""
    call.line.close()  # as above

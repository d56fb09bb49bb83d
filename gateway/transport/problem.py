"""What is told of a failure to whoever speaks JSON: problem details (RFC 9457), with the codes of SOAP faults."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import orjson

from gateway.codes import Code
from gateway.transport.reply import RETRY_AFTER, Reply

PROBLEM: Final = "application/problem+json"
TYPE: Final = "urn:forsakringskassan:utbyte:problem:"


def told(  # noqa: PLR0913  # what a problem has
    code: Code,
    status: int,
    *,
    allow: str = "",
    reference: str | None = None,
    title: str = "",
    detail: str = "",
    retry: int = 0,
    close: bool = False,
) -> Reply:
    """Return problem details that tell a code, with the headers that HTTP asks for.

    Args:
        code: What is wrong.
        status: Of HTTP.
        allow: The methods that the address takes.
        reference: What to quote when calling us.
        title: In English, instead of the code's own.
        detail: In Swedish, likewise; holds nothing about a person.
        retry: Seconds after which it may be asked again; 0 where the status tells.
        close: True where the connection must not be used again.
    """
    problem = {
        "type": f"{TYPE}{code.name.lower()}",
        "title": title or code.english,
        "status": int(status),
        "detail": detail or code.swedish,
        "code": code.name,
        "step": code.step.value,
        "mender": code.mender.value,
        "resend": code.resend,
        "reference": reference,
    }
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if retry or status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = ((b"retry-after", b"%d" % retry if retry else RETRY_AFTER),)
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = ((b"allow", allow.encode("ascii")),)
    return Reply(status=int(status), content_type=PROBLEM, body=orjson.dumps(problem), headers=headers, close=close)

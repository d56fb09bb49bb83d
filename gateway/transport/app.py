"""The addresses, and what answers at them (Starlette, as raw routes: no request or response object in between)."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.routing import Route

from gateway import codes
from gateway.errors import GatewayError, MalformedError
from gateway.transport import body, description, reply
from gateway.transport.front import Front
from gateway.transport.health import Checks, Live, Ready
from gateway.transport.metrics import Metrics, Readings
from gateway.transport.reply import Receive, Scope, Send


class Unknown:
    """Every other address: a SOAP fault too, since it is a SOAP client that got it wrong."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 404 (ASGI)."""
        await reply.send(reply.refusal(codes.PATH, body.asked(scope["headers"]), close=True), send, more=True)
        await body.discard(receive)
        await reply.finish(send)


class Schema:
    """`GET /schemas/<path>`: where our WSDLs say their schemas are."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the schema, or 404 (ASGI)."""
        try:
            if scope["method"] != "GET":
                raise MalformedError(codes.METHOD)
            path = scope["path_params"]["path"]
            answer = description.answer(self._front.terms.descriptions.schema(path, description.origin(scope)))
        except GatewayError as error:
            answer = reply.refusal(error.code, body.asked(scope["headers"]), close=True)
        await reply.send(answer, send, more=answer.close)
        if answer.close:
            await body.discard(receive)
            await reply.finish(send)


def make(front: Front, checks: Checks, readings: Callable[[], Readings], *more: Route) -> Starlette:
    """Put the endpoints at their addresses, and before them those of `more`."""
    made = Starlette(
        routes=[
            *more,
            Route("/soap/{partner}/{contract}", endpoint=front),
            Route("/schemas/{path:path}", endpoint=Schema(front)),
            Route("/health/live", endpoint=Live()),
            Route("/health/ready", endpoint=Ready(front, checks)),
            Route("/metrics", endpoint=Metrics(readings)),
        ]
    )
    made.router.redirect_slashes = False
    made.router.default = Unknown()
    return made

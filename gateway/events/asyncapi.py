"""What may be received where: an AsyncAPI 3.0 document, made from the queues, the bases and the event schemas.

It is written from a consumer's side: every operation is `receive`. A channel is a logical queue of
`config/queues.toml`. On RabbitMQ it is divided into partitions (`gw.q.<queue>.00`, …); one person's events are always
in the same one. The client (`gateway.consumer`) reads them all, so they are one channel with a parameter.

What AsyncAPI has no word for stands in extensions, the same ones on channel and operation:

    x-purposes    the purposes the queue serves: a consumer declares one of them when it connects
    x-benefits    the benefits whose handling the queue is for; empty: it gets nothing that is locked to benefits
    x-retention   the gallring rules of the data on it
    x-bases       the legal bases that feed it
    x-queues      the names of the partitions on the broker
    x-delivery-limit    failed deliveries after which an event becomes a dead letter
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.config import Basis, Queue
from gateway.events import schemas
from gateway.events.compose import TYPE, Routes
from gateway.events.schemas import Json

VERSION = "3.0.0"
FILE = "asyncapi.json"
CONTENT_TYPE = "application/cloudevents+json"
_AMQP = "0.3.0"
"""Of the AMQP bindings (AsyncAPI bindings, amqp)."""
_SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"


def partitions(queue: Queue) -> list[str]:
    """Return the names of a queue's partitions on RabbitMQ: `gw.q.handlaggning.inkomst.00` and on."""
    return [f"gw.q.{queue.name}.{number:02d}" for number in range(queue.partitions)]


def build(queues: Sequence[Queue], bases: Iterable[Basis]) -> dict[str, Json]:
    """Return the document. Raises ConfigError where the queues and the bases do not fit together."""
    bases = tuple(bases)
    routes = Routes.build(queues, bases)
    fed = {queue.name: [basis for basis in bases if queue.name in routes.by_basis[basis.id].queues] for queue in queues}
    types = sorted({type_ for queue in queues for type_ in queue.types})
    return {
        "asyncapi": VERSION,
        "id": "urn:se:forsakringskassan:utbyte:handelser",
        "info": _INFO,
        "defaultContentType": CONTENT_TYPE,
        "servers": {"rabbitmq": _SERVER},
        "channels": {queue.name: _channel(queue, fed[queue.name]) for queue in queues},
        "operations": {f"receive.{queue.name}": _operation(queue, fed[queue.name]) for queue in queues},
        "components": {"messages": {_kind(type_): _message(type_) for type_ in types}, "securitySchemes": _SECURITY},
    }


_INFO: Json = {
    "title": "Försäkringskassans utbyte: händelser",
    "version": "1",
    "description": (
        "Uppgifter som andra myndigheter och arbetsgivare har lämnat, en händelse per person och uppgift. Varje kö har "
        "angivna ändamål, och den som läser anger ett av dem när den ansluter. Etiketterna i händelsen följer "
        "uppgifterna vidare. Händelser kommer minst en gång: känn igen dem på id. En persons händelser kommer i "
        "ordning, en i taget."
    ),
}
_SERVER: Json = {
    "host": "{vard}:{port}",
    "pathname": "/gateway",
    "protocol": "amqps",
    "protocolVersion": "0.9.1",
    "description": "RabbitMQ 3.10 eller senare. Adressen får ni av driften; pathname är den virtuella värden.",
    "variables": {
        "vard": {"default": "mq.example", "description": "En av klustrets noder."},
        "port": {"default": "5671", "description": "AMQP över TLS."},
    },
    "security": [
        {"$ref": "#/components/securitySchemes/certifikat"},
        {"$ref": "#/components/securitySchemes/losenord"},
    ],
}
_SECURITY: Json = {
    "certifikat": {
        "type": "X509",
        "description": "Klientcertifikat och SASL EXTERNAL: kontot är namnet i certifikatet. Så ska det vara i drift.",
    },
    "losenord": {"type": "plain", "description": "SASL PLAIN över TLS: användare och lösenordsfil. För prov."},
}


def _kind(type_: str) -> str:
    """Return the kind and version of a type: `inkomst.v1`."""
    return type_.removeprefix(f"{TYPE}.")


def _extensions(queue: Queue, bases: Sequence[Basis]) -> dict[str, Json]:
    return {
        "x-purposes": [*queue.purposes],
        "x-benefits": [*queue.benefits],
        "x-retention": sorted({basis.retention for basis in bases}),
        "x-bases": [basis.id for basis in bases],
    }


def _channel(queue: Queue, bases: Sequence[Basis]) -> Json:
    names = partitions(queue)
    numbers: list[Json] = [name[-2:] for name in names]
    address = f"gw.q.{queue.name}.{{partition}}"
    return {
        "address": address,
        "title": queue.name,
        "description": f"Ändamål: {', '.join(queue.purposes)}. Förmåner: {', '.join(queue.benefits) or 'inga låsta'}.",
        "servers": [{"$ref": "#/servers/rabbitmq"}],
        "messages": {_kind(type_): {"$ref": f"#/components/messages/{_kind(type_)}"} for type_ in queue.types},
        "parameters": {
            "partition": {
                "enum": numbers,
                "description": "Bestäms av personens pseudonym: en persons händelser ligger alltid i samma.",
            }
        },
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {
                    "name": address,
                    "durable": True,
                    "exclusive": False,
                    "autoDelete": False,
                    "vhost": "gateway",
                },
                "bindingVersion": _AMQP,
            }
        },
        **_extensions(queue, bases),
        "x-queues": [*names],
        "x-delivery-limit": queue.delivery_limit,
    }


def _operation(queue: Queue, bases: Sequence[Basis]) -> Json:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{queue.name}"},
        "title": f"Ta emot från {queue.name}",
        "description": (
            "Kvittera när arbetet är sparat, annars kommer händelsen igen. Efter "
            f"{queue.delivery_limit} omleveranser blir den ett dött brev."
        ),
        "messages": [{"$ref": f"#/channels/{queue.name}/messages/{_kind(type_)}"} for type_ in queue.types],
        "bindings": {"amqp": {"ack": True, "bindingVersion": _AMQP}},
        **_extensions(queue, bases),
    }


def _message(type_: str) -> Json:
    kind = _kind(type_).rpartition(".")[0]
    return {
        "name": type_,
        "title": kind,
        "summary": f"En uppgift av slaget {kind} om en person.",
        "contentType": CONTENT_TYPE,
        "headers": _headers(type_),
        "payload": {"schemaFormat": _SCHEMA_FORMAT, "schema": {"$ref": f"./{schemas.file_name(kind)}"}},
    }


def _headers(type_: str) -> Json:
    return {
        "type": "object",
        "required": ["ce-id", "ce-type", "ce-subject"],
        "properties": {
            "ce-id": {"type": "string", "description": "Händelsens id, som i kroppen."},
            "ce-type": {"const": type_},
            "ce-subject": {"type": "string", "description": "Personens pseudonym."},
            "x-gw-replay-of": {"type": "string", "description": "Numret på det döda brev som sänds igen."},
            "x-gw-replay-reason": {"type": "string", "description": "Varför det sänds igen."},
        },
    }

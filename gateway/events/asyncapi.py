"""What may be received where: an AsyncAPI 3.0 document, made from the queues, the bases and the event schemas.

It is written from our own systems' side: they receive from every queue but that of commands, to which they send. A
channel is a logical queue of `config/queues.toml`. On RabbitMQ it is divided into partitions (`gw.q.<queue>.00`, …);
one person's events are always in the same one. The client (`gateway.consumer`) reads them all, so they are one channel
with a parameter.

What AsyncAPI has no word for stands in extensions, the same ones on channel and operation:

    x-purposes    the purposes the queue serves: a consumer declares one of them when it connects
    x-benefits    the benefits whose handling the queue is for; empty: it gets nothing that is locked to benefits
    x-retention   the gallring rules of the data on it
    x-bases       the legal bases that feed it
    x-askers      the systems that the queue is for, where it holds what they were answered and what became of it
    x-queues      the names of the partitions on the broker
    x-delivery-limit    failed deliveries after which an event becomes a dead letter
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.config import Queue
from gateway.config.law import Basis
from gateway.events import schemas
from gateway.events.compose import COMMAND, OUTCOME, TYPE, Own, Routes, Serves, labelled
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


def build(
    queues: Sequence[Queue], bases: Iterable[Basis], own: Own | None = None, *, serves: Serves = labelled
) -> dict[str, Json]:
    """Return the document; `serves` as for `Routes.build`.

    Raises ConfigError where the queues and the bases do not fit together.
    """
    fed = _fed(queues, tuple(bases), own, serves)
    commands = None if own is None else own.commands
    askers = {queue.name: _askers(queue, own) for queue in queues}
    types = sorted({type_ for queue in queues for type_ in queue.types})
    return {
        "asyncapi": VERSION,
        "id": "urn:se:forsakringskassan:utbyte:handelser",
        "info": _INFO,
        "defaultContentType": CONTENT_TYPE,
        "servers": {"rabbitmq": _SERVER},
        "channels": {queue.name: _channel(queue, fed[queue.name]) | askers[queue.name] for queue in queues},
        "operations": {
            f"{action}.{queue.name}": _operation(queue, fed[queue.name], action) | askers[queue.name]
            for queue in queues
            for action in ("send" if queue.name == commands else "receive",)
        },
        "components": {"messages": {_kind(type_): _message(type_) for type_ in types}, "securitySchemes": _SECURITY},
    }


def _fed(queues: Sequence[Queue], bases: tuple[Basis, ...], own: Own | None, serves: Serves) -> dict[str, list[Basis]]:
    """Return queue -> the bases that feed it, in the file's order."""
    routes = Routes.build(queues, bases, own, serves=serves)
    every, bases = (routes.by_basis, *routes.by_asker.values()), tuple(schemas.widest(bases))
    return {
        queue.name: [
            basis for basis in bases if any(basis.id in by and queue.name in by[basis.id].queues for by in every)
        ]
        for queue in queues
    }


def _askers(queue: Queue, own: Own | None) -> dict[str, Json]:
    askers = [] if own is None else [asker.id for asker in own.askers.values() if asker.queue == queue.name]
    return {"x-askers": [*askers]} if askers else {}


_INFO: Json = {
    "title": "Försäkringskassans utbyte: händelser",
    "version": "1",
    "description": (
        "Uppgifter som andra myndigheter och arbetsgivare har lämnat, en händelse per person och uppgift; kommandon om "
        "vad som ska sändas eller frågas, och utfallet av dem. Varje kö har "
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


def _channel(queue: Queue, bases: Sequence[Basis]) -> dict[str, Json]:
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


def _operation(queue: Queue, bases: Sequence[Basis], action: str) -> dict[str, Json]:
    told: dict[str, Json] = _SENT if action == "send" else _received(queue)
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{queue.name}"},
        "title": f"{'Sänd till' if action == 'send' else 'Ta emot från'} {queue.name}",
        **told,
        "messages": [{"$ref": f"#/channels/{queue.name}/messages/{_kind(type_)}"} for type_ in queue.types],
        **_extensions(queue, bases),
    }


def _received(queue: Queue) -> dict[str, Json]:
    return {
        "description": (
            "Kvittera när arbetet är sparat, annars kommer händelsen igen. Efter "
            f"{queue.delivery_limit} omleveranser blir den ett dött brev."
        ),
        "bindings": {"amqp": {"ack": True, "bindingVersion": _AMQP}},
    }


_SENT: dict[str, Json] = {
    "description": (
        "Ett kommando får ett id som ni väljer; samma id är samma kommando. Vad det blev av det kommer som en händelse "
        "av typen utfall på er egen kö. Ett kommando som inte följer schemat blir ett dött brev."
    ),
    "bindings": {"amqp": {"mandatory": True, "deliveryMode": 2, "bindingVersion": _AMQP}},
}


def _message(type_: str) -> Json:
    kind = _kind(type_).rpartition(".")[0]
    return {
        "name": type_,
        "title": kind,
        "summary": _SUMMARIES.get(type_, f"En uppgift av slaget {kind} om en person."),
        "contentType": CONTENT_TYPE,
        "headers": _headers(type_),
        "payload": {"schemaFormat": _SCHEMA_FORMAT, "schema": {"$ref": f"./{schemas.file_name(kind)}"}},
    }


_SUMMARIES = {
    COMMAND: "Vad ett eget system vill ha sänt eller frågat, om en person.",
    OUTCOME: "Vad det blev av det som sändes eller frågades, för en mottagare.",
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

"""The AsyncAPI document says what the queues and the bases say, and every reference in it leads somewhere.

The specification's own JSON Schema is not here: no package for Python carries that of 3.0 (those named after AsyncAPI
have models of their own making, or 2.x), and it is not ours to copy. `ops/dev/contracts --official` fetches it through
npm, at a pinned version, and holds the document to it. Here stands what of it matters to us, by the specification's own
sections.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway import config
from gateway.adapters.registry import Registry
from gateway.broker.rabbitmq import topology
from gateway.config import Queue
from gateway.errors import ConfigError
from gateway.events import asyncapi, schemas
from gateway.events.compose import Own

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "schemas" / "events"
READ = config.load(ROOT / "config" / "gateway.toml")
DOCUMENT = json.loads((FOLDER / asyncapi.FILE).read_text(encoding="utf-8"))
OWN = Own.of(READ, Registry.load(READ.gateway.schemas).outgoing)
QUEUES = {queue.name: queue for queue in READ.queues}
EXTENSION = re.compile(r"^x-[\w.-]+$")

MEMBERS = {
    "document": ({"asyncapi", "info"}, {"id", "servers", "defaultContentType", "channels", "operations", "components"}),
    "info": ({"title", "version"}, {"description"}),
    "server": ({"host", "protocol"}, {"protocolVersion", "pathname", "description", "variables", "security"}),
    "channel": (set(), {"address", "messages", "title", "description", "servers", "parameters", "bindings"}),
    "operation": ({"action", "channel"}, {"title", "description", "messages", "bindings"}),
    "message": (set(), {"headers", "payload", "contentType", "name", "title", "summary"}),
    "components": (set(), {"messages", "securitySchemes"}),
}
"""AsyncAPI 3.0.0, the fixed fields of each object: required, and those of the others that we use."""


def keeps(value: dict, kind: str) -> bool:
    required, others = MEMBERS[kind]
    names = {name for name in value if not EXTENSION.match(name)}
    return required <= names <= required | others


def references(value: object) -> list[str]:
    found = []
    if isinstance(value, dict):
        found += [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        for inner in value.values():
            found += references(inner)
    elif isinstance(value, list):
        for inner in value:
            found += references(inner)
    return found


def resolved(reference: str, document: dict = DOCUMENT) -> object:
    """Follow a reference (RFC 6901), into another file of the folder too. Raises KeyError or FileNotFoundError."""
    file, _, pointer = reference.partition("#")
    place = json.loads((FOLDER / file).read_text(encoding="utf-8")) if file else document
    for part in pointer.split("/")[1:]:
        place = place[part.replace("~1", "/").replace("~0", "~")]
    return place


def test_the_committed_document_is_what_queues_and_bases_make():
    assert asyncapi.build(READ.queues, READ.bases, OWN) == DOCUMENT


def test_every_object_has_its_members_and_no_others():
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert keeps(DOCUMENT, "document")
    assert keeps(DOCUMENT["info"], "info")
    assert keeps(DOCUMENT["components"], "components")
    for kind, values in (
        ("server", DOCUMENT["servers"]),
        ("channel", DOCUMENT["channels"]),
        ("operation", DOCUMENT["operations"]),
        ("message", DOCUMENT["components"]["messages"]),
    ):
        assert values
        assert [name for name, value in values.items() if not keeps(value, kind)] == []


def test_names_are_what_the_specification_lets_names_be():
    for values in (DOCUMENT["servers"], DOCUMENT["channels"], *DOCUMENT["components"].values()):
        assert [name for name in values if not re.fullmatch(r"[A-Za-z0-9_.-]+", name)] == []


def test_every_reference_leads_somewhere():
    found = references(DOCUMENT)
    assert len(found) > 4 * len(QUEUES)
    for reference in found:
        assert isinstance(resolved(reference), dict), reference


def test_a_reference_to_nothing_would_be_seen():
    with pytest.raises(KeyError):
        resolved("#/channels/none")
    with pytest.raises(FileNotFoundError):
        resolved("./none.v1.json")


def test_every_queue_is_a_channel_that_is_received_from_but_that_of_commands_which_is_sent_to():
    assert DOCUMENT["channels"].keys() == QUEUES.keys()
    actions = {operation["channel"]["$ref"]: operation["action"] for operation in DOCUMENT["operations"].values()}
    assert len(DOCUMENT["operations"]) == len(QUEUES)
    assert actions == {f"#/channels/{name}": "send" if name == "utgaende.kommandon" else "receive" for name in QUEUES}


def test_what_an_asker_is_answered_stands_on_its_own_channel_and_says_whose_it_is():
    askers = {name: channel["x-askers"] for name, channel in DOCUMENT["channels"].items() if "x-askers" in channel}
    assert askers == {asker.queue: [asker.id] for asker in READ.askers.values()}
    assert DOCUMENT["channels"]["svar.rehabilitering"]["x-bases"] == ["SKV-PERSONPOST-01"]
    assert "SKV-PERSONPOST-01" not in DOCUMENT["channels"]["handlaggning.folkbokforing"]["x-bases"]
    assert DOCUMENT["channels"]["svar.kontroll"]["x-bases"] == []


@pytest.mark.parametrize("name", QUEUES)
def test_a_channel_says_what_its_queue_says(name):
    channel, queue = DOCUMENT["channels"][name], QUEUES[name]
    assert channel["x-purposes"] == list(queue.purposes)
    assert channel["x-benefits"] == list(queue.benefits)
    assert channel["x-delivery-limit"] == queue.delivery_limit
    assert {resolved(message["$ref"])["name"] for message in channel["messages"].values()} == set(queue.types)
    numbers = channel["parameters"]["partition"]["enum"]
    assert [channel["address"].replace("{partition}", number) for number in numbers] == channel["x-queues"]
    assert channel["bindings"]["amqp"]["queue"]["name"] == channel["address"]
    assert re.findall(r"\{(\w+)\}", channel["address"]) == list(channel["parameters"])


@pytest.mark.parametrize("name", QUEUES)
def test_a_channels_partitions_are_the_brokers_own(name):
    assert DOCUMENT["channels"][name]["x-queues"] == list(topology.partitions(QUEUES[name]))


@pytest.mark.parametrize("name", QUEUES)
def test_an_operation_handles_messages_of_its_channel_for_the_queues_purposes(name):
    action = "send" if name == OWN.commands else "receive"
    operation, channel = DOCUMENT["operations"][f"{action}.{name}"], DOCUMENT["channels"][name]
    assert {one["$ref"] for one in operation["messages"]} == {
        f"#/channels/{name}/messages/{message}" for message in channel["messages"]
    }
    assert operation["bindings"]["amqp"]["ack" if action == "receive" else "mandatory"] is True
    for extension in ("x-purposes", "x-benefits", "x-retention", "x-bases"):
        assert operation[extension] == channel[extension], extension


def test_a_channel_names_the_bases_that_feed_it_and_their_gallring():
    absence = DOCUMENT["channels"]["kontroll.foraldrapenning"]
    assert absence["x-bases"] == ["SKV-AGI-FRANVARO-01"]
    assert absence["x-retention"] == ["SFB 114:15"]
    unlocked = DOCUMENT["channels"]["handlaggning.aktivitetsstod"]
    assert unlocked["x-bases"] == ["AF-ERSATTNING-01", "AF-ALLMAN-01"]


def test_every_message_is_a_cloudevent_whose_schema_is_committed():
    for key, message in DOCUMENT["components"]["messages"].items():
        assert message["contentType"] == "application/cloudevents+json"
        schema = resolved(message["payload"]["schema"]["$ref"])
        assert schema["title"] == message["name"]
        assert message["name"].endswith(f".{key}")
        assert message["headers"]["properties"]["ce-type"] == {"const": message["name"]}


def test_servers_are_a_template_and_log_in_by_certificate_first():
    (server,) = DOCUMENT["servers"].values()
    assert (server["protocol"], server["protocolVersion"]) == ("amqps", "0.9.1")
    assert set(re.findall(r"\{(\w+)\}", server["host"])) == server["variables"].keys()
    ways = [resolved(one["$ref"]) for one in server["security"]]
    assert [way["type"] for way in ways] == ["X509", "plain"]
    assert "EXTERNAL" in ways[0]["description"]


def test_a_queue_with_more_partitions_gets_more_of_them():
    queues = [queue.model_copy(update={"partitions": 12}) for queue in READ.queues]
    built = asyncapi.build(queues, READ.bases, OWN)
    assert built["channels"]["kontroll.inkomst"]["x-queues"][-1] == "gw.q.kontroll.inkomst.11"


def test_a_queue_that_no_basis_feeds_is_a_fault_in_the_configuration():
    lone = Queue(
        name="ny", types=(next(iter(schemas_types())),), purposes=("fk:Statistik",), benefits=("bostadsbidrag",)
    )
    with pytest.raises(ConfigError, match="queue ny"):
        asyncapi.build([*READ.queues, lone], READ.bases, OWN)


def schemas_types() -> list[str]:
    return [f"{asyncapi.TYPE}.{kind}.v1" for kind in sorted({basis.kind for basis in READ.bases if basis.benefits})]


def test_the_documents_own_file_is_no_schema():
    assert asyncapi.FILE not in {schemas.file_name(basis.kind) for basis in READ.bases}

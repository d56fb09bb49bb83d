"""What a consumer may count on: one JSON Schema (draft 2020-12) for each type of event, made from the contracts.

Nothing here is written by hand for a kind. The envelope is what `compose` writes; the fields are those that a contract
declares (`FieldSpec`, with its `Shape`) *and* a basis lets pass: what no basis names can never be in an event, so it is
not in the schema. Where several bases are about one kind, each event holds only its own basis' fields, and the schema
says so. No field is required: protection and law may withhold any of them, and `withheld` tells which and why.

The schema is as strict as we are when we write: no other attributes, no other fields. A field more is a new contract or
basis and shows in the committed file; a changed meaning is a new type, `.v2`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gateway.config.law import Basis
from gateway.errors import ConfigError
from gateway.events.compose import TYPE, URN, event_type, source
from gateway.message import ContractId, FieldSpec, NumberKind, Protection, Rows, Shape

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | bool | None
Kinds = Mapping[ContractId, Mapping[str, Mapping[str, FieldSpec]]]
"""What every contract can tell, as `adapters.registry.Registry.kinds` gives it."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WORD = "[A-Za-z0-9][A-Za-z0-9:.-]*"
"""What ids in the configuration are made of."""
_COMMAND = "[A-Za-z0-9][A-Za-z0-9:._-]{0,99}"
"""What the ids of commands are made of (`outbound.commands`)."""
_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_MONTH = r"\d{4}-(0[1-9]|1[0-2])"
_LARGEST = 2**53 - 1
"""RFC 8785 section 3.2.2.3: beyond it numbers are not the same everywhere, and `compose` refuses them."""


def build(kinds: Kinds, bases: Iterable[Basis]) -> dict[str, dict[str, Json]]:
    """Return the schema of every kind that a basis lets in: kind -> JSON Schema. What goes out gives no event.

    Raises:
        ConfigError: a basis names a contract, kind or field that no contract declares.
    """
    by_kind: dict[str, list[Basis]] = {}
    for basis in bases:
        if basis.inward and basis.carried:
            by_kind.setdefault(basis.kind, []).append(basis)
    return {kind: _schema(kind, kinds, rows) for kind, rows in sorted(by_kind.items())}


def widest(bases: Iterable[Basis]) -> list[Basis]:
    """Return one basis of each id, with all that any of its versions lets through: events of them all come."""
    by_id: dict[str, Basis] = {}
    for basis in bases:
        other = by_id.get(basis.id)
        by_id[basis.id] = basis if other is None else _wider(other, basis)
    return list(by_id.values())


def _wider(one: Basis, other: Basis) -> Basis:
    locked = one.benefits is not None and other.benefits is not None
    return other.model_copy(
        update={
            "fields": tuple(dict.fromkeys(one.fields + other.fields)),
            "lagrum": tuple(dict.fromkeys(one.lagrum + other.lagrum)),
            "purposes": tuple(dict.fromkeys(one.purposes + other.purposes)),
            "benefits": tuple(dict.fromkeys((*(one.benefits or ()), *(other.benefits or ())))) if locked else None,
        }
    )


def file_name(kind: str) -> str:
    """Return the name of a kind's file in `schemas/events`: `inkomst.v1.json`."""
    return f"{event_type(kind).removeprefix(f'{TYPE}.')}.json"


def _schema(kind: str, kinds: Kinds, versions: Sequence[Basis]) -> dict[str, Json]:
    bases = widest(versions)
    declared = {basis.id: _declared(basis, kinds) for basis in bases}
    fields = {name: spec for basis in bases for name, spec in declared[basis.id].items()}
    withheld = sorted({name for basis in bases for name in _kind(basis, kinds)})
    attributes = _attributes(kind, bases)
    return {
        "$schema": DIALECT,
        "$id": f"{URN}:schema:{kind}:v1",
        "title": event_type(kind),
        "description": (
            f"En händelse av slaget {kind}: ett CloudEvent 1.0 (JSON) om en person, med etiketter för vad uppgifterna "
            "får användas till. Gjord ur kontrakt och rättsliga grunder; ändras inte för hand."
        ),
        "type": "object",
        "required": [*(name for name in attributes if name not in _OPTIONAL), "data"],
        "additionalProperties": False,
        "properties": {**attributes, "data": _data(kind, fields, withheld)},
        "allOf": [_only(basis, [one for one in versions if one.id == basis.id]) for basis in bases],
        "x-bases": {basis.id: _told(basis) for basis in bases},
        "$defs": {"person": _PERSON},
    }


def _declared(basis: Basis, kinds: Kinds) -> dict[str, FieldSpec]:
    found = _kind(basis, kinds)
    missing = [name for name in basis.fields if name not in found]
    if missing:
        raise ConfigError(f"basis {basis.id}: fields: {', '.join(missing)}: accepted are {', '.join(found)}")
    return {name: found[name] for name in sorted(basis.fields)}


def _kind(basis: Basis, kinds: Kinds) -> Mapping[str, FieldSpec]:
    found = None if basis.contract is None else kinds.get(basis.contract, {}).get(basis.kind)
    if found is None:
        raise ConfigError(f"basis {basis.id}: no contract {basis.contract} tells of {basis.kind}")
    return found


_OPTIONAL = frozenset({"benefits", "commandid", "collectedfor", "everprocessedfor"})


_UNTOLD = "Saknas i händelser från tidigare versioner: då är det inte känt."


def _attributes(kind: str, bases: Sequence[Basis]) -> dict[str, Json]:
    """Return the CloudEvents attributes and ours (see `compose`): all but `data`."""
    sources = sorted({source(basis) for basis in bases})
    asked = any(basis.direction == "inbound_answer" for basis in bases)
    command = {"commandid": _text("Kommandot som frågan ställdes med. Finns bara i svar på egna frågor.", _COMMAND)}
    return {
        "specversion": {"const": "1.0"},
        "id": _text("Samma vid varje försök: messageref och postens nummer.", r"[0-9a-f]{64}-[1-9]\d*"),
        "type": {"const": event_type(kind)},
        "source": {"enum": [*sources], "description": "Kontraktet, aldrig arbetsgivaren."},
        "subject": _text("Personens pseudonym: samma person, samma pseudonym.", "[0-9a-f]{32}"),
        "time": _text("När meddelandet togs emot, UTC.", _DAY + r"T\d{2}:\d{2}:\d{2}\.\d{3}Z"),
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"enum": [f"{place}:{kind}:v1" for place in sources]},
        "purposes": _several("Ändamål uppgifterna får användas för (SFB 114 kap.).", "fk:[A-Za-z]+"),
        "benefits": _several("Förmåner uppgifterna är låsta till. Saknas: ingen låsning.", "[a-z_]+"),
        "retention": _text("Gallringsregeln som följer uppgifterna.", None),
        "noonward": {"type": "boolean", "description": "Sant: får inte lämnas vidare utan nytt beslut."},
        "collectedfor": _several(f"Ändamål uppgifterna samlades in för. {_UNTOLD}", "fk:[A-Za-z]+"),
        "everprocessedfor": _several(
            f"Ändamål uppgifterna behandlas eller har behandlats för (SFB 114 kap. 11 §). {_UNTOLD}", "fk:[A-Za-z]+"
        ),
        "basis": {"enum": [basis.id for basis in bases], "description": "Grunden som släppte in uppgiften."},
        "lagrum": _several("id@version för varje paragraf.", f"{_WORD}@{_WORD}"),
        "protection": {"enum": [*Protection], "description": "Skyddad identitet enligt folkbokföringen."},
        "messageref": _text("Gemensamt för alla händelser ur ett meddelande.", "[0-9a-f]{64}"),
        "auditleaf": _text("Lövets hash i revisionsloggen, base64.", "[A-Za-z0-9+/]{43}="),
        **(command if asked else {}),
    }


_PERSON: Json = {
    "type": "object",
    "required": ["id", "kind", "checkDigitValid"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "minLength": 1, "description": "Tolv siffror när formen är känd, annars som skrivet."},
        "kind": {"enum": [*NumberKind]},
        "checkDigitValid": {"type": "boolean"},
    },
}


def _data(kind: str, fields: Mapping[str, FieldSpec], withheld: Sequence[str]) -> Json:
    return {
        "type": "object",
        "required": ["kind", "person", "fields", "withheld"],
        "additionalProperties": False,
        "properties": {
            "kind": {"const": kind},
            "person": {"$ref": "#/$defs/person"},
            "fields": {
                "type": "object",
                "description": "Bara det som grunden tillåter. Inget fält är säkert: se withheld.",
                "additionalProperties": False,
                "properties": {name: shaped(fields[name]) for name in sorted(fields)},
            },
            "withheld": {
                "type": "array",
                "description": "Fält som fanns i meddelandet men inte lämnas, och den fasta orsaken.",
                "items": {
                    "type": "object",
                    "required": ["field", "reason"],
                    "additionalProperties": False,
                    "properties": {
                        "field": {"enum": [*withheld]},
                        "reason": {"type": "string", "pattern": "^[A-Z_]+$"},
                    },
                },
            },
        },
    }


def shaped(spec: FieldSpec) -> dict[str, Json]:
    """Return the schema of one field's values."""
    marks: dict[str, Json] = {"x-category": spec.category, **({"x-locating": True} if spec.locating else {})}
    return {**_shaped(spec.shape), **marks}


_SHAPED: Mapping[Shape, dict[str, Json]] = {
    Shape.TEXT: {"type": "string"},
    Shape.WHOLE: {"type": "integer", "minimum": -_LARGEST, "maximum": _LARGEST},
    Shape.TRUTH: {"type": "boolean"},
    Shape.DAY: {"type": "string", "pattern": f"^{_DAY}$"},
    Shape.MONTH: {"type": "string", "pattern": f"^{_MONTH}$"},
    Shape.REDUCED: {"type": "string", "pattern": rf"^(\d{{4}}|{_MONTH}|{_DAY}|\d{{8}})$"},
    Shape.MOMENT: {"type": "string", "pattern": rf"^{_DAY}T\d{{2}}:\d{{2}}(:\d{{2}})?(Z|[+-]\d{{2}}:\d{{2}})$"},
}


def _shaped(shape: Shape | Rows) -> dict[str, Json]:
    if isinstance(shape, Shape):
        return _SHAPED[shape]
    row: Json = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _shaped(inner) for name, inner in sorted(shape.items())},
    }
    return {"type": "array", "minItems": 1, "items": row}


def _only(basis: Basis, versions: Sequence[Basis]) -> Json:
    """Hold an event to its own basis: its contract, the fields that it names, and whether benefits are locked.

    `basis` is the widest of the versions. Where only some of them lock, an event may be of either.
    """
    own: dict[str, Json] = {
        "source": {"const": source(basis)},
        "data": {"properties": {"fields": {"propertyNames": {"enum": sorted(basis.fields)}}}},
    }
    locked = {one.benefits is not None for one in versions}
    locks: dict[str, Json] = {"properties": own if True in locked else {**own, "benefits": False}}
    if locked == {True}:
        locks["required"] = ["benefits"]
    return {"if": {"properties": {"basis": {"const": basis.id}}, "required": ["basis"]}, "then": locks}


def _told(basis: Basis) -> Json:
    return {
        "contract": basis.contract,
        "lagrum": [*basis.lagrum],
        "purposes": [*basis.purposes],
        "benefits": None if basis.benefits is None else [*basis.benefits],
        "retention": basis.retention,
    }


def _text(description: str, pattern: str | None) -> Json:
    shape = {"minLength": 1} if pattern is None else {"pattern": f"^{pattern}$"}
    return {"type": "string", **shape, "description": description}


def _several(description: str, word: str) -> Json:
    return {"type": "string", "pattern": f"^{word}( {word})*$", "description": description}

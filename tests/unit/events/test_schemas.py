"""The committed schemas are those of the contracts, take every event there is, and nothing that is not one."""

from __future__ import annotations

import copy
import json
from datetime import date
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from gateway import config
from gateway.adapters.registry import Registry
from gateway.errors import ConfigError
from gateway.events import outcome, schemas
from gateway.events.compose import COMMAND, OUTCOME, TYPE
from gateway.message import Category, FieldSpec, Shape
from gateway.outbound import commands
from tests.golden.events import HERE
from tests.unit.privacy import statute

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "schemas" / "events"
READ = config.load(ROOT / "config" / "gateway.toml")


@cache
def kinds() -> schemas.Kinds:
    return Registry.load(READ.gateway.schemas).kinds()


@cache
def made() -> dict[str, dict]:
    return schemas.build(kinds(), READ.bases)


def committed(kind: str) -> dict:
    return json.loads((FOLDER / schemas.file_name(kind)).read_text(encoding="utf-8"))


def events() -> list[tuple[str, dict]]:
    """Return every golden event, by case and number."""
    found = []
    for path in sorted(HERE.rglob("*.event.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        for number, item in enumerate(told.get("events", ()), start=1):
            found.append((f"{path.parent.name}/{path.name.partition('.')[0]}-{number}", item["event"]))
    return found


GOLDEN = dict(events())
BY_KIND = {event["data"]["kind"]: event for event in GOLDEN.values()}


def validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(committed(kind))


def accepted(event: dict) -> bool:
    return validator(event["data"]["kind"]).is_valid(event)


def test_the_committed_files_are_what_the_contracts_and_bases_make():
    assert {kind: committed(kind) for kind in made()} == made()
    there = {path.name for path in FOLDER.glob("*.v1.json")}
    assert there == {schemas.file_name(kind) for kind in (*made(), "kommando", "utfall")}
    assert committed("utfall") == outcome.schema()
    assert committed("kommando") == {"$schema": schemas.DIALECT, **commands.schema(), "title": COMMAND}


def test_every_type_that_a_queue_has_is_described():
    types = {type_ for queue in READ.queues for type_ in queue.types}
    assert types == {schema["title"] for schema in made().values()} | {COMMAND, OUTCOME}
    for own in (COMMAND, OUTCOME):
        file = FOLDER / f"{own.removeprefix(f'{TYPE}.')}.json"
        assert json.loads(file.read_text(encoding="utf-8"))["title"] == own


def test_what_goes_out_gives_no_event_and_so_no_schema():
    going = {basis.kind for basis in READ.bases if not basis.inward}
    assert going
    assert not going & made().keys()


@pytest.mark.parametrize("kind", sorted(BY_KIND))
def test_each_is_a_json_schema_of_its_dialect(kind):
    schema = committed(kind)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


def test_every_kind_has_a_golden_event():
    assert BY_KIND.keys() == made().keys()


@pytest.mark.parametrize("case", GOLDEN)
def test_every_golden_event_keeps_its_schema(case):
    event = GOLDEN[case]
    faults = [f"{fault.json_path}: {fault.message}" for fault in validator(event["data"]["kind"]).iter_errors(event)]
    assert not faults


@pytest.mark.parametrize("case", GOLDEN)
def test_an_event_is_of_its_own_kind_only(case):
    event = GOLDEN[case]
    assert [kind for kind in made() if validator(kind).is_valid(event)] == [event["data"]["kind"]]


@pytest.mark.parametrize("kind", sorted(BY_KIND))
def test_no_attribute_may_be_missing(kind):
    # One is there only where a question of ours was answered, two came later than events that are still on their way.
    for name in set(BY_KIND[kind]) - {"commandid", "collectedfor", "everprocessedfor"}:
        event = copy.deepcopy(BY_KIND[kind])
        del event[name]
        assert not validator(kind).is_valid(event), name
    for name in BY_KIND[kind]["data"]:
        event = copy.deepcopy(BY_KIND[kind])
        del event["data"][name]
        assert not validator(kind).is_valid(event), name


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Return every place in an event, objects and lists too."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def put(event: dict, path: tuple, value: object) -> dict:
    changed = copy.deepcopy(event)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize("kind", sorted(BY_KIND))
@pytest.mark.parametrize("wrong", [None, 1.5, [], {}, [1], {"a": 1}], ids=repr)
def test_no_value_may_be_of_another_type(kind, wrong):
    whole = BY_KIND[kind]
    for path in places(whole):
        if wrong == [] and path == ("data", "withheld"):
            continue  # nothing is withheld
        if wrong == {} and path[:2] == ("data", "fields") and len(path) in {2, 4}:
            continue  # no field at all, or a row without any, is possible
        assert not validator(kind).is_valid(put(whole, path, wrong)), path


@pytest.mark.parametrize("kind", sorted(BY_KIND))
def test_no_object_may_hold_anything_more(kind):
    whole = BY_KIND[kind]
    assert not accepted({**whole, "traceparent": "00-1"})
    for path in places(whole):
        place = whole
        for key in path:
            place = place[key]
        if isinstance(place, dict):
            assert not validator(kind).is_valid(put(whole, path, {**place, "extra": "x"})), path


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("id", "1"),
        ("subject", "198001022394"),
        ("subject", "514FDADC999471CFEC156506B8592BC2"),
        ("time", "2026-01-10T09:30:00Z"),
        ("time", "2026-13-10T09:30:00.000Z"),
        ("purposes", ""),
        ("purposes", "fk:Kontroll, fk:Planering"),
        ("purposes", "forskning"),
        ("lagrum", "L-2001-182"),
        ("protection", "nej"),
        ("basis", "SKV-AGI-INKOMST-01"),
        ("source", "urn:se:forsakringskassan:utbyte:skatteverket:arbetsgivardeklaration"),
        ("auditleaf", "AAAA"),
        ("specversion", "0.3"),
        ("noonward", "true"),
        ("retention", ""),
    ],
)
def test_an_attribute_keeps_its_form(name, wrong):
    assert not accepted({**BY_KIND["folkbokforing"], name: wrong})


def test_benefits_are_there_exactly_where_the_basis_locks_the_data_to_some():
    locked, free = BY_KIND["inkomst"], BY_KIND["folkbokforing"]
    assert "benefits" in locked
    assert "benefits" not in free
    assert not accepted({**free, "benefits": "sjukpenning"})
    assert not accepted({name: value for name, value in locked.items() if name != "benefits"})


def test_an_event_holds_the_fields_of_its_own_basis_only():
    narrow = next(event for event in GOLDEN.values() if event["basis"] == "AF-ALLMAN-01")
    wide = next(event for event in GOLDEN.values() if event["basis"] == "AF-ERSATTNING-01")
    only = set(wide["data"]["fields"]) - set(next(b for b in READ.bases if b.id == "AF-ALLMAN-01").fields)
    assert only
    for name in only:
        assert not accepted(put(narrow, ("data", "fields", name), wide["data"]["fields"][name])), name


def versions(old: list[str] | None, new: list[str] | None) -> dict:
    """Return the schema of a kind whose one basis has two versions: with these benefits, and with other fields."""
    rows = [
        statute.basis(giltig_tom=date(2025, 11, 30), benefits=old, fields=["belopp"]),
        statute.basis(giltig_fom=date(2025, 12, 1), benefits=new, fields=["period"], lagrum=["L-2"]),
    ]
    made = [schemas.build(statute.KINDS, order)["prov"] for order in (rows, rows[::-1])]
    (rule,) = made[0]["allOf"]
    assert [schema["allOf"][0]["if"] for schema in made] == [rule["if"]] * 2
    return rule["then"]


@pytest.mark.parametrize(
    ("old", "new", "locks"),
    [
        (None, None, ({False}, None)),
        (["sjukpenning"], ["sjukpenning"], (set(), ["benefits"])),
        (None, ["sjukpenning"], (set(), None)),
        (["sjukpenning"], None, (set(), None)),
    ],
)
def test_events_of_every_version_of_a_basis_keep_the_schema(old, new, locks):
    then = versions(old, new)
    named = then["properties"]["data"]["properties"]["fields"]["propertyNames"]["enum"]
    assert sorted(named) == ["belopp", "period"]
    assert ({value for name, value in then["properties"].items() if name == "benefits"}, then.get("required")) == locks


def test_what_no_contract_carries_gives_no_schema():
    free = statute.basis(contract=None, kind="konton")
    assert schemas.build(statute.KINDS, [free]) == {}


def test_what_no_basis_lets_pass_is_in_no_schema():
    for kind, schema in made().items():
        allowed = {name for basis in READ.bases if basis.kind == kind for name in basis.fields}
        assert set(schema["properties"]["data"]["properties"]["fields"]["properties"]) == allowed


def test_a_basis_on_what_no_contract_declares_is_a_fault_in_the_configuration():
    basis = next(basis for basis in READ.bases if basis.kind == "inkomst")
    for change, told in (
        ({"kind": "lotto"}, "no contract"),
        ({"contract": "a/b"}, "no contract"),
        ({"fields": ("x",)}, "fields: x"),
    ):
        with pytest.raises(ConfigError, match=told):
            schemas.build(kinds(), [basis.model_copy(update=change)])


@pytest.mark.parametrize(
    ("shape", "right", "wrong"),
    [
        (Shape.TEXT, ["", "å"], [1, True]),
        (Shape.WHOLE, [0, -1, 2**53 - 1], [2**53, 1.5, "1"]),
        (Shape.TRUTH, [True, False], [1, "true"]),
        (Shape.DAY, ["2026-01-31", "0001-12-01"], ["2026-1-31", "2026-13-01", "2026-01-32", "2026-01-01Z", "2026"]),
        (Shape.MONTH, ["2026-01"], ["2026-13", "202601", "2026-01-01"]),
        (Shape.REDUCED, ["2003", "2003-02", "2003-02-17", "20030231"], ["", "03", "2003-2", "2003-02-17T"]),
        (
            {"a": Shape.TEXT, "b": Shape.WHOLE},
            [[{"a": "x"}], [{"a": "x", "b": 1}, {}]],
            [[], {}, [{"c": 1}], [{"b": "x"}]],
        ),
    ],
    ids=str,
)
def test_each_shape_takes_what_it_is_and_nothing_else(shape, right, wrong):
    schema = schemas.shaped(FieldSpec(category=Category.ARENDE, shape=shape))
    judge = jsonschema.Draft202012Validator(schema)
    assert [value for value in right if not judge.is_valid(value)] == []
    assert [value for value in wrong if judge.is_valid(value)] == []

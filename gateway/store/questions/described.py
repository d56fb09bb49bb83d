"""The questions as others read them: each by itself, its answer as JSON, and all of them as an OpenAPI 3.1 document.

The document is made of the questions themselves, so a new parameter or column is in it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.audit.reading import GIVEN, LONGEST
from gateway.store.questions.question import LARGEST, MOST, Answer, Parameter, Question, Shape

Json = dict[str, Any]
_SHAPES: Final[Mapping[Shape, Json]] = {
    Shape.TEXT: {"type": "string", "maxLength": 1000},
    Shape.WHOLE: {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
    Shape.MOMENT: {"type": "string", "description": "2026-11-26 eller 2026-11-26T08:30; utan zon är tiden svensk."},
    Shape.NAMES: {"type": "array", "items": {"type": "string", "maxLength": 1000}, "maxItems": MOST},
}
_VALUE: Final[Json] = {"type": ["string", "number", "boolean", "null"]}
_TEXT: Final[Json] = {"type": "string"}
_PROBLEM: Final[Json] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "mender", "resend"],
    "properties": {
        "type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "code": _TEXT,
        "step": _TEXT, "mender": {"enum": ["sender", "gateway"]}, "resend": {"type": "boolean"},
        "reference": {"type": ["string", "null"]},
    },
}  # fmt: skip
_FAILURES: Final = {
    "400": "Frågan är inte rätt ställd, eller säger inte varför den ställs.",
    "403": "Certifikatet är ingen läsares, eller läsaren får inte ställa frågan.",
    "404": "Det finns ingen sådan fråga.",
    "405": "Adressen tar en annan metod.",
    "413": "Frågan är för stor.",
    "415": "Frågan är inte application/json.",
    "429": "För många frågor på en minut; Retry-After säger när.",
    "503": "Loggen kan inte svara, eller läsningen kan inte skrivas ned. Fråga igen.",
}


def described(question: Question) -> Json:
    """Return what a question is asked with, and what it tells and does not."""
    return {
        "question": question.id,
        "title": question.title,
        "tells": question.tells,
        "silent": question.silent,
        "parameters": [
            {"name": one.name, "help": one.help, "shape": one.shape.value, "required": one.required}
            for one in question.parameters
        ],
        "about": None if question.about is None else question.about.subject.value,
        "columns": list(question.columns),
    }


def answered(question: Question, answer: Answer, *, more: str | None, seconds: float) -> Json:
    """Return a page as JSON: each row by the question's columns, where to ask on, and how long it took."""
    return {
        "question": question.id,
        "title": question.title,
        "rows": [dict(zip(question.columns, row, strict=True)) for row in answer.rows],
        "more": more,
        "elapsed_ms": round(seconds * 1000, 1),
    }


def openapi(questions: Iterable[Question], *, version: str) -> Json:
    """Return the document of the auditors' listener."""
    paths: Json = {
        "/audit/questions": {"get": _got("Vilka frågor som finns", {"type": "array", "items": _DESCRIPTION})},
        "/audit/openapi.json": {"get": _got("Detta dokument", {"type": "object"})},
    }
    for one in questions:
        paths[f"/audit/questions/{one.id}"] = {"post": _posted(one)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Frågor till loggen",
            "version": version,
            "description": "Klientcertifikatet säger vem som frågar. Varje fråga skrivs ned med ändamål och ärende "
            "innan den besvaras. Personer, ärenden och samtycken står bara i frågans kropp.",
        },
        "paths": paths,
        "components": {"schemas": {"Problem": _PROBLEM}},
    }


_DESCRIPTION: Final[Json] = {
    "type": "object",
    "required": ["question", "title", "tells", "silent", "parameters", "about", "columns"],
    "properties": {
        "question": _TEXT, "title": _TEXT, "tells": _TEXT, "silent": _TEXT,
        "parameters": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": _TEXT, "help": _TEXT, "shape": _TEXT, "required": {"type": "boolean"}},
            },
        },
        "about": {"enum": ["person", "case", "consent", None]},
        "columns": {"type": "array", "items": _TEXT},
    },
}  # fmt: skip


def _got(summary: str, schema: Json) -> Json:
    failures = {status: _failed(status) for status in ("403", "405", "429", "503")}
    return {"summary": summary, "responses": {"200": _content(summary, schema), **failures}}


def _posted(question: Question) -> Json:
    return {
        "operationId": question.id,
        "summary": question.title,
        "description": f"{question.tells}\n\nSäger inte: {question.silent}",
        "requestBody": {"required": True, "content": {"application/json": {"schema": _asked(question)}}},
        "responses": {
            "200": _content("En sida av svaret", _answer(question)),
            **{status: _failed(status) for status in _FAILURES},
        },
    }


def _asked(question: Question) -> Json:
    parameters = {one.name: _parameter(one) for one in question.parameters}
    needed = [one.name for one in question.parameters if one.required]
    given: Json = {"type": "object", "properties": parameters, "required": needed, "additionalProperties": False}
    properties: Json = {
        "purpose": {"enum": [one.value for one in GIVEN]},
        "case": {"type": "string", "minLength": 1, "maxLength": LONGEST, "description": "Namnger ingen person."},
        "parameters": given,
        "limit": {"type": "integer", "minimum": 1, "maximum": LARGEST, "default": 100},
        "after": {"type": ["string", "null"], "description": "`more` ur svaret före, till samma fråga."},
    }
    required = ["purpose", "case", *(["parameters"] if needed else [])]
    about = question.about
    if about is not None:
        properties["about"] = {
            "type": "array",
            "items": {"type": "string", "maxLength": 200},
            "minItems": 1 if about.required else 0,
            "maxItems": MOST if about.several else 1,
            "description": f"{about.subject.value}: {about.help}",
        }
        required += ["about"] if about.required else []
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _parameter(one: Parameter) -> Json:
    default = {} if one.default is None else {"default": one.default}
    schema = _SHAPES[one.shape]
    return {**schema, "description": " ".join(filter(None, (one.help, str(schema.get("description", ""))))), **default}


def _answer(question: Question) -> Json:
    columns: Sequence[str] = question.columns
    row: Json = {
        "type": "object",
        "properties": dict.fromkeys(columns, _VALUE),
        "required": list(columns),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "question": {"const": question.id},
            "title": {"type": "string"},
            "rows": {"type": "array", "items": row, "maxItems": LARGEST},
            "more": {"type": ["string", "null"]},
            "elapsed_ms": {"type": "number", "minimum": 0},
        },
        "required": ["question", "title", "rows", "more", "elapsed_ms"],
        "additionalProperties": False,
    }


def _content(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _failed(status: str) -> Json:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _FAILURES[status], "content": {"application/problem+json": {"schema": schema}}}

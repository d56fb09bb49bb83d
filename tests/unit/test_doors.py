"""`[auditors]` and `[transparency]`: doors that nobody can misread."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.config import load
from gateway.config.doors import Auditors, Transparency
from tests.rules import ROOT

ONE, TWO = "a" * 64, "b" * 64
DOOR = {"anchors": ["revision.pem"], "reader": [{"id": "anna", "certificates": [ONE], "duties": ["auditor"]}]}


def test_a_door_listens_by_the_fronts_times_and_with_its_own_address(tmp_path):
    front = load(ROOT / "config/gateway.toml", data=tmp_path).gateway.listen
    door = Auditors.model_validate({**DOOR, "port": 9000, "certificate": "own.pem", "key": "own.key"})
    listen = door.listen(front)
    assert (listen.port, listen.certificate, listen.key) == (9000, Path("own.pem"), Path("own.key"))
    assert (listen.body_timeout, listen.minimum_tls) == (front.body_timeout, front.minimum_tls)
    assert Auditors.model_validate(DOOR).listen(front).certificate == front.certificate


@pytest.mark.parametrize(
    "changes",
    [
        {"anchors": []},
        {"certificate": "own.pem"},
        {"rate": 0},
        {"reader": [*DOOR["reader"], {"id": "anna", "certificates": [TWO], "duties": ["auditor"]}]},
        {"reader": [*DOOR["reader"], {"id": "bo", "certificates": [ONE], "duties": ["auditor"]}]},
        {"reader": [{"id": "bo", "certificates": [], "duties": ["auditor"]}]},
        {"reader": [{"id": "bo", "certificates": ["A" * 64], "duties": ["auditor"]}]},
        {"reader": [{"id": "bo", "certificates": [ONE], "duties": []}]},
        {"reader": [{"id": "bo", "certificates": [ONE], "duties": ["operator"]}]},
        {"reader": [{"id": "Bo Ek", "certificates": [ONE], "duties": ["auditor"]}]},
    ],
)
def test_a_door_that_could_be_misread_is_refused(changes):
    Auditors.model_validate(DOOR)
    with pytest.raises(ValidationError):
        Auditors.model_validate({**DOOR, **changes})


def test_portals_are_told_apart_as_readers_are():
    portal = {"id": "portal.one", "certificates": [ONE]}
    door = {"anchors": ["agencies.pem"], "portal": [portal, {"id": "portal.two", "certificates": [TWO]}]}
    assert Transparency.model_validate(door).by_certificate()[TWO].id == "portal.two"
    for other in ({"id": "portal.one", "certificates": [TWO]}, {"id": "portal.two", "certificates": [ONE]}):
        with pytest.raises(ValidationError, match="is used twice"):
            Transparency.model_validate({**door, "portal": [portal, other]})


def test_paths_of_a_door_are_below_the_installations_own_folder(tmp_path):
    text = (ROOT / "config/gateway.toml").read_text()
    config = tmp_path / "gateway.toml"
    for name in ("schemas", "partners", "law", "queues.toml", "askers.toml", "retention.toml"):
        place = ROOT / name if name == "schemas" else ROOT / "config" / name
        text = text.replace(f'"../{name}"' if name == "schemas" else f'"{name}"', f'"{place}"')
    config.write_text(
        f'{text}\n[auditors]\nanchors = ["revision.pem"]\n[[auditors.reader]]\nid = "anna"\ncertificates = ["{ONE}"]\n'
        'duties = ["auditor"]\n'
    )
    door = load(config, data=tmp_path / "data").gateway.auditors
    assert door is not None
    assert door.anchors == (tmp_path / "data/revision.pem",)
    assert door.by_certificate()[ONE].id == "anna"
    assert load(ROOT / "config/gateway.toml", data=tmp_path).gateway.auditors is None

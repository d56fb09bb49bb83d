"""One country for all laws."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from gateway.inbound import path
from tests import authorities, rules
from tests.attacks.catalogue import NOW, Scene


@pytest.fixture(scope="session")
def land(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, path.Rules]:
    """Return everybody's credentials, and the gateway's rules that trust them."""
    folder = tmp_path_factory.mktemp("land")
    made = authorities.Authorities.make(NOW, life=timedelta(days=365))
    made.write(folder)
    receipts = rules.signers(rules.receipt_credential(NOW))
    by = rules.build(rules.configuration(folder), random=secrets.token_bytes, receipts=receipts)
    return Scene(credentials=made.credentials), by
